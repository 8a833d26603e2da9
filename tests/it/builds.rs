//! `trace --builds`: a call held against what its number is on every build.

use std::cell::RefCell;
use std::rc::Rc;

use guest::convention::{Gate, TrapRegs};
use guest::{Arch, Profile};
use kernel_model::Call;
use trapgate::cpu::{Reg, RegisterFile};
use trapgate::trace::{BuildFit, CallEnd, CallStart, Fit, Observer, View, Wants};
use trapgate::{End, Machine};

use crate::support::{fixture_config, fixture_machine, record, trapgate};

/// The records of a fixture's direct calls on a build.
fn direct_calls(fixture: &str, profile: &str) -> (u8, Vec<trapgate::trace::CallRecord>) {
    let mut config = fixture_config(fixtures::get(fixture).expect("the fixture"));
    config.profile = Profile::by_name(profile).expect("a profile");
    let mut machine = Machine::new(&config).expect("a machine");
    let (end, records) = record(&mut machine, Wants { builds: true, ..Wants::default() });
    let calls = records.borrow().calls.clone();
    assert!(calls.iter().all(|c| c.builds.is_some() == c.direct), "direct calls, and no others, are told of");
    (end.exit_code(), calls.into_iter().filter(|c| c.direct).collect())
}

fn of<'a>(builds: &'a [BuildFit], profile: &str) -> &'a BuildFit {
    builds.iter().find(|b| b.profiles.contains(&profile)).expect("every profile is in one run")
}

#[test]
fn windows_7s_numbers_are_recognised_on_windows_10() {
    let (code, calls) = direct_calls("raw_win7", "win10-22h2-x64");
    assert_eq!((code, calls.len()), (0, 4), "no call succeeds");
    for (call, meant, here) in
        [(&calls[0], "NtCreateEvent", "NtQueueApcThread"), (&calls[1], "NtOpenEvent", "NtQueryAttributesFile")]
    {
        let builds = call.builds.as_ref().expect("what it would have been");
        assert_eq!(builds.iter().map(|b| b.profiles.len()).sum::<usize>(), 35, "the 64-bit builds");
        let own = of(builds, "win10-22h2-x64");
        assert_eq!((call.service, own.service, own.here), (Some(here), Some(here), true));
        assert!(matches!(own.fit, Fit::No(_)), "{own:?}");
        let seven = of(builds, "win7-sp1-x64");
        assert_eq!((seven.service, &seven.fit, seven.here), (Some(meant), &Fit::Yes, false));
        let fitting: Vec<_> = builds.iter().filter(|b| b.fit == Fit::Yes).collect();
        assert_eq!(fitting.len(), 1, "and on no other: {fitting:?}");
        assert!(seven.profiles.iter().all(|p| Profile::by_name(p).is_some_and(|p| p.version < (6, 2, 0))));
    }
    // NULL is what any handle may be: nothing is claimed.
    let close = calls[2].builds.as_ref().expect("what it would have been");
    assert!(close.iter().all(|b| b.fit != Fit::Yes), "{close:?}");
    assert!(matches!(of(close, "win7-sp1-x64").fit, Fit::Unknown(_)));
}

#[test]
fn the_same_code_fits_where_it_belongs() {
    let (code, calls) = direct_calls("raw_win7", "win7-sp1-x64");
    assert_eq!((code, calls.len()), (4, 4), "every call succeeds");
    for call in &calls {
        let here = call.builds.iter().flatten().find(|b| b.here).expect("this build");
        assert_eq!((here.service, &here.fit), (call.service, &Fit::Yes));
    }
}

