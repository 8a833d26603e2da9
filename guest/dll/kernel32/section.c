/* File mappings, which NT calls sections, and their views. */
#include "kernel32.h"

#define SECTION_MAP_WRITE 2
#define SECTION_MAP_READ 4
#define SECTION_MAP_EXECUTE 8
/* STANDARD_RIGHTS_REQUIRED, SECTION_QUERY and SECTION_MAP_READ. */
#define BASEP_SECTION_ACCESS 0xf0005
#define FILE_MAP_COPY 0x01
#define FILE_MAP_WRITE 0x02
#define FILE_MAP_READ 0x04
#define FILE_MAP_EXECUTE 0x20
#define SEC_COMMIT 0x8000000
/* All SEC_… flags, which are passed beside the protection. */
#define BASEP_SEC_FLAGS 0xffff0000u

#define PAGE_NOACCESS 0x01
#define PAGE_READONLY 0x02
#define PAGE_WRITECOPY 0x08
#define PAGE_EXECUTE_READ 0x20
#define PAGE_EXECUTE_READWRITE 0x40
#define PAGE_EXECUTE_WRITECOPY 0x80

/* The rights of a mapping's handle by its protection; 0 for one that no mapping has. */
static ACCESS_MASK BasepSectionAccess(ULONG protect) {
    switch (protect) {
    case PAGE_READONLY:
    case PAGE_WRITECOPY: return BASEP_SECTION_ACCESS;
    case PAGE_READWRITE: return BASEP_SECTION_ACCESS | SECTION_MAP_WRITE;
    case PAGE_EXECUTE_READ:
    case PAGE_EXECUTE_WRITECOPY: return BASEP_SECTION_ACCESS | SECTION_MAP_EXECUTE;
    case PAGE_EXECUTE_READWRITE: return BASEP_SECTION_ACCESS | SECTION_MAP_WRITE | SECTION_MAP_EXECUTE;
    default: return 0;
    }
}

/* `CreateFileMappingW`. INVALID_HANDLE_VALUE stands for the page file, which needs a size. */
HANDLE NTAPI CreateFileMappingW(HANDLE file, const SECURITY_ATTRIBUTES *security, ULONG protect, ULONG high, ULONG low,
                                const WCHAR *name) {
    BASEP_OBJECT object;
    OBJECT_ATTRIBUTES *attributes;
    LONGLONG size = (LONGLONG)((ULONGLONG)high << 32 | low);
    ULONG flags = protect & BASEP_SEC_FLAGS;
    ACCESS_MASK access = BasepSectionAccess(protect & ~BASEP_SEC_FLAGS);
    HANDLE section = NULL;
    if (!access) return BasepNone(ERROR_INVALID_PARAMETER);
    if (file == (HANDLE)-1) {
        file = NULL;
        if (!size) return BasepNone(ERROR_INVALID_PARAMETER);
    } else if (!file) {
        return BasepNone(ERROR_INVALID_HANDLE);
    }
    if (!BasepCreateAttributes(&object, security, name, &attributes)) return NULL;
    NTSTATUS status = NtCreateSection(&section, access, attributes, size ? &size : NULL, protect & ~BASEP_SEC_FLAGS,
                                      flags ? flags : SEC_COMMIT, file);
    return BasepCreated(status, &section);
}

/* `CreateFileMappingA`. */
HANDLE NTAPI CreateFileMappingA(HANDLE file, const SECURITY_ATTRIBUTES *security, ULONG protect, ULONG high, ULONG low,
                                const char *name) {
    BASEP_WIDE(name);
    return CreateFileMappingW(file, security, protect, high, low, wide);
}

/* `OpenFileMappingW`: FILE_MAP_COPY asks for the right to read, FILE_MAP_EXECUTE for the one to execute. */
HANDLE NTAPI OpenFileMappingW(ACCESS_MASK access, BOOL inherited, const WCHAR *name) {
    BASEP_OBJECT object;
    HANDLE section = NULL;
    if (access == FILE_MAP_COPY) access = SECTION_MAP_READ;
    else if (access & FILE_MAP_EXECUTE) access = (access & ~FILE_MAP_EXECUTE) | SECTION_MAP_EXECUTE;
    if (!BasepOpenAttributes(&object, inherited, name)) return NULL;
    return BasepOpened(NtOpenSection(&section, access, &object.Attributes), &section);
}

/* `OpenFileMappingA`. */
BASEP_OPEN_A(OpenFileMappingA, OpenFileMappingW)

/* The protection of a view by the access that is asked for. */
static ULONG BasepViewProtect(ULONG access) {
    BOOL execute = !!(access & FILE_MAP_EXECUTE);
    if ((access & ~FILE_MAP_EXECUTE) == FILE_MAP_COPY) return execute ? PAGE_EXECUTE_WRITECOPY : PAGE_WRITECOPY;
    if (access & FILE_MAP_WRITE) return execute ? PAGE_EXECUTE_READWRITE : PAGE_READWRITE;
    if (access & FILE_MAP_READ) return execute ? PAGE_EXECUTE_READ : PAGE_READONLY;
    return PAGE_NOACCESS;
}

/* `MapViewOfFileEx`: the view's address, or NULL. */
PVOID NTAPI MapViewOfFileEx(HANDLE section, ULONG access, ULONG high, ULONG low, SIZE_T size, PVOID address) {
    LONGLONG offset = (LONGLONG)((ULONGLONG)high << 32 | low);
    enum { ViewShare = 1 };
    NTSTATUS status = NtMapViewOfSection(section, NtCurrentProcess(), &address, 0, 0, &offset, &size, ViewShare, 0,
                                         BasepViewProtect(access));
    return BasepStatus(status) ? address : NULL;
}

/* `MapViewOfFile`. */
PVOID NTAPI MapViewOfFile(HANDLE section, ULONG access, ULONG high, ULONG low, SIZE_T size) {
    return MapViewOfFileEx(section, access, high, low, size, NULL);
}

/* `UnmapViewOfFile`: any address in the view will do. */
BOOL NTAPI UnmapViewOfFile(const void *address) {
    return BasepStatus(NtUnmapViewOfSection(NtCurrentProcess(), (PVOID)address));
}

/* `FlushViewOfFile`: a size of 0 means the whole view. */
BOOL NTAPI FlushViewOfFile(const void *address, SIZE_T size) {
    IO_STATUS_BLOCK iosb;
    PVOID base = (PVOID)address;
    NTSTATUS status = NtFlushVirtualMemory(NtCurrentProcess(), &base, &size, &iosb);
    enum { NotMappedData = (NTSTATUS)0xc0000088 };
    /* A view of the page file has nowhere to go. */
    return status == NotMappedData || BasepStatus(status);
}
