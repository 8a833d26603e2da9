//! Files of the volume in memory, by services called without a CPU.

use guest::NtStatus as S;

use crate::direct::{DATA, Direct, HANDLE, OUT};

/// Where status blocks go.
const IOSB: u64 = DATA + 0x40;
const SYNCHRONIZE: u64 = 0x10_0000;
const READ: u64 = 0x8000_0000 | SYNCHRONIZE;
const WRITE: u64 = 0x4000_0000 | SYNCHRONIZE;
const DELETE: u64 = 0x1_0000;
const ALL_SHARED: u64 = 7;
const OPEN: u64 = 1;
const CREATE: u64 = 2;
const OPEN_IF: u64 = 3;
const OVERWRITE: u64 = 4;
const SYNC: u64 = 0x20;
const DIRECTORY: u64 = 1;
const NON_DIRECTORY: u64 = 0x40;
const DELETE_ON_CLOSE: u64 = 0x1000;

/// What is asked of `NtCreateFile`.
#[derive(Clone, Copy)]
struct Ask {
    access: u64,
    attributes: u64,
    share: u64,
    disposition: u64,
    options: u64,
    root: u64,
}

const ASK: Ask =
    Ask { access: READ | WRITE, attributes: 0, share: ALL_SHARED, disposition: OPEN, options: SYNC, root: 0 };

fn create(d: &mut Direct, path: &str, ask: Ask) -> Result<u64, S> {
    let attributes = d.attributes(path, 0x40, ask.root);
    let args = [HANDLE, ask.access, attributes, IOSB, 0, ask.attributes, ask.share, ask.disposition, ask.options, 0, 0];
    match d.call("NtCreateFile", &args) {
        S::SUCCESS => Ok(d.u64(HANDLE)),
        status => Err(status),
    }
}

fn make(d: &mut Direct, path: &str, bytes: &[u8]) -> u64 {
    let handle = create(d, path, Ask { disposition: OPEN_IF, ..ASK }).unwrap_or_else(|e| panic!("{path}: {e:?}"));
    assert_eq!(write(d, handle, bytes, None), S::SUCCESS);
    handle
}

fn write(d: &mut Direct, handle: u64, bytes: &[u8], at: Option<i64>) -> S {
    d.write(OUT, bytes);
    let place = at.map_or(0, |at| {
        d.write_u64(IOSB + 0x20, at.cast_unsigned());
        IOSB + 0x20
    });
    d.call("NtWriteFile", &[handle, 0, 0, 0, IOSB, OUT, bytes.len() as u64, place, 0])
}

fn read(d: &mut Direct, handle: u64, len: u64, at: Option<i64>) -> Result<Vec<u8>, S> {
    let place = at.map_or(0, |at| {
        d.write_u64(IOSB + 0x20, at.cast_unsigned());
        IOSB + 0x20
    });
    match d.call("NtReadFile", &[handle, 0, 0, 0, IOSB, OUT, len, place, 0]) {
        S::SUCCESS => {
            let got = d.u64(IOSB + 8);
            Ok(d.read(OUT, got as usize))
        }
        status => Err(status),
    }
}

fn close(d: &mut Direct, handle: u64) {
    assert_eq!(d.call("NtClose", &[handle]), S::SUCCESS);
}

fn set(d: &mut Direct, handle: u64, class: u64, bytes: &[u8]) -> S {
    d.write(OUT, bytes);
    d.call("NtSetInformationFile", &[handle, IOSB, OUT, bytes.len() as u64, class])
}

fn query(d: &mut Direct, handle: u64, class: u64, len: u64) -> Result<Vec<u8>, S> {
    match d.call("NtQueryInformationFile", &[handle, IOSB, OUT, len, class]) {
        status if status == S::SUCCESS || status == S::BUFFER_OVERFLOW => {
            let got = d.u64(IOSB + 8);
            Ok(d.read(OUT, got as usize))
        }
        status => Err(status),
    }
}

fn rename_bytes(path: &str, replace: bool) -> Vec<u8> {
    let name: Vec<u8> = path.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut bytes = vec![u8::from(replace), 0, 0, 0, 0, 0, 0, 0];
    bytes.extend([0; 8]);
    bytes.extend((name.len() as u32).to_le_bytes());
    bytes.extend(name);
    bytes.resize(bytes.len().max(24), 0);
    bytes
}

