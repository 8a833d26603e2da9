/* The object that was thrown: what it can be caught as, copied to a catch block and destroyed. */
#include "cxx.h"

/* Whether a record is of a C++ exception; one that is thrown once more (`throw;`) has neither object nor type. */
BOOLEAN CxxIsThrown(const EXCEPTION_RECORD *record) {
    ULONG_PTR magic = record->ExceptionInformation[0];
    return record->ExceptionCode == EH_EXCEPTION_NUMBER && record->NumberParameters == EH_PARAMETERS
        && ((magic >= EH_MAGIC_NUMBER1 && magic <= EH_MAGIC_NUMBER3) || magic == EH_PURE_MAGIC_NUMBER1);
}
const THROW_INFO *CxxThrowInfo(const EXCEPTION_RECORD *record) { return (const THROW_INFO *)record->ExceptionInformation[2]; }
PVOID CxxObject(const EXCEPTION_RECORD *record) { return (PVOID)record->ExceptionInformation[1]; }
ULONG_PTR CxxThrowBase(const EXCEPTION_RECORD *record) {
    (void)record;
    return WIDTH(record->ExceptionInformation[3], 0);
}
BOOLEAN CxxIsRethrow(const EXCEPTION_RECORD *record) { return CxxIsThrown(record) && !CxxThrowInfo(record); }

void *CxxAdjust(void *object, const PMD *to) {
    char *at = (char *)object + to->Member;
    if (to->VirtualTable >= 0) {
        const char *table = *(const char **)((char *)object + to->VirtualTable);
        at += to->VirtualTable + *(const LONG *)(table + to->VirtualOffset);
    }
    return at;
}

static BOOLEAN CxxFits(const CXX_HANDLER *handler, const CATCHABLE_TYPE *type, const THROW_INFO *info, ULONG_PTR base) {
    const TYPE_DESCRIPTOR *thrown = CxxAt(base, type->Type);
    if (handler->Adjectives & HT_BAD_ALLOC && type->Properties & CT_BAD_ALLOC) return TRUE;
    if (handler->Type != thrown && strcmp(handler->Type->Decorated, thrown->Decorated)) return FALSE;
    if (type->Properties & CT_BY_REFERENCE_ONLY && !(handler->Adjectives & HT_REFERENCE)) return FALSE;
    /* What a pointer that was thrown points to may become const, but not lose it. */
    return !(info->Attributes & ~handler->Adjectives & (TI_CONST | TI_VOLATILE | TI_UNALIGNED));
}

/* What the object is for a catch block with a type; NULL if it is not for that. */
const CATCHABLE_TYPE *CxxCatchable(const EXCEPTION_RECORD *record, const CXX_HANDLER *handler) {
    ULONG_PTR base = CxxThrowBase(record);
    const THROW_INFO *info = CxxThrowInfo(record);
    const CATCHABLE_TYPES *types = CxxAt(base, info->Types);
    for (LONG i = 0; i < types->Count; i++) {
        const CATCHABLE_TYPE *type = CxxAt(base, types->Type[i]);
        if (CxxFits(handler, type, info, base)) return type;
    }
    return NULL;
}

/* Gives a catch block its object, or the reference to it. */
void CxxBuildObject(const EXCEPTION_RECORD *record, const CATCHABLE_TYPE *type, const CXX_HANDLER *handler, PVOID *to) {
    PVOID object = CxxObject(record);
    if (handler->Adjectives & HT_REFERENCE) {
        *to = CxxAdjust(object, &type->This);
    } else if (type->Properties & CT_SIMPLE_TYPE) {
        memcpy(to, object, (size_t)type->Size);
        /* A pointer becomes one to a base. */
        if (type->Size == sizeof *to && *to) *to = CxxAdjust(*to, &type->This);
    } else {
        PVOID from = CxxAdjust(object, &type->This), copy = CxxAt(CxxThrowBase(record), type->Copy);
        if (copy) CxxCallCopy(copy, to, from, TRUE, (type->Properties & CT_HAS_VIRTUAL_BASE) != 0);
        else memcpy(to, from, (size_t)type->Size);
    }
}

#ifndef FH4
void *__AdjustPointer(void *object, const PMD *to) { return object ? CxxAdjust(object, to) : NULL; }

/* Calls the destructor of what was thrown. */
void __DestructExceptionObject(EXCEPTION_RECORD *record, BOOLEAN no_throw) {
    (void)no_throw;
    if (!record || !CxxIsThrown(record) || !CxxThrowInfo(record)) return;
    PVOID destroy = CxxAt(CxxThrowBase(record), CxxThrowInfo(record)->Destroy);
    if (destroy) CxxCallMember(destroy, CxxObject(record));
}

/* `_CxxThrowException`: both are NULL for `throw;`. */
void NTAPI _CxxThrowException(PVOID object, const THROW_INFO *info) {
    PVOID base = NULL;
    if (info) RtlPcToFileHeader((PVOID)info, &base);
    BOOLEAN pure = info && (info->Attributes & TI_PURE || !base);
    EXCEPTION_RECORD record = {
        .ExceptionCode = EH_EXCEPTION_NUMBER,
        .ExceptionFlags = EXCEPTION_NONCONTINUABLE,
        .ExceptionAddress = (PVOID)_CxxThrowException,
        .NumberParameters = EH_PARAMETERS,
        .ExceptionInformation = {pure ? EH_PURE_MAGIC_NUMBER1 : EH_MAGIC_NUMBER1, (ULONG_PTR)object, (ULONG_PTR)info, (ULONG_PTR)base},
    };
    RtlRaiseException(&record);
}

/* `_is_exception_typeof`: whether what was thrown could be caught as the type. */
int _is_exception_typeof(const TYPE_DESCRIPTOR *wanted, const EXCEPTION_POINTERS *pointers) {
    const EXCEPTION_RECORD *record = pointers ? pointers->ExceptionRecord : NULL;
    if (!record || !wanted) terminate();
    if (!CxxIsThrown(record) || !CxxThrowInfo(record)) return FALSE;
    CXX_HANDLER handler = {.Type = wanted, .Adjectives = HT_CONST | HT_VOLATILE | HT_UNALIGNED | HT_REFERENCE};
    return CxxCatchable(record, &handler) != NULL;
}
#endif
