//! Frames and address spaces together: translation, commitment, and what the engine must forget.

use std::collections::BTreeMap;

use guest::mem::{Access, PAGE_SIZE, Width};
use guest::{Fault, FaultKind, NtStatus};

use super::pages::{Frame, PageTable, Pte};
use super::protect::Protect;
use super::segment::Segments;
use super::space::{AddressSpace, Limits, StackRegion};

/// Guest physical memory, which somebody else owns. Bytes are copied in and out: the engine writes the same
/// memory, so no reference into it can be handed out. What lies past a frame's end is left alone.
pub trait Phys {
    /// Copies bytes out of a frame, from an offset.
    fn read(&self, frame: Frame, offset: usize, buf: &mut [u8]);
    /// Copies bytes into a frame, at an offset.
    fn write(&mut self, frame: Frame, offset: usize, bytes: &[u8]);
    /// Makes a frame all zero.
    fn zero(&mut self, frame: Frame);
}

/// What the engine must forget before it runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Invalidate {
    /// Translations: a page lost rights or moved.
    pub tlb: bool,
    /// Translated code: bytes that had been executed were changed, or their frame was reused.
    pub code: bool,
}

/// The frames of guest physical memory.
#[derive(Clone, Debug)]
pub struct Frames {
    next: u32,
    limit: u32,
    free: Vec<Frame>,
    /// Frames that code may have been fetched from, one bit each.
    code: Vec<u64>,
}

impl Frames {
    fn new(count: u32) -> Self {
        Self { next: 1, limit: count, free: Vec::new(), code: Vec::new() }
    }

    pub(super) fn give_back(&mut self, frame: Frame) {
        self.free.push(frame);
    }

    pub(super) fn take(&mut self, ram: &mut dyn Phys) -> Option<Frame> {
        if let Some(frame) = self.free.pop() {
            ram.zero(frame);
            return Some(frame);
        }
        // A frame that was never used is zero already.
        (self.next < self.limit).then(|| {
            self.next += 1;
            Frame(self.next - 1)
        })
    }

    pub(super) fn is_code(&self, frame: Frame) -> bool {
        self.code.get(frame.0 as usize / 64).is_some_and(|w| w >> (frame.0 % 64) & 1 != 0)
    }

    fn mark_code(&mut self, frame: Frame) {
        let word = frame.0 as usize / 64;
        if self.code.len() <= word {
            self.code.resize(word + 1, 0);
        }
        self.code[word] |= 1 << (frame.0 % 64);
    }
}

/// A page as the engine is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The frame.
    pub frame: Frame,
    /// Loads are allowed.
    pub read: bool,
    /// Stores are allowed.
    pub write: bool,
    /// Fetches are allowed.
    pub execute: bool,
}

/// All memory of a machine.
#[derive(Clone, Debug)]
pub struct Memory {
    pub(super) frames: Frames,
    /// The address space of the process that runs, or that the kernel is attached to.
    pub space: AddressSpace,
    /// Those of the others, by the ids of the processes.
    pub(super) spaces: BTreeMap<u32, AddressSpace>,
    /// The pages of kernel space.
    pub(super) system: PageTable,
    pub(super) committed: u64,
    pub(super) invalidate: Invalidate,
    /// What sections are made of.
    pub segments: Segments,
    /// The page that every process can read: KUSER_SHARED_DATA.
    user_shared: Option<Frame>,
}

/// Pages of a stack beside the guard page that a stack overflow leaves to its handler
/// (`SetThreadStackGuarantee` on Microsoft Learn gives the least that there is).
const fn overflow_pages(width: Width) -> u64 {
    match width {
        Width::W32 => 0,
        Width::W64 => 2,
    }
}

impl Memory {
    /// Memory with `frames` frames, the first of which is kept out of use.
    pub fn new(frames: u32, limits: Limits) -> Self {
        Self {
            frames: Frames::new(frames),
            space: AddressSpace::new(limits),
            spaces: BTreeMap::new(),
            system: PageTable::default(),
            committed: 0,
            invalidate: Invalidate::default(),
            segments: Segments::default(),
            user_shared: None,
        }
    }

    /// What the engine must forget; asking clears it.
    #[inline]
    pub fn take_invalidate(&mut self) -> Invalidate {
        if self.invalidate.code {
            self.frames.code.clear();
        }
        std::mem::take(&mut self.invalidate)
    }

    /// Whether [`Memory::take_invalidate`] has something to tell.
    #[inline]
    pub fn must_invalidate(&self) -> bool {
        self.invalidate.tlb || self.invalidate.code
    }

