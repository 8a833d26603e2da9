//! Code in ring 0 beside the kernel image: what it can look at and change, and how the machine ends when it goes wrong.

use guest::bugcheck::BugCheckCode as B;
use guest::services::ServiceTableId;
use guest::system::SystemMap;
use guest::{Arch, NtStatus, Profile};
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use trapgate::loader::Program;
use trapgate::machine::{Dispatch, Driver};
use trapgate::view::{Paint, live, live_text};
use trapgate::{Config, End, Machine};

use crate::support::config;

/// Where the program of these tests leaves results.
pub const RESULT: u64 = 0x1000_0800;
pub const DRIVER: u64 = SystemMap::of(Arch::X64).driver;
/// No handle.
const BAD: u32 = 0x7770;

pub type Steps = Result<(), IcedError>;

pub fn profile() -> &'static Profile {
    Profile::default_profile()
}

/// Symbols of the kernel image, which lies at the same place in every machine of a profile.
pub fn nt(name: &str) -> u64 {
    let built = guest::asm::ntoskrnl(profile()).expect("a kernel image");
    let (rva, _) = built.symbols.iter().find(|(_, n)| n == name).unwrap_or_else(|| panic!("no {name}"));
    SystemMap::of(Arch::X64).ntoskrnl + u64::from(*rva)
}

fn field(structure: &str, field: &str) -> i32 {
    profile().layout().offset(structure, field).expect("a field") as i32
}

/// Assembles code for a place.
pub fn code(at: u64, write: impl FnOnce(&mut CodeAssembler) -> Steps) -> Vec<u8> {
    let mut a = CodeAssembler::new(64).expect("a width");
    write(&mut a).expect("valid code");
    a.assemble(at).expect("it assembles")
}

/// A program that closes a bad handle, keeps the status, and ends in `hlt`.
fn close_once(a: &mut CodeAssembler) -> Steps {
    a.mov(r10d, BAD)?;
    a.mov(eax, profile().number("NtClose").expect("NtClose"))?;
    a.syscall()?;
    a.mov(rcx, RESULT)?;
    a.mov(dword_ptr(rcx), eax)
}

pub fn machine_for(program: Vec<u8>, driver: Vec<u8>) -> Machine {
    let mut page = program;
    page.push(0xf4);
    page.resize(0x1000, 0);
    let mut config: Config = config(Program::Raw(Arch::X64, page), "raw");
    config.dispatch = Dispatch::Kernel;
    config.driver = Some(Driver { name: "hook.bin".into(), code: driver });
    config.max_instructions = Some(1_000_000);
    Machine::new(&config).expect("a machine")
}

/// A machine whose driver first runs `entry`, and has `hook` behind it at `DRIVER + 800h`.
fn machine(entry: impl FnOnce(&mut CodeAssembler) -> Steps, hook: impl FnOnce(&mut CodeAssembler) -> Steps) -> Machine {
    let mut driver = code(DRIVER, |a| {
        entry(a)?;
        a.xor(eax, eax)?;
        a.ret()
    });
    assert!(driver.len() < 0x800);
    driver.resize(0x800, 0xcc);
    driver.extend(code(HOOK, hook));
    machine_for(code(0x1000_0000, close_once), driver)
}

const HOOK: u64 = DRIVER + 0x800;

/// Points the row of NtClose elsewhere, as rootkits do: write protection off, the row, write protection on.
fn hook_close(a: &mut CodeAssembler, target: u64) -> Steps {
    let table = nt("KiServiceTable");
    let row = table + 4 * u64::from(profile().number("NtClose").expect("NtClose"));
    a.mov(rax, cr0)?;
    a.and(rax, !0x1_0000)?;
    a.mov(cr0, rax)?;
    a.mov(rcx, row)?;
    a.mov(dword_ptr(rcx), (target.wrapping_sub(table) << 4) as u32 as i32)?;
    a.or(rax, 0x1_0000)?;
    a.mov(cr0, rax)
}

/// Runs to the program's `hlt`; what the call gave it.
pub fn status(machine: &mut Machine) -> u32 {
    let end = machine.run().expect("no engine failure");
    assert!(matches!(&end, End::Crash(c) if c.code == NtStatus::PRIVILEGED_INSTRUCTION), "{end:x?}");
    let bytes = machine.peek(RESULT, 4).expect("the result");
    u32::from_le_bytes(bytes.try_into().expect("four bytes"))
}

