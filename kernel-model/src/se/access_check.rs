//! The access check.

use guest::{AccessMask, GenericMapping, NtStatus};

use super::ace::AceFlags;
use super::check_list::{ObjectTypeNode, Question, asked, walk};
use super::descriptor::{Control, SecurityDescriptor};
use super::mandatory::{WRITE_OWNER, mandatory_limit, trust_limit};
use super::privilege::{Privilege, PrivilegeSet};
use super::sid::Sid;
use super::token::{GroupAttributes, Level, Token, TokenFlags};
use crate::service::NtResult;

/// `SECURITY_SUBJECT_CONTEXT`: the caller.
#[derive(Clone, Copy, Debug)]
pub struct SubjectContext<'a> {
    /// The process's token.
    pub primary: &'a Token,
    /// The token the thread impersonates with.
    pub client: Option<&'a Token>,
}

impl<'a> SubjectContext<'a> {
    /// The token that counts.
    pub fn effective(&self) -> &'a Token {
        self.client.unwrap_or(self.primary)
    }

    /// The token that counts, if it is good for more than looking at.
    ///
    /// `STATUS_BAD_IMPERSONATION_LEVEL` below `SecurityImpersonation`.
    pub fn acting(&self) -> Result<&'a Token, NtStatus> {
        match self.client {
            Some(client) if client.level() < Level::Impersonation => Err(NtStatus::BAD_IMPERSONATION_LEVEL),
            _ => Ok(self.effective()),
        }
    }

    /// `SeSinglePrivilegeCheck`.
    pub fn has_privilege(&self, privilege: Privilege) -> bool {
        self.acting().is_ok_and(|token| token.has_privilege(privilege))
    }
}

/// What is asked of a check.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The rights; generic ones are mapped.
    pub desired: AccessMask,
    /// What the type's generic rights stand for.
    pub mapping: &'a GenericMapping,
    /// Whom `PRINCIPAL SELF` means (`AccessCheckByType`).
    pub self_sid: Option<Sid>,
}

impl<'a> Request<'a> {
    /// An ordinary request.
    pub const fn new(desired: AccessMask, mapping: &'a GenericMapping) -> Self {
        Self { desired, mapping, self_sid: None }
    }
}

/// What a check gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Granted {
    /// The rights.
    pub access: AccessMask,
    /// The privileges that were needed.
    pub used: PrivilegeSet,
}

const READ_CONTROL: u32 = 0x2_0000;
const WRITE_DAC: u32 = 0x4_0000;
const SYSTEM_SECURITY: u32 = AccessMask::ACCESS_SYSTEM_SECURITY.0;

/// `SeAccessCheck` for a caller in user mode. An object without a descriptor lets everybody do everything.
///
/// `STATUS_ACCESS_DENIED`, also if nothing is asked for; `STATUS_PRIVILEGE_NOT_HELD` if `ACCESS_SYSTEM_SECURITY` is
/// and `SeSecurityPrivilege` is not enabled; `STATUS_BAD_IMPERSONATION_LEVEL`.
pub fn access_check(
    subject: &SubjectContext<'_>, descriptor: Option<&SecurityDescriptor>, request: &Request<'_>,
) -> NtResult<Granted> {
    let token = subject.acting()?;
    let Some(descriptor) = descriptor else {
        let desired = request.desired.map_generic(request.mapping);
        return match desired {
            AccessMask(0) => Err(NtStatus::ACCESS_DENIED.into()),
            _ => Ok(Granted { access: everything(desired, request.mapping), used: PrivilegeSet::EMPTY }),
        };
    };
    let results = check_nodes(token, descriptor, request, &[ObjectTypeNode::default()])?;
    Ok(results.into_iter().next().unwrap_or(Err(NtStatus::ACCESS_DENIED))?)
}

fn everything(desired: AccessMask, mapping: &GenericMapping) -> AccessMask {
    let rights = AccessMask(desired.0 & !AccessMask::MAXIMUM_ALLOWED.0);
    if desired.intersects(AccessMask::MAXIMUM_ALLOWED) { AccessMask(rights.0 | mapping.all.0) } else { rights }
}

/// The check for each node of a list. The order is Windows': limits, privileges, owner, DACL; restricting SIDs and
/// AppContainers are walks of their own, and what counts is what all of them grant.
pub(super) fn check_nodes(
    token: &Token, descriptor: &SecurityDescriptor, request: &Request<'_>, nodes: &[ObjectTypeNode],
) -> NtResult<Vec<Result<Granted, NtStatus>>> {
    let mapping = request.mapping;
    let request = &Request { desired: request.desired.map_generic(mapping), ..*request };
    let maximum = request.desired.intersects(AccessMask::MAXIMUM_ALLOWED);
    let fail = |status| Ok(vec![Err(status); nodes.len()]);
    if request.desired.0 == 0 {
        return fail(NtStatus::ACCESS_DENIED);
    }
    let limit = mandatory_limit(token, descriptor, mapping).0 & trust_limit(descriptor, mapping)?.0;
    if asked(request) & !limit & !SYSTEM_SECURITY != 0 {
        return fail(NtStatus::ACCESS_DENIED);
    }
    let Some(by_privilege) = privileged(token, asked(request)) else { return fail(NtStatus::PRIVILEGE_NOT_HELD) };
    let wanted = asked(request) & !by_privilege.access.0;
    let walks = match (wanted, maximum) {
        // Privileges were enough.
        (0, false) => vec![0; nodes.len()],
        _ => walks(token, descriptor, request, nodes, if maximum { u32::MAX } else { wanted })?,
    };
    let result = |allowed: u32| {
        let used = by_privilege.used;
        let allowed = allowed & limit;
        let access = if maximum { allowed | by_privilege.access.0 } else { asked(request) };
        let granted = wanted & !allowed == 0 && access != 0;
        if granted { Ok(Granted { access: AccessMask(access), used }) } else { Err(NtStatus::ACCESS_DENIED) }
    };
    Ok(walks.into_iter().map(result).collect())
}

