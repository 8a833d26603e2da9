//! Exceptions where kernel code runs: on their way into the IDT, and when the kernel's dispatcher asks what to do.

use guest::bugcheck::BugCheckCode;
use guest::mem::Access;
use guest::system::KernelGate;
use guest::{Arch, Fault, FaultKind, NtStatus};
use kernel_model::{Answer, Call};

use super::end::{BugCheck, End};
use super::interrupt::{
    DOUBLE_FAULT, Event, FAULT_FETCH, FAULT_PRESENT, FAULT_USER, FAULT_WRITE, GENERAL_PROTECTION, Interrupted,
    NOT_PRESENT, PAGE_FAULT, Refusal, Tables, deliver, enter_at,
};
use super::ring0::Raised;
use super::{Machine, MachineError, code_at};
use crate::cpu::{Exit, Reg};
use crate::loader::TrapFrame;

/// `EFLAGS.AC`.
const ALIGNMENT_CHECK: u64 = 0x4_0000;
/// `stac` and `clac`, which the engine's CPU does not have.
const STAC: [u8; 3] = [0x0f, 0x01, 0xcb];
const CLAC: [u8; 3] = [0x0f, 0x01, 0xca];
/// The first IRQL at which a page fault cannot be served.
const DISPATCH_LEVEL: u64 = 2;
/// Exceptions that push an error code: #DF, #TS, #NP, #SS, #GP, #PF, #AC.
const WITH_ERROR: [u8; 7] = [8, 10, 11, 12, 13, 14, 17];

/// Whether all bits above the 48th are as that one.
const fn is_canonical(va: u64) -> bool {
    let upper = va >> 47;
    upper == 0 || upper == 0x1_ffff
}

/// An exit as the CPU would deliver it: the event, and how far RIP is past the place it is told of.
fn event_of(exit: Exit, ring: u8, is_mapped: impl Fn(u64) -> bool) -> (Event, u64) {
    let fault = |vector: u8, error| Event { vector, software: false, error };
    match exit {
        Exit::Memory(fault) => {
            let present =
                fault.kind == FaultKind::Protection || fault.kind == FaultKind::KernelRange && is_mapped(fault.va);
            let by = match fault.access {
                Access::Read => 0,
                Access::Write => FAULT_WRITE,
                Access::Execute => FAULT_FETCH,
            };
            let error = by | if present { FAULT_PRESENT } else { 0 } | if ring == 3 { FAULT_USER } else { 0 };
            (Event { vector: PAGE_FAULT, software: false, error: Some(error) }, 0)
        }
        Exit::InvalidInstruction => (fault(6, None), 0),
        Exit::Foreign => (fault(6, None), 2),
        Exit::Exception(vector) => (fault(vector, WITH_ERROR.contains(&vector).then_some(0)), 0),
        Exit::Interrupt(vector) => (Event { vector, software: true, error: None }, 0),
        // What SYSENTER does where IA32_SYSENTER_CS is 0.
        Exit::Sysenter => (fault(GENERAL_PROTECTION, Some(0)), 2),
        Exit::Syscall | Exit::Budget | Exit::KernelGate(_) | Exit::LeftKernel | Exit::Halted => {
            (fault(DOUBLE_FAULT, Some(0)), 0)
        }
    }
}

impl Machine {
    /// Delivers an exception or interrupt through the IDT.
    pub(super) fn raise(&mut self, exit: Exit) -> Result<Option<End>, MachineError> {
        let raised = self.raised(exit);
        let rip = raised.registers.get(Reg::Rip);
        if exit == Exit::Halted {
            let place = self.world.modules.describe(rip);
            return Ok(Some(End::Deadlock(format!(
                "the processor halts in ring 0 before {place}, and nothing interrupts it"
            ))));
        }
        if let Some(by) = self.cpu.take_return() {
            let by_iret = self.is_iret(by);
            self.left_kernel();
            if !is_canonical(rip) && !by_iret {
                return Ok(Some(self.bad_return(by, rip)));
            }
        }
        let ring = self.cpu.ring();
        if ring == 0 && self.set_access_flag(exit, &raised) {
            return Ok(None);
        }
        let mm = &self.world.kernel.mm;
        let (event, back) = event_of(exit, ring, |va| mm.system_frame(va).is_some());
        if let Exit::Memory(fault) = exit {
            self.cpu.set_cr2(fault.va);
        }
        if let Some(ring_0) = &mut self.world.ring_0 {
            ring_0.raised = Some(raised.clone());
        }
        let (cs, rsp, ss) = self.cpu.segments_and_stack();
        let from = Interrupted { rip: rip.wrapping_sub(back), cs, rflags: raised.registers.get(Reg::Rflags), rsp, ss };
        Ok(self.deliver_or_escalate(event, from))
    }

