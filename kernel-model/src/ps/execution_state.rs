//! What threads want kept awake.

use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::ThreadObject;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtSetThreadExecutionState => nt_set_thread_execution_state, Support::Full),
    service!(NtIsSystemResumeAutomatic => nt_is_system_resume_automatic, Support::Full),
    service!(NtIsUILanguageComitted => nt_is_ui_language_comitted, Support::Full),
];

/// `ES_CONTINUOUS`: what is set stays set.
pub const CONTINUOUS: u32 = 0x8000_0000;
/// `ES_SYSTEM_REQUIRED`, `ES_DISPLAY_REQUIRED`, `ES_USER_PRESENT`, `ES_AWAYMODE_REQUIRED`.
const KNOWN: u32 = CONTINUOUS | 0x47;
const AWAY_MODE: u32 = 0x40;

/// `NtSetThreadExecutionState`: what the calling thread wants kept awake; what it wanted before is told. The machine never
/// sleeps.
///
/// `STATUS_INVALID_PARAMETER` for flags there are not, or away mode that does not last; `STATUS_ACCESS_VIOLATION`.
fn nt_set_thread_execution_state(cx: &mut Cx<'_>, flags: u32, previous: UserPtr<u32>) -> NtResult {
    if flags & !KNOWN != 0 || flags & AWAY_MODE != 0 && flags & CONTINUOUS == 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let before = cx.kernel.ps.thread.about.execution_state;
    cx.mem().store(previous, &before)?;
    if flags & CONTINUOUS != 0 {
        cx.kernel.ps.thread.about.execution_state = flags;
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtIsSystemResumeAutomatic`: whether the machine woke up by itself. It never slept.
fn nt_is_system_resume_automatic(_: &mut Cx<'_>) -> NtResult {
    Ok(NtStatus(0))
}

/// `NtIsUILanguageComitted`: whether the language of the installation is the one that is in use. It is.
fn nt_is_ui_language_comitted(_: &mut Cx<'_>) -> NtResult {
    Ok(NtStatus::SUCCESS)
}

impl Cx<'_> {
    /// The thread that a handle with `THREAD_TERMINATE` names, for the components below.
    pub(crate) fn thread_number(&mut self, handle: Handle) -> Result<u32, NtStatus> {
        Ok(self.reference::<ThreadObject>(handle, AccessMask(1))?.id.0)
    }
}
