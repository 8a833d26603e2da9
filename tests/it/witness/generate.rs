//! Random straight-line sequences of what user code may run on the engine's CPU model.

use iced_x86::{
    Code, CodeSize, CpuidFeature as F, Encoder, EncodingKind, FlowControl, Instruction, InstructionInfoFactory,
    InstructionInfoOptions, MemoryOperand, Mnemonic as M, OpAccess, OpKind, Register as R, RflagsBits,
};
use trapgate::cpu::{Reg, RegisterFile};

use super::operands::{self, BASE, Limits};
use super::rng::Rng;
use super::wrong;
use super::{CODE, DATA, Job, STACK};

/// What a sequence is mostly made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Integer,
    Sse,
    Mmx,
    X87,
}

/// What the engine's CPU model (Westmere) has, kind by kind.
const INTEGER: &[F] = &[
    F::INTEL8086,
    F::INTEL8086_ONLY,
    F::INTEL186,
    F::INTEL286,
    F::INTEL386,
    F::INTEL486,
    F::X64,
    F::CMOV,
    F::CX8,
    F::CMPXCHG16B,
    F::MULTIBYTENOP,
    F::PAUSE,
    F::CLFSH,
    F::POPCNT,
];
const SSE: &[F] = &[F::SSE, F::SSE2, F::SSE3, F::SSSE3, F::SSE4_1, F::SSE4_2, F::AES, F::PCLMULQDQ];
const X87: &[F] = &[F::FPU, F::FPU287, F::FPU387];

/// What is not drawn, because what it does depends on the system and not on the CPU alone, or because the sequence
/// would lose its base, its stack or its x87 depth. What the engine does wrong is not here, but in `wrong`.
const OMITTED: &[M] = &[
    M::Sgdt,
    M::Sidt,
    M::Sldt,
    M::Str,
    M::Smsw,
    M::Lar,
    M::Lsl,
    M::Verr,
    M::Verw,
    M::Lds,
    M::Les,
    M::Lfs,
    M::Lgs,
    M::Lss,
    M::In,
    M::Out,
    M::Cli,
    M::Sti,
    M::Enter,
    M::Leave,
    M::Popa,
    M::Popad,
    M::Bound,
    M::Cpuid,
    M::Arpl,
    M::Ldmxcsr,
    M::Stmxcsr,
    M::Ffree,
    M::Ffreep,
    M::Fincstp,
    M::Fdecstp,
    M::Fninit,
    M::Finit,
    M::Fldcw,
    M::Fnstcw,
    M::Fstcw,
    M::Fnstenv,
    M::Fstenv,
    M::Fldenv,
    M::Fnsave,
    M::Fsave,
    M::Frstor,
    M::Fnclex,
    M::Fclex,
    M::Fnstsw,
    M::Fstsw,
    M::Emms,
];

/// A sequence: what to run, and what its flags leave open.
pub struct Sequence {
    pub kind: Kind,
    pub job: Job,
    /// How many instructions bring registers up that only memory can set.
    pub opening: usize,
    pub code: Vec<Instruction>,
    /// The flags of RFLAGS that are undefined after each instruction.
    pub undefined: Vec<u64>,
}

/// What sequences of one width are drawn from.
pub struct Generator {
    bits: u32,
    integer: Vec<Code>,
    sse: Vec<Code>,
    mmx: Vec<Code>,
    x87: Vec<Code>,
}

fn features(code: Code) -> &'static [F] {
    code.cpuid_features()
}

fn is_drawn(code: Code, bits: u32) -> bool {
    let op_code = code.op_code();
    let here = if bits == 64 { op_code.mode64() } else { op_code.mode32() };
    here && op_code.is_instruction()
        && code.encoding() == EncodingKind::Legacy
        && !code.is_privileged()
        // `fwait` and another instruction under one name.
        && !op_code.fwait()
        && code.flow_control() == FlowControl::Next
        && op_code.op_kinds().iter().all(|kind| operands::is_known(*kind))
        && !OMITTED.contains(&code.mnemonic())
        && !matches!(code, Code::Bswap_r16)
}

