//! When a worker factory makes a thread: there is work in its port and no worker that waits for it or runs, as a queue
//! that lets as many threads run as there are processors would have it; or it has fewer than its minimum.

use guest::NtStatus;

use super::create_thread::NewThread;
use super::worker_factory::{Worker, WorkerFactory};
use super::{Thread, ThreadId, ThreadState};
use crate::body::Body;
use crate::cx::{Cx, Outside};
use crate::kernel::Kernel;
use crate::ob::ObjectType;
use crate::service::{Unwind, WaitOn};

/// How long work waits for a worker that runs until another is made, and how long nothing is tried after a failure, in 100
/// ns units.
const PATIENCE: u64 = 100_000;

/// How many workers a factory has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Workers {
    /// All that have not ended.
    pub total: u32,
    /// Those that are not ready yet.
    pub pending: u32,
    /// Those that wait for work.
    pub waiting: u32,
    /// Those that run, or may.
    active: u32,
}

impl Kernel {
    fn worker_threads(&self, factory: &WorkerFactory) -> impl Iterator<Item = (&Thread, Worker)> {
        let (serial, process) = (factory.serial, factory.process);
        let own = self.ps.threads().filter(move |t| t.process == process && !t.has_ended());
        own.filter_map(move |t| t.worker.filter(|worker| worker.factory == serial).map(|worker| (t, worker)))
    }

    fn waits_for_work(thread: &Thread, factory: &WorkerFactory) -> bool {
        let on = thread.wait.as_ref().map(|wait| &wait.on);
        thread.state == ThreadState::Waiting && on == Some(&WaitOn::Again(factory.port.0))
    }

    /// Counts a factory's workers.
    pub fn workers_of(&self, factory: &WorkerFactory) -> Workers {
        let mut all = Workers::default();
        for (thread, worker) in self.worker_threads(factory) {
            all.total += 1;
            all.pending += u32::from(!worker.ready);
            all.waiting += u32::from(worker.ready && Self::waits_for_work(thread, factory));
            let runs = matches!(thread.state, ThreadState::Ready | ThreadState::Running);
            all.active += u32::from(worker.ready && runs && !thread.is_held());
        }
        all
    }

    /// The workers that wait for work.
    pub(crate) fn waiting_workers(&self, factory: &WorkerFactory) -> Vec<ThreadId> {
        self.worker_threads(factory).filter(|(t, _)| Self::waits_for_work(t, factory)).map(|(t, _)| t.id).collect()
    }

    /// Looks whether factories are to make threads, after a call; `blocks`: the calling thread is about to wait.
    #[cold]
    pub(crate) fn make_workers(&mut self, ram: &mut dyn Outside, blocks: bool) {
        for id in self.factories.values().copied().collect::<Vec<_>>() {
            let Some(Body::WorkerFactory(factory)) = self.ob.get(id).map(|object| &object.body) else { continue };
            if !self.wants_worker(factory, blocks) {
                continue;
            }
            let factory = factory.clone();
            let status = match make(&mut Cx { kernel: self, ram }, &factory) {
                Ok(()) => NtStatus::SUCCESS,
                Err(Unwind::Status(status)) => status,
                Err(_) => NtStatus::NOT_IMPLEMENTED,
            };
            let now = self.clock.interrupt_time();
            if let Some(Body::WorkerFactory(factory)) = self.ob.get_mut(id).map(|object| &mut object.body) {
                (factory.last_status, factory.last_made) = (status, now);
            }
        }
        // Looking at a factory has not changed it.
        self.run_down();
    }

    fn wants_worker(&self, factory: &WorkerFactory, blocks: bool) -> bool {
        let since = self.clock.interrupt_time().saturating_sub(factory.last_made);
        let alive = self.ps.get(factory.process).is_some_and(|p| p.exit_status == NtStatus::PENDING);
        if factory.paused || factory.shut_down || !alive {
            return false;
        }
        if factory.last_status != NtStatus::SUCCESS && since < PATIENCE {
            return false;
        }
        let [minimum, maximum] = factory.bounds;
        let port = self.ob.get(factory.port).map(|object| &object.body);
        let work = matches!(port, Some(Body::IoCompletion(queue)) if !queue.packets.is_empty());
        if !work && minimum == 0 {
            return false;
        }
        let workers = self.workers_of(factory);
        let own = self.ps.thread.worker.is_some_and(|worker| worker.factory == factory.serial && worker.ready);
        let active = workers.active - u32::from(blocks && own && workers.active > 0);
        if workers.pending > 0 || workers.total >= maximum {
            return false;
        }
        workers.total < minimum || work && workers.waiting == 0 && (active == 0 || since >= PATIENCE)
    }
}

/// Makes a thread and starts it.
fn make(cx: &mut Cx<'_>, factory: &WorkerFactory) -> Result<(), Unwind> {
    let new = NewThread {
        process: factory.process,
        start: factory.start,
        stack: factory.stack,
        suspended: false,
        given: None,
    };
    let id = cx.create_thread(&new)?;
    let security = cx.security_of_new(ObjectType::Thread, None, None);
    let object = cx.kernel.ps.thread(id).map(|thread| thread.object);
    if let (Some(header), Ok(security)) = (object.and_then(|object| cx.kernel.ob.get_mut(object)), security) {
        header.security = security;
    }
    let base = cx.kernel.ps.thread(id).map_or(8, |thread| i32::from(thread.base_priority));
    if let Some(thread) = cx.kernel.ps.thread_mut(id) {
        thread.worker = Some(Worker { factory: factory.serial, ready: false });
    }
    if factory.priority != 0 {
        cx.kernel.set_priority(id, base.saturating_add(factory.priority).clamp(1, 15) as u8);
    }
    cx.kernel.start_thread(id);
    Ok(())
}
