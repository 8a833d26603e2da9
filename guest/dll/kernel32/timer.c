/* Waitable timers. */
#include "kernel32.h"

#define TIMER_ALL_ACCESS 0x1f0003
#define CREATE_WAITABLE_TIMER_MANUAL_RESET 1
#define CREATE_WAITABLE_TIMER_HIGH_RESOLUTION 2

/* `CreateWaitableTimerExW`. High resolution, which Windows 10 1803 brought, is not done: ERROR_NOT_SUPPORTED. */
HANDLE NTAPI CreateWaitableTimerExW(const SECURITY_ATTRIBUTES *security, const WCHAR *name, ULONG flags,
                                    ACCESS_MASK access) {
    BASEP_OBJECT object;
    OBJECT_ATTRIBUTES *attributes;
    HANDLE timer = NULL;
    if (flags & CREATE_WAITABLE_TIMER_HIGH_RESOLUTION) return BasepNone(ERROR_NOT_SUPPORTED);
    if (flags & ~CREATE_WAITABLE_TIMER_MANUAL_RESET) return BasepNone(ERROR_INVALID_PARAMETER);
    if (!BasepCreateAttributes(&object, security, name, &attributes)) return NULL;
    ULONG type = flags & CREATE_WAITABLE_TIMER_MANUAL_RESET ? NotificationTimer : SynchronizationTimer;
    return BasepCreated(NtCreateTimer(&timer, access, attributes, type), &timer);
}

/* `CreateWaitableTimerW`. */
HANDLE NTAPI CreateWaitableTimerW(const SECURITY_ATTRIBUTES *security, BOOL manual, const WCHAR *name) {
    return CreateWaitableTimerExW(security, name, manual ? CREATE_WAITABLE_TIMER_MANUAL_RESET : 0, TIMER_ALL_ACCESS);
}

/* `OpenWaitableTimerW`. */
BASEP_OPEN(OpenWaitableTimerW, NtOpenTimer)

/* `CreateWaitableTimerExA`. */
HANDLE NTAPI CreateWaitableTimerExA(const SECURITY_ATTRIBUTES *security, const char *name, ULONG flags,
                                    ACCESS_MASK access) {
    BASEP_WIDE(name);
    return CreateWaitableTimerExW(security, wide, flags, access);
}

/* `CreateWaitableTimerA`. */
HANDLE NTAPI CreateWaitableTimerA(const SECURITY_ATTRIBUTES *security, BOOL manual, const char *name) {
    BASEP_WIDE(name);
    return CreateWaitableTimerW(security, manual, wide);
}

/* `OpenWaitableTimerA`. */
BASEP_OPEN_A(OpenWaitableTimerA, OpenWaitableTimerW)

/* `SetWaitableTimer`: TRUE with ERROR_NOT_SUPPORTED if the timer is set, but will not wake the machine as wanted. */
BOOL NTAPI SetWaitableTimer(HANDLE timer, const LONGLONG *due, LONG period, PVOID routine, PVOID context, BOOL resume) {
    NTSTATUS status = NtSetTimer(timer, due, routine, context, !!resume, period, NULL);
    if (!BasepStatus(status)) return FALSE;
    if (status == STATUS_TIMER_RESUME_IGNORED) RtlSetLastWin32Error(ERROR_NOT_SUPPORTED);
    return TRUE;
}

typedef NTSTATUS NTAPI SET_TIMER_EX(HANDLE, ULONG information_class, PVOID, ULONG);

/* `SetWaitableTimerEx`: the same with a delay that may be tolerated, in milliseconds. */
BOOL NTAPI SetWaitableTimerEx(HANDLE timer, const LONGLONG *due, LONG period, PVOID routine, PVOID context,
                              PVOID wake_context, ULONG delay) {
    TIMER_SET_COALESCABLE_TIMER_INFO info = {*due, routine, context, wake_context, period, delay, NULL};
    SET_TIMER_EX *set = BasepNewer("NtSetTimerEx");
    NTSTATUS status = set ? set(timer, TimerSetCoalescableTimer, &info, sizeof info) : STATUS_NOT_SUPPORTED;
    if (!set || !BasepStatus(status)) return FALSE;
    if (status == STATUS_TIMER_RESUME_IGNORED) RtlSetLastWin32Error(ERROR_NOT_SUPPORTED);
    return TRUE;
}

/* `CancelWaitableTimer`. */
BOOL NTAPI CancelWaitableTimer(HANDLE timer) { return BasepStatus(NtCancelTimer(timer, NULL)); }
