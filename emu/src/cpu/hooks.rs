//! What the engine calls while it runs.
//!
//! Each hook gets the [`Shared`] state of its CPU. A panic must not cross C, so client code runs behind
//! `catch_unwind`; what it threw goes on in [`super::Cpu::run`].

use std::any::Any;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use guest::convention::{Gate, ReturnRegs, TrapRegs};
use guest::mem::{Access, Width};
use guest::{Arch, Fault, FaultKind};
use unicorn_engine::RegisterX86 as R;
use unicorn_engine::unicorn_const::{HookType, MemType, Prot, TlbEntry, TranslationBlock, X86Insn, uc_engine};

use super::blocks::{self, Block, BlockCache};
use super::ffi::Engine;
use super::registers::{self, RegisterFile};
use super::{Client, Exit, Flow, Options, boot, identity};

/// Why the engine is to stop at an address in the middle of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopAt {
    /// The budget ends there.
    Budget(u64),
    /// An instruction is there that must not run.
    Forbidden(u64),
}

/// What a CPU and its hooks share while the engine runs. What counting touches comes first.
#[repr(C)]
pub(super) struct Shared {
    /// Instructions retired up to the end of the current block.
    pub retired: u64,
    /// Up to where counting is all that a plain block needs: the limit, or 0 while `repeating` says something or the
    /// code's width is to be asked for.
    plain_limit: u64,
    /// [`blocks::mode_key`] of the code that runs.
    mode: u64,
    pub blocks: BlockCache,
    /// The slot of the block that runs, or `HERE`.
    current: u32,
    /// The client of the current run; dangling outside of one.
    pub client: Option<NonNull<dyn Client>>,
    pub exit: Option<Exit>,
    /// The last page that was refused.
    pub fault: Option<Fault>,
    /// A place in the middle of the next block to stop at.
    pub stop_at: Option<StopAt>,
    /// The traced instruction that runs, and RFLAGS before it.
    traced: Option<(u64, u64)>,
    pub panic: Option<Box<dyn Any + Send>>,
    /// Where to stop.
    limit: u64,
    /// The block that runs, where the cache has lost it or there is none.
    here: Block,
    /// A repeated string instruction that the last block ended with: its next iterations do not count.
    repeating: u64,
    pub arch: Arch,
    sysenter: bool,
    counting: bool,
    pub ram_private: u64,
    pub booting: bool,
}

/// The block that runs is not in the cache.
const HERE: u32 = u32::MAX;

/// No address has a repeated instruction under way.
const NOT_REPEATING: u64 = u64::MAX;

impl Shared {
    pub(super) fn new(ram_private: u64, options: &Options) -> Self {
        Self {
            client: None,
            exit: None,
            fault: None,
            stop_at: None,
            traced: None,
            panic: None,
            retired: 0,
            limit: u64::MAX,
            plain_limit: 0,
            mode: 0,
            current: HERE,
            here: Block::default(),
            repeating: NOT_REPEATING,
            blocks: BlockCache::new(),
            arch: options.arch,
            sysenter: options.sysenter,
            counting: options.count,
            ram_private,
            booting: true,
        }
    }

    /// Whether the code that runs is 32-bit code.
    fn runs_32(&self, engine: &Engine) -> bool {
        // Without counting nobody has asked yet.
        if self.counting { self.mode != 0 } else { registers::bits(engine) == 32 }
    }

    /// Where the block that runs ends; `None`: nobody knows.
    #[inline]
    fn block_end(&self) -> Option<u64> {
        let block = if self.current == HERE { &self.here } else { self.blocks.at(self.current as usize) };
        (block.size != 0).then(|| block.end())
    }

    /// The block that runs, or ran last.
    fn block(&self) -> Block {
        if self.current == HERE { self.here } else { *self.blocks.at(self.current as usize) }
    }

    fn run_here(&mut self, block: Block) {
        self.current = HERE;
        self.here = block;
    }

    /// Forgets where the program was: it goes on somewhere else.
    pub(super) fn jump(&mut self) {
        self.run_here(Block::default());
        self.set_repeating(NOT_REPEATING);
        self.plain_limit = 0;
    }

    /// Sets where counting ends.
    pub(super) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
        // The next block sets the rest.
        self.plain_limit = 0;
    }

    fn set_repeating(&mut self, address: u64) {
        self.repeating = address;
        self.plain_limit = if address == NOT_REPEATING { self.limit } else { 0 };
    }
}

