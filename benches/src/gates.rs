//! Every gate and every style of stub: what a call through it costs.

use guest::convention::Gate;
use guest::{Arch, Profile};
use trapgate::loader::Program;
use trapgate::{Config, End, Machine};

use crate::measure::{Figure, in_turns, time};
use crate::{code, floor, subject};

const ROUNDS: u32 = 400_000;
/// Each gate is to reach this part of its floor.
const LEAST: f64 = 0.5;

/// A gate, and a build that has it.
const GATES: [(&str, Gate, &str); 4] = [
    ("syscall", Gate::Syscall, "win10-22h2-x64"),
    ("int 2Eh, x64", Gate::Int2e, "win10-22h2-x64"),
    ("sysenter", Gate::Sysenter, "win10-22h2-x86"),
    ("int 2Eh, x86", Gate::Int2e32, "win10-22h2-x86"),
];

/// A style of stub: a build that has it, and its code's architecture.
const STYLES: [(&str, Arch); 12] = [
    ("win7-sp1-x64", Arch::X64),
    ("win10-22h2-x64", Arch::X64),
    ("vista-sp2-x64", Arch::X64),
    ("win2k-sp4-x86", Arch::X86),
    ("xp-sp0-x86", Arch::X86),
    ("xp-sp3-x86", Arch::X86),
    ("win10-22h2-x86", Arch::X86),
    ("vista-sp2-x64", Arch::X86),
    ("win7-sp1-x64", Arch::X86),
    ("win81-x64", Arch::X86),
    ("win10-1507-x64", Arch::X86),
    ("win10-22h2-x64", Arch::X86),
];

fn profile(name: &str) -> &'static Profile {
    Profile::by_name(name).expect("a profile")
}

fn machine(profile: &'static Profile, arch: Arch, code: &[u8]) -> Machine {
    let config = Config { profile, ..Config::new(Program::Raw(arch, code.to_vec()), "bench") };
    Machine::new(&config).expect("a machine")
}

fn rate(profile: &'static Profile, arch: Arch, code: &[u8]) -> f64 {
    let mut machine = machine(profile, arch, code);
    let elapsed = time(|| match machine.run().expect("no engine failure") {
        End::Exit(_) => {}
        other => panic!("the bench's code ended in {other:?}"),
    });
    machine.stats().calls as f64 / elapsed.as_secs_f64()
}

/// Calls per second through each gate, beside raw Unicorn with the same bytes.
pub fn gate_rates() -> Vec<Figure> {
    let measure = |(name, gate, build): (&str, Gate, &str)| {
        let profile = profile(build);
        let number = profile.number("NtClose").expect("a service");
        let code = code::close_through(gate, number, ROUNDS);
        let floor = || {
            let mut calls = 0;
            let elapsed = time(|| calls = floor::calls(gate, &code));
            calls as f64 / elapsed.as_secs_f64()
        };
        let (value, floor) = in_turns(|| rate(profile, profile.arch, &code), floor);
        Figure {
            name: format!("NtClose of a bad handle by {name}"),
            unit: "calls/s",
            value,
            floor: Some(floor),
            target: Some((format!("{LEAST} of the floor or better"), value / floor >= LEAST)),
        }
    };
    GATES.into_iter().map(measure).collect()
}

/// A style of stub, the build it was measured on, instructions of a call, calls per second.
pub struct Style {
    pub name: &'static str,
    pub build: &'static str,
    pub instructions: u64,
    pub rate: f64,
}

impl Style {
    /// As figures for a file.
    pub fn figures(&self) -> [Figure; 2] {
        let figure = |what: &str, unit, value| Figure {
            name: format!("{what} {} ({})", self.name, self.build),
            unit,
            value,
            floor: None,
            target: None,
        };
        [
            figure("instructions of a call by", "instructions", self.instructions as f64),
            figure("calls by", "calls/s", self.rate),
        ]
    }
}

/// What a call through each style of stub costs.
pub fn styles() -> Vec<Style> {
    STYLES.into_iter().map(style).collect()
}

fn style((build, arch): (&'static str, Arch)) -> Style {
    let profile = profile(build);
    let any = machine(profile, arch, &[0xc3]);
    let stub = any.modules().by_name("ntdll.dll", arch).and_then(|m| m.symbol("NtClose")).expect("NtClose");
    let once = machine(profile, arch, &code::close_by_stub(arch, stub, 1));
    let code = code::close_by_stub(arch, stub, ROUNDS);
    Style {
        name: profile.stub_style_for(arch).map_or("", |s| s.name),
        build,
        instructions: subject::instructions_in_call(once, stub),
        rate: rate(profile, arch, &code),
    }
}

/// The styles as a Markdown table.
pub fn table(styles: &[Style]) -> String {
    let mut text = String::from("| style | build | instructions | calls/s |\n| --- | --- | ---: | ---: |\n");
    for s in styles {
        text += &format!("| {} | {} | {} | {:.2} M |\n", s.name, s.build, s.instructions, s.rate / 1e6);
    }
    text
}
