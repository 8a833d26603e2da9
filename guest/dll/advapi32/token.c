/* Tokens, and the access check. */
#include "advapi32.h"

#define TOKEN_QUERY 8
#define TOKEN_IMPERSONATE 4

/* `OpenProcessToken`. */
BOOL NTAPI OpenProcessToken(HANDLE process, ACCESS_MASK access, HANDLE *token) {
    return AdvpStatus(NtOpenProcessToken(process, access, token));
}

/* `OpenThreadToken`: ERROR_NO_TOKEN for a thread that does not impersonate. */
BOOL NTAPI OpenThreadToken(HANDLE thread, ACCESS_MASK access, BOOL as_self, HANDLE *token) {
    return AdvpStatus(NtOpenThreadToken(thread, access, !!as_self, token));
}

/* `GetTokenInformation`. */
BOOL NTAPI GetTokenInformation(HANDLE token, ULONG class, PVOID to, ULONG length, ULONG *needed) {
    return AdvpStatus(NtQueryInformationToken(token, class, to, length, needed));
}

/* `AdjustTokenPrivileges`: TRUE with the last error ERROR_NOT_ALL_ASSIGNED if the token lacks some of them. */
BOOL NTAPI AdjustTokenPrivileges(HANDLE token, BOOL disable_all, PVOID state, ULONG length, PVOID previous, ULONG *needed) {
    NTSTATUS status = NtAdjustPrivilegesToken(token, !!disable_all, state, length, previous, needed);
    RtlSetLastWin32ErrorAndNtStatusFromNtStatus(status);
    return status >= 0;
}

typedef struct { ULONG nLength; PVOID lpSecurityDescriptor; BOOL bInheritHandle; } SECURITY_ATTRIBUTES;
typedef struct { ULONG Length, ImpersonationLevel; BOOLEAN ContextTrackingMode, EffectiveOnly; } SECURITY_QUALITY_OF_SERVICE;

/* `DuplicateTokenEx`. */
BOOL NTAPI DuplicateTokenEx(HANDLE token, ACCESS_MASK access, const SECURITY_ATTRIBUTES *security, ULONG level, ULONG type,
                            HANDLE *copy) {
    SECURITY_QUALITY_OF_SERVICE quality = {sizeof quality, level, FALSE, FALSE};
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, NULL, security && security->bInheritHandle ? OBJ_INHERIT : 0,
                                    security ? security->lpSecurityDescriptor : NULL, &quality};
    return AdvpStatus(NtDuplicateToken(token, access, &attributes, FALSE, type, copy));
}

/* `DuplicateToken`: for impersonation. */
BOOL NTAPI DuplicateToken(HANDLE token, ULONG level, HANDLE *copy) {
    enum { TokenImpersonation = 2 };
    return DuplicateTokenEx(token, TOKEN_IMPERSONATE | TOKEN_QUERY, NULL, level, TokenImpersonation, copy);
}

/* `PrivilegeCheck`: a PRIVILEGE_SET, and to `*result` whether the token has what it asks for. */
BOOL NTAPI PrivilegeCheck(HANDLE token, PVOID required, BOOL *result) {
    BOOLEAN held = FALSE;
    if (!AdvpStatus(NtPrivilegeCheck(token, required, &held))) return FALSE;
    *result = held;
    return TRUE;
}

/* `AccessCheck`: TRUE if it could be checked; `*allowed` is the answer, and the last error the reason of a no. */
BOOL NTAPI AccessCheck(PVOID descriptor, HANDLE token, ACCESS_MASK desired, PVOID mapping, PVOID privileges, ULONG *length,
                       ACCESS_MASK *granted, BOOL *allowed) {
    NTSTATUS answer;
    if (!AdvpStatus(NtAccessCheck(descriptor, token, desired, mapping, privileges, length, granted, &answer))) return FALSE;
    *allowed = AdvpStatus(answer);
    return TRUE;
}

typedef struct { ACCESS_MASK GenericRead, GenericWrite, GenericExecute, GenericAll; } GENERIC_MAPPING;

/* `MapGenericMask`. */
void NTAPI MapGenericMask(ACCESS_MASK *access, const GENERIC_MAPPING *mapping) {
    ACCESS_MASK mask = *access;
    if (mask & 0x80000000) mask |= mapping->GenericRead;
    if (mask & 0x40000000) mask |= mapping->GenericWrite;
    if (mask & 0x20000000) mask |= mapping->GenericExecute;
    if (mask & 0x10000000) mask |= mapping->GenericAll;
    *access = mask & 0x0fffffff;
}
