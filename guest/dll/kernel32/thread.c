/* Threads: making, stopping and ending them, their priorities, APCs. */
#include "kernel32.h"

#define CREATE_SUSPENDED 4
#define STACK_SIZE_PARAM_IS_A_RESERVATION 0x10000
#define ThreadBasePriority 3
#define ThreadAffinityMask 4
#define THREAD_PRIORITY_ERROR_RETURN 0x7fffffff

typedef ULONG(NTAPI *THREAD_START_ROUTINE)(PVOID);

/* Has a handle inherited. */
static NTSTATUS BasepInherit(HANDLE handle) {
    BOOLEAN flags[2] = {TRUE, FALSE};
    NTSTATUS(NTAPI *set)(HANDLE, ULONG, PVOID, ULONG) = NtpService("NtSetInformationObject");
    return set ? set(handle, 4 /* ObjectHandleFlagInformation */, flags, sizeof flags) : STATUS_NOT_SUPPORTED;
}

/* `CreateRemoteThreadEx`: the attribute list must be NULL. */
HANDLE NTAPI CreateRemoteThreadEx(HANDLE process, const SECURITY_ATTRIBUTES *security, SIZE_T stack,
                                  THREAD_START_ROUTINE start, PVOID argument, ULONG flags, PVOID list, ULONG *id) {
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, NULL, 0, NULL, NULL};
    SIZE_T reserve = flags & STACK_SIZE_PARAM_IS_A_RESERVATION ? stack : 0;
    HANDLE thread = NULL;
    if (list) return BasepNone(ERROR_NOT_SUPPORTED);
    if (security) {
        attributes.SecurityDescriptor = security->lpSecurityDescriptor;
        if (security->bInheritHandle) attributes.Attributes |= OBJ_INHERIT;
    }
    CREATE_THREAD_EX *create = NtpService("NtCreateThreadEx");
    BOOLEAN suspended = !!(flags & CREATE_SUSPENDED);
    NTSTATUS status;
    if (create) {
        status = create(&thread, 0x1fffff, &attributes, process, (PVOID)start, argument, suspended, 0, reserve ? 0 : stack,
                        reserve, NULL);
    } else {
        /* Before Vista. */
        status = RtlCreateUserThread(process, attributes.SecurityDescriptor, suspended, 0, reserve, reserve ? 0 : stack,
                                     (PVOID)start, argument, &thread, NULL);
        if (status >= 0 && attributes.Attributes) status = BasepInherit(thread);
    }
    if (!BasepStatus(status)) return NULL;
    if (id) {
        THREAD_BASIC_INFORMATION information;
        status = NtQueryInformationThread(thread, ThreadBasicInformation, &information, sizeof information, NULL);
        *id = status >= 0 ? (ULONG)(ULONG_PTR)information.ClientId.UniqueThread : 0;
    }
    return thread;
}

/* `CreateRemoteThread`. */
HANDLE NTAPI CreateRemoteThread(HANDLE process, const SECURITY_ATTRIBUTES *security, SIZE_T stack,
                                THREAD_START_ROUTINE start, PVOID argument, ULONG flags, ULONG *id) {
    return CreateRemoteThreadEx(process, security, stack, start, argument, flags, NULL, id);
}

/* `CreateThread`. */
HANDLE NTAPI CreateThread(const SECURITY_ATTRIBUTES *security, SIZE_T stack, THREAD_START_ROUTINE start, PVOID argument,
                          ULONG flags, ULONG *id) {
    return CreateRemoteThreadEx(NtCurrentProcess(), security, stack, start, argument, flags, NULL, id);
}

/* `TerminateThread`: NULL, which the service takes for the running one, is refused. */
BOOL NTAPI TerminateThread(HANDLE thread, ULONG code) {
    if (!thread) return BasepFail(ERROR_INVALID_HANDLE);
    return BasepStatus(NtTerminateThread(thread, (NTSTATUS)code));
}

