//! The process and the thread: identity, ends, errors, the debugger's flag.

use iced_x86::code_asm::*;

use super::{ERROR_INVALID_HANDLE, leave_bool, leave_error, leave_failed};
use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    m.func("ExitProcess", exit_process)?;
    m.func("TerminateProcess", terminate_process)?;
    m.func("GetExitCodeProcess", exit_code_process)?;
    m.func("GetLastError", |a| a.jump_import("RtlGetLastWin32Error"))?;
    m.func("SetLastError", |a| a.jump_import("RtlSetLastWin32Error"))?;
    m.func("GetCurrentProcess", |a| pseudo_handle(a, -1))?;
    m.func("GetCurrentThread", |a| pseudo_handle(a, -2))?;
    m.func("GetCurrentProcessId", |a| client_id(a, "UniqueProcess"))?;
    m.func("GetCurrentThreadId", |a| client_id(a, "UniqueThread"))?;
    m.func("IsDebuggerPresent", |a| {
        let debugged = a.offset("PEB", "BeingDebugged")?;
        asm! { a;
            load_peb rax;
            movzx eax, byte_ptr(rax + debugged);
            ret;
        }
        Ok(())
    })
}

/// `ExitProcess`: ecx = the exit code.
fn exit_process(a: &mut Asm<'_>) -> Result<(), AsmError> {
    a.frame(&[], 0x28)?;
    asm! { a;
        invoke_import "RtlExitUserProcess";
        int3;
    }
    Ok(())
}

/// `TerminateProcess`: rcx = the process, edx = its exit code. NULL, which the service takes for "the other
/// threads of this one", is refused.
fn terminate_process(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut null] = a.labels();
    let frame = a.frame(&[], 0x28)?;
    asm! { a;
        test rcx, rcx;
        jz null;
        invoke_import "NtTerminateProcess";
    }
    leave_bool(a, frame)?;
    a.bind(&mut null)?;
    leave_error(a, frame, ERROR_INVALID_HANDLE)
}

/// `GetExitCodeProcess`: rcx = the process, rdx = where the code goes (STILL_ACTIVE while it runs).
fn exit_code_process(a: &mut Asm<'_>) -> Result<(), AsmError> {
    // ProcessBasicInformation: ExitStatus comes first of 48 bytes.
    const INFORMATION: i32 = 0x30;
    const LENGTH: i32 = 48;
    let [mut failed] = a.labels();
    let frame = a.frame(&[rbx], INFORMATION + LENGTH)?;
    asm! { a;
        mov rbx, rdx;
        xor edx, edx;
        lea r8, qword_ptr(rsp + INFORMATION);
        mov r9d, LENGTH;
        mov qword_ptr(rsp + 0x20), 0;
        invoke_import "NtQueryInformationProcess";
        test eax, eax;
        js failed;
        mov eax, dword_ptr(rsp + INFORMATION);
        mov dword_ptr(rbx), eax;
        mov eax, 1;
        leave frame;
        bind &mut failed;
    }
    leave_failed(a, frame)
}

/// `GetCurrentProcess`, `GetCurrentThread`.
fn pseudo_handle(a: &mut Asm<'_>, handle: i64) -> Result<(), AsmError> {
    asm! { a;
        mov rax, handle;
        ret;
    }
    Ok(())
}

/// `GetCurrentProcessId`, `GetCurrentThreadId`.
fn client_id(a: &mut Asm<'_>, field: &'static str) -> Result<(), AsmError> {
    let offset = a.offset("TEB", "ClientId")? + a.offset("CLIENT_ID", field)?;
    asm! { a;
        load_teb rax;
        mov eax, dword_ptr(rax + offset);
        ret;
    }
    Ok(())
}
