//! The namespace: what is there at boot, directories, links, private namespaces, and the statuses of looking names up.

use guest::{NtStatus, Profile};
use kernel_model::body::Body;

use crate::direct::{Direct, HANDLE, OUT, READ_ONLY};
use NtStatus as S;

const ALL: u64 = 0x1f_0003;
const DIRECTORY_ALL: u64 = 0xf_000f;
const LINK_ALL: u64 = 0xf_0001;
const CASE_INSENSITIVE: u32 = 0x40;
const OPENIF: u32 = 0x80;

fn create(d: &mut Direct, name: &str, flags: u32, root: u64) -> NtStatus {
    let attributes = d.attributes(name, flags, root);
    d.call("NtCreateEvent", &[HANDLE, ALL, attributes, 0, 0])
}

fn open(d: &mut Direct, name: &str, flags: u32, root: u64) -> NtStatus {
    let attributes = d.attributes(name, flags, root);
    d.call("NtOpenEvent", &[HANDLE, ALL, attributes])
}

fn directory(d: &mut Direct, name: &str) -> u64 {
    let attributes = d.attributes(name, 0, 0);
    d.handle("NtCreateDirectoryObject", &[DIRECTORY_ALL, attributes])
}

fn open_directory(d: &mut Direct, name: &str) -> (NtStatus, u64) {
    let attributes = d.attributes(name, 0, 0);
    let status = d.call("NtOpenDirectoryObject", &[HANDLE, DIRECTORY_ALL, attributes]);
    (status, d.u64(HANDLE))
}

fn link(d: &mut Direct, name: &str, target: &str) -> NtStatus {
    let attributes = d.attributes(name, 0, 0);
    d.unicode(OUT, OUT + 0x100, target);
    d.call("NtCreateSymbolicLinkObject", &[HANDLE, LINK_ALL, attributes, OUT])
}

/// `facts`' list of statuses, one by one.
#[test]
fn each_name_ends_as_it_must() {
    let mut d = Direct::new();
    assert_eq!(create(&mut d, "\\E", 0, 0), S::SUCCESS);
    let event = d.u64(HANDLE);
    assert_eq!((create(&mut d, "\\E", 0, 0), d.u64(HANDLE)), (S::OBJECT_NAME_COLLISION, 0));
    assert_eq!(create(&mut d, "\\E", OPENIF, 0), S::OBJECT_NAME_EXISTS);
    assert_ne!(d.u64(HANDLE), 0);
    let attributes = d.attributes("\\E", OPENIF, 0);
    assert_eq!(d.call("NtCreateMutant", &[HANDLE, 0x1f_0001, attributes, 0]), S::OBJECT_TYPE_MISMATCH);
    assert_eq!(d.call("NtOpenMutant", &[HANDLE, 0x1f_0001, attributes]), S::OBJECT_TYPE_MISMATCH);
    assert_eq!(link(&mut d, "\\", "\\E"), S::OBJECT_TYPE_MISMATCH);
    let root = directory(&mut d, "\\Dir");
    for (name, root, status) in [
        ("E", 0, S::OBJECT_PATH_SYNTAX_BAD),
        ("\\E", root, S::OBJECT_PATH_SYNTAX_BAD),
        ("\\Dir\\", 0, S::OBJECT_NAME_INVALID),
        ("\\\\E", 0, S::OBJECT_NAME_INVALID),
        ("\\Dir\\\\E", 0, S::OBJECT_NAME_INVALID),
        ("\\No\\E", 0, S::OBJECT_PATH_NOT_FOUND),
        ("\\No\\", 0, S::OBJECT_PATH_NOT_FOUND),
        ("\\No", 0, S::OBJECT_NAME_NOT_FOUND),
        ("", 0, S::OBJECT_PATH_SYNTAX_BAD),
        ("\\e", 0, S::OBJECT_NAME_NOT_FOUND),
        ("\\E\\X", 0, S::OBJECT_TYPE_MISMATCH),
        ("X", event, S::OBJECT_TYPE_MISMATCH),
        ("X", 0x4444, S::INVALID_HANDLE),
    ] {
        assert_eq!(open(&mut d, name, 0, root), status, "{name:?} from {root:#x}");
    }
    assert_eq!(open(&mut d, "\\e", CASE_INSENSITIVE, 0), S::SUCCESS);
    assert_eq!(create(&mut d, "Inside", 0, root), S::SUCCESS);
    assert_eq!(open(&mut d, "\\Dir\\Inside", 0, 0), S::SUCCESS);
    assert_eq!(create(&mut d, "", 0, root), S::SUCCESS, "a name of no length with a root: unnamed");
    assert_eq!(create(&mut d, "", 0, 0), S::SUCCESS);
    let attributes = d.attributes("\\E", 0, 0);
    assert_eq!(d.call("NtOpenEvent", &[HANDLE, 0, attributes]), S::ACCESS_DENIED, "no access at all");
}

