/* The tables of `__CxxFrameHandler3`. */
#include "cxx.h"

#define FI_EHS 1
#define FI_DYNAMIC_ALIGNMENT 2
#define FI_NOEXCEPT 4
typedef struct { LONG ToState; REFERENCE Action; } UNWIND_MAP_ENTRY;
typedef struct { LONG TryLow, TryHigh, CatchHigh, Catches; REFERENCE Handlers; } TRY_BLOCK_MAP_ENTRY;
typedef struct {
    ULONG Adjectives;
    REFERENCE Type;
    LONG CatchObject;
    REFERENCE Handler;
#ifdef __x86_64__
    ULONG Frame;
#endif
} HANDLER_TYPE;
typedef struct { ULONG Ip; LONG State; } IP_TO_STATE_MAP_ENTRY;
/* `FuncInfo`: without the last two fields in older versions. */
typedef struct {
    ULONG Magic : 29, Flags : 3;
    LONG MaxState;
    REFERENCE UnwindMap;
    ULONG TryBlocks;
    REFERENCE TryBlockMap;
    ULONG IpMapEntries;
    REFERENCE IpToStateMap;
#ifdef __x86_64__
    LONG UnwindHelp;
#endif
    REFERENCE Specifications;
    ULONG EHFlags;
} FUNC_INFO;

BOOLEAN CxxTry(const CXX_FUNCTION *function, ULONG number, CXX_TRY *to) {
    const FUNC_INFO *info = function->Info;
    if (number >= info->TryBlocks) return FALSE;
    const TRY_BLOCK_MAP_ENTRY *entry = (const TRY_BLOCK_MAP_ENTRY *)CxxAt(function->Base, info->TryBlockMap) + number;
    *to = (CXX_TRY){entry->TryLow, entry->TryHigh, entry->CatchHigh, (ULONG)entry->Catches, CxxAt(function->Base, entry->Handlers)};
    return TRUE;
}

void CxxHandler(const CXX_FUNCTION *function, const CXX_TRY *try, ULONG number, CXX_HANDLER *to) {
    const HANDLER_TYPE *entry = (const HANDLER_TYPE *)try->Handlers + number;
    *to = (CXX_HANDLER){
        .Adjectives = entry->Adjectives,
        .Type = CxxAt(function->Base, entry->Type),
        .Object = entry->CatchObject,
        .Code = CxxAt(function->Base, entry->Handler),
    };
}

void CxxAction(const CXX_FUNCTION *function, LONG state, CXX_ACTION *to) {
    const FUNC_INFO *info = function->Info;
    const UNWIND_MAP_ENTRY *entry = (const UNWIND_MAP_ENTRY *)CxxAt(function->Base, info->UnwindMap) + state;
    *to = (CXX_ACTION){
        .To = entry->ToState,
        .Kind = entry->Action ? CxxFunclet : CxxNothing,
        .Code = CxxAt(function->Base, entry->Action),
    };
}

static void CxxReadHead(CXX_FUNCTION *function, const FUNC_INFO *info) {
    ULONG flags = info->Magic >= EH_MAGIC_NUMBER3 ? info->EHFlags : 0;
    function->Info = info;
    function->Synchronous = (flags & FI_EHS) != 0;
    function->NoExcept = (flags & FI_NOEXCEPT) != 0;
    function->Low = 0;
    function->High = info->MaxState - 1;
    function->Outside = -1;
    function->Tries = info->TryBlocks;
}

#ifdef __x86_64__
/* A catch block's function has the tables of the function that it is of, and keeps that one's frame where its entry says. */
static void CxxEnterCatch(CXX_FUNCTION *function) {
    CXX_TRY try;
    for (ULONG i = 0; CxxTry(function, i, &try); i++) {
        const HANDLER_TYPE *entry = (const HANDLER_TYPE *)try.Handlers;
        for (ULONG k = 0; k < try.Count; k++, entry++) {
            if ((ULONG)entry->Handler != function->Begin) continue;
            function->Root = *(const ULONG_PTR *)(function->Frame + entry->Frame);
            function->Low = try.High + 1;
            function->High = try.CatchHigh;
            function->Outside = try.High;
            return;
        }
    }
}

void CxxDescribe(CXX_FUNCTION *function, const DISPATCHER_CONTEXT *d, ULONG_PTR frame) {
    function->Base = d->ImageBase;
    function->Begin = CxxPrimary(d)->BeginAddress;
    function->Frame = function->Root = frame;
    CxxReadHead(function, CxxAt(d->ImageBase, *(const REFERENCE *)d->HandlerData));
    CxxEnterCatch(function);
}

/* The state of a place: that of the last entry before it. */
LONG CxxStateAt(const CXX_FUNCTION *function, ULONG_PTR pc) {
    const FUNC_INFO *info = function->Info;
    const IP_TO_STATE_MAP_ENTRY *map = CxxAt(function->Base, info->IpToStateMap);
    LONG state = -1;
    for (ULONG i = 0; i < info->IpMapEntries && map[i].Ip <= pc - function->Base; i++) state = map[i].State;
    return state;
}
#else
/* FALSE: the function's frame is not where its registration tells. */
BOOLEAN CxxDescribe(CXX_FUNCTION *function, const void *info, ULONG_PTR root) {
    *function = (CXX_FUNCTION){.Root = root};
    CxxReadHead(function, info);
    return !(((const FUNC_INFO *)info)->Magic >= EH_MAGIC_NUMBER3 && ((const FUNC_INFO *)info)->EHFlags & FI_DYNAMIC_ALIGNMENT);
}
#endif
