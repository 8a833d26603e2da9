//! Security descriptors.

use bitflags::bitflags;
use guest::mem::{Access, Width, Word};
use guest::{Fault, FaultKind, GuestMemory, NtStatus, UserPtr};

use super::acl::Acl;
use super::sid::Sid;
use crate::service::NtResult;

bitflags! {
    /// `SECURITY_DESCRIPTOR_CONTROL`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct Control: u16 {
        /// The owner came from a default.
        const OWNER_DEFAULTED = 0x0001;
        /// The group came from a default.
        const GROUP_DEFAULTED = 0x0002;
        /// There is a DACL (a NULL one too).
        const DACL_PRESENT = 0x0004;
        /// The DACL came from a default.
        const DACL_DEFAULTED = 0x0008;
        /// There is a SACL.
        const SACL_PRESENT = 0x0010;
        /// The SACL came from a default.
        const SACL_DEFAULTED = 0x0020;
        /// The DACL is trusted (`SE_DACL_UNTRUSTED` is its bit).
        const DACL_UNTRUSTED = 0x0040;
        /// `SE_SERVER_SECURITY`.
        const SERVER_SECURITY = 0x0080;
        /// Whoever sets this DACL asks for automatic inheritance.
        const DACL_AUTO_INHERIT_REQ = 0x0100;
        /// The same for the SACL.
        const SACL_AUTO_INHERIT_REQ = 0x0200;
        /// The DACL's inherited entries were set by automatic inheritance.
        const DACL_AUTO_INHERITED = 0x0400;
        /// The same for the SACL.
        const SACL_AUTO_INHERITED = 0x0800;
        /// The DACL inherits nothing.
        const DACL_PROTECTED = 0x1000;
        /// The SACL inherits nothing.
        const SACL_PROTECTED = 0x2000;
        /// `Sbz1` means something to the resource manager.
        const RM_CONTROL_VALID = 0x4000;
        /// The parts are offsets from the descriptor's start.
        const SELF_RELATIVE = 0x8000;
    }

    /// `SECURITY_INFORMATION`: parts of a descriptor.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct Parts: u32 {
        /// The owner.
        const OWNER = 0x01;
        /// The group.
        const GROUP = 0x02;
        /// The DACL.
        const DACL = 0x04;
        /// The SACL without its labels.
        const SACL = 0x08;
        /// The mandatory label.
        const LABEL = 0x10;
        /// Resource attributes.
        const ATTRIBUTE = 0x20;
        /// The central access policy.
        const SCOPE = 0x40;
        /// The process trust label.
        const TRUST_LABEL = 0x80;
        /// The access filter.
        const ACCESS_FILTER = 0x100;
        /// Everything, for a backup.
        const BACKUP = 0x1_0000;
        /// `UNPROTECTED_SACL_SECURITY_INFORMATION`.
        const UNPROTECTED_SACL = 0x1000_0000;
        /// `UNPROTECTED_DACL_SECURITY_INFORMATION`.
        const UNPROTECTED_DACL = 0x2000_0000;
        /// `PROTECTED_SACL_SECURITY_INFORMATION`.
        const PROTECTED_SACL = 0x4000_0000;
        /// `PROTECTED_DACL_SECURITY_INFORMATION`.
        const PROTECTED_DACL = 0x8000_0000;
        const _ = !0;
    }
}

/// `SECURITY_DESCRIPTOR_REVISION`.
const REVISION: u8 = 1;
/// `sizeof(SECURITY_DESCRIPTOR_RELATIVE)`, and of the absolute one with 32-bit pointers.
const RELATIVE_SIZE: usize = 20;

/// A `SECURITY_DESCRIPTOR`, free of its layout.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct SecurityDescriptor {
    /// `Sbz1`, the resource manager's control byte.
    pub rm_control: u8,
    /// What it says of itself. `SELF_RELATIVE` is left out: that is a matter of layout.
    pub control: Control,
    /// Who owns the object.
    pub owner: Option<Sid>,
    /// The primary group.
    pub group: Option<Sid>,
    /// The discretionary list. With `DACL_PRESENT`, `None` is the NULL DACL, which grants everything.
    pub dacl: Option<Acl>,
    /// The system list.
    pub sacl: Option<Acl>,
}

