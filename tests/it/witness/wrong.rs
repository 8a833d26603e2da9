//! What the engine (Unicorn 2.1.5) does otherwise than a CPU: left out of the random sequences, each shown by an
//! example here, and named in the README.

use iced_x86::{Code, Instruction, Mnemonic as M, OpKind};
use trapgate::cpu::{Reg, RegisterFile};

use super::engine::Engine;
use super::host::Host;
use super::operands::BASE;
use super::{CODE, DATA, Job, STACK, differences};

/// Something that the engine gets wrong.
pub struct Wrong {
    /// As the README says it.
    pub name: &'static str,
    /// What it does instead.
    pub instead: &'static str,
    examples: &'static [Example],
}

/// 64-bit code that ends otherwise on a CPU, or leaves something else.
struct Example {
    code: &'static [u8],
    /// The low halves of XMM0 and XMM1.
    xmm: [u64; 2],
    /// What RBX points to.
    data: [u64; 2],
    rax: u64,
}

const ONE_AND_A_HALF: u64 = 0x3ff8_0000_0000_0000;
const TWO: u64 = 0x4000_0000_0000_0000;

const fn code(code: &'static [u8]) -> Example {
    Example { code, xmm: [0; 2], data: [ONE_AND_A_HALF, TWO], rax: 0 }
}

/// NaNs as singles.
const QUIET: u64 = 0x7fc0_0001_7fc0_0001;
const OTHER_QUIET: u64 = 0x7fc0_0002_7fc0_0002;

