/* Which function an address is in: the modules' exception directories, and the tables that code generators add. */
#include "ntdll.h"
#ifdef __x86_64__

#define IMAGE_DIRECTORY_ENTRY_EXCEPTION 3
/* `RUNTIME_FUNCTION.UnwindData`: this entry stands for another one. */
#define RUNTIME_FUNCTION_INDIRECT 1

typedef RUNTIME_FUNCTION *(*PGET_RUNTIME_FUNCTION_CALLBACK)(ULONG_PTR pc, PVOID context);
typedef struct {
    LIST_ENTRY Links;
    /* What deletes it: the table's address, or the identifier of a callback. */
    ULONG_PTR Key, Base, Low, High;
    RUNTIME_FUNCTION *Table;
    ULONG Count;
    BOOLEAN Growable;
    PGET_RUNTIME_FUNCTION_CALLBACK Callback;
    PVOID Context;
} RTLP_FUNCTIONS;
static LIST_ENTRY RtlpFunctions = {&RtlpFunctions, &RtlpFunctions};
static volatile LONG RtlpFunctionsLock;

/* The entry of a sorted table for an address relative to its base, or NULL. */
static RUNTIME_FUNCTION *RtlpSearchSorted(RUNTIME_FUNCTION *table, ULONG count, ULONG rva) {
    ULONG low = 0, high = count;
    while (low < high) {
        ULONG middle = (low + high) >> 1;
        if (rva < table[middle].BeginAddress) high = middle;
        else if (rva >= table[middle].EndAddress) low = middle + 1;
        else return &table[middle];
    }
    return NULL;
}

/* Added tables need not be sorted. */
static RUNTIME_FUNCTION *RtlpSearchTable(RUNTIME_FUNCTION *table, ULONG count, ULONG rva) {
    for (ULONG i = 0; i < count; i++)
        if (rva >= table[i].BeginAddress && rva < table[i].EndAddress) return &table[i];
    return NULL;
}

static RUNTIME_FUNCTION *RtlpLookupAdded(ULONG_PTR pc, ULONG_PTR *base) {
    RTLP_FUNCTIONS found = {.Base = 0};
    RUNTIME_FUNCTION *function = NULL;
    RtlpAcquireSpin(&RtlpFunctionsLock);
    for (LIST_ENTRY *at = RtlpFunctions.Flink; at != &RtlpFunctions; at = at->Flink) {
        RTLP_FUNCTIONS *node = CONTAINER(at, RTLP_FUNCTIONS, Links);
        if (pc < node->Low || pc >= node->High) continue;
        found = *node;
        if (!node->Callback) function = RtlpSearchTable(node->Table, node->Count, (ULONG)(pc - node->Base));
        break;
    }
    RtlpReleaseSpin(&RtlpFunctionsLock);
    if (found.Callback) function = found.Callback(pc, found.Context);
    if (function) *base = found.Base;
    return function;
}

/* `RtlLookupFunctionEntry`: NULL for an address in a function that has no entry, which keeps every register. */
RUNTIME_FUNCTION *RtlLookupFunctionEntry(ULONG_PTR pc, ULONG_PTR *base, PVOID history) {
    (void)history;
    const LDR_DATA_TABLE_ENTRY *entry = LdrpFindEntryByAddress((PVOID)pc);
    RUNTIME_FUNCTION *function;
    if (!entry) {
        function = RtlpLookupAdded(pc, base);
    } else {
        ULONG size;
        RUNTIME_FUNCTION *table = LdrpImageDirectory(entry->DllBase, IMAGE_DIRECTORY_ENTRY_EXCEPTION, &size);
        *base = (ULONG_PTR)entry->DllBase;
        function = table ? RtlpSearchSorted(table, size / sizeof *table, (ULONG)(pc - *base)) : NULL;
    }
    if (function && function->UnwindData & RUNTIME_FUNCTION_INDIRECT)
        function = (RUNTIME_FUNCTION *)(*base + function->UnwindData - RUNTIME_FUNCTION_INDIRECT);
    return function;
}

