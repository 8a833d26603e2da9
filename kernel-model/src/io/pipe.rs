//! Named pipes: instances with two ends, and what is on its way between them.

use std::collections::BTreeMap;

use guest::types::{IoStatusBlock, ObjectAttributes, StructWriter};
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::create::{Create, Done, Found, find};
use super::file::{Device, FileObject, Target};
use super::name::{Name, key};
use super::pending::{Kind, Op};
use super::pipe_data::{Direction, Queue};
use super::rights;
use crate::cx::Cx;
use crate::ob::{NameToOpen, ObjectId, ObjectType};
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[service!(NtCreateNamedPipeFile => nt_create_named_pipe_file,
    Support::Partial("no descriptors on pipes; only FSCTL_PIPE_LISTEN, _DISCONNECT, _PEEK and _WAIT without waiting"))];

/// One end of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PipeEnd {
    /// The instance.
    pub instance: u32,
    /// The end of whoever made it.
    pub server: bool,
}

impl PipeEnd {
    pub(super) fn other(self) -> Self {
        Self { server: !self.server, ..self }
    }
}

/// `FILE_PIPE_*_STATE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Disconnected = 1,
    Listening = 2,
    Connected = 3,
    Closing = 4,
}

/// An instance of a pipe.
#[derive(Clone, Debug)]
pub struct Instance {
    name: Name,
    pub(super) state: State,
    /// `FILE_PIPE_MESSAGE_TYPE`.
    pub(super) messages: bool,
    /// What the server's end has to read, and the client's.
    pub(super) queues: [Queue; 2],
}

impl Instance {
    /// What one end has to read.
    pub(super) fn queue(&self, server: bool) -> &Queue {
        &self.queues[usize::from(!server)]
    }

    pub(super) fn queue_mut(&mut self, server: bool) -> &mut Queue {
        &mut self.queues[usize::from(!server)]
    }
}

/// What all instances of a name have in common.
#[derive(Clone, Debug)]
struct Shared {
    most: u32,
    messages: bool,
    /// Which way data go: `FILE_SHARE_*` of what clients do.
    share: u32,
    instances: Vec<u32>,
}

/// Every pipe.
#[derive(Clone, Debug, Default)]
pub struct Pipes {
    names: BTreeMap<Name, Shared>,
    pub(super) instances: BTreeMap<u32, Instance>,
    next: u32,
}

/// The longest and the most there may be of each: they are memory of the host's.
const MAX_QUOTA: u32 = 1 << 24;
const MIN_QUOTA: u32 = 0x1000;
const MAX_INSTANCES: usize = 1 << 12;

fn quota(asked: u32) -> usize {
    asked.clamp(MIN_QUOTA, MAX_QUOTA).next_multiple_of(MIN_QUOTA) as usize
}

