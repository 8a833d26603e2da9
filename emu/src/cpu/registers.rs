//! Registers by name, and the ones a system call reads and writes.

use std::ffi::c_int;

use guest::convention::{Gate, ReturnRegs, TrapRegs};
use guest::mem::Width;
use iced_x86::Register;
use unicorn_engine::RegisterX86 as R;

use super::boot;
use super::ffi::Engine;

pub use guest::registers::{Reg, RegisterFile, Segments, UserState};

const IDS: [c_int; Reg::ALL.len()] = [
    R::RAX as c_int,
    R::RBX as c_int,
    R::RCX as c_int,
    R::RDX as c_int,
    R::RSI as c_int,
    R::RDI as c_int,
    R::RBP as c_int,
    R::RSP as c_int,
    R::R8 as c_int,
    R::R9 as c_int,
    R::R10 as c_int,
    R::R11 as c_int,
    R::R12 as c_int,
    R::R13 as c_int,
    R::R14 as c_int,
    R::R15 as c_int,
    R::RIP as c_int,
    R::RFLAGS as c_int,
];

const XMM: [c_int; 16] = [
    R::XMM0 as c_int,
    R::XMM1 as c_int,
    R::XMM2 as c_int,
    R::XMM3 as c_int,
    R::XMM4 as c_int,
    R::XMM5 as c_int,
    R::XMM6 as c_int,
    R::XMM7 as c_int,
    R::XMM8 as c_int,
    R::XMM9 as c_int,
    R::XMM10 as c_int,
    R::XMM11 as c_int,
    R::XMM12 as c_int,
    R::XMM13 as c_int,
    R::XMM14 as c_int,
    R::XMM15 as c_int,
];

/// Reads every register of a file.
pub(super) fn read(engine: &Engine) -> RegisterFile {
    let mut file = read_general(engine);
    engine.read_wide(&XMM, &mut file.xmm);
    file
}

/// Writes every register of a file.
pub(super) fn write(engine: &Engine, file: &RegisterFile) {
    engine.write(&IDS, &file.values);
    engine.write_wide(&XMM, &file.xmm);
}

const SEGMENTS: [c_int; 6] =
    [R::CS as c_int, R::SS as c_int, R::DS as c_int, R::ES as c_int, R::FS as c_int, R::GS as c_int];
const FLOATING: [c_int; 4] = [R::MXCSR as c_int, R::FPCW as c_int, R::FPSW as c_int, R::FPTAG as c_int];
const X87: [c_int; 8] = [
    R::FP0 as c_int,
    R::FP1 as c_int,
    R::FP2 as c_int,
    R::FP3 as c_int,
    R::FP4 as c_int,
    R::FP5 as c_int,
    R::FP6 as c_int,
    R::FP7 as c_int,
];

/// Reads all that user code has, but the debug registers.
pub(super) fn read_state(engine: &Engine) -> UserState {
    let mut selectors = [0; 6];
    engine.read(&SEGMENTS, &mut selectors);
    let [cs, ss, ds, es, fs, gs] = selectors.map(|v| v as u16);
    let mut floating = [0; 4];
    engine.read(&FLOATING, &mut floating);
    let [mxcsr, control, status, tag] = floating;
    // An 80-bit register is told as ten bytes.
    let mut x87 = [[0; 2]; 8];
    engine.read_wide(&X87, &mut x87);
    let st = x87.map(|[low, high]| {
        let bytes = [low.to_le_bytes(), high.to_le_bytes()];
        std::array::from_fn(|i| bytes.as_flattened().get(i).copied().unwrap_or(0))
    });
    UserState {
        file: read(engine),
        segments: Segments { cs, ss, ds, es, fs, gs },
        mxcsr: mxcsr as u32,
        x87: [control as u16, status as u16, tag as u16],
        st,
        debug: [0; 6],
    }
}

