/* Opening, positions and sizes. */
#include "files.h"

#define FILE_FLAG_WRITE_THROUGH 0x80000000u
#define FILE_FLAG_OVERLAPPED 0x40000000u
#define FILE_FLAG_NO_BUFFERING 0x20000000u
#define FILE_FLAG_RANDOM_ACCESS 0x10000000u
#define FILE_FLAG_SEQUENTIAL_SCAN 0x08000000u
#define FILE_FLAG_DELETE_ON_CLOSE 0x04000000u
#define FILE_FLAG_BACKUP_SEMANTICS 0x02000000u
#define FILE_FLAG_OPEN_REPARSE_POINT 0x00200000u
enum { CREATE_NEW = 1, CREATE_ALWAYS, OPEN_EXISTING, OPEN_ALWAYS, TRUNCATE_EXISTING };
/* What of the flags are attributes. */
#define ATTRIBUTES 0x7fb7

static ULONG BasepOptions(ULONG flags) {
    ULONG options = flags & FILE_FLAG_BACKUP_SEMANTICS ? FILE_OPEN_FOR_BACKUP_INTENT : FILE_NON_DIRECTORY_FILE;
    if (flags & FILE_FLAG_WRITE_THROUGH) options |= 0x2;
    if (flags & FILE_FLAG_SEQUENTIAL_SCAN) options |= 0x4;
    if (flags & FILE_FLAG_NO_BUFFERING) options |= 0x8;
    if (flags & FILE_FLAG_RANDOM_ACCESS) options |= 0x800;
    if (flags & FILE_FLAG_DELETE_ON_CLOSE) options |= FILE_DELETE_ON_CLOSE;
    if (flags & FILE_FLAG_OPEN_REPARSE_POINT) options |= FILE_OPEN_REPARSE_POINT;
    if (!(flags & FILE_FLAG_OVERLAPPED)) options |= FILE_SYNCHRONOUS_IO_NONALERT;
    return options;
}

/* `CreateFileW`. */
HANDLE NTAPI CreateFileW(const WCHAR *name, ULONG access, ULONG share, SECURITY_ATTRIBUTES *security, ULONG creation,
                         ULONG flags, HANDLE template) {
    static const UCHAR dispositions[] = {0, FILE_CREATE, FILE_OVERWRITE_IF, FILE_OPEN, FILE_OPEN_IF, FILE_OVERWRITE};
    UNICODE_STRING path;
    IO_STATUS_BLOCK io;
    HANDLE file = NULL;
    (void)template;
    BOOL wrong = creation < CREATE_NEW || creation > TRUNCATE_EXISTING || (creation == TRUNCATE_EXISTING && !(access & (GENERIC_WRITE | FILE_WRITE_DATA)));
    NTSTATUS status = wrong ? STATUS_INVALID_PARAMETER : BasepNtPath(name, &path);
    if (status < 0) {
        RtlSetLastWin32ErrorAndNtStatusFromNtStatus(status);
        return INVALID_HANDLE_VALUE;
    }
    BOOL slash = path.Length && path.Buffer[path.Length / 2 - 1] == '\\';
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &path, OBJ_CASE_INSENSITIVE, NULL, NULL};
    if (security) {
        attributes.SecurityDescriptor = security->lpSecurityDescriptor;
        if (security->bInheritHandle) attributes.Attributes |= OBJ_INHERIT;
    }
    access |= SYNCHRONIZE | FILE_READ_ATTRIBUTES;
    if (flags & FILE_FLAG_DELETE_ON_CLOSE) access |= DELETE;
    status = NtCreateFile(&file, access, &attributes, &io, NULL, flags & ATTRIBUTES & ~(ULONG)FILE_ATTRIBUTE_DIRECTORY, share,
                          dispositions[creation], BasepOptions(flags), NULL, 0);
    RtlFreeUnicodeString(&path);
    if (status >= 0) {
        BOOL existed = (creation == CREATE_ALWAYS && io.Information == FILE_OVERWRITTEN) || (creation == OPEN_ALWAYS && io.Information == FILE_OPENED);
        RtlSetLastWin32Error(existed ? ERROR_ALREADY_EXISTS : 0);
        return file;
    }
    RtlSetLastWin32ErrorAndNtStatusFromNtStatus(status);
    if (status == STATUS_OBJECT_NAME_COLLISION) RtlSetLastWin32Error(ERROR_FILE_EXISTS);
    if (status == STATUS_FILE_IS_A_DIRECTORY) RtlSetLastWin32Error(slash ? ERROR_PATH_NOT_FOUND : ERROR_ACCESS_DENIED);
    return INVALID_HANDLE_VALUE;
}

