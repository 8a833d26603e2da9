//! Address spaces: regions (VADs) above, pages below.

use std::collections::{BTreeMap, BTreeSet};

use guest::mem::{PAGE_SIZE, Width};
use guest::{Arch, Profile};

use super::pages::{PageTable, Pte};
use super::protect::Protect;
use super::segment::SegmentId;

/// Bytes between possible region starts.
pub const GRANULARITY: u64 = 0x1_0000;

/// What a region is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VadKind {
    /// `MEM_PRIVATE`.
    Private,
    /// `MEM_IMAGE` that the kernel has put there itself, with the image's path (`C:\\...`).
    Image(String),
    /// `MEM_MAPPED`: a view of a section; `MEM_IMAGE` where that is over an image.
    View(View),
}

/// What a view shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The section's pages.
    pub segment: SegmentId,
    /// The first of them.
    pub first: u64,
}

/// A virtual address descriptor: one reserved region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vad {
    /// The first page number.
    pub first: u64,
    /// The last page number.
    pub last: u64,
    /// Where the allocation this region is part of started, in pages.
    pub base: u64,
    /// What it is.
    pub kind: VadKind,
    /// `AllocationProtect`.
    pub protect: Protect,
}

impl Vad {
    /// What it shows, where it is a view.
    pub fn view(&self) -> Option<View> {
        if let VadKind::View(view) = self.kind { Some(view) } else { None }
    }
}

/// The bounds of user space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The lowest address that can be reserved.
    pub lowest: u64,
    /// `MmHighestUserAddress`, the last byte.
    pub highest: u64,
    /// Where searches from below start.
    pub search_from: u64,
}

impl Limits {
    /// User space of a profile's kernel.
    pub fn new(profile: &Profile) -> Self {
        let search_from = match profile.arch {
            Arch::X86 => 0x1_0000,
            Arch::X64 => 0x200_0000_0000,
        };
        Self { lowest: 0x1_0000, highest: profile.highest_user_address, search_from }
    }
}

/// The memory of one process.
#[derive(Clone, Debug)]
pub struct AddressSpace {
    /// Its bounds.
    pub limits: Limits,
    /// Whether pages without an execute right cannot be executed (DEP): always in 64-bit processes, in others as the
    /// build and the image say.
    pub no_execute: bool,
    vads: BTreeMap<u64, Vad>,
    pub(super) pages: PageTable,
    /// Where the last search ended, so that addresses grow; regions that were freed are found again.
    hint: u64,
    /// Pages that the program has locked.
    pub(super) locked: BTreeSet<u64>,
    /// The bases of regions that were reserved with `MEM_WRITE_WATCH`.
    pub(super) watched: BTreeSet<u64>,
    /// The threads' stacks, whose guard pages move, by their ends.
    pub stacks: BTreeMap<u64, StackRegion>,
}

/// A thread's stack, for growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackRegion {
    /// `DeallocationStack`.
    pub reserved: u64,
    /// The end of the stack, one past its highest byte.
    pub end: u64,
    /// Where the current `StackLimit` is kept: the address in the TEB.
    pub limit_field: u64,
    /// How wide that field is.
    pub width: Width,
}

impl StackRegion {
    /// Where the TEB keeps `NT_TIB.StackBase` and `TEB.DeallocationStack`, at the offsets that every Windows has.
    pub(super) const fn claim_fields(&self) -> [u64; 2] {
        match self.width {
            Width::W32 => [self.limit_field - 0x4, self.limit_field + (0xe0c - 0x8)],
            Width::W64 => [self.limit_field - 0x8, self.limit_field + (0x1478 - 0x10)],
        }
    }
}

impl AddressSpace {
    /// An empty space.
    pub fn new(limits: Limits) -> Self {
        let hint = limits.search_from / PAGE_SIZE;
        Self {
            limits,
            no_execute: true,
            vads: BTreeMap::new(),
            pages: PageTable::default(),
            hint,
            locked: BTreeSet::new(),
            watched: BTreeSet::new(),
            stacks: BTreeMap::new(),
        }
    }

    /// The stack an address lies in.
    pub fn stack(&self, va: u64) -> Option<StackRegion> {
        let (_, stack) = self.stacks.range(va.checked_add(1)?..).next()?;
        (stack.reserved <= va).then_some(*stack)
    }

    /// The region a page lies in.
    pub fn vad(&self, vpn: u64) -> Option<&Vad> {
        self.vads.range(..=vpn).next_back().map(|(_, v)| v).filter(|v| vpn <= v.last)
    }

    /// The first region at or after a page.
    pub fn next_vad(&self, vpn: u64) -> Option<&Vad> {
        self.vads.range(vpn..).next().map(|(_, v)| v)
    }

    /// Whether stores to a page are watched.
    #[inline]
    pub(super) fn is_watched(&self, vpn: u64) -> bool {
        !self.watched.is_empty() && self.vad(vpn).is_some_and(|v| self.watched.contains(&v.base))
    }

    /// Every region, by address.
    pub fn vads(&self) -> impl Iterator<Item = &Vad> {
        self.vads.values()
    }

    /// Every page that has a frame, in order: its number, and what is behind it.
    pub fn resident(&self) -> impl Iterator<Item = (u64, Pte)> + '_ {
        self.pages.resident()
    }

    /// Whether no region touches the pages `first..=last`.
    pub fn is_free(&self, first: u64, last: u64) -> bool {
        self.vads.range(..=last).next_back().is_none_or(|(_, v)| v.last < first)
    }

    /// Enters a region; the caller has checked that it is free.
    pub fn insert(&mut self, vad: Vad) {
        self.vads.insert(vad.first, vad);
    }

    /// Takes the pages `first..=last` out of the region they lie in, which may split it.
    pub fn carve(&mut self, first: u64, last: u64) {
        let Some(vad) = self.vad(first).cloned() else { return };
        self.vads.remove(&vad.first);
        if vad.first < first {
            self.insert(Vad { last: first - 1, ..vad.clone() });
        }
        if last < vad.last {
            self.insert(Vad { first: last + 1, ..vad });
        }
        self.hint = self.hint.min(first);
    }

    /// A free range of `pages` pages at the allocation granularity: the lowest one at or above
    /// the search start, or the highest one. No byte of it lies above `highest`; a limit below where searches start
    /// makes them start at the lowest address.
    pub fn find(&self, pages: u64, from_top: bool, highest: u64) -> Option<u64> {
        let step = GRANULARITY / PAGE_SIZE;
        let end = (self.limits.highest.min(highest) + 1) / PAGE_SIZE;
        let (start, lowest) = if highest < self.limits.search_from {
            (self.limits.lowest / PAGE_SIZE, self.limits.lowest)
        } else {
            (self.hint, self.limits.search_from)
        };
        if from_top {
            let mut at = end.checked_sub(pages)? / step * step;
            while let Some((_, v)) = self.vads.range(..at + pages).next_back().filter(|(_, v)| v.last >= at) {
                at = v.first.checked_sub(pages)? / step * step;
            }
            return (at >= lowest / PAGE_SIZE).then_some(at);
        }
        let mut at = start.div_ceil(step) * step;
        while let Some((_, v)) = self.vads.range(..at.checked_add(pages)?).next_back().filter(|(_, v)| v.last >= at) {
            at = (v.last + 1).div_ceil(step) * step;
        }
        if at.checked_add(pages)? > end {
            return None;
        }
        Some(at)
    }
}
