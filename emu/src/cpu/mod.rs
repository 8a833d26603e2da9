//! The CPU: Unicorn behind a small interface. The one place with `unsafe` in it.
//!
//! A [`Cpu`] runs user code at CPL 3 until an [`Exit`]. Its page tables are the [`Client`]'s: every first touch of
//! a page asks [`Client::translate`], the answer stays in the engine's TLB until [`Cpu::flush_tlb`].
//! Instructions are counted by block. What is known of the engine's traps is written where the code meets
//! them.

#![allow(unsafe_code, reason = "the engine is a C library; each block says why it is sound")]

mod blocks;
mod boot;
mod engine;
mod exceptions;
mod ffi;
mod hooks;
mod identity;
mod ram;
mod registers;
mod strings;

use guest::Fault;
use guest::convention::Gate;
use guest::mem::Access;

pub use engine::{Cpu, CpuError, Options};
pub use hooks::{Insn, Trap};
pub use ram::Ram;
pub use registers::{Reg, RegisterFile};

/// Why the CPU stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// `syscall`, after which RIP points. The client's [`Client::trap`] has said so.
    Syscall,
    /// `sysenter`, after which RIP points. On a 32-bit kernel that has it the client's [`Client::trap`] has said so.
    Sysenter,
    /// `syscall` from 32-bit code, or `int 2Eh` from 32-bit code on a 64-bit kernel; RIP points after it.
    Foreign,
    /// `int n`, after which RIP points.
    Interrupt(u8),
    /// A CPU exception by its vector; RIP points at the instruction.
    Exception(u8),
    /// A page refused an access; RIP points at the instruction.
    Memory(Fault),
    /// `#UD`: no such instruction on this CPU; RIP points at it.
    InvalidInstruction,
    /// The instruction budget is used up.
    Budget,
}

/// What happens after a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The program goes on after the trapping instruction.
    Resume,
    /// [`Cpu::run`] returns.
    Stop,
}

/// A page as the engine maps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The physical address of its first byte.
    pub physical: u64,
    /// Loads are allowed.
    pub read: bool,
    /// Stores are allowed.
    pub write: bool,
    /// Fetches are allowed.
    pub execute: bool,
}

impl Page {
    /// Whether an access is allowed.
    pub fn allows(&self, access: Access) -> bool {
        match access {
            Access::Read => self.read,
            Access::Write => self.write,
            Access::Execute => self.execute,
        }
    }
}

/// The machine around a CPU.
pub trait Client {
    /// The page at a user address.
    fn translate(&mut self, va: u64, access: Access) -> Result<Page, Fault>;

    /// Code bytes at an address, without side effects; how many could be read.
    fn code(&mut self, va: u64, buf: &mut [u8]) -> usize;

    /// A system call through one of the gates.
    fn trap(&mut self, gate: Gate, trap: &mut Trap<'_>) -> Flow;

    /// The time-stamp counter when this many instructions have retired.
    fn tsc(&self, retired: u64) -> u64 {
        retired
    }

    /// An instruction is about to run. Only asked with [`Cpu::trace_instructions`].
    fn instruction(&mut self, _insn: &Insn<'_>) {}
}
