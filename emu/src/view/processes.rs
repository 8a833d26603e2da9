//! `trapgate ps`: the processes of a machine as a tree.

use guest::NtStatus;
use kernel_model::Kernel;
use kernel_model::body::Body;
use kernel_model::ps::{Process, ProcessId};
use kernel_model::se::{Protection, Sid, Token};
use serde::Serialize;

use super::bodies::{counted, image, user};
use super::html::{Cells, Column, Page};
use super::{Paint, Snapshot};

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProcessRow {
    /// Its id.
    pub pid: u32,
    /// Its parent's id; the parent may have ended.
    pub parent: u32,
    /// How many of its ancestors are there.
    pub depth: usize,
    /// Its session.
    pub session: u32,
    /// Whose token it has.
    pub user: String,
    /// Its mandatory level; empty on builds without.
    pub integrity: &'static str,
    /// Threads that have not ended.
    pub threads: usize,
    /// Open handles.
    pub handles: usize,
    /// Its end would be the machine's.
    pub critical: bool,
    /// How it is protected: `PP` or `PPL`, and the signer; empty if it is not.
    pub protection: String,
    /// It was made at boot, and runs no code here.
    pub booted: bool,
    /// Its exit status, once it has ended.
    pub exit_status: Option<String>,
    /// Its image.
    pub image: String,
    /// Where the image is.
    pub path: String,
    /// Its command line.
    pub command_line: String,
}

/// The processes at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Processes {
    /// The Windows build.
    pub profile: &'static str,
    /// When it was taken.
    pub moment: String,
    /// The processes: each, and behind it its children by id.
    pub rows: Vec<ProcessRow>,
}

/// `PS_PROTECTED_SIGNER` names.
const SIGNERS: [&str; 9] =
    ["None", "Authenticode", "CodeGen", "Antimalware", "Lsa", "Windows", "WinTcb", "WinSystem", "App"];

fn protection(value: Protection) -> String {
    let kind = match value.0 & 7 {
        0 => return String::new(),
        1 => "PPL",
        _ => "PP",
    };
    format!("{kind}-{}", SIGNERS.get(usize::from(value.0 >> 4)).unwrap_or(&"?"))
}

/// The last word of a level's name: Medium of `Mandatory Label\Medium Mandatory Level`.
fn integrity(kernel: &Kernel, token: &Token) -> &'static str {
    let name = Sid::integrity(token.integrity).name().and_then(|name| name.strip_prefix("Mandatory Label\\"));
    let short = name.and_then(|name| name.strip_suffix(" Mandatory Level")).unwrap_or("?");
    if kernel.se.mandatory { short } else { "" }
}

fn token<'k>(kernel: &'k Kernel, process: &Process) -> Option<&'k Token> {
    match kernel.ob.get(process.token).map(|object| &object.body) {
        Some(Body::Token(token)) => Some(token),
        _ => None,
    }
}

fn row(kernel: &Kernel, process: &Process, depth: usize) -> ProcessRow {
    let token = token(kernel, process);
    let running = |t: &&kernel_model::ps::Thread| t.process == process.id && t.exit_status == NtStatus::PENDING;
    let about = &process.about;
    ProcessRow {
        pid: process.id.0,
        parent: process.parent.0,
        depth,
        session: process.session,
        user: token.map_or_else(|| "?".into(), user),
        integrity: token.map_or("", |token| integrity(kernel, token)),
        threads: kernel.ps.threads().filter(running).count(),
        handles: process.handles.count(),
        critical: about.critical,
        protection: protection(process.protection),
        booted: about.booted,
        exit_status: (process.exit_status != NtStatus::PENDING).then(|| format!("{:08X}", process.exit_status.0)),
        image: image(process),
        path: super::bodies::printable(&about.path),
        command_line: super::bodies::printable(&about.command_line),
    }
}

/// The processes that a page shows: of a machine that has started nothing, those of Windows.
pub(super) fn shown(snapshot: &Snapshot) -> Vec<&Process> {
    let only_boot = snapshot.started_nothing;
    let mut all: Vec<&Process> = snapshot.kernel.ps.iter().filter(|p| !only_boot || p.about.booted).collect();
    all.sort_by_key(|process| process.id);
    all
}

