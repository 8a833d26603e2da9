//! What files cost: services called in the kernel model, without a CPU.

use crate::desk::{Bench, DATA};
use crate::measure::{Figure, in_turns, processor_time};

/// Where the caller has a handle, a status block, and room for what is read.
const HANDLE: u64 = DATA + 0x800;
const IOSB: u64 = DATA + 0x810;
const BUFFER: u64 = DATA + 0x1000;
const PAGES: u64 = 4;
const ROUNDS: u32 = 40_000;
const SIZE: usize = 0x1000;

/// A kernel with a file, whose name is at [`DATA`].
fn with_file() -> Bench {
    let mut bench = Bench::new(PAGES);
    bench.kernel.place_file("C:\\bench.dat", &[7; SIZE]).expect("room");
    bench.attributes("\\??\\C:\\bench.dat", 0x40);
    bench
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
    let mut bench = with_file();
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
