//! The loader's lists: a loaded module by name or by base.

use iced_x86::code_asm::*;

use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;

const STATUS_DLL_NOT_FOUND: u32 = 0xc000_0135;

/// The longest module name looked up, in characters, the extension and a zero left out.
const LONGEST_NAME: i32 = 260;

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    m.func("LdrGetDllHandle", get_dll_handle)?;
    m.local("LdrpFindModule", find_module)?;
    m.local("LdrpEqualNames", equal_names)?;
    m.local("LdrpFindEntry", find_entry)?;
    Ok(())
}

/// `LdrGetDllHandle`: rcx, rdx = search path and characteristics (not used), r8 = a UNICODE_STRING, r9 = where the
/// base goes. A name without a dot means `.dll`; STATUS_DLL_NOT_FOUND if no loaded module has it.
fn get_dll_handle(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut none] = a.labels();
    let frame = a.frame(&[rbx], 0x20)?;
    asm! { a;
        mov rbx, r9;
        movzx edx, word_ptr(r8);
        shr edx, 1;
        mov rcx, qword_ptr(r8 + 8);
        mov r8d, 2;
        invoke "LdrpFindModule";
        test rax, rax;
        jz none;
        mov qword_ptr(rbx), rax;
        xor eax, eax;
        leave frame;
        bind &mut none;
        mov eax, STATUS_DLL_NOT_FOUND;
        leave frame;
    }
    Ok(())
}

/// rcx = a name, edx = its characters, r8d = bytes in each (1 or 2): rax = the base of the loaded module, or 0.
/// With a backslash it is a full path. Without a dot in its last part it ends in `.dll`.
fn find_module(a: &mut Asm<'_>) -> Result<(), AsmError> {
    const NAME: i32 = 0x20;
    let ldr = a.offset("PEB", "Ldr")?;
    let head = a.offset("PEB_LDR_DATA", "InLoadOrderModuleList")?;
    let links = a.offset("LDR_DATA_TABLE_ENTRY", "InLoadOrderLinks")?;
    let base = a.offset("LDR_DATA_TABLE_ENTRY", "DllBase")? - links;
    let base_name = a.offset("LDR_DATA_TABLE_ENTRY", "BaseDllName")? - links;
    let full_name = a.offset("LDR_DATA_TABLE_ENTRY", "FullDllName")? - links;
    let [mut next, mut wide, mut store, mut no_separator, mut no_dot] = a.labels();
    let [mut named, mut extend, mut search, mut entry, mut none] = a.labels();
    let frame = a.frame(&[rbx, rsi, rdi, r12], 0x20 + 2 * LONGEST_NAME + 16)?;
    asm! { a;
        cmp edx, LONGEST_NAME;
        ja none;
        // The name goes to the stack in UTF-16: edi = its characters so far, r10d = dots seen in its last part.
        // r12 = the field of a module's entry that is compared.
        xor edi, edi;
        xor r10d, r10d;
        mov r12d, base_name;
        bind &mut next;
        test edx, edx;
        jz named;
        cmp r8d, 2;
        je wide;
        movzx eax, byte_ptr(rcx);
        jmp store;
        bind &mut wide;
        movzx eax, word_ptr(rcx);
        bind &mut store;
        mov word_ptr(rsp + rdi * 2 + NAME), ax;
        inc edi;
        cmp eax, 0x5c;
        jne no_separator;
        xor r10d, r10d;
        mov r12d, full_name;
        bind &mut no_separator;
        cmp eax, 0x2e;
        jne no_dot;
        inc r10d;
        bind &mut no_dot;
        add rcx, r8;
        dec edx;
        jmp next;
        bind &mut named;
        test edi, edi;
        jz none;
        test r10d, r10d;
        jz extend;
        // A final dot says that there is no extension.
        cmp word_ptr(rsp + rdi * 2 + NAME - 2), 0x2e;
        jne search;
        dec edi;
        jmp search;
        bind &mut extend;
        mov rax, 0x006c_006c_0064_002eu64;
        mov qword_ptr(rsp + rdi * 2 + NAME), rax;
        add edi, 4;
        bind &mut search;
        load_peb rsi;
        mov rsi, qword_ptr(rsi + ldr);
        test rsi, rsi;
        jz none;
        add rsi, head;
        mov rbx, rsi;
        bind &mut entry;
        mov rbx, qword_ptr(rbx);
        cmp rbx, rsi;
        je none;
        movzx eax, word_ptr(rbx + r12);
        shr eax, 1;
        cmp eax, edi;
        jne entry;
        mov rcx, qword_ptr(rbx + r12 + 8);
        lea rdx, qword_ptr(rsp + NAME);
        mov r8d, edi;
        invoke "LdrpEqualNames";
        test eax, eax;
        jz entry;
        mov rax, qword_ptr(rbx + base);
        leave frame;
        bind &mut none;
        xor eax, eax;
        leave frame;
    }
    Ok(())
}

/// rcx, rdx = UTF-16 names, r8d = characters in each: eax = 1 if they are equal but for ASCII case.
fn equal_names(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut next, mut equal, mut differ, mut first, mut second] = a.labels();
    asm! { a;
        bind &mut next;
        test r8d, r8d;
        jz equal;
        dec r8d;
        movzx eax, word_ptr(rcx + r8 * 2);
        movzx r9d, word_ptr(rdx + r8 * 2);
        lea r10d, dword_ptr(rax - 0x41);
        cmp r10d, 25;
        ja first;
        add eax, 0x20;
        bind &mut first;
        lea r10d, dword_ptr(r9 - 0x41);
        cmp r10d, 25;
        ja second;
        add r9d, 0x20;
        bind &mut second;
        cmp eax, r9d;
        je next;
        bind &mut differ;
        xor eax, eax;
        ret;
        bind &mut equal;
        mov eax, 1;
        ret;
    }
    Ok(())
}

/// rcx = a base: rax = the `LDR_DATA_TABLE_ENTRY` of the module loaded there, or 0.
pub(in crate::asm) fn find_entry(a: &mut Asm<'_>) -> Result<(), AsmError> {
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