/// Everything that is known.
pub const WRONG: &[Wrong] = &[
    Wrong {
        name: "`test` by its second encoding (F6 /1, F7 /1)",
        instead: "#UD",
        // test al,1
        examples: &[code(&[0xf6, 0xc8, 1]), code(&[0xf7, 0xc8, 1, 0, 0, 0])],
    },
    Wrong {
        name: "the NOPs 0F 0D and 0F 18 of a register",
        instead: "#UD",
        examples: &[code(&[0x0f, 0x0d, 0xc0]), code(&[0x0f, 0x18, 0xc0])],
    },
    Wrong {
        name: "`cmpps`, `cmppd`, `cmpss`, `cmpsd` with a predicate above 7",
        instead: "#UD, where a CPU looks at three bits",
        examples: &[code(&[0x0f, 0xc2, 0xc1, 9])],
    },
    Wrong {
        name: "flags of `lock neg`",
        instead: "those of another value",
        // mov byte [rbx],5; lock neg byte [rbx]
        examples: &[code(&[0xc6, 0x03, 5, 0xf0, 0xf6, 0x1b])],
    },
    Wrong {
        name: "flags of `cmpxchg8b` and `cmpxchg16b` other than ZF",
        instead: "those of an earlier instruction",
        // mov al,80h; add al,al; cmpxchg8b [rbx]
        examples: &[
            code(&[0xb0, 0x80, 0x00, 0xc0, 0x0f, 0xc7, 0x0b]),
            code(&[0xb0, 0x80, 0x00, 0xc0, 0x48, 0x0f, 0xc7, 0x0b]),
        ],
    },
    Wrong {
        name: "`cmpxchg` of a 32-bit register that is not equal",
        instead: "the register's upper half is cleared",
        // or rcx,-1; mov eax,1; cmpxchg ecx,edx
        examples: &[code(&[0x48, 0x83, 0xc9, 0xff, 0xb8, 1, 0, 0, 0, 0x0f, 0xb1, 0xd1])],
    },
    Wrong {
        name: "`shld` and `shrd` by a number, of memory addressed from RIP",
        instead: "one byte off",
        // shld [rip+10000h],eax,8: the page of data is 20000h behind
        examples: &[Example { rax: 0x1122_3344, ..code(&[0x0f, 0xa4, 0x05, 0xf8, 0xff, 1, 0, 8]) }],
    },
    Wrong {
        name: "`phaddw`, `phaddd`, `phaddsw`, `phsubw`, `phsubd`, `phsubsw` of a register with itself",
        instead: "the second half is made of the first one's results",
        examples: &[
            Example { xmm: [0x0000_0002_0000_0001, 0], ..code(&[0x66, 0x0f, 0x38, 0x02, 0xc0]) },
            Example { xmm: [0x0000_0002_0000_0001, 0], ..code(&[0x66, 0x0f, 0x38, 0x06, 0xc0]) },
            Example { xmm: [0x0004_0003_0002_0001, 0], ..code(&[0x66, 0x0f, 0x38, 0x01, 0xc0]) },
            Example { xmm: [0x0004_0003_0002_0001, 0], ..code(&[0x66, 0x0f, 0x38, 0x03, 0xc0]) },
            Example { xmm: [0x0004_0003_0002_0001, 0], ..code(&[0x66, 0x0f, 0x38, 0x05, 0xc0]) },
            Example { xmm: [0x0004_0003_0002_0001, 0], ..code(&[0x66, 0x0f, 0x38, 0x07, 0xc0]) },
        ],
    },
    Wrong {
        name: "which of two NaNs an SSE instruction returns",
        instead: "by the rules of x87",
        // addps xmm0,xmm1
        examples: &[Example { xmm: [QUIET, OTHER_QUIET], ..code(&[0x0f, 0x58, 0xc1]) }],
    },
    Wrong {
        name: "`dpps` and `dppd` where order or the sign of zero matters",
        instead: "products are added to zero, one after the other",
        // punpcklqdq of both with themselves; dpps xmm0,xmm1,0F1h and dppd xmm0,xmm1,31h: -0 * 1.5 everywhere
        examples: &[
            Example {
                xmm: [0x8000_0000_8000_0000, 0x3fc0_0000_3fc0_0000],
                ..code(&[0x66, 0x0f, 0x6c, 0xc0, 0x66, 0x0f, 0x6c, 0xc9, 0x66, 0x0f, 0x3a, 0x40, 0xc1, 0xf1])
            },
            Example {
                xmm: [0x8000_0000_0000_0000, ONE_AND_A_HALF],
                ..code(&[0x66, 0x0f, 0x6c, 0xc0, 0x66, 0x0f, 0x6c, 0xc9, 0x66, 0x0f, 0x3a, 0x41, 0xc1, 0x31])
            },
        ],
    },
    Wrong {
        name: "MXCSR's exception flags",
        instead: "none is ever set",
        // xorps xmm1,xmm1; divps xmm0,xmm1; stmxcsr [rbx]
        examples: &[Example { xmm: [0x3f80_0000, 0], ..code(&[0x0f, 0x57, 0xc9, 0x0f, 0x5e, 0xc1, 0x0f, 0xae, 0x1b]) }],
    },
    Wrong {
        name: "SSE operands that are not aligned",
        instead: "no #GP",
        // movaps xmm0,[rbx+1]
        examples: &[code(&[0x0f, 0x28, 0x43, 1])],
    },
    Wrong {
        name: "alignment checks (RFLAGS.AC)",
        instead: "none",
        // push 40202h; popfq; mov eax,[rbx+1]
        examples: &[code(&[0x68, 2, 2, 4, 0, 0x9d, 0x8b, 0x43, 1])],
    },
    Wrong {
        name: "`fsin`, `fcos`, `fsincos`, `fptan`, `fpatan`, `f2xm1`, `fyl2x`, `fyl2xp1`",
        instead: "as exact as a double",
        // fld qword [rbx]; f...; fstp tbyte [rbx]
        examples: &[
            code(&[0xdd, 0x03, 0xd9, 0xfe, 0xdb, 0x3b]),
            code(&[0xdd, 0x03, 0xd9, 0xff, 0xdb, 0x3b]),
            code(&[0xdd, 0x03, 0xd9, 0xfb, 0xdb, 0x3b]),
            code(&[0xdd, 0x03, 0xd9, 0xf2, 0xdd, 0xd8, 0xdb, 0x3b]),
            code(&[0xdd, 0x03, 0xdd, 0x43, 8, 0xd9, 0xf3, 0xdb, 0x3b]),
            Example { data: [0x3fd8_0000_0000_0000, 0], ..code(&[0xdd, 0x03, 0xd9, 0xf0, 0xdb, 0x3b]) },
            code(&[0xdd, 0x43, 8, 0xdd, 0x03, 0xd9, 0xf1, 0xdb, 0x3b]),
            Example {
                data: [ONE_AND_A_HALF, 0x3fb8_0000_0000_0000],
                ..code(&[0xdd, 0x03, 0xdd, 0x43, 8, 0xd9, 0xf9, 0xdb, 0x3b])
            },
        ],
    },
    Wrong {
        name: "`fprem` and `fprem1` with operands far apart or special",
        instead: "another remainder or sign",
        // fldz; fld1; fprem (1 by 0); fstp tbyte [rbx]
        examples: &[
            code(&[0xd9, 0xee, 0xd9, 0xe8, 0xd9, 0xf8, 0xdb, 0x3b]),
            code(&[0xd9, 0xee, 0xd9, 0xe8, 0xd9, 0xf5, 0xdb, 0x3b]),
        ],
    },
    Wrong {
        name: "`fscale` beyond the exponent's range",
        instead: "rounded to the precision of the control word",
        // fldcw [rbx]: 0E7Fh, towards zero; fild word [rbx], twice; fscale five times; fstp tbyte [rbx]
        examples: &[Example {
            data: [0xe7f, 0],
            ..code(&[
                0xd9, 0x2b, 0xdf, 0x03, 0xdf, 0x03, 0xd9, 0xfd, 0xd9, 0xfd, 0xd9, 0xfd, 0xd9, 0xfd, 0xd9, 0xfd, 0xdb,
                0x3b,
            ])
        }],
    },
    Wrong {
        name: "`fbstp` of what has more than eighteen digits",
        instead: "some digits",
        examples: &[Example { data: [0x43f0_0000_0000_0000, 0], ..code(&[0xdd, 0x03, 0xdf, 0x33]) }],
    },
    Wrong {
        name: "`fxtract` of infinities and NaNs",
        instead: "one",
        // fld qword [rbx]; fxtract; fstp tbyte [rbx]
        examples: &[Example { data: [0xfff0_0000_0000_0000, 0], ..code(&[0xdd, 0x03, 0xd9, 0xf4, 0xdb, 0x3b]) }],
    },
    Wrong {
        name: "`fldl2e`, `fldl2t`, `fldlg2`, `fldln2`, `fldpi` with rounding down",
        instead: "as rounded to nearest",
        // fldcw [rbx]: 77Fh; fldpi; fstp tbyte [rbx]
        examples: &[
            Example { data: [0x77f, 0], ..code(&[0xd9, 0x2b, 0xd9, 0xeb, 0xdb, 0x3b]) },
            Example { data: [0x77f, 0], ..code(&[0xd9, 0x2b, 0xd9, 0xea, 0xdb, 0x3b]) },
            Example { data: [0x77f, 0], ..code(&[0xd9, 0x2b, 0xd9, 0xec, 0xdb, 0x3b]) },
            Example { data: [0x77f, 0], ..code(&[0xd9, 0x2b, 0xd9, 0xed, 0xdb, 0x3b]) },
            Example { data: [0xb7f, 0], ..code(&[0xd9, 0x2b, 0xd9, 0xe9, 0xdb, 0x3b]) },
        ],
    },
    Wrong {
        name: "signalling NaNs that `fld` loads",
        instead: "they stay signalling",
        examples: &[Example { data: [0x7ff0_0000_0000_0001, 0], ..code(&[0xdd, 0x03, 0xdb, 0x3b]) }],
    },
    Wrong {
        name: "the x87 status word's exception flags, and faults of the x87 stack",
        instead: "none",
        examples: &[
            // fld qword [rbx]; fld qword [rbx+8]; fdiv st,st(1), which is not exact; fnstsw ax
            code(&[0xdd, 0x03, 0xdd, 0x43, 8, 0xd8, 0xf1, 0xdf, 0xe0]),
            // fstp tbyte [rbx]: there is nothing
            code(&[0xdb, 0x3b]),
        ],
    },
    Wrong {
        name: "the data pointer of `fnstenv` and `fnsave`",
        instead: "zero",
        // fld qword [rbx]; fnstenv [rbx]
        examples: &[code(&[0xdd, 0x03, 0xd9, 0x33]), code(&[0x90, 0x90, 0xd9, 0xe8, 0xd9, 0x33])],
    },
    Wrong {
        name: "`rcpps`, `rcpss`, `rsqrtps`, `rsqrtss`",
        instead: "exact, where CPUs have twelve bits or so, and not all the same",
        examples: &[
            Example { xmm: [0, 0x4040_0000], ..code(&[0x0f, 0x53, 0xc1]) },
            Example { xmm: [0, 0x4040_0000], ..code(&[0xf3, 0x0f, 0x53, 0xc1]) },
            Example { xmm: [0, 0x4040_0000], ..code(&[0x0f, 0x52, 0xc1]) },
            Example { xmm: [0, 0x4040_0000], ..code(&[0xf3, 0x0f, 0x52, 0xc1]) },
        ],
    },
];

