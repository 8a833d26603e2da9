/* Where a module's file is: the folders that are searched, in their order ("Dynamic-link library search order"). */
#include "load.h"

#define LDRP_USER_FOLDERS 16
/* What `SetDllDirectory`, `AddDllDirectory` and `SetDefaultDllDirectories` have said. */
static UNICODE_STRING LdrpDllDirectory;
static WCHAR *LdrpUserFolders[LDRP_USER_FOLDERS];
static ULONG LdrpDefaultSearch;
/* `SetDllDirectory` has taken the current folder out of the order. */
static BOOLEAN LdrpNoCurrent;

/* The DLLs that come from the system's folder whatever lies elsewhere: the most of what the key Session Manager\KnownDLLs
 * has on Windows. */
static const char *const LdrpKnownDlls[] = {
#include "known_dlls.inc"
};

static BOOLEAN LdrpIsKnown(const WCHAR *name, ULONG length) {
    for (ULONG i = 0; i < sizeof LdrpKnownDlls / sizeof *LdrpKnownDlls; i++) {
        ULONG at = 0;
        while (at < length && RtlpFold(name[at]) == (UCHAR)LdrpKnownDlls[i][at]) at++;
        if (at == length && !LdrpKnownDlls[i][at]) return TRUE;
    }
    return FALSE;
}

/* The folder that a path is in, its separator included. */
static UNICODE_STRING LdrpFolder(const UNICODE_STRING *path) {
    ULONG length = path->Length / sizeof(WCHAR);
    while (length && path->Buffer[length - 1] != '\\') length--;
    return (UNICODE_STRING){(USHORT)(length * 2), (USHORT)(length * 2), path->Buffer};
}

/* The system's folder is the one that ntdll was loaded from. */
UNICODE_STRING LdrpSystemFolder(void) {
    const LDR_DATA_TABLE_ENTRY *ntdll = LdrpFindName(L"ntdll.dll", 9, FALSE);
    return ntdll ? LdrpFolder(&ntdll->FullDllName) : (UNICODE_STRING){0, 0, NULL};
}

/* Opens a file to be mapped as an image. */
static NTSTATUS LdrpOpenFile(const WCHAR *path, HANDLE *file) {
    UNICODE_STRING nt;
    IO_STATUS_BLOCK io;
    NTSTATUS status = RtlDosPathNameToNtPathName_U_WithStatus(path, &nt, NULL, NULL);
    if (status < 0) return status;
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &nt, OBJ_CASE_INSENSITIVE, NULL, NULL};
    status = NtOpenFile(file, FILE_READ_DATA | FILE_TRAVERSE | SYNCHRONIZE, &attributes, &io, 5,
                        FILE_NON_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT);
    RtlFreeUnicodeString(&nt);
    return status;
}

/* Whether a search goes on after such a status: nothing is there. */
static BOOLEAN LdrpIsAbsent(NTSTATUS status) {
    switch (status) {
    case STATUS_NO_SUCH_FILE: case STATUS_OBJECT_NAME_NOT_FOUND: case STATUS_OBJECT_PATH_NOT_FOUND:
    case STATUS_OBJECT_NAME_INVALID: case STATUS_OBJECT_PATH_INVALID: case STATUS_OBJECT_PATH_SYNTAX_BAD:
    case STATUS_FILE_IS_A_DIRECTORY: case STATUS_NOT_A_DIRECTORY: case STATUS_NO_MEDIA_IN_DEVICE:
    case STATUS_DEVICE_NOT_READY: case STATUS_NAME_TOO_LONG:
        return TRUE;
    }
    return FALSE;
}

/* Tries a folder. STATUS_DLL_NOT_FOUND: it is not there. */
static NTSTATUS LdrpTry(const WCHAR *folder, ULONG length, const WCHAR *name, ULONG count, WCHAR *path, HANDLE *file) {
    WCHAR joined[LDRP_LONGEST_PATH + 1];
    if (!length || length + count + 1 >= LDRP_LONGEST_PATH) return STATUS_DLL_NOT_FOUND;
    memmove(joined, folder, length * 2);
    if (joined[length - 1] != '\\') joined[length++] = '\\';
    memmove(joined + length, name, count * 2);
    joined[length + count] = 0;
    ULONG size = RtlGetFullPathName_U(joined, (LDRP_LONGEST_PATH + 1) * 2, path, NULL);
    if (!size || size > LDRP_LONGEST_PATH * 2) return STATUS_DLL_NOT_FOUND;
    NTSTATUS status = LdrpOpenFile(path, file);
    return LdrpIsAbsent(status) ? STATUS_DLL_NOT_FOUND : status;
}
#define TRY(folder, length) \
    do { \
        NTSTATUS tried = LdrpTry(folder, length, name, count, path, file); \
        if (tried != STATUS_DLL_NOT_FOUND) return tried; \
    } while (0)
