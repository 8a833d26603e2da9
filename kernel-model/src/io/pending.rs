//! Operations: how one begins, ends at once or later, and is cancelled (an `IRP`, as far as it shows).

use guest::types::IoStatusBlock;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::completion::{IoCompletion, Packet};
use super::lock::Lock;
use crate::body::Body;
use crate::cx::{Cx, ProcessKey};
use crate::ke::Event;
use crate::ob::{ObjectId, WaitBlock, WaitKind, block_on};
use crate::service::NtResult;

/// `EVENT_MODIFY_STATE`.
const MODIFY_STATE: AccessMask = AccessMask(2);
/// `FILE_SKIP_COMPLETION_PORT_ON_SUCCESS`.
const SKIP_PORT: u32 = 1;
/// `FILE_SKIP_SET_EVENT_ON_HANDLE`.
const SKIP_HANDLE: u32 = 2;
/// Bytes of a 32-bit `IO_STATUS_BLOCK`.
const NARROW_IOSB: u64 = 8;
/// The most operations that may be under way: each is memory of the host's.
const MAX_PENDING: usize = 1 << 16;

/// What an operation was called with, whatever it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    pub file: ObjectId,
    pub event: Option<ObjectId>,
    /// `ApcRoutine`, or 0.
    apc: u64,
    pub context: u64,
    pub iosb: UserPtr<IoStatusBlock>,
    /// The status block is a 32-bit program's own, on a 64-bit kernel.
    narrow: bool,
}

/// What an operation waits for.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A lock.
    Lock(Lock),
    /// A change in a directory: where the answer goes.
    Notify { buffer: u64, length: u32 },
    /// Bytes: where they go.
    Read { buffer: u64, length: u32 },
    /// Room for bytes, of which so many have been taken.
    Write { bytes: Vec<u8>, taken: usize },
    /// Somebody who connects.
    Listen,
}

/// An operation that is under way.
#[derive(Clone, Debug)]
pub struct Pending {
    pub(super) op: Op,
    pub(super) kind: Kind,
    /// The thread that began it, and its process, into whose memory the answer goes.
    thread: u32,
    process: ProcessKey,
}

impl Pending {
    /// The event that it holds on to.
    pub(crate) fn event(&self) -> Option<ObjectId> {
        self.op.event
    }
}

impl Op {
    /// Checks what every operation checks once its file is known: status block, event, APC.
    ///
    /// `STATUS_ACCESS_VIOLATION`, `STATUS_INVALID_PARAMETER` for a routine where the file has a port.
    pub(super) fn begin(
        cx: &mut Cx<'_>, file: ObjectId, event: Handle, apc: u64, context: u64, iosb: UserPtr<IoStatusBlock>,
    ) -> NtResult<Self> {
        cx.probe_iosb(iosb)?;
        let event = match event {
            Handle::NULL => None,
            handle => {
                let id = cx.reference_id::<Event>(handle, MODIFY_STATE)?;
                cx.reset_event(id);
                Some(id)
            }
        };
        let open = cx.file(file)?;
        let (synchronous, has_port) = (open.is_synchronous(), open.port.is_some());
        if apc != 0 && has_port {
            return Err(NtStatus::INVALID_PARAMETER.into());
        }
        let own = if synchronous { None } else { cx.narrow_iosb(iosb) };
        Ok(Self { file, event, apc, context, iosb: own.unwrap_or(iosb), narrow: own.is_some() })
    }

    /// Writes the status block.
    fn store(&self, cx: &mut Cx<'_>, block: IoStatusBlock) -> NtResult<()> {
        if !self.narrow {
            return cx.store_iosb(self.iosb, block);
        }
        let words = [block.status, block.information as u32].map(u32::to_le_bytes);
        Ok(cx.mem().write(self.iosb.va, words.as_flattened())?)
    }

    /// Tells of the end: the routine is queued to the thread that began the operation, or the port is told.
    fn tell(&self, cx: &mut Cx<'_>, thread: u32, block: IoStatusBlock) {
        if self.apc == 0 {
            return cx.post_completion(self.file, self.context, block);
        }
        cx.kernel.queue_io_apc(thread, [self.apc, self.context, self.iosb.va, 0]);
    }

