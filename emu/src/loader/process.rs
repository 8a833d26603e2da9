//! What a process has beside its modules: TEB, PEB, parameters, loader lists, stack, TLS.

use guest::NtStatus;
use guest::mem::PAGE_SIZE;
use kernel_model::io::Stream;
use kernel_model::mm::{Protect, StackRegion, VadKind};

use super::environment;
use super::modules::Modules;
use super::writer::{StructBuilder, wide};
use super::{ProcessConfig, Target};

/// Where the first thread starts, and with what.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start {
    /// `RtlUserThreadStart`.
    pub rip: u64,
    /// Its first argument: the program's entry point.
    pub rcx: u64,
    /// Its second argument: the PEB.
    pub rdx: u64,
    /// The stack.
    pub rsp: u64,
    /// The TEB, the base of GS.
    pub teb: u64,
}

/// Where TEBs and the PEB, and the first stack, are without ASLR.
const PEB_REGION: u64 = 0x50_0020_0000;
const STACK_REGION: u64 = 0x50_0000_0000;
/// The first TEB's place behind the PEB.
const TEB_OFFSET: u64 = 0x1000;
/// Bytes of the region that holds both.
const PEB_REGION_SIZE: u64 = 0x20_0000;
const DEFAULT_STACK: u64 = 0x10_0000;
const MAX_STACK: u64 = 0x4000_0000;
/// What is committed of a stack at least, in pages; under it lies the guard page.
const MIN_COMMIT: u64 = 4;
/// `LDRP_*` flags of an ordinary loaded image: static link, entry processed, process attach called.
const LDR_FLAGS: u32 = 0x0008_4000 | 0x20;
const LDR_IMAGE_DLL: u32 = 0x4;
/// The session a user's programs run in.
const SESSION: u32 = 1;

/// Creates everything and says where to start.
pub(super) fn create(target: &mut Target<'_>, config: &ProcessConfig, modules: &Modules) -> Result<Start, NtStatus> {
    let slide = config.aslr_seed.map_or(0, |seed| (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) << 24);
    let region = reserve_near(target, Some(PEB_REGION + slide), PEB_REGION_SIZE / PAGE_SIZE)?;
    target.commit(region, 4, Protect::READWRITE)?;
    let peb = region * PAGE_SIZE;
    let teb = peb + TEB_OFFSET;
    let parameters = parameters(target, config, modules)?;
    let ldr = loader_lists(target, modules)?;
    write_peb(target, modules, peb, parameters, ldr)?;
    let (stack_base, stack_limit, reserved) = stack(target, modules, STACK_REGION + slide, teb)?;
    let tls = static_tls(target, modules)?;
    write_teb(target, teb, peb, (stack_base, stack_limit, reserved), tls)?;
    target.kernel.ps.process.peb = peb;
    target.kernel.ps.thread.teb = teb;
    let start = modules.find("ntdll.dll").and_then(|i| modules.get(i)?.symbol("RtlUserThreadStart"));
    Ok(Start {
        rip: start.ok_or(NtStatus::ENTRYPOINT_NOT_FOUND)?,
        rcx: modules.program().map_or(0, |m| m.entry()),
        rdx: peb,
        // As after a call: the stack is 8 below a multiple of 16, and there is home space above.
        rsp: stack_base - 0x28,
        teb,
    })
}

fn parameters(target: &mut Target<'_>, config: &ProcessConfig, modules: &Modules) -> Result<u64, NtStatus> {
    let path = modules.program().map_or("", |m| m.path.as_str());
    let line = environment::command_line(path, &config.args);
    let block = environment::block();
    let mut out = StructBuilder::new(target, "RTL_USER_PROCESS_PARAMETERS");
    let texts = [
        ("CurrentDirectory", "C:\\"),
        ("DllPath", ""),
        ("ImagePathName", path),
        ("CommandLine", &line),
        ("WindowTitle", path),
        ("DesktopInfo", "WinSta0\\Default"),
        ("ShellInfo", ""),
        ("RuntimeData", ""),
    ];
    let size = out.size() + texts.iter().map(|(_, t)| wide(t).len() as u64 + 8).sum::<u64>();
    let va = target.allocate(None, size, Protect::READWRITE)?;
    let environment = target.allocate(None, block.len() as u64, Protect::READWRITE)?;
    target.write(environment, &block)?;
    let mut at = va + out.size();
    for (field, text) in texts {
        let bytes = wide(text);
        target.write(at, &bytes)?;
        out.string(field, text, at);
        at += (bytes.len() as u64).next_multiple_of(8);
    }
    let handles = [Stream::Input, Stream::Output, Stream::Error].map(|s| target.kernel.open_console(s));
    let [input, output, error] = handles;
    out.u32("MaximumLength", size as u32)
        .u32("Length", size as u32)
        .u32("Flags", 1) // RTL_USER_PROC_PARAMS_NORMALIZED: the strings are addresses, not offsets
        .u64("StandardInput", input?.0)
        .u64("StandardOutput", output?.0)
        .u64("StandardError", error?.0)
        .u64("Environment", environment)
        .u64("EnvironmentSize", block.len() as u64);
    target.write(va, &out.finish())?;
    Ok(va)
}

