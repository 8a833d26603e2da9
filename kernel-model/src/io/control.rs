//! `NtFsControlFile`, `NtDeviceIoControlFile`, `NtFlushBuffersFile`, `NtFlushBuffersFileEx`, and cancelling.

use guest::types::{IoStatusBlock, StructWriter};
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::file::Target;
use super::pending::Op;
use super::pipe;
use super::rights::{APPEND_DATA, NONE, READ_DATA, WRITE_DATA};
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, service};

const CODES: &str =
    "the codes that programs use without a driver of their own; others give what a device says that does not know them";

pub(crate) const SERVICES: &[Service] = &[
    service!(NtFsControlFile => nt_fs_control_file, Support::Partial(CODES)),
    service!(NtDeviceIoControlFile => nt_device_io_control_file, Support::Partial(CODES)),
    service!(NtFlushBuffersFile => nt_flush_buffers_file, Support::Full),
    service!(NtFlushBuffersFileEx => nt_flush_buffers_file_ex, Support::Full),
    service!(NtCancelIoFile => nt_cancel_io_file, Support::Full),
    service!(NtCancelIoFileEx => nt_cancel_io_file_ex, Support::Full),
    service!(NtGetDevicePowerState => nt_get_device_power_state, Support::Full),
    service!(NtCancelSynchronousIoFile => nt_cancel_synchronous_io_file, Support::Full),
];

/// `FSCTL_*` and `IOCTL_*`, with their documented names.
mod code {
    pub(super) const PIPE_DISCONNECT: u32 = 0x11_0004;
    pub(super) const PIPE_LISTEN: u32 = 0x11_0008;
    pub(super) const PIPE_PEEK: u32 = 0x11_400c;
    pub(super) const PIPE_TRANSCEIVE: u32 = 0x11_c017;
    pub(super) const PIPE_WAIT: u32 = 0x11_0018;
    pub(super) const IS_VOLUME_MOUNTED: u32 = 0x9_0028;
    pub(super) const GET_COMPRESSION: u32 = 0x9_003c;
    pub(super) const SET_SPARSE: u32 = 0x9_00c4;
    pub(super) const SET_REPARSE_POINT: u32 = 0x9_00a4;
    pub(super) const GET_REPARSE_POINT: u32 = 0x9_00a8;
    pub(super) const DELETE_REPARSE_POINT: u32 = 0x9_00ac;
    pub(super) const SET_ZERO_DATA: u32 = 0x9_80c8;
    pub(super) const QUERY_ALLOCATED_RANGES: u32 = 0x9_40cf;
    pub(super) const GET_LENGTH_INFO: u32 = 0x7_405c;
    pub(super) const GET_DRIVE_GEOMETRY: u32 = 0x7_0000;
    /// `IOCTL_KSEC_RANDOM_FILL_BUFFER` (source: Chromium's sandbox, which opens the device early for it).
    pub(super) const KSEC_RANDOM_FILL_BUFFER: u32 = 0x39_0008;
}

/// A call's buffers.
struct Control {
    op: Op,
    code: u32,
    input: Vec<u8>,
    output: u64,
    output_length: u32,
}

impl Control {
    /// Hands an answer over.
    fn answer(&self, cx: &mut Cx<'_>, bytes: &[u8]) -> NtResult {
        if (self.output_length as usize) < bytes.len() {
            return Err(NtStatus::BUFFER_TOO_SMALL.into());
        }
        cx.mem().write(self.output, bytes)?;
        self.op.finish(cx, NtStatus::SUCCESS, bytes.len() as u64)
    }

    /// A 64-bit number of the input.
    fn word(&self, at: usize) -> NtResult<u64> {
        let bytes = self.input.get(at..at + 8).and_then(|b| b.try_into().ok());
        Ok(bytes.map(u64::from_le_bytes).ok_or(NtStatus::INVALID_PARAMETER)?)
    }
}

/// The longest input: what is longer is no control code's here.
const LONGEST: u32 = 1 << 20;

