//! Mutants: `NtCreateMutant`, `NtOpenMutant`, `NtReleaseMutant`, `NtQueryMutant`.

use guest::types::{ObjectAttributes, StructWriter};
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use crate::body::Body;
use crate::cx::Cx;
use crate::ke::Mutant;
use crate::service::{Information, NtResult, Service, Support, class_name, service};

const NO_SECURITY: &str = crate::ob::SECURITY_GAP;

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateMutant => nt_create_mutant, Support::Partial(NO_SECURITY)),
    service!(NtOpenMutant => nt_open_mutant, Support::Partial(NO_SECURITY)),
    service!(NtReleaseMutant => nt_release_mutant, Support::Full),
    service!(NtQueryMutant => nt_query_mutant, Support::Full),
];

/// `MUTANT_QUERY_STATE`.
const QUERY_STATE: AccessMask = AccessMask(1);

/// `MutantOwnerInformation`.
const OWNER: u32 = 1;

/// `NtCreateMutant`: creates a mutant, which the caller owns if it wants to, or opens one of that name if `OBJ_OPENIF`
/// allows.
///
/// The statuses of creating.
fn nt_create_mutant(
    cx: &mut Cx<'_>, mutant_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, initial_owner: bool,
) -> NtResult {
    cx.probe_handle(mutant_handle)?;
    let owner = initial_owner.then(|| cx.waiter().thread);
    cx.create_and_store(mutant_handle, desired_access, object_attributes, Body::Mutant(Mutant::new(owner)))
}

/// `NtOpenMutant`: opens a named mutant.
///
/// The statuses of opening by name.
fn nt_open_mutant(
    cx: &mut Cx<'_>, mutant_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>,
) -> NtResult {
    cx.open_and_store::<Mutant>(mutant_handle, desired_access, object_attributes)
}

/// `NtReleaseMutant`: the owner gives a mutant back once; the previous state (32 bits) is told. No right is needed.
///
/// `STATUS_MUTANT_NOT_OWNED`, `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`.
fn nt_release_mutant(cx: &mut Cx<'_>, mutant: Handle, previous: Option<UserPtr<i32>>) -> NtResult {
    if let Some(pointer) = previous {
        cx.mem().probe(pointer)?;
    }
    let thread = cx.waiter().thread;
    let before = cx.reference::<Mutant>(mutant, AccessMask(0))?.release(thread)?;
    if let Some(pointer) = previous {
        cx.mem().store(pointer, &before)?;
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtQueryMutant`: `MUTANT_BASIC_INFORMATION` (count, owned by the caller, abandoned), or the owner's `CLIENT_ID`.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`,
/// `STATUS_ACCESS_DENIED` without `MUTANT_QUERY_STATE`.
fn nt_query_mutant(
    cx: &mut Cx<'_>, mutant: Handle, class: u32, buffer: UserPtr<u8>, length: u32, return_length: Option<UserPtr<u32>>,
) -> NtResult {
    class_name("MUTANT_INFORMATION_CLASS", class)?;
    let width = cx.kernel.width();
    let size = if class == OWNER { 2 * width.bytes() } else { 8 };
    let out = Information { buffer, length, return_length };
    out.probe(cx, size)?;
    let thread = cx.waiter().thread;
    let state = cx.reference::<Mutant>(mutant, QUERY_STATE)?.clone();
    let writer = StructWriter::new(size, width);
    let bytes = if class == OWNER {
        let owner = state.owner.and_then(|id| cx.kernel.ps.thread_by_unique_id(id.into()));
        let (process, thread) = owner.map_or((0, 0), |t| (t.process.0, t.id.0));
        writer.word(0, process.into()).word(width.bytes(), thread.into())
    } else {
        let owned = state.owner == Some(thread);
        writer.field(0, 4, state.count as u32 as u64).field(4, 1, owned.into()).field(5, 1, state.abandoned.into())
    };
    out.write(cx, &bytes.finish())?;
    Ok(NtStatus::SUCCESS)
}
