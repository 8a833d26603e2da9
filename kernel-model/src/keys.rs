//! What ties key objects to the rest: changes that are told, waits for them, handles that are closed.

use guest::NtStatus;

use crate::body::Body;
use crate::cm::{Key, KeyId, Post, Waiting};
use crate::kernel::Kernel;
use crate::ob::ObjectId;
use crate::ps::{Apc, ThreadId};

impl Kernel {
    /// Sets or clears an event.
    pub(crate) fn set_event(&mut self, id: ObjectId, signaled: bool) {
        if let Some(Body::Event(event)) = self.ob.get_mut(id).map(|o| &mut o.body) {
            event.signaled = signaled;
        }
    }

    /// The object that a synchronous `NtNotifyChangeKey` waits on.
    pub(crate) fn new_waiter(&mut self, id: KeyId) -> ObjectId {
        self.cm.open(id);
        self.ob.create(Body::Key(Key { waiter: Some(Waiting::Now), ..Key::new(id) }))
    }

    /// Lets go of what a call that waited to be told has: its event is set, its wait ends.
    pub(crate) fn finish_post(&mut self, post: Post, status: NtStatus) {
        if let Some(event) = post.event {
            self.set_event(event, true);
            self.ob.dereference(event);
        }
        if let Some(waiter) = post.waiter {
            if let Some(Body::Key(key)) = self.ob.get_mut(waiter).map(|o| &mut o.body) {
                key.waiter = Some(Waiting::Until(status));
            }
            // The thread that waits on it keeps it until it goes on.
            self.ob.dereference(waiter);
        }
        if let Some((routine, context)) = post.apc.filter(|_| status == NtStatus::NOTIFY_ENUM_DIR) {
            let words = [routine, context, post.status_block.va, 0];
            // A thread that has ended is not told.
            let _ = self.queue_apc(ThreadId(post.thread), Apc { words, special: false, timer: None });
        }
    }

    /// The last handle to a key object was closed: whoever waited by it is told so.
    pub(crate) fn key_closed(&mut self, object: ObjectId) {
        let Some(Body::Key(key)) = self.ob.get_mut(object).map(|o| &mut o.body) else { return };
        let (node, notify) = (key.node, key.notify.take());
        let Some(notify) = notify else { return };
        self.cm.unwatch(node, object);
        notify.posts.into_iter().for_each(|post| self.finish_post(post, NtStatus::NOTIFY_CLEANUP));
    }
}
