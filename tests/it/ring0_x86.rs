//! Code in ring 0 of 32-bit kernels: what it can change and break. `ring0.rs` has the 64-bit ones.

use guest::bugcheck::BugCheckCode as B;
use guest::services::ServiceTableId;
use guest::system::SystemMap;
use guest::{Arch, NtStatus, Profile};
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use trapgate::loader::Program;
use trapgate::machine::{Dispatch, Driver};
use trapgate::view::live;
use trapgate::{End, Machine};

use crate::support::config;

/// Where the program of these tests leaves results.
const RESULT: u32 = 0x1000_0800;
const DRIVER: u32 = SystemMap::of(Arch::X86).driver as u32;
const HOOK: u32 = DRIVER + 0x800;
/// No handle.
const BAD: i32 = 0x7770;
/// A page of the kernel's that is not there.
const NOWHERE: u32 = 0xfd12_3000;

type Steps = Result<(), IcedError>;

fn profiles() -> [&'static Profile; 3] {
    ["xp-sp3-x86", "win7-sp1-x86", "win10-22h2-x86"].map(|name| Profile::by_name(name).expect("a profile"))
}

fn nt(profile: &'static Profile, name: &str) -> u32 {
    let built = guest::asm::ntoskrnl(profile).expect("a kernel image");
    let (rva, _) = built.symbols.iter().find(|(_, n)| n == name).unwrap_or_else(|| panic!("no {name}"));
    SystemMap::of(Arch::X86).ntoskrnl as u32 + rva
}

fn field(profile: &Profile, structure: &str, field: &str) -> u32 {
    profile.layout().offset(structure, field).expect("a field") as u32
}

fn code(at: u32, write: impl FnOnce(&mut CodeAssembler) -> Steps) -> Vec<u8> {
    let mut a = CodeAssembler::new(32).expect("a width");
    write(&mut a).expect("valid code");
    a.assemble(at.into()).expect("it assembles")
}

/// Which gate the program takes.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Sysenter,
    Int2e,
}

/// A program that closes a bad handle, keeps the status, and ends in `hlt`.
fn close_once(a: &mut CodeAssembler, profile: &Profile, by: By) -> Steps {
    let number = profile.number("NtClose").expect("NtClose");
    let mut enter = a.create_label();
    a.push(BAD)?;
    match by {
        By::Int2e => {
            a.mov(edx, esp)?;
            a.mov(eax, number)?;
            a.int(0x2e)?;
        }
        By::Sysenter => {
            a.push(0)?;
            a.mov(eax, number)?;
            a.call(enter)?;
        }
    }
    a.mov(dword_ptr(RESULT), eax)?;
    a.hlt()?;
    a.set_label(&mut enter)?;
    a.mov(edx, esp)?;
    a.sysenter()
}

/// A machine whose driver first runs `entry`, and has `hook` behind it.
fn machine(
    profile: &'static Profile, by: By, entry: impl FnOnce(&mut CodeAssembler) -> Steps,
    hook: impl FnOnce(&mut CodeAssembler) -> Steps,
) -> Machine {
    let mut driver = code(DRIVER, |a| {
        entry(a)?;
        a.xor(eax, eax)?;
        a.ret_1(8)
    });
    assert!(driver.len() < 0x800);
    driver.resize(0x800, 0xcc);
    driver.extend(code(HOOK, hook));
    machine_for(profile, code(0x1000_0000, |a| close_once(a, profile, by)), driver)
}

fn machine_for(profile: &'static Profile, mut page: Vec<u8>, driver: Vec<u8>) -> Machine {
    page.resize(0x1000, 0xf4);
    let mut config = config(Program::Raw(Arch::X86, page), "raw");
    config.profile = profile;
    config.dispatch = Dispatch::Kernel;
    config.driver = Some(Driver { name: "hook.bin".into(), code: driver });
    config.max_instructions = Some(1_000_000);
    Machine::new(&config).expect("a machine")
}

/// Runs to the program's `hlt`; what the call gave it.
fn status(machine: &mut Machine) -> u32 {
    let end = machine.run().expect("no engine failure");
    assert!(matches!(&end, End::Crash(c) if c.code == NtStatus::PRIVILEGED_INSTRUCTION), "{end:x?}");
    u32::from_le_bytes(machine.peek(RESULT.into(), 4).expect("the result").try_into().expect("four bytes"))
}

