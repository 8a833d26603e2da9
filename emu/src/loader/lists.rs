//! Process parameters and the loader's lists.

use guest::NtStatus;
use kernel_model::mm::Protect;
use kernel_model::ps::{NUMBERS, ProcessParameters, RUNTIME, STANDARD, TEXTS};

use super::environment;
use super::modules::Modules;
use super::{ProcessConfig, Side, Target};
use guest::layout::{StructBuilder, wide};

/// `LDRP_*` flags of an ordinary loaded image: static link, entry processed, process attach called.
const LDR_FLAGS: u32 = 0x0008_4000 | 0x20;
const LDR_IMAGE_DLL: u32 = 0x4;

/// The current directory changes where it is: there is room for `MAX_PATH` characters.
const CURRENT_DIRECTORY: &str = "CurrentDirectory";
const CURRENT_DIRECTORY_ROOM: u64 = 0x208;

/// What the first process is told.
fn first(target: &mut Target<'_>, config: &ProcessConfig, modules: &Modules) -> Result<ProcessParameters, NtStatus> {
    let path = modules.program().map_or("", |m| m.path.as_str());
    let line = environment::command_line(path, &config.args);
    let texts = ["C:\\", "", path, &line, path, "WinSta0\\Default", ""];
    Ok(ProcessParameters {
        texts: texts.map(|text| text.encode_utf16().collect()),
        standard: target.console_handles()?.map(|handle| handle.0),
        environment: environment::block(target.profile(), modules.arch(), &config.environment),
        ..ProcessParameters::default()
    })
}

/// `RTL_USER_PROCESS_PARAMETERS`, with its strings behind it.
pub(super) fn parameters(
    target: &mut Target<'_>, config: &ProcessConfig, modules: &Modules, side: &Side,
) -> Result<u64, NtStatus> {
    let told = match &target.child {
        Some(child) => child.new.parameters.clone(),
        None => first(target, config, modules)?,
    };
    let mut out = StructBuilder::new(side, "RTL_USER_PROCESS_PARAMETERS");
    let bytes = |text: &[u16]| text.iter().chain([&0]).flat_map(|unit| unit.to_le_bytes()).collect::<Vec<u8>>();
    let size = out.size() + told.texts.iter().map(|text| bytes(text).len() as u64 + 8).sum::<u64>();
    let size = size + told.runtime.len() as u64 + CURRENT_DIRECTORY_ROOM;
    let va = target.allocate(None, size, Protect::READWRITE)?;
    let environment = target.allocate(None, told.environment.len() as u64, Protect::READWRITE)?;
    target.write(environment, &told.environment)?;
    let mut at = va + out.size();
    for (field, text) in TEXTS.iter().zip(&told.texts) {
        let bytes = bytes(text);
        target.write(at, &bytes)?;
        // A `UNICODE_STRING`: its length, its size with the terminator, where it is.
        let length = (bytes.len() as u64 - 2).min(0xfffc) as u16;
        let room = if *field == CURRENT_DIRECTORY { CURRENT_DIRECTORY_ROOM } else { 0 }.max(u64::from(length) + 2);
        out.bytes(field, 0, &length.to_le_bytes()).bytes(field, 2, &(room as u16).to_le_bytes());
        out.word_at(field, side.width().bytes() as u64, at);
        at += (bytes.len() as u64).max(room).next_multiple_of(8);
    }
    if !told.runtime.is_empty() {
        // Its size is told as well: there is no terminator.
        let length = (told.runtime.len() as u64).min(0xffff) as u16;
        target.write(at, &told.runtime)?;
        out.bytes(RUNTIME, 0, &length.to_le_bytes()).bytes(RUNTIME, 2, &length.to_le_bytes());
        out.word_at(RUNTIME, side.width().bytes() as u64, at);
    }
    for (field, value) in NUMBERS.iter().zip(told.numbers) {
        out.u32(field, value);
    }
    for (field, handle) in STANDARD.iter().zip(told.standard) {
        out.word(field, handle);
    }
    out.u32("MaximumLength", size as u32)
        .u32("Length", size as u32)
        .u32("Flags", 1) // RTL_USER_PROC_PARAMS_NORMALIZED: the strings are addresses, not offsets
        .word("ConsoleHandle", told.console)
        .word("Environment", environment)
        .word("EnvironmentSize", told.environment.len() as u64);
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
