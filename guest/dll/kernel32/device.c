/* What is asked of devices, and transfers that call a routine when they are done. */
#include "files.h"

#define FILE_DEVICE_FILE_SYSTEM 9

typedef NTSTATUS(NTAPI *BASEP_CONTROL)(HANDLE, HANDLE, PVOID, PVOID, IO_STATUS_BLOCK *, ULONG, const void *, ULONG, PVOID,
                                       ULONG);

/* `DeviceIoControl`. */
BOOL NTAPI DeviceIoControl(HANDLE device, ULONG code, PVOID in, ULONG in_size, PVOID out, ULONG out_size, ULONG *returned,
                           OVERLAPPED *o) {
    BASEP_CONTROL control = (BASEP_CONTROL)(code >> 16 == FILE_DEVICE_FILE_SYSTEM ? NtFsControlFile : NtDeviceIoControlFile);
    IO_STATUS_BLOCK own = {.Status = STATUS_PENDING};
    NTSTATUS status;
    if (o) {
        PVOID context = (ULONG_PTR)o->hEvent & 1 ? NULL : o;
        o->Internal = STATUS_PENDING;
        status = control(device, o->hEvent, NULL, context, (IO_STATUS_BLOCK *)o, code, in, in_size, out, out_size);
        if (returned) *returned = status >= 0 && status != STATUS_PENDING ? (ULONG)o->InternalHigh : 0;
        if (status != STATUS_PENDING) return BasepStatus(status);
        RtlSetLastWin32ErrorAndNtStatusFromNtStatus(status);
        return FALSE;
    }
    status = BasepWait(device, control(device, NULL, NULL, NULL, &own, code, in, in_size, out, out_size), &own);
    if (returned) *returned = (ULONG)status >> 30 != 3 ? (ULONG)own.Information : 0;
    return BasepStatus(status);
}

typedef void(NTAPI *BASEP_COMPLETION)(ULONG, ULONG, OVERLAPPED *);

/* The APC of such a transfer; its context is the program's routine. */
static void NTAPI BasepTransferDone(PVOID routine, IO_STATUS_BLOCK *io, ULONG reserved) {
    (void)reserved;
    ULONG error = io->Status < 0 ? RtlNtStatusToDosError(io->Status) : 0;
    ((BASEP_COMPLETION)routine)(error, io->Status < 0 ? 0 : (ULONG)io->Information, (OVERLAPPED *)io);
}

/* `ReadFileEx`. */
BOOL NTAPI ReadFileEx(HANDLE file, PVOID to, ULONG size, OVERLAPPED *o, BASEP_COMPLETION routine) {
    LONGLONG offset = (LONGLONG)((ULONGLONG)o->OffsetHigh << 32 | o->Offset);
    o->Internal = (ULONG)STATUS_PENDING;
    return BasepStatus(NtReadFile(file, NULL, (PVOID)BasepTransferDone, (PVOID)routine, (IO_STATUS_BLOCK *)o, to, size,
                                  &offset, NULL));
}

/* `WriteFileEx`. */
BOOL NTAPI WriteFileEx(HANDLE file, const void *from, ULONG size, OVERLAPPED *o, BASEP_COMPLETION routine) {
    LONGLONG offset = (LONGLONG)((ULONGLONG)o->OffsetHigh << 32 | o->Offset);
    o->Internal = (ULONG)STATUS_PENDING;
    return BasepStatus(NtWriteFile(file, NULL, (PVOID)BasepTransferDone, (PVOID)routine, (IO_STATUS_BLOCK *)o, from, size,
                                   &offset, NULL));
}

/* `ReadDirectoryChangesW`. */
BOOL NTAPI ReadDirectoryChangesW(HANDLE folder, PVOID to, ULONG size, BOOL tree, ULONG filter, ULONG *returned, OVERLAPPED *o,
                                 BASEP_COMPLETION routine) {
    IO_STATUS_BLOCK own = {.Status = STATUS_PENDING};
    if (!o) {
        NTSTATUS status = NtNotifyChangeDirectoryFile(folder, NULL, NULL, NULL, &own, to, size, filter, (BOOLEAN)tree);
        status = BasepWait(folder, status, &own);
        if (returned && status >= 0) *returned = (ULONG)own.Information;
        return BasepStatus(status);
    }
    o->Internal = (ULONG)STATUS_PENDING;
    if (routine)
        return BasepStatus(NtNotifyChangeDirectoryFile(folder, NULL, (PVOID)BasepTransferDone, (PVOID)routine,
                                                       (IO_STATUS_BLOCK *)o, to, size, filter, (BOOLEAN)tree));
    PVOID context = (ULONG_PTR)o->hEvent & 1 ? NULL : o;
    return BasepStatus(NtNotifyChangeDirectoryFile(folder, o->hEvent, NULL, context, (IO_STATUS_BLOCK *)o, to, size, filter,
                                                   (BOOLEAN)tree));
}

/* `CancelIo`. */
BOOL NTAPI CancelIo(HANDLE file) {
    IO_STATUS_BLOCK io;
    return BasepStatus(NtCancelIoFile(file, &io));
}