    /// The engine asks for a page. Guard pages end with their first use, copy-on-write ones with their
    /// first store.
    pub fn translate(&mut self, ram: &mut dyn Phys, va: u64, access: Access) -> Result<Translation, Fault> {
        let pte = self.resolve(ram, va, access)?;
        let (Some(frame), Some(protect)) = (pte.frame(), pte.protect()) else {
            return Err(Fault { va, access, kind: FaultKind::NotMapped });
        };
        // The engine keeps the whole answer: it will not ask again before it fetches. Without DEP a page is executable
        // once it is executed, and stays so, because stores into code need the engine's slow way.
        let by_reading = !self.space.no_execute && protect.allows(Access::Read);
        let fetched = access == Access::Execute || self.frames.is_code(frame);
        let execute = protect.allows(Access::Execute) || by_reading && fetched;
        if execute {
            self.frames.mark_code(frame);
        }
        Ok(Translation {
            frame,
            read: protect.allows(Access::Read),
            write: protect.allows(Access::Write) && !protect.is_write_copy() && !pte.is_clean(),
            execute,
        })
    }

    /// The entry of a page that an access may use, with a frame behind it.
    pub(super) fn resolve(&mut self, ram: &mut dyn Phys, va: u64, access: Access) -> Result<Pte, Fault> {
        let fault = |kind| Fault { va, access, kind };
        if va > self.space.limits.highest {
            return Err(fault(FaultKind::KernelRange));
        }
        let vpn = va / PAGE_SIZE;
        let mut pte = self.space.pages.get(vpn);
        let protect = pte.protect().ok_or(fault(FaultKind::NotMapped))?;
        if protect.is_guard() {
            pte = pte.with_protect(protect.without_guard());
            self.space.pages.set(vpn, pte);
            if let Err(kind) = self.grow_stack(ram, va) {
                return Err(fault(kind));
            }
        }
        let protect = protect.without_guard();
        let by_reading = access == Access::Execute && !self.space.no_execute && protect.allows(Access::Read);
        if !protect.allows(access) && !by_reading {
            return Err(fault(FaultKind::Protection));
        }
        if access == Access::Write && protect.is_write_copy() {
            if pte.is_shared() {
                pte = self.copy_page(ram, vpn, pte).ok_or(fault(FaultKind::NoMemory))?;
            }
            pte = pte.with_protect(protect.after_copy());
            self.space.pages.set(vpn, pte);
        }
        if access == Access::Write && pte.is_clean() {
            pte = pte.written();
            self.space.pages.set(vpn, pte);
        }
        if pte.frame().is_none() {
            pte = self.fill(ram, vpn, pte).ok_or(fault(FaultKind::NoMemory))?;
        }
        Ok(pte)
    }

    /// Gives a committed page a frame: an empty one, or its section's.
    fn fill(&mut self, ram: &mut dyn Phys, vpn: u64, pte: Pte) -> Option<Pte> {
        let frame = match self.space.vad(vpn).map(|v| (v.view(), v.first)) {
            Some((Some(view), first)) if pte.is_shared() => {
                self.segment_frame(ram, view.segment, view.first + (vpn - first))?
            }
            _ => self.frames.take(ram)?,
        };
        let pte = pte.with_frame(frame);
        self.pages_at_mut(vpn.wrapping_mul(PAGE_SIZE)).set(vpn, pte);
        Some(pte)
    }

    /// Copy-on-write of a shared page: a frame of the process's own, which is charged.
    fn copy_page(&mut self, ram: &mut dyn Phys, vpn: u64, pte: Pte) -> Option<Pte> {
        let shared = self.fill(ram, vpn, pte)?.frame()?;
        if !self.can_commit(1) {
            return None;
        }
        let frame = self.frames.take(ram)?;
        self.charge(1).ok()?;
        let mut bytes = [0; PAGE_SIZE as usize];
        ram.read(shared, 0, &mut bytes);
        ram.write(frame, 0, &bytes);
        self.invalidate.tlb = true;
        Some(pte.copied_to(frame))
    }

    /// The frame behind a page, where there is one yet.
    fn frame_behind(&self, vpn: u64, pte: Pte) -> Option<Frame> {
        if !pte.is_shared() || pte.frame().is_some() {
            return pte.frame();
        }
        let vad = self.space.vad(vpn)?;
        let view = vad.view()?;
        self.segments.frame(view.segment, view.first + (vpn - vad.first))
    }

