//! The descriptor a new object gets, and changing one.

use guest::{AccessMask, GenericMapping, NtStatus};

use super::ace::{Ace, AceBody, AceFlags, Guid, ace_type};
use super::acl::Acl;
use super::descriptor::{Control, Parts, SecurityDescriptor};
use super::mandatory::NO_WRITE_UP;
use super::privilege::Privilege;
use super::sid::Sid;
use super::token::{Token, integrity};
use crate::service::NtResult;

/// What the descriptor of a new object is made from (`SeAssignSecurityEx`).
#[derive(Clone, Copy, Debug)]
pub struct Assign<'a> {
    /// The descriptor of the container it is put into.
    pub parent: Option<&'a SecurityDescriptor>,
    /// What its creator asks for.
    pub explicit: Option<&'a SecurityDescriptor>,
    /// The creator.
    pub token: &'a Token,
    /// What the type's generic rights stand for.
    pub mapping: &'a GenericMapping,
    /// Whether it is a container itself.
    pub container: bool,
    /// Its object type, for entries that only some inherit.
    pub object_type: Option<Guid>,
    /// `SEF_DACL_AUTO_INHERIT`: inherited entries are added to the creator's and marked.
    pub auto_inherit: bool,
    /// Always label it with the creator's level (processes, threads); otherwise only what is made below medium.
    pub label: Option<u32>,
}

impl<'a> Assign<'a> {
    /// For an object that is no container, by its creator's token alone.
    pub const fn new(token: &'a Token, mapping: &'a GenericMapping) -> Self {
        let (parent, explicit, object_type, label) = (None, None, None, None);
        Self { parent, explicit, token, mapping, container: false, object_type, auto_inherit: false, label }
    }
}

/// `SeAssignSecurity`: the creator's parts, else what the container passes on, else the token's defaults.
///
/// `STATUS_INVALID_OWNER`: the creator asks for an owner its token may not give. `STATUS_PRIVILEGE_NOT_HELD`: for a
/// SACL without `SeSecurityPrivilege`, or a label above its own level without `SeRelabelPrivilege`.
pub fn assign_security(assign: &Assign<'_>) -> NtResult<SecurityDescriptor> {
    let token = assign.token;
    let empty = SecurityDescriptor::default();
    let explicit = assign.explicit.unwrap_or(&empty);
    if let Some(owner) = &explicit.owner {
        check_owner(token, owner)?;
    }
    let mut new = SecurityDescriptor {
        rm_control: explicit.rm_control,
        owner: Some(explicit.owner.unwrap_or(token.owner)),
        group: Some(explicit.group.unwrap_or(token.primary_group)),
        ..SecurityDescriptor::default()
    };
    assign_dacl(assign, explicit, &mut new);
    assign_sacl(assign, explicit, &mut new)?;
    Ok(new)
}

fn check_owner(token: &Token, owner: &Sid) -> Result<(), NtStatus> {
    let may = token.may_own(owner) || token.has_privilege(Privilege::RESTORE);
    if may { Ok(()) } else { Err(NtStatus::INVALID_OWNER) }
}

fn check_sacl(token: &Token, sacl: &Acl) -> Result<(), NtStatus> {
    let plain = sacl.aces.iter().any(|ace| ace.kind != ace_type::MANDATORY_LABEL);
    let above = |ace: &Ace| ace.sid().and_then(Sid::integrity_level).is_some_and(|level| level > token.integrity);
    let relabels = sacl.labels(true).aces.iter().any(above);
    let held = |privilege, needed: bool| !needed || token.has_privilege(privilege);
    let may = held(Privilege::SECURITY, plain) && held(Privilege::RELABEL, relabels);
    if may { Ok(()) } else { Err(NtStatus::PRIVILEGE_NOT_HELD) }
}

fn assign_dacl(assign: &Assign<'_>, explicit: &SecurityDescriptor, new: &mut SecurityDescriptor) {
    let given = explicit.control.contains(Control::DACL_PRESENT);
    let defaulted = explicit.control.contains(Control::DACL_DEFAULTED);
    let protected = given && explicit.is_protected();
    let passed = || inherited(assign, assign.parent.and_then(SecurityDescriptor::dacl), new);
    let (mut dacl, control) = if given && !defaulted {
        let mut dacl = explicit.dacl.clone();
        if let (true, false, Some(dacl)) = (assign.auto_inherit, protected, &mut dacl) {
            dacl.aces.retain(|ace| !ace.flags.contains(AceFlags::INHERITED));
            dacl.aces.extend(passed());
        }
        (dacl, explicit.control & Control::DACL_PROTECTED)
    } else {
        match passed() {
            aces if !aces.is_empty() && !protected => (Some(Acl::new(aces)), Control::empty()),
            _ if given => (explicit.dacl.clone(), Control::DACL_DEFAULTED),
            _ => (assign.token.default_dacl.clone(), Control::DACL_DEFAULTED),
        }
    };
    if let Some(dacl) = &mut dacl {
        dacl.map_generic(assign.mapping);
    }
    // A token without a default DACL gives none at all, not a NULL one.
    if dacl.is_some() || given {
        new.control |= Control::DACL_PRESENT | control;
        new.control.set(Control::DACL_AUTO_INHERITED, assign.auto_inherit && !protected);
    }
    new.dacl = dacl;
}

