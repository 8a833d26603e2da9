//! Which messages of the kernel's components are let through to a debugger.

use std::collections::BTreeMap;

use guest::NtStatus;

use crate::cx::Cx;
use crate::se::Privilege;
use crate::service::{NtResult, Service, Support, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtQueryDebugFilterState => nt_query_debug_filter_state, Support::Full),
    service!(NtSetDebugFilterState => nt_set_debug_filter_state, Support::Full),
];

/// Components there are (`DPFLTR_TYPE`, dpfilter.h).
const COMPONENTS: u32 = 0x9b;
/// Errors come through of every component (`Kd_DEFAULT_MASK` and `Kd_WIN2000_Mask`).
const AT_BOOT: u32 = 1;

/// The masks that were set, by component.
pub type DebugFilter = BTreeMap<u32, u32>;

/// The bit of a level: those below 32 are numbers, larger ones are masks themselves.
const fn bit(level: u32) -> u32 {
    if level < 32 { 1 << level } else { level }
}

/// `NtQueryDebugFilterState`: 1 if messages of a level come through, 0 if not.
///
/// `STATUS_INVALID_PARAMETER_1` for a component there is not.
fn nt_query_debug_filter_state(cx: &mut Cx<'_>, component: u32, level: u32) -> NtResult {
    if component >= COMPONENTS {
        return Err(NtStatus::INVALID_PARAMETER_1.into());
    }
    let mask = cx.kernel.debug_filter.get(&component).copied().unwrap_or(0) | AT_BOOT;
    Ok(NtStatus(u32::from(mask & bit(level) != 0)))
}

/// `NtSetDebugFilterState`: lets messages of a level through, or not.
///
/// `STATUS_ACCESS_DENIED` without `SeDebugPrivilege`, `STATUS_INVALID_PARAMETER_1`.
fn nt_set_debug_filter_state(cx: &mut Cx<'_>, component: u32, level: u32, state: bool) -> NtResult {
    if cx.require_privilege(Privilege::DEBUG).is_err() {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    if component >= COMPONENTS {
        return Err(NtStatus::INVALID_PARAMETER_1.into());
    }
    let mask = cx.kernel.debug_filter.entry(component).or_default();
    *mask = if state { *mask | bit(level) } else { *mask & !bit(level) };
    Ok(NtStatus::SUCCESS)
}
