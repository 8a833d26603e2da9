//! Key objects: what a handle to a key stands for.

use guest::{AccessMask, Handle, NtStatus};

use super::node::{KeyId, Node};
use super::notify::Notify;
use crate::body::Body;
use crate::cx::Cx;
use crate::ob::{Attributes, ObjectId};
use crate::service::NtResult;

/// `KEY_*` rights.
#[allow(missing_docs)]
pub mod access {
    use guest::AccessMask;

    pub const QUERY_VALUE: AccessMask = AccessMask(0x1);
    pub const SET_VALUE: AccessMask = AccessMask(0x2);
    pub const CREATE_SUB_KEY: AccessMask = AccessMask(0x4);
    pub const ENUMERATE_SUB_KEYS: AccessMask = AccessMask(0x8);
    pub const NOTIFY: AccessMask = AccessMask(0x10);
    pub const CREATE_LINK: AccessMask = AccessMask(0x20);
    pub const READ: AccessMask = AccessMask(0x2_0019);
    pub const WRITE: AccessMask = AccessMask(0x2_0006);
    /// `KEY_WOW64_64KEY` and `KEY_WOW64_32KEY`: no rights, but which view is meant.
    pub const WOW64_64KEY: u32 = 0x100;
    pub const WOW64_32KEY: u32 = 0x200;
}

/// The body of a key object: each handle that is opened by name has one of its own.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub node: KeyId,
    /// What `NtNotifyChangeKey` asked for by it.
    pub notify: Option<Box<Notify>>,
    /// It stands for a synchronous `NtNotifyChangeKey` and not for a handle.
    pub waiter: Option<Waiting>,
}

impl Key {
    /// A key object that is about nothing but the key.
    pub const fn new(node: KeyId) -> Self {
        Self { node, notify: None, waiter: None }
    }

    /// Key objects can be waited on, to no purpose: only a wait for changes is not over at once.
    pub fn signaled(&self) -> bool {
        self.waiter != Some(Waiting::Now)
    }

    /// What a wait on it is answered.
    pub fn answer(&self) -> NtStatus {
        match self.waiter {
            Some(Waiting::Until(status)) => status,
            _ => NtStatus::SUCCESS,
        }
    }
}

/// How far a synchronous `NtNotifyChangeKey` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Its thread waits.
    Now,
    /// Its thread can go on, with this status.
    Until(NtStatus),
}

impl Cx<'_> {
    /// A new key object of a key, with the creator's reference.
    ///
    /// `STATUS_KEY_DELETED`.
    pub(super) fn new_key_object(&mut self, id: KeyId) -> Result<ObjectId, NtStatus> {
        let security = self.kernel.cm.live(id)?.security.clone();
        let object = self.kernel.ob.create(Body::Key(Key::new(id)));
        self.kernel.cm.open(id);
        if let Some(header) = self.kernel.ob.get_mut(object) {
            header.security = Some(security);
        }
        Ok(object)
    }

    /// Opens a key for as much as its descriptor lets the caller.
    ///
    /// `STATUS_ACCESS_DENIED`, `STATUS_KEY_DELETED`, and those of opening a handle.
    pub(super) fn open_key(&mut self, id: KeyId, desired: AccessMask, attributes: Attributes) -> NtResult<Handle> {
        let object = self.new_key_object(id)?;
        let opened = self.open_by_pointer(object, desired, attributes);
        self.kernel.ob.dereference(object);
        opened
    }

    /// Opens a key for just these rights: its creator, and who goes by a privilege, are not checked.
    pub(super) fn open_key_granted(
        &mut self, id: KeyId, granted: AccessMask, attributes: Attributes,
    ) -> NtResult<Handle> {
        let object = self.new_key_object(id)?;
        let opened = self.open_handle(object, granted, attributes);
        self.kernel.ob.dereference(object);
        Ok(opened?)
    }

    /// Whether a key's descriptor gives the caller a right.
    ///
    /// `STATUS_ACCESS_DENIED`.
    pub(super) fn check_key(&mut self, id: KeyId, right: AccessMask) -> NtResult<()> {
        let object = self.new_key_object(id)?;
        let granted = self.grant_existing(object, right);
        self.kernel.ob.dereference(object);
        granted.map(|_| ())
    }

    /// The key that a handle names, which must be there.
    ///
    /// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`, `STATUS_KEY_DELETED`.
    pub(super) fn key(&mut self, handle: Handle, access: AccessMask) -> Result<KeyId, NtStatus> {
        let id = self.reference::<Key>(handle, access)?.node;
        self.kernel.cm.live(id)?;
        Ok(id)
    }

    /// The key that a handle names, to change it: it gets a new time.
    pub(super) fn touch(&mut self, id: KeyId) -> Option<&mut Node> {
        let now = self.now();
        let node = self.kernel.cm.get_mut(id)?;
        node.last_write = now;
        Some(node)
    }

    /// The system time.
    pub(super) fn now(&self) -> u64 {
        let clock = &self.kernel.clock;
        clock.system_time_at(clock.interrupt_time())
    }
}
