/* Thread-local storage: the 64 slots in the TEB, handed out by the PEB's bitmap.
 *
 * The 1024 expansion slots are not handed out: after 64 `TlsAlloc` says ERROR_NO_MORE_ITEMS.
 */
#include "kernel32.h"

#define TLS_MINIMUM_AVAILABLE 64
#define TLS_OUT_OF_INDEXES 0xffffffffu

/* `TlsAlloc`: a free index, its slot zeroed, or TLS_OUT_OF_INDEXES. */
ULONG NTAPI TlsAlloc(void) {
    ULONG *bits = NtCurrentPeb()->TlsBitmapBits;
    for (ULONG index = 0; index < TLS_MINIMUM_AVAILABLE; index++) {
        ULONG bit = 1u << index % 32;
        if (bits[index / 32] & bit || __atomic_fetch_or(&bits[index / 32], bit, __ATOMIC_ACQ_REL) & bit) continue;
        NtCurrentTeb()->TlsSlots[index] = NULL;
        return index;
    }
    RtlSetLastWin32Error(ERROR_NO_MORE_ITEMS);
    return TLS_OUT_OF_INDEXES;
}

/* `TlsFree`: takes an index that is in use. */
BOOL NTAPI TlsFree(ULONG index) {
    ULONG bit = 1u << index % 32;
    if (index >= TLS_MINIMUM_AVAILABLE) return BasepFail(ERROR_INVALID_PARAMETER);
    if (!(__atomic_fetch_and(&NtCurrentPeb()->TlsBitmapBits[index / 32], ~bit, __ATOMIC_ACQ_REL) & bit))
        return BasepFail(ERROR_INVALID_PARAMETER);
    NtCurrentTeb()->TlsSlots[index] = NULL;
    return TRUE;
}

/* `TlsGetValue`: a success sets the last error to 0, so that a NULL can be told from a failure. */
PVOID NTAPI TlsGetValue(ULONG index) {
    TEB *teb = NtCurrentTeb();
    if (index >= TLS_MINIMUM_AVAILABLE) {
        BasepFail(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    teb->LastErrorValue = 0;
    return teb->TlsSlots[index];
}

/* `TlsSetValue`. */
BOOL NTAPI TlsSetValue(ULONG index, PVOID value) {
    if (index >= TLS_MINIMUM_AVAILABLE) return BasepFail(ERROR_INVALID_PARAMETER);
    NtCurrentTeb()->TlsSlots[index] = value;
    return TRUE;
}
