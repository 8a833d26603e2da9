/* setjmp and longjmp: the registers that a function must keep, in `_JUMP_BUFFER` of x64.
 *
 * longjmp does not run the frames' termination handlers on its way: nothing unwinds here.
 */
__asm__(
    ".globl _setjmp\n.globl _setjmpex\n.globl longjmp\n"
    "_setjmp:\n_setjmpex:\n"
    "  movq %rdx, (%rcx)\n  movq %rbx, 8(%rcx)\n"
    "  leaq 8(%rsp), %rax\n  movq %rax, 16(%rcx)\n"
    "  movq %rbp, 24(%rcx)\n  movq %rsi, 32(%rcx)\n  movq %rdi, 40(%rcx)\n"
    "  movq %r12, 48(%rcx)\n  movq %r13, 56(%rcx)\n  movq %r14, 64(%rcx)\n  movq %r15, 72(%rcx)\n"
    "  movq (%rsp), %rax\n  movq %rax, 80(%rcx)\n"
    "  stmxcsr 88(%rcx)\n  fnstcw 92(%rcx)\n"
    "  movdqu %xmm6, 96(%rcx)\n  movdqu %xmm7, 112(%rcx)\n  movdqu %xmm8, 128(%rcx)\n  movdqu %xmm9, 144(%rcx)\n"
    "  movdqu %xmm10, 160(%rcx)\n  movdqu %xmm11, 176(%rcx)\n  movdqu %xmm12, 192(%rcx)\n"
    "  movdqu %xmm13, 208(%rcx)\n  movdqu %xmm14, 224(%rcx)\n  movdqu %xmm15, 240(%rcx)\n"
    "  xorl %eax, %eax\n  ret\n"
    "longjmp:\n"
    "  movl %edx, %eax\n  testl %eax, %eax\n  jnz 1f\n  incl %eax\n1:\n"
    "  movq 8(%rcx), %rbx\n  movq 24(%rcx), %rbp\n  movq 32(%rcx), %rsi\n  movq 40(%rcx), %rdi\n"
    "  movq 48(%rcx), %r12\n  movq 56(%rcx), %r13\n  movq 64(%rcx), %r14\n  movq 72(%rcx), %r15\n"
    "  ldmxcsr 88(%rcx)\n  fldcw 92(%rcx)\n"
    "  movdqu 96(%rcx), %xmm6\n  movdqu 112(%rcx), %xmm7\n  movdqu 128(%rcx), %xmm8\n  movdqu 144(%rcx), %xmm9\n"
    "  movdqu 160(%rcx), %xmm10\n  movdqu 176(%rcx), %xmm11\n  movdqu 192(%rcx), %xmm12\n"
    "  movdqu 208(%rcx), %xmm13\n  movdqu 224(%rcx), %xmm14\n  movdqu 240(%rcx), %xmm15\n"
    "  movq 16(%rcx), %rsp\n  jmpq *80(%rcx)\n");
