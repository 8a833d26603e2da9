/* Mathematics that C99 brought. */
#include "../msvcrt/crt.h"
#include "../msvcrt/x87.h"

static int is_nan(Long x) { return x != x; }
static double out_of_domain(void) {
    errno = EDOM;
    return -__builtin_nan("");
}
static double pole(double value) {
    errno = ERANGE;
    return value;
}

/* The logarithm of 1 + x, whose digits are not lost where x is small. */
static Long logarithm_of_more(Long x) {
    Long result;
    if (x < -0.25 || x > 0.25) return logarithm(constant_ln2(), 1 + x);
    __asm__("fyl2xp1" : "=t"(result) : "0"(x), "u"(constant_ln2()) : "st(1)");
    return result;
}

double log1p(double x) {
    if (is_nan(x) || x == __builtin_inf()) return x;
    if (x < -1) return out_of_domain();
    return x == -1 ? pole(-__builtin_inf()) : (double)logarithm_of_more(x);
}
double log2(double x) {
    if (is_nan(x)) return x;
    if (x < 0) return out_of_domain();
    return x == 0 ? pole(-__builtin_inf()) : (double)logarithm(1, x);
}
double exp2(double x) {
    if (is_nan(x) || x == __builtin_inf()) return x;
    if (x > 1100) return pole(__builtin_inf());
    double result = x < -1100 ? 0 : (double)power_of_two(x);
    return result == __builtin_inf() ? pole(result) : result;
}
double expm1(double x) {
    if (is_nan(x) || x == __builtin_inf() || x == 0) return x;
    Long bits = x * constant_log2_e();
    if (bits > 1100) return pole(__builtin_inf());
    if (bits < -80) return -1;
    if (bits > 1 || bits < -1) return (double)(power_of_two(bits) - 1);
    __asm__("f2xm1" : "+t"(bits));
    return (double)bits;
}
double asinh(double x) {
    Long size = x < 0 ? -(Long)x : (Long)x;
    if (is_nan(x) || size == __builtin_inf() || x == 0) return x;
    Long result = logarithm_of_more(size + size * size / (1 + root(1 + size * size)));
    return (double)(x < 0 ? -result : result);
}
double acosh(double x) {
    if (is_nan(x) || x == __builtin_inf()) return x;
    if (x < 1) return out_of_domain();
    Long more = (Long)x - 1;
    return (double)logarithm_of_more(more + root(2 * more + more * more));
}
double atanh(double x) {
    if (is_nan(x) || x == 0) return x;
    if (x > 1 || x < -1) return out_of_domain();
    if (x == 1 || x == -1) return pole(x * __builtin_inf());
    Long size = x < 0 ? -(Long)x : (Long)x, result = logarithm_of_more(2 * size / (1 - size)) / 2;
    return (double)(x < 0 ? -result : result);
}
double cbrt(double x) {
    if (is_nan(x) || x == 0 || x - x != 0) return x;
    Long size = x < 0 ? -(Long)x : (Long)x;
    Long near = power_of_two(logarithm(1, size) / 3);
    near -= (near * near * near - size) / (3 * near * near);
    return (double)(x < 0 ? -near : near);
}

#define FLOAT_OF(name) float name##f(float x) { return (float)name(x); }
FLOAT_OF(log1p)
FLOAT_OF(log2)
FLOAT_OF(exp2)
FLOAT_OF(expm1)
FLOAT_OF(asinh)
FLOAT_OF(acosh)
FLOAT_OF(atanh)
FLOAT_OF(cbrt)
