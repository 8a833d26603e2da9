/* Security identifiers. */
#include "advapi32.h"

/* `GetSidLengthRequired`. */
ULONG NTAPI GetSidLengthRequired(UCHAR count) { return sizeof(SID) + count * sizeof(ULONG); }

/* `GetLengthSid`. */
ULONG NTAPI GetLengthSid(const SID *sid) { return GetSidLengthRequired(sid->SubAuthorityCount); }

/* `IsValidSid`: leaves the last error alone. */
BOOL NTAPI IsValidSid(const SID *sid) {
    return sid && sid->Revision == 1 && sid->SubAuthorityCount <= SID_MAX_SUB_AUTHORITIES;
}

/* `InitializeSid`: its sub-authorities are the caller's to fill in. */
BOOL NTAPI InitializeSid(SID *sid, const SID_IDENTIFIER_AUTHORITY *authority, UCHAR count) {
    if (count > SID_MAX_SUB_AUTHORITIES) return AdvpFail(ERROR_INVALID_PARAMETER);
    sid->Revision = 1;
    sid->SubAuthorityCount = count;
    sid->IdentifierAuthority = *authority;
    return TRUE;
}

/* `AllocateAndInitializeSid`: at most eight sub-authorities. */
BOOL NTAPI AllocateAndInitializeSid(const SID_IDENTIFIER_AUTHORITY *authority, UCHAR count, ULONG a, ULONG b, ULONG c,
                                    ULONG d, ULONG e, ULONG f, ULONG g, ULONG h, SID **result) {
    const ULONG values[8] = {a, b, c, d, e, f, g, h};
    if (count > 8) return AdvpFail(ERROR_INVALID_SID);
    SID *sid = AdvpAllocate(GetSidLengthRequired(8));
    if (!sid) return FALSE;
    InitializeSid(sid, authority, count);
    for (UCHAR i = 0; i < count; i++) sid->SubAuthority[i] = values[i];
    *result = sid;
    return TRUE;
}

/* `FreeSid`: NULL. */
PVOID NTAPI FreeSid(SID *sid) {
    RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, sid);
    return NULL;
}

static BOOL AdvpSame(const void *a, const void *b, ULONG size) { return RtlCompareMemory(a, b, size) == size; }

/* `EqualSid`: the last error of two that are well-formed is 0. */
BOOL NTAPI EqualSid(const SID *a, const SID *b) {
    RtlSetLastWin32Error(0);
    return a->Revision == b->Revision && a->SubAuthorityCount == b->SubAuthorityCount && AdvpSame(a, b, GetLengthSid(a));
}

/* `EqualPrefixSid`: but for the last sub-authority. */
BOOL NTAPI EqualPrefixSid(const SID *a, const SID *b) {
    ULONG last = a->SubAuthorityCount ? sizeof(ULONG) : 0;
    return a->SubAuthorityCount == b->SubAuthorityCount && AdvpSame(a, b, GetLengthSid(a) - last);
}

/* `CopySid`. */
BOOL NTAPI CopySid(ULONG room, SID *to, const SID *from) {
    if (room < GetLengthSid(from)) return AdvpFail(ERROR_INSUFFICIENT_BUFFER);
    memmove(to, from, GetLengthSid(from));
    return TRUE;
}

/* `GetSidSubAuthority`: where it is. */
ULONG *NTAPI GetSidSubAuthority(SID *sid, ULONG index) {
    RtlSetLastWin32Error(0);
    return &sid->SubAuthority[index];
}

/* `GetSidSubAuthorityCount`: where it is. */
UCHAR *NTAPI GetSidSubAuthorityCount(SID *sid) {
    RtlSetLastWin32Error(0);
    return &sid->SubAuthorityCount;
}

/* `GetSidIdentifierAuthority`: where it is. */
SID_IDENTIFIER_AUTHORITY *NTAPI GetSidIdentifierAuthority(SID *sid) {
    RtlSetLastWin32Error(0);
    return &sid->IdentifierAuthority;
}

/* Digits of a number; where they end. */
static char *AdvpDecimal(char *to, ULONG value) {
    char digits[10];
    ULONG count = 0;
    do digits[count++] = (char)('0' + value % 10);
    while (value /= 10);
    while (count) *to++ = digits[--count];
    return to;
}

/* S-1-, an authority of up to 14 characters, and up to 15 times a dash and ten digits. */
#define LONGEST_SID_TEXT (4 + 14 + SID_MAX_SUB_AUTHORITIES * 11 + 1)

/* The text of an identifier; its length with its end. An authority of more than 32 bits is written in hexadecimal. */
static ULONG AdvpSidText(const SID *sid, char *text) {
    const UCHAR *value = sid->IdentifierAuthority.Value;
    char *to = text;
    *to++ = 'S', *to++ = '-', *to++ = '1', *to++ = '-';
    if (value[0] || value[1]) {
        *to++ = '0', *to++ = 'x';
        for (int i = 0; i < 12; i++) *to++ = "0123456789ABCDEF"[value[i / 2] >> (i & 1 ? 0 : 4) & 15];
    } else {
        to = AdvpDecimal(to, (ULONG)value[2] << 24 | (ULONG)value[3] << 16 | (ULONG)value[4] << 8 | value[5]);
    }
    for (UCHAR i = 0; i < sid->SubAuthorityCount; i++) {
        *to++ = '-';
        to = AdvpDecimal(to, sid->SubAuthority[i]);
    }
    *to++ = 0;
    return (ULONG)(to - text);
}

/* `ConvertSidToStringSidA`: the text is the caller's to free with LocalFree. */
BOOL NTAPI ConvertSidToStringSidA(const SID *sid, char **result) {
    char text[LONGEST_SID_TEXT];
    if (!result) return AdvpFail(ERROR_INVALID_PARAMETER);
    if (!IsValidSid(sid)) return AdvpFail(ERROR_INVALID_SID);
    ULONG length = AdvpSidText(sid, text);
    char *copy = AdvpAllocate(length);
    if (!copy) return FALSE;
    memmove(copy, text, length);
    *result = copy;
    return TRUE;
}

/* `ConvertSidToStringSidW`. */
BOOL NTAPI ConvertSidToStringSidW(const SID *sid, WCHAR **result) {
    char text[LONGEST_SID_TEXT];
    if (!result) return AdvpFail(ERROR_INVALID_PARAMETER);
    if (!IsValidSid(sid)) return AdvpFail(ERROR_INVALID_SID);
    ULONG length = AdvpSidText(sid, text);
    WCHAR *copy = AdvpAllocate(length * sizeof *copy);
    if (!copy) return FALSE;
    for (ULONG i = 0; i < length; i++) copy[i] = (WCHAR)(UCHAR)text[i];
    *result = copy;
    return TRUE;
}
