/* 64-bit arithmetic for 32-bit code, as Microsoft's compiler calls it. */
#include "ntdll.h"

#ifdef __i386__

/* Quotient and rest, by the processor's division of 64 bits by 32; a divisor of more bits takes one bit at a time. */
static ULONGLONG RtlpDivide(ULONGLONG value, ULONGLONG by, ULONGLONG *rest) {
    ULONG low = (ULONG)value, high = (ULONG)(value >> 32), divisor = (ULONG)by, quotient = 0;
    if (!(by >> 32)) {
        ULONG upper, remainder;
        __asm__("divl %4" : "=a"(upper), "=d"(remainder) : "0"(high), "1"(0), "r"(divisor) : "cc");
        __asm__("divl %4" : "=a"(low), "=d"(remainder) : "0"(low), "1"(remainder), "r"(divisor) : "cc");
        *rest = remainder;
        return (ULONGLONG)upper << 32 | low;
    }
    /* The quotient has no more than 32 bits. */
    ULONGLONG left = high;
    for (ULONG bit = 0x80000000; bit; bit >>= 1) {
        left = left << 1 | !!(low & bit);
        quotient <<= 1;
        if (left >= by) left -= by, quotient |= 1;
    }
    *rest = left;
    return quotient;
}

static ULONGLONG RtlpMagnitude(LONGLONG value) { return value < 0 ? 0 - (ULONGLONG)value : (ULONGLONG)value; }

/* A function that has its compiler's name, takes two 64-bit arguments from the stack and pops them. */
#define HELPER(name, T) \
    EXPORT_ASM(_##name); \
    T NTAPI Rtlp_##name(T a, T b) __asm__("__" #name); \
    T NTAPI Rtlp_##name(T a, T b)

/* `_allmul`: the product's low half, which is the same with and without signs. */
HELPER(allmul, LONGLONG) { return a * b; }

/* `_aulldiv`, `_aullrem`: quotient and rest without signs. */
HELPER(aulldiv, ULONGLONG) {
    ULONGLONG rest;
    return RtlpDivide(a, b, &rest);
}
HELPER(aullrem, ULONGLONG) {
    ULONGLONG rest;
    RtlpDivide(a, b, &rest);
    return rest;
}

/* `_alldiv`, `_allrem`: with signs; the quotient is cut towards 0, the rest has the dividend's sign. */
HELPER(alldiv, LONGLONG) {
    ULONGLONG rest, quotient = RtlpDivide(RtlpMagnitude(a), RtlpMagnitude(b), &rest);
    return (LONGLONG)((a < 0) != (b < 0) ? 0 - quotient : quotient);
}
HELPER(allrem, LONGLONG) {
    ULONGLONG rest;
    RtlpDivide(RtlpMagnitude(a), RtlpMagnitude(b), &rest);
    return (LONGLONG)(a < 0 ? 0 - rest : rest);
}

/* `_allshl`, `_allshr`, `_aullshr`: edx:eax shifted by cl; by 64 and more nothing but the sign is left. */
#define SHIFT(name, code) \
    __asm__(".globl __" #name "\n.def __" #name "; .scl 2; .type 32; .endef\n.p2align 4\n__" #name ":\n" code); \
    EXPORT_ASM(_##name)
SHIFT(allshl, "  cmpb $64, %cl\n  jae 2f\n  cmpb $32, %cl\n  jae 1f\n  shldl %cl, %eax, %edx\n  shll %cl, %eax\n  ret\n"
              "1:\n  movl %eax, %edx\n  xorl %eax, %eax\n  shll %cl, %edx\n  ret\n"
              "2:\n  xorl %eax, %eax\n  xorl %edx, %edx\n  ret\n");
SHIFT(aullshr, "  cmpb $64, %cl\n  jae 2f\n  cmpb $32, %cl\n  jae 1f\n  shrdl %cl, %edx, %eax\n  shrl %cl, %edx\n  ret\n"
               "1:\n  movl %edx, %eax\n  xorl %edx, %edx\n  shrl %cl, %eax\n  ret\n"
               "2:\n  xorl %eax, %eax\n  xorl %edx, %edx\n  ret\n");
SHIFT(allshr, "  cmpb $64, %cl\n  jae 2f\n  cmpb $32, %cl\n  jae 1f\n  shrdl %cl, %edx, %eax\n  sarl %cl, %edx\n  ret\n"
              "1:\n  movl %edx, %eax\n  sarl $31, %edx\n  sarl %cl, %eax\n  ret\n"
              "2:\n  sarl $31, %edx\n  movl %edx, %eax\n  ret\n");
#endif
