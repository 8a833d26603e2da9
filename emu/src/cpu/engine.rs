//! The CPU itself: setting up, running, stopping exactly.

use std::ffi::c_int;
use std::ops::{Deref, DerefMut};
use std::panic::resume_unwind;
use std::ptr::NonNull;
use std::sync::Arc;

use guest::convention::{Gate, ReturnRegs};
use guest::mem::Access;
use guest::{Arch, Fault};
use iced_x86::Instruction;
use memmap2::MmapRaw;
use unicorn_engine::RegisterX86 as R;
use unicorn_engine::unicorn_const::{X86CpuModel, uc_error};

use super::blocks;
use super::exceptions::LastException;
use super::ffi::Engine;
use super::hooks;
use super::ram::Ram;
use super::registers::{self, Reg, RegisterFile, UserState};
use super::ring::{self, Entry, Msr};
use super::shared::{Shared, StopAt};
use super::trap::Trap;
use super::{Client, Exit, Flow, Page, boot, strings};

/// The engine could not be set up or did what it never should.
#[derive(Debug, thiserror::Error)]
#[error("the CPU engine failed: {0}")]
pub struct CpuError(String);

/// How a CPU is made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Count instructions. Without it there are no budgets, RDTSC stands still and VEX-coded instructions
    /// are not caught: only for measuring what counting costs.
    pub count: bool,
    /// The kernel's architecture: selectors, and the code that user mode starts in.
    pub arch: Arch,
    /// The kernel has set `sysenter` up: Windows XP and later, 32-bit.
    pub sysenter: bool,
    /// Kernel code runs in ring 0, and `syscall` and its like lead into it; otherwise the client answers calls.
    pub ring_0: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { count: true, arch: Arch::X64, sysenter: false, ring_0: false }
    }
}

/// `#GP`.
const GENERAL_PROTECTION: u8 = 13;

/// A CPU in user mode.
pub struct Cpu {
    // The order matters: the engine is closed before what it points to goes.
    engine: Engine,
    last_exception: Option<LastException>,
    shared: SharedBox,
    count: bool,
    tracing: bool,
    _memory: Arc<MmapRaw>,
}

/// The state that hooks reach through a pointer of their own. It is reached from here only while the engine stands
/// still, so the two never hold references to it at the same time.
struct SharedBox(NonNull<Shared>);

impl SharedBox {
    fn new(shared: Shared) -> Self {
        Self(NonNull::from(Box::leak(Box::new(shared))))
    }
}

impl Deref for SharedBox {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        // SAFETY: allocated in `new`, freed in `drop`. Hooks run only inside `Engine::start`, which is never called
        // while a reference from here is alive.
        unsafe { self.0.as_ref() }
    }
}

impl DerefMut for SharedBox {
    fn deref_mut(&mut self) -> &mut Shared {
        // SAFETY: as above, and `&mut self` makes it the only one.
        unsafe { self.0.as_mut() }
    }
}

