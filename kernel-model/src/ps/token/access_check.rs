//! Access checks on behalf of a client.

use guest::mem::Width;
use guest::{AccessMask, GenericMapping, GuestMemory, Handle, NtStatus, UserPtr};

use super::access;
use super::impersonate::word_at;
use super::layout::USED;
use crate::cx::Cx;
use crate::se::{
    Granted, Level, ObjectTypeNode, PrivilegeSet, Request, SecurityDescriptor, Sid, TokenKind, access_check_by_type,
};
use crate::service::{NtResult, Service, Support, service};

const CONDITIONS: &str = "conditional entries are not evaluated";

pub(crate) const SERVICES: &[Service] = &[
    service!(NtAccessCheck => nt_access_check, Support::Partial(CONDITIONS)),
    service!(NtAccessCheckByType => nt_access_check_by_type::<false>, Support::Partial(CONDITIONS)),
    service!(NtAccessCheckByTypeResultList => nt_access_check_by_type::<true>, Support::Partial(CONDITIONS)),
];

/// The arguments that the three services share.
struct Check {
    descriptor: UserPtr<SecurityDescriptor>,
    self_sid: Option<UserPtr<Sid>>,
    client: Handle,
    desired: AccessMask,
    types: UserPtr<u8>,
    type_count: u32,
    mapping: UserPtr<u8>,
    privileges: UserPtr<u8>,
    privileges_length: UserPtr<u32>,
    granted: UserPtr<u32>,
    status: UserPtr<u32>,
    /// A result for each object type, not only for the object.
    list: bool,
}

/// `NtAccessCheck`: what a client would be granted by a descriptor. The answer is in `*AccessStatus` and
/// `*GrantedAccess`; the privileges it took are in the set.
///
/// `STATUS_GENERIC_NOT_MAPPED` for generic rights in `DesiredAccess`; `STATUS_NO_IMPERSONATION_TOKEN` for a primary token,
/// `STATUS_BAD_IMPERSONATION_LEVEL` for an anonymous one; `STATUS_INVALID_SECURITY_DESCR` without owner or group;
/// `STATUS_BUFFER_TOO_SMALL` if the set does not fit; the statuses of capturing a descriptor and of handles.
#[expect(clippy::too_many_arguments, reason = "NtAccessCheck has eight")]
fn nt_access_check(
    cx: &mut Cx<'_>, descriptor: UserPtr<SecurityDescriptor>, client: Handle, desired: AccessMask,
    mapping: UserPtr<u8>, privileges: UserPtr<u8>, privileges_length: UserPtr<u32>, granted: UserPtr<u32>,
    status: UserPtr<u32>,
) -> NtResult {
    Check {
        descriptor,
        self_sid: None,
        client,
        desired,
        types: UserPtr::new(0),
        type_count: 0,
        mapping,
        privileges,
        privileges_length,
        granted,
        status,
        list: false,
    }
    .run(cx)
}

/// `NtAccessCheckByType`: the same for an object whose entries may be about parts of it. `STATUS_INVALID_PARAMETER` for
/// a list of types that is no tree.
///
/// `NtAccessCheckByTypeResultList` (`LIST`): the same with a result for each type in the list, which must have one.
#[expect(clippy::too_many_arguments, reason = "both have eleven")]
fn nt_access_check_by_type<const LIST: bool>(
    cx: &mut Cx<'_>, descriptor: UserPtr<SecurityDescriptor>, self_sid: Option<UserPtr<Sid>>, client: Handle,
    desired: AccessMask, types: UserPtr<u8>, type_count: u32, mapping: UserPtr<u8>, privileges: UserPtr<u8>,
    privileges_length: UserPtr<u32>, granted: UserPtr<u32>, status: UserPtr<u32>,
) -> NtResult {
    if LIST && type_count == 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    Check {
        descriptor,
        self_sid,
        client,
        desired,
        types,
        type_count,
        mapping,
        privileges,
        privileges_length,
        granted,
        status,
        list: LIST,
    }
    .run(cx)
}

/// The rights of `GENERIC_MAPPING`, four masks.
pub(super) fn read_mapping(cx: &mut Cx<'_>, at: UserPtr<u8>) -> NtResult<GenericMapping> {
    let mut mask = |index: u64| -> NtResult<AccessMask> {
        Ok(AccessMask(cx.mem().load(UserPtr::new(at.va.wrapping_add(4 * index)))?))
    };
    let (read, write, execute, all) = (mask(0)?, mask(1)?, mask(2)?, mask(3)?);
    Ok(GenericMapping { read, write, execute, all, valid: AccessMask(0x1f_ffff) })
}

