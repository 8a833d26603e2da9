//! Impersonation, and comparing tokens.

use guest::mem::Word;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::layout::USED;
use super::{access, read};
use crate::cx::Cx;
use crate::ob::ObjectId;
use crate::ps::{ThreadId, ThreadObject};
use crate::se::{Group, Level, Luid, Privilege, Token, TokenKind};
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtImpersonateAnonymousToken => nt_impersonate_anonymous_token, Support::Full),
    service!(NtCompareTokens => nt_compare_tokens, Support::Full),
    service!(NtPrivilegeCheck => nt_privilege_check, Support::Full),
];

/// `THREAD_SET_THREAD_TOKEN` and `THREAD_IMPERSONATE`.
const SET_THREAD_TOKEN: AccessMask = AccessMask(0x80);
const IMPERSONATE: AccessMask = AccessMask(0x100);

/// `NtImpersonateAnonymousToken`: a thread impersonates nobody.
///
/// `STATUS_ACCESS_DENIED` (a restricted process too), `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`.
fn nt_impersonate_anonymous_token(cx: &mut Cx<'_>, thread: Handle) -> NtResult {
    let thread = cx.reference::<ThreadObject>(thread, IMPERSONATE)?.id;
    if cx.subject()?.primary.is_restricted() {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    let token = Token::anonymous(&mut || cx.kernel.se.new_luid());
    let object = cx.new_token(token);
    cx.impersonate(thread, Some(object));
    cx.kernel.ob.dereference(object);
    Ok(NtStatus::SUCCESS)
}

/// `ThreadImpersonationToken`: a handle to the token, or NULL to stop.
pub(crate) fn set_impersonation_token(cx: &mut Cx<'_>, thread: Handle, buffer: UserPtr<u8>, length: u32) -> NtResult {
    if length as usize != cx.kernel.width().bytes() {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let token = cx.mem().load::<Handle>(buffer.cast())?;
    let thread = cx.reference::<ThreadObject>(thread, SET_THREAD_TOKEN)?.id;
    if token == Handle::NULL {
        cx.impersonate(thread, None);
        return Ok(NtStatus::SUCCESS);
    }
    let (id, _) = cx.token_by_handle(token, access::IMPERSONATE)?;
    let TokenKind::Impersonation(level) = cx.token(id)?.kind else { return Err(NtStatus::BAD_TOKEN_TYPE.into()) };
    if level >= Level::Impersonation && !may_impersonate(cx, thread, id)? {
        // PsImpersonateClient: who may not act as the client may still look at it.
        let mut copy = cx.token(id)?.clone();
        copy.kind = TokenKind::Impersonation(Level::Identification);
        copy.id = cx.new_luid();
        let object = cx.new_token(copy);
        cx.impersonate(thread, Some(object));
        cx.kernel.ob.dereference(object);
    } else {
        cx.impersonate(thread, Some(id));
    }
    Ok(NtStatus::SUCCESS)
}

/// Who may impersonate fully ("Impersonate a client after authentication" in Windows' documentation): whoever holds
/// `SeImpersonatePrivilege` or made the client's logon session; otherwise the client must be the same user, no
/// higher, in the same AppContainer, and not free of restrictions that the process has.
fn may_impersonate(cx: &Cx<'_>, thread: ThreadId, id: ObjectId) -> NtResult<bool> {
    let process = cx.kernel.ps.thread(thread).and_then(|thread| cx.kernel.ps.get(thread.process));
    let process = cx.token(process.ok_or(NtStatus::PROCESS_IS_TERMINATING)?.token)?;
    let client = cx.token(id)?;
    if process.has_privilege(Privilege::IMPERSONATE) || client.origin == process.authentication {
        return Ok(true);
    }
    let package = |token: &Token| token.lowbox.as_ref().map(|lowbox| lowbox.package);
    let same_box = process.lowbox.is_none() || package(process) == package(client);
    let no_freer = !process.is_restricted() || client.is_restricted();
    Ok(client.user.sid == process.user.sid && client.integrity <= process.integrity && same_box && no_freer)
}

/// `NtCompareTokens`: whether two tokens are the same to an access check: the same user, groups, privileges (enabled
/// or not), restricting SIDs, and package.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `TOKEN_QUERY`.
fn nt_compare_tokens(cx: &mut Cx<'_>, first: Handle, second: Handle, equal: UserPtr<u8>) -> NtResult {
    cx.mem().probe(equal)?;
    let (first, _) = cx.token_by_handle(first, access::QUERY)?;
    let (second, _) = cx.token_by_handle(second, access::QUERY)?;
    let key = |token: &Token| {
        let sorted = |list: &[Group]| {
            let mut list: Vec<_> = list.iter().map(|g| (g.sid, g.counts(false), g.counts(true))).collect();
            list.sort_unstable();
            list
        };
        let lowbox = token.lowbox.as_ref().map(|l| (l.package, sorted(&l.capabilities)));
        let sids = (token.user, sorted(&token.groups), sorted(&token.restricted));
        (sids, token.integrity, token.privileges, token.enabled, lowbox)
    };
    let same = first == second || key(cx.token(first)?) == key(cx.token(second)?);
    cx.mem().store(equal, &u8::from(same))?;
    Ok(NtStatus::SUCCESS)
}

/// `PRIVILEGE_SET_ALL_NECESSARY`.
const ALL_NECESSARY: u32 = 1;

/// `NtPrivilegeCheck`: whether a token has privileges enabled: all of a set, or any. Those it has are marked in it.
///
/// `STATUS_BAD_IMPERSONATION_LEVEL` for an anonymous token; `STATUS_INVALID_PARAMETER` for too long a set;
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `TOKEN_QUERY`.
fn nt_privilege_check(cx: &mut Cx<'_>, client: Handle, required: UserPtr<u8>, result: UserPtr<u8>) -> NtResult {
    let (id, _) = cx.token_by_handle(client, access::QUERY)?;
    if cx.token(id)?.kind == TokenKind::Impersonation(Level::Anonymous) {
        return Err(NtStatus::BAD_IMPERSONATION_LEVEL.into());
    }
    let mut mem = cx.mem();
    let count = mem.load::<u32>(required.cast())?;
    let control = mem.load::<u32>(UserPtr::new(required.va.wrapping_add(4)))?;
    let first = required.va.wrapping_add(8);
    let states = read::luid_array(&mut mem, first, count)?;
    mem.probe_write(required.va, 8 + read::LUID_AND_ATTRIBUTES * u64::from(count))?;
    mem.probe(result)?;
    let held = |luid: Luid| -> NtResult<bool> {
        let token = cx.token(id)?;
        Ok(Privilege::from_luid(luid).is_some_and(|p| token.has_privilege(p)))
    };
    let held = states.iter().map(|state| held(state.luid)).collect::<NtResult<Vec<bool>>>()?;
    let mut at = first;
    for (state, held) in states.iter().zip(&held) {
        let mark = if *held { USED } else { 0 };
        cx.mem().store(UserPtr::new(at.wrapping_add(8)), &(state.attributes & !USED | mark))?;
        at = at.wrapping_add(read::LUID_AND_ATTRIBUTES);
    }
    let all = control & ALL_NECESSARY != 0;
    let has = if all { held.iter().all(|&held| held) } else { held.iter().any(|&held| held) };
    cx.mem().store(result, &u8::from(has))?;
    Ok(NtStatus::SUCCESS)
}

/// The pointer-sized value at an address.
pub(super) fn word_at(cx: &mut Cx<'_>, va: u64) -> NtResult<u64> {
    Ok(cx.mem().load::<Word>(UserPtr::new(va))?.0)
}
