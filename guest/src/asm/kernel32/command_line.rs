//! The command line, as UTF-16 and as bytes.

use iced_x86::code_asm::*;

use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    m.data("BaseAnsiCommandLine", &[0; 8])?;
    m.func("GetCommandLineW", wide)?;
    m.func("GetCommandLineA", bytes)
}

/// `GetCommandLineW`: the process parameters' own buffer.
fn wide(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let parameters = a.offset("PEB", "ProcessParameters")?;
    let buffer = a.offset("RTL_USER_PROCESS_PARAMETERS", "CommandLine")? + a.offset("UNICODE_STRING", "Buffer")?;
    asm! { a;
        load_peb rax;
        mov rax, qword_ptr(rax + parameters);
        mov rax, qword_ptr(rax + buffer);
        ret;
    }
    Ok(())
}

/// `GetCommandLineA`: the same in UTF-8, made at the first call and kept.
fn bytes(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let parameters = a.offset("PEB", "ProcessParameters")?;
    let heap = a.offset("PEB", "ProcessHeap")?;
    let command_line = a.offset("RTL_USER_PROCESS_PARAMETERS", "CommandLine")?;
    let kept = a.sym("BaseAnsiCommandLine");
    let [mut done, mut first] = a.labels();
    let frame = a.frame(&[rbx, rsi, rdi, r12], 0x28)?;
    asm! { a;
        mov rax, qword_ptr(kept);
        test rax, rax;
        jnz done;
        load_peb r12;
        mov rsi, qword_ptr(r12 + parameters);
        add rsi, command_line;
        movzx ebx, word_ptr(rsi);
        shr ebx, 1;
        // A unit makes three bytes at most; four more are what the conversion wants to see free.
        lea ebx, dword_ptr(rbx + rbx * 2 + 4);
        mov rcx, qword_ptr(r12 + heap);
        xor edx, edx;
        mov r8d, ebx;
        invoke_import "RtlAllocateHeap";
        test rax, rax;
        jz done;
        mov rdi, rax;
        mov rcx, qword_ptr(rsi + 8);
        movzx edx, word_ptr(rsi);
        shr edx, 1;
        mov r8, rdi;
        mov r9d, ebx;
        invoke "BasepUtf8FromUtf16";
        mov byte_ptr(rdi + rax), 0;
        // Another thread may have been first; its line is the one that was given out.
        xor eax, eax;
    }
    a.lock().cmpxchg(qword_ptr(kept), rdi)?;
    asm! { a;
        jz first;
        mov rbx, rax;
        mov rcx, qword_ptr(r12 + heap);
        xor edx, edx;
        mov r8, rdi;
        invoke_import "RtlFreeHeap";
        mov rax, rbx;
        leave frame;
        bind &mut first;
        mov rax, rdi;
        bind &mut done;
        leave frame;
    }
    Ok(())
}