/// What is hooked, by name.
fn hooked(machine: &Machine) -> Vec<String> {
    let live = live(machine).expect("a kernel image");
    let entrances = live.entrances.iter().filter(|e| e.hooked).map(|e| format!("{} {}", e.name, e.place));
    entrances.chain(live.rows.iter().filter(|r| r.hooked).map(|r| format!("{} {}", r.name, r.place))).collect()
}

/// Writes four bytes with write protection off, as rootkits do.
fn overwrite(a: &mut CodeAssembler, at: u32, value: u32) -> Steps {
    a.mov(eax, cr0)?;
    a.and(eax, !0x1_0000)?;
    a.mov(cr0, eax)?;
    a.mov(dword_ptr(at), value)?;
    a.or(eax, 0x1_0000)?;
    a.mov(cr0, eax)
}

/// Points the row of NtClose elsewhere.
fn hook_close(a: &mut CodeAssembler, profile: &'static Profile, target: u32) -> Steps {
    let row = profile.number("NtClose").expect("NtClose");
    overwrite(a, nt(profile, "KiServiceTable") + 4 * row, target)
}

/// How a machine ends whose NtClose is this.
fn bug_check(profile: &'static Profile, hook: impl FnOnce(&mut CodeAssembler) -> Steps) -> (B, [u64; 4]) {
    bug_check_of(&mut machine(profile, By::Sysenter, |a| hook_close(a, profile, HOOK), hook))
}

fn bug_check_of(machine: &mut Machine) -> (B, [u64; 4]) {
    let end = machine.run().expect("no engine failure");
    assert_eq!(end.exit_code(), 3, "{end:x?}");
    let End::BugCheck(bug_check) = end else { panic!("{end:x?}") };
    (bug_check.code, bug_check.parameters)
}

#[test]
fn a_service_is_redirected() {
    for profile in profiles() {
        for by in [By::Sysenter, By::Int2e] {
            let mut untouched = machine(profile, by, |_| Ok(()), |a| a.ret());
            assert_eq!(status(&mut untouched), NtStatus::INVALID_HANDLE.0, "{}", profile.name);
            assert_eq!(hooked(&untouched), [""; 0], "{}", profile.name);
            let mut redirected = machine(
                profile,
                by,
                |a| hook_close(a, profile, HOOK),
                |a| {
                    a.mov(eax, 0x1234_5678)?;
                    a.ret_1(4)
                },
            );
            assert_eq!(status(&mut redirected), 0x1234_5678, "{}", profile.name);
            assert_eq!(hooked(&redirected), ["NtClose hook.bin+0x800"], "{}", profile.name);
        }
    }
}

/// A row of win32k's table is found like any other.
#[test]
fn a_win32k_row_is_redirected() {
    for profile in profiles() {
        let built = guest::asm::win32k(profile).expect("an image").expect("a build with win32k");
        let (rva, _) = built.symbols.iter().find(|(_, n)| n == "W32pServiceTable").expect("the table");
        let row = SystemMap::of(Arch::X86).win32k as u32 + rva + 4 * 3;
        let name = profile.service(ServiceTableId::Win32k, 3).expect("a service").info.name;
        let mut m = machine(profile, By::Int2e, |a| overwrite(a, row, HOOK), |a| a.ret());
        assert_eq!(status(&mut m), NtStatus::INVALID_HANDLE.0, "{}", profile.name);
        assert_eq!(hooked(&m), [format!("{name} hook.bin+0x800")], "{}", profile.name);
        assert!(live(&m).expect("tables").rows.iter().any(|r| r.hooked && r.outside && r.number == 0x1003));
    }
}

