//! `NtSetInformationThread`.

use guest::{Arch, GuestMemory, Handle, NtStatus, UserPtr};

use super::{SET_INFORMATION, class, is_too_new};
use crate::cx::Cx;
use crate::ps::thread_name::{NAME_INFORMATION, set_name};
use crate::ps::{Thread, ThreadObject, token, wow64_context};
use crate::se::Privilege;
use crate::service::{NtResult, Service, Support, Unwind, class_name, load_setting, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtSetInformationThread => nt_set_information_thread,
    Support::Partial("token, WOW64 context, name, priorities, affinity, start address, TLS cells, boost, hidden, critical, ideal processor, I/O and page priority")
)];

/// Priorities from this one on need a privilege.
const LOW_REALTIME: u32 = 16;
/// `THREAD_BASE_PRIORITY_MIN` and `MAX`; beyond them only `THREAD_BASE_PRIORITY_IDLE` and `LOWRT`.
const BASE_LIMIT: i32 = 2;
const BASE_EXTREME: i32 = 15;
/// `IoPriorityHigh` and `MEMORY_PRIORITY_NORMAL`.
const HIGHEST_IO: u32 = 3;
const HIGHEST_PAGE: u32 = 5;
/// `MAXIMUM_PROCESSORS`: the ideal processor that means none.
const NO_PROCESSOR: u32 = 64;
/// Cells in the TEB, and further ones behind `TlsExpansionSlots`.
const TLS_CELLS: u32 = 64;
const TLS_EXPANSION: u32 = 1024;

fn size_of_class(class: u32, word: u32) -> Option<u32> {
    Some(match class {
        class::AFFINITY_MASK | class::WIN32_START => word,
        class::HIDE_FROM_DEBUGGER => 0,
        class::PRIORITY | class::BASE_PRIORITY | class::ZERO_TLS_CELL | class::IDEAL_PROCESSOR => 4,
        class::PRIORITY_BOOST | class::BREAK_ON_TERMINATION | class::IO_PRIORITY | class::PAGE_PRIORITY => 4,
        class::IDEAL_PROCESSOR_EX => 4,
        class::GROUP => word + 8,
        _ => return None,
    })
}

/// Classes that there is nothing to set of.
const ONLY_QUERIED: &[u32] = &[
    class::BASIC,
    class::TIMES,
    class::PERFORMANCE_COUNT,
    class::AM_I_LAST_THREAD,
    class::IS_IO_PENDING,
    class::IS_TERMINATED,
    class::CYCLE_TIME,
    class::SUSPEND_COUNT,
    class::SYSTEM_THREAD,
    class::SUBSYSTEM,
];

