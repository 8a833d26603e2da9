//! The host's own CPU as the witness of the engine: the same bytes run on both, instruction by instruction.

mod engine;
mod generate;
mod host;
mod operands;
mod rng;
mod sequences;
mod strings;
mod stubs;
mod wrong;

use trapgate::cpu::{Exit, Reg, RegisterFile};

/// Where FS points in 32-bit code.
pub const TEB: u64 = 0x1006_0000;
pub const CODE: u64 = 0x1000_0000;
/// A page of data and, behind it, one of stack.
pub const DATA: u64 = 0x1002_0000;
pub const STACK: u64 = DATA + 0x1000;
pub const KUSER: u64 = 0x7ffe_0000;

/// Address and length of what is mapped, on both sides, for reading, writing and running.
pub const REGIONS: [(u64, u64); 4] = [(TEB, 0x1000), (CODE, 0x1000), (DATA, 0x2000), (KUSER, 0x1000)];
/// What is compared of it after a run.
pub const PEEK: (u64, usize) = (DATA, 0x2000);

/// CF PF AF ZF SF DF OF: what user code has of RFLAGS and both sides show.
pub const FLAGS: u64 = 0xcd5;

/// Something to run.
#[derive(Clone)]
pub struct Job {
    /// 64 or 32: the code it starts in.
    pub bits: u32,
    pub registers: RegisterFile,
    /// Bytes to put into memory first.
    pub pokes: Vec<(u64, Vec<u8>)>,
    /// At most as many instructions.
    pub steps: u64,
}

/// How a run ended, as far as both sides can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// So many instructions were run.
    Steps,
    SystemCall,
    DivideError,
    InvalidInstruction,
    /// Where nothing is mapped.
    Memory(u64),
    /// `#GP`, or a software interrupt that is none of the user's.
    Refused,
    Other(i64, i64),
}

/// A run: registers after each instruction, those at the end included, and what it left.
#[derive(Clone)]
pub struct Trace {
    pub steps: Vec<RegisterFile>,
    pub ending: Ending,
    pub xmm: [[u64; 2]; 16],
    pub memory: Vec<u8>,
}

impl Trace {
    /// The registers before the instruction that ended it, or after the last one.
    pub fn last(&self) -> &RegisterFile {
        self.steps.last().expect("a run has steps")
    }
}

fn ending_of(exit: Exit) -> Ending {
    match exit {
        Exit::Budget => Ending::Steps,
        Exit::Syscall => Ending::SystemCall,
        Exit::Exception(0) => Ending::DivideError,
        Exit::InvalidInstruction => Ending::InvalidInstruction,
        Exit::Memory(fault) => Ending::Memory(fault.va),
        Exit::Exception(13) | Exit::Interrupt(_) | Exit::Foreign | Exit::Sysenter => Ending::Refused,
        Exit::Exception(vector) => Ending::Other(-1, vector.into()),
        Exit::KernelGate(_) | Exit::LeftKernel | Exit::Halted => Ending::Other(-2, 0),
    }
}

/// The registers in which two files differ; flags in `ignored` do not count.
pub fn differences(host: &RegisterFile, engine: &RegisterFile, ignored: u64) -> Vec<String> {
    let of = |file: &RegisterFile, reg| {
        let value = file.get(reg);
        if reg == Reg::Rflags { value & FLAGS & !ignored } else { value }
    };
    let pairs = host.iter().map(|(reg, _)| (reg, of(host, reg), of(engine, reg)));
    pairs.filter(|(_, a, b)| a != b).map(|(reg, a, b)| format!("{}: host {a:x}, engine {b:x}", reg.name())).collect()
}
