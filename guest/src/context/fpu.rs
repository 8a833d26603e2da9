//! The x87 and XMM as `FXSAVE` and `FSAVE` write them. Source: Intel SDM volume 1, chapters 8 and 10.

use crate::mem::{get, put};
use crate::registers::UserState;

/// `FXSAVE`: control word, status word, tags (a bit a register), `MXCSR` and its mask, registers, XMM.
const STATUS: usize = 2;
const TAGS: usize = 4;
const MXCSR: usize = 0x18;
const MXCSR_MASK: usize = 0x1c;
const REGISTERS: usize = 0x20;
const XMM: usize = 0xa0;
/// `FSAVE` in 32-bit form: control, status and tag words, four bytes each, four words of the last instruction, registers.
const FSAVE_STATUS: usize = 4;
const FSAVE_TAGS: usize = 8;
const FSAVE_REGISTERS: usize = 0x1c;

const EMPTY: u16 = 3;

/// Which physical register is ST(0).
fn top(status: u16) -> usize {
    usize::from(status >> 11 & 7)
}

/// The full tag of a register in use: 0 valid, 1 zero, 2 special.
fn full_tag(register: &[u8; 10]) -> u16 {
    let [mantissa @ .., low, high] = *register;
    let exponent = u16::from_le_bytes([low, high]) & 0x7fff;
    let mantissa = u64::from_le_bytes(mantissa);
    match (exponent, mantissa) {
        (0, 0) => 1,
        (0 | 0x7fff, _) => 2,
        (_, m) if m >> 63 == 0 => 2,
        _ => 0,
    }
}

pub(super) fn write_fxsave(state: &UserState, xmm: usize, bytes: &mut [u8], at: usize) {
    let [control, status, tags] = state.x87;
    let in_use = (0..8).filter(|r| tags >> (2 * r) & 3 != EMPTY).fold(0_u64, |all, r| all | 1 << r);
    put(bytes, at, 2, control.into());
    put(bytes, at + STATUS, 2, status.into());
    put(bytes, at + TAGS, 2, in_use);
    put(bytes, at + MXCSR, 4, state.mxcsr.into());
    put(bytes, at + MXCSR_MASK, 4, 0xffff);
    write_registers(state, bytes, at + REGISTERS, 16);
    for (i, [low, high]) in state.file.xmm.iter().take(xmm).enumerate() {
        put(bytes, at + XMM + 16 * i, 8, *low);
        put(bytes, at + XMM + 16 * i + 8, 8, *high);
    }
}

pub(super) fn read_fxsave(bytes: &[u8], at: usize, xmm: usize, state: &mut UserState) {
    state.x87 = [get(bytes, at, 2) as u16, get(bytes, at + STATUS, 2) as u16, 0];
    read_registers(bytes, at + REGISTERS, 16, state);
    let in_use = get(bytes, at + TAGS, 1);
    let tags = state.st.iter().enumerate().fold(0, |all, (r, register)| {
        let tag = if in_use >> r & 1 != 0 { full_tag(register) } else { EMPTY };
        all | tag << (2 * r)
    });
    state.x87[2] = tags;
    state.mxcsr = get(bytes, at + MXCSR, 4) as u32;
    for (i, value) in state.file.xmm.iter_mut().take(xmm).enumerate() {
        *value = [get(bytes, at + XMM + 16 * i, 8), get(bytes, at + XMM + 16 * i + 8, 8)];
    }
}

pub(super) fn write_fsave(state: &UserState, bytes: &mut [u8], at: usize) {
    for (place, word) in [0, FSAVE_STATUS, FSAVE_TAGS].into_iter().zip(state.x87) {
        put(bytes, at + place, 4, 0xffff_0000 | u64::from(word));
    }
    write_registers(state, bytes, at + FSAVE_REGISTERS, 10);
}

pub(super) fn read_fsave(bytes: &[u8], at: usize, state: &mut UserState) {
    state.x87 = [0, FSAVE_STATUS, FSAVE_TAGS].map(|place| get(bytes, at + place, 2) as u16);
    read_registers(bytes, at + FSAVE_REGISTERS, 10, state);
}

/// In memory they are in the order of the stack.
fn write_registers(state: &UserState, bytes: &mut [u8], at: usize, stride: usize) {
    let top = top(state.x87[1]);
    for i in 0..8 {
        let place = at + stride * i;
        if let (Some(to), Some(register)) = (bytes.get_mut(place..place + 10), state.st.get((top + i) % 8)) {
            to.copy_from_slice(register);
        }
    }
}

fn read_registers(bytes: &[u8], at: usize, stride: usize, state: &mut UserState) {
    let top = top(state.x87[1]);
    for i in 0..8 {
        let place = at + stride * i;
        let from = bytes.get(place..place + 10).and_then(|b| b.first_chunk::<10>());
        if let (Some(from), Some(register)) = (from, state.st.get_mut((top + i) % 8)) {
            *register = *from;
        }
    }
}
