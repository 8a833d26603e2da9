//! `NtQueryInformationWorkerFactory`, `NtSetInformationWorkerFactory`.

use guest::mem::Width;
use guest::types::StructWriter;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::worker_factory::WorkerFactory;
use crate::cx::Cx;
use crate::schedule::Wake;
use crate::service::{Information, NtResult, Service, Support, Unwind, class_name, load_setting, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtQueryInformationWorkerFactory => nt_query_information_worker_factory, Support::Full),
    service!(
        NtSetInformationWorkerFactory => nt_set_information_worker_factory,
        Support::Partial("not the classes CallbackType, Flags and ThreadCpuSets; Timeout, RetryTimeout and ThreadSoftMaximum are only kept")
    ),
];

const SET_INFORMATION: AccessMask = AccessMask(0x4);
const QUERY_INFORMATION: AccessMask = AccessMask(0x8);
/// The lowest and the highest base priority relative to a process's.
const PRIORITIES: std::ops::RangeInclusive<i32> = -15..=15;

/// `NtQueryInformationWorkerFactory`: `WorkerFactoryBasicInformation`, the one class that can be asked for.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_ACCESS_VIOLATION`, `STATUS_INVALID_HANDLE`,
/// `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`.
fn nt_query_information_worker_factory(
    cx: &mut Cx<'_>, factory: Handle, class: u32, buffer: UserPtr<u8>, length: u32, return_length: Option<UserPtr<u32>>,
) -> NtResult {
    if class_name("WORKERFACTORYINFOCLASS", class)? != "WorkerFactoryBasicInformation" {
        return Err(NtStatus::INVALID_INFO_CLASS.into());
    }
    let width = cx.kernel.width();
    let out = Information { buffer, length, return_length };
    out.probe(cx, size_of_basic(width))?;
    let factory = cx.reference::<WorkerFactory>(factory, QUERY_INFORMATION)?.clone();
    let bytes = basic(cx, &factory, width);
    out.write(cx, &bytes)?;
    Ok(NtStatus::SUCCESS)
}

/// Bytes of `WORKER_FACTORY_BASIC_INFORMATION`: up to the start routine it is the same in both widths.
const fn size_of_basic(width: Width) -> usize {
    match width {
        Width::W32 => 0x60,
        Width::W64 => 0x78,
    }
}

/// `WORKER_FACTORY_BASIC_INFORMATION`
fn basic(cx: &Cx<'_>, factory: &WorkerFactory, width: Width) -> Vec<u8> {
    let workers = cx.kernel.workers_of(factory);
    let may_create = !factory.paused && !factory.shut_down && workers.total < factory.bounds[1];
    let mut out = StructWriter::new(size_of_basic(width), width);
    for (index, timeout) in factory.timeouts.into_iter().enumerate() {
        out = out.field(8 * index, 8, timeout.cast_unsigned());
    }
    // Paused, TimerSet, QueuedToExWorker, MayCreate, CreateInProgress, InsertedIntoQueue, Shutdown.
    let flags =
        [factory.paused, false, false, may_create, workers.pending > 0, factory.releases > 0, factory.shut_down];
    for (index, flag) in flags.into_iter().enumerate() {
        out = out.field(24 + index, 1, flag.into());
    }
    let [minimum, maximum] = factory.bounds;
    let counts =
        [factory.bindings, minimum, maximum, workers.pending, workers.waiting, workers.total, factory.releases];
    for (index, count) in counts.into_iter().enumerate() {
        out = out.field(32 + 4 * index, 4, count.into());
    }
    out = out.field(64, 8, factory.goal.cast_unsigned());
    let [routine, parameter] = factory.start;
    let [reserve, commit] = factory.stack;
    let w = width.bytes();
    for (index, word) in [routine, parameter, factory.process.0.into(), reserve, commit].into_iter().enumerate() {
        out = out.word(72 + w * index, word);
    }
    out.field(72 + 5 * w, 4, factory.last_status.0.into()).finish()
}

