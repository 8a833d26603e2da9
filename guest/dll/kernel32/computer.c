/* The machine: its names, its memory, its processors; the environment's variables in texts. */
#include "files.h"

enum { SystemPerformanceInformation = 2, ProcessWow64Information = 26 };
typedef struct { ULONG dwLength, dwMemoryLoad; ULONGLONG Total, Available, TotalPageFile, AvailablePageFile, TotalVirtual, AvailableVirtual, Extended; } MEMORYSTATUSEX;
typedef struct { ULONG dwLength, dwMemoryLoad; SIZE_T Total, Available, TotalPageFile, AvailablePageFile, TotalVirtual, AvailableVirtual; } MEMORYSTATUS;
typedef struct {
    ULONG Reserved, TimerResolution, PageSize, NumberOfPhysicalPages, LowestPhysicalPageNumber, HighestPhysicalPageNumber, AllocationGranularity;
    ULONG_PTR MinimumUserModeAddress, MaximumUserModeAddress, ActiveProcessorsAffinityMask;
    CHAR NumberOfProcessors;
} BASEP_BASIC_INFORMATION;
#define ERROR_BUFFER_OVERFLOW 111

/* The name that the environment has, and whether it has one. */
static const WCHAR *BasepComputerName(void) {
    const WCHAR *name = BasepVariable("COMPUTERNAME");
    return name ? name : L"TRAPGATE";
}

/* Gives a text, and its length or the room that it takes. */
static BOOL BasepGiveName(const WCHAR *name, WCHAR *to, ULONG *size, ULONG error) {
    ULONG length = (ULONG)wcslen(name);
    if (!to || *size <= length) {
        *size = length + 1;
        return BasepFail(error);
    }
    memmove(to, name, (length + 1) * 2);
    *size = length;
    return TRUE;
}
static BOOL BasepGiveNameA(const WCHAR *name, char *to, ULONG *size, ULONG error) {
    ULONG room = to ? *size : 0;
    char none;
    ULONG length = BasepNarrow(name, (ULONG)wcslen(name), to ? to : &none, room);
    *size = length;
    return length < room ? TRUE : BasepFail(error);
}

/* `GetComputerNameW`, `GetComputerNameExW`: of no domain. */
BOOL NTAPI GetComputerNameW(WCHAR *to, ULONG *size) { return BasepGiveName(BasepComputerName(), to, size, ERROR_BUFFER_OVERFLOW); }
BOOL NTAPI GetComputerNameA(char *to, ULONG *size) { return BasepGiveNameA(BasepComputerName(), to, size, ERROR_BUFFER_OVERFLOW); }
BOOL NTAPI GetComputerNameExW(ULONG kind, WCHAR *to, ULONG *size) {
    if (kind > 7) return BasepFail(ERROR_INVALID_PARAMETER);
    return BasepGiveName((kind & 3) == 2 ? L"" : BasepComputerName(), to, size, ERROR_MORE_DATA);
}
BOOL NTAPI GetComputerNameExA(ULONG kind, char *to, ULONG *size) {
    if (kind > 7) return BasepFail(ERROR_INVALID_PARAMETER);
    return BasepGiveNameA((kind & 3) == 2 ? L"" : BasepComputerName(), to, size, ERROR_MORE_DATA);
}

/* `ExpandEnvironmentStringsW`: the units with the zero, or how many it would take. */
ULONG NTAPI ExpandEnvironmentStringsW(const WCHAR *from, WCHAR *to, ULONG room) {
    ULONG used = 0;
    while (*from) {
        const WCHAR *value = NULL;
        ULONG end = 1;
        if (*from == '%') {
            char name[128];
            while (from[end] && from[end] != '%' && end < 127) {
                WCHAR c = from[end];
                name[end - 1] = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
                end++;
            }
            name[end - 1] = 0;
            if (from[end] == '%' && end > 1) value = BasepVariable(name);
        }
        if (value) {
            for (; *value; value++, used++)
                if (used < room) to[used] = *value;
            from += end + 1;
        } else {
            if (used < room) to[used] = *from;
            used++, from++;
        }
    }
    if (used < room) to[used] = 0;
    return used + 1;
}
ULONG NTAPI ExpandEnvironmentStringsA(const char *from, char *to, ULONG room) {
    WCHAR *wide = BasepWidenLong(from);
    if (!wide) return 0;
    ULONG units = ExpandEnvironmentStringsW(wide, NULL, 0);
    WCHAR *all = BasepAllocate(units * 2);
    ULONG size = 0;
    if (all) {
        ExpandEnvironmentStringsW(wide, all, units);
        size = BasepNarrow(all, units - 1, to, room);
        if (size < room) size++;
        BasepFree(all);
    }
    BasepFree(wide);
    return size;
}

