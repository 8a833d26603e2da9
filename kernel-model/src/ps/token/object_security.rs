//! The descriptors of objects.

use std::sync::Arc;

use guest::{GuestMemory, Handle, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::se::{Control, Parts, SecurityDescriptor, set_security};
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtQuerySecurityObject => nt_query_security_object, Support::Full),
    service!(NtSetSecurityObject => nt_set_security_object, Support::Full),
];

/// `NtQuerySecurityObject`: parts of an object's descriptor, self-relative. An object without one has one without
/// parts.
///
/// `STATUS_BUFFER_TOO_SMALL` with the length in `*LengthNeeded`; `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED`
/// (`READ_CONTROL` is needed, for the SACL `ACCESS_SYSTEM_SECURITY`).
fn nt_query_security_object(
    cx: &mut Cx<'_>, handle: Handle, parts: u32, buffer: UserPtr<u8>, length: u32, needed: UserPtr<u32>,
) -> NtResult {
    let parts = Parts::from_bits_retain(parts);
    {
        let mut mem = cx.mem();
        mem.probe(needed)?;
        mem.probe_write(buffer.va, length.into())?;
    }
    let id = cx.reference_any(handle, parts.to_query())?;
    let security = cx.kernel.ob.get(id).and_then(|object| object.security.clone());
    let bytes = security.map_or_else(SecurityDescriptor::default, |whole| whole.only(parts)).to_bytes();
    cx.mem().store(needed, &(bytes.len() as u32))?;
    if (length as usize) < bytes.len() {
        return Err(NtStatus::BUFFER_TOO_SMALL.into());
    }
    cx.mem().write(buffer.va, &bytes)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtSetSecurityObject`: replaces parts of an object's descriptor.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED` (`WRITE_OWNER`, `WRITE_DAC` or `ACCESS_SYSTEM_SECURITY` is needed, by
/// part); `STATUS_INVALID_OWNER`, `STATUS_INVALID_PRIMARY_GROUP`, `STATUS_PRIVILEGE_NOT_HELD`;
/// `STATUS_NO_SECURITY_ON_OBJECT` for an object that was made without a descriptor; the statuses of capturing one.
fn nt_set_security_object(
    cx: &mut Cx<'_>, handle: Handle, parts: u32, descriptor: UserPtr<SecurityDescriptor>,
) -> NtResult {
    let parts = Parts::from_bits_retain(parts);
    if descriptor.is_null() {
        return Err(NtStatus::ACCESS_VIOLATION.into());
    }
    let given = SecurityDescriptor::capture(&mut cx.mem(), descriptor)?;
    let id = cx.reference_any(handle, parts.to_set())?;
    if parts.contains(Parts::OWNER) && given.owner.is_none() || parts.contains(Parts::GROUP) && given.group.is_none() {
        return Err(NtStatus::INVALID_SECURITY_DESCR.into());
    }
    let object = cx.kernel.ob.get(id).ok_or(NtStatus::INVALID_HANDLE)?;
    let old = object.security.clone().ok_or(NtStatus::NO_SECURITY_ON_OBJECT)?;
    let object_type = cx.kernel.ob.type_of(id).ok_or(NtStatus::INVALID_HANDLE)?;
    let mapping = cx.kernel.ob.type_info(object_type).map(|info| info.mapping).ok_or(NtStatus::INVALID_HANDLE)?;
    let mut new = set_security(&old, parts, &given, cx.subject()?.acting()?, &mapping)?;
    new.control.remove(Control::SELF_RELATIVE);
    let new = Arc::new(new);
    if let Some(object) = cx.kernel.ob.get_mut(id) {
        object.security = Some(Arc::clone(&new));
    }
    cx.set_file_security(id, new);
    cx.key_security_changed(id)?;
    Ok(NtStatus::SUCCESS)
}
