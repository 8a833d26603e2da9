//! The CPU: exits, rings, counting, code that changes.

use guest::convention::{Gate, ReturnRules};
use guest::mem::Access;
use guest::{Fault, FaultKind};
use kernel_model::mm::{Frame, Phys};
use trapgate::cpu::{Client, Cpu, Exit, Flow, Options, Page, Ram, Reg, RegisterFile, Trap};

const CODE: u64 = 0x1_0000;
const DATA: u64 = 0x2_0000;
const READ_ONLY: u64 = 0x3_0000;

/// A machine of three pages: code (writable), data, and a read-only one. Calls are answered with their number.
struct Flat {
    ram: Ram,
    calls: Vec<(Gate, u32)>,
    resume: bool,
}

fn frame_of(va: u64) -> Option<(Frame, bool)> {
    match va & !0xfff {
        CODE => Some((Frame(1), true)),
        DATA => Some((Frame(2), true)),
        READ_ONLY => Some((Frame(3), false)),
        _ => None,
    }
}

impl Client for Flat {
    fn translate(&mut self, va: u64, access: Access) -> Result<Page, Fault> {
        let (frame, write) = frame_of(va).ok_or(Fault { va, access, kind: FaultKind::NotMapped })?;
        if access == Access::Write && !write {
            return Err(Fault { va, access, kind: FaultKind::Protection });
        }
        Ok(Page { physical: u64::from(frame.0) << 12, read: true, write, execute: va & !0xfff == CODE })
    }
    fn code(&mut self, va: u64, buf: &mut [u8]) -> usize {
        let Some((frame, _)) = frame_of(va) else { return 0 };
        self.ram.read(frame, (va & 0xfff) as usize, buf);
        buf.len()
    }
    fn trap(&mut self, gate: Gate, trap: &mut Trap<'_>) -> Flow {
        self.calls.push((gate, trap.regs.number()));
        if !self.resume {
            return Flow::Stop;
        }
        let rules = ReturnRules { r9_is_rbp: true, sysexit_to: trap.regs.rip as u32 };
        trap.finish(&trap.regs.on_return(gate, 0x1234, rules));
        Flow::Resume
    }
}

fn machine(code: &[u8]) -> (Cpu, Flat) {
    let mut ram = Ram::new(16).expect("memory");
    ram.write(Frame(1), 0, code);
    let mut cpu = Cpu::new(&mut ram, Options::default()).expect("a CPU");
    let mut regs = RegisterFile::default();
    regs.set(Reg::Rip, CODE);
    regs.set(Reg::Rsp, DATA + 0x800);
    regs.set(Reg::Rflags, 0x202);
    cpu.set_registers(&regs);
    (cpu, Flat { ram, calls: Vec::new(), resume: true })
}

/// Runs to the first exit: it, RIP relative to the code, instructions retired.
fn run(code: &[u8]) -> (Exit, u64, u64) {
    let (mut cpu, mut flat) = machine(code);
    let exit = cpu.run(&mut flat, 1_000_000).expect("no engine failure");
    (exit, cpu.registers().get(Reg::Rip).wrapping_sub(CODE), cpu.retired())
}

#[test]
fn privileged_instructions_fault_in_ring_3() {
    for (name, code) in
        [("hlt", &[0xf4][..]), ("cli", &[0xfa]), ("mov cr3,rax", &[0x0f, 0x22, 0xd8]), ("rdmsr", &[0x0f, 0x32])]
    {
        let nop_first = [&[0x90], code].concat();
        assert_eq!(run(&nop_first), (Exit::Exception(13), 1, 1), "{name}");
    }
}

#[test]
fn interrupts_and_exceptions_are_told_apart() {
    // int 0Dh is an interrupt whose number is that of #GP.
    assert_eq!(run(&[0x90, 0xcd, 0x0d]), (Exit::Interrupt(0x0d), 3, 2));
    assert_eq!(run(&[0xcc]), (Exit::Interrupt(3), 1, 1));
    assert_eq!(run(&[0xcd, 0x29]), (Exit::Interrupt(0x29), 2, 1));
    // xor ecx,ecx; div ecx
    assert_eq!(run(&[0x31, 0xc9, 0xf7, 0xf1]), (Exit::Exception(0), 2, 1));
    assert_eq!(run(&[0x90, 0x0f, 0x0b]), (Exit::InvalidInstruction, 1, 1));
    assert_eq!(run(&[0x0f, 0x34]), (Exit::Sysenter, 2, 1));
}

