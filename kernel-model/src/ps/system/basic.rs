//! The machine: memory, processor, time.

use guest::Arch;
use guest::mem::{PAGE_SIZE, Width};
use guest::system::SystemMap;
use guest::types::StructWriter;

use super::{Fit, Reply};
use crate::ke::clock::TICK;
use crate::kernel::Kernel;

const ALLOCATION_GRANULARITY: u64 = 0x1_0000;

/// `SYSTEM_BASIC_INFORMATION`.
pub(super) fn basic(kernel: &Kernel, width: Width) -> Reply {
    let w = width.bytes();
    let size = 0x18 + 5 * w;
    let frames = u64::from(kernel.mm.frame_count());
    let limits = kernel.mm.space.limits;
    // Reserved, TimerResolution, PageSize, NumberOfPhysicalPages, Lowest-, HighestPhysicalPageNumber,
    // AllocationGranularity; Minimum-, MaximumUserModeAddress, ActiveProcessorsAffinityMask; NumberOfProcessors
    let out = StructWriter::new(size, width).field(0x4, 4, TICK).field(0x8, 4, PAGE_SIZE).field(0xc, 4, frames);
    let out = out.field(0x10, 4, 1).field(0x14, 4, frames.saturating_sub(1)).field(0x18, 4, ALLOCATION_GRANULARITY);
    let words = 0x18 + w;
    let out = out.word(words, limits.lowest).word(words + w, limits.highest).word(words + 2 * w, 1);
    Reply::exact(out.field(words + 3 * w, 1, 1).finish())
}

/// Family 6, model and stepping of the CPU that the machine has, and `KF_*` bits of what it can.
const LEVEL: u64 = 6;
const REVISION: u64 = 0x0f0b;
const FEATURES: u64 = 0x2001_3fff;

/// `SYSTEM_PROCESSOR_INFORMATION`: architecture, level, revision, the most processors there can be, features.
pub(super) fn processor(_kernel: &Kernel, arch: Arch) -> Reply {
    let architecture = if arch == Arch::X64 { 9 } else { 0 };
    let out = StructWriter::new(12, Width::W64).field(0, 2, architecture).field(2, 2, LEVEL).field(4, 2, REVISION);
    Reply::whole(out.field(6, 2, 1).field(8, 4, FEATURES).finish())
}

/// `SYSTEM_LOGICAL_PROCESSOR_INFORMATION`: a core, a package and a node, each with the one processor.
pub(super) fn logical_processor(width: Width) -> Reply {
    const CORE: u64 = 0;
    const NODE: u64 = 1;
    const PACKAGE: u64 = 3;
    let size = if width == Width::W64 { 0x20 } else { 0x18 };
    let one = |relation| StructWriter::new(size, width).word(0, 1).field(width.bytes(), 4, relation).finish();
    Reply::whole([CORE, PACKAGE, NODE].map(one).concat())
}

/// `MmSystemRangeStart`.
pub(super) fn range_start(kernel: &Kernel, width: Width) -> Reply {
    let lowest = SystemMap::of(kernel.profile.arch).lowest;
    Reply::exact(StructWriter::new(width.bytes(), width).word(0, lowest).finish())
}

/// `SYSTEM_TIMEOFDAY_INFORMATION`: boot, now, bias of the time zone and its id; the biases of boot and sleep.
pub(super) fn time_of_day(kernel: &Kernel) -> Reply {
    // The clock interrupt's time, as user mode has it too.
    let now = kernel.clock.system_time_at(kernel.clock.ticked_interrupt_time());
    let out = StructWriter::new(0x30, Width::W64).field(0, 8, kernel.clock.boot_time()).field(8, 8, now);
    Reply { bytes: out.finish(), fit: Fit::Cut }
}

/// `SYSTEM_QUERY_TIME_ADJUST_INFORMATION`: what a tick adds, what it lasts, and that nothing is adjusted.
pub(super) fn time_adjustment() -> Reply {
    Reply::exact(StructWriter::new(12, Width::W64).field(0, 4, TICK).field(4, 4, TICK).field(8, 1, 1).finish())
}
