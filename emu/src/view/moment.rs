//! The executive at one moment, for the pages that look at objects and handles.

use std::cell::RefCell;
use std::rc::Rc;

use guest::{Handle, Profile};
use kernel_model::Kernel;

use crate::loader::Modules;
use crate::machine::{End, Machine, MachineError};
use crate::trace::{CallEnd, CallStart, Observer, View};

/// The executive as it was, and when.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The executive.
    pub kernel: Kernel,
    /// The moment, in words that follow "taken".
    pub moment: String,
    /// The program's modules, where there is a program.
    pub modules: Option<Modules>,
    /// There is none: its process is a stand-in.
    pub started_nothing: bool,
}

impl Snapshot {
    /// A kernel that has booted and started nothing.
    pub fn boot(profile: &'static Profile) -> Self {
        let kernel = Kernel::new(profile, 0, "(no program)");
        Self { started_nothing: true, ..Self::new(kernel, "at boot".into()) }
    }

    /// A kernel as it is.
    pub fn new(kernel: Kernel, moment: String) -> Self {
        Self { kernel, moment, modules: None, started_nothing: false }
    }

    /// A machine as it is: made, stopped or finished.
    pub fn of(machine: &Machine) -> Self {
        let after = format!("after {} instructions", machine.instructions());
        let moment = match machine.end() {
            None => format!("while the program runs, {after}"),
            Some(End::Exit(_)) => "after the process's end: its handles are as its last call found them".into(),
            Some(End::Budget) => format!("where the instructions it may run were used up, {after}"),
            Some(End::Stopped) => format!("where it was stopped, {after}"),
            Some(End::Crash(crash)) => format!("at the unhandled exception {} at {}, {after}", crash.code, crash.place),
            Some(End::Deadlock(_)) => format!("at a wait that nothing can end, {after}"),
            Some(End::Strict(_)) => format!("at a call of what nobody wrote, {after}"),
            Some(End::BugCheck(bug_check)) => format!("at bugcheck {:#x}, {after}", bug_check.code.0),
        };
        let modules = Some(machine.modules().clone());
        Self { modules, ..Self::new(machine.kernel().clone(), moment) }
    }

    /// Runs a machine and takes it as its end found it: where a process exits, at the call that ended it, before its
    /// objects are signalled and its mutants abandoned. Replaces the machine's observer.
    pub fn at_end(machine: &mut Machine) -> Result<Self, MachineError> {
        let kept = Rc::new(RefCell::new(None));
        machine.observe(Box::new(ExitWatch(Rc::clone(&kept))))?;
        let end = machine.run()?;
        let at_exit = kept.borrow_mut().take().filter(|_| matches!(end, End::Exit(_)));
        Ok(at_exit.unwrap_or_else(|| Self::of(machine)))
    }
}

/// The services that can end the process that runs.
const EXITS: &[&str] = &["NtTerminateProcess", "NtTerminateThread", "NtTerminateJobObject"];

/// Keeps the executive as the last call found it that could end the process.
struct ExitWatch(Rc<RefCell<Option<Snapshot>>>);

impl Observer for ExitWatch {
    fn call_start(&mut self, view: &View<'_>, call: &CallStart<'_>) {
        let Some(service) = call.row.map(|row| row.info.name).filter(|name| EXITS.contains(name)) else { return };
        // A NULL handle only ends the other threads.
        if Handle(call.call.args.get(0)) == Handle::NULL {
            return;
        }
        let moment = format!("at the process's exit call, {service}, after {} instructions", call.retired);
        let modules = Some(view.modules.clone());
        *self.0.borrow_mut() = Some(Snapshot { modules, ..Snapshot::new(view.kernel.clone(), moment) });
    }

    fn call_end(&mut self, _: &View<'_>, _: &CallEnd<'_>) {}
    fn end(&mut self, _: &View<'_>, _: &End, _: u64) {}
}
