//! Event objects: `NtCreateEvent`, `NtOpenEvent`, `NtSetEvent`, `NtResetEvent`, `NtClearEvent`, `NtPulseEvent`,
//! `NtQueryEvent`.

use guest::types::{ObjectAttributes, StructWriter};
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use crate::body::Body;
use crate::cx::Cx;
use crate::ke::{Event, EventKind};
use crate::service::{Information, NtResult, Service, Support, class_name, service};

const NO_SECURITY: &str = crate::ob::SECURITY_GAP;

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateEvent => nt_create_event, Support::Partial(NO_SECURITY)),
    service!(NtOpenEvent => nt_open_event, Support::Partial(NO_SECURITY)),
    service!(NtSetEvent => nt_set_event, Support::Full),
    service!(NtResetEvent => nt_reset_event, Support::Full),
    service!(NtClearEvent => nt_clear_event, Support::Full),
    service!(NtSetEventBoostPriority => nt_set_event_boost_priority, Support::Partial("no boost")),
    service!(NtPulseEvent => nt_pulse_event, Support::Full),
    service!(NtQueryEvent => nt_query_event, Support::Full),
];

/// `EVENT_QUERY_STATE`.
const QUERY_STATE: AccessMask = AccessMask(1);
/// `EVENT_MODIFY_STATE`.
const MODIFY_STATE: AccessMask = AccessMask(2);

/// `NtCreateEvent`: creates an event, or opens one of that name if `OBJ_OPENIF` allows.
///
/// `STATUS_INVALID_PARAMETER` for an unknown type; `STATUS_OBJECT_NAME_COLLISION`, `STATUS_OBJECT_NAME_EXISTS` (a
/// success), `STATUS_OBJECT_TYPE_MISMATCH` and the name statuses of the object manager.
fn nt_create_event(
    cx: &mut Cx<'_>, event_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, event_type: u32, initial_state: bool,
) -> NtResult {
    cx.probe_handle(event_handle)?;
    let kind = EventKind::from_raw(event_type).ok_or(NtStatus::INVALID_PARAMETER)?;
    let body = Body::Event(Event { kind, signaled: initial_state });
    cx.create_and_store(event_handle, desired_access, object_attributes, body)
}

/// `NtOpenEvent`: opens a named event.
///
/// `STATUS_OBJECT_NAME_NOT_FOUND` and the other name statuses; `STATUS_ACCESS_DENIED` for no access at all.
fn nt_open_event(
    cx: &mut Cx<'_>, event_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>,
) -> NtResult {
    cx.open_and_store::<Event>(event_handle, desired_access, object_attributes)
}

/// Changes an event's state and tells the previous one, if asked for.
fn change(
    cx: &mut Cx<'_>, handle: Handle, previous: Option<UserPtr<i32>>, act: impl Fn(&mut Event) -> bool,
) -> NtResult {
    if let Some(pointer) = previous {
        cx.mem().probe(pointer)?;
    }
    let before = act(cx.reference::<Event>(handle, MODIFY_STATE)?);
    if let Some(pointer) = previous {
        cx.mem().store(pointer, &i32::from(before))?;
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtSetEvent`: signals an event; its previous state (0 or 1, 32 bits) is told.
fn nt_set_event(cx: &mut Cx<'_>, handle: Handle, previous: Option<UserPtr<i32>>) -> NtResult {
    change(cx, handle, previous, Event::set)
}

/// `NtResetEvent`: clears an event; its previous state is told.
fn nt_reset_event(cx: &mut Cx<'_>, handle: Handle, previous: Option<UserPtr<i32>>) -> NtResult {
    change(cx, handle, previous, Event::reset)
}

/// `NtSetEventBoostPriority`: signals a synchronization event, for locks.
///
/// `STATUS_OBJECT_TYPE_MISMATCH` for a notification event, and those of `NtSetEvent`.
fn nt_set_event_boost_priority(cx: &mut Cx<'_>, handle: Handle) -> NtResult {
    if cx.reference::<Event>(handle, MODIFY_STATE)?.kind == EventKind::Notification {
        return Err(NtStatus::OBJECT_TYPE_MISMATCH.into());
    }
    change(cx, handle, None, Event::set)
}

/// `NtClearEvent`: clears an event.
fn nt_clear_event(cx: &mut Cx<'_>, handle: Handle) -> NtResult {
    change(cx, handle, None, Event::reset)
}

/// `NtPulseEvent`: lets go who waits now, and clears the event; its previous state is told. While a machine
/// has one thread nobody can be waiting.
fn nt_pulse_event(cx: &mut Cx<'_>, handle: Handle, previous: Option<UserPtr<i32>>) -> NtResult {
    change(cx, handle, previous, Event::reset)
}

/// `NtQueryEvent`: `EVENT_BASIC_INFORMATION` (type and state, 32 bits each).
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH` (the length must be exactly 8 bytes).
fn nt_query_event(
    cx: &mut Cx<'_>, handle: Handle, class: u32, buffer: UserPtr<u8>, length: u32, return_length: Option<UserPtr<u32>>,
) -> NtResult {
    const SIZE: usize = 8;
    class_name("EVENT_INFORMATION_CLASS", class)?;
    let out = Information { buffer, length, return_length };
    out.probe(cx, SIZE)?;
    let event = cx.reference::<Event>(handle, QUERY_STATE)?;
    let (kind, state) = (event.kind.raw(), u64::from(event.signaled));
    let bytes = StructWriter::new(SIZE, cx.kernel.width()).field(0, 4, kind.into()).field(4, 4, state).finish();
    out.write(cx, &bytes)?;
    Ok(NtStatus::SUCCESS)
}
