//! Opening tokens.

use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::ob::{Attributes, ObjectId};
use crate::ps::ThreadObject;
use crate::se::Level;
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtOpenProcessToken => nt_open_process_token, Support::Full),
    service!(NtOpenProcessTokenEx => nt_open_process_token_ex, Support::Full),
    service!(NtOpenThreadToken => nt_open_thread_token, Support::Full),
    service!(NtOpenThreadTokenEx => nt_open_thread_token_ex, Support::Full),
];

/// `NtOpenProcessToken`: a handle to a process's primary token.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`.
fn nt_open_process_token(
    cx: &mut Cx<'_>, process: Handle, desired_access: AccessMask, token_handle: UserPtr<Handle>,
) -> NtResult {
    nt_open_process_token_ex(cx, process, desired_access, 0, token_handle)
}

/// `NtOpenProcessTokenEx`: the same with `OBJ_*` attributes for the handle.
fn nt_open_process_token_ex(
    cx: &mut Cx<'_>, process: Handle, desired_access: AccessMask, attributes: u32, token_handle: UserPtr<Handle>,
) -> NtResult {
    cx.probe_handle(token_handle)?;
    let id = cx.process_of(process, cx.process_query())?;
    let token = cx.kernel.ps.get(id).map(|process| process.token).ok_or(NtStatus::PROCESS_IS_TERMINATING)?;
    open(cx, token, desired_access, attributes, token_handle)
}

/// `NtOpenThreadToken`: a handle to the token a thread impersonates with. `OpenAsSelf`: access is checked against the
/// process's token and not the impersonated one.
///
/// `STATUS_NO_TOKEN` if it does not, `STATUS_CANT_OPEN_ANONYMOUS` at the anonymous level; `STATUS_INVALID_HANDLE`,
/// `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`.
fn nt_open_thread_token(
    cx: &mut Cx<'_>, thread: Handle, desired_access: AccessMask, open_as_self: bool, token_handle: UserPtr<Handle>,
) -> NtResult {
    nt_open_thread_token_ex(cx, thread, desired_access, open_as_self, 0, token_handle)
}

/// `NtOpenThreadTokenEx`: the same with `OBJ_*` attributes for the handle.
fn nt_open_thread_token_ex(
    cx: &mut Cx<'_>, thread: Handle, desired_access: AccessMask, open_as_self: bool, attributes: u32,
    token_handle: UserPtr<Handle>,
) -> NtResult {
    cx.probe_handle(token_handle)?;
    let access = cx.thread_query();
    let id = cx.reference::<ThreadObject>(thread, access)?.id;
    let token = cx.kernel.ps.thread(id).and_then(|thread| thread.impersonation).ok_or(NtStatus::NO_TOKEN)?;
    if cx.token(token)?.level() == Level::Anonymous {
        return Err(NtStatus::CANT_OPEN_ANONYMOUS.into());
    }
    let stopped = open_as_self.then(|| cx.kernel.ps.thread.impersonation.take()).flatten();
    let result = open(cx, token, desired_access, attributes, token_handle);
    if stopped.is_some() {
        cx.kernel.ps.thread.impersonation = stopped;
    }
    result
}

fn open(
    cx: &mut Cx<'_>, token: ObjectId, desired_access: AccessMask, attributes: u32, token_handle: UserPtr<Handle>,
) -> NtResult {
    let attributes = Attributes::from_bits(attributes).ok_or(NtStatus::INVALID_PARAMETER)?;
    let handle = cx.open_by_pointer(token, desired_access, attributes)?;
    cx.mem().store(token_handle, &handle)?;
    Ok(NtStatus::SUCCESS)
}
