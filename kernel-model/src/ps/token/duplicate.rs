//! Tokens made from tokens.

use guest::mem::{GuestValue, Width};
use guest::types::ObjectAttributes;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::{access, read};
use crate::body::Body;
use crate::cx::Cx;
use crate::se::{Filter, Level, Luid, Privilege, PrivilegeSet, Token, TokenKind};
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtDuplicateToken => nt_duplicate_token, Support::Full),
    service!(NtFilterToken => nt_filter_token, Support::Full),
];

/// `SECURITY_QUALITY_OF_SERVICE`: 12 bytes in both widths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct QualityOfService {
    length: u32,
    level: u32,
    effective_only: bool,
}

impl GuestValue for QualityOfService {
    fn size(_: Width) -> usize {
        12
    }
    fn align(_: Width) -> u64 {
        4
    }
    fn decode(bytes: &[u8], width: Width) -> Self {
        let number = |at: usize| u32::decode(bytes.get(at..).unwrap_or(&[]), width);
        Self { length: number(0), level: number(4), effective_only: bytes.get(9).is_some_and(|&b| b != 0) }
    }
    fn encode(&self, _: &mut [u8], _: Width) {}
}

/// `SepCaptureSecurityQos`: what the attributes ask for.
///
/// `STATUS_INVALID_PARAMETER` for another length, `STATUS_BAD_IMPERSONATION_LEVEL`.
fn quality(cx: &mut Cx<'_>, attributes: Option<UserPtr<ObjectAttributes>>) -> NtResult<Option<(Level, bool)>> {
    let Some(pointer) = attributes else { return Ok(None) };
    let mut mem = cx.mem();
    let va = mem.load(pointer)?.security_quality_of_service;
    if va == 0 {
        return Ok(None);
    }
    let quality: QualityOfService = mem.load(UserPtr::new(va))?;
    if quality.length != 12 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let level = Level::from_raw(quality.level).ok_or(NtStatus::BAD_IMPERSONATION_LEVEL)?;
    Ok(Some((level, quality.effective_only)))
}

/// The `TokenType` argument with a level.
pub(super) fn kind(token_type: u32, level: Level) -> Result<TokenKind, NtStatus> {
    match token_type {
        1 => Ok(TokenKind::Primary),
        2 => Ok(TokenKind::Impersonation(level)),
        _ => Err(NtStatus::INVALID_PARAMETER),
    }
}

/// `NtDuplicateToken`: a copy of a token, primary or of the impersonation level that the attributes' quality of
/// service names (without one: anonymous, or what the source has). `DesiredAccess` 0 stands for what the source
/// handle grants.
///
/// `STATUS_BAD_IMPERSONATION_LEVEL` for a level above the source's, or a primary token from one below impersonation;
/// `STATUS_INVALID_PARAMETER`, `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`.
fn nt_duplicate_token(
    cx: &mut Cx<'_>, existing: Handle, desired_access: AccessMask, attributes: Option<UserPtr<ObjectAttributes>>,
    effective_only: bool, token_type: u32, new_handle: UserPtr<Handle>,
) -> NtResult {
    kind(token_type, Level::Anonymous)?;
    cx.probe_handle(new_handle)?;
    let quality = quality(cx, attributes)?;
    let (id, granted) = cx.token_by_handle(existing, access::DUPLICATE)?;
    let mut new = cx.token(id)?.clone();
    let level = match (quality, new.kind) {
        (Some((level, _)), _) => level,
        (None, TokenKind::Impersonation(level)) => level,
        (None, TokenKind::Primary) => Level::Anonymous,
    };
    let wanted = kind(token_type, level)?;
    if let TokenKind::Impersonation(from) = new.kind {
        let too_high = match wanted {
            TokenKind::Impersonation(to) => to > from,
            TokenKind::Primary => from < Level::Impersonation,
        };
        if too_high {
            return Err(NtStatus::BAD_IMPERSONATION_LEVEL.into());
        }
    }
    new.kind = wanted;
    new.id = cx.new_luid();
    if effective_only || quality.is_some_and(|(_, effective)| effective) {
        new.make_effective_only();
    }
    let desired_access = if desired_access.0 == 0 { granted } else { desired_access };
    store_new(cx, desired_access, attributes, new, new_handle)
}

/// Makes a token object and stores its first handle.
pub(super) fn store_new(
    cx: &mut Cx<'_>, desired_access: AccessMask, attributes: Option<UserPtr<ObjectAttributes>>, token: Token,
    new_handle: UserPtr<Handle>,
) -> NtResult {
    let (handle, status) = cx.create_object(desired_access, attributes, Body::Token(Box::new(token)))?;
    cx.mem().store(new_handle, &handle)?;
    Ok(status)
}

/// `NtFilterToken`: a copy that can do less: groups that only deny from now on, privileges gone, restricting SIDs.
/// The new handle grants what the source does.
///
/// `STATUS_INVALID_PARAMETER`, `STATUS_INVALID_SID`, `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`,
/// `STATUS_ACCESS_DENIED` without `TOKEN_DUPLICATE`.
fn nt_filter_token(
    cx: &mut Cx<'_>, existing: Handle, flags: u32, disable: Option<UserPtr<u8>>, delete: Option<UserPtr<u8>>,
    restrict: Option<UserPtr<u8>>, new_handle: UserPtr<Handle>,
) -> NtResult {
    cx.probe_handle(new_handle)?;
    let mut mem = cx.mem();
    let sids = |groups: Vec<crate::se::Group>| groups.into_iter().map(|group| group.sid).collect();
    let disable = sids(read::groups(&mut mem, disable)?);
    let delete = read::privileges(&mut mem, delete)?;
    let restrict = read::groups(&mut mem, restrict)?;
    if restrict.iter().any(|group| !group.attributes.is_empty()) {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let known = delete.iter().filter_map(|state| Privilege::from_luid(state.luid));
    let filter = Filter {
        flags,
        disable,
        delete: known.fold(PrivilegeSet::EMPTY, PrivilegeSet::with),
        restrict: sids(restrict),
    };
    let (id, granted) = cx.token_by_handle(existing, access::DUPLICATE)?;
    let new_id = cx.new_luid();
    let new = filter.apply(cx.token(id)?, new_id)?;
    store_new(cx, granted, None, new, new_handle)
}

/// The id of nobody's token.
pub(super) const NO_PARENT: Luid = Luid(0);
