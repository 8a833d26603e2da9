//! C strings, of bytes and of UTF-16 units: one body for both widths. Counted strings.

use iced_x86::code_asm::*;

use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;

const STATUS_NAME_TOO_LONG: u32 = 0xc000_0106;

/// The width of a string's characters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Char {
    Byte,
    Wide,
}

impl Char {
    fn size(self) -> i32 {
        if self == Char::Byte { 1 } else { 2 }
    }

    /// Loads a character, zero-extended.
    fn load(self, a: &mut Asm<'_>, to: AsmRegister32, from: AsmMemoryOperand) -> Result<(), AsmError> {
        match self {
            Char::Byte => a.movzx(to, byte_ptr(from))?,
            Char::Wide => a.movzx(to, word_ptr(from))?,
        }
        Ok(())
    }

    /// Stores the character in eax.
    fn store(self, a: &mut Asm<'_>, to: AsmMemoryOperand) -> Result<(), AsmError> {
        match self {
            Char::Byte => a.mov(byte_ptr(to), al)?,
            Char::Wide => a.mov(word_ptr(to), ax)?,
        }
        Ok(())
    }

    /// Cuts the character argument in edx to its width.
    fn cut_edx(self, a: &mut Asm<'_>) -> Result<(), AsmError> {
        match self {
            Char::Byte => a.movzx(edx, dl)?,
            Char::Wide => a.movzx(edx, dx)?,
        }
        Ok(())
    }
}

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    use Char::{Byte, Wide};
    for (name, c) in [("strlen", Byte), ("wcslen", Wide)] {
        m.func(name, |a| length(a, c))?;
    }
    for (name, c) in [("strnlen", Byte), ("wcsnlen", Wide)] {
        m.func(name, |a| bounded_length(a, c))?;
    }
    for (name, c, bounded, folded) in [
        ("strcmp", Byte, false, false),
        ("strncmp", Byte, true, false),
        ("_stricmp", Byte, false, true),
        ("_strnicmp", Byte, true, true),
        ("wcscmp", Wide, false, false),
        ("wcsncmp", Wide, true, false),
        ("_wcsicmp", Wide, false, true),
        ("_wcsnicmp", Wide, true, true),
    ] {
        m.func(name, |a| compare(a, c, bounded, folded))?;
    }
    for (name, c) in [("strcpy", Byte), ("wcscpy", Wide)] {
        m.func(name, |a| copy(a, c))?;
    }
    for (name, c) in [("strncpy", Byte), ("wcsncpy", Wide)] {
        m.func(name, |a| bounded_copy(a, c))?;
    }
    for (name, c) in [("strcat", Byte), ("wcscat", Wide)] {
        m.func(name, |a| append(a, c))?;
    }
    for (name, c) in [("strchr", Byte), ("wcschr", Wide)] {
        m.func(name, |a| find(a, c))?;
    }
    for (name, c) in [("strrchr", Byte), ("wcsrchr", Wide)] {
        m.func(name, |a| find_last(a, c))?;
    }
    for (name, c) in [("strstr", Byte), ("wcsstr", Wide)] {
        m.func(name, |a| find_string(a, c))?;
    }
    m.func("RtlInitUnicodeString", |a| init_counted(a, Wide, false))?;
    m.func("RtlInitUnicodeStringEx", |a| init_counted(a, Wide, true))?;
    m.func("RtlInitAnsiString", |a| init_counted(a, Byte, false))?;
    m.alias("RtlInitString", "RtlInitAnsiString");
    Ok(())
}

/// `strlen`, `wcslen`: rcx = a string; its length in characters.
fn length(a: &mut Asm<'_>, c: Char) -> Result<(), AsmError> {
    let [mut next, mut done] = a.labels();
    asm! { a;
        xor eax, eax;
        bind &mut next;
    }
    c.load(a, edx, rcx + rax * c.size())?;
    asm! { a;
        test edx, edx;
        jz done;
        inc rax;
        jmp next;
        bind &mut done;
        ret;
    }
    Ok(())
}

