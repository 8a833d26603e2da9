//! Writes PE32 and PE32+ files: headers and sections, nothing about what is in them.

use object::pe;

use super::error::AsmError;
use crate::profile::Arch;

pub(super) const SECTION_ALIGNMENT: u32 = 0x1000;
const FILE_ALIGNMENT: u32 = 0x200;
/// Where the NT headers are: behind a DOS header without a program.
const NT_HEADERS: u32 = 0x80;
const DIRECTORIES: usize = 16;
/// Fixed, so that the file never changes: 2023-05-16.
const TIMESTAMP: u32 = 0x6464_0000;

/// A section: its contents and where they go.
pub(super) struct Section {
    pub name: &'static [u8; 8],
    pub rva: u32,
    pub contents: Vec<u8>,
    /// Bytes behind the contents that are not in the file.
    pub zeros: u32,
    pub characteristics: u32,
}

/// What the headers say beside the sections.
pub(super) struct Headers<'a> {
    pub arch: Arch,
    pub base: u64,
    pub version: (u32, u32),
    pub subsystem: u16,
    pub is_dll: bool,
    /// The entry point's RVA; 0: none.
    pub entry: u32,
    /// Index, RVA and size of the data directories that are there.
    pub directories: Vec<(u16, u32, u32)>,
    /// What the symbol table names, by RVA; without any there is no table.
    pub symbols: &'a [(u32, String)],
}

/// The next multiple of a page after `rva` bytes.
pub(super) fn align(rva: u32) -> Result<u32, AsmError> {
    rva.checked_next_multiple_of(SECTION_ALIGNMENT).ok_or(AsmError::TooLarge)
}

/// A little-endian byte buffer.
#[derive(Default)]
pub(super) struct Bytes(pub Vec<u8>);

impl Bytes {
    pub(super) fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(super) fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// An address or a size, as wide as the machine's.
    fn word(&mut self, arch: Arch, value: u64) -> Result<&mut Self, AsmError> {
        Ok(match arch {
            Arch::X64 => self.u64(value),
            Arch::X86 => self.u32(u32::try_from(value).map_err(|_| AsmError::TooLarge)?),
        })
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A string with its terminating zero.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.raw(text.as_bytes()).raw(&[0])
    }

    pub(super) fn pad_to(&mut self, len: u32) -> &mut Self {
        self.0.resize(self.0.len().max(len as usize), 0);
        self
    }
}

/// The file.
pub(super) fn write(headers: &Headers<'_>, sections: &[Section]) -> Result<Vec<u8>, AsmError> {
    let count = u16::try_from(sections.len()).map_err(|_| AsmError::TooLarge)?;
    let (machine, optional_size, width) = match headers.arch {
        Arch::X64 => (pe::IMAGE_FILE_MACHINE_AMD64, 240_u16, pe::IMAGE_FILE_LARGE_ADDRESS_AWARE),
        Arch::X86 => (pe::IMAGE_FILE_MACHINE_I386, 224, pe::IMAGE_FILE_32BIT_MACHINE),
    };
    let table_end = NT_HEADERS + 24 + u32::from(optional_size) + 40 * u32::from(count);
    let header_size = table_end.next_multiple_of(FILE_ALIGNMENT);
    let mut out = Bytes(Vec::with_capacity(0x2_0000));
    dos_header(&mut out);
    out.u32(pe::IMAGE_NT_SIGNATURE);
    let end = sections.iter().try_fold(header_size, |end, s| end.checked_add(sizes(s).ok()?.1));
    let symbols = u32::try_from(headers.symbols.len()).map_err(|_| AsmError::TooLarge)?;
    let table = if symbols == 0 { 0 } else { end.ok_or(AsmError::TooLarge)? };
    out.u16(machine).u16(count).u32(TIMESTAMP).u32(table).u32(symbols).u16(optional_size);
    let kind = if headers.is_dll { pe::IMAGE_FILE_DLL } else { 0 };
    out.u16(pe::IMAGE_FILE_EXECUTABLE_IMAGE | width | kind);
    optional_header(&mut out, headers, sections, header_size)?;
    let mut at = header_size;
    for section in sections {
        let (bytes, raw) = sizes(section)?;
        let size = bytes.checked_add(section.zeros).ok_or(AsmError::TooLarge)?;
        out.raw(section.name).u32(size).u32(section.rva).u32(raw).u32(at);
        out.u32(0).u32(0).u16(0).u16(0).u32(section.characteristics);
        at = at.checked_add(raw).ok_or(AsmError::TooLarge)?;
    }
    let mut end = header_size;
    for section in sections {
        out.pad_to(end).raw(&section.contents);
        end += sizes(section)?.1;
    }
    out.pad_to(end);
    if symbols > 0 {
        symbol_table(&mut out, headers.symbols, sections)?;
    }
    Ok(out.0)
}