/// What is hooked, by name.
fn hooked(machine: &Machine) -> Vec<String> {
    let live = live(machine).expect("a kernel image");
    let entrances = live.entrances.iter().filter(|e| e.hooked).map(|e| format!("{} {}", e.name, e.place));
    let rows = live.rows.iter().filter(|r| r.hooked).map(|r| format!("{} {}", r.name, r.place));
    let all: Vec<String> = entrances.chain(rows).collect();
    let text = live_text(&live, Paint::PLAIN);
    assert_eq!(text.matches("<- hooked").count(), all.len(), "{text}");
    all
}

#[test]
fn a_driver_that_does_nothing() {
    let mut machine = machine(|_| Ok(()), |a| a.ret());
    assert_eq!(status(&mut machine), NtStatus::INVALID_HANDLE.0);
    assert_eq!(hooked(&machine), [""; 0]);
    assert!(machine.kernel_instructions() > 100);
}

#[test]
fn a_service_is_redirected() {
    let mut machine = machine(
        |a| hook_close(a, HOOK),
        |a| {
            a.mov(eax, 0x1234_5678)?;
            a.ret()
        },
    );
    assert_eq!(status(&mut machine), 0x1234_5678);
    assert_eq!(hooked(&machine), ["NtClose hook.bin+0x800"]);
    assert!(live(&machine).expect("tables").rows.iter().any(|r| r.hooked && r.outside));
    // The model was not asked.
    assert_eq!(machine.stats().by_number().filter(|(n, _)| *n == 0xf).count(), 0);
}

/// A hook that changes the argument and goes on to the real service.
#[test]
fn a_filter_in_front_of_a_service() {
    let mut machine = machine(
        |a| hook_close(a, HOOK),
        |a| {
            a.mov(rcx, -1i64 as u64)?; // the current process, which can be closed on Windows 10
            a.mov(rax, nt("NtClose"))?;
            a.jmp(rax)
        },
    );
    assert_eq!(status(&mut machine), 0);
}

/// A row of win32k's table is found like any other.
#[test]
fn a_win32k_row_is_redirected() {
    let built = guest::asm::win32k(profile()).expect("an image").expect("a build with win32k");
    let (rva, _) = built.symbols.iter().find(|(_, n)| n == "W32pServiceTable").expect("the table");
    let table = SystemMap::of(Arch::X64).win32k + u64::from(*rva);
    let name = profile().service(ServiceTableId::Win32k, 3).expect("a service").info.name;
    let mut m = machine(
        |a| {
            a.mov(rax, cr0)?;
            a.and(rax, !0x1_0000)?;
            a.mov(cr0, rax)?;
            a.mov(rcx, table + 4 * 3)?;
            // To its neighbour's entry.
            a.mov(edx, dword_ptr(rcx + 4))?;
            a.mov(dword_ptr(rcx), edx)?;
            a.or(rax, 0x1_0000)?;
            a.mov(cr0, rax)
        },
        |a| a.ret(),
    );
    assert_eq!(status(&mut m), NtStatus::INVALID_HANDLE.0);
    let neighbour = profile().service(ServiceTableId::Win32k, 4).expect("a service").info.name;
    assert_eq!(hooked(&m), [format!("{name} win32k!{neighbour}")]);
    assert!(live(&m).expect("tables").rows.iter().any(|r| r.hooked && !r.outside && r.number == 0x1003));
}

#[test]
fn the_way_in_is_redirected() {
    let mut machine = machine(
        |a| {
            a.mov(ecx, 0xc000_0082u32)?;
            a.rdmsr()?;
            a.mov(ecx, 0xc000_0082u32)?;
            a.mov(rax, HOOK)?;
            a.mov(rdx, rax)?;
            a.shr(rdx, 32)?;
            a.wrmsr()
        },
        |a| {
            // Every call comes by here, with no register to spare.
            let mut counter = a.create_label();
            a.inc(dword_ptr(counter))?;
            a.jmp(nt("KiSystemCall64"))?;
            a.set_label(&mut counter)?;
            a.dd(&[0])
        },
    );
    assert_eq!(status(&mut machine), NtStatus::INVALID_HANDLE.0);
    // Behind two instructions of 6 and 5 bytes: the call, and ntdll's NtRaiseException of what nobody handled.
    assert_eq!(machine.peek(HOOK + 11, 4), Some(vec![2, 0, 0, 0]));
    assert_eq!(hooked(&machine), ["LSTAR hook.bin+0x800"]);
}

