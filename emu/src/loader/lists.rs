//! Process parameters and the loader's lists.

use guest::NtStatus;
use kernel_model::mm::Protect;

use super::environment;
use super::modules::Modules;
use super::{ProcessConfig, Side, Target};
use guest::layout::{StructBuilder, wide};

/// `LDRP_*` flags of an ordinary loaded image: static link, entry processed, process attach called.
const LDR_FLAGS: u32 = 0x0008_4000 | 0x20;
const LDR_IMAGE_DLL: u32 = 0x4;

/// `RTL_USER_PROCESS_PARAMETERS`, with its strings behind it.
pub(super) fn parameters(
    target: &mut Target<'_>, config: &ProcessConfig, modules: &Modules, side: &Side,
) -> Result<u64, NtStatus> {
    let path = modules.program().map_or("", |m| m.path.as_str());
    let line = environment::command_line(path, &config.args);
    let block = environment::block(target.profile().arch, modules.arch());
    let mut out = StructBuilder::new(side, "RTL_USER_PROCESS_PARAMETERS");
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
    let [input, output, error] = target.console_handles()?;
    out.u32("MaximumLength", size as u32)
        .u32("Length", size as u32)
        .u32("Flags", 1) // RTL_USER_PROC_PARAMS_NORMALIZED: the strings are addresses, not offsets
        .word("StandardInput", input.0)
        .word("StandardOutput", output.0)
        .word("StandardError", error.0)
        .word("Environment", environment)
        .word("EnvironmentSize", block.len() as u64);
    target.write(va, &out.finish())?;
    Ok(va)
}

/// `PEB_LDR_DATA` and an entry for each module on its three lists.
pub(super) fn loader_lists(target: &mut Target<'_>, modules: &Modules, side: &Side) -> Result<u64, NtStatus> {
    let ldr = StructBuilder::new(side, "PEB_LDR_DATA");
    let entry = StructBuilder::new(side, "LDR_DATA_TABLE_ENTRY");
    let (ldr_size, entry_size) = (ldr.size().next_multiple_of(16), entry.size().next_multiple_of(16));
    // Raw code is no module, as nothing was loaded for it.
    let listed: Vec<usize> = modules
        .iter()
        .enumerate()
        .filter(|(i, m)| m.image.is_some() && (m.arch == side.arch || *i == 0))
        .map(|(i, _)| i)
        .collect();
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
        let mut entry = StructBuilder::new(side, "LDR_DATA_TABLE_ENTRY");
        let image = module.image.as_ref();
        let is_dll = image.is_some_and(|i| i.is_dll);
        entry
            .word("DllBase", module.base)
            .word("EntryPoint", module.entry())
            .u32("SizeOfImage", module.size as u32)
            .string("FullDllName", &module.path, strings)
            .string("BaseDllName", &module.name, name_at)
            .u32("Flags", LDR_FLAGS | if is_dll { LDR_IMAGE_DLL } else { 0 })
            .u16("ObsoleteLoadCount", 0xffff)
            .u32("TimeDateStamp", image.map_or(0, |i| i.timestamp))
            .word("OriginalBase", image.map_or(0, |i| i.base))
            .u32("ReferenceCount", 1);
        entries.push(entry);
        strings += (path.len() as u64).next_multiple_of(8);
    }
    let mut head = StructBuilder::new(side, "PEB_LDR_DATA");
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
            owner.words(field, next, previous);
        }
    }
    target.write(va, &head.finish())?;
    for (n, entry) in entries.into_iter().enumerate() {
        target.write(place(n), &entry.finish())?;
    }
    Ok(va)
}
