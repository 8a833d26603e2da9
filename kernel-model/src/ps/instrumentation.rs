//! `ProcessInstrumentationCallback`: a function that every return to 64-bit user mode goes to, R10 saying where it was to
//! go.

use guest::mem::Word;
use guest::{AccessMask, Arch, GuestMemory, Handle, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::se::Privilege;
use crate::service::{NtResult, Unwind};

/// `PROCESS_INSTRUMENTATION_CALLBACK_INFORMATION`: version, reserved, callback; before Windows 10 the callback alone.
const INFORMATION_SIZE: u32 = 16;
const CALLBACK: u64 = 8;
const FIRST_WITH_INFORMATION: (u32, u32) = (10, 0);
/// Versions of it: 64-bit code, and the 32-bit code of a WOW64 process.
const NATIVE: u32 = 0;
/// `PROCESS_SET_INFORMATION`.
const SET_INFORMATION: AccessMask = AccessMask(0x200);

/// Sets the callback of a process, or takes it away with 0. Another process's needs `SeDebugPrivilege`.
///
/// `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_INVALID_PARAMETER` (no such version), `STATUS_NOT_SUPPORTED` on a 32-bit kernel,
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`, `STATUS_PRIVILEGE_NOT_HELD`.
pub(super) fn set_callback(cx: &mut Cx<'_>, process: Handle, buffer: UserPtr<u8>, length: u32) -> NtResult {
    if cx.kernel.profile.arch == Arch::X86 {
        return Err(NtStatus::NOT_SUPPORTED.into());
    }
    let version = cx.kernel.profile.version;
    let structured = (version.0, version.1) >= FIRST_WITH_INFORMATION && length == INFORMATION_SIZE;
    if !structured && length != 8 {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let mut mem = cx.mem();
    let callback = if structured {
        match mem.load(UserPtr::<u32>::new(buffer.va))? {
            NATIVE => {}
            1 => return Err(Unwind::unsupported("Version 1: the callback of 32-bit code")),
            _ => return Err(NtStatus::INVALID_PARAMETER.into()),
        }
        mem.load(UserPtr::<Word>::new(buffer.va.wrapping_add(CALLBACK)))?.0
    } else {
        mem.load(UserPtr::<Word>::new(buffer.va))?.0
    };
    let id = cx.process_of(process, SET_INFORMATION)?;
    if id != cx.kernel.ps.process.id {
        cx.require_privilege(Privilege::DEBUG)?;
    }
    let process = cx.kernel.ps.get_mut(id).ok_or(NtStatus::INVALID_HANDLE)?;
    process.dispatchers.instrumentation = callback;
    Ok(NtStatus::SUCCESS)
}
