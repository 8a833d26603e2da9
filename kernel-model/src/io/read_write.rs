//! `NtReadFile`, `NtWriteFile`, `NtReadFileScatter`, `NtWriteFileGather`.

use guest::mem::PAGE_SIZE;
use guest::types::IoStatusBlock;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::console::Stream;
use super::create::option;
use super::file::Target;
use super::lock::check_io;
use super::pending::Op;
use super::rights::{APPEND_DATA, READ_DATA, WRITE_DATA};
use super::volume::Place;
use super::{mailslot, pipe};
use crate::cx::Cx;
use crate::ob::ObjectId;
use crate::service::{NtResult, Service, Support, Unwind, service};

const GAP: &str = "what is read of or written to a disk is done at once, whatever is answered";

pub(crate) const SERVICES: &[Service] = &[
    service!(NtReadFile => nt_read_file, Support::Partial(GAP)),
    service!(NtWriteFile => nt_write_file, Support::Partial(GAP)),
    service!(NtReadFileScatter => nt_read_file_scatter, Support::Partial(GAP)),
    service!(NtWriteFileGather => nt_write_file_gather, Support::Partial(GAP)),
];

/// `FILE_WRITE_TO_END_OF_FILE` and `FILE_USE_FILE_POINTER_POSITION`.
const TO_END: i64 = -1;
const POINTER_POSITION: i64 = -2;
/// Bytes in a sector, to which what is not buffered is aligned.
const SECTOR: u64 = 0x200;
/// Bytes that are copied at a time.
const STEP: usize = 16 * PAGE_SIZE as usize;

/// One read or write.
struct Transfer {
    op: Op,
    buffer: u64,
    length: u32,
    offset: Option<i64>,
    key: u32,
}

impl Transfer {
    /// Where in a file it begins.
    ///
    /// `STATUS_INVALID_PARAMETER`: no place for a file that is not synchronous, or none that there can be.
    fn start(&self, cx: &mut Cx<'_>, place: Place, end_only: bool) -> NtResult<u64> {
        let file = cx.file(self.op.file)?;
        let (position, synchronous) = (file.position, file.is_synchronous());
        match self.offset {
            _ if end_only => Ok(cx.stat(place)?.size),
            None | Some(POINTER_POSITION) if synchronous => Ok(position),
            Some(offset @ 0..) => Ok(offset.cast_unsigned()),
            _ => Err(NtStatus::INVALID_PARAMETER.into()),
        }
    }

    /// Where it must lie if it is not buffered.
    fn check_alignment(&self, options: u32, start: u64) -> NtResult<()> {
        let aligned = start.is_multiple_of(SECTOR) && u64::from(self.length).is_multiple_of(SECTOR);
        if options & option::NO_BUFFERING != 0 && !aligned { Err(NtStatus::INVALID_PARAMETER.into()) } else { Ok(()) }
    }
}

fn load_place(
    cx: &mut Cx<'_>, offset: Option<UserPtr<i64>>, key: Option<UserPtr<u32>>,
) -> NtResult<(Option<i64>, u32)> {
    let mut mem = cx.mem();
    let offset = offset.map(|pointer| mem.load(pointer)).transpose()?;
    let key = key.map(|pointer| mem.load(pointer)).transpose()?.unwrap_or(0);
    Ok((offset, key))
}

