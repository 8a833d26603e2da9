//! The access check of a subsystem that audits: `NtAccessCheckAndAuditAlarm` and its kin.

use guest::types::UnicodeString;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::access;
use super::access_check::{GENERIC, MAX_TYPES, read_mapping, read_types};
use super::audit::Told;
use crate::cx::Cx;
use crate::se::{
    AuditKind, Granted, Level, PrivilegeSet, Request, SecurityDescriptor, Sid, Token, TokenKind, access_check_by_type,
    is_audited,
};
use crate::service::{NtResult, Service, Support, Unwind, service};

const GAP: &str = "conditional entries are not evaluated";

pub(crate) const SERVICES: &[Service] = &[
    service!(NtAccessCheckAndAuditAlarm => nt_access_check_and_audit_alarm, Support::Partial(GAP)),
    service!(
        NtAccessCheckByTypeAndAuditAlarm => nt_access_check_by_type_and_audit_alarm::<false>,
        Support::Partial(GAP)
    ),
    service!(
        NtAccessCheckByTypeResultListAndAuditAlarm => nt_access_check_by_type_and_audit_alarm::<true>,
        Support::Partial(GAP)
    ),
    service!(
        NtAccessCheckByTypeResultListAndAuditAlarmByHandle => nt_access_check_by_type_result_list_by_handle,
        Support::Partial(GAP)
    ),
];

/// `AUDIT_ALLOW_NO_PRIVILEGE`: without `SeAuditPrivilege` the check is made and nothing audited.
const ALLOW_NO_PRIVILEGE: u32 = 1;
/// `AuditEventDirectoryServiceAccess`, the last `AUDIT_EVENT_TYPE`.
const LAST_AUDIT_TYPE: u32 = 1;

/// Who manages the object, and what it is.
#[derive(Clone, Copy)]
struct Names {
    subsystem: UserPtr<UnicodeString>,
    handle_id: u64,
    object_type: UserPtr<UnicodeString>,
    object_name: UserPtr<UnicodeString>,
}

/// Object types, and what else those services have that look at them.
#[derive(Clone, Copy)]
struct Types {
    self_sid: Option<UserPtr<Sid>>,
    audit_type: u32,
    flags: u32,
    list: UserPtr<u8>,
    count: u32,
    /// A result for each type, not only for the object.
    each: bool,
}

/// Where the answers go.
#[derive(Clone, Copy)]
struct Answers {
    granted: UserPtr<u32>,
    status: UserPtr<u32>,
    generate_on_close: UserPtr<u8>,
}

/// The arguments that the services share.
struct Check {
    names: Names,
    client: Option<Handle>,
    descriptor: UserPtr<SecurityDescriptor>,
    desired: AccessMask,
    mapping: UserPtr<u8>,
    types: Types,
    answers: Answers,
}

/// `NtAccessCheckAndAuditAlarm`: what the client that the thread impersonates would be granted by a descriptor; the
/// outcome is audited as the descriptor's SACL asks. The answer is in `*AccessStatus` and `*GrantedAccess`.
///
/// `STATUS_PRIVILEGE_NOT_HELD` without `SeAuditPrivilege` in the process's token; `STATUS_NO_IMPERSONATION_TOKEN`,
/// `STATUS_BAD_IMPERSONATION_LEVEL`; `STATUS_GENERIC_NOT_MAPPED`, `STATUS_INVALID_SECURITY_DESCR` without owner or group;
/// `STATUS_ACCESS_VIOLATION`, and the statuses of capturing a descriptor.
#[expect(clippy::too_many_arguments, reason = "NtAccessCheckAndAuditAlarm has eleven")]
fn nt_access_check_and_audit_alarm(
    cx: &mut Cx<'_>, subsystem: UserPtr<UnicodeString>, handle_id: u64, object_type: UserPtr<UnicodeString>,
    object_name: UserPtr<UnicodeString>, descriptor: UserPtr<SecurityDescriptor>, desired: AccessMask,
    mapping: UserPtr<u8>, _creation: bool, granted: UserPtr<u32>, status: UserPtr<u32>, generate_on_close: UserPtr<u8>,
) -> NtResult {
    let types = Types { self_sid: None, audit_type: 0, flags: 0, list: UserPtr::new(0), count: 0, each: false };
    Check {
        names: Names { subsystem, handle_id, object_type, object_name },
        client: None,
        descriptor,
        desired,
        mapping,
        types,
        answers: Answers { granted, status, generate_on_close },
    }
    .run(cx)
}

/// `NtAccessCheckByTypeAndAuditAlarm`: the same for an object whose entries may be about parts of it. With
/// `AUDIT_ALLOW_NO_PRIVILEGE` the privilege may be missing: then nothing is audited.
///
/// `NtAccessCheckByTypeResultListAndAuditAlarm` (`EACH`): the same with a result for each type in the list.
///
/// `STATUS_INVALID_PARAMETER` for an unknown type of audit, or a list of types that is no tree; those of
/// `NtAccessCheckAndAuditAlarm`.
#[expect(clippy::too_many_arguments, reason = "both have sixteen")]
fn nt_access_check_by_type_and_audit_alarm<const EACH: bool>(
    cx: &mut Cx<'_>, subsystem: UserPtr<UnicodeString>, handle_id: u64, object_type: UserPtr<UnicodeString>,
    object_name: UserPtr<UnicodeString>, descriptor: UserPtr<SecurityDescriptor>, self_sid: Option<UserPtr<Sid>>,
    desired: AccessMask, audit_type: u32, flags: u32, list: UserPtr<u8>, count: u32, mapping: UserPtr<u8>,
    _creation: bool, granted: UserPtr<u32>, status: UserPtr<u32>, generate_on_close: UserPtr<u8>,
) -> NtResult {
    Check {
        names: Names { subsystem, handle_id, object_type, object_name },
        client: None,
        descriptor,
        desired,
        mapping,
        types: Types { self_sid, audit_type, flags, list, count, each: EACH },
        answers: Answers { granted, status, generate_on_close },
    }
    .run(cx)
}

