//! The stubs of a profile as items for the linker.

use super::item::{Item, Part};
use super::stubs;
use crate::profile::{Arch, Profile};
use crate::services::ServiceTableId;

/// The system-call stubs of a profile: one item with all of them, in the order of their numbers, each exported as
/// `Nt…` and as `Zw…`.
pub fn stub_items(profile: &'static Profile, arch: Arch) -> Vec<Item> {
    let mut table = Item::new(Part::Code, Vec::with_capacity(0x8000));
    for (number, service) in profile.services(ServiceTableId::Nt) {
        let at = table.bytes.len() as u32;
        match arch {
            Arch::X64 => table.bytes.extend(stubs::stub(profile, number)),
            Arch::X86 => int_2e(&mut table.bytes, number, service.x86_bytes.unwrap_or(0)),
        }
        table = table.name(service.name, at, true);
        if let Some(rest) = service.name.strip_prefix("Nt") {
            table = table.name(format!("Zw{rest}"), at, true);
        }
    }
    vec![table]
}

/// `mov eax,n; lea edx,[esp+4]; int 2Eh; ret r`, 16 bytes apart.
fn int_2e(to: &mut Vec<u8>, number: u32, popped: u32) {
    to.push(0xb8);
    to.extend(number.to_le_bytes());
    to.extend([0x8d, 0x54, 0x24, 0x04, 0xcd, 0x2e]);
    match popped {
        0 => to.push(0xc3),
        _ => to.extend([0xc2, popped as u8, (popped >> 8) as u8]),
    }
    to.resize(to.len().next_multiple_of(16), 0xcc);
}
