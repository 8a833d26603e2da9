/* Cryptographic providers: random numbers, and no keys or hashes. */
#include "random.h"
#include "advapi32.h"

#define NTE_BAD_UID ((ULONG)0x80090001)
#define NTE_BAD_KEYSET ((ULONG)0x80090016)
#define CRYPT_VERIFYCONTEXT 0xf0000000u
/* What stands for the one context. */
static const char AdvpContext[] = "RNG";

/* `CryptAcquireContextW`: one without keys; there are no key containers. */
BOOL NTAPI CryptAcquireContextW(ULONG_PTR *context, const WCHAR *container, const WCHAR *provider, ULONG type, ULONG flags) {
    (void)container, (void)provider;
    if (!context || !type) return AdvpFail(ERROR_INVALID_PARAMETER);
    if (!(flags & CRYPT_VERIFYCONTEXT)) return AdvpFail(NTE_BAD_KEYSET);
    *context = (ULONG_PTR)AdvpContext;
    return TRUE;
}
BOOL NTAPI CryptAcquireContextA(ULONG_PTR *context, const char *container, const char *provider, ULONG type, ULONG flags) {
    (void)container, (void)provider;
    return CryptAcquireContextW(context, NULL, NULL, type, flags);
}
/* `CryptReleaseContext`. */
BOOL NTAPI CryptReleaseContext(ULONG_PTR context, ULONG flags) {
    (void)flags;
    return context == (ULONG_PTR)AdvpContext ? TRUE : AdvpFail(NTE_BAD_UID);
}
/* `CryptGenRandom`. */
BOOL NTAPI CryptGenRandom(ULONG_PTR context, ULONG size, UCHAR *to) {
    if (context != (ULONG_PTR)AdvpContext) return AdvpFail(NTE_BAD_UID);
    return AdvpStatus(KsecRandom(to, size));
}
