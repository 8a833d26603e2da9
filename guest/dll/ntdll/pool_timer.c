/* Thread pools: timers and waits. A thread of its own waits on up to 63 objects and until the next timer is due; there
 * are as many such threads as the waits need. Those of Windows 2000 (`RtlRegisterWait`, `RtlCreateTimer`) are the same
 * objects with other functions. */
#include "pool.h"

#define TPP_MOST_WAITS 63
#define TPP_WAIT_ANY 1
/* How long a thread stays that has nothing to wait for. */
#define TPP_WAITER_TIMEOUT (-50000000ll)
enum { WT_EXECUTEINWAITTHREAD = 4, WT_EXECUTEONLYONCE = 8, WT_EXECUTEINTIMERTHREAD = 0x20 };
#define TPP_INFINITE 0xffffffff

typedef struct TPP_WAITER {
    struct TPP_WAITER *Next;
    /* Set when what it waits for has changed. */
    HANDLE Event;
    BOOLEAN Runs;
    LIST_ENTRY Waits;
    ULONG Count;
    /* The time that it has waited until: the clock may still show an earlier one. */
    LONGLONG Reached;
} TPP_WAITER;

/* The first one has the timers, soonest first. */
static TPP_WAITER TppFirstWaiter;
static LIST_ENTRY TppTimers;

static LONGLONG TppNow(void) {
    LONGLONG now;
    NtQuerySystemTime(&now);
    return now;
}

static ULONG NTAPI TppWaiterThread(PVOID parameter);

/* Has a waiter look again; starts it if need be. */
static NTSTATUS TppNotify(TPP_WAITER *waiter) {
    NTSTATUS status = STATUS_SUCCESS;
    if (!waiter->Event) status = NtCreateEvent(&waiter->Event, 0x1f0003, NULL, SynchronizationEvent, FALSE);
    if (status >= 0) NtSetEvent(waiter->Event, NULL);
    if (status < 0 || waiter->Runs) return status;
    status = RtlCreateUserThread(NtCurrentProcess(), NULL, FALSE, 0, 0, 0, (PVOID)TppWaiterThread, waiter, NULL, NULL);
    waiter->Runs = status >= 0;
    return status;
}

static void TppPrepareFirst(void) {
    if (TppTimers.Flink) return;
    TppList(&TppTimers);
    TppList(&TppFirstWaiter.Waits);
}

/* A waiter that can take one more wait. */
static TPP_WAITER *TppFindWaiter(void) {
    TPP_WAITER *waiter = &TppFirstWaiter, **last = &waiter;
    TppPrepareFirst();
    for (; *last; last = &(*last)->Next)
        if ((*last)->Count < TPP_MOST_WAITS) return *last;
    TPP_WAITER *more = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, HEAP_ZERO_MEMORY, sizeof *more);
    if (!more) return NULL;
    TppList(&more->Waits);
    for (waiter = &TppFirstWaiter; waiter->Next; waiter = waiter->Next) {}
    waiter->Next = more;
    return more;
}

/* Stops a timer or a wait. */
void TppDisarm(TP_OBJECT *object) {
    if (!object->Armed) return;
    RemoveEntryList(&object->ArmedLink);
    object->Armed = FALSE;
    if (!object->Waiter) return;
    object->Waiter->Count--;
    TppNotify(object->Waiter);
    object->Waiter = NULL;
}

static void TppInsertTimer(TP_OBJECT *timer) {
    LIST_ENTRY *at = TppTimers.Flink;
    while (at != &TppTimers && CONTAINER(at, TP_OBJECT, ArmedLink)->Due <= timer->Due) at = at->Flink;
    InsertTailList(at, &timer->ArmedLink);
    timer->Armed = TRUE;
}

/* When something is due that is so in system time, or 100 ns units from now if negative. */
static LONGLONG TppDue(LONGLONG due) { return due > 0 ? due : TppNow() - due; }

static void TppArmTimer(TP_OBJECT *timer, const LONGLONG *due, ULONG period) {
    TppPrepareFirst();
    TppDisarm(timer);
    if (!due) return;
    timer->Due = TppDue(*due);
    timer->HasDue = TRUE;
    timer->Period = period;
    TppInsertTimer(timer);
    TppNotify(&TppFirstWaiter);
}

