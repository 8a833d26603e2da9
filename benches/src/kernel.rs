//! The dispatcher as guest code: a call through the kernel image in ring 0 beside the same call answered at once.

use guest::Profile;
use guest::convention::Gate;
use trapgate::loader::Program;
use trapgate::machine::Dispatch;
use trapgate::{Config, End, Machine};

use crate::measure::{Figure, in_turns, processor_time};
use crate::{code, subject};

const ROUNDS: u32 = 400_000;
/// The kernel's way is to reach this part of the direct one.
const LEAST: f64 = 0.25;

/// A gate, a build that has it, and whether its stubs are to choose `int 2Eh`.
const GATES: [(&str, Gate, &str, bool); 4] = [
    ("syscall", Gate::Syscall, "win10-22h2-x64", false),
    ("int 2Eh, x64", Gate::Int2e, "win10-22h2-x64", true),
    ("sysenter", Gate::Sysenter, "win10-22h2-x86", false),
    ("int 2Eh, x86", Gate::Int2e32, "xp-sp3-x86", true),
];

/// What a call of NtClose through one gate costs, by either dispatcher.
pub struct Path {
    name: &'static str,
    build: &'static str,
    /// Instructions from the stub's first byte until the program goes on, in ring 3.
    stub: u64,
    /// Instructions in ring 0, by the kernel's way and by the direct one.
    ring_0: [u64; 2],
    /// Calls per second, by the kernel's way and by the direct one.
    rates: [f64; 2],
}

fn machine(profile: &'static Profile, code: &[u8], dispatch: Dispatch, int2e: bool) -> Machine {
    let mut config = Config { profile, dispatch, ..Config::new(Program::Raw(profile.arch, code.to_vec()), "bench") };
    config.process.int2e = int2e;
    Machine::new(&config).expect("a machine")
}

/// A run to its end; calls per second, and instructions in ring 0.
fn run(profile: &'static Profile, code: &[u8], dispatch: Dispatch) -> (f64, u64) {
    let mut machine = machine(profile, code, dispatch, false);
    let elapsed = processor_time(|| match machine.run().expect("no engine failure") {
        End::Exit(_) => {}
        other => panic!("the bench's code ended in {other:?}"),
    });
    (machine.stats().calls as f64 / elapsed.as_secs_f64(), machine.kernel_instructions())
}

/// What each gate costs.
pub fn paths() -> Vec<Path> {
    GATES.into_iter().map(path).collect()
}

fn path((name, gate, build, int2e): (&'static str, Gate, &'static str, bool)) -> Path {
    let profile = Profile::by_name(build).expect("a profile");
    let number = profile.number("NtClose").expect("a service");
    let code = |rounds| code::close_through(gate, number, rounds);
    // One call more: what the start and the end of the program take drops out.
    let more = |dispatch| run(profile, &code(3), dispatch).1 - run(profile, &code(2), dispatch).1;
    let any = machine(profile, &[0xc3], Dispatch::Direct, int2e);
    let stub = any.modules().by_name("ntdll.dll", profile.arch).and_then(|m| m.symbol("NtClose")).expect("NtClose");
    let once = machine(profile, &code::close_by_stub(profile.arch, stub, 1), Dispatch::Direct, int2e);
    let many = code(ROUNDS);
    let rate = |dispatch| run(profile, &many, dispatch).0;
    let (kernel, direct) = in_turns(|| rate(Dispatch::Kernel), || rate(Dispatch::Direct));
    Path {
        name,
        build,
        stub: subject::instructions_in_call(once, stub),
        ring_0: [Dispatch::Kernel, Dispatch::Direct].map(more),
        rates: [kernel, direct],
    }
}

impl Path {
    fn ratio(&self) -> f64 {
        self.rates[0] / self.rates[1]
    }

    fn target(&self) -> (String, bool) {
        (format!("{LEAST} of direct or better"), self.ratio() >= LEAST)
    }

    /// As figures for a file.
    pub fn figures(&self) -> [Figure; 2] {
        let name = |what: &str| format!("{what} through the kernel by {} ({})", self.name, self.build);
        [
            Figure {
                name: name("NtClose of a bad handle"),
                unit: "calls/s",
                value: self.rates[0],
                floor: Some(self.rates[1]),
                target: Some(self.target()),
            },
            Figure {
                name: name("instructions in ring 0 of a call"),
                unit: "instructions",
                value: self.ring_0[0] as f64,
                floor: None,
                target: None,
            },
        ]
    }
}

/// The gates as a Markdown table.
pub fn table(paths: &[Path]) -> String {
    let mut text = String::from(
        "| gate | build | stub | ring 0, kernel | ring 0, direct | calls/s, kernel | calls/s, direct | ratio | to reach |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n",
    );
    for p in paths {
        let ([kernel, direct], [kernel_rate, direct_rate]) = (p.ring_0, p.rates.map(|r| r / 1e6));
        let (words, reached) = p.target();
        let reached = if reached { "reached" } else { "**not reached**" };
        text += &format!(
            "| {} | {} | {} | {kernel} | {direct} | {kernel_rate:.2} M | {direct_rate:.2} M | {:.2} | {words}: {reached} |\n",
            p.name,
            p.build,
            p.stub,
            p.ratio()
        );
    }
    text
}
