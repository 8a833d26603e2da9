//! Access control lists.

use guest::{AccessMask, GenericMapping, GuestMemory, NtStatus, UserPtr};

use super::ace::{Ace, AceFlags, ace_type};
use super::sid::Sid;
use crate::service::NtResult;

/// `ACL_REVISION` and `ACL_REVISION_DS` (which object entries need).
pub const REVISION: u8 = 2;
/// The revision with object entries.
pub const REVISION_DS: u8 = 4;
const HEADER: usize = 8;

/// An `ACL`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acl {
    /// `AclRevision`: 2 to 4.
    pub revision: u8,
    /// The entries, in order.
    pub aces: Vec<Ace>,
    /// `AclBytesFree`: bytes behind the last entry.
    pub free: u16,
}

impl Default for Acl {
    fn default() -> Self {
        Self { revision: REVISION, aces: Vec::new(), free: 0 }
    }
}

impl Acl {
    /// A list of these entries, of the lowest revision that can hold them.
    pub fn new(aces: Vec<Ace>) -> Self {
        let object = ace_type::COMPOUND..=ace_type::ALARM_OBJECT;
        let callback_object = [0x0b, 0x0c, 0x0f, 0x10];
        let ds = aces.iter().any(|a| object.contains(&a.kind) || callback_object.contains(&a.kind));
        Self { revision: if ds { REVISION_DS } else { REVISION }, aces, free: 0 }
    }

    /// `AclSize`.
    pub fn size(&self) -> usize {
        HEADER + self.aces.iter().map(|ace| ace.to_bytes().len()).sum::<usize>() + usize::from(self.free)
    }

