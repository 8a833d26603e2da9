/* What the files of kernelbase.dll share. It imports from ntdll.dll only. */
#ifndef TRAPGATE_BASE_H
#define TRAPGATE_BASE_H

typedef __INT64_TYPE__ int64_t;
typedef __UINT16_TYPE__ uint16_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT64_TYPE__ uint64_t;
typedef __UINTPTR_TYPE__ uintptr_t;
typedef __SIZE_TYPE__ size_t;
typedef __WCHAR_TYPE__ wchar_t;
typedef void *HANDLE;
typedef int BOOL;
typedef int NTSTATUS;
typedef struct { uint16_t length, maximum; wchar_t *text; } UnicodeString;
#define NULL ((void *)0)
#define SIZE_MAX __SIZE_MAX__
#define API __declspec(dllimport)
API NTSTATUS NtQuerySystemTime(int64_t *);
API NTSTATUS NtTerminateProcess(HANDLE, NTSTATUS);
API void RtlSetLastWin32Error(unsigned);
API void RtlSetLastWin32ErrorAndNtStatusFromNtStatus(NTSTATUS);
API void *RtlAllocateHeap(HANDLE, unsigned, size_t);
API unsigned char RtlFreeHeap(HANDLE, unsigned, void *);
API NTSTATUS RtlGetVersion(void *);
API NTSTATUS RtlInitializeCriticalSectionEx(void *, unsigned, unsigned);

enum {
    ERROR_FILE_NOT_FOUND = 2, ERROR_INVALID_HANDLE = 6, ERROR_NOT_ENOUGH_MEMORY = 8, ERROR_INVALID_PARAMETER = 87,
    ERROR_INSUFFICIENT_BUFFER = 122, ERROR_MOD_NOT_FOUND = 126, ERROR_ENVVAR_NOT_FOUND = 203,
    ERROR_INVALID_FLAGS = 1004, ERROR_NO_UNICODE_TRANSLATION = 1113,
};

#include "../teb.h"
static inline HANDLE heap(void) { return process_heap(); }

/* FALSE, with a last error. */
static inline BOOL fail(unsigned error) {
    RtlSetLastWin32Error(error);
    return 0;
}

#define CP_UTF8 65001
int MultiByteToWideChar(unsigned page, unsigned flags, const char *from, int count, wchar_t *to, int room);
int WideCharToMultiByte(unsigned page, unsigned flags, const wchar_t *from, int count, char *to, int room,
                        const char *replacement, BOOL *replaced);
size_t text_length(const char *text);
size_t wide_length(const wchar_t *text);
char *narrow_copy(const wchar_t *text, size_t length);
wchar_t *wide_copy(const char *text);

#endif
