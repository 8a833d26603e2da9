//! Every service's stub of every build, byte for byte: against published patterns, and in the built-in DLLs.

use std::collections::{BTreeMap, BTreeSet};

use guest::asm::{self, BuiltinDll};
use guest::pe::PeImage;
use guest::services::ServiceTableId::{self, Nt, Win32k};
use guest::stub::{StubService, StubStyle};
use guest::{Arch, Profile};
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic};
use serde_json::Value;

/// The published patterns (tests/data/stubs.json) by name; `{n}` is the number, `{r}` what `ret` pops, `{t}` the
/// turbo index, `{w}` the address of `Wow64SystemServiceCall`.
fn patterns() -> BTreeMap<String, Value> {
    let list: Vec<Value> = serde_json::from_str(include_str!("../data/stubs.json")).expect("patterns");
    list.into_iter().map(|p| (p["id"].as_str().expect("a name").to_string(), p)).collect()
}

fn bytes_of(pattern: &str, holes: &[(&str, &[u8])]) -> Vec<u8> {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let filled = holes.iter().fold(pattern.replace(' ', ""), |text, (hole, bytes)| text.replace(hole, &hex(bytes)));
    assert!(!filled.contains('{'), "{filled}");
    filled
        .as_bytes()
        .chunks(2)
        .map(|d| u8::from_str_radix(str::from_utf8(d).expect("text"), 16).expect("hex"))
        .collect()
}

/// What the published pattern of a style makes of a service, padding included.
fn expected(pattern: &Value, service: &StubService, merged: bool, callee: u32) -> Vec<u8> {
    let pops = 4 * service.slots.unwrap_or(0) as u16;
    let number = if merged { service.number | service.turbo << 16 } else { service.number };
    let text = |key: &str| pattern[key].as_str();
    let chosen = match (text("noargs"), text("alt_t0")) {
        (Some(short), _) if pops == 0 => short,
        (_, Some(short)) if service.turbo == 0 => short,
        _ => text("bytes").expect("bytes"),
    };
    let holes: [(&str, &[u8]); 4] = [
        ("{n}", &number.to_le_bytes()),
        ("{r}", &pops.to_le_bytes()),
        ("{t}", &service.turbo.to_le_bytes()),
        ("{w}", &callee.to_le_bytes()),
    ];
    let mut bytes = bytes_of(chosen, &holes);
    // 4-byte steps where the pattern names no stride.
    let stride = pattern["stride"].as_u64().unwrap_or(4) as usize;
    let pad = bytes_of(pattern["pad"].as_str().unwrap_or("90"), &[]);
    let fill = bytes.len().next_multiple_of(stride) - bytes.len();
    bytes.extend(pad.iter().cycle().take(fill));
    bytes
}

/// The style's name in the published list: the two forms of Windows 10's WOW64 stubs differ in what they call.
fn published(style: &StubStyle) -> &str {
    if style.name == "wow64_w10_1507" { "wow64_w10" } else { style.name }
}

fn decode(bits: u32, bytes: &[u8]) -> Vec<Instruction> {
    Decoder::with_ip(bits, bytes, 0x1000, DecoderOptions::NONE).iter().collect()
}

/// What a stub does, told from its instructions: the number it loads, how it leaves, what it pops.
fn check_decoded(style: &StubStyle, service: &StubService, bytes: &[u8]) {
    let code = decode(style.bits, bytes);
    let name = service.info.name;
    assert!(code.iter().all(|i| i.mnemonic() != Mnemonic::INVALID), "{}: {name}", style.name);
    let number = code.iter().find(|i| i.op0_register() == iced_x86::Register::EAX).expect("mov eax,n").immediate32();
    assert_eq!(number & 0xffff, service.number, "{name}");
    let leaves = |m: Mnemonic| code.iter().any(|i| i.mnemonic() == m);
    let gate = match style.gates[0] {
        "syscall" => leaves(Mnemonic::Syscall),
        "int2e" => leaves(Mnemonic::Int),
        "sysenter" => leaves(Mnemonic::Sysenter) || leaves(Mnemonic::Call),
        _ => leaves(Mnemonic::Call),
    };
    assert!(gate, "{}: {name}", style.name);
    if style.bits == 32 {
        let ret = code.iter().find(|i| i.mnemonic() == Mnemonic::Ret).expect("a return");
        let pops = if ret.op_count() == 1 { u32::from(ret.immediate16()) } else { 0 };
        assert_eq!(pops, 4 * service.slots.unwrap_or(0), "{}: {name}", style.name);
    }
}

