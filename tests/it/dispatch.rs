//! Both ways of dispatching leave the same: the model that answers at once, and kernel code in ring 0 that calls it.

use std::cell::RefCell;
use std::rc::Rc;

use fixtures::{Fixture, Kind};
use guest::{Arch, Profile};
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use trapgate::cpu::RegisterFile;
use trapgate::loader::Program;
use trapgate::machine::Dispatch;
use trapgate::trace::{CallEnd, CallStart, Observer, View};
use trapgate::{Config, End, Machine};

use crate::support::config;

/// What user mode can see after a call.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    number: u32,
    status: Option<u32>,
    before: RegisterFile,
    after: Option<RegisterFile>,
    memory: u64,
    retired: u64,
}

/// A hash of every page of user memory that has been touched, with its place and protection (FNV's constants).
fn memory(view: &View<'_>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |word: u64| hash = (hash ^ word).wrapping_mul(0x100_0000_01b3).rotate_left(23);
    let mut bytes = [0; 0x1000];
    for (vpn, pte) in view.kernel.mm.space.resident() {
        let Some(frame) = pte.frame() else { continue };
        view.ram.read(frame, 0, &mut bytes);
        add(vpn);
        add(pte.protect().map_or(0, |p| p.raw().into()));
        bytes.as_chunks::<8>().0.iter().for_each(|word| add(u64::from_le_bytes(*word)));
    }
    hash
}

struct Watcher(Rc<RefCell<Vec<Seen>>>);

impl Observer for Watcher {
    fn call_start(&mut self, _: &View<'_>, _: &CallStart<'_>) {}
    fn call_end(&mut self, view: &View<'_>, call: &CallEnd<'_>) {
        self.0.borrow_mut().push(Seen {
            number: call.call.number,
            status: call.status.map(|s| s.0),
            before: *call.before.expect("registers at the trap"),
            after: call.after.copied(),
            memory: memory(view),
            retired: call.retired,
        });
    }
    fn end(&mut self, _: &View<'_>, _: &End, _: u64) {}
}

/// A run: how it ended, what it printed, what was counted, and what each call left.
#[derive(Debug, PartialEq)]
struct Run {
    end: End,
    stdout: Vec<u8>,
    calls: Vec<(u32, u64)>,
    unknown: u64,
    instructions: u64,
    registers: RegisterFile,
    seen: Vec<Seen>,
}

/// The error is that of a program which the build cannot start.
fn run(config: &Config, dispatch: Dispatch, stdin: &[u8], watch: bool) -> Result<Run, String> {
    let mut config = config.clone();
    config.dispatch = dispatch;
    let name = &config.process.name;
    let mut machine = Machine::new(&config).map_err(|e| e.to_string())?;
    machine.captured().expect("captured").stdin = stdin.to_vec();
    let seen = Rc::new(RefCell::new(Vec::new()));
    if watch {
        machine.observe(Box::new(Watcher(Rc::clone(&seen)))).expect("an observer");
    }
    let end = machine.run().unwrap_or_else(|e| panic!("{name}, {}: {e}", config.profile.name));
    let stdout = machine.captured().expect("captured").stdout.clone();
    let stats = machine.stats();
    let (calls, unknown) = (stats.by_number().collect(), stats.unknown);
    // Where the process ends, direct dispatch stands in user code and the kernel's in ring 0.
    let registers = if let End::Crash(crash) = &end { crash.registers } else { RegisterFile::default() };
    let seen = seen.borrow().clone();
    Ok(Run { end, stdout, calls, unknown, instructions: machine.instructions(), registers, seen })
}

/// Holds both ways against each other; how many calls there were.
fn same(config: &Config, stdin: &[u8]) -> usize {
    let mut calls = 0;
    for watch in [true, false] {
        let direct = run(config, Dispatch::Direct, stdin, watch);
        let kernel = run(config, Dispatch::Kernel, stdin, watch);
        let name = format!("{} on {}, watched: {watch}", config.process.name, config.profile.name);
        assert_eq!(direct.as_ref().err(), kernel.as_ref().err(), "{name}");
        let (Ok(direct), Ok(kernel)) = (direct, kernel) else { return 0 };
        for (i, (d, k)) in direct.seen.iter().zip(&kernel.seen).enumerate() {
            assert!(d == k, "{name}: call {i}\n{d:x?}\n{k:x?}");
        }
        assert!(direct == kernel, "{name}:\n{direct:x?}\n{kernel:x?}");
        calls += direct.seen.len();
    }
    calls
}

/// The configurations that a fixture can be run with on a profile: its 64-bit form, its 32-bit form.
fn configs(fixture: &Fixture, profile: &'static Profile) -> Vec<Config> {
    let native = match fixture.kind {
        Kind::Raw => Program::Raw(Arch::X64, fixture.image.to_vec()),
        _ => Program::Pe(fixture.image.to_vec()),
    };
    let x64 = (profile.arch == Arch::X64 && !fixture.is_x86()).then_some(native);
    let x86 = fixture.image_x86().map(|image| Program::Pe(image.to_vec()));
    x64.into_iter()
        .chain(x86)
        .map(|program| {
            let mut config = config(program, fixture.file);
            config.profile = profile;
            config.process.args = fixture.args.iter().map(ToString::to_string).collect();
            config
        })
        .collect()
}

#[test]
fn every_fixture_on_every_kind_of_kernel() {
    let kinds = [
        "win10-22h2-x64",
        "win11-25h2-x64",
        "win10-1507-x64",
        "win81-x64",
        "win7-sp1-x64",
        "vista-sp2-x64",
        "xp-sp1-x64",
        "win10-22h2-x86",
        "win7-sp1-x86",
        "xp-sp3-x86",
        "win2k-sp4-x86",
    ];
    let left_out = ["missing_import", "loop", "spin"];
    let mut calls = 0;
    for fixture in fixtures::all().iter().filter(|f| f.kind != Kind::Dll && !left_out.contains(&f.name)) {
        for profile in kinds.iter().map(|name| Profile::by_name(name).expect("a profile")) {
            for config in configs(fixture, profile) {
                calls += same(&config, fixture.stdin);
            }
        }
    }
    assert!(calls > 5000, "{calls} calls");
}

#[test]
fn every_profile() {
    let fixture = fixtures::get("hello").expect("the fixture");
    let mut profiles = 0;
    for profile in Profile::all() {
        for mut config in configs(fixture, profile) {
            for int2e in [false, true] {
                config.process.int2e = int2e;
                assert!(same(&config, &[]) > 5, "{}", profile.name);
            }
        }
        profiles += 1;
    }
    assert_eq!(profiles, 81, "{profiles} profiles");
}

/// A linear congruential generator (Knuth's constants): the same cases every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ self.0 >> 33
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    /// A value that is something to a service now and then.
    fn value(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => u64::MAX - self.below(8),
            2 => self.below(0x100) * 4,
            3 => 0x1000_0800 + self.below(0x400),
            4 => 0x7fff_ffff_0000 - self.below(0x40),
            5 => 0xffff_8000_0000_0000 | self.next() >> 20,
            6 => 1 << self.below(64),
            _ => self.next(),
        }
    }
}

