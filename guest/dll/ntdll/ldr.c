/* The loader's lists: a loaded module by name or by base. */
#include "load.h"

/* The entry of the module that is loaded at `base`, or NULL. */
LDR_DATA_TABLE_ENTRY *LdrpFindEntry(PVOID base) {
    PEB_LDR_DATA *ldr = NtCurrentPeb()->Ldr;
    if (!ldr) return NULL;
    LIST_ENTRY *head = &ldr->InLoadOrderModuleList;
    for (LIST_ENTRY *at = head->Flink; at != head; at = at->Flink) {
        LDR_DATA_TABLE_ENTRY *entry = CONTAINER(at, LDR_DATA_TABLE_ENTRY, InLoadOrderLinks);
        if (entry->DllBase == base) return entry;
    }
    return NULL;
}

/* The module that an address is in, or NULL. */
LDR_DATA_TABLE_ENTRY *LdrpFindEntryByAddress(PVOID address) {
    PEB_LDR_DATA *ldr = NtCurrentPeb()->Ldr;
    if (!ldr) return NULL;
    LIST_ENTRY *head = &ldr->InLoadOrderModuleList;
    for (LIST_ENTRY *at = head->Flink; at != head; at = at->Flink) {
        LDR_DATA_TABLE_ENTRY *entry = CONTAINER(at, LDR_DATA_TABLE_ENTRY, InLoadOrderLinks);
        if ((ULONG_PTR)address - (ULONG_PTR)entry->DllBase < entry->SizeOfImage) return entry;
    }
    return NULL;
}

/* Whether a string of a module's entry is the name, but for ASCII case. */
BOOLEAN LdrpEqualNames(const UNICODE_STRING *string, const WCHAR *name, ULONG length) {
    if (string->Length / sizeof(WCHAR) != length) return FALSE;
    while (length--)
        if (RtlpFold(string->Buffer[length]) != RtlpFold(name[length])) return FALSE;
    return TRUE;
}

/* The DLLs that stand in for names that are only sets of functions. */
static const struct { const char *Prefix; const WCHAR *Host; } LdrpApiSets[] = {
#include "api_sets.inc"
};

/* Puts the name of an API set's host in its place. */
static void LdrpApiSetHost(WCHAR *wide, ULONG *length) {
    for (ULONG i = 0; i < sizeof LdrpApiSets / sizeof *LdrpApiSets; i++) {
        const char *prefix = LdrpApiSets[i].Prefix;
        ULONG at = 0;
        while (prefix[at] && at < *length && RtlpFold(wide[at]) == (UCHAR)prefix[at]) at++;
        if (prefix[at]) continue;
        for (*length = 0; LdrpApiSets[i].Host[*length]; ++*length) wide[*length] = LdrpApiSets[i].Host[*length];
        return;
    }
}

/* A module's name as it is looked for: `length` characters of `width` bytes; with a backslash it is a path, without a dot
 * in its last part it ends in `.dll`, and an API set is its host. FALSE for none and for what is too long. */
BOOLEAN LdrpModuleName(const void *name, ULONG length, ULONG width, WCHAR *wide, ULONG *count, BOOLEAN *is_path) {
    BOOLEAN has_dot = FALSE;
    *is_path = FALSE;
    if (!length || length > LDRP_LONGEST_PATH - 4) return FALSE;
    for (ULONG i = 0; i < length; i++) {
        WCHAR c = width == sizeof(WCHAR) ? ((const WCHAR *)name)[i] : ((const UCHAR *)name)[i];
        if (!c) return FALSE;
        wide[i] = c == '/' ? '\\' : c;
        if (wide[i] == '\\' || (c == ':' && i == 1)) *is_path = TRUE, has_dot = FALSE;
        if (c == '.') has_dot = TRUE;
    }
    if (!has_dot) {
        for (ULONG i = 0; i < 4; i++) wide[length++] = (WCHAR) ".dll"[i];
    } else if (wide[length - 1] == '.') {
        /* A final dot says that there is no extension. */
        length--;
    }
    if (!*is_path) LdrpApiSetHost(wide, &length);
    wide[length] = 0;
    *count = length;
    return TRUE;
}

/* The entry of the loaded module of a name, or of a full path; or NULL. */
LDR_DATA_TABLE_ENTRY *LdrpFindName(const WCHAR *name, ULONG length, BOOLEAN is_path) {
    PEB_LDR_DATA *ldr = NtCurrentPeb()->Ldr;
    if (!ldr) return NULL;
    LIST_ENTRY *head = &ldr->InLoadOrderModuleList;
    for (LIST_ENTRY *at = head->Flink; at != head; at = at->Flink) {
        LDR_DATA_TABLE_ENTRY *entry = CONTAINER(at, LDR_DATA_TABLE_ENTRY, InLoadOrderLinks);
        if (LdrpEqualNames(is_path ? &entry->FullDllName : &entry->BaseDllName, name, length)) return entry;
    }
    return NULL;
}

/* The base of the loaded module of that name, or NULL. */
PVOID LdrpFindModule(const void *name, ULONG length, ULONG width) {
    WCHAR wide[LDRP_LONGEST_PATH + 1];
    BOOLEAN is_path;
    if (!LdrpModuleName(name, length, width, wide, &length, &is_path)) return NULL;
    const LDR_DATA_TABLE_ENTRY *entry = LdrpFindName(wide, length, is_path);
    return entry ? entry->DllBase : NULL;
}

/* `LdrGetDllHandle`: the base of a loaded module by name; search path and characteristics are not used. A name
 * without a dot means `.dll`. STATUS_DLL_NOT_FOUND if no loaded module has it. */
NTSTATUS NTAPI LdrGetDllHandle(const WCHAR *path, ULONG *characteristics, const UNICODE_STRING *name, PVOID *base) {
    (void)path, (void)characteristics;
    PVOID found = LdrpFindModule(name->Buffer, name->Length / sizeof(WCHAR), sizeof(WCHAR));
    if (!found) return STATUS_DLL_NOT_FOUND;
    *base = found;
    return STATUS_SUCCESS;
}

/* An import that Windows has and nobody has written here is called: it is told, as the loader tells of a procedure entry
 * point that could not be located, and raised. The emulator's loader binds such imports to calls of this. */
__attribute__((used, noreturn)) void NTAPI LdrpMissingFunction(const ULONG_PTR *names) {
    ULONG response;
    NtRaiseHardError(STATUS_ENTRYPOINT_NOT_FOUND, 2, 3, (PVOID)names, 1, &response);
    RtlRaiseStatus(STATUS_ENTRYPOINT_NOT_FOUND);
}