/// `PEB_LDR_DATA` and an entry for each module on its three lists.
fn loader_lists(target: &mut Target<'_>, modules: &Modules) -> Result<u64, NtStatus> {
    let ldr = StructBuilder::new(target, "PEB_LDR_DATA");
    let entry = StructBuilder::new(target, "LDR_DATA_TABLE_ENTRY");
    let (ldr_size, entry_size) = (ldr.size().next_multiple_of(16), entry.size().next_multiple_of(16));
    // Raw code is no module, as nothing was loaded for it.
    let listed: Vec<usize> = modules.iter().enumerate().filter(|(_, m)| m.image.is_some()).map(|(i, _)| i).collect();
    let text: u64 = modules.iter().map(|m| wide(&m.path).len() as u64 + 8).sum();
    let va = target.allocate(None, ldr_size + entry_size * listed.len() as u64 + text, Protect::READWRITE)?;
    let place = |n: usize| va + ldr_size + entry_size * n as u64;
    let mut strings = place(listed.len());
    let mut entries = Vec::new();
    for &index in &listed {
        let Some(module) = modules.get(index) else { continue };
        let path = wide(&module.path);
        target.write(strings, &path)?;
        let name_at = strings + path.len() as u64 - wide(&module.name).len() as u64;
        let mut entry = StructBuilder::new(target, "LDR_DATA_TABLE_ENTRY");
        let image = module.image.as_ref();
        let is_dll = image.is_some_and(|i| i.is_dll);
        entry
            .u64("DllBase", module.base)
            .u64("EntryPoint", module.entry())
            .u32("SizeOfImage", module.size as u32)
            .string("FullDllName", &module.path, strings)
            .string("BaseDllName", &module.name, name_at)
            .u32("Flags", LDR_FLAGS | if is_dll { LDR_IMAGE_DLL } else { 0 })
            .u16("ObsoleteLoadCount", 0xffff)
            .u32("TimeDateStamp", image.map_or(0, |i| i.timestamp))
            .u64("OriginalBase", image.map_or(0, |i| i.base))
            .u32("ReferenceCount", 1);
        entries.push(entry);
        strings += (path.len() as u64).next_multiple_of(8);
    }
    let mut head = StructBuilder::new(target, "PEB_LDR_DATA");
    head.u32("Length", ldr.size() as u32).u8("Initialized", 1);
    let position = |index: &usize| listed.iter().position(|l| l == index);
    let all: Vec<usize> = (0..listed.len()).collect();
    let init: Vec<usize> = modules.init_order().iter().filter_map(position).collect();
    for (list, links, order) in [
        ("InLoadOrderModuleList", "InLoadOrderLinks", &all),
        ("InMemoryOrderModuleList", "InMemoryOrderLinks", &all),
        ("InInitializationOrderModuleList", "InInitializationOrderLinks", &init),
    ] {
        let link = |n: usize| place(n) + entry.offset(links);
        let ring: Vec<u64> = [va + ldr.offset(list)].into_iter().chain(order.iter().map(|&n| link(n))).collect();
        let len = ring.len();
        for (i, _) in ring.iter().enumerate() {
            let (next, previous) = (ring[(i + 1) % len], ring[(i + len - 1) % len]);
            let (owner, field) = match i.checked_sub(1).and_then(|i| order.get(i)).and_then(|&n| entries.get_mut(n)) {
                Some(entry) => (entry, links),
                None => (&mut head, list),
            };
            owner.bytes(field, 0, &next.to_le_bytes()).bytes(field, 8, &previous.to_le_bytes());
        }
    }
    target.write(va, &head.finish())?;
    for (n, entry) in entries.into_iter().enumerate() {
        target.write(place(n), &entry.finish())?;
    }
    Ok(va)
}

fn write_peb(target: &mut Target<'_>, modules: &Modules, peb: u64, parameters: u64, ldr: u64) -> Result<(), NtStatus> {
    let (major, minor, build) = target.profile().version;
    let image = modules.program().and_then(|m| m.image.as_ref());
    let base = modules.program().filter(|m| m.image.is_some()).map_or(0, |m| m.base);
    let moved = image.is_some_and(|i| i.base != base);
    let (subsystem_major, subsystem_minor) = image.map_or((0, 0), |i| i.subsystem_version);
    let mut out = StructBuilder::new(target, "PEB");
    out.u8("BitField", if moved { 4 } else { 0 }) // IsImageDynamicallyRelocated
        .u64("Mutant", u64::MAX)
        .u64("ImageBaseAddress", base)
        .u64("Ldr", ldr)
        .u64("ProcessParameters", parameters)
        .u32("NumberOfProcessors", 1)
        .u64("CriticalSectionTimeout", (-25_920_000_000_000_i64) as u64) // thirty days
        .u64("HeapSegmentReserve", 0x10_0000)
        .u64("HeapSegmentCommit", 0x2000)
        .u64("HeapDeCommitTotalFreeThreshold", 0x1_0000)
        .u64("HeapDeCommitFreeBlockThreshold", 0x1000)
        .u32("OSMajorVersion", major)
        .u32("OSMinorVersion", minor)
        .u16("OSBuildNumber", build as u16)
        .u32("OSPlatformId", 2)
        .u32("ImageSubsystem", image.map_or(3, |i| i.subsystem.into()))
        .u32("ImageSubsystemMajorVersion", subsystem_major.into())
        .u32("ImageSubsystemMinorVersion", subsystem_minor.into())
        .u64("ActiveProcessAffinityMask", 1)
        .u32("SessionId", SESSION);
    target.write(peb, &out.finish())
}

