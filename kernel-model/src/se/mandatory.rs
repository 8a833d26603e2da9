//! Mandatory integrity control and process trust labels: limits that come before any DACL.

use guest::{AccessMask, GenericMapping};

use super::ace::{Ace, ace_type};
use super::descriptor::SecurityDescriptor;
use super::privilege::Privilege;
use super::token::{POLICY_NO_WRITE_UP, Token, integrity};
use crate::service::{NtResult, Unwind};

/// `SYSTEM_MANDATORY_LABEL_NO_*_UP`: what a label keeps from those below it.
pub const NO_WRITE_UP: u32 = 1;
/// `NO_READ_UP`.
pub const NO_READ_UP: u32 = 2;
/// `NO_EXECUTE_UP`.
pub const NO_EXECUTE_UP: u32 = 4;

/// The rights that the object's mandatory label leaves to the token, whatever the DACL says ([MS-DTYP] 2.5.3.3).
///
/// An object without a label is medium and cannot be written from below. A subject below the object's level keeps
/// what the generic rights stand for that the label's policy does not take; `SeRelabelPrivilege` adds `WRITE_OWNER`.
/// An AppContainer is held by its packages' entries in the DACL, so its low level does not count against objects up
/// to medium: what "ALL APPLICATION PACKAGES" may write, it may.
pub fn mandatory_limit(token: &Token, descriptor: &SecurityDescriptor, mapping: &GenericMapping) -> AccessMask {
    let label = descriptor.sacl().and_then(super::acl::Acl::label);
    let (level, policy) = label.map_or((integrity::MEDIUM, NO_WRITE_UP), |(level, policy)| (level, policy.0));
    let boxed = token.lowbox.is_some() && level <= integrity::MEDIUM;
    if token.policy & POLICY_NO_WRITE_UP == 0 || token.integrity >= level || boxed {
        return AccessMask(u32::MAX);
    }
    let mut limit = 0;
    for (bit, rights) in [(NO_READ_UP, mapping.read), (NO_WRITE_UP, mapping.write), (NO_EXECUTE_UP, mapping.execute)] {
        if policy & bit == 0 {
            limit |= rights.0;
        }
    }
    if policy & NO_WRITE_UP == 0 {
        // What is neither reading nor executing is writing: DELETE and WRITE_DAC too.
        limit |= mapping.all.0 & !(mapping.read.0 | mapping.execute.0);
    }
    if token.has_privilege(Privilege::RELABEL) {
        limit |= WRITE_OWNER;
    }
    AccessMask(limit)
}

/// `WRITE_OWNER`.
pub(super) const WRITE_OWNER: u32 = 0x8_0000;

/// The rights that the object's process trust label leaves to a token. No token here has a trust level (only
/// protected processes do), so every such label counts. Access filters are conditional and not supported.
pub(super) fn trust_limit(descriptor: &SecurityDescriptor, mapping: &GenericMapping) -> NtResult<AccessMask> {
    let entries = || descriptor.sacl().into_iter().flat_map(|sacl| sacl.aces.iter()).filter(|a| a.is_effective());
    if let Some(filter) = entries().find(|ace| ace.kind == ace_type::ACCESS_FILTER) {
        return Err(Unwind::unsupported(format!("{} in a SACL", filter.type_name())));
    }
    let label = entries().find(|ace| ace.kind == ace_type::TRUST_LABEL).map(Ace::mask);
    Ok(label.map_or(AccessMask(u32::MAX), |mask| mask.map_generic(mapping)))
}
