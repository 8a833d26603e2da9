//! Reserving, committing and writing a new process's memory.

use guest::NtStatus;
use guest::mem::PAGE_SIZE;
use kernel_model::mm::{Protect, VadKind};

use super::Target;

impl Target<'_> {
    /// Reserves `size` bytes, at `at` or where there is room, and commits them from the start.
    pub(super) fn allocate(&mut self, at: Option<u64>, size: u64, protect: Protect) -> Result<u64, NtStatus> {
        let pages = size.div_ceil(PAGE_SIZE).max(1);
        let first = self.reserve(at, pages, VadKind::Private, protect)?;
        self.commit(first, pages, protect)?;
        Ok(first * PAGE_SIZE)
    }

    /// Enters a region; its first page number.
    pub(super) fn reserve(
        &mut self, at: Option<u64>, pages: u64, kind: VadKind, protect: Protect,
    ) -> Result<u64, NtStatus> {
        self.kernel.mm.reserve(at, pages, kind, protect, self.highest)
    }

    pub(super) fn commit(&mut self, first: u64, pages: u64, protect: Protect) -> Result<(), NtStatus> {
        self.kernel.mm.commit_pages(first, pages, protect)
    }

    /// Writes committed memory, whatever its protection.
    pub(super) fn write(&mut self, va: u64, bytes: &[u8]) -> Result<(), NtStatus> {
        let written = self.kernel.mm.poke(self.ram, va, bytes);
        if written == bytes.len() { Ok(()) } else { Err(NtStatus::NO_MEMORY) }
    }
}
