//! The built-in `win32u.dll`: every win32k service's stub. Windows has one from 10 1607 on; before, the same stubs are
//! in user32 and gdi32, which are not built in.

use super::BuiltinDll;
use super::error::AsmError;
use super::linker::Link;
use super::stub_items::{ENTRY, entry_item, stub_items};
use crate::profile::{Arch, Profile};
use crate::services::ServiceTableId;

/// Assembles it.
pub(super) fn build(profile: &'static Profile, arch: Arch) -> Result<BuiltinDll, AsmError> {
    let base = match arch {
        Arch::X64 => 0x7ffc_0c20_0000,
        Arch::X86 => 0x7620_0000,
    };
    let mut link = Link::dll("win32u.dll", arch, base, (profile.version.0, profile.version.1));
    link.items = stub_items(profile, arch, ServiceTableId::Win32k);
    link.items.push(entry_item(arch));
    link.entry = Some(ENTRY);
    link.link()
}
