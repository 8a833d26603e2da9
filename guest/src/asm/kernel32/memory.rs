//! Virtual memory: allocate, free, protect, query, read and write another process's.

use iced_x86::code_asm::*;

use super::{CURRENT_PROCESS, ERROR_INVALID_PARAMETER, leave_bool, leave_error, leave_value};
use crate::NtStatus;
use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;

const MEM_RELEASE: i32 = 0x8000;
/// Protections that let a process write: READWRITE, WRITECOPY and their EXECUTE forms.
const WRITABLE: i32 = 0xcc;
/// Protections that `WriteProcessMemory` lifts for the while: EXECUTE, EXECUTE_READ.
const CODE: i32 = 0x30;
const PAGE_EXECUTE_READWRITE: i32 = 0x40;

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    m.func("VirtualAlloc", |a| with_current_process(a, "VirtualAllocEx", true))?;
    m.func("VirtualAllocEx", alloc)?;
    m.func("VirtualFree", |a| with_current_process(a, "VirtualFreeEx", false))?;
    m.func("VirtualFreeEx", free)?;
    m.func("VirtualProtect", |a| with_current_process(a, "VirtualProtectEx", true))?;
    m.func("VirtualProtectEx", protect)?;
    m.func("VirtualQuery", |a| with_current_process(a, "VirtualQueryEx", false))?;
    m.func("VirtualQueryEx", query)?;
    m.func("ReadProcessMemory", |a| copy(a, "NtReadVirtualMemory"))?;
    m.func("WriteProcessMemory", write)?;
    m.func("FlushInstructionCache", |a| {
        let frame = a.frame(&[], 0x28)?;
        a.invoke_import("NtFlushInstructionCache")?;
        leave_bool(a, frame)
    })?;
    m.func("GetProcessHeap", |a| {
        let heap = a.offset("PEB", "ProcessHeap")?;
        a.load_peb(rax)?;
        a.mov(rax, qword_ptr(rax + heap))?;
        Ok(a.ret()?)
    })
}

/// A function whose `…Ex` form takes the process first: shifts the arguments, four of them if `fourth`.
fn with_current_process(a: &mut Asm<'_>, ex: &'static str, fourth: bool) -> Result<(), AsmError> {
    let frame = a.frame(&[], 0x28)?;
    if fourth {
        a.mov(qword_ptr(rsp + 0x20), r9)?;
    }
    asm! { a;
        mov r9, r8;
        mov r8, rdx;
        mov rdx, rcx;
        mov rcx, CURRENT_PROCESS;
        invoke ex;
        leave frame;
    }
    Ok(())
}

/// `VirtualAllocEx`: rcx = the process, rdx = where or NULL, r8 = bytes, r9d = what to do, fifth the protection.
fn alloc(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut low, mut address_ok] = a.labels();
    let frame = a.frame(&[], 0x48)?;
    asm! { a;
        // An address that rounds down to 0 would let the system choose.
        test rdx, rdx;
        jz address_ok;
        cmp rdx, 0x1_0000;
        jb low;
        bind &mut address_ok;
        mov qword_ptr(rsp + 0x30), rdx;
        mov qword_ptr(rsp + 0x38), r8;
        mov dword_ptr(rsp + 0x20), r9d;
        mov eax, dword_ptr(rsp + frame.arg(5));
        mov dword_ptr(rsp + 0x28), eax;
        lea rdx, qword_ptr(rsp + 0x30);
        xor r8d, r8d;
        lea r9, qword_ptr(rsp + 0x38);
        invoke_import "NtAllocateVirtualMemory";
    }
    leave_value(a, frame, 0x30)?;
    a.bind(&mut low)?;
    leave_error(a, frame, ERROR_INVALID_PARAMETER)
}

/// `VirtualFreeEx`: rcx = the process, rdx = where, r8 = bytes, r9d = what to do. MEM_RELEASE takes no size.
fn free(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut bad, mut good, mut done] = a.labels();
    let frame = a.frame(&[], 0x38)?;
    asm! { a;
        test r9d, MEM_RELEASE;
        jz good;
        test r8, r8;
        jnz bad;
        bind &mut good;
        mov qword_ptr(rsp + 0x20), rdx;
        mov qword_ptr(rsp + 0x28), r8;
        lea rdx, qword_ptr(rsp + 0x20);
        lea r8, qword_ptr(rsp + 0x28);
        invoke_import "NtFreeVirtualMemory";
        jmp done;
        bind &mut bad;
        mov eax, NtStatus::INVALID_PARAMETER.0;
        bind &mut done;
    }
    leave_bool(a, frame)
}

/// `VirtualProtectEx`: rcx = the process, rdx = where, r8 = bytes, r9d = the protection, fifth where the old one goes.
fn protect(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let frame = a.frame(&[], 0x38)?;
    asm! { a;
        mov qword_ptr(rsp + 0x28), rdx;
        mov qword_ptr(rsp + 0x30), r8;
        mov rax, qword_ptr(rsp + frame.arg(5));
        mov qword_ptr(rsp + 0x20), rax;
        lea rdx, qword_ptr(rsp + 0x28);
        lea r8, qword_ptr(rsp + 0x30);
        invoke_import "NtProtectVirtualMemory";
    }
    leave_bool(a, frame)
}

