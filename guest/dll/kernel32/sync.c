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

/* `DuplicateHandle`. */
BOOL NTAPI DuplicateHandle(HANDLE from, HANDLE handle, HANDLE to, HANDLE *result, ACCESS_MASK access, BOOL inherited,
                           ULONG options) {
    return BasepStatus(NtDuplicateObject(from, handle, to, result, access, inherited ? OBJ_INHERIT : 0, options));
}
