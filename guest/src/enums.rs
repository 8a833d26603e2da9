//! The enum types that service signatures use (source: phnt, see `data/NOTICE`).

/// A C enum: its members by value.
#[derive(Debug)]
pub struct EnumInfo {
    /// The type's name, for instance `EVENT_TYPE`.
    pub name: &'static str,
    /// Values and names, sorted by value.
    pub members: &'static [(i64, &'static str)],
}

include!(concat!(env!("OUT_DIR"), "/enums.rs"));

/// An enum type by name.
pub fn by_name(name: &str) -> Option<&'static EnumInfo> {
    let at = ENUMS.binary_search_by(|e| e.name.cmp(name)).ok()?;
    ENUMS.get(at)
}

impl EnumInfo {
    /// The member with this value.
    pub fn member(&self, value: i64) -> Option<&'static str> {
        let at = self.members.binary_search_by_key(&value, |m| m.0).ok()?;
        self.members.get(at).map(|m| m.1)
    }
}
