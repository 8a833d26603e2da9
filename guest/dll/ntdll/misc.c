/* What needs few lines: the PEB, the version, the clock, breakpoints. */
#include "ntdll.h"

/* `RtlGetCurrentPeb`. */
PEB *NTAPI RtlGetCurrentPeb(void) { return NtCurrentPeb(); }

/* `DbgBreakPoint`. */
EXPORT void NTAPI DbgBreakPoint(void) { __asm__ volatile("int3"); }

/* `DbgUserBreakPoint`. */
EXPORT void NTAPI DbgUserBreakPoint(void) { __asm__ volatile("int3"); }

typedef struct {
    ULONG dwOSVersionInfoSize, dwMajorVersion, dwMinorVersion, dwBuildNumber, dwPlatformId;
    WCHAR szCSDVersion[128];
    USHORT wServicePackMajor, wServicePackMinor, wSuiteMask;
    UCHAR wProductType, wReserved;
} OSVERSIONINFOEXW;
#define OSVERSIONINFOW_SIZE __builtin_offsetof(OSVERSIONINFOEXW, wServicePackMajor)

/* `RtlGetVersion`: fills an OSVERSIONINFOW, or the longer OSVERSIONINFOEXW if its size says so, whose further fields are
 * zero but for the product type. STATUS_INVALID_PARAMETER for any other size. */
NTSTATUS NTAPI RtlGetVersion(PVOID to) {
    OSVERSIONINFOEXW *info = to;
    const PEB *peb = NtCurrentPeb();
    BOOLEAN extended = info->dwOSVersionInfoSize == sizeof(OSVERSIONINFOEXW);
    if (!extended && info->dwOSVersionInfoSize != OSVERSIONINFOW_SIZE) return STATUS_INVALID_PARAMETER;
    info->dwMajorVersion = peb->OSMajorVersion;
    info->dwMinorVersion = peb->OSMinorVersion;
    info->dwBuildNumber = peb->OSBuildNumber;
    info->dwPlatformId = peb->OSPlatformId;
    /* No service pack. */
    info->szCSDVersion[0] = 0;
    if (!extended) return STATUS_SUCCESS;
    info->wServicePackMajor = info->wServicePackMinor = info->wSuiteMask = 0;
    info->wProductType = (UCHAR)SharedUserData->NtProductType;
    info->wReserved = 0;
    return STATUS_SUCCESS;
}

/* `RtlGetNtVersionNumbers`: major, minor and build, each to where its argument points if that is not NULL. The build
 * has F0000000 in it for a released system. */
void NTAPI RtlGetNtVersionNumbers(ULONG *major, ULONG *minor, ULONG *build) {
    const PEB *peb = NtCurrentPeb();
    if (major) *major = peb->OSMajorVersion;
    if (minor) *minor = peb->OSMinorVersion;
    if (build) *build = peb->OSBuildNumber | 0xf0000000;
}

/* `RtlQueryPerformanceCounter`: TRUE. The value comes from the service: the machine's clock is the kernel's, RDTSC is
 * not behind it. */
BOOLEAN NTAPI RtlQueryPerformanceCounter(LONGLONG *counter) { return NtQueryPerformanceCounter(counter, NULL) >= 0; }

/* `RtlQueryPerformanceFrequency`: TRUE. */
BOOLEAN NTAPI RtlQueryPerformanceFrequency(LONGLONG *frequency) {
    LONGLONG counter;
    return NtQueryPerformanceCounter(&counter, frequency) >= 0;
}
