//! Puts an image together: items (the stubs), compiled objects, imports and forwarders.
//!
//! [`input`] gathers what goes into each section and what refers to what, [`tables`] makes the directories. The layout
//! is `.text`, `.rdata` (address table, constants, unwind information, import and export directories), `.data` with the
//! zeros behind it, `.pdata` (x64) and `.reloc`.

mod input;
mod tables;

use object::pe;

use self::input::{Input, Place};
use super::BuiltinDll;
use super::error::AsmError;
use super::image::{self, Bytes, Headers, SECTION_ALIGNMENT, Section};
use super::item::{FixupKind, Item, Symbol};
use crate::profile::Arch;

const CODE: u32 = pe::IMAGE_SCN_CNT_CODE | pe::IMAGE_SCN_MEM_EXECUTE | pe::IMAGE_SCN_MEM_READ;
const DATA: u32 = pe::IMAGE_SCN_CNT_INITIALIZED_DATA | pe::IMAGE_SCN_MEM_READ;

/// An image to be made.
#[derive(Debug)]
pub struct Link<'a> {
    /// The file name, which is also the one in the export directory.
    pub name: &'static str,
    /// The width.
    pub arch: Arch,
    /// The preferred base.
    pub base: u64,
    /// Major and minor version of Windows, for the headers.
    pub version: (u32, u32),
    /// `IMAGE_SUBSYSTEM_*`.
    pub subsystem: u16,
    /// It is a DLL.
    pub is_dll: bool,
    /// The file gets a COFF symbol table.
    pub symbol_table: bool,
    /// The entry point, if it has one.
    pub entry: Option<&'static str>,
    /// Named bytes.
    pub items: Vec<Item>,
    /// Compiled COFF objects. What their `.drectve` sections name is exported.
    pub objects: Vec<&'a [u8]>,
    /// Exports that are another DLL's: a name, and for instance `NTDLL.RtlFreeHeap`.
    pub forwards: Vec<(Symbol, Symbol)>,
    /// DLLs and the names that are imported from each.
    pub imports: Vec<(&'static str, Vec<Symbol>)>,
}

/// Where the parts begin, as RVAs.
struct Layout {
    text: u32,
    imports: u32,
    constants: u32,
    data: u32,
    zeros: u32,
    pdata: u32,
}

impl Layout {
    fn rva(&self, place: Place) -> u32 {
        match place {
            Place::Text(at) => self.text + at,
            Place::Import(at) => self.imports + at,
            Place::Constant(at) => self.constants + at,
            Place::Data(at) => self.data + at,
            Place::Zeros(at) => self.zeros + at,
            Place::Pdata(at) => self.pdata + at,
        }
    }
}

impl<'a> Link<'a> {
    /// A DLL of nothing yet.
    pub fn dll(name: &'static str, arch: Arch, base: u64, version: (u32, u32)) -> Self {
        Self {
            name,
            arch,
            base,
            version,
            subsystem: pe::IMAGE_SUBSYSTEM_WINDOWS_CUI,
            is_dll: true,
            symbol_table: false,
            entry: None,
            items: Vec::new(),
            objects: Vec::new(),
            forwards: Vec::new(),
            imports: Vec::new(),
        }
    }

