//! Worker factories and the thread pools on them. Sources: "Windows Internals" on worker factories, `phnt` for the structures
//! and rights, Microsoft Learn on thread pools; what the fixtures print is Wine's.

use guest::{NtStatus as S, Profile};
use kernel_model::Answer;
use trapgate::loader::Program;
use trapgate::{End, Machine};

use crate::direct::{DATA, Direct, HANDLE, OUT, PROCESS};
use crate::support::config;

const ALL: u64 = 0xf_003f;
const INFO: u64 = DATA + 0x3000;
/// Where the factory's threads would start.
const START: u64 = 0x12_3456;

fn port(d: &mut Direct) -> u64 {
    d.handle("NtCreateIoCompletion", &[0x1f_0003, 0, 0])
}

fn factory(d: &mut Direct, access: u64) -> (u64, u64) {
    let port = port(d);
    let factory = d.handle("NtCreateWorkerFactory", &[access, 0, port, PROCESS, START, 77, 10, 0x2_0000, 0x4000]);
    (factory, port)
}

/// `WORKER_FACTORY_BASIC_INFORMATION`, from the flags on: flags, then counts.
fn basic(d: &mut Direct, factory: u64) -> (Vec<u8>, Vec<u32>) {
    assert_eq!(d.call("NtQueryInformationWorkerFactory", &[factory, 7, INFO, 0x78, OUT]), S::SUCCESS);
    assert_eq!(d.u32(OUT), 0x78);
    (d.read(INFO + 24, 7), (0..7).map(|n| d.u32(INFO + 32 + 4 * n)).collect())
}

#[test]
fn what_a_factory_is_made_of() {
    let mut d = Direct::new();
    let port = port(&mut d);
    let args = |port: u64, process: u64| [HANDLE, ALL, 0, port, process, START, 77, 10, 0x2_0000, 0x4000];
    let event = d.handle("NtCreateEvent", &[0x1f_0003, 0, 1, 0]);
    let weak = d.handle("NtCreateIoCompletion", &[1, 0, 0]);
    let other = d.kernel.add_process("other.exe");
    d.write_u64(INFO, u64::from(other.0));
    d.write_u64(INFO + 8, 0);
    let attributes = INFO + 0x100;
    d.write(attributes, &[0; 0x30]);
    d.write(attributes, &[0x30]);
    assert_eq!(d.call("NtOpenProcess", &[HANDLE, 0x1f_ffff, attributes, INFO]), S::SUCCESS);
    let other = d.u64(HANDLE);
    for (args, status) in [
        (args(0x7770, PROCESS), S::INVALID_HANDLE),
        (args(event, PROCESS), S::OBJECT_TYPE_MISMATCH),
        (args(weak, PROCESS), S::ACCESS_DENIED),
        (args(port, event), S::OBJECT_TYPE_MISMATCH),
        (args(port, other), S::INVALID_PARAMETER),
    ] {
        assert_eq!(d.call("NtCreateWorkerFactory", &args), status, "{args:x?}");
    }
    let mut bad = args(port, PROCESS);
    bad[0] = 0x10;
    assert_eq!(d.call("NtCreateWorkerFactory", &bad), S::ACCESS_VIOLATION);
    assert_eq!(d.call("NtCreateWorkerFactory", &args(port, PROCESS)), S::SUCCESS);
    let factory = d.u64(HANDLE);
    let (flags, counts) = basic(&mut d, factory);
    assert_eq!(flags, [0, 0, 0, 1, 0, 0, 0], "it may create threads, and that is all");
    assert_eq!(counts, [0, 0, 10, 0, 0, 0, 0]);
    let words: Vec<u64> = (0..5).map(|n| d.u64(INFO + 72 + 8 * n)).collect();
    assert_eq!(words, [START, 77, 0x1000, 0x2_0000, 0x4000]);
    // It keeps its port: the name goes, the object does not.
    assert_eq!(d.call("NtClose", &[port]), S::SUCCESS);
    assert_eq!(d.call("NtReleaseWorkerFactoryWorker", &[factory]), S::SUCCESS);
    assert_eq!(d.call("NtClose", &[factory]), S::SUCCESS);
    assert!(d.kernel.factories.is_empty());
}

