//! The built-in `kernel32.dll`: the Win32 functions as guest code over ntdll's exports.

mod command_line;
mod console;
mod event;
mod file;
mod kernelbase;
mod memory;
mod module;
mod process;
mod sync;
mod text;
mod time;
mod tls;

use iced_x86::code_asm::*;

use super::BuiltinDll;
use super::builder::{Asm, Module, asm};
use super::error::AsmError;
use super::frame::Frame;
use crate::profile::Profile;

/// Where it is linked; Windows' own lies in this region.
const BASE: u64 = 0x7ffc_0cd4_0000;

/// The pseudo handle of the current process.
const CURRENT_PROCESS: i64 = -1;

const ERROR_INVALID_HANDLE: u32 = 6;
const ERROR_INVALID_PARAMETER: u32 = 87;
const ERROR_INSUFFICIENT_BUFFER: u32 = 122;
const ERROR_ALREADY_EXISTS: u32 = 183;
const ERROR_FILENAME_EXCED_RANGE: u32 = 206;
const ERROR_NO_MORE_ITEMS: u32 = 259;

/// `OBJECT_ATTRIBUTES.Attributes`.
const OBJ_INHERIT: i32 = 0x02;
const OBJ_OPENIF: i32 = 0x80;

/// Assembles it.
pub(super) fn build(profile: &'static Profile) -> Result<BuiltinDll, AsmError> {
    let mut m = Module::new(profile, "kernel32.dll", BASE)?;
    command_line::define(&mut m)?;
    console::define(&mut m)?;
    event::define(&mut m)?;
    file::define(&mut m)?;
    memory::define(&mut m)?;
    module::define(&mut m)?;
    process::define(&mut m)?;
    sync::define(&mut m)?;
    text::define(&mut m)?;
    time::define(&mut m)?;
    tls::define(&mut m)?;
    // What Windows forwards, with the same signature.
    for (name, to) in [
        ("ExitThread", "NTDLL.RtlExitUserThread"),
        ("HeapAlloc", "NTDLL.RtlAllocateHeap"),
        ("HeapFree", "NTDLL.RtlFreeHeap"),
        ("HeapReAlloc", "NTDLL.RtlReAllocateHeap"),
        ("HeapSize", "NTDLL.RtlSizeHeap"),
        ("RtlCompareMemory", "NTDLL.RtlCompareMemory"),
        ("RtlCopyMemory", "NTDLL.RtlCopyMemory"),
        ("RtlFillMemory", "NTDLL.RtlFillMemory"),
        ("RtlMoveMemory", "NTDLL.RtlMoveMemory"),
        ("RtlZeroMemory", "NTDLL.RtlZeroMemory"),
    ] {
        m.forward(name, to);
    }
    for (name, to) in kernelbase::FORWARDS {
        m.forward(name, to);
    }
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
    }
    leave_failed(a, frame)
}

/// Ends a function that answers what lies at `rsp + at`, or 0 with the last error, by the status in eax.
fn leave_value(a: &mut Asm<'_>, frame: Frame, at: i32) -> Result<(), AsmError> {
    let [mut failed] = a.labels();
    asm! { a;
        test eax, eax;
        js failed;
        mov rax, qword_ptr(rsp + at);
        leave frame;
        bind &mut failed;
    }
    leave_failed(a, frame)
}

/// Ends a function with the last error from the status in eax, and 0: FALSE or NULL.
fn leave_failed(a: &mut Asm<'_>, frame: Frame) -> Result<(), AsmError> {
    asm! { a;
        mov ecx, eax;
        invoke_import "RtlSetLastWin32ErrorAndNtStatusFromNtStatus";
        xor eax, eax;
        leave frame;
    }
    Ok(())
}

/// Ends a function with a last error, and 0: FALSE or NULL.
fn leave_error(a: &mut Asm<'_>, frame: Frame, error: u32) -> Result<(), AsmError> {
    asm! { a;
        mov ecx, error;
        invoke_import "RtlSetLastWin32Error";
        xor eax, eax;
        leave frame;
    }
    Ok(())
}
