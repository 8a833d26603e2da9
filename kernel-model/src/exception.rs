//! `KiDispatchException` for user mode: an exception as bytes on the thread's stack, and the thread in ntdll.

use guest::context::{ContextLayout, ExceptionRecord, Parts};
use guest::mem::Width;
use guest::registers::{Reg, UserState};
use guest::{Arch, Fault, GuestMemory};

use crate::kernel::Kernel;
use crate::mm::{Phys, UserMemory};
use crate::ps::{UserEntries, is_64};

/// `EFLAGS.TF`.
const TRAP_FLAG: u64 = 0x100;
/// The frame of a 64-bit exception: `CONTEXT`, `CONTEXT_EX` (since Windows 7), `EXCEPTION_RECORD`, and from 590h on what an
/// interrupt pushes.
const FRAME_64: usize = 0x5c0;
const CONTEXT_EX_64: usize = 0x4d0;
const RECORD_64: usize = 0x4f0;
const RECORD_64_BEFORE_7: usize = 0x4d0;
const MACHINE_FRAME: usize = 0x590;
/// That of a 32-bit one: two pointers, `EXCEPTION_RECORD`, `CONTEXT`, `CONTEXT_EX` (since Windows 7).
const FRAME_32: usize = 0x340;
const RECORD_32: usize = 8;
const CONTEXT_32: usize = 0x58;
const CONTEXT_EX_32: usize = 0x324;
/// `CONTEXT_EX.XState.Offset` where nothing is kept there: the byte behind the structure.
const NO_XSTATE: [u32; 2] = [25, 0];
/// The first version whose frames have a `CONTEXT_EX`.
const FIRST_WITH_CONTEXT_EX: (u32, u32) = (6, 1);

impl Kernel {
    /// The width of the code that a state is of.
    pub fn code_arch(&self, state: &UserState) -> Arch {
        if self.profile.arch == Arch::X64 && is_64(state) { Arch::X64 } else { Arch::X86 }
    }

    /// Where a thread of such code is sent.
    pub fn entries_for(&self, arch: Arch) -> UserEntries {
        let dispatchers = &self.ps.process.dispatchers;
        if arch == self.profile.arch { dispatchers.native } else { dispatchers.wow64 }
    }

    /// Puts an exception on the thread's stack, and the thread into `KiUserExceptionDispatcher`. `state` is what the
    /// handlers are to see.
    ///
    /// # Errors
    /// The stack cannot take it; nothing has changed then. `None`: nobody is there to dispatch it.
    pub fn dispatch_exception(
        &mut self, ram: &mut dyn Phys, state: &mut UserState, record: &ExceptionRecord,
    ) -> Result<(), Option<Fault>> {
        let arch = self.code_arch(state);
        let entry = self.entries_for(arch).exception;
        if entry == 0 {
            return Err(None);
        }
        let (at, frame) = match arch {
            Arch::X64 => self.frame_64(state, record),
            Arch::X86 => self.frame_32(state, record),
        };
        self.user_memory(ram, arch.width()).write(at, &frame)?;
        state.file.set(Reg::Rsp, at);
        self.send_to(state, entry);
        Ok(())
    }

    /// `KeRaiseUserException`: the thread, which returns from a call with `state`, goes to `KiRaiseUserExceptionDispatcher`
    /// instead. 64-bit code finds its return address on the stack, where the stub's `ret` would have; 32-bit code, whose
    /// stubs clean the stack up in several ways, goes back to the stub.
    ///
    /// `None`: nobody is there to raise it, or the stack cannot take it.
    pub fn raise_in(&mut self, ram: &mut dyn Phys, state: &mut UserState) -> Option<()> {
        let arch = self.code_arch(state);
        let entry = Some(self.entries_for(arch).raise).filter(|&entry| entry != 0)?;
        if arch == Arch::X86 {
            let at = u64::from((state.file.get(Reg::Rsp) as u32).wrapping_sub(4));
            let back = state.file.get(Reg::Rip) as u32;
            self.user_memory(ram, arch.width()).write(at, &back.to_le_bytes()).ok()?;
            state.file.set(Reg::Rsp, at);
        }
        state.file.set(Reg::Rip, entry);
        Some(())
    }

