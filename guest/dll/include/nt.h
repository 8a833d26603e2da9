/* NT's structures, services and run-time functions, as far as the built-in DLLs use them.
 *
 * The fields that are named lie at the same place in every Windows of a width from XP to 11; where they do not, the
 * comment says so.
 */
#pragma once
#include "types.h"
#include "ntstatus.h"

typedef struct LIST_ENTRY { struct LIST_ENTRY *Flink, *Blink; } LIST_ENTRY;
typedef struct { USHORT Length, MaximumLength; WCHAR *Buffer; } UNICODE_STRING;
typedef struct { USHORT Length, MaximumLength; CHAR *Buffer; } ANSI_STRING;
typedef struct { HANDLE UniqueProcess, UniqueThread; } CLIENT_ID;
typedef struct {
    union { NTSTATUS Status; PVOID Pointer; };
    ULONG_PTR Information;
} IO_STATUS_BLOCK;
typedef struct {
    ULONG Length;
    HANDLE RootDirectory;
    UNICODE_STRING *ObjectName;
    ULONG Attributes;
    PVOID SecurityDescriptor, SecurityQualityOfService;
} OBJECT_ATTRIBUTES;
#define OBJ_INHERIT 0x02
#define OBJ_CASE_INSENSITIVE 0x40
#define OBJ_OPENIF 0x80
enum { NotificationEvent, SynchronizationEvent };
enum { NotificationTimer, SynchronizationTimer };

typedef struct {
    PVOID ExceptionList, StackBase, StackLimit, SubSystemTib, FiberData, ArbitraryUserPointer, Self;
} NT_TIB;
AT(NT_TIB, StackLimit, 0x10, 0x08);
AT(NT_TIB, Self, 0x30, 0x18);

typedef struct {
    UNICODE_STRING DosPath;
    HANDLE Handle;
} CURDIR;
typedef struct {
    ULONG MaximumLength, Length, Flags, DebugFlags;
    HANDLE ConsoleHandle;
    ULONG ConsoleFlags;
    HANDLE StandardInput, StandardOutput, StandardError;
    CURDIR CurrentDirectory;
    UNICODE_STRING DllPath, ImagePathName, CommandLine;
    WCHAR *Environment;
    ULONG StartingX, StartingY, CountX, CountY, CountCharsX, CountCharsY, FillAttribute, WindowFlags, ShowWindowFlags;
    UNICODE_STRING WindowTitle, DesktopInfo, ShellInfo, RuntimeData;
} RTL_USER_PROCESS_PARAMETERS;
AT(RTL_USER_PROCESS_PARAMETERS, StandardInput, 0x20, 0x18);
AT(RTL_USER_PROCESS_PARAMETERS, StandardError, 0x30, 0x20);
AT(RTL_USER_PROCESS_PARAMETERS, CommandLine, 0x70, 0x40);
AT(RTL_USER_PROCESS_PARAMETERS, Environment, 0x80, 0x48);
AT(RTL_USER_PROCESS_PARAMETERS, StartingX, 0x88, 0x4c);
AT(RTL_USER_PROCESS_PARAMETERS, ShowWindowFlags, 0xa8, 0x6c);
AT(RTL_USER_PROCESS_PARAMETERS, WindowTitle, 0xb0, 0x70);
AT(RTL_USER_PROCESS_PARAMETERS, DesktopInfo, 0xc0, 0x78);

/* Windows XP's ends with EntryInProgress; `Length` tells. */
typedef struct {
    ULONG Length;
    BOOLEAN Initialized;
    HANDLE SsHandle;
    LIST_ENTRY InLoadOrderModuleList, InMemoryOrderModuleList, InInitializationOrderModuleList;
    PVOID EntryInProgress;
    BOOLEAN ShutdownInProgress;
} PEB_LDR_DATA;
AT(PEB_LDR_DATA, InLoadOrderModuleList, 0x10, 0x0c);
AT(PEB_LDR_DATA, InInitializationOrderModuleList, 0x30, 0x1c);
AT(PEB_LDR_DATA, ShutdownInProgress, 0x48, 0x28);

