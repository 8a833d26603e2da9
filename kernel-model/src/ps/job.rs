//! Jobs: `NtCreateJobObject`, `NtOpenJobObject`, `NtAssignProcessToJobObject`, `NtIsProcessInJob`,
//! `NtTerminateJobObject`.

use guest::types::ObjectAttributes;
use guest::{AccessMask, Handle, NtStatus, UserPtr};

use super::ProcessId;
use super::terminate::end;
use crate::body::Body;
use crate::cx::Cx;
use crate::ob::ObjectId;
use crate::service::{NtResult, Service, Support, Unwind, service};

const NO_SECURITY: &str = crate::ob::SECURITY_GAP;

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateJobObject => nt_create_job_object, Support::Partial(NO_SECURITY)),
    service!(NtOpenJobObject => nt_open_job_object, Support::Partial(NO_SECURITY)),
    service!(
        NtAssignProcessToJobObject => nt_assign_process_to_job_object,
        Support::Partial("of the limits only that of active processes does something")
    ),
    service!(NtIsProcessInJob => nt_is_process_in_job, Support::Full),
    service!(NtTerminateJobObject => nt_terminate_job_object, Support::Full),
];

/// `JOB_OBJECT_ASSIGN_PROCESS`.
pub(super) const ASSIGN_PROCESS: AccessMask = AccessMask(1);
/// `JOB_OBJECT_QUERY`.
pub(super) const QUERY: AccessMask = AccessMask(4);
const TERMINATE: AccessMask = AccessMask(8);
/// `PROCESS_SET_QUOTA` and `PROCESS_TERMINATE`.
const PROCESS_ASSIGNABLE: AccessMask = AccessMask(0x101);
/// `JOB_OBJECT_LIMIT_ACTIVE_PROCESS`.
const LIMIT_ACTIVE_PROCESS: u32 = 8;
/// `JOB_OBJECT_LIMIT_BREAKAWAY_OK`, `JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK`.
const LIMIT_BREAKAWAY_OK: u32 = 0x800;
const LIMIT_SILENT_BREAKAWAY_OK: u32 = 0x1000;
/// `JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE`.
pub(crate) const LIMIT_KILL_ON_JOB_CLOSE: u32 = 0x2000;
/// The first build on which a process can be in several jobs: Windows 8.
const NESTED_JOBS: u32 = 9200;
/// `JOB_OBJECT_MSG_*`.
const NEW_PROCESS: u64 = 6;
const ACTIVE_PROCESS_LIMIT: u64 = 3;

/// A job's limits, as `JOBOBJECT_EXTENDED_LIMIT_INFORMATION` has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Limits {
    pub per_process_user_time: u64,
    pub per_job_user_time: u64,
    pub flags: u32,
    pub minimum_working_set: u64,
    pub maximum_working_set: u64,
    pub active_processes: u32,
    pub affinity: u64,
    pub priority_class: u32,
    pub scheduling_class: u32,
    pub process_memory: u64,
    pub job_memory: u64,
}

/// What a job has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounting {
    /// Every process that was ever in it.
    pub total_processes: u32,
    /// Those that were ended because of a limit.
    pub terminated_processes: u32,
}

/// `EJOB`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The processes that run in it.
    pub processes: Vec<ProcessId>,
    /// What it has counted.
    pub accounting: Accounting,
    /// Its limits.
    pub limits: Limits,
    /// `JOB_OBJECT_UILIMIT_*`.
    pub ui_restrictions: u32,
    /// What happens at the end of its time: 0 its processes end, 1 a message is posted.
    pub end_of_job_time: u32,
    /// Where its messages go, and their key.
    pub port: Option<(ObjectId, u64)>,
    /// Its time is over.
    pub signaled: bool,
    /// The session of its processes.
    pub session: u32,
}

/// `NtCreateJobObject`: creates a job, or opens one of that name if `OBJ_OPENIF` allows.
///
/// The statuses of creating.
fn nt_create_job_object(
    cx: &mut Cx<'_>, job_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>,
) -> NtResult {
    cx.probe_handle(job_handle)?;
    let job = Job {
        processes: Vec::new(),
        accounting: Accounting::default(),
        limits: Limits { scheduling_class: 5, ..Limits::default() },
        ui_restrictions: 0,
        end_of_job_time: 0,
        port: None,
        signaled: false,
        session: cx.kernel.ps.process.session,
    };
    cx.create_and_store(job_handle, desired_access, object_attributes, Body::Job(Box::new(job)))
}

/// `NtOpenJobObject`: opens a named job.
///
/// The statuses of opening by name.
fn nt_open_job_object(
    cx: &mut Cx<'_>, job_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>,
) -> NtResult {
    cx.open_and_store::<Job>(job_handle, desired_access, object_attributes)
}

