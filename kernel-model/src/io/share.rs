//! Who has a file open, and what they let others do (`SHARE_ACCESS`).

use guest::{AccessMask, NtStatus};

use super::rights;

/// What one open of a file does and shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct OpenShare {
    read: bool,
    write: bool,
    delete: bool,
    share: u32,
}

/// `FILE_SHARE_READ`, `FILE_SHARE_WRITE`, `FILE_SHARE_DELETE`.
const SHARE_READ: u32 = 1;
const SHARE_WRITE: u32 = 2;
const SHARE_DELETE: u32 = 4;

impl OpenShare {
    /// An open with these rights.
    pub fn new(granted: AccessMask, share: u32) -> Self {
        Self {
            read: granted.intersects(AccessMask(rights::READ_DATA.0 | rights::EXECUTE.0)),
            write: granted.intersects(AccessMask(rights::WRITE_DATA.0 | rights::APPEND_DATA.0)),
            delete: granted.intersects(rights::DELETE),
            share,
        }
    }

    /// An open that only looks at attributes minds nobody.
    fn counts(self) -> bool {
        self.read || self.write || self.delete
    }

    fn lets(self, other: Self) -> bool {
        (!other.read || self.share & SHARE_READ != 0)
            && (!other.write || self.share & SHARE_WRITE != 0)
            && (!other.delete || self.share & SHARE_DELETE != 0)
    }
}

/// The opens of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opens(Vec<OpenShare>);

impl Opens {
    /// `IoCheckShareAccess`.
    ///
    /// `STATUS_SHARING_VIOLATION`.
    pub fn check(&self, new: OpenShare) -> Result<(), NtStatus> {
        let fits = |old: &OpenShare| !old.counts() || old.lets(new) && new.lets(*old);
        if !new.counts() || self.0.iter().all(fits) { Ok(()) } else { Err(NtStatus::SHARING_VIOLATION) }
    }

    /// Adds an open.
    pub fn add(&mut self, new: OpenShare) {
        self.0.push(new);
    }

    /// `IoRemoveShareAccess`.
    pub fn remove(&mut self, old: OpenShare) {
        if let Some(at) = self.0.iter().position(|open| *open == old) {
            self.0.swap_remove(at);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody has the file open.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
