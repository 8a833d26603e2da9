//! Object types.

use guest::{AccessMask, GenericMapping, access};

/// The object types there are so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum ObjectType {
    Directory,
    SymbolicLink,
    Process,
    Thread,
    Event,
    File,
    Token,
}

impl ObjectType {
    const ALL: [Self; 7] =
        [Self::Directory, Self::SymbolicLink, Self::Process, Self::Thread, Self::Event, Self::File, Self::Token];

    /// The type's name as Windows has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Directory => "Directory",
            Self::SymbolicLink => "SymbolicLink",
            Self::Process => "Process",
            Self::Thread => "Thread",
            Self::Event => "Event",
            Self::File => "File",
            Self::Token => "Token",
        }
    }
}

/// What the object manager knows of a type.
#[derive(Clone, Copy, Debug)]
pub struct TypeInfo {
    /// The type.
    pub object_type: ObjectType,
    /// Its generic mapping and valid access.
    pub mapping: GenericMapping,
}

impl TypeInfo {
    /// Every type.
    pub(super) fn all() -> Vec<Self> {
        let none = GenericMapping {
            read: AccessMask(0),
            write: AccessMask(0),
            execute: AccessMask(0),
            all: AccessMask(0),
            valid: AccessMask(0),
        };
        let info = |object_type: ObjectType| Self {
            object_type,
            mapping: access::generic_mapping(object_type.name()).copied().unwrap_or(none),
        };
        ObjectType::ALL.iter().map(|&t| info(t)).collect()
    }
}
