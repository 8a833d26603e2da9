//! A kernel without a CPU, whose services are called.

use guest::Profile;
use guest::convention::{Gate, TrapRegs};
use guest::mem::PAGE_SIZE;
use kernel_model::mm::{Protect, Vad, VadKind};
use kernel_model::service::{Args, Row};
use kernel_model::{Answer, Call, Kernel};
use trapgate::cpu::Ram;

/// Where the caller's memory is: `OBJECT_ATTRIBUTES` and a name at its start.
pub const DATA: u64 = 0x10_0000;
const FRAMES: u32 = 64;

/// A kernel, and its caller's memory.
pub struct Bench {
    pub kernel: Kernel,
    pub ram: Ram,
}

impl Bench {
    /// One whose caller has so many pages.
    pub fn new(pages: u64) -> Self {
        let mut kernel = Kernel::new(Profile::default_profile(), FRAMES, "bench.exe");
        let (first, protect) = (DATA / PAGE_SIZE, Protect::READWRITE);
        let last = first + pages - 1;
        kernel.mm.space.insert(Vad { first, last, base: first, kind: VadKind::Private, protect });
        (first..=last).for_each(|page| kernel.mm.commit(page, protect).expect("memory"));
        Self { kernel, ram: Ram::new(FRAMES).expect("memory") }
    }

    pub fn row(&mut self, service: &str) -> Row {
        let number = self.kernel.profile.number(service).expect("a service");
        self.kernel.find(number).expect("a row")
    }

    /// Calls a service, which must succeed.
    pub fn call(&mut self, row: &Row, args: &[u64]) {
        let mut raw = Args::default();
        args.iter().enumerate().for_each(|(index, arg)| raw.set(index, *arg));
        let call = Call { gate: Gate::Syscall, regs: TrapRegs::default(), number: row.number(), args: raw };
        let answer = self.kernel.execute(&mut self.ram, row, &call);
        assert!(matches!(answer, Answer::Status(status) if status.is_success()), "{answer:?}");
    }

    /// `OBJECT_ATTRIBUTES` at [`DATA`], with a name and flags.
    pub fn attributes(&mut self, name: &str, flags: u64) {
        let text: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let string = text.len() as u64 | (text.len() as u64 + 2) << 16;
        let words = [0x30, 0, DATA + 0x40, flags, 0, 0, 0, 0, string, DATA + 0x60];
        let mut bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
        bytes.resize(0x60, 0);
        bytes.extend(text);
        self.kernel.mm.poke(&mut self.ram, DATA, &bytes);
    }
}