typedef struct {
    LIST_ENTRY InLoadOrderLinks, InMemoryOrderLinks, InInitializationOrderLinks;
    PVOID DllBase, EntryPoint;
    ULONG SizeOfImage;
    UNICODE_STRING FullDllName, BaseDllName;
    ULONG Flags;
} LDR_DATA_TABLE_ENTRY;
AT(LDR_DATA_TABLE_ENTRY, InLoadOrderLinks, 0x00, 0x00);
AT(LDR_DATA_TABLE_ENTRY, InInitializationOrderLinks, 0x20, 0x10);
AT(LDR_DATA_TABLE_ENTRY, DllBase, 0x30, 0x18);
AT(LDR_DATA_TABLE_ENTRY, EntryPoint, 0x38, 0x1c);
AT(LDR_DATA_TABLE_ENTRY, SizeOfImage, 0x40, 0x20);
AT(LDR_DATA_TABLE_ENTRY, FullDllName, 0x48, 0x24);
AT(LDR_DATA_TABLE_ENTRY, BaseDllName, 0x58, 0x2c);
AT(LDR_DATA_TABLE_ENTRY, Flags, 0x68, 0x34);

typedef struct {
    BOOLEAN InheritedAddressSpace, ReadImageFileExecOptions, BeingDebugged, BitField;
    HANDLE Mutant;
    PVOID ImageBaseAddress;
    PEB_LDR_DATA *Ldr;
    RTL_USER_PROCESS_PARAMETERS *ProcessParameters;
    PVOID SubSystemData;
    HANDLE ProcessHeap;
    PVOID FastPebLock;
    UCHAR Unnamed1[WIDTH(0x40, 0x24)];
    ULONG TlsBitmapBits[2];
    UCHAR Unnamed2[WIDTH(0x90, 0x58)];
    ULONG OSMajorVersion, OSMinorVersion;
    USHORT OSBuildNumber, OSCSDVersion;
    ULONG OSPlatformId;
    UCHAR Unnamed3[WIDTH(0x198, 0x120)];
    ULONG SessionId;
} PEB;
AT(PEB, BeingDebugged, 0x02, 0x02);
AT(PEB, ImageBaseAddress, 0x10, 0x08);
AT(PEB, Ldr, 0x18, 0x0c);
AT(PEB, ProcessParameters, 0x20, 0x10);
AT(PEB, ProcessHeap, 0x30, 0x18);
AT(PEB, FastPebLock, 0x38, 0x1c);
AT(PEB, TlsBitmapBits, 0x80, 0x44);
AT(PEB, OSMajorVersion, 0x118, 0xa4);
AT(PEB, OSBuildNumber, 0x120, 0xac);
AT(PEB, OSPlatformId, 0x124, 0xb0);
AT(PEB, SessionId, 0x2c0, 0x1d4);

typedef struct {
    NT_TIB NtTib;
    PVOID EnvironmentPointer;
    CLIENT_ID ClientId;
    PVOID ActiveRpcHandle, ThreadLocalStoragePointer;
    PEB *ProcessEnvironmentBlock;
    ULONG LastErrorValue;
    UCHAR Unnamed1[WIDTH(0x11e4, 0xbbc)];
    NTSTATUS LastStatusValue;
    UCHAR Unnamed2[WIDTH(0x22c, 0x218)];
    PVOID TlsSlots[64];
} TEB;
AT(TEB, ClientId, 0x40, 0x20);
AT(TEB, ProcessEnvironmentBlock, 0x60, 0x30);
AT(TEB, LastErrorValue, 0x68, 0x34);
AT(TEB, LastStatusValue, 0x1250, 0xbf4);
AT(TEB, TlsSlots, 0x1480, 0xe10);

/* The stack of a thread. */
typedef struct {
    PVOID OldStackBase, OldStackLimit, StackBase, StackLimit, StackAllocationBase;
} INITIAL_TEB;

