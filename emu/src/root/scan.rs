//! Reading service numbers out of a root's own stubs.

use guest::Arch;
use guest::pe::PeImage;
use guest::stub::StubService;
use kernel_model::wine::service_info;

/// What a root's stubs say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stubs {
    /// Services with their numbers.
    pub services: Vec<StubService>,
    /// The first number that no stub has, in the first table.
    pub next: u32,
}

/// The service number in a stub, and the 4-byte slots that it pops, where that shows.
fn read_stub(arch: Arch, code: &[u8]) -> Option<(u32, Option<u32>)> {
    match arch {
        // mov r10, rcx; mov eax, N; ... syscall
        Arch::X64 => {
            let number = code.strip_prefix(&[0x4c, 0x8b, 0xd1, 0xb8])?.first_chunk::<4>()?;
            code.windows(2).any(|pair| pair == [0x0f, 0x05]).then_some((u32::from_le_bytes(*number), None))
        }
        // mov eax, N; mov edx, gate; call edx; ret n
        Arch::X86 => {
            let rest = code.strip_prefix(&[0xb8])?;
            let number = u32::from_le_bytes(*rest.first_chunk::<4>()?);
            let rest = rest.get(4..)?.strip_prefix(&[0xba])?.get(4..)?.strip_prefix(&[0xff, 0xd2])?;
            let bytes = match rest {
                [0xc2, low, high, ..] => u16::from_le_bytes([*low, *high]),
                [0xc3, ..] => 0,
                _ => return None,
            };
            Some((number, Some(u32::from(bytes) / 4)))
        }
    }
}

/// Reads a DLL's stubs. Of the two names that each has in ntdll the one with `Nt` counts.
pub(crate) fn scan(image: &PeImage, stubs: &mut Stubs) {
    /// Longer than any stub.
    const STUB: u64 = 0x20;
    const WIN32K: u32 = 0x1000;
    for (name, rva) in image.export_names() {
        let Some(found) = image.slice(rva.into(), STUB).and_then(|code| read_stub(image.arch, code)) else { continue };
        let (number, slots) = found;
        if name.starts_with("Zw") {
            continue;
        }
        if number < WIN32K {
            stubs.next = stubs.next.max(number + 1);
        }
        if let Some(info) = service_info(&name) {
            stubs.services.push(StubService { info, number, args: info.arg_count, slots, turbo: 0 });
        }
    }
}