/// Calls into the client; a panic stops the engine and is kept.
///
/// # Safety
/// `data` must be the `Shared` that its hook was added with, during a run.
unsafe fn with_client<T>(
    uc: *mut uc_engine, data: *mut c_void, act: impl FnOnce(&Engine, &mut Shared, &mut dyn Client) -> T,
) -> Option<T> {
    // SAFETY: the CPU owns `Shared` and outlives the engine; hooks do not nest.
    let shared = unsafe { &mut *data.cast::<Shared>() };
    // SAFETY: the engine passes itself.
    let engine = unsafe { Engine::borrow(uc) };
    // SAFETY: `Cpu::run` keeps the client borrowed mutably for as long as the engine runs and takes the pointer
    // back before it returns; hooks do not nest, so this is the only reference.
    let client = unsafe { &mut *shared.client?.as_ptr() };
    match catch_unwind(AssertUnwindSafe(|| act(&engine, &mut *shared, client))) {
        Ok(value) => Some(value),
        Err(payload) => {
            shared.panic = Some(payload);
            engine.stop();
            None
        }
    }
}

/// Adds every hook. `data` must stay valid for as long as the engine runs.
pub(super) fn install(engine: &Engine, data: *mut Shared, count: bool) -> Result<(), String> {
    let data: *mut c_void = data.cast();
    let add = |kind, callback: *mut c_void, insn: X86Insn| {
        // SAFETY: each callback has the type that its kind of hook calls (unicorn.h), and `data` is the CPU's.
        unsafe { engine.hook(kind, callback, data, insn as c_int) }.map_err(|e| format!("hook: {e:?}"))
    };
    add(HookType::TLB_FILL, on_fill as *mut c_void, X86Insn::INVALID)?;
    add(HookType::INSN, on_syscall as *mut c_void, X86Insn::SYSCALL)?;
    add(HookType::INSN, on_sysenter as *mut c_void, X86Insn::SYSENTER)?;
    add(HookType::INSN, on_cpuid as *mut c_void, X86Insn::CPUID)?;
    add(HookType::INSN, on_rdtsc as *mut c_void, X86Insn::RDTSC)?;
    add(HookType::INSN, on_rdtscp as *mut c_void, X86Insn::RDTSCP)?;
    add(HookType::INTR, on_interrupt as *mut c_void, X86Insn::INVALID)?;
    if count {
        add(HookType::BLOCK, on_block as *mut c_void, X86Insn::INVALID)?;
        add(HookType::EDGE_GENERATED, on_translated as *mut c_void, X86Insn::INVALID)?;
    }
    Ok(())
}

/// Adds the hook before every instruction.
pub(super) fn install_trace(engine: &Engine, data: *mut Shared) -> Result<(), String> {
    // SAFETY: as in `install`.
    let hook = unsafe { engine.hook(HookType::CODE, on_instruction as *mut c_void, data.cast(), 0) };
    hook.map(|_| ()).map_err(|e| format!("hook: {e:?}"))
}

unsafe extern "C" fn on_fill(
    uc: *mut uc_engine, va: u64, kind: MemType, entry: *mut TlbEntry, data: *mut c_void,
) -> bool {
    let access = match kind {
        MemType::WRITE => Access::Write,
        MemType::FETCH => Access::Execute,
        _ => Access::Read,
    };
    // SAFETY: the hook was installed with this CPU's state.
    let page = unsafe { with_client(uc, data, |engine, shared, client| fill(engine, shared, client, va, access)) };
    let Some(Some(page)) = page else { return false };
    let right = |allowed: bool, right: Prot| if allowed { right.0 } else { 0 };
    let perms = right(page.read, Prot::READ) | right(page.write, Prot::WRITE) | right(page.execute, Prot::EXEC);
    // SAFETY: the engine passes a valid entry to fill in.
    unsafe { *entry = TlbEntry { paddr: page.physical, perms: Prot(perms) } };
    true
}

fn fill(engine: &Engine, shared: &mut Shared, client: &mut dyn Client, va: u64, access: Access) -> Option<super::Page> {
    shared.fault = None;
    restore_flags(engine, shared, client, access);
    if let Some(page) = boot::page(shared.ram_private, va, access, shared.booting) {
        // User code cannot read the descriptor table; the CPU reads it when an instruction loads a selector.
        let mut code = [0; 15];
        let rip = registers::rip(engine);
        let len = client.code(rip, &mut code);
        let code = code.get(..len).unwrap_or(&[]);
        if shared.booting || blocks::reads_descriptors(code, registers::bits(engine), rip) {
            return Some(page);
        }
    }
    let refused = match client.translate(va, access) {
        Ok(page) if page.allows(access) => return Some(page),
        Ok(_) => Fault { va, access, kind: FaultKind::Protection },
        Err(fault) => fault,
    };
    shared.fault = Some(refused);
    None
}

