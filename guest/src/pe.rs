//! Reading PE images: what the loader needs, each number checked before it is believed.
//!
//! The bytes are somebody else's. Every offset, count and size in them is an allegation; a lie ends
//! in a [`PeError`] that says which, never in a panic.

use std::sync::Arc;

use object::LittleEndian as LE;
use object::pe;
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile};

use crate::Arch;
use crate::mem::{PAGE_SIZE, get, put};

/// Why a file is not an image we can run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeError {
    /// Too short, or without the `MZ` and `PE` signatures, or with headers that do not parse.
    #[error("not a PE image: {0}")]
    NotPe(String),
    /// A machine type other than x86 and x86-64.
    #[error("machine type {0:#06x} ({1}) is neither x86 (0x014c) nor x86-64 (0x8664)")]
    Machine(u16, &'static str),
    /// Headers that contradict themselves or the file.
    #[error("malformed PE image: {0}")]
    Malformed(String),
}

fn malformed(what: impl Into<String>) -> PeError {
    PeError::Malformed(what.into())
}

/// The largest `SizeOfImage` that is mapped, in bytes.
const MAX_IMAGE: u64 = 0x2000_0000;
/// NT refuses more sections than this.
const MAX_SECTIONS: usize = 96;

/// A section as it is mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The name, at most eight bytes.
    pub name: String,
    /// Where it starts, relative to the image base.
    pub rva: u32,
    /// Bytes it occupies in memory, a multiple of the page size.
    pub size: u32,
    /// `IMAGE_SCN_MEM_EXECUTE`.
    pub execute: bool,
    /// `IMAGE_SCN_MEM_READ`.
    pub read: bool,
    /// `IMAGE_SCN_MEM_WRITE`.
    pub write: bool,
}

/// What an import asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportBy {
    /// An export's name.
    Name(String),
    /// An export's ordinal.
    Ordinal(u16),
}

impl std::fmt::Display for ImportBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ordinal(n) => write!(f, "#{n}"),
        }
    }
}

/// One imported DLL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The DLL's name as written.
    pub dll: String,
    /// The slots to fill: their RVA, and with what.
    pub slots: Vec<(u32, ImportBy)>,
}

/// What an export leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportTarget {
    /// An address in the image, as an RVA.
    Rva(u32),
    /// Another DLL's export, written `DLL.Name` or `DLL.#ordinal`.
    Forward(String),
}

/// The TLS directory, with addresses as RVAs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tls {
    /// Where the template's bytes are.
    pub data: u32,
    /// How many there are.
    pub data_size: u32,
    /// Zero bytes after them.
    pub zero_fill: u32,
    /// Where the module's TLS index is stored; 0: nowhere.
    pub index: u32,
}

/// An image, laid out as it lies in memory.
#[derive(Debug, Clone)]
pub struct PeImage {
    /// The architecture of its code: PE32 for x86, PE32+ for x64.
    pub arch: Arch,
    /// `ImageBase`.
    pub base: u64,
    /// The mapped bytes, headers first, unrelocated. Copies of an image share them until one changes its own.
    pub bytes: Arc<Vec<u8>>,
    /// Bytes of headers, rounded up to pages.
    pub headers: u32,
    /// The sections by ascending address.
    pub sections: Vec<Section>,
    /// `AddressOfEntryPoint`; 0: none.
    pub entry: u32,
    /// `SizeOfStackReserve` in bytes.
    pub stack_reserve: u64,
    /// `SizeOfStackCommit` in bytes.
    pub stack_commit: u64,
    /// `Subsystem` (2 GUI, 3 console).
    pub subsystem: u16,
    /// `MajorSubsystemVersion`, `MinorSubsystemVersion`.
    pub subsystem_version: (u16, u16),
    /// `Characteristics` say that it is a DLL.
    pub is_dll: bool,
    /// It has base relocations, or says that it can move without any.
    pub relocatable: bool,
    /// `DllCharacteristics` ask for a moved base.
    pub dynamic_base: bool,
    /// `DllCharacteristics` say that it runs with data that cannot be executed.
    pub nx_compat: bool,
    /// `TimeDateStamp`.
    pub timestamp: u32,
    /// `Characteristics` and `DllCharacteristics`.
    pub characteristics: (u16, u16),
    /// `CheckSum`, and the length of the file.
    pub checksum: (u32, u32),
    directories: Vec<(u32, u32)>,
}

