//! `Dbgk`: what happens to a process that is debugged goes to its debugger first.

use guest::context::ExceptionRecord;
use guest::registers::UserState;
use guest::{Arch, NtStatus};

use crate::body::Body;
use crate::kernel::Kernel;
use crate::ob::ObjectId;
use crate::ps::{DebugEvent, DebugMessage, DebugObject, ProcessId, ThreadId, ThreadState};
use crate::service::{Wait, WaitOn};

impl Kernel {
    /// A debug object, to change it: who waits on it is looked at after the call.
    pub(crate) fn debug_object(&mut self, object: ObjectId) -> Option<&mut DebugObject> {
        match self.ob.get_mut(object).map(|object| &mut object.body) {
            Some(Body::DebugObject(debug)) => Some(debug),
            _ => None,
        }
    }

    pub(crate) fn push_debug_event(&mut self, object: ObjectId, event: DebugEvent) {
        if let Some(debug) = self.debug_object(object) {
            debug.events.push(event);
        }
    }

    /// Whether a process has a debugger.
    pub(crate) fn is_debugged(&self, process: ProcessId) -> bool {
        self.ps.get(process).is_some_and(|process| process.debug.port.is_some())
    }

    /// A thread runs no more until it is let go.
    pub(crate) fn freeze(&mut self, id: ThreadId) {
        let Some(thread) = self.ps.thread_mut(id) else { return };
        thread.debug.frozen += 1;
        if thread.state == ThreadState::Ready {
            self.unready(id);
        }
        if id == self.ps.thread.id {
            self.ps.thread.yielded = true;
            self.scheduler.preempt = true;
        }
    }

    fn thaw(&mut self, id: ThreadId) {
        let Some(thread) = self.ps.thread_mut(id).filter(|thread| thread.debug.frozen > 0) else { return };
        thread.debug.frozen -= 1;
        if !thread.is_held() && thread.state == ThreadState::Ready {
            self.make_ready(id, false);
        }
    }

    /// `DbgkpQueueMessage`: the debugger of a thread's process is told, and the thread waits for the answer; the other
    /// threads stand still meanwhile, unless the process is about to end. Whether there is a debugger to tell.
    fn tell_debugger(&mut self, id: ThreadId, message: DebugMessage) -> bool {
        let Some(thread) = self.ps.thread(id).filter(|thread| !thread.about.hidden) else { return false };
        let process = thread.process;
        let Some(of) = self.ps.get(process) else { return false };
        let (Some(port), alive) = (of.debug.port, of.exit_status == NtStatus::PENDING) else { return false };
        if self.debug_object(port).is_none_or(|debug| debug.inactive) {
            return false;
        }
        let others = self.ps.threads().filter(|t| alive && t.process == process && t.id != id && !t.has_ended());
        let frozen: Vec<ThreadId> = others.map(|thread| thread.id).collect();
        frozen.iter().for_each(|&thread| self.freeze(thread));
        self.unwait(id);
        if let Some(thread) = self.ps.thread_mut(id) {
            if std::mem::replace(&mut thread.state, ThreadState::Waiting) == ThreadState::Ready {
                let priority = thread.priority;
                self.scheduler.ready.remove(priority, id.0);
            }
        }
        if let Some(thread) = self.ps.thread_mut(id) {
            thread.wait = Some(Wait::new(WaitOn::Debugger, None, false));
        }
        self.push_debug_event(port, DebugEvent { process, thread: id, message, read: false, frozen });
        true
    }

    /// `DbgkCreateThread`: a thread is to run for the first time. The first of a process that the debugger does not know
    /// stands for that. Whether it waits for the debugger.
    pub(crate) fn tell_start(&mut self, id: ThreadId) -> bool {
        let Some(thread) = self.ps.thread_mut(id) else { return false };
        if std::mem::replace(&mut thread.debug.begun, true) {
            return false;
        }
        let (process, start) = (thread.process, thread.start_address);
        let Some(process) = self.ps.get_mut(process).filter(|process| process.debug.port.is_some()) else {
            return false;
        };
        let known = std::mem::replace(&mut process.debug.told, true);
        let message = match known {
            false => DebugMessage::CreateProcess { start: process.about.image.entry },
            true => DebugMessage::CreateThread { start },
        };
        self.tell_debugger(id, message)
    }