/// Whether an instruction is left out of the random sequences. What is not an instruction's alone is told apart
/// otherwise: operands are aligned, exception flags not read, NaNs seen afterwards.
pub fn is_excluded(insn: &Instruction) -> bool {
    let same =
        insn.op_count() == 2 && insn.op1_kind() == OpKind::Register && insn.op0_register() == insn.op1_register();
    match insn.mnemonic() {
        M::Reservednop => is_prefetch(insn.code()),
        M::Cmpps | M::Cmppd | M::Cmpss => insn.immediate8() > 7,
        M::Cmpsd => !insn.is_string_instruction() && insn.immediate8() > 7,
        M::Neg => insn.has_lock_prefix(),
        M::Cmpxchg8b | M::Cmpxchg16b => true,
        M::Cmpxchg => insn.code() == Code::Cmpxchg_rm32_r32 && insn.op0_kind() == OpKind::Register,
        M::Shld | M::Shrd => insn.is_ip_rel_memory_operand() && insn.op2_kind() == OpKind::Immediate8,
        M::Phaddw | M::Phaddd | M::Phaddsw | M::Phsubw | M::Phsubd | M::Phsubsw => same,
        M::Dpps | M::Dppd | M::Rcpps | M::Rcpss | M::Rsqrtps | M::Rsqrtss => true,
        M::Fsin | M::Fcos | M::Fsincos | M::Fptan | M::Fpatan | M::F2xm1 | M::Fyl2x | M::Fyl2xp1 => true,
        M::Fprem | M::Fprem1 | M::Fscale | M::Fbstp | M::Fxtract => true,
        M::Fldl2e | M::Fldl2t | M::Fldlg2 | M::Fldln2 | M::Fldpi => true,
        M::Test => matches!(
            insn.code(),
            Code::Test_rm8_imm8_F6r1
                | Code::Test_rm16_imm16_F7r1
                | Code::Test_rm32_imm32_F7r1
                | Code::Test_rm64_imm32_F7r1
        ),
        _ => false,
    }
}

