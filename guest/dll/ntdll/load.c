/* Loading modules while the process runs: `LdrLoadDll`, `LdrUnloadDll` and what belongs to them. */
#include "load.h"

#define SEC_IMAGE 0x1000000
#define PAGE_READONLY 2
#define SECTION_MAP 0xd
/* Bytes of an entry in the newest Windows, and more. */
#define LDRP_ENTRY_SIZE 0x180

typedef struct { ULONG OriginalFirstThunk, TimeDateStamp, ForwarderChain, Name, FirstThunk; } IMAGE_IMPORT_DESCRIPTOR;

LIST_ENTRY LdrpModules = {&LdrpModules, &LdrpModules};

/* The module at a base if it came late, or NULL. */
LDRP_MODULE *LdrpFindLoaded(PVOID base) {
    for (LIST_ENTRY *at = LdrpModules.Flink; at != &LdrpModules; at = at->Flink) {
        LDRP_MODULE *module = CONTAINER(at, LDRP_MODULE, Links);
        if (module->Entry->DllBase == base) return module;
    }
    return NULL;
}

/* A module needs another: that stays while it does. */
void LdrpNeed(LDRP_MODULE *module, LDRP_MODULE *needed) {
    HANDLE heap = NtCurrentPeb()->ProcessHeap;
    for (ULONG i = 0; i < module->NeedCount; i++)
        if (module->Needs[i] == needed) return;
    if (module->NeedCount == module->NeedRoom) {
        ULONG room = module->NeedRoom + 8;
        LDRP_MODULE **larger = RtlAllocateHeap(heap, 0, room * sizeof *larger);
        /* Nobody may take away what cannot be noted. */
        if (!larger) {
            needed->Count = -1;
            return;
        }
        if (module->Needs) {
            memmove(larger, module->Needs, module->NeedCount * sizeof *larger);
            RtlFreeHeap(heap, 0, module->Needs);
        }
        module->Needs = larger;
        module->NeedRoom = room;
    }
    module->Needs[module->NeedCount++] = needed;
}

/* How often somebody asked for a module, also in its entry (LoadCount, at this place in every Windows). */
static void LdrpCount(LDRP_MODULE *module, LONG count) {
    module->Count = count;
    *(USHORT *)((char *)module->Entry + WIDTH(0x6c, 0x38)) = (USHORT)count;
}

/* Enters an image that is mapped into the lists. */
static LDRP_MODULE *LdrpEnter(PVOID base, const WCHAR *path) {
    PEB *peb = NtCurrentPeb();
    ULONG length = (ULONG)wcslen(path), name = length;
    LDR_DATA_TABLE_ENTRY *entry = RtlAllocateHeap(peb->ProcessHeap, HEAP_ZERO_MEMORY, LDRP_ENTRY_SIZE);
    LDRP_MODULE *module = RtlAllocateHeap(peb->ProcessHeap, HEAP_ZERO_MEMORY, sizeof *module);
    WCHAR *copy = RtlAllocateHeap(peb->ProcessHeap, 0, (length + 1) * 2);
    if (!entry || !module || !copy) return NULL;
    memmove(copy, path, (length + 1) * 2);
    while (name && path[name - 1] != '\\') name--;
    const char *headers = RtlImageNtHeader(base);
    ULONG start = *(const ULONG *)(headers + 0x28);
    entry->DllBase = base;
    entry->EntryPoint = start ? (char *)base + start : NULL;
    entry->SizeOfImage = LdrpImageSize(base);
    entry->FullDllName = (UNICODE_STRING){(USHORT)(length * 2), (USHORT)(length * 2 + 2), copy};
    entry->BaseDllName = (UNICODE_STRING){(USHORT)((length - name) * 2), (USHORT)((length - name) * 2 + 2), copy + name};
    if (LdrpImageCharacteristics(base) & 0x2000) entry->Flags |= LDRP_IMAGE_DLL;
    /* LoadCount, TlsIndex and TimeDateStamp, at these places in every Windows. */
    *(USHORT *)((char *)entry + WIDTH(0x6c, 0x38)) = 1;
    *(ULONG *)((char *)entry + WIDTH(0x80, 0x44)) = *(const ULONG *)(headers + 8);
    module->Entry = entry;
    InsertTailList(&peb->Ldr->InLoadOrderModuleList, &entry->InLoadOrderLinks);
    InsertTailList(&peb->Ldr->InMemoryOrderModuleList, &entry->InMemoryOrderLinks);
    InsertTailList(&LdrpModules, &module->Links);
    return module;
}

