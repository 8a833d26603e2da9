/* What a process wants of hard errors. */
#include "kernel32.h"

#define ProcessDefaultHardErrorMode 12
#define SEM_FAILCRITICALERRORS 1u
#define SEM_NOGPFAULTERRORBOX 2u

/* `GetErrorMode`: the kernel's first bit says that critical errors are shown, Win32's that they are not. */
ULONG NTAPI GetErrorMode(void) {
    ULONG mode;
    NTSTATUS status = NtQueryInformationProcess(NtCurrentProcess(), ProcessDefaultHardErrorMode, &mode, sizeof mode, NULL);
    return BasepStatus(status) ? mode ^ SEM_FAILCRITICALERRORS : 0;
}

/* `SetErrorMode`: the mode before. */
ULONG NTAPI SetErrorMode(ULONG mode) {
    ULONG before = GetErrorMode(), native = mode ^ SEM_FAILCRITICALERRORS;
    NtSetInformationProcess(NtCurrentProcess(), ProcessDefaultHardErrorMode, &native, sizeof native);
    return before;
}