/// The mapping of an object that nobody asks generic rights of.
pub(super) const NO_GENERIC: GenericMapping = GenericMapping {
    read: AccessMask(0),
    write: AccessMask(0),
    execute: AccessMask(0),
    all: AccessMask(0),
    valid: AccessMask(0x1f_ffff),
};

/// The most object types a caller may pass.
pub(super) const MAX_TYPES: u32 = 1024;
pub(super) const GENERIC: AccessMask = AccessMask(0xf000_0000);
/// `sizeof(PRIVILEGE_SET)`: with room for one.
const PRIVILEGE_SET: usize = 20;

pub(super) fn read_types(cx: &mut Cx<'_>, at: UserPtr<u8>, count: u32) -> NtResult<Vec<ObjectTypeNode>> {
    if count > MAX_TYPES {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let word = cx.kernel.width().bytes() as u64;
    let stride = if cx.kernel.width() == Width::W64 { 16 } else { 8 };
    let mut nodes = Vec::new();
    for index in 0..u64::from(count) {
        let entry = at.va.wrapping_add(stride * index);
        let level = cx.mem().load::<u16>(UserPtr::new(entry))?;
        let pointer = word_at(cx, entry.wrapping_add(word))?;
        let mut object_type = [0; 16];
        cx.mem().read(pointer, &mut object_type)?;
        nodes.push(ObjectTypeNode { level, object_type });
    }
    if !nodes.is_empty() {
        ObjectTypeNode::validate(&nodes)?;
    }
    Ok(nodes)
}

impl Check {
    fn run(&self, cx: &mut Cx<'_>) -> NtResult {
        let results = if self.list { u64::from(self.type_count.min(MAX_TYPES)) } else { 1 };
        let mut mem = cx.mem();
        mem.probe_write(self.granted.va, 4 * results)?;
        mem.probe_write(self.status.va, 4 * results)?;
        mem.probe(self.privileges_length)?;
        let length = mem.load(self.privileges_length)?;
        mem.probe_write(self.privileges.va, length.into())?;
        if self.desired.intersects(GENERIC) {
            return Err(NtStatus::GENERIC_NOT_MAPPED.into());
        }
        let mapping = read_mapping(cx, self.mapping)?;
        let (token, _) = cx.token_by_handle(self.client, access::QUERY)?;
        match cx.token(token)?.kind {
            TokenKind::Primary => return Err(NtStatus::NO_IMPERSONATION_TOKEN.into()),
            TokenKind::Impersonation(Level::Anonymous) => return Err(NtStatus::BAD_IMPERSONATION_LEVEL.into()),
            TokenKind::Impersonation(_) => {}
        }
        let types = read_types(cx, self.types, self.type_count)?;
        let self_sid = self.self_sid.map(|sid| Sid::capture(&mut cx.mem(), sid)).transpose()?;
        if self.descriptor.is_null() {
            return Err(NtStatus::INVALID_SECURITY_DESCR.into());
        }
        let descriptor = SecurityDescriptor::capture(&mut cx.mem(), self.descriptor)?;
        if descriptor.owner.is_none() || descriptor.group.is_none() {
            return Err(NtStatus::INVALID_SECURITY_DESCR.into());
        }
        let request = Request { desired: self.desired, mapping: &mapping, self_sid };
        let results = access_check_by_type(cx.token(token)?, &descriptor, &request, &types)?;
        self.store(cx, &results, length)
    }

    fn store(&self, cx: &mut Cx<'_>, results: &[Result<Granted, NtStatus>], length: u32) -> NtResult {
        let used = results.iter().flatten().fold(PrivilegeSet::EMPTY, |all, granted| all.or(granted.used));
        let mut set = (used.iter().count() as u32).to_le_bytes().to_vec();
        set.extend([0; 4]);
        for privilege in used.iter() {
            set.extend(privilege.luid().0.to_le_bytes());
            set.extend(USED.to_le_bytes());
        }
        let needed = set.len().max(PRIVILEGE_SET);
        if (length as usize) < needed {
            cx.mem().store(self.privileges_length, &(needed as u32))?;
            return Err(NtStatus::BUFFER_TOO_SMALL.into());
        }
        let mut mem = cx.mem();
        mem.write(self.privileges.va, &set)?;
        let results = if self.list { results } else { results.get(..1).unwrap_or(&[]) };
        for (result, index) in results.iter().zip(0u64..) {
            let (granted, status) = match result {
                Ok(granted) => (granted.access.0, NtStatus::SUCCESS),
                Err(status) => (0, *status),
            };
            mem.store(UserPtr::new(self.granted.va.wrapping_add(4 * index)), &granted)?;
            mem.store(UserPtr::new(self.status.va.wrapping_add(4 * index)), &status.0)?;
        }
        Ok(NtStatus::SUCCESS)
    }
}
