//! Exceptions: from the fault to a vectored handler, which steps over the instruction, and on.

use guest::Arch;
use iced_x86::code_asm::*;
use trapgate::End;
use trapgate::loader::Program;

use crate::measure::{Figure, in_turns, time};
use crate::{floor, subject};

const ROUNDS: u32 = 20_000;
/// `EXCEPTION_POINTERS.ContextRecord`, and `CONTEXT.Rip`.
const CONTEXT: i32 = 8;
const RIP: i32 = 0xf8;

/// A loop around `ud2`, with a handler that steps over it.
fn program(add_handler: u64) -> Result<Vec<u8>, iced_x86::IcedError> {
    let mut a = CodeAssembler::new(64)?;
    let [mut handler, mut top] = std::array::from_fn(|_| a.create_label());
    a.push(rbx)?;
    a.sub(rsp, 0x20)?;
    a.mov(ecx, 1)?;
    a.lea(rdx, qword_ptr(handler))?;
    a.mov(rax, add_handler)?;
    a.call(rax)?;
    a.mov(ebx, ROUNDS)?;
    a.set_label(&mut top)?;
    a.ud2()?;
    a.dec(ebx)?;
    a.jnz(top)?;
    a.add(rsp, 0x20)?;
    a.pop(rbx)?;
    a.xor(eax, eax)?;
    a.ret()?;
    a.set_label(&mut handler)?;
    a.mov(rax, qword_ptr(rcx + CONTEXT))?;
    a.add(qword_ptr(rax + RIP), 2)?;
    a.mov(eax, -1)?;
    a.ret()?;
    a.assemble(crate::code::BASE)
}

/// Round trips per second, beside raw Unicorn's fault and a new start behind it.
pub fn round_trips() -> Figure {
    let empty = subject::machine(Program::Raw(Arch::X64, vec![0xc3]));
    let ntdll = empty.modules().by_name("ntdll.dll", Arch::X64);
    let add = ntdll.and_then(|m| m.symbol("RtlAddVectoredExceptionHandler")).expect("an export");
    let code = program(add).expect("code");
    let rate = |act: &mut dyn FnMut()| f64::from(ROUNDS) / time(act).as_secs_f64();
    let figure = || {
        let mut machine = subject::machine(Program::Raw(Arch::X64, code.clone()));
        rate(&mut || assert!(matches!(machine.run().expect("no engine failure"), End::Exit(_))))
    };
    let (value, floor) = in_turns(figure, || rate(&mut || floor::faults(ROUNDS)));
    Figure {
        name: "exception round trip (ud2, vectored handler, continue)".into(),
        unit: "exceptions/s",
        value,
        floor: Some(floor),
        target: None,
    }
}
