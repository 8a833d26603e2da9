//! `NtQuerySystemInformationEx`: classes that are asked for with something to go on.

use guest::mem::Width;
use guest::types::StructWriter;
use guest::{GuestMemory, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, class_name, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtQuerySystemInformationEx => nt_query_system_information_ex,
    Support::Partial("SystemLogicalProcessorAndGroupInformation only, without caches, and not for 32-bit programs on 64-bit kernels")
)];

/// `SystemLogicalProcessorAndGroupInformation`.
const PROCESSORS_AND_GROUPS: u32 = 107;

/// `LOGICAL_PROCESSOR_RELATIONSHIP`.
const CORE: u32 = 0;
const NODE: u32 = 1;
const CACHE: u32 = 2;
const PACKAGE: u32 = 3;
const GROUP: u32 = 4;
const ALL: u32 = 0xffff;

/// `NtQuerySystemInformationEx`: how processors go together: one, in one group.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INVALID_PARAMETER` (what is asked for), `STATUS_INFO_LENGTH_MISMATCH`, with the
/// length that is needed returned.
fn nt_query_system_information_ex(
    cx: &mut Cx<'_>, class: u32, input: u64, input_length: u32, buffer: UserPtr<u8>, length: u32,
    return_length: Option<UserPtr<u32>>,
) -> NtResult {
    let name = class_name("SYSTEM_INFORMATION_CLASS", class)?;
    if input == 0 || input_length == 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let mut mem = cx.mem();
    mem.probe_range(input, input_length.into())?;
    mem.probe_write(buffer.va, length.into())?;
    if let Some(pointer) = return_length {
        mem.probe(pointer)?;
    }
    if class != PROCESSORS_AND_GROUPS {
        return Err(Unwind::unsupported(format!("SystemInformationClass {name}")));
    }
    if cx.kernel.ps.process.wow64_peb.is_some() {
        return Err(Unwind::unsupported("a 32-bit program's information of that kind"));
    }
    if input_length != 4 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let relation = cx.mem().load(UserPtr::<u32>::new(input))?;
    let bytes = relations(relation, cx.kernel.width())?;
    if let Some(pointer) = return_length {
        cx.mem().store(pointer, &(bytes.len() as u32))?;
    }
    if (length as usize) < bytes.len() {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    cx.mem().write(buffer.va, &bytes)?;
    Ok(NtStatus::SUCCESS)
}

/// `SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX` of the relations that are asked for.
fn relations(relation: u32, width: Width) -> Result<Vec<u8>, NtStatus> {
    match relation {
        CORE | PACKAGE | NODE => Ok(one(relation, width)),
        GROUP => Ok(group(width)),
        CACHE => Ok(Vec::new()),
        ALL => Ok([one(CORE, width), one(PACKAGE, width), one(NODE, width), group(width)].concat()),
        _ => Err(NtStatus::INVALID_PARAMETER),
    }
}

/// Relationship, Size; what it is (24 bytes), of which the last two count groups; `GROUP_AFFINITY`.
fn one(relation: u32, width: Width) -> Vec<u8> {
    let size = 0x20 + width.bytes() + 8;
    let out = StructWriter::new(size, width).field(0, 4, relation.into()).field(4, 4, size as u64);
    out.field(0x1e, 2, 1).word(0x20, 1).finish()
}

/// Relationship, Size, MaximumGroupCount, ActiveGroupCount; MaximumProcessorCount, ActiveProcessorCount, the mask.
fn group(width: Width) -> Vec<u8> {
    let size = 0x20 + 0x28 + width.bytes();
    let out = StructWriter::new(size, width).field(0, 4, GROUP.into()).field(4, 4, size as u64);
    out.field(8, 2, 1).field(10, 2, 1).field(0x20, 1, 1).field(0x21, 1, 1).word(0x48, 1).finish()
}