/// 0F 0D and 0F 18, which are prefetches of memory.
fn is_prefetch(code: Code) -> bool {
    use Code::*;
    matches!(code, Reservednop_rm16_r16_0F0D | Reservednop_rm32_r32_0F0D | Reservednop_rm64_r64_0F0D)
        || matches!(code, Reservednop_rm16_r16_0F18 | Reservednop_rm32_r32_0F18 | Reservednop_rm64_r64_0F18)
}

fn job(example: &Example) -> Job {
    let mut registers = RegisterFile::default();
    for (reg, value) in
        [(Reg::Rip, CODE), (Reg::Rsp, STACK + 0x800), (Reg::Rbx, BASE), (Reg::Rflags, 0x202), (Reg::Rax, example.rax)]
    {
        registers.set(reg, value);
    }
    registers.xmm[0][0] = example.xmm[0];
    registers.xmm[1][0] = example.xmm[1];
    let mut code = example.code.to_vec();
    code.resize(0x1000, 0xf4);
    let mut data = vec![0; 0x2000];
    data[0x800..0x810].copy_from_slice(&example.data.map(u64::to_le_bytes).concat());
    Job { bits: 64, registers, pokes: vec![(CODE, code), (DATA, data)], steps: 20 }
}

/// Each of the examples ends otherwise on the host. One that does not any more is to be run again by everybody.
#[test]
fn what_is_excluded_is_really_wrong() {
    let Some(mut host) = Host::start() else { return };
    let mut failures = Vec::new();
    for wrong in WRONG {
        for example in wrong.examples {
            let job = job(example);
            let there = host.run(&job);
            let (here, _) = Engine::new(64, false).run(&job);
            let same = there.ending == here.ending
                && differences(there.last(), here.last(), 0).is_empty()
                && there.xmm == here.xmm
                && there.memory == here.memory;
            if same {
                failures.push(format!("{} ({}): {:02x?}", wrong.name, wrong.instead, example.code));
            }
        }
    }
    assert!(failures.is_empty(), "the same on the host:\n{}", failures.join("\n"));
}

/// The README's limits name each of them, in its words.
#[test]
fn the_readme_names_what_is_wrong() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(path).expect("the README").split_whitespace().collect::<Vec<_>>().join(" ");
    let missing: Vec<&str> = WRONG.iter().map(|w| w.name).filter(|name| !readme.contains(name)).collect();
    assert!(missing.is_empty(), "the README does not say: {missing:#?}");
}
