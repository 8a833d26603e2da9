//! What a service can end in.

use std::borrow::Cow;

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
    /// Something about the call that Trapgate does not do, named parameter by parameter. The guest is
    /// answered `STATUS_NOT_IMPLEMENTED`, and the user is told.
    Unsupported(Cow<'static, str>),
    /// The process has ended with this status.
    ProcessExit(NtStatus),
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitObject {
    /// Nothing but time (`NtDelayExecution`).
    Delay,
    /// The dispatcher object in this slot of the object store.
    Object(u32),
}

/// A wait, as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// What is waited for.
    pub on: WaitObject,
    /// The virtual time at which the wait ends, in 100 ns units of interrupt time; `None`: never.
    pub deadline: Option<u64>,
    /// The status if the deadline comes first.
    pub timeout_status: NtStatus,
}
