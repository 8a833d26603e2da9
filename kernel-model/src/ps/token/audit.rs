//! Audits: what the kernel's own opens and closes leave behind, and the services with which a subsystem that guards
//! objects of its own says what it audits.

use guest::types::UnicodeString;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::{access, read};
use crate::cx::Cx;
use crate::ob::{Body as _, Entry, HandleAttributes, ObjectId};
use crate::se::{
    AuditEvent, AuditKind, Level, Privilege, PrivilegeSet, SecurityDescriptor, Token, TokenKind, is_audited,
};
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtOpenObjectAuditAlarm => nt_open_object_audit_alarm, Support::Full),
    service!(NtCloseObjectAuditAlarm => nt_close_object_audit_alarm, Support::Full),
    service!(NtDeleteObjectAuditAlarm => nt_delete_object_audit_alarm, Support::Full),
    service!(NtPrivilegeObjectAuditAlarm => nt_privilege_object_audit_alarm, Support::Full),
    service!(NtPrivilegedServiceAuditAlarm => nt_privileged_service_audit_alarm, Support::Full),
];

/// The kernel as a subsystem that audits.
const KERNEL: &str = "Security";

/// What a subsystem tells of an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub subsystem: String,
    pub object_type: String,
    pub object_name: String,
    pub handle_id: u64,
    /// Its place in the object store, where it is one of the kernel's.
    pub object: Option<u32>,
}

impl Cx<'_> {
    /// The text of a `UNICODE_STRING`; none for a NULL pointer.
    pub(super) fn audit_text(&mut self, pointer: UserPtr<UnicodeString>) -> NtResult<String> {
        if pointer.is_null() {
            return Ok(String::new());
        }
        let mut mem = self.mem();
        let string = mem.load(pointer)?;
        let mut bytes = vec![0; string.length.into()];
        mem.read(string.buffer, &mut bytes)?;
        let units: Vec<u16> = bytes.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        Ok(String::from_utf16_lossy(&units))
    }

    /// `SeCheckAuditPrivilege`: the process's own token counts, not the client's.
    ///
    /// `STATUS_PRIVILEGE_NOT_HELD`.
    pub(super) fn require_audit(&self) -> Result<(), NtStatus> {
        let held = self.subject()?.primary.has_privilege(Privilege::AUDIT);
        if held { Ok(()) } else { Err(NtStatus::PRIVILEGE_NOT_HELD) }
    }

    /// Keeps an event of the process that runs; whether the policy has it written.
    pub(super) fn audit(
        &mut self, kind: AuditKind, user: &Token, told: Told, access: AccessMask, privileges: PrivilegeSet,
        success: bool,
    ) -> bool {
        let logged = self.kernel.se.audits.logs(kind);
        let event = AuditEvent {
            kind,
            time: self.kernel.clock.interrupt_time(),
            process: self.kernel.ps.process.id.0,
            user: (user.user.sid, user.authentication),
            subsystem: told.subsystem,
            object_type: told.object_type,
            object_name: told.object_name,
            handle_id: told.handle_id,
            object: told.object,
            access,
            privileges,
            success,
            logged,
        };
        self.kernel.se.audits.keep(event);
        logged
    }

    /// `ObpAuditObjectAccess`: an object of the kernel's was opened, or was not; whether closing the handle is audited.
    pub(crate) fn audit_open(&mut self, id: ObjectId, desired: AccessMask, granted: Option<AccessMask>) -> bool {
        let Some(object) = self.kernel.ob.get(id) else { return false };
        let Some(security) = object.security.clone().filter(|s| s.sacl().is_some()) else { return false };
        let object_type = object.body.object_type();
        let Some(info) = self.kernel.ob.type_info(object_type) else { return false };
        let Ok(subject) = self.subject() else { return false };
        let access = granted.unwrap_or(desired.map_generic(&info.mapping));
        if !is_audited(subject.effective(), &security, &info.mapping, access, granted.is_some()) {
            return false;
        }
        let user = subject.effective().clone();
        let told = self.told_of(id);
        let logged = self.audit(AuditKind::Open, &user, told, access, PrivilegeSet::EMPTY, granted.is_some());
        logged && granted.is_some()
    }

    /// A handle that was opened with `OBJ_AUDIT_OBJECT_CLOSE` is closed.
    pub(crate) fn audit_close(&mut self, entry: &Entry) {
        if !entry.attributes.contains(HandleAttributes::AUDIT_OBJECT_CLOSE) {
            return;
        }
        let Ok(user) = self.subject().map(|subject| subject.effective().clone()) else { return };
        let told = self.told_of(entry.object);
        self.audit(AuditKind::Close, &user, told, entry.granted, PrivilegeSet::EMPTY, true);
    }

    fn told_of(&self, id: ObjectId) -> Told {
        let ob = &self.kernel.ob;
        Told {
            subsystem: KERNEL.into(),
            object_type: ob.type_of(id).map_or("", crate::ob::ObjectType::name).into(),
            object_name: ob.path_of(id).unwrap_or_default(),
            handle_id: 0,
            object: Some(id.0),
        }
    }

    /// A client's token by handle, as the audit services take it.
    ///
    /// `STATUS_BAD_IMPERSONATION_LEVEL` for an anonymous one; the statuses of handles.
    fn audited_client(&self, client: Handle) -> NtResult<Token> {
        let (id, _) = self.token_by_handle(client, access::QUERY)?;
        let token = self.token(id)?;
        match token.kind {
            TokenKind::Impersonation(Level::Anonymous) => Err(NtStatus::BAD_IMPERSONATION_LEVEL.into()),
            _ => Ok(token.clone()),
        }
    }

    /// A `PRIVILEGE_SET`: how many, control, then each.
    fn privilege_set(&mut self, set: UserPtr<u8>) -> NtResult<PrivilegeSet> {
        let mut mem = self.mem();
        let count = mem.load::<u32>(set.cast())?;
        let states = read::luid_array(&mut mem, set.va.wrapping_add(8), count)?;
        let known = states.iter().filter_map(|state| Privilege::from_luid(state.luid));
        Ok(known.fold(PrivilegeSet::EMPTY, PrivilegeSet::with))
    }
}

