//! Instructions with random operands, from iced's description of each encoding.

use iced_x86::{Code, Instruction, Mnemonic, OpCodeOperandKind as Kind, OpKind, Register as R};

use super::DATA;
use super::rng::Rng;

/// Where RBX or EBX points all the time: the middle of the page of data.
pub const BASE: u64 = DATA + 0x800;

/// RBX keeps the data's address and RSP the stack's, so neither is an operand.
const NUMBERS_64: [usize; 14] = [0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const NUMBERS_32: [usize; 6] = [0, 1, 2, 5, 6, 7];
const BYTES_64: [R; 17] = [
    R::AL,
    R::CL,
    R::DL,
    R::AH,
    R::CH,
    R::DH,
    R::BPL,
    R::SIL,
    R::DIL,
    R::R8L,
    R::R9L,
    R::R10L,
    R::R11L,
    R::R12L,
    R::R13L,
    R::R14L,
    R::R15L,
];
const BYTES_32: [R; 6] = [R::AL, R::CL, R::DL, R::AH, R::CH, R::DH];

/// Stores and loads that need no alignment whatever their size.
const ANY_ALIGNMENT: [Mnemonic; 4] = [Mnemonic::Movups, Mnemonic::Movupd, Mnemonic::Movdqu, Mnemonic::Lddqu];

/// What an encoding's operands may be.
pub struct Limits {
    pub bits: u32,
    /// How many x87 registers are in use.
    pub fpu_depth: u64,
}

/// Whether [`build`] knows such operands.
pub fn is_known(kind: Kind) -> bool {
    use Kind::*;
    is_memory(kind)
        || matches!(kind, r8_or_mem | r16_or_mem | r32_or_mem | r64_or_mem | mm_or_mem | xmm_or_mem)
        || matches!(kind, r8_reg | r8_opcode | r16_reg | r16_rm | r16_opcode | r32_reg | r32_rm | r32_opcode)
        || matches!(kind, r64_reg | r64_rm | r64_opcode | mm_reg | mm_rm | xmm_reg | xmm_rm)
        || matches!(kind, al | cl | ax | dx | eax | rax | st0 | sti_opcode | seg_rSI | es_rDI | seg_rDI | seg_rBX_al)
        || matches!(kind, imm8 | imm8_const_1 | imm8sex16 | imm8sex32 | imm8sex64)
        || matches!(kind, imm16 | imm32 | imm32sex64 | imm64)
}

fn is_memory(kind: Kind) -> bool {
    matches!(kind, Kind::mem | Kind::mem_offs)
}

/// An instruction, and what register, if any, must be made small (0 to 255) before it: the index of its address.
pub fn build(rng: &mut Rng, code: Code, limits: &Limits) -> Option<(Instruction, Option<R>)> {
    let mut insn = Instruction::default();
    insn.set_code(code);
    let mut index = None;
    for (i, kind) in (0..).zip(code.op_code().op_kinds()) {
        match operand(rng, *kind, limits) {
            Operand::Register(register) => {
                insn.set_op_kind(i, OpKind::Register);
                insn.set_op_register(i, register);
            }
            Operand::Immediate(kind, value) => {
                insn.set_op_kind(i, kind);
                set_immediate(&mut insn, i, kind, value);
            }
            Operand::Implied(kind) => insn.set_op_kind(i, kind),
            Operand::Memory => {
                insn.set_op_kind(i, OpKind::Memory);
                index = address(rng, &mut insn, limits.bits);
            }
            Operand::Table => {
                insn.set_op_kind(i, OpKind::Memory);
                insn.set_memory_base(base(limits.bits));
                insn.set_memory_index(R::AL);
            }
            Operand::Offset => {
                insn.set_op_kind(i, OpKind::Memory);
                insn.set_memory_displ_size(limits.bits / 8);
                insn.set_memory_displacement64(DATA + rng.below(0xff0));
            }
            Operand::Unknown => return None,
        }
    }
    let memory = (0..insn.op_count()).any(|i| insn.op_kind(i) == OpKind::Memory);
    let op_code = code.op_code();
    if memory && insn.op0_kind() == OpKind::Memory && op_code.can_use_lock_prefix() && rng.chance(30) {
        insn.set_has_lock_prefix(true);
        align(&mut insn, 16);
    }
    Some((insn, index))
}

enum Operand {
    Register(R),
    Immediate(OpKind, u64),
    /// What the instruction takes by itself.
    Implied(OpKind),
    Memory,
    /// `xlatb`'s.
    Table,
    /// An address in the instruction.
    Offset,
    Unknown,
}

fn operand(rng: &mut Rng, kind: Kind, limits: &Limits) -> Operand {
    use Kind::*;
    let wide = limits.bits == 64;
    let memory = rng.chance(35);
    match kind {
        mem => Operand::Memory,
        mem_offs => Operand::Offset,
        r8_or_mem | r16_or_mem | r32_or_mem | r64_or_mem | mm_or_mem | xmm_or_mem if memory => Operand::Memory,
        r8_or_mem | r8_reg | r8_opcode if wide => Operand::Register(rng.pick(&BYTES_64)),
        r8_or_mem | r8_reg | r8_opcode => Operand::Register(rng.pick(&BYTES_32)),
        r16_or_mem | r16_reg | r16_rm | r16_opcode => general(rng, R::AX, wide),
        r32_or_mem | r32_reg | r32_rm | r32_opcode => general(rng, R::EAX, wide),
        r64_or_mem | r64_reg | r64_rm | r64_opcode => general(rng, R::RAX, wide),
        mm_or_mem | mm_reg | mm_rm => Operand::Register(R::MM0 + rng.below(8) as u32),
        xmm_or_mem | xmm_reg | xmm_rm => Operand::Register(R::XMM0 + rng.below(if wide { 16 } else { 8 }) as u32),
        st0 => Operand::Register(R::ST0),
        sti_opcode => Operand::Register(R::ST0 + rng.below(limits.fpu_depth.max(1)) as u32),
        al => Operand::Register(R::AL),
        cl => Operand::Register(R::CL),
        ax => Operand::Register(R::AX),
        dx => Operand::Register(R::DX),
        eax => Operand::Register(R::EAX),
        rax => Operand::Register(R::RAX),
        seg_rSI => Operand::Implied(if wide { OpKind::MemorySegRSI } else { OpKind::MemorySegESI }),
        es_rDI => Operand::Implied(if wide { OpKind::MemoryESRDI } else { OpKind::MemoryESEDI }),
        seg_rDI => Operand::Implied(if wide { OpKind::MemorySegRDI } else { OpKind::MemorySegEDI }),
        seg_rBX_al => Operand::Table,
        imm8_const_1 => Operand::Immediate(OpKind::Immediate8, 1),
        imm8 => Operand::Immediate(OpKind::Immediate8, rng.next()),
        imm8sex16 => Operand::Immediate(OpKind::Immediate8to16, rng.next()),
        imm8sex32 => Operand::Immediate(OpKind::Immediate8to32, rng.next()),
        imm8sex64 => Operand::Immediate(OpKind::Immediate8to64, rng.next()),
        imm16 => Operand::Immediate(OpKind::Immediate16, rng.integer()),
        imm32 => Operand::Immediate(OpKind::Immediate32, rng.integer()),
        imm32sex64 => Operand::Immediate(OpKind::Immediate32to64, rng.integer()),
        imm64 => Operand::Immediate(OpKind::Immediate64, rng.integer()),
        _ => Operand::Unknown,
    }
}

fn general(rng: &mut Rng, first: R, wide: bool) -> Operand {
    let number = if wide { rng.pick(&NUMBERS_64) } else { rng.pick(&NUMBERS_32) };
    Operand::Register(first + number as u32)
}

fn set_immediate(insn: &mut Instruction, operand: u32, kind: OpKind, value: u64) {
    let value = match kind {
        OpKind::Immediate8 => u64::from(value as u8),
        OpKind::Immediate16 => u64::from(value as u16),
        OpKind::Immediate32 => u64::from(value as u32),
        OpKind::Immediate8to16 | OpKind::Immediate8to32 | OpKind::Immediate8to64 => i64::from(value as i8) as u64,
        OpKind::Immediate32to64 => i64::from(value as i32) as u64,
        _ => value,
    };
    insn.set_immediate_u64(operand, value);
}

pub fn base(bits: u32) -> R {
    if bits == 64 { R::RBX } else { R::EBX }
}

/// An address in the page of data, in one of the forms there are.
fn address(rng: &mut Rng, insn: &mut Instruction, bits: u32) -> Option<R> {
    let size = insn.code().op_code().memory_size().info().size() as u64;
    let needs = size >= 16 && !ANY_ALIGNMENT.contains(&insn.mnemonic()) || insn.mnemonic() == Mnemonic::Xchg;
    let aligned = if needs { 0xff0 } else { 0xfff };
    let at = (rng.below(0xf00) & aligned) + DATA;
    let displacement = at.wrapping_sub(BASE);
    match rng.below(10) {
        0 => {
            insn.set_memory_displ_size(4);
            insn.set_memory_displacement64(at);
        }
        1 if bits == 64 => {
            insn.set_memory_base(R::RIP);
            insn.set_memory_displ_size(8);
            insn.set_memory_displacement64(at);
        }
        2 if bits == 64 => {
            insn.set_memory_base(R::EBX);
            insn.set_memory_displ_size(4);
            insn.set_memory_displacement64(displacement & 0xffff_ffff);
        }
        3 | 4 if !needs => {
            let index = rng.pick(&[R::ECX, R::EDX, R::EBP, R::ESI, R::EDI]);
            insn.set_memory_base(base(bits));
            insn.set_memory_index(if bits == 64 { index.full_register() } else { index });
            insn.set_memory_index_scale(rng.pick(&[1, 2, 4, 8]));
            // The first half: an index of 255 times 8 stays in the page.
            insn.set_memory_displ_size(bits / 8);
            insn.set_memory_displacement64((rng.below(0x600) + DATA).wrapping_sub(BASE));
            return Some(index);
        }
        _ => {
            insn.set_memory_base(base(bits));
            insn.set_memory_displ_size(bits / 8);
            insn.set_memory_displacement64(displacement);
        }
    }
    None
}

/// Puts an address that has no index at a multiple of `to`.
pub fn align(insn: &mut Instruction, to: u64) {
    insn.set_memory_displacement64(insn.memory_displacement64() & !(to - 1));
    if insn.memory_index() != R::None {
        insn.set_memory_index(R::None);
        insn.set_memory_index_scale(1);
    }
}
