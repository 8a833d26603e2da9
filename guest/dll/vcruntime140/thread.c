/* What a thread has of its own: the exception that a catch block is at work on, and the list of those around it. */
#include "cxx.h"

__declspec(dllimport) ULONG NTAPI TlsAlloc(void);
__declspec(dllimport) PVOID NTAPI TlsGetValue(ULONG);
__declspec(dllimport) BOOL NTAPI TlsSetValue(ULONG, PVOID);
#define HEAP_ZERO_MEMORY 8
#define TLS_OUT_OF_INDEXES 0xffffffffu

typedef void (*UNEXPECTED)(void);
typedef struct {
    PVOID Exception, Context;
    int ProcessingThrow;
    FRAME_INFO *Frames;
    SE_TRANSLATOR Translator;
    UNEXPECTED Unexpected;
} CXX_THREAD;

static ULONG CxxIndex = TLS_OUT_OF_INDEXES;

static CXX_THREAD *CxxThread(void) {
    ULONG error = NtCurrentTeb()->LastErrorValue;
    CXX_THREAD *thread = TlsGetValue(CxxIndex);
    if (!thread) {
        thread = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, HEAP_ZERO_MEMORY, sizeof *thread);
        if (!thread || !TlsSetValue(CxxIndex, thread)) terminate();
    }
    NtCurrentTeb()->LastErrorValue = error;
    return thread;
}

/* The DLL's entry point. */
BOOL NTAPI DllMain(HANDLE module, ULONG reason, PVOID reserved) {
    enum { PROCESS_DETACH, PROCESS_ATTACH, THREAD_ATTACH, THREAD_DETACH };
    (void)module, (void)reserved;
    if (reason == PROCESS_ATTACH) return (CxxIndex = TlsAlloc()) != TLS_OUT_OF_INDEXES;
    if (reason == THREAD_DETACH) {
        PVOID thread = TlsGetValue(CxxIndex);
        TlsSetValue(CxxIndex, NULL);
        if (thread) RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, thread);
    }
    return TRUE;
}

PVOID *__current_exception(void) { return &CxxThread()->Exception; }
PVOID *__current_exception_context(void) { return &CxxThread()->Context; }
/* How many unwindings are at work in this thread that run destructors. */
int *__processing_throw(void) { return &CxxThread()->ProcessingThrow; }
int __uncaught_exceptions(void) { return *__processing_throw(); }
BOOLEAN __uncaught_exception(void) { return *__processing_throw() != 0; }

FRAME_INFO *_CreateFrameInfo(FRAME_INFO *info, PVOID object) {
    CXX_THREAD *thread = CxxThread();
    info->Object = object;
    info->Next = thread->Frames;
    return thread->Frames = info;
}

void _FindAndUnlinkFrame(FRAME_INFO *info) {
    for (FRAME_INFO **at = &CxxThread()->Frames; *at; at = &(*at)->Next)
        if (*at == info) {
            *at = info->Next;
            return;
        }
}

/* Whether no catch block is left that has the object. */
int _IsExceptionObjectToBeDestroyed(PVOID object) {
    for (const FRAME_INFO *info = CxxThread()->Frames; info; info = info->Next)
        if (info->Object == object) return FALSE;
    return TRUE;
}

SE_TRANSLATOR _set_se_translator(SE_TRANSLATOR translator) {
    CXX_THREAD *thread = CxxThread();
    SE_TRANSLATOR before = thread->Translator;
    thread->Translator = translator;
    return before;
}

UNEXPECTED set_unexpected(UNEXPECTED handler) {
    CXX_THREAD *thread = CxxThread();
    UNEXPECTED before = thread->Unexpected;
    thread->Unexpected = handler;
    return before;
}
UNEXPECTED _get_unexpected(void) { return CxxThread()->Unexpected; }
void unexpected(void) {
    UNEXPECTED handler = CxxThread()->Unexpected;
    if (handler) handler();
    terminate();
}
