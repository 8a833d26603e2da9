//! Text: UTF-16 to and from UTF-8, which is this machine's ANSI code page.

use iced_x86::code_asm::*;

use super::{ERROR_FILENAME_EXCED_RANGE, leave_error};
use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;

/// The longest name that an `…A` function passes on, in UTF-16 units: MAX_PATH.
pub(super) const LONGEST_NAME: i32 = 260;

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    m.local("BasepUtf8FromUtf16", utf8_from_utf16)?;
    m.local("BasepUtf16FromUtf8", utf16_from_utf8)?;
    m.func("lstrlenA", |a| string_length(a, "strlen"))?;
    m.alias("lstrlen", "lstrlenA");
    m.func("lstrlenW", |a| string_length(a, "wcslen"))
}

/// `lstrlenA`, `lstrlenW`: rcx = a string; its length, 0 for NULL.
fn string_length(a: &mut Asm<'_>, import: &'static str) -> Result<(), AsmError> {
    let [mut null] = a.labels();
    asm! { a;
        test rcx, rcx;
        jz null;
        jump_import import;
        bind &mut null;
        xor eax, eax;
        ret;
    }
    Ok(())
}

/// rcx = UTF-16, edx = units, r8 = where UTF-8 goes, r9d = its room (at least 4): rax = bytes written, rdx = units
/// taken. It stops where a longest sequence might not fit. An unpaired surrogate is written as U+FFFD.
fn utf8_from_utf16(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut next, mut one, mut two, mut three, mut four, mut unpaired, mut done] = a.labels();
    let frame = a.frame(&[rbx], 0x20)?;
    asm! { a;
        mov edx, edx;
        lea rdx, qword_ptr(rcx + rdx * 2);
        mov r9d, r9d;
        lea r9, qword_ptr(r8 + r9 - 4);
        mov r10, r8;
        mov r11, rcx;
        bind &mut next;
        cmp rcx, rdx;
        jae done;
        cmp r8, r9;
        ja done;
        movzx eax, word_ptr(rcx);
        add rcx, 2;
        cmp eax, 0x80;
        jb one;
        cmp eax, 0x800;
        jb two;
        mov ebx, eax;
        and ebx, 0xf800;
        cmp ebx, 0xd800;
        jne three;
        // A pair is a high surrogate, D800 to DBFF, and a low one, DC00 to DFFF.
        cmp eax, 0xdc00;
        jae unpaired;
        cmp rcx, rdx;
        jae unpaired;
        movzx ebx, word_ptr(rcx);
        sub ebx, 0xdc00;
        cmp ebx, 0x400;
        jb four;
        bind &mut unpaired;
        mov eax, 0xfffd;
        bind &mut three;
    }
    lead_byte(a, 12, 0xe0)?;
    continuation(a, 1, 6)?;
    continuation(a, 2, 0)?;
    asm! { a;
        add r8, 3;
        jmp next;
        bind &mut one;
        mov byte_ptr(r8), al;
        inc r8;
        jmp next;
        bind &mut two;
    }
    lead_byte(a, 6, 0xc0)?;
    continuation(a, 1, 0)?;
    asm! { a;
        add r8, 2;
        jmp next;
        bind &mut four;
        add rcx, 2;
        sub eax, 0xd800;
        shl eax, 10;
        lea eax, dword_ptr(rax + rbx + 0x1_0000);
    }
    lead_byte(a, 18, 0xf0)?;
    continuation(a, 1, 12)?;
    continuation(a, 2, 6)?;
    continuation(a, 3, 0)?;
    asm! { a;
        add r8, 4;
        jmp next;
        bind &mut done;
        mov rax, r8;
        sub rax, r10;
        mov rdx, rcx;
        sub rdx, r11;
        shr rdx, 1;
        leave frame;
    }
    Ok(())
}

/// The first byte of the character in eax, to r8.
fn lead_byte(a: &mut Asm<'_>, shift: i32, mark: i32) -> Result<(), AsmError> {
    asm! { a;
        mov ebx, eax;
        shr ebx, shift;
        or ebx, mark;
        mov byte_ptr(r8), bl;
    }
    Ok(())
}

/// Six bits of the character in eax, to r8 + `at`.
fn continuation(a: &mut Asm<'_>, at: i32, shift: i32) -> Result<(), AsmError> {
    a.mov(ebx, eax)?;
    if shift != 0 {
        a.shr(ebx, shift)?;
    }
    asm! { a;
        and ebx, 0x3f;
        or ebx, 0x80;
        mov byte_ptr(r8 + at), bl;
    }
    Ok(())
}

