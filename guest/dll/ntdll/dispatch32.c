/* Exceptions of 32-bit code: the list of handlers that FS:[0] begins, unwinding it, and where the kernel sends a thread in
 * user mode. The list is not held to its end (SEHOP). */
#include "ntdll.h"
#ifndef __x86_64__

EXCEPTION_DISPOSITION NTAPI RtlpExecuteHandlerForException(EXCEPTION_RECORD *, PVOID frame, CONTEXT *, PVOID *dispatcher,
                                                           PVOID handler);
EXCEPTION_DISPOSITION NTAPI RtlpExecuteHandlerForUnwind(EXCEPTION_RECORD *, PVOID frame, CONTEXT *, PVOID *dispatcher,
                                                        PVOID handler);

/* A handler is called below a registration of the dispatcher's own, whose handler tells what comes from inside; the frame
 * that is at work lies behind it. A handler may leave the stack as it likes. */
__asm__(".macro execute name, guard\n"
        ".globl _\\name\\()@20\n.def _\\name\\()@20; .scl 2; .type 32; .endef\n.p2align 4\n_\\name\\()@20:\n"
        "  pushl %ebx\n  pushl %esi\n  pushl %edi\n  pushl %ebp\n  movl %esp, %ebp\n"
        "  pushl 0x18(%ebp)\n  pushl $\\guard\n  pushl %fs:0\n  movl %esp, %fs:0\n"
        "  pushl 0x20(%ebp)\n  pushl 0x1c(%ebp)\n  pushl 0x18(%ebp)\n  pushl 0x14(%ebp)\n"
        "  movl 0x24(%ebp), %ecx\n  xorl %ebx, %ebx\n  xorl %esi, %esi\n  xorl %edi, %edi\n  call *%ecx\n"
        "  movl %fs:0, %esp\n  popl %fs:0\n  leal 8(%esp), %esp\n"
        "  popl %ebp\n  popl %edi\n  popl %esi\n  popl %ebx\n  ret $0x14\n.endm\n"
        "execute RtlpExecuteHandlerForException, _RtlpExceptionHandler\n"
        "execute RtlpExecuteHandlerForUnwind, _RtlpUnwindHandler\n"
        ".purgem execute\n");

/* The registration of such a call. */
typedef struct {
    EXCEPTION_REGISTRATION Registration;
    PVOID Frame;
} RTLP_GUARD;

__attribute__((used)) EXCEPTION_DISPOSITION RtlpExceptionHandler(EXCEPTION_RECORD *record, const RTLP_GUARD *frame,
                                                                 CONTEXT *context, PVOID *dispatcher) {
    (void)context;
    if (record->ExceptionFlags & EXCEPTION_UNWIND) return ExceptionContinueSearch;
    *dispatcher = frame->Frame;
    return ExceptionNestedException;
}

__attribute__((used)) EXCEPTION_DISPOSITION RtlpUnwindHandler(EXCEPTION_RECORD *record, const RTLP_GUARD *frame,
                                                              CONTEXT *context, PVOID *dispatcher) {
    (void)context;
    if (!(record->ExceptionFlags & EXCEPTION_UNWIND)) return ExceptionContinueSearch;
    *dispatcher = frame->Frame;
    return ExceptionCollidedUnwind;
}

static EXCEPTION_REGISTRATION *RtlpFirstFrame(void) { return NtCurrentTeb()->NtTib.ExceptionList; }

static BOOLEAN RtlpIsFrame(const EXCEPTION_REGISTRATION *frame) {
    ULONG_PTR low, high, at = (ULONG_PTR)frame;
    RtlpStackLimits(&low, &high);
    return at >= low && at <= high - sizeof *frame && !(at & 3);
}

/* The part of IMAGE_LOAD_CONFIG_DIRECTORY32 that names an image's handlers. */
typedef struct {
    ULONG Size, Unnamed[15];
    const ULONG *SEHandlerTable;
    ULONG SEHandlerCount;
} RTLP_LOAD_CONFIG;
#define IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG 10
#define IMAGE_DLLCHARACTERISTICS_NO_SEH 0x400

/* `RtlIsValidHandler`: a handler is none on the stack; in an image that lists its handlers (SafeSEH) one of them, in one
 * that has none, none. Where it lies in no image is not looked at: on Windows the process's execution options decide. */
