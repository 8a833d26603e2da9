//! Exceptions in words and numbers: what an exit of the CPU is to the program that caused it.

use guest::{FaultKind, NtStatus};
use iced_x86::{Decoder, DecoderOptions, Mnemonic};

use super::end::Crash;
use super::ring0::Raised;
use super::{Machine, code_at};
use crate::cpu::{Exit, Reg};

impl Machine {
    /// What was raised just now.
    pub(super) fn raised(&self, exit: Exit) -> Raised {
        Raised { exit, registers: self.cpu.registers(), bits: self.cpu.bits() }
    }

    /// Describes an exception.
    pub(super) fn describe_exception(&self, raised: &Raised) -> Crash {
        let mut registers = raised.registers;
        let (code, back, what, information) = self.exception(raised);
        let address = registers.get(Reg::Rip).wrapping_sub(back);
        registers.set(Reg::Rip, address);
        let place = self.world.modules.describe(address);
        Crash { code, address, place, what, information, bits: raised.bits, registers }
    }

    /// Code, how far RIP is past the instruction, words, and `ExceptionInformation`.
    pub(super) fn exception(&self, raised: &Raised) -> (NtStatus, u64, String, Vec<u64>) {
        let rip = raised.registers.get(Reg::Rip);
        let plain = |status: NtStatus, what: &str| (status, 0, what.to_string(), Vec::new());
        // What the CPU refuses with #GP and no page is to blame for: information -1.
        let refused = |back: u64, what: String| (NtStatus::ACCESS_VIOLATION, back, what, vec![0, u64::MAX]);
        match raised.exit {
            Exit::Memory(fault) => {
                let what = format!("{} {:#x}: {}", fault.access.verb(), fault.va, why(fault.kind));
                (fault.status(), 0, what, vec![fault.access as u64, fault.va])
            }
            Exit::InvalidInstruction => plain(NtStatus::ILLEGAL_INSTRUCTION, "an instruction this CPU does not have"),
            Exit::Exception(0) => plain(NtStatus::INTEGER_DIVIDE_BY_ZERO, "division by zero, or its result too large"),
            Exit::Exception(1) => plain(NtStatus::SINGLE_STEP, "a single step"),
            Exit::Exception(13) if self.is_privileged(rip, raised.bits) => {
                plain(NtStatus::PRIVILEGED_INSTRUCTION, "a privileged instruction")
            }
            Exit::Exception(16) => plain(NtStatus::FLOAT_INVALID_OPERATION, "an x87 floating-point exception"),
            Exit::Exception(17) => plain(NtStatus::DATATYPE_MISALIGNMENT, "a misaligned access"),
            Exit::Exception(19) => plain(NtStatus::FLOAT_MULTIPLE_FAULTS, "an SSE floating-point exception"),
            Exit::Exception(vector) => refused(0, format!("general protection (vector {vector})")),
            Exit::Interrupt(3) => (NtStatus::BREAKPOINT, 1, "a breakpoint".into(), vec![0]),
            Exit::Interrupt(0x29) => {
                let code = raised.registers.get(Reg::Rcx);
                (NtStatus::STACK_BUFFER_OVERRUN, 2, format!("fast fail, code {}", code as u32), vec![code])
            }
            Exit::Interrupt(0x2c) => (NtStatus::ASSERTION_FAILURE, 2, "an assertion".into(), Vec::new()),
            Exit::Interrupt(0x2d) => (NtStatus::BREAKPOINT, 2, "a debug service with no debugger".into(), vec![0]),
            Exit::Interrupt(vector) => refused(2, format!("int {vector:#x}, which user mode may not use")),
            Exit::Sysenter => refused(2, "sysenter, which this kernel does not have".into()),
            Exit::Foreign => (
                NtStatus::ILLEGAL_INSTRUCTION,
                2,
                "a system call by 32-bit code, which this kernel does not take".into(),
                Vec::new(),
            ),
            Exit::Syscall | Exit::Budget | Exit::KernelGate(_) | Exit::LeftKernel | Exit::Halted => {
                plain(NtStatus::INTERNAL_ERROR, "an exit that is no exception")
            }
        }
    }

    /// Whether the instruction that raised #GP is one that only ring 0 may use.
    fn is_privileged(&self, rip: u64, bits: u32) -> bool {
        let mut code = [0; 15];
        let len = code_at(&self.world.kernel, &self.world.ram, rip, &mut code);
        let insn = Decoder::with_ip(bits, code.get(..len).unwrap_or(&[]), rip, DecoderOptions::NONE).decode();
        let system_register = |n: u32| {
            n < insn.op_count() && {
                let r = insn.op_register(n);
                r.is_cr() || r.is_dr()
            }
        };
        insn.is_privileged()
            || matches!(insn.mnemonic(), Mnemonic::In | Mnemonic::Out | Mnemonic::Cli | Mnemonic::Sti | Mnemonic::Hlt)
            || matches!(insn.mnemonic(), Mnemonic::Insb | Mnemonic::Insd | Mnemonic::Outsb | Mnemonic::Outsd)
            || system_register(0)
            || system_register(1)
    }
}

fn why(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::NotMapped => "nothing is mapped there",
        FaultKind::Protection => "the page's protection forbids it",
        FaultKind::Guard => "a guard page",
        FaultKind::StackEnd => "the stack has no room to grow",
        FaultKind::KernelRange => "an address of the kernel",
        FaultKind::Misaligned => "misaligned",
        FaultKind::NoMemory => "no memory left",
    }
}
