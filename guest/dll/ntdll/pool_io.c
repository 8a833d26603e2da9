/* Thread pools: functions that are called when a file's operations end. */
#include "pool.h"

#define FILE_COMPLETION_INFORMATION_CLASS 30

HANDLE TppPort(const TP_POOL *);
NTSYSCALLAPI NTSTATUS NTAPI NtSetInformationFile(HANDLE, IO_STATUS_BLOCK *, const void *, ULONG, ULONG);

/* Ties a file to a new object's pool. */
static NTSTATUS TppTie(TP_OBJECT **made, TPP_KIND kind, HANDLE file, PVOID callback, PVOID context, const TP_CALLBACK_ENVIRON *environment) {
    IO_STATUS_BLOCK io;
    TP_OBJECT *object;
    if (!callback) return STATUS_INVALID_PARAMETER;
    TppEnter();
    NTSTATUS status = TppCreate(&object, kind, callback, context, environment);
    if (status >= 0) {
        struct { HANDLE Port; ULONG_PTR Key; } tie = {TppPort(object->Pool), (ULONG_PTR)object};
        status = NtSetInformationFile(file, &io, &tie, sizeof tie, FILE_COMPLETION_INFORMATION_CLASS);
        if (status < 0) TppRelease(object);
        else *made = object, object->Pool->Files = TRUE, TppAddThread(object->Pool);
    }
    TppLeave();
    return status;
}

/* `TpAllocIoCompletion`. */
EXPORT NTSTATUS NTAPI TpAllocIoCompletion(TP_OBJECT **io, HANDLE file, PVOID callback, PVOID context, const TP_CALLBACK_ENVIRON *environment) {
    return TppTie(io, TppIo, file, callback, context, environment);
}

/* `TpStartAsyncIoOperation`: an operation begins, whose end is waited for; or it does not (`TpCancelAsyncIoOperation`). */
EXPORT void NTAPI TpStartAsyncIoOperation(TP_OBJECT *io) {
    TppEnter();
    io->Operations++;
    /* Its packet names the object. */
    io->References++;
    TppLeave();
}
EXPORT void NTAPI TpCancelAsyncIoOperation(TP_OBJECT *io) {
    TppEnter();
    if (io->Operations) {
        io->Operations--;
        RtlWakeAllConditionVariable(&io->Done);
        TppDrop(io);
    }
    TppLeave();
}

/* `RtlSetIoCompletionCallback`: a function of Windows 2000 for a file, as long as the process lasts. */
EXPORT NTSTATUS NTAPI RtlSetIoCompletionCallback(HANDLE file, PVOID function, ULONG flags) {
    TP_OBJECT *object;
    (void)flags;
    return TppTie(&object, TppOldIo, file, function, NULL, NULL);
}