/* Maps a file as an image, where it can be run. */
static NTSTATUS LdrpMap(HANDLE file, PVOID *base) {
    HANDLE section;
    SIZE_T size = 0;
    *base = NULL;
    /* PAGE_EXECUTE: what a file that is opened to be run can be. */
    NTSTATUS status = NtCreateSection(&section, SECTION_MAP, NULL, NULL, 0x10, SEC_IMAGE, file);
    if (status < 0) return status;
    status = NtMapViewOfSection(section, NtCurrentProcess(), base, 0, 0, NULL, &size, 1, 0, PAGE_READONLY);
    NtClose(section);
    if (status < 0) return status;
    status = LdrpCheckImage(*base);
    if (status >= 0) status = LdrpRelocateImage(*base);
    if (status < 0) NtUnmapViewOfSection(NtCurrentProcess(), *base);
    return status;
}

static NTSTATUS LdrpLoad(const WCHAR *name, ULONG length, BOOLEAN is_path, ULONG flags, const WCHAR *list, ULONG depth,
                         PVOID *base, LDRP_MODULE **module);

/* Fills the slots of one imported module. */
static NTSTATUS LdrpBind(PVOID image, PVOID from, const IMAGE_IMPORT_DESCRIPTOR *import) {
    ULONG names = import->OriginalFirstThunk ? import->OriginalFirstThunk : import->FirstThunk, count = 0, old;
    const ULONG_PTR *name;
    while ((name = LdrpImageRange(image, names + count * sizeof *name, sizeof *name)) && *name) count++;
    ULONG_PTR *slots = LdrpImageRange(image, import->FirstThunk, count * sizeof *slots);
    if (!name || (count && !slots)) return STATUS_INVALID_IMAGE_FORMAT;
    if (!count) return STATUS_SUCCESS;
    PVOID at = slots;
    SIZE_T size = count * sizeof *slots;
    NTSTATUS status = NtProtectVirtualMemory(NtCurrentProcess(), &at, &size, PAGE_READWRITE, &old);
    for (ULONG i = 0; status >= 0 && i < count; i++) {
        ULONG_PTR by = *(const ULONG_PTR *)((char *)image + names + i * sizeof *name);
        BOOLEAN by_ordinal = by >> (8 * sizeof by - 1);
        const char *text = by_ordinal ? NULL : LdrpImageText(image, (ULONG)by + 2);
        if (!by_ordinal && !text) status = STATUS_INVALID_IMAGE_FORMAT;
        else status = LdrpFindExport(from, text, text ? (ULONG)strlen(text) : 0, (USHORT)by, 0, (PVOID *)&slots[i]);
        if (status == STATUS_PROCEDURE_NOT_FOUND) status = by_ordinal ? STATUS_ORDINAL_NOT_FOUND : STATUS_ENTRYPOINT_NOT_FOUND;
    }
    at = slots;
    size = count * sizeof *slots;
    NtProtectVirtualMemory(NtCurrentProcess(), &at, &size, old, &old);
    return status;
}

