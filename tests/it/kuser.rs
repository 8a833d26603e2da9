//! What stubs find in KUSER_SHARED_DATA, and the gates they take by it.

use guest::{Arch, Profile};
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use trapgate::Machine;
use trapgate::loader::Program;
use trapgate::trace::Wants;

use crate::support::{config, record};

const SYSTEM_CALL: u64 = 0x7ffe_0300;

/// A machine whose program calls a function with a handle that is none, if it is told of one.
fn machine(profile: &'static Profile, arch: Arch, function: Option<u64>, int2e: bool) -> Machine {
    let assemble = || -> Result<Vec<u8>, IcedError> {
        let mut a = CodeAssembler::new(arch.bits())?;
        match (arch, function) {
            (Arch::X64, Some(function)) => {
                a.sub(rsp, 0x28)?;
                a.mov(ecx, 0x7770)?;
                a.mov(rax, function)?;
                a.call(rax)?;
                a.add(rsp, 0x28)?;
            }
            (Arch::X86, Some(function)) => {
                a.push(0x7770)?;
                a.mov(eax, function as u32)?;
                a.call(eax)?;
            }
            _ => a.nop()?,
        }
        a.ret()?;
        a.assemble(0x1000_0000)
    };
    let mut config = config(Program::Raw(arch, assemble().expect("valid code")), "raw");
    config.profile = profile;
    config.process.int2e = int2e;
    Machine::new(&config).unwrap_or_else(|e| panic!("{}: {e}", profile.name))
}

fn symbol(machine: &Machine, arch: Arch, name: &str) -> Option<u64> {
    machine.modules().by_name("ntdll.dll", arch)?.symbol(name)
}

fn word(machine: &Machine, va: u64) -> u64 {
    let bytes = machine.peek(va, 4).expect("KUSER_SHARED_DATA");
    u32::from_le_bytes(bytes.try_into().expect("four bytes")).into()
}

#[test]
fn the_page_is_what_the_builds_stubs_need() {
    for profile in Profile::all() {
        let machine = machine(profile, profile.arch, None, false);
        let (major, minor, _) = profile.version;
        let version = [0x26c, 0x270].map(|at| word(&machine, 0x7ffe_0000 + at));
        assert_eq!(version, [u64::from(major), u64::from(minor)], "{}", profile.name);
        match profile.stub_style.name {
            "x86_xp_call_edx" => {
                assert_eq!(machine.peek(SYSTEM_CALL, 5).as_deref(), Some(&[0x8b, 0xd4, 0x0f, 0x34, 0xc3][..]));
            }
            "x86_call_mem_edx" => {
                let [entry, back] = ["KiFastSystemCall", "KiFastSystemCallRet"]
                    .map(|name| symbol(&machine, Arch::X86, name).expect("an export"));
                assert_eq!([SYSTEM_CALL, SYSTEM_CALL + 4].map(|at| word(&machine, at)), [entry, back]);
                assert_eq!(back, entry + 4);
                assert_eq!(machine.peek(entry, 5).as_deref(), Some(&[0x8b, 0xd4, 0x0f, 0x34, 0xc3][..]));
            }
            "x64_w10_1511" => assert_eq!(machine.peek(SYSTEM_CALL + 8, 1), Some(vec![0]), "{}", profile.name),
            _ => {}
        }
    }
}

/// The gate that a call of NtClose by its stub goes through.
fn gate_of(profile: &'static Profile, arch: Arch, int2e: bool) -> &'static str {
    let stub = symbol(&machine(profile, arch, None, int2e), arch, "NtClose").expect("a stub");
    let mut machine = machine(profile, arch, Some(stub), int2e);
    let (_, records) = record(&mut machine, Wants::default());
    let records = records.borrow();
    let call = records.calls.iter().find(|c| c.service == Some("NtClose")).expect("the call");
    assert!(!call.direct, "{}: {}", profile.name, call.place);
    assert_eq!(call.status_name.as_deref(), Some("STATUS_INVALID_HANDLE"), "{}", profile.name);
    call.gate
}

/// Stubs take the gate of their style; where they can choose, `int 2Eh` when they are told to.
#[test]
fn stubs_take_their_gate() {
    for profile in Profile::all() {
        let (usual, told) = match profile.stub_style.name {
            "x64_w10_1511" => ("syscall", "int2e"),
            "x64_w7" | "x64_xp" => ("syscall", "syscall"),
            "x86_call_mem_edx" => ("sysenter", "int2e"),
            "x86_xp_call_edx" | "x86_inline_sysenter" => ("sysenter", "sysenter"),
            _ => ("int2e", "int2e"),
        };
        let gates = [false, true].map(|int2e| gate_of(profile, profile.arch, int2e));
        assert_eq!(gates, [usual, told], "{}", profile.name);
        if profile.wow64.is_some() {
            assert_eq!(gate_of(profile, Arch::X86, false), "syscall", "{}", profile.name);
        }
    }
}
