/* psapi.dll: kernel32 has its functions, under names that begin with K32. */
#include "nt.h"

/* `EnumDeviceDrivers`: who may not see the kernel's addresses sees none. */
BOOL NTAPI EnumDeviceDrivers(PVOID *images, ULONG size, ULONG *needed) {
    (void)images, (void)size;
    *needed = 0;
    RtlSetLastWin32Error(50); /* ERROR_NOT_SUPPORTED */
    return FALSE;
}
