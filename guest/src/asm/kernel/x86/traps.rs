//! The entries of exceptions and interrupts, and of code that is loaded as a driver.

use iced_x86::code_asm::*;

use super::super::super::error::AsmError;
use super::super::super::item::Item;
use super::super::STATUS_NO_CALLBACK_ACTIVE;
use super::super::code::Code;
use super::super::fields::Fields;
use super::super::interrupts::{Interrupt, Pushes, interrupts};
use super::entry::restore_list;
use super::{kernel_segments, lower_frame, selector};
use crate::profile::Arch;
use crate::system::{KernelGate, SystemMap};

/// IF in EFLAGS.
const INTERRUPTS: u32 = 0x200;
const VECTORS: [AsmRegisterXmm; 6] = [xmm0, xmm1, xmm2, xmm3, xmm4, xmm5];

pub(super) fn items(f: &Fields) -> Result<Vec<Item>, AsmError> {
    let mut code = Code::new(f.profile.arch)?;
    let c = &mut code;
    for interrupt in interrupts(Arch::X86).iter().filter(|i| i.pushes != Pushes::Service) {
        entry(c, interrupt)?;
    }
    dispatch(c, f)?;
    exit(c, f)?;
    Ok(vec![code.finish()?, services(f)?, driver(f)?])
}

/// `KiTrap00` and so on: the frame is begun, and EBX saved for the vector.
fn entry(c: &mut Code, interrupt: &Interrupt) -> Result<(), AsmError> {
    let dispatch = c.to("KiExceptionDispatch");
    c.name(interrupt.symbol)?;
    if interrupt.pushes == Pushes::Nothing {
        c.asm.push(0)?;
    }
    c.asm.push(ebp)?;
    c.asm.push(ebx)?;
    c.asm.mov(ebx, u32::from(interrupt.vector))?;
    c.asm.jmp(dispatch)?;
    Ok(())
}

/// The frame from ESI down: EBP becomes the frame, the segments the kernel's.
fn enter(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    c.asm.push(esi)?;
    c.asm.push(edi)?;
    c.asm.push(fs)?;
    c.asm.mov(esi, ds)?;
    c.asm.mov(edi, es)?;
    c.asm.push(eax)?;
    kernel_segments(c, eax)?;
    c.asm.pop(eax)?;
    lower_frame(c, f)?;
    let saved = [("Eax", eax), ("Ecx", ecx), ("Edx", edx), ("SegDs", esi), ("SegEs", edi)];
    for (field, register) in saved {
        c.asm.mov(dword_ptr(ebp + f.frame(field)?), register)?;
    }
    c.asm.mov(edi, gs)?;
    c.asm.mov(dword_ptr(ebp + f.frame("SegGs")?), edi)?;
    c.asm.mov(dword_ptr(ebp + f.frame("PreviousPreviousMode")?), 0)?;
    c.asm.mov(dword_ptr(ebp + f.frame("Dr7")?), 0)?;
    c.asm.cld()?;
    Ok(())
}

/// Takes back what [`enter`] saved, and returns.
fn leave(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    restore_list(c, f)?;
    for (field, register) in [("Eax", eax), ("Ecx", ecx), ("Edx", edx)] {
        c.asm.mov(register, dword_ptr(ebp + f.frame(field)?))?;
    }
    // Through the stack's segment from here on.
    c.asm.mov(ds, word_ptr(ebp + f.frame("SegDs")?))?;
    c.asm.mov(es, word_ptr(ebp + f.frame("SegEs")?))?;
    c.asm.lea(esp, ebp + f.frame("SegFs")?)?;
    c.asm.pop(fs)?;
    for register in [edi, esi, ebx, ebp] {
        c.asm.pop(register)?;
    }
    c.asm.add(esp, 4)?;
    c.asm.iretd()?;
    Ok(())
}

