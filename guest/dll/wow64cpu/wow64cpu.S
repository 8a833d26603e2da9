/* wow64cpu.dll: the way of 32-bit code into 64-bit code and back (Heaven's gate).
 *
 * While 32-bit code runs, r12 is the 64-bit TEB, r13 the saved 32-bit registers (a CONTEXT in the thread's CPU area:
 * TLS slot 1, 80h bytes in), r14 the 64-bit stack and r15 the table of turbo thunks. Compatibility mode cannot
 * reach any of them. Those registers, the table's slot 31 and the thunks' indexes are what public analyses of
 * wow64cpu describe.
 */
    .set TEB_CPU_AREA, 0x1488
    .set CPU_EDI, 0x20
    .set CPU_ESI, 0x24
    .set CPU_EBX, 0x28
    .set CPU_EDX, 0x2c
    .set CPU_ECX, 0x30
    .set CPU_EAX, 0x34
    .set CPU_EBP, 0x38
    .set CPU_EIP, 0x3c
    .set CPU_FLAGS, 0x44
    .set CPU_ESP, 0x48
    .set CPU_EXTENDED, 0x50
    .set AREA_FLAGS, -0x80
    .set RESET_STATE, 1
    .set DATA, 0x2b
    .set CODE64, 0x33
    .set CODE32, 0x23
    .set SLOT_RETURN, 31 * 8

    .text

/* What Wow64Transition and TEB32.WOW32Reserved lead to: 32-bit code of seven bytes, `jmp 33:next`. */
    .macro gate name, next
    .globl \name
    .balign 16
\name:
    .byte 0xea
    .long \next
    .word CODE64
    .endm

    /* 8 and later: EAX has the turbo index in its high half. */
    gate KiFastSystemCall, CpupSwitched
    /* 7: ECX is the turbo index, EDX the arguments, and the stub itself drops the return address. */
    gate X86SwitchTo64BitMode7, CpupSwitched7
    /* XP to Vista: the same, but the return address is dropped here. */
    gate X86SwitchTo64BitModeXp, CpupSwitchedXp

    .balign 16
    .globl CpupSwitched
CpupSwitched:
    jmp *SLOT_RETURN(%r15)

    .macro enter
    xchg %rsp, %r14
    mov %r14d, %r14d
    mov (%r14), %r8d
    lea 4(%r14), %r14
    mov %r8d, CPU_EIP(%r13)
    mov %r14d, CPU_ESP(%r13)
    mov %edi, CPU_EDI(%r13)
    mov %esi, CPU_ESI(%r13)
    mov %ebx, CPU_EBX(%r13)
    mov %ebp, CPU_EBP(%r13)
    pushfq
    pop %r8
    mov %r8d, CPU_FLAGS(%r13)
    cld
    .endm

    .globl CpupSwitched7
CpupSwitched7:
    enter
    /* add esp,4 comes behind the call in the stub. */
    sub $4, %r14d
    mov %r14d, CPU_ESP(%r13)
    add $4, %r14d
    jmp by_ecx
    .globl CpupSwitchedXp
CpupSwitchedXp:
    enter
by_ecx:
    mov %edx, %r11d
    jmp dispatch

    .globl CpupReturnFromSimulatedCode
CpupReturnFromSimulatedCode:
    enter
    lea 4(%r14), %r11
    mov %eax, %ecx
    shr $16, %ecx
dispatch:
    movzwl %ax, %eax
    /* An index that the table does not have takes the general way. */
    cmp $31, %ecx
    sbb %edx, %edx
    and %edx, %ecx
    jmp *(%r15,%rcx,8)

/* The general way: wow64.dll converts the arguments. */
    .globl TurboDispatchJumpAddressEnd
TurboDispatchJumpAddressEnd:
    mov %eax, %ecx
    mov %r11, %rdx
    call *__imp_Wow64SystemServiceEx(%rip)
    jmp CpupReturn

/* Quick ways for services whose arguments need widening alone: `s` keeps the sign, `n` does not. */
    .macro arg_s at, wide, narrow
    movslq \at(%r11), \wide
    .endm
    .macro arg_n at, wide, narrow
    mov \at(%r11), \narrow
    .endm
    .macro thunk name, a, b, c, d
    .globl \name
\name:
    .ifnb \d
    arg_\d 12, %r9, %r9d
    .endif
    .ifnb \c
    arg_\c 8, %r8, %r8d
    .endif
    .ifnb \b
    arg_\b 4, %rdx, %edx
    .endif
    .ifnb \a
    arg_\a 0, %r10, %r10d
    .endif
    call CpupSyscallStub
    jmp CpupReturn
    .endm
    thunk Thunk0Arg
    thunk Thunk1ArgSp, s
    thunk Thunk1ArgNSp, n
    thunk Thunk2ArgNSpNSp, n, n
    thunk Thunk2ArgSpNSp, s, n
    thunk Thunk2ArgSpSp, s, s
    thunk Thunk2ArgNSpSp, n, s
    thunk Thunk3ArgNSpNSpNSp, n, n, n
    thunk Thunk3ArgSpSpSp, s, s, s
    thunk Thunk3ArgSpNSpNSp, s, n, n
    thunk Thunk3ArgSpSpNSp, s, s, n
    thunk Thunk3ArgNSpSpNSp, n, s, n
    thunk Thunk3ArgSpNSpSp, s, n, s
    thunk Thunk4ArgNSpNSpNSpNSp, n, n, n, n
    thunk Thunk4ArgSpSpNSpNSp, s, s, n, n
    thunk Thunk4ArgSpNSpNSpNSp, s, n, n, n
    thunk Thunk4ArgNSpSpNSpNSp, n, s, n, n
    thunk Thunk4ArgSpSpSpNSp, s, s, s, n

    .globl CpupSyscallStub