#[expect(clippy::too_many_arguments, reason = "as the services'")]
fn begin(
    cx: &mut Cx<'_>, file: Handle, event: Handle, apc: u64, context: u64, iosb: UserPtr<IoStatusBlock>, code: u32,
    input: (u64, u32), output: (u64, u32),
) -> NtResult<Control> {
    cx.mem().probe(iosb)?;
    // The code's bits 14 and 15: which right to the file it takes.
    let any: &[AccessMask] = match code >> 14 & 3 {
        0 => &[NONE],
        1 => &[READ_DATA],
        2 => &[WRITE_DATA],
        _ => &[AccessMask(READ_DATA.0 | WRITE_DATA.0)],
    };
    let id = cx.file_id(file, any)?;
    let op = Op::begin(cx, id, event, apc, context, iosb)?;
    if output.1 > 0 {
        cx.mem().probe_write(output.0, output.1.into())?;
    }
    if input.1 > LONGEST {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let input = super::read_write::read_all(cx, input.0, input.1)?;
    Ok(Control { op, code, input, output: output.0, output_length: output.1 })
}

/// `NtFsControlFile`: asks a file system for something: of pipes to wait for, look at and cut off clients; of volumes what
/// NTFS has no other service for.
///
/// `STATUS_INVALID_DEVICE_REQUEST` for a code that the device does not know, `STATUS_NOT_A_REPARSE_POINT`,
/// `STATUS_BUFFER_TOO_SMALL`, `STATUS_INVALID_PARAMETER`, `STATUS_PENDING`; a pipe's statuses.
#[expect(clippy::too_many_arguments, reason = "NtFsControlFile has ten")]
fn nt_fs_control_file(
    cx: &mut Cx<'_>, file: Handle, event: Handle, apc_routine: u64, context: u64, iosb: UserPtr<IoStatusBlock>,
    code: u32, input: u64, input_length: u32, output: u64, output_length: u32,
) -> NtResult {
    let control =
        begin(cx, file, event, apc_routine, context, iosb, code, (input, input_length), (output, output_length))?;
    match cx.file(control.op.file)?.target {
        Target::Pipe(end) => pipe_control(cx, &control, end),
        Target::Pipes if code == code::PIPE_WAIT => {
            pipe::wait(cx, &control.input)?;
            control.op.finish(cx, NtStatus::SUCCESS, 0)
        }
        Target::Node(_) | Target::Volume(_) => volume_control(cx, &control),
        Target::Console(crate::io::Stream::Input) => standard_pipe_control(cx, &control),
        _ => Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
    }
}

/// Of the pipe to the host that is the standard input.
fn standard_pipe_control(cx: &mut Cx<'_>, control: &Control) -> NtResult {
    if control.code != code::PIPE_PEEK || !cx.kernel.console.is_pipe {
        return Err(NtStatus::INVALID_DEVICE_REQUEST.into());
    }
    let (status, bytes) = pipe::peek_standard(cx, control.output_length as usize)?;
    cx.mem().write(control.output, &bytes)?;
    control.op.finish(cx, status, bytes.len() as u64)
}

fn pipe_control(cx: &mut Cx<'_>, control: &Control, end: pipe::PipeEnd) -> NtResult {
    match control.code {
        code::PIPE_LISTEN => pipe::listen(cx, control.op, end),
        code::PIPE_DISCONNECT => {
            pipe::disconnect(cx, end)?;
            control.op.finish(cx, NtStatus::SUCCESS, 0)
        }
        code::PIPE_PEEK => {
            let (status, bytes) = pipe::peek(cx, end, control.output_length as usize)?;
            cx.mem().write(control.output, &bytes)?;
            control.op.finish(cx, status, bytes.len() as u64)
        }
        code::PIPE_TRANSCEIVE => Err(Unwind::unsupported("FSCTL_PIPE_TRANSCEIVE")),
        _ => Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
    }
}

fn volume_control(cx: &mut Cx<'_>, control: &Control) -> NtResult {
    let target = cx.file(control.op.file)?.target;
    match (control.code, target) {
        (code::IS_VOLUME_MOUNTED, _) => control.op.finish(cx, NtStatus::SUCCESS, 0),
        // COMPRESSION_FORMAT_NONE
        (code::GET_COMPRESSION, Target::Node(_)) => control.answer(cx, &[0; 2]),
        (code::GET_REPARSE_POINT | code::DELETE_REPARSE_POINT, Target::Node(_)) => {
            Err(NtStatus::NOT_A_REPARSE_POINT.into())
        }
        (code::SET_REPARSE_POINT, Target::Node(_)) => Err(Unwind::unsupported("FSCTL_SET_REPARSE_POINT")),
        (code::SET_SPARSE, Target::Node(_)) => Err(Unwind::unsupported("FSCTL_SET_SPARSE")),
        (code::SET_ZERO_DATA, Target::Node(place)) => {
            let (start, end) = (control.word(0)?, control.word(8)?);
            let size = cx.stat(place)?.size;
            cx.check_writable(place)?;
            if start > end {
                return Err(NtStatus::INVALID_PARAMETER.into());
            }
            let (mut at, end) = (start, end.min(size));
            while at < end {
                let take = (end - at).min(0x1_0000);
                cx.write_node(place, at, &vec![0; take as usize])?;
                at += take;
            }
            control.op.finish(cx, NtStatus::SUCCESS, 0)
        }
        (code::QUERY_ALLOCATED_RANGES, Target::Node(place)) => {
            let (start, length) = (control.word(0)?, control.word(8)?);
            let end = start.saturating_add(length).min(cx.stat(place)?.size);
            let range =
                StructWriter::new(16, cx.kernel.width()).field(0, 8, start).field(8, 8, end.saturating_sub(start));
            let bytes = if end > start { range.finish() } else { Vec::new() };
            control.answer(cx, &bytes)
        }
        _ => Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
    }
}

/// `NtDeviceIoControlFile`: asks a device for something.
///
/// `STATUS_INVALID_DEVICE_REQUEST` for a code that the device does not know, `STATUS_BUFFER_TOO_SMALL`.
#[expect(clippy::too_many_arguments, reason = "NtDeviceIoControlFile has ten")]
fn nt_device_io_control_file(
    cx: &mut Cx<'_>, file: Handle, event: Handle, apc_routine: u64, context: u64, iosb: UserPtr<IoStatusBlock>,
    code: u32, input: u64, input_length: u32, output: u64, output_length: u32,
) -> NtResult {
    let control =
        begin(cx, file, event, apc_routine, context, iosb, code, (input, input_length), (output, output_length))?;
    let target = cx.file(control.op.file)?.target;
    if (target, control.code) == (Target::Random, code::KSEC_RANDOM_FILL_BUFFER) {
        cx.random_bytes(control.output, control.output_length)?;
        return control.op.finish(cx, NtStatus::SUCCESS, control.output_length.into());
    }
    let Target::Volume(volume) = target else { return Err(NtStatus::INVALID_DEVICE_REQUEST.into()) };
    let capacity = cx.kernel.io.volume(volume)?.capacity;
    match control.code {
        code::GET_LENGTH_INFO => control.answer(cx, &capacity.to_le_bytes()),
        // Cylinders, MediaType (FixedMedia), TracksPerCylinder, SectorsPerTrack, BytesPerSector
        code::GET_DRIVE_GEOMETRY => {
            let (tracks, sectors, bytes) = (255, 63, 512);
            let out = StructWriter::new(24, cx.kernel.width()).field(0, 8, capacity / (tracks * sectors * bytes));
            let out = out.field(8, 4, 12).field(12, 4, tracks).field(16, 4, sectors).field(20, 4, bytes);
            control.answer(cx, &out.finish())
        }
        _ => Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
    }
}

impl Cx<'_> {
    /// Fills a buffer with random bytes, however large it is, a piece at a time.
    ///
    /// `STATUS_ACCESS_VIOLATION`.
    pub(crate) fn random_bytes(&mut self, buffer: u64, length: u32) -> NtResult<()> {
        let (mut at, end) = (0, u64::from(length));
        while at < end {
            let bytes = self.kernel.io.random.bytes((end - at).min(0x1_0000) as usize);
            self.mem().write(buffer.wrapping_add(at), &bytes)?;
            at += bytes.len() as u64;
        }
        Ok(())
    }
}

