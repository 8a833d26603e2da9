//! Object directories: names to objects, at the same cost however many there are.

use hashbrown::HashTable;

use super::manager::ObjectId;

/// A name of UTF-16 code units, without terminator.
pub type ObjectName = Vec<u16>;

/// No slot.
const NONE: u32 = u32::MAX;

/// One name. Whoever has it knows its spelling.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u64,
    object: ObjectId,
    previous: u32,
    next: u32,
}

/// A directory. The names themselves stand in the headers of the objects that have them.
#[derive(Clone, Debug)]
pub struct Directory {
    by_hash: HashTable<u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    first: u32,
    last: u32,
    /// The directory in which a name is searched that is not here (`ShadowDirectory`).
    pub shadow: Option<ObjectId>,
    /// It is a private namespace.
    pub private: bool,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            by_hash: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            first: NONE,
            last: NONE,
            shadow: None,
            private: false,
        }
    }
}

/// `RtlUpcaseUnicodeChar` for what one UTF-16 unit can hold: a mapping to one unit, or none.
#[inline]
pub fn upcase(unit: u16) -> u16 {
    if unit < 0x80 {
        return (unit as u8).to_ascii_uppercase().into();
    }
    let Some(c) = char::from_u32(unit.into()) else { return unit };
    let mut upper = c.to_uppercase();
    match (upper.next().and_then(|u| u16::try_from(u32::from(u)).ok()), upper.next()) {
        (Some(u), None) => u,
        _ => unit,
    }
}

/// Whether two names are the same, with or without case.
pub fn same_name(a: &[u16], b: &[u16], ignore_case: bool) -> bool {
    a == b || ignore_case && a.len() == b.len() && a.iter().zip(b).all(|(a, b)| upcase(*a) == upcase(*b))
}

/// The hash of a name, the same for every spelling of it (FNV-1a over upper-case units, and a last mixing for the
/// table, which goes by the topmost bits too).
pub fn hash_of(name: &[u16]) -> u64 {
    let fold = |hash: u64, unit: &u16| (hash ^ u64::from(upcase(*unit))).wrapping_mul(0x100_0000_01b3);
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325, fold);
    (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Directory {
    /// How many names there are.
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    /// The objects whose names have this hash.
    pub(super) fn candidates(&self, hash: u64) -> impl Iterator<Item = ObjectId> {
        let slots = self.by_hash.iter_hash(hash).filter_map(|&slot| self.slots.get(slot as usize));
        slots.filter(move |slot| slot.hash == hash).map(|slot| slot.object)
    }

    /// Enters an object under a name with this hash; its slot is told.
    pub(super) fn insert(&mut self, hash: u64, object: ObjectId) -> u32 {
        let new = Slot { hash, object, previous: self.last, next: NONE };
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self.slots.get_mut(slot as usize) {
                    *place = new;
                }
                slot
            }
            None => {
                self.slots.push(new);
                (self.slots.len() - 1) as u32
            }
        };
        match self.slots.get_mut(self.last as usize) {
            Some(last) => last.next = slot,
            None => self.first = slot,
        }
        self.last = slot;
        let slots = &self.slots;
        self.by_hash.insert_unique(hash, slot, |&slot| slots.get(slot as usize).map_or(0, |s| s.hash));
        slot
    }

    /// Takes the name in a slot out.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(&Slot { hash, previous, next, .. }) = self.slots.get(slot as usize) else { return };
        let Ok(entry) = self.by_hash.find_entry(hash, |&found| found == slot) else { return };
        entry.remove();
        match self.slots.get_mut(previous as usize) {
            Some(before) => before.next = next,
            None => self.first = next,
        }
        match self.slots.get_mut(next as usize) {
            Some(after) => after.previous = previous,
            None => self.last = previous,
        }
        self.free.push(slot);
    }

    /// The objects with names, in the order in which they were entered.
    pub fn iter(&self) -> impl Iterator<Item = ObjectId> {
        let slot = |at: u32| self.slots.get(at as usize);
        std::iter::successors(slot(self.first), move |s| slot(s.next)).map(|s| s.object)
    }
}
