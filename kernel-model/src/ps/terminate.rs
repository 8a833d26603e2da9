//! `NtTerminateProcess` and `NtTerminateThread`.

use guest::access::process as access;
use guest::{Handle, NtStatus};

use super::{ProcessId, ThreadId, ThreadObject};
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtTerminateProcess => nt_terminate_process, Support::Full),
    service!(NtTerminateThread => nt_terminate_thread, Support::Partial("only the calling thread, a process's one")),
];

/// `NtTerminateProcess`: ends a process. A NULL handle ends the caller's other threads, of which there are none.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED`, `STATUS_PROCESS_IS_TERMINATING`.
fn nt_terminate_process(cx: &mut Cx<'_>, process: Handle, exit_status: u32) -> NtResult {
    if process == Handle::NULL {
        return Ok(NtStatus::SUCCESS);
    }
    let id = cx.process_of(process, access::TERMINATE)?;
    if id == cx.kernel.ps.process.id {
        return end(cx, NtStatus(exit_status));
    }
    end_other(cx, id, NtStatus(exit_status))
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

/// `NtTerminateThread`: ends a thread; a process's last thread ends the process with its status.
///
/// `STATUS_CANT_TERMINATE_SELF` for a NULL handle from a process's last thread.
fn nt_terminate_thread(cx: &mut Cx<'_>, thread: Handle, exit_status: u32) -> NtResult {
    if thread == Handle::NULL {
        return Err(NtStatus::CANT_TERMINATE_SELF.into());
    }
    let id = cx.reference::<ThreadObject>(thread, access::TERMINATE)?.id;
    if id == cx.kernel.ps.thread.id {
        return end(cx, NtStatus(exit_status));
    }
    let process = cx.kernel.ps.thread(id).map(|t| t.process).ok_or(NtStatus::THREAD_IS_TERMINATING)?;
    let others = cx.kernel.ps.threads().filter(|t| t.process == process && t.exit_status == NtStatus::PENDING);
    match others.count() {
        0 | 1 => end_other(cx, process, NtStatus(exit_status)),
        _ => end_thread(cx, id, NtStatus(exit_status)),
    }
}

/// One of several threads of a process that does not run ends.
fn end_thread(cx: &mut Cx<'_>, id: ThreadId, status: NtStatus) -> NtResult {
    let kernel_only = |id| cx.kernel.ps.get(id).is_some_and(|p| p.about.kernel_only);
    let thread = cx.kernel.ps.thread(id).filter(|t| t.exit_status == NtStatus::PENDING);
    if kernel_only(thread.ok_or(NtStatus::THREAD_IS_TERMINATING)?.process) {
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
