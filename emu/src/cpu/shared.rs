//! What a CPU and its hooks share, and the counting of instructions by ring.

use std::any::Any;
use std::ptr::NonNull;

use guest::{Arch, Fault};

use super::blocks::{self, Block, BlockCache};
use super::ffi::Engine;
use super::registers;
use super::ring::{Entry, Ring0};
use super::{Client, Exit, Options};

/// Why the engine is to stop at an address in the middle of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopAt {
    /// The budget ends there.
    Budget(u64),
    /// An instruction is there that must not run.
    Forbidden(u64),
}

/// What a CPU and its hooks share while the engine runs. What counting touches comes first.
#[repr(C)]
pub(super) struct Shared {
    /// Instructions retired up to the end of the current block, whatever the ring.
    pub retired: u64,
    /// Up to where counting is all that a plain block needs: the limit, or 0 while `repeating` says something or the
    /// code's width and ring are to be asked for.
    pub plain_limit: u64,
    /// [`blocks::mode_key`] of the code that runs, and `space`.
    pub mode: u64,
    /// [`blocks::space_key`] of the address space.
    pub space: u64,
    /// Nothing has changed CS since `mode` was found out.
    pub mode_known: bool,
    pub blocks: BlockCache,
    /// The slot of the block that runs, or `HERE`.
    pub current: u32,
    /// The client of the current run; dangling outside of one.
    pub client: Option<NonNull<dyn Client>>,
    pub exit: Option<Exit>,
    /// The last page that was refused.
    pub fault: Option<Fault>,
    /// A place in the middle of the next block to stop at.
    pub stop_at: Option<StopAt>,
    /// The traced instruction that runs, and RFLAGS before it.
    pub traced: Option<(u64, u64)>,
    pub panic: Option<Box<dyn Any + Send>>,
    /// Where to stop, in instructions of ring 3.
    limit: u64,
    /// Where to stop in instructions of either ring.
    total_limit: u64,
    /// Instructions retired in ring 0 before the visit there that goes on.
    kernel: u64,
    /// Ring 0 runs, since this many instructions had retired.
    entered_at: Option<u64>,
    /// The way into ring 0, where kernel code runs there.
    pub ring_0: Option<Box<Ring0>>,
    /// The same, as the quick way to registers, where none runs.
    pub window: Option<Box<Ring0>>,
    /// The page of the descriptor table that ring 0 set up.
    pub gdt_page: u64,
    /// The block that runs, where the cache has lost it or there is none.
    here: Block,
    /// A repeated string instruction that the last block ended with: its next iterations do not count.
    pub repeating: u64,
    pub arch: Arch,
    pub sysenter: bool,
    counting: bool,
    pub ram_private: u64,
    pub booting: bool,
}

/// The block that runs is not in the cache.
pub(super) const HERE: u32 = u32::MAX;

/// No address has a repeated instruction under way.
pub(super) const NOT_REPEATING: u64 = u64::MAX;

impl Shared {
    pub(super) fn new(ram_private: u64, options: &Options) -> Self {
        Self {
            client: None,
            exit: None,
            fault: None,
            stop_at: None,
            traced: None,
            panic: None,
            retired: 0,
            limit: u64::MAX,
            total_limit: u64::MAX,
            kernel: 0,
            entered_at: None,
            ring_0: None,
            window: None,
            gdt_page: 0,
            plain_limit: 0,
            mode: 0,
            space: 0,
            mode_known: false,
            current: HERE,
            here: Block::default(),
            repeating: NOT_REPEATING,
            blocks: BlockCache::new(),
            arch: options.arch,
            sysenter: options.sysenter,
            counting: options.count,
            ram_private,
            booting: true,
        }
    }

    /// Whether the code that runs is 32-bit code.
    pub(super) fn runs_32(&self, engine: &Engine) -> bool {
        // Without counting nobody has asked yet.
        if self.counting { self.mode_is_32() } else { registers::bits(engine) == 32 }
    }

    /// The width of the code that runs is known.
    #[inline]
    pub(super) fn set_mode(&mut self, is_32: bool) {
        self.mode = blocks::mode_key(is_32) | self.space;
        self.mode_known = true;
    }

    /// Whether `mode` is that of 32-bit code.
    #[inline]
    pub(super) fn mode_is_32(&self) -> bool {
        self.mode & blocks::mode_key(true) != 0
    }

    /// Where the block that runs ends; `None`: nobody knows.
    #[inline]
    pub(super) fn block_end(&self) -> Option<u64> {
        let block = if self.current == HERE { &self.here } else { self.blocks.at(self.current as usize) };
        (block.size != 0).then(|| block.end())
    }

    /// The block that runs, or ran last.
    pub(super) fn block(&self) -> Block {
        if self.current == HERE { self.here } else { *self.blocks.at(self.current as usize) }
    }

    pub(super) fn run_here(&mut self, block: Block) {
        self.current = HERE;
        self.here = block;
    }

    /// Forgets where the program was: it goes on somewhere else.
    pub(super) fn jump(&mut self) {
        self.run_here(Block::default());
        self.set_repeating(NOT_REPEATING);
        self.plain_limit = 0;
        self.mode_known = false;
    }

    /// Sets where counting ends: in instructions of ring 3, and in all.
    pub(super) fn set_limits(&mut self, limit: u64, total: u64) {
        self.limit = limit;
        self.total_limit = total;
        // The next block sets the rest.
        self.plain_limit = 0;
    }

    /// Up to what count of [`Shared::retired`] the code that runs may go on. Ring 0 takes no time, and so knows
    /// only the limit for both rings.
    pub(super) fn ceiling(&self) -> u64 {
        match self.entered_at {
            Some(_) => self.total_limit,
            None => self.limit.saturating_add(self.kernel).min(self.total_limit),
        }
    }

    /// Whether nothing more may run.
    pub(super) fn is_at_limit(&self) -> bool {
        self.retired >= self.ceiling()
    }

    /// Instructions of ring 3, of so many retired in all.
    #[inline]
    pub(super) fn in_ring_3(&self, retired: u64) -> u64 {
        self.entered_at.unwrap_or(retired).saturating_sub(self.kernel)
    }

    /// Instructions of ring 0 retired so far.
    pub(super) fn in_ring_0(&self) -> u64 {
        self.retired.saturating_sub(self.in_ring_3(self.retired))
    }

    /// Whether ring 0 runs, as far as entries and blocks have told.
    #[inline]
    pub(super) fn is_ring_0(&self) -> bool {
        self.entered_at.is_some()
    }

    pub(super) fn set_repeating(&mut self, address: u64) {
        self.repeating = address;
        self.plain_limit = if address == NOT_REPEATING { self.ceiling() } else { 0 };
    }

    /// Goes into ring 0. `after`: what the engine adds to RIP when the hook returns that this is called from.
    pub(super) fn enter_ring_0(&mut self, engine: &Engine, entry: &Entry, after: u64) {
        let Some(ring_0) = &mut self.ring_0 else { return };
        ring_0.enter(engine, entry, after);
        self.entered_at.get_or_insert(self.retired);
        self.set_mode(self.arch == Arch::X86);
        self.set_repeating(NOT_REPEATING);
    }

    /// Ring 3 goes on.
    pub(super) fn left_ring_0(&mut self) {
        if let Some(since) = self.entered_at.take() {
            self.kernel += self.retired - since;
        }
    }
}
