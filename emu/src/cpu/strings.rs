//! `pcmpestri`, `pcmpestrm`, `pcmpistri`, `pcmpistrm`, which are run here and not by the engine.
//!
//! The engine's own give wrong results, and with a length of 80000000h they read the host's memory far beyond
//! their operands. So blocks are cut before them, as they are before what must not run at all.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

use super::Client;
use super::hooks::not_mapped;
use super::registers::{Reg, RegisterFile};
use guest::mem::Access;
use guest::{Fault, FaultKind};

/// Whether an instruction is one of the four.
pub(super) fn is_string_compare(insn: &Instruction) -> bool {
    is_explicit(insn) || matches!(insn.mnemonic(), Mnemonic::Pcmpistri | Mnemonic::Pcmpistrm)
}

/// Whether the lengths are in EAX and EDX.
fn is_explicit(insn: &Instruction) -> bool {
    use Mnemonic::{Pcmpestri, Pcmpestri64, Pcmpestrm, Pcmpestrm64};
    matches!(insn.mnemonic(), Pcmpestri | Pcmpestri64 | Pcmpestrm | Pcmpestrm64)
}

/// Whether the result is an index in ECX; otherwise it is a mask in XMM0.
fn gives_index(insn: &Instruction) -> bool {
    use Mnemonic::{Pcmpestri, Pcmpestri64, Pcmpistri};
    matches!(insn.mnemonic(), Pcmpestri | Pcmpestri64 | Pcmpistri)
}

/// The instruction at RIP, if it is one of the four.
pub(super) fn at(client: &mut dyn Client, bits: u32, rip: u64) -> Option<Instruction> {
    let mut code = [0; 15];
    let len = client.code(rip, &mut code);
    let insn = Decoder::with_ip(bits, code.get(..len)?, rip, DecoderOptions::NONE).decode();
    is_string_compare(&insn).then_some(insn)
}

/// Runs it: the registers after it, RIP included, or the fault of its operand.
pub(super) fn run(
    client: &mut dyn Client, insn: &Instruction, file: &RegisterFile, value: impl Fn(Register) -> Option<u64>,
) -> Result<RegisterFile, Fault> {
    let first = xmm(file, insn.op0_register());
    let second = match insn.op1_kind() {
        OpKind::Register => xmm(file, insn.op1_register()),
        _ => load(client, insn, value)?,
    };
    let control = insn.immediate8();
    let lengths = is_explicit(insn).then(|| {
        let wide = matches!(insn.mnemonic(), Mnemonic::Pcmpestri64 | Mnemonic::Pcmpestrm64);
        [Reg::Rax, Reg::Rdx].map(|reg| {
            let value = file.get(reg);
            if wide { value.cast_signed().unsigned_abs() } else { (value as i32).unsigned_abs().into() }
        })
    });
    let result = compare(control, first, second, lengths);
    let mut after = *file;
    if gives_index(insn) {
        after.set(Reg::Rcx, result.index(control));
    } else if let Some(xmm0) = after.xmm.first_mut() {
        let mask = result.mask(control);
        *xmm0 = [mask as u64, (mask >> 64) as u64];
    }
    after.set(Reg::Rflags, file.get(Reg::Rflags) & !ARITHMETIC | result.flags());
    after.set(Reg::Rip, insn.next_ip());
    Ok(after)
}

fn xmm(file: &RegisterFile, register: Register) -> u128 {
    let [low, high] = file.xmm.get(register.number()).copied().unwrap_or_default();
    u128::from(low) | u128::from(high) << 64
}

/// The operand in memory, which need not be aligned.
fn load(client: &mut dyn Client, insn: &Instruction, value: impl Fn(Register) -> Option<u64>) -> Result<u128, Fault> {
    let va = insn.virtual_address(1, 0, |register, _, _| value(register)).ok_or(not_mapped(insn.ip()))?;
    for at in [va, va.wrapping_add(15) & !0xfff] {
        // The second is the page that it ends in: before the first where addresses end.
        if at >= va {
            let refused = Fault { va: at, access: Access::Read, kind: FaultKind::Protection };
            let page = client.translate(at, Access::Read)?;
            page.read.then_some(()).ok_or(refused)?;
        }
    }
    let mut bytes = [0; 16];
    client.code(va, &mut bytes);
    Ok(u128::from_le_bytes(bytes))
}

