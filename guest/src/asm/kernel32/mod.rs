//! The built-in `kernel32.dll`: the Win32 functions as guest code over ntdll's exports.

mod file;

use iced_x86::code_asm::*;

use super::BuiltinDll;
use super::builder::{Asm, Module, asm};
use super::error::AsmError;
use super::frame::Frame;
use crate::profile::Profile;

/// Where it is linked; Windows' own lies in this region.
const BASE: u64 = 0x7ffc_0cd4_0000;

/// The pseudo handles of the current process and the current thread.
const CURRENT_PROCESS: i64 = -1;
const ERROR_INVALID_HANDLE: u32 = 6;

/// Assembles it.
pub(super) fn build(profile: &'static Profile) -> Result<BuiltinDll, AsmError> {
    let mut m = Module::new(profile, "kernel32.dll", BASE)?;
    file::define(&mut m)?;
    m.func("ExitProcess", |a| a.jump_import("RtlExitUserProcess"))?;
    m.link()
}

/// Ends a function that answers TRUE, or FALSE with the last error, by the status in eax.
fn leave_bool(a: &mut Asm<'_>, frame: Frame) -> Result<(), AsmError> {
    let [mut failed] = a.labels();
    asm! { a;
        test eax, eax;
        js failed;
        mov eax, 1;
        leave frame;
        bind &mut failed;
        mov ecx, eax;
        invoke_import "RtlSetLastWin32ErrorAndNtStatusFromNtStatus";
        xor eax, eax;
        leave frame;
    }
    Ok(())
}
