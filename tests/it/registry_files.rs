//! Hive files, and what a run leaves in the registry: written, read, damaged, exported, compared.

use std::path::PathBuf;
use std::sync::Arc;

use guest::Profile;
use kernel_model::cm::{HiveKey, Node, Registry, save};
use serde_json::Value as Json;
use trapgate::registry::read_hive;

use crate::support::{Random, trapgate};

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// A registry with one hive of keys and values of every kind of size.
fn sample() -> (Registry, kernel_model::cm::KeyId) {
    let mut cm = Registry::boot(Profile::default_profile());
    let machine = cm.find(r"\REGISTRY\MACHINE").expect("a key");
    let root = cm.mount(machine, &wide("Sample"), HiveKey::default()).expect("a hive");
    let add = |cm: &mut Registry, parent, name: &str| {
        let security = cm.get(parent).expect("a key").security.clone();
        cm.add(parent, Node::new(&wide(name), security)).expect(name)
    };
    let values = add(&mut cm, root, "Values");
    for size in [0, 1, 3, 4, 5, 100, 16_344, 16_345, 100_000] {
        let data: Vec<u8> = (0..size).map(|i| (i * 7) as u8).collect();
        let node = cm.get_mut(values).expect("a key");
        node.values.set(&wide(&format!("{size} bytes")), 3, Arc::from(data));
    }
    let node = cm.get_mut(values).expect("a key");
    node.values.set(&wide("日本語"), 0x1234_5678, Arc::from(&b"any type"[..]));
    node.values.set(&[], 1, Arc::from(wide("default\0").iter().flat_map(|u| u.to_le_bytes()).collect::<Vec<_>>()));
    node.class = wide("A class");
    let many = add(&mut cm, root, "Many");
    for i in 0..1200 {
        add(&mut cm, many, &format!("key {i:04}"));
    }
    let deep = (0..40).fold(root, |above, i| add(&mut cm, above, &format!("ключ {i}")));
    cm.get_mut(deep).expect("a key").values.set(&wide("deep"), 4, Arc::from([1, 2, 3, 4]));
    (cm, root)
}

/// What of a key a hive file and nt-hive keep.
fn same(cm: &Registry, id: kernel_model::cm::KeyId, read: &HiveKey) {
    let node = cm.get(id).expect("a key");
    assert_eq!((&node.name, &node.class), (&read.name, &read.class));
    assert!(node.values.iter().eq(&read.values), "values of {}", cm.path_of(id).expect("a path"));
    assert_eq!(node.child_count(), read.children.len());
    node.children().zip(&read.children).for_each(|(child, read)| same(cm, child, read));
}

#[test]
fn a_hive_is_read_as_it_was_written() {
    let (cm, root) = sample();
    let file = save(&cm, root);
    let read = read_hive(&file).unwrap_or_else(|error| panic!("{error}"));
    same(&cm, root, &read);
    // It goes back where it came from.
    let mut again = Registry::boot(Profile::default_profile());
    let machine = again.find(r"\REGISTRY\MACHINE").expect("a key");
    let mounted = again.mount(machine, &wide("Sample"), read).expect("it fits");
    assert_eq!(save(&again, mounted).len(), file.len());
    // As NtLoadKey will.
    again.hive_reader = Some(|bytes| read_hive(bytes).ok());
    let users = again.find(r"\REGISTRY\USER").expect("a key");
    let loaded = again.load(users, &wide("S-1-5-99"), &file).expect("a hive");
    assert_eq!(again.below(loaded).len(), again.below(mounted).len());
    for (bytes, expected) in [
        (&b"MZ"[..], guest::NtStatus::NOT_REGISTRY_FILE),
        (&file[..5000], guest::NtStatus::REGISTRY_CORRUPT),
        (&file, guest::NtStatus::OBJECT_NAME_COLLISION),
    ] {
        assert_eq!(again.load(users, &wide("S-1-5-99"), bytes), Err(expected));
    }
    // The registry's own hives can be saved too.
    for hive in ["SOFTWARE", "SYSTEM", "SAM", "SECURITY"] {
        let id = cm.find(&format!(r"\REGISTRY\MACHINE\{hive}")).expect("a hive");
        same(&cm, id, &read_hive(&save(&cm, id)).expect(hive));
    }
}

