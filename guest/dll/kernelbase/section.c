/* Critical sections: what Win32 makes a BOOL of; the rest is ntdll's. */
#include "base.h"

BOOL InitializeCriticalSectionEx(void *section, unsigned spin, unsigned flags) {
    return RtlInitializeCriticalSectionEx(section, spin, flags) >= 0;
}
BOOL InitializeCriticalSectionAndSpinCount(void *section, unsigned spin) {
    return InitializeCriticalSectionEx(section, spin, 0);
}
void InitializeCriticalSection(void *section) { InitializeCriticalSectionEx(section, 0, 0); }
