//! The variables of the kernel image.

use super::super::item::{Item, Part};
use super::fields::{Fields, KernelFeature};

/// What the loader fills in, a pointer each: where code loaded as a driver begins, what it is called with, and what it
/// returned.
const DRIVER: &[&str] = &["KiDriverEntry", "KiDriverObject", "KiRegistryPath", "KiDriverStatus"];

/// `NtBuildNumber` has these bits set in a kernel that was not built for debugging.
const FREE_BUILD: u32 = 0xf000_0000;

pub(super) fn items(f: &Fields) -> Vec<Item> {
    let highest = f.profile.highest_user_address;
    let pointer = |value: u64| {
        let bytes = value.to_le_bytes();
        let len = if f.is_x64() { 8 } else { 4 };
        Item::new(Part::Data, bytes.get(..len).unwrap_or_default())
    };
    let mut items = vec![
        pointer(highest + 1).name("MmUserProbeAddress", 0, true),
        pointer(highest).name("MmHighestUserAddress", 0, true),
        Item::new(Part::Data, (f.profile.version.2 | FREE_BUILD).to_le_bytes()).name("NtBuildNumber", 0, true),
    ];
    items.extend(DRIVER.iter().map(|name| pointer(0).name(*name, 0, false)));
    // An empty list, and the process of drivers' threads.
    let size = if f.is_x64() { 16 } else { 8 };
    items.push(Item::new(Part::Data, vec![0; size]).name("PsActiveProcessHead", 0, false));
    items.push(pointer(0).name("PsInitialSystemProcess", 0, true));
    let style = f.profile.stub_style;
    if !f.is_x64() && style.has_gate("sysenter") && !style.uses_shared_data() && !style.runs_shared_data() {
        items.push(pointer(0).name("KiFastSystemCallReturn", 0, false));
    }
    for (feature, name) in [(KernelFeature::Smap, "KeSmapEnabled"), (KernelFeature::KvaShadow, "KiKvaShadow")] {
        if f.has(feature) {
            items.push(Item::new(Part::Data, [0; 4]).name(name, 0, false));
        }
    }
    items
}
