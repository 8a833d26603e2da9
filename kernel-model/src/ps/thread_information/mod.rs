//! `NtQueryInformationThread` and `NtSetInformationThread`.

mod query;
mod set;

pub(crate) use query::SERVICES as QUERY;
pub(crate) use set::SERVICES as SET;

use guest::AccessMask;

/// `THREADINFOCLASS` values (phnt).
mod class {
    pub const BASIC: u32 = 0;
    pub const TIMES: u32 = 1;
    pub const PRIORITY: u32 = 2;
    pub const BASE_PRIORITY: u32 = 3;
    pub const AFFINITY_MASK: u32 = 4;
    pub const IMPERSONATION_TOKEN: u32 = 5;
    pub const WIN32_START: u32 = 9;
    pub const ZERO_TLS_CELL: u32 = 10;
    pub const PERFORMANCE_COUNT: u32 = 11;
    pub const AM_I_LAST_THREAD: u32 = 12;
    pub const IDEAL_PROCESSOR: u32 = 13;
    pub const PRIORITY_BOOST: u32 = 14;
    pub const IS_IO_PENDING: u32 = 16;
    pub const HIDE_FROM_DEBUGGER: u32 = 17;
    pub const BREAK_ON_TERMINATION: u32 = 18;
    pub const IS_TERMINATED: u32 = 20;
    pub const IO_PRIORITY: u32 = 22;
    pub const CYCLE_TIME: u32 = 23;
    pub const PAGE_PRIORITY: u32 = 24;
    pub const ACTUAL_BASE_PRIORITY: u32 = 25;
    pub const WOW64_CONTEXT: u32 = 29;
    pub const GROUP: u32 = 30;
    pub const IDEAL_PROCESSOR_EX: u32 = 33;
    pub const SUSPEND_COUNT: u32 = 35;
    pub const SYSTEM_THREAD: u32 = 40;
    pub const SUBSYSTEM: u32 = 45;
}

/// The first build that has a class, where that is after XP.
const FIRST_BUILD: &[(u32, u32)] = &[
    (class::IS_TERMINATED, 3790),
    (class::IO_PRIORITY, 6000),
    (class::CYCLE_TIME, 6000),
    (class::PAGE_PRIORITY, 6000),
    (class::ACTUAL_BASE_PRIORITY, 6000),
    (class::GROUP, 7600),
    (class::IDEAL_PROCESSOR_EX, 7600),
    (class::SUSPEND_COUNT, 9600),
    (class::SYSTEM_THREAD, 14393),
    (class::SUBSYSTEM, 15063),
];

/// Whether a build does not have a class yet.
fn is_too_new(class: u32, build: u32) -> bool {
    FIRST_BUILD.iter().any(|&(known, first)| known == class && build < first)
}

/// `THREAD_QUERY_INFORMATION` and `THREAD_SET_INFORMATION`.
const QUERY_INFORMATION: AccessMask = AccessMask(0x40);
const SET_INFORMATION: AccessMask = AccessMask(0x20);