    /// `RtlValidAcl`: reads a list from the front of `bytes`, which may be longer.
    ///
    /// `STATUS_INVALID_ACL`: a revision other than 2 to 4; a size that is no multiple of 4, less than the header or
    /// more than there is; an entry whose size is no multiple of 4, too small for its type or reaches beyond the list;
    /// an entry whose SID is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, NtStatus> {
        let bad = NtStatus::INVALID_ACL;
        let &[revision, _, s0, s1, c0, c1, _, _, ..] = bytes else { return Err(bad) };
        let size = usize::from(u16::from_le_bytes([s0, s1]));
        if !(REVISION..=REVISION_DS).contains(&revision) || size < HEADER || !size.is_multiple_of(4) {
            return Err(bad);
        }
        let mut rest = bytes.get(HEADER..size).ok_or(bad)?;
        let mut aces = Vec::new();
        for _ in 0..u16::from_le_bytes([c0, c1]) {
            let &[_, _, s0, s1, ..] = rest else { return Err(bad) };
            let size = usize::from(u16::from_le_bytes([s0, s1]));
            if size < 4 || !size.is_multiple_of(4) {
                return Err(bad);
            }
            let (ace, after) = rest.split_at_checked(size).ok_or(bad)?;
            aces.push(Ace::parse(ace)?);
            rest = after;
        }
        Ok(Self { revision, free: rest.len() as u16, aces })
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.revision, 0];
        bytes.extend((self.size() as u16).to_le_bytes());
        bytes.extend((self.aces.len() as u16).to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(self.aces.iter().flat_map(Ace::to_bytes));
        bytes.resize(bytes.len() + usize::from(self.free), 0);
        bytes
    }

    /// `SeCaptureAcl`: reads a list from the guest.
    ///
    /// `STATUS_INVALID_ACL`, `STATUS_ACCESS_VIOLATION`, `STATUS_DATATYPE_MISALIGNMENT`.
    pub fn capture<M: GuestMemory>(mem: &mut M, pointer: UserPtr<Self>) -> NtResult<Self> {
        super::descriptor::check_alignment(pointer.va)?;
        let mut header = [0; HEADER];
        mem.read(pointer.va, &mut header)?;
        let [_, _, s0, s1, ..] = header;
        let size = usize::from(u16::from_le_bytes([s0, s1]));
        if size < HEADER {
            return Err(NtStatus::INVALID_ACL.into());
        }
        let mut bytes = vec![0; size];
        mem.read(pointer.va, &mut bytes)?;
        Ok(Self::parse(&bytes)?)
    }

    /// Replaces generic rights by what the type says they stand for, in the entries that are about the object itself.
    pub fn map_generic(&mut self, mapping: &GenericMapping) {
        for ace in self.aces.iter_mut().filter(|ace| ace.is_effective()) {
            if let Some(sid) = ace.sid().copied() {
                *ace = ace.with(ace.mask().map_generic(mapping), sid);
            }
        }
    }

    /// Whether an entry about the object itself names this SID.
    pub fn mentions(&self, sid: &Sid) -> bool {
        self.aces.iter().any(|ace| ace.is_effective() && ace.sid() == Some(sid))
    }

    /// The mandatory label: the level of the first label entry about the object itself, and its policy.
    pub fn label(&self) -> Option<(u32, AccessMask)> {
        let label = self.aces.iter().find(|a| a.kind == ace_type::MANDATORY_LABEL && a.is_effective())?;
        Some((label.sid()?.integrity_level()?, label.mask()))
    }

    /// The entries that are a mandatory label (`LABEL_SECURITY_INFORMATION`), or the others.
    #[must_use]
    pub fn labels(&self, wanted: bool) -> Self {
        let same = |ace: &&Ace| (ace.kind == ace_type::MANDATORY_LABEL) == wanted;
        Self { revision: self.revision, aces: self.aces.iter().filter(same).cloned().collect(), free: 0 }
    }

    /// A list with one label: `policy` against subjects below `level`.
    pub fn of_label(level: u32, policy: u32) -> Self {
        let sid = Sid::integrity(level);
        Self::new(vec![Ace::new(ace_type::MANDATORY_LABEL, AceFlags::empty(), AccessMask(policy), sid)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D:(A;;0x1;;;SY) byte by byte, by the structures of winnt.h.
    const ONE: [u8; 28] = [
        2, 0, 28, 0, 1, 0, 0, 0, // ACL: revision, size, count
        0, 0, 20, 0, 1, 0, 0, 0, // ACE: type, flags, size, mask
        1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0, // S-1-5-18
    ];

    #[test]
    fn a_list_is_its_bytes() {
        let acl = Acl::parse(&ONE).expect("a list");
        assert_eq!(acl, Acl::new(vec![Ace::allow(1, Sid::LOCAL_SYSTEM)]));
        assert_eq!(acl.to_bytes(), ONE);
        let mut roomy = ONE.to_vec();
        roomy[2] = 32;
        roomy.extend([0; 4]);
        let acl = Acl::parse(&roomy).expect("a list with room");
        assert_eq!((acl.free, acl.to_bytes()), (4, roomy));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for (at, value, why) in [
            (0, 1, "revision 1"),
            (0, 5, "revision 5"),
            (2, 7, "smaller than its header"),
            (2, 27, "odd size"),
            (2, 32, "longer than there is"),
            (2, 24, "shorter than its entry"),
            (4, 2, "more entries than there are"),
            (10, 0, "an entry of no size: it would never end"),
            (10, 18, "an entry of odd size"),
            (10, 16, "an entry too short for its SID"),
            (10, 24, "an entry beyond the list"),
            (16, 2, "SID revision"),
            (17, 2, "a SID beyond its entry"),
            (17, 255, "a SID far too long"),
        ] {
            let mut bytes = ONE;
            bytes[at] = value;
            assert_eq!(Acl::parse(&bytes), Err(NtStatus::INVALID_ACL), "{why}");
        }
        for len in 0..ONE.len() {
            assert_eq!(Acl::parse(&ONE[..len]), Err(NtStatus::INVALID_ACL), "{len} bytes");
        }
    }
}
