/* Toolhelp: snapshots of the processes, threads and modules, in a section whose handle is the snapshot's. */
#include "process.h"

#define TH32CS_SNAPHEAPLIST 1
#define TH32CS_SNAPPROCESS 2
#define TH32CS_SNAPTHREAD 4
#define TH32CS_SNAPMODULE 8
#define TH32CS_SNAPMODULE32 0x10
#define TH32CS_INHERIT 0x80000000u
#define INVALID_HANDLE ((HANDLE)-1)
#define SECTION_ALL_ACCESS 0xf001f
#define SEC_COMMIT 0x8000000

typedef struct {
    ULONG dwSize, cntUsage, th32ProcessID;
    ULONG_PTR th32DefaultHeapID;
    ULONG th32ModuleID, cntThreads, th32ParentProcessID;
    LONG pcPriClassBase;
    ULONG dwFlags;
    WCHAR szExeFile[260];
} PROCESSENTRY32W;
typedef struct {
    ULONG dwSize, cntUsage, th32ProcessID;
    ULONG_PTR th32DefaultHeapID;
    ULONG th32ModuleID, cntThreads, th32ParentProcessID;
    LONG pcPriClassBase;
    ULONG dwFlags;
    CHAR szExeFile[260];
} PROCESSENTRY32;
typedef struct {
    ULONG dwSize, cntUsage, th32ThreadID, th32OwnerProcessID;
    LONG tpBasePri, tpDeltaPri;
    ULONG dwFlags;
} THREADENTRY32;
typedef struct {
    ULONG dwSize, th32ModuleID, th32ProcessID, GlblcntUsage, ProccntUsage;
    UCHAR *modBaseAddr;
    ULONG modBaseSize;
    HANDLE hModule;
    WCHAR szModule[256], szExePath[260];
} MODULEENTRY32W;
typedef struct {
    ULONG dwSize, th32ModuleID, th32ProcessID, GlblcntUsage, ProccntUsage;
    UCHAR *modBaseAddr;
    ULONG modBaseSize;
    HANDLE hModule;
    CHAR szModule[256], szExePath[260];
} MODULEENTRY32;

/* What a snapshot begins with: of each kind how many there are, which comes next, and where they begin. */
enum { PROCESSES, THREADS, MODULES, KINDS };
typedef struct {
    ULONG count, next, offset, size;
} LIST;
typedef struct {
    LIST lists[KINDS];
} SNAPSHOT;

static void Th32pName(WCHAR *to, ULONG room, const UNICODE_STRING *name) {
    ULONG units = name->Length / sizeof *to;
    if (units >= room) units = room - 1;
    memmove(to, name->Buffer, units * sizeof *to);
    to[units] = 0;
}

static void Th32pProcess(PROCESSENTRY32W *entry, const SYSTEM_PROCESS_INFORMATION *from) {
    static const WCHAR idle[] = u"[System Process]";
    const UNICODE_STRING name = {sizeof idle - sizeof *idle, sizeof idle, (WCHAR *)idle};
    entry->dwSize = sizeof *entry;
    entry->th32ProcessID = (ULONG)(ULONG_PTR)from->UniqueProcessId;
    entry->cntThreads = from->NumberOfThreads;
    entry->th32ParentProcessID = (ULONG)(ULONG_PTR)from->InheritedFromUniqueProcessId;
    entry->pcPriClassBase = from->BasePriority;
    Th32pName(entry->szExeFile, 260, from->ImageName.Length ? &from->ImageName : &name);
}

static void Th32pThread(THREADENTRY32 *entry, const SYSTEM_THREAD_INFORMATION *from) {
    entry->dwSize = sizeof *entry;
    entry->th32ThreadID = (ULONG)(ULONG_PTR)from->ClientId.UniqueThread;
    entry->th32OwnerProcessID = (ULONG)(ULONG_PTR)from->ClientId.UniqueProcess;
    entry->tpBasePri = from->BasePriority;
}

/* A word of a process's memory. */
static NTSTATUS Th32pRead(HANDLE process, const void *at, void *to, SIZE_T size) {
    return NtReadVirtualMemory(process, at, to, size, NULL);
}

