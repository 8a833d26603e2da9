//! Section objects: `NtCreateSection`, `NtCreateSectionEx`, `NtOpenSection`, `NtExtendSection`.

use guest::types::ObjectAttributes;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::protect::Protect;
use super::segment::{FileKey, SegmentId, pages_of};
use crate::body::Body;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, service};

const GAP: &str =
    "no SEC_BASED, SEC_NO_CHANGE, SEC_LARGE_PAGES; a data file's pages are read when a view is made, not when touched";

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateSection => nt_create_section, Support::Partial(GAP)),
    service!(NtCreateSectionEx => nt_create_section_ex, Support::Partial("as NtCreateSection; no extended parameters")),
    service!(NtOpenSection => nt_open_section, Support::Partial(crate::ob::SECURITY_GAP)),
    service!(NtExtendSection => nt_extend_section, Support::Full),
];

/// A section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its size in bytes.
    pub size: u64,
    /// The most its views may be.
    pub protect: Protect,
    /// `SEC_*`.
    pub attributes: u32,
    /// Its pages.
    pub segment: SegmentId,
}

/// `SECTION_EXTEND_SIZE`.
const EXTEND_SIZE: AccessMask = AccessMask(0x10);

const SEC_BASED: u32 = 0x20_0000;
const SEC_NO_CHANGE: u32 = 0x40_0000;
/// `SEC_FILE`: set by the kernel where a file is behind a section.
pub(super) const SEC_FILE: u32 = 0x80_0000;
/// `SEC_IMAGE`.
pub(super) const SEC_IMAGE: u32 = 0x100_0000;
/// `SEC_RESERVE`.
pub(super) const SEC_RESERVE: u32 = 0x400_0000;
/// `SEC_COMMIT`.
pub(super) const SEC_COMMIT: u32 = 0x800_0000;
const SEC_NOCACHE: u32 = 0x1000_0000;
const SEC_WRITECOMBINE: u32 = 0x4000_0000;
const SEC_LARGE_PAGES: u32 = 0x8000_0000;
/// Exactly one of these says what the section is.
const KINDS: u32 = SEC_IMAGE | SEC_RESERVE | SEC_COMMIT;

/// `FILE_READ_DATA`, `FILE_WRITE_DATA`, `FILE_EXECUTE`.
const FILE_READ: u32 = 1;
const FILE_WRITE: u32 = 2;
const FILE_EXECUTE: u32 = 0x20;

/// Checks the attributes of a section.
///
/// `STATUS_INVALID_PARAMETER_6` for flags there are not, or not together.
fn check_attributes(attributes: u32) -> NtResult<()> {
    let known = KINDS | SEC_BASED | SEC_NO_CHANGE | SEC_NOCACHE | SEC_WRITECOMBINE | SEC_LARGE_PAGES;
    if attributes & !known != 0 || (attributes & KINDS).count_ones() != 1 {
        return Err(NtStatus::INVALID_PARAMETER_6.into());
    }
    for (flag, name) in [
        (SEC_BASED, "AllocationAttributes SEC_BASED"),
        (SEC_NO_CHANGE, "AllocationAttributes SEC_NO_CHANGE"),
        (SEC_LARGE_PAGES, "AllocationAttributes SEC_LARGE_PAGES"),
    ] {
        if attributes & flag != 0 {
            return Err(Unwind::unsupported(name));
        }
    }
    Ok(())
}

/// The right to a file that a section's protection needs ("File mapping security and access rights").
fn file_access(protect: Protect) -> AccessMask {
    use guest::mem::Access;
    let writes = protect.allows(Access::Write) && !protect.is_write_copy();
    let executes = protect.allows(Access::Execute);
    let reads = protect.without_guard() != Protect::EXECUTE;
    let bit = |set: bool, bit: u32| if set { bit } else { 0 };
    AccessMask(bit(reads, FILE_READ) | bit(writes, FILE_WRITE) | bit(executes, FILE_EXECUTE))
}

/// What a section is to be.
struct Request {
    size: i64,
    protect: Protect,
    attributes: u32,
    file: Handle,
}