/* Loads what a module imports from, and fills its slots. */
static NTSTATUS LdrpResolveImports(LDRP_MODULE *module, ULONG flags, ULONG depth) {
    PVOID image = module->Entry->DllBase, from;
    ULONG size;
    const char *directory = LdrpImageDirectory(image, IMAGE_DIRECTORY_ENTRY_IMPORT, &size);
    if (!directory) return STATUS_SUCCESS;
    for (ULONG rva = (ULONG)(directory - (char *)image);; rva += sizeof(IMAGE_IMPORT_DESCRIPTOR)) {
        const IMAGE_IMPORT_DESCRIPTOR *import = LdrpImageRange(image, rva, sizeof *import);
        if (!import) return STATUS_INVALID_IMAGE_FORMAT;
        if (!import->Name || !import->FirstThunk) return STATUS_SUCCESS;
        const char *name = LdrpImageText(image, import->Name);
        if (!name) return STATUS_INVALID_IMAGE_FORMAT;
        NTSTATUS status = LdrpLoadNeeded(module, name, (ULONG)strlen(name), flags, depth, &from);
        if (status >= 0) status = LdrpBind(image, from, import);
        if (status < 0) return status;
    }
}

/* Loads a module that another needs. */
NTSTATUS LdrpLoadNeeded(LDRP_MODULE *module, const char *name, ULONG length, ULONG flags, ULONG depth, PVOID *base) {
    WCHAR wide[LDRP_LONGEST_PATH + 1];
    BOOLEAN is_path;
    LDRP_MODULE *needed = NULL;
    /* Where its own folder counts, that of who needs it does. */
    const WCHAR *own = module && flags & (LOAD_WITH_ALTERED_SEARCH_PATH | LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR)
        ? module->Entry->FullDllName.Buffer : NULL;
    if (!LdrpModuleName(name, length, 1, wide, &length, &is_path)) return STATUS_DLL_NOT_FOUND;
    NTSTATUS status = LdrpLoad(wide, length, is_path, flags & ~DONT_RESOLVE_DLL_REFERENCES, own, depth + 1, base, &needed);
    if (status < 0 || !needed) return status;
    if (module) LdrpNeed(module, needed);
    else needed->Count = -1;
    return status;
}

/* Loads a module, unless it is loaded already; `*module`: if it came late. Nothing is called yet. */
static NTSTATUS LdrpLoad(const WCHAR *name, ULONG length, BOOLEAN is_path, ULONG flags, const WCHAR *list, ULONG depth,
                         PVOID *base, LDRP_MODULE **module) {
    WCHAR path[LDRP_LONGEST_PATH + 1];
    HANDLE file;
    ULONG size;
    LDR_DATA_TABLE_ENTRY *known = LdrpFindName(name, length, is_path);
    NTSTATUS status = STATUS_SUCCESS;
    if (depth > LDRP_DEEPEST) return STATUS_INVALID_IMAGE_FORMAT;
    if (!known) {
        status = LdrpOpenModule(name, length, is_path, flags, list, path, &file);
        if (status < 0) return status;
        known = LdrpFindName(path, (ULONG)wcslen(path), TRUE);
        if (known) NtClose(file);
    }
    if (known) {
        *base = known->DllBase;
        *module = LdrpFindLoaded(known->DllBase);
        return STATUS_SUCCESS;
    }
    status = LdrpMap(file, base);
    NtClose(file);
    if (status < 0) return status;
    *module = LdrpEnter(*base, path);
    if (!*module) {
        NtUnmapViewOfSection(NtCurrentProcess(), *base);
        return STATUS_NO_MEMORY;
    }
    /* Managed code needs the run time of .NET, which is looked for as Windows does. */
    if (LdrpImageDirectory(*base, IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR, &size)) {
        PVOID runtime;
        status = LdrpLoadNeeded(*module, "mscoree.dll", 11, flags, depth, &runtime);
        return status < 0 ? status : STATUS_INVALID_IMAGE_FORMAT;
    }
    if (flags & DONT_RESOLVE_DLL_REFERENCES || !((*module)->Entry->Flags & LDRP_IMAGE_DLL)) {
        (*module)->Tried = TRUE;
        return STATUS_SUCCESS;
    }
    status = LdrpResolveImports(*module, flags, depth);
    return status < 0 ? status : LdrpAttachTls(*module);
}