/* Fills in a module by its loader entry, which lies in the process; its path's room is 260 units. */
static NTSTATUS Th32pModule(HANDLE process, ULONG id, const LDR_DATA_TABLE_ENTRY *from, MODULEENTRY32W *entry) {
    UNICODE_STRING name = from->BaseDllName, path = from->FullDllName;
    if (name.Length > 255 * sizeof(WCHAR)) name.Length = 255 * sizeof(WCHAR);
    if (path.Length > 259 * sizeof(WCHAR)) path.Length = 259 * sizeof(WCHAR);
    entry->dwSize = sizeof *entry;
    entry->th32ModuleID = 1;
    entry->th32ProcessID = id;
    entry->GlblcntUsage = entry->ProccntUsage = 0xffff;
    entry->modBaseAddr = from->DllBase;
    entry->modBaseSize = from->SizeOfImage;
    entry->hModule = from->DllBase;
    NTSTATUS status = Th32pRead(process, name.Buffer, entry->szModule, name.Length);
    if (status < 0) return status;
    return Th32pRead(process, path.Buffer, entry->szExePath, path.Length);
}

/* Walks the loader's list of a process. With `entries` NULL it only counts. */
static NTSTATUS Th32pModules(HANDLE process, ULONG id, ULONG *count, MODULEENTRY32W *entries, ULONG room) {
    PROCESS_BASIC_INFORMATION basic;
    PEB_LDR_DATA *ldr;
    LIST_ENTRY *at;
    *count = 0;
    NTSTATUS status = NtQueryInformationProcess(process, ProcessBasicInformation, &basic, sizeof basic, NULL);
    if (status >= 0) status = Th32pRead(process, &basic.PebBaseAddress->Ldr, &ldr, sizeof ldr);
    if (status >= 0) status = Th32pRead(process, &ldr->InLoadOrderModuleList, &at, sizeof at);
    while (status >= 0 && at != &ldr->InLoadOrderModuleList && *count < 1024) {
        LDR_DATA_TABLE_ENTRY entry;
        status = Th32pRead(process, at, &entry, sizeof entry);
        if (status < 0) break;
        if (entries) {
            if (*count == room) break;
            status = Th32pModule(process, id, &entry, &entries[*count]);
        }
        ++*count;
        at = entry.InLoadOrderLinks.Flink;
    }
    return status;
}

/* A new section of a size, mapped. */
static NTSTATUS Th32pSection(SIZE_T size, BOOL inherit, HANDLE *section, SNAPSHOT **view) {
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, NULL, inherit ? OBJ_INHERIT : 0, NULL, NULL};
    LONGLONG whole = (LONGLONG)size;
    enum { ViewShare = 1 };
    NTSTATUS status = NtCreateSection(section, SECTION_ALL_ACCESS, &attributes, &whole, PAGE_READWRITE, SEC_COMMIT, NULL);
    if (status < 0) return status;
    *view = NULL;
    size = 0;
    status = NtMapViewOfSection(*section, NtCurrentProcess(), (PVOID *)view, 0, 0, NULL, &size, ViewShare, 0, PAGE_READWRITE);
    if (status < 0) NtClose(*section);
    return status;
}

/* Counts the processes and threads of a list. */
static void Th32pCount(const SYSTEM_PROCESS_INFORMATION *list, SNAPSHOT *counts) {
    for (const SYSTEM_PROCESS_INFORMATION *at = list; at; at = BasepNextProcess(at)) {
        counts->lists[PROCESSES].count++;
        counts->lists[THREADS].count += at->NumberOfThreads;
    }
}

static void Th32pFill(SNAPSHOT *to, const SYSTEM_PROCESS_INFORMATION *list, ULONG flags) {
    PROCESSENTRY32W *process = (PROCESSENTRY32W *)((UCHAR *)to + to->lists[PROCESSES].offset);
    THREADENTRY32 *thread = (THREADENTRY32 *)((UCHAR *)to + to->lists[THREADS].offset);
    for (const SYSTEM_PROCESS_INFORMATION *at = list; at; at = BasepNextProcess(at)) {
        if (flags & TH32CS_SNAPPROCESS) Th32pProcess(process++, at);
        for (ULONG i = 0; flags & TH32CS_SNAPTHREAD && i < at->NumberOfThreads; i++) Th32pThread(thread++, &at->Threads[i]);
    }
}

