//! `NtCreateLowBoxToken`.

use guest::types::ObjectAttributes;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::duplicate::store_new;
use super::{access, read};
use crate::cx::Cx;
use crate::ob::{Entry, HandleAttributes, to_kernel_handle};
use crate::se::{Sid, lowbox_token};
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[service!(NtCreateLowBoxToken => nt_create_low_box_token, Support::Full)];

/// The most handles that are kept for a package. Source: none; Windows' own is not documented.
const MAX_HANDLES: u32 = 64;

/// `NtCreateLowBoxToken`: a copy of a primary token that belongs to an AppContainer: low, with a package SID and
/// capabilities. The handles (those of the directory of the package's names and of what is in it) are duplicated into
/// the kernel and stay open as long as the package has a token in the session; a second token adds none.
///
/// `STATUS_INVALID_PARAMETER` for SIDs that are no package or capability, a token that has a package, or too many
/// handles; `STATUS_INVALID_SID`, `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without
/// `TOKEN_DUPLICATE`.
#[expect(clippy::too_many_arguments, reason = "NtCreateLowBoxToken has nine")]
fn nt_create_low_box_token(
    cx: &mut Cx<'_>, new_handle: UserPtr<Handle>, existing: Handle, desired_access: AccessMask,
    attributes: Option<UserPtr<ObjectAttributes>>, package: UserPtr<Sid>, capability_count: u32,
    capabilities: UserPtr<u8>, handle_count: u32, handles: UserPtr<Handle>,
) -> NtResult {
    cx.probe_handle(new_handle)?;
    let package = Sid::capture(&mut cx.mem(), package)?;
    let capabilities = read::sid_array(&mut cx.mem(), capabilities.va, capability_count)?;
    let handles = read_handles(cx, handles, handle_count)?;
    let (id, granted) = cx.token_by_handle(existing, access::DUPLICATE)?;
    let new_id = cx.new_luid();
    let session = cx.token(id)?.session;
    let mut new = lowbox_token(cx.token(id)?, package, capabilities, 0, new_id)?;
    let number = cx.kernel.se.package_number(session, package);
    if let Some(lowbox) = &mut new.lowbox {
        lowbox.number = number;
    }
    keep_handles(cx, session, package, &handles)?;
    let desired_access = if desired_access.0 == 0 { granted } else { desired_access };
    store_new(cx, desired_access, attributes, new, new_handle)
}

fn read_handles(cx: &mut Cx<'_>, handles: UserPtr<Handle>, count: u32) -> NtResult<Vec<Handle>> {
    if count > MAX_HANDLES {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let width = cx.kernel.width().bytes() as u64;
    let at = |index: u64| UserPtr::<Handle>::new(handles.va.wrapping_add(index * width));
    let mut mem = cx.mem();
    Ok((0..u64::from(count)).map(|index| mem.load(at(index))).collect::<Result<_, _>>()?)
}

/// `SepSetTokenLowboxHandles`: duplicates the handles, unless the package has some already.
fn keep_handles(cx: &mut Cx<'_>, session: u32, package: Sid, handles: &[Handle]) -> NtResult<()> {
    if handles.is_empty() || cx.kernel.se.has_package_handles(session, package) {
        return Ok(());
    }
    let entries = handles.iter().map(|&handle| cx.use_handle(handle)).collect::<Result<Vec<Entry>, _>>()?;
    let mut kept = Vec::new();
    for entry in entries {
        let ob = &mut cx.kernel.ob;
        let key = ob.kernel_handles.insert(Entry { attributes: HandleAttributes::empty(), ..entry })?;
        ob.handle_opened(entry.object, ob.kernel_handles.initial_cache());
        kept.push(to_kernel_handle(key));
    }
    cx.kernel.se.keep_package_handles(session, package, kept);
    Ok(())
}
