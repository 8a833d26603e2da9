//! Every gate at the CPU: what a trap shows, what a return leaves, and what is refused.

use guest::convention::{Gate, ReturnRules};
use guest::mem::Access;
use guest::{Arch, Fault, FaultKind};
use kernel_model::mm::{Frame, Phys};
use trapgate::cpu::{Client, Cpu, Exit, Flow, Options, Page, Ram, Reg, RegisterFile, Trap};

const CODE: u64 = 0x40_1000;
const STACK: u64 = 0x12_f000;
const STATUS: u32 = 0xc000_0123;
/// Where `sysexit` goes in these tests when it is not the instruction behind the trap.
const ELSEWHERE: u64 = CODE + 0x80;

/// Two pages, code and stack; each call is answered at once, in the hook or after a stop.
struct Pages {
    ram: Ram,
    rules: ReturnRules,
    stop: bool,
    seen: Vec<(Gate, u32, u64)>,
    pending: Option<guest::convention::ReturnRegs>,
}

impl Client for Pages {
    fn translate(&mut self, va: u64, access: Access) -> Result<Page, Fault> {
        let frame = match va & !0xfff {
            CODE => 1,
            STACK => 2,
            _ => return Err(Fault { va, access, kind: FaultKind::NotMapped }),
        };
        Ok(Page { physical: frame << 12, read: true, write: frame == 2, execute: frame == 1 })
    }
    fn code(&mut self, va: u64, buf: &mut [u8]) -> usize {
        if va & !0xfff != CODE {
            return 0;
        }
        let len = buf.len().min(0x1000 - (va & 0xfff) as usize);
        self.ram.read(Frame(1), (va & 0xfff) as usize, &mut buf[..len]);
        len
    }
    fn trap(&mut self, gate: Gate, trap: &mut Trap<'_>) -> Flow {
        trap.read_arguments();
        self.seen.push((gate, trap.regs.number(), trap.regs.memory_args(gate)));
        let regs = trap.regs.on_return(gate, STATUS, self.rules);
        if self.stop {
            self.pending = Some(regs);
            return Flow::Stop;
        }
        trap.finish(&regs);
        Flow::Resume
    }
}

/// A distinct value for every register, none of them what a return leaves.
fn pattern(arch: Arch) -> RegisterFile {
    let mut file = RegisterFile::default();
    for (i, &reg) in Reg::ALL.iter().enumerate() {
        let wide = 0x0b01_0203_0405_0607 * (i as u64 + 1) + 0x77;
        file.set(reg, if arch == Arch::X64 { wide } else { wide & 0x7fff_ffff });
    }
    for (i, xmm) in file.xmm.iter_mut().enumerate() {
        *xmm = [0xaaaa_0000 + i as u64, 0xbbbb_0000 + i as u64];
    }
    // CF PF AF ZF SF OF, and DF: every flag a user can set but the trap flag.
    file.set(Reg::Rflags, 0xed7);
    file.set(Reg::Rsp, STACK + 0x800);
    file.set(Reg::Rip, CODE);
    file
}

struct Outcome {
    exit: Exit,
    before: RegisterFile,
    after: RegisterFile,
    seen: Vec<(Gate, u32, u64)>,
    retired: u64,
}

fn run(arch: Arch, code: &[u8], stop: bool, sysexit_to: u64, set: &[(Reg, u64)]) -> Outcome {
    let mut ram = Ram::new(16).expect("memory");
    // What lies behind the code stops the run: hlt is refused in ring 3.
    let mut page = vec![0xf4; 0x1000];
    page[..code.len()].copy_from_slice(code);
    ram.write(Frame(1), 0, &page);
    let mut cpu =
        Cpu::new(&mut ram, Options { arch, sysenter: arch == Arch::X86, ..Options::default() }).expect("a CPU");
    let mut before = pattern(arch);
    for (reg, value) in set {
        before.set(*reg, *value);
    }
    cpu.set_registers(&before);
    let rules = ReturnRules { r9_is_rbp: true, sysexit_to: sysexit_to as u32 };
    let mut pages = Pages { ram, rules, stop, seen: Vec::new(), pending: None };
    let mut exit = cpu.run(&mut pages, 1000).expect("no engine failure");
    if let Some(regs) = pages.pending.take() {
        cpu.finish_trap(&regs);
        exit = cpu.run(&mut pages, 1000).expect("no engine failure");
    }
    Outcome { exit, before, after: cpu.registers(), seen: pages.seen, retired: cpu.retired() }
}

