//! Processes that a guest makes: how they begin, what they get, how they end, and code that one puts into another.

use trapgate::trace::{CallRecord, Wants};
use trapgate::{Config, End, Machine};

use crate::support::{fixture_config, machine_on, record, run_audited as run};

/// The builds that have NtCreateUserProcess, of every kind.
const WITH_CREATE_USER_PROCESS: [&str; 4] = ["vista-sp2-x64", "win7-sp1-x64", "win10-22h2-x64", "win11-24h2-x64"];

#[test]
fn a_parent_and_its_children_print_what_they_must_on_every_build() {
    for name in ["win_child", "inject_thread", "inject_apc", "inject_hijack", "inject_hollow"] {
        let expected = fixtures::get(name).and_then(|fixture| fixture.stdout);
        for profile in WITH_CREATE_USER_PROCESS {
            let (end, printed) = run(&mut machine_on(name, profile, false, |_| {}));
            assert_eq!(Some(printed.as_str()), expected, "{name} on {profile}: {end:?}");
        }
    }
}

#[test]
fn a_child_that_outlives_its_parent_is_run_to_its_end_unless_a_flag_says_otherwise() {
    let expected = fixtures::get("win_family").and_then(|fixture| fixture.stdout).expect("its output");
    let (end, printed) = run(&mut machine_on("win_family", "win10-22h2-x64", false, |_| {}));
    assert_eq!((end, printed.as_str()), (End::Exit(guest::NtStatus(3)), expected));
    let alone = |config: &mut Config| config.children.end_with_first = true;
    let (end, printed) = run(&mut machine_on("win_family", "win10-22h2-x64", false, alone));
    assert_eq!(end, End::Exit(guest::NtStatus(3)));
    assert!(printed.ends_with("parent: ends\n"), "{printed}");
}

#[test]
fn a_child_s_unhandled_exception_ends_it_alone_and_is_told_of() {
    let mut machine = machine_on("win_childcrash", "win10-22h2-x64", false, |_| {});
    let (end, printed) = run(&mut machine);
    assert_eq!(end, End::Exit(guest::NtStatus(0)));
    assert!(printed.contains("it ends: C0000005"), "{printed}");
    let notes = machine.captured().expect("captured").notes.clone();
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(notes[0].contains("win_childcrash.exe (") && notes[0].contains("STATUS_ACCESS_VIOLATION"), "{notes:?}");
}

/// Four threads in two processes make random calls; wherever that is stopped, every count is right.
#[test]
fn a_storm_from_four_threads_in_two_processes_leaves_every_count_right() {
    for seed in 1..=12_u64 {
        let stop = |config: &mut Config| {
            config.quanta = kernel_model::schedule::Quanta::seeded(seed);
            // Most are stopped in the middle.
            config.max_instructions = Some(if seed % 4 == 0 { 200_000_000 } else { 100_000 + seed * 77_777 });
        };
        for (profile, narrow) in [("win10-22h2-x64", seed % 3 == 0), ("win7-sp1-x86", true)] {
            let (end, printed) = run(&mut machine_on("storm", profile, narrow, stop));
            let over = end == End::Exit(guest::NtStatus(0)) && printed == "storm: over\n";
            assert!(over || end == End::Budget, "seed {seed} on {profile}: {end:?} {printed}");
        }
    }
}

#[test]
fn every_seed_gives_the_same_where_processes_wait_for_each_other() {
    let expected = fixtures::get("inject_thread").and_then(|fixture| fixture.stdout);
    for seed in 0..20 {
        let quanta = kernel_model::schedule::Quanta::seeded(seed);
        let mut machine = machine_on("inject_thread", "win10-22h2-x64", false, |config| config.quanta = quanta);
        let (end, printed) = run(&mut machine);
        assert_eq!(Some(printed.as_str()), expected, "seed {seed}: {end:?}");
    }
}

/// The calls of a fixture, of all its processes.
fn calls(name: &str) -> Vec<CallRecord> {
    let mut machine = Machine::new(&fixture_config(fixtures::get(name).expect("the fixture"))).expect("a machine");
    let (_, records) = record(&mut machine, Wants::default());
    std::mem::take(&mut records.borrow_mut().calls)
}