/* The process whose modules are asked for: 0 is the caller's. */
static NTSTATUS Th32pOpen(ULONG id, HANDLE *process) {
    *process = NtCurrentProcess();
    if (!id || id == (ULONG)(ULONG_PTR)NtCurrentTeb()->ClientId.UniqueProcess) return 0;
    CLIENT_ID client = {(HANDLE)(ULONG_PTR)id, NULL};
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, NULL, 0, NULL, NULL};
    return NtOpenProcess(process, PROCESS_QUERY_INFORMATION | PROCESS_VM_READ, &attributes, &client);
}

static NTSTATUS Th32pSnapshot(ULONG flags, ULONG id, HANDLE process, HANDLE *section) {
    SYSTEM_PROCESS_INFORMATION *list = NULL;
    SNAPSHOT counts = {0}, *view;
    ULONG sizes[KINDS] = {sizeof(PROCESSENTRY32W), sizeof(THREADENTRY32), sizeof(MODULEENTRY32W)}, size = sizeof counts;
    NTSTATUS status = 0;
    if (flags & (TH32CS_SNAPMODULE | TH32CS_SNAPMODULE32))
        status = Th32pModules(process, id, &counts.lists[MODULES].count, NULL, 0);
    if (status >= 0 && flags & (TH32CS_SNAPPROCESS | TH32CS_SNAPTHREAD)) status = BasepProcesses(&list);
    if (status < 0) return status;
    if (list) Th32pCount(list, &counts);
    if (!(flags & TH32CS_SNAPPROCESS)) counts.lists[PROCESSES].count = 0;
    if (!(flags & TH32CS_SNAPTHREAD)) counts.lists[THREADS].count = 0;
    for (int kind = 0; kind < KINDS; kind++) {
        counts.lists[kind].offset = size;
        counts.lists[kind].size = sizes[kind];
        size += counts.lists[kind].count * sizes[kind];
    }
    status = Th32pSection(size, !!(flags & TH32CS_INHERIT), section, &view);
    if (status >= 0) {
        *view = counts;
        if (list) Th32pFill(view, list, flags);
        LIST *modules = &view->lists[MODULES];
        if (modules->count)
            Th32pModules(process, id, &modules->count, (MODULEENTRY32W *)((UCHAR *)view + modules->offset), modules->count);
        NtUnmapViewOfSection(NtCurrentProcess(), view);
    }
    BasepFreeProcesses(list);
    return status;
}

/* `CreateToolhelp32Snapshot`. Heaps are not listed; of modules, those of the code's own width. */
HANDLE NTAPI CreateToolhelp32Snapshot(ULONG flags, ULONG id) {
    const ULONG kinds = TH32CS_SNAPPROCESS | TH32CS_SNAPTHREAD | TH32CS_SNAPMODULE | TH32CS_SNAPMODULE32;
    HANDLE section = NULL, process = NtCurrentProcess();
    if (flags & TH32CS_SNAPHEAPLIST) {
        BasepFail(ERROR_NOT_SUPPORTED);
        return INVALID_HANDLE;
    }
    if (!(flags & kinds)) {
        BasepFail(ERROR_INVALID_PARAMETER);
        return INVALID_HANDLE;
    }
    if (!id) id = (ULONG)(ULONG_PTR)NtCurrentTeb()->ClientId.UniqueProcess;
    NTSTATUS status = flags & (TH32CS_SNAPMODULE | TH32CS_SNAPMODULE32) ? Th32pOpen(id, &process) : 0;
    if (status >= 0) {
        status = Th32pSnapshot(flags, id, process, &section);
        if (process != NtCurrentProcess()) NtClose(process);
    }
    return BasepStatus(status) ? section : INVALID_HANDLE;
}

