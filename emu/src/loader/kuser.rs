//! KUSER_SHARED_DATA: the page at 7FFE0000 that every process can read.

use guest::mem::PAGE_SIZE;
use guest::{Arch, NtStatus};
use kernel_model::Kernel;
use kernel_model::ke::clock::{QPC_FREQUENCY, TICK};
use kernel_model::mm::{Protect, VadKind};

use super::{Module, Target};
use crate::cpu::Ram;
use guest::layout::{StructBuilder, wide};

/// Where user mode sees it, in every version of Windows.
pub(crate) const USER_VA: u64 = 0x7ffe_0000;

/// `PF_*` features (winnt.h) of the CPU that the machine has: CMPXCHG8B, MMX, SSE, RDTSC, PAE, SSE2, NX, SSE3,
/// CMPXCHG16B, fast fail, SSSE3, SSE4.1, SSE4.2.
const PROCESSOR_FEATURES: &[u64] = &[2, 3, 6, 8, 9, 10, 12, 13, 14, 23, 36, 37, 38];
/// Milliseconds a tick takes, times 2^24: `TickCount * this >> 24` is milliseconds.
const TICK_COUNT_MULTIPLIER: u32 = ((TICK << 24) / 10_000) as u32;
/// `NtProductWinNt`.
const PRODUCT_WORKSTATION: u32 = 1;

/// `PROCESSOR_ARCHITECTURE_INTEL`, `PROCESSOR_ARCHITECTURE_AMD64`.
const fn architecture(arch: Arch) -> u16 {
    match arch {
        Arch::X86 => 0,
        Arch::X64 => 9,
    }
}

/// `SystemCall`: not zero, stubs of Windows 10 1511 and later take `int 2Eh`. Before 8.1 it is where stubs of 32-bit
/// code find their entry.
const SYSTEM_CALL_FLAG: u64 = 0x308;
const SYSTEM_CALL: u64 = 0x300;
const SYSTEM_CALL_RETURN: u64 = 0x304;

/// Fills in what stubs look for, once ntdll has its place, and says where `sysexit` goes (0: nowhere).
pub(super) fn set_system_call(target: &mut Target<'_>, ntdll: &Module, int2e: bool) -> Result<u32, NtStatus> {
    let style = target.profile().stub_style;
    let address = |name: &str| ntdll.symbol(name).map(|va| va as u32);
    for (at, bytes) in style.shared_data(address) {
        target.write(USER_VA + u64::from(at), &bytes)?;
    }
    if int2e && style.bits == 64 {
        target.write(USER_VA + SYSTEM_CALL_FLAG, &[1])?;
    } else if let Some(entry) = address("KiIntSystemCall").filter(|_| int2e && style.uses_shared_data()) {
        target.write(USER_VA + SYSTEM_CALL, &entry.to_le_bytes())?;
    }
    let to = address("KiFastSystemCallRet").unwrap_or((USER_VA + SYSTEM_CALL_RETURN) as u32);
    Ok(if style.has_gate("sysenter") { to } else { 0 })
}

/// Maps and fills the page.
pub(super) fn map(target: &mut Target<'_>) -> Result<(), NtStatus> {
    let profile = target.profile();
    let protect = if profile.stub_style.runs_shared_data() { Protect::EXECUTE_READ } else { Protect::READONLY };
    let page = target.reserve(Some(USER_VA), 1, VadKind::Private, protect)?;
    target.kernel.mm.map_shared(target.ram, page, protect)?;
    if target.child.is_some() {
        // It is one page, which the first process has filled.
        return Ok(());
    }
    let (major, minor, build) = profile.version;
    let wine = target.kernel.is_wine_root();
    let mut data = StructBuilder::of(profile.shared_data_layout(), profile.arch.width());
    data.u32("TickCountMultiplier", if wine { 1 << 24 } else { TICK_COUNT_MULTIPLIER })
        .bytes("NtSystemRoot", 0, &wide("C:\\Windows"))
        .u32("NtBuildNumber", build)
        .u32("NtProductType", PRODUCT_WORKSTATION)
        .u8("ProductTypeIsValid", 1)
        .u16("NativeProcessorArchitecture", architecture(profile.arch))
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
    let layout = kernel.profile.shared_data_layout();
    let offset = |field| layout.and_then(|l| l.offset(field)).unwrap_or(PAGE_SIZE);
    let interrupt_time = kernel.clock.ticked_interrupt_time();
    // Wine's DLLs take the count for milliseconds.
    let ticks = match kernel.is_wine_root() {
        true => interrupt_time / 10_000,
        false => kernel.clock.tick_count(),
    };
    let times = [
        ("InterruptTime", interrupt_time),
        ("SystemTime", kernel.clock.system_time_at(interrupt_time)),
        ("TickCount", ticks),
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
    // Before the count had a KSYSTEM_TIME it had this; some builds have both.
    if let Some(at) = layout.and_then(|l| l.offset("TickCountLow")) {
        kernel.mm.poke(ram, USER_VA + at, &(ticks as u32).to_le_bytes());
    }
}

/// What `KiGetTickCount` makes of the page: the milliseconds up to the last tick.
pub fn tick_milliseconds(kernel: &Kernel, ram: &Ram) -> u32 {
    let layout = kernel.profile.shared_data_layout();
    let field = |name| layout.and_then(|l| l.offset(name));
    let mut bytes = [0; 4];
    let ticks = field("TickCountLow").or_else(|| field("TickCount"));
    // The page is always there.
    ticks.and_then(|at| kernel.mm.peek(ram, USER_VA + at, &mut bytes));
    (u64::from(u32::from_le_bytes(bytes)).wrapping_mul(TICK_COUNT_MULTIPLIER.into()) >> 24) as u32
}