static void TppArmWait(TP_OBJECT *wait, HANDLE handle, const LONGLONG *timeout) {
    TppDisarm(wait);
    if (!handle) return;
    TPP_WAITER *waiter = TppFindWaiter();
    if (!waiter) return;
    wait->Handle = handle;
    wait->HasDue = timeout != NULL;
    if (timeout) wait->Due = TppDue(*timeout);
    wait->Waiter = waiter;
    waiter->Count++;
    wait->Armed = TRUE;
    InsertTailList(&waiter->Waits, &wait->ArmedLink);
    TppNotify(waiter);
}

/* A timer has expired, or a wait is over: its function is called here, or by the pool. The lock is given up meanwhile. */
static void TppFire(TP_OBJECT *object, ULONG result) {
    TP_POOL *pool = object->Pool;
    if (object->Direct) {
        object->References++;
        TppBegin(object);
        TppLeave();
        TppCall(object, result, NULL);
        TppEnter();
        return;
    }
    if (result == STATUS_TIMEOUT) object->TimedOut++;
    TppQueue(object);
    pool->References++;
    TppLeave();
    TppWake(pool);
    TppEnter();
    TppDropPool(pool);
}

/* Ends a wait. */
static void TppEndWait(TP_OBJECT *wait, ULONG result) {
    RemoveEntryList(&wait->ArmedLink);
    wait->Armed = FALSE;
    wait->Waiter->Count--;
    wait->Waiter = NULL;
    TppFire(wait, result);
}

/* The function of a wait that goes on has returned. */
void TppWaitAgain(TP_OBJECT *wait) {
    if (!wait->Once && !wait->Released && !wait->Armed) TppArmWait(wait, wait->Handle, wait->HasDue ? &wait->Timeout : NULL);
}

/* Fires the first timer that is due; FALSE: none is. */
static BOOLEAN TppExpireTimer(LONGLONG now) {
    if (TppEmpty(&TppTimers)) return FALSE;
    TP_OBJECT *timer = CONTAINER(TppTimers.Flink, TP_OBJECT, ArmedLink);
    if (timer->Due > now) return FALSE;
    RemoveEntryList(&timer->ArmedLink);
    timer->Armed = FALSE;
    if (timer->Period) {
        timer->Due += (LONGLONG)timer->Period * 10000;
        if (timer->Due <= now) timer->Due = now + (LONGLONG)timer->Period * 10000;
        TppInsertTimer(timer);
    }
    TppFire(timer, 0);
    return TRUE;
}

static BOOLEAN TppExpireWait(const TPP_WAITER *waiter, LONGLONG now) {
    for (LIST_ENTRY *at = waiter->Waits.Flink; at != &waiter->Waits; at = at->Flink) {
        TP_OBJECT *wait = CONTAINER(at, TP_OBJECT, ArmedLink);
        if (!wait->HasDue || wait->Due > now) continue;
        TppEndWait(wait, STATUS_TIMEOUT);
        return TRUE;
    }
    return FALSE;
}

/* A wait that is still the one that it was. */
static TP_OBJECT *TppStillWaits(const TPP_WAITER *waiter, const TP_OBJECT *wait, HANDLE handle) {
    for (LIST_ENTRY *at = waiter->Waits.Flink; at != &waiter->Waits; at = at->Flink) {
        TP_OBJECT *found = CONTAINER(at, TP_OBJECT, ArmedLink);
        if (found == wait && found->Handle == handle) return found;
    }
    return NULL;
}

/* One of the objects cannot be waited on: those waits end that cannot. */
static void TppDropBadWaits(TPP_WAITER *waiter) {
    const LONGLONG now = 0;
    for (LIST_ENTRY *at = waiter->Waits.Flink; at != &waiter->Waits;) {
        TP_OBJECT *wait = CONTAINER(at, TP_OBJECT, ArmedLink);
        at = at->Flink;
        NTSTATUS status = NtWaitForSingleObject(wait->Handle, FALSE, &now);
        if (status < 0) TppDisarm(wait);
        else if (status != STATUS_TIMEOUT) {
            TppEndWait(wait, 0);
            return;
        }
    }
}

