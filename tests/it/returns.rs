//! What a return leaves in every register, for each gate of each build, by code that fills them itself.

use guest::{Arch, NtStatus, Profile};
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use trapgate::cpu::{Reg, RegisterFile};
use trapgate::loader::Program;
use trapgate::{End, Machine};

use crate::support::config;

/// Where raw code is, and what it keeps behind itself.
const CODE: u64 = 0x1000_0000;
const XMM: u64 = CODE + 0xc00;
/// Where a handle that is none, and return addresses, are for calls with arguments in memory.
const ARGS: u64 = CODE + 0xd00;
/// CF PF AF ZF SF OF.
const FLAGS: i32 = 0x8d5 | 0x202;
/// No handle.
const BAD: u32 = 0x7770;

fn general(i: u64) -> u64 {
    0x0102_0304_0506_0708 * (i + 1)
}

fn xmm(i: u64) -> [u64; 2] {
    [0x1111_1111_0000_0000 + i, 0x2222_2222_0000_0000 + i]
}

type Steps = Result<(), IcedError>;

/// Code that fills the registers and goes through a gate; what lies behind it is `hlt`, which is refused in ring 3.
fn assemble(bits: u32, gate: &dyn Fn(&mut CodeAssembler) -> Steps) -> Vec<u8> {
    let mut a = CodeAssembler::new(bits).expect("a width");
    let mut write = || -> Steps {
        let xmms =
            [xmm0, xmm1, xmm2, xmm3, xmm4, xmm5, xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15];
        if bits == 64 {
            a.mov(rax, XMM)?;
            for (i, x) in xmms.into_iter().enumerate() {
                a.movups(x, xmmword_ptr(rax + 16 * i as i32))?;
            }
            for (i, r) in (0..).zip([rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15]) {
                a.mov(r, general(i))?;
            }
        } else {
            a.mov(eax, XMM as u32)?;
            for (i, x) in xmms.into_iter().take(8).enumerate() {
                a.movups(x, xmmword_ptr(eax + 16 * i as i32))?;
            }
            for (i, r) in (0..).zip([ecx, edx, ebx, ebp, esi, edi]) {
                a.mov(r, general(i) as u32)?;
            }
        }
        a.push(FLAGS)?;
        if bits == 64 {
            a.popfq()?
        } else {
            a.popfd()?
        }
        gate(&mut a)
    };
    write().expect("valid code");
    a.assemble(CODE).expect("it assembles")
}

struct Outcome {
    code: NtStatus,
    /// Where the `hlt` is that ended the run, or what was refused.
    address: u64,
    hlt: u64,
    registers: RegisterFile,
    sysexit_to: u32,
    calls: u64,
}

fn run(profile: &'static Profile, bits: u32, code: &[u8]) -> Outcome {
    let mut page = vec![0xf4; 0x1000];
    page[..code.len()].copy_from_slice(code);
    for (i, at) in (0..16).zip((0xc00..).step_by(16)) {
        page[at..at + 16].copy_from_slice(&xmm(i).map(u64::to_le_bytes).concat());
    }
    let hlt = CODE + code.len() as u64;
    // Two return addresses, then the argument; an `int 2Eh` finds its argument at the third as well.
    for (i, word) in [hlt as u32, hlt as u32, BAD].into_iter().enumerate() {
        page[0xd00 + 4 * i..0xd04 + 4 * i].copy_from_slice(&word.to_le_bytes());
    }
    let arch = if bits == 64 { Arch::X64 } else { Arch::X86 };
    let mut config = config(Program::Raw(arch, page), "raw");
    config.profile = profile;
    let mut machine = Machine::new(&config).unwrap_or_else(|e| panic!("{}: {e}", profile.name));
    let sysexit_to = machine.kernel().ps.process.sysexit_to;
    let end = machine.run().expect("no engine failure");
    let End::Crash(crash) = end else { panic!("{}: {end:?}", profile.name) };
    let calls = crate::support::calls_but_raising(&machine);
    Outcome { code: crash.code, address: crash.address, hlt, registers: crash.registers, sysexit_to, calls }
}

