//! Mailslots: `NtCreateMailslotFile`, and messages to one.

use std::collections::{BTreeMap, VecDeque};

use guest::types::{IoStatusBlock, ObjectAttributes, StructWriter};
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::create::{Create, Done, Found, find};
use super::file::{Device, FileObject, Target};
use super::name::{Name, SEPARATOR, key};
use super::pending::{Kind, Op};
use crate::cx::Cx;
use crate::ob::{NameToOpen, ObjectId, ObjectType};
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[service!(NtCreateMailslotFile => nt_create_mailslot_file,
    Support::Partial("a read waits for ever or not at all; no descriptors on mailslots"))];

/// A mailslot.
#[derive(Clone, Debug)]
struct Slot {
    name: Name,
    /// The longest message; 0: any.
    longest: u32,
    quota: u32,
    /// How long a read waits: negative 100 ns units; 0: not at all; -1: for ever.
    timeout: i64,
    messages: VecDeque<Vec<u8>>,
}

/// Every mailslot.
#[derive(Clone, Debug, Default)]
pub struct Mailslots {
    slots: BTreeMap<u32, Slot>,
    next: u32,
}

/// `MAILSLOT_WAIT_FOREVER`.
const FOR_EVER: i64 = -1;
/// The most bytes that wait in one.
const MOST: usize = 1 << 24;
const MAX_SLOTS: usize = 1 << 12;

/// `NtCreateMailslotFile`: makes a mailslot, to be read.
///
/// `STATUS_OBJECT_NAME_COLLISION`, `STATUS_OBJECT_NAME_INVALID`, the statuses of a name.
#[expect(clippy::too_many_arguments, reason = "NtCreateMailslotFile has eight")]
fn nt_create_mailslot_file(
    cx: &mut Cx<'_>, handle: UserPtr<Handle>, desired: AccessMask, attributes: Option<UserPtr<ObjectAttributes>>,
    iosb: UserPtr<IoStatusBlock>, options: u32, quota: u32, longest: u32, timeout: Option<UserPtr<i64>>,
) -> NtResult {
    cx.probe_handle(handle)?;
    cx.mem().probe(iosb)?;
    let timeout = timeout.map(|pointer| cx.mem().load(pointer)).transpose()?.unwrap_or(FOR_EVER);
    let name = NameToOpen::capture(&mut cx.mem(), attributes)?;
    let Found::Device(Device::Mailslot, device, rest) = find(cx, &name)? else {
        return Err(NtStatus::INVALID_PARAMETER.into());
    };
    if rest.len() < 2 {
        return Err(NtStatus::OBJECT_NAME_INVALID.into());
    }
    let slots = &mut cx.kernel.io.mailslots;
    let path = key(rest.strip_prefix(&[SEPARATOR]).unwrap_or(&rest));
    if slots.slots.values().any(|slot| slot.name == path) {
        return Err(NtStatus::OBJECT_NAME_COLLISION.into());
    }
    if slots.slots.len() >= MAX_SLOTS {
        return Err(NtStatus::INSUFFICIENT_RESOURCES.into());
    }
    let id = slots.next;
    slots.next = slots.next.wrapping_add(1);
    slots.slots.insert(id, Slot { name: path, longest, quota, timeout, messages: VecDeque::new() });
    let file = FileObject { name: rest, device: Some(device), options, ..FileObject::new(Target::Mailslot(id)) };
    let granted = cx.grant_new(ObjectType::File, desired)?;
    let (opened, _) = cx.file_handle(file, granted, name.attributes)?;
    let mut mem = cx.mem();
    mem.store(iosb, &IoStatusBlock { status: 0, information: Done::Created as u64 })?;
    mem.store(handle, &opened)?;
    Ok(NtStatus::SUCCESS)
}

/// Opens what a path behind `\Device\Mailslot` names: the device, or a mailslot to be written.
pub(super) fn open(
    cx: &mut Cx<'_>, device: ObjectId, rest: &[u16], name: &NameToOpen, create: &Create,
) -> NtResult<(Handle, Done)> {
    let granted = cx.grant_by(None, ObjectType::File, create.desired)?;
    let target = match rest.get(1..).filter(|path| !path.is_empty()) {
        None => Target::Mailslots,
        Some(path) => {
            let path = key(path);
            let found = cx.kernel.io.mailslots.slots.iter().find(|(_, slot)| slot.name == path);
            Target::MailslotClient(*found.ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?.0)
        }
    };
    super::create::opened(cx, target, device, rest.to_vec(), granted, name, create)
}

