//! `NtFlushInstructionCache`.

use guest::access::process as access;
use guest::{Handle, NtStatus};

use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] =
    &[service!(NtFlushInstructionCache => nt_flush_instruction_cache, Support::Full)];

/// `NtFlushInstructionCache`: what was written as data can be run. x86 processors see to that by themselves, and so does
/// the memory manager here: there is nothing to do but to check the handle.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `PROCESS_VM_WRITE`,
/// `STATUS_PROCESS_IS_TERMINATING`.
fn nt_flush_instruction_cache(cx: &mut Cx<'_>, process: Handle, _base: u64, _length: u64) -> NtResult {
    cx.process_with_memory(process, access::VM_WRITE)?;
    Ok(NtStatus::SUCCESS)
}
