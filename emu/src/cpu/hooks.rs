//! What the engine calls while it runs.
//!
//! Each hook gets the [`Shared`] state of its CPU. A panic must not cross C, so client code runs behind
//! `catch_unwind`; what it threw goes on in [`super::Cpu::run`].

use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use guest::convention::{Gate, TrapRegs};
use guest::mem::{Access, Width};
use guest::system::KernelGate;
use guest::{Arch, Fault, FaultKind};
use unicorn_engine::RegisterX86 as R;
use unicorn_engine::unicorn_const::{HookType, MemType, Prot, TlbEntry, TranslationBlock, X86Insn, uc_engine};

use super::blocks::{self, Block};
use super::ffi::Engine;
use super::registers;
use super::ring::{self, Entry};
use super::shared::{NOT_REPEATING, Shared, StopAt};
use super::trap::{Insn, KernelCall, Trap};
use super::{Client, Exit, Flow, boot, identity};

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
    if shared.ring_0.is_some() && !shared.booting {
        let page = match fill_by_ring(engine, shared, client, va, access) {
            Ok(page) if page.allows(access) => return Some(page),
            Ok(_) => Fault { va, access, kind: FaultKind::Protection },
            Err(fault) => fault,
        };
        shared.fault = Some(page);
        return None;
    }
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

/// `EFLAGS.AC`.
const ALIGNMENT_CHECK: u64 = 0x4_0000;

/// A page as the ring that asks may use it; the engine keeps the answers of each ring apart.
fn fill_by_ring(
    engine: &Engine, shared: &Shared, client: &mut dyn Client, va: u64, access: Access,
) -> Result<super::Page, Fault> {
    let (bits, ring) = registers::mode(engine);
    if ring == 0 {
        let ac = registers::flags(engine) & ALIGNMENT_CHECK != 0;
        // Without CR0.WP ring 0 may write what it may read. Changing the bit makes the engine ask anew.
        if access == Access::Write && !ring::write_protect(engine) {
            return client.translate_kernel(va, Access::Read, ac).map(|page| super::Page { write: true, ..page });
        }
        return client.translate_kernel(va, access, ac);
    }
    // The CPU reads descriptors with the kernel's rights, whoever loads the selector.
    if va & !0xfff == shared.gdt_page && access == Access::Read {
        let mut code = [0; 15];
        let rip = registers::rip(engine);
        let len = client.code(rip, &mut code);
        if blocks::reads_descriptors(code.get(..len).unwrap_or(&[]), bits, rip) {
            return client.translate_kernel(va, access, true);
        }
    }
    client.translate(va, access)
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
        if shared.ring_0.is_some() {
            enter_kernel(engine, shared, client, gate, rip, after, exit);
            return;
        }
        let mut window = shared.window.as_deref_mut().filter(|_| gate.width() == Width::W64);
        let regs = match &mut window {
            Some(window) => window.trap_regs(engine, rip),
            None => registers::read_trap(engine, gate, rip),
        };
        let (tables, stack) = ([(0, 0); 2], (0, 0, 0));
        let mut trap = Trap { window, engine, regs, retired: shared.retired, gate, after, tables, stack };
        if client.trap(gate, &mut trap) == Flow::Stop {
            shared.exit = Some(exit);
            engine.stop();
        }
    };
    // SAFETY: passed on to the caller.
    unsafe { with_client(uc, data, run) };
}

/// Completes a system call as the CPU does where kernel code answers it.
fn enter_kernel(
    engine: &Engine, shared: &mut Shared, client: &mut dyn Client, gate: Gate, rip: u64, after: u64, exit: Exit,
) {
    let (rflags, stack) = match gate {
        Gate::Syscall | Gate::Sysenter => (registers::flags(engine), (0, 0, 0)),
        Gate::Int2e | Gate::Int2e32 => registers::flags_and_stack(engine),
    };
    let Some(msrs) = shared.ring_0.as_mut().map(|r| r.msrs(engine)) else { return };
    let entry = match gate {
        Gate::Syscall => Some(Entry { rip: msrs.lstar, rsp: None, rcx_r11: Some((rip, rflags)), clears: msrs.fmask }),
        // VM, IF and RF.
        Gate::Sysenter => {
            Some(Entry { rip: msrs.sysenter_eip, rsp: Some(msrs.sysenter_esp), rcx_r11: None, clears: 0x3_0200 })
        }
        Gate::Int2e | Gate::Int2e32 => None,
    };
    let regs = TrapRegs { rip, rflags, ..TrapRegs::default() };
    let retired = shared.in_ring_3(shared.retired);
    let mut trap = Trap { window: None, engine, regs, retired, gate, after, tables: msrs.idt_and_tss, stack };
    match client.enter_kernel(&mut trap, entry) {
        Some(entry) => shared.enter_ring_0(engine, &entry, after),
        None => {
            shared.exit = Some(exit);
            engine.stop();
        }
    }
}