    /// Sends a thread to a place in user mode, by way of the process's instrumentation callback.
    pub(crate) fn send_to(&self, state: &mut UserState, entry: u64) {
        let flags = state.file.get(Reg::Rflags);
        state.file.set(Reg::Rflags, flags & !TRAP_FLAG);
        let callback = self.ps.process.dispatchers.instrumentation;
        if callback != 0 && is_64(state) {
            state.file.set(Reg::R10, entry);
            state.file.set(Reg::Rip, callback);
        } else {
            state.file.set(Reg::Rip, entry);
        }
    }

    pub(crate) fn user_memory<'a>(&'a mut self, ram: &'a mut dyn Phys, width: Width) -> UserMemory<'a> {
        UserMemory { memory: &mut self.mm, ram, width, kernel: false }
    }

    fn has_context_ex(&self) -> bool {
        (self.profile.version.0, self.profile.version.1) >= FIRST_WITH_CONTEXT_EX
    }

    fn frame_64(&self, state: &UserState, record: &ExceptionRecord) -> (u64, Vec<u8>) {
        let mut frame = vec![0; FRAME_64];
        let layout = ContextLayout::new(Arch::X64);
        place(&mut frame, 0, &layout.encode(state, Parts::ALL));
        let record_at = if self.has_context_ex() {
            place(&mut frame, CONTEXT_EX_64, &context_ex(layout.size(), CONTEXT_EX_64));
            RECORD_64
        } else {
            RECORD_64_BEFORE_7
        };
        place(&mut frame, record_at, &record.encode(Width::W64));
        let file = &state.file;
        let [rip, rflags, rsp] = [Reg::Rip, Reg::Rflags, Reg::Rsp].map(|reg| file.get(reg));
        let machine = [rip, state.segments.cs.into(), rflags, rsp, state.segments.ss.into()];
        place(&mut frame, MACHINE_FRAME, &machine.map(u64::to_le_bytes).concat());
        (file.get(Reg::Rsp).wrapping_sub(FRAME_64 as u64) & !15, frame)
    }

    fn frame_32(&self, state: &UserState, record: &ExceptionRecord) -> (u64, Vec<u8>) {
        let mut frame = vec![0; FRAME_32];
        let at = (state.file.get(Reg::Rsp) as u32).wrapping_sub(FRAME_32 as u32) & !3;
        let layout = ContextLayout::new(Arch::X86);
        let pointers = [RECORD_32, CONTEXT_32].map(|offset| at.wrapping_add(offset as u32).to_le_bytes());
        place(&mut frame, 0, &pointers.concat());
        place(&mut frame, RECORD_32, &record.encode(Width::W32));
        place(&mut frame, CONTEXT_32, &layout.encode(state, Parts::ALL | Parts::EXTENDED_REGISTERS));
        if self.has_context_ex() {
            place(&mut frame, CONTEXT_EX_32, &context_ex(layout.size(), CONTEXT_EX_32 - CONTEXT_32));
        }
        (at.into(), frame)
    }
}

/// A `CONTEXT_EX` that lies `behind` bytes after its context: where all of it is, the legacy part, and what is beyond.
fn context_ex(size: usize, behind: usize) -> Vec<u8> {
    const SIZE: usize = 24;
    let back = 0_u32.wrapping_sub(behind as u32);
    let chunks = [[back, (behind + SIZE) as u32], [back, size as u32], NO_XSTATE];
    chunks.concat().into_iter().flat_map(u32::to_le_bytes).collect()
}

fn place(frame: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(to) = frame.get_mut(at..at + bytes.len()) {
        to.copy_from_slice(bytes);
    }
}
