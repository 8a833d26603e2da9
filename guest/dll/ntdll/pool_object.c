/* Thread pools: objects whose functions the threads call, the calls, and groups to clean up. */
#include "pool.h"

#define TPP_NORMAL_PRIORITY 1

/* An object, with a reference to its pool and entered in its group. */
NTSTATUS TppCreate(TP_OBJECT **made, TPP_KIND kind, PVOID callback, PVOID context, const TP_CALLBACK_ENVIRON *environment) {
    TP_POOL *pool = environment ? environment->Pool : NULL;
    if (environment && environment->Version != 1 && environment->Version != 3) return STATUS_INVALID_PARAMETER;
    ULONG priority = environment && environment->Version == 3 ? environment->CallbackPriority : TPP_NORMAL_PRIORITY;
    if (priority >= TPP_PRIORITIES) return STATUS_INVALID_PARAMETER;
    NTSTATUS status = TppPool(&pool);
    if (status < 0) return status;
    TP_OBJECT *object = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, HEAP_ZERO_MEMORY, sizeof *object);
    if (!object) {
        TppDropPool(pool);
        return STATUS_NO_MEMORY;
    }
    object->Kind = kind, object->References = 1, object->Pool = pool, object->Priority = priority;
    object->Callback = callback, object->Context = context;
    if (environment) {
        object->Group = environment->CleanupGroup;
        object->CancelCallback = environment->CleanupGroupCancelCallback;
        object->Finalization = environment->FinalizationCallback;
        object->RaceDll = environment->RaceDll;
    }
    if (object->Group) InsertTailList(&object->Group->Members, &object->GroupLink);
    *made = object;
    return STATUS_SUCCESS;
}

/* Gives a reference back. */
void TppDrop(TP_OBJECT *object) {
    if (--object->References) return;
    if (object->Group) RemoveEntryList(&object->GroupLink);
    TppDropPool(object->Pool);
    RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, object);
}

/* Its owner no longer needs it. */
void TppRelease(TP_OBJECT *object) {
    if (object->Released) return;
    TppDisarm(object);
    object->Released = TRUE;
    TppDrop(object);
}

/* Takes the calls that are queued back. */
void TppCancel(TP_OBJECT *object) {
    if (!object->Queued) return;
    RemoveEntryList(&object->QueueLink);
    object->Queued = FALSE;
    object->Cancelled = TRUE;
    object->TimedOut = 0;
    /* Somebody holds another reference. */
    object->References -= (LONG)object->Pending;
    object->Pending = 0;
    RtlWakeAllConditionVariable(&object->Done);
}

/* A call begins, whose reference the queue had. */
void TppBegin(TP_OBJECT *object) { object->Running++; }

static BOOLEAN TppBusy(const TP_OBJECT *object) { return object->Running || object->Pending; }

/* A call has ended, or no longer counts. */
static void TppEnd(TP_OBJECT *object) {
    object->Running--;
    if (TppBusy(object)) return;
    RtlWakeAllConditionVariable(&object->Done);
    if (object->DoneEvent && object->Released) NtSetEvent(object->DoneEvent, NULL);
}

static void TppFinish(TP_CALLBACK_INSTANCE *instance) {
    if (instance->Section) RtlLeaveCriticalSection(instance->Section);
    if (instance->Mutex) NtReleaseMutant(instance->Mutex, NULL);
    if (instance->Semaphore) NtReleaseSemaphore(instance->Semaphore, (LONG)instance->SemaphoreCount, NULL);
    if (instance->Event) NtSetEvent(instance->Event, NULL);
    if (instance->Dll) {
        NTSTATUS(NTAPI *unload)(PVOID) = NtpService("LdrUnloadDll");
        if (unload) unload(instance->Dll);
    }
}

typedef void NTAPI TPP_CALLBACK(TP_CALLBACK_INSTANCE *, PVOID);
typedef void NTAPI TPP_CALLBACK_OF(TP_CALLBACK_INSTANCE *, PVOID, TP_OBJECT *);
typedef void NTAPI TPP_WAIT_CALLBACK(TP_CALLBACK_INSTANCE *, PVOID, TP_OBJECT *, ULONG);
typedef void NTAPI TPP_IO_CALLBACK(TP_CALLBACK_INSTANCE *, PVOID, PVOID, IO_STATUS_BLOCK *, TP_OBJECT *);
typedef void NTAPI TPP_ITEM(PVOID);
typedef void NTAPI TPP_OLD_CALLBACK(PVOID, BOOLEAN);
typedef void NTAPI TPP_OLD_IO(ULONG, ULONG, PVOID);