/// `NtWriteFile`: writes `length` bytes at an offset, at the end, or where the file is. The console takes them all at
/// once; a pipe as many as have room.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED` without `FILE_WRITE_DATA` or `FILE_APPEND_DATA`,
/// `STATUS_ACCESS_VIOLATION`, `STATUS_INVALID_PARAMETER` (the offset), `STATUS_INVALID_DEVICE_REQUEST` for what cannot be
/// written, `STATUS_DISK_FULL`, `STATUS_FILE_LOCK_CONFLICT`, `STATUS_PENDING`; a pipe's statuses. A buffer that ends in a
/// bad page writes nothing.
#[expect(clippy::too_many_arguments, reason = "NtWriteFile has nine")]
fn nt_write_file(
    cx: &mut Cx<'_>, file: Handle, event: Handle, apc_routine: u64, apc_context: u64, iosb: UserPtr<IoStatusBlock>,
    buffer: u64, length: u32, byte_offset: Option<UserPtr<i64>>, key: Option<UserPtr<u32>>,
) -> NtResult {
    let id = cx.file_id(file, &[WRITE_DATA, APPEND_DATA])?;
    let append = !cx.entry_of(file)?.granted.intersects(WRITE_DATA);
    let op = Op::begin(cx, id, event, apc_routine, apc_context, iosb)?;
    cx.mem().probe_range(buffer, length.into())?;
    let (offset, key) = load_place(cx, byte_offset, key)?;
    let transfer = Transfer { op, buffer, length, offset, key };
    match cx.file(id)?.target {
        Target::Node(place) => write_node(cx, &transfer, place, append),
        Target::Console(Stream::Input)
        | Target::Volume(_)
        | Target::Pipes
        | Target::Mailslots
        | Target::Mailslot(_) => Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
        target => {
            let bytes = read_all(cx, buffer, length)?;
            match target {
                Target::Console(stream) => cx.kernel.console.write(stream, &bytes),
                Target::ConsoleBoth => cx.kernel.console.write(Stream::Output, &bytes),
                Target::Pipe(end) => return pipe::write(cx, op, end, bytes),
                Target::MailslotClient(slot) => return mailslot::write(cx, op, slot, bytes),
                _ => {}
            }
            op.finish(cx, NtStatus::SUCCESS, length.into())
        }
    }
}

