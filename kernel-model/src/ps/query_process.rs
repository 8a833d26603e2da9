//! `NtQueryInformationProcess`.

use guest::types::StructWriter;
use guest::{Handle, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::service::{Information, NtResult, Service, Support, Unwind, class_name, service};

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
    let name = class_name("PROCESSINFOCLASS", class)?;
    let width = cx.kernel.width();
    let w = width.bytes();
    let size = match class {
        BASIC_INFORMATION => 6 * w,
        DEBUG_PORT | WOW64_INFORMATION | DEBUG_OBJECT_HANDLE => w,
        DEBUG_FLAGS => 4,
        _ => return Err(Unwind::unsupported(format!("ProcessInformationClass {name}"))),
    };
    let out = Information { buffer, length, return_length };
    out.probe(cx, size)?;
    let id = cx.process_of(process, cx.process_query())?;
    let process = cx.kernel.ps.get(id).ok_or(NtStatus::INVALID_HANDLE)?;
    let writer = StructWriter::new(size, width);
    let (bytes, status) = match class {
        // ExitStatus, PebBaseAddress, AffinityMask, BasePriority, UniqueProcessId, InheritedFromUniqueProcessId
        BASIC_INFORMATION => {
            let writer = writer.field(0, 4, process.exit_status.0.into()).word(w, process.peb).word(2 * w, 1);
            let writer =
                writer.field(3 * w, 4, 8).word(4 * w, process.id.0.into()).word(5 * w, process.parent.0.into());
            (writer.finish(), NtStatus::SUCCESS)
        }
        WOW64_INFORMATION => (writer.word(0, process.wow64_peb.unwrap_or(0)).finish(), NtStatus::SUCCESS),
        DEBUG_OBJECT_HANDLE => (writer.finish(), NtStatus::PORT_NOT_SET),
        // EPROCESS.NoDebugInherit, negated: 1 means that nobody debugs it.
        DEBUG_FLAGS => (writer.field(0, 4, 1).finish(), NtStatus::SUCCESS),
        _ => (writer.finish(), NtStatus::SUCCESS),
    };
    out.write(cx, &bytes)?;
    Ok(status)
}