/// `strnlen`, `wcsnlen`: rcx = a string, rdx = the most to look at; its length or rdx.
fn bounded_length(a: &mut Asm<'_>, c: Char) -> Result<(), AsmError> {
    let [mut next, mut done] = a.labels();
    asm! { a;
        xor eax, eax;
        bind &mut next;
        cmp rax, rdx;
        jae done;
    }
    c.load(a, r8d, rcx + rax * c.size())?;
    asm! { a;
        test r8d, r8d;
        jz done;
        inc rax;
        jmp next;
        bind &mut done;
        ret;
    }
    Ok(())
}

/// `strcmp` and its kin: rcx, rdx = strings, r8 = the most to compare if `bounded`; `folded` takes A-Z for a-z.
/// Whole strings give -1, 0 or 1 (`strcmp`); folded ones the difference, as Windows does.
fn compare(a: &mut Asm<'_>, c: Char, bounded: bool, folded: bool) -> Result<(), AsmError> {
    let [mut next, mut equal, mut differ] = a.labels();
    a.bind(&mut next)?;
    if bounded {
        asm! { a;
            test r8, r8;
            jz equal;
            dec r8;
        }
    }
    c.load(a, eax, rcx.into())?;
    c.load(a, r9d, rdx.into())?;
    if folded {
        fold(a, eax, r10d)?;
        fold(a, r9d, r10d)?;
    }
    asm! { a;
        cmp eax, r9d;
        jne differ;
        add rcx, c.size();
        add rdx, c.size();
        test eax, eax;
        jnz next;
        bind &mut equal;
        xor eax, eax;
        ret;
        bind &mut differ;
    }
    if folded {
        a.sub(eax, r9d)?;
    } else {
        asm! { a;
            sbb eax, eax;
            or eax, 1;
        }
    }
    Ok(a.ret()?)
}

/// A-Z to a-z.
fn fold(a: &mut Asm<'_>, character: AsmRegister32, scratch: AsmRegister32) -> Result<(), AsmError> {
    let [mut other] = a.labels();
    asm! { a;
        mov scratch, character;
        sub scratch, 0x41;
        cmp scratch, 25;
        ja other;
        add character, 0x20;
        bind &mut other;
    }
    Ok(())
}

/// `strcpy`, `wcscpy`: rcx = to, rdx = from; returns rcx.
fn copy(a: &mut Asm<'_>, c: Char) -> Result<(), AsmError> {
    let [mut next] = a.labels();
    asm! { a;
        mov r8, rcx;
        bind &mut next;
    }
    c.load(a, eax, rdx.into())?;
    c.store(a, r8.into())?;
    asm! { a;
        add rdx, c.size();
        add r8, c.size();
        test eax, eax;
        jnz next;
        mov rax, rcx;
        ret;
    }
    Ok(())
}

/// `strncpy`, `wcsncpy`: rcx = to, rdx = from, r8 = characters to write, zeros after the string; returns rcx.
fn bounded_copy(a: &mut Asm<'_>, c: Char) -> Result<(), AsmError> {
    let [mut next, mut pad, mut done] = a.labels();
    asm! { a;
        mov r9, rcx;
        bind &mut next;
        test r8, r8;
        jz done;
    }
    c.load(a, eax, rdx.into())?;
    c.store(a, r9.into())?;
    asm! { a;
        add r9, c.size();
        dec r8;
        test eax, eax;
        jz pad;
        add rdx, c.size();
        jmp next;
        bind &mut pad;
        test r8, r8;
        jz done;
    }
    c.store(a, r9.into())?;
    asm! { a;
        add r9, c.size();
        dec r8;
        jmp pad;
        bind &mut done;
        mov rax, rcx;
        ret;
    }
    Ok(())
}

/// `strcat`, `wcscat`: rcx = to, rdx = what is appended; returns rcx.
fn append(a: &mut Asm<'_>, c: Char) -> Result<(), AsmError> {
    let [mut end, mut next] = a.labels();
    asm! { a;
        mov r8, rcx;
        sub r8, c.size();
        bind &mut end;
        add r8, c.size();
    }
    c.load(a, eax, r8.into())?;
    asm! { a;
        test eax, eax;
        jnz end;
        bind &mut next;
    }
    c.load(a, eax, rdx.into())?;
    c.store(a, r8.into())?;
    asm! { a;
        add rdx, c.size();
        add r8, c.size();
        test eax, eax;
        jnz next;
        mov rax, rcx;
        ret;
    }
    Ok(())
}