    /// `MiCheckForUserStackOverflow`: a guard page was touched. A stack's becomes stack, and the page below it the guard;
    /// `STATUS_STACK_OVERFLOW` when that was the last one. Any other guard page is just that.
    fn grow_stack(&mut self, ram: &mut dyn Phys, va: u64) -> Result<(), FaultKind> {
        let page = va & !(PAGE_SIZE - 1);
        let stack = self.space.stack(va).or_else(|| self.claimed_stack(ram, va)).ok_or(FaultKind::Guard)?;
        // The lowest page stays out of reach, so that an overflow cannot run into what lies below; what is above it is
        // for whoever handles the overflow.
        let kept = overflow_pages(stack.width);
        let room = page > stack.reserved + (1 + kept) * PAGE_SIZE;
        let mut limit = page;
        if room {
            let guard = Protect::READWRITE.with_guard();
            self.commit((page - PAGE_SIZE) / PAGE_SIZE, guard).map_err(|_| FaultKind::StackEnd)?;
        } else {
            while limit > stack.reserved + PAGE_SIZE && self.commit(limit / PAGE_SIZE - 1, Protect::READWRITE).is_ok() {
                limit -= PAGE_SIZE;
            }
        }
        let width = stack.width.bytes();
        self.poke(ram, stack.limit_field, limit.to_le_bytes().get(..width).unwrap_or(&[]));
        if room { Ok(()) } else { Err(FaultKind::StackEnd) }
    }

    /// The stack that a thread's TEB says it has, where that is not the one that it was made with: a fiber's.
    fn claimed_stack(&self, ram: &dyn Phys, va: u64) -> Option<StackRegion> {
        let claimed = |own: &StackRegion| {
            let [base, reserved] = own.claim_fields().map(|field| {
                let mut word = [0; 8];
                self.peek(ram, field, word.get_mut(..own.width.bytes())?).map(|()| u64::from_le_bytes(word))
            });
            let (end, reserved) = (base?, reserved?);
            (reserved <= va && va < end).then_some(StackRegion { reserved, end, ..*own })
        };
        self.space.stacks.values().find_map(claimed)
    }

    /// Commits one page, or changes the protection of one that is committed.
    ///
    /// `STATUS_COMMITMENT_LIMIT` when there is no memory left.
    pub fn commit(&mut self, vpn: u64, protect: Protect) -> Result<(), NtStatus> {
        let pte = self.space.pages.get(vpn);
        if pte.protect().is_some() {
            self.protect_page(vpn, protect);
            return Ok(());
        }
        self.charge(1)?;
        let pte = Pte::demand_zero(protect);
        let watched = self.space.is_watched(vpn);
        self.space.pages.set(vpn, if watched { pte.watched() } else { pte });
        Ok(())
    }

    /// Whether `pages` more pages can be committed.
    pub fn can_commit(&self, pages: u64) -> bool {
        self.committed + pages < u64::from(self.frames.limit)
    }

    pub(super) fn charge(&mut self, pages: u64) -> Result<(), NtStatus> {
        if !self.can_commit(pages) {
            return Err(NtStatus::COMMITMENT_LIMIT);
        }
        self.committed += pages;
        Ok(())
    }

    /// Changes a committed page's protection.
    pub fn protect_page(&mut self, vpn: u64, protect: Protect) {
        let pte = self.space.pages.get(vpn);
        let Some(old) = pte.protect().filter(|&old| old != protect) else { return };
        self.space.pages.set(vpn, pte.with_protect(protect));
        let Some(frame) = pte.frame() else { return };
        self.invalidate.tlb = true;
        // While a page cannot be executed the engine lets stores through without looking for code there.
        let gains_execute = protect.allows(Access::Execute) && !old.allows(Access::Execute);
        self.invalidate.code |= gains_execute && self.frames.is_code(frame);
    }

    /// Decommits one page: its contents are lost.
    pub fn decommit(&mut self, vpn: u64) {
        let pte = self.space.pages.get(vpn);
        if pte.protect().is_none() {
            return;
        }
        self.space.pages.set(vpn, Pte::default());
        if !self.space.locked.is_empty() {
            self.space.locked.remove(&vpn);
        }
        if let Some(frame) = pte.owned_frame() {
            self.invalidate.tlb = true;
            self.invalidate.code |= self.frames.is_code(frame);
            self.frames.free.push(frame);
        }
        self.committed = self.committed.saturating_sub(1);
    }

    /// Decommits the pages `first..=last`, of which most may not be committed.
    pub fn decommit_range(&mut self, first: u64, last: u64) {
        let mut vpn = Some(first);
        while let Some(at) = vpn.filter(|&p| p <= last) {
            self.decommit(at);
            vpn = self.space.pages.next_present(at + 1);
        }
        self.space.pages.forget_empty(first, last);
    }

