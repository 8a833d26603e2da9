//! Debug objects: `NtCreateDebugObject`, `NtSetInformationDebugObject`. Nothing is debugged yet.

use guest::types::ObjectAttributes;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use crate::body::Body;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, class_name, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(
        NtCreateDebugObject => nt_create_debug_object,
        Support::Partial("no process can be debugged with it yet")
    ),
    service!(NtSetInformationDebugObject => nt_set_information_debug_object, Support::Full),
];

/// `DEBUG_OBJECT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebugObject {
    /// `DEBUG_KILL_ON_CLOSE`: what is debugged ends with the object.
    pub kill_on_close: bool,
}

/// `DEBUG_SET_INFORMATION`.
const SET_INFORMATION: AccessMask = AccessMask(4);
/// `DEBUG_KILL_ON_CLOSE`.
const KILL_ON_CLOSE: u32 = 1;
/// `DebugObjectKillProcessOnExitInformation`.
const KILL_PROCESS_ON_EXIT: u32 = 1;

/// `NtCreateDebugObject`: creates a debug object, or opens one of that name if `OBJ_OPENIF` allows.
///
/// `STATUS_INVALID_PARAMETER` for unknown flags; the statuses of creating.
fn nt_create_debug_object(
    cx: &mut Cx<'_>, debug_object_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, flags: u32,
) -> NtResult {
    cx.probe_handle(debug_object_handle)?;
    if flags & !KILL_ON_CLOSE != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let body = Body::DebugObject(DebugObject { kill_on_close: flags & KILL_ON_CLOSE != 0 });
    cx.create_and_store(debug_object_handle, desired_access, object_attributes, body)
}

/// `NtSetInformationDebugObject`: whether what is debugged ends with the object (a flag in 32 bits).
///
/// `STATUS_INVALID_PARAMETER` for an unknown class or flag, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_INVALID_HANDLE`,
/// `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `DEBUG_SET_INFORMATION`.
fn nt_set_information_debug_object(
    cx: &mut Cx<'_>, debug_object: Handle, class: u32, information: UserPtr<u32>, length: u32,
    return_length: Option<UserPtr<u32>>,
) -> NtResult {
    if let Some(pointer) = return_length {
        cx.mem().probe(pointer)?;
        cx.mem().store(pointer, &0)?;
    }
    if class_name("DEBUGOBJECTINFOCLASS", class).is_err() || class != KILL_PROCESS_ON_EXIT {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if length != 4 {
        if let Some(pointer) = return_length {
            cx.mem().store(pointer, &4)?;
        }
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let flags = cx.mem().load(information)?;
    if flags & !KILL_ON_CLOSE != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    cx.reference::<DebugObject>(debug_object, SET_INFORMATION)?.kill_on_close = flags != 0;
    Ok(NtStatus::SUCCESS)
}
