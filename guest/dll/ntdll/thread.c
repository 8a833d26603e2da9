/* Making threads from user mode. */
#include "ntdll.h"

#define THREAD_CREATE_FLAGS_CREATE_SUSPENDED 1
#define PAGE_GUARD 0x100
#define PAGE_SIZE 0x1000
/* `CONTEXT_FULL`. */
#define CONTEXT_FULL WIDTH(0x10000b, 0x10007)
/* Where Windows XP's 32-bit TEB says that its thread's stack goes with it. */
#define TEB32_FREE_STACK 0xf75

typedef NTSTATUS NTAPI CREATE_THREAD(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, HANDLE, CLIENT_ID *, CONTEXT *, INITIAL_TEB *, BOOLEAN);

extern void RtlUserThreadStart(void);

/* The sizes of stack that the image's header says, reserved and committed. */
static void RtlpStackSizes(SIZE_T *reserve, SIZE_T *commit) {
    const char *headers = RtlImageNtHeader(NtCurrentPeb()->ImageBaseAddress);
    const SIZE_T *sizes = (const SIZE_T *)(headers + 0x60);
    if (!*reserve) *reserve = headers ? sizes[0] : 0x100000;
    if (!*commit) *commit = headers ? sizes[1] : PAGE_SIZE;
    *commit = (*commit + PAGE_SIZE - 1) & ~(SIZE_T)(PAGE_SIZE - 1);
    if (*reserve < *commit + 2 * PAGE_SIZE) *reserve = *commit + 0x10000;
    *reserve = (*reserve + 0xffff) & ~(SIZE_T)0xffff;
}

/* A stack with a guard page below what is committed. */
static NTSTATUS RtlpCreateStack(HANDLE process, SIZE_T reserve, SIZE_T commit, INITIAL_TEB *stack) {
    PVOID base = NULL, top;
    ULONG old;
    SIZE_T guard = PAGE_SIZE, all;
    RtlpStackSizes(&reserve, &commit);
    NTSTATUS status = NtAllocateVirtualMemory(process, &base, 0, &reserve, MEM_RESERVE, PAGE_READWRITE);
    if (status < 0) return status;
    all = commit + PAGE_SIZE;
    top = (char *)base + reserve - all;
    *stack = (INITIAL_TEB){NULL, NULL, (char *)base + reserve, (char *)base + reserve - commit, base};
    status = NtAllocateVirtualMemory(process, &top, 0, &all, MEM_COMMIT, PAGE_READWRITE);
    if (status >= 0) status = NtProtectVirtualMemory(process, &top, &guard, PAGE_READWRITE | PAGE_GUARD, &old);
    all = 0;
    if (status < 0) NtFreeVirtualMemory(process, &base, &all, MEM_RELEASE);
    return status;
}

/* `RtlCreateUserStack`: one of the running process's. */
NTSTATUS NTAPI RtlCreateUserStack(SIZE_T commit, SIZE_T reserve, ULONG_PTR zero_bits, SIZE_T page, ULONG_PTR alignment, INITIAL_TEB *stack) {
    if (zero_bits || page != PAGE_SIZE || alignment != 0x10000) return STATUS_INVALID_PARAMETER;
    return RtlpCreateStack(NtCurrentProcess(), reserve, commit, stack);
}

/* `RtlFreeUserStack`. */
void NTAPI RtlFreeUserStack(PVOID base) {
    SIZE_T all = 0;
    NtFreeVirtualMemory(NtCurrentProcess(), &base, &all, MEM_RELEASE);
}

/* What a thread starts with that calls `start` with an argument. */
static void RtlpStartContext(CONTEXT *context, const INITIAL_TEB *stack, PVOID start, PVOID argument) {
    RtlZeroMemory(context, sizeof *context);
    context->ContextFlags = CONTEXT_FULL;
    context->EFlags = 0x202;
#ifdef __x86_64__
    context->SegCs = 0x33, context->SegDs = context->SegEs = context->SegSs = context->SegGs = 0x2b, context->SegFs = 0x53;
    context->MxCsr = *(ULONG *)&context->FltSave[0x18] = 0x1f80;
    *(USHORT *)context->FltSave = 0x27f;
    context->Rip = (ULONG_PTR)RtlUserThreadStart, context->Rcx = (ULONG_PTR)start, context->Rdx = (ULONG_PTR)argument;
    context->Rsp = (ULONG_PTR)stack->StackBase - 0x28;
#else
    context->SegCs = 0x1b, context->SegDs = context->SegEs = context->SegSs = 0x23, context->SegFs = 0x3b;
    context->Eip = (ULONG_PTR)RtlUserThreadStart, context->Eax = (ULONG_PTR)start, context->Ebx = (ULONG_PTR)argument;
    context->Esp = (ULONG_PTR)stack->StackBase - 0x10;
#endif
}

/* As before Vista, whose kernel makes the stack. It goes with the thread where that ends itself. */
static NTSTATUS RtlpCreateThread(HANDLE process, OBJECT_ATTRIBUTES *attributes, BOOLEAN suspended, SIZE_T reserve, SIZE_T commit,
                                 PVOID start, PVOID argument, HANDLE *thread) {
    CREATE_THREAD *create = NtpService("NtCreateThread");
    THREAD_BASIC_INFORMATION information;
    INITIAL_TEB stack;
    CONTEXT context;
    CLIENT_ID client;
    SIZE_T all = 0;
    NTSTATUS status = RtlpCreateStack(process, reserve, commit, &stack);
    if (status < 0) return status;
    RtlpStartContext(&context, &stack, start, argument);
    status = create(thread, 0x1fffff & ~0xfc00, attributes, process, &client, &context, &stack, TRUE);
    if (status < 0) {
        NtFreeVirtualMemory(process, &stack.StackAllocationBase, &all, MEM_RELEASE);
        return status;
    }
#ifndef __x86_64__
    BOOLEAN yes = TRUE;
    if (NtQueryInformationThread(*thread, ThreadBasicInformation, &information, sizeof information, NULL) >= 0)
        NtWriteVirtualMemory(process, (char *)information.TebBaseAddress + TEB32_FREE_STACK, &yes, 1, NULL);
#else
    (void)information;
#endif
    if (!suspended) NtResumeThread(*thread, NULL);
    return STATUS_SUCCESS;
}

/* `RtlCreateUserThread`: a thread at `start` with one argument, its stack's sizes as asked for or as the image says. */
NTSTATUS NTAPI RtlCreateUserThread(HANDLE process, PVOID descriptor, BOOLEAN suspended, ULONG zero_bits, SIZE_T reserve,
                                   SIZE_T commit, PVOID start, PVOID argument, HANDLE *handle, CLIENT_ID *client) {
    THREAD_BASIC_INFORMATION information;
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, NULL, 0, descriptor, NULL};
    CREATE_THREAD_EX *create = NtpService("NtCreateThreadEx");
    HANDLE thread = NULL;
    NTSTATUS status;
    ULONG flags = suspended ? THREAD_CREATE_FLAGS_CREATE_SUSPENDED : 0;
    if (create) status = create(&thread, 0x1fffff, &attributes, process, start, argument, flags, zero_bits, commit, reserve, NULL);
    else status = RtlpCreateThread(process, &attributes, suspended, reserve, commit, start, argument, &thread);
    if (status < 0) return status;
    if (client) {
        status = NtQueryInformationThread(thread, ThreadBasicInformation, &information, sizeof information, NULL);
        if (status >= 0) *client = information.ClientId;
    }
    if (handle) *handle = thread;
    else NtClose(thread);
    return STATUS_SUCCESS;
}
