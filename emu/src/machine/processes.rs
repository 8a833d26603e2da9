//! Several processes in one machine: whose modules are the current ones, how one ends alone, whose a console line is.

use std::collections::BTreeMap;

use kernel_model::io::Stream;
use kernel_model::ps::{ProcessId, ThreadState};

use super::end::End;
use super::{Config, Fixup, Machine};
use crate::loader::{Children, Made, Modules};

/// What happens with the processes that the guest makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChildOptions {
    /// Put the name and the id of a child before each line that it writes to the console.
    pub prefix: bool,
    /// The run ends with the first process, and does not wait for its children.
    pub end_with_first: bool,
}

/// What of the processes the machine keeps beside the kernel.
pub(super) struct Others {
    /// Modules of those that do not run.
    modules: BTreeMap<ProcessId, (Modules, Option<Fixup>)>,
    made: Made,
    options: ChildOptions,
    /// How the first process has ended, if by an exception.
    pub crash: Option<End>,
    /// Whose line is under way on standard output and standard error.
    lines: [Option<ProcessId>; 2],
}

impl Others {
    /// For a machine whose first process is loaded; who loads the others.
    pub(super) fn new(config: &Config, modules: &Modules) -> (Self, Children) {
        let options = config.children;
        let (children, made) = Children::new(&config.process, &config.root, modules);
        (Self { modules: BTreeMap::new(), made, options, crash: None, lines: [None; 2] }, children)
    }
}

impl Machine {
    /// Another process is the current one: so are its modules.
    pub(super) fn swap_modules(&mut self, from: ProcessId) {
        let (kernel, others) = (&self.world.kernel, &mut self.others);
        let made = std::mem::take(&mut *others.made.borrow_mut());
        if !made.is_empty() {
            others.modules.retain(|&id, _| kernel.ps.get(id).is_some_and(|process| !process.buried));
        }
        for (id, modules) in made {
            let fixup = Fixup::new(&modules);
            others.modules.insert(id, (modules, fixup));
        }
        if let Some((modules, fixup)) = others.modules.remove(&kernel.ps.process.id) {
            let modules = std::mem::replace(&mut self.world.modules, modules);
            let fixup = std::mem::replace(&mut self.fixup, fixup);
            others.modules.insert(from, (modules, fixup));
        }
    }

    /// An address of a process's, as [`Modules::describe`] tells of it.
    pub(super) fn describe_in(&self, process: ProcessId, va: u64) -> String {
        match self.others.modules.get(&process) {
            Some((modules, _)) if process != self.world.kernel.ps.process.id => modules.describe(va),
            _ => self.world.modules.describe(va),
        }
    }

    /// Whether the run is over although others could go on.
    pub(super) fn is_over(&self) -> bool {
        self.others.options.end_with_first && self.world.kernel.ps.first_exit.is_some()
    }

    /// The end of one process by an exception is not that of the run while others go on.
    pub(super) fn ends_alone(&mut self, end: End) -> Option<End> {
        let kernel = &mut self.world.kernel;
        let own = kernel.ps.process.id;
        let lives = |id: ProcessId| kernel.ps.get(id).is_some_and(|process| !process.about.booted);
        let others = kernel.ps.threads().any(|thread| {
            let goes_on = thread.state == ThreadState::Ready && thread.suspend_count == 0 || thread.wait.is_some();
            thread.process != own && goes_on && lives(thread.process)
        });
        let End::Crash(crash) = &end else { return Some(end) };
        if !others {
            return Some(end);
        }
        let name = &kernel.ps.process.image;
        let text = format!(
            "{name} ({}): unhandled exception {:08X} {} at {:#x} ({}): {}",
            own.0, crash.code.0, crash.code, crash.address, crash.place, crash.what
        );
        let code = crash.code;
        kernel.end_current(code);
        if kernel.ps.first_exit.is_some() && self.others.crash.is_none() && kernel.is_first(own) {
            self.others.crash = Some(end);
        } else {
            self.world.console.note(&text);
        }
        None
    }

    /// What a process has written, as the console shows it.
    pub(super) fn shown(&mut self, stream: Stream, bytes: Vec<u8>) -> Vec<u8> {
        let (kernel, others) = (&self.world.kernel, &mut self.others);
        let process = &kernel.ps.process;
        let Some(line) = others.lines.get_mut(usize::from(stream == Stream::Error)).filter(|_| others.options.prefix)
        else {
            return bytes;
        };
        let prefix = match kernel.is_first(process.id) {
            true => String::new(),
            false => format!("[{} {}] ", process.image, process.id.0),
        };
        let mut shown = Vec::with_capacity(bytes.len());
        // Another's line ends here.
        if line.is_some_and(|by| by != process.id) {
            shown.push(b'\n');
            *line = None;
        }
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            if line.is_none() {
                shown.extend(prefix.as_bytes());
            }
            shown.extend(part);
            *line = (!part.ends_with(b"\n")).then_some(process.id);
        }
        shown
    }
}
