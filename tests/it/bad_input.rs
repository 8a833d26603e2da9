//! Files that are no programs, or lie about being one.

use std::path::Path;

use trapgate::Machine;
use trapgate::loader::Program;

use crate::support::{config, trapgate};

fn scratch(name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("trapgate-{}-{name}", std::process::id()));
    std::fs::write(&path, bytes).expect("a temporary file");
    path
}

/// Runs `trapgate run PATH`: exit code 2, and one line that names the file and a reason.
fn refused(path: &Path, reason: &str) {
    let output = trapgate().arg("run").arg(path).output().expect("trapgate starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains(reason), "{text:?} does not say {reason:?}");
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(text.contains(&name), "{text:?} does not name {name}");
    assert!(output.stdout.is_empty());
}

#[test]
fn each_bad_file_is_refused_in_one_line() {
    let hello = fixtures::get("hello").expect("the fixture").image;
    let pe = u32::from_le_bytes([hello[0x3c], hello[0x3d], hello[0x3e], hello[0x3f]]) as usize;
    let with = |at: usize, bytes: &[u8]| {
        let mut image = hello.to_vec();
        image[at..at + bytes.len()].copy_from_slice(bytes);
        image
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty.exe", Vec::new(), "does not start with MZ"),
        ("text.exe", b"#!/bin/sh\necho no\n".to_vec(), "does not start with MZ"),
        ("mz.exe", b"MZ".to_vec(), "ends before its headers"),
        ("cut-headers.exe", hello[..pe + 20].to_vec(), "PE"),
        ("cut-section.exe", hello[..hello.len() - 700].to_vec(), "beyond the end of the file"),
        ("wrong-magic.exe", with(pe + 4, &[0x4c, 0x01]), "magic"),
        ("managed.exe", with(pe + 24 + 112 + 14 * 8, &[0, 0x20, 0, 0, 0x48, 0, 0, 0]), "managed code (.NET)"),
        ("arm64.exe", with(pe + 4, &[0x64, 0xaa]), "ARM64"),
        ("huge.exe", with(pe + 24 + 56, &[0, 0, 0, 0xff]), "SizeOfImage"),
        ("entry.exe", with(pe + 24 + 16, &[0, 0, 0, 0x40]), "entry point"),
        ("base.exe", with(pe + 24 + 24, &[1, 2]), "ImageBase"),
        ("dll.exe", with(pe + 22, &[0x2e, 0x22]), "is a DLL"),
    ];
    for (name, bytes, reason) in cases {
        let path = scratch(name, &bytes);
        refused(&path, reason);
        std::fs::remove_file(&path).expect("the file");
    }
    refused(&fixtures::path("missing_import"), "which");
    refused(Path::new("/no/such/folder/program.exe"), "No such file");
    refused(&fixtures::images(), "not a regular file");
}

/// 64-bit code is offered a machine that runs it, by name: the same build's where there is one.
#[test]
fn a_program_of_the_wrong_width() {
    for (profile, offer) in [("win10-1809-x86", "win10-1809-x64"), ("xp-sp3-x86", "win10-22h2-x64")] {
        let run = |more: &[&str]| {
            let path = fixtures::path("hello");
            let output =
                trapgate().args(["run", "--profile", profile]).args(more).arg(path).output().expect("trapgate starts");
            assert_eq!(output.status.code(), Some(2));
            String::from_utf8_lossy(&output.stderr).into_owned()
        };
        for text in [run(&[]), run(&["--raw", "x64"])] {
            let wanted = format!("is x64 code, which {profile} does not run; --profile {offer} does");
            assert!(text.contains(&wanted) && text.lines().count() == 1, "{text}");
        }
    }
}

#[test]
fn a_profile_that_does_not_exist() {
    let output = trapgate().args(["run", "--profile", "win95"]).arg(fixtures::path("hello")).output().expect("starts");
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("win95") && text.contains("trapgate profiles lists them") && text.lines().count() == 1,
        "{text}"
    );
}

/// Every byte of the headers, flipped in turn: a run that ends, or a clear error. No panic, no hang.
#[test]
fn every_header_byte_flipped() {
    let (mut errors, mut runs) = (0, 0);
    for name in ["hello", "tls"] {
        let image = fixtures::get(name).expect("the fixture").image;
        let headers = image.len().min(0x400);
        for at in 0..headers {
            for flip in [0xff, 0x01, 0x80] {
                let mut bytes = image.to_vec();
                bytes[at] ^= flip;
                let mut config = config(Program::Pe(bytes), name);
                config.max_instructions = Some(100_000);
                match Machine::new(&config) {
                    Ok(mut machine) => {
                        machine.run().unwrap_or_else(|e| panic!("{name}: byte {at:#x} ^ {flip:#x}: {e}"));
                        runs += 1;
                    }
                    Err(e) => {
                        let text = e.to_string();
                        assert!(text.contains(name) && !text.contains('\n'), "{at:#x}: {text}");
                        errors += 1;
                    }
                }
            }
        }
    }
    assert!(errors > 100 && runs > 100, "{errors} errors, {runs} runs");
}

/// The same for the places that the headers lead to: import tables, TLS and relocation directories.
#[test]
fn every_directory_byte_flipped() {
    for name in ["tls", "relocs", "ordinal"] {
        let image = fixtures::get(name).expect("the fixture").image;
        for at in (0x400..image.len()).step_by(3) {
            let mut bytes = image.to_vec();
            bytes[at] ^= 0xff;
            let mut config = config(Program::Pe(bytes), name);
            config.max_instructions = Some(50_000);
            if let Ok(mut machine) = Machine::new(&config) {
                machine.run().unwrap_or_else(|e| panic!("{name}: byte {at:#x}: {e}"));
            }
        }
    }
}

/// A program starts that imports what Windows has and nobody has written; calling it is told, and raised.
#[test]
fn what_nobody_has_written_is_told_when_it_is_called() {
    for path in ["fixtures/images/gap.exe", "fixtures/images/x86/gap.exe"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
        let run = |more: &[&str]| trapgate().arg("run").args(more).arg(&path).output().expect("trapgate starts");
        let output = run(&[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(7), &b"started\nC0000139\n"[..]), "{said}");
        let lines: Vec<&str> = said.lines().collect();
        let [imports, hard_error, _] = lines.as_slice() else { panic!("{said}") };
        assert!(imports.ends_with("refused when called: ADVAPI32!AbortSystemShutdownA, GDI32!AbortPath"), "{said}");
        assert!(
            hard_error.ends_with("STATUS_ENTRYPOINT_NOT_FOUND: \"AbortSystemShutdownA\", \"ADVAPI32.dll\""),
            "{said}"
        );
        let strict = run(&["--strict"]);
        assert_eq!(strict.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&strict.stderr).contains("GDI32.dll"));
    }
}
