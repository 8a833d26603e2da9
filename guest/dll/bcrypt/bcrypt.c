/* bcrypt.dll: random numbers, and no other algorithm. */
#include "random.h"

#define STATUS_NOT_FOUND ((NTSTATUS)0xc0000225)
#define BCRYPT_USE_SYSTEM_PREFERRED_RNG 2

/* What stands for the one algorithm. */
static const WCHAR BCryptpRng[] = u"RNG";

/* `BCryptOpenAlgorithmProvider`. */
NTSTATUS NTAPI BCryptOpenAlgorithmProvider(HANDLE *algorithm, const WCHAR *name, const WCHAR *provider, ULONG flags) {
    (void)provider, (void)flags;
    if (!algorithm || !name) return STATUS_INVALID_PARAMETER;
    for (ULONG i = 0; i < sizeof BCryptpRng / sizeof *BCryptpRng; i++)
        if (name[i] != BCryptpRng[i]) return STATUS_NOT_FOUND;
    *algorithm = (HANDLE)BCryptpRng;
    return STATUS_SUCCESS;
}

/* `BCryptCloseAlgorithmProvider`. */
NTSTATUS NTAPI BCryptCloseAlgorithmProvider(HANDLE algorithm, ULONG flags) {
    (void)flags;
    return algorithm == (HANDLE)BCryptpRng ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;
}

/* `BCryptGenRandom`. */
NTSTATUS NTAPI BCryptGenRandom(HANDLE algorithm, UCHAR *to, ULONG size, ULONG flags) {
    if (algorithm != (HANDLE)BCryptpRng && (algorithm || !(flags & BCRYPT_USE_SYSTEM_PREFERRED_RNG)))
        return STATUS_INVALID_HANDLE;
    return to || !size ? KsecRandom(to, size) : STATUS_INVALID_PARAMETER;
}

/* `BCryptGetFipsAlgorithmMode`: it is off. */
NTSTATUS NTAPI BCryptGetFipsAlgorithmMode(BOOLEAN *enabled) {
    if (!enabled) return STATUS_INVALID_PARAMETER;
    *enabled = FALSE;
    return STATUS_SUCCESS;
}
