//! Worker factories, on which thread pools stand: `NtCreateWorkerFactory`, `NtWorkerFactoryWorkerReady`,
//! `NtReleaseWorkerFactoryWorker`, `NtWaitForWorkViaWorkerFactory`, `NtShutdownWorkerFactory`.
//!
//! Work is what is queued in a completion port; the kernel makes the threads that take it (Windows Internals, "Worker
//! Factories"). [`super::workers`] says when.

use guest::access::process as access;
use guest::types::ObjectAttributes;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::ProcessId;
use crate::body::Body;
use crate::cx::Cx;
use crate::io::{IoCompletion, Packet, take_packets};
use crate::ob::ObjectId;
use crate::schedule::Wake;
use crate::service::{NtResult, Service, Support, Unwind, Wait, WaitOn, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateWorkerFactory => nt_create_worker_factory, Support::Partial("only for the calling process")),
    service!(NtWorkerFactoryWorkerReady => nt_worker_factory_worker_ready, Support::Full),
    service!(NtReleaseWorkerFactoryWorker => nt_release_worker_factory_worker, Support::Full),
    service!(
        NtWaitForWorkViaWorkerFactory => nt_wait_for_work_via_worker_factory,
        Support::Partial("no deferred work; a worker that is to leave gets STATUS_TIMEOUT")
    ),
    service!(
        NtShutdownWorkerFactory => nt_shutdown_worker_factory,
        Support::Partial("the count is that of the call, and does not fall by itself")
    ),
];

const RELEASE_WORKER: AccessMask = AccessMask(0x1);
const WAIT: AccessMask = AccessMask(0x2);
const READY_WORKER: AccessMask = AccessMask(0x10);
const SHUTDOWN: AccessMask = AccessMask(0x20);
/// `IO_COMPLETION_MODIFY_STATE`.
const MODIFY_STATE: AccessMask = AccessMask(2);
/// How many threads a pool has at most where nobody says ("CreateThreadpool" on Microsoft Learn).
const DEFAULT_MAXIMUM: u32 = 500;
/// The first build that waits for several packets at once: Windows 8. Before, there are two arguments.
const FIRST_WITH_COUNT: u32 = 9200;
/// The most packets that are taken at once.
const MAX_PACKETS: u32 = 0x1000;

/// `TpWorkerFactory`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerFactory {
    /// Tells it from every other there ever was.
    pub serial: u64,
    /// Where the work is; the factory has a reference to it.
    pub port: ObjectId,
    /// Whose threads it makes.
    pub process: ProcessId,
    /// `StartRoutine`, `StartParameter`.
    pub start: [u64; 2],
    /// `StackReserve`, `StackCommit`.
    pub stack: [u64; 2],
    /// `ThreadMinimum`, `ThreadMaximum`.
    pub bounds: [u32; 2],
    /// `Timeout`, `RetryTimeout`, `IdleTimeout`.
    pub timeouts: [i64; 3],
    /// `BindingCount`
    pub bindings: u32,
    /// It makes no threads now.
    pub paused: bool,
    /// It makes none any more.
    pub shut_down: bool,
    /// Workers that were released by `NtReleaseWorkerFactoryWorker` and have not taken that yet.
    pub releases: u32,
    /// `InfiniteWaitGoal`
    pub goal: i64,
    /// The base priority of its threads, relative to the process's.
    pub priority: i32,
    /// `ThreadSoftMaximum`; 0: none.
    pub soft_maximum: u32,
    /// `LastThreadCreationStatus`
    pub last_status: NtStatus,
    /// The interrupt time at which it last made a thread, or tried.
    pub last_made: u64,
}

/// Whose worker a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worker {
    /// The factory's `serial`.
    pub factory: u64,
    /// It has called `NtWorkerFactoryWorkerReady`.
    pub ready: bool,
}

