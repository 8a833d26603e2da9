//! The ways out: `KiServiceExit`, which `sysexit`s to user mode where a call came by `sysenter`, and `iretd`s else.

use iced_x86::code_asm::*;

use super::super::super::error::AsmError;
use super::super::code::Code;
use super::super::fields::Fields;
use super::super::{APC_INDEX_MISMATCH, IRQL_GT_ZERO_AT_SYSTEM_SERVICE};
use super::entry::{frame_type, restore_list};
use super::selector;
use crate::system::KernelGate;

/// TF in the second byte of EFLAGS.
const TRAP_FLAG: i32 = 1;
/// Everything but IF in the second byte of EFLAGS.
const NO_INTERRUPTS: i32 = !2;

/// `KiServiceExit`: EAX is the status, EBP the frame; no other register is needed.
pub(super) fn user(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let (kernel, deliver) = (c.to("KiServiceExitKernel"), c.to("KiServiceDeliverApc"));
    c.name("KiServiceExit")?;
    c.asm.test(byte_ptr(ebp + f.frame("SegCs")?), selector::USER_MODE)?;
    c.asm.je(kernel)?;
    c.asm.mov(ebx, dword_ptr(f.prcb("CurrentThread")?).fs())?;
    if f.find("KTHREAD", "CombinedApcDisable").is_some() {
        checks(c, f)?;
    }
    c.name("KiServiceExitApc")?;
    c.asm.cli()?;
    c.asm.cmp(byte_ptr(ebx + f.user_apc_pending()?), 0)?;
    c.asm.jne(deliver)?;
    c.name("KiServiceExit2")?;
    restore_list(c, f)?;
    c.asm.mov(ecx, dword_ptr(ebp + f.frame("PreviousPreviousMode")?))?;
    c.asm.mov(byte_ptr(ebx + f.thread("PreviousMode")?), cl)?;
    if f.profile.stub_style.has_gate("sysenter") {
        let slow = c.to("KiServiceExitInterrupt");
        c.asm.cmp(byte_ptr(ebp + frame_type(f)?), 0)?;
        c.asm.je(slow)?;
        c.asm.test(byte_ptr(ebp + (f.frame("EFlags")? + 1)), TRAP_FLAG)?;
        c.asm.jne(slow)?;
        restore(c, f)?;
        c.asm.pop(edx)?;
        c.asm.add(esp, 4)?;
        // Interrupts come back where there is no kernel stack left.
        c.asm.and(byte_ptr(esp + 1), NO_INTERRUPTS)?;
        c.asm.popfd()?;
        c.asm.pop(ecx)?;
        c.asm.sti()?;
        c.asm.sysexit()?;
        c.name("KiServiceExitInterrupt")?;
    }
    restore(c, f)?;
    c.asm.iretd()?;
    Ok(())
}

/// User code must not run at a raised IRQL or attached to another process; from Windows 7 on.
fn checks(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let (irql, state) = (c.to("KiServiceExitIrql"), c.to("KiServiceExitApcState"));
    c.asm.movzx(ecx, byte_ptr(f.at("KPCR", "Irql")?).fs())?;
    c.asm.test(ecx, ecx)?;
    c.asm.jne(irql)?;
    c.asm.movzx(ecx, byte_ptr(ebx + f.thread("ApcStateIndex")?))?;
    c.asm.or(ecx, dword_ptr(ebx + f.thread("CombinedApcDisable")?))?;
    c.asm.jne(state)?;
    Ok(())
}

/// Takes the caller's registers back, up to where the processor's part of the frame begins.
fn restore(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    c.asm.lea(esp, ebp + f.frame("SegFs")?)?;
    c.asm.pop(fs)?;
    for register in [edi, esi, ebx, ebp] {
        c.asm.pop(register)?;
    }
    c.asm.add(esp, 4)?;
    Ok(())
}

/// What the common path branches to.
pub(super) fn rare(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let again = c.to("KiServiceExitApc");
    c.name("KiServiceDeliverApc")?;
    c.asm.mov(dword_ptr(ebp + f.frame("Eax")?), eax)?;
    c.asm.sti()?;
    c.asm.mov(ecx, ebp)?;
    c.asm.int(u32::from(KernelGate::DeliverApc.vector()))?;
    c.asm.mov(eax, dword_ptr(ebp + f.frame("Eax")?))?;
    c.asm.jmp(again)?;
    if f.find("KTHREAD", "CombinedApcDisable").is_some() {
        bug_checks(c, f)?;
    }
    kernel(c, f)
}

/// `KeBugCheckEx` with the address in user mode.
fn bug_checks(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let (bug_check, ex) = (c.to("KiServiceBugCheck"), c.to("KeBugCheckEx"));
    c.name("KiServiceExitIrql")?;
    c.asm.push(0)?;
    c.asm.push(0)?;
    c.asm.push(ecx)?;
    c.asm.mov(ecx, IRQL_GT_ZERO_AT_SYSTEM_SERVICE)?;
    c.asm.jmp(bug_check)?;
    c.name("KiServiceExitApcState")?;
    c.asm.push(0)?;
    c.asm.push(dword_ptr(ebx + f.thread("CombinedApcDisable")?))?;
    c.asm.movzx(ecx, byte_ptr(ebx + f.thread("ApcStateIndex")?))?;
    c.asm.push(ecx)?;
    c.asm.mov(ecx, APC_INDEX_MISMATCH)?;
    c.name("KiServiceBugCheck")?;
    c.asm.push(dword_ptr(ebp + f.frame("Eip")?))?;
    c.asm.push(ecx)?;
    c.asm.call(ex)?;
    c.asm.int3()?;
    Ok(())
}

/// The caller is the kernel itself: previous mode and trap frame are what they were.
fn kernel(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    c.name("KiServiceExitKernel")?;
    c.asm.cli()?;
    c.asm.mov(ebx, dword_ptr(f.prcb("CurrentThread")?).fs())?;
    c.asm.mov(ecx, dword_ptr(ebp + f.frame("Edx")?))?;
    c.asm.mov(dword_ptr(ebx + f.thread("TrapFrame")?), ecx)?;
    restore_list(c, f)?;
    c.asm.mov(ecx, dword_ptr(ebp + f.frame("PreviousPreviousMode")?))?;
    c.asm.mov(byte_ptr(ebx + f.thread("PreviousMode")?), cl)?;
    restore(c, f)?;
    c.asm.iretd()?;
    Ok(())
}
