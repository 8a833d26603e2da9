//! A 32-bit program on a 64-bit kernel: two sides of one process, and what leads from one to the other.

use guest::mem::PAGE_SIZE;
use guest::{Arch, NtStatus, wow64};
use kernel_model::mm::Protect;

use super::modules::{Module, Modules};
use super::process::{Places, Stack, Start, X86_STACK, fill, reserve_near};
use super::writer::StructBuilder;
use super::{ProcessConfig, Side, Target};
use crate::cpu::Reg;

/// Where the region of the PEBs and TEBs is without ASLR, and its size.
const REGION: u64 = 0x20_0000;
const REGION_SIZE: u64 = 0x20_0000;
/// What is in it: both PEBs, the 64-bit TEB (two pages), the 32-bit one, the thread's CPU area.
const PEB_32: u64 = 0x1000;
const TEB_64: u64 = 0x2000;
const TEB_32: u64 = TEB_64 + TEB_OFFSET;
const CPU_AREA: u64 = 0x6000;
const REGION_PAGES: u64 = 7;
/// The 32-bit TEB lies this far behind the 64-bit one (`WowTebOffset`).
const TEB_OFFSET: u64 = 0x2000;
/// The 64-bit stack of a thread that runs 32-bit code.
const STACK_64: u64 = 0x18_0000;
const STACK_64_SIZE: u64 = 0x4_0000;
/// `WOW64_TLS_CPURESERVED`.
const TLS_CPU_AREA: u64 = 1;
/// `WOW64_CPURESERVED`: flags, machine type, then a CONTEXT.
const CPU_CONTEXT: u64 = 4;
const MACHINE_I386: u16 = 0x14c;
/// `CONTEXT_i386 | CONTEXT_FULL`.
const CONTEXT_FULL: u32 = 0x1_0007;

/// Creates both sides and says where to start: in `BTCpuSimulate`, which goes on to 32-bit code.
pub(super) fn create(
    target: &mut Target<'_>, config: &ProcessConfig, modules: &Modules, slide: u64,
) -> Result<Start, NtStatus> {
    let region = reserve_near(target, Some(REGION), REGION_SIZE / PAGE_SIZE)?;
    target.commit(region, REGION_PAGES, Protect::READWRITE)?;
    let at = region * PAGE_SIZE;
    let native = Places { peb: at, teb: at + TEB_64, stack: STACK_64, stack_size: Some(STACK_64_SIZE) };
    let stack = X86_STACK + (slide % 8) * 0x1_0000;
    let guest = Places { peb: at + PEB_32, teb: at + TEB_32, stack, stack_size: None };
    let sides = [Arch::X64, Arch::X86].map(|arch| Side::new(target.profile(), arch));
    let [side64, side32] = &sides;
    let stack64 = fill(target, config, modules, side64, native)?;
    let stack32 = fill(target, config, modules, side32, guest)?;
    join(target, modules, &sides, native, guest, at + CPU_AREA)?;
    let start = start_context(side32, modules, guest, stack32).ok_or(NtStatus::ENTRYPOINT_NOT_FOUND)?;
    target.write(at + CPU_AREA, &[[0, 0], MACHINE_I386.to_le_bytes()].concat())?;
    target.write(at + CPU_AREA + CPU_CONTEXT, &start)?;
    target.kernel.ps.process.peb = native.peb;
    target.kernel.ps.process.wow64_peb = Some(guest.peb);
    target.kernel.ps.thread.teb = native.teb;
    let rip = modules.by_name("wow64cpu.dll", Arch::X64).and_then(|m| m.symbol("BTCpuSimulate"));
    Ok(Start {
        registers: vec![(Reg::Rip, rip.ok_or(NtStatus::ENTRYPOINT_NOT_FOUND)?), (Reg::Rsp, stack64.base - 0x28)],
        gs_base: native.teb,
        fs_base: guest.teb as u32,
    })
}

/// Writes what leads from one side to the other.
fn join(
    target: &mut Target<'_>, modules: &Modules, sides: &[Side; 2], native: Places, guest: Places, cpu_area: u64,
) -> Result<(), NtStatus> {
    let [side64, side32] = sides;
    let missing = NtStatus::ENTRYPOINT_NOT_FOUND;
    let cpu = modules.by_name("wow64cpu.dll", Arch::X64).ok_or(missing)?;
    let style = target.profile().stub_style_for(Arch::X86).ok_or(missing)?;
    let gate = cpu.symbol(style.transition).ok_or(missing)?;
    let (teb64, teb32) = (native.teb, guest.teb);
    let slot = side64.offset("TEB", "TlsSlots") + 8 * TLS_CPU_AREA;
    target.write(teb64 + slot, &cpu_area.to_le_bytes())?;
    // A 64-bit thread has no list of exception handlers; the field leads to the other TEB, and back from a field
    // that only a GUI thread would use.
    target.write(teb64 + side64.offset("NT_TIB", "ExceptionList"), &teb32.to_le_bytes())?;
    target.write(teb32 + side32.offset("TEB", "GdiBatchCount"), &(teb64 as u32).to_le_bytes())?;
    for (side, teb, offset) in [(side64, teb64, TEB_OFFSET as i32), (side32, teb32, -(TEB_OFFSET as i32))] {
        if let Some(field) = side.layouts.offset("TEB", "WowTebOffset") {
            target.write(teb + field, &offset.to_le_bytes())?;
        }
    }
    target.write(teb32 + side32.offset("TEB", "WOW32Reserved"), &(gate as u32).to_le_bytes())?;
    if let Some(transition) = modules.by_name("ntdll.dll", Arch::X86).and_then(|m| m.symbol("Wow64Transition")) {
        target.write(transition, &(gate as u32).to_le_bytes())?;
    }
    let tables = modules.by_name("wow64.dll", Arch::X64).and_then(|m: &Module| m.symbol("Wow64ServiceTables"));
    let size = wow64::tables(target.profile(), 0).len() as u64;
    let place = target.allocate(None, size, Protect::READWRITE)?;
    target.write(place, &wow64::tables(target.profile(), place))?;
    target.write(tables.ok_or(missing)?, &place.to_le_bytes())
}

/// The registers that 32-bit code starts with.
fn start_context(side: &Side, modules: &Modules, places: Places, stack: Stack) -> Option<Vec<u8>> {
    let start = modules.by_name("ntdll.dll", Arch::X86)?.symbol("RtlUserThreadStart")?;
    let entry = modules.program()?.entry();
    let mut context = StructBuilder::new(side, "CONTEXT");
    context.u32("ContextFlags", CONTEXT_FULL).u32("EFlags", 0x202);
    for (register, selector) in
        [("SegCs", 0x23), ("SegSs", 0x2b), ("SegDs", 0x2b), ("SegEs", 0x2b), ("SegGs", 0x2b), ("SegFs", 0x53)]
    {
        context.u32(register, selector);
    }
    for (register, value) in [("Eip", start), ("Eax", entry), ("Ebx", places.peb), ("Esp", stack.base - 0x10)] {
        context.u32(register, value as u32);
    }
    Some(context.finish())
}