/// `NtCreateWorkerFactory`: makes a factory of threads that take what a completion port holds. They start at a routine
/// with an argument, when there is work and nobody to do it.
///
/// `STATUS_INVALID_PARAMETER` for another process than the calling one, `STATUS_INVALID_HANDLE`,
/// `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`, and the statuses of creating.
#[expect(clippy::too_many_arguments, reason = "NtCreateWorkerFactory has ten")]
fn nt_create_worker_factory(
    cx: &mut Cx<'_>, handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, port: Handle, process: Handle, start: u64, parameter: u64,
    maximum: u32, stack_reserve: u64, stack_commit: u64,
) -> NtResult {
    cx.probe_handle(handle)?;
    let port = cx.reference_id::<IoCompletion>(port, MODIFY_STATE)?;
    let process = cx.process_of(process, access::CREATE_THREAD)?;
    if process != cx.kernel.ps.process.id {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if cx.kernel.single_threaded {
        return Err(Unwind::unsupported("a pool of threads with --dispatch kernel"));
    }
    let serial = cx.kernel.next_factory;
    cx.kernel.next_factory += 1;
    cx.kernel.ob.reference(port);
    let factory = WorkerFactory {
        serial,
        port,
        process,
        start: [start, parameter],
        stack: [stack_reserve, stack_commit],
        bounds: [0, if maximum == 0 { DEFAULT_MAXIMUM } else { maximum }],
        timeouts: [0; 3],
        bindings: 0,
        paused: false,
        shut_down: false,
        releases: 0,
        goal: 0,
        priority: 0,
        soft_maximum: 0,
        last_status: NtStatus::SUCCESS,
        last_made: 0,
    };
    let (opened, status) = cx.create_object(desired_access, object_attributes, Body::WorkerFactory(factory.into()))?;
    if let Ok(entry) = cx.entry_of(opened) {
        cx.kernel.factories.insert(serial, entry.object);
    }
    cx.mem().store(handle, &opened)?;
    Ok(status)
}

/// `NtWorkerFactoryWorkerReady`: the calling thread is a worker of the factory, and is through with what it does first.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`.
fn nt_worker_factory_worker_ready(cx: &mut Cx<'_>, factory: Handle) -> NtResult {
    let factory = cx.reference::<WorkerFactory>(factory, READY_WORKER)?.serial;
    cx.kernel.ps.thread.worker = Some(Worker { factory, ready: true });
    Ok(NtStatus::SUCCESS)
}

/// `NtReleaseWorkerFactoryWorker`: one more worker is to look for work: it gets a packet of zeros.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`, `STATUS_INSUFFICIENT_RESOURCES`.
fn nt_release_worker_factory_worker(cx: &mut Cx<'_>, handle: Handle) -> NtResult {
    let factory = cx.reference::<WorkerFactory>(handle, RELEASE_WORKER)?;
    let port = factory.port;
    if let Some(Body::IoCompletion(queue)) = cx.kernel.ob.get_mut(port).map(|o| &mut o.body) {
        queue.post(Packet::default())?;
    }
    let factory = cx.reference::<WorkerFactory>(handle, RELEASE_WORKER)?;
    factory.releases = factory.releases.saturating_add(1);
    Ok(NtStatus::SUCCESS)
}

/// `NtWaitForWorkViaWorkerFactory`: takes packets (`FILE_IO_COMPLETION_INFORMATION`), or waits for one. Before Windows 8
/// it takes one, and has no third and further arguments.
///
/// `STATUS_TIMEOUT` where the worker is to leave: it was idle for the idle timeout and the factory has more than its
/// minimum, or the factory was shut down. `STATUS_INVALID_PARAMETER` (no count), `STATUS_INVALID_HANDLE`,
/// `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`.
fn nt_wait_for_work_via_worker_factory(
    cx: &mut Cx<'_>, handle: Handle, packets: u64, count: u32, returned: Option<UserPtr<u32>>, deferred: u64,
) -> NtResult {
    let counts = cx.kernel.profile.version.2 >= FIRST_WITH_COUNT;
    let (count, returned) = if counts { (count, returned) } else { (1, None) };
    if count == 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if counts && deferred != 0 {
        return Err(Unwind::unsupported("DeferredWork"));
    }
    let width = cx.kernel.width();
    cx.mem().probe_write(packets, 4 * width.bytes() as u64)?;
    returned.map_or(Ok(()), |pointer| cx.mem().probe(pointer))?;
    let factory = cx.reference::<WorkerFactory>(handle, WAIT)?.clone();
    cx.kernel.ps.thread.worker = Some(Worker { factory: factory.serial, ready: true });
    if factory.shut_down {
        cx.kernel.ps.thread.worker = None;
        return Ok(NtStatus::TIMEOUT);
    }
    let taken = take_packets(cx, factory.port, packets, count.min(MAX_PACKETS))?;
    if taken.is_empty() {
        return wait(cx, &factory);
    }
    let releases = taken.iter().filter(|&&packet| packet == Packet::default()).count() as u32;
    let own = cx.reference::<WorkerFactory>(handle, WAIT)?;
    own.releases = own.releases.saturating_sub(releases);
    let bytes: Vec<u8> = taken.iter().flat_map(|packet| packet.entry(width)).collect();
    cx.mem().write(packets, &bytes)?;
    if let Some(pointer) = returned {
        cx.mem().store(pointer, &(taken.len() as u32))?;
    }
    Ok(NtStatus::SUCCESS)
}

/// Waits for work, as long as the factory lets an idle worker.
fn wait(cx: &mut Cx<'_>, factory: &WorkerFactory) -> NtResult {
    let workers = cx.kernel.workers_of(factory);
    let idle = factory.timeouts.get(2).map_or(0, |timeout| timeout.unsigned_abs());
    let leaves = idle > 0 && workers.total > factory.bounds[0];
    let deadline = leaves.then(|| cx.kernel.clock.interrupt_time().saturating_add(idle));
    cx.wait(Wait::new(WaitOn::Again(factory.port.0), deadline, false))
}

/// `NtShutdownWorkerFactory`: the factory makes no more threads, and those that wait for work are told to leave. How many
/// workers there are is told.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`, `STATUS_ACCESS_VIOLATION`.
fn nt_shutdown_worker_factory(cx: &mut Cx<'_>, factory: Handle, pending: UserPtr<u32>) -> NtResult {
    cx.mem().probe(pending)?;
    let factory = cx.reference::<WorkerFactory>(factory, SHUTDOWN)?;
    factory.shut_down = true;
    let factory = factory.clone();
    let total = cx.kernel.workers_of(&factory).total;
    let waiting = cx.kernel.waiting_workers(&factory);
    waiting.into_iter().for_each(|thread| cx.kernel.wake(thread, Wake::Again, 0));
    cx.mem().store(pending, &total)?;
    Ok(NtStatus::SUCCESS)
}
