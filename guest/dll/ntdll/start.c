/* Where a process starts and ends: the loader's initialisation, entry points, TLS callbacks, shutdown. */
#include "load.h"

#define ThreadAmILastThread 12
/* In `ArbitraryUserPointer` of a thread that has begun, with what `LdrpBeginThread` tells. */
#define LDRP_BEGUN 1
static volatile LONG LdrpProcessStarted, LdrpShutdownStarted;
static LONG LdrpImageTlsCalled;

/* `RtlUserThreadStart`: the first instruction of a thread; rcx (x86: eax) = where it starts, rdx (x86: ebx) = its
 * argument. The first thread of a process initialises the modules, and its return ends the process; another's ends the
 * thread. Nothing returns from here. The stack is as behind a call (x64), or has 16 bytes left above (x86), where the
 * frame's handler goes: the last that is asked about an exception. What is called may leave its argument on the stack. */
#ifdef __x86_64__
__asm__(".globl RtlUserThreadStart\n.def RtlUserThreadStart; .scl 2; .type 32; .endef\n.p2align 4\n"
        ".seh_proc RtlUserThreadStart\nRtlUserThreadStart:\n.seh_handler RtlpStartHandler, @except\n"
        "  subq $0x28, %rsp\n.seh_stackalloc 0x28\n.seh_endprologue\n  movq %rcx, %rbx\n  movq %rdx, %rsi\n"
        "  call LdrpBeginThread\n  movl %eax, %edi\n"
        "  movq %rsi, %rcx\n  call *%rbx\n"
        "  movl %eax, %ecx\n  movl %edi, %edx\n  call LdrpEndThread\n  int3\n.seh_endproc\n");
#else
__asm__(".globl _RtlUserThreadStart\n.def _RtlUserThreadStart; .scl 2; .type 32; .endef\n.p2align 4\n"
        "_RtlUserThreadStart:\n"
        "  xorl %ebp, %ebp\n  andl $-16, %esp\n  movl %eax, %esi\n"
        "  movl $_RtlpStartHandler, 0xc(%esp)\n  movl %fs:0, %eax\n  movl %eax, 8(%esp)\n"
        "  leal 8(%esp), %eax\n  movl %eax, %fs:0\n"
        "  call _LdrpBeginThread\n  movl %eax, %edi\n"
        "  pushl %ebx\n  call *%esi\n"
        "  pushl %edi\n  pushl %eax\n  call _LdrpEndThread\n  int3\n");
#endif
EXPORT_ASM(RtlUserThreadStart);

/* Calls the TLS callbacks of the image at `base`, if it is one and has any. */
void LdrpCallTlsInitializers(PVOID base, ULONG reason) {
    ULONG size;
    const IMAGE_TLS_DIRECTORY *tls = LdrpImageDirectory(base, IMAGE_DIRECTORY_ENTRY_TLS, &size);
    if (!tls || !tls->AddressOfCallBacks) return;
    if (!LdrpImageRange(base, (ULONG)((ULONG_PTR)tls->AddressOfCallBacks - (ULONG_PTR)base), sizeof(PVOID))) return;
    for (PIMAGE_TLS_CALLBACK *callback = tls->AddressOfCallBacks; *callback; callback++) (*callback)(base, reason, NULL);
}

/* A DLL's TLS callbacks and its entry point, with the reserved argument that says "with the process". A DLL that refuses
 * to start ends the process. */
void LdrpCallInitRoutines(const LDR_DATA_TABLE_ENTRY *entry, ULONG reason) {
    PDLL_INIT_ROUTINE routine = (PDLL_INIT_ROUTINE)entry->EntryPoint;
    LdrpCallTlsInitializers(entry->DllBase, reason);
    if (!routine) return;
    /* The result is a BOOLEAN to the loader, and only the attach's counts. */
    if (!routine(entry->DllBase, reason, (PVOID)1) && reason == DLL_PROCESS_ATTACH)
        NtTerminateProcess(NtCurrentProcess(), STATUS_DLL_INIT_FAILED);
}

