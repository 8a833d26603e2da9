//! Dispatcher objects: what a thread can wait on.

use guest::NtStatus;

/// How an event or a timer behaves when a wait is satisfied (`EVENT_TYPE`, `TIMER_TYPE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Stays signalled until it is reset.
    Notification,
    /// Resets itself when it lets one waiter go.
    Synchronization,
}

impl EventKind {
    /// The type for an `EVENT_TYPE` value.
    pub const fn from_raw(value: u32) -> Option<Self> {
        match value {
            0 => Some(Self::Notification),
            1 => Some(Self::Synchronization),
            _ => None,
        }
    }

    /// The `EVENT_TYPE` value.
    pub const fn raw(self) -> u32 {
        match self {
            Self::Notification => 0,
            Self::Synchronization => 1,
        }
    }
}

/// `KEVENT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Notification or synchronization.
    pub kind: EventKind,
    /// `SignalState`.
    pub signaled: bool,
}

impl Event {
    /// `KeSetEvent`: signals it; the previous state.
    pub fn set(&mut self) -> bool {
        std::mem::replace(&mut self.signaled, true)
    }

    /// `KeResetEvent`: clears it; the previous state.
    pub fn reset(&mut self) -> bool {
        std::mem::replace(&mut self.signaled, false)
    }

    /// A wait was satisfied.
    pub fn satisfy(&mut self) {
        self.signaled &= self.kind == EventKind::Notification;
    }
}

/// `KMUTANT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// The id of the thread that owns it.
    pub owner: Option<u32>,
    /// `SignalState`: 1 is free, anything less is owned, once for each step down.
    pub count: i32,
    /// Its owner ended without releasing it.
    pub abandoned: bool,
}

impl Mutant {
    /// A mutant that nobody owns, or this thread.
    pub fn new(owner: Option<u32>) -> Self {
        Self { owner, count: i32::from(owner.is_none()), abandoned: false }
    }

    /// Whether a thread can have it now.
    pub fn signaled(&self, thread: u32) -> bool {
        self.count > 0 || self.owner == Some(thread)
    }

    /// A thread gets it, or gets it once more.
    ///
    /// `STATUS_ABANDONED` (a success) when its last owner ended; `STATUS_MUTANT_LIMIT_EXCEEDED` when it cannot be had
    /// any more often.
    pub fn acquire(&mut self, thread: u32) -> Result<NtStatus, NtStatus> {
        self.count = self.count.checked_sub(1).ok_or(NtStatus::MUTANT_LIMIT_EXCEEDED)?;
        self.owner = Some(thread);
        let abandoned = std::mem::take(&mut self.abandoned);
        Ok(if abandoned { NtStatus::ABANDONED } else { NtStatus::SUCCESS })
    }

    /// `KeReleaseMutant`: its owner gives it back once; the previous state.
    ///
    /// `STATUS_MUTANT_NOT_OWNED`.
    pub fn release(&mut self, thread: u32) -> Result<i32, NtStatus> {
        if self.owner != Some(thread) {
            return Err(NtStatus::MUTANT_NOT_OWNED);
        }
        let before = self.count;
        self.count += 1;
        if self.count > 0 {
            self.owner = None;
        }
        Ok(before)
    }

    /// A thread has ended: if it owned the mutant, whoever gets it next is told so.
    pub fn abandon(&mut self, thread: u32) {
        if self.owner == Some(thread) {
            *self = Self { owner: None, count: 1, abandoned: true };
        }
    }
}

/// `KSEMAPHORE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Semaphore {
    /// How many waits it can satisfy.
    pub count: i32,
    /// The most that can be.
    pub limit: i32,
}

impl Semaphore {
    /// `KeReleaseSemaphore`; the previous count.
    ///
    /// `STATUS_SEMAPHORE_LIMIT_EXCEEDED`.
    pub fn release(&mut self, by: i32) -> Result<i32, NtStatus> {
        let after = self.count.checked_add(by).filter(|&n| n <= self.limit && n > self.count);
        Ok(std::mem::replace(&mut self.count, after.ok_or(NtStatus::SEMAPHORE_LIMIT_EXCEEDED)?))
    }
}

/// `KTIMER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Notification or synchronization.
    pub kind: EventKind,
    /// Whether it had expired when it was last looked at.
    signaled: bool,
    /// The interrupt time at which it expires, while it is set.
    due: Option<u64>,
    /// How long after that again, in 100 ns units; 0: never.
    period: u64,
    /// `DueTime`: when it expires, or when it last was to expire.
    last_due: u64,
    /// The APC that it queues when it expires; the timer has a reference to itself then.
    pub apc: Option<TimerApc>,
}

