//! Libraries that are loaded while a program runs: files of the system's folders, and files that lie.

use std::path::PathBuf;

use guest::pe::PeImage;
use guest::{Arch, Profile};
use trapgate::loader::Program;
use trapgate::{End, Machine};

use crate::support::{TempFolder, config};

/// Runs `loadany` with libraries beside it: how it ended, what it printed.
fn load(name: &str, arch: Arch, files: &[(&str, Vec<u8>)]) -> (End, String) {
    let fixture = fixtures::get("loadany").expect("the fixture");
    let image = if arch == Arch::X64 { fixture.image } else { fixture.image_x86().expect("a 32-bit image") };
    let mut config = config(Program::Pe(image.to_vec()), "loadany.exe");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("libraries-{name}-{}", arch.name()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).expect("a file");
    }
    config.process.dll_folder = Some(folder);
    config.process.args = files.iter().map(|(name, _)| name.to_string()).collect();
    config.max_instructions = Some(5_000_000);
    let mut machine = Machine::new(&config).expect("a machine");
    let end = machine.run().expect("no engine failure");
    let printed = String::from_utf8_lossy(&machine.captured().expect("captured").stdout).into_owned();
    (end, printed)
}

fn library(arch: Arch) -> &'static [u8] {
    let name = if arch == Arch::X64 { "latedep.dll" } else { "x86/latedep.dll" };
    let path = fixtures::images().join(name);
    Box::leak(std::fs::read(path).expect("the library").into_boxed_slice())
}

/// Where an image's optional header is, and its data directories.
fn header(image: &[u8]) -> (usize, usize) {
    let pe = u32::from_le_bytes(image[0x3c..0x40].try_into().expect("four bytes")) as usize;
    (pe, pe + if image[pe + 24] == 0x0b && image[pe + 25] == 2 { 24 + 112 } else { 24 + 96 })
}

/// Every lie is refused as ERROR_BAD_EXE_FORMAT (193), or says what is missing; the next library loads all the same.
#[test]
fn libraries_that_lie_are_refused() {
    for arch in [Arch::X64, Arch::X86] {
        let good = library(arch);
        let (pe, directories) = header(good);
        let with = |at: usize, bytes: &[u8]| {
            let mut image = good.to_vec();
            image[at..at + bytes.len()].copy_from_slice(bytes);
            image
        };
        let far = [0, 0, 0xff, 0x7f, 0x40, 0, 0, 0];
        let other = if arch == Arch::X64 { Arch::X86 } else { Arch::X64 };
        let cases: Vec<(&str, Vec<u8>, &str)> = vec![
            ("empty.dll", Vec::new(), "193"),
            ("text.dll", b"#!/bin/sh\necho nothing\n".repeat(9), "193"),
            ("short.dll", good[..pe + 30].to_vec(), "193"),
            ("cut.dll", good[..good.len() - 0x300].to_vec(), "193"),
            ("other.dll", library(other).to_vec(), "193"),
            ("arm64.dll", with(pe + 4, &[0x64, 0xaa]), "193"),
            ("ne.dll", with(pe, b"NE\x05\x01"), "193"),
            ("imports.dll", with(directories + 8, &far), "193"),
            ("managed.dll", with(directories + 14 * 8, &[0, 0x10, 0, 0, 0x48, 0, 0, 0]), "126"),
        ];
        let mut files: Vec<(&str, Vec<u8>)> = cases.iter().map(|(name, bytes, _)| (*name, bytes.clone())).collect();
        files.push(("good.dll", good.to_vec()));
        let (end, printed) = load("lies", arch, &files);
        assert_eq!(end, End::Exit(guest::NtStatus(0)), "{printed}");
        for (name, _, error) in cases {
            assert!(printed.contains(&format!("{name}: refused, {error}\n")), "{name}: {printed}");
        }
        assert!(printed.contains("good.dll: loaded\n"), "{printed}");
    }
}

