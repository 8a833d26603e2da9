/* setjmp and longjmp: the registers that a function must keep, in `_JUMP_BUFFER`. Where that knows its frame, longjmp
 * unwinds to it, so that the frames' termination handlers run. */
#include "crt.h"

#define STATUS_LONGJUMP 0x80000026u
typedef struct {
    unsigned code, flags;
    void *chained, *address;
    unsigned parameters;
    uintptr_t parameter[15];
} Record;

#ifdef __x86_64__
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
    "  cmpq $0, (%rcx)\n  je 2f\n  movl %eax, %edx\n  jmp crt_unwind_jump\n2:\n"
    "  movq 8(%rcx), %rbx\n  movq 24(%rcx), %rbp\n  movq 32(%rcx), %rsi\n  movq 40(%rcx), %rdi\n"
    "  movq 48(%rcx), %r12\n  movq 56(%rcx), %r13\n  movq 64(%rcx), %r14\n  movq 72(%rcx), %r15\n"
    "  ldmxcsr 88(%rcx)\n  fldcw 92(%rcx)\n"
    "  movdqu 96(%rcx), %xmm6\n  movdqu 112(%rcx), %xmm7\n  movdqu 128(%rcx), %xmm8\n  movdqu 144(%rcx), %xmm9\n"
    "  movdqu 160(%rcx), %xmm10\n  movdqu 176(%rcx), %xmm11\n  movdqu 192(%rcx), %xmm12\n"
    "  movdqu 208(%rcx), %xmm13\n  movdqu 224(%rcx), %xmm14\n  movdqu 240(%rcx), %xmm15\n"
    "  movq 16(%rcx), %rsp\n  jmpq *80(%rcx)\n");

__attribute__((used)) void crt_unwind_jump(void **buffer, int value) {
    Record record = {.code = STATUS_LONGJUMP, .parameters = 1, .parameter = {(uintptr_t)buffer}};
    RtlUnwind(buffer[0], buffer[10], &record, (void *)(intptr_t)value);
}
#else
/* Ebp, Ebx, Edi, Esi, Esp, Eip, then the frame list's head and what `_setjmp3` has beside. */
__asm__(
    ".globl __setjmp\n.globl __setjmp3\n.globl _longjmp\n"
    "__setjmp:\n__setjmp3:\n"
    "  movl 4(%esp), %ecx\n  movl %ebp, (%ecx)\n  movl %ebx, 4(%ecx)\n  movl %edi, 8(%ecx)\n  movl %esi, 12(%ecx)\n"
    "  leal 4(%esp), %eax\n  movl %eax, 16(%ecx)\n  movl (%esp), %eax\n  movl %eax, 20(%ecx)\n"
    "  movl %fs:0, %eax\n  movl %eax, 24(%ecx)\n  movl $-1, 28(%ecx)\n"
    "  xorl %eax, %eax\n  ret\n"
    "_longjmp:\n"
    "  movl 4(%esp), %ecx\n  movl 8(%esp), %eax\n  testl %eax, %eax\n  jnz 1f\n  incl %eax\n1:\n"
    "  movl 24(%ecx), %edx\n  cmpl %fs:0, %edx\n  je 2f\n"
    "  pushl %eax\n  pushl %ecx\n  pushl %edx\n  call __global_unwind2\n  addl $4, %esp\n  popl %ecx\n  popl %eax\n"
    "2:\n"
    "  movl (%ecx), %ebp\n  movl 4(%ecx), %ebx\n  movl 8(%ecx), %edi\n  movl 12(%ecx), %esi\n"
    "  movl 16(%ecx), %esp\n  jmp *20(%ecx)\n");
#endif
