/* What C++'s run time has beside exceptions and types. */
#include "cxx.h"

void __std_terminate(void) { terminate(); }

/* A virtual function was called that there is none of. */
typedef void (*PURE_CALL)(void);
static PURE_CALL CxxPureCall;
PURE_CALL _get_purecall_handler(void) { return CxxPureCall; }
PURE_CALL _set_purecall_handler(PURE_CALL handler) { return __atomic_exchange_n(&CxxPureCall, handler, __ATOMIC_SEQ_CST); }
void _purecall(void) {
    if (CxxPureCall) CxxPureCall();
    abort();
}

/* Tell the tracing of the CRT's authors that `main` begins and has ended; it is not there. */
void __telemetry_main_invoke_trigger(HANDLE module) { (void)module; }
void __telemetry_main_return_trigger(HANDLE module) { (void)module; }

/* A function's stack was written over. */
void __report_gsfailure(ULONG_PTR cookie) {
    enum { FAST_FAIL_STACK_COOKIE_CHECK_FAILURE = 2 };
    (void)cookie;
    __asm__ volatile("int $0x29" ::"c"(FAST_FAIL_STACK_COOKIE_CHECK_FAILURE));
}

#ifdef __x86_64__
__declspec(dllimport) EXCEPTION_DISPOSITION __C_specific_handler(EXCEPTION_RECORD *, PVOID, CONTEXT *, DISPATCHER_CONTEXT *);

/* `__try` in a function that lets no exception out. */
EXCEPTION_DISPOSITION __C_specific_handler_noexcept(EXCEPTION_RECORD *record, PVOID frame, CONTEXT *context, DISPATCHER_CONTEXT *d) {
    EXCEPTION_DISPOSITION answer = __C_specific_handler(record, frame, context, d);
    if (answer == ExceptionContinueSearch && !(record->ExceptionFlags & EXCEPTION_UNWIND)) terminate();
    return answer;
}

/* Leaves a `__try` by a jump. */
void _local_unwind(PVOID frame, PVOID target) { RtlUnwind(frame, target, NULL, NULL); }
#endif
