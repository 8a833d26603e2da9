//! What a thread of a WOW64 process has beside its TEB: the other TEB, and the area with its 32-bit registers.

use guest::layout::{Side, StructBuilder};
use guest::{Arch, NtStatus};

use crate::mm::{Memory, Phys, UserStack};

/// The 32-bit TEB lies this far behind the 64-bit one (`WowTebOffset`).
pub const WOW_TEB_OFFSET: u64 = 0x2000;
/// The CPU area lies this far behind it.
pub(super) const CPU_AREA: u64 = 0x4000;
/// Bytes of both TEBs and the CPU area.
pub const WOW64_SLOT: u64 = 0x5000;
/// Bytes of the 64-bit stack of a thread that runs 32-bit code.
pub const WOW64_STACK: u64 = 0x4_0000;
/// `WOW64_TLS_CPURESERVED`.
const TLS_CPU_AREA: u64 = 1;
/// `WOW64_CPURESERVED`: flags, machine type, then a CONTEXT.
pub(super) const CPU_CONTEXT: u64 = 4;
const MACHINE_I386: u16 = 0x14c;
/// `CONTEXT_i386 | CONTEXT_FULL`.
const CONTEXT_FULL: u32 = 0x1_0007;

/// What all threads of a WOW64 process have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wow64Ways {
    /// Where 32-bit code goes to reach 64-bit code.
    pub gate: u32,
    /// `RtlUserThreadStart` of the 32-bit ntdll.
    pub start: u32,
}

/// Where a thread's 32-bit code starts.
#[derive(Clone, Copy, Debug)]
pub struct Wow64Start {
    /// Common to all.
    pub ways: Wow64Ways,
    /// What `RtlUserThreadStart` gets: the start address and its argument.
    pub start: [u64; 2],
    /// The 32-bit stack.
    pub stack: UserStack,
}

/// Writes what leads from one TEB to the other, and the registers that 32-bit code starts with. `teb`: the 64-bit TEB, at
/// the beginning of the thread's slot; `sides`: 64-bit, 32-bit.
///
/// `STATUS_NO_MEMORY` where it is not committed.
pub fn write_wow64(
    memory: &mut Memory, ram: &mut dyn Phys, sides: &[Side; 2], teb: u64, start: &Wow64Start,
) -> Result<(), NtStatus> {
    let [side64, side32] = sides;
    let (teb32, cpu_area) = (teb + WOW_TEB_OFFSET, teb + CPU_AREA);
    let mut write = |at: u64, bytes: &[u8]| match memory.poke(ram, at, bytes) {
        written if written == bytes.len() => Ok(()),
        _ => Err(NtStatus::NO_MEMORY),
    };
    let slot = side64.offset("TEB", "TlsSlots") + 8 * TLS_CPU_AREA;
    write(teb + slot, &cpu_area.to_le_bytes())?;
    // A 64-bit thread has no list of exception handlers; the field leads to the other TEB, and back from a field
    // that only a GUI thread would use.
    write(teb + side64.offset("NT_TIB", "ExceptionList"), &teb32.to_le_bytes())?;
    write(teb32 + side32.offset("TEB", "GdiBatchCount"), &(teb as u32).to_le_bytes())?;
    let offset = WOW_TEB_OFFSET as i32;
    for (side, teb, offset) in [(side64, teb, offset), (side32, teb32, -offset)] {
        if let Some(field) = side.layouts.offset("TEB", "WowTebOffset") {
            write(teb + field, &offset.to_le_bytes())?;
        }
    }
    write(teb32 + side32.offset("TEB", "WOW32Reserved"), &start.ways.gate.to_le_bytes())?;
    write(cpu_area, &[[0, 0], MACHINE_I386.to_le_bytes()].concat())?;
    write(cpu_area + CPU_CONTEXT, &start_context(side32, start))
}

/// The registers that 32-bit code starts with.
fn start_context(side: &Side, start: &Wow64Start) -> Vec<u8> {
    debug_assert_eq!(side.arch, Arch::X86);
    let mut context = StructBuilder::new(side, "CONTEXT");
    context.u32("ContextFlags", CONTEXT_FULL).u32("EFlags", 0x202);
    for (register, selector) in
        [("SegCs", 0x23), ("SegSs", 0x2b), ("SegDs", 0x2b), ("SegEs", 0x2b), ("SegGs", 0x2b), ("SegFs", 0x53)]
    {
        context.u32(register, selector);
    }
    let [routine, argument] = start.start;
    let stack = start.stack.base - 0x10;
    for (register, value) in [("Eip", start.ways.start.into()), ("Eax", routine), ("Ebx", argument), ("Esp", stack)] {
        context.u32(register, value as u32);
    }
    context.finish()
}
