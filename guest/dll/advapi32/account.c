/* Who the caller is. */
#include "advapi32.h"

enum { TokenUser = 1, TokenGroups = 2, TokenImpersonationLevel = 9 };
#define SE_GROUP_ENABLED 4
#define SE_GROUP_USE_FOR_DENY_ONLY 0x10
#define ThreadImpersonationToken 5
typedef struct { const SID *Sid; ULONG Attributes; } SID_AND_ATTRIBUTES;
typedef struct { ULONG Count; SID_AND_ATTRIBUTES Groups[]; } TOKEN_GROUPS;
BOOL NTAPI EqualSid(const SID *, const SID *);
BOOL NTAPI DuplicateToken(HANDLE, ULONG, HANDLE *);

/* `GetUserNameW`: the name with its zero. The environment knows it. */
BOOL NTAPI GetUserNameW(WCHAR *to, ULONG *size) {
    const WCHAR *name = AdvpVariable(L"USERNAME", 8);
    if (!name) return AdvpFail(1317 /* ERROR_NO_SUCH_USER */);
    ULONG length = (ULONG)wcslen(name) + 1, room = *size;
    *size = length;
    if (!to || room < length) return AdvpFail(ERROR_INSUFFICIENT_BUFFER);
    memmove(to, name, length * sizeof *to);
    return TRUE;
}
BOOL NTAPI GetUserNameA(char *to, ULONG *size) {
    WCHAR name[257];
    ULONG length = 257, room = *size;
    if (!GetUserNameW(name, &length)) return FALSE;
    *size = length;
    if (!to || room < length) return AdvpFail(ERROR_INSUFFICIENT_BUFFER);
    for (ULONG i = 0; i < length; i++) to[i] = (char)(name[i] < 0x80 ? name[i] : '?');
    return TRUE;
}

/* A class of a token's, to be freed. */
static PVOID AdvpQuery(HANDLE token, ULONG class) {
    ULONG size = 0;
    NTSTATUS status = NtQueryInformationToken(token, class, NULL, 0, &size);
    if (status != STATUS_BUFFER_TOO_SMALL) return AdvpStatus(status), NULL;
    PVOID found = AdvpAllocate(size);
    if (!found) return NULL;
    status = NtQueryInformationToken(token, class, found, size, &size);
    if (AdvpStatus(status)) return found;
    RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, found);
    return NULL;
}

/* Whether a token speaks for an identifier: its user's, or that of a group that is enabled. */
static BOOL AdvpMember(HANDLE token, const SID *sid, BOOL *is_member) {
    SID_AND_ATTRIBUTES *user = AdvpQuery(token, TokenUser);
    TOKEN_GROUPS *groups = user ? AdvpQuery(token, TokenGroups) : NULL;
    *is_member = user && EqualSid(user->Sid, sid);
    for (ULONG i = 0; groups && i < groups->Count; i++) {
        ULONG attributes = groups->Groups[i].Attributes;
        if (!(attributes & SE_GROUP_ENABLED) || attributes & SE_GROUP_USE_FOR_DENY_ONLY) continue;
        if (EqualSid(groups->Groups[i].Sid, sid)) *is_member = TRUE;
    }
    BOOL known = groups != NULL;
    if (user) RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, user);
    if (groups) RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, groups);
    return known;
}

/* `CheckTokenMembership`: of an impersonation token, or of who calls. */
BOOL NTAPI CheckTokenMembership(HANDLE token, const SID *sid, BOOL *is_member) {
    HANDLE own = NULL;
    if (token) {
        ULONG level, size;
        if (!AdvpStatus(NtQueryInformationToken(token, TokenImpersonationLevel, &level, sizeof level, &size)))
            return AdvpFail(1309 /* ERROR_NO_IMPERSONATION_TOKEN */);
    } else {
        NTSTATUS status = NtOpenThreadToken(NtCurrentThread(), 8, TRUE, &own);
        if (status < 0) status = NtOpenProcessToken(NtCurrentProcess(), 8, &own);
        if (!AdvpStatus(status)) return FALSE;
    }
    BOOL known = AdvpMember(token ? token : own, sid, is_member);
    if (own) NtClose(own);
    return known;
}

