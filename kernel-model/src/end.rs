//! What happens when a process ends.

use guest::NtStatus;
use guest::types::IoStatusBlock;

use crate::body::Body;
use crate::boot::FIRST_PROCESS;
use crate::cx::Outside;
use crate::io::Packet;
use crate::kernel::Kernel;
use crate::ob::{HandleTable, ObjectId, ObjectType};
use crate::ps::{LIMIT_KILL_ON_JOB_CLOSE, ProcessId, Thread, ThreadId, ThreadState};

/// `JOB_OBJECT_MSG_*`.
const ACTIVE_PROCESS_ZERO: u64 = 4;
const EXIT_PROCESS: u64 = 7;

impl Kernel {
    /// `PspExitThread`, as far as others can tell: the thread is signalled, waits for nothing, and the mutants that it
    /// owns are abandoned. A process whose last thread it was ends with its status.
    ///
    /// Where it has a debugger, that is told first, and the thread ends when it has answered.
    pub(crate) fn end_thread(&mut self, id: ThreadId, status: NtStatus) {
        if self.ps.thread(id).is_none_or(Thread::is_ending) {
            return;
        }
        if self.waits_for_debugger(id) {
            if let Some(thread) = self.ps.thread_mut(id) {
                thread.debug.dying = Some(status);
            }
        } else if !self.tell_exit(id, status) {
            self.finish_thread(id, status);
        }
    }

    /// The end itself.
    pub(crate) fn finish_thread(&mut self, id: ThreadId, status: NtStatus) {
        let Some(thread) = self.ps.thread(id).filter(|t| !t.has_ended()) else { return };
        let (object, process, state) = (thread.object, thread.process, thread.state);
        self.thread_dies(id);
        let now = self.clock.system_time();
        self.unwait(id);
        if state == ThreadState::Ready {
            self.unready(id);
        }
        if let Some(thread) = self.ps.thread_mut(id) {
            thread.exit_status = status;
            thread.state = ThreadState::Terminated;
            thread.about.ended = now;
            thread.apcs.clear();
        }
        self.cancel_timers_of(id);
        self.abandon_mutants(id);
        if let Some(Body::Thread(thread)) = self.ob.get_mut(object).map(|o| &mut o.body) {
            thread.ended = true;
        }
        if !self.ps.threads().any(|t| t.process == process && !t.has_ended()) {
            self.signal_process(process, status);
        }
        self.bury(id);
    }

    /// Lets go of a thread that has ended, unless it still is the running one; of its process too, if no thread of it
    /// is left.
    pub(crate) fn bury(&mut self, id: ThreadId) {
        let Some(thread) = self.ps.thread(id).filter(|t| t.has_ended() && id != self.ps.thread.id) else { return };
        let (object, process) = (thread.object, thread.process);
        self.free_thread_memory(id, process);
        self.ob.dereference(object);
        self.bury_process(process);
        self.run_down();
    }

    /// `MmDeleteTeb`, and the stack that was made with the thread.
    fn free_thread_memory(&mut self, id: ThreadId, process: ProcessId) {
        let Some(thread) = self.ps.thread_mut(id) else { return };
        let (teb, stacks) = (std::mem::take(&mut thread.teb), std::mem::take(&mut thread.stacks));
        let given = thread.given_stack.take();
        let alive = self.ps.get(process).is_some_and(|p| p.exit_status == NtStatus::PENDING);
        if !alive || teb == 0 {
            return;
        }
        let running = self.ps.process.id;
        self.mm.switch_space(running.0, process.0);
        stacks.into_iter().for_each(|stack| self.mm.delete_stack(stack));
        match given {
            Some(given) if given.freed => self.mm.delete_stack(given.stack),
            Some(given) => self.mm.disown_stack(given.stack),
            None => {}
        }
        if let Some(process) = self.ps.get_mut(process) {
            process.tebs.give_back(&mut self.mm, teb);
        }
        self.mm.switch_space(process.0, running.0);
    }

    /// Signals a process that has ended, and takes it out of its jobs' counts. Handles, and what else it holds, stay: the
    /// process that runs is looked at when its machine has stopped. One that is debugged is signalled when its last thread
    /// has ended.
    fn signal_process(&mut self, id: ProcessId, status: NtStatus) {
        self.process_ends(id, status);
        let waits = self.is_debugged(id) && self.ps.threads().any(|t| t.process == id && !t.has_ended());
        let Some(process) = self.ps.get(id).filter(|_| !waits) else { return };
        let (object, jobs, status) = (process.object, process.jobs.clone(), process.exit_status);
        match self.ob.get_mut(object).map(|o| &mut o.body) {
            Some(Body::Process(process)) if !process.ended => process.ended = true,
            _ => return,
        }
        self.detach_debugger(id);
        if id == FIRST_PROCESS {
            self.ps.first_exit = Some(status);
        }
        for job in jobs {
            self.leave_job(job, id);
        }
    }

    /// A process has its exit status from now on, unless it had one.
    fn process_ends(&mut self, id: ProcessId, status: NtStatus) {
        let now = self.clock.system_time();
        if self.ps.get(id).is_none_or(|p| p.exit_status != NtStatus::PENDING) {
            return;
        }
        self.process_dies(id);
        if let Some(process) = self.ps.get_mut(id) {
            process.exit_status = status;
            process.about.ended = now;
        }
    }

