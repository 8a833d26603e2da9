/* Last errors: the translation of a status to a Win32 error, and the TEB's two last values. */
#include "ntdll.h"

#define ERROR_MR_MID_NOT_FOUND 317

/* Status and Win32 error, ascending by status: build.sh makes them of guest/data/dos_errors.csv. */
static const struct {
    ULONG Status;
    ULONG Error;
} RtlpStatusTable[] = {
#include "ntdll/dos_errors.inc"
};

/* `RtlNtStatusToDosErrorNoTeb`: the Win32 error of a status, ERROR_MR_MID_NOT_FOUND if it has none. */
ULONG NTAPI RtlNtStatusToDosErrorNoTeb(NTSTATUS status) {
    ULONG code = (ULONG)status, low = 0, high = sizeof RtlpStatusTable / sizeof *RtlpStatusTable;
    /* A customer's status is its own error. */
    if (code & 0x20000000) return code;
    /* FACILITY_NT_BIT, left by HRESULT_FROM_NT. */
    if (code >> 28 == 0xd) code &= ~0x10000000u;
    while (low < high) {
        ULONG middle = (low + high) / 2, at = RtlpStatusTable[middle].Status;
        if (at == code) return RtlpStatusTable[middle].Error;
        if (at < code) low = middle + 1;
        else high = middle;
    }
    /* FACILITY_NTWIN32, FACILITY_WIN32 and the debugger's facility carry a Win32 error in their low half. */
    if (code >> 16 == 0xc001 || code >> 16 == 0xc007 || code >> 16 == 0x8007) return code & 0xffff;
    return ERROR_MR_MID_NOT_FOUND;
}

/* `RtlNtStatusToDosError`: the same, and the TEB remembers the status. */
ULONG NTAPI RtlNtStatusToDosError(NTSTATUS status) {
    NtCurrentTeb()->LastStatusValue = status;
    return RtlNtStatusToDosErrorNoTeb(status);
}

/* `RtlSetLastWin32ErrorAndNtStatusFromNtStatus`: the Win32 error that it stored. */
ULONG NTAPI RtlSetLastWin32ErrorAndNtStatusFromNtStatus(NTSTATUS status) {
    ULONG error = RtlNtStatusToDosError(status);
    NtCurrentTeb()->LastErrorValue = error;
    return error;
}

/* `RtlGetLastWin32Error`. */
ULONG NTAPI RtlGetLastWin32Error(void) { return NtCurrentTeb()->LastErrorValue; }

/* `RtlGetLastNtStatus`. */
NTSTATUS NTAPI RtlGetLastNtStatus(void) { return NtCurrentTeb()->LastStatusValue; }

/* `RtlSetLastWin32Error`, and `RtlRestoreLastWin32Error`, which is the same function. */
void NTAPI RtlSetLastWin32Error(ULONG error) { NtCurrentTeb()->LastErrorValue = error; }
EXPORT_AS(RtlRestoreLastWin32Error, RtlSetLastWin32Error);
