//! The structures that callers pass: groups, privileges, LUIDs.

use guest::mem::Word;
use guest::{GuestMemory, NtStatus, UserPtr};

use crate::mm::UserMemory;
use crate::se::{Group, GroupAttributes, Luid, Sid};
use crate::service::NtResult;

/// The most groups and privileges a caller may pass (`SEP_MAX_GROUP_COUNT`, `SEP_MAX_PRIVILEGE_COUNT`).
const MAX_GROUPS: u32 = 4096;
const MAX_PRIVILEGES: u32 = 0x3c;
/// `sizeof(LUID_AND_ATTRIBUTES)`.
pub(super) const LUID_AND_ATTRIBUTES: u64 = 12;

/// A LUID with the attributes a caller gives it.
#[derive(Clone, Copy, Debug)]
pub(super) struct PrivilegeState {
    pub luid: Luid,
    pub attributes: u32,
}

/// `SeCaptureSidAndAttributesArray`. `STATUS_INVALID_PARAMETER` for too many, `STATUS_INVALID_SID`.
pub(super) fn sid_array(mem: &mut UserMemory<'_>, va: u64, count: u32) -> NtResult<Vec<Group>> {
    if count > MAX_GROUPS {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let word = mem.width().bytes() as u64;
    let one = |index: u64| {
        let at = va.wrapping_add(index * 2 * word);
        let pointer = mem.load::<Word>(UserPtr::new(at))?;
        let attributes = mem.load::<u32>(UserPtr::new(at.wrapping_add(word)))?;
        let sid = Sid::capture(mem, UserPtr::new(pointer.0))?;
        Ok(Group { sid, attributes: GroupAttributes::from_bits_retain(attributes) })
    };
    (0..u64::from(count)).map(one).collect()
}

/// A `TOKEN_GROUPS`; none for a NULL pointer.
pub(super) fn groups(mem: &mut UserMemory<'_>, pointer: Option<UserPtr<u8>>) -> NtResult<Vec<Group>> {
    let Some(pointer) = pointer else { return Ok(Vec::new()) };
    let count = mem.load::<u32>(pointer.cast())?;
    let first = pointer.va.wrapping_add(mem.width().bytes() as u64);
    sid_array(mem, first, count)
}

/// `SeCaptureLuidAndAttributesArray`. `STATUS_INVALID_PARAMETER` for too many.
pub(super) fn luid_array(mem: &mut UserMemory<'_>, va: u64, count: u32) -> NtResult<Vec<PrivilegeState>> {
    if count > MAX_PRIVILEGES {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let one = |index: u64| {
        let at = va.wrapping_add(index * LUID_AND_ATTRIBUTES);
        let luid = Luid(mem.load::<u64>(UserPtr::new(at))?);
        Ok(PrivilegeState { luid, attributes: mem.load::<u32>(UserPtr::new(at.wrapping_add(8)))? })
    };
    (0..u64::from(count)).map(one).collect()
}

/// A `TOKEN_PRIVILEGES`; none for a NULL pointer.
pub(super) fn privileges(mem: &mut UserMemory<'_>, pointer: Option<UserPtr<u8>>) -> NtResult<Vec<PrivilegeState>> {
    let Some(pointer) = pointer else { return Ok(Vec::new()) };
    let count = mem.load::<u32>(pointer.cast())?;
    luid_array(mem, pointer.va.wrapping_add(4), count)
}

/// A SID behind a pointer in memory (`TOKEN_OWNER`, `TOKEN_PRIMARY_GROUP`, `TOKEN_USER`).
pub(super) fn sid_behind(mem: &mut UserMemory<'_>, va: u64) -> NtResult<Sid> {
    let pointer = mem.load::<Word>(UserPtr::new(va))?;
    Sid::capture(mem, UserPtr::new(pointer.0))
}
