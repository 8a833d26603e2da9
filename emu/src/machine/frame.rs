//! Where kernel code runs: the registers of user code in the trap frame that it has saved them in, and back.

use guest::Arch;
use guest::registers::UserState;
use kernel_model::{Answer, Kernel};

use super::Machine;
use super::end::End;
use super::ring0::Raised;
use super::user_exception::record_of;
use super::world::World;
use crate::cpu::{Exit, Ram, Reg};
use crate::loader::TrapFrame;

/// The fields of a frame that have a register each, by architecture. A system call saves the first ones.
const SAVED_64: &[(&str, Reg)] = &[
    ("Rip", Reg::Rip),
    ("Rsp", Reg::Rsp),
    ("EFlags", Reg::Rflags),
    ("Rbp", Reg::Rbp),
    ("Rbx", Reg::Rbx),
    ("Rdi", Reg::Rdi),
    ("Rsi", Reg::Rsi),
];
const SAVED_32: &[(&str, Reg)] = &[
    ("Eip", Reg::Rip),
    ("HardwareEsp", Reg::Rsp),
    ("EFlags", Reg::Rflags),
    ("Ebp", Reg::Rbp),
    ("Ebx", Reg::Rbx),
    ("Edi", Reg::Rdi),
    ("Esi", Reg::Rsi),
];
const VOLATILE_64: &[(&str, Reg)] = &[
    ("Rax", Reg::Rax),
    ("Rcx", Reg::Rcx),
    ("Rdx", Reg::Rdx),
    ("R8", Reg::R8),
    ("R9", Reg::R9),
    ("R10", Reg::R10),
    ("R11", Reg::R11),
];
const VOLATILE_32: &[(&str, Reg)] = &[("Eax", Reg::Rax), ("Ecx", Reg::Rcx), ("Edx", Reg::Rdx)];
const XMM: [&str; 6] = ["Xmm0", "Xmm1", "Xmm2", "Xmm3", "Xmm4", "Xmm5"];
/// CS of 64-bit user code.
const CODE_64: u16 = 0x33;
/// What 64-bit kernel code's RBP is past a frame.
const BIAS: u64 = 0x80;

/// User code goes on elsewhere than the frame says, with another stack.
fn send(frame: &TrapFrame, kernel: &mut Kernel, ram: &mut Ram, state: &UserState) {
    let names = if kernel.profile.arch == Arch::X64 { SAVED_64 } else { SAVED_32 };
    for (field, reg) in names.iter().filter(|(_, reg)| matches!(reg, Reg::Rip | Reg::Rsp | Reg::Rflags)) {
        frame.set(kernel, ram, field, state.file.get(*reg));
    }
}

impl Machine {
    /// The frame of the system call that ring 3 is in.
    fn call_frame(&self) -> Option<TrapFrame> {
        let ring_0 = self.world.ring_0.as_ref()?;
        Some(TrapFrame::new(&ring_0.system, ring_0.call_frame?))
    }

    /// What user code has: in the CPU, or where kernel code runs partly in the frame of the system call.
    pub(super) fn user_state(&self) -> UserState {
        let mut state = self.cpu.user_state();
        let is_64 = self.world.kernel.profile.arch == Arch::X64;
        let Some(frame) = self.call_frame() else {
            if is_64 && state.segments.cs == CODE_64 {
                // Where `syscall` puts them.
                state.file.set(Reg::R11, state.file.get(Reg::Rflags));
            }
            return state;
        };
        let saved = if self.world.kernel.profile.arch == Arch::X64 { SAVED_64 } else { SAVED_32 };
        let get = |field| frame.get(&self.world.kernel, &self.world.ram, field);
        for (field, reg) in saved {
            state.file.set(*reg, get(field).unwrap_or(0));
        }
        state.file.set(Reg::Rflags, state.file.get(Reg::Rflags) & 0xffff_ffff);
        if is_64 {
            // Where `syscall` has put them; what ring 0 has there is its own.
            state.file.set(Reg::R11, state.file.get(Reg::Rflags));
        }
        self.selectors_of(&frame, &mut state);
        state
    }

    fn selectors_of(&self, frame: &TrapFrame, state: &mut UserState) {
        let get = |field| frame.get(&self.world.kernel, &self.world.ram, field).unwrap_or(0);
        let segments = &mut state.segments;
        segments.cs = get("SegCs") as u16;
        match self.world.kernel.profile.arch {
            Arch::X64 => {
                (segments.ss, segments.ds, segments.es, segments.fs, segments.gs) = (0x2b, 0x2b, 0x2b, 0x53, 0x2b);
                state.mxcsr = get("MxCsr") as u32;
            }
            Arch::X86 => {
                (segments.ss, segments.ds, segments.es, segments.fs, segments.gs) = (0x23, 0x23, 0x23, 0x3b, 0);
            }
        }
    }