/* `GlobalMemoryStatusEx`. */
BOOL NTAPI GlobalMemoryStatusEx(MEMORYSTATUSEX *to) {
    BASEP_BASIC_INFORMATION basic;
    union { ULONG words[128]; } performance = {{0}};
    ULONG got = 0;
    if (to->dwLength != sizeof *to) return BasepFail(ERROR_INVALID_PARAMETER);
    NTSTATUS status = NtQuerySystemInformation(0, &basic, sizeof basic, NULL);
    if (status >= 0) status = NtQuerySystemInformation(SystemPerformanceInformation, &performance, sizeof performance, &got);
    if (status == STATUS_INFO_LENGTH_MISMATCH && got) status = NtQuerySystemInformation(SystemPerformanceInformation, &performance, got, NULL);
    if (!BasepStatus(status)) return FALSE;
    ULONG total = basic.NumberOfPhysicalPages, free = performance.words[11], limit = performance.words[13], used = performance.words[12];
    ULONGLONG space = (ULONGLONG)basic.MaximumUserModeAddress - basic.MinimumUserModeAddress + 1;
    *to = (MEMORYSTATUSEX){sizeof *to, total ? (total - free) / (total / 100 + 1) : 0, (ULONGLONG)total << 12, (ULONGLONG)free << 12, (ULONGLONG)limit << 12,
                           (ULONGLONG)(limit - used) << 12, space, space, 0};
    return TRUE;
}
void NTAPI GlobalMemoryStatus(MEMORYSTATUS *to) {
    MEMORYSTATUSEX all = {.dwLength = sizeof all};
    *to = (MEMORYSTATUS){.dwLength = sizeof *to};
    if (!GlobalMemoryStatusEx(&all)) return;
    SIZE_T most = (SIZE_T)-1;
    #define CUT(n) ((n) > most ? most : (SIZE_T)(n))
    *to = (MEMORYSTATUS){sizeof *to, all.dwMemoryLoad, CUT(all.Total), CUT(all.Available), CUT(all.TotalPageFile), CUT(all.AvailablePageFile), CUT(all.TotalVirtual), CUT(all.AvailableVirtual)};
}
BOOL NTAPI GetPhysicallyInstalledSystemMemory(ULONGLONG *kilobytes) {
    MEMORYSTATUSEX all = {.dwLength = sizeof all};
    if (!GlobalMemoryStatusEx(&all)) return FALSE;
    *kilobytes = all.Total >> 10;
    return TRUE;
}

/* `IsWow64Process`, `IsWow64Process2`. */
BOOL NTAPI IsWow64Process(HANDLE process, BOOL *is) {
    ULONG_PTR peb = 0;
    NTSTATUS status = NtQueryInformationProcess(process, ProcessWow64Information, &peb, sizeof peb, NULL);
    /* A 32-bit kernel has no such class. */
    if (status == STATUS_INVALID_INFO_CLASS) status = STATUS_SUCCESS, peb = 0;
    if (!BasepStatus(status)) return FALSE;
    *is = peb != 0;
    return TRUE;
}
BOOL NTAPI IsWow64Process2(HANDLE process, USHORT *machine, USHORT *native) {
    BOOL is;
    if (!IsWow64Process(process, &is)) return FALSE;
    *machine = is ? 0x14c : 0;
    if (native) *native = WIDTH(0x8664, is ? 0x8664 : 0x14c);
    return TRUE;
}
/* Where a WOW64 thread says whether System32 is SysWOW64 to it: slot 8 of the TLS of its 64-bit TEB, which the 32-bit one
 * points to; NULL in other code. */
static ULONGLONG *BasepRedirection(void) {
    BOOL is = FALSE;
    if (WIDTH(TRUE, FALSE) || !IsWow64Process(NtCurrentProcess(), &is) || !is) return NULL;
    ULONG_PTR wide = *(ULONG *)((char *)NtCurrentTeb() + 0xf70);
    return (ULONGLONG *)(wide + 0x1480 + 8 * 8);
}

