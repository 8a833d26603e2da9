//! Threads' names (`ThreadNameInformation`), which debuggers show.

use guest::types::{StructWriter, UnicodeString};
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::ThreadObject;
use crate::cx::Cx;
use crate::service::NtResult;

/// `ThreadNameInformation`.
pub(crate) const NAME_INFORMATION: u32 = 38;
/// The first build with it: Windows 10 1607.
const FIRST_BUILD: u32 = 14393;
/// `THREAD_SET_LIMITED_INFORMATION`.
const SET_LIMITED: AccessMask = AccessMask(0x400);

/// `sizeof(UNICODE_STRING)`.
fn header(cx: &Cx<'_>) -> usize {
    2 * cx.kernel.width().bytes()
}

/// `STATUS_INVALID_INFO_CLASS` where threads have no names.
fn check_build(cx: &Cx<'_>) -> Result<(), NtStatus> {
    if cx.kernel.profile.version.2 >= FIRST_BUILD { Ok(()) } else { Err(NtStatus::INVALID_INFO_CLASS) }
}

/// Sets a thread's name.
///
/// `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_INVALID_PARAMETER` for an odd length; `STATUS_ACCESS_DENIED` without
/// `THREAD_SET_LIMITED_INFORMATION`; `STATUS_ACCESS_VIOLATION`.
pub(crate) fn set_name(cx: &mut Cx<'_>, thread: Handle, buffer: UserPtr<u8>, length: u32) -> NtResult {
    check_build(cx)?;
    if length as usize != header(cx) {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let mut mem = cx.mem();
    let string = mem.load(buffer.cast::<UnicodeString>())?;
    if string.length % 2 != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let mut bytes = vec![0; string.length.into()];
    mem.read(string.buffer, &mut bytes)?;
    let name = bytes.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    let id = cx.reference::<ThreadObject>(thread, SET_LIMITED)?.id;
    cx.kernel.ps.thread_mut(id).ok_or(NtStatus::INVALID_HANDLE)?.name = name;
    Ok(NtStatus::SUCCESS)
}

/// A thread's name: a `UNICODE_STRING`, the text behind it without a zero.
///
/// `STATUS_BUFFER_TOO_SMALL` (the length that is needed is told); `STATUS_ACCESS_DENIED` without
/// `THREAD_QUERY_LIMITED_INFORMATION`; `STATUS_ACCESS_VIOLATION`.
pub(crate) fn query_name(
    cx: &mut Cx<'_>, thread: Handle, buffer: UserPtr<u8>, length: u32, return_length: Option<UserPtr<u32>>,
) -> NtResult {
    check_build(cx)?;
    let mut mem = cx.mem();
    mem.probe_write(buffer.va, length.into())?;
    if let Some(pointer) = return_length {
        mem.probe(pointer)?;
    }
    let access = cx.thread_query();
    let id = cx.reference::<ThreadObject>(thread, access)?.id;
    let name = &cx.kernel.ps.thread(id).ok_or(NtStatus::INVALID_HANDLE)?.name;
    let text: Vec<u8> = name.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let (header, width) = (header(cx), cx.kernel.width());
    let needed = header + text.len();
    if let Some(pointer) = return_length {
        cx.mem().store(pointer, &(needed as u32))?;
    }
    if (length as usize) < needed {
        return Err(NtStatus::BUFFER_TOO_SMALL.into());
    }
    let bytes = text.len() as u64;
    let at = if text.is_empty() { 0 } else { buffer.va.wrapping_add(header as u64) };
    let mut out =
        StructWriter::new(header, width).field(0, 2, bytes).field(2, 2, bytes).word(width.bytes(), at).finish();
    out.extend(text);
    cx.mem().write(buffer.va, &out)?;
    Ok(NtStatus::SUCCESS)
}
