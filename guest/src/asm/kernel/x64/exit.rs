//! The ways out: `KiSystemServiceExit` by `sysretq` to user mode, by `iretq` within the kernel.

use iced_x86::code_asm::*;

use super::super::super::error::AsmError;
use super::super::code::Code;
use super::super::fields::{BIAS, Fields, KernelFeature};
use super::super::{APC_INDEX_MISMATCH, IRQL_GT_ZERO_AT_SYSTEM_SERVICE};
use super::entry::SHADOW_FLAG;
use super::selector;
use crate::system::KernelGate;

/// `KiSystemServiceExit`: EAX is the status, RBP the frame; no other register is needed.
///
/// One branch for whatever keeps the call from going straight back: each branch costs the engine a block. ECX gathers
/// what is not zero then.
pub(super) fn user(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let rare = c.to("KiSystemServiceExitRare");
    c.name("KiSystemServiceExit")?;
    c.asm.mov(rbx, qword_ptr(f.prcb("CurrentThread")?).gs())?;
    c.asm.movzx(ecx, byte_ptr(rbp + f.frame("SegCs")?))?;
    c.asm.and(ecx, selector::USER_MODE)?;
    c.asm.xor(ecx, selector::USER_MODE)?;
    c.asm.mov(rdx, cr8)?;
    c.asm.or(ecx, edx)?;
    c.asm.movzx(edx, byte_ptr(rbx + f.thread("ApcStateIndex")?))?;
    c.asm.or(ecx, edx)?;
    c.asm.or(ecx, dword_ptr(rbx + f.thread("CombinedApcDisable")?))?;
    c.asm.cli()?;
    c.asm.or(cl, byte_ptr(rbx + f.user_apc_pending()?))?;
    if f.has(KernelFeature::KvaShadow) {
        let on = c.to("KiKvaShadow");
        c.asm.or(cl, byte_ptr(on))?;
    }
    if let Ok(mask) = f.mask("DISPATCHER_HEADER", "Instrumented") {
        c.asm.movzx(edx, byte_ptr(rbx + f.at("DISPATCHER_HEADER", "DebugActive")?))?;
        c.asm.and(edx, mask as i32)?;
        c.asm.or(ecx, edx)?;
    } else {
        c.asm.test(ecx, ecx)?;
    }
    c.asm.jne(rare)?;
    c.asm.xor(r10d, r10d)?;
    c.name("KiSystemServiceExitRestore")?;
    restore(c, f)?;
    c.asm.mov(rbp, r9)?;
    if !f.profile.sysret_r9_is_rbp {
        c.asm.xor(r9d, r9d)?;
    }
    c.asm.mov(rsp, r8)?;
    c.asm.swapgs()?;
    c.asm.sysretq()?;
    Ok(())
}

/// What user code sees of the call: nothing but the status.
fn restore(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let a = &mut c.asm;
    a.ldmxcsr(dword_ptr(rbp + f.frame("MxCsr")?))?;
    a.mov(rbx, qword_ptr(rbp + f.frame("Rbx")?))?;
    a.mov(rdi, qword_ptr(rbp + f.frame("Rdi")?))?;
    a.mov(rsi, qword_ptr(rbp + f.frame("Rsi")?))?;
    a.xor(edx, edx)?;
    for register in [xmm0, xmm1, xmm2, xmm3, xmm4, xmm5] {
        a.pxor(register, register)?;
    }
    a.mov(r8, qword_ptr(rbp + f.frame("Rsp")?))?;
    a.mov(r9, qword_ptr(rbp + f.frame("Rbp")?))?;
    a.mov(rcx, qword_ptr(rbp + f.frame("Rip")?))?;
    a.mov(r11, qword_ptr(rbp + f.frame("EFlags")?))?;
    Ok(())
}

/// What the common path branches to.
pub(super) fn rare(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    instead(c, f)?;
    deliver(c, f)?;
    bug_checks(c, f)?;
    if f.mask("DISPATCHER_HEADER", "Instrumented").is_ok() {
        instrumented(c, f)?;
    }
    kernel(c, f)?;
    if f.has(KernelFeature::KvaShadow) {
        shadow(c, f)?;
    }
    Ok(())
}

/// Which of the reasons it is that the call does not go straight back.
fn instead(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let (deliver, go) = (c.to("KiSystemServiceDeliverApc"), c.to("KiSystemServiceExitRestore"));
    let (kernel, irql) = (c.to("KiSystemServiceExitKernel"), c.to("KiSystemServiceExitIrql"));
    let state = c.to("KiSystemServiceExitApcState");
    c.name("KiSystemServiceExitRare")?;
    c.asm.test(byte_ptr(rbp + f.frame("SegCs")?), selector::USER_MODE)?;
    c.asm.je(kernel)?;
    c.asm.mov(rcx, cr8)?;
    c.asm.test(ecx, ecx)?;
    c.asm.jne(irql)?;
    c.asm.movzx(ecx, byte_ptr(rbx + f.thread("ApcStateIndex")?))?;
    c.asm.or(ecx, dword_ptr(rbx + f.thread("CombinedApcDisable")?))?;
    c.asm.jne(state)?;
    c.asm.cmp(byte_ptr(rbx + f.user_apc_pending()?), 0)?;
    c.asm.jne(deliver)?;
    c.asm.xor(r10d, r10d)?;
    if let Ok(mask) = f.mask("DISPATCHER_HEADER", "Instrumented") {
        let instrumented = c.to("KiSystemServiceInstrumented");
        c.asm.test(byte_ptr(rbx + f.at("DISPATCHER_HEADER", "DebugActive")?), mask as i32)?;
        c.asm.jne(instrumented)?;
        c.name("KiSystemServiceExitTables")?;
    }
    if f.has(KernelFeature::KvaShadow) {
        let (on, exit) = (c.to("KiKvaShadow"), c.to("KiKernelSysretExit"));
        c.asm.cmp(byte_ptr(on), 0)?;
        c.asm.je(go)?;
        restore(c, f)?;
        c.asm.jmp(exit)?;
    } else {
        c.asm.jmp(go)?;
    }
    Ok(())
}

