//! Interrupts and exceptions as the CPU delivers them: gate, stack, frame. The engine never looks at the IDT.
//!
//! Source: Intel SDM volume 3, chapter 6.

use guest::mem::Access;
use guest::{Arch, Fault};
use kernel_model::Kernel;
use kernel_model::mm::Phys;

use crate::cpu::Entry;

/// The state that is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interrupted {
    pub rip: u64,
    pub cs: u16,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u16,
}

/// What interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub vector: u8,
    /// `int n`: the gate's DPL is checked.
    pub software: bool,
    pub error: Option<u32>,
}

/// Why an event cannot be delivered: another one is raised in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// #GP with this error code: no such gate, or not for this ring.
    Protection(u32),
    /// #NP with this error code: the gate is not present.
    NotPresent(u32),
    /// The stack cannot take the frame.
    Stack(Fault),
}

/// Where the tables are, by the registers of the CPU: base and limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables {
    pub idt: (u64, u32),
    pub tss: (u64, u32),
}

pub(super) const DOUBLE_FAULT: u8 = 8;
pub(super) const NOT_PRESENT: u8 = 11;
pub(super) const GENERAL_PROTECTION: u8 = 13;
pub(super) const PAGE_FAULT: u8 = 14;

/// Bits of a page fault's error code.
pub(super) const FAULT_PRESENT: u32 = 1;
pub(super) const FAULT_WRITE: u32 = 2;
pub(super) const FAULT_USER: u32 = 4;
pub(super) const FAULT_FETCH: u32 = 16;

/// TF, NT, RF and VM are cleared by every gate, IF by an interrupt gate.
const CLEARED: u64 = 0x3_4100;
const INTERRUPT_FLAG: u64 = 0x200;
const TASK_GATE: u8 = 5;
const INTERRUPT_GATE: u8 = 0xe;
const TRAP_GATE: u8 = 0xf;

/// A gate of the IDT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IdtGate {
    /// Where it leads.
    pub target: u64,
    /// Its code segment.
    pub selector: u16,
    /// Its type, 4 bits.
    pub kind: u8,
    /// Who may use it by `int n`.
    pub dpl: u8,
    /// It is there.
    pub present: bool,
    /// Which stack of the TSS it has of its own; 0: none.
    pub stack: u8,
}

/// Reads a gate; `None`: beyond the table, or not mapped.
pub(crate) fn gate(kernel: &Kernel, ram: &dyn Phys, idt: (u64, u32), vector: u8) -> Option<IdtGate> {
    let size = match kernel.profile.arch {
        Arch::X64 => 16,
        Arch::X86 => 8,
    };
    let at = u32::from(vector) * size;
    if at + size - 1 > idt.1 {
        return None;
    }
    let va = idt.0.wrapping_add(at.into());
    let low = quad(kernel, ram, va)?;
    let high = if size == 16 { quad(kernel, ram, va.wrapping_add(8))? } else { 0 };
    let offset = low & 0xffff | low >> 32 & 0xffff_0000;
    Some(IdtGate {
        target: offset | high << 32,
        selector: (low >> 16) as u16,
        kind: (low >> 40) as u8 & 0xf,
        dpl: (low >> 45) as u8 & 3,
        present: low >> 47 & 1 != 0,
        stack: if size == 16 { (low >> 32) as u8 & 7 } else { 0 },
    })
}

/// Eight bytes of guest memory, kernel space mostly.
fn quad(kernel: &Kernel, ram: &dyn Phys, va: u64) -> Option<u64> {
    kernel.mm.system_word(ram, va).or_else(|| {
        let mut bytes = [0; 8];
        kernel.mm.peek(ram, va, &mut bytes)?;
        Some(u64::from_le_bytes(bytes))
    })
}

fn word(kernel: &Kernel, ram: &dyn Phys, va: u64, len: usize) -> Result<u64, Refusal> {
    let unmapped = Fault { va, access: Access::Read, kind: guest::FaultKind::NotMapped };
    let value = quad(kernel, ram, va).ok_or(Refusal::Stack(unmapped))?;
    Ok(if len == 4 { value & 0xffff_ffff } else { value })
}

