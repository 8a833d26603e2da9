//! Both ways of dispatching leave the same: the model that answers at once, and kernel code in ring 0 that calls it.

use std::cell::RefCell;
use std::rc::Rc;

use fixtures::{Fixture, Kind};
use guest::{Arch, NtStatus, Profile};
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use trapgate::cpu::{Reg, RegisterFile};
use trapgate::loader::Program;
use trapgate::machine::Dispatch;
use trapgate::trace::{CallEnd, CallStart, Observer, View};
use trapgate::{Config, End, Machine};

use crate::support::{Random, config};

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

/// With somebody who watches, which takes other ways through the machine, and without.
const EITHER: [bool; 2] = [true, false];
const WATCHED: [bool; 1] = [true];

/// Holds both ways against each other; how many calls there were.
fn same(config: &Config, stdin: &[u8], watched: &[bool]) -> usize {
    let mut calls = 0;
    for &watch in watched {
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

/// Every fixture on some kinds of kernel; a third of them unwatched too, another third on each kind.
fn every_fixture(kinds: &[&str], least: usize) {
    // Those that never end or never start, and what looks at lists in which the kernel's own addresses are. Those whose waits
    // APCs end, which kernel dispatch does not deliver. Then those with second threads or processes, of which it has none.
    let alone = ["missing_import", "loop", "spin", "win_processes", "win_timer_apc", "win_timer_apc_nt", "win_async"];
    // Kernel code does not go to an instrumentation callback.
    let alone = [&alone[..], &["instrumented"]].concat();
    let threads = [
        "race",
        "thread_work",
        "win_apc",
        "win_threads",
        "crt_threads",
        "crt_fiber",
        "crt_slots",
        "debugger_nt",
        "storm",
        "loadlib",
    ];
    let pools = ["pool_work", "pool_timers", "pool_files", "old_thread", "thread_ends", "philosophers"];
    let processes = ["win_child", "win_family", "win_childcrash", "old_process"];
    let injected = ["inject_thread", "inject_apc", "inject_hijack", "inject_hollow"];
    let left_out = [&alone[..], &threads, &pools, &processes, &injected].concat();
    let mut calls = 0;
    let fixtures = fixtures::all().iter().filter(|f| f.is_run() && !left_out.contains(&f.name));
    for (i, fixture) in fixtures.enumerate() {
        for (j, profile) in kinds.iter().map(|name| Profile::by_name(name).expect("a profile")).enumerate() {
            let watched: &[bool] = if (i + j) % 3 == 0 { &EITHER } else { &WATCHED };
            for config in configs(fixture, profile) {
                calls += same(&config, fixture.stdin, watched);
            }
        }
    }
    assert!(calls > least, "{calls} calls");
}

#[test]
fn every_fixture_on_newer_64_bit_kernels() {
    every_fixture(&["win10-22h2-x64", "win11-25h2-x64", "win10-1507-x64"], 2000);
}

#[test]
fn every_fixture_on_older_64_bit_kernels() {
    every_fixture(&["win81-x64", "win7-sp1-x64", "vista-sp2-x64", "xp-sp1-x64"], 2000);
}

#[test]
fn every_fixture_on_32_bit_kernels() {
    every_fixture(&["win10-22h2-x86", "win7-sp1-x86", "xp-sp3-x86", "win2k-sp4-x86"], 1000);
}

#[test]
fn every_profile() {
    let fixture = fixtures::get("hello").expect("the fixture");
    let mut profiles = 0;
    for profile in Profile::all() {
        for mut config in configs(fixture, profile) {
            for int2e in [false, true] {
                config.process.int2e = int2e;
                assert!(same(&config, &[], if int2e { &WATCHED } else { &EITHER }) > 2, "{}", profile.name);
            }
        }
        profiles += 1;
    }
    assert_eq!(profiles, 81, "{profiles} profiles");
}

/// A value that is something to a service now and then.
fn value(random: &mut Random) -> u64 {
    match random.below(8) {
        0 => 0,
        1 => u64::MAX - random.below(8),
        2 => random.below(0x100) * 4,
        3 => 0x1000_0800 + random.below(0x400),
        4 => 0x7fff_ffff_0000 - random.below(0x40),
        5 => 0xffff_8000_0000_0000 | random.next() >> 20,
        6 => 1 << random.below(64),
        _ => random.next(),
    }
}

/// The same for 32 bits: the first address of the kernel's has 7FFF0000.
fn value_32(random: &mut Random) -> u32 {
    match random.below(8) {
        4 => 0x7fff_0000 - random.below(0x40) as u32,
        5 => 0x8000_0000 | random.next() as u32,
        _ => value(random) as u32,
    }
}

/// A service that somebody wrote, mostly, with garbage above the bits of a number now and then.
fn number(random: &mut Random, profile: &Profile) -> u32 {
    let ends = |name: &str| name.starts_with("NtTerminate");
    let written: Vec<u32> =
        kernel_model::kernel::services().filter(|s| !ends(s.name)).filter_map(|s| profile.number(s.name)).collect();
    let one = written[random.below(written.len() as u64) as usize];
    match random.below(4) {
        0 => random.next() as u32 & 0x3fff,
        1 => one | (random.next() as u32) << 14,
        _ => one,
    }
}

/// Calls with every register filled at random, from stacks that are good, at the end of a page, or no stack at all.
fn random_calls(random: &mut Random, profile: &Profile) -> Result<Vec<u8>, IcedError> {
    let mut a = CodeAssembler::new(64)?;
    for _ in 0..1 + random.below(6) {
        let number = number(random, profile);
        a.mov(rax, 0x1000_0c00_u64)?;
        for (i, x) in [xmm0, xmm1, xmm2, xmm3, xmm4, xmm5, xmm6, xmm7, xmm15].into_iter().enumerate() {
            a.movups(x, xmmword_ptr(rax + 16 * i as i32))?;
        }
        for r in [rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15] {
            a.mov(r, value(random))?;
        }
        a.mov(rsp, 0x1000_0c00_u64)?;
        a.push((random.below(0x1000) & FLAGS) as i32)?;
        a.popfq()?;
        let stack = match random.below(6) {
            0 => value(random),
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

/// Flags that user code may set, IF and the like aside: CF, PF, AF, ZF, SF, DF, OF.
const FLAGS: u64 = 0xcd5;

/// The same from 32-bit code. What comes back from `sysenter` does so by `ret`, with ESP where EDX was.
fn random_calls_32(random: &mut Random, profile: &Profile) -> Result<Vec<u8>, IcedError> {
    let wow64 = profile.arch == Arch::X64;
    let mut a = CodeAssembler::new(32)?;
    for _ in 0..1 + random.below(6) {
        let number = number(random, profile);
        for (i, x) in [xmm0, xmm1, xmm2, xmm3, xmm4, xmm5, xmm6, xmm7].into_iter().enumerate() {
            a.movups(x, xmmword_ptr(0x1000_0c00 + 16 * i as u32))?;
        }
        for r in [ebx, ecx, ebp, esi, edi] {
            a.mov(r, value_32(random))?;
        }
        a.mov(esp, 0x1000_0c00)?;
        a.push((random.below(0x1000) & FLAGS) as i32)?;
        a.popfd()?;
        let stack = match random.below(6) {
            0 if !wow64 => value_32(random),
            1 => 0x1000_1000 - random.below(0x60) as u32,
            _ => 0x1000_0b00,
        };
        // Nothing else than the program's own page takes a stub's return address.
        let stack = if (0x1000_0810..=0x1000_1000).contains(&stack) { stack } else { 0x1000_0b00 };
        a.mov(esp, stack)?;
        a.mov(eax, number)?;
        match random.below(8) {
            n if wow64 => {
                a.mov(edx, if n == 0 { value_32(random) } else { stack + 4 })?;
                a.mov(ecx, random.below(0x40) as u32)?;
                a.mov(eax, number & 0x3fff | (random.below(0x40) as u32) << 16)?;
                a.call(dword_ptr(0xc0).fs())?;
            }
            0 => a.int(0x2a)?,
            1 => a.int(0x2b)?,
            2..5 => {
                a.mov(edx, value_32(random))?;
                a.int(0x2e)?;
            }
            n => {
                let [mut enter, mut next] = std::array::from_fn(|_| a.create_label());
                a.mov(edx, if n == 5 { value_32(random) } else { stack - 4 })?;
                a.call(enter)?;
                a.jmp(next)?;
                a.set_label(&mut enter)?;
                a.sysenter()?;
                a.set_label(&mut next)?;
                a.nop()?;
            }
        }
        a.mov(esp, 0x1000_0c00)?;
    }
    a.hlt()?;
    a.assemble(0x1000_0000)
}

/// Runs random code on random profiles of an architecture; how many calls there were.
fn random_runs(
    seed: u64, runs: usize, kernel: Arch, program: Arch, calls: fn(&mut Random, &Profile) -> Result<Vec<u8>, IcedError>,
) -> usize {
    let mut random = Random(seed);
    let profiles: Vec<&'static Profile> = Profile::all().iter().filter(|p| p.arch == kernel).collect();
    let mut count = 0;
    for _ in 0..runs {
        let profile = profiles[random.below(profiles.len() as u64) as usize];
        let code = calls(&mut random, profile).expect("valid code");
        assert!(code.len() < 0x800, "{}", code.len());
        let mut page = vec![0; 0x1000];
        page[..code.len()].copy_from_slice(&code);
        for byte in &mut page[0xc00..0xd00] {
            *byte = random.next() as u8;
        }
        let mut config = config(Program::Raw(program, page), "random");
        config.profile = profile;
        config.memory = 16 << 20;
        config.max_instructions = Some(100_000);
        count += same(&config, b"some input\n", &EITHER);
    }
    count
}

#[test]
fn random_numbers_and_registers() {
    let calls = random_runs(0x7261_7067_6174_6500, 150, Arch::X64, Arch::X64, random_calls);
    assert!(calls > 450, "{calls} calls");
}

#[test]
fn random_numbers_and_registers_of_32_bit_kernels() {
    let calls = random_runs(0x7261_7067_6174_6501, 200, Arch::X86, Arch::X86, random_calls_32);
    assert!(calls > 300, "{calls} calls");
}

#[test]
fn random_numbers_and_registers_by_wow64() {
    let calls = random_runs(0x7261_7067_6174_6502, 60, Arch::X64, Arch::X86, random_calls_32);
    assert!(calls > 200, "{calls} calls");
}

/// A 32-bit kernel refuses a place for arguments that is its own, whether there are any or not.
#[test]
fn arguments_in_kernel_space() -> Result<(), IcedError> {
    for name in ["win2k-sp4-x86", "xp-sp3-x86", "win7-sp1-x86", "win10-22h2-x86"] {
        let profile = Profile::by_name(name).expect("a profile");
        let number = profile.number("NtYieldExecution").expect("a service without arguments");
        for (place, refused) in [(0x7ffe_ffff_u32, false), (0x7fff_0000, true), (0x8000_0000, true), (u32::MAX, true)] {
            for dispatch in [Dispatch::Direct, Dispatch::Kernel] {
                let mut a = CodeAssembler::new(32)?;
                a.mov(edx, place)?;
                a.mov(eax, number)?;
                a.int(0x2e)?;
                a.hlt()?;
                let mut config = config(Program::Raw(Arch::X86, a.assemble(0x1000_0000)?), "raw");
                (config.profile, config.dispatch) = (profile, dispatch);
                let mut machine = Machine::new(&config).expect("a machine");
                let End::Crash(crash) = machine.run().expect("no engine failure") else { panic!("{name}") };
                let status = crash.registers.get(Reg::Rax) as u32;
                assert_eq!(
                    status == NtStatus::ACCESS_VIOLATION.0,
                    refused,
                    "{name}, {place:#x}, {dispatch:?}: {status:x}"
                );
            }
        }
    }
    Ok(())
}

/// `int 2Ah` and `int 2Bh` of 32-bit kernels come back, and change no register but EAX.
#[test]
fn services_beside_the_tables() -> Result<(), IcedError> {
    for name in ["nt31-x86", "win2k-sp4-x86", "xp-sp3-x86", "win7-sp1-x86", "win10-22h2-x86"] {
        for dispatch in [Dispatch::Direct, Dispatch::Kernel] {
            let mut a = CodeAssembler::new(32)?;
            let values = [(ebx, 0x11_u32), (ecx, 0x22), (edx, 0x33), (ebp, 0x44), (esi, 0x55), (edi, 0x66)];
            for (r, value) in values {
                a.mov(r, value)?;
            }
            a.stc()?;
            a.int(0x2a)?;
            a.mov(dword_ptr(0x1000_0800), eax)?;
            a.int(0x2b)?;
            a.hlt()?;
            let mut page = a.assemble(0x1000_0000)?;
            page.resize(0x1000, 0);
            let mut config = config(Program::Raw(Arch::X86, page), "raw");
            config.profile = Profile::by_name(name).expect("a profile");
            config.dispatch = dispatch;
            let mut machine = Machine::new(&config).expect("a machine");
            let End::Crash(crash) = machine.run().expect("no engine failure") else { panic!("{name}") };
            assert_eq!(crash.code, NtStatus::PRIVILEGED_INSTRUCTION, "{name}");
            let get = |reg| crash.registers.get(reg);
            // GetTickCount: the ticks of KUSER_SHARED_DATA, 15.625 ms each. An hour has passed since the start.
            let milliseconds = machine.peek(0x1000_0800, 4).expect("the result");
            let milliseconds = u32::from_le_bytes(milliseconds.try_into().expect("four bytes"));
            assert_eq!(milliseconds, 3_600_000, "{name}");
            assert_eq!(get(Reg::Rax), 0xc000_0258, "{name}: STATUS_NO_CALLBACK_ACTIVE");
            let kept = [Reg::Rbx, Reg::Rcx, Reg::Rdx, Reg::Rbp, Reg::Rsi, Reg::Rdi].map(get);
            assert_eq!(kept, values.map(|(_, value)| u64::from(value)), "{name}");
            assert_eq!(get(Reg::Rflags) & 1, 1, "{name}: the carry flag");
        }
    }
    Ok(())
}
