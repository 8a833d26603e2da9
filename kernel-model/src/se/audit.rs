//! What is audited: the entries of SACLs that ask for it, and the events that follow. There is no event log; events are
//! kept here to be looked at.

use std::collections::VecDeque;

use guest::{AccessMask, GenericMapping};

use super::ace::{Ace, AceFlags, ace_type};
use super::descriptor::SecurityDescriptor;
use super::privilege::{Luid, PrivilegeSet};
use super::sid::Sid;
use super::token::Token;

/// What an event is about. The numbers are the security log's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditKind {
    /// 4656: a handle to an object was requested.
    Open,
    /// 4658: the handle was closed.
    Close,
    /// 4660: the object was deleted.
    Delete,
    /// 4673: a privileged service was called.
    PrivilegedService,
    /// 4674: an operation was attempted on a privileged object.
    PrivilegedObject,
}

impl AuditKind {
    /// The number of the event in the security log of Windows Vista and later.
    pub const fn event_id(self) -> u32 {
        match self {
            Self::Open => 4656,
            Self::Close => 4658,
            Self::Delete => 4660,
            Self::PrivilegedService => 4673,
            Self::PrivilegedObject => 4674,
        }
    }
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// What it is about.
    pub kind: AuditKind,
    /// When, in interrupt time.
    pub time: u64,
    /// The process that made the call.
    pub process: u32,
    /// The user, and the user's logon session.
    pub user: (Sid, Luid),
    /// Who manages the object: `Security` for the kernel itself.
    pub subsystem: String,
    /// The object's type, or the service.
    pub object_type: String,
    /// The object's name.
    pub object_name: String,
    /// `HandleId`, by which the subsystem knows the object.
    pub handle_id: u64,
    /// The object's place in the object store, where it is one of the kernel's.
    pub object: Option<u32>,
    /// The rights that were asked for, or granted.
    pub access: AccessMask,
    /// The privileges that were used.
    pub privileges: PrivilegeSet,
    /// Whether it was allowed.
    pub success: bool,
    /// The audit policy has it written to the security log.
    pub logged: bool,
}

/// Which categories are audited. None is at boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AuditPolicy {
    /// "Audit object access".
    pub object_access: bool,
    /// "Audit privilege use".
    pub privilege_use: bool,
}

/// The newest events that are kept.
const KEPT: usize = 1024;

/// Events, the newest last.
#[derive(Clone, Debug, Default)]
pub struct AuditLog {
    /// What is audited.
    pub policy: AuditPolicy,
    events: VecDeque<AuditEvent>,
}

impl AuditLog {
    /// Whether the policy has events of a kind written.
    pub fn logs(&self, kind: AuditKind) -> bool {
        match kind {
            AuditKind::Open | AuditKind::Close | AuditKind::Delete => self.policy.object_access,
            AuditKind::PrivilegedService | AuditKind::PrivilegedObject => self.policy.privilege_use,
        }
    }

    /// Keeps an event.
    pub fn keep(&mut self, event: AuditEvent) {
        if self.events.len() >= KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// The events there are.
    pub fn iter(&self) -> impl Iterator<Item = &AuditEvent> {
        self.events.iter()
    }
}

/// `SepExamineSacl`: whether an entry of the SACL asks for this outcome to be audited. `access` is what was granted, or
/// what was asked for and refused.
pub fn is_audited(
    token: &Token, descriptor: &SecurityDescriptor, mapping: &GenericMapping, access: AccessMask, success: bool,
) -> bool {
    let flag = if success { AceFlags::SUCCESSFUL_ACCESS } else { AceFlags::FAILED_ACCESS };
    let asks = |ace: &Ace| {
        let audit = matches!(ace.kind, ace_type::AUDIT | ace_type::AUDIT_OBJECT);
        let about = ace.sid().is_some_and(|sid| token.has_sid(sid, true));
        // Asked for all that there is and refused: every entry about refusals speaks.
        let refused_all = !success && access.intersects(AccessMask::MAXIMUM_ALLOWED);
        let rights = refused_all || ace.mask().map_generic(mapping).intersects(access);
        audit && ace.is_effective() && ace.flags.contains(flag) && about && rights
    };
    descriptor.sacl().is_some_and(|sacl| sacl.aces.iter().any(asks))
}
