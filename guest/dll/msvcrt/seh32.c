/* `__try` of 32-bit C: `_except_handler3` and `_except_handler4_common`, by the scope table of a function. The exceptions of
 * C++ (`__CxxFrameHandler3`) are not here. */
#ifndef __x86_64__
#include "crt.h"

#define EXCEPTION_UNWIND 0x66
enum { CONTINUE_EXECUTION, CONTINUE_SEARCH };

typedef struct { unsigned code, flags; } Record;
typedef struct { int enclosing; int (*filter)(void); void (*handler)(void); } Scope;
/* What a function has below its EBP; the pointers of the exception come before it. */
typedef struct Frame {
    struct Frame *next;
    void *handler;
    uintptr_t table;
    int level;
    char ebp[];
} Frame;
typedef struct { Record *record; void *context; } Pointers;

/* Calls a part of a function with the function's EBP. */
int crt_call_with_ebp(void *code, void *ebp);
/* The part that handles the exception takes its stack back by itself. */
void crt_jump_with_ebp(void *code, void *ebp) __attribute__((noreturn));
__asm__(
    ".globl _crt_call_with_ebp\n_crt_call_with_ebp:\n"
    "  pushl %ebp\n  pushl %ebx\n  pushl %esi\n  pushl %edi\n  movl 0x14(%esp), %eax\n  movl 0x18(%esp), %ebp\n  call *%eax\n"
    "  popl %edi\n  popl %esi\n  popl %ebx\n  popl %ebp\n  ret\n"
    ".globl _crt_jump_with_ebp\n_crt_jump_with_ebp:\n  movl 4(%esp), %eax\n  movl 8(%esp), %ebp\n  jmp *%eax\n");

void _global_unwind2(void *frame) { RtlUnwind(frame, 0, 0, 0); }

/* Runs the termination handlers of the levels from the present one out to `stop`. */
static void leave_levels(Frame *frame, const Scope *table, int stop, int none) {
    while (frame->level != none && frame->level != stop) {
        const Scope *scope = &table[frame->level];
        frame->level = scope->enclosing;
        if (!scope->filter) crt_call_with_ebp((void *)scope->handler, frame->ebp);
    }
}

void _local_unwind2(Frame *frame, int stop) { leave_levels(frame, (const Scope *)frame->table, stop, -1); }

static int handle(Record *record, Frame *frame, void *context, const Scope *table, int none) {
    if (record->flags & EXCEPTION_UNWIND) {
        leave_levels(frame, table, none, none);
        return CONTINUE_SEARCH;
    }
    Pointers pointers = {record, context};
    ((volatile uintptr_t *)frame)[-1] = (uintptr_t)&pointers;
    for (int level = frame->level; level != none; level = table[level].enclosing) {
        const Scope *scope = &table[level];
        int answer = scope->filter ? crt_call_with_ebp((void *)scope->filter, frame->ebp) : 0;
        if (answer < 0) return CONTINUE_EXECUTION;
        if (!answer) continue;
        _global_unwind2(frame);
        leave_levels(frame, table, level, none);
        frame->level = scope->enclosing;
        crt_jump_with_ebp((void *)scope->handler, frame->ebp);
    }
    return CONTINUE_SEARCH;
}

int _except_handler3(Record *record, Frame *frame, void *context, void *dispatcher) {
    (void)dispatcher;
    return handle(record, frame, context, (const Scope *)frame->table, -1);
}

/* The table's address is mixed with a cookie, and four numbers about cookies on the stack, which are not checked, come
 * first. */
int _except_handler4_common(const uintptr_t *cookie, void *check, Record *record, Frame *frame, void *context,
                            void *dispatcher) {
    enum { COOKIES = 16, NONE = -2 };
    (void)check, (void)dispatcher;
    return handle(record, frame, context, (const Scope *)((frame->table ^ *cookie) + COOKIES), NONE);
}

void _local_unwind4(const uintptr_t *cookie, Frame *frame, int stop) {
    leave_levels(frame, (const Scope *)((frame->table ^ *cookie) + 16), stop, -2);
}
#endif
