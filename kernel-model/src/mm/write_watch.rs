//! `NtGetWriteWatch` and `NtResetWriteWatch`: which pages of a region that was reserved with `MEM_WRITE_WATCH` were written.
//! A page is shown to the engine without the right to write until its first store.

use guest::mem::{PAGE_SIZE, Word};
use guest::{GuestMemory, Handle, NtStatus, UserPtr};

use super::memory::Memory;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtGetWriteWatch => nt_get_write_watch, Support::Partial("not for 32-bit programs on 64-bit kernels")),
    service!(NtResetWriteWatch => nt_reset_write_watch, Support::Full),
];

/// `WRITE_WATCH_FLAG_RESET`.
const RESET: u32 = 1;

/// The pages of a range, which must lie in one watched region.
///
/// `STATUS_INVALID_PARAMETER`.
fn watched(memory: &Memory, base: u64, size: u64) -> Result<(u64, u64), NtStatus> {
    let last = base.checked_add(size.saturating_sub(1)).filter(|last| *last <= memory.space.limits.highest);
    let (first, last) = (base / PAGE_SIZE, last.ok_or(NtStatus::INVALID_PARAMETER)? / PAGE_SIZE);
    let vad = memory.space.vad(first).filter(|v| size > 0 && last <= v.last && memory.space.watched.contains(&v.base));
    vad.map(|_| (first, last)).ok_or(NtStatus::INVALID_PARAMETER)
}

/// `NtGetWriteWatch`: the addresses of up to so many pages that were written, in order, and on request forgets that they
/// were; how large a page is.
///
/// `STATUS_INVALID_PARAMETER_2` (flags), `STATUS_INVALID_PARAMETER_5` (no room), `STATUS_INVALID_PARAMETER` (no watched
/// region).
fn nt_get_write_watch(
    cx: &mut Cx<'_>, process: Handle, flags: u32, base: u64, size: u64, addresses: UserPtr<Word>, count: UserPtr<Word>,
    granularity: UserPtr<u32>,
) -> NtResult {
    if flags & !RESET != 0 {
        return Err(NtStatus::INVALID_PARAMETER_2.into());
    }
    if cx.kernel.ps.process.wow64_peb.is_some() {
        return Err(Unwind::unsupported("a 32-bit program's array of addresses"));
    }
    let mut mem = cx.mem();
    let most = mem.load(count)?.0;
    mem.probe(count)?;
    mem.probe(granularity)?;
    if most == 0 {
        return Err(NtStatus::INVALID_PARAMETER_5.into());
    }
    let width = cx.kernel.width().bytes() as u64;
    // No more than there can be is probed: a caller's count may be anything.
    let room = most.min(size / PAGE_SIZE + 2);
    cx.mem().probe_write(addresses.va, room.saturating_mul(width))?;
    let target = cx.process_with_memory(process, guest::access::process::VM_OPERATION)?;
    let found = cx.attached(target, |cx| {
        let memory = &mut cx.kernel.mm;
        let (first, last) = watched(memory, base, size)?;
        let mut found = Vec::new();
        let mut at = Some(first);
        while let Some(vpn) = at.filter(|&vpn| vpn <= last && (found.len() as u64) < most) {
            if memory.space.pages.get(vpn).is_written() {
                found.push(vpn * PAGE_SIZE);
                if flags & RESET != 0 {
                    memory.watch_again(vpn);
                }
            }
            at = memory.space.pages.next_present(vpn + 1);
        }
        Ok::<_, NtStatus>(found)
    })?;
    for (index, address) in (0..).zip(&found) {
        cx.mem().store(UserPtr::<Word>::new(addresses.va.wrapping_add(index * width)), &Word(*address))?;
    }
    cx.mem().store(count, &Word(found.len() as u64))?;
    cx.mem().store(granularity, &(PAGE_SIZE as u32))?;
    Ok(NtStatus::SUCCESS)
}

/// `NtResetWriteWatch`: forgets that pages were written.
///
/// `STATUS_INVALID_PARAMETER` (no watched region).
fn nt_reset_write_watch(cx: &mut Cx<'_>, process: Handle, base: u64, size: u64) -> NtResult {
    let target = cx.process_with_memory(process, guest::access::process::VM_OPERATION)?;
    cx.attached(target, |cx| {
        let memory = &mut cx.kernel.mm;
        let (first, last) = watched(memory, base, size)?;
        let mut at = Some(first);
        while let Some(vpn) = at.filter(|&vpn| vpn <= last) {
            memory.watch_again(vpn);
            at = memory.space.pages.next_present(vpn + 1);
        }
        Ok::<_, NtStatus>(())
    })?;
    Ok(NtStatus::SUCCESS)
}

impl Memory {
    /// A page of a watched region counts as not written from now on.
    fn watch_again(&mut self, vpn: u64) {
        let pte = self.space.pages.get(vpn);
        if pte.is_written() && pte.protect().is_some() {
            self.space.pages.set(vpn, pte.watched());
            self.forget_translations();
        }
    }
}
