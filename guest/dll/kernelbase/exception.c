/* Exceptions that a program raises itself.
 *
 * Nothing dispatches exceptions to handlers yet: what is raised ends the process with its code, as an exception does
 * that no handler takes. So the unwinder has no caller, and refuses in the same way.
 */
#include "base.h"

API NTSTATUS NtRaiseException(void *record, void *context, unsigned char first);

#define STATUS_NOT_IMPLEMENTED 0xc0000002u
#define EXCEPTION_NONCONTINUABLE 1
#define PARAMETERS_MAX 15

typedef struct Record {
    unsigned code, flags;
    struct Record *chained;
    void *address;
    unsigned parameters;
    uintptr_t parameter[PARAMETERS_MAX];
} Record;
_Static_assert(sizeof(Record) == 152, "EXCEPTION_RECORD");

/* The caller's registers into a CONTEXT. */
__asm__(
    ".globl RtlCaptureContext\nRtlCaptureContext:\n"
    "  pushfq\n  popq %rax\n  movl %eax, 0x44(%rcx)\n  movl $0x10000f, 0x30(%rcx)\n"
    "  stmxcsr 0x34(%rcx)\n  fxsave64 0x100(%rcx)\n"
    "  movw %cs, 0x38(%rcx)\n  movw %ds, 0x3a(%rcx)\n  movw %es, 0x3c(%rcx)\n  movw %fs, 0x3e(%rcx)\n"
    "  movw %gs, 0x40(%rcx)\n  movw %ss, 0x42(%rcx)\n"
    "  movq %rax, 0x78(%rcx)\n  movq %rcx, 0x80(%rcx)\n  movq %rdx, 0x88(%rcx)\n  movq %rbx, 0x90(%rcx)\n"
    "  leaq 8(%rsp), %rax\n  movq %rax, 0x98(%rcx)\n"
    "  movq %rbp, 0xa0(%rcx)\n  movq %rsi, 0xa8(%rcx)\n  movq %rdi, 0xb0(%rcx)\n  movq %r8, 0xb8(%rcx)\n"
    "  movq %r9, 0xc0(%rcx)\n  movq %r10, 0xc8(%rcx)\n  movq %r11, 0xd0(%rcx)\n  movq %r12, 0xd8(%rcx)\n"
    "  movq %r13, 0xe0(%rcx)\n  movq %r14, 0xe8(%rcx)\n  movq %r15, 0xf0(%rcx)\n"
    "  movq (%rsp), %rax\n  movq %rax, 0xf8(%rcx)\n  movq 0x78(%rcx), %rax\n  ret\n");
void RtlCaptureContext(void *context);

void RaiseException(unsigned code, unsigned flags, unsigned count, const uintptr_t *parameters) {
    char context[0x4d0] __attribute__((aligned(16)));
    Record record = {.code = code & ~0x10000000u, .flags = flags & EXCEPTION_NONCONTINUABLE,
                     .address = __builtin_return_address(0)};
    for (unsigned i = 0; parameters && i < count && i < PARAMETERS_MAX; i++) record.parameter[record.parameters++] = parameters[i];
    RtlCaptureContext(context);
    NtRaiseException(&record, context, 1);
    for (;;) NtTerminateProcess((HANDLE)-1, (NTSTATUS)record.code);
}

/* The function's entry in its module's exception directory, or NULL. */
void *RtlLookupFunctionEntry(uintptr_t at, uintptr_t *base, void *history) {
    (void)history;
    char *list = FIELD(char *, peb(), 0x18) + 0x10;
    for (char *entry = FIELD(char *, list, 0); entry != list; entry = FIELD(char *, entry, 0)) {
        char *image = FIELD(char *, entry, 0x30);
        if (at - (uintptr_t)image >= FIELD(unsigned, entry, 0x40)) continue;
        *base = (uintptr_t)image;
        if (FIELD(uint16_t, image, 0) != 0x5a4d) return NULL;
        char *headers = image + FIELD(unsigned, image, 0x3c), *table = image + FIELD(unsigned, headers, 0xa0);
        unsigned rva = (unsigned)(at - (uintptr_t)image);
        for (unsigned left = FIELD(unsigned, headers, 0xa4) / 12; left; left--, table += 12)
            if (rva >= FIELD(unsigned, table, 0) && rva < FIELD(unsigned, table, 4)) return table;
        return NULL;
    }
    return NULL;
}

void RtlUnwindEx(void) { RaiseException(STATUS_NOT_IMPLEMENTED, EXCEPTION_NONCONTINUABLE, 0, NULL); }
void RtlVirtualUnwind(void) { RaiseException(STATUS_NOT_IMPLEMENTED, EXCEPTION_NONCONTINUABLE, 0, NULL); }
