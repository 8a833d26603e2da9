//! `NtQuerySection`.

use guest::mem::{Width, Word};
use guest::types::StructWriter;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::image::ImageInformation;
use super::section::{SEC_COMMIT, SEC_FILE, SEC_IMAGE, Section};
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, class_name, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtQuerySection => nt_query_section,
    Support::Partial("no SectionInternalImageInformation")
)];

/// `SECTION_QUERY`.
const QUERY: AccessMask = AccessMask(1);

/// `SectionBasicInformation` and so on.
const BASIC: u32 = 0;
const IMAGE: u32 = 1;
const RELOCATION: u32 = 2;
const ORIGINAL_BASE: u32 = 3;

fn size_of(class: u32, width: Width) -> usize {
    match class {
        BASIC => 2 * width.bytes() + 8,
        IMAGE => ImageInformation::size(width),
        _ => width.bytes(),
    }
}

/// `NtQuerySection`: `SECTION_BASIC_INFORMATION` (base address, attributes, size in bytes), and of a section over an image
/// `SECTION_IMAGE_INFORMATION`, by how much it was relocated, and the base that its file has.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_SECTION_NOT_IMAGE`.
fn nt_query_section(
    cx: &mut Cx<'_>, section: Handle, class: u32, buffer: UserPtr<u8>, length: u64,
    return_length: Option<UserPtr<Word>>,
) -> NtResult {
    let name = class_name("SECTION_INFORMATION_CLASS", class)?;
    let width = cx.kernel.width();
    let size = size_of(class, width);
    if length < size as u64 {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let mut mem = cx.mem();
    mem.probe_write(buffer.va, length.min(size as u64))?;
    if let Some(pointer) = return_length {
        mem.probe(pointer)?;
    }
    let section = *cx.reference::<Section>(section, QUERY)?;
    let out = StructWriter::new(size, width);
    let image = cx.kernel.mm.segments.image(section.segment);
    let bytes = match (class, image) {
        (BASIC, _) => basic(&section, out, width),
        (_, None) => return Err(NtStatus::SECTION_NOT_IMAGE.into()),
        (IMAGE, Some(image)) => image.information().bytes(width, out),
        (RELOCATION, _) => out.finish(),
        (ORIGINAL_BASE, Some(image)) => out.word(0, image.pe.base).finish(),
        _ => return Err(Unwind::unsupported(format!("SectionInformationClass {name}"))),
    };
    let mut mem = cx.mem();
    mem.write(buffer.va, &bytes)?;
    if let Some(pointer) = return_length {
        mem.store(pointer, &Word(size as u64))?;
    }
    Ok(NtStatus::SUCCESS)
}

fn basic(section: &Section, out: StructWriter, width: Width) -> Vec<u8> {
    let w = width.bytes();
    let page_file = section.attributes & SEC_FILE == 0;
    // The paging file has whole pages, and commits them all where they were not just reserved.
    let (attributes, size) = match section.attributes {
        own if page_file && own & super::section::SEC_RESERVE == 0 => (own | SEC_COMMIT, super::whole(section.size)),
        own if page_file || own & SEC_IMAGE != 0 => (own, super::whole(section.size)),
        own => (own, section.size),
    };
    out.field(w, 4, attributes.into()).field(2 * w, 8, size).finish()
}
