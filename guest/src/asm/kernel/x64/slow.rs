//! What a call seldom needs between its entry and its service: a flush of GDI's batch, a thread that becomes a GUI
//! thread, a number that no table has.

use iced_x86::code_asm::*;

use super::super::super::error::AsmError;
use super::super::code::Code;
use super::super::fields::{BIAS, Fields, KernelFeature};
use super::super::tables::{DESCRIPTOR_64, WIN32K};
use super::super::{STATUS_ALREADY_WIN32, STATUS_INVALID_SYSTEM_SERVICE};
use crate::services::ServiceTableId;
use crate::system::KernelGate;

/// Where registers wait in the frame: it begins with the home of four arguments and a fifth, which nobody uses.
const SAVED: [i32; 5] = [-BIAS, -BIAS + 8, -BIAS + 0x10, -BIAS + 0x18, -BIAS + 0x20];

pub(super) fn all(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    flush(c, f)?;
    bad_number(c, f)?;
    convert(c, f)?;
    if f.mask("DISPATCHER_HEADER", "Minimal").is_ok() {
        pico(c)?;
    }
    Ok(())
}

/// R10, EAX and the arguments in registers outlast it.
fn flush(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let count = c.to("KiSystemServiceCount");
    c.name("KiSystemServiceFlush")?;
    let a = &mut c.asm;
    let saved = [(SAVED[0], rax), (SAVED[1], r8), (SAVED[2], r9), (SAVED[3], r10)];
    let saved = saved.into_iter().chain([(f.frame("Rcx")?, rcx), (f.frame("Rdx")?, rdx)]);
    for (at, register) in saved.clone() {
        a.mov(qword_ptr(rbp + at), register)?;
    }
    a.int(u32::from(KernelGate::FlushGdi.vector()))?;
    for (at, register) in saved {
        a.mov(register, qword_ptr(rbp + at))?;
    }
    a.jmp(count)?;
    Ok(())
}

/// EAX is the row, EDI the table's offset in the descriptors.
fn bad_number(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let (exit, invalid) = (c.to("KiSystemServiceExit"), c.to("KiSystemServiceInvalid"));
    c.name("KiSystemServiceBadNumber")?;
    if f.profile.table_size(ServiceTableId::Win32k) > 0 {
        let (repeat, convert) = (c.to("KiSystemServiceRepeat"), c.to("KiConvertToGuiThread"));
        let shadow = c.to("KeServiceDescriptorTableShadow");
        c.asm.cmp(edi, WIN32K * DESCRIPTOR_64.size as i32)?;
        c.asm.jne(invalid)?;
        let saved = [(SAVED[0], rax), (SAVED[1], rcx), (SAVED[2], rdx), (SAVED[3], r8), (SAVED[4], r9)];
        for (at, register) in saved {
            c.asm.mov(qword_ptr(rbp + at), register)?;
        }
        c.asm.call(convert)?;
        c.asm.test(eax, eax)?;
        for (at, register) in saved {
            c.asm.mov(register, qword_ptr(rbp + at))?;
        }
        c.asm.je(repeat)?;
        // The table is followed by a byte for each row: what is returned where the thread cannot become a GUI thread.
        let row = if f.has(KernelFeature::RelativeRows) { 4 } else { 8 };
        c.asm.lea(rdi, ptr(shadow))?;
        c.asm.mov(esi, dword_ptr(rdi + WIN32K * DESCRIPTOR_64.size as i32 + DESCRIPTOR_64.limit))?;
        c.asm.mov(rdi, qword_ptr(rdi + WIN32K * DESCRIPTOR_64.size as i32))?;
        c.asm.lea(rdi, rdi + rsi * row)?;
        c.asm.movsx(eax, byte_ptr(rdi + rax))?;
        c.asm.test(eax, eax)?;
        c.asm.jle(exit)?;
    }
    c.name("KiSystemServiceInvalid")?;
    c.asm.mov(eax, STATUS_INVALID_SYSTEM_SERVICE)?;
    c.asm.jmp(exit)?;
    Ok(())
}

/// `KiConvertToGuiThread`: 0 once the thread has the second table; it may have it already.
fn convert(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let (already, done) = (c.to("KiConvertToGuiThreadAlready"), c.to("KiConvertToGuiThreadDone"));
    let (flags, mask) = (f.thread("GuiThread")?, f.mask("KTHREAD", "GuiThread")?);
    c.name("KiConvertToGuiThread")?;
    c.asm.test(dword_ptr(rbx + flags), mask as i32)?;
    c.asm.jne(already)?;
    c.asm.int(u32::from(KernelGate::ConvertToGui.vector()))?;
    c.asm.test(eax, eax)?;
    c.asm.jne(done)?;
    c.asm.lock().or(dword_ptr(rbx + flags), mask as i32)?;
    c.name("KiConvertToGuiThreadDone")?;
    c.asm.ret()?;
    c.name("KiConvertToGuiThreadAlready")?;
    c.asm.mov(eax, STATUS_ALREADY_WIN32)?;
    c.asm.ret()?;
    Ok(())
}

/// Where the calls of a pico process go. There are none yet.
fn pico(c: &mut Code) -> Result<(), AsmError> {
    let invalid = c.to("KiSystemServiceInvalid");
    c.name("KiSystemServicePico")?;
    c.asm.sti()?;
    c.asm.jmp(invalid)?;
    Ok(())
}
