/* Change notifications: the handle is a directory's, which is signalled when what it waits for has come. */
#include "files.h"

/* Where the kernel puts a result that nobody reads. */
static IO_STATUS_BLOCK BasepWatched;

/* Asks for the next change; the kernel keeps what and where from the first time. */
static NTSTATUS BasepWatch(HANDLE directory, ULONG filter, BOOL tree) {
    return NtNotifyChangeDirectoryFile(directory, NULL, NULL, NULL, &BasepWatched, NULL, 0, filter, !!tree);
}

/* `FindFirstChangeNotificationW`. */
HANDLE NTAPI FindFirstChangeNotificationW(const WCHAR *name, BOOL tree, ULONG filter) {
    UNICODE_STRING path;
    IO_STATUS_BLOCK io;
    HANDLE directory = NULL;
    NTSTATUS status = BasepNtPath(name, &path);
    if (status >= 0) {
        OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &path, OBJ_CASE_INSENSITIVE, NULL, NULL};
        status = NtOpenFile(&directory, FILE_LIST_DIRECTORY | SYNCHRONIZE, &attributes, &io, FILE_SHARE_ALL,
                            FILE_DIRECTORY_FILE | FILE_OPEN_FOR_BACKUP_INTENT);
        RtlFreeUnicodeString(&path);
    }
    if (status >= 0) {
        status = BasepWatch(directory, filter, tree);
        if (status < 0) NtClose(directory);
    }
    return BasepStatus(status) ? directory : INVALID_HANDLE_VALUE;
}
BASEP_PATH_A(HANDLE, INVALID_HANDLE_VALUE, FindFirstChangeNotificationA, (const char *name, BOOL tree, ULONG filter),
             FindFirstChangeNotificationW(wide, tree, filter))

/* `FindNextChangeNotification`. */
BOOL NTAPI FindNextChangeNotification(HANDLE directory) { return BasepStatus(BasepWatch(directory, 0x15f, FALSE)); }

/* `FindCloseChangeNotification`. */
BOOL NTAPI FindCloseChangeNotification(HANDLE directory) { return CloseHandle(directory); }
