/* ucrtbase.dll: what it has beyond msvcrt.dll, and what is called otherwise there. */
#include "../msvcrt/crt.h"

int64_t _strtoi64(const char *, char **, int);
uint64_t _strtoui64(const char *, char **, int);
int64_t _wcstoi64(const wchar_t *, wchar_t **, int);
uint64_t _wcstoui64(const wchar_t *, wchar_t **, int);
double wcstod(const wchar_t *, wchar_t **);
char *getenv(const char *);
int _putenv(const char *);
double sqrt(double), sin(double), cos(double), tan(double), asin(double), acos(double), atan(double), atan2(double, double);
double exp(double), log(double), log10(double), pow(double, double), sinh(double), cosh(double), tanh(double), floor(double);
double ceil(double), fmod(double, double), fabs(double), _hypot(double, double), modf(double, double *), frexp(double, int *);
double ldexp(double, int), _copysign(double, double);
size_t wcsnlen(const wchar_t *, size_t), mbstowcs(wchar_t *, const char *, size_t), wcstombs(char *, const wchar_t *, size_t);
int mbtowc(wchar_t *, const char *, size_t), wctomb(char *, wchar_t), _access(const char *, int);
char *strerror(int), *strtok_s(char *, const char *, char **), *setlocale(int, const char *), *strncpy(char *, const char *, size_t);
size_t wcsspn(const wchar_t *, const wchar_t *), wcscspn(const wchar_t *, const wchar_t *);

long long strtoll(const char *text, char **stop, int base) { return _strtoi64(text, stop, base); }
unsigned long long strtoull(const char *text, char **stop, int base) { return _strtoui64(text, stop, base); }
long long strtoimax(const char *text, char **stop, int base) { return _strtoi64(text, stop, base); }
unsigned long long strtoumax(const char *text, char **stop, int base) { return _strtoui64(text, stop, base); }
long long wcstoll(const wchar_t *text, wchar_t **stop, int base) { return _wcstoi64(text, stop, base); }
unsigned long long wcstoull(const wchar_t *text, wchar_t **stop, int base) { return _wcstoui64(text, stop, base); }
long long atoll(const char *text) { return _strtoi64(text, NULL, 10); }
float strtof(const char *text, char **stop) { return (float)strtod(text, stop); }
float wcstof(const wchar_t *text, wchar_t **stop) { return (float)wcstod(text, stop); }
double _wtof(const wchar_t *text) { return wcstod(text, NULL); }
long long llabs(long long value) { return value < 0 ? -value : value; }
typedef struct { long long quotient, rest; } Divided64;
Divided64 lldiv(long long a, long long b) { return (Divided64){a / b, a % b}; }
uint64_t _rotl64(uint64_t value, int by) { return value << (by & 63) | value >> (-by & 63); }
uint64_t _rotr64(uint64_t value, int by) { return value >> (by & 63) | value << (-by & 63); }

#define FLOAT(name) float name##f(float x) { return (float)name(x); }
FLOAT(sqrt) FLOAT(sin) FLOAT(cos) FLOAT(tan) FLOAT(asin) FLOAT(acos) FLOAT(atan) FLOAT(exp) FLOAT(log) FLOAT(log10)
FLOAT(sinh) FLOAT(cosh) FLOAT(tanh) FLOAT(floor) FLOAT(ceil)
float powf(float x, float y) { return (float)pow(x, y); }
float fmodf(float x, float y) { return (float)fmod(x, y); }
float atan2f(float y, float x) { return (float)atan2(y, x); }
float modff(float x, float *whole) {
    double integer, part = modf(x, &integer);
    *whole = (float)integer;
    return (float)part;
}
float _hypotf(float x, float y) { return (float)_hypot(x, y); }
double hypot(double x, double y) { return _hypot(x, y); }
double copysign(double x, double sign) { return _copysign(x, sign); }
float copysignf(float x, float sign) { return (float)_copysign(x, sign); }
float _copysignf(float x, float sign) { return (float)_copysign(x, sign); }
double trunc(double x) { return x < 0 ? ceil(x) : floor(x); }
/* Half of what is odd goes away from zero. */
double round(double x) {
    double whole = trunc(x);
    return fabs(x - whole) >= 0.5 ? whole + _copysign(1, x) : _copysign(whole, x);
}
/* The processor rounds as it is set to. */
double rint(double x) {
    const double big = _copysign(4503599627370496.0, x);
    if (!(fabs(x) < 4503599627370496.0)) return x;
    volatile double sum = x + big;
    return _copysign(sum - big, x);
}
double nearbyint(double x) { return rint(x); }
FLOAT(trunc) FLOAT(round) FLOAT(rint) FLOAT(nearbyint)
long lround(double x) { return (long)round(x); }
long long llround(double x) { return (long long)round(x); }
long lrint(double x) { return (long)rint(x); }
long long llrint(double x) { return (long long)rint(x); }
long lroundf(float x) { return (long)round(x); }
long long llroundf(float x) { return (long long)round(x); }
long lrintf(float x) { return (long)rint(x); }
long long llrintf(float x) { return (long long)rint(x); }
double fmax(double x, double y) { return x != x || y > x ? y : x; }
double fmin(double x, double y) { return x != x || y < x ? y : x; }
float fmaxf(float x, float y) { return x != x || y > x ? y : x; }
float fminf(float x, float y) { return x != x || y < x ? y : x; }
double fdim(double x, double y) { return x > y ? x - y : x != x ? x : y != y ? y : 0; }
double scalbn(double x, int by) { return ldexp(x, by); }
float scalbnf(float x, int by) { return (float)ldexp(x, by); }
/* `_fpclass` of the headers: FP_NAN 2, FP_INFINITE 1, FP_ZERO 0, FP_SUBNORMAL -2, FP_NORMAL -1. */
short _dclass(double x) {
    uint64_t bits;
    memcpy(&bits, &x, 8);
    uint64_t exponent = bits >> 52 & 0x7ff, fraction = bits << 12;
    if (exponent == 0x7ff) return fraction ? 2 : 1;
    if (!exponent) return fraction ? -2 : 0;
    return -1;
}
short _fdclass(float x) {
    unsigned bits;
    memcpy(&bits, &x, 4);
    unsigned exponent = bits >> 23 & 0xff, fraction = bits << 9;
    if (exponent == 0xff) return fraction ? 2 : 1;
    if (!exponent) return fraction ? -2 : 0;
    return -1;
}
int _dsign(double x) {
    uint64_t bits;
    memcpy(&bits, &x, 8);
    return bits >> 63 ? 0x8000 : 0;
}
int _fdsign(float x) { return _dsign(x); }

