//! Page protections as a running program meets them.

use guest::{NtStatus, Profile};
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use trapgate::End;

use crate::support::run_raw;

const RAW_BASE: u64 = 0x1000_0000;
const RW: i32 = 4;
const RX: i32 = 0x20;
const GUARD: i32 = 0x104;

/// Assembles raw code. RBX holds the address of a page that has been allocated with PAGE_READWRITE; what the body
/// leaves in EAX is the exit status.
fn with_page(body: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>) -> Vec<u8> {
    let mut a = CodeAssembler::new(64).expect("64 bits");
    let write = |a: &mut CodeAssembler| -> Result<(), IcedError> {
        a.push(rbx)?;
        a.sub(rsp, 0x80)?;
        a.mov(qword_ptr(rsp + 0x60), 0)?;
        a.mov(qword_ptr(rsp + 0x68), 0x1000)?;
        a.mov(r10, -1i64)?;
        a.lea(rdx, ptr(rsp + 0x60))?;
        a.xor(r8d, r8d)?;
        a.lea(r9, ptr(rsp + 0x68))?;
        a.mov(qword_ptr(rsp + 0x28), 0x3000)?;
        a.mov(qword_ptr(rsp + 0x30), RW)?;
        a.mov(eax, number("NtAllocateVirtualMemory"))?;
        a.syscall()?;
        a.mov(rbx, qword_ptr(rsp + 0x60))?;
        body(a)?;
        a.add(rsp, 0x80)?;
        a.pop(rbx)?;
        a.ret()
    };
    write(&mut a).expect("valid code");
    a.assemble(RAW_BASE).expect("it assembles")
}

fn number(service: &str) -> u32 {
    Profile::default_profile().number(service).expect("a service")
}

fn protect(a: &mut CodeAssembler, protection: i32) -> Result<(), IcedError> {
    a.mov(qword_ptr(rsp + 0x60), rbx)?;
    a.mov(qword_ptr(rsp + 0x68), 0x1000)?;
    a.mov(r10, -1i64)?;
    a.lea(rdx, ptr(rsp + 0x60))?;
    a.lea(r8, ptr(rsp + 0x68))?;
    a.mov(r9d, protection)?;
    a.lea(rax, ptr(rsp + 0x70))?;
    a.mov(qword_ptr(rsp + 0x28), rax)?;
    a.mov(eax, number("NtProtectVirtualMemory"))?;
    a.syscall()
}

#[test]
fn code_that_changes_while_its_page_cannot_be_executed_is_seen() {
    let code = with_page(|a| {
        // mov eax,1; ret
        a.mov(dword_ptr(rbx), 0x0000_01b8)?;
        a.mov(dword_ptr(rbx + 4), 0x0000_c300u32 as i32)?;
        protect(a, RX)?;
        a.call(rbx)?;
        protect(a, RW)?;
        // A store elsewhere first: after it the engine takes the page for one without code.
        a.mov(byte_ptr(rbx + 0x800), 1)?;
        a.mov(byte_ptr(rbx + 1), 9)?;
        protect(a, RX)?;
        a.call(rbx)
    });
    assert_eq!(run_raw(&code).1, End::Exit(NtStatus(9)));
}

fn crashed(code: &[u8]) -> (Option<&'static str>, Vec<u64>) {
    match run_raw(code).1 {
        End::Crash(crash) => (crash.code.name(), crash.information.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_page_does_not_allow_is_an_exception() {
    let (name, information) = crashed(&with_page(|a| a.call(rbx)));
    assert_eq!((name, information[0]), (Some("STATUS_ACCESS_VIOLATION"), 8), "no execute");
    let (name, information) = crashed(&with_page(|a| {
        protect(a, 2)?;
        a.mov(byte_ptr(rbx + 5), 1)
    }));
    assert_eq!((name, information[0], information[1] & 0xfff), (Some("STATUS_ACCESS_VIOLATION"), 1, 5), "read only");
    let (name, _) = crashed(&with_page(|a| {
        protect(a, GUARD)?;
        a.mov(al, byte_ptr(rbx))
    }));
    assert_eq!(name, Some("STATUS_GUARD_PAGE_VIOLATION"));
}

#[test]
fn a_stack_grows_to_its_end_and_no_further() {
    // push rax for ever
    let (machine, end) = run_raw(&[0x50, 0xeb, 0xfd]);
    let End::Crash(crash) = end else { panic!("{end:?}") };
    assert_eq!(crash.code.name(), Some("STATUS_STACK_OVERFLOW"));
    // One MiB is reserved; it could use all of it but the guard at the end.
    let used = 0x50_0010_0000 - crash.registers.get(trapgate::cpu::Reg::Rsp);
    assert!((0x10_0000 - 0x4000..0x10_0000).contains(&used), "{used:#x} bytes of stack were used");
    drop(machine);
    // Jumping over the guard page is an access violation.
    // sub rsp,80000h; push rax
    let (name, _) = crashed(&[0x48, 0x81, 0xec, 0, 0, 8, 0, 0x50]);
    assert_eq!(name, Some("STATUS_ACCESS_VIOLATION"));
}