/* Loads a module by name for somebody who asks: one more count, and everything that is new has begun. */
static NTSTATUS LdrpLoadCounted(const WCHAR *name, ULONG length, BOOLEAN is_path, ULONG flags, const WCHAR *list, PVOID *base) {
    LDRP_MODULE *module = NULL;
    RtlEnterCriticalSection(&LdrpLoaderLock);
    NTSTATUS status = LdrpLoad(name, length, is_path, flags, list, 0, base, &module);
    if (status >= 0 && module && module->Count >= 0) {
        LdrpCount(module, module->Count + 1);
    }
    if (status >= 0) status = LdrpInitializePinned();
    if (status >= 0 && module) {
        status = LdrpInitializeModule(module);
        if (status < 0 && module->Count > 0) LdrpCount(module, module->Count - 1);
    }
    if (status < 0) LdrpCollect();
    RtlLeaveCriticalSection(&LdrpLoaderLock);
    return status;
}

/* `LdrLoadDll`: loads a module and what it needs, or counts it once more. `path`: folders with semicolons between them, or
 * NULL, or `LOAD_LIBRARY_*` flags and 1.
 *
 * STATUS_DLL_NOT_FOUND, STATUS_ENTRYPOINT_NOT_FOUND, STATUS_ORDINAL_NOT_FOUND, STATUS_INVALID_IMAGE_FORMAT and its kin,
 * STATUS_DLL_INIT_FAILED. */
EXPORT NTSTATUS NTAPI LdrLoadDll(const WCHAR *path, const ULONG *characteristics, const UNICODE_STRING *name, PVOID *base) {
    WCHAR wide[LDRP_LONGEST_PATH + 1], full[LDRP_LONGEST_PATH + 1];
    BOOLEAN is_path;
    ULONG length, flags = 0;
    if (!NtCurrentPeb()->Ldr) return STATUS_DLL_NOT_FOUND;
    if (!LdrpModuleName(name->Buffer, name->Length / 2, sizeof(WCHAR), wide, &length, &is_path)) return STATUS_DLL_NOT_FOUND;
    if ((ULONG_PTR)path & 1) {
        flags = (ULONG)(ULONG_PTR)path & ~1u;
        path = NULL;
    }
    if (characteristics && *characteristics & 2) flags |= DONT_RESOLVE_DLL_REFERENCES;
    PVOID found;
    if (is_path && RtlDetermineDosPathNameType_U(wide) != 5) {
        ULONG size = RtlGetFullPathName_U(wide, sizeof full, full, NULL);
        if (!size || size > LDRP_LONGEST_PATH * 2) return STATUS_DLL_NOT_FOUND;
        memmove(wide, full, size + 2);
        length = size / 2;
        /* Its imports are looked for in its own folder first. */
        if (flags & (LOAD_WITH_ALTERED_SEARCH_PATH | LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR)) path = wide;
    } else {
        flags &= ~LOAD_WITH_ALTERED_SEARCH_PATH;
    }
    NTSTATUS status = LdrpLoadCounted(wide, length, is_path, flags, path, &found);
    if (status >= 0) *base = found;
    return status;
}

/* `LdrUnloadDll`: one count less; what nobody needs any more ends and goes. STATUS_DLL_NOT_FOUND: no module is there. */
EXPORT NTSTATUS NTAPI LdrUnloadDll(PVOID base) {
    NTSTATUS status = STATUS_SUCCESS;
    RtlEnterCriticalSection(&LdrpLoaderLock);
    LDRP_MODULE *module = LdrpFindLoaded(base);
    if (!LdrpFindEntry(base)) status = STATUS_DLL_NOT_FOUND;
    if (module && module->Count > 0) {
        LdrpCount(module, module->Count - 1);
        LdrpCollect();
    }
    RtlLeaveCriticalSection(&LdrpLoaderLock);
    return status;
}

