//! What exists when the first process starts, and processes that are there without running.

use std::sync::Arc;

use guest::objects::{self, NameKind, NamespaceRow};
use guest::{Arch, NtStatus, Profile};

use crate::body::Body;
use crate::cm::{Key, Registry};
use crate::io::{Console, Device, Io};
use crate::ke::{Clock, Event, EventKind, KeyedEvent};
use crate::kernel::{Kernel, services};
use crate::mm::{Limits, Memory};
use crate::ob::{HandleTable, ObjectId, ObjectManager, RefCache, Types};
use crate::ps::{
    Process, ProcessAbout, ProcessId, ProcessObject, Processes, SystemImage, TebSlots, Thread, ThreadId, ThreadObject,
    ThreadState,
};
use crate::schedule::Scheduler;
use crate::se::{Account, Assign, Monitor, Protection, SecurityDescriptor, Token, assign_security};
use crate::service::ServiceTable;

/// The ids of the first process and its thread.
pub(crate) const FIRST_PROCESS: ProcessId = ProcessId(0x1000);
const FIRST_THREAD: u32 = 0x1004;
/// The parent: the shell, as `guest/data/processes.csv` has it.
const PARENT: u32 = 0xf00;
/// The first build whose users are in session 1, because session 0 is the services': Vista.
const SESSION_ZERO_ISOLATION: u32 = 6000;

/// What makes a cookie of an id and the time: an odd number with its bits well mixed (2^32 over the golden ratio).
pub(crate) const COOKIE: u32 = 0x9e37_79b1;

type Ob = ObjectManager<Body>;

/// The directories, links and other names that exist from boot on.
fn namespace(profile: &Profile) -> Ob {
    let mut ob = Ob::new(Types::new(profile));
    ob.kernel_handles = HandleTable::new(RefCache::of(profile));
    let build = profile.version.2;
    for row in objects::namespace_of(build) {
        if profile.arch == Arch::X64 || !row.path.starts_with("\\KnownDlls32") {
            let id = enter(&mut ob, row);
            id.into_iter().for_each(|id| protect(&mut ob, id, row.protection, build));
        }
    }
    ob.create_type_objects();
    let bare: Vec<ObjectId> = ob.iter().filter(|(_, object)| object.security.is_none()).map(|(id, _)| id).collect();
    bare.into_iter().for_each(|id| protect(&mut ob, id, objects::PUBLIC, build));
    ob
}

/// Gives an object that is there from boot on its descriptor.
fn protect(ob: &mut Ob, id: ObjectId, protection: &str, build: u32) {
    let Some(info) = ob.type_of(id).and_then(|object_type| ob.type_info(object_type)) else { return };
    let sddl = objects::protection(protection, build);
    let Some(Ok(mut security)) = sddl.map(SecurityDescriptor::from_sddl) else { return };
    if let Some(dacl) = &mut security.dacl {
        dacl.map_generic(&info.mapping);
    }
    if let Some(object) = ob.get_mut(id) {
        object.security = Some(Arc::new(security));
    }
}

fn enter(ob: &mut Ob, row: &NamespaceRow) -> Option<ObjectId> {
    let body = match row.kind {
        NameKind::Directory | NameKind::DeviceMap => Body::Directory(Box::default()),
        NameKind::SymbolicLink => Body::SymbolicLink(row.target.encode_utf16().collect()),
        NameKind::Event => Body::Event(Event { kind: EventKind::Notification, signaled: false }),
        NameKind::KeyedEvent => Body::KeyedEvent(KeyedEvent),
        NameKind::Device => Body::Device(Device::named(row.target)),
    };
    let id = ob.create_at(row.path, body)?;
    if row.kind == NameKind::DeviceMap {
        ob.device_map = Some(id);
        if let Some(global) = ob.find(row.target) {
            ob.set_shadow(id, global);
        }
    }
    Some(id)
}

pub(crate) fn process(
    profile: &Profile, ob: &mut Ob, id: ProcessId, parent: ProcessId, token: ObjectId, image: &str,
) -> Process {
    Process {
        id,
        parent,
        object: ob.create(Body::Process(ProcessObject { id, ended: false })),
        handles: HandleTable::new(RefCache::of(profile)),
        session: u32::from(profile.version.2 >= SESSION_ZERO_ISOLATION),
        jobs: Vec::new(),
        token,
        protection: Protection::default(),
        peb: 0,
        wow64_peb: None,
        dispatchers: Default::default(),
        width: profile.arch.width(),
        sysexit_to: 0,
        win32k_lockdown: false,
        image: image.to_string(),
        about: ProcessAbout::default(),
        exit_status: NtStatus::PENDING,
        debug: Default::default(),
        buried: false,
        stack: [0; 2],
        tebs: TebSlots::default(),
        thread_start: 0,
        wow64_ways: None,
        highest: u64::MAX,
        unborn: None,
    }
}

