/* Looking for files. */
#include "files.h"

typedef struct {
    ULONG dwFileAttributes;
    FILETIME ftCreationTime, ftLastAccessTime, ftLastWriteTime;
    ULONG nFileSizeHigh, nFileSizeLow, dwReserved0, dwReserved1;
    WCHAR cFileName[MAX_PATH], cAlternateFileName[14];
} WIN32_FIND_DATAW;
typedef struct {
    ULONG dwFileAttributes;
    FILETIME ftCreationTime, ftLastAccessTime, ftLastWriteTime;
    ULONG nFileSizeHigh, nFileSizeLow, dwReserved0, dwReserved1;
    CHAR cFileName[MAX_PATH], cAlternateFileName[14];
} WIN32_FIND_DATAA;
_Static_assert(sizeof(WIN32_FIND_DATAW) == 592 && sizeof(WIN32_FIND_DATAA) == 320, "WIN32_FIND_DATA");

#define FIND_MAGIC 0x464e4446
#define FIND_BUFFER 0x1000
/* A search that is under way: `at` is where in the buffer the next entry is, -1 that there is none left in it. */
typedef struct {
    ULONG magic;
    LONG at;
    HANDLE directory;
    union { UCHAR bytes[FIND_BUFFER]; LONGLONG align; } buffer;
} BASEP_FIND;

/* DOS's wildcards as NT's: `?` before a dot or the end need not be there, `.` before a wildcard neither, and `*` before a
 * dot stops at the last one. `*.*` is everything. */
static void BasepTranslate(WCHAR *pattern) {
    ULONG length = (ULONG)wcslen(pattern);
    if (length == 3 && pattern[0] == '*' && pattern[1] == '.' && pattern[2] == '*') {
        pattern[1] = 0;
        return;
    }
    for (ULONG i = 0; i < length; i++) {
        if (pattern[i] == '.' && (pattern[i + 1] == '?' || pattern[i + 1] == '*')) pattern[i] = '"';
        else if (pattern[i] == '?') pattern[i] = '>';
        else if (pattern[i] == '*' && pattern[i + 1] == '.') pattern[i] = '<';
    }
}

static NTSTATUS BasepFillFind(BASEP_FIND *find, UNICODE_STRING *pattern, BOOLEAN restart) {
    IO_STATUS_BLOCK io;
    find->at = 0;
    return NtQueryDirectoryFile(find->directory, NULL, NULL, NULL, &io, find->buffer.bytes, FIND_BUFFER,
                                FileBothDirectoryInformation, FALSE, pattern, restart);
}

/* Hands the next entry over. */
static void BasepTakeFound(BASEP_FIND *find, WIN32_FIND_DATAW *data) {
    const FILE_BOTH_DIR_INFORMATION *entry = (const FILE_BOTH_DIR_INFORMATION *)(find->buffer.bytes + find->at);
    ULONG length = entry->FileNameLength / 2;
    if (length > MAX_PATH - 1) length = MAX_PATH - 1;
    *data = (WIN32_FIND_DATAW){.dwFileAttributes = entry->FileAttributes};
    data->ftCreationTime = BasepFileTime(entry->CreationTime);
    data->ftLastAccessTime = BasepFileTime(entry->LastAccessTime);
    data->ftLastWriteTime = BasepFileTime(entry->LastWriteTime);
    data->nFileSizeHigh = (ULONG)(entry->EndOfFile >> 32);
    data->nFileSizeLow = (ULONG)entry->EndOfFile;
    memmove(data->cFileName, entry->FileName, length * 2);
    find->at = entry->NextEntryOffset ? find->at + (LONG)entry->NextEntryOffset : -1;
}

static HANDLE BasepFindFailed(NTSTATUS status) {
    RtlSetLastWin32ErrorAndNtStatusFromNtStatus(status);
    return INVALID_HANDLE_VALUE;
}

/* `FindFirstFileExW`: names with all that is known of them (information levels 0 and 1), directories alone as a hint that
 * is not taken. */
