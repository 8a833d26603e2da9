/* `RaiseFailFastException`: the end without handlers. */
#include "kernel32.h"
#include "exception.h"

#define STATUS_FAIL_FAST_EXCEPTION 0xc0000602
NTSYSAPI void NTAPI RtlCaptureContext(CONTEXT *);

void NTAPI RaiseFailFastException(EXCEPTION_RECORD *record, CONTEXT *context, ULONG flags) {
    EXCEPTION_RECORD own = {.ExceptionCode = (NTSTATUS)STATUS_FAIL_FAST_EXCEPTION, .ExceptionFlags = 1, .ExceptionAddress = __builtin_return_address(0)};
    CONTEXT here;
    if (!context) {
        RtlCaptureContext(&here);
        context = &here;
    }
    if (record && flags & 1) record->ExceptionAddress = __builtin_return_address(0);
    NtRaiseException(record ? record : &own, context, FALSE);
    NtTerminateProcess(NtCurrentProcess(), (NTSTATUS)STATUS_FAIL_FAST_EXCEPTION);
}
