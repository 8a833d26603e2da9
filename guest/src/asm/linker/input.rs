//! What is linked: the contents of the sections, the places that have names, and the fields that refer to them.

use hashbrown::HashMap;
use object::read::coff::{CoffFile, CoffSection};
use object::{Object, ObjectSection, ObjectSymbol, RelocationFlags, RelocationTarget, SectionFlags, SectionIndex, pe};

use super::super::error::AsmError;
use super::super::item::{FixupKind, Part};
use super::{Layout, Link, len};
use crate::profile::Arch;

/// Where something lies: an offset into a section's contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Text(u32),
    Constant(u32),
    Data(u32),
    /// Behind the data's bytes.
    Zeros(u32),
    Pdata(u32),
    /// In the import address table.
    Import(u32),
}

impl Place {
    fn plus(self, offset: u32) -> Self {
        match self {
            Self::Text(at) => Self::Text(at.wrapping_add(offset)),
            Self::Constant(at) => Self::Constant(at.wrapping_add(offset)),
            Self::Data(at) => Self::Data(at.wrapping_add(offset)),
            Self::Zeros(at) => Self::Zeros(at.wrapping_add(offset)),
            Self::Pdata(at) => Self::Pdata(at.wrapping_add(offset)),
            Self::Import(at) => Self::Import(at.wrapping_add(offset)),
        }
    }
}

/// A field to be completed.
#[derive(Debug)]
pub(super) struct Pending {
    pub at: Place,
    pub kind: FixupKind,
    pub target: Place,
}

/// What an export leads to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Exported<'a> {
    Place(Place),
    Forward(&'a str),
}

pub(super) struct Input<'a> {
    arch: Arch,
    pub text: Vec<u8>,
    pub constants: Vec<u8>,
    pub data: Vec<u8>,
    pub zeros: u32,
    pub pdata: Vec<u8>,
    pub pending: Vec<Pending>,
    /// Sorted by name.
    pub exports: Vec<(&'a str, Exported<'a>)>,
    names: HashMap<&'a str, Place>,
    imports: HashMap<&'a str, Place>,
    /// What traces show.
    shown: Vec<(Place, &'a str)>,
}

impl<'a> Input<'a> {
    pub(super) fn gather(link: &'a Link<'a>) -> Result<Self, AsmError> {
        let named: usize = link.items.iter().map(|item| item.names.len()).sum();
        let mut input = Self {
            arch: link.arch,
            text: Vec::with_capacity(0x1_0000),
            constants: Vec::new(),
            data: Vec::new(),
            zeros: 0,
            pdata: Vec::new(),
            pending: Vec::new(),
            exports: Vec::with_capacity(named + 256),
            names: HashMap::with_capacity(named + 256),
            imports: HashMap::new(),
            shown: Vec::with_capacity(named + 256),
        };
        let mut fields = Vec::new();
        for item in &link.items {
            let start = input.place(item.part, &item.bytes, item.align)?;
            let mut last = None;
            for name in &item.names {
                let place = start.plus(name.at);
                input.define(&name.name, place)?;
                if name.exported {
                    input.exports.push((&name.name, Exported::Place(place)));
                }
                if last != Some(name.at) {
                    input.shown.push((place, &name.name));
                }
                last = Some(name.at);
            }
            fields.extend(item.fixups.iter().map(|fixup| (start.plus(fixup.at), fixup)));
        }
        let mut slot = 0;
        for (_, names) in &link.imports {
            for name in names {
                input.imports.insert(name, Place::Import(slot));
                slot += pointer_size(link.arch);
            }
            slot += pointer_size(link.arch);
        }
        for object in &link.objects {
            input.object(object)?;
        }
        for (at, fixup) in fields {
            let target = input.find(&fixup.symbol)?;
            input.pending.push(Pending { at, kind: fixup.kind, target });
        }
        input.exports.extend(link.forwards.iter().map(|(name, to)| (name.as_ref(), Exported::Forward(to))));
        input.exports.sort_unstable_by(|a, b| a.0.cmp(b.0));
        match input.exports.windows(2).find(|pair| matches!(pair, [a, b] if a.0 == b.0)) {
            Some(pair) => Err(AsmError::Duplicate(pair.iter().map(|e| e.0).take(1).collect())),
            None => Ok(input),
        }
    }

