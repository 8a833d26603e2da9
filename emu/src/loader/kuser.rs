//! KUSER_SHARED_DATA: the page at 7FFE0000 that every process can read.

use guest::NtStatus;
use guest::mem::PAGE_SIZE;
use kernel_model::Kernel;
use kernel_model::ke::clock::{QPC_FREQUENCY, TICK};
use kernel_model::mm::{Protect, VadKind};

use super::Target;
use super::writer::{StructBuilder, wide};
use crate::cpu::Ram;

/// Where user mode sees it, in every version of Windows.
pub(crate) const USER_VA: u64 = 0x7ffe_0000;

/// `PF_*` features (winnt.h) of the CPU that the machine has: CMPXCHG8B, MMX, SSE, RDTSC, PAE, SSE2, NX, SSE3,
/// CMPXCHG16B, fast fail, SSSE3, SSE4.1, SSE4.2.
const PROCESSOR_FEATURES: &[u64] = &[2, 3, 6, 8, 9, 10, 12, 13, 14, 23, 36, 37, 38];
/// Milliseconds a tick takes, times 2^24: `TickCount * this >> 24` is milliseconds.
const TICK_COUNT_MULTIPLIER: u32 = ((TICK << 24) / 10_000) as u32;
/// `PROCESSOR_ARCHITECTURE_AMD64`.
const ARCHITECTURE_AMD64: u16 = 9;
/// `NtProductWinNt`.
const PRODUCT_WORKSTATION: u32 = 1;

/// Maps and fills the page.
pub(super) fn map(target: &mut Target<'_>) -> Result<(), NtStatus> {
    let page = target.reserve(Some(USER_VA), 1, VadKind::Private, Protect::READONLY)?;
    target.kernel.mm.map_shared(target.ram, page, Protect::READONLY)?;
    let (major, minor, build) = target.profile().version;
    let mut data = StructBuilder::new(target, "KUSER_SHARED_DATA");
    data.u32("TickCountMultiplier", TICK_COUNT_MULTIPLIER)
        .bytes("NtSystemRoot", 0, &wide("C:\\Windows"))
        .u32("NtBuildNumber", build)
        .u32("NtProductType", PRODUCT_WORKSTATION)
        .u8("ProductTypeIsValid", 1)
        .u16("NativeProcessorArchitecture", ARCHITECTURE_AMD64)
        .u32("NtMajorVersion", major)
        .u32("NtMinorVersion", minor)
        .u32("NumberOfPhysicalPages", target.kernel.mm.frame_count())
        .u64("TestRetInstruction", 0xc3)
        .u64("QpcFrequency", QPC_FREQUENCY)
        .u32("ActiveProcessorCount", 1)
        .u8("ActiveGroupCount", 1)
        .u16("UnparkedProcessorCount", 1)
        .u32("ActiveConsoleId", 1)
        .u32("Cookie", 0x5a17_c0de);
    for feature in PROCESSOR_FEATURES {
        data.bytes("ProcessorFeatures", *feature, &[1]);
    }
    target.write(USER_VA, &data.finish())?;
    update(target.kernel, target.ram);
    Ok(())
}

/// Shows the time of the last clock tick.
pub fn update(kernel: &mut Kernel, ram: &mut Ram) {
    let layout = kernel.profile.layout();
    let offset = |field| layout.offset("KUSER_SHARED_DATA", field).unwrap_or(PAGE_SIZE);
    let interrupt_time = kernel.clock.ticked_interrupt_time();
    let times = [
        ("InterruptTime", interrupt_time),
        ("SystemTime", kernel.clock.system_time_at(interrupt_time)),
        ("TickCount", kernel.clock.tick_count()),
    ];
    for (field, value) in times {
        // KSYSTEM_TIME: LowPart, High1Time, High2Time.
        let low = value.to_le_bytes();
        let high = ((value >> 32) as u32).to_le_bytes();
        let mut bytes = [0; 12];
        for (to, from) in bytes.iter_mut().zip(low.iter().chain(&high)) {
            *to = *from;
        }
        kernel.mm.poke(ram, USER_VA + offset(field), &bytes);
    }
}
