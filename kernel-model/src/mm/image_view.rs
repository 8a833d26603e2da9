//! Views of images, and what is told of a region that shows a file.

use guest::NtStatus;
use guest::mem::{PAGE_SIZE, Width};

use super::memory::Memory;
use super::pages::Pte;
use super::protect::Protect;
use super::space::{Vad, VadKind};
use super::view::Wanted;

/// `AllocationProtect` of images.
const ANY: Protect = Protect::EXECUTE_WRITECOPY;

/// Maps an image: where it is asked for, else at its base, else where there is room. Whoever asks for it relocates it
/// where it is not at its base. `runs`: the width of the code that the process runs, if it does not run both.
///
/// `STATUS_IMAGE_NOT_AT_BASE` and `STATUS_IMAGE_MACHINE_TYPE_MISMATCH` (successes), `STATUS_CONFLICTING_ADDRESSES`,
/// `STATUS_NO_MEMORY`.
pub(super) fn map(memory: &mut Memory, wanted: &Wanted, runs: Option<Width>) -> Result<(u64, NtStatus), NtStatus> {
    let &Wanted { base, highest, pages, view, top_down, .. } = wanted;
    let image = memory.segments.image(view.segment).cloned().ok_or(NtStatus::SECTION_NOT_IMAGE)?;
    let space = &mut memory.space;
    let own = image.pe.base / PAGE_SIZE + view.first;
    let limit = highest.min(space.limits.highest) / PAGE_SIZE;
    let fits =
        |first: u64| first.checked_add(pages - 1).is_some_and(|last| last <= limit && space.is_free(first, last));
    let first = match base {
        0 if own * PAGE_SIZE >= space.limits.lowest && fits(own) => own,
        0 => space.find(pages, top_down, highest).ok_or(NtStatus::NO_MEMORY)?,
        base if base < space.limits.lowest => return Err(NtStatus::INVALID_PARAMETER_3),
        base => base / PAGE_SIZE,
    };
    let last = first + pages - 1;
    if !space.is_free(first, last) {
        return Err(NtStatus::CONFLICTING_ADDRESSES);
    }
    space.insert(Vad { first, last, base: first, kind: VadKind::View(view), protect: ANY });
    for (at, len, protect) in image.runs() {
        for page in at.max(view.first)..at + len {
            let vpn = first + (page - view.first);
            if vpn <= last {
                space.pages.set(vpn, Pte::prototype(protect));
            }
        }
    }
    memory.reference_segment(view.segment);
    memory.segments.note_image(first, &image);
    let status = match (runs.is_none_or(|width| image.pe.arch.width() == width), first == own) {
        (false, _) => NtStatus::IMAGE_MACHINE_TYPE_MISMATCH,
        (true, false) => NtStatus::IMAGE_NOT_AT_BASE,
        (true, true) => NtStatus::SUCCESS,
    };
    Ok((first, status))
}

/// The volume that programs know as C:.
const C_DRIVE: &str = "\\Device\\HarddiskVolume1\\";

impl Memory {
    /// Whether a region is an image's.
    pub(super) fn is_image(&self, vad: &Vad) -> bool {
        match vad.kind {
            VadKind::Image(_) => true,
            VadKind::View(view) => self.segments.image(view.segment).is_some(),
            VadKind::Private => false,
        }
    }

    /// What an image has in a page of a view that nobody has touched yet.
    pub(super) fn image_page(&self, vpn: u64, pte: Pte) -> Option<&[u8]> {
        let vad = self.space.vad(vpn).filter(|_| pte.is_shared())?;
        let view = vad.view()?;
        self.segments.image(view.segment)?.page(view.first + (vpn - vad.first))
    }

    /// The path of the image that a region shows.
    pub(super) fn image_path(&self, vad: &Vad) -> Option<String> {
        match &vad.kind {
            VadKind::Image(path) => Some(path.strip_prefix("C:\\").map_or(path.clone(), |p| format!("{C_DRIVE}{p}"))),
            VadKind::View(view) => self.segments.image(view.segment).map(|image| image.path.clone()),
            VadKind::Private => None,
        }
    }

    /// The path of the image that is at an address.
    pub(crate) fn image_path_at(&self, va: u64) -> Option<String> {
        self.image_path(self.space.vad(va / PAGE_SIZE)?)
    }

    /// The last page of the allocation that a region is part of.
    pub(super) fn allocation_end(&self, base: u64) -> u64 {
        self.space.vads().filter(|v| v.base == base).map(|v| v.last).max().unwrap_or(base)
    }
}