pub(crate) fn thread(ob: &mut Ob, id: ThreadId, process: ProcessId) -> Thread {
    Thread::new(id, process, ob.create(Body::Thread(ThreadObject { id, ended: false })))
}

pub(crate) fn make_token(ob: &mut Ob, token: Token) -> ObjectId {
    ob.create(Body::Token(Box::new(token)))
}

/// Gives new objects the descriptors that the token's subject would make them with.
pub(crate) fn secure(ob: &mut Ob, objects: &[ObjectId], token: ObjectId) {
    let Some(Body::Token(token)) = ob.get(token).map(|object| object.body.clone()) else { return };
    for &id in objects {
        let Some(info) = ob.type_of(id).and_then(|object_type| ob.type_info(object_type)) else { continue };
        let label = ob.type_of(id).and_then(crate::ob::ObjectType::label);
        let assign = Assign { label, ..Assign::new(&token, &info.mapping) };
        let security = assign_security(&assign).ok().map(Arc::new);
        if let Some(object) = ob.get_mut(id) {
            object.security = security;
        }
    }
}

impl Kernel {
    /// A booted kernel with one process that has no memory yet, and `frames` frames of physical memory.
    pub fn new(profile: &'static Profile, frames: u32, image: &str) -> Self {
        let mut ob = namespace(profile);
        let (id, thread_id) = (FIRST_PROCESS, ThreadId(FIRST_THREAD));
        let cm = Registry::boot(profile);
        ob.create_at("\\REGISTRY", Body::Key(Key::new(cm.root())));
        let mut se = Monitor::default();
        se.mandatory = profile.version.2 >= SESSION_ZERO_ISOLATION;
        let token = make_token(&mut ob, se.logon(Account::User));
        let process = process(profile, &mut ob, id, ProcessId(PARENT), token, image);
        let mut thread = thread(&mut ob, thread_id, id);
        thread.state = ThreadState::Running;
        secure(&mut ob, &[process.object, thread.object, token], token);
        let mut kernel = Self {
            profile,
            services: Arc::new(ServiceTable::new(profile, services())),
            clock: Clock::default(),
            ob,
            se,
            mm: Memory::new(frames, Limits::new(profile)),
            console: Console::default(),
            cm,
            io: Io::default(),
            scheduler: Scheduler::default(),
            global_flags: 0,
            single_threaded: false,
            factories: std::collections::BTreeMap::new(),
            next_factory: 0,
            audit: None,
            atoms: Default::default(),
            debug_filter: Default::default(),
            wine: None,
            own_loader: false,
            ps: Processes {
                process,
                thread,
                others: Default::default(),
                other_threads: Default::default(),
                first_exit: None,
            },
            bug_check: None,
            images: SystemImage::of(profile),
        };
        kernel.boot_files();
        kernel.boot_processes();
        kernel.begins(id);
        kernel
    }

    /// A process and its threads begin now.
    pub(crate) fn begins(&mut self, id: ProcessId) {
        let now = self.clock.system_time();
        let threads: Vec<ThreadId> = self.ps.threads().filter(|t| t.process == id).map(|t| t.id).collect();
        for thread in threads {
            if let Some(thread) = self.ps.thread_mut(thread) {
                thread.about.created = now;
            }
        }
        if let Some(process) = self.ps.get_mut(id) {
            process.about.created = now;
            process.about.cookie = id.0.wrapping_mul(COOKIE) ^ now as u32;
        }
    }

    /// Makes the process one of another account: its token is replaced, and what belongs to it is that account's.
    pub fn log_on(&mut self, account: Account) {
        let new = self.se.logon(account);
        let (process, thread, token) = (self.ps.process.object, self.ps.thread.object, self.ps.process.token);
        if let Some(object) = self.ob.get_mut(token) {
            object.body = Body::Token(Box::new(new));
        }
        secure(&mut self.ob, &[process, thread, token], token);
    }

    /// Another process with one thread, a child of the one that runs. It does not run, and has no memory: it is
    /// there to be opened, to hold handles and to be ended.
    pub fn add_process(&mut self, image: &str) -> ProcessId {
        // The running process is always there.
        self.make_process(self.ps.process.id, None, image).map_or(self.ps.process.id, |(process, _)| process)
    }
}
