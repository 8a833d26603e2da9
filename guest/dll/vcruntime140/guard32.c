/* Calls into the program from 32-bit code, below a registration that lets no exception out. */
#ifndef __x86_64__
#include "cxx.h"

ULONG_PTR CxxCallWithEbp(PVOID code, ULONG_PTR ebp);

static EXCEPTION_DISPOSITION CxxNoExceptions(EXCEPTION_RECORD *record, PVOID frame, CONTEXT *context, PVOID *dispatcher) {
    (void)frame, (void)context, (void)dispatcher;
    if (!(record->ExceptionFlags & EXCEPTION_UNWIND) && CxxIsThrown(record)) terminate();
    return ExceptionContinueSearch;
}

static void CxxEnter(EXCEPTION_REGISTRATION *guard) {
    volatile PVOID *list = &NtCurrentTeb()->NtTib.ExceptionList;
    *(volatile EXCEPTION_REGISTRATION *)guard = (EXCEPTION_REGISTRATION){*list, (PVOID)CxxNoExceptions};
    *list = guard;
}
static void CxxLeave(const EXCEPTION_REGISTRATION *guard) {
    *(volatile PVOID *)&NtCurrentTeb()->NtTib.ExceptionList = guard->Next;
}

void CxxCallMember(PVOID code, PVOID object) {
    EXCEPTION_REGISTRATION guard;
    CxxEnter(&guard);
    ((void(__attribute__((thiscall)) *)(PVOID))code)(object);
    CxxLeave(&guard);
}
void CxxCallCopy(PVOID code, PVOID to, PVOID from, BOOLEAN most_derived, BOOLEAN has_bases) {
    EXCEPTION_REGISTRATION guard;
    CxxEnter(&guard);
    if (has_bases) ((void(__attribute__((thiscall)) *)(PVOID, PVOID, int))code)(to, from, most_derived);
    else ((void(__attribute__((thiscall)) *)(PVOID, PVOID))code)(to, from);
    CxxLeave(&guard);
}
void CxxCallCleanup(PVOID code, ULONG_PTR root) {
    EXCEPTION_REGISTRATION guard;
    CxxEnter(&guard);
    CxxCallWithEbp(code, root);
    CxxLeave(&guard);
}
#endif