    /// A named place; `__imp_Name` is an import's.
    pub(super) fn find(&self, name: &str) -> Result<Place, AsmError> {
        let known = match name.strip_prefix("__imp_") {
            Some(imported) => self.imports.get(imported),
            None => self.names.get(name),
        };
        known.copied().ok_or_else(|| AsmError::Undefined(name.into()))
    }

    fn define(&mut self, name: &'a str, place: Place) -> Result<(), AsmError> {
        match self.names.insert(name, place) {
            Some(_) => Err(AsmError::Duplicate(name.into())),
            None => Ok(()),
        }
    }

    /// Adds bytes to a part.
    fn place(&mut self, part: Part, bytes: &[u8], align: u32) -> Result<Place, AsmError> {
        let (section, pad) = match part {
            Part::Code => (&mut self.text, 0xcc),
            Part::Constant => (&mut self.constants, 0),
            Part::Data => (&mut self.data, 0),
        };
        section.resize(section.len().next_multiple_of(align as usize), pad);
        let at = len(section)?;
        section.extend(bytes);
        Ok(match part {
            Part::Code => Place::Text(at),
            Part::Constant => Place::Constant(at),
            Part::Data => Place::Data(at),
        })
    }

    /// Takes a COFF object in: sections, symbols, relocations, exports.
    fn object(&mut self, bytes: &'a [u8]) -> Result<(), AsmError> {
        let bad = |error: object::Error| AsmError::Object(error.to_string());
        let file: CoffFile<'a> = CoffFile::parse(bytes).map_err(bad)?;
        let mut starts = Vec::new();
        for section in file.sections() {
            let start = self.section(&section)?;
            starts.push((section.index(), start));
        }
        let start_of = |index: SectionIndex| starts.iter().find(|s| s.0 == index).and_then(|s| s.1);
        let mut places = HashMap::new();
        for symbol in file.symbols() {
            let Some(place) = symbol.section_index().and_then(start_of).map(|s| s.plus(symbol.address() as u32)) else {
                continue;
            };
            places.insert(symbol.index(), place);
            let name = undecorated(self.arch, symbol.name().map_err(bad)?);
            let is_section = matches!(symbol.kind(), object::SymbolKind::Section | object::SymbolKind::File);
            if is_section || name.is_empty() || name.starts_with('.') {
                continue;
            }
            if symbol.is_global() {
                self.define(name, place)?;
            }
            // The compiler names parts and variants of a function `name.part.0`.
            self.shown.push((place, name.split('.').next().unwrap_or(name)));
        }
        for section in file.sections() {
            let Some(start) = start_of(section.index()) else { continue };
            for (offset, relocation) in section.relocations() {
                let RelocationTarget::Symbol(index) = relocation.target() else {
                    return Err(AsmError::Object("a relocation without a symbol".into()));
                };
                let target = match places.get(&index) {
                    Some(place) => *place,
                    None => {
                        let name = file.symbol_by_index(index).and_then(|s| s.name()).map_err(bad)?;
                        self.find_decorated(name)?
                    }
                };
                let kind = fixup_kind(self.arch, relocation.flags())?;
                self.pending.push(Pending { at: start.plus(offset as u32), kind, target });
            }
        }
        let directives = file.section_by_name(".drectve").map(|s| s.data().map_err(bad)).transpose()?;
        self.directives(directives.unwrap_or_default())
    }

    fn find_decorated(&self, name: &str) -> Result<Place, AsmError> {
        match name.strip_prefix("__imp_") {
            Some(rest) => self.find(&format!("__imp_{}", undecorated(self.arch, rest))),
            None => self.find(undecorated(self.arch, name)),
        }
    }

