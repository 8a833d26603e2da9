/* Making, deleting, moving and copying files and directories. */
#include "files.h"

enum { MOVEFILE_REPLACE_EXISTING = 1, MOVEFILE_COPY_ALLOWED = 2, MOVEFILE_DELAY_UNTIL_REBOOT = 4 };

/* Deletes what is open. */
static NTSTATUS BasepDispose(HANDLE file) {
    IO_STATUS_BLOCK io;
    BOOLEAN delete = TRUE;
    return NtSetInformationFile(file, &io, &delete, sizeof delete, FileDispositionInformation);
}

static BOOL BasepDelete(const WCHAR *name, ULONG options) {
    HANDLE file;
    NTSTATUS status = BasepOpenPath(name, DELETE, options | FILE_OPEN_FOR_BACKUP_INTENT | FILE_OPEN_REPARSE_POINT, &file);
    if (status >= 0) {
        status = BasepDispose(file);
        NtClose(file);
    }
    if (status != STATUS_FILE_IS_A_DIRECTORY) return BasepStatus(status);
    return BasepFail(ERROR_ACCESS_DENIED);
}

/* `DeleteFileW`. */
BOOL NTAPI DeleteFileW(const WCHAR *name) { return BasepDelete(name, FILE_NON_DIRECTORY_FILE); }
BASEP_PATH_A(BOOL, FALSE, DeleteFileA, (const char *name), DeleteFileW(wide))

/* `RemoveDirectoryW`. */
BOOL NTAPI RemoveDirectoryW(const WCHAR *name) { return BasepDelete(name, FILE_DIRECTORY_FILE); }
BASEP_PATH_A(BOOL, FALSE, RemoveDirectoryA, (const char *name), RemoveDirectoryW(wide))

/* `CreateDirectoryW`. */
BOOL NTAPI CreateDirectoryW(const WCHAR *name, SECURITY_ATTRIBUTES *security) {
    UNICODE_STRING path;
    IO_STATUS_BLOCK io;
    HANDLE directory;
    NTSTATUS status = BasepNtPath(name, &path);
    if (!BasepStatus(status)) return FALSE;
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &path, OBJ_CASE_INSENSITIVE, security ? security->lpSecurityDescriptor : NULL, NULL};
    status = NtCreateFile(&directory, FILE_LIST_DIRECTORY | SYNCHRONIZE, &attributes, &io, NULL, FILE_ATTRIBUTE_NORMAL, 3, FILE_CREATE,
                          FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT | FILE_OPEN_FOR_BACKUP_INTENT, NULL, 0);
    RtlFreeUnicodeString(&path);
    if (!BasepStatus(status)) return FALSE;
    NtClose(directory);
    return TRUE;
}
BASEP_PATH_A(BOOL, FALSE, CreateDirectoryA, (const char *name, SECURITY_ATTRIBUTES *security), CreateDirectoryW(wide, security))

#define COPY_BUFFER 0x10000
#define COPY_FILE_FAIL_IF_EXISTS 1

static NTSTATUS BasepCopyBytes(HANDLE from, HANDLE to) {
    IO_STATUS_BLOCK io;
    PVOID buffer = BasepAllocate(COPY_BUFFER);
    NTSTATUS status = buffer ? STATUS_SUCCESS : STATUS_NO_MEMORY;
    while (status >= 0) {
        status = NtReadFile(from, NULL, NULL, NULL, &io, buffer, COPY_BUFFER, NULL, NULL);
        if (status == STATUS_END_OF_FILE) {
            status = STATUS_SUCCESS;
            break;
        }
        if (status >= 0) status = NtWriteFile(to, NULL, NULL, NULL, &io, buffer, (ULONG)io.Information, NULL, NULL);
    }
    if (buffer) BasepFree(buffer);
    return status;
}

