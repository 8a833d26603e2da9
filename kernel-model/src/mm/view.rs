//! Views of sections: `NtMapViewOfSection`, `NtUnmapViewOfSection`, `NtUnmapViewOfSectionEx`.

use guest::access::process as access;
use guest::mem::{PAGE_SIZE, Word};
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::allocate::highest_with;
use super::memory::Memory;
use super::pages::Pte;
use super::protect::Protect;
use super::section::Section;
use super::space::{GRANULARITY, Vad, VadKind, View};
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(
        NtMapViewOfSection => nt_map_view_of_section,
        Support::Partial("no AllocationType but MEM_TOP_DOWN")
    ),
    service!(
        NtMapViewOfSectionEx => nt_map_view_of_section_ex,
        Support::Partial("no AllocationType but MEM_TOP_DOWN; no extended parameters")
    ),
    service!(NtUnmapViewOfSection => nt_unmap_view_of_section, Support::Full),
    service!(
        NtUnmapViewOfSectionEx => nt_unmap_view_of_section_ex,
        Support::Partial("no flags")
    ),
];

const MAP_WRITE: AccessMask = AccessMask(2);
const MAP_READ: AccessMask = AccessMask(4);
const MAP_EXECUTE: AccessMask = AccessMask(8);
const MEM_TOP_DOWN: u32 = 0x10_0000;
/// `ViewShare` and `ViewUnmap`.
const INHERIT: [u32; 2] = [1, 2];

/// The right to a section that a view's protection needs.
fn needed(protect: Protect) -> AccessMask {
    use guest::mem::Access;
    let shared_write = protect.allows(Access::Write) && !protect.is_write_copy();
    let read = if shared_write { MAP_WRITE } else { MAP_READ };
    if protect.allows(Access::Execute) { AccessMask(read.0 | MAP_EXECUTE.0) } else { read }
}

/// Where the base, the offset and the size of a view are.
struct Place {
    base: UserPtr<Word>,
    offset: Option<UserPtr<i64>>,
    size: UserPtr<Word>,
}

