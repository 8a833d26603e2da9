//! Who takes notes of a run for its report.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use guest::NtStatus;

use super::timeline::{Kind, Timeline};
use super::{DirectPart, ModulePart, ProcessPart, Raised, Report, ServicePart, Touched};
use crate::machine::{Crash, End, trap_address};
use crate::trace::{CallEnd, CallStart, Observer, View};

/// How many names, places or exceptions of a kind are kept.
const MOST: usize = 10_000;

/// What begins the names of network devices, in lower case.
const NETWORK: &[&str] = &[
    r"\device\afd",
    r"\device\tcp",
    r"\device\udp",
    r"\device\ip",
    r"\device\rawip",
    r"\device\netbt",
    r"\device\nsi",
    r"\??\nsi",
    r"\device\http\",
    r"\device\mup",
    r"\??\unc\",
    r"\device\lanmanredirector",
];

#[derive(Clone, Debug, Default)]
struct Count {
    calls: u64,
    failed: u64,
    statuses: BTreeMap<u32, u64>,
}

#[derive(Clone, Debug, Default)]
struct Name {
    services: BTreeSet<&'static str>,
    calls: u64,
    failed: u64,
    last: Option<NtStatus>,
}

#[derive(Clone, Debug, Default)]
struct Of {
    calls: u64,
    threads: BTreeSet<u32>,
    modules: Vec<ModulePart>,
}

/// Where a name belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum List {
    Files,
    Registry,
    Objects,
    Network,
}

/// What has been seen of a run.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    start_ns: Option<u64>,
    now_ns: u64,
    processes: BTreeMap<u32, Of>,
    services: BTreeMap<Option<&'static str>, Count>,
    names: BTreeMap<(List, String), Name>,
    exceptions: BTreeMap<(u32, String), (String, u64)>,
    direct: BTreeMap<(u64, u32), DirectPart>,
    left_out: u64,
    timeline: Timeline,
}

impl Watched {
    /// Virtual time between the first call and the last.
    pub(super) fn elapsed(&self) -> u64 {
        self.now_ns - self.start_ns.unwrap_or(self.now_ns)
    }

    fn note_time(&mut self, now_ns: u64) {
        self.start_ns.get_or_insert(now_ns);
        self.now_ns = now_ns;
    }

    fn name(&mut self, list: List, name: String, service: &'static str, status: Option<NtStatus>) {
        if self.names.len() >= MOST && !self.names.contains_key(&(list, name.clone())) {
            self.left_out += 1;
            return;
        }
        let entry = self.names.entry((list, name)).or_default();
        entry.services.insert(service);
        entry.calls += 1;
        entry.failed += u64::from(status.is_some_and(|s| s.is_error()));
        entry.last = status.or(entry.last);
    }

    fn direct(&mut self, view: &View<'_>, end: &CallEnd<'_>) {
        let at = trap_address(end.call);
        if self.direct.len() >= MOST && !self.direct.contains_key(&(at, end.call.number)) {
            self.left_out += 1;
            return;
        }
        let part = self.direct.entry((at, end.call.number)).or_insert_with(|| DirectPart {
            place: view.modules.describe(at),
            gate: end.call.gate.name(),
            service: end.row.map(|row| row.info.name),
            number: end.call.number,
            calls: 0,
        });
        part.calls += 1;
    }

    fn note_modules(&mut self, view: &View<'_>) {
        let modules = view.modules.iter().map(|module| ModulePart {
            path: if module.path.is_empty() { module.name.clone() } else { module.path.clone() },
            base: format!("{:#x}", module.base),
            size: module.size,
        });
        self.processes.entry(view.kernel.ps.process.id.0).or_default().modules = modules.collect();
    }

