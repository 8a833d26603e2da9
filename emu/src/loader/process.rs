//! What a process has beside its modules: TEB, PEB, stack, TLS.

use guest::mem::PAGE_SIZE;
use guest::{Arch, NtStatus};
use kernel_model::mm::{Protect, StackRequest, UserStack};
use kernel_model::ps::{Dispatchers, Teb, TebSlots, UserEntries, write_teb};

use super::lists::{loader_lists, parameters};
use super::modules::Modules;
use super::{ProcessConfig, Side, Target, kuser, wow64};
use crate::cpu::Reg;
use guest::layout::StructBuilder;

/// Where the first thread starts, and with what.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The registers that are not zero.
    pub registers: Vec<(Reg, u64)>,
    /// The base of GS: 64-bit code's TEB.
    pub gs_base: u64,
    /// The base of FS: 32-bit code's TEB.
    pub fs_base: u32,
}

/// Where TEBs and the PEB, and the first stack, are in a 64-bit process without ASLR.
const PEB_REGION: u64 = 0x50_0020_0000;
const STACK_REGION: u64 = 0x50_0000_0000;
/// The first TEB's place behind the PEB.
const TEB_OFFSET: u64 = 0x1000;
/// Bytes of a 64-bit TEB, in pages.
const TEB_SIZE: u64 = 0x2000;
/// Bytes of the region that holds both.
const PEB_REGION_SIZE: u64 = 0x20_0000;
/// The same in a 32-bit process: the first TEB's page and the PEB's, the last ones below 7FFE0000.
const X86_TEB: u64 = 0x7ffd_e000;
const X86_PEB: u64 = 0x7ffd_f000;
/// Where a 32-bit thread's stack goes.
pub(super) const X86_STACK: u64 = 0x3_0000;
const DEFAULT_STACK: u64 = 0x10_0000;
const MAX_STACK: u64 = 0x4000_0000;
/// Where one side of a process has its own structures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub peb: u64,
    pub teb: u64,
    pub stack: u64,
    /// Bytes of stack; `None`: as the program asks.
    pub stack_size: Option<u64>,
}

/// Creates everything and says where to start.
pub(super) fn create(target: &mut Target<'_>, config: &ProcessConfig, modules: &Modules) -> Result<Start, NtStatus> {
    let native = target.profile().arch;
    let slide = config.aslr_seed.map_or(0, |seed| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44);
    if let Some(ntdll) = modules.by_name("ntdll.dll", native) {
        target.kernel.ps.process.sysexit_to = kuser::set_system_call(target, ntdll, config.int2e)?;
    }
    target.kernel.ps.process.dispatchers = dispatchers(modules, native);
    if modules.arch() != native {
        return wow64::create(target, config, modules, slide);
    }
    let places = match native {
        Arch::X64 => {
            let region = reserve_near(target, Some(PEB_REGION + (slide << 24)), PEB_REGION_SIZE / PAGE_SIZE)?;
            target.commit(region, 3, Protect::READWRITE)?;
            let peb = region * PAGE_SIZE;
            let first = peb + TEB_OFFSET + TEB_SIZE;
            target.kernel.ps.process.tebs = TebSlots::new(first, peb + PEB_REGION_SIZE, TEB_SIZE);
            Places { peb, teb: peb + TEB_OFFSET, stack: STACK_REGION + (slide << 24), stack_size: None }
        }
        Arch::X86 => {
            // Fourteen pages to choose from.
            let down = (slide % 14) * 2 * PAGE_SIZE;
            let region = reserve_near(target, Some(X86_TEB - down), 2)?;
            target.commit(region, 2, Protect::READWRITE)?;
            let teb = region * PAGE_SIZE;
            target.kernel.ps.process.tebs = TebSlots::new(0, 0, PAGE_SIZE);
            let stack = X86_STACK + (slide % 8) * 0x1_0000;
            Places { peb: teb + (X86_PEB - X86_TEB), teb, stack, stack_size: None }
        }
    };
    let side = Side::new(target.profile(), native);
    let stack = fill(target, config, modules, &side, places)?;
    target.kernel.ps.process.peb = places.peb;
    target.kernel.ps.thread.teb = places.teb;
    let rip = modules.by_name("ntdll.dll", native).and_then(|m| m.symbol("RtlUserThreadStart"));
    let rip = rip.ok_or(NtStatus::ENTRYPOINT_NOT_FOUND)?;
    let entry = modules.program().map_or(0, |m| m.entry());
    target.kernel.ps.process.thread_start = rip;
    target.kernel.ps.process.highest = target.highest;
    target.kernel.ps.thread.start_address = entry;
    target.kernel.ps.thread.stacks = vec![stack];
    Ok(match native {
        // As after a call: the stack is 8 below a multiple of 16, and there is home space above.
        Arch::X64 => Start {
            registers: vec![(Reg::Rip, rip), (Reg::Rcx, entry), (Reg::Rdx, places.peb), (Reg::Rsp, stack.base - 0x28)],
            gs_base: places.teb,
            fs_base: 0,
        },
        Arch::X86 => Start {
            registers: vec![(Reg::Rip, rip), (Reg::Rax, entry), (Reg::Rbx, places.peb), (Reg::Rsp, stack.base - 0x10)],
            gs_base: 0,
            fs_base: places.teb as u32,
        },
    })
}

