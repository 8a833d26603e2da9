//! `EPROCESS` and `ETHREAD`, as far as they exist.

use std::collections::BTreeMap;

use guest::NtStatus;
use guest::mem::Width;

use crate::ob::{HandleTable, ObjectId, WaitBlock};
use crate::se::Protection;

/// A process id, a multiple of 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId(pub u32);

/// A thread id, a multiple of 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ThreadId(pub u32);

/// What handles to a process name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessObject {
    /// The process.
    pub id: ProcessId,
    /// It has ended: the object is signalled.
    pub ended: bool,
}

/// What handles to a thread name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadObject {
    /// The thread.
    pub id: ThreadId,
    /// It has ended: the object is signalled.
    pub ended: bool,
}

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
    /// Its session.
    pub session: u32,
    /// The jobs it is in, the outermost first.
    pub jobs: Vec<ObjectId>,
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
    /// `DisallowWin32kSystemCalls`: none of its threads can become a GUI thread.
    pub win32k_lockdown: bool,
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
    /// `ThreadName`, which `SetThreadDescription` gives it.
    pub name: Vec<u16>,
    /// Where its TEB is.
    pub teb: u64,
    /// `Win32Thread` is set: it has called win32k.
    pub gui: bool,
    /// What it waits on, while it waits on objects.
    pub wait: Option<WaitBlock>,
    /// `PreviousMode` is `KernelMode`: the call under way was made by kernel code.
    pub kernel_mode: bool,
    /// `STATUS_PENDING` while it runs.
    pub exit_status: NtStatus,
}

/// The processes of a machine. One thread of one process runs; the others are there to be asked about, and to hold
/// handles.
#[derive(Clone, Debug)]
pub struct Processes {
    /// The process that runs.
    pub process: Process,
    /// The thread that runs.
    pub thread: Thread,
    /// Every other process that is not deleted yet.
    pub others: BTreeMap<ProcessId, Process>,
    /// Every other thread that is not deleted yet.
    pub other_threads: BTreeMap<ThreadId, Thread>,
}

/// Bits of an id that look-up ignores, as with handles.
const IGNORED: u64 = 3;

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

    /// A process.
    pub fn get(&self, id: ProcessId) -> Option<&Process> {
        if id == self.process.id { Some(&self.process) } else { self.others.get(&id) }
    }

    /// A process, to change it.
    pub fn get_mut(&mut self, id: ProcessId) -> Option<&mut Process> {
        if id == self.process.id { Some(&mut self.process) } else { self.others.get_mut(&id) }
    }

    /// A thread.
    pub fn thread(&self, id: ThreadId) -> Option<&Thread> {
        if id == self.thread.id { Some(&self.thread) } else { self.other_threads.get(&id) }
    }

    /// A thread, to change it.
    pub fn thread_mut(&mut self, id: ThreadId) -> Option<&mut Thread> {
        if id == self.thread.id { Some(&mut self.thread) } else { self.other_threads.get_mut(&id) }
    }

    /// `PsLookupProcessByProcessId`.
    pub fn by_unique_id(&self, id: u64) -> Option<&Process> {
        self.get(ProcessId(u32::try_from(id & !IGNORED).ok()?))
    }

    /// `PsLookupThreadByThreadId`.
    pub fn thread_by_unique_id(&self, id: u64) -> Option<&Thread> {
        self.thread(ThreadId(u32::try_from(id & !IGNORED).ok()?))
    }

    /// Every process, the running one first.
    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        std::iter::once(&self.process).chain(self.others.values())
    }

    /// Every thread, the running one first.
    pub fn threads(&self) -> impl Iterator<Item = &Thread> {
        std::iter::once(&self.thread).chain(self.other_threads.values())
    }

    /// The lowest id above those there are.
    pub(crate) fn next_id(&self) -> u32 {
        let processes = self.iter().map(|p| p.id.0);
        processes.chain(self.threads().map(|t| t.id.0)).max().unwrap_or(0) + 4
    }
}