/* The locale is "C", for all threads. */
int _configthreadlocale(int mode) {
    enum { ENABLE = 1, DISABLE = 2 };
    return mode == 0 || mode == ENABLE || mode == DISABLE ? DISABLE : -1;
}
wchar_t *_wsetlocale(int category, const wchar_t *name) {
    char *narrow = name ? crt_narrow(name, wcslen(name)) : NULL;
    char *set = setlocale(category, narrow);
    free(narrow);
    return set ? (wchar_t *)u"C" : NULL;
}
void _lock_locales(void) {}
void _unlock_locales(void) {}

/* Safe functions: 0, or an error; the text is empty then. */
static int refused(char *to, size_t size, int error) {
    if (to && size) *to = 0;
    return errno = error;
}
static int refused_wide(wchar_t *to, size_t size, int error) {
    if (to && size) *to = 0;
    return errno = error;
}
int strncpy_s(char *to, size_t size, const char *from, size_t count) {
    if (!to || !size || (!from && count)) return refused(to, size, EINVAL);
    size_t length = 0;
    while (length < count && from[length]) length++;
    int truncated = length >= size && count == SIZE_MAX;
    if (truncated) length = size - 1;
    if (length >= size) return refused(to, size, ERANGE);
    memcpy(to, from, length);
    to[length] = 0;
    return truncated ? 80 : 0;
}
int strncat_s(char *to, size_t size, const char *from, size_t count) {
    size_t used = 0;
    while (to && used < size && to[used]) used++;
    if (!to || used == size) return refused(to, size, EINVAL);
    int error = strncpy_s(to + used, size - used, from, count);
    if (error && error != 80) *to = 0;
    return error;
}
int wcsncpy_s(wchar_t *to, size_t size, const wchar_t *from, size_t count) {
    if (!to || !size || (!from && count)) return refused_wide(to, size, EINVAL);
    size_t length = 0;
    while (length < count && from[length]) length++;
    int truncated = length >= size && count == SIZE_MAX;
    if (truncated) length = size - 1;
    if (length >= size) return refused_wide(to, size, ERANGE);
    memcpy(to, from, length * sizeof *to);
    to[length] = 0;
    return truncated ? 80 : 0;
}
int wcscpy_s(wchar_t *to, size_t size, const wchar_t *from) {
    return from ? wcsncpy_s(to, size, from, SIZE_MAX - 1) : refused_wide(to, size, EINVAL);
}
int wcscat_s(wchar_t *to, size_t size, const wchar_t *from) {
    size_t used = 0;
    while (to && used < size && to[used]) used++;
    if (!to || used == size) return refused_wide(to, size, EINVAL);
    int error = wcscpy_s(to + used, size - used, from);
    if (error) *to = 0;
    return error;
}
int strerror_s(char *to, size_t size, int number) {
    int error = strncpy_s(to, size, strerror(number), SIZE_MAX);
    return error == 80 ? 0 : error;
}
/* In this DLL `wcstok` takes its place in the text with it. */
wchar_t *crt_wcstok(wchar_t *text, const wchar_t *set, wchar_t **next) {
    if (!text) text = *next;
    text += wcsspn(text, set);
    if (!*text) return *next = text, (wchar_t *)NULL;
    wchar_t *stop = text + wcscspn(text, set);
    *next = *stop ? stop + 1 : stop;
    *stop = 0;
    return text;
}
int mbstowcs_s(size_t *made, wchar_t *to, size_t size, const char *from, size_t count) {
    size_t length = mbstowcs(NULL, from, 0);
    if (length == SIZE_MAX) return refused_wide(to, size, EILSEQ);
    if (count != SIZE_MAX && length > count) length = count;
    if (made) *made = length + 1;
    if (!to) return 0;
    if (length >= size && count != SIZE_MAX) return refused_wide(to, size, ERANGE);
    if (length >= size) length = size - 1;
    mbstowcs(to, from, length);
    to[length] = 0;
    return 0;
}
int wcstombs_s(size_t *made, char *to, size_t size, const wchar_t *from, size_t count) {
    size_t length = wcstombs(NULL, from, 0);
    if (length == SIZE_MAX) return refused(to, size, EILSEQ);
    if (count != SIZE_MAX && length > count) length = count;
    if (made) *made = length + 1;
    if (!to) return 0;
    if (length >= size && count != SIZE_MAX) return refused(to, size, ERANGE);
    if (length >= size) length = size - 1;
    wcstombs(to, from, length);
    to[length] = 0;
    return 0;
}
int getenv_s(size_t *length, char *to, size_t size, const char *name) {
    const char *value = name ? getenv(name) : NULL;
    *length = value ? strlen(value) + 1 : 0;
    if (to && size) *to = 0;
    if (!value || (!to && !size)) return 0;
    if (*length > size) return ERANGE;
    strcpy(to, value);
    return 0;
}
int _dupenv_s(char **to, size_t *length, const char *name) {
    const char *value = name ? getenv(name) : NULL;
    *to = value ? _strdup(value) : NULL;
    if (length) *length = *to ? strlen(*to) + 1 : 0;
    return value && !*to ? ENOMEM : 0;
}
int _putenv_s(const char *name, const char *value) {
    size_t length = strlen(name), more = strlen(value);
    char *setting = malloc(length + more + 2);
    if (!setting) return ENOMEM;
    memcpy(setting, name, length);
    setting[length] = '=';
    memcpy(setting + length + 1, value, more + 1);
    int error = _putenv(setting) ? errno : 0;
    free(setting);
    return error;
}
int _access_s(const char *path, int mode) { return _access(path, mode) ? errno : 0; }
int rand_s(unsigned *to) {
    static unsigned state = 0x2545f491;
    if (!to) return EINVAL;
    /* The system's own counter: the same program gets the same numbers. */
    int64_t time;
    NtQuerySystemTime(&time);
    state ^= (unsigned)time;
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    *to = state;
    return 0;
}
typedef int (*CompareWith)(void *, const void *, const void *);
void qsort_s(void *data, size_t count, size_t size, CompareWith compare, void *context) {
    char *base = data;
    /* A heap: no memory, and no bad order. */
    for (size_t phase = count / 2, last = count; count > 1;) {
        if (phase) phase--;
        else {
            if (!--last) return;
            for (size_t i = 0; i < size; i++) {
                char byte = base[i];
                base[i] = base[last * size + i];
                base[last * size + i] = byte;
            }
        }
        for (size_t at = phase, child; (child = 2 * at + 1) < last; at = child) {
            if (child + 1 < last && compare(context, base + child * size, base + (child + 1) * size) < 0) child++;
            if (compare(context, base + at * size, base + child * size) >= 0) break;
            for (size_t i = 0; i < size; i++) {
                char byte = base[at * size + i];
                base[at * size + i] = base[child * size + i];
                base[child * size + i] = byte;
            }
        }
    }
}
void *_recalloc(void *block, size_t count, size_t size) {
    size_t _msize(void *);
    if (size && count > SIZE_MAX / size) return NULL;
    size_t before = block ? _msize(block) : 0;
    char *made = realloc(block, count * size);
    if (made && count * size > before) memset(made + before, 0, count * size - before);
    return made;
}
void *_malloc_base(size_t size) { return malloc(size); }
void *_calloc_base(size_t count, size_t size) { return calloc(count, size); }
void *_realloc_base(void *block, size_t size) { return realloc(block, size); }
void _free_base(void *block) { free(block); }
int isblank(int c) { return c == ' ' || c == '\t'; }
int iswblank(unsigned short c) { return c == ' ' || c == '\t'; }
int __strncnt(const char *text, size_t most) {
    size_t count = 0;
    while (count < most && text[count]) count++;
    return (int)count;
}
typedef struct { int64_t seconds; long nanoseconds; } Timespec64;
int _timespec64_get(Timespec64 *to, int base) {
    int64_t time;
    if (base != 1) return 0;
    NtQuerySystemTime(&time);
    time -= 116444736000000000;
    *to = (Timespec64){time / 10000000, (long)(time % 10000000 * 100)};
    return base;
}
