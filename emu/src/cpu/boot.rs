//! Into ring 3: the descriptor table, and the `iretq` that is the only way to change the engine's CPL.

use std::ffi::c_int;

use guest::mem::Access;
use unicorn_engine::RegisterX86 as R;
use unicorn_engine::unicorn_const::uc_x86_mmr;

use super::Page;
use super::ffi::Engine;
use super::ram::{FRAME, Ram};

/// Where the CPU's own two pages are in the kernel's half: the descriptor table, and the code and stack below.
pub(super) const TABLES: u64 = 0xffff_f780_0000_1000;
const CODE: u64 = TABLES + FRAME as u64;

/// Selectors with their descriptors (Windows x64): limit and base are flat, only access and size bits differ. The
/// one for 32-bit code, 20h, is left out as long as 32-bit code is not supported: going there is #GP.
const GDT: &[(usize, u64)] = &[
    (0x10, 0x0020_9b00_0000_0000), // KGDT64_R0_CODE
    (0x18, 0x00cf_9300_0000_ffff), // KGDT64_R0_DATA
    (0x28, 0x00cf_f300_0000_ffff), // KGDT64_R3_DATA
    (0x30, 0x0020_fb00_0000_0000), // KGDT64_R3_CODE
    (0x50, 0x0040_f300_0000_3c00), // KGDT64_R3_CMTEB
];
const GDT_LIMIT: u32 = 0x57;
const USER_CODE: u64 = 0x33;
const USER_DATA: u64 = 0x2b;
/// Interrupts enabled, and the bit that is always one.
const USER_FLAGS: u64 = 0x202;

/// What a kernel sets up and user code relies on, and then the way in:
/// `mov rax,cr4; or eax,600h` (OSFXSR, OSXMMEXCPT) `; mov cr4,rax`
/// `mov rax,cr0; and eax,-0Dh` (no EM, no TS) `; or eax,22h` (NE, MP) `; mov cr0,rax`
/// `mov ax,2Bh; mov ds,ax; mov es,ax; mov gs,ax; mov ax,53h; mov fs,ax; xor eax,eax; iretq`
const ENTER: &[u8] = &[
    0x0f, 0x20, 0xe0, 0x0d, 0x00, 0x06, 0x00, 0x00, 0x0f, 0x22, 0xe0, 0x0f, 0x20, 0xc0, 0x83, 0xe0, 0xf3, 0x83, 0xc8,
    0x22, 0x0f, 0x22, 0xc0, 0x66, 0xb8, 0x2b, 0x00, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xe8, 0x66, 0xb8, 0x53, 0x00, 0x8e,
    0xe0, 0x31, 0xc0, 0x48, 0xcf,
];
/// The x87 control word and MXCSR that Windows x64 gives a new thread: all exceptions masked, x87 precision 53 bits.
const FPU_CONTROL: u64 = 0x27f;
const MXCSR: u64 = 0x1f80;

/// Writes the CPU's own pages and starts the engine into ring 3. It stops at address 0, where nothing is
/// mapped: that is the end of the way in.
pub(super) fn enter_ring_3(engine: &Engine, ram: &mut Ram) -> Result<(), String> {
    for (selector, descriptor) in GDT {
        ram.write_private(0, *selector, &descriptor.to_le_bytes());
    }
    let frame = [0, USER_CODE, USER_FLAGS, 0, USER_DATA].map(u64::to_le_bytes).concat();
    let stack = FRAME - frame.len();
    ram.write_private(1, 0, ENTER);
    ram.write_private(1, stack, &frame);
    let gdtr = uc_x86_mmr { selector: 0, base: TABLES, limit: GDT_LIMIT, flags: 0 };
    engine.write_struct(R::GDTR as c_int, &gdtr).map_err(|e| format!("GDTR: {e:?}"))?;
    engine.write(&[R::RSP as c_int], &[CODE + stack as u64]);
    let result = engine.start(CODE);
    let mut state = [0; 4];
    engine.read(&[R::CS as c_int, R::SS as c_int, R::RIP as c_int, R::RFLAGS as c_int], &mut state);
    let [cs, ss, rip, flags] = state;
    if result.is_ok() || [cs & 0xffff, ss & 0xffff, rip, flags & 0x3002] != [USER_CODE, USER_DATA, 0, 2] {
        return Err(format!("{result:?}, cs {cs:#x}, ss {ss:#x}, rip {rip:#x}"));
    }
    engine.write(&[R::FPCW as c_int, R::MXCSR as c_int], &[FPU_CONTROL, MXCSR]);
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
