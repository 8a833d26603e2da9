/* Waiting on addresses: who waits for what, and the run-once, slim-lock and condition-variable functions on top.
 *
 * A thread that waits has a block on its stack, in a list by the address. From Windows 8 on it sleeps in
 * NtWaitForAlertByThreadId, before that on a keyed event of the process. */
#include "ntdll.h"

typedef struct RTLP_WAITER {
    struct RTLP_WAITER *Next;
    volatile const void *Address;
    HANDLE Thread;
    volatile LONG Woken;
    /* What it was woken for: a lock was handed on. */
    ULONG_PTR Kind;
} RTLP_WAITER;

#define RTLP_BUCKETS 64
static struct {
    volatile LONG Lock;
    RTLP_WAITER *First, *Last;
} RtlpWaiters[RTLP_BUCKETS];

typedef NTSTATUS NTAPI RTLP_WAIT_FOR_ALERT(const void *, const LONGLONG *);
typedef NTSTATUS NTAPI RTLP_ALERT(HANDLE);
typedef NTSTATUS NTAPI RTLP_CREATE_KEYED(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, ULONG);
typedef NTSTATUS NTAPI RTLP_KEYED(HANDLE, const void *, BOOLEAN, const LONGLONG *);

static struct {
    volatile LONG Ready;
    RTLP_WAIT_FOR_ALERT *Wait;
    RTLP_ALERT *Alert;
    RTLP_KEYED *WaitKeyed, *ReleaseKeyed;
    HANDLE Event;
} RtlpSleep;

