//! Every NT service's stub, byte for byte, in the built-in ntdll.

use guest::pe::{ExportTarget, ImportBy, PeImage};
use guest::services::ServiceTableId;
use guest::{Profile, asm};
use iced_x86::{Decoder, DecoderOptions, Mnemonic};

/// The published patterns. Up to Windows 10 1507: `mov r10,rcx; mov eax,n; syscall; ret`. Windows 10 1511 and later:
/// `mov r10,rcx; mov eax,n; test byte [7FFE0308h],1; jnz L; syscall; ret; L: int 2Eh; ret`.
fn pattern(profile: &Profile, number: u32) -> (Vec<u8>, Vec<Mnemonic>) {
    use Mnemonic::{Int, Jne, Mov, Ret, Syscall, Test};
    let [a, b, c, d] = number.to_le_bytes();
    let start = [0x4c, 0x8b, 0xd1, 0xb8, a, b, c, d];
    if profile.version.2 < 10586 {
        return ([&start[..], &[0x0f, 0x05, 0xc3]].concat(), vec![Mov, Mov, Syscall, Ret]);
    }
    let rest = [0xf6, 0x04, 0x25, 0x08, 0x03, 0xfe, 0x7f, 0x01, 0x75, 0x03, 0x0f, 0x05, 0xc3, 0xcd, 0x2e, 0xc3];
    ([&start[..], &rest].concat(), vec![Mov, Mov, Test, Jne, Syscall, Ret, Int, Ret])
}

#[test]
fn every_service_of_every_profile_has_its_stub() {
    let mut stubs = 0;
    for profile in Profile::all() {
        let dll = asm::ntdll(profile, profile.arch).expect("the built-in ntdll assembles");
        let image = PeImage::parse(&dll.image).expect("it is an image");
        let find = |name: &str| match image.export(&ImportBy::Name(name.into())).expect("a sound export table") {
            Some(ExportTarget::Rva(rva)) => rva,
            other => panic!("{}: {name}: {other:?}", profile.name),
        };
        let mut last = None;
        for (number, service) in profile.services(ServiceTableId::Nt) {
            let rva = find(service.name);
            let zw = service.name.replacen("Nt", "Zw", 1);
            assert_eq!(rva, find(&zw), "{zw} is {}", service.name);
            let (expected, mnemonics) = pattern(profile, number);
            let bytes = image.slice(rva.into(), expected.len() as u64).expect("the stub's bytes");
            assert_eq!(bytes, expected, "{}: {}", profile.name, service.name);
            let mut decoder = Decoder::with_ip(64, bytes, 0, DecoderOptions::NONE);
            let decoded: Vec<Mnemonic> = decoder.iter().map(|i| i.mnemonic()).collect();
            assert_eq!(decoded, mnemonics, "{}: {}", profile.name, service.name);
            // One after the other, 16 or 32 bytes apart, by number.
            let stride = if profile.version.2 < 10586 { 16 } else { 32 };
            assert!(last.is_none_or(|(n, r)| number == n + 1 && rva == r + stride), "{}", service.name);
            last = Some((number, rva));
            stubs += 1;
        }
    }
    assert!(stubs > 6000, "{stubs} stubs");
}

#[test]
fn numbers_that_are_well_known() {
    let profile = Profile::by_name("win10-22h2-x64").expect("the profile");
    // Published in any table of Windows 10 22H2.
    for (name, number) in [("NtClose", 0xf), ("NtCreateEvent", 0x48), ("NtTerminateProcess", 0x2c), ("NtWriteFile", 8)]
    {
        assert_eq!(profile.number(name), Some(number), "{name}");
    }
}

#[test]
fn the_declared_services_agree_with_the_signatures() {
    let mut seen = std::collections::BTreeSet::new();
    for service in kernel_model::kernel::services() {
        let info = guest::services::by_name(service.name).expect("a known service");
        assert_eq!(service.arg_count, info.args.len(), "{}", service.name);
        assert_eq!(Some(service.arg_count as u32), info.arg_count, "{}", service.name);
        assert!(seen.insert(service.name), "{} is declared twice", service.name);
    }
    assert_eq!(seen.len(), 27);
}

#[test]
fn every_profile_finds_its_layouts() {
    for profile in Profile::all() {
        assert_eq!(profile.layout().build, profile.layouts, "{}", profile.name);
        for name in ["TEB", "PEB", "PEB_LDR_DATA", "LDR_DATA_TABLE_ENTRY", "KUSER_SHARED_DATA"] {
            assert!(profile.layout().get(name).is_some(), "{}: {name}", profile.name);
        }
    }
}
