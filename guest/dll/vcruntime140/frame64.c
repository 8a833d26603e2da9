/* C++ exceptions of 64-bit code: how a frame is searched and unwound, and how its catch block is run.
 *
 * A catch block is called when the frames between are gone, by a consolidated unwind: it runs below all of them on the
 * stack, where the object is, and looks as if it was called from the place where its function's frame left off. So that
 * function is met once more when something comes out of the catch block; what state it is in by then the list of
 * catch blocks tells (`CXX_CATCH.State`), not the place.
 */
#ifdef __x86_64__
#include "cxx.h"

/* What the record of our unwinds has: the function for the end of it, and what it wants. */
enum { CALLBACK, FRAME, STATE, FOUND, FUNCTION, CONTEXT_AT, SIGNED = 8, WORDS = 15 };

/* Calls a catch block's function, in a frame from which the list's entry can be found (guard64.c). */
ULONG_PTR CxxCallCatch(PVOID code, ULONG_PTR root, CXX_CATCH *);

#define UNW_FLAG_CHAININFO 4
/* The first entry of a function that has several. */
const RUNTIME_FUNCTION *CxxPrimary(const DISPATCHER_CONTEXT *d) {
    const RUNTIME_FUNCTION *entry = d->FunctionEntry;
    for (;;) {
        const UCHAR *info = (const UCHAR *)(d->ImageBase + entry->UnwindData);
        if (!(info[0] >> 3 & UNW_FLAG_CHAININFO)) return entry;
        entry = (const RUNTIME_FUNCTION *)(info + 4 + 2 * ((info[2] + 1u) & ~1u));
    }
}

/* The catch block that a frame waits for, or did until it was left. An entry of which the stack is gone, as after a
 * `longjmp` that unwound nothing, goes too. */
static CXX_CATCH *CxxWaitsFor(ULONG_PTR frame) {
    FRAME_INFO probe, *info = _CreateFrameInfo(&probe, NULL)->Next;
    ULONG_PTR low = (ULONG_PTR)NtCurrentTeb()->NtTib.StackLimit, here = (ULONG_PTR)&probe;
    _FindAndUnlinkFrame(&probe);
    while (info) {
        CXX_CATCH *catch = (CXX_CATCH *)info;
        info = info->Next;
        if ((ULONG_PTR)catch >= low && (ULONG_PTR)catch < here) _FindAndUnlinkFrame(&catch->Info);
        else if (catch->Self == catch && catch->Frame == frame) return catch;
    }
    return NULL;
}

static void CxxRun(const CXX_FUNCTION *function, const CXX_ACTION *action) {
    ULONG_PTR object = function->Root + action->Object;
    switch (action->Kind) {
    case CxxNothing: break;
    case CxxFunclet: CxxCallCleanup(action->Code, function->Root); break;
    case CxxDestroy: CxxCallMember(action->Code, (PVOID)object); break;
    case CxxDestroyPointed: CxxCallMember(action->Code, *(PVOID *)object); break;
    }
}

/* Leaves the states of a frame one by one until it is in `to`, or in none. What a `longjmp` out of one of the cleanups finds on
 * its way is how far this is. */
static void CxxUnwindTo(const CXX_FUNCTION *function, LONG state, LONG to) {
    CXX_CATCH going = {.Frame = function->Frame, .Self = &going};
    int *throwing = __processing_throw();
    ++*throwing;
    _CreateFrameInfo(&going.Info, NULL);
    while (state != to && state >= function->Low && state <= function->High) {
        CXX_ACTION action;
        CxxAction(function, state, &action);
        going.State = state = action.To;
        CxxRun(function, &action);
    }
    _FindAndUnlinkFrame(&going.Info);
    --*throwing;
}

/* Runs a catch block; where its function goes on. */
static ULONG_PTR CxxCatchBlock(EXCEPTION_RECORD *unwind) {
    const CXX_FOUND *found = (const CXX_FOUND *)unwind->ExceptionInformation[FOUND];
    const CXX_FUNCTION *function = (const CXX_FUNCTION *)unwind->ExceptionInformation[FUNCTION];
    const CXX_HANDLER *handler = &found->Handler;
    CXX_CATCH catch = {.Frame = function->Frame};
    CXX_ACTION outside = {.To = function->Outside};
    if (found->Try.Low <= function->High) CxxAction(function, found->Try.Low, &outside);
    catch.State = outside.To;
    CxxBeginCatch(&catch, found->Record, (CONTEXT *)unwind->ExceptionInformation[CONTEXT_AT]);
    ULONG_PTR next = CxxCallCatch(handler->Code, function->Root, &catch);
    CxxEndCatch(&catch, FALSE);
    return next < handler->Continuations ? handler->Continuation[next] : next;
}

static BOOLEAN CxxIsOurs(const EXCEPTION_RECORD *record) {
    return record->ExceptionCode == STATUS_UNWIND_CONSOLIDATE && record->NumberParameters == WORDS
        && record->ExceptionInformation[SIGNED] == EH_MAGIC_NUMBER1;
}

static void CxxUnwindFrame(const CXX_FUNCTION *function, LONG state, const EXCEPTION_RECORD *record, const DISPATCHER_CONTEXT *d) {
    LONG to = function->Outside;
    if (record->ExceptionFlags & EXCEPTION_TARGET_UNWIND) {
        if (CxxIsOurs(record)) to = (LONG)record->ExceptionInformation[STATE];
        else if (record->ExceptionCode == STATUS_LONGJUMP) to = CxxStateAt(function, d->TargetIp);
    }
    CxxUnwindTo(function, state, to);
}

EXCEPTION_DISPOSITION CxxHandleFrame(EXCEPTION_RECORD *record, ULONG_PTR frame, CONTEXT *context, DISPATCHER_CONTEXT *d) {
    CXX_FUNCTION function = {0};
    CXX_FOUND found;
    CxxDescribe(&function, d, frame);
    CXX_CATCH *waits = CxxWaitsFor(frame);
    LONG state = waits ? waits->State : CxxStateAt(&function, d->ControlPc);
    if (record->ExceptionFlags & EXCEPTION_UNWIND) {
        if (waits) _FindAndUnlinkFrame(&waits->Info);
        if (!CxxSkips(&function, record)) CxxUnwindFrame(&function, state, record, d);
        return ExceptionContinueSearch;
    }
    if (CxxSkips(&function, record) || !CxxFind(&function, state, record, context, &found)) return ExceptionContinueSearch;
    CONTEXT restored;
    EXCEPTION_RECORD unwind = {
        .ExceptionCode = STATUS_UNWIND_CONSOLIDATE,
        .ExceptionFlags = EXCEPTION_NONCONTINUABLE,
        .NumberParameters = WORDS,
        .ExceptionInformation = {
            [CALLBACK] = (ULONG_PTR)CxxCatchBlock, [FRAME] = function.Root, [STATE] = (ULONG_PTR)found.Try.Low,
            [FOUND] = (ULONG_PTR)&found, [FUNCTION] = (ULONG_PTR)&function, [CONTEXT_AT] = (ULONG_PTR)context,
            [SIGNED] = EH_MAGIC_NUMBER1,
        },
    };
    RtlUnwindEx((PVOID)frame, (PVOID)d->ControlPc, &unwind, NULL, &restored, d->HistoryTable);
    return ExceptionContinueSearch;
}
#endif