    /// Completes the operation: the status block, the event, and, if it `tells`, the routine or the port.
    fn complete(&self, cx: &mut Cx<'_>, status: NtStatus, information: u64, tells: bool) -> NtResult<()> {
        let block = IoStatusBlock { status: status.0, information };
        self.store(cx, block)?;
        if let Some(event) = self.event {
            cx.set_event(event);
        }
        cx.file_mut(self.file)?.signaled = true;
        if tells {
            let thread = cx.kernel.ps.thread.id.0;
            self.tell(cx, thread, block);
        }
        Ok(())
    }

    /// The same at once.
    pub(super) fn finish(self, cx: &mut Cx<'_>, status: NtStatus, information: u64) -> NtResult {
        let skips = self.apc == 0 && cx.file(self.file)?.notification & SKIP_PORT != 0;
        self.complete(cx, status, information, !status.is_error() && !skips)?;
        Ok(status)
    }

    /// The same for a file that is not synchronous, whose operations are all told to be under way.
    pub(super) fn finish_later(self, cx: &mut Cx<'_>, status: NtStatus, information: u64) -> NtResult {
        let ends = status == NtStatus::SUCCESS || status == NtStatus::END_OF_FILE;
        if !ends || cx.file(self.file)?.is_synchronous() {
            return self.finish(cx, status, information);
        }
        self.complete(cx, status, information, true)?;
        Ok(NtStatus::PENDING)
    }

    /// Leaves the operation under way; a synchronous file's thread waits for its end.
    ///
    /// `STATUS_PENDING`, `STATUS_INSUFFICIENT_RESOURCES`.
    pub(super) fn pend(self, cx: &mut Cx<'_>, kind: Kind) -> NtResult {
        if cx.kernel.io.pending.len() >= MAX_PENDING {
            return Err(NtStatus::INSUFFICIENT_RESOURCES.into());
        }
        let thread = cx.waiter().thread;
        let synchronous = cx.file(self.file)?.is_synchronous();
        if let Some(event) = self.event {
            cx.kernel.ob.reference(event);
        }
        let process = cx.kernel.ps.process.id;
        cx.kernel.io.pending.push(Pending { op: self, kind, thread, process });
        let file = cx.file_mut(self.file)?;
        file.signaled = false;
        if !synchronous {
            return Ok(NtStatus::PENDING);
        }
        file.awaited = Some((thread, NtStatus::PENDING));
        block_on(cx, WaitBlock { objects: vec![self.file], kind: WaitKind::Any }, false, None)
    }
}

