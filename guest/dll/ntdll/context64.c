/* The registers of 64-bit code: taken, put back, and where the kernel sends a thread in user mode. */
#include "ntdll.h"
#ifdef __x86_64__

/* `RtlCaptureContext`: the caller's registers, as they are when this returns. */
__asm__(".globl RtlCaptureContext\n.def RtlCaptureContext; .scl 2; .type 32; .endef\n.p2align 4\n"
        ".seh_proc RtlCaptureContext\nRtlCaptureContext:\n  pushfq\n.seh_stackalloc 8\n.seh_endprologue\n"
        "  movw %cs, 0x38(%rcx)\n  movw %ds, 0x3a(%rcx)\n  movw %es, 0x3c(%rcx)\n  movw %ss, 0x42(%rcx)\n"
        "  movw %fs, 0x3e(%rcx)\n  movw %gs, 0x40(%rcx)\n"
        "  movq %rax, 0x78(%rcx)\n  movq %rcx, 0x80(%rcx)\n  movq %rdx, 0x88(%rcx)\n  movq %rbx, 0x90(%rcx)\n"
        "  leaq 0x10(%rsp), %rax\n  movq %rax, 0x98(%rcx)\n"
        "  movq %rbp, 0xa0(%rcx)\n  movq %rsi, 0xa8(%rcx)\n  movq %rdi, 0xb0(%rcx)\n  movq %r8, 0xb8(%rcx)\n"
        "  movq %r9, 0xc0(%rcx)\n  movq %r10, 0xc8(%rcx)\n  movq %r11, 0xd0(%rcx)\n  movq %r12, 0xd8(%rcx)\n"
        "  movq %r13, 0xe0(%rcx)\n  movq %r14, 0xe8(%rcx)\n  movq %r15, 0xf0(%rcx)\n"
        "  fxsave64 0x100(%rcx)\n  stmxcsr 0x34(%rcx)\n"
        "  movq 8(%rsp), %rax\n  movq %rax, 0xf8(%rcx)\n"
        "  movl (%rsp), %eax\n  movl %eax, 0x44(%rcx)\n  movl $0x10000f, 0x30(%rcx)\n"
        "  addq $8, %rsp\n  ret\n.seh_endproc\n");
EXPORT_ASM(RtlCaptureContext);

/* `RtlRaiseException`: ExceptionAddress and the context are where this returns to. */
__asm__(".globl RtlRaiseException\n.def RtlRaiseException; .scl 2; .type 32; .endef\n.p2align 4\n"
        ".seh_proc RtlRaiseException\nRtlRaiseException:\n"
        "  subq $0x4f8, %rsp\n.seh_stackalloc 0x4f8\n.seh_endprologue\n"
        "  movq %rcx, 0x500(%rsp)\n  leaq 0x20(%rsp), %rcx\n  call RtlCaptureContext\n"
        "  movq 0x500(%rsp), %rcx\n  movq %rcx, 0xa0(%rsp)\n"
        "  leaq 0x500(%rsp), %rax\n  movq %rax, 0xb8(%rsp)\n"
        "  movq 0x4f8(%rsp), %rax\n  movq %rax, 0x118(%rsp)\n"
        "  leaq 0x20(%rsp), %rdx\n  call RtlpRaise\n  int3\n.seh_endproc\n");
EXPORT_ASM(RtlRaiseException);

/* `KiUserExceptionDispatcher`: the kernel leaves a CONTEXT at RSP, the EXCEPTION_RECORD above it (before Windows 7 right
 * behind it, since then behind a CONTEXT_EX), and at 590h what an interrupt would have pushed: that is how the stack is
 * unwound to the code that raised the exception. */
__asm__(".globl KiUserExceptionDispatcher\n.def KiUserExceptionDispatcher; .scl 2; .type 32; .endef\n.p2align 4\n"
        ".seh_proc KiUserExceptionDispatcher\nKiUserExceptionDispatcher:\n"
        ".seh_pushframe\n.seh_stackalloc 0x590\n.seh_endprologue\n"
        "  cld\n  movq %rsp, %rcx\n  call RtlpDispatchFromKernel\n  int3\n.seh_endproc\n");
EXPORT_ASM(KiUserExceptionDispatcher);

/* `KiUserApcDispatcher`: the kernel leaves a CONTEXT at RSP, and in its home space what is to be called and with what. */
__asm__(".globl KiUserApcDispatcher\n.def KiUserApcDispatcher; .scl 2; .type 32; .endef\n.p2align 4\n"
        ".seh_proc KiUserApcDispatcher\nKiUserApcDispatcher:\n"
        ".seh_pushframe\n.seh_stackalloc 0x4d0\n.seh_savereg %rbx, 0x90\n.seh_savereg %rbp, 0xa0\n"
        ".seh_savereg %rsi, 0xa8\n.seh_savereg %rdi, 0xb0\n.seh_savereg %r12, 0xd8\n.seh_savereg %r13, 0xe0\n"
        ".seh_savereg %r14, 0xe8\n.seh_savereg %r15, 0xf0\n.seh_endprologue\n"
        "1:  movq (%rsp), %rcx\n  movq 8(%rsp), %rdx\n  movq 0x10(%rsp), %r8\n  movq %rsp, %r9\n  call *0x18(%rsp)\n"
        "  movq %rsp, %rcx\n  movb $1, %dl\n  call NtContinue\n  testl %eax, %eax\n  je 1b\n"
        "  movl %eax, %ecx\n  call RtlRaiseStatus\n  int3\n.seh_endproc\n");
