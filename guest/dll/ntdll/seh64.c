/* `__C_specific_handler`: `__try`, `__except` and `__finally` of C in 64-bit code, by the scope table of a function. */
#include "ntdll.h"
#ifdef __x86_64__

typedef struct {
    ULONG Count;
    struct { ULONG BeginAddress, EndAddress, HandlerAddress, JumpTarget; } Scope[];
} SCOPE_TABLE;
typedef LONG (*PEXCEPTION_FILTER)(EXCEPTION_POINTERS *, PVOID frame);
typedef void (*PTERMINATION_HANDLER)(BOOLEAN abnormal, PVOID frame);
/* `SCOPE_TABLE.HandlerAddress`: `__except (EXCEPTION_EXECUTE_HANDLER)`, which has no filter function. */
#define ALWAYS 1

static BOOLEAN RtlpInScope(const SCOPE_TABLE *table, ULONG i, ULONG_PTR rva) {
    return rva >= table->Scope[i].BeginAddress && rva < table->Scope[i].EndAddress;
}

/* The search: the filters of the scopes around the place, inner ones first. */
static EXCEPTION_DISPOSITION RtlpAskFilters(EXCEPTION_RECORD *record, PVOID frame, CONTEXT *context,
                                            DISPATCHER_CONTEXT *d, const SCOPE_TABLE *table, ULONG_PTR rva) {
    EXCEPTION_POINTERS pointers = {record, context};
    for (ULONG i = d->ScopeIndex; i < table->Count; i++) {
        ULONG filter = table->Scope[i].HandlerAddress;
        LONG answer = EXCEPTION_EXECUTE_HANDLER;
        if (!RtlpInScope(table, i, rva) || !table->Scope[i].JumpTarget) continue;
        if (filter != ALWAYS) answer = ((PEXCEPTION_FILTER)(d->ImageBase + filter))(&pointers, frame);
        if (answer < 0) return ExceptionContinueExecution;
        if (answer > 0)
            RtlUnwindEx(frame, (PVOID)(d->ImageBase + table->Scope[i].JumpTarget), record,
                        (PVOID)(ULONG_PTR)(ULONG)record->ExceptionCode, d->ContextRecord, d->HistoryTable);
    }
    return ExceptionContinueSearch;
}

/* The unwind: the termination handlers of the scopes that are left. */
static void RtlpCallTermination(const EXCEPTION_RECORD *record, PVOID frame, DISPATCHER_CONTEXT *d,
                                const SCOPE_TABLE *table, ULONG_PTR rva) {
    ULONG_PTR target = d->TargetIp - d->ImageBase;
    BOOLEAN is_target = (record->ExceptionFlags & EXCEPTION_TARGET_UNWIND) != 0;
    for (ULONG i = d->ScopeIndex; i < table->Count; i++) {
        if (!RtlpInScope(table, i, rva)) continue;
        /* The scope that control goes to is not left, nor are those around it. */
        if (is_target && (RtlpInScope(table, i, target) || table->Scope[i].JumpTarget == target)) return;
        if (table->Scope[i].JumpTarget) continue;
        /* A collision goes on behind this one. */
        d->ScopeIndex = i + 1;
        ((PTERMINATION_HANDLER)(d->ImageBase + table->Scope[i].HandlerAddress))(TRUE, frame);
    }
}

EXPORT EXCEPTION_DISPOSITION __C_specific_handler(EXCEPTION_RECORD *record, PVOID frame, CONTEXT *context,
                                                  DISPATCHER_CONTEXT *d) {
    const SCOPE_TABLE *table = d->HandlerData;
    ULONG_PTR rva = d->ControlPc - d->ImageBase;
    if (!(record->ExceptionFlags & EXCEPTION_UNWIND)) return RtlpAskFilters(record, frame, context, d, table, rva);
    RtlpCallTermination(record, frame, d, table, rva);
    return ExceptionContinueSearch;
}
#endif
