//! `NtCreateToken`, and the ids that tokens are told apart by.

use guest::types::ObjectAttributes;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::duplicate::{NO_PARENT, kind, store_new};
use super::layout::{BY_DEFAULT, ENABLED};
use super::read;
use crate::cx::Cx;
use crate::se::{
    Acl, ElevationType, Group, GroupAttributes, Level, Luid, POLICY_NO_WRITE_UP, Privilege, PrivilegeSet, Token,
    TokenFlags, TokenSource, integrity,
};
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateToken => nt_create_token, Support::Full),
    service!(NtAllocateLocallyUniqueId => nt_allocate_locally_unique_id, Support::Full),
];

/// `NtCreateToken`: a token out of nothing, as only the local security authority may.
///
/// `STATUS_PRIVILEGE_NOT_HELD` without `SeCreateTokenPrivilege`; `STATUS_NO_SUCH_LOGON_SESSION`, `STATUS_INVALID_OWNER`,
/// `STATUS_INVALID_PRIMARY_GROUP`, `STATUS_INVALID_SID`, `STATUS_INVALID_ACL`, `STATUS_INVALID_PARAMETER`.
#[expect(clippy::too_many_arguments, reason = "NtCreateToken has thirteen")]
fn nt_create_token(
    cx: &mut Cx<'_>, handle: UserPtr<Handle>, desired_access: AccessMask,
    attributes: Option<UserPtr<ObjectAttributes>>, token_type: u32, authentication: UserPtr<u64>,
    expiration: UserPtr<i64>, user: UserPtr<u8>, groups: UserPtr<u8>, privileges: UserPtr<u8>,
    owner: Option<UserPtr<u8>>, primary_group: UserPtr<u8>, default_dacl: Option<UserPtr<u8>>, source: UserPtr<u8>,
) -> NtResult {
    cx.probe_handle(handle)?;
    let kind = kind(token_type, Level::Impersonation)?;
    let (id, modified) = (cx.new_luid(), cx.new_luid());
    let mut mem = cx.mem();
    let authentication = Luid(mem.load(authentication)?);
    let expiration = mem.load(expiration)?;
    let user = Group::new(read::sid_behind(&mut mem, user.va)?, 0);
    let mut groups = read::groups(&mut mem, Some(groups))?;
    let states = read::privileges(&mut mem, Some(privileges))?;
    let owner = owner.map_or(Ok(user.sid), |owner| read::sid_behind(&mut mem, owner.va))?;
    let primary_group = read::sid_behind(&mut mem, primary_group.va)?;
    let dacl = default_dacl.map(|pointer| mem.load::<guest::mem::Word>(pointer.cast())).transpose()?;
    let dacl = dacl.filter(|pointer| pointer.0 != 0);
    let default_dacl = dacl.map(|pointer| Acl::capture(&mut mem, UserPtr::new(pointer.0))).transpose()?;
    let mut name = [0; 8];
    mem.read(source.va, &mut name)?;
    let source = TokenSource { name, id: Luid(mem.load(UserPtr::new(source.va.wrapping_add(8)))?) };
    cx.require_privilege(Privilege::CREATE_TOKEN)?;
    if !cx.kernel.se.is_session(authentication) {
        return Err(NtStatus::NO_SUCH_LOGON_SESSION.into());
    }
    // The label comes among the groups; without one the token is medium.
    let is_label = |group: &Group| group.attributes.contains(GroupAttributes::INTEGRITY);
    let integrity = groups.iter().find(|g| is_label(g)).and_then(|g| g.sid.integrity_level());
    groups.retain(|group| !is_label(group));
    let with = |bit: u32| {
        let set = states.iter().filter(|state| bit == 0 || state.attributes & bit != 0);
        set.filter_map(|state| Privilege::from_luid(state.luid)).fold(PrivilegeSet::EMPTY, PrivilegeSet::with)
    };
    let token = Token {
        id,
        modified,
        authentication,
        parent: NO_PARENT,
        origin: Luid(0),
        expiration,
        kind,
        user,
        groups,
        privileges: with(0),
        enabled: with(ENABLED),
        enabled_by_default: with(BY_DEFAULT),
        restricted: Vec::new(),
        owner,
        primary_group,
        default_dacl,
        source,
        session: cx.subject()?.primary.session,
        integrity: integrity.unwrap_or(integrity::MEDIUM),
        policy: POLICY_NO_WRITE_UP,
        flags: TokenFlags::empty(),
        elevation: ElevationType::Default,
        linked: None,
        lowbox: None,
    };
    if !token.may_own(&owner) {
        return Err(NtStatus::INVALID_OWNER.into());
    }
    if !token.mentions(&primary_group) {
        return Err(NtStatus::INVALID_PRIMARY_GROUP.into());
    }
    store_new(cx, desired_access, attributes, token, handle)
}

/// `NtAllocateLocallyUniqueId`: a value that is given out once while the machine runs.
///
/// `STATUS_ACCESS_VIOLATION`.
fn nt_allocate_locally_unique_id(cx: &mut Cx<'_>, luid: UserPtr<u64>) -> NtResult {
    cx.mem().probe(luid)?;
    let new = cx.new_luid();
    cx.mem().store(luid, &new.0)?;
    Ok(NtStatus::SUCCESS)
}
