//! User memory with user rights: how services read and write what a guest pointer names.

use guest::mem::{Access, PAGE_SIZE, Width};
use guest::{Fault, FaultKind, GuestMemory};

use super::memory::{Memory, Phys};
use super::pages::Pte;

/// The memory of the current process, accessed with the rights user mode has, or kernel code where that is the caller.
pub struct UserMemory<'a> {
    /// The memory manager.
    pub memory: &'a mut Memory,
    /// Physical memory.
    pub ram: &'a mut dyn Phys,
    /// The process's pointer width.
    pub width: Width,
    /// The caller is kernel code: kernel addresses are its own.
    pub kernel: bool,
}

impl UserMemory<'_> {
    /// `ProbeForRead`: only the range is checked. Nothing is touched.
    ///
    /// `STATUS_ACCESS_VIOLATION` if it wraps around or leaves user space.
    pub fn probe_range(&self, va: u64, len: u64) -> Result<(), Fault> {
        let fault = Fault { va, access: Access::Read, kind: FaultKind::KernelRange };
        let last = va.checked_add(len.saturating_sub(1)).ok_or(fault)?;
        if len > 0 && self.is_refused(last) { Err(fault) } else { Ok(()) }
    }

    fn resolve(&mut self, va: u64, access: Access) -> Result<Pte, Fault> {
        if self.kernel && self.memory.is_system(va) {
            return self.memory.resolve_system(va, access);
        }
        self.memory.resolve(self.ram, va, access)
    }

    /// Whether a range ends where only kernel code has rights, and the caller is none.
    fn is_refused(&self, last: u64) -> bool {
        !self.kernel && self.memory.is_system(last)
    }

    /// Reads up to `buf.len()` bytes and says how many could be read, and what stopped it.
    pub fn read_some(&mut self, va: u64, buf: &mut [u8]) -> (usize, Option<Fault>) {
        let mut done = 0;
        while done < buf.len() {
            let at = va.wrapping_add(done as u64);
            let pte = match self.resolve(at, Access::Read) {
                Ok(pte) => pte,
                Err(fault) => return (done, Some(fault)),
            };
            let offset = (at % PAGE_SIZE) as usize;
            let len = (buf.len() - done).min(PAGE_SIZE as usize - offset);
            if let (Some(frame), Some(to)) = (pte.frame(), buf.get_mut(done..done + len)) {
                self.ram.read(frame, offset, to);
            }
            done += len;
        }
        (done, None)
    }

    /// Writes page by page until one refuses: how many bytes were written, and what stopped it.
    pub fn write_some(&mut self, va: u64, bytes: &[u8]) -> (usize, Option<Fault>) {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|r| !r.is_empty()) {
            let at = va.wrapping_add(done as u64);
            match self.resolve(at, Access::Write) {
                Ok(pte) => done += self.memory.write_page(self.ram, pte, at, rest),
                Err(fault) => return (done, Some(fault)),
            }
        }
        (done, None)
    }
}

impl GuestMemory for UserMemory<'_> {
    fn width(&self) -> Width {
        self.width
    }

    fn read(&mut self, va: u64, buf: &mut [u8]) -> Result<(), Fault> {
        match self.read_some(va, buf).1 {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }

    fn write(&mut self, va: u64, bytes: &[u8]) -> Result<(), Fault> {
        // A range inside one page cannot be half written; a longer one is checked as a whole first.
        if va % PAGE_SIZE + bytes.len() as u64 > PAGE_SIZE {
            self.probe_write(va, bytes.len() as u64)?;
        }
        match self.write_some(va, bytes).1 {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }

    fn probe_write(&mut self, va: u64, len: u64) -> Result<(), Fault> {
        if len == 0 {
            return Ok(());
        }
        let fault = Fault { va, access: Access::Write, kind: FaultKind::KernelRange };
        let last = va.checked_add(len - 1).ok_or(fault)?;
        if self.is_refused(last) {
            return Err(fault);
        }
        for vpn in va / PAGE_SIZE..=last / PAGE_SIZE {
            self.resolve(va.max(vpn * PAGE_SIZE), Access::Write)?;
        }
        Ok(())
    }
}
