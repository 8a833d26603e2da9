//! A small linker over iced's code assembler, so that a DLL reads as a list of functions.
//!
//! Each function is assembled by itself, at address 0, with symbols standing at placeholder
//! addresses; [`super::link`] lays the sections out and puts the real distances in.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

use hashbrown::HashMap;
use iced_x86::code_asm::{AsmMemoryOperand, AsmRegister64, CodeAssembler, CodeLabel};
use iced_x86::{
    BlockEncoder, BlockEncoderOptions, Code, ConstantOffsets, Instruction, InstructionBlock, MemoryOperand, Register,
};

use super::error::AsmError;
use super::frame::Frame;
use crate::layout::BuildLayouts;
use crate::profile::Profile;

/// Emits instructions one a line: `asm! { a; mov rax, rcx; ret; }`.
macro_rules! asm {
    ($a:ident; $($op:ident $($arg:expr),*;)*) => { $( $a.$op($($arg),*)?; )* };
}
pub(super) use asm;

/// Symbols stand at `PLACEHOLDERS + index * SPACING` while a function is assembled: in reach of a
/// 32-bit displacement, and far enough apart for any offset into one.
const PLACEHOLDERS: u64 = 0x4000_0000;
const SPACING: u64 = 0x1_0000;
/// Assembler labels are numbered from 1, so the first one made is an origin to count from.
const ORIGIN_ID: i64 = 1;

/// Where a symbol lies: offsets into the section's contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Undefined,
    Text(u32),
    Constant(u32),
    Data(u32),
    /// A slot of the import address table.
    Import(u32),
}

/// A symbol in an instruction: an address (`call`, `jmp`) or a memory operand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sym {
    address: u64,
    origin: CodeLabel,
}

impl From<Sym> for AsmMemoryOperand {
    fn from(sym: Sym) -> Self {
        AsmMemoryOperand::from(sym.origin) + (sym.address as i64 - ORIGIN_ID)
    }
}

impl std::ops::Add<i32> for Sym {
    type Output = Sym;
    fn add(self, offset: i32) -> Sym {
        Sym { address: self.address.wrapping_add_signed(offset.into()), ..self }
    }
}

/// A 32-bit distance in `.text` that the linker completes.
#[derive(Debug)]
pub(super) struct Fixup {
    /// Offset in `.text` of the field.
    pub at: u32,
    /// Offset in `.text` of the function it is in.
    pub function: u32,
    pub symbol: usize,
}

