/* Events. */
#include "kernel32.h"

#define EVENT_ALL_ACCESS 0x1f0003
#define CREATE_EVENT_MANUAL_RESET 1
#define CREATE_EVENT_INITIAL_SET 2

/* `CreateEventExW`. */
HANDLE NTAPI CreateEventExW(const SECURITY_ATTRIBUTES *security, const WCHAR *name, ULONG flags, ACCESS_MASK access) {
    BASEP_OBJECT object;
    OBJECT_ATTRIBUTES *attributes;
    HANDLE event = NULL;
    if (flags & ~(CREATE_EVENT_MANUAL_RESET | CREATE_EVENT_INITIAL_SET)) return BasepNone(ERROR_INVALID_PARAMETER);
    if (!BasepCreateAttributes(&object, security, name, &attributes)) return NULL;
    ULONG type = flags & CREATE_EVENT_MANUAL_RESET ? NotificationEvent : SynchronizationEvent;
    return BasepCreated(NtCreateEvent(&event, access, attributes, type, !!(flags & CREATE_EVENT_INITIAL_SET)), &event);
}

/* `CreateEventW`. */
HANDLE NTAPI CreateEventW(const SECURITY_ATTRIBUTES *security, BOOL manual, BOOL set, const WCHAR *name) {
    ULONG flags = (manual ? CREATE_EVENT_MANUAL_RESET : 0) | (set ? CREATE_EVENT_INITIAL_SET : 0);
    return CreateEventExW(security, name, flags, EVENT_ALL_ACCESS);
}

/* `OpenEventW`. */
BASEP_OPEN(OpenEventW, NtOpenEvent)

/* `CreateEventExA`. */
HANDLE NTAPI CreateEventExA(const SECURITY_ATTRIBUTES *security, const char *name, ULONG flags, ACCESS_MASK access) {
    BASEP_WIDE(name);
    return CreateEventExW(security, wide, flags, access);
}

/* `CreateEventA`. */
HANDLE NTAPI CreateEventA(const SECURITY_ATTRIBUTES *security, BOOL manual, BOOL set, const char *name) {
    BASEP_WIDE(name);
    return CreateEventW(security, manual, set, wide);
}

/* `OpenEventA`. */
BASEP_OPEN_A(OpenEventA, OpenEventW)

/* `SetEvent`. */
BOOL NTAPI SetEvent(HANDLE event) { return BasepStatus(NtSetEvent(event, NULL)); }

/* `ResetEvent`. */
BOOL NTAPI ResetEvent(HANDLE event) { return BasepStatus(NtResetEvent(event, NULL)); }

/* `PulseEvent`. */
BOOL NTAPI PulseEvent(HANDLE event) { return BasepStatus(NtPulseEvent(event, NULL)); }
