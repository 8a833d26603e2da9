//! Loaded modules: handles by name, names by handle, exports.

use iced_x86::code_asm::*;

use super::text::with_wide_name;
use super::{ERROR_INSUFFICIENT_BUFFER, leave_failed, leave_value};
use crate::NtStatus;
use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    m.func("GetModuleHandleA", |a| with_wide_name(a, "GetModuleHandleW", 1))?;
    m.func("GetModuleHandleW", get_module_handle)?;
    m.func("GetModuleFileNameW", get_module_file_name)?;
    m.local("BasepFindEntry", find_entry)?;
    m.func("GetProcAddress", get_proc_address)
}

/// `GetModuleHandleW`: rcx = a module's name, or NULL for the program; its base, or NULL with ERROR_MOD_NOT_FOUND.
fn get_module_handle(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let image = a.offset("PEB", "ImageBaseAddress")?;
    let [mut named] = a.labels();
    let frame = a.frame(&[], 0x38)?;
    asm! { a;
        test rcx, rcx;
        jnz named;
        load_peb rax;
        mov rax, qword_ptr(rax + image);
        leave frame;
        bind &mut named;
        mov rdx, rcx;
        lea rcx, qword_ptr(rsp + 0x20);
        invoke_import "RtlInitUnicodeString";
        xor ecx, ecx;
        xor edx, edx;
        lea r8, qword_ptr(rsp + 0x20);
        lea r9, qword_ptr(rsp + 0x30);
        invoke_import "LdrGetDllHandle";
    }
    leave_value(a, frame, 0x30)
}

/// `GetModuleFileNameW`: rcx = a base or NULL for the program, rdx = a buffer, r8d = its units; the path's units. One
/// that does not fit is cut to the buffer, its size returned and the last error ERROR_INSUFFICIENT_BUFFER.
fn get_module_file_name(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let image = a.offset("PEB", "ImageBaseAddress")?;
    let name = a.offset("LDR_DATA_TABLE_ENTRY", "FullDllName")?;
    let [mut given, mut fits, mut cut, mut none] = a.labels();
    let frame = a.frame(&[rbx, rsi, rdi, r12], 0x20)?;
    asm! { a;
        mov rbx, rdx;
        mov esi, r8d;
        test rcx, rcx;
        jnz given;
        load_peb rax;
        mov rcx, qword_ptr(rax + image);
        bind &mut given;
        invoke "BasepFindEntry";
        test rax, rax;
        jz none;
        movzx edi, word_ptr(rax + name);
        shr edi, 1;
        mov r12d, edi;
        mov rdx, qword_ptr(rax + name + 8);
        cmp edi, esi;
        jb fits;
        // edi = the units that fit before a zero.
        test esi, esi;
        jz cut;
        lea edi, dword_ptr(rsi - 1);
        bind &mut fits;
        mov rcx, rbx;
        lea r8d, dword_ptr(rdi + rdi);
        invoke_import "memmove";
        mov word_ptr(rbx + rdi * 2), 0;
        cmp r12d, esi;
        jae cut;
        mov eax, edi;
        leave frame;
        bind &mut cut;
        mov ecx, ERROR_INSUFFICIENT_BUFFER;
        invoke_import "RtlSetLastWin32Error";
        mov eax, esi;
        leave frame;
        bind &mut none;
        mov eax, NtStatus::DLL_NOT_FOUND.0;
    }
    leave_failed(a, frame)
}

/// `GetProcAddress`: rcx = a base or NULL for the program, rdx = a name, or an ordinal below 10000 hexadecimal.
fn get_proc_address(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let image = a.offset("PEB", "ImageBaseAddress")?;
    let [mut given, mut ordinal, mut look_up] = a.labels();
    let frame = a.frame(&[rbx], 0x40)?;
    asm! { a;
        test rcx, rcx;
        jnz given;
        load_peb rax;
        mov rcx, qword_ptr(rax + image);
        bind &mut given;
        mov rbx, rcx;
        cmp rdx, 0x1_0000;
        jb ordinal;
        lea rcx, qword_ptr(rsp + 0x20);
        invoke_import "RtlInitAnsiString";
        lea rdx, qword_ptr(rsp + 0x20);
        xor r8d, r8d;
        jmp look_up;
        bind &mut ordinal;
        mov r8d, edx;
        xor edx, edx;
        bind &mut look_up;
        mov rcx, rbx;
        lea r9, qword_ptr(rsp + 0x30);
        invoke_import "LdrGetProcedureAddress";
    }
    leave_value(a, frame, 0x30)
}

/// rcx = a base: rax = the `LDR_DATA_TABLE_ENTRY` of the module loaded there, or 0.
fn find_entry(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let ldr = a.offset("PEB", "Ldr")?;
    let head = a.offset("PEB_LDR_DATA", "InLoadOrderModuleList")?;
    let links = a.offset("LDR_DATA_TABLE_ENTRY", "InLoadOrderLinks")?;
    let base = a.offset("LDR_DATA_TABLE_ENTRY", "DllBase")? - links;
    let [mut next, mut none] = a.labels();
    asm! { a;
        load_peb rdx;
        mov rdx, qword_ptr(rdx + ldr);
        test rdx, rdx;
        jz none;
        add rdx, head;
        mov rax, rdx;
        bind &mut next;
        mov rax, qword_ptr(rax);
        cmp rax, rdx;
        je none;
        cmp qword_ptr(rax + base), rcx;
        jne next;
    }
    if links != 0 {
        a.sub(rax, links)?;
    }
    asm! { a;
        ret;
        bind &mut none;
        xor eax, eax;
        ret;
    }
    Ok(())
}
