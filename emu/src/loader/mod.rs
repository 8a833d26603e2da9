//! From a file to a process: images, the structures Windows puts beside them, and a thread ready to start.
//!
//! What `PspAllocateProcess` and the loader in ntdll do between them is done here, with kernel rights, before
//! the first instruction; initialisers (TLS callbacks, `DllMain`) run as guest code afterwards.

mod about;
pub(crate) mod builtin;
mod children;
mod environment;
mod gaps;
mod kuser;
mod lists;
mod modules;
mod process;
mod system;
mod wine;
mod wow64;
mod writer;

use std::path::{Path, PathBuf};

use guest::layout::Side;
use guest::pe::PeError;
use guest::{Arch, Handle, NtStatus, Profile};
use kernel_model::Kernel;
use kernel_model::io::Stream;

use crate::cpu::Ram;

use children::Child;
pub(crate) use children::{Children, Made};
pub use gaps::Gaps;
pub use kuser::{tick_milliseconds, update as update_kuser};
use modules::parse;
pub use modules::{Module, Modules};
pub use process::Start;
pub use system::System;
pub(crate) use system::{TrapFrame, load as load_system};
pub(crate) use wine::{SYSTEM_FOLDER, TABLES_FOLDER, load as load_wine};

/// What is to be run.
#[derive(Clone, Debug)]
pub enum Program {
    /// A PE image.
    Pe(Vec<u8>),
    /// Raw code, run from its first byte.
    Raw(Arch, Vec<u8>),
}

/// How a process is set up.
#[derive(Clone, Debug)]
pub struct ProcessConfig {
    /// The program.
    pub program: Program,
    /// The file's name, for messages and for the guest.
    pub name: String,
    /// The host folder in which DLLs that are not built in are looked for.
    pub dll_folder: Option<PathBuf>,
    /// The program's arguments.
    pub args: Vec<String>,
    /// Environment variables beside those that every process of a user's has, or in their place: without a value, none.
    pub environment: Vec<(String, String)>,
    /// Have the stubs use `int 2Eh` where they can choose.
    pub int2e: bool,
    /// No thread may call win32k (`ProcessSystemCallDisablePolicy`): Windows 8 and later.
    pub win32k_lockdown: bool,
    /// Do not start a program that imports what Windows has and nobody has written here.
    pub no_gaps: bool,
    /// Move images and stacks to places this seed picks; `None`: the preferred ones.
    pub aslr_seed: Option<u64>,
}

