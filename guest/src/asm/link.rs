//! Lays a [`Module`]'s sections out, completes the distances in its code, and writes its directories.

use object::pe;

use super::BuiltinDll;
use super::builder::{Module, Place, Target, Unwind};
use super::error::AsmError;
use super::image::{self, Bytes, Headers, SECTION_ALIGNMENT, Section};

/// The one DLL that the built-in ones import from.
const IMPORTED_DLL: &str = "ntdll.dll";
const DATA: u32 = pe::IMAGE_SCN_CNT_INITIALIZED_DATA | pe::IMAGE_SCN_MEM_READ;

/// Where the parts begin, as RVAs.
struct Layout {
    text: u32,
    imports: u32,
    constants: u32,
    data: u32,
}

impl Layout {
    fn rva(&self, name: &'static str, place: Place) -> Result<u32, AsmError> {
        Ok(match place {
            Place::Undefined => return Err(AsmError::Undefined(name.into())),
            Place::Text(at) => self.text + at,
            Place::Import(at) => self.imports + at,
            Place::Constant(at) => self.constants + at,
            Place::Data(at) => self.data + at,
        })
    }
}

impl Module {
    /// The finished DLL.
    pub(super) fn link(mut self) -> Result<BuiltinDll, AsmError> {
        let text = SECTION_ALIGNMENT;
        let imports = image::align(text + len(&self.text)?)?;
        let slots = self.symbols.imports.len() as u32;
        // The address table ends with a zero entry.
        let table = if slots == 0 { 0 } else { 8 * (slots + 1) };
        let constants = (imports + table).next_multiple_of(16);
        let mut rdata = Bytes::default();
        rdata.pad_to(constants - imports).raw(&self.constants);
        let mut layout = Layout { text, imports, constants, data: 0 };
        let mut directories = Vec::new();
        let unwind = unwind_infos(&mut rdata, imports, &self.unwind);
        if slots != 0 {
            let rva = import_directory(&mut rdata, imports, &self.symbols.imports)?;
            directories.push((pe::IMAGE_DIRECTORY_ENTRY_IMPORT as u16, rva.0, rva.1));
            directories.push((pe::IMAGE_DIRECTORY_ENTRY_IAT as u16, imports, table));
        }
        let (rva, size) = self.export_directory(&mut rdata, &layout)?;
        directories.push((pe::IMAGE_DIRECTORY_ENTRY_EXPORT as u16, rva, size));
        layout.data = image::align(imports + len(&rdata.0)?)?;
        if self.data.is_empty() {
            self.data.resize(16, 0);
        }
        self.complete(&layout)?;
        let pdata = image::align(layout.data + len(&self.data)?)?;
        let functions = function_table(&self.unwind, &unwind, text);
        directories.push((pe::IMAGE_DIRECTORY_ENTRY_EXCEPTION as u16, pdata, len(&functions)?));
        let reloc = image::align(pdata + len(&functions)?)?;
        let relocations = empty_relocations(text);
        directories.push((pe::IMAGE_DIRECTORY_ENTRY_BASERELOC as u16, reloc, len(&relocations)?));
        let symbols = self.symbol_table(&layout)?;
        let code = pe::IMAGE_SCN_CNT_CODE | pe::IMAGE_SCN_MEM_EXECUTE | pe::IMAGE_SCN_MEM_READ;
        let section = |name, rva, contents, characteristics| Section { name, rva, contents, zeros: 0, characteristics };
        let sections = [
            section(b".text\0\0\0", text, self.text, code),
            section(b".rdata\0\0", imports, rdata.0, DATA),
            section(b".data\0\0\0", layout.data, self.data, DATA | pe::IMAGE_SCN_MEM_WRITE),
            section(b".pdata\0\0", pdata, functions, DATA),
            section(b".reloc\0\0", reloc, relocations, DATA | pe::IMAGE_SCN_MEM_DISCARDABLE),
        ];
        let version = (self.profile.version.0, self.profile.version.1);
        let image = image::write(
            &Headers {
                arch: crate::profile::Arch::X64,
                base: self.base,
                version,
                subsystem: pe::IMAGE_SUBSYSTEM_WINDOWS_CUI,
                is_dll: true,
                entry: 0,
                directories,
            },
            &sections,
        )?;
        Ok(BuiltinDll { name: self.name, image, symbols })
    }

    /// Puts the real distances in: what was encoded is the distance from function 0 to a placeholder.
    fn complete(&mut self, layout: &Layout) -> Result<(), AsmError> {
        for fixup in &self.fixups {
            let &(name, place) = self.symbols.list.get(fixup.symbol).ok_or(AsmError::TooLarge)?;
            let moved = layout.rva(name, place)?.wrapping_sub(Module::placeholder(fixup.symbol));
            let from = layout.text + fixup.function;
            let at = fixup.at as usize;
            let field = self.text.get_mut(at..).and_then(|t| t.first_chunk_mut::<4>()).ok_or(AsmError::TooLarge)?;
            *field = u32::from_le_bytes(*field).wrapping_add(moved).wrapping_sub(from).to_le_bytes();
        }
        Ok(())
    }

