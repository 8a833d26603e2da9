/* Pipes, mailslots and completion ports. */
#include "files.h"

#define PIPE_DISCONNECT 0x110004
#define PIPE_LISTEN 0x110008
#define PIPE_PEEK 0x11400c
#define DEFAULT_TIMEOUT (-1200000000ll)

/* `\??\PIPE\…` of `\\.\pipe\…`. */
static NTSTATUS BasepCreateNamedPipe(HANDLE *pipe, UNICODE_STRING *path, SECURITY_ATTRIBUTES *security, ACCESS_MASK access, ULONG share,
                                     ULONG options, ULONG mode, ULONG instances, ULONG inbound, ULONG outbound, LONGLONG timeout) {
    IO_STATUS_BLOCK io;
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, path, OBJ_CASE_INSENSITIVE, NULL, NULL};
    if (security) {
        attributes.SecurityDescriptor = security->lpSecurityDescriptor;
        if (security->bInheritHandle) attributes.Attributes |= OBJ_INHERIT;
    }
    /* PIPE_TYPE_MESSAGE, PIPE_READMODE_MESSAGE, PIPE_NOWAIT */
    return NtCreateNamedPipeFile(pipe, access | SYNCHRONIZE, &attributes, &io, share, FILE_OPEN_IF, options, (mode & 4) != 0,
                                 (mode & 2) != 0, mode & 1, instances, inbound, outbound, &timeout);
}

/* `CreateNamedPipeW`. */
HANDLE NTAPI CreateNamedPipeW(const WCHAR *name, ULONG open, ULONG mode, ULONG instances, ULONG outbound, ULONG inbound, ULONG timeout,
                              SECURITY_ATTRIBUTES *security) {
    static const UCHAR shares[] = {0, 2, 1, 3};
    HANDLE pipe;
    UNICODE_STRING path;
    if (!instances || instances > 255 || !(open & 3)) {
        RtlSetLastWin32Error(ERROR_INVALID_PARAMETER);
        return INVALID_HANDLE_VALUE;
    }
    NTSTATUS status = BasepNtPath(name, &path);
    if (status >= 0) {
        /* PIPE_ACCESS_INBOUND reads, PIPE_ACCESS_OUTBOUND writes. */
        ACCESS_MASK access = (open & 1 ? GENERIC_READ : 0) | (open & 2 ? GENERIC_WRITE : 0);
        ULONG options = open & 0x40000000 ? 0 : FILE_SYNCHRONOUS_IO_NONALERT;
        status = BasepCreateNamedPipe(&pipe, &path, security, access, shares[open & 3], options, mode, instances == 255 ? 0xffffffff : instances,
                                      inbound, outbound, timeout ? -(LONGLONG)timeout * MILLISECOND : -500000);
        RtlFreeUnicodeString(&path);
    }
    if (BasepStatus(status)) return pipe;
    return INVALID_HANDLE_VALUE;
}
BASEP_PATH_A(HANDLE, INVALID_HANDLE_VALUE, CreateNamedPipeA,
             (const char *name, ULONG open, ULONG mode, ULONG instances, ULONG outbound, ULONG inbound, ULONG timeout, SECURITY_ATTRIBUTES *security),
             CreateNamedPipeW(wide, open, mode, instances, outbound, inbound, timeout, security))

/* `CreatePipe`: a named pipe whose name nobody else knows. */
BOOL NTAPI CreatePipe(HANDLE *reader, HANDLE *writer, SECURITY_ATTRIBUTES *security, ULONG size) {
    static volatile LONG count;
    WCHAR name[] = L"\\??\\PIPE\\Win32Pipes.00000000.00000000";
    ULONG numbers[2] = {(ULONG)(ULONG_PTR)NtCurrentTeb()->ClientId.UniqueProcess, (ULONG)__atomic_add_fetch(&count, 1, __ATOMIC_ACQ_REL)};
    for (ULONG n = 0; n < 2; n++)
        for (ULONG i = 0; i < 8; i++) name[20 + 9 * n + i] = (WCHAR)"0123456789abcdef"[numbers[n] >> (28 - 4 * i) & 15];
    UNICODE_STRING path;
    IO_STATUS_BLOCK io;
    if (!size) size = 4096;
    RtlInitUnicodeString(&path, name);
    NTSTATUS status = BasepCreateNamedPipe(reader, &path, security, GENERIC_READ | FILE_WRITE_ATTRIBUTES, 2, FILE_SYNCHRONOUS_IO_NONALERT, 0, 1,
                                           size, size, DEFAULT_TIMEOUT);
    if (!BasepStatus(status)) return FALSE;
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &path, OBJ_CASE_INSENSITIVE | (security && security->bInheritHandle ? OBJ_INHERIT : 0), NULL, NULL};
    status = NtOpenFile(writer, GENERIC_WRITE | SYNCHRONIZE | FILE_READ_ATTRIBUTES, &attributes, &io, 1, FILE_SYNCHRONOUS_IO_NONALERT | FILE_NON_DIRECTORY_FILE);
    if (status < 0) NtClose(*reader);
    return BasepStatus(status);
}