/// `NtOpenObjectAuditAlarm`: a subsystem tells that a client opened an object of its own, or failed to. What the
/// descriptor's SACL asks for is audited, and the use of privileges.
///
/// `STATUS_PRIVILEGE_NOT_HELD` without `SeAuditPrivilege` in the process's token; `STATUS_BAD_IMPERSONATION_LEVEL`,
/// `STATUS_INVALID_PARAMETER` (too many privileges), the statuses of capturing a descriptor and of handles.
#[expect(clippy::too_many_arguments, reason = "NtOpenObjectAuditAlarm has twelve")]
fn nt_open_object_audit_alarm(
    cx: &mut Cx<'_>, subsystem: UserPtr<UnicodeString>, handle_id: u64, object_type: UserPtr<UnicodeString>,
    object_name: UserPtr<UnicodeString>, descriptor: Option<UserPtr<SecurityDescriptor>>, client: Handle,
    desired: AccessMask, granted: AccessMask, privileges: Option<UserPtr<u8>>, _creation: bool, success: bool,
    generate_on_close: UserPtr<u8>,
) -> NtResult {
    cx.mem().probe(generate_on_close)?;
    let client = cx.audited_client(client)?;
    let descriptor = descriptor.map(|at| SecurityDescriptor::capture(&mut cx.mem(), at)).transpose()?;
    let privileges = privileges.map_or(Ok(PrivilegeSet::EMPTY), |set| cx.privilege_set(set))?;
    let told = Told {
        subsystem: cx.audit_text(subsystem)?,
        object_type: cx.audit_text(object_type)?,
        object_name: cx.audit_text(object_name)?,
        handle_id,
        object: None,
    };
    cx.require_audit()?;
    let access = if success { granted } else { desired };
    let mapping = super::access_check::NO_GENERIC;
    let audited = descriptor.is_some_and(|descriptor| is_audited(&client, &descriptor, &mapping, access, success));
    if privileges != PrivilegeSet::EMPTY && success {
        cx.audit(AuditKind::PrivilegedObject, &client, told.clone(), access, privileges, success);
    }
    let logged = audited && cx.audit(AuditKind::Open, &client, told, access, privileges, success);
    cx.mem().store(generate_on_close, &u8::from(logged && success))?;
    Ok(NtStatus::SUCCESS)
}

