//! What happens when a process ends.

use guest::NtStatus;
use guest::types::IoStatusBlock;

use crate::body::Body;
use crate::io::Packet;
use crate::kernel::Kernel;
use crate::ob::ObjectId;
use crate::ps::{LIMIT_KILL_ON_JOB_CLOSE, ProcessId, ThreadId};

/// `JOB_OBJECT_MSG_*`.
const ACTIVE_PROCESS_ZERO: u64 = 4;
const EXIT_PROCESS: u64 = 7;

impl Kernel {
    /// Signals a process and its threads, abandons the mutants that they own, and takes it out of its jobs' counts.
    /// Handles, and what else it holds, stay: the process that runs is looked at when its machine has stopped.
    pub(crate) fn signal_end(&mut self, id: ProcessId, status: NtStatus) {
        let threads: Vec<(ThreadId, ObjectId)> = self
            .ps
            .threads()
            .filter(|t| t.process == id && t.exit_status == NtStatus::PENDING)
            .map(|t| (t.id, t.object))
            .collect();
        self.process_dies(id);
        threads.iter().for_each(|&(thread, _)| self.thread_dies(thread));
        let now = self.clock.system_time();
        let Some(process) = self.ps.get_mut(id) else { return };
        process.exit_status = status;
        process.about.ended = now;
        let (object, jobs) = (process.object, process.jobs.clone());
        for &(thread, thread_object) in &threads {
            if let Some(thread) = self.ps.thread_mut(thread) {
                thread.exit_status = status;
                thread.about.ended = now;
                thread.wait = None;
            }
            if let Some(Body::Thread(thread)) = self.ob.get_mut(thread_object).map(|o| &mut o.body) {
                thread.ended = true;
            }
        }
        self.abandon_mutants(&threads);
        if let Some(Body::Process(process)) = self.ob.get_mut(object).map(|o| &mut o.body) {
            process.ended = true;
        }
        for job in jobs {
            self.leave_job(job, id);
        }
    }

    /// Ends a thread of a process that does not run and has others.
    pub(crate) fn end_thread(&mut self, id: ThreadId, status: NtStatus) {
        self.thread_dies(id);
        let now = self.clock.system_time();
        let Some(thread) = self.ps.thread_mut(id) else { return };
        (thread.exit_status, thread.wait, thread.about.ended) = (status, None, now);
        let object = thread.object;
        if let Some(Body::Thread(thread)) = self.ob.get_mut(object).map(|o| &mut o.body) {
            thread.ended = true;
        }
        self.abandon_mutants(&[(id, object)]);
        self.ob.dereference(object);
        self.run_down();
    }

    fn abandon_mutants(&mut self, threads: &[(ThreadId, ObjectId)]) {
        let owned = |body: &Body| matches!(body, Body::Mutant(m) if m.owner.is_some());
        let mutants: Vec<ObjectId> = self.ob.iter().filter(|(_, o)| owned(&o.body)).map(|(id, _)| id).collect();
        for id in mutants {
            if let Some(Body::Mutant(mutant)) = self.ob.get_mut(id).map(|o| &mut o.body) {
                threads.iter().for_each(|(thread, _)| mutant.abandon(thread.0));
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
        // Those that have ended before are let go of already.
        let running = self.ps.threads().filter(|t| t.process == id && t.exit_status == NtStatus::PENDING);
        let running: Vec<ThreadId> = running.map(|t| t.id).collect();
        self.signal_end(id, status);
        let Some(process) = self.ps.get_mut(id) else { return };
        let (object, jobs) = (process.object, std::mem::take(&mut process.jobs));
        let mut handles = std::mem::take(&mut process.handles);
        let open: Vec<_> = handles.iter().map(|(handle, _)| handle).collect();
        for closed in open.into_iter().filter_map(|handle| handles.remove(handle)) {
            self.ob.handle_closed(closed.entry.object, closed.cached);
        }
        jobs.into_iter().for_each(|job| self.ob.dereference(job));
        let threads: Vec<ObjectId> = running.iter().filter_map(|&id| self.ps.thread(id)).map(|t| t.object).collect();
        threads.into_iter().for_each(|thread| self.ob.dereference(thread));
        self.ob.dereference(object);
        self.run_down();
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
