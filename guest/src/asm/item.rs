//! What the linker puts together beside compiled objects: named bytes.

use std::borrow::Cow;

/// A name, as the guest sees it: `NtClose`, not `_NtClose@4`.
pub type Symbol = Cow<'static, str>;

/// The section that an item goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `.text`: code.
    Code,
    /// `.rdata`: data that nobody writes.
    Constant,
    /// `.data`: data.
    Data,
}

/// Bytes with names in them, and fields that the linker completes.
///
/// Items keep the order in which they are given, and come before the objects' sections of the same kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it goes.
    pub part: Part,
    /// What it is.
    pub bytes: Vec<u8>,
    /// What its address is a multiple of: a power of two, at most a page.
    pub align: u32,
    /// Its names. Of several at one place the first is the one that traces show.
    pub names: Vec<Name>,
    /// Its fields that hold another place's address.
    pub fixups: Vec<Fixup>,
}

/// A place in an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Its name.
    pub name: Symbol,
    /// Its offset in the item's bytes; the end is a place too.
    pub at: u32,
    /// It is in the export table.
    pub exported: bool,
}

/// A field that the address of a symbol is added to; what is in it beforehand is the offset from the symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixup {
    /// The field's offset in the item's bytes.
    pub at: u32,
    /// What is added.
    pub kind: FixupKind,
    /// The symbol: another item's name, an object's function or variable, or `__imp_Name` for the address table's
    /// entry of an import.
    pub symbol: Symbol,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FixupKind {
    /// 64 bits, an address: relocated when the image is moved.
    Absolute64,
    /// 32 bits, an address (x86 only): relocated when the image is moved.
    Absolute32,
    /// 32 bits, the distance from the end of the field, and so many bytes further.
    Relative32(u8),
    /// 32 bits, the distance from the image's base.
    Rva32,
    /// 32 bits, a row of a service table: the distance from the table's start, which is so many bytes before the field,
    /// times 16.
    ServiceRow(u32),
}

impl Item {
    /// An item of a part, aligned to 16 bytes, without names.
    pub fn new(part: Part, bytes: impl Into<Vec<u8>>) -> Self {
        Self { part, bytes: bytes.into(), align: 16, names: Vec::new(), fixups: Vec::new() }
    }

    /// Names a place in it.
    #[must_use]
    pub fn name(mut self, name: impl Into<Symbol>, at: u32, exported: bool) -> Self {
        self.names.push(Name { name: name.into(), at, exported });
        self
    }

    /// Adds a field.
    #[must_use]
    pub fn fixup(mut self, at: u32, kind: FixupKind, symbol: impl Into<Symbol>) -> Self {
        self.fixups.push(Fixup { at, kind, symbol: symbol.into() });
        self
    }

    /// Sets the alignment.
    #[must_use]
    pub fn aligned(mut self, align: u32) -> Self {
        self.align = align;
        self
    }
}
