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
mod ring;
mod shared;
mod strings;
mod trap;

use guest::Fault;
use guest::FaultKind;
use guest::convention::Gate;
use guest::mem::Access;
use guest::system::KernelGate;

pub use boot::descriptors;
pub use engine::{Cpu, CpuError, Options};
pub(crate) use ram::LoadProcess;
pub use ram::Ram;
pub use registers::{Reg, RegisterFile, UserState};
pub use ring::{Entry, Msr};
pub use trap::{Insn, KernelCall, Trap};

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
    /// Kernel code has called the model; RIP points after the call. The client's [`Client::kernel_gate`] has said so.
    KernelGate(KernelGate),
    /// Ring 3 goes on after ring 0; RIP points at its first instruction. The client's [`Client::left_kernel`] has said so.
    LeftKernel,
    /// `hlt` in ring 0, after which RIP points.
    Halted,
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

    /// The page at an address as ring 0 may use it. Asked where kernel code runs ([`Options::ring_0`]).
    /// `ac`: the flag that lets ring 0 touch user pages under SMAP is set.
    fn translate_kernel(&mut self, va: u64, access: Access, _ac: bool) -> Result<Page, Fault> {
        Err(Fault { va, access, kind: FaultKind::NotMapped })
    }

    /// A system call where kernel code runs. `entry` is where the CPU's registers lead; for an `int 2Eh` there is none,
    /// and the client finds it in the IDT and writes the frame. Of the registers only RIP and RFLAGS are filled in.
    /// `None`: [`Cpu::run`] returns.
    fn enter_kernel(&mut self, _trap: &mut Trap<'_>, entry: Option<Entry>) -> Option<Entry> {
        entry
    }

    /// Kernel code calls the model.
    fn kernel_gate(&mut self, _gate: KernelGate, _call: &mut KernelCall<'_>) -> Flow {
        Flow::Stop
    }

    /// Ring 3 goes on after ring 0, with this instruction.
    fn left_kernel(&mut self, _insn: &Insn<'_>) -> Flow {
        Flow::Resume
    }

    /// The time-stamp counter when this many instructions have retired.
    fn tsc(&self, retired: u64) -> u64 {
        retired
    }

    /// An instruction is about to run. Only asked with [`Cpu::trace_instructions`].
    fn instruction(&mut self, _insn: &Insn<'_>) {}
}
