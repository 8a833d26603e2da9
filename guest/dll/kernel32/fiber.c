/* Fibers: stacks with their registers that the threads of a process take turns on. */
#include "kernel32.h"

#define FIBER_FLAG_FLOAT_SWITCH 1
#define ERROR_ALREADY_FIBER 1280
#define ERROR_ALREADY_THREAD 1281
/* A thread that is none has 1E00 in `NT_TIB.FiberData`, which is its version. */
#define VERSION_OF_TIB ((PVOID)0x1e00)

typedef void(NTAPI *FIBER_START_ROUTINE)(PVOID);
/* What `GetCurrentFiber` points to. `GetFiberData` takes the first field. */
typedef struct {
    PVOID FiberData, ExceptionList, StackBase, StackLimit, DeallocationStack;
    /* Where its registers are while another runs. */
    PVOID Stack;
    FIBER_START_ROUTINE Start;
    PVOID FlsData, ActivationContexts;
} FIBER;
__attribute__((used)) static const char BasepFiberStartOffset[__builtin_offsetof(FIBER, Start) == WIDTH(0x30, 0x18) ? 1 : -1];

#define TEB_FIELD(offset) (*(PVOID *)((char *)NtCurrentTeb() + (offset)))
#define TEB_FLS_DATA TEB_FIELD(WIDTH(0x17c8, 0xfb4))
#define TEB_DEALLOCATION_STACK TEB_FIELD(WIDTH(0x1478, 0xe0c))
#define TEB_ACTIVATION_CONTEXTS TEB_FIELD(WIDTH(0x2c8, 0x1a8))
/* `SameTebFlags.HasFiberData`, from Vista on. */
#define TEB_FLAGS (*(volatile USHORT *)((char *)NtCurrentTeb() + WIDTH(0x17ee, 0xfca)))
#define HAS_FIBER_DATA 4

/* The fiber that runs, if the thread is one. */
static FIBER *BasepFiber(void) {
    PVOID data = NtCurrentTeb()->NtTib.FiberData;
    return data != VERSION_OF_TIB ? data : NULL;
}
static void BasepSetFiber(FIBER *fiber) {
    NtCurrentTeb()->NtTib.FiberData = fiber ? fiber : VERSION_OF_TIB;
    if (NtCurrentPeb()->OSMajorVersion < 6) return;
    if (fiber) TEB_FLAGS |= HAS_FIBER_DATA;
    else TEB_FLAGS &= (USHORT)~HAS_FIBER_DATA;
}

/* `IsThreadAFiber`. */
BOOL NTAPI IsThreadAFiber(void) { return BasepFiber() != NULL; }

/* `ConvertThreadToFiberEx`: the thread's own stack is a fiber's from now on. */
PVOID NTAPI ConvertThreadToFiberEx(PVOID parameter, ULONG flags) {
    if (flags & ~FIBER_FLAG_FLOAT_SWITCH) return BasepNone(ERROR_INVALID_PARAMETER);
    if (BasepFiber()) return BasepNone(ERROR_ALREADY_FIBER);
    FIBER *fiber = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, HEAP_ZERO_MEMORY, sizeof *fiber);
    if (!fiber) return BasepNone(8 /* ERROR_NOT_ENOUGH_MEMORY */);
    fiber->FiberData = parameter;
    BasepSetFiber(fiber);
    return fiber;
}
PVOID NTAPI ConvertThreadToFiber(PVOID parameter) { return ConvertThreadToFiberEx(parameter, 0); }

/* `ConvertFiberToThread`. */
BOOL NTAPI ConvertFiberToThread(void) {
    FIBER *fiber = BasepFiber();
    if (!fiber) return BasepFail(ERROR_ALREADY_THREAD);
    BasepSetFiber(NULL);
    RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, fiber);
    return TRUE;
}

/* The registers that a function keeps for its caller go onto the stack, as well as the floating point's control. What comes
 * first on a new stack is `BasepStartFiber`, which starts as a thread that has begun does: `NT_TIB.ArbitraryUserPointer` says
 * so to ntdll. */
#ifdef __x86_64__
#define KEPT (0xa8 + 8 * 8)
__asm__(".globl SwitchToFiber\n.def SwitchToFiber; .scl 2; .type 32; .endef\n.p2align 4\nSwitchToFiber:\n"
        "  pushq %rbx\n  pushq %rbp\n  pushq %rsi\n  pushq %rdi\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
        "  subq $0xa8, %rsp\n"
        "  movups %xmm6, (%rsp)\n  movups %xmm7, 0x10(%rsp)\n  movups %xmm8, 0x20(%rsp)\n  movups %xmm9, 0x30(%rsp)\n"
        "  movups %xmm10, 0x40(%rsp)\n  movups %xmm11, 0x50(%rsp)\n  movups %xmm12, 0x60(%rsp)\n  movups %xmm13, 0x70(%rsp)\n"
        "  movups %xmm14, 0x80(%rsp)\n  movups %xmm15, 0x90(%rsp)\n  stmxcsr 0xa0(%rsp)\n  fnstcw 0xa4(%rsp)\n"
        "  movq %rsp, %rdx\n  subq $0x20, %rsp\n  call BasepSwitchFiber\n  movq %rax, %rsp\n"
        "  movups (%rsp), %xmm6\n  movups 0x10(%rsp), %xmm7\n  movups 0x20(%rsp), %xmm8\n  movups 0x30(%rsp), %xmm9\n"
        "  movups 0x40(%rsp), %xmm10\n  movups 0x50(%rsp), %xmm11\n  movups 0x60(%rsp), %xmm12\n  movups 0x70(%rsp), %xmm13\n"
        "  movups 0x80(%rsp), %xmm14\n  movups 0x90(%rsp), %xmm15\n  ldmxcsr 0xa0(%rsp)\n  fldcw 0xa4(%rsp)\n"
        "  addq $0xa8, %rsp\n"
        "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rdi\n  popq %rsi\n  popq %rbp\n  popq %rbx\n  ret\n"
        ".def BasepStartFiber; .scl 3; .type 32; .endef\nBasepStartFiber:\n"
        "  movq %gs:0x20, %rax\n  movq 0x30(%rax), %rcx\n  movq (%rax), %rdx\n  movq $3, %gs:0x28\n"
        "  jmpq *__imp_RtlUserThreadStart(%rip)\n");
