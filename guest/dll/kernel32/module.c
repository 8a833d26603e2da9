/* Loaded modules: handles by name, names by handle, exports. */
#include "files.h"
#include "ldr.h"

/* `GetModuleHandleExW`: with a count more, unless it is not wanted; by an address in the module with flag 4, for ever with
 * flag 1. */
BOOL NTAPI GetModuleHandleExW(ULONG flags, const WCHAR *name, PVOID *module) {
    UNICODE_STRING string;
    PVOID base = NtCurrentPeb()->ImageBaseAddress;
    NTSTATUS status = STATUS_SUCCESS;
    if (!module) return BasepFail(ERROR_INVALID_PARAMETER);
    *module = NULL;
    /* Pinned and unchanged at once is no wish. */
    if (flags & ~7u || (flags & 3) == 3 || (flags & 4 && !name)) return BasepFail(ERROR_INVALID_PARAMETER);
    if (flags & 4) {
        LDR_DATA_TABLE_ENTRY *entry;
        status = LdrFindEntryForAddress((PVOID)name, &entry);
        if (status < 0) return BasepFail(ERROR_MOD_NOT_FOUND);
        base = entry->DllBase;
    } else if (name) {
        RtlInitUnicodeString(&string, name);
        status = LdrGetDllHandle(NULL, NULL, &string, &base);
    }
    if (status >= 0 && !(flags & 2)) status = LdrAddRefDll(flags & 1, base);
    if (!BasepStatus(status)) return FALSE;
    *module = base;
    return TRUE;
}

/* `GetModuleHandleExA`. */
BOOL NTAPI GetModuleHandleExA(ULONG flags, const char *name, PVOID *module) {
    WCHAR wide[LONGEST_NAME + 1];
    if (flags & 4 || !name) return GetModuleHandleExW(flags, (const WCHAR *)name, module);
    return BasepWideName(name, wide) ? GetModuleHandleExW(flags, wide, module) : FALSE;
}

/* `GetModuleHandleW`: the base of a module by name, of the program for NULL; or NULL with ERROR_MOD_NOT_FOUND. */
PVOID NTAPI GetModuleHandleW(const WCHAR *name) {
    PVOID base;
    return GetModuleHandleExW(2, name, &base) ? base : NULL;
}

/* `GetModuleHandleA`. */
PVOID NTAPI GetModuleHandleA(const char *name) {
    PVOID base;
    return GetModuleHandleExA(2, name, &base) ? base : NULL;
}

/* The entry of the module that is loaded at `base`, or NULL. */
static const LDR_DATA_TABLE_ENTRY *BasepFindEntry(PVOID base) {
    PEB_LDR_DATA *ldr = NtCurrentPeb()->Ldr;
    if (!ldr) return NULL;
    LIST_ENTRY *head = &ldr->InLoadOrderModuleList;
    for (LIST_ENTRY *at = head->Flink; at != head; at = at->Flink) {
        LDR_DATA_TABLE_ENTRY *entry = CONTAINER(at, LDR_DATA_TABLE_ENTRY, InLoadOrderLinks);
        if (entry->DllBase == base) return entry;
    }
    return NULL;
}

/* `GetModuleFileNameW`: the units of a module's path, of the program's for NULL. One that does not fit is cut to the
 * buffer, its size returned and the last error ERROR_INSUFFICIENT_BUFFER. */
ULONG NTAPI GetModuleFileNameW(PVOID base, WCHAR *to, ULONG room) {
    const LDR_DATA_TABLE_ENTRY *entry = BasepFindEntry(base ? base : NtCurrentPeb()->ImageBaseAddress);
    if (!entry) return (ULONG)BasepStatus(STATUS_DLL_NOT_FOUND);
    ULONG length = entry->FullDllName.Length / sizeof(WCHAR), copied = length < room ? length : room - 1;
    if (room) {
        memmove(to, entry->FullDllName.Buffer, copied * sizeof(WCHAR));
        to[copied] = 0;
    }
    if (length < room) return length;
    RtlSetLastWin32Error(ERROR_INSUFFICIENT_BUFFER);
    return room;
}

/* `GetProcAddress`: an export by name, or by ordinal for a number below 10000 hexadecimal; of the program for a NULL
 * base. */
PVOID NTAPI GetProcAddress(PVOID base, const char *name) {
    ANSI_STRING string;
    PVOID address;
    ULONG ordinal = (ULONG_PTR)name < 0x10000 ? (ULONG)(ULONG_PTR)name : 0;
    BOOL by_name = (ULONG_PTR)name >= 0x10000;
    if (by_name) RtlInitAnsiString(&string, name);
    if (!base) base = NtCurrentPeb()->ImageBaseAddress;
    return BasepStatus(LdrGetProcedureAddress(base, by_name ? &string : NULL, ordinal, &address)) ? address : NULL;
}

/* `GetBinaryTypeW`: SCS_32BIT_BINARY or SCS_64BIT_BINARY. ERROR_BAD_EXE_FORMAT. */
BOOL NTAPI GetBinaryTypeW(const WCHAR *name, ULONG *type) {
    IO_STATUS_BLOCK io;
    HANDLE file;
    UCHAR head[64], pe[6];
    LONGLONG at = 0;
    if (!BasepStatus(BasepOpenPath(name, GENERIC_READ, FILE_NON_DIRECTORY_FILE, &file))) return FALSE;
    NTSTATUS status = NtReadFile(file, NULL, NULL, NULL, &io, head, sizeof head, &at, NULL);
    BOOL known = status >= 0 && io.Information == sizeof head && head[0] == 'M' && head[1] == 'Z';
    if (known) {
        at = head[60] | head[61] << 8 | head[62] << 16 | (LONGLONG)head[63] << 24;
        status = NtReadFile(file, NULL, NULL, NULL, &io, pe, sizeof pe, &at, NULL);
        ULONG machine = (ULONG)(pe[4] | pe[5] << 8);
        known = status >= 0 && io.Information == sizeof pe && pe[0] == 'P' && pe[1] == 'E' && (machine == 0x14c || machine == 0x8664);
        if (known) *type = machine == 0x8664 ? 6 : 0;
    }
    NtClose(file);
    return known ? TRUE : BasepFail(193 /* ERROR_BAD_EXE_FORMAT */);
}
BASEP_PATH_A(BOOL, FALSE, GetBinaryTypeA, (const char *name, ULONG *type), GetBinaryTypeW(wide, type))