/// `NtFlushBuffersFile`: writes what is not on the disk yet; for a pipe, waits until the other end has read everything.
///
/// `STATUS_ACCESS_DENIED` without a right to write, `STATUS_INVALID_DEVICE_REQUEST`, `STATUS_MEDIA_WRITE_PROTECTED`.
fn nt_flush_buffers_file(cx: &mut Cx<'_>, file: Handle, iosb: UserPtr<IoStatusBlock>) -> NtResult {
    cx.mem().probe(iosb)?;
    let id = cx.file_id(file, &[WRITE_DATA, APPEND_DATA])?;
    match cx.file(id)?.target {
        Target::Node(place) => {
            cx.check_writable(place)?;
            if let Some(path) = cx.host_path(place)
                && !cx.node(place)?.is_directory()
            {
                cx.folders()?.flush(&path)?;
            }
        }
        Target::Pipe(end) if !pipe::is_read(cx, end) => {
            return Err(Unwind::unsupported("flushing a pipe that is not read yet"));
        }
        Target::Pipe(_) | Target::Volume(_) => {}
        _ => return Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
    }
    cx.mem().store(iosb, &IoStatusBlock::default())?;
    Ok(NtStatus::SUCCESS)
}

/// `NtFlushBuffersFileEx`: the same; the flags say what may be left out, and nothing is.
///
/// As `NtFlushBuffersFile`; `STATUS_INVALID_PARAMETER` for flags that are none.
fn nt_flush_buffers_file_ex(
    cx: &mut Cx<'_>, file: Handle, flags: u32, _parameters: u64, size: u32, iosb: UserPtr<IoStatusBlock>,
) -> NtResult {
    if flags & !0xf != 0 || size != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    nt_flush_buffers_file(cx, file, iosb)
}