/* `Wow64DisableWow64FsRedirection`, `Wow64RevertWow64FsRedirection`, and the older form of both. */
BOOL NTAPI Wow64DisableWow64FsRedirection(PVOID *old) {
    ULONGLONG *at = BasepRedirection();
    if (!at) return BasepFail(1); /* ERROR_INVALID_FUNCTION */
    *old = (PVOID)(ULONG_PTR)*at;
    *at = 1;
    return TRUE;
}
BOOL NTAPI Wow64RevertWow64FsRedirection(PVOID old) {
    ULONGLONG *at = BasepRedirection();
    if (!at) return BasepFail(1);
    *at = (ULONG_PTR)old;
    return TRUE;
}
BOOLEAN NTAPI Wow64EnableWow64FsRedirection(BOOLEAN enable) {
    PVOID old;
    return enable ? (BOOLEAN)Wow64RevertWow64FsRedirection(NULL) : (BOOLEAN)Wow64DisableWow64FsRedirection(&old);
}
ULONG NTAPI GetSystemWow64DirectoryW(WCHAR *to, ULONG room) {
    static const WCHAR path[] = L"C:\\Windows\\SysWOW64";
    BOOL is = WIDTH(TRUE, FALSE);
    if (!is && (!IsWow64Process(NtCurrentProcess(), &is) || !is)) return (ULONG)BasepFail(120); /* ERROR_CALL_NOT_IMPLEMENTED */
    ULONG length = sizeof path / 2 - 1;
    if (room <= length) return length + 1;
    memmove(to, path, sizeof path);
    return length;
}
ULONG NTAPI GetSystemWow64DirectoryA(char *to, ULONG room) {
    WCHAR wide[MAX_PATH + 1];
    ULONG length = GetSystemWow64DirectoryW(wide, MAX_PATH + 1);
    return length ? BasepNarrow(wide, length, to, room) : 0;
}

/* Processors: one, in one group. `IsProcessorFeaturePresent` is what the kernel has written for all. */
BOOL NTAPI IsProcessorFeaturePresent(ULONG feature) { return feature < 64 ? ((volatile UCHAR *)SharedUserData)[0x274 + feature] : FALSE; }
ULONG NTAPI GetActiveProcessorCount(USHORT group) { return group && group != 0xffff ? 0 : 1; }
ULONG NTAPI GetMaximumProcessorCount(USHORT group) { return GetActiveProcessorCount(group); }
USHORT NTAPI GetActiveProcessorGroupCount(void) { return 1; }
USHORT NTAPI GetMaximumProcessorGroupCount(void) { return 1; }
ULONG NTAPI GetCurrentProcessorNumber(void) { return 0; }
void NTAPI GetCurrentProcessorNumberEx(ULONG *to) { *to = 0; }
BOOL NTAPI GetNumaHighestNodeNumber(ULONG *to) { return *to = 0, TRUE; }

/* `Beep`: heard by nobody. `SetHandleCount`: a wish of old. `DebugBreak`. */
BOOL NTAPI Beep(ULONG frequency, ULONG milliseconds) {
    (void)frequency, (void)milliseconds;
    return BasepFail(ERROR_NOT_SUPPORTED);
}
ULONG NTAPI SetHandleCount(ULONG count) { return count; }
void NTAPI DebugBreak(void) { __asm__ volatile("int3"); }
BOOL NTAPI AreFileApisANSI(void) { return TRUE; }
void NTAPI SetFileApisToOEM(void) {}
void NTAPI SetFileApisToANSI(void) {}
/* `WTSGetActiveConsoleSessionId`. */
ULONG NTAPI WTSGetActiveConsoleSessionId(void) { return 1; }
/* Process shutdown: the order in which nobody shuts down. */
BOOL NTAPI GetProcessShutdownParameters(ULONG *level, ULONG *flags) { return *level = 0x280, *flags = 0, TRUE; }
BOOL NTAPI SetProcessShutdownParameters(ULONG level, ULONG flags) {
    (void)flags;
    return level < 0x500 ? TRUE : BasepFail(ERROR_INVALID_PARAMETER);
}
/* `WerSetFlags`, `WerGetFlags`: how errors would be reported, which nobody does. */
static ULONG BasepWerFlags;
LONG NTAPI WerSetFlags(ULONG flags) { return BasepWerFlags = flags, 0; }
LONG NTAPI WerGetFlags(HANDLE process, ULONG *flags) {
    (void)process;
    return *flags = BasepWerFlags, 0;
}
