/* Code pages. The ANSI and the OEM code page of the built-in system are UTF-8 (65001): 0 (CP_ACP), 1 (CP_OEMCP),
 * 3 (CP_THREAD_ACP), 65001 and, for programs that were built for it, 1252 all mean that. Any other is unknown. */
#include "base.h"

#define MB_ERR_INVALID_CHARS 8
#define WC_ERR_INVALID_CHARS 0x80

static int known(unsigned page) {
    return page == 0 || page == 1 || page == 3 || page == 1252 || page == CP_UTF8;
}

size_t text_length(const char *text) {
    size_t length = 0;
    while (text[length]) length++;
    return length;
}

size_t wide_length(const wchar_t *text) {
    size_t length = 0;
    while (text[length]) length++;
    return length;
}

#define BAD 0xffffffffu

/* One code point of UTF-8, at most `count` bytes; how many it took. BAD for what is none. */
static int decode(const unsigned char *at, size_t count, unsigned *point) {
    unsigned first = *at;
    int length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    *point = BAD;
    if (!length) return 1;
    unsigned value = length == 1 ? first : first & (0x7fu >> length);
    for (int i = 1; i < length; i++) {
        if ((size_t)i >= count || (at[i] & 0xc0) != 0x80) return i;
        value = value << 6 | (at[i] & 63);
        /* What would be too long, a surrogate, or beyond Unicode is seen at the second byte. */
        if (i == 1 && ((length == 3 && (value < 0x20 || value >> 5 == 0xd800 >> 11)) || (length == 4 && (value < 0x10 || value > 0x10f)))) return 1;
    }
    *point = value;
    return length;
}

int MultiByteToWideChar(unsigned page, unsigned flags, const char *from, int count, wchar_t *to, int room) {
    if (!from || !count || count < -1 || room < 0 || (room && !to) || !known(page)) return fail(ERROR_INVALID_PARAMETER);
    if (flags & ~15u) return fail(ERROR_INVALID_FLAGS);
    size_t length = count < 0 ? text_length(from) + 1 : (size_t)count;
    int used = 0;
    for (size_t i = 0; i < length;) {
        unsigned point;
        i += (size_t)decode((const unsigned char *)from + i, length - i, &point);
        if (point == BAD) {
            if (flags & MB_ERR_INVALID_CHARS) return fail(ERROR_NO_UNICODE_TRANSLATION);
            point = 0xfffd;
        }
        int units = point < 0x10000 ? 1 : 2;
        if (room) {
            if (used + units > room) return fail(ERROR_INSUFFICIENT_BUFFER);
            if (units == 2) {
                to[used] = (wchar_t)(0xd800 + ((point - 0x10000) >> 10));
                to[used + 1] = (wchar_t)(0xdc00 + (point & 0x3ff));
            } else {
                to[used] = (wchar_t)point;
            }
        }
        used += units;
    }
    return used;
}

int WideCharToMultiByte(unsigned page, unsigned flags, const wchar_t *from, int count, char *to, int room,
                        const char *replacement, BOOL *replaced) {
    if (!from || !count || count < -1 || room < 0 || (room && !to) || !known(page)) return fail(ERROR_INVALID_PARAMETER);
    /* UTF-8 has every character, so that nothing is ever replaced; asked for by its number it refuses the question. */
    if (page == CP_UTF8 && (replacement || replaced)) return fail(ERROR_INVALID_PARAMETER);
    if (flags & ~0x6f0u) return fail(ERROR_INVALID_FLAGS);
    if (replaced) *replaced = 0;
    size_t length = count < 0 ? wide_length(from) + 1 : (size_t)count;
    int used = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned c = from[i];
        if (c >> 11 == 0xd800 >> 11) {
            int pair = c < 0xdc00 && i + 1 < length && from[i + 1] >> 10 == 0xdc00 >> 10;
            if (!pair && flags & WC_ERR_INVALID_CHARS) return fail(ERROR_NO_UNICODE_TRANSLATION);
            c = pair ? 0x10000 + ((c - 0xd800) << 10) + (from[++i] - 0xdc00u) : 0xfffd;
        }
        char bytes[4];
        int n = 0;
        if (c < 0x80) {
            bytes[n++] = (char)c;
        } else {
            if (c >= 0x10000) bytes[n++] = (char)(0xf0 | c >> 18), bytes[n++] = (char)(0x80 | (c >> 12 & 63));
            else if (c >= 0x800) bytes[n++] = (char)(0xe0 | c >> 12);
            bytes[n++] = (char)(c >= 0x800 ? 0x80 | (c >> 6 & 63) : 0xc0 | c >> 6);
            bytes[n++] = (char)(0x80 | (c & 63));
        }
        if (room) {
            if (used + n > room) return fail(ERROR_INSUFFICIENT_BUFFER);
            for (int k = 0; k < n; k++) to[used + k] = bytes[k];
        }
        used += n;
    }
    return used;
}

