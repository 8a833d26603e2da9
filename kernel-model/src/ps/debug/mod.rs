//! Debug objects: what a debugger waits on, and what it is told there.

mod attach;
mod state_change;
mod wait;

use guest::context::ExceptionRecord;
use guest::types::ObjectAttributes;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::{ProcessId, ThreadId};
use crate::body::Body;
use crate::cx::Cx;
use crate::ob::ObjectId;
use crate::service::{NtResult, Service, Support, class_name, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateDebugObject => nt_create_debug_object, Support::Full),
    service!(NtSetInformationDebugObject => nt_set_information_debug_object, Support::Full),
    service!(
        NtDebugActiveProcess => attach::nt_debug_active_process,
        Support::Partial("images have no file handles; modules that come and go later are not told")
    ),
    service!(NtRemoveProcessDebug => attach::nt_remove_process_debug, Support::Full),
    service!(NtWaitForDebugEvent => wait::nt_wait_for_debug_event, Support::Full),
    service!(NtDebugContinue => wait::nt_debug_continue, Support::Partial("no DBG_REPLY_LATER")),
];

/// `DEBUG_OBJECT`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DebugObject {
    /// `DEBUG_KILL_ON_CLOSE`: what is debugged ends with the object.
    pub kill_on_close: bool,
    /// Its last handle is closed: it debugs no more.
    pub inactive: bool,
    /// What has happened and is not answered yet, in order.
    pub events: Vec<DebugEvent>,
}

/// `DEBUG_EVENT`: something that has happened to what is debugged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebugEvent {
    /// In which process.
    pub process: ProcessId,
    /// In which thread.
    pub thread: ThreadId,
    /// What.
    pub message: DebugMessage,
    /// `DEBUG_EVENT_READ`: the debugger has been told, and has not answered yet.
    pub read: bool,
    /// Threads that do not run until it is answered.
    pub frozen: Vec<ThreadId>,
}

/// `DBGKM_APIMSG`: what a debugger is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DebugMessage {
    CreateThread {
        start: u64,
    },
    CreateProcess {
        start: u64,
    },
    ExitThread(NtStatus),
    ExitProcess(NtStatus),
    /// `wow64`: 32-bit code of a WOW64 process raised it.
    Exception {
        record: ExceptionRecord,
        first_chance: bool,
        wow64: bool,
    },
    LoadDll {
        base: u64,
    },
}

/// Who debugs a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Debugged {
    /// `DebugPort`: the debug object, with a reference.
    pub port: Option<ObjectId>,
    /// `CreateReported`: the debugger knows the process.
    pub told: bool,
    /// `NoDebugInherit`: children are not debugged.
    pub no_inherit: bool,
}

/// What a debugger has to do with a thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadDebug {
    /// It has begun: a debugger that was there was told.
    pub begun: bool,
    /// For how many events it is held.
    pub frozen: u32,
    /// It ends with this status, and the debugger is told of that.
    pub exiting: Option<NtStatus>,
    /// It is to end with this status when the debugger has answered what it is told now.
    pub dying: Option<NtStatus>,
    /// An exception that the debugger did not handle, and whether that was the first chance: the thread goes on with it.
    pub raised: Option<(ExceptionRecord, bool)>,
}

impl DebugObject {
    /// The first event that the debugger can be told: those of a process come one at a time.
    pub fn ready(&self) -> Option<usize> {
        let waits = |event: &DebugEvent| self.events.iter().any(|e| e.read && e.process == event.process);
        self.events.iter().position(|event| !event.read && !waits(event))
    }

    /// Whether a wait for it is over.
    pub fn signaled(&self) -> bool {
        self.inactive || self.ready().is_some()
    }
}

/// `DEBUG_READ_EVENT`, `DEBUG_PROCESS_ASSIGN`, `DEBUG_SET_INFORMATION`.
const READ_EVENT: AccessMask = AccessMask(1);
pub(super) const PROCESS_ASSIGN: AccessMask = AccessMask(2);
const SET_INFORMATION: AccessMask = AccessMask(4);
/// `DEBUG_KILL_ON_CLOSE`.
const KILL_ON_CLOSE: u32 = 1;
/// `DebugObjectKillProcessOnExitInformation`.
const KILL_PROCESS_ON_EXIT: u32 = 1;

/// `NtCreateDebugObject`: creates a debug object, or opens one of that name if `OBJ_OPENIF` allows.
///
/// `STATUS_INVALID_PARAMETER` for unknown flags; the statuses of creating.
fn nt_create_debug_object(
    cx: &mut Cx<'_>, debug_object_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, flags: u32,
) -> NtResult {
    cx.probe_handle(debug_object_handle)?;
    if flags & !KILL_ON_CLOSE != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let body = Body::DebugObject(DebugObject { kill_on_close: flags & KILL_ON_CLOSE != 0, ..DebugObject::default() });
    cx.create_and_store(debug_object_handle, desired_access, object_attributes, body)
}

/// `NtSetInformationDebugObject`: whether what is debugged ends with the object (a flag in 32 bits).
///
/// `STATUS_INVALID_PARAMETER` for an unknown class or flag, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_INVALID_HANDLE`,
/// `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `DEBUG_SET_INFORMATION`.
fn nt_set_information_debug_object(
    cx: &mut Cx<'_>, debug_object: Handle, class: u32, information: UserPtr<u32>, length: u32,
    return_length: Option<UserPtr<u32>>,
) -> NtResult {
    if let Some(pointer) = return_length {
        cx.mem().probe(pointer)?;
        cx.mem().store(pointer, &0)?;
    }
    if class_name("DEBUGOBJECTINFOCLASS", class).is_err() || class != KILL_PROCESS_ON_EXIT {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if length != 4 {
        if let Some(pointer) = return_length {
            cx.mem().store(pointer, &4)?;
        }
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let flags = cx.mem().load(information)?;
    if flags & !KILL_ON_CLOSE != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    cx.reference::<DebugObject>(debug_object, SET_INFORMATION)?.kill_on_close = flags != 0;
    Ok(NtStatus::SUCCESS)
}
