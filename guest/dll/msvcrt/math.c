/* Mathematics by the x87's own instructions, whose 64-bit mantissas leave a double's last bit right nearly always. */
#include "crt.h"
#include "x87.h"

/* The instructions take arguments below 2^63 only; the rest is reduced by whole turns first. */
static Long reduced(Long x) {
    Long turn;
    __asm__("fldpi" : "=t"(turn));
    turn *= 2;
    __asm__("1: fprem1\n\tfnstsw %%ax\n\ttestb $4, %%ah\n\tjnz 1b" : "+t"(x) : "u"(turn) : "ax", "cc");
    return x;
}

static double domain(void) {
    errno = EDOM;
    return -__builtin_nan("");
}
static int is_nan(double x) { return x != x; }
static int is_infinite(double x) { return x == __builtin_inf() || x == -__builtin_inf(); }
static double in_range(Long x) {
    double result = (double)x;
    if (is_infinite(result)) errno = ERANGE;
    return result;
}

double sin(double x) {
    if (is_infinite(x)) return domain();
    Long y = reduced(x);
    __asm__("fsin" : "+t"(y));
    return (double)y;
}
double cos(double x) {
    if (is_infinite(x)) return domain();
    Long y = reduced(x);
    __asm__("fcos" : "+t"(y));
    return (double)y;
}
double tan(double x) {
    if (is_infinite(x)) return domain();
    Long y = reduced(x), one;
    __asm__("fptan" : "=t"(one), "=u"(y) : "0"(y));
    return (double)(y / one);
}
double atan(double x) { return (double)arctangent(x, 1); }
double atan2(double y, double x) { return (double)arctangent(y, x); }
double asin(double x) {
    if (x < -1 || x > 1) return domain();
    return (double)arctangent(x, root((1 - (Long)x) * (1 + (Long)x)));
}
double acos(double x) {
    if (x < -1 || x > 1) return domain();
    return (double)arctangent(root((1 - (Long)x) * (1 + (Long)x)), x);
}

double sqrt(double x) {
    if (x < 0) return domain();
    return (double)root(x);
}
static double logarithm_of(double x, Long unit) {
    if (is_nan(x)) return x;
    if (x < 0) return domain();
    if (x == 0) {
        errno = ERANGE;
        return -__builtin_inf();
    }
    return (double)logarithm(unit, x);
}
double log(double x) { return logarithm_of(x, constant_ln2()); }
double log10(double x) { return logarithm_of(x, constant_log10_2()); }

static Long exponential(double x) {
    if (is_nan(x)) return x;
    if (x > 11000) return __builtin_inf();
    if (x < -11000) return 0;
    return power_of_two(x * constant_log2_e());
}
double exp(double x) { return is_infinite(x) ? (x > 0 ? x : 0) : in_range(exponential(x)); }
static double hyperbolic(double x, int sign) {
    if (is_infinite(x)) return sign < 0 ? x : x * x;
    if (sign < 0 && x > -1e-3 && x < 1e-3) return (double)(x + (Long)x * x * x / 6 + (Long)x * x * x * x * x / 120);
    return in_range((exponential(x) + sign * exponential(-x)) / 2);
}
double sinh(double x) { return hyperbolic(x, -1); }
double cosh(double x) { return hyperbolic(x, 1); }
double tanh(double x) {
    if (x > 40 || x < -40) return x > 0 ? 1 : -1;
    if (x > -1e-3 && x < 1e-3) return (double)(x - (Long)x * x * x / 3 + 2 * (Long)x * x * x * x * x / 15);
    Long up = exponential(x), down = exponential(-x);
    return (double)((up - down) / (up + down));
}

/* Rounding: a double of 2^52 and more is whole. */
static double whole(double x, int direction) {
    if (is_nan(x) || x >= 0x1p52 || x <= -0x1p52) return x;
    double down = (double)(int64_t)x;
    if (direction < 0 && down > x) down -= 1;
    if (direction > 0 && down < x) down += 1;
    return down == 0 ? __builtin_copysign(0, x) : down;
}
double floor(double x) { return whole(x, -1); }
double ceil(double x) { return whole(x, 1); }
double fabs(double x) { return __builtin_fabs(x); }
double modf(double x, double *integer) {
    *integer = whole(x, 0);
    return is_infinite(x) ? __builtin_copysign(0, x) : __builtin_copysign(x - *integer, x);
}
double fmod(double x, double y) {
    if (is_infinite(x) || y == 0) return domain();
    Long rest = x, by = y;
    __asm__("1: fprem\n\tfnstsw %%ax\n\ttestb $4, %%ah\n\tjnz 1b" : "+t"(rest) : "u"(by) : "ax", "cc");
    return (double)rest;
}

double frexp(double x, int *exponent) {
    *exponent = 0;
    if (x == 0 || is_nan(x) || is_infinite(x)) return x;
    for (; x >= 1 || x <= -1; x /= 2) ++*exponent;
    for (; x < 0.5 && x > -0.5; x *= 2) --*exponent;
    return x;
}
double ldexp(double x, int exponent) {
    if (x == 0 || is_nan(x) || is_infinite(x)) return x;
    Long y = x, n = exponent > 5000 ? 5000 : exponent < -5000 ? -5000 : exponent;
    __asm__("fscale" : "+t"(y) : "u"(n));
    return in_range(y);
}
double _hypot(double x, double y) {
    if (is_infinite(x) || is_infinite(y)) return __builtin_inf();
    return in_range(root((Long)x * x + (Long)y * y));
}

double pow(double x, double y) {
    if (y == 0 || x == 1) return 1;
    if (is_nan(x) || is_nan(y)) return x + y;
    int is_whole = whole(y, 0) == y, odd = is_whole && fabs(y) < 0x1p53 && (int64_t)y & 1;
    double size = fabs(x);
    if (is_infinite(y)) return size == 1 ? 1 : (size > 1) == (y > 0) ? __builtin_inf() : 0;
    if (x == 0 || is_infinite(x)) {
        double result = (x == 0) == (y < 0) ? __builtin_inf() : 0;
        if (x == 0 && y < 0) errno = ERANGE;
        return odd ? __builtin_copysign(result, x) : result;
    }
    if (x < 0 && !is_whole) return domain();
    Long result;
    if (is_whole && fabs(y) <= 64) {
        /* Small whole powers are exact as long as they fit. */
        Long base = size;
        result = 1;
        for (unsigned n = (unsigned)fabs(y); n; n >>= 1, base *= base)
            if (n & 1) result *= base;
        if (y < 0) result = 1 / result;
    } else {
        Long exponent = logarithm(y, size);
        result = exponent > 16000 ? (Long)__builtin_inf() : exponent < -16000 ? 0 : power_of_two(exponent);
    }
    double rounded = in_range(result);
    return x < 0 && odd ? -rounded : rounded;
}

int _isnan(double x) { return is_nan(x); }
int _finite(double x) { return !is_nan(x) && !is_infinite(x); }
double _copysign(double x, double sign) { return __builtin_copysign(x, sign); }
double _chgsign(double x) { return -x; }
int _fltused = 0x9875;
