//! The built-in DLLs that a compiler has made, and programs of C and C++ on them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use guest::pe::{ExportTarget, ImportBy, PeImage};
use guest::{Arch, Profile};
use sha2::{Digest, Sha256};
use trapgate::End;

use crate::support::fixture_machine;

/// Each with its definitions and the DLLs it may import from.
const LIBRARIES: &[(&str, &str, &[&str])] = &[
    ("x64/kernel32.dll", "kernel32/kernel32.def", &["ntdll.dll"]),
    ("x86/kernel32.dll", "kernel32/kernel32.def", &["ntdll.dll"]),
    ("x64/advapi32.dll", "advapi32/advapi32.def", &["ntdll.dll"]),
    ("x86/advapi32.dll", "advapi32/advapi32.def", &["ntdll.dll"]),
    ("x64/bcrypt.dll", "bcrypt/bcrypt.def", &["ntdll.dll"]),
    ("x86/bcrypt.dll", "bcrypt/bcrypt.def", &["ntdll.dll"]),
    ("x64/bcryptprimitives.dll", "bcryptprimitives/bcryptprimitives.def", &["ntdll.dll"]),
    ("x86/bcryptprimitives.dll", "bcryptprimitives/bcryptprimitives.def", &["ntdll.dll"]),
    ("x64/userenv.dll", "userenv/userenv.def", &["ntdll.dll"]),
    ("x86/userenv.dll", "userenv/userenv.def", &["ntdll.dll"]),
    ("x64/ws2_32.dll", "ws2_32/ws2_32.def", &["ntdll.dll"]),
    ("x86/ws2_32.dll", "ws2_32/ws2_32.def", &["ntdll.dll"]),
    ("x64/winmm.dll", "winmm/winmm.def", &["ntdll.dll"]),
    ("x86/winmm.dll", "winmm/winmm.def", &["ntdll.dll"]),
    ("x64/powrprof.dll", "powrprof/powrprof.def", &["ntdll.dll"]),
    ("x86/powrprof.dll", "powrprof/powrprof.def", &["ntdll.dll"]),
    ("x64/psapi.dll", "psapi/psapi.def", &["ntdll.dll"]),
    ("x86/psapi.dll", "psapi/psapi.def", &["ntdll.dll"]),
    ("x64/version.dll", "version/version.def", &["ntdll.dll"]),
    ("x86/version.dll", "version/version.def", &["ntdll.dll"]),
    ("x64/shlwapi.dll", "shlwapi/shlwapi.def", &["ntdll.dll"]),
    ("x86/shlwapi.dll", "shlwapi/shlwapi.def", &["ntdll.dll"]),
    ("x64/shell32.dll", "shell32/shell32.def", &["ntdll.dll"]),
    ("x86/shell32.dll", "shell32/shell32.def", &["ntdll.dll"]),
    ("x64/user32.dll", "user32/user32.def", &["ntdll.dll"]),
    ("x86/user32.dll", "user32/user32.def", &["ntdll.dll"]),
    ("x64/ole32.dll", "ole32/ole32.def", &["ntdll.dll"]),
    ("x86/ole32.dll", "ole32/ole32.def", &["ntdll.dll"]),
    ("x64/combase.dll", "combase/combase.def", &["ntdll.dll"]),
    ("x86/combase.dll", "combase/combase.def", &["ntdll.dll"]),
    ("x64/oleaut32.dll", "oleaut32/oleaut32.def", &["ntdll.dll"]),
    ("x86/oleaut32.dll", "oleaut32/oleaut32.def", &["ntdll.dll"]),
    ("x64/wsock32.dll", "wsock32/wsock32.def", &[]),
    ("x86/wsock32.dll", "wsock32/wsock32.def", &[]),
    ("x64/secur32.dll", "secur32/secur32.def", &["ntdll.dll"]),
    ("x86/secur32.dll", "secur32/secur32.def", &["ntdll.dll"]),
    ("x64/dbghelp.dll", "dbghelp/dbghelp.def", &["ntdll.dll"]),
    ("x86/dbghelp.dll", "dbghelp/dbghelp.def", &["ntdll.dll"]),
    ("x64/kernelbase.dll", "kernelbase/kernelbase.def", &["ntdll.dll"]),
    ("x86/kernelbase.dll", "kernelbase/kernelbase32.def", &["ntdll.dll"]),
    ("x64/msvcrt.dll", "msvcrt/msvcrt.def", &["kernel32.dll", "ntdll.dll"]),
    ("x86/msvcrt.dll", "msvcrt/msvcrt32.def", &["kernel32.dll", "ntdll.dll"]),
    ("x64/ucrtbase.dll", "ucrtbase/ucrtbase.def", &["kernel32.dll", "ntdll.dll"]),
    ("x86/ucrtbase.dll", "ucrtbase/ucrtbase32.def", &["kernel32.dll", "ntdll.dll"]),
    ("x64/vcruntime140.dll", "vcruntime140/vcruntime140.def", &["kernel32.dll", "ntdll.dll", "ucrtbase.dll"]),
    ("x86/vcruntime140.dll", "vcruntime140/vcruntime140_32.def", &["kernel32.dll", "ntdll.dll", "ucrtbase.dll"]),
    ("x64/vcruntime140_1.dll", "vcruntime140_1/vcruntime140_1.def", &["ntdll.dll", "ucrtbase.dll", "vcruntime140.dll"]),
    ("x64/wow64.dll", "wow64/wow64.def", &["ntdll.dll"]),
    ("x64/wow64cpu.dll", "wow64cpu/wow64cpu.def", &["wow64.dll"]),
];

