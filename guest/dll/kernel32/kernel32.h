/* What the files of kernel32.dll share. It imports from ntdll.dll only. */
#pragma once
#include "nt.h"

enum {
    ERROR_INVALID_HANDLE = 6,
    ERROR_INVALID_PARAMETER = 87,
    ERROR_INSUFFICIENT_BUFFER = 122,
    ERROR_ALREADY_EXISTS = 183,
    ERROR_FILENAME_EXCED_RANGE = 206,
    ERROR_NO_MORE_ITEMS = 259,
};
#define INFINITE 0xffffffffu
/* 100 ns units in a millisecond. */
#define MILLISECOND 10000
/* The longest name that an `…A` function passes on, in UTF-16 units: MAX_PATH. */
#define LONGEST_NAME 260

/* ntdll's C functions */
#define CRT __declspec(dllimport)
CRT size_t strlen(const char *);
CRT size_t wcslen(const WCHAR *);
CRT int wcsncmp(const WCHAR *, const WCHAR *, size_t);
CRT WCHAR *wcscpy(WCHAR *, const WCHAR *);
CRT WCHAR *wcscat(WCHAR *, const WCHAR *);
CRT void *memmove(void *, const void *, size_t);

typedef struct {
    ULONG nLength;
    PVOID lpSecurityDescriptor;
    BOOL bInheritHandle;
} SECURITY_ATTRIBUTES;

/* FALSE or NULL, with a last error. */
static inline BOOL BasepFail(ULONG error) {
    RtlSetLastWin32Error(error);
    return FALSE;
}

/* TRUE, or FALSE with the last error of a status. */
static inline BOOL BasepStatus(NTSTATUS status) {
    if (status >= 0) return TRUE;
    RtlSetLastWin32ErrorAndNtStatusFromNtStatus(status);
    return FALSE;
}

/* text.c */
ULONG BasepUtf8FromUtf16(const WCHAR *text, ULONG units, char *to, ULONG room, ULONG *taken);
BOOL BasepWideName(const char *name, WCHAR *to);
/* file.c */
HANDLE BasepMapStdHandle(HANDLE handle);