    /// Whether an instruction of ring 0 is `iretq`, whose #GP the kernel gives to the program it was on the way to. So it
    /// is where nobody knows the instruction and no call is under way: behind a frame that was filled in.
    fn is_iret(&self, at: u64) -> bool {
        let mut code = [0; 2];
        if at == 0 {
            return self.world.ring_0.as_ref().is_some_and(|ring_0| ring_0.user.is_none());
        }
        code_at(&self.world.kernel, &self.world.ram, at, &mut code) == 2 && code == [0x48, 0xcf]
    }

    /// `sysret` to an address that is none: #GP in ring 0, with the program's stack and GS, in which no handler of the
    /// kernel's can run.
    fn bad_return(&mut self, by: u64, to: u64) -> End {
        let what = format!("a return to {to:#x}, which is no address");
        let code = BugCheckCode::SYSTEM_SERVICE_EXCEPTION;
        self.bug_check(code, [NtStatus::ACCESS_VIOLATION.0.into(), by, 0, 0], what, Some(by))
    }

    /// Delivers an event. What cannot be delivered becomes #GP, #NP or #DF; the machine ends if that cannot either.
    fn deliver_or_escalate(&mut self, mut event: Event, mut from: Interrupted) -> Option<End> {
        let [idt, tss] = self.cpu.idt_and_tss();
        for _ in 0..3 {
            let world = &mut self.world;
            // A 32-bit kernel has a task for #DF; what it does is a bugcheck, and there is nothing else to see of it.
            if event.vector == DOUBLE_FAULT && world.kernel.profile.arch == Arch::X86 {
                break;
            }
            let refusal = match deliver(&mut world.kernel, &mut world.ram, Tables { idt, tss }, event, &from) {
                Ok(entry) => {
                    self.forget_shown();
                    self.cpu.enter_ring_0(&entry);
                    return None;
                }
                Err(refusal) => refusal,
            };
            let (vector, error) = match refusal {
                Refusal::Protection(error) if event.vector < 10 || event.software => (GENERAL_PROTECTION, error),
                Refusal::NotPresent(error) if event.vector < 10 || event.software => (NOT_PRESENT, error),
                _ => (DOUBLE_FAULT, 0),
            };
            if event.software {
                // The instruction has not happened.
                from.rip = from.rip.wrapping_sub(if event.vector == 3 { 1 } else { 2 });
            }
            if event.vector == DOUBLE_FAULT {
                break;
            }
            event = Event { vector, software: false, error: Some(error) };
        }
        let what = format!("interrupt {:#x} cannot be delivered, and neither can what that raises", event.vector);
        let code = BugCheckCode::UNEXPECTED_KERNEL_MODE_TRAP;
        Some(self.bug_check(code, [DOUBLE_FAULT.into(), tss.0, 0, 0], what, Some(from.rip)))
    }

    /// User pages that ring 0 was shown while EFLAGS.AC was set must not stay in the engine's TLB.
    fn forget_shown(&mut self) {
        if let Some(ring_0) = self.world.ring_0.as_mut().filter(|r| r.shown) {
            ring_0.shown = false;
            self.cpu.flush_tlb();
        }
    }

    /// Does what `stac` and `clac` do; false for any other instruction.
    fn set_access_flag(&mut self, exit: Exit, raised: &Raised) -> bool {
        let mut code = [0; 3];
        let mut registers = raised.registers;
        let rip = registers.get(Reg::Rip);
        if exit != Exit::InvalidInstruction || code_at(&self.world.kernel, &self.world.ram, rip, &mut code) < 3 {
            return false;
        }
        let flags = match code {
            STAC => registers.get(Reg::Rflags) | ALIGNMENT_CHECK,
            CLAC => registers.get(Reg::Rflags) & !ALIGNMENT_CHECK,
            _ => return false,
        };
        registers.set(Reg::Rflags, flags);
        registers.set(Reg::Rip, rip.wrapping_add(3));
        self.cpu.set_registers(&registers);
        self.forget_shown();
        true
    }

    /// Has the driver's code run before the next instruction of the program, as if an interrupt led to it.
    pub(super) fn start_driver(&mut self) -> Result<(), MachineError> {
        let registers = self.cpu.registers();
        let (cs, rsp, ss) = self.cpu.segments_and_stack();
        let from = Interrupted { rip: registers.get(Reg::Rip), cs, rflags: registers.get(Reg::Rflags), rsp, ss };
        let stand_in = self.world.modules.kernel().next().and_then(|nt| nt.symbol("KiDriverStandIn"));
        let tables = Tables { idt: (0, 0), tss: self.cpu.idt_and_tss()[1] };
        let entry =
            stand_in.and_then(|rip| enter_at(&mut self.world.kernel, &mut self.world.ram, tables, rip, &from).ok());
        if let Some(entry) = entry {
            self.cpu.enter_ring_0(&entry);
        }
        Ok(())
    }

