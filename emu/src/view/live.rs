//! `trapgate ssdt --live`: the service tables, the CPU's entry registers and the IDT as they stand in guest memory, and
//! what in them does not lead where the kernel image has it.

use guest::Arch;
use guest::asm::kernel::{KernelFeature, interrupts};
use guest::services::ServiceTableId;
use serde::Serialize;

use super::Paint;
use crate::cpu::Msr;
use crate::loader::Module;
use crate::machine::Machine;

/// A way into the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entrance {
    /// `LSTAR`, `IDT 0x2e` and so on.
    pub name: String,
    /// Where it leads.
    pub address: u64,
    /// The same with module and symbol.
    pub place: String,
    /// Where the kernel image has it lead.
    pub expected: String,
    /// It leads elsewhere.
    pub hooked: bool,
}

/// A row of a service table in guest memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LiveRow {
    /// The service number, with the table's bits.
    pub number: u32,
    /// The service of that number in this build.
    pub name: String,
    /// Where the row leads.
    pub address: u64,
    /// The same with module and symbol.
    pub place: String,
    /// That is not the service's own entry.
    pub hooked: bool,
    /// It is not even in the image that the table belongs to.
    pub outside: bool,
}

/// The state of a kernel's tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Live {
    /// Registers and interrupts.
    pub entrances: Vec<Entrance>,
    /// Both tables' rows.
    pub rows: Vec<LiveRow>,
    /// What cannot be read, in words.
    pub unreadable: Vec<String>,
}

/// Looks at a machine whose dispatcher is guest code; `None` for any other.
pub fn live(machine: &Machine) -> Option<Live> {
    let nt = machine.modules().kernel().next()?;
    let mut live = Live { entrances: entrances(machine, nt), rows: Vec::new(), unreadable: Vec::new() };
    for table in [ServiceTableId::Nt, ServiceTableId::Win32k] {
        rows(machine, nt, table, &mut live);
    }
    Some(live)
}

fn entrances(machine: &Machine, nt: &Module) -> Vec<Entrance> {
    let arch = machine.kernel().profile.arch;
    let entrance = |name: String, address: u64, expected: &str| Entrance {
        name,
        address,
        place: machine.modules().describe(address),
        expected: format!("nt!{expected}"),
        hooked: nt.symbol(expected) != Some(address),
    };
    let registers: &[(&str, Msr, &str)] = match arch {
        Arch::X64 => &[("LSTAR", Msr::Lstar, "KiSystemCall64"), ("CSTAR", Msr::Cstar, "KiSystemCall32")],
        Arch::X86 => &[("SYSENTER_EIP", Msr::SysenterEip, "KiFastCallEntry")],
    };
    let registers = registers.iter().filter(|(_, _, symbol)| nt.symbol(symbol).is_some());
    let mut all: Vec<Entrance> =
        registers.map(|(name, msr, symbol)| entrance(name.to_string(), machine.msr(*msr), symbol)).collect();
    for interrupt in interrupts(arch).iter().filter(|i| nt.symbol(i.symbol).is_some()) {
        let target = machine.interrupt_target(interrupt.vector).unwrap_or(0);
        all.push(entrance(format!("IDT {:#04x}", interrupt.vector), target, interrupt.symbol));
    }
    all
}

/// A number of the machine's width in guest memory.
fn word(machine: &Machine, va: u64, len: usize) -> Option<u64> {
    let mut bytes = [0; 8];
    bytes.get_mut(..len)?.copy_from_slice(&machine.peek(va, len)?);
    Some(u64::from_le_bytes(bytes))
}

fn rows(machine: &Machine, nt: &Module, table: ServiceTableId, live: &mut Live) {
    let profile = machine.kernel().profile;
    let width = profile.arch.width().bytes();
    // A descriptor has four words; win32k's is the second of the shadow table's. The number of rows is the third.
    let (index, name) = match table {
        ServiceTableId::Nt => (0, "KiServiceTable"),
        ServiceTableId::Win32k => (1, "W32pServiceTable"),
    };
    if profile.table_size(table) == 0 {
        return;
    }
    let descriptor = nt.symbol("KeServiceDescriptorTableShadow").map(|at| at + index * 4 * width as u64);
    let base = descriptor.and_then(|at| word(machine, at, width));
    let limit = descriptor.and_then(|at| word(machine, at + 2 * width as u64, 4));
    let (Some(base), Some(limit)) = (base, limit) else {
        live.unreadable.push(format!("the descriptor of {name}"));
        return;
    };
    let own = machine.modules().kernel().find(|m| m.symbol(name).is_some());
    let relative = KernelFeature::RelativeRows.of(profile);
    // A row is a number of 12 bits, whatever the limit says.
    for row in 0..limit.min(0x1000) {
        let size = if relative { 4 } else { width as u64 };
        let Some(value) = word(machine, base.wrapping_add(row * size), size as usize) else {
            live.unreadable.push(format!("{name} from row {row:#x} on"));
            return;
        };
        let address = match (relative, profile.arch) {
            (true, _) => base.wrapping_add((i64::from(value as u32 as i32) >> 4) as u64),
            (false, Arch::X64) => value & !0xf,
            (false, Arch::X86) => value,
        };
        let service = profile.service(table, row as usize);
        let known = service.map_or("(unnamed)", |s| s.info.name);
        let inside = own.is_some_and(|m| address.wrapping_sub(m.base) < m.size);
        let right = match service {
            Some(s) => own.and_then(|m| m.symbol(s.info.name)) == Some(address),
            None => inside,
        };
        live.rows.push(LiveRow {
            number: table.base() + row as u32,
            name: known.to_string(),
            address,
            place: machine.modules().describe(address),
            hooked: !right,
            outside: !inside,
        });
    }
}

impl Live {
    /// How many things do not lead where they should.
    pub fn hooks(&self) -> usize {
        self.entrances.iter().filter(|e| e.hooked).count() + self.rows.iter().filter(|r| r.hooked).count()
    }
}

/// The page.
pub fn live_text(live: &Live, paint: Paint) -> String {
    let mut text = format!("{:<14} {:<18} {}\n", "entrance", "address", "leads to");
    for entrance in &live.entrances {
        let place = if entrance.hooked {
            paint.bad(&format!("{}  <- hooked: should be {}", entrance.place, entrance.expected))
        } else {
            entrance.place.clone()
        };
        text += &format!("{:<14} {:<18x} {place}\n", entrance.name, entrance.address);
    }
    text += &format!("\n{:<7} {:<48} {:<18} {}\n", "number", "service", "address", "leads to");
    for row in &live.rows {
        let place = match (row.hooked, row.outside) {
            (true, true) => paint.bad(&format!("{}  <- hooked: outside the image", row.place)),
            (true, false) => paint.bad(&format!("{}  <- hooked: another entry", row.place)),
            _ => row.place.clone(),
        };
        text += &format!("{:#6x}  {:<48} {:<18x} {place}\n", row.number, row.name, row.address);
    }
    for what in &live.unreadable {
        text += &format!("{}\n", paint.bad(&format!("cannot be read: {what}")));
    }
    let found = match live.hooks() {
        0 => paint.good("nothing is hooked"),
        n => paint.bad(&format!("{n} hooked")),
    };
    text + &format!("{} entrances, {} rows: {found}\n", live.entrances.len(), live.rows.len())
}
