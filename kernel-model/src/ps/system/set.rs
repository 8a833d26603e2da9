//! `NtSetSystemInformation`.

use guest::{GuestMemory, NtStatus, UserPtr};

use super::FLAGS;
use crate::cx::Cx;
use crate::se::Privilege;
use crate::service::{NtResult, Service, Support, Unwind, class_name, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtSetSystemInformation => nt_set_system_information,
    Support::Partial("SystemFlagsInformation only, of which FLG_ENABLE_CLOSE_EXCEPTIONS is acted on")
)];

/// `NtSetSystemInformation`, `SystemFlagsInformation`: `NtGlobalFlag` (32 bits).
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_ACCESS_DENIED` without `SeDebugPrivilege`.
fn nt_set_system_information(cx: &mut Cx<'_>, class: u32, information: UserPtr<u32>, length: u32) -> NtResult {
    let name = class_name("SYSTEM_INFORMATION_CLASS", class)?;
    if class != FLAGS {
        return Err(Unwind::unsupported(format!("SystemInformationClass {name}")));
    }
    if length != 4 {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let flags = cx.mem().load(information)?;
    if cx.require_privilege(Privilege::DEBUG).is_err() {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    cx.kernel.global_flags = flags;
    Ok(NtStatus::SUCCESS)
}
