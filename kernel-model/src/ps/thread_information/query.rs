//! `NtQueryInformationThread`.

use guest::access::process as access;
use guest::mem::Width;
use guest::types::StructWriter;
use guest::{AccessMask, Handle, NtStatus, UserPtr};

use super::{QUERY_INFORMATION, class, is_too_new};
use crate::cx::Cx;
use crate::kernel::Kernel;
use crate::ps::system::thread_bytes;
use crate::ps::thread_name::{NAME_INFORMATION, query_name};
use crate::ps::{Thread, ThreadObject, wow64_context};
use crate::service::{Information, NtResult, Service, Support, Unwind, class_name, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtQueryInformationThread => nt_query_information_thread,
    Support::Partial("no descriptor table entries, last system call, TEB or profiling")
)];

/// The length of a class's answer, and the right that it needs.
fn shape(class: u32, width: Width) -> Option<(usize, AccessMask)> {
    let limited = access::THREAD_QUERY_LIMITED_INFORMATION;
    let w = width.bytes();
    Some(match class {
        class::BASIC => (5 * w + 8, limited),
        class::TIMES => (0x20, limited),
        class::WIN32_START => (w, QUERY_INFORMATION),
        class::PERFORMANCE_COUNT => (8, QUERY_INFORMATION),
        class::CYCLE_TIME => (0x10, limited),
        class::AM_I_LAST_THREAD => (4, QUERY_INFORMATION),
        class::PRIORITY_BOOST | class::IS_TERMINATED | class::SUBSYSTEM | class::SUSPEND_COUNT => (4, limited),
        class::IS_IO_PENDING | class::BREAK_ON_TERMINATION => (4, QUERY_INFORMATION),
        class::IO_PRIORITY | class::PAGE_PRIORITY | class::ACTUAL_BASE_PRIORITY => (4, QUERY_INFORMATION),
        class::HIDE_FROM_DEBUGGER => (1, QUERY_INFORMATION),
        class::GROUP => (w + 8, limited),
        class::IDEAL_PROCESSOR_EX => (4, limited),
        class::SYSTEM_THREAD => (if width == Width::W64 { 0x50 } else { 0x40 }, limited),
        _ => return None,
    })
}

/// Classes that there is nothing to ask of.
const ONLY_SET: &[u32] = &[
    class::PRIORITY,
    class::BASE_PRIORITY,
    class::AFFINITY_MASK,
    class::IMPERSONATION_TOKEN,
    class::ZERO_TLS_CELL,
    class::IDEAL_PROCESSOR,
];

/// `NtQueryInformationThread`.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH` (the length must be exact), `STATUS_INVALID_HANDLE`,
/// `STATUS_ACCESS_DENIED`.
fn nt_query_information_thread(
    cx: &mut Cx<'_>, thread: Handle, class: u32, buffer: UserPtr<u8>, length: u32, return_length: Option<UserPtr<u32>>,
) -> NtResult {
    let name = class_name("THREADINFOCLASS", class)?;
    if is_too_new(class, cx.kernel.profile.version.2) || ONLY_SET.contains(&class) {
        return Err(NtStatus::INVALID_INFO_CLASS.into());
    }
    if class == class::WOW64_CONTEXT {
        return wow64_context::query(cx, thread, buffer, length);
    }
    if class == NAME_INFORMATION {
        return query_name(cx, thread, buffer, length, return_length);
    }
    let width = cx.kernel.width();
    let (size, right) =
        shape(class, width).ok_or_else(|| Unwind::unsupported(format!("ThreadInformationClass {name}")))?;
    let out = Information { buffer, length, return_length };
    out.probe(cx, size)?;
    let right = if right == access::THREAD_QUERY_LIMITED_INFORMATION { cx.thread_query() } else { right };
    let id = cx.reference::<ThreadObject>(thread, right)?.id;
    let told = !cx.is_restricted_caller()? && cx.sees_kernel_addresses();
    let thread = cx.kernel.ps.thread(id).ok_or(NtStatus::INVALID_HANDLE)?;
    let bytes = answer(cx.kernel, thread, class, size, told);
    out.write(cx, &bytes)?;
    Ok(NtStatus::SUCCESS)
}

fn answer(kernel: &Kernel, thread: &Thread, class: u32, size: usize, told: bool) -> Vec<u8> {
    let out = StructWriter::new(size, kernel.width());
    let about = &thread.about;
    let (user, system) = kernel.thread_times(thread);
    let ended = thread.exit_status != NtStatus::PENDING;
    let number = |value: u64| StructWriter::new(size, kernel.width()).field(0, size.min(8), value).finish();
    match class {
        class::BASIC => basic(kernel, thread, out),
        // CreateTime, ExitTime, KernelTime, UserTime
        class::TIMES => {
            let out = out.field(0, 8, about.created).field(8, 8, about.ended);
            out.field(0x10, 8, system).field(0x18, 8, user).finish()
        }
        class::WIN32_START => {
            number(if kernel.mm.is_system(thread.start_address) && !told { 0 } else { thread.start_address })
        }
        class::AM_I_LAST_THREAD => {
            let others =
                kernel.ps.threads().filter(|t| t.process == thread.process && t.exit_status == NtStatus::PENDING);
            number((others.count() <= 1).into())
        }
        // AccumulatedCycles, CurrentCycleCount
        class::CYCLE_TIME => {
            let now = if thread.id == kernel.ps.thread.id { kernel.clock.tsc() } else { 0 };
            out.field(0, 8, (user + system) * 100).field(8, 8, now).finish()
        }
        class::PRIORITY_BOOST => number(thread.boost_disabled.into()),
        class::HIDE_FROM_DEBUGGER => number(about.hidden.into()),
        class::BREAK_ON_TERMINATION => number(about.critical.into()),
        class::SUSPEND_COUNT => number(thread.suspend_count.into()),
        class::IS_TERMINATED => number(ended.into()),
        class::IO_PRIORITY => number(about.io_priority.into()),
        class::PAGE_PRIORITY => number(about.page_priority.into()),
        class::ACTUAL_BASE_PRIORITY => number(thread.base_priority.into()),
        // Mask, Group
        class::GROUP => out.word(0, about.affinity).finish(),
        class::SYSTEM_THREAD => {
            let process = kernel.ps.get(thread.process);
            process.map_or(out.finish(), |process| thread_bytes(kernel, process, thread, false, told))
        }
        // Nothing is pending or counted; the processor is 0, the subsystem Win32.
        _ => out.finish(),
    }
}

/// `THREAD_BASIC_INFORMATION`: ExitStatus, TebBaseAddress, ClientId, AffinityMask, Priority, BasePriority (relative to
/// the process's).
fn basic(kernel: &Kernel, thread: &Thread, out: StructWriter) -> Vec<u8> {
    let w = kernel.width().bytes();
    let base = kernel.ps.get(thread.process).map_or(8, |process| process.about.base_priority);
    let relative = i64::from(thread.base_priority) - i64::from(base);
    let out = out.field(0, 4, thread.exit_status.0.into()).word(w, thread.teb);
    let out =
        out.word(2 * w, thread.process.0.into()).word(3 * w, thread.id.0.into()).word(4 * w, thread.about.affinity);
    out.field(5 * w, 4, thread.priority.into()).field(5 * w + 4, 4, relative.cast_unsigned()).finish()
}
