//! 32-bit programs, on 32-bit machines and by WOW64.

use fixtures::Fixture;
use guest::{NtStatus, Profile};
use trapgate::loader::Program;
use trapgate::{End, Machine};

use crate::support::config;

/// Machines of every kind that runs 32-bit code: by each style of stub.
const MACHINES: [&str; 11] = [
    "win2k-sp4-x86",
    "xp-sp0-x86",
    "xp-sp3-x86",
    "win7-sp1-x86",
    "win81-x86",
    "win10-22h2-x86",
    "vista-sp2-x64",
    "win7-sp1-x64",
    "win81-x64",
    "win10-1507-x64",
    "win10-22h2-x64",
];

fn machine(fixture: &Fixture, profile: &'static Profile) -> Machine {
    let image = fixture.image_x86().expect("a 32-bit image").to_vec();
    let mut config = config(Program::Pe(image), &format!("{}.exe", fixture.name));
    config.profile = profile;
    config.process.dll_folder = Some(fixtures::images().join("x86"));
    config.process.args = fixture.args.iter().map(ToString::to_string).collect();
    let mut machine = Machine::new(&config).unwrap_or_else(|e| panic!("{} on {}: {e}", fixture.name, profile.name));
    machine.captured().expect("captured").stdin = fixture.stdin.to_vec();
    machine
}

/// Runs a fixture's 32-bit program: how it ended, what it printed.
fn run(fixture: &Fixture, profile: &'static Profile) -> (End, String) {
    let mut machine = machine(fixture, profile);
    let end = machine.run().expect("no engine failure");
    let printed = String::from_utf8_lossy(&machine.captured().expect("captured").stdout).into_owned();
    (end, printed)
}

fn profiles() -> impl Iterator<Item = &'static Profile> {
    MACHINES.iter().map(|name| Profile::by_name(name).expect("a profile"))
}

/// The first Windows on which a fixture prints what it must.
fn first_version(fixture: &Fixture) -> (u32, u32, u32) {
    match fixture.name {
        "handles" => (10, 0, 0),
        "win_describe" => (10, 0, 14393),
        // NtRenameKey
        "reg_nt" => (5, 1, 0),
        // Programs run in session 1 only since.
        "win_who" => (6, 0, 0),
        // NtCreateThreadEx
        "win_threads" | "win_apc" | "thread_work" | "crt_threads" | "crt_slots" | "win_timer_apc_nt" | "loadlib" => {
            (6, 0, 0)
        }
        // Completion ports, APCs.
        "pool_work" | "pool_timers" | "pool_files" | "old_thread" | "thread_ends" | "philosophers" => (5, 0, 0),
        // NtCreateThreadEx, by which its first thread is made.
        "old_process" => (6, 0, 0),
        // Fiber-local values.
        "crt_fiber" => (6, 0, 0),
        // NtRemoveIoCompletionEx
        "win_system" | "win_async" => (6, 0, 0),
        // NtSetTimerEx
        "win_timer_apc" => (6, 1, 0),
        // NtCreateUserProcess
        "win_child" | "win_family" | "win_childcrash" | "storm" | "debugger_nt" => (6, 0, 0),
        "inject_thread" | "inject_apc" | "inject_hijack" | "inject_hollow" => (6, 0, 0),
        _ => (0, 0, 0),
    }
}