/// rcx = a UTF-8 C string, rdx = where UTF-16 goes, r8d = its room in units, the final zero included: eax = units
/// before the zero, or -1 if there are too many. A byte that is no part of a sequence is written as U+FFFD.
fn utf16_from_utf8(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut next, mut store, mut lead2, mut lead3, mut lead4, mut more] = a.labels();
    let [mut bad, mut end, mut full, mut pair] = a.labels();
    let frame = a.frame(&[rbx, rsi], 0x20)?;
    asm! { a;
        mov r10, rdx;
        mov r8d, r8d;
        // r11 = the last unit, which is the zero's.
        lea r11, qword_ptr(rdx + r8 * 2 - 2);
        bind &mut next;
        movzx eax, byte_ptr(rcx);
        test eax, eax;
        jz end;
        inc rcx;
        cmp eax, 0x80;
        jb store;
        // esi = the bytes that follow, r9d = the least character of that length.
        cmp eax, 0xc2;
        jb bad;
        cmp eax, 0xe0;
        jb lead2;
        cmp eax, 0xf0;
        jb lead3;
        cmp eax, 0xf5;
        jb lead4;
        jmp bad;
        bind &mut lead2;
        and eax, 0x1f;
        mov esi, 1;
        mov r9d, 0x80;
        jmp more;
        bind &mut lead3;
        and eax, 0x0f;
        mov esi, 2;
        mov r9d, 0x800;
        jmp more;
        bind &mut lead4;
        and eax, 7;
        mov esi, 3;
        mov r9d, 0x1_0000;
        bind &mut more;
        movzx ebx, byte_ptr(rcx);
        sub ebx, 0x80;
        cmp ebx, 0x40;
        jae bad;
        inc rcx;
        shl eax, 6;
        or eax, ebx;
        dec esi;
        jnz more;
        // Too long a form, a surrogate, or beyond the last character.
        cmp eax, r9d;
        jb bad;
        mov ebx, eax;
        and ebx, 0xffff_f800u32;
        cmp ebx, 0xd800;
        je bad;
        cmp eax, 0x1_0000;
        jb store;
        cmp eax, 0x11_0000;
        jb pair;
        bind &mut bad;
        mov eax, 0xfffd;
        bind &mut store;
        cmp rdx, r11;
        jae full;
        mov word_ptr(rdx), ax;
        add rdx, 2;
        jmp next;
        bind &mut pair;
        lea r9, qword_ptr(rdx + 2);
        cmp r9, r11;
        jae full;
        sub eax, 0x1_0000;
        mov ebx, eax;
        shr ebx, 10;
        add ebx, 0xd800;
        mov word_ptr(rdx), bx;
        and eax, 0x3ff;
        add eax, 0xdc00;
        mov word_ptr(rdx + 2), ax;
        add rdx, 4;
        jmp next;
        bind &mut end;
        mov word_ptr(rdx), 0;
        mov rax, rdx;
        sub rax, r10;
        shr rax, 1;
        leave frame;
        bind &mut full;
        mov eax, -1;
        leave frame;
    }
    Ok(())
}

/// An `…A` function over its `…W` form: argument `which` (of at most four) is a name, or NULL.
pub(super) fn with_wide_name(a: &mut Asm<'_>, wide: &'static str, which: i32) -> Result<(), AsmError> {
    const NAME: i32 = 0x20;
    let [mut null, mut too_long] = a.labels();
    let frame = a.frame(&[], NAME + 2 * (LONGEST_NAME + 1))?;
    let registers = [rcx, rdx, r8, r9];
    // The home space of the arguments keeps them meanwhile.
    for (n, register) in (1..).zip(registers) {
        a.mov(qword_ptr(rsp + frame.arg(n)), register)?;
    }
    asm! { a;
        mov rcx, qword_ptr(rsp + frame.arg(which));
        test rcx, rcx;
        jz null;
        lea rdx, qword_ptr(rsp + NAME);
        mov r8d, LONGEST_NAME + 1;
        invoke "BasepUtf16FromUtf8";
        cmp eax, -1;
        je too_long;
        lea rax, qword_ptr(rsp + NAME);
        mov qword_ptr(rsp + frame.arg(which)), rax;
        bind &mut null;
    }
    for (n, register) in (1..).zip(registers) {
        a.mov(register, qword_ptr(rsp + frame.arg(n)))?;
    }
    asm! { a;
        invoke wide;
        leave frame;
        bind &mut too_long;
    }
    leave_error(a, frame, ERROR_FILENAME_EXCED_RANGE)
}