fn write_node(cx: &mut Cx<'_>, transfer: &Transfer, place: Place, append: bool) -> NtResult {
    let (op, id) = (transfer.op, transfer.op.file);
    if cx.node(place)?.is_directory() {
        return Err(NtStatus::INVALID_DEVICE_REQUEST.into());
    }
    let start = transfer.start(cx, place, append || transfer.offset == Some(TO_END))?;
    let file = cx.file(id)?;
    let synchronous = file.is_synchronous();
    transfer.check_alignment(file.options, start)?;
    if start.checked_add(transfer.length.into()).is_none_or(|end| end > i64::MAX as u64) {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    check_io(&cx.node(place)?.locks, start, transfer.length.into(), (id, transfer.key), true)?;
    let bytes = read_all(cx, transfer.buffer, transfer.length)?;
    if !bytes.is_empty() {
        cx.write_node(place, start, &bytes)?;
    }
    let file = cx.file_mut(id)?;
    file.changed = true;
    if synchronous {
        file.position = start + bytes.len() as u64;
    }
    op.finish_later(cx, NtStatus::SUCCESS, bytes.len() as u64)
}

/// Reads a whole buffer, growing with what can be read, so that a huge length costs nothing before it faults.
pub(super) fn read_all(cx: &mut Cx<'_>, va: u64, length: u32) -> NtResult<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut mem = cx.mem();
    while bytes.len() < length as usize {
        let at = bytes.len();
        let take = (length as usize - at).min(STEP);
        bytes.resize(at + take, 0);
        mem.read(va + at as u64, bytes.get_mut(at..).unwrap_or(&mut []))?;
    }
    Ok(bytes)
}

/// `NtReadFile`: reads up to `length` bytes from an offset, or from where the file is; on the console, what has been
/// typed; of a pipe or mailslot, what has been written.
///
/// `STATUS_END_OF_FILE` where nothing is left; otherwise as `NtWriteFile`.
#[expect(clippy::too_many_arguments, reason = "NtReadFile has nine")]
fn nt_read_file(
    cx: &mut Cx<'_>, file: Handle, event: Handle, apc_routine: u64, apc_context: u64, iosb: UserPtr<IoStatusBlock>,
    buffer: u64, length: u32, byte_offset: Option<UserPtr<i64>>, key: Option<UserPtr<u32>>,
) -> NtResult {
    let id = cx.file_id(file, &[READ_DATA])?;
    let op = Op::begin(cx, id, event, apc_routine, apc_context, iosb)?;
    cx.mem().probe_write(buffer, length.into())?;
    let (offset, key) = load_place(cx, byte_offset, key)?;
    match cx.file(id)?.target {
        Target::Node(place) => read_node(cx, &Transfer { op, buffer, length, offset, key }, place),
        Target::Console(Stream::Input) | Target::ConsoleBoth => read_console(cx, op, buffer, length),
        Target::Null => op.finish(cx, NtStatus::END_OF_FILE, 0),
        Target::Pipe(end) => pipe::read(cx, op, end, buffer, length),
        Target::Mailslot(slot) => mailslot::read(cx, op, slot, buffer, length),
        _ => Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
    }
}

fn read_console(cx: &mut Cx<'_>, op: Op, buffer: u64, length: u32) -> NtResult {
    let is_pipe = cx.kernel.console.is_pipe;
    if length == 0 && !is_pipe {
        return op.finish(cx, NtStatus::SUCCESS, 0);
    }
    // A pipe's reader waits for something to come, though it takes nothing.
    let left = cx.kernel.console.look().ok_or(Unwind::NeedInput)?.len();
    let bytes = cx.kernel.console.read(length as usize).ok_or(Unwind::NeedInput)?;
    if left == 0 {
        let ended = if is_pipe { NtStatus::PIPE_BROKEN } else { NtStatus::END_OF_FILE };
        return op.finish(cx, ended, 0);
    }
    cx.mem().write(buffer, &bytes)?;
    op.finish(cx, NtStatus::SUCCESS, bytes.len() as u64)
}

fn read_node(cx: &mut Cx<'_>, transfer: &Transfer, place: Place) -> NtResult {
    let (op, id) = (transfer.op, transfer.op.file);
    if cx.node(place)?.is_directory() {
        return Err(NtStatus::INVALID_DEVICE_REQUEST.into());
    }
    let start = transfer.start(cx, place, false)?;
    let file = cx.file(id)?;
    let synchronous = file.is_synchronous();
    transfer.check_alignment(file.options, start)?;
    check_io(&cx.node(place)?.locks, start, transfer.length.into(), (id, transfer.key), false)?;
    let (mut done, mut piece) = (0_u64, vec![0; (transfer.length as usize).min(STEP)]);
    while done < transfer.length.into() {
        let want = (u64::from(transfer.length) - done).min(STEP as u64) as usize;
        let got = cx.read_node(place, start + done, piece.get_mut(..want).unwrap_or(&mut []))?;
        cx.mem().write(transfer.buffer + done, piece.get(..got).unwrap_or(&[]))?;
        done += got as u64;
        if got < want {
            break;
        }
    }
    if done == 0 && transfer.length > 0 {
        return op.finish_later(cx, NtStatus::END_OF_FILE, 0);
    }
    if synchronous {
        cx.file_mut(id)?.position = start + done;
    }
    op.finish_later(cx, NtStatus::SUCCESS, done)
}

/// Checks what both services check, and reads the array of pages: 64-bit addresses, as many as the length needs.
fn pages(cx: &mut Cx<'_>, id: ObjectId, segments: u64, length: u32) -> NtResult<Vec<(u64, usize)>> {
    let file = cx.file(id)?;
    let Target::Node(_) = file.target else { return Err(NtStatus::INVALID_DEVICE_REQUEST.into()) };
    if file.options & option::NO_BUFFERING == 0 || file.is_synchronous() {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if length == 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let (mut pages, mut left) = (Vec::new(), length as usize);
    while left > 0 {
        let at = segments.wrapping_add(8 * pages.len() as u64);
        let page = cx.mem().load(UserPtr::<u64>::new(at))?;
        if page % PAGE_SIZE != 0 {
            return Err(NtStatus::DATATYPE_MISALIGNMENT.into());
        }
        let take = left.min(PAGE_SIZE as usize);
        pages.push((page, take));
        left -= take;
    }
    Ok(pages)
}

/// Where pages go to or come from, which no lock may forbid.
fn paged(cx: &mut Cx<'_>, transfer: &Transfer, append: bool, writes: bool) -> NtResult<(Place, u64)> {
    let id = transfer.op.file;
    let Target::Node(place) = cx.file(id)?.target else { return Err(NtStatus::INVALID_DEVICE_REQUEST.into()) };
    let start = transfer.start(cx, place, append)?;
    transfer.check_alignment(option::NO_BUFFERING, start)?;
    check_io(&cx.node(place)?.locks, start, transfer.length.into(), (id, transfer.key), writes)?;
    Ok((place, start))
}

/// `NtReadFileScatter`: reads into pages of memory.
///
/// As `NtReadFile`; `STATUS_INVALID_PARAMETER` for a file that is buffered or synchronous.
#[expect(clippy::too_many_arguments, reason = "NtReadFileScatter has nine")]
fn nt_read_file_scatter(
    cx: &mut Cx<'_>, file: Handle, event: Handle, apc_routine: u64, apc_context: u64, iosb: UserPtr<IoStatusBlock>,
    segments: u64, length: u32, byte_offset: Option<UserPtr<i64>>, key: Option<UserPtr<u32>>,
) -> NtResult {
    let id = cx.file_id(file, &[READ_DATA])?;
    let op = Op::begin(cx, id, event, apc_routine, apc_context, iosb)?;
    let pages = pages(cx, id, segments, length)?;
    for (page, take) in &pages {
        cx.mem().probe_write(*page, *take as u64)?;
    }
    let (offset, key) = load_place(cx, byte_offset, key)?;
    let transfer = Transfer { op, buffer: 0, length, offset, key };
    let (place, start) = paged(cx, &transfer, false, false)?;
    let mut done = 0;
    for (page, take) in pages {
        let mut bytes = vec![0; take];
        let got = cx.read_node(place, start + done, &mut bytes)?;
        cx.mem().write(page, bytes.get(..got).unwrap_or(&[]))?;
        done += got as u64;
    }
    let status = if done == 0 { NtStatus::END_OF_FILE } else { NtStatus::SUCCESS };
    op.finish_later(cx, status, done)
}

/// `NtWriteFileGather`: writes pages of memory.
///
/// As `NtWriteFile`; `STATUS_INVALID_PARAMETER` for a file that is buffered or synchronous.
#[expect(clippy::too_many_arguments, reason = "NtWriteFileGather has nine")]
fn nt_write_file_gather(
    cx: &mut Cx<'_>, file: Handle, event: Handle, apc_routine: u64, apc_context: u64, iosb: UserPtr<IoStatusBlock>,
    segments: u64, length: u32, byte_offset: Option<UserPtr<i64>>, key: Option<UserPtr<u32>>,
) -> NtResult {
    let any: &[AccessMask] = &[WRITE_DATA, APPEND_DATA];
    let id = cx.file_id(file, any)?;
    let append = !cx.entry_of(file)?.granted.intersects(WRITE_DATA);
    let op = Op::begin(cx, id, event, apc_routine, apc_context, iosb)?;
    let pages = pages(cx, id, segments, length)?;
    let (offset, key) = load_place(cx, byte_offset, key)?;
    let transfer = Transfer { op, buffer: 0, length, offset, key };
    let (place, start) = paged(cx, &transfer, append || offset == Some(TO_END), true)?;
    let mut bytes = Vec::new();
    for (page, take) in pages {
        bytes.extend(read_all(cx, page, take as u32)?);
    }
    cx.write_node(place, start, &bytes)?;
    cx.file_mut(id)?.changed = true;
    op.finish_later(cx, NtStatus::SUCCESS, bytes.len() as u64)
}
