//! Everything around the CPU, as the CPU sees it.

use guest::convention::Gate;
use guest::mem::Access;
use guest::system::KernelGate;
use guest::{Fault, NtStatus};
use kernel_model::kernel::NotFound;
use kernel_model::mm::Translation;
use kernel_model::service::Row;
use kernel_model::{Answer, Call, Kernel};

use super::console::{Captured, HostConsole};
use super::ring0::Ring0;
use super::stats::Stats;
use super::{code_at, loader};
use crate::cpu::{Client, Entry, Flow, Insn, KernelCall, Page, Ram, RegisterFile, Trap};
use crate::trace::{CallStart, Observer, Step};
use loader::Modules;

/// A call that the hook could not finish.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub call: Call,
    pub row: Option<Row>,
    pub answer: Answer,
    pub before: Option<RegisterFile>,
}

/// The client of the CPU.
pub(super) struct World {
    pub kernel: Kernel,
    pub ram: Ram,
    pub modules: Modules,
    pub observer: Option<Box<dyn Observer>>,
    pub console: Box<dyn HostConsole>,
    pub stats: Stats,
    pub strict: bool,
    pub pending: Option<Pending>,
    /// Where the dispatcher runs as guest code.
    pub ring_0: Option<Box<Ring0>>,
}

impl World {
    pub(super) fn new(kernel: Kernel, ram: Ram, modules: Modules, strict: bool) -> Self {
        Self {
            kernel,
            ram,
            modules,
            observer: None,
            console: Box::new(Captured::default()),
            stats: Stats::default(),
            strict,
            pending: None,
            ring_0: None,
        }
    }

    /// Finds the row of a call and reads the registers its arguments are in.
    #[inline]
    fn find(&mut self, trap: &mut Trap<'_>) -> Result<Row, NotFound> {
        self.kernel.clock.instructions = trap.retired;
        let row = self.kernel.find(trap.regs.number());
        if self.observer.is_some() || !row.is_ok_and(|r| r.arg_count() <= 1) {
            trap.read_arguments();
        }
        row
    }

    /// Counts a call and runs its service.
    #[inline(always)]
    fn answer(&mut self, call: &mut Call, row: Result<Row, NotFound>, trap: &Trap<'_>) -> Answer {
        let Ok(found) = row else { return self.not_found(call, row, trap) };
        match self.kernel.fetch(&mut self.ram, &found, call) {
            Ok(()) => {
                self.stats.count(found.number());
                self.observe_start(call, Some(&found), true, trap);
                self.kernel.execute(&mut self.ram, &found, call)
            }
            Err(status) => {
                self.stats.calls += 1;
                self.observe_start(call, Some(&found), false, trap);
                Answer::Status(status)
            }
        }
    }

    /// A call that the dispatcher answers itself.
    #[cold]
    fn not_found(&mut self, call: &Call, row: Result<Row, NotFound>, trap: &Trap<'_>) -> Answer {
        let row_shown = self.row_shown(call.number, row);
        self.observe_start(call, row_shown.as_ref(), false, trap);
        let answer = row.err().unwrap_or(NotFound::Number).answer();
        self.count_unserved(&answer);
        answer
    }

    /// Counts a call that no service has seen.
    pub(super) fn count_unserved(&mut self, answer: &Answer) {
        self.stats.calls += 1;
        match answer {
            Answer::NoGui(_) => self.stats.no_gui += 1,
            Answer::Status(NtStatus::INVALID_SYSTEM_SERVICE) => self.stats.unknown += 1,
            _ => {}
        }
    }

    /// The row that a trace names: a service of win32k's also where the thread does not get to it.
    fn row_shown(&self, number: u32, row: Result<Row, NotFound>) -> Option<Row> {
        match row {
            Ok(row) => Some(row),
            Err(NotFound::Win32k(_)) => self.kernel.services.row(number).copied(),
            Err(NotFound::Number) => None,
        }
    }

    #[inline]
    fn observe_start(&mut self, call: &Call, row: Option<&Row>, fetched: bool, trap: &Trap<'_>) {
        if self.observer.is_some() {
            self.show_call(call, row, fetched, &trap.registers(), trap.retired);
        }
    }