/// Whatever a file holds, it is read or refused.
#[test]
fn damaged_hives_are_refused() {
    let (cm, _) = sample();
    let file = save(&cm, cm.find(r"\REGISTRY\MACHINE\SYSTEM").expect("a hive"));
    for length in (0..file.len()).step_by(61).chain([4095, 4096, 4097]) {
        assert!(read_hive(&file[..length]).is_err(), "cut at {length}");
    }
    let mut random = Random(7);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..4000 {
        let mut bytes = file.clone();
        for _ in 0..=random.below(4) {
            let at = 4096 + random.below(bytes.len() as u64 - 4096) as usize;
            bytes[at] = random.next() as u8;
        }
        match read_hive(&bytes) {
            Ok(_) => read += 1,
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
    }
    assert!(read > 100 && refused > 100, "{read} read, {refused} refused");
    // A key that is in itself: the list of the root's subkeys leads to the root.
    let root = u32::from_le_bytes(file[0x24..0x28].try_into().expect("four"));
    let list = u32::from_le_bytes(file[0x1000 + root as usize + 4 + 0x1c..][..4].try_into().expect("four"));
    let mut circle = file.clone();
    circle[0x1000 + list as usize + 4 + 4..][..4].copy_from_slice(&root.to_le_bytes());
    let told = read_hive(&circle).expect_err("it has no end").to_string();
    assert!(told.contains("deep") || told.contains("room"), "{told}");
}

fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("registry");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join(name)
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let out = trapgate().args(args).output().expect("trapgate starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

#[test]
fn a_hive_file_takes_the_place_of_a_key() {
    let (cm, root) = sample();
    let file = scratch("sample.hiv");
    std::fs::write(&file, save(&cm, root)).expect("a file");
    let option = format!("HKLM\\SOFTWARE={}", file.display());
    let (code, stdout, stderr) = run(&["reg", "--json", "--hive", &option, "HKLM\\SOFTWARE\\Values"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let rows: Json = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(rows[0]["path"], "HKEY_LOCAL_MACHINE\\SOFTWARE\\Values");
    assert_eq!(rows[0]["class"], "A class");
    assert!(rows[0]["security"].as_str().is_some_and(|sddl| sddl.starts_with("O:BAG:SYD:P(A;CI;KA;;;BA)")), "{rows:?}");
    // A system hive gets the link to its current control set.
    let system = scratch("system.hiv");
    let id = cm.find(r"\REGISTRY\MACHINE\SYSTEM").expect("a hive");
    let mut without = cm.clone();
    without.delete(without.find(r"\REGISTRY\MACHINE\SYSTEM\CurrentControlSet").expect("the link")).expect("no subkeys");
    std::fs::write(&system, save(&without, id)).expect("a file");
    let option = format!("HKLM\\SYSTEM={}", system.display());
    let (code, stdout, _) = run(&["reg", "--hive", &option, "HKLM\\SYSTEM\\CurrentControlSet"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains(r"\REGISTRY\MACHINE\SYSTEM\ControlSet001"), "{stdout}");
    // New places too.
    let option = format!("HKU\\S-1-5-99={}", file.display());
    let (code, ..) = run(&["reg", "--hive", &option, "HKU\\S-1-5-99\\Many\\key 1199"]);
    assert_eq!(code, Some(0));
    // What cannot be is refused in one line.
    let cut = scratch("cut.hiv");
    std::fs::write(&cut, &save(&cm, root)[..5000]).expect("a file");
    let (file, cut) = (file.display(), cut.display());
    for (option, why) in [
        ("HKLM".to_string(), "should be PATH=FILE"),
        (format!("HKLM\\X={cut}"), "not a registry hive that can be read"),
        ("HKLM\\X=/nonexistent".into(), "/nonexistent: "),
        (format!("HKXX\\X={file}"), "not a key's path"),
        (format!("HKLM\\Nothing\\X={file}"), "not there"),
        (format!("HKLM\\HARDWARE\\X={file}"), "does not last"),
    ] {
        let (code, stdout, stderr) = run(&["reg", "--hive", &option]);
        assert_eq!((code, stdout.as_str(), stderr.lines().count()), (Some(2), "", 1), "{option}: {stderr}");
        assert!(stderr.contains(why), "{option}: {stderr}");
    }
}

/// A program that leaves keys and values, changes one and deletes one.
#[test]
fn what_a_run_changes_is_told() {
    let [diff, diff_json, out, out_json] = ["diff.txt", "diff.json", "out.reg", "out.json"].map(scratch);
    let program = fixtures::path("reg_leave").display().to_string();
    let both = |a: &PathBuf, b: &PathBuf| {
        let (a, b) = (a.display().to_string(), b.display().to_string());
        let (code, _, stderr) = run(&["run", "--quiet", "--reg-diff", &a, "--reg-out", &b, &program]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
    };
    both(&diff, &out);
    both(&diff_json, &out_json);
    let text = std::fs::read_to_string(&diff).expect("a file");
    insta::assert_snapshot!(text);
    let json: Json = serde_json::from_str(&std::fs::read_to_string(&diff_json).expect("a file")).expect("JSON");
    assert_eq!(json["keys"].as_array().expect("a list").len(), text.lines().filter(|l| !l.starts_with(' ')).count());
    let units: Vec<u16> =
        std::fs::read(&out).expect("a file").as_chunks().0.iter().map(|u| u16::from_le_bytes(*u)).collect();
    let exported = String::from_utf16(&units).expect("UTF-16");
    assert!(exported.starts_with("\u{feff}Windows Registry Editor Version 5.00\r\n\r\n["));
    let key = exported.split("\r\n\r\n").find(|key| key.contains("\\Software\\trapgate-leave]")).expect("the key");
    let lines: Vec<&str> = key.lines().skip(1).collect();
    assert_eq!(
        lines,
        [r#"@="default""#, r#""number"=dword:0000002a"#, r#""list"=hex(7):61,00,00,00,62,00,00,00,00,00"#]
    );
    let rows: Json = serde_json::from_str(&std::fs::read_to_string(&out_json).expect("a file")).expect("JSON");
    // .reg has each key but the roots of the namespace and links.
    let named = rows.as_array().expect("a list").iter().filter(|row| row["link"] != true);
    let paths = named.map(|row| row["path"].as_str().expect("a path"));
    let expected: Vec<&str> = paths.filter(|path| !path.starts_with('\\')).collect();
    let keys: Vec<&str> = exported.split("\r\n").filter_map(|l| l.strip_prefix('[')?.strip_suffix(']')).collect();
    assert_eq!(keys, expected);
}

#[test]
fn the_starting_registry_is_shown() {
    let (code, stdout, _) = run(&["reg", "--depth", "0", "HKLM\\SYSTEM\\CurrentControlSet\\"]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(stdout, @r#"
    HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet  (link)
        SymbolicLinkValue  REG_LINK       "\REGISTRY\MACHINE\SYSTEM\ControlSet001"
    "#);
    let (_, stdout, _) = run(&[
        "reg",
        "--profile",
        "win7-sp1-x86",
        "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion",
        "--depth",
        "0",
    ]);
    for expected in [r#"REG_SZ         "7601""#, r#""6.1""#, r#""Windows 7 Professional""#] {
        assert!(stdout.contains(expected), "{stdout}");
    }
    let (code, _, stderr) = run(&["reg", "HKLM\\None"]);
    assert_eq!((code, stderr.as_str()), (Some(2), "trapgate: HKEY_LOCAL_MACHINE\\None: no such key\n"));
}
