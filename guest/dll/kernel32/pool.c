/* Thread pools under their Win32 names, where more than the name differs. */
#include "kernel32.h"

typedef LONGLONG FILETIME_VALUE;
#define CRTS __declspec(dllimport)
CRTS NTSTATUS NTAPI TpAllocPool(PVOID *, PVOID);
CRTS NTSTATUS NTAPI TpAllocWork(PVOID *, PVOID, PVOID, PVOID);
CRTS NTSTATUS NTAPI TpAllocTimer(PVOID *, PVOID, PVOID, PVOID);
CRTS NTSTATUS NTAPI TpAllocWait(PVOID *, PVOID, PVOID, PVOID);
CRTS NTSTATUS NTAPI TpAllocIoCompletion(PVOID *, HANDLE, PVOID, PVOID, PVOID);
CRTS NTSTATUS NTAPI TpAllocCleanupGroup(PVOID *);
CRTS NTSTATUS NTAPI TpSimpleTryPost(PVOID, PVOID, PVOID);
CRTS NTSTATUS NTAPI TpSetPoolMinThreads(PVOID, ULONG);
CRTS NTSTATUS NTAPI TpSetPoolStackInformation(PVOID, PVOID);
CRTS NTSTATUS NTAPI TpQueryPoolStackInformation(PVOID, PVOID);
CRTS NTSTATUS NTAPI TpCallbackMayRunLong(PVOID);
CRTS BOOLEAN NTAPI TpSetTimerEx(PVOID, const LONGLONG *, ULONG, ULONG);
CRTS BOOLEAN NTAPI TpSetWaitEx(PVOID, HANDLE, const LONGLONG *, PVOID);
CRTS BOOLEAN NTAPI TpIsTimerSet(PVOID);
CRTS NTSTATUS NTAPI RtlQueueWorkItem(PVOID, PVOID, ULONG);
CRTS NTSTATUS NTAPI RtlSetIoCompletionCallback(HANDLE, PVOID, ULONG);
CRTS NTSTATUS NTAPI RtlRegisterWait(HANDLE *, HANDLE, PVOID, PVOID, ULONG, ULONG);
CRTS NTSTATUS NTAPI RtlDeregisterWaitEx(HANDLE, HANDLE);
CRTS NTSTATUS NTAPI RtlCreateTimerQueue(HANDLE *);
CRTS NTSTATUS NTAPI RtlDeleteTimerQueueEx(HANDLE, HANDLE);
CRTS NTSTATUS NTAPI RtlCreateTimer(HANDLE, HANDLE *, PVOID, PVOID, ULONG, ULONG, ULONG);
CRTS NTSTATUS NTAPI RtlUpdateTimer(HANDLE, HANDLE, ULONG, ULONG);
CRTS NTSTATUS NTAPI RtlDeleteTimer(HANDLE, HANDLE, HANDLE);

/* TRUE, or FALSE with a last error; what is not over yet is a failure, too. */
static BOOL BasepDone(NTSTATUS status) {
    if (status == STATUS_PENDING) return BasepFail(997 /* ERROR_IO_PENDING */);
    return BasepStatus(status);
}

/* `CreateThreadpool`. */
PVOID NTAPI CreateThreadpool(PVOID reserved) {
    PVOID pool;
    return BasepStatus(TpAllocPool(&pool, reserved)) ? pool : NULL;
}
/* `CreateThreadpoolWork`, `…Timer`, `…Wait`, `…CleanupGroup`. */
PVOID NTAPI CreateThreadpoolWork(PVOID callback, PVOID context, PVOID environment) {
    PVOID work;
    return BasepStatus(TpAllocWork(&work, callback, context, environment)) ? work : NULL;
}
PVOID NTAPI CreateThreadpoolTimer(PVOID callback, PVOID context, PVOID environment) {
    PVOID timer;
    return BasepStatus(TpAllocTimer(&timer, callback, context, environment)) ? timer : NULL;
}
PVOID NTAPI CreateThreadpoolWait(PVOID callback, PVOID context, PVOID environment) {
    PVOID wait;
    return BasepStatus(TpAllocWait(&wait, callback, context, environment)) ? wait : NULL;
}
PVOID NTAPI CreateThreadpoolCleanupGroup(void) {
    PVOID group;
    return BasepStatus(TpAllocCleanupGroup(&group)) ? group : NULL;
}

/* What a function for a file's operations gets: the OVERLAPPED, a Win32 error and the bytes. */
typedef struct {
    void(NTAPI *Callback)(PVOID instance, PVOID context, PVOID overlapped, ULONG error, ULONG_PTR bytes, PVOID io);
    PVOID Context;
} BASEP_IO;
static void NTAPI BasepIoCallback(PVOID instance, PVOID context, PVOID overlapped, IO_STATUS_BLOCK *status, PVOID io) {
    BASEP_IO *own = context;
    own->Callback(instance, own->Context, overlapped, RtlNtStatusToDosErrorNoTeb(status->Status), status->Information, io);
}