    /// `DbgkExitThread`, `DbgkExitProcess`: a thread is to end with a status. Whether that waits for the debugger.
    pub(crate) fn tell_exit(&mut self, id: ThreadId, status: NtStatus) -> bool {
        let Some(thread) = self.ps.thread(id) else { return false };
        let process = thread.process;
        let is_last = !self.ps.threads().any(|t| t.process == process && t.id != id && !t.is_ending());
        let of_process = self.ps.get(process).map_or(status, |process| process.exit_status);
        let message = match is_last {
            true if of_process == NtStatus::PENDING => DebugMessage::ExitProcess(status),
            true => DebugMessage::ExitProcess(of_process),
            false => DebugMessage::ExitThread(status),
        };
        let tells = self.tell_debugger(id, message);
        if let Some(thread) = self.ps.thread_mut(id).filter(|_| tells) {
            thread.debug.exiting = Some(status);
        }
        tells
    }

    /// `DbgkForwardException`: the running thread has raised an exception, with `state` as its handlers are to see it.
    /// Whether it waits for the debugger; it goes on with that state then, or with what it raised.
    pub fn tell_exception(&mut self, state: &UserState, record: &ExceptionRecord, first_chance: bool) -> bool {
        if self.single_threaded || !self.is_debugged(self.ps.process.id) {
            return false;
        }
        let wow64 = self.ps.process.wow64_peb.is_some() && self.code_arch(state) == Arch::X86;
        let message = DebugMessage::Exception { record: record.clone(), first_chance, wow64 };
        if !self.tell_debugger(self.ps.thread.id, message) {
            return false;
        }
        self.ps.thread.user = *state;
        true
    }

    /// The debugger has answered an event, or will not any more.
    pub(crate) fn answer_debug_event(&mut self, event: DebugEvent, status: NtStatus) {
        let id = event.thread;
        if self.waits_for_debugger(id) && event.is_waited_for() {
            self.unwait(id);
            self.go_on_after(&event, status);
        }
        event.frozen.into_iter().for_each(|thread| self.thaw(thread));
    }

    pub(crate) fn waits_for_debugger(&self, id: ThreadId) -> bool {
        let wait = self.ps.thread(id).and_then(|thread| thread.wait.as_ref());
        wait.is_some_and(|wait| wait.on == WaitOn::Debugger)
    }

    fn go_on_after(&mut self, event: &DebugEvent, status: NtStatus) {
        let Some(thread) = self.ps.thread_mut(event.thread) else { return };
        if let Some(exit) = thread.debug.exiting {
            self.finish_thread(event.thread, exit);
            return;
        }
        if let DebugMessage::Exception { record, first_chance, .. } = &event.message
            && matches!(status, NtStatus::DBG_EXCEPTION_NOT_HANDLED | NtStatus::DEBUGGER_INACTIVE)
        {
            thread.debug.raised = Some((record.clone(), *first_chance));
        }
        match thread.debug.dying.take() {
            Some(exit) => self.end_thread(event.thread, exit),
            None => self.make_ready(event.thread, false),
        }
    }

    /// `DbgkClearProcessDebugObject`: a process goes on without its debugger.
    pub(crate) fn detach_debugger(&mut self, id: ProcessId) {
        let Some(port) = self.ps.get_mut(id).and_then(|process| process.debug.port.take()) else { return };
        if let Some(debug) = self.debug_object(port) {
            let (of_it, others) = std::mem::take(&mut debug.events).into_iter().partition(|event| event.process == id);
            debug.events = others;
            let of_it: Vec<DebugEvent> = of_it;
            of_it.into_iter().for_each(|event| self.answer_debug_event(event, NtStatus::DEBUGGER_INACTIVE));
        }
        self.ob.dereference(port);
    }

    /// `DbgkpCloseObject`: the last handle to a debug object was closed.
    pub(crate) fn debug_object_closed(&mut self, object: ObjectId) {
        let Some(debug) = self.debug_object(object) else { return };
        debug.inactive = true;
        let kills = debug.kill_on_close;
        let debugged = self.ps.iter().filter(|process| process.debug.port == Some(object));
        let debugged: Vec<ProcessId> = debugged.map(|process| process.id).collect();
        for id in debugged {
            self.detach_debugger(id);
            if kills && self.ps.get(id).is_some_and(|process| process.exit_status == NtStatus::PENDING) {
                self.signal_end(id, NtStatus::DEBUGGER_INACTIVE);
            }
        }
    }
}

impl DebugEvent {
    /// Whether its thread waits for the answer: what was told at the attaching has happened long ago.
    fn is_waited_for(&self) -> bool {
        !self.frozen.contains(&self.thread) && !matches!(self.message, DebugMessage::LoadDll { .. })
    }
}
