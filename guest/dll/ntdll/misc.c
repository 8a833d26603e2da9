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

/* What is compared, and where the three bits of its condition are. */
enum {
    VER_MINORVERSION = 1, VER_MAJORVERSION = 2, VER_BUILDNUMBER = 4, VER_PLATFORMID = 8, VER_SERVICEPACKMINOR = 0x10,
    VER_SERVICEPACKMAJOR = 0x20, VER_SUITENAME = 0x40, VER_PRODUCT_TYPE = 0x80,
};
enum { VER_EQUAL = 1, VER_GREATER, VER_GREATER_EQUAL, VER_LESS, VER_LESS_EQUAL, VER_AND, VER_OR };
static ULONG RtlpConditionShift(ULONG type) { return 3 * (ULONG)__builtin_ctz(type); }

/* `VerSetConditionMask`: with the condition of one type more. */
ULONGLONG NTAPI VerSetConditionMask(ULONGLONG mask, ULONG type, UCHAR condition) {
    static const UCHAR order[] = {VER_PRODUCT_TYPE, VER_SUITENAME, VER_PLATFORMID, VER_BUILDNUMBER, VER_MAJORVERSION,
                                  VER_MINORVERSION, VER_SERVICEPACKMAJOR, VER_SERVICEPACKMINOR};
    condition &= 7;
    for (ULONG i = 0; condition && i < sizeof order; i++)
        if (type & order[i]) return mask | 1ull << 63 | (ULONGLONG)condition << RtlpConditionShift(order[i]);
    return mask;
}

/* Whether a condition holds between what is there and what is asked for. */
static BOOLEAN RtlpHolds(ULONG have, ULONG want, ULONG condition) {
    switch (condition) {
    case VER_EQUAL: return have == want;
    case VER_GREATER: return have > want;
    case VER_GREATER_EQUAL: return have >= want;
    case VER_LESS: return have < want;
    case VER_LESS_EQUAL: return have <= want;
    default: return FALSE;
    }
}

/* `RtlVerifyVersionInfo`: major and minor version and service packs one after the other, as the parts of a number, each by the
 * condition of the first. STATUS_REVISION_MISMATCH, STATUS_INVALID_PARAMETER. */
NTSTATUS NTAPI RtlVerifyVersionInfo(PVOID asked, ULONG types, ULONGLONG mask) {
    const OSVERSIONINFOEXW *want = asked;
    OSVERSIONINFOEXW have = {.dwOSVersionInfoSize = sizeof have};
    if (!types || !mask) return STATUS_INVALID_PARAMETER;
    RtlGetVersion(&have);
#define CONDITION(type) ((ULONG)(mask >> RtlpConditionShift(type)) & 7)
    if (types & VER_PRODUCT_TYPE && !RtlpHolds(have.wProductType, want->wProductType, CONDITION(VER_PRODUCT_TYPE)))
        return STATUS_REVISION_MISMATCH;
    if (types & VER_SUITENAME) {
        ULONG common = have.wSuiteMask & want->wSuiteMask, condition = CONDITION(VER_SUITENAME);
        if (condition != VER_AND && condition != VER_OR) return STATUS_INVALID_PARAMETER;
        if (condition == VER_AND ? common != want->wSuiteMask : want->wSuiteMask && !common) return STATUS_REVISION_MISMATCH;
    }
    if (types & VER_PLATFORMID && !RtlpHolds(have.dwPlatformId, want->dwPlatformId, CONDITION(VER_PLATFORMID)))
        return STATUS_REVISION_MISMATCH;
    if (types & VER_BUILDNUMBER && !RtlpHolds(have.dwBuildNumber, want->dwBuildNumber, CONDITION(VER_BUILDNUMBER)))
        return STATUS_REVISION_MISMATCH;
    const struct { ULONG Type, Have, Want; } parts[] = {
        {VER_MAJORVERSION, have.dwMajorVersion, want->dwMajorVersion}, {VER_MINORVERSION, have.dwMinorVersion, want->dwMinorVersion},
        {VER_SERVICEPACKMAJOR, have.wServicePackMajor, want->wServicePackMajor},
        {VER_SERVICEPACKMINOR, have.wServicePackMinor, want->wServicePackMinor},
    };
    ULONG condition = 0;
    for (ULONG i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!(types & parts[i].Type)) continue;
        if (!condition) condition = CONDITION(parts[i].Type);
        if (parts[i].Have != parts[i].Want) return RtlpHolds(parts[i].Have, parts[i].Want, condition) ? STATUS_SUCCESS : STATUS_REVISION_MISMATCH;
    }
    return !condition || RtlpHolds(0, 0, condition) ? STATUS_SUCCESS : STATUS_REVISION_MISMATCH;
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
