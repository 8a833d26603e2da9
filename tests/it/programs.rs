//! Every fixture prints what it must and ends as it must.

use trapgate::End;

use crate::support::{fixture_config, fixture_machine};

/// The fixtures whose end is not a matter of their own: see the tests that name them.
const ELSEWHERE: &[&str] = &["deadlock", "loop", "missing_import"];

#[test]
fn every_fixture_prints_what_it_must() {
    let mut failures = Vec::new();
    let mut ran = 0;
    for fixture in fixtures::all_x64().filter(|f| f.is_run() && !ELSEWHERE.contains(&f.name)) {
        let mut machine = fixture_machine(fixture.name);
        let end = machine.run().expect("no engine failure");
        let captured = machine.captured().expect("captured").clone();
        let printed = String::from_utf8_lossy(&captured.stdout).into_owned();
        if let Some(expected) = fixture.stdout.filter(|e| *e != printed) {
            failures.push(format!("--- {}: expected\n{expected}--- got\n{printed}", fixture.name));
        }
        if let Some(code) = fixture.exit_code.filter(|c| *c as u8 != end.exit_code()) {
            failures.push(format!("--- {}: exit code {} instead of {code}: {end:?}", fixture.name, end.exit_code()));
        }
        ran += 1;
    }
    assert!(ran >= 38, "only {ran} fixtures ran");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_program_of_known_length_is_counted_exactly() {
    let fixture = fixtures::get("spin").expect("the fixture");
    let own = fixture.own_insns.expect("its length");
    let mut machine = fixture_machine("spin");
    // Its own instructions are those outside the system DLLs: count them one by one, and all of them by block.
    let (_, records) = crate::support::record(&mut machine, trapgate::trace::Wants::default());
    let by_block = machine.instructions();
    let calls = records.borrow().calls.clone();
    let last = calls.last().expect("it ends the process");
    assert_eq!(last.insns, by_block, "nothing runs after the last call");
    assert!((own..own + 1000).contains(&by_block), "{by_block} instructions, {own} of the program's own");
    let mut stepped = fixture_machine("spin");
    struct Count(std::rc::Rc<std::cell::Cell<u64>>);
    impl trapgate::trace::Observer for Count {
        fn wants_instructions(&self) -> bool {
            true
        }
        fn call_start(&mut self, _: &trapgate::trace::View<'_>, _: &trapgate::trace::CallStart<'_>) {}
        fn call_end(&mut self, _: &trapgate::trace::View<'_>, _: &trapgate::trace::CallEnd<'_>) {}
        fn instruction(&mut self, view: &trapgate::trace::View<'_>, step: &trapgate::trace::Step<'_>) {
            if view.modules.at(step.address).is_some_and(|m| m.name == "spin.exe") {
                self.0.set(self.0.get() + 1);
            }
        }
        fn end(&mut self, _: &trapgate::trace::View<'_>, _: &End, _: u64) {}
    }
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    stepped.observe(Box::new(Count(std::rc::Rc::clone(&count)))).expect("an observer");
    stepped.run().expect("no engine failure");
    assert_eq!(count.get(), own);
    assert_eq!(stepped.instructions(), by_block, "counting by block and by instruction agree");
}

#[test]
fn a_deadlock_is_reported() {
    let end = fixture_machine("deadlock").run().expect("no engine failure");
    let End::Deadlock(report) = end else { panic!("{end:?}") };
    assert!(report.contains("NtWaitForSingleObject") && report.contains("Event"), "{report}");
}

#[test]
fn a_budget_ends_an_endless_loop_exactly() {
    let mut config = fixture_config(fixtures::get("loop").expect("the fixture"));
    config.max_instructions = Some(1_234_567);
    let mut machine = trapgate::Machine::new(&config).expect("a machine");
    assert_eq!(machine.run().expect("no engine failure"), End::Budget);
    assert_eq!(machine.instructions(), 1_234_567);
}

#[test]
fn crashes_name_their_place() {
    for (name, status, place) in [
        ("crash", "STATUS_ACCESS_VIOLATION", "crash.exe+"),
        ("fault_div", "STATUS_INTEGER_DIVIDE_BY_ZERO", "fault_div.exe+"),
        ("priv", "STATUS_PRIVILEGED_INSTRUCTION", "priv.exe+"),
        ("vex", "STATUS_ILLEGAL_INSTRUCTION", "vex.exe+"),
    ] {
        let end = fixture_machine(name).run().expect("no engine failure");
        let End::Crash(crash) = &end else { panic!("{name}: {end:?}") };
        assert_eq!(crash.code.name(), Some(status), "{name}");
        assert!(crash.place.starts_with(place), "{name}: {}", crash.place);
        assert_eq!(end.exit_code(), 139);
    }
}

#[test]
fn a_missing_service_is_named_once_and_counted() {
    let mut machine = fixture_machine("notimpl");
    machine.run().expect("no engine failure");
    let notes = machine.captured().expect("captured").notes.clone();
    assert!(!notes.is_empty() && notes.iter().all(|n| n.contains("= STATUS_NOT_IMPLEMENTED")), "{notes:?}");
    assert_eq!(machine.stats().missing.values().sum::<u64>() as usize, notes.len());
    let mut config = fixture_config(fixtures::get("notimpl").expect("the fixture"));
    config.strict = true;
    let end = trapgate::Machine::new(&config).expect("a machine").run().expect("no engine failure");
    assert!(matches!(&end, End::Strict(line) if line.contains("nobody wrote this service yet")), "{end:?}");
}

#[test]
fn aslr_moves_things_and_nothing_else_changes() {
    let bases = |seed: Option<u64>| {
        let mut config = fixture_config(fixtures::get("relocs").expect("the fixture"));
        config.process.aslr_seed = seed;
        let mut machine = trapgate::Machine::new(&config).expect("a machine");
        let bases: Vec<u64> = machine.modules().iter().map(|m| m.base).collect();
        machine.run().expect("no engine failure");
        (bases, machine.captured().expect("captured").stdout.clone())
    };
    let (none, one, other) = (bases(None), bases(Some(1)), bases(Some(2)));
    assert_eq!(bases(Some(1)), one, "the same seed gives the same places");
    assert_ne!(none.0, one.0);
    assert_ne!(one.0, other.0);
    assert_eq!((&none.1, &one.1), (&one.1, &other.1), "what it prints stays the same");
}

fn x64_profiles() -> impl Iterator<Item = &'static guest::Profile> {
    guest::Profile::all().iter().filter(|p| p.arch == guest::Arch::X64)
}

/// Programs that find their numbers through ntdll run the same on every build: the numbers differ, the service does not.
#[test]
fn programs_run_on_every_profile() {
    for profile in x64_profiles() {
        for name in ["hello", "events", "memory", "peb", "heap", "tls", "wait", "time", "names", "badptr", "crt_hello"]
        {
            let fixture = fixtures::get(name).expect("the fixture");
            let mut config = fixture_config(fixture);
            config.profile = profile;
            let mut machine =
                trapgate::Machine::new(&config).unwrap_or_else(|e| panic!("{}: {name}: {e}", profile.name));
            let end = machine.run().expect("no engine failure");
            let printed = String::from_utf8_lossy(&machine.captured().expect("captured").stdout).into_owned();
            assert_eq!(Some(printed.as_str()), fixture.stdout, "{}: {name}: {end:?}", profile.name);
        }
    }
}

/// R9 after a return: RBP, and 0 on Windows 11 24H2 and later; R8 is RSP on all.
#[test]
fn the_registers_a_return_leaves_are_the_builds() {
    use trapgate::cpu::Reg;
    for profile in x64_profiles() {
        let mut config = fixture_config(fixtures::get("hello").expect("the fixture"));
        config.profile = profile;
        let mut machine = trapgate::Machine::new(&config).expect("a machine");
        let mut registers = machine.registers();
        registers.set(Reg::Rbp, 0x1234_5678);
        machine.set_registers(&registers);
        let wants = trapgate::trace::Wants { registers: true, ..Default::default() };
        let (_, records) = crate::support::record(&mut machine, wants);
        let records = records.borrow();
        let first = records.calls.first().expect("a call");
        let (before, after) = (first.before.expect("before"), first.after.expect("after"));
        let r9 = if profile.version.2 >= 26100 { 0 } else { before.get(Reg::Rbp) };
        assert_eq!((after.get(Reg::R9), after.get(Reg::R8)), (r9, before.get(Reg::Rsp)), "{}", profile.name);
    }
}
