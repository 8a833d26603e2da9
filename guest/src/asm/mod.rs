//! The guest code that depends on the profile: an `ntdll.dll`, put together from system-call stubs and a compiled
//! run-time library into a PE image that any loader and any PE tool can read.
//!
//! [`stub_items`] makes the stubs, [`item`] is what the linker takes beside compiled objects, [`linker`] lays everything out,
//! [`image`] writes the file. The same profile gives the same bytes, always.

mod error;
mod image;
mod item;
pub mod kernel;
mod linker;
mod ntdll;
mod stub_items;
#[cfg(test)]
mod tests;
mod win32u;

pub use error::AsmError;
pub use item::{Fixup, FixupKind, Item, Name, Part, Symbol};
pub use linker::Link;
pub use stub_items::stub_items;

use crate::{Arch, Profile};

/// A DLL assembled for one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltinDll {
    /// The file name, for instance `ntdll.dll`.
    pub name: &'static str,
    /// The PE file.
    pub image: Vec<u8>,
    /// Functions and data by RVA, ascending: exports and the internal names worth showing.
    pub symbols: Vec<(u32, String)>,
}

/// The `ntdll.dll` of a profile: a stub for each of its NT services, and the run-time library.
pub fn ntdll(profile: &'static Profile, arch: Arch) -> Result<BuiltinDll, AsmError> {
    ntdll::parts(profile, arch).link()
}

/// The `win32u.dll` of a profile: a stub for each of its win32k services.
pub fn win32u(profile: &'static Profile, arch: Arch) -> Result<BuiltinDll, AsmError> {
    win32u::build(profile, arch)
}

/// The `ntoskrnl.exe` of a profile: the way of a system call through the kernel, as guest code.
pub fn ntoskrnl(profile: &'static Profile) -> Result<BuiltinDll, AsmError> {
    kernel::ntoskrnl(profile)
}

/// The `win32k.sys` of a profile: its service table; `None` where the build has none.
pub fn win32k(profile: &'static Profile) -> Result<Option<BuiltinDll>, AsmError> {
    kernel::win32k(profile)
}