/// `KiExceptionDispatch`: EBX is the vector.
fn dispatch(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let masked = c.to("KiExceptionDispatchMasked");
    c.name("KiExceptionDispatch")?;
    enter(c, f)?;
    c.asm.mov(edx, ebx)?;
    c.asm.mov(eax, cr2)?;
    c.asm.test(dword_ptr(ebp + f.frame("EFlags")?), INTERRUPTS)?;
    c.asm.je(masked)?;
    c.asm.sti()?;
    c.name("KiExceptionDispatchMasked")?;
    // The frame has the interrupted code's EBX; the register may be changed.
    c.asm.mov(ecx, ebp)?;
    c.asm.int(u32::from(KernelGate::Exception.vector()))?;
    Ok(())
}

/// `KiExceptionExit`: EBP is the frame. A user APC that waits runs before user code goes on.
fn exit(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let (restore, again) = (c.to("KiExceptionRestore"), c.to("KiExceptionExit"));
    c.name("KiExceptionExit")?;
    c.asm.cli()?;
    c.asm.test(byte_ptr(ebp + f.frame("SegCs")?), selector::USER_MODE)?;
    c.asm.je(restore)?;
    c.asm.mov(ecx, dword_ptr(f.prcb("CurrentThread")?).fs())?;
    c.asm.cmp(byte_ptr(ecx + f.user_apc_pending()?), 0)?;
    c.asm.je(restore)?;
    c.asm.sti()?;
    c.asm.mov(ecx, ebp)?;
    c.asm.int(u32::from(KernelGate::DeliverApc.vector()))?;
    c.asm.jmp(again)?;
    c.name("KiExceptionRestore")?;
    leave(c, f)
}

/// `KiGetTickCount`: `int 2Ah`, the milliseconds since the start. `KiCallbackReturn`: `int 2Bh`, the end of a call of the
/// kernel's to user code; there is none.
fn services(f: &Fields) -> Result<Item, AsmError> {
    let mut code = Code::new(f.profile.arch)?;
    let c = &mut code;
    let shared = SystemMap::of(Arch::X86).shared_data as u32;
    let field = |name: &str| {
        let at = f.profile.shared_data_layout().and_then(|l| l.offset(name));
        let missing = || AsmError::Field(format!("KUSER_SHARED_DATA.{name} for {}", f.profile.name));
        at.map(|at| dword_ptr(shared + at as u32).ss()).ok_or_else(missing)
    };
    // Where the count has its own place no longer, it is the low part of a KSYSTEM_TIME.
    let ticks = field("TickCountLow").or_else(|_| field("TickCount"))?;
    c.name("KiGetTickCount")?;
    c.asm.push(edx)?;
    c.asm.mov(eax, ticks)?;
    c.asm.mul(field("TickCountMultiplier")?)?;
    c.asm.shrd(eax, edx, 24)?;
    c.asm.pop(edx)?;
    c.asm.iretd()?;
    c.name("KiCallbackReturn")?;
    c.asm.mov(eax, STATUS_NO_CALLBACK_ACTIVE)?;
    c.asm.iretd()?;
    code.finish()
}

/// `KiDriverStandIn`: entered as if the first instruction of user code had been interrupted. Calls the entry point of
/// the code that was loaded as a driver, and goes on.
fn driver(f: &Fields) -> Result<Item, AsmError> {
    let mut code = Code::new(f.profile.arch)?;
    let c = &mut code;
    c.name("KiDriverStandIn")?;
    c.asm.push(0)?;
    c.asm.push(ebp)?;
    c.asm.push(ebx)?;
    enter(c, f)?;
    c.asm.sub(esp, 16 * VECTORS.len() as i32)?;
    for (at, register) in (0..).step_by(16).zip(VECTORS) {
        c.asm.movups(xmmword_ptr(esp + at), register)?;
    }
    c.asm.sti()?;
    let (object, path) = (c.var("KiDriverObject"), c.var("KiRegistryPath"));
    let (entry, status) = (c.var("KiDriverEntry"), c.var("KiDriverStatus"));
    c.asm.push(path)?;
    c.asm.push(object)?;
    c.asm.call(entry)?;
    c.asm.mov(status, eax)?;
    c.asm.cli()?;
    // A driver may return with its arguments still on the stack.
    c.asm.lea(esp, ebp - 16 * VECTORS.len() as i32)?;
    for (at, register) in (0..).step_by(16).zip(VECTORS) {
        c.asm.movups(register, xmmword_ptr(esp + at))?;
    }
    leave(c, f)?;
    code.finish()
}
