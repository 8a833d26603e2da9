//! From the service number to the service and back: `KiSystemServiceStart` to the return of the service.

use iced_x86::code_asm::*;

use super::super::super::error::AsmError;
use super::super::code::Code;
use super::super::fields::{Fields, KernelFeature};
use super::super::tables::{DESCRIPTOR_64, STACK_COUNT, WIN32K};
use super::selector;

/// What is copied at most: 14 arguments of 8 bytes.
const MOST_STACK_ARGUMENTS: i32 = 14;
/// The home of the four arguments in registers, which lies below the others on a stack.
const HOME: i32 = 0x20;
/// A caller's stack has the return address below that.
const RETURN_ADDRESS: i32 = 8;
/// One argument's copy: two instructions of four bytes each. A test holds them to it.
pub(in super::super) const COPY_BYTES: i32 = 8;

/// RBX is the thread, EAX the number, RCX RDX R8 R9 the arguments in registers, RBP the frame.
pub(super) fn start(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let bad = c.to("KiSystemServiceBadNumber");
    c.name("KiSystemServiceStart")?;
    c.asm.mov(qword_ptr(rbx + f.thread("TrapFrame")?), rsp)?;
    c.asm.mov(edi, eax)?;
    // The bits from 12 on, times a descriptor's size.
    c.asm.shr(edi, 12 - DESCRIPTOR_64.size.trailing_zeros() as i32)?;
    c.asm.and(edi, (f.profile.table_mask * DESCRIPTOR_64.size) as i32)?;
    c.asm.and(eax, 0xfff)?;
    c.name("KiSystemServiceRepeat")?;
    let (plain, shadow) = (c.to("KeServiceDescriptorTable"), c.to("KeServiceDescriptorTableShadow"));
    c.asm.lea(r10, ptr(plain))?;
    c.asm.lea(r11, ptr(shadow))?;
    c.asm.test(dword_ptr(rbx + f.thread("GuiThread")?), f.mask("KTHREAD", "GuiThread")? as i32)?;
    c.asm.cmovne(r10, r11)?;
    c.asm.cmp(eax, dword_ptr(r10 + rdi + DESCRIPTOR_64.limit))?;
    c.asm.jae(bad)?;
    c.asm.mov(r10, qword_ptr(r10 + rdi))?;
    row(c, f)?;
    batch(c, f)?;
    c.name("KiSystemServiceCount")?;
    let end = c.to("KiSystemServiceCopyEnd");
    c.asm.and(eax, STACK_COUNT)?;
    c.asm.je(end)?;
    copy(c, f)?;
    c.name("KiSystemServiceCopyEnd")?;
    c.asm.call(r10)?;
    c.asm.inc(dword_ptr(f.prcb("KeSystemCalls")?).gs())?;
    Ok(())
}

/// R10 is the table, EAX the row; then R10 is the service, and the low bits of EAX count its arguments on the stack.
fn row(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let a = &mut c.asm;
    if f.has(KernelFeature::RelativeRows) {
        a.movsxd(r11, dword_ptr(r10 + rax * 4))?;
        a.mov(rax, r11)?;
        a.sar(r11, 4)?;
        a.add(r10, r11)?;
    } else {
        a.mov(rax, qword_ptr(r10 + rax * 8))?;
        a.mov(r10, rax)?;
        a.and(r10, !STACK_COUNT)?;
    }
    Ok(())
}

/// What GDI has collected in user mode is drawn before any call of win32k's.
fn batch(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let (count, flush) = (c.to("KiSystemServiceCount"), c.to("KiSystemServiceFlush"));
    c.asm.cmp(edi, WIN32K * DESCRIPTOR_64.size as i32)?;
    c.asm.jne(count)?;
    c.asm.mov(r11, qword_ptr(rbx + f.thread("Teb")?))?;
    c.name("KiSystemServiceGdiTebAccess")?;
    c.asm.cmp(dword_ptr(r11 + f.at("TEB", "GdiBatchCount")?), 0)?;
    c.asm.jne(flush)?;
    Ok(())
}

/// Copies EAX arguments from the caller's stack: a jump into a row of copies, the last of which is the fifth argument.
fn copy(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let end = c.to("KiSystemServiceCopyEnd");
    c.asm.sub(rsp, 8 * MOST_STACK_ARGUMENTS)?;
    c.asm.lea(rdi, rsp + (HOME - 8))?;
    c.asm.mov(rsi, qword_ptr(rbp + f.frame("Rsp")?))?;
    c.asm.lea(rsi, rsi + (HOME + RETURN_ADDRESS - 8))?;
    // The limit of user callers, or, without a branch, no limit for the kernel.
    let probe = c.var("MmUserProbeAddress");
    c.asm.movzx(r11d, byte_ptr(rbp + f.frame("SegCs")?))?;
    c.asm.and(r11d, selector::USER_MODE)?;
    c.asm.dec(r11)?;
    c.asm.or(r11, probe)?;
    c.asm.cmp(rsi, r11)?;
    c.asm.cmovae(rsi, r11)?;
    c.asm.lea(r11, ptr(end))?;
    c.asm.shl(eax, COPY_BYTES.trailing_zeros() as i32)?;
    c.asm.sub(r11, rax)?;
    c.asm.jmp(r11)?;
    // Where a count of 15 leads, which no service has: as far as 14.
    c.asm.nops_with_size(COPY_BYTES as usize)?;
    c.name("KiSystemServiceCopyStart")?;
    for argument in (1..=MOST_STACK_ARGUMENTS).rev() {
        c.asm.mov(rax, qword_ptr(rsi + 8 * argument))?;
        c.asm.mov(qword_ptr(rdi + 8 * argument), rax)?;
    }
    Ok(())
}