impl Generator {
    pub fn new(bits: u32) -> Self {
        let of = |has: &dyn Fn(Code) -> bool| Code::values().filter(|c| is_drawn(*c, bits) && has(*c)).collect();
        let all =
            |code: Code, from: &[F]| features(code).iter().all(|f| from.contains(f)) && !features(code).is_empty();
        let uses_mm = |code: Code| {
            use iced_x86::OpCodeOperandKind as K;
            code.op_code().op_kinds().iter().any(|k| matches!(k, K::mm_or_mem | K::mm_reg | K::mm_rm))
        };
        Self {
            bits,
            integer: of(&|c| all(c, INTEGER)),
            sse: of(&|c| all(c, SSE) && !uses_mm(c)),
            mmx: of(&|c| uses_mm(c) && all(c, &[SSE, &[F::MMX]].concat())),
            x87: of(&|c| all(c, X87)),
        }
    }

    /// How many encodings there are to draw from.
    pub fn encodings(&self) -> usize {
        self.integer.len() + self.sse.len() + self.mmx.len() + self.x87.len()
    }

    /// The sequence of a seed.
    pub fn sequence(&self, seed: u64) -> Sequence {
        let mut rng = Rng::new(seed);
        let kind = rng.pick(&[Kind::Integer, Kind::Integer, Kind::Integer, Kind::Sse, Kind::Sse, Kind::Mmx, Kind::X87]);
        let mut draft = Draft::new(self.bits);
        draft.open(&mut rng, kind);
        let opening = draft.code.len();
        let length = opening + 4 + rng.below(9) as usize;
        while draft.code.len() < length {
            let special = match kind {
                Kind::Integer => &self.integer,
                Kind::Sse => &self.sse,
                Kind::Mmx => &self.mmx,
                Kind::X87 => &self.x87,
            };
            let code = if rng.chance(75) { rng.pick(special) } else { rng.pick(&self.integer) };
            draft.add(&mut rng, code);
        }
        draft.close(kind);
        let job = job(&mut rng, self.bits, &draft);
        Sequence { kind, job, opening, code: draft.code, undefined: draft.undefined }
    }

    /// The first so many instructions of a sequence, ended as a whole one is.
    pub fn cut(&self, sequence: &Sequence, count: usize) -> Sequence {
        let mut draft = Draft::new(self.bits);
        for insn in &sequence.code[..count] {
            assert!(draft.commit(&[*insn]), "{insn}");
        }
        draft.close(sequence.kind);
        let mut job = sequence.job.clone();
        job.steps = draft.steps();
        job.pokes[0].1 = draft.page();
        Sequence { kind: sequence.kind, job, opening: sequence.opening, code: draft.code, undefined: draft.undefined }
    }
}

fn job(rng: &mut Rng, bits: u32, draft: &Draft) -> Job {
    let mut registers = RegisterFile::default();
    for reg in Reg::ALL {
        let reachable = reg.name_in(bits).is_some();
        let value = rng.integer();
        registers.set(*reg, if bits == 64 { value } else { u64::from(reachable) * (value & 0xffff_ffff) });
    }
    let flags = rng.next() & super::FLAGS | 0x202;
    for (reg, value) in [(Reg::Rip, CODE), (Reg::Rsp, STACK + 0x800), (Reg::Rbx, BASE), (Reg::Rflags, flags)] {
        registers.set(reg, value);
    }
    // One sequence in a few has NaNs: they would soon be everywhere.
    let nans = rng.chance(20);
    let lanes = if bits == 64 { 16 } else { 8 };
    for xmm in &mut registers.xmm[..lanes] {
        *xmm = rng.lane(nans);
    }
    let mut memory: Vec<u8> = (0..0x200).flat_map(|_| rng.lane(nans)).flat_map(u64::to_le_bytes).collect();
    memory[CONTROL_AT..CONTROL_AT + 2]
        .copy_from_slice(&(rng.pick(&[0x27f_u16, 0x37f, 0x07f]) | rng.pick(&[0, 0x400, 0x800, 0xc00])).to_le_bytes());
    let mxcsr: u32 = 0x1f80 | rng.pick(&[0, 0, 0x2000, 0x4000, 0x6000]);
    memory[MXCSR_AT..MXCSR_AT + 4].copy_from_slice(&mxcsr.to_le_bytes());
    let pokes = vec![(CODE, draft.page()), (DATA, memory)];
    Job { bits, registers, pokes, steps: draft.steps() }
}

