/* Which catch block of a function an exception is for, and what it means to be in one. */
#include "cxx.h"

/* A function that was compiled without asynchronous exceptions (/EHs) cares for C++'s only, and for what unwinds it on
 * behalf of one or to a `setjmp`. */
BOOLEAN CxxSkips(const CXX_FUNCTION *function, const EXCEPTION_RECORD *record) {
    NTSTATUS code = record->ExceptionCode;
    return function->Synchronous && code != EH_EXCEPTION_NUMBER && code != STATUS_UNWIND_CONSOLIDATE && code != STATUS_LONGJUMP;
}

static BOOLEAN CxxIsDots(const CXX_HANDLER *handler) { return !handler->Type || !handler->Type->Decorated[0]; }

/* Gives an exception that is not C++'s to the program's translator, which throws another instead or returns. */
static void CxxTranslate(EXCEPTION_RECORD *record, CONTEXT *context) {
    EXCEPTION_POINTERS pointers = {record, context};
    SE_TRANSLATOR translator = _set_se_translator(NULL);
    _set_se_translator(translator);
    if (translator && record->ExceptionCode != STATUS_BREAKPOINT) translator((unsigned)record->ExceptionCode, &pointers);
}

static BOOLEAN CxxTakes(const CXX_HANDLER *handler, const EXCEPTION_RECORD *record, const CATCHABLE_TYPE **type) {
    *type = NULL;
    if (CxxIsDots(handler)) return CxxIsThrown(record) || !(handler->Adjectives & HT_STANDARD_DOTS);
    return CxxIsThrown(record) && (*type = CxxCatchable(record, handler));
}

/* The catch block of a function that an exception is for; its object is made. `Record` is what is caught, which for `throw;`
 * is what the thread has caught last. */
BOOLEAN CxxFind(const CXX_FUNCTION *function, LONG state, EXCEPTION_RECORD *record, CONTEXT *context, CXX_FOUND *found) {
    found->Record = record;
    if (CxxIsRethrow(record)) {
        found->Record = *__current_exception();
        if (!found->Record) terminate();
    }
    if (function->Tries && !CxxIsThrown(found->Record)) CxxTranslate(found->Record, context);
    for (ULONG i = 0; CxxTry(function, i, &found->Try); i++) {
        const CXX_TRY *try = &found->Try;
        if (state < try->Low || state > try->High || try->Low < function->Low || try->High > function->High) continue;
        for (ULONG k = 0; k < try->Count; k++) {
            const CATCHABLE_TYPE *type;
            CxxHandler(function, try, k, &found->Handler);
            if (!CxxTakes(&found->Handler, found->Record, &type)) continue;
            if (type && found->Handler.Object)
                CxxBuildObject(found->Record, type, &found->Handler, (PVOID *)(function->Root + (ULONG_PTR)(intptr_t)found->Handler.Object));
            return TRUE;
        }
    }
    if (function->NoExcept && CxxIsThrown(found->Record)) terminate();
    return FALSE;
}

void CxxBeginCatch(CXX_CATCH *catch, EXCEPTION_RECORD *record, CONTEXT *context) {
    PVOID *current = __current_exception(), *current_context = __current_exception_context();
    catch->Self = catch;
    catch->Record = record;
    catch->Rethrown = FALSE;
    catch->PriorRecord = *current;
    catch->PriorContext = *current_context;
    *current = record;
    *current_context = context;
    _CreateFrameInfo(&catch->Info, CxxIsThrown(record) ? CxxObject(record) : NULL);
}

/* The catch block has ended, or is left by an exception; then what it notes of its function may be wanted still. */
void CxxEndCatch(CXX_CATCH *catch, BOOLEAN keep) {
    PVOID object = catch->Info.Object;
    *__current_exception() = catch->PriorRecord;
    *__current_exception_context() = catch->PriorContext;
    catch->Info.Object = NULL;
    if (!keep) _FindAndUnlinkFrame(&catch->Info);
    if (object && !catch->Rethrown && _IsExceptionObjectToBeDestroyed(object)) __DestructExceptionObject(catch->Record, TRUE);
}

/* An exception comes out of the catch block: thrown once more, the object lives on. */
void CxxNoteRethrow(CXX_CATCH *catch, const EXCEPTION_RECORD *record) {
    const EXCEPTION_RECORD *current = *__current_exception();
    if (record->ExceptionFlags & EXCEPTION_UNWIND || !CxxIsRethrow(record) || !current || !CxxIsThrown(current)) return;
    if (CxxObject(current) == catch->Info.Object) catch->Rethrown = TRUE;
}
