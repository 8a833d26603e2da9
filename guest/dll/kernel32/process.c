/* The process and the thread: identity, ends, errors, the debugger's flag. */
#include "process.h"

/* `ExitProcess`. */
void NTAPI ExitProcess(ULONG code) { RtlExitUserProcess((NTSTATUS)code); }

/* `FatalExit`: without a debugger the process ends. */
void NTAPI FatalExit(int code) { RtlExitUserProcess(code); }

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

/* `OpenProcess`: ERROR_INVALID_PARAMETER for an identifier that no process has. */
HANDLE NTAPI OpenProcess(ACCESS_MASK access, BOOL inherited, ULONG id) {
    CLIENT_ID client = {(HANDLE)(ULONG_PTR)id, NULL};
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, NULL, inherited ? OBJ_INHERIT : 0, NULL, NULL};
    HANDLE process = NULL;
    return BasepStatus(NtOpenProcess(&process, access, &attributes, &client)) ? process : NULL;
}

/* `OpenThread`: the same by a thread's identifier. */
HANDLE NTAPI OpenThread(ACCESS_MASK access, BOOL inherited, ULONG id) {
    CLIENT_ID client = {NULL, (HANDLE)(ULONG_PTR)id};
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, NULL, inherited ? OBJ_INHERIT : 0, NULL, NULL};
    HANDLE thread = NULL;
    return BasepStatus(NtOpenThread(&thread, access, &attributes, &client)) ? thread : NULL;
}

/* `GetProcessId`: 0 for what is no process. */
ULONG NTAPI GetProcessId(HANDLE process) {
    PROCESS_BASIC_INFORMATION information;
    NTSTATUS status = NtQueryInformationProcess(process, ProcessBasicInformation, &information, sizeof information, NULL);
    return BasepStatus(status) ? (ULONG)information.UniqueProcessId : 0;
}

/* The identifiers of a thread and of its process; both 0 for what is no thread. */
static CLIENT_ID BasepClientId(HANDLE thread) {
    THREAD_BASIC_INFORMATION information;
    NTSTATUS status = NtQueryInformationThread(thread, ThreadBasicInformation, &information, sizeof information, NULL);
    return BasepStatus(status) ? information.ClientId : (CLIENT_ID){NULL, NULL};
}

/* `GetThreadId`. */
ULONG NTAPI GetThreadId(HANDLE thread) { return (ULONG)(ULONG_PTR)BasepClientId(thread).UniqueThread; }

/* `GetProcessIdOfThread`. */
ULONG NTAPI GetProcessIdOfThread(HANDLE thread) { return (ULONG)(ULONG_PTR)BasepClientId(thread).UniqueProcess; }

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
