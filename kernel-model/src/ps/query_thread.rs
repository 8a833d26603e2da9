//! `NtQueryInformationThread`.

use guest::access::process as access;
use guest::types::{ClientId, StructWriter};
use guest::{Handle, NtStatus, UserPtr};

use super::ThreadObject;
use crate::cx::Cx;
use crate::service::{Information, NtResult, Service, Support, Unwind, class_name, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtQueryInformationThread => nt_query_information_thread,
    Support::Partial("ThreadBasicInformation and AmILastThread only")
)];

const BASIC_INFORMATION: u32 = 0;
const AM_I_LAST_THREAD: u32 = 12;

/// `NtQueryInformationThread`.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH` (the length must be exact), `STATUS_INVALID_HANDLE`,
/// `STATUS_ACCESS_DENIED`.
fn nt_query_information_thread(
    cx: &mut Cx<'_>, thread: Handle, class: u32, buffer: UserPtr<u8>, length: u32, return_length: Option<UserPtr<u32>>,
) -> NtResult {
    let name = class_name("THREADINFOCLASS", class)?;
    let width = cx.kernel.width();
    let w = width.bytes();
    let size = match class {
        BASIC_INFORMATION => 5 * w + 8,
        AM_I_LAST_THREAD => 4,
        _ => return Err(Unwind::unsupported(format!("ThreadInformationClass {name}"))),
    };
    let out = Information { buffer, length, return_length };
    out.probe(cx, size)?;
    let id = cx.reference::<ThreadObject>(thread, access::THREAD_QUERY_LIMITED_INFORMATION)?.id;
    let thread = cx.kernel.ps.thread(id).ok_or(NtStatus::INVALID_HANDLE)?;
    let id = ClientId { process: thread.process.0.into(), thread: thread.id.0.into() };
    let writer = StructWriter::new(size, width);
    let bytes = if class == AM_I_LAST_THREAD {
        writer.field(0, 4, cx.kernel.ps.is_last_thread().into()).finish()
    } else {
        // ExitStatus, TebBaseAddress, ClientId, AffinityMask, Priority, BasePriority (relative to the process)
        let writer = writer.field(0, 4, thread.exit_status.0.into()).word(w, thread.teb);
        let writer = writer.word(2 * w, id.process).word(3 * w, id.thread).word(4 * w, 1);
        writer.field(5 * w, 4, 8).finish()
    };
    out.write(cx, &bytes)?;
    Ok(NtStatus::SUCCESS)
}
