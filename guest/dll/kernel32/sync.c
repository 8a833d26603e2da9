/* Waiting, and handles to what is waited for. */
#include "kernel32.h"

#define WAIT_FAILED 0xffffffffu

/* `WaitForSingleObjectEx`: the status that the wait ended with (0, WAIT_ABANDONED, WAIT_IO_COMPLETION, WAIT_TIMEOUT), or
 * WAIT_FAILED. */
ULONG NTAPI WaitForSingleObjectEx(HANDLE handle, ULONG milliseconds, BOOL alertable) {
    LONGLONG timeout = -(LONGLONG)milliseconds * MILLISECOND;
    NTSTATUS status;
    /* An alert is the kernel's affair; only an APC ends an alertable wait. */
    do status = NtWaitForSingleObject(handle, !!alertable, milliseconds == INFINITE ? NULL : &timeout);
    while (alertable && status == STATUS_ALERTED);
    return BasepStatus(status) ? (ULONG)status : WAIT_FAILED;
}

/* `WaitForSingleObject`. */
ULONG NTAPI WaitForSingleObject(HANDLE handle, ULONG milliseconds) {
    return WaitForSingleObjectEx(handle, milliseconds, FALSE);
}

/* `WaitForMultipleObjectsEx`: WAIT_OBJECT_0 or WAIT_ABANDONED_0 and the index of a handle, or as for one object. */
ULONG NTAPI WaitForMultipleObjectsEx(ULONG count, const HANDLE *handles, BOOL all, ULONG milliseconds, BOOL alertable) {
    enum { WaitAll, WaitAny };
    LONGLONG timeout = -(LONGLONG)milliseconds * MILLISECOND;
    NTSTATUS status;
    do status = NtWaitForMultipleObjects(count, handles, all ? WaitAll : WaitAny, !!alertable,
                                         milliseconds == INFINITE ? NULL : &timeout);
    while (alertable && status == STATUS_ALERTED);
    return BasepStatus(status) ? (ULONG)status : WAIT_FAILED;
}

/* `WaitForMultipleObjects`. */
ULONG NTAPI WaitForMultipleObjects(ULONG count, const HANDLE *handles, BOOL all, ULONG milliseconds) {
    return WaitForMultipleObjectsEx(count, handles, all, milliseconds, FALSE);
}

/* `SignalObjectAndWait`; NT 4 brought its service. */
ULONG NTAPI SignalObjectAndWait(HANDLE signal, HANDLE wait, ULONG milliseconds, BOOL alertable) {
    typedef NTSTATUS NTAPI SIGNAL_AND_WAIT(HANDLE, HANDLE, BOOLEAN, const LONGLONG *);
    LONGLONG timeout = -(LONGLONG)milliseconds * MILLISECOND;
    SIGNAL_AND_WAIT *service = BasepNewer("NtSignalAndWaitForSingleObject");
    NTSTATUS status;
    if (!service) return WAIT_FAILED;
    do status = service(signal, wait, !!alertable, milliseconds == INFINITE ? NULL : &timeout);
    while (alertable && status == STATUS_ALERTED);
    return BasepStatus(status) ? (ULONG)status : WAIT_FAILED;
}

/* `DuplicateHandle`. */
BOOL NTAPI DuplicateHandle(HANDLE from, HANDLE handle, HANDLE to, HANDLE *result, ACCESS_MASK access, BOOL inherited,
                           ULONG options) {
    return BasepStatus(NtDuplicateObject(from, handle, to, result, access, inherited ? OBJ_INHERIT : 0, options));
}

#define HANDLE_FLAG_INHERIT 1
#define HANDLE_FLAG_PROTECT_FROM_CLOSE 2
#define ObjectHandleFlagInformation 4
typedef struct { BOOLEAN Inherit, ProtectFromClose; } OBJECT_HANDLE_FLAG_INFORMATION;

/* `GetHandleInformation`. */
BOOL NTAPI GetHandleInformation(HANDLE handle, ULONG *flags) {
    OBJECT_HANDLE_FLAG_INFORMATION information;
    NTSTATUS status = NtQueryObject(handle, ObjectHandleFlagInformation, &information, sizeof information, NULL);
    if (!BasepStatus(status)) return FALSE;
    *flags = (information.Inherit ? HANDLE_FLAG_INHERIT : 0) |
             (information.ProtectFromClose ? HANDLE_FLAG_PROTECT_FROM_CLOSE : 0);
    return TRUE;
}

/* `SetHandleInformation`: the flags in `mask` as in `flags`, the others as they are. NT 3.5 brought its service. */
BOOL NTAPI SetHandleInformation(HANDLE handle, ULONG mask, ULONG flags) {
    typedef NTSTATUS NTAPI SET_OBJECT(HANDLE, ULONG, PVOID, ULONG);
    OBJECT_HANDLE_FLAG_INFORMATION information;
    SET_OBJECT *set = BasepNewer("NtSetInformationObject");
    if (!set) return FALSE;
    NTSTATUS status = NtQueryObject(handle, ObjectHandleFlagInformation, &information, sizeof information, NULL);
    if (!BasepStatus(status)) return FALSE;
    if (mask & HANDLE_FLAG_INHERIT) information.Inherit = !!(flags & HANDLE_FLAG_INHERIT);
    if (mask & HANDLE_FLAG_PROTECT_FROM_CLOSE) information.ProtectFromClose = !!(flags & HANDLE_FLAG_PROTECT_FROM_CLOSE);
    return BasepStatus(set(handle, ObjectHandleFlagInformation, &information, sizeof information));
}