    /// Kernel code has called the model, and the engine stopped for it.
    pub(super) fn after_kernel_gate(&mut self, gate: KernelGate) -> Result<Option<End>, MachineError> {
        match gate {
            KernelGate::Exception => Ok(self.dispatch_exception()),
            KernelGate::BugCheck => Ok(Some(self.called_bug_check())),
            _ => Ok(self.after_trap()),
        }
    }

    /// Ring 3 goes on, and somebody watches.
    pub(super) fn left_kernel(&mut self) {
        let Some(user) = self.world.ring_0.as_mut().and_then(|r| r.user.take()) else { return };
        let registers = self.cpu.registers();
        let status = NtStatus(registers.get(Reg::Rax) as u32);
        if let Some(pending) = user.answered {
            self.observe_end(&pending, Some(status));
            return;
        }
        // The kernel answered by itself: the number names nothing, or the arguments cannot be read.
        let number = user.regs.number();
        let row = self.world.kernel.services.row(number).copied();
        let args = match self.world.kernel.profile.arch {
            Arch::X64 => kernel_model::service::Args::from_registers(user.regs.register_args()),
            Arch::X86 => kernel_model::service::Args::default(),
        };
        let call = Call { gate: user.gate, regs: user.regs, number, args };
        let answer = if user.no_gui { Answer::NoGui(status) } else { Answer::Status(status) };
        self.world.count_unserved(&answer);
        let before = user.before.unwrap_or_default();
        self.world.show_call(&call, row.as_ref(), false, &before, self.cpu.retired());
        let pending = super::world::Pending { call, row, answer, before: Some(before) };
        self.observe_end(&pending, Some(status));
    }

    /// `KiDispatchException`: an exception's trap frame is built. What ring 3 did ends the process, unless it is
    /// code that expects it; what the dispatcher did while it copied arguments is the call's status; the rest is a
    /// bugcheck.
    fn dispatch_exception(&mut self) -> Option<End> {
        let registers = self.cpu.registers();
        let is_64 = self.world.kernel.profile.arch == Arch::X64;
        let at = if is_64 { registers.get(Reg::Rcx) } else { registers.get(Reg::Rcx) & 0xffff_ffff };
        let vector = registers.get(Reg::Rdx) as u8;
        let raised = self.world.ring_0.as_mut().and_then(|r| r.raised.take());
        let frame = self.world.ring_0.as_ref().map(|r| TrapFrame::new(&r.system, at))?;
        let cs = frame.get(&self.world.kernel, &self.world.ram, "SegCs").unwrap_or(0);
        let rip = frame.rip(&self.world.kernel, &self.world.ram).unwrap_or(0);
        if cs & 3 != 0 {
            let raised = raised.unwrap_or_else(|| self.raised(Exit::Exception(vector)));
            if matches!(raised.exit, Exit::Memory(_))
                && let Some(handler) = self.fixup.as_ref().and_then(|f| f.handler_for(rip))
            {
                let Exit::Memory(fault) = raised.exit else { return None };
                return self.resume_at(&frame, handler, fault.status());
            }
            return self.exception_from_ring_3(&raised, &frame);
        }
        let fault = raised.as_ref().and_then(|r| match r.exit {
            Exit::Memory(fault) => Some(fault),
            _ => None,
        });
        let system = self.world.ring_0.as_ref().map(|r| &r.system)?;
        if let Some(fault) = fault.filter(|_| system.copies_arguments(rip)) {
            let exit = system.service_exit;
            return self.resume_at(&frame, exit, fault.status());
        }
        let irql = if is_64 { registers.get(Reg::R9) & 0xf } else { system.irql(&self.world.ram).into() };
        let mut end = self.kernel_exception(vector, rip, irql, fault, raised.as_ref());
        if let (End::BugCheck(bug_check), Some(raised)) = (&mut end, &raised) {
            bug_check.registers = raised.registers;
        }
        Some(end)
    }

    /// Has the trap frame go on elsewhere with a status in RAX.
    fn resume_at(&mut self, frame: &TrapFrame, rip: u64, status: NtStatus) -> Option<End> {
        let world = &mut self.world;
        frame.set_rip(&mut world.kernel, &mut world.ram, rip);
        frame.set_rax(&mut world.kernel, &mut world.ram, status.0.into());
        None
    }