/* `NtCancelIoFileEx`, `NtCancelSynchronousIoFile`, which Windows has since Vista. */
static BOOL BasepCancel(const char *service, HANDLE of, PVOID request) {
    IO_STATUS_BLOCK io;
    NTSTATUS(NTAPI *cancel)(HANDLE, PVOID, IO_STATUS_BLOCK *) = (PVOID)BasepNewer(service);
    return cancel && BasepStatus(cancel(of, request, &io));
}

/* `CancelIoEx`. */
BOOL NTAPI CancelIoEx(HANDLE file, OVERLAPPED *o) { return BasepCancel("NtCancelIoFileEx", file, o); }

/* `CancelSynchronousIo`. */
BOOL NTAPI CancelSynchronousIo(HANDLE thread) { return BasepCancel("NtCancelSynchronousIoFile", thread, NULL); }

/* `GetFinalPathNameByHandleW`: with a drive letter, or below the volume (VOLUME_NAME_NONE, 4). Other forms are refused. */
ULONG NTAPI GetFinalPathNameByHandleW(HANDLE file, WCHAR *to, ULONG room, ULONG flags) {
    struct {
        UNICODE_STRING Name;
        WCHAR Text[0x400];
    } object;
    static const WCHAR volume[] = u"\\Device\\HarddiskVolume", prefix[] = u"\\\\?\\C:";
    const ULONG named = sizeof volume / sizeof *volume - 1;
    ULONG letters = flags & 4 ? 0 : 6, needed;
    if (flags & 3) return (ULONG)BasepFail(ERROR_NOT_SUPPORTED);
    if (!BasepStatus(NtQueryObject(file, 1, &object, sizeof object, &needed))) return 0;
    ULONG units = object.Name.Length / sizeof(WCHAR), at = named;
    for (ULONG i = 0; i < named; i++)
        if (i >= units || object.Name.Buffer[i] != volume[i]) return (ULONG)BasepFail(ERROR_NOT_SUPPORTED);
    ULONG number = 0;
    while (at < units && object.Name.Buffer[at] != '\\') number = number * 10 + object.Name.Buffer[at++] - '0';
    /* C: is the first volume; those that are mapped have the letters of their own. */
    if (letters && number != 1) return (ULONG)BasepFail(ERROR_NOT_SUPPORTED);
    units -= at;
    if (letters + units + 1 > room) return letters + units + 1;
    for (ULONG i = 0; i < letters; i++) to[i] = prefix[i];
    for (ULONG i = 0; i < units; i++) to[letters + i] = object.Name.Buffer[at + i];
    to[letters + units] = 0;
    return letters + units;
}

/* `CreateHardLinkW`. */
BOOL NTAPI CreateHardLinkW(const WCHAR *link, const WCHAR *existing, SECURITY_ATTRIBUTES *security) {
    struct {
        ULONG ReplaceIfExists;
        HANDLE RootDirectory;
        ULONG FileNameLength;
        WCHAR FileName[0x400];
    } to = {0, NULL, 0, {0}};
    UNICODE_STRING path;
    IO_STATUS_BLOCK io;
    HANDLE file;
    (void)security;
    NTSTATUS status = BasepNtPath(link, &path);
    if (!BasepStatus(status)) return FALSE;
    to.FileNameLength = path.Length;
    if (path.Length <= sizeof to.FileName) memmove(to.FileName, path.Buffer, path.Length);
    RtlFreeUnicodeString(&path);
    if (to.FileNameLength > sizeof to.FileName) return BasepFail(ERROR_FILENAME_EXCED_RANGE);
    if (!BasepStatus(BasepOpenPath(existing, FILE_WRITE_ATTRIBUTES, FILE_OPEN_REPARSE_POINT, &file))) return FALSE;
    status = NtSetInformationFile(file, &io, &to, sizeof to, 11);
    NtClose(file);
    return BasepStatus(status);
}

/* `CreateSymbolicLinkW`: volumes here have no reparse points. */
BOOLEAN NTAPI CreateSymbolicLinkW(const WCHAR *link, const WCHAR *target, ULONG flags) {
    (void)link, (void)target, (void)flags;
    return (BOOLEAN)BasepFail(ERROR_NOT_SUPPORTED);
}

/* `CompareStringOrdinal`: 1, 2, 3 for less, equal, greater. */
int NTAPI CompareStringOrdinal(const WCHAR *a, int a_units, const WCHAR *b, int b_units, BOOL ignore_case) {
    if (!a || !b || a_units < -1 || b_units < -1) return BasepFail(ERROR_INVALID_PARAMETER);
    ULONG a_length = a_units < 0 ? (ULONG)wcslen(a) : (ULONG)a_units, b_length = b_units < 0 ? (ULONG)wcslen(b) : (ULONG)b_units;
    for (ULONG i = 0; i < a_length && i < b_length; i++) {
        WCHAR x = ignore_case ? RtlUpcaseUnicodeChar(a[i]) : a[i], y = ignore_case ? RtlUpcaseUnicodeChar(b[i]) : b[i];
        if (x != y) return x < y ? 1 : 3;
    }
    return a_length == b_length ? 2 : a_length < b_length ? 1 : 3;
}