/// The names that a scan gives, in one call.
fn names(d: &mut Direct, handle: u64, pattern: Option<&str>) -> Result<Vec<String>, S> {
    let pattern = pattern.map_or(0, |text| d.unicode(DATA + 0x200, DATA + 0x300, text));
    let args = [handle, 0, 0, 0, IOSB, OUT, 0x4000, 12, 0, pattern, 1];
    match d.call("NtQueryDirectoryFile", &args) {
        S::SUCCESS => {}
        status => return Err(status),
    }
    let (mut found, mut at) = (Vec::new(), OUT);
    loop {
        let (next, length) = (d.u32(at), d.u32(at + 8));
        let text = d.read(at + 12, length as usize);
        let units: Vec<u16> = text.as_chunks::<2>().0.iter().map(|u| u16::from_le_bytes(*u)).collect();
        found.push(String::from_utf16(&units).expect("UTF-16"));
        match next {
            0 => return Ok(found),
            next => at += u64::from(next),
        }
    }
}

#[test]
fn a_file_keeps_what_is_written() {
    let mut d = Direct::new();
    let file = make(&mut d, "\\??\\C:\\one.txt", b"hello, world");
    assert_eq!(d.u64(IOSB + 8), 12);
    assert_eq!(read(&mut d, file, 5, Some(7)), Ok(b"world".to_vec()));
    assert_eq!(read(&mut d, file, 5, None), Err(S::END_OF_FILE));
    assert_eq!(write(&mut d, file, b"W", Some(7)), S::SUCCESS);
    assert_eq!(write(&mut d, file, b"!", Some(-1)), S::SUCCESS, "FILE_WRITE_TO_END_OF_FILE");
    assert_eq!(read(&mut d, file, 99, Some(0)), Ok(b"hello, World!".to_vec()));
    assert_eq!(read(&mut d, file, 1, Some(-3)), Err(S::INVALID_PARAMETER));
    let standard = query(&mut d, file, 5, 24).expect("FileStandardInformation");
    assert_eq!(standard, [vec![0, 0x10, 0, 0, 0, 0, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], vec![0; 4]].concat());
    close(&mut d, file);
    let again = create(&mut d, "\\??\\c:\\ONE.TXT", ASK).expect("names have no case");
    assert_eq!(read(&mut d, again, 5, None), Ok(b"hello".to_vec()));
    let name = query(&mut d, again, 9, 64).expect("FileNameInformation");
    assert_eq!(name[4..], "\\one.txt".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(), "and keep it");
    assert_eq!(create(&mut d, "\\??\\C:\\one.txt", Ask { disposition: CREATE, ..ASK }), Err(S::OBJECT_NAME_COLLISION));
    let cut = create(&mut d, "\\??\\C:\\one.txt", Ask { disposition: OVERWRITE, ..ASK }).expect("overwritten");
    assert_eq!(d.u64(IOSB + 8), 3, "FILE_OVERWRITTEN");
    assert_eq!(read(&mut d, cut, 5, None), Err(S::END_OF_FILE));
}

