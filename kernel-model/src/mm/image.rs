//! Images as sections have them: headers read from a file, pages as they lie in memory, and what is told of them.

use std::sync::Arc;

use guest::mem::{PAGE_SIZE, Width};
use guest::pe::{PeError, PeImage, Section};
use guest::types::StructWriter;
use guest::{Arch, NtStatus};

use super::protect::Protect;
use super::segment::FileKey;

/// `SECTION_IMAGE_INFORMATION` of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageInformation {
    /// Where it starts.
    pub entry: u64,
    /// Bytes of stack that it reserves and commits.
    pub stack: (u64, u64),
    /// `IMAGE_SUBSYSTEM_*`.
    pub subsystem: u16,
    /// The subsystem's version.
    pub subsystem_version: (u16, u16),
    /// `IMAGE_FILE_*` and `IMAGE_DLLCHARACTERISTICS_*`.
    pub characteristics: (u16, u16),
    /// `IMAGE_FILE_MACHINE_*`.
    pub machine: u16,
    /// Bytes of the file, and its checksum.
    pub file: (u32, u32),
}

impl ImageInformation {
    /// Of an image whose entry point is at an address.
    pub fn of(image: &PeImage, entry: u64) -> Self {
        let (checksum, length) = image.checksum;
        Self {
            entry,
            stack: (image.stack_reserve, image.stack_commit),
            subsystem: image.subsystem,
            subsystem_version: image.subsystem_version,
            characteristics: image.characteristics,
            machine: machine(image.arch),
            file: (length, checksum),
        }
    }

    /// Bytes of `SECTION_IMAGE_INFORMATION`.
    pub const fn size(width: Width) -> usize {
        match width {
            Width::W32 => 0x30,
            Width::W64 => 0x40,
        }
    }

    /// `SECTION_IMAGE_INFORMATION`.
    pub fn bytes(&self, width: Width, out: StructWriter) -> Vec<u8> {
        let w = width.bytes();
        let ((reserve, commit), (major, minor)) = (self.stack, self.subsystem_version);
        let ((characteristics, dll), (length, checksum)) = (self.characteristics, self.file);
        // TransferAddress, ZeroBits, MaximumStackSize, CommittedStackSize, SubSystemType, SubSystemMinor-, -MajorVersion
        let out = out.word(0, self.entry).word(2 * w, reserve).word(3 * w, commit);
        let out = out.field(4 * w, 4, self.subsystem.into());
        let out = out.field(4 * w + 4, 2, minor.into()).field(4 * w + 6, 2, major.into());
        // ImageCharacteristics, DllCharacteristics, Machine, ImageContainsCode; ImageFileSize, CheckSum
        let at = 4 * w + 12;
        let out = out.field(at, 2, characteristics.into()).field(at + 2, 2, dll.into());
        let out = out.field(at + 4, 2, self.machine.into()).field(at + 6, 1, 1);
        out.field(at + 12, 4, length.into()).field(at + 16, 4, checksum.into()).finish()
    }
}

/// `IMAGE_FILE_MACHINE_*`.
pub const fn machine(arch: Arch) -> u16 {
    match arch {
        Arch::X86 => 0x14c,
        Arch::X64 => 0x8664,
    }
}

/// What an image section is over.
#[derive(Debug)]
pub struct SectionImage {
    /// The file.
    pub file: FileKey,
    /// Its path as the object manager has it: `\Device\HarddiskVolume1\...`.
    pub path: String,
    /// The image, laid out and not relocated.
    pub pe: PeImage,
    /// The file's bytes, of a program: a process may be made of the section when the file is another, or gone.
    pub raw: Vec<u8>,
}

impl SectionImage {
    /// Pages that it takes.
    pub fn pages(&self) -> u64 {
        self.pe.bytes.len() as u64 / PAGE_SIZE
    }

    /// The bytes of a page.
    pub fn page(&self, page: u64) -> Option<&[u8]> {
        self.pe.slice(page * PAGE_SIZE, PAGE_SIZE)
    }

    /// Runs of pages with their protections; what lies between them is not there.
    pub fn runs(&self) -> impl Iterator<Item = (u64, u64, Protect)> {
        let headers = [(0, u64::from(self.pe.headers) / PAGE_SIZE, Protect::READONLY)].into_iter();
        let of = |s: &Section| (u64::from(s.rva) / PAGE_SIZE, u64::from(s.size) / PAGE_SIZE, section_protect(s));
        headers.chain(self.pe.sections.iter().map(of))
    }

    /// What is told of it before it is mapped.
    pub fn information(&self) -> ImageInformation {
        let entry = if self.pe.entry == 0 { 0 } else { self.pe.base.wrapping_add(self.pe.entry.into()) };
        ImageInformation::of(&self.pe, entry)
    }
}

/// A section's protection as it is mapped: what can be written is copy-on-write.
pub fn section_protect(section: &Section) -> Protect {
    match (section.execute, section.read, section.write) {
        (true, _, true) => Protect::EXECUTE_WRITECOPY,
        (true, true, false) => Protect::EXECUTE_READ,
        (true, false, false) => Protect::EXECUTE,
        (false, _, true) => Protect::WRITECOPY,
        (false, true, false) => Protect::READONLY,
        (false, false, false) => Protect::NOACCESS,
    }
}

/// Reads an image's file as `NtCreateSection` does.
///
/// `STATUS_INVALID_FILE_FOR_SECTION` (empty), `STATUS_INVALID_IMAGE_NOT_MZ`, `STATUS_INVALID_IMAGE_PROTECT` (no PE header behind the DOS one),
/// `STATUS_INVALID_IMAGE_NE_FORMAT`, `STATUS_INVALID_IMAGE_LE_FORMAT`, `STATUS_INVALID_IMAGE_FORMAT` for headers that
/// contradict themselves or the file.
pub(super) fn read(file: FileKey, path: String, bytes: &[u8]) -> Result<Arc<SectionImage>, NtStatus> {
    check_signatures(bytes)?;
    let pe = PeImage::parse(bytes).map_err(|error| match error {
        PeError::NotPe(_) | PeError::Machine(..) | PeError::Malformed(_) => NtStatus::INVALID_IMAGE_FORMAT,
    })?;
    let raw = if pe.is_dll { Vec::new() } else { bytes.to_vec() };
    Ok(Arc::new(SectionImage { file, path, pe, raw }))
}

/// What a file without a PE header is.
fn check_signatures(bytes: &[u8]) -> Result<(), NtStatus> {
    const DOS_HEADER: usize = 0x40;
    if bytes.is_empty() {
        return Err(NtStatus::INVALID_FILE_FOR_SECTION);
    }
    if bytes.len() < DOS_HEADER || !bytes.starts_with(b"MZ") {
        return Err(NtStatus::INVALID_IMAGE_NOT_MZ);
    }
    let at = bytes.get(0x3c..0x40).and_then(|field| field.try_into().ok()).map_or(0, u32::from_le_bytes);
    match bytes.get(at as usize..).and_then(|rest| rest.get(..4)) {
        Some(b"PE\0\0") => Ok(()),
        Some([b'N', b'E', ..]) => Err(NtStatus::INVALID_IMAGE_NE_FORMAT),
        Some([b'L', b'E' | b'X', ..]) => Err(NtStatus::INVALID_IMAGE_LE_FORMAT),
        _ => Err(NtStatus::INVALID_IMAGE_PROTECT),
    }
}
