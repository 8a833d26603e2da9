/* What the files of kernel32.dll share. It imports from ntdll.dll only. */
#pragma once
#include "nt.h"

enum {
    ERROR_INVALID_HANDLE = 6,
    ERROR_NO_MORE_FILES = 18,
    ERROR_NOT_SUPPORTED = 50,
    ERROR_INVALID_PARAMETER = 87,
    ERROR_INSUFFICIENT_BUFFER = 122,
    ERROR_PROC_NOT_FOUND = 127,
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

/* NULL, with a last error. */
static inline HANDLE BasepNone(ULONG error) {
    RtlSetLastWin32Error(error);
    return NULL;
}

/* TRUE, or FALSE with the last error of a status. */
static inline BOOL BasepStatus(NTSTATUS status) {
    if (status >= 0) return TRUE;
    RtlSetLastWin32ErrorAndNtStatusFromNtStatus(status);
    return FALSE;
}

/* A text that is being written. Without room its length alone is counted. */
typedef struct {
    WCHAR *text;
    ULONG length, room;
} BASEP_TEXT;
static inline void BasepPut(BASEP_TEXT *to, WCHAR c) {
    if (to->length < to->room) to->text[to->length] = c;
    to->length++;
}

/* text.c */
ULONG BasepUtf8FromUtf16(const WCHAR *text, ULONG units, char *to, ULONG room, ULONG *taken);
BOOL BasepWideName(const char *name, WCHAR *to);
/* file.c */
HANDLE BasepMapStdHandle(HANDLE handle);
/* container.c */
/* The longest path below \Sessions\N of an AppContainer's named objects, in UTF-16 units. */
#define BASEP_CONTAINER_PATH 280
NTSTATUS BasepContainerPath(HANDLE token, const UCHAR *sid, WCHAR *path);
void BasepAppendNumber(WCHAR *path, ULONG number);
/* object.c */
/* An OBJECT_ATTRIBUTES and its name. */
typedef struct {
    OBJECT_ATTRIBUTES Attributes;
    UNICODE_STRING Name;
} BASEP_OBJECT;
BOOL BasepCreateAttributes(BASEP_OBJECT *object, const SECURITY_ATTRIBUTES *security, const WCHAR *name,
                           OBJECT_ATTRIBUTES **attributes);
BOOL BasepOpenAttributes(BASEP_OBJECT *object, BOOL inherited, const WCHAR *name);
HANDLE BasepCreated(NTSTATUS status, const HANDLE *handle);
HANDLE BasepOpened(NTSTATUS status, const HANDLE *handle);
PVOID BasepNewer(const char *name);

/* A function that opens an object by its name, by the service `open`. */
#define BASEP_OPEN(function, open) \
    HANDLE NTAPI function(ACCESS_MASK access, BOOL inherited, const WCHAR *name) { \
        BASEP_OBJECT object; \
        HANDLE handle = NULL; \
        if (!BasepOpenAttributes(&object, inherited, name)) return NULL; \
        return BasepOpened(open(&handle, access, &object.Attributes), &handle); \
    }
/* Its form for ANSI names. */
#define BASEP_OPEN_A(function, wide_function) \
    HANDLE NTAPI function(ACCESS_MASK access, BOOL inherited, const char *name) { \
        BASEP_WIDE(name); \
        return wide_function(access, inherited, wide); \
    }
/* Declares `wide`, a name's UTF-16 form or NULL; or returns NULL with a last error. */
#define BASEP_WIDE(name) \
    WCHAR wide_text[LONGEST_NAME + 1]; \
    if (!BasepWideName(name, wide_text)) return NULL; \
    const WCHAR *wide = name ? wide_text : NULL
