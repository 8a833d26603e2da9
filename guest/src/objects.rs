//! Object types by build, and the namespace as it is at boot (sources: the last column of `data/object_types.csv` and
//! `data/namespace.csv`).

/// An object type, and the builds that have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectTypeRow {
    /// The type's name.
    pub name: &'static str,
    /// The first and the last build number.
    builds: (u32, u32),
    /// `InvalidAttributes`: `OBJ_*` flags that creating such an object refuses.
    pub invalid_attributes: u32,
}

/// What an entry of the namespace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// A directory.
    Directory,
    /// A logon session's device map: a directory behind which its target is searched; `\\??` is one.
    DeviceMap,
    /// A symbolic link to its target.
    SymbolicLink,
    /// A notification event that is not signalled.
    Event,
    /// A keyed event.
    KeyedEvent,
    /// A device, of the kind that its target names.
    Device,
}

/// A name that exists from boot on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespaceRow {
    /// The full path.
    pub path: &'static str,
    /// What it is.
    pub kind: NameKind,
    /// The target of a link or a device map.
    pub target: &'static str,
    /// The name of its security descriptor ([`protection`]).
    pub protection: &'static str,
    builds: (u32, u32),
}

/// A security descriptor that names from boot on share, and the builds that have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ProtectionRow {
    name: &'static str,
    sddl: &'static str,
    builds: (u32, u32),
}

/// The descriptor of a name that has none of its own in the table, such as the root and the type objects.
pub const PUBLIC: &str = "public";

include!(concat!(env!("OUT_DIR"), "/objects.rs"));

/// The first build whose type indexes begin with 2, because 0 and 1 stand for freed headers: Windows 7.
const INDEXES_FROM_TWO: u32 = 7600;

/// A build's object types with their indexes, which count the types in the order of their creation.
pub fn types_of(build: u32) -> impl Iterator<Item = (u8, &'static ObjectTypeRow)> {
    let first = if build >= INDEXES_FROM_TWO { 2 } else { 1 };
    let rows = OBJECT_TYPES.iter().filter(move |t| (t.builds.0..=t.builds.1).contains(&build));
    (first..=u8::MAX).zip(rows)
}

/// What a build's namespace holds at boot, parents first.
pub fn namespace_of(build: u32) -> impl Iterator<Item = &'static NamespaceRow> {
    NAMESPACE.iter().filter(move |n| (n.builds.0..=n.builds.1).contains(&build))
}

/// A security descriptor in SDDL by its name, as a build has it (sources: `data/protections.csv`). Its rights may be
/// generic ones.
pub fn protection(name: &str, build: u32) -> Option<&'static str> {
    let row = PROTECTIONS.iter().find(|row| row.name == name && (row.builds.0..=row.builds.1).contains(&build));
    row.map(|row| row.sddl)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_protection() {
        for build in [528, 1381, 2195, 2600, 3790, 6000, 7601, 9200, 19045, 26200] {
            for row in namespace_of(build) {
                assert!(protection(row.protection, build).is_some(), "{} on build {build}", row.path);
            }
            assert!(protection(PUBLIC, build).is_some());
        }
    }

    fn index(build: u32, name: &str) -> Option<u8> {
        types_of(build).find(|(_, t)| t.name == name).map(|(index, _)| index)
    }

    /// Indexes that debuggers and handle listings show on these builds.
    #[test]
    fn indexes_follow_the_order_of_creation() {
        for (build, name, expected) in [
            (19045, "Type", 2),
            (19045, "Process", 7),
            (19045, "Event", 16),
            (19045, "File", 37),
            (19045, "Section", 42),
            (19045, "Key", 44),
            (19045, "ALPC Port", 46),
            (19045, "CoverageSampler", 53),
            (22621, "Event", 19),
            (22621, "File", 40),
            (22621, "ALPC Port", 51),
            (22621, "DxgkSharedResource", 63),
            (7601, "Process", 7),
            (7601, "EventPair", 13),
            (7601, "File", 28),
            (7601, "Key", 35),
            (7601, "ALPC Port", 36),
            (2600, "Process", 5),
            (2600, "Job", 7),
            (2600, "File", 28),
        ] {
            assert_eq!(index(build, name), Some(expected), "{name} on build {build}");
        }
        assert_eq!(index(19045, "EventPair"), None);
    }

    #[test]
    fn parents_come_first() {
        for build in [1381, 2195, 2600, 7601, 19045, 26100] {
            let mut seen = vec![""];
            for row in namespace_of(build) {
                let (parent, leaf) = row.path.rsplit_once('\\').expect("a full path");
                assert!(seen.contains(&parent) && !leaf.is_empty(), "{} on build {build}", row.path);
                seen.push(row.path);
            }
        }
    }
}
