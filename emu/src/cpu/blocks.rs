//! Counting instructions by block.
//!
//! The engine tells when a block of code starts; how many instructions it has is decoded once and kept. Three
//! things need care. Code that changes is translated anew, which the engine also tells: the block is
//! then decoded anew too. An instruction with a `rep` prefix is a block that starts again for each
//! iteration, and counts once. A block that holds an instruction the engine would run wrongly (VEX, EVEX and
//! XOP coded ones, and string comparisons) is cut before it.

use iced_x86::{
    Code, Decoder, DecoderError, DecoderOptions, EncodingKind, FlowControl, Instruction, InstructionInfoFactory,
    Mnemonic, OpKind, Register,
};

use super::strings;

/// What is known of a block of code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    pub address: u64,
    pub size: u32,
    /// Instructions in it.
    pub count: u32,
    /// Where its last instruction is, if that is a repeated string instruction.
    pub rep: Option<u32>,
    /// Where the first instruction is that must not run, as an offset.
    pub forbidden: Option<u32>,
    /// Its last instruction is `int n`.
    pub ends_in_int: bool,
    /// Where its last instruction is, as an offset.
    pub last: u32,
    /// That is a jump, call or return.
    pub ends_in_branch: bool,
    /// That may lead to another code segment, so to code of another width.
    pub ends_in_far: bool,
    /// Its last instruction may write memory.
    pub may_store: bool,
    /// It writes a register that says where the ways into ring 0 lead.
    pub writes_msr: bool,
    /// It is 32-bit code.
    pub is_32: bool,
    /// Where the first instruction is that reaches for a port, as an offset: ring 3 may not run it.
    pub port: Option<u32>,
    /// The address space it is in ([`space_key`]).
    pub space: u64,
}

impl Block {
    /// The first address after it.
    pub(super) fn end(&self) -> u64 {
        self.address.wrapping_add(self.size.into())
    }

    /// How its code is decoded.
    pub(super) fn bits(&self) -> u32 {
        if self.is_32 { 32 } else { 64 }
    }

    /// What it is known by: the same bytes are another block for code of another width.
    pub(super) fn key(&self) -> u64 {
        self.address ^ mode_key(self.is_32) ^ self.space
    }

    /// Whether an address is in it.
    #[inline]
    pub(super) fn contains(&self, address: u64) -> bool {
        address.wrapping_sub(self.address) < u64::from(self.size)
    }

    /// Whether `next`, which starts right after this block, is this block started again in its middle: it wrote
    /// into itself, and the engine runs the store once more, alone. A block of one instruction that is reached
    /// by a jump is that jump, or the rest of the block would belong to it.
    #[inline]
    pub(super) fn is_restarted_by(&self, next: &Block) -> bool {
        next.count == 1
            && self.contains(next.address)
            && !(self.ends_in_branch && next.address == self.address.wrapping_add(self.last.into()))
    }
}

const SLOTS: usize = 1 << 13;

/// What tells blocks of 32-bit code from others: a bit that no user address has.
pub(super) const fn mode_key(is_32: bool) -> u64 {
    if is_32 { 1 << 63 } else { 0 }
}

/// What tells blocks of one address space from those of another: bits between those of user addresses and that of
/// [`mode_key`]. Process ids are multiples of 4.
pub(super) const fn space_key(process: u32) -> u64 {
    ((process >> 2 & 0x3fff) as u64) << 48
}

/// What counting needs of a block, small enough that many fit the host's cache.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    key: u64,
    /// 0: the slot is empty, or its block needs more than counting.
    size: u32,
    count: u32,
}

/// Decoded blocks, one for each slot.
pub(super) struct BlockCache {
    counts: Box<[Count; SLOTS]>,
    blocks: Box<[Block; SLOTS]>,
}

fn slot(address: u64) -> usize {
    (address ^ (address >> 13)) as usize % SLOTS
}

impl BlockCache {
    pub(super) fn new() -> Self {
        Self { counts: Box::new([Count::default(); SLOTS]), blocks: Box::new([Block::default(); SLOTS]) }
    }

    /// The slot and the instruction count of a block about which nothing else matters: no repeated string
    /// instruction, nothing forbidden, and no block that was started again in its middle.
    #[inline]
    pub(super) fn plain(&self, address: u64, mode: u64, size: u32) -> Option<(usize, u64)> {
        let slot = slot(address);
        let count = &self.counts[slot];
        (count.key == address ^ mode && count.size == size).then_some((slot, count.count.into()))
    }

    pub(super) fn get(&self, address: u64, mode: u64, size: u32) -> Option<&Block> {
        let block = &self.blocks[slot(address)];
        (block.key() == address ^ mode && block.size == size && size != 0).then_some(block)
    }

