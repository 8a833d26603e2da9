//! `NtProtectVirtualMemory`.

use guest::mem::{PAGE_SIZE, Word};
use guest::{GuestMemory, Handle, NtStatus, UserPtr};

use super::memory::Memory;
use super::protect::Protect;
use super::region::Region;
use super::space::VadKind;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[service!(NtProtectVirtualMemory => nt_protect_virtual_memory, Support::Full)];

/// `NtProtectVirtualMemory`: changes the protection of committed pages inside one region; the old protection
/// of the first page is returned.
///
/// `STATUS_INVALID_PAGE_PROTECTION`, `STATUS_INVALID_PARAMETER_2` and `_3`, `STATUS_CONFLICTING_ADDRESSES` (not
/// inside one region), `STATUS_NOT_COMMITTED`, `STATUS_SECTION_PROTECTION` (a view that was not mapped so).
fn nt_protect_virtual_memory(
    cx: &mut Cx<'_>, process: Handle, base_address: UserPtr<Word>, region_size: UserPtr<Word>, new_protection: u32,
    old_protection: UserPtr<u32>,
) -> NtResult {
    let protect = Protect::for_build(new_protection, cx.kernel.profile.version.2)?;
    let region = Region::capture(cx, base_address, region_size)?;
    cx.mem().probe(old_protection)?;
    region.check(cx, NtStatus::INVALID_PARAMETER_2, NtStatus::INVALID_PARAMETER_3)?;
    if region.size == 0 {
        return Err(NtStatus::INVALID_PARAMETER_3.into());
    }
    let target = cx.process_with_memory(process, guest::access::process::VM_OPERATION)?;
    let (first, last) = (region.base / PAGE_SIZE, region.last_page());
    let old = cx.attached(target, |cx| change(&mut cx.kernel.mm, first, last, protect))?;
    cx.mem().store(old_protection, &old.raw())?;
    region.write_back(cx, first, last)?;
    Ok(NtStatus::SUCCESS)
}

/// Changes pages; what the first one's protection was.
fn change(memory: &mut Memory, first: u64, last: u64, protect: Protect) -> Result<Protect, NtStatus> {
    let vad = memory.space.vad(first).filter(|v| last <= v.last).ok_or(NtStatus::CONFLICTING_ADDRESSES)?;
    let is_image = memory.is_image(vad);
    match vad.kind {
        VadKind::Private if protect.is_write_copy() => return Err(NtStatus::INVALID_PAGE_PROTECTION),
        // A view gets no right that it was not mapped with.
        VadKind::View(_) if !is_image && !vad.protect.includes(protect) => return Err(NtStatus::SECTION_PROTECTION),
        _ => {}
    }
    // `last` is inside a region, but a reservation can be huge: stop at the first hole.
    let old = memory.space.pages.get(first).protect().ok_or(NtStatus::NOT_COMMITTED)?;
    if (first..=last).any(|vpn| memory.space.pages.get(vpn).protect().is_none()) {
        return Err(NtStatus::NOT_COMMITTED);
    }
    let protect = if is_image { protect.on_image() } else { protect };
    for vpn in first..=last {
        memory.protect_page(vpn, protect);
    }
    Ok(old)
}
