//! The ways in: `syscall` from 64-bit and 32-bit code, `int 2Eh`, and `Zw…` from the kernel itself. They build the
//! `KTRAP_FRAME` and meet in `KiSystemServiceStart`.

use iced_x86::code_asm::*;

use super::super::super::error::AsmError;
use super::super::super::item::Item;
use super::super::code::Code;
use super::super::fields::{BIAS, Fields, KernelFeature};
use super::selector;
use super::{dispatch, exit, slow};

/// `KTRAP_FRAME.ExceptionActive` of a frame that a system call built, and of any other.
const SERVICE_FRAME: i32 = 2;
pub(super) const TRAP_FRAME: i32 = 1;
/// IF in EFLAGS.
pub(super) const INTERRUPTS: i32 = 0x200;
/// AC in EFLAGS: the kernel may touch user memory in spite of SMAP.
pub(super) const ALIGNMENT_CHECK_BIT: u32 = 18;
/// The bit of `KPRCB.ShadowFlags` that says that the kernel's page tables are in use already.
pub(super) const SHADOW_FLAG: u32 = 1;

/// From every entry to every exit: one item, the common path first.
pub(super) fn system_call(f: &Fields) -> Result<Item, AsmError> {
    let mut code = Code::new(f.profile.arch)?;
    let c = &mut code;
    from_64_bit_code(c, f)?;
    user(c, f)?;
    dispatch::start(c, f)?;
    exit::user(c, f)?;
    slow::all(c, f)?;
    exit::rare(c, f)?;
    interrupt(c, f)?;
    internal(c, f)?;
    from_32_bit_code(c, f)?;
    if f.has(KernelFeature::KvaShadow) {
        shadow(c, f)?;
    }
    code.finish()
}

/// Pushes what an interrupt from user mode would have pushed.
fn machine_frame(c: &mut Code, stack: i32, code_selector: i32) -> Result<(), AsmError> {
    let a = &mut c.asm;
    a.push(selector::USER_DATA)?;
    a.push(qword_ptr(stack).gs())?;
    a.push(r11)?;
    a.push(code_selector)?;
    a.push(rcx)?;
    Ok(())
}

/// The rest of the frame below what the processor pushed, with an error code.
pub(super) fn frame(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let below = f.at("KTRAP_FRAME", "Rbp")?;
    let a = &mut c.asm;
    a.push(rbp)?;
    a.sub(rsp, below)?;
    a.lea(rbp, rsp + BIAS)?;
    Ok(())
}

/// The registers that the path uses although they are the caller's.
fn save_own(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let a = &mut c.asm;
    a.mov(qword_ptr(rbp + f.frame("Rbx")?), rbx)?;
    a.mov(qword_ptr(rbp + f.frame("Rdi")?), rdi)?;
    a.mov(qword_ptr(rbp + f.frame("Rsi")?), rsi)?;
    Ok(())
}

fn save_call(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let a = &mut c.asm;
    a.mov(qword_ptr(rbp + f.frame("Rax")?), rax)?;
    a.mov(qword_ptr(rbp + f.frame("Rcx")?), rcx)?;
    a.mov(qword_ptr(rbp + f.frame("Rdx")?), rdx)?;
    Ok(())
}

/// `KiSystemCall64`: RCX is the return address, R11 the flags, R10 the first argument, RSP the caller's.
fn from_64_bit_code(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let user_stack = f.at("KPCR", "UserRsp")?;
    c.name("KiSystemCall64")?;
    c.asm.swapgs()?;
    c.asm.mov(qword_ptr(user_stack).gs(), rsp)?;
    c.asm.mov(rsp, qword_ptr(f.prcb("RspBase")?).gs())?;
    machine_frame(c, user_stack, selector::USER_CODE)?;
    c.name("KiSystemCall64Frame")?;
    c.asm.mov(rcx, r10)?;
    c.asm.sub(rsp, 8)?;
    frame(c, f)?;
    save_own(c, f)?;
    save_call(c, f)
}

/// `KiSystemServiceUser`: any call from user mode, with the frame built and GS the kernel's.
fn user(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    c.name("KiSystemServiceUser")?;
    c.asm.mov(byte_ptr(rbp + f.frame("ExceptionActive")?), SERVICE_FRAME)?;
    c.asm.mov(rbx, qword_ptr(f.prcb("CurrentThread")?).gs())?;
    c.asm.stmxcsr(dword_ptr(rbp + f.frame("MxCsr")?))?;
    c.asm.ldmxcsr(dword_ptr(f.prcb("MxCsr")?).gs())?;
    c.asm.mov(word_ptr(rbp + f.frame("Dr7")?), 0)?;
    if let Ok(minimal) = f.mask("DISPATCHER_HEADER", "Minimal") {
        let debug_active = f.at("DISPATCHER_HEADER", "DebugActive")?;
        let pico = c.to("KiSystemServicePico");
        c.asm.test(byte_ptr(rbx + debug_active), minimal as i32)?;
        c.asm.jne(pico)?;
    }
    if f.has(KernelFeature::Smap) {
        allow_user_access(c)?;
    } else {
        c.asm.sti()?;
    }
    c.asm.mov(qword_ptr(rbx + f.thread("FirstArgument")?), rcx)?;
    c.asm.mov(dword_ptr(rbx + f.thread("SystemCallNumber")?), eax)?;
    Ok(())
}