/* `LdrAddRefDll`: once more, or (flag 1) for ever. */
EXPORT NTSTATUS NTAPI LdrAddRefDll(ULONG flags, PVOID base) {
    NTSTATUS status = STATUS_SUCCESS;
    if (flags & ~1u) return STATUS_INVALID_PARAMETER;
    RtlEnterCriticalSection(&LdrpLoaderLock);
    LDRP_MODULE *module = LdrpFindLoaded(base);
    if (!LdrpFindEntry(base)) status = STATUS_INVALID_PARAMETER;
    if (module && module->Count >= 0) LdrpCount(module, flags & 1 ? -1 : module->Count + 1);
    RtlLeaveCriticalSection(&LdrpLoaderLock);
    return status;
}

/* What a forwarder of an image leads to: `NTDLL.RtlFreeHeap`, `DLL.#12`. The DLL is loaded if it is not. */
NTSTATUS LdrpFollowForwarder(PVOID image, const char *text, ULONG depth, PVOID *address) {
    const char *dot = strrchr(text, '.'), *name = dot + 1;
    ULONG ordinal = 0;
    if (!dot || depth >= LDRP_MAX_FORWARDS) return STATUS_ENTRYPOINT_NOT_FOUND;
    PVOID base = LdrpFindModule(text, (ULONG)(dot - text), sizeof(char));
    LDRP_MODULE *late = base ? LdrpFindLoaded(base) : NULL, *own = LdrpFindLoaded(image);
    if (!base || late) {
        RtlEnterCriticalSection(&LdrpLoaderLock);
        NTSTATUS status = STATUS_SUCCESS;
        if (!base) status = LdrpLoadNeeded(own, text, (ULONG)(dot - text), 0, 0, &base);
        else if (own) LdrpNeed(own, late);
        else late->Count = -1;
        /* Nobody else will have it begin if who forwards has. */
        if (status >= 0 && !own) status = LdrpInitializePinned();
        late = status >= 0 ? LdrpFindLoaded(base) : NULL;
        if (late && own && own->Initialized) status = LdrpInitializeModule(late);
        RtlLeaveCriticalSection(&LdrpLoaderLock);
        if (status < 0) return status;
    }
    if (*name != '#') return LdrpFindExport(base, name, (ULONG)strlen(name), 0, depth + 1, address);
    for (name++; *name >= '0' && *name <= '9'; name++) ordinal = 10 * ordinal + (ULONG)(*name - '0');
    return LdrpFindExport(base, NULL, 0, ordinal, depth + 1, address);
}

/* `LdrGetDllHandleEx`: as `LdrGetDllHandle`, with a count more (flags 0), unchanged (1), or for ever (2). */
EXPORT NTSTATUS NTAPI LdrGetDllHandleEx(ULONG flags, const WCHAR *path, ULONG *characteristics, const UNICODE_STRING *name, PVOID *base) {
    PVOID found;
    if (flags & ~3u) return STATUS_INVALID_PARAMETER;
    NTSTATUS status = LdrGetDllHandle(path, characteristics, name, &found);
    if (status >= 0 && !(flags & 1)) status = LdrAddRefDll(flags & 2 ? 1 : 0, found);
    if (status >= 0 && base) *base = found;
    return status;
}

/* `LdrGetProcedureAddressEx`, `LdrGetProcedureAddressForCaller`: what is added says who asks. */
EXPORT NTSTATUS NTAPI LdrGetProcedureAddressEx(PVOID base, const ANSI_STRING *name, ULONG ordinal, PVOID *address, ULONG flags) {
    return flags & ~1u ? STATUS_INVALID_PARAMETER : LdrGetProcedureAddress(base, name, ordinal, address);
}
EXPORT NTSTATUS NTAPI LdrGetProcedureAddressForCaller(PVOID base, const ANSI_STRING *name, ULONG ordinal, PVOID *address, ULONG flags, PVOID *caller) {
    (void)caller;
    return LdrGetProcedureAddressEx(base, name, ordinal, address, flags);
}

