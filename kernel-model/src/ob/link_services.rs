//! `NtCreateSymbolicLinkObject`, `NtOpenSymbolicLinkObject`, `NtQuerySymbolicLinkObject`.

use guest::types::{ObjectAttributes, UnicodeString};
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::attributes::read_name;
use super::directory::ObjectName;
use crate::body::Body;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, service};

const NO_SECURITY: &str = crate::ob::SECURITY_GAP;

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateSymbolicLinkObject => nt_create_symbolic_link_object, Support::Partial(NO_SECURITY)),
    service!(NtOpenSymbolicLinkObject => nt_open_symbolic_link_object, Support::Partial(NO_SECURITY)),
    service!(NtQuerySymbolicLinkObject => nt_query_symbolic_link_object, Support::Full),
];

/// `SYMBOLIC_LINK_QUERY`.
const QUERY: AccessMask = AccessMask(1);

/// `NtCreateSymbolicLinkObject`: creates a symbolic link to a path, which need not exist.
///
/// `STATUS_INVALID_PARAMETER` for a target whose lengths are odd or contradict each other, or that is empty;
/// `STATUS_ACCESS_VIOLATION`, `STATUS_DATATYPE_MISALIGNMENT`; the statuses of creating.
fn nt_create_symbolic_link_object(
    cx: &mut Cx<'_>, link_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, link_target: UserPtr<UnicodeString>,
) -> NtResult {
    cx.probe_handle(link_handle)?;
    let string = cx.mem().load(link_target)?;
    // The maximum length is made even; what remains must hold the target.
    let maximum = string.maximum_length & !1;
    if string.length % 2 != 0 || maximum == 0 || string.length > maximum {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let target = read_name(&mut cx.mem(), link_target)?.ok_or(NtStatus::INVALID_PARAMETER)?;
    cx.create_and_store(link_handle, desired_access, object_attributes, Body::SymbolicLink(target))
}

/// `NtOpenSymbolicLinkObject`: opens a symbolic link itself.
///
/// The statuses of opening by name.
fn nt_open_symbolic_link_object(
    cx: &mut Cx<'_>, link_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>,
) -> NtResult {
    cx.open_and_store::<ObjectName>(link_handle, desired_access, object_attributes)
}

/// `NtQuerySymbolicLinkObject`: where a link leads. If there is room for it, the target ends in a zero; the returned
/// length (bytes) counts that zero, where it is asked for.
///
/// `STATUS_BUFFER_TOO_SMALL`, `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`.
fn nt_query_symbolic_link_object(
    cx: &mut Cx<'_>, link: Handle, link_target: UserPtr<UnicodeString>, returned_length: Option<UserPtr<u32>>,
) -> NtResult {
    let mut mem = cx.mem();
    mem.probe(link_target)?;
    let string = mem.load(link_target)?;
    mem.probe_write(string.buffer, string.maximum_length.into())?;
    if let Some(pointer) = returned_length {
        mem.probe(pointer)?;
    }
    let target = cx.reference::<ObjectName>(link, QUERY)?;
    let mut bytes: Vec<u8> = target.iter().flat_map(|u| u.to_le_bytes()).collect();
    let (length, room) = (bytes.len(), usize::from(string.maximum_length));
    let whole = length + 2;
    let needed = if returned_length.is_some() { whole } else { length };
    if let Some(pointer) = returned_length {
        cx.mem().store(pointer, &(whole as u32))?;
    }
    if room < needed {
        return Err(NtStatus::BUFFER_TOO_SMALL.into());
    }
    if room >= whole {
        bytes.extend([0, 0]);
    }
    let mut mem = cx.mem();
    mem.write(string.buffer, &bytes)?;
    mem.store(link_target, &UnicodeString { length: length as u16, ..string })?;
    Ok(NtStatus::SUCCESS)
}
