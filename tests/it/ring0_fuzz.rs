//! Drivers that mean harm, or are nonsense: whatever they run and overwrite, the machine ends in order.
//!
//! The seeds are fixed: the same cases every time.

use guest::system::SystemMap;
use guest::{Arch, Profile};
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use trapgate::loader::Program;
use trapgate::machine::{Dispatch, Driver};
use trapgate::{End, Machine};

use crate::support::{Random, config};

fn profiles() -> Vec<&'static Profile> {
    let names = [
        "win10-22h2-x64",
        "win11-25h2-x64",
        "win7-sp1-x64",
        "xp-sp1-x64",
        "xp-sp3-x86",
        "win7-sp1-x86",
        "win10-22h2-x86",
        "win2k-sp4-x86",
    ];
    names.iter().map(|name| Profile::by_name(name).expect("a profile")).collect()
}

/// A program that closes a bad handle twice, by every gate there is, and faults in between.
fn program(profile: &Profile) -> Result<Vec<u8>, IcedError> {
    let number = profile.number("NtClose").expect("NtClose");
    let mut a = CodeAssembler::new(profile.arch.bits())?;
    match profile.arch {
        Arch::X64 => {
            a.mov(eax, number)?;
            a.syscall()?;
            a.mov(eax, number)?;
            a.int(0x2e)?;
            // One whose arguments are on the stack too.
            a.mov(eax, profile.number("NtWriteFile").expect("NtWriteFile"))?;
            a.syscall()?;
        }
        Arch::X86 => {
            let [mut enter, mut next] = std::array::from_fn(|_| a.create_label());
            a.mov(eax, number)?;
            a.mov(edx, esp)?;
            a.int(0x2e)?;
            a.int(0x2a)?;
            a.mov(eax, number)?;
            a.call(enter)?;
            a.jmp(next)?;
            a.set_label(&mut enter)?;
            a.mov(edx, esp)?;
            a.sysenter()?;
            a.set_label(&mut next)?;
            a.nop()?;
        }
    }
    a.ud2()?;
    a.assemble(0x1000_0000)
}

/// Runs a driver and then the program: how it ended.
fn run(profile: &'static Profile, driver: &[u8]) -> End {
    let code = program(profile).expect("valid code");
    let mut config = config(Program::Raw(profile.arch, code), "raw");
    config.profile = profile;
    config.memory = 16 << 20;
    config.dispatch = Dispatch::Kernel;
    config.driver = Some(Driver { name: "fuzz.bin".into(), code: driver.to_vec() });
    // Sixty-four times that in ring 0.
    config.max_instructions = Some(2_000);
    let mut machine = Machine::new(&config).expect("a machine");
    machine.run().unwrap_or_else(|e| panic!("{}: {e}: {driver:02x?}", profile.name))
}

/// Which kinds of end there were.
#[derive(Default, Debug)]
struct Ends {
    bug_checks: usize,
    crashes: usize,
    others: usize,
}

impl Ends {
    fn count(&mut self, end: &End) {
        match end {
            End::BugCheck(_) => self.bug_checks += 1,
            End::Crash(_) => self.crashes += 1,
            _ => self.others += 1,
        }
    }
}

#[test]
fn random_bytes_as_a_driver() {
    let mut random = Random(0x6472_6976_6572_0001);
    let mut ends = Ends::default();
    for profile in profiles() {
        for _ in 0..60 {
            let len = 1 + random.below(60);
            let mut code: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
            // What the first fault does not end: instructions that only ring 0 has among the bytes.
            for _ in 0..random.below(6) {
                let rare: &[u8] = RARE[random.below(RARE.len() as u64) as usize];
                let at = random.below(code.len() as u64 + 1) as usize;
                code.splice(at..at, rare.iter().copied());
            }
            code.push(0xc3);
            ends.count(&run(profile, &code));
        }
    }
    assert!(ends.bug_checks > 100, "{ends:?}");
}

