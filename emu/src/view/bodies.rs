//! What objects are, in words: a name to call them by, and the state in their bodies.

use guest::access;
use kernel_model::Kernel;
use kernel_model::body::Body;
use kernel_model::cm::KeyId;
use kernel_model::ke::{EventKind, IrTimer};
use kernel_model::ob::{Body as _, Directory, ObjectId, Waiter};
use kernel_model::ps::{Job, Process, ProcessId, ThreadId};
use kernel_model::se::{Token, TokenKind};

use super::files::{file_lines, file_text};
use crate::loader::base_name;

/// A text that a guest chose, on one line: control characters are written as escapes.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

pub(super) fn units(text: &[u16]) -> String {
    printable(&String::from_utf16_lossy(text))
}

/// A number as Windows' tools write one of a machine's width.
pub(super) fn hex(kernel: &Kernel, address: u64) -> String {
    let digits = kernel.profile.arch.bits() as usize / 4;
    format!("0x{address:0digits$x}")
}

/// A number of things.
pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A process's image, by its file's name.
pub(super) fn image(process: &Process) -> String {
    printable(base_name(&process.image))
}

pub(super) fn process(kernel: &Kernel, id: ProcessId) -> String {
    let image = kernel.ps.get(id).map_or("a process that is gone".into(), image);
    format!("{image} ({:#x})", id.0)
}

fn thread(kernel: &Kernel, id: ThreadId) -> String {
    match kernel.ps.thread(id) {
        Some(thread) => format!("{}: {:#x}", process(kernel, thread.process), id.0),
        None => format!("{:#x}", id.0),
    }
}

pub(super) fn user(token: &Token) -> String {
    token.user.sid.name().map_or_else(|| token.user.sid.to_string(), ToString::to_string)
}

/// What tells an object apart: its path, or what it stands for. Empty for an object that has neither.
pub(super) fn title(kernel: &Kernel, id: ObjectId) -> String {
    let Some(object) = kernel.ob.get(id) else { return String::new() };
    if let Some(path) = kernel.ob.path_of(id) {
        return printable(&path);
    }
    // In a private namespace, whose directory has no name.
    if let Some((_, name)) = &object.name {
        return units(name);
    }
    match &object.body {
        Body::File(file) => file_text(kernel, file),
        Body::Process(body) => process(kernel, body.id),
        Body::Thread(body) => thread(kernel, body.id),
        Body::Token(token) => user(token),
        Body::Key(body) => kernel.cm.path_of(body.node).map_or_else(|| "deleted key".into(), |path| printable(&path)),
        _ => String::new(),
    }
}

const fn kind(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Notification => "notification",
        EventKind::Synchronization => "synchronization",
    }
}

const fn state(signaled: bool) -> &'static str {
    if signaled { "signalled" } else { "not signalled" }
}

/// What is in an object's body, in a line or two.
pub(super) fn body(kernel: &Kernel, id: ObjectId) -> Vec<String> {
    let Some(object) = kernel.ob.get(id) else { return Vec::new() };
    let now = Waiter { thread: kernel.ps.thread.id.0, now: kernel.clock.interrupt_time(), side: 0 };
    let signaled = object.body.signaled(now);
    match &object.body {
        Body::Type(index) => type_lines(kernel, *index),
        Body::Directory(directory) => vec![directory_line(kernel, directory)],
        Body::SymbolicLink(target) => vec![format!("leads to {:?}", String::from_utf16_lossy(target))],
        Body::Event(event) => vec![format!("{} event, {}", kind(event.kind), state(event.signaled))],
        Body::EventPair(pair) => {
            let [low, high] = pair.signaled().map(state);
            vec![format!("low event {low}, high event {high}")]
        }
        Body::Mutant(mutant) => {
            let owner =
                mutant.owner.map_or("nobody owns it".into(), |id| format!("owned by {}", thread(kernel, ThreadId(id))));
            let abandoned = if mutant.abandoned { ", abandoned" } else { "" };
            vec![format!("{owner}, signal state {}{abandoned}", mutant.count)]
        }
        Body::Semaphore(semaphore) => vec![format!("count {} of at most {}", semaphore.count, semaphore.limit)],
        Body::Timer(timer) | Body::IrTimer(IrTimer(timer)) => {
            let left = timer.due().map(|due| due.saturating_sub(now.now));
            let due =
                left.map_or("not set".into(), |left| format!("expires in {}.{:04} ms", left / 10_000, left % 10_000));
            vec![format!("{} timer, {}, {due}", kind(timer.kind), state(timer.signaled(now.now)))]
        }
        Body::KeyedEvent(_) => vec!["keyed event".into()],
        Body::Section(section) => vec![format!(
            "{:#x} bytes of the paging file, protection {:#x}, attributes {:#x}",
            section.size,
            section.protect.raw(),
            section.attributes
        )],
        Body::IoCompletion(port) => vec![format!("{} queued", counted(port.packets.len(), "packet"))],
        Body::WorkerFactory(factory) => {
            let workers = kernel.workers_of(factory);
            let [minimum, maximum] = factory.bounds;
            vec![format!(
                "{} of {minimum} to {maximum}, {} waiting; port {}",
                counted(workers.total as usize, "worker"),
                workers.waiting,
                hex(kernel, kernel.address_of(factory.port))
            )]
        }
        Body::File(file) => file_lines(kernel, file),
        Body::Device(device) => vec![format!("{device:?}").to_lowercase()],
        Body::Job(job) => job_lines(kernel, job),
        Body::DebugObject(debug) => {
            let debugged = kernel.ps.iter().filter(|process| process.debug.port == Some(id));
            let debugged: Vec<String> =
                debugged.map(|process| format!("debugs {} ({:#x})", process.image, process.id.0)).collect();
            let told = debug.events.iter().filter(|event| event.read).count();
            let verb = if debug.kill_on_close { "kills" } else { "leaves" };
            let mut lines = vec![
                format!("{verb} what it debugs when its last handle is closed"),
                format!("{}, {told} of them told", counted(debug.events.len(), "event")),
            ];
            lines.extend(debugged);
            lines
        }
        Body::Process(body) => process_lines(kernel, body.id, signaled),
        Body::Thread(body) => thread_lines(kernel, body.id, signaled),
        Body::Token(token) => token_lines(token),
        Body::Key(body) => key_lines(kernel, body.node),
    }
}

