//! Object types.

use guest::{AccessMask, GenericMapping, Profile, access, objects};

macro_rules! object_types {
    ($($variant:ident $name:literal),*) => {
        /// The object types there are objects of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)]
        pub enum ObjectType { $($variant),* }

        impl ObjectType {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The type's name as Windows has it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}
object_types!(
    Type "Type", Directory "Directory", SymbolicLink "SymbolicLink", Job "Job", Process "Process", Thread "Thread",
    DebugObject "DebugObject", Event "Event", EventPair "EventPair", Mutant "Mutant", Semaphore "Semaphore",
    Token "Token", Timer "Timer", IrTimer "IRTimer", KeyedEvent "KeyedEvent", IoCompletion "IoCompletion", Device "Device", File "File",
    Section "Section", Key "Key", WorkerFactory "TpWorkerFactory"
);

/// What the object manager knows of a type (`OBJECT_TYPE`).
#[derive(Clone, Copy, Debug)]
pub struct TypeInfo {
    /// The type's name.
    pub name: &'static str,
    /// Its index, which headers hold.
    pub index: u8,
    /// Its generic mapping and valid access.
    pub mapping: GenericMapping,
    /// `OBJ_*` flags that creating such an object refuses.
    pub invalid_attributes: u32,
    /// How many objects there are.
    pub objects: u32,
    /// How many handles there are.
    pub handles: u32,
    /// The most objects there were at once.
    pub most_objects: u32,
    /// The most handles there were at once.
    pub most_handles: u32,
}

/// A build's types.
#[derive(Clone, Debug)]
pub struct Types {
    rows: Vec<TypeInfo>,
    /// Where the row of each [`ObjectType`] is. A type that the build does not have shares the last row.
    places: Vec<usize>,
}

const NO_MAPPING: GenericMapping = GenericMapping {
    read: AccessMask(0),
    write: AccessMask(0),
    execute: AccessMask(0),
    all: AccessMask(0),
    valid: AccessMask(0),
};

/// The first build whose processes and threads have the rights of today: Vista.
const MORE_RIGHTS: u32 = 6000;
/// What processes and threads had before ("Process Security and Access Rights", "Thread Security and Access Rights").
const PROCESS_BEFORE: GenericMapping = GenericMapping {
    read: AccessMask(0x2_0410),
    write: AccessMask(0x2_0beb),
    execute: AccessMask(0x12_0000),
    all: AccessMask(0x1f_0fff),
    valid: AccessMask(0x1f_0fff),
};
const THREAD_BEFORE: GenericMapping = GenericMapping {
    read: AccessMask(0x2_0048),
    write: AccessMask(0x2_0037),
    execute: AccessMask(0x12_0000),
    all: AccessMask(0x1f_03ff),
    valid: AccessMask(0x1f_03ff),
};

/// Of worker factories all rights are published (`phnt`), the mapping is not: by what the rights are for.
const WORKER_FACTORY: GenericMapping = GenericMapping {
    read: AccessMask(0x2_0008),
    write: AccessMask(0x2_0025),
    execute: AccessMask(0x2_0012),
    all: AccessMask(0xf_003f),
    valid: AccessMask(0xf_003f),
};

/// A type's mapping as a build has it.
fn mapping_of(name: &str, build: u32) -> GenericMapping {
    match name {
        "Process" if build < MORE_RIGHTS => PROCESS_BEFORE,
        "Thread" if build < MORE_RIGHTS => THREAD_BEFORE,
        "TpWorkerFactory" => WORKER_FACTORY,
        // Nobody has published it: that of the other timers, in whose terms programs ask for it.
        "IRTimer" => mapping_of("Timer", build),
        _ => access::generic_mapping(name).copied().unwrap_or(NO_MAPPING),
    }
}

impl Types {
    /// The types of a profile's build.
    pub fn new(profile: &Profile) -> Self {
        let row = |name: &'static str, index: u8, invalid_attributes: u32| TypeInfo {
            name,
            index,
            mapping: mapping_of(name, profile.version.2),
            invalid_attributes,
            objects: 0,
            handles: 0,
            most_objects: 0,
            most_handles: 0,
        };
        let known = objects::types_of(profile.version.2);
        let mut rows: Vec<TypeInfo> = known.map(|(index, t)| row(t.name, index, t.invalid_attributes)).collect();
        let mut places = Vec::new();
        for object_type in ObjectType::ALL {
            let place = rows.iter().position(|r| r.name == object_type.name());
            places.push(place.unwrap_or_else(|| {
                rows.push(row(object_type.name(), 0, 0));
                rows.len() - 1
            }));
        }
        Self { rows, places }
    }

    /// What is known of a type.
    #[inline]
    pub fn get(&self, object_type: ObjectType) -> Option<&TypeInfo> {
        self.rows.get(*self.places.get(object_type as usize)?)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, object_type: ObjectType) -> Option<&mut TypeInfo> {
        self.rows.get_mut(*self.places.get(object_type as usize)?)
    }

    /// The types the build has, by index.
    pub fn iter(&self) -> impl Iterator<Item = &TypeInfo> {
        self.rows.iter().filter(|t| t.index != 0)
    }
}

impl TypeInfo {
    pub(super) fn count_object(&mut self) {
        self.objects += 1;
        self.most_objects = self.most_objects.max(self.objects);
    }

    pub(super) fn count_handle(&mut self) {
        self.handles += 1;
        self.most_handles = self.most_handles.max(self.handles);
    }
}
