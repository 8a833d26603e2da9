//! A machine: CPU, kernel, memory, processes, and the loop that runs them.

mod breakpoints;
mod console;
mod crash;
mod end;
mod exceptions;
mod folders;
mod frame;
mod interrupt;
mod processes;
mod ring0;
mod run;
mod stats;
mod threads;
mod user_exception;
mod watch;
mod world;

use std::collections::BTreeMap;
use std::path::Path;

use guest::context::ExceptionRecord;
use guest::{Arch, Profile};
use kernel_model::Kernel;
use kernel_model::cm::Registry;
use kernel_model::mm::Phys;
use kernel_model::packages::LogOn;
use kernel_model::ps::ThreadId;
use kernel_model::schedule::Quanta;

pub(crate) use console::Stdio;
pub use console::{Captured, HostConsole};
pub use end::{BugCheck, Crash, End};
pub use folders::{MappedFolder, open_folders};
pub use processes::ChildOptions;
use processes::Others;
pub(crate) use run::trap_address;
pub use stats::Stats;
pub use watch::{Look, Watch};

use crate::cpu::{Cpu, CpuError, Msr, Options, Ram, Reg, RegisterFile};
use crate::loader::{self, LoadError, Modules, ProcessConfig, Program, Target};
use crate::registry::{self, HiveFile, MountError};
use crate::root::SystemRoot;
use crate::trace::Observer;
use ring0::Ring0;
use world::{Pending, World};

/// Bytes of guest memory unless somebody asks for another amount: 512 MiB.
pub const DEFAULT_MEMORY: u64 = 0x2000_0000;
/// The least that a process can start in.
pub const MIN_MEMORY: u64 = 0x40_0000;

/// Who answers system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Dispatch {
    /// The model, as soon as the CPU traps.
    #[default]
    Direct,
    /// Kernel code in ring 0, which calls the model for each service.
    Kernel,
}

/// Code for ring 0 that stands in for a driver.
#[derive(Clone, Debug)]
pub struct Driver {
    /// The file's name.
    pub name: String,
    /// It runs from its first byte, as `DriverEntry` would, before the program's first instruction.
    pub code: Vec<u8>,
}

/// How a machine is made.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which Windows it is.
    pub profile: &'static Profile,
    /// The process it runs.
    pub process: ProcessConfig,
    /// Whom it runs as.
    pub user: LogOn,
    /// Bytes of memory, the commit limit.
    pub memory: u64,
    /// Stop at a service nobody wrote.
    pub strict: bool,
    /// Stop after this many instructions.
    pub max_instructions: Option<u64>,
    /// How long threads run at a time.
    pub quanta: Quanta,
    /// Who answers system calls.
    pub dispatch: Dispatch,
    /// Code for ring 0, where kernel code runs.
    pub driver: Option<Driver>,
    /// Hive files that are put into the registry.
    pub hives: Vec<HiveFile>,
    /// The host's folders that the guest sees.
    pub folders: Vec<MappedFolder>,
    /// Bytes on C:.
    pub disk: u64,
    /// Where the system's DLLs come from.
    pub root: SystemRoot,
    /// What happens with the processes that the guest makes.
    pub children: ChildOptions,
}

impl Config {
    /// The default machine for a program: Windows 10 22H2, 512 MiB, no arguments. `name` is the program's file
    /// name.
    pub fn new(program: Program, name: &str) -> Self {
        let name = name.to_string();
        Self {
            profile: Profile::default_profile(),
            process: ProcessConfig {
                program,
                name,
                dll_folder: None,
                args: Vec::new(),
                environment: Vec::new(),
                int2e: false,
                win32k_lockdown: false,
                no_gaps: false,
                aslr_seed: None,
            },
            user: LogOn::default(),
            memory: DEFAULT_MEMORY,
            strict: false,
            max_instructions: None,
            quanta: Quanta::default(),
            dispatch: Dispatch::default(),
            driver: None,
            hives: Vec::new(),
            folders: Vec::new(),
            disk: kernel_model::io::DEFAULT_DISK,
            root: SystemRoot::default(),
            children: ChildOptions::default(),
        }
    }

    /// The default machine for a PE file; its DLLs are looked for in the same folder.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let mut config = Self::new(Program::Pe(loader::read_file(path)?), &path.display().to_string());
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        config.process.dll_folder = Some(folder.to_path_buf());
        Ok(config)
    }
}

