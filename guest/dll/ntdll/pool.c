/* Thread pools: the pools themselves, their queues, and the threads that work for them. */
#include "pool.h"

#define TPP_MAXIMUM 500
/* How long a worker stays without work: ten seconds ("Windows Internals", on worker factories). */
#define TPP_IDLE_TIMEOUT (-100000000ll)
enum { WorkerFactoryIdleTimeout = 2, WorkerFactoryThreadMinimum = 4, WorkerFactoryThreadMaximum = 5, WorkerFactoryStackInformation = 10 };
/* How many arguments NtWaitForWorkViaWorkerFactory has: 2, 4 from Windows 8 on, 5 from 8.1 on. */
#define TPP_FIRST_WITH_COUNT 9200
#define TPP_FIRST_WITH_DEFERRED 9600

volatile ULONG_PTR TppLock;
static TP_POOL *TppDefaultPool;

/* The services, which not every kernel has. */
static struct {
    BOOLEAN Ready;
    NTSTATUS(NTAPI *CreatePort)(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, ULONG);
    NTSTATUS(NTAPI *SetPort)(HANDLE, ULONG_PTR, PVOID, NTSTATUS, ULONG_PTR);
    NTSTATUS(NTAPI *RemovePort)(HANDLE, ULONG_PTR *, PVOID *, IO_STATUS_BLOCK *, const LONGLONG *);
    NTSTATUS(NTAPI *CreateFactory)(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, HANDLE, HANDLE, PVOID, PVOID, ULONG, SIZE_T, SIZE_T);
    NTSTATUS(NTAPI *SetFactory)(HANDLE, ULONG, PVOID, ULONG);
    NTSTATUS(NTAPI *ReadyWorker)(HANDLE);
    NTSTATUS(NTAPI *ReleaseWorker)(HANDLE);
    NTSTATUS(NTAPI *ShutdownFactory)(HANDLE, LONG *);
    PVOID Wait;
} TppNt;

static void TppFindServices(void) {
    if (TppNt.Ready) return;
    TppNt.CreatePort = NtpService("NtCreateIoCompletion");
    TppNt.SetPort = NtpService("NtSetIoCompletion");
    TppNt.RemovePort = NtpService("NtRemoveIoCompletion");
    TppNt.CreateFactory = NtpService("NtCreateWorkerFactory");
    TppNt.SetFactory = NtpService("NtSetInformationWorkerFactory");
    TppNt.ReadyWorker = NtpService("NtWorkerFactoryWorkerReady");
    TppNt.ReleaseWorker = NtpService("NtReleaseWorkerFactoryWorker");
    TppNt.ShutdownFactory = NtpService("NtShutdownWorkerFactory");
    TppNt.Wait = NtpService("NtWaitForWorkViaWorkerFactory");
    TppNt.Ready = TRUE;
}

/* Waits for a packet. */
static NTSTATUS TppTakePacket(const TP_POOL *pool, TPP_PACKET *packet) {
    ULONG build = NtCurrentPeb()->OSBuildNumber, taken;
    if (!pool->Factory) {
        const LONGLONG idle = TPP_IDLE_TIMEOUT;
        return TppNt.RemovePort(pool->Port, &packet->Key, &packet->ApcContext, &packet->Io, &idle);
    }
    if (build >= TPP_FIRST_WITH_DEFERRED)
        return ((NTSTATUS(NTAPI *)(HANDLE, TPP_PACKET *, ULONG, ULONG *, PVOID))TppNt.Wait)(pool->Factory, packet, 1, &taken, NULL);
    if (build >= TPP_FIRST_WITH_COUNT)
        return ((NTSTATUS(NTAPI *)(HANDLE, TPP_PACKET *, ULONG, ULONG *))TppNt.Wait)(pool->Factory, packet, 1, &taken);
    return ((NTSTATUS(NTAPI *)(HANDLE, TPP_PACKET *))TppNt.Wait)(pool->Factory, packet);
}

static ULONG NTAPI TppWorkerThread(PVOID parameter);

