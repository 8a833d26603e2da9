//! `NtFlushVirtualMemory`, and what sections and files owe each other.

use guest::mem::{PAGE_SIZE, Word};
use guest::types::IoStatusBlock;
use guest::{Handle, NtStatus, UserPtr};

use super::region::Region;
use super::segment::SegmentId;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtFlushVirtualMemory => nt_flush_virtual_memory,
    Support::Partial("the whole file is written back, not just the range")
)];

/// `NtFlushVirtualMemory`: what was written in a view of a file goes to the file; a size of 0 means up to the view's end.
///
/// `STATUS_INVALID_PARAMETER_2` and `_3`, `STATUS_NOT_MAPPED_VIEW` where no view is, `STATUS_NOT_MAPPED_DATA` where no
/// file is behind it, and the file's.
fn nt_flush_virtual_memory(
    cx: &mut Cx<'_>, process: Handle, base_address: UserPtr<Word>, region_size: UserPtr<Word>,
    iosb: UserPtr<IoStatusBlock>,
) -> NtResult {
    let region = Region::capture(cx, base_address, region_size)?;
    cx.probe_iosb(iosb)?;
    region.check(cx, NtStatus::INVALID_PARAMETER_2, NtStatus::INVALID_PARAMETER_3)?;
    let target = cx.process_with_memory(process, guest::access::process::VM_OPERATION)?;
    let first = region.base / PAGE_SIZE;
    let (view, end) = cx.attached(target, |cx| {
        let vad = cx.kernel.mm.space.vad(first).ok_or(NtStatus::NOT_MAPPED_VIEW)?;
        Ok::<_, NtStatus>((vad.view().ok_or(NtStatus::NOT_MAPPED_VIEW)?, vad.last))
    })?;
    let last = if region.size == 0 { end } else { region.last_page() };
    if last > end {
        return Err(NtStatus::NOT_MAPPED_VIEW.into());
    }
    if !cx.kernel.mm.segments.is_data(view.segment) {
        return Err(NtStatus::NOT_MAPPED_DATA.into());
    }
    let file = cx.kernel.mm.segments.file(view.segment).ok_or(NtStatus::NOT_MAPPED_DATA)?;
    cx.write_back(view.segment, file)?;
    region.write_back(cx, first, last)?;
    cx.store_iosb(iosb, IoStatusBlock::default())?;
    Ok(NtStatus::SUCCESS)
}

/// Pages that are read from a file at a time.
const STEP: u64 = 16;

impl Cx<'_> {
    /// Reads pages of a file's data into its segment, as far as they are not there.
    ///
    /// `STATUS_NO_MEMORY`, the file's statuses.
    pub(super) fn read_in(&mut self, segment: SegmentId, first: u64, pages: u64) -> NtResult<()> {
        let Some(file) = self.kernel.mm.segments.file(segment) else { return Ok(()) };
        let mut bytes = vec![0; (STEP * PAGE_SIZE) as usize];
        let mut at = first;
        while at < first + pages {
            let end = (at + STEP).min(first + pages);
            if (at..end).all(|page| self.kernel.mm.segments.frame(segment, page).is_some()) {
                at = end;
                continue;
            }
            let want = ((end - at) * PAGE_SIZE) as usize;
            let got = self.read_stored(file, at * PAGE_SIZE, bytes.get_mut(..want).unwrap_or(&mut []))?;
            for (page, piece) in (at..end).zip(bytes.chunks(PAGE_SIZE as usize)) {
                if self.kernel.mm.segments.frame(segment, page).is_some() {
                    continue;
                }
                let frame = self.kernel.mm.segment_frame(self.ram, segment, page).ok_or(NtStatus::NO_MEMORY)?;
                let there = got.saturating_sub(((page - at) * PAGE_SIZE) as usize);
                let piece = piece.get(..there.min(piece.len())).unwrap_or(&[]);
                self.ram.write(frame, 0, piece);
            }
            at = end;
        }
        Ok(())
    }
}
