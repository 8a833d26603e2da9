//! Into ring 3: the descriptor table, and the `iretq` that is the only way to change the engine's CPL.

use std::ffi::c_int;

use guest::Arch;
use guest::mem::Access;
use guest::registers::UserState;
use unicorn_engine::RegisterX86 as R;
use unicorn_engine::unicorn_const::uc_x86_mmr;

use super::Page;
use super::ffi::Engine;
use super::ram::{FRAME, Ram};
use super::ring::Ring0;

/// Where the CPU's own two pages are in the kernel's half: the descriptor table, and the code and stack below.
pub(super) const TABLES: u64 = 0xffff_f780_0000_1000;
const CODE: u64 = TABLES + FRAME as u64;

/// The selectors of a kernel, and the descriptors behind them.
struct Selectors {
    /// Limit and base are flat, only access and size bits differ.
    gdt: &'static [(usize, u64)],
    limit: u32,
    kernel_code: u64,
    kernel_data: u64,
    user_code: u64,
    /// Of 32-bit code on a 64-bit kernel; 0: there is none.
    compatible_code: u64,
    user_data: u64,
    gs: u64,
    teb: u64,
}

const X64: Selectors = Selectors {
    gdt: &[
        (0x10, 0x0020_9b00_0000_0000), // KGDT64_R0_CODE
        (0x18, 0x00cf_9300_0000_ffff), // KGDT64_R0_DATA
        (0x20, 0x00cf_fb00_0000_ffff), // KGDT64_R3_CMCODE
        (0x28, 0x00cf_f300_0000_ffff), // KGDT64_R3_DATA
        (0x30, 0x0020_fb00_0000_0000), // KGDT64_R3_CODE
        (0x50, 0x0040_f300_0000_3c00), // KGDT64_R3_CMTEB
    ],
    limit: 0x57,
    kernel_code: 0x10,
    kernel_data: 0x18,
    user_code: 0x33,
    compatible_code: 0x23,
    user_data: 0x2b,
    gs: 0x2b,
    teb: 0x53,
};

/// The engine is a 64-bit CPU for 32-bit kernels too: they and their programs run in compatibility mode.
const X86: Selectors = Selectors {
    gdt: &[
        (0x08, 0x00cf_9b00_0000_ffff), // KGDT_R0_CODE
        (0x10, 0x00cf_9300_0000_ffff), // KGDT_R0_DATA
        (0x18, 0x00cf_fb00_0000_ffff), // KGDT_R3_CODE
        (0x20, 0x00cf_f300_0000_ffff), // KGDT_R3_DATA
        (0x38, 0x0040_f300_0000_0fff), // KGDT_R3_TEB
    ],
    limit: 0x3f,
    kernel_code: 0x08,
    kernel_data: 0x10,
    user_code: 0x1b,
    compatible_code: 0,
    user_data: 0x23,
    gs: 0,
    teb: 0x3b,
};

/// The flat descriptors of a kernel: selectors, and what is behind them.
pub fn descriptors(arch: Arch) -> &'static [(usize, u64)] {
    selectors(arch).gdt
}

fn selectors(arch: Arch) -> &'static Selectors {
    match arch {
        Arch::X86 => &X86,
        Arch::X64 => &X64,
    }
}

/// The selectors of 64-bit code: user code, and a 64-bit kernel's. (10 is a data segment of 32-bit kernels.)
pub(super) const CODE_64: [u64; 2] = [0x33, 0x10];

/// Puts the base of the TEB that FS leads to into its descriptor: FS may be loaded again.
pub(super) fn set_teb_base(ram: &mut Ram, arch: Arch, base: u32) {
    let teb = selectors(arch).teb as usize & !7;
    let flat = selectors(arch).gdt.iter().find(|(selector, _)| *selector == teb).map_or(0, |(_, d)| *d);
    let base = u64::from(base);
    let descriptor = flat | (base & 0xff_ffff) << 16 | (base >> 24) << 56;
    ram.write_private(0, teb, &descriptor.to_le_bytes());
}
/// Interrupts enabled, and the bit that is always one.
const USER_FLAGS: u64 = 0x202;

