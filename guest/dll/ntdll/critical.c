/* Critical sections, as RTL_CRITICAL_SECTION has them: who must wait does so on the section's event. */
#include "ntdll.h"

#define SPIN_MASK 0xffffff

/* `RtlInitializeCriticalSectionEx`: the flags ask for what is so here anyway, but a debug block, which there is none. */
NTSTATUS NTAPI RtlInitializeCriticalSectionEx(RTL_CRITICAL_SECTION *section, ULONG spin, ULONG flags) {
    (void)flags;
    *section = (RTL_CRITICAL_SECTION){(PVOID)-1, -1, 0, NULL, NULL, spin & SPIN_MASK};
    return STATUS_SUCCESS;
}

/* `RtlInitializeCriticalSectionAndSpinCount`. */
EXPORT NTSTATUS NTAPI RtlInitializeCriticalSectionAndSpinCount(RTL_CRITICAL_SECTION *section, ULONG spin) {
    return RtlInitializeCriticalSectionEx(section, spin, 0);
}

/* `RtlInitializeCriticalSection`. */
EXPORT NTSTATUS NTAPI RtlInitializeCriticalSection(RTL_CRITICAL_SECTION *section) {
    return RtlInitializeCriticalSectionEx(section, 0, 0);
}

/* `RtlSetCriticalSectionSpinCount`: the count before. One processor does not spin. */
EXPORT ULONG NTAPI RtlSetCriticalSectionSpinCount(RTL_CRITICAL_SECTION *section, ULONG spin) {
    ULONG before = (ULONG)section->SpinCount;
    section->SpinCount = spin & SPIN_MASK;
    return before;
}

/* `RtlDeleteCriticalSection`. */
EXPORT NTSTATUS NTAPI RtlDeleteCriticalSection(RTL_CRITICAL_SECTION *section) {
    if (section->LockSemaphore) NtClose(section->LockSemaphore);
    *section = (RTL_CRITICAL_SECTION){NULL, 0, 0, NULL, NULL, 0};
    return STATUS_SUCCESS;
}

/* The event, which the first thread that must wait makes. */
static HANDLE RtlpSectionEvent(RTL_CRITICAL_SECTION *section) {
    HANDLE event = section->LockSemaphore, none = NULL;
    if (event || NtCreateEvent(&event, 0x1f0003, NULL, SynchronizationEvent, FALSE) < 0) return event;
    if (__atomic_compare_exchange_n(&section->LockSemaphore, &none, event, FALSE, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return event;
    NtClose(event);
    return none;
}

static BOOLEAN RtlpIsSectionOwner(const RTL_CRITICAL_SECTION *section) {
    return section->OwningThread == NtCurrentTeb()->ClientId.UniqueThread;
}

static void RtlpOwnSection(RTL_CRITICAL_SECTION *section) {
    section->OwningThread = NtCurrentTeb()->ClientId.UniqueThread;
    section->RecursionCount = 1;
}

/* `RtlTryEnterCriticalSection`. */
EXPORT BOOLEAN NTAPI RtlTryEnterCriticalSection(RTL_CRITICAL_SECTION *section) {
    LONG free = -1;
    if (__atomic_compare_exchange_n(&section->LockCount, &free, 0, FALSE, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        RtlpOwnSection(section);
        return TRUE;
    }
    if (!RtlpIsSectionOwner(section)) return FALSE;
    __atomic_add_fetch(&section->LockCount, 1, __ATOMIC_ACQUIRE);
    section->RecursionCount++;
    return TRUE;
}

/* `RtlEnterCriticalSection`. */
NTSTATUS NTAPI RtlEnterCriticalSection(RTL_CRITICAL_SECTION *section) {
    if (!__atomic_add_fetch(&section->LockCount, 1, __ATOMIC_ACQUIRE)) {
        RtlpOwnSection(section);
        return STATUS_SUCCESS;
    }
    if (RtlpIsSectionOwner(section)) {
        section->RecursionCount++;
        return STATUS_SUCCESS;
    }
    NtWaitForSingleObject(RtlpSectionEvent(section), FALSE, NULL);
    RtlpOwnSection(section);
    return STATUS_SUCCESS;
}

/* `RtlLeaveCriticalSection`. */
NTSTATUS NTAPI RtlLeaveCriticalSection(RTL_CRITICAL_SECTION *section) {
    if (--section->RecursionCount) {
        __atomic_sub_fetch(&section->LockCount, 1, __ATOMIC_RELEASE);
        return STATUS_SUCCESS;
    }
    section->OwningThread = NULL;
    if (__atomic_sub_fetch(&section->LockCount, 1, __ATOMIC_RELEASE) >= 0) NtSetEvent(RtlpSectionEvent(section), NULL);
    return STATUS_SUCCESS;
}
