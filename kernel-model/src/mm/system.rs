//! Kernel space: the pages of the kernel image, its tables and stacks, which every process has and user mode none of.
//!
//! It is there only where the dispatcher runs as guest code. All of it is resident.

use guest::mem::{Access, PAGE_SIZE};
use guest::{Fault, FaultKind, NtStatus};

use super::memory::{Memory, Phys, Translation};
use super::pages::{Frame, PageTable, Pte};
use super::protect::Protect;

impl Memory {
    /// Whether an address is not user mode's, mapped or not.
    #[inline]
    pub fn is_system(&self, va: u64) -> bool {
        va > self.space.limits.highest
    }

    /// The pages that an address is one of.
    #[inline]
    pub(super) fn pages_at(&self, va: u64) -> &PageTable {
        if self.is_system(va) { &self.system } else { &self.space.pages }
    }

    pub(super) fn pages_at_mut(&mut self, va: u64) -> &mut PageTable {
        if self.is_system(va) { &mut self.system } else { &mut self.space.pages }
    }

    /// Maps pages of zeros into kernel space, from the page of `va` to that of its last byte. What is mapped already stays.
    ///
    /// `STATUS_NO_MEMORY`.
    pub fn map_system(&mut self, ram: &mut dyn Phys, va: u64, len: u64, protect: Protect) -> Result<(), NtStatus> {
        let last = va.checked_add(len.saturating_sub(1)).ok_or(NtStatus::INVALID_PARAMETER)?;
        for vpn in va / PAGE_SIZE..=last / PAGE_SIZE {
            if self.system.get(vpn).protect().is_some() {
                continue;
            }
            let frame = self.take_frame(ram)?;
            self.system.set(vpn, Pte::shared(frame, protect));
        }
        Ok(())
    }

    /// Shows a page of user space in kernel space too.
    ///
    /// `STATUS_NOT_MAPPED_VIEW` where there is none.
    pub fn show_in_system(&mut self, user: u64, va: u64, protect: Protect) -> Result<(), NtStatus> {
        let frame = self.space.pages.get(user / PAGE_SIZE).frame().ok_or(NtStatus::NOT_MAPPED_VIEW)?;
        self.system.set(va / PAGE_SIZE, Pte::shared(frame, protect));
        Ok(())
    }

    /// Changes the protection of mapped pages of kernel space.
    pub fn protect_system(&mut self, va: u64, len: u64, protect: Protect) {
        let last = va.saturating_add(len.saturating_sub(1));
        for vpn in va / PAGE_SIZE..=last / PAGE_SIZE {
            let pte = self.system.get(vpn);
            if pte.protect().is_some() {
                self.system.set(vpn, pte.with_protect(protect));
                self.forget_translations();
            }
        }
    }

    /// The frame behind an address of kernel space.
    #[inline]
    pub fn system_frame(&self, va: u64) -> Option<Frame> {
        self.system.get(va / PAGE_SIZE).frame()
    }

    /// The entry of a page of kernel space that an access may use.
    pub(super) fn resolve_system(&self, va: u64, access: Access) -> Result<Pte, Fault> {
        let pte = self.system.get(va / PAGE_SIZE);
        match pte.protect() {
            None => Err(Fault { va, access, kind: FaultKind::NotMapped }),
            Some(protect) if protect.allows(access) => Ok(pte),
            Some(_) => Err(Fault { va, access, kind: FaultKind::Protection }),
        }
    }

    /// The engine asks for a page as ring 0 may use it. With `smep` user pages cannot be executed, with
    /// `smap` not be touched.
    pub fn translate_kernel(
        &mut self, ram: &mut dyn Phys, va: u64, access: Access, smep: bool, smap: bool,
    ) -> Result<Translation, Fault> {
        if !self.is_system(va) {
            if smap && access != Access::Execute || smep && access == Access::Execute {
                return Err(Fault { va, access, kind: FaultKind::Protection });
            }
            let page = self.translate(ram, va, access)?;
            return Ok(Translation { execute: page.execute && !smep, ..page });
        }
        let pte = self.resolve_system(va, access)?;
        let (Some(frame), Some(protect)) = (pte.frame(), pte.protect()) else {
            return Err(Fault { va, access, kind: FaultKind::NotMapped });
        };
        let execute = protect.allows(Access::Execute);
        if execute {
            self.note_code(frame);
        }
        Ok(Translation { frame, read: protect.allows(Access::Read), write: protect.allows(Access::Write), execute })
    }

    /// Writes kernel space with the kernel's rights; all or nothing.
    pub fn write_system(&mut self, ram: &mut dyn Phys, va: u64, bytes: &[u8]) -> Result<(), Fault> {
        let access = Access::Write;
        if va % PAGE_SIZE + bytes.len() as u64 <= PAGE_SIZE {
            let pte = self.resolve_system(va, access)?;
            self.write_page(ram, pte, va, bytes);
            return Ok(());
        }
        let last = va.checked_add(bytes.len().saturating_sub(1) as u64);
        let last = last.ok_or(Fault { va, access, kind: FaultKind::NotMapped })?;
        for vpn in va / PAGE_SIZE..=last / PAGE_SIZE {
            self.resolve_system(va.max(vpn * PAGE_SIZE), access)?;
        }
        self.poke(ram, va, bytes);
        Ok(())
    }

    /// Eight bytes of one page of kernel space, without side effects.
    #[inline]
    pub fn system_word(&self, ram: &dyn Phys, va: u64) -> Option<u64> {
        let (frame, offset) = (self.system_frame(va)?, va % PAGE_SIZE);
        let mut bytes = [0; 8];
        if offset > PAGE_SIZE - 8 || !self.is_system(va) {
            return None;
        }
        ram.read(frame, offset as usize, &mut bytes);
        Some(u64::from_le_bytes(bytes))
    }

    /// Reads kernel space with the kernel's rights.
    pub fn read_system(&self, ram: &dyn Phys, va: u64, buf: &mut [u8]) -> Result<(), Fault> {
        self.resolve_system(va, Access::Read)?;
        self.peek(ram, va, buf).ok_or(Fault { va, access: Access::Read, kind: FaultKind::NotMapped })
    }
}
