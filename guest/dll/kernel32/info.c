/* What is known of files: attributes, times, information by handle. */
#include "files.h"

typedef struct {
    ULONG dwFileAttributes;
    FILETIME ftCreationTime, ftLastAccessTime, ftLastWriteTime;
    ULONG nFileSizeHigh, nFileSizeLow;
} WIN32_FILE_ATTRIBUTE_DATA;
typedef struct {
    ULONG dwFileAttributes;
    FILETIME ftCreationTime, ftLastAccessTime, ftLastWriteTime;
    ULONG dwVolumeSerialNumber, nFileSizeHigh, nFileSizeLow, nNumberOfLinks, nFileIndexHigh, nFileIndexLow;
} BY_HANDLE_FILE_INFORMATION;

typedef NTSTATUS(NTAPI *BASEP_QUERY_BY_NAME)(OBJECT_ATTRIBUTES *, PVOID);

/* Information of a file by its name, by a service that Windows NT 3 does not have yet. */
static NTSTATUS BasepQueryByName(const WCHAR *name, const char *service, PVOID *known, PVOID to, ULONG size, ULONG class) {
    UNICODE_STRING path;
    IO_STATUS_BLOCK io;
    HANDLE file;
    ULONG error = RtlGetLastWin32Error();
    if (!*known) *known = BasepNewer(service);
    RtlSetLastWin32Error(error);
    if (!*known) {
        NTSTATUS status = BasepOpenPath(name, FILE_READ_ATTRIBUTES, FILE_OPEN_FOR_BACKUP_INTENT, &file);
        if (status < 0) return status;
        status = NtQueryInformationFile(file, &io, to, size, class);
        NtClose(file);
        return status;
    }
    NTSTATUS status = BasepNtPath(name, &path);
    if (status < 0) return status;
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &path, OBJ_CASE_INSENSITIVE, NULL, NULL};
    status = ((BASEP_QUERY_BY_NAME)*known)(&attributes, to);
    RtlFreeUnicodeString(&path);
    return status;
}

/* `GetFileAttributesW`: of a device FILE_ATTRIBUTE_ARCHIVE. */
ULONG NTAPI GetFileAttributesW(const WCHAR *name) {
    static PVOID service;
    FILE_BASIC_INFORMATION basic;
    NTSTATUS status = BasepQueryByName(name, "NtQueryAttributesFile", &service, &basic, sizeof basic, FileBasicInformation);
    if (status >= 0) return basic.FileAttributes;
    if (name && RtlIsDosDeviceName_U(name)) return FILE_ATTRIBUTE_ARCHIVE;
    BasepStatus(status);
    return INVALID_FILE_ATTRIBUTES;
}
BASEP_PATH_A(ULONG, INVALID_FILE_ATTRIBUTES, GetFileAttributesA, (const char *name), GetFileAttributesW(wide))

/* `GetFileAttributesExW`: level 0, WIN32_FILE_ATTRIBUTE_DATA. */
BOOL NTAPI GetFileAttributesExW(const WCHAR *name, ULONG level, WIN32_FILE_ATTRIBUTE_DATA *to) {
    static PVOID service;
    FILE_NETWORK_OPEN_INFORMATION all;
    if (level) return BasepFail(ERROR_INVALID_PARAMETER);
    NTSTATUS status = BasepQueryByName(name, "NtQueryFullAttributesFile", &service, &all, sizeof all, FileNetworkOpenInformation);
    if (!BasepStatus(status)) return FALSE;
    *to = (WIN32_FILE_ATTRIBUTE_DATA){
        all.FileAttributes, BasepFileTime(all.CreationTime), BasepFileTime(all.LastAccessTime), BasepFileTime(all.LastWriteTime),
        (ULONG)(all.EndOfFile >> 32), (ULONG)all.EndOfFile};
    return TRUE;
}
BASEP_PATH_A(BOOL, FALSE, GetFileAttributesExA, (const char *name, ULONG level, WIN32_FILE_ATTRIBUTE_DATA *to), GetFileAttributesExW(wide, level, to))

/* `SetFileAttributesW`. */
BOOL NTAPI SetFileAttributesW(const WCHAR *name, ULONG attributes) {
    FILE_BASIC_INFORMATION basic = {0, 0, 0, 0, (attributes & 0x31a7) | FILE_ATTRIBUTE_NORMAL};
    IO_STATUS_BLOCK io;
    HANDLE file;
    NTSTATUS status = BasepOpenPath(name, FILE_WRITE_ATTRIBUTES, FILE_OPEN_FOR_BACKUP_INTENT, &file);
    if (!BasepStatus(status)) return FALSE;
    status = NtSetInformationFile(file, &io, &basic, sizeof basic, FileBasicInformation);
    NtClose(file);
    return BasepStatus(status);
}
BASEP_PATH_A(BOOL, FALSE, SetFileAttributesA, (const char *name, ULONG attributes), SetFileAttributesW(wide, attributes))

