/* Volumes and devices by name, transfers that are taken back, pages that stay, times of threads. */
#include "files.h"

NTSYSCALLAPI NTSTATUS NTAPI NtOpenSymbolicLinkObject(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *);
NTSYSCALLAPI NTSTATUS NTAPI NtQuerySymbolicLinkObject(HANDLE, UNICODE_STRING *, ULONG *);
ULONG NTAPI GetFullPathNameW(const WCHAR *, ULONG, WCHAR *, WCHAR **);

/* `GetVolumePathNameW`: the root of the drive. */
BOOL NTAPI GetVolumePathNameW(const WCHAR *name, WCHAR *to, ULONG room) {
    WCHAR full[MAX_PATH + 1];
    ULONG length = name ? GetFullPathNameW(name, MAX_PATH + 1, full, NULL) : 0;
    if (length < 3 || length > MAX_PATH || full[1] != ':') return BasepFail(ERROR_INVALID_NAME);
    if (room < 4) return BasepFail(ERROR_FILENAME_EXCED_RANGE);
    memmove(to, full, 6);
    to[3] = 0;
    return TRUE;
}

/* `QueryDosDeviceW`: what one device's name stands for. */
ULONG NTAPI QueryDosDeviceW(const WCHAR *name, WCHAR *to, ULONG room) {
    WCHAR path[MAX_PATH + 8] = L"\\??\\";
    UNICODE_STRING link, target = {0, (USHORT)(room > 0x7ffe ? 0xfffc : room * 2), to};
    HANDLE handle;
    ULONG size = 0;
    if (!name) return (ULONG)BasepFail(ERROR_NOT_SUPPORTED);
    if (wcslen(name) > MAX_PATH) return (ULONG)BasepFail(ERROR_FILENAME_EXCED_RANGE);
    wcscat(path, name);
    RtlInitUnicodeString(&link, path);
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &link, OBJ_CASE_INSENSITIVE, NULL, NULL};
    NTSTATUS status = NtOpenSymbolicLinkObject(&handle, 1, &attributes);
    if (status >= 0) {
        status = NtQuerySymbolicLinkObject(handle, &target, &size);
        NtClose(handle);
    }
    if (status == STATUS_BUFFER_TOO_SMALL || (status >= 0 && (ULONG)target.Length / 2 + 2 > room)) return (ULONG)BasepFail(ERROR_INSUFFICIENT_BUFFER);
    if (!BasepStatus(status)) return 0;
    ULONG length = target.Length / 2;
    to[length] = to[length + 1] = 0;
    return length + 2;
}
ULONG NTAPI QueryDosDeviceA(const char *name, char *to, ULONG room) {
    WCHAR wide[LONGEST_NAME + 1], target[MAX_PATH + 2];
    if (!name || !BasepWideName(name, wide)) return (ULONG)BasepFail(ERROR_NOT_SUPPORTED);
    ULONG length = QueryDosDeviceW(wide, target, MAX_PATH + 2);
    if (!length) return 0;
    if (length > room) return (ULONG)BasepFail(ERROR_INSUFFICIENT_BUFFER);
    BasepNarrow(target, length - 2, to, room);
    to[length - 1] = 0;
    return length;
}

/* `SetFileCompletionNotificationModes`: FileIoCompletionNotificationInformation. */
BOOL NTAPI SetFileCompletionNotificationModes(HANDLE file, UCHAR flags) {
    IO_STATUS_BLOCK io;
    ULONG information = flags;
    return BasepStatus(NtSetInformationFile(file, &io, &information, sizeof information, 41));
}

/* `VirtualLock`, `VirtualUnlock`. */
typedef NTSTATUS NTAPI LOCK_MEMORY(HANDLE, PVOID *, SIZE_T *, ULONG);
BOOL NTAPI VirtualLock(PVOID base, SIZE_T size) {
    LOCK_MEMORY *lock = BasepNewer("NtLockVirtualMemory");
    return lock && BasepStatus(lock(NtCurrentProcess(), &base, &size, 1));
}
BOOL NTAPI VirtualUnlock(PVOID base, SIZE_T size) {
    LOCK_MEMORY *unlock = BasepNewer("NtUnlockVirtualMemory");
    return unlock && BasepStatus(unlock(NtCurrentProcess(), &base, &size, 1));
}

/* `GetThreadTimes`: ThreadTimes. */
BOOL NTAPI GetThreadTimes(HANDLE thread, FILETIME *created, FILETIME *ended, FILETIME *kernel, FILETIME *user) {
    LONGLONG times[4];
    if (!BasepStatus(NtQueryInformationThread(thread, 1, times, sizeof times, NULL))) return FALSE;
    *created = BasepFileTime(times[0]);
    *ended = BasepFileTime(times[1]);
    *kernel = BasepFileTime(times[2]);
    *user = BasepFileTime(times[3]);
    return TRUE;
}

/* `GetProcessIoCounters`: ProcessIoCounters. */
BOOL NTAPI GetProcessIoCounters(HANDLE process, LONGLONG *to) { return BasepStatus(NtQueryInformationProcess(process, 2, to, 48, NULL)); }

/* `GetProcessWorkingSetSize`: ProcessQuotaLimits. */
BOOL NTAPI GetProcessWorkingSetSize(HANDLE process, SIZE_T *least, SIZE_T *most) {
    struct { SIZE_T PagedPoolLimit, NonPagedPoolLimit, Minimum, Maximum, PagefileLimit; LONGLONG TimeLimit; } limits;
    if (!BasepStatus(NtQueryInformationProcess(process, 1, &limits, sizeof limits, NULL))) return FALSE;
    *least = limits.Minimum;
    *most = limits.Maximum;
    return TRUE;
}
BOOL NTAPI GetProcessWorkingSetSizeEx(HANDLE process, SIZE_T *least, SIZE_T *most, ULONG *flags) {
    *flags = 0;
    return GetProcessWorkingSetSize(process, least, most);
}
