//! `KeRaiseUserException`: a call that fails, and raises its status in the caller as well.

use guest::{Arch, GuestMemory, NtStatus};

use super::wow64_context;
use crate::cx::Cx;
use crate::service::{NtResult, Unwind};

impl Cx<'_> {
    /// Ends a call with this status, which its caller gets by an exception first: the code is left in the TEB, where
    /// `KiRaiseUserExceptionDispatcher` finds it. A WOW64 process has it raised in its 32-bit code.
    pub(crate) fn raise_user_exception(&mut self, status: NtStatus) -> NtResult {
        let wow64 = self.kernel.ps.process.wow64_peb.is_some();
        let thread = &self.kernel.ps.thread;
        let (teb, arch) = match thread.wow64_teb.filter(|_| wow64) {
            Some(teb) => (teb, Arch::X86),
            None => (thread.teb, self.kernel.profile.arch),
        };
        let offset = self.kernel.profile.layout_for(arch).offset("TEB", "ExceptionCode").unwrap_or(0);
        self.mem().write(teb.wrapping_add(offset), &status.0.to_le_bytes())?;
        if wow64 {
            wow64_context::raise(self, status)?;
            return Ok(status);
        }
        Err(Unwind::Raise(status))
    }
}