/// Checks every register: `expected` names those that change, everything else is as it was.
fn check(name: &str, outcome: &Outcome, expected: &[(Reg, u64)], clears_xmm: bool) {
    assert_eq!(outcome.exit, Exit::Exception(13), "{name}: up to the hlt");
    for (reg, after) in outcome.after.iter() {
        let wanted = expected.iter().find(|(r, _)| *r == reg).map_or(outcome.before.get(reg), |(_, v)| *v);
        assert_eq!(after, wanted, "{name}: {}", reg.name());
    }
    for (i, xmm) in outcome.after.xmm.iter().enumerate() {
        let wanted = if clears_xmm && i < 6 { [0, 0] } else { outcome.before.xmm[i] };
        assert_eq!(*xmm, wanted, "{name}: xmm{i}");
    }
}

#[test]
fn registers_after_64_bit_gates() {
    for (gate, code) in [(Gate::Syscall, [0x0f, 0x05]), (Gate::Int2e, [0xcd, 0x2e])] {
        for stop in [false, true] {
            let out = run(Arch::X64, &code, stop, 0, &[]);
            let before = &out.before;
            let expected = [
                (Reg::Rax, STATUS.into()),
                (Reg::Rcx, CODE + 2),
                (Reg::Rdx, 0),
                (Reg::R8, before.get(Reg::Rsp)),
                (Reg::R9, before.get(Reg::Rbp)),
                (Reg::R10, 0),
                (Reg::R11, before.get(Reg::Rflags)),
                (Reg::Rip, CODE + 2),
            ];
            check(&format!("{gate}, stop {stop}"), &out, &expected, true);
            assert_eq!(out.seen, [(gate, before.get(Reg::Rax) as u32, STACK + 0x828)]);
            assert_eq!(out.retired, 1);
        }
    }
}

#[test]
fn registers_after_32_bit_gates() {
    for stop in [false, true] {
        // sysexit: the stack is where EDX was, and the program goes on where the kernel says.
        for to in [CODE + 2, ELSEWHERE] {
            let out = run(Arch::X86, &[0x0f, 0x34], stop, to, &[(Reg::Rdx, STACK + 0x700)]);
            let expected = [
                (Reg::Rax, STATUS.into()),
                (Reg::Rcx, STACK + 0x700),
                (Reg::Rdx, to),
                (Reg::Rsp, STACK + 0x700),
                (Reg::Rip, to),
            ];
            check(&format!("sysenter to {to:#x}, stop {stop}"), &out, &expected, false);
            assert_eq!(out.seen, [(Gate::Sysenter, out.before.get(Reg::Rax) as u32, STACK + 0x708)]);
            assert_eq!(out.retired, 1, "stop {stop}");
        }
        // iretd: XP's leftovers.
        let out = run(Arch::X86, &[0xcd, 0x2e], stop, 0, &[(Reg::Rdx, STACK + 0x700)]);
        let expected = [(Reg::Rax, STATUS.into()), (Reg::Rcx, 1), (Reg::Rdx, 0xffff_ffff), (Reg::Rip, CODE + 2)];
        check(&format!("int 2Eh, stop {stop}"), &out, &expected, false);
        assert_eq!(out.seen, [(Gate::Int2e32, out.before.get(Reg::Rax) as u32, STACK + 0x700)]);
    }
}

