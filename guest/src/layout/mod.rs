//! Structure layouts by build: sizes and field offsets (source: public symbols by way of
//! Volatility's profiles, see `data/NOTICE`).

mod builder;

pub use builder::{Side, StructBuilder, wide};

/// The layouts of one build.
#[derive(Debug)]
pub struct BuildLayouts {
    /// The build's name in the data, for instance `w10_19041_x64`.
    pub build: &'static str,
    structs: &'static [StructLayout],
}

/// Size and field offsets of one structure, in bytes.
#[derive(Debug)]
pub struct StructLayout {
    /// The structure's name without its leading underscore.
    pub name: &'static str,
    /// `sizeof`.
    pub size: u64,
    fields: &'static [(&'static str, u64)],
    /// First bit and the bit behind the last, for bit fields.
    bits: &'static [(&'static str, u32, u32)],
}

include!(concat!(env!("OUT_DIR"), "/layouts.rs"));

/// The layouts of the named build. The names come from `data/profiles.csv`, and a test holds every
/// profile's name to the table.
pub(crate) fn of_build(build: &str) -> &'static BuildLayouts {
    LAYOUTS.iter().find(|b| b.build == build).unwrap_or(&LAYOUTS[0])
}

impl BuildLayouts {
    /// A structure by name.
    pub fn get(&self, name: &str) -> Option<&'static StructLayout> {
        let at = self.structs.binary_search_by(|s| s.name.cmp(name)).ok()?;
        self.structs.get(at)
    }

    /// The offset of a field, in bytes, where the build has it.
    pub fn offset(&self, structure: &str, field: &str) -> Option<u64> {
        self.get(structure)?.offset(field)
    }

    /// The mask of a bit field within the integer at its offset, where the build has it.
    pub fn mask(&self, structure: &str, field: &str) -> Option<u32> {
        self.get(structure)?.mask(field)
    }
}

impl StructLayout {
    /// The offset of a field, in bytes.
    pub fn offset(&self, field: &str) -> Option<u64> {
        let at = self.fields.binary_search_by(|f| f.0.cmp(field)).ok()?;
        self.fields.get(at).map(|f| f.1)
    }

    /// The mask of a bit field within the integer at its offset.
    pub fn mask(&self, field: &str) -> Option<u32> {
        let at = self.bits.binary_search_by(|b| b.0.cmp(field)).ok()?;
        let &(_, first, end) = self.bits.get(at)?;
        Some((u64::MAX << first & !(u64::MAX << end)) as u32)
    }
}
