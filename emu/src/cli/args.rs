//! Options and their texts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use guest::{Arch, Profile};
use kernel_model::packages::LogOn;
use kernel_model::se::Account;

use super::children::ChildrenOptions;
use super::disk::FileOptions;
use super::root_choice::RootChoice;
use super::schedule::ScheduleOptions;

/// Run Windows machine code on an emulated CPU against an NT kernel written in Rust.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: the guest's (its low eight bits; 255 where those would hide a failure); 2 for input that \
cannot be used; 124 when --max-insns is used up; 125 for a deadlock; 126 for a missing service with --strict; 139 after an \
unhandled exception.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a program: its console on stdout, our own words on stderr
    Run(RunOptions),
    /// Run a program and list its system calls
    Trace(TraceOptions),
    /// Draw a program's first call of a service, from its call to the kernel and back
    Flow(FlowOptions),
    /// Tell which service a number is on every build, or which number a service has
    Number(NumberOptions),
    /// Show the bytes and instructions of services' stubs
    Stubs(StubsOptions),
    /// Show the service tables: number, name, arguments, support level and gap
    Ssdt(SsdtOptions),
    /// Show the tree of object directories, at boot or as a program left it
    Objects(ObjectsOptions),
    /// Show every process's handles as a program left them
    Handles(HandlesOptions),
    /// Show the tree of processes, or their threads, at boot or as a program left them
    Ps(PsOptions),
    /// Show one object: header, body, security, who holds it
    Object(ObjectOptions),
    /// Show the registry that a build starts with
    Reg(RegOptions),
    /// List the Windows builds a machine can be
    Profiles(ProfilesOptions),
}

/// Whom a program runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UserChoice {
    /// An administrator's half of a split token that is not elevated
    User,
    /// The same, elevated
    Administrator,
    /// A user who is no administrator
    Standard,
    /// NT AUTHORITY\SYSTEM
    System,
    /// NT AUTHORITY\LOCAL SERVICE
    LocalService,
    /// NT AUTHORITY\NETWORK SERVICE
    NetworkService,
    /// The user at low integrity
    Low,
    /// The user in an AppContainer
    Package,
}

impl UserChoice {
    /// What the machine makes of it.
    pub fn log_on(self) -> LogOn {
        LogOn::Account(match self {
            Self::User => Account::User,
            Self::Administrator => Account::Administrator,
            Self::Standard => Account::StandardUser,
            Self::System => Account::LocalSystem,
            Self::LocalService => Account::LocalService,
            Self::NetworkService => Account::NetworkService,
            Self::Low => return LogOn::Low,
            Self::Package => return LogOn::Package,
        })
    }
}

/// Which gate stubs take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GateChoice {
    /// As Windows sets it up
    Default,
    /// `int 2Eh`: byte 308h of KUSER_SHARED_DATA on Windows 10 1511 and later, its SystemCall before 8.1 x86
    Int2e,
}

/// What kind of raw code a file holds.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Raw {
    /// 64-bit code, run from its first byte
    X64,
    /// 32-bit code, run from its first byte
    X86,
}

/// Who answers system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DispatchChoice {
    /// The model, as soon as the CPU traps
    Direct,
    /// Kernel code in ring 0 (nt!KiSystemCall64 and so on), which calls the model for each service
    Kernel,
}

/// Which instructions a trace shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RingChoice {
    /// Those of kernel code
    #[value(name = "0")]
    Kernel,
    /// Those of the program
    #[value(name = "3")]
    User,
    /// All
    Both,
}

#[derive(Debug, Args)]
pub struct ProfileOption {
    /// The Windows build the machine is
    #[arg(long, value_name = "P", default_value = Profile::DEFAULT)]
    pub profile: String,
}

