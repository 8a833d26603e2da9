//! `trapgate run --report FILE`: what a run did, on one page.

mod page;
mod timeline;
mod watcher;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::machine::{End, Machine};

pub use page::report_html;
pub use timeline::Timeline;
pub use watcher::ReportWatcher;

/// The schema of the JSON form.
const SCHEMA: u32 = 1;

/// What a run did.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The schema's version.
    pub v: u32,
    /// The program.
    pub program: String,
    /// The Windows build.
    pub profile: &'static str,
    /// How it ended, in words.
    pub end: String,
    /// `trapgate`'s exit code for that.
    pub exit_code: u8,
    /// Instructions of the program.
    pub instructions: u64,
    /// System calls.
    pub calls: u64,
    /// Virtual time it took, in nanoseconds.
    pub time_ns: u64,
    /// What ran.
    pub processes: Vec<ProcessPart>,
    /// Calls by service, the most frequent first.
    pub services: Vec<ServicePart>,
    /// What was called and is not there: how often.
    pub missing: BTreeMap<String, u64>,
    /// Files and directories that were named.
    pub files: Vec<Touched>,
    /// Registry keys that were named.
    pub registry: Vec<Touched>,
    /// Other objects that were named.
    pub objects: Vec<Touched>,
    /// Names of network devices. There is no network: each was refused.
    pub network: Vec<Touched>,
    /// Exceptions that the program was told of.
    pub exceptions: Vec<Raised>,
    /// System calls that no system DLL's stub made, by place.
    pub direct: Vec<DirectPart>,
    /// Names, exceptions or places that came after the list was full.
    pub left_out: u64,
    /// Calls over time.
    pub timeline: Timeline,
}

/// A process of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProcessPart {
    /// Its id.
    pub pid: u32,
    /// Calls it made.
    pub calls: u64,
    /// Its threads that made calls.
    pub threads: Vec<u32>,
    /// Its modules as they were last seen.
    pub modules: Vec<ModulePart>,
}

/// A module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModulePart {
    /// The path the program sees.
    pub path: String,
    /// Where it is, in hexadecimal.
    pub base: String,
    /// Bytes it occupies.
    pub size: u64,
}

/// The calls of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServicePart {
    /// The NT name; `null`: numbers that no table has.
    pub service: Option<&'static str>,
    /// How often it was called.
    pub calls: u64,
    /// How often it failed.
    pub failed: u64,
    /// With which statuses, the most frequent first.
    pub statuses: Vec<(String, u64)>,
}

/// Something that was named in a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Touched {
    /// The name as the program gave it, below what its root handle names.
    pub name: String,
    /// The services it was given to.
    pub services: Vec<&'static str>,
    /// How often.
    pub calls: u64,
    /// How often that failed.
    pub failed: u64,
    /// The last status.
    pub last: String,
}

/// An exception.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Raised {
    /// The code in hexadecimal, and its name.
    pub code: String,
    /// Where, with module and symbol.
    pub place: String,
    /// What happened, in words.
    pub what: String,
    /// How often.
    pub times: u64,
}

/// Direct system calls from one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DirectPart {
    /// The address of the trapping instruction, with module and symbol.
    pub place: String,
    /// How it came in.
    pub gate: &'static str,
    /// The service; `null`: no table has the number.
    pub service: Option<&'static str>,
    /// The service number.
    pub number: u32,
    /// How often.
    pub calls: u64,
}

/// How a run ended, in words.
fn end_text(end: &End) -> String {
    match end {
        End::Exit(status) => format!("exit status {:08X} {status}", status.0),
        End::Crash(crash) => {
            format!("unhandled exception {:08X} {} at {}: {}", crash.code.0, crash.code, crash.place, crash.what)
        }
        End::Deadlock(report) => format!("deadlock: {report}"),
        End::Stopped => "it was stopped".into(),
        End::Budget => "the instructions allowed were used up".into(),
        End::Strict(line) => format!("stopped by --strict: {line}"),
        End::BugCheck(found) => {
            format!("bugcheck {:08X} {}: {}", found.code.0, found.code.name().unwrap_or(""), found.what)
        }
    }
}

/// The report of a machine that has been watched and has ended.
pub fn report(machine: &Machine, end: &End, watched: &watcher::Watched, program: &str) -> Report {
    let stats = machine.stats();
    let kernel = machine.kernel();
    let mut report = Report {
        v: SCHEMA,
        program: program.into(),
        profile: kernel.profile.name,
        end: end_text(end),
        exit_code: end.exit_code(),
        instructions: machine.instructions(),
        calls: stats.calls,
        time_ns: watched.elapsed(),
        missing: stats.missing.clone(),
        processes: Vec::new(),
        services: Vec::new(),
        files: Vec::new(),
        registry: Vec::new(),
        objects: Vec::new(),
        network: Vec::new(),
        exceptions: Vec::new(),
        direct: Vec::new(),
        left_out: 0,
        timeline: Timeline::default(),
    };
    watched.fill(&mut report);
    report
}
