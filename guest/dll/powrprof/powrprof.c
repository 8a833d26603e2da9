/* powrprof.dll: this machine is never suspended, so that whoever wants to be told has nothing to hear. */
#include "nt.h"

#define ERROR_INVALID_PARAMETER 87
#define DEVICE_NOTIFY_CALLBACK 2

/* `PowerRegisterSuspendResumeNotification`: the handle stands for nothing but itself. */
ULONG NTAPI PowerRegisterSuspendResumeNotification(ULONG flags, PVOID recipient, HANDLE *handle) {
    if (flags != DEVICE_NOTIFY_CALLBACK || !recipient || !handle) return ERROR_INVALID_PARAMETER;
    *handle = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, HEAP_ZERO_MEMORY, sizeof(HANDLE));
    return *handle ? 0 : 8;
}

/* `PowerUnregisterSuspendResumeNotification`. */
ULONG NTAPI PowerUnregisterSuspendResumeNotification(HANDLE handle) {
    if (!handle) return ERROR_INVALID_PARAMETER;
    RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, handle);
    return 0;
}

/* `CallNtPowerInformation`: nothing is known of the machine's power. */
NTSTATUS NTAPI CallNtPowerInformation(ULONG level, PVOID in, ULONG in_size, PVOID out, ULONG out_size) {
    (void)level, (void)in, (void)in_size, (void)out, (void)out_size;
    return (NTSTATUS)0xc0000002; /* STATUS_NOT_IMPLEMENTED */
}

/* `SetSuspendState`, `IsPwrSuspendAllowed`, `IsPwrHibernateAllowed`: it cannot be. */
BOOLEAN NTAPI SetSuspendState(BOOLEAN hibernate, BOOLEAN force, BOOLEAN no_wake) {
    (void)hibernate, (void)force, (void)no_wake;
    RtlSetLastWin32Error(50); /* ERROR_NOT_SUPPORTED */
    return FALSE;
}
BOOLEAN NTAPI IsPwrSuspendAllowed(void) { return FALSE; }
BOOLEAN NTAPI IsPwrHibernateAllowed(void) { return FALSE; }
