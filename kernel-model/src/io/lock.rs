//! Byte-range locks: `NtLockFile`, `NtUnlockFile`.

use guest::mem::GuestMemory;
use guest::types::IoStatusBlock;
use guest::{AccessMask, Handle, NtStatus, UserPtr};

use super::file::{FileObject, Target};
use super::pending::{Kind, Op};
use super::rights;
use super::volume::Place;
use crate::body::Body;
use crate::cx::Cx;
use crate::ob::ObjectId;
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] =
    &[service!(NtLockFile => nt_lock_file, Support::Full), service!(NtUnlockFile => nt_unlock_file, Support::Full)];

/// A range that is locked (`FILE_LOCK_INFO`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Its first byte.
    pub start: u64,
    /// How many bytes.
    pub length: u64,
    /// Nobody else may read there either.
    pub exclusive: bool,
    /// The file object it was locked by, and the key.
    pub owner: (ObjectId, u32),
}

impl Lock {
    fn last(&self) -> u64 {
        self.start.saturating_add(self.length.saturating_sub(1))
    }

    /// Whether two ranges have a byte in common; one without bytes has none.
    fn overlaps(&self, start: u64, length: u64) -> bool {
        let last = start.saturating_add(length.saturating_sub(1));
        self.length > 0 && length > 0 && self.start <= last && start <= self.last()
    }

    /// Whether a new lock can stand beside this one. One's own exclusive locks refuse, too.
    fn lets(&self, new: &Self) -> bool {
        !self.overlaps(new.start, new.length) || !self.exclusive && !new.exclusive
    }
}

/// Whether bytes can be read (or written) past the locks of others.
///
/// `STATUS_FILE_LOCK_CONFLICT`.
pub(super) fn check_io(
    locks: &[Lock], start: u64, length: u64, owner: (ObjectId, u32), write: bool,
) -> Result<(), NtStatus> {
    let refuses = |lock: &&Lock| lock.overlaps(start, length) && lock.owner != owner && (lock.exclusive || write);
    // A shared lock refuses writes by its owner as well.
    let own = |lock: &&Lock| lock.overlaps(start, length) && !lock.exclusive && write;
    match locks.iter().find(|lock| refuses(lock) || own(lock)) {
        Some(_) => Err(NtStatus::FILE_LOCK_CONFLICT),
        None => Ok(()),
    }
}

/// The file that a lock is about.
fn locked_file(cx: &mut Cx<'_>, handle: Handle) -> NtResult<(ObjectId, Place)> {
    let id = cx.file_id(handle, &[rights::READ_DATA, rights::WRITE_DATA])?;
    match cx.file(id)?.target {
        Target::Node(place) if !cx.node(place)?.is_directory() => Ok((id, place)),
        Target::Node(_) => Err(NtStatus::INVALID_PARAMETER.into()),
        _ => Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
    }
}

fn load_range(cx: &mut Cx<'_>, offset: UserPtr<i64>, length: UserPtr<i64>) -> NtResult<(u64, u64)> {
    let mut mem = cx.mem();
    let (start, length) = (mem.load(offset)?.cast_unsigned(), mem.load(length)?.cast_unsigned());
    if length > 0 && start.checked_add(length - 1).is_none() {
        return Err(NtStatus::INVALID_LOCK_RANGE.into());
    }
    Ok((start, length))
}

/// `NtLockFile`: locks a range for the file object, for writing or against writing. An operation that must wait ends when
/// the range is free.
///
/// `STATUS_LOCK_NOT_GRANTED` with `FailImmediately`, `STATUS_PENDING`, `STATUS_INVALID_LOCK_RANGE`;
/// `STATUS_ACCESS_DENIED` without a right to read or write, `STATUS_INVALID_PARAMETER` for a directory.
#[expect(clippy::too_many_arguments, reason = "NtLockFile has ten")]
fn nt_lock_file(
    cx: &mut Cx<'_>, file: Handle, event: Handle, apc_routine: u64, context: u64, iosb: UserPtr<IoStatusBlock>,
    offset: UserPtr<i64>, length: UserPtr<i64>, key: u32, fail_immediately: bool, exclusive: bool,
) -> NtResult {
    cx.probe_iosb(iosb)?;
    let (start, length) = load_range(cx, offset, length)?;
    let (id, place) = locked_file(cx, file)?;
    let op = Op::begin(cx, id, event, apc_routine, context, iosb)?;
    let lock = Lock { start, length, exclusive, owner: (id, key) };
    let free = cx.node(place)?.locks.iter().all(|old| old.lets(&lock));
    if free {
        cx.node_mut(place)?.locks.push(lock);
        return op.finish(cx, NtStatus::SUCCESS, 0);
    }
    if fail_immediately {
        return Err(NtStatus::LOCK_NOT_GRANTED.into());
    }
    op.pend(cx, Kind::Lock(lock))
}