impl Request {
    /// Makes the section's pages.
    fn section(&self, cx: &mut Cx<'_>) -> NtResult<Section> {
        let size = u64::try_from(self.size).map_err(|_| NtStatus::SECTION_TOO_BIG)?;
        if self.file == Handle::NULL {
            self.over_paging_file(cx, size)
        } else if self.attributes & SEC_IMAGE != 0 {
            self.over_image(cx, size)
        } else {
            self.over_data(cx, size)
        }
    }

    fn of(&self, size: u64, attributes: u32, segment: SegmentId) -> Section {
        Section { size, protect: self.protect, attributes, segment }
    }

    fn over_paging_file(&self, cx: &mut Cx<'_>, size: u64) -> NtResult<Section> {
        if self.attributes & SEC_IMAGE != 0 {
            return Err(NtStatus::INVALID_FILE_FOR_SECTION.into());
        }
        if size == 0 {
            return Err(NtStatus::INVALID_PARAMETER_4.into());
        }
        let reserve = self.attributes & SEC_RESERVE != 0;
        let segment = cx.kernel.mm.create_segment(pages_of(size), reserve)?;
        Ok(self.of(size, self.attributes, segment))
    }

    fn over_data(&self, cx: &mut Cx<'_>, size: u64) -> NtResult<Section> {
        let (file, length) = cx.file_for_section(self.file, &[file_access(self.protect)])?;
        let size = match (size, length) {
            (0, 0) => return Err(NtStatus::MAPPED_FILE_SIZE_ZERO.into()),
            (0, length) => length,
            (size, _) => size,
        };
        if size > length {
            if !file_access(self.protect).intersects(AccessMask(FILE_WRITE)) {
                return Err(NtStatus::SECTION_TOO_BIG.into());
            }
            cx.extend_file(file, size)?;
        }
        let (segment, is_new) = cx.kernel.mm.data_segment(file, pages_of(size));
        if is_new {
            cx.hold_file(file);
        }
        // What NtQuerySection tells: SEC_COMMIT and SEC_RESERVE mean nothing where a file is behind it.
        let attributes = self.attributes & !(SEC_COMMIT | SEC_RESERVE) | SEC_FILE;
        Ok(self.of(size, attributes, segment))
    }

    fn over_image(&self, cx: &mut Cx<'_>, size: u64) -> NtResult<Section> {
        let access = file_access(self.protect);
        // ntdll of the Wine root opens images for reading alone.
        let lax = cx.kernel.is_wine_root().then_some(AccessMask(FILE_READ));
        let rights: Vec<AccessMask> = [access].into_iter().chain(lax).collect();
        let (file, length) = cx.file_for_section(self.file, &rights)?;
        let known = cx.kernel.mm.segments.image_of(file);
        if size > length {
            return Err(NtStatus::SECTION_TOO_BIG.into());
        }
        let segment = match known {
            Some(segment) => {
                cx.kernel.mm.reference_segment(segment);
                segment
            }
            None => cx.new_image_segment(file)?,
        };
        let size = cx.kernel.mm.segments.image(segment).map_or(0, |image| image.pe.bytes.len() as u64);
        Ok(self.of(size, self.attributes | SEC_FILE, segment))
    }
}

impl Cx<'_> {
    /// The image segment of a file that has none yet.
    pub(super) fn new_image_segment(&mut self, file: FileKey) -> NtResult<SegmentId> {
        let bytes = self.file_for_image(file)?;
        let image = super::image::read(file, self.path_of_file(file), &bytes)?;
        let segment = self.kernel.mm.image_segment(image);
        self.hold_file(file);
        Ok(segment)
    }
}