/// Why a machine could not be made or go on.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The program cannot be started.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The engine failed.
    #[error(transparent)]
    Cpu(#[from] CpuError),
    /// A folder of the host's cannot be mounted.
    #[error("{folder}: {why}")]
    Folder {
        /// The folder, as it was named.
        folder: String,
        /// Why not.
        why: String,
    },
    /// The host gives no memory.
    #[error("no memory for the guest: {0}")]
    Memory(std::io::Error),
    /// A hive does not go where it should.
    #[error(transparent)]
    Hive(#[from] MountError),
}

/// A machine with one process, ready to run.
pub struct Machine {
    cpu: Cpu,
    world: World,
    max_instructions: u64,
    ended: Option<End>,
    fixup: Option<Fixup>,
    registry_at_start: Registry,
    /// The exception that user code was told of last, as it was told and in words.
    last_crash: Option<(ExceptionRecord, Box<Crash>)>,
    /// DR6's bits of the breakpoints that the last `#DB` is for.
    debug_status: u64,
    /// The calls that threads which do not run are in.
    parked: BTreeMap<ThreadId, Pending>,
    mapped: Vec<MappedFolder>,
    others: Others,
    watch: Option<Box<dyn Watch>>,
}

/// Guest code that looks at memory which may not be there (`Wow64pCopy`): a fault in it goes on elsewhere, with the
/// exception's code in EAX. It stands in for the exception handler such code has on Windows.
#[derive(Clone, Debug)]
struct Fixup {
    code: std::ops::Range<u64>,
    handler: u64,
}

impl Fixup {
    fn new(modules: &Modules) -> Option<Self> {
        let wow64 = modules.by_name("wow64.dll", Arch::X64)?;
        let code = wow64.symbol("Wow64pCopyStart")?..wow64.symbol("Wow64pCopyEnd")?;
        Some(Self { code, handler: wow64.symbol("Wow64pCopyFault")? })
    }

    /// Where a fault at an address goes on.
    fn handler_for(&self, rip: u64) -> Option<u64> {
        self.code.contains(&rip).then_some(self.handler)
    }
}

impl Machine {
    /// Makes a machine. Its console is captured; see [`Machine::set_console`].
    pub fn new(config: &Config) -> Result<Self, MachineError> {
        let frames = config.memory.clamp(MIN_MEMORY, u64::from(u32::MAX) << 12) / 0x1000;
        let mut ram = Ram::new(frames as u32).map_err(MachineError::Memory)?;
        let options = Options {
            arch: config.profile.arch,
            sysenter: config.profile.stub_style.has_gate("sysenter"),
            ring_0: config.dispatch == Dispatch::Kernel,
            ..Options::default()
        };
        let mut cpu = Cpu::new(&mut ram, options)?;
        let mut kernel = Kernel::new(config.profile, ram.frames(), &config.process.name);
        kernel.cm.hive_reader = Some(|bytes| registry::read_hive(bytes).ok());
        kernel.log_on_as(config.user);
        for hive in &config.hives {
            registry::mount(&mut kernel.cm, hive)?;
        }
        let registry_at_start = kernel.cm.clone();
        let mut target = Target { kernel: &mut kernel, ram: &mut ram, highest: u64::MAX, console: None, child: None };
        let (mut modules, start) = match &config.root {
            SystemRoot::Builtin => {
                let loaded = loader::load(&mut target, &config.process)?;
                folders::set_up(target.kernel, target.ram, config, &loaded.0)?;
                loaded
            }
            SystemRoot::Wine(root) => {
                folders::set_up_root(target.kernel, target.ram, config, root)?;
                loader::load_wine(&mut target, &config.process, root)?
            }
        };
        let driver = config.driver.as_ref().map(|d| (d.name.as_str(), d.code.as_slice()));
        let system = match config.dispatch {
            Dispatch::Direct => None,
            Dispatch::Kernel => Some(loader::load_system(&mut target, &mut modules, &start, driver)?),
        };
        let mut registers = RegisterFile::default();
        registers.set(Reg::Rflags, 0x202);
        for (reg, value) in start.registers {
            registers.set(reg, value);
        }
        cpu.set_registers(&registers);
        cpu.set_gs_base(start.gs_base);
        cpu.set_fs_base(&mut ram, start.fs_base);
        if let Some(system) = &system {
            system.set_up(&mut cpu, &modules)?;
        }
        // Nothing has run yet, so there is nothing to forget.
        kernel.mm.take_invalidate();
        kernel.set_quanta(config.quanta.clone());
        kernel.single_threaded = config.dispatch == Dispatch::Kernel;
        let max_instructions = config.max_instructions.unwrap_or(u64::MAX);
        let fixup = Fixup::new(&modules);
        let (others, loader) = Others::new(config, &modules);
        ram.loader = Some(Box::new(loader));
        let mut world = World::new(kernel, ram, modules, config.strict);
        world.ring_0 = system.map(|system| Box::new(Ring0::new(system, config.profile)));
        let mut machine = Self {
            cpu,
            world,
            max_instructions,
            ended: None,
            fixup,
            last_crash: None,
            debug_status: 0,
            parked: BTreeMap::new(),
            registry_at_start,
            mapped: config.folders.clone(),
            others,
            watch: None,
        };
        if config.driver.is_some() {
            machine.start_driver()?;
        }
        Ok(machine)
    }

    /// Sends the guest's console somewhere else.
    pub fn set_console(&mut self, console: Box<dyn HostConsole>) {
        self.world.console = console;
    }

    /// Shows every call, and every instruction if the observer wants them, to an observer.
    pub fn observe(&mut self, observer: Box<dyn Observer>) -> Result<(), MachineError> {
        if observer.wants_instructions() {
            self.cpu.trace_instructions()?;
        }
        self.world.observer = Some(observer);
        Ok(())
    }

    /// Whether an observer is shown what happens.
    pub fn is_observed(&self) -> bool {
        self.world.observer.is_some()
    }

    /// Takes the observer back.
    pub fn take_observer(&mut self) -> Option<Box<dyn Observer>> {
        self.world.observer.take()
    }

    /// The modules of the process that runs, or has run last.
    pub fn modules(&self) -> &Modules {
        &self.world.modules
    }

    /// Has the executive checked against itself after every call: slow, and for tests.
    pub fn audit(&mut self) {
        self.world.kernel.audit = Some(Ok(()));
    }

    /// The kernel.
    pub fn kernel(&self) -> &Kernel {
        &self.world.kernel
    }

    /// The registry as it was before the program's first instruction.
    pub fn registry_at_start(&self) -> &Registry {
        &self.registry_at_start
    }

    /// How its run ended; `None`: it has not.
    pub fn end(&self) -> Option<&End> {
        self.ended.as_ref()
    }

    /// What has been counted so far.
    pub fn stats(&self) -> &Stats {
        &self.world.stats
    }

    /// Instructions retired.
    pub fn instructions(&self) -> u64 {
        self.cpu.retired()
    }

    /// The CPU's registers.
    pub fn registers(&self) -> RegisterFile {
        self.cpu.registers()
    }

    /// Sets the CPU's registers.
    pub fn set_registers(&mut self, registers: &RegisterFile) {
        self.cpu.set_registers(registers);
    }

    /// A model-specific register of the CPU.
    pub fn msr(&self, msr: Msr) -> u64 {
        self.cpu.msr(msr)
    }

    /// Where the IDT leads for an interrupt; `None`: the table does not go that far or cannot be read.
    pub fn interrupt_target(&self, vector: u8) -> Option<u64> {
        let [idt, _] = self.cpu.idt_and_tss();
        interrupt::gate(&self.world.kernel, &self.world.ram, idt, vector).map(|gate| gate.target)
    }

    /// Who answers system calls.
    pub fn dispatch(&self) -> Dispatch {
        if self.world.ring_0.is_some() { Dispatch::Kernel } else { Dispatch::Direct }
    }

    /// Instructions of kernel code retired.
    pub fn kernel_instructions(&self) -> u64 {
        self.cpu.retired_in_ring_0()
    }

    /// Guest memory without side effects; `None` where something is not committed.
    pub fn peek(&self, va: u64, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.world.kernel.mm.peek(&self.world.ram, va, &mut bytes)?;
        Some(bytes)
    }

    /// Writes guest memory whatever its protection; false where something is not committed.
    pub fn poke(&mut self, va: u64, bytes: &[u8]) -> bool {
        let written = self.world.kernel.mm.poke(&mut self.world.ram, va, bytes);
        self.forget();
        written == bytes.len()
    }

    /// A file's bytes by its full path in the guest, in memory or in a mounted folder; `None`: there is no such file.
    pub fn file_bytes(&self, path: &str) -> Option<Vec<u8>> {
        let kernel = &self.world.kernel;
        match kernel.file_at(path).and_then(|place| kernel.file_bytes(place)) {
            Some(bytes) => Some(bytes),
            None => self.mapped.iter().find_map(|mapped| folders::bytes(mapped, path)),
        }
    }

    /// What the guest has written to its console, if that is captured.
    pub fn captured(&mut self) -> Option<&mut Captured> {
        self.world.console.captured()
    }

    /// Has the engine forget what the memory manager says is no longer true.
    fn forget(&mut self) {
        let stale = self.world.kernel.mm.take_invalidate();
        if stale.code {
            self.cpu.flush_code();
        } else if stale.tlb {
            self.cpu.flush_tlb();
        }
    }
}

/// Reads code bytes without side effects, to the end of the page at least; how many could be read.
pub(crate) fn code_at(kernel: &Kernel, ram: &dyn Phys, va: u64, buf: &mut [u8]) -> usize {
    if kernel.mm.peek(ram, va, buf).is_some() {
        return buf.len();
    }
    // Up to the end of the page.
    let len = buf.len().min((0x1000 - va % 0x1000) as usize);
    let part = buf.get_mut(..len).unwrap_or(&mut []);
    kernel.mm.peek(ram, va, part).map_or(0, |()| len)
}