#[test]
fn attributes_that_lie() {
    let mut d = Direct::new();
    let root = directory(&mut d, "\\Dir");
    let mut with = |offset: u64, bytes: &[u8], root: u64| {
        let attributes = d.attributes("\\Long", 0, root);
        d.write(attributes + offset, bytes);
        d.call("NtCreateEvent", &[HANDLE, ALL, attributes, 0, 0])
    };
    let string = 0x100u64;
    assert_eq!(with(0, &[0x2f], 0), S::INVALID_PARAMETER, "Length");
    assert_eq!(with(16, &0u64.to_le_bytes(), root), S::OBJECT_NAME_INVALID, "no name, and a root");
    assert_eq!(with(16, &0u64.to_le_bytes(), 0), S::SUCCESS, "no name");
    assert_eq!(with(16, &READ_ONLY.wrapping_add(0x1000).to_le_bytes(), 0), S::ACCESS_VIOLATION);
    assert_eq!(with(string, &3u16.to_le_bytes(), 0), S::OBJECT_NAME_INVALID, "an odd length");
    assert_eq!(with(string, &65534u16.to_le_bytes(), 0), S::OBJECT_NAME_INVALID);
    assert_eq!(with(string, &65532u16.to_le_bytes(), 0), S::SUCCESS, "the longest name");
    assert_eq!(with(string + 8, &0x10_2001u64.to_le_bytes(), 0), S::DATATYPE_MISALIGNMENT);
    assert_eq!(with(string + 8, &0x6000_0000u64.to_le_bytes(), 0), S::ACCESS_VIOLATION);
    assert_eq!(d.call("NtOpenDirectoryObject", &[HANDLE, 1, 0]), S::INVALID_PARAMETER);
    assert_eq!(d.call("NtCreateDirectoryObject", &[READ_ONLY, 1, 0]), S::ACCESS_VIOLATION);
}

