//! Where objects are in kernel space.
//!
//! The one place that says so. An object's address follows from its place in the store: blocks of one size from
//! `SystemMap::objects` on, in each a header and behind it the body, whose address is the object's, as in Windows. The
//! block of a deleted object is given to the next one. The first process and its thread are where `SystemMap` has their
//! `EPROCESS` and `ETHREAD`, because the processor's `KPCR` points there, and those of the processes that are there
//! from boot on lie below it. No memory stands behind the addresses: they
//! tell objects apart, and are the same wherever a run shows them.

use guest::Arch;
use guest::system::SystemMap;

use crate::body::Body;
use crate::kernel::Kernel;
use crate::ob::ObjectId;

/// Bytes of a block and of the header in it: what an event with a name takes, and `sizeof(OBJECT_HEADER)`. Blocks of a
/// 32-bit machine are small enough for as many objects as a process can have handles.
const fn sizes(arch: Arch) -> (u64, u64) {
    match arch {
        Arch::X64 => (0x80, 0x30),
        Arch::X86 => (0x40, 0x18),
    }
}

/// Bytes between two processes that were made at boot.
const BOOT_APART: u64 = 0x1_0000;

impl Kernel {
    /// The place of a process among those that were made at boot.
    fn boot_order(&self, id: ObjectId) -> Option<u64> {
        match self.ob.get(id)?.body {
            Body::Process(process) => self.ps.get(process.id)?.about.boot_order,
            _ => None,
        }
    }

    /// The process that was made at boot and lies so far below the first.
    fn booted_at(&self, distance: u64) -> Option<ObjectId> {
        let order = Some(distance / BOOT_APART).filter(|_| distance.is_multiple_of(BOOT_APART));
        let mut booted = self.ps.iter().filter(|p| p.about.boot_order.is_some());
        booted.find(|p| p.about.boot_order == order).map(|p| p.object)
    }

    /// The address of an object's body.
    pub fn address_of(&self, id: ObjectId) -> u64 {
        let map = SystemMap::of(self.profile.arch);
        let (block, header) = sizes(self.profile.arch);
        let of_block = map.objects.saturating_add(u64::from(id.0) * block + header);
        match id {
            _ if id == self.ps.process.object => map.process,
            _ if id == self.ps.thread.object => map.thread,
            id => self.boot_order(id).map_or(of_block, |order| map.process.saturating_sub(order * BOOT_APART)),
        }
    }

    /// The object whose body is at an address.
    pub fn object_at(&self, address: u64) -> Option<ObjectId> {
        let map = SystemMap::of(self.profile.arch);
        let (block, header) = sizes(self.profile.arch);
        let booted = map.process.checked_sub(address).and_then(|distance| self.booted_at(distance));
        let id = match (address, booted) {
            _ if address == map.process => self.ps.process.object,
            _ if address == map.thread => self.ps.thread.object,
            (_, Some(id)) => id,
            _ => ObjectId(u32::try_from(address.checked_sub(map.objects + header)? / block).ok()?),
        };
        self.ob.get(id).filter(|_| self.address_of(id) == address).map(|_| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use guest::Profile;

    #[test]
    fn an_address_leads_back_to_its_object() {
        for profile in ["win10-22h2-x64", "xp-sp3-x86"] {
            let kernel = Kernel::new(Profile::by_name(profile).expect("a profile"), 16, "a.exe");
            let map = SystemMap::of(kernel.profile.arch);
            let mut seen = std::collections::BTreeSet::new();
            for (id, _) in kernel.ob.iter() {
                let address = kernel.address_of(id);
                assert!(seen.insert(address) && address > map.lowest, "{profile}: {address:#x}");
                assert_eq!(kernel.object_at(address), Some(id));
                assert_eq!(kernel.object_at(address + 8), None);
            }
            assert_eq!(kernel.address_of(kernel.ps.process.object), map.process);
            assert_eq!(kernel.object_at(0), None);
            assert_eq!(kernel.object_at(map.objects), None);
            assert_eq!(kernel.object_at(u64::MAX), None);
        }
    }
}
