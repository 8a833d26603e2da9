//! `NtWaitForSingleObject`.

use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::manager::Body;
use crate::cx::Cx;
use crate::ke::dispatcher::deadline;
use crate::service::{NtResult, Service, Support, Unwind, Wait, WaitObject, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtWaitForSingleObject => nt_wait_for_single_object,
    Support::Partial("one thread; no APC ends an alertable wait yet")
)];

/// `NtWaitForSingleObject`: waits until an object is signalled or time is up (100 ns units; negative: relative,
/// NULL: for ever).
///
/// `STATUS_SUCCESS`, `STATUS_TIMEOUT`; `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED` without `SYNCHRONIZE`,
/// `STATUS_OBJECT_TYPE_MISMATCH` for what cannot be waited on.
fn nt_wait_for_single_object(
    cx: &mut Cx<'_>, handle: Handle, _alertable: bool, timeout: Option<UserPtr<i64>>,
) -> NtResult {
    let timeout = timeout.map(|pointer| cx.mem().load(pointer)).transpose()?;
    let object = cx.reference_any(handle, AccessMask::SYNCHRONIZE)?;
    let body = cx.kernel.ob.get_mut(object).map(|o| &mut o.body).ok_or(NtStatus::INVALID_HANDLE)?;
    let acquired = body.try_acquire().ok_or(NtStatus::OBJECT_TYPE_MISMATCH)?;
    if acquired {
        return Ok(NtStatus::SUCCESS);
    }
    let deadline = deadline(&cx.kernel.clock, timeout);
    Err(Unwind::Blocked(Wait { on: WaitObject::Object(object.0), deadline, timeout_status: NtStatus::TIMEOUT }))
}