/* `CreateFileA`. */
BASEP_PATH_A(HANDLE, INVALID_HANDLE_VALUE, CreateFileA,
             (const char *name, ULONG access, ULONG share, SECURITY_ATTRIBUTES *security, ULONG creation, ULONG flags, HANDLE template),
             CreateFileW(wide, access, share, security, creation, flags, template))

/* `GetFileSizeEx`. */
BOOL NTAPI GetFileSizeEx(HANDLE file, LONGLONG *size) {
    FILE_STANDARD_INFORMATION standard;
    IO_STATUS_BLOCK io;
    if (!BasepStatus(NtQueryInformationFile(file, &io, &standard, sizeof standard, FileStandardInformation))) return FALSE;
    *size = standard.EndOfFile;
    return TRUE;
}

/* `GetFileSize`: the lower half, and the upper one to `*high`. */
ULONG NTAPI GetFileSize(HANDLE file, ULONG *high) {
    LONGLONG size;
    if (!GetFileSizeEx(file, &size)) return 0xffffffff;
    if (high) *high = (ULONG)(size >> 32);
    if ((ULONG)size == 0xffffffff) RtlSetLastWin32Error(0);
    return (ULONG)size;
}

/* `SetFilePointerEx`: from the start (0), from here (1), from the end (2). */
BOOL NTAPI SetFilePointerEx(HANDLE file, LONGLONG distance, LONGLONG *now, ULONG method) {
    IO_STATUS_BLOCK io;
    LONGLONG position = 0;
    NTSTATUS status = STATUS_SUCCESS;
    if (method == 1) status = NtQueryInformationFile(file, &io, &position, sizeof position, FilePositionInformation);
    else if (method == 2) { if (!GetFileSizeEx(file, &position)) return FALSE; }
    else if (method) return BasepFail(ERROR_INVALID_PARAMETER);
    if (!BasepStatus(status)) return FALSE;
    position += distance;
    if (position < 0) return BasepFail(ERROR_NEGATIVE_SEEK);
    if (!BasepStatus(NtSetInformationFile(file, &io, &position, sizeof position, FilePositionInformation))) return FALSE;
    if (now) *now = position;
    return TRUE;
}

/* `SetFilePointer`: 32 bits of it, the upper half in `*high`. */
ULONG NTAPI SetFilePointer(HANDLE file, LONG low, LONG *high, ULONG method) {
    LONGLONG distance = high ? (LONGLONG)((ULONGLONG)(ULONG)*high << 32 | (ULONG)low) : low, now;
    if (!SetFilePointerEx(file, distance, &now, method)) return 0xffffffff;
    if (high) *high = (LONG)(now >> 32);
    else if (now > 0x7fffffff) return BasepFail(ERROR_INVALID_PARAMETER), 0xffffffff;
    if ((ULONG)now == 0xffffffff) RtlSetLastWin32Error(0);
    return (ULONG)now;
}

/* `SetEndOfFile`: the file ends where its pointer is. */
BOOL NTAPI SetEndOfFile(HANDLE file) {
    IO_STATUS_BLOCK io;
    LONGLONG position;
    NTSTATUS status = NtQueryInformationFile(file, &io, &position, sizeof position, FilePositionInformation);
    if (status >= 0) status = NtSetInformationFile(file, &io, &position, sizeof position, FileEndOfFileInformation);
    return BasepStatus(status);
}

/* `FlushFileBuffers`. */
BOOL NTAPI FlushFileBuffers(HANDLE file) {
    IO_STATUS_BLOCK io;
    return BasepStatus(NtFlushBuffersFile(BasepMapStdHandle(file), &io));
}

/* `GetFileType`: FILE_TYPE_DISK, CHAR or PIPE, by the device. */
ULONG NTAPI GetFileType(HANDLE file) {
    struct { ULONG DeviceType, Characteristics; } device;
    IO_STATUS_BLOCK io;
    NTSTATUS status = NtQueryVolumeInformationFile(BasepMapStdHandle(file), &io, &device, sizeof device, FileFsDeviceInformation);
    if (!BasepStatus(status)) return 0;
    switch (device.DeviceType) {
    case 0x15: case 0x50: case 0xb: case 0x1b: return 2;
    case 0x11: case 0xc: return 3;
    case 0x2: case 0x7: case 0x8: case 0x14: return 1;
    default:
        RtlSetLastWin32Error(0);
        return 0;
    }
}

