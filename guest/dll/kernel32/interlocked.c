/* What 64-bit programs have in their compiler. */
#include "kernel32.h"

#ifdef __i386__
/* `InterlockedIncrement`: the new value. */
LONG NTAPI InterlockedIncrement(volatile LONG *value) { return __atomic_add_fetch(value, 1, __ATOMIC_SEQ_CST); }

/* `InterlockedDecrement`: the new value. */
LONG NTAPI InterlockedDecrement(volatile LONG *value) { return __atomic_sub_fetch(value, 1, __ATOMIC_SEQ_CST); }

/* `InterlockedExchange`: the value before. */
LONG NTAPI InterlockedExchange(volatile LONG *value, LONG to) { return __atomic_exchange_n(value, to, __ATOMIC_SEQ_CST); }

/* `InterlockedExchangeAdd`: the value before. */
LONG NTAPI InterlockedExchangeAdd(volatile LONG *value, LONG by) { return __atomic_fetch_add(value, by, __ATOMIC_SEQ_CST); }

/* `InterlockedCompareExchange`: the value before. */
LONG NTAPI InterlockedCompareExchange(volatile LONG *value, LONG to, LONG expected) {
    __atomic_compare_exchange_n(value, &expected, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}

/* `InterlockedCompareExchange64`: the value before. */
LONGLONG NTAPI InterlockedCompareExchange64(volatile LONGLONG *value, LONGLONG to, LONGLONG expected) {
    __asm__ volatile("lock cmpxchg8b %1"
                     : "+A"(expected), "+m"(*value)
                     : "b"((ULONG)to), "c"((ULONG)((ULONGLONG)to >> 32))
                     : "cc", "memory");
    return expected;
}
#endif