#[test]
fn the_listing_and_the_json_say_so() {
    let raw = fixtures::path("raw_win7");
    let trace = |more: &[&str]| {
        let mut command = trapgate();
        command.args(["trace", "--quiet", "--raw", "x64"]).args(more).arg(&raw);
        String::from_utf8(command.output().expect("trapgate starts").stderr).expect("text")
    };
    let text = trace(&["--builds"]);
    assert!(
        text.contains(
            "\n       fits: xp-sp1-x64 .. win7-sp1-x64 NtCreateEvent; here it is NtQueueApcThread, whose ThreadHandle=0x"
        ),
        "{text}"
    );
    assert!(!trace(&[]).contains("fits:"));
    let lines = trace(&["--builds", "--format", "jsonl"]);
    let first: serde_json::Value =
        serde_json::from_str(lines.lines().find(|l| l.starts_with('{')).expect("a record")).expect("JSON");
    let builds = first["builds"].as_array().expect("the field");
    let fits = |b: &serde_json::Value| (b["service"].clone(), b["fit"].clone(), b["here"].clone());
    assert_eq!(fits(&builds[0]), ("NtCreateEvent".into(), "yes".into(), false.into()));
    assert!(builds[0].get("why").is_none() && builds[0]["profiles"][0] == "xp-sp1-x64", "{}", builds[0]);
    let here = builds.iter().find(|b| b["here"] == true).expect("this build");
    assert_eq!(fits(here), ("NtQueueApcThread".into(), "no".into(), true.into()));
    assert!(here["why"].as_str().is_some_and(|why| why.ends_with("is no handle")), "{here}");
    assert!(builds.iter().all(|b| b["fit"] != "unknown" || b["why"].is_string()));
    let plain = trace(&["--format", "jsonl"]);
    assert!(plain.lines().filter(|l| l.starts_with('{')).all(|l| !l.contains("\"builds\"")), "{plain}");
}

/// Holds every call against its own build.
#[derive(Default)]
struct Own(Rc<RefCell<Vec<String>>>, Option<Fit>);

impl Observer for Own {
    fn call_start(&mut self, view: &View<'_>, start: &CallStart<'_>) {
        self.1 = view.builds(start.call).into_iter().find(|b| b.here).map(|b| b.fit);
    }
    fn call_end(&mut self, _: &View<'_>, end: &CallEnd<'_>) {
        let succeeded = end.status.is_some_and(|s| s.is_success());
        if let (true, Some(Fit::No(why))) = (succeeded, &self.1) {
            self.0.borrow_mut().push(format!("{}: {why}", end.row.map_or("?", |r| r.info.name)));
        }
    }
    fn end(&mut self, _: &View<'_>, _: &End, _: u64) {}
}

/// What a service has accepted cannot have been wrong for it, but for the two low bits of a handle: the kernel ignores
/// them, `handles` shows that, and nobody but a test sets them.
#[test]
fn a_call_that_succeeded_fits_its_own_build() {
    for profile in ["win7-sp1-x64", "win10-1507-x64", "win10-22h2-x64", "win11-25h2-x64"] {
        for fixture in fixtures::all_x64().filter(|f| f.is_run() && f.name != "handles") {
            let mut config = fixture_config(fixture);
            config.profile = Profile::by_name(profile).expect("a profile");
            config.max_instructions = Some(3_000_000);
            let Ok(mut machine) = Machine::new(&config) else { continue };
            let own = Own::default();
            let wrong = Rc::clone(&own.0);
            machine.observe(Box::new(own)).expect("an observer");
            machine.run().expect("no engine failure");
            assert!(wrong.borrow().is_empty(), "{profile}: {}: {}", fixture.name, wrong.borrow().join("; "));
        }
    }
}

/// A page of the program's stack that the tests below fill.
struct Scratch(u64);

/// Calls that are never made: what they would have been on this build.
struct Asked {
    calls: Vec<Call>,
    answers: Rc<RefCell<Vec<(String, Fit)>>>,
}

impl Observer for Asked {
    fn call_start(&mut self, view: &View<'_>, _: &CallStart<'_>) {
        for call in std::mem::take(&mut self.calls) {
            let here = view.builds(&call).into_iter().find(|b| b.here).expect("this build");
            self.answers.borrow_mut().push((here.service.unwrap_or("?").to_string(), here.fit));
        }
    }
    fn call_end(&mut self, _: &View<'_>, _: &CallEnd<'_>) {}
    fn end(&mut self, _: &View<'_>, _: &End, _: u64) {}
}

impl Scratch {
    /// `hello` before its first instruction, with an OBJECT_ATTRIBUTES at +100h whose name is at +140h, and one of a
    /// wrong length at +180h.
    fn machine() -> (Machine, Self) {
        let mut machine = fixture_machine("hello");
        let registers: RegisterFile = machine.registers();
        let at = registers.get(Reg::Rsp) - 0x800;
        let words = |words: &[u64]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
        assert!(machine.poke(at, &[0; 0x400]));
        assert!(machine.poke(at + 0x100, &words(&[0x30, 0, at + 0x140, 0x40, 0, 0])));
        assert!(machine.poke(at + 0x140, &words(&[0x0006_0004, at + 0x150])));
        assert!(machine.poke(at + 0x180, &words(&[0x18, 0, 0, 0, 0, 0])));
        (machine, Self(at))
    }

