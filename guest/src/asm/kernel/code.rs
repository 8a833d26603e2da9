//! Writing code with iced's assembler, and handing it to the linker as an item.

use iced_x86::code_asm::{AsmMemoryOperand, CodeAssembler, CodeLabel, dword_ptr, qword_ptr};
use iced_x86::{BlockEncoderOptions, Decoder, DecoderOptions, Instruction, OpKind, Register};

use super::super::error::AsmError;
use super::super::item::{FixupKind, Item, Part, Symbol};
use crate::profile::Arch;

/// Where code is assembled before it has a place: beyond every number that stands for a name.
const ASSEMBLED_AT: u64 = 0x1000_0000;
/// 32-bit code has addresses as they are: name `n` stands for this, and 256 times `n` on top. No constant of the kernel's
/// is in this range.
const ADDRESSES: u32 = 0x5a00_0000;
const ADDRESS_SHIFT: u32 = 8;
const LAST_ADDRESS: u32 = 0x5aff_ffff;

/// A stretch of code. Places in it have names; names that it does not define are other items'.
pub(super) struct Code {
    /// iced's assembler.
    pub asm: CodeAssembler,
    arch: Arch,
    labels: Vec<Named>,
}

struct Named {
    name: Symbol,
    label: CodeLabel,
    /// In the code, and whether the name is exported.
    placed: Option<bool>,
}

impl Code {
    pub(super) fn new(arch: Arch) -> Result<Self, AsmError> {
        Ok(Self { asm: CodeAssembler::new(arch.bits())?, arch, labels: Vec::new() })
    }

    fn index(&mut self, name: Symbol) -> usize {
        if let Some(known) = self.labels.iter().position(|n| n.name == name) {
            return known;
        }
        let label = self.asm.create_label();
        self.labels.push(Named { name, label, placed: None });
        self.labels.len() - 1
    }

    /// A name to jump to, or to refer to relative to RIP.
    pub(super) fn to(&mut self, name: impl Into<Symbol>) -> CodeLabel {
        let at = self.index(name.into());
        self.labels.get(at).map_or_else(CodeLabel::default, |n| n.label)
    }

    /// The variable of a name: relative to RIP in 64-bit code, by its address in 32-bit code.
    pub(super) fn var(&mut self, name: impl Into<Symbol>) -> AsmMemoryOperand {
        match self.arch {
            Arch::X64 => qword_ptr(self.to(name)),
            Arch::X86 => dword_ptr(self.address(name)),
        }
    }

    /// The address of a name, for an immediate or a displacement of 32-bit code; a little may be added to it.
    pub(super) fn address(&mut self, name: impl Into<Symbol>) -> u32 {
        ADDRESSES + ((self.index(name.into()) as u32) << ADDRESS_SHIFT)
    }

    /// Names the next instruction.
    pub(super) fn name(&mut self, name: impl Into<Symbol>) -> Result<(), AsmError> {
        self.place(name.into(), false)
    }

    /// Names the next instruction, and exports the name.
    pub(super) fn export(&mut self, name: impl Into<Symbol>) -> Result<(), AsmError> {
        self.place(name.into(), true)
    }

    fn place(&mut self, name: Symbol, exported: bool) -> Result<(), AsmError> {
        let at = self.index(name);
        if let Some(named) = self.labels.get_mut(at) {
            self.asm.set_label(&mut named.label)?;
            named.placed = Some(exported);
        }
        Ok(())
    }

    /// The item.
    pub(super) fn finish(mut self) -> Result<Item, AsmError> {
        let options = BlockEncoderOptions::RETURN_NEW_INSTRUCTION_OFFSETS;
        let code = self.asm.assemble_options(ASSEMBLED_AT, options)?;
        let mut item = Item::new(Part::Code, code.inner.code_buffer.clone());
        for named in &self.labels {
            if let Some(exported) = named.placed {
                let at = code.label_ip(&named.label)? - ASSEMBLED_AT;
                item = item.name(named.name.clone(), at as u32, exported);
            }
        }
        item.names.sort_by_key(|name| name.at);
        self.fixups(item)
    }

    /// Finds what refers to names outside: those the assembler was told nothing of.
    fn fixups(&self, mut item: Item) -> Result<Item, AsmError> {
        let bytes = item.bytes.clone();
        let mut decoder = Decoder::with_ip(self.arch.bits(), &bytes, ASSEMBLED_AT, DecoderOptions::NONE);
        let mut found = Vec::new();
        while decoder.can_decode() {
            let instruction = decoder.decode();
            let at = (instruction.ip() - ASSEMBLED_AT) as usize;
            let fields = decoder.get_constant_offsets(&instruction);
            let (displacement, immediate) = (at + fields.displacement_offset(), at + fields.immediate_offset());
            let mut field = |at: usize, kind: FixupKind, symbol: Symbol, addend: u32| {
                if let Some(place) = item.bytes.get_mut(at..at + 4) {
                    place.copy_from_slice(&addend.to_le_bytes());
                }
                found.push((at as u32, kind, symbol));
            };
            if let Some(target) = relative(&instruction) {
                if let Some(symbol) = self.outside(target) {
                    // A branch's target is an immediate to the decoder.
                    let start = if instruction.is_ip_rel_memory_operand() { displacement } else { immediate };
                    let further = at + instruction.len() - start - 4;
                    field(start, FixupKind::Relative32(further as u8), symbol, 0);
                }
            } else if self.arch == Arch::X86 {
                let displaced = fields.has_displacement() && fields.displacement_size() == 4;
                let value = if displaced { instruction.memory_displacement32() } else { 0 };
                if let Some((symbol, addend)) = self.absolute(value) {
                    field(displacement, FixupKind::Absolute32, symbol, addend);
                }
                let value = if fields.immediate_size() == 4 { instruction.immediate32() } else { 0 };
                if let Some((symbol, addend)) = self.absolute(value) {
                    field(immediate, FixupKind::Absolute32, symbol, addend);
                }
            }
        }
        for (at, kind, symbol) in found {
            item = item.fixup(at, kind, symbol);
        }
        Ok(item)
    }

    /// The name that a target outside of the code stands for: the assembler takes an unplaced label's number for its
    /// address, and numbers them from 1.
    fn outside(&self, target: u64) -> Option<Symbol> {
        let named = self.labels.get(usize::try_from(target).ok()?.checked_sub(1)?)?;
        named.placed.is_none().then(|| named.name.clone())
    }

    fn absolute(&self, value: u32) -> Option<(Symbol, u32)> {
        let offset = (ADDRESSES..=LAST_ADDRESS).contains(&value).then(|| value - ADDRESSES)?;
        let named = self.labels.get((offset >> ADDRESS_SHIFT) as usize)?;
        Some((named.name.clone(), offset & ((1 << ADDRESS_SHIFT) - 1)))
    }
}

/// What an instruction refers to relative to itself.
fn relative(instruction: &Instruction) -> Option<u64> {
    if instruction.is_ip_rel_memory_operand() {
        return Some(instruction.ip_rel_memory_address());
    }
    let near = matches!(instruction.op0_kind(), OpKind::NearBranch32 | OpKind::NearBranch64);
    (near && instruction.memory_base() == Register::None).then(|| instruction.near_branch_target())
}
