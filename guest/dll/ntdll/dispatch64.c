/* Exceptions of 64-bit code: from the kernel's frame on the stack to the handlers, and unwinding to one of them. */
#include "ntdll.h"
#ifdef __x86_64__

#define UNW_FLAG_EHANDLER 1
#define UNW_FLAG_UHANDLER 2

EXCEPTION_DISPOSITION RtlpExecuteHandlerForException(EXCEPTION_RECORD *, ULONG_PTR frame, CONTEXT *, DISPATCHER_CONTEXT *);
EXCEPTION_DISPOSITION RtlpExecuteHandlerForUnwind(EXCEPTION_RECORD *, ULONG_PTR frame, CONTEXT *, DISPATCHER_CONTEXT *);

/* A handler is called by one of these two, whose own handlers tell an exception, or an unwind, that comes from inside. */
__asm__(".macro execute name, handler\n"
        ".globl \\name\n.def \\name; .scl 2; .type 32; .endef\n.p2align 4\n"
        ".seh_proc \\name\n\\name:\n"
        ".seh_handler \\handler, @except, @unwind\n"
        "  subq $0x28, %rsp\n.seh_stackalloc 0x28\n.seh_endprologue\n"
        "  movq %r9, 0x20(%rsp)\n  call *0x30(%r9)\n  nop\n  addq $0x28, %rsp\n  ret\n"
        ".seh_endproc\n.endm\n"
        "execute RtlpExecuteHandlerForException, RtlpExceptionHandler\n"
        "execute RtlpExecuteHandlerForUnwind, RtlpUnwindHandler\n"
        ".purgem execute\n");

/* The dispatcher's context that such a call was made with. */
static const DISPATCHER_CONTEXT *RtlpInner(const char *frame) { return *(DISPATCHER_CONTEXT *const *)(frame + 0x20); }

__attribute__((used)) EXCEPTION_DISPOSITION RtlpExceptionHandler(EXCEPTION_RECORD *record, PVOID frame, CONTEXT *context,
                                                                 DISPATCHER_CONTEXT *dispatcher) {
    (void)context;
    if (record->ExceptionFlags & EXCEPTION_UNWIND) return ExceptionContinueSearch;
    dispatcher->EstablisherFrame = RtlpInner(frame)->EstablisherFrame;
    return ExceptionNestedException;
}

__attribute__((used)) EXCEPTION_DISPOSITION RtlpUnwindHandler(EXCEPTION_RECORD *record, PVOID frame, CONTEXT *context,
                                                              DISPATCHER_CONTEXT *dispatcher) {
    (void)record, (void)context;
    ULONG_PTR target = dispatcher->TargetIp;
    *dispatcher = *RtlpInner(frame);
    dispatcher->TargetIp = target;
    return ExceptionCollidedUnwind;
}

static BOOLEAN RtlpInStack(ULONG_PTR address, ULONG_PTR low, ULONG_PTR high) {
    return address >= low && address <= high - 8 && !(address & 7);
}

/* One frame of a walk. */
typedef struct {
    DISPATCHER_CONTEXT Dispatcher;
    CONTEXT Current, Caller;
} RTLP_WALK;

/* Looks at the frame that `Current` is in: its handler of a type, and its caller. FALSE at the end of the stack. */
static BOOLEAN RtlpNextFrame(RTLP_WALK *walk, ULONG type, ULONG_PTR low, ULONG_PTR high) {
    DISPATCHER_CONTEXT *d = &walk->Dispatcher;
    walk->Caller = walk->Current;
    d->LanguageHandler = NULL;
    d->ControlPc = walk->Current.Rip;
    d->ScopeIndex = 0;
    d->FunctionEntry = RtlLookupFunctionEntry(d->ControlPc, &d->ImageBase, d->HistoryTable);
    if (!d->FunctionEntry) {
        d->EstablisherFrame = walk->Current.Rsp;
        if (!RtlpInStack(walk->Current.Rsp, low, high)) return FALSE;
        walk->Caller.Rip = *(ULONGLONG *)walk->Current.Rsp;
        walk->Caller.Rsp += 8;
        return TRUE;
    }
    d->LanguageHandler = RtlVirtualUnwind(type, d->ImageBase, d->ControlPc, d->FunctionEntry, &walk->Caller,
                                          &d->HandlerData, &d->EstablisherFrame, NULL);
    return RtlpInStack(d->EstablisherFrame, low, high);
}

/* After a collision: the frame whose handler was at work goes on where that was. */
static void RtlpResumeCollided(RTLP_WALK *walk) {
    DISPATCHER_CONTEXT *d = &walk->Dispatcher;
    ULONG_PTR frame;
    PVOID data;
    walk->Current = walk->Caller = *d->ContextRecord;
    RtlVirtualUnwind(0, d->ImageBase, d->ControlPc, d->FunctionEntry, &walk->Caller, &data, &frame, NULL);
}

