/* Random bytes. */
#include "random.h"

/* `SystemFunction036`: `RtlGenRandom`. */
BOOLEAN NTAPI SystemFunction036(PVOID to, ULONG size) { return KsecRandom(to, size) >= 0; }
