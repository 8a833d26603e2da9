/* bcryptprimitives.dll: random numbers. */
#include "random.h"

/* `ProcessPrng`. */
BOOL NTAPI ProcessPrng(UCHAR *to, SIZE_T size) {
    for (; size; ) {
        ULONG some = size > 0x10000 ? 0x10000 : (ULONG)size;
        if (KsecRandom(to, some) < 0) return FALSE;
        to += some;
        size -= some;
    }
    return TRUE;
}