/// `NtAccessCheckByTypeResultListAndAuditAlarmByHandle`: the same for a client whose token is named.
///
/// The statuses of `NtAccessCheckByTypeAndAuditAlarm`, and those of handles.
#[expect(clippy::too_many_arguments, reason = "the service has seventeen")]
fn nt_access_check_by_type_result_list_by_handle(
    cx: &mut Cx<'_>, subsystem: UserPtr<UnicodeString>, handle_id: u64, client: Handle,
    object_type: UserPtr<UnicodeString>, object_name: UserPtr<UnicodeString>, descriptor: UserPtr<SecurityDescriptor>,
    self_sid: Option<UserPtr<Sid>>, desired: AccessMask, audit_type: u32, flags: u32, list: UserPtr<u8>, count: u32,
    mapping: UserPtr<u8>, _creation: bool, granted: UserPtr<u32>, status: UserPtr<u32>, generate_on_close: UserPtr<u8>,
) -> NtResult {
    Check {
        names: Names { subsystem, handle_id, object_type, object_name },
        client: Some(client),
        descriptor,
        desired,
        mapping,
        types: Types { self_sid, audit_type, flags, list, count, each: true },
        answers: Answers { granted, status, generate_on_close },
    }
    .run(cx)
}

impl Check {
    /// The token of the client: the one that a handle names, or the one that the thread impersonates with.
    fn client(&self, cx: &Cx<'_>) -> NtResult<Token> {
        let id = match self.client {
            Some(handle) => cx.token_by_handle(handle, access::QUERY)?.0,
            None => cx.kernel.ps.thread.impersonation.ok_or(NtStatus::NO_IMPERSONATION_TOKEN)?,
        };
        let token = cx.token(id)?;
        match token.kind {
            TokenKind::Primary => Err(NtStatus::NO_IMPERSONATION_TOKEN.into()),
            TokenKind::Impersonation(Level::Anonymous) => Err(NtStatus::BAD_IMPERSONATION_LEVEL.into()),
            TokenKind::Impersonation(_) => Ok(token.clone()),
        }
    }

    fn run(&self, cx: &mut Cx<'_>) -> NtResult {
        let Types { audit_type, flags, count, each, .. } = self.types;
        if each && count == 0 || audit_type > LAST_AUDIT_TYPE {
            return Err(NtStatus::INVALID_PARAMETER.into());
        }
        let results = if each { u64::from(count.min(MAX_TYPES)) } else { 1 };
        let mut mem = cx.mem();
        mem.probe_write(self.answers.granted.va, 4 * results)?;
        mem.probe_write(self.answers.status.va, 4 * results)?;
        mem.probe(self.answers.generate_on_close)?;
        let mapping = read_mapping(cx, self.mapping)?;
        if self.desired.intersects(GENERIC) {
            return Err(NtStatus::GENERIC_NOT_MAPPED.into());
        }
        let client = self.client(cx)?;
        let audits = match cx.require_audit() {
            Err(_) if flags & ALLOW_NO_PRIVILEGE != 0 => false,
            held => held.map(|()| true)?,
        };
        let types = read_types(cx, self.types.list, count)?;
        let self_sid = self.types.self_sid.map(|sid| Sid::capture(&mut cx.mem(), sid)).transpose()?;
        if self.descriptor.is_null() {
            return Err(NtStatus::INVALID_SECURITY_DESCR.into());
        }
        let descriptor = SecurityDescriptor::capture(&mut cx.mem(), self.descriptor)?;
        if descriptor.owner.is_none() || descriptor.group.is_none() {
            return Err(NtStatus::INVALID_SECURITY_DESCR.into());
        }
        let told = Told {
            subsystem: cx.audit_text(self.names.subsystem)?,
            object_type: cx.audit_text(self.names.object_type)?,
            object_name: cx.audit_text(self.names.object_name)?,
            handle_id: self.names.handle_id,
            object: None,
        };
        let request = Request { desired: self.desired, mapping: &mapping, self_sid };
        let results = access_check_by_type(&client, &descriptor, &request, &types)?;
        let results = if each { results.as_slice() } else { results.get(..1).unwrap_or(&[]) };
        let whole = results.first().copied().unwrap_or(Err(NtStatus::ACCESS_DENIED));
        let (access, success) = whole.map_or((self.desired, false), |granted| (granted.access, true));
        let audited = audits && is_audited(&client, &descriptor, &mapping, access, success);
        let used = whole.map_or(PrivilegeSet::EMPTY, |granted| granted.used);
        let logged = audited && cx.audit(AuditKind::Open, &client, told, access, used, success);
        self.store(cx, results, logged && success)
    }

    fn store(&self, cx: &mut Cx<'_>, results: &[Result<Granted, NtStatus>], generate_on_close: bool) -> NtResult {
        let mut mem = cx.mem();
        for (result, index) in results.iter().zip(0u64..) {
            let (granted, status) = match result {
                Ok(granted) => (granted.access.0, NtStatus::SUCCESS),
                Err(status) => (0, *status),
            };
            let at = |pointer: UserPtr<u32>| UserPtr::new(pointer.va.wrapping_add(4 * index));
            mem.store(at(self.answers.granted), &granted)?;
            mem.store(at(self.answers.status), &status.0)?;
        }
        mem.store(self.answers.generate_on_close, &u8::from(generate_on_close))?;
        Ok::<_, Unwind>(NtStatus::SUCCESS)
    }
}
