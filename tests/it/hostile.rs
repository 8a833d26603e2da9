//! Guests that mean harm, or are nonsense: whatever they do, the run ends in order.

use guest::services::ServiceTableId;
use guest::{Arch, NtStatus, Profile};
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use proptest::prelude::*;
use trapgate::loader::Program;
use trapgate::{End, Machine};

use crate::support::config;

fn run(code: Vec<u8>) {
    run_on(Profile::default_profile(), Arch::X64, code);
}

fn run_on(profile: &'static Profile, arch: Arch, code: Vec<u8>) {
    let mut config = config(Program::Raw(arch, code.clone()), "hostile");
    config.profile = profile;
    config.max_instructions = Some(30_000);
    // Little memory, so that a run cannot take much of the host's.
    config.memory = 16 << 20;
    let mut machine = Machine::new(&config).expect("a machine");
    machine.captured().expect("captured").stdin = b"some input\n".to_vec();
    machine.run().unwrap_or_else(|e| panic!("{}: {e}: {code:02x?}", profile.name));
}

/// Values that are near some edge.
fn argument() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(u64::MAX),
        Just(u64::MAX - 1),
        0u64..64,
        Just(0x1000_0800),
        Just(0x1000_0ffc),
        Just(0x1000_0000),
        Just(0x7ffe_0000),
        Just(0x7fff_fffe_ffff),
        Just(0x7fff_ffff_0000),
        Just(0xffff_8000_0000_0000),
        Just(0x50_0020_0000),
        Just(0x7ffc_0e3b_0000),
        (0u32..64).prop_map(|n| 1 << n),
        (0u32..64).prop_map(|n| (1 << n) - 1),
        any::<u64>(),
    ]
}

type Calls = Vec<(u32, Vec<u64>)>;

fn assemble(calls: &Calls) -> Result<Vec<u8>, IcedError> {
    let mut a = CodeAssembler::new(64)?;
    a.sub(rsp, 0x108)?;
    for (number, args) in calls {
        for (i, arg) in args.iter().enumerate().skip(4) {
            a.mov(rax, *arg)?;
            a.mov(qword_ptr(rsp + 0x28 + 8 * (i - 4)), rax)?;
        }
        for (reg, arg) in [r10, rdx, r8, r9].into_iter().zip(args) {
            a.mov(reg, *arg)?;
        }
        a.mov(eax, *number)?;
        a.syscall()?;
    }
    a.xor(eax, eax)?;
    a.add(rsp, 0x108)?;
    a.ret()?;
    a.assemble(0x1000_0000)
}

/// The machines that run 32-bit code.
fn machines_32() -> impl Strategy<Value = &'static Profile> {
    let names = vec!["xp-sp3-x86", "win10-22h2-x86", "win2k-sp4-x86", "win7-sp1-x64", "win81-x64", "win10-22h2-x64"];
    prop::sample::select(names).prop_map(|name| Profile::by_name(name).expect("a profile"))
}

/// Calls from 32-bit code: through whatever gate the machine has, by its own numbers, with any turbo index.
fn assemble_32(profile: &Profile, calls: &[(usize, u32, Vec<u64>)]) -> Result<Vec<u8>, IcedError> {
    let written: Vec<u32> = kernel_model::kernel::services().filter_map(|s| profile.number(s.name)).collect();
    let wow64 = profile.arch == Arch::X64;
    let mut a = CodeAssembler::new(32)?;
    for (number, how, args) in calls {
        for arg in args.iter().rev() {
            a.push(*arg as i32)?;
        }
        let number = written[number % written.len()];
        a.mov(eax, if wow64 { number | (how % 64) << 16 } else { number })?;
        a.mov(edx, if how % 7 == 0 { args[0] as u32 } else { 0 })?;
        if how % 7 != 0 {
            a.mov(edx, esp)?;
        }
        match how % 3 {
            _ if wow64 => {
                a.mov(ecx, *how)?;
                a.push(0)?;
                a.call(dword_ptr(0xc0).fs())?;
            }
            0 => a.sysenter()?,
            _ => a.int(0x2e)?,
        }
    }
    a.xor(eax, eax)?;
    a.hlt()?;
    a.assemble(0x1000_0000)
}

/// Numbers of services that are written, mostly; any other number now and then.
fn number() -> impl Strategy<Value = u32> {
    let profile = Profile::default_profile();
    let written: Vec<u32> = kernel_model::kernel::services().filter_map(|s| profile.number(s.name)).collect();
    let rows = profile.table_size(ServiceTableId::Nt) as u32;
    prop_oneof![8 => prop::sample::select(written), 1 => 0..rows, 1 => 0u32..0x4000]
}

#[test]
fn what_the_engine_takes_for_an_instruction_is_none() {
    // 8F /7, which it decodes as a pop of another length, and a port behind it: found by the tests below.
    let code = [0x8f, 0x79, 0x5e, 0xe7, 0x6e];
    for arch in [Arch::X64, Arch::X86] {
        let mut machine = Machine::new(&config(Program::Raw(arch, code.to_vec()), "hostile")).expect("a machine");
        let End::Crash(crash) = machine.run().expect("it runs") else { panic!("it does not crash") };
        assert_eq!((crash.code, crash.address), (NtStatus::ILLEGAL_INSTRUCTION, 0x1000_0000), "{arch:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes_as_code(code in prop::collection::vec(any::<u8>(), 1..200)) {
        run(code);
    }

    #[test]
    fn random_bytes_as_32_bit_code(profile in machines_32(), code in prop::collection::vec(any::<u8>(), 1..200)) {
        run_on(profile, Arch::X86, code);
    }

    #[test]
    fn random_calls_by_32_bit_code(
        profile in machines_32(),
        calls in prop::collection::vec((any::<usize>(), any::<u32>(), prop::collection::vec(argument(), 11)), 1..12),
    ) {
        run_on(profile, Arch::X86, assemble_32(profile, &calls).expect("valid code"));
    }

    #[test]
    fn random_calls(calls in prop::collection::vec((number(), prop::collection::vec(argument(), 11)), 1..12)) {
        run(assemble(&calls).expect("valid code"));
    }
}
