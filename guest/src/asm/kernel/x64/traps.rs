//! The entries of exceptions and interrupts, and of code that is loaded as a driver.

use iced_x86::code_asm::*;

use super::super::super::error::AsmError;
use super::super::super::item::Item;
use super::super::code::Code;
use super::super::fields::{BIAS, Fields, KernelFeature};
use super::super::interrupts::{Interrupt, Pushes, interrupts};
use super::entry::{ALIGNMENT_CHECK_BIT, INTERRUPTS, TRAP_FRAME, frame};
use super::selector;
use crate::profile::Arch;
use crate::system::KernelGate;

/// The registers that a trap may change although the interrupted code needs them, RDX apart.
const VOLATILE: [(&str, AsmRegister64); 6] =
    [("Rax", rax), ("Rcx", rcx), ("R8", r8), ("R9", r9), ("R10", r10), ("R11", r11)];
/// Those of which drivers should leave alone what the frame has a place for.
const KEPT: [(&str, AsmRegister64); 3] = [("Rbx", rbx), ("Rdi", rdi), ("Rsi", rsi)];
const VECTORS: [(&str, AsmRegisterXmm); 6] =
    [("Xmm0", xmm0), ("Xmm1", xmm1), ("Xmm2", xmm2), ("Xmm3", xmm3), ("Xmm4", xmm4), ("Xmm5", xmm5)];

pub(super) fn items(f: &Fields) -> Result<Vec<Item>, AsmError> {
    let mut code = Code::new(f.profile.arch)?;
    let c = &mut code;
    for interrupt in interrupts(Arch::X64).iter().filter(|i| i.pushes != Pushes::Service) {
        entry(c, f, interrupt)?;
    }
    dispatch(c, f)?;
    exit(c, f)?;
    Ok(vec![code.finish()?, driver(f)?])
}

/// `KiDivideErrorFault` and so on: the frame is made complete, and RDX saved for the vector.
fn entry(c: &mut Code, f: &Fields, interrupt: &Interrupt) -> Result<(), AsmError> {
    let dispatch = c.to("KiExceptionDispatch");
    c.name(interrupt.symbol)?;
    if interrupt.pushes == Pushes::Nothing {
        c.asm.push(0)?;
    }
    frame(c, f)?;
    c.asm.mov(qword_ptr(rbp + f.frame("Rdx")?), rdx)?;
    c.asm.mov(edx, u32::from(interrupt.vector))?;
    c.asm.jmp(dispatch)?;
    Ok(())
}

/// Saves what a call may change, RDX apart, and takes the kernel's GS and MXCSR.
fn enter(c: &mut Code, f: &Fields, kernel: &'static str) -> Result<(), AsmError> {
    let to = c.to(kernel);
    c.asm.mov(byte_ptr(rbp + f.frame("ExceptionActive")?), TRAP_FRAME)?;
    for (field, register) in VOLATILE.into_iter().chain(KEPT) {
        c.asm.mov(qword_ptr(rbp + f.frame(field)?), register)?;
    }
    c.asm.test(byte_ptr(rbp + f.frame("SegCs")?), selector::USER_MODE)?;
    c.asm.je(to)?;
    c.asm.swapgs()?;
    c.name(kernel)?;
    c.asm.cld()?;
    if f.has(KernelFeature::Smap) {
        // Like `clac`, which this machine's processor does not have: the interrupted code may have AC set.
        c.asm.pushfq()?;
        c.asm.btr(qword_ptr(rsp), ALIGNMENT_CHECK_BIT)?;
        c.asm.popfq()?;
    }
    c.asm.stmxcsr(dword_ptr(rbp + f.frame("MxCsr")?))?;
    c.asm.ldmxcsr(dword_ptr(f.prcb("MxCsr")?).gs())?;
    for (field, register) in VECTORS {
        c.asm.movaps(xmmword_ptr(rbp + f.frame(field)?), register)?;
    }
    c.asm.mov(word_ptr(rbp + f.frame("Dr7")?), 0)?;
    Ok(())
}