/// The statuses that NTFS documents, and that Wine's tests of ntdll pin.
#[test]
fn names_that_lead_nowhere() {
    let mut d = Direct::new();
    make(&mut d, "\\??\\C:\\file", b"");
    for (path, status) in [
        ("\\??\\C:\\nothing", S::OBJECT_NAME_NOT_FOUND),
        ("\\??\\C:\\nothing\\below", S::OBJECT_PATH_NOT_FOUND),
        ("\\??\\C:\\file\\below", S::OBJECT_PATH_NOT_FOUND),
        ("\\??\\C:\\file\\", S::OBJECT_NAME_INVALID),
        ("\\??\\C:\\a*b", S::OBJECT_NAME_INVALID),
        ("\\??\\C:\\Windows\\..\\file", S::OBJECT_NAME_INVALID),
        ("\\??\\C:\\\\file", S::OBJECT_NAME_INVALID),
        ("\\??\\C:file", S::OBJECT_NAME_NOT_FOUND),
        ("\\??\\Q:\\file", S::OBJECT_PATH_NOT_FOUND),
        ("\\??\\UNC\\server\\share\\x", S::BAD_NETWORK_PATH),
        ("C:\\file", S::OBJECT_PATH_SYNTAX_BAD),
        ("\\BaseNamedObjects", S::OBJECT_TYPE_MISMATCH),
        ("\\??\\PIPE\\none", S::OBJECT_NAME_NOT_FOUND),
        ("\\??\\NUL\\x", S::OBJECT_NAME_NOT_FOUND),
    ] {
        assert_eq!(create(&mut d, path, ASK), Err(status), "{path}");
    }
    let windows = "\\??\\C:\\Windows";
    let looks = Ask { access: READ, ..ASK };
    assert_eq!(create(&mut d, windows, Ask { options: SYNC | NON_DIRECTORY, ..looks }), Err(S::FILE_IS_A_DIRECTORY));
    assert_eq!(create(&mut d, "\\??\\C:\\file", Ask { options: SYNC | DIRECTORY, ..ASK }), Err(S::NOT_A_DIRECTORY));
    assert_eq!(create(&mut d, "\\??\\C:\\Windows\\new", Ask { disposition: CREATE, ..ASK }), Err(S::ACCESS_DENIED));
    for wrong in [
        Ask { share: 8, ..ASK },
        Ask { disposition: 6, ..ASK },
        Ask { options: 0x100_0000, ..ASK },
        Ask { options: 0x30, ..ASK },
        Ask { options: SYNC | DIRECTORY | NON_DIRECTORY, ..ASK },
        Ask { options: SYNC | DELETE_ON_CLOSE, ..ASK },
        Ask { access: 1, ..ASK },
        Ask { attributes: 0x8_0000, ..ASK },
        Ask { options: SYNC | DIRECTORY, disposition: OVERWRITE, ..ASK },
    ] {
        assert_eq!(create(&mut d, "\\??\\C:\\file", wrong), Err(S::INVALID_PARAMETER));
    }
    assert_eq!(create(&mut d, "\\??\\C:\\x", Ask { access: 0, options: 0, ..ASK }), Err(S::OBJECT_NAME_NOT_FOUND));
    let long = format!("\\??\\C:\\{}", "a".repeat(256));
    assert_eq!(create(&mut d, &long, ASK), Err(S::OBJECT_NAME_INVALID));
    let deep = format!("\\??\\C:{}", "\\aaaaaaaaa".repeat(3000));
    assert_eq!(create(&mut d, &deep, ASK), Err(S::OBJECT_PATH_NOT_FOUND));
}

#[test]
fn opens_share_as_they_say() {
    let mut d = Direct::new();
    let path = "\\??\\C:\\shared";
    let first = create(&mut d, path, Ask { disposition: CREATE, share: 1, access: READ, ..ASK }).expect("made");
    assert_eq!(create(&mut d, path, Ask { access: WRITE, ..ASK }), Err(S::SHARING_VIOLATION));
    assert_eq!(create(&mut d, path, Ask { access: DELETE | SYNCHRONIZE, ..ASK }), Err(S::SHARING_VIOLATION));
    assert_eq!(create(&mut d, path, Ask { access: READ, share: 0, ..ASK }), Err(S::SHARING_VIOLATION));
    let second = create(&mut d, path, Ask { access: READ, share: 1, ..ASK }).expect("both read");
    // FILE_READ_ATTRIBUTES minds nobody.
    let third = create(&mut d, path, Ask { access: 0x80 | SYNCHRONIZE, share: 0, ..ASK }).expect("looks");
    close(&mut d, first);
    close(&mut d, second);
    create(&mut d, path, Ask { access: WRITE, share: 0, ..ASK }).expect("nobody minds now");
    close(&mut d, third);
}

#[test]
fn a_deleted_file_goes_with_its_last_handle() {
    let mut d = Direct::new();
    let path = "\\??\\C:\\gone";
    let ask = Ask { access: READ | DELETE, disposition: OPEN_IF, ..ASK };
    let (one, two) = (create(&mut d, path, ask).expect("made"), create(&mut d, path, ask).expect("opened"));
    assert_eq!(set(&mut d, one, 13, &[1]), S::SUCCESS);
    assert_eq!(create(&mut d, path, ask), Err(S::DELETE_PENDING));
    close(&mut d, one);
    assert_eq!(create(&mut d, path, ask), Err(S::DELETE_PENDING));
    assert_eq!(set(&mut d, two, 13, &[0]), S::SUCCESS, "it can be taken back");
    close(&mut d, two);
    let last = create(&mut d, path, Ask { options: SYNC | DELETE_ON_CLOSE, ..ask }).expect("still there");
    close(&mut d, last);
    assert_eq!(create(&mut d, path, ASK), Err(S::OBJECT_NAME_NOT_FOUND));
    let read_only = create(&mut d, path, Ask { attributes: 1, ..ask }).expect("made read-only");
    assert_eq!(set(&mut d, read_only, 13, &[1]), S::CANNOT_DELETE);
    close(&mut d, read_only);
    assert_eq!(create(&mut d, path, Ask { access: WRITE, ..ASK }), Err(S::ACCESS_DENIED));
    let folder = Ask { access: READ | DELETE, disposition: CREATE, options: SYNC | DIRECTORY, ..ASK };
    let folder = create(&mut d, "\\??\\C:\\folder", folder).expect("a folder");
    let inside = make(&mut d, "\\??\\C:\\folder\\inside", b"x");
    assert_eq!(set(&mut d, folder, 13, &[1]), S::DIRECTORY_NOT_EMPTY);
    close(&mut d, inside);
    let attributes = d.attributes("\\??\\C:\\folder\\inside", 0x40, 0);
    assert_eq!(d.call("NtDeleteFile", &[attributes]), S::SUCCESS);
    assert_eq!(set(&mut d, folder, 13, &[1]), S::SUCCESS);
    close(&mut d, folder);
    assert_eq!(create(&mut d, "\\??\\C:\\folder", ASK), Err(S::OBJECT_NAME_NOT_FOUND));
}

