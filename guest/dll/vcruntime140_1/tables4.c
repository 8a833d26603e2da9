/* The tables of `__CxxFrameHandler4`, where most numbers have as many bytes as they need.
 *
 * Facts: Microsoft's description of the format ("Making C++ Exception Handling Smaller On x64"), and what programs have. A
 * catch block's function has tables of its own here, and says where it keeps the frame of the function that it is of.
 */
#include "../vcruntime140/cxx.h"

/* `FuncInfoHeader`: which fields follow */
enum { IS_CATCH = 1, IS_SEPARATED = 2, HAS_BBT = 4, HAS_UNWIND_MAP = 8, HAS_TRY_BLOCK_MAP = 16, IS_EHS = 32, IS_NOEXCEPT = 64 };
/* `HandlerTypeHeader` */
enum { HAS_ADJECTIVES = 1, HAS_TYPE = 2, HAS_CATCH_OBJECT = 4, CONTINUES_AT_RVA = 8, CONTINUATIONS_SHIFT = 4 };

typedef struct {
    const UCHAR *UnwindMap, *TryBlockMap, *IpToStateMap;
    ULONG Frame;
} FUNC_INFO4;

/* The lowest bits say how many bytes there are: 0, 01, 011, 0111 up to four, 1111 and a whole number behind. */
static ULONG CxxUnsigned(const UCHAR **at) {
    const UCHAR *from = *at;
    ULONG length = 1, value = 0;
    while (length < 5 && from[0] & 1u << (length - 1)) length++;
    *at = from + length;
    if (length == 5) return from[1] | from[2] << 8 | from[3] << 16 | (ULONG)from[4] << 24;
    for (ULONG i = 0; i < length; i++) value |= (ULONG)from[i] << 8 * i;
    return value >> length;
}

static ULONG CxxWord(const UCHAR **at) {
    const UCHAR *from = *at;
    *at += 4;
    return from[0] | from[1] << 8 | from[2] << 16 | (ULONG)from[3] << 24;
}
static PVOID CxxReference(const CXX_FUNCTION *function, const UCHAR **at) { return CxxAt(function->Base, (REFERENCE)CxxWord(at)); }

/* Where a function is in several pieces, each has a map: that of the one at `begin`. */
static const UCHAR *CxxPiece(const CXX_FUNCTION *function, const UCHAR *at) {
    for (ULONG count = CxxUnsigned(&at); count; count--) {
        ULONG begin = CxxWord(&at);
        const UCHAR *map = CxxReference(function, &at);
        if (begin == function->Begin) return map;
    }
    return NULL;
}

static FUNC_INFO4 CxxRead(const CXX_FUNCTION *function) {
    const UCHAR *at = function->Info;
    UCHAR header = *at++;
    FUNC_INFO4 info = {0};
    if (header & HAS_BBT) CxxUnsigned(&at);
    if (header & HAS_UNWIND_MAP) info.UnwindMap = CxxReference(function, &at);
    if (header & HAS_TRY_BLOCK_MAP) info.TryBlockMap = CxxReference(function, &at);
    info.IpToStateMap = CxxReference(function, &at);
    if (header & IS_SEPARATED && info.IpToStateMap) info.IpToStateMap = CxxPiece(function, info.IpToStateMap);
    if (header & IS_CATCH) info.Frame = CxxUnsigned(&at);
    return info;
}

void CxxDescribe(CXX_FUNCTION *function, const DISPATCHER_CONTEXT *d, ULONG_PTR frame) {
    function->Base = d->ImageBase;
    function->Begin = CxxPrimary(d)->BeginAddress;
    function->Info = CxxAt(d->ImageBase, *(const REFERENCE *)d->HandlerData);
    function->Frame = function->Root = frame;
    UCHAR header = *(const UCHAR *)function->Info;
    FUNC_INFO4 info = CxxRead(function);
    const UCHAR *unwind = info.UnwindMap, *tries = info.TryBlockMap;
    if (header & IS_CATCH) function->Root = *(const ULONG_PTR *)(frame + info.Frame);
    function->Synchronous = (header & IS_EHS) != 0;
    function->NoExcept = (header & IS_NOEXCEPT) != 0;
    function->Low = 0;
    function->High = unwind ? (LONG)CxxUnsigned(&unwind) - 1 : -1;
    function->Outside = -1;
    function->Tries = tries ? CxxUnsigned(&tries) : 0;
}

