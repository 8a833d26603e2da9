//! Page tables: what each page of an address space is.

use std::collections::BTreeSet;

use hashbrown::HashMap;

use super::protect::Protect;

/// A page frame of guest physical memory, by number. Frame 0 is never used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Frame(pub u32);

/// A page-table entry. The default one is a page that is not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Pte {
    frame: u32,
    protect: u16,
    shared: bool,
    /// Its region's stores are watched, and it was not written yet.
    clean: bool,
}

impl Pte {
    /// A committed page that has no frame yet and reads as zeros.
    pub const fn demand_zero(protect: Protect) -> Self {
        Self { frame: 0, protect: protect.raw() as u16, shared: false, clean: false }
    }

    /// A page that shows a frame which the address space does not own.
    pub const fn shared(frame: Frame, protect: Protect) -> Self {
        Self { frame: frame.0, protect: protect.raw() as u16, shared: true, clean: false }
    }

    /// Its protection; `None`: it is not committed.
    #[inline]
    pub fn protect(self) -> Option<Protect> {
        (self.protect != 0).then(|| Protect::restore(self.protect))
    }

    /// Its frame, if it has one.
    #[inline]
    pub fn frame(self) -> Option<Frame> {
        (self.frame != 0).then_some(Frame(self.frame))
    }

    /// The frame that goes when the page does.
    pub fn owned_frame(self) -> Option<Frame> {
        self.frame().filter(|_| !self.shared)
    }

    /// With another protection.
    #[must_use]
    pub const fn with_protect(self, protect: Protect) -> Self {
        Self { protect: protect.raw() as u16, ..self }
    }

    /// A page of a section's view: its frame, once it has one, is the section's.
    pub const fn prototype(protect: Protect) -> Self {
        Self { frame: 0, protect: protect.raw() as u16, shared: true, clean: false }
    }

    /// Whether the frame, if there is one, is somebody else's.
    #[inline]
    pub const fn is_shared(self) -> bool {
        self.shared
    }

    /// With a frame of its own in place of a shared one.
    #[must_use]
    pub const fn copied_to(self, frame: Frame) -> Self {
        Self { frame: frame.0, shared: false, ..self }
    }

    /// Not written yet, in a region whose stores are watched.
    #[must_use]
    pub const fn watched(self) -> Self {
        Self { clean: true, ..self }
    }

    /// Written.
    #[must_use]
    pub const fn written(self) -> Self {
        Self { clean: false, ..self }
    }

    /// Whether its first store is still to come, where that is watched.
    #[inline]
    pub const fn is_clean(self) -> bool {
        self.clean
    }

    /// Whether it is committed and was written, or nobody watches.
    pub const fn is_written(self) -> bool {
        self.protect != 0 && !self.clean
    }

    /// With a frame.
    #[must_use]
    pub const fn with_frame(self, frame: Frame) -> Self {
        Self { frame: frame.0, ..self }
    }
}

const LEAF: usize = 512;

/// The pages of one address space, by virtual page number.
#[derive(Clone, Debug, Default)]
pub struct PageTable {
    leaves: HashMap<u64, Box<[Pte; LEAF]>>,
    /// The leaves there are, in order, so that huge reservations can be walked.
    order: BTreeSet<u64>,
}

impl PageTable {
    /// A page's entry.
    #[inline]
    pub fn get(&self, vpn: u64) -> Pte {
        self.leaves.get(&(vpn / LEAF as u64)).map_or(Pte::default(), |leaf| leaf[(vpn % LEAF as u64) as usize])
    }

    /// Sets a page's entry.
    pub fn set(&mut self, vpn: u64, pte: Pte) {
        self.leaf_mut(vpn)[(vpn % LEAF as u64) as usize] = pte;
    }

    /// The leaf that a page's entry is in, made if it is not there.
    fn leaf_mut(&mut self, vpn: u64) -> &mut [Pte; LEAF] {
        let key = vpn / LEAF as u64;
        self.leaves.entry(key).or_insert_with(|| {
            self.order.insert(key);
            Box::new([Pte::default(); LEAF])
        })
    }

    /// Sets the entries of `first..=last`, a leaf at a time.
    pub fn fill(&mut self, first: u64, last: u64, pte: Pte) {
        let mut at = first;
        while at <= last {
            let end = last.min(at | (LEAF as u64 - 1));
            let part = (at % LEAF as u64) as usize..=(end % LEAF as u64) as usize;
            self.leaf_mut(at).get_mut(part).unwrap_or_default().fill(pte);
            at = end + 1;
        }
    }

    /// Looks at the entries of `first..=last` that are not empty, in order.
    pub fn visit(&self, first: u64, last: u64, mut look: impl FnMut(u64, Pte)) {
        for key in self.order.range(first / LEAF as u64..=last / LEAF as u64) {
            let Some(leaf) = self.leaves.get(key) else { continue };
            let start = key * LEAF as u64;
            let (from, to) = (first.max(start), last.min(start + LEAF as u64 - 1));
            let part = leaf.get((from - start) as usize..=(to - start) as usize).unwrap_or_default();
            for (vpn, pte) in (from..).zip(part) {
                if *pte != Pte::default() {
                    look(vpn, *pte);
                }
            }
        }
    }

    /// Empties the entries of `first..=last`.
    pub fn clear(&mut self, first: u64, last: u64) {
        let keys: Vec<u64> = self.order.range(first / LEAF as u64..=last / LEAF as u64).copied().collect();
        for start in keys.into_iter().map(|key| key * LEAF as u64) {
            let (from, to) = (first.max(start), last.min(start + LEAF as u64 - 1));
            if to - from == LEAF as u64 - 1 {
                self.leaves.remove(&(start / LEAF as u64));
                self.order.remove(&(start / LEAF as u64));
            } else {
                self.fill(from, to, Pte::default());
            }
        }
    }

    /// The first page at or after `vpn` that may be committed.
    pub fn next_present(&self, vpn: u64) -> Option<u64> {
        let key = *self.order.range(vpn / LEAF as u64..).next()?;
        Some(vpn.max(key * LEAF as u64))
    }

    /// Every page that has a frame, in order: its number and its entry.
    pub fn resident(&self) -> impl Iterator<Item = (u64, Pte)> + '_ {
        let leaves = self.order.iter().filter_map(|key| Some((*key, self.leaves.get(key)?)));
        let pages = leaves.flat_map(|(key, leaf)| (key * LEAF as u64..).zip(leaf.iter().copied()));
        pages.filter(|(_, pte)| pte.frame().is_some())
    }

    /// One past the last page, `last` at most, that follows `vpn` with the same protection.
    pub fn end_of_run(&self, vpn: u64, last: u64) -> u64 {
        let protect = self.get(vpn).protect();
        let mut at = vpn + 1;
        while at <= last {
            if protect.is_none() {
                // Nothing is committed up to the next leaf: a reservation may be terabytes.
                match self.next_present(at) {
                    Some(next) if next <= last => at = next,
                    _ => return last + 1,
                }
            }
            if self.get(at).protect() != protect {
                return at;
            }
            at += 1;
        }
        last + 1
    }

    /// Drops the leaves of a range that hold nothing any more.
    pub fn forget_empty(&mut self, first: u64, last: u64) {
        if last - first < LEAF as u64 {
            return;
        }
        let keys: Vec<u64> = self.order.range(first / LEAF as u64..=last / LEAF as u64).copied().collect();
        for key in keys {
            if self.leaves.get(&key).is_some_and(|leaf| leaf.iter().all(|p| *p == Pte::default())) {
                self.leaves.remove(&key);
                self.order.remove(&key);
            }
        }
    }
}
