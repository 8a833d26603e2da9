//! `NtAllocateVirtualMemory`.

use bitflags::bitflags;
use guest::mem::{PAGE_SIZE, Width, Word};
use guest::{GuestMemory, Handle, NtStatus, UserPtr};

use super::memory::Memory;
use super::pages::Pte;
use super::protect::Protect;
use super::region::Region;
use super::space::{GRANULARITY, Vad, VadKind};
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(
        NtAllocateVirtualMemory => nt_allocate_virtual_memory,
        Support::Partial("no MEM_LARGE_PAGES, MEM_PHYSICAL, placeholders; MEM_RESET keeps the contents")
    ),
    service!(
        NtAllocateVirtualMemoryEx => nt_allocate_virtual_memory_ex,
        Support::Partial("as NtAllocateVirtualMemory; of the extended parameters a highest address and the one NUMA node")
    ),
];

bitflags! {
    /// `MEM_*` allocation types.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct AllocationType: u32 {
        const COMMIT = 0x1000;
        const RESERVE = 0x2000;
        const RESET = 0x8_0000;
        const TOP_DOWN = 0x10_0000;
        const WRITE_WATCH = 0x20_0000;
        const PHYSICAL = 0x40_0000;
        const RESET_UNDO = 0x100_0000;
        const LARGE_PAGES = 0x2000_0000;
    }
}

impl AllocationType {
    /// `STATUS_INVALID_PARAMETER_5` for flags NT does not have or does not have together.
    fn check(raw: u32) -> NtResult<Self> {
        let kind = Self::from_bits(raw).ok_or(NtStatus::INVALID_PARAMETER_5)?;
        let work = Self::COMMIT | Self::RESERVE | Self::RESET | Self::RESET_UNDO;
        let alone = Self::RESET | Self::RESET_UNDO;
        if !kind.intersects(work) || kind.intersects(alone) && kind.bits().count_ones() != 1 {
            return Err(NtStatus::INVALID_PARAMETER_5.into());
        }
        if kind.contains(Self::WRITE_WATCH) && !kind.contains(Self::RESERVE) {
            return Err(NtStatus::INVALID_PARAMETER_5.into());
        }
        for (flag, name) in
            [(Self::PHYSICAL, "AllocationType MEM_PHYSICAL"), (Self::LARGE_PAGES, "AllocationType MEM_LARGE_PAGES")]
        {
            if kind.contains(flag) {
                return Err(Unwind::unsupported(name));
            }
        }
        Ok(kind)
    }
}

/// `NtAllocateVirtualMemory`: reserves and commits pages.
///
/// Base and size (bytes) are rounded outward, the base of a reservation to 64 KiB, and returned.
/// `STATUS_INVALID_PARAMETER_2` to `_5` name the argument at fault; `STATUS_INVALID_PAGE_PROTECTION`,
/// `STATUS_CONFLICTING_ADDRESSES`, `STATUS_NO_MEMORY`, `STATUS_COMMITMENT_LIMIT`.
fn nt_allocate_virtual_memory(
    cx: &mut Cx<'_>, process: Handle, base_address: UserPtr<Word>, zero_bits: u64, region_size: UserPtr<Word>,
    allocation_type: u32, page_protection: u32,
) -> NtResult {
    // Up to 21 it counts high zero bits; larger values are a mask of the bits an address may have.
    if zero_bits > 21 && zero_bits < 32 {
        return Err(NtStatus::INVALID_PARAMETER_3.into());
    }
    let highest = highest_with(zero_bits, cx.kernel.width());
    allocate_below(cx, process, base_address, region_size, allocation_type, page_protection, highest)
}

