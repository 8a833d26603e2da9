//! `ProcessAccessToken`: another primary token for a process.

use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::access;
use crate::cx::Cx;
use crate::se::{Privilege, TokenKind};
use crate::service::NtResult;

/// `PROCESS_SET_INFORMATION`.
const SET_INFORMATION: AccessMask = AccessMask(0x200);
/// The first build on which the token of a process that has a thread is frozen: Vista.
const FROZEN: u32 = 6000;

/// `PspSetPrimaryToken` for a `PROCESS_ACCESS_TOKEN`, whose first word is the token's handle.
///
/// `STATUS_BAD_TOKEN_TYPE`, `STATUS_PRIVILEGE_NOT_HELD` without `SeAssignPrimaryTokenPrivilege`; `STATUS_NOT_SUPPORTED`
/// from Vista on, because every process here has had a thread.
pub(crate) fn set_primary(cx: &mut Cx<'_>, process: Handle, buffer: UserPtr<u8>) -> NtResult {
    let handle = cx.mem().load::<Handle>(buffer.cast())?;
    let id = cx.process_of(process, SET_INFORMATION)?;
    let (token, _) = cx.token_by_handle(handle, access::ASSIGN_PRIMARY)?;
    if cx.token(token)?.kind != TokenKind::Primary {
        return Err(NtStatus::BAD_TOKEN_TYPE.into());
    }
    cx.require_privilege(Privilege::ASSIGN_PRIMARY_TOKEN)?;
    if cx.kernel.profile.version.2 >= FROZEN {
        return Err(NtStatus::NOT_SUPPORTED.into());
    }
    let process = cx.kernel.ps.get_mut(id).ok_or(NtStatus::INVALID_HANDLE)?;
    let old = std::mem::replace(&mut process.token, token);
    cx.kernel.ob.reference(token);
    cx.kernel.ob.dereference(old);
    Ok(NtStatus::SUCCESS)
}
