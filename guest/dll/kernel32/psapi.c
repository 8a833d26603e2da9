/* Modules, images and memory of processes (`K32...`, which psapi.dll has under their older names). */
#include "process.h"
#include "files.h"

typedef struct { PVOID lpBaseOfDll; ULONG SizeOfImage; PVOID EntryPoint; } MODULEINFO;
typedef struct {
    SIZE_T PeakVirtualSize, VirtualSize;
    ULONG PageFaultCount;
    SIZE_T PeakWorkingSetSize, WorkingSetSize, QuotaPeakPaged, QuotaPaged, QuotaPeakNonPaged, QuotaNonPaged, PagefileUsage, PeakPagefileUsage;
} BASEP_VM_COUNTERS;
typedef struct {
    ULONG cb, PageFaultCount;
    SIZE_T PeakWorkingSetSize, WorkingSetSize, QuotaPeakPaged, QuotaPaged, QuotaPeakNonPaged, QuotaNonPaged, PagefileUsage, PeakPagefileUsage;
} PROCESS_MEMORY_COUNTERS;
enum { ProcessVmCounters = 3 };

/* Reads the loader's list of a process: a module's entry by its base (0: the first) or by its place. */
static BOOL BasepModuleEntry(HANDLE process, PVOID base, ULONG place, LDR_DATA_TABLE_ENTRY *entry) {
    PROCESS_BASIC_INFORMATION basic;
    PEB_LDR_DATA *ldr;
    LIST_ENTRY *at;
    NTSTATUS status = NtQueryInformationProcess(process, ProcessBasicInformation, &basic, sizeof basic, NULL);
    if (status >= 0) status = NtReadVirtualMemory(process, &basic.PebBaseAddress->Ldr, &ldr, sizeof ldr, NULL);
    if (status >= 0) status = NtReadVirtualMemory(process, &ldr->InLoadOrderModuleList, &at, sizeof at, NULL);
    for (ULONG i = 0; status >= 0 && i < 1024; i++, at = entry->InLoadOrderLinks.Flink) {
        if (at == &ldr->InLoadOrderModuleList) return BasepFail(base ? ERROR_INVALID_HANDLE : ERROR_NO_MORE_ITEMS);
        status = NtReadVirtualMemory(process, at, entry, sizeof *entry, NULL);
        if (status >= 0 && (base ? entry->DllBase == base : i == place)) return TRUE;
    }
    return BasepStatus(status);
}

/* `K32EnumProcessModules`, `K32EnumProcessModulesEx`: of the caller's own width. */
BOOL NTAPI K32EnumProcessModules(HANDLE process, PVOID *modules, ULONG size, ULONG *needed) {
    LDR_DATA_TABLE_ENTRY entry;
    ULONG count = 0;
    while (BasepModuleEntry(process, NULL, count, &entry)) {
        if ((count + 1) * sizeof *modules <= size) modules[count] = entry.DllBase;
        count++;
    }
    if (RtlGetLastWin32Error() != ERROR_NO_MORE_ITEMS) return FALSE;
    *needed = (ULONG)(count * sizeof *modules);
    return TRUE;
}
BOOL NTAPI K32EnumProcessModulesEx(HANDLE process, PVOID *modules, ULONG size, ULONG *needed, ULONG filter) {
    return filter > 3 ? BasepFail(ERROR_INVALID_PARAMETER) : K32EnumProcessModules(process, modules, size, needed);
}

/* A string of a module's entry, cut to the room. */
static ULONG BasepModuleText(HANDLE process, PVOID module, BOOL path, WCHAR *to, ULONG room) {
    LDR_DATA_TABLE_ENTRY entry;
    if (!room || !BasepModuleEntry(process, module, 0, &entry)) return 0;
    const UNICODE_STRING *text = path ? &entry.FullDllName : &entry.BaseDllName;
    ULONG length = text->Length / 2;
    if (length >= room) length = room - 1;
    if (!BasepStatus(NtReadVirtualMemory(process, text->Buffer, to, length * 2, NULL))) return 0;
    to[length] = 0;
    return length;
}
static ULONG BasepModuleTextA(HANDLE process, PVOID module, BOOL path, char *to, ULONG room) {
    WCHAR wide[MAX_PATH + 1];
    ULONG length = BasepModuleText(process, module, path, wide, MAX_PATH + 1);
    return length ? BasepNarrow(wide, length, to, room) : 0;
}
ULONG NTAPI K32GetModuleBaseNameW(HANDLE process, PVOID module, WCHAR *to, ULONG room) { return BasepModuleText(process, module, FALSE, to, room); }
ULONG NTAPI K32GetModuleBaseNameA(HANDLE process, PVOID module, char *to, ULONG room) { return BasepModuleTextA(process, module, FALSE, to, room); }
ULONG NTAPI K32GetModuleFileNameExW(HANDLE process, PVOID module, WCHAR *to, ULONG room) { return BasepModuleText(process, module, TRUE, to, room); }
ULONG NTAPI K32GetModuleFileNameExA(HANDLE process, PVOID module, char *to, ULONG room) { return BasepModuleTextA(process, module, TRUE, to, room); }