/// `STATUS_DATATYPE_MISALIGNMENT` for what is not aligned to 4 bytes, as `SeCaptureSecurityDescriptor` probes.
pub(super) fn check_alignment(va: u64) -> Result<(), Fault> {
    if va.is_multiple_of(4) { Ok(()) } else { Err(Fault { va, access: Access::Read, kind: FaultKind::Misaligned }) }
}

impl SecurityDescriptor {
    /// A descriptor with an owner, a group and a DACL.
    pub fn new(owner: Sid, group: Sid, dacl: Acl) -> Self {
        let (owner, group, dacl) = (Some(owner), Some(group), Some(dacl));
        Self { control: Control::DACL_PRESENT, owner, group, dacl, ..Self::default() }
    }

    /// The DACL, as an access check sees it: `None` if there is none or it is NULL.
    pub fn dacl(&self) -> Option<&Acl> {
        self.dacl.as_ref().filter(|_| self.control.contains(Control::DACL_PRESENT))
    }

    /// The SACL.
    pub fn sacl(&self) -> Option<&Acl> {
        self.sacl.as_ref().filter(|_| self.control.contains(Control::SACL_PRESENT))
    }

    /// `RtlValidRelativeSecurityDescriptor`: reads a self-relative descriptor.
    ///
    /// `STATUS_UNKNOWN_REVISION`; `STATUS_INVALID_SECURITY_DESCR` if it is too short, not self-relative, or an offset
    /// leads out of it or into its header; `STATUS_INVALID_SID`, `STATUS_INVALID_ACL`.
    pub fn parse(bytes: &[u8]) -> Result<Self, NtStatus> {
        let bad = NtStatus::INVALID_SECURITY_DESCR;
        let header: &[u8; RELATIVE_SIZE] = bytes.first_chunk().ok_or(bad)?;
        let [revision, rm_control, c0, c1, ..] = *header;
        if revision != REVISION {
            return Err(NtStatus::UNKNOWN_REVISION);
        }
        let control = Control::from_bits_retain(u16::from_le_bytes([c0, c1]));
        if !control.contains(Control::SELF_RELATIVE) {
            return Err(bad);
        }
        let part = |at: usize| -> Result<Option<&[u8]>, NtStatus> {
            let field = header.get(at..).and_then(|rest| rest.first_chunk()).ok_or(bad)?;
            match u32::from_le_bytes(*field) as usize {
                0 => Ok(None),
                offset if offset < RELATIVE_SIZE || !offset.is_multiple_of(4) => Err(bad),
                offset => bytes.get(offset..).filter(|rest| !rest.is_empty()).map(Some).ok_or(bad),
            }
        };
        let acl = |at, present| -> Result<Option<Acl>, NtStatus> {
            if !control.contains(present) {
                return Ok(None);
            }
            part(at)?.map(Acl::parse).transpose()
        };
        Ok(Self {
            rm_control,
            control: control.difference(Control::SELF_RELATIVE),
            owner: part(4)?.map(Sid::parse).transpose()?,
            group: part(8)?.map(Sid::parse).transpose()?,
            sacl: acl(12, Control::SACL_PRESENT)?,
            dacl: acl(16, Control::DACL_PRESENT)?,
        })
    }