/// The names of Windows 10 at boot, and where its links lead.
#[test]
fn the_tree_at_boot() {
    let mut d = Direct::new();
    d.kernel.log_on(kernel_model::se::Account::LocalSystem);
    for path in [
        "\\ArcName",
        "\\BaseNamedObjects",
        "\\Callback",
        "\\Device",
        "\\Driver",
        "\\FileSystem",
        "\\GLOBAL??",
        "\\KernelObjects",
        "\\KnownDlls",
        "\\KnownDlls32",
        "\\Nls",
        "\\ObjectTypes",
        "\\RPC Control",
        "\\Security",
        "\\Sessions",
        "\\UMDFCommunicationPorts",
        "\\Windows",
        "\\Sessions\\0\\DosDevices",
        "\\Sessions\\1\\DosDevices",
        "\\Sessions\\1\\AppContainerNamedObjects",
        "\\BaseNamedObjects\\Restricted",
        "\\??",
        "\\DosDevices",
    ] {
        assert_eq!(open_directory(&mut d, path).0, S::SUCCESS, "{path}");
    }
    for (link, target) in [
        ("\\Sessions\\BNOLINKS\\0", "\\BaseNamedObjects"),
        ("\\Sessions\\BNOLINKS\\1", "\\Sessions\\1\\BaseNamedObjects"),
        ("\\Sessions\\1\\BaseNamedObjects\\Global", "\\BaseNamedObjects"),
        ("\\Sessions\\1\\BaseNamedObjects\\Local", "\\Sessions\\1\\BaseNamedObjects"),
        ("\\Sessions\\1\\BaseNamedObjects\\Session", "\\Sessions\\BNOLINKS"),
        ("\\Sessions\\1\\BaseNamedObjects\\AppContainerNamedObjects", "\\Sessions\\1\\AppContainerNamedObjects"),
        ("\\BaseNamedObjects\\Local", "\\BaseNamedObjects"),
        ("\\BaseNamedObjects\\AppContainerNamedObjects", "\\Sessions\\0\\AppContainerNamedObjects"),
    ] {
        let attributes = d.attributes(link, 0, 0);
        let handle = d.handle("NtOpenSymbolicLinkObject", &[LINK_ALL, attributes]);
        d.write_u64(OUT, 0x200 << 16);
        d.write_u64(OUT + 8, OUT + 0x100);
        assert_eq!(d.call("NtQuerySymbolicLinkObject", &[handle, OUT, 0]), S::SUCCESS);
        assert_eq!(d.string(OUT), target, "{link}");
    }
    // What a program of session 1 creates with Global\ is found by one of session 0 without.
    assert_eq!(create(&mut d, "\\Sessions\\1\\BaseNamedObjects\\Global\\E", 0, 0), S::SUCCESS);
    assert_eq!(open(&mut d, "\\BaseNamedObjects\\Session\\0\\E", 0, 0), S::SUCCESS);
    // A link made in \?? is the session's own; what is in \GLOBAL?? shines through.
    assert_eq!(link(&mut d, "\\GLOBAL??\\X:", "\\BaseNamedObjects"), S::SUCCESS);
    let global = d.u64(HANDLE);
    assert_eq!(open(&mut d, "\\??\\X:\\E", 0, 0), S::SUCCESS);
    assert_eq!(link(&mut d, "\\??\\Y:", "\\BaseNamedObjects"), S::SUCCESS);
    assert_eq!(open(&mut d, "\\DosDevices\\Y:\\E", 0, 0), S::SUCCESS);
    assert_eq!(open(&mut d, "\\GLOBAL??\\Y:\\E", 0, 0), S::OBJECT_PATH_NOT_FOUND);
    assert_eq!(d.call("NtClose", &[global]), S::SUCCESS);
    assert_eq!(open(&mut d, "\\??\\X:\\E", 0, 0), S::OBJECT_PATH_NOT_FOUND);
    assert_eq!(open(&mut d, "\\??\\GLOBALROOT\\BaseNamedObjects\\E", 0, 0), S::SUCCESS);
}

#[test]
fn every_build_boots_with_what_it_has() {
    for profile in Profile::all() {
        let d = Direct::with(profile);
        d.kernel.check_invariants().unwrap_or_else(|e| panic!("{}: {e}", profile.name));
        let types = d.kernel.ob.types.iter().count();
        let objects = d.kernel.ob.iter().filter(|(_, o)| matches!(o.body, Body::Type(_))).count();
        assert_eq!(types, objects, "{}: a type object for each type", profile.name);
    }
}

#[test]
fn links_in_a_circle_and_links_to_nowhere() {
    let mut d = Direct::new();
    assert_eq!(link(&mut d, "\\A", "\\B"), S::SUCCESS);
    let a = d.u64(HANDLE);
    assert_eq!(open(&mut d, "\\A\\E", 0, 0), S::OBJECT_PATH_NOT_FOUND, "the target does not exist");
    assert_eq!(link(&mut d, "\\B", "\\A"), S::SUCCESS);
    assert_eq!(open(&mut d, "\\A\\E", 0, 0), S::OBJECT_NAME_NOT_FOUND, "a circle");
    let attributes = d.attributes("\\A", 0, 0);
    assert_eq!(d.call("NtOpenSymbolicLinkObject", &[HANDLE, LINK_ALL, attributes]), S::SUCCESS, "the link itself");
    // A chain of 63 links is followed, one of 64 is not.
    let chain = directory(&mut d, "\\Chain");
    assert_ne!(chain, 0);
    for n in 0..64 {
        let to = if n == 0 { "\\Chain".into() } else { format!("\\Chain\\{}", n - 1) };
        assert_eq!(link(&mut d, &format!("\\Chain\\{n}"), &to), S::SUCCESS);
    }
    assert_eq!(open_directory(&mut d, "\\Chain\\62").0, S::SUCCESS);
    assert_eq!(open_directory(&mut d, "\\Chain\\63").0, S::OBJECT_NAME_NOT_FOUND);
    // OBJ_DONT_REPARSE
    assert_eq!(open(&mut d, "\\A\\E", 0x1000, 0), S::REPARSE_POINT_ENCOUNTERED);
    // Targets
    let attributes = d.attributes("\\L", 0, 0);
    for (length, maximum, status) in
        [(3u64, 8u64, S::INVALID_PARAMETER), (8, 6, S::INVALID_PARAMETER), (0, 0, S::INVALID_PARAMETER)]
    {
        d.write_u64(OUT, length | maximum << 16);
        let got = d.call("NtCreateSymbolicLinkObject", &[HANDLE, LINK_ALL, attributes, OUT]);
        assert_eq!(got, status, "{length} of {maximum}");
    }
    // Two bytes of room for "\B" are too few; exactly four do, and with the length asked for its zero counts.
    for (room, told, status) in [
        (2u64, 0, S::BUFFER_TOO_SMALL),
        (4, 0, S::SUCCESS),
        (4, OUT + 0x80, S::BUFFER_TOO_SMALL),
        (6, OUT + 0x80, S::SUCCESS),
    ] {
        d.write_u64(OUT, room << 16);
        d.write_u64(OUT + 8, OUT + 0x100);
        assert_eq!(d.call("NtQuerySymbolicLinkObject", &[a, OUT, told]), status, "{room}");
    }
    assert_eq!(d.u32(OUT + 0x80), 6);
}

