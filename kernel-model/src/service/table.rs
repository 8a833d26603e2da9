//! The service tables of one machine: what a service number leads to.

use guest::Profile;
use guest::convention::row_bits;
use guest::mem::Width;
use guest::services::{ServiceInfo, ServiceTableId, Widening};
use guest::stub::StubService;

use super::{Args, MAX_ARGS, Service, Support};

/// One row: what is known of the service, and its function where somebody wrote it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Name, arguments and signature.
    pub info: &'static ServiceInfo,
    /// The declared service.
    pub service: Option<&'static Service>,
    /// The service number with the table's bits, then how many arguments a 64-bit call has, and how many 4-byte slots
    /// those of a 32-bit call take; 0 where nobody knows. One word: rows are copied at every call, and three parts
    /// written one by one cannot be read together at once.
    packed: u64,
}

/// How the slots of a 32-bit call become arguments.
#[derive(Clone, Copy, Debug, Default)]
struct Widths {
    /// Which arguments are handles, by bit: a 32-bit one is sign-extended.
    handles: u32,
    /// Which arguments are 64 bits wide for everybody, by bit: they take two slots.
    wide: u32,
}

/// A row within a table's limit of which nobody has published the name.
static UNNAMED: ServiceInfo =
    ServiceInfo { name: "(unnamed)", table: ServiceTableId::Win32k, arg_count: None, ret: "", args: &[] };

impl Row {
    /// The row's support level.
    pub fn support(&self) -> Support {
        self.service.map_or(Support::None, |s| s.support)
    }

    /// The row of a service as a build has it, with no function.
    pub fn of(service: &StubService) -> Self {
        let count = |known: Option<u32>| known.map_or(0, |n| n.min(u8::MAX.into()) as u8);
        let (args, slots) = (count(service.args), count(service.slots));
        let packed = u64::from(service.number) | u64::from(args) << 32 | u64::from(slots) << 40;
        Self { info: service.info, service: None, packed }
    }

    fn unnamed(number: u32) -> Self {
        Self { info: &UNNAMED, service: None, packed: number.into() }
    }

    /// The service number, with the table's bits.
    #[inline]
    pub fn number(&self) -> u32 {
        self.packed as u32
    }

    /// How many arguments a 64-bit call has; 0 where nobody knows.
    #[inline]
    pub fn arg_count(&self) -> usize {
        usize::from((self.packed >> 32) as u8)
    }

    /// Bytes of arguments that the dispatcher copies from memory.
    #[inline]
    pub fn memory_bytes(&self, width: Width) -> usize {
        match width {
            Width::W64 => 8 * self.arg_count().saturating_sub(4),
            Width::W32 => 4 * usize::from((self.packed >> 40) as u8),
        }
    }

    /// Puts arguments that were in memory where they belong.
    #[inline]
    pub fn spread(&self, width: Width, memory: &[u8], args: &mut Args) {
        match width {
            Width::W32 => self.widen(memory.as_chunks().0, args),
            Width::W64 => {
                for (i, word) in memory.as_chunks().0.iter().enumerate() {
                    args.set(4 + i, u64::from_le_bytes(*word));
                }
            }
        }
    }

    /// Widens the slots of a 32-bit call: handles keep their sign, everything else is filled with zeros.
    fn widen(&self, slots: &[[u8; 4]], args: &mut Args) {
        let widths = Widths::of(self.info);
        let mut slots = slots.iter().map(|s| u32::from_le_bytes(*s));
        for index in 0..MAX_ARGS {
            let Some(low) = slots.next() else { break };
            let has = |mask: u32| mask >> (index % 32) & 1 != 0;
            let value = if has(widths.wide) {
                u64::from(low) | u64::from(slots.next().unwrap_or(0)) << 32
            } else if has(widths.handles) {
                low.cast_signed() as u64
            } else {
                low.into()
            };
            args.set(index, value);
        }
    }
}

impl Widths {
    fn of(info: &ServiceInfo) -> Self {
        let mask = |width: Widening| {
            let args = info.args.iter().enumerate();
            args.filter(|(_, arg)| arg.widening == width).fold(0, |all, (i, _)| all | 1_u32 << (i % 32))
        };
        Self { handles: mask(Widening::Sign), wide: mask(Widening::TwoSlots) }
    }
}

/// Both tables of a profile.
#[derive(Clone, Debug)]
pub struct ServiceTable {
    nt: Vec<Row>,
    win32k: Vec<Row>,
    /// The bits of a number, from bit 12, that the dispatcher picks a table by.
    table_mask: u32,
}

impl ServiceTable {
    /// Joins a profile's numbers with the services there are.
    pub fn new(profile: &'static Profile, services: impl Iterator<Item = &'static Service>) -> Self {
        let build = |table: ServiceTableId| {
            let row = |row| {
                let service = profile.service(table, row);
                service.map_or(Row::unnamed(table.base() + row as u32), |s| Row::of(&s))
            };
            (0..profile.table_size(table)).map(row).collect()
        };
        let (nt, win32k) = (build(ServiceTableId::Nt), build(ServiceTableId::Win32k));
        let mut tables = Self { nt, win32k, table_mask: profile.table_mask };
        for service in services {
            // A service that the build does not have has no number, and so no row.
            if let Some(row) = profile.number(service.name).and_then(|number| tables.row_mut(number)) {
                row.service = Some(service);
            }
        }
        tables
    }

    /// The tables of a system root whose DLLs have numbers of their own. A row's function is looked for among `services`, the
    /// last of a name counts.
    pub fn of_root(
        profile: &'static Profile, numbers: &[StubService], services: impl Iterator<Item = &'static Service>,
    ) -> Self {
        let rows = |table: ServiceTableId| {
            let own: Vec<&StubService> = numbers
                .iter()
                .filter(|s| ServiceTableId::of_number(s.number, profile.table_mask) == Some(table))
                .collect();
            let count = own.iter().map(|s| row_bits(s.number) + 1).max().unwrap_or(0);
            let mut rows: Vec<Row> = (0..count).map(|row| Row::unnamed(table.base() + row as u32)).collect();
            for service in own {
                if let Some(row) = rows.get_mut(row_bits(service.number)) {
                    *row = Row::of(service);
                }
            }
            rows
        };
        let (nt, win32k) = (rows(ServiceTableId::Nt), rows(ServiceTableId::Win32k));
        let mut tables = Self { nt, win32k, table_mask: profile.table_mask };
        let by_name: std::collections::BTreeMap<&str, &'static Service> = services.map(|s| (s.name, s)).collect();
        for row in tables.nt.iter_mut().chain(&mut tables.win32k) {
            row.service = by_name.get(row.info.name).copied();
        }
        tables
    }

    fn row_mut(&mut self, number: u32) -> Option<&mut Row> {
        let rows = match self.table_of(number)? {
            ServiceTableId::Nt => &mut self.nt,
            ServiceTableId::Win32k => &mut self.win32k,
        };
        rows.get_mut(row_bits(number))
    }

    /// The table a service number names.
    #[inline]
    pub fn table_of(&self, number: u32) -> Option<ServiceTableId> {
        ServiceTableId::of_number(number, self.table_mask)
    }

    /// The row of a service number.
    #[inline]
    pub fn row(&self, number: u32) -> Option<&Row> {
        let rows = match self.table_of(number)? {
            ServiceTableId::Nt => &self.nt,
            ServiceTableId::Win32k => &self.win32k,
        };
        rows.get(row_bits(number))
    }

    /// Every row of both tables, in order.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.nt.iter().chain(&self.win32k)
    }
}