#[test]
fn the_same_exception_arrives_again_and_again() {
    let (mut cpu, mut flat) = machine(&[0x31, 0xc9, 0xf7, 0xf1]);
    for _ in 0..10 {
        assert_eq!(cpu.run(&mut flat, 1000).expect("no engine failure"), Exit::Exception(0));
        assert_eq!(cpu.registers().get(Reg::Rip), CODE + 2);
    }
}

#[test]
fn memory_faults_are_exact() {
    // nop; mov eax,[5]
    let (exit, rip, retired) = run(&[0x90, 0x8b, 0x04, 0x25, 5, 0, 0, 0]);
    assert_eq!(exit, Exit::Memory(Fault { va: 5, access: Access::Read, kind: FaultKind::NotMapped }));
    assert_eq!((rip, retired), (1, 1));
    // mov byte [READ_ONLY+8],1
    let (exit, _, _) = run(&[0xc6, 0x04, 0x25, 8, 0, 3, 0, 1]);
    assert_eq!(exit, Exit::Memory(Fault { va: READ_ONLY + 8, access: Access::Write, kind: FaultKind::Protection }));
    // jmp to data, which cannot be executed: push 20000h; ret
    let (exit, rip, _) = run(&[0x68, 0, 0, 2, 0, 0xc3]);
    assert!(matches!(exit, Exit::Memory(Fault { va: DATA, access: Access::Execute, .. })), "{exit:?}");
    assert_eq!(rip, DATA - CODE);
}

#[test]
fn a_store_that_straddles_into_a_bad_page_changes_nothing() {
    // mov qword [DATA+0FFCh],rax with rax = -1
    let (mut cpu, mut flat) = machine(&[0x48, 0x83, 0xc8, 0xff, 0x48, 0x89, 0x04, 0x25, 0xfc, 0x0f, 2, 0]);
    let exit = cpu.run(&mut flat, 1000).expect("no engine failure");
    assert!(matches!(exit, Exit::Memory(Fault { access: Access::Write, .. })), "{exit:?}");
    let mut end = [1; 4];
    flat.ram.read(Frame(2), 0xffc, &mut end);
    assert_eq!(end, [0; 4]);
}

#[test]
fn both_gates_return_after_the_instruction() {
    for (gate, bytes) in [(Gate::Syscall, [0x0f, 0x05]), (Gate::Int2e, [0xcd, 0x2e])] {
        // mov eax,55h; <gate>; hlt
        let code = [&[0xb8, 0x55, 0, 0, 0][..], &bytes, &[0xf4]].concat();
        let (mut cpu, mut flat) = machine(&code);
        assert_eq!(cpu.run(&mut flat, 1000).expect("no engine failure"), Exit::Exception(13));
        assert_eq!(flat.calls, [(gate, 0x55)]);
        let regs = cpu.registers();
        assert_eq!((regs.get(Reg::Rax), regs.get(Reg::Rip), regs.get(Reg::Rcx)), (0x1234, CODE + 7, CODE + 7));
        // The same, with the call finished outside the engine.
        let (mut cpu, mut flat) = machine(&code);
        flat.resume = false;
        let exit = cpu.run(&mut flat, 1000).expect("no engine failure");
        assert_eq!(exit, if gate == Gate::Syscall { Exit::Syscall } else { Exit::Interrupt(0x2e) });
        assert_eq!((cpu.registers().get(Reg::Rip), cpu.retired()), (CODE + 7, 2));
        assert_eq!(cpu.run(&mut flat, 1000).expect("no engine failure"), Exit::Exception(13));
    }
}

#[test]
fn a_return_clears_xmm0_to_5_and_nothing_else() {
    let (mut cpu, mut flat) = machine(&[0x0f, 0x05, 0xf4]);
    let mut before = RegisterFile::default();
    for (i, (reg, _)) in RegisterFile::default().iter().enumerate() {
        before.set(reg, 0x1111_1111_1111_0000 + i as u64);
    }
    before.xmm = std::array::from_fn(|i| [i as u64 + 1, !(i as u64)]);
    before.set(Reg::Rip, CODE);
    before.set(Reg::Rflags, 0x202 | 0xc5);
    cpu.set_registers(&before);
    cpu.run(&mut flat, 1000).expect("no engine failure");
    let after = cpu.registers();
    let mut expected = before;
    for (reg, value) in [
        (Reg::Rax, 0x1234),
        (Reg::Rcx, CODE + 2),
        (Reg::Rdx, 0),
        (Reg::R8, before.get(Reg::Rsp)),
        (Reg::R9, before.get(Reg::Rbp)),
        (Reg::R10, 0),
        (Reg::R11, before.get(Reg::Rflags)),
        (Reg::Rip, CODE + 2),
    ] {
        expected.set(reg, value);
    }
    expected.xmm[..6].fill([0; 2]);
    assert_eq!(after, expected);
}

