/* C++ exceptions of 32-bit code: `__CxxFrameHandler3`, which a function's registration reaches with its tables in EAX.
 *
 * The registration has the state beside it; EBP lies behind, and the function's stack pointer before. A catch block runs
 * below a registration of ours, which asks the try blocks inside it before the function's own registration asks those
 * around it, and to which the stack is unwound for one inside.
 */
#ifndef __x86_64__
#include "cxx.h"

typedef struct {
    EXCEPTION_REGISTRATION Registration;
    LONG State;
    char Ebp[];
} CXX_NODE;
#define SAVED_ESP(node) (((volatile ULONG_PTR *)(node))[-1])
typedef struct {
    EXCEPTION_REGISTRATION Registration;
    CXX_CATCH Catch;
    CXX_FUNCTION Function;
    CXX_NODE *Node;
    /* The function's; a try block in the catch block has its own meanwhile. */
    ULONG_PTR Esp;
} CXX_GUARD;

ULONG_PTR CxxCallWithEbp(PVOID code, ULONG_PTR ebp);
void CxxGoOn(ULONG_PTR at, CXX_NODE *) __attribute__((noreturn));
__asm__(".globl _CxxCallWithEbp\n_CxxCallWithEbp:\n"
        "  pushl %ebp\n  pushl %ebx\n  pushl %esi\n  pushl %edi\n  movl 0x14(%esp), %eax\n  movl 0x18(%esp), %ebp\n  call *%eax\n"
        "  popl %edi\n  popl %esi\n  popl %ebx\n  popl %ebp\n  ret\n"
        ".globl _CxxGoOn\n_CxxGoOn:\n"
        "  movl 4(%esp), %eax\n  movl 8(%esp), %ecx\n  leal 12(%ecx), %ebp\n  movl -4(%ecx), %esp\n  jmp *%eax\n"
        ".globl ___CxxFrameHandler3\n___CxxFrameHandler3:\n"
        "  pushl %eax\n  pushl 0x14(%esp)\n  pushl 0x14(%esp)\n  pushl 0x14(%esp)\n  pushl 0x14(%esp)\n  call _CxxHandleFrame\n"
        "  addl $0x14, %esp\n  ret\n");

/* A state is a byte where there are few: some code writes no more. */
static LONG CxxState(const CXX_FUNCTION *function, const CXX_NODE *node) {
    return function->High < 0x80 ? (signed char)node->State : node->State;
}

static void CxxUnwindTo(const CXX_FUNCTION *function, CXX_NODE *node, LONG to) {
    int *throwing = __processing_throw();
    LONG state = CxxState(function, node);
    ++*throwing;
    while (state != to && state >= function->Low && state <= function->High) {
        CXX_ACTION action;
        CxxAction(function, state, &action);
        node->State = state = action.To;
        if (action.Kind != CxxNothing) CxxCallCleanup(action.Code, (ULONG_PTR)node->Ebp);
    }
    --*throwing;
}

static EXCEPTION_DISPOSITION CxxInCatch(EXCEPTION_RECORD *, CXX_GUARD *, CONTEXT *, PVOID *);

/* Unwinds the stack to a registration and the function to the try block, runs the catch block and goes on behind it. */
static void __attribute__((noreturn)) CxxCatchBlock(const CXX_FUNCTION *function, CXX_NODE *node, const CXX_FOUND *found,
                                                    EXCEPTION_RECORD *record, CONTEXT *context, EXCEPTION_REGISTRATION *to) {
    RtlUnwind(to, NULL, record, NULL);
    record->ExceptionFlags &= ~EXCEPTION_UNWINDING;
    CxxUnwindTo(function, node, found->Try.Low);
    node->State = found->Try.High + 1;
    CXX_GUARD guard = {.Registration = {to, (PVOID)CxxInCatch}, .Function = *function, .Node = node, .Esp = SAVED_ESP(node)};
    guard.Function.Low = found->Try.High + 1;
    guard.Function.High = found->Try.CatchHigh;
    guard.Function.Outside = found->Try.High;
    CxxBeginCatch(&guard.Catch, found->Record, context);
    volatile PVOID *list = &NtCurrentTeb()->NtTib.ExceptionList;
    *list = &guard.Registration;
    ULONG_PTR next = CxxCallWithEbp(found->Handler.Code, (ULONG_PTR)node->Ebp);
    *list = to;
    SAVED_ESP(node) = guard.Esp;
    CxxEndCatch(&guard.Catch, FALSE);
    CxxGoOn(next, node);
}

static void CxxSearch(const CXX_FUNCTION *function, CXX_NODE *node, EXCEPTION_RECORD *record, CONTEXT *context,
                      EXCEPTION_REGISTRATION *to) {
    CXX_FOUND found;
    if (CxxSkips(function, record) || !CxxFind(function, CxxState(function, node), record, context, &found)) return;
    CxxCatchBlock(function, node, &found, record, context, to);
}

/* Something comes out of a catch block. */
static EXCEPTION_DISPOSITION CxxInCatch(EXCEPTION_RECORD *record, CXX_GUARD *guard, CONTEXT *context, PVOID *dispatcher) {
    (void)dispatcher;
    if (record->ExceptionFlags & EXCEPTION_UNWIND) {
        if (!CxxSkips(&guard->Function, record)) CxxUnwindTo(&guard->Function, guard->Node, guard->Function.Outside);
        SAVED_ESP(guard->Node) = guard->Esp;
        CxxEndCatch(&guard->Catch, FALSE);
        return ExceptionContinueSearch;
    }
    CxxSearch(&guard->Function, guard->Node, record, context, &guard->Registration);
    CxxNoteRethrow(&guard->Catch, record);
    return ExceptionContinueSearch;
}

__attribute__((used)) EXCEPTION_DISPOSITION CxxHandleFrame(EXCEPTION_RECORD *record, CXX_NODE *node, CONTEXT *context,
                                                           PVOID *dispatcher, const void *info) {
    CXX_FUNCTION function;
    (void)dispatcher;
    if (!CxxDescribe(&function, info, (ULONG_PTR)node->Ebp)) {
        fputs("vcruntime140: a C++ function whose stack is aligned as it begins is not supported\n", __acrt_iob_func(2));
        abort();
    }
    if (!(record->ExceptionFlags & EXCEPTION_UNWIND)) CxxSearch(&function, node, record, context, &node->Registration);
    else if (!CxxSkips(&function, record)) CxxUnwindTo(&function, node, function.Outside);
    return ExceptionContinueSearch;
}

/* `_JUMP_BUFFER`, from the registration on */
typedef struct {
    ULONG Registers[6];
    CXX_NODE *Registration;
    LONG TryLevel;
    ULONG Cookie;
    PVOID UnwindFunc;
    const void *Info;
} CXX_JUMP;
/* `__CxxLongjmpUnwind`: the state of a function when it called `setjmp`. */
void NTAPI __CxxLongjmpUnwind(const CXX_JUMP *buffer) {
    CXX_FUNCTION function;
    if (CxxDescribe(&function, buffer->Info, (ULONG_PTR)buffer->Registration->Ebp))
        CxxUnwindTo(&function, buffer->Registration, buffer->TryLevel);
}
#endif