    /// The place of a section's contents; `None` for one that is not part of an image.
    fn section(&mut self, section: &CoffSection<'a, '_>) -> Result<Option<Place>, AsmError> {
        let SectionFlags::Coff { characteristics } = section.flags() else { return Ok(None) };
        let align = section.align().max(1) as usize;
        if characteristics & pe::IMAGE_SCN_LNK_REMOVE != 0 || align > 0x1000 {
            return Ok(None);
        }
        if characteristics & pe::IMAGE_SCN_CNT_UNINITIALIZED_DATA != 0 {
            let at = self.zeros.next_multiple_of(align as u32);
            self.zeros =
                u32::try_from(section.size()).ok().and_then(|s| at.checked_add(s)).ok_or(AsmError::TooLarge)?;
            return Ok(Some(Place::Zeros(at)));
        }
        let bytes = section.data().map_err(|error| AsmError::Object(error.to_string()))?;
        if section.name().is_ok_and(|name| name.starts_with(".pdata")) {
            let at = len(&self.pdata)?;
            self.pdata.extend(bytes);
            return Ok(Some(Place::Pdata(at)));
        }
        let part = if characteristics & pe::IMAGE_SCN_CNT_CODE != 0 {
            Part::Code
        } else if characteristics & pe::IMAGE_SCN_MEM_WRITE != 0 {
            Part::Data
        } else {
            Part::Constant
        };
        self.place(part, bytes, align as u32).map(Some)
    }

    /// What `-export:` options say: `name`, `name=internal` or `name=DLL.forwarded`.
    fn directives(&mut self, text: &'a [u8]) -> Result<(), AsmError> {
        let text = std::str::from_utf8(text).map_err(|error| AsmError::Object(error.to_string()))?;
        for option in text.split([' ', '\0']) {
            let Some(export) = option.strip_prefix("-export:") else { continue };
            let export = export.strip_suffix(",data").unwrap_or(export).trim_matches('"');
            let (name, of) = export.split_once('=').unwrap_or((export, export));
            let target = if of.contains('.') {
                Exported::Forward(of)
            } else {
                Exported::Place(self.find(without_size(self.arch, of))?)
            };
            self.exports.push((without_size(self.arch, name), target));
        }
        Ok(())
    }

    /// Named places by RVA, each with one name.
    pub(super) fn symbols(&self, layout: &Layout) -> Vec<(u32, String)> {
        let mut places: Vec<(u32, &str)> = self.shown.iter().map(|&(place, name)| (layout.rva(place), name)).collect();
        places.sort_unstable();
        places.dedup_by_key(|place| place.0);
        places.into_iter().map(|(rva, name)| (rva, name.to_owned())).collect()
    }
}

/// Bytes of an address.
pub(super) fn pointer_size(arch: Arch) -> u32 {
    match arch {
        Arch::X64 => 8,
        Arch::X86 => 4,
    }
}

/// `_NtClose@4` without what the x86 calling conventions put around it.
fn undecorated(arch: Arch, symbol: &str) -> &str {
    if arch == Arch::X64 {
        return symbol;
    }
    without_size(arch, symbol.strip_prefix(['_', '@']).unwrap_or(symbol))
}

fn without_size(arch: Arch, name: &str) -> &str {
    match name.rsplit_once('@') {
        Some((rest, size)) if arch == Arch::X86 && size.bytes().all(|b| b.is_ascii_digit()) => rest,
        _ => name,
    }
}

fn fixup_kind(arch: Arch, flags: RelocationFlags) -> Result<FixupKind, AsmError> {
    let RelocationFlags::Coff { typ } = flags else { return Err(AsmError::Object("a foreign relocation".into())) };
    Ok(match (arch, typ) {
        (Arch::X64, pe::IMAGE_REL_AMD64_ADDR64) => FixupKind::Absolute64,
        (Arch::X64, pe::IMAGE_REL_AMD64_ADDR32NB) | (Arch::X86, pe::IMAGE_REL_I386_DIR32NB) => FixupKind::Rva32,
        (Arch::X64, pe::IMAGE_REL_AMD64_REL32..=pe::IMAGE_REL_AMD64_REL32_5) => {
            FixupKind::Relative32((typ - pe::IMAGE_REL_AMD64_REL32) as u8)
        }
        (Arch::X86, pe::IMAGE_REL_I386_REL32) => FixupKind::Relative32(0),
        (Arch::X86, pe::IMAGE_REL_I386_DIR32) => FixupKind::Absolute32,
        _ => return Err(AsmError::Object(format!("relocation type {typ:#x}"))),
    })
}
