//! The kernel of one machine, and the way of one call through it.

use std::borrow::Cow;
use std::sync::Arc;

use guest::convention::{Gate, ReturnRegs, ReturnRules, TrapRegs};
use guest::mem::Width;
use guest::services::ServiceTableId;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, Profile};

use crate::body::Body;
use crate::cx::Cx;
use crate::io::{Console, FileObject, Stream};
use crate::ke::Clock;
use crate::mm::{Limits, Memory, Phys};
use crate::ob::{Directory, Entry, HandleAttributes, ObjectManager};
use crate::ps::{Process, ProcessId, Processes, Thread, ThreadId};
use crate::service::{Args, MAX_ARGS, Row, Service, ServiceTable, Unwind, Wait};
use crate::{ex, io, ke, mm, ob, ps};

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
    /// Memory.
    pub mm: Memory,
    /// The console.
    pub console: Console,
    /// Processes and threads.
    pub ps: Processes,
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
    /// It returns `STATUS_NOT_IMPLEMENTED`, because of what is named here; `None`: nobody wrote the service.
    NotImplemented(Option<Cow<'static, str>>),
    /// The thread waits.
    Blocked(Wait),
    /// The host is to supply console input.
    NeedInput,
    /// The process has ended.
    ProcessExit(NtStatus),
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
            Self::Status(status) => Some(*status),
            Self::NotImplemented(_) => Some(NtStatus::NOT_IMPLEMENTED),
            _ => None,
        }
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitEnd {
    /// The call returns this status.
    Status(NtStatus),
    /// Nothing can ever end it.
    Deadlock,
}

/// Every service somebody wrote.
pub fn services() -> impl Iterator<Item = &'static Service> {
    let ke = ke::SERVICES.iter().chain(ob::services()).chain(mm::services());
    ke.chain(ex::services()).chain(io::SERVICES).chain(ps::services())
}

/// The ids of the first process and its thread.
const FIRST_PROCESS: u32 = 0x1000;
const FIRST_THREAD: u32 = 0x1004;
/// The parent: explorer.exe, say; it has an id and nothing else.
const PARENT: u32 = 0xf00;

/// The directories and links that exist from boot on, parents first; a link has a target.
const NAMESPACE: &[(&str, Option<&str>)] = &[
    ("\\BaseNamedObjects", None),
    ("\\Device", None),
    ("\\Driver", None),
    ("\\GLOBAL??", None),
    ("\\KernelObjects", None),
    ("\\KnownDlls", None),
    ("\\ObjectTypes", None),
    ("\\RPC Control", None),
    ("\\Security", None),
    ("\\Windows", None),
    ("\\Sessions", None),
    ("\\Sessions\\0", None),
    ("\\Sessions\\1", None),
    ("\\Sessions\\1\\BaseNamedObjects", None),
    ("\\Sessions\\BNOLINKS", None),
    ("\\Sessions\\BNOLINKS\\0", Some("\\BaseNamedObjects")),
    ("\\Sessions\\BNOLINKS\\1", Some("\\Sessions\\1\\BaseNamedObjects")),
    ("\\BaseNamedObjects\\Global", Some("\\BaseNamedObjects")),
    ("\\BaseNamedObjects\\Local", Some("\\BaseNamedObjects")),
    ("\\BaseNamedObjects\\Session", Some("\\Sessions\\BNOLINKS")),
    ("\\Sessions\\1\\BaseNamedObjects\\Global", Some("\\BaseNamedObjects")),
    ("\\Sessions\\1\\BaseNamedObjects\\Local", Some("\\Sessions\\1\\BaseNamedObjects")),
    ("\\Sessions\\1\\BaseNamedObjects\\Session", Some("\\Sessions\\BNOLINKS")),
];

