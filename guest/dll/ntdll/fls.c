/* Fiber-local storage: 128 slots, a table of values for each thread, callbacks for those that end. */
#include "ntdll.h"

#define FLS_MAXIMUM_AVAILABLE 128
#define FLS_OUT_OF_INDEXES 0xffffffffu
typedef void(NTAPI *FLS_CALLBACK)(PVOID);

static struct {
    volatile LONG Used;
    FLS_CALLBACK Callback;
} RtlpFls[FLS_MAXIMUM_AVAILABLE];

/* `TEB.FlsData`, from Vista on; before, nothing is there. */
static PVOID **RtlpFlsData(void) { return (PVOID **)((char *)NtCurrentTeb() + WIDTH(0x17c8, 0xfb4)); }

/* The running thread's values. */
static PVOID *RtlpFlsValues(BOOLEAN make) {
    PVOID **place = RtlpFlsData();
    if (!*place && make) *place = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, HEAP_ZERO_MEMORY, FLS_MAXIMUM_AVAILABLE * sizeof(PVOID));
    return *place;
}

/* `RtlFlsAlloc`: a free index. STATUS_NO_MEMORY. */
EXPORT NTSTATUS NTAPI RtlFlsAlloc(FLS_CALLBACK callback, ULONG *index) {
    for (ULONG i = 1; i < FLS_MAXIMUM_AVAILABLE; i++) {
        if (__atomic_exchange_n(&RtlpFls[i].Used, 1, __ATOMIC_ACQ_REL)) continue;
        RtlpFls[i].Callback = callback;
        PVOID *values = RtlpFlsValues(TRUE);
        if (values) values[i] = NULL;
        *index = i;
        return STATUS_SUCCESS;
    }
    *index = FLS_OUT_OF_INDEXES;
    return STATUS_NO_MEMORY;
}

/* `RtlFlsFree`: the running thread's value goes through the callback; others' stay with them until they end. */
EXPORT NTSTATUS NTAPI RtlFlsFree(ULONG index) {
    if (!index || index >= FLS_MAXIMUM_AVAILABLE || !RtlpFls[index].Used) return STATUS_INVALID_PARAMETER;
    PVOID *values = RtlpFlsValues(FALSE);
    FLS_CALLBACK callback = RtlpFls[index].Callback;
    if (values && values[index] && callback) callback(values[index]);
    if (values) values[index] = NULL;
    RtlpFls[index].Callback = NULL;
    __atomic_store_n(&RtlpFls[index].Used, 0, __ATOMIC_RELEASE);
    return STATUS_SUCCESS;
}

/* `RtlFlsGetValue`. */
EXPORT NTSTATUS NTAPI RtlFlsGetValue(ULONG index, PVOID *value) {
    if (!index || index >= FLS_MAXIMUM_AVAILABLE) return STATUS_INVALID_PARAMETER;
    PVOID *values = RtlpFlsValues(FALSE);
    *value = values ? values[index] : NULL;
    return STATUS_SUCCESS;
}

/* `RtlFlsSetValue`. */
EXPORT NTSTATUS NTAPI RtlFlsSetValue(ULONG index, PVOID value) {
    if (!index || index >= FLS_MAXIMUM_AVAILABLE) return STATUS_INVALID_PARAMETER;
    PVOID *values = RtlpFlsValues(TRUE);
    if (!values) return STATUS_NO_MEMORY;
    values[index] = value;
    return STATUS_SUCCESS;
}

/* `RtlProcessFlsData`: a thread's or a fiber's values: 1 calls the callbacks for them, 2 frees them. */
EXPORT void NTAPI RtlProcessFlsData(PVOID data, ULONG flags) {
    PVOID *values = data;
    for (ULONG i = 1; values && flags & 1 && i < FLS_MAXIMUM_AVAILABLE; i++) {
        PVOID value = values[i];
        values[i] = NULL;
        if (value && RtlpFls[i].Used && RtlpFls[i].Callback) RtlpFls[i].Callback(value);
    }
    if (values && flags & 2) RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, values);
}

/* The callbacks for the running thread's values, which are forgotten. */
void RtlpFlsEndThread(void) {
    PVOID *values = RtlpFlsValues(FALSE);
    if (!values) return;
    RtlProcessFlsData(values, 1);
    *RtlpFlsData() = NULL;
    RtlProcessFlsData(values, 2);
}