/// The extent of a function that has a frame.
#[derive(Debug)]
pub(super) struct Unwind {
    pub start: u32,
    pub end: u32,
    pub info: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum Target {
    Symbol(usize),
    Forward(&'static str),
}

#[derive(Default)]
pub(super) struct Symbols {
    pub list: Vec<(&'static str, Place)>,
    by_name: HashMap<&'static str, usize>,
    imports_by_name: HashMap<&'static str, usize>,
    /// Imported names in slot order.
    pub imports: Vec<&'static str>,
}

impl Symbols {
    fn named(&mut self, name: &'static str) -> usize {
        *self.by_name.entry(name).or_insert_with(|| {
            self.list.push((name, Place::Undefined));
            self.list.len() - 1
        })
    }

    fn import(&mut self, name: &'static str) -> usize {
        *self.imports_by_name.entry(name).or_insert_with(|| {
            self.list.push((name, Place::Import(8 * self.imports.len() as u32)));
            self.imports.push(name);
            self.list.len() - 1
        })
    }

    fn define(&mut self, name: &'static str, place: Place) -> Result<usize, AsmError> {
        let index = self.named(name);
        match self.list.get_mut(index) {
            Some((_, old @ Place::Undefined)) => *old = place,
            _ => return Err(AsmError::Duplicate(name.into())),
        }
        Ok(index)
    }
}

/// A DLL being put together.
pub(super) struct Module {
    pub profile: &'static Profile,
    pub name: &'static str,
    pub base: u64,
    pub text: Vec<u8>,
    pub constants: Vec<u8>,
    pub data: Vec<u8>,
    pub symbols: Symbols,
    pub exports: Vec<(Cow<'static, str>, Target)>,
    pub fixups: Vec<Fixup>,
    pub unwind: Vec<Unwind>,
    assembler: CodeAssembler,
}

impl Module {
    pub(super) fn new(profile: &'static Profile, name: &'static str, base: u64) -> Result<Self, AsmError> {
        Ok(Self {
            profile,
            name,
            base,
            text: Vec::with_capacity(0x8000),
            constants: Vec::new(),
            data: Vec::new(),
            symbols: Symbols::default(),
            exports: Vec::with_capacity(1200),
            fixups: Vec::new(),
            unwind: Vec::new(),
            assembler: CodeAssembler::new(64)?,
        })
    }

    /// Where a symbol stands while code is assembled.
    pub(super) fn placeholder(symbol: usize) -> u32 {
        (PLACEHOLDERS + symbol as u64 * SPACING) as u32
    }

    /// An exported function.
    pub(super) fn func(
        &mut self, name: &'static str, body: impl FnOnce(&mut Asm<'_>) -> Result<(), AsmError>,
    ) -> Result<(), AsmError> {
        let index = self.local(name, body)?;
        self.exports.push((name.into(), Target::Symbol(index)));
        Ok(())
    }

    /// A function of the module's own.
    pub(super) fn local(
        &mut self, name: &'static str, body: impl FnOnce(&mut Asm<'_>) -> Result<(), AsmError>,
    ) -> Result<usize, AsmError> {
        self.text.resize(self.text.len().next_multiple_of(16), 0xcc);
        let start = offset(&self.text)?;
        let index = self.symbols.define(name, Place::Text(start))?;
        self.assembler.reset();
        let origin = self.assembler.create_label();
        let mut a = Asm {
            assembler: &mut self.assembler,
            symbols: &mut self.symbols,
            layouts: self.profile.layout(),
            function: name,
            origin,
            frame: None,
        };
        body(&mut a)?;
        let frame = a.frame;
        let code = self.assembler.take_instructions();
        self.encode(name, start, &code, frame)?;
        Ok(index)
    }

    fn encode(
        &mut self, function: &'static str, start: u32, code: &[Instruction], frame: Option<Frame>,
    ) -> Result<(), AsmError> {
        check_labels(function, code)?;
        let options =
            BlockEncoderOptions::RETURN_CONSTANT_OFFSETS | BlockEncoderOptions::RETURN_NEW_INSTRUCTION_OFFSETS;
        let block = InstructionBlock::new(code, 0);
        let out = BlockEncoder::encode(64, block, options).map_err(|error| AsmError::Encode { function, error })?;
        for ((instruction, at), fields) in code.iter().zip(&out.new_instruction_offsets).zip(&out.constant_offsets) {
            let Some((symbol, field)) = reference(instruction, fields) else { continue };
            let field = field.ok_or(AsmError::Malformed { function, reason: "a symbol without a 32-bit distance" })?;
            self.fixups.push(Fixup { at: start + at + field, function: start, symbol });
        }
        self.text.extend(&out.code_buffer);
        if let Some(frame) = frame {
            // The prologue is the pushes and one subtraction; a code's offset is where its instruction ends.
            let count = frame.prologue_len();
            let ends = out.new_instruction_offsets.get(1..=count).unwrap_or_default();
            let end = offset(&self.text)?;
            self.unwind.push(Unwind { start, end, info: frame.unwind_info(ends) });
        }
        Ok(())
    }

    /// Exports a function under a second name.
    pub(super) fn alias(&mut self, name: &'static str, of: &'static str) {
        let index = self.symbols.named(of);
        self.exports.push((name.into(), Target::Symbol(index)));
    }

    /// An export that is another DLL's: `NTDLL.RtlFreeHeap`.
    pub(super) fn forward(&mut self, name: &'static str, to: &'static str) {
        self.exports.push((name.into(), Target::Forward(to)));
    }

    /// Zeroed bytes in `.data`, 16-byte aligned.
    pub(super) fn data(&mut self, name: &'static str, initial: &[u8]) -> Result<(), AsmError> {
        self.data.resize(self.data.len().next_multiple_of(16), 0);
        self.symbols.define(name, Place::Data(offset(&self.data)?))?;
        self.data.extend(initial);
        Ok(())
    }

    /// Bytes in `.rdata`, 16-byte aligned.
    pub(super) fn constant(&mut self, name: &'static str, bytes: &[u8]) -> Result<(), AsmError> {
        self.constants.resize(self.constants.len().next_multiple_of(16), 0);
        self.symbols.define(name, Place::Constant(offset(&self.constants)?))?;
        self.constants.extend(bytes);
        Ok(())
    }
}

fn offset(bytes: &[u8]) -> Result<u32, AsmError> {
    u32::try_from(bytes.len()).map_err(|_| AsmError::TooLarge)
}

/// The symbol an instruction refers to, and where the distance to it is encoded.
fn reference(instruction: &Instruction, fields: &ConstantOffsets) -> Option<(usize, Option<u32>)> {
    let symbol = |address: u64| {
        let index = address.checked_sub(PLACEHOLDERS)? / SPACING;
        usize::try_from(index).ok()
    };
    if instruction.is_ip_rel_memory_operand() {
        let index = symbol(instruction.memory_displacement64())?;
        let field = (fields.displacement_size() == 4).then(|| fields.displacement_offset() as u32);
        return Some((index, field));
    }
    let index = symbol(instruction.near_branch_target())?;
    let field = (fields.immediate_size() == 4).then(|| fields.immediate_offset() as u32);
    Some((index, field))
}

/// A label that was never set would be encoded as an address.
fn check_labels(function: &'static str, code: &[Instruction]) -> Result<(), AsmError> {
    for instruction in code {
        let target = instruction.near_branch_target();
        if target != 0 && target < PLACEHOLDERS && !code.iter().any(|i| i.ip() == target) {
            return Err(AsmError::Malformed { function, reason: "a jump to a label that is not set" });
        }
    }
    Ok(())
}

/// The assembler of one function: iced's, with the module's symbols and the profile's layouts.
pub(super) struct Asm<'m> {
    assembler: &'m mut CodeAssembler,
    symbols: &'m mut Symbols,
    layouts: &'static BuildLayouts,
    function: &'static str,
    origin: CodeLabel,
    frame: Option<Frame>,
}

impl Deref for Asm<'_> {
    type Target = CodeAssembler;
    fn deref(&self) -> &CodeAssembler {
        self.assembler
    }
}

