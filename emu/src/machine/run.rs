//! The run loop: from exit to exit.

use guest::{Fault, FaultKind, NtStatus};
use iced_x86::{Decoder, DecoderOptions, Mnemonic};
use kernel_model::kernel::WaitEnd;
use kernel_model::service::{Wait, WaitObject};
use kernel_model::{Answer, Call};

use super::end::{Crash, End};
use super::world::Pending;
use super::{Machine, MachineError, code_at};
use crate::cpu::{Exit, Reg};
use crate::loader::update_kuser;
use crate::trace::{CallEnd, View};

impl Machine {
    /// Runs until the process ends, or something else does. A machine that has ended stays ended.
    pub fn run(&mut self) -> Result<End, MachineError> {
        if let Some(end) = &self.ended {
            return Ok(end.clone());
        }
        let end = self.run_inner()?;
        self.ended = Some(end.clone());
        self.drain_console();
        if let Some(observer) = &mut self.world.observer {
            let view = View { kernel: &self.world.kernel, ram: &self.world.ram, modules: &self.world.modules };
            observer.end(&view, &end, self.cpu.retired());
        }
        Ok(end)
    }

    fn run_inner(&mut self) -> Result<End, MachineError> {
        loop {
            let tick = self.cpu.retired().saturating_add(self.world.kernel.clock.instructions_to_tick());
            let exit = self.cpu.run(&mut self.world, tick.min(self.max_instructions))?;
            self.world.kernel.clock.instructions = self.cpu.retired();
            let end = match exit {
                Exit::Syscall | Exit::Interrupt(0x2e) => self.after_trap(),
                Exit::Sysenter if self.world.pending.is_some() => self.after_trap(),
                Exit::Budget if self.cpu.retired() >= self.max_instructions => Some(End::Budget),
                Exit::Budget => {
                    self.tick();
                    None
                }
                Exit::Memory(fault) if self.fix_up(fault) => None,
                other => Some(End::Crash(Box::new(self.crash(other)))),
            };
            self.forget();
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// Sends guest code that expects faults on to where it handles them.
    fn fix_up(&mut self, fault: Fault) -> bool {
        let rip = self.cpu.registers().get(Reg::Rip);
        let Some(fixup) = self.fixup.as_ref().filter(|f| f.code.contains(&rip)) else { return false };
        let handler = fixup.handler;
        let mut registers = self.cpu.registers();
        registers.set(Reg::Rax, fault.status().0.into());
        registers.set(Reg::Rip, handler);
        self.cpu.set_registers(&registers);
        true
    }

    /// The clock interrupt: what user mode sees of the time moves on.
    fn tick(&mut self) {
        update_kuser(&mut self.world.kernel, &mut self.world.ram);
    }

    fn drain_console(&mut self) {
        for (stream, bytes) in self.world.kernel.console.take_output() {
            self.world.console.write(stream, &bytes);
        }
    }

    /// Finishes the call that the engine stopped at.
    fn after_trap(&mut self) -> Option<End> {
        let mut pending = self.world.pending.take()?;
        loop {
            self.drain_console();
            match pending.answer.clone() {
                Answer::Status(status) => return self.return_from(&pending, status),
                Answer::NotImplemented(what) => {
                    if let Some(end) = self.not_implemented(&pending, what.as_deref()) {
                        return Some(end);
                    }
                    return self.return_from(&pending, NtStatus::NOT_IMPLEMENTED);
                }
                Answer::Blocked(wait) => match self.world.kernel.finish_wait(&wait) {
                    WaitEnd::Status(status) => {
                        self.tick();
                        return self.return_from(&pending, status);
                    }
                    WaitEnd::Deadlock => return Some(self.deadlock(&pending, &wait)),
                },
                Answer::NeedInput => {
                    let bytes = self.world.console.read(self.world.kernel.console.wanted());
                    self.world.kernel.console.supply(&bytes);
                    let row = pending.row?;
                    pending.answer = self.world.kernel.execute(&mut self.world.ram, &row, &pending.call);
                }
                Answer::ProcessExit(status) => {
                    self.observe_end(&pending, None);
                    return Some(End::Exit(status));
                }
            }
        }
    }

    fn return_from(&mut self, pending: &Pending, status: NtStatus) -> Option<End> {
        let regs = self.world.kernel.return_regs(&pending.call, status);
        self.cpu.finish_trap(&regs);
        self.observe_end(pending, Some(status));
        None
    }

    fn observe_end(&mut self, pending: &Pending, status: Option<NtStatus>) {
        let Some(observer) = &mut self.world.observer else { return };
        let after = status.map(|_| self.cpu.registers());
        let view = View { kernel: &self.world.kernel, ram: &self.world.ram, modules: &self.world.modules };
        let end = CallEnd {
            call: &pending.call,
            row: pending.row.as_ref(),
            answer: &pending.answer,
            status,
            before: pending.before.as_ref(),
            after: after.as_ref(),
            retired: self.cpu.retired(),
        };
        observer.call_end(&view, &end);
    }

    /// Says once, aloud, that something is missing, and counts it.
    fn not_implemented(&mut self, pending: &Pending, what: Option<&str>) -> Option<End> {
        let name = pending.row.map_or("?", |r| r.info.name);
        let gap = match what {
            Some(parameter) => format!("{name}: {parameter} is not supported"),
            None => format!("{name}: nobody wrote this service yet"),
        };
        let view = View { kernel: &self.world.kernel, ram: &self.world.ram, modules: &self.world.modules };
        let line = format!("{gap}; {}", view.call_text(&pending.call, pending.row.as_ref()));
        *self.world.stats.missing.entry(gap).or_default() += 1;
        if self.world.strict {
            self.observe_end(pending, None);
            return Some(End::Strict(line));
        }
        self.world.console.note(&format!("{line} = STATUS_NOT_IMPLEMENTED"));
        None
    }

    fn deadlock(&self, pending: &Pending, wait: &Wait) -> End {
        let kernel = &self.world.kernel;
        let on = match wait.on {
            WaitObject::Delay => "time, for ever".to_string(),
            WaitObject::Object(id) => {
                let id = kernel_model::ob::ObjectId(id);
                let kind = kernel.ob.type_of(id).map_or("object", |t| t.name());
                let name = kernel.ob.path_of(id).filter(|_| kernel.ob.get(id).is_some_and(|o| o.name.is_some()));
                name.map_or(format!("an unnamed {kind}"), |n| format!("{kind} {n}"))
            }
        };
        let thread = &kernel.ps.thread;
        let place = self.world.modules.describe(pending.call.regs.rip);
        let service = pending.row.map_or("?", |r| r.info.name);
        End::Deadlock(format!(
            "thread {:#x} of process {:#x} waits for {on} ({service} at {place}), and no other thread or timer can end it",
            thread.id.0, thread.process.0
        ))
    }

    /// Describes an exit that is an exception, and ends the process with its code.
    fn crash(&mut self, exit: Exit) -> Crash {
        let mut registers = self.cpu.registers();
        let rip = registers.get(Reg::Rip);
        let (code, back, what, information) = self.exception(exit, rip);
        let address = rip.wrapping_sub(back);
        registers.set(Reg::Rip, address);
        self.world.kernel.ps.process.exit_status = code;
        let place = self.world.modules.describe(address);
        Crash { code, address, place, what, information, bits: self.cpu.bits(), registers }
    }

    /// Code, how far RIP is past the instruction, words, and `ExceptionInformation`.
    fn exception(&self, exit: Exit, rip: u64) -> (NtStatus, u64, String, Vec<u64>) {
        let plain = |status: NtStatus, what: &str| (status, 0, what.to_string(), Vec::new());
        // What the CPU refuses with #GP and no page is to blame for: information -1.
        let refused = |back: u64, what: String| (NtStatus::ACCESS_VIOLATION, back, what, vec![0, u64::MAX]);
        match exit {
            Exit::Memory(fault) => {
                let what = format!("{} {:#x}: {}", fault.access.verb(), fault.va, why(fault.kind));
                (fault.status(), 0, what, vec![fault.access as u64, fault.va])
            }
            Exit::InvalidInstruction => plain(NtStatus::ILLEGAL_INSTRUCTION, "an instruction this CPU does not have"),
            Exit::Exception(0) => plain(NtStatus::INTEGER_DIVIDE_BY_ZERO, "division by zero, or its result too large"),
            Exit::Exception(1) => plain(NtStatus::SINGLE_STEP, "a single step"),
            Exit::Exception(13) if self.is_privileged(rip) => {
                plain(NtStatus::PRIVILEGED_INSTRUCTION, "a privileged instruction")
            }
            Exit::Exception(16) => plain(NtStatus::FLOAT_INVALID_OPERATION, "an x87 floating-point exception"),
            Exit::Exception(17) => plain(NtStatus::DATATYPE_MISALIGNMENT, "a misaligned access"),
            Exit::Exception(19) => plain(NtStatus::FLOAT_MULTIPLE_FAULTS, "an SSE floating-point exception"),
            Exit::Exception(vector) => refused(0, format!("general protection (vector {vector})")),
            Exit::Interrupt(3) => (NtStatus::BREAKPOINT, 1, "a breakpoint".into(), vec![0]),
            Exit::Interrupt(0x29) => {
                let code = self.cpu.registers().get(Reg::Rcx);
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
            Exit::Syscall | Exit::Budget => plain(NtStatus::INTERNAL_ERROR, "an exit that is no exception"),
        }
    }

    /// Whether the instruction that raised #GP is one that only ring 0 may use.
    fn is_privileged(&self, rip: u64) -> bool {
        let mut code = [0; 15];
        let len = code_at(&self.world.kernel, &self.world.ram, rip, &mut code);
        let insn =
            Decoder::with_ip(self.cpu.bits(), code.get(..len).unwrap_or(&[]), rip, DecoderOptions::NONE).decode();
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

/// The address of the instruction a call came from.
pub(crate) fn trap_address(call: &Call) -> u64 {
    call.regs.rip.wrapping_sub(call.gate.instruction_len())
}
