//! Answers with pointers into themselves: structures first, what they point to behind.

use guest::mem::Width;

use crate::se::{Group, Privilege, PrivilegeSet, Sid, Token};

/// An answer that will lie at a known address.
pub(super) struct Layout {
    bytes: Vec<u8>,
    base: u64,
    width: Width,
}

impl Layout {
    /// An answer whose fixed part is `size` zero bytes.
    pub(super) fn new(base: u64, width: Width, size: usize) -> Self {
        Self { bytes: vec![0; size], base, width }
    }

    /// Bytes in a pointer.
    pub(super) fn word(&self) -> usize {
        self.width.bytes()
    }

    /// Stores the low `len` bytes of a number at an offset.
    pub(super) fn put(&mut self, at: usize, len: usize, value: u64) {
        let from = value.to_le_bytes();
        if let (Some(to), Some(from)) = (self.bytes.get_mut(at..at + len), from.get(..len)) {
            to.copy_from_slice(from);
        }
    }

    /// Appends bytes, aligned to 4, and stores their address at an offset.
    pub(super) fn point(&mut self, at: usize, bytes: &[u8]) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let address = self.base.wrapping_add(self.bytes.len() as u64);
        self.put(at, self.word(), address);
        self.bytes.extend_from_slice(bytes);
    }

    /// A pointer to a SID, or NULL.
    pub(super) fn sid(&mut self, at: usize, sid: Option<&Sid>) {
        if let Some(sid) = sid {
            self.point(at, &sid.to_bytes());
        }
    }

    /// A `SID_AND_ATTRIBUTES`.
    pub(super) fn group(&mut self, at: usize, group: &Group) {
        self.put(at + self.word(), 4, group.attributes.bits().into());
        self.sid(at, Some(&group.sid));
    }

    /// Appends an array of `SID_AND_ATTRIBUTES` and what they point to; where it begins, as an address, and the
    /// bytes of all.
    pub(super) fn group_array(&mut self, groups: &[Group]) -> (u64, usize) {
        let start = self.bytes.len().next_multiple_of(self.word());
        let stride = 2 * self.word();
        self.bytes.resize(start + stride * groups.len(), 0);
        for (group, index) in groups.iter().zip(0..) {
            self.group(start + stride * index, group);
        }
        (self.base.wrapping_add(start as u64), self.bytes.len() - start)
    }

    /// Appends an array of `LUID_AND_ATTRIBUTES`; where it begins, and its bytes.
    pub(super) fn privilege_array(&mut self, privileges: &[(Privilege, u32)]) -> (u64, usize) {
        let start = self.bytes.len();
        for (privilege, attributes) in privileges {
            self.bytes.extend(privilege.luid().0.to_le_bytes());
            self.bytes.extend(attributes.to_le_bytes());
        }
        (self.base.wrapping_add(start as u64), self.bytes.len() - start)
    }

    /// The finished bytes.
    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// A `TOKEN_GROUPS`.
pub(super) fn groups(base: u64, width: Width, groups: &[Group]) -> Vec<u8> {
    let mut out = Layout::new(base, width, width.bytes());
    out.put(0, 4, groups.len() as u64);
    out.group_array(groups);
    out.finish()
}

/// A `TOKEN_PRIVILEGES`.
pub(super) fn privileges(list: &[(Privilege, u32)]) -> Vec<u8> {
    let mut out = Layout::new(0, Width::W64, 4);
    out.put(0, 4, list.len() as u64);
    out.privilege_array(list);
    out.finish()
}

/// `SE_PRIVILEGE_ENABLED_BY_DEFAULT`, `SE_PRIVILEGE_ENABLED`, `SE_PRIVILEGE_REMOVED`, `SE_PRIVILEGE_USED_FOR_ACCESS`.
pub(super) const BY_DEFAULT: u32 = 1;
pub(super) const ENABLED: u32 = 2;
pub(super) const REMOVED: u32 = 4;
pub(super) const USED: u32 = 0x8000_0000;

/// Privileges of a token with their attributes.
pub(super) fn with_attributes(token: &Token, set: PrivilegeSet) -> Vec<(Privilege, u32)> {
    let attributes = |p| {
        let bit = |set: PrivilegeSet, bit| if set.contains(p) { bit } else { 0 };
        bit(token.enabled_by_default, BY_DEFAULT) | bit(token.enabled, ENABLED)
    };
    set.iter().map(|p| (p, attributes(p))).collect()
}