/// Writes all that user code has, but selectors and the debug registers.
pub(super) fn write_state(engine: &Engine, state: &UserState) {
    let [control, status, tag] = state.x87.map(u64::from);
    engine.write(&FLOATING, &[state.mxcsr.into(), control, status, tag]);
    let word = |st: &[u8; 10], at: usize| {
        let bytes: [u8; 8] = std::array::from_fn(|i| st.get(at + i).copied().unwrap_or(0));
        u64::from_le_bytes(bytes)
    };
    engine.write_wide(&X87, &state.st.map(|st| [word(&st, 0), word(&st, 8)]));
    write(engine, &state.file);
}

/// The general registers without XMM, for the instruction trace.
pub(super) fn read_general(engine: &Engine) -> RegisterFile {
    let mut file = RegisterFile::default();
    engine.read(&IDS, &mut file.values);
    file
}

/// 64 or 32: how the code that runs is decoded.
pub(super) fn bits(engine: &Engine) -> u32 {
    mode(engine).0
}

/// CS.
pub(super) fn code_selector(engine: &Engine) -> u16 {
    let mut v = [0];
    engine.read(&[R::CS as c_int], &mut v);
    v[0] as u16
}

/// How the code that runs is decoded, 64 or 32, and its ring. Any code segment but the two 64-bit ones is a 32-bit one.
pub(super) fn mode(engine: &Engine) -> (u32, u8) {
    let cs = u64::from(code_selector(engine));
    (if boot::CODE_64.contains(&cs) { 64 } else { 32 }, cs as u8 & 3)
}

/// CS, RSP and SS.
pub(super) fn segments_and_stack(engine: &Engine) -> (u16, u64, u16) {
    let mut v = [0; 3];
    engine.read(&[R::CS as c_int, R::RSP as c_int, R::SS as c_int], &mut v);
    (v[0] as u16, v[1], v[2] as u16)
}

/// RFLAGS, and CS, RSP and SS: what an interrupt pushes beside RIP.
pub(super) fn flags_and_stack(engine: &Engine) -> (u64, (u16, u64, u16)) {
    let mut v = [0; 4];
    engine.read(&[R::RFLAGS as c_int, R::CS as c_int, R::RSP as c_int, R::SS as c_int], &mut v);
    (v[0], (v[1] as u16, v[2], v[3] as u16))
}

/// RFLAGS.
pub(super) fn flags(engine: &Engine) -> u64 {
    let mut v = [0];
    engine.read(&[R::RFLAGS as c_int], &mut v);
    v[0]
}

/// What every trap reads: the number, the first argument and what the return needs. RIP is known to the caller.
#[inline]
pub(super) fn read_trap(engine: &Engine, gate: Gate, rip: u64) -> TrapRegs {
    if gate.width() == Width::W32 {
        const TRAP: [c_int; 4] = [R::RAX as c_int, R::RDX as c_int, R::RSP as c_int, R::RFLAGS as c_int];
        let mut v = [0; 4];
        engine.read(&TRAP, &mut v);
        let [rax, rdx, rsp, rflags] = v;
        return TrapRegs { rax, rdx, rsp, rflags, rip, ..TrapRegs::default() };
    }
    const TRAP: [c_int; 5] = [R::RAX as c_int, R::R10 as c_int, R::RSP as c_int, R::RBP as c_int, R::RFLAGS as c_int];
    let mut v = [0; 5];
    engine.read(&TRAP, &mut v);
    let [rax, r10, rsp, rbp, rflags] = v;
    TrapRegs { rax, r10, rsp, rbp, rflags, rip, ..TrapRegs::default() }
}

/// The second to fourth argument.
#[inline]
pub(super) fn read_arguments(engine: &Engine, regs: &mut TrapRegs) {
    let mut v = [0; 3];
    engine.read(&[R::RDX as c_int, R::R8 as c_int, R::R9 as c_int], &mut v);
    [regs.rdx, regs.r8, regs.r9] = v;
}

/// What a return writes. `next`: where the program would go on, and what the engine adds to RIP after the hook
/// that this is called from; `None`: the engine stands still after the trap.
#[inline]
pub(super) fn write_return(engine: &Engine, regs: &ReturnRegs, next: Option<(u64, u64)>) {
    match *regs {
        ReturnRegs::Sysret { rax, rcx, rdx, r8, r9, r10, r11 } => {
            write_sysret(engine, &[rax, rcx, rdx, r8, r9, r10, r11]);
        }
        _ => write_32_bit_return(engine, regs, next),
    }
}