    /// Its self-relative bytes: header, SACL, DACL, owner, group, as `RtlMakeSelfRelativeSD` orders them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; RELATIVE_SIZE];
        let mut put = |at: usize, part: Option<Vec<u8>>| {
            let Some(part) = part else { return };
            let offset = (bytes.len() as u32).to_le_bytes();
            if let Some(place) = bytes.get_mut(at..at + 4) {
                place.copy_from_slice(&offset);
            }
            bytes.extend(part);
        };
        put(12, self.sacl().map(Acl::to_bytes));
        put(16, self.dacl().map(Acl::to_bytes));
        put(4, self.owner.map(|sid| sid.to_bytes()));
        put(8, self.group.map(|sid| sid.to_bytes()));
        let [c0, c1] = self.control.union(Control::SELF_RELATIVE).bits().to_le_bytes();
        if let Some(header) = bytes.first_chunk_mut() {
            *header = [REVISION, self.rm_control, c0, c1];
        }
        bytes
    }

    /// `SeCaptureSecurityDescriptor`: reads an absolute or self-relative descriptor from the guest.
    ///
    /// `STATUS_UNKNOWN_REVISION`, `STATUS_INVALID_SID`, `STATUS_INVALID_ACL`, `STATUS_ACCESS_VIOLATION`,
    /// `STATUS_DATATYPE_MISALIGNMENT`.
    pub fn capture<M: GuestMemory>(mem: &mut M, pointer: UserPtr<Self>) -> NtResult<Self> {
        check_alignment(pointer.va)?;
        let mut header = [0; 4];
        mem.read(pointer.va, &mut header)?;
        let [revision, rm_control, c0, c1] = header;
        if revision != REVISION {
            return Err(NtStatus::UNKNOWN_REVISION.into());
        }
        let control = Control::from_bits_retain(u16::from_le_bytes([c0, c1]));
        let places = Self::places(mem, pointer.va, control)?;
        let [owner, group, sacl, dacl] = places;
        let present = |bit, place: Option<u64>| place.filter(|_| control.contains(bit));
        let sid = |mem: &mut M, place: Option<u64>| place.map(|va| Sid::capture(mem, UserPtr::new(va))).transpose();
        let acl = |mem: &mut M, place: Option<u64>| place.map(|va| Acl::capture(mem, UserPtr::new(va))).transpose();
        Ok(Self {
            rm_control,
            control: control.difference(Control::SELF_RELATIVE),
            owner: sid(mem, owner)?,
            group: sid(mem, group)?,
            sacl: acl(mem, present(Control::SACL_PRESENT, sacl))?,
            dacl: acl(mem, present(Control::DACL_PRESENT, dacl))?,
        })
    }

    /// Where owner, group, SACL and DACL are.
    fn places<M: GuestMemory>(mem: &mut M, va: u64, control: Control) -> NtResult<[Option<u64>; 4]> {
        let mut places = [None; 4];
        let relative = control.contains(Control::SELF_RELATIVE);
        // The pointers of the absolute form are aligned; offsets and 32-bit pointers follow the control word.
        let first = if relative || mem.width() == Width::W32 { 4 } else { 8 };
        for (place, index) in places.iter_mut().zip(0u64..) {
            let value = if relative {
                u64::from(mem.load::<u32>(UserPtr::new(va.wrapping_add(first + 4 * index)))?)
            } else {
                let size = mem.width().bytes() as u64;
                mem.load::<Word>(UserPtr::new(va.wrapping_add(first + size * index)))?.0
            };
            *place = (value != 0).then(|| if relative { va.wrapping_add(value) } else { value });
        }
        Ok(places)
    }

    /// Only these parts of it (`NtQuerySecurityObject`): a part that was not asked for is absent.
    #[must_use]
    pub fn only(&self, parts: Parts) -> Self {
        let mut only = Self { rm_control: self.rm_control, ..Self::default() };
        let parts = if parts.contains(Parts::BACKUP) { parts | Parts::from_bits_retain(0x1ff) } else { parts };
        let mut keep = |bits| only.control |= self.control & bits;
        if parts.contains(Parts::OWNER) {
            keep(Control::OWNER_DEFAULTED);
            only.owner = self.owner;
        }
        if parts.contains(Parts::GROUP) {
            keep(Control::GROUP_DEFAULTED);
            only.group = self.group;
        }
        if parts.contains(Parts::DACL) {
            keep(Control::DACL_BITS);
            only.dacl = self.dacl().cloned();
        }
        if let (true, Some(sacl)) = (parts.intersects(Parts::SACL | Parts::LABEL), self.sacl()) {
            keep(Control::SACL_BITS);
            only.sacl = Some(match (parts.contains(Parts::SACL), parts.contains(Parts::LABEL)) {
                (true, true) => sacl.clone(),
                (_, label) => sacl.labels(label),
            });
        }
        only
    }
}

impl Control {
    /// What is about the DACL.
    pub const DACL_BITS: Self = Self::DACL_PRESENT
        .union(Self::DACL_DEFAULTED)
        .union(Self::DACL_AUTO_INHERITED)
        .union(Self::DACL_AUTO_INHERIT_REQ)
        .union(Self::DACL_PROTECTED);
    /// What is about the SACL.
    pub const SACL_BITS: Self = Self::SACL_PRESENT
        .union(Self::SACL_DEFAULTED)
        .union(Self::SACL_AUTO_INHERITED)
        .union(Self::SACL_AUTO_INHERIT_REQ)
        .union(Self::SACL_PROTECTED);
}
