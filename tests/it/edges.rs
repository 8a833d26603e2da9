//! The dispatcher's edges: numbers that are nearly right, and arguments where they can hardly be.

use guest::services::ServiceTableId::{Nt, Win32k};
use guest::{Arch, NtStatus as S, Profile};
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use trapgate::loader::Program;
use trapgate::trace::Wants;
use trapgate::{End, Machine};

use crate::support::{config, record};

const CODE: u64 = 0x1000_0000;
/// What a run leaves for the test to read, in the page of the code.
const RESULT: u64 = CODE + 0xe00;
/// A place in that page for structures.
const SCRATCH: u64 = CODE + 0x800;
/// The end of that page, behind which nothing is mapped.
const END: u64 = CODE + 0x1000;

type Steps = Result<(), IcedError>;

fn profile(name: &str) -> &'static Profile {
    Profile::by_name(name).expect("a profile")
}

/// A machine for raw code of the profile's own architecture.
fn machine(profile: &'static Profile, write: impl FnOnce(&mut CodeAssembler) -> Steps) -> Machine {
    let mut a = CodeAssembler::new(profile.arch.bits()).expect("a width");
    write(&mut a).expect("valid code");
    let mut page = a.assemble(CODE).expect("it assembles");
    page.push(0xf4);
    assert!(page.len() < 0x800);
    page.resize(0x1000, 0);
    let mut config = config(Program::Raw(profile.arch, page), "raw");
    config.profile = profile;
    Machine::new(&config).expect("a machine")
}

/// Runs to the `hlt` behind the code.
fn finish(machine: &mut Machine) {
    let end = machine.run().expect("no engine failure");
    assert!(matches!(&end, End::Crash(c) if c.code == S::PRIVILEGED_INSTRUCTION), "{end:?}");
}

/// What was left at `RESULT`, one status after the other.
fn statuses(machine: &Machine, count: usize) -> Vec<S> {
    let bytes = machine.peek(RESULT, 4 * count).expect("the results");
    bytes.as_chunks::<4>().0.iter().map(|b| S(u32::from_le_bytes(*b))).collect()
}

/// Calls by number with handle 7770h, which is none; keeps the statuses.
fn by_number(profile: &'static Profile, numbers: &[u32]) -> (Machine, Vec<S>) {
    let mut machine = machine(profile, |a| {
        for (i, number) in numbers.iter().enumerate() {
            let at = RESULT + 4 * i as u64;
            match profile.arch {
                Arch::X64 => {
                    a.mov(r10d, 0x7770)?;
                    a.mov(eax, *number)?;
                    a.syscall()?;
                    a.mov(rcx, at)?;
                    a.mov(dword_ptr(rcx), eax)?;
                }
                Arch::X86 => {
                    a.push(0x7770)?;
                    a.mov(edx, esp)?;
                    a.mov(eax, *number)?;
                    a.int(0x2e)?;
                    a.pop(ecx)?;
                    a.mov(dword_ptr(at as u32), eax)?;
                }
            }
        }
        Ok(())
    });
    finish(&mut machine);
    let found = statuses(&machine, numbers.len());
    (machine, found)
}

/// Bits 0-11 are the row and bit 12 the table; the rest is not looked at, but for bit 13 by 32-bit kernels before 7.
#[test]
fn bits_of_a_number() {
    for name in ["win10-22h2-x64", "win7-sp1-x64", "xp-sp3-x86", "win7-sp1-x86", "win10-22h2-x86", "win2k-sp4-x86"] {
        let profile = profile(name);
        let close = profile.number("NtClose").expect("NtClose");
        let garbage = [close, close | 0xabcd_4000, close | 0xffff_c000, close | 0x2000];
        let looks_at_13 = profile.arch == Arch::X86 && profile.version < (6, 1, 0);
        let with_13 = if looks_at_13 { S::INVALID_SYSTEM_SERVICE } else { S::INVALID_HANDLE };
        let (machine, found) = by_number(profile, &garbage);
        assert_eq!(found, [S::INVALID_HANDLE, S::INVALID_HANDLE, S::INVALID_HANDLE, with_13], "{name}");
        assert_eq!(machine.stats().unknown, u64::from(looks_at_13), "{name}");
    }
}

#[test]
fn the_row_limit() {
    for name in ["win10-22h2-x64", "win81-x64", "win11-25h2-x64", "xp-sp3-x86", "win10-1507-x86"] {
        let profile = profile(name);
        let limit = profile.table_size(Nt) as u32;
        let (machine, found) = by_number(profile, &[limit, 0xfff, 0x1000 + profile.table_size(Win32k) as u32, 0x1fff]);
        assert_eq!(found, [S::INVALID_SYSTEM_SERVICE; 4], "{name}");
        assert_eq!(machine.stats().unknown, 4, "{name}");
        // The last row is one.
        let (machine, found) = by_number(profile, &[limit - 1]);
        assert_ne!(found, [S::INVALID_SYSTEM_SERVICE], "{name}");
        assert_eq!(machine.stats().unknown, 0, "{name}");
    }
}