#[test]
fn the_ways_in_are_redirected() {
    for profile in profiles() {
        let mut m = machine(
            profile,
            By::Sysenter,
            |a| {
                a.mov(ecx, 0x176)?;
                a.mov(eax, HOOK)?;
                a.xor(edx, edx)?;
                a.wrmsr()
            },
            |a| a.jmp(u64::from(nt(profile, "KiFastCallEntry"))),
        );
        assert_eq!(status(&mut m), NtStatus::INVALID_HANDLE.0, "{}", profile.name);
        assert_eq!(hooked(&m), ["SYSENTER_EIP hook.bin+0x800"], "{}", profile.name);
        let mut m = machine(
            profile,
            By::Int2e,
            |a| {
                a.sub(esp, 8)?;
                a.sidt(ptr(esp))?;
                a.mov(ecx, dword_ptr(esp + 2))?;
                a.add(esp, 8)?;
                a.mov(eax, HOOK)?;
                a.mov(word_ptr(ecx + 8 * 0x2e), ax)?;
                a.shr(eax, 16)?;
                a.mov(word_ptr(ecx + (8 * 0x2e + 6)), ax)
            },
            |a| {
                // The flags are on the stack already.
                a.inc(dword_ptr(HOOK + 0x100).ss())?;
                a.jmp(u64::from(nt(profile, "KiSystemService")))?;
                a.db(&[0; 0x100])
            },
        );
        assert_eq!(status(&mut m), NtStatus::INVALID_HANDLE.0, "{}", profile.name);
        assert_eq!(m.peek((HOOK + 0x100).into(), 4), Some(vec![1, 0, 0, 0]), "{}", profile.name);
        assert_eq!(hooked(&m), ["IDT 0x2e hook.bin+0x800"], "{}", profile.name);
    }
}

#[test]
fn a_table_moved_by_lidt_is_the_one_in_force() {
    for profile in profiles() {
        // A copy of the table in the driver, of which one gate leads elsewhere.
        let mut m = machine(
            profile,
            By::Int2e,
            |a| {
                a.push(esi)?;
                a.push(edi)?;
                a.mov(esi, SystemMap::of(Arch::X86).idt as u32)?;
                a.mov(edi, HOOK + 0x100)?;
                a.mov(ecx, 0x200)?;
                a.rep().movsd()?;
                a.mov(eax, HOOK)?;
                a.mov(word_ptr(HOOK + 0x100 + 8 * 0x2e), ax)?;
                a.shr(eax, 16)?;
                a.mov(word_ptr(HOOK + 0x106 + 8 * 0x2e), ax)?;
                a.sub(esp, 8)?;
                a.mov(word_ptr(esp), 0x7ff)?;
                a.mov(dword_ptr(esp + 2), HOOK + 0x100)?;
                a.lidt(ptr(esp))?;
                a.add(esp, 8)?;
                a.pop(edi)?;
                a.pop(esi)
            },
            |a| {
                a.mov(eax, 0x1234_5678)?;
                a.iretd()?;
                a.db(&[0; 0x900])
            },
        );
        assert_eq!(status(&mut m), 0x1234_5678, "{}", profile.name);
        assert_eq!(hooked(&m), ["IDT 0x2e hook.bin+0x800"], "{}", profile.name);
    }
}

#[test]
fn faults_in_a_service() {
    for profile in profiles() {
        let read = bug_check(profile, |a| a.mov(eax, dword_ptr(NOWHERE)));
        let at = u64::from(HOOK);
        assert_eq!(read, (B::PAGE_FAULT_IN_NONPAGED_AREA, [NOWHERE.into(), 0, at, 2]), "{}", profile.name);
        // A 32-bit kernel has no bugcheck of its own for exceptions in services.
        let user = bug_check(profile, |a| a.mov(eax, dword_ptr(8)));
        let violation = NtStatus::ACCESS_VIOLATION.0.into();
        assert_eq!(user, (B::KMODE_EXCEPTION_NOT_HANDLED, [violation, at, 0, 8]), "{}", profile.name);
        let table = nt(profile, "KiServiceTable");
        let write = bug_check(profile, |a| a.mov(dword_ptr(table), 0));
        let to = table.into();
        assert_eq!(write, (B::ATTEMPTED_WRITE_TO_READONLY_MEMORY, [to, 0, 0, 0xb]), "{}", profile.name);
        let level = field(profile, "KPCR", "Irql");
        let raised = bug_check(profile, |a| {
            a.mov(byte_ptr(level).fs(), 2)?;
            a.mov(dword_ptr(NOWHERE), eax)
        });
        assert_eq!(raised.0, B::DRIVER_IRQL_NOT_LESS_OR_EQUAL, "{}", profile.name);
        assert_eq!(raised.1[..3], [NOWHERE.into(), 2, 1], "{}", profile.name);
    }
}