impl PeImage {
    /// Reads an image file.
    pub fn parse(data: &[u8]) -> Result<Self, PeError> {
        if !data.starts_with(b"MZ") {
            return Err(PeError::NotPe("it does not start with MZ".into()));
        }
        match machine_of(data)? {
            pe::IMAGE_FILE_MACHINE_AMD64 => Self::parse_as::<pe::ImageNtHeaders64>(data, Arch::X64),
            pe::IMAGE_FILE_MACHINE_I386 => Self::parse_as::<pe::ImageNtHeaders32>(data, Arch::X86),
            machine => Err(PeError::Machine(machine, machine_name(machine))),
        }
    }

    fn parse_as<H: ImageNtHeaders>(data: &[u8], arch: Arch) -> Result<Self, PeError> {
        let file = PeFile::<H>::parse(data).map_err(|e| PeError::NotPe(e.to_string()))?;
        let opt = file.nt_headers().optional_header();
        let header = file.nt_headers().file_header();
        let size = u64::from(opt.size_of_image());
        let headers = u64::from(opt.size_of_headers());
        let alignment = u64::from(opt.section_alignment());
        if size == 0 || size > MAX_IMAGE {
            return Err(malformed(format!("SizeOfImage {size:#x}")));
        }
        if alignment < PAGE_SIZE || !alignment.is_power_of_two() {
            return Err(malformed(format!("SectionAlignment {alignment:#x}")));
        }
        let base = opt.image_base();
        if base % 0x1_0000 != 0 {
            return Err(malformed(format!("ImageBase {base:#x} is not a multiple of 64 KiB")));
        }
        if headers == 0 || headers > size || headers > data.len() as u64 {
            return Err(malformed(format!("SizeOfHeaders {headers:#x}")));
        }
        let mut bytes = vec![0; round_up(size) as usize];
        copy(&mut bytes, 0, data.get(..headers as usize).unwrap_or(&[]));
        let sections = map_sections(&file, data, &mut bytes, round_up(headers))?;
        let entry = opt.address_of_entry_point();
        if u64::from(entry) >= size {
            return Err(malformed(format!("entry point {entry:#x} is outside the image")));
        }
        let directories = (0..16)
            .map(|i| {
                let d = file.data_directories().get(i);
                d.map_or((0, 0), |d| (d.virtual_address.get(LE), d.size.get(LE)))
            })
            .collect();
        let characteristics = header.characteristics.get(LE);
        let dll_characteristics = opt.dll_characteristics();
        Ok(Self {
            arch,
            base,
            bytes: Arc::new(bytes),
            headers: round_up(headers) as u32,
            sections,
            entry,
            stack_reserve: opt.size_of_stack_reserve(),
            stack_commit: opt.size_of_stack_commit(),
            subsystem: opt.subsystem(),
            subsystem_version: (opt.major_subsystem_version(), opt.minor_subsystem_version()),
            is_dll: characteristics & pe::IMAGE_FILE_DLL != 0,
            relocatable: characteristics & pe::IMAGE_FILE_RELOCS_STRIPPED == 0,
            dynamic_base: dll_characteristics & pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE != 0,
            nx_compat: dll_characteristics & pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT != 0,
            timestamp: header.time_date_stamp.get(LE),
            characteristics: (characteristics, dll_characteristics),
            checksum: (opt.check_sum(), data.len() as u32),
            directories,
        })
    }

    /// A data directory's RVA and size, where the image has it.
    pub fn directory(&self, index: usize) -> Option<(u32, u32)> {
        self.directories.get(index).copied().filter(|d| d.0 != 0 && d.1 != 0)
    }

    /// Whether it has managed code: a program of .NET, all of it or in part (mixed mode).
    pub fn is_managed(&self) -> bool {
        self.directory(pe::IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR).is_some()
    }

    fn u16(&self, rva: u64) -> Option<u16> {
        self.slice(rva, 2).map(|b| get(b, 0, 2) as u16)
    }

    fn u32(&self, rva: u64) -> Option<u32> {
        self.slice(rva, 4).map(|b| get(b, 0, 4) as u32)
    }

    /// A word as wide as the image's addresses.
    fn word(&self, rva: u64) -> Option<u64> {
        let len = self.word_len();
        self.slice(rva, len).map(|b| get(b, 0, len as usize))
    }

    fn word_len(&self) -> u64 {
        self.arch.width().bytes() as u64
    }

