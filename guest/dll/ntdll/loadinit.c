/* Modules that came late begin and end: entry points, who is still needed, unloading. */
#include "load.h"

/* Calls a module's TLS callbacks and its entry point. What it is told last says that the process goes on. */
static BOOLEAN LdrpCall(LDRP_MODULE *module, ULONG reason) {
    PDLL_INIT_ROUTINE routine = (PDLL_INIT_ROUTINE)module->Entry->EntryPoint;
    module->Busy = TRUE;
    LdrpCallTlsInitializers(module->Entry->DllBase, reason);
    BOOLEAN result = !routine || routine(module->Entry->DllBase, reason, NULL);
    module->Busy = FALSE;
    return result;
}

/* Puts a module at the end of the list of those that have begun. */
static void LdrpEnterInitOrder(LDR_DATA_TABLE_ENTRY *entry) {
    LIST_ENTRY *head = &NtCurrentPeb()->Ldr->InInitializationOrderModuleList;
    InsertTailList(head, &entry->InInitializationOrderLinks);
}

/* Tells of a module and of those that it needs, the latter first; then calls their entry points in the same order.
 *
 * STATUS_DLL_INIT_FAILED: one refuses; it has been told of its end. */
NTSTATUS LdrpInitializeModule(LDRP_MODULE *module) {
    if (module->Tried) return STATUS_SUCCESS;
    module->Tried = TRUE;
    for (ULONG i = 0; i < module->NeedCount; i++) {
        NTSTATUS status = LdrpInitializeModule(module->Needs[i]);
        if (status < 0) return status;
    }
    LDR_DATA_TABLE_ENTRY *entry = module->Entry;
    LdrpEnterInitOrder(entry);
    LdrpNotify(1, entry);
    entry->Flags |= LDRP_ENTRY_PROCESSED;
    if (entry->Flags & LDRP_IMAGE_DLL) {
        if (!LdrpCall(module, DLL_PROCESS_ATTACH)) {
            LdrpCall(module, DLL_PROCESS_DETACH);
            return STATUS_DLL_INIT_FAILED;
        }
        entry->Flags |= LDRP_PROCESS_ATTACH_CALLED;
    }
    module->Initialized = TRUE;
    return STATUS_SUCCESS;
}

/* The same for what forwarders of the first modules have brought in. */
NTSTATUS LdrpInitializePinned(void) {
    NTSTATUS status = STATUS_SUCCESS;
    for (LIST_ENTRY *at = LdrpModules.Flink; status >= 0 && at != &LdrpModules; at = at->Flink) {
        LDRP_MODULE *module = CONTAINER(at, LDRP_MODULE, Links);
        if (module->Count < 0) status = LdrpInitializeModule(module);
    }
    return status;
}

static void LdrpReach(LDRP_MODULE *module) {
    if (module->Reached) return;
    module->Reached = TRUE;
    for (ULONG i = 0; i < module->NeedCount; i++) LdrpReach(module->Needs[i]);
}

/* Marks the modules that somebody needs. */
static void LdrpReachAll(void) {
    for (LIST_ENTRY *at = LdrpModules.Flink; at != &LdrpModules; at = at->Flink)
        CONTAINER(at, LDRP_MODULE, Links)->Reached = FALSE;
    for (LIST_ENTRY *at = LdrpModules.Flink; at != &LdrpModules; at = at->Flink) {
        LDRP_MODULE *module = CONTAINER(at, LDRP_MODULE, Links);
        if (module->Count || module->Busy) LdrpReach(module);
    }
}

/* The last that has begun of those that nobody needs, or NULL. */
static LDRP_MODULE *LdrpNextToEnd(void) {
    LIST_ENTRY *head = &NtCurrentPeb()->Ldr->InInitializationOrderModuleList;
    for (LIST_ENTRY *at = head->Blink; at != head; at = at->Blink) {
        LDRP_MODULE *module = LdrpFindLoaded(CONTAINER(at, LDR_DATA_TABLE_ENTRY, InInitializationOrderLinks)->DllBase);
        if (module && !module->Reached && module->Initialized) return module;
    }
    return NULL;
}

static void LdrpRemove(LIST_ENTRY *links) {
    if (!links->Flink) return;
    RemoveEntryList(links);
    *links = (LIST_ENTRY){NULL, NULL};
}

/* Takes a module out of the lists and of memory. */
static void LdrpUnload(LDRP_MODULE *module) {
    HANDLE heap = NtCurrentPeb()->ProcessHeap;
    LDR_DATA_TABLE_ENTRY *entry = module->Entry;
    LdrpRemove(&entry->InLoadOrderLinks);
    LdrpRemove(&entry->InMemoryOrderLinks);
    LdrpRemove(&entry->InInitializationOrderLinks);
    LdrpRemove(&module->Links);
    if (entry->Flags & LDRP_ENTRY_PROCESSED) LdrpNotify(2, entry);
    LdrpDetachTls(module);
    NtUnmapViewOfSection(NtCurrentProcess(), entry->DllBase);
    RtlFreeHeap(heap, 0, entry->FullDllName.Buffer);
    if (module->Needs) RtlFreeHeap(heap, 0, module->Needs);
    RtlFreeHeap(heap, 0, entry);
    RtlFreeHeap(heap, 0, module);
}

/* Ends and unloads the modules that nobody needs, those that began last first. An entry point may load and free others. */
void LdrpCollect(void) {
    LDRP_MODULE *module;
    for (LdrpReachAll(); (module = LdrpNextToEnd()); LdrpReachAll()) {
        module->Initialized = FALSE;
        if (module->Entry->Flags & LDRP_PROCESS_ATTACH_CALLED) {
            module->Entry->Flags &= ~LDRP_PROCESS_ATTACH_CALLED;
            LdrpCall(module, DLL_PROCESS_DETACH);
        }
    }
    for (LIST_ENTRY *at = LdrpModules.Blink; at != &LdrpModules;) {
        module = CONTAINER(at, LDRP_MODULE, Links);
        at = at->Blink;
        if (module->Reached) continue;
        LdrpUnload(module);
        /* Those who were told may have changed the list. */
        LdrpReachAll();
        at = LdrpModules.Blink;
    }
}