EXPORT_ASM(KiUserApcDispatcher);

/* The upper part of a frame of `RtlpCallConsolidated`: the registers that a function keeps, and what an interrupt pushes. */
typedef struct {
    ULONGLONG Rbx, Rbp, Rsi, Rdi, R12, R13, R14, R15;
    M128A Xmm6[10];
    ULONGLONG Rip, SegCs, EFlags, Rsp, SegSs;
} RTLP_CONSOLIDATED;
_Static_assert(sizeof(RTLP_CONSOLIDATED) == 0x108, "RTLP_CONSOLIDATED");

/* Calls the function that a consolidated unwind names, on a frame that looks as if the target's code had been interrupted
 * in the call: what is raised in there is dispatched from the target on. What it returns is where execution goes on. */
ULONG_PTR RtlpCallConsolidated(EXCEPTION_RECORD *record, PVOID function, const RTLP_CONSOLIDATED *frame);
__asm__(".globl RtlpCallConsolidated\n.def RtlpCallConsolidated; .scl 2; .type 32; .endef\n.p2align 4\n"
        ".seh_proc RtlpCallConsolidated\nRtlpCallConsolidated:\n  subq $0x148, %rsp\n"
        "  movl $0x108 / 8, %r9d\n"
        "1:  movq -8(%r8, %r9, 8), %rax\n  movq %rax, 0x18(%rsp, %r9, 8)\n  decl %r9d\n  jne 1b\n"
        ".seh_pushframe\n.seh_stackalloc 0x100\n"
        ".seh_savereg %rbx, 0x20\n.seh_savereg %rbp, 0x28\n.seh_savereg %rsi, 0x30\n.seh_savereg %rdi, 0x38\n"
        ".seh_savereg %r12, 0x40\n.seh_savereg %r13, 0x48\n.seh_savereg %r14, 0x50\n.seh_savereg %r15, 0x58\n"
        ".seh_savexmm %xmm6, 0x60\n.seh_savexmm %xmm7, 0x70\n.seh_savexmm %xmm8, 0x80\n.seh_savexmm %xmm9, 0x90\n"
        ".seh_savexmm %xmm10, 0xa0\n.seh_savexmm %xmm11, 0xb0\n.seh_savexmm %xmm12, 0xc0\n.seh_savexmm %xmm13, 0xd0\n"
        ".seh_savexmm %xmm14, 0xe0\n.seh_savexmm %xmm15, 0xf0\n.seh_endprologue\n"
        "  call *%rdx\n  nop\n  addq $0x148, %rsp\n  ret\n.seh_endproc\n");

static void RtlpConsolidate(CONTEXT *context, EXCEPTION_RECORD *record) {
    RTLP_CONSOLIDATED frame = {
        .Rbx = context->Rbx, .Rbp = context->Rbp, .Rsi = context->Rsi, .Rdi = context->Rdi, .R12 = context->R12,
        .R13 = context->R13, .R14 = context->R14, .R15 = context->R15, .Rip = context->Rip, .SegCs = context->SegCs,
        .EFlags = context->EFlags, .Rsp = context->Rsp, .SegSs = context->SegSs,
    };
    for (int i = 0; i < 10; i++) frame.Xmm6[i] = context->Xmm[6 + i];
    context->Rip = RtlpCallConsolidated(record, (PVOID)record->ExceptionInformation[0], &frame);
}

/* The registers of an unwind to a `setjmp`: those in its `_JUMP_BUFFER`. */
static void RtlpContextOfJump(CONTEXT *context, const ULONGLONG *buffer) {
    context->Rbx = buffer[1];
    context->Rsp = buffer[2];
    context->Rbp = buffer[3];
    context->Rsi = buffer[4];
    context->Rdi = buffer[5];
    for (int i = 0; i < 4; i++) (&context->R12)[i] = buffer[6 + i];
    context->Rip = buffer[10];
    context->MxCsr = (ULONG)buffer[11];
    for (int i = 0; i < 10; i++) context->Xmm[6 + i] = ((const M128A *)(buffer + 12))[i];
}

/* `RtlRestoreContext`: goes on with these registers. After a long jump they are those of its buffer, and a
 * consolidated unwind first calls what its record names. */
void RtlRestoreContext(CONTEXT *context, EXCEPTION_RECORD *record) {
    if (record && record->ExceptionCode == STATUS_LONGJUMP && record->NumberParameters >= 1)
        RtlpContextOfJump(context, (const ULONGLONG *)record->ExceptionInformation[0]);
    if (record && record->ExceptionCode == STATUS_UNWIND_CONSOLIDATE && record->NumberParameters >= 1)
        RtlpConsolidate(context, record);
    RtlRaiseStatus(NtContinue(context, FALSE));
}

/* What `KiUserExceptionDispatcher` does with its stack. */
__attribute__((used, noreturn)) void RtlpDispatchFromKernel(CONTEXT *context) {
    const PEB *peb = NtCurrentPeb();
    BOOLEAN extended = peb->OSMajorVersion > 6 || (peb->OSMajorVersion == 6 && peb->OSMinorVersion >= 1);
    EXCEPTION_RECORD *record = (PVOID)((char *)context + (extended ? 0x4f0 : 0x4d0));
    if (RtlDispatchException(record, context)) RtlRestoreContext(context, NULL);
    RtlRaiseStatus(NtRaiseException(record, context, FALSE));
}
#endif
