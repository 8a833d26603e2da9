/* Handles that are read and written. */
#include "files.h"

#define STD_INPUT_HANDLE (-10)

/* The handle that a handle or a `STD_…_HANDLE` number, in 32 bits or sign-extended, means: kernelbase takes the three
 * numbers for handles too. */
HANDLE BasepMapStdHandle(HANDLE handle) {
    /* -10, -11, -12 are StandardInput, StandardOutput, StandardError, which lie in this order. */
    ULONG index = STD_INPUT_HANDLE - (ULONG)(ULONG_PTR)handle;
    return index > 2 ? handle : (&NtCurrentPeb()->ProcessParameters->StandardInput)[index];
}

/* `GetStdHandle`: INVALID_HANDLE_VALUE and ERROR_INVALID_HANDLE for a number that is none. */
HANDLE NTAPI GetStdHandle(ULONG number) {
    if (STD_INPUT_HANDLE - number <= 2) return BasepMapStdHandle((HANDLE)(ULONG_PTR)number);
    RtlSetLastWin32Error(ERROR_INVALID_HANDLE);
    return (HANDLE)-1;
}

/* `SetStdHandle`. */
BOOL NTAPI SetStdHandle(ULONG number, HANDLE handle) {
    if (STD_INPUT_HANDLE - number > 2) return BasepFail(ERROR_INVALID_HANDLE);
    (&NtCurrentPeb()->ProcessParameters->StandardInput)[STD_INPUT_HANDLE - number] = handle;
    return TRUE;
}

/* `CloseHandle`. */
BOOL NTAPI CloseHandle(HANDLE handle) { return BasepStatus(NtClose(handle)); }

typedef NTSTATUS(NTAPI *BASEP_TRANSFER)(HANDLE, HANDLE, PVOID, PVOID, IO_STATUS_BLOCK *, PVOID, ULONG, LONGLONG *, ULONG *);

/* Without an OVERLAPPED the call waits. */
static NTSTATUS BasepTransferAndWait(BASEP_TRANSFER service, HANDLE handle, PVOID buffer, ULONG size, IO_STATUS_BLOCK *io) {
    *io = (IO_STATUS_BLOCK){.Status = STATUS_PENDING};
    NTSTATUS status = service(handle, NULL, NULL, NULL, io, buffer, size, NULL, NULL);
    if (status != STATUS_PENDING) return status;
    status = NtWaitForSingleObject(handle, FALSE, NULL);
    return status < 0 ? status : io->Status;
}

/* Internal and InternalHigh are the status block, Offset and OffsetHigh the place; an event whose low bit is set keeps
 * the completion from the port. */
static NTSTATUS BasepTransferOverlapped(BASEP_TRANSFER service, HANDLE handle, PVOID buffer, ULONG size, OVERLAPPED *o) {
    LONGLONG offset = (LONGLONG)((ULONGLONG)o->OffsetHigh << 32 | o->Offset);
    PVOID context = (ULONG_PTR)o->hEvent & 1 ? NULL : o;
    o->Internal = STATUS_PENDING;
    return service(handle, o->hEvent, NULL, context, (IO_STATUS_BLOCK *)o, buffer, size, &offset, NULL);
}

static BOOL BasepTransfer(BASEP_TRANSFER service, HANDLE handle, PVOID buffer, ULONG size, ULONG *count, OVERLAPPED *o) {
    IO_STATUS_BLOCK own;
    NTSTATUS status;
    handle = BasepMapStdHandle(handle);
    if (count) *count = 0;
    if (o) {
        status = BasepTransferOverlapped(service, handle, buffer, size, o);
        if (status == STATUS_PENDING) {
            RtlSetLastWin32ErrorAndNtStatusFromNtStatus(status);
            return FALSE;
        }
    } else {
        status = BasepTransferAndWait(service, handle, buffer, size, &own);
        /* The end of a file is a read of no bytes. */
        if (status == STATUS_END_OF_FILE && service == (BASEP_TRANSFER)NtReadFile) return TRUE;
    }
    /* Errors move nothing; warnings do. */
    if (count && (ULONG)status >> 30 != 3) *count = (ULONG)(o ? o->InternalHigh : own.Information);
    return BasepStatus(status);
}

/* `ReadFile`. */
BOOL NTAPI ReadFile(HANDLE handle, PVOID buffer, ULONG size, ULONG *count, OVERLAPPED *overlapped) {
    return BasepTransfer((BASEP_TRANSFER)NtReadFile, handle, buffer, size, count, overlapped);
}

/* `WriteFile`. */
BOOL NTAPI WriteFile(HANDLE handle, const void *buffer, ULONG size, ULONG *count, OVERLAPPED *overlapped) {
    return BasepTransfer((BASEP_TRANSFER)NtWriteFile, handle, (PVOID)buffer, size, count, overlapped);
}
