//! The service tables and what is behind their rows, as Windows lays them out.

use super::super::error::AsmError;
use super::super::item::{FixupKind, Item, Part};
use super::fields::{Fields, KernelFeature};
use crate::profile::Arch;
use crate::services::ServiceTableId;
use crate::stub::StubService;
use crate::system::KernelGate;

/// `KSYSTEM_SERVICE_TABLE`: the rows' address, then a counter's; the rows' number; the address of a byte for each row
/// that says how much of its arguments is in memory.
pub(super) struct Descriptor {
    pub size: u32,
    pub limit: i32,
    pub arguments: i32,
}

pub(super) const DESCRIPTOR_64: Descriptor = Descriptor { size: 0x20, limit: 0x10, arguments: 0x18 };
pub(super) const DESCRIPTOR_32: Descriptor = Descriptor { size: 0x10, limit: 8, arguments: 0xc };

impl Descriptor {
    pub(super) const fn of(arch: Arch) -> &'static Self {
        match arch {
            Arch::X86 => &DESCRIPTOR_32,
            Arch::X64 => &DESCRIPTOR_64,
        }
    }
}

/// Which descriptor is win32k's.
pub(super) const WIN32K: i32 = 1;
/// The bits of a row of a 64-bit table that count arguments on the stack.
pub(super) const STACK_COUNT: i32 = 0xf;
/// Bytes from one service's entry to the next.
const ENTRY: usize = 16;
/// Rows that a number can name.
const MOST_ROWS: usize = 0x1000;
/// In the failure table: `STATUS_INVALID_SYSTEM_SERVICE`.
const INVALID: u8 = 1;

/// The names of a table and its parts.
pub(super) struct Names {
    pub rows: &'static str,
    pub limit: &'static str,
    pub arguments: &'static str,
    /// What a row is called of which nobody has published the name; its number follows.
    unnamed: &'static str,
}

const NT: Names = Names {
    rows: "KiServiceTable",
    limit: "KiServiceLimit",
    arguments: "KiArgumentTable",
    unnamed: "NtUnnamedService",
};
const GUI: Names = Names {
    rows: "W32pServiceTable",
    limit: "W32pServiceLimit",
    arguments: "W32pArgumentTable",
    unnamed: "NtUserUnnamedService",
};

impl Names {
    pub(super) const fn of(table: ServiceTableId) -> &'static Self {
        match table {
            ServiceTableId::Nt => &NT,
            ServiceTableId::Win32k => &GUI,
        }
    }
}

/// A row, with its symbol's name.
struct Row {
    number: u32,
    symbol: std::borrow::Cow<'static, str>,
    service: Option<StubService>,
}

fn rows(f: &Fields, table: ServiceTableId) -> impl Iterator<Item = Row> {
    let profile = f.profile;
    (0..profile.table_size(table)).map(move |row| {
        let service = profile.service(table, row);
        let symbol = match service {
            Some(service) => service.info.name.into(),
            None => format!("{}{row:X}", Names::of(table).unnamed).into(),
        };
        Row { number: table.base() + row as u32, symbol, service }
    })
}

impl Row {
    /// Arguments that the dispatcher copies: 8-byte words behind those in registers, or 4-byte slots. Where nobody has
    /// published the count, none are copied.
    fn in_memory(&self, arch: Arch) -> u8 {
        let words = self.service.and_then(|service| service.words(arch)).unwrap_or(0);
        let in_registers = if arch == Arch::X64 { 4 } else { 0 };
        words.saturating_sub(in_registers) as u8
    }

    /// What a service is here: `mov eax,number; int gate; ret`.
    fn entry(&self, arch: Arch) -> Vec<u8> {
        let mut code = vec![0xb8];
        code.extend(self.number.to_le_bytes());
        code.extend([0xcd, KernelGate::Service.vector()]);
        let pops = 4 * u16::from(self.in_memory(arch));
        if arch == Arch::X64 || pops == 0 {
            code.push(0xc3);
        } else {
            code.push(0xc2);
            code.extend(pops.to_le_bytes());
        }
        code.resize(ENTRY, 0xcc);
        code
    }
}

/// The entries of a table's services, in order.
pub(super) fn entries(f: &Fields, table: ServiceTableId, exported: bool) -> Item {
    let mut item = Item::new(Part::Code, Vec::with_capacity(ENTRY * f.profile.table_size(table)));
    for row in rows(f, table) {
        let at = item.bytes.len() as u32;
        item.bytes.extend(row.entry(f.profile.arch));
        item = item.name(row.symbol, at, exported && row.service.is_some());
    }
    item
}

/// A table with its limit and its arguments' bytes, and for win32k's the failure table.
pub(super) fn table(f: &Fields, table: ServiceTableId) -> Vec<Item> {
    let names = Names::of(table);
    let arch = f.profile.arch;
    let relative = f.has(KernelFeature::RelativeRows);
    let mut item = Item::new(Part::Constant, Vec::new()).name(names.rows, 0, false);
    let mut arguments = Item::new(Part::Constant, Vec::new()).name(names.arguments, 0, false);
    for row in rows(f, table) {
        let at = item.bytes.len() as u32;
        let count = row.in_memory(arch);
        // The bytes that 32-bit code has them in, whatever the width.
        arguments.bytes.push(4 * count);
        let (kind, field) = match (arch, relative) {
            (Arch::X64, true) => (FixupKind::ServiceRow(at), u32::from(count).to_le_bytes().to_vec()),
            (Arch::X64, false) => (FixupKind::Absolute64, u64::from(count).to_le_bytes().to_vec()),
            (Arch::X86, _) => (FixupKind::Absolute32, vec![0; 4]),
        };
        item.bytes.extend(field);
        item = item.fixup(at, kind, row.symbol);
    }
    let mut items = vec![item];
    if table == ServiceTableId::Win32k
        && let Some(item) = items.first_mut()
    {
        let failures = rows(f, table).map(|row| row.service.map_or(INVALID, |s| s.info.gui_failure().cast_unsigned()));
        // Numbers beyond the limit come here too.
        item.bytes.extend(failures.chain(std::iter::repeat(INVALID)).take(MOST_ROWS));
    }
    let limit = (f.profile.table_size(table) as u32).to_le_bytes();
    items.push(Item::new(Part::Constant, limit).name(names.limit, 0, false));
    items.push(arguments);
    items
}