/* The process heap's place, then every DLL in initialisation order, then the image's own TLS callbacks. */
void LdrpInitializeProcess(void) {
    PEB *peb = NtCurrentPeb();
    if (!peb->ProcessHeap) peb->ProcessHeap = &RtlpProcessHeap;
    LdrpThreadBegins(FALSE);
    if (peb->Ldr) {
        LIST_ENTRY *head = &peb->Ldr->InInitializationOrderModuleList;
        for (LIST_ENTRY *at = head->Flink; at != head; at = at->Flink) {
            LDR_DATA_TABLE_ENTRY *entry = CONTAINER(at, LDR_DATA_TABLE_ENTRY, InInitializationOrderLinks);
            /* What comes meanwhile begins when it comes. */
            if (entry->DllBase == peb->ImageBaseAddress || LdrpFindLoaded(entry->DllBase)) continue;
            LdrpCallInitRoutines(entry, DLL_PROCESS_ATTACH);
            entry->Flags |= LDRP_PROCESS_ATTACH_CALLED;
        }
    }
    LdrpImageTlsCalled = TRUE;
    LdrpCallTlsInitializers(peb->ImageBaseAddress, DLL_PROCESS_ATTACH);
}

/* One thread at a time calls the modules. */
RTL_CRITICAL_SECTION LdrpLoaderLock = {(PVOID)-1, -1, 0, NULL, NULL, 0};

/* Who changes the PEB's strings holds it. */
static RTL_CRITICAL_SECTION LdrpPebLock = {(PVOID)-1, -1, 0, NULL, NULL, 0};

/* Programs take both from the PEB. */
static void LdrpPublishLocks(PEB *peb) {
    peb->FastPebLock = &LdrpPebLock;
    *(PVOID *)((char *)peb + WIDTH(0x110, 0xa0)) = &LdrpLoaderLock;
}

/* Whoever had the lock has ended with it. */
void LdrpResetLoaderLock(void) { RtlInitializeCriticalSectionEx(&LdrpLoaderLock, 0, 0); }

/* What a thread does before its start address: whether it is a later one. */
__attribute__((used)) LONG LdrpBeginThread(void) {
    /* `LdrInitializeThunk` has done it. */
    TEB *teb = NtCurrentTeb();
    ULONG_PTR begun = (ULONG_PTR)teb->NtTib.ArbitraryUserPointer;
    if (begun & LDRP_BEGUN) {
        teb->NtTib.ArbitraryUserPointer = NULL;
        return (LONG)(begun >> 1);
    }
    RtlEnterCriticalSection(&LdrpLoaderLock);
    LONG later = LdrpProcessStarted;
    LdrpProcessStarted = 1;
    if (!later) LdrpPublishLocks(NtCurrentPeb());
    if (later) LdrpInitializeThread();
    else LdrpInitializeProcess();
    RtlLeaveCriticalSection(&LdrpLoaderLock);
    return later;
}

/* `LdrInitializeThunk`: where a thread begins that somebody has given an APC or other registers before it ran. What has to be
 * done first is done; then APCs run, and the thread goes on with the registers. */
EXPORT void NTAPI LdrInitializeThunk(CONTEXT *context, PVOID unused, PVOID unused2) {
    (void)unused, (void)unused2;
    ULONG_PTR later = (ULONG_PTR)LdrpBeginThread();
    NtCurrentTeb()->NtTib.ArbitraryUserPointer = (PVOID)(later << 1 | LDRP_BEGUN);
    NtContinue(context, TRUE);
    __builtin_trap();
}

/* Tells one module of a thread. */
static void LdrpCallForThread(const LDR_DATA_TABLE_ENTRY *entry, const PEB *peb, ULONG reason) {
    PDLL_INIT_ROUTINE routine = (PDLL_INIT_ROUTINE)entry->EntryPoint;
    if (entry->DllBase == peb->ImageBaseAddress || !(entry->Flags & LDRP_PROCESS_ATTACH_CALLED)) return;
    LdrpCallTlsInitializers(entry->DllBase, reason);
    if (routine && !(entry->Flags & LDRP_DONT_CALL_FOR_THREADS)) routine(entry->DllBase, reason, NULL);
}

