//! Semaphores: `NtCreateSemaphore`, `NtOpenSemaphore`, `NtReleaseSemaphore`, `NtQuerySemaphore`.

use guest::types::{ObjectAttributes, StructWriter};
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use crate::body::Body;
use crate::cx::Cx;
use crate::ke::Semaphore;
use crate::service::{Information, NtResult, Service, Support, class_name, service};

const NO_SECURITY: &str = crate::ob::SECURITY_GAP;

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateSemaphore => nt_create_semaphore, Support::Partial(NO_SECURITY)),
    service!(NtOpenSemaphore => nt_open_semaphore, Support::Partial(NO_SECURITY)),
    service!(NtReleaseSemaphore => nt_release_semaphore, Support::Full),
    service!(NtQuerySemaphore => nt_query_semaphore, Support::Full),
];

/// `SEMAPHORE_QUERY_STATE`.
const QUERY_STATE: AccessMask = AccessMask(1);
/// `SEMAPHORE_MODIFY_STATE`.
const MODIFY_STATE: AccessMask = AccessMask(2);

/// `NtCreateSemaphore`: creates a semaphore, or opens one of that name if `OBJ_OPENIF` allows.
///
/// `STATUS_INVALID_PARAMETER` unless 0 <= count <= limit and 0 < limit; the statuses of creating.
fn nt_create_semaphore(
    cx: &mut Cx<'_>, semaphore_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, initial_count: i32, maximum_count: i32,
) -> NtResult {
    cx.probe_handle(semaphore_handle)?;
    if maximum_count <= 0 || !(0..=maximum_count).contains(&initial_count) {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let body = Body::Semaphore(Semaphore { count: initial_count, limit: maximum_count });
    cx.create_and_store(semaphore_handle, desired_access, object_attributes, body)
}

/// `NtOpenSemaphore`: opens a named semaphore.
///
/// The statuses of opening by name.
fn nt_open_semaphore(
    cx: &mut Cx<'_>, semaphore_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>,
) -> NtResult {
    cx.open_and_store::<Semaphore>(semaphore_handle, desired_access, object_attributes)
}

/// `NtReleaseSemaphore`: raises the count by a number above 0; the previous count (32 bits) is told.
///
/// `STATUS_INVALID_PARAMETER`, `STATUS_SEMAPHORE_LIMIT_EXCEEDED`, `STATUS_INVALID_HANDLE`,
/// `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `SEMAPHORE_MODIFY_STATE`.
fn nt_release_semaphore(
    cx: &mut Cx<'_>, semaphore: Handle, release_count: i32, previous: Option<UserPtr<i32>>,
) -> NtResult {
    if let Some(pointer) = previous {
        cx.mem().probe(pointer)?;
    }
    if release_count <= 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let before = cx.reference::<Semaphore>(semaphore, MODIFY_STATE)?.release(release_count)?;
    if let Some(pointer) = previous {
        cx.mem().store(pointer, &before)?;
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtQuerySemaphore`: `SEMAPHORE_BASIC_INFORMATION` (count and limit, 32 bits each).
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`,
/// `STATUS_ACCESS_DENIED` without `SEMAPHORE_QUERY_STATE`.
fn nt_query_semaphore(
    cx: &mut Cx<'_>, semaphore: Handle, class: u32, buffer: UserPtr<u8>, length: u32,
    return_length: Option<UserPtr<u32>>,
) -> NtResult {
    const SIZE: usize = 8;
    class_name("SEMAPHORE_INFORMATION_CLASS", class)?;
    let out = Information { buffer, length, return_length };
    out.probe(cx, SIZE)?;
    let Semaphore { count, limit } = *cx.reference::<Semaphore>(semaphore, QUERY_STATE)?;
    let writer = StructWriter::new(SIZE, cx.kernel.width());
    let bytes = writer.field(0, 4, count as u32 as u64).field(4, 4, limit as u32 as u64).finish();
    out.write(cx, &bytes)?;
    Ok(NtStatus::SUCCESS)
}
