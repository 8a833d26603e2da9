//! The 32-bit kernel's own code.

mod dispatch;
mod entry;
mod exit;
mod library;
mod traps;

use iced_x86::code_asm::*;

use super::super::error::AsmError;
use super::super::item::Item;
use super::code::Code;
use super::fields::Fields;

/// The selectors of a 32-bit Windows, with the privilege level in the low bits.
mod selector {
    /// Code of ring 0.
    pub(super) const KERNEL_CODE: i32 = 0x08;
    /// Code of ring 3.
    pub(super) const USER_CODE: i32 = 0x1b;
    /// Data of ring 3, which the kernel uses too.
    pub(super) const USER_DATA: i32 = 0x23;
    /// `KPCR`: the kernel's FS.
    pub(super) const PROCESSOR: i32 = 0x30;
    /// The TEB: user code's FS.
    pub(super) const TEB: i32 = 0x3b;
    /// What of a CS is not zero for user code.
    pub(super) const USER_MODE: i32 = 1;
}

/// The end of a list of exception handlers, which is empty while user code runs.
const CHAIN_END: i32 = -1;

/// Everything.
pub(super) fn items(fields: &Fields) -> Result<Vec<Item>, AsmError> {
    let mut items = vec![entry::system_call(fields)?];
    items.extend(traps::items(fields)?);
    items.extend(library::items(fields)?);
    Ok(items)
}

/// `KPCR.NtTib.ExceptionList`, where FS leads.
fn exception_list(f: &Fields) -> Result<AsmMemoryOperand, AsmError> {
    let at = f.at("KPCR", "NtTib")? + f.at("NT_TIB", "ExceptionList")?;
    Ok(dword_ptr(at).fs())
}

/// Everything of a frame below SegFs. ESP is at SegFs, FS the kernel's; EBP becomes the frame.
fn lower_frame(c: &mut Code, f: &Fields) -> Result<(), AsmError> {
    let list = exception_list(f)?;
    c.asm.push(list)?;
    c.asm.mov(list, CHAIN_END)?;
    c.asm.sub(esp, f.frame("ExceptionList")?)?;
    c.asm.mov(ebp, esp)?;
    Ok(())
}

/// Loads the kernel's FS and the flat data segments by way of a register.
fn kernel_segments(c: &mut Code, through: AsmRegister32) -> Result<(), AsmError> {
    c.asm.mov(through, selector::PROCESSOR)?;
    c.asm.mov(fs, through)?;
    c.asm.mov(through, selector::USER_DATA)?;
    c.asm.mov(ds, through)?;
    c.asm.mov(es, through)?;
    Ok(())
}
