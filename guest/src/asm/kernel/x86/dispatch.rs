//! From the service number to the service and back.

use iced_x86::code_asm::*;

use super::super::super::error::AsmError;
use super::super::code::Code;
use super::super::fields::Fields;
use super::super::tables::{DESCRIPTOR_32, WIN32K};
use super::super::{STATUS_ACCESS_VIOLATION, STATUS_ALREADY_WIN32, STATUS_INVALID_SYSTEM_SERVICE};
use super::{entry, selector};
use crate::services::ServiceTableId;
use crate::system::KernelGate;

/// ESI is the thread, EAX the number, EDX at the arguments, EBP and ESP the frame.
pub(super) fn start(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    entry::common(c, f)?;
    let (bad, violation) = (c.to(bad_name(f)), c.to("KiSystemServiceAccessViolation"));
    let (count, flush) = (c.to("KiSystemServiceCount"), c.to("KiSystemServiceFlush"));
    c.name("KiSystemServiceRepeat")?;
    c.asm.mov(edi, eax)?;
    // The bits from 12 on, times a descriptor's size.
    c.asm.shr(edi, 12 - DESCRIPTOR_32.size.trailing_zeros())?;
    c.asm.and(edi, (f.profile.table_mask * DESCRIPTOR_32.size) as i32)?;
    c.asm.mov(ecx, edi)?;
    c.asm.add(edi, dword_ptr(esi + f.thread("ServiceTable")?))?;
    c.asm.mov(ebx, eax)?;
    c.asm.and(eax, 0xfff)?;
    c.asm.cmp(eax, dword_ptr(edi + DESCRIPTOR_32.limit))?;
    c.asm.jae(bad)?;
    // What GDI has collected in user mode is drawn before any call of win32k's.
    c.asm.cmp(ecx, WIN32K * DESCRIPTOR_32.size as i32)?;
    c.asm.jne(count)?;
    c.asm.mov(ecx, dword_ptr(esi + f.thread("Teb")?))?;
    c.name("KiSystemServiceAccessTeb")?;
    c.asm.cmp(dword_ptr(ecx + f.at("TEB", "GdiBatchCount")?), 0)?;
    c.asm.jne(flush)?;
    c.name("KiSystemServiceCount")?;
    c.asm.inc(dword_ptr(f.prcb("KeSystemCalls")?).fs())?;
    c.asm.mov(esi, edx)?;
    c.asm.mov(ebx, dword_ptr(edi + DESCRIPTOR_32.arguments))?;
    c.asm.movzx(ecx, byte_ptr(ebx + eax))?;
    c.asm.mov(edi, dword_ptr(edi))?;
    c.asm.mov(ebx, dword_ptr(edi + eax * 4))?;
    c.asm.sub(esp, ecx)?;
    c.asm.shr(ecx, 2)?;
    c.asm.mov(edi, esp)?;
    let probe = c.var("MmUserProbeAddress");
    c.asm.cmp(esi, probe)?;
    c.asm.jae(violation)?;
    c.name("KiSystemServiceCopyStart")?;
    c.asm.rep().movsd()?;
    c.name("KiSystemServiceCopyEnd")?;
    c.asm.call(ebx)?;
    Ok(())
}

/// What the common path branches to.
pub(super) fn rare(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    flush(c)?;
    violation(c, f)?;
    bad_number(c, f)?;
    if f.profile.table_size(ServiceTableId::Win32k) > 0 {
        convert(c, f)?;
    }
    Ok(())
}

/// EAX, EDX and EDI outlast it.
fn flush(c: &mut Code) -> Result<(), AsmError> {
    let count = c.to("KiSystemServiceCount");
    c.name("KiSystemServiceFlush")?;
    c.asm.push(eax)?;
    c.asm.push(edx)?;
    c.asm.int(u32::from(KernelGate::FlushGdi.vector()))?;
    c.asm.pop(edx)?;
    c.asm.pop(eax)?;
    c.asm.jmp(count)?;
    Ok(())
}

/// The arguments are in kernel space, where only the kernel may have them.
fn violation(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let (copy, exit) = (c.to("KiSystemServiceCopyStart"), c.to("KiServiceExit"));
    c.name("KiSystemServiceAccessViolation")?;
    c.asm.test(byte_ptr(ebp + f.frame("SegCs")?), selector::USER_MODE)?;
    c.asm.je(copy)?;
    c.asm.mov(eax, STATUS_ACCESS_VIOLATION)?;
    c.asm.jmp(exit)?;
    Ok(())
}

/// Where a number goes that the thread's tables do not have. Without win32k there is nothing to be tried first.
fn bad_name(f: &Fields) -> &'static str {
    match f.profile.table_size(ServiceTableId::Win32k) {
        0 => "KiSystemServiceInvalid",
        _ => "KiSystemServiceBadNumber",
    }
}

/// EAX is the row, EBX the number, ECX the table's offset in the descriptors.
fn bad_number(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let (exit, invalid) = (c.to("KiServiceExit"), c.to("KiSystemServiceInvalid"));
    if f.profile.table_size(ServiceTableId::Win32k) > 0 {
        c.name(bad_name(f))?;
        let (repeat, convert) = (c.to("KiSystemServiceRepeat"), c.to("KiConvertToGuiThread"));
        c.asm.cmp(ecx, WIN32K * DESCRIPTOR_32.size as i32)?;
        c.asm.jne(invalid)?;
        c.asm.push(edx)?;
        c.asm.push(ebx)?;
        c.asm.call(convert)?;
        c.asm.test(eax, eax)?;
        c.asm.pop(eax)?;
        c.asm.pop(edx)?;
        c.asm.je(repeat)?;
        // The table is followed by a byte for each row: what is returned where the thread cannot become a GUI thread.
        let shadow = c.address("KeServiceDescriptorTableShadow") + WIN32K as u32 * DESCRIPTOR_32.size;
        c.asm.mov(ecx, dword_ptr(shadow + DESCRIPTOR_32.limit as u32))?;
        c.asm.mov(edx, dword_ptr(shadow))?;
        c.asm.lea(edx, edx + ecx * 4)?;
        c.asm.and(eax, 0xfff)?;
        c.asm.movsx(eax, byte_ptr(edx + eax))?;
        c.asm.test(eax, eax)?;
        c.asm.jle(exit)?;
    }
    c.name("KiSystemServiceInvalid")?;
    c.asm.mov(eax, STATUS_INVALID_SYSTEM_SERVICE)?;
    c.asm.jmp(exit)?;
    Ok(())
}

/// `KiConvertToGuiThread`: 0 once the thread has the second table; it may have it already. ESI is the thread.
fn convert(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let (already, done) = (c.to("KiConvertToGuiThreadAlready"), c.to("KiConvertToGuiThreadDone"));
    let table = f.thread("ServiceTable")?;
    let shadow = c.address("KeServiceDescriptorTableShadow");
    c.name("KiConvertToGuiThread")?;
    c.asm.cmp(dword_ptr(esi + table), shadow)?;
    c.asm.je(already)?;
    c.asm.int(u32::from(KernelGate::ConvertToGui.vector()))?;
    c.asm.test(eax, eax)?;
    c.asm.jne(done)?;
    c.asm.mov(dword_ptr(esi + table), shadow)?;
    c.name("KiConvertToGuiThreadDone")?;
    c.asm.ret()?;
    c.name("KiConvertToGuiThreadAlready")?;
    c.asm.mov(eax, STATUS_ALREADY_WIN32)?;
    c.asm.ret()?;
    Ok(())
}