/// Before a fill the engine goes back to the flags of the instruction's start, in the form that code without a hook
/// before each instruction has them in. With one they have another form by then, which an instruction that has
/// flags written out before it stores expects: `pushf` into a page not touched yet left the carry behind.
fn restore_flags(engine: &Engine, shared: &Shared, client: &mut dyn Client, access: Access) {
    let Some((address, flags)) = shared.traced else { return };
    if access != Access::Write || registers::rip(engine) != address {
        return;
    }
    let mut code = [0; 15];
    let len = client.code(address, &mut code);
    if blocks::pushes_flags(code.get(..len).unwrap_or(&[]), registers::bits(engine)) {
        engine.write(&[R::RFLAGS as c_int], &[flags]);
    }
}

unsafe extern "C" fn on_syscall(uc: *mut uc_engine, data: *mut c_void) {
    // SAFETY: the hook was installed with this CPU's state.
    let shared = unsafe { &mut *data.cast::<Shared>() };
    // SAFETY: the engine passes itself.
    let engine = unsafe { Engine::borrow(uc) };
    if shared.runs_32(&engine) {
        shared.exit = Some(Exit::Foreign);
        engine.stop();
        return;
    }
    // SAFETY: as above.
    unsafe { trap(uc, data, Gate::Syscall, Exit::Syscall) };
}

/// # Safety
/// As for [`with_client`].
unsafe fn trap(uc: *mut uc_engine, data: *mut c_void, gate: Gate, exit: Exit) {
    let run = |engine: &Engine, shared: &mut Shared, client: &mut dyn Client| {
        // In the hooks of `syscall` and `sysenter` RIP still points at the instruction, and the engine then adds its
        // length; that of `int n` points after it.
        let after = match gate {
            Gate::Syscall | Gate::Sysenter => gate.instruction_len(),
            Gate::Int2e | Gate::Int2e32 => 0,
        };
        // A trap ends its block, so counting, where it is on, knows RIP already.
        let rip = shared.block_end().unwrap_or_else(|| registers::rip(engine).wrapping_add(after));
        let regs = registers::read_trap(engine, gate, rip);
        let mut trap = Trap { engine, regs, retired: shared.retired, gate, after };
        if client.trap(gate, &mut trap) == Flow::Stop {
            shared.exit = Some(exit);
            engine.stop();
        }
    };
    // SAFETY: passed on to the caller.
    unsafe { with_client(uc, data, run) };
}

unsafe extern "C" fn on_sysenter(uc: *mut uc_engine, data: *mut c_void) {
    // SAFETY: the hook was installed with this CPU's state.
    let shared = unsafe { &mut *data.cast::<Shared>() };
    if shared.sysenter {
        // SAFETY: as above.
        unsafe { trap(uc, data, Gate::Sysenter, Exit::Sysenter) };
        return;
    }
    shared.exit = Some(Exit::Sysenter);
    // SAFETY: the engine passes itself.
    unsafe { Engine::borrow(uc) }.stop();
}

unsafe extern "C" fn on_interrupt(uc: *mut uc_engine, vector: u32, data: *mut c_void) {
    // SAFETY: the hook was installed with this CPU's state.
    let shared = unsafe { &mut *data.cast::<Shared>() };
    // SAFETY: the engine passes itself.
    let engine = unsafe { Engine::borrow(uc) };
    // `int n` ends its block and leaves RIP behind it; an exception leaves RIP at its instruction. So an
    // exception of the same number right after an `int n` belongs to another block.
    let block = shared.block();
    let software = block.ends_in_int && registers::rip(&engine) == block.end();
    if vector == 0x2e && software {
        let gate = match (shared.arch, shared.runs_32(&engine)) {
            (Arch::X64, false) => Gate::Int2e,
            (Arch::X86, _) => Gate::Int2e32,
            (Arch::X64, true) => {
                shared.exit = Some(Exit::Foreign);
                engine.stop();
                return;
            }
        };
        // SAFETY: as above.
        unsafe { trap(uc, data, gate, Exit::Interrupt(0x2e)) };
        return;
    }
    let vector = vector as u8;
    shared.exit = Some(if software { Exit::Interrupt(vector) } else { Exit::Exception(vector) });
    engine.stop();
}