const CF: u64 = 1;
const ZF: u64 = 0x40;
const SF: u64 = 0x80;
const OF: u64 = 0x800;
/// Those, AF and PF: all that the instructions write.
const ARITHMETIC: u64 = CF | ZF | SF | OF | 0x10 | 4;

/// What a comparison gives: a bit for each element of the second operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Compared {
    bits: u32,
    /// Elements in an operand.
    count: u32,
    lengths: [u32; 2],
}

/// Compares as the control byte says; `lengths` as the program gives them, or up to the first zero.
fn compare(control: u8, first: u128, second: u128, lengths: Option<[u64; 2]>) -> Compared {
    let (width, count) = if control & 1 == 0 { (8, 16) } else { (16, 8) };
    let signed = control & 2 != 0;
    let element = |from: u128, i: u32| {
        let value = (from >> (i * width)) as u16 as i32;
        match (width, signed) {
            (8, false) => value & 0xff,
            (8, true) => i32::from(value as i8),
            (_, false) => value,
            (_, true) => i32::from(value as i16),
        }
    };
    let to_zero = |from: u128| (0..count).find(|i| element(from, *i) == 0).unwrap_or(count);
    let lengths = match lengths {
        Some(given) => given.map(|n| n.min(count.into()) as u32),
        None => [to_zero(first), to_zero(second)],
    };
    let [len1, len2] = lengths;
    let a = |i: u32| (i < len1).then(|| element(first, i));
    let b = |j: u32| (j < len2).then(|| element(second, j));
    let matches = |j: u32| match control >> 2 & 3 {
        // Equal any: a set of characters.
        0 => b(j).is_some() && (0..len1).any(|i| a(i) == b(j)),
        // Ranges: pairs of bounds.
        1 => b(j).is_some_and(|b| {
            (0..count).step_by(2).any(|i| matches!((a(i), a(i + 1)), (Some(low), Some(high)) if low <= b && b <= high))
        }),
        // Equal each: two strings side by side.
        2 => a(j) == b(j),
        // Equal ordered: a string in another, as far as the other's end lets one see.
        _ => (0..count - j).all(|i| a(i).is_none() || a(i) == b(j + i)),
    };
    let plain = (0..count).filter(|j| matches(*j)).fold(0, |bits, j| bits | 1 << j);
    let flipped = match control >> 4 & 3 {
        1 => (1 << count) - 1,
        3 => (1 << len2) - 1,
        _ => 0,
    };
    Compared { bits: plain ^ flipped, count, lengths }
}

impl Compared {
    fn index(&self, control: u8) -> u64 {
        let found =
            if control & 0x40 == 0 { self.bits.trailing_zeros() } else { 31 - self.bits.leading_zeros().min(31) };
        if self.bits == 0 { self.count.into() } else { found.into() }
    }

    fn mask(&self, control: u8) -> u128 {
        if control & 0x40 == 0 {
            return self.bits.into();
        }
        let width = 128 / self.count;
        let ones = (1_u128 << width) - 1;
        (0..self.count).filter(|i| self.bits >> i & 1 != 0).fold(0, |mask, i| mask | ones << (i * width))
    }

    fn flags(&self) -> u64 {
        let [len1, len2] = self.lengths;
        let table = [(self.bits != 0, CF), (len2 < self.count, ZF), (len1 < self.count, SF), (self.bits & 1 != 0, OF)];
        table.iter().filter(|(is, _)| *is).map(|(_, flag)| flag).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> u128 {
        let mut bytes = [0; 16];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        u128::from_le_bytes(bytes)
    }

    #[test]
    fn the_uses_that_the_manual_names() {
        // A character of a set: strcspn.
        assert_eq!(compare(0, text(" ,"), text("one, two"), None).index(0), 3);
        // A range: the first digit.
        assert_eq!(compare(4, text("09"), text("abc7"), None).index(0), 3);
        // The first difference of two strings: equal each, negated.
        assert_eq!(compare(0x18, text("same text"), text("same tent"), None).index(0), 7);
        // A string in a string: strstr.
        assert_eq!(compare(0xc, text("tw"), text("one two"), None).index(0), 4);
        // Nothing: as many as there are elements.
        assert_eq!(compare(0, text("x"), text("abc"), None).index(0), 16);
    }

    #[test]
    fn lengths_of_any_size() {
        for length in [16, 17, 0x8000_0000, u64::MAX] {
            let both = compare(8, text("a"), text("a"), Some([length, length]));
            assert_eq!((both.bits, both.flags()), (0xffff, CF | OF), "{length:x}");
        }
    }
}
