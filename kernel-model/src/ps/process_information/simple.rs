//! The structures of a process's information classes.

use guest::NtStatus;
use guest::mem::Width;
use guest::types::StructWriter;

use crate::kernel::Kernel;
use crate::ps::{EXECUTE_PERMANENT, MITIGATIONS, Process};
use crate::service::NtResult;

/// `PROCESS_BASIC_INFORMATION`, or `PROCESS_EXTENDED_BASIC_INFORMATION`, whose size the caller has to fill in.
///
/// `STATUS_INVALID_PARAMETER` if it did not.
pub(super) fn basic(kernel: &Kernel, process: &Process, size: usize, input: u32) -> NtResult<Vec<u8>> {
    let width = kernel.width();
    let w = width.bytes();
    let extended = size > 6 * w;
    if extended && (input as usize) < size {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let at = if extended { w } else { 0 };
    let out = StructWriter::new(size, width);
    // ExitStatus, PebBaseAddress, AffinityMask, BasePriority, UniqueProcessId, InheritedFromUniqueProcessId
    let out = out.field(at, 4, process.exit_status.0.into()).word(at + w, process.peb);
    let out = out.word(at + 2 * w, process.about.affinity).field(at + 3 * w, 4, process.about.base_priority.into());
    let out = out.word(at + 4 * w, process.id.0.into()).word(at + 5 * w, process.parent.0.into());
    if !extended {
        return Ok(out.finish());
    }
    let protected = process.protection.0 != 0;
    let deleting = process.exit_status != NtStatus::PENDING;
    // IsProtectedProcess, IsWow64Process, IsProcessDeleting
    let flags = u64::from(protected) | u64::from(process.wow64_peb.is_some()) << 1 | u64::from(deleting) << 2;
    Ok(out.word(0, size as u64).field(7 * w, 4, flags).finish())
}

/// `QUOTA_LIMITS` and `QUOTA_LIMITS_EX`: the working set as `GetProcessWorkingSetSize` tells it by default, no limit else.
pub(super) fn quota_limits(width: Width, out: StructWriter) -> Vec<u8> {
    const MINIMUM_WORKING_SET: u64 = 50 * 4096;
    const MAXIMUM_WORKING_SET: u64 = 345 * 4096;
    let w = width.bytes();
    // PagedPoolLimit, NonPagedPoolLimit, MinimumWorkingSetSize, MaximumWorkingSetSize, PagefileLimit; TimeLimit
    let out = out.word(0, u64::MAX).word(w, u64::MAX).word(2 * w, MINIMUM_WORKING_SET).word(3 * w, MAXIMUM_WORKING_SET);
    out.word(4 * w, u64::MAX).field((5 * w).next_multiple_of(8), 8, u64::MAX).finish()
}

/// `VM_COUNTERS` and the longer forms of it.
pub(super) fn vm_counters(kernel: &Kernel, process: &Process, size: usize, out: StructWriter) -> Vec<u8> {
    let w = kernel.width().bytes();
    let memory = kernel.memory_of(process);
    // PeakVirtualSize, VirtualSize, PageFaultCount, PeakWorkingSetSize, WorkingSetSize; pool; PagefileUsage,
    // PeakPagefileUsage, PrivateUsage; PrivateWorkingSetSize
    let out = out.word(0, memory.virtual_size).word(w, memory.virtual_size).field(2 * w, 4, memory.faults);
    let out = out.word(3 * w, memory.working_set).word(4 * w, memory.working_set);
    let out = out.word(9 * w, memory.private).word(10 * w, memory.private);
    let out = if size > 11 * w { out.word(11 * w, memory.private) } else { out };
    (if size > 12 * w { out.word(12 * w, memory.working_set) } else { out }).finish()
}

/// `KERNEL_USER_TIMES`: creation, exit, kernel, user.
pub(super) fn times(kernel: &Kernel, process: &Process, out: StructWriter) -> Vec<u8> {
    let (user, system) = kernel.times_of(process);
    let ended = process.about.ended;
    out.field(0, 8, process.about.created).field(8, 8, ended).field(0x10, 8, system).field(0x18, 8, user).finish()
}

/// `MEM_EXECUTE_OPTION_*`: 64-bit code always runs with data that cannot be executed.
pub(super) fn execute_flags(kernel: &Kernel, process: &Process) -> u32 {
    const DISABLE_THUNK_EMULATION: u32 = 4;
    let native = kernel.width() == Width::W64 && process.wow64_peb.is_none();
    let options = process.about.execute_options;
    if native { options | EXECUTE_PERMANENT | DISABLE_THUNK_EMULATION } else { options }
}

/// `ProcessSystemCallDisablePolicy`.
const SYSTEM_CALL_DISABLE: u32 = 4;

/// `PROCESS_MITIGATION_POLICY_INFORMATION`: the policy that was asked for, and its bits.
///
/// `STATUS_INVALID_PARAMETER` for a policy that there is not, or that has a class of its own (DEP).
pub(super) fn mitigation(kernel: &Kernel, process: &Process, policy: u32) -> NtResult<Vec<u8>> {
    let bits = process.about.mitigations.get(policy as usize).filter(|_| policy != 0);
    let mut bits = *bits.ok_or(NtStatus::INVALID_PARAMETER)?;
    debug_assert!(MITIGATIONS > SYSTEM_CALL_DISABLE as usize);
    bits |= u32::from(policy == SYSTEM_CALL_DISABLE && process.win32k_lockdown);
    let out = StructWriter::new(8, kernel.width()).field(0, 4, policy.into());
    Ok(out.field(4, 4, bits.into()).finish())
}

/// `PROCESS_HANDLE_SNAPSHOT_INFORMATION`: a count, then each handle.
pub(super) fn handles(kernel: &Kernel, process: &Process) -> Vec<u8> {
    let width = kernel.width();
    let w = width.bytes();
    let mut bytes = StructWriter::new(2 * w, width).word(0, process.handles.count() as u64).finish();
    for (handle, entry) in process.handles.iter() {
        let Some(object) = kernel.ob.get(entry.object) else { continue };
        let kind = kernel.ob.type_of(entry.object).and_then(|t| kernel.ob.type_info(t)).map_or(0, |t| t.index);
        // HandleValue, HandleCount, PointerCount, GrantedAccess, ObjectTypeIndex, HandleAttributes, Reserved
        let out = StructWriter::new(3 * w + 16, width).word(0, handle.0).word(w, object.handle_count.into());
        let out = out.word(2 * w, object.pointer_count()).field(3 * w, 4, entry.granted.0.into());
        bytes.extend(out.field(3 * w + 4, 4, kind.into()).field(3 * w + 8, 4, entry.attributes.bits().into()).finish());
    }
    bytes
}
