//! Machine profiles: which Windows build a machine is. A profile is a row in `data/profiles.csv`.

use crate::convention::row_bits;
use crate::layout::{self, BuildLayouts, StructLayout};
use crate::mem::Width;
use crate::services::{self, ServiceTableId};
use crate::stub::{StubService, StubStyle};

/// An architecture: of a kernel, of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arch {
    /// 32-bit x86.
    X86,
    /// x86-64.
    X64,
}

impl Arch {
    /// Both.
    pub const ALL: [Self; 2] = [Self::X86, Self::X64];

    /// The name in profiles' names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86 => "x86",
            Self::X64 => "x64",
        }
    }

    /// The width of its pointers.
    pub const fn width(self) -> Width {
        match self {
            Self::X86 => Width::W32,
            Self::X64 => Width::W64,
        }
    }

    /// Its code's operand and address size as decoders count it.
    pub const fn bits(self) -> u32 {
        match self {
            Self::X86 => 32,
            Self::X64 => 64,
        }
    }
}

/// How a 64-bit build runs 32-bit programs.
#[derive(Debug)]
pub struct Wow64 {
    /// How the stubs of its 32-bit ntdll are made.
    pub stub_style: &'static StubStyle,
    /// The build whose layouts hold for 32-bit structures.
    layouts: &'static str,
}

/// One Windows build as a machine: numbers, layouts, stub style.
#[derive(Debug)]
pub struct Profile {
    /// The name on the command line, for instance `win10-22h2-x64`.
    pub name: &'static str,
    /// The build's column in the tables of service numbers, for instance `w10_22h2`.
    pub column: &'static str,
    /// The name a person would use.
    pub description: &'static str,
    /// The kernel's architecture.
    pub arch: Arch,
    /// How its stubs are made.
    pub stub_style: &'static StubStyle,
    /// How it runs 32-bit programs; `None` on a 32-bit kernel.
    pub wow64: Option<Wow64>,
    /// The build whose structure layouts hold for it.
    pub layouts: &'static str,
    /// The build whose `KUSER_SHARED_DATA` it has.
    pub shared_data: &'static str,
    /// Major version, minor version, build number.
    pub version: (u32, u32, u32),
    /// `MmHighestUserAddress`: the last byte of user space.
    pub highest_user_address: u64,
    /// A return by `sysretq` leaves RBP in R9; otherwise 0.
    pub sysret_r9_is_rbp: bool,
    /// The bits of a service number, from bit 12 on, that pick the table.
    pub table_mask: u32,
    /// How DEP treats 32-bit programs.
    pub dep: Dep,
    nt: &'static [Cell],
    win32k: &'static [Cell],
}

/// How data execution prevention treats 32-bit programs; 64-bit ones always have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dep {
    /// The build does not have it.
    None,
    /// Programs whose image says that it is compatible have it: clients from XP SP2 on.
    OptIn,
    /// Every program has it: servers.
    OptOut,
}

/// A row of a table: index into the service list, arguments, 32-bit slots, turbo index. A hole, and a count
/// nobody knows, is the type's largest value.
type Cell = (u16, u8, u8, u8);

/// What a service number is in a build.
#[derive(Clone, Copy, Debug)]
pub enum Found {
    /// A service.
    Service(StubService),
    /// A row within a table's limit of which nobody has published the name.
    Unnamed(ServiceTableId),
    /// A row past the end of the table.
    OutOfRange(ServiceTableId),
    /// The number names no table at all.
    NoTable,
}

fn known(count: u8) -> Option<u32> {
    (count != u8::MAX).then_some(count.into())
}

include!(concat!(env!("OUT_DIR"), "/profiles.rs"));

impl Profile {
    /// The profile that is used when none is named.
    pub const DEFAULT: &'static str = "win10-22h2-x64";

