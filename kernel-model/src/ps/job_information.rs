//! `NtQueryInformationJobObject` and `NtSetInformationJobObject`.

use guest::mem::{Width, Word};
use guest::types::StructWriter;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::job::{Job, LIMIT_KILL_ON_JOB_CLOSE, Limits, QUERY};
use crate::cx::Cx;
use crate::io::IoCompletion;
use crate::ob::ObjectId;
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(
        NtQueryInformationJobObject => nt_query_information_job_object,
        Support::Partial("accounting, limits, processes, user-interface limits, end of time; no processor times, no I/O counts")
    ),
    service!(
        NtSetInformationJobObject => nt_set_information_job_object,
        Support::Partial("limits of processes, user-interface limits, end of time, completion port; no limits of time, working set or memory")
    ),
];

/// `JOBOBJECTINFOCLASS` (source: winnt.h).
const BASIC_ACCOUNTING: u32 = 1;
const BASIC_LIMIT: u32 = 2;
const PROCESS_ID_LIST: u32 = 3;
const UI_RESTRICTIONS: u32 = 4;
const END_OF_JOB_TIME: u32 = 6;
/// `JobObjectCpuRateControlInformation`.
const CPU_RATE_CONTROL: u32 = 15;
const COMPLETION_PORT: u32 = 7;
const BASIC_AND_IO_ACCOUNTING: u32 = 8;
const EXTENDED_LIMIT: u32 = 9;
/// The highest class of any build.
const MAX_CLASS: u32 = 50;

/// `JOB_OBJECT_SET_ATTRIBUTES`.
const SET_ATTRIBUTES: AccessMask = AccessMask(2);
/// `IO_COMPLETION_MODIFY_STATE`.
const MODIFY_STATE: AccessMask = AccessMask(2);

/// `JOB_OBJECT_LIMIT_*`: what `JOBOBJECT_BASIC_LIMIT_INFORMATION` may hold, and the extended one.
const BASIC_FLAGS: u32 = 0xff;
const EXTENDED_FLAGS: u32 = 0x7fff;
/// Limits that nothing here would keep.
const NOT_KEPT: &[(u32, &str)] = &[
    (0x1, "JOB_OBJECT_LIMIT_WORKINGSET"),
    (0x2, "JOB_OBJECT_LIMIT_PROCESS_TIME"),
    (0x4, "JOB_OBJECT_LIMIT_JOB_TIME"),
    (0x100, "JOB_OBJECT_LIMIT_PROCESS_MEMORY"),
    (0x200, "JOB_OBJECT_LIMIT_JOB_MEMORY"),
    (0x4000, "JOB_OBJECT_LIMIT_SUBSET_AFFINITY"),
];

/// Where the fields of `JOBOBJECT_BASIC_LIMIT_INFORMATION` are.
struct Layout {
    words: [usize; 3],
    active: usize,
    priority: usize,
    basic: usize,
    memory: usize,
    extended: usize,
}

const fn layout(width: Width) -> Layout {
    match width {
        Width::W32 => Layout {
            words: [0x14, 0x18, 0x20],
            active: 0x1c,
            priority: 0x24,
            basic: 0x30,
            memory: 0x60,
            extended: 0x70,
        },
        Width::W64 => Layout {
            words: [0x18, 0x20, 0x30],
            active: 0x28,
            priority: 0x38,
            basic: 0x40,
            memory: 0x70,
            extended: 0x90,
        },
    }
}

/// The size of a class's structure; the smallest of the list of processes.
fn size_of_class(class: u32, width: Width) -> NtResult<usize> {
    Ok(match class {
        BASIC_ACCOUNTING => 0x30,
        BASIC_LIMIT => layout(width).basic,
        PROCESS_ID_LIST => 8 + width.bytes(),
        CPU_RATE_CONTROL => 8,
        UI_RESTRICTIONS | END_OF_JOB_TIME => 4,
        COMPLETION_PORT => 2 * width.bytes(),
        BASIC_AND_IO_ACCOUNTING => 0x60,
        EXTENDED_LIMIT => layout(width).extended,
        0 | MAX_CLASS.. => return Err(NtStatus::INVALID_INFO_CLASS.into()),
        _ => return Err(Unwind::unsupported(format!("JobObjectInformationClass {class}"))),
    })
}

