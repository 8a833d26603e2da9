//! `NtQueryInformationToken`.

use guest::mem::Width;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::access;
use super::layout::{Layout, groups, privileges, with_attributes};
use crate::cx::Cx;
use crate::ob::{Attributes, ObjectId};
use crate::se::{ElevationType, Group, Level, Privilege, Token, TokenFlags, TokenKind};
use crate::service::{NtResult, Service, Support, Unwind, class_name, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtQueryInformationToken => nt_query_information_token,
    Support::Partial("TokenAuditPolicy, TokenAccessInformation, claims, security attributes and classes after 46 are missing")
)];

const LINKED_TOKEN: u32 = 19;

/// An answer: its bytes, and whether the buffer must have room for a structure of that size (rather than tell how
/// much is missing).
struct Answer {
    bytes: Vec<u8>,
    fixed: bool,
}

/// `NtQueryInformationToken`: what is known of a token, by class.
///
/// `STATUS_INVALID_INFO_CLASS` (the impersonation level of a primary token too), `STATUS_BUFFER_TOO_SMALL` with the
/// length in `*ReturnLength`; `STATUS_INFO_LENGTH_MISMATCH` for the later classes of a fixed size;
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `TOKEN_QUERY` (for
/// `TokenSource`: `TOKEN_QUERY_SOURCE`); `STATUS_NOT_FOUND` without a logon SID; `STATUS_NO_SUCH_LOGON_SESSION` without
/// a linked token.
fn nt_query_information_token(
    cx: &mut Cx<'_>, token: Handle, class: u32, buffer: UserPtr<u8>, length: u32, return_length: UserPtr<u32>,
) -> NtResult {
    let name = class_name("TOKEN_INFORMATION_CLASS", class)?;
    check_build(cx, class)?;
    let width = cx.kernel.width();
    {
        let mut mem = cx.mem();
        mem.probe_write(buffer.va, length.into())?;
        mem.probe(return_length)?;
    }
    let needed = if class == 7 { access::QUERY_SOURCE } else { access::QUERY };
    let (id, _) = cx.token_by_handle(token, needed)?;
    let answer = match class {
        LINKED_TOKEN => Some(Answer { bytes: vec![0; width.bytes()], fixed: true }),
        _ => answer(cx.token(id)?, class, buffer.va, width)?,
    };
    let answer = answer.ok_or_else(|| Unwind::unsupported(format!("TokenInformationClass {name}")))?;
    cx.mem().store(return_length, &(answer.bytes.len() as u32))?;
    if (length as usize) < answer.bytes.len() {
        let status = if answer.fixed { NtStatus::INFO_LENGTH_MISMATCH } else { NtStatus::BUFFER_TOO_SMALL };
        return Err(status.into());
    }
    let bytes = if class == LINKED_TOKEN { linked(cx, id, width)? } else { answer.bytes };
    cx.mem().write(buffer.va, &bytes)?;
    Ok(NtStatus::SUCCESS)
}

/// The last class of each build that brought new ones (phnt, Windows SDK headers).
const LAST_CLASS: &[(u32, u32)] = &[
    (0, 17),
    (6000, 28),
    (9200, 40),
    (9600, 41),
    (10_240, 42),
    (14_393, 43),
    (15_063, 44),
    (17_763, 45),
    (18_362, 46),
    (19_041, 47),
    (22_000, u32::MAX),
];

/// `STATUS_INVALID_INFO_CLASS` for a class that came after the build.
pub(super) fn check_build(cx: &Cx<'_>, class: u32) -> Result<(), NtStatus> {
    let build = cx.kernel.profile.version.2;
    let last = LAST_CLASS.iter().rev().find(|row| build >= row.0).map_or(0, |row| row.1);
    if class <= last { Ok(()) } else { Err(NtStatus::INVALID_INFO_CLASS) }
}

/// A handle to the other half of a split token: to the primary token with `SeTcbPrivilege`, else to one for
/// identification.
fn linked(cx: &mut Cx<'_>, id: ObjectId, width: Width) -> NtResult<Vec<u8>> {
    let this = cx.token(id)?.clone();
    let mut other = *this.linked.clone().ok_or(NtStatus::NO_SUCH_LOGON_SESSION)?;
    if cx.require_privilege(Privilege::TCB).is_err() {
        other.kind = TokenKind::Impersonation(Level::Identification);
    }
    other.id = cx.new_luid();
    other.linked = Some(Box::new(Token { linked: None, ..this }));
    let object = cx.new_token(other);
    let handle = cx.open_by_pointer(object, AccessMask(0xf_01ff), Attributes::empty());
    cx.kernel.ob.dereference(object);
    let mut out = Layout::new(0, width, width.bytes());
    out.put(0, width.bytes(), handle?.0);
    Ok(out.finish())
}

/// The answer of a class; `None` for one that is not supported.
fn answer(token: &Token, class: u32, base: u64, width: Width) -> NtResult<Option<Answer>> {
    if let Some((bytes, fixed)) = number(token, class)? {
        return Ok(Some(Answer { bytes, fixed }));
    }
    let w = width.bytes();
    let list = |list: &[Group]| groups(base, width, list);
    let sid = |sid| {
        let mut out = Layout::new(base, width, w);
        out.sid(0, sid);
        out.finish()
    };
    let one = |group: &Group| {
        let mut out = Layout::new(base, width, 2 * w);
        out.group(0, group);
        out.finish()
    };
    let bytes = match class {
        1 => one(&token.user),
        2 => list(&token.all_groups().collect::<Vec<_>>()),
        3 => privileges(&with_attributes(token, token.privileges)),
        4 => sid(Some(&token.owner)),
        5 => sid(Some(&token.primary_group)),
        6 => {
            let mut out = Layout::new(base, width, w);
            if let Some(dacl) = &token.default_dacl {
                out.point(0, &dacl.to_bytes());
            }
            out.finish()
        }
        11 => list(&token.restricted),
        13 => groups_and_privileges(token, base, width),
        25 => one(&token.label()),
        28 => list(&[token.logon_sid().ok_or(NtStatus::NOT_FOUND)?]),
        30 => list(token.lowbox.as_ref().map_or(&[], |lowbox| &lowbox.capabilities)),
        31 => sid(token.lowbox.as_ref().map(|lowbox| &lowbox.package)),
        // Device groups: there is no domain that could give any.
        37 | 38 => list(&[]),
        // No token has a trust level.
        41 => sid(None),
        // TOKEN_BNO_ISOLATION_INFORMATION: not isolated.
        44 => vec![0; 2 * w],
        _ => return Ok(None),
    };
    Ok(Some(Answer { bytes, fixed: false }))
}

/// The classes without pointers in them: their bytes, and whether a wrong length is an error by itself.
fn number(token: &Token, class: u32) -> NtResult<Option<(Vec<u8>, bool)>> {
    let flag = |flag| u32::from(token.flags.contains(flag));
    let value = match class {
        7 => {
            let mut bytes = token.source.name.to_vec();
            bytes.extend(token.source.id.0.to_le_bytes());
            return Ok(Some((bytes, false)));
        }
        8 => return Ok(Some((kind(token).to_le_bytes().to_vec(), false))),
        9 => {
            let TokenKind::Impersonation(level) = token.kind else { return Err(NtStatus::INVALID_INFO_CLASS.into()) };
            return Ok(Some(((level as u32).to_le_bytes().to_vec(), false)));
        }
        10 => return Ok(Some((statistics(token), false))),
        12 => token.session,
        15 => flag(TokenFlags::SANDBOX_INERT),
        17 => return Ok(Some((token.origin.0.to_le_bytes().to_vec(), true))),
        18 => token.elevation as u32,
        20 => flag(TokenFlags::ELEVATED),
        21 => u32::from(token.flags.contains(TokenFlags::FILTERED) || token.elevation == ElevationType::Limited),
        23 => flag(TokenFlags::VIRTUALIZE_ALLOWED),
        24 => flag(TokenFlags::VIRTUALIZE_ENABLED),
        26 => flag(TokenFlags::UI_ACCESS),
        27 => token.policy,
        29 => token.lowbox.is_some().into(),
        32 => token.lowbox.as_ref().map_or(0, |lowbox| lowbox.number),
        40 => token.is_restricted().into(),
        // TokenPrivateNameSpace, TokenIsAppSilo
        42 | 48 => 0,
        46 => flag(TokenFlags::LESS_PRIVILEGED),
        _ => return Ok(None),
    };
    Ok(Some((value.to_le_bytes().to_vec(), true)))
}

fn kind(token: &Token) -> u32 {
    if token.kind == TokenKind::Primary { 1 } else { 2 }
}

/// `TOKEN_STATISTICS`, 56 bytes in both widths.
fn statistics(token: &Token) -> Vec<u8> {
    let level = if let TokenKind::Impersonation(level) = token.kind { level as u32 } else { 0 };
    let dacl = token.default_dacl.as_ref().map_or(0, |dacl| dacl.to_bytes().len());
    // DynamicCharged: what a token may use for its primary group and default DACL.
    let charged = 0x1000u64;
    let available = charged.saturating_sub((token.primary_group.len() + dacl) as u64);
    let mut out = Layout::new(0, Width::W64, 0x38);
    for (at, len, value) in [
        (0x00, 8, token.id.0),
        (0x08, 8, token.authentication.0),
        (0x10, 8, token.expiration as u64),
        (0x18, 4, kind(token).into()),
        (0x1c, 4, level.into()),
        (0x20, 4, charged),
        (0x24, 4, available),
        (0x28, 4, token.all_groups().count() as u64),
        (0x2c, 4, token.privileges.iter().count() as u64),
        (0x30, 8, token.modified.0),
    ] {
        out.put(at, len, value);
    }
    out.finish()
}

/// `TOKEN_GROUPS_AND_PRIVILEGES`: the user is the first of the SIDs.
fn groups_and_privileges(token: &Token, base: u64, width: Width) -> Vec<u8> {
    let w = width.bytes();
    let row = 8 + w;
    let mut out = Layout::new(base, width, 3 * row + 8);
    let sids: Vec<Group> = [token.user].into_iter().chain(token.all_groups()).collect();
    for (at, list) in [(0, &sids), (row, &token.restricted)] {
        let (address, bytes) = out.group_array(list);
        out.put(at, 4, list.len() as u64);
        out.put(at + 4, 4, bytes as u64);
        out.put(at + 8, w, if list.is_empty() { 0 } else { address });
    }
    let list = with_attributes(token, token.privileges);
    let (address, bytes) = out.privilege_array(&list);
    out.put(2 * row, 4, list.len() as u64);
    out.put(2 * row + 4, 4, bytes as u64);
    out.put(2 * row + 8, w, address);
    out.put(3 * row, 8, token.authentication.0);
    out.finish()
}
