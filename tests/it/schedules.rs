//! The order of threads: the same for the same seed, another for another, and replayed from a file.

use kernel_model::schedule::Quanta;
use trapgate::{End, Machine};

use crate::support::{fixture_config, trapgate};

/// Runs the racy program: what it printed, and what a run leaves of the order.
fn race(quanta: Quanta) -> (String, u64, Vec<u64>) {
    let mut config = fixture_config(fixtures::get("race").expect("a fixture"));
    config.quanta = quanta.recorded();
    let mut machine = Machine::new(&config).expect("a machine");
    let end = machine.run().expect("no engine failure");
    assert!(matches!(end, End::Exit(_)), "{end:?}");
    let out = String::from_utf8_lossy(&machine.captured().expect("captured").stdout).into_owned();
    let record = machine.kernel().scheduler.quanta.record().expect("a record").to_vec();
    machine.kernel().check_invariants().expect("the invariants hold");
    (out, machine.instructions(), record)
}

#[test]
fn some_seed_loses_an_update_and_its_schedule_loses_it_again() {
    let whole = race(Quanta::default());
    assert_eq!(whole.0, "counter 400\n", "with a quantum of two ticks neither is interrupted");
    let runs: Vec<_> = (0..200).map(|seed| race(Quanta::seeded(seed))).collect();
    let lost: Vec<usize> = (0..200).filter(|&seed| runs[seed].0 != whole.0).collect();
    assert!(lost.len() > 20 && lost.len() < 200, "{} of 200 seeds lose an update", lost.len());
    let different: std::collections::BTreeSet<&str> = runs.iter().map(|run| run.0.as_str()).collect();
    assert!(different.len() > 10, "{different:?}");
    for &seed in lost.iter().take(10) {
        assert_eq!(race(Quanta::seeded(seed as u64)), runs[seed], "seed {seed} again");
        let replayed = race(Quanta::Replayed(runs[seed].2.clone().into(), 0));
        assert_eq!(replayed, runs[seed], "seed {seed}, replayed");
    }
}

#[test]
fn a_schedule_file_is_recorded_and_replayed() {
    let folder = tempfile();
    let (image, file) = (folder.join("race.exe"), folder.join("order"));
    std::fs::write(&image, fixtures::get("race").expect("a fixture").image).expect("written");
    let run = |args: &[&str]| {
        let output = trapgate().args(["run", "--quiet"]).args(args).arg("--schedule").arg(&file).arg(&image).output();
        let output = output.expect("it runs");
        (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let recorded = run(&["--seed", "3"]);
    assert!(recorded.0.starts_with("counter ") && file.exists(), "{recorded:?}");
    assert_eq!(run(&[]), recorded);
    let both = run(&["--seed", "4"]);
    assert!(both.1.contains("would be replayed") && both.0.is_empty(), "{both:?}");
    std::fs::write(&file, "no schedule").expect("written");
    assert!(run(&[]).1.contains("is no recorded schedule"));
    std::fs::write(&file, "trapgate schedule 1\n12\nzero\n").expect("written");
    assert!(run(&[]).1.contains("line 3 is no number of instructions"));
    std::fs::remove_dir_all(folder).expect("removed");
}

/// A folder of this test's own.
fn tempfile() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("trapgate-schedules-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}