#[test]
fn every_stub_of_every_build_is_the_published_pattern() {
    let patterns = patterns();
    let (mut stubs, mut styles) = (0, BTreeSet::new());
    for profile in Profile::all() {
        for style in [Arch::X86, Arch::X64].iter().filter_map(|a| profile.stub_style_for(*a)) {
            let pattern = &patterns[published(style)];
            let merged = matches!(style.name, "wow64_w8" | "wow64_w10" | "wow64_w10_1507");
            for service in profile.services(Nt).chain(profile.services(Win32k)) {
                let stub = style.padded(&service);
                let mut bytes = stub.bytes;
                for (at, routine) in stub.addresses {
                    assert_eq!(routine, "Wow64SystemServiceCall");
                    bytes[at..at + 4].copy_from_slice(&0x7712_3456_u32.to_le_bytes());
                }
                let name = service.info.name;
                assert_eq!(bytes, expected(pattern, &service, merged, 0x7712_3456), "{}: {name}", profile.name);
                check_decoded(style, &service, &bytes);
                stubs += 1;
            }
            styles.insert(style.name);
        }
    }
    assert_eq!(styles.len(), StubStyle::all().len(), "every style is some build's");
    assert!(stubs > 159_000, "{stubs} stubs");
}

/// The table's own words: builds, sizes and numbers that any published table has.
#[test]
fn numbers_that_are_well_known() {
    let rows = |name: &str, table: ServiceTableId| Profile::by_name(name).expect("a profile").table_size(table);
    assert_eq!((rows("xp-sp3-x86", Nt), rows("xp-sp3-x86", Win32k)), (284, 667));
    assert_eq!((rows("win7-sp1-x64", Nt), rows("win7-sp1-x86", Nt)), (401, 401));
    assert_eq!((rows("win11-25h2-x64", Nt), rows("nt31-x86", Nt)), (489, 179));
    for (profile, name, number) in [
        ("win10-22h2-x64", "NtClose", 0xf),
        ("win10-22h2-x64", "NtCreateEvent", 0x48),
        ("win10-22h2-x64", "NtTerminateProcess", 0x2c),
        ("win10-22h2-x64", "NtWriteFile", 8),
        ("xp-sp3-x86", "NtClose", 0x19),
        ("xp-sp3-x86", "NtCreateFile", 0x25),
        ("win7-sp1-x86", "NtCreateFile", 0x42),
        ("win7-sp1-x64", "NtCreateFile", 0x52),
    ] {
        assert_eq!(Profile::by_name(profile).and_then(|p| p.number(name)), Some(number), "{profile}: {name}");
    }
    assert!(std::ptr::eq(Profile::by_name("w10_1703-x64").unwrap(), Profile::by_name("win10-1703-x64").unwrap()));
}

/// A build whose service took other arguments than today's says so.
#[test]
fn argument_counts_are_the_builds_own() {
    let args = |profile: &str, name: &str| {
        let profile = Profile::by_name(profile).expect("a profile");
        let number = profile.number(name).expect("a number") as usize;
        let table = if number < 0x1000 { Nt } else { Win32k };
        let service = profile.service(table, number & 0xfff).expect("a service");
        (service.args, service.slots)
    };
    // argcount_by_build.csv
    assert_eq!(args("vista-sp2-x64", "NtWaitForWorkViaWorkerFactory").0, Some(2));
    assert_eq!(args("win8-x64", "NtWaitForWorkViaWorkerFactory").0, Some(4));
    assert_eq!(args("win10-22h2-x64", "NtWaitForWorkViaWorkerFactory").0, Some(5));
    assert_eq!(args("xp-sp3-x86", "NtUserCreateWindowEx").1, Some(15));
    assert_eq!(args("win10-1507-x86", "NtUserCreateWindowEx").1, Some(17));
    assert_eq!(args("win10-22h2-x64", "NtUserCreateWindowEx"), (Some(17), Some(17)));
    // A service pack takes the counts of its own version, read off another service pack, not those of the version
    // before (argbytes.csv: ReactOS for Windows 2003 has 40 bytes, for XP 36).
    assert_eq!(args("xp-sp3-x86", "NtUserUpdateLayeredWindow").1, Some(9));
    assert_eq!(args("srv2003-sp0-x86", "NtUserUpdateLayeredWindow").1, Some(10));
    assert_eq!((args("srv2003-sp2-x86", "NtLoadKeyEx").1, args("vista-sp0-x86", "NtLoadKeyEx").1), (Some(4), Some(8)));
    // A POINT by value is one 8-byte argument and two 4-byte slots, whichever build.
    for build in ["win7-sp1-x64", "win10-1803-x64", "win10-1809-x64", "win10-1803-x86"] {
        assert_eq!(args(build, "NtUserWindowFromPoint"), (Some(1), Some(2)), "{build}");
    }
}