/// The thread has a user APC: it runs first, and gets the frame as it is.
fn deliver(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let again = c.to("KiSystemServiceExit");
    c.name("KiSystemServiceDeliverApc")?;
    c.asm.mov(qword_ptr(rbp + f.frame("Rax")?), rax)?;
    c.asm.sti()?;
    c.asm.lea(rcx, rbp - BIAS)?;
    c.asm.int(u32::from(KernelGate::DeliverApc.vector()))?;
    c.asm.mov(rax, qword_ptr(rbp + f.frame("Rax")?))?;
    c.asm.jmp(again)?;
    Ok(())
}

/// The service left the thread in a state in which user code must not run: `KeBugCheckEx` with the address in user mode.
fn bug_checks(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let bug_check = c.to("KiSystemServiceBugCheck");
    c.name("KiSystemServiceExitIrql")?;
    c.asm.mov(r8d, ecx)?;
    c.asm.xor(r9d, r9d)?;
    c.asm.mov(ecx, IRQL_GT_ZERO_AT_SYSTEM_SERVICE)?;
    c.asm.jmp(bug_check)?;
    c.name("KiSystemServiceExitApcState")?;
    c.asm.movzx(r8d, byte_ptr(rbx + f.thread("ApcStateIndex")?))?;
    c.asm.mov(r9d, dword_ptr(rbx + f.thread("CombinedApcDisable")?))?;
    c.asm.mov(ecx, APC_INDEX_MISMATCH)?;
    c.name("KiSystemServiceBugCheck")?;
    let ex = c.to("KeBugCheckEx");
    c.asm.sti()?;
    c.asm.mov(rdx, qword_ptr(rbp + f.frame("Rip")?))?;
    c.asm.lea(rsp, rbp - BIAS - 0x30)?;
    c.asm.mov(qword_ptr(rsp + 0x20), 0)?;
    c.asm.call(ex)?;
    c.asm.int3()?;
    Ok(())
}

/// `KPROCESS.InstrumentationCallback` gets control, with the address where it would have gone in R10.
fn instrumented(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let go = c.to("KiSystemServiceExitTables");
    let process = f.thread("ApcState")? + f.at("KAPC_STATE", "Process")?;
    c.name("KiSystemServiceInstrumented")?;
    c.asm.mov(rcx, qword_ptr(rbx + process))?;
    c.asm.mov(rcx, qword_ptr(rcx + f.at("KPROCESS", "InstrumentationCallback")?))?;
    c.asm.test(rcx, rcx)?;
    c.asm.je(go)?;
    c.asm.mov(r10, qword_ptr(rbp + f.frame("Rip")?))?;
    c.asm.mov(qword_ptr(rbp + f.frame("Rip")?), rcx)?;
    c.asm.jmp(go)?;
    Ok(())
}

/// The caller is the kernel itself (interrupts are off): previous mode and trap frame are what they were.
fn kernel(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let from_rbp = f.at("KTRAP_FRAME", "Rip")? - BIAS;
    c.name("KiSystemServiceExitKernel")?;
    c.asm.mov(rbx, qword_ptr(f.prcb("CurrentThread")?).gs())?;
    c.asm.mov(rcx, qword_ptr(rbp + f.frame("TrapFrame")?))?;
    c.asm.mov(qword_ptr(rbx + f.thread("TrapFrame")?), rcx)?;
    c.asm.mov(cl, byte_ptr(rbp + f.frame("PreviousMode")?))?;
    c.asm.mov(byte_ptr(rbx + f.thread("PreviousMode")?), cl)?;
    c.asm.mov(rbx, qword_ptr(rbp + f.frame("Rbx")?))?;
    c.asm.mov(rdi, qword_ptr(rbp + f.frame("Rdi")?))?;
    c.asm.mov(rsi, qword_ptr(rbp + f.frame("Rsi")?))?;
    c.asm.lea(rsp, rbp + from_rbp)?;
    c.asm.mov(rbp, qword_ptr(rbp + f.frame("Rbp")?))?;
    c.asm.iretq()?;
    Ok(())
}

/// `KiKernelSysretExit`: the last steps where user code has page tables of its own.
fn shadow(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let process = f.thread("ApcState")? + f.at("KAPC_STATE", "Process")?;
    let same = c.to("KiKernelSysretExitSame");
    c.name("KiKernelSysretExit")?;
    c.asm.mov(rbp, qword_ptr(f.prcb("CurrentThread")?).gs())?;
    c.asm.mov(rbp, qword_ptr(rbp + process))?;
    c.asm.mov(rbp, qword_ptr(rbp + f.at("KPROCESS", "UserDirectoryTableBase")?))?;
    c.asm.bt(dword_ptr(f.prcb("ShadowFlags")?).gs(), SHADOW_FLAG)?;
    c.asm.jb(same)?;
    c.asm.mov(cr3, rbp)?;
    c.name("KiKernelSysretExitSame")?;
    c.asm.mov(rbp, r9)?;
    c.asm.mov(rsp, r8)?;
    c.asm.swapgs()?;
    c.asm.sysretq()?;
    Ok(())
}