/// Where ntdll has the kernel send threads.
fn dispatchers(modules: &Modules, native: Arch) -> Dispatchers {
    let entries = |arch| {
        let ntdll = modules.by_name("ntdll.dll", arch);
        let entry = |name| ntdll.and_then(|m| m.symbol(name)).unwrap_or(0);
        UserEntries {
            exception: entry("KiUserExceptionDispatcher"),
            apc: entry("KiUserApcDispatcher"),
            raise: entry("KiRaiseUserExceptionDispatcher"),
            loader: entry("LdrInitializeThunk"),
        }
    };
    let wow64 = if native == Arch::X64 { entries(Arch::X86) } else { UserEntries::default() };
    Dispatchers { native: entries(native), wow64, instrumentation: 0 }
}

/// Fills in one side's structures, and gives it its stack.
pub(super) fn fill(
    target: &mut Target<'_>, config: &ProcessConfig, modules: &Modules, side: &Side, places: Places,
) -> Result<UserStack, NtStatus> {
    let parameters = parameters(target, config, modules, side)?;
    let ldr = loader_lists(target, modules, side)?;
    write_peb(target, modules, side, places.peb, parameters, ldr)?;
    let stack = stack(target, modules, side, places)?;
    let tls = static_tls(target, modules, side)?;
    let ids = (target.kernel.ps.process.id, target.kernel.ps.thread.id);
    let teb = Teb { at: places.teb, peb: places.peb, stack, ids, tls };
    write_teb(&mut target.kernel.mm, target.ram, side, &teb)?;
    Ok(stack)
}

pub(super) fn write_peb(
    target: &mut Target<'_>, modules: &Modules, side: &Side, peb: u64, parameters: u64, ldr: u64,
) -> Result<(), NtStatus> {
    let (major, minor, build) = target.profile().version;
    let image = modules.program().and_then(|m| m.image.as_ref());
    let base = modules.program().filter(|m| m.image.is_some()).map_or(0, |m| m.base);
    let moved = image.is_some_and(|i| i.base != base);
    let (subsystem_major, subsystem_minor) = image.map_or((0, 0), |i| i.subsystem_version);
    let mut out = StructBuilder::new(side, "PEB");
    out.u8("BitField", if moved { 4 } else { 0 }) // IsImageDynamicallyRelocated
        .word("Mutant", u64::MAX)
        .word("ImageBaseAddress", base)
        .word("Ldr", ldr)
        .word("ProcessParameters", parameters)
        .u32("NumberOfProcessors", 1)
        .u64("CriticalSectionTimeout", (-25_920_000_000_000_i64) as u64) // thirty days
        .word("HeapSegmentReserve", 0x10_0000)
        .word("HeapSegmentCommit", 0x2000)
        .word("HeapDeCommitTotalFreeThreshold", 0x1_0000)
        .word("HeapDeCommitFreeBlockThreshold", 0x1000)
        .u32("OSMajorVersion", major)
        .u32("OSMinorVersion", minor)
        .u16("OSBuildNumber", build as u16)
        .u32("OSPlatformId", 2)
        .u32("ImageSubsystem", image.map_or(3, |i| i.subsystem.into()))
        .u32("ImageSubsystemMajorVersion", subsystem_major.into())
        .u32("ImageSubsystemMinorVersion", subsystem_minor.into())
        .word("ActiveProcessAffinityMask", 1)
        .u32("SessionId", target.kernel.ps.process.session);
    target.write(peb, &out.finish())
}

/// Reserves private memory at a place, or elsewhere if that is taken.
pub(super) fn reserve_near(target: &mut Target<'_>, at: Option<u64>, pages: u64) -> Result<u64, NtStatus> {
    target.kernel.mm.reserve_near(at, pages, target.highest)
}

/// Reserves the stack and commits its top, a guard page below. What the image asks for counts for later threads too.
fn stack(target: &mut Target<'_>, modules: &Modules, side: &Side, places: Places) -> Result<UserStack, NtStatus> {
    let image = modules.program().and_then(|m| m.image.as_ref()).filter(|_| places.stack_size.is_none());
    let asked = places.stack_size.or(image.map(|i| i.stack_reserve)).unwrap_or(DEFAULT_STACK);
    let reserve = if asked == 0 || asked > MAX_STACK { DEFAULT_STACK } else { asked };
    let commit = image.map_or(0, |i| i.stack_commit);
    if places.stack_size.is_none() {
        target.kernel.ps.process.stack = [reserve, commit];
    }
    let limit_field = places.teb + side.offset("NT_TIB", "StackLimit");
    let (highest, width) = (target.highest, side.width());
    let request = StackRequest { reserve, commit, at: Some(places.stack), highest, limit_field, width };
    target.kernel.mm.create_stack(&request)
}

/// The TLS blocks of modules that have a TLS directory, and the array of pointers to them; 0: none has.
fn static_tls(target: &mut Target<'_>, modules: &Modules, side: &Side) -> Result<u64, NtStatus> {
    let mut blocks = Vec::new();
    let width = side.width().bytes();
    for module in modules.iter().filter(|m| m.arch == side.arch) {
        let Some(Ok(Some(tls))) = module.image.as_ref().map(|i| i.tls(module.base)) else { continue };
        let size = u64::from(tls.data_size) + u64::from(tls.zero_fill);
        let block = target.allocate(None, size.max(1), Protect::READWRITE)?;
        let data = module.image.as_ref().and_then(|i| i.slice(tls.data.into(), tls.data_size.into()));
        target.write(block, data.unwrap_or(&[]))?;
        if tls.index != 0 {
            target.write(module.base + u64::from(tls.index), &(blocks.len() as u32).to_le_bytes())?;
        }
        blocks.push(block);
    }
    if blocks.is_empty() {
        return Ok(0);
    }
    let array = target.allocate(None, (width * blocks.len()) as u64, Protect::READWRITE)?;
    let bytes: Vec<u8> = blocks.iter().flat_map(|b| b.to_le_bytes().into_iter().take(width)).collect();
    target.write(array, &bytes)?;
    Ok(array)
}
