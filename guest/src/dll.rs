//! The guest code that is compiled from C: sources and build in `guest/dll`, the results embedded here.
//!
//! ntdll is an object to be linked with a profile's stubs ([`crate::asm`]). `kernelbase.dll` has what kernel32 forwards
//! to it; `msvcrt.dll` is the C run-time library that programs of mingw-w64 expect.

/// ntdll without its stubs, 64 bits.
pub(crate) const NTDLL_X64: &[u8] = include_bytes!("../dll/x64/ntdll.o");
/// ntdll without its stubs, 32 bits.
pub(crate) const NTDLL_X86: &[u8] = include_bytes!("../dll/x86/ntdll.o");
/// `kernelbase.dll`.
pub const KERNELBASE: &[u8] = include_bytes!("../dll/x64/kernelbase.dll");
/// `msvcrt.dll`.
pub const MSVCRT: &[u8] = include_bytes!("../dll/x64/msvcrt.dll");
