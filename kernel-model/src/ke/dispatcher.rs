//! Dispatcher objects: what a thread can wait on.

/// How an event behaves when a wait is satisfied (`EVENT_TYPE`).
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

    /// Whether a wait would be satisfied now; if so, what the wait does to the event is done.
    pub fn try_acquire(&mut self) -> bool {
        let signaled = self.signaled;
        if signaled && self.kind == EventKind::Synchronization {
            self.signaled = false;
        }
        signaled
    }
}

/// Turns a timeout argument into a deadline in interrupt time: negative is relative, positive is a system
/// time, both in 100 ns units. `i64::MIN` counts as infinite, as `Sleep(INFINITE)` passes it.
pub fn deadline(clock: &super::Clock, timeout: Option<i64>) -> Option<u64> {
    match timeout? {
        i64::MIN => None,
        relative @ i64::MIN..=0 => Some(clock.interrupt_time().saturating_add(relative.unsigned_abs())),
        absolute => Some(clock.interrupt_time_at(absolute.unsigned_abs())),
    }
}
