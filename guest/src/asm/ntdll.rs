//! The built-in `ntdll.dll`: every service's stub, and the run-time library, which is compiled from C.

use super::BuiltinDll;
use super::error::AsmError;
use super::linker::Link;
use super::stub_items::stub_items;
use crate::profile::{Arch, Profile};

/// Assembles it. The preferred bases are where Windows' own lies.
pub(super) fn build(profile: &'static Profile, arch: Arch) -> Result<BuiltinDll, AsmError> {
    let (base, object) = match arch {
        Arch::X64 => (0x7ffc_0e3b_0000, crate::dll::NTDLL_X64),
        Arch::X86 => (0x77f0_0000, crate::dll::NTDLL_X86),
    };
    let version = (profile.version.0, profile.version.1);
    let mut link = Link::dll("ntdll.dll", arch, base, version);
    link.items = stub_items(profile, arch);
    link.objects.push(object);
    link.link()
}
