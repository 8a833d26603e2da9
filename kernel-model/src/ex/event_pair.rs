//! Event pairs, on the builds whose kernels still have the type: `NtCreateEventPair`, `NtOpenEventPair`, and the six
//! that set and wait.

use guest::types::ObjectAttributes;
use guest::{AccessMask, Handle, NtStatus, UserPtr};

use crate::body::Body;
use crate::cx::Cx;
use crate::ke::{Event, EventKind};
use crate::ob::ObjectType;
use crate::service::{NtResult, Service, Support, Wait, WaitOn, service};

const NO_SECURITY: &str = crate::ob::SECURITY_GAP;

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateEventPair => nt_create_event_pair, Support::Partial(NO_SECURITY)),
    service!(NtOpenEventPair => nt_open_event_pair, Support::Partial(NO_SECURITY)),
    service!(NtSetLowEventPair => nt_set_low_event_pair, Support::Full),
    service!(NtSetHighEventPair => nt_set_high_event_pair, Support::Full),
    service!(NtWaitLowEventPair => nt_wait_low_event_pair, Support::Full),
    service!(NtWaitHighEventPair => nt_wait_high_event_pair, Support::Full),
    service!(NtSetLowWaitHighEventPair => nt_set_low_wait_high_event_pair, Support::Full),
    service!(NtSetHighWaitLowEventPair => nt_set_high_wait_low_event_pair, Support::Full),
];

/// `EEVENT_PAIR`: two synchronization events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPair {
    low: Event,
    high: Event,
}

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Low,
    High,
}

impl EventPair {
    fn new() -> Self {
        let event = Event { kind: EventKind::Synchronization, signaled: false };
        Self { low: event.clone(), high: event }
    }

    /// Whether the low and the high event are signalled.
    pub fn signaled(&self) -> [bool; 2] {
        [self.low.signaled, self.high.signaled]
    }

    /// Whether one side is: 1 low, 2 high. A wait on the pair as such is none.
    pub(crate) fn side_signaled(&self, side: u8) -> Option<bool> {
        match side {
            1 => Some(self.low.signaled),
            2 => Some(self.high.signaled),
            _ => None,
        }
    }

    /// A wait on one side was satisfied.
    pub(crate) fn satisfy(&mut self, side: u8) {
        match side {
            1 => self.low.satisfy(),
            2 => self.high.satisfy(),
            _ => {}
        }
    }

    fn side(&mut self, side: Side) -> &mut Event {
        match side {
            Side::Low => &mut self.low,
            Side::High => &mut self.high,
        }
    }
}

/// The services are in every build's table; from Windows 8 on nothing stands behind them.
///
/// `STATUS_NOT_IMPLEMENTED`.
fn require_type(cx: &Cx<'_>) -> Result<(), NtStatus> {
    let known = cx.kernel.ob.type_info(ObjectType::EventPair).is_some_and(|t| t.index != 0);
    if known { Ok(()) } else { Err(NtStatus::NOT_IMPLEMENTED) }
}

/// `NtCreateEventPair`: creates an event pair, or opens one of that name if `OBJ_OPENIF` allows.
///
/// `STATUS_NOT_IMPLEMENTED` on builds without the type; the statuses of creating.
fn nt_create_event_pair(
    cx: &mut Cx<'_>, event_pair_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>,
) -> NtResult {
    require_type(cx)?;
    cx.probe_handle(event_pair_handle)?;
    cx.create_and_store(event_pair_handle, desired_access, object_attributes, Body::EventPair(EventPair::new()))
}

/// `NtOpenEventPair`: opens a named event pair.
///
/// `STATUS_NOT_IMPLEMENTED` on builds without the type; the statuses of opening by name.
fn nt_open_event_pair(
    cx: &mut Cx<'_>, event_pair_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>,
) -> NtResult {
    require_type(cx)?;
    cx.open_and_store::<EventPair>(event_pair_handle, desired_access, object_attributes)
}

/// Sets one side, if any, then waits for another, if any. Both need `SYNCHRONIZE`.
fn act(cx: &mut Cx<'_>, event_pair: Handle, set: Option<Side>, wait: Option<Side>) -> NtResult {
    require_type(cx)?;
    let object = cx.entry_of(event_pair)?.object;
    let pair = cx.reference::<EventPair>(event_pair, AccessMask::SYNCHRONIZE)?;
    if let Some(side) = set {
        pair.side(side).set();
    }
    let Some(side) = wait else { return Ok(NtStatus::SUCCESS) };
    if std::mem::take(&mut pair.side(side).signaled) {
        return Ok(NtStatus::SUCCESS);
    }
    let side = if side == Side::Low { 1 } else { 2 };
    cx.wait(Wait::new(WaitOn::Objects { objects: vec![object.0], all: false, side }, None, false))
}

/// `NtSetLowEventPair`: sets the low event.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `SYNCHRONIZE`.
fn nt_set_low_event_pair(cx: &mut Cx<'_>, event_pair: Handle) -> NtResult {
    act(cx, event_pair, Some(Side::Low), None)
}

/// `NtSetHighEventPair`: sets the high event. Statuses as `NtSetLowEventPair`.
fn nt_set_high_event_pair(cx: &mut Cx<'_>, event_pair: Handle) -> NtResult {
    act(cx, event_pair, Some(Side::High), None)
}

/// `NtWaitLowEventPair`: waits for the low event. Statuses as `NtSetLowEventPair`.
fn nt_wait_low_event_pair(cx: &mut Cx<'_>, event_pair: Handle) -> NtResult {
    act(cx, event_pair, None, Some(Side::Low))
}

/// `NtWaitHighEventPair`: waits for the high event. Statuses as `NtSetLowEventPair`.
fn nt_wait_high_event_pair(cx: &mut Cx<'_>, event_pair: Handle) -> NtResult {
    act(cx, event_pair, None, Some(Side::High))
}

/// `NtSetLowWaitHighEventPair`: sets the low event and waits for the high one. Statuses as `NtSetLowEventPair`.
fn nt_set_low_wait_high_event_pair(cx: &mut Cx<'_>, event_pair: Handle) -> NtResult {
    act(cx, event_pair, Some(Side::Low), Some(Side::High))
}

/// `NtSetHighWaitLowEventPair`: sets the high event and waits for the low one. Statuses as `NtSetLowEventPair`.
fn nt_set_high_wait_low_event_pair(cx: &mut Cx<'_>, event_pair: Handle) -> NtResult {
    act(cx, event_pair, Some(Side::High), Some(Side::Low))
}
