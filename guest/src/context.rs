//! `CONTEXT` and `EXCEPTION_RECORD`: a thread's registers and an exception as bytes of the guest.
//!
//! Source of the offsets: winnt.h, where they have never changed. `WOW64_CONTEXT` is the 32-bit `CONTEXT`.

mod fpu;
mod record;

use crate::mem::{get, put};
use crate::profile::Arch;
use crate::registers::{Reg, UserState};

pub use record::ExceptionRecord;

bitflags::bitflags! {
    /// The parts of a `CONTEXT`, by the bits that `ContextFlags` has for them in either architecture.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Parts: u32 {
        /// Stack, place, flags.
        const CONTROL = 0x1;
        /// The other general registers.
        const INTEGER = 0x2;
        /// Data segments.
        const SEGMENTS = 0x4;
        /// The x87, and in 64-bit contexts XMM.
        const FLOATING_POINT = 0x8;
        /// DR0-3, DR6, DR7.
        const DEBUG_REGISTERS = 0x10;
        /// An FXSAVE area: 32-bit contexts only.
        const EXTENDED_REGISTERS = 0x20;
        /// What XSAVE keeps beyond it, which this CPU does not have.
        const XSTATE = 0x40;
    }
}

impl Parts {
    /// What an exception shows of a thread.
    pub const ALL: Self = Self::CONTROL
        .union(Self::INTEGER)
        .union(Self::SEGMENTS)
        .union(Self::FLOATING_POINT)
        .union(Self::DEBUG_REGISTERS);
}

/// The flags that user mode can have: CF, PF, AF, ZF, SF, TF, DF, OF, RF, AC, ID.
const USER_FLAGS: u64 = 0x25_0dd5;
/// IF, and the bit that is always one.
const FIXED_FLAGS: u64 = 0x202;
/// The bits that `MXCSR` has.
const MXCSR_MASK: u32 = 0xffff;
/// What user mode can have in DR7 and DR6.
const DR7_MASK: u64 = 0xffff_0355;
const DR6_MASK: u64 = 0xe00f;

/// A kind of `CONTEXT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextLayout {
    arch: Arch,
}

/// General registers of a 64-bit context from 78h on, in the order of their numbers.
const ORDER_64: [Reg; 16] = [
    Reg::Rax,
    Reg::Rcx,
    Reg::Rdx,
    Reg::Rbx,
    Reg::Rsp,
    Reg::Rbp,
    Reg::Rsi,
    Reg::Rdi,
    Reg::R8,
    Reg::R9,
    Reg::R10,
    Reg::R11,
    Reg::R12,
    Reg::R13,
    Reg::R14,
    Reg::R15,
];
const GENERAL_64: usize = 0x78;
const RIP_64: usize = 0xf8;
const FLAGS_64: usize = 0x44;
const MXCSR_64: usize = 0x34;
const FXSAVE_64: usize = 0x100;
/// Segment selectors of a 64-bit context: CS, DS, ES, FS, GS, SS, two bytes each.
const SEGMENTS_64: usize = 0x38;
const DEBUG_64: usize = 0x48;
const INTEGER_32: [(Reg, usize); 6] =
    [(Reg::Rdi, 0x9c), (Reg::Rsi, 0xa0), (Reg::Rbx, 0xa4), (Reg::Rdx, 0xa8), (Reg::Rcx, 0xac), (Reg::Rax, 0xb0)];
const CONTROL_32: [(Reg, usize); 4] = [(Reg::Rbp, 0xb4), (Reg::Rip, 0xb8), (Reg::Rflags, 0xc0), (Reg::Rsp, 0xc4)];
/// GS, FS, ES, DS of a 32-bit context, four bytes each; CS and SS stand apart.
const SEGMENTS_32: usize = 0x8c;
const CS_32: usize = 0xbc;
const SS_32: usize = 0xc8;
const DEBUG_32: usize = 4;
const FLOAT_SAVE_32: usize = 0x1c;
const EXTENDED_32: usize = 0xcc;

/// A selector of user mode: what NT puts in place of any other.
const CODE_64: u16 = 0x33;
const CODE_COMPATIBLE: u16 = 0x23;

impl ContextLayout {
    /// The context of code of an architecture.
    pub const fn new(arch: Arch) -> Self {
        Self { arch }
    }

    /// Its size in bytes.
    pub const fn size(self) -> usize {
        match self.arch {
            Arch::X64 => 0x4d0,
            Arch::X86 => 0x2cc,
        }
    }

    /// How its address is aligned where a service checks that.
    pub const fn align(self) -> u64 {
        match self.arch {
            Arch::X64 => 16,
            Arch::X86 => 4,
        }
    }

