//! System-call stubs as data: byte patterns with places for the number and what else differs.

use crate::profile::Arch;
use crate::services::{ArgInfo, ServiceInfo};

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// These bytes.
    Bytes(&'static [u8]),
    /// The service number, 32 bits.
    Number,
    /// The service number with the turbo index in its high half.
    NumberAndTurbo,
    /// Bytes of arguments that the stub pops, 16 bits.
    RetBytes,
    /// The turbo index, 32 bits.
    Turbo,
    /// The 32-bit address of a routine of the same image.
    Address(&'static str),
}

/// What a service's stub is made of in one build.
#[derive(Clone, Copy, Debug)]
pub struct StubService {
    /// The service.
    pub info: &'static ServiceInfo,
    /// Its number, with the table's bits.
    pub number: u32,
    /// Arguments of its native form; `None` where nobody has published the count.
    pub args: Option<u32>,
    /// 4-byte slots of arguments that a 32-bit stub pops; `None` as above.
    pub slots: Option<u32>,
    /// Which of WOW64's quick thunks widens its arguments; 0: none.
    pub turbo: u32,
}

impl StubService {
    /// How many arguments a kernel of this architecture counts: 8-byte words, or 4-byte slots on x86. `None` where
    /// nobody has published it.
    pub fn words(&self, arch: Arch) -> Option<u32> {
        match arch {
            Arch::X86 => self.slots,
            Arch::X64 => self.args,
        }
    }

    /// The prototype's arguments, where there is a prototype and it has as many as the build's own count says: the
    /// prototypes are those of the newest builds.
    pub fn signature(&self, arch: Arch) -> Option<&'static [ArgInfo]> {
        let words = |arg: &ArgInfo| if arch == Arch::X86 && arg.is_wide() { 2 } else { 1 };
        (self.words(arch) == Some(self.info.args.iter().map(words).sum())).then_some(self.info.args)
    }
}

/// Bytes with the places in them that want an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// The bytes, zero where an address goes.
    pub bytes: Vec<u8>,
    /// Offsets, and whose 32-bit address goes there.
    pub addresses: Vec<(usize, &'static str)>,
}

/// How a Windows version makes its stubs.
#[derive(Debug)]
pub struct StubStyle {
    /// The style's name in the data.
    pub name: &'static str,
    /// 64, or 32 for stubs of 32-bit code.
    pub bits: u32,
    /// The gates a machine with such stubs has, by name.
    pub gates: &'static [&'static str],
    /// What a stub's length with its padding is a multiple of, in bytes.
    pub align: usize,
    pub(crate) code: &'static [Piece],
    pub(crate) no_args: &'static [Piece],
    pub(crate) no_turbo: &'static [Piece],
    /// What fills a stub up.
    pub pad: &'static [u8],
    pub(crate) routines: &'static [&'static str],
    pub(crate) shared: &'static [(u32, Piece)],
    /// What of wow64cpu the stubs of 32-bit code on a 64-bit kernel lead to; empty for others.
    pub transition: &'static str,
}

/// Code or data beside the stubs: `KiFastSystemCall` and so on.
#[derive(Debug)]
pub struct Routine {
    pub(crate) name: &'static str,
    /// A variable, not code.
    pub is_data: bool,
    pub(crate) code: &'static [Piece],
    /// Exported names and where they are in it.
    pub symbols: &'static [(&'static str, u32)],
}

include!(concat!(env!("OUT_DIR"), "/stubs.rs"));

fn fill(pieces: &[Piece], number: u32, turbo: u32, ret: u32) -> Patch {
    let mut out = Patch { bytes: Vec::with_capacity(32), addresses: Vec::new() };
    for piece in pieces {
        match *piece {
            Piece::Bytes(bytes) => out.bytes.extend(bytes),
            Piece::Number => out.bytes.extend(number.to_le_bytes()),
            Piece::NumberAndTurbo => out.bytes.extend((number | turbo << 16).to_le_bytes()),
            Piece::RetBytes => out.bytes.extend((ret as u16).to_le_bytes()),
            Piece::Turbo => out.bytes.extend(turbo.to_le_bytes()),
            Piece::Address(name) => {
                out.addresses.push((out.bytes.len(), name));
                out.bytes.extend([0; 4]);
            }
        }
    }
    out
}

impl StubStyle {
    /// Every style there is.
    pub fn all() -> &'static [StubStyle] {
        STUB_STYLES
    }

    /// The stub of a service, without padding. An unknown number of arguments pops none.
    pub fn stub(&self, service: &StubService) -> Patch {
        let ret = 4 * service.slots.unwrap_or(0);
        let pieces = match (ret, service.turbo) {
            (0, _) if self.no_args != self.code => self.no_args,
            (_, 0) => self.no_turbo,
            _ => self.code,
        };
        fill(pieces, service.number, service.turbo, ret)
    }

    /// The same with its padding.
    pub fn padded(&self, service: &StubService) -> Patch {
        let mut stub = self.stub(service);
        let len = stub.bytes.len();
        stub.bytes.extend(self.pad.iter().cycle().take(len.next_multiple_of(self.align) - len));
        stub
    }

    /// What goes beside the stubs.
    pub fn routines(&self) -> impl Iterator<Item = &'static Routine> {
        self.routines.iter().filter_map(|name| ROUTINES.iter().find(|r| r.name == *name))
    }

    /// What the stubs need in `KUSER_SHARED_DATA`: offsets and bytes, with the addresses of routines.
    pub fn shared_data(&self, address: impl Fn(&str) -> Option<u32>) -> impl Iterator<Item = (u32, Vec<u8>)> {
        self.shared.iter().filter_map(move |(at, piece)| match piece {
            Piece::Bytes(bytes) => Some((*at, bytes.to_vec())),
            Piece::Address(name) => Some((*at, address(name)?.to_le_bytes().to_vec())),
            _ => None,
        })
    }

    /// Whether stubs find their way through `KUSER_SHARED_DATA`.
    pub fn uses_shared_data(&self) -> bool {
        !self.shared.is_empty()
    }

    /// Whether stubs call code that is in `KUSER_SHARED_DATA` itself.
    pub fn runs_shared_data(&self) -> bool {
        self.shared.iter().any(|(_, piece)| matches!(piece, Piece::Bytes(_)))
    }

    /// Whether a gate of this name leads into the kernel of a machine with such stubs.
    pub fn has_gate(&self, name: &str) -> bool {
        self.gates.contains(&name)
    }
}

impl Routine {
    /// Its bytes.
    pub fn patch(&self) -> Patch {
        fill(self.code, 0, 0, 0)
    }
}
