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
_Static_assert(sizeof(Record) == AT(152, 80), "EXCEPTION_RECORD");

/* The caller's registers into a CONTEXT. */
#ifdef __x86_64__
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
#else
/* CONTEXT_CONTROL, CONTEXT_INTEGER and CONTEXT_SEGMENTS; EIP and ESP are those behind the call. */
__asm__(
    ".globl _RtlCaptureContext\n_RtlCaptureContext:\n"
    "  pushl %ebx\n  movl 8(%esp), %ebx\n"
    "  movl %eax, 0xb0(%ebx)\n  movl %ecx, 0xac(%ebx)\n  movl %edx, 0xa8(%ebx)\n"
    "  movl (%esp), %eax\n  movl %eax, 0xa4(%ebx)\n"
    "  movl %esi, 0xa0(%ebx)\n  movl %edi, 0x9c(%ebx)\n  movl %ebp, 0xb4(%ebx)\n"
    "  pushfl\n  popl %eax\n  movl %eax, 0xc0(%ebx)\n"
    "  movl 4(%esp), %eax\n  movl %eax, 0xb8(%ebx)\n  leal 8(%esp), %eax\n  movl %eax, 0xc4(%ebx)\n"
    "  movl $0x10007, (%ebx)\n"
    "  movl %cs, %eax\n  movl %eax, 0xbc(%ebx)\n  movl %ds, %eax\n  movl %eax, 0x98(%ebx)\n"
    "  movl %es, %eax\n  movl %eax, 0x94(%ebx)\n  movl %fs, %eax\n  movl %eax, 0x90(%ebx)\n"
    "  movl %gs, %eax\n  movl %eax, 0x8c(%ebx)\n  movl %ss, %eax\n  movl %eax, 0xc8(%ebx)\n"
    "  movl 0xb0(%ebx), %eax\n  popl %ebx\n  ret $4\n");
#endif
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

#ifdef __x86_64__
/* The function's entry in its module's exception directory, or NULL. */
void *RtlLookupFunctionEntry(uintptr_t at, uintptr_t *base, void *history) {
    (void)history;
    char *list = loaded_modules();
    for (char *entry = FIELD(char *, list, 0); entry != list; entry = FIELD(char *, entry, 0)) {
        char *image = FIELD(char *, entry, MODULE_BASE);
        if (at - (uintptr_t)image >= FIELD(unsigned, entry, MODULE_SIZE)) continue;
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
#else
void RtlUnwind(void *frame, void *target, void *record, void *value) {
    (void)frame, (void)target, (void)record, (void)value;
    RaiseException(STATUS_NOT_IMPLEMENTED, EXCEPTION_NONCONTINUABLE, 0, NULL);
}
#endif
