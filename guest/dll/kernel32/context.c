/* A thread's registers. */
#include "kernel32.h"

#define ThreadWow64Context 29
#define WOW64_CONTEXT_SIZE 0x2cc

NTSYSCALLAPI NTSTATUS NTAPI NtGetContextThread(HANDLE, PVOID);
NTSYSCALLAPI NTSTATUS NTAPI NtSetContextThread(HANDLE, const void *);
NTSYSCALLAPI NTSTATUS NTAPI NtSetInformationThread(HANDLE, ULONG, const void *, ULONG);

/* `GetThreadContext`: the parts that its ContextFlags names. */
BOOL NTAPI GetThreadContext(HANDLE thread, PVOID context) { return BasepStatus(NtGetContextThread(thread, context)); }

/* `SetThreadContext`. */
BOOL NTAPI SetThreadContext(HANDLE thread, const void *context) {
    return BasepStatus(NtSetContextThread(thread, context));
}

#ifdef __x86_64__
/* `Wow64GetThreadContext`: the 32-bit registers of a thread of a WOW64 process. */
BOOL NTAPI Wow64GetThreadContext(HANDLE thread, PVOID context) {
    return BasepStatus(NtQueryInformationThread(thread, ThreadWow64Context, context, WOW64_CONTEXT_SIZE, NULL));
}

/* `Wow64SetThreadContext`. */
BOOL NTAPI Wow64SetThreadContext(HANDLE thread, const void *context) {
    return BasepStatus(NtSetInformationThread(thread, ThreadWow64Context, context, WOW64_CONTEXT_SIZE));
}
#endif