fn write_32_bit_return(engine: &Engine, regs: &ReturnRegs, next: Option<(u64, u64)>) {
    match *regs {
        ReturnRegs::Sysret { .. } => {}
        ReturnRegs::Sysexit { eax, ecx, edx } => {
            let values = [eax, ecx, edx, ecx].map(u64::from);
            engine.write(&[R::RAX as c_int, R::RCX as c_int, R::RDX as c_int, R::RSP as c_int], &values);
            write_data_segments(engine);
            let (goes_to, after) = next.unwrap_or((u64::MAX, 0));
            if goes_to != u64::from(edx) {
                engine.write(&[R::RIP as c_int], &[u64::from(edx).wrapping_sub(after)]);
            }
        }
        ReturnRegs::Iret { eax, ecx, edx } => {
            let ids = [R::RAX as c_int, R::RCX as c_int, R::RDX as c_int];
            engine.write(&ids, &[eax, ecx, edx].map(u64::from));
        }
    }
}

/// KiFastCallEntry loads DS and ES with the user's data selector, and nothing puts back what they were.
fn write_data_segments(engine: &Engine) {
    const DATA: u64 = 0x23;
    let ids = [R::DS as c_int, R::ES as c_int];
    let mut v = [0; 2];
    engine.read(&ids, &mut v);
    if v.map(|selector| selector & 0xffff) != [DATA; 2] {
        engine.write(&ids, &[DATA; 2]);
    }
}

/// XMM0-5, which a return from a system call clears.
pub(super) const VOLATILE_XMM: [c_int; 6] = [XMM[0], XMM[1], XMM[2], XMM[3], XMM[4], XMM[5]];

/// They become zero.
#[inline]
pub(super) fn clear_xmm(engine: &Engine) {
    static ZERO: [u64; 2] = [0; 2];
    engine.write_and_clear::<0, 6>(&VOLATILE_XMM, &[], &ZERO);
}

/// Seven registers, and XMM0-5 zero.
#[inline]
fn write_sysret(engine: &Engine, values: &[u64; 7]) {
    const RETURN: [c_int; 13] = [
        R::RAX as c_int,
        R::RCX as c_int,
        R::RDX as c_int,
        R::R8 as c_int,
        R::R9 as c_int,
        R::R10 as c_int,
        R::R11 as c_int,
        R::XMM0 as c_int,
        R::XMM1 as c_int,
        R::XMM2 as c_int,
        R::XMM3 as c_int,
        R::XMM4 as c_int,
        R::XMM5 as c_int,
    ];
    static ZERO: [u64; 2] = [0; 2];
    engine.write_and_clear(&RETURN, values, &ZERO);
}

/// RIP.
pub(super) fn rip(engine: &Engine) -> u64 {
    let mut v = [0];
    engine.read(&[R::RIP as c_int], &mut v);
    v[0]
}

/// Register values by iced's names, with the bases of segments in place of selectors: what an address is made
/// of. Registers that no 64-bit address is made of are `None`.
pub(super) fn by_iced(engine: &Engine) -> impl Fn(Register) -> Option<u64> + use<> {
    let file = read_general(engine);
    let mut bases = [0; 2];
    engine.read(&[R::FS_BASE as c_int, R::GS_BASE as c_int], &mut bases);
    let [fs, gs] = bases;
    move |register| match register {
        Register::FS => Some(fs),
        Register::GS => Some(gs),
        Register::ES | Register::CS | Register::SS | Register::DS => Some(0),
        _ => {
            let full = register.full_register();
            let name = format!("{full:?}").to_lowercase();
            let value = file.iter().find(|(reg, _)| reg.name() == name).map(|(_, value)| value)?;
            let mask = if register.size() >= 8 { u64::MAX } else { (1 << (8 * register.size())) - 1 };
            Some(value & mask)
        }
    }
}
