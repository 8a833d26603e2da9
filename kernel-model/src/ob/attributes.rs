//! `OBJECT_ATTRIBUTES` as a service captures them.

use bitflags::bitflags;
use guest::types::{ObjectAttributes, UnicodeString};
use guest::{Fault, FaultKind, GuestMemory, Handle, NtStatus, UserPtr};

use super::directory::ObjectName;
use super::handle_table::HandleAttributes;
use crate::se::SecurityDescriptor;
use crate::service::NtResult;

bitflags! {
    /// `OBJ_*`: attributes that a caller may pass.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Attributes: u32 {
        /// Child processes inherit the handle.
        const INHERIT = 0x2;
        /// The object outlives its handles.
        const PERMANENT = 0x10;
        /// No second handle can be opened.
        const EXCLUSIVE = 0x20;
        /// Names are compared without case.
        const CASE_INSENSITIVE = 0x40;
        /// Opening what exists is a success of `NtCreate*`.
        const OPENIF = 0x80;
        /// Open a link, not its target.
        const OPENLINK = 0x100;
        /// A kernel handle. User mode cannot have one: whoever opens the handle looks at the caller.
        const KERNEL_HANDLE = 0x200;
        /// Checks access even for the kernel.
        const FORCE_ACCESS_CHECK = 0x400;
        /// Ignores an impersonated device map.
        const IGNORE_IMPERSONATED_DEVICEMAP = 0x800;
        /// Refuses reparse points.
        const DONT_REPARSE = 0x1000;
    }
}

impl Attributes {
    /// The part a handle keeps.
    pub fn handle_attributes(self) -> HandleAttributes {
        if self.contains(Self::INHERIT) { HandleAttributes::INHERIT } else { HandleAttributes::empty() }
    }
}

/// Captured attributes.
#[derive(Clone, Debug, Default)]
pub struct NameToOpen {
    /// The directory a relative name starts in.
    pub root: Option<Handle>,
    /// The name; `None` if it is missing or empty.
    pub name: Option<ObjectName>,
    /// The descriptor the creator wants for the object.
    pub security: Option<SecurityDescriptor>,
    /// The flags.
    pub attributes: Attributes,
}

/// The longest name in bytes: one UTF-16 unit less than the field could hold.
const MAX_NAME: u16 = 65_532;

impl NameToOpen {
    /// `ObpCaptureObjectCreateInformation`: reads the structure and the name it points to.
    ///
    /// `STATUS_INVALID_PARAMETER` for a wrong length or unknown flags, `STATUS_OBJECT_NAME_INVALID` for an odd
    /// or overlong name or a NULL one with a root directory, `STATUS_ACCESS_VIOLATION` and
    /// `STATUS_DATATYPE_MISALIGNMENT` for bad pointers, and the statuses of [`SecurityDescriptor::capture`].
    pub fn capture<M: GuestMemory>(mem: &mut M, attributes: Option<UserPtr<ObjectAttributes>>) -> NtResult<Self> {
        let Some(pointer) = attributes else { return Ok(Self::default()) };
        let raw = mem.load(pointer)?;
        let size = <ObjectAttributes as guest::mem::GuestValue>::size(mem.width());
        if raw.length as usize != size {
            return Err(NtStatus::INVALID_PARAMETER.into());
        }
        let attributes = Attributes::from_bits(raw.attributes).ok_or(NtStatus::INVALID_PARAMETER)?;
        let security = raw.security_descriptor;
        let security = (security != 0).then(|| SecurityDescriptor::capture(mem, UserPtr::new(security))).transpose()?;
        let root = (raw.root_directory != Handle::NULL).then_some(raw.root_directory);
        let name = match raw.object_name {
            0 if root.is_some() => return Err(NtStatus::OBJECT_NAME_INVALID.into()),
            0 => None,
            pointer => read_name(mem, UserPtr::new(pointer))?,
        };
        Ok(Self { root, name, security, attributes })
    }
}

/// Reads a name: `None` if it is empty.
///
/// `STATUS_OBJECT_NAME_INVALID` for an odd or overlong one; `STATUS_ACCESS_VIOLATION`, `STATUS_DATATYPE_MISALIGNMENT`.
pub fn read_name<M: GuestMemory>(mem: &mut M, pointer: UserPtr<UnicodeString>) -> NtResult<Option<ObjectName>> {
    let string = mem.load(pointer)?;
    if string.length == 0 {
        return Ok(None);
    }
    if string.length % 2 != 0 || string.length > MAX_NAME {
        return Err(NtStatus::OBJECT_NAME_INVALID.into());
    }
    if string.buffer % 2 != 0 {
        let access = guest::mem::Access::Read;
        return Err(Fault { va: string.buffer, access, kind: FaultKind::Misaligned }.into());
    }
    let mut bytes = vec![0; string.length.into()];
    mem.read(string.buffer, &mut bytes)?;
    Ok(Some(bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect()))
}
