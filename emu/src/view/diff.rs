//! `trapgate ssdt --diff`: what is another thing in another build's service tables.

use std::collections::BTreeMap;

use guest::Profile;
use guest::services::ServiceTableId;
use serde::Serialize;

use super::Paint;
use super::number::args_text;

/// Two builds' tables compared.
#[derive(Clone, Debug, Serialize)]
pub struct SsdtDiff {
    /// The profile that is compared.
    pub from: &'static str,
    /// The profile it is compared with.
    pub to: &'static str,
    /// One is x86 and one x64: they count arguments in 4-byte slots and 8-byte words.
    pub architectures_differ: bool,
    /// The NT table and the win32k table.
    pub tables: Vec<TableDiff>,
}

/// One table of two builds compared. A service is told by its name.
#[derive(Clone, Debug, Serialize)]
pub struct TableDiff {
    /// `nt` or `win32k`.
    pub table: &'static str,
    /// Rows in each build.
    pub rows: [usize; 2],
    /// Rows in each build of which nobody has published the name.
    pub unnamed: [usize; 2],
    /// Services that have the same number in both.
    pub stayed: usize,
    /// Services whose number is another.
    pub moved: Vec<Moved>,
    /// Services of the second build alone.
    pub appeared: Vec<Listed>,
    /// Services of the first build alone.
    pub vanished: Vec<Listed>,
    /// Services of both that take another number of arguments, moved or not.
    pub arguments: Vec<Arguments>,
}

/// A service with two numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Moved {
    /// Its name.
    pub service: &'static str,
    /// Its number in each build.
    pub numbers: [u32; 2],
}

/// A service that only one of the builds has.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Its name.
    pub service: &'static str,
    /// Its number.
    pub number: u32,
    /// Its arguments; `null` where nobody has published the count.
    pub args: Option<u32>,
}

/// A service with two argument counts.
#[derive(Clone, Debug, Serialize)]
pub struct Arguments {
    /// Its name.
    pub service: &'static str,
    /// Its number in the second build.
    pub number: u32,
    /// Its arguments in each build.
    pub args: [u32; 2],
}

/// Compares two builds.
pub fn ssdt_diff(from: &'static Profile, to: &'static Profile) -> SsdtDiff {
    let tables = [ServiceTableId::Nt, ServiceTableId::Win32k];
    SsdtDiff {
        from: from.name,
        to: to.name,
        architectures_differ: from.arch != to.arch,
        tables: tables.map(|table| table_diff(table, [from, to])).into(),
    }
}

fn listed(profile: &'static Profile, table: ServiceTableId) -> Vec<Listed> {
    let row =
        |s: guest::stub::StubService| Listed { service: s.info.name, number: s.number, args: s.words(profile.arch) };
    profile.services(table).map(row).collect()
}

fn table_diff(table: ServiceTableId, profiles: [&'static Profile; 2]) -> TableDiff {
    let rows = profiles.map(|p| p.table_size(table));
    let [before, after] = profiles.map(|p| listed(p, table));
    let mut diff = TableDiff {
        table: table.name(),
        rows,
        unnamed: [rows[0] - before.len(), rows[1] - after.len()],
        stayed: 0,
        moved: Vec::new(),
        appeared: Vec::new(),
        vanished: Vec::new(),
        arguments: Vec::new(),
    };
    let mut left: BTreeMap<&str, Listed> = after.into_iter().map(|s| (s.service, s)).collect();
    for old in before {
        let Some(new) = left.remove(old.service) else {
            diff.vanished.push(old);
            continue;
        };
        if old.number == new.number {
            diff.stayed += 1;
        } else {
            diff.moved.push(Moved { service: old.service, numbers: [old.number, new.number] });
        }
        if let (Some(a), Some(b)) = (old.args, new.args)
            && a != b
        {
            diff.arguments.push(Arguments { service: old.service, number: new.number, args: [a, b] });
        }
    }
    diff.appeared = left.into_values().collect();
    diff.appeared.sort_by_key(|s| s.number);
    diff
}

/// The comparison as a listing: a section for each kind of change, and totals.
pub fn diff_text(diff: &SsdtDiff, paint: Paint) -> String {
    let mut text = String::new();
    for table in &diff.tables {
        let names = table.moved.iter().map(|m| m.service).chain(table.appeared.iter().map(|s| s.service));
        let names =
            names.chain(table.vanished.iter().map(|s| s.service)).chain(table.arguments.iter().map(|a| a.service));
        let width = names.map(str::len).max().unwrap_or(0);
        let name = |service: &str| paint.name(&format!("{service:<width$}"));
        let one = |s: &Listed| format!("{} {:#6x}  {}", name(s.service), s.number, args_text(s.args));
        let moved = |m: &Moved| format!("{} {:#6x} -> {:#x}", name(m.service), m.numbers[0], m.numbers[1]);
        let args = |a: &Arguments| {
            format!("{} {:#6x}  {} -> {}", name(a.service), a.number, args_text(Some(a.args[0])), a.args[1])
        };
        text += &section(table.table, "moved", table.moved.iter().map(moved).collect(), paint);
        text += &section(table.table, "appeared", table.appeared.iter().map(one).collect(), paint);
        text += &section(table.table, "vanished", table.vanished.iter().map(one).collect(), paint);
        text += &section(table.table, "arguments", table.arguments.iter().map(args).collect(), paint);
    }
    text + &totals(diff)
}

fn section(table: &str, title: &str, lines: Vec<String>, paint: Paint) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let head = paint.bold(&format!("{table}: {title}"));
    lines.iter().fold(head + "\n", |text, line| text + "  " + line + "\n") + "\n"
}

fn totals(diff: &SsdtDiff) -> String {
    let mut text = format!("{} -> {}\n", diff.from, diff.to);
    if diff.architectures_differ {
        text += "the architectures differ: x86 counts arguments in 4-byte slots, x64 in 8-byte words\n";
    }
    for table in &diff.tables {
        text += &format!(
            "{}: {} -> {} rows: {} stayed, {} moved, {} appeared, {} vanished, {} with another number of arguments\n",
            table.table,
            table.rows[0],
            table.rows[1],
            table.stayed,
            table.moved.len(),
            table.appeared.len(),
            table.vanished.len(),
            table.arguments.len()
        );
        for (profile, unnamed) in [diff.from, diff.to].iter().zip(table.unnamed).filter(|(_, n)| *n > 0) {
            text += &format!(
                "{profile}: nobody has published the names of {unnamed} {} rows; what appears or vanishes may be there\n",
                table.table
            );
        }
    }
    text
}