fn type_lines(kernel: &Kernel, index: u8) -> Vec<String> {
    let Some(info) = kernel.ob.types.iter().find(|t| t.index == index) else { return Vec::new() };
    let mut lines = vec![format!(
        "type {index:#x}: {}, {}",
        counted(info.objects as usize, "object"),
        counted(info.handles as usize, "handle")
    )];
    if let Some(m) = access::generic_mapping(info.name) {
        lines.push(format!(
            "GENERIC_READ {:#x}, WRITE {:#x}, EXECUTE {:#x}, ALL {:#x}; valid {:#x}",
            m.read.0, m.write.0, m.execute.0, m.all.0, m.valid.0
        ));
    }
    lines
}

fn directory_line(kernel: &Kernel, directory: &Directory) -> String {
    let mut line = counted(directory.len(), "name");
    if directory.private {
        line += ", a private namespace";
    }
    if let Some(shadow) = directory.shadow {
        line += &format!(", and those of {} where it has none", title(kernel, shadow));
    }
    line
}

fn job_lines(kernel: &Kernel, job: &Job) -> Vec<String> {
    let processes: Vec<String> = job.processes.iter().map(|id| process(kernel, *id)).collect();
    let processes = if processes.is_empty() { "none".into() } else { processes.join(", ") };
    let mut lines = vec![format!(
        "processes: {processes}; limit flags {:#x}, UI restrictions {:#x}",
        job.limits.flags, job.ui_restrictions
    )];
    if let Some((port, key)) = job.port {
        lines.push(format!("tells the port at {}, key {key:#x}", hex(kernel, kernel.address_of(port))));
    }
    lines
}

fn process_lines(kernel: &Kernel, id: ProcessId, signaled: Option<bool>) -> Vec<String> {
    let Some(p) = kernel.ps.get(id) else { return Vec::new() };
    let ended = if signaled == Some(true) { format!("ended with {:08X}", p.exit_status.0) } else { "runs".into() };
    vec![
        format!(
            "{}, parent {:#x}, session {}, {}, {ended}",
            process(kernel, id),
            p.parent.0,
            p.session,
            counted(p.handles.count(), "handle")
        ),
        format!("PEB {}, token {}", hex(kernel, p.peb), hex(kernel, kernel.address_of(p.token))),
    ]
}

fn thread_lines(kernel: &Kernel, id: ThreadId, signaled: Option<bool>) -> Vec<String> {
    let Some(t) = kernel.ps.thread(id) else { return Vec::new() };
    let ended = if signaled == Some(true) { format!("ended with {:08X}", t.exit_status.0) } else { "runs".into() };
    let mut line = format!("{}, TEB {}, {ended}", thread(kernel, id), hex(kernel, t.teb));
    if !t.name.is_empty() {
        line += &format!(", called {}", printable(&units(&t.name)));
    }
    if let Some(token) = t.impersonation {
        line += &format!(", impersonates with token {}", hex(kernel, kernel.address_of(token)));
    }
    vec![line]
}

fn key_lines(kernel: &Kernel, id: KeyId) -> Vec<String> {
    let Some(node) = kernel.cm.get(id) else { return Vec::new() };
    let mut line = format!("{}, {}", counted(node.child_count(), "subkey"), counted(node.values.len(), "value"));
    for (holds, word) in [
        (node.volatile, "volatile"),
        (node.link, "a symbolic link"),
        (node.fixed, "a hive's root"),
        (node.deleted, "deleted"),
    ] {
        if holds {
            line += &format!(", {word}");
        }
    }
    vec![line]
}

fn token_lines(token: &Token) -> Vec<String> {
    let kind = match token.kind {
        TokenKind::Primary => "primary".to_string(),
        TokenKind::Impersonation(level) => format!("impersonation, {level:?}"),
    };
    let label = token.label().sid;
    let label = label.name().map_or_else(|| label.to_string(), ToString::to_string);
    let enabled: Vec<&str> = token.privileges.and(token.enabled).iter().map(|p| p.name()).collect();
    let enabled = if enabled.is_empty() { "none".into() } else { enabled.join(", ") };
    vec![
        format!("{kind}, user {}, {label}, session {}, {} groups", user(token), token.session, token.groups.len()),
        format!("{} privileges, of which enabled: {enabled}", token.privileges.iter().count()),
    ]
}