    /// Puts it all into a report.
    pub(super) fn fill(&self, report: &mut Report) {
        let process = |(pid, of): (&u32, &Of)| ProcessPart {
            pid: *pid,
            calls: of.calls,
            threads: of.threads.iter().copied().collect(),
            modules: of.modules.clone(),
        };
        report.processes = self.processes.iter().map(process).collect();
        report.services = self.services.iter().map(|(service, count)| service_part(*service, count)).collect();
        report.services.sort_by(|a, b| b.calls.cmp(&a.calls).then(a.service.cmp(&b.service)));
        for ((list, name), seen) in &self.names {
            let touched = Touched {
                name: name.clone(),
                services: seen.services.iter().copied().collect(),
                calls: seen.calls,
                failed: seen.failed,
                last: seen.last.map_or_else(|| "does not return".into(), |status| status.to_string()),
            };
            match list {
                List::Files => report.files.push(touched),
                List::Registry => report.registry.push(touched),
                List::Objects => report.objects.push(touched),
                List::Network => report.network.push(touched),
            }
        }
        let raised = |((code, place), (what, times)): (&(u32, String), &(String, u64))| Raised {
            code: format!("{code:08X} {}", NtStatus(*code)),
            place: place.clone(),
            what: what.clone(),
            times: *times,
        };
        report.exceptions = self.exceptions.iter().map(raised).collect();
        report.direct = self.direct.values().cloned().collect();
        report.left_out = self.left_out;
        report.timeline = self.timeline.clone();
    }
}

fn service_part(service: Option<&'static str>, count: &Count) -> ServicePart {
    let mut statuses: Vec<_> = count.statuses.iter().map(|(s, n)| (NtStatus(*s).to_string(), *n)).collect();
    statuses.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    ServicePart { service, calls: count.calls, failed: count.failed, statuses }
}

fn list_of(service: &str, name: &str) -> List {
    let lower = name.to_lowercase();
    if NETWORK.iter().any(|start| lower.starts_with(start)) {
        return List::Network;
    }
    match Kind::of(service) {
        Kind::Files => List::Files,
        Kind::Registry => List::Registry,
        _ => List::Objects,
    }
}

/// An observer that takes notes.
pub struct ReportWatcher {
    notes: Rc<RefCell<Watched>>,
    /// What the call under way names.
    name: Option<String>,
}

impl ReportWatcher {
    /// An observer, and what it will have seen.
    pub fn new() -> (Self, Rc<RefCell<Watched>>) {
        let notes = Rc::default();
        (Self { notes: Rc::clone(&notes), name: None }, notes)
    }
}

impl Observer for ReportWatcher {
    fn call_start(&mut self, view: &View<'_>, start: &CallStart<'_>) {
        self.notes.borrow_mut().note_time(view.kernel.clock.tsc());
        self.name = start.row.filter(|_| start.fetched).and_then(|row| view.object_named(start.call, row));
    }

    fn call_end(&mut self, view: &View<'_>, end: &CallEnd<'_>) {
        let mut notes = self.notes.borrow_mut();
        let service = end.row.map(|row| row.info.name);
        let elapsed = notes.elapsed();
        let is_direct = view.origin(end.call, end.before).is_direct();
        let slice = notes.timeline.at(elapsed);
        if let Some(calls) = slice.calls.get_mut(service.map_or(Kind::Other, Kind::of) as usize) {
            *calls += 1;
        }
        slice.direct += u64::from(is_direct);
        let count = notes.services.entry(service).or_default();
        count.calls += 1;
        if let Some(status) = end.status {
            count.failed += u64::from(status.is_error());
            *count.statuses.entry(status.0).or_default() += 1;
        }
        let (pid, tid) = (view.kernel.ps.process.id.0, view.kernel.ps.thread.id.0);
        let of = notes.processes.entry(pid).or_default();
        of.calls += 1;
        of.threads.insert(tid);
        if of.modules.len() != view.modules.iter().count() {
            notes.note_modules(view);
        }
        if let (Some(name), Some(service)) = (self.name.take(), service) {
            notes.name(list_of(service, &name), name, service, end.status);
        }
        if is_direct {
            notes.direct(view, end);
        }
    }

    fn exception(&mut self, view: &View<'_>, crash: &Crash) {
        let mut notes = self.notes.borrow_mut();
        notes.note_time(view.kernel.clock.tsc());
        let elapsed = notes.elapsed();
        notes.timeline.at(elapsed).exceptions += 1;
        let key = (crash.code.0, crash.place.clone());
        if notes.exceptions.len() >= MOST && !notes.exceptions.contains_key(&key) {
            notes.left_out += 1;
            return;
        }
        notes.exceptions.entry(key).or_insert_with(|| (crash.what.clone(), 0)).1 += 1;
    }

    fn end(&mut self, view: &View<'_>, _: &End, _: u64) {
        let mut notes = self.notes.borrow_mut();
        notes.note_time(view.kernel.clock.tsc());
        if notes.processes.get(&view.kernel.ps.process.id.0).is_none_or(|of| of.modules.is_empty()) {
            notes.note_modules(view);
        }
    }
}
