/* Threads' names, which Windows 10 1607 brought. */
#include "kernel32.h"

#define THREAD_NAME_INFORMATION 38
/* FACILITY_NT_BIT: a status as an HRESULT, success too. */
#define HRESULT_FROM_NT(status) ((LONG)((ULONG)(status) | 0x10000000))

/* `SetThreadDescription`. */
LONG NTAPI SetThreadDescription(HANDLE thread, const WCHAR *description) {
    UNICODE_STRING name;
    NTSTATUS status = RtlInitUnicodeStringEx(&name, description);
    if (status >= 0) status = NtSetInformationThread(thread, THREAD_NAME_INFORMATION, &name, sizeof name);
    return HRESULT_FROM_NT(status);
}

/* `GetThreadDescription`: the name is the caller's, to be freed with LocalFree. */
LONG NTAPI GetThreadDescription(HANDLE thread, WCHAR **description) {
    ULONG size = 0;
    UNICODE_STRING *name = NULL;
    PVOID heap = NtCurrentPeb()->ProcessHeap;
    *description = NULL;
    NTSTATUS status = NtQueryInformationThread(thread, THREAD_NAME_INFORMATION, NULL, 0, &size);
    while (status == STATUS_BUFFER_TOO_SMALL) {
        if (name) RtlFreeHeap(heap, 0, name);
        name = RtlAllocateHeap(heap, 0, size + sizeof(WCHAR));
        if (!name) return HRESULT_FROM_NT(STATUS_NO_MEMORY);
        status = NtQueryInformationThread(thread, THREAD_NAME_INFORMATION, name, size, &size);
    }
    if (status < 0 || !name) {
        if (name) RtlFreeHeap(heap, 0, name);
        return HRESULT_FROM_NT(status);
    }
    /* The text takes the structure's place, with a zero behind it. */
    ULONG units = name->Length / sizeof(WCHAR);
    const WCHAR *text = name->Buffer;
    WCHAR *to = (WCHAR *)name;
    memmove(to, text, units * sizeof(WCHAR));
    to[units] = 0;
    *description = to;
    return HRESULT_FROM_NT(status);
}