/// Delivers an event: writes its frame, and says where ring 0 goes on.
pub(super) fn deliver(
    kernel: &mut Kernel, ram: &mut dyn Phys, tables: Tables, event: Event, from: &Interrupted,
) -> Result<Entry, Refusal> {
    let selector_error = u32::from(event.vector) * 8 + 2;
    let gate = gate(kernel, ram, tables.idt, event.vector).ok_or(Refusal::Protection(selector_error))?;
    let ring = (from.cs & 3) as u8;
    if !matches!(gate.kind, INTERRUPT_GATE | TRAP_GATE | TASK_GATE) || event.software && gate.dpl < ring {
        return Err(Refusal::Protection(selector_error));
    }
    if !gate.present {
        return Err(Refusal::NotPresent(selector_error));
    }
    push(kernel, ram, tables, &gate, event.error, from)
}

/// Goes to code of the kernel's as an interrupt without a gate would.
pub(super) fn enter_at(
    kernel: &mut Kernel, ram: &mut dyn Phys, tables: Tables, target: u64, from: &Interrupted,
) -> Result<Entry, Refusal> {
    let gate = IdtGate { target, selector: 0, kind: INTERRUPT_GATE, dpl: 0, present: true, stack: 0 };
    push(kernel, ram, tables, &gate, None, from)
}

/// What is pushed, lowest address first: six words at most. One is made for each `int 2Eh`, so it is no `Vec`.
struct Frame {
    bytes: [u8; 6 * 8],
    len: usize,
}

impl Frame {
    fn add(&mut self, word: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.len..self.len + word.len()) {
            place.copy_from_slice(word);
            self.len += word.len();
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// Writes the frame.
fn push(
    kernel: &mut Kernel, ram: &mut dyn Phys, tables: Tables, gate: &IdtGate, error: Option<u32>, from: &Interrupted,
) -> Result<Entry, Refusal> {
    let mut frame = Frame { bytes: [0; 6 * 8], len: 0 };
    let stack = match kernel.profile.arch {
        Arch::X64 => frame_64(kernel, ram, tables, gate, error, from, &mut frame)?,
        Arch::X86 => frame_32(kernel, ram, tables, error, from, &mut frame)?,
    };
    let mut rsp = stack.wrapping_sub(frame.bytes().len() as u64);
    if kernel.profile.arch == Arch::X86 {
        rsp &= 0xffff_ffff;
    }
    kernel.mm.write_system(ram, rsp, frame.bytes()).map_err(Refusal::Stack)?;
    let clears = if gate.kind == INTERRUPT_GATE { CLEARED | INTERRUPT_FLAG } else { CLEARED };
    Ok(Entry { rip: gate.target, rsp: Some(rsp), rcx_r11: None, clears })
}

/// The frame of 64-bit mode: SS, RSP, RFLAGS, CS, RIP, and the error code if there is one; on a stack of the TSS, or
/// aligned on the one that is interrupted. Returns where that stack stands.
fn frame_64(
    kernel: &Kernel, ram: &dyn Phys, tables: Tables, gate: &IdtGate, error: Option<u32>, from: &Interrupted,
    frame: &mut Frame,
) -> Result<u64, Refusal> {
    let stack = match (gate.stack, from.cs & 3) {
        (0, 0) => from.rsp,
        // RSP0 is at 4, the seven stacks for interrupts from 24h on.
        (0, _) => word(kernel, ram, tables.tss.0.wrapping_add(4), 8)?,
        (n, _) => word(kernel, ram, tables.tss.0.wrapping_add(0x24 + 8 * (u64::from(n) - 1)), 8)?,
    };
    let words = [from.rip, from.cs.into(), from.rflags, from.rsp, from.ss.into()];
    let error = error.map(u64::from);
    error.into_iter().chain(words).for_each(|word| frame.add(&word.to_le_bytes()));
    Ok(stack & !0xf)
}

/// The frame of 32-bit mode: SS and ESP only where the ring changes. Returns where its stack stands.
fn frame_32(
    kernel: &Kernel, ram: &dyn Phys, tables: Tables, error: Option<u32>, from: &Interrupted, frame: &mut Frame,
) -> Result<u64, Refusal> {
    let outer = from.cs & 3 != 0;
    let stack = if outer { word(kernel, ram, tables.tss.0.wrapping_add(4), 4)? } else { from.rsp };
    let words = [from.rip as u32, from.cs.into(), from.rflags as u32];
    let outside = [from.rsp as u32, from.ss.into()];
    let outside = outside.iter().filter(|_| outer);
    error.iter().chain(&words).chain(outside).for_each(|word| frame.add(&word.to_le_bytes()));
    Ok(stack & 0xffff_ffff)
}
