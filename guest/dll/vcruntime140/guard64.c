/* Calls into the program from 64-bit code, each in a frame with a handler of its own. */
#ifdef __x86_64__
#include "cxx.h"

ULONG_PTR CxxCallCatch(PVOID code, ULONG_PTR root, CXX_CATCH *);
ULONG_PTR CxxCallGuarded(ULONG_PTR a, ULONG_PTR b, ULONG_PTR c, PVOID code);

/* A catch block's function gets the frame of the function that it is of in RDX, and so does a cleanup. */
__asm__(".globl CxxCallCatch\n.def CxxCallCatch; .scl 2; .type 32; .endef\n.p2align 4\n"
        ".seh_proc CxxCallCatch\nCxxCallCatch:\n.seh_handler CxxCatchHandler, @except, @unwind\n"
        "  subq $0x28, %rsp\n.seh_stackalloc 0x28\n.seh_endprologue\n"
        "  movq %r8, 0x20(%rsp)\n  call *%rcx\n  nop\n  addq $0x28, %rsp\n  ret\n.seh_endproc\n"
        ".globl CxxCallGuarded\n.def CxxCallGuarded; .scl 2; .type 32; .endef\n.p2align 4\n"
        ".seh_proc CxxCallGuarded\nCxxCallGuarded:\n.seh_handler CxxGuardHandler, @except\n"
        "  subq $0x28, %rsp\n.seh_stackalloc 0x28\n.seh_endprologue\n"
        "  call *%r9\n  nop\n  addq $0x28, %rsp\n  ret\n.seh_endproc\n");

__attribute__((used)) EXCEPTION_DISPOSITION CxxCatchHandler(EXCEPTION_RECORD *record, char *frame, CONTEXT *context,
                                                            DISPATCHER_CONTEXT *d) {
    (void)context, (void)d;
    CXX_CATCH *catch = *(CXX_CATCH **)(frame + 0x20);
    CxxNoteRethrow(catch, record);
    if (record->ExceptionFlags & EXCEPTION_UNWIND) CxxEndCatch(catch, TRUE);
    return ExceptionContinueSearch;
}

/* C++ lets no exception out of a destructor that runs for another, nor out of the copy of an object for a catch block. */
__attribute__((used)) EXCEPTION_DISPOSITION CxxGuardHandler(EXCEPTION_RECORD *record, char *frame, CONTEXT *context,
                                                            DISPATCHER_CONTEXT *d) {
    (void)frame, (void)context, (void)d;
    if (CxxIsThrown(record)) terminate();
    return ExceptionContinueSearch;
}

void CxxCallMember(PVOID code, PVOID object) { CxxCallGuarded((ULONG_PTR)object, 0, 0, code); }
void CxxCallCopy(PVOID code, PVOID to, PVOID from, BOOLEAN most_derived, BOOLEAN has_bases) {
    (void)has_bases;
    CxxCallGuarded((ULONG_PTR)to, (ULONG_PTR)from, most_derived, code);
}
void CxxCallCleanup(PVOID code, ULONG_PTR root) { CxxCallGuarded(0, root, 0, code); }
#endif
