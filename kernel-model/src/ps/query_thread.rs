//! `NtQueryInformationThread`.

use guest::access::process as access;
use guest::types::{ClientId, StructWriter};
use guest::{GuestMemory, Handle, NtStatus, UserPtr, enums};

use super::ThreadId;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, service};

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
    let name = enums::by_name("THREADINFOCLASS").and_then(|e| e.member(class.into()));
    let name = name.filter(|n| !n.starts_with("Max")).ok_or(NtStatus::INVALID_INFO_CLASS)?;
    let width = cx.kernel.width;
    let w = width.bytes();
    let size = match class {
        BASIC_INFORMATION => 6 * w,
        AM_I_LAST_THREAD => 4,
        _ => return Err(Unwind::unsupported(format!("ThreadInformationClass {name}"))),
    };
    if length as usize != size {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let mut mem = cx.mem();
    mem.probe_write(buffer.va, length.into())?;
    if let Some(pointer) = return_length {
        mem.probe(pointer)?;
    }
    cx.reference::<ThreadId>(thread, access::THREAD_QUERY_LIMITED_INFORMATION)?;
    let thread = &cx.kernel.ps.thread;
    let id = ClientId { process: thread.process.0.into(), thread: thread.id.0.into() };
    let out = StructWriter::new(size, width);
    let bytes = if class == AM_I_LAST_THREAD {
        out.field(0, 4, 1).finish()
    } else {
        // ExitStatus, TebBaseAddress, ClientId, AffinityMask, Priority, BasePriority (relative to the process)
        let out = out.field(0, 4, thread.exit_status.0.into()).word(w, thread.teb);
        let out = out.word(2 * w, id.process).word(3 * w, id.thread).word(4 * w, 1);
        out.field(5 * w, 4, 8).finish()
    };
    let mut mem = cx.mem();
    mem.write(buffer.va, &bytes)?;
    if let Some(pointer) = return_length {
        mem.store(pointer, &length)?;
    }
    Ok(NtStatus::SUCCESS)
}