/// Reads one message.
///
/// `STATUS_BUFFER_TOO_SMALL` (the message stays), `STATUS_IO_TIMEOUT`, `STATUS_PENDING`.
pub(super) fn read(cx: &mut Cx<'_>, op: Op, slot: u32, buffer: u64, length: u32) -> NtResult {
    let slot = cx.kernel.io.mailslots.slots.get(&slot).ok_or(NtStatus::INVALID_HANDLE)?;
    let Some(message) = slot.messages.front().cloned() else {
        return match slot.timeout {
            0 => Err(NtStatus::IO_TIMEOUT.into()),
            FOR_EVER | i64::MIN => op.pend(cx, Kind::Read { buffer, length }),
            _ => Err(Unwind::unsupported("a read of a mailslot that waits for a time")),
        };
    };
    if message.len() > length as usize {
        return Err(NtStatus::BUFFER_TOO_SMALL.into());
    }
    cx.mem().write(buffer, &message)?;
    let target = cx.file(op.file)?.target;
    if let Target::Mailslot(slot) = target
        && let Some(slot) = cx.kernel.io.mailslots.slots.get_mut(&slot)
    {
        slot.messages.pop_front();
    }
    op.finish(cx, NtStatus::SUCCESS, message.len() as u64)
}

/// Writes one message.
///
/// `STATUS_INVALID_PARAMETER` for one that is too long, `STATUS_PIPE_BROKEN`-like `STATUS_INVALID_HANDLE` once the mailslot
/// is gone, `STATUS_INSUFFICIENT_RESOURCES`.
pub(super) fn write(cx: &mut Cx<'_>, op: Op, id: u32, bytes: Vec<u8>) -> NtResult {
    let slot = cx.kernel.io.mailslots.slots.get_mut(&id).ok_or(NtStatus::INVALID_HANDLE)?;
    if slot.longest != 0 && bytes.len() > slot.longest as usize {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if slot.messages.iter().map(Vec::len).sum::<usize>() + bytes.len() > MOST {
        return Err(NtStatus::INSUFFICIENT_RESOURCES.into());
    }
    let length = bytes.len() as u64;
    slot.messages.push_back(bytes);
    serve(cx, id);
    op.finish(cx, NtStatus::SUCCESS, length)
}

/// Gives a message to the read that waits longest.
fn serve(cx: &mut Cx<'_>, id: u32) {
    let reads =
        |file: ObjectId| matches!(cx.file(file), Ok(FileObject { target: Target::Mailslot(slot), .. }) if *slot == id);
    let pending = cx.kernel.io.pending.iter().position(|p| matches!(p.kind, Kind::Read { .. }) && reads(p.op.file));
    let Some(at) = pending else { return };
    let Some(&Kind::Read { buffer, length }) = cx.kernel.io.pending.get(at).map(|p| &p.kind) else { return };
    let Some(slot) = cx.kernel.io.mailslots.slots.get_mut(&id) else { return };
    let Some(message) = slot.messages.front() else { return };
    if message.len() > length as usize {
        cx.complete_pending(at, NtStatus::BUFFER_TOO_SMALL, 0);
        return;
    }
    let Some(message) = slot.messages.pop_front() else { return };
    let written = cx.write_pending(at, buffer, &message);
    let status = written.map_or_else(|status| status, |()| NtStatus::SUCCESS);
    cx.complete_pending(at, status, message.len() as u64);
}

/// `FILE_MAILSLOT_QUERY_INFORMATION`.
pub(super) fn query(cx: &Cx<'_>, target: Target) -> NtResult<Vec<u8>> {
    let Target::Mailslot(id) = target else { return Err(NtStatus::INVALID_DEVICE_REQUEST.into()) };
    let slot = cx.kernel.io.mailslots.slots.get(&id).ok_or(NtStatus::INVALID_HANDLE)?;
    // MAILSLOT_NO_MESSAGE
    let next = slot.messages.front().map_or(u32::MAX, |message| message.len() as u32);
    let out = StructWriter::new(24, cx.kernel.width()).field(0, 4, slot.longest.into()).field(4, 4, slot.quota.into());
    let out = out.field(8, 4, next.into()).field(12, 4, slot.messages.len() as u64);
    Ok(out.field(16, 8, slot.timeout.cast_unsigned()).finish())
}

/// `FileMailslotSetInformation`.
pub(super) fn set_timeout(cx: &mut Cx<'_>, target: Target, timeout: i64) -> NtResult<()> {
    let Target::Mailslot(id) = target else { return Err(NtStatus::INVALID_DEVICE_REQUEST.into()) };
    cx.kernel.io.mailslots.slots.get_mut(&id).ok_or(NtStatus::INVALID_HANDLE)?.timeout = timeout;
    Ok(())
}

/// A mailslot is closed by its reader.
pub(super) fn closed(cx: &mut Cx<'_>, id: u32) {
    cx.kernel.io.mailslots.slots.remove(&id);
}