/// Where in the page of data control words are, and where x87 and MMX registers go at the end.
const CONTROL_AT: usize = 0xf80;
const MXCSR_AT: usize = 0xf90;
const REGISTERS_AT: u64 = DATA + 0xf00;

/// A sequence in the making.
struct Draft {
    bits: u32,
    code: Vec<Instruction>,
    bytes: Vec<u8>,
    undefined: Vec<u64>,
    open: u64,
    depth: i64,
    info: InstructionInfoFactory,
}

/// RFLAGS' bits for iced's.
fn flags(iced: u32) -> u64 {
    let table = [
        (RflagsBits::CF, 0x1),
        (RflagsBits::PF, 0x4),
        (RflagsBits::AF, 0x10),
        (RflagsBits::ZF, 0x40),
        (RflagsBits::SF, 0x80),
        (RflagsBits::DF, 0x400),
        (RflagsBits::OF, 0x800),
    ];
    table.iter().filter(|(bit, _)| iced & bit != 0).map(|(_, flag)| flag).sum()
}

const CF: u64 = 1;
const AF: u64 = 0x10;
const OF: u64 = 0x800;

fn undefined_after(insn: &Instruction, before: u64) -> u64 {
    let undefined = flags(insn.rflags_undefined());
    let small = matches!(insn.op_register(0).size(), 1 | 2) || matches!(insn.memory_size().size(), 1 | 2);
    match insn.mnemonic() {
        // A count of 0 leaves every flag; one of the operand's width or more leaves CF open.
        M::Shl | M::Sal | M::Shr => before | undefined | OF | AF | if small { CF } else { 0 },
        M::Sar | M::Shld | M::Shrd => before | undefined | OF | AF,
        M::Rol | M::Ror | M::Rcl | M::Rcr => before | undefined | OF,
        // No repetition at all leaves every flag.
        M::Cmpsb | M::Cmpsw | M::Cmpsd | M::Cmpsq | M::Scasb | M::Scasw | M::Scasd | M::Scasq => before,
        _ => before & !flags(insn.rflags_written() | insn.rflags_cleared() | insn.rflags_set()) | undefined,
    }
}

impl Draft {
    fn new(bits: u32) -> Self {
        let info = InstructionInfoFactory::new();
        Self { bits, code: Vec::new(), bytes: Vec::new(), undefined: Vec::new(), open: 0, depth: 0, info }
    }

    /// All of it, and the `hlt` that is refused: a budget's end costs the engine more.
    fn steps(&self) -> u64 {
        self.code.len() as u64 + 1
    }

    /// The page of code, `hlt` where a run ends.
    fn page(&self) -> Vec<u8> {
        let mut code = self.bytes.clone();
        code.resize(0x1000, 0xf4);
        code
    }

    fn at(&self, address: u64) -> MemoryOperand {
        let displacement = address.wrapping_sub(BASE) as i64;
        MemoryOperand::with_base_displ(operands::base(self.bits), displacement)
    }

    fn open(&mut self, rng: &mut Rng, kind: Kind) {
        let [control, mxcsr] = [CONTROL_AT, MXCSR_AT].map(|at| self.at(DATA + at as u64));
        match kind {
            Kind::Integer => {}
            Kind::Sse => self.must(Instruction::with1(Code::Ldmxcsr_m32, mxcsr)),
            Kind::Mmx => {
                self.must(Instruction::with1(Code::Ldmxcsr_m32, mxcsr));
                for register in [R::MM0, R::MM1, R::MM2, R::MM3, R::MM4, R::MM5, R::MM6, R::MM7] {
                    let from = self.at(DATA + 8 * rng.below(0x100));
                    self.must(Instruction::with2(Code::Movq_mm_mmm64, register, from));
                }
            }
            Kind::X87 => {
                self.must(Ok(Instruction::with(Code::Fninit)));
                self.must(Instruction::with1(Code::Fldcw_m2byte, control));
                for _ in 0..2 + rng.below(3) {
                    let code = rng.pick(&[Code::Fld_m32fp, Code::Fld_m64fp, Code::Fild_m32int, Code::Fild_m64int]);
                    let from = self.at(DATA + 8 * rng.below(0x100));
                    self.must(Instruction::with1(code, from));
                }
            }
        }
    }

