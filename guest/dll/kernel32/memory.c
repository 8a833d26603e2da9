/* Virtual memory: allocate, free, protect, query, read and write another process's. */
#include "kernel32.h"

/* Protections that let a process write: READWRITE, WRITECOPY and their EXECUTE forms. */
#define PAGE_WRITABLE 0xcc
/* Protections that `WriteProcessMemory` lifts for the while: EXECUTE, EXECUTE_READ. */
#define PAGE_CODE 0x30
#define PAGE_EXECUTE_READWRITE 0x40
#define MemoryBasicInformation 0

/* `VirtualAllocEx`: the address or NULL. */
PVOID NTAPI VirtualAllocEx(HANDLE process, PVOID base, SIZE_T size, ULONG type, ULONG protect) {
    /* An address that rounds down to 0 would let the system choose. */
    if (base && (ULONG_PTR)base < 0x10000) {
        BasepFail(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    return BasepStatus(NtAllocateVirtualMemory(process, &base, 0, &size, type, protect)) ? base : NULL;
}
/* `VirtualAllocExNuma`: there is one node. */
PVOID NTAPI VirtualAllocExNuma(HANDLE process, PVOID base, SIZE_T size, ULONG type, ULONG protect, ULONG node) {
    (void)node;
    return VirtualAllocEx(process, base, size, type, protect);
}

/* `VirtualAlloc`. */
PVOID NTAPI VirtualAlloc(PVOID base, SIZE_T size, ULONG type, ULONG protect) {
    return VirtualAllocEx(NtCurrentProcess(), base, size, type, protect);
}

/* `VirtualFreeEx`: MEM_RELEASE takes no size. */
BOOL NTAPI VirtualFreeEx(HANDLE process, PVOID base, SIZE_T size, ULONG type) {
    if (type & MEM_RELEASE && size) return BasepStatus(STATUS_INVALID_PARAMETER);
    return BasepStatus(NtFreeVirtualMemory(process, &base, &size, type));
}

/* `VirtualFree`. */
BOOL NTAPI VirtualFree(PVOID base, SIZE_T size, ULONG type) { return VirtualFreeEx(NtCurrentProcess(), base, size, type); }

/* `VirtualProtectEx`: the old protection goes to `*old`. */
BOOL NTAPI VirtualProtectEx(HANDLE process, PVOID base, SIZE_T size, ULONG protect, ULONG *old) {
    return BasepStatus(NtProtectVirtualMemory(process, &base, &size, protect, old));
}

/* `VirtualProtect`. */
BOOL NTAPI VirtualProtect(PVOID base, SIZE_T size, ULONG protect, ULONG *old) {
    return VirtualProtectEx(NtCurrentProcess(), base, size, protect, old);
}

/* `VirtualQueryEx`: how many bytes of a MEMORY_BASIC_INFORMATION were written, or 0. */
SIZE_T NTAPI VirtualQueryEx(HANDLE process, const void *address, PVOID information, SIZE_T size) {
    SIZE_T written;
    NTSTATUS status = NtQueryVirtualMemory(process, address, MemoryBasicInformation, information, size, &written);
    return BasepStatus(status) ? written : 0;
}

/* `VirtualQuery`. */
SIZE_T NTAPI VirtualQuery(const void *address, PVOID information, SIZE_T size) {
    return VirtualQueryEx(NtCurrentProcess(), address, information, size);
}

/* `ReadProcessMemory`: the bytes read go to `*count`, if that is not NULL. */
BOOL NTAPI ReadProcessMemory(HANDLE process, const void *from, PVOID to, SIZE_T size, SIZE_T *count) {
    SIZE_T done = 0;
    NTSTATUS status = NtReadVirtualMemory(process, from, to, size, &done);
    if (count) *count = done;
    return BasepStatus(status);
}

/* `WriteProcessMemory`: as above, the other way. Code that is not writable is made so for the while, and is flushed from
 * the instruction cache; data that is read-only or inaccessible stays so, with STATUS_ACCESS_VIOLATION. */
BOOL NTAPI WriteProcessMemory(HANDLE process, PVOID to, const void *from, SIZE_T size, SIZE_T *count) {
    PVOID base = to;
    SIZE_T region = size, done = 0;
    ULONG old, protect;
    NTSTATUS status = NtProtectVirtualMemory(process, &base, &region, PAGE_EXECUTE_READWRITE, &old);
    if (status < 0) return BasepStatus(status);
    protect = old;
    if (!(protect & PAGE_CODE)) {
        /* Anything else gets its own protection back before a byte is written. */
        NtProtectVirtualMemory(process, &base, &region, protect, &old);
        if (!(protect & PAGE_WRITABLE)) return BasepStatus(STATUS_ACCESS_VIOLATION);
    }
    status = NtWriteVirtualMemory(process, to, from, size, &done);
    if (count) *count = done;
    if (protect & PAGE_CODE) NtProtectVirtualMemory(process, &base, &region, protect, &old);
    NtFlushInstructionCache(process, to, size);
    return BasepStatus(status);
}

/* `FlushInstructionCache`. */
BOOL NTAPI FlushInstructionCache(HANDLE process, const void *base, SIZE_T size) {
    return BasepStatus(NtFlushInstructionCache(process, base, size));
}

/* `GetProcessHeap`. */
HANDLE NTAPI GetProcessHeap(void) { return NtCurrentPeb()->ProcessHeap; }
