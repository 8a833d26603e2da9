//! The calling conventions of the gates: where number and arguments are, and what a return leaves.
//!
//! Only this module and the CPU wrapper know registers. Source: the dispatch as publicly analysed,
//! KiSystemCall64 and KiSystemServiceExit of Windows 10.

use std::fmt;

/// How guest code entered the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gate {
    /// `syscall` from 64-bit code.
    Syscall,
    /// `int 2Eh` from 64-bit code.
    Int2e,
}

impl Gate {
    /// The name in traces.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syscall => "syscall",
            Self::Int2e => "int2e",
        }
    }

    /// Bytes of the trapping instruction (`0F 05`, `CD 2E`).
    pub const fn instruction_len(self) -> u64 {
        2
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The user registers a 64-bit trap reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct TrapRegs {
    pub rax: u64,
    pub rdx: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub rsp: u64,
    pub rbp: u64,
    pub rflags: u64,
    /// The address after the trapping instruction.
    pub rip: u64,
}

/// The user registers a 64-bit return writes; XMM0-5 become zero and nothing else changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct ReturnRegs {
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
}

/// Offset of the first stack argument from RSP at a 64-bit trap: return address and home space.
const STACK_ARGS: u64 = 0x28;

impl TrapRegs {
    /// The service number: EAX.
    pub const fn number(&self) -> u32 {
        self.rax as u32
    }

    /// Arguments one to four. KiSystemCall64 moves R10 into RCX.
    pub const fn register_args(&self) -> [u64; 4] {
        [self.r10, self.rdx, self.r8, self.r9]
    }

    /// The address of argument five.
    pub const fn stack_args(&self) -> u64 {
        self.rsp.wrapping_add(STACK_ARGS)
    }

    /// What KiSystemServiceExit leaves by `sysretq`, whichever of the two gates was used. R9 is RBP, or 0 on the
    /// builds that leave it so.
    pub const fn on_return(&self, status: u64, r9_is_rbp: bool) -> ReturnRegs {
        let r9 = if r9_is_rbp { self.rbp } else { 0 };
        ReturnRegs { rax: status, rcx: self.rip, rdx: 0, r8: self.rsp, r9, r10: 0, r11: self.rflags }
    }
}

/// Bits 12-13 of a service number pick the table.
pub const fn table_bits(number: u32) -> u32 {
    (number >> 12) & 3
}

/// Bits 0-11 pick the row.
pub const fn row_bits(number: u32) -> usize {
    (number & 0xfff) as usize
}