/// The registers the code filled, by its own order.
fn filled(bits: u32) -> Vec<(Reg, u64)> {
    use Reg::{R8, R9, R10, R11, R12, R13, R14, R15, Rbp, Rbx, Rcx, Rdi, Rdx, Rsi};
    let all = [Rcx, Rdx, Rbx, Rbp, Rsi, Rdi, R8, R9, R10, R11, R12, R13, R14, R15];
    let count = if bits == 64 { all.len() } else { 6 };
    let value = |i| if bits == 64 { general(i) } else { general(i) & 0xffff_ffff };
    all[..count].iter().zip(0..).map(|(r, i)| (*r, value(i))).collect()
}

/// Checks every register. `changed` is what the return leaves; a value of `None`: nobody has published it.
fn check(name: &str, bits: u32, out: &Outcome, changed: &[(Reg, Option<u64>)], zero_xmm: bool) {
    assert_eq!((out.code, out.address), (NtStatus::PRIVILEGED_INSTRUCTION, out.hlt), "{name}");
    assert_eq!(out.calls, 1, "{name}");
    let of_call = [(Reg::Rax, Some(NtStatus::INVALID_HANDLE.0.into())), (Reg::Rip, Some(out.hlt))];
    for (reg, before) in filled(bits).into_iter().chain([(Reg::Rax, 0), (Reg::Rip, 0), (Reg::Rflags, FLAGS as u64)]) {
        let leaves = changed.iter().chain(&of_call).find(|(r, _)| *r == reg);
        if let Some(wanted) = leaves.map_or(Some(before), |(_, v)| *v) {
            assert_eq!(out.registers.get(reg), wanted, "{name}: {}", reg.name());
        }
    }
    let count = if bits == 64 { 16 } else { 8 };
    for (i, value) in out.registers.xmm.iter().enumerate().take(count) {
        let wanted = if zero_xmm && i < 6 { [0, 0] } else { xmm(i as u64) };
        assert_eq!(*value, wanted, "{name}: xmm{i}");
    }
}

fn number(profile: &Profile) -> u32 {
    profile.number("NtClose").expect("every build has NtClose")
}

fn all(arch: Arch) -> impl Iterator<Item = &'static Profile> {
    Profile::all().iter().filter(move |p| p.arch == arch)
}

#[test]
fn every_64_bit_build() {
    for profile in all(Arch::X64) {
        for (gate, name) in [([0x0f, 0x05], "syscall"), ([0xcd, 0x2e], "int 2Eh")] {
            let code = assemble(64, &|a| {
                a.mov(r10d, BAD)?;
                a.mov(eax, number(profile))?;
                a.db(&gate)
            });
            let out = run(profile, 64, &code);
            let stack = out.registers.get(Reg::Rsp);
            let frame = filled(64).iter().find(|(r, _)| *r == Reg::Rbp).map(|(_, v)| *v);
            let fourth = if profile.sysret_r9_is_rbp { frame } else { Some(0) };
            assert_eq!(profile.sysret_r9_is_rbp, profile.version.2 < 26100, "{}", profile.name);
            let leaves = [
                (Reg::Rcx, Some(out.hlt)),
                (Reg::Rdx, Some(0)),
                (Reg::R8, Some(stack)),
                (Reg::R9, fourth),
                (Reg::R10, Some(0)),
                (Reg::R11, Some(FLAGS as u64)),
            ];
            check(&format!("{}: {name}", profile.name), 64, &out, &leaves, true);
        }
    }
}

