//! `NtLockVirtualMemory` and `NtUnlockVirtualMemory`. No page is ever taken away here, so that locks show in their statuses
//! alone.

use guest::mem::{Access, Word};
use guest::{Handle, NtStatus, UserPtr};

use super::region::Region;
use crate::cx::Cx;
use crate::se::Privilege;
use crate::service::{NtResult, Service, Support, service};

const GAP: &str = "no working-set quota";

pub(crate) const SERVICES: &[Service] = &[
    service!(NtLockVirtualMemory => nt_lock_virtual_memory, Support::Partial(GAP)),
    service!(NtUnlockVirtualMemory => nt_unlock_virtual_memory, Support::Partial(GAP)),
];

/// `MAP_PROCESS` (in the working set) and `MAP_SYSTEM` (in memory).
const MAP_PROCESS: u32 = 1;
const MAP_SYSTEM: u32 = 2;

/// Checks what both check; the pages.
fn begin(cx: &mut Cx<'_>, region: &Region, map_type: u32) -> NtResult<(u64, u64)> {
    if map_type == 0 || map_type & !(MAP_PROCESS | MAP_SYSTEM) != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    region.check(cx, NtStatus::INVALID_PARAMETER_2, NtStatus::INVALID_PARAMETER_3)?;
    if region.size == 0 {
        return Err(NtStatus::INVALID_PARAMETER_3.into());
    }
    if map_type & MAP_SYSTEM != 0 {
        cx.require_privilege(Privilege::LOCK_MEMORY)?;
    }
    Ok((region.base / guest::mem::PAGE_SIZE, region.last_page()))
}

/// `NtLockVirtualMemory`: keeps pages in memory. All must be there.
///
/// `STATUS_WAS_LOCKED` (a success) where one was locked already; `STATUS_INVALID_PARAMETER`, `_2`, `_3`,
/// `STATUS_PRIVILEGE_NOT_HELD` (`MAP_SYSTEM`), `STATUS_ACCESS_VIOLATION` where a page cannot be read.
fn nt_lock_virtual_memory(
    cx: &mut Cx<'_>, process: Handle, base_address: UserPtr<Word>, region_size: UserPtr<Word>, map_type: u32,
) -> NtResult {
    let region = Region::capture(cx, base_address, region_size)?;
    let (first, last) = begin(cx, &region, map_type)?;
    let target = cx.process_with_memory(process, guest::access::process::VM_OPERATION)?;
    let status = cx.attached(target, |cx| {
        let memory = &mut cx.kernel.mm;
        let readable =
            |vpn: u64| memory.space.pages.get(vpn).protect().is_some_and(|p| p.allows(Access::Read) && !p.is_guard());
        if !(first..=last).all(readable) {
            return Err(NtStatus::ACCESS_VIOLATION);
        }
        let before = memory.space.locked.range(first..=last).count();
        memory.space.locked.extend(first..=last);
        Ok(if before == 0 { NtStatus::SUCCESS } else { NtStatus::WAS_LOCKED })
    })?;
    region.write_back(cx, first, last)?;
    Ok(status)
}

/// `NtUnlockVirtualMemory`: lets pages go that were locked, all of them.
///
/// `STATUS_NOT_LOCKED`, and those of `NtLockVirtualMemory`.
fn nt_unlock_virtual_memory(
    cx: &mut Cx<'_>, process: Handle, base_address: UserPtr<Word>, region_size: UserPtr<Word>, map_type: u32,
) -> NtResult {
    let region = Region::capture(cx, base_address, region_size)?;
    let (first, last) = begin(cx, &region, map_type)?;
    let target = cx.process_with_memory(process, guest::access::process::VM_OPERATION)?;
    cx.attached(target, |cx| {
        let locked = &mut cx.kernel.mm.space.locked;
        if locked.range(first..=last).count() as u64 != last - first + 1 {
            return Err(NtStatus::NOT_LOCKED);
        }
        for vpn in first..=last {
            locked.remove(&vpn);
        }
        Ok(())
    })?;
    region.write_back(cx, first, last)?;
    Ok(NtStatus::SUCCESS)
}
