//! `NtWaitForSingleObject`, `NtWaitForMultipleObjects`, `NtSignalAndWaitForSingleObject`.

use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::manager::ObjectId;
use super::wait::{MAXIMUM_WAIT_OBJECTS, WaitBlock, WaitKind, block_on};
use crate::body::Body;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtWaitForSingleObject => nt_wait_for_single_object, Support::Full),
    service!(NtWaitForMultipleObjects => nt_wait_for_multiple_objects, Support::Full),
    service!(NtWaitForMultipleObjects32 => nt_wait_for_multiple_objects_32, Support::Full),
    service!(NtSignalAndWaitForSingleObject => nt_signal_and_wait_for_single_object, Support::Full),
];

/// `EVENT_MODIFY_STATE` and `SEMAPHORE_MODIFY_STATE`.
const MODIFY_STATE: AccessMask = AccessMask(2);

fn load_timeout(cx: &mut Cx<'_>, timeout: Option<UserPtr<i64>>) -> NtResult<Option<i64>> {
    Ok(timeout.map(|pointer| cx.mem().load(pointer)).transpose()?)
}

fn single(object: ObjectId) -> WaitBlock {
    WaitBlock { objects: vec![object], kind: WaitKind::Any }
}

/// `NtWaitForSingleObject`: waits until an object is signalled or time is up (100 ns units; negative: relative,
/// NULL: for ever).
///
/// `STATUS_SUCCESS`, `STATUS_ABANDONED`, `STATUS_TIMEOUT`; `STATUS_INVALID_HANDLE`, `STATUS_ACCESS_DENIED` without
/// `SYNCHRONIZE`, `STATUS_OBJECT_TYPE_MISMATCH` for what cannot be waited on, `STATUS_MUTANT_LIMIT_EXCEEDED`.
fn nt_wait_for_single_object(
    cx: &mut Cx<'_>, handle: Handle, alertable: bool, timeout: Option<UserPtr<i64>>,
) -> NtResult {
    let timeout = load_timeout(cx, timeout)?;
    let object = cx.reference_any(handle, AccessMask::SYNCHRONIZE)?;
    block_on(cx, single(object), alertable, timeout)
}

/// `NtWaitForMultipleObjects`: waits until any (1) or all (0) of up to 64 objects are signalled, or time is up.
///
/// `STATUS_WAIT_0` and the index, `STATUS_ABANDONED_WAIT_0` and the index, `STATUS_TIMEOUT`;
/// `STATUS_INVALID_PARAMETER_1` (the count), `STATUS_INVALID_PARAMETER_3` (the type), `STATUS_INVALID_PARAMETER_MIX`
/// (all of them, and one twice), and the statuses of a wait on one object.
fn nt_wait_for_multiple_objects(
    cx: &mut Cx<'_>, count: u32, handles: UserPtr<Handle>, wait_type: u32, alertable: bool,
    timeout: Option<UserPtr<i64>>,
) -> NtResult {
    let width = cx.kernel.width().bytes() as u64;
    let load = |cx: &mut Cx<'_>, index: u64| {
        Ok(cx.mem().load(UserPtr::<Handle>::new(handles.va.wrapping_add(index * width)))?)
    };
    wait_for_several(cx, count, load, wait_type, alertable, timeout)
}

fn wait_for_several(
    cx: &mut Cx<'_>, count: u32, load: impl Fn(&mut Cx<'_>, u64) -> NtResult<Handle>, wait_type: u32, alertable: bool,
    timeout: Option<UserPtr<i64>>,
) -> NtResult {
    if count == 0 || count > MAXIMUM_WAIT_OBJECTS {
        return Err(NtStatus::INVALID_PARAMETER_1.into());
    }
    let kind = match wait_type {
        0 => WaitKind::All,
        1 => WaitKind::Any,
        _ => return Err(NtStatus::INVALID_PARAMETER_3.into()),
    };
    let timeout = load_timeout(cx, timeout)?;
    let values = (0..u64::from(count)).map(|index| load(cx, index)).collect::<NtResult<Vec<_>>>()?;
    let objects = values.into_iter().map(|handle| cx.reference_any(handle, AccessMask::SYNCHRONIZE));
    let objects: Vec<ObjectId> = objects.collect::<Result<_, _>>()?;
    if kind == WaitKind::All && objects.iter().enumerate().any(|(i, id)| objects.iter().skip(i + 1).any(|o| o == id)) {
        return Err(NtStatus::INVALID_PARAMETER_MIX.into());
    }
    block_on(cx, WaitBlock { objects, kind }, alertable, timeout)
}

/// `NtWaitForMultipleObjects32`: the same with handles of 32 bits each, for WOW64.
///
/// As `NtWaitForMultipleObjects`.
fn nt_wait_for_multiple_objects_32(
    cx: &mut Cx<'_>, count: u32, handles: UserPtr<i32>, wait_type: u32, alertable: bool, timeout: Option<UserPtr<i64>>,
) -> NtResult {
    let load = |cx: &mut Cx<'_>, index: u64| {
        let value = cx.mem().load(UserPtr::<i32>::new(handles.va.wrapping_add(4 * index)))?;
        Ok(Handle(i64::from(value).cast_unsigned()))
    };
    wait_for_several(cx, count, load, wait_type, alertable, timeout)
}

/// `NtSignalAndWaitForSingleObject`: sets an event, releases a mutant or releases a semaphore once, and waits on
/// another object.
///
/// `STATUS_OBJECT_TYPE_MISMATCH` for what cannot be signalled so, `STATUS_ACCESS_DENIED`, `STATUS_MUTANT_NOT_OWNED`,
/// `STATUS_SEMAPHORE_LIMIT_EXCEEDED`, and those of a wait.
fn nt_signal_and_wait_for_single_object(
    cx: &mut Cx<'_>, signal: Handle, wait: Handle, alertable: bool, timeout: Option<UserPtr<i64>>,
) -> NtResult {
    let timeout = load_timeout(cx, timeout)?;
    let entry = cx.use_handle(signal)?;
    let object = cx.reference_any(wait, AccessMask::SYNCHRONIZE)?;
    let thread = cx.kernel.ps.thread.id.0;
    let body = cx.kernel.ob.get_mut(entry.object).map(|o| &mut o.body).ok_or(NtStatus::INVALID_HANDLE)?;
    let may_modify = entry.granted.contains(MODIFY_STATE);
    match body {
        Body::Event(_) | Body::Semaphore(_) if !may_modify => return Err(NtStatus::ACCESS_DENIED.into()),
        Body::Event(event) => drop(event.set()),
        Body::Semaphore(semaphore) => drop(semaphore.release(1)?),
        Body::Mutant(mutant) => drop(mutant.release(thread)?),
        _ => return Err(NtStatus::OBJECT_TYPE_MISMATCH.into()),
    }
    block_on(cx, single(object), alertable, timeout)
}
