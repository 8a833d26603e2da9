//! The built-in `ntdll.dll`: every service's stub, then the run-time library by family.

mod error;
mod export;
mod heap;
pub(super) mod ldr;
mod mem;
pub(super) mod misc;
mod start;
mod string;

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
    for service in profile.services(ServiceTableId::Nt) {
        m.stub(&service)?;
    }
    error::define(&mut m)?;
    heap::define(&mut m)?;
    export::define(&mut m)?;
    ldr::define(&mut m)?;
    misc::define(&mut m)?;
    mem::define(&mut m)?;
    string::define(&mut m)?;
    start::define(&mut m)?;
    m.link()
}
