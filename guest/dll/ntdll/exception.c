/* Exceptions, whatever the width: raising them, the filter of last resort, stack traces. */
#include "ntdll.h"

typedef LONG(NTAPI *PRTLP_FILTER)(EXCEPTION_POINTERS *);
static PRTLP_FILTER RtlpUnhandledExceptionFilter;

/* `RtlSetUnhandledExceptionFilter`: what is asked when no frame's handler takes an exception. kernelbase sets its own. */
NTSYSAPI void NTAPI RtlSetUnhandledExceptionFilter(PRTLP_FILTER filter) { RtlpUnhandledExceptionFilter = filter; }

/* `RtlUnhandledExceptionFilter`: the search goes on, so that the kernel sees the exception a second time. */
NTSYSAPI LONG NTAPI RtlUnhandledExceptionFilter(EXCEPTION_POINTERS *pointers) {
    (void)pointers;
    return EXCEPTION_CONTINUE_SEARCH;
}

/* The handler around every thread's start address. A filter that takes the exception ends the process with its code. */
__attribute__((used)) EXCEPTION_DISPOSITION RtlpStartHandler(EXCEPTION_RECORD *record, PVOID frame, CONTEXT *context,
                                                             PVOID dispatcher) {
    EXCEPTION_POINTERS pointers = {record, context};
    PRTLP_FILTER filter = RtlpUnhandledExceptionFilter;
    (void)frame, (void)dispatcher;
    if (record->ExceptionFlags & EXCEPTION_UNWIND) return ExceptionContinueSearch;
    switch (filter ? filter(&pointers) : RtlUnhandledExceptionFilter(&pointers)) {
    case EXCEPTION_CONTINUE_EXECUTION: return ExceptionContinueExecution;
    case EXCEPTION_EXECUTE_HANDLER: NtTerminateProcess(NtCurrentProcess(), record->ExceptionCode);
    }
    return ExceptionContinueSearch;
}

/* The lowest and the highest address of the thread's stack. */
void RtlpStackLimits(ULONG_PTR *low, ULONG_PTR *high) {
    const NT_TIB *tib = &NtCurrentTeb()->NtTib;
    *low = (ULONG_PTR)tib->StackLimit;
    *high = (ULONG_PTR)tib->StackBase;
}

/* Raises an exception with the caller's registers: to the process's own handlers, or to the debugger first. */
__attribute__((used, noreturn)) void RtlpRaise(EXCEPTION_RECORD *record, CONTEXT *context) {
    NTSTATUS status;
    record->ExceptionAddress = (PVOID)context->CONTEXT_IP;
#ifdef __x86_64__
    int kernel_first = NtCurrentPeb()->BeingDebugged;
#else
    /* By WOW64 (WOW32Reserved) the kernel cannot send 32-bit code to its handlers from a call. */
    int kernel_first = NtCurrentPeb()->BeingDebugged && !*(PVOID *)((char *)NtCurrentTeb() + 0xc0);
#endif
    if (kernel_first) {
        status = NtRaiseException(record, context, TRUE);
    } else if (RtlDispatchException(record, context)) {
        status = NtContinue(context, FALSE);
    } else {
        status = NtRaiseException(record, context, FALSE);
    }
    RtlRaiseStatus(status);
}

/* `RtlRaiseStatus`: raises what nobody can continue. */
void NTAPI RtlRaiseStatus(NTSTATUS status) {
    EXCEPTION_RECORD record = {.ExceptionCode = status, .ExceptionFlags = EXCEPTION_NONCONTINUABLE};
    for (;;) RtlRaiseException(&record);
}

/* `KiRaiseUserExceptionDispatcher`: where a service goes that raises instead of failing; the code is in the TEB. */
EXPORT NTSTATUS NTAPI KiRaiseUserExceptionDispatcher(void) {
    EXCEPTION_RECORD record = {.ExceptionCode = *(NTSTATUS *)((char *)NtCurrentTeb() + WIDTH(0x2c0, 0x1a4))};
    RtlRaiseException(&record);
    return record.ExceptionCode;
}

/* `RtlPcToFileHeader`: the module that an address is in, or NULL. */
PVOID NTAPI RtlPcToFileHeader(PVOID pc, PVOID *base) {
    const LDR_DATA_TABLE_ENTRY *entry = LdrpFindEntryByAddress(pc);
    return *base = entry ? entry->DllBase : NULL;
}

/* `RtlCaptureStackBackTrace`: the return addresses above the caller, `skip` left out; how many. */
NTSYSAPI USHORT NTAPI RtlCaptureStackBackTrace(ULONG skip, ULONG count, PVOID *trace, ULONG *hash) {
    ULONG_PTR low, high;
    ULONG sum = 0;
    USHORT found = 0;
    RtlpStackLimits(&low, &high);
#ifdef __x86_64__
    CONTEXT context;
    RtlCaptureContext(&context);
    /* This function's own frame goes first. */
    for (skip++; found < count && context.Rsp >= low && context.Rsp + sizeof(PVOID) <= high;) {
        RtlpUnwindFrame(&context);
        if (!context.Rip) break;
        if (skip) {
            skip--;
            continue;
        }
        sum += (ULONG)context.Rip;
        trace[found++] = (PVOID)context.Rip;
    }
#else
    const ULONG_PTR *frame = __builtin_frame_address(0);
    for (; found < count && (ULONG_PTR)frame >= low && (ULONG_PTR)(frame + 2) <= high; frame = (const ULONG_PTR *)*frame) {
        if (!frame[1] || *frame <= (ULONG_PTR)frame) break;
        if (skip) {
            skip--;
            continue;
        }
        sum += frame[1];
        trace[found++] = (PVOID)frame[1];
    }
#endif
    if (hash) *hash = sum;
    return found;
}
