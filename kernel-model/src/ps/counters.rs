//! What a process or thread has used so far.

use guest::NtStatus;
use guest::mem::PAGE_SIZE;

use super::{Process, Thread};
use crate::kernel::Kernel;
use crate::service::WaitOn;

/// What a process has of memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryCounters {
    /// Address space that is reserved.
    pub virtual_size: u64,
    /// What has frames.
    pub working_set: u64,
    /// What is committed.
    pub private: u64,
    /// Page faults: as many as there are pages with frames.
    pub faults: u64,
}

/// `KTHREAD_STATE` and `KWAIT_REASON` values.
const READY: u8 = 1;
const RUNNING: u8 = 2;
const TERMINATED: u8 = 4;
const WAITING: u8 = 5;
const DELAY_EXECUTION: u8 = 4;
const SUSPENDED: u8 = 5;
const USER_REQUEST: u8 = 6;
const QUEUE: u8 = 15;
const KEYED_EVENT: u8 = 21;
const ALERT_BY_ID: u8 = 37;

/// Why a thread waits for something.
fn reason_of(on: &WaitOn) -> u8 {
    match on {
        WaitOn::Delay => DELAY_EXECUTION,
        WaitOn::Objects { .. } => USER_REQUEST,
        // What it waits for is a queue's.
        WaitOn::Again(_) => QUEUE,
        WaitOn::Key { .. } => KEYED_EVENT,
        WaitOn::Alert => ALERT_BY_ID,
        // KernelMode, Executive
        WaitOn::Debugger => 0,
    }
}

impl Kernel {
    /// The state of a thread, and why it waits. Idle's always runs.
    pub fn thread_state(&self, thread: &Thread) -> (u8, u8) {
        match thread {
            _ if thread.exit_status != NtStatus::PENDING => (TERMINATED, 0),
            _ if thread.id == self.ps.thread.id || thread.process.0 == 0 => (RUNNING, 0),
            thread if thread.is_held() => (WAITING, SUSPENDED),
            Thread { wait: Some(wait), .. } => (WAITING, reason_of(&wait.on)),
            _ => thread.about.waits.map_or((READY, 0), |reason| (WAITING, reason)),
        }
    }

    /// The time that a process has run, in 100 ns: its own code, the kernel's for it. The model takes no time. The idle
    /// process has what is left.
    pub fn times_of(&self, process: &Process) -> (u64, u64) {
        match process {
            _ if process.id == self.ps.process.id => (self.clock.busy_time(), 0),
            _ if process.id.0 == 0 => (0, self.processor_times().0),
            _ => (0, 0),
        }
    }

    /// The same of a thread.
    pub fn thread_times(&self, thread: &Thread) -> (u64, u64) {
        match self.ps.get(thread.process) {
            Some(process) if thread.id == self.ps.thread.id || thread.process.0 == 0 => self.times_of(process),
            _ => (0, 0),
        }
    }

    /// Where the kernel started a thread.
    pub fn start_of(&self, thread: &Thread) -> u64 {
        let of_process = || self.ps.get(thread.process).map_or(0, |process| process.thread_start);
        thread.about.start.unwrap_or_else(of_process)
    }

    /// What a process has of memory. Those that were made at boot have none.
    pub fn memory_of(&self, process: &Process) -> MemoryCounters {
        if process.id != self.ps.process.id {
            return MemoryCounters::default();
        }
        let pages: u64 = self.mm.space.vads().map(|vad| vad.last - vad.first + 1).sum();
        let resident = self.mm.space.resident().count() as u64;
        MemoryCounters {
            virtual_size: pages * PAGE_SIZE,
            working_set: resident * PAGE_SIZE,
            private: self.mm.committed() * PAGE_SIZE,
            faults: resident,
        }
    }
}
