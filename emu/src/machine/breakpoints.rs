//! Hardware breakpoints. The engine has none: a thread that has set some goes on instruction by instruction, by the trap
//! flag, and each is looked at before it runs.
//!
//! Source: Intel SDM volume 3, chapter 18, for DR6, DR7 and what matches.

use iced_x86::{Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, UsedMemory};

use super::{Machine, MachineError, code_at};
use crate::cpu::{Exit, Reg};

/// `EFLAGS.TF` and `RF`.
const TRAP_FLAG: u64 = 0x100;
const RESUME_FLAG: u64 = 0x1_0000;
/// The enable bits of DR7: local and global ones.
const ENABLED: u64 = 0xff;
/// What DR7 says of a breakpoint: execution, stores, loads and stores.
const ON_EXECUTION: u64 = 0;
const ON_STORE: u64 = 1;
const ON_ACCESS: u64 = 3;
/// `#DB`.
const DEBUG: u8 = 1;

/// Breakpoints, as DR0-3 and DR7 give them.
#[derive(Clone, Copy, Debug)]
struct Breakpoints {
    addresses: [u64; 4],
    control: u64,
}

impl Breakpoints {
    /// The bits of DR6 for those that an access hits.
    fn hit(&self, matches: impl Fn(u64, u64, u64) -> bool) -> u64 {
        let each = self.addresses.iter().enumerate().filter(|(i, address)| {
            let kind = self.control >> (16 + 4 * i) & 3;
            let len = match self.control >> (18 + 4 * i) & 3 {
                0 => 1,
                1 => 2,
                2 => 8,
                _ => 4,
            };
            self.control >> (2 * i) & 3 != 0 && matches(kind, **address & !(len - 1), len)
        });
        each.fold(0, |all, (i, _)| all | 1 << i)
    }
}

impl Machine {
    /// The breakpoints of the thread that runs, if it has any and runs user code.
    fn breakpoints(&self) -> Option<Breakpoints> {
        let [a, b, c, d, _, control] = self.world.kernel.ps.thread.user.debug;
        (control & ENABLED != 0 && self.cpu.ring() == 3).then_some(Breakpoints { addresses: [a, b, c, d], control })
    }

    /// Runs, or where breakpoints are set one instruction. `None`: it has run, and nothing has happened.
    pub(super) fn run_or_step(&mut self, limit: u64, total: u64) -> Result<Option<Exit>, MachineError> {
        let Some(breakpoints) = self.breakpoints() else {
            return Ok(Some(self.cpu.run_within(&mut self.world, limit, total)?));
        };
        self.debug_status = 0;
        let before = self.cpu.registers();
        let flags = before.get(Reg::Rflags);
        let rip = before.get(Reg::Rip);
        let mut code = [0; 15];
        let len = code_at(&self.world.kernel, &self.world.ram, rip, &mut code);
        let insn =
            Decoder::with_ip(self.cpu.bits(), code.get(..len).unwrap_or(&[]), rip, DecoderOptions::NONE).decode();
        let at = breakpoints.hit(|kind, address, _| kind == ON_EXECUTION && address == rip);
        if at != 0 && flags & RESUME_FLAG == 0 {
            self.debug_status = at;
            return Ok(Some(Exit::Exception(DEBUG)));
        }
        if flags & TRAP_FLAG == 0 && goes_into_the_kernel(&insn) {
            return self.run_one(limit, total);
        }
        let accessed = self.accesses(&insn, &breakpoints);
        self.cpu.set(Reg::Rflags, (flags | TRAP_FLAG) & !RESUME_FLAG);
        let exit = self.cpu.run_within(&mut self.world, limit, total)?;
        self.hide_trap_flag(&insn, flags & TRAP_FLAG != 0);
        if exit != Exit::Exception(DEBUG) {
            return Ok(Some(exit));
        }
        self.debug_status = accessed;
        Ok((accessed != 0 || flags & TRAP_FLAG != 0).then_some(exit))
    }

    /// Runs one instruction by the budget: the engine would take the trap behind a system call for the call itself.
    fn run_one(&mut self, limit: u64, total: u64) -> Result<Option<Exit>, MachineError> {
        let next = self.cpu.retired().saturating_add(1);
        let exit = self.cpu.run_within(&mut self.world, next.min(limit), total)?;
        Ok((exit != Exit::Budget || next >= limit).then_some(exit))
    }

    /// Takes the trap flag out of what the program sees of it, if it is not the program's.
    fn hide_trap_flag(&mut self, insn: &Instruction, own: bool) {
        if own {
            return;
        }
        let mut after = self.cpu.registers();
        match insn.mnemonic() {
            // What it has loaded is the program's.
            Mnemonic::Popf | Mnemonic::Popfd | Mnemonic::Popfq | Mnemonic::Iretd | Mnemonic::Iretq => return,
            Mnemonic::Pushf | Mnemonic::Pushfd | Mnemonic::Pushfq => {
                let at = after.get(Reg::Rsp).wrapping_add(1);
                if let Some([byte]) = self.peek(at, 1).as_deref() {
                    let byte = *byte & !(TRAP_FLAG >> 8) as u8;
                    self.poke(at, &[byte]);
                }
            }
            _ => {}
        }
        after.set(Reg::Rflags, after.get(Reg::Rflags) & !TRAP_FLAG);
        self.cpu.set_registers(&after);
    }

    /// The bits of DR6 for what an instruction is about to load and store.
    fn accesses(&self, insn: &Instruction, breakpoints: &Breakpoints) -> u64 {
        let value = self.cpu.address_registers();
        let mut factory = InstructionInfoFactory::new();
        let info = factory.info(insn);
        let used = info.used_memory().iter().filter_map(|memory| {
            let stores = stores(memory)?;
            let size = memory.memory_size().size().max(1) as u64;
            let va = memory.virtual_address(0, |register, _, _| value(register))?;
            Some((stores, va, size))
        });
        used.fold(0, |all, (stores, va, size)| {
            all | breakpoints.hit(|kind, address, len| {
                let overlaps = va < address.saturating_add(len) && address < va.saturating_add(size);
                overlaps && (kind == ON_ACCESS || kind == ON_STORE && stores)
            })
        })
    }
}

/// Whether an instruction is a system call or another software interrupt.
fn goes_into_the_kernel(insn: &Instruction) -> bool {
    matches!(insn.mnemonic(), Mnemonic::Syscall | Mnemonic::Sysenter | Mnemonic::Int | Mnemonic::Int3)
}

/// Whether memory is written; `None`: it is not touched.
fn stores(memory: &UsedMemory) -> Option<bool> {
    match memory.access() {
        OpAccess::Read | OpAccess::CondRead => Some(false),
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite => Some(true),
        OpAccess::None | OpAccess::NoMemAccess => None,
    }
}