/* `CopyFileW`: with the time of the last write and the attributes. What is left of a copy that fails goes. */
BOOL NTAPI CopyFileW(const WCHAR *from, const WCHAR *to, BOOL fail_if_exists) {
    FILE_BASIC_INFORMATION basic;
    IO_STATUS_BLOCK io;
    HANDLE source = CreateFileW(from, GENERIC_READ, 3, NULL, 3, 0, NULL);
    if (source == INVALID_HANDLE_VALUE) return FALSE;
    NTSTATUS status = NtQueryInformationFile(source, &io, &basic, sizeof basic, FileBasicInformation);
    HANDLE target = CreateFileW(to, GENERIC_WRITE | DELETE, 0, NULL, fail_if_exists ? 1 : 2, basic.FileAttributes & ~(ULONG)FILE_ATTRIBUTE_READONLY, NULL);
    if (target == INVALID_HANDLE_VALUE) {
        ULONG error = RtlGetLastWin32Error();
        NtClose(source);
        return BasepFail(error);
    }
    if (status >= 0) status = BasepCopyBytes(source, target);
    if (status >= 0) {
        basic = (FILE_BASIC_INFORMATION){0, 0, basic.LastWriteTime, 0, basic.FileAttributes};
        NtSetInformationFile(target, &io, &basic, sizeof basic, FileBasicInformation);
    } else {
        BasepDispose(target);
    }
    NtClose(source);
    NtClose(target);
    if (status >= 0) RtlSetLastWin32Error(0);
    return BasepStatus(status);
}

/* `CopyFileExW`: nobody is told of the progress. */
BOOL NTAPI CopyFileExW(const WCHAR *from, const WCHAR *to, PVOID progress, PVOID data, BOOL *cancel, ULONG flags) {
    (void)data;
    if (progress || flags & ~(ULONG)COPY_FILE_FAIL_IF_EXISTS) return BasepFail(ERROR_NOT_SUPPORTED);
    if (cancel && *cancel) return BasepFail(1235);
    return CopyFileW(from, to, flags & COPY_FILE_FAIL_IF_EXISTS);
}

/* `MoveFileExW`: on one volume a new name; to another a copy, if that is allowed. */
BOOL NTAPI MoveFileExW(const WCHAR *from, const WCHAR *to, ULONG flags) {
    UNICODE_STRING path;
    IO_STATUS_BLOCK io;
    HANDLE file;
    if (flags & MOVEFILE_DELAY_UNTIL_REBOOT || !to) return BasepFail(ERROR_NOT_SUPPORTED);
    NTSTATUS status = BasepOpenPath(from, DELETE | FILE_READ_ATTRIBUTES, FILE_OPEN_FOR_BACKUP_INTENT | FILE_OPEN_REPARSE_POINT, &file);
    if (!BasepStatus(status)) return FALSE;
    status = BasepNtPath(to, &path);
    if (status >= 0) {
        ULONG size = (ULONG)__builtin_offsetof(FILE_RENAME_INFORMATION, FileName) + path.Length + 4;
        FILE_RENAME_INFORMATION *rename = BasepAllocate(size < 24 ? 24 : size);
        status = STATUS_NO_MEMORY;
        if (rename) {
            rename->ReplaceIfExists = flags & MOVEFILE_REPLACE_EXISTING;
            rename->RootDirectory = NULL;
            rename->FileNameLength = path.Length;
            memmove(rename->FileName, path.Buffer, path.Length);
            status = NtSetInformationFile(file, &io, rename, size < 24 ? 24 : size, FileRenameInformation);
            BasepFree(rename);
        }
        RtlFreeUnicodeString(&path);
    }
    NtClose(file);
    if (status == STATUS_NOT_SAME_DEVICE && flags & MOVEFILE_COPY_ALLOWED)
        return CopyFileW(from, to, !(flags & MOVEFILE_REPLACE_EXISTING)) && DeleteFileW(from);
    return BasepStatus(status);
}

/* `MoveFileW`. */
BOOL NTAPI MoveFileW(const WCHAR *from, const WCHAR *to) { return MoveFileExW(from, to, MOVEFILE_COPY_ALLOWED); }

/* A function with two paths. */
#define TWO_PATHS_A(function, parameters, call) \
    BOOL NTAPI function parameters { \
        WCHAR *wide = BasepWiden(from), *wide_to = wide ? BasepWiden(to) : NULL; \
        BOOL done = wide_to && call; \
        ULONG error = RtlGetLastWin32Error(); \
        if (wide_to) BasepFree(wide_to); \
        if (wide) BasepFree(wide); \
        RtlSetLastWin32Error(error); \
        return done; \
    }
TWO_PATHS_A(CopyFileA, (const char *from, const char *to, BOOL fail_if_exists), CopyFileW(wide, wide_to, fail_if_exists))
TWO_PATHS_A(MoveFileExA, (const char *from, const char *to, ULONG flags), MoveFileExW(wide, wide_to, flags))
TWO_PATHS_A(MoveFileA, (const char *from, const char *to), MoveFileW(wide, wide_to))
