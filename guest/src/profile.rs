//! Machine profiles: which Windows build a machine is. A profile is a row in `data/profiles.csv`.

use crate::layout::{self, BuildLayouts};
use crate::services::{self, ServiceInfo, ServiceTableId};

/// The native architecture of a profile's kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arch {
    /// 32-bit x86.
    X86,
    /// x86-64.
    X64,
}

/// The byte pattern of a build's system-call stubs, the service number left out.
#[derive(Debug)]
pub struct StubStyle {
    /// The style's name in the data.
    pub name: &'static str,
    /// Distance from one stub to the next, in bytes.
    pub stride: usize,
    /// The bytes before the 32-bit little-endian service number.
    pub before_number: &'static [u8],
    /// The bytes after it.
    pub after_number: &'static [u8],
    /// What fills the stride.
    pub pad: &'static [u8],
}

impl StubStyle {
    /// The stub for service `number`, without padding.
    pub fn bytes(&self, number: u32) -> Vec<u8> {
        [self.before_number, &number.to_le_bytes(), self.after_number].concat()
    }

    /// Where the trapping instruction is in the stub: `syscall` (0F 05), or `int 2Eh` (CD 2E) if that is asked for.
    pub fn offset_of(&self, int2e: bool) -> Option<usize> {
        let trap: &[u8] = if int2e { &[0xcd, 0x2e] } else { &[0x0f, 0x05] };
        let at = self.after_number.windows(2).position(|w| w == trap)?;
        Some(self.before_number.len() + 4 + at)
    }
}

/// One Windows build as a machine: numbers, layouts, stub style.
#[derive(Debug)]
pub struct Profile {
    /// The name on the command line, for instance `win10-22h2-x64`.
    pub name: &'static str,
    /// The name a person would use.
    pub description: &'static str,
    /// The kernel's architecture.
    pub arch: Arch,
    /// How its stubs are made.
    pub stub_style: &'static StubStyle,
    /// The build whose structure layouts hold for it.
    pub layouts: &'static str,
    /// Major version, minor version, build number.
    pub version: (u32, u32, u32),
    /// `MmHighestUserAddress`: the last byte of user space.
    pub highest_user_address: u64,
    /// A return by `sysretq` leaves RBP in R9; otherwise 0.
    pub sysret_r9_is_rbp: bool,
    /// Indexes into the service list by row; `u16::MAX` is a hole.
    nt: &'static [u16],
    win32k: &'static [u16],
}

include!(concat!(env!("OUT_DIR"), "/profiles.rs"));

impl Profile {
    /// The profile that is used when none is named.
    pub const DEFAULT: &'static str = "win10-22h2-x64";

    /// Every profile there is.
    pub fn all() -> &'static [Profile] {
        PROFILES
    }

    /// A profile by its name.
    pub fn by_name(name: &str) -> Option<&'static Profile> {
        PROFILES.iter().find(|p| p.name == name)
    }

    /// The default profile.
    pub fn default_profile() -> &'static Profile {
        // The table is generated and never empty; its first row is the default one.
        Self::by_name(Self::DEFAULT).unwrap_or(&PROFILES[0])
    }

    fn rows(&self, table: ServiceTableId) -> &'static [u16] {
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
    pub fn service(&self, table: ServiceTableId, row: usize) -> Option<&'static ServiceInfo> {
        self.rows(table).get(row).and_then(|&i| services::all().get(usize::from(i)))
    }

    /// The rows of a table in order: service number (with the table's bits) and service.
    pub fn services(&self, table: ServiceTableId) -> impl Iterator<Item = (u32, &'static ServiceInfo)> {
        let rows = self.rows(table).iter().zip(table.base()..);
        rows.filter_map(|(&i, number)| Some((number, services::all().get(usize::from(i))?)))
    }

    /// The service number of a service, by NT name, with the table's bits.
    pub fn number(&self, name: &str) -> Option<u32> {
        let index = services::all().binary_search_by(|s| s.name.cmp(name)).ok()?;
        let table = services::all().get(index)?.table;
        let row = self.rows(table).iter().position(|&i| usize::from(i) == index)?;
        Some(table.base() + u32::try_from(row).ok()?)
    }

    /// The structure layouts of this build.
    pub fn layout(&self) -> &'static BuildLayouts {
        layout::of_build(self.layouts)
    }
}
