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

/* `TEB.HardErrorMode`, from Windows 7 on. */
static ULONG *BasepThreadErrorMode(void) { return (ULONG *)((char *)NtCurrentTeb() + WIDTH(0x16b0, 0xf28)); }
#define RTL_ERRORMODE_SHIFT 4

/* `GetThreadErrorMode`. */
ULONG NTAPI GetThreadErrorMode(void) { return *BasepThreadErrorMode() >> RTL_ERRORMODE_SHIFT; }

/* `SetThreadErrorMode`: SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SEM_NOOPENFILEERRORBOX. */
BOOL NTAPI SetThreadErrorMode(ULONG mode, ULONG *before) {
    if (mode & ~0x8003u) return BasepFail(ERROR_INVALID_PARAMETER);
    if (before) *before = GetThreadErrorMode();
    *BasepThreadErrorMode() = mode << RTL_ERRORMODE_SHIFT;
    return TRUE;
}