/// Switches interrupts on and, where `KeSmapEnabled` says so, access to user memory: AC, which Windows sets by `stac`.
/// This machine's processor does not have that, and a branch would cost more than the two flags do together.
fn allow_user_access(c: &mut Code) -> Result<(), AsmError> {
    let smap = c.to("KeSmapEnabled");
    c.asm.movzx(r11d, byte_ptr(smap))?;
    c.asm.shl(r11d, ALIGNMENT_CHECK_BIT)?;
    c.asm.or(r11d, INTERRUPTS)?;
    c.asm.pushfq()?;
    c.asm.or(qword_ptr(rsp), r11)?;
    c.asm.popfq()?;
    Ok(())
}

/// `KiSystemService`: `int 2Eh`. The processor has pushed SS to RIP on the kernel's stack.
fn interrupt(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    c.name("KiSystemService")?;
    c.asm.sub(rsp, 8)?;
    frame(c, f)?;
    save_own(c, f)?;
    c.asm.mov(rcx, r10)?;
    save_call(c, f)?;
    let (user, kernel) = (c.to("KiSystemServiceUser"), c.to("KiServiceInternalFrame"));
    c.asm.test(byte_ptr(rbp + f.frame("SegCs")?), selector::USER_MODE)?;
    c.asm.je(kernel)?;
    c.asm.swapgs()?;
    c.asm.jmp(user)?;
    Ok(())
}

/// `KiServiceInternal`: a `Zw…` of the kernel, which has pushed what an interrupt would have pushed, except for SS.
/// The service runs with the previous mode kernel; `iretq` leads to `KiServiceLinkage`, which returns to the caller.
fn internal(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    c.name("KiServiceInternal")?;
    c.asm.sub(rsp, 8)?;
    frame(c, f)?;
    save_own(c, f)?;
    // The stub has switched interrupts off before it pushed the flags. A null selector is ring 0's SS too.
    c.asm.mov(qword_ptr(rbp + f.frame("SegSs")?), 0)?;
    c.asm.or(dword_ptr(rbp + f.frame("EFlags")?), INTERRUPTS)?;
    c.name("KiServiceInternalFrame")?;
    c.asm.mov(byte_ptr(rbp + f.frame("ExceptionActive")?), SERVICE_FRAME)?;
    c.asm.sti()?;
    c.asm.mov(rbx, qword_ptr(f.prcb("CurrentThread")?).gs())?;
    let (saved, previous) = (f.frame("PreviousMode")?, f.thread("PreviousMode")?);
    c.asm.movzx(edi, byte_ptr(rbx + previous))?;
    c.asm.mov(byte_ptr(rbp + saved), dil)?;
    c.asm.mov(byte_ptr(rbx + previous), 0)?;
    c.asm.mov(r10, qword_ptr(rbx + f.thread("TrapFrame")?))?;
    c.asm.mov(qword_ptr(rbp + f.frame("TrapFrame")?), r10)?;
    let start = c.to("KiSystemServiceStart");
    c.asm.jmp(start)?;
    c.name("KiServiceLinkage")?;
    c.asm.ret()?;
    Ok(())
}

/// `KiSystemCall32`: `syscall` is not defined for 32-bit code, which sees an invalid instruction.
fn from_32_bit_code(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let user_stack = f.at("KPCR", "UserRsp")?;
    c.name("KiSystemCall32")?;
    c.asm.swapgs()?;
    c.asm.mov(qword_ptr(user_stack).gs(), rsp)?;
    c.asm.mov(rsp, qword_ptr(f.prcb("RspBase")?).gs())?;
    machine_frame(c, user_stack, selector::USER_CODE_32)?;
    c.name("KiSystemCall32Frame")?;
    let invalid = c.to("KiInvalidOpcodeFault");
    // Back to the instruction, which has two bytes.
    c.asm.sub(qword_ptr(rsp), 2)?;
    c.asm.swapgs()?;
    c.asm.jmp(invalid)?;
    Ok(())
}

/// `KiSystemCall64Shadow`, `KiSystemCall32Shadow`: the same where user code has page tables of its own.
fn shadow(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    for (name, selector, to) in [
        ("KiSystemCall64Shadow", selector::USER_CODE, "KiSystemCall64Frame"),
        ("KiSystemCall32Shadow", selector::USER_CODE_32, "KiSystemCall32Frame"),
    ] {
        let user_stack = f.prcb("UserRspShadow")?;
        c.name(name)?;
        c.asm.swapgs()?;
        c.asm.mov(qword_ptr(user_stack).gs(), rsp)?;
        c.asm.mov(rsp, qword_ptr(f.prcb("KernelDirectoryTableBase")?).gs())?;
        c.asm.bt(dword_ptr(f.prcb("ShadowFlags")?).gs(), SHADOW_FLAG)?;
        let (switched, join) = (c.to(format!("{name}Stack")), c.to(to));
        c.asm.jb(switched)?;
        c.asm.mov(cr3, rsp)?;
        c.name(format!("{name}Stack"))?;
        c.asm.mov(rsp, qword_ptr(f.prcb("RspBaseShadow")?).gs())?;
        machine_frame(c, user_stack, selector)?;
        c.asm.jmp(join)?;
    }
    Ok(())
}
