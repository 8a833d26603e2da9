//! Which thread runs on the CPU: from one to the next, and what each does first.

use guest::Arch;
use kernel_model::ps::{Thread, ThreadId, ThreadState};
use kernel_model::schedule::Wake;
use kernel_model::service::{Wait, WaitOn};
use kernel_model::{Answer, Kernel};

use super::Machine;
use super::end::End;
use super::world::{Pending, World};

impl Machine {
    /// Whether the running thread waits, has ended or is to make way.
    #[inline]
    pub(super) fn must_dispatch(&self) -> bool {
        let kernel = &self.world.kernel;
        kernel.ps.thread.state != ThreadState::Running || kernel.must_switch()
    }

    /// `KiSwapThread`: has the next thread run, and finish the call that it was in. Where none is ready, time passes.
    pub(super) fn next_thread(&mut self) -> Option<End> {
        loop {
            if self.is_over() {
                return Some(self.nobody_left());
            }
            if let Some(next) = self.world.kernel.pick() {
                return self.go_on_with(next);
            }
            let World { kernel, ram, .. } = &mut self.world;
            if kernel.close_ended(ram) {
                continue;
            }
            match kernel.next_due() {
                Some(due) => {
                    kernel.clock.advance_to(due);
                    kernel.expire();
                    self.tick();
                }
                None => return Some(self.nobody_left()),
            }
        }
    }

    fn go_on_with(&mut self, next: ThreadId) -> Option<End> {
        let begins = self.swap_in(next);
        // What another thread has left behind that had the same id, and was ended while it waited, is not this one's.
        let pending = self.parked.remove(&next).filter(|_| !begins);
        let thread = &mut self.world.kernel.ps.thread;
        let wake = thread.wake.take();
        if thread.state != ThreadState::Running {
            // It has lost its process while it was changed to.
            return None;
        }
        if let Some((record, first_chance)) = thread.debug.raised.take() {
            return self.not_handled_by_debugger(&record, first_chance);
        }
        let mut pending = pending?;
        match wake {
            Some(Wake::Status(status)) => pending.answer = Answer::Status(status),
            Some(Wake::Again) => {
                let row = pending.row?;
                pending.answer = self.world.kernel.execute(&mut self.world.ram, &row, &pending.call);
                self.world.kernel.ps.thread.first_deadline = None;
            }
            // It was only preempted, on its way out.
            None => {}
        }
        self.world.pending = Some(pending);
        self.after_trap()
    }

    /// Changes the CPU over to a thread. Whether it runs for the first time.
    fn swap_in(&mut self, next: ThreadId) -> bool {
        let kernel = &mut self.world.kernel;
        let (before, process) = (kernel.ps.thread.id, kernel.ps.process.id);
        if before == next {
            kernel.switch_to(next);
            return false;
        }
        if !kernel.ps.thread.has_ended() {
            let debug = kernel.ps.thread.user.debug;
            kernel.ps.thread.user = self.cpu.user_state();
            kernel.ps.thread.user.debug = debug;
        }
        if kernel.switch_to(next) {
            self.cpu.set_space(kernel.ps.process.id.0);
            self.swap_modules(process);
        }
        let World { kernel, ram, .. } = &mut self.world;
        let begins = kernel.begin_thread(ram);
        let thread = &kernel.ps.thread;
        self.cpu.set_user_state(&thread.user);
        match kernel.profile.arch {
            Arch::X64 => {
                self.cpu.set_gs_base(thread.teb);
                if let Some(teb) = thread.wow64_teb {
                    self.cpu.set_fs_base(ram, teb as u32);
                }
            }
            Arch::X86 => self.cpu.set_fs_base(ram, thread.teb as u32),
        }
        begins
    }

    /// The running thread waits; its call is finished when it goes on.
    pub(super) fn block(&mut self, pending: Pending, wait: Wait) {
        self.parked.insert(self.world.kernel.ps.thread.id, pending);
        self.world.kernel.block(wait);
    }

    /// No thread can go on, and time will change nothing.
    fn nobody_left(&mut self) -> End {
        if let Some(crash) = self.others.crash.take() {
            return crash;
        }
        match self.world.kernel.ps.first_exit {
            Some(status) => End::Exit(status),
            None => End::Deadlock(self.who_waits()),
        }
    }

    fn who_waits(&self) -> String {
        let kernel = &self.world.kernel;
        let waiting = kernel.ps.threads().filter_map(|thread| Some((thread, thread.wait.as_ref()?)));
        let line = |(thread, wait): (&Thread, &Wait)| {
            let call = self.parked.get(&thread.id).map(|pending| {
                let place = self.describe_in(thread.process, pending.call.regs.rip);
                format!(" ({} at {place})", pending.row.map_or("?", |r| r.info.name))
            });
            let call = call.unwrap_or_default();
            let on = waits_for(kernel, wait);
            format!("thread {:#x} of process {:#x} waits for {on}{call}", thread.id.0, thread.process.0)
        };
        let lines: Vec<String> = waiting.map(line).collect();
        let suspended = kernel.ps.threads().filter(|t| t.suspend_count > 0 && !t.has_ended()).count();
        let suspended = if suspended > 0 { format!("; {suspended} suspended") } else { String::new() };
        format!("{}{suspended}, and no other thread or timer can end it", lines.join("; "))
    }
}

/// What a wait is for, in words.
fn waits_for(kernel: &Kernel, wait: &Wait) -> String {
    let object = |id: u32| {
        let id = kernel_model::ob::ObjectId(id);
        let kind = kernel.ob.type_of(id).map_or("object", |t| t.name());
        let name = kernel.ob.path_of(id).filter(|_| kernel.ob.get(id).is_some_and(|o| o.name.is_some()));
        name.map_or(format!("an unnamed {kind}"), |n| format!("{kind} {n}"))
    };
    match &wait.on {
        WaitOn::Delay => "time, for ever".to_string(),
        WaitOn::Objects { objects, all, .. } => {
            let names: Vec<String> = objects.iter().map(|&id| object(id)).collect();
            names.join(if *all { " and " } else { " or " })
        }
        WaitOn::Again(id) => object(*id),
        WaitOn::Key { event, key, release } => {
            let verb = if *release { "released on" } else { "waited for with" };
            format!("somebody who is {verb} key {key:#x} of {}", object(*event))
        }
        WaitOn::Alert => "NtAlertThreadByThreadId".to_string(),
        WaitOn::Debugger => "its debugger".to_string(),
    }
}
