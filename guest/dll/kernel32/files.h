/* What the files of kernel32.dll about files share. */
#pragma once
#include "kernel32.h"
#include "ntfile.h"

enum {
    ERROR_FILE_NOT_FOUND = 2, ERROR_PATH_NOT_FOUND = 3, ERROR_ACCESS_DENIED = 5, ERROR_NOT_ENOUGH_MEMORY = 8,
    ERROR_NOT_SAME_DEVICE = 17, ERROR_HANDLE_EOF = 38, ERROR_FILE_EXISTS = 80, ERROR_INVALID_NAME = 123,
    ERROR_NEGATIVE_SEEK = 131, ERROR_DIRECTORY = 267, ERROR_MORE_DATA = 234, ERROR_IO_INCOMPLETE = 996, ERROR_IO_PENDING = 997,
    ERROR_INVALID_FLAGS = 1004,
};
#define INVALID_HANDLE_VALUE ((HANDLE)-1)
#define INVALID_FILE_ATTRIBUTES 0xffffffffu
#define MAX_PATH 260

typedef struct { ULONG dwLowDateTime, dwHighDateTime; } FILETIME;
typedef struct { USHORT wYear, wMonth, wDayOfWeek, wDay, wHour, wMinute, wSecond, wMilliseconds; } SYSTEMTIME;
typedef struct {
    ULONG_PTR Internal, InternalHigh;
    ULONG Offset, OffsetHigh;
    HANDLE hEvent;
} OVERLAPPED;

/* path.c */
NTSTATUS BasepNtPath(const WCHAR *name, UNICODE_STRING *path);
NTSTATUS BasepOpenPath(const WCHAR *name, ACCESS_MASK access, ULONG options, HANDLE *file);
ULONG BasepNarrow(const WCHAR *text, ULONG length, char *to, ULONG room);
WCHAR *BasepWiden(const char *name);
const WCHAR *BasepVariable(const char *name);
/* text.c */
WCHAR *BasepWidenLong(const char *text);
WCHAR *BasepWidenBlock(const char *block);
/* console_mode.c */
BOOL BasepIsConsoleSide(HANDLE handle, BOOL input);
/* calendar.c */
BOOL NTAPI FileTimeToSystemTime(const FILETIME *, SYSTEMTIME *);
BOOL NTAPI SystemTimeToFileTime(const SYSTEMTIME *, FILETIME *);
void NTAPI GetLocalTime(SYSTEMTIME *);
/* open.c */
HANDLE NTAPI CreateFileW(const WCHAR *, ULONG, ULONG, SECURITY_ATTRIBUTES *, ULONG, ULONG, HANDLE);
BOOL NTAPI CloseHandle(HANDLE);
BOOL NTAPI ReadFile(HANDLE, PVOID, ULONG, ULONG *, OVERLAPPED *);
BOOL NTAPI WriteFile(HANDLE, const void *, ULONG, ULONG *, OVERLAPPED *);

static inline PVOID BasepAllocate(SIZE_T size) {
    PVOID memory = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, size);
    if (!memory) RtlSetLastWin32Error(ERROR_NOT_ENOUGH_MEMORY);
    return memory;
}
static inline void BasepFree(PVOID memory) { RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, memory); }
static inline FILETIME BasepFileTime(LONGLONG time) { return (FILETIME){(ULONG)time, (ULONG)(time >> 32)}; }
/* The status of an I/O call that may go on: waited for. */
static inline NTSTATUS BasepWait(HANDLE file, NTSTATUS status, IO_STATUS_BLOCK *io) {
    if (status != STATUS_PENDING) return status;
    status = NtWaitForSingleObject(file, FALSE, NULL);
    return status < 0 ? status : io->Status;
}
/* A function with one path, and its `…A` form. */
#define BASEP_PATH_A(type, failed, function, parameters, call) \
    type NTAPI function parameters { \
        WCHAR *wide = BasepWiden(name); \
        if (!wide) return failed; \
        type result = call; \
        ULONG error = RtlGetLastWin32Error(); \
        BasepFree(wide); \
        RtlSetLastWin32Error(error); \
        return result; \
    }