HANDLE NTAPI FindFirstFileExW(const WCHAR *name, ULONG level, PVOID to, ULONG operation, PVOID filter, ULONG flags) {
    UNICODE_STRING path, pattern;
    WCHAR *part;
    IO_STATUS_BLOCK io;
    (void)flags;
    if (level > 1 || operation > 1 || filter || !to) {
        RtlSetLastWin32Error(level > 1 || !to ? ERROR_INVALID_PARAMETER : ERROR_NOT_SUPPORTED);
        return INVALID_HANDLE_VALUE;
    }
    NTSTATUS status = !name || !*name ? STATUS_OBJECT_PATH_NOT_FOUND : RtlDosPathNameToNtPathName_U_WithStatus(name, &path, &part, NULL);
    if (status < 0) return BasepFindFailed(status == STATUS_OBJECT_NAME_INVALID ? STATUS_OBJECT_PATH_NOT_FOUND : status);
    /* A full path loses a dot at its end, which as a pattern means that there is no extension. */
    ULONG given = (ULONG)wcslen(name);
    BASEP_FIND *find = part ? BasepAllocate(sizeof *find + (wcslen(part) + 2) * 2) : NULL;
    if (!find) {
        RtlFreeUnicodeString(&path);
        return BasepFindFailed(part ? STATUS_NO_MEMORY : STATUS_NO_SUCH_FILE);
    }
    WCHAR *own = (WCHAR *)(find + 1);
    wcscpy(own, part);
    if (given > 1 && name[given - 1] == '.' && (name[given - 2] == '*' || name[given - 2] == '?')) wcscat(own, L"\"");
    BasepTranslate(own);
    RtlInitUnicodeString(&pattern, own);
    path.Length = (USHORT)((char *)part - (char *)path.Buffer);
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &path, OBJ_CASE_INSENSITIVE, NULL, NULL};
    find->magic = FIND_MAGIC;
    status = NtOpenFile(&find->directory, FILE_LIST_DIRECTORY | SYNCHRONIZE, &attributes, &io, FILE_SHARE_ALL,
                        FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT | FILE_OPEN_FOR_BACKUP_INTENT);
    RtlFreeUnicodeString(&path);
    if (status < 0) {
        BasepFree(find);
        /* The folder is what was not found. */
        return BasepFindFailed(status == STATUS_OBJECT_NAME_NOT_FOUND || status == STATUS_OBJECT_TYPE_MISMATCH ? STATUS_OBJECT_PATH_NOT_FOUND : status);
    }
    status = BasepFillFind(find, &pattern, TRUE);
    if (status < 0) {
        NtClose(find->directory);
        BasepFree(find);
        return BasepFindFailed(status);
    }
    BasepTakeFound(find, to);
    return find;
}

/* `FindFirstFileW`. */
HANDLE NTAPI FindFirstFileW(const WCHAR *name, WIN32_FIND_DATAW *to) { return FindFirstFileExW(name, 0, to, 0, NULL, 0); }

/* `FindNextFileW`. */
BOOL NTAPI FindNextFileW(HANDLE handle, WIN32_FIND_DATAW *to) {
    BASEP_FIND *find = handle;
    if (!find || handle == INVALID_HANDLE_VALUE || find->magic != FIND_MAGIC) return BasepFail(ERROR_INVALID_HANDLE);
    if (find->at < 0) {
        NTSTATUS status = BasepFillFind(find, NULL, FALSE);
        if (status < 0) {
            find->at = -1;
            return BasepStatus(status);
        }
    }
    BasepTakeFound(find, to);
    return TRUE;
}

/* `FindClose`. */
BOOL NTAPI FindClose(HANDLE handle) {
    BASEP_FIND *find = handle;
    if (!find || handle == INVALID_HANDLE_VALUE || find->magic != FIND_MAGIC) return BasepFail(ERROR_INVALID_HANDLE);
    find->magic = 0;
    NtClose(find->directory);
    BasepFree(find);
    return TRUE;
}

/* What was found, with its name in UTF-8. FALSE: a name that takes more than MAX_PATH bytes, which is passed over. */
static BOOL BasepFoundA(const WIN32_FIND_DATAW *wide, WIN32_FIND_DATAA *to) {
    memmove(to, wide, __builtin_offsetof(WIN32_FIND_DATAW, cFileName));
    to->cAlternateFileName[0] = 0;
    return BasepNarrow(wide->cFileName, (ULONG)wcslen(wide->cFileName), to->cFileName, MAX_PATH) < MAX_PATH;
}

/* `FindNextFileA`. */
BOOL NTAPI FindNextFileA(HANDLE find, WIN32_FIND_DATAA *to) {
    WIN32_FIND_DATAW wide;
    while (FindNextFileW(find, &wide))
        if (BasepFoundA(&wide, to)) return TRUE;
    return FALSE;
}

/* `FindFirstFileExA`. */
HANDLE NTAPI FindFirstFileExA(const char *name, ULONG level, PVOID to, ULONG operation, PVOID filter, ULONG flags) {
    WIN32_FIND_DATAW found;
    WCHAR *wide = BasepWiden(name);
    if (!wide) return INVALID_HANDLE_VALUE;
    HANDLE find = FindFirstFileExW(wide, level, &found, operation, filter, flags);
    BasepFree(wide);
    if (find == INVALID_HANDLE_VALUE || BasepFoundA(&found, to) || FindNextFileA(find, to)) return find;
    FindClose(find);
    return INVALID_HANDLE_VALUE;
}

/* `FindFirstFileA`. */
HANDLE NTAPI FindFirstFileA(const char *name, WIN32_FIND_DATAA *to) { return FindFirstFileExA(name, 0, to, 0, NULL, 0); }
