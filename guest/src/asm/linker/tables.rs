//! The directories of an image: exports, imports, relocations, functions.

use object::pe;

use super::super::error::AsmError;
use super::super::image::Bytes;
use super::super::item::Symbol;
use super::input::{Exported, pointer_size};
use super::{Layout, len};
use crate::profile::Arch;

/// Bytes of an `IMAGE_EXPORT_DIRECTORY`, and of an import descriptor.
const EXPORT_DIRECTORY: u32 = 40;
const DESCRIPTOR: u32 = 20;

/// Bytes that the export directory will have.
pub(super) fn export_size(dll: &str, exports: &[(&str, Exported<'_>)]) -> Result<u32, AsmError> {
    let text = |target: &Exported<'_>| if let Exported::Forward(to) = target { to.len() + 1 } else { 0 };
    let strings: usize = exports.iter().map(|(name, target)| name.len() + 1 + text(target)).sum();
    let size = EXPORT_DIRECTORY as usize + 10 * exports.len() + dll.len() + 1 + strings;
    u32::try_from(size).map_err(|_| AsmError::TooLarge)
}

/// The export directory at the end of `out`: names in ASCII order, ordinals from 1 in that order.
pub(super) fn exports(
    out: &mut Bytes, start: u32, dll: &str, exports: &[(&str, Exported<'_>)], layout: &Layout,
) -> Result<(), AsmError> {
    let count = u16::try_from(exports.len()).map_err(|_| AsmError::TooLarge)?;
    let functions = start + EXPORT_DIRECTORY;
    let names = functions + 4 * u32::from(count);
    let ordinals = names + 4 * u32::from(count);
    let strings = ordinals + 2 * u32::from(count);
    let mut text = Bytes(Vec::with_capacity(0x8000));
    text.text(dll);
    let mut pointers = Bytes(Vec::with_capacity(4 * exports.len()));
    out.u32(0).u32(0).u16(0).u16(0).u32(strings).u32(1).u32(count.into()).u32(count.into());
    out.u32(functions).u32(names).u32(ordinals);
    for (name, target) in exports {
        pointers.u32(strings + len(&text.0)?);
        text.text(name);
        match *target {
            Exported::Forward(to) => {
                out.u32(strings + len(&text.0)?);
                text.text(to);
            }
            Exported::Place(place) => {
                out.u32(layout.rva(place));
            }
        }
    }
    out.raw(&pointers.0);
    for ordinal in 0..count {
        out.u16(ordinal);
    }
    out.raw(&text.0);
    Ok(())
}

/// Where the import directories are.
pub(super) struct Imports {
    /// Bytes of the address table, which is at the start of its section.
    pub address_table: u32,
    /// RVA and bytes of the descriptors.
    pub descriptors: (u32, u32),
}

/// The address table at the start of `out`, then descriptors, lookup tables and names. The address table holds the same hints as the lookup tables until it is bound.
pub(super) fn imports(
    arch: Arch, out: &mut Bytes, base: u32, dlls: &[(&'static str, Vec<Symbol>)],
) -> Result<Option<Imports>, AsmError> {
    if dlls.is_empty() {
        return Ok(None);
    }
    // Each DLL's table ends with a zero entry.
    let table: u32 = dlls.iter().map(|(_, names)| pointer_size(arch) * (names.len() as u32 + 1)).sum();
    let descriptors = base + table;
    let lookup = (descriptors + DESCRIPTOR * (dlls.len() as u32 + 1)).next_multiple_of(8);
    let strings = lookup + table;
    let (mut entries, mut text, mut list) = (Bytes::default(), Bytes::default(), Bytes::default());
    for (dll, names) in dlls {
        let at = len(&entries.0)?;
        for name in names {
            entry(arch, &mut entries, strings + len(&text.0)?);
            text.u16(0).text(name);
            text.pad_to(len(&text.0)?.next_multiple_of(2));
        }
        entry(arch, &mut entries, 0);
        list.u32(lookup + at).u32(0).u32(0).u32(strings + len(&text.0)?).u32(base + at);
        text.text(dll);
        text.pad_to(len(&text.0)?.next_multiple_of(2));
    }
    list.raw(&[0; DESCRIPTOR as usize]);
    out.raw(&entries.0).raw(&list.0).pad_to(lookup - base).raw(&entries.0).raw(&text.0);
    Ok(Some(Imports { address_table: table, descriptors: (descriptors, len(&list.0)?) }))
}

fn entry(arch: Arch, table: &mut Bytes, value: u32) {
    match arch {
        Arch::X64 => table.u64(value.into()),
        Arch::X86 => table.u32(value),
    };
}

/// `.reloc`: a block for each page that has an address in it. Without any, one block of padding says that the image may
/// move.
pub(super) fn relocations(arch: Arch, mut addresses: Vec<u32>, first_page: u32) -> Vec<u8> {
    let kind = match arch {
        Arch::X64 => pe::IMAGE_REL_BASED_DIR64,
        Arch::X86 => pe::IMAGE_REL_BASED_HIGHLOW,
    };
    let mut out = Bytes::default();
    addresses.sort_unstable();
    for page in addresses.chunk_by(|a, b| a >> 12 == b >> 12) {
        let entries = page.len().next_multiple_of(2);
        out.u32(page.first().map_or(0, |at| at & !0xfff)).u32(8 + 2 * entries as u32);
        for at in page {
            out.u16(kind << 12 | (at & 0xfff) as u16);
        }
        if entries != page.len() {
            out.u16(0);
        }
    }
    if addresses.is_empty() {
        // Two entries that relocate nothing. That their offsets differ keeps readers from calling them overlapping.
        out.u32(first_page).u32(12).u16(0).u16(1);
    }
    out.0
}

/// `.pdata`: the `RUNTIME_FUNCTION`s by address.
pub(super) fn sort_functions(table: &mut [u8]) {
    let start = |row: &[u8; 12]| u32::from_le_bytes([row[0], row[1], row[2], row[3]]);
    let (rows, _) = table.as_chunks_mut::<12>();
    rows.sort_unstable_by_key(start);
}
