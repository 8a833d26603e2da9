//! Two runs of a program give the same trace, byte for byte.

use trapgate::trace::{JsonSink, Recorder, Wants};

use crate::support::fixture_machine;

/// Everything a run shows: the trace with registers, as JSON Lines, and what was printed.
fn trace(name: &str, instructions: bool) -> (Vec<u8>, Vec<u8>, u64) {
    use std::cell::RefCell;
    use std::rc::Rc;
    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);
    impl std::io::Write for Shared {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(buf);
            Ok(buf.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let out = Shared::default();
    let mut machine = fixture_machine(name);
    let wants = Wants { registers: true, instructions, ..Wants::default() };
    machine.observe(Box::new(Recorder::new(Box::new(JsonSink(out.clone())), wants))).expect("an observer");
    machine.run().expect("no engine failure");
    let text = out.0.borrow().clone();
    (text, machine.captured().expect("captured").stdout.clone(), machine.instructions())
}

#[test]
fn each_fixture_twice() {
    let mut compared = 0;
    for fixture in fixtures::all_x64().filter(|f| f.is_run() && !["missing_import", "loop"].contains(&f.name)) {
        let (first, second) = (trace(fixture.name, false), trace(fixture.name, false));
        assert!(!first.0.is_empty(), "{} makes calls", fixture.name);
        assert!(first == second, "{} differs from run to run", fixture.name);
        compared += 1;
    }
    assert!(compared >= 38);
}

#[test]
fn watching_instructions_changes_nothing() {
    for name in ["hello", "events", "heap", "peb", "time"] {
        let (plain, printed, count) = trace(name, false);
        let (full, printed_too, count_too) = trace(name, true);
        assert_eq!((&printed, count), (&printed_too, count_too), "{name}");
        let text = String::from_utf8(full).expect("UTF-8");
        let calls: String =
            text.lines().filter(|l| l.starts_with("{\"kind\":\"call\"")).map(|l| format!("{l}\n")).collect();
        assert!(calls.as_bytes() == plain, "{name}: the calls differ when instructions are watched");
    }
}
