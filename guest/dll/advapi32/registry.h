/* What the files about the registry share. Where Windows has one key for HKEY_CLASSES_ROOT, merged of the user's classes
 * and the machine's, here it is the machine's. */
#pragma once
#include "advapi32.h"

typedef HANDLE HKEY;
typedef LONG LSTATUS;
typedef struct { ULONG LowDateTime, HighDateTime; } FILETIME;
typedef struct { ULONG nLength; PVOID lpSecurityDescriptor; BOOL bInheritHandle; } ADVP_SECURITY_ATTRIBUTES;

enum {
    ERROR_SUCCESS = 0,
    ERROR_FILE_NOT_FOUND = 2,
    ERROR_INVALID_HANDLE = 6,
    ERROR_NOT_SUPPORTED = 50,
    ERROR_BAD_NETPATH = 53,
    ERROR_MORE_DATA = 234,
    ERROR_NO_MORE_ITEMS = 259,
    ERROR_UNSUPPORTED_TYPE = 1630,
};
enum { REG_NONE, REG_SZ, REG_EXPAND_SZ, REG_BINARY, REG_DWORD, REG_DWORD_BIG_ENDIAN, REG_LINK, REG_MULTI_SZ, REG_QWORD = 11 };

#define KEY_QUERY_VALUE 0x1
#define KEY_SET_VALUE 0x2
#define KEY_ENUMERATE_SUB_KEYS 0x8
#define KEY_WOW64_RES 0x300
#define MAXIMUM_ALLOWED 0x2000000
#define REG_OPTION_OPEN_LINK 8
#define OBJ_OPENLINK 0x100
/* The longest name of a key, and of a value, in characters without the end. */
#define LONGEST_KEY 255
#define LONGEST_VALUE 16383

typedef struct {
    LONGLONG LastWriteTime;
    ULONG TitleIndex, NameLength;
    WCHAR Name[];
} KEY_BASIC_INFORMATION;
typedef struct {
    LONGLONG LastWriteTime;
    ULONG TitleIndex, ClassOffset, ClassLength, NameLength;
    WCHAR Name[];
} KEY_NODE_INFORMATION;
typedef struct {
    LONGLONG LastWriteTime;
    ULONG TitleIndex, ClassOffset, ClassLength, SubKeys, MaxNameLen, MaxClassLen, Values, MaxValueNameLen, MaxValueDataLen;
    WCHAR Class[];
} KEY_FULL_INFORMATION;
typedef struct {
    ULONG TitleIndex, Type, DataOffset, DataLength, NameLength;
    WCHAR Name[];
} KEY_VALUE_FULL_INFORMATION;
typedef struct {
    ULONG TitleIndex, Type, DataLength;
    UCHAR Data[];
} KEY_VALUE_PARTIAL_INFORMATION;
enum { KeyBasicInformation, KeyNodeInformation, KeyFullInformation };
enum { KeyValueFullInformation = 1, KeyValuePartialInformation = 2 };

NTSYSCALLAPI NTSTATUS NTAPI NtCreateKey(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, ULONG, UNICODE_STRING *, ULONG, ULONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtOpenKey(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *);
NTSYSCALLAPI NTSTATUS NTAPI NtDeleteKey(HANDLE);
NTSYSCALLAPI NTSTATUS NTAPI NtRenameKey(HANDLE, UNICODE_STRING *);
NTSYSCALLAPI NTSTATUS NTAPI NtFlushKey(HANDLE);
NTSYSCALLAPI NTSTATUS NTAPI NtEnumerateKey(HANDLE, ULONG, ULONG, PVOID, ULONG, ULONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtQueryKey(HANDLE, ULONG, PVOID, ULONG, ULONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtSetValueKey(HANDLE, UNICODE_STRING *, ULONG, ULONG, const void *, ULONG);
NTSYSCALLAPI NTSTATUS NTAPI NtQueryValueKey(HANDLE, UNICODE_STRING *, ULONG, PVOID, ULONG, ULONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtEnumerateValueKey(HANDLE, ULONG, ULONG, PVOID, ULONG, ULONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtDeleteValueKey(HANDLE, UNICODE_STRING *);
NTSYSCALLAPI NTSTATUS NTAPI NtNotifyChangeKey(HANDLE, HANDLE, PVOID, PVOID, IO_STATUS_BLOCK *, ULONG, BOOLEAN, PVOID, ULONG, BOOLEAN);
NTSYSCALLAPI NTSTATUS NTAPI NtQuerySecurityObject(HANDLE, ULONG, PVOID, ULONG, ULONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtSetSecurityObject(HANDLE, ULONG, PVOID);
CRT int _wcsnicmp(const WCHAR *, const WCHAR *, size_t);

/* What a function of the registry returns for a status. */
static inline LSTATUS AdvpError(NTSTATUS status) { return status >= 0 ? ERROR_SUCCESS : (LSTATUS)RtlNtStatusToDosError(status); }

static inline void AdvpFree(PVOID block) { RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, block); }

/* reg_key.c */
LSTATUS AdvpKey(HKEY key, HANDLE *handle);
LSTATUS NTAPI RegCloseKey(HKEY key);
LSTATUS NTAPI RegOpenKeyExW(HKEY key, const WCHAR *name, ULONG options, ACCESS_MASK access, HKEY *result);
/* reg_text.c */
BOOL AdvpName(UNICODE_STRING *string, const WCHAR *text);
LSTATUS AdvpWide(const char *text, WCHAR **result);
PVOID AdvpWideData(const char *data, ULONG size, ULONG *wide_size);
ULONG AdvpNarrow(const WCHAR *text, ULONG units, char *to, ULONG room);
BOOL AdvpIsText(ULONG type);
ULONG AdvpExpand(const WCHAR *text, ULONG units, WCHAR *to, ULONG room);
/* reg_value.c */
LSTATUS AdvpReadValue(HKEY key, const WCHAR *name, KEY_VALUE_PARTIAL_INFORMATION **info);
LSTATUS NTAPI RegSetValueExW(HKEY key, const WCHAR *name, ULONG reserved, ULONG type, const void *data, ULONG size);
LSTATUS NTAPI RegQueryValueExW(HKEY key, const WCHAR *name, ULONG *reserved, ULONG *type, PVOID data, ULONG *size);

/* Declares `wide`, the UTF-16 of a name or NULL, which AdvpFree takes; or returns the error. */
#define ADVP_WIDE(wide, name) \
    WCHAR *wide = NULL; \
    { \
        LSTATUS bad = AdvpWide(name, &wide); \
        if (bad) return bad; \
    }
