//! The base and size that a virtual-memory service takes and gives back.

use guest::mem::{PAGE_SIZE, Word};
use guest::{GuestMemory, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::service::NtResult;

/// Where base and size are, and what they were.
#[derive(Clone, Copy, Debug)]
pub(super) struct Region {
    base_address: UserPtr<Word>,
    region_size: UserPtr<Word>,
    /// The base, in bytes.
    pub base: u64,
    /// The size, in bytes.
    pub size: u64,
}

impl Region {
    /// Reads both, and checks that both can be written.
    ///
    /// `STATUS_ACCESS_VIOLATION`.
    pub(super) fn capture(cx: &mut Cx<'_>, base_address: UserPtr<Word>, region_size: UserPtr<Word>) -> NtResult<Self> {
        let mut mem = cx.mem();
        let base = mem.load(base_address)?.0;
        mem.probe(base_address)?;
        let size = mem.load(region_size)?.0;
        mem.probe(region_size)?;
        Ok(Self { base_address, region_size, base, size })
    }

    /// Checks that the region lies in user space: `too_high` if it starts above, `too_long` if it ends there.
    pub(super) fn check(&self, cx: &Cx<'_>, too_high: NtStatus, too_long: NtStatus) -> Result<(), NtStatus> {
        let highest = cx.kernel.mm.space.limits.highest;
        if self.base > highest {
            return Err(too_high);
        }
        if self.size > highest + 1 - self.base { Err(too_long) } else { Ok(()) }
    }

    /// The last page of a region that is not empty.
    pub(super) fn last_page(&self) -> u64 {
        (self.base + self.size - 1) / PAGE_SIZE
    }

    /// Gives back the pages `first..=last` as base and size.
    pub(super) fn write_back(&self, cx: &mut Cx<'_>, first: u64, last: u64) -> NtResult<()> {
        let mut mem = cx.mem();
        mem.store(self.base_address, &Word(first * PAGE_SIZE))?;
        mem.store(self.region_size, &Word((last - first + 1) * PAGE_SIZE))?;
        Ok(())
    }
}