/* Without a factory: one more thread, if nobody waits for work or is about to, and there may be one more. */
void TppAddThread(TP_POOL *pool) {
    if (pool->Factory || pool->Idle || pool->Starting || pool->Threads >= pool->Maximum || pool->Closed) return;
    pool->Starting++;
    pool->Threads++;
    if (RtlCreateUserThread(NtCurrentProcess(), NULL, FALSE, 0, pool->StackReserve, pool->StackCommit, (PVOID)TppWorkerThread,
                            pool, NULL, NULL) < 0)
        pool->Starting--, pool->Threads--;
}

/* Puts a call of an object into its pool's queue; TppWake has it looked at. */
void TppQueue(TP_OBJECT *object) {
    object->Pending++;
    object->References++;
    if (object->Queued) return;
    object->Queued = TRUE;
    InsertTailList(&object->Pool->Queue[object->Priority], &object->QueueLink);
}

/* Without the lock. */
void TppWake(TP_POOL *pool) {
    if (pool->Factory) {
        TppNt.ReleaseWorker(pool->Factory);
        return;
    }
    TppNt.SetPort(pool->Port, 0, NULL, STATUS_SUCCESS, 0);
    TppEnter();
    TppAddThread(pool);
    TppLeave();
}

/* Takes the next call out of a queue, and makes it. */
static void TppRunNext(TP_POOL *pool) {
    TP_OBJECT *object = NULL;
    ULONG result = 0;
    TppEnter();
    for (ULONG i = 0; i < TPP_PRIORITIES && !object; i++)
        if (!TppEmpty(&pool->Queue[i])) object = CONTAINER(pool->Queue[i].Flink, TP_OBJECT, QueueLink);
    if (!object) {
        TppLeave();
        return;
    }
    RemoveEntryList(&object->QueueLink);
    object->Queued = --object->Pending > 0;
    if (object->Queued) InsertTailList(&pool->Queue[object->Priority], &object->QueueLink);
    if (object->TimedOut) object->TimedOut--, result = STATUS_TIMEOUT;
    BOOLEAN more = FALSE;
    for (ULONG i = 0; i < TPP_PRIORITIES; i++) more |= !TppEmpty(&pool->Queue[i]);
    if (more) TppAddThread(pool);
    TppBegin(object);
    TppLeave();
    TppCall(object, result, NULL);
}

/* A file's operation has ended. */
static void TppRunPacket(const TPP_PACKET *packet) {
    TP_OBJECT *object = (TP_OBJECT *)packet->Key;
    TppEnter();
    /* The operation had a reference, if it was announced. */
    if (object->Operations) object->Operations--;
    else object->References++;
    TppAddThread(object->Pool);
    TppBegin(object);
    TppLeave();
    TppCall(object, 0, packet);
}

static ULONG NTAPI TppWorkerThread(PVOID parameter) {
    TP_POOL *pool = parameter;
    TPP_PACKET packet;
    if (pool->Factory && !pool->Closed) TppNt.ReadyWorker(pool->Factory);
    TppEnter();
    if (!pool->Factory) pool->Starting--;
    while (!pool->Closed) {
        pool->Idle++;
        TppLeave();
        NTSTATUS status = TppTakePacket(pool, &packet);
        TppEnter();
        pool->Idle--;
        if (status == STATUS_TIMEOUT && !pool->Factory && pool->Files && pool->Threads == 1) continue;
        if (status != STATUS_SUCCESS) break;
        TppLeave();
        if (packet.Key) TppRunPacket(&packet);
        else TppRunNext(pool);
        TppEnter();
    }
    if (!pool->Factory) pool->Threads--;
    TppLeave();
    RtlExitUserThread(STATUS_SUCCESS);
}

