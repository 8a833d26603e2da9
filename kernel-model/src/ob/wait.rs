//! Waiting on objects.

use guest::NtStatus;

use super::manager::{Body, ObjectId, ObjectManager, Waiter};
use crate::cx::Cx;
use crate::ke::dispatcher::deadline;
use crate::service::{NtResult, Wait, WaitOn};

/// The most objects one wait can be on.
pub const MAXIMUM_WAIT_OBJECTS: u32 = 64;

/// Whether a wait wants any of its objects or all of them (`WAIT_TYPE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitKind {
    /// All at once.
    All,
    /// The first that is signalled.
    Any,
}

/// What a thread waits on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitBlock {
    /// The objects.
    pub objects: Vec<ObjectId>,
    /// Any or all.
    pub kind: WaitKind,
}

/// Tries to satisfy a wait. `None`: the thread has to wait.
///
/// `STATUS_WAIT_0` and the object's index, `STATUS_ABANDONED_WAIT_0` and its index; `STATUS_MUTANT_LIMIT_EXCEEDED`.
pub fn try_wait<B: Body>(ob: &mut ObjectManager<B>, block: &WaitBlock, waiter: Waiter) -> Option<NtStatus> {
    let ready = |ob: &ObjectManager<B>, id| ob.get(id).and_then(|o| o.body.signaled(waiter)).unwrap_or(false);
    let satisfy = |ob: &mut ObjectManager<B>, id| {
        let object = ob.get_mut(id).ok_or(NtStatus::INVALID_HANDLE)?;
        object.body.satisfy(waiter)
    };
    match block.kind {
        WaitKind::Any => {
            let index = block.objects.iter().position(|&id| ready(ob, id))?;
            let status = satisfy(ob, *block.objects.get(index)?);
            Some(status.map_or_else(|failed| failed, |status| NtStatus(status.0 + index as u32)))
        }
        WaitKind::All => {
            if !block.objects.iter().all(|&id| ready(ob, id)) {
                return None;
            }
            let mut answer = NtStatus::SUCCESS;
            for &id in &block.objects {
                match satisfy(ob, id) {
                    Ok(NtStatus::SUCCESS) => {}
                    Ok(status) | Err(status) => answer = status,
                }
            }
            Some(answer)
        }
    }
}

impl Cx<'_> {
    /// The thread that runs, now.
    pub fn waiter(&self) -> Waiter {
        self.kernel.waiter(self.kernel.ps.thread.id, 0)
    }
}

/// `KeWaitForMultipleObjects`: satisfies the wait, or blocks the thread.
///
/// `STATUS_OBJECT_TYPE_MISMATCH` for what cannot be waited on; `STATUS_USER_APC` and `STATUS_ALERTED` where the wait is
/// alertable.
pub fn block_on(cx: &mut Cx<'_>, block: WaitBlock, alertable: bool, timeout: Option<i64>) -> NtResult {
    let waiter = cx.waiter();
    let ob = &mut cx.kernel.ob;
    let waitable = |id: &ObjectId| ob.get(*id).is_some_and(|o| o.body.signaled(waiter).is_some());
    if !block.objects.iter().all(waitable) {
        return Err(NtStatus::OBJECT_TYPE_MISMATCH.into());
    }
    if let Some(status) = try_wait(ob, &block, waiter) {
        return Ok(status);
    }
    let deadline = deadline(&cx.kernel.clock, timeout);
    let objects = block.objects.iter().map(|id| id.0).collect();
    let on = WaitOn::Objects { objects, all: block.kind == WaitKind::All, side: 0 };
    cx.wait(Wait::new(on, deadline, alertable))
}