    /// Brings to memory what is in no register that both sides show.
    fn close(&mut self, kind: Kind) {
        let slot = |draft: &Self, i: u64| draft.at(REGISTERS_AT + 16 * i);
        if kind == Kind::Mmx {
            for (i, register) in (0..).zip([R::MM0, R::MM1, R::MM2, R::MM3, R::MM4, R::MM5, R::MM6, R::MM7]) {
                self.must(Instruction::with2(Code::Movq_mmm64_mm, slot(self, i), register));
            }
            self.must(Ok(Instruction::with(Code::Emms)));
        }
        for i in 0..self.depth.max(0) as u64 {
            self.must(Instruction::with1(Code::Fstp_m80fp, slot(self, i)));
        }
    }

    fn must(&mut self, insn: Result<Instruction, iced_x86::IcedError>) {
        assert!(self.commit(&[insn.expect("valid operands")]));
    }

    fn add(&mut self, rng: &mut Rng, code: Code) {
        let limits = Limits { bits: self.bits, fpu_depth: self.depth.max(0) as u64 };
        let Some((mut insn, index)) = operands::build(rng, code, &limits) else { return };
        let mut group = Vec::new();
        if let Some(index) = index {
            group.extend(Instruction::with2(Code::Movzx_r32_rm8, index, low(index)).ok());
        }
        if prepare(rng, &mut insn, &mut group, self.bits).is_some() {
            group.push(insn);
            self.commit(&group);
        }
    }

    /// Adds instructions, all or, where one of them would depend on what is undefined or break the frame, none.
    fn commit(&mut self, group: &[Instruction]) -> bool {
        let (mut open, mut depth) = (self.open, self.depth);
        let mut bytes = Vec::new();
        let mut undefined = Vec::new();
        let mut decoded = Vec::new();
        for insn in group {
            let mut encoder = Encoder::new(self.bits);
            let ip = CODE + (self.bytes.len() + bytes.len()) as u64;
            if encoder.encode(insn, ip).is_err() {
                return false;
            }
            let encoded = encoder.take_buffer();
            // What the decoder makes of the bytes is what the CPUs get.
            let mut decoder = iced_x86::Decoder::with_ip(self.bits, &encoded, ip, 0);
            let insn = decoder.decode();
            if insn.code() == Code::INVALID || insn.code_size() == CodeSize::Unknown {
                return false;
            }
            let Some(deeper) = self.depth_after(&insn, depth) else { return false };
            let depends = flags(insn.rflags_read()) & open != 0;
            if depends || !self.keeps_frame(&insn) || wrong::is_excluded(&insn) {
                return false;
            }
            depth = deeper;
            open = undefined_after(&insn, open);
            undefined.push(open);
            bytes.extend(encoded);
            decoded.push(insn);
        }
        (self.open, self.depth) = (open, depth);
        self.bytes.extend(bytes);
        self.undefined.extend(undefined);
        self.code.extend(decoded);
        true
    }

    /// Whether RBX stays, and RSP but for pushes and pops.
    fn keeps_frame(&mut self, insn: &Instruction) -> bool {
        let info = self.info.info_options(insn, InstructionInfoOptions::NO_MEMORY_USAGE);
        let writes = |access| !matches!(access, OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess);
        let mut written =
            info.used_registers().iter().filter(|u| writes(u.access())).map(|u| u.register().full_register());
        written.all(|r| r != R::RBX && (r != R::RSP || insn.is_stack_instruction()))
    }

