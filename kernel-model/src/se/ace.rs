//! Access control entries.

use bitflags::bitflags;
use guest::{AccessMask, NtStatus};

use super::sid::Sid;

bitflags! {
    /// `AceFlags`: how an entry is inherited and, in a SACL, what is audited.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct AceFlags: u8 {
        /// `OBJECT_INHERIT_ACE`: objects that are no containers inherit it.
        const OBJECT_INHERIT = 0x01;
        /// `CONTAINER_INHERIT_ACE`.
        const CONTAINER_INHERIT = 0x02;
        /// `NO_PROPAGATE_INHERIT_ACE`: children do not pass it on.
        const NO_PROPAGATE = 0x04;
        /// `INHERIT_ONLY_ACE`: it says nothing about the object it is on.
        const INHERIT_ONLY = 0x08;
        /// `INHERITED_ACE`.
        const INHERITED = 0x10;
        /// `CRITICAL_ACE_FLAG`.
        const CRITICAL = 0x20;
        /// `SUCCESSFUL_ACCESS_ACE_FLAG`.
        const SUCCESSFUL_ACCESS = 0x40;
        /// `FAILED_ACCESS_ACE_FLAG`.
        const FAILED_ACCESS = 0x80;
    }
}

/// `AceType` values (winnt.h) and how SDDL writes them (empty: it cannot).
pub mod ace_type {
    #![allow(missing_docs)]
    pub const ALLOWED: u8 = 0x00;
    pub const DENIED: u8 = 0x01;
    pub const AUDIT: u8 = 0x02;
    pub const ALARM: u8 = 0x03;
    pub const COMPOUND: u8 = 0x04;
    pub const ALLOWED_OBJECT: u8 = 0x05;
    pub const DENIED_OBJECT: u8 = 0x06;
    pub const AUDIT_OBJECT: u8 = 0x07;
    pub const ALARM_OBJECT: u8 = 0x08;
    pub const ALLOWED_CALLBACK: u8 = 0x09;
    pub const AUDIT_CALLBACK: u8 = 0x0d;
    pub const ALARM_CALLBACK_OBJECT: u8 = 0x10;
    pub const MANDATORY_LABEL: u8 = 0x11;
    pub const RESOURCE_ATTRIBUTE: u8 = 0x12;
    pub const SCOPED_POLICY: u8 = 0x13;
    pub const TRUST_LABEL: u8 = 0x14;
    pub const ACCESS_FILTER: u8 = 0x15;

    /// Each type's number, name and letters in SDDL.
    pub const NAMES: &[(u8, &str, &str)] = &[
        (ALLOWED, "ACCESS_ALLOWED_ACE", "A"),
        (DENIED, "ACCESS_DENIED_ACE", "D"),
        (AUDIT, "SYSTEM_AUDIT_ACE", "AU"),
        (ALARM, "SYSTEM_ALARM_ACE", "AL"),
        (COMPOUND, "ACCESS_ALLOWED_COMPOUND_ACE", ""),
        (ALLOWED_OBJECT, "ACCESS_ALLOWED_OBJECT_ACE", "OA"),
        (DENIED_OBJECT, "ACCESS_DENIED_OBJECT_ACE", "OD"),
        (AUDIT_OBJECT, "SYSTEM_AUDIT_OBJECT_ACE", "OU"),
        (ALARM_OBJECT, "SYSTEM_ALARM_OBJECT_ACE", "OL"),
        (0x09, "ACCESS_ALLOWED_CALLBACK_ACE", ""),
        (0x0a, "ACCESS_DENIED_CALLBACK_ACE", ""),
        (0x0b, "ACCESS_ALLOWED_CALLBACK_OBJECT_ACE", ""),
        (0x0c, "ACCESS_DENIED_CALLBACK_OBJECT_ACE", ""),
        (0x0d, "SYSTEM_AUDIT_CALLBACK_ACE", ""),
        (0x0e, "SYSTEM_ALARM_CALLBACK_ACE", ""),
        (0x0f, "SYSTEM_AUDIT_CALLBACK_OBJECT_ACE", ""),
        (0x10, "SYSTEM_ALARM_CALLBACK_OBJECT_ACE", ""),
        (MANDATORY_LABEL, "SYSTEM_MANDATORY_LABEL_ACE", "ML"),
        (RESOURCE_ATTRIBUTE, "SYSTEM_RESOURCE_ATTRIBUTE_ACE", ""),
        (SCOPED_POLICY, "SYSTEM_SCOPED_POLICY_ID_ACE", "SP"),
        (TRUST_LABEL, "SYSTEM_PROCESS_TRUST_LABEL_ACE", "TL"),
        (ACCESS_FILTER, "SYSTEM_ACCESS_FILTER_ACE", ""),
    ];
}

/// A `GUID` in the order of its bytes in memory.
pub type Guid = [u8; 16];

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AceBody {
    /// A mask and a SID.
    Plain(AccessMask, Sid),
    /// The same with the object types it is about and the one that inherits it.
    Object {
        /// The rights.
        mask: AccessMask,
        /// The property, property set, extended right or child type it is about.
        object_type: Option<Guid>,
        /// The type of object that inherits it.
        inherited_type: Option<Guid>,
        /// Whom it is about.
        sid: Sid,
    },
    /// A type that is kept as it came and not looked into.
    Opaque(Vec<u8>),
}