/// `NtCancelIoFile`: cancels what the calling thread has under way on a file.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`.
fn nt_cancel_io_file(cx: &mut Cx<'_>, file: Handle, iosb: UserPtr<IoStatusBlock>) -> NtResult {
    cx.mem().probe(iosb)?;
    let id = cx.file_id(file, &[NONE])?;
    let thread = cx.waiter().thread;
    cx.cancel(id, Some(thread), None);
    cx.mem().store(iosb, &IoStatusBlock::default())?;
    Ok(NtStatus::SUCCESS)
}

/// `NtGetDevicePowerState`: whether a device works (`PowerDeviceD0`). All that there are do.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_VIOLATION`.
fn nt_get_device_power_state(cx: &mut Cx<'_>, device: Handle, state: UserPtr<u32>) -> NtResult {
    const WORKS: u32 = 1;
    cx.mem().probe(state)?;
    cx.file_id(device, &[NONE])?;
    cx.mem().store(state, &WORKS)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtCancelSynchronousIoFile`: cancels the operation that a thread waits for in its call, if it is that with a status
/// block.
///
/// `STATUS_NOT_FOUND` if there is none; `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`
/// without `THREAD_TERMINATE`.
fn nt_cancel_synchronous_io_file(
    cx: &mut Cx<'_>, thread: Handle, request: Option<UserPtr<IoStatusBlock>>, iosb: UserPtr<IoStatusBlock>,
) -> NtResult {
    cx.mem().probe(iosb)?;
    let thread = cx.thread_number(thread)?;
    let files = cx.synchronous_operations(thread);
    let wanted = request.map(|request| request.va);
    let cancelled: usize = files.into_iter().map(|file| cx.cancel(file, Some(thread), wanted)).sum();
    if cancelled == 0 {
        return Err(NtStatus::NOT_FOUND.into());
    }
    cx.mem().store(iosb, &IoStatusBlock::default())?;
    Ok(NtStatus::SUCCESS)
}

/// `NtCancelIoFileEx`: cancels what is under way on a file: all of it, or the operation with a status block.
///
/// `STATUS_NOT_FOUND` if there is none; `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`.
fn nt_cancel_io_file_ex(
    cx: &mut Cx<'_>, file: Handle, request: Option<UserPtr<IoStatusBlock>>, iosb: UserPtr<IoStatusBlock>,
) -> NtResult {
    cx.mem().probe(iosb)?;
    let id = cx.file_id(file, &[NONE])?;
    if cx.cancel(id, None, request.map(|request| request.va)) == 0 {
        return Err(NtStatus::NOT_FOUND.into());
    }
    cx.mem().store(iosb, &IoStatusBlock::default())?;
    Ok(NtStatus::SUCCESS)
}
