//! The run loop: from exit to exit.

use std::cmp::Ordering;

use guest::{Arch, Fault, NtStatus};
use kernel_model::{Answer, Call};

use super::end::End;
use super::world::{Pending, World};
use super::{Machine, MachineError};
use crate::cpu::{Exit, Reg, UserState};
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
            while self.must_dispatch() {
                if let Some(end) = self.next_thread() {
                    return Ok(end);
                }
                self.forget();
            }
            if let Some(end) = self.look() {
                return Ok(end);
            }
            let (until, look) = (self.next_interrupt(), self.next_look());
            let total = self.max_instructions.saturating_mul(KERNEL_SHARE);
            let Some(exit) = self.run_or_step(until.min(self.max_instructions).min(look), total)? else {
                self.forget();
                continue;
            };
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
                Exit::Budget if self.cpu.retired() >= look && look < until.min(self.max_instructions) => None,
                Exit::Budget if self.cpu.retired() >= self.max_instructions || self.cpu.ring() == 0 => {
                    Some(End::Budget)
                }
                Exit::Budget => {
                    self.interrupt();
                    None
                }
                other if self.world.ring_0.is_some() => self.raise(other)?,
                Exit::Memory(fault) if self.fix_up(fault) => None,
                Exit::Interrupt(vector) if self.fast_service(vector) => None,
                other => self.user_exception(other),
            };
            self.forget();
            if let Some(end) = end
                && let Some(end) = self.as_critical(end).and_then(|end| self.ends_alone(end))
            {
                return Ok(end);
            }
        }
    }

    /// A critical process that an exception ends takes the machine with it.
    fn as_critical(&mut self, end: End) -> Option<End> {
        let End::Crash(crash) = &end else { return Some(end) };
        let id = self.world.kernel.ps.process.id;
        self.world.kernel.process_dies(id);
        let Some(found) = self.world.kernel.bug_check.take() else { return Some(end) };
        let what = format!("{} by {}", found.what, crash.code);
        Some(self.bug_check(found.code, found.parameters, what, Some(crash.address)))
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

    /// Up to how many instructions the running thread may go on: the next clock tick, the end of its quantum if somebody
    /// else is ready, or a timer.
    fn next_interrupt(&self) -> u64 {
        let (kernel, now) = (&self.world.kernel, self.cpu.retired());
        let tick = now.saturating_add(kernel.clock.instructions_to_tick());
        let due = kernel.next_due().map_or(u64::MAX, |due| now.saturating_add(kernel.clock.instructions_to(due)));
        let quantum = match kernel.scheduler.ready.highest() {
            Some(_) => kernel.scheduler.quantum_end.max(now.saturating_add(1)),
            None => u64::MAX,
        };
        tick.min(due).min(quantum)
    }

    /// The clock interrupt: time moves on, and with it what is due.
    fn interrupt(&mut self) {
        self.tick();
        let kernel = &mut self.world.kernel;
        kernel.expire();
        if kernel.clock.instructions >= kernel.scheduler.quantum_end {
            kernel.quantum_end();
        }
    }

    /// What user mode sees of the time moves on.
    pub(super) fn tick(&mut self) {
        update_kuser(&mut self.world.kernel, &mut self.world.ram);
    }

    /// Takes note of the images that the guest has mapped itself, so that addresses in them have names.
    pub(super) fn learn_modules(&mut self) {
        for (base, image) in self.world.kernel.mm.segments.take_news() {
            self.world.modules.mapped(base, &image);
        }
    }

    fn drain_console(&mut self) {
        for (stream, bytes) in self.world.kernel.console.take_output() {
            let bytes = self.shown(stream, bytes);
            self.world.console.write(stream, &bytes);
        }
        for line in self.world.kernel.console.take_notes() {
            self.world.console.note(&line);
        }
    }

    /// Finishes the call that the engine stopped at.
    pub(super) fn after_trap(&mut self) -> Option<End> {
        let mut pending = self.world.pending.take()?;
        self.learn_modules();
        loop {
            self.drain_console();
            match pending.answer.clone() {
                Answer::Status(status) | Answer::NoGui(status) | Answer::Raise(status) => {
                    return self.return_from(&pending, status);
                }
                Answer::NotImplemented(what) => {
                    if let Some(end) = self.not_implemented(&pending, what.as_deref()) {
                        return Some(end);
                    }
                    return self.return_from(&pending, NtStatus::NOT_IMPLEMENTED);
                }
                Answer::Blocked(wait) => {
                    self.block(pending, wait);
                    return None;
                }
                Answer::NeedState => {
                    let state = self.user_state();
                    let thread = &mut self.world.kernel.ps.thread;
                    let debug = thread.user.debug;
                    thread.user = state;
                    thread.user.debug = debug;
                    thread.state_at_hand = true;
                    let row = pending.row?;
                    pending.answer = self.world.kernel.execute(&mut self.world.ram, &row, &pending.call);
                    self.world.kernel.ps.thread.state_at_hand = false;
                }
                Answer::Resume => {
                    let state = self.world.kernel.ps.thread.user;
                    self.resume_with(&state);
                    self.observe_end(&pending, None);
                    self.deliver_apc();
                    return None;
                }
                Answer::NeedInput => {
                    let bytes = self.world.console.read(self.world.kernel.console.wanted());
                    self.world.kernel.console.supply(&bytes);
                    let row = pending.row?;
                    pending.answer = self.world.kernel.execute(&mut self.world.ram, &row, &pending.call);
                }
                Answer::Unhandled(record) => {
                    self.observe_end(&pending, None);
                    return Some(self.unhandled_exception(&record));
                }
                // The next thread runs, if there is one.
                Answer::ThreadExit(_) | Answer::ProcessExit(_) => {
                    self.observe_end(&pending, None);
                    return None;
                }
                Answer::BugCheck(found) => {
                    self.observe_end(&pending, None);
                    let rip = trap_address(&pending.call);
                    return Some(self.bug_check(found.code, found.parameters, found.what, Some(rip)));
                }
            }
        }
    }

    fn return_from(&mut self, pending: &Pending, status: NtStatus) -> Option<End> {
        if self.world.ring_0.is_some() {
            // To kernel code, which goes on to ring 3.
            self.world.kernel.ps.thread.kernel_mode = false;
            self.cpu.set_rax(status.0.into());
            self.raise_on_return(&pending.answer);
            let Some(ring_0) = &mut self.world.ring_0 else { return None };
            if let Some(user) = ring_0.user.as_mut().filter(|_| pending.before.is_some()) {
                user.answered = Some(pending.clone());
            }
            return None;
        }
        let regs = self.world.kernel.return_regs(&pending.call, status);
        self.cpu.finish_trap(&regs);
        self.raise_on_return(&pending.answer);
        self.instrument();
        self.observe_end(pending, Some(status));
        self.deliver_apc();
        None
    }

    /// Whoever goes back to user mode runs its pending APC first.
    fn deliver_apc(&mut self) {
        if !self.world.kernel.ps.thread.apc_pending {
            return;
        }
        let World { kernel, ram, .. } = &mut self.world;
        let mut state = UserState { debug: kernel.ps.thread.user.debug, ..self.cpu.user_state() };
        kernel.ps.thread.user = state;
        if kernel.deliver_apc(ram, &mut state) {
            self.cpu.set_user_state(&state);
        }
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
}

/// The address of the instruction a call came from.
pub(crate) fn trap_address(call: &Call) -> u64 {
    call.regs.rip.wrapping_sub(call.gate.instruction_len())
}