unsigned GetACP(void) { return CP_UTF8; }
unsigned GetOEMCP(void) { return CP_UTF8; }
unsigned GetConsoleCP(void) { return CP_UTF8; }
unsigned GetConsoleOutputCP(void) { return CP_UTF8; }
BOOL IsValidCodePage(unsigned page) { return known(page) && page > 3; }
/* UTF-8 has no lead bytes in that sense. */
BOOL IsDBCSLeadByte(unsigned char byte) { return (void)byte, 0; }
BOOL IsDBCSLeadByteEx(unsigned page, unsigned char byte) {
    (void)byte;
    return known(page) ? 0 : fail(ERROR_INVALID_PARAMETER);
}

/* A copy of UTF-16 as UTF-8 on the heap, or NULL. */
char *narrow_copy(const wchar_t *text, size_t length) {
    char *copy = RtlAllocateHeap(heap(), 0, 3 * length + 1);
    if (!copy) return NULL;
    int used = length ? WideCharToMultiByte(CP_UTF8, 0, text, (int)length, copy, (int)(3 * length), NULL, NULL) : 0;
    copy[used] = 0;
    return copy;
}

wchar_t *wide_copy(const char *text) {
    size_t length = text_length(text) + 1;
    wchar_t *copy = RtlAllocateHeap(heap(), 0, length * sizeof *copy);
    if (copy) MultiByteToWideChar(CP_UTF8, 0, text, (int)length, copy, (int)length);
    return copy;
}

static int lower(int c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }
/* The order of the "C" locale, by value. */
int lstrcmpA(const char *a, const char *b) {
    for (; *a && *a == *b; a++, b++) {}
    return (*a > *b) - (*a < *b);
}
int lstrcmpiA(const char *a, const char *b) {
    for (; *a && lower(*a) == lower(*b); a++, b++) {}
    return (lower(*a) > lower(*b)) - (lower(*a) < lower(*b));
}
int lstrcmpW(const wchar_t *a, const wchar_t *b) {
    for (; *a && *a == *b; a++, b++) {}
    return (*a > *b) - (*a < *b);
}
static unsigned lower_unit(unsigned c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }
int lstrcmpiW(const wchar_t *a, const wchar_t *b) {
    for (; *a && lower_unit(*a) == lower_unit(*b); a++, b++) {}
    return (lower_unit(*a) > lower_unit(*b)) - (lower_unit(*a) < lower_unit(*b));
}
char *lstrcpyA(char *to, const char *from) {
    char *at = to;
    while ((*at++ = *from++)) {}
    return to;
}
char *lstrcpynA(char *to, const char *from, int room) {
    char *at = to;
    if (room <= 0) return to;
    while (--room && *from) *at++ = *from++;
    *at = 0;
    return to;
}
char *lstrcatA(char *to, const char *from) {
    lstrcpyA(to + text_length(to), from);
    return to;
}
wchar_t *lstrcpyW(wchar_t *to, const wchar_t *from) {
    wchar_t *at = to;
    while ((*at++ = *from++)) {}
    return to;
}
wchar_t *lstrcatW(wchar_t *to, const wchar_t *from) {
    lstrcpyW(to + wide_length(to), from);
    return to;
}
