/* AppContainers: where their named objects are. */
#include "kernel32.h"

#define TOKEN_QUERY 8
#define TOKEN_IS_APP_CONTAINER 29
#define TOKEN_APP_CONTAINER_SID 31
/* SECURITY_MAX_SID_SIZE, with room for the pointer in front of it. */
#define SID_ROOM (8 + 68)

/* Appends a number. */
void BasepAppendNumber(WCHAR *path, ULONG number) {
    WCHAR digits[11], *at = digits + 10;
    *at = 0;
    do *--at = (WCHAR)('0' + number % 10);
    while (number /= 10);
    wcscat(path, at);
}

/* Appends a SID as text: S-1-, the authority (small ones only), and the sub-authorities. */
static void BasepAppendSid(WCHAR *path, const UCHAR *sid) {
    wcscat(path, L"S-1-");
    BasepAppendNumber(path, (ULONG)sid[4] << 24 | (ULONG)sid[5] << 16 | (ULONG)sid[6] << 8 | sid[7]);
    for (ULONG i = 0; i < sid[1]; i++) {
        ULONG part;
        memmove(&part, sid + 8 + 4 * i, sizeof part);
        wcscat(path, L"-");
        BasepAppendNumber(path, part);
    }
}

/* `AppContainerNamedObjects\` and the package's SID: the one that is given, or the token's. Fails for a token that is in
 * no AppContainer. */
NTSTATUS BasepContainerPath(HANDLE token, const UCHAR *sid, WCHAR *path) {
    union {
        const UCHAR *sid;
        UCHAR room[SID_ROOM];
    } package;
    if (!sid) {
        ULONG inside = 0, length;
        NTSTATUS status = NtQueryInformationToken(token, TOKEN_IS_APP_CONTAINER, &inside, sizeof inside, &length);
        if (status >= 0 && !inside) status = STATUS_NOT_FOUND;
        if (status >= 0) status = NtQueryInformationToken(token, TOKEN_APP_CONTAINER_SID, &package, sizeof package, &length);
        if (status < 0) return status;
        sid = package.sid;
    }
    wcscpy(path, L"AppContainerNamedObjects\\");
    BasepAppendSid(path, sid);
    return STATUS_SUCCESS;
}

/* `GetAppContainerNamedObjectPath`: of a token, by default the caller's, or of a package. Lengths are in UTF-16 units
 * with the zero. */
BOOL NTAPI GetAppContainerNamedObjectPath(HANDLE token, const UCHAR *sid, ULONG room, WCHAR *path, ULONG *length) {
    WCHAR whole[BASEP_CONTAINER_PATH];
    HANDLE own = NULL;
    if (!length || (token && sid)) return BasepFail(ERROR_INVALID_PARAMETER);
    NTSTATUS status = STATUS_SUCCESS;
    if (!token && !sid) {
        status = NtOpenThreadToken((HANDLE)-2, TOKEN_QUERY, TRUE, &own);
        if (status < 0) status = NtOpenProcessToken((HANDLE)-1, TOKEN_QUERY, &own);
    }
    if (status >= 0) status = BasepContainerPath(token ? token : own, sid, whole);
    if (own) NtClose(own);
    if (!BasepStatus(status)) return FALSE;
    *length = (ULONG)wcslen(whole) + 1;
    if (room < *length || !path) return BasepFail(ERROR_INSUFFICIENT_BUFFER);
    wcscpy(path, whole);
    return TRUE;
}
