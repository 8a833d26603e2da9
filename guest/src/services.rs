//! What is known of each system service by name: its table, argument count and signature.
//!
//! Sources: j00ru's tables for names and numbers, phnt for signatures (`data/NOTICE`).

/// Which of the two service tables a service lives in (bits 12-13 of the service number).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServiceTableId {
    /// Table 0: the executive (`ntoskrnl`).
    Nt,
    /// Table 1: the window manager and GDI (`win32k`).
    Win32k,
}

impl ServiceTableId {
    /// The name used in traces and listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nt => "nt",
            Self::Win32k => "win32k",
        }
    }

    /// The bits this table adds to a row number to make a service number.
    pub const fn base(self) -> u32 {
        match self {
            Self::Nt => 0,
            Self::Win32k => 0x1000,
        }
    }

    /// The table a service number names, to a dispatcher that looks at the bits `mask` of it, from bit 12 on. The
    /// bits above are ignored; where bit 13 is looked at, there is nothing behind it.
    #[inline]
    pub const fn of_number(number: u32, mask: u32) -> Option<Self> {
        match number >> 12 & mask {
            0 => Some(Self::Nt),
            1 => Some(Self::Win32k),
            _ => None,
        }
    }
}

/// Whether the caller, the service or both fill an argument's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Read by the service.
    In,
    /// Written by the service.
    Out,
    /// Read and written.
    InOut,
}

/// What a length expression counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LenUnit {
    /// Bytes.
    Bytes,
    /// Elements of the pointed-to type.
    Elements,
}

/// How a 32-bit caller's argument becomes one of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Widening {
    /// Filled with zeros.
    Zero,
    /// Sign-extended: handles.
    Sign,
    /// It is 64 bits wide for everybody, and takes two 4-byte slots.
    TwoSlots,
}

/// One argument of a service, as its prototype names it.
#[derive(Clone, Copy, Debug)]
pub struct ArgInfo {
    /// The argument's name.
    pub name: &'static str,
    /// The C type.
    pub ty: &'static str,
    /// Who fills it.
    pub dir: Direction,
    /// May be NULL.
    pub optional: bool,
    /// The expression that gives the length of what it points to.
    pub len: Option<&'static str>,
    /// What `len` counts.
    pub len_unit: LenUnit,
    /// How a 32-bit caller's argument becomes one of 64 bits.
    pub widening: Widening,
}

impl ArgInfo {
    /// Whether it is 64 bits wide for 32-bit code too and passed by value: two 4-byte slots there.
    pub fn is_wide(&self) -> bool {
        self.widening == Widening::TwoSlots
    }
}

/// One service, whatever its number in a build.
#[derive(Clone, Copy, Debug)]
pub struct ServiceInfo {
    /// The NT name.
    pub name: &'static str,
    /// The table it belongs to.
    pub table: ServiceTableId,
    /// The number of arguments; `None` for the newer win32k services nobody has published.
    pub arg_count: Option<u32>,
    /// The C return type, empty if unknown.
    pub ret: &'static str,
    /// The arguments, empty if unknown.
    pub args: &'static [ArgInfo],
}

impl ServiceInfo {
    /// The service's byte in the failure table behind win32k's service table: what a call returns where the thread
    /// could not be made a GUI thread. A value above 0 stands for `STATUS_INVALID_SYSTEM_SERVICE`, any other is
    /// returned as it is.
    ///
    /// The bytes themselves are not published; this is what the return type asks for: 0 is the failure of a BOOL, a
    /// handle or a pointer, and what returns a status, or what nobody knows, gets the status.
    pub fn gui_failure(&self) -> i8 {
        i8::from(matches!(self.ret, "NTSTATUS" | ""))
    }
}

include!(concat!(env!("OUT_DIR"), "/services.rs"));

/// A service by its NT name (case matters, as it does in an export table).
pub fn by_name(name: &str) -> Option<&'static ServiceInfo> {
    let at = SERVICES.binary_search_by(|s| s.name.cmp(name)).ok()?;
    SERVICES.get(at)
}

/// Every service of every build, sorted by name.
pub fn all() -> &'static [ServiceInfo] {
    SERVICES
}