/// `NtQueryInformationJobObject`: what a job has counted, what its limits are, which processes are in it. A NULL handle
/// is the caller's own job.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_BUFFER_OVERFLOW` (more processes than fit),
/// `STATUS_ACCESS_DENIED` (without `JOB_OBJECT_QUERY`, or the caller is in no job).
fn nt_query_information_job_object(
    cx: &mut Cx<'_>, job: Handle, class: u32, buffer: UserPtr<u8>, length: u32, return_length: Option<UserPtr<u32>>,
) -> NtResult {
    let width = cx.kernel.width();
    let size = size_of_class(class, width)?;
    if class == COMPLETION_PORT {
        return Err(NtStatus::INVALID_INFO_CLASS.into());
    }
    let open_ended = class == PROCESS_ID_LIST;
    if (length as usize) < size || !open_ended && length as usize != size {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let mut mem = cx.mem();
    mem.probe_write(buffer.va, length.into())?;
    if let Some(pointer) = return_length {
        mem.probe(pointer)?;
    }
    let job = query_target(cx, job)?;
    let (bytes, status) = match class {
        PROCESS_ID_LIST => process_list(&job, width, length as usize),
        // No rate can be set: none is.
        CPU_RATE_CONTROL => (vec![0; size], NtStatus::SUCCESS),
        _ => (fixed(&job, class, size, width), NtStatus::SUCCESS),
    };
    let mut mem = cx.mem();
    mem.write(buffer.va, &bytes)?;
    if let Some(pointer) = return_length {
        mem.store(pointer, &(bytes.len() as u32))?;
    }
    Ok(status)
}

fn query_target(cx: &mut Cx<'_>, job: Handle) -> NtResult<Job> {
    if job != Handle::NULL {
        return Ok(cx.reference::<Job>(job, QUERY)?.clone());
    }
    let own: ObjectId = *cx.kernel.ps.process.jobs.last().ok_or(NtStatus::ACCESS_DENIED)?;
    match cx.kernel.ob.get(own).map(|o| &o.body) {
        Some(crate::body::Body::Job(job)) => Ok((**job).clone()),
        _ => Err(NtStatus::ACCESS_DENIED.into()),
    }
}

fn process_list(job: &Job, width: Width, length: usize) -> (Vec<u8>, NtStatus) {
    let w = width.bytes();
    let listed = job.processes.len().min((length - 8) / w);
    let out = StructWriter::new(8 + listed * w, width);
    let out = out.field(0, 4, job.processes.len() as u64).field(4, 4, listed as u64);
    let ids = job.processes.iter().take(listed).enumerate();
    let bytes = ids.fold(out, |out, (i, id)| out.word(8 + i * w, id.0.into())).finish();
    (bytes, if listed < job.processes.len() { NtStatus::BUFFER_OVERFLOW } else { NtStatus::SUCCESS })
}

fn fixed(job: &Job, class: u32, size: usize, width: Width) -> Vec<u8> {
    let out = StructWriter::new(size, width);
    match class {
        BASIC_ACCOUNTING | BASIC_AND_IO_ACCOUNTING => {
            // TotalProcesses, ActiveProcesses, TotalTerminatedProcesses, behind the times
            let counts = job.accounting;
            let out = out.field(0x24, 4, counts.total_processes.into());
            out.field(0x28, 4, job.processes.len() as u64).field(0x2c, 4, counts.terminated_processes.into())
        }
        UI_RESTRICTIONS => out.field(0, 4, job.ui_restrictions.into()),
        END_OF_JOB_TIME => out.field(0, 4, job.end_of_job_time.into()),
        _ => limits(out, &job.limits, class == EXTENDED_LIMIT, width),
    }
    .finish()
}

fn limits(out: StructWriter, limits: &Limits, extended: bool, width: Width) -> StructWriter {
    let at = layout(width);
    let out = out.field(0, 8, limits.per_process_user_time).field(8, 8, limits.per_job_user_time);
    let words = [limits.minimum_working_set, limits.maximum_working_set, limits.affinity];
    let out = at.words.iter().zip(words).fold(out, |out, (&at, value)| out.word(at, value));
    let flags = if extended { limits.flags } else { limits.flags & BASIC_FLAGS };
    let out = out.field(0x10, 4, flags.into()).field(at.active, 4, limits.active_processes.into());
    let out = out.field(at.priority, 4, limits.priority_class.into());
    let out = out.field(at.priority + 4, 4, limits.scheduling_class.into());
    if extended {
        out.word(at.memory, limits.process_memory).word(at.memory + width.bytes(), limits.job_memory)
    } else {
        out
    }
}

/// `NtSetInformationJobObject`: sets limits, or where messages go.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_INVALID_PARAMETER`, `STATUS_INVALID_HANDLE`,
/// `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `JOB_OBJECT_SET_ATTRIBUTES`.
fn nt_set_information_job_object(
    cx: &mut Cx<'_>, job: Handle, class: u32, information: UserPtr<u8>, length: u32,
) -> NtResult {
    let width = cx.kernel.width();
    let size = size_of_class(class, width)?;
    if matches!(class, BASIC_ACCOUNTING | PROCESS_ID_LIST | BASIC_AND_IO_ACCOUNTING) {
        return Err(NtStatus::INVALID_INFO_CLASS.into());
    }
    if length as usize != size {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let own = cx.kernel.ps.process.id;
    match class {
        COMPLETION_PORT => set_port(cx, job, information),
        UI_RESTRICTIONS => {
            let flags = cx.mem().load(information.cast::<u32>())?;
            if flags & !0xff != 0 {
                return Err(NtStatus::INVALID_PARAMETER.into());
            }
            cx.reference::<Job>(job, SET_ATTRIBUTES)?.ui_restrictions = flags;
            Ok(NtStatus::SUCCESS)
        }
        END_OF_JOB_TIME => {
            let action = cx.mem().load(information.cast::<u32>())?;
            if action > 1 {
                return Err(NtStatus::INVALID_PARAMETER.into());
            }
            cx.reference::<Job>(job, SET_ATTRIBUTES)?.end_of_job_time = action;
            Ok(NtStatus::SUCCESS)
        }
        _ => {
            let limits = read_limits(cx, information, class == EXTENDED_LIMIT)?;
            let job = cx.reference::<Job>(job, SET_ATTRIBUTES)?;
            if limits.flags & LIMIT_KILL_ON_JOB_CLOSE != 0 && job.processes.contains(&own) {
                return Err(Unwind::unsupported("JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE for the calling process"));
            }
            // The basic structure leaves the rest as it was.
            let kept = if class == EXTENDED_LIMIT { 0 } else { job.limits.flags & !BASIC_FLAGS };
            job.limits = Limits { flags: limits.flags | kept, ..limits };
            Ok(NtStatus::SUCCESS)
        }
    }
}

fn read_limits(cx: &mut Cx<'_>, at: UserPtr<u8>, extended: bool) -> NtResult<Limits> {
    let fields = layout(cx.kernel.width());
    let mut mem = cx.mem();
    let mut word = |offset: usize| mem.load(UserPtr::<Word>::new(at.va.wrapping_add(offset as u64))).map(|w| w.0);
    let [minimum_working_set, maximum_working_set, affinity] = fields.words.map(&mut word);
    let mut dword = |offset: usize| mem.load(UserPtr::<u32>::new(at.va.wrapping_add(offset as u64)));
    let limits = Limits {
        flags: dword(0x10)?,
        minimum_working_set: minimum_working_set?,
        maximum_working_set: maximum_working_set?,
        active_processes: dword(fields.active)?,
        affinity: affinity?,
        priority_class: dword(fields.priority)?,
        scheduling_class: dword(fields.priority + 4)?,
        ..Limits::default()
    };
    let known = if extended { EXTENDED_FLAGS } else { BASIC_FLAGS };
    let scheduling = limits.flags & 0x80 != 0 && limits.scheduling_class > 9;
    let active = limits.flags & 0x8 != 0 && limits.active_processes == 0;
    if limits.flags & !known != 0 || scheduling || active {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    match NOT_KEPT.iter().find(|(flag, _)| limits.flags & flag != 0) {
        Some((_, name)) => Err(Unwind::unsupported(*name)),
        None => Ok(limits),
    }
}

/// `JOBOBJECT_ASSOCIATE_COMPLETION_PORT`: the key, and the port. Once there is one it stays, before Windows 8.1.
fn set_port(cx: &mut Cx<'_>, job: Handle, information: UserPtr<u8>) -> NtResult {
    let w = cx.kernel.width().bytes() as u64;
    let mut mem = cx.mem();
    let key = mem.load(information.cast::<Word>())?.0;
    let port = mem.load(UserPtr::<Handle>::new(information.va.wrapping_add(w)))?;
    let job = cx.reference_id::<Job>(job, SET_ATTRIBUTES)?;
    let port = cx.reference_id::<IoCompletion>(port, MODIFY_STATE)?;
    let Some(crate::body::Body::Job(body)) = cx.kernel.ob.get_mut(job).map(|o| &mut o.body) else {
        return Err(NtStatus::INVALID_HANDLE.into());
    };
    if body.port.is_some() {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    body.port = Some((port, key));
    let members = body.processes.clone();
    cx.kernel.ob.reference(port);
    // Those that are in it already are told of.
    for id in members {
        cx.kernel.tell_job(job, 6, id.0.into());
    }
    Ok(NtStatus::SUCCESS)
}