impl Cx<'_> {
    pub(super) fn set_event(&mut self, id: ObjectId) {
        if let Some(Body::Event(event)) = self.kernel.ob.get_mut(id).map(|object| &mut object.body) {
            event.set();
        }
    }

    pub(super) fn reset_event(&mut self, id: ObjectId) {
        if let Some(Body::Event(event)) = self.kernel.ob.get_mut(id).map(|object| &mut object.body) {
            event.reset();
        }
    }

    /// Tells a file's port of an operation that has a context.
    fn post_completion(&mut self, file: ObjectId, context: u64, status: IoStatusBlock) {
        let Some((port, key)) = self.file(file).ok().and_then(|file| file.port).filter(|_| context != 0) else {
            return;
        };
        if let Some(Body::IoCompletion(queue)) = self.kernel.ob.get_mut(port).map(|object| &mut object.body) {
            let queue: &mut IoCompletion = queue;
            // A port that is full loses it: Windows would have no memory either.
            let _ = queue.post(Packet { key, context, status });
        }
    }

    /// Acts on the memory of a process; not where that has ended.
    fn in_memory_of<T>(&mut self, process: ProcessKey, act: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let lives = self.kernel.ps.get(process).is_some_and(|process| process.exit_status == NtStatus::PENDING);
        lives.then(|| self.attached(process, act))
    }

    /// Writes where an operation that is under way wants its answer: into the memory of the process that began it.
    ///
    /// `STATUS_ACCESS_VIOLATION`, `STATUS_PROCESS_IS_TERMINATING`.
    pub(super) fn write_pending(&mut self, at: usize, buffer: u64, bytes: &[u8]) -> Result<(), NtStatus> {
        let process = self.kernel.io.pending.get(at).ok_or(NtStatus::INVALID_PARAMETER)?.process;
        let written = self.in_memory_of(process, |cx| cx.mem().write(buffer, bytes));
        written.ok_or(NtStatus::PROCESS_IS_TERMINATING)?.map_err(|fault| fault.status())
    }

    /// Ends an operation that was under way.
    pub(super) fn complete_pending(&mut self, at: usize, status: NtStatus, information: u64) {
        if at >= self.kernel.io.pending.len() {
            return;
        }
        let Pending { op, thread, process, .. } = self.kernel.io.pending.remove(at);
        let block = IoStatusBlock { status: status.0, information };
        // Whoever has freed its status block is not told.
        let _ = self.in_memory_of(process, |cx| op.store(cx, block));
        if let Some(event) = op.event {
            self.set_event(event);
            self.kernel.ob.dereference(event);
        }
        if let Ok(file) = self.file_mut(op.file) {
            if file.notification & SKIP_HANDLE == 0 || op.event.is_none() {
                file.signaled = true;
            }
            if file.awaited == Some((thread, NtStatus::PENDING)) {
                file.awaited = Some((thread, status));
            }
        }
        op.tell(self, thread, block);
    }

    /// Cancels operations of a file: all of a thread's, all, or that with a status block; how many there were.
    pub(super) fn cancel(&mut self, file: ObjectId, thread: Option<u32>, iosb: Option<u64>) -> usize {
        let mut count = 0;
        while let Some(at) = self.kernel.io.pending.iter().position(|pending| {
            pending.op.file == file
                && thread.is_none_or(|thread| pending.thread == thread)
                && iosb.is_none_or(|iosb| pending.op.iosb.va == iosb)
        }) {
            self.complete_pending(at, NtStatus::CANCELLED, 0);
            count += 1;
        }
        count
    }
}

impl Cx<'_> {
    /// The synchronous files on which a thread has an operation under way.
    pub(super) fn synchronous_operations(&self, thread: u32) -> Vec<ObjectId> {
        let own = self.kernel.io.pending.iter().filter(|pending| pending.thread == thread);
        own.map(|pending| pending.op.file).filter(|file| self.file(*file).is_ok_and(|f| f.is_synchronous())).collect()
    }

    /// Whether there is no status block where Wine's DLLs may leave it out: where nothing is to be told.
    fn has_no_iosb(&self, iosb: UserPtr<IoStatusBlock>) -> bool {
        iosb.is_null() && self.kernel.is_wine_root()
    }

    /// Checks that a status block can be written.
    pub(crate) fn probe_iosb(&mut self, iosb: UserPtr<IoStatusBlock>) -> NtResult<()> {
        if self.has_no_iosb(iosb) { Ok(()) } else { Ok(self.mem().probe(iosb)?) }
    }

    /// The status block of a 32-bit program on a 64-bit kernel, whose form of it on wow64.dll's stack has its address: what
    /// ends later is told to the program itself.
    fn narrow_iosb(&mut self, iosb: UserPtr<IoStatusBlock>) -> Option<UserPtr<IoStatusBlock>> {
        self.kernel.ps.process.wow64_peb?;
        let mut mem = self.mem();
        let own = mem.load(UserPtr::<u64>::new(iosb.va)).ok().filter(|own| (1..1 << 32).contains(own))?;
        mem.probe_write(own, NARROW_IOSB).ok()?;
        Some(UserPtr::new(own))
    }

    /// Writes a status block.
    pub(crate) fn store_iosb(&mut self, iosb: UserPtr<IoStatusBlock>, block: IoStatusBlock) -> NtResult<()> {
        if self.has_no_iosb(iosb) { Ok(()) } else { Ok(self.mem().store(iosb, &block)?) }
    }
}