/* The upper half is there twice, because the kernel cannot write all of it at once. */
typedef struct { ULONG LowPart, High1Time, High2Time; } KSYSTEM_TIME;
typedef struct {
    ULONG TickCountLowDeprecated, TickCountMultiplier;
    KSYSTEM_TIME InterruptTime, SystemTime, TimeZoneBias;
    UCHAR Unnamed1[0x238];
    ULONG NtProductType;
    UCHAR Unnamed2[0xb8];
    KSYSTEM_TIME TickCount;
} KUSER_SHARED_DATA;
AT(KUSER_SHARED_DATA, TickCountMultiplier, 0x04, 0x04);
AT(KUSER_SHARED_DATA, SystemTime, 0x14, 0x14);
AT(KUSER_SHARED_DATA, TimeZoneBias, 0x20, 0x20);
AT(KUSER_SHARED_DATA, NtProductType, 0x264, 0x264);
AT(KUSER_SHARED_DATA, TickCount, 0x320, 0x320);
#define SharedUserData ((volatile KUSER_SHARED_DATA *)(ULONG_PTR)0x7ffe0000)

/* `NtCurrentTeb`. */
static inline TEB *NtCurrentTeb(void) {
    TEB *teb;
#ifdef __x86_64__
    __asm__("movq %%gs:0x30, %0" : "=r"(teb));
#else
    __asm__("movl %%fs:0x18, %0" : "=r"(teb));
#endif
    return teb;
}
/* The PEB, which a thread's TEB points to. */
static inline PEB *NtCurrentPeb(void) {
    PEB *peb;
#ifdef __x86_64__
    __asm__("movq %%gs:0x60, %0" : "=r"(peb));
#else
    __asm__("movl %%fs:0x30, %0" : "=r"(peb));
#endif
    return peb;
}
#define NtCurrentProcess() ((HANDLE)-1)
#define NtCurrentThread() ((HANDLE)-2)

/* What ntdll exports: the services, whose stubs the profile gives, and its own functions. */
#ifdef NTDLL
#define NTSYSCALLAPI
#define NTSYSAPI __declspec(dllexport)
#else
#define NTSYSCALLAPI __declspec(dllimport)
#define NTSYSAPI __declspec(dllimport)
#endif

#define MEM_COMMIT 0x1000
#define MEM_RESERVE 0x2000
#define MEM_RELEASE 0x8000
#define PAGE_READWRITE 4
#define HEAP_ZERO_MEMORY 8
#define HEAP_REALLOC_IN_PLACE_ONLY 0x10

/* `RTL_CRITICAL_SECTION` */
typedef struct {
    PVOID DebugInfo;
    LONG LockCount, RecursionCount;
    HANDLE OwningThread, LockSemaphore;
    ULONG_PTR SpinCount;
} RTL_CRITICAL_SECTION;