#[test]
fn repeated_string_instructions_count_once() {
    // mov ecx,100; mov edi,DATA; rep stosb; hlt
    let code = [0xb9, 100, 0, 0, 0, 0xbf, 0, 0, 2, 0, 0xf3, 0xaa, 0xf4];
    assert_eq!(run(&code), (Exit::Exception(13), 12, 3));
    // The same with nothing to repeat, twice over, in a loop of three.
    // mov edx,3; L: xor ecx,ecx; mov edi,DATA; rep stosb; mov ecx,5; rep stosb; dec edx; jnz L; hlt
    let code = [
        0xba, 3, 0, 0, 0, 0x31, 0xc9, 0xbf, 0, 0, 2, 0, 0xf3, 0xaa, 0xb9, 5, 0, 0, 0, 0xf3, 0xaa, 0xff, 0xca, 0x75,
        0xec, 0xf4,
    ];
    assert_eq!(run(&code), (Exit::Exception(13), 25, 1 + 3 * 7));
}

#[test]
fn a_budget_ends_at_its_instruction() {
    // L: inc eax; inc ebx; inc ecx; inc edx; jmp L
    let code = [0xff, 0xc0, 0xff, 0xc3, 0xff, 0xc1, 0xff, 0xc2, 0xeb, 0xf6];
    for budget in [1, 2, 5, 6, 7, 103, 1000, 1001, 1004] {
        let (mut cpu, mut flat) = machine(&code);
        assert_eq!(cpu.run(&mut flat, budget).expect("no engine failure"), Exit::Budget);
        let regs = cpu.registers();
        let expected = |nth: u64| budget / 5 + u64::from(budget % 5 > nth);
        assert_eq!((cpu.retired(), regs.get(Reg::Rip) - CODE), (budget, 2 * (budget % 5)), "{budget}");
        assert_eq!((regs.get(Reg::Rax), regs.get(Reg::Rdx)), (expected(0), expected(3)), "{budget}");
        // It goes on from there as if nothing had happened.
        assert_eq!(cpu.run(&mut flat, budget + 12).expect("no engine failure"), Exit::Budget);
        assert_eq!(cpu.retired(), budget + 12);
    }
}

#[test]
fn vex_coded_instructions_are_invalid() {
    // nop; vxorps xmm0,xmm0,xmm0
    assert_eq!(run(&[0x90, 0xc5, 0xf8, 0x57, 0xc0]), (Exit::InvalidInstruction, 1, 1));
    assert_eq!(run(&[0xc5, 0xf8, 0x57, 0xc0]), (Exit::InvalidInstruction, 0, 0));
    // One that is jumped over does not matter: jmp +4; vxorps; hlt
    assert_eq!(run(&[0xeb, 4, 0xc5, 0xf8, 0x57, 0xc0, 0xf4]), (Exit::Exception(13), 6, 1));
}

/// The engine would read the host's memory here; the comparison counts as one instruction like any other.
#[test]
fn a_string_comparison_of_absurd_length() {
    // mov eax,80000000h; mov edx,eax; pcmpestri xmm0,xmm1,0Ch; hlt
    let code = [0xb8, 0, 0, 0, 0x80, 0x89, 0xc2, 0x66, 0x0f, 0x3a, 0x61, 0xc1, 0x0c, 0xf4];
    assert_eq!(run(&code), (Exit::Exception(13), 13, 3));
    // A budget may end right before it, and right behind it.
    for budget in [2, 3] {
        let (mut cpu, mut flat) = machine(&code);
        assert_eq!(cpu.run(&mut flat, budget).expect("no engine failure"), Exit::Budget);
        assert_eq!(cpu.registers().get(Reg::Rip) - CODE, [7, 13][budget as usize - 2]);
    }
}

