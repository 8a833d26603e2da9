//! How a run ends.

use guest::NtStatus;
use guest::bugcheck::BugCheckCode;

use crate::cpu::RegisterFile;

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The process has ended with this status.
    Exit(NtStatus),
    /// Nobody handled an exception.
    Crash(Box<Crash>),
    /// Every thread waits, and nothing can end the waits.
    Deadlock(String),
    /// The instruction budget is used up.
    Budget,
    /// Whoever looks at the run has stopped it.
    Stopped,
    /// A service nobody wrote was called, with `--strict`.
    Strict(String),
    /// Kernel code has failed.
    BugCheck(Box<BugCheck>),
}

/// The end of the whole machine: `KeBugCheckEx`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BugCheck {
    /// The code.
    pub code: BugCheckCode,
    /// The four parameters.
    pub parameters: [u64; 4],
    /// What happened, in words.
    pub what: String,
    /// Where, with module and symbol, if it happened at an instruction.
    pub place: Option<String>,
    /// The registers then.
    pub registers: RegisterFile,
}

/// An exception that nobody handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// The exception's code.
    pub code: NtStatus,
    /// Where it happened.
    pub address: u64,
    /// The same with module and symbol.
    pub place: String,
    /// What happened, in words.
    pub what: String,
    /// `ExceptionInformation`.
    pub information: Vec<u64>,
    /// 64 or 32: the code that raised it.
    pub bits: u32,
    /// The registers then.
    pub registers: RegisterFile,
}

impl End {
    /// The exit code of the emulator: the guest's, or one of our own.
    pub fn exit_code(&self) -> u8 {
        match self {
            // The host keeps eight bits. A failure must not become a success by losing the others.
            Self::Exit(status) if status.0 != 0 && status.0 as u8 == 0 => 255,
            Self::Exit(status) => status.0 as u8,
            Self::Crash(_) => 128 + 11,
            Self::Budget => 124,
            Self::Stopped => 128 + 2,
            Self::Deadlock(_) => 125,
            Self::Strict(_) => 126,
            Self::BugCheck(_) => 3,
        }
    }
}
