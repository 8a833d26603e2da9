/* What the thread pool's files share.
 *
 * A pool is a completion port. Where the kernel has worker factories (Vista), one makes the threads that take what is
 * in the port; before, they are made here. A packet of zeros says "look into the pool's queue", one with a key is the
 * completion of a file's operation. One lock guards all pools and their objects. */
#pragma once
#include "ntdll.h"

typedef struct TP_OBJECT TP_OBJECT;
typedef struct TP_CLEANUP_GROUP TP_CLEANUP_GROUP;

#define TPP_PRIORITIES 3
typedef struct {
    /* Its owner's reference, and one for each object. */
    LONG References;
    HANDLE Port, Factory;
    LIST_ENTRY Queue[TPP_PRIORITIES];
    /* Without a factory: threads, those that wait, those that are about to. */
    ULONG Maximum, Threads, Idle, Starting;
    BOOLEAN Closed;
    /* Files are tied to it: without a factory, one thread stays. */
    BOOLEAN Files;
    SIZE_T StackReserve, StackCommit;
} TP_POOL;

/* `TP_CALLBACK_ENVIRON`, versions 1 and 3. */
typedef struct {
    ULONG Version;
    TP_POOL *Pool;
    TP_CLEANUP_GROUP *CleanupGroup;
    PVOID CleanupGroupCancelCallback, RaceDll, ActivationContext, FinalizationCallback;
    ULONG Flags, CallbackPriority, Size;
} TP_CALLBACK_ENVIRON;

struct TP_CLEANUP_GROUP {
    LIST_ENTRY Members;
};

typedef enum {
    TppWork, TppSimple, TppTimer, TppWait, TppIo,
    /* Those of Windows 2000, whose functions get less. */
    TppItem, TppOldTimer, TppOldWait, TppOldIo,
} TPP_KIND;

struct TP_OBJECT {
    TPP_KIND Kind;
    /* Its owner's reference, and one for each call that is queued or under way. */
    LONG References;
    TP_POOL *Pool;
    TP_CLEANUP_GROUP *Group;
    LIST_ENTRY QueueLink, GroupLink, ArmedLink;
    PVOID Callback, Context, CancelCallback, Finalization, RaceDll;
    ULONG Priority, Pending, Running;
    BOOLEAN Queued, Released, Cancelled, Armed, Direct, Once;
    /* Who waits for its calls to end. */
    PVOID Done;
    HANDLE DoneEvent;
    /* Of timers and waits: when it is due, in system time, if it ever is; again after so many milliseconds. */
    LONGLONG Due;
    BOOLEAN HasDue;
    ULONG Period;
    /* Of a wait: on what, in which thread; how many of the queued calls are because time was up. */
    HANDLE Handle;
    struct TPP_WAITER *Waiter;
    ULONG TimedOut;
    LONGLONG Timeout;
    /* Of a file: operations under way. */
    ULONG Operations;
};

/* `TP_CALLBACK_INSTANCE` */
typedef struct {
    TP_OBJECT *Object;
    BOOLEAN Associated;
    HANDLE Event, Semaphore, Mutex;
    ULONG SemaphoreCount;
    RTL_CRITICAL_SECTION *Section;
    PVOID Dll;
} TP_CALLBACK_INSTANCE;

/* FILE_IO_COMPLETION_INFORMATION */
typedef struct {
    ULONG_PTR Key;
    PVOID ApcContext;
    IO_STATUS_BLOCK Io;
} TPP_PACKET;

/* wait.c */
EXPORT void NTAPI RtlAcquireSRWLockExclusive(volatile ULONG_PTR *);
EXPORT void NTAPI RtlReleaseSRWLockExclusive(volatile ULONG_PTR *);
EXPORT void NTAPI RtlWakeAllConditionVariable(PVOID *);
EXPORT NTSTATUS NTAPI RtlSleepConditionVariableSRW(PVOID *, volatile ULONG_PTR *, const LONGLONG *, ULONG);

/* pool.c: what begins with Tpp and does not say otherwise is called with the lock. */
extern volatile ULONG_PTR TppLock;
static inline void TppEnter(void) { RtlAcquireSRWLockExclusive(&TppLock); }
static inline void TppLeave(void) { RtlReleaseSRWLockExclusive(&TppLock); }
NTSTATUS TppPool(TP_POOL **pool);
void TppDropPool(TP_POOL *pool);
void TppQueue(TP_OBJECT *object);
void TppAddThread(TP_POOL *pool);
void TppWake(TP_POOL *pool);
/* pool_object.c */
NTSTATUS TppCreate(TP_OBJECT **object, TPP_KIND kind, PVOID callback, PVOID context, const TP_CALLBACK_ENVIRON *environment);
void TppRelease(TP_OBJECT *object);
void TppCancel(TP_OBJECT *object);
void TppDrop(TP_OBJECT *object);
void TppBegin(TP_OBJECT *object);
void TppCall(TP_OBJECT *object, ULONG result, const TPP_PACKET *packet);
void TppWaitFor(TP_OBJECT *object, BOOLEAN cancel);
NTSTATUS TppReleaseAnd(TP_OBJECT *object, HANDLE event);
/* pool_timer.c */
void TppDisarm(TP_OBJECT *object);
void TppWaitAgain(TP_OBJECT *wait);

#define TppList(head) (*(head) = (LIST_ENTRY){head, head})
static inline BOOLEAN TppEmpty(const LIST_ENTRY *head) { return head->Flink == head; }