    /// Bytes of the mapped image.
    pub fn slice(&self, rva: u64, len: u64) -> Option<&[u8]> {
        let start = usize::try_from(rva).ok()?;
        self.bytes.get(start..start.checked_add(usize::try_from(len).ok()?)?)
    }

    /// A zero-terminated ASCII string.
    fn text(&self, rva: u64) -> Option<&str> {
        let rest = self.bytes.get(usize::try_from(rva).ok()?..)?;
        let end = rest.iter().take(4096).position(|&b| b == 0)?;
        let text = std::str::from_utf8(rest.get(..end)?).ok()?;
        text.chars().all(|c| c.is_ascii_graphic() || c == ' ').then_some(text)
    }

    /// Moves the image's bytes from one base to another.
    pub fn relocate(&mut self, to: u64) -> Result<(), PeError> {
        let delta = to.wrapping_sub(self.base);
        if delta == 0 {
            return Ok(());
        }
        let Some((start, len)) = self.directory(pe::IMAGE_DIRECTORY_ENTRY_BASERELOC) else {
            if self.relocatable {
                self.set_header_base(to);
                return Ok(());
            }
            return Err(malformed("it cannot be relocated"));
        };
        let (mut at, end) = (u64::from(start), u64::from(start) + u64::from(len));
        while at + 8 <= end {
            let bad = || malformed(format!("relocation block at {at:#x}"));
            let page = u64::from(self.u32(at).ok_or_else(bad)?);
            let size = u64::from(self.u32(at + 4).ok_or_else(bad)?);
            if size == 0 {
                break;
            }
            if size < 8 || at + size > end {
                return Err(bad());
            }
            for entry in (at + 8..at + size).step_by(2) {
                let entry = self.u16(entry).ok_or_else(bad)?;
                self.fix(page + u64::from(entry & 0xfff), entry >> 12, delta)?;
            }
            at += size;
        }
        self.set_header_base(to);
        Ok(())
    }

    /// Windows writes the base an image was given into its mapped header.
    fn set_header_base(&mut self, base: u64) {
        // e_lfanew; then signature (4), file header (20), and ImageBase 24 (PE32: 28) into the optional header.
        let offset = if self.arch == Arch::X64 { 0x30 } else { 0x34 };
        let at = self.u32(0x3c).map_or(usize::MAX, |at| at as usize).saturating_add(offset);
        if at < self.headers as usize {
            put(Arc::<Vec<u8>>::make_mut(&mut self.bytes), at, self.arch.width().bytes(), base);
        }
    }

    fn fix(&mut self, at: u64, kind: u16, delta: u64) -> Result<(), PeError> {
        let outside = || malformed(format!("relocation at {at:#x}, outside the image"));
        let len = match kind {
            pe::IMAGE_REL_BASED_ABSOLUTE => return Ok(()),
            pe::IMAGE_REL_BASED_DIR64 => 8,
            pe::IMAGE_REL_BASED_HIGHLOW => 4,
            other => return Err(malformed(format!("relocation type {other} at {at:#x}"))),
        };
        let old = get(self.slice(at, len as u64).ok_or_else(outside)?, 0, len);
        put(Arc::<Vec<u8>>::make_mut(&mut self.bytes), at as usize, len, old.wrapping_add(delta));
        Ok(())
    }

    /// The imported DLLs and the slots of each.
    pub fn imports(&self) -> Result<Vec<Import>, PeError> {
        let Some((start, _)) = self.directory(pe::IMAGE_DIRECTORY_ENTRY_IMPORT) else { return Ok(Vec::new()) };
        let mut imports = Vec::new();
        for at in (u64::from(start)..).step_by(20) {
            let bad = || malformed(format!("import descriptor at {at:#x}"));
            let field = |offset| self.u32(at + offset).ok_or_else(bad);
            let (lookup, name, slots) = (field(0)?, field(12)?, field(16)?);
            if name == 0 || slots == 0 {
                break;
            }
            if imports.len() >= 4096 {
                return Err(malformed("more than 4096 imported DLLs"));
            }
            let dll = self.text(name.into()).ok_or_else(bad)?.to_string();
            let lookup = if lookup == 0 { slots } else { lookup };
            let slots = self.import_slots(&dll, lookup, slots)?;
            imports.push(Import { dll, slots });
        }
        Ok(imports)
    }