    /// How many x87 registers are in use after an instruction; `None` where it would use one that is not.
    fn depth_after(&mut self, insn: &Instruction, depth: i64) -> Option<i64> {
        if !features(insn.code()).iter().any(|f| X87.contains(f)) {
            return Some(depth);
        }
        let change = insn.fpu_stack_increment_info();
        let info = self.info.info_options(insn, InstructionInfoOptions::NO_MEMORY_USAGE);
        let read = info.used_registers().iter().filter(|u| u.access() != OpAccess::Write);
        let deepest = read.map(|u| u.register()).filter(|r| r.is_st()).map(|r| r.number() as i64 + 1).max();
        let operands = insn.op_count() as usize;
        let named = (0..operands as u32).filter(|i| insn.op_kind(*i) == OpKind::Register);
        let named = named.map(|i| insn.op_register(i)).filter(|r| r.is_st()).map(|r| r.number() as i64 + 1).max();
        // iced counts a push as a negative increment.
        let after = depth - i64::from(change.increment());
        let needs = deepest.unwrap_or(0).max(named.unwrap_or(0)).max(i64::from(change.increment()));
        (needs <= depth && (0..=8).contains(&after)).then_some(after)
    }
}

fn low(register: R) -> R {
    match register {
        R::ECX => R::CL,
        R::EDX => R::DL,
        R::EBP => R::CH,
        R::ESI => R::DH,
        _ => R::AL,
    }
}

/// What an instruction needs before it.
fn prepare(rng: &mut Rng, insn: &mut Instruction, group: &mut Vec<Instruction>, bits: u32) -> Option<()> {
    let mov = |register: R, value: u64| Instruction::with2(Code::Mov_r32_imm32, register, value as u32).ok();
    let kinds = insn.code().op_code().op_kinds();
    use iced_x86::OpCodeOperandKind as K;
    if kinds.contains(&K::seg_rSI) {
        group.push(mov(R::ESI, DATA + 0x100 + rng.below(0xc00))?);
    }
    if kinds.contains(&K::es_rDI) || kinds.contains(&K::seg_rDI) {
        group.push(mov(R::EDI, DATA + 0x100 + rng.below(0xc00))?);
    }
    if insn.is_string_instruction() && rng.chance(60) {
        group.push(mov(R::ECX, rng.below(7))?);
        if rng.chance(50) { insn.set_has_rep_prefix(true) } else { insn.set_has_repne_prefix(true) }
    }
    match insn.mnemonic() {
        // The result of nothing to find is undefined.
        M::Bsf | M::Bsr if insn.op1_kind() == OpKind::Register => {
            let source = insn.op1_register();
            let wide = source.full_register32();
            group.push(Instruction::with2(Code::Or_rm32_imm32, wide, 0x8421).ok()?);
        }
        M::Bsf | M::Bsr => {
            let mut store = *insn;
            store.set_code(Code::Mov_rm32_imm32);
            store.set_op0_kind(OpKind::Memory);
            store.set_op1_kind(OpKind::Immediate32);
            store.set_immediate32(rng.next() as u32 | 0x8421);
            group.push(store);
        }
        // A bit's number in a register reaches beyond the operand.
        M::Bt | M::Bts | M::Btr | M::Btc
            if insn.op0_kind() == OpKind::Memory && insn.op1_kind() == OpKind::Register =>
        {
            let number = insn.op1_register().full_register32();
            if insn.memory_index() != R::None {
                return None;
            }
            group.push(Instruction::with2(Code::Movzx_r32_rm8, number, R::CL).ok()?);
            if insn.has_lock_prefix() {
                return None;
            }
        }
        // Beyond 16 the result is undefined.
        M::Shld | M::Shrd if insn.op1_register().size() == 2 => {
            if insn.op2_kind() == OpKind::Register {
                group.push(mov(R::ECX, rng.below(16))?);
            } else {
                insn.set_immediate8(rng.below(16) as u8);
            }
        }
        M::Div | M::Idiv => {
            let high = if rng.chance(70) { 0 } else { rng.below(4) };
            group.push(mov(R::EDX, high)?);
            if insn.op_register(0).size() == 1 || insn.memory_size().size() == 1 {
                group.push(mov(R::EAX, rng.below(0x400))?);
            }
        }
        M::Popf | M::Popfd | M::Popfq => {
            group.push(mov(R::EAX, rng.next() & super::FLAGS | 0x202)?);
            let (push, from) = match (insn.code(), bits) {
                (Code::Popfw, _) => (Code::Push_r16, R::AX),
                (_, 64) => (Code::Push_r64, R::RAX),
                _ => (Code::Push_r32, R::EAX),
            };
            group.push(Instruction::with1(push, from).ok()?);
        }
        _ => {}
    }
    Some(())
}