/// Why a program cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file that cannot be read.
    #[error("{file}: {error}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the host said.
        error: std::io::Error,
    },
    /// A file that is no image we can run.
    #[error("{file}: {error}")]
    BadImage {
        /// The file.
        file: String,
        /// What is wrong with it.
        error: PeError,
    },
    /// A DLL that is neither built in nor beside the program.
    #[error("{file}: needs {dll}, which is not built in and not beside it")]
    MissingDll {
        /// The importing file.
        file: String,
        /// The DLL.
        dll: String,
    },
    /// An export that a DLL does not have.
    #[error("{file}: needs {symbol} from {dll}, which does not export it")]
    MissingExport {
        /// The importing file.
        file: String,
        /// The DLL.
        dll: String,
        /// The export's name or ordinal.
        symbol: String,
    },
    /// Memory for it cannot be had.
    #[error("{file}: cannot be mapped: {status}")]
    NoMemory {
        /// The file.
        file: String,
        /// The kernel's status.
        status: NtStatus,
    },
    /// A policy that the build does not have.
    #[error("{profile} has no way to lock win32k down: Windows 8 and later have it")]
    NoLockdown {
        /// The profile's name.
        profile: &'static str,
    },
    /// A program for another kind of machine.
    #[error("{file}: is {} code, which {profile} does not run; --profile {offer} does", arch.name())]
    WrongMachine {
        /// The file.
        file: String,
        /// Its architecture.
        arch: Arch,
        /// The machine.
        profile: &'static str,
        /// One that runs it.
        offer: &'static str,
    },
    /// Code that is no PE image, on a root that loads programs itself.
    #[error("--root wine runs programs, not raw code")]
    RootNeedsProgram,
    /// A program of another architecture than the machine, on a root that has the machine's alone.
    #[error("{file}: is {} code, and with --root wine {profile} runs only its own", arch.name())]
    RootArch {
        /// The file.
        file: String,
        /// Its architecture.
        arch: Arch,
        /// The machine.
        profile: &'static str,
    },
    /// A root of Windows' own DLLs that are of another build than the machine.
    #[error("--root windows: ntdll.dll there has the service numbers of {}, not those of {profile}", match offer {
        Some(offer) => format!("{offer} (--profile {offer})"),
        None => "no build that Trapgate knows".to_string(),
    })]
    RootNumbers {
        /// The machine.
        profile: &'static str,
        /// The one that it is of.
        offer: Option<&'static str>,
    },
    /// A program of .NET.
    #[error("{file}: has managed code (.NET), whose run time is not there")]
    Managed {
        /// The file.
        file: String,
    },
    /// A DLL of another architecture than its importer.
    #[error("{file}: is {} code, and {importer}, which needs it, is not", arch.name())]
    Mixed {
        /// The DLL.
        file: String,
        /// Its architecture.
        arch: Arch,
        /// The module that imports it.
        importer: String,
    },
    /// A DLL where a program was expected.
    #[error("{file}: is a DLL, not a program")]
    IsDll {
        /// The file.
        file: String,
    },
    /// A built-in DLL could not be assembled.
    #[error("the built-in {dll} could not be assembled: {error}")]
    Builtin {
        /// The DLL.
        dll: &'static str,
        /// The assembler's reason.
        error: String,
    },
}

/// The parts of a machine that loading works on.
pub(crate) struct Target<'a> {
    pub kernel: &'a mut Kernel,
    pub ram: &'a mut Ram,
    /// Where memory without a place of its own may lie at most: 32-bit code must reach its own.
    pub highest: u64,
    /// Standard input, output and error, once they are open.
    pub console: Option<[Handle; 3]>,
    /// It is a child of another.
    pub child: Option<Child<'a>>,
}

impl Target<'_> {
    pub(crate) fn profile(&self) -> &'static Profile {
        self.kernel.profile
    }

    /// The process's standard handles.
    fn console_handles(&mut self) -> Result<[Handle; 3], NtStatus> {
        if let Some(handles) = self.console {
            return Ok(handles);
        }
        let [input, output, error] =
            [Stream::Input, Stream::Output, Stream::Error].map(|s| self.kernel.open_console(s));
        let handles = [input?, output?, error?];
        self.console = Some(handles);
        Ok(handles)
    }
}

/// The first version with `ProcessSystemCallDisablePolicy`: Windows 8.
const FIRST_WITH_LOCKDOWN: (u32, u32, u32) = (6, 2, 0);

/// Sets up a process: its modules, and where its thread starts.
pub(crate) fn load(target: &mut Target<'_>, config: &ProcessConfig) -> Result<(Modules, Start), LoadError> {
    let map_error = |status| LoadError::NoMemory { file: config.name.clone(), status };
    let profile = target.profile();
    if config.win32k_lockdown && profile.version < FIRST_WITH_LOCKDOWN {
        return Err(LoadError::NoLockdown { profile: profile.name });
    }
    target.kernel.ps.process.win32k_lockdown = config.win32k_lockdown;
    kuser::map(target).map_err(map_error)?;
    let modules = Modules::load(target, config)?;
    let start = process::create(target, config, &modules).map_err(map_error)?;
    about::tell(target, config, &modules);
    Ok((modules, start))
}

/// The file name of a path, host or guest.
pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().unwrap_or(path)
}

/// Reads a file, refusing what is no regular file.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, LoadError> {
    let file = path.display().to_string();
    let unreadable = |error| LoadError::Unreadable { file: file.clone(), error };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        let error = std::io::Error::other("not a regular file");
        return Err(LoadError::Unreadable { file, error });
    }
    std::fs::read(path).map_err(unreadable)
}