/* The frames' handlers, innermost first; whether one wants execution to go on. */
static BOOLEAN RtlpDispatchToFrames(EXCEPTION_RECORD *record, CONTEXT *context) {
    ULONG_PTR low, high, nested = 0;
    ULONG flags = record->ExceptionFlags & EXCEPTION_NONCONTINUABLE;
    RTLP_WALK walk = {.Current = *context};
    DISPATCHER_CONTEXT *d = &walk.Dispatcher;
    RtlpStackLimits(&low, &high);
    while (RtlpNextFrame(&walk, UNW_FLAG_EHANDLER, low, high)) {
        while (d->LanguageHandler) {
            ULONG_PTR frame = d->EstablisherFrame;
            record->ExceptionFlags = flags;
            d->ContextRecord = context;
            EXCEPTION_DISPOSITION disposition = RtlpExecuteHandlerForException(record, frame, context, d);
            flags |= record->ExceptionFlags & EXCEPTION_NONCONTINUABLE;
            if (nested == frame) {
                flags &= ~EXCEPTION_NESTED_CALL;
                nested = 0;
            }
            switch (disposition) {
            case ExceptionContinueExecution:
                if (flags & EXCEPTION_NONCONTINUABLE) RtlRaiseStatus(STATUS_NONCONTINUABLE_EXCEPTION);
                return TRUE;
            case ExceptionContinueSearch: d->LanguageHandler = NULL; break;
            case ExceptionNestedException:
                flags |= EXCEPTION_NESTED_CALL;
                if (d->EstablisherFrame > nested) nested = d->EstablisherFrame;
                d->EstablisherFrame = frame;
                d->LanguageHandler = NULL;
                break;
            case ExceptionCollidedUnwind: RtlpResumeCollided(&walk); break;
            default: RtlRaiseStatus(STATUS_INVALID_DISPOSITION);
            }
        }
        walk.Current = walk.Caller;
    }
    record->ExceptionFlags = flags;
    if (d->FunctionEntry) record->ExceptionFlags |= EXCEPTION_STACK_INVALID;
    return FALSE;
}

/* `RtlDispatchException`: whether a handler has handled it, so that the context is to be continued. */
BOOLEAN NTAPI RtlDispatchException(EXCEPTION_RECORD *record, CONTEXT *context) {
    BOOLEAN handled = RtlpCallExceptionHandlers(record, context) || RtlpDispatchToFrames(record, context);
    if (handled) RtlpCallContinueHandlers(record, context);
    return handled;
}

/* Calls the termination handlers of a frame. TRUE: it is the target. */
static BOOLEAN RtlpUnwindOne(RTLP_WALK *walk, EXCEPTION_RECORD *record, ULONG_PTR target, ULONG *flags, PVOID value) {
    DISPATCHER_CONTEXT *d = &walk->Dispatcher;
    while (d->LanguageHandler) {
        if (d->EstablisherFrame == target) *flags |= EXCEPTION_TARGET_UNWIND;
        record->ExceptionFlags = *flags;
        walk->Current.Rax = (ULONG_PTR)value;
        d->ContextRecord = &walk->Current;
        EXCEPTION_DISPOSITION disposition = RtlpExecuteHandlerForUnwind(record, d->EstablisherFrame, &walk->Current, d);
        *flags &= ~(EXCEPTION_COLLIDED_UNWIND | EXCEPTION_TARGET_UNWIND);
        if (disposition == ExceptionContinueSearch) break;
        if (disposition != ExceptionCollidedUnwind) RtlRaiseStatus(STATUS_INVALID_DISPOSITION);
        RtlpResumeCollided(walk);
        *flags |= EXCEPTION_COLLIDED_UNWIND;
    }
    return d->EstablisherFrame == target;
}

/* `RtlUnwindEx`: runs the termination handlers of every frame up to `frame`, and goes on there at `target` with `value`
 * in RAX. NULL is an exit: every frame is left, and the kernel is asked a second time. */
void RtlUnwindEx(PVOID frame, PVOID target, EXCEPTION_RECORD *record, PVOID value, CONTEXT *context, PVOID history) {
    ULONG_PTR low, high;
    EXCEPTION_RECORD own = {.ExceptionCode = STATUS_UNWIND};
    RTLP_WALK walk = {.Dispatcher = {.TargetIp = (ULONG_PTR)target, .HistoryTable = history}};
    RtlpStackLimits(&low, &high);
    RtlCaptureContext(&walk.Current);
    RtlpUnwindFrame(&walk.Current);
    if (!record) {
        own.ExceptionAddress = (PVOID)walk.Current.Rip;
        record = &own;
    }
    ULONG flags = EXCEPTION_UNWINDING | (frame ? 0 : EXCEPTION_EXIT_UNWIND);
    for (;;) {
        BOOLEAN more = RtlpNextFrame(&walk, UNW_FLAG_UHANDLER, low, high);
        ULONG_PTR at = walk.Dispatcher.EstablisherFrame;
        if (!more) {
            if (frame) RtlRaiseStatus(walk.Dispatcher.FunctionEntry ? STATUS_BAD_STACK : STATUS_INVALID_UNWIND_TARGET);
            break;
        }
        if (frame && (ULONG_PTR)frame < at) RtlRaiseStatus(STATUS_INVALID_UNWIND_TARGET);
        if (walk.Dispatcher.FunctionEntry && RtlpUnwindOne(&walk, record, (ULONG_PTR)frame, &flags, value)) {
            *context = walk.Current;
            context->Rax = (ULONG_PTR)value;
            if (record->ExceptionCode != STATUS_UNWIND_CONSOLIDATE) context->Rip = (ULONG_PTR)target;
            RtlRestoreContext(context, record);
        }
        walk.Current = walk.Caller;
    }
    *context = walk.Current;
    NtRaiseException(record, context, FALSE);
    NtTerminateProcess(NtCurrentProcess(), record->ExceptionCode);
}

/* `RtlUnwind`: the same, without what the caller has to keep. */
void RtlUnwind(PVOID frame, PVOID target, EXCEPTION_RECORD *record, PVOID value) {
    CONTEXT context;
    RtlUnwindEx(frame, target, record, value, &context, NULL);
}
#endif