CpupSyscallStub:
    syscall
    ret

/* Back to 32-bit code: what it saved, and EAX. */
    .globl CpupReturn
CpupReturn:
    testb $RESET_STATE, AREA_FLAGS(%r13)
    jnz CpupReload
    mov %eax, CPU_EAX(%r13)
    mov CPU_EDI(%r13), %edi
    mov CPU_ESI(%r13), %esi
    mov CPU_EBX(%r13), %ebx
    mov CPU_EBP(%r13), %ebp
    mov CPU_FLAGS(%r13), %r8d
    push %r8
    mov CPU_EIP(%r13), %r9d
    mov %r9d, 8(%rsp)
    movl $CODE32, 12(%rsp)
    popfq
    mov %rsp, %r14
    mov CPU_ESP(%r13), %esp
    ljmp *(%r14)

/* Back with registers that were set: all of them are loaded, and the flags with CS and EIP, so that a trap flag is the
 * 32-bit code's. The 64-bit stack is left as it is found the next time. */
    .globl CpupReload
CpupReload:
    andb $~RESET_STATE, AREA_FLAGS(%r13)
    fxrstor CPU_EXTENDED(%r13)
    mov CPU_EDI(%r13), %edi
    mov CPU_ESI(%r13), %esi
    mov CPU_EBX(%r13), %ebx
    mov CPU_EDX(%r13), %edx
    mov CPU_ECX(%r13), %ecx
    mov CPU_EAX(%r13), %eax
    mov CPU_EBP(%r13), %ebp
    mov %rsp, %r14
    push $DATA
    mov CPU_ESP(%r13), %r8d
    push %r8
    mov CPU_FLAGS(%r13), %r8d
    push %r8
    push $CODE32
    mov CPU_EIP(%r13), %r8d
    push %r8
    iretq

/* The first time: every register from the CPU area. RSP is the 64-bit stack. */
    .globl BTCpuSimulate
BTCpuSimulate:
    mov %gs:0x30, %r12
    lea TurboThunkDispatch(%rip), %r15
    mov TEB_CPU_AREA(%r12), %r13
    add $0x80, %r13
    and $-16, %rsp
    sub $0x40, %rsp
    mov CPU_ECX(%r13), %ecx
    mov CPU_EDX(%r13), %edx
    mov CPU_EAX(%r13), %eax
    jmp CpupReturn

    .section .rdata, "dr"
    .balign 8
    .globl TurboThunkDispatch
TurboThunkDispatch:
    .quad TurboDispatchJumpAddressEnd   /* 0 */
    .quad Thunk0Arg
    .quad Thunk0Arg                     /* 2: reloads state */
    .quad Thunk1ArgSp
    .quad Thunk1ArgNSp                  /* 4 */
    .quad Thunk2ArgNSpNSp
    .quad Thunk2ArgNSpNSp               /* 6: reloads state */
    .quad Thunk2ArgSpNSp
    .quad Thunk2ArgSpSp                 /* 8 */
    .quad Thunk2ArgNSpSp
    .quad Thunk3ArgNSpNSpNSp            /* A */
    .quad Thunk3ArgSpSpSp
    .quad Thunk3ArgSpNSpNSp             /* C */
    .quad Thunk3ArgSpNSpNSp             /* D: reloads state */
    .quad Thunk3ArgSpSpNSp              /* E */
    .quad Thunk3ArgNSpSpNSp
    .quad Thunk3ArgSpNSpSp              /* 10 */
    .quad Thunk4ArgNSpNSpNSpNSp
    .quad Thunk4ArgSpSpNSpNSp           /* 12 */
    .quad Thunk4ArgSpSpNSpNSp           /* 13: reloads state */
    .quad Thunk4ArgSpNSpNSpNSp          /* 14 */
    .quad Thunk4ArgSpNSpNSpNSp          /* 15: reloads state */
    .quad Thunk4ArgNSpSpNSpNSp          /* 16 */
    .quad Thunk4ArgSpSpSpNSp
    /* 18 to 1E: QuerySystemTime, GetCurrentProcessorNumber, ReadWriteFile, DeviceIoctlFile, RemoveIoCompletion,
       WaitForMultipleObjects, WaitForMultipleObjects32: structures to convert. */
    .rept 7
    .quad TurboDispatchJumpAddressEnd
    .endr
    .quad CpupReturnFromSimulatedCode   /* 1F */