#[test]
fn code_that_is_written_is_seen_again() {
    // mov edx,2; L: mov eax,1; mov byte [CODE+6],7 (the immediate above); dec edx; jnz L; hlt
    let code = [0xba, 2, 0, 0, 0, 0xb8, 1, 0, 0, 0, 0xc6, 0x04, 0x25, 6, 0, 1, 0, 7, 0xff, 0xca, 0x75, 0xef, 0xf4];
    let (mut cpu, mut flat) = machine(&code);
    assert_eq!(cpu.run(&mut flat, 1000).expect("no engine failure"), Exit::Exception(13));
    assert_eq!((cpu.registers().get(Reg::Rax), cpu.retired()), (7, 1 + 2 * 4));
    // Two instructions become one of the same length: the count follows.
    // mov edx,2; L: nop; nop; mov word [L],C089h (mov eax,eax); dec edx; jnz L; hlt
    let code =
        [0xba, 2, 0, 0, 0, 0x90, 0x90, 0x66, 0xc7, 0x04, 0x25, 5, 0, 1, 0, 0x89, 0xc0, 0xff, 0xca, 0x75, 0xf0, 0xf4];
    assert_eq!(run(&code), (Exit::Exception(13), 21, 1 + 5 + 4));
}

#[test]
fn the_host_can_change_code() {
    let (mut cpu, mut flat) = machine(&[0xb8, 1, 0, 0, 0, 0xf4]);
    cpu.run(&mut flat, 1000).expect("no engine failure");
    assert_eq!(cpu.registers().get(Reg::Rax), 1);
    flat.ram.write(Frame(1), 1, &[9]);
    cpu.flush_code();
    cpu.set(Reg::Rip, CODE);
    cpu.run(&mut flat, 1000).expect("no engine failure");
    assert_eq!(cpu.registers().get(Reg::Rax), 9);
}

#[test]
fn rdtsc_counts_instructions_and_cpuid_is_the_machines() {
    // rdtsc; mov ebx,eax; nop; nop; rdtsc; sub eax,ebx; hlt
    let (mut cpu, mut flat) = machine(&[0x0f, 0x31, 0x89, 0xc3, 0x90, 0x90, 0x0f, 0x31, 0x29, 0xd8, 0xf4]);
    cpu.run(&mut flat, 1000).expect("no engine failure");
    assert_eq!(cpu.registers().get(Reg::Rax), 4);
    // mov eax,1; cpuid; hlt: SSE4.2 and no AVX, no OSXSAVE, no RDRAND
    let (mut cpu, mut flat) = machine(&[0xb8, 1, 0, 0, 0, 0x0f, 0xa2, 0xf4]);
    cpu.run(&mut flat, 1000).expect("no engine failure");
    let ecx = cpu.registers().get(Reg::Rcx);
    assert_eq!((ecx >> 20 & 1, ecx >> 28 & 1, ecx >> 27 & 1, ecx >> 30 & 1), (1, 0, 0, 0));
    // rdrand eax is then no instruction at all.
    assert_eq!(run(&[0x0f, 0xc7, 0xf0]).0, Exit::InvalidInstruction);
}

#[test]
fn selectors_can_be_loaded_but_the_descriptor_table_not_read() {
    // mov eax,2Bh; mov ds,eax; hlt
    assert_eq!(run(&[0xb8, 0x2b, 0, 0, 0, 0x8e, 0xd8, 0xf4]), (Exit::Exception(13), 7, 2));
    // mov rax,FFFFF78000001000h; mov eax,[rax]
    let code = [0x48, 0xb8, 0, 0x10, 0, 0, 0x80, 0xf7, 0xff, 0xff, 0x8b, 0x00];
    assert!(matches!(run(&code), (Exit::Memory(Fault { va: 0xffff_f780_0000_1000, .. }), 10, 1)));
}

#[test]
fn sse_and_x87_work_with_windows_control_words() {
    // movups xmm0,[DATA]; addps xmm0,xmm0; stmxcsr [DATA+20h]; fnstcw [DATA+24h]; fld1; fldz; fdivp; hlt
    let code = [
        0x0f, 0x10, 0x04, 0x25, 0, 0, 2, 0, 0x0f, 0x58, 0xc0, 0x0f, 0xae, 0x1c, 0x25, 0x20, 0, 2, 0, 0xd9, 0x3c, 0x25,
        0x24, 0, 2, 0, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0xf4,
    ];
    let (mut cpu, mut flat) = machine(&code);
    flat.ram.write(Frame(2), 0, &1.5f32.to_le_bytes());
    assert_eq!(cpu.run(&mut flat, 1000).expect("no engine failure"), Exit::Exception(13), "only hlt faults");
    assert_eq!(cpu.registers().xmm[0][0] as u32, 3.0f32.to_bits());
    let mut control = [0; 6];
    flat.ram.read(Frame(2), 0x20, &mut control);
    assert_eq!(control, [0x80, 0x1f, 0, 0, 0x7f, 0x02]);
}
