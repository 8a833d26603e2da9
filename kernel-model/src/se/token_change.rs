//! Tokens made from tokens: filtered ones and those of AppContainers.

use guest::NtStatus;

use super::ace::Ace;
use super::privilege::{Luid, Privilege, PrivilegeSet};
use super::sid::Sid;
use super::token::{Group, GroupAttributes, LowBox, Token, TokenFlags, integrity};

/// What `NtFilterToken` takes away.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// `DISABLE_MAX_PRIVILEGE`, `SANDBOX_INERT`, `LUA_TOKEN`, `WRITE_RESTRICTED`: 1, 2, 4, 8.
    pub flags: u32,
    /// Groups (or the user) that only count against the subject from now on.
    pub disable: Vec<Sid>,
    /// Privileges that go.
    pub delete: PrivilegeSet,
    /// Restricting SIDs.
    pub restrict: Vec<Sid>,
}

impl Filter {
    /// `DISABLE_MAX_PRIVILEGE`: every privilege goes but `SeChangeNotifyPrivilege`.
    pub const DISABLE_MAX_PRIVILEGE: u32 = 1;
    /// `SANDBOX_INERT`.
    pub const SANDBOX_INERT: u32 = 2;
    /// `LUA_TOKEN`: what UAC takes from an administrator.
    pub const LUA_TOKEN: u32 = 4;
    /// `WRITE_RESTRICTED`.
    pub const WRITE_RESTRICTED: u32 = 8;

    /// The filtered token, with a fresh id. Restricting SIDs that the token has already are those in both lists.
    ///
    /// `STATUS_INVALID_PARAMETER` for flags there are none of.
    pub fn apply(&self, token: &Token, id: Luid) -> Result<Token, NtStatus> {
        let known = Self::DISABLE_MAX_PRIVILEGE | Self::SANDBOX_INERT | Self::LUA_TOKEN | Self::WRITE_RESTRICTED;
        if self.flags & !known != 0 {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let mut new = Token { id, parent: token.id, ..token.clone() };
        self.disable_groups(&mut new);
        let mut gone = self.delete;
        if self.flags & Self::DISABLE_MAX_PRIVILEGE != 0 {
            gone = gone.or(new.privileges).without(Privilege::CHANGE_NOTIFY);
        }
        if self.flags & Self::LUA_TOKEN != 0 {
            gone = gone.or(new.privileges.minus(LUA_PRIVILEGES));
            new.flags.remove(TokenFlags::ELEVATED);
            new.integrity = new.integrity.min(integrity::MEDIUM);
        }
        new.privileges = new.privileges.minus(gone);
        new.enabled = new.enabled.minus(gone);
        new.enabled_by_default = new.enabled_by_default.minus(gone);
        if !self.restrict.is_empty() {
            let wanted = |sid: &&Sid| !token.is_restricted() || token.restricts(sid);
            let on = GroupAttributes::MANDATORY | GroupAttributes::ENABLED_BY_DEFAULT | GroupAttributes::ENABLED;
            new.restricted = self.restrict.iter().filter(wanted).map(|&sid| Group { sid, attributes: on }).collect();
            new.flags.set(TokenFlags::WRITE_RESTRICTED, self.flags & Self::WRITE_RESTRICTED != 0);
        }
        new.flags.insert(TokenFlags::FILTERED);
        if self.flags & Self::SANDBOX_INERT != 0 {
            new.flags.insert(TokenFlags::SANDBOX_INERT);
        }
        if !new.may_own(&new.owner) {
            new.owner = new.user.sid;
        }
        Ok(new)
    }

    fn disable_groups(&self, new: &mut Token) {
        let lua = self.flags & Self::LUA_TOKEN != 0;
        let on = GroupAttributes::MANDATORY
            | GroupAttributes::ENABLED_BY_DEFAULT
            | GroupAttributes::ENABLED
            | GroupAttributes::OWNER;
        for group in new.groups.iter_mut().chain([&mut new.user]) {
            let administrators = lua && LUA_GROUPS.contains(&group.sid);
            if self.disable.contains(&group.sid) || administrators {
                group.attributes = group.attributes.difference(on) | GroupAttributes::USE_FOR_DENY_ONLY;
            }
        }
    }
}

/// What a limited user's token keeps (source: UAC documentation).
const LUA_PRIVILEGES: PrivilegeSet = PrivilegeSet::of(&[
    Privilege::CHANGE_NOTIFY,
    Privilege::SHUTDOWN,
    Privilege::UNDOCK,
    Privilege::INCREASE_WORKING_SET,
    Privilege::TIME_ZONE,
]);
/// The groups it has for denying only.
const LUA_GROUPS: [Sid; 2] = [Sid::ADMINISTRATORS, Sid::LOCAL_ADMIN_ACCOUNT];

/// The token of an AppContainer (`NtCreateLowBoxToken`): of low integrity, with a package and its capabilities.
///
/// `STATUS_INVALID_PARAMETER` for a SID that is no package or no capability, or a token that has a package already.
pub fn lowbox_token(
    token: &Token, package: Sid, capabilities: Vec<Group>, number: u32, id: Luid,
) -> Result<Token, NtStatus> {
    let is_package = package.authority() == 15 && matches!(package.subs(), [2, _, _, _, _, _, _, _, ..]);
    let is_capability = |sid: &Sid| sid.authority() == 15 && sid.subs().first() == Some(&3);
    if !is_package || token.lowbox.is_some() || !capabilities.iter().all(|c| is_capability(&c.sid)) {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    let mut new = Token { id, ..token.clone() };
    new.integrity = integrity::LOW;
    new.flags.remove(TokenFlags::ELEVATED | TokenFlags::VIRTUALIZE_ALLOWED | TokenFlags::VIRTUALIZE_ENABLED);
    // What a token below medium may have at all.
    let kept = PrivilegeSet::of(&[
        Privilege::CHANGE_NOTIFY,
        Privilege::UNDOCK,
        Privilege::INCREASE_WORKING_SET,
        Privilege::TIME_ZONE,
        Privilege::SHUTDOWN,
    ]);
    new.privileges = new.privileges.and(kept);
    new.enabled = new.enabled.and(kept);
    new.enabled_by_default = new.enabled_by_default.and(kept);
    if let Some(dacl) = &mut new.default_dacl {
        dacl.aces.push(Ace::allow(guest::AccessMask::GENERIC_ALL.0, package));
    }
    new.lowbox = Some(LowBox { package, capabilities, number });
    Ok(new)
}
