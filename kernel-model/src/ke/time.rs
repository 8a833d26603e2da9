//! `NtQuerySystemTime`, `NtQueryPerformanceCounter`, `NtDelayExecution`, `NtYieldExecution`.

use guest::{GuestMemory, NtStatus, UserPtr};

use super::clock::QPC_FREQUENCY;
use super::dispatcher::deadline;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Wait, WaitOn, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtQuerySystemTime => nt_query_system_time, Support::Full),
    service!(NtQueryPerformanceCounter => nt_query_performance_counter, Support::Full),
    service!(NtDelayExecution => nt_delay_execution, Support::Full),
    service!(NtYieldExecution => nt_yield_execution, Support::Full),
];

/// `NtQuerySystemTime`: the system time, 100 ns units since 1601, as of the last clock tick.
///
/// `STATUS_ACCESS_VIOLATION` for a bad pointer.
fn nt_query_system_time(cx: &mut Cx<'_>, system_time: UserPtr<i64>) -> NtResult {
    let clock = &cx.kernel.clock;
    let now = clock.system_time_at(clock.ticked_interrupt_time());
    let mut mem = cx.mem();
    mem.probe(system_time)?;
    mem.store(system_time, &(now as i64))?;
    Ok(NtStatus::SUCCESS)
}

/// `NtQueryPerformanceCounter`: the counter and, if asked for, its frequency in Hz (64 bits each).
///
/// `STATUS_ACCESS_VIOLATION` for a bad pointer; then neither is written.
fn nt_query_performance_counter(cx: &mut Cx<'_>, counter: UserPtr<i64>, frequency: Option<UserPtr<i64>>) -> NtResult {
    let now = cx.kernel.clock.performance_counter();
    let mut mem = cx.mem();
    mem.probe(counter)?;
    if let Some(frequency) = frequency {
        mem.probe(frequency)?;
        mem.store(frequency, &(QPC_FREQUENCY as i64))?;
    }
    mem.store(counter, &(now as i64))?;
    Ok(NtStatus::SUCCESS)
}

/// `NtDelayExecution`: waits for a time in 100 ns units, relative if negative, a system time otherwise.
///
/// `STATUS_USER_APC` and `STATUS_ALERTED` where the wait is alertable.
fn nt_delay_execution(cx: &mut Cx<'_>, alertable: bool, interval: UserPtr<i64>) -> NtResult {
    // Where there is none, Wine's DLLs mean for ever.
    if interval.is_null() && cx.kernel.is_wine_root() {
        return cx.wait(Wait::new(WaitOn::Delay, None, alertable));
    }
    let interval = cx.mem().load(interval)?;
    if interval == 0 && !(alertable && cx.kernel.has_alert()) {
        return nt_yield_execution(cx).map(|_| NtStatus::SUCCESS);
    }
    let deadline = deadline(&cx.kernel.clock, Some(interval));
    cx.wait(Wait { timeout_status: NtStatus::SUCCESS, ..Wait::new(WaitOn::Delay, deadline, alertable) })
}

/// `NtYieldExecution`: lets another ready thread run, of whatever priority; `STATUS_NO_YIELD_PERFORMED` where there is
/// none.
fn nt_yield_execution(cx: &mut Cx<'_>) -> NtResult {
    Ok(if cx.kernel.yield_execution() { NtStatus::SUCCESS } else { NtStatus::NO_YIELD_PERFORMED })
}
