//! I/O completion ports: `NtCreateIoCompletion`, `NtOpenIoCompletion`, `NtQueryIoCompletion`, `NtSetIoCompletion`,
//! `NtRemoveIoCompletion`, `NtRemoveIoCompletionEx`.

use std::collections::VecDeque;

use guest::mem::{Width, Word};
use guest::types::{IoStatusBlock, ObjectAttributes, StructWriter};
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use crate::body::Body;
use crate::cx::Cx;
use crate::ke::dispatcher::deadline;
use crate::ob::ObjectId;
use crate::service::{Information, NtResult, Service, Support, Wait, WaitOn, class_name, service};

const NO_SECURITY: &str = crate::ob::SECURITY_GAP;

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateIoCompletion => nt_create_io_completion, Support::Partial(NO_SECURITY)),
    service!(NtOpenIoCompletion => nt_open_io_completion, Support::Partial(NO_SECURITY)),
    service!(NtQueryIoCompletion => nt_query_io_completion, Support::Full),
    service!(NtSetIoCompletion => nt_set_io_completion, Support::Full),
    service!(NtRemoveIoCompletion => nt_remove_io_completion, Support::Full),
    service!(NtRemoveIoCompletionEx => nt_remove_io_completion_ex, Support::Full),
];

/// `IO_COMPLETION_QUERY_STATE`.
const QUERY_STATE: AccessMask = AccessMask(1);
/// `IO_COMPLETION_MODIFY_STATE`.
const MODIFY_STATE: AccessMask = AccessMask(2);
/// The most packets a port keeps: each is memory of the host's. Windows charges them to non-paged pool.
const MAX_PACKETS: usize = 1 << 20;

/// What a port says of one completed operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// The key of the file, or whatever was posted.
    pub key: u64,
    /// The operation's context.
    pub context: u64,
    /// How it ended.
    pub status: IoStatusBlock,
}

impl Packet {
    /// `FILE_IO_COMPLETION_INFORMATION`
    pub(crate) fn entry(&self, width: Width) -> Vec<u8> {
        let w = width.bytes();
        let out = StructWriter::new(4 * w, width).word(0, self.key).word(w, self.context);
        out.word(2 * w, self.status.status.into()).word(3 * w, self.status.information).finish()
    }
}

/// Takes up to `count` packets out of a port, if there is room at an address for the entries of those.
///
/// `STATUS_ACCESS_VIOLATION`: none is taken.
pub(crate) fn take_packets(cx: &mut Cx<'_>, port: ObjectId, information: u64, count: u32) -> NtResult<Vec<Packet>> {
    let size = 4 * cx.kernel.width().bytes();
    let Some(Body::IoCompletion(queue)) = cx.kernel.ob.get(port).map(|o| &o.body) else {
        return Err(NtStatus::INVALID_HANDLE.into());
    };
    let take = queue.packets.len().min(count as usize);
    // No more than there is to tell is probed: a count may lie.
    cx.mem().probe_write(information, (take.max(1) * size) as u64)?;
    let Some(Body::IoCompletion(queue)) = cx.kernel.ob.get_mut(port).map(|o| &mut o.body) else {
        return Err(NtStatus::INVALID_HANDLE.into());
    };
    Ok(queue.packets.drain(..take).collect())
}

/// `KQUEUE`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IoCompletion {
    /// What was posted and not yet removed.
    pub packets: VecDeque<Packet>,
}

impl IoCompletion {
    /// `IoSetIoCompletion`.
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn post(&mut self, packet: Packet) -> Result<(), NtStatus> {
        if self.packets.len() >= MAX_PACKETS {
            return Err(NtStatus::INSUFFICIENT_RESOURCES);
        }
        self.packets.push_back(packet);
        Ok(())
    }
}

/// `NtCreateIoCompletion`: creates a completion port, or opens one of that name if `OBJ_OPENIF` allows. How many threads
/// may run at once means nothing while there is one.
///
/// The statuses of creating.
fn nt_create_io_completion(
    cx: &mut Cx<'_>, port_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, _concurrency: u32,
) -> NtResult {
    cx.probe_handle(port_handle)?;
    cx.create_and_store(port_handle, desired_access, object_attributes, Body::IoCompletion(IoCompletion::default()))
}

/// `NtOpenIoCompletion`: opens a named completion port.
///
/// The statuses of opening by name.
fn nt_open_io_completion(
    cx: &mut Cx<'_>, port_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>,
) -> NtResult {
    cx.open_and_store::<IoCompletion>(port_handle, desired_access, object_attributes)
}

