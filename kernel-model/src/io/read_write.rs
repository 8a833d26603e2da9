//! `NtReadFile` and `NtWriteFile`.

use guest::mem::PAGE_SIZE;
use guest::types::IoStatusBlock;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::console::{FileObject, Stream};
use crate::cx::Cx;
use crate::ke::Event;
use crate::service::{NtResult, Service, Support, Unwind, service};

const GAP: &str = "the console only; no APC routine; ByteOffset and Key mean nothing there";

pub(crate) const SERVICES: &[Service] = &[
    service!(NtReadFile => nt_read_file, Support::Partial(GAP)),
    service!(NtWriteFile => nt_write_file, Support::Partial(GAP)),
];

/// `FILE_READ_DATA`.
const READ_DATA: AccessMask = AccessMask(1);
/// `FILE_WRITE_DATA`; `FILE_APPEND_DATA` (4) does as well.
const WRITE_DATA: AccessMask = AccessMask(2);
const APPEND_DATA: AccessMask = AccessMask(4);
/// `EVENT_MODIFY_STATE`.
const MODIFY_STATE: AccessMask = AccessMask(2);

/// Checks what both services check after the file handle: status block, event, APC.
fn prepare(cx: &mut Cx<'_>, event: Handle, apc: u64, iosb: UserPtr<IoStatusBlock>) -> NtResult<()> {
    cx.mem().probe(iosb)?;
    if apc != 0 {
        return Err(Unwind::unsupported("ApcRoutine"));
    }
    if event != Handle::NULL {
        cx.reference::<Event>(event, MODIFY_STATE)?.reset();
    }
    Ok(())
}

/// Completes the operation: the status block, and the event if there is one.
fn complete(cx: &mut Cx<'_>, event: Handle, iosb: UserPtr<IoStatusBlock>, status: NtStatus, count: u64) -> NtResult {
    cx.mem().store(iosb, &IoStatusBlock { status: status.0, information: count })?;
    if event != Handle::NULL {
        cx.reference::<Event>(event, MODIFY_STATE)?.set();
    }
    Ok(status)
}

/// `NtWriteFile`: writes `length` bytes. The console takes them all at once.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED`, `STATUS_ACCESS_VIOLATION`, `STATUS_INVALID_DEVICE_REQUEST` for
/// console input. A buffer that ends in a bad page writes nothing.
#[expect(clippy::too_many_arguments, reason = "NtWriteFile has nine")]
fn nt_write_file(
    cx: &mut Cx<'_>, file: Handle, event: Handle, apc_routine: u64, _apc_context: u64, iosb: UserPtr<IoStatusBlock>,
    buffer: u64, length: u32, byte_offset: Option<UserPtr<i64>>, _key: Option<UserPtr<u32>>,
) -> NtResult {
    let stream = cx.reference_either::<FileObject>(file, &[WRITE_DATA, APPEND_DATA])?.stream;
    prepare(cx, event, apc_routine, iosb)?;
    let mut mem = cx.mem();
    mem.probe_range(buffer, length.into())?;
    if let Some(pointer) = byte_offset {
        mem.load(pointer)?;
    }
    if stream == Stream::Input {
        return Err(NtStatus::INVALID_DEVICE_REQUEST.into());
    }
    let bytes = read_all(cx, buffer, length)?;
    cx.kernel.console.write(stream, &bytes);
    complete(cx, event, iosb, NtStatus::SUCCESS, length.into())
}

/// Reads a whole buffer, growing with what can be read, so that a huge length costs nothing before it faults.
fn read_all(cx: &mut Cx<'_>, va: u64, length: u32) -> NtResult<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut mem = cx.mem();
    while bytes.len() < length as usize {
        let at = bytes.len();
        let take = (length as usize - at).min(16 * PAGE_SIZE as usize);
        bytes.resize(at + take, 0);
        mem.read(va + at as u64, bytes.get_mut(at..).unwrap_or(&mut []))?;
    }
    Ok(bytes)
}

/// `NtReadFile`: reads up to `length` bytes; on the console, what has been typed.
///
/// `STATUS_END_OF_FILE` at the end of the input; otherwise as `NtWriteFile`.
#[expect(clippy::too_many_arguments, reason = "NtReadFile has nine")]
fn nt_read_file(
    cx: &mut Cx<'_>, file: Handle, event: Handle, apc_routine: u64, _apc_context: u64, iosb: UserPtr<IoStatusBlock>,
    buffer: u64, length: u32, byte_offset: Option<UserPtr<i64>>, _key: Option<UserPtr<u32>>,
) -> NtResult {
    let stream = cx.reference::<FileObject>(file, READ_DATA)?.stream;
    prepare(cx, event, apc_routine, iosb)?;
    let mut mem = cx.mem();
    mem.probe_write(buffer, length.into())?;
    if let Some(pointer) = byte_offset {
        mem.load(pointer)?;
    }
    if stream != Stream::Input {
        return Err(NtStatus::INVALID_DEVICE_REQUEST.into());
    }
    if length == 0 {
        return complete(cx, event, iosb, NtStatus::SUCCESS, 0);
    }
    let bytes = cx.kernel.console.read(length as usize).ok_or(Unwind::NeedInput)?;
    if bytes.is_empty() {
        return complete(cx, event, iosb, NtStatus::END_OF_FILE, 0);
    }
    cx.mem().write(buffer, &bytes)?;
    complete(cx, event, iosb, NtStatus::SUCCESS, bytes.len() as u64)
}
