/* shlwapi.dll: paths and texts. */
#include "nt.h"
#include "ntfile.h"

#define MAX_PATH 260

/* Every function in both widths: `T` is a character, `F(name)` the name with its letter. */
#define T char
#define F(name) name##A
#include "shlwapi/texts.inc"
#undef T
#undef F
#define T WCHAR
#define F(name) name##W
#include "shlwapi/texts.inc"

int NTAPI StrCmpW(const WCHAR *a, const WCHAR *b) { return ShlpCompareW(a, b, 0x7fffffff, FALSE); }

/* The attributes of what is at a path; -1: nothing. */
static ULONG ShlpAttributes(const WCHAR *path) {
    UNICODE_STRING nt;
    FILE_BASIC_INFORMATION basic;
    NTSTATUS status = RtlDosPathNameToNtPathName_U_WithStatus(path, &nt, NULL, NULL);
    if (status >= 0) {
        OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &nt, OBJ_CASE_INSENSITIVE, NULL, NULL};
        HANDLE file;
        IO_STATUS_BLOCK io;
        status = NtOpenFile(&file, FILE_READ_ATTRIBUTES, &attributes, &io, FILE_SHARE_ALL, FILE_OPEN_FOR_BACKUP_INTENT);
        if (status >= 0) {
            status = NtQueryInformationFile(file, &io, &basic, sizeof basic, FileBasicInformation);
            NtClose(file);
        }
        RtlFreeUnicodeString(&nt);
    }
    if (status >= 0) return basic.FileAttributes;
    RtlSetLastWin32ErrorAndNtStatusFromNtStatus(status);
    return (ULONG)-1;
}
/* A path of bytes; those beyond ASCII are taken as they are. */
static BOOL ShlpWiden(const char *path, WCHAR *to) {
    ULONG i = 0;
    for (; path && path[i] && i < MAX_PATH; i++) to[i] = (UCHAR)path[i];
    to[i] = 0;
    return path && !path[i];
}
BOOL NTAPI PathFileExistsW(const WCHAR *path) { return path && ShlpAttributes(path) != (ULONG)-1; }
BOOL NTAPI PathIsDirectoryW(const WCHAR *path) {
    ULONG attributes = path ? ShlpAttributes(path) : (ULONG)-1;
    return attributes != (ULONG)-1 && attributes & FILE_ATTRIBUTE_DIRECTORY ? FILE_ATTRIBUTE_DIRECTORY : FALSE;
}
BOOL NTAPI PathFileExistsA(const char *path) {
    WCHAR wide[MAX_PATH + 1];
    return ShlpWiden(path, wide) && PathFileExistsW(wide);
}
BOOL NTAPI PathIsDirectoryA(const char *path) {
    WCHAR wide[MAX_PATH + 1];
    return ShlpWiden(path, wide) ? PathIsDirectoryW(wide) : FALSE;
}
