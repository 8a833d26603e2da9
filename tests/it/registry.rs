//! The registry: keys and values by the services, what each class answers, who may do what.

use guest::{NtStatus, Profile};
use kernel_model::Answer;
use kernel_model::schedule::Wake;

use crate::desk::{BASE, Desk};

type S = NtStatus;

const HANDLE: u64 = BASE;
const LENGTH: u64 = BASE + 0x10;
const OUT: u64 = BASE + 0x100;
const ROOM: u64 = 0x300;

const READ: u64 = 0x2_0019;
const ALL: u64 = 0xf_003f;
const MAXIMUM_ALLOWED: u64 = 0x200_0000;
const VOLATILE: u64 = 1;
const CREATE_LINK: u64 = 2;
const OPENLINK: u32 = 0x100;
const CASE_INSENSITIVE: u32 = 0x40;

/// The user's own key.
const USER: &str = r"\REGISTRY\USER\S-1-5-21-1004336348-1177238915-682003330-1001";

fn bytes(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

impl Desk {
    fn create_key_in(&mut self, root: u64, name: &str, access: u64, options: u64) -> Result<u64, S> {
        let attributes = self.rooted(root, name, CASE_INSENSITIVE);
        match self.call("NtCreateKey", &[HANDLE, access, attributes, 0, 0, options, LENGTH]) {
            S::SUCCESS => Ok(self.read_pointer(HANDLE)),
            status => Err(status),
        }
    }

    fn create_key(&mut self, name: &str) -> u64 {
        self.create_key_in(0, name, MAXIMUM_ALLOWED, 0).unwrap_or_else(|status| panic!("{name}: {status}"))
    }

    fn open_key_as(&mut self, root: u64, name: &str, access: u64, flags: u32) -> Result<u64, S> {
        let attributes = self.rooted(root, name, flags | CASE_INSENSITIVE);
        match self.call("NtOpenKey", &[HANDLE, access, attributes]) {
            S::SUCCESS => Ok(self.read_pointer(HANDLE)),
            status => Err(status),
        }
    }

    fn open_key(&mut self, name: &str, access: u64) -> Result<u64, S> {
        self.open_key_as(0, name, access, 0)
    }

    /// `OBJECT_ATTRIBUTES` with a root directory.
    fn rooted(&mut self, root: u64, name: &str, flags: u32) -> u64 {
        self.clear();
        // A NULL name with a root is no name; an empty one is.
        let at = self.attributes(if name.is_empty() { "x" } else { name }, flags, 0, 0);
        let word = self.word();
        if name.is_empty() {
            let string = self.read_pointer(at + 2 * word);
            self.write(string, &[0, 0]);
        }
        let root = self.pointer(root);
        self.write(at + word, &root);
        at
    }

    fn string(&mut self, text: &str) -> u64 {
        let units = bytes(text);
        let buffer = self.place(&units);
        let mut string = vec![0; self.word() as usize];
        string[..2].copy_from_slice(&(units.len() as u16).to_le_bytes());
        string[2..4].copy_from_slice(&(units.len() as u16).to_le_bytes());
        string.extend(self.pointer(buffer));
        self.place(&string)
    }

    fn set_value(&mut self, key: u64, name: &str, kind: u64, data: &[u8]) -> S {
        self.clear();
        let name = self.string(name);
        let at = self.place(data);
        self.call("NtSetValueKey", &[key, name, 0, kind, at, data.len() as u64])
    }

    /// Type and data.
    fn value(&mut self, key: u64, name: &str) -> Result<(u32, Vec<u8>), S> {
        self.clear();
        let name = self.string(name);
        match self.call("NtQueryValueKey", &[key, name, 2, OUT, ROOM, LENGTH]) {
            S::SUCCESS => {
                let length = self.u32(OUT + 8) as usize;
                Ok((self.u32(OUT + 4), self.read(OUT + 12, length)))
            }
            status => Err(status),
        }
    }

    fn subkeys(&mut self, key: u64) -> Vec<String> {
        let mut names = Vec::new();
        for index in 0.. {
            match self.call("NtEnumerateKey", &[key, index, 0, OUT, ROOM, LENGTH]) {
                S::SUCCESS => names.push(self.text(OUT + 12, OUT + 16)),
                status => {
                    assert_eq!(status, S::NO_MORE_ENTRIES);
                    break;
                }
            }
        }
        names
    }

    fn text(&mut self, length: u64, at: u64) -> String {
        let length = self.u32(length) as usize;
        let units: Vec<u16> = self.read(at, length).as_chunks().0.iter().map(|u| u16::from_le_bytes(*u)).collect();
        String::from_utf16(&units).expect("UTF-16")
    }

    fn key_path(&mut self, key: u64) -> String {
        self.ok("NtQueryKey", &[key, 3, OUT, ROOM, LENGTH]);
        self.text(OUT, OUT + 4)
    }
}

fn desks() -> [Desk; 3] {
    ["win10-22h2-x64", "win7-sp1-x86", "xp-sp3-x86"].map(Desk::new)
}

#[test]
fn keys_are_made_opened_enumerated_and_deleted() {
    for mut desk in desks() {
        let key = desk.create_key(&format!("{USER}\\Software\\Test"));
        assert_eq!(desk.u32(LENGTH), 1, "REG_CREATED_NEW_KEY");
        assert_eq!(desk.key_path(key), format!("{USER}\\Software\\Test"));
        let again = desk.create_key(&format!("{}\\SOFTWARE\\TEST\\", USER.to_lowercase()));
        assert_eq!(desk.u32(LENGTH), 2, "REG_OPENED_EXISTING_KEY");
        assert_eq!(desk.key_path(again), format!("{USER}\\Software\\Test"), "the case in which it was made");
        for name in ["b", "A", "c", "_"] {
            desk.create_key_in(key, name, ALL, 0).expect(name);
        }
        desk.create_key_in(key, "0", ALL, VOLATILE).expect("a volatile key");
        // By upper-case names; what does not last comes last.
        assert_eq!(desk.subkeys(key), ["A", "b", "c", "_", "0"]);
        assert_eq!(desk.create_key_in(key, "d\\e", ALL, 0), Err(S::OBJECT_NAME_NOT_FOUND));
        assert_eq!(desk.create_key_in(key, "0\\stable", ALL, 0), Err(S::CHILD_MUST_BE_VOLATILE));
        assert_eq!(desk.create_key_in(key, &"n".repeat(256), ALL, 0), Err(S::INVALID_PARAMETER));
        desk.create_key_in(key, &"n".repeat(255), ALL, 0).expect("the longest name");
        assert_eq!(desk.call("NtDeleteKey", &[key]), S::CANNOT_DELETE);
        let a = desk.open_key_as(key, "a", ALL, 0).expect("a");
        desk.ok("NtDeleteKey", &[a]);
        assert_eq!(desk.call("NtQueryKey", &[a, 0, OUT, ROOM, LENGTH]), S::KEY_DELETED);
        assert_eq!(desk.open_key_as(key, "A", READ, 0), Err(S::OBJECT_NAME_NOT_FOUND));
        assert_eq!(desk.open_key_as(a, "x", READ, 0), Err(S::KEY_DELETED));
        desk.ok("NtClose", &[a]);
        desk.kernel.check_invariants().expect("the registry holds together");
    }
}

#[test]
fn values_keep_their_order_and_are_found_in_any_case() {
    for mut desk in desks() {
        let key = desk.create_key(&format!("{USER}\\Test"));
        for (name, data) in [("zwei", &b"12345"[..]), ("Eins", b""), ("", b"default"), ("drei", b"abc")] {
            assert_eq!(desk.set_value(key, name, 3, data), S::SUCCESS);
        }
        assert_eq!(desk.set_value(key, "EINS", 0x1234_5678, b"new"), S::SUCCESS);
        assert_eq!(desk.value(key, "eins"), Ok((0x1234_5678, b"new".to_vec())));
        let mut names = Vec::new();
        for index in 0..4 {
            desk.ok("NtEnumerateValueKey", &[key, index, 0, OUT, ROOM, LENGTH]);
            names.push(desk.text(OUT + 8, OUT + 12));
        }
        assert_eq!(names, ["zwei", "Eins", "", "drei"]);
        assert_eq!(desk.call("NtEnumerateValueKey", &[key, 4, 0, OUT, ROOM, LENGTH]), S::NO_MORE_ENTRIES);
        desk.clear();
        let name = desk.string("ZWEI");
        desk.ok("NtDeleteValueKey", &[key, name]);
        assert_eq!(desk.call("NtDeleteValueKey", &[key, name]), S::OBJECT_NAME_NOT_FOUND);
        assert_eq!(desk.value(key, "zwei"), Err(S::OBJECT_NAME_NOT_FOUND));
        assert_eq!(desk.value(key, "DREI"), Ok((3, b"abc".to_vec())));
        desk.kernel.check_invariants().expect("the registry holds together");
    }
}

/// What fits decides: nothing is written where the fixed part does not, all that fits where it does.
#[test]
fn short_buffers_are_told() {
    let mut desk = Desk::new("win10-22h2-x64");
    let key = desk.create_key(&format!("{USER}\\Test"));
    desk.set_value(key, "name", 1, &bytes("data\0"));
    // Class, fixed part, whole: KEY_BASIC_INFORMATION, _NODE_, _FULL_, _NAME_ (a path of 71 units), _FLAGS_
    for (class, fixed, whole) in
        [(0, 16, 24), (1, 24, 32), (2, 44, 44), (3, 4, 4 + 2 * (USER.len() as u32 + 5)), (5, 12, 12)]
    {
        for (room, expected) in [
            (fixed - 1, S::BUFFER_TOO_SMALL),
            (fixed, if whole > fixed { S::BUFFER_OVERFLOW } else { S::SUCCESS }),
            (whole, S::SUCCESS),
        ] {
            desk.write(LENGTH, &[0; 4]);
            assert_eq!(desk.call("NtQueryKey", &[key, class, OUT, room.into(), LENGTH]), expected, "{class} {room}");
            assert_eq!(desk.u32(LENGTH), whole, "class {class}");
        }
    }
    for class in [10, 99] {
        assert_eq!(desk.call("NtQueryKey", &[key, class, OUT, ROOM, LENGTH]), S::INVALID_PARAMETER);
    }
    assert_eq!(desk.call("NtEnumerateKey", &[key, 0, 3, OUT, ROOM, LENGTH]), S::INVALID_PARAMETER);
    desk.clear();
    let name = desk.string("name");
    // KEY_VALUE_BASIC_INFORMATION, _FULL_, _PARTIAL_, _FULL_ALIGN64, _PARTIAL_ALIGN64
    for (class, fixed, whole) in [(0, 12, 20), (1, 20, 38), (2, 12, 22), (3, 20, 42), (4, 8, 18)] {
        for (room, expected) in [
            (fixed - 1, S::BUFFER_TOO_SMALL),
            (fixed, S::BUFFER_OVERFLOW),
            (whole - 1, S::BUFFER_OVERFLOW),
            (whole, S::SUCCESS),
        ] {
            let status = desk.call("NtQueryValueKey", &[key, name, class, OUT, room, LENGTH]);
            assert_eq!(status, expected, "{class} {room}");
            assert_eq!(u64::from(desk.u32(LENGTH)), whole, "class {class}");
        }
    }
    assert_eq!(desk.call("NtQueryValueKey", &[key, name, 4, OUT + 4, ROOM, LENGTH]), S::DATATYPE_MISALIGNMENT);
    assert_eq!(desk.call("NtQueryValueKey", &[key, name, 6, OUT, ROOM, LENGTH]), S::INVALID_PARAMETER);
}

#[test]
fn links_lead_to_their_targets() {
    let mut desk = Desk::new("win10-22h2-x64");
    let set = desk.open_key(r"\REGISTRY\MACHINE\SYSTEM\CurrentControlSet\Control", READ).expect("by the link");
    assert_eq!(desk.key_path(set), r"\REGISTRY\MACHINE\SYSTEM\ControlSet001\Control");
    let own = desk.open_key_as(0, r"\REGISTRY\MACHINE\SYSTEM\CurrentControlSet", READ, OPENLINK).expect("the link");
    let (kind, target) = desk.value(own, "SymbolicLinkValue").expect("its target");
    assert_eq!((kind, target), (6, bytes(r"\REGISTRY\MACHINE\SYSTEM\ControlSet001")));

    desk.create_key(&format!("{USER}\\Target\\"));
    let link = desk.create_key_in(0, &format!("{USER}\\Link"), MAXIMUM_ALLOWED, CREATE_LINK).expect("a link");
    assert_eq!(desk.open_key(&format!("{USER}\\Link"), READ), Err(S::OBJECT_NAME_NOT_FOUND), "no target yet");
    assert_eq!(desk.set_value(link, "other", 1, b""), S::ACCESS_DENIED);
    assert_eq!(desk.set_value(link, "SymbolicLinkValue", 1, b""), S::ACCESS_DENIED);
    assert_eq!(desk.set_value(link, "SymbolicLinkValue", 6, &bytes(&format!("{USER}\\Target"))), S::SUCCESS);
    let through = desk.create_key(&format!("{USER}\\Link\\Sub"));
    assert_eq!(desk.key_path(through), format!("{USER}\\Target\\Sub"));
    // A circle ends.
    assert_eq!(desk.set_value(link, "SymbolicLinkValue", 6, &bytes(&format!("{USER}\\Link"))), S::SUCCESS);
    assert_eq!(desk.open_key(&format!("{USER}\\Link"), READ), Err(S::OBJECT_NAME_NOT_FOUND));
    let again = desk.create_key_in(0, &format!("{USER}\\Link"), MAXIMUM_ALLOWED, CREATE_LINK);
    assert_eq!(again, Err(S::OBJECT_NAME_COLLISION));
}

#[test]
fn rights_are_checked() {
    let mut desk = Desk::new("win10-22h2-x64");
    let software = r"\REGISTRY\MACHINE\SOFTWARE";
    // The user is no administrator: it reads.
    let key = desk.open_key(software, READ).expect("reading");
    assert_eq!(desk.open_key(software, ALL), Err(S::ACCESS_DENIED));
    assert_eq!(desk.open_key(software, 0), Err(S::ACCESS_DENIED), "asking for nothing");
    assert_eq!(desk.open_key(r"\REGISTRY\MACHINE\SAM", READ), Err(S::ACCESS_DENIED));
    assert_eq!(desk.create_key_in(key, "New", READ, 0), Err(S::ACCESS_DENIED));
    assert_eq!(desk.set_value(key, "New", 1, b""), S::ACCESS_DENIED);
    assert_eq!(desk.call("NtDeleteKey", &[key]), S::ACCESS_DENIED);
    let own = desk.create_key(&format!("{USER}\\Own"));
    let narrow = desk.open_key(&format!("{USER}\\Own"), 0x8).expect("KEY_ENUMERATE_SUB_KEYS");
    assert_eq!(desk.set_value(narrow, "x", 1, b""), S::ACCESS_DENIED);
    assert_eq!(desk.value(narrow, "x"), Err(S::ACCESS_DENIED));
    assert_eq!(desk.call("NtQueryKey", &[narrow, 0, OUT, ROOM, LENGTH]), S::ACCESS_DENIED);
    assert_eq!(desk.key_path(narrow), format!("{USER}\\Own"), "the name takes no right");
    assert!(desk.subkeys(narrow).is_empty());
    // KEY_WOW64_64KEY is no right.
    desk.open_key(&format!("{USER}\\Own"), READ | 0x100).expect("the view is no right");
    // What is no key has no such name, and a key is nothing else.
    assert_eq!(desk.open_key(r"\KernelObjects", READ), Err(S::OBJECT_TYPE_MISMATCH));
    let attributes = desk.rooted(0, software, CASE_INSENSITIVE);
    assert_eq!(desk.call("NtOpenEvent", &[HANDLE, 1, attributes]), S::OBJECT_TYPE_MISMATCH);
    assert_eq!(desk.call("NtSetEvent", &[own, 0]), S::OBJECT_TYPE_MISMATCH);
    assert_eq!(desk.call("NtDeleteKey", &[0x1234]), S::INVALID_HANDLE);
}

#[test]
fn security_is_the_keys_and_not_the_handles() {
    let mut desk = Desk::new("win10-22h2-x64");
    let first = desk.create_key(&format!("{USER}\\Own"));
    let second = desk.open_key(&format!("{USER}\\Own"), MAXIMUM_ALLOWED).expect("open");
    // A DACL that lets nobody do anything.
    let nobody = kernel_model::se::SecurityDescriptor::from_sddl("D:P").expect("SDDL").to_bytes();
    desk.clear();
    let descriptor = desk.place(&nobody);
    desk.ok("NtSetSecurityObject", &[first, 4, descriptor]);
    desk.ok("NtQuerySecurityObject", &[second, 4, OUT, ROOM, LENGTH]);
    let length = desk.u32(LENGTH) as usize;
    let told = kernel_model::se::SecurityDescriptor::parse(&desk.read(OUT, length)).expect("a descriptor");
    assert_eq!(told.to_sddl(kernel_model::se::Parts::DACL), "D:P");
    assert_eq!(desk.open_key(&format!("{USER}\\Own"), READ), Err(S::ACCESS_DENIED));
    assert_eq!(desk.create_key_in(first, "Sub", READ, 0), Err(S::ACCESS_DENIED), "by the key's descriptor");
    // The owner still reads and writes the descriptor.
    desk.open_key(&format!("{USER}\\Own"), 0x6_0000).expect("READ_CONTROL | WRITE_DAC");
}

#[test]
fn a_change_is_told_by_the_event() {
    let mut desk = Desk::new("win10-22h2-x64");
    let key = desk.create_key(&format!("{USER}\\Own"));
    desk.ok("NtCreateEvent", &[HANDLE, 0x1f_0003, 0, 0, 1]);
    let event = desk.read_pointer(HANDLE);
    const BLOCK: u64 = BASE + 0x40;
    let wait = |desk: &mut Desk| {
        let now = desk.place(&[0; 8]);
        match desk.answer("NtWaitForSingleObject", &[event, 0, now]) {
            Answer::Status(status) => status,
            _ => S::TIMEOUT,
        }
    };
    let (name, last_set) = (1, 4);
    let ask = |desk: &mut Desk, filter: u64, tree: u64| {
        desk.call("NtNotifyChangeKey", &[key, event, 0, 0, BLOCK, filter, tree, 0, 0, 1])
    };
    assert_eq!(ask(&mut desk, 0x10, 0), S::INVALID_PARAMETER);
    assert_eq!(ask(&mut desk, name, 0), S::PENDING);
    assert_eq!(wait(&mut desk), S::TIMEOUT, "the call clears the event");
    desk.set_value(key, "x", 1, b"");
    assert_eq!(wait(&mut desk), S::TIMEOUT, "a value is not asked for");
    desk.create_key(&format!("{USER}\\Own\\Sub"));
    assert_eq!(wait(&mut desk), S::SUCCESS);
    assert_eq!(desk.u32(BLOCK), S::NOTIFY_ENUM_DIR.0);
    // Nobody waited: the next call is answered at once.
    desk.create_key(&format!("{USER}\\Own\\Other"));
    assert_eq!(ask(&mut desk, last_set, 0), S::NOTIFY_ENUM_DIR, "with the filter of the first call");
    desk.ok("NtClose", &[key]);
    let whole = desk.open_key(&format!("{USER}\\Own"), READ).expect("open");
    let ask = [whole, event, 0, 0, BLOCK, last_set, 1, 0, 0, 1];
    assert_eq!(desk.call("NtNotifyChangeKey", &ask), S::PENDING);
    let below = desk.open_key(&format!("{USER}\\Own\\Sub"), ALL).expect("open");
    desk.set_value(below, "x", 1, b"");
    assert_eq!(wait(&mut desk), S::SUCCESS, "the tree is watched");
    desk.kernel.check_invariants().expect("references");
    assert_eq!(desk.call("NtNotifyChangeKey", &ask), S::PENDING);
    desk.ok("NtClose", &[whole]);
    assert_eq!(wait(&mut desk), S::SUCCESS, "a closed handle is told to nobody else");
    // A synchronous call waits.
    let key = desk.open_key(&format!("{USER}\\Own"), READ).expect("open");
    let answer = desk.answer("NtNotifyChangeKey", &[key, 0, 0, 0, BLOCK, name, 0, 0, 0, 0]);
    let Answer::Blocked(wait) = answer else { panic!("{answer:?}") };
    desk.kernel.check_invariants().expect("references");
    // The calls that follow stand for another thread's.
    desk.kernel.block(wait);
    desk.create_key(&format!("{USER}\\Own\\Third"));
    assert_eq!(desk.kernel.ps.thread.wake, Some(Wake::Status(S::NOTIFY_ENUM_DIR)), "its call is over");
    assert_eq!(desk.u32(BLOCK), S::NOTIFY_ENUM_DIR.0);
    desk.kernel.check_invariants().expect("references");
}

/// An APC is queued to the caller: routine, context, status block.
#[test]
fn a_change_is_told_by_an_apc() {
    let mut desk = Desk::new("win10-22h2-x64");
    let key = desk.create_key(&format!("{USER}\\Own"));
    const BLOCK: u64 = BASE + 0x40;
    let ask = [key, 0, 0x1234_5678, 77, BLOCK, 4, 0, 0, 0, 1];
    assert_eq!(desk.call("NtNotifyChangeKey", &ask), S::PENDING);
    assert!(desk.kernel.ps.thread.apcs.is_empty());
    desk.set_value(key, "x", 1, b"");
    let words: Vec<_> = desk.kernel.ps.thread.apcs.iter().map(|apc| apc.words).collect();
    assert_eq!(words, [[0x1234_5678, 77, BLOCK, 0]]);
}

/// `NtQueryMultipleValueKey` with a 32-bit `KEY_VALUE_ENTRY` and a 64-bit one.
#[test]
fn several_values_are_read_at_once() {
    for mut desk in desks() {
        let key = desk.create_key(&format!("{USER}\\Test"));
        desk.set_value(key, "five", 3, b"12345");
        desk.set_value(key, "two", 0, b"67");
        desk.clear();
        let word = desk.word();
        let size = (word + 12).next_multiple_of(word);
        let names = [desk.string("FIVE"), desk.string("two")];
        let entries = BASE + 0x80;
        for (name, index) in names.into_iter().zip(0..) {
            let name = desk.pointer(name);
            desk.write(entries + index * size, &name);
        }
        desk.write(LENGTH, &64_u32.to_le_bytes());
        desk.ok("NtQueryMultipleValueKey", &[key, entries, 2, OUT, LENGTH, LENGTH + 4]);
        assert_eq!((desk.u32(LENGTH), desk.u32(LENGTH + 4)), (10, 10));
        let second = entries + size + word;
        assert_eq!([0, 4, 8].map(|at| desk.u32(second + at)), [2, 8, 0], "length, offset, type");
        assert_eq!(desk.read(OUT, 10)[8..], *b"67");
        desk.write(LENGTH, &9_u32.to_le_bytes());
        let short = desk.call("NtQueryMultipleValueKey", &[key, entries, 2, OUT, LENGTH, LENGTH + 4]);
        assert_eq!((short, desk.u32(LENGTH), desk.u32(LENGTH + 4)), (S::BUFFER_OVERFLOW, 5, 10));
        let many = desk.call("NtQueryMultipleValueKey", &[key, entries, 0x1_0001, OUT, LENGTH, 0]);
        assert_eq!(many, S::INSUFFICIENT_RESOURCES);
    }
}

/// "Registry Keys Affected by WOW64", in the view of 32-bit programs.
#[test]
fn the_narrow_view_is_redirected() {
    let mut desk = Desk::new("win10-22h2-x64");
    let narrow = READ | 0x200;
    for (name, path) in [
        (r"SOFTWARE", r"SOFTWARE\Wow6432Node"),
        (r"Software\Microsoft\Windows NT\CurrentVersion", r"SOFTWARE\Wow6432Node\Microsoft\Windows NT\CurrentVersion"),
        (r"SOFTWARE\Classes", r"SOFTWARE\Classes"),
        (r"SOFTWARE\Classes\.txt", r"SOFTWARE\Classes\.txt"),
        (r"SOFTWARE\Classes\CLSID", r"SOFTWARE\Classes\Wow6432Node\CLSID"),
        (r"SOFTWARE\Classes\AppID", r"SOFTWARE\Classes\AppID"),
        (r"SOFTWARE\Policies", r"SOFTWARE\Policies"),
        (r"SOFTWARE\Microsoft\RPC", r"SOFTWARE\Microsoft\Rpc"),
        (r"SOFTWARE\Wow6432Node\Microsoft", r"SOFTWARE\Wow6432Node\Microsoft"),
        (r"SOFTWARE\Wow6432Node\Classes\CLSID", r"SOFTWARE\Classes\Wow6432Node\CLSID"),
        (r"SYSTEM\CurrentControlSet", r"SYSTEM\ControlSet001"),
    ] {
        let key =
            desk.open_key(&format!(r"\REGISTRY\MACHINE\{name}"), narrow).unwrap_or_else(|s| panic!("{name}: {s}"));
        assert_eq!(desk.key_path(key), format!(r"\REGISTRY\MACHINE\{path}"));
    }
    let software = desk.open_key(r"\REGISTRY\MACHINE\SOFTWARE", narrow).expect("open");
    let shared = desk.open_key_as(software, "Policies", narrow, 0).expect("open");
    assert_eq!(desk.key_path(shared), r"\REGISTRY\MACHINE\SOFTWARE\Policies", "from a handle too");
    // 32-bit builds have one view.
    let mut desk = Desk::new("win7-sp1-x86");
    let key = desk.open_key(r"\REGISTRY\MACHINE\SOFTWARE", narrow).expect("open");
    assert_eq!(desk.key_path(key), r"\REGISTRY\MACHINE\SOFTWARE");
}

/// Every row of the table is entered on every build, and what it says holds for the build.
#[test]
fn every_build_has_its_registry() {
    for profile in Profile::all() {
        let desk = Desk::new(profile.name);
        let cm = &desk.kernel.cm;
        let values = guest::registry::rows_of(profile).count();
        let keys = cm.below(cm.root());
        let there: usize = keys.iter().filter_map(|id| cm.get(*id)).map(|node| node.values.len()).sum();
        let told = guest::registry::rows_of(profile)
            .filter(|row| matches!(row.kind, guest::registry::RowKind::Value(_) | guest::registry::RowKind::Link));
        assert_eq!(there, told.count(), "{}: {values} rows", profile.name);
        let current = cm.find(r"\REGISTRY\MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion").expect("a key");
        let name: Vec<u16> = "CurrentBuildNumber".encode_utf16().collect();
        let build = cm.get(current).and_then(|node| node.values.get(&name)).expect("a value");
        assert_eq!(*build.data, bytes(&format!("{}\0", profile.version.2)), "{}", profile.name);
        desk.kernel.check_invariants().expect(profile.name);
    }
}

/// A hundred thousand siblings: made, found and listed, each at its place. One by one it would be ten thousand
/// million comparisons, and the test would not end.
#[test]
fn a_hundred_thousand_siblings() {
    let mut desk = Desk::new("win10-22h2-x64");
    let parent = desk.create_key(&format!("{USER}\\Many"));
    const COUNT: u32 = 100_000;
    let name = |i: u32| format!("key {:05}", i * 7919 % COUNT);
    for i in 0..COUNT {
        let key = desk.create_key_in(parent, &name(i), ALL, 0).expect("a key");
        desk.ok("NtClose", &[key]);
    }
    for i in 0..COUNT {
        let key = desk.open_key_as(parent, &name(i), READ, 0).expect("a key");
        desk.ok("NtClose", &[key]);
        desk.ok("NtEnumerateKey", &[parent, i.into(), 0, OUT, ROOM, LENGTH]);
    }
}

/// A key is saved into a file of the guest's, loaded from there under another name, and unloaded.
#[test]
fn hives_go_through_files() {
    let mut desk = Desk::new("win10-22h2-x64");
    desk.kernel.cm.hive_reader = Some(|bytes| trapgate::registry::read_hive(bytes).ok());
    let file = r"\??\C:\Users\user\test.hiv";
    let key = desk.create_key(&format!("{USER}\\Own"));
    desk.create_key_in(key, "Sub", ALL, 0).expect("a key");
    desk.set_value(key, "value", 1, &bytes("text\0"));
    desk.clear();
    let attributes = desk.attributes(file, CASE_INSENSITIVE, 0, 0);
    let block = BASE + 0x40;
    desk.ok("NtCreateFile", &[HANDLE, 0x12_019f, attributes, block, 0, 0x80, 7, 5, 0x60, 0, 0]);
    let handle = desk.read_pointer(HANDLE);
    assert_eq!(desk.call("NtSaveKey", &[key, handle]), S::PRIVILEGE_NOT_HELD);
    let place = desk.rooted(0, r"\REGISTRY\USER\Loaded", CASE_INSENSITIVE);
    assert_eq!(desk.call("NtLoadKey", &[place, place]), S::PRIVILEGE_NOT_HELD);
    for privilege in [kernel_model::se::Privilege::BACKUP, kernel_model::se::Privilege::RESTORE] {
        desk.kernel.hold(privilege);
    }
    desk.ok("NtSaveKey", &[key, handle]);
    desk.ok("NtClose", &[handle]);
    let place = desk.rooted(0, r"\REGISTRY\USER\Loaded", CASE_INSENSITIVE);
    let source = desk.attributes(file, CASE_INSENSITIVE, 0, 0);
    desk.ok("NtLoadKey", &[place, source]);
    assert_eq!(desk.call("NtLoadKey", &[place, source]), S::OBJECT_NAME_COLLISION);
    let loaded = desk.open_key(r"\REGISTRY\USER\Loaded", READ).expect("the hive");
    assert_eq!(desk.value(loaded, "VALUE"), Ok((1, bytes("text\0"))));
    assert_eq!(desk.subkeys(loaded), ["Sub"]);
    let place = desk.rooted(0, r"\REGISTRY\USER\Loaded", CASE_INSENSITIVE);
    assert_eq!(desk.call("NtUnloadKey", &[place]), S::CANNOT_DELETE, "it is open");
    desk.ok("NtClose", &[loaded]);
    desk.ok("NtUnloadKey", &[place]);
    assert_eq!(desk.open_key(r"\REGISTRY\USER\Loaded", READ), Err(S::OBJECT_NAME_NOT_FOUND));
    let place = desk.rooted(0, &format!("{USER}\\Own\\Hive"), CASE_INSENSITIVE);
    let source = desk.attributes(file, CASE_INSENSITIVE, 0, 0);
    assert_eq!(desk.call("NtLoadKey", &[place, source]), S::INVALID_PARAMETER, "only beside other hives");
    desk.kernel.check_invariants().expect("the registry holds together");
}