#[test]
fn files_are_renamed() {
    let mut d = Direct::new();
    let ask = Ask { access: READ | DELETE, disposition: OPEN_IF, ..ASK };
    let other = make(&mut d, "\\??\\C:\\b", b"b");
    close(&mut d, other);
    let file = create(&mut d, "\\??\\C:\\a", ask).expect("made");
    assert_eq!(set(&mut d, file, 10, &rename_bytes("\\??\\C:\\b", false)), S::OBJECT_NAME_COLLISION);
    assert_eq!(set(&mut d, file, 10, &rename_bytes("\\??\\C:\\none\\b", false)), S::OBJECT_PATH_NOT_FOUND);
    assert_eq!(set(&mut d, file, 10, &rename_bytes("B", true)), S::SUCCESS, "replaced");
    let name = query(&mut d, file, 9, 64).expect("a name");
    assert_eq!(name[4..], "\\B".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    assert_eq!(set(&mut d, file, 10, &rename_bytes("b", false)), S::SUCCESS, "case alone");
    assert_eq!(create(&mut d, "\\??\\C:\\a", ASK), Err(S::OBJECT_NAME_NOT_FOUND));
    let folder = Ask { access: READ | DELETE, disposition: CREATE, options: SYNC | DIRECTORY, ..ASK };
    let folder = create(&mut d, "\\??\\C:\\f", folder).expect("a folder");
    assert_eq!(set(&mut d, folder, 10, &rename_bytes("\\??\\C:\\f\\g", false)), S::ACCESS_DENIED, "into itself");
    assert_eq!(set(&mut d, file, 10, &rename_bytes("\\??\\C:\\f\\moved", false)), S::SUCCESS);
    assert_eq!(set(&mut d, folder, 10, &rename_bytes("\\??\\C:\\g", false)), S::ACCESS_DENIED, "a file in it is open");
    close(&mut d, file);
    assert_eq!(set(&mut d, folder, 10, &rename_bytes("\\??\\C:\\g", false)), S::SUCCESS);
    create(&mut d, "\\??\\C:\\g\\moved", ASK).expect("it went along");
    assert_eq!(
        d.kernel.io.journal.iter().map(|(p, c)| format!("{p} {}", c.word())).collect::<Vec<_>>(),
        ["C:\\b created", "C:\\g created", "C:\\g\\moved created"]
            .iter()
            .filter(|l| !l.starts_with("C:\\b "))
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    );
}

#[test]
fn directories_are_listed() {
    let mut d = Direct::new();
    let ask = Ask { access: READ, disposition: CREATE, options: SYNC | DIRECTORY, ..ASK };
    let folder = create(&mut d, "\\??\\C:\\list", ask).expect("a folder");
    for name in ["zeta.txt", "Alpha.TXT", "beta", "gamma.txt.bak"] {
        let file = make(&mut d, &format!("\\??\\C:\\list\\{name}"), b"12345");
        close(&mut d, file);
    }
    let all = names(&mut d, folder, None).expect("names");
    assert_eq!(all, [".", "..", "Alpha.TXT", "beta", "gamma.txt.bak", "zeta.txt"]);
    assert_eq!(d.call("NtQueryDirectoryFile", &[folder, 0, 0, 0, IOSB, OUT, 0x400, 12, 0, 0, 0]), S::NO_MORE_FILES);
    assert_eq!(names(&mut d, folder, Some("*.txt")), Ok(vec!["Alpha.TXT".into(), "zeta.txt".into()]));
    assert_eq!(names(&mut d, folder, Some("<.bak")), Ok(vec!["gamma.txt.bak".into()]));
    assert_eq!(names(&mut d, folder, Some("BETA")), Ok(vec!["beta".into()]));
    assert_eq!(names(&mut d, folder, Some("nothing")), Err(S::NO_SUCH_FILE));
    let root = create(&mut d, "\\??\\C:\\", Ask { access: READ, options: SYNC | DIRECTORY, ..ASK }).expect("the root");
    let all = names(&mut d, root, None).expect("names");
    let expected = ["list", "Program Files", "Program Files (x86)", "ProgramData", "Users", "Windows"];
    assert_eq!(all, expected, "a root has no dots");
    // One by one, in a buffer that holds the entry and not its name.
    let folder = create(&mut d, "\\??\\C:\\list", Ask { disposition: OPEN, ..ask }).expect("again");
    let args = |length: u64| [folder, 0, 0, 0, IOSB, OUT, length, 3, 1, 0, 0];
    assert_eq!(d.call("NtQueryDirectoryFile", &args(95)), S::INFO_LENGTH_MISMATCH);
    for _ in 0..2 {
        assert_eq!(d.call("NtQueryDirectoryFile", &args(0x100)), S::SUCCESS);
    }
    assert_eq!(d.call("NtQueryDirectoryFile", &args(100)), S::BUFFER_OVERFLOW);
    assert_eq!(
        (d.u64(IOSB + 8), d.u32(OUT + 60), d.u64(OUT + 40)),
        (100, 18, 5),
        "FileNameLength and EndOfFile are whole"
    );
    assert_eq!(d.call("NtQueryDirectoryFile", &args(0x100)), S::SUCCESS);
    assert_eq!(d.read(OUT + 94, 8), "beta".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    let file = make(&mut d, "\\??\\C:\\list\\beta", b"");
    assert_eq!(names(&mut d, file, None), Err(S::INVALID_PARAMETER));
}

#[test]
fn a_full_volume_takes_no_more() {
    let mut d = Direct::new();
    let used = d.kernel.io.volumes[0].used;
    d.kernel.set_disk(used + 0x400 + 0x3000);
    let file = make(&mut d, "\\??\\C:\\big", &[1; 0x2000]);
    assert_eq!(write(&mut d, file, &[2; 0x2000], Some(0x2000)), S::DISK_FULL);
    assert_eq!(read(&mut d, file, 0x4000, Some(0)).map(|b| b.len()), Ok(0x2000), "nothing of it is there");
    assert_eq!(write(&mut d, file, &[2; 0x1000], Some(0x2000)), S::SUCCESS);
    assert_eq!(create(&mut d, "\\??\\C:\\more", Ask { disposition: CREATE, ..ASK }), Err(S::DISK_FULL));
    assert_eq!(set(&mut d, file, 20, &0x100_0000_u64.to_le_bytes()), S::DISK_FULL);
    assert_eq!(set(&mut d, file, 20, &0x10_u64.to_le_bytes()), S::SUCCESS);
    create(&mut d, "\\??\\C:\\more", Ask { disposition: CREATE, ..ASK }).expect("there is room again");
}

#[test]
fn locks_keep_others_out() {
    let mut d = Direct::new();
    let one = make(&mut d, "\\??\\C:\\locked", b"0123456789");
    let two = create(&mut d, "\\??\\C:\\locked", ASK).expect("again");
    let lock = |d: &mut Direct, file: u64, at: u64, length: u64, exclusive: u64| {
        d.write_u64(OUT, at);
        d.write_u64(OUT + 8, length);
        d.call("NtLockFile", &[file, 0, 0, 0, IOSB, OUT, OUT + 8, 0, 1, exclusive])
    };
    assert_eq!(lock(&mut d, one, 2, 3, 1), S::SUCCESS);
    assert_eq!(lock(&mut d, two, 4, 1, 0), S::LOCK_NOT_GRANTED);
    assert_eq!(lock(&mut d, two, 5, 1, 0), S::SUCCESS);
    assert_eq!(lock(&mut d, one, 5, 1, 0), S::SUCCESS, "both share");
    assert_eq!(lock(&mut d, one, u64::MAX, 2, 0), S::INVALID_LOCK_RANGE);
    assert_eq!(read(&mut d, two, 10, Some(0)), Err(S::FILE_LOCK_CONFLICT));
    assert_eq!(read(&mut d, two, 2, Some(0)), Ok(b"01".to_vec()));
    assert_eq!(read(&mut d, one, 10, Some(0)).map(|b| b.len()), Ok(10), "one's own lock lets one read");
    d.write_u64(OUT, 2);
    d.write_u64(OUT + 8, 3);
    assert_eq!(d.call("NtUnlockFile", &[two, IOSB, OUT, OUT + 8, 0]), S::RANGE_NOT_LOCKED);
    close(&mut d, one);
    assert_eq!(lock(&mut d, two, 2, 3, 1), S::SUCCESS, "they go with the handle");
}

#[test]
fn an_asynchronous_file_says_that_it_is_pending() {
    let mut d = Direct::new();
    let port = d.handle("NtCreateIoCompletion", &[0x1f_0003, 0, 0]);
    let event = d.handle("NtCreateEvent", &[0x1f_0003, 0, 0, 0]);
    let file = create(&mut d, "\\??\\C:\\async", Ask { disposition: CREATE, options: 0, ..ASK }).expect("made");
    let mut key = port.to_le_bytes().to_vec();
    key.extend(77_u64.to_le_bytes());
    assert_eq!(set(&mut d, file, 30, &key), S::SUCCESS);
    assert_eq!(set(&mut d, file, 30, &key), S::INVALID_PARAMETER, "once");
    d.write(OUT, b"data");
    assert_eq!(d.call("NtWriteFile", &[file, event, 0, 5, IOSB, OUT, 4, 0, 0]), S::INVALID_PARAMETER, "no place");
    d.write_u64(IOSB + 0x20, 0);
    assert_eq!(d.call("NtWriteFile", &[file, event, 0, 5, IOSB, OUT, 4, IOSB + 0x20, 0]), S::PENDING);
    assert_eq!((d.u32(IOSB), d.u64(IOSB + 8)), (0, 4));
    assert_eq!(d.call("NtWaitForSingleObject", &[event, 0, 0]), S::SUCCESS);
    assert_eq!(d.call("NtRemoveIoCompletion", &[port, OUT, OUT + 8, OUT + 16, 0]), S::SUCCESS);
    assert_eq!([d.u64(OUT), d.u64(OUT + 8), d.u64(OUT + 24)], [77, 5, 4]);
    assert_eq!(d.call("NtReadFile", &[file, 0, 0, 0, IOSB, OUT, 4, IOSB + 0x20, 0]), S::PENDING);
    let routine = [file, 0, 0x1234, 0, IOSB, OUT, 4, IOSB + 0x20, 0];
    assert_eq!(d.call("NtReadFile", &routine), S::INVALID_PARAMETER, "a routine beside a port");
    close(&mut d, file);
    close(&mut d, port);
}

#[test]
fn a_directory_tells_of_changes() {
    let mut d = Direct::new();
    let ask = Ask { access: READ, disposition: CREATE, options: DIRECTORY, ..ASK };
    let folder = create(&mut d, "\\??\\C:\\watched", ask).expect("a folder");
    let event = d.handle("NtCreateEvent", &[0x1f_0003, 0, 0, 0]);
    let answer = OUT + 0x1000;
    let iosb = DATA + 0x80;
    let args = [folder, event, 0, 0, iosb, answer, 0x100, 0x1f, 0];
    assert_eq!(d.call("NtNotifyChangeDirectoryFile", &args), S::PENDING);
    let file = make(&mut d, "\\??\\C:\\watched\\new", b"x");
    assert_eq!((d.u32(iosb), d.u64(iosb + 8)), (0, 18));
    let name = "new".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    assert_eq!(d.read(answer, 18), [&[0, 0, 0, 0, 1, 0, 0, 0, 6, 0, 0, 0], name.as_slice()].concat());
    // The write since then is told at once.
    assert_eq!(d.call("NtNotifyChangeDirectoryFile", &args), S::SUCCESS);
    assert_eq!(d.u32(answer + 4), 3, "FILE_ACTION_MODIFIED");
    assert_eq!(d.call("NtNotifyChangeDirectoryFile", &args), S::PENDING);
    assert_eq!(d.call("NtCancelIoFile", &[folder, IOSB]), S::SUCCESS);
    assert_eq!(d.u32(iosb), S::CANCELLED.0);
    close(&mut d, file);
    assert_eq!(d.call("NtNotifyChangeDirectoryFile", &args), S::PENDING);
    close(&mut d, folder);
    assert_eq!(d.u32(iosb), S::CANCELLED.0);
}

#[test]
fn pipes_carry_bytes_and_messages() {
    let mut d = Direct::new();
    let pipe = |d: &mut Direct, kind: u64, mode: u64, options: u64| {
        let attributes = d.attributes("\\??\\PIPE\\p", 0x40, 0);
        d.write_u64(OUT, (-500_000_i64).cast_unsigned());
        let args = [HANDLE, READ | WRITE, attributes, IOSB, 3, 3, options, kind, mode, 0, 2, 0x1000, 0x1000, OUT];
        match d.call("NtCreateNamedPipeFile", &args) {
            S::SUCCESS => Ok(d.u64(HANDLE)),
            status => Err(status),
        }
    };
    let server = pipe(&mut d, 1, 1, SYNC).expect("a pipe");
    assert_eq!(write(&mut d, server, b"x", None), S::PIPE_LISTENING);
    let client = create(&mut d, "\\??\\PIPE\\P", ASK).expect("connected");
    assert_eq!(create(&mut d, "\\??\\PIPE\\p", ASK), Err(S::PIPE_NOT_AVAILABLE));
    assert_eq!(d.call("NtFsControlFile", &[server, 0, 0, 0, IOSB, 0x11_0008, 0, 0, 0, 0]), S::PIPE_CONNECTED);
    assert_eq!(write(&mut d, client, b"one", None), S::SUCCESS);
    assert_eq!(write(&mut d, client, b"two", None), S::SUCCESS);
    assert_eq!(d.call("NtReadFile", &[server, 0, 0, 0, IOSB, OUT, 2, 0, 0]), S::BUFFER_OVERFLOW);
    assert_eq!(read(&mut d, server, 10, None), Ok(b"e".to_vec()), "the rest of the message");
    assert_eq!(read(&mut d, server, 10, None), Ok(b"two".to_vec()));
    assert_eq!(write(&mut d, server, b"ab", None), S::SUCCESS);
    assert_eq!(write(&mut d, server, b"cd", None), S::SUCCESS);
    assert_eq!(read(&mut d, client, 10, None), Ok(b"abcd".to_vec()), "the client reads bytes");
    assert_eq!(write(&mut d, server, b"last", None), S::SUCCESS);
    close(&mut d, server);
    assert_eq!(read(&mut d, client, 10, None), Ok(b"last".to_vec()));
    assert_eq!(read(&mut d, client, 10, None), Err(S::PIPE_BROKEN));
    assert_eq!(write(&mut d, client, b"x", None), S::PIPE_CLOSING);
    close(&mut d, client);
    assert_eq!(create(&mut d, "\\??\\PIPE\\p", ASK), Err(S::OBJECT_NAME_NOT_FOUND));
    let server = pipe(&mut d, 0, 0, 0).expect("an asynchronous one");
    let event = d.handle("NtCreateEvent", &[0x1f_0003, 0, 0, 0]);
    let iosb = DATA + 0x80;
    assert_eq!(d.call("NtFsControlFile", &[server, event, 0, 0, iosb, 0x11_0008, 0, 0, 0, 0]), S::PENDING);
    let client = create(&mut d, "\\??\\PIPE\\p", ASK).expect("connected");
    assert_eq!(d.u32(iosb), 0);
    let answer = OUT + 0x1000;
    assert_eq!(d.call("NtReadFile", &[server, event, 0, 0, iosb, answer, 8, 0, 0]), S::PENDING);
    assert_eq!(write(&mut d, client, b"hello", None), S::SUCCESS);
    assert_eq!((d.u32(iosb), d.u64(iosb + 8), d.read(answer, 5)), (0, 5, b"hello".to_vec()));
    // More than the quota waits until it is read.
    d.write(OUT, &[7; 0x1800]);
    assert_eq!(d.call("NtWriteFile", &[server, 0, 0, 0, iosb, OUT, 0x1800, 0, 0]), S::PENDING);
    assert_eq!(read(&mut d, client, 0x1800, None).map(|b| b.len()), Ok(0x1000));
    assert_eq!(read(&mut d, client, 0x1800, None).map(|b| b.len()), Ok(0x800));
    assert_eq!((d.u32(iosb), d.u64(iosb + 8)), (0, 0x1800));
    assert_eq!(d.call("NtFsControlFile", &[server, 0, 0, 0, IOSB, 0x11_0004, 0, 0, 0, 0]), S::SUCCESS);
    assert_eq!(read(&mut d, client, 1, None), Err(S::PIPE_DISCONNECTED));
}

#[test]
fn mailslots_hold_messages() {
    let mut d = Direct::new();
    let attributes = d.attributes("\\??\\MAILSLOT\\m", 0x40, 0);
    d.write_u64(OUT, 0);
    let slot = d.handle("NtCreateMailslotFile", &[READ, attributes, IOSB, SYNC, 0, 8, OUT]);
    let client = create(&mut d, "\\??\\MAILSLOT\\M", Ask { access: WRITE, ..ASK }).expect("a client");
    assert_eq!(read(&mut d, slot, 8, None), Err(S::IO_TIMEOUT));
    assert_eq!(write(&mut d, client, b"too long a one", None), S::INVALID_PARAMETER);
    assert_eq!(write(&mut d, client, b"message", None), S::SUCCESS);
    assert_eq!(query(&mut d, slot, 26, 24).expect("information")[8..16], [7, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(read(&mut d, slot, 3, None), Err(S::BUFFER_TOO_SMALL));
    assert_eq!(read(&mut d, slot, 8, None), Ok(b"message".to_vec()));
    close(&mut d, slot);
    assert_eq!(create(&mut d, "\\??\\MAILSLOT\\m", Ask { access: WRITE, ..ASK }), Err(S::OBJECT_NAME_NOT_FOUND));
}

#[test]
fn volumes_and_devices_say_what_they_are() {
    let mut d = Direct::new();
    let root = create(&mut d, "\\??\\C:\\", Ask { access: READ, options: SYNC | DIRECTORY, ..ASK }).expect("the root");
    let volume = |d: &mut Direct, handle: u64, class: u64, length: u64| {
        (d.call("NtQueryVolumeInformationFile", &[handle, IOSB, OUT, length, class]), d.u64(IOSB + 8))
    };
    assert_eq!(volume(&mut d, root, 5, 0x40), (S::SUCCESS, 20));
    assert_eq!((d.u32(OUT + 4), d.read(OUT + 12, 8)), (255, vec![b'N', 0, b'T', 0, b'F', 0, b'S', 0]));
    assert_eq!(volume(&mut d, root, 3, 24), (S::SUCCESS, 24));
    assert_eq!((d.u64(OUT), d.u32(OUT + 16), d.u32(OUT + 20)), (0x4_0000, 8, 512), "1 GiB in clusters of 4 KiB");
    assert_eq!(volume(&mut d, root, 4, 8), (S::SUCCESS, 8));
    assert_eq!(d.u32(OUT), 7, "FILE_DEVICE_DISK");
    assert_eq!(volume(&mut d, root, 4, 7).0, S::INFO_LENGTH_MISMATCH);
    assert_eq!(volume(&mut d, root, 99, 8).0, S::INVALID_INFO_CLASS);
    let null = create(&mut d, "\\??\\NUL", ASK).expect("the null device");
    assert_eq!(write(&mut d, null, b"gone", None), S::SUCCESS);
    assert_eq!(read(&mut d, null, 4, None), Err(S::END_OF_FILE));
    assert_eq!(volume(&mut d, null, 4, 8).0, S::SUCCESS);
    assert_eq!(d.u32(OUT), 0x15, "FILE_DEVICE_NULL");
    let out = create(&mut d, "\\??\\CONOUT$", Ask { access: WRITE, ..ASK }).expect("the console");
    assert_eq!(write(&mut d, out, b"shown", None), S::SUCCESS);
    assert!(d.kernel.console.has_output());
    let attributes = d.attributes("\\??\\C:\\Windows", 0x40, 0);
    assert_eq!(d.call("NtQueryFullAttributesFile", &[attributes, OUT]), S::SUCCESS);
    assert_eq!(d.u32(OUT + 48), 0x10, "FILE_ATTRIBUTE_DIRECTORY");
    let below = create(&mut d, "System32", Ask { access: READ, root, ..ASK });
    assert_eq!(below, Err(S::OBJECT_NAME_NOT_FOUND));
    create(&mut d, "Windows\\System32", Ask { access: READ, root, ..ASK }).expect("below an open directory");
    assert_eq!(create(&mut d, "\\Windows", Ask { access: READ, root, ..ASK }), Err(S::OBJECT_NAME_INVALID));
}
