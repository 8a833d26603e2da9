//! Handle tables: values are multiples of 4, the first is 4, the two low bits are ignored.
//!
//! Three levels, as `_HANDLE_TABLE` has them: pages of 256 entries, tables of 512 pages, a table of those. Where an
//! entry is follows from the handle's bits, so that looking one up takes the same steps in a table of any size.

use bitflags::bitflags;
use guest::{AccessMask, Arch, Handle, NtStatus, Profile};

use super::ObjectId;

bitflags! {
    /// What a handle does beside naming an object.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct HandleAttributes: u32 {
        /// `OBJ_PROTECT_CLOSE`: `NtClose` refuses it.
        const PROTECT_CLOSE = 1;
        /// `OBJ_INHERIT`: a child process gets it.
        const INHERIT = 2;
        /// `OBJ_AUDIT_OBJECT_CLOSE`: closing it is audited.
        const AUDIT_OBJECT_CLOSE = 4;
    }
}

/// A live entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The object.
    pub object: ObjectId,
    /// What the handle may be used for.
    pub granted: AccessMask,
    /// Its attributes.
    pub attributes: HandleAttributes,
}

/// One entry: a live one, or a free one that names the next free one.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// In a free slot the object is the index of the next one (0: none).
    entry: Entry,
    /// `RefCnt`: references to the object that the entry holds in store.
    cached: u16,
    used: bool,
}

/// Entries in a page; entry 0 of each is never handed out.
const PAGE: usize = 256;
/// Pages in a table of the middle level.
const MIDDLE: usize = 512;
/// The most pages a process can have: 16,711,680 handles, as Windows documents.
const MAX_PAGES: usize = 65_536;

type Page = Box<[Slot; PAGE]>;

/// One process's handles. Freed values are reused, the last freed first.
#[derive(Clone, Debug, Default)]
pub struct HandleTable {
    top: Vec<Vec<Page>>,
    first_free: u32,
    count: usize,
    cache: RefCache,
}

/// How many references an entry takes into store when it is opened, beside its own: from Windows 8.1 on, using a handle
/// takes one of these instead of touching the object's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RefCache(u16);

impl RefCache {
    /// Of a profile's kernel: opening a handle raises the count by 7FFFh (1Fh on 32-bit kernels) from 8.1 on.
    /// Source: Ionescu, "The Case of the Bloated Reference Count" (2014).
    pub fn of(profile: &Profile) -> Self {
        match (profile.version.2 >= 9600, profile.arch) {
            (false, _) => Self(0),
            (true, Arch::X64) => Self(0x7fff - 1),
            (true, Arch::X86) => Self(0x1f - 1),
        }
    }
}

/// A closed handle: its entry, and how many references it still had in store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The entry.
    pub entry: Entry,
    /// References in store.
    pub cached: u16,
}

impl HandleTable {
    /// An empty table.
    pub fn new(cache: RefCache) -> Self {
        Self { cache, ..Self::default() }
    }

    /// The number of open handles.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many references an entry takes into store when it is opened.
    pub fn initial_cache(&self) -> u16 {
        self.cache.0
    }

    /// The level of the table, as the low bits of `TableCode` tell it: 0, 1 or 2.
    pub fn level(&self) -> u32 {
        match self.pages() {
            0 | 1 => 0,
            2..=MIDDLE => 1,
            _ => 2,
        }
    }

    fn pages(&self) -> usize {
        self.top.last().map_or(0, |last| (self.top.len() - 1) * MIDDLE + last.len())
    }

    /// Bytes of memory that the table takes.
    pub fn bytes(&self) -> usize {
        let middle: usize = self.top.iter().map(|t| t.capacity() * size_of::<Page>()).sum();
        self.pages() * size_of::<[Slot; PAGE]>() + middle + self.top.capacity() * size_of::<Vec<Page>>()
    }

    #[inline]
    fn slot(&self, handle: Handle) -> Option<&Slot> {
        let index = usize::try_from(handle.0 >> 2).ok()?;
        let page = self.top.get(index / (PAGE * MIDDLE))?.get(index / PAGE % MIDDLE)?;
        Some(&page[index % PAGE])
    }

    #[inline]
    fn slot_mut(&mut self, handle: Handle) -> Option<&mut Slot> {
        let index = usize::try_from(handle.0 >> 2).ok()?;
        let page = self.top.get_mut(index / (PAGE * MIDDLE))?.get_mut(index / PAGE % MIDDLE)?;
        Some(&mut page[index % PAGE])
    }