#else
#define KEPT (8 + 4 * 4)
__asm__(".globl _SwitchToFiber@4\n.def _SwitchToFiber@4; .scl 2; .type 32; .endef\n.p2align 4\n_SwitchToFiber@4:\n"
        "  movl 4(%esp), %ecx\n  pushl %ebx\n  pushl %ebp\n  pushl %esi\n  pushl %edi\n  subl $8, %esp\n  fnstcw (%esp)\n"
        "  movl %esp, %eax\n  pushl %eax\n  pushl %ecx\n  call _BasepSwitchFiber@8\n  movl %eax, %esp\n"
        "  fldcw (%esp)\n  addl $8, %esp\n  popl %edi\n  popl %esi\n  popl %ebp\n  popl %ebx\n  ret $4\n"
        ".def _BasepStartFiber; .scl 3; .type 32; .endef\n_BasepStartFiber:\n"
        "  movl %fs:0x10, %ecx\n  movl 0x18(%ecx), %eax\n  movl (%ecx), %ebx\n  movl $3, %fs:0x14\n"
        "  jmp *__imp__RtlUserThreadStart\n");
#endif
extern void BasepStartFiber(void);
NTSYSAPI void NTAPI RtlProcessFlsData(PVOID data, ULONG flags);

/* What `SwitchToFiber` does between the two: where the new one's registers are. */
__attribute__((used)) PVOID NTAPI BasepSwitchFiber(FIBER *to, PVOID stack) {
    NT_TIB *tib = &NtCurrentTeb()->NtTib;
    FIBER *from = BasepFiber();
    BOOLEAN fls = NtCurrentPeb()->OSMajorVersion >= 6;
    if (from) {
        from->Stack = stack;
        from->ExceptionList = tib->ExceptionList;
        from->StackBase = tib->StackBase, from->StackLimit = tib->StackLimit;
        from->DeallocationStack = TEB_DEALLOCATION_STACK;
        from->ActivationContexts = TEB_ACTIVATION_CONTEXTS;
        if (fls) from->FlsData = TEB_FLS_DATA;
    }
    tib->ExceptionList = to->ExceptionList;
    tib->StackBase = to->StackBase, tib->StackLimit = to->StackLimit;
    TEB_DEALLOCATION_STACK = to->DeallocationStack;
    if (to->ActivationContexts) TEB_ACTIVATION_CONTEXTS = to->ActivationContexts;
    if (fls) TEB_FLS_DATA = to->FlsData;
    BasepSetFiber(to);
    return to->Stack;
}

/* `CreateFiberEx`: one that starts at `start` when it is switched to. */
PVOID NTAPI CreateFiberEx(SIZE_T commit, SIZE_T reserve, ULONG flags, FIBER_START_ROUTINE start, PVOID parameter) {
    if (flags & ~FIBER_FLAG_FLOAT_SWITCH) return BasepNone(ERROR_INVALID_PARAMETER);
    FIBER *fiber = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, HEAP_ZERO_MEMORY, sizeof *fiber);
    if (!fiber) return BasepNone(8 /* ERROR_NOT_ENOUGH_MEMORY */);
    INITIAL_TEB stack;
    if (!BasepStatus(RtlCreateUserStack(commit, reserve, 0, 0x1000, 0x10000, &stack))) {
        RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, fiber);
        return NULL;
    }
    fiber->StackBase = stack.StackBase, fiber->StackLimit = stack.StackLimit;
    fiber->DeallocationStack = stack.StackAllocationBase;
    fiber->FiberData = parameter, fiber->Start = start;
    fiber->ExceptionList = WIDTH(NULL, (PVOID)-1);
    /* As behind a call from nowhere (x64), or with 32 bytes above (x86). */
    PVOID *top = (PVOID *)((char *)fiber->StackBase - WIDTH(0x28, 0x20));
    *--top = (PVOID)BasepStartFiber;
    char *kept = (char *)top - KEPT;
    *(ULONG *)(kept + WIDTH(0xa0, 0)) = WIDTH(0x1f80, 0x27f);
    if (WIDTH(1, 0)) *(ULONG *)(kept + 0xa4) = 0x27f;
    fiber->Stack = kept;
    return fiber;
}
PVOID NTAPI CreateFiber(SIZE_T stack, FIBER_START_ROUTINE start, PVOID parameter) { return CreateFiberEx(stack, 0, 0, start, parameter); }

/* `DeleteFiber`: with its stack and its values; of the one that runs, the thread ends. */
void NTAPI DeleteFiber(PVOID which) {
    FIBER *fiber = which;
    if (fiber == BasepFiber()) RtlExitUserThread(1);
    if (fiber->FlsData) RtlProcessFlsData(fiber->FlsData, 3);
    if (fiber->DeallocationStack) RtlFreeUserStack(fiber->DeallocationStack);
    RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, fiber);
}