impl DerefMut for Asm<'_> {
    fn deref_mut(&mut self) -> &mut CodeAssembler {
        self.assembler
    }
}

impl Asm<'_> {
    /// Fresh labels.
    pub(super) fn labels<const N: usize>(&mut self) -> [CodeLabel; N] {
        std::array::from_fn(|_| self.assembler.create_label())
    }

    /// Puts a label here; several may stand at one place.
    pub(super) fn bind(&mut self, label: &mut CodeLabel) -> Result<(), AsmError> {
        if self.assembler.set_label(label).is_err() {
            self.assembler.zero_bytes()?;
            self.assembler.set_label(label)?;
        }
        Ok(())
    }

    /// A function or data item of this module.
    pub(super) fn sym(&mut self, name: &'static str) -> Sym {
        let index = self.symbols.named(name);
        self.at(index)
    }

    fn at(&self, index: usize) -> Sym {
        Sym { address: PLACEHOLDERS + index as u64 * SPACING, origin: self.origin }
    }

    /// Calls a function of this module.
    pub(super) fn invoke(&mut self, name: &'static str) -> Result<(), AsmError> {
        let target = self.sym(name);
        Ok(self.assembler.call(target.address)?)
    }

    /// Jumps to a function of this module.
    pub(super) fn jump(&mut self, name: &'static str) -> Result<(), AsmError> {
        let target = self.sym(name);
        Ok(self.assembler.jmp(target.address)?)
    }

    /// Calls an imported function.
    pub(super) fn invoke_import(&mut self, name: &'static str) -> Result<(), AsmError> {
        let index = self.symbols.import(name);
        let slot = self.at(index);
        Ok(self.assembler.call(iced_x86::code_asm::qword_ptr(slot))?)
    }

    /// Jumps to an imported function.
    pub(super) fn jump_import(&mut self, name: &'static str) -> Result<(), AsmError> {
        let index = self.symbols.import(name);
        let slot = self.at(index);
        Ok(self.assembler.jmp(iced_x86::code_asm::qword_ptr(slot))?)
    }

    /// The offset of a field in the profile's build.
    pub(super) fn offset(&self, structure: &'static str, field: &'static str) -> Result<i32, AsmError> {
        let offset = self.layouts.offset(structure, field);
        offset.and_then(|o| i32::try_from(o).ok()).ok_or(AsmError::Layout { structure, field })
    }

    /// Loads a pointer from the TEB: `mov register, gs:[offset]`.
    ///
    /// The assembler's own `mov rax, [address]` is the form with a 64-bit address, which no compiler uses.
    pub(super) fn load_gs(&mut self, register: AsmRegister64, offset: i32) -> Result<(), AsmError> {
        let memory = MemoryOperand::new(Register::None, Register::None, 1, offset.into(), 8, false, Register::GS);
        let load = Instruction::with2(Code::Mov_r64_rm64, Register::from(register), memory)?;
        Ok(self.assembler.add_instruction(load)?)
    }

    /// Loads the TEB's address.
    pub(super) fn load_teb(&mut self, register: AsmRegister64) -> Result<(), AsmError> {
        let offset = self.offset("NT_TIB", "Self")?;
        self.load_gs(register, offset)
    }

    /// Loads the PEB's address.
    pub(super) fn load_peb(&mut self, register: AsmRegister64) -> Result<(), AsmError> {
        let offset = self.offset("TEB", "ProcessEnvironmentBlock")?;
        self.load_gs(register, offset)
    }

    pub(super) fn open_frame(&mut self, frame: Frame) -> Result<(), AsmError> {
        if !self.assembler.instructions().is_empty() {
            return Err(AsmError::Malformed { function: self.function, reason: "the prologue is not at the start" });
        }
        self.frame = Some(frame);
        Ok(())
    }
}