/// `NtCreateNamedPipeFile`: makes the first or another instance of a pipe, and its server's end.
///
/// `STATUS_INVALID_PARAMETER`, `STATUS_OBJECT_NAME_INVALID`, `STATUS_INSTANCE_NOT_AVAILABLE` (there are as many as there may
/// be), `STATUS_ACCESS_DENIED` (`FILE_CREATE` of one that is there), `STATUS_OBJECT_NAME_NOT_FOUND` (`FILE_OPEN` of none).
#[expect(clippy::too_many_arguments, reason = "NtCreateNamedPipeFile has fourteen")]
fn nt_create_named_pipe_file(
    cx: &mut Cx<'_>, handle: UserPtr<Handle>, desired: AccessMask, attributes: Option<UserPtr<ObjectAttributes>>,
    iosb: UserPtr<IoStatusBlock>, share: u32, disposition: u32, options: u32, pipe_type: u32, read_mode: u32,
    completion_mode: u32, most: u32, inbound: u32, outbound: u32, timeout: Option<UserPtr<i64>>,
) -> NtResult {
    cx.probe_handle(handle)?;
    cx.mem().probe(iosb)?;
    let timeout = timeout.map(|pointer| cx.mem().load(pointer)).transpose()?;
    // Wine's kernelbase says FILE_OVERWRITE_IF where Windows' says FILE_OPEN_IF, and leaves a time-out of 0 as it is.
    let wine = cx.kernel.is_wine_root();
    let disposition = if wine && disposition == 5 { 3 } else { disposition };
    let timeout = timeout.filter(|time| !(wine && *time == 0));
    let wrong = share == 0
        || share & !3 != 0
        || !(1..=3).contains(&disposition)
        || pipe_type > 3
        || read_mode > 1
        || completion_mode > 1
        || pipe_type & 1 == 0 && read_mode == 1
        || most == 0
        || timeout.is_some_and(|time| time >= 0);
    if wrong {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let name = NameToOpen::capture(&mut cx.mem(), attributes)?;
    let (device, path) = match find(cx, &name)? {
        Found::Device(Device::NamedPipe, device, rest) => (Some(device), rest.get(1..).unwrap_or(&[]).to_vec()),
        Found::BelowPipes(path) => (None, path),
        _ => return Err(NtStatus::INVALID_PARAMETER.into()),
    };
    if path.is_empty() {
        return Err(NtStatus::OBJECT_NAME_INVALID.into());
    }
    let granted = cx.grant_new(ObjectType::File, desired)?;
    let server = Queue::new(quota(inbound), read_mode == 1, completion_mode == 1);
    let client = Queue::new(quota(outbound), false, false);
    let messages = pipe_type & 1 != 0;
    let shared = Shared { most, messages, share, instances: Vec::new() };
    let made = add_instance(cx, &path, disposition, shared, [server, client])?;
    let end = PipeEnd { instance: made.0, server: true };
    let full = [&[super::name::SEPARATOR], path.as_slice()].concat();
    let file = FileObject { name: full, device, options, ..FileObject::new(Target::Pipe(end)) };
    let (opened, _) = cx.file_handle(file, granted, name.attributes)?;
    let mut mem = cx.mem();
    mem.store(iosb, &IoStatusBlock { status: 0, information: made.1 as u64 })?;
    mem.store(handle, &opened)?;
    Ok(NtStatus::SUCCESS)
}

/// `FILE_CREATE` and `FILE_OPEN`.
const CREATE: u32 = 2;
const OPEN: u32 = 1;

fn add_instance(
    cx: &mut Cx<'_>, path: &[u16], disposition: u32, new: Shared, queues: [Queue; 2],
) -> NtResult<(u32, Done)> {
    let pipes = &mut cx.kernel.io.pipes;
    if pipes.instances.len() >= MAX_INSTANCES {
        return Err(NtStatus::INSUFFICIENT_RESOURCES.into());
    }
    let name = key(path);
    let known = pipes.names.get(&name);
    match known {
        Some(_) if disposition == CREATE => return Err(NtStatus::ACCESS_DENIED.into()),
        None if disposition == OPEN => return Err(NtStatus::OBJECT_NAME_NOT_FOUND.into()),
        Some(known) if known.instances.len() >= known.most as usize => {
            return Err(NtStatus::INSTANCE_NOT_AVAILABLE.into());
        }
        Some(known) if known.messages != new.messages || known.share != new.share => {
            return Err(NtStatus::ACCESS_DENIED.into());
        }
        _ => {}
    }
    let done = if known.is_some() { Done::Opened } else { Done::Created };
    let id = pipes.next;
    pipes.next = pipes.next.wrapping_add(1);
    let messages = new.messages;
    pipes.names.entry(name.clone()).or_insert(new).instances.push(id);
    pipes.instances.insert(id, Instance { name, state: State::Listening, messages, queues });
    Ok((id, done))
}

/// Opens what a path behind `\Device\NamedPipe` names: the device, its root, or a client's end.
pub(super) fn open(
    cx: &mut Cx<'_>, device: ObjectId, rest: &[u16], name: &NameToOpen, create: &Create,
) -> NtResult<(Handle, Done)> {
    match rest.get(1..).filter(|path| !path.is_empty()) {
        Some(path) => connect(cx, path, name, create),
        None => {
            let granted = cx.grant_by(None, ObjectType::File, create.desired)?;
            super::create::opened(cx, Target::Pipes, device, rest.to_vec(), granted, name, create)
        }
    }
}

/// Opens the client's end of an instance that waits for one.
///
/// `STATUS_OBJECT_NAME_NOT_FOUND`, `STATUS_PIPE_NOT_AVAILABLE` (all are taken), `STATUS_ACCESS_DENIED` (data go the other
/// way).
pub(super) fn connect(cx: &mut Cx<'_>, path: &[u16], name: &NameToOpen, create: &Create) -> NtResult<(Handle, Done)> {
    let granted = cx.grant_by(None, ObjectType::File, create.desired)?;
    let pipes = &cx.kernel.io.pipes;
    let shared = pipes.names.get(&key(path)).ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
    let denied = granted.intersects(rights::READ_DATA) && shared.share & 1 == 0
        || granted.intersects(rights::WRITE_DATA) && shared.share & 2 == 0;
    let maximum = create.desired.intersects(AccessMask::MAXIMUM_ALLOWED);
    if denied && !maximum {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    let listens = |id: &&u32| pipes.instances.get(id).is_some_and(|instance| instance.state == State::Listening);
    let instance = *shared.instances.iter().find(listens).ok_or(NtStatus::PIPE_NOT_AVAILABLE)?;
    let end = PipeEnd { instance, server: false };
    let full = [&[super::name::SEPARATOR], path].concat();
    let file = FileObject { name: full, options: create.options, ..FileObject::new(Target::Pipe(end)) };
    let (handle, _) = cx.file_handle(file, granted, name.attributes)?;
    if let Some(instance) = cx.kernel.io.pipes.instances.get_mut(&instance) {
        instance.state = State::Connected;
        instance.queues.iter_mut().for_each(Queue::clear);
    }
    complete_listeners(cx, end.other(), NtStatus::SUCCESS);
    Ok((handle, Done::Opened))
}

/// Ends what waits for a client.
fn complete_listeners(cx: &mut Cx<'_>, end: PipeEnd, status: NtStatus) {
    while let Some(at) = find_pending(cx, end, |kind| matches!(kind, Kind::Listen)) {
        cx.complete_pending(at, status, 0);
    }
}

/// The first operation of an end that waits so.
pub(super) fn find_pending(cx: &Cx<'_>, end: PipeEnd, wanted: impl Fn(&Kind) -> bool) -> Option<usize> {
    let at_end = |file: ObjectId| matches!(cx.file(file), Ok(FileObject { target: Target::Pipe(e), .. }) if *e == end);
    cx.kernel.io.pending.iter().position(|pending| wanted(&pending.kind) && at_end(pending.op.file))
}

/// `FSCTL_PIPE_LISTEN`: waits for a client.
///
/// `STATUS_PIPE_CONNECTED`, `STATUS_PIPE_CLOSING` (it was there and is gone), `STATUS_PIPE_LISTENING` of one that does not
/// wait, `STATUS_PENDING`, `STATUS_ILLEGAL_FUNCTION` at a client's end.
pub(super) fn listen(cx: &mut Cx<'_>, op: Op, end: PipeEnd) -> NtResult {
    if !end.server {
        return Err(NtStatus::ILLEGAL_FUNCTION.into());
    }
    let instance = cx.kernel.io.pipes.instances.get_mut(&end.instance).ok_or(NtStatus::PIPE_DISCONNECTED)?;
    match instance.state {
        State::Connected => return Err(NtStatus::PIPE_CONNECTED.into()),
        State::Closing => return Err(NtStatus::PIPE_CLOSING.into()),
        State::Disconnected | State::Listening => instance.state = State::Listening,
    }
    if instance.queue(true).nonblocking {
        return Err(NtStatus::PIPE_LISTENING.into());
    }
    op.pend(cx, Kind::Listen)
}

/// `FSCTL_PIPE_DISCONNECT`: the client is cut off, and what it has not read is lost.
///
/// `STATUS_PIPE_LISTENING`, `STATUS_PIPE_DISCONNECTED`, `STATUS_ILLEGAL_FUNCTION` at a client's end.
pub(super) fn disconnect(cx: &mut Cx<'_>, end: PipeEnd) -> NtResult<()> {
    if !end.server {
        return Err(NtStatus::ILLEGAL_FUNCTION.into());
    }
    let instance = cx.kernel.io.pipes.instances.get_mut(&end.instance).ok_or(NtStatus::PIPE_DISCONNECTED)?;
    match instance.state {
        State::Disconnected => return Err(NtStatus::PIPE_DISCONNECTED.into()),
        State::Listening => return Err(NtStatus::PIPE_LISTENING.into()),
        State::Connected | State::Closing => {}
    }
    instance.state = State::Disconnected;
    instance.queues.iter_mut().for_each(Queue::clear);
    for end in [end, end.other()] {
        while let Some(at) = find_pending(cx, end, |kind| matches!(kind, Kind::Read { .. } | Kind::Write { .. })) {
            cx.complete_pending(at, NtStatus::PIPE_DISCONNECTED, 0);
        }
    }
    Ok(())
}

/// An end is closed: the other one reads what is left, and is then told that the pipe is broken.
pub(super) fn closed(cx: &mut Cx<'_>, end: PipeEnd) {
    let Some(instance) = cx.kernel.io.pipes.instances.get_mut(&end.instance) else { return };
    if end.server && matches!(instance.state, State::Disconnected | State::Listening | State::Closing)
        || !end.server && instance.state == State::Closing
    {
        // Nobody else has it.
        let name = instance.name.clone();
        cx.kernel.io.pipes.instances.remove(&end.instance);
        let names = &mut cx.kernel.io.pipes.names;
        if let Some(shared) = names.get_mut(&name) {
            shared.instances.retain(|id| *id != end.instance);
            if shared.instances.is_empty() {
                names.remove(&name);
            }
        }
        return;
    }
    if instance.state != State::Connected {
        return;
    }
    instance.state = State::Closing;
    instance.queue_mut(end.server).clear();
    let other = end.other();
    while let Some(at) = find_pending(cx, other, |kind| matches!(kind, Kind::Write { .. })) {
        cx.complete_pending(at, NtStatus::PIPE_BROKEN, 0);
    }
    while let Some(at) = find_pending(cx, other, |kind| matches!(kind, Kind::Read { .. })) {
        cx.complete_pending(at, NtStatus::PIPE_BROKEN, 0);
    }
}

/// The pipe behind a target.
fn end_of(target: Target) -> NtResult<PipeEnd> {
    match target {
        Target::Pipe(end) => Ok(end),
        _ => Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
    }
}

/// Whether a target is the client's end of a pipe to the host.
fn is_standard(cx: &Cx<'_>, target: Target) -> bool {
    cx.kernel.console.is_pipe && matches!(target, Target::Console(_))
}

/// What such a pipe says of itself: bytes, both ways, one instance, which is connected.
fn standard_pipe(class: &str) -> &'static [u32] {
    const QUOTA: u32 = 0x1000;
    const PLAIN: &[u32] = &[0, 0];
    const LOCAL: &[u32] = &[0, Direction::Duplex as u32, 1, 1, QUOTA, 0, QUOTA, QUOTA, 3, 0];
    if class == "FilePipeInformation" { PLAIN } else { LOCAL }
}

/// `FILE_PIPE_INFORMATION` and `FILE_PIPE_LOCAL_INFORMATION`.
pub(super) fn query(cx: &Cx<'_>, target: Target, class: &str) -> NtResult<Vec<u8>> {
    if is_standard(cx, target) {
        return Ok(standard_pipe(class).iter().copied().flat_map(u32::to_le_bytes).collect());
    }
    let end = end_of(target)?;
    let pipes = &cx.kernel.io.pipes;
    let instance = pipes.instances.get(&end.instance).ok_or(NtStatus::PIPE_DISCONNECTED)?;
    let (own, other) = (instance.queue(end.server), instance.queue(!end.server));
    let fields: Vec<u32> = match class {
        "FilePipeInformation" => vec![own.by_message.into(), own.nonblocking.into()],
        _ => {
            let shared = pipes.names.get(&instance.name).ok_or(NtStatus::PIPE_DISCONNECTED)?;
            // Clients that only write make it inbound, those that only read outbound.
            let configuration = match shared.share {
                2 => Direction::Inbound,
                1 => Direction::Outbound,
                _ => Direction::Duplex,
            };
            let (server, client) = (instance.queue(true), instance.queue(false));
            vec![
                instance.messages.into(),
                configuration as u32,
                shared.most,
                shared.instances.len() as u32,
                server.quota as u32,
                own.bytes() as u32,
                client.quota as u32,
                other.room() as u32,
                instance.state as u32,
                end.server.into(),
            ]
        }
    };
    let out = StructWriter::new(4 * fields.len(), cx.kernel.width());
    Ok(fields.iter().enumerate().fold(out, |out, (i, &field)| out.field(4 * i, 4, field.into())).finish())
}

/// What a pipe's end tells of sizes: what is there to be read, and the quota.
pub(super) fn sizes(cx: &Cx<'_>, target: Target) -> Option<(u64, u64)> {
    let Target::Pipe(end) = target else { return None };
    let queue = cx.kernel.io.pipes.instances.get(&end.instance)?.queue(end.server);
    Some((queue.bytes() as u64, queue.quota as u64))
}

/// Sets an end's read mode and whether it waits.
///
/// `STATUS_INVALID_PARAMETER`.
pub(super) fn set_modes(cx: &mut Cx<'_>, target: Target, read_mode: u32, completion_mode: u32) -> NtResult<()> {
    if is_standard(cx, target) && (read_mode, completion_mode) == (0, 0) {
        return Ok(());
    }
    let end = end_of(target)?;
    let instance = cx.kernel.io.pipes.instances.get_mut(&end.instance).ok_or(NtStatus::PIPE_DISCONNECTED)?;
    if read_mode > 1 || completion_mode > 1 || read_mode == 1 && !instance.messages {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let queue = instance.queue_mut(end.server);
    (queue.by_message, queue.nonblocking) = (read_mode == 1, completion_mode == 1);
    Ok(())
}

/// `FSCTL_PIPE_WAIT`: waits until an instance of a pipe can be connected to.
///
/// `STATUS_OBJECT_NAME_NOT_FOUND`, `STATUS_INVALID_PARAMETER`.
pub(super) fn wait(cx: &mut Cx<'_>, input: &[u8]) -> NtResult<()> {
    // Timeout, NameLength, TimeoutSpecified, Name
    let length = input.get(8..12).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes) as usize;
    let name = input.get(14..14 + length.min(0xffff)).ok_or(NtStatus::INVALID_PARAMETER)?;
    let name: Name = name.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    let pipes = &cx.kernel.io.pipes;
    let shared = pipes.names.get(&key(&name)).ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
    let listens = |id: &u32| pipes.instances.get(id).is_some_and(|instance| instance.state == State::Listening);
    if shared.instances.iter().any(listens) {
        Ok(())
    } else {
        Err(Unwind::unsupported("FSCTL_PIPE_WAIT for a pipe that is busy"))
    }
}

pub(super) use super::pipe_data::{peek, peek_standard, read, write};

/// Whether the other end has read all that an end has written.
pub(super) fn is_read(cx: &Cx<'_>, end: PipeEnd) -> bool {
    cx.kernel.io.pipes.instances.get(&end.instance).is_none_or(|instance| instance.queue(!end.server).bytes() == 0)
}
