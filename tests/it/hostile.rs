//! Guests that mean harm, or are nonsense: whatever they do, the run ends in order.

use guest::Profile;
use guest::services::ServiceTableId;
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use proptest::prelude::*;
use trapgate::Machine;
use trapgate::loader::Program;

use crate::support::config;

fn run(code: Vec<u8>) {
    let mut config = config(Program::Raw(guest::Arch::X64, code.clone()), "hostile");
    config.max_instructions = Some(30_000);
    // Little memory, so that a run cannot take much of the host's.
    config.memory = 16 << 20;
    let mut machine = Machine::new(&config).expect("a machine");
    machine.captured().expect("captured").stdin = b"some input\n".to_vec();
    machine.run().unwrap_or_else(|e| panic!("{e}: {code:02x?}"));
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

/// Numbers of services that are written, mostly; any other number now and then.
fn number() -> impl Strategy<Value = u32> {
    let profile = Profile::default_profile();
    let written: Vec<u32> = kernel_model::kernel::services().filter_map(|s| profile.number(s.name)).collect();
    let rows = profile.table_size(ServiceTableId::Nt) as u32;
    prop_oneof![8 => prop::sample::select(written), 1 => 0..rows, 1 => 0u32..0x4000]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes_as_code(code in prop::collection::vec(any::<u8>(), 1..200)) {
        run(code);
    }

    #[test]
    fn random_calls(calls in prop::collection::vec((number(), prop::collection::vec(argument(), 11)), 1..12)) {
        run(assemble(&calls).expect("valid code"));
    }
}
