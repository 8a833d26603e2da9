//! Processes that the guest makes: the same loading, told by a parent.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use guest::registers::{Reg, Segments, UserState};
use guest::{Arch, Handle, NtStatus};
use kernel_model::Kernel;
use kernel_model::ps::{LoadFailure, NewProcess, ProcessId};

use super::{LoadError, Modules, ProcessConfig, Program, Target, load, load_wine};
use crate::cpu::{LoadProcess, Ram};
use crate::root::{SystemRoot, WineFolders};

/// What is known of a process that another makes.
pub(crate) struct Child<'a> {
    /// What it is to run, and what it is told.
    pub new: &'a NewProcess,
    /// Where images lie in other processes.
    bases: &'a Bases,
}

/// Where each image was put first. It lies there in every process that it fits into, as on Windows until the next boot.
type Bases = BTreeMap<(String, u32), u64>;

fn key(name: &str, arch: Arch) -> (String, u32) {
    (name.to_ascii_lowercase(), arch.width().bytes() as u32)
}

impl Child<'_> {
    /// Where an image is in other processes.
    pub(super) fn base_of(&self, name: &str, arch: Arch) -> Option<u64> {
        self.bases.get(&key(name, arch)).copied()
    }
}

/// The modules of processes that were made, for whoever runs them.
pub(crate) type Made = Rc<RefCell<Vec<(ProcessId, Modules)>>>;

/// Loads what a guest starts.
#[derive(Debug)]
pub(crate) struct Children {
    /// How the first process was set up, without its program.
    config: ProcessConfig,
    /// Whose DLLs they run on, if not ours.
    root: Option<WineFolders>,
    bases: Bases,
    made: Made,
}

impl Children {
    /// For a machine whose first process is loaded.
    pub(crate) fn new(config: &ProcessConfig, root: &SystemRoot, modules: &Modules) -> (Self, Made) {
        let root = match root {
            SystemRoot::Builtin => None,
            SystemRoot::Wine(folders) => Some(folders.clone()),
        };
        let config = ProcessConfig {
            program: Program::Pe(Vec::new()),
            name: String::new(),
            dll_folder: config.dll_folder.clone(),
            args: Vec::new(),
            environment: Vec::new(),
            ..*config
        };
        let made = Made::default();
        let mut children = Self { config, root, bases: Bases::new(), made: Rc::clone(&made) };
        children.keep_bases(modules);
        (children, made)
    }

    fn keep_bases(&mut self, modules: &Modules) {
        for module in modules.iter() {
            self.bases.entry(key(&module.name, module.arch)).or_insert(module.base);
        }
    }
}

impl LoadProcess for Children {
    fn load(&mut self, kernel: &mut Kernel, ram: &mut Ram, new: &NewProcess) -> Result<UserState, LoadFailure> {
        let config = ProcessConfig {
            program: Program::Pe(new.image.clone()),
            name: new.path.clone(),
            dll_folder: self.config.dll_folder.clone(),
            args: Vec::new(),
            environment: Vec::new(),
            ..self.config
        };
        let console = Some(new.parameters.standard.map(Handle));
        let child = Some(Child { new, bases: &self.bases });
        let mut target = Target { kernel, ram, highest: u64::MAX, console, child };
        let loaded = match &self.root {
            Some(root) => load_wine(&mut target, &config, root),
            None => load(&mut target, &config),
        };
        let (modules, start) = loaded.map_err(|error| failure(target.kernel, &error))?;
        let arch = target.profile().arch;
        let mut user = UserState { segments: Segments::of(arch), ..UserState::default() };
        user.file.set(Reg::Rflags, 0x202);
        for (reg, value) in start.registers {
            user.file.set(reg, value);
        }
        self.keep_bases(&modules);
        self.made.borrow_mut().push((kernel.ps.process.id, modules));
        Ok(user)
    }
}

/// What a parent is told of a child that could not be loaded. What ntdll would have found missing is said aloud.
fn failure(kernel: &mut Kernel, error: &LoadError) -> LoadFailure {
    let status = match error {
        LoadError::NoMemory { status, .. } => return LoadFailure::Status(*status),
        LoadError::MissingExport { symbol, .. } if symbol.starts_with('#') => NtStatus::ORDINAL_NOT_FOUND,
        LoadError::MissingExport { .. } => NtStatus::ENTRYPOINT_NOT_FOUND,
        LoadError::MissingDll { .. } => NtStatus::DLL_NOT_FOUND,
        _ => NtStatus::INVALID_IMAGE_FORMAT,
    };
    kernel.console.note(error.to_string());
    LoadFailure::AtStart(status)
}
