//! What 32-bit compilers call in ntdll: 64-bit arithmetic and the stack probe, against this machine's own arithmetic.

use guest::pe::PeImage;
use guest::{Arch, Profile, asm};
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use trapgate::loader::Program;
use trapgate::{End, Machine};

use crate::support::config;

/// Where raw code is.
const CODE: u64 = 0x1000_0000;

const VALUES: &[i64] = &[
    0,
    1,
    -1,
    7,
    -7,
    10,
    0xffff_ffff,
    0x1_0000_0000,
    -0x1_0000_0001,
    123_456_789_012_345,
    i64::MAX,
    i64::MIN,
    i64::MIN + 1,
];

fn low(value: i64) -> i32 {
    value as i32
}

fn high(value: i64) -> i32 {
    (value >> 32) as i32
}

/// Runs 32-bit code that ends by returning; 0 if nothing was wrong, else the number of the first wrong result.
struct Checks {
    assembler: CodeAssembler,
    wrong: CodeLabel,
    base: u64,
    exports: Vec<(String, u32)>,
    done: i32,
}

impl Checks {
    fn new() -> Self {
        let dll = asm::ntdll(Profile::by_name("xp-sp3-x86").expect("a profile"), Arch::X86).expect("ntdll");
        let image = PeImage::parse(&dll.image).expect("an image");
        let mut assembler = CodeAssembler::new(32).expect("a width");
        let wrong = assembler.create_label();
        Self { assembler, wrong, base: image.base, exports: image.export_names(), done: 0 }
    }

    fn address(&self, name: &str) -> u32 {
        self.base as u32 + self.exports.iter().find(|e| e.0 == name).unwrap_or_else(|| panic!("{name}")).1
    }

    /// The result in edx:eax must be this, esp what it was when ebp was set.
    fn expect(&mut self, result: i64) -> Result<(), IcedError> {
        self.done += 1;
        let (a, wrong) = (&mut self.assembler, self.wrong);
        a.mov(edi, self.done)?;
        a.cmp(eax, low(result))?;
        a.jne(wrong)?;
        a.cmp(edx, high(result))?;
        a.jne(wrong)?;
        a.cmp(esp, ebp)?;
        a.jne(wrong)
    }

    /// A function that takes two values from the stack and pops them.
    fn binary(&mut self, name: &str, x: i64, y: i64, result: i64) -> Result<(), IcedError> {
        let function = self.address(name);
        let a = &mut self.assembler;
        a.mov(ebp, esp)?;
        for word in [high(y), low(y), high(x), low(x)] {
            a.push(word)?;
        }
        a.mov(eax, function)?;
        a.call(eax)?;
        self.expect(result)
    }

    /// A function that shifts edx:eax by cl.
    fn shift(&mut self, name: &str, x: i64, by: u32, result: i64) -> Result<(), IcedError> {
        let function = self.address(name);
        let a = &mut self.assembler;
        a.mov(ebp, esp)?;
        a.mov(eax, low(x))?;
        a.mov(edx, high(x))?;
        a.mov(ecx, by)?;
        a.mov(esi, function)?;
        a.call(esi)?;
        self.expect(result)
    }

    /// A function that takes eax bytes of stack, and keeps ecx and edx.
    fn probe(&mut self, name: &str, size: i32) -> Result<(), IcedError> {
        let function = self.address(name);
        let a = &mut self.assembler;
        a.mov(ebp, esp)?;
        a.sub(ebp, size)?;
        a.mov(ebx, esp)?;
        a.mov(edx, 0x1234)?;
        a.mov(ecx, 0x5678)?;
        a.mov(eax, size)?;
        a.mov(esi, function)?;
        a.call(esi)?;
        a.mov(eax, ecx)?;
        self.expect(0x1234_0000_5678)?;
        self.assembler.mov(esp, ebx)
    }

    fn finish(mut self) {
        let Self { assembler: a, wrong, .. } = &mut self;
        let mut end = || -> Result<(), IcedError> {
            a.xor(edi, edi)?;
            a.set_label(wrong)?;
            // The entry's return address is above what may have gone wrong.
            a.mov(eax, edi)?;
            a.mov(esp, dword_ptr(CODE + 0xf_fff0))?;
            a.ret()
        };
        end().expect("valid code");
        let mut code = self.assembler.assemble(CODE).expect("it assembles");
        assert!(code.len() < 0xf_fff0);
        code.resize(0x10_0000, 0);
        let mut config = config(Program::Raw(Arch::X86, code), "raw");
        config.profile = Profile::by_name("xp-sp3-x86").expect("a profile");
        let end = Machine::new(&config).expect("a machine").run().expect("no engine failure");
        assert!(matches!(end, End::Exit(_)), "{end:?}");
        assert_eq!(u32::from(end.exit_code()), 0, "of {} results", self.done);
    }
}

fn write(checks: &mut Checks) -> Result<(), IcedError> {
    checks.assembler.mov(dword_ptr(CODE + 0xf_fff0), esp)?;
    for &x in VALUES {
        for &y in VALUES {
            let (ux, uy) = (x as u64, y as u64);
            checks.binary("_allmul", x, y, x.wrapping_mul(y))?;
            if y != 0 {
                checks.binary("_alldiv", x, y, x.wrapping_div(y))?;
                checks.binary("_allrem", x, y, x.wrapping_rem(y))?;
                checks.binary("_aulldiv", x, y, (ux / uy) as i64)?;
                checks.binary("_aullrem", x, y, (ux % uy) as i64)?;
            }
        }
        for by in [0, 1, 31, 32, 33, 63, 64, 200] {
            let gone = by > 63;
            checks.shift("_allshl", x, by, if gone { 0 } else { x << by })?;
            checks.shift("_allshr", x, by, if gone { x >> 63 } else { x >> by })?;
            checks.shift("_aullshr", x, by, if gone { 0 } else { (x as u64 >> by) as i64 })?;
        }
    }
    for size in [0, 4, 8, 0xffc, 0x1000, 0x1004, 0x9004] {
        checks.probe("_chkstk", size)?;
        checks.probe("_alloca_probe", size)?;
    }
    Ok(())
}

#[test]
fn arithmetic_and_probes_of_32_bit_code() {
    let mut checks = Checks::new();
    write(&mut checks).expect("valid code");
    assert!(checks.done > 1000);
    checks.finish();
}