#[test]
fn each_service_wants_its_right() {
    let mut d = Direct::new();
    for (service, right, args) in [
        ("NtReleaseWorkerFactoryWorker", 1, vec![]),
        ("NtWaitForWorkViaWorkerFactory", 2, vec![INFO, 1, OUT, 0]),
        ("NtSetInformationWorkerFactory", 4, vec![5, INFO, 4]),
        ("NtQueryInformationWorkerFactory", 8, vec![7, INFO, 0x78, 0]),
        ("NtWorkerFactoryWorkerReady", 0x10, vec![]),
        ("NtShutdownWorkerFactory", 0x20, vec![OUT]),
    ] {
        d.write_u64(INFO, 3);
        let (with, _) = factory(&mut d, right);
        let (without, _) = factory(&mut d, ALL & !right);
        let with: Vec<u64> = [with].into_iter().chain(args.clone()).collect();
        let without: Vec<u64> = [without].into_iter().chain(args.clone()).collect();
        let event = [d.handle("NtCreateEvent", &[0x1f_0003, 0, 1, 0])].into_iter().chain(args).collect::<Vec<_>>();
        assert_eq!(d.call(service, &without), S::ACCESS_DENIED, "{service}");
        assert_eq!(d.call(service, &event), S::OBJECT_TYPE_MISMATCH, "{service}");
        let answer = d.answer(service, &with);
        assert!(matches!(answer, Answer::Status(S::SUCCESS) | Answer::Blocked(_)), "{service}: {answer:?}");
    }
}

#[test]
fn information_classes() {
    let mut d = Direct::new();
    let (factory, _) = factory(&mut d, ALL);
    let mut set = |class: u64, value: u64, length: u64| {
        d.write_u64(INFO, value);
        d.write_u64(INFO + 8, 0x8000);
        d.answer("NtSetInformationWorkerFactory", &[factory, class, INFO, length])
    };
    for (class, value, length, status) in [
        (0, -1i64 as u64, 8, S::SUCCESS),
        (1, -2i64 as u64, 8, S::SUCCESS),
        (2, -3i64 as u64, 8, S::SUCCESS),
        (2, 0, 4, S::INFO_LENGTH_MISMATCH),
        (3, 5, 4, S::SUCCESS),
        (4, 11, 4, S::INVALID_PARAMETER),
        (5, 0, 4, S::INVALID_PARAMETER),
        (5, 6, 4, S::SUCCESS),
        (5, 6, 8, S::INFO_LENGTH_MISMATCH),
        (6, 1, 4, S::SUCCESS),
        (7, 1, 0x78, S::INVALID_INFO_CLASS),
        (8, 9, 4, S::SUCCESS),
        (10, 0x4_0000, 16, S::SUCCESS),
        (10, 0x4_0000, 8, S::INFO_LENGTH_MISMATCH),
        (11, 1, 4, S::SUCCESS),
        (11, 16, 4, S::INVALID_PARAMETER),
        (12, 0, 4, S::SUCCESS),
        (14, 3, 4, S::SUCCESS),
        (16, 3, 4, S::INVALID_INFO_CLASS),
        (99, 3, 4, S::INVALID_INFO_CLASS),
    ] {
        assert_eq!(set(class, value, length), Answer::Status(status), "class {class} = {value:#x}, {length}");
    }
    for class in [9, 13, 15] {
        assert!(matches!(set(class, 1, 4), Answer::NotImplemented(Some(_))), "class {class}");
    }
    let (flags, counts) = basic(&mut d, factory);
    assert_eq!((flags[0], flags[3]), (1, 0), "paused, it may create nothing");
    assert_eq!(counts[..3], [5, 0, 6]);
    let timeouts: Vec<i64> = (0..3).map(|n| d.u64(INFO + 8 * n) as i64).collect();
    assert_eq!((timeouts, d.u64(INFO + 64)), (vec![-1, -2, -3], 9));
    assert_eq!([d.u64(INFO + 96), d.u64(INFO + 104)], [0x4_0000, 0x8000]);
    for class in [0, 3, 6, 8, 10, 14] {
        assert_eq!(d.call("NtQueryInformationWorkerFactory", &[factory, class, INFO, 8, 0]), S::INVALID_INFO_CLASS);
    }
    assert_eq!(d.call("NtQueryInformationWorkerFactory", &[factory, 7, INFO, 0x70, 0]), S::INFO_LENGTH_MISMATCH);
    assert_eq!(d.call("NtQueryInformationWorkerFactory", &[factory, 7, 0x10, 0x78, 0]), S::ACCESS_VIOLATION);
}

