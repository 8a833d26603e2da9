//! `NtSetInformationToken`.

use guest::mem::Word;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::{access, read};
use crate::cx::Cx;
use crate::se::{Acl, Luid, Privilege, TokenFlags};
use crate::service::{NtResult, Service, Support, Unwind, class_name, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtSetInformationToken => nt_set_information_token,
    Support::Partial("TokenAuditPolicy, TokenLinkedToken and the classes after TokenMandatoryPolicy are missing")
)];

/// Classes that can be set, with the bytes (in pointers and besides) that they take and the privilege.
const OWNER: u32 = 4;
const PRIMARY_GROUP: u32 = 5;
const DEFAULT_DACL: u32 = 6;
const SESSION_ID: u32 = 12;
const SESSION_REFERENCE: u32 = 14;
const ORIGIN: u32 = 17;
const VIRTUALIZATION_ALLOWED: u32 = 23;
const VIRTUALIZATION_ENABLED: u32 = 24;
const INTEGRITY_LEVEL: u32 = 25;
const UI_ACCESS: u32 = 26;
const MANDATORY_POLICY: u32 = 27;

/// `NtSetInformationToken`: changes a token.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`,
/// `STATUS_ACCESS_DENIED` without `TOKEN_ADJUST_DEFAULT` (and `TOKEN_ADJUST_SESSIONID`); `STATUS_INVALID_OWNER`,
/// `STATUS_INVALID_PRIMARY_GROUP`, `STATUS_INVALID_ACL`, `STATUS_INVALID_SID`; `STATUS_PRIVILEGE_NOT_HELD` where it takes
/// `SeTcbPrivilege` (sessions, flags, a higher integrity level).
fn nt_set_information_token(cx: &mut Cx<'_>, token: Handle, class: u32, buffer: UserPtr<u8>, length: u32) -> NtResult {
    let name = class_name("TOKEN_INFORMATION_CLASS", class)?;
    super::query::check_build(cx, class)?;
    let w = cx.kernel.width().bytes();
    let (size, access, privilege) = match class {
        OWNER | PRIMARY_GROUP | DEFAULT_DACL => (w, access::ADJUST_DEFAULT, None),
        SESSION_ID => (4, AccessMask(access::ADJUST_DEFAULT.0 | access::ADJUST_SESSIONID.0), Some(Privilege::TCB)),
        SESSION_REFERENCE | UI_ACCESS | MANDATORY_POLICY => (4, access::ADJUST_DEFAULT, Some(Privilege::TCB)),
        ORIGIN => (8, access::ADJUST_DEFAULT, Some(Privilege::TCB)),
        VIRTUALIZATION_ALLOWED => (4, access::ADJUST_DEFAULT, Some(Privilege::CREATE_TOKEN)),
        VIRTUALIZATION_ENABLED => (4, access::ADJUST_DEFAULT, None),
        INTEGRITY_LEVEL => (2 * w, access::ADJUST_DEFAULT, None),
        // Classes that can only be asked for.
        1..=3 | 7..=11 | 13 | 15 | 18 | 20..=22 | 28..=38 => return Err(NtStatus::INVALID_INFO_CLASS.into()),
        _ => return Err(Unwind::unsupported(format!("TokenInformationClass {name}"))),
    };
    if (length as usize) < size {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let (id, _) = cx.token_by_handle(token, access)?;
    if let Some(privilege) = privilege {
        cx.require_privilege(privilege)?;
    }
    match class {
        OWNER => {
            let owner = read::sid_behind(&mut cx.mem(), buffer.va)?;
            if !cx.token(id)?.may_own(&owner) {
                return Err(NtStatus::INVALID_OWNER.into());
            }
            cx.token_mut(id)?.owner = owner;
        }
        PRIMARY_GROUP => {
            let group = read::sid_behind(&mut cx.mem(), buffer.va)?;
            if !cx.token(id)?.mentions(&group) {
                return Err(NtStatus::INVALID_PRIMARY_GROUP.into());
            }
            cx.token_mut(id)?.primary_group = group;
        }
        DEFAULT_DACL => {
            let pointer = cx.mem().load::<Word>(buffer.cast())?.0;
            let dacl = (pointer != 0).then(|| Acl::capture(&mut cx.mem(), UserPtr::new(pointer))).transpose()?;
            cx.token_mut(id)?.default_dacl = dacl;
        }
        INTEGRITY_LEVEL => set_integrity(cx, id, buffer)?,
        ORIGIN => {
            let origin = Luid(cx.mem().load::<u64>(buffer.cast())?);
            // It is set once.
            let token = cx.token_mut(id)?;
            if token.origin == Luid(0) {
                token.origin = origin;
            }
        }
        _ => set_number(cx, id, class, buffer)?,
    }
    Ok(NtStatus::SUCCESS)
}

/// Lowering one's level is free, raising it takes `SeTcbPrivilege`.
fn set_integrity(cx: &mut Cx<'_>, id: crate::ob::ObjectId, buffer: UserPtr<u8>) -> NtResult<()> {
    let sid = read::sid_behind(&mut cx.mem(), buffer.va)?;
    let level = sid.integrity_level().ok_or(NtStatus::INVALID_LABEL)?;
    if level > cx.token(id)?.integrity {
        cx.require_privilege(Privilege::TCB)?;
    }
    cx.token_mut(id)?.integrity = level;
    Ok(())
}

fn set_number(cx: &mut Cx<'_>, id: crate::ob::ObjectId, class: u32, buffer: UserPtr<u8>) -> NtResult<()> {
    let value = cx.mem().load::<u32>(buffer.cast())?;
    let on = value != 0;
    let token = cx.token_mut(id)?;
    match class {
        SESSION_ID => token.session = value,
        SESSION_REFERENCE => token.flags.set(TokenFlags::NO_SESSION_REFERENCE, !on),
        UI_ACCESS => token.flags.set(TokenFlags::UI_ACCESS, on),
        MANDATORY_POLICY => {
            if value > 3 {
                return Err(NtStatus::INVALID_PARAMETER.into());
            }
            token.policy = value;
        }
        VIRTUALIZATION_ALLOWED => token.flags.set(TokenFlags::VIRTUALIZE_ALLOWED, on),
        _ => {
            if on && !token.flags.contains(TokenFlags::VIRTUALIZE_ALLOWED) {
                return Err(NtStatus::INVALID_PARAMETER.into());
            }
            token.flags.set(TokenFlags::VIRTUALIZE_ENABLED, on);
        }
    }
    Ok(())
}