/// `NtCreateSection`: creates a section of a size in bytes, or opens one of that name if `OBJ_OPENIF` allows. Over a file
/// a size of 0 means the file's; a larger one makes the file longer where the section can be written.
///
/// `STATUS_INVALID_PARAMETER_4` (no size), `STATUS_INVALID_PARAMETER_6`, `STATUS_INVALID_PAGE_PROTECTION`,
/// `STATUS_SECTION_TOO_BIG`, `STATUS_COMMITMENT_LIMIT`; over files `STATUS_INVALID_FILE_FOR_SECTION`,
/// `STATUS_MAPPED_FILE_SIZE_ZERO`, `STATUS_ACCESS_DENIED`, `STATUS_DISK_FULL`, the statuses of images that are none
/// (`STATUS_INVALID_IMAGE_FORMAT` and its kin), and the statuses of creating.
#[expect(clippy::too_many_arguments, reason = "NtCreateSection has seven")]
fn nt_create_section(
    cx: &mut Cx<'_>, section_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, maximum_size: Option<UserPtr<i64>>, page_protection: u32,
    allocation_attributes: u32, file: Handle,
) -> NtResult {
    check_attributes(allocation_attributes)?;
    cx.probe_handle(section_handle)?;
    let size = maximum_size.map(|pointer| cx.mem().load(pointer)).transpose()?.unwrap_or(0);
    let protect = Protect::for_build(page_protection, cx.kernel.profile.version.2)?;
    if protect == Protect::NOACCESS || protect.is_guard() {
        return Err(NtStatus::INVALID_PAGE_PROTECTION.into());
    }
    let section = Request { size, protect, attributes: allocation_attributes, file }.section(cx)?;
    cx.create_and_store(section_handle, desired_access, object_attributes, Body::Section(section))
}

/// `NtCreateSectionEx`: the same with extended parameters.
///
/// As `NtCreateSection`.
#[expect(clippy::too_many_arguments, reason = "NtCreateSectionEx has nine")]
fn nt_create_section_ex(
    cx: &mut Cx<'_>, section_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, maximum_size: Option<UserPtr<i64>>, page_protection: u32,
    allocation_attributes: u32, file: Handle, _parameters: u64, parameter_count: u32,
) -> NtResult {
    if parameter_count != 0 {
        return Err(Unwind::unsupported("ExtendedParameters"));
    }
    let (size, protect) = (maximum_size, page_protection);
    nt_create_section(cx, section_handle, desired_access, object_attributes, size, protect, allocation_attributes, file)
}

/// `NtOpenSection`: opens a named section.
///
/// The statuses of opening by name.
fn nt_open_section(
    cx: &mut Cx<'_>, section_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>,
) -> NtResult {
    cx.open_and_store::<Section>(section_handle, desired_access, object_attributes)
}

/// `NtExtendSection`: a section over a file's data grows, and the file with it; the new size, or the one that it has if
/// that is larger, is returned. Others do not.
///
/// `STATUS_SECTION_NOT_EXTENDED`, `STATUS_ACCESS_DENIED` without `SECTION_EXTEND_SIZE`, `STATUS_DISK_FULL`.
fn nt_extend_section(cx: &mut Cx<'_>, section: Handle, new_size: UserPtr<i64>) -> NtResult {
    let mut mem = cx.mem();
    mem.probe(new_size)?;
    let size = mem.load(new_size)?;
    let found = *cx.reference::<Section>(section, EXTEND_SIZE)?;
    let segments = &cx.kernel.mm.segments;
    let file = segments.file(found.segment).filter(|_| segments.is_data(found.segment));
    let file = file.ok_or(NtStatus::SECTION_NOT_EXTENDED)?;
    let size = u64::try_from(size).map_err(|_| NtStatus::SECTION_TOO_BIG)?;
    if size > found.size {
        let access = file_access(found.protect);
        if cx.file_length(file)? < size {
            if !access.intersects(AccessMask(FILE_WRITE)) {
                return Err(NtStatus::SECTION_NOT_EXTENDED.into());
            }
            cx.extend_file(file, size)?;
        }
        cx.kernel.mm.extend_segment(found.segment, pages_of(size));
        cx.reference::<Section>(section, EXTEND_SIZE)?.size = size;
    }
    cx.mem().store(new_size, &(size.max(found.size) as i64))?;
    Ok(NtStatus::SUCCESS)
}
