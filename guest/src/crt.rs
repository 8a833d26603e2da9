//! The built-in DLLs that are written in C: sources and build in `guest/crt`, the images embedded here.
//!
//! `kernelbase.dll` has what kernel32 forwards to it; `msvcrt.dll` is the C run-time library that programs of
//! mingw-w64 expect.

/// `kernelbase.dll`.
pub const KERNELBASE: &[u8] = include_bytes!("../crt/kernelbase.dll");
/// `msvcrt.dll`.
pub const MSVCRT: &[u8] = include_bytes!("../crt/msvcrt.dll");
