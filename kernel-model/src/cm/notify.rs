//! `NtNotifyChangeKey`: being told that a key, or what is below it, has changed.

use guest::types::IoStatusBlock;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::key::access;
use super::node::KeyId;
use crate::body::Body;
use crate::cx::{Cx, ProcessKey};
use crate::ke::Event;
use crate::ob::{ObjectId, WaitBlock, WaitKind, block_on};
use crate::service::{NtResult, Service, Support, Unwind, service};

const GAP: &str = "no Buffer, which Windows does not fill either; one key at a time; no status block of a WOW64 program that does not wait";

pub(crate) const SERVICES: &[Service] = &[
    service!(NtNotifyChangeKey => nt_notify_change_key, Support::Partial(GAP)),
    service!(NtNotifyChangeMultipleKeys => nt_notify_change_multiple_keys, Support::Partial(GAP)),
];

/// `REG_NOTIFY_CHANGE_*`.
pub(super) mod filter {
    pub const NAME: u32 = 1;
    pub const ATTRIBUTES: u32 = 2;
    pub const LAST_SET: u32 = 4;
    pub const SECURITY: u32 = 8;
    pub const ALL: u32 = NAME | ATTRIBUTES | LAST_SET | SECURITY;
    /// `REG_NOTIFY_THREAD_AGNOSTIC`: the wish outlives its thread, as here all do.
    pub const THREAD_AGNOSTIC: u32 = 0x1000_0000;
}

/// `EVENT_MODIFY_STATE`.
const MODIFY_STATE: AccessMask = AccessMask(2);

/// The most calls of one handle that wait to be told. Source: none; Windows' is the pool's.
const MOST_POSTS: usize = 0x1_0000;

/// What one handle is told about. Its first call decides; later ones ask again.
#[derive(Clone, Debug)]
pub struct Notify {
    filter: u32,
    tree: bool,
    /// Something changed while nobody was waiting to be told.
    missed: bool,
    /// Who waits to be told.
    pub(crate) posts: Vec<Post>,
}

/// One call that waits to be told.
#[derive(Clone, Copy, Debug)]
pub struct Post {
    process: ProcessKey,
    /// The caller.
    pub(crate) thread: u32,
    /// Where the status goes: for a 32-bit program of a 64-bit build only while it waits, because wow64.dll's copy of the
    /// block is gone when its call has returned.
    pub(crate) status_block: Option<UserPtr<IoStatusBlock>>,
    /// Routine and context of the APC that is queued to the caller.
    pub(crate) apc: Option<(u64, u64)>,
    /// The event that is set.
    pub(crate) event: Option<ObjectId>,
    /// The object that a synchronous call waits on.
    pub(crate) waiter: Option<ObjectId>,
}

/// `NtNotifyChangeKey`: tells of the next change of a key, or of a key below it. The handle's first call says which
/// changes; one that came between two calls is told at once.
///
/// `STATUS_PENDING` (the event is set later), `STATUS_NOTIFY_ENUM_DIR` (something changed), `STATUS_NOTIFY_CLEANUP` (the
/// handle was closed); `STATUS_INVALID_PARAMETER` for an unknown filter, `STATUS_ACCESS_DENIED` without `KEY_NOTIFY`,
/// `STATUS_INVALID_HANDLE`, `STATUS_KEY_DELETED`, `STATUS_INSUFFICIENT_RESOURCES`.
#[expect(clippy::too_many_arguments, reason = "NtNotifyChangeKey has ten")]
fn nt_notify_change_key(
    cx: &mut Cx<'_>, key: Handle, event: Handle, apc_routine: u64, apc_context: u64,
    status_block: UserPtr<IoStatusBlock>, completion_filter: u32, watch_tree: bool, _buffer: UserPtr<u8>,
    _buffer_size: u32, asynchronous: bool,
) -> NtResult {
    let wanted = completion_filter & !filter::THREAD_AGNOSTIC;
    if wanted & !filter::ALL != 0 || wanted == 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    cx.mem().probe(status_block)?;
    let id = cx.key(key, access::NOTIFY)?;
    let object = cx.entry_of(key)?.object;
    let event = match event {
        Handle::NULL => None,
        handle => Some(cx.reference_id::<Event>(handle, MODIFY_STATE)?),
    };
    let state = Notify { filter: wanted, tree: watch_tree, missed: false, posts: Vec::new() };
    let Some(Body::Key(body)) = cx.kernel.ob.get_mut(object).map(|o| &mut o.body) else {
        return Err(NtStatus::INVALID_HANDLE.into());
    };
    let first = body.notify.is_none();
    let notify = body.notify.get_or_insert_with(|| Box::new(state));
    let (missed, posts) = (std::mem::take(&mut notify.missed), notify.posts.len());
    if first {
        cx.kernel.cm.watches.entry(id).or_default().push(object);
    }
    if let Some(event) = event {
        cx.kernel.set_event(event, missed);
    }
    let waits = !asynchronous;
    if missed {
        let status = NtStatus::NOTIFY_ENUM_DIR;
        cx.mem().store(status_block, &IoStatusBlock { status: status.0, information: 0 })?;
        return Ok(status);
    }
    if posts >= MOST_POSTS {
        return Err(NtStatus::INSUFFICIENT_RESOURCES.into());
    }
    let waiter = if waits { Some(cx.kernel.new_waiter(id)) } else { None };
    event.into_iter().for_each(|event| cx.kernel.ob.reference(event));
    let apc = (apc_routine != 0).then_some((apc_routine, apc_context));
    let (process, thread) = (cx.kernel.ps.process.id, cx.kernel.ps.thread.id.0);
    let status_block = Some(status_block).filter(|_| waits || cx.kernel.ps.process.wow64_peb.is_none());
    let post = Post { process, thread, status_block, apc, event, waiter };
    if let Some(Body::Key(body)) = cx.kernel.ob.get_mut(object).map(|o| &mut o.body) {
        body.notify.iter_mut().for_each(|notify| notify.posts.push(post));
    }
    match waiter {
        Some(waiter) => block_on(cx, WaitBlock { objects: vec![waiter], kind: WaitKind::Any }, false, None),
        None => Ok(NtStatus::PENDING),
    }
}