/// `ETIMER.TimerApc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerApc {
    /// The thread that has set the timer.
    pub thread: u32,
    /// Routine and context.
    pub words: [u64; 2],
    /// The interrupt time at which it is queued, or was last.
    pub due: u64,
    /// How long after that again, in 100 ns units; 0: never.
    pub period: u64,
    /// It is in the thread's queue, where it can be only once.
    pub queued: bool,
}

impl Timer {
    /// A timer that is not set.
    pub fn new(kind: EventKind) -> Self {
        Self { kind, signaled: false, due: None, period: 0, last_due: 0, apc: None }
    }

    /// Whether it has expired.
    pub fn signaled(&self, now: u64) -> bool {
        self.signaled || self.due.is_some_and(|due| due <= now)
    }

    /// When it will expire.
    pub fn due(&self) -> Option<u64> {
        self.due
    }

    /// Brings it up to the time.
    pub fn update(&mut self, now: u64) {
        let Some(due) = self.due.filter(|&due| due <= now) else { return };
        self.signaled = true;
        self.last_due = due;
        self.due = (self.period > 0).then(|| {
            let missed = (now - due) / self.period + 1;
            due.saturating_add(missed.saturating_mul(self.period))
        });
        self.last_due = self.due.unwrap_or(self.last_due);
    }

    /// When it expires, or was to expire last.
    pub fn last_due(&self) -> u64 {
        self.last_due
    }

    /// `KeSetTimer`: starts it; whether it had expired.
    pub fn set(&mut self, now: u64, due: u64, period: u64) -> bool {
        self.update(now);
        let before = self.signaled;
        (self.signaled, self.due, self.period, self.last_due) = (false, Some(due), period, due);
        self.update(now);
        before
    }

    /// `KeCancelTimer`: stops it; whether it had expired.
    pub fn cancel(&mut self, now: u64) -> bool {
        self.update(now);
        self.due = None;
        self.signaled
    }

    /// A wait was satisfied.
    pub fn satisfy(&mut self, now: u64) {
        self.update(now);
        self.signaled &= self.kind == EventKind::Notification;
    }
}

/// `IRTimer`: the timers of `NtCreateTimer2`, a type of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IrTimer(pub Timer);

/// A keyed event has no state: who waits stands with its key in the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct KeyedEvent;

/// Turns a timeout argument into a deadline in interrupt time: negative is relative, positive is a system
/// time, both in 100 ns units. `i64::MIN` counts as infinite, as `Sleep(INFINITE)` passes it.
pub fn deadline(clock: &super::Clock, timeout: Option<i64>) -> Option<u64> {
    match timeout? {
        i64::MIN => None,
        relative @ i64::MIN..=0 => Some(clock.interrupt_time().saturating_add(relative.unsigned_abs())),
        absolute => Some(clock.interrupt_time_at(absolute.unsigned_abs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_is_had_again_and_again_and_given_back_as_often() {
        let mut mutant = Mutant::new(Some(4));
        assert!(mutant.signaled(4) && !mutant.signaled(8));
        assert_eq!(mutant.acquire(4), Ok(NtStatus::SUCCESS));
        assert_eq!(mutant.release(8), Err(NtStatus::MUTANT_NOT_OWNED));
        assert_eq!([mutant.release(4), mutant.release(4)], [Ok(-1), Ok(0)]);
        assert_eq!(mutant.release(4), Err(NtStatus::MUTANT_NOT_OWNED));
        assert_eq!(mutant.acquire(8), Ok(NtStatus::SUCCESS));
        mutant.abandon(4);
        assert!(!mutant.signaled(4));
        mutant.abandon(8);
        assert_eq!([mutant.acquire(4), mutant.acquire(4)], [Ok(NtStatus::ABANDONED), Ok(NtStatus::SUCCESS)]);
        mutant.count = i32::MIN;
        assert_eq!(mutant.acquire(4), Err(NtStatus::MUTANT_LIMIT_EXCEEDED));
    }

    #[test]
    fn a_semaphore_has_a_limit() {
        let mut semaphore = Semaphore { count: 1, limit: i32::MAX };
        assert_eq!(semaphore.release(i32::MAX), Err(NtStatus::SEMAPHORE_LIMIT_EXCEEDED));
        assert_eq!(semaphore.release(i32::MAX - 1), Ok(1));
        assert_eq!(semaphore.release(1), Err(NtStatus::SEMAPHORE_LIMIT_EXCEEDED));
    }

    #[test]
    fn a_periodic_timer_keeps_its_beat() {
        let mut timer = Timer::new(EventKind::Synchronization);
        assert!(!timer.set(1000, 1100, 50));
        assert!(!timer.signaled(1099) && timer.signaled(1100));
        timer.satisfy(1175);
        assert_eq!((timer.signaled(1175), timer.due()), (false, Some(1200)));
        assert!(timer.cancel(1300) && timer.due().is_none());
        assert!(timer.set(1300, 1300, 0), "it had expired");
        assert!(timer.signaled(1300) && timer.due().is_none(), "due at once");
    }
}
