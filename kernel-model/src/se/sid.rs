//! Security identifiers.

use std::fmt;
use std::str::FromStr;

use guest::{GuestMemory, NtStatus, UserPtr};

use crate::service::NtResult;

/// `SID_MAX_SUB_AUTHORITIES`.
pub const MAX_SUB_AUTHORITIES: usize = 15;
/// `SID_REVISION`.
const REVISION: u8 = 1;
/// Bytes before the subauthorities.
const HEADER: usize = 8;

/// A `SID` of revision 1: who is meant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sid {
    authority: u64,
    count: u8,
    /// Those from `count` on are zero, so that two SIDs are the same when their fields are.
    subs: [u32; MAX_SUB_AUTHORITIES],
}

impl Sid {
    /// A SID from its identifier authority (48 bits) and its first subauthorities, at most 15.
    pub const fn new(authority: u64, parts: &[u32]) -> Self {
        let mut sid =
            Self { authority: authority & 0xffff_ffff_ffff, count: parts.len() as u8, subs: [0; MAX_SUB_AUTHORITIES] };
        if parts.len() > MAX_SUB_AUTHORITIES {
            sid.count = MAX_SUB_AUTHORITIES as u8;
        }
        let mut i = 0;
        while i < sid.count as usize {
            sid.subs[i] = parts[i];
            i += 1;
        }
        sid
    }

    /// The identifier authority.
    pub const fn authority(&self) -> u64 {
        self.authority
    }

    /// The subauthorities.
    pub fn subs(&self) -> &[u32] {
        self.subs.get(..usize::from(self.count)).unwrap_or(&[])
    }

    /// The last subauthority, the relative id.
    pub fn rid(&self) -> Option<u32> {
        self.subs().last().copied()
    }

    /// This SID with one more subauthority; `None` where there is no room.
    pub fn with(mut self, rid: u32) -> Option<Self> {
        *self.subs.get_mut(usize::from(self.count))? = rid;
        self.count += 1;
        Some(self)
    }

    /// `RtlLengthSid`: the bytes it takes.
    pub const fn len(&self) -> usize {
        HEADER + 4 * self.count as usize
    }

    /// Never: a SID takes at least 8 bytes.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// `RtlValidSid`: reads a SID from the front of `bytes`, which may be longer.
    ///
    /// `STATUS_INVALID_SID`: another revision, more than 15 subauthorities, or too few bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, NtStatus> {
        let (header, rest) = bytes.split_at_checked(HEADER).ok_or(NtStatus::INVALID_SID)?;
        let &[REVISION, count, a, b, c, d, e, f] = header else { return Err(NtStatus::INVALID_SID) };
        if usize::from(count) > MAX_SUB_AUTHORITIES {
            return Err(NtStatus::INVALID_SID);
        }
        let parts = rest.get(..4 * usize::from(count)).ok_or(NtStatus::INVALID_SID)?;
        let authority = [a, b, c, d, e, f].iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        let mut sid = Self { authority, count, subs: [0; MAX_SUB_AUTHORITIES] };
        for (sub, part) in sid.subs.iter_mut().zip(parts.chunks_exact(4)) {
            *sub = part.iter().rev().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
        }
        Ok(sid)
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![REVISION, self.count];
        bytes.extend_from_slice(self.authority.to_be_bytes().get(2..).unwrap_or(&[]));
        bytes.extend(self.subs().iter().flat_map(|sub| sub.to_le_bytes()));
        bytes
    }

    /// `SeCaptureSid`: reads a SID from the guest.
    ///
    /// `STATUS_INVALID_SID`, `STATUS_ACCESS_VIOLATION`.
    pub fn capture<M: GuestMemory>(mem: &mut M, pointer: UserPtr<Self>) -> NtResult<Self> {
        let mut bytes = [0; HEADER + 4 * MAX_SUB_AUTHORITIES];
        let mut header = [0; HEADER];
        mem.read(pointer.va, &mut header)?;
        let [_, count, ..] = header;
        if usize::from(count) > MAX_SUB_AUTHORITIES {
            return Err(NtStatus::INVALID_SID.into());
        }
        let bytes = bytes.get_mut(..HEADER + 4 * usize::from(count)).unwrap_or(&mut []);
        mem.read(pointer.va, bytes)?;
        Ok(Self::parse(bytes)?)
    }
}

/// As `RtlConvertSidToUnicodeString` writes it: an authority of more than 32 bits in hexadecimal.
impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.authority >> 32 == 0 {
            write!(f, "S-1-{}", self.authority)?;
        } else {
            write!(f, "S-1-0x{:012x}", self.authority)?;
        }
        self.subs().iter().try_for_each(|sub| write!(f, "-{sub}"))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads `S-1-…`; each number decimal, or hexadecimal after `0x`. `STATUS_INVALID_SID` otherwise.
impl FromStr for Sid {
    type Err = NtStatus;

    fn from_str(text: &str) -> Result<Self, NtStatus> {
        fn number(text: &str) -> Option<u64> {
            match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
                Some(hex) => u64::from_str_radix(hex, 16).ok(),
                None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
                None => None,
            }
        }
        let parse = || {
            let mut parts = text.strip_prefix("S-1-").or(text.strip_prefix("s-1-"))?.split('-').map(number);
            let authority = parts.next()??;
            let subs: Vec<u32> = parts.map(|part| part.and_then(|p| p.try_into().ok())).collect::<Option<_>>()?;
            let fits = authority >> 48 == 0 && (1..=MAX_SUB_AUTHORITIES).contains(&subs.len());
            fits.then(|| Self::new(authority, &subs))
        };
        parse().ok_or(NtStatus::INVALID_SID)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of well-known SIDs as winnt.h and [MS-DTYP] 2.4.2 give them.
    #[test]
    fn a_sid_is_its_bytes_and_its_text() {
        let administrators = [1, 2, 0, 0, 0, 0, 0, 5, 0x20, 0, 0, 0, 0x20, 2, 0, 0];
        let sid = Sid::parse(&administrators).expect("a SID");
        assert_eq!(sid.to_string(), "S-1-5-32-544");
        assert_eq!("S-1-5-32-544".parse(), Ok(sid));
        assert_eq!(sid.to_bytes(), administrators);
        assert_eq!((sid.len(), sid.rid()), (16, Some(544)));
        let odd = Sid::new(0x1000_0000_0002, &[7]);
        assert_eq!(odd.to_string(), "S-1-0x100000000002-7");
        assert_eq!(odd.to_string().parse(), Ok(odd));
    }

    #[test]
    fn what_is_no_sid_is_refused() {
        let bad = Err(NtStatus::INVALID_SID);
        assert_eq!(Sid::parse(&[1, 1, 0, 0, 0, 0, 0]), bad, "no header");
        assert_eq!(Sid::parse(&[1, 1, 0, 0, 0, 0, 0, 5, 1, 0, 0]), bad, "half a subauthority");
        assert_eq!(Sid::parse(&[2, 0, 0, 0, 0, 0, 0, 5]), bad, "another revision");
        let mut long = vec![1, 16, 0, 0, 0, 0, 0, 5];
        long.resize(8 + 64, 0);
        assert_eq!(Sid::parse(&long), bad, "sixteen subauthorities");
        long[1] = 15;
        assert!(Sid::parse(&long).is_ok_and(|sid| sid.subs().len() == 15 && sid.with(1).is_none()));
        for text in ["", "S-1", "S-1-", "S-1-5-", "S-2-5-1", "S-1-5-x", "S-1-5-+1", "S-1-5-4294967296"] {
            assert_eq!(text.parse::<Sid>(), bad, "{text}");
        }
    }
}