/* One round of a waiter; FALSE: nobody needs it any more. */
static BOOLEAN TppWaitRound(TPP_WAITER *waiter) {
    BOOLEAN first = waiter == &TppFirstWaiter;
    HANDLE handles[TPP_MOST_WAITS + 1] = {waiter->Event};
    TP_OBJECT *waits[TPP_MOST_WAITS + 1];
    LONGLONG due = 0x7fffffffffffffff, now = TppNow();
    ULONG count = 1;
    if (now < waiter->Reached) now = waiter->Reached;
    if ((first && TppExpireTimer(now)) || TppExpireWait(waiter, now)) return TRUE;
    if (first && !TppEmpty(&TppTimers)) due = CONTAINER(TppTimers.Flink, TP_OBJECT, ArmedLink)->Due;
    for (LIST_ENTRY *at = waiter->Waits.Flink; at != &waiter->Waits; at = at->Flink) {
        TP_OBJECT *wait = CONTAINER(at, TP_OBJECT, ArmedLink);
        if (wait->HasDue && wait->Due < due) due = wait->Due;
        waits[count] = wait;
        handles[count++] = wait->Handle;
    }
    BOOLEAN idle = count == 1 && due == 0x7fffffffffffffff;
    if (idle) due = TPP_WAITER_TIMEOUT;
    TppLeave();
    NTSTATUS status = NtWaitForMultipleObjects(count, handles, TPP_WAIT_ANY, FALSE, due == 0x7fffffffffffffff ? NULL : &due);
    TppEnter();
    if (status == STATUS_TIMEOUT && !idle) waiter->Reached = due;
    if (status == STATUS_TIMEOUT) return !idle || waiter->Count || (first && !TppEmpty(&TppTimers));
    if (status < 0) {
        TppDropBadWaits(waiter);
        return TRUE;
    }
    ULONG index = (ULONG)status & ~0x80u;
    TP_OBJECT *wait = index && index < count ? TppStillWaits(waiter, waits[index], handles[index]) : NULL;
    if (wait) TppEndWait(wait, 0);
    return TRUE;
}

static ULONG NTAPI TppWaiterThread(PVOID parameter) {
    TPP_WAITER *waiter = parameter;
    TppEnter();
    while (TppWaitRound(waiter)) {}
    waiter->Runs = FALSE;
    TppLeave();
    RtlExitUserThread(STATUS_SUCCESS);
}

/* `TpSetTimer`: due in system time, or from now on if negative or 0; then again and again. How much later it may be does
 * not matter. */
EXPORT void NTAPI TpSetTimer(TP_OBJECT *timer, const LONGLONG *due, ULONG period, ULONG window) {
    (void)window;
    TppEnter();
    TppArmTimer(timer, due, period);
    TppLeave();
}

/* `TpSetTimerEx`: the same; whether it was set. */
EXPORT BOOLEAN NTAPI TpSetTimerEx(TP_OBJECT *timer, const LONGLONG *due, ULONG period, ULONG window) {
    (void)window;
    TppEnter();
    BOOLEAN was = timer->Armed;
    TppArmTimer(timer, due, period);
    TppLeave();
    return was;
}

/* `TpIsTimerSet`: whether it has been set and not stopped since, expired or not. */
EXPORT BOOLEAN NTAPI TpIsTimerSet(TP_OBJECT *timer) { return timer->Armed; }

/* `TpSetWait`: one wait on an object, or none; `TpSetWaitEx` says whether one was under way. */
EXPORT BOOLEAN NTAPI TpSetWaitEx(TP_OBJECT *wait, HANDLE handle, const LONGLONG *timeout, PVOID reserved) {
    (void)reserved;
    TppEnter();
    BOOLEAN was = wait->Armed;
    TppArmWait(wait, handle, timeout);
    TppLeave();
    return was;
}
EXPORT void NTAPI TpSetWait(TP_OBJECT *wait, HANDLE handle, const LONGLONG *timeout) { TpSetWaitEx(wait, handle, timeout, NULL); }