/// `NtMapViewOfSection`: shows part of a section in the address space. Base, offset and size are rounded, and returned.
///
/// `STATUS_INVALID_PARAMETER_3` (the base), `STATUS_INVALID_PARAMETER_4` (zero bits), `STATUS_INVALID_PARAMETER_8`
/// (inheritance), `STATUS_INVALID_PARAMETER_9` (the type), `STATUS_INVALID_PAGE_PROTECTION`, `STATUS_MAPPED_ALIGNMENT`,
/// `STATUS_INVALID_VIEW_SIZE`, `STATUS_SECTION_PROTECTION`, `STATUS_CONFLICTING_ADDRESSES`, `STATUS_NO_MEMORY`; of an image
/// that is mapped all the same `STATUS_IMAGE_NOT_AT_BASE` and `STATUS_IMAGE_MACHINE_TYPE_MISMATCH`.
#[expect(clippy::too_many_arguments, reason = "NtMapViewOfSection has ten")]
fn nt_map_view_of_section(
    cx: &mut Cx<'_>, section: Handle, process: Handle, base_address: UserPtr<Word>, zero_bits: u64, _commit_size: u64,
    section_offset: Option<UserPtr<i64>>, view_size: UserPtr<Word>, inherit: u32, allocation_type: u32,
    page_protection: u32,
) -> NtResult {
    if !INHERIT.contains(&inherit) {
        return Err(NtStatus::INVALID_PARAMETER_8.into());
    }
    if zero_bits > 21 && zero_bits < 32 {
        return Err(NtStatus::INVALID_PARAMETER_4.into());
    }
    if allocation_type & !MEM_TOP_DOWN != 0 {
        return Err(Unwind::unsupported(format!("AllocationType {allocation_type:#x}")));
    }
    let protect = Protect::for_build(page_protection, cx.kernel.profile.version.2)?;
    let place = Place { base: base_address, offset: section_offset, size: view_size };
    let mut mem = cx.mem();
    let base = mem.load(place.base)?.0;
    mem.probe(place.base)?;
    let size = mem.load(place.size)?.0;
    mem.probe(place.size)?;
    let offset = place.offset.map(|pointer| mem.load(pointer)).transpose()?.unwrap_or(0);
    if let Some(pointer) = place.offset {
        mem.probe(pointer)?;
    }
    let highest = cx.kernel.mm.space.limits.highest;
    if base > highest {
        return Err(NtStatus::INVALID_PARAMETER_3.into());
    }
    if size > highest + 1 - base {
        return Err(NtStatus::INVALID_PARAMETER_3.into());
    }
    if base % GRANULARITY != 0 || offset % GRANULARITY as i64 != 0 {
        return Err(NtStatus::MAPPED_ALIGNMENT.into());
    }
    let target = cx.process_with_memory(process, access::VM_OPERATION)?;
    let section = *cx.reference::<Section>(section, needed(protect))?;
    let is_image = cx.kernel.mm.segments.image(section.segment).is_some();
    if !is_image && !section.protect.includes(protect) {
        return Err(NtStatus::SECTION_PROTECTION.into());
    }
    let offset = u64::try_from(offset).map_err(|_| NtStatus::INVALID_VIEW_SIZE)?;
    let whole = section.size.next_multiple_of(PAGE_SIZE);
    let rest = whole.checked_sub(offset).filter(|&rest| rest > 0).ok_or(NtStatus::INVALID_VIEW_SIZE)?;
    let size = if size == 0 { rest } else { size.next_multiple_of(PAGE_SIZE) };
    if size > rest {
        return Err(NtStatus::INVALID_VIEW_SIZE.into());
    }
    let view = View { segment: section.segment, first: offset / PAGE_SIZE };
    let top_down = allocation_type & MEM_TOP_DOWN != 0;
    let highest = highest_with(zero_bits, cx.kernel.width()).min(cx.kernel.ps.process.highest);
    let pages = size / PAGE_SIZE;
    let wanted = Wanted { base, highest, pages, view, protect, top_down };
    // A WOW64 process runs both.
    let runs = cx.kernel.ps.get(target).filter(|process| process.wow64_peb.is_none()).map(|process| process.width);
    let (first, status) = if is_image {
        cx.attached(target, |cx| super::image_view::map(&mut cx.kernel.mm, &wanted, runs))?
    } else {
        if cx.kernel.mm.segments.is_data(view.segment) {
            cx.read_in(view.segment, view.first, pages)?;
        }
        (cx.attached(target, |cx| map(&mut cx.kernel.mm, &wanted))?, NtStatus::SUCCESS)
    };
    let mut mem = cx.mem();
    mem.store(place.base, &Word(first * PAGE_SIZE))?;
    mem.store(place.size, &Word(size))?;
    if let Some(pointer) = place.offset {
        mem.store(pointer, &(offset as i64))?;
    }
    Ok(status)
}

/// A view that is asked for, checked.
pub(super) struct Wanted {
    /// Where; 0: where there is room.
    pub base: u64,
    /// No byte of it lies above, if it has no place.
    pub highest: u64,
    pub pages: u64,
    pub view: View,
    pub protect: Protect,
    pub top_down: bool,
}

/// Enters a view of this many pages at an address, or where there is room below the highest; its first page is told.
pub(super) fn map(memory: &mut Memory, wanted: &Wanted) -> Result<u64, NtStatus> {
    let &Wanted { base, highest, pages, view, protect, top_down } = wanted;
    let space = &mut memory.space;
    let first = match base {
        0 => space.find(pages, top_down, highest).ok_or(NtStatus::NO_MEMORY)?,
        base if base < space.limits.lowest => return Err(NtStatus::INVALID_PARAMETER_3),
        base => base / PAGE_SIZE,
    };
    let last = first + pages - 1;
    if !space.is_free(first, last) {
        return Err(NtStatus::CONFLICTING_ADDRESSES);
    }
    space.insert(Vad { first, last, base: first, kind: VadKind::View(view), protect });
    if memory.segments.is_reserved(view.segment) {
        for vpn in first..=last {
            if memory.segments.is_committed(view.segment, view.first + (vpn - first)) {
                memory.space.pages.set(vpn, Pte::prototype(protect));
            }
        }
    } else {
        memory.space.pages.fill(first, last, Pte::prototype(protect));
    }
    memory.reference_segment(view.segment);
    if protect.allows(guest::mem::Access::Write) && !protect.is_write_copy() {
        memory.note_writable(view.segment);
    }
    Ok(first)
}

