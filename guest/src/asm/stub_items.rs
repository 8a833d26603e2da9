//! The stubs of a profile as items for the linker.

use super::item::{FixupKind, Item, Part};
use crate::profile::{Arch, Profile};
use crate::services::ServiceTableId;
use crate::stub::{Patch, Routine, StubStyle};

/// The system-call stubs of one table of a profile for code of one width: one item with all of them, in the order of
/// their numbers, each exported as its name and, an `Nt…`, as `Zw…` from ntdll. Nothing where the build does not run
/// such code.
pub fn stub_items(profile: &'static Profile, arch: Arch, which: ServiceTableId) -> Vec<Item> {
    let Some(style) = profile.stub_style_for(arch) else { return Vec::new() };
    let mut table = Item::new(Part::Code, Vec::with_capacity(0x8000));
    for service in profile.services(which) {
        let at = table.bytes.len() as u32;
        table = append(table, style.padded(&service)).name(service.info.name, at, true);
        if let (ServiceTableId::Nt, Some(rest)) = (which, service.info.name.strip_prefix("Nt")) {
            table = table.name(format!("Zw{rest}"), at, true);
        }
    }
    let mut items = vec![table];
    items.extend(routines(style, which));
    items
}

/// The entry point of a DLL of stubs: `mov eax,1; ret`, for tools that expect one. It says that all is well.
pub(super) const ENTRY: &str = "LdrpEntryPoint";

/// [`ENTRY`] as an item.
pub(super) fn entry_item(arch: Arch) -> Item {
    let code: &[u8] = match arch {
        Arch::X64 => &[0xb8, 1, 0, 0, 0, 0xc3],
        Arch::X86 => &[0xb8, 1, 0, 0, 0, 0xc2, 12, 0],
    };
    Item::new(Part::Code, code).name(ENTRY, 0, false)
}

/// What stubs call. A win32u has a copy of its own, which it does not export.
fn routines(style: &StubStyle, which: ServiceTableId) -> impl Iterator<Item = Item> {
    let exported = which == ServiceTableId::Nt;
    style.routines().map(move |routine| {
        let part = if routine.is_data { Part::Data } else { Part::Code };
        let item = append(Item::new(part, Vec::new()).aligned(alignment(routine)), routine.patch());
        routine.symbols.iter().fold(item, |item, (name, at)| item.name(*name, *at, exported))
    })
}

fn alignment(routine: &Routine) -> u32 {
    if routine.is_data { 4 } else { 16 }
}

/// Adds bytes with addresses in them to an item.
fn append(mut item: Item, patch: Patch) -> Item {
    let at = item.bytes.len();
    item.bytes.extend(patch.bytes);
    let fixups = patch.addresses.into_iter();
    fixups.fold(item, |item, (offset, symbol)| item.fixup((at + offset) as u32, FixupKind::Absolute32, symbol))
}
