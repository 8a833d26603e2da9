//! `NtTerminateProcess` and `NtTerminateThread`.

use guest::access::process as access;
use guest::{Handle, NtStatus};

use super::ThreadId;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtTerminateProcess => nt_terminate_process, Support::Partial("only the calling process")),
    service!(NtTerminateThread => nt_terminate_thread, Support::Partial("only the calling thread, a process's one")),
];

/// `NtTerminateProcess`: ends a process. A NULL handle ends the caller's other threads, of which there are none.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED`.
fn nt_terminate_process(cx: &mut Cx<'_>, process: Handle, exit_status: u32) -> NtResult {
    if process == Handle::NULL {
        return Ok(NtStatus::SUCCESS);
    }
    cx.require_current_process(process, access::TERMINATE)?;
    end(cx, NtStatus(exit_status))
}

/// `NtTerminateThread`: ends a thread; a process's last thread ends the process with its status.
///
/// `STATUS_CANT_TERMINATE_SELF` for a NULL handle from a process's last thread.
fn nt_terminate_thread(cx: &mut Cx<'_>, thread: Handle, exit_status: u32) -> NtResult {
    if thread == Handle::NULL {
        return Err(NtStatus::CANT_TERMINATE_SELF.into());
    }
    cx.reference::<ThreadId>(thread, access::TERMINATE)?;
    end(cx, NtStatus(exit_status))
}

fn end(cx: &mut Cx<'_>, status: NtStatus) -> NtResult {
    cx.kernel.ps.process.exit_status = status;
    cx.kernel.ps.thread.exit_status = status;
    Err(Unwind::ProcessExit(status))
}