/* `LockFileEx`: 1 does not wait, 2 is for writing. */
BOOL NTAPI LockFileEx(HANDLE file, ULONG flags, ULONG reserved, ULONG low, ULONG high, OVERLAPPED *o) {
    LONGLONG offset = (LONGLONG)((ULONGLONG)o->OffsetHigh << 32 | o->Offset), length = (LONGLONG)((ULONGLONG)high << 32 | low);
    if (reserved) return BasepFail(ERROR_INVALID_PARAMETER);
    o->Internal = STATUS_PENDING;
    NTSTATUS status = NtLockFile(file, o->hEvent, NULL, (ULONG_PTR)o->hEvent & 1 ? NULL : o, (IO_STATUS_BLOCK *)o, &offset, &length, 0,
                                 (flags & 1) != 0, (flags & 2) != 0);
    if (status == STATUS_PENDING) return BasepFail(ERROR_IO_PENDING);
    return BasepStatus(status);
}

/* `LockFile`: for writing, or not at all. */
BOOL NTAPI LockFile(HANDLE file, ULONG offset_low, ULONG offset_high, ULONG low, ULONG high) {
    LONGLONG offset = (LONGLONG)((ULONGLONG)offset_high << 32 | offset_low), length = (LONGLONG)((ULONGLONG)high << 32 | low);
    IO_STATUS_BLOCK io;
    return BasepStatus(BasepWait(file, NtLockFile(file, NULL, NULL, NULL, &io, &offset, &length, 0, TRUE, TRUE), &io));
}

/* `UnlockFile`. */
BOOL NTAPI UnlockFile(HANDLE file, ULONG offset_low, ULONG offset_high, ULONG low, ULONG high) {
    LONGLONG offset = (LONGLONG)((ULONGLONG)offset_high << 32 | offset_low), length = (LONGLONG)((ULONGLONG)high << 32 | low);
    IO_STATUS_BLOCK io;
    return BasepStatus(NtUnlockFile(file, &io, &offset, &length, 0));
}

/* `UnlockFileEx`. */
BOOL NTAPI UnlockFileEx(HANDLE file, ULONG reserved, ULONG low, ULONG high, OVERLAPPED *o) {
    if (reserved) return BasepFail(ERROR_INVALID_PARAMETER);
    return UnlockFile(file, o->Offset, o->OffsetHigh, low, high);
}

/* `GetOverlappedResult`. */
BOOL NTAPI GetOverlappedResult(HANDLE file, OVERLAPPED *o, ULONG *count, BOOL wait) {
    if ((NTSTATUS)o->Internal == STATUS_PENDING) {
        if (!wait) return BasepFail(ERROR_IO_INCOMPLETE);
        HANDLE on = (HANDLE)((ULONG_PTR)o->hEvent & ~(ULONG_PTR)1);
        NTSTATUS status = NtWaitForSingleObject(on ? on : file, FALSE, NULL);
        if (!BasepStatus(status)) return FALSE;
    }
    *count = (ULONG)o->InternalHigh;
    return BasepStatus((NTSTATUS)o->Internal);
}

/* `CreateFile2`: what `CreateFileW` takes, in a structure. */
typedef struct { ULONG Size, Attributes, Flags, Quality; SECURITY_ATTRIBUTES *Security; HANDLE Template; } CREATEFILE2;
HANDLE NTAPI CreateFile2(const WCHAR *name, ULONG access, ULONG share, ULONG creation, const CREATEFILE2 *more) {
    if (more && more->Size != sizeof *more) {
        BasepFail(ERROR_INVALID_PARAMETER);
        return INVALID_HANDLE_VALUE;
    }
    ULONG flags = more ? more->Attributes | more->Flags | more->Quality : 0;
    return CreateFileW(name, access, share, more ? more->Security : NULL, creation, flags, more ? more->Template : NULL);
}

/* `ReOpenFile`: the same file once more, with other access. */
HANDLE NTAPI ReOpenFile(HANDLE file, ULONG access, ULONG share, ULONG flags) {
    UNICODE_STRING none = {0, 0, NULL};
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, file, &none, OBJ_CASE_INSENSITIVE, NULL, NULL};
    IO_STATUS_BLOCK io;
    HANDLE again = NULL;
    access |= SYNCHRONIZE | FILE_READ_ATTRIBUTES;
    if (flags & FILE_FLAG_DELETE_ON_CLOSE) access |= DELETE;
    NTSTATUS status = NtOpenFile(&again, access, &attributes, &io, share, BasepOptions(flags));
    return BasepStatus(status) ? again : INVALID_HANDLE_VALUE;
}
