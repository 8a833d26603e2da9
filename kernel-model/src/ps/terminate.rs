//! `NtTerminateProcess` and `NtTerminateThread`.

use guest::access::process as access;
use guest::{Handle, NtStatus};

use super::{ProcessId, ThreadId, ThreadObject};
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtTerminateProcess => nt_terminate_process, Support::Full),
    service!(NtTerminateThread => nt_terminate_thread, Support::Full),
];

/// `NtTerminateProcess`: ends a process. A NULL handle ends the caller's other threads.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED`, `STATUS_PROCESS_IS_TERMINATING`.
fn nt_terminate_process(cx: &mut Cx<'_>, process: Handle, exit_status: u32) -> NtResult {
    let status = NtStatus(exit_status);
    if process == Handle::NULL {
        let (process, own) = (cx.kernel.ps.process.id, cx.kernel.ps.thread.id);
        let others = cx.kernel.ps.threads().filter(|t| t.process == process && t.id != own && !t.has_ended());
        let others: Vec<ThreadId> = others.map(|t| t.id).collect();
        others.into_iter().for_each(|id| cx.kernel.end_thread(id, status));
        return Ok(NtStatus::SUCCESS);
    }
    let id = cx.process_of(process, access::TERMINATE)?;
    if id == cx.kernel.ps.process.id {
        return end(cx, status);
    }
    end_other(cx, id, status)
}

fn end_other(cx: &mut Cx<'_>, id: ProcessId, status: NtStatus) -> NtResult {
    // What the kernel itself runs in cannot be ended.
    if cx.kernel.ps.get(id).is_some_and(|p| p.about.kernel_only) {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    if cx.kernel.ps.get(id).is_none_or(|p| p.exit_status != NtStatus::PENDING) {
        return Err(NtStatus::PROCESS_IS_TERMINATING.into());
    }
    cx.kernel.end_process(id, status);
    Ok(NtStatus::SUCCESS)
}

/// `NtTerminateThread`: ends a thread; a process's last thread ends the process with its status. A NULL handle is the
/// calling thread.
///
/// `STATUS_CANT_TERMINATE_SELF` for a NULL handle from a process's last thread; `STATUS_THREAD_IS_TERMINATING`,
/// `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED`.
fn nt_terminate_thread(cx: &mut Cx<'_>, thread: Handle, exit_status: u32) -> NtResult {
    let status = NtStatus(exit_status);
    let own = cx.kernel.ps.thread.id;
    let id = match thread {
        Handle::NULL if cx.kernel.ps.is_last_thread() => return Err(NtStatus::CANT_TERMINATE_SELF.into()),
        Handle::NULL => own,
        thread => cx.reference::<ThreadObject>(thread, access::TERMINATE)?.id,
    };
    if id == own {
        cx.note_given_stack();
        if cx.kernel.ps.is_last_thread() {
            return end(cx, status);
        }
        cx.kernel.end_thread(id, status);
        return Err(Unwind::ThreadExit(status));
    }
    let thread = cx.kernel.ps.thread(id).filter(|t| !t.has_ended()).ok_or(NtStatus::THREAD_IS_TERMINATING)?;
    if cx.kernel.ps.get(thread.process).is_some_and(|p| p.about.kernel_only) {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    cx.kernel.end_thread(id, status);
    Ok(NtStatus::SUCCESS)
}

/// The process that runs ends. Its handles stay as they are for whoever looks at the stopped machine.
pub(super) fn end(cx: &mut Cx<'_>, status: NtStatus) -> NtResult {
    let id = cx.kernel.ps.process.id;
    cx.kernel.signal_end(id, status);
    Err(Unwind::ProcessExit(status))
}