/// `NtSetInformationWorkerFactory`: bounds, timeouts, pause, stack and priority of a factory. Raising the minimum makes
/// threads.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_INVALID_PARAMETER` (a minimum above the maximum, a
/// priority that cannot be), `STATUS_ACCESS_VIOLATION`, `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`,
/// `STATUS_ACCESS_DENIED`.
fn nt_set_information_worker_factory(
    cx: &mut Cx<'_>, handle: Handle, class: u32, buffer: UserPtr<u8>, length: u32,
) -> NtResult {
    let name = class_name("WORKERFACTORYINFOCLASS", class)?;
    let word = cx.kernel.width().bytes() as u32;
    let value = match name {
        "WorkerFactoryTimeout" | "WorkerFactoryRetryTimeout" | "WorkerFactoryIdleTimeout" => {
            check_length(length, 8)?;
            cx.mem().load::<i64>(buffer.cast())?.cast_unsigned()
        }
        "WorkerFactoryPaused" if length == 1 => load_setting(cx, buffer, length, 1)?,
        "WorkerFactoryStackInformation" => {
            check_length(length, 2 * word)?;
            0
        }
        "WorkerFactoryBasicInformation" => return Err(NtStatus::INVALID_INFO_CLASS.into()),
        "WorkerFactoryCallbackType" | "WorkerFactoryFlags" | "WorkerFactoryThreadCpuSets" => {
            return Err(Unwind::unsupported(name));
        }
        _ => load_setting(cx, buffer, length, 4)?,
    };
    let stack = match name {
        "WorkerFactoryStackInformation" => {
            let mut load = |at: u32| cx.mem().load(UserPtr::<guest::mem::Word>::new(buffer.va.wrapping_add(at.into())));
            [load(0)?.0, load(word)?.0]
        }
        _ => [0; 2],
    };
    let factory = cx.reference::<WorkerFactory>(handle, SET_INFORMATION)?;
    let [minimum, maximum] = &mut factory.bounds;
    let small = value as u32;
    match name {
        "WorkerFactoryTimeout" => factory.timeouts[0] = value.cast_signed(),
        "WorkerFactoryRetryTimeout" => factory.timeouts[1] = value.cast_signed(),
        "WorkerFactoryIdleTimeout" => factory.timeouts[2] = value.cast_signed(),
        "WorkerFactoryBindingCount" => factory.bindings = factory.bindings.saturating_add_signed(small.cast_signed()),
        "WorkerFactoryThreadMinimum" if small <= *maximum => *minimum = small,
        "WorkerFactoryThreadMaximum" if small >= *minimum && small > 0 => *maximum = small,
        "WorkerFactoryThreadSoftMaximum" => factory.soft_maximum = small,
        "WorkerFactoryPaused" => factory.paused = value != 0,
        "WorkerFactoryAdjustThreadGoal" => factory.goal = factory.goal.saturating_add(small.cast_signed().into()),
        "WorkerFactoryStackInformation" => factory.stack = stack,
        "WorkerFactoryThreadBasePriority" if PRIORITIES.contains(&small.cast_signed()) => {
            factory.priority = small.cast_signed();
        }
        "WorkerFactoryTimeoutWaiters" => {
            let factory = factory.clone();
            dismiss(cx, &factory);
        }
        _ => return Err(NtStatus::INVALID_PARAMETER.into()),
    }
    Ok(NtStatus::SUCCESS)
}

fn check_length(length: u32, size: u32) -> Result<(), NtStatus> {
    if length == size { Ok(()) } else { Err(NtStatus::INFO_LENGTH_MISMATCH) }
}

/// Ends the waits of idle workers above the minimum, as if their time were up.
fn dismiss(cx: &mut Cx<'_>, factory: &WorkerFactory) {
    let spare = cx.kernel.workers_of(factory).total.saturating_sub(factory.bounds[0]) as usize;
    for thread in cx.kernel.waiting_workers(factory).into_iter().take(spare) {
        cx.kernel.wake(thread, Wake::Status(NtStatus::TIMEOUT), 0);
    }
}
