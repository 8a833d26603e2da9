/* wow64.dll: access to the 32-bit program's memory, and the system call itself. */
    .text

/* NTSTATUS Wow64pCopy(void *to, const void *from, ULONG64 length): an access between Start and End that faults goes
 * on at Fault with the exception's code in EAX. */
    .globl Wow64pCopy
Wow64pCopy:
    push %rdi
    push %rsi
    mov %rcx, %rdi
    mov %rdx, %rsi
    mov %r8, %rcx
    .globl Wow64pCopyStart
Wow64pCopyStart:
    rep movsb
    .globl Wow64pCopyEnd
Wow64pCopyEnd:
    xor %eax, %eax
    .globl Wow64pCopyFault
Wow64pCopyFault:
    pop %rsi
    pop %rdi
    ret

/* NTSTATUS Wow64pSystemService(ULONG number, ULONG64 count, const ULONG64 *arguments) */
    .globl Wow64pSystemService
Wow64pSystemService:
    push %rbp
    mov %rsp, %rbp
    push %rdi
    push %rsi
    mov %ecx, %eax
    mov %r8, %rsi
    /* Arguments from the fifth on go above return address and home space. */
    lea 9(%rdx), %rcx
    and $-2, %rcx
    shl $3, %rcx
    sub %rcx, %rsp
    lea -4(%rdx), %rcx
    cmp $4, %rdx
    jbe 1f
    lea 0x28(%rsp), %rdi
    add $0x20, %rsi
    rep movsq
    mov %r8, %rsi
1:  mov (%rsi), %r10
    mov 8(%rsi), %rdx
    mov 16(%rsi), %r8
    mov 24(%rsi), %r9
    syscall
    lea -16(%rbp), %rsp
    pop %rsi
    pop %rdi
    pop %rbp
    ret
