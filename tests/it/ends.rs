//! What threads and processes come to: hard errors, contexts that want more than there is, ten thousand threads, ends in every
//! state, unwinding that is consolidated, handlers that are refused, calls of a storm one by one.

use guest::{NtStatus as S, Profile};
use kernel_model::Answer;
use kernel_model::schedule::Quanta;
use kernel_model::se::Privilege;
use trapgate::loader::Program;
use trapgate::{Config, End, Machine};

use crate::direct::{DATA, Direct, OUT, THREAD};
use crate::support::{config, machine_on as machine, run_audited as run};

fn prints_what_it_must(name: &str, profile: &str, narrow: bool) {
    let fixture = fixtures::get(name).expect("a fixture");
    let (end, printed) = run(&mut machine(name, profile, narrow, |_| {}));
    let code = S(fixture.exit_code.expect("an exit code"));
    assert_eq!((Some(printed.as_str()), end), (fixture.stdout, End::Exit(code)), "{name} on {profile}");
}

/// `NtRaiseHardError`: whatever may be answered, nobody is there to, and the caller is told so (`ResponseReturnToCaller`).
#[test]
fn hard_errors_with_every_option() {
    let mut d = Direct::new();
    const STATUS: u64 = 0xc000_0001;
    let raise = |d: &mut Direct, count: u64, mask: u64, parameters: u64, option: u64| {
        d.write_u64(OUT, 99);
        d.answer("NtRaiseHardError", &[STATUS, count, mask, parameters, option, OUT])
    };
    for option in (0..=8).filter(|&option| option != 6) {
        assert_eq!(raise(&mut d, 0, 0, 0, option), Answer::Status(S::SUCCESS), "option {option}");
        assert_eq!(d.u32(OUT), 0, "option {option}");
    }
    let notes = d.kernel.console.take_notes();
    assert_eq!(notes.len(), 8, "each was said: {notes:?}");
    assert!(notes.iter().all(|note| note.contains("C0000001")), "{notes:?}");
    // OptionShutdownSystem is for who may shut down, and then is not done.
    assert_eq!(raise(&mut d, 0, 0, 0, 6), Answer::Status(S::PRIVILEGE_NOT_HELD));
    d.kernel.hold(Privilege::SHUTDOWN);
    assert!(matches!(raise(&mut d, 0, 0, 0, 6), Answer::NotImplemented(Some(_))));
    for (count, parameters, option, status) in [
        (6, DATA, 1, S::INVALID_PARAMETER_2),
        (0, DATA, 1, S::INVALID_PARAMETER_2),
        (0, 0, 9, S::INVALID_PARAMETER_4),
        (0, 0, 0x8000_0000, S::INVALID_PARAMETER_4),
        (1, 0x10, 1, S::ACCESS_VIOLATION),
    ] {
        assert_eq!(
            raise(&mut d, count, 0, parameters, option),
            Answer::Status(status),
            "{count} {parameters:#x} {option:#x}"
        );
    }
    assert_eq!(d.call("NtRaiseHardError", &[STATUS, 0, 0, 0, 1, 0x10]), S::ACCESS_VIOLATION);
    // Two parameters, of which one is a string.
    d.write(DATA + 0x200, &"name".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    d.write_u64(DATA + 0x100, 8 | 8 << 16);
    d.write_u64(DATA + 0x108, DATA + 0x200);
    d.write_u64(DATA + 0x180, DATA + 0x100);
    d.write_u64(DATA + 0x188, 0x77);
    d.kernel.console.take_notes();
    assert_eq!(raise(&mut d, 2, 1, DATA + 0x180, 1), Answer::Status(S::SUCCESS));
    let notes = d.kernel.console.take_notes();
    assert!(notes[0].contains("\"name\", 0x77"), "{notes:?}");
    // A port of a program's own is for the trusted computing base to name, and is not done.
    assert_eq!(d.call("NtSetDefaultHardErrorPort", &[0x4]), S::PRIVILEGE_NOT_HELD);
    d.kernel.hold(Privilege::TCB);
    assert_eq!(d.call("NtSetDefaultHardErrorPort", &[0x7770]), S::INVALID_HANDLE);
    let event = d.handle("NtCreateEvent", &[0x1f_0003, 0, 1, 0]);
    assert!(matches!(d.answer("NtSetDefaultHardErrorPort", &[event]), Answer::NotImplemented(Some(_))));
}

/// This processor has no XSAVE: what it keeps is refused, by name where somebody asks for it.
#[test]
fn contexts_with_xstate_are_refused() {
    let mut d = Direct::new();
    d.write(DATA, &[0; 0x4d0]);
    d.write(DATA + 0x30, &0x10_0040_u32.to_le_bytes());
    for service in ["NtGetContextThread", "NtSetContextThread"] {
        assert_eq!(d.call(service, &[THREAD, DATA]), S::NOT_SUPPORTED, "{service}");
    }
    assert_eq!(d.call("NtContinue", &[DATA, 0]), S::NOT_SUPPORTED);
}

#[test]
fn ten_thousand_threads_are_made_and_woken() {
    let many = |config: &mut Config| config.process.args = ["wake", "0", "10000"].map(String::from).to_vec();
    let mut machine = machine("thread_work", "win10-22h2-x64", false, many);
    assert_eq!(run(&mut machine), (End::Exit(S(0)), "rounds 0, sleepers 10000\n".into()));
}

#[test]
fn threads_end_in_every_state() {
    for (profile, narrow) in [
        ("win10-22h2-x64", false),
        ("xp-sp2-x64", false),
        ("win10-22h2-x64", true),
        ("win10-22h2-x86", true),
        ("xp-sp3-x86", true),
    ] {
        prints_what_it_must("thread_ends", profile, narrow);
    }
}

#[test]
fn philosophers_eat() {
    let (profile, expected) = ("win10-22h2-x64", fixtures::get("philosophers").and_then(|fixture| fixture.stdout));
    prints_what_it_must("philosophers", "win7-sp1-x86", true);
    for seed in 0..16 {
        let seeded = |config: &mut Config| config.quanta = Quanta::seeded(seed);
        let (end, printed) = run(&mut machine("philosophers", profile, seed % 2 == 0, seeded));
        assert_eq!((Some(printed.as_str()), end), (expected, End::Exit(S(0))), "seed {seed}");
    }
}

#[test]
fn an_unwind_is_consolidated() {
    for profile in ["vista-sp2-x64", "win10-22h2-x64", "win11-24h2-x64"] {
        prints_what_it_must("seh_consolidate", profile, false);
    }
}

#[test]
fn handlers_outside_the_list_are_passed_over() {
    for profile in ["xp-sp3-x86", "win10-22h2-x86", "win10-22h2-x64"] {
        let fixture = fixtures::get("seh_safe").expect("a fixture");
        let mut config = config(Program::Pe(fixture.image.to_vec()), fixture.file);
        config.profile = Profile::by_name(profile).expect("a profile");
        let (end, printed) = run(&mut Machine::new(&config).expect("a machine"));
        assert_eq!((Some(printed.as_str()), end), (fixture.stdout, End::Exit(S(0))), "{profile}");
    }
}

#[test]
fn returns_go_to_the_instrumentation_callback() {
    for profile in ["win10-22h2-x64", "win11-24h2-x64"] {
        prints_what_it_must("instrumented", profile, false);
    }
}

/// The storm again, looked at after each of its calls.
#[test]
fn every_call_of_a_storm_leaves_every_count_right() {
    for (seed, profile, narrow) in
        [(1, "win10-22h2-x64", false), (2, "win10-22h2-x64", true), (3, "win7-sp1-x86", true)]
    {
        let stop = |config: &mut Config| {
            config.quanta = Quanta::seeded(seed);
            config.max_instructions = Some(400_000);
        };
        let mut machine = machine("storm", profile, narrow, stop);
        machine.audit();
        let (end, printed) = run(&mut machine);
        assert_eq!(machine.kernel().audit, Some(Ok(())), "seed {seed} on {profile}: {end:?} {printed}");
    }
}