/// What a kernel sets up and user code relies on, and then the way in:
/// `mov rax,cr4; or eax,600h` (OSFXSR, OSXMMEXCPT) `; mov cr4,rax`
/// `mov rax,cr0; and eax,-0Dh` (no EM, no TS) `; or eax,22h` (NE, MP) `; mov cr0,rax`
/// `mov ax,2Bh; mov ds,ax; mov es,ax; mov gs,ax; mov ax,53h; mov fs,ax; xor eax,eax; iretq`
///
/// (the selectors are a 64-bit kernel's here: data, GS, TEB).
fn enter(s: &Selectors) -> Vec<u8> {
    let mut code = vec![
        0x0f, 0x20, 0xe0, 0x0d, 0x00, 0x06, 0x00, 0x00, 0x0f, 0x22, 0xe0, 0x0f, 0x20, 0xc0, 0x83, 0xe0, 0xf3, 0x83,
        0xc8, 0x22, 0x0f, 0x22, 0xc0,
    ];
    let load = |selector: u64, segments: &[u8]| {
        let [low, high, ..] = selector.to_le_bytes();
        let moves = segments.iter().flat_map(|segment| [0x8e, *segment]);
        [0x66, 0xb8, low, high].into_iter().chain(moves).collect::<Vec<u8>>()
    };
    code.extend(load(s.user_data, &[0xd8, 0xc0]));
    code.extend(load(s.gs, &[0xe8]));
    code.extend(load(s.teb, &[0xe0]));
    code.extend([0x31, 0xc0, 0x48, 0xcf]);
    code
}

/// Writes the CPU's own pages and starts the engine into ring 3. It stops at address 0, where nothing is
/// mapped: that is the end of the way in. It goes into ring 0 first, by the same way, and learns what the rings differ
/// in. `ring_0`: kernel code will run there.
pub(super) fn enter_ring_3(engine: &Engine, ram: &mut Ram, arch: Arch, ring_0: bool) -> Result<Ring0, String> {
    let s = selectors(arch);
    for (selector, descriptor) in s.gdt {
        ram.write_private(0, *selector, &descriptor.to_le_bytes());
    }
    ram.write_private(1, 0, &enter(s));
    let gdtr = uc_x86_mmr { selector: 0, base: TABLES, limit: s.limit, flags: 0 };
    engine.write_struct(R::GDTR as c_int, &gdtr).map_err(|e| format!("GDTR: {e:?}"))?;
    let failed = |e| format!("the context: {e:?}");
    let reset = engine.save().map_err(failed)?;
    go(engine, ram, [s.kernel_code, s.kernel_data])?;
    let kernel = engine.save().map_err(failed)?;
    engine.restore(&reset).map_err(failed)?;
    let compatible = match s.compatible_code {
        0 => None,
        code => {
            go(engine, ram, [code, s.user_data])?;
            let context = engine.save().map_err(failed)?;
            engine.restore(&reset).map_err(failed)?;
            Some(context)
        }
    };
    go(engine, ram, [s.user_code, s.user_data])?;
    let expected = [s.user_code, s.user_data, s.kernel_code, s.kernel_data];
    let with_xmm = !ring_0 && arch == Arch::X64;
    let ring_0 = Ring0::calibrate(engine, &kernel, compatible.as_ref(), expected, with_xmm)?;
    engine.write(&[R::FPCW as c_int, R::MXCSR as c_int], &[UserState::X87[0].into(), UserState::MXCSR.into()]);
    Ok(ring_0)
}

/// From the reset state by `iretq` to address 0, with this code segment and stack segment.
fn go(engine: &Engine, ram: &mut Ram, [code, stack]: [u64; 2]) -> Result<(), String> {
    let frame = [0, code, USER_FLAGS, 0, stack].map(u64::to_le_bytes).concat();
    let at = FRAME - frame.len();
    ram.write_private(1, at, &frame);
    engine.write(&[R::RSP as c_int], &[CODE + at as u64]);
    let result = engine.start(CODE);
    let mut state = [0; 4];
    engine.read(&[R::CS as c_int, R::SS as c_int, R::RIP as c_int, R::RFLAGS as c_int], &mut state);
    let [cs, ss, rip, flags] = state;
    if result.is_ok() || [cs & 0xffff, ss & 0xffff, rip, flags & 0x3002] != [code, stack, 0, 2] {
        return Err(format!("{result:?}, cs {cs:#x}, ss {ss:#x}, rip {rip:#x}"));
    }
    Ok(())
}

/// The CPU's own pages, as the engine may use them: everything on the way in, and later only the descriptor
/// table, for reading.
pub(super) fn page(ram_private: u64, va: u64, access: Access, booting: bool) -> Option<Page> {
    let at = va & !(FRAME as u64 - 1);
    match at {
        TABLES if booting || access == Access::Read => {
            Some(Page { physical: ram_private, read: true, write: booting, execute: false })
        }
        CODE if booting => Some(Page { physical: ram_private + FRAME as u64, read: true, write: true, execute: true }),
        _ => None,
    }
}