static RTLP_FUNCTIONS *RtlpAddFunctions(RTLP_FUNCTIONS functions) {
    RTLP_FUNCTIONS *node = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, sizeof *node);
    if (!node) return NULL;
    *node = functions;
    RtlpAcquireSpin(&RtlpFunctionsLock);
    InsertTailList(&RtlpFunctions, &node->Links);
    RtlpReleaseSpin(&RtlpFunctionsLock);
    return node;
}

/* `RtlAddFunctionTable`: entries of code that no module has. */
NTSYSAPI BOOLEAN RtlAddFunctionTable(RUNTIME_FUNCTION *table, ULONG count, ULONG_PTR base) {
    ULONG low = ~0u, high = 0;
    for (ULONG i = 0; i < count; i++) {
        if (table[i].BeginAddress < low) low = table[i].BeginAddress;
        if (table[i].EndAddress > high) high = table[i].EndAddress;
    }
    if (!count) low = 0;
    return RtlpAddFunctions((RTLP_FUNCTIONS){.Key = (ULONG_PTR)table, .Base = base, .Low = base + low,
                                             .High = base + high, .Table = table, .Count = count}) != NULL;
}

/* `RtlInstallFunctionTableCallback`: a function that is asked for the entries of a range. Its identifier has the two low
 * bits set, which tells it from a table. */
NTSYSAPI BOOLEAN RtlInstallFunctionTableCallback(ULONG_PTR identifier, ULONG_PTR base, ULONG length,
                                                 PGET_RUNTIME_FUNCTION_CALLBACK callback, PVOID context,
                                                 const WCHAR *dll) {
    (void)dll;
    if ((identifier & 3) != 3 || (int)length < 0) return FALSE;
    return RtlpAddFunctions((RTLP_FUNCTIONS){.Key = identifier, .Base = base, .Low = base, .High = base + length,
                                             .Callback = callback, .Context = context}) != NULL;
}

/* `RtlAddGrowableFunctionTable`: STATUS_NO_MEMORY. */
NTSYSAPI NTSTATUS RtlAddGrowableFunctionTable(PVOID *handle, RUNTIME_FUNCTION *table, ULONG count, ULONG maximum,
                                              ULONG_PTR low, ULONG_PTR high) {
    (void)maximum;
    *handle = RtlpAddFunctions((RTLP_FUNCTIONS){.Base = low, .Low = low, .High = high, .Table = table, .Count = count,
                                                .Growable = TRUE});
    return *handle ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

/* `RtlGrowFunctionTable`: entries have been written behind the last. */
NTSYSAPI void RtlGrowFunctionTable(PVOID handle, ULONG count) {
    RtlpAcquireSpin(&RtlpFunctionsLock);
    ((RTLP_FUNCTIONS *)handle)->Count = count;
    RtlpReleaseSpin(&RtlpFunctionsLock);
}

static BOOLEAN RtlpDeleteFunctions(ULONG_PTR key, PVOID handle) {
    RTLP_FUNCTIONS *found = NULL;
    RtlpAcquireSpin(&RtlpFunctionsLock);
    for (LIST_ENTRY *at = RtlpFunctions.Flink; at != &RtlpFunctions && !found; at = at->Flink) {
        RTLP_FUNCTIONS *node = CONTAINER(at, RTLP_FUNCTIONS, Links);
        if (node->Growable ? node == handle : handle == NULL && node->Key == key) found = node;
    }
    if (found) {
        RemoveEntryList(&found->Links);
    }
    RtlpReleaseSpin(&RtlpFunctionsLock);
    if (found) RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, found);
    return found != NULL;
}

/* `RtlDeleteFunctionTable`: by the table's address, or a callback's identifier. */
NTSYSAPI BOOLEAN RtlDeleteFunctionTable(RUNTIME_FUNCTION *table) { return RtlpDeleteFunctions((ULONG_PTR)table, NULL); }

/* `RtlDeleteGrowableFunctionTable`. */
NTSYSAPI void RtlDeleteGrowableFunctionTable(PVOID handle) {
    if (handle) RtlpDeleteFunctions(0, handle);
}
#endif
