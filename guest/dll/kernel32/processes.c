/* All processes, and what is told of one: names, times, priority, handles, session, debugger. */
#include "process.h"

static PVOID BasepHeap(void) { return NtCurrentPeb()->ProcessHeap; }

NTSTATUS BasepProcesses(SYSTEM_PROCESS_INFORMATION **list) {
    ULONG size = 0x4000, needed;
    for (;;) {
        *list = RtlAllocateHeap(BasepHeap(), 0, size);
        if (!*list) return STATUS_NO_MEMORY;
        NTSTATUS status = NtQuerySystemInformation(SystemProcessInformation, *list, size, &needed);
        if (status >= 0) return status;
        BasepFreeProcesses(*list);
        *list = NULL;
        if (status != STATUS_INFO_LENGTH_MISMATCH) return status;
        /* Between the two calls more may have begun. */
        size = needed + 0x1000;
    }
}

void BasepFreeProcesses(SYSTEM_PROCESS_INFORMATION *list) {
    if (list) RtlFreeHeap(BasepHeap(), 0, list);
}

/* `K32EnumProcesses`: as many identifiers as there is room for. */
BOOL NTAPI K32EnumProcesses(ULONG *ids, ULONG size, ULONG *returned) {
    SYSTEM_PROCESS_INFORMATION *list;
    ULONG count = 0;
    if (!BasepStatus(BasepProcesses(&list))) return FALSE;
    for (const SYSTEM_PROCESS_INFORMATION *at = list; at && count < size / sizeof *ids; at = BasepNextProcess(at))
        ids[count++] = (ULONG)(ULONG_PTR)at->UniqueProcessId;
    BasepFreeProcesses(list);
    *returned = count * sizeof *ids;
    return TRUE;
}

/* `ProcessIdToSessionId`. */
BOOL NTAPI ProcessIdToSessionId(ULONG id, ULONG *session) {
    SYSTEM_PROCESS_INFORMATION *list;
    BOOL found = FALSE;
    if (!session) return BasepFail(ERROR_INVALID_PARAMETER);
    if (!BasepStatus(BasepProcesses(&list))) return FALSE;
    for (const SYSTEM_PROCESS_INFORMATION *at = list; at && !found; at = BasepNextProcess(at)) {
        found = (ULONG)(ULONG_PTR)at->UniqueProcessId == id;
        if (found) *session = at->SessionId;
    }
    BasepFreeProcesses(list);
    return found ? TRUE : BasepFail(ERROR_INVALID_PARAMETER);
}

/* The image's name of a process, by class; to be freed. */
static NTSTATUS BasepImageName(HANDLE process, ULONG class, UNICODE_STRING **name) {
    ULONG size = sizeof **name + 2 * (LONGEST_NAME + 2), needed;
    for (;;) {
        *name = RtlAllocateHeap(BasepHeap(), 0, size);
        if (!*name) return STATUS_NO_MEMORY;
        NTSTATUS status = NtQueryInformationProcess(process, class, *name, size, &needed);
        if (status >= 0) return status;
        RtlFreeHeap(BasepHeap(), 0, *name);
        *name = NULL;
        if (status != STATUS_INFO_LENGTH_MISMATCH || needed <= size) return status;
        size = needed;
    }
}

/* The system volume as the object manager has it, which Win32 calls C:. */
static const WCHAR BasepSystemVolume[] = u"\\Device\\HarddiskVolume1\\";

/* The name as Win32 has it, where the kernel does not give it so: before Vista. */
static NTSTATUS BasepWin32Name(HANDLE process, UNICODE_STRING **name) {
    NTSTATUS status = BasepImageName(process, ProcessImageFileName, name);
    const ULONG volume = sizeof BasepSystemVolume / sizeof *BasepSystemVolume - 1, drive = 3, cut = volume - drive;
    if (status < 0 || (*name)->Length < volume * sizeof(WCHAR)) return status;
    WCHAR *text = (*name)->Buffer;
    for (ULONG i = 0; i < volume; i++)
        if (text[i] != BasepSystemVolume[i]) return status;
    text[cut] = 'C';
    text[cut + 1] = ':';
    (*name)->Buffer += cut;
    (*name)->Length -= cut * sizeof(WCHAR);
    return status;
}

/* `QueryFullProcessImageNameW`: flag 1 asks for the name that the object manager has. `size` is in characters, without
 * the last NUL when it returns. */