fn assign_sacl(assign: &Assign<'_>, explicit: &SecurityDescriptor, new: &mut SecurityDescriptor) -> NtResult<()> {
    let mut sacl = match explicit.sacl() {
        Some(sacl) => {
            check_sacl(assign.token, sacl)?;
            new.control |= explicit.control & (Control::SACL_PROTECTED | Control::SACL_DEFAULTED);
            sacl.clone()
        }
        None => Acl::new(inherited(assign, assign.parent.and_then(SecurityDescriptor::sacl), new)),
    };
    if sacl.label().is_none() {
        let below = assign.token.integrity < integrity::MEDIUM;
        let policy = assign.label.or(below.then_some(NO_WRITE_UP));
        if let Some(policy) = policy {
            sacl.aces.extend(Acl::of_label(assign.token.integrity, policy).aces);
        }
    }
    if explicit.sacl().is_some() || !sacl.aces.is_empty() {
        sacl.map_generic(assign.mapping);
        new.control |= Control::SACL_PRESENT;
        new.sacl = Some(sacl);
    }
    Ok(())
}

/// The entries that a new object inherits from a list of its container, `RtlpInheritAcl`.
fn inherited(assign: &Assign<'_>, list: Option<&Acl>, new: &SecurityDescriptor) -> Vec<Ace> {
    list.into_iter().flat_map(|list| list.aces.iter()).flat_map(|ace| inherit(assign, ace, new)).collect()
}

/// What becomes of one entry ("ACE Inheritance Rules" in Windows' documentation): nothing, an entry about the object,
/// one that only waits to be passed on, or both where the two differ.
fn inherit(assign: &Assign<'_>, ace: &Ace, new: &SecurityDescriptor) -> Vec<Ace> {
    let objects = ace.flags.contains(AceFlags::OBJECT_INHERIT);
    let containers = ace.flags.contains(AceFlags::CONTAINER_INHERIT);
    let mark = if assign.auto_inherit { AceFlags::INHERITED } else { AceFlags::empty() };
    let wanted = match &ace.body {
        AceBody::Object { inherited_type: Some(wanted), .. } => Some(*wanted) == assign.object_type,
        _ => true,
    };
    let inherits = AceFlags::OBJECT_INHERIT | AceFlags::CONTAINER_INHERIT;
    let spread = AceFlags::NO_PROPAGATE | AceFlags::INHERIT_ONLY | AceFlags::INHERITED;
    let bare = ace.flags.difference(inherits | spread) | mark;
    let passed_on = bare | ace.flags & inherits;
    let propagates = assign.container && !ace.flags.contains(AceFlags::NO_PROPAGATE) && (objects || containers);
    let takes_effect = wanted && if assign.container { containers } else { objects };
    let effective = takes_effect.then(|| effective(assign, ace, new));
    let with_flags = |ace: &Ace, flags| Ace { flags, ..ace.clone() };
    match effective {
        // The same entry can do both.
        Some(own) if propagates && own == *ace => vec![with_flags(&own, passed_on)],
        own => {
            let own = own.map(|own| with_flags(&own, bare));
            let passed = propagates.then(|| with_flags(ace, passed_on | AceFlags::INHERIT_ONLY));
            own.into_iter().chain(passed).collect()
        }
    }
}

/// The entry as it is about the new object: generic rights mapped, CREATOR OWNER and GROUP replaced.
fn effective(assign: &Assign<'_>, ace: &Ace, new: &SecurityDescriptor) -> Ace {
    let Some(sid) = ace.sid() else { return ace.clone() };
    let sid = match *sid {
        Sid::CREATOR_OWNER => new.owner.unwrap_or(*sid),
        Sid::CREATOR_GROUP => new.group.unwrap_or(*sid),
        other => other,
    };
    ace.with(ace.mask().map_generic(assign.mapping), sid)
}

