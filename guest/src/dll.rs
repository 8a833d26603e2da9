//! The guest code that a compiler has made: sources and build in `guest/dll`, the results embedded here.
//!
//! ntdll is an object that is linked with a profile's stubs ([`crate::asm`]). The rest are images: `kernel32.dll` has
//! the Win32 functions, `advapi32.dll` those of security, `kernelbase.dll` what kernel32 forwards to it; `msvcrt.dll` is
//! the C run-time library that programs of mingw-w64 expect, `ucrtbase.dll` that of newer programs, `vcruntime140.dll`
//! and `vcruntime140_1.dll` what programs of Microsoft's C++ have beside it; `bcrypt.dll`, `bcryptprimitives.dll`,
//! `userenv.dll` and `ws2_32.dll` have what Rust's and others' libraries import; `wow64.dll` and `wow64cpu.dll` are 64-bit
//! code that serves 32-bit programs.

use crate::Arch;

macro_rules! images {
    ($($arch:ident $folder:literal $name:literal),* $(,)?) => {
        &[$((Arch::$arch, $name, include_bytes!(concat!("../dll/", $folder, "/", $name)))),*]
    };
}

static IMAGES: &[(Arch, &str, &[u8])] = images![
    X64 "x64" "advapi32.dll",
    X64 "x64" "kernel32.dll",
    X64 "x64" "kernelbase.dll",
    X64 "x64" "msvcrt.dll",
    X64 "x64" "ucrtbase.dll",
    X64 "x64" "vcruntime140.dll",
    X64 "x64" "vcruntime140_1.dll",
    X64 "x64" "wow64.dll",
    X64 "x64" "wow64cpu.dll",
    X64 "x64" "ws2_32.dll",
    X64 "x64" "winmm.dll",
    X64 "x64" "powrprof.dll",
    X64 "x64" "psapi.dll",
    X64 "x64" "version.dll",
    X64 "x64" "shlwapi.dll",
    X64 "x64" "shell32.dll",
    X64 "x64" "user32.dll",
    X64 "x64" "ole32.dll",
    X64 "x64" "combase.dll",
    X64 "x64" "oleaut32.dll",
    X64 "x64" "wsock32.dll",
    X64 "x64" "secur32.dll",
    X64 "x64" "dbghelp.dll",
    X64 "x64" "userenv.dll",
    X64 "x64" "bcryptprimitives.dll",
    X64 "x64" "bcrypt.dll",
    X86 "x86" "advapi32.dll",
    X86 "x86" "kernel32.dll",
    X86 "x86" "kernelbase.dll",
    X86 "x86" "msvcrt.dll",
    X86 "x86" "ucrtbase.dll",
    X86 "x86" "vcruntime140.dll",
    X86 "x86" "ws2_32.dll",
    X86 "x86" "winmm.dll",
    X86 "x86" "powrprof.dll",
    X86 "x86" "psapi.dll",
    X86 "x86" "version.dll",
    X86 "x86" "shlwapi.dll",
    X86 "x86" "shell32.dll",
    X86 "x86" "user32.dll",
    X86 "x86" "ole32.dll",
    X86 "x86" "combase.dll",
    X86 "x86" "oleaut32.dll",
    X86 "x86" "wsock32.dll",
    X86 "x86" "secur32.dll",
    X86 "x86" "dbghelp.dll",
    X86 "x86" "userenv.dll",
    X86 "x86" "bcryptprimitives.dll",
    X86 "x86" "bcrypt.dll",
];

/// The image of a DLL by its file name in lower case, where there is one.
pub fn image(arch: Arch, name: &str) -> Option<&'static [u8]> {
    IMAGES.iter().find(|(a, n, _)| *a == arch && *n == name).map(|(_, _, bytes)| *bytes)
}

/// The DLLs that come from the system's folder whatever lies beside a program: a name on each line.
const KNOWN: &str = include_str!("../data/known_dlls.txt");

/// Whether a DLL, by its file name in lower case, comes from the system's folder whatever lies beside a program.
pub fn is_known(name: &str) -> bool {
    KNOWN.lines().any(|known| known == name)
}

/// An architecture's images, by their file names.
pub fn files(arch: Arch) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    IMAGES.iter().filter(move |(a, ..)| *a == arch).map(|(_, name, bytes)| (*name, *bytes))
}

/// ntdll without its stubs: a COFF object.
pub(crate) fn ntdll(arch: Arch) -> &'static [u8] {
    match arch {
        Arch::X64 => include_bytes!("../dll/x64/ntdll.o"),
        Arch::X86 => include_bytes!("../dll/x86/ntdll.o"),
    }
}
