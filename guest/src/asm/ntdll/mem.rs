//! Memory: copying, filling, comparing. `__chkstk`.

use iced_x86::code_asm::*;

use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    m.func("memmove", memmove)?;
    // As on Windows, memcpy is memmove.
    for name in ["memcpy", "RtlMoveMemory", "RtlCopyMemory"] {
        m.alias(name, "memmove");
    }
    m.func("memset", memset)?;
    m.func("RtlFillMemory", fill_memory)?;
    m.func("RtlZeroMemory", zero_memory)?;
    m.func("memcmp", memcmp)?;
    m.func("RtlCompareMemory", compare_memory)?;
    m.func("memchr", memchr)?;
    m.func("__chkstk", chkstk)
}

/// `memmove`: rcx = to, rdx = from, r8 = bytes; returns rcx. Sixteen bytes at a time, then single ones,
/// from the end that overlapping does not reach first.
fn memmove(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut blocks, mut bytes, mut byte, mut done] = a.labels();
    let [mut backward, mut back_blocks, mut back_bytes, mut back_byte] = a.labels();
    asm! { a;
        mov rax, rcx;
        mov r9, rcx;
        sub r9, rdx;
        cmp r9, r8;
        jb backward;
        bind &mut blocks;
        cmp r8, 16;
        jb bytes;
        movups xmm0, xmmword_ptr(rdx);
        movups xmmword_ptr(rcx), xmm0;
        add rdx, 16;
        add rcx, 16;
        sub r8, 16;
        jmp blocks;
        bind &mut bytes;
        test r8, r8;
        jz done;
        bind &mut byte;
        mov r9b, byte_ptr(rdx);
        mov byte_ptr(rcx), r9b;
        inc rdx;
        inc rcx;
        dec r8;
        jnz byte;
        bind &mut done;
        ret;
        bind &mut backward;
        add rdx, r8;
        add rcx, r8;
        bind &mut back_blocks;
        cmp r8, 16;
        jb back_bytes;
        sub rdx, 16;
        sub rcx, 16;
        movups xmm0, xmmword_ptr(rdx);
        movups xmmword_ptr(rcx), xmm0;
        sub r8, 16;
        jmp back_blocks;
        bind &mut back_bytes;
        test r8, r8;
        jz done;
        bind &mut back_byte;
        dec rdx;
        dec rcx;
        mov r9b, byte_ptr(rdx);
        mov byte_ptr(rcx), r9b;
        dec r8;
        jnz back_byte;
        ret;
    }
    Ok(())
}

/// `memset`: rcx = where, dl = the byte, r8 = how many; returns rcx.
fn memset(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut blocks, mut bytes, mut byte, mut done] = a.labels();
    asm! { a;
        mov rax, rcx;
        movzx edx, dl;
        mov r9, 0x0101_0101_0101_0101u64;
        imul_2 rdx, r9;
        movq xmm0, rdx;
        punpcklqdq xmm0, xmm0;
        bind &mut blocks;
        cmp r8, 16;
        jb bytes;
        movups xmmword_ptr(rcx), xmm0;
        add rcx, 16;
        sub r8, 16;
        jmp blocks;
        bind &mut bytes;
        test r8, r8;
        jz done;
        bind &mut byte;
        mov byte_ptr(rcx), dl;
        inc rcx;
        dec r8;
        jnz byte;
        bind &mut done;
        ret;
    }
    Ok(())
}

/// `RtlFillMemory`: rcx = where, rdx = how many, r8b = the byte.
fn fill_memory(a: &mut Asm<'_>) -> Result<(), AsmError> {
    asm! { a;
        xchg rdx, r8;
        jump "memset";
    }
    Ok(())
}

/// `RtlZeroMemory`: rcx = where, rdx = how many.
fn zero_memory(a: &mut Asm<'_>) -> Result<(), AsmError> {
    asm! { a;
        mov r8, rdx;
        xor edx, edx;
        jump "memset";
    }
    Ok(())
}

/// `memcmp`: rcx, rdx = where, r8 = bytes; -1, 0 or 1.
fn memcmp(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut next, mut differ, mut equal] = a.labels();
    asm! { a;
        test r8, r8;
        jz equal;
        sub rdx, rcx;
        bind &mut next;
        movzx eax, byte_ptr(rcx);
        cmp al, byte_ptr(rcx + rdx);
        jne differ;
        inc rcx;
        dec r8;
        jnz next;
        bind &mut equal;
        xor eax, eax;
        ret;
        bind &mut differ;
        sbb eax, eax;
        or eax, 1;
        ret;
    }
    Ok(())
}

/// `RtlCompareMemory`: rcx, rdx = where, r8 = bytes; how many are equal before the first that differs.
fn compare_memory(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut next, mut done] = a.labels();
    asm! { a;
        xor eax, eax;
        bind &mut next;
        cmp rax, r8;
        jae done;
        mov r9b, byte_ptr(rcx + rax);
        cmp r9b, byte_ptr(rdx + rax);
        jne done;
        inc rax;
        jmp next;
        bind &mut done;
        ret;
    }
    Ok(())
}

/// `memchr`: rcx = where, dl = the byte, r8 = bytes; its address or NULL.
fn memchr(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut next, mut found, mut none] = a.labels();
    asm! { a;
        bind &mut next;
        test r8, r8;
        jz none;
        cmp byte_ptr(rcx), dl;
        je found;
        inc rcx;
        dec r8;
        jmp next;
        bind &mut found;
        mov rax, rcx;
        ret;
        bind &mut none;
        xor eax, eax;
        ret;
    }
    Ok(())
}

/// `__chkstk`: rax = bytes about to be taken from the stack; touches each page down to there, as guard
/// pages want it. Every register survives; the caller subtracts rax itself.
fn chkstk(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let limit = a.offset("NT_TIB", "StackLimit")?;
    let [mut next, mut done] = a.labels();
    asm! { a;
        sub rsp, 0x10;
        mov qword_ptr(rsp), r10;
        mov qword_ptr(rsp + 8), r11;
        xor r11d, r11d;
        lea r10, qword_ptr(rsp + 0x18);
        sub r10, rax;
        cmovb r10, r11;
        load_gs r11, limit;
        cmp r10, r11;
        jae done;
        and r10w, -0x1000;
        bind &mut next;
        sub r11, 0x1000;
        mov byte_ptr(r11), 0;
        cmp r10, r11;
        jne next;
        bind &mut done;
        mov r10, qword_ptr(rsp);
        mov r11, qword_ptr(rsp + 8);
        add rsp, 0x10;
        ret;
    }
    Ok(())
}