NTSYSCALLAPI NTSTATUS NTAPI NtAccessCheck(PVOID, HANDLE, ACCESS_MASK, PVOID, PVOID, ULONG *, ACCESS_MASK *, NTSTATUS *);
NTSYSCALLAPI NTSTATUS NTAPI NtAdjustPrivilegesToken(HANDLE, BOOLEAN, PVOID, ULONG, PVOID, ULONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtAllocateVirtualMemory(HANDLE, PVOID *, ULONG_PTR, SIZE_T *, ULONG, ULONG);
NTSYSCALLAPI NTSTATUS NTAPI NtCancelTimer(HANDLE, BOOLEAN *);
NTSYSCALLAPI NTSTATUS NTAPI NtClose(HANDLE);
NTSYSCALLAPI NTSTATUS NTAPI NtCreateEvent(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, ULONG, BOOLEAN);
NTSYSCALLAPI NTSTATUS NTAPI NtCreateMutant(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, BOOLEAN);
NTSYSCALLAPI NTSTATUS NTAPI NtCreateSection(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, const LONGLONG *, ULONG, ULONG, HANDLE);
NTSYSCALLAPI NTSTATUS NTAPI NtCreateSemaphore(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, LONG, LONG);
NTSYSCALLAPI NTSTATUS NTAPI NtCreateTimer(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, ULONG);
NTSYSCALLAPI NTSTATUS NTAPI NtDelayExecution(BOOLEAN, const LONGLONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtDuplicateObject(HANDLE, HANDLE, HANDLE, HANDLE *, ACCESS_MASK, ULONG, ULONG);
NTSYSCALLAPI NTSTATUS NTAPI NtDuplicateToken(HANDLE, ACCESS_MASK, OBJECT_ATTRIBUTES *, BOOLEAN, ULONG, HANDLE *);
NTSYSCALLAPI NTSTATUS NTAPI NtFlushInstructionCache(HANDLE, const void *, SIZE_T);
NTSYSCALLAPI NTSTATUS NTAPI NtFreeVirtualMemory(HANDLE, PVOID *, SIZE_T *, ULONG);
NTSYSCALLAPI NTSTATUS NTAPI NtFlushVirtualMemory(HANDLE, PVOID *, SIZE_T *, IO_STATUS_BLOCK *);
NTSYSCALLAPI NTSTATUS NTAPI NtMapViewOfSection(HANDLE, HANDLE, PVOID *, ULONG_PTR, SIZE_T, LONGLONG *, SIZE_T *, ULONG, ULONG, ULONG);
NTSYSCALLAPI NTSTATUS NTAPI NtOpenDirectoryObject(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *);
NTSYSCALLAPI NTSTATUS NTAPI NtOpenEvent(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *);
NTSYSCALLAPI NTSTATUS NTAPI NtOpenMutant(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *);
NTSYSCALLAPI NTSTATUS NTAPI NtOpenProcess(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, CLIENT_ID *);
NTSYSCALLAPI NTSTATUS NTAPI NtOpenProcessToken(HANDLE, ACCESS_MASK, HANDLE *);
NTSYSCALLAPI NTSTATUS NTAPI NtOpenSection(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *);
NTSYSCALLAPI NTSTATUS NTAPI NtOpenSemaphore(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *);
NTSYSCALLAPI NTSTATUS NTAPI NtOpenThread(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, CLIENT_ID *);
NTSYSCALLAPI NTSTATUS NTAPI NtOpenThreadToken(HANDLE, ACCESS_MASK, BOOLEAN, HANDLE *);
NTSYSCALLAPI NTSTATUS NTAPI NtOpenTimer(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *);
NTSYSCALLAPI NTSTATUS NTAPI NtPrivilegeCheck(HANDLE, PVOID, BOOLEAN *);
NTSYSCALLAPI NTSTATUS NTAPI NtProtectVirtualMemory(HANDLE, PVOID *, SIZE_T *, ULONG, ULONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtPulseEvent(HANDLE, LONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtQueryInformationProcess(HANDLE, ULONG, PVOID, ULONG, ULONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtQueryInformationThread(HANDLE, ULONG, PVOID, ULONG, ULONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtQueryInformationToken(HANDLE, ULONG, PVOID, ULONG, ULONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtQueryObject(HANDLE, ULONG, PVOID, ULONG, ULONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtQueryPerformanceCounter(LONGLONG *, LONGLONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtQuerySystemInformation(ULONG, PVOID, ULONG, ULONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtQuerySystemTime(LONGLONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtQueryVirtualMemory(HANDLE, const void *, ULONG, PVOID, SIZE_T, SIZE_T *);
NTSYSCALLAPI NTSTATUS NTAPI NtRaiseException(PVOID, PVOID, BOOLEAN);
NTSYSCALLAPI NTSTATUS NTAPI NtReadFile(HANDLE, HANDLE, PVOID, PVOID, IO_STATUS_BLOCK *, PVOID, ULONG, LONGLONG *, ULONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtReadVirtualMemory(HANDLE, const void *, PVOID, SIZE_T, SIZE_T *);
NTSYSCALLAPI NTSTATUS NTAPI NtReleaseMutant(HANDLE, LONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtReleaseSemaphore(HANDLE, LONG, LONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtResetEvent(HANDLE, LONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtResumeThread(HANDLE, ULONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtSetInformationThread(HANDLE, ULONG, const void *, ULONG);
NTSYSCALLAPI NTSTATUS NTAPI NtSuspendThread(HANDLE, ULONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtSetEvent(HANDLE, LONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtSetInformationProcess(HANDLE, ULONG, PVOID, ULONG);
enum { TimerSetCoalescableTimer };
typedef struct {
    LONGLONG DueTime;
    PVOID TimerApcRoutine, TimerContext, WakeContext;
    ULONG TimerPeriod, TolerableDelay;
    BOOLEAN *PreviousState;
} TIMER_SET_COALESCABLE_TIMER_INFO;
NTSYSCALLAPI NTSTATUS NTAPI NtSetTimer(HANDLE, const LONGLONG *, PVOID, PVOID, BOOLEAN, LONG, BOOLEAN *);
NTSYSCALLAPI NTSTATUS NTAPI NtTerminateProcess(HANDLE, NTSTATUS);
NTSYSCALLAPI NTSTATUS NTAPI NtTerminateThread(HANDLE, NTSTATUS);
NTSYSCALLAPI NTSTATUS NTAPI NtUnmapViewOfSection(HANDLE, PVOID);
NTSYSCALLAPI NTSTATUS NTAPI NtWaitForMultipleObjects(ULONG, const HANDLE *, ULONG, BOOLEAN, const LONGLONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtWaitForSingleObject(HANDLE, BOOLEAN, const LONGLONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtWriteFile(HANDLE, HANDLE, PVOID, PVOID, IO_STATUS_BLOCK *, const void *, ULONG, LONGLONG *, ULONG *);
NTSYSCALLAPI NTSTATUS NTAPI NtWriteVirtualMemory(HANDLE, PVOID, const void *, SIZE_T, SIZE_T *);
NTSYSCALLAPI NTSTATUS NTAPI NtYieldExecution(void);

NTSYSAPI NTSTATUS NTAPI LdrGetDllHandle(const WCHAR *, ULONG *, const UNICODE_STRING *, PVOID *);
NTSYSAPI NTSTATUS NTAPI LdrGetProcedureAddress(PVOID, const ANSI_STRING *, ULONG, PVOID *);
NTSYSAPI NTSTATUS NTAPI LdrShutdownProcess(void);
NTSYSAPI WCHAR NTAPI RtlUpcaseUnicodeChar(WCHAR);
NTSYSAPI WCHAR NTAPI RtlDowncaseUnicodeChar(WCHAR);
NTSYSAPI NTSTATUS NTAPI RtlEnterCriticalSection(RTL_CRITICAL_SECTION *);
NTSYSAPI NTSTATUS NTAPI RtlLeaveCriticalSection(RTL_CRITICAL_SECTION *);
NTSYSAPI NTSTATUS NTAPI RtlInitializeCriticalSectionEx(RTL_CRITICAL_SECTION *, ULONG, ULONG);
NTSYSAPI NTSTATUS NTAPI RtlCreateUserThread(HANDLE, PVOID, BOOLEAN, ULONG, SIZE_T, SIZE_T, PVOID, PVOID, HANDLE *, CLIENT_ID *);
NTSYSAPI NTSTATUS NTAPI LdrShutdownThread(void);
NTSYSAPI PVOID NTAPI RtlAllocateHeap(HANDLE, ULONG, SIZE_T);
NTSYSAPI ULONG NTAPI RtlFreeHeap(HANDLE, ULONG, PVOID);
NTSYSAPI PVOID NTAPI RtlReAllocateHeap(HANDLE, ULONG, PVOID, SIZE_T);
NTSYSAPI SIZE_T NTAPI RtlSizeHeap(HANDLE, ULONG, const void *);
NTSYSAPI ULONG NTAPI RtlGetLastWin32Error(void);
NTSYSAPI NTSTATUS NTAPI RtlGetLastNtStatus(void);
NTSYSAPI void NTAPI RtlSetLastWin32Error(ULONG);
NTSYSAPI ULONG NTAPI RtlNtStatusToDosError(NTSTATUS);
NTSYSAPI ULONG NTAPI RtlNtStatusToDosErrorNoTeb(NTSTATUS);
NTSYSAPI ULONG NTAPI RtlSetLastWin32ErrorAndNtStatusFromNtStatus(NTSTATUS);
NTSYSAPI void NTAPI RtlInitAnsiString(ANSI_STRING *, const CHAR *);
NTSYSAPI void NTAPI RtlInitUnicodeString(UNICODE_STRING *, const WCHAR *);
NTSYSAPI NTSTATUS NTAPI RtlInitUnicodeStringEx(UNICODE_STRING *, const WCHAR *);
NTSYSAPI PEB *NTAPI RtlGetCurrentPeb(void);
NTSYSAPI NTSTATUS NTAPI RtlGetVersion(PVOID);
NTSYSAPI void NTAPI RtlGetNtVersionNumbers(ULONG *, ULONG *, ULONG *);
NTSYSAPI BOOLEAN NTAPI RtlQueryPerformanceCounter(LONGLONG *);
NTSYSAPI BOOLEAN NTAPI RtlQueryPerformanceFrequency(LONGLONG *);
NTSYSAPI PVOID NTAPI RtlImageNtHeader(PVOID);
NTSYSAPI NTSTATUS NTAPI RtlCreateUserStack(SIZE_T, SIZE_T, ULONG_PTR, SIZE_T, ULONG_PTR, INITIAL_TEB *);
NTSYSAPI void NTAPI RtlFreeUserStack(PVOID);
NTSYSAPI ULONGLONG NTAPI VerSetConditionMask(ULONGLONG, ULONG, UCHAR);
NTSYSAPI NTSTATUS NTAPI RtlVerifyVersionInfo(PVOID, ULONG, ULONGLONG);
NTSYSAPI void NTAPI RtlExitUserProcess(NTSTATUS) __attribute__((noreturn));
NTSYSAPI void NTAPI RtlExitUserThread(NTSTATUS) __attribute__((noreturn));
NTSYSAPI SIZE_T NTAPI RtlCompareMemory(const void *, const void *, SIZE_T);
NTSYSAPI void NTAPI RtlFillMemory(PVOID, SIZE_T, UCHAR);
NTSYSAPI void NTAPI RtlMoveMemory(PVOID, const void *, SIZE_T);
NTSYSAPI void NTAPI RtlZeroMemory(PVOID, SIZE_T);

/* THREAD_BASIC_INFORMATION */
#define ThreadBasicInformation 0
typedef struct {
    NTSTATUS ExitStatus;
    PVOID TebBaseAddress;
    CLIENT_ID ClientId;
    ULONG_PTR AffinityMask;
    LONG Priority, BasePriority;
} THREAD_BASIC_INFORMATION;

/* NtCreateThreadEx, which Vista brought. */
typedef NTSTATUS NTAPI CREATE_THREAD_EX(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, HANDLE, PVOID, PVOID, ULONG, SIZE_T,
                                        SIZE_T, SIZE_T, PVOID);

/* A service or function of ntdll that not every Windows has, or NULL. */
static inline PVOID NtpService(const CHAR *name) {
    UNICODE_STRING ntdll;
    ANSI_STRING text;
    PVOID module, address = NULL;
    RtlInitUnicodeString(&ntdll, L"ntdll.dll");
    RtlInitAnsiString(&text, name);
    NTSTATUS status = LdrGetDllHandle(NULL, NULL, &ntdll, &module);
    if (status >= 0) status = LdrGetProcedureAddress(module, &text, 0, &address);
    return status >= 0 ? address : NULL;
}
