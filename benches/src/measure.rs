//! Timing, and the table that shows it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;

/// One figure, and the floor it stands beside.
pub struct Figure {
    pub name: String,
    pub unit: &'static str,
    pub value: f64,
    pub floor: Option<f64>,
    /// The bound to reach, in words, and whether it is.
    pub target: Option<(String, bool)>,
}

const RUNS: usize = 9;

/// Two things measured in turns: the pair whose ratio is the median, so that both figures are of neighbouring moments
/// and a machine that changes its speed during the run changes both.
pub fn in_turns(a: impl FnMut() -> f64, b: impl FnMut() -> f64) -> (f64, f64) {
    in_so_many_turns(RUNS, a, b)
}

/// The same for what takes seconds, with fewer turns.
pub fn in_so_many_turns(turns: usize, mut a: impl FnMut() -> f64, mut b: impl FnMut() -> f64) -> (f64, f64) {
    let mut pairs: Vec<(f64, f64)> = (0..turns).map(|_| (a(), b())).collect();
    pairs.sort_by(|p, q| (p.0 / p.1).total_cmp(&(q.0 / q.1)));
    pairs[turns / 2]
}

/// How long something takes.
pub fn time(act: impl FnOnce()) -> Duration {
    let start = Instant::now();
    act();
    start.elapsed()
}

/// How long something takes of the processor, where the system tells: what else runs then counts for less.
pub fn processor_time(act: impl FnOnce()) -> Duration {
    // Nanoseconds on a processor, then others.
    let spent = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
    };
    let before = spent();
    let elapsed = time(act);
    before.zip(spent()).map_or(elapsed, |(before, after)| after.saturating_sub(before))
}

fn human(value: f64, unit: &str) -> String {
    match unit {
        "calls/s" | "instructions/s" | "exceptions/s" if value >= 1e6 => format!("{:.2} M", value / 1e6),
        "calls/s" | "instructions/s" | "exceptions/s" => format!("{:.1} k", value / 1e3),
        _ => format!("{value:.2}"),
    }
}

/// The figures as a Markdown table.
pub fn table(figures: &[Figure]) -> String {
    let mut text = String::from("| what | figure | floor | ratio | to reach |\n| --- | ---: | ---: | ---: | --- |\n");
    for f in figures {
        let floor = f.floor.map_or("".into(), |x| human(x, f.unit));
        let ratio = f.floor.map_or("".into(), |x| format!("{:.2}", f.value / x));
        let target = f.target.as_ref().map_or(String::new(), |(words, reached)| {
            format!("{words}: {}", if *reached { "reached" } else { "**not reached**" })
        });
        text += &format!("| {} ({}) | {} | {floor} | {ratio} | {target} |\n", f.name, f.unit, human(f.value, f.unit));
    }
    text
}

/// Instruction counts, services with the same count in one row; the most common count is that of "the other" ones.
pub fn services_table(services: &[(String, u64)]) -> String {
    let mut rows = BTreeMap::<u64, Vec<&str>>::new();
    for (name, count) in services {
        rows.entry(*count).or_default().push(name);
    }
    let most = rows.values().map(Vec::len).max();
    let mut text = String::from("| instructions | services |\n| ---: | --- |\n");
    for (count, names) in &rows {
        let names = if Some(names.len()) == most {
            format!("the other {} of {} (`--json` names them)", names.len(), services.len())
        } else {
            names.join(", ")
        };
        text += &format!("| {count} | {names} |\n");
    }
    text
}

/// The figures as data.
pub fn json(figures: &[Figure]) -> String {
    let rows: Vec<_> = figures
        .iter()
        .map(|f| {
            json!({ "name": f.name, "unit": f.unit, "value": f.value, "floor": f.floor,
                    "ratio": f.floor.map(|x| f.value / x) })
        })
        .collect();
    serde_json::to_string_pretty(&rows).unwrap_or_default() + "\n"
}

/// Puts a text between the marks `<!-- bench -->` and `<!-- /bench -->` of a file.
pub fn replace_in(file: &str, text: &str) -> std::io::Result<()> {
    let old = std::fs::read_to_string(file)?;
    let missing = || std::io::Error::other("no <!-- bench --> and <!-- /bench --> in it");
    let (head, rest) = old.split_once("<!-- bench -->").ok_or_else(missing)?;
    let (_, tail) = rest.split_once("<!-- /bench -->").ok_or_else(missing)?;
    std::fs::write(file, format!("{head}<!-- bench -->\n{text}<!-- /bench -->{tail}"))
}
