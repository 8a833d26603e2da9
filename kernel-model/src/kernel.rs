//! The kernel of one machine, and the way of one call through it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use guest::context::ExceptionRecord;
use guest::convention::{Gate, ReturnRegs, ReturnRules, TrapRegs};
use guest::mem::Width;
use guest::services::ServiceTableId;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, Profile};

use crate::body::Body;
use crate::cm::Registry;
use crate::cx::{Cx, Outside};
use crate::io::{Console, FileObject, Io, Stream, Target};
use crate::ke::Clock;
use crate::mm::{Memory, Phys};
use crate::ob::{Entry, HandleAttributes, ObjectId, ObjectManager, ObjectType};
use crate::ps::{BugCheck, Processes, SystemImage};
use crate::schedule::{Scheduler, Wake};
use crate::se::{Monitor, Privilege};
use crate::service::{Args, MAX_ARGS, Row, Service, ServiceTable, Unwind, Wait};
use crate::wine::WineRoot;
use crate::{cm, ex, io, ke, mm, ob, ps};

/// The whole state of the executive. Cloning it is a snapshot.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Which Windows this is.
    pub profile: &'static Profile,
    /// The service tables.
    pub services: Arc<ServiceTable>,
    /// The virtual clock.
    pub clock: Clock,
    /// Objects.
    pub ob: ObjectManager<Body>,
    /// Security.
    pub se: Monitor,
    /// Memory.
    pub mm: Memory,
    /// The console.
    pub console: Console,
    /// The registry.
    pub cm: Registry,
    /// Files.
    pub io: Io,
    /// Processes and threads.
    pub ps: Processes,
    /// The machine is to end: a call has found the reason.
    pub bug_check: Option<Box<BugCheck>>,
    /// `PsLoadedModuleList`: the images in kernel space.
    pub images: Vec<SystemImage>,
    /// Who runs when.
    pub scheduler: Scheduler,
    /// `NtGlobalFlag`.
    pub global_flags: u32,
    /// There can be only one thread: kernel code runs in ring 0, and has one stack.
    pub single_threaded: bool,
    /// The worker factories there are, by serial number, and the next number.
    pub factories: BTreeMap<u64, ObjectId>,
    /// See `factories`.
    pub next_factory: u64,
    /// Every call is followed by a look at everything ([`Kernel::check_invariants`]): what the first wrong one left.
    pub audit: Option<Result<(), String>>,
    /// The global atoms.
    pub atoms: ex::AtomTable,
    /// Which messages are let through to a debugger.
    pub debug_filter: ex::DebugFilter,
    /// What is special where the system's DLLs are Wine's.
    pub wine: Option<Box<WineRoot>>,
    /// The root's own ntdll loads processes, from `LdrInitializeThunk` on.
    pub own_loader: bool,
}

/// A call as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// How it came in.
    pub gate: Gate,
    /// The registers it came with.
    pub regs: TrapRegs,
    /// The raw service number.
    pub number: u32,
    /// Its arguments, as many as the service has.
    pub args: Args,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It returns this status.
    Status(NtStatus),
    /// It returns this value, because the thread could not become a GUI thread.
    NoGui(NtStatus),
    /// It returns `STATUS_NOT_IMPLEMENTED`, because of what is named here; `None`: nobody wrote the service.
    NotImplemented(Option<Cow<'static, str>>),
    /// The thread waits.
    Blocked(Wait),
    /// The host is to supply console input.
    NeedInput,
    /// The model wants the thread's registers, and is then called again.
    NeedState,
    /// The thread goes on with the registers that the model has of it.
    Resume,
    /// The thread has ended.
    ThreadExit(NtStatus),
    /// The process has ended.
    ProcessExit(NtStatus),
    /// The machine has.
    BugCheck(Box<BugCheck>),
    /// It returns this status by way of `KiRaiseUserExceptionDispatcher`.
    Raise(NtStatus),
    /// Nobody has handled this exception of the calling thread.
    Unhandled(Box<ExceptionRecord>),
}

/// Why a number has no row to go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// No table has it: `STATUS_INVALID_SYSTEM_SERVICE`.
    Number,
    /// It is one of win32k's, and the thread cannot become a GUI thread: what the call returns.
    Win32k(NtStatus),
}

impl NotFound {
    /// What becomes of the call.
    pub fn answer(self) -> Answer {
        match self {
            Self::Number => Answer::Status(NtStatus::INVALID_SYSTEM_SERVICE),
            Self::Win32k(value) => Answer::NoGui(value),
        }
    }
}

