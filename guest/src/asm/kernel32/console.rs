//! The console: `WriteConsoleA`, `WriteConsoleW`. Its bytes are UTF-8.

use iced_x86::code_asm::*;

use super::leave_failed;
use crate::NtStatus;
use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    m.func("WriteConsoleA", write_bytes)?;
    m.func("WriteConsoleW", write_wide)?;
    m.local("BasepWriteAndWait", write_and_wait)?;
    Ok(())
}

/// rcx = a handle, rdx = bytes, r8d = how many: eax = the status of writing them, waited for.
fn write_and_wait(a: &mut Asm<'_>) -> Result<(), AsmError> {
    const IOSB: i32 = 0x50;
    let [mut done] = a.labels();
    let frame = a.frame(&[rbx], 0x60)?;
    asm! { a;
        mov rbx, rcx;
        lea rax, qword_ptr(rsp + IOSB);
        mov qword_ptr(rsp + 0x20), rax;
        mov qword_ptr(rsp + 0x28), rdx;
        mov dword_ptr(rsp + 0x30), r8d;
        mov qword_ptr(rsp + 0x38), 0;
        mov qword_ptr(rsp + 0x40), 0;
        xor edx, edx;
        xor r8d, r8d;
        xor r9d, r9d;
        invoke_import "NtWriteFile";
        cmp eax, NtStatus::PENDING.0;
        jne done;
        mov rcx, rbx;
        xor edx, edx;
        xor r8d, r8d;
        invoke_import "NtWaitForSingleObject";
        test eax, eax;
        js done;
        mov eax, dword_ptr(rsp + IOSB);
        bind &mut done;
        leave frame;
    }
    Ok(())
}

/// `WriteConsoleA`: rcx = a handle, rdx = the text, r8d = bytes, r9 = where their number goes or NULL.
fn write_bytes(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut no_count, mut count, mut failed] = a.labels();
    let frame = a.frame(&[rbx, rsi], 0x20)?;
    asm! { a;
        mov rbx, r9;
        mov esi, r8d;
        test rbx, rbx;
        jz no_count;
        mov dword_ptr(rbx), 0;
        bind &mut no_count;
        invoke "BasepWriteAndWait";
        test eax, eax;
        js failed;
        test rbx, rbx;
        jz count;
        mov dword_ptr(rbx), esi;
        bind &mut count;
        mov eax, 1;
        leave frame;
        bind &mut failed;
    }
    leave_failed(a, frame)
}

/// `WriteConsoleW`: rcx = a handle, rdx = the text, r8d = UTF-16 units, r9 = where their number goes or NULL.
fn write_wide(a: &mut Asm<'_>) -> Result<(), AsmError> {
    const BUFFER: i32 = 0x20;
    const ROOM: i32 = 0x200;
    let [mut no_count, mut next, mut done, mut count, mut failed] = a.labels();
    let frame = a.frame(&[rbx, rsi, rdi, r12, r13], BUFFER + ROOM)?;
    asm! { a;
        mov r12, rcx;
        mov rsi, rdx;
        mov edi, r8d;
        mov r13d, r8d;
        mov rbx, r9;
        test rbx, rbx;
        jz no_count;
        mov dword_ptr(rbx), 0;
        bind &mut no_count;
        bind &mut next;
        test edi, edi;
        jz done;
        mov rcx, rsi;
        mov edx, edi;
        lea r8, qword_ptr(rsp + BUFFER);
        mov r9d, ROOM;
        invoke "BasepUtf8FromUtf16";
        lea rsi, qword_ptr(rsi + rdx * 2);
        sub edi, edx;
        mov rcx, r12;
        lea rdx, qword_ptr(rsp + BUFFER);
        mov r8d, eax;
        invoke "BasepWriteAndWait";
        test eax, eax;
        jns next;
        jmp failed;
        bind &mut done;
        test rbx, rbx;
        jz count;
        mov dword_ptr(rbx), r13d;
        bind &mut count;
        mov eax, 1;
        leave frame;
        bind &mut failed;
    }
    leave_failed(a, frame)
}