/// `NtMapViewOfSectionEx`: the same without a limit on the address, and with extended parameters.
///
/// As `NtMapViewOfSection`.
#[expect(clippy::too_many_arguments, reason = "NtMapViewOfSectionEx has nine")]
fn nt_map_view_of_section_ex(
    cx: &mut Cx<'_>, section: Handle, process: Handle, base_address: UserPtr<Word>,
    section_offset: Option<UserPtr<i64>>, view_size: UserPtr<Word>, allocation_type: u32, page_protection: u32,
    _parameters: u64, parameter_count: u32,
) -> NtResult {
    if parameter_count != 0 {
        return Err(Unwind::unsupported("ExtendedParameters"));
    }
    let [unmap, kind, protect] = [INHERIT[1], allocation_type, page_protection];
    nt_map_view_of_section(cx, section, process, base_address, 0, 0, section_offset, view_size, unmap, kind, protect)
}

impl Memory {
    /// The same for a view of an image, which the loader's are: all its regions go.
    fn unmap_any(&mut self, vpn: u64) -> Result<(), NtStatus> {
        let Some(VadKind::Image(_)) = self.space.vad(vpn).map(|v| &v.kind) else { return self.unmap(vpn) };
        let base = self.space.vad(vpn).map_or(vpn, |v| v.base);
        while let Some((first, last)) = self.space.next_vad(base).filter(|v| v.base == base).map(|v| (v.first, v.last))
        {
            self.decommit_range(first, last);
            self.space.carve(first, last);
        }
        Ok(())
    }

    /// Takes the view that a page lies in out of the address space. Pages that were copied go; the section's stay.
    ///
    /// `STATUS_NOT_MAPPED_VIEW`.
    pub(super) fn unmap(&mut self, vpn: u64) -> Result<(), NtStatus> {
        let vad = self.space.vad(vpn).ok_or(NtStatus::NOT_MAPPED_VIEW)?;
        let view = vad.view().ok_or(NtStatus::NOT_MAPPED_VIEW)?;
        let (first, last) = (vad.first, vad.last);
        let mut copied = Vec::new();
        let mut seen = false;
        self.space.pages.visit(first, last, |vpn, pte| {
            if pte.is_shared() {
                seen |= pte.frame().is_some();
            } else {
                copied.push(vpn);
            }
        });
        self.invalidate.tlb |= seen;
        copied.into_iter().for_each(|vpn| self.decommit(vpn));
        self.space.pages.clear(first, last);
        self.space.carve(first, last);
        self.view_left(view.segment);
        self.release_segment(view.segment);
        Ok(())
    }
}

/// `NtUnmapViewOfSection`: takes the view at an address, which may lie anywhere in it, away.
///
/// `STATUS_NOT_MAPPED_VIEW`.
fn nt_unmap_view_of_section(cx: &mut Cx<'_>, process: Handle, base_address: u64) -> NtResult {
    nt_unmap_view_of_section_ex(cx, process, base_address, 0)
}

/// `NtUnmapViewOfSectionEx`: the same, with flags.
///
/// `STATUS_INVALID_PARAMETER_3` for unknown flags.
fn nt_unmap_view_of_section_ex(cx: &mut Cx<'_>, process: Handle, base_address: u64, flags: u32) -> NtResult {
    const KNOWN: u32 = 7;
    if flags & !KNOWN != 0 {
        return Err(NtStatus::INVALID_PARAMETER_3.into());
    }
    if flags != 0 {
        return Err(Unwind::unsupported("Flags"));
    }
    let target = cx.process_with_memory(process, access::VM_OPERATION)?;
    if base_address > cx.kernel.mm.space.limits.highest {
        return Err(NtStatus::NOT_MAPPED_VIEW.into());
    }
    let vpn = base_address / PAGE_SIZE;
    cx.attached(target, |cx| cx.kernel.mm.unmap_any(vpn))?;
    Ok(NtStatus::SUCCESS)
}
