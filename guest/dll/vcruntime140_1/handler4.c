/* vcruntime140_1.dll: `__CxxFrameHandler4`. What runs a catch block is built from vcruntime140.dll's sources once more, with FH4
 * defined; what a thread has of its own is there. */
#include "../vcruntime140/cxx.h"

EXCEPTION_DISPOSITION CxxHandleFrame(EXCEPTION_RECORD *, ULONG_PTR frame, CONTEXT *, DISPATCHER_CONTEXT *);

EXCEPTION_DISPOSITION __CxxFrameHandler4(EXCEPTION_RECORD *record, ULONG_PTR frame, CONTEXT *context, DISPATCHER_CONTEXT *d) {
    return CxxHandleFrame(record, frame, context, d);
}
