//! What exists when the first process starts, and processes that are there without running.

use std::sync::Arc;

use guest::objects::{self, NameKind, NamespaceRow};
use guest::{Arch, NtStatus, Profile};

use crate::body::Body;
use crate::io::Console;
use crate::ke::{Clock, Event, EventKind, KeyedEvent};
use crate::kernel::{Kernel, services};
use crate::mm::{Limits, Memory};
use crate::ob::{HandleTable, Lookup, ObjectId, ObjectManager, RefCache, Types, Walk};
use crate::ps::{Process, ProcessId, ProcessObject, Processes, Thread, ThreadId, ThreadObject};
use crate::service::ServiceTable;

/// The ids of the first process and its thread.
const FIRST_PROCESS: u32 = 0x1000;
const FIRST_THREAD: u32 = 0x1004;
/// The parent: explorer.exe, say; it has an id and nothing else.
const PARENT: u32 = 0xf00;
/// The first build whose users are in session 1, because session 0 is the services': Vista.
const SESSION_ZERO_ISOLATION: u32 = 6000;

type Ob = ObjectManager<Body>;

/// The directories, links and other names that exist from boot on.
fn namespace(profile: &Profile) -> Ob {
    let mut ob = Ob::new(Types::new(profile));
    for row in objects::namespace_of(profile.version.2) {
        if profile.arch == Arch::X64 || !row.path.starts_with("\\KnownDlls32") {
            enter(&mut ob, row);
        }
    }
    ob.create_type_objects();
    ob
}

fn enter(ob: &mut Ob, row: &NamespaceRow) {
    let body = match row.kind {
        NameKind::Directory | NameKind::DeviceMap => Body::Directory(Box::default()),
        NameKind::SymbolicLink => Body::SymbolicLink(row.target.encode_utf16().collect()),
        NameKind::Event => Body::Event(Event { kind: EventKind::Notification, signaled: false }),
        NameKind::KeyedEvent => Body::KeyedEvent(KeyedEvent),
    };
    let Some(id) = ob.create_at(row.path, body) else { return };
    if row.kind == NameKind::DeviceMap {
        ob.device_map = Some(id);
        if let Some(global) = find(ob, row.target) {
            ob.set_shadow(id, global);
        }
    }
}

/// The object at a full path.
pub(crate) fn find(ob: &Ob, path: &str) -> Option<ObjectId> {
    let path: Vec<u16> = path.encode_utf16().collect();
    match ob.lookup(&Walk { path: &path, ..Walk::default() }) {
        Ok(Lookup::Found(id)) => Some(id),
        _ => None,
    }
}

fn process(profile: &Profile, ob: &mut Ob, id: ProcessId, parent: ProcessId, image: &str) -> Process {
    Process {
        id,
        parent,
        object: ob.create(Body::Process(ProcessObject { id, ended: false })),
        handles: HandleTable::new(RefCache::of(profile)),
        session: u32::from(profile.version.2 >= SESSION_ZERO_ISOLATION),
        jobs: Vec::new(),
        privileges: 0,
        peb: 0,
        wow64_peb: None,
        width: profile.arch.width(),
        sysexit_to: 0,
        image: image.to_string(),
        exit_status: NtStatus::PENDING,
    }
}

fn thread(ob: &mut Ob, id: ThreadId, process: ProcessId) -> Thread {
    Thread {
        id,
        process,
        object: ob.create(Body::Thread(ThreadObject { id, ended: false })),
        teb: 0,
        gui: false,
        kernel_mode: false,
        wait: None,
        exit_status: NtStatus::PENDING,
    }
}

impl Kernel {
    /// A booted kernel with one process that has no memory yet, and `frames` frames of physical memory.
    pub fn new(profile: &'static Profile, frames: u32, image: &str) -> Self {
        let mut ob = namespace(profile);
        let (id, thread_id) = (ProcessId(FIRST_PROCESS), ThreadId(FIRST_THREAD));
        let process = process(profile, &mut ob, id, ProcessId(PARENT), image);
        let thread = thread(&mut ob, thread_id, id);
        Self {
            profile,
            services: Arc::new(ServiceTable::new(profile, services())),
            clock: Clock::default(),
            ob,
            mm: Memory::new(frames, Limits::new(profile)),
            console: Console::default(),
            ps: Processes { process, thread, others: Default::default(), other_threads: Default::default() },
        }
    }

    /// Another process with one thread, a child of the one that runs. It does not run, and has no memory: it is
    /// there to be opened, to hold handles and to be ended.
    pub fn add_process(&mut self, image: &str) -> ProcessId {
        let id = ProcessId(self.ps.next_id());
        let thread_id = ThreadId(id.0 + 4);
        let process = process(self.profile, &mut self.ob, id, self.ps.process.id, image);
        self.ps.others.insert(id, process);
        let thread = thread(&mut self.ob, thread_id, id);
        self.ps.other_threads.insert(thread_id, thread);
        id
    }
}