/// `NtAssignProcessToJobObject`: puts a process into a job. From Windows 8 on a process in a job can be put into another
/// that nobody is in yet, which is inside the first.
///
/// `STATUS_ACCESS_DENIED` (already in a job that this one cannot be inside of, or the rights are not there),
/// `STATUS_PROCESS_IS_TERMINATING`, `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`. A process over the limit of
/// active processes is ended, and the call succeeds.
fn nt_assign_process_to_job_object(cx: &mut Cx<'_>, job: Handle, process: Handle) -> NtResult {
    let object = cx.reference_id::<Job>(job, ASSIGN_PROCESS)?;
    let id = cx.process_of(process, PROCESS_ASSIGNABLE)?;
    let nested = cx.kernel.profile.version.2 >= NESTED_JOBS;
    let target = cx.kernel.ps.get(id).filter(|p| p.exit_status == NtStatus::PENDING);
    let jobs = &target.ok_or(NtStatus::PROCESS_IS_TERMINATING)?.jobs;
    let (first, inside) = (jobs.is_empty(), jobs.contains(&object));
    if inside && nested {
        return Ok(NtStatus::SUCCESS);
    }
    let Some(Body::Job(body)) = cx.kernel.ob.get_mut(object).map(|o| &mut o.body) else {
        return Err(NtStatus::INVALID_HANDLE.into());
    };
    if body.limits.flags & LIMIT_KILL_ON_JOB_CLOSE != 0 && id == cx.kernel.ps.process.id {
        return Err(Unwind::unsupported("JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE for the calling process"));
    }
    let in_the_way = !first && (!nested || !body.processes.is_empty() || body.ui_restrictions != 0);
    if in_the_way {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    let over = join(cx, object, id);
    if over {
        return end_each(cx, &[id], NtStatus::QUOTA_EXCEEDED);
    }
    Ok(NtStatus::SUCCESS)
}

/// Puts a process into a job; whether that is over the job's limit of active processes.
fn join(cx: &mut Cx<'_>, object: ObjectId, id: ProcessId) -> bool {
    let Some(Body::Job(body)) = cx.kernel.ob.get_mut(object).map(|o| &mut o.body) else { return false };
    body.processes.push(id);
    body.accounting.total_processes += 1;
    let limited = body.limits.flags & LIMIT_ACTIVE_PROCESS != 0;
    let over = limited && body.processes.len() > body.limits.active_processes as usize;
    body.accounting.terminated_processes += u32::from(over);
    cx.kernel.ob.reference(object);
    if let Some(process) = cx.kernel.ps.get_mut(id) {
        process.jobs.push(object);
    }
    cx.kernel.tell_job(object, NEW_PROCESS, id.0.into());
    if over {
        cx.kernel.tell_job(object, ACTIVE_PROCESS_LIMIT, 0);
    }
    over
}

/// Puts a new process into its parent's jobs and into those that it was made for.
///
/// `STATUS_ACCESS_DENIED` where it is to leave its parent's and may not, `STATUS_QUOTA_EXCEEDED` over a limit.
pub(super) fn join_new(
    cx: &mut Cx<'_>, parent: ProcessId, id: ProcessId, breaks_away: bool, more: &[ObjectId],
) -> NtResult<()> {
    let jobs = cx.kernel.ps.get(parent).map_or(Vec::new(), |parent| parent.jobs.clone());
    let flags = |cx: &Cx<'_>, job: ObjectId| match cx.kernel.ob.get(job).map(|object| &object.body) {
        Some(Body::Job(job)) => job.limits.flags,
        _ => 0,
    };
    let mut joined: Vec<ObjectId> = Vec::new();
    for job in jobs {
        let limits = flags(cx, job);
        if breaks_away && limits & (LIMIT_BREAKAWAY_OK | LIMIT_SILENT_BREAKAWAY_OK) == 0 {
            return Err(NtStatus::ACCESS_DENIED.into());
        }
        if !breaks_away && limits & LIMIT_SILENT_BREAKAWAY_OK == 0 {
            joined.push(job);
        }
    }
    joined.extend(more.iter().filter(|job| !joined.contains(job)).copied().collect::<Vec<_>>());
    for job in joined {
        if join(cx, job, id) {
            return Err(NtStatus::QUOTA_EXCEEDED.into());
        }
    }
    Ok(())
}

/// Ends processes, the one that runs last.
fn end_each(cx: &mut Cx<'_>, processes: &[ProcessId], status: NtStatus) -> NtResult {
    let current = cx.kernel.ps.process.id;
    for &id in processes.iter().filter(|&&id| id != current) {
        cx.kernel.end_process(id, status);
    }
    if processes.contains(&current) { end(cx, status) } else { Ok(NtStatus::SUCCESS) }
}

/// `NtIsProcessInJob`: whether a process is in a job, or, with a NULL handle, in any.
///
/// `STATUS_PROCESS_IN_JOB`, `STATUS_PROCESS_NOT_IN_JOB` (both successes); `STATUS_INVALID_HANDLE`,
/// `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`.
fn nt_is_process_in_job(cx: &mut Cx<'_>, process: Handle, job: Handle) -> NtResult {
    let id = cx.process_of(process, cx.process_query())?;
    let wanted = match job {
        Handle::NULL => None,
        job => Some(cx.reference_id::<Job>(job, QUERY)?),
    };
    let jobs = &cx.kernel.ps.get(id).ok_or(NtStatus::PROCESS_IS_TERMINATING)?.jobs;
    let inside = wanted.map_or(!jobs.is_empty(), |wanted| jobs.contains(&wanted));
    Ok(if inside { NtStatus::PROCESS_IN_JOB } else { NtStatus::PROCESS_NOT_IN_JOB })
}

/// `NtTerminateJobObject`: ends every process in a job.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `JOB_OBJECT_TERMINATE`.
fn nt_terminate_job_object(cx: &mut Cx<'_>, job: Handle, exit_status: u32) -> NtResult {
    let processes = cx.reference::<Job>(job, TERMINATE)?.processes.clone();
    end_each(cx, &processes, NtStatus(exit_status))
}
