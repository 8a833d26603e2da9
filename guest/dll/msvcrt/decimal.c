/* Doubles as exact decimal digits, and back: with whole numbers as long as it takes. */
#include "crt.h"

#define BILLION 1000000000u
/* The smallest double's last bit is 2^-1074: 53 bits times 5^1074 are 767 digits. */
#define WORDS 90

static int multiply(unsigned *word, int count, unsigned base, unsigned by) {
    uint64_t carry = 0;
    for (int i = 0; i < count; i++) {
        carry += (uint64_t)word[i] * by;
        word[i] = (unsigned)(carry % base);
        carry /= base;
    }
    if (carry) word[count++] = (unsigned)carry;
    return count;
}

/* The digits of a finite value that is not negative: 0.DIGITS times ten to the `point`. Returns their count. */
int crt_digits(double value, char *digits, int *point) {
    uint64_t bits;
    __builtin_memcpy(&bits, &value, 8);
    int exponent = (int)(bits >> 52 & 0x7ff);
    uint64_t mantissa = bits & 0xfffffffffffffu;
    if (exponent) mantissa |= 1ull << 52;
    else exponent = 1;
    exponent -= 1075;
    if (!mantissa) {
        *digits = '0';
        *point = 1;
        return 1;
    }
    while (!(mantissa & 1) && exponent < 0) mantissa >>= 1, exponent++;
    unsigned word[WORDS] = {(unsigned)(mantissa % BILLION), (unsigned)(mantissa / BILLION)};
    int words = 2, tens = 0;
    for (int left = exponent; left > 0; left -= 29) words = multiply(word, words, BILLION, 1u << (left < 29 ? left : 29));
    for (int left = -exponent; left > 0; left -= 12) {
        unsigned power = 1;
        for (int i = 0; i < 12 && i < left; i++) power *= 5;
        words = multiply(word, words, BILLION, power);
    }
    if (exponent < 0) tens = exponent;
    while (words > 1 && !word[words - 1]) words--;
    int count = 0;
    for (int i = words; i--;) {
        unsigned scale = BILLION / 10;
        for (int k = 0; k < 9; k++, scale /= 10) {
            char digit = (char)('0' + word[i] / scale % 10);
            if (count || digit != '0') digits[count++] = digit;
        }
    }
    *point = count + tens;
    while (count > 1 && digits[count - 1] == '0') count--;
    return count;
}

/* Keeps so many digits, rounding to the nearest, a tie away from zero, as msvcrt.dll does. Returns the new count. */
int crt_round(char *digits, int *point, int count, int *keep) {
    int kept = *keep;
    if (kept >= count) return count;
    if (kept < 0) {
        *digits = '0';
        return 0;
    }
    if (digits[kept] >= '5') {
        int i = kept;
        while (i && digits[i - 1] == '9') digits[--i] = '0';
        if (i) {
            digits[i - 1]++;
        } else {
            /* All nines, or nothing before: one digit more, a place higher. */
            digits[0] = '1';
            for (i = 1; i <= kept; i++) digits[i] = '0';
            ++*point;
            *keep = ++kept;
        }
    }
    return kept;
}

/* 780 digits are 82 words; before a division by ten to the 1109 they are shifted by 118 more. */
#define BINARY_WORDS 260

static int divide(unsigned *word, int count, unsigned by, int *rest) {
    uint64_t carry = 0;
    for (int i = count; i--;) {
        carry = carry << 32 | word[i];
        word[i] = (unsigned)(carry / by);
        carry %= by;
    }
    *rest |= carry != 0;
    while (count && !word[count - 1]) count--;
    return count;
}

static int multiply_binary(unsigned *word, int count, unsigned by, unsigned add) {
    uint64_t carry = add;
    for (int i = 0; i < count; i++) {
        carry += (uint64_t)word[i] * by;
        word[i] = (unsigned)carry;
        carry >>= 32;
    }
    if (carry) word[count++] = (unsigned)carry;
    return count;
}

static unsigned ten_to(int power) {
    unsigned result = 1;
    while (power--) result *= 10;
    return result;
}

static int bit(const unsigned *word, int at) { return word[at / 32] >> at % 32 & 1; }