    /// An exception of kernel code: nobody there handles any.
    fn kernel_exception(
        &mut self, vector: u8, rip: u64, irql: u64, fault: Option<Fault>, raised: Option<&Raised>,
    ) -> End {
        if let Some(fault) = fault.filter(|_| vector == PAGE_FAULT) {
            return self.kernel_page_fault(fault, rip, irql);
        }
        if vector == DOUBLE_FAULT {
            let what = "a double fault: the kernel stack is used up, or no longer one".to_string();
            let tss = self.cpu.idt_and_tss()[1].0;
            return self.bug_check(BugCheckCode::UNEXPECTED_KERNEL_MODE_TRAP, [8, tss, 0, rip], what, Some(rip));
        }
        let (status, what) = raised.map_or((NtStatus::ACCESS_VIOLATION, format!("vector {vector:#x}")), |raised| {
            let (status, _, what, _) = self.exception(raised);
            (status, what)
        });
        self.unhandled(status, rip, format!("{what}, in ring 0"), [0, u64::MAX])
    }

    fn kernel_page_fault(&mut self, fault: Fault, rip: u64, irql: u64) -> End {
        let operation = match fault.access {
            Access::Read => 0,
            Access::Write => 1,
            Access::Execute => 8,
        };
        let place = fault.va;
        let what = format!("{} {place:#x} in ring 0", fault.access.verb());
        let is_system = self.world.kernel.mm.is_system(place);
        let in_driver = self.world.ring_0.as_ref().is_some_and(|r| r.system.is_driver(rip));
        if irql >= DISPATCH_LEVEL {
            let code = if in_driver {
                BugCheckCode::DRIVER_IRQL_NOT_LESS_OR_EQUAL
            } else {
                BugCheckCode::IRQL_NOT_LESS_OR_EQUAL
            };
            return self.bug_check(code, [place, irql, operation, rip], format!("{what} at IRQL {irql}"), Some(rip));
        }
        match (fault.access, fault.kind) {
            // SMEP, or a page of the kernel's that is no code.
            (Access::Execute, FaultKind::Protection) => {
                let code = BugCheckCode::ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY;
                self.bug_check(code, [place, 0, 0, 0], what, Some(rip))
            }
            (Access::Write, FaultKind::Protection) if is_system => {
                let code = BugCheckCode::ATTEMPTED_WRITE_TO_READONLY_MEMORY;
                self.bug_check(code, [place, 0, 0, 0xb], what, Some(rip))
            }
            _ if is_system || fault.access == Access::Execute => {
                let code = BugCheckCode::PAGE_FAULT_IN_NONPAGED_AREA;
                self.bug_check(code, [place, operation, rip, 2], what, Some(rip))
            }
            _ => self.unhandled(NtStatus::ACCESS_VIOLATION, rip, what, [operation, place]),
        }
    }

    /// An exception that no handler of the kernel's takes: in a system service, or elsewhere.
    fn unhandled(&mut self, status: NtStatus, rip: u64, what: String, information: [u64; 2]) -> End {
        let in_service = self.world.ring_0.as_ref().is_some_and(|r| r.user.is_some());
        if in_service && self.world.kernel.profile.arch == Arch::X64 {
            return self.bug_check(
                BugCheckCode::SYSTEM_SERVICE_EXCEPTION,
                [status.0.into(), rip, 0, 0],
                what,
                Some(rip),
            );
        }
        let [first, second] = information;
        let code = BugCheckCode::KMODE_EXCEPTION_NOT_HANDLED;
        self.bug_check(code, [status.0.into(), rip, first, second], what, Some(rip))
    }

    /// Kernel code has called `KeBugCheckEx`.
    fn called_bug_check(&mut self) -> End {
        let registers = self.cpu.registers();
        let rsp = registers.get(Reg::Rsp);
        let is_64 = self.world.kernel.profile.arch == Arch::X64;
        let word = |at: u64| {
            let mut bytes = [0; 8];
            let len = if is_64 { 8 } else { 4 };
            let place = bytes.get_mut(..len).unwrap_or(&mut []);
            // What cannot be read is no parameter.
            let _ = self.world.kernel.mm.read_system(&self.world.ram, at, place);
            u64::from_le_bytes(bytes)
        };
        let (code, parameters) = if is_64 {
            let [a, b, c] = [Reg::Rdx, Reg::R8, Reg::R9].map(|r| registers.get(r));
            (registers.get(Reg::Rcx), [a, b, c, word(rsp.wrapping_add(0x28))])
        } else {
            let arg = |n: u64| word(u64::from((rsp as u32).wrapping_add(4 * (n as u32 + 1))));
            (arg(0), [arg(1), arg(2), arg(3), arg(4)])
        };
        let caller = word(rsp);
        self.bug_check(BugCheckCode(code as u32), parameters, "KeBugCheckEx was called".into(), Some(caller))
    }

    pub(super) fn bug_check(
        &mut self, code: BugCheckCode, parameters: [u64; 4], what: String, rip: Option<u64>,
    ) -> End {
        let place = rip.map(|rip| self.world.modules.describe(rip));
        End::BugCheck(Box::new(BugCheck { code, parameters, what, place, registers: self.cpu.registers() }))
    }
}
