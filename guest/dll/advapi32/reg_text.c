/* Text for the registry: the ANSI code page is UTF-8, as everywhere in the built-in DLLs. */
#include "registry.h"

/* A string for a service: a NULL text is an empty one. FALSE: it is too long for one. */
BOOL AdvpName(UNICODE_STRING *string, const WCHAR *text) {
    size_t size = text ? wcslen(text) * sizeof(WCHAR) : 0;
    if (size > 0xfffc) return FALSE;
    string->Length = (USHORT)size;
    string->MaximumLength = (USHORT)(size + sizeof(WCHAR));
    string->Buffer = (WCHAR *)text;
    return TRUE;
}

/* One code point of UTF-8; what is none is U+FFFD. How many bytes it took. */
static ULONG AdvpDecode(const UCHAR *at, ULONG left, ULONG *point) {
    ULONG first = *at, length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    ULONG value = length == 1 ? first : first & (0x7fu >> length);
    for (ULONG i = 1; i < length; i++) {
        if (i >= left || (at[i] & 0xc0) != 0x80) {
            length = 0;
            break;
        }
        value = value << 6 | (at[i] & 63);
    }
    BOOL bad = !length || (length == 3 && (value < 0x800 || value >> 11 == 0x1b)) || (length == 4 && (value < 0x10000 || value > 0x10ffff));
    *point = bad ? 0xfffd : value;
    return bad ? 1 : length;
}

/* ANSI data as UTF-16, on the heap; NULL: no memory. */
PVOID AdvpWideData(const char *data, ULONG size, ULONG *wide_size) {
    WCHAR *wide = AdvpAllocate(size * sizeof(WCHAR) + sizeof(WCHAR));
    ULONG units = 0;
    for (ULONG i = 0; wide && i < size;) {
        ULONG point;
        i += AdvpDecode((const UCHAR *)data + i, size - i, &point);
        if (point >= 0x10000) {
            wide[units++] = (WCHAR)(0xd800 + ((point - 0x10000) >> 10));
            point = 0xdc00 + (point & 0x3ff);
        }
        wide[units++] = (WCHAR)point;
    }
    *wide_size = units * sizeof(WCHAR);
    return wide;
}

/* An ANSI text as UTF-16; NULL stays NULL. */
LSTATUS AdvpWide(const char *text, WCHAR **result) {
    ULONG size = 0;
    *result = NULL;
    if (!text) return ERROR_SUCCESS;
    while (text[size]) size++;
    *result = AdvpWideData(text, size + 1, &size);
    return *result ? ERROR_SUCCESS : ERROR_NOT_ENOUGH_MEMORY;
}

/* UTF-16 as ANSI, as far as there is room; how many bytes it takes as a whole. */
ULONG AdvpNarrow(const WCHAR *text, ULONG units, char *to, ULONG room) {
    ULONG used = 0;
    for (ULONG i = 0; i < units; i++) {
        ULONG c = text[i];
        UCHAR bytes[4];
        ULONG n = 0;
        if (c >> 11 == 0x1b) {
            BOOL pair = c < 0xdc00 && i + 1 < units && text[i + 1] >> 10 == 0x37;
            c = pair ? 0x10000 + ((c - 0xd800) << 10) + (text[++i] - 0xdc00u) : 0xfffd;
        }
        if (c < 0x80) bytes[n++] = (UCHAR)c;
        else {
            if (c >= 0x10000) bytes[n++] = (UCHAR)(0xf0 | c >> 18), bytes[n++] = (UCHAR)(0x80 | (c >> 12 & 63));
            else if (c >= 0x800) bytes[n++] = (UCHAR)(0xe0 | c >> 12);
            bytes[n++] = (UCHAR)(c >= 0x800 ? 0x80 | (c >> 6 & 63) : 0xc0 | c >> 6);
            bytes[n++] = (UCHAR)(0x80 | (c & 63));
        }
        for (ULONG k = 0; k < n; k++, used++) {
            if (to && used < room) to[used] = (char)bytes[k];
        }
    }
    return used;
}

/* Whether the data of a type is text. */
BOOL AdvpIsText(ULONG type) { return type == REG_SZ || type == REG_EXPAND_SZ || type == REG_MULTI_SZ; }

/* A variable of the environment, by name and length. */
const WCHAR *AdvpVariable(const WCHAR *name, ULONG units) {
    for (const WCHAR *at = NtCurrentPeb()->ProcessParameters->Environment; at && *at; at += wcslen(at) + 1) {
        if (!_wcsnicmp(at, name, units) && at[units] == '=') return at + units + 1;
    }
    return NULL;
}

/* Replaces `%name%` by the variable's value, where there is one; how many units the result has. */
ULONG AdvpExpand(const WCHAR *text, ULONG units, WCHAR *to, ULONG room) {
    ULONG used = 0;
    for (ULONG i = 0; i < units; i++) {
        ULONG end = i + 1;
        const WCHAR *value = NULL;
        if (text[i] == '%') {
            while (end < units && text[end] != '%') end++;
            if (end < units && end > i + 1) value = AdvpVariable(text + i + 1, end - i - 1);
        }
        if (!value) {
            if (used < room) to[used] = text[i];
            used++;
            continue;
        }
        for (; *value; value++, used++) {
            if (used < room) to[used] = *value;
        }
        i = end;
    }
    return used;
}