/// An entry of an access control list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ace {
    /// `AceType`.
    pub kind: u8,
    /// `AceFlags`.
    pub flags: AceFlags,
    /// The rest.
    pub body: AceBody,
}

const HEADER: usize = 4;
/// `ACE_OBJECT_TYPE_PRESENT` and `ACE_INHERITED_OBJECT_TYPE_PRESENT`.
const OBJECT_TYPE: u32 = 1;
const INHERITED_TYPE: u32 = 2;

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, NtStatus> {
    let four = bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or(NtStatus::INVALID_ACL)?;
    Ok(u32::from_le_bytes(*four))
}

fn sid_at(bytes: &[u8], at: usize) -> Result<Sid, NtStatus> {
    Sid::parse(bytes.get(at..).unwrap_or(&[])).map_err(|_| NtStatus::INVALID_ACL)
}

impl Ace {
    /// An entry with a mask and a SID.
    pub const fn new(kind: u8, flags: AceFlags, mask: AccessMask, sid: Sid) -> Self {
        Self { kind, flags, body: AceBody::Plain(mask, sid) }
    }

    /// An `ACCESS_ALLOWED_ACE`.
    pub const fn allow(mask: u32, sid: Sid) -> Self {
        Self::new(ace_type::ALLOWED, AceFlags::empty(), AccessMask(mask), sid)
    }

    /// An `ACCESS_DENIED_ACE`.
    pub const fn deny(mask: u32, sid: Sid) -> Self {
        Self::new(ace_type::DENIED, AceFlags::empty(), AccessMask(mask), sid)
    }

    /// The name of its type.
    pub fn type_name(&self) -> &'static str {
        ace_type::NAMES.iter().find(|row| row.0 == self.kind).map_or("an ACE of unknown type", |row| row.1)
    }

    /// Its rights.
    pub fn mask(&self) -> AccessMask {
        match &self.body {
            AceBody::Plain(mask, _) | AceBody::Object { mask, .. } => *mask,
            AceBody::Opaque(_) => AccessMask(0),
        }
    }

    /// Its SID, where its type has one.
    pub fn sid(&self) -> Option<&Sid> {
        match &self.body {
            AceBody::Plain(_, sid) | AceBody::Object { sid, .. } => Some(sid),
            AceBody::Opaque(_) => None,
        }
    }

    /// Whether it says something about the object it is on.
    pub fn is_effective(&self) -> bool {
        !self.flags.contains(AceFlags::INHERIT_ONLY)
    }

    /// The same entry for another SID and other rights.
    pub(super) fn with(&self, new_mask: AccessMask, new_sid: Sid) -> Self {
        let mut ace = self.clone();
        if let AceBody::Plain(mask, sid) | AceBody::Object { mask, sid, .. } = &mut ace.body {
            (*mask, *sid) = (new_mask, new_sid);
        }
        ace
    }

    /// Reads an entry from exactly its bytes.
    ///
    /// `STATUS_INVALID_ACL`: it is too short for its type, or its SID is none.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, NtStatus> {
        let &[kind, flags, ..] = bytes else { return Err(NtStatus::INVALID_ACL) };
        let flags = AceFlags::from_bits_retain(flags);
        let body = match kind {
            ace_type::ALLOWED..=ace_type::ALARM
            | ace_type::MANDATORY_LABEL
            | ace_type::SCOPED_POLICY
            | ace_type::TRUST_LABEL => AceBody::Plain(AccessMask(u32_at(bytes, HEADER)?), sid_at(bytes, HEADER + 4)?),
            ace_type::ALLOWED_OBJECT..=ace_type::ALARM_OBJECT => Self::parse_object(bytes)?,
            _ => AceBody::Opaque(bytes.get(HEADER..).unwrap_or(&[]).to_vec()),
        };
        Ok(Self { kind, flags, body })
    }

    fn parse_object(bytes: &[u8]) -> Result<AceBody, NtStatus> {
        let (mask, present) = (AccessMask(u32_at(bytes, HEADER)?), u32_at(bytes, HEADER + 4)?);
        let mut at = HEADER + 8;
        let mut guid = |bit| -> Result<Option<Guid>, NtStatus> {
            if present & bit == 0 {
                return Ok(None);
            }
            let guid = bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or(NtStatus::INVALID_ACL)?;
            at += 16;
            Ok(Some(*guid))
        };
        let (object_type, inherited_type) = (guid(OBJECT_TYPE)?, guid(INHERITED_TYPE)?);
        Ok(AceBody::Object { mask, object_type, inherited_type, sid: sid_at(bytes, at)? })
    }

    /// Its bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.kind, self.flags.bits(), 0, 0];
        match &self.body {
            AceBody::Plain(mask, sid) => {
                bytes.extend(mask.0.to_le_bytes());
                bytes.extend(sid.to_bytes());
            }
            AceBody::Object { mask, object_type, inherited_type, sid } => {
                let present = object_type.map_or(0, |_| OBJECT_TYPE) | inherited_type.map_or(0, |_| INHERITED_TYPE);
                bytes.extend(mask.0.to_le_bytes());
                bytes.extend(present.to_le_bytes());
                bytes.extend(object_type.iter().chain(inherited_type).flatten());
                bytes.extend(sid.to_bytes());
            }
            AceBody::Opaque(rest) => bytes.extend(rest),
        }
        let size = (bytes.len() as u16).to_le_bytes();
        if let Some(place) = bytes.get_mut(2..4) {
            place.copy_from_slice(&size);
        }
        bytes
    }
}