/* Calls an object's function, without the lock. */
void TppCall(TP_OBJECT *object, ULONG result, const TPP_PACKET *packet) {
    TP_CALLBACK_INSTANCE instance = {object, TRUE, NULL, NULL, NULL, 0, NULL, NULL};
    PVOID callback = object->Callback, context = object->Context;
    IO_STATUS_BLOCK io;
    switch (object->Kind) {
    case TppSimple: ((TPP_CALLBACK *)callback)(&instance, context); break;
    case TppWork: case TppTimer: ((TPP_CALLBACK_OF *)callback)(&instance, context, object); break;
    case TppWait: ((TPP_WAIT_CALLBACK *)callback)(&instance, context, object, result); break;
    case TppIo:
        io = packet->Io;
        ((TPP_IO_CALLBACK *)callback)(&instance, context, packet->ApcContext, &io, object);
        break;
    case TppItem: ((TPP_ITEM *)callback)(context); break;
    case TppOldTimer: ((TPP_OLD_CALLBACK *)callback)(context, TRUE); break;
    case TppOldWait: ((TPP_OLD_CALLBACK *)callback)(context, result == STATUS_TIMEOUT); break;
    case TppOldIo: {
        BOOLEAN good = packet->Io.Status == STATUS_SUCCESS;
        ULONG error = good ? 0 : RtlNtStatusToDosErrorNoTeb(packet->Io.Status);
        ((TPP_OLD_IO *)callback)(error, good ? (ULONG)packet->Io.Information : 0, packet->ApcContext);
        break;
    }
    }
    if (object->Finalization) ((TPP_CALLBACK *)object->Finalization)(&instance, context);
    TppFinish(&instance);
    TppEnter();
    if (instance.Associated) TppEnd(object);
    if (object->Kind == TppOldWait) TppWaitAgain(object);
    TppDrop(object);
    TppLeave();
}

/* Waits until no call of an object is queued or under way. */
void TppWaitFor(TP_OBJECT *object, BOOLEAN cancel) {
    object->References++;
    if (cancel) TppCancel(object);
    while (TppBusy(object) || (!cancel && object->Operations)) RtlSleepConditionVariableSRW(&object->Done, &TppLock, NULL, 0);
    TppDrop(object);
}

/* Releases an object of old; an event is set when its calls have ended, -1 waits for that.
 * STATUS_PENDING: they have not. */
NTSTATUS TppReleaseAnd(TP_OBJECT *object, HANDLE event) {
    TppEnter();
    object->References++;
    TppDisarm(object);
    TppCancel(object);
    BOOLEAN busy = TppBusy(object);
    if (event == (HANDLE)-1) {
        while (TppBusy(object)) RtlSleepConditionVariableSRW(&object->Done, &TppLock, NULL, 0);
        busy = FALSE;
    } else if (event) {
        if (busy) object->DoneEvent = event;
        else NtSetEvent(event, NULL);
    }
    TppRelease(object);
    TppDrop(object);
    TppLeave();
    return busy ? STATUS_PENDING : STATUS_SUCCESS;
}

/* What the functions that make an object have in common. */
static NTSTATUS TppAlloc(TP_OBJECT **object, TPP_KIND kind, PVOID callback, PVOID context, const TP_CALLBACK_ENVIRON *environment) {
    if (!callback) return STATUS_INVALID_PARAMETER;
    TppEnter();
    NTSTATUS status = TppCreate(object, kind, callback, context, environment);
    TppLeave();
    return status;
}

/* Queues one call of an object that nobody owns. */
static NTSTATUS TppPostOnce(TPP_KIND kind, PVOID callback, PVOID context, const TP_CALLBACK_ENVIRON *environment) {
    TP_OBJECT *object;
    if (!callback) return STATUS_INVALID_PARAMETER;
    TppEnter();
    NTSTATUS status = TppCreate(&object, kind, callback, context, environment);
    if (status >= 0) {
        TP_POOL *pool = object->Pool;
        pool->References++;
        TppQueue(object);
        TppDrop(object);
        TppLeave();
        TppWake(pool);
        TppEnter();
        TppDropPool(pool);
    }
    TppLeave();
    return status;
}

/* `TpSimpleTryPost`. */
EXPORT NTSTATUS NTAPI TpSimpleTryPost(PVOID callback, PVOID context, const TP_CALLBACK_ENVIRON *environment) {
    return TppPostOnce(TppSimple, callback, context, environment);
}

/* `RtlQueueWorkItem`: the flags say how the function behaves, which the pool finds out by itself. */
EXPORT NTSTATUS NTAPI RtlQueueWorkItem(PVOID function, PVOID context, ULONG flags) {
    (void)flags;
    return TppPostOnce(TppItem, function, context, NULL);
}