#[test]
fn an_interrupt_is_redirected() {
    let mut machine = machine(
        |a| {
            a.sub(rsp, 0x18)?;
            a.sidt(ptr(rsp))?;
            a.mov(rcx, qword_ptr(rsp + 2))?;
            a.add(rsp, 0x18)?;
            a.mov(rax, HOOK)?;
            let gate = 16 * 0x2e;
            a.mov(word_ptr(rcx + gate), ax)?;
            a.shr(rax, 16)?;
            a.mov(word_ptr(rcx + gate + 6), ax)?;
            a.shr(rax, 16)?;
            a.mov(dword_ptr(rcx + gate + 8), eax)
        },
        |a| a.jmp(nt("KiSystemService")),
    );
    assert_eq!(status(&mut machine), NtStatus::INVALID_HANDLE.0);
    assert_eq!(hooked(&machine), ["IDT 0x2e hook.bin+0x800"]);
}

/// How a machine ends whose NtClose is this.
fn bug_check(hook: impl FnOnce(&mut CodeAssembler) -> Steps) -> (B, [u64; 4]) {
    bug_check_of(&mut machine(|a| hook_close(a, HOOK), hook))
}

fn bug_check_of(machine: &mut Machine) -> (B, [u64; 4]) {
    let end = machine.run().expect("no engine failure");
    assert_eq!(end.exit_code(), 3, "{end:x?}");
    let End::BugCheck(bug_check) = end else { panic!("{end:x?}") };
    assert!(bug_check.code.name().is_some());
    (bug_check.code, bug_check.parameters)
}

const NOWHERE: u64 = 0xffff_f880_0123_4000;

#[test]
fn a_corrupted_table() {
    // Into the void, into data.
    let mut m = machine(|a| hook_close(a, nt("KiServiceTable") - 0x40_0000), |a| a.ret());
    let at = nt("KiServiceTable") - 0x40_0000;
    assert_eq!(bug_check_of(&mut m), (B::PAGE_FAULT_IN_NONPAGED_AREA, [at, 8, at, 2]));
    let data = nt("KeServiceDescriptorTable");
    let mut m = machine(|a| hook_close(a, data), |a| a.ret());
    assert_eq!(bug_check_of(&mut m), (B::ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY, [data, 0, 0, 0]));
}

#[test]
fn a_table_that_is_written_without_ado() {
    let table = nt("KiServiceTable");
    let mut m = machine(
        |a| {
            a.mov(rcx, table)?;
            a.mov(dword_ptr(rcx), 0)
        },
        |a| a.ret(),
    );
    assert_eq!(bug_check_of(&mut m), (B::ATTEMPTED_WRITE_TO_READONLY_MEMORY, [table, 0, 0, 0xb]));
}

#[test]
fn faults_in_a_service() {
    let in_service = |status: NtStatus, at: u64| (B::SYSTEM_SERVICE_EXCEPTION, [status.0.into(), at, 0, 0]);
    // A page of the kernel's that is not there.
    let read = bug_check(|a| {
        a.mov(rax, NOWHERE)?;
        a.mov(eax, dword_ptr(rax))
    });
    assert_eq!(read, (B::PAGE_FAULT_IN_NONPAGED_AREA, [NOWHERE, 0, HOOK + 10, 2]));
    // A user page that is not there, which nothing guards against.
    let read = bug_check(|a| {
        a.xor(ecx, ecx)?;
        a.mov(eax, dword_ptr(rcx + 8))
    });
    assert_eq!(read, in_service(NtStatus::ACCESS_VIOLATION, HOOK + 2));
    assert_eq!(bug_check(|a| a.ud2()), in_service(NtStatus::ILLEGAL_INSTRUCTION, HOOK));
    let divide = bug_check(|a| {
        a.xor(ecx, ecx)?;
        a.div(ecx)
    });
    assert_eq!(divide, in_service(NtStatus::INTEGER_DIVIDE_BY_ZERO, HOOK + 2));
}

