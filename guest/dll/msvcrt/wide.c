/* Strings of wide characters, and the way between them and chars in the "C" locale: a char is a wide character
 * up to 255. */
#include "crt.h"

size_t wcslen(const wchar_t *text) {
    size_t length = 0;
    while (text[length]) length++;
    return length;
}

size_t wcsnlen(const wchar_t *text, size_t most) {
    size_t length = 0;
    while (length < most && text[length]) length++;
    return length;
}

int wcsncmp(const wchar_t *a, const wchar_t *b, size_t count) {
    for (; count; count--, a++, b++) {
        if (*a != *b) return *a < *b ? -1 : 1;
        if (!*a) break;
    }
    return 0;
}

int wcscmp(const wchar_t *a, const wchar_t *b) { return wcsncmp(a, b, SIZE_MAX); }
int wcscoll(const wchar_t *a, const wchar_t *b) { return wcscmp(a, b); }

unsigned short towlower(unsigned short c) { return c < 128 ? (unsigned short)tolower(c) : c; }
unsigned short towupper(unsigned short c) { return c < 128 ? (unsigned short)toupper(c) : c; }

int _wcsnicmp(const wchar_t *a, const wchar_t *b, size_t count) {
    for (; count; count--, a++, b++) {
        int x = towlower(*a), y = towlower(*b);
        if (x != y) return x - y;
        if (!x) break;
    }
    return 0;
}

int _wcsicmp(const wchar_t *a, const wchar_t *b) { return _wcsnicmp(a, b, SIZE_MAX); }

wchar_t *wcscpy(wchar_t *to, const wchar_t *from) {
    memcpy(to, from, (wcslen(from) + 1) * sizeof *to);
    return to;
}

wchar_t *wcscat(wchar_t *to, const wchar_t *from) {
    wcscpy(to + wcslen(to), from);
    return to;
}

wchar_t *wcsncpy(wchar_t *to, const wchar_t *from, size_t count) {
    size_t length = wcsnlen(from, count);
    memcpy(to, from, length * sizeof *to);
    memset(to + length, 0, (count - length) * sizeof *to);
    return to;
}

wchar_t *wcsncat(wchar_t *to, const wchar_t *from, size_t count) {
    wchar_t *end = to + wcslen(to);
    size_t length = wcsnlen(from, count);
    memcpy(end, from, length * sizeof *to);
    end[length] = 0;
    return to;
}

size_t wcsxfrm(wchar_t *to, const wchar_t *from, size_t count) {
    size_t length = wcslen(from);
    if (count) wcsncpy(to, from, count);
    return length;
}

wchar_t *wcschr(const wchar_t *text, wchar_t value) {
    for (;; text++) {
        if (*text == value) return (wchar_t *)text;
        if (!*text) return NULL;
    }
}

wchar_t *wcsrchr(const wchar_t *text, wchar_t value) {
    const wchar_t *found = NULL;
    for (;; text++) {
        if (*text == value) found = text;
        if (!*text) return (wchar_t *)found;
    }
}

wchar_t *wcsstr(const wchar_t *text, const wchar_t *wanted) {
    size_t length = wcslen(wanted);
    for (;; text++) {
        if (!wcsncmp(text, wanted, length)) return (wchar_t *)text;
        if (!*text) return NULL;
    }
}

size_t wcsspn(const wchar_t *text, const wchar_t *set) {
    size_t length = 0;
    while (text[length] && wcschr(set, text[length])) length++;
    return length;
}

size_t wcscspn(const wchar_t *text, const wchar_t *set) {
    size_t length = 0;
    while (text[length] && !wcschr(set, text[length])) length++;
    return length;
}

wchar_t *wcspbrk(const wchar_t *text, const wchar_t *set) {
    text += wcscspn(text, set);
    return *text ? (wchar_t *)text : NULL;
}

wchar_t *wcstok(wchar_t *text, const wchar_t *set) {
    wchar_t **next = &crt_thread()->wide_token;
    if (!text) text = *next;
    if (!text) return NULL;
    text += wcsspn(text, set);
    wchar_t *end = text + wcscspn(text, set);
    if (end == text) {
        *next = NULL;
        return NULL;
    }
    *next = *end ? end + 1 : NULL;
    *end = 0;
    return text;
}

wchar_t *_wcslwr(wchar_t *text) {
    for (wchar_t *c = text; *c; c++) *c = towlower(*c);
    return text;
}

wchar_t *_wcsupr(wchar_t *text) {
    for (wchar_t *c = text; *c; c++) *c = towupper(*c);
    return text;
}

int mbtowc(wchar_t *to, const char *from, size_t count) {
    if (!from || !count) return 0;
    if (to) *to = (unsigned char)*from;
    return *from != 0;
}

int mblen(const char *from, size_t count) { return mbtowc(NULL, from, count); }

int wctomb(char *to, wchar_t value) {
    if (!to) return 0;
    if (value > 255) {
        errno = EILSEQ;
        return -1;
    }
    *to = (char)value;
    return 1;
}

size_t mbstowcs(wchar_t *to, const char *from, size_t count) {
    size_t length = strlen(from);
    if (!to) return length;
    for (size_t i = 0; i < count; i++) {
        to[i] = (unsigned char)from[i];
        if (!from[i]) return i;
    }
    return count;
}

size_t wcstombs(char *to, const wchar_t *from, size_t count) {
    for (size_t i = 0; !to || i < count; i++) {
        if (from[i] > 255) {
            errno = EILSEQ;
            return (size_t)-1;
        }
        if (to) to[i] = (char)from[i];
        if (!from[i]) return i;
    }
    return count;
}

unsigned short btowc(int c) { return c == EOF ? 0xffff : (unsigned char)c; }
int wctob(unsigned short c) { return c > 255 ? EOF : c; }