    /// Opens a handle.
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` when there are as many as there can be.
    pub fn insert(&mut self, entry: Entry) -> Result<Handle, NtStatus> {
        if self.first_free == 0 {
            self.grow()?;
        }
        let handle = Handle(u64::from(self.first_free) * 4);
        let cached = self.cache.0;
        let slot = self.slot_mut(handle).ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
        let next = slot.entry.object.0;
        *slot = Slot { entry, cached, used: true };
        self.first_free = next;
        self.count += 1;
        Ok(handle)
    }

    fn grow(&mut self) -> Result<(), NtStatus> {
        let pages = self.pages();
        if pages >= MAX_PAGES {
            return Err(NtStatus::INSUFFICIENT_RESOURCES);
        }
        let start = (pages * PAGE) as u32;
        let free = |next: u32| Slot {
            entry: Entry { object: ObjectId(next), granted: AccessMask(0), attributes: HandleAttributes::empty() },
            cached: 0,
            used: false,
        };
        let mut page = Box::new([free(0); PAGE]);
        for (slot, next) in page.iter_mut().zip(start + 1..).skip(1).take(PAGE - 2) {
            *slot = free(next);
        }
        match self.top.last_mut() {
            Some(last) if last.len() < MIDDLE => last.push(page),
            _ => self.top.push(vec![page]),
        }
        self.first_free = start + 1;
        Ok(())
    }

    /// The entry a handle names.
    #[inline]
    pub fn get(&self, handle: Handle) -> Option<&Entry> {
        self.slot(handle).filter(|s| s.used).map(|s| &s.entry)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, handle: Handle) -> Option<&mut Entry> {
        self.slot_mut(handle).filter(|s| s.used).map(|s| &mut s.entry)
    }

    /// The references that a handle has in store.
    pub fn cached(&self, handle: Handle) -> Option<u16> {
        self.slot(handle).filter(|s| s.used).map(|s| s.cached)
    }

    /// The entry a handle names, which is used: one reference leaves the store, and an empty store is filled again.
    /// How many more references the object's header counts after that use is told.
    #[inline]
    pub fn take_reference(&mut self, handle: Handle) -> Option<(Entry, i64)> {
        let full = self.cache.0;
        let slot = self.slot_mut(handle).filter(|s| s.used)?;
        if full == 0 {
            return Some((slot.entry, 0));
        }
        let change = if slot.cached == 0 { full } else { slot.cached - 1 };
        let delta = i64::from(change) - i64::from(slot.cached);
        slot.cached = change;
        Some((slot.entry, delta))
    }

    /// Closes a handle; what it was.
    pub fn remove(&mut self, handle: Handle) -> Option<Closed> {
        let first_free = self.first_free;
        let slot = self.slot_mut(handle).filter(|s| s.used)?;
        let closed = Closed { entry: slot.entry, cached: slot.cached };
        slot.used = false;
        slot.entry.object = ObjectId(first_free);
        self.first_free = (handle.0 >> 2) as u32;
        self.count -= 1;
        Some(closed)
    }

    /// A table with some of the handles, at their values, as a new process gets them. References in store are taken anew.
    #[must_use]
    pub fn keeping(&self, keep: impl Fn(Handle, &Entry) -> bool) -> Self {
        let mut table = Self { top: self.top.clone(), first_free: 0, count: 0, cache: self.cache };
        let (full, mut free, mut count) = (table.cache.0, 0, 0);
        let pages = table.top.iter_mut().flatten();
        let mut slots: Vec<(u32, &mut Slot)> = (0..).zip(pages.flat_map(|page| page.iter_mut())).collect();
        // From the last on, so that the lowest free value is given out first.
        for (index, slot) in slots.iter_mut().rev() {
            if slot.used && keep(Handle(u64::from(*index) * 4), &slot.entry) {
                slot.cached = full;
                count += 1;
            } else if (*index as usize).is_multiple_of(PAGE) {
                slot.used = false;
            } else {
                let entry =
                    Entry { object: ObjectId(free), granted: AccessMask(0), attributes: HandleAttributes::empty() };
                **slot = Slot { entry, cached: 0, used: false };
                free = *index;
            }
        }
        (table.first_free, table.count) = (free, count);
        table
    }

    /// Every open handle, by value.
    pub fn iter(&self) -> impl Iterator<Item = (Handle, &Entry)> {
        let slots = self.top.iter().flatten().flat_map(|page| page.iter());
        slots.zip(0u64..).filter(|(slot, _)| slot.used).map(|(slot, i)| (Handle(i * 4), &slot.entry))
    }

    /// Checks the table against itself.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut free = 0;
        let mut at = self.first_free;
        while at != 0 {
            let slot = self.slot(Handle(u64::from(at) * 4)).ok_or(format!("free slot {at} is outside"))?;
            if slot.used || (at as usize).is_multiple_of(PAGE) {
                return Err(format!("slot {at} is on the free list"));
            }
            free += 1;
            if free > self.pages() * PAGE {
                return Err("the free list runs in a circle".into());
            }
            at = slot.entry.object.0;
        }
        let used = self.iter().count();
        if used != self.count || used + free != self.pages() * (PAGE - 1) {
            return Err(format!("{used} used and {free} free slots, {} counted", self.count));
        }
        Ok(())
    }
}

/// A handle without the two bits that look-up ignores.
pub const fn key_of(handle: Handle) -> Handle {
    Handle(handle.0 & !3)
}
