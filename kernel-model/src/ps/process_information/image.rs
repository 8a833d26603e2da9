//! What a process's image is called, and what it says of itself.

use guest::mem::Width;
use guest::types::StructWriter;

use crate::ps::SYSTEM_VOLUME;

/// A `UNICODE_STRING` with its text behind it, as it lies at an address.
pub(super) fn text(text: &str, va: u64, width: Width) -> Vec<u8> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let size = 2 * width.bytes();
    let out = StructWriter::new(size, width);
    if units.is_empty() {
        return out.finish();
    }
    let length = units.len() as u64;
    let out = out.field(0, 2, length).field(2, 2, length + 2).word(width.bytes(), va.wrapping_add(size as u64));
    [out.finish(), units, vec![0, 0]].concat()
}

/// The path as Win32 has it: the volume is `C:`.
pub(super) fn dos_path(path: &str) -> String {
    path.strip_prefix(SYSTEM_VOLUME).map_or(path.to_string(), |rest| format!("C:\\{rest}"))
}