/// `strchr`, `wcschr`: rcx = a string, edx = a character, which may be the final zero; its address or NULL.
fn find(a: &mut Asm<'_>, c: Char) -> Result<(), AsmError> {
    let [mut next, mut found] = a.labels();
    c.cut_edx(a)?;
    a.bind(&mut next)?;
    c.load(a, eax, rcx.into())?;
    asm! { a;
        cmp eax, edx;
        je found;
        add rcx, c.size();
        test eax, eax;
        jnz next;
        ret;
        bind &mut found;
        mov rax, rcx;
        ret;
    }
    Ok(())
}

/// `strrchr`, `wcsrchr`: the same, the last one.
fn find_last(a: &mut Asm<'_>, c: Char) -> Result<(), AsmError> {
    let [mut next, mut other] = a.labels();
    c.cut_edx(a)?;
    asm! { a;
        xor eax, eax;
        bind &mut next;
    }
    c.load(a, r8d, rcx.into())?;
    asm! { a;
        cmp r8d, edx;
        jne other;
        mov rax, rcx;
        bind &mut other;
        add rcx, c.size();
        test r8d, r8d;
        jnz next;
        ret;
    }
    Ok(())
}

/// `strstr`, `wcsstr`: rcx = a string, rdx = what is looked for; its address or NULL.
fn find_string(a: &mut Asm<'_>, c: Char) -> Result<(), AsmError> {
    let [mut start, mut next, mut found, mut differ, mut none] = a.labels();
    asm! { a;
        bind &mut start;
        xor r8d, r8d;
        bind &mut next;
    }
    c.load(a, r9d, rdx + r8 * c.size())?;
    asm! { a;
        test r9d, r9d;
        jz found;
    }
    c.load(a, eax, rcx + r8 * c.size())?;
    asm! { a;
        cmp eax, r9d;
        jne differ;
        inc r8;
        jmp next;
        bind &mut differ;
        test eax, eax;
        jz none;
        add rcx, c.size();
        jmp start;
        bind &mut found;
        mov rax, rcx;
        ret;
        bind &mut none;
        xor eax, eax;
        ret;
    }
    Ok(())
}

/// `RtlInitUnicodeString`, `RtlInitAnsiString`: rcx = the counted string, rdx = a C string or NULL. One too
/// long for the 16-bit lengths is cut; the `Ex` form refuses it with STATUS_NAME_TOO_LONG.
fn init_counted(a: &mut Asm<'_>, c: Char, strict: bool) -> Result<(), AsmError> {
    // The longest multiple of a character that leaves room for the zero in MaximumLength.
    let longest = if c == Char::Byte { 0xfffe } else { 0xfffc };
    let [mut next, mut counted, mut store, mut null, mut fits] = a.labels();
    asm! { a;
        test rdx, rdx;
        jz null;
        xor r8d, r8d;
        bind &mut next;
    }
    c.load(a, eax, rdx + r8)?;
    asm! { a;
        test eax, eax;
        jz counted;
        add r8, c.size();
        jmp next;
        bind &mut counted;
        cmp r8, longest;
        jbe fits;
    }
    if strict {
        asm! { a;
            mov eax, STATUS_NAME_TOO_LONG;
            ret;
        }
    } else {
        a.mov(r8d, longest)?;
    }
    asm! { a;
        bind &mut fits;
        lea r9d, dword_ptr(r8 + c.size());
        bind &mut store;
        mov word_ptr(rcx), r8w;
        mov word_ptr(rcx + 2), r9w;
        mov qword_ptr(rcx + 8), rdx;
        xor eax, eax;
        ret;
        bind &mut null;
        xor r8d, r8d;
        xor r9d, r9d;
        jmp store;
    }
    Ok(())
}
