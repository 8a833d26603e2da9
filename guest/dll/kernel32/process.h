/* What the services tell of processes and threads, as kernel32's functions about them use it. */
#pragma once
#include "kernel32.h"

#define PROCESS_VM_READ 0x10
#define PROCESS_QUERY_INFORMATION 0x400

/* PROCESSINFOCLASS */
enum {
    ProcessBasicInformation = 0,
    ProcessTimes = 4,
    ProcessDebugPort = 7,
    ProcessPriorityClass = 18,
    ProcessHandleCount = 20,
    ProcessSessionInformation = 24,
    ProcessImageFileName = 27,
    ProcessImageFileNameWin32 = 43,
};
enum { SystemProcessInformation = 5 };

typedef struct {
    NTSTATUS ExitStatus;
    PEB *PebBaseAddress;
    ULONG_PTR AffinityMask;
    LONG BasePriority;
    ULONG_PTR UniqueProcessId, InheritedFromUniqueProcessId;
} PROCESS_BASIC_INFORMATION;

typedef struct {
    LONGLONG KernelTime, UserTime, CreateTime;
    ULONG WaitTime;
    PVOID StartAddress;
    CLIENT_ID ClientId;
    LONG Priority, BasePriority;
    ULONG ContextSwitches, ThreadState, WaitReason;
} SYSTEM_THREAD_INFORMATION;
typedef struct {
    ULONG NextEntryOffset, NumberOfThreads;
    LONGLONG Unnamed[3], CreateTime, UserTime, KernelTime;
    UNICODE_STRING ImageName;
    LONG BasePriority;
    HANDLE UniqueProcessId, InheritedFromUniqueProcessId;
    ULONG HandleCount, SessionId;
    ULONG_PTR UniqueProcessKey, Sizes[12];
    LONGLONG Io[6];
    SYSTEM_THREAD_INFORMATION Threads[];
} SYSTEM_PROCESS_INFORMATION;
AT(SYSTEM_PROCESS_INFORMATION, ImageName, 0x38, 0x38);
AT(SYSTEM_PROCESS_INFORMATION, UniqueProcessId, 0x50, 0x44);
AT(SYSTEM_PROCESS_INFORMATION, SessionId, 0x64, 0x50);
AT(SYSTEM_PROCESS_INFORMATION, Threads, 0x100, 0xb8);
AT(SYSTEM_THREAD_INFORMATION, ClientId, 0x28, 0x20);
_Static_assert(sizeof(SYSTEM_THREAD_INFORMATION) == WIDTH(0x50, 0x40), "SYSTEM_THREAD_INFORMATION");

/* processes.c */
/* The list of all processes, to be freed. */
NTSTATUS BasepProcesses(SYSTEM_PROCESS_INFORMATION **list);
void BasepFreeProcesses(SYSTEM_PROCESS_INFORMATION *list);

/* The next of a list, or NULL. */
static inline const SYSTEM_PROCESS_INFORMATION *BasepNextProcess(const SYSTEM_PROCESS_INFORMATION *at) {
    ULONG offset = at->NextEntryOffset;
    return offset ? (const SYSTEM_PROCESS_INFORMATION *)((const UCHAR *)at + offset) : NULL;
}
