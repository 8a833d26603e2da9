//! `NtQueryVirtualMemory`.

use guest::mem::{PAGE_SIZE, Width, Word};
use guest::types::StructWriter;
use guest::{GuestMemory, Handle, NtStatus, UserPtr};

use super::memory::Memory;
use super::space::VadKind;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, class_name, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtQueryVirtualMemory => nt_query_virtual_memory,
    Support::Partial("MemoryBasicInformation only")
)];

const MEM_COMMIT: u64 = 0x1000;
const MEM_RESERVE: u64 = 0x2000;
const MEM_FREE: u64 = 0x1_0000;
const MEM_PRIVATE: u64 = 0x2_0000;
const MEM_MAPPED: u64 = 0x4_0000;
const MEM_IMAGE: u64 = 0x100_0000;
const PAGE_NOACCESS: u64 = 1;

/// `NtQueryVirtualMemory`: what the region of pages around an address is.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_INVALID_PARAMETER` (above user space).
fn nt_query_virtual_memory(
    cx: &mut Cx<'_>, process: Handle, base_address: u64, class: u32, buffer: UserPtr<u8>, length: u64,
    return_length: Option<UserPtr<Word>>,
) -> NtResult {
    let name = class_name("MEMORY_INFORMATION_CLASS", class)?;
    if class != 0 {
        return Err(Unwind::unsupported(format!("MemoryInformationClass {name}")));
    }
    let width = cx.kernel.width();
    let size = basic_information_size(width);
    if length < size as u64 {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let mut mem = cx.mem();
    mem.probe_write(buffer.va, length.min(size as u64))?;
    if let Some(pointer) = return_length {
        mem.probe(pointer)?;
    }
    if base_address > mem.memory.space.limits.highest {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let access = cx.process_query();
    let target = cx.process_with_memory(process, access)?;
    let vpn = base_address / PAGE_SIZE;
    let bytes = cx.attached(target, |cx| basic_information(&cx.kernel.mm, vpn, width));
    let mut mem = cx.mem();
    mem.write(buffer.va, &bytes)?;
    if let Some(pointer) = return_length {
        mem.store(pointer, &Word(size as u64))?;
    }
    Ok(NtStatus::SUCCESS)
}

const fn basic_information_size(width: Width) -> usize {
    match width {
        Width::W32 => 0x1c,
        Width::W64 => 0x30,
    }
}

/// `MEMORY_BASIC_INFORMATION` of the run of like pages that starts at `vpn`.
fn basic_information(memory: &Memory, vpn: u64, width: Width) -> Vec<u8> {
    let w = width.bytes();
    let space = &memory.space;
    let out = StructWriter::new(basic_information_size(width), width).word(0, vpn * PAGE_SIZE);
    // BaseAddress, AllocationBase, AllocationProtect, PartitionId (64-bit only), RegionSize, State, Protect, Type
    let (region, state) = (if width == Width::W64 { 0x18 } else { 0xc }, if width == Width::W64 { 0x20 } else { 0x10 });
    let Some(vad) = space.vad(vpn) else {
        let end = space.next_vad(vpn).map_or((space.limits.highest + 1) / PAGE_SIZE, |v| v.first);
        return out
            .word(region, (end - vpn) * PAGE_SIZE)
            .field(state, 4, MEM_FREE)
            .field(state + 4, 4, PAGE_NOACCESS)
            .finish();
    };
    let protect = space.pages.get(vpn).protect();
    let end = space.pages.end_of_run(vpn, vad.last);
    let kind = match vad.kind {
        VadKind::Private => MEM_PRIVATE,
        VadKind::Image(_) => MEM_IMAGE,
        VadKind::View(_) => MEM_MAPPED,
    };
    out.word(w, vad.base * PAGE_SIZE)
        .field(2 * w, 4, vad.protect.raw().into())
        .word(region, (end - vpn) * PAGE_SIZE)
        .field(state, 4, if protect.is_some() { MEM_COMMIT } else { MEM_RESERVE })
        .field(state + 4, 4, protect.map_or(0, |p| p.raw().into()))
        .field(state + 8, 4, kind)
        .finish()
}
