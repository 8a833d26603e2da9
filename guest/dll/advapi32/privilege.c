/* Names of privileges. */
#include "advapi32.h"

/* By value, from 2 (winnt.h's SE_…_NAME; [MS-LSAD] gives the values). */
#define FIRST_PRIVILEGE 2
static const WCHAR *const AdvpPrivileges[] = {
    L"SeCreateTokenPrivilege", L"SeAssignPrimaryTokenPrivilege", L"SeLockMemoryPrivilege", L"SeIncreaseQuotaPrivilege",
    L"SeMachineAccountPrivilege", L"SeTcbPrivilege", L"SeSecurityPrivilege", L"SeTakeOwnershipPrivilege",
    L"SeLoadDriverPrivilege", L"SeSystemProfilePrivilege", L"SeSystemtimePrivilege", L"SeProfileSingleProcessPrivilege",
    L"SeIncreaseBasePriorityPrivilege", L"SeCreatePagefilePrivilege", L"SeCreatePermanentPrivilege",
    L"SeBackupPrivilege", L"SeRestorePrivilege", L"SeShutdownPrivilege", L"SeDebugPrivilege", L"SeAuditPrivilege",
    L"SeSystemEnvironmentPrivilege", L"SeChangeNotifyPrivilege", L"SeRemoteShutdownPrivilege", L"SeUndockPrivilege",
    L"SeSyncAgentPrivilege", L"SeEnableDelegationPrivilege", L"SeManageVolumePrivilege", L"SeImpersonatePrivilege",
    L"SeCreateGlobalPrivilege", L"SeTrustedCredManAccessPrivilege", L"SeRelabelPrivilege",
    L"SeIncreaseWorkingSetPrivilege", L"SeTimeZonePrivilege", L"SeCreateSymbolicLinkPrivilege",
    L"SeDelegateSessionUserImpersonatePrivilege",
};
#define PRIVILEGES (sizeof AdvpPrivileges / sizeof *AdvpPrivileges)

/* `LookupPrivilegeValueW`: of this machine only. */
BOOL NTAPI LookupPrivilegeValueW(const WCHAR *system, const WCHAR *name, LUID *value) {
    if (system && *system) return AdvpFail(RPC_S_SERVER_UNAVAILABLE);
    for (ULONG i = 0; name && i < PRIVILEGES; i++) {
        if (_wcsicmp(name, AdvpPrivileges[i])) continue;
        *value = (LUID){i + FIRST_PRIVILEGE, 0};
        return TRUE;
    }
    return AdvpFail(ERROR_NO_SUCH_PRIVILEGE);
}

/* `LookupPrivilegeValueA`: the names are all ASCII. */
BOOL NTAPI LookupPrivilegeValueA(const char *system, const char *name, LUID *value) {
    WCHAR wide[64];
    ULONG i = 0;
    if (system && *system) return AdvpFail(RPC_S_SERVER_UNAVAILABLE);
    for (; name && name[i] && i < sizeof wide / sizeof *wide - 1; i++) wide[i] = (UCHAR)name[i];
    wide[i] = 0;
    return LookupPrivilegeValueW(NULL, wide, value);
}

/* The name of a value and its length; NULL with a last error. */
static const WCHAR *AdvpPrivilegeName(BOOL here, const LUID *value, ULONG *length) {
    ULONG index = value->LowPart - FIRST_PRIVILEGE;
    if (!here) AdvpFail(RPC_S_SERVER_UNAVAILABLE);
    else if (value->HighPart || index >= PRIVILEGES) AdvpFail(ERROR_NO_SUCH_PRIVILEGE);
    else {
        ULONG size = (ULONG)wcslen(AdvpPrivileges[index]);
        if (*length > size) {
            *length = size;
            return AdvpPrivileges[index];
        }
        *length = size + 1;
        AdvpFail(ERROR_INSUFFICIENT_BUFFER);
    }
    return NULL;
}

/* `LookupPrivilegeNameW`: the room in characters, and the name's length without its end. */
BOOL NTAPI LookupPrivilegeNameW(const WCHAR *system, const LUID *value, WCHAR *to, ULONG *length) {
    const WCHAR *name = AdvpPrivilegeName(!system || !*system, value, length);
    if (name) wcscpy(to, name);
    return !!name;
}

/* `LookupPrivilegeNameA`. */
BOOL NTAPI LookupPrivilegeNameA(const char *system, const LUID *value, char *to, ULONG *length) {
    const WCHAR *name = AdvpPrivilegeName(!system || !*system, value, length);
    for (ULONG i = 0; name && i <= *length; i++) to[i] = (char)name[i];
    return !!name;
}
