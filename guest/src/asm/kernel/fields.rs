//! What the kernel's code takes from the profile: offsets of fields, and what kernels of its build have.

use super::super::error::AsmError;
use crate::layout::BuildLayouts;
use crate::profile::{Arch, Profile};

include!(concat!(env!("OUT_DIR"), "/kernel.rs"));

/// What not every kernel has; from which build on is in `data/kernel.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelFeature {
    /// Rows of the service tables are distances; before, addresses.
    RelativeRows,
    /// A second entry for `syscall`, which switches to the kernel's page tables.
    KvaShadow,
    /// Access to user memory is switched on where it is wanted.
    Smap,
    /// User pages are not executed in ring 0.
    Smep,
}

impl KernelFeature {
    const fn name(self) -> &'static str {
        match self {
            Self::RelativeRows => "relative_rows",
            Self::KvaShadow => "kva_shadow",
            Self::Smap => "smap",
            Self::Smep => "smep",
        }
    }

    /// Whether the kernel of a profile has it.
    pub fn of(self, profile: &Profile) -> bool {
        FEATURES
            .iter()
            .any(|&(name, arch, build)| name == self.name() && arch == profile.arch && profile.version.2 >= build)
    }
}

/// A profile's layouts, as displacements.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    pub profile: &'static Profile,
    layouts: &'static BuildLayouts,
}

/// `KTRAP_FRAME` is addressed from its middle in 64-bit code, so that most displacements take a byte: what RBP has above
/// the frame's start.
pub(super) const BIAS: i32 = 0x80;

impl Fields {
    pub(super) fn new(profile: &'static Profile) -> Self {
        Self { profile, layouts: profile.layout() }
    }

    /// An offset that some builds do not have.
    pub(super) fn find(&self, structure: &str, field: &str) -> Option<i32> {
        self.layouts.offset(structure, field).map(|at| at as i32)
    }

    /// An offset.
    pub(super) fn at(&self, structure: &str, field: &str) -> Result<i32, AsmError> {
        let missing = || AsmError::Field(format!("{structure}.{field} for {}", self.profile.name));
        self.find(structure, field).ok_or_else(missing)
    }

    /// The mask of a bit field.
    pub(super) fn mask(&self, structure: &str, field: &str) -> Result<u32, AsmError> {
        let missing = || AsmError::Field(format!("the bits of {structure}.{field} for {}", self.profile.name));
        self.layouts.mask(structure, field).ok_or_else(missing)
    }

    pub(super) fn thread(&self, field: &str) -> Result<i32, AsmError> {
        self.at("KTHREAD", field)
    }

    /// A field of `KTRAP_FRAME`: from RBP in 64-bit code, from the frame's start in 32-bit code.
    pub(super) fn frame(&self, field: &str) -> Result<i32, AsmError> {
        let bias = if self.profile.arch == Arch::X64 { BIAS } else { 0 };
        Ok(self.at("KTRAP_FRAME", field)? - bias)
    }

    /// A field of `KPRCB`, from where GS or FS lead: `KPCR`.
    pub(super) fn prcb(&self, field: &str) -> Result<i32, AsmError> {
        let start = if self.profile.arch == Arch::X64 { "Prcb" } else { "PrcbData" };
        Ok(self.at("KPCR", start)? + self.at("KPRCB", field)?)
    }

    /// The byte of `KTHREAD` that is not zero while a user APC waits.
    pub(super) fn user_apc_pending(&self) -> Result<i32, AsmError> {
        let byte = self.find("KAPC_STATE", "UserApcPendingAll");
        let byte = byte.or_else(|| self.find("KAPC_STATE", "UserApcPending"));
        let missing = || AsmError::Field(format!("KAPC_STATE.UserApcPending for {}", self.profile.name));
        Ok(self.thread("ApcState")? + byte.ok_or_else(missing)?)
    }

    pub(super) fn has(&self, feature: KernelFeature) -> bool {
        feature.of(self.profile)
    }

    pub(super) fn is_x64(&self) -> bool {
        self.profile.arch == Arch::X64
    }
}