/// A call of the model by kernel code.
///
/// # Safety
/// As for [`with_client`].
unsafe fn call_model(uc: *mut uc_engine, data: *mut c_void, gate: KernelGate) {
    let run = |engine: &Engine, shared: &mut Shared, client: &mut dyn Client| {
        let retired = shared.in_ring_3(shared.retired);
        let Some(ring_0) = &mut shared.ring_0 else { return };
        let mut call = KernelCall { engine, general: ring_0.look(engine), retired };
        if client.kernel_gate(gate, &mut call) == Flow::Stop {
            shared.exit = Some(Exit::KernelGate(gate));
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
    if shared.is_ring_0() {
        if let Some(gate) = KernelGate::of_vector(vector as u8).filter(|_| software) {
            // SAFETY: as above.
            unsafe { call_model(uc, data, gate) };
            return;
        }
    } else if vector == 0x2e && software {
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
        let (bits, ring) = if shared.mode_known {
            (if shared.mode_is_32() { 32 } else { 64 }, if shared.is_ring_0() { 0 } else { 3 })
        } else {
            registers::mode(engine)
        };
        shared.set_mode(bits == 32);
        if ring == 3 && shared.is_ring_0() {
            shared.left_ring_0();
            if client.left_kernel(&Insn { engine, address, size }) == Flow::Stop {
                shared.exit = Some(Exit::LeftKernel);
                shared.run_here(Block { address, ..Block::default() });
                shared.plain_limit = 0;
                engine.stop();
                return;
            }
        }
        let known = shared.blocks.get(address, shared.mode, size).copied();
        let mut block = known.unwrap_or_else(|| Block { space: shared.space, ..decode(client, bits, address, size) });
        if ring == 3 {
            // Both are where it is cut.
            block.forbidden = block.forbidden.into_iter().chain(block.port).min();
        }
        let again = u64::from(shared.repeating == address);
        if again == 0 && before.is_restarted_by(&block) {
            shared.retired = retired_at(shared, client, address, bits);
        }
        let retired = shared.retired + u64::from(block.count) - again;
        if retired > shared.ceiling() || block.forbidden.is_some() {
            cut(engine, shared, client, &block, again);
            return;
        }
        shared.retired = retired;
        if known.is_none() {
            shared.blocks.insert(block);
        }
        shared.run_here(block);
        shared.set_repeating(block.rep.map_or(NOT_REPEATING, |at| block.address.wrapping_add(at.into())));
        if block.ends_in_far {
            shared.plain_limit = 0;
            shared.mode_known = false;
        }
        if block.writes_msr
            && let Some(ring_0) = &mut shared.ring_0
        {
            ring_0.forget_msrs();
        }
    };
    // SAFETY: passed on to the caller.
    unsafe { with_client(uc, data, run) };
}

/// Stops before a block that may not run to its end.
fn cut(engine: &Engine, shared: &mut Shared, client: &mut dyn Client, block: &Block, again: u64) {
    let allowed = shared.ceiling().saturating_sub(shared.retired) + again;
    let mut code = vec![0; block.size as usize];
    client.code(block.address, &mut code);
    let forbidden = block.forbidden.map(|at| block.address.wrapping_add(at.into()));
    let budget = (u64::from(block.count) > allowed)
        .then(|| blocks::nth_address(&code, block.bits(), block.address, allowed as u32));
    match (forbidden, budget) {
        (Some(at), budget) if budget.is_none_or(|b| at < b) => {
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
        let tsc = client.tsc(shared.in_ring_3(retired));
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
            shared.traced = Some((address, registers::flags(engine)));
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

/// The fault of a fetch from an address that no space has.
pub(super) fn not_mapped(va: u64) -> Fault {
    Fault { va, access: Access::Execute, kind: FaultKind::NotMapped }
}
