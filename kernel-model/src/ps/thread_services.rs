//! Suspending, alerting and queueing to threads.

use guest::access::process as access;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::{Apc, ProcessId, ThreadId, ThreadObject, ThreadState};
use crate::cx::Cx;
use crate::ke::dispatcher::deadline;
use crate::kernel::Kernel;
use crate::schedule::Wake;
use crate::service::{NtResult, Service, Support, Unwind, Wait, WaitOn, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtSuspendThread => nt_suspend_thread, Support::Full),
    service!(NtResumeThread => nt_resume_thread, Support::Full),
    service!(NtSuspendProcess => nt_suspend_process, Support::Full),
    service!(NtResumeProcess => nt_resume_process, Support::Full),
    service!(NtAlertThread => nt_alert_thread, Support::Full),
    service!(NtAlertResumeThread => nt_alert_resume_thread, Support::Full),
    service!(NtTestAlert => nt_test_alert, Support::Full),
    service!(NtAlertThreadByThreadId => nt_alert_thread_by_thread_id, Support::Full),
    service!(NtWaitForAlertByThreadId => nt_wait_for_alert_by_thread_id, Support::Full),
    service!(NtQueueApcThread => nt_queue_apc_thread, Support::Full),
    service!(NtQueueApcThreadEx => nt_queue_apc_thread_ex, Support::Partial("no reserve object")),
    service!(
        NtQueueApcThreadEx2 => nt_queue_apc_thread_ex2,
        Support::Partial("no reserve object; no flag but QUEUE_USER_APC_FLAGS_SPECIAL_USER_APC")
    ),
];

/// `MAXIMUM_SUSPEND_COUNT`
const MAXIMUM_SUSPEND_COUNT: u8 = 127;

impl Kernel {
    /// `KeSuspendThread`; the count before.
    ///
    /// `STATUS_SUSPEND_COUNT_EXCEEDED`, `STATUS_THREAD_IS_TERMINATING`.
    pub(crate) fn suspend(&mut self, id: ThreadId) -> Result<u8, NtStatus> {
        let thread = self.ps.thread_mut(id).filter(|t| !t.has_ended()).ok_or(NtStatus::THREAD_IS_TERMINATING)?;
        let before = thread.suspend_count;
        if before == MAXIMUM_SUSPEND_COUNT {
            return Err(NtStatus::SUSPEND_COUNT_EXCEEDED);
        }
        thread.suspend_count += 1;
        if thread.state == ThreadState::Ready {
            self.unready(id);
        }
        if id == self.ps.thread.id {
            // It goes on to the end of its call, and then no further.
            self.ps.thread.yielded = true;
            self.scheduler.preempt = true;
        }
        Ok(before)
    }

    /// `KeResumeThread`; the count before.
    pub(crate) fn resume(&mut self, id: ThreadId) -> u8 {
        let Some(thread) = self.ps.thread_mut(id) else { return 0 };
        let before = thread.suspend_count;
        thread.suspend_count = before.saturating_sub(1);
        if before == 1 && thread.state == ThreadState::Ready {
            self.make_ready(id, false);
        }
        before
    }

    fn threads_of(&self, process: ProcessId) -> Vec<ThreadId> {
        self.ps.threads().filter(|t| t.process == process && !t.has_ended()).map(|t| t.id).collect()
    }
}

/// What a count is told by.
fn tell_count(cx: &mut Cx<'_>, pointer: Option<UserPtr<u32>>, count: u8) -> NtResult {
    if let Some(pointer) = pointer {
        cx.mem().store(pointer, &count.into())?;
    }
    Ok(NtStatus::SUCCESS)
}

fn thread_for(cx: &mut Cx<'_>, thread: Handle, access: AccessMask, count: Option<UserPtr<u32>>) -> NtResult<ThreadId> {
    if let Some(pointer) = count {
        cx.mem().probe(pointer)?;
    }
    Ok(cx.reference::<ThreadObject>(thread, access)?.id)
}

