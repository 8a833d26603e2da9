//! Handles that are read and written: standard handles, `ReadFile`, `WriteFile`, `CloseHandle`.

use iced_x86::code_asm::*;

use super::{ERROR_INVALID_HANDLE, leave_bool};
use crate::NtStatus;
use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    m.func("GetStdHandle", get_std_handle)?;
    m.local("BasepMapStdHandle", map_std_handle)?;
    m.func("ReadFile", |a| transfer(a, "NtReadFile", true))?;
    m.func("WriteFile", |a| transfer(a, "NtWriteFile", false))?;
    m.func("CloseHandle", |a| {
        let frame = a.frame(&[], 0x28)?;
        a.invoke_import("NtClose")?;
        leave_bool(a, frame)
    })
}

/// rcx = a handle or a `STD_…_HANDLE` number, in 32 bits or sign-extended: rax = the handle it means.
///
/// kernelbase takes the three numbers for handles too.
fn map_std_handle(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let parameters = a.offset("PEB", "ProcessParameters")?;
    let input = a.offset("RTL_USER_PROCESS_PARAMETERS", "StandardInput")?;
    let [mut other] = a.labels();
    asm! { a;
        // -10, -11, -12 are StandardInput, StandardOutput, StandardError, which lie in this order.
        mov eax, -10;
        sub eax, ecx;
        cmp eax, 2;
        ja other;
        load_peb rdx;
        mov rdx, qword_ptr(rdx + parameters);
        mov rax, qword_ptr(rdx + rax * 8 + input);
        ret;
        bind &mut other;
        mov rax, rcx;
        ret;
    }
    Ok(())
}

/// `GetStdHandle`: ecx = -10, -11 or -12; INVALID_HANDLE_VALUE and ERROR_INVALID_HANDLE for another number.
fn get_std_handle(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut other] = a.labels();
    let frame = a.frame(&[], 0x28)?;
    asm! { a;
        mov eax, -10;
        sub eax, ecx;
        cmp eax, 2;
        ja other;
        invoke "BasepMapStdHandle";
        leave frame;
        bind &mut other;
        mov ecx, ERROR_INVALID_HANDLE;
        invoke_import "RtlSetLastWin32Error";
        mov rax, -1i64;
        leave frame;
    }
    Ok(())
}

/// `ReadFile`, `WriteFile`: rcx = the handle, rdx = the buffer, r8d = bytes, r9 = where the count goes or NULL,
/// fifth an OVERLAPPED or NULL.
///
/// Without an OVERLAPPED the call waits, and the end of a file is a read of no bytes.
fn transfer(a: &mut Asm<'_>, service: &'static str, reads: bool) -> Result<(), AsmError> {
    const IOSB: i32 = 0x50;
    const OFFSET: i32 = 0x60;
    let [mut overlapped, mut synchronous, mut done, mut failed, mut no_count, mut count, mut end] = a.labels();
    let frame = a.frame(&[rbx, rsi, rdi, r12], 0x68)?;
    asm! { a;
        mov rbx, r9;
        mov rdi, rdx;
        mov r12d, r8d;
        mov rsi, qword_ptr(rsp + frame.arg(5));
        invoke "BasepMapStdHandle";
        test rbx, rbx;
        jz no_count;
        mov dword_ptr(rbx), 0;
        bind &mut no_count;
        mov rcx, rax;
        mov qword_ptr(rsp + 0x28), rdi;
        mov qword_ptr(rsp + 0x30), r12;
        mov qword_ptr(rsp + 0x40), 0;
        xor edx, edx;
        xor r8d, r8d;
        xor r9d, r9d;
        test rsi, rsi;
        jnz overlapped;
        mov rdi, rcx;
        lea rax, qword_ptr(rsp + IOSB);
        mov qword_ptr(rsp + 0x20), rax;
        mov qword_ptr(rsp + 0x38), 0;
        mov qword_ptr(rsp + IOSB), NtStatus::PENDING.0 as i32;
        mov qword_ptr(rsp + IOSB + 8), 0;
        invoke_import service;
        lea rsi, qword_ptr(rsp + IOSB);
        cmp eax, NtStatus::PENDING.0;
        jne synchronous;
        mov rcx, rdi;
        xor edx, edx;
        xor r8d, r8d;
        invoke_import "NtWaitForSingleObject";
        test eax, eax;
        js failed;
        mov eax, dword_ptr(rsp + IOSB);
        bind &mut synchronous;
    }
    if reads {
        asm! { a;
            cmp eax, NtStatus::END_OF_FILE.0;
            je end;
        }
    }
    asm! { a;
        jmp done;
        // Internal and InternalHigh are the status block, Offset and OffsetHigh the place; an event
        // whose low bit is set keeps the completion from the port.
        bind &mut overlapped;
        mov qword_ptr(rsi), NtStatus::PENDING.0 as i32;
        mov qword_ptr(rsp + 0x20), rsi;
        mov rax, qword_ptr(rsi + 0x10);
        mov qword_ptr(rsp + OFFSET), rax;
        lea rax, qword_ptr(rsp + OFFSET);
        mov qword_ptr(rsp + 0x38), rax;
        mov rdx, qword_ptr(rsi + 0x18);
        test dl, 1;
        cmovz r9, rsi;
        invoke_import service;
        cmp eax, NtStatus::PENDING.0;
        je failed;
        // Errors move nothing; warnings do.
        bind &mut done;
        mov edx, eax;
        shr edx, 30;
        cmp edx, 3;
        je failed;
        test rbx, rbx;
        jz count;
        mov rdx, qword_ptr(rsi + 8);
        mov dword_ptr(rbx), edx;
        bind &mut count;
        test eax, eax;
        js failed;
    }
    if reads {
        a.bind(&mut end)?;
    }
    asm! { a;
        mov eax, 1;
        leave frame;
        bind &mut failed;
        mov ecx, eax;
        invoke_import "RtlSetLastWin32ErrorAndNtStatusFromNtStatus";
        xor eax, eax;
        leave frame;
    }
    Ok(())
}
