//! Where the dispatcher runs as guest code: what the machine does when ring 3 goes into ring 0, when kernel code calls
//! the model, and when ring 3 goes on.

use guest::asm::kernel::KernelFeature;
use guest::convention::{Gate, TrapRegs};
use guest::mem::{Access, Width};
use guest::system::KernelGate;
use guest::{Arch, Fault, Profile};
use kernel_model::mm::Translation;
use kernel_model::service::{Args, MAX_ARGS, Row};
use kernel_model::{Answer, Call};

use super::interrupt::{Event, Interrupted, Tables, deliver};
use super::world::{Pending, World};
use crate::cpu::{Entry, Exit, Flow, Insn, KernelCall, Reg, RegisterFile, Trap};
use crate::loader::System;

/// What the machine knows beside the CPU while kernel code runs.
pub(super) struct Ring0 {
    /// The kernel image and what lies beside it.
    pub system: System,
    /// Ring 0 cannot execute user pages.
    smep: bool,
    /// Ring 0 cannot touch user pages unless EFLAGS.AC says so.
    smap: bool,
    /// The system call of ring 3 that is under way.
    pub user: Option<UserCall>,
    /// The trap frame of the system call that the model answers, if ring 3 has made it.
    pub call_frame: Option<u64>,
    /// What was raised last: the exception that kernel code is told of next.
    pub raised: Option<Raised>,
    /// User pages have been shown to ring 0 under SMAP: the engine keeps them.
    pub shown: bool,
}

/// A system call on its way through the kernel.
pub(super) struct UserCall {
    pub gate: Gate,
    pub regs: TrapRegs,
    /// The registers at the trap, while somebody watches.
    pub before: Option<RegisterFile>,
    /// Its service has been called.
    pub served: bool,
    /// The thread could not become a GUI thread for it.
    pub no_gui: bool,
    /// That call, while somebody watches.
    pub answered: Option<Pending>,
}

/// An exception between the instruction that raised it and the kernel's dispatcher.
#[derive(Clone, Debug)]
pub(super) struct Raised {
    pub exit: Exit,
    pub registers: RegisterFile,
    pub bits: u32,
}

impl Ring0 {
    pub(super) fn new(system: System, profile: &Profile) -> Self {
        let (smep, smap) = (KernelFeature::Smep.of(profile), KernelFeature::Smap.of(profile));
        Self { system, smep, smap, user: None, call_frame: None, raised: None, shown: false }
    }
}

impl World {
    pub(super) fn translate_for_ring_0(&mut self, va: u64, access: Access, ac: bool) -> Result<Translation, Fault> {
        let (smep, smap) = self.ring_0.as_ref().map_or((false, false), |r| (r.smep, r.smap));
        let page = self.kernel.mm.translate_kernel(&mut self.ram, va, access, smep, smap && !ac)?;
        if let Some(ring_0) = self.ring_0.as_mut().filter(|_| smap) {
            ring_0.shown |= !self.kernel.mm.is_system(va);
        }
        Ok(page)
    }

    /// Ring 3 makes a system call.
    #[inline]
    pub(super) fn call_from_ring_3(&mut self, trap: &mut Trap<'_>, entry: Option<Entry>) -> Option<Entry> {
        self.kernel.clock.instructions = trap.retired;
        let watched = self.observer.is_some();
        if watched {
            trap.read_registers();
        }
        let before = watched.then(|| trap.registers());
        let user =
            UserCall { gate: trap.gate(), regs: trap.regs, before, served: false, no_gui: false, answered: None };
        self.ring_0.as_mut()?.user = Some(user);
        entry.or_else(|| {
            let [idt, tss] = trap.idt_and_tss();
            let (cs, rsp, ss) = trap.segments_and_stack();
            let from = Interrupted { rip: trap.regs.rip, cs, rflags: trap.regs.rflags, rsp, ss };
            let event = Event { vector: 0x2e, software: true, error: None };
            deliver(&mut self.kernel, &mut self.ram, Tables { idt, tss }, event, &from).ok()
        })
    }

    /// Kernel code calls the model.
    #[inline]
    pub(super) fn call_from_ring_0(&mut self, gate: KernelGate, call: &mut KernelCall<'_>) -> Flow {
        match gate {
            KernelGate::Service => self.serve(call),
            KernelGate::ConvertToGui => {
                let status = self.kernel.convert_to_gui();
                if let Some(user) = self.ring_0.as_mut().and_then(|r| r.user.as_mut()) {
                    user.no_gui = status.is_err();
                }
                call.finish(status.map_or_else(|s| s.0.into(), |()| 0));
                Flow::Resume
            }
            // Nothing is in a GDI batch: nobody wrote GDI. No APC is ever pending: there is nothing to queue one yet.
            KernelGate::FlushGdi | KernelGate::DeliverApc => Flow::Resume,
            KernelGate::Exception | KernelGate::BugCheck => Flow::Stop,
        }
    }

