//! `trapgate handles`: every process's handle table.

use guest::Handle;
use guest::mem::Width;
use kernel_model::Kernel;
use kernel_model::ob::{Body as _, Entry, HandleAttributes, to_kernel_handle};
use kernel_model::ps::Process;
use serde::Serialize;

use super::bodies::{counted, hex, image, title};
use super::html::{Cells, Column, Page};
use super::{Paint, Snapshot};

/// A handle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HandleRow {
    /// The id of the process that has it.
    pub pid: u32,
    /// The process's image.
    pub process: String,
    /// Its value.
    pub handle: String,
    /// The object's type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The object's path, or what it stands for; empty for an object that has neither.
    pub name: String,
    /// What the handle may be used for.
    pub access: String,
    /// The same in names.
    pub decoded_access: String,
    /// `inherit`, `protect`, `audit`.
    pub attributes: Vec<&'static str>,
    /// The object's address.
    pub address: String,
    /// The object's handles.
    pub handle_count: u32,
    /// The object's references, as its header counts them.
    pub pointer_count: u64,
}

/// A process with its handles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HandleTables {
    /// The Windows build.
    pub profile: &'static str,
    /// When it was taken.
    pub moment: String,
    /// The processes: id, image, handles.
    pub processes: Vec<(u32, String, usize)>,
    /// The handles, by process and value.
    pub rows: Vec<HandleRow>,
}

/// The attributes' names, as Windows' `OBJ_*` have them.
const ATTRIBUTES: &[(HandleAttributes, &str)] = &[
    (HandleAttributes::INHERIT, "inherit"),
    (HandleAttributes::PROTECT_CLOSE, "protect"),
    (HandleAttributes::AUDIT_OBJECT_CLOSE, "audit"),
];

/// The id of the process that the kernel's handles are listed under.
const SYSTEM: u32 = 4;

/// Every handle there is, by process and value; the kernel's are the System process's.
pub(super) fn all_handles(kernel: &Kernel) -> Vec<HandleRow> {
    let mut processes: Vec<&Process> = kernel.ps.iter().collect();
    processes.sort_by_key(|p| p.id);
    let of_kernel = kernel.ob.kernel_handles.iter();
    let of_kernel =
        of_kernel.filter_map(|(key, entry)| handle_row(kernel, (SYSTEM, "System"), to_kernel_handle(key), entry));
    let mut rows: Vec<HandleRow> = of_kernel.collect();
    for process in processes {
        let owner = image(process);
        let own = process.handles.iter();
        rows.extend(own.filter_map(|(handle, entry)| handle_row(kernel, (process.id.0, &owner), handle, entry)));
    }
    rows
}

fn handle_row(kernel: &Kernel, (pid, process): (u32, &str), handle: Handle, entry: &Entry) -> Option<HandleRow> {
    let object = kernel.ob.get(entry.object)?;
    let kind = object.body.object_type().name();
    let has = |attribute: &&(HandleAttributes, &str)| entry.attributes.contains(attribute.0);
    Some(HandleRow {
        pid,
        process: process.to_string(),
        handle: match kernel.width() {
            Width::W32 => format!("{:#x}", handle.0 as u32),
            Width::W64 => format!("{:#x}", handle.0),
        },
        kind,
        name: title(kernel, entry.object),
        access: format!("0x{:08x}", entry.granted.0),
        decoded_access: entry.granted.describe(kind),
        attributes: ATTRIBUTES.iter().filter(has).map(|a| a.1).collect(),
        address: hex(kernel, kernel.address_of(entry.object)),
        handle_count: object.handle_count,
        pointer_count: object.pointer_count(),
    })
}

/// The handles of every process; those of Windows' own only with `all`.
pub fn handles(snapshot: &Snapshot, all: bool) -> HandleTables {
    let kernel = &snapshot.kernel;
    let mut processes: Vec<&Process> = kernel.ps.iter().filter(|p| all || !p.about.booted).collect();
    processes.sort_by_key(|p| p.id);
    let mut counts: Vec<(u32, String, usize)> =
        processes.iter().map(|p| (p.id.0, image(p), p.handles.count())).collect();
    let of_kernel = kernel.ob.kernel_handles.count();
    match counts.iter_mut().find(|(pid, ..)| *pid == SYSTEM) {
        Some((.., count)) => *count += of_kernel,
        None if of_kernel > 0 => counts.insert(0, (SYSTEM, "System".into(), of_kernel)),
        None => {}
    }
    let mut rows = all_handles(kernel);
    rows.retain(|row| counts.iter().any(|(pid, ..)| *pid == row.pid));
    HandleTables { profile: kernel.profile.name, moment: snapshot.moment.clone(), processes: counts, rows }
}

impl HandleTables {
    fn of(&self, pid: u32) -> impl Iterator<Item = &HandleRow> {
        self.rows.iter().filter(move |row| row.pid == pid)
    }

    fn note(&self) -> String {
        format!("{}, taken {}", counted(self.rows.len(), "handle"), self.moment)
    }
}

/// The columns.
const COLUMNS: [Column; 9] = [
    Column("handle", Cells::Text),
    Column("type", Cells::Text),
    Column("access", Cells::Text),
    Column("attributes", Cells::Text),
    Column("address", Cells::Text),
    Column("handles", Cells::Number),
    Column("pointers", Cells::Number),
    Column("name", Cells::Wide),
    Column("decoded access", Cells::Wide),
];

fn cells(row: &HandleRow) -> [String; 9] {
    [
        row.handle.clone(),
        row.kind.to_string(),
        row.access.clone(),
        row.attributes.join(","),
        row.address.clone(),
        row.handle_count.to_string(),
        row.pointer_count.to_string(),
        row.name.clone(),
        row.decoded_access.clone(),
    ]
}

/// Columns of names are no wider than this.
const WIDEST: usize = 56;

/// The tables as text.
pub fn handles_text(page: &HandleTables, paint: Paint) -> String {
    let heads = COLUMNS.map(|Column(head, _)| head.to_string());
    let lines: Vec<[String; 9]> = std::iter::once(heads.clone()).chain(page.rows.iter().map(cells)).collect();
    let wide = |cell: &String| cell.chars().count().min(WIDEST);
    let widths: [usize; 9] =
        std::array::from_fn(|i| lines.iter().filter_map(|line| line.get(i)).map(wide).max().unwrap_or(0));
    let line = |cells: &[String; 9]| {
        let cells = cells.iter().zip(widths).zip(COLUMNS).map(|((cell, width), Column(_, cells))| match cells {
            Cells::Number => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut text = String::new();
    for (pid, image, count) in &page.processes {
        text += &format!("{} ({pid:#x}), {}\n", paint.name(image), counted(*count, "handle"));
        if *count > 0 {
            text += &line(&heads);
        }
        page.of(*pid).for_each(|row| text += &line(&cells(row)));
        text.push('\n');
    }
    text + &format!("{}\n", page.note())
}

/// The tables for a browser.
pub fn handles_html(page: &HandleTables) -> String {
    let mut html = Page::new(&format!("Handles of {}", page.profile), &page.note());
    for (pid, image, count) in &page.processes {
        html.heading(&format!("{image} ({pid:#x}), {}", counted(*count, "handle")));
        html.table(&COLUMNS, page.of(*pid).map(|row| cells(row).map(|cell| cell.replace('|', " | ")).to_vec()));
    }
    html.finish()
}