/// Where win32k's table is, once that is linked: what `KeAddSystemServiceTable` would be told.
#[derive(Clone, Copy)]
pub(super) struct Linked {
    pub rows: u64,
    pub arguments: u64,
}

/// `KeServiceDescriptorTable`, and `KeServiceDescriptorTableShadow` with win32k's rows beside ntoskrnl's. Windows fills
/// them while it starts.
pub(super) fn descriptors(f: &Fields, win32k: Option<Linked>) -> Result<Vec<Item>, AsmError> {
    let arch = f.profile.arch;
    let shape = Descriptor::of(arch);
    let count = f.profile.table_mask + 1;
    let word = |item: &mut Item, at: i32, value: u64| {
        let bytes = value.to_le_bytes();
        let len = if arch == Arch::X64 { 8 } else { 4 };
        if let (Some(field), Some(value)) = (item.bytes.get_mut(at as usize..at as usize + len), bytes.get(..len)) {
            field.copy_from_slice(value);
        }
    };
    let make = |name: &'static str, exported: bool| {
        let mut item = Item::new(Part::Data, vec![0; (count * shape.size) as usize]).name(name, 0, exported);
        word(&mut item, shape.limit, f.profile.table_size(ServiceTableId::Nt) as u64);
        let kind = if arch == Arch::X64 { FixupKind::Absolute64 } else { FixupKind::Absolute32 };
        item.fixup(0, kind, NT.rows).fixup(shape.arguments as u32, kind, NT.arguments)
    };
    let mut shadow = make("KeServiceDescriptorTableShadow", false);
    if let Some(linked) = win32k {
        let at = WIN32K * shape.size as i32;
        word(&mut shadow, at, linked.rows);
        word(&mut shadow, at + shape.limit, f.profile.table_size(ServiceTableId::Win32k) as u64);
        word(&mut shadow, at + shape.arguments, linked.arguments);
    }
    // Of the 64-bit kernels' exports it is not one.
    Ok(vec![make("KeServiceDescriptorTable", arch == Arch::X86), shadow])
}

/// `Zw…` of 64-bit kernels: what an interrupt would push, then into `KiServiceInternal`.
pub(super) fn zw_64(f: &Fields) -> Item {
    /// Up to the address of `KiServiceLinkage`, then up to the number, then up to the jump's distance.
    const PARTS: [&[u8]; 3] = [
        &[0x48, 0x8b, 0xc4, 0xfa, 0x48, 0x83, 0xec, 0x10, 0x50, 0x9c, 0x6a, 0x10, 0x48, 0x8d, 0x05],
        &[0x50, 0xb8],
        &[0xe9],
    ];
    let mut item = Item::new(Part::Code, Vec::new());
    for (name, service) in zw_services(f) {
        let at = item.bytes.len() as u32;
        item = item.name(name, at, true);
        item.bytes.extend(PARTS[0]);
        item = item.fixup(at + PARTS[0].len() as u32, FixupKind::Relative32(0), "KiServiceLinkage");
        item.bytes.extend([0; 4]);
        item.bytes.extend(PARTS[1]);
        item.bytes.extend(service.number.to_le_bytes());
        item.bytes.extend(PARTS[2]);
        let jump = item.bytes.len() as u32;
        item = item.fixup(jump, FixupKind::Relative32(0), "KiServiceInternal");
        item.bytes.extend([0; 4]);
        item.bytes.push(0xc3);
        item.bytes.resize(item.bytes.len().next_multiple_of(ENTRY), 0x90);
    }
    item
}

/// `Zw…` of 32-bit kernels: `mov eax,number; lea edx,[esp+4]; pushfd; push cs; call KiSystemService; ret n`.
pub(super) fn zw_32(f: &Fields, code_selector: u8) -> Item {
    let mut item = Item::new(Part::Code, Vec::new());
    for (name, service) in zw_services(f) {
        let at = item.bytes.len() as u32;
        item = item.name(name, at, true);
        item.bytes.push(0xb8);
        item.bytes.extend(service.number.to_le_bytes());
        item.bytes.extend([0x8d, 0x54, 0x24, 4, 0x9c, 0x6a, code_selector, 0xe8]);
        let call = item.bytes.len() as u32;
        item = item.fixup(call, FixupKind::Relative32(0), "KiSystemService");
        item.bytes.extend([0; 4]);
        match 4 * service.slots.unwrap_or(0) as u16 {
            0 => item.bytes.push(0xc3),
            pops => {
                item.bytes.push(0xc2);
                item.bytes.extend(pops.to_le_bytes());
            }
        }
        item.bytes.resize(item.bytes.len().next_multiple_of(4), 0x90);
    }
    item
}

/// The services that have a `Zw…`, with its name.
fn zw_services(f: &Fields) -> impl Iterator<Item = (String, StubService)> {
    let services = f.profile.services(ServiceTableId::Nt);
    services.filter_map(|s| Some((format!("Zw{}", s.info.name.strip_prefix("Nt")?), s)))
}