/// Every DLL that has stubs in it: the profile, the width of its code, the table, the DLL.
fn stub_dlls() -> impl Iterator<Item = (&'static Profile, Arch, ServiceTableId, BuiltinDll)> {
    let kinds = Arch::ALL.into_iter().flat_map(|arch| [(arch, Nt), (arch, Win32k)]);
    let all = Profile::all().iter().flat_map(move |p| kinds.clone().map(move |(arch, table)| (p, arch, table)));
    let there = all.filter(|(p, arch, table)| p.stub_style_for(*arch).is_some() && p.table_size(*table) > 0);
    there.map(|(profile, arch, table)| {
        let dll = if table == Nt { asm::ntdll(profile, arch) } else { asm::win32u(profile, arch) };
        (profile, arch, table, dll.unwrap_or_else(|e| panic!("{}: {e}", profile.name)))
    })
}

/// The images: each service exported, and its stub there, one after the other by number, addresses filled in.
#[test]
fn every_stub_is_in_its_dll() {
    let mut stubs = 0;
    for (profile, arch, table, dll) in stub_dlls() {
        let image = PeImage::parse(&dll.image).expect("it is an image");
        let exports: BTreeMap<String, u32> = image.export_names().into_iter().collect();
        let style = profile.stub_style_for(arch).expect("a style");
        let mut next = None;
        for service in profile.services(table) {
            let name = service.info.name;
            let rva = exports[name];
            if table == Nt {
                assert_eq!(rva, exports[&name.replacen("Nt", "Zw", 1)], "{name}");
            }
            let stub = style.padded(&service);
            let mut expected = stub.bytes;
            for (at, routine) in stub.addresses {
                let known = dll.symbols.iter().find(|(_, n)| n == routine).expect("the routine").0;
                expected[at..at + 4].copy_from_slice(&(image.base as u32 + known).to_le_bytes());
            }
            let there = image.slice(rva.into(), expected.len() as u64).expect("the stub");
            assert_eq!(there, expected, "{}: {name}", profile.name);
            assert!(next.is_none_or(|n| n == rva), "{}: {name} follows the one before", profile.name);
            next = Some(rva + expected.len() as u32);
            stubs += 1;
        }
    }
    assert!(stubs > 159_000, "{stubs} stubs");
}

/// Other people's readers open the images and see the same exports.
#[test]
fn other_readers_open_every_dll() {
    use object::read::Object;
    for (profile, arch, table, dll) in stub_dlls() {
        let name = format!("{} {} {}", profile.name, arch.name(), dll.name);
        let goblin = goblin::pe::PE::parse(&dll.image).unwrap_or_else(|e| panic!("{name}: {e}"));
        let object = object::File::parse(&*dll.image).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((goblin.is_64, object.is_64()), (arch == Arch::X64, arch == Arch::X64), "{name}");
        assert!(goblin.is_lib && goblin.name == Some(dll.name), "{name}: {:?}", goblin.name);
        let by_goblin: BTreeMap<String, u64> =
            goblin.exports.iter().map(|e| (e.name.expect("a name").to_string(), e.rva as u64)).collect();
        let base = object.relative_address_base();
        let by_object: BTreeMap<String, u64> = object
            .exports()
            .expect("exports")
            .iter()
            .map(|e| (String::from_utf8_lossy(e.name()).into_owned(), e.address() - base))
            .collect();
        assert_eq!(by_goblin, by_object, "{name}");
        for service in profile.services(table) {
            assert!(by_goblin.contains_key(service.info.name), "{name}: {}", service.info.name);
        }
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
    assert_eq!(seen.len(), 269);
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

/// The files that `trapgate stubs --all -o DIR` writes, and what `objdump` of binutils says of them: nothing bad.
#[test]
fn objdump_opens_the_files() {
    let folder = std::env::temp_dir().join(format!("trapgate-{}-stubs", std::process::id()));
    let output =
        crate::support::trapgate().args(["stubs", "--all", "-o"]).arg(&folder).output().expect("trapgate starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.starts_with("388 files for 81 builds"), "{text}");
    let wow64 = folder.join("win10-22h2-x64/wow64/ntdll.dll");
    let profile = Profile::default_profile();
    assert_eq!(std::fs::read(wow64).expect("a file"), asm::ntdll(profile, Arch::X86).expect("ntdll").image);
    for name in
        ["xp-sp3-x86/ntdll.dll", "win7-sp1-x64/ntdll.dll", "win7-sp1-x64/wow64/win32u.dll", "xp-sp3-x86/ntoskrnl.exe"]
    {
        let Ok(objdump) = std::process::Command::new("objdump").arg("-x").arg(folder.join(name)).output() else {
            assert!(std::env::var_os("CI").is_none(), "objdump is missing");
            break;
        };
        let bad = String::from_utf8_lossy(&objdump.stderr).into_owned();
        assert!(objdump.status.success() && bad.is_empty(), "{name}: {bad}");
        assert!(String::from_utf8_lossy(&objdump.stdout).contains("[Ordinal/Name Pointer] Table"), "{name}");
    }
    std::fs::remove_dir_all(&folder).expect("the folder");
}