#define TRY_STRING(string) TRY((string).Buffer, (string).Length / 2)

/* Tries the folders of a list with semicolons between them. */
static NTSTATUS LdrpTryList(const WCHAR *list, const WCHAR *name, ULONG count, WCHAR *path, HANDLE *file) {
    while (list && *list) {
        ULONG length = 0;
        while (list[length] && list[length] != ';') length++;
        TRY(list, length);
        list += length + (list[length] == ';');
    }
    return STATUS_DLL_NOT_FOUND;
}

/* The value of PATH, or NULL. */
static const WCHAR *LdrpPathVariable(void) {
    const WCHAR *at = NtCurrentPeb()->ProcessParameters->Environment;
    for (; at && *at; at += wcslen(at) + 1)
        if (RtlpFold(at[0]) == 'p' && RtlpFold(at[1]) == 'a' && RtlpFold(at[2]) == 't' && RtlpFold(at[3]) == 'h' && at[4] == '=')
            return at + 5;
    return NULL;
}

/* Tries what `LOAD_LIBRARY_SEARCH_*` name. */
static NTSTATUS LdrpTryFlagged(const UNICODE_STRING *own, ULONG flags, const WCHAR *name, ULONG count, WCHAR *path, HANDLE *file) {
    UNICODE_STRING program = LdrpFolder(&NtCurrentPeb()->ProcessParameters->ImagePathName), system = LdrpSystemFolder();
    if (flags & LOAD_LIBRARY_SEARCH_DEFAULT_DIRS)
        flags |= LOAD_LIBRARY_SEARCH_APPLICATION_DIR | LOAD_LIBRARY_SEARCH_USER_DIRS | LOAD_LIBRARY_SEARCH_SYSTEM32;
    if (flags & LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR && own) TRY_STRING(*own);
    if (flags & LOAD_LIBRARY_SEARCH_APPLICATION_DIR) TRY_STRING(program);
    if (flags & LOAD_LIBRARY_SEARCH_USER_DIRS) {
        for (ULONG i = 0; i < LDRP_USER_FOLDERS; i++)
            if (LdrpUserFolders[i]) TRY(LdrpUserFolders[i], (ULONG)wcslen(LdrpUserFolders[i]));
        TRY_STRING(LdrpDllDirectory);
    }
    if (flags & LOAD_LIBRARY_SEARCH_SYSTEM32) TRY_STRING(system);
    return STATUS_DLL_NOT_FOUND;
}

/* Tries the standard order. `own`: the folder that takes the program's place (LOAD_WITH_ALTERED_SEARCH_PATH), or NULL. */
static NTSTATUS LdrpTryStandard(const UNICODE_STRING *own, const WCHAR *name, ULONG count, WCHAR *path, HANDLE *file) {
    const RTL_USER_PROCESS_PARAMETERS *parameters = NtCurrentPeb()->ProcessParameters;
    UNICODE_STRING program = LdrpFolder(&parameters->ImagePathName), system = LdrpSystemFolder();
    TRY_STRING(own ? *own : program);
    TRY_STRING(LdrpDllDirectory);
    TRY_STRING(system);
    /* C:\Windows\System and C:\Windows. */
    UNICODE_STRING windows = system;
    if (windows.Length) windows.Length -= 2;
    windows = LdrpFolder(&windows);
    WCHAR old[64];
    ULONG length = windows.Length / 2;
    if (length && length + 6 < 64) {
        memmove(old, windows.Buffer, windows.Length);
        memmove(old + length, L"System", 12);
        TRY(old, length + 6);
    }
    TRY_STRING(windows);
    if (!LdrpNoCurrent) TRY_STRING(parameters->CurrentDirectory.DosPath);
    return LdrpTryList(LdrpPathVariable(), name, count, path, file);
}

/* Opens the file of a module that is not loaded: its full path to `path` (LDRP_LONGEST_PATH + 1 characters). `own`: the path of
 * the module that the flags of a folder are about, or NULL. `list`: folders in place of the standard order, or NULL.
 *
 * STATUS_DLL_NOT_FOUND; what opening it says. */