static NTSTATUS BasepPipeControl(HANDLE pipe, ULONG code, OVERLAPPED *o) {
    IO_STATUS_BLOCK io;
    if (!o) return BasepWait(pipe, NtFsControlFile(pipe, NULL, NULL, NULL, &io, code, NULL, 0, NULL, 0), &io);
    o->Internal = STATUS_PENDING;
    return NtFsControlFile(pipe, o->hEvent, NULL, (ULONG_PTR)o->hEvent & 1 ? NULL : o, (IO_STATUS_BLOCK *)o, code, NULL, 0, NULL, 0);
}

/* `ConnectNamedPipe`. */
BOOL NTAPI ConnectNamedPipe(HANDLE pipe, OVERLAPPED *o) {
    NTSTATUS status = BasepPipeControl(pipe, PIPE_LISTEN, o);
    if (status == STATUS_PENDING) return BasepFail(ERROR_IO_PENDING);
    return BasepStatus(status);
}

/* `DisconnectNamedPipe`. */
BOOL NTAPI DisconnectNamedPipe(HANDLE pipe) { return BasepStatus(BasepPipeControl(pipe, PIPE_DISCONNECT, NULL)); }

/* `PeekNamedPipe`. */
BOOL NTAPI PeekNamedPipe(HANDLE pipe, PVOID to, ULONG size, ULONG *read, ULONG *available, ULONG *left) {
    IO_STATUS_BLOCK io;
    ULONG *buffer = BasepAllocate(16 + (SIZE_T)size);
    if (!buffer) return FALSE;
    NTSTATUS status = BasepWait(pipe, NtFsControlFile(pipe, NULL, NULL, NULL, &io, PIPE_PEEK, NULL, 0, buffer, 16 + size), &io);
    if (status == STATUS_BUFFER_OVERFLOW) status = STATUS_SUCCESS;
    if (status >= 0) {
        ULONG got = (ULONG)io.Information - 16;
        if (to) memmove(to, buffer + 4, got);
        if (read) *read = got;
        if (available) *available = buffer[1];
        if (left) *left = buffer[3] > got ? buffer[3] - got : 0;
    }
    BasepFree(buffer);
    return BasepStatus(status);
}

/* `SetNamedPipeHandleState`: the read mode and whether operations wait. */
BOOL NTAPI SetNamedPipeHandleState(HANDLE pipe, ULONG *mode, ULONG *count, ULONG *timeout) {
    IO_STATUS_BLOCK io;
    ULONG modes[2];
    if (count || timeout) return BasepFail(ERROR_NOT_SUPPORTED);
    if (!mode) return TRUE;
    modes[0] = (*mode & 2) != 0;
    modes[1] = *mode & 1;
    return BasepStatus(NtSetInformationFile(pipe, &io, modes, sizeof modes, FilePipeInformation));
}

/* `GetNamedPipeInfo`: of which end it is, its buffers, the most instances. */
typedef struct { ULONG Type, Configuration, MaximumInstances, CurrentInstances, InboundQuota, ReadDataAvailable, OutboundQuota, WriteQuotaAvailable, State, End; } BASEP_PIPE;
static BOOL BasepQueryPipe(HANDLE pipe, BASEP_PIPE *local) {
    IO_STATUS_BLOCK io;
    return BasepStatus(NtQueryInformationFile(pipe, &io, local, sizeof *local, FilePipeLocalInformation));
}
BOOL NTAPI GetNamedPipeInfo(HANDLE pipe, ULONG *flags, ULONG *outbound, ULONG *inbound, ULONG *instances) {
    BASEP_PIPE local;
    if (!BasepQueryPipe(pipe, &local)) return FALSE;
    /* PIPE_SERVER_END, PIPE_TYPE_MESSAGE */
    if (flags) *flags = (local.End ? 1 : 0) | (local.Type ? 4 : 0);
    if (outbound) *outbound = local.OutboundQuota;
    if (inbound) *inbound = local.InboundQuota;
    if (instances) *instances = local.MaximumInstances >= 255 ? 255 : local.MaximumInstances;
    return TRUE;
}

