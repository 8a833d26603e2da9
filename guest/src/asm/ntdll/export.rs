//! Exports: by name or ordinal, forwarders followed.

use iced_x86::code_asm::*;

use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;

const STATUS_INVALID_PARAMETER: u32 = 0xc000_000d;
const STATUS_PROCEDURE_NOT_FOUND: u32 = 0xc000_007a;
const STATUS_DLL_NOT_FOUND: u32 = 0xc000_0135;
const STATUS_ORDINAL_NOT_FOUND: u32 = 0xc000_0138;
const STATUS_ENTRYPOINT_NOT_FOUND: u32 = 0xc000_0139;

/// Fields of `IMAGE_EXPORT_DIRECTORY`.
const BASE: i32 = 0x10;
const FUNCTION_COUNT: i32 = 0x14;
const NAME_COUNT: i32 = 0x18;
const FUNCTIONS: i32 = 0x1c;
const NAMES: i32 = 0x20;
const NAME_ORDINALS: i32 = 0x24;

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    m.func("LdrGetProcedureAddress", get_procedure_address)?;
    m.local("LdrpFindExport", find_export)?;
    m.local("LdrpCompareName", compare_name)?;
    m.local("LdrpFollowForwarder", follow_forwarder)?;
    Ok(())
}

/// `LdrGetProcedureAddress`: rcx = a module's base, rdx = an ANSI_STRING or NULL, r8d = the ordinal if it is NULL, r9 =
/// where the address goes.
fn get_procedure_address(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut ordinal, mut bad, mut no_module, mut done] = a.labels();
    let frame = a.frame(&[rbx, rsi], 0x20)?;
    asm! { a;
        mov rbx, r9;
        mov r9d, r8d;
        mov rsi, rdx;
        invoke "LdrpFindEntry";
        test rax, rax;
        jz no_module;
        mov rdx, rsi;
        xor r8d, r8d;
        test rdx, rdx;
        jz ordinal;
        movzx r8d, word_ptr(rdx);
        mov rdx, qword_ptr(rdx + 8);
        test rdx, rdx;
        jz bad;
        bind &mut ordinal;
        invoke "LdrpFindExport";
        test eax, eax;
        js done;
        mov qword_ptr(rbx), rdx;
        bind &mut done;
        leave frame;
        bind &mut bad;
        mov eax, STATUS_INVALID_PARAMETER;
        leave frame;
        bind &mut no_module;
        mov eax, STATUS_DLL_NOT_FOUND;
        leave frame;
    }
    Ok(())
}

/// rcx = a module's base, rdx = a name or 0, r8d = its bytes, r9d = the ordinal: eax = a status, rdx = the address.
fn find_export(a: &mut Asm<'_>) -> Result<(), AsmError> {
    const DIRECTORY: i32 = 0;
    let [mut search, mut next, mut above, mut found, mut by_ordinal, mut indexed, mut forwarder] = a.labels();
    let [mut no_image, mut no_exports, mut missing, mut missing_ordinal] = a.labels();
    let frame = a.frame(&[rbx, rsi, rdi, r12, r13, r14, r15], 0x20)?;
    asm! { a;
        mov rbx, rcx;
        mov rdi, rdx;
        mov r12d, r8d;
        mov r13d, r9d;
        invoke "RtlImageNtHeader";
        test rax, rax;
        jz no_image;
        mov rcx, rbx;
        mov edx, DIRECTORY;
        invoke "LdrpImageDirectory";
        test rax, rax;
        jz no_exports;
        mov rsi, rax;
        mov r15d, edx;
        test rdi, rdi;
        jz by_ordinal;
        // The names are sorted: r13d = the first that may be it, r14d = the first that is beyond it.
        bind &mut search;
        xor r13d, r13d;
        mov r14d, dword_ptr(rsi + NAME_COUNT);
        bind &mut next;
        cmp r13d, r14d;
        jae missing;
        lea ecx, dword_ptr(r13 + r14);
        shr ecx, 1;
        mov dword_ptr(rsp + frame.arg(1)), ecx;
        mov eax, dword_ptr(rsi + NAMES);
        lea rax, qword_ptr(rax + rcx * 4);
        mov r8d, dword_ptr(rbx + rax);
        add r8, rbx;
        mov rcx, rdi;
        mov edx, r12d;
        invoke "LdrpCompareName";
        mov ecx, dword_ptr(rsp + frame.arg(1));
        test eax, eax;
        jz found;
        jns above;
        mov r14d, ecx;
        jmp next;
        bind &mut above;
        lea r13d, dword_ptr(rcx + 1);
        jmp next;
        bind &mut found;
        mov eax, dword_ptr(rsi + NAME_ORDINALS);
        lea rax, qword_ptr(rax + rcx * 2);
        movzx ecx, word_ptr(rbx + rax);
        jmp indexed;
        bind &mut by_ordinal;
        mov ecx, r13d;
        sub ecx, dword_ptr(rsi + BASE);
        bind &mut indexed;
        cmp ecx, dword_ptr(rsi + FUNCTION_COUNT);
        jae missing_ordinal;
        mov eax, dword_ptr(rsi + FUNCTIONS);
        lea rax, qword_ptr(rax + rcx * 4);
        mov edx, dword_ptr(rbx + rax);
        test edx, edx;
        jz missing_ordinal;
        // An address inside the export directory is a forwarder's text.
        add rdx, rbx;
        mov rax, rdx;
        sub rax, rsi;
        cmp rax, r15;
        jb forwarder;
        xor eax, eax;
        leave frame;
        bind &mut forwarder;
        mov rcx, rdx;
        invoke "LdrpFollowForwarder";
        leave frame;
        bind &mut missing_ordinal;
        test rdi, rdi;
        jnz missing;
        mov eax, STATUS_ORDINAL_NOT_FOUND;
        leave frame;
        bind &mut missing;
        mov eax, STATUS_ENTRYPOINT_NOT_FOUND;
        leave frame;
        bind &mut no_exports;
        mov eax, STATUS_PROCEDURE_NOT_FOUND;
        leave frame;
        bind &mut no_image;
        mov eax, STATUS_DLL_NOT_FOUND;
        leave frame;
    }
    Ok(())
}