/// mov cr0,rax; mov rax,cr0; mov cr3,rax; mov cr4,rax; mov cr8,rax; lidt [rsp]; lgdt [rsp]; ltr ax; lldt ax; swapgs;
/// wrmsr; rdmsr; sysret; sysexit; iret; iretq; hlt; cli; sti; invlpg; wbinvd; mov ss,eax; retf; int 2eh; int f0h;
/// int f1h; int f2h; int 8; syscall; sysenter; popf; mov dr7,rax; clts; lmsw ax; in; out; rep movsd.
const RARE: &[&[u8]] = &[
    &[0x0f, 0x22, 0xc0],
    &[0x0f, 0x20, 0xc0],
    &[0x0f, 0x22, 0xd8],
    &[0x0f, 0x22, 0xe0],
    &[0x44, 0x0f, 0x22, 0xc0],
    &[0x0f, 0x01, 0x1c, 0x24],
    &[0x0f, 0x01, 0x14, 0x24],
    &[0x0f, 0x00, 0xd8],
    &[0x0f, 0x00, 0xd0],
    &[0x0f, 0x01, 0xf8],
    &[0x0f, 0x30],
    &[0x0f, 0x32],
    &[0x48, 0x0f, 0x07],
    &[0x0f, 0x35],
    &[0xcf],
    &[0x48, 0xcf],
    &[0xf4],
    &[0xfa],
    &[0xfb],
    &[0x0f, 0x01, 0x38],
    &[0x0f, 0x09],
    &[0x8e, 0xd0],
    &[0xcb],
    &[0xcd, 0x2e],
    &[0xcd, 0xf0],
    &[0xcd, 0xf1],
    &[0xcd, 0xf2],
    &[0xcd, 0x08],
    &[0x0f, 0x05],
    &[0x0f, 0x34],
    &[0x9d],
    &[0x0f, 0x23, 0xf8],
    &[0x0f, 0x06],
    &[0x0f, 0x01, 0xf0],
    &[0xec],
    &[0xee],
    &[0xf3, 0xa5],
];

/// Where the kernel keeps what it trusts, and how many bytes of it.
fn structures(profile: &'static Profile) -> Vec<(u64, u64)> {
    let map = SystemMap::of(profile.arch);
    let nt = guest::asm::ntoskrnl(profile).expect("a kernel image");
    let symbols = ["KeServiceDescriptorTable", "KeServiceDescriptorTableShadow", "KiServiceTable"];
    let at = |name: &&str| nt.symbols.iter().find(|(_, n)| n == name).map(|(rva, _)| map.ntoskrnl + u64::from(*rva));
    let image = symbols.iter().filter_map(at).map(|at| (at, 0x40));
    let tables = [(map.gdt, 0x60), (map.idt, 0x400), (map.tss, 0x68), (map.pcr, 0x200), (map.stack - 0x400, 0x400)];
    let objects = [(map.thread, 0x200), (map.process, 0x400), (map.shared_data, 0x400)];
    // Where the gates to ring 0 are, and the code behind two of them.
    let gates = [(map.idt + 0x2e * if profile.arch == Arch::X64 { 16 } else { 8 }, 8), (map.tss, 0x10)];
    let names = ["KiSystemServiceUser", "KiSystemService"];
    let code = names.iter().filter_map(at).map(|at| (at, 0x60));
    tables.into_iter().chain(objects).chain(gates).chain(image).chain(code).collect()
}

/// A driver that turns write protection off and overwrites some of it.
fn vandal(random: &mut Random, profile: &'static Profile) -> Result<Vec<u8>, IcedError> {
    let places = structures(profile);
    let mut a = CodeAssembler::new(profile.arch.bits())?;
    if profile.arch == Arch::X64 {
        a.mov(rax, cr0)?;
        a.and(eax, !0x1_0000)?;
        a.mov(cr0, rax)?;
    } else {
        a.mov(eax, cr0)?;
        a.and(eax, !0x1_0000)?;
        a.mov(cr0, eax)?;
    }
    for _ in 0..1 + random.below(12) {
        let (base, len) = places[random.below(places.len() as u64) as usize];
        let at = base + random.below(len);
        let value = match random.below(4) {
            0 => 0,
            1 => u32::MAX,
            2 => 1 << random.below(32),
            _ => random.next() as u32,
        };
        let byte = random.below(2) == 0;
        match (profile.arch, byte) {
            (Arch::X64, true) => {
                a.mov(rcx, at)?;
                a.mov(byte_ptr(rcx), value & 0xff)?;
            }
            (Arch::X64, false) => {
                a.mov(rcx, at)?;
                a.mov(dword_ptr(rcx), value)?;
            }
            (Arch::X86, true) => a.mov(byte_ptr(at as u32), value & 0xff)?,
            (Arch::X86, false) => a.mov(dword_ptr(at as u32), value)?,
        }
    }
    a.xor(eax, eax)?;
    match profile.arch {
        Arch::X64 => a.ret()?,
        Arch::X86 => a.ret_1(8)?,
    }
    a.assemble(SystemMap::of(profile.arch).driver)
}

#[test]
fn random_writes_by_a_driver() {
    let mut random = Random(0x6472_6976_6572_0002);
    let mut ends = Ends::default();
    for profile in profiles() {
        for _ in 0..100 {
            let driver = vandal(&mut random, profile).expect("valid code");
            ends.count(&run(profile, &driver));
        }
    }
    // Some of it nobody looks at: those programs come to their `ud2`.
    assert!(ends.bug_checks > 50 && ends.crashes > 100, "{ends:?}");
}
