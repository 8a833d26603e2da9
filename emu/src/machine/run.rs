//! The run loop: from exit to exit.

use std::cmp::Ordering;

use guest::{Arch, Fault, NtStatus};
use kernel_model::kernel::WaitEnd;
use kernel_model::service::{Wait, WaitObject};
use kernel_model::{Answer, Call};

use super::end::End;
use super::world::Pending;
use super::{Machine, MachineError};
use crate::cpu::{Exit, Reg};
use crate::loader::{tick_milliseconds, update_kuser};
use crate::trace::{CallEnd, View};

/// How often the same gap is said aloud.
const SAID: u64 = 10;

/// How many instructions of either ring may run for each that `--max-insns` allows the program: the dispatcher takes about
/// a hundred for a call, and a program at least two.
const KERNEL_SHARE: u64 = 64;

impl Machine {
    /// Runs until the process ends, or something else does. A machine that has ended stays ended.
    pub fn run(&mut self) -> Result<End, MachineError> {
        if let Some(end) = &self.ended {
            return Ok(end.clone());
        }
        let end = self.run_inner()?;
        self.ended = Some(end.clone());
        self.world.kernel.end_files(&mut self.world.ram);
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
            let total = self.max_instructions.saturating_mul(KERNEL_SHARE);
            let exit = self.cpu.run_within(&mut self.world, tick.min(self.max_instructions), total)?;
            self.world.kernel.clock.instructions = self.cpu.retired();
            let end = match exit {
                Exit::KernelGate(gate) => self.after_kernel_gate(gate)?,
                Exit::LeftKernel => {
                    self.left_kernel();
                    None
                }
                Exit::Syscall | Exit::Interrupt(0x2e) | Exit::Sysenter if self.world.pending.is_some() => {
                    self.after_trap()
                }
                Exit::Budget if self.cpu.retired() >= self.max_instructions || self.cpu.ring() == 0 => {
                    Some(End::Budget)
                }
                Exit::Budget => {
                    self.tick();
                    None
                }
                other if self.world.ring_0.is_some() => self.raise(other)?,
                Exit::Memory(fault) if self.fix_up(fault) => None,
                Exit::Interrupt(vector) if self.fast_service(vector) => None,
                other => Some(End::Crash(Box::new(self.crash(&self.raised(other))))),
            };
            self.forget();
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// What 32-bit kernels answer beside system calls: `int 2Ah`, `KiGetTickCount`, the milliseconds since the start;
    /// `int 2Bh`, `KiCallbackReturn`, the end of a callback, of which there is none.
    fn fast_service(&mut self, vector: u8) -> bool {
        if self.world.kernel.profile.arch != Arch::X86 {
            return false;
        }
        let eax = match vector {
            0x2a => tick_milliseconds(&self.world.kernel, &self.world.ram),
            0x2b => NtStatus::NO_CALLBACK_ACTIVE.0,
            _ => return false,
        };
        self.cpu.set_rax(eax.into());
        true
    }

    /// Sends guest code that expects faults on to where it handles them.
    fn fix_up(&mut self, fault: Fault) -> bool {
        let rip = self.cpu.registers().get(Reg::Rip);
        let Some(handler) = self.fixup.as_ref().and_then(|f| f.handler_for(rip)) else { return false };
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
    pub(super) fn after_trap(&mut self) -> Option<End> {
        let mut pending = self.world.pending.take()?;
        loop {
            self.drain_console();
            match pending.answer.clone() {
                Answer::Status(status) | Answer::NoGui(status) => return self.return_from(&pending, status),
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
        if let Some(ring_0) = &mut self.world.ring_0 {
            // To kernel code, which goes on to ring 3.
            self.world.kernel.ps.thread.kernel_mode = false;
            self.cpu.set_rax(status.0.into());
            if let Some(user) = ring_0.user.as_mut().filter(|_| pending.before.is_some()) {
                user.answered = Some(pending.clone());
            }
            return None;
        }
        let regs = self.world.kernel.return_regs(&pending.call, status);
        self.cpu.finish_trap(&regs);
        self.observe_end(pending, Some(status));
        None
    }

    pub(super) fn observe_end(&mut self, pending: &Pending, status: Option<NtStatus>) {
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
        let times = self.world.stats.missing.entry(gap).or_default();
        *times += 1;
        let times = *times;
        if self.world.strict {
            self.observe_end(pending, None);
            return Some(End::Strict(line));
        }
        // A program in a loop would drown everything else; the summary counts them all.
        match times.cmp(&SAID) {
            Ordering::Less => self.world.console.note(&format!("{line} = STATUS_NOT_IMPLEMENTED")),
            Ordering::Equal => self.world.console.note(&format!(
                "{line} = STATUS_NOT_IMPLEMENTED (further calls of this are counted, and said no more)"
            )),
            Ordering::Greater => {}
        }
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
}

/// The address of the instruction a call came from.
pub(crate) fn trap_address(call: &Call) -> u64 {
    call.regs.rip.wrapping_sub(call.gate.instruction_len())
}