/// Takes back what [`enter`] saved, and returns.
fn leave(c: &mut Code, f: &Fields, kernel: &'static str) -> Result<(), AsmError> {
    let to = c.to(kernel);
    c.asm.ldmxcsr(dword_ptr(rbp + f.frame("MxCsr")?))?;
    for (field, register) in VECTORS {
        c.asm.movaps(register, xmmword_ptr(rbp + f.frame(field)?))?;
    }
    for (field, register) in VOLATILE.into_iter().chain([("Rdx", rdx)]) {
        c.asm.mov(register, qword_ptr(rbp + f.frame(field)?))?;
    }
    c.asm.test(byte_ptr(rbp + f.frame("SegCs")?), selector::USER_MODE)?;
    c.asm.je(to)?;
    c.asm.swapgs()?;
    c.name(kernel)?;
    c.asm.lea(rsp, rbp + f.frame("Rip")?)?;
    c.asm.mov(rbp, qword_ptr(rbp + f.frame("Rbp")?))?;
    c.asm.iretq()?;
    Ok(())
}

/// `KiExceptionDispatch`: EDX is the vector; R8 becomes CR2, R9 the IRQL.
fn dispatch(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let masked = c.to("KiExceptionDispatchMasked");
    c.name("KiExceptionDispatch")?;
    enter(c, f, "KiExceptionDispatchKernel")?;
    c.asm.mov(r8, cr2)?;
    c.asm.mov(r9, cr8)?;
    c.asm.test(dword_ptr(rbp + f.frame("EFlags")?), INTERRUPTS)?;
    c.asm.je(masked)?;
    c.asm.sti()?;
    c.name("KiExceptionDispatchMasked")?;
    c.asm.lea(rcx, rbp - BIAS)?;
    c.asm.int(u32::from(KernelGate::Exception.vector()))?;
    Ok(())
}

/// `KiExceptionExit`: RBP is the frame. A user APC that waits runs before user code goes on.
fn exit(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let (restore, again) = (c.to("KiExceptionRestore"), c.to("KiExceptionExit"));
    c.name("KiExceptionExit")?;
    c.asm.cli()?;
    c.asm.test(byte_ptr(rbp + f.frame("SegCs")?), selector::USER_MODE)?;
    c.asm.je(restore)?;
    c.asm.mov(rcx, qword_ptr(f.prcb("CurrentThread")?).gs())?;
    c.asm.cmp(byte_ptr(rcx + f.user_apc_pending()?), 0)?;
    c.asm.je(restore)?;
    c.asm.sti()?;
    c.asm.lea(rcx, rbp - BIAS)?;
    c.asm.int(u32::from(KernelGate::DeliverApc.vector()))?;
    c.asm.jmp(again)?;
    c.name("KiExceptionRestore")?;
    leave(c, f, "KiExceptionRestoreKernel")
}

/// `KiDriverStandIn`: entered as if the first instruction of user code had been interrupted. Calls the entry point of
/// the code that was loaded as a driver, and goes on.
fn driver(f: &Fields) -> Result<Item, AsmError> {
    let mut code = Code::new(f.profile.arch)?;
    let c = &mut code;
    c.name("KiDriverStandIn")?;
    c.asm.push(0)?;
    frame(c, f)?;
    c.asm.mov(qword_ptr(rbp + f.frame("Rdx")?), rdx)?;
    enter(c, f, "KiDriverStandInKernel")?;
    c.asm.sti()?;
    let (object, path) = (c.var("KiDriverObject"), c.var("KiRegistryPath"));
    let (entry, status) = (c.var("KiDriverEntry"), c.to("KiDriverStatus"));
    c.asm.mov(rcx, object)?;
    c.asm.mov(rdx, path)?;
    c.asm.call(entry)?;
    c.asm.mov(dword_ptr(status), eax)?;
    c.asm.cli()?;
    for (field, register) in KEPT {
        c.asm.mov(register, qword_ptr(rbp + f.frame(field)?))?;
    }
    leave(c, f, "KiDriverStandInRestoreKernel")?;
    code.finish()
}
