//! Memory that the kernel itself puts into a process: images, stacks, TEBs.

use guest::NtStatus;
use guest::mem::{PAGE_SIZE, Width};

use super::memory::Memory;
use super::protect::Protect;
use super::space::{StackRegion, Vad, VadKind};

/// A stack that was made: its end, its lowest committed byte, its lowest byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserStack {
    /// `StackBase`
    pub base: u64,
    /// `StackLimit`
    pub limit: u64,
    /// `DeallocationStack`
    pub reserved: u64,
}

/// How large a stack is to be, and where.
#[derive(Clone, Copy, Debug)]
pub struct StackRequest {
    /// Bytes reserved: 64 KiB at least.
    pub reserve: u64,
    /// Bytes committed from the top.
    pub commit: u64,
    /// Where it is to lie, if that is free.
    pub at: Option<u64>,
    /// No byte of it lies above.
    pub highest: u64,
    /// Where the TEB keeps `StackLimit`, and how wide that is.
    pub limit_field: u64,
    /// See `limit_field`.
    pub width: Width,
}

/// What is committed of a stack at least, in pages; under it lies the guard page.
const MIN_COMMIT: u64 = 4;

impl Memory {
    /// Enters a region at an address, or where there is room below the highest; its first page.
    ///
    /// `STATUS_NO_MEMORY`, `STATUS_CONFLICTING_ADDRESSES`.
    pub fn reserve(
        &mut self, at: Option<u64>, pages: u64, kind: VadKind, protect: Protect, highest: u64,
    ) -> Result<u64, NtStatus> {
        let space = &mut self.space;
        let first = match at {
            Some(va) => va / PAGE_SIZE,
            None => space.find(pages, false, highest).ok_or(NtStatus::NO_MEMORY)?,
        };
        let last = first.checked_add(pages).and_then(|end| end.checked_sub(1)).ok_or(NtStatus::NO_MEMORY)?;
        if last > space.limits.highest / PAGE_SIZE || !space.is_free(first, last) {
            return Err(NtStatus::CONFLICTING_ADDRESSES);
        }
        space.insert(Vad { first, last, base: first, kind, protect });
        Ok(first)
    }

    /// The same with private memory, elsewhere if the place is taken.
    pub fn reserve_near(&mut self, at: Option<u64>, pages: u64, highest: u64) -> Result<u64, NtStatus> {
        let kind = || VadKind::Private;
        let first = self.reserve(at, pages, kind(), Protect::READWRITE, highest);
        first.or_else(|_| self.reserve(None, pages, kind(), Protect::READWRITE, highest))
    }

    /// Commits pages of a region; those that were committed when the memory ran out are given back.
    pub fn commit_pages(&mut self, first: u64, pages: u64, protect: Protect) -> Result<(), NtStatus> {
        for vpn in first..first + pages {
            if let Err(status) = self.commit(vpn, protect) {
                (first..vpn).for_each(|done| self.decommit(done));
                return Err(status);
            }
        }
        Ok(())
    }

    /// Takes a whole region away again.
    pub fn release(&mut self, first: u64) {
        if let Some((first, last)) = self.space.vad(first).map(|v| (v.first, v.last)) {
            self.decommit_range(first, last);
            self.space.carve(first, last);
        }
    }

    /// Reserves a stack and commits its top, a guard page below.
    pub fn create_stack(&mut self, request: &StackRequest) -> Result<UserStack, NtStatus> {
        let pages = request.reserve.max(0x1_0000).div_ceil(0x1_0000) * (0x1_0000 / PAGE_SIZE);
        let commit = request.commit.div_ceil(PAGE_SIZE).clamp(MIN_COMMIT, pages - 3);
        let first = self.reserve_near(request.at, pages, request.highest)?;
        let end = first + pages;
        let committed = self.commit_pages(end - commit, commit, Protect::READWRITE);
        let guard = Protect::READWRITE.with_guard();
        if let Err(status) = committed.and_then(|()| self.commit_pages(end - commit - 1, 1, guard)) {
            self.release(first);
            return Err(status);
        }
        let stack = UserStack { base: end * PAGE_SIZE, limit: (end - commit) * PAGE_SIZE, reserved: first * PAGE_SIZE };
        let StackRequest { limit_field, width, .. } = *request;
        self.space
            .stacks
            .insert(stack.base, StackRegion { reserved: stack.reserved, end: stack.base, limit_field, width });
        Ok(stack)
    }

    /// Has a stack that somebody else has made grow as others do.
    pub fn adopt_stack(&mut self, stack: UserStack, limit_field: u64, width: Width) {
        let region = StackRegion { reserved: stack.reserved, end: stack.base, limit_field, width };
        self.space.stacks.insert(stack.base, region);
    }

    /// No longer does.
    pub fn disown_stack(&mut self, stack: UserStack) {
        self.space.stacks.remove(&stack.base);
    }

    /// Gives a stack back.
    pub fn delete_stack(&mut self, stack: UserStack) {
        self.space.stacks.remove(&stack.base);
        self.release(stack.reserved / PAGE_SIZE);
    }
}
