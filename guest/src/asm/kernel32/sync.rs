//! Waiting, and handles to what is waited for.

use iced_x86::code_asm::*;

use super::{OBJ_INHERIT, leave_bool};
use crate::NtStatus;
use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;

const INFINITE: i32 = -1;
/// 100 ns units in a millisecond.
const MILLISECOND: i32 = 10_000;

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    m.func("WaitForSingleObject", |a| {
        a.xor(r8d, r8d)?;
        a.jump("WaitForSingleObjectEx")
    })?;
    m.func("WaitForSingleObjectEx", wait)?;
    m.func("DuplicateHandle", duplicate)
}

/// `WaitForSingleObjectEx`: rcx = a handle, edx = milliseconds, r8d = alertable; the status the wait ended with
/// (0, WAIT_ABANDONED, WAIT_IO_COMPLETION, WAIT_TIMEOUT), or WAIT_FAILED.
fn wait(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut again, mut infinite, mut timed, mut failed, mut done] = a.labels();
    let frame = a.frame(&[rbx, rsi, rdi], 0x30)?;
    asm! { a;
        mov rbx, rcx;
        xor esi, esi;
        test r8d, r8d;
        setne sil;
        cmp edx, INFINITE;
        je infinite;
        mov eax, edx;
        imul_3 rax, rax, MILLISECOND;
        neg rax;
        mov qword_ptr(rsp + 0x20), rax;
        lea rdi, qword_ptr(rsp + 0x20);
        jmp timed;
        bind &mut infinite;
        xor edi, edi;
        bind &mut timed;
        bind &mut again;
        mov rcx, rbx;
        mov edx, esi;
        mov r8, rdi;
        invoke_import "NtWaitForSingleObject";
        test eax, eax;
        js failed;
        test esi, esi;
        jz done;
        cmp eax, NtStatus::ALERTED.0;
        je again;
        bind &mut done;
        leave frame;
        bind &mut failed;
        mov ecx, eax;
        invoke_import "RtlSetLastWin32ErrorAndNtStatusFromNtStatus";
        mov eax, -1;
        leave frame;
    }
    Ok(())
}

/// `DuplicateHandle`: rcx, rdx = process and handle, r8 = the other process, r9 = where its handle goes, then access,
/// inheritable, options.
fn duplicate(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut not_inherited] = a.labels();
    let frame = a.frame(&[], 0x38)?;
    asm! { a;
        mov eax, dword_ptr(rsp + frame.arg(5));
        mov dword_ptr(rsp + 0x20), eax;
        mov eax, dword_ptr(rsp + frame.arg(7));
        mov dword_ptr(rsp + 0x30), eax;
        xor eax, eax;
        cmp dword_ptr(rsp + frame.arg(6)), eax;
        je not_inherited;
        mov eax, OBJ_INHERIT;
        bind &mut not_inherited;
        mov dword_ptr(rsp + 0x28), eax;
        invoke_import "NtDuplicateObject";
    }
    leave_bool(a, frame)
}
