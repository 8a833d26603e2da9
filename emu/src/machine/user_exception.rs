//! Exceptions of user code: to the process's handlers, and to its end where none takes them.

use guest::context::ExceptionRecord;
use guest::registers::UserState;

use super::Machine;
use super::end::{Crash, End};
use super::ring0::Raised;
use crate::cpu::{Exit, Reg};
use crate::trace::View;

/// `EFLAGS.TF`, and `RF`, which the CPU sets in the flags that a fault saves.
const TRAP_FLAG: u64 = 0x100;
const RESUME_FLAG: u64 = 0x1_0000;
/// `DR6.BS`: a single step.
const SINGLE_STEP: u64 = 0x4000;

/// `int n` by which user code raises exceptions: breakpoints, `__fastfail`, assertions, the debug service.
const BREAKPOINT: u8 = 3;
pub(super) const FAST_FAIL: u8 = 0x29;
const DEBUG_SERVICE: u8 = 0x2d;

/// The record of what has been raised; `state` becomes what handlers are to see. `breakpoints`: those that a `#DB` is for.
pub(super) fn record_of(raised: &Raised, crash: &Crash, breakpoints: u64, state: &mut UserState) -> ExceptionRecord {
    let mut record = ExceptionRecord::new(crash.code, crash.address, crash.information.clone());
    let (rip, flags) = (raised.registers.get(Reg::Rip), raised.registers.get(Reg::Rflags));
    state.file.set(Reg::Rip, crash.address);
    match raised.exit {
        // It skips a byte, and a breakpoint's context is one byte before its address: Wine's ntdll has tests for both.
        Exit::Interrupt(DEBUG_SERVICE) => {
            record.address = rip.wrapping_add(1);
            state.file.set(Reg::Rip, rip);
        }
        Exit::Interrupt(BREAKPOINT) => {}
        Exit::Exception(1) => {
            // A handler that wants to go on stepping sets the flag again.
            state.file.set(Reg::Rflags, flags & !TRAP_FLAG);
            let step = if breakpoints == 0 || flags & TRAP_FLAG != 0 { SINGLE_STEP } else { 0 };
            state.debug[4] = breakpoints | step;
        }
        _ => state.file.set(Reg::Rflags, flags | RESUME_FLAG),
    }
    record
}

impl Machine {
    /// User code has raised an exception: its process's handlers come first. The end of the run, if there are none.
    pub(super) fn user_exception(&mut self, exit: Exit) -> Option<End> {
        let raised = self.raised(exit);
        let crash = self.describe_exception(&raised);
        let mut state = self.cpu.user_state();
        state.debug = self.world.kernel.ps.thread.user.debug;
        let record = record_of(&raised, &crash, std::mem::take(&mut self.debug_status), &mut state);
        // `__fastfail` leaves its process no chance.
        let first_chance = exit != Exit::Interrupt(FAST_FAIL);
        let world = &mut self.world;
        if world.kernel.tell_exception(&state, &record, first_chance) {
            world.kernel.ps.thread.user.debug = state.debug;
            self.cpu.set_user_state(&state);
            self.told(record, crash);
            return None;
        }
        if !first_chance {
            return Some(self.crashed(crash));
        }
        if world.kernel.dispatch_exception(&mut world.ram, &mut state, &record).is_err() {
            return Some(self.undispatched(crash));
        }
        world.kernel.ps.thread.user.debug = state.debug;
        self.cpu.set_user_state(&state);
        self.told(record, crash);
        None
    }

    /// The thread goes on with an exception that its process's debugger has not handled: to the process's handlers, or to
    /// its end.
    pub(super) fn not_handled_by_debugger(&mut self, record: &ExceptionRecord, first_chance: bool) -> Option<End> {
        if !first_chance {
            return Some(self.unhandled_exception(record));
        }
        let mut state = self.cpu.user_state();
        let world = &mut self.world;
        state.debug = world.kernel.ps.thread.user.debug;
        if world.kernel.dispatch_exception(&mut world.ram, &mut state, record).is_ok() {
            self.cpu.set_user_state(&state);
            return None;
        }
        // The stack cannot take it: the second chance comes at once.
        if world.kernel.tell_exception(&state, record, false) { None } else { Some(self.unhandled_exception(record)) }
    }

    /// Where a process has an instrumentation callback, a system call returns to that.
    pub(super) fn instrument(&mut self) {
        let callback = self.world.kernel.ps.process.dispatchers.instrumentation;
        if callback != 0 && self.cpu.bits() == 64 {
            let mut registers = self.cpu.registers();
            registers.set(Reg::R10, registers.get(Reg::Rip));
            registers.set(Reg::Rip, callback);
            self.cpu.set_registers(&registers);
        }
    }

    /// User code has been told of an exception.
    pub(super) fn told(&mut self, record: ExceptionRecord, crash: Crash) {
        if let Some(observer) = &mut self.world.observer {
            let view = View { kernel: &self.world.kernel, ram: &self.world.ram, modules: &self.world.modules };
            observer.exception(&view, &crash);
        }
        self.last_crash = Some((record, Box::new(crash)));
    }

    /// The end where the stack cannot take an exception. Where the dispatcher itself has run out of stack, what it was to
    /// dispatch says more.
    pub(super) fn undispatched(&mut self, crash: Crash) -> End {
        let first = self.last_crash.take().filter(|_| crash.place.starts_with("ntdll!"));
        self.crashed(first.map_or(crash, |(_, first)| *first))
    }

    /// A program has said a second time that it does not handle an exception.
    pub(super) fn unhandled_exception(&mut self, record: &ExceptionRecord) -> End {
        let same = |told: &ExceptionRecord| told.code == record.code && told.address == record.address;
        let crash = match self.last_crash.take() {
            Some((told, crash)) if same(&told) => *crash,
            _ => self.raised_by_program(record),
        };
        self.crashed(crash)
    }

    /// What a program has raised by itself.
    fn raised_by_program(&self, record: &ExceptionRecord) -> Crash {
        let registers = self.cpu.registers();
        Crash {
            code: record.code,
            address: record.address,
            place: self.world.modules.describe(record.address),
            what: "raised by the program".into(),
            information: record.information.clone(),
            bits: self.cpu.bits(),
            registers,
        }
    }

    /// The process ends with an exception's code.
    pub(super) fn crashed(&mut self, crash: Crash) -> End {
        self.world.kernel.ps.process.exit_status = crash.code;
        End::Crash(Box::new(crash))
    }
}