static void RtlpChooseSleep(void) {
    if (RtlpSleep.Ready) return;
    RtlpSleep.Wait = NtpService("NtWaitForAlertByThreadId");
    RtlpSleep.Alert = NtpService("NtAlertThreadByThreadId");
    if (!RtlpSleep.Wait && !RtlpSleep.Event) {
        RTLP_CREATE_KEYED *create = NtpService("NtCreateKeyedEvent");
        HANDLE event = NULL, nobody = NULL;
        RtlpSleep.WaitKeyed = NtpService("NtWaitForKeyedEvent");
        RtlpSleep.ReleaseKeyed = NtpService("NtReleaseKeyedEvent");
        if (create) create(&event, 0x1f0003, NULL, 0);
        /* Only one of two threads that come here at once gives its own. */
        if (!__atomic_compare_exchange_n(&RtlpSleep.Event, &nobody, event, FALSE, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            if (event) NtClose(event);
    }
    __atomic_store_n(&RtlpSleep.Ready, 1, __ATOMIC_RELEASE);
}

static ULONG RtlpLockBucket(volatile const void *address) {
    ULONG bucket = (ULONG)((ULONG_PTR)address >> 3) % RTLP_BUCKETS;
    while (__atomic_exchange_n(&RtlpWaiters[bucket].Lock, 1, __ATOMIC_ACQUIRE)) NtYieldExecution();
    return bucket;
}
static void RtlpUnlockBucket(ULONG bucket) { __atomic_store_n(&RtlpWaiters[bucket].Lock, 0, __ATOMIC_RELEASE); }

/* Enters the thread as one that waits; the bucket is locked. */
static void RtlpEnterWaiter(ULONG bucket, RTLP_WAITER *waiter, volatile const void *address, ULONG_PTR kind) {
    *waiter = (RTLP_WAITER){NULL, address, NtCurrentTeb()->ClientId.UniqueThread, 0, kind};
    if (RtlpWaiters[bucket].First) RtlpWaiters[bucket].Last->Next = waiter;
    else RtlpWaiters[bucket].First = waiter;
    RtlpWaiters[bucket].Last = waiter;
}

/* Takes the first that waits on an address, or `only` that one, out; NULL: none does. The bucket is locked. */
static RTLP_WAITER *RtlpTakeWaiter(ULONG bucket, volatile const void *address, const RTLP_WAITER *only) {
    RTLP_WAITER *before = NULL;
    for (RTLP_WAITER *at = RtlpWaiters[bucket].First; at; before = at, at = at->Next) {
        if (at->Address != address || (only && at != only)) continue;
        if (before) before->Next = at->Next;
        else RtlpWaiters[bucket].First = at->Next;
        if (RtlpWaiters[bucket].Last == at) RtlpWaiters[bucket].Last = before;
        return at;
    }
    return NULL;
}

static void RtlpWakeWaiter(RTLP_WAITER *waiter) {
    HANDLE thread = waiter->Thread;
    __atomic_store_n(&waiter->Woken, 1, __ATOMIC_RELEASE);
    /* From here on its block may be gone; the address of it is only a key. */
    if (RtlpSleep.Alert) RtlpSleep.Alert(thread);
    else if (RtlpSleep.ReleaseKeyed) RtlpSleep.ReleaseKeyed(RtlpSleep.Event, waiter, FALSE, NULL);
}

/* Windows 2000 and before have no keyed events: looks every millisecond. Whether it was woken. */
static BOOLEAN RtlpPoll(const RTLP_WAITER *waiter, const LONGLONG *timeout) {
    const LONGLONG pause = -10000;
    LONGLONG now, end = 0;
    NtQuerySystemTime(&now);
    if (timeout) end = *timeout > 0 ? *timeout : now - *timeout;
    while (!__atomic_load_n(&waiter->Woken, __ATOMIC_ACQUIRE)) {
        NtQuerySystemTime(&now);
        if (timeout && now >= end) return FALSE;
        NtDelayExecution(FALSE, &pause);
    }
    return TRUE;
}

/* Sleeps until it is woken. STATUS_TIMEOUT: time was up first, and it no longer is entered. */
static NTSTATUS RtlpSleepWaiter(RTLP_WAITER *waiter, const LONGLONG *timeout) {
    NTSTATUS status;
    if (RtlpSleep.Wait) {
        /* An alert may be an old one. */
        do status = RtlpSleep.Wait((const void *)waiter->Address, timeout);
        while (status != STATUS_TIMEOUT && !__atomic_load_n(&waiter->Woken, __ATOMIC_ACQUIRE));
        if (__atomic_load_n(&waiter->Woken, __ATOMIC_ACQUIRE)) return STATUS_SUCCESS;
    } else if (RtlpSleep.WaitKeyed) {
        status = RtlpSleep.WaitKeyed(RtlpSleep.Event, waiter, FALSE, timeout);
        if (status != STATUS_TIMEOUT) return STATUS_SUCCESS;
    } else if (RtlpPoll(waiter, timeout)) {
        return STATUS_SUCCESS;
    }
    ULONG bucket = RtlpLockBucket(waiter->Address);
    RTLP_WAITER *still = RtlpTakeWaiter(bucket, waiter->Address, waiter);
    RtlpUnlockBucket(bucket);
    if (still) return STATUS_TIMEOUT;
    /* Somebody has taken it out to wake it: that is waited for. */
    if (RtlpSleep.Wait) {
        while (!__atomic_load_n(&waiter->Woken, __ATOMIC_ACQUIRE)) RtlpSleep.Wait((const void *)waiter->Address, NULL);
    } else if (RtlpSleep.WaitKeyed) {
        RtlpSleep.WaitKeyed(RtlpSleep.Event, waiter, FALSE, NULL);
    } else {
        RtlpPoll(waiter, NULL);
    }
    return STATUS_SUCCESS;
}

/* `RtlWakeAddressSingle`. */
EXPORT void NTAPI RtlWakeAddressSingle(const void *address) {
    RtlpChooseSleep();
    ULONG bucket = RtlpLockBucket(address);
    RTLP_WAITER *waiter = RtlpTakeWaiter(bucket, address, NULL);
    RtlpUnlockBucket(bucket);
    if (waiter) RtlpWakeWaiter(waiter);
}

/* `RtlWakeAddressAll`. */
EXPORT void NTAPI RtlWakeAddressAll(const void *address) {
    RTLP_WAITER *first = NULL, **end = &first, *waiter;
    RtlpChooseSleep();
    ULONG bucket = RtlpLockBucket(address);
    while ((waiter = RtlpTakeWaiter(bucket, address, NULL))) {
        waiter->Next = NULL;
        *end = waiter;
        end = &waiter->Next;
    }
    RtlpUnlockBucket(bucket);
    while ((waiter = first)) {
        first = waiter->Next;
        RtlpWakeWaiter(waiter);
    }
}

static BOOLEAN RtlpSame(volatile const void *address, const void *compare, SIZE_T size) {
    switch (size) {
    case 1: return *(volatile const UCHAR *)address == *(const UCHAR *)compare;
    case 2: return *(volatile const USHORT *)address == *(const USHORT *)compare;
    case 4: return *(volatile const ULONG *)address == *(const ULONG *)compare;
    default: return *(volatile const ULONGLONG *)address == *(const ULONGLONG *)compare;
    }
}

/* `RtlWaitOnAddress`: waits while the 1, 2, 4 or 8 bytes at an address are those at `compare`. It may return early. */
EXPORT NTSTATUS NTAPI RtlWaitOnAddress(volatile const void *address, const void *compare, SIZE_T size,
                                       const LONGLONG *timeout) {
    RTLP_WAITER waiter;
    if (size != 1 && size != 2 && size != 4 && size != 8) return STATUS_INVALID_PARAMETER;
    RtlpChooseSleep();
    ULONG bucket = RtlpLockBucket(address);
    if (!RtlpSame(address, compare, size)) {
        RtlpUnlockBucket(bucket);
        return STATUS_SUCCESS;
    }
    RtlpEnterWaiter(bucket, &waiter, address, 0);
    RtlpUnlockBucket(bucket);
    return RtlpSleepWaiter(&waiter, timeout);
}

/* Slim locks: bit 0 taken, bit 1 somebody waits, from bit 4 on how many share it. */
typedef volatile ULONG_PTR RTL_SRWLOCK;
#define SRW_TAKEN 1
#define SRW_WAITED 2
#define SRW_SHARED 16
enum { RtlpWantsShared, RtlpWantsExclusive };

/* `RtlInitializeSRWLock`. */
EXPORT void NTAPI RtlInitializeSRWLock(RTL_SRWLOCK *lock) { *lock = 0; }

static BOOLEAN RtlpTrySrw(RTL_SRWLOCK *lock, ULONG_PTR kind) {
    ULONG_PTR before = *lock, after;
    do {
        if (kind == RtlpWantsExclusive ? before & SRW_TAKEN : (before & SRW_TAKEN && before < SRW_SHARED)) return FALSE;
        after = kind == RtlpWantsExclusive ? before | SRW_TAKEN : (before | SRW_TAKEN) + SRW_SHARED;
    } while (!__atomic_compare_exchange_n(lock, &before, after, FALSE, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
    return TRUE;
}

static void RtlpAcquireSrw(RTL_SRWLOCK *lock, ULONG_PTR kind) {
    /* Who comes to share it lets those before it go first. */
    if ((kind == RtlpWantsExclusive || !(*lock & SRW_WAITED)) && RtlpTrySrw(lock, kind)) return;
    RtlpChooseSleep();
    for (;;) {
        RTLP_WAITER waiter;
        ULONG bucket = RtlpLockBucket(lock);
        __atomic_or_fetch(lock, SRW_WAITED, __ATOMIC_ACQ_REL);
        if (RtlpTrySrw(lock, kind)) {
            if (!RtlpWaiters[bucket].First) __atomic_and_fetch(lock, ~(ULONG_PTR)SRW_WAITED, __ATOMIC_ACQ_REL);
            RtlpUnlockBucket(bucket);
            return;
        }
        RtlpEnterWaiter(bucket, &waiter, lock, kind);
        RtlpUnlockBucket(bucket);
        RtlpSleepWaiter(&waiter, NULL);
    }
}

static void RtlpReleaseSrw(RTL_SRWLOCK *lock, ULONG_PTR kind) {
    ULONG_PTR before = *lock, after;
    do {
        after = kind == RtlpWantsExclusive ? before & ~(ULONG_PTR)SRW_TAKEN : before - SRW_SHARED;
        if (after < SRW_SHARED) after &= ~(ULONG_PTR)SRW_TAKEN;
    } while (!__atomic_compare_exchange_n(lock, &before, after, FALSE, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    if (!(after & SRW_WAITED) || after & SRW_TAKEN) return;
    ULONG bucket = RtlpLockBucket(lock);
    __atomic_and_fetch(lock, ~(ULONG_PTR)SRW_WAITED, __ATOMIC_ACQ_REL);
    RtlpUnlockBucket(bucket);
    RtlWakeAddressAll((const void *)lock);
}

/* `RtlAcquireSRWLockExclusive` and its relatives. */
EXPORT void NTAPI RtlAcquireSRWLockExclusive(RTL_SRWLOCK *lock) { RtlpAcquireSrw(lock, RtlpWantsExclusive); }
EXPORT void NTAPI RtlAcquireSRWLockShared(RTL_SRWLOCK *lock) { RtlpAcquireSrw(lock, RtlpWantsShared); }
EXPORT BOOLEAN NTAPI RtlTryAcquireSRWLockExclusive(RTL_SRWLOCK *lock) { return RtlpTrySrw(lock, RtlpWantsExclusive); }
EXPORT BOOLEAN NTAPI RtlTryAcquireSRWLockShared(RTL_SRWLOCK *lock) { return RtlpTrySrw(lock, RtlpWantsShared); }
EXPORT void NTAPI RtlReleaseSRWLockExclusive(RTL_SRWLOCK *lock) { RtlpReleaseSrw(lock, RtlpWantsExclusive); }
EXPORT void NTAPI RtlReleaseSRWLockShared(RTL_SRWLOCK *lock) { RtlpReleaseSrw(lock, RtlpWantsShared); }

/* `RtlInitializeConditionVariable`. */
EXPORT void NTAPI RtlInitializeConditionVariable(PVOID *variable) { *variable = NULL; }
/* `RtlWakeConditionVariable`, `RtlWakeAllConditionVariable`. */
EXPORT void NTAPI RtlWakeConditionVariable(PVOID *variable) { RtlWakeAddressSingle(variable); }
EXPORT void NTAPI RtlWakeAllConditionVariable(PVOID *variable) { RtlWakeAddressAll(variable); }

/* `RtlSleepConditionVariableCS`: gives the section up while it waits. */
EXPORT NTSTATUS NTAPI RtlSleepConditionVariableCS(PVOID *variable, RTL_CRITICAL_SECTION *section,
                                                  const LONGLONG *timeout) {
    RTLP_WAITER waiter;
    RtlpChooseSleep();
    ULONG bucket = RtlpLockBucket(variable);
    RtlpEnterWaiter(bucket, &waiter, variable, 0);
    RtlpUnlockBucket(bucket);
    RtlLeaveCriticalSection(section);
    NTSTATUS status = RtlpSleepWaiter(&waiter, timeout);
    RtlEnterCriticalSection(section);
    return status;
}

/* `RtlSleepConditionVariableSRW`: the same with a slim lock; flag 1: it is shared. */
EXPORT NTSTATUS NTAPI RtlSleepConditionVariableSRW(PVOID *variable, RTL_SRWLOCK *lock, const LONGLONG *timeout,
                                                   ULONG flags) {
    ULONG_PTR kind = flags & 1 ? RtlpWantsShared : RtlpWantsExclusive;
    RTLP_WAITER waiter;
    RtlpChooseSleep();
    ULONG bucket = RtlpLockBucket(variable);
    RtlpEnterWaiter(bucket, &waiter, variable, 0);
    RtlpUnlockBucket(bucket);
    RtlpReleaseSrw(lock, kind);
    NTSTATUS status = RtlpSleepWaiter(&waiter, timeout);
    RtlpAcquireSrw(lock, kind);
    return status;
}

/* Run-once blocks: 0 untouched, 1 somebody is at it, 2 done, 3 somebody is at it without waiting for others; the context
 * above the two bits. */
typedef volatile ULONG_PTR RTL_RUN_ONCE;
enum { RtlpOnceNew, RtlpOnceBusy, RtlpOnceDone, RtlpOnceAsync };
#define RTL_RUN_ONCE_CHECK_ONLY 1
#define RTL_RUN_ONCE_ASYNC 2
#define RTL_RUN_ONCE_INIT_FAILED 4

/* `RtlRunOnceInitialize`. */
EXPORT void NTAPI RtlRunOnceInitialize(RTL_RUN_ONCE *once) { *once = 0; }

/* `RtlRunOnceBeginInitialize`: STATUS_PENDING: the caller is to do it. STATUS_UNSUCCESSFUL: only checked, and not done. */
EXPORT NTSTATUS NTAPI RtlRunOnceBeginInitialize(RTL_RUN_ONCE *once, ULONG flags, PVOID *context) {
    ULONG_PTR mine = flags & RTL_RUN_ONCE_ASYNC ? RtlpOnceAsync : RtlpOnceBusy;
    for (;;) {
        ULONG_PTR now = __atomic_load_n(once, __ATOMIC_ACQUIRE);
        if ((now & 3) == RtlpOnceDone) {
            if (context) *context = (PVOID)(now & ~(ULONG_PTR)3);
            return STATUS_SUCCESS;
        }
        if (flags & RTL_RUN_ONCE_CHECK_ONLY) return STATUS_UNSUCCESSFUL;
        if (now == RtlpOnceNew) {
            if (__atomic_compare_exchange_n(once, &now, mine, FALSE, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
                return STATUS_PENDING;
        } else if (now != mine) {
            return STATUS_INVALID_PARAMETER;
        } else if (mine == RtlpOnceAsync) {
            return STATUS_PENDING;
        } else {
            RtlWaitOnAddress(once, &now, sizeof now, NULL);
        }
    }
}

/* `RtlRunOnceComplete`: done, with a context whose two low bits are 0; or failed, and to be done by the next. */
EXPORT NTSTATUS NTAPI RtlRunOnceComplete(RTL_RUN_ONCE *once, ULONG flags, PVOID context) {
    ULONG_PTR mine = flags & RTL_RUN_ONCE_ASYNC ? RtlpOnceAsync : RtlpOnceBusy;
    ULONG_PTR after = flags & RTL_RUN_ONCE_INIT_FAILED ? RtlpOnceNew : (ULONG_PTR)context | RtlpOnceDone;
    if ((ULONG_PTR)context & 3) return STATUS_INVALID_PARAMETER;
    if (!__atomic_compare_exchange_n(once, &mine, after, FALSE, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return STATUS_UNSUCCESSFUL;
    RtlWakeAddressAll((const void *)once);
    return STATUS_SUCCESS;
}

/* `RtlRunOnceExecuteOnce`: calls the routine unless it has succeeded before. */
EXPORT NTSTATUS NTAPI RtlRunOnceExecuteOnce(RTL_RUN_ONCE *once, ULONG(NTAPI *routine)(RTL_RUN_ONCE *, PVOID, PVOID *),
                                            PVOID argument, PVOID *context) {
    PVOID own = NULL;
    NTSTATUS status = RtlRunOnceBeginInitialize(once, 0, context ? context : &own);
    if (status != STATUS_PENDING) return status;
    if (!context) context = &own;
    if (!routine(once, argument, context)) {
        RtlRunOnceComplete(once, RTL_RUN_ONCE_INIT_FAILED, NULL);
        return STATUS_UNSUCCESSFUL;
    }
    return RtlRunOnceComplete(once, 0, *context);
}