/// The same where no byte of it may lie above an address.
fn allocate_below(
    cx: &mut Cx<'_>, process: Handle, base_address: UserPtr<Word>, region_size: UserPtr<Word>, allocation_type: u32,
    page_protection: u32, highest: u64,
) -> NtResult {
    let mut kind = AllocationType::check(allocation_type)?;
    let protect = Protect::for_build(page_protection, cx.kernel.profile.version.2)?;
    let region = Region::capture(cx, base_address, region_size)?;
    region.check(cx, NtStatus::INVALID_PARAMETER_2, NtStatus::INVALID_PARAMETER_4)?;
    let Region { base, size, .. } = region;
    if size == 0 {
        return Err(NtStatus::INVALID_PARAMETER_4.into());
    }
    let target = cx.process_with_memory(process, guest::access::process::VM_OPERATION)?;
    if protect.is_write_copy() {
        return Err(NtStatus::INVALID_PAGE_PROTECTION.into());
    }
    if base == 0 && kind.contains(AllocationType::COMMIT) {
        kind |= AllocationType::RESERVE;
    }
    let request = Request { base, size, last: region.last_page(), kind, protect, highest };
    let (first, last) = cx.attached(target, |cx| allocate(&mut cx.kernel.mm, &request))?;
    region.write_back(cx, first, last)?;
    Ok(NtStatus::SUCCESS)
}

/// Extended parameters that are looked at at most.
const MOST_PARAMETERS: u32 = 16;
/// Bytes of a `MEM_EXTENDED_PARAMETER`.
const PARAMETER: u64 = 16;

