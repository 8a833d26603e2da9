/* The x87's instructions as functions. */
#pragma once

typedef long double Long;

static inline Long arctangent(Long y, Long x) {
    Long result;
    __asm__("fpatan" : "=t"(result) : "0"(x), "u"(y) : "st(1)");
    return result;
}

static inline Long root(Long x) {
    __asm__("fsqrt" : "+t"(x));
    return x;
}

/* y times the binary logarithm of x. */
static inline Long logarithm(Long y, Long x) {
    Long result;
    __asm__("fyl2x" : "=t"(result) : "0"(x), "u"(y) : "st(1)");
    return result;
}

/* Two to the x. */
static inline Long power_of_two(Long x) {
    Long n = x, result;
    __asm__("frndint" : "+t"(n));
    x -= n;
    __asm__("f2xm1" : "+t"(x));
    x += 1;
    __asm__("fscale" : "=t"(result) : "0"(x), "u"(n));
    return result;
}

static inline Long constant_ln2(void) {
    Long x;
    __asm__("fldln2" : "=t"(x));
    return x;
}
static inline Long constant_log10_2(void) {
    Long x;
    __asm__("fldlg2" : "=t"(x));
    return x;
}
static inline Long constant_log2_e(void) {
    Long x;
    __asm__("fldl2e" : "=t"(x));
    return x;
}
