//! What is asked about debuggers and about which code may run.

use guest::NtStatus;

use super::{CODE_INTEGRITY, ISOLATED_USER_MODE, KERNEL_DEBUGGER, KERNEL_DEBUGGER_EX, Place, Reply, SECURE_BOOT};
use crate::cx::Cx;
use crate::service::NtResult;
use guest::GuestMemory;

/// `CODEINTEGRITY_OPTION_ENABLED`.
const INTEGRITY_ENABLED: u32 = 1;

pub(super) fn reply(cx: &mut Cx<'_>, class: u32, place: Place) -> NtResult<Reply> {
    Ok(match class {
        // KernelDebuggerEnabled, KernelDebuggerNotPresent
        KERNEL_DEBUGGER => Reply::whole(vec![0, 1]),
        // DebuggerAllowed, DebuggerEnabled, DebuggerPresent
        KERNEL_DEBUGGER_EX => Reply::whole(vec![0, 0, 0]),
        CODE_INTEGRITY => return code_integrity(cx, place),
        // SecureBootEnabled, SecureBootCapable: firmware without it.
        SECURE_BOOT => Reply::whole(vec![0, 0]),
        // No hypervisor, so no secure kernel.
        ISOLATED_USER_MODE => Reply::whole(vec![0; 16]),
        _ => return Err(NtStatus::INVALID_INFO_CLASS.into()),
    })
}

/// `SYSTEM_CODEINTEGRITY_INFORMATION`: its length, which the caller has to fill in, and the options. Only 64-bit kernels
/// check what they load.
fn code_integrity(cx: &mut Cx<'_>, place: Place) -> NtResult<Reply> {
    const SIZE: u32 = 8;
    if place.length != SIZE || cx.mem().load::<u32>(place.buffer.cast())? != SIZE {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let options = if cx.kernel.profile.arch == guest::Arch::X64 { INTEGRITY_ENABLED } else { 0 };
    Ok(Reply::exact([SIZE.to_le_bytes(), options.to_le_bytes()].concat()))
}
