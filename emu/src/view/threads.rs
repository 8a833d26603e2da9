//! `trapgate ps --threads`: every process's threads.

use guest::NtStatus;
use kernel_model::Kernel;
use kernel_model::ps::{THREAD_STATES, Thread, WAIT_REASONS};
use serde::Serialize;

use super::bodies::{counted, hex};
use super::html::{Cells, Column, Page, text_table};
use super::processes::{heading, shown};
use super::{Paint, Snapshot};
use crate::loader::Modules;

/// A thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ThreadRow {
    /// Its process's id.
    pub pid: u32,
    /// Its id.
    pub tid: u32,
    /// `KTHREAD_STATE`.
    pub state: &'static str,
    /// `KWAIT_REASON` of one that waits.
    pub wait_reason: Option<&'static str>,
    /// Its priority.
    pub priority: u8,
    /// The one it goes back to.
    pub base_priority: u8,
    /// Its TEB; null for a thread without user mode, or one whose process's memory is not there.
    pub teb: Option<String>,
    /// Where it started.
    pub start: String,
    /// The same with module and symbol.
    pub symbol: String,
    /// Its end would be the machine's.
    pub critical: bool,
    /// Its exit status, once it has ended.
    pub exit_status: Option<String>,
}

/// The threads at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Threads {
    /// The Windows build.
    pub profile: &'static str,
    /// When it was taken.
    pub moment: String,
    /// The processes: id, what a heading says.
    pub processes: Vec<(u32, String)>,
    /// Their threads, by process and id.
    pub rows: Vec<ThreadRow>,
}

fn row(kernel: &Kernel, modules: Option<&Modules>, thread: &Thread) -> ThreadRow {
    let about = &thread.about;
    let (state, reason) = kernel.thread_state(thread);
    let state = THREAD_STATES.get(usize::from(state)).copied().unwrap_or("?");
    let waits = state == "Waiting";
    let symbol = match (about.symbol, modules) {
        ("", Some(modules)) => modules.describe(thread.start_address),
        (symbol, _) => symbol.to_string(),
    };
    ThreadRow {
        pid: thread.process.0,
        tid: thread.id.0,
        state,
        wait_reason: WAIT_REASONS.get(usize::from(reason)).copied().filter(|_| waits),
        priority: thread.priority,
        base_priority: thread.base_priority,
        teb: (thread.teb != 0).then(|| hex(kernel, thread.teb)),
        start: hex(kernel, thread.start_address),
        symbol,
        critical: about.critical,
        exit_status: (thread.exit_status != NtStatus::PENDING).then(|| format!("{:08X}", thread.exit_status.0)),
    }
}

/// The threads of every process.
pub fn threads(snapshot: &Snapshot) -> Threads {
    let kernel = &snapshot.kernel;
    let (mut processes, mut rows) = (Vec::new(), Vec::new());
    for process in shown(snapshot) {
        let mut own: Vec<&Thread> = kernel.ps.threads().filter(|t| t.process == process.id).collect();
        own.sort_by_key(|thread| thread.id);
        processes.push((process.id.0, heading(process, own.len())));
        rows.extend(own.into_iter().map(|thread| row(kernel, snapshot.modules.as_ref(), thread)));
    }
    Threads { profile: kernel.profile.name, moment: snapshot.moment.clone(), processes, rows }
}

impl Threads {
    fn of(&self, pid: u32) -> Vec<[String; 6]> {
        self.rows.iter().filter(|row| row.pid == pid).map(cells).collect()
    }

    fn note(&self) -> String {
        format!("{}, taken {}", counted(self.rows.len(), "thread"), self.moment)
    }
}

const COLUMNS: [Column; 6] = [
    Column("tid", Cells::Number),
    Column("state", Cells::Text),
    Column("wait reason", Cells::Text),
    Column("priority", Cells::Number),
    Column("start", Cells::Text),
    Column("symbol", Cells::Text),
];

fn cells(row: &ThreadRow) -> [String; 6] {
    let state = row.exit_status.as_ref().map_or(row.state.to_string(), |status| format!("{} {status}", row.state));
    [
        row.tid.to_string(),
        state + if row.critical { ", critical" } else { "" },
        row.wait_reason.unwrap_or("").to_string(),
        row.priority.to_string(),
        row.start.clone(),
        row.symbol.clone(),
    ]
}

/// The threads as text.
pub fn threads_text(page: &Threads, paint: Paint) -> String {
    let mut text = String::new();
    for (pid, heading) in &page.processes {
        text += &format!("{}\n", paint.name(heading));
        text += &text_table(&COLUMNS, &page.of(*pid), |_, cell| cell.to_string());
        text.push('\n');
    }
    text + &format!("{}\n", page.note())
}

/// The threads for a browser.
pub fn threads_html(page: &Threads) -> String {
    let mut html = Page::new(&format!("Threads of {}", page.profile), &page.note());
    for (pid, heading) in &page.processes {
        html.heading(heading);
        html.table(&COLUMNS, page.of(*pid).into_iter().map(|row| row.to_vec()));
    }
    html.finish()
}
