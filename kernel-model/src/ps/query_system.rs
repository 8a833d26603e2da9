//! `NtQuerySystemInformation`.

use guest::mem::PAGE_SIZE;
use guest::types::StructWriter;
use guest::{GuestMemory, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::ke::clock::TICK;
use crate::service::{NtResult, Service, Support, Unwind, class_name, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtQuerySystemInformation => nt_query_system_information,
    Support::Partial("SystemBasicInformation only")
)];

const BASIC_INFORMATION: u32 = 0;
const ALLOCATION_GRANULARITY: u64 = 0x1_0000;

/// `NtQuerySystemInformation`.
///
/// `STATUS_INVALID_INFO_CLASS`; `STATUS_INFO_LENGTH_MISMATCH`, with the length that is needed returned.
fn nt_query_system_information(
    cx: &mut Cx<'_>, class: u32, buffer: UserPtr<u8>, length: u32, return_length: Option<UserPtr<u32>>,
) -> NtResult {
    let name = class_name("SYSTEM_INFORMATION_CLASS", class)?;
    if class != BASIC_INFORMATION {
        return Err(Unwind::unsupported(format!("SystemInformationClass {name}")));
    }
    let width = cx.kernel.width();
    let w = width.bytes();
    let size = 0x18 + 5 * w;
    let mut mem = cx.mem();
    mem.probe_write(buffer.va, length.into())?;
    if let Some(pointer) = return_length {
        mem.probe(pointer)?;
        mem.store(pointer, &(size as u32))?;
    }
    if length as usize != size {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let frames = u64::from(cx.kernel.mm.frame_count());
    let limits = cx.kernel.mm.space.limits;
    // Reserved, TimerResolution, PageSize, NumberOfPhysicalPages, Lowest-, HighestPhysicalPageNumber,
    // AllocationGranularity; Minimum-, MaximumUserModeAddress, ActiveProcessorsAffinityMask; NumberOfProcessors
    let out = StructWriter::new(size, width).field(0x4, 4, TICK).field(0x8, 4, PAGE_SIZE).field(0xc, 4, frames);
    let out = out.field(0x10, 4, 1).field(0x14, 4, frames.saturating_sub(1)).field(0x18, 4, ALLOCATION_GRANULARITY);
    let words = 0x18 + w;
    let out = out.word(words, limits.lowest).word(words + w, limits.highest).word(words + 2 * w, 1);
    let bytes = out.field(words + 3 * w, 1, 1).finish();
    cx.mem().write(buffer.va, &bytes)?;
    Ok(NtStatus::SUCCESS)
}