    /// The block in a slot.
    #[inline]
    pub(super) fn at(&self, slot: usize) -> &Block {
        &self.blocks[slot % SLOTS]
    }

    pub(super) fn insert(&mut self, block: Block) {
        // One instruction alone may be a block started again by a store into itself, unless it is a jump.
        let whole = block.count > 1 || block.ends_in_branch || !block.may_store;
        let plain =
            block.rep.is_none() && block.forbidden.is_none() && whole && !block.ends_in_far && !block.writes_msr;
        let slot = slot(block.address);
        self.blocks[slot] = block;
        let size = if plain { block.size } else { 0 };
        self.counts[slot] = Count { key: block.key(), size, count: block.count };
    }

    /// The code at an address was translated anew. The slot that is empty now, if one is.
    pub(super) fn forget(&mut self, address: u64) -> Option<usize> {
        let slot = slot(address);
        if self.blocks[slot].address != address {
            return None;
        }
        self.blocks[slot] = Block::default();
        self.counts[slot] = Count::default();
        Some(slot)
    }

    pub(super) fn clear(&mut self) {
        self.blocks.fill(Block::default());
        self.counts.fill(Count::default());
    }
}

fn decoder(code: &[u8], bits: u32, address: u64) -> Decoder<'_> {
    Decoder::with_ip(bits, code, address, DecoderOptions::NONE)
}

/// Whether the engine would run it wrongly, so that it must raise #UD, as on a CPU without AVX, or be run by
/// [`strings`].
fn is_forbidden(insn: &Instruction) -> bool {
    let encoding = insn.code().encoding();
    matches!(encoding, EncodingKind::VEX | EncodingKind::EVEX | EncodingKind::XOP | EncodingKind::MVEX)
        || strings::is_string_compare(insn)
}

/// Whether an instruction needs IOPL, which the engine does not ask for.
fn is_port(insn: &Instruction) -> bool {
    matches!(
        insn.mnemonic(),
        Mnemonic::In
            | Mnemonic::Out
            | Mnemonic::Insb
            | Mnemonic::Insw
            | Mnemonic::Insd
            | Mnemonic::Outsb
            | Mnemonic::Outsw
            | Mnemonic::Outsd
    )
}

/// The same of the instruction at the start of `code`.
pub(super) fn reaches_port(code: &[u8], bits: u32) -> bool {
    is_port(&decoder(code, bits, 0).decode())
}

fn is_repeated(insn: &Instruction) -> bool {
    insn.is_string_instruction() && (insn.has_rep_prefix() || insn.has_repne_prefix())
}

/// Decodes a block of `size` bytes.
pub(super) fn decode(code: &[u8], bits: u32, address: u64, size: u32) -> Block {
    let mut block = Block { address, size, is_32: bits == 32, ..Block::default() };
    let mut insn = Instruction::default();
    let mut decoder = decoder(code, bits, address);
    while decoder.can_decode() && decoder.position() < size as usize {
        block.last = decoder.position() as u32;
        decoder.decode_out(&mut insn);
        // What is no instruction the engine takes for one now and then (`8F /1` and on for `pop`), of another length. One
        // that is not all here ends a block of which the engine has not told the whole.
        let is_none = decoder.last_error() == DecoderError::InvalidInstruction;
        if block.forbidden.is_none() && (is_none || is_forbidden(&insn)) {
            block.forbidden = Some(block.last);
        }
        if block.port.is_none() && is_port(&insn) {
            block.port = Some(block.last);
        }
        block.writes_msr |= matches!(insn.mnemonic(), Mnemonic::Wrmsr | Mnemonic::Lidt | Mnemonic::Ltr);
        block.count += 1;
    }
    block.rep = is_repeated(&insn).then_some(block.last);
    block.may_store = insn.is_stack_instruction()
        || (0..insn.op_count()).any(|n| !matches!(insn.op_kind(n), OpKind::Register | OpKind::Immediate8));
    block.ends_in_branch = insn.flow_control() != FlowControl::Next;
    block.ends_in_far = block.count > 0 && is_far(&insn);
    block.ends_in_int = matches!(insn.code(), Code::Int_imm8 | Code::Int3 | Code::Int1) && block.count > 0;
    block
}

/// How many instructions lie between the start of some code and the address `rip` in it.
pub(super) fn count_before(code: &[u8], bits: u32, address: u64, rip: u64) -> u32 {
    let mut insn = Instruction::default();
    let mut decoder = decoder(code, bits, address);
    let mut count = 0;
    while decoder.can_decode() && decoder.ip() < rip {
        decoder.decode_out(&mut insn);
        count += 1;
    }
    count
}

