//! Access tokens as data: who a process or thread is.

use bitflags::bitflags;

use super::acl::Acl;
use super::privilege::{Luid, Privilege, PrivilegeSet};
use super::sid::Sid;

bitflags! {
    /// `SE_GROUP_*`: what a group in a token is good for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct GroupAttributes: u32 {
        /// It cannot be disabled.
        const MANDATORY = 0x01;
        /// Enabled after a reset.
        const ENABLED_BY_DEFAULT = 0x02;
        /// It counts in access checks.
        const ENABLED = 0x04;
        /// It can own objects.
        const OWNER = 0x08;
        /// It counts in entries that deny, and in no other.
        const USE_FOR_DENY_ONLY = 0x10;
        /// It is the mandatory label.
        const INTEGRITY = 0x20;
        /// The label counts.
        const INTEGRITY_ENABLED = 0x40;
        /// A group of the domain that holds the resource.
        const RESOURCE = 0x2000_0000;
        /// It names the logon session.
        const LOGON_ID = 0xc000_0000;
        const _ = !0;
    }
}

/// A `SID_AND_ATTRIBUTES` of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// Who.
    pub sid: Sid,
    /// What it is good for.
    pub attributes: GroupAttributes,
}

impl Group {
    /// A group with the attributes' bits.
    pub const fn new(sid: Sid, attributes: u32) -> Self {
        Self { sid, attributes: GroupAttributes::from_bits_retain(attributes) }
    }

    /// Whether it counts in an entry that allows, or in one that denies.
    pub fn counts(&self, deny: bool) -> bool {
        let deny_only = self.attributes.contains(GroupAttributes::USE_FOR_DENY_ONLY);
        if deny_only { deny } else { self.attributes.contains(GroupAttributes::ENABLED) }
    }
}

/// `SECURITY_IMPERSONATION_LEVEL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Level {
    /// The server knows nothing of the client.
    #[default]
    Anonymous,
    /// It may ask who the client is.
    Identification,
    /// It may act as the client on this machine.
    Impersonation,
    /// And on others.
    Delegation,
}

impl Level {
    /// The level of a number.
    pub const fn from_raw(raw: u32) -> Option<Self> {
        Some(match raw {
            0 => Self::Anonymous,
            1 => Self::Identification,
            2 => Self::Impersonation,
            3 => Self::Delegation,
            _ => return None,
        })
    }
}

/// `TOKEN_TYPE`, with the level that an impersonation token has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A process's.
    Primary,
    /// A thread's.
    Impersonation(Level),
}

/// `TOKEN_SOURCE`: who made a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct TokenSource {
    /// Eight characters.
    pub name: [u8; 8],
    /// Its id.
    pub id: Luid,
}

/// `TOKEN_ELEVATION_TYPE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ElevationType {
    /// There is no other half.
    #[default]
    Default = 1,
    /// The powerful half of a split token.
    Full = 2,
    /// The other half.
    Limited = 3,
}

/// Mandatory levels, `SECURITY_MANDATORY_*_RID`.
pub mod integrity {
    #![allow(missing_docs)]
    pub const UNTRUSTED: u32 = 0;
    pub const LOW: u32 = 0x1000;
    pub const MEDIUM: u32 = 0x2000;
    pub const HIGH: u32 = 0x3000;
    pub const SYSTEM: u32 = 0x4000;
}

/// `TOKEN_MANDATORY_POLICY_NO_WRITE_UP`.
pub const POLICY_NO_WRITE_UP: u32 = 1;
/// `TOKEN_MANDATORY_POLICY_NEW_PROCESS_MIN`: a new process has at most the level of its image.
pub const POLICY_NEW_PROCESS_MIN: u32 = 2;

bitflags! {
    /// Yes-or-no facts about a token (`TOKEN_*` flags of its body).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct TokenFlags: u32 {
        /// `TokenElevation`: it can do what an administrator can.
        const ELEVATED = 1;
        /// Writes to protected places may be virtualized.
        const VIRTUALIZE_ALLOWED = 2;
        /// They are.
        const VIRTUALIZE_ENABLED = 4;
        /// It may drive the user interface of others.
        const UI_ACCESS = 8;
        /// Restricting SIDs count for writes only.
        const WRITE_RESTRICTED = 0x10;
        /// `SANDBOX_INERT`: application control leaves it alone.
        const SANDBOX_INERT = 0x20;
        /// Filtered: something was taken away.
        const FILTERED = 0x40;
        /// `NtSetInformationToken(TokenSessionReference)`: the logon session is not referenced.
        const NO_SESSION_REFERENCE = 0x80;
        /// It does not count as one of "ALL APPLICATION PACKAGES".
        const LESS_PRIVILEGED = 0x100;
    }
}

/// What makes a token one of an AppContainer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LowBox {
    /// The package: `S-1-15-2-…`.
    pub package: Sid,
    /// What it was granted: `S-1-15-3-…`.
    pub capabilities: Vec<Group>,
    /// `TokenAppContainerNumber`.
    pub number: u32,
}