#[test]
fn directories_are_listed() {
    let mut d = Direct::new();
    let handle = directory(&mut d, "\\List");
    for name in ["\\List\\One", "\\List\\Two", "\\List\\Three"] {
        assert_eq!(create(&mut d, name, 0, 0), S::SUCCESS);
    }
    let (context, returned) = (OUT + 0x800, OUT + 0x808);
    let query = |d: &mut Direct, length: u64, single: u64, restart: u64| {
        let status = d.call("NtQueryDirectoryObject", &[handle, OUT, length, single, restart, context, returned]);
        (status, d.u32(context), d.u32(returned))
    };
    // One: 32 bytes of entry, 32 of its end, "One" and "Event" with their zeros.
    let one = 64 + 8 + 12;
    assert_eq!(query(&mut d, one - 1, 1, 1).0, S::BUFFER_TOO_SMALL);
    assert_eq!(d.u32(returned), one as u32);
    assert_eq!(query(&mut d, one, 1, 1), (S::SUCCESS, 1, one as u32));
    assert_eq!((d.string(OUT).as_str(), d.string(OUT + 16).as_str()), ("One", "Event"));
    assert_eq!(d.read(OUT + 32, 32), [0; 32]);
    assert_eq!(query(&mut d, 0x400, 1, 0).1, 2);
    assert_eq!(d.string(OUT), "Two");
    assert_eq!(query(&mut d, 0x400, 1, 0).1, 3);
    assert_eq!(query(&mut d, 0x400, 1, 0).0, S::NO_MORE_ENTRIES);
    // Several.
    assert_eq!(query(&mut d, 0x400, 0, 1), (S::SUCCESS, 3, 32 * 4 + 3 * 12 + 8 + 8 + 12));
    assert_eq!(d.string(OUT + 64), "Three");
    assert_eq!(query(&mut d, 150, 0, 1).0, S::MORE_ENTRIES);
    assert_eq!(d.u32(context), 2);
    assert_eq!(query(&mut d, 0x400, 0, 0), (S::SUCCESS, 3, 64 + 12 + 12));
    assert_eq!(query(&mut d, 0x400, 0, 0).0, S::NO_MORE_ENTRIES);
    let attributes = d.attributes("\\List", 0, 0);
    let weak = d.handle("NtOpenDirectoryObject", &[2, attributes]);
    assert_eq!(d.call("NtQueryDirectoryObject", &[weak, OUT, 0x400, 0, 1, context, 0]), S::ACCESS_DENIED);
    assert_eq!(d.call("NtQueryDirectoryObject", &[handle, OUT, 0x400, 0, 1, 0, 0]), S::ACCESS_VIOLATION);
}

