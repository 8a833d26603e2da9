//! The registry as it is at boot, by build, and what of it 32-bit programs share (sources: `data/registry.csv`,
//! `data/wow64_registry.csv`).

use crate::Arch;
use crate::profile::Profile;

/// What a row puts there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// A key above hives; its data is a descriptor in SDDL.
    Master,
    /// The root of a hive; its data is a descriptor in SDDL.
    Hive,
    /// The same, of a hive that is gone when the machine is switched off.
    Volatile,
    /// A key that is gone then, in a hive that lasts.
    Transient,
    /// A key.
    Key,
    /// A symbolic link to the path in its data.
    Link,
    /// A value of this type (`REG_*`).
    Value(u32),
}

impl RowKind {
    /// The kind by its name in the table.
    const fn from_name(name: &str) -> Self {
        match name.as_bytes() {
            b"MASTER" => Self::Master,
            b"HIVE" => Self::Hive,
            b"VOLATILE" => Self::Volatile,
            b"TRANSIENT" => Self::Transient,
            b"KEY" => Self::Key,
            b"LINK" => Self::Link,
            b"SZ" => Self::Value(1),
            b"EXPAND_SZ" => Self::Value(2),
            b"BINARY" => Self::Value(3),
            b"DWORD" => Self::Value(4),
            b"MULTI_SZ" => Self::Value(7),
            b"QWORD" => Self::Value(11),
            // The data are read when this is compiled: it does not compile then.
            _ => unreachable!(),
        }
    }
}

/// A key or a value that exists from boot on.
#[derive(Clone, Copy, Debug)]
pub struct RegistryRow {
    builds: (u32, u32),
    arch: Option<Arch>,
    server: Option<bool>,
    /// What it is.
    pub kind: RowKind,
    /// The key, beginning with `HKLM` or `HKU`.
    pub key: &'static str,
    /// The value's name.
    pub name: &'static str,
    /// The value's data: a number, hexadecimal bytes, a text (`|` between those of a list); what is in braces is the
    /// profile's.
    pub data: &'static str,
}

/// How a key is redirected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// What is in it is in its `Wow6432Node`.
    Inside,
    /// It is in the `Wow6432Node` beside it.
    Beside,
    /// It is not: both views see it.
    Shared,
}

/// How a key looks to 32-bit programs, with all below it that has no row of its own.
#[derive(Clone, Copy, Debug)]
pub struct Wow64Row {
    builds: (u32, u32),
    /// How.
    pub redirect: Redirect,
    /// The names below `\REGISTRY`. One that begins with `*` stands for any that ends as it does.
    pub path: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/registry.rs"));

/// What a profile's registry has at boot, hives first.
pub fn rows_of(profile: &'static Profile) -> impl Iterator<Item = &'static RegistryRow> {
    let (build, server) = (profile.version.2, profile.is_server());
    let fits = move |row: &&RegistryRow| {
        (row.builds.0..=row.builds.1).contains(&build)
            && row.arch.is_none_or(|arch| arch == profile.arch)
            && row.server.is_none_or(|wanted| wanted == server)
    };
    REGISTRY.iter().filter(fits)
}

/// What a build redirects.
pub fn wow64_of(build: u32) -> impl Iterator<Item = &'static Wow64Row> {
    WOW64.iter().filter(move |row| (row.builds.0..=row.builds.1).contains(&build))
}
