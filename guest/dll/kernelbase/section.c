/* Critical sections, on `RTL_CRITICAL_SECTION`. Whoever must wait gives its time to the other threads and tries
 * again; the semaphore of Windows' implementation is not used. */
#include "base.h"

typedef struct {
    void *debug;
    volatile int lock_count; /* -1: free */
    volatile int recursion;
    volatile uintptr_t owner;
    HANDLE semaphore;
    uintptr_t spin;
} Section;

static uintptr_t me(void) { return FIELD(unsigned, teb(), 0x48); }

BOOL InitializeCriticalSectionAndSpinCount(Section *s, unsigned spin) {
    *s = (Section){.debug = (void *)-1, .lock_count = -1, .spin = spin & 0xffffff};
    return 1;
}
BOOL InitializeCriticalSectionEx(Section *s, unsigned spin, unsigned flags) {
    (void)flags;
    return InitializeCriticalSectionAndSpinCount(s, spin);
}
void InitializeCriticalSection(Section *s) { InitializeCriticalSectionAndSpinCount(s, 0); }
void DeleteCriticalSection(Section *s) { *s = (Section){0}; }
unsigned SetCriticalSectionSpinCount(Section *s, unsigned spin) {
    unsigned before = (unsigned)s->spin;
    s->spin = spin & 0xffffff;
    return before;
}

BOOL TryEnterCriticalSection(Section *s) {
    if (s->owner == me()) {
        s->recursion++;
        return 1;
    }
    int free = -1;
    if (!__atomic_compare_exchange_n(&s->lock_count, &free, 0, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return 0;
    s->owner = me();
    s->recursion = 1;
    return 1;
}
void EnterCriticalSection(Section *s) {
    while (!TryEnterCriticalSection(s)) NtYieldExecution();
}
void LeaveCriticalSection(Section *s) {
    if (--s->recursion) return;
    s->owner = 0;
    __atomic_store_n(&s->lock_count, -1, __ATOMIC_RELEASE);
}