    fn import_slots(&self, dll: &str, lookup: u32, slots: u32) -> Result<Vec<(u32, ImportBy)>, PeError> {
        let mut found = Vec::new();
        let len = self.word_len();
        for i in 0.. {
            let offset = len * i;
            let bad = || malformed(format!("import {i} from {dll}"));
            let entry = self.word(u64::from(lookup) + offset).ok_or_else(bad)?;
            if entry == 0 {
                break;
            }
            // The highest bit says that the rest is an ordinal.
            let by = if entry >> (8 * len - 1) != 0 {
                ImportBy::Ordinal(entry as u16)
            } else {
                ImportBy::Name(self.text((entry & 0x7fff_ffff) + 2).ok_or_else(bad)?.to_string())
            };
            let slot = u64::from(slots) + offset;
            self.slice(slot, len).ok_or_else(bad)?;
            found.push((slot as u32, by));
        }
        Ok(found)
    }

    /// Looks an export up.
    pub fn export(&self, by: &ImportBy) -> Result<Option<ExportTarget>, PeError> {
        let Some((start, len)) = self.directory(pe::IMAGE_DIRECTORY_ENTRY_EXPORT) else { return Ok(None) };
        let start = u64::from(start);
        let bad = || malformed("export directory");
        let field = |offset| self.u32(start + offset).map(u64::from).ok_or_else(bad);
        let (base, count, functions) = (field(16)?, field(20)?, field(28)?);
        let index = match by {
            ImportBy::Ordinal(n) => u64::from(*n).checked_sub(base),
            ImportBy::Name(name) => self.export_index(name, field(24)?, field(32)?, field(36)?)?,
        };
        let Some(index) = index.filter(|&i| i < count) else { return Ok(None) };
        let rva = self.u32(functions + 4 * index).ok_or_else(bad)?;
        if rva == 0 {
            return Ok(None);
        }
        if (start..start + u64::from(len)).contains(&u64::from(rva)) {
            let text = self.text(rva.into()).ok_or_else(bad)?;
            return Ok(Some(ExportTarget::Forward(text.to_string())));
        }
        Ok(Some(ExportTarget::Rva(rva)))
    }

