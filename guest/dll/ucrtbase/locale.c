/* ucrtbase.dll: locales as things, which C++'s libraries ask for, and characters of several bytes one by one. There is the
 * locale "C" alone. */
#include "../msvcrt/crt.h"

int mbtowc(wchar_t *, const char *, size_t), wctomb(char *, wchar_t);
int iswalpha(unsigned short), iswcntrl(unsigned short), iswdigit(unsigned short), iswlower(unsigned short);
int iswprint(unsigned short), iswpunct(unsigned short), iswspace(unsigned short), iswupper(unsigned short);
int iswxdigit(unsigned short), iswalnum(unsigned short), iswgraph(unsigned short), isxdigit(int), islower(int), iscntrl(int);
int isprint(int), ispunct(int), isgraph(int);
unsigned short towlower(unsigned short), towupper(unsigned short);
int strcoll(const char *, const char *), wcscoll(const wchar_t *, const wchar_t *), _stricmp(const char *, const char *);
int _wcsicmp(const wchar_t *, const wchar_t *), _wcsnicmp(const wchar_t *, const wchar_t *, size_t);
size_t strxfrm(char *, const char *, size_t), wcsxfrm(wchar_t *, const wchar_t *, size_t);
size_t strftime(char *, size_t, const char *, const void *);
int64_t _strtoi64(const char *, char **, int);
uint64_t _strtoui64(const char *, char **, int);

typedef struct { int category; } Locale;
static Locale plain;
#define IS_PLAIN(name) (!name[0] || (name[0] == 'C' && !name[1]) || !strcmp(name, "POSIX"))

/* NULL for a locale that is not there. */
Locale *_create_locale(int category, const char *name) {
    (void)category;
    return name && IS_PLAIN(name) ? &plain : NULL;
}
Locale *_get_current_locale(void) { return &plain; }
void _free_locale(Locale *locale) { (void)locale; }

#define IN_LOCALE(type, name, parameter, argument) \
    type _##name##_l(parameter, Locale *locale) { \
        (void)locale; \
        return name argument; \
    }
#define WIDE_IN_LOCALE(name) IN_LOCALE(int, name, unsigned short c, (c))
#define CHAR_IN_LOCALE(name) IN_LOCALE(int, name, int c, (c))
WIDE_IN_LOCALE(iswalpha) WIDE_IN_LOCALE(iswcntrl) WIDE_IN_LOCALE(iswdigit) WIDE_IN_LOCALE(iswlower) WIDE_IN_LOCALE(iswprint)
WIDE_IN_LOCALE(iswpunct) WIDE_IN_LOCALE(iswspace) WIDE_IN_LOCALE(iswupper) WIDE_IN_LOCALE(iswxdigit) WIDE_IN_LOCALE(iswalnum)
WIDE_IN_LOCALE(iswgraph)
CHAR_IN_LOCALE(isalpha) CHAR_IN_LOCALE(isdigit) CHAR_IN_LOCALE(isalnum) CHAR_IN_LOCALE(isspace) CHAR_IN_LOCALE(isupper)
CHAR_IN_LOCALE(islower) CHAR_IN_LOCALE(isxdigit) CHAR_IN_LOCALE(iscntrl) CHAR_IN_LOCALE(isprint) CHAR_IN_LOCALE(ispunct)
CHAR_IN_LOCALE(isgraph) CHAR_IN_LOCALE(tolower) CHAR_IN_LOCALE(toupper)
IN_LOCALE(unsigned short, towlower, unsigned short c, (c))
IN_LOCALE(unsigned short, towupper, unsigned short c, (c))
#define TWO(type) type a, type b
#define INTO(type) type *to, const type *from, size_t count
#define TIME char *to, size_t room, const char *format, const void *time
#define TEXT const char *text, char **stop
#define BASED const char *text, char **stop, int base
IN_LOCALE(int, strcoll, TWO(const char *), (a, b))
IN_LOCALE(int, wcscoll, TWO(const wchar_t *), (a, b))
IN_LOCALE(size_t, strxfrm, INTO(char), (to, from, count))
IN_LOCALE(size_t, wcsxfrm, INTO(wchar_t), (to, from, count))
IN_LOCALE(size_t, strftime, TIME, (to, room, format, time))
IN_LOCALE(double, strtod, TEXT, (text, stop))
int _mbtowc_l(wchar_t *to, const char *from, size_t count, Locale *locale) {
    (void)locale;
    return mbtowc(to, from, count);
}
int64_t _strtoi64_l(BASED, Locale *locale) {
    (void)locale;
    return _strtoi64(text, stop, base);
}
uint64_t _strtoui64_l(BASED, Locale *locale) {
    (void)locale;
    return _strtoui64(text, stop, base);
}
float _strtof_l(TEXT, Locale *locale) {
    (void)locale;
    return (float)strtod(text, stop);
}
int _stricmp_l(const char *a, const char *b, Locale *locale) {
    (void)locale;
    return _stricmp(a, b);
}

/* In the locale "C" a character is a byte, as `mbtowc` has it. */
size_t mbrtowc(wchar_t *to, const char *from, size_t count, void *state) {
    wchar_t c;
    (void)state;
    if (!from) return 0;
    if (!count) return (size_t)-2;
    int length = mbtowc(&c, from, count);
    if (length < 0) return errno = EILSEQ, (size_t)-1;
    if (to) *to = c;
    return (size_t)length;
}
size_t mbrlen(const char *from, size_t count, void *state) { return mbrtowc(NULL, from, count, state); }
size_t wcrtomb(char *to, wchar_t c, void *state) {
    char bytes[8];
    (void)state;
    if (!to) return 1;
    int length = wctomb(bytes, c);
    if (length < 0) return errno = EILSEQ, (size_t)-1;
    memcpy(to, bytes, (size_t)length);
    return (size_t)length;
}
int wcrtomb_s(size_t *made, char *to, size_t room, wchar_t c, void *state) {
    char bytes[8];
    size_t length = wcrtomb(bytes, c, state);
    if (made) *made = length;
    if (length == (size_t)-1) return EILSEQ;
    if (to && length > room) return errno = ERANGE;
    if (to) memcpy(to, bytes, length);
    return 0;
}
size_t mbsrtowcs(wchar_t *to, const char **from, size_t count, void *state) {
    size_t made = 0;
    for (const char *at = *from;; made++) {
        wchar_t c;
        if (to && made == count) return *from = at, made;
        size_t length = mbrtowc(&c, at, 8, state);
        if (length == (size_t)-1) return length;
        if (to) to[made] = c;
        if (!c) break;
        at += length;
    }
    if (to) *from = NULL;
    return made;
}
size_t wcsrtombs(char *to, const wchar_t **from, size_t count, void *state) {
    size_t made = 0;
    for (const wchar_t *at = *from;; at++) {
        char bytes[8];
        size_t length = wcrtomb(bytes, *at, state);
        if (length == (size_t)-1) return length;
        if (to && made + length > count) return *from = at, made;
        if (to) memcpy(to + made, bytes, length);
        if (!*at) break;
        made += length;
    }
    if (to) *from = NULL;
    return made;
}
static int known_errors = 43;
int *__sys_nerr(void) { return &known_errors; }