/// The address of instruction `index` (from 0) of some code.
pub(super) fn nth_address(code: &[u8], bits: u32, address: u64, index: u32) -> u64 {
    let mut insn = Instruction::default();
    let mut decoder = decoder(code, bits, address);
    for _ in 0..index {
        if decoder.can_decode() {
            decoder.decode_out(&mut insn);
        }
    }
    decoder.ip()
}

/// The first byte that the instruction at the start of `code` accesses in the page at `page`: the engine tells the
/// page of a fault and no more. `value` gives a register's value, segment bases included.
pub(super) fn accessed_in_page(
    code: &[u8], bits: u32, address: u64, page: u64, value: impl Fn(Register) -> Option<u64>,
) -> Option<u64> {
    let insn = decoder(code, bits, address).decode();
    let mut factory = InstructionInfoFactory::new();
    let memory = factory.info(&insn).used_memory().to_vec();
    memory.iter().find_map(|used| {
        let start = used.virtual_address(0, |register, _, _| value(register))?;
        let size = (used.memory_size().size() as u64).max(1);
        let first = start.max(page);
        (first & !0xfff == page && first - start < size).then_some(first)
    })
}

/// Whether the instruction at the start of `code` reads descriptor tables: it loads a segment register or
/// changes CS.
pub(super) fn reads_descriptors(code: &[u8], bits: u32, address: u64) -> bool {
    let insn = decoder(code, bits, address).decode();
    let by_mnemonic = matches!(
        insn.mnemonic(),
        Mnemonic::Lar
            | Mnemonic::Lsl
            | Mnemonic::Verr
            | Mnemonic::Verw
            | Mnemonic::Lfs
            | Mnemonic::Lgs
            | Mnemonic::Lss
            | Mnemonic::Lds
            | Mnemonic::Les
    );
    by_mnemonic || is_far(&insn) || insn.op0_register().is_segment_register()
}

/// Whether the instruction at the start of `code` is a `pushf`.
pub(super) fn pushes_flags(code: &[u8], bits: u32) -> bool {
    matches!(decoder(code, bits, 0).decode().mnemonic(), Mnemonic::Pushf | Mnemonic::Pushfd | Mnemonic::Pushfq)
}

/// Whether an instruction loads CS.
fn is_far(insn: &Instruction) -> bool {
    let returns = matches!(
        insn.mnemonic(),
        Mnemonic::Iret
            | Mnemonic::Iretd
            | Mnemonic::Iretq
            | Mnemonic::Retf
            | Mnemonic::Sysret
            | Mnemonic::Sysretq
            | Mnemonic::Sysexit
            | Mnemonic::Sysexitq
    );
    returns || insn.is_jmp_far() || insn.is_call_far() || insn.is_jmp_far_indirect() || insn.is_call_far_indirect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_counted_and_its_rep_found() {
        // mov eax,1; nop; rep movsb
        let block = decode(&[0xb8, 1, 0, 0, 0, 0x90, 0xf3, 0xa4], 64, 0x1000, 8);
        assert_eq!((block.count, block.rep, block.forbidden), (3, Some(6), None));
        assert_eq!(block.end(), 0x1008);
    }

    #[test]
    fn the_first_vex_instruction_is_found() {
        // nop; vxorps xmm0,xmm0,xmm0; nop
        let block = decode(&[0x90, 0xc5, 0xf8, 0x57, 0xc0, 0x90], 64, 0, 6);
        assert_eq!((block.count, block.forbidden), (3, Some(1)));
    }

    #[test]
    fn what_is_no_instruction_is_found() {
        // nop; 8F /7, of which the engine makes a pop of three bytes; out 6eh,eax
        let block = decode(&[0x90, 0x8f, 0x79, 0x5e, 0xe7, 0x6e], 32, 0, 6);
        assert_eq!(block.forbidden, Some(1));
    }

    #[test]
    fn positions_inside_a_block() {
        let code = [0xb8, 1, 0, 0, 0, 0x90, 0x90, 0xc3];
        assert_eq!(count_before(&code, 64, 0x1000, 0x1006), 2);
        assert_eq!(nth_address(&code, 64, 0x1000, 2), 0x1006);
    }

    #[test]
    fn segment_loads_are_recognised() {
        assert!(reads_descriptors(&[0x8e, 0xd8], 64, 0), "mov ds,eax");
        assert!(!reads_descriptors(&[0x8c, 0xd8], 64, 0), "mov eax,ds");
        assert!(!reads_descriptors(&[0x8b, 0x00], 64, 0), "mov eax,[rax]");
    }
}
