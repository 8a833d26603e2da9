/* secur32.dll: the authority's security packages, of which there is none. */
#include "nt.h"

#define SEC_E_SECPKG_NOT_FOUND ((LONG)0x80090305)
#define SEC_E_INVALID_HANDLE ((LONG)0x80090301)

/* `EnumerateSecurityPackagesW`: none. */
LONG NTAPI EnumerateSecurityPackagesW(ULONG *count, PVOID *packages) {
    *count = 0, *packages = NULL;
    return 0;
}
/* `AcquireCredentialsHandleW`, `QuerySecurityPackageInfoW`: of none. */
LONG NTAPI AcquireCredentialsHandleW(PVOID principal, PVOID package, ULONG use, PVOID logon, PVOID data, PVOID get, PVOID key, PVOID credential, PVOID expiry) {
    (void)principal, (void)package, (void)use, (void)logon, (void)data, (void)get, (void)key, (void)credential, (void)expiry;
    return SEC_E_SECPKG_NOT_FOUND;
}
LONG NTAPI AcquireCredentialsHandleA(PVOID principal, PVOID package, ULONG use, PVOID logon, PVOID data, PVOID get, PVOID key, PVOID credential, PVOID expiry) {
    return AcquireCredentialsHandleW(principal, package, use, logon, data, get, key, credential, expiry);
}
LONG NTAPI QuerySecurityPackageInfoW(const WCHAR *package, PVOID *information) {
    (void)package;
    *information = NULL;
    return SEC_E_SECPKG_NOT_FOUND;
}
/* `FreeCredentialsHandle`, `DeleteSecurityContext`: nobody has any. */
LONG NTAPI FreeCredentialsHandle(PVOID credential) {
    (void)credential;
    return SEC_E_INVALID_HANDLE;
}
LONG NTAPI DeleteSecurityContext(PVOID context) { return FreeCredentialsHandle(context); }

/* What the rest of the interface says: there is no package whose context could be asked. */
#define OF_NO_PACKAGE(name, ...) \
    static LONG NTAPI name(__VA_ARGS__) { return SEC_E_SECPKG_NOT_FOUND; }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
OF_NO_PACKAGE(Secp1, PVOID a)
OF_NO_PACKAGE(Secp2, PVOID a, PVOID b)
OF_NO_PACKAGE(Secp3, PVOID a, ULONG b, PVOID c)
OF_NO_PACKAGE(Secp4, PVOID a, PVOID b, ULONG c, PVOID d)
OF_NO_PACKAGE(Secp9, PVOID a, PVOID b, PVOID c, ULONG d, ULONG e, PVOID f, PVOID g, PVOID h, PVOID i)
OF_NO_PACKAGE(Secp12, PVOID a, PVOID b, PVOID c, ULONG d, ULONG e, ULONG f, PVOID g, ULONG h, PVOID i, PVOID j, PVOID k, PVOID l)
#pragma GCC diagnostic pop

/* `SecurityFunctionTable`, its first version, in the order of its members. */
typedef struct { ULONG Version; const void *Functions[27]; } SECURITY_FUNCTION_TABLE;
#define FUNCTIONS(acquire) \
    {1, {EnumerateSecurityPackagesW, Secp3, acquire, FreeCredentialsHandle, NULL, Secp12, Secp9, Secp2, DeleteSecurityContext, Secp2, Secp3, \
         Secp1, Secp1, Secp4, Secp4, Secp1, QuerySecurityPackageInfoW, NULL, NULL, Secp4, Secp4, NULL, NULL, Secp2, Secp4, Secp4, NULL}}

/* `InitSecurityInterfaceW`, `InitSecurityInterfaceA`. */
const void *NTAPI InitSecurityInterfaceW(void) {
    static const SECURITY_FUNCTION_TABLE table = FUNCTIONS(AcquireCredentialsHandleW);
    return &table;
}
const void *NTAPI InitSecurityInterfaceA(void) {
    static const SECURITY_FUNCTION_TABLE table = FUNCTIONS(AcquireCredentialsHandleA);
    return &table;
}
