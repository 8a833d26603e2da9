//! What goes through pipes.

use std::collections::VecDeque;

use guest::{GuestMemory, NtStatus};

use super::pending::{Kind, Op};
use super::pipe::{PipeEnd, State, find_pending};
use crate::cx::Cx;
use crate::service::{NtResult, Unwind};

/// `FILE_PIPE_INBOUND` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Inbound = 0,
    Outbound = 1,
    Duplex = 2,
}

/// What one end has to read, and how it reads.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    /// Writes, each what is left of it.
    writes: VecDeque<Vec<u8>>,
    pub quota: usize,
    /// `FILE_PIPE_MESSAGE_MODE`: a read is of one message.
    pub by_message: bool,
    /// `FILE_PIPE_COMPLETE_OPERATION`.
    pub nonblocking: bool,
}

impl Queue {
    pub(super) fn new(quota: usize, by_message: bool, nonblocking: bool) -> Self {
        Self { writes: VecDeque::new(), quota, by_message, nonblocking }
    }

    pub(super) fn clear(&mut self) {
        self.writes.clear();
    }

    pub(super) fn bytes(&self) -> usize {
        self.writes.iter().map(Vec::len).sum()
    }

    pub(super) fn room(&self) -> usize {
        self.quota.saturating_sub(self.bytes())
    }

    /// Copies up to `most` bytes out, and says whether a message is left in part.
    fn look(&self, most: usize) -> (Vec<u8>, bool) {
        if self.by_message {
            let message = self.writes.front().map_or(&[][..], Vec::as_slice);
            let taken = message.get(..most.min(message.len())).unwrap_or(&[]);
            return (taken.to_vec(), taken.len() < message.len());
        }
        (self.writes.iter().flatten().copied().take(most).collect(), false)
    }

    /// Takes bytes that were looked at.
    fn drop_front(&mut self, count: usize) {
        let mut left = count;
        while let Some(front) = self.writes.front_mut() {
            let take = left.min(front.len());
            front.drain(..take);
            left -= take;
            if !front.is_empty() {
                return;
            }
            self.writes.pop_front();
            // An empty message is read by itself.
            if self.by_message || left == 0 {
                return;
            }
        }
    }
}

/// What an end that has nothing to read is told.
fn nothing_left(state: State, nonblocking: bool) -> Option<NtStatus> {
    match state {
        State::Disconnected => Some(NtStatus::PIPE_DISCONNECTED),
        State::Listening => Some(NtStatus::PIPE_LISTENING),
        State::Closing => Some(NtStatus::PIPE_BROKEN),
        State::Connected if nonblocking => Some(NtStatus::PIPE_EMPTY),
        State::Connected => None,
    }
}

/// Reads what an end has, or waits for it.
///
/// `STATUS_PIPE_BROKEN` (the other end is gone), `STATUS_PIPE_DISCONNECTED`, `STATUS_PIPE_LISTENING`, `STATUS_PIPE_EMPTY`,
/// `STATUS_BUFFER_OVERFLOW` (the message is longer; the rest is read next), `STATUS_PENDING`.
pub(super) fn read(cx: &mut Cx<'_>, op: Op, end: PipeEnd, buffer: u64, length: u32) -> NtResult {
    let waits = find_pending(cx, end, |kind| matches!(kind, Kind::Read { .. })).is_some();
    let instance = cx.kernel.io.pipes.instances.get_mut(&end.instance).ok_or(NtStatus::PIPE_DISCONNECTED)?;
    let (state, queue) = (instance.state, instance.queue(end.server));
    if waits || queue.writes.is_empty() {
        return match nothing_left(state, queue.nonblocking) {
            Some(status) => Err(status.into()),
            None => op.pend(cx, Kind::Read { buffer, length }),
        };
    }
    let (bytes, more) = queue.look(length as usize);
    cx.mem().write(buffer, &bytes)?;
    if let Some(instance) = cx.kernel.io.pipes.instances.get_mut(&end.instance) {
        instance.queue_mut(end.server).drop_front(bytes.len());
    }
    pump(cx, end);
    op.finish(cx, if more { NtStatus::BUFFER_OVERFLOW } else { NtStatus::SUCCESS }, bytes.len() as u64)
}

/// Writes to the other end: to who waits there, then into the quota; what is left waits.
///
/// `STATUS_PIPE_CLOSING`, `STATUS_PIPE_DISCONNECTED`, `STATUS_PIPE_LISTENING`, `STATUS_PENDING`.
pub(super) fn write(cx: &mut Cx<'_>, op: Op, end: PipeEnd, bytes: Vec<u8>) -> NtResult {
    let busy = find_pending(cx, end, |kind| matches!(kind, Kind::Write { .. })).is_some();
    let instance = cx.kernel.io.pipes.instances.get_mut(&end.instance).ok_or(NtStatus::PIPE_DISCONNECTED)?;
    match instance.state {
        State::Connected => {}
        State::Closing => return Err(NtStatus::PIPE_CLOSING.into()),
        State::Disconnected => return Err(NtStatus::PIPE_DISCONNECTED.into()),
        State::Listening => return Err(NtStatus::PIPE_LISTENING.into()),
    }
    let (messages, nonblocking) = (instance.messages, instance.queue(end.server).nonblocking);
    if bytes.is_empty() && !messages {
        return op.finish(cx, NtStatus::SUCCESS, 0);
    }
    let length = bytes.len();
    let queue = instance.queue_mut(!end.server);
    if !busy && length <= queue.room() {
        queue.writes.push_back(bytes);
        pump(cx, end.other());
        return op.finish(cx, NtStatus::SUCCESS, length as u64);
    }
    if nonblocking {
        // A message goes whole or not at all.
        let take = if messages || busy { 0 } else { queue.room() };
        if take > 0 {
            queue.writes.push_back(bytes.get(..take).unwrap_or(&[]).to_vec());
            pump(cx, end.other());
        }
        return op.finish(cx, NtStatus::SUCCESS, take as u64);
    }
    let answer = op.pend(cx, Kind::Write { bytes, taken: 0 });
    pump(cx, end.other());
    answer
}