    /// Maps the frame that all processes share, and whoever is first fills: KUSER_SHARED_DATA.
    pub fn map_shared(&mut self, ram: &mut dyn Phys, vpn: u64, protect: Protect) -> Result<Frame, NtStatus> {
        self.charge(1)?;
        let frame = match self.user_shared {
            Some(frame) => frame,
            None => self.frames.take(ram).ok_or(NtStatus::NO_MEMORY)?,
        };
        self.user_shared = Some(frame);
        self.space.pages.set(vpn, Pte::shared(frame, protect));
        Ok(frame)
    }

    /// A frame for kernel space, charged.
    pub(super) fn take_frame(&mut self, ram: &mut dyn Phys) -> Result<Frame, NtStatus> {
        self.charge(1)?;
        self.frames.take(ram).ok_or(NtStatus::NO_MEMORY)
    }

    pub(super) fn note_code(&mut self, frame: Frame) {
        self.frames.mark_code(frame);
    }

    pub(super) fn forget_translations(&mut self) {
        self.invalidate.tlb = true;
    }

    /// The kernel writes committed memory, whatever its protection. What is not committed is left out;
    /// how many bytes were written is answered.
    pub fn poke(&mut self, ram: &mut dyn Phys, va: u64, bytes: &[u8]) -> usize {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|r| !r.is_empty()) {
            let at = va.wrapping_add(done as u64);
            let vpn = at / PAGE_SIZE;
            let mut pte = self.pages_at(at).get(vpn);
            if pte.protect().is_none() {
                break;
            }
            if pte.frame().is_none() {
                let Some(filled) = self.fill(ram, vpn, pte) else { break };
                pte = filled;
            }
            done += self.write_page(ram, pte, at, rest);
        }
        done
    }

    /// Writes as much of `bytes` as lies in the page of `va`; how much that was.
    pub(super) fn write_page(&mut self, ram: &mut dyn Phys, pte: Pte, va: u64, bytes: &[u8]) -> usize {
        let offset = (va % PAGE_SIZE) as usize;
        let len = bytes.len().min(PAGE_SIZE as usize - offset);
        if let Some(frame) = pte.frame() {
            self.invalidate.code |= self.frames.is_code(frame);
            ram.write(frame, offset, bytes.get(..len).unwrap_or(bytes));
        }
        len
    }

    /// Reads bytes without any rights, guards or demand: for the trace and the debugger's eye. `None`
    /// where something is not committed; pages without a frame read as zeros.
    pub fn peek(&self, ram: &dyn Phys, va: u64, buf: &mut [u8]) -> Option<()> {
        let mut done = 0;
        while done < buf.len() {
            let at = va.checked_add(done as u64)?;
            let pte = self.pages_at(at).get(at / PAGE_SIZE);
            pte.protect()?;
            let offset = (at % PAGE_SIZE) as usize;
            let len = (buf.len() - done).min(PAGE_SIZE as usize - offset);
            let to = buf.get_mut(done..done + len)?;
            match self.frame_behind(at / PAGE_SIZE, pte) {
                Some(frame) => ram.read(frame, offset, to),
                None => match self.image_page(at / PAGE_SIZE, pte).and_then(|page| page.get(offset..offset + len)) {
                    Some(bytes) => to.copy_from_slice(bytes),
                    None => to.fill(0),
                },
            }
            done += len;
        }
        Some(())
    }

    /// Whether user mode may access `len` bytes (1 at least) at `va`. Nothing is touched, so a guard page stays one;
    /// that of a stack does not refuse, any other does.
    pub fn allows(&self, va: u64, len: u64, access: Access) -> bool {
        let last = va.checked_add(len.saturating_sub(1)).filter(|&last| last <= self.space.limits.highest);
        let may = |vpn: u64| {
            let in_stack = || self.space.stack(vpn * PAGE_SIZE).is_some();
            let protect = self.space.pages.get(vpn).protect();
            protect.is_some_and(|p| p.allows(access) && (!p.is_guard() || in_stack()))
        };
        last.is_some_and(|last| (va / PAGE_SIZE..=last / PAGE_SIZE).all(may))
    }

    /// Whether pages without an execute right cannot be executed from now on.
    pub fn set_no_execute(&mut self, no_execute: bool) {
        self.invalidate.tlb = true;
        self.space.no_execute = no_execute;
    }

    /// Pages committed now.
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// All frames there are.
    pub fn frame_count(&self) -> u32 {
        self.frames.limit
    }
}
