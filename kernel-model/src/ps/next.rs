//! `NtGetNextProcess` and `NtGetNextThread`.

use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::{ProcessObject, ThreadObject};
use crate::cx::Cx;
use crate::ob::{Attributes, ObjectId};
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtGetNextProcess => nt_get_next_process, Support::Full),
    service!(NtGetNextThread => nt_get_next_thread, Support::Full),
];

/// `PROCESS_GET_NEXT_PREVIOUS_PROCESS`: the list is walked backwards.
const PREVIOUS: u32 = 1;
/// `PROCESS_QUERY_INFORMATION`, which walking a process's threads takes.
const QUERY_INFORMATION: AccessMask = AccessMask(0x400);

/// Opens the first of some objects that the caller may have a handle to with these rights; those that it may not are
/// passed over.
///
/// `STATUS_NO_MORE_ENTRIES`.
fn open_first(
    cx: &mut Cx<'_>, objects: impl IntoIterator<Item = ObjectId>, access: AccessMask, attributes: u32,
    out: UserPtr<Handle>,
) -> NtResult {
    let attributes = Attributes::from_bits_truncate(attributes) - Attributes::KERNEL_HANDLE;
    for object in objects {
        if let Ok(handle) = cx.open_by_pointer(object, access, attributes) {
            cx.mem().store(out, &handle)?;
            return Ok(NtStatus::SUCCESS);
        }
    }
    Err(NtStatus::NO_MORE_ENTRIES.into())
}

/// `NtGetNextProcess`: a handle to the process behind another, in the order of their creation; with a NULL handle to the
/// first. Processes that the caller may not open so are passed over, and so is Idle. Flag 1 walks backwards.
///
/// `STATUS_NO_MORE_ENTRIES`, `STATUS_INVALID_PARAMETER` for unknown flags, `STATUS_INVALID_HANDLE`,
/// `STATUS_OBJECT_TYPE_MISMATCH`.
fn nt_get_next_process(
    cx: &mut Cx<'_>, process: Handle, desired_access: AccessMask, attributes: u32, flags: u32,
    new_process: UserPtr<Handle>,
) -> NtResult {
    cx.probe_handle(new_process)?;
    if flags & !PREVIOUS != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let behind = match process {
        Handle::NULL => None,
        handle => Some(cx.process_of(handle, AccessMask(0))?),
    };
    let listed = cx.kernel.ps.iter().filter(|p| p.id.0 != 0);
    let mut all: Vec<_> = listed.map(|p| (p.about.created, p.id, p.object)).collect();
    all.sort_unstable_by_key(|&(created, id, _)| (created, id));
    if flags & PREVIOUS != 0 {
        all.reverse();
    }
    let start = behind.map_or(0, |id| all.iter().position(|row| row.1 == id).map_or(all.len(), |at| at + 1));
    open_first(cx, all.into_iter().skip(start).map(|row| row.2), desired_access, attributes, new_process)
}

/// `NtGetNextThread`: the same for the threads of a process, by their ids.
///
/// `STATUS_NO_MORE_ENTRIES`, `STATUS_INVALID_PARAMETER` for flags or a thread of another process, `STATUS_INVALID_HANDLE`,
/// `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `PROCESS_QUERY_INFORMATION`.
fn nt_get_next_thread(
    cx: &mut Cx<'_>, process: Handle, thread: Handle, desired_access: AccessMask, attributes: u32, flags: u32,
    new_thread: UserPtr<Handle>,
) -> NtResult {
    cx.probe_handle(new_thread)?;
    if flags != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let id = cx.reference::<ProcessObject>(process, QUERY_INFORMATION)?.id;
    let behind = match thread {
        Handle::NULL => None,
        handle => Some(cx.reference::<ThreadObject>(handle, AccessMask(0))?.id),
    };
    let mine = cx.kernel.ps.threads().filter(|t| t.process == id);
    let mut all: Vec<_> = mine.map(|t| (t.id, t.object)).collect();
    all.sort_unstable_by_key(|row| row.0);
    let start = match behind {
        None => 0,
        Some(id) => all.iter().position(|row| row.0 == id).ok_or(NtStatus::INVALID_PARAMETER)? + 1,
    };
    open_first(cx, all.into_iter().skip(start).map(|row| row.1), desired_access, attributes, new_thread)
}
