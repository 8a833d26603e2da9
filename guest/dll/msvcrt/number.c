/* Whole numbers from text and to text. */
#include "crt.h"

static int digit_of(int c) { return isdigit(c) ? c - '0' : isalpha(c) ? tolower(c) - 'a' + 10 : 99; }

/* The magnitude of a number in text; whether it is negative, whether it is too large for 64 bits. */
uint64_t crt_parse(const char *text, char **end, int base, int *negative, int *large) {
    const char *at = text;
    uint64_t value = 0;
    *negative = *large = 0;
    if (end) *end = (char *)text;
    if (base < 0 || base == 1 || base > 36) {
        errno = EINVAL;
        return 0;
    }
    while (isspace((unsigned char)*at)) at++;
    *negative = *at == '-';
    if (*at == '-' || *at == '+') at++;
    if ((base == 0 || base == 16) && *at == '0' && (at[1] == 'x' || at[1] == 'X')) {
        at += 2;
        base = 16;
    }
    if (base == 0) base = *at == '0' ? 8 : 10;
    for (int digit; (digit = digit_of((unsigned char)*at)) < base; at++) {
        *large |= __builtin_mul_overflow(value, (uint64_t)base, &value);
        *large |= __builtin_add_overflow(value, (uint64_t)digit, &value);
        if (end) *end = (char *)at + 1;
    }
    return value;
}

static int64_t parse_signed(const char *text, char **end, int base, int64_t most) {
    int negative, large;
    uint64_t value = crt_parse(text, end, base, &negative, &large);
    if (large || value > (uint64_t)most + (negative != 0)) {
        errno = ERANGE;
        return negative ? -most - 1 : most;
    }
    return (int64_t)(negative ? 0 - value : value);
}

static uint64_t parse_unsigned(const char *text, char **end, int base, uint64_t most) {
    int negative, large;
    uint64_t value = crt_parse(text, end, base, &negative, &large);
    if (large || value > most) {
        errno = ERANGE;
        value = most;
    }
    return negative ? 0 - value : value;
}

long strtol(const char *text, char **end, int base) { return (long)parse_signed(text, end, base, LONG_MAX); }
unsigned long strtoul(const char *text, char **end, int base) { return (unsigned long)parse_unsigned(text, end, base, ULONG_MAX); }
int64_t _strtoi64(const char *text, char **end, int base) { return parse_signed(text, end, base, INT64_MAX); }
uint64_t _strtoui64(const char *text, char **end, int base) { return parse_unsigned(text, end, base, UINT64_MAX); }
int atoi(const char *text) { return strtol(text, NULL, 10); }
long atol(const char *text) { return strtol(text, NULL, 10); }
int64_t _atoi64(const char *text) { return _strtoi64(text, NULL, 10); }

/* Wide text: what can be part of a number is ASCII. */
#define WIDE_MAX 128
static size_t ascii(const wchar_t *text, char *copy, size_t *skipped) {
    *skipped = 0;
    while (*text < 128 && isspace(*text)) text++, ++*skipped;
    size_t length = 0;
    while (length < WIDE_MAX - 1 && text[length] && text[length] < 128) copy[length] = (char)text[length], length++;
    copy[length] = 0;
    return length;
}
#define WIDE(type, name, call) \
    type name(const wchar_t *text, wchar_t **end, int base) { \
        char copy[WIDE_MAX], *stop; \
        size_t skipped; \
        ascii(text, copy, &skipped); \
        type value = call; \
        if (end) *end = (wchar_t *)text + (stop == copy ? 0 : skipped + (size_t)(stop - copy)); \
        return value; \
    }
WIDE(long, wcstol, strtol(copy, &stop, base))
WIDE(unsigned long, wcstoul, strtoul(copy, &stop, base))
WIDE(int64_t, _wcstoi64, _strtoi64(copy, &stop, base))
WIDE(uint64_t, _wcstoui64, _strtoui64(copy, &stop, base))
static WIDE(double, wide_double, ((void)base, strtod(copy, &stop)))
double wcstod(const wchar_t *text, wchar_t **end) { return wide_double(text, end, 10); }
int _wtoi(const wchar_t *text) { return wcstol(text, NULL, 10); }
long _wtol(const wchar_t *text) { return wcstol(text, NULL, 10); }
int64_t _wtoi64(const wchar_t *text) { return _wcstoi64(text, NULL, 10); }

static char *to_text(uint64_t value, int negative, char *text, int base) {
    char digits[65], *at = digits + 64, *to = text;
    if (base < 2 || base > 36) {
        *text = 0;
        errno = EINVAL;
        return text;
    }
    *at = 0;
    do *--at = "0123456789abcdefghijklmnopqrstuvwxyz"[value % (unsigned)base];
    while (value /= (unsigned)base);
    if (negative) *to++ = '-';
    strcpy(to, at);
    return text;
}

char *_itoa(int value, char *text, int base) {
    int negative = value < 0 && base == 10;
    return to_text(negative ? 0u - (unsigned)value : (unsigned)value, negative, text, base);
}
char *_ltoa(long value, char *text, int base) { return _itoa(value, text, base); }
char *_ultoa(unsigned long value, char *text, int base) { return to_text(value, 0, text, base); }
char *_i64toa(int64_t value, char *text, int base) {
    int negative = value < 0 && base == 10;
    return to_text(negative ? 0 - (uint64_t)value : (uint64_t)value, negative, text, base);
}
char *_ui64toa(uint64_t value, char *text, int base) { return to_text(value, 0, text, base); }

int abs(int value) { return value < 0 ? (int)(0u - (unsigned)value) : value; }
long labs(long value) { return abs(value); }
int64_t _abs64(int64_t value) { return value < 0 ? (int64_t)(0 - (uint64_t)value) : value; }
typedef struct { int quotient, rest; } Divided;
Divided div(int a, int b) { return (Divided){a / b, a % b}; }
Divided ldiv(long a, long b) { return div(a, b); }

unsigned _rotl(unsigned value, int by) { return value << (by & 31) | value >> (-by & 31); }
unsigned _rotr(unsigned value, int by) { return value >> (by & 31) | value << (-by & 31); }
uint64_t _byteswap_uint64(uint64_t value) { return __builtin_bswap64(value); }
unsigned long _byteswap_ulong(unsigned long value) { return __builtin_bswap32(value); }
unsigned short _byteswap_ushort(unsigned short value) { return __builtin_bswap16(value); }

/* A linear congruential generator, each thread its own, with the numbers Windows gives. */
int rand(void) {
    Thread *mine = crt_thread();
    mine->seed = mine->seed * 214013 + 2531011;
    return mine->seed >> 16 & 0x7fff;
}
void srand(unsigned seed) { crt_thread()->seed = seed; }
