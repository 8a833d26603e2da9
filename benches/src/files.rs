//! What files cost: services called in the kernel model, without a CPU.

use guest::convention::{Gate, TrapRegs};
use guest::mem::PAGE_SIZE;
use guest::{NtStatus, Profile};
use kernel_model::mm::{Protect, Vad, VadKind};
use kernel_model::service::{Args, Row};
use kernel_model::{Answer, Call, Kernel};
use trapgate::cpu::Ram;

use crate::measure::{Figure, in_turns, processor_time};

/// Where the caller has `OBJECT_ATTRIBUTES`, a handle, a status block, and room for what is read.
const DATA: u64 = 0x10_0000;
const HANDLE: u64 = DATA + 0x800;
const IOSB: u64 = DATA + 0x810;
const BUFFER: u64 = DATA + 0x1000;
const PAGES: u64 = 4;
const FRAMES: u32 = 64;
const ROUNDS: u32 = 40_000;
const SIZE: usize = 0x1000;

struct Bench {
    kernel: Kernel,
    ram: Ram,
}

impl Bench {
    fn new() -> Self {
        let mut kernel = Kernel::new(Profile::default_profile(), FRAMES, "bench.exe");
        let (first, protect) = (DATA / PAGE_SIZE, Protect::READWRITE);
        let last = first + PAGES - 1;
        kernel.mm.space.insert(Vad { first, last, base: first, kind: VadKind::Private, protect });
        (first..=last).for_each(|page| kernel.mm.commit(page, protect).expect("memory"));
        kernel.place_file("C:\\bench.dat", &[7; SIZE]).expect("room");
        let mut bench = Self { kernel, ram: Ram::new(FRAMES).expect("memory") };
        let text: Vec<u8> = "\\??\\C:\\bench.dat".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let string = text.len() as u64 | (text.len() as u64 + 2) << 16;
        let words = [0x30, 0, DATA + 0x40, 0x40, 0, 0, 0, 0, string, DATA + 0x60];
        let mut bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
        bytes.resize(0x60, 0);
        bytes.extend(text);
        bench.kernel.mm.poke(&mut bench.ram, DATA, &bytes);
        bench
    }

    fn row(&mut self, service: &str) -> Row {
        let number = self.kernel.profile.number(service).expect("a service");
        self.kernel.find(number).expect("a row")
    }

    fn call(&mut self, row: &Row, args: &[u64]) {
        let mut raw = Args::default();
        args.iter().enumerate().for_each(|(index, arg)| raw.set(index, *arg));
        let call = Call { gate: Gate::Syscall, regs: TrapRegs::default(), number: row.number(), args: raw };
        let answer = self.kernel.execute(&mut self.ram, row, &call);
        assert_eq!(answer, Answer::Status(NtStatus::SUCCESS));
    }
}

/// `NtOpenFile`, `NtReadFile` of 4 KiB, `NtClose`: rounds per second.
fn open_read_close(bench: &mut Bench) -> f64 {
    let (open, read, close) = (bench.row("NtOpenFile"), bench.row("NtReadFile"), bench.row("NtClose"));
    let elapsed = processor_time(|| {
        for _ in 0..ROUNDS {
            // FILE_GENERIC_READ, FILE_SHARE_READ, FILE_SYNCHRONOUS_IO_NONALERT.
            bench.call(&open, &[HANDLE, 0x12_0089, DATA, IOSB, 1, 0x20]);
            bench.call(&read, &[4, 0, 0, 0, IOSB, BUFFER, SIZE as u64, 0, 0]);
            bench.call(&close, &[4]);
        }
    });
    f64::from(ROUNDS) / elapsed.as_secs_f64()
}

/// The same of a file of the host's, by the host.
fn host_open_read_close(path: &std::path::Path) -> f64 {
    use std::io::Read;
    let mut buffer = [0; SIZE];
    let elapsed = processor_time(|| {
        for _ in 0..ROUNDS {
            let mut file = std::fs::File::open(path).expect("the file");
            file.read_exact(&mut buffer).expect("4 KiB");
        }
    });
    f64::from(ROUNDS) / elapsed.as_secs_f64()
}

/// Open, read and close a file of 4 KiB on the volume in memory, beside the same by the host's own calls.
pub fn figures() -> Vec<Figure> {
    let path = std::env::temp_dir().join(format!("trapgate-bench-{}", std::process::id()));
    std::fs::write(&path, [7; SIZE]).expect("a temporary file");
    let mut bench = Bench::new();
    let (value, floor) = in_turns(|| open_read_close(&mut bench), || host_open_read_close(&path));
    let _ = std::fs::remove_file(&path);
    vec![Figure {
        name: "open, read and close a file of 4 KiB on C:, beside the host's own calls".into(),
        unit: "calls/s",
        value,
        floor: Some(floor),
        target: None,
    }]
}
