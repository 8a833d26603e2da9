//! `NtQuerySystemInformation`.

mod basic;
mod counters;
mod extended;
mod handles;
mod modules;
mod processes;
mod security;
mod session;
mod set;

use guest::mem::Width;
use guest::{GuestMemory, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::se::{Privilege, integrity};
use crate::service::{NtResult, Service, Support, Unwind, class_name, service};

pub(crate) use extended::SERVICES as EXTENDED_SERVICES;
pub(crate) use processes::thread_bytes;
pub(crate) use set::SERVICES as SET;

pub(crate) const SERVICES: &[Service] = &[service!(
    NtQuerySystemInformation => nt_query_system_information,
    Support::Partial("the classes of processes, threads, handles, modules, time, processors, counters and the debugger; no pools, locks, sessions, firmware or policies")
)];

/// `SYSTEM_INFORMATION_CLASS` values with the first build that has them, where that is not the first of all.
const FIRST_BUILD: &[(u32, u32)] = &[
    (EXTENDED_PROCESS, 2600),
    (EMULATION_BASIC, 3790),
    (EMULATION_PROCESSOR, 3790),
    (EXTENDED_HANDLE, 2600),
    (LOGICAL_PROCESSOR, 2600),
    (PROCESS_ID, 6000),
    (DYNAMIC_TIME_ZONE, 6000),
    (CODE_INTEGRITY, 6000),
    (NATIVE_BASIC, 7600),
    (FULL_PROCESS, 9200),
    (KERNEL_DEBUGGER_EX, 9600),
    (SECURE_BOOT, 9200),
    (ISOLATED_USER_MODE, 10240),
];

const BASIC: u32 = 0;
const PROCESSOR: u32 = 1;
const PERFORMANCE: u32 = 2;
const TIME_OF_DAY: u32 = 3;
const PROCESS: u32 = 5;
const PROCESSOR_PERFORMANCE: u32 = 8;
const FLAGS: u32 = 9;
const MODULE: u32 = 11;
const HANDLE: u32 = 16;
const OBJECT: u32 = 17;
const FILE_CACHE: u32 = 21;
const INTERRUPT: u32 = 23;
const TIME_ADJUSTMENT: u32 = 28;
const EXCEPTION: u32 = 33;
const KERNEL_DEBUGGER: u32 = 35;
const CONTEXT_SWITCH: u32 = 36;
const REGISTRY_QUOTA: u32 = 37;
const CURRENT_TIME_ZONE: u32 = 44;
const RANGE_START: u32 = 50;
const SESSION_PROCESS: u32 = 53;
const EXTENDED_PROCESS: u32 = 57;
const EMULATION_BASIC: u32 = 62;
const EMULATION_PROCESSOR: u32 = 63;
const EXTENDED_HANDLE: u32 = 64;
const LOGICAL_PROCESSOR: u32 = 73;
const PROCESS_ID: u32 = 88;
const DYNAMIC_TIME_ZONE: u32 = 102;
const CODE_INTEGRITY: u32 = 103;
const NATIVE_BASIC: u32 = 114;
const SECURE_BOOT: u32 = 145;
const FULL_PROCESS: u32 = 148;
const KERNEL_DEBUGGER_EX: u32 = 149;
const ISOLATED_USER_MODE: u32 = 165;

/// Which lengths of a buffer an answer takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// Its own.
    Exact,
    /// Its own or more.
    Whole,
    /// Its own or less: it is cut.
    Cut,
    /// At least these; what is longer gets more.
    Least(usize),
}

/// What a class answers.
struct Reply {
    bytes: Vec<u8>,
    fit: Fit,
}

impl Reply {
    fn exact(bytes: Vec<u8>) -> Self {
        Self { bytes, fit: Fit::Exact }
    }

    fn whole(bytes: Vec<u8>) -> Self {
        Self { bytes, fit: Fit::Whole }
    }

    /// How many bytes go into a buffer.
    ///
    /// `STATUS_INFO_LENGTH_MISMATCH`.
    fn written(&self, length: usize) -> Result<usize, NtStatus> {
        let own = self.bytes.len();
        let fits = match self.fit {
            Fit::Exact => length == own,
            Fit::Whole => length >= own,
            Fit::Cut => length <= own,
            Fit::Least(least) => length >= least,
        };
        if fits { Ok(own.min(length)) } else { Err(NtStatus::INFO_LENGTH_MISMATCH) }
    }
}

/// Where an answer goes.
#[derive(Clone, Copy)]
struct Place {
    buffer: UserPtr<u8>,
    length: u32,
    width: Width,
}

