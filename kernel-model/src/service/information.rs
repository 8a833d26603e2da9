//! What the services that answer with an information class have in common.

use guest::mem::Word;
use guest::{GuestMemory, NtStatus, UserPtr, enums};

use super::outcome::NtResult;
use crate::cx::Cx;

/// The name of an information class, by its enum type (`PROCESSINFOCLASS`, say).
///
/// `STATUS_INVALID_INFO_CLASS` for a number that is no class.
pub fn class_name(enum_type: &str, class: u32) -> Result<&'static str, NtStatus> {
    let name = enums::by_name(enum_type).and_then(|e| e.member(class.into()));
    name.filter(|n| !n.starts_with("Max")).ok_or(NtStatus::INVALID_INFO_CLASS)
}

/// Reads what a class is set to, of 0, 1, 2, 4 bytes or as many as a pointer has (of more the first of those).
///
/// `STATUS_INFO_LENGTH_MISMATCH` unless the length is exactly `size`, `STATUS_ACCESS_VIOLATION`.
pub fn load_setting(cx: &mut Cx<'_>, buffer: UserPtr<u8>, length: u32, size: u32) -> NtResult<u64> {
    if length != size {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let mut mem = cx.mem();
    Ok(match size {
        0 => 0,
        1 => mem.load::<u8>(buffer)?.into(),
        2 => mem.load::<u16>(buffer.cast())?.into(),
        4 => mem.load::<u32>(buffer.cast())?.into(),
        _ => mem.load::<Word>(buffer.cast())?.0,
    })
}

/// Where an answer of a fixed size goes, and where its length does.
#[derive(Clone, Copy, Debug)]
pub struct Information {
    /// The buffer.
    pub buffer: UserPtr<u8>,
    /// Its length in bytes.
    pub length: u32,
    /// Where the length of the answer goes (32 bits), if the caller wants it.
    pub return_length: Option<UserPtr<u32>>,
}

impl Information {
    /// Checks that the length is exactly `size`, and that both places can be written.
    ///
    /// `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_ACCESS_VIOLATION`.
    pub fn probe(&self, cx: &mut Cx<'_>, size: usize) -> NtResult<()> {
        if self.length as usize != size {
            return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
        }
        let mut mem = cx.mem();
        mem.probe_write(self.buffer.va, self.length.into())?;
        if let Some(pointer) = self.return_length {
            mem.probe(pointer)?;
        }
        Ok(())
    }

    /// Writes the answer and its length.
    pub fn write(&self, cx: &mut Cx<'_>, bytes: &[u8]) -> NtResult<()> {
        let mut mem = cx.mem();
        mem.write(self.buffer.va, bytes)?;
        if let Some(pointer) = self.return_length {
            mem.store(pointer, &(bytes.len() as u32))?;
        }
        Ok(())
    }
}
