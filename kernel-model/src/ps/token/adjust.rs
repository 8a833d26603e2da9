//! Enabling and disabling privileges and groups.

use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::layout::{self, ENABLED, REMOVED, with_attributes};
use super::{access, read};
use crate::cx::Cx;
use crate::se::{Group, GroupAttributes, Privilege, PrivilegeSet, Token};
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtAdjustPrivilegesToken => nt_adjust_privileges_token, Support::Full),
    service!(NtAdjustGroupsToken => nt_adjust_groups_token, Support::Full),
];

/// Where the state before a change goes.
struct Previous {
    buffer: Option<UserPtr<u8>>,
    length: u32,
    return_length: Option<UserPtr<u32>>,
}

impl Previous {
    fn probe(&self, cx: &mut Cx<'_>) -> NtResult<()> {
        let mut mem = cx.mem();
        if let Some(buffer) = self.buffer {
            mem.probe_write(buffer.va, self.length.into())?;
            // The length is wanted with the state: a NULL pointer faults.
            mem.probe(self.return_length.unwrap_or(UserPtr::new(0)))?;
        }
        Ok(())
    }

    /// The rights that the handle needs.
    fn access(&self, adjust: AccessMask) -> AccessMask {
        AccessMask(adjust.0 | self.buffer.map_or(0, |_| access::QUERY.0))
    }

    /// `STATUS_BUFFER_TOO_SMALL`; the length is stored whether or not.
    fn store(&self, cx: &mut Cx<'_>, bytes: &[u8]) -> NtResult<()> {
        let (Some(buffer), Some(length)) = (self.buffer, self.return_length) else { return Ok(()) };
        cx.mem().store(length, &(bytes.len() as u32))?;
        if (self.length as usize) < bytes.len() {
            return Err(NtStatus::BUFFER_TOO_SMALL.into());
        }
        cx.mem().write(buffer.va, bytes)?;
        Ok(())
    }
}

/// `NtAdjustPrivilegesToken`: enables, disables or removes privileges that a token has. `PreviousState` tells the
/// attributes of those that changed.
///
/// `STATUS_NOT_ALL_ASSIGNED` (a success) if the token has not all of them; `STATUS_BUFFER_TOO_SMALL`, with nothing
/// changed; `STATUS_INVALID_PARAMETER` without a new state; `STATUS_ACCESS_DENIED`, `STATUS_INVALID_HANDLE`,
/// `STATUS_OBJECT_TYPE_MISMATCH`.
fn nt_adjust_privileges_token(
    cx: &mut Cx<'_>, token: Handle, disable_all: bool, new_state: Option<UserPtr<u8>>, length: u32,
    previous: Option<UserPtr<u8>>, return_length: Option<UserPtr<u32>>,
) -> NtResult {
    if !disable_all && new_state.is_none() {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let wanted = if disable_all { Vec::new() } else { read::privileges(&mut cx.mem(), new_state)? };
    let previous = Previous { buffer: previous, length, return_length };
    previous.probe(cx)?;
    let (id, _) = cx.token_by_handle(token, previous.access(access::ADJUST_PRIVILEGES))?;
    let old = cx.token(id)?.clone();
    let (mut enable, mut disable, mut remove) = Default::default();
    let mut missing = false;
    if disable_all {
        disable = old.privileges;
    }
    for state in wanted {
        let privilege = Privilege::from_luid(state.luid).filter(|p| old.privileges.contains(*p));
        let Some(privilege) = privilege else {
            missing = true;
            continue;
        };
        let set: &mut PrivilegeSet = match state.attributes {
            attributes if attributes & REMOVED != 0 => &mut remove,
            attributes if attributes & ENABLED != 0 => &mut enable,
            _ => &mut disable,
        };
        *set = set.with(privilege);
    }
    let enabled = old.enabled.or(enable).minus(disable).minus(remove);
    let changed = PrivilegeSet(old.enabled.0 ^ enabled.0).or(remove);
    previous.store(cx, &layout::privileges(&with_attributes(&old, changed)))?;
    let token = cx.token_mut(id)?;
    token.enabled = enabled;
    token.privileges = token.privileges.minus(remove);
    token.enabled_by_default = token.enabled_by_default.minus(remove);
    Ok(if missing { NtStatus::NOT_ALL_ASSIGNED } else { NtStatus::SUCCESS })
}

/// `NtAdjustGroupsToken`: enables or disables groups, or makes all as they are by default.
///
/// `STATUS_NOT_ALL_ASSIGNED` (a success), `STATUS_CANT_DISABLE_MANDATORY`, `STATUS_CANT_ENABLE_DENY_ONLY`,
/// `STATUS_BUFFER_TOO_SMALL`, all three with nothing changed; otherwise as the service above.
fn nt_adjust_groups_token(
    cx: &mut Cx<'_>, token: Handle, reset: bool, new_state: Option<UserPtr<u8>>, length: u32,
    previous: Option<UserPtr<u8>>, return_length: Option<UserPtr<u32>>,
) -> NtResult {
    if !reset && new_state.is_none() {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let wanted = if reset { Vec::new() } else { read::groups(&mut cx.mem(), new_state)? };
    let previous = Previous { buffer: previous, length, return_length };
    previous.probe(cx)?;
    let (id, _) = cx.token_by_handle(token, previous.access(access::ADJUST_GROUPS))?;
    let old = cx.token(id)?.clone();
    let mut new = old.groups.clone();
    let missing = if reset {
        reset_groups(&mut new);
        false
    } else {
        change_groups(&old, &mut new, &wanted)?
    };
    let differs = |(old, new): (&Group, &Group)| (old != new).then_some(*old);
    let changed: Vec<Group> = old.groups.iter().zip(&new).filter_map(differs).collect();
    let (base, width) = (previous.buffer.map_or(0, |buffer| buffer.va), cx.kernel.width());
    previous.store(cx, &layout::groups(base, width, &changed))?;
    cx.token_mut(id)?.groups = new;
    Ok(if missing { NtStatus::NOT_ALL_ASSIGNED } else { NtStatus::SUCCESS })
}

fn reset_groups(groups: &mut [Group]) {
    for group in groups.iter_mut().filter(|g| !g.attributes.contains(GroupAttributes::MANDATORY)) {
        let on = group.attributes.contains(GroupAttributes::ENABLED_BY_DEFAULT);
        group.attributes.set(GroupAttributes::ENABLED, on);
    }
}

/// Whether a group that was asked for is not there.
fn change_groups(old: &Token, groups: &mut [Group], wanted: &[Group]) -> Result<bool, NtStatus> {
    let mut missing = false;
    for want in wanted {
        let on = want.attributes.contains(GroupAttributes::ENABLED);
        let Some(group) = groups.iter_mut().find(|group| group.sid == want.sid) else {
            missing |= old.user.sid != want.sid;
            continue;
        };
        if !on && group.attributes.contains(GroupAttributes::MANDATORY) {
            return Err(NtStatus::CANT_DISABLE_MANDATORY);
        }
        if on && group.attributes.contains(GroupAttributes::USE_FOR_DENY_ONLY) {
            return Err(NtStatus::CANT_ENABLE_DENY_ONLY);
        }
        group.attributes.set(GroupAttributes::ENABLED, on);
    }
    Ok(missing)
}