impl Drop for SharedBox {
    fn drop(&mut self) {
        // SAFETY: it came from a `Box`, and is freed once. `Cpu` drops its engine, and so the hooks, before this.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// A client for the way into ring 3, which touches nothing but the CPU's own pages.
struct Nobody;

impl Client for Nobody {
    fn translate(&mut self, va: u64, _: Access) -> Result<Page, Fault> {
        Err(hooks::not_mapped(va))
    }
    fn code(&mut self, _: u64, _: &mut [u8]) -> usize {
        0
    }
    fn trap(&mut self, _: Gate, _: &mut Trap<'_>) -> Flow {
        Flow::Stop
    }
}

impl Cpu {
    /// A CPU over `ram`, in ring 3 with code of the kernel's architecture, all registers zero.
    pub fn new(ram: &mut Ram, options: Options) -> Result<Self, CpuError> {
        let fail = |e: uc_error| CpuError(format!("{e:?}"));
        let engine = Engine::open(X86CpuModel::WESTMERE).map_err(fail)?;
        let memory = ram.mapping();
        // SAFETY: the CPU holds the mapping and drops it after the engine.
        unsafe { engine.map(memory.as_mut_ptr(), memory.len()) }.map_err(fail)?;
        let shared = Shared::new(ram.private(), &options);
        let mut cpu = Self {
            engine,
            last_exception: None,
            shared: SharedBox::new(shared),
            count: options.count,
            tracing: false,
            _memory: memory,
        };
        hooks::install(&cpu.engine, cpu.shared.0.as_ptr(), options.count).map_err(CpuError)?;
        cpu.boot(ram, options.ring_0)?;
        Ok(cpu)
    }

    fn boot(&mut self, ram: &mut Ram, ring_0: bool) -> Result<(), CpuError> {
        let mut nobody = Nobody;
        self.shared.client = Some(erase(&mut nobody));
        let result = boot::enter_ring_3(&self.engine, ram, self.shared.arch, ring_0);
        self.shared.client = None;
        let way = Box::new(result.map_err(CpuError)?);
        if ring_0 {
            self.shared.ring_0 = Some(way);
        } else {
            self.shared.window = Some(way);
        }
        self.shared.booting = false;
        self.shared.retired = 0;
        self.shared.blocks.clear();
        self.shared.jump();
        self.engine.flush_tlb();
        self.last_exception = LastException::new(&self.engine);
        Ok(())
    }

    /// Runs until an exit, or until `limit` instructions have retired.
    ///
    /// # Panics
    /// Goes on with a panic that the client raised inside the engine.
    pub fn run(&mut self, client: &mut dyn Client, limit: u64) -> Result<Exit, CpuError> {
        self.run_within(client, limit, u64::MAX)
    }

    /// The same, where kernel code runs: `limit` counts instructions of ring 3, `total` all.
    ///
    /// # Panics
    /// As [`Cpu::run`].
    pub fn run_within(&mut self, client: &mut dyn Client, limit: u64, total: u64) -> Result<Exit, CpuError> {
        self.shared.set_limits(limit, total);
        loop {
            if self.shared.is_at_limit() {
                return Ok(Exit::Budget);
            }
            let exit = self.run_engine(client)?;
            if exit != Exit::InvalidInstruction {
                return Ok(exit);
            }
            if self.reaches_port(client) {
                return Ok(Exit::Exception(GENERAL_PROTECTION));
            }
            let Some(insn) = self.string_compare(client) else { return Ok(exit) };
            if self.shared.is_at_limit() {
                return Ok(Exit::Budget);
            }
            if let Err(fault) = self.run_string_compare(client, &insn) {
                return Ok(Exit::Memory(fault));
            }
        }
    }

    /// Lets the engine run until it has an exit.
    fn run_engine(&mut self, client: &mut dyn Client) -> Result<Exit, CpuError> {
        loop {
            let result = self.start(client);
            let Some(stop) = self.shared.stop_at.take() else { return self.finish(client, result) };
            if let Some(exit) = self.run_to(client, stop)? {
                return Ok(exit);
            }
        }
    }

    /// Whether the instruction at RIP is user code's, and reaches for a port.
    fn reaches_port(&self, client: &mut dyn Client) -> bool {
        let mut code = [0; 15];
        let len = client.code(registers::rip(&self.engine), &mut code);
        !self.shared.is_ring_0() && blocks::reaches_port(code.get(..len).unwrap_or(&[]), self.bits())
    }

    /// The instruction at RIP, if it is user code and one of those in [`strings`].
    fn string_compare(&mut self, client: &mut dyn Client) -> Option<Instruction> {
        let (bits, rip) = (self.bits(), registers::rip(&self.engine));
        strings::at(client, bits, rip).filter(|_| !self.shared.is_ring_0())
    }

    /// Runs such an instruction.
    fn run_string_compare(&mut self, client: &mut dyn Client, insn: &Instruction) -> Result<(), Fault> {
        if self.tracing {
            hooks::tell(&self.engine, client, insn.ip(), insn.len() as u32);
        }
        let value = registers::by_iced(&self.engine);
        let after = strings::run(client, insn, &self.registers(), value)?;
        self.set_registers(&after);
        self.shared.retired += 1;
        Ok(())
    }

    /// Starts the engine where RIP is, and lets it run until something stops it.
    fn start(&mut self, client: &mut dyn Client) -> Result<(), uc_error> {
        self.shared.exit = None;
        self.shared.fault = None;
        self.shared.client = Some(erase(client));
        let result = self.engine.start(registers::rip(&self.engine));
        self.shared.client = None;
        if let Some(payload) = self.shared.panic.take() {
            resume_unwind(payload);
        }
        result
    }

    /// Runs up to an address in the block that comes next. `None`: nothing came between, and the run goes on.
    fn run_to(&mut self, client: &mut dyn Client, stop: StopAt) -> Result<Option<Exit>, CpuError> {
        let (StopAt::Budget(address) | StopAt::Forbidden(address)) = stop;
        let from = registers::rip(&self.engine);
        let fail = |e: uc_error| CpuError(format!("stopping at {address:#x}: {e:?}"));
        self.engine.set_exits(&[address]).map_err(fail)?;
        // Exits are looked at when code is translated.
        self.engine.flush_code();
        let result = self.start(client);
        let stopped_again = self.shared.stop_at.take();
        self.engine.set_exits(&[]).map_err(fail)?;
        self.engine.flush_code();
        self.shared.blocks.clear();
        if result.is_ok() && self.shared.exit.is_none() && registers::rip(&self.engine) == address {
            return Ok(Some(match stop {
                StopAt::Budget(_) => Exit::Budget,
                StopAt::Forbidden(_) => Exit::InvalidInstruction,
            }));
        }
        if stopped_again == Some(stop) && registers::rip(&self.engine) == from {
            // No instruction of the engine's starts there: it decodes this block in another way than we do, and would
            // never get to the end of it.
            return Ok(Some(Exit::InvalidInstruction));
        }
        if stopped_again.is_some() {
            return Ok(None);
        }
        self.finish(client, result).map(Some)
    }

    /// Turns the way the engine stopped into an exit, with the count exact and RIP where the exit says.
    fn finish(&mut self, client: &mut dyn Client, result: Result<(), uc_error>) -> Result<Exit, CpuError> {
        let exit = match (result, self.shared.exit, self.shared.fault) {
            (Ok(()), Some(exit), _) => exit,
            (Err(uc_error::INSN_INVALID), _, _) => Exit::InvalidInstruction,
            (Err(uc_error::EXCEPTION), _, Some(fault)) => Exit::Memory(self.exact(client, fault)),
            // Only `hlt` ends a run by itself.
            (Ok(()), None, None) if self.shared.is_ring_0() => Exit::Halted,
            (result, exit, fault) => {
                let rip = registers::rip(&self.engine);
                return Err(CpuError(format!("{result:?} at {rip:#x} ({exit:?}, {fault:?})")));
            }
        };
        if let Exit::Exception(vector) = exit
            && let Some(last) = &mut self.last_exception
        {
            last.forget(&self.engine, vector);
        }
        if matches!(exit, Exit::Exception(_) | Exit::Memory(_) | Exit::InvalidInstruction) && self.count {
            self.shared.retired = hooks::retired_at(&self.shared, client, registers::rip(&self.engine), self.bits());
            self.shared.jump();
        }
        Ok(exit)
    }

    /// A fault with its exact address: the engine has told only the page.
    fn exact(&self, client: &mut dyn Client, fault: Fault) -> Fault {
        let page = fault.va & !0xfff;
        let rip = registers::rip(&self.engine);
        let va = if fault.access == Access::Execute {
            Some(rip.max(page))
        } else {
            let mut code = [0; 15];
            let len = client.code(rip, &mut code);
            let value = registers::by_iced(&self.engine);
            blocks::accessed_in_page(code.get(..len).unwrap_or(&[]), self.bits(), rip, page, value)
        };
        Fault { va: va.unwrap_or(fault.va), ..fault }
    }

    /// Instructions retired since the CPU was made, those of kernel code left out. Exact between runs.
    pub fn retired(&self) -> u64 {
        self.shared.in_ring_3(self.shared.retired)
    }

    /// Instructions of kernel code retired.
    pub fn retired_in_ring_0(&self) -> u64 {
        self.shared.in_ring_0()
    }

    /// The ring that runs.
    pub fn ring(&self) -> u8 {
        registers::mode(&self.engine).1
    }

    /// CS, RSP and SS.
    pub fn segments_and_stack(&self) -> (u16, u64, u16) {
        registers::segments_and_stack(&self.engine)
    }

    /// Ring 3 has got control back, by this instruction of ring 0, and has not run yet: where its first instruction is
    /// could not be fetched. The next call answers `None`.
    pub fn take_return(&mut self) -> Option<u64> {
        let block = self.shared.block();
        if !self.shared.is_ring_0() || self.ring() == 0 {
            return None;
        }
        self.shared.left_ring_0();
        Some(block.address.wrapping_add(block.last.into()))
    }

    /// CR2, the address of a page fault.
    pub fn set_cr2(&mut self, va: u64) {
        self.engine.write(&[R::CR2 as c_int], &[va]);
    }

    /// Goes into ring 0, as an interrupt does.
    pub fn enter_ring_0(&mut self, entry: &Entry) {
        self.shared.enter_ring_0(&self.engine, entry, 0);
        self.shared.jump();
    }

    /// Reads a model-specific register.
    pub fn msr(&self, msr: Msr) -> u64 {
        ring::read_msr(&self.engine, msr)
    }

    /// Writes a model-specific register.
    pub fn set_msr(&mut self, msr: Msr, value: u64) -> Result<(), CpuError> {
        if let Some(ring_0) = &mut self.shared.ring_0 {
            ring_0.forget_msrs();
        }
        ring::write_msr(&self.engine, msr, value).map_err(CpuError)
    }

    /// Loads the descriptor tables and the task register: the GDT's base and limit, the IDT's, the TSS's, and the
    /// selector of the latter.
    pub fn set_tables(&mut self, gdt: (u64, u32), idt: (u64, u32), tss: (u64, u32), task: u16) -> Result<(), CpuError> {
        self.shared.gdt_page = gdt.0 & !0xfff;
        if let Some(ring_0) = &mut self.shared.ring_0 {
            ring_0.forget_msrs();
        }
        ring::set_write_protect(&self.engine);
        ring::set_table(&self.engine, R::GDTR, 0, gdt.0, gdt.1).map_err(CpuError)?;
        ring::set_table(&self.engine, R::IDTR, 0, idt.0, idt.1).map_err(CpuError)?;
        ring::set_table(&self.engine, R::TR, task, tss.0, tss.1).map_err(CpuError)
    }

    /// Base and limit of the interrupt descriptor table, and of the task state segment.
    pub fn idt_and_tss(&self) -> [(u64, u32); 2] {
        ring::idt_and_tss(&self.engine)
    }

    /// Sets RAX alone: what a call of the model returns.
    pub fn set_rax(&mut self, value: u64) {
        ring::Ring0::set_rax(&self.engine, value);
    }

    /// Every register.
    pub fn registers(&self) -> RegisterFile {
        registers::read(&self.engine)
    }

    /// Sets every register.
    pub fn set_registers(&mut self, file: &RegisterFile) {
        registers::write(&self.engine, file);
        self.shared.jump();
    }

    /// What addresses are made of, by iced's names: the bases of segments in place of selectors.
    pub fn address_registers(&self) -> impl Fn(iced_x86::Register) -> Option<u64> + use<> {
        registers::by_iced(&self.engine)
    }

    /// All that user code has in the CPU, but the debug registers.
    pub fn user_state(&self) -> UserState {
        registers::read_state(&self.engine)
    }

    /// Has other user code go on. Of the selectors only CS counts, which tells the width; the bases of FS and GS are
    /// [`Cpu::set_fs_base`]'s and [`Cpu::set_gs_base`]'s.
    pub fn set_user_state(&mut self, state: &UserState) {
        if registers::code_selector(&self.engine) != state.segments.cs {
            let Shared { ring_0, window, .. } = &mut *self.shared;
            if let Some(way) = ring_0.as_mut().or(window.as_mut()) {
                way.set_user_code(&self.engine, state.segments.cs);
            }
        }
        registers::write_state(&self.engine, state);
        self.shared.jump();
    }

    /// Another address space is in place: translations are forgotten, and its code is told from others'.
    pub fn set_space(&mut self, process: u32) {
        self.engine.flush_tlb();
        self.shared.space = blocks::space_key(process);
        self.shared.jump();
    }

    /// Sets one register.
    pub fn set(&mut self, reg: Reg, value: u64) {
        let mut file = self.registers();
        file.set(reg, value);
        self.set_registers(&file);
    }

    /// Sets the base of GS, where 64-bit user code finds its TEB.
    pub fn set_gs_base(&mut self, base: u64) {
        self.engine.write(&[R::GS_BASE as c_int], &[base]);
    }

    /// Sets the base of FS, where 32-bit user code finds its TEB: in the descriptor and in the register.
    pub fn set_fs_base(&mut self, ram: &mut Ram, base: u32) {
        boot::set_teb_base(ram, self.shared.arch, base);
        self.engine.write(&[R::FS_BASE as c_int], &[base.into()]);
    }

    /// 64 or 32: how the code at RIP is decoded.
    pub fn bits(&self) -> u32 {
        registers::bits(&self.engine)
    }

    /// Returns from a system call that a run stopped at.
    pub fn finish_trap(&mut self, regs: &ReturnRegs) {
        registers::write_return(&self.engine, regs, None);
    }

    /// Forgets every translation: a page has lost rights, or lies elsewhere.
    pub fn flush_tlb(&mut self) {
        self.engine.flush_tlb();
    }

    /// Forgets all translated code: bytes that were executed have changed behind the engine's back.
    pub fn flush_code(&mut self) {
        self.engine.flush_code();
        self.engine.flush_tlb();
        self.shared.blocks.clear();
    }

    /// Has the client told of every instruction from now on.
    pub fn trace_instructions(&mut self) -> Result<(), CpuError> {
        if !self.tracing {
            self.tracing = true;
            hooks::install_trace(&self.engine, self.shared.0.as_ptr()).map_err(CpuError)?;
            self.flush_code();
        }
        Ok(())
    }
}

/// The client as the hooks keep it. The lifetime goes; `Cpu::start` and `Cpu::boot` take the pointer back before
/// the borrow ends.
fn erase<'a>(client: &'a mut (dyn Client + 'a)) -> NonNull<dyn Client> {
    let client: NonNull<dyn Client + 'a> = NonNull::from(client);
    // SAFETY: only the lifetime changes, and the pointer is dereferenced by hooks alone, during the run that the
    // client is borrowed for.
    unsafe { std::mem::transmute::<NonNull<dyn Client + 'a>, NonNull<dyn Client + 'static>>(client) }
}
