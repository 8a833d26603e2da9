//! `trapgate number`: what a service number is on every build, and which number a service has.

use guest::builds::{Run, runs};
use guest::profile::Found;
use guest::services::ServiceInfo;
use guest::{Arch, Profile};
use serde::Serialize;

use super::Paint;

/// What a number is on some build. The serialised form has `is` for the variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Meaning {
    /// A service.
    Service {
        /// Its name.
        service: &'static str,
        /// `nt` or `win32k`.
        table: &'static str,
        /// Its number, with the table's bits: the one asked for without the bits that the dispatcher ignores.
        number: u32,
        /// Arguments: 8-byte words, 4-byte slots on x86; `null` where nobody has published the count.
        args: Option<u32>,
    },
    /// A row of a table of which nobody has published the name.
    Unnamed {
        /// `nt` or `win32k`.
        table: &'static str,
    },
    /// Past the end of its table: `STATUS_INVALID_SYSTEM_SERVICE`.
    OutOfRange {
        /// `nt` or `win32k`.
        table: &'static str,
        /// The table's rows.
        rows: usize,
    },
    /// The number names no table: `STATUS_INVALID_SYSTEM_SERVICE`.
    NoTable,
    /// The build has no service of this name.
    NotThere,
}

/// Neighbouring builds on which the answer is the same.
#[derive(Clone, Debug, Serialize)]
pub struct NumberRun {
    /// `x86` or `x64`.
    pub arch: &'static str,
    /// The profiles, oldest first.
    pub profiles: Vec<&'static str>,
    /// What the number is on each of them.
    #[serde(flatten)]
    pub meaning: Meaning,
    /// The first and the last profile.
    #[serde(skip)]
    range: String,
}

impl Meaning {
    fn of_number(profile: &Profile, number: u32) -> Self {
        match profile.find(number) {
            Found::Service(service) => Self::Service {
                service: service.info.name,
                table: service.info.table.name(),
                number: service.number,
                args: service.words(profile.arch),
            },
            Found::Unnamed(table) => Self::Unnamed { table: table.name() },
            Found::OutOfRange(table) => Self::OutOfRange { table: table.name(), rows: profile.table_size(table) },
            Found::NoTable => Self::NoTable,
        }
    }

    fn of_service(profile: &Profile, service: &ServiceInfo) -> Self {
        profile.number(service.name).map_or(Self::NotThere, |number| Self::of_number(profile, number))
    }
}

fn number_runs(archs: &[Arch], meaning: impl Fn(&'static Profile) -> Meaning) -> Vec<NumberRun> {
    let row = |arch: Arch, run: Run<Meaning>| NumberRun {
        arch: arch.name(),
        range: run.to_string(),
        profiles: run.profiles.iter().map(|p| p.name).collect(),
        meaning: run.value,
    };
    archs.iter().flat_map(|&arch| runs(arch, &meaning).into_iter().map(move |run| row(arch, run))).collect()
}

/// What a service number is on every build of these architectures.
pub fn number_rows(archs: &[Arch], number: u32) -> Vec<NumberRun> {
    number_runs(archs, |profile| Meaning::of_number(profile, number))
}

/// The number of a service on every build of these architectures.
pub fn service_rows(archs: &[Arch], service: &ServiceInfo) -> Vec<NumberRun> {
    number_runs(archs, |profile| Meaning::of_service(profile, service))
}

/// `1 arg`, `5 args`, `? args`.
pub(super) fn args_text(args: Option<u32>) -> String {
    match args {
        Some(1) => "1 arg".into(),
        Some(n) => format!("{n} args"),
        None => "? args".into(),
    }
}

/// The rows as a listing: names where a number was asked for, numbers where a name was.
pub fn number_text(rows: &[NumberRun], asked: Option<u32>, paint: Paint) -> String {
    let cells: Vec<(&str, String, String)> = rows.iter().map(|row| cells(row, asked)).collect();
    let ranges = cells.iter().map(|c| c.0.len()).max().unwrap_or(0);
    let middles = cells.iter().filter(|c| !c.2.is_empty()).map(|c| c.1.len()).max().unwrap_or(0);
    let line = |(range, middle, rest): &(&str, String, String)| match rest.as_str() {
        "" => format!("{range:<ranges$}  {}\n", paint.dim(middle)),
        rest => format!("{range:<ranges$}  {}  {rest}\n", paint.name(&format!("{middle:<middles$}"))),
    };
    cells.iter().map(line).collect()
}

/// A row's profiles, the name or number, and the arguments; nothing in the last where there is no service.
fn cells(row: &NumberRun, asked: Option<u32>) -> (&str, String, String) {
    let aside = |text: String| (row.range.as_str(), text, String::new());
    match row.meaning {
        Meaning::Service { service, number, args, .. } => {
            let middle = if asked.is_some() { service.to_string() } else { format!("{number:#x}") };
            // The dispatcher of the build ignores bits that the number has.
            let read_as = asked.filter(|n| *n != number).map(|_| format!("  read as {number:#x}"));
            (&row.range, middle, args_text(args) + &read_as.unwrap_or_default())
        }
        Meaning::Unnamed { table } => aside(format!("a row of the {table} table whose name nobody has published")),
        Meaning::OutOfRange { table, rows: 0 } => aside(format!("the build has no {table} table")),
        Meaning::OutOfRange { table, rows } => aside(format!("out of range: the {table} table has {rows} rows")),
        Meaning::NoTable => aside("bits 12 and 13 name no table".into()),
        Meaning::NotThere => aside("not there".into()),
    }
}