    /// User code goes on with other registers: at once, or where kernel code runs by its way out of an exception.
    pub(super) fn resume_with(&mut self, state: &UserState) {
        let exit = self.world.modules.kernel().next().and_then(|nt| nt.symbol("KiExceptionExit"));
        let (Some(frame), Some(exit)) = (self.call_frame(), exit) else {
            self.cpu.set_user_state(state);
            return;
        };
        self.fill_frame(&frame, state);
        let is_64 = self.world.kernel.profile.arch == Arch::X64;
        let mut inside = *state;
        inside.segments = self.cpu.user_state().segments;
        inside.file.set(Reg::Rip, exit);
        inside.file.set(Reg::Rsp, frame.at());
        inside.file.set(Reg::Rbp, if is_64 { frame.at().wrapping_add(BIAS) } else { frame.at() });
        inside.file.set(Reg::Rflags, self.cpu.registers().get(Reg::Rflags));
        self.cpu.set_user_state(&inside);
        // The call is over, and returns nothing.
        self.world.kernel.ps.thread.kernel_mode = false;
        if let Some(ring_0) = &mut self.world.ring_0 {
            ring_0.user = None;
        }
    }

    /// A call that raises its status returns to ntdll's code for that.
    pub(super) fn raise_on_return(&mut self, answer: &Answer) {
        if !matches!(answer, Answer::Raise(_)) {
            return;
        }
        let mut state = self.user_state();
        let frame = self.call_frame();
        let World { kernel, ram, .. } = &mut self.world;
        if kernel.raise_in(ram, &mut state).is_none() {
            return;
        }
        match frame {
            Some(frame) => send(&frame, kernel, ram, &state),
            None => {
                let mut registers = self.cpu.registers();
                for reg in [Reg::Rip, Reg::Rsp] {
                    registers.set(reg, state.file.get(reg));
                }
                self.cpu.set_registers(&registers);
            }
        }
    }

    fn fill_frame(&mut self, frame: &TrapFrame, state: &UserState) {
        let is_64 = self.world.kernel.profile.arch == Arch::X64;
        let (kernel, ram) = (&mut self.world.kernel, &mut self.world.ram);
        let fields = if is_64 { [SAVED_64, VOLATILE_64] } else { [SAVED_32, VOLATILE_32] };
        for (field, reg) in fields.into_iter().flatten() {
            frame.set(kernel, ram, field, state.file.get(*reg));
        }
        let segments = &state.segments;
        frame.set(kernel, ram, "SegCs", segments.cs.into());
        if is_64 {
            frame.set(kernel, ram, "SegSs", segments.ss.into());
            frame.set_bytes(kernel, ram, "MxCsr", &state.mxcsr.to_le_bytes());
            for (field, [low, high]) in XMM.iter().zip(state.file.xmm) {
                frame.set_bytes(kernel, ram, field, &[low.to_le_bytes(), high.to_le_bytes()].concat());
            }
        } else {
            let data = [("HardwareSegSs", segments.ss), ("SegDs", segments.ds), ("SegEs", segments.es)];
            data.into_iter().for_each(|(field, value)| frame.set(kernel, ram, field, value.into()));
            frame.set(kernel, ram, "SegFs", segments.fs.into());
        }
    }

    /// An exception of user code has come through the IDT: its process's handlers come first.
    pub(super) fn exception_from_ring_3(&mut self, raised: &Raised, frame: &TrapFrame) -> Option<End> {
        let crash = self.describe_exception(raised);
        if raised.exit == Exit::Interrupt(super::user_exception::FAST_FAIL) {
            return Some(self.crashed(crash));
        }
        let mut state = UserState { file: raised.registers, ..self.cpu.user_state() };
        state.debug = self.world.kernel.ps.thread.user.debug;
        self.selectors_of(frame, &mut state);
        let record = record_of(raised, &crash, std::mem::take(&mut self.debug_status), &mut state);
        let (kernel, ram) = (&mut self.world.kernel, &mut self.world.ram);
        if kernel.dispatch_exception(ram, &mut state, &record).is_err() {
            return Some(self.undispatched(crash));
        }
        send(frame, kernel, ram, &state);
        if kernel.profile.arch == Arch::X64 {
            frame.set(kernel, ram, "R10", state.file.get(Reg::R10));
        }
        kernel.ps.thread.user.debug = state.debug;
        self.told(record, crash);
        None
    }
}