/// The first win32k number makes a thread a GUI thread, a number out of range too; then it is looked up again.
#[test]
fn a_thread_becomes_a_gui_thread() {
    for name in ["win10-22h2-x64", "xp-sp3-x86"] {
        let profile = profile(name);
        for (number, gui) in [(0x1000, true), (0x1ffe, true), (profile.table_size(Nt) as u32, false)] {
            let (machine, _) = by_number(profile, &[number]);
            assert_eq!(machine.kernel().ps.thread.gui, gui, "{name}: {number:#x}");
        }
    }
    // NT 3.51 has no win32k table.
    let (_, found) = by_number(profile("nt351-x86"), &[0x1000]);
    assert_eq!(found, [S::INVALID_SYSTEM_SERVICE]);
}

/// The longest list there is: seventeen arguments, thirteen of them on the stack.
#[test]
fn seventeen_arguments() {
    for name in ["win10-22h2-x64", "win10-22h2-x86"] {
        let profile = profile(name);
        let number = profile.number("NtCreateTokenEx").expect("the service");
        let mut machine = machine(profile, |a| {
            if profile.arch == Arch::X64 {
                a.sub(rsp, 0x100)?;
                for n in 4..17 {
                    a.mov(qword_ptr(rsp + 0x28 + 8 * (n - 4)), 0x1000 + n)?;
                }
                for (n, r) in [r10, rdx, r8, r9].into_iter().enumerate() {
                    a.mov(r, 0x1000 + n as u64)?;
                }
                a.mov(eax, number)?;
                a.syscall()
            } else {
                for n in (0..17).rev() {
                    a.push(0x1000 + n)?;
                }
                a.mov(edx, esp)?;
                a.mov(eax, number)?;
                a.int(0x2e)
            }
        });
        let (_, records) = record(&mut machine, Wants::default());
        let records = records.borrow();
        let values: Vec<u64> = records.calls[0].args.iter().map(|a| a.value).collect();
        assert_eq!(values, (0x1000..0x1011).collect::<Vec<u64>>(), "{name}");
    }
}

/// Calls NtDuplicateObject, which has seven arguments, with them in memory so that the first one the dispatcher reads
/// is at `at`. The handle is bad, so that is the answer when they can be read.
fn with_arguments_at(profile: &'static Profile, at: u64, times: usize) -> (Machine, Vec<S>) {
    let number = profile.number("NtDuplicateObject").expect("the service");
    let mut machine = machine(profile, |a| {
        for i in 0..times {
            let result = RESULT + 4 * i as u64;
            if profile.arch == Arch::X64 {
                a.mov(rbx, rsp)?;
                a.mov(rsp, at.wrapping_sub(0x28))?;
                for r in [rdx, r8, r9] {
                    a.xor(r, r)?;
                }
                a.mov(r10, u64::MAX)?;
                a.mov(edx, 0x7770)?;
                a.mov(eax, number)?;
                a.syscall()?;
                a.mov(rsp, rbx)?;
                a.mov(rcx, result)?;
                a.mov(dword_ptr(rcx), eax)?;
            } else {
                a.mov(edx, at as u32)?;
                a.mov(eax, number)?;
                a.int(0x2e)?;
                a.mov(dword_ptr(result as u32), eax)?;
            }
        }
        Ok(())
    });
    finish(&mut machine);
    let found = statuses(&machine, times);
    (machine, found)
}

#[test]
fn arguments_where_they_can_hardly_be() {
    for name in ["win10-22h2-x64", "win7-sp1-x64", "xp-sp3-x86", "win10-22h2-x86"] {
        let profile = profile(name);
        let x64 = profile.arch == Arch::X64;
        let size = if x64 { 3 * 8 } else { 7 * 4 };
        // What is read where all is zero: no source process; with one from a register, no target and no options.
        let fine = if x64 { S::INVALID_PARAMETER } else { S::INVALID_HANDLE };
        for (what, at, wanted) in [
            ("up to the very end of a page", END - size, fine),
            ("misaligned", END - size - 3, fine),
            ("one byte beyond", END - size + 1, S::ACCESS_VIOLATION),
            ("nothing mapped", 0x5000_0000, S::ACCESS_VIOLATION),
            ("NULL", 0, S::ACCESS_VIOLATION),
            ("across the end of user space", profile.highest_user_address - 7, S::ACCESS_VIOLATION),
            ("at the probe address", profile.highest_user_address + 1, S::ACCESS_VIOLATION),
            ("in the kernel", if x64 { 0xffff_8000_0000_0000 } else { 0x8000_0000 }, S::ACCESS_VIOLATION),
            ("at the end of all addresses", if x64 { u64::MAX - 7 } else { 0xffff_fffc }, S::ACCESS_VIOLATION),
        ] {
            let (machine, found) = with_arguments_at(profile, at, 1);
            assert_eq!(found, [wanted], "{name}: {what}");
            assert_eq!(crate::support::calls_but_raising(&machine), 1, "{name}: {what}");
        }
        if x64 {
            let (_, found) = with_arguments_at(profile, 0x8000_0000_0000_0000, 1);
            assert_eq!(found, [S::ACCESS_VIOLATION], "{name}: not canonical");
        }
    }
}

