/* NT's structures and services of files. */
#pragma once
#include "nt.h"

NTSYSCALLAPI NTSTATUS NTAPI NtCancelIoFile(HANDLE, IO_STATUS_BLOCK *);
NTSYSCALLAPI NTSTATUS NTAPI NtCreateFile(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, IO_STATUS_BLOCK *, const LONGLONG *, ULONG, ULONG, ULONG, ULONG, PVOID, ULONG);
NTSYSCALLAPI NTSTATUS NTAPI NtCreateMailslotFile(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, IO_STATUS_BLOCK *, ULONG, ULONG, ULONG, const LONGLONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtCreateNamedPipeFile(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, IO_STATUS_BLOCK *, ULONG, ULONG, ULONG, ULONG, ULONG, ULONG, ULONG, ULONG, ULONG, const LONGLONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtDeviceIoControlFile(HANDLE, HANDLE, PVOID, PVOID, IO_STATUS_BLOCK *, ULONG, const void *, ULONG, PVOID, ULONG);
NTSYSCALLAPI NTSTATUS NTAPI NtFlushBuffersFile(HANDLE, IO_STATUS_BLOCK *);
NTSYSCALLAPI NTSTATUS NTAPI NtFsControlFile(HANDLE, HANDLE, PVOID, PVOID, IO_STATUS_BLOCK *, ULONG, const void *, ULONG, PVOID, ULONG);
NTSYSCALLAPI NTSTATUS NTAPI NtLockFile(HANDLE, HANDLE, PVOID, PVOID, IO_STATUS_BLOCK *, const LONGLONG *, const LONGLONG *, ULONG, BOOLEAN, BOOLEAN);
NTSYSCALLAPI NTSTATUS NTAPI NtNotifyChangeDirectoryFile(HANDLE, HANDLE, PVOID, PVOID, IO_STATUS_BLOCK *, PVOID, ULONG, ULONG, BOOLEAN);
NTSYSCALLAPI NTSTATUS NTAPI NtOpenFile(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, IO_STATUS_BLOCK *, ULONG, ULONG);
NTSYSCALLAPI NTSTATUS NTAPI NtQueryDirectoryFile(HANDLE, HANDLE, PVOID, PVOID, IO_STATUS_BLOCK *, PVOID, ULONG, ULONG, BOOLEAN, const UNICODE_STRING *, BOOLEAN);
NTSYSCALLAPI NTSTATUS NTAPI NtQueryInformationFile(HANDLE, IO_STATUS_BLOCK *, PVOID, ULONG, ULONG);
NTSYSCALLAPI NTSTATUS NTAPI NtQueryVolumeInformationFile(HANDLE, IO_STATUS_BLOCK *, PVOID, ULONG, ULONG);
NTSYSCALLAPI NTSTATUS NTAPI NtSetInformationFile(HANDLE, IO_STATUS_BLOCK *, const void *, ULONG, ULONG);
NTSYSCALLAPI NTSTATUS NTAPI NtUnlockFile(HANDLE, IO_STATUS_BLOCK *, const LONGLONG *, const LONGLONG *, ULONG);

typedef struct { UNICODE_STRING RelativeName; HANDLE ContainingDirectory; PVOID CurDirRef; } RTL_RELATIVE_NAME_U;
NTSYSAPI ULONG NTAPI RtlDetermineDosPathNameType_U(const WCHAR *);
NTSYSAPI ULONG NTAPI RtlIsDosDeviceName_U(const WCHAR *);
NTSYSAPI ULONG NTAPI RtlGetFullPathName_U(const WCHAR *, ULONG, WCHAR *, WCHAR **);
NTSYSAPI BOOLEAN NTAPI RtlDosPathNameToNtPathName_U(const WCHAR *, UNICODE_STRING *, WCHAR **, RTL_RELATIVE_NAME_U *);
NTSYSAPI NTSTATUS NTAPI RtlDosPathNameToNtPathName_U_WithStatus(const WCHAR *, UNICODE_STRING *, WCHAR **, RTL_RELATIVE_NAME_U *);
NTSYSAPI ULONG NTAPI RtlGetCurrentDirectory_U(ULONG, WCHAR *);
NTSYSAPI NTSTATUS NTAPI RtlSetCurrentDirectory_U(const UNICODE_STRING *);
NTSYSAPI void NTAPI RtlFreeUnicodeString(UNICODE_STRING *);

#define DELETE 0x10000
#define SYNCHRONIZE 0x100000
#define GENERIC_READ 0x80000000u
#define GENERIC_WRITE 0x40000000u
#define FILE_LIST_DIRECTORY 0x1
#define FILE_READ_DATA 0x1
#define FILE_WRITE_DATA 0x2
#define FILE_TRAVERSE 0x20
#define FILE_READ_ATTRIBUTES 0x80
#define FILE_WRITE_ATTRIBUTES 0x100
#define FILE_SHARE_ALL 7

enum { FILE_SUPERSEDE, FILE_OPEN, FILE_CREATE, FILE_OPEN_IF, FILE_OVERWRITE, FILE_OVERWRITE_IF };
enum { FILE_OPENED = 1, FILE_OVERWRITTEN = 3 };
#define FILE_DIRECTORY_FILE 0x1
#define FILE_SYNCHRONOUS_IO_NONALERT 0x20
#define FILE_NON_DIRECTORY_FILE 0x40
#define FILE_DELETE_ON_CLOSE 0x1000
#define FILE_OPEN_FOR_BACKUP_INTENT 0x4000
#define FILE_OPEN_REPARSE_POINT 0x200000

enum {
    FileBothDirectoryInformation = 3, FileBasicInformation = 4, FileStandardInformation = 5, FileInternalInformation = 6,
    FileNameInformation = 9, FileRenameInformation = 10, FileDispositionInformation = 13, FilePositionInformation = 14,
    FileAllocationInformation = 19, FileEndOfFileInformation = 20, FileStreamInformation = 22, FilePipeInformation = 23, FilePipeLocalInformation = 24,
    FileCompletionInformation = 30, FileNetworkOpenInformation = 34, FileAttributeTagInformation = 35,
};
enum { FileFsVolumeInformation = 1, FileFsSizeInformation = 3, FileFsDeviceInformation = 4, FileFsAttributeInformation = 5 };

typedef struct { LONGLONG CreationTime, LastAccessTime, LastWriteTime, ChangeTime; ULONG FileAttributes; } FILE_BASIC_INFORMATION;
typedef struct { LONGLONG AllocationSize, EndOfFile; ULONG NumberOfLinks; BOOLEAN DeletePending, Directory; } FILE_STANDARD_INFORMATION;
typedef struct { LONGLONG CreationTime, LastAccessTime, LastWriteTime, ChangeTime, AllocationSize, EndOfFile; ULONG FileAttributes; } FILE_NETWORK_OPEN_INFORMATION;
typedef struct {
    ULONG NextEntryOffset, FileIndex;
    LONGLONG CreationTime, LastAccessTime, LastWriteTime, ChangeTime, EndOfFile, AllocationSize;
    ULONG FileAttributes, FileNameLength, EaSize;
    CHAR ShortNameLength;
    WCHAR ShortName[12], FileName[1];
} FILE_BOTH_DIR_INFORMATION;
typedef struct { BOOLEAN ReplaceIfExists; HANDLE RootDirectory; ULONG FileNameLength; WCHAR FileName[1]; } FILE_RENAME_INFORMATION;
AT(FILE_BOTH_DIR_INFORMATION, FileName, 94, 94);
AT(FILE_RENAME_INFORMATION, FileName, 20, 12);
#define FILE_ATTRIBUTE_READONLY 0x1
#define FILE_ATTRIBUTE_DIRECTORY 0x10
#define FILE_ATTRIBUTE_ARCHIVE 0x20
#define FILE_ATTRIBUTE_NORMAL 0x80