impl Parts {
    /// `SeQuerySecurityAccessMask`: the rights that reading these parts takes.
    pub fn to_query(self) -> AccessMask {
        let mut access = 0;
        if self.intersects(Self::OWNER | Self::GROUP | Self::DACL | Self::LABEL | Self::ATTRIBUTE | Self::SCOPE) {
            access |= AccessMask::READ_CONTROL.0;
        }
        if self.intersects(Self::SACL) {
            access |= AccessMask::ACCESS_SYSTEM_SECURITY.0;
        }
        if self.intersects(Self::BACKUP) {
            access |= AccessMask::READ_CONTROL.0 | AccessMask::ACCESS_SYSTEM_SECURITY.0;
        }
        AccessMask(access)
    }

    /// `SeSetSecurityAccessMask`: the rights that setting these parts takes.
    pub fn to_set(self) -> AccessMask {
        let mut access = 0;
        let all = [
            (Self::OWNER | Self::GROUP | Self::LABEL, super::mandatory::WRITE_OWNER),
            (Self::DACL | Self::PROTECTED_DACL | Self::UNPROTECTED_DACL, 0x4_0000),
            (Self::SACL | Self::SCOPE, AccessMask::ACCESS_SYSTEM_SECURITY.0),
            (Self::ATTRIBUTE, 0x4_0000),
            (Self::BACKUP, 0x4_0000 | super::mandatory::WRITE_OWNER | AccessMask::ACCESS_SYSTEM_SECURITY.0),
        ];
        for (parts, rights) in all {
            if self.intersects(parts) {
                access |= rights;
            }
        }
        AccessMask(access)
    }
}

/// `SeSetSecurityDescriptorInfo`: replaces parts of an object's descriptor.
///
/// `STATUS_INVALID_OWNER` (none, or one the token may not give), `STATUS_INVALID_PRIMARY_GROUP` (none),
/// `STATUS_PRIVILEGE_NOT_HELD` for a label above the caller's without `SeRelabelPrivilege`.
pub fn set_security(
    old: &SecurityDescriptor, parts: Parts, given: &SecurityDescriptor, token: &Token, mapping: &GenericMapping,
) -> NtResult<SecurityDescriptor> {
    let mut new = old.clone();
    if parts.contains(Parts::OWNER) {
        let owner = given.owner.ok_or(NtStatus::INVALID_OWNER)?;
        check_owner(token, &owner)?;
        new.owner = Some(owner);
        new.control.remove(Control::OWNER_DEFAULTED);
    }
    if parts.contains(Parts::GROUP) {
        new.group = Some(given.group.ok_or(NtStatus::INVALID_PRIMARY_GROUP)?);
        new.control.remove(Control::GROUP_DEFAULTED);
    }
    if parts.contains(Parts::DACL) {
        new.control.remove(Control::DACL_BITS);
        new.control |= Control::DACL_PRESENT | given.control & (Control::DACL_PROTECTED | Control::DACL_AUTO_INHERITED);
        new.dacl = given.dacl().cloned();
        if let Some(dacl) = &mut new.dacl {
            dacl.map_generic(mapping);
        }
    }
    if parts.intersects(Parts::SACL | Parts::LABEL) {
        set_sacl(&mut new, parts, given, token)?;
    }
    for (part, bit, on) in [
        (Parts::PROTECTED_DACL, Control::DACL_PROTECTED, true),
        (Parts::UNPROTECTED_DACL, Control::DACL_PROTECTED, false),
        (Parts::PROTECTED_SACL, Control::SACL_PROTECTED, true),
        (Parts::UNPROTECTED_SACL, Control::SACL_PROTECTED, false),
    ] {
        if parts.contains(part) {
            new.control.set(bit, on);
        }
    }
    Ok(new)
}

/// Labels and the rest of a SACL are set each by itself.
fn set_sacl(new: &mut SecurityDescriptor, parts: Parts, given: &SecurityDescriptor, token: &Token) -> NtResult<()> {
    let pick = |part, label| {
        let from = if parts.contains(part) { given.sacl() } else { new.sacl() };
        from.map_or_else(Vec::new, |sacl| sacl.labels(label).aces)
    };
    let labels = pick(Parts::LABEL, true);
    if parts.contains(Parts::LABEL) {
        check_sacl(token, &Acl::new(labels.clone()))?;
    }
    let aces: Vec<Ace> = pick(Parts::SACL, false).into_iter().chain(labels).collect();
    new.control.remove(Control::SACL_BITS);
    new.sacl = None;
    if given.sacl().is_some() || !aces.is_empty() {
        new.control |= Control::SACL_PRESENT | given.control & (Control::SACL_PROTECTED | Control::SACL_AUTO_INHERITED);
        new.sacl = Some(Acl::new(aces));
    }
    Ok(())
}
