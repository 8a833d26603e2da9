//! Time: what `KUSER_SHARED_DATA` shows, the performance counter, sleeping.

use iced_x86::code_asm::*;

use crate::NtStatus;
use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;

/// `INFINITE`, and the interval that stands for it.
const INFINITE: i32 = -1;
const FOREVER: u64 = 0x8000_0000_0000_0000;
/// Where user code sees `KUSER_SHARED_DATA`.
const SHARED_DATA: u32 = 0x7ffe_0000;
/// 100 ns units in a millisecond.
const MILLISECOND: i32 = 10_000;

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    m.func("QueryPerformanceCounter", |a| a.jump_import("RtlQueryPerformanceCounter"))?;
    m.func("QueryPerformanceFrequency", |a| a.jump_import("RtlQueryPerformanceFrequency"))?;
    m.func("GetTickCount64", tick_count)?;
    m.func("GetTickCount", tick_count)?;
    m.func("GetSystemTimeAsFileTime", system_time)?;
    m.func("Sleep", |a| {
        a.xor(edx, edx)?;
        a.jump("SleepEx")
    })?;
    m.func("SleepEx", sleep)?;
    m.func("SwitchToThread", switch_to_thread)
}

/// `GetTickCount64`, `GetTickCount`: milliseconds since the start; a caller of the latter takes the low half.
fn tick_count(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let multiplier = a.offset("KUSER_SHARED_DATA", "TickCountMultiplier")?;
    let ticks = a.offset("KUSER_SHARED_DATA", "TickCountQuad")?;
    asm! { a;
        mov r8d, SHARED_DATA;
        mov ecx, dword_ptr(r8 + multiplier);
        mov rax, qword_ptr(r8 + ticks);
        // The multiplier is a fraction of 2 to the 24th.
        mul rcx;
        shrd rax, rdx, 24;
        ret;
    }
    Ok(())
}

/// `GetSystemTimeAsFileTime`: rcx = where the FILETIME goes. The upper half is there twice, because the
/// kernel cannot write all of it at once.
fn system_time(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let time = a.offset("KUSER_SHARED_DATA", "SystemTime")?;
    let [mut again, mut read] = a.labels();
    asm! { a;
        mov r8d, SHARED_DATA;
        jmp read;
        bind &mut again;
        pause;
        bind &mut read;
        mov edx, dword_ptr(r8 + time + 4);
        mov eax, dword_ptr(r8 + time);
        cmp edx, dword_ptr(r8 + time + 8);
        jne again;
        mov dword_ptr(rcx), eax;
        mov dword_ptr(rcx + 4), edx;
        ret;
    }
    Ok(())
}

/// `SleepEx`: ecx = milliseconds, edx = alertable; WAIT_IO_COMPLETION if an APC ended it, else 0.
fn sleep(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let [mut timed, mut again, mut woken] = a.labels();
    let frame = a.frame(&[rbx], 0x30)?;
    asm! { a;
        xor ebx, ebx;
        test edx, edx;
        setne bl;
        mov rax, FOREVER;
        cmp ecx, INFINITE;
        je timed;
        mov eax, ecx;
        imul_3 rax, rax, MILLISECOND;
        neg rax;
        bind &mut timed;
        mov qword_ptr(rsp + 0x20), rax;
        bind &mut again;
        mov ecx, ebx;
        lea rdx, qword_ptr(rsp + 0x20);
        invoke_import "NtDelayExecution";
        test ebx, ebx;
        jz woken;
        // An alert is the kernel's affair; only an APC ends the sleep.
        cmp eax, NtStatus::ALERTED.0;
        je again;
        bind &mut woken;
        cmp eax, NtStatus::USER_APC.0;
        mov ecx, 0;
        cmovne eax, ecx;
        leave frame;
    }
    Ok(())
}

/// `SwitchToThread`: FALSE if there was no other to run.
fn switch_to_thread(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let frame = a.frame(&[], 0x28)?;
    asm! { a;
        invoke_import "NtYieldExecution";
        mov ecx, eax;
        xor eax, eax;
        cmp ecx, NtStatus::NO_YIELD_PERFORMED.0;
        setne al;
        leave frame;
    }
    Ok(())
}
