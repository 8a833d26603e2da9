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
///
/// One branch for whatever keeps the call from going straight back: each branch costs the engine a block. ECX gathers
/// what is not zero then.
pub(super) fn user(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let rare = c.to("KiServiceExitRare");
    c.name("KiServiceExit")?;
    c.asm.mov(ebx, dword_ptr(f.prcb("CurrentThread")?).fs())?;
    c.asm.movzx(ecx, byte_ptr(ebp + f.frame("SegCs")?))?;
    c.asm.and(ecx, selector::USER_MODE)?;
    c.asm.xor(ecx, selector::USER_MODE)?;
    if has_checks(f) {
        c.asm.or(cl, byte_ptr(f.at("KPCR", "Irql")?).fs())?;
        c.asm.or(cl, byte_ptr(ebx + f.thread("ApcStateIndex")?))?;
        c.asm.or(ecx, dword_ptr(ebx + f.thread("CombinedApcDisable")?))?;
    }
    c.asm.cli()?;
    c.asm.movzx(edx, byte_ptr(ebx + f.user_apc_pending()?))?;
    c.asm.or(ecx, edx)?;
    c.asm.jne(rare)?;
    c.name("KiServiceExit2")?;
    restore_list(c, f)?;
    let has_sysexit = f.profile.stub_style.has_gate("sysenter");
    if has_sysexit {
        // By `sysexit` if TF is clear in a frame that came by `sysenter`: 0 where the other is 1.
        c.asm.mov(cl, byte_ptr(ebp + (f.frame("EFlags")? + 1)))?;
        c.asm.and(cl, TRAP_FLAG)?;
        c.asm.cmp(cl, byte_ptr(ebp + frame_type(f)?))?;
    }
    c.asm.mov(ecx, dword_ptr(ebp + f.frame("PreviousPreviousMode")?))?;
    c.asm.mov(byte_ptr(ebx + f.thread("PreviousMode")?), cl)?;
    if has_sysexit {
        let slow = c.to("KiServiceExitInterrupt");
        c.asm.jae(slow)?;
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

/// Whether the build looks for user code about to run at a raised IRQL or attached to another process: from Windows 7
/// on, as its KTHREAD tells.
fn has_checks(f: &Fields) -> bool {
    f.find("KTHREAD", "CombinedApcDisable").is_some()
}

/// Which of the reasons it is that the call does not go straight back. The APC is the last of them.
fn instead(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let kernel = c.to("KiServiceExitKernel");
    c.name("KiServiceExitRare")?;
    c.asm.test(byte_ptr(ebp + f.frame("SegCs")?), selector::USER_MODE)?;
    c.asm.je(kernel)?;
    if has_checks(f) {
        let (irql, state) = (c.to("KiServiceExitIrql"), c.to("KiServiceExitApcState"));
        c.asm.movzx(ecx, byte_ptr(f.at("KPCR", "Irql")?).fs())?;
        c.asm.test(ecx, ecx)?;
        c.asm.jne(irql)?;
        c.asm.movzx(ecx, byte_ptr(ebx + f.thread("ApcStateIndex")?))?;
        c.asm.or(ecx, dword_ptr(ebx + f.thread("CombinedApcDisable")?))?;
        c.asm.jne(state)?;
    }
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
    let again = c.to("KiServiceExit");
    instead(c, f)?;
    c.name("KiServiceDeliverApc")?;
    c.asm.mov(dword_ptr(ebp + f.frame("Eax")?), eax)?;
    c.asm.sti()?;
    c.asm.mov(ecx, ebp)?;
    c.asm.int(u32::from(KernelGate::DeliverApc.vector()))?;
    c.asm.mov(eax, dword_ptr(ebp + f.frame("Eax")?))?;
    c.asm.jmp(again)?;
    if has_checks(f) {
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
    c.asm.sti()?;
    c.asm.push(dword_ptr(ebp + f.frame("Eip")?))?;
    c.asm.push(ecx)?;
    c.asm.call(ex)?;
    c.asm.int3()?;
    Ok(())
}

/// The caller is the kernel itself (interrupts are off): previous mode and trap frame are what they were.
fn kernel(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    c.name("KiServiceExitKernel")?;
    c.asm.mov(ecx, dword_ptr(ebp + f.frame("Edx")?))?;
    c.asm.mov(dword_ptr(ebx + f.thread("TrapFrame")?), ecx)?;
    restore_list(c, f)?;
    c.asm.mov(ecx, dword_ptr(ebp + f.frame("PreviousPreviousMode")?))?;
    c.asm.mov(byte_ptr(ebx + f.thread("PreviousMode")?), cl)?;
    restore(c, f)?;
    c.asm.iretd()?;
    Ok(())
}
