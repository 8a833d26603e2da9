//! What threads cost: a program that does little but switch, make or wake them.

use trapgate::loader::Program;
use trapgate::machine::Config;
use trapgate::{End, Machine};

use crate::measure::{Figure, in_so_many_turns, processor_time};

const SWITCHES: u32 = 20_000;
const MADE: u32 = 2_000;
const WOKEN: u32 = 1_000;
const FEW: u32 = 10;
const MANY: u32 = 10_000;

/// Seconds of a run of the program.
fn run(what: &str, rounds: u32, sleepers: u32) -> f64 {
    let fixture = fixtures::get("thread_work").expect("a fixture");
    let mut config = Config::new(Program::Pe(fixture.image.to_vec()), "thread_work.exe");
    config.process.args = vec![what.to_string(), rounds.to_string(), sleepers.to_string()];
    config.memory = 2 << 30;
    let mut machine = Machine::new(&config).expect("a machine");
    let mut end = None;
    let time = processor_time(|| end = Some(machine.run().expect("no engine failure")));
    assert!(matches!(end, Some(End::Exit(status)) if status.0 == 0), "{end:?}");
    time.as_secs_f64()
}

/// Seconds of what the rounds alone take.
fn rounds(what: &str, count: u32, sleepers: u32) -> f64 {
    (run(what, count, sleepers) - run(what, 0, sleepers)).max(1e-9)
}

/// Seconds of a run of the program in two processes, which wake each other by turns.
fn across(rounds: u32) -> f64 {
    run("across", rounds, 0)
}

fn figure(name: String, unit: &'static str, value: f64) -> Figure {
    Figure { name, unit, value, floor: None, target: None }
}

/// Switches, creation, waking, and whether sleeping threads slow the scheduler.
pub fn figures() -> Vec<Figure> {
    let (few, many) = in_so_many_turns(3, || rounds("switch", SWITCHES, FEW), || rounds("switch", SWITCHES, MANY));
    let ratio = many / few;
    let wake = (run("wake", 0, WOKEN) - run("wake", 0, 0)).max(1e-9);
    vec![
        figure("context switches inside a process".into(), "calls/s", f64::from(2 * SWITCHES) / few),
        figure(
            "context switches across two processes".into(),
            "calls/s",
            f64::from(2 * SWITCHES) / (across(SWITCHES) - across(0)).max(1e-9),
        ),
        Figure {
            name: format!("the same with {MANY} sleeping threads, time beside {FEW}"),
            unit: "",
            value: ratio,
            floor: Some(1.0),
            target: Some(("at most 1.3".into(), ratio <= 1.3)),
        },
        figure("thread create + exit".into(), "calls/s", f64::from(MADE) / rounds("create", MADE, 0)),
        figure(format!("{WOKEN} threads made, waiting and woken, each"), "calls/s", f64::from(WOKEN) / wake),
    ]
}
