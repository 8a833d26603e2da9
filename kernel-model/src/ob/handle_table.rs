//! Handle tables: values are multiples of 4, the first is 4, the two low bits are ignored.

use bitflags::bitflags;
use guest::{AccessMask, Handle, NtStatus};

use super::ObjectId;

bitflags! {
    /// What a handle does beside naming an object.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct HandleAttributes: u32 {
        /// `OBJ_PROTECT_CLOSE`: `NtClose` refuses it.
        const PROTECT_CLOSE = 1;
        /// `OBJ_INHERIT`: a child process gets it.
        const INHERIT = 2;
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

#[derive(Clone, Copy, Debug)]
enum Slot {
    Used(Entry),
    /// Free, and the next free slot after it (0: none).
    Free(u32),
}

/// One process's handles. Freed values are reused, the last freed first.
#[derive(Clone, Debug, Default)]
pub struct HandleTable {
    slots: Vec<Slot>,
    first_free: u32,
    count: usize,
}

/// Entries in a page of a handle table; entry 0 of each page is never handed out.
const PAGE: u32 = 256;
/// The most handles a process can have.
const MAX_HANDLES: u32 = 1 << 24;

impl HandleTable {
    /// The number of open handles.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Opens a handle.
    pub fn insert(&mut self, entry: Entry) -> Result<Handle, NtStatus> {
        if self.first_free == 0 {
            self.grow()?;
        }
        let index = self.first_free;
        let slot = self.slots.get_mut(index as usize).ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
        if let Slot::Free(next) = *slot {
            self.first_free = next;
        }
        *slot = Slot::Used(entry);
        self.count += 1;
        Ok(Handle(u64::from(index) * 4))
    }

    fn grow(&mut self) -> Result<(), NtStatus> {
        let start = self.slots.len() as u32;
        if start >= MAX_HANDLES {
            return Err(NtStatus::INSUFFICIENT_RESOURCES);
        }
        let free = |i| Slot::Free(if i % PAGE == 0 || i + 1 == start + PAGE { 0 } else { i + 1 });
        self.slots.extend((start..start + PAGE).map(free));
        self.first_free = start + 1;
        Ok(())
    }

    /// The entry a handle names.
    #[inline]
    pub fn get(&self, handle: Handle) -> Option<&Entry> {
        match self.slots.get(index_of(handle)?)? {
            Slot::Used(entry) => Some(entry),
            Slot::Free(_) => None,
        }
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, handle: Handle) -> Option<&mut Entry> {
        match self.slots.get_mut(index_of(handle)?)? {
            Slot::Used(entry) => Some(entry),
            Slot::Free(_) => None,
        }
    }

    /// Closes a handle; what it was.
    pub fn remove(&mut self, handle: Handle) -> Option<Entry> {
        let entry = *self.get(handle)?;
        let index = index_of(handle)?;
        *self.slots.get_mut(index)? = Slot::Free(self.first_free);
        self.first_free = index as u32;
        self.count -= 1;
        Some(entry)
    }

    /// Every open handle, by value.
    pub fn iter(&self) -> impl Iterator<Item = (Handle, &Entry)> {
        self.slots.iter().zip(0u64..).filter_map(|(slot, i)| match slot {
            Slot::Used(entry) => Some((Handle(i * 4), entry)),
            Slot::Free(_) => None,
        })
    }
}

/// A handle without the two bits that look-up ignores.
pub const fn key_of(handle: Handle) -> Handle {
    Handle(handle.0 & !3)
}

fn index_of(handle: Handle) -> Option<usize> {
    u32::try_from(handle.0 >> 2).ok().map(|i| i as usize)
}
