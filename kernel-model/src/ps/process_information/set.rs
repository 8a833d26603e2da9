//! `NtSetInformationProcess`.

use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::{SET_INFORMATION, class, is_too_new, stack_allocation};
use crate::cx::Cx;
use crate::ps::{EXECUTE_PERMANENT, ProcessAbout, ProcessId, instrumentation, priority_class, token};
use crate::se::Privilege;
use crate::service::{NtResult, Service, Support, Unwind, class_name, load_setting, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtSetInformationProcess => nt_set_information_process,
    Support::Partial("priorities, affinity, hard errors, execute flags, token, critical, I/O and page priority, room for stacks, policies; policies are kept and not enforced")
)];

/// `PROCESS_SET_SESSIONID`.
const SET_SESSION: AccessMask = AccessMask(0x4);
/// Bytes of the structures: `PROCESS_PRIORITY_CLASS`, `PROCESS_MITIGATION_POLICY_INFORMATION`.
const PRIORITY_CLASS_SIZE: u32 = 2;
const MITIGATION_SIZE: u32 = 8;
/// The highest priority that ordinary threads have is below this one.
const LOW_REALTIME: u32 = 16;
/// `IoPriorityHigh` and `MEMORY_PRIORITY_NORMAL`.
const HIGHEST_IO: u32 = 3;
const HIGHEST_PAGE: u32 = 5;

/// The length that a class takes.
fn size_of_class(class: u32, word: u32) -> Option<u32> {
    Some(match class {
        class::ACCESS_TOKEN => 2 * word,
        class::AFFINITY_MASK => word,
        class::PRIORITY_CLASS => PRIORITY_CLASS_SIZE,
        class::MITIGATION_POLICY => MITIGATION_SIZE,
        class::FOREGROUND => 1,
        class::BASE_PRIORITY | class::RAISE_PRIORITY | class::DEFAULT_HARD_ERROR_MODE | class::PRIORITY_BOOST => 4,
        class::BREAK_ON_TERMINATION | class::IO_PRIORITY | class::EXECUTE_FLAGS | class::PAGE_PRIORITY => 4,
        class::DEBUG_FLAGS | class::SESSION => 4,
        _ => return None,
    })
}

/// Classes that there is nothing to set of.
const ONLY_QUERIED: &[u32] = &[
    class::BASIC,
    class::IO_COUNTERS,
    class::VM_COUNTERS,
    class::TIMES,
    class::DEBUG_PORT,
    class::POOLED_USAGE,
    class::HANDLE_COUNT,
    class::WOW64,
    class::IMAGE_FILE_NAME,
    class::IMAGE_FILE_NAME_WIN32,
    class::DEBUG_OBJECT_HANDLE,
    class::COOKIE,
    class::IMAGE,
    class::CYCLE_TIME,
    class::HANDLES,
    class::COMMAND_LINE,
    class::PROTECTION,
];

/// `NtSetInformationProcess`.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_PRIVILEGE_NOT_HELD` (critical: `SeDebugPrivilege`;
/// realtime or a raised priority: `SeIncreaseBasePriorityPrivilege`; a token: `SeAssignPrimaryTokenPrivilege`; a session:
/// `SeTcbPrivilege`), `STATUS_INVALID_PARAMETER` for values that there are not, `STATUS_ACCESS_DENIED` (execute flags that
/// are permanent, or rights that are not there), `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`,
/// `STATUS_BAD_TOKEN_TYPE`.
fn nt_set_information_process(
    cx: &mut Cx<'_>, process: Handle, class: u32, buffer: UserPtr<u8>, length: u32,
) -> NtResult {
    let name = class_name("PROCESSINFOCLASS", class)?;
    if is_too_new(class, cx.kernel.profile.version.2) || ONLY_QUERIED.contains(&class) {
        return Err(NtStatus::INVALID_INFO_CLASS.into());
    }
    if class == class::INSTRUMENTATION_CALLBACK {
        return instrumentation::set_callback(cx, process, buffer, length);
    }
    if class == class::THREAD_STACK_ALLOCATION {
        return stack_allocation::reserve(cx, process, buffer, length);
    }
    let word = cx.kernel.width().bytes() as u32;
    let size = size_of_class(class, word);
    let size = size.ok_or_else(|| Unwind::unsupported(format!("ProcessInformationClass {name}")))?;
    let value = load_setting(cx, buffer, length, size)?;
    match class {
        class::ACCESS_TOKEN => return token::set_primary(cx, process, buffer),
        class::SESSION => return set_session(cx, process, value as u32),
        class::EXECUTE_FLAGS => return set_execute_flags(cx, process, value as u32),
        class::BREAK_ON_TERMINATION => cx.require_privilege(Privilege::DEBUG)?,
        class::PRIORITY_CLASS if value >> 8 == u64::from(priority_class::REALTIME) => {
            cx.require_privilege(Privilege::INCREASE_BASE_PRIORITY)?;
        }
        class::RAISE_PRIORITY | class::BASE_PRIORITY if value as u32 >= LOW_REALTIME => {
            cx.require_privilege(Privilege::INCREASE_BASE_PRIORITY)?;
        }
        _ => {}
    }
    let second = if class == class::MITIGATION_POLICY {
        cx.mem().load::<u32>(UserPtr::new(buffer.va.wrapping_add(4)))?
    } else {
        0
    };
    let id = cx.process_of(process, SET_INFORMATION)?;
    let process = cx.kernel.ps.get_mut(id).ok_or(NtStatus::INVALID_HANDLE)?;
    if class == class::MITIGATION_POLICY && value as u32 == SYSTEM_CALL_DISABLE {
        // What is off stays off.
        process.win32k_lockdown |= second & 1 != 0;
    }
    if class == class::DEBUG_FLAGS && value <= 1 {
        // Whether children are debugged too.
        process.debug.no_inherit = value == 0;
    }
    let before = process.about.base_priority;
    change(&mut process.about, class, value, second)?;
    let after = process.about.base_priority;
    cx.kernel.shift_priorities(id, before, after);
    Ok(NtStatus::SUCCESS)
}

