/* Locks, the threads' own data, and errno. */
#include "crt.h"

/* Who waits gives its time to the others. */
void crt_lock(volatile int *lock) {
    while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE)) NtYieldExecution();
}

void crt_unlock(volatile int *lock) { __atomic_store_n(lock, 0, __ATOMIC_RELEASE); }

/* `_lock` and `_unlock` take the runtime's numbered locks, which a thread may take again while it has them. */
#define LOCKS 48
static struct {
    volatile unsigned owner;
    unsigned depth;
} locks[LOCKS];

void _lock(int number) {
    if (number < 0 || number >= LOCKS) return;
    unsigned me = thread_id();
    if (locks[number].owner != me) {
        unsigned nobody = 0;
        while (!__atomic_compare_exchange_n(&locks[number].owner, &nobody, me, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            nobody = 0;
            NtYieldExecution();
        }
    }
    locks[number].depth++;
}

void _unlock(int number) {
    if (number < 0 || number >= LOCKS || locks[number].owner != thread_id()) return;
    if (--locks[number].depth == 0) __atomic_store_n(&locks[number].owner, 0, __ATOMIC_RELEASE);
}

#define NO_SLOT (~0u)
static unsigned slot = NO_SLOT;
/* For the time before there is a slot, and for a thread that no memory is left for. */
static Thread spare = {.seed = 1};

void crt_thread_begin(void) { slot = TlsAlloc(); }

Thread *crt_thread(void) {
    if (slot == NO_SLOT) return &spare;
    /* TlsGetValue clears the last error, which errno's reader still wants. */
    unsigned *last_error = &FIELD(unsigned, teb(), 0x68), kept = *last_error;
    Thread *mine = TlsGetValue(slot);
    if (!mine) {
        mine = RtlAllocateHeap(FIELD(HANDLE, peb(), 0x30), 8, sizeof *mine);
        if (mine) {
            mine->seed = 1;
            TlsSetValue(slot, mine);
        }
    }
    *last_error = kept;
    return mine ? mine : &spare;
}

void crt_thread_end(void) {
    if (slot == NO_SLOT) return;
    free(TlsGetValue(slot));
    TlsSetValue(slot, NULL);
}

int *_errno(void) { return &crt_thread()->number; }
int *__doserrno(void) { return &crt_thread()->dos_number; }

int _set_errno(int value) {
    errno = value;
    return 0;
}

int _get_errno(int *value) {
    if (!value) return EINVAL;
    *value = errno;
    return 0;
}
