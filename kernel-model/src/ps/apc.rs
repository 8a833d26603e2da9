//! User APCs: queueing them, and alerts.

use guest::NtStatus;

use super::{Apc, ThreadId};
use crate::kernel::Kernel;
use crate::schedule::Wake;

impl Kernel {
    /// `KeInsertQueueApc` for a user APC: at the end of the thread's queue. A thread in an alertable wait is woken.
    ///
    /// `STATUS_UNSUCCESSFUL` where the thread has ended.
    pub(crate) fn queue_apc(&mut self, id: ThreadId, apc: Apc) -> Result<(), NtStatus> {
        let thread = self.ps.thread_mut(id).filter(|t| !t.has_ended()).ok_or(NtStatus::UNSUCCESSFUL)?;
        thread.apcs.push_back(apc);
        thread.start = thread.start.changed();
        if apc.special {
            thread.apc_pending = true;
        }
        if thread.wait.as_ref().is_some_and(|wait| wait.alertable || apc.special) {
            thread.apc_pending = true;
            self.wake(id, Wake::Status(NtStatus::USER_APC), 0);
        }
        Ok(())
    }

    /// The routine of an operation that has ended: the thread that began it is to call it with context and status block. One
    /// that has ended is told nothing.
    pub(crate) fn queue_io_apc(&mut self, thread: u32, words: [u64; 4]) {
        let _ = self.queue_apc(ThreadId(thread), Apc { words, special: false, timer: None });
    }

    /// `KeAlertThread`: ends an alertable wait, or the next one.
    pub(crate) fn alert(&mut self, id: ThreadId) {
        let Some(thread) = self.ps.thread_mut(id) else { return };
        if thread.wait.as_ref().is_some_and(|wait| wait.alertable) {
            self.wake(id, Wake::Status(NtStatus::ALERTED), 0);
        } else {
            thread.alerted = true;
        }
    }
}