NTSTATUS LdrpOpenModule(const WCHAR *name, ULONG count, BOOLEAN is_path, ULONG flags, const WCHAR *list, WCHAR *path, HANDLE *file) {
    UNICODE_STRING own = {0, 0, NULL}, system = LdrpSystemFolder();
    ULONG searches = flags & LDRP_SEARCHES ? flags & LDRP_SEARCHES : LdrpDefaultSearch;
    if (is_path && RtlDetermineDosPathNameType_U(name) != 5) {
        ULONG size = RtlGetFullPathName_U(name, (LDRP_LONGEST_PATH + 1) * 2, path, NULL);
        if (!size || size > LDRP_LONGEST_PATH * 2) return STATUS_DLL_NOT_FOUND;
        NTSTATUS status = LdrpOpenFile(path, file);
        return LdrpIsAbsent(status) ? STATUS_DLL_NOT_FOUND : status;
    }
    if (!is_path && LdrpIsKnown(name, count)) TRY_STRING(system);
    /* A folder of its own is that of the module whose imports these are, in `list`. */
    if (list && flags & (LOAD_WITH_ALTERED_SEARCH_PATH | LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR)) {
        UNICODE_STRING whole = {(USHORT)(wcslen(list) * 2), 0, (WCHAR *)list};
        own = LdrpFolder(&whole);
        list = NULL;
    }
    if (list) return LdrpTryList(list, name, count, path, file);
    if (searches) return LdrpTryFlagged(own.Length ? &own : NULL, searches, name, count, path, file);
    return LdrpTryStandard(own.Length ? &own : NULL, name, count, path, file);
}

/* `LdrSetDllDirectory`: a folder before the system's; an empty one takes the current folder out of the order, NULL puts it back. */
EXPORT NTSTATUS NTAPI LdrSetDllDirectory(const UNICODE_STRING *folder) {
    HANDLE heap = NtCurrentPeb()->ProcessHeap;
    WCHAR *copy = NULL;
    ULONG length = folder && folder->Buffer ? folder->Length : 0;
    if (length && !(copy = RtlAllocateHeap(heap, 0, length + 2))) return STATUS_NO_MEMORY;
    if (length) memmove(copy, folder->Buffer, length);
    RtlEnterCriticalSection(&LdrpLoaderLock);
    WCHAR *old = LdrpDllDirectory.Buffer;
    LdrpDllDirectory = (UNICODE_STRING){(USHORT)length, (USHORT)(length + 2), copy};
    if (copy) copy[length / 2] = 0;
    LdrpNoCurrent = folder && folder->Buffer;
    RtlLeaveCriticalSection(&LdrpLoaderLock);
    if (old) RtlFreeHeap(heap, 0, old);
    return STATUS_SUCCESS;
}

/* `LdrGetDllDirectory`. */
EXPORT NTSTATUS NTAPI LdrGetDllDirectory(UNICODE_STRING *to) {
    USHORT length = LdrpDllDirectory.Length;
    NTSTATUS status = STATUS_BUFFER_TOO_SMALL;
    if (to->MaximumLength >= length + 2) {
        memmove(to->Buffer, LdrpDllDirectory.Buffer, length);
        to->Buffer[length / 2] = 0;
        status = STATUS_SUCCESS;
    }
    to->Length = (USHORT)(status < 0 ? length + 2 : length);
    return status;
}

/* `LdrAddDllDirectory`: another folder for LOAD_LIBRARY_SEARCH_USER_DIRS, with a cookie to take it back by. */
EXPORT NTSTATUS NTAPI LdrAddDllDirectory(const UNICODE_STRING *folder, PVOID *cookie) {
    ULONG place = 0, length = folder->Length;
    WCHAR *copy = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, length + 2);
    if (!copy) return STATUS_NO_MEMORY;
    memmove(copy, folder->Buffer, length);
    copy[length / 2] = 0;
    ULONG type = RtlDetermineDosPathNameType_U(copy);
    if (type != 2 && type != 1 && type != 6) {
        RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, copy);
        return STATUS_INVALID_PARAMETER;
    }
    while (place < LDRP_USER_FOLDERS && LdrpUserFolders[place]) place++;
    if (place == LDRP_USER_FOLDERS) {
        RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, copy);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    LdrpUserFolders[place] = copy;
    *cookie = copy;
    return STATUS_SUCCESS;
}

/* `LdrRemoveDllDirectory`. */
EXPORT NTSTATUS NTAPI LdrRemoveDllDirectory(PVOID cookie) {
    for (ULONG i = 0; cookie && i < LDRP_USER_FOLDERS; i++) {
        if (LdrpUserFolders[i] != cookie) continue;
        LdrpUserFolders[i] = NULL;
        RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, cookie);
        return STATUS_SUCCESS;
    }
    return STATUS_INVALID_PARAMETER;
}

/* `LdrSetDefaultDllDirectories`: the folders of every search that names none. */
EXPORT NTSTATUS NTAPI LdrSetDefaultDllDirectories(ULONG flags) {
    ULONG allowed = LDRP_SEARCHES & ~LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR;
    if (!flags || flags & ~allowed) return STATUS_INVALID_PARAMETER;
    LdrpDefaultSearch = flags;
    return STATUS_SUCCESS;
}