/// `NtSuspendThread`: a thread runs no more user code; how often it was suspended before (32 bits) is told.
///
/// `STATUS_SUSPEND_COUNT_EXCEEDED` (127), `STATUS_THREAD_IS_TERMINATING`, `STATUS_INVALID_HANDLE`,
/// `STATUS_ACCESS_DENIED` without `THREAD_SUSPEND_RESUME`.
fn nt_suspend_thread(cx: &mut Cx<'_>, thread: Handle, previous: Option<UserPtr<u32>>) -> NtResult {
    let id = thread_for(cx, thread, access::THREAD_SUSPEND_RESUME, previous)?;
    let before = cx.kernel.suspend(id)?;
    tell_count(cx, previous, before)
}

/// `NtResumeThread`: takes one suspension back; how often it was suspended before (32 bits) is told.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED` without `THREAD_SUSPEND_RESUME`.
fn nt_resume_thread(cx: &mut Cx<'_>, thread: Handle, previous: Option<UserPtr<u32>>) -> NtResult {
    let id = thread_for(cx, thread, access::THREAD_SUSPEND_RESUME, previous)?;
    let before = cx.kernel.resume(id);
    tell_count(cx, previous, before)
}

/// `NtSuspendProcess`: suspends every thread of a process.
///
/// `STATUS_PROCESS_IS_TERMINATING`, `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED` without `PROCESS_SUSPEND_RESUME`.
fn nt_suspend_process(cx: &mut Cx<'_>, process: Handle) -> NtResult {
    let id = cx.process_of(process, access::SUSPEND_RESUME)?;
    let threads = cx.kernel.threads_of(id);
    if threads.is_empty() {
        return Err(NtStatus::PROCESS_IS_TERMINATING.into());
    }
    for thread in threads {
        cx.kernel.suspend(thread)?;
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtResumeProcess`: takes one suspension back from every thread of a process. Statuses as `NtSuspendProcess`.
fn nt_resume_process(cx: &mut Cx<'_>, process: Handle) -> NtResult {
    let id = cx.process_of(process, access::SUSPEND_RESUME)?;
    let threads = cx.kernel.threads_of(id);
    if threads.is_empty() {
        return Err(NtStatus::PROCESS_IS_TERMINATING.into());
    }
    for thread in threads {
        cx.kernel.resume(thread);
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtAlertThread`: ends a thread's alertable wait, or the next one, with `STATUS_ALERTED`.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED` without `THREAD_ALERT`.
fn nt_alert_thread(cx: &mut Cx<'_>, thread: Handle) -> NtResult {
    let id = thread_for(cx, thread, access::THREAD_ALERT, None)?;
    cx.kernel.alert(id);
    Ok(NtStatus::SUCCESS)
}

/// `NtAlertResumeThread`: alerts a thread, and takes one suspension back.
///
/// Statuses as `NtResumeThread`.
fn nt_alert_resume_thread(cx: &mut Cx<'_>, thread: Handle, previous: Option<UserPtr<u32>>) -> NtResult {
    let id = thread_for(cx, thread, access::THREAD_SUSPEND_RESUME, previous)?;
    cx.kernel.alert(id);
    let before = cx.kernel.resume(id);
    tell_count(cx, previous, before)
}

/// `NtTestAlert`: whether the calling thread was alerted (`STATUS_ALERTED`); its queued APCs run on the way out.
fn nt_test_alert(cx: &mut Cx<'_>) -> NtResult {
    let thread = &mut cx.kernel.ps.thread;
    let alerted = std::mem::take(&mut thread.alerted);
    thread.apc_pending |= !thread.apcs.is_empty();
    Ok(if alerted { NtStatus::ALERTED } else { NtStatus::SUCCESS })
}

/// `NtAlertThreadByThreadId`: ends the wait of a thread of the calling process for just this, or the next such wait.
///
/// `STATUS_INVALID_CID`, `STATUS_ACCESS_DENIED` for another process's thread.
fn nt_alert_thread_by_thread_id(cx: &mut Cx<'_>, thread_id: Handle) -> NtResult {
    let own = cx.kernel.ps.process.id;
    let thread = cx.kernel.ps.thread_by_unique_id(thread_id.0).filter(|t| !t.has_ended());
    let thread = thread.ok_or(NtStatus::INVALID_CID)?;
    let (id, process) = (thread.id, thread.process);
    if process != own {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    let waits = thread.wait.as_ref().is_some_and(|wait| wait.on == WaitOn::Alert);
    if waits {
        cx.kernel.wake(id, Wake::Status(NtStatus::ALERTED), 1);
    } else if let Some(thread) = cx.kernel.ps.thread_mut(id) {
        thread.alerted_by_id = true;
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtWaitForAlertByThreadId`: waits for `NtAlertThreadByThreadId`, which may have come already. The address is only for
/// whoever looks at the thread.
///
/// `STATUS_ALERTED`, `STATUS_TIMEOUT`.
fn nt_wait_for_alert_by_thread_id(cx: &mut Cx<'_>, _address: u64, timeout: Option<UserPtr<i64>>) -> NtResult {
    let timeout = timeout.map(|pointer| cx.mem().load(pointer)).transpose()?;
    if std::mem::take(&mut cx.kernel.ps.thread.alerted_by_id) {
        return Ok(NtStatus::ALERTED);
    }
    let deadline = deadline(&cx.kernel.clock, timeout);
    cx.wait(Wait::new(WaitOn::Alert, deadline, false))
}

fn queue(cx: &mut Cx<'_>, thread: Handle, words: [u64; 4], special: bool) -> NtResult {
    let id = thread_for(cx, thread, access::THREAD_SET_CONTEXT, None)?;
    cx.kernel.queue_apc(id, Apc { words, special, timer: None })?;
    Ok(NtStatus::SUCCESS)
}

/// `NtQueueApcThread`: queues a user APC: a routine and three words. It runs when the thread next waits alertably.
///
/// `STATUS_UNSUCCESSFUL` (the thread has ended), `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED` without
/// `THREAD_SET_CONTEXT`.
fn nt_queue_apc_thread(cx: &mut Cx<'_>, thread: Handle, routine: u64, a: u64, b: u64, c: u64) -> NtResult {
    queue(cx, thread, [routine, a, b, c], false)
}

/// `QUEUE_USER_APC_SPECIAL_USER_APC` in place of a reserve object.
const SPECIAL: Handle = Handle(1);

/// `NtQueueApcThreadEx`: the same with a reserve object, or 1 for a special user APC, which does not wait for an
/// alertable wait. Statuses as `NtQueueApcThread`.
fn nt_queue_apc_thread_ex(
    cx: &mut Cx<'_>, thread: Handle, reserve: Handle, routine: u64, a: u64, b: u64, c: u64,
) -> NtResult {
    if reserve != Handle::NULL && reserve != SPECIAL {
        return Err(Unwind::unsupported("ReserveHandle"));
    }
    queue(cx, thread, [routine, a, b, c], reserve == SPECIAL)
}

/// `NtQueueApcThreadEx2`: the same with flags (1: special).
///
/// `STATUS_INVALID_PARAMETER_3` for unknown flags, and the statuses of `NtQueueApcThread`.
#[expect(clippy::too_many_arguments, reason = "NtQueueApcThreadEx2 has seven")]
fn nt_queue_apc_thread_ex2(
    cx: &mut Cx<'_>, thread: Handle, reserve: Handle, flags: u32, routine: u64, a: u64, b: u64, c: u64,
) -> NtResult {
    const SPECIAL_USER_APC: u32 = 1;
    if reserve != Handle::NULL {
        return Err(Unwind::unsupported("ReserveHandle"));
    }
    if flags & !SPECIAL_USER_APC != 0 {
        return Err(Unwind::unsupported(format!("ApcFlags {flags:#x}")));
    }
    queue(cx, thread, [routine, a, b, c], flags & SPECIAL_USER_APC != 0)
}
