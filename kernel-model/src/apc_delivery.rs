//! `KiDeliverApc` for user mode: an APC as bytes on the thread's stack, and the thread in ntdll.

use guest::context::{ContextLayout, Parts};
use guest::mem::Width;
use guest::registers::{Reg, UserState};
use guest::{Arch, GuestMemory, NtStatus};

use crate::cx::{Cx, Outside};
use crate::kernel::Kernel;
use crate::mm::Phys;
use crate::ps::wow64_context;

/// The frame of a 64-bit APC: `CONTEXT`, in whose home space routine and arguments are, and what an interrupt pushes.
const MACHINE_FRAME: usize = 0x4d0;
const FRAME_64: usize = 0x500;
/// Where the routine is in the home space, behind its three arguments.
const P4_HOME: usize = 0x18;
/// That of a 32-bit one: the routine, its three arguments, `CONTEXT`.
const CONTEXT_32: usize = 0x10;

impl Kernel {
    /// The running thread goes back to user mode with `state`: its next APC, if one is to be delivered, goes on its stack,
    /// and the thread into `KiUserApcDispatcher`. Whether that was so.
    ///
    /// A stack that cannot take it loses the APC, and the thread goes on.
    pub fn deliver_apc(&mut self, ram: &mut dyn Outside, state: &mut UserState) -> bool {
        let thread = &mut self.ps.thread;
        if !std::mem::take(&mut thread.apc_pending) {
            return false;
        }
        let Some(apc) = thread.apcs.pop_front() else { return false };
        if let Some(timer) = apc.timer {
            self.timer_apc_delivered(timer);
            self.run_down();
        }
        let thread = &mut self.ps.thread;
        // More special ones do not wait.
        thread.apc_pending = thread.apcs.iter().any(|apc| apc.special);
        let arch = self.code_arch(state);
        if arch == Arch::X64 && self.ps.process.wow64_peb.is_some() && apc.is_narrow() {
            let mut cx = Cx { kernel: self, ram };
            return wow64_context::interrupt(&mut cx, apc.words).is_ok();
        }
        self.put_apc(ram, state, apc.words).is_some()
    }

    /// Puts an APC on the stack of a thread with this state.
    pub(crate) fn put_apc(&mut self, ram: &mut dyn Phys, state: &mut UserState, words: [u64; 4]) -> Option<()> {
        let arch = self.code_arch(state);
        let entry = self.entries_for(arch).apc;
        if entry == 0 {
            return None;
        }
        let wine = self.is_wine_root();
        let (at, frame) = match arch {
            Arch::X64 if wine => return self.put_wine_apc(ram, state, words, entry),
            Arch::X64 => frame_64(state, words),
            Arch::X86 if wine => wine_frame_32(state, words),
            Arch::X86 => frame_32(state, words),
        };
        self.user_memory(ram, arch.width()).write(at, &frame).ok()?;
        state.file.set(Reg::Rsp, at);
        self.send_to(state, entry);
        Some(())
    }
}

/// The frame that Wine's `KiUserApcDispatcher` wants: home space, the routine, `CONTEXT`, where the thread was.
const WINE_CONTEXT: usize = 0x30;
const WINE_FRAME: usize = 0x510;
/// What it stores below the thread's stack pointer.
const WINE_BELOW: u64 = 0x10;

impl Kernel {
    fn put_wine_apc(&mut self, ram: &mut dyn Phys, state: &mut UserState, words: [u64; 4], entry: u64) -> Option<()> {
        let [routine, a, b, c] = words;
        let mut frame = vec![0; WINE_CONTEXT];
        frame.splice(0x20..0x28, routine.to_le_bytes());
        frame.extend(ContextLayout::new(Arch::X64).encode(state, Parts::ALL));
        frame.resize(WINE_FRAME, 0);
        let at = state.file.get(Reg::Rsp).wrapping_sub(WINE_BELOW + WINE_FRAME as u64) & !15;
        self.user_memory(ram, Arch::X64.width()).write(at, &frame).ok()?;
        let context = at.wrapping_add(WINE_CONTEXT as u64);
        let arguments =
            [(Reg::Rsp, at.wrapping_sub(8)), (Reg::Rcx, context), (Reg::Rdx, a), (Reg::R8, b), (Reg::R9, c)];
        arguments.into_iter().for_each(|(register, value)| state.file.set(register, value));
        self.send_to(state, entry);
        Some(())
    }
}

fn frame_64(state: &UserState, [routine, a, b, c]: [u64; 4]) -> (u64, Vec<u8>) {
    let mut frame = ContextLayout::new(Arch::X64).encode(state, Parts::ALL);
    frame.resize(FRAME_64, 0);
    let mut place = |at: usize, words: &[u64]| {
        for (place, word) in frame.iter_mut().skip(at).zip(words.iter().flat_map(|w| w.to_le_bytes())) {
            *place = word;
        }
    };
    place(0, &[a, b, c]);
    place(P4_HOME, &[routine]);
    let [rip, flags, rsp] = [Reg::Rip, Reg::Rflags, Reg::Rsp].map(|reg| state.file.get(reg));
    place(MACHINE_FRAME, &[rip, state.segments.cs.into(), flags, rsp, state.segments.ss.into()]);
    (rsp.wrapping_sub(FRAME_64 as u64) & !15, frame)
}

/// What Wine's `KiUserApcDispatcher` has on the stack of 32-bit code: an address to return to, where the `CONTEXT` is, three
/// arguments, the routine; then the `CONTEXT`.
fn wine_frame_32(state: &UserState, [routine, a, b, c]: [u64; 4]) -> (u64, Vec<u8>) {
    const WORDS: u64 = 24;
    let context = ContextLayout::new(Arch::X86).encode(state, Parts::ALL | Parts::EXTENDED_REGISTERS);
    let esp = state.file.get(Reg::Rsp) as u32 as u64;
    let at = esp.wrapping_sub(WORDS + context.len() as u64) & 0xffff_fff0;
    let words = [0, at + WORDS, a, b, c, routine];
    let mut frame: Vec<u8> = words.iter().flat_map(|word| (*word as u32).to_le_bytes()).collect();
    frame.extend(context);
    (at, frame)
}

fn frame_32(state: &UserState, words: [u64; 4]) -> (u64, Vec<u8>) {
    let context = ContextLayout::new(Arch::X86).encode(state, Parts::ALL | Parts::EXTENDED_REGISTERS);
    let mut frame: Vec<u8> = words.iter().flat_map(|word| (*word as u32).to_le_bytes()).collect();
    frame.resize(CONTEXT_32, 0);
    frame.extend(context);
    let at = (state.file.get(Reg::Rsp) as u32).wrapping_sub(frame.len() as u32) & !3;
    (at.into(), frame)
}

impl crate::ps::Apc {
    /// Whether 32-bit code of a WOW64 process can have queued it for itself: everything fits.
    fn is_narrow(&self) -> bool {
        self.words.iter().all(|word| u32::try_from(*word).is_ok())
    }
}

impl Cx<'_> {
    /// Puts an APC on the 32-bit stack of a thread whose 32-bit registers are `state`.
    ///
    /// `STATUS_ACCESS_VIOLATION` where the stack cannot take it.
    pub(crate) fn put_narrow_apc(&mut self, state: &mut UserState, words: [u64; 4]) -> Result<(), NtStatus> {
        debug_assert_eq!(self.kernel.code_arch(state).width(), Width::W32);
        self.kernel.put_apc(self.ram, state, words).ok_or(NtStatus::ACCESS_VIOLATION)
    }
}