/// `VirtualQueryEx`: rcx = the process, rdx = an address, r8 = a MEMORY_BASIC_INFORMATION, r9 = its bytes; how many
/// were written, or 0.
fn query(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let frame = a.frame(&[], 0x38)?;
    asm! { a;
        mov qword_ptr(rsp + 0x20), r9;
        mov r9, r8;
        // MemoryBasicInformation
        xor r8d, r8d;
        lea rax, qword_ptr(rsp + 0x30);
        mov qword_ptr(rsp + 0x28), rax;
        invoke_import "NtQueryVirtualMemory";
    }
    leave_value(a, frame, 0x30)
}

/// `ReadProcessMemory`: rcx = the process, rdx = an address there, r8 = a buffer here, r9 = bytes, fifth where their
/// number goes or NULL.
fn copy(a: &mut Asm<'_>, service: &'static str) -> Result<(), AsmError> {
    let [mut no_count] = a.labels();
    let frame = a.frame(&[rbx], 0x30)?;
    asm! { a;
        mov rbx, qword_ptr(rsp + frame.arg(5));
        mov qword_ptr(rsp + 0x28), 0;
        lea rax, qword_ptr(rsp + 0x28);
        mov qword_ptr(rsp + 0x20), rax;
        invoke_import service;
        test rbx, rbx;
        jz no_count;
        mov rdx, qword_ptr(rsp + 0x28);
        mov qword_ptr(rbx), rdx;
        bind &mut no_count;
    }
    leave_bool(a, frame)
}

/// `WriteProcessMemory`: as above, the other way. Code that is not writable is made so for the while, and is
/// flushed from the instruction cache; data that is read-only or inaccessible stays so, with STATUS_ACCESS_VIOLATION.
fn write(a: &mut Asm<'_>) -> Result<(), AsmError> {
    const BASE: i32 = 0x30;
    const SIZE: i32 = 0x38;
    const OLD: i32 = 0x40;
    const COUNT: i32 = 0x48;
    let [mut failed, mut transfer, mut no_count, mut restored, mut done, mut read_only] = a.labels();
    let frame = a.frame(&[rbx, rsi, rdi, r12, r13, r14, r15], 0x50)?;
    asm! { a;
        mov rbx, rcx;
        mov rsi, rdx;
        mov rdi, r8;
        mov r12, r9;
        mov qword_ptr(rsp + BASE), rdx;
        mov qword_ptr(rsp + SIZE), r9;
        mov qword_ptr(rsp + COUNT), 0;
        mov r9d, PAGE_EXECUTE_READWRITE;
        call_protect BASE, SIZE, OLD;
        test eax, eax;
        js failed;
        mov r13d, dword_ptr(rsp + OLD);
        test r13d, CODE;
        jnz transfer;
        // Anything else gets its own protection back before a byte is written.
        mov rcx, rbx;
        mov r9d, r13d;
        call_protect BASE, SIZE, OLD;
        test r13d, WRITABLE;
        jz read_only;
        bind &mut transfer;
        mov rcx, rbx;
        mov rdx, rsi;
        mov r8, rdi;
        mov r9, r12;
        lea rax, qword_ptr(rsp + COUNT);
        mov qword_ptr(rsp + 0x20), rax;
        invoke_import "NtWriteVirtualMemory";
        mov r14d, eax;
        mov r15, qword_ptr(rsp + frame.arg(5));
        test r15, r15;
        jz no_count;
        mov rdx, qword_ptr(rsp + COUNT);
        mov qword_ptr(r15), rdx;
        bind &mut no_count;
        test r13d, CODE;
        jz restored;
        mov rcx, rbx;
        mov r9d, r13d;
        call_protect BASE, SIZE, OLD;
        bind &mut restored;
        mov rcx, rbx;
        mov rdx, rsi;
        mov r8, r12;
        invoke_import "NtFlushInstructionCache";
        mov eax, r14d;
        jmp done;
        bind &mut read_only;
        mov eax, NtStatus::ACCESS_VIOLATION.0;
        bind &mut failed;
        bind &mut done;
    }
    leave_bool(a, frame)
}

impl Asm<'_> {
    /// `NtProtectVirtualMemory` of rcx with protection r9d, over a base and a size in the frame.
    fn call_protect(&mut self, base: i32, size: i32, old: i32) -> Result<(), AsmError> {
        asm! { self;
            lea rdx, qword_ptr(rsp + base);
            lea r8, qword_ptr(rsp + size);
            lea rax, qword_ptr(rsp + old);
            mov qword_ptr(rsp + 0x20), rax;
            invoke_import "NtProtectVirtualMemory";
        }
        Ok(())
    }
}
