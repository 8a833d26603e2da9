//! `NtRaiseHardError`: an error that a user is to see.

use guest::mem::Word;
use guest::types::UnicodeString;
use guest::{GuestMemory, Handle, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::ob::read_name;
use crate::se::Privilege;
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(
        NtRaiseHardError => nt_raise_hard_error,
        Support::Partial("said in one line, and nobody answers it; OptionShutdownSystem is not done")
    ),
    service!(NtSetDefaultHardErrorPort => nt_set_default_hard_error_port, Support::Partial("there are no ports")),
];

/// `MAXIMUM_HARDERROR_PARAMETERS`
const MAX_PARAMETERS: u32 = 5;
/// `HARDERROR_RESPONSE_OPTION`: the one that ends the machine, and the last.
const OPTION_SHUTDOWN_SYSTEM: u32 = 6;
const LAST_OPTION: u32 = 8;
/// `ResponseReturnToCaller`
const RETURN_TO_CALLER: u32 = 0;

/// `NtRaiseHardError`: there is no one to show it to, so it is said, and the answer is `ResponseReturnToCaller`.
///
/// `STATUS_INVALID_PARAMETER_2` (too many parameters, or none where there are some), `STATUS_INVALID_PARAMETER_4` (no such
/// response option), `STATUS_PRIVILEGE_NOT_HELD` (`OptionShutdownSystem`), `STATUS_ACCESS_VIOLATION`.
fn nt_raise_hard_error(
    cx: &mut Cx<'_>, status: u32, count: u32, strings: u32, parameters: UserPtr<Word>, options: u32,
    response: UserPtr<u32>,
) -> NtResult {
    if count > MAX_PARAMETERS || count == 0 && !parameters.is_null() {
        return Err(NtStatus::INVALID_PARAMETER_2.into());
    }
    if options > LAST_OPTION {
        return Err(NtStatus::INVALID_PARAMETER_4.into());
    }
    cx.mem().probe(response)?;
    if options == OPTION_SHUTDOWN_SYSTEM {
        cx.require_privilege(Privilege::SHUTDOWN)?;
        return Err(Unwind::unsupported("OptionShutdownSystem"));
    }
    let mut line = format!("hard error {status:08X} {}", NtStatus(status));
    let width = cx.kernel.width().bytes() as u64;
    for index in 0..u64::from(if parameters.is_null() { 0 } else { count }) {
        let value = cx.mem().load(UserPtr::<Word>::new(parameters.va.wrapping_add(index * width)))?.0;
        let text = if strings >> index & 1 != 0 {
            let name = read_name(&mut cx.mem(), UserPtr::<UnicodeString>::new(value))?;
            format!("\"{}\"", String::from_utf16_lossy(name.as_deref().unwrap_or(&[])))
        } else {
            format!("{value:#x}")
        };
        line += if index == 0 { ": " } else { ", " };
        line += &text;
    }
    cx.kernel.console.note(line);
    cx.mem().store(response, &RETURN_TO_CALLER)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtSetDefaultHardErrorPort`: who answers hard errors. There are no ports to name.
///
/// `STATUS_PRIVILEGE_NOT_HELD` without `SeTcbPrivilege`, `STATUS_INVALID_HANDLE`.
fn nt_set_default_hard_error_port(cx: &mut Cx<'_>, port: Handle) -> NtResult {
    cx.require_privilege(Privilege::TCB)?;
    cx.entry_of(port)?;
    Err(Unwind::unsupported("DefaultHardErrorPort"))
}