    /// A call of a service of Windows 10 22H2; arguments from the fifth on are on the scratch page, at +28h.
    fn call(&self, machine: &mut Machine, service: &str, args: &[u64]) -> Call {
        let number = Profile::default_profile().number(service).expect("a service");
        let arg = |i: usize| args.get(i).copied().unwrap_or(0);
        for (i, value) in args.iter().enumerate().skip(4) {
            assert!(machine.poke(self.0 + 0x28 + 8 * (i as u64 - 4), &value.to_le_bytes()));
        }
        let regs = TrapRegs {
            rax: number.into(),
            r10: arg(0),
            rdx: arg(1),
            r8: arg(2),
            r9: arg(3),
            rsp: self.0,
            ..TrapRegs::default()
        };
        Call::new(Gate::Syscall, regs)
    }
}

/// What the trace would say of one call on Windows 10 22H2. Handle 8 is the console's output.
fn fit(service: &str, args: impl Fn(u64) -> Vec<u64>) -> Fit {
    let (mut machine, scratch) = Scratch::machine();
    let call = scratch.call(&mut machine, service, &args(scratch.0 + 0x200));
    let answers = Rc::new(RefCell::new(Vec::new()));
    machine.observe(Box::new(Asked { calls: vec![call], answers: Rc::clone(&answers) })).expect("an observer");
    machine.run().expect("no engine failure");
    let answers = answers.borrow();
    assert_eq!(answers[0].0, service);
    answers[0].1.clone()
}

fn against(service: &str, args: impl Fn(u64) -> Vec<u64>) -> String {
    match fit(service, args) {
        Fit::No(why) => why,
        other => panic!("{service}: {other:?}"),
    }
}

#[test]
fn handles() {
    assert_eq!(fit("NtSetEvent", |out| vec![0x400, out]), Fit::Yes, "small, with a place for the result");
    assert_eq!(fit("NtSetEvent", |_| vec![0x400, 0]), Fit::Unknown("no argument tells"));
    assert_eq!(fit("NtClose", |_| vec![8]), Fit::Yes, "an open handle");
    assert_eq!(fit("NtTerminateProcess", |_| vec![u64::MAX]), Fit::Yes, "the current process");
    assert_eq!(against("NtSetEvent", |_| vec![8]), "EventHandle=0x8 is a File");
    assert_eq!(against("NtTerminateThread", |_| vec![u64::MAX]), "ThreadHandle=0xffffffffffffffff is a Process");
    assert_eq!(against("NtClose", |_| vec![0x401]), "Handle=0x401 is no handle: they are multiples of 4");
    assert_eq!(against("NtClose", |_| vec![0x1_0000]), "Handle=0x10000 is no handle");
}

#[test]
fn pointers() {
    let kernel = 0xffff_8000_0000_0000;
    // Read-only to user mode.
    let shared_data = 0x7ffe_0000;
    for (previous, is_fit) in [(kernel, false), (shared_data, false), (0x10, false)] {
        assert_eq!(fit("NtSetEvent", |_| vec![0x400, previous]) == Fit::Yes, is_fit, "{previous:#x}");
    }
    assert_eq!(
        against("NtSetEvent", |_| vec![0x400, shared_data]),
        "PreviousState=0x7ffe0000 points to 0x4 bytes that cannot be written"
    );
    assert_eq!(against("NtQueryPerformanceCounter", |_| vec![0, 0]), "PerformanceCounter=0x0 may not be NULL");
    assert_eq!(fit("NtQueryPerformanceCounter", |out| vec![out, 0]), Fit::Yes);
    // A buffer is as long as another argument says.
    let write = |buffer: u64, len: u64| move |out: u64| vec![8, 0, 0, 0, out, buffer, len, 0, 0];
    assert_eq!(fit("NtWriteFile", write(shared_data, 0x1000)), Fit::Yes);
    assert_eq!(
        against("NtWriteFile", write(shared_data, 0x1_0000)),
        "Buffer=0x7ffe0000 points to 0x10000 bytes that cannot be read"
    );
    assert_eq!(fit("NtWriteFile", write(0, 0)), Fit::Yes, "nothing is read there");
    // The upper half of a ULONG is not looked at.
    assert_eq!(fit("NtWriteFile", write(shared_data, 0xdead_beef_0000_0010)), Fit::Yes);
}

#[test]
fn arguments_on_a_stack_that_is_not_there() {
    let (mut machine, scratch) = Scratch::machine();
    let mut call = scratch.call(&mut machine, "NtCreateEvent", &[scratch.0 + 0x200, 0x1f_0003, 0, 1]);
    call.regs.rsp = 0x1000;
    let answers = Rc::new(RefCell::new(Vec::new()));
    machine.observe(Box::new(Asked { calls: vec![call], answers: Rc::clone(&answers) })).expect("an observer");
    machine.run().expect("no engine failure");
    assert_eq!(answers.borrow()[0].1, Fit::No("arguments on the stack cannot be read".into()));
}

#[test]
fn structures() {
    let open = |attributes: fn(u64) -> u64| move |out: u64| vec![out, 0x10_0000, attributes(out - 0x200)];
    assert_eq!(fit("NtOpenEvent", open(|page| page + 0x100)), Fit::Yes);
    assert!(against("NtOpenEvent", open(|_| 0)).ends_with("may not be NULL"));
    assert!(against("NtOpenEvent", open(|page| page + 0x180)).ends_with("points to a Length of 0x18 instead of 0x30"));
    assert!(against("NtOpenEvent", open(|page| page + 0x104)).ends_with("is not aligned"));
}

#[test]
fn numbers() {
    let create = |access: u64, ty: u64, state: u64| move |out: u64| vec![out, access, 0, ty, state];
    let garbage = 0xdead_beef_0000_0000;
    assert_eq!(fit("NtCreateEvent", create(0x1f_0003, 1, 0)), Fit::Yes);
    assert_eq!(fit("NtCreateEvent", create(garbage | 0x1f_0003, garbage | 1, 0xffff_ff01)), Fit::Yes);
    assert_eq!(against("NtCreateEvent", create(0x1f_0003, 2, 0)), "EventType=0x2 is no EVENT_TYPE");
    assert_eq!(against("NtCreateEvent", create(0x1f_0003, 1, 2)), "InitialState=0x2 is neither TRUE nor FALSE");
    assert!(against("NtCreateEvent", create(0x400_0000, 1, 0)).ends_with("has bits that are no access right"));
}

#[test]
fn what_nobody_knows_is_not_guessed() {
    assert_eq!(fit("NtYieldExecution", |_| vec![]), Fit::Unknown("no argument tells"));
    // A service of win32k whose arguments nobody has published.
    let unknown = Fit::Unknown("nobody has published its arguments in this build");
    assert_eq!(fit("NtDxgkSubmitPresentToHwQueue", |out| vec![out]), unknown);
    // Prototypes that have not as many arguments as the build's own table says are another build's.
    let vista = Profile::by_name("vista-sp2-x64").expect("a profile");
    let number = vista.number("NtWaitForWorkViaWorkerFactory").expect("a number");
    let guest::profile::Found::Service(service) = vista.find(number) else { panic!("a service") };
    assert!(service.signature(Arch::X64).is_none() && !service.info.args.is_empty());
}