/// Reserves private memory at a place, or elsewhere if that is taken.
fn reserve_near(target: &mut Target<'_>, at: Option<u64>, pages: u64) -> Result<u64, NtStatus> {
    let kind = || VadKind::Private;
    target
        .reserve(at, pages, kind(), Protect::READWRITE)
        .or_else(|_| target.reserve(None, pages, kind(), Protect::READWRITE))
}

/// Reserves the stack and commits its top, a guard page below: base, limit, lowest address.
fn stack(target: &mut Target<'_>, modules: &Modules, at: u64, teb: u64) -> Result<(u64, u64, u64), NtStatus> {
    let image = modules.program().and_then(|m| m.image.as_ref());
    let asked = image.map_or(DEFAULT_STACK, |i| i.stack_reserve);
    let reserve = if asked == 0 || asked > MAX_STACK { DEFAULT_STACK } else { asked };
    let reserve = reserve.max(0x1_0000).next_multiple_of(0x1_0000);
    let pages = reserve / PAGE_SIZE;
    let commit = image.map_or(0, |i| i.stack_commit).div_ceil(PAGE_SIZE).clamp(MIN_COMMIT, pages - 3);
    let place = (reserve <= PEB_REGION - STACK_REGION).then_some(at);
    let first = reserve_near(target, place, pages)?;
    let end = first + pages;
    target.commit(end - commit, commit, Protect::READWRITE)?;
    target.commit(end - commit - 1, 1, Protect::READWRITE.with_guard())?;
    let (base, limit, reserved) = (end * PAGE_SIZE, (end - commit) * PAGE_SIZE, first * PAGE_SIZE);
    let limit_field = teb + target.profile().layout().offset("NT_TIB", "StackLimit").unwrap_or(0x10);
    target.kernel.mm.space.stacks.push(StackRegion { reserved, end: base, limit_field });
    Ok((base, limit, reserved))
}

/// The TLS blocks of modules that have a TLS directory, and the array of pointers to them; 0: none has.
fn static_tls(target: &mut Target<'_>, modules: &Modules) -> Result<u64, NtStatus> {
    let mut blocks = Vec::new();
    for module in modules.iter() {
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
    let array = target.allocate(None, 8 * blocks.len() as u64, Protect::READWRITE)?;
    let bytes: Vec<u8> = blocks.iter().flat_map(|b| b.to_le_bytes()).collect();
    target.write(array, &bytes)?;
    Ok(array)
}

fn write_teb(target: &mut Target<'_>, teb: u64, peb: u64, stack: (u64, u64, u64), tls: u64) -> Result<(), NtStatus> {
    let mut out = StructBuilder::new(target, "TEB");
    let tib = |target: &Target<'_>, field| target.profile().layout().offset("NT_TIB", field).unwrap_or(0);
    let (base, limit, deallocation) = stack;
    for (field, value) in [("StackBase", base), ("StackLimit", limit), ("Self", teb)] {
        out.bytes("NtTib", tib(target, field), &value.to_le_bytes());
    }
    let (process, thread) = (target.kernel.ps.process.id.0, target.kernel.ps.thread.id.0);
    for field in ["ClientId", "RealClientId"] {
        out.bytes(field, 0, &u64::from(process).to_le_bytes()).bytes(field, 8, &u64::from(thread).to_le_bytes());
    }
    let static_buffer = teb + out.offset("StaticUnicodeBuffer");
    let activation = out.offset("_ActivationStack");
    // The frame list of an empty activation stack points at itself.
    let list = target.profile().layout().offset("ACTIVATION_CONTEXT_STACK", "FrameListCache").unwrap_or(8);
    for delta in [list, list + 8] {
        out.bytes("_ActivationStack", delta, &(teb + activation + list).to_le_bytes());
    }
    out.u64("ThreadLocalStoragePointer", tls)
        .u64("ProcessEnvironmentBlock", peb)
        .u64("DeallocationStack", deallocation)
        .u64("ActivationContextStackPointer", teb + activation)
        .bytes("StaticUnicodeString", 2, &522_u16.to_le_bytes())
        .bytes("StaticUnicodeString", 8, &static_buffer.to_le_bytes());
    target.write(teb, &out.finish())
}
