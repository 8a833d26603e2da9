//! What is counted: memory, processor times, caches.

use guest::mem::Width;
use guest::types::StructWriter;

use super::{Fit, Reply};
use crate::kernel::Kernel;

/// Bytes of `SYSTEM_PERFORMANCE_INFORMATION` that every build wants, and with what Windows 8 and 11 24H2 added.
const PERFORMANCE: usize = 0x138;
const PERFORMANCE_8: usize = 0x158;
const PERFORMANCE_24H2: usize = 0x178;

impl Kernel {
    /// What the processor has done since boot, in 100 ns: waited, run programs.
    pub(crate) fn processor_times(&self) -> (u64, u64) {
        let busy = self.clock.busy_time();
        (self.clock.interrupt_time().saturating_sub(busy), busy)
    }
}

/// `SYSTEM_PERFORMANCE_INFORMATION`.
pub(super) fn performance(kernel: &Kernel) -> Reply {
    let build = kernel.profile.version.2;
    let size = match build {
        26100.. => PERFORMANCE_24H2,
        9200.. => PERFORMANCE_8,
        _ => PERFORMANCE,
    };
    let (frames, committed) = (u64::from(kernel.mm.frame_count()), kernel.mm.committed());
    // IdleProcessTime; AvailablePages, CommittedPages, CommitLimit, PeakCommitment
    let out = StructWriter::new(size, Width::W64).field(0, 8, kernel.processor_times().0);
    let free = frames.saturating_sub(committed);
    let out = out.field(0x2c, 4, free).field(0x30, 4, committed).field(0x34, 4, frames).field(0x38, 4, committed);
    // ResidentAvailablePages
    let out = if build >= 9200 { out.field(0x148, 8, free) } else { out };
    Reply { bytes: out.finish(), fit: Fit::Least(PERFORMANCE) }
}

/// `SYSTEM_PROCESSOR_PERFORMANCE_INFORMATION` of the one processor: idle, kernel (with idle), user, DPC and interrupt
/// times.
pub(super) fn processor(kernel: &Kernel) -> Reply {
    let (idle, user) = kernel.processor_times();
    let out = StructWriter::new(0x30, Width::W64).field(0, 8, idle).field(8, 8, idle).field(0x10, 8, user);
    // InterruptCount: the clock's.
    let out = out.field(0x28, 4, kernel.clock.tick_count());
    Reply { bytes: out.finish(), fit: Fit::Least(0x30) }
}

/// `SYSTEM_FILECACHE_INFORMATION`: there is no cache.
pub(super) fn file_cache(width: Width) -> Reply {
    // CurrentSize, PeakSize, PageFaultCount and seven more, as wide as pointers but for the third and the last.
    let size = if width == Width::W64 { 0x40 } else { 0x24 };
    Reply { bytes: vec![0; size], fit: Fit::Least(if width == Width::W64 { 0x18 } else { 0xc }) }
}

/// `SYSTEM_REGISTRY_QUOTA_INFORMATION`: allowed, used, the size of paged pool.
pub(super) fn registry_quota(width: Width) -> Reply {
    const ALLOWED: u64 = 0x0800_0000;
    const PAGED_POOL: u64 = 0x1800_0000;
    let out = StructWriter::new(8 + width.bytes(), width).field(0, 4, ALLOWED).word(8, PAGED_POOL);
    Reply::whole(out.finish())
}
