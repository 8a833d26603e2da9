//! `NtOpenProcess` and `NtOpenThread`.

use guest::types::{ClientId, ObjectAttributes};
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::ob::{Attributes, ObjectId};
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtOpenProcess => nt_open_process, Support::Full),
    service!(NtOpenThread => nt_open_thread, Support::Full),
];

/// What both services read before they look an id up.
///
/// `STATUS_INVALID_PARAMETER_MIX` unless there is an id and no name. The length of the attributes is not looked at.
fn capture(
    cx: &mut Cx<'_>, attributes: UserPtr<ObjectAttributes>, client_id: Option<UserPtr<ClientId>>,
) -> NtResult<(Attributes, ClientId)> {
    let mut mem = cx.mem();
    let raw = mem.load(attributes)?;
    let id = client_id.map(|pointer| mem.load(pointer)).transpose()?;
    match (id, raw.object_name) {
        (Some(id), 0) => Ok((Attributes::from_bits_truncate(raw.attributes), id)),
        _ => Err(NtStatus::INVALID_PARAMETER_MIX.into()),
    }
}

/// Attributes that a type refuses.
fn open(
    cx: &mut Cx<'_>, handle: UserPtr<Handle>, object: ObjectId, desired_access: AccessMask, flags: Attributes,
) -> NtResult {
    let info = cx.kernel.ob.type_of(object).and_then(|t| cx.kernel.ob.type_info(t));
    if info.is_some_and(|t| t.invalid_attributes & flags.bits() != 0) {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let opened = cx.open_by_pointer(object, desired_access, flags)?;
    cx.mem().store(handle, &opened)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtOpenProcess`: opens a process by its id, whose two low bits do not count. With a thread id the process is that
/// thread's, and must have the process id.
///
/// `STATUS_INVALID_CID`, `STATUS_INVALID_PARAMETER_MIX`, `STATUS_INVALID_PARAMETER` for attributes that processes do not
/// have, `STATUS_ACCESS_DENIED`.
fn nt_open_process(
    cx: &mut Cx<'_>, process_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: UserPtr<ObjectAttributes>, client_id: Option<UserPtr<ClientId>>,
) -> NtResult {
    cx.probe_handle(process_handle)?;
    let (flags, id) = capture(cx, object_attributes, client_id)?;
    let ps = &cx.kernel.ps;
    let process = match id.thread {
        0 => ps.by_unique_id(id.process),
        thread => {
            let process = ps.thread_by_unique_id(thread).and_then(|t| ps.get(t.process));
            process.filter(|p| u64::from(p.id.0) == id.process & !3)
        }
    };
    let object = process.map(|p| p.object).ok_or(NtStatus::INVALID_CID)?;
    open(cx, process_handle, object, desired_access, flags)
}

/// `NtOpenThread`: opens a thread by its id; a process id, if there is one, must be its process's.
///
/// The statuses of `NtOpenProcess`.
fn nt_open_thread(
    cx: &mut Cx<'_>, thread_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: UserPtr<ObjectAttributes>, client_id: Option<UserPtr<ClientId>>,
) -> NtResult {
    cx.probe_handle(thread_handle)?;
    let (flags, id) = capture(cx, object_attributes, client_id)?;
    let thread = cx.kernel.ps.thread_by_unique_id(id.thread);
    let thread = thread.filter(|t| id.process == 0 || u64::from(t.process.0) == id.process & !3);
    let object = thread.map(|t| t.object).ok_or(NtStatus::INVALID_CID)?;
    open(cx, thread_handle, object, desired_access, flags)
}