    /// Every profile there is.
    pub fn all() -> &'static [Profile] {
        PROFILES
    }

    /// A profile by its name, or by its column in the tables and its architecture: `w10_22h2-x64`.
    pub fn by_name(name: &str) -> Option<&'static Profile> {
        let by_column = |p: &&Profile| {
            name.strip_prefix(p.column).is_some_and(|r| r.strip_prefix(['-', '_']) == Some(p.arch.name()))
        };
        PROFILES.iter().find(|p| p.name == name).or_else(|| PROFILES.iter().find(by_column))
    }

    /// The default profile.
    pub fn default_profile() -> &'static Profile {
        // The table is generated and never empty; its first row is the default one.
        Self::by_name(Self::DEFAULT).unwrap_or(&PROFILES[0])
    }

    fn rows(&self, table: ServiceTableId) -> &'static [Cell] {
        match table {
            ServiceTableId::Nt => self.nt,
            ServiceTableId::Win32k => self.win32k,
        }
    }

    /// The number of rows in a service table (its `Limit`).
    pub fn table_size(&self, table: ServiceTableId) -> usize {
        self.rows(table).len()
    }

    /// The service in row `row` of a table.
    pub fn service(&self, table: ServiceTableId, row: usize) -> Option<StubService> {
        let &(index, args, slots, turbo) = self.rows(table).get(row)?;
        let info = services::all().get(usize::from(index))?;
        let number = table.base() + u32::try_from(row).ok()?;
        Some(StubService { info, number, args: known(args), slots: known(slots), turbo: turbo.into() })
    }

    /// The rows of a table in order, holes left out.
    pub fn services(&self, table: ServiceTableId) -> impl Iterator<Item = StubService> {
        (0..self.table_size(table)).filter_map(move |row| self.service(table, row))
    }

    /// The service number of a service, by NT name, with the table's bits.
    pub fn number(&self, name: &str) -> Option<u32> {
        let index = services::all().binary_search_by(|s| s.name.cmp(name)).ok()?;
        let table = services::all().get(index)?.table;
        let row = self.rows(table).iter().position(|cell| usize::from(cell.0) == index)?;
        Some(table.base() + u32::try_from(row).ok()?)
    }

    /// What a service number, with the table's bits, is in this build.
    pub fn find(&self, number: u32) -> Found {
        let Some(table) = ServiceTableId::of_number(number, self.table_mask) else { return Found::NoTable };
        match self.service(table, row_bits(number)) {
            Some(service) => Found::Service(service),
            None if row_bits(number) < self.table_size(table) => Found::Unnamed(table),
            None => Found::OutOfRange(table),
        }
    }

    /// Whether it is a server's.
    pub fn is_server(&self) -> bool {
        self.description.contains("Server")
    }

    /// The service pack's number.
    pub fn service_pack(&self) -> u32 {
        let digit = self.description.split(" SP").nth(1).and_then(|rest| rest.chars().next());
        digit.and_then(|digit| digit.to_digit(10)).unwrap_or(0)
    }

    /// How stubs of code of this architecture are made; `None`: the build does not run such code.
    pub fn stub_style_for(&self, arch: Arch) -> Option<&'static StubStyle> {
        match (arch, &self.wow64) {
            (Arch::X86, Some(wow64)) => Some(wow64.stub_style),
            _ => (arch == self.arch).then_some(self.stub_style),
        }
    }

    /// The structure layouts of this build's kernel and native programs.
    pub fn layout(&self) -> &'static BuildLayouts {
        layout::of_build(self.layouts)
    }

    /// The structure layouts for code of this architecture.
    pub fn layout_for(&self, arch: Arch) -> &'static BuildLayouts {
        match (arch, &self.wow64) {
            (Arch::X86, Some(wow64)) => layout::of_build(wow64.layouts),
            _ => self.layout(),
        }
    }

    /// The layout of `KUSER_SHARED_DATA`.
    pub fn shared_data_layout(&self) -> Option<&'static StructLayout> {
        layout::of_build(self.shared_data).get("KUSER_SHARED_DATA")
    }
}