/* `K32GetModuleInformation`. */
BOOL NTAPI K32GetModuleInformation(HANDLE process, PVOID module, MODULEINFO *to, ULONG size) {
    LDR_DATA_TABLE_ENTRY entry;
    if (size < sizeof *to) return BasepFail(ERROR_INSUFFICIENT_BUFFER);
    if (!BasepModuleEntry(process, module, 0, &entry)) return FALSE;
    *to = (MODULEINFO){entry.DllBase, entry.SizeOfImage, entry.EntryPoint};
    return TRUE;
}

/* `K32GetProcessMemoryInfo`. */
BOOL NTAPI K32GetProcessMemoryInfo(HANDLE process, PROCESS_MEMORY_COUNTERS *to, ULONG size) {
    BASEP_VM_COUNTERS c;
    if (size < sizeof *to) return BasepFail(ERROR_INSUFFICIENT_BUFFER);
    if (!BasepStatus(NtQueryInformationProcess(process, ProcessVmCounters, &c, sizeof c, NULL))) return FALSE;
    *to = (PROCESS_MEMORY_COUNTERS){sizeof *to, c.PageFaultCount, c.PeakWorkingSetSize, c.WorkingSetSize, c.QuotaPeakPaged, c.QuotaPaged,
                                    c.QuotaPeakNonPaged, c.QuotaNonPaged, c.PagefileUsage, c.PeakPagefileUsage};
    return TRUE;
}

/* `K32GetProcessImageFileNameW`: as the kernel has it. */
ULONG NTAPI K32GetProcessImageFileNameW(HANDLE process, WCHAR *to, ULONG room) {
    union { UNICODE_STRING name; WCHAR text[600]; } about;
    if (!BasepStatus(NtQueryInformationProcess(process, 27, &about, sizeof about, NULL))) return 0;
    ULONG length = about.name.Length / 2;
    if (length >= room) return (ULONG)BasepFail(ERROR_INSUFFICIENT_BUFFER);
    memmove(to, about.name.Buffer, length * 2);
    to[length] = 0;
    return length;
}
ULONG NTAPI K32GetProcessImageFileNameA(HANDLE process, char *to, ULONG room) {
    WCHAR wide[MAX_PATH + 1];
    ULONG length = K32GetProcessImageFileNameW(process, wide, MAX_PATH + 1);
    return length ? BasepNarrow(wide, length, to, room) : 0;
}

/* `K32GetMappedFileNameW`: MemoryMappedFilenameInformation. */
ULONG NTAPI K32GetMappedFileNameW(HANDLE process, PVOID address, WCHAR *to, ULONG room) {
    union { UNICODE_STRING name; WCHAR text[600]; } about;
    if (!BasepStatus(NtQueryVirtualMemory(process, address, 2, &about, sizeof about, NULL))) return 0;
    ULONG length = about.name.Length / 2;
    if (length >= room) return (ULONG)BasepFail(ERROR_INSUFFICIENT_BUFFER);
    memmove(to, about.name.Buffer, length * 2);
    to[length] = 0;
    return length;
}
ULONG NTAPI K32GetMappedFileNameA(HANDLE process, PVOID address, char *to, ULONG room) {
    WCHAR wide[MAX_PATH + 1];
    ULONG length = K32GetMappedFileNameW(process, address, wide, MAX_PATH + 1);
    return length ? BasepNarrow(wide, length, to, room) : 0;
}
/* `K32EmptyWorkingSet`: there is none to empty. */
BOOL NTAPI K32EmptyWorkingSet(HANDLE process) { return process ? TRUE : BasepFail(ERROR_INVALID_HANDLE); }
