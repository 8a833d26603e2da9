//! `PS_ATTRIBUTE_LIST`: what `NtCreateThreadEx` and `NtCreateUserProcess` are told beside their arguments.

use guest::mem::Word;
use guest::{GuestMemory, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::service::NtResult;

/// The most attributes that are looked at.
const MAX_ATTRIBUTES: u64 = 32;

/// `PS_ATTRIBUTE_*`: the number, with the bits that say "of a thread" (10000h), "input" (20000h) and "additive" (40000h).
pub(super) mod attribute {
    pub(crate) const PARENT_PROCESS: u64 = 0x6_0000;
    pub(crate) const DEBUG_OBJECT: u64 = 0x6_0001;
    pub(crate) const TOKEN: u64 = 0x6_0002;
    pub(crate) const CLIENT_ID: u64 = 0x1_0003;
    pub(crate) const TEB_ADDRESS: u64 = 0x1_0004;
    pub(crate) const IMAGE_NAME: u64 = 0x2_0005;
    pub(crate) const IMAGE_INFO: u64 = 0x0_0006;
    pub(crate) const PRIORITY_CLASS: u64 = 0x2_0008;
    pub(crate) const ERROR_MODE: u64 = 0x2_0009;
    pub(crate) const STD_HANDLE_INFO: u64 = 0x2_000a;
    pub(crate) const HANDLE_LIST: u64 = 0x2_000b;
    pub(crate) const JOB_LIST: u64 = 0x2_0013;
}

/// `PS_ATTRIBUTE`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PsAttribute {
    /// One of [`attribute`].
    pub id: u64,
    /// Bytes at, or of, the value.
    pub size: u64,
    /// The value, or where it is.
    pub value: u64,
}

/// Reads a list: its length in bytes, then attributes of four words each (attribute, size, value, where the returned
/// length goes). NULL is an empty one.
///
/// `STATUS_INVALID_PARAMETER` for a length that cannot be, `STATUS_ACCESS_VIOLATION`.
pub(super) fn capture(cx: &mut Cx<'_>, list: u64) -> NtResult<Vec<PsAttribute>> {
    if list == 0 {
        return Ok(Vec::new());
    }
    let word = cx.kernel.width().bytes() as u64;
    let length = cx.mem().load(UserPtr::<Word>::new(list))?.0;
    let count = length.checked_sub(word).map(|bytes| bytes / (4 * word));
    let count = count.filter(|&n| n <= MAX_ATTRIBUTES && length == word + 4 * word * n);
    let mut found = Vec::new();
    for index in 0..count.ok_or(NtStatus::INVALID_PARAMETER)? {
        let at = list.wrapping_add(word * (1 + 4 * index));
        let mut load = |n: u64| cx.mem().load(UserPtr::<Word>::new(at.wrapping_add(n * word)));
        found.push(PsAttribute { id: load(0)?.0, size: load(1)?.0, value: load(2)?.0 });
    }
    Ok(found)
}
