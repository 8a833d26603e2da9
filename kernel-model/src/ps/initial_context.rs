//! How a thread starts in ntdll's loader: with a `CONTEXT` that it goes on with afterwards.

use guest::context::{ContextLayout, Parts};
use guest::registers::{Reg, Segments, UserState};
use guest::{Arch, NtStatus};

use crate::mm::{Memory, Phys};

/// What a thread goes on with once the loader is done.
#[derive(Clone, Copy, Debug)]
pub struct InitialContext {
    /// The code's architecture.
    pub arch: Arch,
    /// The end of its stack.
    pub stack_base: u64,
    /// `RtlUserThreadStart`.
    pub start: u64,
    /// What that gets: a routine and its argument.
    pub words: [u64; 2],
}

/// Writes the `CONTEXT` at the top of a thread's stack; where it is, and the stack pointer to start with.
///
/// `STATUS_NO_MEMORY` where the stack is not there.
pub fn write_initial_context(
    memory: &mut Memory, ram: &mut dyn Phys, initial: &InitialContext,
) -> Result<(u64, u64), NtStatus> {
    let layout = ContextLayout::new(initial.arch);
    let mut state = UserState { segments: Segments::of(initial.arch), ..UserState::default() };
    // As after a call: the stack is 8 below a multiple of 16, and there is home space above.
    let (first, second, below) = match initial.arch {
        Arch::X64 => (Reg::Rcx, Reg::Rdx, 0x28),
        Arch::X86 => (Reg::Rax, Reg::Rbx, 0x10),
    };
    let [routine, argument] = initial.words;
    let registers = [
        (Reg::Rip, initial.start),
        (Reg::Rsp, initial.stack_base - below),
        (Reg::Rflags, 0x202),
        (first, routine),
        (second, argument),
    ];
    registers.into_iter().for_each(|(register, value)| state.file.set(register, value));
    let bytes = layout.encode(&state, Parts::ALL);
    let at = (initial.stack_base - below - 0x20 - bytes.len() as u64) & !0x3f;
    if memory.poke(ram, at, &bytes) != bytes.len() {
        return Err(NtStatus::NO_MEMORY);
    }
    Ok((at, at - below))
}