#[test]
fn a_worker_takes_what_is_in_the_port() {
    let mut d = Direct::new();
    let (factory, port) = factory(&mut d, ALL);
    assert_eq!(d.call("NtWorkerFactoryWorkerReady", &[factory]), S::SUCCESS);
    assert_eq!(basic(&mut d, factory).1[3..6], [0, 0, 1], "this thread is a worker now");
    for n in 1..=3 {
        assert_eq!(d.call("NtSetIoCompletion", &[port, n, 10 * n, 0, 100 * n]), S::SUCCESS);
    }
    assert_eq!(d.call("NtReleaseWorkerFactoryWorker", &[factory]), S::SUCCESS);
    assert_eq!(basic(&mut d, factory).1[6], 1, "released, and not yet taken");
    assert_eq!(d.call("NtWaitForWorkViaWorkerFactory", &[factory, INFO, 0, OUT, 0]), S::INVALID_PARAMETER);
    assert_eq!(d.call("NtWaitForWorkViaWorkerFactory", &[factory, 0x10, 2, OUT, 0]), S::ACCESS_VIOLATION);
    assert_eq!(d.call("NtWaitForWorkViaWorkerFactory", &[factory, INFO, 2, OUT, 0]), S::SUCCESS);
    assert_eq!(d.u32(OUT), 2);
    let packets: Vec<u64> = (0..8).map(|n| d.u64(INFO + 8 * n)).collect();
    assert_eq!(packets, [1, 10, 0, 100, 2, 20, 0, 200]);
    assert_eq!(d.call("NtWaitForWorkViaWorkerFactory", &[factory, INFO, 5, OUT, 0]), S::SUCCESS);
    assert_eq!(d.u32(OUT), 2);
    let packets: Vec<u64> = (0..8).map(|n| d.u64(INFO + 8 * n)).collect();
    assert_eq!(packets, [3, 30, 0, 300, 0, 0, 0, 0], "a release is a packet of zeros");
    assert_eq!(basic(&mut d, factory).1[6], 0);
    let answer = d.answer("NtWaitForWorkViaWorkerFactory", &[factory, INFO, 1, OUT, 0]);
    assert!(matches!(answer, Answer::Blocked(ref wait) if wait.deadline.is_none()), "{answer:?}");
    // With an idle timeout and more workers than the minimum it is told to leave.
    d.write_u64(INFO, -50_000i64 as u64);
    assert_eq!(d.call("NtSetInformationWorkerFactory", &[factory, 2, INFO, 8]), S::SUCCESS);
    assert_eq!(d.call("NtWaitForWorkViaWorkerFactory", &[factory, INFO, 1, OUT, 0]), S::TIMEOUT);
    let deferred = d.answer("NtWaitForWorkViaWorkerFactory", &[factory, INFO, 1, OUT, DATA]);
    assert!(matches!(deferred, Answer::NotImplemented(Some(_))));
    assert_eq!(d.call("NtShutdownWorkerFactory", &[factory, OUT]), S::SUCCESS);
    assert_eq!(d.u32(OUT), 1);
    assert_eq!(d.call("NtWaitForWorkViaWorkerFactory", &[factory, INFO, 1, OUT, 0]), S::TIMEOUT);
    let (flags, _) = basic(&mut d, factory);
    assert_eq!((flags[3], flags[6]), (0, 1));
}

#[test]
fn before_windows_8_the_wait_takes_one_packet() {
    let mut d = Direct::with(Profile::by_name("win7-sp1-x64").expect("a profile"));
    let (factory, port) = factory(&mut d, ALL);
    for n in 1..=2 {
        assert_eq!(d.call("NtSetIoCompletion", &[port, n, 0, 0, 0]), S::SUCCESS);
    }
    // What is in the other registers means nothing.
    for n in 1..=2 {
        assert_eq!(d.call("NtWaitForWorkViaWorkerFactory", &[factory, INFO, 0, 0x10, 0]), S::SUCCESS);
        assert_eq!(d.u64(INFO), n);
    }
}

