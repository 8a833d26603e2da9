/* What only programs of 32-bit compilers ask msvcrt.dll for. */
#ifndef __x86_64__
#include "crt.h"

extern int _fmode, _commode;
extern wchar_t **_wenviron, **__winitenv;
extern char **__initenv;
extern wchar_t *_wcmdln;

int *__p__fmode(void) { return &_fmode; }
int *__p__commode(void) { return &_commode; }
char ***__p___initenv(void) { return &__initenv; }
wchar_t ***__p__wenviron(void) { return &_wenviron; }
FILE *__p__iob(void) { return _iob; }

/* `_ftol`: the number on top of the x87 stack, cut to an integer in EDX:EAX. */
__asm__(
    ".globl __ftol\n__ftol:\n"
    "  subl $16, %esp\n  fnstcw (%esp)\n  movw (%esp), %ax\n  orw $0xc00, %ax\n  movw %ax, 2(%esp)\n"
    "  fldcw 2(%esp)\n  fistpll 8(%esp)\n  fldcw (%esp)\n"
    "  movl 8(%esp), %eax\n  movl 12(%esp), %edx\n  addl $16, %esp\n  ret\n");

/* The intrinsic forms: arguments and result on the x87 stack. */
#define INTRINSIC1(name) \
    __asm__(".globl __CI" #name "\n__CI" #name ":\n  subl $8, %esp\n  fstpl (%esp)\n  call _" #name "\n  addl $8, %esp\n  ret\n");
#define INTRINSIC2(name) \
    __asm__(".globl __CI" #name "\n__CI" #name ":\n  subl $16, %esp\n  fstpl 8(%esp)\n  fstpl (%esp)\n  call _" #name \
            "\n  addl $16, %esp\n  ret\n");
INTRINSIC1(sqrt) INTRINSIC1(sin) INTRINSIC1(cos) INTRINSIC1(tan) INTRINSIC1(exp) INTRINSIC1(log) INTRINSIC1(log10)
INTRINSIC1(atan) INTRINSIC1(asin) INTRINSIC1(acos) INTRINSIC2(pow) INTRINSIC2(fmod) INTRINSIC2(atan2)
#endif
