//! Keyed events: `NtCreateKeyedEvent`, `NtOpenKeyedEvent`, `NtWaitForKeyedEvent`, `NtReleaseKeyedEvent`.
//!
//! Both sides wait for each other; who comes second wakes the first, of the same process.

use guest::types::ObjectAttributes;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use crate::body::Body;
use crate::cx::Cx;
use crate::ke::KeyedEvent;
use crate::ke::dispatcher::deadline;
use crate::service::{NtResult, Service, Support, Wait, WaitOn, service};

const NO_SECURITY: &str = crate::ob::SECURITY_GAP;
const GAP: &str = "no NULL handle, which stands for the system's own";

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateKeyedEvent => nt_create_keyed_event, Support::Partial(NO_SECURITY)),
    service!(NtOpenKeyedEvent => nt_open_keyed_event, Support::Partial(NO_SECURITY)),
    service!(NtWaitForKeyedEvent => nt_wait_for_keyed_event, Support::Partial(GAP)),
    service!(NtReleaseKeyedEvent => nt_release_keyed_event, Support::Partial(GAP)),
];

/// `KEYEDEVENT_WAIT`.
const WAIT: AccessMask = AccessMask(1);
/// `ExpCritSecOutOfMemoryEvent`.
const EVERYBODYS: &str = "\\KernelObjects\\CritSecOutOfMemoryEvent";
/// `KEYEDEVENT_WAKE`.
const WAKE: AccessMask = AccessMask(2);

/// `NtCreateKeyedEvent`: creates a keyed event, or opens one of that name if `OBJ_OPENIF` allows.
///
/// `STATUS_INVALID_PARAMETER_4` for any flags; the statuses of creating.
fn nt_create_keyed_event(
    cx: &mut Cx<'_>, keyed_event_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, flags: u32,
) -> NtResult {
    cx.probe_handle(keyed_event_handle)?;
    if flags != 0 {
        return Err(NtStatus::INVALID_PARAMETER_4.into());
    }
    cx.create_and_store(keyed_event_handle, desired_access, object_attributes, Body::KeyedEvent(KeyedEvent))
}

/// `NtOpenKeyedEvent`: opens a named keyed event.
///
/// The statuses of opening by name.
fn nt_open_keyed_event(
    cx: &mut Cx<'_>, keyed_event_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>,
) -> NtResult {
    cx.open_and_store::<KeyedEvent>(keyed_event_handle, desired_access, object_attributes)
}

/// `NtWaitForKeyedEvent`: waits until somebody releases the same key (an even number), or time is up.
///
/// `STATUS_TIMEOUT`, `STATUS_INVALID_PARAMETER_1` for an odd key, `STATUS_INVALID_HANDLE`,
/// `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `KEYEDEVENT_WAIT`.
fn nt_wait_for_keyed_event(
    cx: &mut Cx<'_>, keyed_event: Handle, key: u64, alertable: bool, timeout: Option<UserPtr<i64>>,
) -> NtResult {
    meet(cx, keyed_event, (key, alertable), timeout, WAIT)
}

/// `NtReleaseKeyedEvent`: wakes a thread that waits for the same key, and waits for one where there is none.
///
/// The statuses of `NtWaitForKeyedEvent`; the right is `KEYEDEVENT_WAKE`.
fn nt_release_keyed_event(
    cx: &mut Cx<'_>, keyed_event: Handle, key: u64, alertable: bool, timeout: Option<UserPtr<i64>>,
) -> NtResult {
    meet(cx, keyed_event, (key, alertable), timeout, WAKE)
}

fn meet(
    cx: &mut Cx<'_>, keyed_event: Handle, (key, alertable): (u64, bool), timeout: Option<UserPtr<i64>>,
    access: AccessMask,
) -> NtResult {
    if key & 1 != 0 {
        return Err(NtStatus::INVALID_PARAMETER_1.into());
    }
    let timeout = timeout.map(|pointer| cx.mem().load(pointer)).transpose()?;
    let object = match keyed_event {
        // That which is there for everybody (Vista and later).
        Handle::NULL => cx.kernel.ob.find(EVERYBODYS).ok_or(NtStatus::INVALID_HANDLE)?,
        handle => cx.reference_id::<KeyedEvent>(handle, access)?,
    };
    let release = access == WAKE;
    if cx.kernel.meet(object, key, release) {
        return Ok(NtStatus::SUCCESS);
    }
    let deadline = deadline(&cx.kernel.clock, timeout);
    cx.wait(Wait::new(WaitOn::Key { event: object.0, key, release }, deadline, alertable))
}