/* `TpAllocWork`, `TpPostWork`, `TpWaitForWork`, `TpReleaseWork`. */
EXPORT NTSTATUS NTAPI TpAllocWork(TP_OBJECT **work, PVOID callback, PVOID context, const TP_CALLBACK_ENVIRON *environment) {
    return TppAlloc(work, TppWork, callback, context, environment);
}
EXPORT void NTAPI TpPostWork(TP_OBJECT *work) {
    TppEnter();
    TppQueue(work);
    TppLeave();
    TppWake(work->Pool);
}
EXPORT void NTAPI TpWaitForWork(TP_OBJECT *object, ULONG cancel) {
    TppEnter();
    TppWaitFor(object, !!cancel);
    TppLeave();
}
EXPORT void NTAPI TpReleaseWork(TP_OBJECT *object) {
    TppEnter();
    TppRelease(object);
    TppLeave();
}
/* Of timers, waits and files, too. */
EXPORT_AS(TpWaitForTimer, TpWaitForWork);
EXPORT_AS(TpWaitForWait, TpWaitForWork);
EXPORT_AS(TpWaitForIoCompletion, TpWaitForWork);
EXPORT_AS(TpReleaseTimer, TpReleaseWork);
EXPORT_AS(TpReleaseWait, TpReleaseWork);
EXPORT_AS(TpReleaseIoCompletion, TpReleaseWork);

/* `TpAllocTimer`, `TpAllocWait`. */
EXPORT NTSTATUS NTAPI TpAllocTimer(TP_OBJECT **timer, PVOID callback, PVOID context, const TP_CALLBACK_ENVIRON *environment) {
    return TppAlloc(timer, TppTimer, callback, context, environment);
}
EXPORT NTSTATUS NTAPI TpAllocWait(TP_OBJECT **wait, PVOID callback, PVOID context, const TP_CALLBACK_ENVIRON *environment) {
    return TppAlloc(wait, TppWait, callback, context, environment);
}

/* `TpAllocCleanupGroup`. */
EXPORT NTSTATUS NTAPI TpAllocCleanupGroup(TP_CLEANUP_GROUP **group) {
    *group = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, sizeof **group);
    if (!*group) return STATUS_NO_MEMORY;
    TppList(&(*group)->Members);
    return STATUS_SUCCESS;
}

/* `TpReleaseCleanupGroup`: it has no members any more. */
EXPORT void NTAPI TpReleaseCleanupGroup(TP_CLEANUP_GROUP *group) { RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, group); }

/* `TpReleaseCleanupGroupMembers`: waits for the calls of every object in the group, or takes those back that are queued,
 * and releases the objects. Whom it releases before its owner did is told, if calls are taken back. */
EXPORT void NTAPI TpReleaseCleanupGroupMembers(TP_CLEANUP_GROUP *group, ULONG cancel, PVOID cleanup_context) {
    LIST_ENTRY members;
    TppList(&members);
    TppEnter();
    while (!TppEmpty(&group->Members)) {
        TP_OBJECT *object = CONTAINER(group->Members.Flink, TP_OBJECT, GroupLink);
        object->References++;
        object->Group = NULL;
        RemoveEntryList(&object->GroupLink);
        InsertTailList(&members, &object->GroupLink);
        TppDisarm(object);
        if (cancel) TppCancel(object);
    }
    while (!TppEmpty(&members)) {
        TP_OBJECT *object = CONTAINER(members.Flink, TP_OBJECT, GroupLink);
        RemoveEntryList(&object->GroupLink);
        TppWaitFor(object, FALSE);
        BOOLEAN once = object->Kind == TppSimple;
        if (cancel && object->CancelCallback && (once ? object->Cancelled : !object->Released)) {
            TppLeave();
            ((void(NTAPI *)(PVOID, PVOID))object->CancelCallback)(object->Context, cleanup_context);
            TppEnter();
        }
        if (!once) TppRelease(object);
        TppDrop(object);
    }
    TppLeave();
}

/* `TpCallbackMayRunLong`: another thread is made when this one does not run. */
EXPORT NTSTATUS NTAPI TpCallbackMayRunLong(TP_CALLBACK_INSTANCE *instance) {
    (void)instance;
    return STATUS_SUCCESS;
}

/* `TpDisassociateCallback`: whoever waits for the object's calls does not wait for this one. */
EXPORT void NTAPI TpDisassociateCallback(TP_CALLBACK_INSTANCE *instance) {
    TppEnter();
    if (instance->Associated) TppEnd(instance->Object);
    instance->Associated = FALSE;
    TppLeave();
}

/* What is done when the function has returned. */
EXPORT void NTAPI TpCallbackSetEventOnCompletion(TP_CALLBACK_INSTANCE *instance, HANDLE event) { instance->Event = event; }
EXPORT void NTAPI TpCallbackReleaseSemaphoreOnCompletion(TP_CALLBACK_INSTANCE *instance, HANDLE semaphore, ULONG count) {
    instance->Semaphore = semaphore, instance->SemaphoreCount = count;
}
EXPORT void NTAPI TpCallbackReleaseMutexOnCompletion(TP_CALLBACK_INSTANCE *instance, HANDLE mutex) { instance->Mutex = mutex; }
EXPORT void NTAPI TpCallbackLeaveCriticalSectionOnCompletion(TP_CALLBACK_INSTANCE *instance, RTL_CRITICAL_SECTION *section) {
    instance->Section = section;
}
EXPORT void NTAPI TpCallbackUnloadDllOnCompletion(TP_CALLBACK_INSTANCE *instance, PVOID dll) { instance->Dll = dll; }