/// rcx = a name, edx = its bytes, r8 = a C string: eax < 0, 0 or > 0.
fn compare_name(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut next, mut differ, mut ended] = a.labels();
    asm! { a;
        bind &mut next;
        movzx r9d, byte_ptr(r8);
        test edx, edx;
        jz ended;
        movzx eax, byte_ptr(rcx);
        sub eax, r9d;
        jnz differ;
        inc rcx;
        inc r8;
        dec edx;
        // A zero inside the counted name cannot be matched further.
        test r9d, r9d;
        jnz next;
        mov eax, 1;
        bind &mut differ;
        ret;
        bind &mut ended;
        mov eax, r9d;
        neg eax;
        ret;
    }
    Ok(())
}

/// rcx = a forwarder's text (`NTDLL.RtlFreeHeap`, `DLL.#12`): eax = a status, rdx = the address.
fn follow_forwarder(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut digits, mut digit, mut look_up, mut no_dot, mut no_module] = a.labels();
    let frame = a.frame(&[rbx, rsi], 0x20)?;
    asm! { a;
        mov rsi, rcx;
        mov edx, 0x2e;
        invoke "strrchr";
        test rax, rax;
        jz no_dot;
        lea rbx, qword_ptr(rax + 1);
        mov rcx, rsi;
        mov rdx, rax;
        sub rdx, rsi;
        mov r8d, 1;
        invoke "LdrpFindModule";
        test rax, rax;
        jz no_module;
        mov rsi, rax;
        cmp byte_ptr(rbx), 0x23;
        je digits;
        mov rcx, rbx;
        invoke "strlen";
        mov rcx, rsi;
        mov rdx, rbx;
        mov r8d, eax;
        xor r9d, r9d;
        invoke "LdrpFindExport";
        leave frame;
        bind &mut digits;
        xor r9d, r9d;
        bind &mut digit;
        inc rbx;
        movzx eax, byte_ptr(rbx);
        sub eax, 0x30;
        cmp eax, 9;
        ja look_up;
        imul_3 r9d, r9d, 10;
        add r9d, eax;
        jmp digit;
        bind &mut look_up;
        mov rcx, rsi;
        xor edx, edx;
        xor r8d, r8d;
        invoke "LdrpFindExport";
        leave frame;
        bind &mut no_dot;
        mov eax, STATUS_ENTRYPOINT_NOT_FOUND;
        leave frame;
        bind &mut no_module;
        mov eax, STATUS_DLL_NOT_FOUND;
        leave frame;
    }
    Ok(())
}