static NTSTATUS TppMakePool(TP_POOL **made) {
    TppFindServices();
    if (!TppNt.CreatePort) return STATUS_NOT_SUPPORTED;
    TP_POOL *pool = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, HEAP_ZERO_MEMORY, sizeof *pool);
    if (!pool) return STATUS_NO_MEMORY;
    pool->References = 1;
    pool->Maximum = TPP_MAXIMUM;
    for (ULONG i = 0; i < TPP_PRIORITIES; i++) TppList(&pool->Queue[i]);
    NTSTATUS status = TppNt.CreatePort(&pool->Port, 0x1f0003, NULL, 0);
    if (status >= 0 && TppNt.CreateFactory) {
        LONGLONG idle = TPP_IDLE_TIMEOUT;
        status = TppNt.CreateFactory(&pool->Factory, 0xf003f, NULL, pool->Port, NtCurrentProcess(), (PVOID)TppWorkerThread, pool,
                                     TPP_MAXIMUM, 0, 0);
        if (status < 0) NtClose(pool->Port);
        else TppNt.SetFactory(pool->Factory, WorkerFactoryIdleTimeout, &idle, sizeof idle);
    }
    if (status < 0) RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, pool);
    else *made = pool;
    return status;
}

/* A pool for an object: the one given, or the process's own; with a reference to it. */
NTSTATUS TppPool(TP_POOL **pool) {
    NTSTATUS status = STATUS_SUCCESS;
    if (!*pool) {
        if (!TppDefaultPool) status = TppMakePool(&TppDefaultPool);
        *pool = TppDefaultPool;
    }
    if (status >= 0) (*pool)->References++;
    return status;
}

/* The last reference closes a pool. Threads may still be on their way out: they look at `Closed`, so its memory stays. */
void TppDropPool(TP_POOL *pool) {
    LONG pending;
    if (--pool->References) return;
    pool->Closed = TRUE;
    if (pool->Factory) {
        TppNt.ShutdownFactory(pool->Factory, &pending);
        NtClose(pool->Factory);
    } else {
        for (ULONG i = 0; i < pool->Threads; i++) TppNt.SetPort(pool->Port, 0, NULL, STATUS_SUCCESS, 0);
        if (pool->Threads) return;
    }
    NtClose(pool->Port);
}

/* `TpAllocPool`. */
EXPORT NTSTATUS NTAPI TpAllocPool(TP_POOL **pool, PVOID reserved) {
    if (reserved) return STATUS_INVALID_PARAMETER;
    TppEnter();
    NTSTATUS status = TppMakePool(pool);
    TppLeave();
    return status;
}

/* `TpReleasePool`: it goes when its last object does. */
EXPORT void NTAPI TpReleasePool(TP_POOL *pool) {
    TppEnter();
    TppDropPool(pool);
    TppLeave();
}

/* `TpSetPoolMaxThreads`. */
EXPORT void NTAPI TpSetPoolMaxThreads(TP_POOL *pool, ULONG most) {
    if (!most) most = 1;
    pool->Maximum = most;
    if (pool->Factory) TppNt.SetFactory(pool->Factory, WorkerFactoryThreadMaximum, &most, sizeof most);
}

/* `TpSetPoolMinThreads`: that many threads are there at once. */
EXPORT NTSTATUS NTAPI TpSetPoolMinThreads(TP_POOL *pool, ULONG least) {
    return pool->Factory ? TppNt.SetFactory(pool->Factory, WorkerFactoryThreadMinimum, &least, sizeof least) : STATUS_SUCCESS;
}

/* `TpSetPoolStackInformation`, `TpQueryPoolStackInformation`: bytes reserved and committed for a thread's stack. */
EXPORT NTSTATUS NTAPI TpSetPoolStackInformation(TP_POOL *pool, const SIZE_T *sizes) {
    SIZE_T both[2] = {sizes[0], sizes[1]};
    pool->StackReserve = both[0], pool->StackCommit = both[1];
    return pool->Factory ? TppNt.SetFactory(pool->Factory, WorkerFactoryStackInformation, both, sizeof both) : STATUS_SUCCESS;
}
EXPORT NTSTATUS NTAPI TpQueryPoolStackInformation(TP_POOL *pool, SIZE_T *sizes) {
    sizes[0] = pool->StackReserve, sizes[1] = pool->StackCommit;
    return STATUS_SUCCESS;
}

/* Of a file's completions: its pool's port. */
HANDLE TppPort(const TP_POOL *pool) { return pool->Port; }
