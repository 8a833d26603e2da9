//! The kernel image: `ntoskrnl.exe` and `win32k.sys` of a profile, for machines that run the dispatcher as guest code.
//!
//! What is in them is the way of a system call through the kernel (ring 0's entries and exits, the dispatcher, the
//! service tables in their real encodings), the entries of exceptions, and functions of a few instructions. The services
//! themselves are the model's: each entry calls it through [`KernelGate::Service`]. Written from the behaviour that has
//! been published of these paths.
//!
//! [`code`] writes code, [`fields`] knows the profile's offsets, [`tables`] makes the service tables, [`x64`] and [`x86`]
//! are the code, [`data`] the variables.
//!
//! [`KernelGate::Service`]: crate::system::KernelGate::Service

mod code;
mod data;
mod fields;
mod getters;
mod interrupts;
mod tables;
mod x64;
mod x86;

use object::pe;

pub use self::fields::KernelFeature;
pub use self::interrupts::{Interrupt, Pushes, interrupts};

use self::fields::Fields;
use self::tables::{Linked, Names};
use super::error::AsmError;
use super::item::Item;
use super::linker::Link;
use super::{BuiltinDll, Part};
use crate::profile::{Arch, Profile};
use crate::services::ServiceTableId;
use crate::system::SystemMap;

/// Statuses and bug checks that the path itself answers with.
const STATUS_INVALID_SYSTEM_SERVICE: u32 = 0xc000_001c;
const STATUS_ALREADY_WIN32: u32 = 0x4000_001b;
const STATUS_ACCESS_VIOLATION: u32 = 0xc000_0005;
const STATUS_NO_CALLBACK_ACTIVE: u32 = 0xc000_0258;
const APC_INDEX_MISMATCH: u32 = 0x01;
const IRQL_GT_ZERO_AT_SYSTEM_SERVICE: u32 = 0x4a;
/// Interrupt request levels.
const APC_LEVEL: u32 = 1;
const DISPATCH_LEVEL: u32 = 2;

fn image(profile: &Profile, name: &'static str, base: u64, entry: &'static str) -> Link<'static> {
    let mut link = Link::dll(name, profile.arch, base, (profile.version.0, profile.version.1));
    link.subsystem = pe::IMAGE_SUBSYSTEM_NATIVE;
    link.is_dll = false;
    link.symbol_table = true;
    link.entry = Some(entry);
    link
}

/// The `ntoskrnl.exe` of a profile, for [`SystemMap::ntoskrnl`].
pub(super) fn ntoskrnl(profile: &'static Profile) -> Result<BuiltinDll, AsmError> {
    let fields = &Fields::new(profile);
    let mut link = image(profile, "ntoskrnl.exe", SystemMap::of(profile.arch).ntoskrnl, "KiSystemStartup");
    link.items = match profile.arch {
        Arch::X64 => x64::items(fields)?,
        Arch::X86 => x86::items(fields)?,
    };
    link.items.push(tables::entries(fields, ServiceTableId::Nt, true));
    link.items.extend(tables::table(fields, ServiceTableId::Nt));
    link.items.extend(tables::descriptors(fields, linked_win32k(profile)?)?);
    link.items.extend(data::items(fields));
    link.link()
}

/// The `win32k.sys` of a profile, for [`SystemMap::win32k`]; `None` where it has no such services.
pub(super) fn win32k(profile: &'static Profile) -> Result<Option<BuiltinDll>, AsmError> {
    if profile.table_size(ServiceTableId::Win32k) == 0 {
        return Ok(None);
    }
    let fields = &Fields::new(profile);
    let mut link = image(profile, "win32k.sys", SystemMap::of(profile.arch).win32k, "DriverEntry");
    link.items.push(driver_entry(profile.arch));
    link.items.push(tables::entries(fields, ServiceTableId::Win32k, false));
    link.items.extend(tables::table(fields, ServiceTableId::Win32k));
    link.link().map(Some)
}

/// `xor eax,eax; ret`: the tables are in place already.
fn driver_entry(arch: Arch) -> Item {
    let code: &[u8] = match arch {
        Arch::X64 => &[0x33, 0xc0, 0xc3],
        Arch::X86 => &[0x33, 0xc0, 0xc2, 8, 0],
    };
    Item::new(Part::Code, code).name("DriverEntry", 0, false)
}

/// Where win32k's table is.
fn linked_win32k(profile: &'static Profile) -> Result<Option<Linked>, AsmError> {
    let Some(dll) = win32k(profile)? else { return Ok(None) };
    let base = SystemMap::of(profile.arch).win32k;
    let names = Names::of(ServiceTableId::Win32k);
    let find = |name: &str| {
        let symbol = dll.symbols.iter().find(|s| s.1 == name);
        symbol.map(|s| base + u64::from(s.0)).ok_or_else(|| AsmError::Undefined(name.into()))
    };
    Ok(Some(Linked { rows: find(names.rows)?, arguments: find(names.arguments)? }))
}