/* `GetFileTime`. */
BOOL NTAPI GetFileTime(HANDLE file, FILETIME *created, FILETIME *accessed, FILETIME *written) {
    FILE_BASIC_INFORMATION basic;
    IO_STATUS_BLOCK io;
    if (!BasepStatus(NtQueryInformationFile(file, &io, &basic, sizeof basic, FileBasicInformation))) return FALSE;
    if (created) *created = BasepFileTime(basic.CreationTime);
    if (accessed) *accessed = BasepFileTime(basic.LastAccessTime);
    if (written) *written = BasepFileTime(basic.LastWriteTime);
    return TRUE;
}

/* A FILETIME as one number; none is 0, which changes nothing. */
static LONGLONG BasepTime(const FILETIME *time) {
    return time ? (LONGLONG)((ULONGLONG)time->dwHighDateTime << 32 | time->dwLowDateTime) : 0;
}

/* `SetFileTime`. */
BOOL NTAPI SetFileTime(HANDLE file, const FILETIME *created, const FILETIME *accessed, const FILETIME *written) {
    FILE_BASIC_INFORMATION basic = {BasepTime(created), BasepTime(accessed), BasepTime(written), 0, 0};
    IO_STATUS_BLOCK io;
    return BasepStatus(NtSetInformationFile(file, &io, &basic, sizeof basic, FileBasicInformation));
}

/* `CompareFileTime`. */
LONG NTAPI CompareFileTime(const FILETIME *a, const FILETIME *b) {
    ULONGLONG x = (ULONGLONG)BasepTime(a), y = (ULONGLONG)BasepTime(b);
    return (x > y) - (x < y);
}

/* `GetFileInformationByHandle`. */
BOOL NTAPI GetFileInformationByHandle(HANDLE file, BY_HANDLE_FILE_INFORMATION *to) {
    FILE_BASIC_INFORMATION basic;
    FILE_STANDARD_INFORMATION standard;
    LONGLONG index;
    struct { LONGLONG created; ULONG serial, length; BOOLEAN objects; WCHAR label[34]; } volume;
    IO_STATUS_BLOCK io;
    NTSTATUS status = NtQueryInformationFile(file, &io, &basic, sizeof basic, FileBasicInformation);
    if (status >= 0) status = NtQueryInformationFile(file, &io, &standard, sizeof standard, FileStandardInformation);
    if (status >= 0) status = NtQueryInformationFile(file, &io, &index, sizeof index, FileInternalInformation);
    if (status >= 0) status = NtQueryVolumeInformationFile(file, &io, &volume, sizeof volume, FileFsVolumeInformation);
    if (!BasepStatus(status)) return FALSE;
    *to = (BY_HANDLE_FILE_INFORMATION){
        basic.FileAttributes, BasepFileTime(basic.CreationTime), BasepFileTime(basic.LastAccessTime), BasepFileTime(basic.LastWriteTime),
        volume.serial, (ULONG)(standard.EndOfFile >> 32), (ULONG)standard.EndOfFile, standard.NumberOfLinks, (ULONG)(index >> 32), (ULONG)index};
    return TRUE;
}

/* `GetFileInformationByHandleEx`: the classes that are NT's own under other numbers. */
BOOL NTAPI GetFileInformationByHandleEx(HANDLE file, ULONG class, PVOID to, ULONG size) {
    /* FileBasicInfo, FileStandardInfo, FileNameInfo, (set only: 3 to 6), FileStreamInfo, FileCompressionInfo,
     * FileAttributeTagInfo; FileIdInfo is 18. */
    static const UCHAR classes[] = {4, 5, 9, 0, 0, 0, 0, 22, 28, 35};
    ULONG native = class < sizeof classes ? classes[class] : class == 18 ? 59 : 0;
    IO_STATUS_BLOCK io;
    if (class == 10 || class == 11 || class == 14 || class == 15) {
        /* FileIdBothDirectoryInfo, FileFullDirectoryInfo, and both from the start. */
        NTSTATUS status = NtQueryDirectoryFile(file, NULL, NULL, NULL, &io, to, size, class < 12 ? 37 : 2, FALSE, NULL, class == 11 || class == 15);
        return BasepStatus(status);
    }
    if (!native) return BasepFail(ERROR_INVALID_PARAMETER);
    return BasepStatus(NtQueryInformationFile(file, &io, to, size, native));
}

/* `SetFileInformationByHandle`: FileBasicInfo, FileRenameInfo, FileDispositionInfo, FileAllocationInfo, FileEndOfFileInfo. */
BOOL NTAPI SetFileInformationByHandle(HANDLE file, ULONG class, PVOID from, ULONG size) {
    static const UCHAR classes[] = {4, 0, 0, 0, 13, 19, 20};
    IO_STATUS_BLOCK io;
    if (class == 3) return BasepFail(ERROR_NOT_SUPPORTED);
    if (class >= sizeof classes || !classes[class]) return BasepFail(ERROR_INVALID_PARAMETER);
    return BasepStatus(NtSetInformationFile(file, &io, from, size, classes[class]));
}
