//! The guest code that Trapgate brings along: an `ntdll.dll` and a `kernel32.dll`, assembled with
//! iced's code assembler into PE images that any loader and any PE tool can read.
//!
//! [`stubs`] makes the system-call stubs, [`builder`] is the linker the functions are written
//! against, [`image`] writes the file, [`ntdll`] and [`kernel32`] hold the functions by family.
//! The same profile gives the same bytes, always.

mod builder;
mod error;
mod frame;
mod image;
mod kernel32;
mod link;
mod ntdll;
pub mod stubs;
#[cfg(test)]
mod tests;

pub use error::AsmError;

use crate::Profile;

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
pub fn ntdll(profile: &'static Profile) -> Result<BuiltinDll, AsmError> {
    ntdll::build(profile)
}

/// The `kernel32.dll` of a profile: guest code over ntdll's exports.
pub fn kernel32(profile: &'static Profile) -> Result<BuiltinDll, AsmError> {
    kernel32::build(profile)
}
