//! Address spaces of the processes that do not run.

use super::memory::Memory;
use super::space::{AddressSpace, VadKind};

impl Memory {
    /// Puts the space of `running` away and has that of another process in its place (`KeAttachProcess`). Processes are
    /// known by their ids; one that has no space yet gets an empty one.
    pub fn switch_space(&mut self, running: u32, to: u32) {
        if running == to {
            return;
        }
        let limits = self.space.limits;
        let next = self.spaces.remove(&to).unwrap_or_else(|| AddressSpace::new(limits));
        let before = std::mem::replace(&mut self.space, next);
        self.spaces.insert(running, before);
        self.invalidate.tlb = true;
    }

    /// Gives back all memory of a process that does not run, and will not.
    pub(crate) fn delete_space(&mut self, running: u32, process: u32) {
        if !self.spaces.contains_key(&process) || running == process {
            return;
        }
        self.switch_space(running, process);
        self.empty_space();
        self.switch_space(process, running);
        self.spaces.remove(&process);
    }

    /// Gives back what the space that is in place has.
    fn empty_space(&mut self) {
        let regions: Vec<(u64, u64, bool)> =
            self.space.vads().map(|v| (v.first, v.last, matches!(v.kind, VadKind::View(_)))).collect();
        for (first, last, is_view) in regions {
            if is_view {
                // It is one: it has just been listed.
                let _ = self.unmap(first);
            } else {
                self.decommit_range(first, last);
                self.space.carve(first, last);
            }
        }
    }

    /// Every space, the running one first.
    pub(super) fn all_spaces(&self) -> impl Iterator<Item = &AddressSpace> {
        std::iter::once(&self.space).chain(self.spaces.values())
    }
}
