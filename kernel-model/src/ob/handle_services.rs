//! `NtClose`, `NtSetInformationObject`, `NtCompareObjects`, `NtMakeTemporaryObject`, `NtMakePermanentObject`.

use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::handle_table::HandleAttributes;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, class_name, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtClose => nt_close, Support::Full),
    service!(
        NtSetInformationObject => nt_set_information_object,
        Support::Partial("ObjectHandleFlagInformation only")
    ),
    service!(NtCompareObjects => nt_compare_objects, Support::Full),
    service!(NtMakeTemporaryObject => nt_make_temporary_object, Support::Full),
    service!(
        NtMakePermanentObject => nt_make_permanent_object,
        Support::Full
    ),
];

/// The first build on which closing a pseudo handle succeeds: Windows 10 1507.
const PSEUDO_CLOSE_SUCCEEDS: u32 = 10_240;

/// `FLG_ENABLE_CLOSE_EXCEPTIONS`, a bit of `NtGlobalFlag`.
const FLG_ENABLE_CLOSE_EXCEPTIONS: u32 = 0x40_0000;

/// `ObjectHandleFlagInformation`.
const HANDLE_FLAG_INFORMATION: u32 = 4;

/// `NtClose`: closes a handle.
///
/// `STATUS_INVALID_HANDLE`; `STATUS_HANDLE_NOT_CLOSABLE` for a protected one. Pseudo handles (-1 to -6) succeed on
/// Windows 10 and are invalid before. In a process that is debugged, or with the global flag
/// `FLG_ENABLE_CLOSE_EXCEPTIONS`, both failures are raised as exceptions as well.
fn nt_close(cx: &mut Cx<'_>, handle: Handle) -> NtResult {
    let process = cx.kernel.ps.current_process().id;
    let entry = cx.handle_table(process, handle).and_then(|(table, key)| table.get(key));
    let Some(entry) = entry else {
        let pseudo = (-6..=-1).contains(&(handle.0 as i64));
        if pseudo && cx.kernel.profile.version.2 >= PSEUDO_CLOSE_SUCCEEDS {
            return Ok(NtStatus::SUCCESS);
        }
        let nobody_wonders = handle == Handle::NULL || pseudo;
        return if nobody_wonders { Ok(NtStatus::INVALID_HANDLE) } else { bad_close(cx, NtStatus::INVALID_HANDLE) };
    };
    if entry.attributes.contains(HandleAttributes::PROTECT_CLOSE) {
        return bad_close(cx, NtStatus::HANDLE_NOT_CLOSABLE);
    }
    if let Some(closed) = cx.remove_entry(process, handle) {
        cx.audit_close(&closed.entry);
        cx.kernel.ob.handle_closed(closed.entry.object, closed.cached);
    }
    Ok(NtStatus::SUCCESS)
}

/// A handle cannot be closed, which somebody may want to know about.
fn bad_close(cx: &mut Cx<'_>, status: NtStatus) -> NtResult {
    let flagged = cx.kernel.global_flags & FLG_ENABLE_CLOSE_EXCEPTIONS != 0;
    let raised = flagged || cx.kernel.ps.process.debug.port.is_some();
    if raised && !cx.kernel.ps.thread.kernel_mode { cx.raise_user_exception(status) } else { Ok(status) }
}

/// `NtSetInformationObject`: whether a handle is inherited, and whether it can be closed (a byte each).
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH` (two bytes), `STATUS_INVALID_HANDLE`.
fn nt_set_information_object(
    cx: &mut Cx<'_>, handle: Handle, class: u32, information: UserPtr<u16>, length: u32,
) -> NtResult {
    let name = class_name("OBJECT_INFORMATION_CLASS", class)?;
    match class {
        HANDLE_FLAG_INFORMATION => {}
        5.. => return Err(Unwind::unsupported(format!("ObjectInformationClass {name}"))),
        _ => return Err(NtStatus::INVALID_INFO_CLASS.into()),
    }
    if length != 2 {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let [inherit, protect] = cx.mem().load(information)?.to_le_bytes();
    let entry = cx.handle_entry_mut(handle).ok_or(NtStatus::INVALID_HANDLE)?;
    entry.attributes.set(HandleAttributes::INHERIT, inherit != 0);
    entry.attributes.set(HandleAttributes::PROTECT_CLOSE, protect != 0);
    Ok(NtStatus::SUCCESS)
}

/// `NtCompareObjects`: whether two handles name one object.
///
/// `STATUS_SUCCESS`, `STATUS_NOT_SAME_OBJECT`; `STATUS_INVALID_HANDLE`.
fn nt_compare_objects(cx: &mut Cx<'_>, first: Handle, second: Handle) -> NtResult {
    let first = cx.reference_any(first, AccessMask(0))?;
    let second = cx.reference_any(second, AccessMask(0))?;
    if first == second { Ok(NtStatus::SUCCESS) } else { Err(NtStatus::NOT_SAME_OBJECT.into()) }
}

/// `NtMakeTemporaryObject`: the object goes with its last handle.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED` without `DELETE`.
fn nt_make_temporary_object(cx: &mut Cx<'_>, handle: Handle) -> NtResult {
    let object = cx.reference_any(handle, AccessMask::DELETE)?;
    cx.kernel.ob.make_temporary(object);
    Ok(NtStatus::SUCCESS)
}

/// `NtMakePermanentObject`: the object, if it has a name, stays when its last handle goes.
///
/// `STATUS_PRIVILEGE_NOT_HELD` without `SeCreatePermanentPrivilege`, `STATUS_INVALID_HANDLE`.
fn nt_make_permanent_object(cx: &mut Cx<'_>, handle: Handle) -> NtResult {
    cx.require_create_permanent()?;
    let object = cx.reference_any(handle, AccessMask(0))?;
    if cx.kernel.ob.get(object).is_some_and(|o| o.name.is_some()) {
        cx.kernel.ob.make_permanent(object);
    }
    Ok(NtStatus::SUCCESS)
}