/// An access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// `TokenId`: every token has its own.
    pub id: Luid,
    /// `ModifiedId`: changes when the token does.
    pub modified: Luid,
    /// The logon session.
    pub authentication: Luid,
    /// The token it was made from by `NtFilterToken`, or 0.
    pub parent: Luid,
    /// `TokenOrigin`: the logon session that made this one's.
    pub origin: Luid,
    /// When it expires, in 100 ns since 1601; nothing enforces it.
    pub expiration: i64,
    /// Primary, or for impersonation.
    pub kind: TokenKind,
    /// The user. Only `USE_FOR_DENY_ONLY` means something among its attributes.
    pub user: Group,
    /// The groups, without the label.
    pub groups: Vec<Group>,
    /// Privileges that are there.
    pub privileges: PrivilegeSet,
    /// Those of them that are enabled.
    pub enabled: PrivilegeSet,
    /// Those that a reset enables.
    pub enabled_by_default: PrivilegeSet,
    /// Restricting SIDs: where there are any, they must be granted access too.
    pub restricted: Vec<Group>,
    /// Who owns what is made with it.
    pub owner: Sid,
    /// The primary group of what is made with it.
    pub primary_group: Sid,
    /// The DACL of what is made with it.
    pub default_dacl: Option<Acl>,
    /// Who made it.
    pub source: TokenSource,
    /// The session.
    pub session: u32,
    /// The mandatory level.
    pub integrity: u32,
    /// `TOKEN_MANDATORY_POLICY_*`.
    pub policy: u32,
    /// Facts.
    pub flags: TokenFlags,
    /// Split tokens.
    pub elevation: ElevationType,
    /// The other half of a split token. Its own is not kept: it is this one.
    pub linked: Option<Box<Self>>,
    /// AppContainer.
    pub lowbox: Option<LowBox>,
}

impl Token {
    /// Whether a SID is the user or a group that counts in an entry that allows (or, with `deny`, denies).
    pub fn has_sid(&self, sid: &Sid, deny: bool) -> bool {
        if self.user.sid == *sid {
            return deny || !self.user.attributes.contains(GroupAttributes::USE_FOR_DENY_ONLY);
        }
        self.groups.iter().any(|group| group.sid == *sid && group.counts(deny))
    }

    /// Whether a SID is among the restricting ones.
    pub fn restricts(&self, sid: &Sid) -> bool {
        self.restricted.iter().any(|group| group.sid == *sid)
    }

    /// Whether there are restricting SIDs.
    pub fn is_restricted(&self) -> bool {
        !self.restricted.is_empty()
    }

    /// Whether the privilege is there and enabled (`SePrivilegeCheck` for one).
    pub fn has_privilege(&self, privilege: Privilege) -> bool {
        self.privileges.and(self.enabled).contains(privilege)
    }

    /// The impersonation level; a primary token has the highest that matters to a check.
    pub fn level(&self) -> Level {
        match self.kind {
            TokenKind::Primary => Level::Impersonation,
            TokenKind::Impersonation(level) => level,
        }
    }

    /// The mandatory label as the group it is listed as.
    pub fn label(&self) -> Group {
        let attributes = GroupAttributes::INTEGRITY | GroupAttributes::INTEGRITY_ENABLED;
        Group { sid: Sid::integrity(self.integrity), attributes }
    }

    /// The groups as `TokenGroups` lists them: the label is the last.
    pub fn all_groups(&self) -> impl Iterator<Item = Group> {
        self.groups.iter().copied().chain([self.label()])
    }

    /// The SID of the logon session, which exactly one group of an interactive token is.
    pub fn logon_sid(&self) -> Option<Group> {
        self.groups.iter().copied().find(|group| group.attributes.contains(GroupAttributes::LOGON_ID))
    }

    /// Whether a SID may be the owner of what this token's subject makes: the user, or a group with
    /// `SE_GROUP_OWNER`.
    pub fn may_own(&self, sid: &Sid) -> bool {
        let group = |g: &Group| g.sid == *sid && g.counts(false) && g.attributes.contains(GroupAttributes::OWNER);
        self.user.sid == *sid || self.groups.iter().any(group)
    }

    /// Whether the SID is in the token at all, as a primary group must be.
    pub fn mentions(&self, sid: &Sid) -> bool {
        self.user.sid == *sid || self.groups.iter().any(|group| group.sid == *sid)
    }

    /// Keeps only what is enabled (`EffectiveOnly` of `NtDuplicateToken`): disabled groups and privileges go.
    pub fn make_effective_only(&mut self) {
        self.groups.retain(|g| g.counts(true));
        self.privileges = self.privileges.and(self.enabled);
        self.enabled_by_default = self.enabled_by_default.and(self.privileges);
        if !self.mentions(&self.owner) {
            self.owner = self.user.sid;
        }
        if !self.mentions(&self.primary_group) {
            self.primary_group = self.user.sid;
        }
    }
}
