//! `NtClose` and `NtDuplicateObject`.

use bitflags::bitflags;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::handle_table::{Entry, HandleAttributes, key_of};
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtClose => nt_close, Support::Full),
    service!(NtDuplicateObject => nt_duplicate_object, Support::Partial("only within the calling process")),
];

/// The first build on which closing a pseudo handle succeeds: Windows 10 1507.
const PSEUDO_CLOSE_SUCCEEDS: u32 = 10_240;

/// `NtClose`: closes a handle.
///
/// `STATUS_INVALID_HANDLE`; `STATUS_HANDLE_NOT_CLOSABLE` for a protected one. Pseudo handles (-1 to -6) succeed on
/// Windows 10 and are invalid before.
fn nt_close(cx: &mut Cx<'_>, handle: Handle) -> NtResult {
    let process = cx.kernel.ps.current_process_mut();
    let Some(entry) = process.handles.get(handle) else {
        let pseudo = (-6..=-1).contains(&(handle.0 as i64));
        if pseudo && cx.kernel.profile.version.2 >= PSEUDO_CLOSE_SUCCEEDS {
            return Ok(NtStatus::SUCCESS);
        }
        return Ok(NtStatus::INVALID_HANDLE);
    };
    if entry.attributes.contains(HandleAttributes::PROTECT_CLOSE) {
        return Ok(NtStatus::HANDLE_NOT_CLOSABLE);
    }
    if let Some(entry) = process.handles.remove(handle) {
        cx.kernel.ob.handle_closed(entry.object);
    }
    Ok(NtStatus::SUCCESS)
}

bitflags! {
    /// `DUPLICATE_*` options.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Options: u32 {
        const CLOSE_SOURCE = 1;
        const SAME_ACCESS = 2;
        const SAME_ATTRIBUTES = 4;
        const _ = !0;
    }
}

/// `NtDuplicateObject`: a second handle to an object, with the same, less or other access.
///
/// `STATUS_INVALID_HANDLE` (the new handle is NULL), `STATUS_ACCESS_DENIED`, `STATUS_INVALID_PARAMETER`. With
/// `DUPLICATE_CLOSE_SOURCE` the source goes whatever the result, unless it is protected.
#[expect(clippy::too_many_arguments, reason = "NtDuplicateObject has seven")]
fn nt_duplicate_object(
    cx: &mut Cx<'_>, source_process: Handle, source: Handle, target_process: Handle,
    target_handle: Option<UserPtr<Handle>>, desired_access: AccessMask, attributes: u32, options: u32,
) -> NtResult {
    let options = Options::from_bits_retain(options);
    if let Some(pointer) = target_handle {
        cx.probe_handle(pointer)?;
    }
    cx.require_current_process(source_process, guest::access::process::DUP_HANDLE)?;
    let found = cx.entry_of(source);
    if target_process == Handle::NULL {
        if !options.contains(Options::CLOSE_SOURCE) {
            return Err(NtStatus::INVALID_PARAMETER.into());
        }
        found?;
        close_source(cx, source);
        return Ok(NtStatus::SUCCESS);
    }
    cx.require_current_process(target_process, guest::access::process::DUP_HANDLE)?;
    let entry = found?;
    // The object must outlive its source handle.
    cx.kernel.ob.reference(entry.object);
    if options.contains(Options::CLOSE_SOURCE) {
        close_source(cx, source);
    }
    let result = open_duplicate(cx, &entry, desired_access, attributes, options);
    cx.kernel.ob.dereference(entry.object);
    let handle = result?;
    if let Some(pointer) = target_handle {
        cx.mem().store(pointer, &handle)?;
    }
    Ok(NtStatus::SUCCESS)
}

fn close_source(cx: &mut Cx<'_>, source: Handle) {
    let handles = &mut cx.kernel.ps.current_process_mut().handles;
    let protected = HandleAttributes::PROTECT_CLOSE;
    if handles.get(source).is_some_and(|e| !e.attributes.contains(protected))
        && let Some(entry) = handles.remove(key_of(source))
    {
        cx.kernel.ob.handle_closed(entry.object);
    }
}

fn open_duplicate(
    cx: &mut Cx<'_>, entry: &Entry, desired_access: AccessMask, attributes: u32, options: Options,
) -> Result<Handle, Unwind> {
    let granted = if options.contains(Options::SAME_ACCESS) {
        entry.granted
    } else if desired_access.0 == 0 {
        AccessMask(0)
    } else {
        cx.grant_duplicate(entry, desired_access)?
    };
    let attributes = if options.contains(Options::SAME_ATTRIBUTES) {
        entry.attributes
    } else {
        HandleAttributes::from_bits_truncate(attributes)
    };
    let handle =
        cx.kernel.ps.current_process_mut().handles.insert(Entry { object: entry.object, granted, attributes })?;
    cx.kernel.ob.handle_opened(entry.object);
    Ok(handle)
}