/* The double nearest to DIGITS times ten to the exponent, a tie to the even one. */
double crt_to_double(const char *digits, size_t count, int exponent, int *range) {
    unsigned word[BINARY_WORDS];
    int words = 0, shift = 0, rest = 0;
    double result = 0;
    while (count && *digits == '0') digits++, count--;
    if (!count) return 0;
    if (count > DIGITS_MAX - 20) {
        for (size_t i = DIGITS_MAX - 20; i < count; i++) rest |= digits[i] != '0';
        exponent += (int)count - (DIGITS_MAX - 20);
        count = DIGITS_MAX - 20;
    }
    if (exponent + (int)count > 310) goto overflow;
    if (exponent + (int)count < -330) goto underflow;
    for (size_t i = 0; i < count; i++) words = multiply_binary(word, words, 10, (unsigned)(digits[i] - '0'));
    for (int left = exponent; left > 0; left -= 9) words = multiply_binary(word, words, ten_to(left < 9 ? left : 9), 0);
    if (exponent < 0) {
        /* Room for 64 bits and more behind the division. */
        int up = (66 - exponent * 10 / 3) / 32 + 1;
        for (int i = words; i--;) word[i + up] = word[i];
        memset(word, 0, (size_t)up * sizeof *word);
        words += up;
        shift = 32 * up;
        for (; exponent < 0; exponent += 9) words = divide(word, words, ten_to(exponent > -9 ? -exponent : 9), &rest);
    }
    int bits = 32 * words;
    while (bits && !bit(word, bits - 1)) bits--;
    int top = bits - 1 - shift;
    int precision = top >= -1022 ? 53 : 53 + 1022 + top;
    if (top > 1023) goto overflow;
    if (precision < 0) goto underflow;
    uint64_t mantissa = 0;
    for (int i = 0; i < precision; i++) {
        int at = bits - 1 - i;
        mantissa = mantissa << 1 | (at >= 0 ? bit(word, at) : 0);
    }
    int half = bits - 1 - precision;
    if (half >= 0 && bit(word, half)) {
        for (int i = 0; i < half; i++) rest |= bit(word, i);
        mantissa += rest || mantissa & 1;
    }
    if (top >= -1022) mantissa += (uint64_t)(top + 1022) << 52;
    if (mantissa >= 0x7ffull << 52) goto overflow;
    if (!mantissa) goto underflow;
    __builtin_memcpy(&result, &mantissa, 8);
    return result;
overflow:
    *range = 1;
    return __builtin_inf();
underflow:
    *range = 1;
    return 0;
}

/* Decimal only: "inf", "nan" and hexadecimal digits are no number here. 'd' may stand for 'e'. */
double strtod(const char *text, char **end) {
    const char *at = text;
    char digits[DIGITS_MAX];
    size_t count = 0;
    int exponent = 0, any = 0, more = 0, range = 0;
    while (isspace((unsigned char)*at)) at++;
    int negative = *at == '-';
    if (*at == '-' || *at == '+') at++;
    for (int fraction = 0;; at++) {
        if (*at == '.' && !fraction) {
            fraction = 1;
            continue;
        }
        if (!isdigit((unsigned char)*at)) break;
        any = 1;
        exponent -= fraction;
        if (!count && *at == '0') continue;
        if (count < DIGITS_MAX - 1) digits[count++] = *at;
        else exponent++, more |= *at != '0';
    }
    if (!any) {
        if (end) *end = (char *)text;
        return 0;
    }
    if (more) {
        digits[count++] = '1';
        exponent--;
    }
    if (*at == 'e' || *at == 'E' || *at == 'd' || *at == 'D') {
        const char *after = at + 1;
        int minus = *after == '-', power = 0;
        if (*after == '-' || *after == '+') after++;
        if (isdigit((unsigned char)*after)) {
            for (; isdigit((unsigned char)*after); after++)
                if (power < 100000) power = 10 * power + (*after - '0');
            exponent += minus ? -power : power;
            at = after;
        }
    }
    if (end) *end = (char *)at;
    double value = crt_to_double(digits, count, exponent, &range);
    if (range) errno = ERANGE;
    return negative ? -value : value;
}

double atof(const char *text) { return strtod(text, NULL); }