#[derive(Debug, Args)]
pub struct MachineOptions {
    #[command(flatten)]
    pub profile: ProfileOption,
    /// Where the guest's system DLLs come from: builtin (assembled by Trapgate), wine (the installed package),
    /// wine=FOLDER (an unpacked package, or the folder of its DLLs) or windows=FOLDER (a Windows folder of yours; never
    /// tried with real files)
    #[arg(long, value_name = "R", default_value = "builtin", value_parser = RootChoice::parse)]
    pub root: RootChoice,
    /// The file is not a PE image but code
    #[arg(long, value_name = "ARCH")]
    pub raw: Option<Raw>,
    /// The gate that stubs use where they can choose
    #[arg(long, value_name = "G", default_value = "default")]
    pub gate: GateChoice,
    /// Who answers system calls: the model at once, or kernel code in ring 0
    #[arg(long, value_name = "D", default_value = "direct")]
    pub dispatch: DispatchChoice,
    /// Code for ring 0, run before the program as a driver's entry (with --dispatch kernel)
    #[arg(long, value_name = "FILE")]
    pub driver: Option<PathBuf>,
    /// Whom the program runs as
    #[arg(long, value_name = "WHO", default_value = "user")]
    pub user: UserChoice,
    /// No thread may call win32k, as under ProcessSystemCallDisablePolicy (Windows 8 and later)
    #[arg(long)]
    pub no_win32k: bool,
    /// Stop at the first service that nobody wrote
    #[arg(long)]
    pub strict: bool,
    /// Stop after this many instructions
    #[arg(long, value_name = "N")]
    pub max_insns: Option<u64>,
    /// Guest memory in MiB, the commit limit
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u64).range(4..=65536))]
    pub memory: u64,
    #[command(flatten)]
    pub order: ScheduleOptions,
    #[command(flatten)]
    pub disk: FileOptions,
    #[command(flatten)]
    pub children: ChildrenOptions,
    /// An environment variable of the program's; without a value it has none of that name (may be given more than once)
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Move images and stacks to places that this seed picks
    #[arg(long, value_name = "SEED")]
    pub aslr: Option<u64>,
    #[command(flatten)]
    pub registry: RegistryOptions,
    /// No summary line at the end
    #[arg(long)]
    pub quiet: bool,
}

