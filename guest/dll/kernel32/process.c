/* The process and the thread: identity, ends, errors, the debugger's flag. */
#include "kernel32.h"

#define ProcessBasicInformation 0

typedef struct {
    NTSTATUS ExitStatus;
    PEB *PebBaseAddress;
    ULONG_PTR AffinityMask;
    LONG BasePriority;
    ULONG_PTR UniqueProcessId, InheritedFromUniqueProcessId;
} PROCESS_BASIC_INFORMATION;

/* `ExitProcess`. */
void NTAPI ExitProcess(ULONG code) { RtlExitUserProcess((NTSTATUS)code); }

/* `TerminateProcess`: NULL, which the service takes for "the other threads of this one", is refused. */
BOOL NTAPI TerminateProcess(HANDLE process, ULONG code) {
    if (!process) return BasepFail(ERROR_INVALID_HANDLE);
    return BasepStatus(NtTerminateProcess(process, (NTSTATUS)code));
}

/* `GetExitCodeProcess`: STILL_ACTIVE while it runs. */
BOOL NTAPI GetExitCodeProcess(HANDLE process, ULONG *code) {
    PROCESS_BASIC_INFORMATION information;
    NTSTATUS status = NtQueryInformationProcess(process, ProcessBasicInformation, &information, sizeof information, NULL);
    if (!BasepStatus(status)) return FALSE;
    *code = (ULONG)information.ExitStatus;
    return TRUE;
}

/* `GetLastError`. */
ULONG NTAPI GetLastError(void) { return RtlGetLastWin32Error(); }

/* `SetLastError`. */
void NTAPI SetLastError(ULONG error) { RtlSetLastWin32Error(error); }

/* `GetCurrentProcess`. */
HANDLE NTAPI GetCurrentProcess(void) { return NtCurrentProcess(); }

/* `GetCurrentThread`. */
HANDLE NTAPI GetCurrentThread(void) { return NtCurrentThread(); }

/* `GetCurrentProcessId`. */
ULONG NTAPI GetCurrentProcessId(void) { return (ULONG)(ULONG_PTR)NtCurrentTeb()->ClientId.UniqueProcess; }

/* `GetCurrentThreadId`. */
ULONG NTAPI GetCurrentThreadId(void) { return (ULONG)(ULONG_PTR)NtCurrentTeb()->ClientId.UniqueThread; }

/* `IsDebuggerPresent`. */
BOOL NTAPI IsDebuggerPresent(void) { return NtCurrentPeb()->BeingDebugged; }