unsafe extern "C" fn on_block(uc: *mut uc_engine, address: u64, size: u32, data: *mut c_void) {
    // SAFETY: the hook was installed with this CPU's state.
    let shared = unsafe { &mut *data.cast::<Shared>() };
    if let Some((slot, count)) = shared.blocks.plain(address, shared.mode, size)
        && shared.retired + count <= shared.plain_limit
    {
        shared.retired += count;
        shared.current = slot as u32;
        return;
    }
    // SAFETY: passed on.
    unsafe { on_special_block(uc, address, size, data) };
}

/// A block that is new, or may not run to its end, or needs care in counting.
///
/// # Safety
/// As for [`with_client`].
#[cold]
unsafe fn on_special_block(uc: *mut uc_engine, address: u64, size: u32, data: *mut c_void) {
    let run = |engine: &Engine, shared: &mut Shared, client: &mut dyn Client| {
        let before = shared.block();
        let bits = registers::bits(engine);
        shared.mode = blocks::mode_key(bits == 32);
        let block = match shared.blocks.get(address, shared.mode, size) {
            Some(block) => *block,
            None => decode(client, bits, address, size),
        };
        let again = u64::from(shared.repeating == address);
        if again == 0 && before.is_restarted_by(&block) {
            shared.retired = retired_at(shared, client, address, bits);
        }
        let retired = shared.retired + u64::from(block.count) - again;
        if retired > shared.limit || block.forbidden.is_some() {
            cut(engine, shared, client, &block, again);
            return;
        }
        shared.retired = retired;
        shared.blocks.insert(block);
        shared.run_here(block);
        shared.set_repeating(block.rep.map_or(NOT_REPEATING, |at| block.address.wrapping_add(at.into())));
        if block.ends_in_far {
            shared.plain_limit = 0;
        }
    };
    // SAFETY: passed on to the caller.
    unsafe { with_client(uc, data, run) };
}

/// Stops before a block that may not run to its end.
fn cut(engine: &Engine, shared: &mut Shared, client: &mut dyn Client, block: &Block, again: u64) {
    let allowed = shared.limit.saturating_sub(shared.retired) + again;
    let mut code = vec![0; block.size as usize];
    client.code(block.address, &mut code);
    let forbidden = block.forbidden.map(|at| block.address.wrapping_add(at.into()));
    let budget = (u64::from(block.count) > allowed)
        .then(|| blocks::nth_address(&code, block.bits(), block.address, allowed as u32));
    match (forbidden, budget) {
        (Some(at), budget) if budget.is_none_or(|b| at <= b) => {
            if at == block.address {
                shared.exit = Some(Exit::InvalidInstruction);
            } else {
                shared.stop_at = Some(StopAt::Forbidden(at));
            }
        }
        (_, Some(at)) if at == block.address => shared.exit = Some(Exit::Budget),
        (_, Some(at)) => shared.stop_at = Some(StopAt::Budget(at)),
        // The first arm takes every block with a forbidden instruction and no budget in its way.
        (_, None) => {}
    }
    shared.run_here(Block { address: block.address, ..Block::default() });
    engine.stop();
}

fn decode(client: &mut dyn Client, bits: u32, address: u64, size: u32) -> Block {
    let mut code = vec![0; size as usize];
    let len = client.code(address, &mut code);
    blocks::decode(code.get(..len).unwrap_or(&[]), bits, address, size)
}

/// The engine has translated code: what was known of a block there may be wrong now.
unsafe extern "C" fn on_translated(
    _uc: *mut uc_engine, now: *mut TranslationBlock, _before: *mut TranslationBlock, data: *mut c_void,
) {
    // SAFETY: the hook was installed with this CPU's state, and `now` is valid during the call.
    let (shared, block) = unsafe { (&mut *data.cast::<Shared>(), &*now) };
    let current = shared.block();
    if shared.blocks.forget(block.pc) == Some(shared.current as usize) {
        shared.run_here(current);
    }
}

unsafe extern "C" fn on_cpuid(uc: *mut uc_engine, _data: *mut c_void) -> c_int {
    // SAFETY: the engine passes itself.
    let engine = unsafe { Engine::borrow(uc) };
    let mut input = [0; 2];
    engine.read(&[R::RAX as c_int, R::RCX as c_int], &mut input);
    let [eax, ebx, ecx, edx] = identity::cpuid(input[0] as u32, input[1] as u32).map(u64::from);
    let ids = [R::RAX as c_int, R::RBX as c_int, R::RCX as c_int, R::RDX as c_int];
    engine.write(&ids, &[eax, ebx, ecx, edx]);
    1
}