/* Those of no domain, by their `WELL_KNOWN_SID_TYPE`: authority and sub-authorities. */
static const struct { UCHAR Type, Authority, Count; ULONG Parts[2]; } AdvpKnown[] = {
    {0, 0, 1, {0}}, {1, 1, 1, {0}}, {2, 2, 1, {0}}, {3, 3, 1, {0}}, {4, 3, 1, {1}}, {5, 3, 1, {2}}, {6, 3, 1, {3}},
    {8, 5, 1, {1}}, {9, 5, 1, {2}}, {10, 5, 1, {3}}, {11, 5, 1, {4}}, {12, 5, 1, {6}}, {13, 5, 1, {7}}, {14, 5, 1, {8}},
    {15, 5, 1, {9}}, {16, 5, 1, {10}}, {17, 5, 1, {11}}, {18, 5, 1, {12}}, {19, 5, 1, {13}}, {20, 5, 1, {14}},
    {22, 5, 1, {18}}, {23, 5, 1, {19}}, {24, 5, 1, {20}}, {25, 5, 1, {32}}, {26, 5, 2, {32, 544}}, {27, 5, 2, {32, 545}},
    {28, 5, 2, {32, 546}}, {29, 5, 2, {32, 547}}, {30, 5, 2, {32, 548}}, {31, 5, 2, {32, 549}}, {32, 5, 2, {32, 550}},
    {33, 5, 2, {32, 551}}, {34, 5, 2, {32, 552}}, {35, 5, 2, {32, 554}}, {36, 5, 2, {32, 555}}, {37, 5, 2, {32, 556}},
    {65, 16, 1, {0}}, {66, 16, 1, {0x1000}}, {67, 16, 1, {0x2000}}, {68, 16, 1, {0x3000}}, {69, 16, 1, {0x4000}},
};

/* `IsWellKnownSid`: FALSE for those of a domain. */
BOOL NTAPI IsWellKnownSid(const SID *sid, ULONG type) {
    for (ULONG i = 0; i < sizeof AdvpKnown / sizeof *AdvpKnown; i++) {
        if (AdvpKnown[i].Type != type) continue;
        BOOL same = sid->SubAuthorityCount == AdvpKnown[i].Count && sid->IdentifierAuthority.Value[5] == AdvpKnown[i].Authority;
        for (ULONG part = 0; same && part < AdvpKnown[i].Count; part++) same = sid->SubAuthority[part] == AdvpKnown[i].Parts[part];
        return same;
    }
    return FALSE;
}
/* `CreateWellKnownSid`: ERROR_INVALID_PARAMETER for those of a domain. */
BOOL NTAPI CreateWellKnownSid(ULONG type, const SID *domain, SID *sid, ULONG *size) {
    (void)domain;
    for (ULONG i = 0; i < sizeof AdvpKnown / sizeof *AdvpKnown; i++) {
        if (AdvpKnown[i].Type != type) continue;
        ULONG room = *size;
        *size = (ULONG)sizeof *sid + AdvpKnown[i].Count * 4u;
        if (!sid || room < *size) return AdvpFail(ERROR_INSUFFICIENT_BUFFER);
        *sid = (SID){.Revision = 1, .SubAuthorityCount = AdvpKnown[i].Count, .IdentifierAuthority = {{0, 0, 0, 0, 0, AdvpKnown[i].Authority}}};
        for (ULONG part = 0; part < AdvpKnown[i].Count; part++) sid->SubAuthority[part] = AdvpKnown[i].Parts[part];
        return TRUE;
    }
    return AdvpFail(ERROR_INVALID_PARAMETER);
}

/* `SetThreadToken`: NULL ends the impersonation. */
BOOL NTAPI SetThreadToken(HANDLE *thread, HANDLE token) {
    return AdvpStatus(NtSetInformationThread(thread ? *thread : NtCurrentThread(), ThreadImpersonationToken, &token, sizeof token));
}
/* `RevertToSelf`, `ImpersonateLoggedOnUser`, `ImpersonateSelf`. */
BOOL NTAPI RevertToSelf(void) { return SetThreadToken(NULL, NULL); }
BOOL NTAPI ImpersonateLoggedOnUser(HANDLE token) {
    enum { SecurityImpersonation = 2 };
    HANDLE copy;
    if (!DuplicateToken(token, SecurityImpersonation, &copy)) return FALSE;
    BOOL done = SetThreadToken(NULL, copy);
    NtClose(copy);
    return done;
}
BOOL NTAPI ImpersonateSelf(ULONG level) {
    HANDLE own, copy;
    if (!AdvpStatus(NtOpenProcessToken(NtCurrentProcess(), 2 /* TOKEN_DUPLICATE */, &own))) return FALSE;
    BOOL done = DuplicateToken(own, level, &copy);
    NtClose(own);
    if (!done) return FALSE;
    done = SetThreadToken(NULL, copy);
    NtClose(copy);
    return done;
}
