//! Timers: `NtCreateTimer`, `NtOpenTimer`, `NtSetTimer`, `NtCancelTimer`, `NtQueryTimer`.

use guest::types::{ObjectAttributes, StructWriter};
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use crate::body::Body;
use crate::cx::Cx;
use crate::ke::{EventKind, Timer};
use crate::service::{Information, NtResult, Service, Support, class_name, service};

const NO_SECURITY: &str = crate::ob::SECURITY_GAP;

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateTimer => nt_create_timer, Support::Partial(NO_SECURITY)),
    service!(NtOpenTimer => nt_open_timer, Support::Partial(NO_SECURITY)),
    service!(NtSetTimer => nt_set_timer, Support::Full),
    service!(NtCancelTimer => nt_cancel_timer, Support::Full),
    service!(NtQueryTimer => nt_query_timer, Support::Full),
];

/// `TIMER_QUERY_STATE`.
const QUERY_STATE: AccessMask = AccessMask(1);
/// `TIMER_MODIFY_STATE`.
pub(super) const MODIFY_STATE: AccessMask = AccessMask(2);
/// 100 ns units in a millisecond.
pub(super) const MILLISECOND: u64 = 10_000;

/// `NtCreateTimer`: creates a timer, or opens one of that name if `OBJ_OPENIF` allows.
///
/// `STATUS_INVALID_PARAMETER_4` for an unknown type; the statuses of creating.
fn nt_create_timer(
    cx: &mut Cx<'_>, timer_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, timer_type: u32,
) -> NtResult {
    cx.probe_handle(timer_handle)?;
    let kind = EventKind::from_raw(timer_type).ok_or(NtStatus::INVALID_PARAMETER_4)?;
    cx.create_and_store(timer_handle, desired_access, object_attributes, Body::Timer(Timer::new(kind)))
}

/// `NtOpenTimer`: opens a named timer.
///
/// The statuses of opening by name.
fn nt_open_timer(
    cx: &mut Cx<'_>, timer_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>,
) -> NtResult {
    cx.open_and_store::<Timer>(timer_handle, desired_access, object_attributes)
}

/// `NtSetTimer`: starts a timer: due time in 100 ns units (relative if negative, else a system time), period in
/// milliseconds; whether it had expired (a byte) is told.
///
/// With a routine, that is queued to the calling thread as an APC each time: context, and the system time in two halves.
///
/// `STATUS_TIMER_RESUME_IGNORED` (a success) where it is to wake the machine, which never sleeps;
/// `STATUS_INVALID_PARAMETER_6` for a negative period, `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`,
/// `STATUS_ACCESS_DENIED` without `TIMER_MODIFY_STATE`.
#[expect(clippy::too_many_arguments, reason = "NtSetTimer has seven")]
fn nt_set_timer(
    cx: &mut Cx<'_>, timer: Handle, due_time: UserPtr<i64>, apc_routine: u64, apc_context: u64, resume: bool,
    period: i32, previous: Option<UserPtr<u8>>,
) -> NtResult {
    if let Some(pointer) = previous {
        cx.mem().probe(pointer)?;
    }
    let due_time = cx.mem().load(due_time)?;
    let period = u64::try_from(period).map_err(|_| NtStatus::INVALID_PARAMETER_6)?;
    let (period, apc) = (period * MILLISECOND, [apc_routine, apc_context]);
    start(cx, timer, &Setting { due_time, period, apc, resume, previous })
}

/// What a timer is started with.
pub(super) struct Setting {
    /// In 100 ns units: relative if negative, else a system time.
    pub due_time: i64,
    /// In 100 ns units.
    pub period: u64,
    /// The routine of an APC (0: none), and its context.
    pub apc: [u64; 2],
    /// It is to wake the machine.
    pub resume: bool,
    /// Where to tell whether it had expired.
    pub previous: Option<UserPtr<u8>>,
}

impl Setting {
    /// The interrupt time at which it expires.
    pub fn due(&self, cx: &Cx<'_>) -> u64 {
        let clock = &cx.kernel.clock;
        match self.due_time {
            relative @ i64::MIN..0 => clock.interrupt_time().saturating_add(relative.unsigned_abs()),
            absolute => clock.interrupt_time_at(absolute.unsigned_abs()),
        }
    }
}

/// Starts a timer.
pub(super) fn start(cx: &mut Cx<'_>, timer: Handle, setting: &Setting) -> NtResult {
    let (now, due) = (cx.kernel.clock.interrupt_time(), setting.due(cx));
    let object = cx.reference_id::<Timer>(timer, MODIFY_STATE)?;
    cx.kernel.disarm_timer_apc(object);
    let before = cx.reference::<Timer>(timer, MODIFY_STATE)?.set(now, due, setting.period);
    if setting.apc[0] != 0 {
        cx.kernel.arm_timer_apc(object, setting.apc, due, setting.period);
    }
    if let Some(pointer) = setting.previous {
        cx.mem().store(pointer, &u8::from(before))?;
    }
    Ok(if setting.resume { NtStatus::TIMER_RESUME_IGNORED } else { NtStatus::SUCCESS })
}

/// `NtCancelTimer`: stops a timer, and takes back the APC that it has queued; whether it had expired (a byte) is told.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `TIMER_MODIFY_STATE`.
fn nt_cancel_timer(cx: &mut Cx<'_>, timer: Handle, current: Option<UserPtr<u8>>) -> NtResult {
    if let Some(pointer) = current {
        cx.mem().probe(pointer)?;
    }
    let now = cx.waiter().now;
    let object = cx.reference_id::<Timer>(timer, MODIFY_STATE)?;
    cx.kernel.disarm_timer_apc(object);
    let state = cx.reference::<Timer>(timer, MODIFY_STATE)?.cancel(now);
    if let Some(pointer) = current {
        cx.mem().store(pointer, &u8::from(state))?;
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtQueryTimer`: `TIMER_BASIC_INFORMATION`: the time that is left (100 ns units, negative once it is over) and
/// whether it has expired.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`,
/// `STATUS_ACCESS_DENIED` without `TIMER_QUERY_STATE`.
fn nt_query_timer(
    cx: &mut Cx<'_>, timer: Handle, class: u32, buffer: UserPtr<u8>, length: u32, return_length: Option<UserPtr<u32>>,
) -> NtResult {
    const SIZE: usize = 16;
    class_name("TIMER_INFORMATION_CLASS", class)?;
    let out = Information { buffer, length, return_length };
    out.probe(cx, SIZE)?;
    let now = cx.waiter().now;
    let state = cx.reference::<Timer>(timer, QUERY_STATE)?;
    state.update(now);
    let left = state.last_due().wrapping_sub(now);
    let bytes = StructWriter::new(SIZE, guest::mem::Width::W64).field(0, 8, left);
    let bytes = bytes.field(8, 1, state.signaled(now).into()).finish();
    out.write(cx, &bytes)?;
    Ok(NtStatus::SUCCESS)
}
