//! `EPROCESS` and `ETHREAD`, as far as they exist.

use guest::NtStatus;
use guest::mem::Width;

use crate::ob::{HandleTable, ObjectId};
use crate::se::Protection;

/// A process id, a multiple of 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId(pub u32);

/// A thread id, a multiple of 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ThreadId(pub u32);

/// A process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its id.
    pub id: ProcessId,
    /// Its parent's id.
    pub parent: ProcessId,
    /// The object that handles to it name.
    pub object: ObjectId,
    /// Its handles.
    pub handles: HandleTable,
    /// Its primary token.
    pub token: ObjectId,
    /// How it is protected from others.
    pub protection: Protection,
    /// Where its PEB is.
    pub peb: u64,
    /// Where the PEB of its 32-bit side is: a WOW64 process.
    pub wow64_peb: Option<u64>,
    /// The width of its pointers, as its calls arrive: that of the kernel, for a WOW64 process too.
    pub width: Width,
    /// `KiFastSystemCallRet`, where `sysexit` goes; 0 on a 64-bit kernel.
    pub sysexit_to: u32,
    /// The image's file name.
    pub image: String,
    /// `STATUS_PENDING` while it runs.
    pub exit_status: NtStatus,
}

/// A thread.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Its id.
    pub id: ThreadId,
    /// Its process.
    pub process: ProcessId,
    /// The object that handles to it name.
    pub object: ObjectId,
    /// The token it impersonates with.
    pub impersonation: Option<ObjectId>,
    /// Where its TEB is.
    pub teb: u64,
    /// `Win32Thread` is set: it has called win32k.
    pub gui: bool,
    /// `STATUS_PENDING` while it runs.
    pub exit_status: NtStatus,
}

/// The processes of a machine. One process with one thread so far.
#[derive(Clone, Debug)]
pub struct Processes {
    /// The process that runs.
    pub process: Process,
    /// The thread that runs.
    pub thread: Thread,
}

impl Processes {
    /// The process whose thread runs.
    #[inline]
    pub fn current_process(&self) -> &Process {
        &self.process
    }

    /// The same, to change it.
    #[inline]
    pub fn current_process_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