#[test]
fn faults_at_a_high_irql() {
    let at_dispatch = |a: &mut CodeAssembler| {
        a.mov(eax, 2)?;
        a.mov(cr8, rax)?;
        a.mov(rax, NOWHERE)?;
        a.mov(dword_ptr(rax), eax)
    };
    let (code, parameters) = bug_check(at_dispatch);
    assert_eq!(code, B::DRIVER_IRQL_NOT_LESS_OR_EQUAL);
    assert_eq!(parameters[..3], [NOWHERE, 2, 1]);
}

#[test]
fn what_the_way_out_checks() {
    let raised = bug_check(|a| {
        a.mov(eax, 2)?;
        a.mov(cr8, rax)?;
        a.ret()
    });
    assert_eq!((raised.0, raised.1[1]), (B::IRQL_GT_ZERO_AT_SYSTEM_SERVICE, 2));
    let disabled = bug_check(|a| {
        a.mov(rax, qword_ptr(0x188).gs())?;
        a.dec(dword_ptr(rax + field("KTHREAD", "CombinedApcDisable")))?;
        a.xor(eax, eax)?;
        a.ret()
    });
    assert_eq!((disabled.0, disabled.1[1], disabled.1[2]), (B::APC_INDEX_MISMATCH, 0, 0xffff_ffff));
    let attached = bug_check(|a| {
        a.mov(rax, qword_ptr(0x188).gs())?;
        a.mov(byte_ptr(rax + field("KTHREAD", "ApcStateIndex")), 1)?;
        a.xor(eax, eax)?;
        a.ret()
    });
    assert_eq!((attached.0, attached.1[1]), (B::APC_INDEX_MISMATCH, 1));
    // The first parameter is where the program goes on: behind its `syscall`.
    assert!((0x1000_0000..0x1000_0100).contains(&raised.1[0]), "{raised:x?}");
}

#[test]
fn the_kernel_stack_overflows() {
    let (code, parameters) = bug_check(|a| {
        let mut again = a.create_label();
        a.set_label(&mut again)?;
        a.push(rax)?;
        a.jmp(again)
    });
    assert_eq!((code, parameters[0]), (B::UNEXPECTED_KERNEL_MODE_TRAP, 8));
    // No stack at all.
    let (code, parameters) = bug_check(|a| {
        a.xor(esp, esp)?;
        a.ud2()
    });
    assert_eq!((code, parameters[0]), (B::UNEXPECTED_KERNEL_MODE_TRAP, 8));
    // Not even one for the double fault.
    let (code, _) = bug_check(|a| {
        a.mov(rcx, SystemMap::of(Arch::X64).tss)?;
        a.mov(qword_ptr(rcx + 0x24), 0)?;
        a.xor(esp, esp)?;
        a.ud2()
    });
    assert_eq!(code, B::UNEXPECTED_KERNEL_MODE_TRAP);
}

/// Double faults, machine checks and NMIs have stacks of their own (TSS_IST_PANIC, TSS_IST_MCA, TSS_IST_NMI).
#[test]
fn interrupts_with_their_own_stacks() {
    let m = machine(|_| Ok(()), |a| a.ret());
    let word = |va: u64| u64::from_le_bytes(m.peek(va, 8).expect("it is there").try_into().expect("eight bytes"));
    let mut stacks: Vec<u64> = (0..3).map(|n| word(SystemMap::of(Arch::X64).tss + 0x24 + 8 * n)).collect();
    stacks.push(word(SystemMap::of(Arch::X64).tss + 4));
    stacks.sort_unstable();
    // All there, and an overflow of one is not another.
    for pair in stacks.windows(2) {
        assert!(m.peek(pair[1] - 0x1000, 0x1000).is_some() && pair[1] - pair[0] > 0x1000, "{stacks:x?}");
    }
    for vector in [2, 0x12] {
        // Without a stack they come through all the same: there is no double fault.
        let (code, parameters) = bug_check(|a| {
            a.xor(esp, esp)?;
            a.int(vector)
        });
        assert_ne!((code, parameters[0]), (B::UNEXPECTED_KERNEL_MODE_TRAP, 8), "{vector:#x}");
    }
}

