//! The processor that a thread runs on, of which there is one, and how often its clock ticks.

use guest::{GuestMemory, NtStatus, UserPtr};

use super::clock::TICK;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtGetCurrentProcessorNumber => nt_get_current_processor_number, Support::Full),
    service!(NtGetCurrentProcessorNumberEx => nt_get_current_processor_number_ex, Support::Full),
    service!(NtFlushProcessWriteBuffers => nt_flush_process_write_buffers, Support::Full),
    service!(NtFlushWriteBuffer => nt_flush_write_buffer, Support::Full),
    service!(NtQueryTimerResolution => nt_query_timer_resolution, Support::Full),
    service!(
        NtSetTimerResolution => nt_set_timer_resolution,
        Support::Partial("the clock ticks as before, and that is what is told")
    ),
];

/// `NtGetCurrentProcessorNumber`: it is the first.
fn nt_get_current_processor_number(_: &mut Cx<'_>) -> NtResult {
    Ok(NtStatus(0))
}

/// `NtGetCurrentProcessorNumberEx`: the first of the first group (`PROCESSOR_NUMBER`, 4 bytes).
///
/// `STATUS_ACCESS_VIOLATION`.
fn nt_get_current_processor_number_ex(cx: &mut Cx<'_>, number: Option<UserPtr<u32>>) -> NtResult {
    if let Some(pointer) = number {
        cx.mem().store(pointer, &0)?;
    }
    Ok(NtStatus(0))
}

/// `NtFlushProcessWriteBuffers`: what other processors have written is seen. There is none.
fn nt_flush_process_write_buffers(_: &mut Cx<'_>) -> NtResult {
    Ok(NtStatus::SUCCESS)
}

/// `NtFlushWriteBuffer`: what was written is in memory. It always is.
fn nt_flush_write_buffer(_: &mut Cx<'_>) -> NtResult {
    Ok(NtStatus::SUCCESS)
}

/// `KeMinimumIncrement` of PCs with a high-resolution clock: half a millisecond.
const FINEST: u32 = 5_000;
/// What a tick takes, in 100 ns.
const COARSEST: u32 = TICK as u32;

/// `NtQueryTimerResolution`: how long a tick is at most, at least, and now, in 100 ns.
///
/// `STATUS_ACCESS_VIOLATION`.
fn nt_query_timer_resolution(
    cx: &mut Cx<'_>, maximum: UserPtr<u32>, minimum: UserPtr<u32>, current: UserPtr<u32>,
) -> NtResult {
    let mut mem = cx.mem();
    for (pointer, value) in [(maximum, COARSEST), (minimum, FINEST), (current, COARSEST)] {
        mem.store(pointer, &value)?;
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtSetTimerResolution`: asks for a length of a tick, in 100 ns, or takes that back; the length that it has is told.
///
/// `STATUS_ACCESS_VIOLATION`, `STATUS_TIMER_RESOLUTION_NOT_SET` where the process has asked for nothing.
fn nt_set_timer_resolution(cx: &mut Cx<'_>, _desired: u32, set: bool, actual: UserPtr<u32>) -> NtResult {
    cx.mem().store(actual, &COARSEST)?;
    let asked = &mut cx.kernel.ps.process.about.timer_resolution;
    if !set && !*asked {
        return Err(NtStatus::TIMER_RESOLUTION_NOT_SET.into());
    }
    *asked = set;
    Ok(NtStatus::SUCCESS)
}