static BOOLEAN RtlpIsValidHandler(PVOID handler) {
    ULONG_PTR low, high, at = (ULONG_PTR)handler;
    ULONG size;
    RtlpStackLimits(&low, &high);
    if (at >= low && at < high) return FALSE;
    const LDR_DATA_TABLE_ENTRY *entry = LdrpFindEntryByAddress(handler);
    if (!entry) return TRUE;
    const char *headers = RtlImageNtHeader(entry->DllBase);
    if (!headers) return TRUE;
    if (*(const USHORT *)(headers + 0x5e) & IMAGE_DLLCHARACTERISTICS_NO_SEH) return FALSE;
    const RTLP_LOAD_CONFIG *config = LdrpImageDirectory(entry->DllBase, IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG, &size);
    if (!config || config->Size < sizeof *config || !config->SEHandlerTable || !config->SEHandlerCount) return TRUE;
    for (ULONG i = 0; i < config->SEHandlerCount; i++)
        if (config->SEHandlerTable[i] == at - (ULONG_PTR)entry->DllBase) return TRUE;
    return FALSE;
}

/* The frames' handlers, innermost first; whether one wants execution to go on. */
static BOOLEAN RtlpDispatchToFrames(EXCEPTION_RECORD *record, CONTEXT *context) {
    EXCEPTION_REGISTRATION *frame = RtlpFirstFrame();
    PVOID nested = NULL, inner = NULL;
    for (; frame != EXCEPTION_CHAIN_END; frame = frame->Next) {
        if (!RtlpIsFrame(frame)) {
            record->ExceptionFlags |= EXCEPTION_STACK_INVALID;
            break;
        }
        if (!RtlpIsValidHandler(frame->Handler)) continue;
        EXCEPTION_DISPOSITION disposition =
            RtlpExecuteHandlerForException(record, frame, context, &inner, frame->Handler);
        if (nested == frame) {
            record->ExceptionFlags &= ~EXCEPTION_NESTED_CALL;
            nested = NULL;
        }
        switch (disposition) {
        case ExceptionContinueExecution:
            if (record->ExceptionFlags & EXCEPTION_NONCONTINUABLE) RtlRaiseStatus(STATUS_NONCONTINUABLE_EXCEPTION);
            return TRUE;
        case ExceptionContinueSearch: break;
        case ExceptionNestedException:
            record->ExceptionFlags |= EXCEPTION_NESTED_CALL;
            if (inner > nested) nested = inner;
            break;
        default: RtlRaiseStatus(STATUS_INVALID_DISPOSITION);
        }
    }
    return FALSE;
}

/* `RtlDispatchException`: whether a handler has handled it, so that the context is to be continued. */
BOOLEAN NTAPI RtlDispatchException(EXCEPTION_RECORD *record, CONTEXT *context) {
    BOOLEAN handled = RtlpCallExceptionHandlers(record, context) || RtlpDispatchToFrames(record, context);
    if (handled) RtlpCallContinueHandlers(record, context);
    return handled;
}

/* Runs the handlers of every frame below `target` for the last time and takes them out of the list, then goes on with the
 * context. -1 leaves every frame; NULL does so too, and the kernel is asked a second time. */
__attribute__((used, noreturn)) void NTAPI RtlpUnwind(EXCEPTION_REGISTRATION *target, EXCEPTION_RECORD *record,
                                                      CONTEXT *context) {
    EXCEPTION_RECORD own = {.ExceptionCode = STATUS_UNWIND, .ExceptionAddress = (PVOID)context->Eip};
    PVOID inner = NULL;
    if (!record) record = &own;
    record->ExceptionFlags |= EXCEPTION_UNWINDING | (target ? 0 : EXCEPTION_EXIT_UNWIND);
    EXCEPTION_REGISTRATION *frame = RtlpFirstFrame();
    while (frame != EXCEPTION_CHAIN_END && frame != target) {
        if (target && target < frame) RtlRaiseStatus(STATUS_INVALID_UNWIND_TARGET);
        if (!RtlpIsFrame(frame)) RtlRaiseStatus(STATUS_BAD_STACK);
        switch (RtlpExecuteHandlerForUnwind(record, frame, context, &inner, frame->Handler)) {
        case ExceptionContinueSearch: break;
        case ExceptionCollidedUnwind: frame = inner; break;
        default: RtlRaiseStatus(STATUS_INVALID_DISPOSITION);
        }
        frame = frame->Next;
        NtCurrentTeb()->NtTib.ExceptionList = frame;
    }
    if (frame == target) RtlRaiseStatus(NtContinue(context, FALSE));
    RtlRaiseStatus(NtRaiseException(record, context, FALSE));
}

/* `RtlUnwind`: returns to its caller, whatever `target` says. */
__asm__(".globl _RtlUnwind@16\n.def _RtlUnwind@16; .scl 2; .type 32; .endef\n.p2align 4\n_RtlUnwind@16:\n"
        "  pushl %ebp\n  movl %esp, %ebp\n  subl $0x2cc, %esp\n  pushl %esp\n  call _RtlCaptureContext@4\n"
        "  movl (%ebp), %eax\n  movl %eax, 0xb4(%esp)\n  movl 4(%ebp), %eax\n  movl %eax, 0xb8(%esp)\n"
        "  leal 0x18(%ebp), %eax\n  movl %eax, 0xc4(%esp)\n  movl 0x14(%ebp), %eax\n  movl %eax, 0xb0(%esp)\n"
        "  movl %esp, %eax\n  pushl %eax\n  pushl 0x10(%ebp)\n  pushl 8(%ebp)\n  call _RtlpUnwind@12\n  int3\n");