#[test]
fn every_32_bit_build() {
    for profile in all(Arch::X86) {
        // The argument is at EDX; behind two return addresses for `sysenter`.
        let out = run(
            profile,
            32,
            &assemble(32, &|a| {
                a.mov(edx, ARGS as u32 + 8)?;
                a.mov(eax, number(profile))?;
                a.int(0x2e)
            }),
        );
        let leaves = [(Reg::Rcx, Some(1)), (Reg::Rdx, Some(0xffff_ffff))];
        check(&format!("{}: int 2Eh", profile.name), 32, &out, &leaves, false);
        let out = run(
            profile,
            32,
            &assemble(32, &|a| {
                a.mov(edx, ARGS as u32)?;
                a.mov(eax, number(profile))?;
                a.sysenter()
            }),
        );
        let name = format!("{}: sysenter", profile.name);
        if profile.version < (5, 1, 0) {
            // Nobody has set it up: #GP.
            assert_eq!((out.code, out.address, out.calls), (NtStatus::ACCESS_VIOLATION, out.hlt - 2, 0), "{name}");
            continue;
        }
        // KiFastSystemCallRet has returned to the first word at EDX.
        let leaves = [(Reg::Rcx, Some(ARGS)), (Reg::Rdx, Some(out.sysexit_to.into()))];
        check(&name, 32, &out, &leaves, false);
        assert_eq!(out.registers.get(Reg::Rsp), ARGS + 4, "{name}");
    }
}

/// 32-bit code on a 64-bit kernel: through TEB32.WOW32Reserved, by each version's convention.
#[test]
fn every_wow64() {
    for profile in all(Arch::X64) {
        let style = profile.stub_style_for(Arch::X86).expect("a WOW64 style").name;
        for turbo in [0, 3] {
            let by_ecx = matches!(style, "wow64_xp" | "wow64_w7");
            let out = run(
                profile,
                32,
                &assemble(32, &|a| {
                    a.push(BAD as i32)?;
                    a.push(0)?;
                    a.mov(eax, number(profile) | if by_ecx { 0 } else { turbo << 16 })?;
                    if by_ecx {
                        a.mov(ecx, turbo)?;
                        a.lea(edx, ptr(esp + 4))?;
                    }
                    a.call(dword_ptr(0xc0).fs())?;
                    // lea keeps the flags.
                    a.lea(esp, ptr(esp + if style == "wow64_w7" { 12 } else { 8 }))
                }),
            );
            let name = format!("{}: {style}, turbo {turbo}", profile.name);
            let leaves = [(Reg::Rcx, None), (Reg::Rdx, None)];
            let mut checked = out;
            // XMM0-5 are volatile in 64-bit code, and sysretq clears them.
            for (i, x) in checked.registers.xmm.iter_mut().enumerate().take(6) {
                *x = xmm(i as u64);
            }
            check(&name, 32, &checked, &leaves, false);
        }
        // The kernel takes no system call from 32-bit code.
        for gate in [[0x0f, 0x05], [0xcd, 0x2e]] {
            let out = run(profile, 32, &assemble(32, &|a| a.db(&gate)));
            let wanted = (NtStatus::ILLEGAL_INSTRUCTION, out.hlt - 2, 0);
            assert_eq!((out.code, out.address, out.calls), wanted, "{}: {gate:x?}", profile.name);
        }
    }
}

/// The stack that `sysexit` goes back to is wherever EDX was. There is none: the arguments are refused, and the first
/// instruction that uses the stack is what faults.
#[test]
fn a_wild_stack() {
    for profile in ["xp-sp0-x86", "xp-sp3-x86", "win10-22h2-x86"].map(|n| Profile::by_name(n).expect("a profile")) {
        for wild in [0, 0xdead_beef, 0x7fff_0000, 0xffff_fffc] {
            let out = run(
                profile,
                32,
                &assemble(32, &|a| {
                    a.mov(edx, wild)?;
                    a.mov(eax, number(profile))?;
                    a.sysenter()
                }),
            );
            let wanted = (NtStatus::ACCESS_VIOLATION, u64::from(out.sysexit_to), 1);
            assert_eq!((out.code, out.address, out.calls), wanted, "{}: {wild:#x}", profile.name);
            let left = [Reg::Rax, Reg::Rcx, Reg::Rsp].map(|r| out.registers.get(r));
            let wanted: [u64; 3] = [NtStatus::ACCESS_VIOLATION.0, wild, wild].map(u64::from);
            assert_eq!(left, wanted, "{}", profile.name);
        }
    }
}