/// `NtNotifyChangeMultipleKeys`: the same, for a second key too.
///
/// Those of `NtNotifyChangeKey`.
#[expect(clippy::too_many_arguments, reason = "NtNotifyChangeMultipleKeys has twelve")]
fn nt_notify_change_multiple_keys(
    cx: &mut Cx<'_>, key: Handle, count: u32, _subordinate: UserPtr<u8>, event: Handle, apc_routine: u64,
    apc_context: u64, status_block: UserPtr<IoStatusBlock>, completion_filter: u32, watch_tree: bool,
    buffer: UserPtr<u8>, buffer_size: u32, asynchronous: bool,
) -> NtResult {
    if count > 1 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if count == 1 {
        return Err(Unwind::unsupported("SubordinateObjects of NtNotifyChangeMultipleKeys"));
    }
    nt_notify_change_key(
        cx,
        key,
        event,
        apc_routine,
        apc_context,
        status_block,
        completion_filter,
        watch_tree,
        buffer,
        buffer_size,
        asynchronous,
    )
}

impl Cx<'_> {
    /// Tells those who asked that a key has changed.
    pub(super) fn notify_change(&mut self, changed: KeyId, kind: u32) {
        if self.kernel.cm.watches.is_empty() {
            return;
        }
        let mut at = Some(changed);
        while let Some(id) = at {
            let watching = self.kernel.cm.watches.get(&id).cloned().unwrap_or_default();
            watching.into_iter().for_each(|object| self.tell(object, kind, id == changed));
            at = self.kernel.cm.get(id).and_then(|node| node.parent);
        }
    }

    /// Tells those who watch a key that it is gone: whatever they asked for.
    pub(super) fn notify_deleted(&mut self, id: KeyId) {
        let watching = self.kernel.cm.watches.get(&id).cloned().unwrap_or_default();
        watching.into_iter().for_each(|object| self.tell(object, filter::ALL, true));
    }

    fn tell(&mut self, object: ObjectId, kind: u32, own: bool) {
        let Some(Body::Key(key)) = self.kernel.ob.get_mut(object).map(|o| &mut o.body) else { return };
        let Some(notify) = key.notify.as_mut().filter(|n| n.filter & kind != 0 && (own || n.tree)) else { return };
        let posts = std::mem::take(&mut notify.posts);
        notify.missed = posts.is_empty();
        for post in posts {
            let status = NtStatus::NOTIFY_ENUM_DIR;
            // Where the block cannot be written any more, the event is set all the same.
            if let Some(block) = post.status_block {
                let told = IoStatusBlock { status: status.0, information: 0 };
                let _ = self.attached(post.process, |cx| cx.mem().store(block, &told));
            }
            self.kernel.finish_post(post, status);
        }
    }
}