/* `GetNamedPipeHandleStateW`: the read mode and how many instances there are; a client's user is told to nobody. */
BOOL NTAPI GetNamedPipeHandleStateW(HANDLE pipe, ULONG *mode, ULONG *instances, ULONG *count, ULONG *timeout, WCHAR *user, ULONG room) {
    IO_STATUS_BLOCK io;
    ULONG modes[2];
    BASEP_PIPE local;
    (void)room;
    if (count || timeout || user) return BasepFail(ERROR_NOT_SUPPORTED);
    if (!BasepQueryPipe(pipe, &local)) return FALSE;
    if (!BasepStatus(NtQueryInformationFile(pipe, &io, modes, sizeof modes, FilePipeInformation))) return FALSE;
    if (mode) *mode = (modes[0] ? 2 : 0) | (modes[1] ? 1 : 0);
    if (instances) *instances = local.CurrentInstances;
    return TRUE;
}
BOOL NTAPI GetNamedPipeHandleStateA(HANDLE pipe, ULONG *mode, ULONG *instances, ULONG *count, ULONG *timeout, char *user, ULONG room) {
    return GetNamedPipeHandleStateW(pipe, mode, instances, count, timeout, (WCHAR *)user, room);
}

/* `CreateMailslotW`: the longest message, and how long a read waits. */
HANDLE NTAPI CreateMailslotW(const WCHAR *name, ULONG longest, ULONG timeout, SECURITY_ATTRIBUTES *security) {
    UNICODE_STRING path;
    IO_STATUS_BLOCK io;
    HANDLE slot;
    LONGLONG wait = timeout == INFINITE ? -1 : -(LONGLONG)timeout * MILLISECOND;
    NTSTATUS status = BasepNtPath(name, &path);
    if (status >= 0) {
        OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &path, OBJ_CASE_INSENSITIVE, security ? security->lpSecurityDescriptor : NULL, NULL};
        status = NtCreateMailslotFile(&slot, GENERIC_READ | SYNCHRONIZE | FILE_WRITE_ATTRIBUTES, &attributes, &io, FILE_SYNCHRONOUS_IO_NONALERT, 0, longest, &wait);
        RtlFreeUnicodeString(&path);
    }
    if (BasepStatus(status)) return slot;
    return INVALID_HANDLE_VALUE;
}
BASEP_PATH_A(HANDLE, INVALID_HANDLE_VALUE, CreateMailslotA, (const char *name, ULONG longest, ULONG timeout, SECURITY_ATTRIBUTES *security),
             CreateMailslotW(wide, longest, timeout, security))

/* 100 ns units in milliseconds, bit by bit: 32-bit code has no 64-bit division of its own. */
static ULONG BasepMilliseconds(ULONGLONG time) {
    ULONGLONG quotient = 0, rest = 0;
    for (int bit = 63; bit >= 0; bit--) {
        rest = rest << 1 | (time >> bit & 1);
        quotient = quotient << 1 | (rest >= MILLISECOND);
        if (rest >= MILLISECOND) rest -= MILLISECOND;
    }
    return (ULONG)quotient;
}

/* `GetMailslotInfo`. */
BOOL NTAPI GetMailslotInfo(HANDLE slot, ULONG *longest, ULONG *next, ULONG *count, ULONG *timeout) {
    struct { ULONG longest, quota, next, count; LONGLONG timeout; } all;
    IO_STATUS_BLOCK io;
    if (!BasepStatus(NtQueryInformationFile(slot, &io, &all, sizeof all, 26))) return FALSE;
    if (longest) *longest = all.longest;
    if (next) *next = all.next;
    if (count) *count = all.count;
    if (timeout) *timeout = all.timeout == -1 ? INFINITE : BasepMilliseconds((ULONGLONG)-all.timeout);
    return TRUE;
}