#[test]
fn what_the_way_out_checks() {
    for profile in profiles() {
        let level = field(profile, "KPCR", "Irql");
        let raise = |a: &mut CodeAssembler| {
            a.mov(byte_ptr(level).fs(), 2)?;
            a.xor(eax, eax)?;
            a.ret_1(4)
        };
        if profile.name == "xp-sp3-x86" {
            // That build does not look.
            let mut m = machine(profile, By::Sysenter, |a| hook_close(a, profile, HOOK), raise);
            assert_eq!(status(&mut m), 0);
            continue;
        }
        let raised = bug_check(profile, raise);
        assert_eq!((raised.0, raised.1[1]), (B::IRQL_GT_ZERO_AT_SYSTEM_SERVICE, 2), "{}", profile.name);
        let thread = SystemMap::of(Arch::X86).thread as u32;
        let disabled = bug_check(profile, |a| {
            a.dec(dword_ptr(thread + field(profile, "KTHREAD", "CombinedApcDisable")))?;
            a.xor(eax, eax)?;
            a.ret_1(4)
        });
        assert_eq!((disabled.0, disabled.1[2]), (B::APC_INDEX_MISMATCH, 0xffff_ffff), "{}", profile.name);
        let attached = bug_check(profile, |a| {
            a.mov(byte_ptr(thread + field(profile, "KTHREAD", "ApcStateIndex")), 1)?;
            a.xor(eax, eax)?;
            a.ret_1(4)
        });
        assert_eq!((attached.0, attached.1[1]), (B::APC_INDEX_MISMATCH, 1), "{}", profile.name);
    }
}

#[test]
fn the_kernel_stack_overflows() {
    for profile in profiles() {
        let overflow = bug_check(profile, |a| {
            let mut again = a.create_label();
            a.set_label(&mut again)?;
            a.push(eax)?;
            a.jmp(again)
        });
        assert_eq!((overflow.0, overflow.1[0]), (B::UNEXPECTED_KERNEL_MODE_TRAP, 8), "{}", profile.name);
        let none = bug_check(profile, |a| {
            a.xor(esp, esp)?;
            a.ud2()
        });
        assert_eq!((none.0, none.1[0]), (B::UNEXPECTED_KERNEL_MODE_TRAP, 8), "{}", profile.name);
    }
}

#[test]
fn the_kernel_is_out_of_reach() {
    let profile = profiles()[0];
    for at in [nt(profile, "KiFastCallEntry"), nt(profile, "KeServiceDescriptorTable"), DRIVER] {
        for access in 0..3 {
            let program = code(0x1000_0000, |a| {
                a.mov(eax, at)?;
                match access {
                    0 => a.mov(ecx, dword_ptr(eax)),
                    1 => a.mov(dword_ptr(eax), ecx),
                    _ => a.jmp(eax),
                }
            });
            let end = machine_for(profile, program, vec![0xc2, 8, 0]).run().expect("no engine failure");
            let End::Crash(crash) = &end else { panic!("{end:x?}") };
            assert_eq!(crash.code, NtStatus::ACCESS_VIOLATION);
            // What fetches does so for reading where DEP is off, as on XP it may be.
            let expected: &[u64] = [&[0_u64][..], &[1], &[0, 8]][access];
            assert!(expected.contains(&crash.information[0]) && crash.information[1] == u64::from(at), "{crash:x?}");
        }
    }
    for what in ["rdmsr", "wrmsr", "mov cr0", "lidt", "lgdt", "cli", "sti", "sysexit", "iretd", "mov fs"] {
        let program = code(0x1000_0000, |a| match what {
            "rdmsr" => a.rdmsr(),
            "wrmsr" => a.wrmsr(),
            "mov cr0" => a.mov(cr0, eax),
            "lidt" => a.lidt(ptr(esp)),
            "lgdt" => a.lgdt(ptr(esp)),
            "cli" => a.cli(),
            "sti" => a.sti(),
            "sysexit" => a.sysexit(),
            "mov fs" => {
                // The processor's area is not for ring 3.
                a.mov(eax, 0x30)?;
                a.mov(fs, eax)
            }
            _ => {
                a.push(0)?;
                a.push(8)?;
                a.push(0x1000_0000)?;
                a.iretd()
            }
        });
        let end = machine_for(profile, program, vec![0xc2, 8, 0]).run().expect("no engine failure");
        assert!(matches!(&end, End::Crash(c) if (0x1000_0000..0x1000_0020).contains(&c.address)), "{what}: {end:x?}");
    }
}
