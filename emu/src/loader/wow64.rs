//! A 32-bit program on a 64-bit kernel: two sides of one process.

use guest::NtStatus;

use super::modules::Modules;
use super::process::Start;
use super::{ProcessConfig, Target};

/// Creates both sides and says where to start.
pub(super) fn create(
    _target: &mut Target<'_>, _config: &ProcessConfig, _modules: &Modules, _slide: u64,
) -> Result<Start, NtStatus> {
    Err(NtStatus::NOT_IMPLEMENTED)
}