/* `GetExitCodeThread`: STILL_ACTIVE while it runs. */
BOOL NTAPI GetExitCodeThread(HANDLE thread, ULONG *code) {
    THREAD_BASIC_INFORMATION information;
    NTSTATUS status = NtQueryInformationThread(thread, ThreadBasicInformation, &information, sizeof information, NULL);
    if (!BasepStatus(status)) return FALSE;
    *code = (ULONG)information.ExitStatus;
    return TRUE;
}

/* `SuspendThread`: the count before, or -1. */
ULONG NTAPI SuspendThread(HANDLE thread) {
    ULONG before = 0;
    return BasepStatus(NtSuspendThread(thread, &before)) ? before : 0xffffffff;
}

/* `ResumeThread`: the count before, or -1. */
ULONG NTAPI ResumeThread(HANDLE thread) {
    ULONG before = 0;
    return BasepStatus(NtResumeThread(thread, &before)) ? before : 0xffffffff;
}

/* `SetThreadPriority`. */
BOOL NTAPI SetThreadPriority(HANDLE thread, LONG priority) {
    /* THREAD_PRIORITY_TIME_CRITICAL and _IDLE mean "as high or low as it goes". */
    if (priority == 15) priority = 16;
    if (priority == -15) priority = -16;
    return BasepStatus(NtSetInformationThread(thread, ThreadBasePriority, &priority, sizeof priority));
}

/* `GetThreadPriority`. */
LONG NTAPI GetThreadPriority(HANDLE thread) {
    THREAD_BASIC_INFORMATION information;
    NTSTATUS status = NtQueryInformationThread(thread, ThreadBasicInformation, &information, sizeof information, NULL);
    if (!BasepStatus(status)) return THREAD_PRIORITY_ERROR_RETURN;
    if (information.BasePriority == 16) return 15;
    return information.BasePriority == -16 ? -15 : information.BasePriority;
}

/* `SetThreadAffinityMask`: the mask before, or 0. */
ULONG_PTR NTAPI SetThreadAffinityMask(HANDLE thread, ULONG_PTR mask) {
    THREAD_BASIC_INFORMATION information;
    NTSTATUS status = NtQueryInformationThread(thread, ThreadBasicInformation, &information, sizeof information, NULL);
    if (status >= 0) status = NtSetInformationThread(thread, ThreadAffinityMask, &mask, sizeof mask);
    return BasepStatus(status) ? information.AffinityMask : 0;
}

/* What a queued function runs in. */
static void NTAPI BasepDispatchApc(PVOID function, PVOID data, PVOID unused) {
    (void)unused;
    ((void(NTAPI *)(PVOID))function)(data);
}

/* `QueueUserAPC`. */
ULONG NTAPI QueueUserAPC(PVOID function, HANDLE thread, PVOID data) {
    typedef NTSTATUS NTAPI QUEUE_APC(HANDLE, PVOID, PVOID, PVOID, PVOID);
    /* NT 4 brought its service. */
    QUEUE_APC *queue = BasepNewer("NtQueueApcThread");
    return queue && BasepStatus(queue(thread, (PVOID)BasepDispatchApc, function, data, NULL));
}

/* `DisableThreadLibraryCalls`. */
BOOL NTAPI DisableThreadLibraryCalls(PVOID module) {
    LIST_ENTRY *head = &NtCurrentPeb()->Ldr->InLoadOrderModuleList;
    for (LIST_ENTRY *at = head->Flink; at != head; at = at->Flink) {
        LDR_DATA_TABLE_ENTRY *entry = CONTAINER(at, LDR_DATA_TABLE_ENTRY, InLoadOrderLinks);
        if (entry->DllBase != module) continue;
        entry->Flags |= 0x40000; /* LDRP_DONT_CALL_FOR_THREADS */
        return TRUE;
    }
    return BasepFail(ERROR_INVALID_HANDLE);
}

/* `GetCurrentThreadStackLimits`: of what is reserved. */
void NTAPI GetCurrentThreadStackLimits(ULONG_PTR *low, ULONG_PTR *high) {
    *low = *(ULONG_PTR *)((char *)NtCurrentTeb() + WIDTH(0x1478, 0xe0c) /* DeallocationStack */);
    *high = (ULONG_PTR)NtCurrentTeb()->NtTib.StackBase;
}