/* The places are counted each from the one before, the first from the function; the states from one less than the first. */
LONG CxxStateAt(const CXX_FUNCTION *function, ULONG_PTR pc) {
    const UCHAR *at = CxxRead(function).IpToStateMap;
    ULONG_PTR place = function->Base + function->Begin;
    LONG state = -1;
    for (ULONG count = at ? CxxUnsigned(&at) : 0; count; count--) {
        place += CxxUnsigned(&at);
        LONG next = (LONG)CxxUnsigned(&at) - 1;
        if (pc < place) break;
        state = next;
    }
    return state;
}

/* An entry says what is done, and how many bytes before it the entry lies of the state that follows. */
static const UCHAR *CxxUnwindEntry(const CXX_FUNCTION *function, const UCHAR *at, CXX_ACTION *to, ULONG *back) {
    ULONG head = CxxUnsigned(&at);
    *back = head >> 2;
    *to = (CXX_ACTION){.Kind = CxxNothing};
    switch (head & 3) {
    case 1: to->Kind = CxxDestroy; break;
    case 2: to->Kind = CxxDestroyPointed; break;
    case 3: to->Kind = CxxFunclet; break;
    default: return at;
    }
    to->Code = CxxReference(function, &at);
    if (to->Kind != CxxFunclet) to->Object = CxxUnsigned(&at);
    return at;
}

void CxxAction(const CXX_FUNCTION *function, LONG state, CXX_ACTION *to) {
    const UCHAR *map = CxxRead(function).UnwindMap, *wanted;
    CXX_ACTION other;
    ULONG back, none;
    CxxUnsigned(&map);
    const UCHAR *at = map;
    for (LONG i = 0; i < state; i++) at = CxxUnwindEntry(function, at, &other, &none);
    CxxUnwindEntry(function, at, to, &back);
    wanted = at - back;
    to->To = -1;
    at = map;
    for (LONG i = 0; i < state && at <= wanted; i++) {
        if (at == wanted) to->To = i;
        at = CxxUnwindEntry(function, at, &other, &none);
    }
}

BOOLEAN CxxTry(const CXX_FUNCTION *function, ULONG number, CXX_TRY *to) {
    const UCHAR *at = CxxRead(function).TryBlockMap;
    if (number >= function->Tries) return FALSE;
    CxxUnsigned(&at);
    for (ULONG i = 0; i <= number; i++) {
        to->Low = (LONG)CxxUnsigned(&at);
        to->High = (LONG)CxxUnsigned(&at);
        to->CatchHigh = (LONG)CxxUnsigned(&at);
        to->Handlers = CxxReference(function, &at);
    }
    to->Count = to->Handlers ? CxxUnsigned(&to->Handlers) : 0;
    return TRUE;
}

static const UCHAR *CxxHandlerEntry(const CXX_FUNCTION *function, const UCHAR *at, CXX_HANDLER *to) {
    UCHAR header = *at++;
    *to = (CXX_HANDLER){.Continuations = header >> CONTINUATIONS_SHIFT & 3};
    if (header & HAS_ADJECTIVES) to->Adjectives = CxxUnsigned(&at);
    if (header & HAS_TYPE) to->Type = CxxReference(function, &at);
    if (header & HAS_CATCH_OBJECT) to->Object = (LONG)CxxUnsigned(&at);
    to->Code = CxxReference(function, &at);
    for (ULONG i = 0; i < to->Continuations && i < 2; i++) {
        if (header & CONTINUES_AT_RVA) to->Continuation[i] = (ULONG_PTR)CxxReference(function, &at);
        else to->Continuation[i] = function->Base + function->Begin + CxxUnsigned(&at);
    }
    return at;
}

void CxxHandler(const CXX_FUNCTION *function, const CXX_TRY *try, ULONG number, CXX_HANDLER *to) {
    const UCHAR *at = try->Handlers;
    for (ULONG i = 0; i <= number; i++) at = CxxHandlerEntry(function, at, to);
}