typedef NTSTATUS(NTAPI *BASEP_CREATE_PORT)(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, ULONG);
typedef NTSTATUS(NTAPI *BASEP_SET_PORT)(HANDLE, PVOID, PVOID, NTSTATUS, ULONG_PTR);
typedef NTSTATUS(NTAPI *BASEP_REMOVE_PORT)(HANDLE, PVOID *, PVOID *, IO_STATUS_BLOCK *, const LONGLONG *);

/* `CreateIoCompletionPort`: a port, or a file's tie to one. */
HANDLE NTAPI CreateIoCompletionPort(HANDLE file, HANDLE port, ULONG_PTR key, ULONG threads) {
    IO_STATUS_BLOCK io;
    struct { HANDLE port; ULONG_PTR key; } tie;
    HANDLE made = port;
    if (!port) {
        BASEP_CREATE_PORT create = BasepNewer("NtCreateIoCompletion");
        if (!create || !BasepStatus(create(&made, 0x1f0003, NULL, threads))) return NULL;
    }
    if (file == INVALID_HANDLE_VALUE) return port ? BasepNone(ERROR_INVALID_PARAMETER) : made;
    tie.port = made;
    tie.key = key;
    NTSTATUS status = NtSetInformationFile(file, &io, &tie, sizeof tie, FileCompletionInformation);
    if (status < 0 && !port) NtClose(made);
    return BasepStatus(status) ? made : NULL;
}

/* `PostQueuedCompletionStatus`. */
BOOL NTAPI PostQueuedCompletionStatus(HANDLE port, ULONG count, ULONG_PTR key, OVERLAPPED *o) {
    BASEP_SET_PORT set = BasepNewer("NtSetIoCompletion");
    return set && BasepStatus(set(port, (PVOID)key, o, STATUS_SUCCESS, count));
}

/* `GetQueuedCompletionStatus`. */
BOOL NTAPI GetQueuedCompletionStatus(HANDLE port, ULONG *count, ULONG_PTR *key, OVERLAPPED **o, ULONG milliseconds) {
    BASEP_REMOVE_PORT remove = BasepNewer("NtRemoveIoCompletion");
    LONGLONG timeout = -(LONGLONG)milliseconds * MILLISECOND;
    IO_STATUS_BLOCK io;
    PVOID got_key, got;
    *o = NULL;
    if (!remove) return FALSE;
    NTSTATUS status = remove(port, &got_key, &got, &io, milliseconds == INFINITE ? NULL : &timeout);
    if (status == STATUS_TIMEOUT) return BasepFail(258);
    if (!BasepStatus(status)) return FALSE;
    *key = (ULONG_PTR)got_key;
    *o = got;
    *count = (ULONG)io.Information;
    return BasepStatus(io.Status);
}

/* `GetQueuedCompletionStatusEx`: several at once. */
BOOL NTAPI GetQueuedCompletionStatusEx(HANDLE port, PVOID entries, ULONG room, ULONG *removed, ULONG milliseconds, BOOL alertable) {
    typedef NTSTATUS(NTAPI * REMOVE)(HANDLE, PVOID, ULONG, ULONG *, LONGLONG *, BOOLEAN);
    struct { ULONG_PTR Key; PVOID Context; IO_STATUS_BLOCK Io; } got[64];
    struct { ULONG_PTR Key; PVOID Overlapped; ULONG_PTR Internal; ULONG Bytes; } *to = entries;
    REMOVE remove = (REMOVE)BasepNewer("NtRemoveIoCompletionEx");
    LONGLONG timeout = -(LONGLONG)milliseconds * MILLISECOND;
    if (!remove) return FALSE;
    if (room > 64) room = 64;
    NTSTATUS status = remove(port, got, room, removed, milliseconds == INFINITE ? NULL : &timeout, alertable != 0);
    if (status == STATUS_TIMEOUT) return BasepFail(258);
    /* WAIT_IO_COMPLETION */
    if (status == STATUS_USER_APC) return BasepFail(0xc0);
    if (!BasepStatus(status)) return FALSE;
    for (ULONG i = 0; i < *removed; i++) {
        to[i].Key = got[i].Key;
        to[i].Overlapped = got[i].Context;
        to[i].Internal = (ULONG_PTR)got[i].Io.Status;
        to[i].Bytes = (ULONG)got[i].Io.Information;
    }
    return TRUE;
}
