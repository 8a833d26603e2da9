/* Events, and the names that Win32 gives to objects. */
#include "kernel32.h"

#define EVENT_ALL_ACCESS 0x1f0003
#define CREATE_EVENT_MANUAL_RESET 1
#define CREATE_EVENT_INITIAL_SET 2
enum { NotificationEvent, SynchronizationEvent };

/* An OBJECT_ATTRIBUTES, and what it points to. */
typedef struct {
    OBJECT_ATTRIBUTES Attributes;
    UNICODE_STRING Name;
    WCHAR Path[sizeof "\\Sessions\\4294967295\\BaseNamedObjects\\" + LONGEST_NAME];
} BASEP_OBJECT;

/* Appends a number. */
static void BasepAppendNumber(WCHAR *path, ULONG number) {
    WCHAR digits[11], *at = digits + 10;
    *at = 0;
    do *--at = (WCHAR)('0' + number % 10);
    while (number /= 10);
    wcscat(path, at);
}

/* Fills in an object's attributes; FALSE if the name is too long.
 *
 * Windows passes a handle to the session's directory and the name below it. Here the whole path is spelled:
 * `\Sessions\1\BaseNamedObjects\name`, or `\BaseNamedObjects\name` in session 0 and for `Global\name`. */
static BOOL BasepObjectAttributes(BASEP_OBJECT *object, const WCHAR *name, ULONG flags, PVOID security) {
    object->Attributes = (OBJECT_ATTRIBUTES){sizeof object->Attributes, NULL, NULL, flags, security, NULL};
    if (!name) return TRUE;
    if (wcslen(name) > LONGEST_NAME) return FALSE;
    ULONG session = NtCurrentPeb()->SessionId;
    if (!wcsncmp(name, L"Global\\", 7)) name += 7, session = 0;
    else if (!wcsncmp(name, L"Local\\", 6)) name += 6;
    object->Path[0] = 0;
    if (session) {
        wcscpy(object->Path, L"\\Sessions\\");
        BasepAppendNumber(object->Path, session);
    }
    wcscat(object->Path, L"\\BaseNamedObjects\\");
    wcscat(object->Path, name);
    RtlInitUnicodeString(&object->Name, object->Path);
    object->Attributes.ObjectName = &object->Name;
    return TRUE;
}

/* `CreateEventExW`: a handle, with the last error ERROR_ALREADY_EXISTS if the event was there and 0 if it was not; or
 * NULL. */
HANDLE NTAPI CreateEventExW(const SECURITY_ATTRIBUTES *security, const WCHAR *name, ULONG flags, ACCESS_MASK access) {
    BASEP_OBJECT object;
    OBJECT_ATTRIBUTES *attributes = NULL;
    HANDLE event;
    if (flags & ~(CREATE_EVENT_MANUAL_RESET | CREATE_EVENT_INITIAL_SET)) {
        BasepFail(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    /* Neither name nor attributes: no OBJECT_ATTRIBUTES either. */
    if (security || name) {
        ULONG bits = (name ? OBJ_OPENIF : 0) | (security && security->bInheritHandle ? OBJ_INHERIT : 0);
        if (!BasepObjectAttributes(&object, name, bits, security ? security->lpSecurityDescriptor : NULL)) {
            BasepFail(ERROR_FILENAME_EXCED_RANGE);
            return NULL;
        }
        attributes = &object.Attributes;
    }
    ULONG type = flags & CREATE_EVENT_MANUAL_RESET ? NotificationEvent : SynchronizationEvent;
    NTSTATUS status = NtCreateEvent(&event, access, attributes, type, !!(flags & CREATE_EVENT_INITIAL_SET));
    if (!BasepStatus(status)) return NULL;
    RtlSetLastWin32Error(status == STATUS_OBJECT_NAME_EXISTS ? ERROR_ALREADY_EXISTS : 0);
    return event;
}

/* `CreateEventW`. */
HANDLE NTAPI CreateEventW(const SECURITY_ATTRIBUTES *security, BOOL manual, BOOL set, const WCHAR *name) {
    ULONG flags = (manual ? CREATE_EVENT_MANUAL_RESET : 0) | (set ? CREATE_EVENT_INITIAL_SET : 0);
    return CreateEventExW(security, name, flags, EVENT_ALL_ACCESS);
}

/* `OpenEventW`: a handle or NULL. */
HANDLE NTAPI OpenEventW(ACCESS_MASK access, BOOL inherited, const WCHAR *name) {
    BASEP_OBJECT object;
    HANDLE event = NULL;
    if (!name) BasepFail(ERROR_INVALID_PARAMETER);
    else if (!BasepObjectAttributes(&object, name, inherited ? OBJ_INHERIT : 0, NULL)) BasepFail(ERROR_FILENAME_EXCED_RANGE);
    else if (!BasepStatus(NtOpenEvent(&event, access, &object.Attributes))) return NULL;
    return event;
}

/* `CreateEventExA`. */
HANDLE NTAPI CreateEventExA(const SECURITY_ATTRIBUTES *security, const char *name, ULONG flags, ACCESS_MASK access) {
    WCHAR wide[LONGEST_NAME + 1];
    if (!BasepWideName(name, wide)) return NULL;
    return CreateEventExW(security, name ? wide : NULL, flags, access);
}

/* `CreateEventA`. */
HANDLE NTAPI CreateEventA(const SECURITY_ATTRIBUTES *security, BOOL manual, BOOL set, const char *name) {
    WCHAR wide[LONGEST_NAME + 1];
    if (!BasepWideName(name, wide)) return NULL;
    return CreateEventW(security, manual, set, name ? wide : NULL);
}

/* `OpenEventA`. */
HANDLE NTAPI OpenEventA(ACCESS_MASK access, BOOL inherited, const char *name) {
    WCHAR wide[LONGEST_NAME + 1];
    if (!BasepWideName(name, wide)) return NULL;
    return OpenEventW(access, inherited, name ? wide : NULL);
}

/* `SetEvent`. */
BOOL NTAPI SetEvent(HANDLE event) { return BasepStatus(NtSetEvent(event, NULL)); }

/* `ResetEvent`. */
BOOL NTAPI ResetEvent(HANDLE event) { return BasepStatus(NtResetEvent(event, NULL)); }

/* `PulseEvent`. */
BOOL NTAPI PulseEvent(HANDLE event) { return BasepStatus(NtPulseEvent(event, NULL)); }
