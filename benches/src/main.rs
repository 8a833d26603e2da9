//! `./dev bench`: what Trapgate costs, each figure beside the floor from the same run.
//!
//! The floor of a system-call loop is raw Unicorn running the same bytes with a hook that reads six registers and
//! writes RAX. Floor and figure are taken in turns, nine times, and the pair with the median ratio is shown.
//! `--json FILE` writes the figures as data; `--readme FILE` puts the tables between the file's marks; `--kernel`
//! measures kernel dispatch alone, `--only PART` the figures about one thing.

mod code;
mod desk;
mod exceptions;
mod files;
mod floor;
mod gates;
mod kernel;
mod measure;
mod memory;
mod objects;
mod programs;
mod roots;
mod subject;
mod threads;

use std::process::ExitCode;
use std::time::Instant;

use measure::Figure;

/// What figures are about, and what measures them.
type Group = (&'static str, fn() -> Vec<Figure>);

/// The figures, in the order of the table.
const GROUPS: &[Group] = &[
    ("rates of calls", subject::call_rates),
    ("gates", gates::gate_rates),
    ("rates of instructions", subject::instruction_rates),
    ("objects and handles", objects::figures),
    ("files", files::figures),
    ("threads", threads::figures),
    ("exceptions", || vec![exceptions::round_trips()]),
    ("creation of a machine", || vec![subject::creation()]),
    ("start on Wine's DLLs", || roots::wine_start().into_iter().collect()),
    ("memory", memory::figures),
    ("resident memory", || vec![memory::resident()]),
    ("7-Zip", programs::figures),
];

/// Measures one thing, and tells on stderr what and how long it took: the tables come at the end.
fn announced<T>(about: &str, measure: impl FnOnce() -> T) -> T {
    eprint!("bench: {about}");
    let start = Instant::now();
    let measured = measure();
    eprintln!(" ({:.1} s)", start.elapsed().as_secs_f64());
    measured
}

fn usage() -> ExitCode {
    let about: Vec<&str> = GROUPS.iter().map(|group| group.0).collect();
    eprintln!("usage: trapgate-bench [--json FILE | --readme FILE | --kernel | --only PART]");
    eprintln!("PART is in one of: {}", about.join(", "));
    ExitCode::from(2)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (json, readme) = match args.as_slice() {
        [memory::CHILD, what] => return memory::child(what),
        ["--kernel"] => {
            print!("{}", kernel::table(&kernel::paths()));
            return ExitCode::SUCCESS;
        }
        [] => (None, None),
        ["--only", about] => {
            let chosen = GROUPS.iter().filter(|(name, _)| name.contains(about));
            let figures: Vec<Figure> = chosen.flat_map(|(name, measure)| announced(name, *measure)).collect();
            print!("{}", measure::table(&figures));
            return if figures.is_empty() { usage() } else { ExitCode::SUCCESS };
        }
        ["--json", file] => (Some((*file).to_string()), None),
        ["--readme", file] => (None, Some((*file).to_string())),
        _ => return usage(),
    };
    let mut figures = Vec::new();
    for (about, measure) in GROUPS {
        figures.extend(announced(about, *measure));
    }
    let services = announced("instructions per call", subject::instructions_per_call);
    let styles = announced("styles of stubs", gates::styles);
    let paths = announced("kernel dispatch", kernel::paths);
    let text = format!(
        "{}\nA call of NtClose by each style of stub, from its first byte until the program goes on:\n\n{}\n\
         NtClose of a bad handle with the dispatcher as guest code (`--dispatch kernel`) beside the direct one, \
         instructions and calls per second:\n\n{}\n\
         Instructions per system call by service, the same way (Windows 10 22H2 x64):\n\n{}",
        measure::table(&figures),
        gates::table(&styles),
        kernel::table(&paths),
        measure::services_table(&services)
    );
    print!("{text}");
    if let Some(file) = readme
        && let Err(e) = measure::replace_in(&file, &text)
    {
        eprintln!("trapgate-bench: {file}: {e}");
        return ExitCode::from(2);
    }
    if let Some(file) = json {
        figures.extend(styles.iter().flat_map(gates::Style::figures));
        figures.extend(paths.iter().flat_map(kernel::Path::figures));
        figures.extend(services.iter().map(|(name, n)| Figure {
            name: format!("instructions per {name}"),
            unit: "instructions",
            value: *n as f64,
            floor: None,
            target: None,
        }));
        if let Err(e) = std::fs::write(&file, measure::json(&figures)) {
            eprintln!("trapgate-bench: {file}: {e}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
