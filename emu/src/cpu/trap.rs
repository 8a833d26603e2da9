//! What a client is shown of a trap, a gate and an instruction.

use guest::convention::{Gate, ReturnRegs, TrapRegs};
use guest::mem::Width;

use super::ffi::Engine;
use super::registers::{self, RegisterFile};
use super::ring::Ring0;

/// A system call that has just arrived.
pub struct Trap<'a> {
    /// Where a 64-bit call's registers have been read and are written.
    pub(super) window: Option<&'a mut Ring0>,
    pub(super) engine: &'a Engine,
    /// The registers it reads; a 64-bit call's RDX, R8 and R9 are zero until [`Trap::read_arguments`].
    pub regs: TrapRegs,
    pub(super) gate: Gate,
    /// What the engine adds to RIP when the hook returns.
    pub(super) after: u64,
    /// Base and limit of the interrupt descriptor table, and of the task state segment, where kernel code runs.
    pub(super) tables: [(u64, u32); 2],
    /// CS, RSP and SS, where kernel code runs and an interrupt needs them.
    pub(super) stack: (u16, u64, u16),
    /// Instructions of ring 3 retired, the trapping one included.
    pub retired: u64,
}

impl Trap<'_> {
    /// Reads the second to fourth argument as well: reading a register of the engine costs more than most services
    /// with one argument do.
    #[inline]
    pub fn read_arguments(&mut self) {
        if self.window.is_some() {
            return;
        }
        if self.gate.width() == Width::W64 {
            registers::read_arguments(self.engine, &mut self.regs);
        }
    }

    /// Reads what is not filled in yet of the registers that a system call has.
    pub fn read_registers(&mut self) {
        let (rip, rflags) = (self.regs.rip, self.regs.rflags);
        self.regs = registers::read_trap(self.engine, self.gate, rip);
        self.regs.rflags = rflags;
        self.read_arguments();
    }

    /// How the call came in.
    pub fn gate(&self) -> Gate {
        self.gate
    }

    /// CS, RSP and SS.
    pub fn segments_and_stack(&self) -> (u16, u64, u16) {
        self.stack
    }

    /// Base and limit of the interrupt descriptor table, and of the task state segment.
    pub fn idt_and_tss(&self) -> [(u64, u32); 2] {
        self.tables
    }

    /// Every register, RIP at or after the instruction as the gate has it.
    pub fn registers(&self) -> RegisterFile {
        let mut file = registers::read(self.engine);
        file.set(super::Reg::Rip, self.regs.rip);
        file
    }

    /// Returns from the call.
    #[inline]
    pub fn finish(&mut self, regs: &ReturnRegs) {
        match (&mut self.window, *regs) {
            (Some(window), ReturnRegs::Sysret { rax, rcx, rdx, r8, r9, r10, r11 }) => {
                window.sysret(self.engine, &[rax, rcx, rdx, r8, r9, r10, r11]);
            }
            _ => registers::write_return(self.engine, regs, Some((self.regs.rip, self.after))),
        }
    }
}

/// An instruction that is about to run.
pub struct Insn<'a> {
    pub(super) engine: &'a Engine,
    /// Its address.
    pub address: u64,
    /// Its length in bytes.
    pub size: u32,
}

impl Insn<'_> {
    /// The general registers before it.
    pub fn registers(&self) -> RegisterFile {
        registers::read_general(self.engine)
    }

    /// 64 or 32: how it is decoded.
    pub fn bits(&self) -> u32 {
        registers::bits(self.engine)
    }

    /// The ring it runs in.
    pub fn ring(&self) -> u8 {
        registers::mode(self.engine).1
    }
}

/// A call of the model from ring 0, through one of its gates.
pub struct KernelCall<'a> {
    pub(super) engine: &'a Engine,
    /// The general registers in the order of their numbers: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
    pub general: [u64; 16],
    /// Instructions of ring 3 retired.
    pub retired: u64,
}

impl KernelCall<'_> {
    /// Returns a value in RAX.
    #[inline]
    pub fn finish(&mut self, rax: u64) {
        Ring0::set_rax(self.engine, rax);
    }
}
