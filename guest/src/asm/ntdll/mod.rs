//! The built-in `ntdll.dll`: every service's stub, then the run-time library by family.

mod error;
mod start;

use super::BuiltinDll;
use super::builder::Module;
use super::error::AsmError;
use crate::profile::Profile;
use crate::services::ServiceTableId;

/// Where it is linked; Windows' own lies in this region.
const BASE: u64 = 0x7ffc_0e3b_0000;

/// Assembles it.
pub(super) fn build(profile: &'static Profile) -> Result<BuiltinDll, AsmError> {
    let mut m = Module::new(profile, "ntdll.dll", BASE)?;
    for (number, service) in profile.services(ServiceTableId::Nt) {
        m.stub(service.name, number)?;
    }
    error::define(&mut m)?;
    start::define(&mut m)?;
    m.link()
}
