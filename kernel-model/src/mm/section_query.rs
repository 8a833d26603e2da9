//! `NtQuerySection`.

use guest::mem::{PAGE_SIZE, Word};
use guest::types::StructWriter;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::section::{SEC_COMMIT, Section};
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, class_name, service};

pub(crate) const SERVICES: &[Service] = &[service!(NtQuerySection => nt_query_section, Support::Full)];

/// `SECTION_QUERY`.
const QUERY: AccessMask = AccessMask(1);

/// `SectionBasicInformation`.
const BASIC: u32 = 0;

/// `NtQuerySection`: `SECTION_BASIC_INFORMATION` (base address, attributes, size in bytes). Sections of images, which
/// have more to tell, there are none yet.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_SECTION_NOT_IMAGE`.
fn nt_query_section(
    cx: &mut Cx<'_>, section: Handle, class: u32, buffer: UserPtr<u8>, length: u64,
    return_length: Option<UserPtr<Word>>,
) -> NtResult {
    class_name("SECTION_INFORMATION_CLASS", class)?;
    let width = cx.kernel.width();
    let w = width.bytes();
    let size = 2 * w + 8;
    if class == BASIC && length < size as u64 {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let mut mem = cx.mem();
    mem.probe_write(buffer.va, length.min(size as u64))?;
    if let Some(pointer) = return_length {
        mem.probe(pointer)?;
    }
    let section = *cx.reference::<Section>(section, QUERY)?;
    if class != BASIC {
        return Err(NtStatus::SECTION_NOT_IMAGE.into());
    }
    // The paging file has whole pages, and commits them all.
    let bytes = StructWriter::new(size, width).field(w, 4, (section.attributes | SEC_COMMIT).into());
    let bytes = bytes.field(2 * w, 8, section.size.next_multiple_of(PAGE_SIZE)).finish();
    let mut mem = cx.mem();
    mem.write(buffer.va, &bytes)?;
    if let Some(pointer) = return_length {
        mem.store(pointer, &Word(size as u64))?;
    }
    Ok(NtStatus::SUCCESS)
}
