//! Private namespaces: `NtCreatePrivateNamespace`, `NtOpenPrivateNamespace`, `NtDeletePrivateNamespace`.
//!
//! A private namespace is an object directory that is found by its boundary descriptor instead of a name.

use guest::types::ObjectAttributes;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::attributes::NameToOpen;
use super::directory::Directory;
use crate::body::Body;
use crate::cx::Cx;
use crate::se::Sid;
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreatePrivateNamespace => nt_create_private_namespace, Support::Full),
    service!(NtOpenPrivateNamespace => nt_open_private_namespace, Support::Full),
    service!(NtDeletePrivateNamespace => nt_delete_private_namespace, Support::Full),
];

/// `sizeof(OBJECT_BOUNDARY_DESCRIPTOR)`: Version, Items, TotalSize, Flags.
const HEADER: usize = 16;
/// `sizeof(OBJECT_BOUNDARY_ENTRY)` without what it holds: EntryType, EntrySize.
const ENTRY: usize = 8;
/// The longest descriptor that is read, in bytes. Source: none; Windows' own is not documented.
const MAX_DESCRIPTOR: u32 = 0x1_0000;
/// Entry types.
const NAME: u32 = 1;
const SID: u32 = 2;
const INTEGRITY_LEVEL: u32 = 3;

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}

/// Reads a boundary descriptor, and checks that it holds together and has exactly one name.
///
/// `STATUS_INVALID_PARAMETER`, `STATUS_ACCESS_DENIED` for a caller outside the boundary, `STATUS_ACCESS_VIOLATION`.
fn capture(cx: &mut Cx<'_>, descriptor: UserPtr<u8>) -> NtResult<Vec<u8>> {
    let mut header = [0; HEADER];
    cx.mem().read(descriptor.va, &mut header)?;
    let field = |at| u32_at(&header, at).unwrap_or(0);
    let (version, items, total) = (field(0), field(4), field(8));
    if version != 1 || !(HEADER as u32..=MAX_DESCRIPTOR).contains(&total) {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let mut bytes = vec![0; total as usize];
    cx.mem().read(descriptor.va, &mut bytes)?;
    let members = check_entries(&bytes, items).ok_or(NtStatus::INVALID_PARAMETER)?;
    // The caller must be within the boundary: somebody with each SID, and no lower than each level.
    let subject = cx.subject()?;
    let token = subject.acting()?;
    let within = |sid: &Sid| match sid.integrity_level() {
        Some(level) => token.integrity >= level,
        None => token.has_sid(sid, false) || token.lowbox.as_ref().is_some_and(|lowbox| lowbox.package == *sid),
    };
    if members.iter().all(within) { Ok(bytes) } else { Err(NtStatus::ACCESS_DENIED.into()) }
}

/// The SIDs and levels of a descriptor that holds together.
fn check_entries(bytes: &[u8], items: u32) -> Option<Vec<Sid>> {
    let (mut at, mut names, mut members) = (HEADER, 0, Vec::new());
    for _ in 0..items {
        let (kind, size) = (u32_at(bytes, at)?, u32_at(bytes, at + 4)? as usize);
        let inside = size > ENTRY && at.checked_add(size)? <= bytes.len();
        if !inside || ![NAME, SID, INTEGRITY_LEVEL].contains(&kind) {
            return None;
        }
        names += u32::from(kind == NAME);
        if kind != NAME {
            let sid = Sid::parse(bytes.get(at + ENTRY..at + size)?).ok()?;
            // A label is a level, and nothing else is.
            if sid.integrity_level().is_some() != (kind == INTEGRITY_LEVEL) {
                return None;
            }
            members.push(sid);
        }
        at += size.next_multiple_of(8);
    }
    (names == 1).then_some(members)
}

/// `NtCreatePrivateNamespace`: creates a directory that is found by a boundary descriptor.
///
/// `STATUS_OBJECT_NAME_COLLISION`, `STATUS_INVALID_PARAMETER`, `STATUS_ACCESS_DENIED` outside the boundary.
fn nt_create_private_namespace(
    cx: &mut Cx<'_>, namespace_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, boundary_descriptor: UserPtr<u8>,
) -> NtResult {
    cx.probe_handle(namespace_handle)?;
    let descriptor = capture(cx, boundary_descriptor)?;
    let name = NameToOpen::capture(&mut cx.mem(), object_attributes)?;
    if name.name.is_some() {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if cx.kernel.ob.namespaces.contains_key(&descriptor) {
        return Err(NtStatus::OBJECT_NAME_COLLISION.into());
    }
    let mut directory = Directory::default();
    directory.private = true;
    let body = Body::Directory(Box::new(directory));
    let (handle, status) = cx.create_object(desired_access, object_attributes, body)?;
    let object = cx.entry_of(handle)?.object;
    cx.kernel.ob.namespaces.insert(descriptor, object);
    cx.mem().store(namespace_handle, &handle)?;
    Ok(status)
}

/// `NtOpenPrivateNamespace`: opens the directory with a boundary descriptor.
///
/// `STATUS_OBJECT_NAME_NOT_FOUND`, `STATUS_INVALID_PARAMETER`, `STATUS_ACCESS_DENIED`, also outside the boundary.
fn nt_open_private_namespace(
    cx: &mut Cx<'_>, namespace_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, boundary_descriptor: UserPtr<u8>,
) -> NtResult {
    cx.probe_handle(namespace_handle)?;
    let descriptor = capture(cx, boundary_descriptor)?;
    let name = NameToOpen::capture(&mut cx.mem(), object_attributes)?;
    let object = *cx.kernel.ob.namespaces.get(&descriptor).ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
    let handle = cx.open_by_pointer(object, desired_access, name.attributes)?;
    cx.mem().store(namespace_handle, &handle)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtDeletePrivateNamespace`: nobody finds the directory by its descriptor any more; handles to it stay good.
///
/// `STATUS_INVALID_PARAMETER` for a directory that is no private namespace, or is none any more;
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `DELETE`.
fn nt_delete_private_namespace(cx: &mut Cx<'_>, namespace: Handle) -> NtResult {
    let directory = cx.reference::<Directory>(namespace, AccessMask::DELETE)?;
    if !std::mem::take(&mut directory.private) {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let object = cx.entry_of(namespace)?.object;
    cx.kernel.ob.namespaces.retain(|_, &mut found| found != object);
    Ok(NtStatus::SUCCESS)
}
