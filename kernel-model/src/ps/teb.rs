//! `MmCreateTeb`: where a thread's structures in user memory are, and what is in them.

use guest::layout::{Side, StructBuilder};
use guest::mem::PAGE_SIZE;
use guest::{Arch, NtStatus};

use super::{ProcessId, ThreadId};
use crate::mm::{Memory, Phys, Protect, UserStack, VadKind};

/// Where a process has its TEBs: slots of one size in regions, given out from below, and the freed ones again.
#[derive(Clone, Debug, Default)]
pub struct TebSlots {
    free: Vec<u64>,
    next: u64,
    end: u64,
    /// Bytes of each.
    size: u64,
}

/// Bytes of a region of TEBs.
const REGION: u64 = 0x20_0000;

impl TebSlots {
    /// Slots in a region that is reserved already.
    pub fn new(next: u64, end: u64, size: u64) -> Self {
        Self { free: Vec::new(), next, end, size }
    }

    /// A slot, committed.
    ///
    /// `STATUS_NO_MEMORY`.
    pub(crate) fn take(&mut self, memory: &mut Memory, highest: u64) -> Result<u64, NtStatus> {
        let at = match self.free.pop() {
            Some(at) => at,
            None if self.size == 0 => return Err(NtStatus::NO_MEMORY),
            None => {
                if self.next + self.size > self.end {
                    let first = memory.reserve_near(None, REGION / PAGE_SIZE, highest)?;
                    (self.next, self.end) = (first * PAGE_SIZE, first * PAGE_SIZE + REGION);
                }
                self.next += self.size;
                self.next - self.size
            }
        };
        match memory.commit_pages(at / PAGE_SIZE, self.size / PAGE_SIZE, Protect::READWRITE) {
            Ok(()) => Ok(at),
            Err(status) => {
                self.free.push(at);
                Err(status)
            }
        }
    }

    /// The same where every TEB is a page of its own below the PEB, as 32-bit kernels have them.
    pub(crate) fn take_below(&mut self, memory: &mut Memory, peb: u64) -> Result<u64, NtStatus> {
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                let from = if self.next == 0 { peb } else { self.next };
                let free = (0x10..from / PAGE_SIZE).rev().find(|&vpn| memory.space.is_free(vpn, vpn));
                let first = free.ok_or(NtStatus::NO_MEMORY)?;
                memory.reserve(Some(first * PAGE_SIZE), 1, VadKind::Private, Protect::READWRITE, u64::MAX)?;
                self.next = first * PAGE_SIZE;
                self.next
            }
        };
        memory.commit_pages(at / PAGE_SIZE, 1, Protect::READWRITE).inspect_err(|_| self.free.push(at))?;
        Ok(at)
    }

    /// Gives a slot back.
    pub(crate) fn give_back(&mut self, memory: &mut Memory, at: u64) {
        let first = at / PAGE_SIZE;
        memory.decommit_range(first, first + (self.size / PAGE_SIZE).saturating_sub(1));
        self.free.push(at);
    }
}

/// What a TEB says.
#[derive(Clone, Copy, Debug)]
pub struct Teb {
    /// Where it is.
    pub at: u64,
    /// Where the PEB of its side is.
    pub peb: u64,
    /// The thread's stack.
    pub stack: UserStack,
    /// Whose it is.
    pub ids: (ProcessId, ThreadId),
    /// `ThreadLocalStoragePointer`
    pub tls: u64,
}

/// Writes a TEB for code of one width.
///
/// `STATUS_NO_MEMORY` where it is not committed.
pub fn write_teb(memory: &mut Memory, ram: &mut dyn Phys, side: &Side, teb: &Teb) -> Result<(), NtStatus> {
    let Teb { at, peb, stack, ids: (process, thread), tls } = *teb;
    let mut out = StructBuilder::new(side, "TEB");
    for (field, value) in [("StackBase", stack.base), ("StackLimit", stack.limit), ("Self", at)] {
        out.word_at("NtTib", side.offset("NT_TIB", field), value);
    }
    if side.arch == Arch::X86 {
        // EXCEPTION_CHAIN_END
        out.word_at("NtTib", side.offset("NT_TIB", "ExceptionList"), u64::MAX);
    }
    for field in ["ClientId", "RealClientId"] {
        out.words(field, process.0.into(), thread.0.into());
    }
    let static_buffer = at + out.offset("StaticUnicodeBuffer");
    if let Some(activation) = side.layouts.offset("TEB", "_ActivationStack") {
        // The frame list of an empty activation stack points at itself.
        let list = side.offset("ACTIVATION_CONTEXT_STACK", "FrameListCache");
        for delta in [0, side.width().bytes() as u64] {
            out.word_at("_ActivationStack", list + delta, at + activation + list);
        }
        out.word("ActivationContextStackPointer", at + activation);
    }
    out.word("ThreadLocalStoragePointer", tls)
        .word("ProcessEnvironmentBlock", peb)
        .word("DeallocationStack", stack.reserved)
        .bytes("StaticUnicodeString", 2, &522_u16.to_le_bytes())
        .word_at("StaticUnicodeString", side.width().bytes() as u64, static_buffer);
    let bytes = out.finish();
    if memory.poke(ram, at, &bytes) == bytes.len() { Ok(()) } else { Err(NtStatus::NO_MEMORY) }
}
