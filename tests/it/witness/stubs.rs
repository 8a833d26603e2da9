//! Stubs of every build run on both CPUs, up to what leads into the kernel.

use std::collections::BTreeSet;

use guest::services::ServiceTableId::{Nt, Win32k};
use guest::stub::{Patch, StubService, StubStyle};
use guest::{Arch, Profile};
use trapgate::cpu::{Exit, Reg, RegisterFile};

use super::engine::Engine;
use super::host::Host;
use super::{CODE, DATA, Ending, Job, KUSER, STACK, TEB, differences};

/// Where routines beside stubs are put, the way into 64-bit code, and what ends there: `hlt`.
const ROUTINES: u64 = CODE + 0x200;
const TRANSITION: u64 = CODE + 0x800;
const CODE_64: u64 = CODE + 0x900;
/// What R15 points to while 32-bit code runs, and the slot of that table that is the way in.
const TURBO: u64 = TEB + 0x800;
const TURBO_SLOT: u64 = 0xf8;
const PEB: u64 = TEB + 0x400;

/// A stub in memory, with all that it reaches.
struct Laid {
    pokes: Vec<(u64, Vec<u8>)>,
    symbols: Vec<(&'static str, u64)>,
}

impl Laid {
    fn address(&self, name: &str) -> u64 {
        self.symbols.iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    fn put(&mut self, at: u64, patch: Patch) {
        let mut bytes = patch.bytes;
        for (offset, name) in patch.addresses {
            bytes[offset..offset + 4].copy_from_slice(&(self.address(name) as u32).to_le_bytes());
        }
        self.pokes.push((at, bytes));
    }
}

/// `told`: what KUSER_SHARED_DATA and the PEB say makes a stub that can choose take `int 2Eh`.
fn lay(style: &StubStyle, service: &StubService, told: bool) -> Laid {
    let hlt = vec![0xf4; 0x1000];
    let pokes = vec![(CODE, hlt), (DATA, vec![0; 0x2000]), (KUSER, vec![0; 0x1000])];
    let mut laid = Laid { pokes, symbols: Vec::new() };
    let places = || style.routines().zip((ROUTINES..).step_by(0x40));
    for (routine, at) in places() {
        laid.symbols.extend(routine.symbols.iter().map(|(name, offset)| (*name, at + u64::from(*offset))));
    }
    for (routine, at) in places() {
        laid.put(at, routine.patch());
    }
    laid.put(CODE, style.padded(service));
    let shared: Vec<_> = style.shared_data(|name| Some(laid.address(name) as u32)).collect();
    laid.pokes.extend(shared.into_iter().map(|(at, bytes)| (KUSER + u64::from(at), bytes)));
    if style.name == "x64_w10_1511" {
        laid.pokes.push((KUSER + 0x308, vec![told.into()]));
    }
    // jmp 33:CODE_64
    let gate = [&[0xea], &(CODE_64 as u32).to_le_bytes()[..], &[0x33, 0]].concat();
    let word = |at: u64| (at as u32).to_le_bytes().to_vec();
    laid.pokes.extend([(TRANSITION, gate), (TEB + 0xc0, word(TRANSITION)), (TEB + 0x30, word(PEB))]);
    laid.pokes.extend([(PEB + 0x254, word(if told { 0 } else { 2 })), (TURBO + TURBO_SLOT, word(CODE_64))]);
    if let Some(at) = laid.symbols.iter().find(|(name, _)| *name == "Wow64Transition").map(|(_, at)| *at) {
        laid.pokes.push((at, word(TRANSITION)));
    }
    laid
}

fn job(style: &StubStyle, service: &StubService, told: bool) -> Job {
    let mut registers = RegisterFile::default();
    for (i, reg) in Reg::ALL.iter().enumerate() {
        let wide = 0x0b01_0203_0405_0607 * (i as u64 + 1) + 0x77;
        let reachable = reg.name_in(style.bits).is_some();
        registers.set(*reg, if style.bits == 64 { wide } else { u64::from(reachable) * (wide & 0x7fff_ffff) });
    }
    for (reg, value) in [(Reg::Rip, CODE), (Reg::Rsp, STACK + 0x800), (Reg::Rflags, 0xad7)] {
        registers.set(reg, value);
    }
    if style.bits == 32 {
        registers.set(Reg::R15, TURBO);
    }
    registers.xmm = std::array::from_fn(|i| [i as u64 + 1, !(i as u64)]);
    Job { bits: style.bits, registers, pokes: lay(style, service, told).pokes, steps: 40 }
}

/// What entered, or would have.
fn name_of(exit: Exit) -> &'static str {
    match exit {
        Exit::Syscall => "syscall",
        Exit::Sysenter => "sysenter",
        Exit::Interrupt(0x2e) | Exit::Foreign => "int 2Eh",
        Exit::Exception(13) => "64-bit code",
        _ => "nothing",
    }
}

/// Runs a stub on both and compares every step. Returns how it left, and how many instructions were compared.
fn compare(host: &mut Host, engine: &mut Engine, name: &str, mut job: Job, number: u32) -> (&'static str, usize) {
    let (mut engine, exit) = engine.run(&job);
    let leaves = name_of(exit);
    assert_ne!(leaves, "nothing", "{name}: {exit:?}");
    // Linux would take a `sysenter`; what is behind it is not compared. `int 2Eh` stops the host before it.
    if leaves == "sysenter" {
        engine.steps.pop();
        engine.ending = Ending::Steps;
        job.steps = engine.steps.len() as u64;
    } else if leaves == "int 2Eh" {
        let last = engine.steps.last_mut().expect("a step");
        last.set(Reg::Rip, last.get(Reg::Rip) - 2);
    }
    let host = host.run(&job);
    let ends = |t: &super::Trace| (t.steps.len(), t.ending);
    assert_eq!(ends(&host), ends(&engine), "{name}: {:x?}", host.last());
    for (i, (there, here)) in host.steps.iter().zip(&engine.steps).enumerate() {
        let mut here = *here;
        if host.ending == Ending::SystemCall && i + 1 == host.steps.len() {
            // The host has run the instruction: RCX and R11 are what it puts there.
            here.set(Reg::Rcx, here.get(Reg::Rip));
            here.set(Reg::R11, there.get(Reg::R11));
            let flags = super::FLAGS;
            assert_eq!(there.get(Reg::R11) & flags, here.get(Reg::Rflags) & flags, "{name}: r11");
        }
        let different = differences(there, &here, 0);
        assert!(different.is_empty(), "{name}: after instruction {}: {different:?}", i + 1);
    }
    assert_eq!(host.xmm, engine.xmm, "{name}");
    assert!(host.memory == engine.memory, "{name}: the stack");
    assert_eq!(host.last().get(Reg::Rax) as u32 & 0xffff, number, "{name}: the number");
    (leaves, host.steps.len())
}

/// Services of a build with as many different numbers of arguments as there are, and those with turbo thunks.
fn services(profile: &'static Profile) -> impl Iterator<Item = StubService> {
    let mut seen = BTreeSet::new();
    profile.services(Nt).chain(profile.services(Win32k)).filter(move |s| seen.insert((s.slots, s.turbo)))
}

#[test]
fn stubs_of_every_build_run_the_same_on_the_host() {
    let Some(mut host) = Host::start() else { return };
    let [mut engine32, mut engine64] = [32, 64].map(|bits| Engine::new(bits, true));
    let (mut stubs, mut steps) = (0, 0);
    let mut left = BTreeSet::new();
    for profile in Profile::all() {
        for style in Arch::ALL.iter().filter_map(|arch| profile.stub_style_for(*arch)) {
            let chooses = matches!(style.name, "x64_w10_1511" | "wow64_w10_1507");
            for told in [false, true].into_iter().take(1 + usize::from(chooses)) {
                for service in services(profile) {
                    let name = format!("{} {} {}, told {told}", profile.name, style.name, service.info.name);
                    let engine = if style.bits == 64 { &mut engine64 } else { &mut engine32 };
                    let job = job(style, &service, told);
                    let (leaves, count) = compare(&mut host, engine, &name, job, service.number);
                    left.insert((style.name, leaves));
                    stubs += 1;
                    steps += count;
                }
            }
        }
    }
    let expected = BTreeSet::from([
        ("x86_int2e_lea4", "int 2Eh"),
        ("x86_xp_call_edx", "sysenter"),
        ("x86_call_mem_edx", "sysenter"),
        ("x86_inline_sysenter", "sysenter"),
        ("wow64_xp", "64-bit code"),
        ("wow64_w7", "64-bit code"),
        ("wow64_w8", "64-bit code"),
        ("wow64_w10_1507", "64-bit code"),
        ("wow64_w10_1507", "int 2Eh"),
        ("wow64_w10", "64-bit code"),
        ("x64_xp", "syscall"),
        ("x64_w7", "syscall"),
        ("x64_w10_1511", "syscall"),
        ("x64_w10_1511", "int 2Eh"),
    ]);
    assert_eq!(left, expected);
    println!("{stubs} stubs, {steps} instructions");
    assert!(stubs > 1000, "{stubs} stubs");
}
