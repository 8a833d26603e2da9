//! Services that tell the memory manager what a program is about to do, and one that compares.

use guest::mem::PAGE_SIZE;
use guest::{GuestMemory, Handle, NtStatus, UserPtr};

use super::segment::FileKey;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, class_name, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtFlushInstructionCache => nt_flush_instruction_cache, Support::Full),
    service!(
        NtSetInformationVirtualMemory => nt_set_information_virtual_memory,
        Support::Partial("VmPrefetchInformation only, and not for 32-bit programs on 64-bit kernels")
    ),
    service!(NtAreMappedFilesTheSame => nt_are_mapped_files_the_same, Support::Full),
];

/// `NtFlushInstructionCache`: the process is about to run what it wrote. The engine sees every store itself.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`, `STATUS_PROCESS_IS_TERMINATING`.
fn nt_flush_instruction_cache(cx: &mut Cx<'_>, process: Handle, _base: u64, _size: u64) -> NtResult {
    cx.process_with_memory(process, guest::access::process::VM_WRITE)?;
    Ok(NtStatus::SUCCESS)
}

/// Ranges that are looked at at most.
const MOST_RANGES: u64 = 0x1000;

/// `NtSetInformationVirtualMemory`: ranges of memory that are about to be used.
///
/// `STATUS_INVALID_PARAMETER_2` (the class), `STATUS_INVALID_PARAMETER_3` (no ranges), `STATUS_INVALID_PARAMETER_4` (one
/// that is none), `STATUS_INVALID_PARAMETER_5` (flags), `STATUS_INVALID_PARAMETER_6` (the length).
fn nt_set_information_virtual_memory(
    cx: &mut Cx<'_>, process: Handle, class: u32, count: u64, ranges: u64, information: UserPtr<u32>, length: u32,
) -> NtResult {
    const PREFETCH: u32 = 0;
    let name = class_name("VIRTUAL_MEMORY_INFORMATION_CLASS", class).map_err(|_| NtStatus::INVALID_PARAMETER_2)?;
    if class != PREFETCH {
        return Err(Unwind::unsupported(format!("VmInformationClass {name}")));
    }
    if cx.kernel.ps.process.wow64_peb.is_some() {
        return Err(Unwind::unsupported("a 32-bit program's array of ranges"));
    }
    if length != 4 {
        return Err(NtStatus::INVALID_PARAMETER_6.into());
    }
    if count == 0 || count > MOST_RANGES {
        return Err(NtStatus::INVALID_PARAMETER_3.into());
    }
    if cx.mem().load(information)? != 0 {
        return Err(NtStatus::INVALID_PARAMETER_5.into());
    }
    let width = cx.kernel.width().bytes() as u64;
    for index in 0..count {
        let at = ranges.wrapping_add(index * 2 * width);
        let base = cx.mem().load(UserPtr::<guest::mem::Word>::new(at))?.0;
        let size = cx.mem().load(UserPtr::<guest::mem::Word>::new(at.wrapping_add(width)))?.0;
        let highest = cx.kernel.mm.space.limits.highest;
        if size == 0 || base > highest || size > highest + 1 - base {
            return Err(NtStatus::INVALID_PARAMETER_4.into());
        }
    }
    cx.process_with_memory(process, guest::access::process::VM_OPERATION)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtAreMappedFilesTheSame`: whether two views show the same file.
///
/// `STATUS_NOT_SAME_DEVICE` if they do not; `STATUS_INVALID_ADDRESS` where nothing is, `STATUS_CONFLICTING_ADDRESSES` where
/// no file is behind it.
fn nt_are_mapped_files_the_same(cx: &mut Cx<'_>, first: u64, second: u64) -> NtResult {
    let (first, second) = (file_at(cx, first)?, file_at(cx, second)?);
    Ok(if first == second { NtStatus::SUCCESS } else { NtStatus::NOT_SAME_DEVICE })
}

fn file_at(cx: &Cx<'_>, va: u64) -> Result<FileKey, NtStatus> {
    let memory = &cx.kernel.mm;
    let vad = memory.space.vad(va / PAGE_SIZE).ok_or(NtStatus::INVALID_ADDRESS)?;
    let view = vad.view().ok_or(NtStatus::CONFLICTING_ADDRESSES)?;
    memory.segments.file(view.segment).ok_or(NtStatus::CONFLICTING_ADDRESSES)
}
