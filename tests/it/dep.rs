//! Data execution prevention: whose data can be executed.

use guest::{Arch, NtStatus, Profile};
use trapgate::End;
use trapgate::Machine;
use trapgate::loader::Program;

use crate::support::config;

/// push 0C3h (`ret`); call esp; add esp,4; mov eax,7; ret: runs on the stack, and ends with 7.
const ON_THE_STACK: &[u8] = &[0x68, 0xc3, 0, 0, 0, 0xff, 0xd4, 0x83, 0xc4, 0x04, 0xb8, 7, 0, 0, 0, 0xc3];

fn run(profile: &str, arch: Arch) -> End {
    let mut config = config(Program::Raw(arch, ON_THE_STACK.to_vec()), "raw");
    config.profile = Profile::by_name(profile).expect("a profile");
    let mut machine = Machine::new(&config).unwrap_or_else(|e| panic!("{profile}: {e}"));
    machine.run().expect("no engine failure")
}

/// Before XP SP2 there was none; clients ask the image, and raw code has none; servers have it for every program, and
/// 64-bit processes always.
#[test]
fn the_stack_can_be_executed_where_windows_lets_it() {
    for name in ["win2k-sp4-x86", "xp-sp0-x86", "xp-sp3-x86", "win7-sp1-x86", "win10-22h2-x86", "win10-22h2-x64"] {
        assert_eq!(run(name, Arch::X86), End::Exit(NtStatus(7)), "{name}");
    }
    for (name, arch) in [("srv2003-sp2-x86", Arch::X86), ("srv2022-x64", Arch::X86), ("win10-22h2-x64", Arch::X64)] {
        let end = run(name, arch);
        assert!(matches!(&end, End::Crash(c) if c.code == NtStatus::ACCESS_VIOLATION), "{name}: {end:?}");
    }
}
