/* The loader's lists: a loaded module by name or by base. */
#include "ntdll.h"

/* The longest module name looked up, in characters, the extension left out. */
#define LDRP_LONGEST_NAME 260

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

/* The base of the loaded module of that name, or NULL. The name has `length` characters of `width` bytes; with a
 * backslash it is a full path, without a dot in its last part it ends in `.dll`. */
PVOID LdrpFindModule(const void *name, ULONG length, ULONG width) {
    WCHAR wide[LDRP_LONGEST_NAME + 4];
    BOOLEAN is_path = FALSE, has_dot = FALSE;
    if (!length || length > LDRP_LONGEST_NAME) return NULL;
    for (ULONG i = 0; i < length; i++) {
        WCHAR c = width == sizeof(WCHAR) ? ((const WCHAR *)name)[i] : ((const UCHAR *)name)[i];
        wide[i] = c;
        if (c == '\\') is_path = TRUE, has_dot = FALSE;
        if (c == '.') has_dot = TRUE;
    }
    if (!has_dot) {
        for (ULONG i = 0; i < 4; i++) wide[length++] = (WCHAR) ".dll"[i];
    } else if (wide[length - 1] == '.') {
        /* A final dot says that there is no extension. */
        length--;
    }
    PEB_LDR_DATA *ldr = NtCurrentPeb()->Ldr;
    if (!ldr) return NULL;
    LIST_ENTRY *head = &ldr->InLoadOrderModuleList;
    for (LIST_ENTRY *at = head->Flink; at != head; at = at->Flink) {
        LDR_DATA_TABLE_ENTRY *entry = CONTAINER(at, LDR_DATA_TABLE_ENTRY, InLoadOrderLinks);
        if (LdrpEqualNames(is_path ? &entry->FullDllName : &entry->BaseDllName, wide, length)) return entry->DllBase;
    }
    return NULL;
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
