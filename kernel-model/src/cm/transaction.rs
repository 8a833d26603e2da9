//! Transactions over keys. There is no transaction manager, and so no transaction that a handle could name.

use guest::types::{ObjectAttributes, UnicodeString};
use guest::{AccessMask, Handle, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, service};

const GAP: &str = "there are no transaction objects: no handle names one";

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateKeyTransacted => nt_create_key_transacted, Support::Partial(GAP)),
    service!(NtOpenKeyTransacted => nt_open_key_transacted, Support::Partial(GAP)),
    service!(NtOpenKeyTransactedEx => nt_open_key_transacted_ex, Support::Partial(GAP)),
];

/// Why a handle is no transaction's.
fn refuse(cx: &mut Cx<'_>, key_handle: UserPtr<Handle>, transaction: Handle) -> NtResult {
    cx.probe_handle(key_handle)?;
    cx.use_handle(transaction)?;
    Err(NtStatus::OBJECT_TYPE_MISMATCH.into())
}

/// `NtCreateKeyTransacted`: creates a key within a transaction.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`.
#[expect(clippy::too_many_arguments, reason = "NtCreateKeyTransacted has eight")]
fn nt_create_key_transacted(
    cx: &mut Cx<'_>, key_handle: UserPtr<Handle>, _desired_access: AccessMask, _attributes: UserPtr<ObjectAttributes>,
    _title_index: u32, _class: UserPtr<UnicodeString>, _options: u32, transaction: Handle, _disposition: UserPtr<u32>,
) -> NtResult {
    refuse(cx, key_handle, transaction)
}

/// `NtOpenKeyTransacted`: opens a key within a transaction.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`.
fn nt_open_key_transacted(
    cx: &mut Cx<'_>, key_handle: UserPtr<Handle>, _desired_access: AccessMask, _attributes: UserPtr<ObjectAttributes>,
    transaction: Handle,
) -> NtResult {
    refuse(cx, key_handle, transaction)
}

/// `NtOpenKeyTransactedEx`: the same, with options.
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`.
fn nt_open_key_transacted_ex(
    cx: &mut Cx<'_>, key_handle: UserPtr<Handle>, _desired_access: AccessMask, _attributes: UserPtr<ObjectAttributes>,
    _options: u32, transaction: Handle,
) -> NtResult {
    refuse(cx, key_handle, transaction)
}