/// Every byte of a library's headers and directories, changed in turn: the program goes on, or ends as one that has read
/// wrong addresses does; the machine never fails.
#[test]
fn every_header_byte_of_a_library_flipped() {
    let good = std::fs::read(fixtures::images().join("latelib.dll")).expect("the library");
    let dep = library(Arch::X64);
    let (pe, directories) = header(&good);
    let places: Vec<usize> = (pe..directories + 0x80).step_by(3).chain((0x400..good.len()).step_by(41)).collect();
    let (mut loaded, mut refused) = (0, 0);
    for at in places {
        let mut bytes = good.clone();
        bytes[at] ^= 0xff;
        let (_, printed) = load("flips", Arch::X64, &[("bad.dll", bytes), ("latedep.dll", dep.to_vec())]);
        loaded += u32::from(printed.contains("bad.dll: loaded"));
        refused += u32::from(printed.contains("bad.dll: refused"));
    }
    assert!(loaded > 10 && refused > 10, "{loaded} loaded, {refused} refused");
}

/// The system's folders have every built-in DLL as a file that the process could load.
#[test]
fn the_systems_folders_have_their_files() {
    for (profile, folders) in [
        ("win10-22h2-x64", &[("System32", Arch::X64), ("SysWOW64", Arch::X86)][..]),
        ("xp-sp3-x86", &[("System32", Arch::X86)]),
    ] {
        let arch = folders[0].1;
        let fixture = fixtures::get("loadany").expect("the fixture");
        let image = if arch == Arch::X64 { fixture.image } else { fixture.image_x86().expect("a 32-bit image") };
        let mut config = config(Program::Pe(image.to_vec()), "loadany.exe");
        config.profile = Profile::by_name(profile).expect("a profile");
        let machine = Machine::new(&config).expect("a machine");
        for (folder, arch) in folders {
            for name in ["ntdll.dll", "kernel32.dll", "msvcrt.dll", "advapi32.dll", "winmm.dll"] {
                let bytes = machine.file_bytes(&format!("C:\\Windows\\{folder}\\{name}"));
                let image = PeImage::parse(&bytes.unwrap_or_else(|| panic!("{folder}\\{name} is missing")));
                assert_eq!(image.expect("an image").arch, *arch, "{folder}\\{name}");
            }
        }
    }
}

/// To 32-bit programs System32 is SysWOW64, and Sysnative the real one.
#[test]
fn the_systems_folder_of_32_bit_programs_is_another() {
    let fixture = fixtures::get("loadany").expect("the fixture");
    let mut config = config(Program::Pe(fixture.image_x86().expect("a 32-bit image").to_vec()), "loadany.exe");
    config.process.args = ["System32", "Sysnative"].map(|folder| format!("C:\\Windows\\{folder}\\winmm.dll")).to_vec();
    let mut machine = Machine::new(&config).expect("a machine");
    machine.run().expect("no engine failure");
    let printed = String::from_utf8_lossy(&machine.captured().expect("captured").stdout).into_owned();
    let lines = "C:\\Windows\\System32\\winmm.dll: loaded\nC:\\Windows\\Sysnative\\winmm.dll: refused, 193\n";
    assert_eq!(printed, lines);
}

/// `version.dll` beside a program is the program's, as malware that is loaded for another's DLL knows; `psapi.dll` is the system's.
#[test]
fn a_library_beside_the_program_comes_before_the_systems_where_that_is_not_known() {
    let image = |name: &str| std::fs::read(fixtures::images().join(name)).expect("an image");
    let folder = TempFolder::new("beside");
    for (own, first) in [("version.dll", true), ("psapi.dll", false)] {
        let mut program = image("chain.exe");
        let name = b"chainlib.dll\0";
        let at = program.windows(name.len()).position(|bytes| bytes == name).expect("its import");
        program[at..at + name.len()].fill(0);
        program[at..at + own.len()].copy_from_slice(own.as_bytes());
        for (file, bytes) in [(own, image("chainlib.dll")), ("chainend.dll", image("chainend.dll"))] {
            std::fs::write(folder.0.join(file), bytes).expect("a file");
        }
        let mut config = config(Program::Pe(program), "chain.exe");
        config.process.dll_folder = Some(folder.0.clone());
        let made = Machine::new(&config).map(|mut machine| {
            let end = machine.run().expect("no engine failure");
            (end, String::from_utf8_lossy(&machine.captured().expect("captured").stdout).replace('\r', ""))
        });
        let expected =
            fixtures::get("chain").and_then(|fixture| fixture.stdout).expect("what it prints").replace('\r', "");
        match made {
            Ok((end, printed)) => assert!(first && printed == expected, "{own}: {end:?}\n{printed}"),
            Err(error) => assert!(!first && error.to_string().contains("doubled"), "{own}: {error}"),
        }
    }
}