/// A guard page answers once, and is then an ordinary page.
#[test]
fn arguments_on_a_guard_page() {
    for name in ["win10-22h2-x64", "xp-sp3-x86"] {
        let profile = profile(name);
        let number = profile.number("NtAllocateVirtualMemory").expect("the service");
        let duplicate = profile.number("NtDuplicateObject").expect("the service");
        let place = 0x2000_0000_u32;
        let mut machine = machine(profile, |a| {
            // base, size at SCRATCH; PAGE_READWRITE | PAGE_GUARD
            if profile.arch == Arch::X64 {
                a.sub(rsp, 0x40)?;
                a.mov(rbx, SCRATCH)?;
                a.mov(dword_ptr(rbx), place)?;
                a.mov(dword_ptr(rbx + 8), 0x1000)?;
                a.mov(r10, u64::MAX)?;
                a.mov(rdx, rbx)?;
                a.xor(r8, r8)?;
                a.lea(r9, ptr(rbx + 8))?;
                a.mov(qword_ptr(rsp + 0x28), 0x3000)?;
                a.mov(qword_ptr(rsp + 0x30), 0x104)?;
                a.mov(eax, number)?;
                a.syscall()?;
                a.mov(rcx, RESULT)?;
                a.mov(dword_ptr(rcx), eax)?;
                for i in 1..3 {
                    a.mov(rsp, u64::from(place) + 0x100)?;
                    a.mov(eax, duplicate)?;
                    a.xor(r10, r10)?;
                    a.syscall()?;
                    a.mov(rcx, RESULT + 4 * i)?;
                    a.mov(dword_ptr(rcx), eax)?;
                }
            } else {
                a.mov(dword_ptr(SCRATCH as u32), place)?;
                a.mov(dword_ptr(SCRATCH as u32 + 8), 0x1000)?;
                for arg in [0x104, 0x3000, SCRATCH as i32 + 8, 0, SCRATCH as i32, -1] {
                    a.push(arg)?;
                }
                a.mov(edx, esp)?;
                a.mov(eax, number)?;
                a.int(0x2e)?;
                a.mov(dword_ptr(RESULT as u32), eax)?;
                for i in 1..3 {
                    a.mov(edx, place + 0x100)?;
                    a.mov(eax, duplicate)?;
                    a.int(0x2e)?;
                    a.mov(dword_ptr(RESULT as u32 + 4 * i), eax)?;
                }
            }
            Ok(())
        });
        finish(&mut machine);
        assert_eq!(statuses(&machine, 3), [S::SUCCESS, S::GUARD_PAGE_VIOLATION, S::INVALID_HANDLE], "{name}");
    }
}

/// A 32-bit argument of a 64-bit call has whatever the caller left above it.
#[test]
fn upper_halves_are_not_looked_at() {
    let profile = profile("win10-22h2-x64");
    let number = profile.number("NtCreateEvent").expect("the service");
    let mut machine = machine(profile, |a| {
        a.sub(rsp, 0x48)?;
        a.mov(r10, SCRATCH)?;
        a.mov(rdx, 0xdead_beef_001f_0003u64)?;
        a.xor(r8, r8)?;
        a.mov(r9, 0xffff_ffff_0000_0001u64)?;
        // BOOLEAN: the lowest byte alone.
        a.mov(rax, 0x1234_5678_9abc_de00u64)?;
        a.mov(qword_ptr(rsp + 0x28), rax)?;
        a.mov(rax, 0x7777_7777_0000_0000u64 | u64::from(number))?;
        a.syscall()?;
        a.mov(rcx, RESULT)?;
        a.mov(dword_ptr(rcx), eax)
    });
    let (_, records) = record(&mut machine, Wants::default());
    assert_eq!(statuses(&machine, 1), [S::SUCCESS]);
    let records = records.borrow();
    let args = &records.calls[0].args;
    assert_eq!(args[4].decoded.as_deref(), Some("FALSE"), "{:?}", args[4]);
}
