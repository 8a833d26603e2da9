//! The classes that read what they are asked about from the buffer: processes of a session, the image of a process.

use guest::mem::Word;
use guest::types::{StructWriter, UnicodeString};
use guest::{GuestMemory, NtStatus, UserPtr};

use super::processes::processes;
use super::{Place, Reply};
use crate::cx::Cx;
use crate::service::NtResult;

/// `SystemSessionProcessInformation`: a session, and where its processes are to go.
///
/// `STATUS_INFO_LENGTH_MISMATCH` also if the second buffer is too small; what it needs is returned.
pub(super) fn processes_of(cx: &mut Cx<'_>, place: Place) -> NtResult<Reply> {
    let w = place.width.bytes();
    if place.length as usize != 8 + w {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let mut mem = cx.mem();
    let session: u32 = mem.load(place.buffer.cast())?;
    let length: u32 = mem.load(UserPtr::new(place.buffer.va.wrapping_add(4)))?;
    let buffer = UserPtr::new(mem.load::<Word>(UserPtr::new(place.buffer.va.wrapping_add(8)))?.0);
    mem.probe_write(buffer.va, length.into())?;
    let list = processes(cx, Place { buffer, length, ..place }, false, Some(session))?;
    let written = list.written(length as usize)?;
    cx.mem().write(buffer.va, list.bytes.get(..written).unwrap_or(&[]))?;
    let out = StructWriter::new(8 + w, place.width).field(0, 4, session.into()).field(4, 4, length.into());
    Ok(Reply::exact(out.word(8, buffer.va).finish()))
}

/// `SystemProcessIdInformation`: the image of a process by its id, which needs no handle.
///
/// `STATUS_INVALID_CID`, `STATUS_INVALID_PARAMETER` unless the string is empty, `STATUS_INFO_LENGTH_MISMATCH` (also where
/// the string has no room; its `MaximumLength` tells what it needs).
pub(super) fn process_id(cx: &mut Cx<'_>, place: Place) -> NtResult<Reply> {
    let w = place.width.bytes();
    if place.length as usize != 3 * w {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let mut mem = cx.mem();
    let id = mem.load::<Word>(place.buffer.cast())?.0;
    let at: UserPtr<UnicodeString> = UserPtr::new(place.buffer.va.wrapping_add(w as u64));
    let string = mem.load(at)?;
    if string.length != 0 || string.maximum_length % 2 != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    mem.probe_write(string.buffer, string.maximum_length.into())?;
    let process = cx.kernel.ps.by_unique_id(id).ok_or(NtStatus::INVALID_CID)?;
    let path: Vec<u8> = process.about.path.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let needed = (path.len() + 2).min(usize::from(u16::MAX)) as u16;
    if string.maximum_length < needed {
        cx.mem().store(at, &UnicodeString { maximum_length: needed, ..string })?;
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    cx.mem().write(string.buffer, &[path.as_slice(), &[0, 0]].concat())?;
    let length = path.len() as u64;
    let out = StructWriter::new(3 * w, place.width).word(0, id).field(w, 2, length);
    Ok(Reply::exact(out.field(w + 2, 2, string.maximum_length.into()).word(2 * w, string.buffer).finish()))
}
