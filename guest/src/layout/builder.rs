//! Writing structures of a build, field by field.

use super::{BuildLayouts, StructLayout};
use crate::mem::Width;
use crate::profile::{Arch, Profile};

/// What code of one width sees of a process: its structures are this build's.
#[derive(Clone, Copy, Debug)]
pub struct Side {
    /// The width's architecture.
    pub arch: Arch,
    /// Its layouts.
    pub layouts: &'static BuildLayouts,
}

impl Side {
    /// That of one width on a profile's machine.
    pub fn new(profile: &'static Profile, arch: Arch) -> Self {
        Self { arch, layouts: profile.layout_for(arch) }
    }

    /// The width of its pointers.
    pub fn width(&self) -> Width {
        self.arch.width()
    }

    /// A field's offset, or 0: only for fields that every build has.
    pub fn offset(&self, structure: &str, field: &str) -> u64 {
        self.layouts.offset(structure, field).unwrap_or(0)
    }
}

/// Bytes of a structure before they go to the guest.
pub struct StructBuilder {
    layout: Option<&'static StructLayout>,
    width: usize,
    bytes: Vec<u8>,
}

impl StructBuilder {
    /// A zeroed structure as one side has it.
    pub fn new(side: &Side, name: &str) -> Self {
        Self::of(side.layouts.get(name), side.width())
    }

    /// A zeroed structure of a layout.
    pub fn of(layout: Option<&'static StructLayout>, width: Width) -> Self {
        let size = layout.map_or(0, |l| l.size) as usize;
        Self { layout, width: width.bytes(), bytes: vec![0; size] }
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// A field's offset; a field that the build does not have is at the end, where nothing is stored.
    pub fn offset(&self, field: &str) -> u64 {
        self.layout.and_then(|l| l.offset(field)).unwrap_or(self.size())
    }

    /// Stores bytes in a field, from `delta` bytes into it.
    pub fn bytes(&mut self, field: &str, delta: u64, bytes: &[u8]) -> &mut Self {
        let at = (self.offset(field) + delta) as usize;
        if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        self
    }

    /// Stores a byte.
    pub fn u8(&mut self, field: &str, value: u8) -> &mut Self {
        self.bytes(field, 0, &[value])
    }

    /// Stores 16 bits.
    pub fn u16(&mut self, field: &str, value: u16) -> &mut Self {
        self.bytes(field, 0, &value.to_le_bytes())
    }

    /// Stores 32 bits.
    pub fn u32(&mut self, field: &str, value: u32) -> &mut Self {
        self.bytes(field, 0, &value.to_le_bytes())
    }

    /// Stores 64 bits.
    pub fn u64(&mut self, field: &str, value: u64) -> &mut Self {
        self.bytes(field, 0, &value.to_le_bytes())
    }

    /// A number as wide as a pointer.
    pub fn word(&mut self, field: &str, value: u64) -> &mut Self {
        self.word_at(field, 0, value)
    }

    /// The same, `delta` bytes into a field.
    pub fn word_at(&mut self, field: &str, delta: u64, value: u64) -> &mut Self {
        let bytes = value.to_le_bytes();
        let width = self.width;
        self.bytes(field, delta, bytes.get(..width).unwrap_or(&bytes))
    }

    /// Two of them, one behind the other.
    pub fn words(&mut self, field: &str, first: u64, second: u64) -> &mut Self {
        let width = self.width as u64;
        self.word_at(field, 0, first).word_at(field, width, second)
    }

    /// A `UNICODE_STRING` for text at `buffer`.
    pub fn string(&mut self, field: &str, text: &str, buffer: u64) -> &mut Self {
        let length = (2 * text.encode_utf16().count()).min(0xfffc) as u16;
        self.bytes(field, 0, &length.to_le_bytes());
        self.bytes(field, 2, &(length + 2).to_le_bytes());
        let width = self.width as u64;
        self.word_at(field, width, buffer)
    }

    /// The bytes.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// UTF-16LE with a terminator.
pub fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}
