//! `NtQueryInformationProcess`.

use guest::access::process as access;
use guest::types::StructWriter;
use guest::{GuestMemory, Handle, NtStatus, UserPtr, enums};

use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtQueryInformationProcess => nt_query_information_process,
    Support::Partial("ProcessBasicInformation, DebugPort, Wow64Information, DebugObjectHandle and DebugFlags only")
)];

const BASIC_INFORMATION: u32 = 0;
const DEBUG_PORT: u32 = 7;
const WOW64_INFORMATION: u32 = 26;
const DEBUG_OBJECT_HANDLE: u32 = 30;
const DEBUG_FLAGS: u32 = 31;

/// `NtQueryInformationProcess`.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH` (the length must be exact), `STATUS_PORT_NOT_SET` (no
/// debug object), `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED`.
fn nt_query_information_process(
    cx: &mut Cx<'_>, process: Handle, class: u32, buffer: UserPtr<u8>, length: u32, return_length: Option<UserPtr<u32>>,
) -> NtResult {
    let name = enums::by_name("PROCESSINFOCLASS").and_then(|e| e.member(class.into()));
    let name = name.filter(|n| !n.starts_with("Max")).ok_or(NtStatus::INVALID_INFO_CLASS)?;
    let width = cx.kernel.width;
    let w = width.bytes();
    let size = match class {
        BASIC_INFORMATION => 6 * w,
        DEBUG_PORT | WOW64_INFORMATION | DEBUG_OBJECT_HANDLE => w,
        DEBUG_FLAGS => 4,
        _ => return Err(Unwind::unsupported(format!("ProcessInformationClass {name}"))),
    };
    if length as usize != size {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let mut mem = cx.mem();
    mem.probe_write(buffer.va, length.into())?;
    if let Some(pointer) = return_length {
        mem.probe(pointer)?;
    }
    cx.require_current_process(process, access::QUERY_LIMITED_INFORMATION)?;
    let process = cx.kernel.ps.current_process();
    let out = StructWriter::new(size, width);
    let (bytes, status) = match class {
        // ExitStatus, PebBaseAddress, AffinityMask, BasePriority, UniqueProcessId, InheritedFromUniqueProcessId
        BASIC_INFORMATION => {
            let out = out.field(0, 4, process.exit_status.0.into()).word(w, process.peb).word(2 * w, 1);
            let out = out.field(3 * w, 4, 8).word(4 * w, process.id.0.into()).word(5 * w, process.parent.0.into());
            (out.finish(), NtStatus::SUCCESS)
        }
        DEBUG_OBJECT_HANDLE => (out.finish(), NtStatus::PORT_NOT_SET),
        // EPROCESS.NoDebugInherit, negated: 1 means that nobody debugs it.
        DEBUG_FLAGS => (out.field(0, 4, 1).finish(), NtStatus::SUCCESS),
        _ => (out.finish(), NtStatus::SUCCESS),
    };
    let mut mem = cx.mem();
    mem.write(buffer.va, &bytes)?;
    if let Some(pointer) = return_length {
        mem.store(pointer, &length)?;
    }
    Ok(status)
}
