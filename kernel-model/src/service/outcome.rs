//! What a service can end in.

use std::borrow::Cow;

use guest::context::ExceptionRecord;
use guest::{Fault, NtStatus};

/// The result of a service: a status (successes such as `STATUS_PENDING` too), or a reason why the
/// call did not simply answer.
pub type NtResult<T = NtStatus> = Result<T, Unwind>;

/// How a call ends when not by its last line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwind {
    /// Answer this status.
    Status(NtStatus),
    /// The thread waits; the call is answered when the wait ends.
    Blocked(Wait),
    /// The console has no input yet: the host is to supply some, then the call is made again.
    NeedInput,
    /// The thread's registers are wanted: they are put into its `user`, then the call is made again.
    NeedState,
    /// The thread goes on with the registers in its `user`, and the call returns nothing.
    Resume,
    /// Something about the call that Trapgate does not do, named parameter by parameter. The guest is
    /// answered `STATUS_NOT_IMPLEMENTED`, and the user is told.
    Unsupported(Cow<'static, str>),
    /// The thread has ended with this status.
    ThreadExit(NtStatus),
    /// The process has ended with this status.
    ProcessExit(NtStatus),
    /// The call returns this status by way of `KiRaiseUserExceptionDispatcher`, which raises it as an exception.
    Raise(NtStatus),
    /// Nobody has handled this exception: the process ends.
    Unhandled(Box<ExceptionRecord>),
}

impl Unwind {
    /// Shorthand for the unsupported case.
    pub fn unsupported(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Unsupported(what.into())
    }
}

impl From<NtStatus> for Unwind {
    fn from(status: NtStatus) -> Self {
        Self::Status(status)
    }
}

impl From<Fault> for Unwind {
    fn from(fault: Fault) -> Self {
        Self::Status(fault.status())
    }
}

/// What a thread waits on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitOn {
    /// Nothing but time (`NtDelayExecution`).
    Delay,
    /// Any or all of the dispatcher objects in these slots of the object store.
    Objects {
        /// The slots.
        objects: Vec<u32>,
        /// All at once.
        all: bool,
        /// Which side of an object that has several (an event pair's: 1 low, 2 high); 0: the object itself.
        side: u8,
    },
    /// An object in this slot, and when it is signalled the call is made again: what it waits for is taken by the call.
    Again(u32),
    /// The other half of a keyed event's exchange.
    Key {
        /// The keyed event's slot.
        event: u32,
        /// The key.
        key: u64,
        /// The thread releases; otherwise it waits.
        release: bool,
    },
    /// `NtAlertThreadByThreadId`.
    Alert,
    /// The debugger's answer.
    Debugger,
}

/// A wait, as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// What is waited for.
    pub on: WaitOn,
    /// The virtual time at which the wait ends, in 100 ns units of interrupt time; `None`: never.
    pub deadline: Option<u64>,
    /// The status if the deadline comes first.
    pub timeout_status: NtStatus,
    /// An APC or an alert ends it.
    pub alertable: bool,
}

impl Wait {
    /// A wait that may end with `STATUS_TIMEOUT`.
    pub fn new(on: WaitOn, deadline: Option<u64>, alertable: bool) -> Self {
        Self { on, deadline, timeout_status: NtStatus::TIMEOUT, alertable }
    }
}