/// Whether some calls come in this order: the service's name, and whether the parent or the child makes it.
fn come_in_order(calls: &[CallRecord], wanted: &[(&str, bool)]) {
    let parent = calls.first().expect("a call").pid;
    let mut rest = calls.iter();
    for (service, by_parent) in wanted {
        let found = rest.any(|call| call.service == Some(*service) && (call.pid == parent) == *by_parent);
        assert!(found, "{service} by the {} is not there, in its place", if *by_parent { "parent" } else { "child" });
    }
}

#[test]
fn the_trace_shows_a_remote_thread() {
    let calls = calls("inject_thread");
    come_in_order(
        &calls,
        &[
            ("NtCreateUserProcess", true),
            ("NtSetEvent", false),
            ("NtAllocateVirtualMemory", true),
            ("NtWriteVirtualMemory", true),
            ("NtProtectVirtualMemory", true),
            ("NtCreateThreadEx", true),
            ("NtWriteFile", false),
            ("NtTerminateThread", false),
            ("NtTerminateProcess", true),
        ],
    );
    let mut written = calls.iter().filter(|call| call.service == Some("NtWriteFile") && call.pid != calls[0].pid);
    let (first, injected) = (written.next().expect("the victim's line"), written.next().expect("the injected one"));
    assert_ne!(first.tid, injected.tid, "it is a thread of its own");
}

#[test]
fn the_trace_shows_an_apc_to_a_thread_that_has_not_begun() {
    let calls = calls("inject_apc");
    come_in_order(
        &calls,
        &[
            ("NtCreateUserProcess", true),
            ("NtWriteVirtualMemory", true),
            ("NtQueueApcThread", true),
            ("NtQueueApcThread", true),
            ("NtResumeThread", true),
            // LdrInitializeThunk, then the APCs, then the program.
            ("NtContinue", false),
            ("NtWriteFile", false),
            ("NtContinue", false),
            ("NtWriteFile", false),
            ("NtContinue", false),
            ("NtWriteFile", false),
            ("NtDelayExecution", false),
        ],
    );
}

#[test]
fn the_trace_shows_a_hijacked_thread() {
    come_in_order(
        &calls("inject_hijack"),
        &[
            ("NtCreateUserProcess", true),
            ("NtGetContextThread", true),
            ("NtSetContextThread", true),
            ("NtResumeThread", true),
            ("NtWriteFile", false),
            ("NtTerminateProcess", false),
            ("NtCreateUserProcess", true),
            ("NtSuspendThread", true),
            ("NtGetContextThread", true),
            ("NtSetContextThread", true),
            ("NtResumeThread", true),
            ("NtWriteFile", false),
            ("NtTerminateProcess", false),
        ],
    );
}

#[test]
fn the_trace_shows_a_hollowed_process() {
    let calls = calls("inject_hollow");
    come_in_order(
        &calls,
        &[
            ("NtCreateUserProcess", true),
            ("NtGetContextThread", true),
            ("NtReadVirtualMemory", true),
            ("NtUnmapViewOfSection", true),
            ("NtAllocateVirtualMemory", true),
            ("NtWriteVirtualMemory", true),
            ("NtSetContextThread", true),
            ("NtResumeThread", true),
            ("NtWriteFile", false),
            ("NtTerminateProcess", false),
        ],
    );
}

#[test]
fn the_lines_of_children_have_a_prefix_when_asked() {
    let mut machine = machine_on("inject_thread", "win10-22h2-x64", false, |config| config.children.prefix = true);
    let (_, printed) = run(&mut machine);
    let lines: Vec<&str> = printed.lines().filter(|line| line.starts_with('[')).collect();
    let child = lines[0].split(']').next().expect("a prefix").to_string() + "]";
    assert!(child.starts_with("[inject_thread.exe "), "{child}");
    assert_eq!(lines, [format!("{child} victim: waits"), format!("{child} injected: this is the victim's thread")]);
    assert!(printed.starts_with("starts the victim: yes\n"), "{printed}");
}