    /// `PspTerminateProcess`: every thread of a process ends, and it with them.
    pub(crate) fn signal_end(&mut self, id: ProcessId, status: NtStatus) {
        // It is told its status first: the last thread's is not its own.
        self.signal_process(id, status);
        let threads: Vec<ThreadId> = self.ps.threads().filter(|t| t.process == id).map(|t| t.id).collect();
        threads.into_iter().for_each(|thread| self.end_thread(thread, status));
    }

    /// The process that runs ends, by something that is no call.
    pub fn end_current(&mut self, status: NtStatus) {
        let process = self.ps.current_process_mut();
        process.exit_status = NtStatus::PENDING;
        let id = process.id;
        self.signal_end(id, status);
        self.run_down();
    }

    /// Whether a process is the one that the machine was started for.
    pub fn is_first(&self, id: ProcessId) -> bool {
        id == FIRST_PROCESS
    }

    fn abandon_mutants(&mut self, thread: ThreadId) {
        if self.ob.type_info(ObjectType::Mutant).is_none_or(|info| info.objects == 0) {
            return;
        }
        let owned = |body: &Body| matches!(body, Body::Mutant(m) if m.owner == Some(thread.0));
        let mutants: Vec<ObjectId> = self.ob.iter().filter(|(_, o)| owned(&o.body)).map(|(id, _)| id).collect();
        for id in mutants {
            if let Some(Body::Mutant(mutant)) = self.ob.get_mut(id).map(|o| &mut o.body) {
                mutant.abandon(thread.0);
            }
        }
    }

    fn leave_job(&mut self, job: ObjectId, process: ProcessId) {
        let Some(Body::Job(body)) = self.ob.get_mut(job).map(|o| &mut o.body) else { return };
        body.processes.retain(|&p| p != process);
        let empty = body.processes.is_empty();
        self.tell_job(job, EXIT_PROCESS, process.0.into());
        if empty {
            self.tell_job(job, ACTIVE_PROCESS_ZERO, 0);
        }
    }

    /// Posts a message to a job's completion port.
    pub(crate) fn tell_job(&mut self, job: ObjectId, message: u64, about: u64) {
        let Some(Body::Job(body)) = self.ob.get(job).map(|o| &o.body) else { return };
        let Some((port, key)) = body.port else { return };
        // GetQueuedCompletionStatus gives the message as the count of bytes, and what it is about as the OVERLAPPED.
        let status = IoStatusBlock { status: 0, information: message };
        if let Some(Body::IoCompletion(queue)) = self.ob.get_mut(port).map(|o| &mut o.body) {
            // A port that is full loses messages, as jobs' messages may be lost.
            let _ = queue.post(Packet { key, context: about, status });
        }
    }

    /// Ends a process that does not run: it is signalled, its handles are closed, and what pointed to it lets go. The
    /// process itself stays until nobody has a handle to it.
    pub fn end_process(&mut self, id: ProcessId, status: NtStatus) {
        if id == self.ps.process.id || self.ps.get(id).is_none_or(|p| p.exit_status != NtStatus::PENDING) {
            return;
        }
        self.signal_end(id, status);
        self.run_down();
    }

    /// Closes the handles of a process that has ended and does not run, gives its memory back, and lets go of it.
    fn bury_process(&mut self, id: ProcessId) {
        let over = self.ps.get(id).is_some_and(|p| p.exit_status != NtStatus::PENDING && !p.buried);
        if !over || id == self.ps.process.id || self.ps.threads().any(|t| t.process == id && !t.has_ended()) {
            return;
        }
        let Some(process) = self.ps.get_mut(id) else { return };
        process.buried = true;
        let (object, jobs) = (process.object, std::mem::take(&mut process.jobs));
        let handles = std::mem::take(&mut process.handles);
        self.close_all(handles);
        jobs.into_iter().for_each(|job| self.ob.dereference(job));
        self.mm.delete_space(self.ps.process.id.0, id.0);
        self.ob.dereference(object);
    }

    fn close_all(&mut self, mut handles: HandleTable) {
        let open: Vec<_> = handles.iter().map(|(handle, _)| handle).collect();
        for closed in open.into_iter().filter_map(|handle| handles.remove(handle)) {
            self.ob.handle_closed(closed.entry.object, closed.cached);
        }
    }

    /// `ObKillProcess`: the process that ran last has ended, and its handles are closed while others wait, who may go on
    /// then. Whether there were any.
    pub fn close_ended(&mut self, outside: &mut dyn Outside) -> bool {
        let process = &self.ps.process;
        let id = process.id;
        let over = process.exit_status != NtStatus::PENDING && process.handles.iter().next().is_some();
        let lives = |id: ProcessId| self.ps.get(id).is_some_and(|process| !process.about.booted);
        let waits = |t: &Thread| t.process != id && t.wait.is_some() && lives(t.process);
        if !over || !self.ps.threads().any(waits) || self.ps.threads().any(|t| t.process == id && !t.has_ended()) {
            return false;
        }
        let handles = std::mem::take(&mut self.ps.current_process_mut().handles);
        self.close_all(handles);
        self.run_down();
        self.close_files(outside);
        true
    }

    /// `PspCloseJob`: the last handle to a job was closed.
    pub(crate) fn job_closed(&mut self, job: ObjectId) {
        let Some(Body::Job(body)) = self.ob.get(job).map(|o| &o.body) else { return };
        if body.limits.flags & LIMIT_KILL_ON_JOB_CLOSE != 0 {
            let (processes, current) = (body.processes.clone(), self.ps.process.id);
            for id in processes.into_iter().filter(|&id| id != current) {
                self.end_process(id, NtStatus::SUCCESS);
            }
        }
    }
}
