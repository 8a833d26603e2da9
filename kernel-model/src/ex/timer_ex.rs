//! Timers with a tolerable delay: `NtSetTimerEx`.

use guest::mem::{Width, Word};
use guest::{GuestMemory, Handle, NtStatus, UserPtr};

use super::timer::{MILLISECOND, Setting, start};
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, class_name, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtSetTimerEx => nt_set_timer_ex,
    Support::Partial("the tolerable delay is not used")
)];

/// `TimerSetCoalescableTimer`.
const SET_COALESCABLE: u32 = 0;

/// `TIMER_SET_COALESCABLE_TIMER_INFO`.
struct Coalescable {
    due_time: i64,
    apc: [u64; 2],
    wake_context: u64,
    period: u32,
    previous: Option<UserPtr<u8>>,
}

impl Coalescable {
    const fn size(width: Width) -> u32 {
        match width {
            Width::W32 => 0x20,
            Width::W64 => 0x30,
        }
    }

    /// `DueTime`, three pointers, `TimerPeriod`, `TolerableDelay`, `PreviousState`.
    fn load(cx: &mut Cx<'_>, at: u64) -> NtResult<Self> {
        let mut mem = cx.mem();
        let word = mem.width().bytes() as u64;
        let pointer = |mem: &mut crate::mm::UserMemory<'_>, index: u64| {
            mem.load::<Word>(UserPtr::new(at.wrapping_add(8 + index * word)))
        };
        let due_time = mem.load(UserPtr::<i64>::new(at))?;
        let apc = [pointer(&mut mem, 0)?.0, pointer(&mut mem, 1)?.0];
        let wake_context = pointer(&mut mem, 2)?.0;
        let numbers = at.wrapping_add(8 + 3 * word);
        let period = mem.load(UserPtr::<u32>::new(numbers))?;
        let previous = mem.load::<Word>(UserPtr::new(numbers.wrapping_add(8)))?.0;
        let previous = (previous != 0).then(|| UserPtr::new(previous));
        Ok(Self { due_time, apc, wake_context, period, previous })
    }
}

/// `NtSetTimerEx`: starts a timer that may expire later by a tolerable delay, so that the processor wakes less often:
/// due time in 100 ns units, period in milliseconds. Whether it had expired (a byte) is told.
///
/// `STATUS_TIMER_RESUME_IGNORED` as `NtSetTimer`; `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`,
/// `STATUS_INVALID_PARAMETER` for a period above `MAXLONG`,
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `TIMER_MODIFY_STATE`,
/// `STATUS_ACCESS_VIOLATION`.
fn nt_set_timer_ex(cx: &mut Cx<'_>, timer: Handle, class: u32, information: UserPtr<u8>, length: u32) -> NtResult {
    class_name("TIMER_SET_INFORMATION_CLASS", class)?;
    if class != SET_COALESCABLE {
        return Err(NtStatus::INVALID_INFO_CLASS.into());
    }
    if length != Coalescable::size(cx.kernel.width()) {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let info = Coalescable::load(cx, information.va)?;
    if let Some(pointer) = info.previous {
        cx.mem().probe(pointer)?;
    }
    let period = i32::try_from(info.period).map_err(|_| NtStatus::INVALID_PARAMETER)?;
    let setting = Setting {
        due_time: info.due_time,
        period: u64::from(period.unsigned_abs()) * MILLISECOND,
        apc: info.apc,
        resume: info.wake_context != 0,
        previous: info.previous,
    };
    start(cx, timer, &setting)
}
