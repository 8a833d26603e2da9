/* What `CreateProcess` is given beside its arguments. */
#pragma once
#include "files.h"
#include "ntprocess.h"

#define BASEP_STARTUP(CHAR_TYPE) \
    struct { \
        ULONG cb; \
        CHAR_TYPE *lpReserved, *lpDesktop, *lpTitle; \
        ULONG dwX, dwY, dwXSize, dwYSize, dwXCountChars, dwYCountChars, dwFillAttribute, dwFlags; \
        USHORT wShowWindow, cbReserved2; \
        UCHAR *lpReserved2; \
        HANDLE hStdInput, hStdOutput, hStdError; \
    }
typedef BASEP_STARTUP(WCHAR) STARTUPINFOW;
typedef BASEP_STARTUP(char) STARTUPINFOA;
_Static_assert(sizeof(STARTUPINFOW) == WIDTH(104, 68), "STARTUPINFO");

/* A `PROC_THREAD_ATTRIBUTE_LIST`: as many as there is room for, each with what its value is. */
typedef struct {
    ULONG_PTR Attribute;
    SIZE_T Size;
    PVOID Value;
} PROC_THREAD_ATTRIBUTE;
typedef struct {
    ULONG Present, Room, Count, Unused;
    PROC_THREAD_ATTRIBUTE Attributes[];
} PROC_THREAD_ATTRIBUTE_LIST;

typedef struct { STARTUPINFOW StartupInfo; PROC_THREAD_ATTRIBUTE_LIST *lpAttributeList; } STARTUPINFOEXW;
typedef struct { STARTUPINFOA StartupInfo; PROC_THREAD_ATTRIBUTE_LIST *lpAttributeList; } STARTUPINFOEXA;

/* attributes.c */
BOOL BasepAddThreadAttributes(const PROC_THREAD_ATTRIBUTE_LIST *list, PS_ATTRIBUTE_LIST *to);
