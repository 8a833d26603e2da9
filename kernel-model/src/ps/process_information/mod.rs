//! `NtQueryInformationProcess` and `NtSetInformationProcess`.

mod image;
mod query;
mod set;
mod simple;
mod stack_allocation;

pub(crate) use query::SERVICES as QUERY;
pub(crate) use set::SERVICES as SET;

use guest::AccessMask;

/// `PROCESSINFOCLASS` values (phnt).
mod class {
    pub const BASIC: u32 = 0;
    pub const QUOTA_LIMITS: u32 = 1;
    pub const IO_COUNTERS: u32 = 2;
    pub const VM_COUNTERS: u32 = 3;
    pub const TIMES: u32 = 4;
    pub const BASE_PRIORITY: u32 = 5;
    pub const RAISE_PRIORITY: u32 = 6;
    pub const DEBUG_PORT: u32 = 7;
    pub const ACCESS_TOKEN: u32 = 9;
    pub const DEFAULT_HARD_ERROR_MODE: u32 = 12;
    pub const POOLED_USAGE: u32 = 14;
    pub const PRIORITY_CLASS: u32 = 18;
    pub const HANDLE_COUNT: u32 = 20;
    pub const AFFINITY_MASK: u32 = 21;
    pub const PRIORITY_BOOST: u32 = 22;
    pub const SESSION: u32 = 24;
    pub const FOREGROUND: u32 = 25;
    pub const WOW64: u32 = 26;
    pub const IMAGE_FILE_NAME: u32 = 27;
    pub const LUID_DEVICE_MAPS: u32 = 28;
    pub const BREAK_ON_TERMINATION: u32 = 29;
    pub const DEBUG_OBJECT_HANDLE: u32 = 30;
    pub const DEBUG_FLAGS: u32 = 31;
    pub const IO_PRIORITY: u32 = 33;
    pub const EXECUTE_FLAGS: u32 = 34;
    pub const COOKIE: u32 = 36;
    pub const IMAGE: u32 = 37;
    pub const CYCLE_TIME: u32 = 38;
    pub const PAGE_PRIORITY: u32 = 39;
    pub const INSTRUMENTATION_CALLBACK: u32 = 40;
    pub const THREAD_STACK_ALLOCATION: u32 = 41;
    pub const IMAGE_FILE_NAME_WIN32: u32 = 43;
    pub const GROUP: u32 = 47;
    pub const HANDLES: u32 = 51;
    pub const MITIGATION_POLICY: u32 = 52;
    pub const COMMAND_LINE: u32 = 60;
    pub const PROTECTION: u32 = 61;
    pub const CHILD_PROCESS: u32 = 73;
    pub const SUBSYSTEM: u32 = 75;
}

/// The first build that has a class, where that is after XP.
const FIRST_BUILD: &[(u32, u32)] = &[
    (class::IO_PRIORITY, 6000),
    (class::COOKIE, 2600),
    (class::IMAGE, 2600),
    (class::CYCLE_TIME, 6000),
    (class::PAGE_PRIORITY, 6000),
    (class::THREAD_STACK_ALLOCATION, 6000),
    (class::IMAGE_FILE_NAME_WIN32, 6000),
    (class::GROUP, 7600),
    (class::HANDLES, 9200),
    (class::MITIGATION_POLICY, 9200),
    (class::COMMAND_LINE, 9600),
    (class::PROTECTION, 9600),
    (class::CHILD_PROCESS, 14393),
    (class::SUBSYSTEM, 15063),
];

/// Whether a build does not have a class yet.
fn is_too_new(class: u32, build: u32) -> bool {
    FIRST_BUILD.iter().any(|&(known, first)| known == class && build < first)
}

/// `PROCESS_QUERY_INFORMATION` and `PROCESS_SET_INFORMATION`.
const QUERY_INFORMATION: AccessMask = AccessMask(0x400);
const SET_INFORMATION: AccessMask = AccessMask(0x200);