/// COFF symbols, and the strings of those whose names have more than eight characters.
fn symbol_table(out: &mut Bytes, symbols: &[(u32, String)], sections: &[Section]) -> Result<(), AsmError> {
    let mut strings = Bytes::default();
    for (rva, name) in symbols {
        let section = sections.partition_point(|s| s.rva <= *rva);
        let start = section.checked_sub(1).and_then(|s| sections.get(s)).map_or(0, |s| s.rva);
        match <[u8; 8]>::try_from(format!("{name:\0<8}").as_bytes()) {
            Ok(short) => out.raw(&short),
            Err(_) => {
                let at = u32::try_from(strings.0.len() + 4).map_err(|_| AsmError::TooLarge)?;
                strings.text(name);
                out.u32(0).u32(at)
            }
        };
        let code =
            sections.get(section.saturating_sub(1)).is_some_and(|s| s.characteristics & pe::IMAGE_SCN_CNT_CODE != 0);
        let kind = if code { pe::IMAGE_SYM_DTYPE_FUNCTION << pe::IMAGE_SYM_DTYPE_SHIFT } else { 0 };
        out.u32(rva - start).u16(section as u16).u16(kind);
        out.raw(&[pe::IMAGE_SYM_CLASS_EXTERNAL, 0]);
    }
    let size = u32::try_from(strings.0.len() + 4).map_err(|_| AsmError::TooLarge)?;
    out.u32(size).raw(&strings.0);
    Ok(())
}

/// A section's bytes, and what they take in the file.
fn sizes(section: &Section) -> Result<(u32, u32), AsmError> {
    let size = u32::try_from(section.contents.len()).map_err(|_| AsmError::TooLarge)?;
    Ok((size, size.checked_next_multiple_of(FILE_ALIGNMENT).ok_or(AsmError::TooLarge)?))
}

fn dos_header(out: &mut Bytes) {
    out.raw(b"MZ").u16(0x90).u16(3).u16(0).u16(4).u16(0).u16(0xffff).u16(0).u16(0xb8);
    out.pad_to(0x18).u16(0x40).pad_to(0x3c).u32(NT_HEADERS).pad_to(NT_HEADERS);
}

fn optional_header(
    out: &mut Bytes, headers: &Headers<'_>, sections: &[Section], header_size: u32,
) -> Result<(), AsmError> {
    let total = |flag: u32| -> Result<u32, AsmError> {
        let chosen = sections.iter().filter(|s| s.characteristics & flag != 0);
        chosen.map(|s| Ok(sizes(s)?.1)).sum()
    };
    let end = |s: &Section| s.rva.saturating_add(s.contents.len() as u32).saturating_add(s.zeros);
    let end = sections.iter().map(end).max().unwrap_or(header_size);
    let rva = |index: usize| sections.get(index).map_or(0, |s| s.rva);
    let (major, minor) = (headers.version.0 as u16, headers.version.1 as u16);
    let arch = headers.arch;
    out.u16(match arch {
        Arch::X64 => pe::IMAGE_NT_OPTIONAL_HDR64_MAGIC,
        Arch::X86 => pe::IMAGE_NT_OPTIONAL_HDR32_MAGIC,
    });
    out.u16(14 | 20 << 8);
    out.u32(total(pe::IMAGE_SCN_CNT_CODE)?).u32(total(pe::IMAGE_SCN_CNT_INITIALIZED_DATA)?).u32(0);
    out.u32(headers.entry).u32(rva(0));
    if arch == Arch::X86 {
        out.u32(rva(1)); // BaseOfData
    }
    out.word(arch, headers.base)?.u32(SECTION_ALIGNMENT).u32(FILE_ALIGNMENT);
    out.u16(major).u16(minor).u16(major).u16(minor).u16(major).u16(minor).u32(0);
    out.u32(align(end)?).u32(header_size).u32(0).u16(headers.subsystem);
    let high = if arch == Arch::X64 { pe::IMAGE_DLLCHARACTERISTICS_HIGH_ENTROPY_VA } else { 0 };
    out.u16(high | pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE | pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT);
    for size in [0x4_0000, 0x1000, 0x10_0000, 0x1000] {
        out.word(arch, size)?;
    }
    out.u32(0).u32(DIRECTORIES as u32);
    for index in 0..DIRECTORIES as u16 {
        let found = headers.directories.iter().find(|d| d.0 == index);
        let (_, rva, size) = found.copied().unwrap_or((index, 0, 0));
        out.u32(rva).u32(size);
    }
    Ok(())
}