#[test]
fn a_directory_behind_another() {
    let mut d = Direct::new();
    let behind = directory(&mut d, "\\Behind");
    assert_eq!(create(&mut d, "\\Behind\\E", 0, 0), S::SUCCESS);
    let attributes = d.attributes("\\Front", 0, 0);
    let front = d.handle("NtCreateDirectoryObjectEx", &[DIRECTORY_ALL, attributes, behind, 0]);
    assert_eq!(open(&mut d, "\\Front\\E", 0, 0), S::SUCCESS);
    assert_eq!(open(&mut d, "E", 0, front), S::SUCCESS);
    assert_eq!(d.call("NtCreateDirectoryObjectEx", &[HANDLE, 1, 0, 0, 2]), S::INVALID_PARAMETER);
    assert_eq!(d.call("NtCreateDirectoryObjectEx", &[HANDLE, 1, 0, 0x4444, 0]), S::INVALID_HANDLE);
    // What fails lets go of it.
    let attributes = d.attributes("\\Front", 0, 0);
    let again = d.call("NtCreateDirectoryObjectEx", &[HANDLE, DIRECTORY_ALL, attributes, behind, 0]);
    assert_eq!(again, S::OBJECT_NAME_COLLISION);
    let bad = d.call("NtCreateDirectoryObjectEx", &[HANDLE, DIRECTORY_ALL, 0x6000_0000, behind, 0]);
    assert_eq!(bad, S::ACCESS_VIOLATION);
}

/// A boundary descriptor with these entries of type and bytes.
fn boundary(d: &mut Direct, entries: &[(u32, &[u8])]) -> u64 {
    let mut body = Vec::new();
    for (kind, bytes) in entries {
        body.extend(kind.to_le_bytes());
        body.extend((bytes.len() as u32 + 8).to_le_bytes());
        body.extend(*bytes);
        body.resize(body.len().next_multiple_of(8), 0);
    }
    let header = [1, entries.len() as u32, body.len() as u32 + 16, 0];
    let mut bytes: Vec<u8> = header.iter().flat_map(|v| v.to_le_bytes()).collect();
    bytes.extend(body);
    d.write(OUT, &bytes);
    OUT
}

#[test]
fn private_namespaces() {
    let mut d = Direct::new();
    let sid: &[u8] = &[1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    let at = boundary(&mut d, &[(1, b"n\0a\0"), (2, sid)]);
    let first = d.handle("NtCreatePrivateNamespace", &[DIRECTORY_ALL, 0, at]);
    assert_eq!(d.call("NtCreatePrivateNamespace", &[HANDLE, DIRECTORY_ALL, 0, at]), S::OBJECT_NAME_COLLISION);
    let second = d.handle("NtOpenPrivateNamespace", &[DIRECTORY_ALL, 0, at]);
    assert_eq!(create(&mut d, "Inside", 0, first), S::SUCCESS);
    assert_eq!(open(&mut d, "Inside", 0, second), S::SUCCESS);
    let at = boundary(&mut d, &[(1, b"n\0b\0"), (2, sid)]);
    assert_eq!(d.call("NtOpenPrivateNamespace", &[HANDLE, DIRECTORY_ALL, 0, at]), S::OBJECT_NAME_NOT_FOUND);
    for entries in [&[(2u32, sid)][..], &[(1, b"a\0"), (1, b"b\0")], &[(9, b"a\0")]] {
        let at = boundary(&mut d, entries);
        assert_eq!(d.call("NtCreatePrivateNamespace", &[HANDLE, 1, 0, at]), S::INVALID_PARAMETER, "{entries:?}");
    }
    assert_eq!(d.call("NtCreatePrivateNamespace", &[HANDLE, 1, 0, 0]), S::ACCESS_VIOLATION);
    // Deleted, it is not found, and a new one can be made; the handles stay good.
    assert_eq!(d.call("NtDeletePrivateNamespace", &[first]), S::SUCCESS);
    assert_eq!(d.call("NtDeletePrivateNamespace", &[first]), S::INVALID_PARAMETER);
    assert_eq!(open(&mut d, "Inside", 0, second), S::SUCCESS);
    let at = boundary(&mut d, &[(1, b"n\0a\0"), (2, sid)]);
    let third = d.handle("NtCreatePrivateNamespace", &[DIRECTORY_ALL, 0, at]);
    // The last handle takes it away.
    assert_eq!(d.call("NtClose", &[third]), S::SUCCESS);
    assert_eq!(d.call("NtOpenPrivateNamespace", &[HANDLE, DIRECTORY_ALL, 0, at]), S::OBJECT_NAME_NOT_FOUND);
}