    #[cold]
    pub(super) fn show_call(
        &mut self, call: &Call, row: Option<&Row>, fetched: bool, registers: &RegisterFile, retired: u64,
    ) {
        if let Some(observer) = &mut self.observer {
            let view = crate::trace::View { kernel: &self.kernel, ram: &self.ram, modules: &self.modules };
            observer.call_start(&view, &CallStart { call, row, fetched, registers, retired });
        }
    }

    /// Whether something must be done outside the engine before the guest goes on.
    #[inline]
    pub(super) fn must_stop(&self) -> bool {
        self.kernel.mm.must_invalidate()
            || self.kernel.console.has_output()
            || self.kernel.must_switch()
            || self.kernel.ps.thread.apc_pending
            || self.kernel.ps.process.dispatchers.instrumentation != 0
    }

    /// Leaves a call for the run loop to finish.
    #[cold]
    pub(super) fn park(&mut self, call: Call, row: Option<Row>, answer: Answer, before: Option<RegisterFile>) -> Flow {
        self.pending = Some(Pending { call, row, answer, before });
        Flow::Stop
    }

    /// A call while somebody watches: always finished by the run loop.
    #[cold]
    fn observed(&mut self, gate: Gate, trap: &mut Trap<'_>) -> Flow {
        let before = trap.registers();
        let row = self.find(trap);
        let mut call = Call::new(gate, trap.regs);
        let answer = self.answer(&mut call, row, trap);
        let row = self.row_shown(call.number, row);
        self.park(call, row, answer, Some(before))
    }
}

fn page(page: Translation) -> Page {
    let physical = u64::from(page.frame.0) * 0x1000;
    Page { physical, read: page.read, write: page.write, execute: page.execute }
}

impl Client for World {
    fn translate(&mut self, va: u64, access: Access) -> Result<Page, Fault> {
        self.kernel.mm.translate(&mut self.ram, va, access).map(page)
    }

    fn translate_kernel(&mut self, va: u64, access: Access, ac: bool) -> Result<Page, Fault> {
        self.translate_for_ring_0(va, access, ac).map(page)
    }

    fn enter_kernel(&mut self, trap: &mut Trap<'_>, entry: Option<Entry>) -> Option<Entry> {
        self.call_from_ring_3(trap, entry)
    }

    fn kernel_gate(&mut self, gate: KernelGate, call: &mut KernelCall<'_>) -> Flow {
        self.call_from_ring_0(gate, call)
    }

    fn left_kernel(&mut self, insn: &Insn<'_>) -> Flow {
        self.back_in_ring_3(insn)
    }

    fn code(&mut self, va: u64, buf: &mut [u8]) -> usize {
        code_at(&self.kernel, &self.ram, va, buf)
    }

    #[inline]
    fn trap(&mut self, gate: Gate, trap: &mut Trap<'_>) -> Flow {
        if self.observer.is_some() {
            return self.observed(gate, trap);
        }
        let row = self.find(trap);
        let mut call = Call::new(gate, trap.regs);
        let answer = self.answer(&mut call, row, trap);
        if let Answer::Status(status) = answer
            && !self.must_stop()
        {
            trap.finish(&self.kernel.return_regs(&call, status));
            return Flow::Resume;
        }
        self.park(call, row.ok(), answer, None)
    }

    fn tsc(&self, retired: u64) -> u64 {
        self.kernel.clock.tsc_at(retired)
    }

    fn instruction(&mut self, insn: &Insn<'_>) {
        if let Some(observer) = &mut self.observer {
            let mut bytes = [0; 15];
            let len = code_at(&self.kernel, &self.ram, insn.address, &mut bytes).min(insn.size as usize);
            let view = crate::trace::View { kernel: &self.kernel, ram: &self.ram, modules: &self.modules };
            let registers = insn.registers();
            let code = bytes.get(..len).unwrap_or(&[]);
            let step =
                Step { address: insn.address, bits: insn.bits(), ring: insn.ring(), code, registers: &registers };
            observer.instruction(&view, &step);
        }
    }
}
