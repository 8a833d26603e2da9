//! What is measured: Trapgate.

use guest::convention::Gate;
use guest::mem::Access;
use guest::{Fault, FaultKind, Profile};
use kernel_model::mm::{Frame, Phys};
use trapgate::cpu::{Client, Cpu, Exit, Flow, Options, Page, Ram, Reg, RegisterFile, Trap};
use trapgate::loader::Program;
use trapgate::{Config, End, Machine};

use crate::measure::{Figure, in_turns, time};
use crate::{code, floor};

/// A machine with a program.
pub fn machine(program: Program) -> Machine {
    Machine::new(&Config::new(program, "bench")).expect("a machine")
}

/// A run of raw code to its exit, and how many seconds it took.
pub fn run(code: &[u8]) -> (Machine, f64) {
    let mut machine = machine(Program::Raw(guest::Arch::X64, code.to_vec()));
    let elapsed = time(|| match machine.run().expect("no engine failure") {
        End::Exit(_) => {}
        other => panic!("the bench's code ended in {other:?}"),
    });
    (machine, elapsed.as_secs_f64())
}

/// Calls per second of four loops.
pub fn call_rates() -> Vec<Figure> {
    type Loop = fn(&'static Profile, u32) -> Vec<u8>;
    let loops: [(&str, Loop, u32, Option<f64>); 4] = [
        ("NtClose of a bad handle", code::close_bad_handle, 1_000_000, Some(0.5)),
        ("NtCreateEvent + NtClose", code::create_and_close, 300_000, None),
        ("NtAllocateVirtualMemory + NtFreeVirtualMemory, 64 KiB", code::allocate_and_free, 100_000, None),
        ("NtQueryPerformanceCounter", code::query_counter, 500_000, None),
    ];
    let measure = |(name, make, count, least): (&str, Loop, u32, Option<f64>)| {
        let code = make(Profile::default_profile(), count);
        let subject = || {
            let (machine, seconds) = run(&code);
            machine.stats().calls as f64 / seconds
        };
        let floor = || {
            let mut calls = 0;
            let elapsed = time(|| calls = floor::calls(Gate::Syscall, &code));
            calls as f64 / elapsed.as_secs_f64()
        };
        let (value, floor) = in_turns(subject, floor);
        let target = least.map(|l| (format!("{l} of the floor or better"), value / floor >= l));
        Figure { name: name.into(), unit: "calls/s", value, floor: Some(floor), target }
    };
    loops.into_iter().map(measure).collect()
}

/// One page of code and one of stack, and no system.
struct Flat(Ram);

const STACK: u64 = 0x2000_0000;

impl Client for Flat {
    fn translate(&mut self, va: u64, access: Access) -> Result<Page, Fault> {
        let frame = match va >> 12 << 12 {
            code::BASE => 1,
            STACK => 2,
            _ => return Err(Fault { va, access, kind: FaultKind::NotMapped }),
        };
        let code = frame == 1;
        Ok(Page { physical: frame << 12, read: true, write: !code, execute: code })
    }
    fn code(&mut self, va: u64, buf: &mut [u8]) -> usize {
        self.0.read(Frame(1), (va & 0xfff) as usize, buf);
        buf.len()
    }
    fn trap(&mut self, _: Gate, _: &mut Trap<'_>) -> Flow {
        Flow::Stop
    }
}

fn instructions(code: &[u8], count: bool, expected: u64) -> f64 {
    let mut ram = Ram::new(8).expect("memory");
    ram.write(Frame(1), 0, code);
    let mut cpu = Cpu::new(&mut ram, Options { count, ..Options::default() }).expect("a CPU");
    let mut regs = RegisterFile::default();
    regs.set(Reg::Rip, code::BASE);
    regs.set(Reg::Rsp, STACK + 0x800);
    regs.set(Reg::Rflags, 0x202);
    cpu.set_registers(&regs);
    let mut flat = Flat(ram);
    let elapsed = time(|| {
        let exit = cpu.run(&mut flat, u64::MAX).expect("no engine failure");
        assert_eq!(exit, Exit::Exception(13), "the loop ends in hlt");
    });
    assert!(!count || cpu.retired() == expected, "counted {} of {expected}", cpu.retired());
    expected as f64 / elapsed.as_secs_f64()
}

/// Instructions per second of loops, counted, beside the same uncounted.
pub fn instruction_rates() -> Vec<Figure> {
    let measure = |name: &str, code: Vec<u8>, least: Option<f64>| {
        // How many there are depends on the data, so a counted run says it; tests show that counting is exact.
        let expected = count_of(&code);
        let (counted, uncounted) =
            in_turns(|| instructions(&code, true, expected), || instructions(&code, false, expected));
        Figure {
            name: format!("{name}, counted (floor: uncounted)"),
            unit: "instructions/s",
            value: counted,
            floor: Some(uncounted),
            target: least.map(|l| (format!("{l} of the floor or better"), counted / uncounted >= l)),
        }
    };
    vec![
        measure("mixed loop", code::mixed(2_000_000), Some(0.85)),
        measure("integer loop of short blocks", code::short_blocks(5_000_000), None),
    ]
}

fn count_of(code: &[u8]) -> u64 {
    let mut ram = Ram::new(8).expect("memory");
    ram.write(Frame(1), 0, code);
    let mut cpu = Cpu::new(&mut ram, Options::default()).expect("a CPU");
    let mut regs = RegisterFile::default();
    regs.set(Reg::Rip, code::BASE);
    regs.set(Reg::Rsp, STACK + 0x800);
    regs.set(Reg::Rflags, 0x202);
    cpu.set_registers(&regs);
    cpu.run(&mut Flat(ram), u64::MAX).expect("no engine failure");
    cpu.retired()
}

/// From nothing to the first instruction.
pub fn creation() -> Figure {
    let hello = fixtures::get("hello").expect("the fixture").image.to_vec();
    let config = Config { max_instructions: Some(1), ..Config::new(Program::Pe(hello), "hello.exe") };
    let subject = || {
        let elapsed = time(|| {
            let mut machine = Machine::new(&config).expect("a machine");
            assert_eq!(machine.run().expect("no engine failure"), End::Budget);
        });
        elapsed.as_secs_f64() * 1e3
    };
    let (value, floor) = in_turns(subject, || time(floor::creation).as_secs_f64() * 1e3);
    Figure {
        name: "machine creation to first instruction".into(),
        unit: "ms",
        value,
        floor: Some(floor),
        target: Some(("5 ms or less".into(), value <= 5.0)),
    }
}

/// For each implemented service, the instructions from its stub's first byte to its `ret`, called with arguments
/// that are all zero. The services that end the process are counted up to their trap.
pub fn instructions_per_call() -> Vec<(String, u64)> {
    let any = machine(Program::Raw(guest::Arch::X64, vec![0xc3]));
    let ntdll = any.modules().iter().find(|m| m.name == "ntdll.dll").expect("ntdll");
    let mut counts = Vec::new();
    for service in kernel_model::kernel::services() {
        let stub = ntdll.symbol(service.name).expect("every service has a stub");
        let code = code::call_once(stub);
        let machine = machine(Program::Raw(guest::Arch::X64, code));
        counts.push((service.name.to_string(), instructions_in_call(machine, stub)));
    }
    counts.sort();
    counts
}

/// How many instructions a call of a stub has, from its first one until the program goes on.
pub fn instructions_in_call(mut machine: Machine, stub: u64) -> u64 {
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    let program = machine.modules().program().map_or(0..0, |m| m.base..m.base + m.size);
    let steps = Steps { stub, program, count: std::rc::Rc::clone(&count), inside: false };
    machine.observe(Box::new(steps)).expect("an observer");
    machine.run().expect("no engine failure");
    count.get()
}

/// Counts the instructions of one call.
struct Steps {
    stub: u64,
    program: std::ops::Range<u64>,
    count: std::rc::Rc<std::cell::Cell<u64>>,
    inside: bool,
}

impl trapgate::trace::Observer for Steps {
    fn wants_instructions(&self) -> bool {
        true
    }
    fn call_start(&mut self, _: &trapgate::trace::View<'_>, _: &trapgate::trace::CallStart<'_>) {}
    fn call_end(&mut self, _: &trapgate::trace::View<'_>, _: &trapgate::trace::CallEnd<'_>) {}
    fn instruction(&mut self, _: &trapgate::trace::View<'_>, step: &trapgate::trace::Step<'_>) {
        self.inside |= step.address == self.stub && self.count.get() == 0;
        self.inside &= !self.program.contains(&step.address);
        self.count.set(self.count.get() + u64::from(self.inside));
    }
    fn end(&mut self, _: &trapgate::trace::View<'_>, _: &End, _: u64) {}
}
