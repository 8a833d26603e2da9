//! `NtCreateTimer2`, `NtSetTimer2`, `NtCancelTimer2`: the timers behind thread pools, objects of the type IRTimer, which
//! Windows 10 brought. What their attributes mean is documented for drivers (`ExAllocateTimer`, `ExSetTimer`).

use guest::mem::Word;
use guest::types::ObjectAttributes;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::timer::{MODIFY_STATE, Setting};
use crate::body::Body;
use crate::cx::Cx;
use crate::ke::{EventKind, IrTimer, Timer};
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateTimer2 => nt_create_timer2, Support::Partial("no TimerId; attributes but EX_TIMER_NOTIFICATION are not used")),
    service!(NtSetTimer2 => nt_set_timer2, Support::Partial("the tolerance is not used")),
    service!(NtCancelTimer2 => nt_cancel_timer2, Support::Partial("no parameters")),
];

/// `EX_TIMER_NOTIFICATION`; `EX_TIMER_HIGH_RESOLUTION` and `EX_TIMER_NO_WAKE`, and one that no header names: this clock is
/// always as fine as can be.
const NOTIFICATION: u32 = 0x8000_0000;
const KNOWN: u32 = NOTIFICATION | 4 | 8 | 2;

/// `NtCreateTimer2`: creates a timer: attributes, and the access wanted.
///
/// `STATUS_INVALID_PARAMETER_4` for unknown attributes; the statuses of creating.
fn nt_create_timer2(
    cx: &mut Cx<'_>, timer_handle: UserPtr<Handle>, timer_id: Option<UserPtr<u32>>,
    object_attributes: Option<UserPtr<ObjectAttributes>>, attributes: u32, desired_access: AccessMask,
) -> NtResult {
    cx.probe_handle(timer_handle)?;
    if timer_id.is_some() {
        return Err(Unwind::unsupported("TimerId"));
    }
    if attributes & !KNOWN != 0 {
        return Err(NtStatus::INVALID_PARAMETER_4.into());
    }
    let notification = attributes & NOTIFICATION != 0;
    let kind = if notification { EventKind::Notification } else { EventKind::Synchronization };
    let body = Body::IrTimer(IrTimer(Timer::new(kind)));
    cx.create_and_store(timer_handle, desired_access, object_attributes, body)
}

/// `T2_SET_PARAMETERS`: version and a reserved word, both 0, then a tolerance.
fn check_parameters(cx: &mut Cx<'_>, parameters: Option<UserPtr<u8>>) -> NtResult<()> {
    let Some(at) = parameters else { return Ok(()) };
    let head = [0, 4].map(|offset| UserPtr::<u32>::new(at.va.wrapping_add(offset)));
    for word in head {
        if cx.mem().load(word)? != 0 {
            return Err(NtStatus::INVALID_PARAMETER.into());
        }
    }
    cx.mem().load(UserPtr::<i64>::new(at.va.wrapping_add(8)))?;
    Ok(())
}

/// `NtSetTimer2`: starts a timer: due time (relative if negative, else a system time) and period in 100 ns units.
///
/// `STATUS_INVALID_PARAMETER` for a negative period or unknown parameters, `STATUS_INVALID_HANDLE`,
/// `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `TIMER_MODIFY_STATE`.
fn nt_set_timer2(
    cx: &mut Cx<'_>, timer: Handle, due_time: UserPtr<i64>, period: Option<UserPtr<i64>>,
    parameters: Option<UserPtr<u8>>,
) -> NtResult {
    let due_time = cx.mem().load(due_time)?;
    let period = period.map_or(Ok(0), |pointer| cx.mem().load(pointer))?;
    let period = u64::try_from(period).map_err(|_| NtStatus::INVALID_PARAMETER)?;
    check_parameters(cx, parameters)?;
    let setting = Setting { due_time, period, apc: [0; 2], resume: false, previous: None };
    let (now, due) = (cx.kernel.clock.interrupt_time(), setting.due(cx));
    cx.reference::<IrTimer>(timer, MODIFY_STATE)?.0.set(now, due, period);
    Ok(NtStatus::SUCCESS)
}

/// `NtCancelTimer2`: stops a timer.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `TIMER_MODIFY_STATE`.
fn nt_cancel_timer2(cx: &mut Cx<'_>, timer: Handle, parameters: Option<UserPtr<Word>>) -> NtResult {
    if parameters.is_some() {
        return Err(Unwind::unsupported("Parameters"));
    }
    let now = cx.waiter().now;
    cx.reference::<IrTimer>(timer, MODIFY_STATE)?.0.cancel(now);
    Ok(NtStatus::SUCCESS)
}
