/* Vectored exception handlers and vectored continue handlers: two lists of a process's. */
#include "ntdll.h"

typedef struct {
    LIST_ENTRY Links;
    /* One for being in the list, one for each call under way: a handler may take itself out. */
    LONG References;
    BOOLEAN Removed;
    PVECTORED_EXCEPTION_HANDLER Handler;
} RTLP_VECTORED;

enum { RTLP_EXCEPTION_HANDLERS, RTLP_CONTINUE_HANDLERS };
static LIST_ENTRY RtlpVectored[2] = {{&RtlpVectored[0], &RtlpVectored[0]}, {&RtlpVectored[1], &RtlpVectored[1]}};
static volatile LONG RtlpVectoredLock;

/* A lock that is held for a few instructions. */
void RtlpAcquireSpin(volatile LONG *lock) {
    while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE)) NtYieldExecution();
}

void RtlpReleaseSpin(volatile LONG *lock) { __atomic_store_n(lock, 0, __ATOMIC_RELEASE); }

static PVOID RtlpAddVectored(ULONG list, ULONG first, PVECTORED_EXCEPTION_HANDLER handler) {
    RTLP_VECTORED *node = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, sizeof *node);
    if (!node) return NULL;
    *node = (RTLP_VECTORED){.References = 1, .Handler = handler};
    RtlpAcquireSpin(&RtlpVectoredLock);
    LIST_ENTRY *before = first ? &RtlpVectored[list] : RtlpVectored[list].Blink, *after = before->Flink;
    node->Links = (LIST_ENTRY){after, before};
    before->Flink = after->Blink = &node->Links;
    RtlpReleaseSpin(&RtlpVectoredLock);
    return node;
}

/* Gives a reference back, with the lock held; what is left to be freed. */
static RTLP_VECTORED *RtlpDropVectored(RTLP_VECTORED *node) {
    if (--node->References) return NULL;
    RemoveEntryList(&node->Links);
    return node;
}

static ULONG RtlpRemoveVectored(ULONG list, PVOID handle) {
    RTLP_VECTORED *dead = NULL;
    ULONG found = FALSE;
    RtlpAcquireSpin(&RtlpVectoredLock);
    for (LIST_ENTRY *at = RtlpVectored[list].Flink; at != &RtlpVectored[list] && !found; at = at->Flink) {
        RTLP_VECTORED *node = CONTAINER(at, RTLP_VECTORED, Links);
        if (node != handle || node->Removed) continue;
        found = node->Removed = TRUE;
        dead = RtlpDropVectored(node);
        break;
    }
    RtlpReleaseSpin(&RtlpVectoredLock);
    if (dead) RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, dead);
    return found;
}

/* Calls the handlers of a list until one says that execution goes on; whether one has. */
static BOOLEAN RtlpCallVectored(ULONG list, EXCEPTION_RECORD *record, CONTEXT *context) {
    EXCEPTION_POINTERS pointers = {record, context};
    LONG answer = EXCEPTION_CONTINUE_SEARCH;
    RtlpAcquireSpin(&RtlpVectoredLock);
    for (LIST_ENTRY *at = RtlpVectored[list].Flink; at != &RtlpVectored[list] && answer != EXCEPTION_CONTINUE_EXECUTION;) {
        RTLP_VECTORED *node = CONTAINER(at, RTLP_VECTORED, Links);
        if (node->Removed) {
            at = at->Flink;
            continue;
        }
        node->References++;
        RtlpReleaseSpin(&RtlpVectoredLock);
        answer = node->Handler(&pointers);
        RtlpAcquireSpin(&RtlpVectoredLock);
        at = at->Flink;
        RTLP_VECTORED *dead = RtlpDropVectored(node);
        if (dead) RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, dead);
    }
    RtlpReleaseSpin(&RtlpVectoredLock);
    return answer == EXCEPTION_CONTINUE_EXECUTION;
}

/* The exception handlers; whether one has handled the exception. */
BOOLEAN RtlpCallExceptionHandlers(EXCEPTION_RECORD *record, CONTEXT *context) {
    return RtlpCallVectored(RTLP_EXCEPTION_HANDLERS, record, context);
}

/* The continue handlers, once execution is to go on. */
void RtlpCallContinueHandlers(EXCEPTION_RECORD *record, CONTEXT *context) {
    RtlpCallVectored(RTLP_CONTINUE_HANDLERS, record, context);
}

/* `RtlAddVectoredExceptionHandler`: a handle, or NULL. */
NTSYSAPI PVOID NTAPI RtlAddVectoredExceptionHandler(ULONG first, PVECTORED_EXCEPTION_HANDLER handler) {
    return RtlpAddVectored(RTLP_EXCEPTION_HANDLERS, first, handler);
}

/* `RtlRemoveVectoredExceptionHandler`: 0 for what is no handle. */
NTSYSAPI ULONG NTAPI RtlRemoveVectoredExceptionHandler(PVOID handle) {
    return RtlpRemoveVectored(RTLP_EXCEPTION_HANDLERS, handle);
}

/* `RtlAddVectoredContinueHandler`. */
NTSYSAPI PVOID NTAPI RtlAddVectoredContinueHandler(ULONG first, PVECTORED_EXCEPTION_HANDLER handler) {
    return RtlpAddVectored(RTLP_CONTINUE_HANDLERS, first, handler);
}

/* `RtlRemoveVectoredContinueHandler`. */
NTSYSAPI ULONG NTAPI RtlRemoveVectoredContinueHandler(PVOID handle) {
    return RtlpRemoveVectored(RTLP_CONTINUE_HANDLERS, handle);
}
