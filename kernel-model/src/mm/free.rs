//! `NtFreeVirtualMemory`.

use guest::mem::{PAGE_SIZE, Word};
use guest::{Handle, NtStatus, UserPtr};

use super::memory::Memory;
use super::region::Region;
use super::space::VadKind;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtFreeVirtualMemory => nt_free_virtual_memory,
    Support::Partial("no placeholders")
)];

const MEM_DECOMMIT: u32 = 0x4000;
const MEM_RELEASE: u32 = 0x8000;

/// `NtFreeVirtualMemory`: decommits or releases pages; size 0 means the whole region from its base.
///
/// `STATUS_INVALID_PARAMETER_2` to `_4` name the argument at fault; `STATUS_MEMORY_NOT_ALLOCATED`,
/// `STATUS_FREE_VM_NOT_AT_BASE`, `STATUS_UNABLE_TO_FREE_VM` (past the region's end),
/// `STATUS_UNABLE_TO_DELETE_SECTION` (an image).
fn nt_free_virtual_memory(
    cx: &mut Cx<'_>, process: Handle, base_address: UserPtr<Word>, region_size: UserPtr<Word>, free_type: u32,
) -> NtResult {
    if free_type != MEM_DECOMMIT && free_type != MEM_RELEASE {
        return Err(NtStatus::INVALID_PARAMETER_4.into());
    }
    let region = Region::capture(cx, base_address, region_size)?;
    region.check(cx, NtStatus::INVALID_PARAMETER_2, NtStatus::INVALID_PARAMETER_3)?;
    let target = cx.process_with_memory(process, guest::access::process::VM_OPERATION)?;
    let (first, last) = cx.attached(target, |cx| free(&mut cx.kernel.mm, &region, free_type))?;
    // The arguments may lie in what was just freed; the pages are gone all the same.
    let _ = region.write_back(cx, first, last);
    Ok(NtStatus::SUCCESS)
}

fn free(memory: &mut Memory, region: &Region, free_type: u32) -> Result<(u64, u64), NtStatus> {
    let first = region.base / PAGE_SIZE;
    let vad = memory.space.vad(first).ok_or(NtStatus::MEMORY_NOT_ALLOCATED)?;
    if vad.kind != VadKind::Private {
        return Err(NtStatus::UNABLE_TO_DELETE_SECTION);
    }
    let base = vad.base;
    let last = if region.size == 0 {
        if vad.first != first {
            return Err(NtStatus::FREE_VM_NOT_AT_BASE);
        }
        vad.last
    } else {
        region.last_page()
    };
    if last > vad.last {
        return Err(NtStatus::UNABLE_TO_FREE_VM);
    }
    memory.decommit_range(first, last);
    if free_type == MEM_RELEASE {
        memory.space.carve(first, last);
        // What is left of a watched region stays watched, by its base.
        if memory.space.vads().all(|v| v.base != base) {
            memory.space.watched.remove(&base);
        }
    }
    Ok((first, last))
}