/* `LdrFindEntryForAddress`: the entry of the module that an address is in. */
EXPORT NTSTATUS NTAPI LdrFindEntryForAddress(PVOID address, LDR_DATA_TABLE_ENTRY **entry) {
    *entry = LdrpFindEntryByAddress(address);
    return *entry ? STATUS_SUCCESS : STATUS_NO_MORE_ENTRIES;
}

/* `LdrDisableThreadCalloutsForDll`. */
EXPORT NTSTATUS NTAPI LdrDisableThreadCalloutsForDll(PVOID base) {
    LDR_DATA_TABLE_ENTRY *entry = LdrpFindEntry(base);
    ULONG size;
    if (!entry) return STATUS_DLL_NOT_FOUND;
    if (LdrpImageDirectory(base, IMAGE_DIRECTORY_ENTRY_TLS, &size)) return STATUS_UNSUCCESSFUL;
    entry->Flags |= LDRP_DONT_CALL_FOR_THREADS;
    return STATUS_SUCCESS;
}

/* `LdrLockLoaderLock`, `LdrUnlockLoaderLock`: the lock under which modules are loaded and told. */
EXPORT NTSTATUS NTAPI LdrLockLoaderLock(ULONG flags, ULONG *result, ULONG_PTR *cookie) {
    if (result) *result = 0;
    if (flags & ~3u) return STATUS_INVALID_PARAMETER_1;
    if (!cookie) return STATUS_INVALID_PARAMETER_3;
    *cookie = 0;
    if (flags & 2) {
        if (!result) return STATUS_INVALID_PARAMETER_2;
        if (!RtlTryEnterCriticalSection(&LdrpLoaderLock)) {
            *result = 2;
            return STATUS_SUCCESS;
        }
        *result = 1;
    } else {
        RtlEnterCriticalSection(&LdrpLoaderLock);
        if (result) *result = 1;
    }
    *cookie = (ULONG_PTR)NtCurrentTeb()->ClientId.UniqueThread;
    return STATUS_SUCCESS;
}
EXPORT NTSTATUS NTAPI LdrUnlockLoaderLock(ULONG flags, ULONG_PTR cookie) {
    if (flags & ~1u) return STATUS_INVALID_PARAMETER_1;
    if (!cookie) return STATUS_SUCCESS;
    if (cookie != (ULONG_PTR)NtCurrentTeb()->ClientId.UniqueThread) return STATUS_INVALID_PARAMETER_2;
    RtlLeaveCriticalSection(&LdrpLoaderLock);
    return STATUS_SUCCESS;
}

/* `LdrEnumerateLoadedModules`: a routine for each, which may stop it. */
EXPORT NTSTATUS NTAPI LdrEnumerateLoadedModules(ULONG flags, void(NTAPI *routine)(const LDR_DATA_TABLE_ENTRY *, PVOID, BOOLEAN *), PVOID context) {
    BOOLEAN stop = FALSE;
    if (flags || !routine) return STATUS_INVALID_PARAMETER;
    RtlEnterCriticalSection(&LdrpLoaderLock);
    LIST_ENTRY *head = &NtCurrentPeb()->Ldr->InLoadOrderModuleList;
    for (LIST_ENTRY *at = head->Flink; at != head && !stop; at = at->Flink)
        routine(CONTAINER(at, LDR_DATA_TABLE_ENTRY, InLoadOrderLinks), context, &stop);
    RtlLeaveCriticalSection(&LdrpLoaderLock);
    return STATUS_SUCCESS;
}
