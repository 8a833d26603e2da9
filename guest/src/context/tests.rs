use super::*;
use crate::NtStatus;
use crate::mem::Width;

const HIGHEST: u64 = 0x7fff_ffff_ffff - 0x1_0000;

fn some_state() -> UserState {
    let mut state = UserState::default();
    for (i, reg) in Reg::ALL.iter().enumerate() {
        state.file.set(*reg, 0x1111_0000 + i as u64);
    }
    state.file.set(Reg::Rflags, 0x246);
    for (i, xmm) in state.file.xmm.iter_mut().enumerate() {
        *xmm = [i as u64, 0x100 + i as u64];
    }
    // Two numbers on the stack of the x87: R6 and R7, so that R6 is ST(0).
    state.x87 = [0x27f, 6 << 11, 0x0fff];
    state.st[6] = [0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f];
    state.st[7] = [0, 0, 0, 0, 0, 0, 0, 0xc0, 0x00, 0x40];
    state
}

#[test]
fn a_context_gives_back_what_it_was_made_of() {
    for arch in [Arch::X64, Arch::X86] {
        let layout = ContextLayout::new(arch);
        let parts = if arch == Arch::X64 { Parts::ALL } else { Parts::ALL | Parts::EXTENDED_REGISTERS };
        let mut before = some_state();
        before.debug = [0x1000, 0x2000, 0, 0, 1, 0x0001_0055];
        let bytes = layout.encode(&before, parts);
        assert_eq!(bytes.len(), layout.size());
        assert_eq!(layout.parts(&bytes), Some(parts));
        let mut after = UserState::default();
        layout.apply(&bytes, parts, arch, HIGHEST, &mut after);
        let registers: &[Reg] = match arch {
            Arch::X64 => Reg::ALL,
            Arch::X86 => &[Reg::Rax, Reg::Rbp, Reg::Rdi, Reg::Rip, Reg::Rsp, Reg::Rflags],
        };
        registers.iter().for_each(|reg| assert_eq!(after.file.get(*reg), before.file.get(*reg), "{}", reg.name()));
        assert_eq!(
            (after.x87, after.st, after.mxcsr, after.debug),
            (before.x87, before.st, before.mxcsr, before.debug)
        );
        assert_eq!(after.file.xmm[7], before.file.xmm[7]);
    }
}

/// winnt.h: `FltSave.FloatRegisters[0]` is ST(0), at 120h of a 64-bit context; `FloatSave.RegisterArea` begins at 38h of
/// a 32-bit one.
#[test]
fn x87_registers_are_in_stack_order() {
    let state = some_state();
    let wide = ContextLayout::new(Arch::X64).encode(&state, Parts::FLOATING_POINT);
    assert_eq!(wide[0x120..0x12a], state.st[6]);
    assert_eq!(wide[0x104], 0xc0, "the short tags");
    let narrow = ContextLayout::new(Arch::X86).encode(&state, Parts::FLOATING_POINT);
    assert_eq!(narrow[0x38..0x42], state.st[6]);
}

#[test]
fn what_user_mode_cannot_have_is_taken_out() {
    let layout = ContextLayout::new(Arch::X64);
    let mut bytes = layout.encode(&some_state(), Parts::ALL);
    put(&mut bytes, FLAGS_64, 4, 0xffff_ffff);
    put(&mut bytes, SEGMENTS_64, 2, 0x10);
    put(&mut bytes, DEBUG_64, 8, 0xffff_8000_0000_0000);
    put(&mut bytes, DEBUG_64 + 40, 8, u64::MAX);
    let mut state = UserState::default();
    layout.apply(&bytes, Parts::ALL, Arch::X64, HIGHEST, &mut state);
    assert_eq!(state.file.get(Reg::Rflags), USER_FLAGS | FIXED_FLAGS);
    assert_eq!(state.segments.cs, CODE_64);
    assert_eq!([state.debug[0], state.debug[5]], [0, DR7_MASK]);
}

#[test]
fn records_of_both_widths() {
    let record = ExceptionRecord::new(NtStatus::ACCESS_VIOLATION, 0x40_1000, vec![1, 0x10]);
    for (width, size, information) in [(Width::W64, 0x98, 0x20), (Width::W32, 0x50, 0x14)] {
        let bytes = record.encode(width);
        assert_eq!((bytes.len(), bytes[information]), (size, 1));
        assert_eq!(ExceptionRecord::decode(&bytes, width), Some(record.clone()));
    }
    let mut wild = record.encode(Width::W64);
    wild[0x18] = 16;
    assert_eq!(ExceptionRecord::decode(&wild, Width::W64), None);
}