/// The rights that privileges give by themselves; `None` if one is needed and not there.
fn privileged(token: &Token, asked: u32) -> Option<Granted> {
    let mut granted = Granted::default();
    if asked & SYSTEM_SECURITY != 0 {
        if !token.has_privilege(Privilege::SECURITY) {
            return None;
        }
        granted.access.0 |= SYSTEM_SECURITY;
        granted.used = granted.used.with(Privilege::SECURITY);
    }
    if asked & WRITE_OWNER != 0 && token.has_privilege(Privilege::TAKE_OWNERSHIP) {
        granted.access.0 |= WRITE_OWNER;
        granted.used = granted.used.with(Privilege::TAKE_OWNERSHIP);
    }
    Some(granted)
}

/// What the DACL grants on every node, by all the walks that count.
fn walks(
    token: &Token, descriptor: &SecurityDescriptor, request: &Request<'_>, nodes: &[ObjectTypeNode], wanted: u32,
) -> NtResult<Vec<u32>> {
    let mapping = request.mapping;
    let boxed = token.lowbox.is_some();
    let Some(dacl) = descriptor.dacl() else {
        // No DACL or a NULL one: everybody, except AppContainers, which need an entry.
        let all = if boxed { 0 } else { everything(request.desired, mapping).0 };
        return Ok(vec![all; nodes.len()]);
    };
    let meant = |sid: &Sid| request.self_sid.filter(|_| *sid == Sid::SELF).unwrap_or(*sid);
    let owns = descriptor.owner.is_some_and(|owner| token.has_sid(&owner, false));
    let owns_restricted = descriptor.owner.is_some_and(|owner| token.restricts(&owner));
    // The owner may look at and set the DACL, unless entries for OWNER RIGHTS say what it may.
    let implicit = if dacl.mentions(&Sid::OWNER_RIGHTS) { 0 } else { READ_CONTROL | WRITE_DAC };
    let ask =
        |counts: &dyn Fn(&Sid, bool) -> bool, start| walk(dacl, &Question { nodes, mapping, counts, start, wanted });
    let user = |sid: &Sid, deny| token.has_sid(&meant(sid), deny) || owns && *sid == Sid::OWNER_RIGHTS;
    let mut granted = ask(&user, if owns { implicit } else { 0 })?;
    let mut and = |other: Vec<u32>, exempt: u32| {
        granted.iter_mut().zip(other).for_each(|(all, one)| *all &= one | exempt);
    };
    if token.is_restricted() {
        let counts = |sid: &Sid, _| token.restricts(&meant(sid)) || owns_restricted && *sid == Sid::OWNER_RIGHTS;
        // A write-restricted token is checked twice only for what reading and executing do not need.
        let exempt = if token.flags.contains(WRITES) { mapping.read.0 | mapping.execute.0 } else { 0 };
        and(ask(&counts, if owns_restricted { implicit } else { 0 })?, exempt);
    }
    if boxed {
        and(ask(&|sid, deny| package_counts(token, sid, deny), 0)?, 0);
    }
    Ok(granted)
}

const WRITES: TokenFlags = TokenFlags::WRITE_RESTRICTED;

/// Whether a SID is one of an AppContainer: its package, a capability, or one that means all packages.
fn package_counts(token: &Token, sid: &Sid, deny: bool) -> bool {
    let Some(lowbox) = &token.lowbox else { return false };
    let less = token.flags.contains(TokenFlags::LESS_PRIVILEGED);
    let all = *sid == Sid::ALL_RESTRICTED_PACKAGES || *sid == Sid::ALL_PACKAGES && !less;
    let capability =
        lowbox.capabilities.iter().any(|c| c.sid == *sid && (deny || c.attributes.contains(GroupAttributes::ENABLED)));
    all || lowbox.package == *sid || capability
}

impl SecurityDescriptor {
    /// Whether its DACL was set to inherit nothing.
    pub fn is_protected(&self) -> bool {
        self.control.contains(Control::DACL_PROTECTED)
    }

    /// Whether an entry of its DACL is passed on to children.
    pub fn passes_on(&self) -> bool {
        let inherits = AceFlags::OBJECT_INHERIT | AceFlags::CONTAINER_INHERIT;
        self.dacl().is_some_and(|dacl| dacl.aces.iter().any(|ace| ace.flags.intersects(inherits)))
    }
}