impl Call {
    /// A call with the arguments that came in registers.
    #[inline]
    pub fn new(gate: Gate, regs: TrapRegs) -> Self {
        let args = match gate.width() {
            Width::W32 => Args::default(),
            Width::W64 => Args::from_registers(regs.register_args()),
        };
        Self { gate, regs, number: regs.number(), args }
    }
}

impl Answer {
    /// The status the guest gets, where the call returns at all.
    pub fn status(&self) -> Option<NtStatus> {
        match self {
            Self::Status(status) | Self::NoGui(status) | Self::Raise(status) => Some(*status),
            Self::NotImplemented(_) => Some(NtStatus::NOT_IMPLEMENTED),
            _ => None,
        }
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitEnd {
    /// Something has.
    Woken(Wake),
    /// Nothing can ever end it.
    Deadlock,
}

/// Every service somebody wrote.
pub fn services() -> impl Iterator<Item = &'static Service> {
    let ke = ke::services().chain(ob::services()).chain(mm::services());
    ke.chain(ex::services()).chain(io::services()).chain(cm::services()).chain(ps::services())
}

impl Kernel {
    /// Gives the process a privilege, enabled.
    pub fn hold(&mut self, privilege: Privilege) {
        if let Some(Body::Token(token)) = self.ob.get_mut(self.ps.process.token).map(|object| &mut object.body) {
            token.privileges = token.privileges.with(privilege);
            token.enabled = token.enabled.with(privilege);
        }
    }

    /// Opens a handle to a console stream in the current process. Children get it where they inherit.
    pub fn open_console(&mut self, stream: Stream) -> Result<Handle, NtStatus> {
        let object = self.ob.create(Body::File(Box::new(FileObject::new(Target::Console(stream)))));
        // FILE_GENERIC_READ for input, FILE_GENERIC_WRITE with FILE_READ_ATTRIBUTES for output.
        let granted = AccessMask(if stream == Stream::Input { 0x12_0089 } else { 0x12_0196 });
        let handles = &mut self.ps.process.handles;
        let handle = handles.insert(Entry { object, granted, attributes: HandleAttributes::INHERIT });
        if handle.is_ok() {
            self.ob.handle_opened(object, handles.initial_cache());
        }
        self.ob.dereference(object);
        handle
    }

    /// `KiConvertToGuiThread`.
    ///
    /// `STATUS_ACCESS_DENIED` where the process may not call win32k; the dispatcher asks only whether it failed.
    pub fn convert_to_gui(&mut self) -> Result<(), NtStatus> {
        if self.ps.process.win32k_lockdown {
            return Err(NtStatus::ACCESS_DENIED);
        }
        self.ps.thread.gui = true;
        Ok(())
    }

    /// The row of a service number.
    ///
    /// [`NotFound::Number`] for a number that no table has, [`NotFound::Win32k`] for one of win32k's from a thread that
    /// cannot become a GUI thread.
    #[inline]
    pub fn find(&mut self, number: u32) -> Result<Row, NotFound> {
        // A thread's own table ends where win32k begins: any such number makes it a GUI thread first
        // (KiConvertToGuiThread), and is looked up again after.
        if self.services.table_of(number) == Some(ServiceTableId::Win32k) && self.convert_to_gui().is_err() {
            return Err(NotFound::Win32k(self.gui_failure(number)));
        }
        self.services.row(number).copied().ok_or(NotFound::Number)
    }

    /// What a number of win32k's returns from a thread that could not become a GUI thread: by the byte of its row in
    /// the table behind win32k's.
    #[cold]
    fn gui_failure(&self, number: u32) -> NtStatus {
        match self.services.row(number).map_or(1, |row| row.info.gui_failure()) {
            value if value > 0 => NtStatus::INVALID_SYSTEM_SERVICE,
            value => NtStatus(i32::from(value).cast_unsigned()),
        }
    }

    /// Fetches the arguments of a call that are in memory.
    ///
    /// `STATUS_ACCESS_VIOLATION` if they cannot be read. An address of the kernel's is first replaced by the
    /// lowest one there is, which cannot be read either. A 32-bit kernel looks at where they would be even if there
    /// are none.
    #[inline]
    pub fn fetch(&mut self, ram: &mut dyn Phys, row: &Row, call: &mut Call) -> Result<(), NtStatus> {
        let width = call.gate.width();
        let len = row.memory_bytes(width);
        if len > 0 {
            return self.fetch_from_memory(ram, row, call, len);
        }
        match width {
            Width::W32 if self.mm.is_system(call.regs.memory_args(call.gate)) => Err(NtStatus::ACCESS_VIOLATION),
            _ => Ok(()),
        }
    }