fn ended(
    cx: &mut Cx<'_>, kind: AuditKind, subsystem: UserPtr<UnicodeString>, handle_id: u64, generate_on_close: bool,
) -> NtResult {
    // Nobody asked: nothing is checked either.
    if !generate_on_close {
        return Ok(NtStatus::SUCCESS);
    }
    let told = Told { subsystem: cx.audit_text(subsystem)?, handle_id, ..Told::default() };
    cx.require_audit()?;
    let user = cx.subject()?.effective().clone();
    cx.audit(kind, &user, told, AccessMask(0), PrivilegeSet::EMPTY, true);
    Ok(NtStatus::SUCCESS)
}

/// `NtCloseObjectAuditAlarm`: a subsystem tells that a client closed an object whose opening was audited.
///
/// `STATUS_PRIVILEGE_NOT_HELD` without `SeAuditPrivilege`, `STATUS_ACCESS_VIOLATION`; nothing is checked unless
/// `GenerateOnClose` is set.
fn nt_close_object_audit_alarm(
    cx: &mut Cx<'_>, subsystem: UserPtr<UnicodeString>, handle_id: u64, generate_on_close: bool,
) -> NtResult {
    ended(cx, AuditKind::Close, subsystem, handle_id, generate_on_close)
}

/// `NtDeleteObjectAuditAlarm`: the same for an object that was deleted.
///
/// The statuses of `NtCloseObjectAuditAlarm`.
fn nt_delete_object_audit_alarm(
    cx: &mut Cx<'_>, subsystem: UserPtr<UnicodeString>, handle_id: u64, generate_on_close: bool,
) -> NtResult {
    ended(cx, AuditKind::Delete, subsystem, handle_id, generate_on_close)
}

/// `NtPrivilegeObjectAuditAlarm`: a subsystem tells that a client used privileges on an object, or tried.
///
/// `STATUS_PRIVILEGE_NOT_HELD` without `SeAuditPrivilege`; `STATUS_BAD_IMPERSONATION_LEVEL`, `STATUS_INVALID_PARAMETER`,
/// `STATUS_ACCESS_VIOLATION`, the statuses of handles.
fn nt_privilege_object_audit_alarm(
    cx: &mut Cx<'_>, subsystem: UserPtr<UnicodeString>, handle_id: u64, client: Handle, desired: AccessMask,
    privileges: UserPtr<u8>, success: bool,
) -> NtResult {
    let client = cx.audited_client(client)?;
    let privileges = cx.privilege_set(privileges)?;
    let told = Told { subsystem: cx.audit_text(subsystem)?, handle_id, ..Told::default() };
    cx.require_audit()?;
    cx.audit(AuditKind::PrivilegedObject, &client, told, desired, privileges, success);
    Ok(NtStatus::SUCCESS)
}

/// `NtPrivilegedServiceAuditAlarm`: a subsystem tells that a client used privileges to call a service, or tried.
///
/// The statuses of `NtPrivilegeObjectAuditAlarm`.
fn nt_privileged_service_audit_alarm(
    cx: &mut Cx<'_>, subsystem: UserPtr<UnicodeString>, service_name: UserPtr<UnicodeString>, client: Handle,
    privileges: UserPtr<u8>, success: bool,
) -> NtResult {
    let client = cx.audited_client(client)?;
    let privileges = cx.privilege_set(privileges)?;
    let told =
        Told { subsystem: cx.audit_text(subsystem)?, object_type: cx.audit_text(service_name)?, ..Told::default() };
    cx.require_audit()?;
    cx.audit(AuditKind::PrivilegedService, &client, told, AccessMask(0), privileges, success);
    Ok(NtStatus::SUCCESS)
}
