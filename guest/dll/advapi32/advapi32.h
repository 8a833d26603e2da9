/* What the files of advapi32.dll share. It imports from ntdll.dll only. */
#pragma once
#include "nt.h"

enum {
    ERROR_NOT_ENOUGH_MEMORY = 8,
    ERROR_INVALID_PARAMETER = 87,
    ERROR_CALL_NOT_IMPLEMENTED = 120,
    ERROR_INSUFFICIENT_BUFFER = 122,
    ERROR_NO_SUCH_PRIVILEGE = 1313,
    ERROR_INVALID_SID = 1337,
    RPC_S_SERVER_UNAVAILABLE = 1722,
};

/* ntdll's C functions */
#define CRT __declspec(dllimport)
CRT size_t wcslen(const WCHAR *);
CRT int _wcsicmp(const WCHAR *, const WCHAR *);
CRT WCHAR *wcscpy(WCHAR *, const WCHAR *);
CRT void *memmove(void *, const void *, size_t);

typedef struct { ULONG LowPart; LONG HighPart; } LUID;
typedef struct { UCHAR Value[6]; } SID_IDENTIFIER_AUTHORITY;
#define SID_MAX_SUB_AUTHORITIES 15
typedef struct {
    UCHAR Revision, SubAuthorityCount;
    SID_IDENTIFIER_AUTHORITY IdentifierAuthority;
    ULONG SubAuthority[];
} SID;

/* FALSE, with a last error. */
static inline BOOL AdvpFail(ULONG error) {
    RtlSetLastWin32Error(error);
    return FALSE;
}

/* TRUE, or FALSE with the last error of a status. */
static inline BOOL AdvpStatus(NTSTATUS status) {
    if (status >= 0) return TRUE;
    RtlSetLastWin32ErrorAndNtStatusFromNtStatus(status);
    return FALSE;
}

/* Memory that LocalFree takes back: the process heap's. */
static inline PVOID AdvpAllocate(SIZE_T size) {
    PVOID block = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, size);
    if (!block) AdvpFail(ERROR_NOT_ENOUGH_MEMORY);
    return block;
}

/* sid.c */
ULONG NTAPI GetLengthSid(const SID *sid);
BOOL NTAPI IsValidSid(const SID *sid);
BOOL NTAPI ConvertSidToStringSidW(const SID *sid, WCHAR **result);
/* reg_text.c */
const WCHAR *AdvpVariable(const WCHAR *name, ULONG units);