    /// The finished image.
    pub fn link(&self) -> Result<BuiltinDll, AsmError> {
        let mut input = Input::gather(self)?;
        let mut directories = Vec::new();
        let mut directory = |index: usize, rva, size| directories.push((index as u16, rva, size));
        let text = SECTION_ALIGNMENT;
        let imports = image::align(text + len(&input.text)?)?;
        let mut rdata = Bytes(Vec::with_capacity(0x1_0000));
        if let Some(made) = tables::imports(self.arch, &mut rdata, imports, &self.imports)? {
            directory(pe::IMAGE_DIRECTORY_ENTRY_IAT, imports, made.address_table);
            directory(pe::IMAGE_DIRECTORY_ENTRY_IMPORT, made.descriptors.0, made.descriptors.1);
        }
        let constants = (imports + len(&rdata.0)?).next_multiple_of(16);
        rdata.pad_to(constants - imports).raw(&input.constants);
        let exports = (imports + len(&rdata.0)?).next_multiple_of(16);
        rdata.pad_to(exports - imports);
        let export_size = tables::export_size(self.name, &input.exports)?;
        directory(pe::IMAGE_DIRECTORY_ENTRY_EXPORT, exports, export_size);
        let data = image::align(exports + export_size)?;
        if input.data.is_empty() {
            input.data.resize(16, 0);
        }
        let zeros = (data + len(&input.data)?).next_multiple_of(16);
        let pdata = image::align(zeros + input.zeros)?;
        let layout = Layout { text, imports, constants, data, zeros, pdata };
        tables::exports(&mut rdata, exports, self.name, &input.exports, &layout)?;
        let relocations = self.fix(&mut input, &mut rdata.0, &layout)?;
        tables::sort_functions(&mut input.pdata);
        let entry = self.entry.map(|name| input.find(name)).transpose()?.map_or(0, |place| layout.rva(place));
        let symbols = input.symbols(&layout);

        let zeros = layout.zeros + input.zeros - data - len(&input.data)?;
        let section =
            |name, rva, contents, zeros, characteristics| Section { name, rva, contents, zeros, characteristics };
        let mut sections = vec![
            section(b".text\0\0\0", text, input.text, 0, CODE),
            section(b".rdata\0\0", imports, rdata.0, 0, DATA),
            section(b".data\0\0\0", data, input.data, zeros, DATA | pe::IMAGE_SCN_MEM_WRITE),
        ];
        let mut next = pdata;
        if self.arch == Arch::X64 {
            let size = len(&input.pdata)?;
            directory(pe::IMAGE_DIRECTORY_ENTRY_EXCEPTION, pdata, size);
            sections.push(section(b".pdata\0\0", pdata, input.pdata, 0, DATA));
            next = image::align(pdata + size)?;
        }
        let relocations = tables::relocations(self.arch, relocations, text);
        directory(pe::IMAGE_DIRECTORY_ENTRY_BASERELOC, next, len(&relocations)?);
        sections.push(section(b".reloc\0\0", next, relocations, 0, DATA | pe::IMAGE_SCN_MEM_DISCARDABLE));
        let headers = Headers {
            arch: self.arch,
            base: self.base,
            version: self.version,
            subsystem: self.subsystem,
            is_dll: self.is_dll,
            entry,
            directories,
            symbols: if self.symbol_table { &symbols } else { &[] },
        };
        let image = image::write(&headers, &sections)?;
        Ok(BuiltinDll { name: self.name, image, symbols })
    }

    /// Completes every field; the RVAs of those that hold an address.
    fn fix(&self, input: &mut Input<'_>, rdata: &mut [u8], layout: &Layout) -> Result<Vec<u32>, AsmError> {
        let outside = || AsmError::Object("a field outside of its section".into());
        let mut addresses = Vec::new();
        for pending in &input.pending {
            let (from, to) = (layout.rva(pending.at), layout.rva(pending.target));
            let (bytes, at) = match pending.at {
                Place::Text(at) => (&mut input.text[..], at),
                Place::Constant(at) => (&mut *rdata, at + layout.constants - layout.imports),
                Place::Data(at) => (&mut input.data[..], at),
                Place::Pdata(at) => (&mut input.pdata[..], at),
                Place::Import(_) | Place::Zeros(_) => return Err(outside()),
            };
            let field = bytes.get_mut(at as usize..).unwrap_or_default();
            let address = self.base.wrapping_add(to.into());
            match pending.kind {
                FixupKind::Absolute64 => {
                    addresses.push(from);
                    let field = field.first_chunk_mut::<8>().ok_or_else(outside)?;
                    *field = u64::from_le_bytes(*field).wrapping_add(address).to_le_bytes();
                    continue;
                }
                FixupKind::Absolute32 if self.arch == Arch::X64 => {
                    return Err(AsmError::Object(format!("a 32-bit address at {from:#x} of a 64-bit image")));
                }
                FixupKind::Absolute32 => addresses.push(from),
                FixupKind::Relative32(_) | FixupKind::Rva32 | FixupKind::ServiceRow(_) => {}
            }
            let value = match pending.kind {
                FixupKind::Relative32(further) => to.wrapping_sub(from + 4 + u32::from(further)),
                FixupKind::Rva32 => to,
                FixupKind::ServiceRow(before) => to.wrapping_sub(from.wrapping_sub(before)) << 4,
                FixupKind::Absolute32 | FixupKind::Absolute64 => address as u32,
            };
            let field = field.first_chunk_mut::<4>().ok_or_else(outside)?;
            *field = u32::from_le_bytes(*field).wrapping_add(value).to_le_bytes();
        }
        Ok(addresses)
    }
}

fn len(bytes: &[u8]) -> Result<u32, AsmError> {
    u32::try_from(bytes.len()).map_err(|_| AsmError::TooLarge)
}