/// `NtSetInformationThread`.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_PRIVILEGE_NOT_HELD` (critical: `SeDebugPrivilege`;
/// a realtime priority: `SeIncreaseBasePriorityPrivilege`), `STATUS_INVALID_PARAMETER` for values that there are not,
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`; for `ThreadImpersonationToken`
/// `STATUS_BAD_TOKEN_TYPE` if the token is a primary one.
fn nt_set_information_thread(
    cx: &mut Cx<'_>, thread: Handle, class: u32, buffer: UserPtr<u8>, length: u32,
) -> NtResult {
    let name = class_name("THREADINFOCLASS", class)?;
    if is_too_new(class, cx.kernel.profile.version.2) || ONLY_QUERIED.contains(&class) {
        return Err(NtStatus::INVALID_INFO_CLASS.into());
    }
    if class == class::IMPERSONATION_TOKEN {
        return token::set_impersonation_token(cx, thread, buffer, length);
    }
    if class == class::WOW64_CONTEXT {
        return wow64_context::set(cx, thread, buffer, length);
    }
    if class == NAME_INFORMATION {
        return set_name(cx, thread, buffer, length);
    }
    let word = cx.kernel.width().bytes() as u32;
    let size = size_of_class(class, word);
    let size = size.ok_or_else(|| Unwind::unsupported(format!("ThreadInformationClass {name}")))?;
    let value = load_setting(cx, buffer, length, size)?;
    match class {
        class::ZERO_TLS_CELL => return zero_tls_cell(cx, thread, value as u32),
        class::BREAK_ON_TERMINATION => cx.require_privilege(Privilege::DEBUG)?,
        class::PRIORITY if value as u32 >= LOW_REALTIME => cx.require_privilege(Privilege::INCREASE_BASE_PRIORITY)?,
        _ => {}
    }
    let id = cx.reference::<ThreadObject>(thread, SET_INFORMATION)?.id;
    let process = cx.kernel.ps.thread(id).and_then(|t| cx.kernel.ps.get(t.process));
    let base = process.map_or(8, |p| p.about.base_priority);
    match class {
        class::PRIORITY => {
            let priority =
                (1..=31).contains(&(value as u32)).then_some(value as u8).ok_or(NtStatus::INVALID_PARAMETER)?;
            cx.kernel.set_priority(id, priority);
        }
        class::BASE_PRIORITY => cx.kernel.set_priority(id, base_priority(base, (value as u32).cast_signed())?),
        _ => change(cx.kernel.ps.thread_mut(id).ok_or(NtStatus::INVALID_HANDLE)?, class, value)?,
    }
    Ok(NtStatus::SUCCESS)
}

/// Changes what is one value.
fn change(thread: &mut Thread, class: u32, value: u64) -> Result<(), NtStatus> {
    let number = value as u32;
    let about = &mut thread.about;
    let valid = |condition: bool| if condition { Ok(()) } else { Err(NtStatus::INVALID_PARAMETER) };
    match class {
        // There is one processor.
        class::AFFINITY_MASK | class::GROUP => valid(value == 1)?,
        class::IDEAL_PROCESSOR => valid(number == 0 || number == NO_PROCESSOR)?,
        class::IDEAL_PROCESSOR_EX => valid(number == 0)?,
        class::WIN32_START => (thread.start_address, about.symbol) = (value, ""),
        class::PRIORITY_BOOST => thread.boost_disabled = number != 0,
        class::HIDE_FROM_DEBUGGER => about.hidden = true,
        class::BREAK_ON_TERMINATION => about.critical = number != 0,
        class::IO_PRIORITY => {
            valid(number <= HIGHEST_IO)?;
            about.io_priority = number;
        }
        class::PAGE_PRIORITY => {
            valid(number <= HIGHEST_PAGE)?;
            about.page_priority = number;
        }
        _ => return Err(NtStatus::INVALID_INFO_CLASS),
    }
    Ok(())
}

/// A thread's base priority: its process's with an increment, within the range of realtime or of ordinary threads; the
/// extremes of the increment are those of the range ("Scheduling Priorities").
fn base_priority(process: u8, increment: i32) -> Result<u8, NtStatus> {
    let realtime = u32::from(process) >= LOW_REALTIME;
    let (lowest, highest) = if realtime { (16, 31) } else { (1, 15) };
    let priority = match increment {
        _ if increment == -BASE_EXTREME => lowest,
        BASE_EXTREME => highest,
        _ if (-BASE_LIMIT..=BASE_LIMIT).contains(&increment) || realtime && (-7..=6).contains(&increment) => {
            (i32::from(process) + increment).clamp(lowest, highest)
        }
        _ => return Err(NtStatus::INVALID_PARAMETER),
    };
    Ok(priority as u8)
}

/// `ThreadZeroTlsCell`: a cell becomes zero in every thread of the calling process, whose own thread the handle has to be.
fn zero_tls_cell(cx: &mut Cx<'_>, thread: Handle, cell: u32) -> NtResult {
    if thread != Handle::CURRENT_THREAD {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if cell >= TLS_CELLS + TLS_EXPANSION {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let process = cx.kernel.ps.process.id;
    let native = cx.kernel.profile.arch;
    let own = |thread: &Thread| match thread.wow64_teb {
        Some(teb) => (teb, Arch::X86),
        None => (thread.teb, native),
    };
    let tebs: Vec<_> = cx.kernel.ps.threads().filter(|t| t.process == process && t.teb != 0).map(own).collect();
    for (teb, arch) in tebs {
        if let Some(at) = tls_cell(cx, teb, arch, cell)? {
            cx.mem().write(at, vec![0; arch.width().bytes()].as_slice())?;
        }
    }
    Ok(NtStatus::SUCCESS)
}

/// Where a thread has a cell, by its TEB of one width; `None`: nowhere.
fn tls_cell(cx: &mut Cx<'_>, teb: u64, arch: Arch, cell: u32) -> NtResult<Option<u64>> {
    let layouts = cx.kernel.profile.layout_for(arch);
    let width = arch.width().bytes() as u64;
    let Some(further) = cell.checked_sub(TLS_CELLS) else {
        let slots = layouts.offset("TEB", "TlsSlots");
        return Ok(slots.map(|slots| teb.wrapping_add(slots + u64::from(cell) * width)));
    };
    let Some(pointer) = layouts.offset("TEB", "TlsExpansionSlots") else { return Ok(None) };
    let mut array = [0; 8];
    let word = array.get_mut(..width as usize).unwrap_or_default();
    cx.mem().read(teb.wrapping_add(pointer), word)?;
    let array = u64::from_le_bytes(array);
    Ok((array != 0).then(|| array.wrapping_add(u64::from(further) * width)))
}
