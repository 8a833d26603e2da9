//! `PspUserThreadStartup`: how a thread begins that somebody has changed before it ran.
//!
//! On Windows every thread begins with an APC to `LdrInitializeThunk`, which prepares it and continues with the context it
//! was made with. Here a thread goes straight to `RtlUserThreadStart`, which prepares it too; only one that has other
//! registers by now, or APCs, takes the long way, and on a root with a loader of its own every one.

use guest::context::{ContextLayout, Parts};
use guest::registers::{Reg, UserState};
use guest::{Arch, GuestMemory};

use crate::cx::{Cx, Outside};
use crate::kernel::Kernel;
use crate::mm::Phys;
use crate::ps::{ThreadId, ThreadStart, wow64_context};

impl Kernel {
    /// Somebody has set the registers of a thread.
    pub(crate) fn change_start(&mut self, id: ThreadId) {
        if let Some(thread) = self.ps.thread_mut(id) {
            thread.start = thread.start.changed();
        }
    }

    /// The thread that is now the running one runs for the first time, or again; whether it is the first.
    #[inline]
    pub fn begin_thread(&mut self, ram: &mut dyn Outside) -> bool {
        let begins = self.ps.thread.start != ThreadStart::Begun;
        if begins {
            self.begin(ram);
        }
        begins
    }

    #[cold]
    fn begin(&mut self, ram: &mut dyn Outside) {
        let start = std::mem::take(&mut self.ps.thread.start);
        if start != ThreadStart::Changed {
            return;
        }
        if self.ps.process.wow64_peb.is_some() {
            // What begins anew is the 32-bit side. A thread whose area cannot be read goes on as it is, and fails there.
            if self.ps.thread.user.file.get(Reg::Rip) == self.ps.process.thread_start {
                let _ = wow64_context::begin(&mut Cx { kernel: self, ram });
            }
            return;
        }
        let mut state = self.ps.thread.user;
        if self.put_start(ram, &mut state).is_some() {
            self.ps.thread.user = state;
        }
    }

    /// Puts a thread's registers on its stack, and the thread into `LdrInitializeThunk`. `None`: the stack cannot take
    /// them, or nobody is there.
    pub fn put_start(&mut self, ram: &mut dyn Phys, state: &mut UserState) -> Option<()> {
        let arch = self.code_arch(state);
        let entry = self.entries_for(arch).loader;
        if entry == 0 {
            return None;
        }
        let rsp = state.file.get(Reg::Rsp);
        let (at, frame) = match arch {
            Arch::X64 => {
                let context = ContextLayout::new(arch).encode(state, Parts::ALL);
                let at = rsp.wrapping_sub(context.len() as u64) & !15;
                state.file.set(Reg::Rcx, at);
                // The home space and, as after a call, an address.
                (at.wrapping_sub(0x28), [vec![0; 0x28], context].concat())
            }
            Arch::X86 => {
                let context = ContextLayout::new(arch).encode(state, Parts::ALL | Parts::EXTENDED_REGISTERS);
                let at = (rsp as u32).wrapping_sub(context.len() as u32) & !15;
                // An address to return to, and three arguments.
                let words = [0, at, 0, 0].map(u32::to_le_bytes).concat();
                (u64::from(at.wrapping_sub(16)), [words, context].concat())
            }
        };
        self.user_memory(ram, arch.width()).write(at, &frame).ok()?;
        state.file.set(Reg::Rsp, at);
        state.file.set(Reg::Rip, entry);
        Some(())
    }
}
