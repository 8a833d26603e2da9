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
/* `_JUMP_BUFFER`. A function of a compiler with exceptions passes `_setjmp3` what unwinds it, to which level, and data for that. */
typedef struct Buffer {
    uintptr_t ebp, ebx, edi, esi, esp, eip, registration;
    int level;
    unsigned cookie;
    void(STDCALL *unwind)(struct Buffer *);
    uintptr_t data[6];
} Buffer;
enum { VC20 = 0x56433230 };
_Static_assert(__builtin_offsetof(Buffer, unwind) == 36, "_JUMP_BUFFER");

__asm__(
    ".globl __setjmp\n.globl __setjmp3\n.globl _longjmp\n"
    "__setjmp:\n  movl $crt_no_more, %eax\n  jmp 1f\n"
    "__setjmp3:\n  leal 8(%esp), %eax\n1:\n"
    "  movl 4(%esp), %ecx\n  movl %ebp, (%ecx)\n  movl %ebx, 4(%ecx)\n  movl %edi, 8(%ecx)\n  movl %esi, 12(%ecx)\n"
    "  leal 4(%esp), %edx\n  movl %edx, 16(%ecx)\n  movl (%esp), %edx\n  movl %edx, 20(%ecx)\n"
    "  movl %fs:0, %edx\n  movl %edx, 24(%ecx)\n"
    "  pushl %eax\n  pushl %ecx\n  call _crt_set_jump\n  addl $8, %esp\n"
    "  xorl %eax, %eax\n  ret\n"
    "_longjmp:\n"
    "  movl 4(%esp), %ecx\n  movl 8(%esp), %eax\n  testl %eax, %eax\n  jnz 1f\n  incl %eax\n1:\n"
    "  movl 24(%ecx), %edx\n  cmpl %fs:0, %edx\n  je 2f\n"
    "  pushl %eax\n  pushl %ecx\n  pushl %edx\n  call __global_unwind2\n  addl $4, %esp\n  popl %ecx\n  popl %eax\n"
    "2:\n  movl 36(%ecx), %edx\n  testl %edx, %edx\n  je 3f\n"
    "  pushl %eax\n  pushl %ecx\n  pushl %ecx\n  call *%edx\n  popl %ecx\n  popl %eax\n"
    "3:\n  movl (%ecx), %ebp\n  movl 4(%ecx), %ebx\n  movl 8(%ecx), %edi\n  movl 12(%ecx), %esi\n"
    "  movl 16(%ecx), %esp\n  jmp *20(%ecx)\n"
    ".section .rdata,\"dr\"\ncrt_no_more: .long 0\n.text\n");

/* The count of what follows, then the function, the level and the data. */
__attribute__((used)) void crt_set_jump(Buffer *buffer, const uintptr_t *more) {
    buffer->cookie = VC20;
    buffer->level = more[0] > 1 ? (int)more[2] : -1;
    buffer->unwind = NULL;
    if (more[0]) buffer->unwind = (void(STDCALL *)(Buffer *))more[1];
    for (unsigned i = 0; i < 6; i++) buffer->data[i] = i + 2 < more[0] ? more[i + 3] : 0;
}
#endif
