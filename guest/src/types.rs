//! NT structures that services read and write, with their layouts by pointer width.

use std::fmt;

use crate::mem::{GuestValue, Width, get, put};

/// A handle value as the guest passes it: 64 bits, the low two ignored on look-up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Handle(pub u64);

impl Handle {
    /// No handle.
    pub const NULL: Self = Self(0);
    /// `NtCurrentProcess()`, -1.
    pub const CURRENT_PROCESS: Self = Self(u64::MAX);
    /// `NtCurrentThread()`, -2.
    pub const CURRENT_THREAD: Self = Self(u64::MAX - 1);
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl GuestValue for Handle {
    fn size(width: Width) -> usize {
        width.bytes()
    }
    fn decode(bytes: &[u8], width: Width) -> Self {
        match width {
            // A 32-bit handle is sign-extended, so that pseudo handles keep their meaning.
            Width::W32 => Self(get(bytes, 0, 4) as u32 as i32 as i64 as u64),
            Width::W64 => Self(get(bytes, 0, 8)),
        }
    }
    fn encode(&self, bytes: &mut [u8], width: Width) {
        put(bytes, 0, width.bytes(), self.0);
    }
}

/// `UNICODE_STRING`: lengths in bytes, and where the characters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct UnicodeString {
    /// Bytes in use.
    pub length: u16,
    /// Bytes there are.
    pub maximum_length: u16,
    /// Address of the UTF-16LE characters.
    pub buffer: u64,
}

impl GuestValue for UnicodeString {
    fn size(width: Width) -> usize {
        2 * width.bytes()
    }
    fn decode(bytes: &[u8], width: Width) -> Self {
        let w = width.bytes();
        Self { length: get(bytes, 0, 2) as u16, maximum_length: get(bytes, 2, 2) as u16, buffer: get(bytes, w, w) }
    }
    fn encode(&self, bytes: &mut [u8], width: Width) {
        let w = width.bytes();
        put(bytes, 0, 2, self.length.into());
        put(bytes, 2, 2, self.maximum_length.into());
        put(bytes, w, w, self.buffer);
    }
}

/// `OBJECT_ATTRIBUTES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ObjectAttributes {
    /// `sizeof(OBJECT_ATTRIBUTES)`, or the structure is refused.
    pub length: u32,
    /// Where a relative name starts.
    pub root_directory: Handle,
    /// Address of the name's `UNICODE_STRING`.
    pub object_name: u64,
    /// `OBJ_*` flags.
    pub attributes: u32,
    /// Address of a security descriptor.
    pub security_descriptor: u64,
    /// Address of a `SECURITY_QUALITY_OF_SERVICE`.
    pub security_quality_of_service: u64,
}

impl GuestValue for ObjectAttributes {
    fn size(width: Width) -> usize {
        6 * width.bytes()
    }
    fn align(width: Width) -> u64 {
        width.bytes() as u64
    }
    fn decode(bytes: &[u8], width: Width) -> Self {
        let w = width.bytes();
        Self {
            length: get(bytes, 0, 4) as u32,
            root_directory: Handle::decode(bytes.get(w..2 * w).unwrap_or(&[]), width),
            object_name: get(bytes, 2 * w, w),
            attributes: get(bytes, 3 * w, 4) as u32,
            security_descriptor: get(bytes, 4 * w, w),
            security_quality_of_service: get(bytes, 5 * w, w),
        }
    }
    fn encode(&self, bytes: &mut [u8], width: Width) {
        let w = width.bytes();
        put(bytes, 0, 4, self.length.into());
        put(bytes, w, w, self.root_directory.0);
        put(bytes, 2 * w, w, self.object_name);
        put(bytes, 3 * w, 4, self.attributes.into());
        put(bytes, 4 * w, w, self.security_descriptor);
        put(bytes, 5 * w, w, self.security_quality_of_service);
    }
}

/// `IO_STATUS_BLOCK`: the final status and the operation's result (bytes transferred, mostly).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct IoStatusBlock {
    /// The `NTSTATUS`.
    pub status: u32,
    /// The information word.
    pub information: u64,
}

impl GuestValue for IoStatusBlock {
    fn size(width: Width) -> usize {
        2 * width.bytes()
    }
    fn decode(bytes: &[u8], width: Width) -> Self {
        let w = width.bytes();
        Self { status: get(bytes, 0, 4) as u32, information: get(bytes, w, w) }
    }
    fn encode(&self, bytes: &mut [u8], width: Width) {
        let w = width.bytes();
        put(bytes, 0, w, self.status.into());
        put(bytes, w, w, self.information);
    }
}

/// `CLIENT_ID`: process and thread id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ClientId {
    /// The process id.
    pub process: u64,
    /// The thread id.
    pub thread: u64,
}

impl GuestValue for ClientId {
    fn size(width: Width) -> usize {
        2 * width.bytes()
    }
    fn decode(bytes: &[u8], width: Width) -> Self {
        let w = width.bytes();
        Self { process: get(bytes, 0, w), thread: get(bytes, w, w) }
    }
    fn encode(&self, bytes: &mut [u8], width: Width) {
        let w = width.bytes();
        put(bytes, 0, w, self.process);
        put(bytes, w, w, self.thread);
    }
}

/// Builds a structure of a known layout, field by field, for the services that return one.
#[derive(Debug)]
pub struct StructWriter {
    bytes: Vec<u8>,
    width: Width,
}

impl StructWriter {
    /// A zeroed structure of `size` bytes.
    pub fn new(size: usize, width: Width) -> Self {
        Self { bytes: vec![0; size], width }
    }

    /// Stores the low `len` bytes of `value` at `offset`.
    #[must_use]
    pub fn field(mut self, offset: usize, len: usize, value: u64) -> Self {
        put(&mut self.bytes, offset, len, value);
        self
    }

    /// Stores a pointer-wide `value` at `offset`.
    #[must_use]
    pub fn word(self, offset: usize, value: u64) -> Self {
        let len = self.width.bytes();
        self.field(offset, len, value)
    }

    /// The finished bytes.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encoding and decoding agree, and the sizes are Windows'.
    fn round_trip<T: GuestValue + PartialEq + std::fmt::Debug>(value: T, size32: usize, size64: usize) {
        for (width, size) in [(Width::W32, size32), (Width::W64, size64)] {
            assert_eq!(T::size(width), size);
            let mut bytes = vec![0; size];
            value.encode(&mut bytes, width);
            assert_eq!(T::decode(&bytes, width), value);
        }
    }

    #[test]
    fn layouts_by_width() {
        round_trip(UnicodeString { length: 4, maximum_length: 6, buffer: 0x1234_5678 }, 8, 16);
        let attributes = ObjectAttributes { length: 0x30, object_name: 0x1000, attributes: 0x40, ..Default::default() };
        round_trip(attributes, 0x18, 0x30);
        round_trip(IoStatusBlock { status: 0x8000_0005, information: 7 }, 8, 16);
        round_trip(ClientId { process: 4, thread: 8 }, 8, 16);
        round_trip(Handle::CURRENT_PROCESS, 4, 8);
    }

    #[test]
    fn a_structure_is_written_at_its_offsets() {
        let bytes = StructWriter::new(8, Width::W64).field(1, 2, 0x1_2345).field(7, 4, 1).finish();
        assert_eq!(bytes, [0, 0x45, 0x23, 0, 0, 0, 0, 0], "what does not fit is left out");
    }
}