impl Kernel {
    /// A booted kernel with one process that has no memory yet, and `frames` frames of physical memory.
    pub fn new(profile: &'static Profile, frames: u32, image: &str) -> Self {
        let mut ob = ObjectManager::new();
        for (path, target) in NAMESPACE {
            let body = match target {
                Some(target) => Body::SymbolicLink(target.encode_utf16().collect()),
                None => Body::Directory(Directory::default()),
            };
            ob.create_at(path, body);
        }
        let (id, thread_id) = (ProcessId(FIRST_PROCESS), ThreadId(FIRST_THREAD));
        let process = Process {
            id,
            parent: ProcessId(PARENT),
            object: ob.create(Body::Process(id)),
            handles: ob::HandleTable::default(),
            peb: 0,
            wow64_peb: None,
            width: profile.arch.width(),
            sysexit_to: 0,
            image: image.to_string(),
            exit_status: NtStatus::PENDING,
        };
        let thread = Thread {
            id: thread_id,
            process: id,
            object: ob.create(Body::Thread(thread_id)),
            teb: 0,
            gui: false,
            kernel_mode: false,
            exit_status: NtStatus::PENDING,
        };
        Self {
            profile,
            services: Arc::new(ServiceTable::new(profile, services())),
            clock: Clock::default(),
            ob,
            mm: Memory::new(frames, Limits::new(profile)),
            console: Console::default(),
            ps: Processes { process, thread },
        }
    }

    /// Opens a handle to a console stream in the current process.
    pub fn open_console(&mut self, stream: Stream) -> Result<Handle, NtStatus> {
        let object = self.ob.create(Body::File(FileObject { stream }));
        // FILE_GENERIC_READ for input, FILE_GENERIC_WRITE with FILE_READ_ATTRIBUTES for output.
        let granted = AccessMask(if stream == Stream::Input { 0x12_0089 } else { 0x12_0196 });
        let handle =
            self.ps.process.handles.insert(Entry { object, granted, attributes: HandleAttributes::empty() })?;
        self.ob.handle_opened(object);
        self.ob.dereference(object);
        Ok(handle)
    }

    /// `KiConvertToGuiThread`.
    pub fn convert_to_gui(&mut self) -> Result<(), NtStatus> {
        self.ps.thread.gui = true;
        Ok(())
    }

    /// The row of a service number.
    ///
    /// `STATUS_INVALID_SYSTEM_SERVICE` for a number that no table has.
    #[inline]
    pub fn find(&mut self, number: u32) -> Result<Row, NtStatus> {
        // A thread's own table ends where win32k begins: any such number makes it a GUI thread first
        // (KiConvertToGuiThread), and is looked up again after.
        if self.services.table_of(number) == Some(ServiceTableId::Win32k) {
            self.ps.thread.gui = true;
        }
        self.services.row(number).copied().ok_or(NtStatus::INVALID_SYSTEM_SERVICE)
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
    pub fn execute(&mut self, ram: &mut dyn Phys, row: &Row, call: &Call) -> Answer {
        let Some(service) = row.service else { return Answer::NotImplemented(None) };
        match (service.run)(&mut Cx { kernel: self, ram }, &call.args) {
            Ok(status) | Err(Unwind::Status(status)) => Answer::Status(status),
            Err(Unwind::Blocked(wait)) => Answer::Blocked(wait),
            Err(Unwind::NeedInput) => Answer::NeedInput,
            Err(Unwind::Unsupported(what)) => Answer::NotImplemented(Some(what)),
            Err(Unwind::ProcessExit(status)) => Answer::ProcessExit(status),
        }
    }

    /// Ends a wait of the only thread there is: time passes until its deadline.
    pub fn finish_wait(&mut self, wait: &Wait) -> WaitEnd {
        match wait.deadline {
            Some(deadline) => {
                self.clock.advance_to(deadline);
                WaitEnd::Status(wait.timeout_status)
            }
            None => WaitEnd::Deadlock,
        }
    }

    /// The registers a call returns with.
    #[inline]
    pub fn return_regs(&self, call: &Call, status: NtStatus) -> ReturnRegs {
        let rules = ReturnRules { r9_is_rbp: self.profile.sysret_r9_is_rbp, sysexit_to: self.ps.process.sysexit_to };
        call.regs.on_return(call.gate, status.0, rules)
    }

    /// The width of the running process's pointers.
    #[inline]
    pub fn width(&self) -> Width {
        self.ps.process.width
    }
}
