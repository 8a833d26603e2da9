//! Section objects: `NtCreateSection`, `NtOpenSection`, `NtExtendSection`.

use guest::mem::PAGE_SIZE;
use guest::types::ObjectAttributes;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::protect::Protect;
use super::segment::SegmentId;
use crate::body::Body;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(
        NtCreateSection => nt_create_section,
        Support::Partial("sections that the paging file backs, all of them committed: no file, no SEC_RESERVE, SEC_IMAGE, SEC_LARGE_PAGES")
    ),
    service!(NtOpenSection => nt_open_section, Support::Partial(crate::ob::SECURITY_GAP)),
    service!(NtExtendSection => nt_extend_section, Support::Full),
];

/// A section that the paging file backs.
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
const SEC_IMAGE: u32 = 0x100_0000;
const SEC_RESERVE: u32 = 0x400_0000;
/// `SEC_COMMIT`.
pub(super) const SEC_COMMIT: u32 = 0x800_0000;
const SEC_NOCACHE: u32 = 0x1000_0000;
const SEC_WRITECOMBINE: u32 = 0x4000_0000;
const SEC_LARGE_PAGES: u32 = 0x8000_0000;
/// Exactly one of these says what the section is.
const KINDS: u32 = SEC_IMAGE | SEC_RESERVE | SEC_COMMIT;

/// Checks the attributes of a section.
///
/// `STATUS_INVALID_PARAMETER_6` for flags there are not, or not together.
fn check_attributes(attributes: u32) -> NtResult<()> {
    let known = KINDS | SEC_BASED | SEC_NO_CHANGE | SEC_NOCACHE | SEC_WRITECOMBINE | SEC_LARGE_PAGES;
    if attributes & !known != 0 || (attributes & KINDS).count_ones() != 1 {
        return Err(NtStatus::INVALID_PARAMETER_6.into());
    }
    for (flag, name) in [
        (SEC_IMAGE, "AllocationAttributes SEC_IMAGE"),
        (SEC_RESERVE, "AllocationAttributes SEC_RESERVE"),
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

/// `NtCreateSection`: creates a section of a size in bytes, or opens one of that name if `OBJ_OPENIF` allows.
///
/// `STATUS_INVALID_PARAMETER_4` (no size), `STATUS_INVALID_PARAMETER_6`, `STATUS_INVALID_PAGE_PROTECTION`,
/// `STATUS_SECTION_TOO_BIG`, `STATUS_COMMITMENT_LIMIT`, and the statuses of creating.
#[expect(clippy::too_many_arguments, reason = "NtCreateSection has seven")]
fn nt_create_section(
    cx: &mut Cx<'_>, section_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, maximum_size: Option<UserPtr<i64>>, page_protection: u32,
    allocation_attributes: u32, file: Handle,
) -> NtResult {
    check_attributes(allocation_attributes)?;
    cx.probe_handle(section_handle)?;
    let size = maximum_size.map(|pointer| cx.mem().load(pointer)).transpose()?.unwrap_or(0);
    let protect = Protect::from_raw(page_protection)?;
    if protect == Protect::NOACCESS || protect.is_guard() {
        return Err(NtStatus::INVALID_PAGE_PROTECTION.into());
    }
    if file != Handle::NULL {
        return Err(Unwind::unsupported("FileHandle"));
    }
    let size = match u64::try_from(size) {
        Ok(0) => return Err(NtStatus::INVALID_PARAMETER_4.into()),
        Ok(size) => size,
        Err(_) => return Err(NtStatus::SECTION_TOO_BIG.into()),
    };
    let segment = cx.kernel.mm.create_segment(size.div_ceil(PAGE_SIZE))?;
    let section = Section { size, protect, attributes: allocation_attributes, segment };
    cx.create_and_store(section_handle, desired_access, object_attributes, Body::Section(section))
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

/// `NtExtendSection`: a section that a file backs grows. One that the paging file backs does not.
///
/// `STATUS_SECTION_NOT_EXTENDED`, `STATUS_ACCESS_DENIED` without `SECTION_EXTEND_SIZE`.
fn nt_extend_section(cx: &mut Cx<'_>, section: Handle, new_size: UserPtr<i64>) -> NtResult {
    let mut mem = cx.mem();
    mem.probe(new_size)?;
    mem.load(new_size)?;
    cx.reference::<Section>(section, EXTEND_SIZE)?;
    Err(NtStatus::SECTION_NOT_EXTENDED.into())
}