    /// Names in ASCII order, ordinals from 1 in that order.
    fn export_directory(&mut self, rdata: &mut Bytes, layout: &Layout) -> Result<(u32, u32), AsmError> {
        self.exports.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        if let Some(pair) = self.exports.windows(2).find(|p| matches!(p, [a, b] if a.0 == b.0)) {
            return Err(AsmError::Duplicate(pair.iter().map(|e| e.0.as_ref()).collect()));
        }
        let start = (layout.imports + len(&rdata.0)?).next_multiple_of(16);
        let count = u32::try_from(self.exports.len()).map_err(|_| AsmError::TooLarge)?;
        let functions = start + 40;
        let names = functions + 4 * count;
        let ordinals = names + 4 * count;
        let strings = ordinals + 2 * count;
        let mut text = Bytes(Vec::with_capacity(0x8000));
        text.text(self.name);
        let (mut addresses, mut pointers) = (Bytes::default(), Bytes::default());
        for (name, target) in &self.exports {
            pointers.u32(strings + len(&text.0)?);
            text.text(name);
            addresses.u32(match *target {
                Target::Forward(to) => {
                    let at = strings + len(&text.0)?;
                    text.text(to);
                    at
                }
                Target::Symbol(index) => {
                    let &(name, place) = self.symbols.list.get(index).ok_or(AsmError::TooLarge)?;
                    layout.rva(name, place)?
                }
            });
        }
        rdata.pad_to(start - layout.imports);
        rdata.u32(0).u32(0).u16(0).u16(0).u32(strings).u32(1).u32(count).u32(count);
        rdata.u32(functions).u32(names).u32(ordinals).raw(&addresses.0).raw(&pointers.0);
        for ordinal in 0..count {
            rdata.u16(u16::try_from(ordinal).map_err(|_| AsmError::TooLarge)?);
        }
        rdata.raw(&text.0);
        Ok((start, strings + len(&text.0)? - start))
    }

    /// Everything that has a name and an address of its own, import slots aside.
    fn symbol_table(&self, layout: &Layout) -> Result<Vec<(u32, String)>, AsmError> {
        let named = self.symbols.list.iter().filter(|s| !matches!(s.1, Place::Import(_)));
        let mut table: Vec<(u32, String)> = named
            .map(|&(name, place)| Ok((layout.rva(name, place)?, name.to_owned())))
            .collect::<Result<_, AsmError>>()?;
        table.sort_unstable();
        Ok(table)
    }
}

fn len(bytes: &[u8]) -> Result<u32, AsmError> {
    u32::try_from(bytes.len()).map_err(|_| AsmError::TooLarge)
}

/// The unwind information, each distinct one once; returns their RVAs in the functions' order.
fn unwind_infos(rdata: &mut Bytes, base: u32, functions: &[Unwind]) -> Vec<u32> {
    let mut seen: Vec<(&[u8], u32)> = Vec::new();
    rdata.pad_to((rdata.0.len() as u32).next_multiple_of(4));
    let mut rvas = Vec::with_capacity(functions.len());
    for f in functions {
        let known = seen.iter().find(|s| s.0 == f.info).map(|s| s.1);
        let rva = known.unwrap_or_else(|| {
            let rva = base + rdata.0.len() as u32;
            rdata.raw(&f.info);
            seen.push((&f.info, rva));
            rva
        });
        rvas.push(rva);
    }
    rvas
}

/// `.pdata`: a `RUNTIME_FUNCTION` for each function with a frame, by address.
fn function_table(functions: &[Unwind], infos: &[u32], text: u32) -> Vec<u8> {
    let mut table = Bytes::default();
    for (f, &info) in functions.iter().zip(infos) {
        table.u32(text + f.start).u32(text + f.end).u32(info);
    }
    table.0
}

/// One descriptor, its lookup table and names. The address table holds the same hints until it is bound.
fn import_directory(rdata: &mut Bytes, base: u32, names: &[&'static str]) -> Result<(u32, u32), AsmError> {
    let start = (base + len(&rdata.0)?).next_multiple_of(8);
    let lookup = start + 40;
    let strings = lookup + 8 * (names.len() as u32 + 1);
    let (mut table, mut text) = (Bytes::default(), Bytes::default());
    for name in names {
        table.u64(u64::from(strings + len(&text.0)?));
        text.u16(0).text(name);
        text.pad_to(len(&text.0)?.next_multiple_of(2));
    }
    let dll = strings + len(&text.0)?;
    text.text(IMPORTED_DLL);
    if let Some(slots) = rdata.0.get_mut(..table.0.len()) {
        slots.copy_from_slice(&table.0);
    }
    rdata.pad_to(start - base);
    rdata.u32(lookup).u32(0).u32(0).u32(dll).u32(base).raw(&[0; 20]);
    rdata.raw(&table.0).u64(0).raw(&text.0);
    Ok((start, 40))
}

/// The code has no absolute address in it; one block of padding says that the image may move.
fn empty_relocations(page: u32) -> Vec<u8> {
    let mut block = Bytes::default();
    block.u32(page).u32(12).u16(0).u16(0);
    block.0
}