#[test]
fn a_return_to_no_address() {
    let rip = field("KTRAP_FRAME", "Rip") - 0x80;
    let (code, parameters) = bug_check(|a| {
        a.mov(rax, 0x8000_0000_0000_1234u64)?;
        a.mov(qword_ptr(rbp + rip), rax)?;
        a.xor(eax, eax)?;
        a.ret()
    });
    assert_eq!((code, parameters[0]), (B::SYSTEM_SERVICE_EXCEPTION, NtStatus::ACCESS_VIOLATION.0.into()));
}

#[test]
fn user_pages_in_ring_0() {
    // SMEP: user code is not executed.
    let (code, parameters) = bug_check(|a| {
        a.mov(rax, 0x1000_0000u64)?;
        a.jmp(rax)
    });
    assert_eq!((code, parameters[0]), (B::ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY, 0x1000_0000));
    // SMAP: with EFLAGS.AC clear user data is not touched, with it set it is.
    let (code, parameters) = bug_check(|a| {
        a.clac()?;
        a.mov(rax, 0x1000_0000u64)?;
        a.mov(eax, dword_ptr(rax))
    });
    assert_eq!((code, parameters[0]), (B::SYSTEM_SERVICE_EXCEPTION, NtStatus::ACCESS_VIOLATION.0.into()));
    let mut m = machine(
        |a| hook_close(a, HOOK),
        |a| {
            a.clac()?;
            a.stac()?;
            a.mov(rax, 0x1000_0000u64)?;
            a.mov(eax, dword_ptr(rax))?;
            a.ret()
        },
    );
    let first = u32::from_le_bytes(code_bytes()[..4].try_into().expect("four"));
    assert_eq!(status(&mut m), first);
}

fn code_bytes() -> Vec<u8> {
    code(0x1000_0000, close_once)
}

#[test]
fn a_driver_asks_for_a_bug_check() {
    let asked = bug_check(|a| {
        a.sub(rsp, 0x28)?;
        a.mov(ecx, 0xe2)?;
        a.mov(edx, 1)?;
        a.mov(r8d, 2)?;
        a.mov(r9d, 3)?;
        a.mov(qword_ptr(rsp + 0x20), 4)?;
        a.call(nt("KeBugCheckEx"))
    });
    assert_eq!(asked, (B(0xe2), [1, 2, 3, 4]));
}

/// A kernel that never comes back ends with the budget, one that halts in a report.
#[test]
fn a_driver_that_does_not_come_back() {
    let mut m = machine(
        |a| {
            let mut again = a.create_label();
            a.set_label(&mut again)?;
            a.jmp(again)
        },
        |a| a.ret(),
    );
    assert_eq!(m.run().expect("no engine failure"), End::Budget);
    let mut m = machine(|a| a.hlt(), |a| a.ret());
    assert!(matches!(m.run().expect("no engine failure"), End::Deadlock(_)));
}

/// `Zw` functions from ring 0: the model sees kernel mode, and takes kernel addresses.
#[test]
fn kernel_code_calls_services() {
    let mut m = machine(
        |a| {
            a.sub(rsp, 0x38)?;
            a.lea(rcx, ptr(rsp + 0x30))?;
            a.mov(edx, 0x1f_0003)?;
            a.xor(r8d, r8d)?;
            a.mov(r9d, 1)?;
            a.mov(qword_ptr(rsp + 0x20), 0)?;
            a.call(nt("ZwCreateEvent"))?;
            a.mov(rbx, DRIVER + 0xc00)?;
            a.mov(dword_ptr(rbx), eax)?;
            a.mov(rcx, qword_ptr(rsp + 0x30))?;
            a.call(nt("ZwClose"))?;
            a.mov(dword_ptr(rbx + 4), eax)?;
            a.mov(ecx, BAD)?;
            a.call(nt("ZwClose"))?;
            a.mov(dword_ptr(rbx + 8), eax)?;
            a.add(rsp, 0x38)
        },
        |a| a.ret(),
    );
    assert_eq!(status(&mut m), NtStatus::INVALID_HANDLE.0);
    let bytes = m.peek(DRIVER + 0xc00, 12).expect("the results");
    let results: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
    assert_eq!(results, [0, 0, NtStatus::INVALID_HANDLE.0]);
}