/// `NtQuerySystemInformation`.
///
/// `STATUS_INVALID_INFO_CLASS`; `STATUS_INFO_LENGTH_MISMATCH`, with the length that is needed returned;
/// `STATUS_UNSUCCESSFUL` (`SystemObjectInformation`: objects are not listed without the global flag for it);
/// `STATUS_ACCESS_DENIED` where a caller of low integrity would learn kernel addresses (Windows 8.1 and later).
fn nt_query_system_information(
    cx: &mut Cx<'_>, class: u32, buffer: UserPtr<u8>, length: u32, return_length: Option<UserPtr<u32>>,
) -> NtResult {
    let name = class_name("SYSTEM_INFORMATION_CLASS", class)?;
    let width = cx.kernel.width();
    let mut mem = cx.mem();
    mem.probe_write(buffer.va, length.into())?;
    if let Some(pointer) = return_length {
        mem.probe(pointer)?;
    }
    let build = cx.kernel.profile.version.2;
    if FIRST_BUILD.iter().any(|&(known, first)| known == class && build < first) {
        return Err(NtStatus::INVALID_INFO_CLASS.into());
    }
    let place = Place { buffer, length, width };
    let reply =
        reply(cx, class, place)?.ok_or_else(|| Unwind::unsupported(format!("SystemInformationClass {name}")))?;
    if let Some(pointer) = return_length {
        cx.mem().store(pointer, &(reply.bytes.len() as u32))?;
    }
    let written = reply.written(length as usize)?;
    cx.mem().write(buffer.va, reply.bytes.get(..written).unwrap_or(&[]))?;
    Ok(NtStatus::SUCCESS)
}

/// The answer of a class; `None` for one that nobody wrote.
fn reply(cx: &mut Cx<'_>, class: u32, place: Place) -> NtResult<Option<Reply>> {
    let width = place.width;
    Ok(Some(match class {
        BASIC | NATIVE_BASIC | EMULATION_BASIC => basic::basic(cx.kernel, width),
        PROCESSOR => basic::processor(cx.kernel, cx.kernel.profile.arch),
        EMULATION_PROCESSOR => basic::processor(cx.kernel, guest::Arch::X86),
        LOGICAL_PROCESSOR => basic::logical_processor(width),
        RANGE_START => basic::range_start(cx.kernel, width),
        FLAGS => Reply::exact(cx.kernel.global_flags.to_le_bytes().to_vec()),
        PERFORMANCE => counters::performance(cx.kernel),
        PROCESSOR_PERFORMANCE => counters::processor(cx.kernel),
        FILE_CACHE => counters::file_cache(width),
        INTERRUPT => Reply { bytes: vec![0; 24], fit: Fit::Least(24) },
        EXCEPTION => Reply::whole(vec![0; 16]),
        CONTEXT_SWITCH => Reply::whole(vec![0; 0x30]),
        REGISTRY_QUOTA => counters::registry_quota(width),
        TIME_OF_DAY => basic::time_of_day(cx.kernel),
        TIME_ADJUSTMENT => basic::time_adjustment(),
        // UTC, which has no daylight saving time: all zero.
        CURRENT_TIME_ZONE => Reply::exact(vec![0; 0xac]),
        DYNAMIC_TIME_ZONE => Reply::exact(vec![0; 0x1b0]),
        PROCESS => processes::processes(cx, place, false, None)?,
        EXTENDED_PROCESS => processes::processes(cx, place, true, None)?,
        SESSION_PROCESS => return session::processes_of(cx, place).map(Some),
        PROCESS_ID => return session::process_id(cx, place).map(Some),
        MODULE => modules::modules(cx, width)?,
        HANDLE => handles::handles(cx, width, false)?,
        EXTENDED_HANDLE => handles::handles(cx, width, true)?,
        OBJECT => return Err(NtStatus::UNSUCCESSFUL.into()),
        KERNEL_DEBUGGER | KERNEL_DEBUGGER_EX | CODE_INTEGRITY | SECURE_BOOT | ISOLATED_USER_MODE => {
            return security::reply(cx, class, place).map(Some);
        }
        _ => return Ok(None),
    }))
}

impl Cx<'_> {
    /// `ExIsRestrictedCaller`: from Windows 8.1 on, a caller below medium integrity learns no kernel address.
    pub(crate) fn is_restricted_caller(&self) -> Result<bool, NtStatus> {
        const FIRST: u32 = 9600;
        let low = self.subject()?.effective().integrity < integrity::MEDIUM;
        Ok(self.kernel.profile.version.2 >= FIRST && low && !self.kernel.ps.thread.kernel_mode)
    }

    /// Whether the caller is told kernel addresses: from Windows 11 24H2 on only one with `SeDebugPrivilege` is.
    pub(crate) fn sees_kernel_addresses(&self) -> bool {
        const FIRST: u32 = 26100;
        self.kernel.profile.version.2 < FIRST
            || self.kernel.ps.thread.kernel_mode
            || self.require_privilege(Privilege::DEBUG).is_ok()
    }
}
