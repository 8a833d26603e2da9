//! The images in kernel space.

use guest::system::SystemMap;
use guest::{Arch, Profile};

/// The volume that Windows is on: what `C:` stands for.
pub const SYSTEM_VOLUME: &str = "\\Device\\HarddiskVolume1\\";

/// An image in kernel space, as `PsLoadedModuleList` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemImage {
    /// Its full path.
    pub path: String,
    /// Where it begins.
    pub base: u64,
    /// Bytes that it takes.
    pub size: u64,
}

/// The sizes of the two images where none is loaded, because the model answers at once: about those of Windows'.
const NTOSKRNL_SIZE: u64 = 0x5d_d000;
const WIN32K_SIZE: u64 = 0x31_1000;

impl SystemImage {
    /// What every machine has, where nothing of it is in memory: addresses that tell images apart.
    pub(crate) fn of(profile: &Profile) -> Vec<Self> {
        let map = SystemMap::of(profile.arch);
        let image = |file: &str, base, size| Self { path: format!("\\SystemRoot\\System32\\{file}"), base, size };
        let mut images = vec![image("ntoskrnl.exe", map.ntoskrnl, NTOSKRNL_SIZE)];
        // Before NT 4 the window manager was a process.
        if profile.arch == Arch::X64 || profile.version.0 >= 4 {
            images.push(image("win32k.sys", map.win32k, WIN32K_SIZE));
        }
        images
    }
}
