//! What a start on somebody else's DLLs costs.

use std::time::Instant;

use guest::Arch;
use trapgate::loader::Program;
use trapgate::root::{SystemRoot, WineFolders};
use trapgate::{Config, Machine};

use crate::measure::Figure;

const ROUNDS: usize = 15;

/// A trivial program on Wine's DLLs, from making its machine to its exit; nothing where Wine is not installed.
pub fn wine_start() -> Option<Figure> {
    let folders = WineFolders::find(Arch::X64).ok()?;
    let hello = fixtures::get("hello")?;
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            let mut config = Config::new(Program::Pe(hello.image.to_vec()), hello.file);
            config.root = SystemRoot::Wine(folders.clone());
            let mut machine = Machine::new(&config).expect("a machine");
            machine.run().expect("no engine failure");
            start.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let value = times[ROUNDS / 2];
    Some(Figure {
        name: "start to exit of a trivial program on Wine's DLLs".into(),
        unit: "ms",
        value,
        floor: None,
        target: Some(("60 ms or less".into(), value <= 60.0)),
    })
}