    /// Binary search in the sorted name table, as the loader does.
    fn export_index(&self, name: &str, count: u64, names: u64, ordinals: u64) -> Result<Option<u64>, PeError> {
        let bad = || malformed("export names");
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.u32(names + 4 * middle).ok_or_else(bad)?;
            match self.text(entry.into()).ok_or_else(bad)?.cmp(name) {
                std::cmp::Ordering::Equal => {
                    return Ok(Some(self.u16(ordinals + 2 * middle).ok_or_else(bad)?.into()));
                }
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    /// Every named export that is an address: name and RVA.
    pub fn export_names(&self) -> Vec<(String, u32)> {
        let Some((start, len)) = self.directory(pe::IMAGE_DIRECTORY_ENTRY_EXPORT) else { return Vec::new() };
        let start = u64::from(start);
        let field = |offset| self.u32(start + offset).map_or(0, u64::from);
        let (functions, count, names, ordinals) = (field(28), field(24), field(32), field(36));
        let row = |i: u64| {
            let name = self.text(self.u32(names + 4 * i)?.into())?.to_string();
            let rva = self.u32(functions + 4 * u64::from(self.u16(ordinals + 2 * i)?))?;
            let forward = (start..start + u64::from(len)).contains(&u64::from(rva));
            (!forward && rva != 0).then_some((name, rva))
        };
        (0..count.min(0x1_0000)).filter_map(row).collect()
    }

    /// Every export that is another DLL's: where each leads.
    pub fn forwards(&self) -> Vec<String> {
        let Some((start, len)) = self.directory(pe::IMAGE_DIRECTORY_ENTRY_EXPORT) else { return Vec::new() };
        let start = u64::from(start);
        let field = |offset| self.u32(start + offset).map_or(0, u64::from);
        let (functions, count) = (field(28), field(20).min(0x1_0000));
        let own = start..start + u64::from(len);
        let forward = |index: u64| {
            let rva = u64::from(self.u32(functions + 4 * index)?);
            self.text(rva).filter(|_| own.contains(&rva)).map(str::to_string)
        };
        (0..count).filter_map(forward).collect()
    }

    /// The TLS directory. Its addresses are absolute, so the base that the image is relocated to is asked for.
    pub fn tls(&self, base: u64) -> Result<Option<Tls>, PeError> {
        let Some((at, _)) = self.directory(pe::IMAGE_DIRECTORY_ENTRY_TLS) else { return Ok(None) };
        let bad = || malformed("TLS directory");
        let at = u64::from(at);
        let len = self.word_len();
        let address = |index| self.word(at + len * index).ok_or_else(bad);
        let rva = |va: u64| {
            let rva = va.checked_sub(base).filter(|&r| r <= self.bytes.len() as u64);
            rva.map(|r| r as u32).ok_or_else(bad)
        };
        let (start, end, index) = (address(0)?, address(1)?, address(2)?);
        let data_size = end.checked_sub(start).filter(|&n| n <= self.bytes.len() as u64).ok_or_else(bad)?;
        let data = if start == 0 { 0 } else { rva(start)? };
        self.slice(data.into(), data_size).ok_or_else(bad)?;
        let index = if index == 0 { 0 } else { rva(index)? };
        let zero_fill = self.u32(at + 4 * len).ok_or_else(bad)?;
        if u64::from(zero_fill) > MAX_IMAGE {
            return Err(bad());
        }
        Ok(Some(Tls { data, data_size: data_size as u32, zero_fill, index }))
    }
}

fn round_up(n: u64) -> u64 {
    n.div_ceil(PAGE_SIZE) * PAGE_SIZE
}

fn copy(bytes: &mut [u8], at: usize, from: &[u8]) {
    if let Some(to) = bytes.get_mut(at..).and_then(|b| b.get_mut(..from.len())) {
        to.copy_from_slice(from);
    }
}

fn machine_of(data: &[u8]) -> Result<u16, PeError> {
    let short = || PeError::NotPe("the file ends before its headers do".into());
    let at = get(data.get(0x3c..0x40).ok_or_else(short)?, 0, 4) as usize;
    let signature = data.get(at..).and_then(|d| d.get(..6)).ok_or_else(short)?;
    if !signature.starts_with(b"PE\0\0") {
        return Err(PeError::NotPe("no PE signature where the DOS header points".into()));
    }
    Ok(get(signature, 4, 2) as u16)
}

fn machine_name(machine: u16) -> &'static str {
    match machine {
        pe::IMAGE_FILE_MACHINE_ARM64 => "ARM64",
        pe::IMAGE_FILE_MACHINE_ARMNT => "ARM",
        _ => "unknown",
    }
}

/// Copies the sections to where they are mapped, as `MiCreateImageFileMap` checks them: ascending,
/// aligned, inside the image and the file.
fn map_sections<H: ImageNtHeaders>(
    file: &PeFile<'_, H>, data: &[u8], bytes: &mut [u8], headers: u64,
) -> Result<Vec<Section>, PeError> {
    let mut sections = Vec::new();
    let mut next = headers;
    let table = file.section_table();
    if table.len() > MAX_SECTIONS {
        return Err(malformed(format!("{} sections", table.len())));
    }
    for s in table.iter() {
        let name = String::from_utf8_lossy(s.raw_name()).into_owned();
        let rva = u64::from(s.virtual_address.get(LE));
        let raw_size = u64::from(s.size_of_raw_data.get(LE));
        let virtual_size = u64::from(s.virtual_size.get(LE));
        let size = if virtual_size == 0 { raw_size } else { virtual_size };
        if rva % PAGE_SIZE != 0 || rva < next || rva + size > bytes.len() as u64 {
            return Err(malformed(format!("section {name} at {rva:#x}, size {size:#x}")));
        }
        next = rva + round_up(size);
        let raw = u64::from(s.pointer_to_raw_data.get(LE)) & !0x1ff;
        if raw != 0 && raw_size != 0 {
            let from = usize::try_from(raw).ok().and_then(|r| data.get(r..)).and_then(|d| d.get(..raw_size as usize));
            let from = from.ok_or_else(|| malformed(format!("section {name} lies beyond the end of the file")))?;
            let take = (raw_size.min(round_up(size))) as usize;
            copy(bytes, rva as usize, from.get(..take).unwrap_or(from));
        }
        if size == 0 {
            continue;
        }
        let flags = s.characteristics.get(LE);
        sections.push(Section {
            name,
            rva: rva as u32,
            size: round_up(size) as u32,
            execute: flags & pe::IMAGE_SCN_MEM_EXECUTE != 0,
            read: flags & pe::IMAGE_SCN_MEM_READ != 0,
            write: flags & pe::IMAGE_SCN_MEM_WRITE != 0,
        });
    }
    Ok(sections)
}