BOOL NTAPI QueryFullProcessImageNameW(HANDLE process, ULONG flags, WCHAR *to, ULONG *size) {
    UNICODE_STRING *name;
    if (flags & ~1u) return BasepFail(ERROR_INVALID_PARAMETER);
    NTSTATUS status = BasepImageName(process, flags ? ProcessImageFileName : ProcessImageFileNameWin32, &name);
    if (status == STATUS_INVALID_INFO_CLASS) status = BasepWin32Name(process, &name);
    if (!BasepStatus(status)) return FALSE;
    ULONG units = name->Length / sizeof *to;
    BOOL fits = units < *size;
    if (fits) {
        memmove(to, name->Buffer, name->Length);
        to[units] = 0;
        *size = units;
    }
    RtlFreeHeap(BasepHeap(), 0, name);
    return fits ? TRUE : BasepFail(ERROR_INSUFFICIENT_BUFFER);
}

/* `QueryFullProcessImageNameA`. */
BOOL NTAPI QueryFullProcessImageNameA(HANDLE process, ULONG flags, CHAR *to, ULONG *size) {
    WCHAR wide[LONGEST_NAME + 2];
    CHAR narrow[4 * (LONGEST_NAME + 2)];
    ULONG units = LONGEST_NAME + 1, taken;
    if (!QueryFullProcessImageNameW(process, flags, wide, &units)) return FALSE;
    ULONG length = BasepUtf8FromUtf16(wide, units, narrow, sizeof narrow, &taken);
    if (length >= *size) return BasepFail(ERROR_INSUFFICIENT_BUFFER);
    memmove(to, narrow, length);
    to[length] = 0;
    *size = length;
    return TRUE;
}

/* `GetProcessTimes`: creation, exit, kernel, user. */
BOOL NTAPI GetProcessTimes(HANDLE process, LONGLONG *created, LONGLONG *exited, LONGLONG *kernel, LONGLONG *user) {
    LONGLONG times[4];
    if (!BasepStatus(NtQueryInformationProcess(process, ProcessTimes, times, sizeof times, NULL))) return FALSE;
    /* A FILETIME need not be aligned as a number of its size. */
    LONGLONG *to[4] = {created, exited, kernel, user};
    for (int i = 0; i < 4; i++) memmove(to[i], &times[i], sizeof times[i]);
    return TRUE;
}

/* `CheckRemoteDebuggerPresent`. */
BOOL NTAPI CheckRemoteDebuggerPresent(HANDLE process, BOOL *present) {
    ULONG_PTR port;
    if (!process || !present) return BasepFail(ERROR_INVALID_PARAMETER);
    if (!BasepStatus(NtQueryInformationProcess(process, ProcessDebugPort, &port, sizeof port, NULL))) return FALSE;
    *present = port != 0;
    return TRUE;
}

/* `GetProcessHandleCount`. */
BOOL NTAPI GetProcessHandleCount(HANDLE process, ULONG *count) {
    return BasepStatus(NtQueryInformationProcess(process, ProcessHandleCount, count, sizeof *count, NULL));
}

/* The classes of Win32 (IDLE_PRIORITY_CLASS and so on), by those of NT. */
static const ULONG BasepPriorityClasses[] = {0, 0x40, 0x20, 0x80, 0x100, 0x4000, 0x8000};

/* `GetPriorityClass`. */
ULONG NTAPI GetPriorityClass(HANDLE process) {
    struct {
        UCHAR Foreground, PriorityClass;
    } class;
    if (!BasepStatus(NtQueryInformationProcess(process, ProcessPriorityClass, &class, sizeof class, NULL))) return 0;
    return class.PriorityClass < 7 ? BasepPriorityClasses[class.PriorityClass] : 0;
}

/* `SetPriorityClass`: realtime without the privilege for it becomes high. */
BOOL NTAPI SetPriorityClass(HANDLE process, ULONG wanted) {
    struct {
        UCHAR Foreground, PriorityClass;
    } class = {0, 1};
    while (class.PriorityClass < 7 && BasepPriorityClasses[class.PriorityClass] != wanted) class.PriorityClass++;
    if (class.PriorityClass == 7) return BasepFail(ERROR_INVALID_PARAMETER);
    NTSTATUS status = NtSetInformationProcess(process, ProcessPriorityClass, &class, sizeof class);
    if (status == STATUS_PRIVILEGE_NOT_HELD && class.PriorityClass == 4) {
        class.PriorityClass = 3;
        status = NtSetInformationProcess(process, ProcessPriorityClass, &class, sizeof class);
    }
    return BasepStatus(status);
}
