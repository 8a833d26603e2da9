//! `ProcessThreadStackAllocation`: room for a stack that user mode makes itself, as for a fiber.

use guest::mem::{PAGE_SIZE, Word};
use guest::{GuestMemory, Handle, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::service::{NtResult, Unwind};

/// Reserved memory begins at multiples of this.
const GRANULARITY: u64 = 0x1_0000;
/// The longer form has a node and what is reserved before the rest.
const NODE_SIZE: u64 = 16;

/// Reserves what `PROCESS_STACK_ALLOCATION_INFORMATION` (its size, `ZeroBits`, and where the result goes) asks for, or the
/// same behind a node.
///
/// `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_INVALID_PARAMETER` (no size), `STATUS_NO_MEMORY`.
pub(super) fn reserve(cx: &mut Cx<'_>, process: Handle, buffer: UserPtr<u8>, length: u32) -> NtResult {
    let word = cx.kernel.width().bytes() as u64;
    let at = match u64::from(length) {
        plain if plain == 3 * word => buffer.va,
        with_node if with_node == 3 * word + NODE_SIZE => buffer.va.wrapping_add(NODE_SIZE),
        _ => return Err(NtStatus::INFO_LENGTH_MISMATCH.into()),
    };
    let field = |index: u64| UserPtr::<Word>::new(at.wrapping_add(index * word));
    let Word(size) = cx.mem().load(field(0))?;
    let Word(zero_bits) = cx.mem().load(field(1))?;
    cx.mem().probe(field(2))?;
    let pages = size.checked_add(GRANULARITY - 1).ok_or(NtStatus::NO_MEMORY)? / GRANULARITY * (GRANULARITY / PAGE_SIZE);
    if pages == 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if zero_bits != 0 {
        return Err(Unwind::unsupported("ZeroBits of a stack"));
    }
    let target = cx.process_with_memory(process, guest::access::process::VM_OPERATION)?;
    let first = cx.attached(target, |cx| {
        let highest = cx.kernel.ps.process.highest;
        cx.kernel.mm.reserve_near(None, pages, highest)
    })?;
    cx.mem().store(field(2), &Word(first * PAGE_SIZE))?;
    Ok(NtStatus::SUCCESS)
}
