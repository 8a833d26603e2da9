//! `NtWaitForDebugEvent` and `NtDebugContinue`: a debugger is told, and answers.

use guest::types::ClientId;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::state_change::{Extras, encode, size};
use super::{DebugEvent, DebugMessage, DebugObject, READ_EVENT};
use crate::cx::Cx;
use crate::ke::dispatcher::deadline;
use crate::ob::{Attributes, ObjectId};
use crate::service::{NtResult, Unwind, Wait, WaitOn};

/// What a debugger's handles may be used for: to a process, reading and changing its memory, handles, threads and settings
/// and ending it; to a thread, its registers, suspending and ending it; to both, waiting for them and reading who may. Who
/// may ask all may ask the limited things.
const PROCESS_ACCESS: AccessMask = AccessMask(0x12_167b);
const THREAD_ACCESS: AccessMask = AccessMask(0x12_087b);

/// `NtWaitForDebugEvent`: waits until something happens to what is debugged, and tells it (`DBGUI_WAIT_STATE_CHANGE`).
/// With a new process or thread come handles to it.
///
/// `STATUS_TIMEOUT`, `STATUS_USER_APC` and `STATUS_ALERTED` (alertable), `STATUS_DEBUGGER_INACTIVE`,
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `DEBUG_READ_EVENT`.
pub(super) fn nt_wait_for_debug_event(
    cx: &mut Cx<'_>, debug_object: Handle, alertable: bool, timeout: Option<UserPtr<i64>>, change: UserPtr<u8>,
) -> NtResult {
    let timeout = timeout.map(|pointer| cx.mem().load(pointer)).transpose()?;
    let width = cx.kernel.width();
    cx.mem().probe_write(change.va, size(width) as u64)?;
    let object = cx.reference_id::<DebugObject>(debug_object, READ_EVENT)?;
    let debug = cx.kernel.debug_object(object).ok_or(NtStatus::INVALID_HANDLE)?;
    if debug.inactive {
        return Err(NtStatus::DEBUGGER_INACTIVE.into());
    }
    let Some(index) = debug.ready() else {
        let deadline = deadline(&cx.kernel.clock, timeout);
        return cx.wait(Wait::new(WaitOn::Again(object.0), deadline, alertable));
    };
    let Some(event) = debug.events.get_mut(index) else { return Err(NtStatus::UNSUCCESSFUL.into()) };
    event.read = true;
    let event = event.clone();
    cx.kernel.ps.thread.first_deadline = None;
    let extras = cx.debug_extras(&event);
    if let DebugMessage::CreateProcess { .. } = event.message
        && !event.frozen.contains(&event.thread)
    {
        // It has just begun, and its modules are there already.
        cx.tell_modules(event.process, event.thread, object, true);
    }
    let bytes = encode(&event, &extras, width);
    cx.mem().write(change.va, &bytes)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtDebugContinue`: answers what the debugger was told of a thread.
///
/// `STATUS_INVALID_PARAMETER` for another status than those of the debugger, or where nothing of that thread waits for an
/// answer; `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `DEBUG_READ_EVENT`.
pub(super) fn nt_debug_continue(
    cx: &mut Cx<'_>, debug_object: Handle, client_id: UserPtr<ClientId>, continue_status: u32,
) -> NtResult {
    let id = cx.mem().load(client_id)?;
    let status = NtStatus(continue_status);
    match status {
        NtStatus::DBG_EXCEPTION_HANDLED
        | NtStatus::DBG_EXCEPTION_NOT_HANDLED
        | NtStatus::DBG_TERMINATE_THREAD
        | NtStatus::DBG_TERMINATE_PROCESS
        | NtStatus::DBG_CONTINUE => {}
        NtStatus::DBG_REPLY_LATER => return Err(Unwind::unsupported("DBG_REPLY_LATER")),
        _ => return Err(NtStatus::INVALID_PARAMETER.into()),
    }
    let object = cx.reference_id::<DebugObject>(debug_object, READ_EVENT)?;
    let debug = cx.kernel.debug_object(object).ok_or(NtStatus::INVALID_HANDLE)?;
    let same = |event: &DebugEvent| {
        event.read && (u64::from(event.process.0), u64::from(event.thread.0)) == (id.process, id.thread)
    };
    let index = debug.events.iter().position(same).ok_or(NtStatus::INVALID_PARAMETER)?;
    let event = debug.events.remove(index);
    cx.kernel.answer_debug_event(event, status);
    Ok(NtStatus::SUCCESS)
}

impl Cx<'_> {
    /// `DbgkpOpenHandles`: the handles that come with an event, in the debugger's table (NULL where there can be none),
    /// and what is told of the image.
    fn debug_extras(&mut self, event: &DebugEvent) -> Extras {
        let ps = &self.kernel.ps;
        let process = ps.get(event.process).map(|process| process.object);
        let thread = ps.thread(event.thread).map(|thread| thread.object);
        match event.message {
            DebugMessage::CreateThread { .. } => {
                Extras { thread: self.debug_handle(thread, THREAD_ACCESS), ..Extras::default() }
            }
            DebugMessage::CreateProcess { .. } => {
                let base = self.image_base(event.process);
                let symbols = self.image_symbols(event.process, base);
                let process = self.debug_handle(process, PROCESS_ACCESS);
                Extras { process, thread: self.debug_handle(thread, THREAD_ACCESS), base, symbols }
            }
            DebugMessage::LoadDll { base } => {
                Extras { base, symbols: self.image_symbols(event.process, base), ..Extras::default() }
            }
            _ => Extras::default(),
        }
    }

    fn debug_handle(&mut self, object: Option<ObjectId>, access: AccessMask) -> Handle {
        let opened = object.and_then(|object| self.open_handle(object, access, Attributes::empty()).ok());
        opened.unwrap_or(Handle::NULL)
    }
}