    /// Where `ContextFlags` is.
    pub const fn flags_offset(self) -> usize {
        match self.arch {
            Arch::X64 => 0x30,
            Arch::X86 => 0,
        }
    }

    /// The bit of `ContextFlags` that names the architecture.
    pub const fn mark(self) -> u32 {
        match self.arch {
            Arch::X64 => 0x10_0000,
            Arch::X86 => 0x1_0000,
        }
    }

    /// Which parts a context's `ContextFlags` names; `None` where they are another architecture's.
    pub fn parts(self, bytes: &[u8]) -> Option<Parts> {
        let flags = get(bytes, self.flags_offset(), 4) as u32;
        (flags & self.mark() != 0).then(|| Parts::from_bits_truncate(flags))
    }

    /// Writes `ContextFlags`.
    pub fn set_parts(self, bytes: &mut [u8], parts: Parts) {
        put(bytes, self.flags_offset(), 4, u64::from(self.mark() | parts.bits()));
    }

    /// Fills parts of a context from a state; everything else stays as it is.
    pub fn write(self, state: &UserState, parts: Parts, bytes: &mut [u8]) {
        match self.arch {
            Arch::X64 => write_64(state, parts, bytes),
            Arch::X86 => write_32(state, parts, bytes),
        }
    }

    /// A new context with parts of a state.
    pub fn encode(self, state: &UserState, parts: Parts) -> Vec<u8> {
        let mut bytes = vec![0; self.size()];
        self.set_parts(&mut bytes, parts);
        self.write(state, parts, &mut bytes);
        bytes
    }

    /// Changes parts of a state to what a context says, as far as user mode may have it. `kernel` is the architecture of
    /// the kernel, whose selectors these are, and `highest` the last address of user space.
    pub fn apply(self, bytes: &[u8], parts: Parts, kernel: Arch, highest: u64, state: &mut UserState) {
        let wide = self.arch == Arch::X64;
        if wide {
            read_64(bytes, parts, state);
        } else {
            read_32(bytes, parts, kernel, state);
        }
        if parts.contains(Parts::CONTROL) {
            let flags = state.file.get(Reg::Rflags);
            state.file.set(Reg::Rflags, flags & USER_FLAGS | FIXED_FLAGS);
        }
        if parts.contains(Parts::DEBUG_REGISTERS) {
            let (at, width) = if wide { (DEBUG_64, 8) } else { (DEBUG_32, 4) };
            for (i, register) in state.debug.iter_mut().enumerate() {
                let value = get(bytes, at + i * width, width);
                *register = match i {
                    0..4 => {
                        if value > highest {
                            0
                        } else {
                            value
                        }
                    }
                    4 => value & DR6_MASK,
                    _ => value & DR7_MASK,
                };
            }
        }
    }
}

fn write_64(state: &UserState, parts: Parts, bytes: &mut [u8]) {
    let file = &state.file;
    let segments = &state.segments;
    for (i, reg) in ORDER_64.iter().enumerate() {
        let part = if *reg == Reg::Rsp { Parts::CONTROL } else { Parts::INTEGER };
        if parts.contains(part) {
            put(bytes, GENERAL_64 + 8 * i, 8, file.get(*reg));
        }
    }
    let mut selector = |index: usize, value: u16| put(bytes, SEGMENTS_64 + 2 * index, 2, value.into());
    if parts.contains(Parts::CONTROL) {
        selector(0, segments.cs);
        selector(5, segments.ss);
    }
    if parts.contains(Parts::SEGMENTS) {
        for (i, value) in [segments.ds, segments.es, segments.fs, segments.gs].into_iter().enumerate() {
            selector(1 + i, value);
        }
    }
    if parts.contains(Parts::CONTROL) {
        put(bytes, RIP_64, 8, file.get(Reg::Rip));
        put(bytes, FLAGS_64, 4, file.get(Reg::Rflags));
    }
    if parts.contains(Parts::FLOATING_POINT) {
        put(bytes, MXCSR_64, 4, state.mxcsr.into());
        fpu::write_fxsave(state, 16, bytes, FXSAVE_64);
    }
    if parts.contains(Parts::DEBUG_REGISTERS) {
        state.debug.iter().enumerate().for_each(|(i, value)| put(bytes, DEBUG_64 + 8 * i, 8, *value));
    }
}