/// The processes as a tree. One whose parent is not there, or is younger than it, stands at the root.
pub fn processes(snapshot: &Snapshot) -> Processes {
    let kernel = &snapshot.kernel;
    let all = shown(snapshot);
    let parent = |process: &Process| -> Option<ProcessId> {
        let found = all.iter().find(|p| p.id == process.parent && p.id != process.id)?;
        (found.about.created <= process.about.created).then_some(found.id)
    };
    let children = |of: Option<ProcessId>| all.iter().rev().filter(move |p| parent(p) == of);
    let mut rest: Vec<(&Process, usize)> = children(None).map(|p| (*p, 0)).collect();
    let mut rows = Vec::new();
    while let Some((process, depth)) = rest.pop() {
        rows.push(row(kernel, process, depth));
        rest.extend(children(Some(process.id)).map(|p| (*p, depth + 1)));
    }
    Processes { profile: kernel.profile.name, moment: snapshot.moment.clone(), rows }
}

impl Processes {
    fn note(&self) -> String {
        let one = if self.rows.len() == 1 { "1 process".into() } else { format!("{} processes", self.rows.len()) };
        let booted = self.rows.iter().filter(|row| row.booted).count();
        format!("{one}, of which {booted} are there from boot on and run no code here; taken {}", self.moment)
    }
}

const COLUMNS: [Column; 10] = [
    Column("process", Cells::Text),
    Column("pid", Cells::Number),
    Column("parent", Cells::Number),
    Column("session", Cells::Number),
    Column("user", Cells::Text),
    Column("integrity", Cells::Text),
    Column("threads", Cells::Number),
    Column("handles", Cells::Number),
    Column("critical", Cells::Text),
    Column("protected", Cells::Text),
];

fn cells(row: &ProcessRow) -> [String; 10] {
    let ended = row.exit_status.as_ref().map_or(String::new(), |status| format!(", ended with {status}"));
    // SYSTEM says as much as NT AUTHORITY\SYSTEM, and of an account without a name the last number.
    let user = match row.user.strip_prefix("S-1-5-21-").and_then(|rest| rest.rsplit('-').next()) {
        Some(number) => format!("S-1-5-21-...-{number}"),
        None => row.user.rsplit('\\').next().unwrap_or(&row.user).to_string(),
    };
    [
        format!("{}{}{ended}", "  ".repeat(row.depth), row.image),
        row.pid.to_string(),
        row.parent.to_string(),
        row.session.to_string(),
        user,
        row.integrity.to_string(),
        row.threads.to_string(),
        row.handles.to_string(),
        if row.critical { "critical".into() } else { String::new() },
        row.protection.clone(),
    ]
}

/// The tree as text.
pub fn processes_text(page: &Processes, paint: Paint) -> String {
    let lines: Vec<_> = page.rows.iter().map(cells).collect();
    let name = |line: usize, cell: &str| match page.rows.get(line) {
        Some(row) if row.booted => cell.to_string(),
        _ => paint.name(cell),
    };
    super::html::text_table(&COLUMNS, &lines, name) + &format!("\n{}\n", page.note())
}

/// The tree for a browser.
pub fn processes_html(page: &Processes) -> String {
    let mut html = Page::new(&format!("Processes of {}", page.profile), &page.note());
    html.table(&COLUMNS, page.rows.iter().map(|row| cells(row).to_vec()));
    html.heading("Command lines");
    let columns = [Column("pid", Cells::Number), Column("command line", Cells::Wide)];
    let lines = page.rows.iter().filter(|row| !row.command_line.is_empty());
    html.table(&columns, lines.map(|row| vec![row.pid.to_string(), row.command_line.clone()]));
    html.finish()
}

/// A heading above a process's threads.
pub(super) fn heading(process: &Process, threads: usize) -> String {
    format!("{} ({}), {}", image(process), process.id.0, counted(threads, "thread"))
}
