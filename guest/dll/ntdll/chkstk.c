/* What compilers call before they take more than a page of stack: each page is touched in its turn, as guard pages
 * want it. */
#include "ntdll.h"

#ifdef __x86_64__
/* `__chkstk`: rax = bytes about to be taken. Every register survives; the caller subtracts rax itself. */
__asm__(".globl __chkstk\n.def __chkstk; .scl 2; .type 32; .endef\n.p2align 4\n"
        "__chkstk:\n"
        "  subq $0x10, %rsp\n  movq %r10, (%rsp)\n  movq %r11, 8(%rsp)\n"
        "  xorl %r11d, %r11d\n  leaq 0x18(%rsp), %r10\n  subq %rax, %r10\n  cmovbq %r11, %r10\n"
        "  movq %gs:0x10, %r11\n  cmpq %r11, %r10\n  jae 2f\n  andw $-0x1000, %r10w\n"
        "1:\n  subq $0x1000, %r11\n  movb $0, (%r11)\n  cmpq %r11, %r10\n  jne 1b\n"
        "2:\n  movq (%rsp), %r10\n  movq 8(%rsp), %r11\n  addq $0x10, %rsp\n  ret\n");
EXPORT_ASM(__chkstk);
#else
/* `_chkstk`, and `_alloca_probe`, which is the same function: eax = bytes to take, taken at the return; ecx survives. */
__asm__(".globl __chkstk\n.def __chkstk; .scl 2; .type 32; .endef\n.p2align 4\n"
        "__chkstk:\n"
        "  pushl %ecx\n  leal 4(%esp), %ecx\n"
        "1:\n  cmpl $0x1000, %eax\n  jb 2f\n  subl $0x1000, %ecx\n  orl $0, (%ecx)\n  subl $0x1000, %eax\n  jmp 1b\n"
        /* The return address moves down with the stack. */
        "2:\n  subl %eax, %ecx\n  orl $0, (%ecx)\n"
        "  movl %ecx, %eax\n  popl %ecx\n  xchgl %eax, %esp\n  movl (%eax), %eax\n  movl %eax, (%esp)\n  ret\n");
EXPORT_ASM(_chkstk);
EXPORT_AS(_alloca_probe, _chkstk);
#endif