/* Copies the next entry of a kind, or the first. */
static BOOL Th32pNext(HANDLE snapshot, int kind, BOOL first, void *to, ULONG size) {
    SNAPSHOT *view = NULL;
    SIZE_T length = 0;
    enum { ViewShare = 1 };
    NTSTATUS status = NtMapViewOfSection(snapshot, NtCurrentProcess(), (PVOID *)&view, 0, 0, NULL, &length, ViewShare, 0, PAGE_READWRITE);
    if (!BasepStatus(status)) return FALSE;
    LIST *list = &view->lists[kind];
    if (first) list->next = 0;
    BOOL found = list->next < list->count && list->size == size;
    if (found) memmove(to, (UCHAR *)view + list->offset + list->next++ * size, size);
    NtUnmapViewOfSection(NtCurrentProcess(), view);
    return found ? TRUE : BasepFail(ERROR_NO_MORE_FILES);
}

/* The caller's `dwSize` has to be the structure's at least, and stays. */
#define TH32P_WALK(function, kind, first, type) \
    BOOL NTAPI function(HANDLE snapshot, type *entry) { \
        ULONG size = entry->dwSize; \
        if (size < sizeof *entry) return BasepFail(ERROR_INSUFFICIENT_BUFFER); \
        BOOL found = Th32pNext(snapshot, kind, first, entry, sizeof *entry); \
        entry->dwSize = size; \
        return found; \
    }
/* `Process32FirstW`, `Process32NextW`, `Thread32First`, `Thread32Next`, `Module32FirstW`, `Module32NextW`. */
TH32P_WALK(Process32FirstW, PROCESSES, TRUE, PROCESSENTRY32W)
TH32P_WALK(Process32NextW, PROCESSES, FALSE, PROCESSENTRY32W)
TH32P_WALK(Thread32First, THREADS, TRUE, THREADENTRY32)
TH32P_WALK(Thread32Next, THREADS, FALSE, THREADENTRY32)
TH32P_WALK(Module32FirstW, MODULES, TRUE, MODULEENTRY32W)
TH32P_WALK(Module32NextW, MODULES, FALSE, MODULEENTRY32W)

static BOOL Th32pProcessA(HANDLE snapshot, BOOL first, PROCESSENTRY32 *to) {
    PROCESSENTRY32W wide;
    ULONG taken, size = to->dwSize;
    if (size < sizeof *to) return BasepFail(ERROR_INSUFFICIENT_BUFFER);
    if (!Th32pNext(snapshot, PROCESSES, first, &wide, sizeof wide)) return FALSE;
    memmove(to, &wide, (SIZE_T)((UCHAR *)wide.szExeFile - (UCHAR *)&wide));
    to->dwSize = size;
    to->szExeFile[BasepUtf8FromUtf16(wide.szExeFile, (ULONG)wcslen(wide.szExeFile), to->szExeFile, 259, &taken)] = 0;
    return TRUE;
}

/* `Process32First`. */
BOOL NTAPI Process32First(HANDLE snapshot, PROCESSENTRY32 *entry) { return Th32pProcessA(snapshot, TRUE, entry); }

/* `Process32Next`. */
BOOL NTAPI Process32Next(HANDLE snapshot, PROCESSENTRY32 *entry) { return Th32pProcessA(snapshot, FALSE, entry); }

static BOOL Th32pModuleA(HANDLE snapshot, BOOL first, MODULEENTRY32 *to) {
    MODULEENTRY32W wide;
    ULONG taken, size = to->dwSize;
    if (size < sizeof *to) return BasepFail(ERROR_INSUFFICIENT_BUFFER);
    if (!Th32pNext(snapshot, MODULES, first, &wide, sizeof wide)) return FALSE;
    memmove(to, &wide, (SIZE_T)((UCHAR *)wide.szModule - (UCHAR *)&wide));
    to->dwSize = size;
    to->szModule[BasepUtf8FromUtf16(wide.szModule, (ULONG)wcslen(wide.szModule), to->szModule, 255, &taken)] = 0;
    to->szExePath[BasepUtf8FromUtf16(wide.szExePath, (ULONG)wcslen(wide.szExePath), to->szExePath, 259, &taken)] = 0;
    return TRUE;
}

/* `Module32First`. */
BOOL NTAPI Module32First(HANDLE snapshot, MODULEENTRY32 *entry) { return Th32pModuleA(snapshot, TRUE, entry); }

/* `Module32Next`. */
BOOL NTAPI Module32Next(HANDLE snapshot, MODULEENTRY32 *entry) { return Th32pModuleA(snapshot, FALSE, entry); }
