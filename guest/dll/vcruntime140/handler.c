/* `__CxxFrameHandler3`, and its older names. */
#ifdef __x86_64__
#include "cxx.h"

EXCEPTION_DISPOSITION CxxHandleFrame(EXCEPTION_RECORD *, ULONG_PTR frame, CONTEXT *, DISPATCHER_CONTEXT *);

EXCEPTION_DISPOSITION __CxxFrameHandler3(EXCEPTION_RECORD *record, ULONG_PTR frame, CONTEXT *context, DISPATCHER_CONTEXT *d) {
    return CxxHandleFrame(record, frame, context, d);
}
#endif
