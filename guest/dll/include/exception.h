/* Exceptions as programs and the kernel see them: records, contexts, and the functions that deal in them. */
#pragma once
#include "nt.h"

#define EXCEPTION_NONCONTINUABLE 0x01
#define EXCEPTION_UNWINDING 0x02
#define EXCEPTION_EXIT_UNWIND 0x04
#define EXCEPTION_STACK_INVALID 0x08
#define EXCEPTION_NESTED_CALL 0x10
#define EXCEPTION_TARGET_UNWIND 0x20
#define EXCEPTION_COLLIDED_UNWIND 0x40
#define EXCEPTION_UNWIND 0x66
#define EXCEPTION_MAXIMUM_PARAMETERS 15
/* What a filter answers. */
#define EXCEPTION_EXECUTE_HANDLER 1
#define EXCEPTION_CONTINUE_SEARCH 0
#define EXCEPTION_CONTINUE_EXECUTION (-1)

typedef struct EXCEPTION_RECORD {
    NTSTATUS ExceptionCode;
    ULONG ExceptionFlags;
    struct EXCEPTION_RECORD *ExceptionRecord;
    PVOID ExceptionAddress;
    ULONG NumberParameters;
    ULONG_PTR ExceptionInformation[EXCEPTION_MAXIMUM_PARAMETERS];
} EXCEPTION_RECORD;
AT(EXCEPTION_RECORD, ExceptionInformation, 0x20, 0x14);

/* `EXCEPTION_DISPOSITION` */
typedef enum {
    ExceptionContinueExecution,
    ExceptionContinueSearch,
    ExceptionNestedException,
    ExceptionCollidedUnwind,
} EXCEPTION_DISPOSITION;

#ifdef __x86_64__
typedef struct { ULONGLONG Low, High; } M128A;
typedef struct {
    ULONGLONG P1Home, P2Home, P3Home, P4Home, P5Home, P6Home;
    ULONG ContextFlags, MxCsr;
    USHORT SegCs, SegDs, SegEs, SegFs, SegGs, SegSs;
    ULONG EFlags;
    ULONGLONG Dr0, Dr1, Dr2, Dr3, Dr6, Dr7;
    ULONGLONG Rax, Rcx, Rdx, Rbx, Rsp, Rbp, Rsi, Rdi, R8, R9, R10, R11, R12, R13, R14, R15, Rip;
    UCHAR FltSave[0xa0];
    M128A Xmm[16];
    UCHAR Unnamed1[0x60];
    M128A VectorRegister[26];
    ULONGLONG VectorControl, DebugControl, LastBranchToRip, LastBranchFromRip, LastExceptionToRip, LastExceptionFromRip;
} __attribute__((aligned(16))) CONTEXT;
_Static_assert(sizeof(CONTEXT) == 0x4d0, "CONTEXT");
_Static_assert(__builtin_offsetof(CONTEXT, Rax) == 0x78 && __builtin_offsetof(CONTEXT, Rip) == 0xf8, "CONTEXT.Rip");
_Static_assert(__builtin_offsetof(CONTEXT, Xmm) == 0x1a0, "CONTEXT.Xmm0");
#define CONTEXT_IP Rip
#define CONTEXT_SP Rsp
#else
typedef struct {
    ULONG ContextFlags;
    ULONG Dr0, Dr1, Dr2, Dr3, Dr6, Dr7;
    UCHAR FloatSave[0x70];
    ULONG SegGs, SegFs, SegEs, SegDs, Edi, Esi, Ebx, Edx, Ecx, Eax, Ebp, Eip, SegCs, EFlags, Esp, SegSs;
    UCHAR ExtendedRegisters[0x200];
} CONTEXT;
_Static_assert(sizeof(CONTEXT) == 0x2cc, "CONTEXT");
_Static_assert(__builtin_offsetof(CONTEXT, Eip) == 0xb8, "CONTEXT.Eip");
#define CONTEXT_IP Eip
#define CONTEXT_SP Esp
#endif

typedef struct {
    EXCEPTION_RECORD *ExceptionRecord;
    CONTEXT *ContextRecord;
} EXCEPTION_POINTERS;
typedef LONG(NTAPI *PVECTORED_EXCEPTION_HANDLER)(EXCEPTION_POINTERS *);

NTSYSCALLAPI NTSTATUS NTAPI NtContinue(CONTEXT *, BOOLEAN);
NTSYSCALLAPI NTSTATUS NTAPI NtRaiseHardError(NTSTATUS, ULONG, ULONG, const ULONG_PTR *, ULONG, ULONG *);
NTSYSAPI void NTAPI RtlCaptureContext(CONTEXT *);
NTSYSAPI void NTAPI RtlRaiseException(EXCEPTION_RECORD *);
NTSYSAPI void NTAPI RtlRaiseStatus(NTSTATUS) __attribute__((noreturn));
NTSYSAPI PVOID NTAPI RtlPcToFileHeader(PVOID, PVOID *);
NTSYSAPI void NTAPI RtlUnwind(PVOID frame, PVOID target, EXCEPTION_RECORD *, PVOID value);

#ifdef __x86_64__
typedef struct { ULONG BeginAddress, EndAddress, UnwindData; } RUNTIME_FUNCTION;
struct DISPATCHER_CONTEXT;
typedef EXCEPTION_DISPOSITION (*PEXCEPTION_ROUTINE)(EXCEPTION_RECORD *, PVOID, CONTEXT *, struct DISPATCHER_CONTEXT *);
typedef struct DISPATCHER_CONTEXT {
    ULONG_PTR ControlPc, ImageBase;
    RUNTIME_FUNCTION *FunctionEntry;
    ULONG_PTR EstablisherFrame, TargetIp;
    CONTEXT *ContextRecord;
    PEXCEPTION_ROUTINE LanguageHandler;
    PVOID HandlerData, HistoryTable;
    ULONG ScopeIndex, Fill0;
} DISPATCHER_CONTEXT;
_Static_assert(__builtin_offsetof(DISPATCHER_CONTEXT, LanguageHandler) == 0x30, "DISPATCHER_CONTEXT.LanguageHandler");

NTSYSAPI RUNTIME_FUNCTION *RtlLookupFunctionEntry(ULONG_PTR pc, ULONG_PTR *base, PVOID history);
NTSYSAPI PEXCEPTION_ROUTINE RtlVirtualUnwind(ULONG type, ULONG_PTR base, ULONG_PTR pc, RUNTIME_FUNCTION *, CONTEXT *,
                                             PVOID *data, ULONG_PTR *frame, PVOID pointers);
NTSYSAPI void RtlUnwindEx(PVOID frame, PVOID target, EXCEPTION_RECORD *, PVOID value, CONTEXT *, PVOID history);
NTSYSAPI void RtlRestoreContext(CONTEXT *, EXCEPTION_RECORD *);
#else
/* `EXCEPTION_REGISTRATION_RECORD` */
typedef struct EXCEPTION_REGISTRATION {
    struct EXCEPTION_REGISTRATION *Next;
    PVOID Handler;
} EXCEPTION_REGISTRATION;
#define EXCEPTION_CHAIN_END ((EXCEPTION_REGISTRATION *)-1)
#endif