/// The same source prints the same for either width, and the 64-bit one prints what it does under Wine.
#[test]
fn programs_print_what_they_print_in_64_bits() {
    // Closing a pseudo handle is refused before Windows 10, and threads have names from 1607 on; what cannot end has a test
    // of its own.
    let on_all = |f: &&Fixture| {
        f.x86.is_some() && f.stdout.is_some() && !["deadlock", "crash", "fault_div", "noexec", "race"].contains(&f.name)
    };
    let (mut runs, mut failures) = (0, Vec::new());
    for fixture in fixtures::all().iter().filter(on_all) {
        // A 32-bit program's debugger on a 64-bit kernel is not told of what is raised by a call: see the README's limits.
        // Nor are there threads with registers of their own and operations that end later.
        let only_there = ["debugger_nt", "old_thread", "pool_files"].contains(&fixture.name);
        let told = |profile: &Profile| !only_there || profile.arch == guest::Arch::X86;
        for profile in profiles().filter(|p| p.version >= first_version(fixture) && told(p)) {
            let (end, printed) = run(fixture, profile);
            let code = fixture.exit_code.is_none_or(|code| u32::from(end.exit_code()) == code);
            if !code || Some(printed.as_str()) != fixture.stdout {
                failures.push(format!("--- {} on {}: {end:?}\n{printed}", fixture.name, profile.name));
            }
            runs += 1;
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(runs > 170, "{runs} runs");
}

/// Faults of 32-bit code: what a program dies of, where, and the deadlock of one that waits for nothing.
#[test]
fn how_programs_die() {
    let fixture = |name| fixtures::get(name).expect("the fixture");
    for profile in profiles() {
        for (name, code) in [
            ("crash", NtStatus::ACCESS_VIOLATION),
            ("fault_div", NtStatus::INTEGER_DIVIDE_BY_ZERO),
            ("noexec", NtStatus::ACCESS_VIOLATION),
        ] {
            // XP SP2 brought DEP.
            let no_dep = profile.dep == guest::profile::Dep::None;
            if name == "noexec" && no_dep {
                continue;
            }
            let (end, _) = run(fixture(name), profile);
            assert!(
                matches!(&end, End::Crash(c) if c.code == code && c.bits == 32),
                "{name}, {}: {end:?}",
                profile.name
            );
        }
        let (end, _) = run(fixture("deadlock"), profile);
        assert!(matches!(&end, End::Deadlock(_)), "{}: {end:?}", profile.name);
    }
}

/// Programs that exist for 32-bit code alone.
#[test]
fn a_programs_own_gates() {
    let fixture = |name| fixtures::get(name).expect("the fixture");
    let peb = fixture("peb32");
    for profile in profiles() {
        let (end, printed) = run(peb, profile);
        assert!(!printed.contains(": NO") && printed.lines().count() == 12, "{}: {end:?} {printed}", profile.name);
        if profile.wow64.is_some() {
            let (end, printed) = run(fixture("heaven32"), profile);
            let wanted = "NtClose by syscall: C0000008\n32-bit code again: yes\n";
            assert_eq!(printed, wanted, "{}: {end:?}", profile.name);
            // There is no gate for 32-bit code.
            let (end, _) = run(fixture("gates32"), profile);
            assert!(matches!(&end, End::Crash(c) if c.code == NtStatus::ILLEGAL_INSTRUCTION), "{}", profile.name);
        } else if profile.stub_style.has_gate("sysenter") {
            let (end, printed) = run(fixture("gates32"), profile);
            let wanted =
                "the stub starts with mov eax,n: yes\nint 2Eh: C0000008\nsysenter: C0000008\n7FFE0300: C0000008\n";
            assert_eq!(printed, wanted, "{}: {end:?}", profile.name);
        }
    }
}

/// A 32-bit program that is told to use `int 2Eh`, and one whose calls are told apart from its own.
#[test]
fn traces_of_32_bit_programs() {
    let hello = fixtures::get("hello").expect("the fixture");
    for profile in profiles() {
        let mut machine = machine(hello, profile);
        let wants = trapgate::trace::Wants { registers: true, ..Default::default() };
        let (_, records) = crate::support::record(&mut machine, wants);
        let records = records.borrow();
        let names: Vec<_> = records.calls.iter().filter_map(|c| c.service).collect();
        assert_eq!(names[..3], ["NtCreateEvent", "NtSetEvent", "NtClose"], "{}", profile.name);
        assert!(records.calls.iter().all(|c| !c.direct), "{}", profile.name);
        let created = &records.calls[0].args[0];
        assert!(created.after.is_some() && created.value < 0x1_0000_0000, "{}: {created:?}", profile.name);
    }
}