EXPORT_ASM(RtlUnwind@16);

/* `RtlCaptureContext`: CONTEXT_CONTROL, CONTEXT_INTEGER and CONTEXT_SEGMENTS, as they are when this returns. */
__asm__(".globl _RtlCaptureContext@4\n.def _RtlCaptureContext@4; .scl 2; .type 32; .endef\n.p2align 4\n"
        "_RtlCaptureContext@4:\n"
        "  pushl %ebx\n  movl 8(%esp), %ebx\n"
        "  movl %eax, 0xb0(%ebx)\n  movl %ecx, 0xac(%ebx)\n  movl %edx, 0xa8(%ebx)\n"
        "  pushfl\n  popl %eax\n  movl %eax, 0xc0(%ebx)\n"
        "  movl (%esp), %eax\n  movl %eax, 0xa4(%ebx)\n"
        "  movl %esi, 0xa0(%ebx)\n  movl %edi, 0x9c(%ebx)\n  movl %ebp, 0xb4(%ebx)\n"
        "  movl 4(%esp), %eax\n  movl %eax, 0xb8(%ebx)\n  leal 0xc(%esp), %eax\n  movl %eax, 0xc4(%ebx)\n"
        "  movl $0x10007, (%ebx)\n"
        "  movl %cs, %eax\n  movl %eax, 0xbc(%ebx)\n  movl %ds, %eax\n  movl %eax, 0x98(%ebx)\n"
        "  movl %es, %eax\n  movl %eax, 0x94(%ebx)\n  movl %fs, %eax\n  movl %eax, 0x90(%ebx)\n"
        "  movl %gs, %eax\n  movl %eax, 0x8c(%ebx)\n  movl %ss, %eax\n  movl %eax, 0xc8(%ebx)\n"
        "  movl 0xb0(%ebx), %eax\n  popl %ebx\n  ret $4\n");
EXPORT_ASM(RtlCaptureContext@4);

/* `RtlRaiseException`: ExceptionAddress and the context are where this returns to. */
__asm__(".globl _RtlRaiseException@4\n.def _RtlRaiseException@4; .scl 2; .type 32; .endef\n.p2align 4\n"
        "_RtlRaiseException@4:\n"
        "  pushl %ebp\n  movl %esp, %ebp\n  subl $0x2cc, %esp\n  pushl %esp\n  call _RtlCaptureContext@4\n"
        "  movl (%ebp), %eax\n  movl %eax, 0xb4(%esp)\n  movl 4(%ebp), %eax\n  movl %eax, 0xb8(%esp)\n"
        "  leal 0xc(%ebp), %eax\n  movl %eax, 0xc4(%esp)\n"
        "  movl %esp, %eax\n  pushl %eax\n  pushl 8(%ebp)\n  call _RtlpRaise\n  int3\n");
EXPORT_ASM(RtlRaiseException@4);

/* `KiUserExceptionDispatcher`: the kernel leaves two pointers on the stack, to an EXCEPTION_RECORD and a CONTEXT. */
__asm__(".globl _KiUserExceptionDispatcher\n.def _KiUserExceptionDispatcher; .scl 2; .type 32; .endef\n.p2align 4\n"
        "_KiUserExceptionDispatcher:\n"
        "  cld\n  movl (%esp), %ebx\n  movl 4(%esp), %esi\n  pushl %esi\n  pushl %ebx\n"
        "  call _RtlDispatchException@8\n  pushl $0\n  testb %al, %al\n  je 1f\n"
        "  pushl %esi\n  call _NtContinue@8\n  jmp 2f\n"
        "1:  pushl %esi\n  pushl %ebx\n  call _NtRaiseException@12\n"
        "2:  pushl %eax\n  call _RtlRaiseStatus@4\n  int3\n");
EXPORT_ASM(KiUserExceptionDispatcher);

/* `KiUserApcDispatcher`: the kernel leaves what is to be called, its three arguments, and a CONTEXT. */
__asm__(".globl _KiUserApcDispatcher\n.def _KiUserApcDispatcher; .scl 2; .type 32; .endef\n.p2align 4\n"
        "_KiUserApcDispatcher:\n"
        "  leal 0x10(%esp), %edi\n  popl %eax\n  call *%eax\n  movl %edi, %esp\n"
        "1:  pushl $1\n  pushl %edi\n  call _NtContinue@8\n  pushl %eax\n  call _RtlRaiseStatus@4\n  int3\n");
EXPORT_ASM(KiUserApcDispatcher);
#endif
