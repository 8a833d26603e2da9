//! A 32-bit program on a 64-bit kernel: two sides of one process, and what leads from one to the other.

use guest::layout::Side;
use guest::mem::PAGE_SIZE;
use guest::{Arch, NtStatus, wow64};
use kernel_model::mm::Protect;
use kernel_model::ps::{TebSlots, WOW_TEB_OFFSET, WOW64_SLOT, WOW64_STACK, Wow64Start, Wow64Ways, write_wow64};

use super::modules::{Module, Modules};
use super::process::{Places, Start, X86_STACK, fill, reserve_near};
use super::{ProcessConfig, Target};
use crate::cpu::Reg;

/// Where the region of the PEBs and TEBs is without ASLR, and its size.
const REGION: u64 = 0x20_0000;
const REGION_SIZE: u64 = 0x20_0000;
/// What is in it: both PEBs, the 64-bit TEB (two pages), the 32-bit one, the thread's CPU area.
const PEB_32: u64 = 0x1000;
const TEB_64: u64 = 0x2000;
const TEB_32: u64 = TEB_64 + WOW_TEB_OFFSET;
const REGION_PAGES: u64 = 7;
/// The 64-bit stack of a thread that runs 32-bit code.
const STACK_64: u64 = 0x18_0000;
/// Creates both sides and says where to start: in `BTCpuSimulate`, which goes on to 32-bit code.
pub(super) fn create(
    target: &mut Target<'_>, config: &ProcessConfig, modules: &Modules, slide: u64,
) -> Result<Start, NtStatus> {
    let region = reserve_near(target, Some(REGION), REGION_SIZE / PAGE_SIZE)?;
    target.commit(region, REGION_PAGES, Protect::READWRITE)?;
    let at = region * PAGE_SIZE;
    let native = Places { peb: at, teb: at + TEB_64, stack: STACK_64, stack_size: Some(WOW64_STACK) };
    let stack = X86_STACK + (slide % 8) * 0x1_0000;
    let guest = Places { peb: at + PEB_32, teb: at + TEB_32, stack, stack_size: None };
    let sides = [Arch::X64, Arch::X86].map(|arch| Side::new(target.profile(), arch));
    let [side64, side32] = &sides;
    let stack64 = fill(target, config, modules, side64, native)?;
    let stack32 = fill(target, config, modules, side32, guest)?;
    let missing = NtStatus::ENTRYPOINT_NOT_FOUND;
    let ways = join(target, modules)?;
    let entry = modules.program().ok_or(missing)?.entry();
    let start = Wow64Start { ways, start: [entry, guest.peb], stack: stack32 };
    write_wow64(&mut target.kernel.mm, target.ram, &sides, native.teb, &start)?;
    let rip = modules.by_name("wow64cpu.dll", Arch::X64).and_then(|m| m.symbol("BTCpuSimulate")).ok_or(missing)?;
    let process = &mut target.kernel.ps.process;
    process.peb = native.peb;
    process.wow64_peb = Some(guest.peb);
    process.wow64_ways = Some(ways);
    process.thread_start = rip;
    process.highest = target.highest;
    process.tebs = TebSlots::new(at + TEB_64 + WOW64_SLOT, at + REGION_SIZE, WOW64_SLOT);
    let thread = &mut target.kernel.ps.thread;
    (thread.teb, thread.wow64_teb, thread.start_address) = (native.teb, Some(guest.teb), entry);
    thread.stacks = vec![stack64, stack32];
    Ok(Start {
        registers: vec![(Reg::Rip, rip), (Reg::Rsp, stack64.base - 0x28)],
        gs_base: native.teb,
        fs_base: guest.teb as u32,
    })
}

/// Has the modules know of each other; the ways that every thread gets.
fn join(target: &mut Target<'_>, modules: &Modules) -> Result<Wow64Ways, NtStatus> {
    let missing = NtStatus::ENTRYPOINT_NOT_FOUND;
    let cpu = modules.by_name("wow64cpu.dll", Arch::X64).ok_or(missing)?;
    let style = target.profile().stub_style_for(Arch::X86).ok_or(missing)?;
    let gate = cpu.symbol(style.transition).ok_or(missing)?;
    let ntdll = modules.by_name("ntdll.dll", Arch::X86).ok_or(missing)?;
    if let Some(transition) = ntdll.symbol("Wow64Transition") {
        target.write(transition, &(gate as u32).to_le_bytes())?;
    }
    let tables = modules.by_name("wow64.dll", Arch::X64).and_then(|m: &Module| m.symbol("Wow64ServiceTables"));
    let size = wow64::tables(target.profile(), 0).len() as u64;
    let place = target.allocate(None, size, Protect::READWRITE)?;
    target.write(place, &wow64::tables(target.profile(), place))?;
    target.write(tables.ok_or(missing)?, &place.to_le_bytes())?;
    Ok(Wow64Ways { gate: gate as u32, start: ntdll.symbol("RtlUserThreadStart").ok_or(missing)? as u32 })
}