/// `NtUnlockFile`: unlocks a range that was locked as a whole by the same file object and key.
///
/// `STATUS_RANGE_NOT_LOCKED`, otherwise as `NtLockFile`.
fn nt_unlock_file(
    cx: &mut Cx<'_>, file: Handle, iosb: UserPtr<IoStatusBlock>, offset: UserPtr<i64>, length: UserPtr<i64>, key: u32,
) -> NtResult {
    cx.probe_iosb(iosb)?;
    let (start, length) = load_range(cx, offset, length)?;
    let (id, place) = locked_file(cx, file)?;
    let locks = &mut cx.node_mut(place)?.locks;
    let own = |lock: &Lock| (lock.start, lock.length, lock.owner) == (start, length, (id, key));
    // Exclusive ones go first.
    let at = locks.iter().position(|lock| own(lock) && lock.exclusive).or_else(|| locks.iter().position(own));
    locks.remove(at.ok_or(NtStatus::RANGE_NOT_LOCKED)?);
    cx.retry_locks(place)?;
    cx.store_iosb(iosb, IoStatusBlock::default())?;
    Ok(NtStatus::SUCCESS)
}

impl Cx<'_> {
    /// Drops the locks of a file object that is closed.
    pub(super) fn drop_locks(&mut self, place: Place, owner: ObjectId) -> NtResult<()> {
        let Ok(node) = self.node_mut(place) else { return Ok(()) };
        let before = node.locks.len();
        node.locks.retain(|lock| lock.owner.0 != owner);
        if node.locks.len() == before { Ok(()) } else { self.retry_locks(place) }
    }

    /// Grants what waits and can be granted now, first come first served.
    fn retry_locks(&mut self, place: Place) -> NtResult<()> {
        let mut at = 0;
        while let Some(pending) = self.kernel.io.pending.get(at) {
            let Kind::Lock(lock) = pending.kind else {
                at += 1;
                continue;
            };
            let same = matches!(self.file(lock.owner.0), Ok(FileObject { target: Target::Node(p), .. }) if *p == place);
            if !same || !self.node(place)?.locks.iter().all(|old| old.lets(&lock)) {
                at += 1;
                continue;
            }
            self.node_mut(place)?.locks.push(lock);
            self.complete_pending(at, NtStatus::SUCCESS, 0);
        }
        Ok(())
    }

    /// The object of a file handle that has one of these rights.
    ///
    /// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`.
    pub(super) fn file_id(&mut self, handle: Handle, any: &[AccessMask]) -> Result<ObjectId, NtStatus> {
        let object = self.entry_of(handle)?.object;
        self.reference_either::<FileObject>(handle, any)?;
        Ok(object)
    }

    /// A file object.
    pub(super) fn file(&self, id: ObjectId) -> Result<&FileObject, NtStatus> {
        match self.kernel.ob.get(id).map(|object| &object.body) {
            Some(Body::File(file)) => Ok(file),
            _ => Err(NtStatus::INVALID_HANDLE),
        }
    }

    /// The same, to change it.
    pub(super) fn file_mut(&mut self, id: ObjectId) -> Result<&mut FileObject, NtStatus> {
        match self.kernel.ob.get_mut(id).map(|object| &mut object.body) {
            Some(Body::File(file)) => Ok(file),
            _ => Err(NtStatus::INVALID_HANDLE),
        }
    }
}