/* `CreateThreadpoolIo`. A call may come late, so what it needs stays. */
PVOID NTAPI CreateThreadpoolIo(HANDLE file, PVOID callback, PVOID context, PVOID environment) {
    PVOID io;
    BASEP_IO *own = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, sizeof *own);
    if (!own) return BasepNone(8 /* ERROR_NOT_ENOUGH_MEMORY */);
    *own = (BASEP_IO){callback, context};
    if (BasepStatus(TpAllocIoCompletion(&io, file, (PVOID)BasepIoCallback, own, environment))) return io;
    RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, own);
    return NULL;
}

/* `TrySubmitThreadpoolCallback`. */
BOOL NTAPI TrySubmitThreadpoolCallback(PVOID callback, PVOID context, PVOID environment) {
    return BasepStatus(TpSimpleTryPost(callback, context, environment));
}
/* `SetThreadpoolThreadMinimum`. */
BOOL NTAPI SetThreadpoolThreadMinimum(PVOID pool, ULONG least) { return BasepStatus(TpSetPoolMinThreads(pool, least)); }
/* `SetThreadpoolStackInformation`, `QueryThreadpoolStackInformation`. */
BOOL NTAPI SetThreadpoolStackInformation(PVOID pool, PVOID sizes) { return BasepStatus(TpSetPoolStackInformation(pool, sizes)); }
BOOL NTAPI QueryThreadpoolStackInformation(PVOID pool, PVOID sizes) { return BasepStatus(TpQueryPoolStackInformation(pool, sizes)); }
/* `CallbackMayRunLong`. */
BOOL NTAPI CallbackMayRunLong(PVOID instance) { return BasepStatus(TpCallbackMayRunLong(instance)); }
/* `SetThreadpoolTimerEx`, `IsThreadpoolTimerSet`, `SetThreadpoolWaitEx`. */
BOOL NTAPI SetThreadpoolTimerEx(PVOID timer, const LONGLONG *due, ULONG period, ULONG window) {
    return TpSetTimerEx(timer, due, period, window);
}
BOOL NTAPI IsThreadpoolTimerSet(PVOID timer) { return TpIsTimerSet(timer); }
BOOL NTAPI SetThreadpoolWaitEx(PVOID wait, HANDLE handle, const LONGLONG *timeout, PVOID reserved) {
    return TpSetWaitEx(wait, handle, timeout, reserved);
}

/* `QueueUserWorkItem`. */
BOOL NTAPI QueueUserWorkItem(PVOID function, PVOID context, ULONG flags) { return BasepStatus(RtlQueueWorkItem(function, context, flags)); }
/* `BindIoCompletionCallback`. */
BOOL NTAPI BindIoCompletionCallback(HANDLE file, PVOID function, ULONG flags) {
    return BasepStatus(RtlSetIoCompletionCallback(file, function, flags));
}

/* `RegisterWaitForSingleObject`, `UnregisterWait`, `UnregisterWaitEx`. */
BOOL NTAPI RegisterWaitForSingleObject(HANDLE *wait, HANDLE object, PVOID function, PVOID context, ULONG milliseconds, ULONG flags) {
    return BasepStatus(RtlRegisterWait(wait, BasepMapStdHandle(object), function, context, milliseconds, flags));
}
HANDLE NTAPI RegisterWaitForSingleObjectEx(HANDLE object, PVOID function, PVOID context, ULONG milliseconds, ULONG flags) {
    HANDLE wait;
    return RegisterWaitForSingleObject(&wait, object, function, context, milliseconds, flags) ? wait : NULL;
}
BOOL NTAPI UnregisterWaitEx(HANDLE wait, HANDLE event) { return BasepDone(RtlDeregisterWaitEx(wait, event)); }
BOOL NTAPI UnregisterWait(HANDLE wait) { return UnregisterWaitEx(wait, NULL); }

/* `CreateTimerQueue`, and the timers of the process's own queue. */
static HANDLE BasepTimerQueue;
HANDLE NTAPI CreateTimerQueue(void) {
    HANDLE queue;
    return BasepStatus(RtlCreateTimerQueue(&queue)) ? queue : NULL;
}
static HANDLE BasepDefaultQueue(void) {
    HANDLE queue = BasepTimerQueue, none = NULL;
    if (queue || !(queue = CreateTimerQueue())) return queue;
    if (__atomic_compare_exchange_n(&BasepTimerQueue, &none, queue, FALSE, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return queue;
    RtlDeleteTimerQueueEx(queue, NULL);
    return none;
}
BOOL NTAPI CreateTimerQueueTimer(HANDLE *timer, HANDLE queue, PVOID function, PVOID context, ULONG due, ULONG period, ULONG flags) {
    if (!queue && !(queue = BasepDefaultQueue())) return FALSE;
    return BasepStatus(RtlCreateTimer(queue, timer, function, context, due, period, flags));
}
BOOL NTAPI ChangeTimerQueueTimer(HANDLE queue, HANDLE timer, ULONG due, ULONG period) {
    return BasepStatus(RtlUpdateTimer(queue, timer, due, period));
}
BOOL NTAPI DeleteTimerQueueTimer(HANDLE queue, HANDLE timer, HANDLE event) { return BasepDone(RtlDeleteTimer(queue, timer, event)); }
BOOL NTAPI DeleteTimerQueueEx(HANDLE queue, HANDLE event) { return BasepDone(RtlDeleteTimerQueueEx(queue, event)); }
BOOL NTAPI DeleteTimerQueue(HANDLE queue) { return DeleteTimerQueueEx(queue, NULL); }