/// 64-bit code that goes to 32-bit code by a far return and back by a far jump: Heaven's gate.
#[test]
fn heavens_gate() {
    let mut code = vec![
        0x68, 0x23, 0, 0, 0, // push 23h
        0x68, 0, 0, 0, 0, // push offset of the 32-bit code
        0x48, 0xcb, // retfq
    ];
    let there = CODE as u32 + code.len() as u32;
    code[6..10].copy_from_slice(&there.to_le_bytes());
    // inc eax; dec ecx (40, 49: REX prefixes in 64-bit code); jmp 33:back
    code.extend([0x40, 0x49, 0xea, 0, 0, 0, 0, 0x33, 0]);
    let back = CODE as u32 + code.len() as u32;
    let at = code.len() - 6;
    code[at..at + 4].copy_from_slice(&back.to_le_bytes());
    code.extend([0x48, 0xff, 0xc3]); // inc rbx
    let set = [(Reg::Rax, 1), (Reg::Rcx, 5), (Reg::Rbx, 0xffff_ffff), (Reg::Rflags, 0x202)];
    let out = run(Arch::X64, &code, false, 0, &set);
    assert_eq!(out.exit, Exit::Exception(13));
    let after = |reg| out.after.get(reg);
    assert_eq!((after(Reg::Rax), after(Reg::Rcx), after(Reg::Rbx)), (2, 4, 0x1_0000_0000));
    assert_eq!(out.retired, 7);
}

/// What 32-bit code may not do on a 64-bit kernel, and where nothing leads.
#[test]
fn gates_that_are_not_there() {
    let to_32 = |tail: &[u8]| {
        let mut code = vec![0x68, 0x23, 0, 0, 0, 0x68, 0, 0, 0, 0, 0x48, 0xcb];
        let there = CODE as u32 + code.len() as u32;
        code[6..10].copy_from_slice(&there.to_le_bytes());
        code.extend(tail);
        code
    };
    for (name, tail, exit) in [
        ("syscall", &[0x90, 0x0f, 0x05][..], Exit::Foreign),
        ("int 2Eh", &[0x90, 0xcd, 0x2e], Exit::Foreign),
        ("sysenter", &[0x90, 0x0f, 0x34], Exit::Sysenter),
    ] {
        let out = run(Arch::X64, &to_32(tail), false, 0, &[]);
        assert_eq!((out.exit, out.after.get(Reg::Rip)), (exit, CODE + 15), "{name}");
        assert!(out.seen.is_empty(), "{name}");
    }
    // A far jump to selectors that do not exist, or that no code segment has: #GP at the jump.
    for selector in [0x63_u8, 0x83, 0x2b, 0x53, 0x10, 0x43] {
        let out = run(Arch::X64, &to_32(&[0xea, 0, 0x10, 0x40, 0, selector, 0]), false, 0, &[]);
        assert!(matches!(out.exit, Exit::Exception(13 | 11)), "{selector:#x}: {:?}", out.exit);
        assert_eq!(out.after.get(Reg::Rip), CODE + 12, "{selector:#x}");
    }
    // `syscall` on a 32-bit kernel: an Intel CPU has none outside 64-bit code.
    let out = run(Arch::X86, &[0x90, 0x0f, 0x05], false, 0, &[]);
    assert_eq!((out.exit, out.after.get(Reg::Rip)), (Exit::Foreign, CODE + 3));
    // 64-bit code on a 32-bit kernel: there is no such segment.
    let out = run(Arch::X86, &[0xea, 0, 0x10, 0x40, 0, 0x33, 0], false, 0, &[]);
    assert!(matches!(out.exit, Exit::Exception(13 | 11)), "{:?}", out.exit);
}

/// Budgets are exact in 32-bit code too, and the same bytes are other instructions there.
#[test]
fn counting_in_32_bit_code() {
    // 40: inc eax. In 64-bit code these bytes would be prefixes.
    let code = [0x40; 20];
    for limit in [1, 7, 19] {
        let mut ram = Ram::new(16).expect("memory");
        ram.write(Frame(1), 0, &code);
        let mut cpu = Cpu::new(&mut ram, Options { arch: Arch::X86, ..Options::default() }).expect("a CPU");
        let mut regs = pattern(Arch::X86);
        regs.set(Reg::Rax, 0);
        cpu.set_registers(&regs);
        let rules = ReturnRules { r9_is_rbp: true, sysexit_to: 0 };
        let mut pages = Pages { ram, rules, stop: false, seen: Vec::new(), pending: None };
        assert_eq!(cpu.run(&mut pages, limit).expect("no engine failure"), Exit::Budget);
        assert_eq!((cpu.registers().get(Reg::Rax), cpu.retired()), (limit, limit));
        assert_eq!(cpu.bits(), 32);
    }
}