/// `ProcessSystemCallDisablePolicy`.
const SYSTEM_CALL_DISABLE: u32 = 4;

/// Changes what is one value.
fn change(about: &mut ProcessAbout, class: u32, value: u64, second: u32) -> Result<(), NtStatus> {
    let number = value as u32;
    let valid = |condition: bool| if condition { Ok(()) } else { Err(NtStatus::INVALID_PARAMETER) };
    match class {
        class::BASE_PRIORITY => {
            // The top bit says that the memory priority is raised too.
            let priority = number & 0x7fff_ffff;
            valid((1..=31).contains(&priority))?;
            about.base_priority = priority as u8;
        }
        class::RAISE_PRIORITY => about.base_priority = (u32::from(about.base_priority) + number).min(31) as u8,
        class::DEFAULT_HARD_ERROR_MODE => about.hard_error_mode = number,
        class::PRIORITY_CLASS => {
            let class = (value >> 8) as u8;
            valid(class != 0 && usize::from(class) < priority_class::BASE.len())?;
            about.foreground = value & 0xff != 0;
            about.priority_class = class;
            about.base_priority = priority_class::BASE.get(usize::from(class)).copied().unwrap_or(8);
        }
        class::AFFINITY_MASK => {
            // There is one processor.
            valid(value == 1)?;
            about.affinity = value;
        }
        class::PRIORITY_BOOST => about.boost_disabled = number != 0,
        class::FOREGROUND => about.foreground = value != 0,
        class::BREAK_ON_TERMINATION => about.critical = number != 0,
        class::IO_PRIORITY => {
            valid(number <= HIGHEST_IO)?;
            about.io_priority = number;
        }
        class::PAGE_PRIORITY => {
            valid(number <= HIGHEST_PAGE)?;
            about.page_priority = number;
        }
        class::MITIGATION_POLICY => {
            let policy = about.mitigations.get_mut(number as usize).filter(|_| number != 0);
            *policy.ok_or(NtStatus::INVALID_PARAMETER)? |= second;
        }
        // ProcessDebugFlags, which are not among these.
        class::DEBUG_FLAGS => valid(number <= 1)?,
        _ => return Err(NtStatus::INVALID_INFO_CLASS),
    }
    Ok(())
}

/// `ProcessSessionInformation`.
fn set_session(cx: &mut Cx<'_>, process: Handle, session: u32) -> NtResult {
    cx.require_privilege(Privilege::TCB)?;
    let id: ProcessId = cx.process_of(process, AccessMask(SET_INFORMATION.0 | SET_SESSION.0))?;
    let current = cx.kernel.ps.get(id).map(|p| p.session);
    if current == Some(session) {
        Ok(NtStatus::SUCCESS)
    } else {
        Err(Unwind::unsupported("a SessionId of another session"))
    }
}

/// `ProcessExecuteFlags`, of the calling process: exactly one of execution being enabled and disabled, and what else goes
/// with it. 64-bit code has no choice, and what is permanent stays.
fn set_execute_flags(cx: &mut Cx<'_>, process: Handle, flags: u32) -> NtResult {
    const DISABLE: u32 = 1;
    const ENABLE: u32 = 2;
    const KNOWN: u32 = 0x3f;
    if process != Handle::CURRENT_PROCESS || flags & !KNOWN != 0 || (flags & DISABLE != 0) == (flags & ENABLE != 0) {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let current = &cx.kernel.ps.process;
    let native = cx.kernel.width() == guest::mem::Width::W64 && current.wow64_peb.is_none();
    if native || current.about.execute_options & EXECUTE_PERMANENT != 0 {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    cx.kernel.mm.set_no_execute(flags & DISABLE != 0);
    cx.kernel.ps.process.about.execute_options = flags;
    Ok(NtStatus::SUCCESS)
}