/// Moves what can be moved towards an end: writes that wait into its queue, and its queue to reads that wait.
fn pump(cx: &mut Cx<'_>, end: PipeEnd) {
    while serve_read(cx, end) || take_write(cx, end) {}
}

fn serve_read(cx: &mut Cx<'_>, end: PipeEnd) -> bool {
    let Some(at) = find_pending(cx, end, |kind| matches!(kind, Kind::Read { .. })) else { return false };
    let Some(&Kind::Read { buffer, length }) = cx.kernel.io.pending.get(at).map(|p| &p.kind) else { return false };
    let Some(instance) = cx.kernel.io.pipes.instances.get_mut(&end.instance) else { return false };
    let queue = instance.queue_mut(end.server);
    if queue.writes.is_empty() {
        return false;
    }
    let (bytes, more) = queue.look(length as usize);
    queue.drop_front(bytes.len());
    let written = cx.write_pending(at, buffer, &bytes);
    let status = if more { NtStatus::BUFFER_OVERFLOW } else { NtStatus::SUCCESS };
    let status = written.map_or_else(|failed| failed, |()| status);
    cx.complete_pending(at, status, bytes.len() as u64);
    true
}

fn take_write(cx: &mut Cx<'_>, end: PipeEnd) -> bool {
    let Some(at) = find_pending(cx, end.other(), |kind| matches!(kind, Kind::Write { .. })) else { return false };
    let Some(instance) = cx.kernel.io.pipes.instances.get_mut(&end.instance) else { return false };
    let messages = instance.messages;
    let queue = instance.queue_mut(end.server);
    let room = queue.room();
    let Some(Kind::Write { bytes, taken }) = cx.kernel.io.pending.get_mut(at).map(|p| &mut p.kind) else {
        return false;
    };
    let left = bytes.len() - *taken;
    // A message longer than the quota goes when there is nothing else.
    let take = if messages { if left <= room || queue.writes.is_empty() { left } else { 0 } } else { left.min(room) };
    if take == 0 && left > 0 {
        return false;
    }
    queue.writes.push_back(bytes.get(*taken..*taken + take).unwrap_or(&[]).to_vec());
    *taken += take;
    if *taken == bytes.len() {
        let length = bytes.len() as u64;
        cx.complete_pending(at, NtStatus::SUCCESS, length);
    }
    true
}

/// `FSCTL_PIPE_PEEK`: `FILE_PIPE_PEEK_BUFFER` and as many bytes as there is room for, which stay.
///
/// `STATUS_BUFFER_OVERFLOW` if there are more, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_PIPE_BROKEN`,
/// `STATUS_PIPE_DISCONNECTED`.
pub(super) fn peek(cx: &Cx<'_>, end: PipeEnd, length: usize) -> NtResult<(NtStatus, Vec<u8>)> {
    const HEAD: usize = 16;
    let instance = cx.kernel.io.pipes.instances.get(&end.instance).ok_or(NtStatus::PIPE_DISCONNECTED)?;
    let room = length.checked_sub(HEAD).ok_or(NtStatus::INFO_LENGTH_MISMATCH)?;
    let queue = instance.queue(end.server);
    match instance.state {
        State::Disconnected => return Err(NtStatus::PIPE_DISCONNECTED.into()),
        State::Listening => return Err(NtStatus::INVALID_PIPE_STATE.into()),
        State::Closing if queue.writes.is_empty() => return Err(NtStatus::PIPE_BROKEN.into()),
        _ => {}
    }
    let (bytes, more) = queue.look(room);
    // NamedPipeState, ReadDataAvailable, NumberOfMessages, MessageLength
    let message = if instance.messages { queue.writes.front().map_or(0, Vec::len) } else { 0 };
    let count = if instance.messages { queue.writes.len() } else { 0 };
    let head = [instance.state as u32, queue.bytes() as u32, count as u32, message as u32];
    let mut out: Vec<u8> = head.iter().flat_map(|field| field.to_le_bytes()).collect();
    out.extend(&bytes);
    let over = more || bytes.len() < queue.bytes() && room > 0;
    Ok((if over { NtStatus::BUFFER_OVERFLOW } else { NtStatus::SUCCESS }, out))
}

/// `FSCTL_PIPE_PEEK` of the pipe that is the standard input: waits for the host to have something to look at.
///
/// As [`peek`].
pub(super) fn peek_standard(cx: &mut Cx<'_>, length: usize) -> NtResult<(NtStatus, Vec<u8>)> {
    const HEAD: usize = 16;
    let room = length.checked_sub(HEAD).ok_or(NtStatus::INFO_LENGTH_MISMATCH)?;
    let bytes = cx.kernel.console.look().ok_or(Unwind::NeedInput)?;
    if bytes.is_empty() {
        return Err(NtStatus::PIPE_BROKEN.into());
    }
    let head = [State::Connected as u32, bytes.len() as u32, 0, 0];
    let mut out: Vec<u8> = head.iter().flat_map(|field| field.to_le_bytes()).collect();
    out.extend(bytes.iter().take(room));
    let over = room > 0 && bytes.len() > room;
    Ok((if over { NtStatus::BUFFER_OVERFLOW } else { NtStatus::SUCCESS }, out))
}
