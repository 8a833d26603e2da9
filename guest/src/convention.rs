//! The calling conventions of the gates: where number and arguments are, and what a return leaves.
//!
//! Only this module and the CPU wrapper know registers. Source: the dispatch as publicly analysed,
//! KiSystemCall64 and KiSystemServiceExit of Windows 10, KiFastCallEntry, KiSystemService and KiServiceExit of
//! XP to 10 x86.

use std::fmt;

use crate::mem::Width;

/// How guest code entered the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gate {
    /// `syscall` from 64-bit code.
    Syscall,
    /// `int 2Eh` from 64-bit code.
    Int2e,
    /// `sysenter` from 32-bit code on a 32-bit kernel.
    Sysenter,
    /// `int 2Eh` from 32-bit code on a 32-bit kernel.
    Int2e32,
}

impl Gate {
    /// The name in traces and in the data.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syscall => "syscall",
            Self::Sysenter => "sysenter",
            Self::Int2e | Self::Int2e32 => "int2e",
        }
    }

    /// Bytes of the trapping instruction (`0F 05`, `0F 34`, `CD 2E`).
    pub const fn instruction_len(self) -> u64 {
        2
    }

    /// The instruction.
    pub const fn instruction(self) -> [u8; 2] {
        match self {
            Self::Syscall => [0x0f, 0x05],
            Self::Sysenter => [0x0f, 0x34],
            Self::Int2e | Self::Int2e32 => [0xcd, 0x2e],
        }
    }

    /// How wide the caller's arguments and pointers are.
    pub const fn width(self) -> Width {
        match self {
            Self::Syscall | Self::Int2e => Width::W64,
            Self::Sysenter | Self::Int2e32 => Width::W32,
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The user registers a trap reads. R8 to R10 are 64-bit code's.
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

/// The user registers a return writes. Nothing else changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ReturnRegs {
    /// `sysretq`: XMM0-5 become zero as well.
    Sysret { rax: u64, rcx: u64, rdx: u64, r8: u64, r9: u64, r10: u64, r11: u64 },
    /// `sysexit`: goes on at `edx`, with the stack at `ecx`.
    Sysexit { eax: u32, ecx: u32, edx: u32 },
    /// `iretd`: what the way out leaves in ECX and EDX.
    Iret { eax: u32, ecx: u32, edx: u32 },
}

/// What returns depend on beside the call: the build's and the process's constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReturnRules {
    /// `sysretq` leaves RBP in R9; otherwise 0.
    pub r9_is_rbp: bool,
    /// Where `sysexit` goes: `KiFastSystemCallRet`.
    pub sysexit_to: u32,
}

/// Offset of the first stack argument from RSP at a 64-bit trap: return address and home space.
const STACK_ARGS: u64 = 0x28;
/// Offset of the first argument from EDX at a `sysenter`: two return addresses. `int 2Eh` has EDX at it.
const SYSENTER_ARGS: u32 = 8;
/// `EXCEPTION_CHAIN_END`: the processor's exception list while user code runs, which KiServiceExit leaves in EDX.
const CHAIN_END: u32 = 0xffff_ffff;
/// `UserMode`: the previous mode that a trap frame from user mode has, which KiServiceExit leaves in ECX.
const USER_MODE: u32 = 1;

impl TrapRegs {
    /// The service number: EAX.
    pub const fn number(&self) -> u32 {
        self.rax as u32
    }

    /// Arguments one to four of a 64-bit call. KiSystemCall64 moves R10 into RCX.
    pub const fn register_args(&self) -> [u64; 4] {
        [self.r10, self.rdx, self.r8, self.r9]
    }

    /// The address of the arguments that are in memory: from the fifth on, or all of a 32-bit call.
    pub const fn memory_args(&self, gate: Gate) -> u64 {
        match gate {
            Gate::Syscall | Gate::Int2e => self.rsp.wrapping_add(STACK_ARGS),
            Gate::Sysenter => (self.rdx as u32).wrapping_add(SYSENTER_ARGS) as u64,
            Gate::Int2e32 => self.rdx as u32 as u64,
        }
    }

    /// What the exit leaves: KiSystemServiceExit by `sysretq`, whichever of the two 64-bit gates was used;
    /// KiServiceExit2 by `sysexit`, with the stack where EDX was; KiServiceExit by `iretd`.
    ///
    /// What `iretd` leaves in ECX and EDX is XP's; later builds are taken to do the same.
    #[inline]
    pub const fn on_return(&self, gate: Gate, status: u32, rules: ReturnRules) -> ReturnRegs {
        match gate {
            Gate::Syscall | Gate::Int2e => ReturnRegs::Sysret {
                rax: status as u64,
                rcx: self.rip,
                rdx: 0,
                r8: self.rsp,
                r9: if rules.r9_is_rbp { self.rbp } else { 0 },
                r10: 0,
                r11: self.rflags,
            },
            Gate::Sysenter => ReturnRegs::Sysexit { eax: status, ecx: self.rdx as u32, edx: rules.sysexit_to },
            Gate::Int2e32 => ReturnRegs::Iret { eax: status, ecx: USER_MODE, edx: CHAIN_END },
        }
    }
}

/// Bits 0-11 pick the row.
pub const fn row_bits(number: u32) -> usize {
    (number & 0xfff) as usize
}