/// Calls with every register filled at random, from stacks that are good, at the end of a page, or no stack at all.
fn random_calls(random: &mut Random, profile: &Profile) -> Result<Vec<u8>, IcedError> {
    let written: Vec<u32> = kernel_model::kernel::services()
        .filter(|s| !s.name.starts_with("NtTerminate"))
        .filter_map(|s| profile.number(s.name))
        .collect();
    let mut a = CodeAssembler::new(64)?;
    for _ in 0..1 + random.below(6) {
        let number = match random.below(4) {
            0 => random.next() as u32 & 0x3fff,
            1 => written[random.below(written.len() as u64) as usize] | (random.next() as u32) << 14,
            _ => written[random.below(written.len() as u64) as usize],
        };
        a.mov(rax, 0x1000_0c00_u64)?;
        for (i, x) in [xmm0, xmm1, xmm2, xmm3, xmm4, xmm5, xmm6, xmm7, xmm15].into_iter().enumerate() {
            a.movups(x, xmmword_ptr(rax + 16 * i as i32))?;
        }
        for r in [rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15] {
            a.mov(r, random.value())?;
        }
        a.mov(rsp, 0x1000_0c00_u64)?;
        a.push((random.below(0x1000) & 0xcd5) as i32)?;
        a.popfq()?;
        let stack = match random.below(6) {
            0 => random.value(),
            1 => 0x1000_1000 - random.below(0x60),
            _ => 0x1000_0b00,
        };
        a.mov(rsp, stack)?;
        a.mov(eax, number)?;
        if random.below(3) == 0 {
            a.int(0x2e)?
        } else {
            a.syscall()?
        }
        a.mov(rsp, 0x1000_0c00_u64)?;
    }
    a.hlt()?;
    a.assemble(0x1000_0000)
}

#[test]
fn random_numbers_and_registers() {
    let mut random = Random(0x7261_7067_6174_6500);
    let profiles: Vec<&'static Profile> = Profile::all().iter().filter(|p| p.arch == Arch::X64).collect();
    let mut calls = 0;
    for _ in 0..400 {
        let profile = profiles[random.below(profiles.len() as u64) as usize];
        let code = random_calls(&mut random, profile).expect("valid code");
        assert!(code.len() < 0xb00, "{}", code.len());
        let mut page = vec![0; 0x1000];
        page[..code.len()].copy_from_slice(&code);
        for byte in &mut page[0xc00..0xd00] {
            *byte = random.next() as u8;
        }
        let mut config = config(Program::Raw(Arch::X64, page), "random");
        config.profile = profile;
        config.memory = 16 << 20;
        config.max_instructions = Some(100_000);
        calls += same(&config, b"some input\n");
    }
    assert!(calls > 800, "{calls} calls");
}
