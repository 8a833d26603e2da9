//! `NtDuplicateObject`.

use bitflags::bitflags;
use guest::access::process as access;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::attributes::Attributes;
use super::handle_table::{Closed, Entry, HandleAttributes, HandleTable};
use super::kernel_handles::to_kernel_handle;
use crate::cx::{Cx, ProcessKey};
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[service!(NtDuplicateObject => nt_duplicate_object, Support::Full)];

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

/// `NtDuplicateObject`: a second handle to an object, in the same or another process, with the same, less or other
/// access.
///
/// `STATUS_INVALID_HANDLE` (the new handle is NULL), `STATUS_ACCESS_DENIED`, `STATUS_INVALID_PARAMETER`,
/// `STATUS_PROCESS_IS_TERMINATING`. With `DUPLICATE_CLOSE_SOURCE` the source goes whatever the result, unless it is
/// protected.
#[expect(clippy::too_many_arguments, reason = "NtDuplicateObject has seven")]
fn nt_duplicate_object(
    cx: &mut Cx<'_>, source_process: Handle, source: Handle, target_process: Handle,
    target_handle: Option<UserPtr<Handle>>, desired_access: AccessMask, attributes: u32, options: u32,
) -> NtResult {
    let options = Options::from_bits_retain(options);
    if let Some(pointer) = target_handle {
        cx.probe_handle(pointer)?;
    }
    let from = cx.process_of(source_process, access::DUP_HANDLE)?;
    if has_ended(cx, from) {
        return Err(NtStatus::PROCESS_IS_TERMINATING.into());
    }
    let found = source_entry(cx, from, source);
    if target_process == Handle::NULL {
        if !options.contains(Options::CLOSE_SOURCE) {
            return Err(NtStatus::INVALID_PARAMETER.into());
        }
        found?;
        if let Some(closed) = take_source(cx, from, source) {
            cx.kernel.ob.handle_closed(closed.entry.object, closed.cached);
        }
        return Ok(NtStatus::SUCCESS);
    }
    let to = cx.process_of(target_process, access::DUP_HANDLE)?;
    let entry = found?;
    // The object must outlive its source handle.
    cx.kernel.ob.reference(entry.object);
    // The source's value is free before the new handle is made, which may get it; but it counts as a handle until
    // then, so that a name that hangs on it stays.
    let closed = if options.contains(Options::CLOSE_SOURCE) { take_source(cx, from, source) } else { None };
    let result = open_duplicate(cx, to, &entry, desired_access, attributes, options);
    if let Some(closed) = closed {
        cx.kernel.ob.handle_closed(closed.entry.object, closed.cached);
    }
    cx.kernel.ob.dereference(entry.object);
    let handle = result?;
    if let Some(pointer) = target_handle {
        cx.mem().store(pointer, &handle)?;
    }
    Ok(NtStatus::SUCCESS)
}

fn has_ended(cx: &Cx<'_>, process: ProcessKey) -> bool {
    cx.kernel.ps.get(process).is_none_or(|p| p.exit_status != NtStatus::PENDING)
}

/// The entry of the source handle. The pseudo handles are the source process, and the thread that calls.
fn source_entry(cx: &mut Cx<'_>, process: ProcessKey, source: Handle) -> Result<Entry, NtStatus> {
    let own = |object| Entry { object, granted: access::ALL, attributes: HandleAttributes::empty() };
    match source {
        Handle::CURRENT_PROCESS => {
            cx.kernel.ps.get(process).map(|p| own(p.object)).ok_or(NtStatus::PROCESS_IS_TERMINATING)
        }
        Handle::CURRENT_THREAD => Ok(own(cx.kernel.ps.thread.object)),
        _ => cx.use_entry(process, source).ok_or(NtStatus::INVALID_HANDLE),
    }
}

/// Takes the source handle out of its table, unless it is protected.
fn take_source(cx: &mut Cx<'_>, process: ProcessKey, source: Handle) -> Option<Closed> {
    let (table, key) = cx.handle_table(process, source)?;
    table.get(key).filter(|e| !e.attributes.contains(HandleAttributes::PROTECT_CLOSE))?;
    cx.remove_entry(process, source)
}

fn open_duplicate(
    cx: &mut Cx<'_>, process: ProcessKey, entry: &Entry, desired_access: AccessMask, attributes: u32, options: Options,
) -> NtResult<Handle> {
    if has_ended(cx, process) {
        return Err(NtStatus::PROCESS_IS_TERMINATING.into());
    }
    let granted = if options.contains(Options::SAME_ACCESS) {
        entry.granted
    } else if desired_access.0 == 0 {
        AccessMask(0)
    } else {
        cx.grant_duplicate(entry, desired_access)?
    };
    let known = HandleAttributes::PROTECT_CLOSE | HandleAttributes::INHERIT;
    let of_kernel = cx.wants_kernel_handle(Attributes::from_bits_truncate(attributes));
    let attributes = if options.contains(Options::SAME_ATTRIBUTES) {
        entry.attributes
    } else {
        HandleAttributes::from_bits_truncate(attributes) & known
    };
    let kernel = &mut *cx.kernel;
    let handles: &mut HandleTable = match kernel.ps.get_mut(process) {
        _ if of_kernel => &mut kernel.ob.kernel_handles,
        Some(process) => &mut process.handles,
        None => return Err(NtStatus::PROCESS_IS_TERMINATING.into()),
    };
    let handle = handles.insert(Entry { object: entry.object, granted, attributes })?;
    let cached = handles.initial_cache();
    kernel.ob.handle_opened(entry.object, cached);
    Ok(if of_kernel { to_kernel_handle(handle) } else { handle })
}
