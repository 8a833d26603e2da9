//! What is asked of whoever fills a new process: somebody outside, who knows images and what lies beside them.

use guest::NtStatus;

use super::ProcessParameters;

/// What a new process is to run.
#[derive(Clone, Debug)]
pub struct NewProcess {
    /// Its file's bytes.
    pub image: Vec<u8>,
    /// Where that is, as Win32 has it.
    pub path: String,
    /// What it is told.
    pub parameters: ProcessParameters,
}

/// Why a process could not be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadFailure {
    /// Nobody is there who can.
    Unsupported,
    /// It cannot be made.
    Status(NtStatus),
    /// It is made, and ends before its first instruction: its loader has found something missing.
    AtStart(NtStatus),
}
