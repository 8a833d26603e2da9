/* Thread-local storage: the 64 slots in the TEB, and 1024 further ones in an array that a thread gets when it first sets one;
 * handed out by the PEB's bitmaps. */
#include "kernel32.h"

#define TLS_MINIMUM_AVAILABLE 64
#define TLS_EXPANSION_SLOTS 1024
#define TLS_OUT_OF_INDEXES 0xffffffffu
#define ThreadZeroTlsCell 10
/* `PEB.TlsExpansionBitmapBits`, `TEB.TlsExpansionSlots`. */
static ULONG *BasepExpansionBits(void) { return (ULONG *)((char *)NtCurrentPeb() + WIDTH(0x238, 0x154)); }
static PVOID **BasepExpansion(void) { return (PVOID **)((char *)NtCurrentTeb() + WIDTH(0x1780, 0xf94)); }

/* Where the running thread has a slot; NULL: nowhere, and so 0. */
static PVOID *BasepTlsSlot(ULONG index, BOOL make) {
    if (index < TLS_MINIMUM_AVAILABLE) return &NtCurrentTeb()->TlsSlots[index];
    PVOID **array = BasepExpansion();
    if (!*array && make) *array = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, HEAP_ZERO_MEMORY, TLS_EXPANSION_SLOTS * sizeof(PVOID));
    return *array ? &(*array)[index - TLS_MINIMUM_AVAILABLE] : NULL;
}

/* Takes a free index of a bitmap. */
static ULONG BasepTakeBit(ULONG *bits, ULONG count) {
    for (ULONG index = 0; index < count; index++) {
        ULONG bit = 1u << index % 32;
        if (!(bits[index / 32] & bit) && !(__atomic_fetch_or(&bits[index / 32], bit, __ATOMIC_ACQ_REL) & bit)) return index;
    }
    return TLS_OUT_OF_INDEXES;
}

/* `TlsAlloc`: a free index, its slot zeroed, or TLS_OUT_OF_INDEXES. */
ULONG NTAPI TlsAlloc(void) {
    ULONG index = BasepTakeBit(NtCurrentPeb()->TlsBitmapBits, TLS_MINIMUM_AVAILABLE);
    if (index == TLS_OUT_OF_INDEXES) {
        index = BasepTakeBit(BasepExpansionBits(), TLS_EXPANSION_SLOTS);
        if (index == TLS_OUT_OF_INDEXES) return BasepFail(ERROR_NO_MORE_ITEMS), index;
        index += TLS_MINIMUM_AVAILABLE;
    }
    PVOID *slot = BasepTlsSlot(index, FALSE);
    if (slot) *slot = NULL;
    return index;
}

/* `TlsFree`: takes an index that is in use, and what every thread has there. */
BOOL NTAPI TlsFree(ULONG index) {
    ULONG at = index < TLS_MINIMUM_AVAILABLE ? index : index - TLS_MINIMUM_AVAILABLE, bit = 1u << at % 32;
    ULONG *bits = index < TLS_MINIMUM_AVAILABLE ? NtCurrentPeb()->TlsBitmapBits : BasepExpansionBits();
    if (index >= TLS_MINIMUM_AVAILABLE + TLS_EXPANSION_SLOTS || !(bits[at / 32] & bit)) return BasepFail(ERROR_INVALID_PARAMETER);
    NtSetInformationThread(NtCurrentThread(), ThreadZeroTlsCell, &index, sizeof index);
    __atomic_fetch_and(&bits[at / 32], ~bit, __ATOMIC_ACQ_REL);
    return TRUE;
}

/* `TlsGetValue`: a success sets the last error to 0, so that a NULL can be told from a failure. */
PVOID NTAPI TlsGetValue(ULONG index) {
    if (index >= TLS_MINIMUM_AVAILABLE + TLS_EXPANSION_SLOTS) return BasepNone(ERROR_INVALID_PARAMETER);
    PVOID *slot = BasepTlsSlot(index, FALSE);
    NtCurrentTeb()->LastErrorValue = 0;
    return slot ? *slot : NULL;
}

/* `TlsSetValue`. */
BOOL NTAPI TlsSetValue(ULONG index, PVOID value) {
    if (index >= TLS_MINIMUM_AVAILABLE + TLS_EXPANSION_SLOTS) return BasepFail(ERROR_INVALID_PARAMETER);
    PVOID *slot = BasepTlsSlot(index, TRUE);
    if (!slot) return BasepFail(8 /* ERROR_NOT_ENOUGH_MEMORY */);
    *slot = value;
    return TRUE;
}
