//! How much memory runs take, and what memory costs.

use std::process::{Command, ExitCode};
use std::time::Instant;

use guest::{Arch, Profile};
use trapgate::loader::Program;
use trapgate::{Config, End, Machine};

use crate::measure::{Figure, in_turns};
use crate::{code, subject};

/// The argument that makes this program one whose memory is measured.
pub const CHILD: &str = "--child";
const HELLO: &str = "hello";
const TOUCH: &str = "touch";
const GIB: u64 = 1 << 30;
const ROUNDS: u32 = 50_000;

/// Milliseconds and the peak of resident memory in MiB of a run of its own process.
fn in_child(what: &str) -> (f64, f64) {
    let exe = std::env::current_exe().expect("this program's own path");
    let out = Command::new(exe).args([CHILD, what]).output().expect("this program runs");
    let text = String::from_utf8_lossy(&out.stdout);
    let mut numbers = text.split_whitespace().map(|n| n.parse::<f64>().unwrap_or(f64::NAN));
    let mut next = || numbers.next().unwrap_or(f64::NAN);
    (next(), next() / 1024.0)
}

/// Runs the smallest program, or one that touches 1 GiB; prints milliseconds and the peak of its resident memory in KiB.
pub fn child(what: &str) -> ExitCode {
    let config = if what == TOUCH {
        let code = code::commit_and_touch(Profile::default_profile(), GIB);
        Config { memory: 2 * GIB, ..Config::new(Program::Raw(Arch::X64, code), "bench") }
    } else {
        Config::new(Program::Pe(fixtures::get("hello").expect("a fixture").image.to_vec()), "bench")
    };
    let mut machine = Machine::new(&config).expect("a machine");
    let start = Instant::now();
    let end = machine.run();
    let took = start.elapsed().as_secs_f64() * 1e3;
    if !matches!(end, Ok(End::Exit(status)) if status.0 == 0) {
        return ExitCode::FAILURE;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).and_then(|l| l.split_whitespace().next());
    println!("{took} {}", peak.unwrap_or("0"));
    ExitCode::SUCCESS
}

/// What a pair of calls takes beside two that do nothing, in microseconds.
fn above_dispatch(name: &str, pair: fn(&'static Profile, u32) -> Vec<u8>, most: Option<f64>) -> Figure {
    let profile = Profile::default_profile();
    let (pair, nothing) = (pair(profile, ROUNDS), code::close_bad_handle(profile, 2 * ROUNDS));
    let each = 1e6 / f64::from(ROUNDS);
    let (both, dispatch) = in_turns(|| subject::run(&pair).1 * each, || subject::run(&nothing).1 * each);
    Figure {
        name: format!("{name} (floor: the dispatch of two calls)"),
        unit: "us",
        value: both,
        floor: Some(dispatch),
        target: most.map(|most| (format!("{most} us or less above the floor"), both - dispatch <= most)),
    }
}

/// Allocating, mapping, and touching a GiB.
pub fn figures() -> Vec<Figure> {
    let (took, resident) = in_child(TOUCH);
    let plain = |name: &str, unit, value| Figure { name: name.into(), unit, value, floor: None, target: None };
    vec![
        above_dispatch("allocate + free of 64 KiB", code::allocate_and_free, Some(2.0)),
        above_dispatch("map + unmap of a view of 16 MiB", code::map_and_unmap, None),
        plain("commit and touch 1 GiB", "ms", took),
        plain("resident memory then", "MiB", resident),
    ]
}

/// The peak of resident memory of a process that runs the smallest program.
pub fn resident() -> Figure {
    let (_, mib) = in_child(HELLO);
    Figure {
        name: "resident memory of a trivial run".into(),
        unit: "MiB",
        value: mib,
        floor: None,
        target: Some(("64 MiB or less".into(), mib <= 64.0)),
    }
}