/* What a later thread does first. */
void LdrpInitializeThread(void) {
    PEB *peb = NtCurrentPeb();
    if (peb->Ldr) {
        LIST_ENTRY *head = &peb->Ldr->InInitializationOrderModuleList;
        LdrpAllocateTls(peb);
        LdrpThreadBegins(TRUE);
        for (LIST_ENTRY *at = head->Flink; at != head; at = at->Flink)
            LdrpCallForThread(CONTAINER(at, LDR_DATA_TABLE_ENTRY, InInitializationOrderLinks), peb, DLL_THREAD_ATTACH);
    }
    LdrpCallTlsInitializers(peb->ImageBaseAddress, DLL_THREAD_ATTACH);
}

/* `LdrShutdownThread`: tells the modules of the thread's end, last first. */
NTSTATUS NTAPI LdrShutdownThread(void) {
    PEB *peb = NtCurrentPeb();
    RtlpFlsEndThread();
    RtlEnterCriticalSection(&LdrpLoaderLock);
    if (peb->Ldr) {
        LIST_ENTRY *head = &peb->Ldr->InInitializationOrderModuleList;
        for (LIST_ENTRY *at = head->Blink; at != head; at = at->Blink)
            LdrpCallForThread(CONTAINER(at, LDR_DATA_TABLE_ENTRY, InInitializationOrderLinks), peb, DLL_THREAD_DETACH);
    }
    LdrpCallTlsInitializers(peb->ImageBaseAddress, DLL_THREAD_DETACH);
    LdrpThreadEnds();
    RtlLeaveCriticalSection(&LdrpLoaderLock);
    /* `TEB.TlsExpansionSlots`: `TlsSetValue`'s. */
    PVOID *further = (PVOID *)((char *)NtCurrentTeb() + WIDTH(0x1780, 0xf94)), slots = *further;
    *further = NULL;
    if (slots) RtlFreeHeap(peb->ProcessHeap, 0, slots);
    return STATUS_SUCCESS;
}

/* And when that has returned. */
__attribute__((used, noreturn)) void LdrpEndThread(NTSTATUS status, LONG later) {
    if (later) RtlExitUserThread(status);
    RtlExitUserProcess(status);
}

/* `LdrShutdownProcess`: tells the DLLs that were initialised, last first, then the image's TLS callbacks. Once. */
NTSTATUS NTAPI LdrShutdownProcess(void) {
    if (__atomic_exchange_n(&LdrpShutdownStarted, 1, __ATOMIC_ACQ_REL)) return STATUS_SUCCESS;
    RtlpFlsEndThread();
    PEB *peb = NtCurrentPeb();
    PEB_LDR_DATA *ldr = peb->Ldr;
    if (ldr) {
        if (ldr->Length > __builtin_offsetof(PEB_LDR_DATA, ShutdownInProgress)) ldr->ShutdownInProgress = TRUE;
        LIST_ENTRY *head = &ldr->InInitializationOrderModuleList;
        for (LIST_ENTRY *at = head->Blink; at != head; at = at->Blink) {
            LDR_DATA_TABLE_ENTRY *entry = CONTAINER(at, LDR_DATA_TABLE_ENTRY, InInitializationOrderLinks);
            if (entry->Flags & LDRP_PROCESS_ATTACH_CALLED) LdrpCallInitRoutines(entry, DLL_PROCESS_DETACH);
        }
    }
    if (LdrpImageTlsCalled) LdrpCallTlsInitializers(peb->ImageBaseAddress, DLL_PROCESS_DETACH);
    return STATUS_SUCCESS;
}

/* `RtlExitUserProcess`: ends the other threads, then tells the DLLs, then ends the process. */
void NTAPI RtlExitUserProcess(NTSTATUS status) {
    NtTerminateProcess(NULL, status);
    LdrpResetLoaderLock();
    LdrShutdownProcess();
    NtTerminateProcess(NtCurrentProcess(), status);
    __builtin_trap();
}

/* `RtlExitUserThread`: the last thread takes the process with it. */
void NTAPI RtlExitUserThread(NTSTATUS status) {
    ULONG last = FALSE;
    NTSTATUS known = NtQueryInformationThread(NtCurrentThread(), ThreadAmILastThread, &last, sizeof last, NULL);
    if (known >= 0 && last) RtlExitUserProcess(status);
    LdrShutdownThread();
    if (NtTerminateThread(NULL, status) == STATUS_CANT_TERMINATE_SELF) RtlExitUserProcess(status);
    __builtin_trap();
}
