//! Raw Unicorn, as its own crate gives it: the floor.

use guest::convention::Gate;
use guest::mem::Width;
use unicorn_engine::{Arch, Mode, Prot, RegisterX86, TlbEntry, TlbType, Unicorn, X86Insn};

use crate::code::BASE;

const STACK: u64 = 0x2000_0000;
const MIB: u64 = 0x10_0000;

fn engine(mode: Mode) -> Unicorn<'static, u64> {
    let mut uc = Unicorn::new_with_data(Arch::X86, mode, 0).expect("an engine");
    // The virtual TLB, because it is the faster of the two kinds.
    uc.ctl_set_tlb_type(TlbType::VIRTUAL).expect("a virtual TLB");
    uc.add_tlb_hook(1, 0, |_, va, _| Some(TlbEntry { paddr: va, perms: Prot::ALL })).expect("a hook");
    uc.ctl_exits_enable().expect("exits");
    uc
}

/// What a hook on a system call does at least: six registers read, RAX written. A 32-bit call's argument comes from
/// memory.
fn answer(uc: &mut Unicorn<'_, u64>, width: Width) {
    let mut sum = 0u64;
    let registers: &[RegisterX86] = match width {
        Width::W64 => {
            &[RegisterX86::RAX, RegisterX86::R10, RegisterX86::RDX, RegisterX86::R8, RegisterX86::R9, RegisterX86::RSP]
        }
        Width::W32 => &[
            RegisterX86::EAX,
            RegisterX86::EBX,
            RegisterX86::ECX,
            RegisterX86::EDX,
            RegisterX86::ESP,
            RegisterX86::EBP,
        ],
    };
    for reg in registers {
        sum = sum.wrapping_add(uc.reg_read(*reg).unwrap_or(0));
    }
    std::hint::black_box(sum);
    let _ = uc.reg_write(if width == Width::W64 { RegisterX86::RAX } else { RegisterX86::EAX }, 0);
    *uc.get_data_mut() += 1;
}

/// Runs code that ends in `ret`, answering each call through a gate with 0; the number of calls.
pub fn calls(gate: Gate, code: &[u8]) -> u64 {
    let width = gate.width();
    let mut uc = engine(if width == Width::W64 { Mode::MODE_64 } else { Mode::MODE_32 });
    uc.mem_map(BASE, MIB, Prot::ALL).expect("memory");
    uc.mem_map(STACK, MIB, Prot::ALL).expect("memory");
    uc.mem_write(BASE, code).expect("code");
    let end = BASE + MIB - 0x1000;
    uc.mem_write(STACK + 0x8000, &end.to_le_bytes()).expect("a return address");
    let stack = if width == Width::W64 { RegisterX86::RSP } else { RegisterX86::ESP };
    uc.reg_write(stack, STACK + 0x8000).expect("a register");
    uc.ctl_set_exits(&[end]).expect("an exit");
    match gate {
        Gate::Syscall => uc.add_insn_sys_hook(X86Insn::SYSCALL, 1, 0, move |uc| answer(uc, width)),
        Gate::Sysenter => uc.add_insn_sys_hook(X86Insn::SYSENTER, 1, 0, move |uc| answer(uc, width)),
        Gate::Int2e | Gate::Int2e32 => uc.add_intr_hook(move |uc, _| answer(uc, width)),
    }
    .expect("a hook");
    uc.emu_start(BASE, 0, 0, 0).expect("the code runs to its end");
    *uc.get_data()
}

/// Runs a loop around `ud2`, each time from behind it on.
pub fn faults(rounds: u32) {
    let mut uc = engine(Mode::MODE_64);
    uc.mem_map(BASE, MIB, Prot::ALL).expect("memory");
    // ud2; dec ebx; jnz -6; nop
    uc.mem_write(BASE, &[0x0f, 0x0b, 0xff, 0xcb, 0x75, 0xfa, 0x90]).expect("code");
    uc.reg_write(RegisterX86::RBX, rounds.into()).expect("a register");
    uc.ctl_set_exits(&[BASE + 6]).expect("an exit");
    let mut at = BASE;
    while uc.emu_start(at, 0, 0, 0).is_err() {
        at = uc.reg_read(RegisterX86::RIP).expect("a register") + 2;
    }
}

/// An engine with memory that has run one instruction.
pub fn creation() {
    let mut uc = engine(Mode::MODE_64);
    uc.mem_map(0, 512 * MIB, Prot::ALL).expect("memory");
    uc.mem_write(BASE, &[0x90, 0xf4]).expect("code");
    uc.ctl_set_exits(&[BASE + 1]).expect("an exit");
    uc.emu_start(BASE, 0, 0, 0).expect("one instruction");
}
