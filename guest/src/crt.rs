//! The built-in DLLs that are written in C: sources and build in `guest/crt`, the images embedded here.
//!
//! `kernelbase.dll` has what kernel32 forwards to it; `msvcrt.dll` is the C run-time library that programs of
//! mingw-w64 expect.

/// `kernelbase.dll`.
pub const KERNELBASE: &[u8] = include_bytes!("../crt/kernelbase.dll");
/// `msvcrt.dll`.
pub const MSVCRT: &[u8] = include_bytes!("../crt/msvcrt.dll");
/// `wow64.dll`, 64-bit code for 32-bit programs.
pub const WOW64: &[u8] = include_bytes!("../dll/x64/wow64.dll");
/// `wow64cpu.dll`, the way from one width to the other.
pub const WOW64CPU: &[u8] = include_bytes!("../dll/x64/wow64cpu.dll");
