//! How much memory a trivial run takes.

use std::process::{Command, ExitCode};

use crate::measure::Figure;
use crate::subject;

/// The argument that makes this program the one whose memory is measured.
pub const CHILD: &str = "--child-that-runs-hello";

/// Runs the smallest program and prints the peak of its resident memory in KiB.
pub fn child() -> ExitCode {
    let Some(hello) = fixtures::get("hello") else { return ExitCode::FAILURE };
    let mut machine = subject::machine(trapgate::loader::Program::Pe(hello.image.to_vec()));
    if machine.run().is_err() {
        return ExitCode::FAILURE;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).and_then(|l| l.split_whitespace().next());
    println!("{}", peak.unwrap_or("0"));
    ExitCode::SUCCESS
}

/// The peak of resident memory of a process that runs the smallest program.
pub fn resident() -> Figure {
    let exe = std::env::current_exe().expect("this program's own path");
    let out = Command::new(exe).arg(CHILD).output().expect("this program runs");
    let kib: f64 = String::from_utf8_lossy(&out.stdout).trim().parse().unwrap_or(f64::NAN);
    let mib = kib / 1024.0;
    Figure {
        name: "resident memory of a trivial run".into(),
        unit: "MiB",
        value: mib,
        floor: None,
        target: Some(("64 MiB or less".into(), mib <= 64.0)),
    }
}