    /// A service's entry has been called, by the dispatcher or by other kernel code.
    #[inline]
    fn serve(&mut self, kernel: &mut KernelCall<'_>) -> Flow {
        self.kernel.clock.instructions = kernel.retired;
        let Some(ring_0) = &mut self.ring_0 else { return Flow::Stop };
        let by_kernel = ring_0.system.previous_mode_is_kernel(&self.ram);
        self.kernel.ps.thread.kernel_mode = by_kernel;
        // The dispatcher has it in RBP, 64-bit code with a bias.
        let frame = match self.kernel.profile.arch {
            Arch::X64 => kernel.general[5].wrapping_sub(0x80),
            Arch::X86 => kernel.general[5] & 0xffff_ffff,
        };
        ring_0.call_frame = (!by_kernel).then_some(frame);
        let number = kernel.general[0] as u32;
        let row = self.kernel.services.row(number).copied();
        let (gate, regs) = match &mut ring_0.user {
            Some(user) => {
                user.served = true;
                (user.gate, user.regs)
            }
            None => (Gate::Syscall, TrapRegs::default()),
        };
        let mut call = Call { gate, regs, number, args: Args::default() };
        let Some(row) = row else {
            // Only an entry that is no service's calls with such a number.
            return self.park(call, None, Answer::Status(guest::NtStatus::INVALID_SYSTEM_SERVICE), None);
        };
        if let Err(fault) = self.kernel_arguments(&row, kernel, &mut call.args) {
            return self.park(call, Some(row), Answer::Status(fault.status()), None);
        }
        if !by_kernel {
            self.stats.count(row.number());
        }
        if self.observer.is_some() && !by_kernel {
            return self.serve_watched(call, row, kernel.retired);
        }
        let answer = self.kernel.execute(&mut self.ram, &row, &call);
        self.kernel.ps.thread.kernel_mode = false;
        if let Answer::Status(status) = answer
            && !self.must_stop()
        {
            kernel.finish(status.0.into());
            return Flow::Resume;
        }
        self.park(call, Some(row), answer, None)
    }

    #[cold]
    fn serve_watched(&mut self, mut call: Call, row: Row, retired: u64) -> Flow {
        // What user code said, garbage in the upper bits included.
        call.number = call.regs.number();
        let before = self.ring_0.as_ref().and_then(|r| r.user.as_ref()).and_then(|u| u.before);
        self.show_call(&call, Some(&row), true, &before.unwrap_or_default(), retired);
        let answer = self.kernel.execute(&mut self.ram, &row, &call);
        self.park(call, Some(row), answer, before)
    }

    /// The arguments of a call of a service's entry: as a kernel function has them.
    #[inline]
    fn kernel_arguments(&self, row: &Row, kernel: &KernelCall<'_>, args: &mut Args) -> Result<(), Fault> {
        let [_, rcx, rdx, _, rsp, _, _, _, r8, r9, ..] = kernel.general;
        let width = self.kernel.profile.arch.width();
        // Behind the return address; 64-bit code leaves room for the registers' own.
        let at = match width {
            Width::W64 => {
                *args = Args::from_registers([rcx, rdx, r8, r9]);
                rsp.wrapping_add(0x28)
            }
            Width::W32 => u64::from((rsp as u32).wrapping_add(4)),
        };
        let len = row.memory_bytes(width);
        if len == 0 {
            return Ok(());
        }
        let mut bytes = [0; 8 * MAX_ARGS];
        let bytes = bytes.get_mut(..len).unwrap_or(&mut []);
        self.kernel.mm.read_system(&self.ram, at, bytes)?;
        row.spread(width, bytes, args);
        Ok(())
    }

    /// Ring 3 goes on.
    #[inline]
    pub(super) fn back_in_ring_3(&mut self, insn: &Insn<'_>) -> Flow {
        // A thread with hardware breakpoints goes on step by step.
        let on = if self.kernel.ps.thread.user.debug[5] & 0xff != 0 { Flow::Stop } else { Flow::Resume };
        let Some(user) = self.ring_0.as_mut().and_then(|r| r.user.as_mut()) else { return on };
        if self.observer.is_some() {
            return Flow::Stop;
        }
        if !user.served {
            // The kernel answered by itself: the number names nothing, or the arguments cannot be read.
            let status = guest::NtStatus(insn.registers().get(Reg::Rax) as u32);
            let answer = if user.no_gui { Answer::NoGui(status) } else { Answer::Status(status) };
            self.count_unserved(&answer);
        }
        if let Some(ring_0) = &mut self.ring_0 {
            ring_0.user = None;
        }
        on
    }
}
