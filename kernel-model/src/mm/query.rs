//! `NtQueryVirtualMemory`.

use guest::mem::{PAGE_SIZE, Width, Word};
use guest::types::StructWriter;
use guest::{GuestMemory, Handle, NtStatus, UserPtr};

use super::memory::Memory;
use crate::cx::{Cx, ProcessKey};
use crate::service::{NtResult, Service, Support, Unwind, class_name, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtQueryVirtualMemory => nt_query_virtual_memory,
    Support::Partial("MemoryBasicInformation, -MappedFilenameInformation, -RegionInformation, -ImageInformation")
)];

const MEM_COMMIT: u64 = 0x1000;
const MEM_RESERVE: u64 = 0x2000;
const MEM_FREE: u64 = 0x1_0000;
const MEM_PRIVATE: u64 = 0x2_0000;
const MEM_MAPPED: u64 = 0x4_0000;
const MEM_IMAGE: u64 = 0x100_0000;
const PAGE_NOACCESS: u64 = 1;

/// The classes that are answered.
const BASIC: u32 = 0;
const MAPPED_FILENAME: u32 = 2;
const REGION: u32 = 3;
const IMAGE: u32 = 6;

/// `NtQueryVirtualMemory`: what the region of pages around an address is; the path of the file that is mapped there; the
/// allocation as a whole; the image.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_INVALID_PARAMETER` (above user space),
/// `STATUS_INVALID_ADDRESS` (nothing is mapped there), `STATUS_FILE_INVALID` (no file is behind it),
/// `STATUS_BUFFER_OVERFLOW` (the path does not fit).
pub(crate) fn nt_query_virtual_memory(
    cx: &mut Cx<'_>, process: Handle, base_address: u64, class: u32, buffer: UserPtr<u8>, length: u64,
    return_length: Option<UserPtr<Word>>,
) -> NtResult {
    let name = class_name("MEMORY_INFORMATION_CLASS", class)?;
    let width = cx.kernel.width();
    let size = match class {
        BASIC => basic_information_size(width),
        MAPPED_FILENAME => 2 * width.bytes(),
        REGION | IMAGE => 3 * width.bytes(),
        _ => return Err(Unwind::unsupported(format!("MemoryInformationClass {name}"))),
    };
    if length < size as u64 {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let mut mem = cx.mem();
    // A path may take as much as there is.
    let probed = if class == MAPPED_FILENAME { length } else { length.min(size as u64) };
    mem.probe_write(buffer.va, probed)?;
    if let Some(pointer) = return_length {
        mem.probe(pointer)?;
    }
    if base_address > mem.memory.space.limits.highest {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let access = cx.process_query();
    let target = cx.process_with_memory(process, access)?;
    let vpn = base_address / PAGE_SIZE;
    let bytes = match class {
        BASIC => cx.attached(target, |cx| basic_information(&cx.kernel.mm, vpn, width)),
        MAPPED_FILENAME => return mapped_filename(cx, target, vpn, buffer, length, return_length),
        REGION => cx.attached(target, |cx| region_information(&cx.kernel.mm, vpn, width))?,
        _ => cx.attached(target, |cx| image_information(&cx.kernel.mm, vpn, width))?,
    };
    let mut mem = cx.mem();
    mem.write(buffer.va, &bytes)?;
    if let Some(pointer) = return_length {
        mem.store(pointer, &Word(bytes.len() as u64))?;
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
    let kind = match vad.view() {
        _ if memory.is_image(vad) => MEM_IMAGE,
        Some(_) => MEM_MAPPED,
        None => MEM_PRIVATE,
    };
    out.word(w, vad.base * PAGE_SIZE)
        .field(2 * w, 4, vad.protect.raw().into())
        .word(region, (end - vpn) * PAGE_SIZE)
        .field(state, 4, if protect.is_some() { MEM_COMMIT } else { MEM_RESERVE })
        .field(state + 4, 4, protect.map_or(0, |p| p.raw().into()))
        .field(state + 8, 4, kind)
        .finish()
}

/// `MEMORY_REGION_INFORMATION`, as far as it always goes: AllocationBase, AllocationProtect, RegionType, RegionSize.
fn region_information(memory: &Memory, vpn: u64, width: Width) -> Result<Vec<u8>, NtStatus> {
    let w = width.bytes();
    let vad = memory.space.vad(vpn).ok_or(NtStatus::INVALID_ADDRESS)?;
    // Private 1, MappedDataFile 2, MappedImage 4, MappedPageFile 8.
    let kind = match vad.view() {
        _ if memory.is_image(vad) => 4,
        Some(view) if memory.segments.is_data(view.segment) => 2,
        Some(_) => 8,
        None => 1,
    };
    let size = (memory.allocation_end(vad.base) - vad.base + 1) * PAGE_SIZE;
    let out = StructWriter::new(2 * w + 8, width).word(0, vad.base * PAGE_SIZE);
    let out = out.field(w, 4, vad.protect.raw().into()).field(w + 4, 4, kind);
    Ok(out.word(w + 8, size).finish())
}

/// `MEMORY_IMAGE_INFORMATION`: ImageBase, SizeOfImage, ImageFlags.
fn image_information(memory: &Memory, vpn: u64, width: Width) -> Result<Vec<u8>, NtStatus> {
    let w = width.bytes();
    let vad = memory.space.vad(vpn).ok_or(NtStatus::INVALID_ADDRESS)?;
    let out = StructWriter::new(3 * w, width);
    if !memory.is_image(vad) {
        return Ok(out.finish());
    }
    let size = (memory.allocation_end(vad.base) - vad.base + 1) * PAGE_SIZE;
    Ok(out.word(0, vad.base * PAGE_SIZE).word(w, size).finish())
}

/// A `UNICODE_STRING` with the path behind it.
fn mapped_filename(
    cx: &mut Cx<'_>, target: ProcessKey, vpn: u64, buffer: UserPtr<u8>, length: u64,
    return_length: Option<UserPtr<Word>>,
) -> NtResult {
    let path = cx.attached(target, |cx| path_at(cx, vpn))?;
    let width = cx.kernel.width();
    let w = width.bytes();
    let units: Vec<u8> = path.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (head, text) = (2 * w as u64, units.len() as u64);
    let needed = head + text + 2;
    let mut mem = cx.mem();
    if let Some(pointer) = return_length {
        mem.store(pointer, &Word(needed))?;
    }
    if length < needed {
        return Err(NtStatus::BUFFER_OVERFLOW.into());
    }
    let string = StructWriter::new(2 * w, width).field(0, 2, text).field(2, 2, text + 2).word(w, buffer.va + head);
    mem.write(buffer.va, &[string.finish(), units, vec![0, 0]].concat())?;
    Ok(NtStatus::SUCCESS)
}

fn path_at(cx: &Cx<'_>, vpn: u64) -> Result<String, NtStatus> {
    let memory = &cx.kernel.mm;
    let vad = memory.space.vad(vpn).ok_or(NtStatus::INVALID_ADDRESS)?;
    if let Some(path) = memory.image_path(vad) {
        return Ok(path);
    }
    let view = vad.view().ok_or(NtStatus::INVALID_ADDRESS)?;
    let file = memory.segments.file(view.segment).ok_or(NtStatus::FILE_INVALID)?;
    Ok(cx.path_of_file(file))
}