/* `RtlRegisterWait`: a function that is called whenever the object is signalled or so many milliseconds are over. */
EXPORT NTSTATUS NTAPI RtlRegisterWait(HANDLE *registered, HANDLE object, PVOID function, PVOID context, ULONG milliseconds, ULONG flags) {
    TP_OBJECT *wait;
    TppEnter();
    NTSTATUS status = TppCreate(&wait, TppOldWait, function, context, NULL);
    if (status >= 0) {
        wait->Once = !!(flags & WT_EXECUTEONLYONCE);
        wait->Direct = !!(flags & WT_EXECUTEINWAITTHREAD);
        wait->Timeout = -(LONGLONG)milliseconds * 10000;
        TppArmWait(wait, object, milliseconds == TPP_INFINITE ? NULL : &wait->Timeout);
        *registered = wait;
    }
    TppLeave();
    return status;
}

/* `RtlDeregisterWaitEx`: STATUS_PENDING while a call is under way, unless it waits for that (-1). */
EXPORT NTSTATUS NTAPI RtlDeregisterWaitEx(HANDLE wait, HANDLE event) {
    return wait ? TppReleaseAnd(wait, event) : STATUS_INVALID_HANDLE;
}
EXPORT NTSTATUS NTAPI RtlDeregisterWait(HANDLE wait) { return RtlDeregisterWaitEx(wait, NULL); }

/* `RtlCreateTimerQueue`: timers that are deleted together. */
EXPORT NTSTATUS NTAPI TpAllocCleanupGroup(TP_CLEANUP_GROUP **);
EXPORT void NTAPI TpReleaseCleanupGroup(TP_CLEANUP_GROUP *);
EXPORT void NTAPI TpReleaseCleanupGroupMembers(TP_CLEANUP_GROUP *, ULONG, PVOID);
EXPORT NTSTATUS NTAPI RtlCreateTimerQueue(HANDLE *queue) { return TpAllocCleanupGroup((TP_CLEANUP_GROUP **)queue); }

/* `RtlDeleteTimerQueueEx`: its timers' calls have ended when it returns, whatever the event, which is set. Without an event
 * there is nobody to know. */
EXPORT NTSTATUS NTAPI RtlDeleteTimerQueueEx(HANDLE queue, HANDLE event) {
    if (!queue) return STATUS_INVALID_HANDLE;
    TpReleaseCleanupGroupMembers(queue, TRUE, NULL);
    TpReleaseCleanupGroup(queue);
    if (event && event != (HANDLE)-1) NtSetEvent(event, NULL);
    return STATUS_SUCCESS;
}

/* `RtlCreateTimer`: a function called in so many milliseconds, and then again and again. */
EXPORT NTSTATUS NTAPI RtlCreateTimer(HANDLE queue, HANDLE *created, PVOID function, PVOID context, ULONG due, ULONG period, ULONG flags) {
    TP_CALLBACK_ENVIRON environment = {.Version = 1, .CleanupGroup = queue};
    LONGLONG relative = -(LONGLONG)due * 10000;
    TP_OBJECT *timer;
    TppEnter();
    NTSTATUS status = TppCreate(&timer, TppOldTimer, function, context, &environment);
    if (status >= 0) {
        timer->Direct = !!(flags & WT_EXECUTEINTIMERTHREAD);
        TppArmTimer(timer, &relative, flags & WT_EXECUTEONLYONCE ? 0 : period);
        *created = timer;
    }
    TppLeave();
    return status;
}

/* `RtlUpdateTimer`: another time and period. */
EXPORT NTSTATUS NTAPI RtlUpdateTimer(HANDLE queue, HANDLE timer, ULONG due, ULONG period) {
    LONGLONG relative = -(LONGLONG)due * 10000;
    (void)queue;
    if (!timer) return STATUS_INVALID_HANDLE;
    TppEnter();
    TppArmTimer(timer, &relative, period);
    TppLeave();
    return STATUS_SUCCESS;
}

/* `RtlDeleteTimer`: STATUS_PENDING while a call is under way, unless it waits for that (-1). */
EXPORT NTSTATUS NTAPI RtlDeleteTimer(HANDLE queue, HANDLE timer, HANDLE event) {
    (void)queue;
    return timer ? TppReleaseAnd(timer, event) : STATUS_INVALID_HANDLE;
}
