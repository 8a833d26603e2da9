//! The built-in `ntdll.dll`: every service's stub, and the run-time library, which is compiled from C.

use super::item::{Item, Part};
use super::linker::Link;
use super::stub_items::{ENTRY, entry_item, stub_items};
use crate::dll;
use crate::profile::{Arch, Profile};
use crate::services::ServiceTableId;

/// What it is linked of. The preferred bases are where Windows' own lies.
pub(super) fn parts(profile: &'static Profile, arch: Arch) -> Link<'static> {
    let base = match arch {
        Arch::X64 => 0x7ffc_0e3b_0000,
        Arch::X86 => 0x77f0_0000,
    };
    let mut link = Link::dll("ntdll.dll", arch, base, (profile.version.0, profile.version.1));
    link.items = stub_items(profile, arch, ServiceTableId::Nt);
    link.items.push(entry_item(arch));
    link.entry = Some(ENTRY);
    link.items.extend(missing(profile, arch));
    link.objects.push(dll::ntdll(arch));
    link
}

/// What the run-time library calls and other built-in DLLs import, with the bytes of arguments of each 32-bit call.
const CALLED: &[(&str, u16)] = &[
    ("NtAllocateVirtualMemory", 24),
    ("NtFreeVirtualMemory", 16),
    ("NtQueryInformationThread", 20),
    ("NtQueryPerformanceCounter", 8),
    ("NtTerminateProcess", 8),
    ("NtTerminateThread", 8),
    ("NtYieldExecution", 0),
];
const STATUS_INVALID_SYSTEM_SERVICE: u32 = 0xc000_001c;

/// Functions in place of the services that the library calls and the build does not have: `mov eax,C000001Ch; ret`.
fn missing(profile: &'static Profile, arch: Arch) -> impl Iterator<Item = Item> {
    let absent = CALLED.iter().filter(|(name, _)| profile.number(name).is_none());
    absent.map(move |&(name, popped)| {
        let mut code = vec![0xb8];
        code.extend(STATUS_INVALID_SYSTEM_SERVICE.to_le_bytes());
        match (arch, popped) {
            (Arch::X64, _) | (_, 0) => code.push(0xc3),
            (Arch::X86, _) => {
                code.push(0xc2);
                code.extend(popped.to_le_bytes());
            }
        }
        Item::new(Part::Code, code).name(name, 0, true)
    })
}
