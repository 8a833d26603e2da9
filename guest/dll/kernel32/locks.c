/* Win32's names for ntdll's condition variables, run-once blocks, waits on addresses and fiber-local storage, where more
 * than the name differs. */
#include "kernel32.h"

#define ERROR_TIMEOUT 1460

__declspec(dllimport) NTSTATUS NTAPI RtlSleepConditionVariableCS(PVOID *, RTL_CRITICAL_SECTION *, const LONGLONG *);
__declspec(dllimport) NTSTATUS NTAPI RtlSleepConditionVariableSRW(PVOID *, PVOID *, const LONGLONG *, ULONG);
__declspec(dllimport) NTSTATUS NTAPI RtlRunOnceBeginInitialize(PVOID *, ULONG, PVOID *);
__declspec(dllimport) NTSTATUS NTAPI RtlRunOnceComplete(PVOID *, ULONG, PVOID);
__declspec(dllimport) NTSTATUS NTAPI RtlRunOnceExecuteOnce(PVOID *, PVOID, PVOID, PVOID *);
__declspec(dllimport) NTSTATUS NTAPI RtlWaitOnAddress(volatile const void *, const void *, SIZE_T, const LONGLONG *);
__declspec(dllimport) NTSTATUS NTAPI RtlFlsAlloc(PVOID, ULONG *);
__declspec(dllimport) NTSTATUS NTAPI RtlFlsFree(ULONG);
__declspec(dllimport) NTSTATUS NTAPI RtlFlsGetValue(ULONG, PVOID *);
__declspec(dllimport) NTSTATUS NTAPI RtlFlsSetValue(ULONG, PVOID);

/* STATUS_TIMEOUT is a success to NT and a failure to these. */
static BOOL BasepWaited(NTSTATUS status) {
    if (status == STATUS_TIMEOUT) return BasepFail(ERROR_TIMEOUT);
    return BasepStatus(status);
}

/* `SleepConditionVariableCS`. */
BOOL NTAPI SleepConditionVariableCS(PVOID *variable, RTL_CRITICAL_SECTION *section, ULONG milliseconds) {
    LONGLONG timeout = -(LONGLONG)milliseconds * MILLISECOND;
    return BasepWaited(RtlSleepConditionVariableCS(variable, section, milliseconds == INFINITE ? NULL : &timeout));
}

/* `SleepConditionVariableSRW`. */
BOOL NTAPI SleepConditionVariableSRW(PVOID *variable, PVOID *lock, ULONG milliseconds, ULONG flags) {
    LONGLONG timeout = -(LONGLONG)milliseconds * MILLISECOND;
    return BasepWaited(RtlSleepConditionVariableSRW(variable, lock, milliseconds == INFINITE ? NULL : &timeout, flags));
}

/* `WaitOnAddress`. */
BOOL NTAPI WaitOnAddress(volatile void *address, PVOID compare, SIZE_T size, ULONG milliseconds) {
    LONGLONG timeout = -(LONGLONG)milliseconds * MILLISECOND;
    return BasepWaited(RtlWaitOnAddress(address, compare, size, milliseconds == INFINITE ? NULL : &timeout));
}

/* `InitOnceBeginInitialize`. */
BOOL NTAPI InitOnceBeginInitialize(PVOID *once, ULONG flags, BOOL *pending, PVOID *context) {
    NTSTATUS status = RtlRunOnceBeginInitialize(once, flags, context);
    if (!BasepStatus(status)) return FALSE;
    *pending = status == STATUS_PENDING;
    return TRUE;
}

/* `InitOnceComplete`. */
BOOL NTAPI InitOnceComplete(PVOID *once, ULONG flags, PVOID context) {
    return BasepStatus(RtlRunOnceComplete(once, flags, context));
}

/* `InitOnceExecuteOnce`: a routine that failed has set the last error itself. */
BOOL NTAPI InitOnceExecuteOnce(PVOID *once, PVOID routine, PVOID argument, PVOID *context) {
    return RtlRunOnceExecuteOnce(once, routine, argument, context) >= 0;
}

/* `FlsAlloc`: FLS_OUT_OF_INDEXES where there is none left. */
ULONG NTAPI FlsAlloc(PVOID callback) {
    ULONG index;
    BasepStatus(RtlFlsAlloc(callback, &index));
    return index;
}

/* `FlsFree`. */
BOOL NTAPI FlsFree(ULONG index) { return BasepStatus(RtlFlsFree(index)); }

/* `FlsGetValue`: as TlsGetValue. */
PVOID NTAPI FlsGetValue(ULONG index) {
    PVOID value = NULL;
    if (BasepStatus(RtlFlsGetValue(index, &value))) RtlSetLastWin32Error(0);
    return value;
}

/* `FlsSetValue`. */
BOOL NTAPI FlsSetValue(ULONG index, PVOID value) { return BasepStatus(RtlFlsSetValue(index, value)); }