/// What a machine's registry is made from, and where it is kept.
#[derive(Debug, Args)]
pub struct RegistryOptions {
    /// Put a hive file into the registry, in place of a key: 'HKLM\SOFTWARE=software.hiv' (may be given more than once)
    #[arg(long, value_name = "PATH=FILE")]
    pub hive: Vec<String>,
    /// Write the registry as the run leaves it: as regedit exports it, or as JSON into a .json file
    #[arg(long, value_name = "FILE")]
    pub reg_out: Option<PathBuf>,
    /// Write what the run changed in the registry: as text, or as JSON into a .json file
    #[arg(long, value_name = "FILE")]
    pub reg_diff: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct RegOptions {
    #[command(flatten)]
    pub profile: ProfileOption,
    /// Put a hive file into the registry, in place of a key: 'HKLM\\SOFTWARE=software.hiv' (may be given more than once)
    #[arg(long, value_name = "PATH=FILE")]
    pub hive: Vec<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// How many keys deep
    #[arg(long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
    pub depth: usize,
    /// A key, for instance HKLM\SOFTWARE: only it and what is below it
    pub path: Option<String>,
}

#[derive(Debug, Args)]
pub struct RunOptions {
    #[command(flatten)]
    pub machine: MachineOptions,
    /// Write what the program did into FILE: one page for browsers, or JSON if it ends in .json
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// The program
    pub image: PathBuf,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

/// How a trace is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A listing for people
    Text,
    /// One JSON object a line (docs/trace-schema.md)
    Jsonl,
    /// For Chrome's and Perfetto's trace viewers
    Chrome,
}

#[derive(Debug, Args)]
pub struct TraceOptions {
    #[command(flatten)]
    pub machine: MachineOptions,
    /// Registers before the trap and after the return
    #[arg(long)]
    pub regs: bool,
    /// Every instruction with the registers it changes
    #[arg(long)]
    pub insns: bool,
    /// Which ring's instructions --insns shows: 0 (with --dispatch kernel), 3 or both
    #[arg(long, value_name = "R", default_value = "3")]
    pub ring: RingChoice,
    /// For the program's own system calls, the builds on which number and arguments fit
    #[arg(long)]
    pub builds: bool,
    /// How the trace is written
    #[arg(long, value_name = "F", default_value = "text")]
    pub format: Format,
    /// Where to: a file instead of stderr
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Only services whose name contains this (may be given more than once, or with commas)
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub filter: Vec<String>,
    /// The program
    pub image: PathBuf,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

#[derive(Debug, Args)]
pub struct FlowOptions {
    #[command(flatten)]
    pub machine: MachineOptions,
    /// Draw an SVG picture into this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// The program
    pub image: PathBuf,
    /// The service, for instance NtCreateEvent
    pub service: String,
    /// The program's arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

/// An architecture on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ArchName {
    X86,
    X64,
}

impl From<ArchName> for Arch {
    fn from(name: ArchName) -> Self {
        match name {
            ArchName::X86 => Self::X86,
            ArchName::X64 => Self::X64,
        }
    }
}

#[derive(Debug, Args)]
pub struct NumberOptions {
    /// Only builds of this architecture
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<ArchName>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// A service number with the table's bits (85, 0x55, 0x1004), or a service's name
    #[arg(allow_negative_numbers = true)]
    pub what: String,
}

#[derive(Debug, Args)]
pub struct StubsOptions {
    #[command(flatten)]
    pub profile: ProfileOption,
    /// The stubs that code of this architecture uses: x86 on a 64-bit build means those of WOW64
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<ArchName>,
    /// As JSON
    #[arg(long, conflicts_with = "output")]
    pub json: bool,
    /// Those of every build, as files
    #[arg(long, requires = "output", conflicts_with_all = ["names", "arch", "profile"])]
    pub all: bool,
    /// Write the profile's ntdll.dll, win32u.dll and kernel images into this folder, as PE files
    #[arg(short, long, value_name = "DIR", conflicts_with = "names")]
    pub output: Option<PathBuf>,
    /// The services; all NT services if none is named
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct SsdtOptions {
    #[command(flatten)]
    pub profile: ProfileOption,
    /// The tables as they stand in guest memory once the program (or just the driver) has run, with what is hooked
    #[arg(long, conflicts_with = "diff")]
    pub live: bool,
    /// Code for ring 0, run as a driver's entry
    #[arg(long, value_name = "FILE", requires = "live")]
    pub driver: Option<PathBuf>,
    /// What moved, appeared, vanished or takes other arguments between two builds
    #[arg(long, num_args = 2, value_names = ["P", "Q"], conflicts_with = "profile")]
    pub diff: Vec<String>,
    /// The services that are written, whatever the build, as a page of Markdown
    #[arg(long, conflicts_with_all = ["diff", "live", "json", "profile"])]
    pub written: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// A program to run first, with --live; without one the tables are those after boot and driver
    #[arg(requires = "live")]
    pub image: Option<PathBuf>,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

/// How a page that looks at a machine is shown.
#[derive(Debug, Args)]
pub struct PageOptions {
    /// As JSON
    #[arg(long, conflicts_with = "html")]
    pub json: bool,
    /// As a page for a browser, into this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ObjectsOptions {
    #[command(flatten)]
    pub machine: MachineOptions,
    #[command(flatten)]
    pub page: PageOptions,
    /// How many directories deep
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub depth: usize,
    /// A directory, for instance \KernelObjects: only what is below it
    pub path: Option<String>,
    /// A program to run first; without one the tree is that of a machine that has just booted
    pub image: Option<PathBuf>,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

#[derive(Debug, Args)]
pub struct HandlesOptions {
    #[command(flatten)]
    pub machine: MachineOptions,
    #[command(flatten)]
    pub page: PageOptions,
    /// Also those of Windows' own processes
    #[arg(long)]
    pub all: bool,
    /// The program; its handles are shown as it leaves them, before they are closed
    pub image: PathBuf,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

#[derive(Debug, Args)]
pub struct PsOptions {
    #[command(flatten)]
    pub machine: MachineOptions,
    #[command(flatten)]
    pub page: PageOptions,
    /// The threads: state, wait reason, priority, start
    #[arg(long)]
    pub threads: bool,
    /// A program to run first; without one the processes are those of a machine that has just booted
    pub image: Option<PathBuf>,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ObjectOptions {
    #[command(flatten)]
    pub machine: MachineOptions,
    #[command(flatten)]
    pub page: PageOptions,
    /// The object: its address, its path, or a name that no other object has
    pub object: String,
    /// A program to run first; without one the object is one of a machine that has just booted
    pub image: Option<PathBuf>,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ProfilesOptions {
    /// Only builds of this architecture
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<ArchName>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}