/// # Safety
/// As for [`with_client`].
unsafe fn time_stamp(uc: *mut uc_engine, data: *mut c_void) -> c_int {
    let read = |engine: &Engine, shared: &mut Shared, client: &mut dyn Client| {
        let retired = retired_at(shared, client, registers::rip(engine), registers::bits(engine));
        let tsc = client.tsc(retired);
        engine.write(&[R::RAX as c_int, R::RDX as c_int], &[tsc & 0xffff_ffff, tsc >> 32]);
    };
    // SAFETY: passed on to the caller.
    unsafe { with_client(uc, data, read) };
    1
}

unsafe extern "C" fn on_rdtsc(uc: *mut uc_engine, data: *mut c_void) -> c_int {
    // SAFETY: the hook was installed with this CPU's state.
    unsafe { time_stamp(uc, data) }
}

unsafe extern "C" fn on_rdtscp(uc: *mut uc_engine, data: *mut c_void) -> c_int {
    // SAFETY: as above. TSC_AUX, which Windows sets to the processor's number, is 0.
    unsafe {
        Engine::borrow(uc).write(&[R::RCX as c_int], &[0]);
        time_stamp(uc, data)
    }
}

unsafe extern "C" fn on_instruction(uc: *mut uc_engine, address: u64, size: u32, data: *mut c_void) {
    // SAFETY: the hook was installed with this CPU's state.
    unsafe {
        with_client(uc, data, |engine, shared, client| {
            let mut flags = [0];
            engine.read(&[R::RFLAGS as c_int], &mut flags);
            shared.traced = Some((address, flags[0]));
            tell(engine, client, address, size);
        })
    };
}

/// Tells of an instruction that is about to run.
pub(super) fn tell(engine: &Engine, client: &mut dyn Client, address: u64, size: u32) {
    client.instruction(&Insn { engine, address, size });
}

/// Instructions retired when RIP is somewhere in the current block: those from RIP to its end have not been.
pub(super) fn retired_at(shared: &Shared, client: &mut dyn Client, rip: u64, bits: u32) -> u64 {
    let block = shared.block();
    if !block.contains(rip) {
        return shared.retired;
    }
    let mut code = vec![0; block.size as usize];
    client.code(block.address, &mut code);
    let before = blocks::count_before(&code, bits, block.address, rip);
    shared.retired.saturating_sub(u64::from(block.count.saturating_sub(before)))
}

/// A system call that has just arrived.
pub struct Trap<'a> {
    engine: &'a Engine,
    /// The registers it reads; a 64-bit call's RDX, R8 and R9 are zero until [`Trap::read_arguments`].
    pub regs: TrapRegs,
    gate: Gate,
    /// What the engine adds to RIP when the hook returns.
    after: u64,
    /// Instructions retired, the trapping one included.
    pub retired: u64,
}

impl Trap<'_> {
    /// Reads the second to fourth argument as well: reading a register of the engine costs more than most services
    /// with one argument do.
    #[inline]
    pub fn read_arguments(&mut self) {
        if self.gate.width() == Width::W64 {
            registers::read_arguments(self.engine, &mut self.regs);
        }
    }

    /// Every register, RIP at or after the instruction as the gate has it.
    pub fn registers(&self) -> RegisterFile {
        let mut file = RegisterFile::read(self.engine);
        file.set(super::Reg::Rip, self.regs.rip);
        file
    }

    /// Returns from the call.
    #[inline]
    pub fn finish(&mut self, regs: &ReturnRegs) {
        registers::write_return(self.engine, regs, Some((self.regs.rip, self.after)));
    }
}

/// An instruction that is about to run.
pub struct Insn<'a> {
    engine: &'a Engine,
    /// Its address.
    pub address: u64,
    /// Its length in bytes.
    pub size: u32,
}

impl Insn<'_> {
    /// The general registers before it.
    pub fn registers(&self) -> RegisterFile {
        registers::read_general(self.engine)
    }

    /// 64 or 32: how it is decoded.
    pub fn bits(&self) -> u32 {
        registers::bits(self.engine)
    }
}

/// The fault of a fetch from an address that no space has.
pub(super) fn not_mapped(va: u64) -> Fault {
    Fault { va, access: Access::Execute, kind: FaultKind::NotMapped }
}
