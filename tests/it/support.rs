//! Making and running machines.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use fixtures::{Fixture, Kind};
use trapgate::loader::Program;
use trapgate::trace::{CallRecord, InsnRecord, Recorder, Sink, Wants};
use trapgate::{Config, End, Machine};

/// A configuration for a program in memory.
pub fn config(program: Program, name: &str) -> Config {
    let mut config = Config::new(program, name);
    config.process.dll_folder = Some(fixtures::images());
    config.max_instructions = Some(200_000_000);
    config
}

/// The configuration that a fixture is run with.
pub fn fixture_config(fixture: &Fixture) -> Config {
    let bytes = fixture.image.to_vec();
    let program = if fixture.kind == Kind::Raw { Program::Raw(guest::Arch::X64, bytes) } else { Program::Pe(bytes) };
    let mut config = config(program, fixture.file);
    config.process.args = fixture.args.iter().map(ToString::to_string).collect();
    config
}

/// A machine for a fixture, its input fed.
pub fn fixture_machine(name: &str) -> Machine {
    let fixture = fixtures::get(name).unwrap_or_else(|| panic!("no fixture {name}"));
    let mut machine = Machine::new(&fixture_config(fixture)).unwrap_or_else(|e| panic!("{name}: {e}"));
    machine.captured().expect("captured").stdin = fixture.stdin.to_vec();
    machine
}

/// Raw code, run to its end: how it ended.
pub fn run_raw(code: &[u8]) -> (Machine, End) {
    let mut machine = Machine::new(&config(Program::Raw(guest::Arch::X64, code.to_vec()), "raw")).expect("a machine");
    let end = machine.run().expect("no engine failure");
    (machine, end)
}

/// What a recorder gave.
#[derive(Default)]
pub struct Records {
    pub calls: Vec<CallRecord>,
    pub insns: Vec<InsnRecord>,
}

struct Keep(Rc<RefCell<Records>>);

impl Sink for Keep {
    fn call(&mut self, record: &CallRecord) {
        self.0.borrow_mut().calls.push(record.clone());
    }
    fn insn(&mut self, record: &InsnRecord) {
        self.0.borrow_mut().insns.push(record.clone());
    }
}

/// Runs a machine and keeps its trace.
pub fn record(machine: &mut Machine, wants: Wants) -> (End, Rc<RefCell<Records>>) {
    let records = Rc::new(RefCell::new(Records::default()));
    machine.observe(Box::new(Recorder::new(Box::new(Keep(Rc::clone(&records))), wants))).expect("an observer");
    let end = machine.run().expect("no engine failure");
    (end, records)
}

/// The command.
pub fn trapgate() -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_trapgate-under-test"));
    command.stdin(std::process::Stdio::null()).env_remove("NO_COLOR");
    command
}

/// A linear congruential generator (Knuth's constants): the same cases every time.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ self.0 >> 33
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// A text with one address for all objects: where one is follows from how many were made at boot.
pub fn without_addresses(text: &str) -> String {
    const START: &str = "0xfffffa8002";
    let mut pieces = text.split(START);
    let mut out = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_hexdigit).count();
        out += "0xfffffa8002......";
        out += &piece[digits..];
    }
    out
}

/// System calls but the one by which ntdll gives up on an exception.
pub fn calls_but_raising(machine: &trapgate::Machine) -> u64 {
    let stats = machine.stats();
    let raise = machine.kernel().profile.number("NtRaiseException");
    stats.calls - stats.by_number().find(|(number, _)| Some(*number) == raise).map_or(0, |(_, count)| count)
}

/// A machine for a fixture's program of a width on a build.
pub fn machine_on(name: &str, profile: &str, narrow: bool, change: impl FnOnce(&mut Config)) -> Machine {
    let fixture = fixtures::get(name).unwrap_or_else(|| panic!("no fixture {name}"));
    let image = if narrow { fixture.image_x86().expect("a 32-bit image") } else { fixture.image };
    let mut config = config(Program::Pe(image.to_vec()), fixture.file);
    config.process.args = fixture.args.iter().map(ToString::to_string).collect();
    config.profile = guest::Profile::by_name(profile).expect("a profile");
    change(&mut config);
    Machine::new(&config).unwrap_or_else(|error| panic!("{name} on {profile}: {error}"))
}

/// Runs a machine to its end, whose kernel is then as it must be; what it printed.
pub fn run_audited(machine: &mut Machine) -> (End, String) {
    let end = machine.run().expect("no engine failure");
    let printed = String::from_utf8_lossy(&machine.captured().expect("captured").stdout).into_owned();
    machine.kernel().check_invariants().unwrap_or_else(|wrong| panic!("{wrong}"));
    (end, printed)
}

/// A folder that goes with its test.
pub struct TempFolder(pub PathBuf);

impl TempFolder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("trapgate-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    /// One below it.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        path
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