    fn fetch_from_memory(
        &mut self, ram: &mut dyn Phys, row: &Row, call: &mut Call, len: usize,
    ) -> Result<(), NtStatus> {
        let mut bytes = [0u8; 8 * MAX_ARGS];
        let bytes = bytes.get_mut(..len).unwrap_or(&mut []);
        let width = call.gate.width();
        let mut mem = mm::UserMemory { memory: &mut self.mm, ram, width, kernel: false };
        mem.read(call.regs.memory_args(call.gate), bytes).map_err(|fault| fault.status())?;
        row.spread(width, bytes, &mut call.args);
        Ok(())
    }

    /// Runs the service of a call.
    #[inline]
    pub fn execute(&mut self, ram: &mut dyn Outside, row: &Row, call: &Call) -> Answer {
        let Some(service) = row.service else { return Answer::NotImplemented(None) };
        let result = (service.run)(&mut Cx { kernel: self, ram }, &call.args);
        self.run_down();
        if !self.factories.is_empty() {
            self.make_workers(ram, matches!(result, Err(Unwind::Blocked(_))));
        }
        if self.io.has_closing() || self.mm.segments.has_work() {
            self.close_files(ram);
        }
        if matches!(self.audit, Some(Ok(()))) {
            self.audit = Some(self.check_invariants().map_err(|wrong| format!("after {}: {wrong}", service.name)));
        }
        if let Some(bug_check) = self.bug_check.take() {
            return Answer::BugCheck(bug_check);
        }
        match result {
            Ok(status) | Err(Unwind::Status(status)) => Answer::Status(status),
            Err(Unwind::Blocked(wait)) => Answer::Blocked(wait),
            Err(Unwind::NeedInput) => Answer::NeedInput,
            Err(Unwind::NeedState) => Answer::NeedState,
            Err(Unwind::Resume) => Answer::Resume,
            Err(Unwind::Unsupported(what)) => Answer::NotImplemented(Some(what)),
            Err(Unwind::ThreadExit(status)) => Answer::ThreadExit(status),
            Err(Unwind::ProcessExit(status)) => Answer::ProcessExit(status),
            Err(Unwind::Raise(status)) => Answer::Raise(status),
            Err(Unwind::Unhandled(record)) => Answer::Unhandled(record),
        }
    }

    /// Wakes whom a call has let go on, and calls the delete and close procedures of the objects that it has left without
    /// references or handles.
    #[inline]
    pub fn run_down(&mut self) {
        loop {
            if let Some(id) = self.ob.take_touched() {
                self.satisfy_waits(id);
            } else if let Some(id) = self.ob.take_closed() {
                match self.ob.type_of(id) {
                    Some(ObjectType::Key) => self.key_closed(id),
                    // Its reference goes with it.
                    Some(ObjectType::File) => {
                        self.file_closed(id);
                        continue;
                    }
                    Some(ObjectType::DebugObject) => self.debug_object_closed(id),
                    _ => self.job_closed(id),
                }
                self.ob.dereference(id);
            } else if let Some(body) = self.ob.take_dead() {
                self.deleted(body);
            } else {
                return;
            }
        }
    }

    /// The delete procedures.
    fn deleted(&mut self, body: Body) {
        match body {
            Body::File(file) => self.file_deleted(*file),
            Body::Section(section) => self.mm.release_segment(section.segment),
            Body::Job(job) => {
                if let Some((port, _)) = job.port {
                    self.ob.dereference(port);
                }
            }
            Body::Key(key) => self.cm.close(key.node),
            Body::WorkerFactory(factory) => {
                self.factories.remove(&factory.serial);
                self.ob.dereference(factory.port);
            }
            Body::Process(process) => {
                if let Some(process) = self.ps.others.remove(&process.id) {
                    self.ob.dereference(process.token);
                }
            }
            Body::Thread(thread) => {
                let token = self.ps.other_threads.remove(&thread.id).and_then(|thread| thread.impersonation);
                token.into_iter().for_each(|token| self.ob.dereference(token));
            }
            Body::Token(token) => self.package_left(&token),
            _ => {}
        }
    }

    /// The registers a call returns with.
    #[inline]
    pub fn return_regs(&self, call: &Call, status: NtStatus) -> ReturnRegs {
        let rules = ReturnRules { r9_is_rbp: self.profile.sysret_r9_is_rbp, sysexit_to: self.ps.process.sysexit_to };
        call.regs.on_return(call.gate, status.0, rules)
    }

    /// Whether the system's DLLs are Wine's.
    #[inline]
    pub fn is_wine_root(&self) -> bool {
        self.wine.is_some()
    }

    /// The width of the running process's pointers.
    #[inline]
    pub fn width(&self) -> Width {
        self.ps.process.width
    }
}