/// What every program imports that `x86_64-w64-mingw32-gcc` links without further ado.
const STARTUP: &[&str] = &[
    "__C_specific_handler",
    "___lc_codepage_func",
    "___mb_cur_max_func",
    "__getmainargs",
    "__initenv",
    "__iob_func",
    "__set_app_type",
    "__setusermatherr",
    "_acmdln",
    "_amsg_exit",
    "_cexit",
    "_commode",
    "_errno",
    "_fmode",
    "_initterm",
    "_lock",
    "_onexit",
    "_unlock",
    "abort",
    "calloc",
    "exit",
    "fprintf",
    "fputc",
    "free",
    "fwrite",
    "localeconv",
    "malloc",
    "memcpy",
    "memset",
    "signal",
    "strerror",
    "strlen",
    "strncmp",
    "vfprintf",
    "wcslen",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest/dll")
}

fn bytes(file: &str) -> Vec<u8> {
    std::fs::read(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn image(file: &str) -> PeImage {
    PeImage::parse(&bytes(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn exports(file: &str) -> BTreeSet<String> {
    image(file).export_names().into_iter().map(|(name, _)| name).collect()
}

/// The names below `EXPORTS` in a module-definition file, and what those are forwarded to that have a `DLL.name`. A line
/// may end in the one width that it is for.
fn definitions(definitions: &str, width: &str) -> BTreeMap<String, Option<String>> {
    let text = std::fs::read_to_string(folder().join(definitions)).expect("the definition file");
    let (_, names) = text.split_once("EXPORTS\n").expect("a list of exports");
    let mut found = BTreeMap::new();
    for line in names.lines() {
        let (line, only) = line.split_once(" ; ").unwrap_or((line, width));
        if only == width {
            let (name, of) = line.split_once(" = ").unwrap_or((line, ""));
            // An ordinal may stand behind both.
            let of = of.split_whitespace().next().unwrap_or_default();
            let name = name.split_whitespace().next().expect("a name").trim_matches('"');
            found.insert(name.to_string(), of.contains('.').then(|| of.to_string()));
        }
    }
    found
}

fn width_of(file: &str) -> (Arch, &str) {
    let width = file.split('/').next().expect("a folder");
    (if width == "x64" { Arch::X64 } else { Arch::X86 }, width)
}

#[test]
fn the_built_images_are_what_the_manifest_says() {
    let manifest: serde_json::Value = serde_json::from_slice(&bytes("MANIFEST.json")).expect("JSON");
    let listed = manifest["libraries"].as_array().expect("a list");
    let files: Vec<_> = ["x64/ntdll.o", "x86/ntdll.o"].into_iter().chain(LIBRARIES.iter().map(|l| l.0)).collect();
    assert_eq!(listed.iter().map(|l| l["file"].as_str().expect("a name")).collect::<Vec<_>>(), files);
    for library in listed {
        let file = library["file"].as_str().expect("a name");
        let image = bytes(file);
        let sum: String = Sha256::digest(&image).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(library["sha256"].as_str(), Some(sum.as_str()), "{file} was not built by build.sh");
        assert_eq!(library["size"].as_u64(), Some(image.len() as u64), "{file}");
    }
}

#[test]
fn they_export_what_their_definitions_list() {
    for (file, list, _) in LIBRARIES {
        let (image, defined) = (image(file), definitions(list, width_of(file).1));
        for (name, forward) in &defined {
            let export = image.export(&ImportBy::Name(name.clone())).expect("a good export table");
            match (&export, forward) {
                (Some(ExportTarget::Rva(_)), None) => {}
                (Some(ExportTarget::Forward(to)), Some(wanted)) if to == wanted => {}
                _ => panic!("{file}: {name}: {export:?}, not {forward:?}"),
            }
        }
        let own: BTreeSet<&String> = defined.iter().filter(|(_, to)| to.is_none()).map(|(name, _)| name).collect();
        assert_eq!(exports(file).iter().collect::<BTreeSet<_>>(), own, "{file}");
    }
    let msvcrt = definitions("msvcrt/msvcrt.def", width_of("x64/msvcrt.dll").1);
    let missing: Vec<_> = STARTUP.iter().filter(|name| !msvcrt.contains_key(**name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn they_import_only_from_those_below_them() {
    for (file, _, below) in LIBRARIES {
        for import in image(file).imports().expect("imports") {
            assert!(below.contains(&import.dll.to_ascii_lowercase().as_str()), "{file} imports from {}", import.dll);
        }
    }
}

/// Every build's ntdll has what the others import from it and forward to it; so have they among each other.
#[test]
fn what_they_import_and_forward_to_exists() {
    for arch in Arch::ALL {
        let of_arch: Vec<_> = LIBRARIES.iter().filter(|l| width_of(l.0).0 == arch).collect();
        let mut wanted: BTreeSet<(String, String)> = BTreeSet::new();
        for (file, list, _) in &of_arch {
            for import in image(file).imports().expect("imports") {
                let dll = import.dll.to_ascii_lowercase();
                wanted.extend(import.slots.iter().map(|(_, by)| (dll.clone(), by.to_string())));
            }
            for to in definitions(list, width_of(file).1).into_values().flatten() {
                let (dll, name) = to.split_once('.').expect("a name in a DLL");
                wanted.insert((format!("{}.dll", dll.to_ascii_lowercase()), name.to_string()));
            }
        }
        let (of_ntdll, others): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|(dll, _)| dll == "ntdll.dll");
        for (dll, name) in others {
            let image = PeImage::parse(guest::dll::image(arch, &dll).expect("a built-in DLL")).expect("an image");
            let export = image.export(&ImportBy::Name(name.clone())).expect("a good export table");
            assert!(export.is_some(), "{arch:?}: {dll} has no {name}");
        }
        assert!(of_ntdll.len() > 50, "{of_ntdll:?}");
        for profile in Profile::all().iter().filter(|p| p.stub_style_for(arch).is_some()) {
            let built = guest::asm::ntdll(profile, arch).expect("ntdll");
            let names: BTreeSet<String> =
                PeImage::parse(&built.image).expect("an image").export_names().into_iter().map(|(n, _)| n).collect();
            let missing: Vec<_> = of_ntdll.iter().filter(|(_, name)| !names.contains(name)).collect();
            assert!(missing.is_empty(), "{} {arch:?}: {missing:?}", profile.name);
        }
    }
}

#[test]
fn kernel32_forwards_to_every_export_of_kernelbase() {
    for width in ["x64", "x86"] {
        let forwards = definitions("kernel32/kernel32.def", width);
        for name in exports(&format!("{width}/kernelbase.dll")) {
            assert_eq!(forwards.get(&name), Some(&Some(format!("KERNELBASE.{name}"))), "{width}");
        }
    }
}

#[test]
fn ordinary_programs_of_c_and_cxx_run() {
    let mut ran = 0;
    for fixture in fixtures::programs().filter(|f| f.name.starts_with("crt_") || f.name.starts_with("cxx_")) {
        let mut machine = fixture_machine(fixture.name);
        let end = machine.run().expect("no engine failure");
        assert!(matches!(end, End::Exit(_)), "{}: {end:?}", fixture.name);
        let captured = machine.captured().expect("captured").clone();
        assert_eq!(Some(String::from_utf8_lossy(&captured.stdout).as_ref()), fixture.stdout, "{}", fixture.name);
        assert_eq!(Some(u32::from(end.exit_code())), fixture.exit_code, "{}", fixture.name);
        assert!(machine.stats().missing.is_empty(), "{}: {:?}", fixture.name, machine.stats().missing);
        ran += 1;
    }
    assert_eq!(ran, 15);
}

#[test]
fn stderr_is_apart_and_written_at_once() {
    let mut machine = fixture_machine("crt_hello");
    machine.run().expect("no engine failure");
    let captured = machine.captured().expect("captured");
    assert_eq!(String::from_utf8_lossy(&captured.stderr), "this goes to stderr\r\n");
}
