//! What needs one or two lines: the PEB, the version, the clock, breakpoints.

use iced_x86::code_asm::*;

use crate::asm::builder::{Asm, Module, asm};
use crate::asm::error::AsmError;

/// Where user code sees `KUSER_SHARED_DATA`.
pub(in crate::asm) const SHARED_DATA: u32 = 0x7ffe_0000;

pub(super) fn define(m: &mut Module) -> Result<(), AsmError> {
    m.func("RtlGetCurrentPeb", |a| {
        a.load_peb(rax)?;
        Ok(a.ret()?)
    })?;
    for name in ["DbgBreakPoint", "DbgUserBreakPoint"] {
        m.func(name, |a| {
            a.int3()?;
            Ok(a.ret()?)
        })?;
    }
    m.func("RtlGetVersion", get_version)?;
    m.func("RtlGetNtVersionNumbers", get_version_numbers)?;
    m.func("RtlQueryPerformanceCounter", |a| query_performance(a, true))?;
    m.func("RtlQueryPerformanceFrequency", |a| query_performance(a, false))
}

/// `RtlGetVersion`: rcx = an OSVERSIONINFOW, or the longer OSVERSIONINFOEXW if its size says so, whose
/// further fields are left zero but for the product type.
fn get_version(a: &mut Asm<'_>) -> Result<(), AsmError> {
    const SIZE: i32 = 0x114;
    const SIZE_EX: i32 = 0x11c;
    let major = a.offset("PEB", "OSMajorVersion")?;
    let minor = a.offset("PEB", "OSMinorVersion")?;
    let build = a.offset("PEB", "OSBuildNumber")?;
    let platform = a.offset("PEB", "OSPlatformId")?;
    let product = a.offset("KUSER_SHARED_DATA", "NtProductType")?;
    let [mut bad, mut ex, mut done] = a.labels();
    asm! { a;
        load_peb rdx;
        mov r8d, dword_ptr(rcx);
        cmp r8d, SIZE_EX;
        je ex;
        cmp r8d, SIZE;
        jne bad;
        bind &mut ex;
        mov eax, dword_ptr(rdx + major);
        mov dword_ptr(rcx + 4), eax;
        mov eax, dword_ptr(rdx + minor);
        mov dword_ptr(rcx + 8), eax;
        movzx eax, word_ptr(rdx + build);
        mov dword_ptr(rcx + 12), eax;
        mov eax, dword_ptr(rdx + platform);
        mov dword_ptr(rcx + 16), eax;
        // szCSDVersion: no service pack.
        mov word_ptr(rcx + 20), 0;
        cmp r8d, SIZE_EX;
        jne done;
        mov qword_ptr(rcx + SIZE), 0;
        mov edx, SHARED_DATA;
        mov al, byte_ptr(rdx + product);
        mov byte_ptr(rcx + SIZE + 6), al;
        bind &mut done;
        xor eax, eax;
        ret;
        bind &mut bad;
        mov eax, 0xc000_000du32;
        ret;
    }
    Ok(())
}

/// `RtlGetNtVersionNumbers`: rcx, rdx, r8 = where major, minor and build go, each may be NULL. The build has
/// F0000000 in it for a released system.
fn get_version_numbers(a: &mut Asm<'_>) -> Result<(), AsmError> {
    let major = a.offset("PEB", "OSMajorVersion")?;
    let minor = a.offset("PEB", "OSMinorVersion")?;
    let build = a.offset("PEB", "OSBuildNumber")?;
    let [mut no_major, mut no_minor, mut no_build] = a.labels();
    asm! { a;
        load_peb r9;
        test rcx, rcx;
        jz no_major;
        mov eax, dword_ptr(r9 + major);
        mov dword_ptr(rcx), eax;
        bind &mut no_major;
        test rdx, rdx;
        jz no_minor;
        mov eax, dword_ptr(r9 + minor);
        mov dword_ptr(rdx), eax;
        bind &mut no_minor;
        test r8, r8;
        jz no_build;
        movzx eax, word_ptr(r9 + build);
        or eax, 0xf000_0000u32;
        mov dword_ptr(r8), eax;
        bind &mut no_build;
        ret;
    }
    Ok(())
}

/// `RtlQueryPerformanceCounter`, `RtlQueryPerformanceFrequency`: rcx = where the value goes; TRUE.
///
/// The counter comes from the service: the machine's clock is the kernel's, RDTSC is not behind it.
fn query_performance(a: &mut Asm<'_>, counter: bool) -> Result<(), AsmError> {
    let [mut failed] = a.labels();
    let frame = a.frame(&[], 0x38)?;
    if counter {
        a.xor(edx, edx)?;
    } else {
        a.mov(rdx, rcx)?;
        a.lea(rcx, qword_ptr(rsp + 0x20))?;
    }
    asm! { a;
        invoke "NtQueryPerformanceCounter";
        test eax, eax;
        js failed;
        mov eax, 1;
        leave frame;
        bind &mut failed;
        xor eax, eax;
        leave frame;
    }
    Ok(())
}
