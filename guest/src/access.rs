//! Access masks, generic mappings and the names of access rights by object type.

use std::fmt;

/// An `ACCESS_MASK`: specific rights in bits 0-15, standard rights in 16-20, generic ones on top.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AccessMask(pub u32);

/// A type's `GENERIC_MAPPING`, with the rights that are valid for the type at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenericMapping {
    /// What `GENERIC_READ` stands for.
    pub read: AccessMask,
    /// What `GENERIC_WRITE` stands for.
    pub write: AccessMask,
    /// What `GENERIC_EXECUTE` stands for.
    pub execute: AccessMask,
    /// What `GENERIC_ALL` stands for.
    pub all: AccessMask,
    /// `ValidAccessMask` of the type.
    pub valid: AccessMask,
}

include!(concat!(env!("OUT_DIR"), "/access.rs"));

#[allow(missing_docs)]
impl AccessMask {
    pub const DELETE: Self = Self(0x0001_0000);
    pub const READ_CONTROL: Self = Self(0x0002_0000);
    pub const SYNCHRONIZE: Self = Self(0x0010_0000);
    pub const ACCESS_SYSTEM_SECURITY: Self = Self(0x0100_0000);
    pub const MAXIMUM_ALLOWED: Self = Self(0x0200_0000);
    pub const GENERIC_ALL: Self = Self(0x1000_0000);
    pub const GENERIC_EXECUTE: Self = Self(0x2000_0000);
    pub const GENERIC_WRITE: Self = Self(0x4000_0000);
    pub const GENERIC_READ: Self = Self(0x8000_0000);
}

impl AccessMask {
    /// Whether every right in `other` is in this mask.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any right in `other` is in this mask.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// `RtlMapGenericMask`: generic bits replaced by what the type says they stand for.
    pub fn map_generic(self, mapping: &GenericMapping) -> Self {
        let generic = [
            (Self::GENERIC_READ, mapping.read),
            (Self::GENERIC_WRITE, mapping.write),
            (Self::GENERIC_EXECUTE, mapping.execute),
            (Self::GENERIC_ALL, mapping.all),
        ];
        generic.iter().fold(Self(self.0 & 0x0fff_ffff), |mask, (bit, rights)| {
            if self.intersects(*bit) { Self(mask.0 | rights.0) } else { mask }
        })
    }

    /// The rights as a text: names of `type_name`'s single-bit rights and the standard ones,
    /// joined by `|`; unknown bits in hexadecimal; a name for the whole where there is one.
    pub fn describe(self, type_name: &str) -> String {
        let whole = ACCESS_RIGHTS.iter().find(|(ty, value, ..)| *ty == type_name && *value == self.0);
        if let Some((_, _, name, _)) = whole {
            // Two values have gone by one name: the table marks the later one.
            return name.trim_end_matches("_VISTA").to_string();
        }
        let mut names = Vec::new();
        let mut rest = self.0;
        for (ty, bit, name, single) in ACCESS_RIGHTS {
            if *single && (*ty == type_name || *ty == "standard") && rest & bit != 0 {
                names.push((*name).to_string());
                rest &= !bit;
            }
        }
        if rest != 0 || names.is_empty() {
            names.push(format!("{rest:#x}"));
        }
        names.join("|")
    }
}

impl fmt::Debug for AccessMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}", self.0)
    }
}

/// The generic mapping of an object type, by the type's name.
pub fn generic_mapping(type_name: &str) -> Option<&'static GenericMapping> {
    GENERIC_MAPPINGS.iter().find(|(name, _)| *name == type_name).map(|(_, mapping)| mapping)
}

/// `PROCESS_*` and `THREAD_*` rights that services check.
#[allow(missing_docs)]
pub mod process {
    use super::AccessMask;

    pub const TERMINATE: AccessMask = AccessMask(0x1);
    pub const CREATE_THREAD: AccessMask = AccessMask(0x2);
    pub const SUSPEND_RESUME: AccessMask = AccessMask(0x800);
    pub const THREAD_SUSPEND_RESUME: AccessMask = AccessMask(0x2);
    pub const THREAD_ALERT: AccessMask = AccessMask(0x4);
    pub const THREAD_GET_CONTEXT: AccessMask = AccessMask(0x8);
    pub const THREAD_SET_CONTEXT: AccessMask = AccessMask(0x10);
    pub const VM_OPERATION: AccessMask = AccessMask(0x8);
    pub const VM_READ: AccessMask = AccessMask(0x10);
    pub const VM_WRITE: AccessMask = AccessMask(0x20);
    pub const DUP_HANDLE: AccessMask = AccessMask(0x40);
    pub const CREATE_PROCESS: AccessMask = AccessMask(0x80);
    pub const QUERY_INFORMATION: AccessMask = AccessMask(0x400);
    pub const QUERY_LIMITED_INFORMATION: AccessMask = AccessMask(0x1000);
    pub const THREAD_QUERY_INFORMATION: AccessMask = AccessMask(0x40);
    pub const THREAD_QUERY_LIMITED_INFORMATION: AccessMask = AccessMask(0x800);
    /// What a process's or thread's handle to itself may do.
    pub const ALL: AccessMask = AccessMask(0x1f_ffff);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generic_rights_are_mapped() {
        let event = generic_mapping("Event").expect("a type");
        assert_eq!(AccessMask::GENERIC_ALL.map_generic(event), AccessMask(0x1f_0003));
        assert_eq!(AccessMask::GENERIC_READ.map_generic(event), AccessMask(0x2_0001));
        assert_eq!(AccessMask(0x8000_0002).map_generic(event), AccessMask(0x2_0003));
    }

    #[test]
    fn rights_have_names() {
        assert_eq!(AccessMask(0x1f_0003).describe("Event"), "EVENT_ALL_ACCESS");
        assert_eq!(AccessMask(0x10_0002).describe("Event"), "SYNCHRONIZE|EVENT_MODIFY_STATE");
        assert_eq!(AccessMask(0x1f_ffff).describe("Process"), "PROCESS_ALL_ACCESS");
        assert_eq!(AccessMask(0).describe("Event"), "0x0");
        assert_eq!(AccessMask(0x8).describe("Event"), "0x8");
    }
}