/// A machine for a fixture on a build.
fn machine(name: &str, profile: &str, narrow: bool) -> Machine {
    let fixture = fixtures::get(name).unwrap_or_else(|| panic!("no fixture {name}"));
    let image = if narrow { fixture.image_x86().expect("a 32-bit image") } else { fixture.image };
    let mut config = config(Program::Pe(image.to_vec()), fixture.file);
    config.profile = Profile::by_name(profile).expect("a profile");
    Machine::new(&config).unwrap_or_else(|error| panic!("{name} on {profile}: {error}"))
}

fn prints_what_it_must(name: &str, profile: &str, narrow: bool) {
    let mut machine = machine(name, profile, narrow);
    let end = machine.run().expect("no engine failure");
    let captured = machine.captured().expect("captured");
    let printed = String::from_utf8_lossy(&captured.stdout).into_owned();
    let expected = fixtures::get(name).and_then(|fixture| fixture.stdout).expect("its output");
    assert_eq!((printed.as_str(), end), (expected, End::Exit(S(0))), "{name} on {profile}: {:?}", captured.notes);
    assert!(machine.stats().missing.is_empty(), "{name} on {profile}: {:?}", machine.stats().missing);
    machine.kernel().check_invariants().unwrap_or_else(|wrong| panic!("{name} on {profile}: {wrong}"));
}

/// 64-bit code; before Vista there are no factories, and the threads are made with their contexts.
#[test]
fn pools_on_64_bit_builds() {
    for profile in ["xp-sp2-x64", "vista-sp2-x64", "win7-sp1-x64", "win8-x64", "win10-22h2-x64", "win11-24h2-x64"] {
        prints_what_it_must("pool_work", profile, false);
        prints_what_it_must("pool_timers", profile, false);
        prints_what_it_must("pool_files", profile, false);
    }
}

/// 32-bit code on 32-bit kernels and under WOW64.
#[test]
fn pools_of_32_bit_programs() {
    let kernels = ["win2k-sp4-x86", "xp-sp3-x86", "vista-sp2-x86", "win7-sp1-x86", "win10-22h2-x86"];
    // Operations that end later are not there for 32-bit programs on 64-bit builds.
    for profile in kernels {
        prints_what_it_must("pool_files", profile, true);
    }
    for profile in kernels.into_iter().chain(["win7-sp1-x64", "win8-x64", "win10-22h2-x64"]) {
        prints_what_it_must("pool_work", profile, true);
        prints_what_it_must("pool_timers", profile, true);
    }
}

/// A thread with registers and a stack of its own.
#[test]
fn threads_made_with_a_context() {
    for profile in ["xp-sp2-x64", "win7-sp1-x64", "win10-22h2-x64"] {
        prints_what_it_must("old_thread", profile, false);
    }
    for profile in ["win2k-sp4-x86", "xp-sp3-x86", "win10-22h2-x86"] {
        prints_what_it_must("old_thread", profile, true);
    }
}

/// A process over a section whose file is gone.
#[test]
fn processes_over_a_section() {
    for (profile, narrow) in
        [("vista-sp2-x64", false), ("win10-22h2-x64", false), ("win10-22h2-x64", true), ("win7-sp1-x86", true)]
    {
        prints_what_it_must("old_process", profile, narrow);
    }
}

/// On a stack that is not there the thread's first instruction that needs it faults, and nobody can be told.
#[test]
fn a_thread_on_no_stack_takes_its_process_with_it() {
    for (profile, narrow) in [("win10-22h2-x64", false), ("win7-sp1-x86", true)] {
        let fixture = fixtures::get("old_thread").expect("a fixture");
        let image = if narrow { fixture.image_x86().expect("a 32-bit image") } else { fixture.image };
        let mut config = config(Program::Pe(image.to_vec()), fixture.file);
        config.profile = Profile::by_name(profile).expect("a profile");
        config.process.args = vec!["wild".into()];
        let mut machine = Machine::new(&config).expect("a machine");
        let end = machine.run().expect("no engine failure");
        assert!(
            format!("{end:?}").contains("c0000005") || format!("{end:?}").contains("ACCESS_VIOLATION"),
            "{profile}: {end:?}"
        );
        machine.kernel().check_invariants().unwrap_or_else(|wrong| panic!("{wrong}"));
    }
}