/// `NtAllocateVirtualMemoryEx`: the same with extended parameters.
///
/// `STATUS_INVALID_PARAMETER` for parameters that are none, and those of `NtAllocateVirtualMemory`.
#[expect(clippy::too_many_arguments, reason = "NtAllocateVirtualMemoryEx has seven")]
fn nt_allocate_virtual_memory_ex(
    cx: &mut Cx<'_>, process: Handle, base_address: UserPtr<Word>, region_size: UserPtr<Word>, allocation_type: u32,
    page_protection: u32, parameters: u64, count: u32,
) -> NtResult {
    const ADDRESS_REQUIREMENTS: u64 = 1;
    const NUMA_NODE: u64 = 2;
    if count > MOST_PARAMETERS {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if count > 0 && cx.kernel.ps.process.wow64_peb.is_some() {
        return Err(Unwind::unsupported("a 32-bit program's extended parameters"));
    }
    let mut highest = cx.kernel.ps.process.highest;
    for index in 0..u64::from(count) {
        let at = parameters.wrapping_add(index * PARAMETER);
        let kind = cx.mem().load(UserPtr::<u64>::new(at))? & 0xff;
        let value = cx.mem().load(UserPtr::<u64>::new(at.wrapping_add(8)))?;
        match kind {
            ADDRESS_REQUIREMENTS => {
                let w = cx.kernel.width().bytes() as u64;
                let mut word = |n: u64| cx.mem().load(UserPtr::<Word>::new(value.wrapping_add(n * w)));
                let (lowest, ending, alignment) = (word(0)?.0, word(1)?.0, word(2)?.0);
                if lowest != 0 || alignment != 0 {
                    return Err(Unwind::unsupported("a lowest address or an alignment"));
                }
                if ending != 0 {
                    highest = highest.min(ending);
                }
            }
            NUMA_NODE if value == 0 => {}
            _ => return Err(Unwind::unsupported(format!("extended parameter {kind}"))),
        }
    }
    allocate_below(cx, process, base_address, region_size, allocation_type, page_protection, highest)
}

/// What is asked for, checked.
struct Request {
    base: u64,
    size: u64,
    /// The last page of the range that base and size name.
    last: u64,
    kind: AllocationType,
    protect: Protect,
    highest: u64,
}

fn allocate(memory: &mut Memory, request: &Request) -> Result<(u64, u64), NtStatus> {
    let &Request { base, size, kind, protect, highest, .. } = request;
    let (first, last) = if kind.contains(AllocationType::RESERVE) {
        reserve(memory, base, size, kind, protect, highest)?
    } else {
        (base / PAGE_SIZE, request.last)
    };
    if kind.contains(AllocationType::WRITE_WATCH) {
        memory.space.watched.insert(first);
    }
    if kind.contains(AllocationType::COMMIT) {
        let fresh = kind.contains(AllocationType::RESERVE);
        commit(memory, first, last, protect).inspect_err(|_| {
            if fresh {
                memory.space.carve(first, last);
                memory.space.watched.remove(&first);
            }
        })?;
    } else if !kind.contains(AllocationType::RESERVE) {
        reset(memory, first, last)?;
    }
    Ok((first, last))
}

/// The highest address that `ZeroBits` allows: the count is of a 32-bit address's high bits (on 64-bit kernels too);
/// a mask is rounded up to all bits below its highest one.
pub(super) fn highest_with(zero_bits: u64, width: Width) -> u64 {
    match zero_bits {
        0 => u64::MAX,
        1..32 => u64::from(u32::MAX >> zero_bits),
        _ if width == Width::W32 => u64::from(u32::MAX >> (zero_bits as u32).leading_zeros()),
        _ => u64::MAX >> zero_bits.leading_zeros(),
    }
}

fn reserve(
    memory: &mut Memory, base: u64, size: u64, kind: AllocationType, protect: Protect, highest: u64,
) -> Result<(u64, u64), NtStatus> {
    let space = &mut memory.space;
    let first = if base == 0 {
        let pages = size.div_ceil(PAGE_SIZE);
        space.find(pages, kind.contains(AllocationType::TOP_DOWN), highest).ok_or(NtStatus::NO_MEMORY)?
    } else {
        let first = base / GRANULARITY * GRANULARITY / PAGE_SIZE;
        if first * PAGE_SIZE < space.limits.lowest {
            return Err(NtStatus::INVALID_PARAMETER_2);
        }
        first
    };
    let last = if base == 0 { first + size.div_ceil(PAGE_SIZE) - 1 } else { (base + size - 1) / PAGE_SIZE };
    if !space.is_free(first, last) {
        return Err(NtStatus::CONFLICTING_ADDRESSES);
    }
    space.insert(Vad { first, last, base: first, kind: VadKind::Private, protect });
    Ok((first, last))
}

/// All or nothing: the charge is checked before the first page changes.
fn commit(memory: &mut Memory, first: u64, last: u64, protect: Protect) -> Result<(), NtStatus> {
    let vad = memory.space.vad(first).filter(|v| last <= v.last).ok_or(NtStatus::CONFLICTING_ADDRESSES)?;
    if let Some(view) = vad.view().filter(|view| memory.segments.is_reserved(view.segment)) {
        let (at, protect_of_view) = (vad.first, vad.protect);
        if !protect_of_view.includes(protect) {
            return Err(NtStatus::SECTION_PROTECTION);
        }
        memory.commit_segment(view.segment, view.first + (first - at), view.first + (last - at))?;
        (first..=last).for_each(|vpn| memory.protect_page(vpn, protect));
        return Ok(());
    }
    if vad.kind != VadKind::Private {
        return Err(NtStatus::ALREADY_COMMITTED);
    }
    // Asking for more than there can be must not take the time of looking at each page.
    if last - first >= u64::from(memory.frame_count()) {
        return Err(NtStatus::COMMITMENT_LIMIT);
    }
    let pages = last - first + 1;
    let mut old = 0;
    memory.space.pages.visit(first, last, |_, pte| old += u64::from(pte.protect().is_some()));
    if old == 0 && !memory.space.is_watched(first) {
        memory.charge(pages)?;
        memory.space.pages.fill(first, last, Pte::demand_zero(protect));
        return Ok(());
    }
    if !memory.can_commit(pages - old) {
        return Err(NtStatus::COMMITMENT_LIMIT);
    }
    (first..=last).try_for_each(|vpn| memory.commit(vpn, protect))
}

/// `MEM_RESET`: the contents may be dropped. They are kept, which a program cannot tell from luck.
fn reset(memory: &Memory, first: u64, last: u64) -> Result<(), NtStatus> {
    let vad = memory.space.vad(first).filter(|v| last <= v.last);
    vad.map(|_| ()).ok_or(NtStatus::CONFLICTING_ADDRESSES)
}
