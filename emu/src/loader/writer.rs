//! Writing structures of a build into guest memory, field by field.

use guest::NtStatus;
use guest::layout::StructLayout;
use guest::mem::{PAGE_SIZE, Width};
use kernel_model::mm::{Protect, Vad, VadKind};

use super::{Side, Target};

/// Bytes of a structure before they go to the guest.
pub(super) struct StructBuilder {
    layout: Option<&'static StructLayout>,
    width: usize,
    bytes: Vec<u8>,
}

impl StructBuilder {
    /// A zeroed structure as one side has it.
    pub(super) fn new(side: &Side, name: &str) -> Self {
        Self::of(side.layouts.get(name), side.width())
    }

    /// A zeroed structure of a layout.
    pub(super) fn of(layout: Option<&'static StructLayout>, width: Width) -> Self {
        let size = layout.map_or(0, |l| l.size) as usize;
        Self { layout, width: width.bytes(), bytes: vec![0; size] }
    }

    /// Its size in bytes.
    pub(super) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// A field's offset; a field that the build does not have is at the end, where nothing is stored.
    pub(super) fn offset(&self, field: &str) -> u64 {
        self.layout.and_then(|l| l.offset(field)).unwrap_or(self.size())
    }

    /// Stores bytes in a field, from `delta` bytes into it.
    pub(super) fn bytes(&mut self, field: &str, delta: u64, bytes: &[u8]) -> &mut Self {
        let at = (self.offset(field) + delta) as usize;
        if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        self
    }

    pub(super) fn u8(&mut self, field: &str, value: u8) -> &mut Self {
        self.bytes(field, 0, &[value])
    }

    pub(super) fn u16(&mut self, field: &str, value: u16) -> &mut Self {
        self.bytes(field, 0, &value.to_le_bytes())
    }

    pub(super) fn u32(&mut self, field: &str, value: u32) -> &mut Self {
        self.bytes(field, 0, &value.to_le_bytes())
    }

    pub(super) fn u64(&mut self, field: &str, value: u64) -> &mut Self {
        self.bytes(field, 0, &value.to_le_bytes())
    }

    /// A number as wide as a pointer.
    pub(super) fn word(&mut self, field: &str, value: u64) -> &mut Self {
        self.word_at(field, 0, value)
    }

    /// The same, `delta` bytes into a field.
    pub(super) fn word_at(&mut self, field: &str, delta: u64, value: u64) -> &mut Self {
        let bytes = value.to_le_bytes();
        let width = self.width;
        self.bytes(field, delta, bytes.get(..width).unwrap_or(&bytes))
    }

    /// Two of them, one behind the other.
    pub(super) fn words(&mut self, field: &str, first: u64, second: u64) -> &mut Self {
        let width = self.width as u64;
        self.word_at(field, 0, first).word_at(field, width, second)
    }

    /// A `UNICODE_STRING` for text at `buffer`.
    pub(super) fn string(&mut self, field: &str, text: &str, buffer: u64) -> &mut Self {
        let length = (2 * text.encode_utf16().count()).min(0xfffc) as u16;
        self.bytes(field, 0, &length.to_le_bytes());
        self.bytes(field, 2, &(length + 2).to_le_bytes());
        let width = self.width as u64;
        self.word_at(field, width, buffer)
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// UTF-16LE with a terminator.
pub(super) fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

impl Target<'_> {
    /// Reserves `size` bytes, at `at` or where there is room, and commits them from the start.
    pub(super) fn allocate(&mut self, at: Option<u64>, size: u64, protect: Protect) -> Result<u64, NtStatus> {
        let pages = size.div_ceil(PAGE_SIZE).max(1);
        let first = self.reserve(at, pages, VadKind::Private, protect)?;
        self.commit(first, pages, protect)?;
        Ok(first * PAGE_SIZE)
    }

    /// Enters a region; its first page number.
    pub(super) fn reserve(
        &mut self, at: Option<u64>, pages: u64, kind: VadKind, protect: Protect,
    ) -> Result<u64, NtStatus> {
        let space = &mut self.kernel.mm.space;
        let first = match at {
            Some(va) => va / PAGE_SIZE,
            None => space.find(pages, false, self.highest).ok_or(NtStatus::NO_MEMORY)?,
        };
        let last = first + pages - 1;
        if last > space.limits.highest / PAGE_SIZE || !space.is_free(first, last) {
            return Err(NtStatus::CONFLICTING_ADDRESSES);
        }
        space.insert(Vad { first, last, base: first, kind, protect });
        Ok(first)
    }

    pub(super) fn commit(&mut self, first: u64, pages: u64, protect: Protect) -> Result<(), NtStatus> {
        (first..first + pages).try_for_each(|vpn| self.kernel.mm.commit(vpn, protect))
    }

    /// Writes committed memory, whatever its protection.
    pub(super) fn write(&mut self, va: u64, bytes: &[u8]) -> Result<(), NtStatus> {
        let written = self.kernel.mm.poke(self.ram, va, bytes);
        if written == bytes.len() { Ok(()) } else { Err(NtStatus::NO_MEMORY) }
    }
}
