//! The same jobs on Trapgate's CPU.

use guest::convention::Gate;
use guest::mem::Access;
use guest::{Fault, FaultKind};
use kernel_model::mm::{Frame, Phys};
use trapgate::cpu::{Client, Cpu, Exit, Flow, Insn, Options, Page, Ram, Reg, RegisterFile, Trap};

use super::{CODE, Job, PEEK, REGIONS, STACK, TEB, Trace, ending_of};

/// Memory as `REGIONS` says, and what the CPU tells of its way.
struct Pages {
    ram: Ram,
    /// Registers before each instruction; a repeated one's iterations are one.
    before: Vec<RegisterFile>,
}

fn frame_of(va: u64) -> Option<Frame> {
    let mut first = 0;
    for (at, len) in REGIONS {
        if (at..at + len).contains(&va) {
            return Some(Frame(first + ((va - at) >> 12) as u32));
        }
        first += (len >> 12) as u32;
    }
    None
}

impl Pages {
    /// The pieces of a range that lie in one page each: frame, offset in it, and where in the range.
    fn pieces(va: u64, len: usize) -> impl Iterator<Item = (Frame, usize, std::ops::Range<usize>)> {
        let mut done = 0;
        std::iter::from_fn(move || {
            let at = va.wrapping_add(done as u64);
            let frame = if done < len { frame_of(at)? } else { return None };
            let offset = (at & 0xfff) as usize;
            let piece = done..len.min(done + 0x1000 - offset);
            done = piece.end;
            Some((frame, offset, piece))
        })
    }

    fn read(&self, va: u64, buf: &mut [u8]) -> usize {
        let mut read = 0;
        for (frame, offset, piece) in Self::pieces(va, buf.len()) {
            read = piece.end;
            self.ram.read(frame, offset, &mut buf[piece]);
        }
        read
    }

    fn write(&mut self, va: u64, bytes: &[u8]) {
        for (frame, offset, piece) in Self::pieces(va, bytes.len()) {
            self.ram.write(frame, offset, &bytes[piece]);
        }
    }
}

impl Client for Pages {
    fn translate(&mut self, va: u64, access: Access) -> Result<Page, Fault> {
        let frame = frame_of(va).ok_or(Fault { va, access, kind: FaultKind::NotMapped })?;
        Ok(Page { physical: u64::from(frame.0) << 12, read: true, write: true, execute: true })
    }
    fn code(&mut self, va: u64, buf: &mut [u8]) -> usize {
        self.read(va, buf)
    }
    fn trap(&mut self, _: Gate, _: &mut Trap<'_>) -> Flow {
        Flow::Stop
    }
    fn instruction(&mut self, insn: &Insn<'_>) {
        let mut registers = insn.registers();
        registers.set(Reg::Rip, insn.address);
        if self.before.last().is_none_or(|last| last.get(Reg::Rip) != insn.address) {
            self.before.push(registers);
        }
    }
}

/// A CPU that runs one job after the other. From 64-bit code it gets into 32-bit code, but not back by itself.
pub struct Engine {
    cpu: Cpu,
    pages: Pages,
}

impl Engine {
    /// A CPU in code of this width. `traced`: it tells the registers after each instruction, not only at the end.
    pub fn new(bits: u32, traced: bool) -> Self {
        let frames = REGIONS.iter().map(|(_, len)| len >> 12).sum::<u64>() as u32;
        let mut ram = Ram::new(frames).expect("memory");
        let mut cpu = Cpu::new(&mut ram, Options::default()).expect("a CPU");
        cpu.set_fs_base(&mut ram, TEB as u32);
        let mut engine = Self { cpu, pages: Pages { ram, before: Vec::new() } };
        engine.be_in(bits);
        if traced {
            engine.cpu.trace_instructions().expect("a hook");
        }
        engine
    }

    /// A far return to 32-bit code, if that is wanted and the CPU is not there.
    fn be_in(&mut self, bits: u32) {
        if self.cpu.bits() == bits {
            return;
        }
        // retfq, to an hlt
        self.pages.write(CODE, &[0x48, 0xcb, 0xf4]);
        self.pages.write(STACK, &[CODE + 2, 0x23].map(u64::to_le_bytes).concat());
        let mut registers = RegisterFile::default();
        for (reg, value) in [(Reg::Rip, CODE), (Reg::Rsp, STACK), (Reg::Rflags, 0x202)] {
            registers.set(reg, value);
        }
        self.cpu.flush_code();
        self.cpu.set_registers(&registers);
        let limit = self.cpu.retired() + 2;
        assert_eq!(self.cpu.run(&mut self.pages, limit).expect("no engine failure"), Exit::Exception(13));
        assert_eq!(self.cpu.bits(), bits);
    }

    /// Runs a job; and how the CPU names the end.
    pub fn run(&mut self, job: &Job) -> (Trace, Exit) {
        self.be_in(job.bits);
        for (at, bytes) in &job.pokes {
            self.pages.write(*at, bytes);
        }
        self.pages.before.clear();
        self.cpu.flush_code();
        self.cpu.set_registers(&job.registers);
        let limit = self.cpu.retired() + job.steps;
        let exit = self.cpu.run(&mut self.pages, limit).expect("no engine failure");
        let last = self.cpu.registers();
        // What was before each instruction is what was after the one before.
        let mut steps = self.pages.before.split_off(self.pages.before.len().min(1));
        steps.push(last);
        let mut memory = vec![0; PEEK.1];
        self.pages.read(PEEK.0, &mut memory);
        (Trace { steps, ending: ending_of(exit), xmm: last.xmm, memory }, exit)
    }
}