/// `NtQueryIoCompletion`: how many packets there are (`IO_COMPLETION_BASIC_INFORMATION`, 32 bits).
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_ACCESS_DENIED` without
/// `IO_COMPLETION_QUERY_STATE`.
fn nt_query_io_completion(
    cx: &mut Cx<'_>, port: Handle, class: u32, buffer: UserPtr<u8>, length: u32, return_length: Option<UserPtr<u32>>,
) -> NtResult {
    class_name("IO_COMPLETION_INFORMATION_CLASS", class)?;
    let out = Information { buffer, length, return_length };
    out.probe(cx, 4)?;
    let depth = cx.reference::<IoCompletion>(port, QUERY_STATE)?.packets.len() as u32;
    out.write(cx, &depth.to_le_bytes())?;
    Ok(NtStatus::SUCCESS)
}

/// `NtSetIoCompletion`: posts a packet.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without
/// `IO_COMPLETION_MODIFY_STATE`, `STATUS_INSUFFICIENT_RESOURCES`.
fn nt_set_io_completion(
    cx: &mut Cx<'_>, port: Handle, key: u64, context: u64, status: u32, information: u64,
) -> NtResult {
    let status = IoStatusBlock { status, information };
    cx.reference::<IoCompletion>(port, MODIFY_STATE)?.post(Packet { key, context, status })?;
    Ok(NtStatus::SUCCESS)
}

/// The thread waits for a packet, and then looks again.
fn wait_for_packet(cx: &mut Cx<'_>, port: ObjectId, alertable: bool, timeout: Option<i64>) -> NtResult {
    let deadline = deadline(&cx.kernel.clock, timeout);
    cx.wait(Wait::new(WaitOn::Again(port.0), deadline, alertable))
}

/// `NtRemoveIoCompletion`: takes the oldest packet, or waits for one.
///
/// `STATUS_TIMEOUT`, `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`.
fn nt_remove_io_completion(
    cx: &mut Cx<'_>, port: Handle, key: UserPtr<Word>, context: UserPtr<Word>, iosb: UserPtr<IoStatusBlock>,
    timeout: Option<UserPtr<i64>>,
) -> NtResult {
    let mut mem = cx.mem();
    mem.probe(key)?;
    mem.probe(context)?;
    mem.probe(iosb)?;
    let timeout = timeout.map(|pointer| mem.load(pointer)).transpose()?;
    let object = cx.reference_id::<IoCompletion>(port, MODIFY_STATE)?;
    let Some(Body::IoCompletion(queue)) = cx.kernel.ob.get_mut(object).map(|o| &mut o.body) else {
        return Err(NtStatus::INVALID_HANDLE.into());
    };
    let Some(packet) = queue.packets.pop_front() else { return wait_for_packet(cx, object, false, timeout) };
    let mut mem = cx.mem();
    mem.store(key, &Word(packet.key))?;
    mem.store(context, &Word(packet.context))?;
    mem.store(iosb, &packet.status)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtRemoveIoCompletionEx`: takes up to `count` packets (`FILE_IO_COMPLETION_INFORMATION` each), or waits for one.
///
/// `STATUS_TIMEOUT`, `STATUS_INVALID_PARAMETER_3` (no count), `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`,
/// `STATUS_ACCESS_DENIED`.
fn nt_remove_io_completion_ex(
    cx: &mut Cx<'_>, port: Handle, information: u64, count: u32, removed: UserPtr<u32>, timeout: Option<UserPtr<i64>>,
    alertable: bool,
) -> NtResult {
    let width = cx.kernel.width();
    if count == 0 {
        return Err(NtStatus::INVALID_PARAMETER_3.into());
    }
    let mut mem = cx.mem();
    mem.probe(removed)?;
    let timeout = timeout.map(|pointer| mem.load(pointer)).transpose()?;
    let object = cx.reference_id::<IoCompletion>(port, MODIFY_STATE)?;
    let packets = take_packets(cx, object, information, count)?;
    if packets.is_empty() {
        cx.mem().store(removed, &0)?;
        return wait_for_packet(cx, object, alertable, timeout);
    }
    let bytes: Vec<u8> = packets.iter().flat_map(|packet| packet.entry(width)).collect();
    let mut mem = cx.mem();
    mem.write(information, &bytes)?;
    mem.store(removed, &(packets.len() as u32))?;
    Ok(NtStatus::SUCCESS)
}
