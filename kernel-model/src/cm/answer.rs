//! How the registry's queries answer: a fixed part that must fit, and names and data as far as there is room.

use guest::{GuestMemory, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::service::NtResult;

/// Where an answer goes.
#[derive(Clone, Copy)]
pub(super) struct Out {
    pub buffer: UserPtr<u8>,
    pub length: u32,
    pub result_length: UserPtr<u32>,
}

impl Out {
    /// Checks that buffer and length can be written.
    pub fn probe(&self, cx: &mut Cx<'_>) -> NtResult<()> {
        let mut mem = cx.mem();
        mem.probe_write(self.buffer.va, self.length.into())?;
        Ok(mem.probe(self.result_length)?)
    }

    /// Writes an answer, of which the first `fixed` bytes must fit. Its whole length is told in any case.
    ///
    /// `STATUS_BUFFER_TOO_SMALL`: nothing fits; `STATUS_BUFFER_OVERFLOW` (a warning): not all does.
    pub fn write(&self, cx: &mut Cx<'_>, fixed: usize, bytes: &[u8]) -> NtResult {
        let room = self.length as usize;
        let mut mem = cx.mem();
        mem.store(self.result_length, &(bytes.len() as u32))?;
        if room < fixed {
            return Err(NtStatus::BUFFER_TOO_SMALL.into());
        }
        mem.write(self.buffer.va, bytes.get(..room).unwrap_or(bytes))?;
        Ok(if room < bytes.len() { NtStatus::BUFFER_OVERFLOW } else { NtStatus::SUCCESS })
    }
}

/// Bytes of UTF-16.
pub(super) fn bytes_of(units: &[u16]) -> impl Iterator<Item = u8> {
    units.iter().flat_map(|unit| unit.to_le_bytes())
}