/// User code has no part in kernel pages: reading, writing, executing, through instructions and through services.
#[test]
fn the_kernel_is_out_of_reach() {
    for (at, name) in [(nt("KiSystemCall64"), "code"), (nt("KeServiceDescriptorTable"), "data"), (DRIVER, "driver")] {
        for access in 0..3 {
            let program = code(0x1000_0000, |a| {
                a.mov(rax, at)?;
                match access {
                    0 => a.mov(ecx, dword_ptr(rax)),
                    1 => a.mov(dword_ptr(rax), ecx),
                    _ => a.jmp(rax),
                }
            });
            let mut m = machine_for(program, vec![0xc3]);
            let end = m.run().expect("no engine failure");
            let End::Crash(crash) = &end else { panic!("{end:x?}") };
            let kinds = [0, 1, 8];
            assert_eq!(crash.code, NtStatus::ACCESS_VIOLATION, "{name}");
            assert_eq!(crash.information, [kinds[access], at], "{name}");
        }
    }
    for what in ["swapgs", "rdmsr", "wrmsr", "mov cr0", "lidt", "lgdt", "cli", "sti", "sysret", "iretq", "mov cr8"] {
        let program = code(0x1000_0000, |a| match what {
            "swapgs" => a.swapgs(),
            "rdmsr" => a.rdmsr(),
            "wrmsr" => a.wrmsr(),
            "mov cr0" => a.mov(cr0, rax),
            "mov cr8" => a.mov(cr8, rax),
            "lidt" => a.lidt(ptr(rsp)),
            "lgdt" => a.lgdt(ptr(rsp)),
            "cli" => a.cli(),
            "sti" => a.sti(),
            "sysret" => a.sysretq(),
            _ => {
                a.push(0)?;
                a.push(0)?;
                a.push(0)?;
                a.push(0x10)?;
                a.push(0)?;
                a.iretq()
            }
        });
        let mut m = machine_for(program, vec![0xc3]);
        let end = m.run().expect("no engine failure");
        assert!(matches!(&end, End::Crash(c) if (0x1000_0000..0x1000_0020).contains(&c.address)), "{what}: {end:x?}");
    }
}

/// The error code that the CPU pushes for a page fault, as a hook of the IDT sees it.
#[test]
fn error_codes_of_page_faults() {
    let kernel_page = nt("KeServiceDescriptorTable");
    for (at, access, error) in [
        (kernel_page, 0, 5),
        (kernel_page, 1, 7),
        (nt("KiSystemCall64"), 2, 0x15),
        (NOWHERE, 0, 4),
        (0x10, 0, 4),
        (0x10, 1, 6),
    ] {
        let driver = code(DRIVER, |a| {
            let (mut seen, mut hook) = (a.create_label(), a.create_label());
            a.sub(rsp, 0x18)?;
            a.sidt(ptr(rsp))?;
            a.mov(rcx, qword_ptr(rsp + 2))?;
            a.add(rsp, 0x18)?;
            a.lea(rax, ptr(hook))?;
            let gate = 16 * 0xe;
            a.mov(word_ptr(rcx + gate), ax)?;
            a.shr(rax, 16)?;
            a.mov(word_ptr(rcx + gate + 6), ax)?;
            a.shr(rax, 16)?;
            a.mov(dword_ptr(rcx + gate + 8), eax)?;
            a.xor(eax, eax)?;
            a.ret()?;
            a.set_label(&mut hook)?;
            a.push(rax)?;
            a.mov(rax, qword_ptr(rsp + 8))?;
            a.mov(qword_ptr(seen), rax)?;
            a.pop(rax)?;
            a.jmp(nt("KiPageFault"))?;
            a.set_label(&mut seen)?;
            a.dq(&[0])
        });
        let last = DRIVER + driver.len() as u64 - 8;
        let program = code(0x1000_0000, |a| {
            a.mov(rax, at)?;
            match access {
                0 => a.mov(ecx, dword_ptr(rax)),
                1 => a.mov(dword_ptr(rax), ecx),
                _ => a.jmp(rax),
            }
        });
        let mut m = machine_for(program, driver);
        let end = m.run().expect("no engine failure");
        assert!(matches!(&end, End::Crash(c) if c.code == NtStatus::ACCESS_VIOLATION), "{end:x?}");
        let seen = m.peek(last, 8).expect("the error code");
        assert_eq!(u64::from_le_bytes(seen.try_into().expect("eight bytes")), error, "{at:#x}, {access}");
    }
}
