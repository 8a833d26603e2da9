/* Text: UTF-16 to and from UTF-8, which is this machine's ANSI code page. */
#include "files.h"

#define REPLACEMENT 0xfffd

/* `lstrlenA`, and `lstrlen`, which is the same function: 0 for NULL. */
int NTAPI lstrlenA(const char *text) { return text ? (int)strlen(text) : 0; }

/* `lstrlenW`. */
int NTAPI lstrlenW(const WCHAR *text) { return text ? (int)wcslen(text) : 0; }

/* One character in UTF-8; its bytes. */
static ULONG BasepEncode(ULONG c, char *to) {
    ULONG more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    if (!more) to[0] = (char)c;
    else to[0] = (char)(0xff00u >> (more + 1) | c >> 6 * more);
    for (ULONG i = 1; i <= more; i++) to[i] = (char)(0x80 | (c >> 6 * (more - i) & 0x3f));
    return more + 1;
}

/* UTF-8 of at most `units` units of UTF-16: the bytes written, and to `*taken` the units. `room` is at least 4; it stops
 * where a longest sequence might not fit. An unpaired surrogate is written as U+FFFD. */
ULONG BasepUtf8FromUtf16(const WCHAR *text, ULONG units, char *to, ULONG room, ULONG *taken) {
    ULONG used = 0, i = 0;
    while (i < units && used + 4 <= room) {
        ULONG c = text[i++];
        if (c >> 11 == 0xd800 >> 11) {
            /* A pair is a high surrogate, D800 to DBFF, and a low one, DC00 to DFFF. */
            BOOL paired = c < 0xdc00 && i < units && text[i] >> 10 == 0xdc00 >> 10;
            c = paired ? 0x10000 + ((c - 0xd800) << 10) + (text[i++] - 0xdc00u) : REPLACEMENT;
        }
        used += BasepEncode(c, to + used);
    }
    *taken = i;
    return used;
}

/* One character of UTF-8 at `*text`, which moves on behind it; U+FFFD for a byte that is no part of a sequence. */
static ULONG BasepDecode(const UCHAR **text) {
    ULONG first = *(*text)++, more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3, c;
    if (first < 0x80) return first;
    if (first < 0xc2 || first >= 0xf5) return REPLACEMENT;
    c = first & (0x3fu >> more);
    for (ULONG i = 0; i < more; i++) {
        if ((**text & 0xc0) != 0x80) return REPLACEMENT;
        c = c << 6 | (*(*text)++ & 0x3f);
    }
    /* Too long a form, a surrogate, or beyond the last character. */
    ULONG least = more == 1 ? 0x80 : more == 2 ? 0x800 : 0x10000;
    return c < least || c >> 11 == 0xd800 >> 11 || c >= 0x110000 ? REPLACEMENT : c;
}

/* A name in UTF-8 as UTF-16, in room for LONGEST_NAME + 1 units; NULL is none. FALSE with ERROR_FILENAME_EXCED_RANGE if
 * it does not fit. */
BOOL BasepWideName(const char *name, WCHAR *to) {
    const UCHAR *text = (const UCHAR *)name;
    ULONG used = 0;
    while (text && *text) {
        ULONG c = BasepDecode(&text);
        if (used + (c >= 0x10000) >= LONGEST_NAME) return BasepFail(ERROR_FILENAME_EXCED_RANGE);
        if (c >= 0x10000) {
            to[used++] = (WCHAR)(0xd800 + ((c - 0x10000) >> 10));
            c = 0xdc00 + (c & 0x3ff);
        }
        to[used++] = (WCHAR)c;
    }
    to[used] = 0;
    return TRUE;
}

/* Bytes of UTF-8 as UTF-16, to be freed. */
static WCHAR *BasepWidenBytes(const char *text, SIZE_T size) {
    const UCHAR *at = (const UCHAR *)text, *end = at + size;
    /* No byte makes more than one unit. */
    WCHAR *wide = BasepAllocate((size + 1) * sizeof *wide);
    for (ULONG used = 0; wide && at < end;) {
        ULONG c = BasepDecode(&at);
        if (c >= 0x10000) {
            wide[used++] = (WCHAR)(0xd800 + ((c - 0x10000) >> 10));
            c = 0xdc00 + (c & 0x3ff);
        }
        wide[used++] = (WCHAR)c;
        wide[used] = 0;
    }
    return wide;
}

/* A text of any length. */
WCHAR *BasepWidenLong(const char *text) { return BasepWidenBytes(text, strlen(text) + 1); }

/* An environment block. */
WCHAR *BasepWidenBlock(const char *block) {
    const char *at = block;
    while (*at) at += strlen(at) + 1;
    return BasepWidenBytes(block, (SIZE_T)(at - block) + 2);
}