fn read_64(bytes: &[u8], parts: Parts, state: &mut UserState) {
    let file = &mut state.file;
    for (i, reg) in ORDER_64.iter().enumerate() {
        let part = if *reg == Reg::Rsp { Parts::CONTROL } else { Parts::INTEGER };
        if parts.contains(part) {
            file.set(*reg, get(bytes, GENERAL_64 + 8 * i, 8));
        }
    }
    if parts.contains(Parts::CONTROL) {
        file.set(Reg::Rip, get(bytes, RIP_64, 8));
        file.set(Reg::Rflags, get(bytes, FLAGS_64, 4));
        // Code of either width, and nothing else; the other segments are what they always are.
        let cs = get(bytes, SEGMENTS_64, 2) as u16;
        state.segments.cs = if cs == CODE_COMPATIBLE { CODE_COMPATIBLE } else { CODE_64 };
        state.segments.ss = 0x2b;
        if state.segments.cs == CODE_COMPATIBLE {
            narrow(file);
        }
    }
    if parts.contains(Parts::FLOATING_POINT) {
        fpu::read_fxsave(bytes, FXSAVE_64, 16, state);
        // It stands twice; this one counts.
        state.mxcsr = get(bytes, MXCSR_64, 4) as u32 & MXCSR_MASK;
    }
}

/// 32-bit code has 32-bit registers.
fn narrow(file: &mut crate::registers::RegisterFile) {
    for reg in [Reg::Rip, Reg::Rsp] {
        file.set(reg, file.get(reg) & 0xffff_ffff);
    }
}

fn write_32(state: &UserState, parts: Parts, bytes: &mut [u8]) {
    let file = &state.file;
    let segments = &state.segments;
    let mut word = |at: usize, value: u64| put(bytes, at, 4, value);
    if parts.contains(Parts::INTEGER) {
        INTEGER_32.iter().for_each(|(reg, at)| word(*at, file.get(*reg)));
    }
    if parts.contains(Parts::CONTROL) {
        CONTROL_32.iter().for_each(|(reg, at)| word(*at, file.get(*reg)));
        word(CS_32, segments.cs.into());
        word(SS_32, segments.ss.into());
    }
    if parts.contains(Parts::SEGMENTS) {
        let selectors = [segments.gs, segments.fs, segments.es, segments.ds];
        selectors.into_iter().enumerate().for_each(|(i, value)| word(SEGMENTS_32 + 4 * i, value.into()));
    }
    if parts.contains(Parts::DEBUG_REGISTERS) {
        state.debug.iter().enumerate().for_each(|(i, value)| word(DEBUG_32 + 4 * i, *value));
    }
    if parts.contains(Parts::FLOATING_POINT) {
        fpu::write_fsave(state, bytes, FLOAT_SAVE_32);
    }
    if parts.contains(Parts::EXTENDED_REGISTERS) {
        fpu::write_fxsave(state, 8, bytes, EXTENDED_32);
    }
}

fn read_32(bytes: &[u8], parts: Parts, kernel: Arch, state: &mut UserState) {
    let word = |at: usize| get(bytes, at, 4);
    if parts.contains(Parts::INTEGER) {
        INTEGER_32.iter().for_each(|(reg, at)| state.file.set(*reg, word(*at)));
    }
    let (code, data, teb) = match kernel {
        Arch::X64 => (CODE_COMPATIBLE, 0x2b, 0x53),
        Arch::X86 => (0x1b, 0x23, 0x3b),
    };
    if parts.contains(Parts::CONTROL) {
        CONTROL_32.iter().for_each(|(reg, at)| state.file.set(*reg, word(*at)));
        // There are no other segments of user mode without a local descriptor table.
        state.segments.cs = code;
        state.segments.ss = data;
    }
    if parts.contains(Parts::SEGMENTS) {
        // A null selector is one of user mode's too.
        let allowed = |value: u64, other: u16| {
            let value = value as u16;
            if value <= 3 {
                0
            } else if [code, data, teb].contains(&(value | 3)) {
                value | 3
            } else {
                other
            }
        };
        let segments = &mut state.segments;
        segments.gs = allowed(word(SEGMENTS_32), if kernel == Arch::X64 { data } else { 0 });
        segments.fs = teb;
        segments.es = allowed(word(SEGMENTS_32 + 8), data);
        segments.ds = allowed(word(SEGMENTS_32 + 12), data);
    }
    if parts.contains(Parts::FLOATING_POINT) {
        fpu::read_fsave(bytes, FLOAT_SAVE_32, state);
    }
    if parts.contains(Parts::EXTENDED_REGISTERS) {
        fpu::read_fxsave(bytes, EXTENDED_32, 8, state);
        state.mxcsr &= MXCSR_MASK;
    }
}

#[cfg(test)]
mod tests;
