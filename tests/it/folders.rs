//! Folders of the host's, mounted: what the guest does there, and what it cannot reach.

use std::fs;

use guest::NtStatus as S;
use guest::convention::{Gate, TrapRegs};
use guest::mem::PAGE_SIZE;
use kernel_model::cx::Outside;
use kernel_model::io::{HostFolders, Mount};
use kernel_model::mm::{Frame, Phys, Protect, Vad, VadKind};
use kernel_model::service::Args;
use kernel_model::{Answer, Call, Kernel};
use trapgate::machine::{MappedFolder, open_folders};

use crate::direct::Bytes;
use crate::support::{Random, TempFolder, trapgate};

/// Memory, and the folders.
struct World {
    ram: Bytes,
    folders: Option<Box<dyn HostFolders>>,
}

impl Phys for World {
    fn read(&self, frame: Frame, offset: usize, buf: &mut [u8]) {
        self.ram.read(frame, offset, buf);
    }
    fn write(&mut self, frame: Frame, offset: usize, bytes: &[u8]) {
        self.ram.write(frame, offset, bytes);
    }
    fn zero(&mut self, frame: Frame) {
        self.ram.zero(frame);
    }
}

impl Outside for World {
    fn folders(&mut self) -> Option<&mut dyn HostFolders> {
        match &mut self.folders {
            Some(folders) => Some(folders.as_mut()),
            None => None,
        }
    }
}

const DATA: u64 = 0x10_0000;
const TEXT: u64 = DATA + 0x2000;
const OUT: u64 = DATA + 0x2_0000;
const PAGES: u64 = 64;

struct Desk {
    kernel: Kernel,
    world: World,
}

const READ: u64 = 0x12_0089;
const ALL: u64 = 0x1f_01ff;
const OPEN: u64 = 1;
const CREATE: u64 = 2;
const OPEN_IF: u64 = 3;

impl Desk {
    fn new(host: &std::path::Path, writable: bool) -> Self {
        let mut kernel = Kernel::new(guest::Profile::default_profile(), 256, "desk.exe");
        let (first, last) = (DATA / PAGE_SIZE, DATA / PAGE_SIZE + PAGES - 1);
        kernel.mm.space.insert(Vad { first, last, base: first, kind: VadKind::Private, protect: Protect::READWRITE });
        (first..=last).for_each(|page| kernel.mm.commit(page, Protect::READWRITE).expect("memory"));
        let mount = Mount::parse("D:\\in").expect("a folder");
        let mapped = [MappedFolder { mount, host: host.to_path_buf(), writable }];
        let folders = open_folders(&mut kernel, &mapped).expect("mounted");
        Self { kernel, world: World { ram: Bytes::frames(256), folders } }
    }

    fn call(&mut self, service: &str, args: &[u64]) -> Answer {
        let number = self.kernel.profile.number(service).expect("a service");
        let row = self.kernel.find(number).expect("a row");
        let mut raw = Args::default();
        args.iter().enumerate().for_each(|(index, arg)| raw.set(index, *arg));
        let call = Call { gate: Gate::Syscall, regs: TrapRegs::default(), number, args: raw };
        let answer = self.kernel.execute(&mut self.world, &row, &call);
        self.kernel.check_invariants().unwrap_or_else(|wrong| panic!("{service} {args:x?} = {answer:?}: {wrong}"));
        answer
    }

    fn status(&mut self, service: &str, args: &[u64]) -> S {
        match self.call(service, args) {
            Answer::Status(status) => status,
            other => panic!("{service}: {other:?}"),
        }
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        assert_eq!(self.kernel.mm.poke(&mut self.world, at, bytes), bytes.len());
    }

    fn read(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.kernel.mm.peek(&self.world, at, &mut bytes).expect("memory");
        bytes
    }

    fn word(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.read(at, 8).try_into().expect("eight"))
    }

    fn attributes(&mut self, path: &[u16]) -> u64 {
        let text: Vec<u8> = path.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        self.write(TEXT, &text);
        let length = text.len() as u64;
        let words = [0x30, 0, DATA + 0x140, 0x40, 0, 0, 0, 0, length | (length & 0xfffe) << 16, TEXT];
        let bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
        self.write(DATA + 0x100, &bytes);
        DATA + 0x100
    }

    fn open(&mut self, path: &str, access: u64, disposition: u64, options: u64) -> Result<u64, S> {
        let units: Vec<u16> = path.encode_utf16().collect();
        let attributes = self.attributes(&units);
        let args = [DATA, access, attributes, DATA + 0x10, 0, 0x80, 7, disposition, options | 0x20, 0, 0];
        match self.status("NtCreateFile", &args) {
            S::SUCCESS => Ok(self.word(DATA)),
            status => Err(status),
        }
    }

    fn close(&mut self, handle: u64) {
        assert_eq!(self.status("NtClose", &[handle]), S::SUCCESS);
    }

    fn get(&mut self, handle: u64) -> Result<Vec<u8>, S> {
        self.write(DATA + 0x20, &[0; 8]);
        match self.status("NtReadFile", &[handle, 0, 0, 0, DATA + 0x10, OUT, 0x1000, DATA + 0x20, 0]) {
            S::SUCCESS => Ok(self.read(OUT, self.word(DATA + 0x18) as usize)),
            status => Err(status),
        }
    }

    fn put(&mut self, handle: u64, bytes: &[u8]) -> S {
        self.write(OUT, bytes);
        self.write(DATA + 0x20, &[0; 8]);
        self.status("NtWriteFile", &[handle, 0, 0, 0, DATA + 0x10, OUT, bytes.len() as u64, DATA + 0x20, 0])
    }

    fn names(&mut self, handle: u64) -> Vec<String> {
        let args = [handle, 0, 0, 0, DATA + 0x10, OUT, 0x1_0000, 12, 0, 0, 1];
        if self.status("NtQueryDirectoryFile", &args) != S::SUCCESS {
            return Vec::new();
        }
        let (mut names, mut at) = (Vec::new(), OUT);
        loop {
            let head = self.read(at, 12);
            let field = |i: usize| u32::from_le_bytes(head[i..i + 4].try_into().expect("four"));
            let units: Vec<u16> = self
                .read(at + 12, field(8) as usize)
                .as_chunks::<2>()
                .0
                .iter()
                .map(|u| u16::from_le_bytes(*u))
                .collect();
            names.push(String::from_utf16_lossy(&units));
            match field(0) {
                0 => return names,
                next => at += u64::from(next),
            }
        }
    }
}

#[test]
fn a_mounted_folder_is_read_and_written() {
    let folder = TempFolder::new("rw");
    fs::write(folder.0.join("Read.me"), b"from the host").expect("written");
    fs::create_dir(folder.0.join("sub")).expect("a folder");
    let mut d = Desk::new(&folder.0, true);
    let file = d.open("\\??\\D:\\IN\\read.ME", READ, OPEN, 0).expect("names have no case");
    assert_eq!(d.get(file), Ok(b"from the host".to_vec()));
    assert_eq!(d.put(file, b"x"), S::ACCESS_DENIED);
    d.close(file);
    let new = d.open("\\??\\D:\\in\\Sub\\New file.txt", ALL, CREATE, 0).expect("made");
    assert_eq!(d.put(new, b"from the guest"), S::SUCCESS);
    assert_eq!(fs::read(folder.0.join("sub/New file.txt")).expect("there"), b"from the guest");
    assert_eq!(d.open("\\??\\D:\\in\\sub\\NEW FILE.TXT", ALL, CREATE, 0), Err(S::OBJECT_NAME_COLLISION));
    // FileRenameInformation, FileEndOfFileInformation.
    let name: Vec<u8> = "\\??\\D:\\in\\moved".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut rename = vec![0; 16];
    rename.extend((name.len() as u32).to_le_bytes());
    rename.extend(&name);
    d.write(OUT, &rename);
    let args = [new, DATA + 0x10, OUT, rename.len() as u64, 10];
    assert_eq!(d.status("NtSetInformationFile", &args), S::SUCCESS);
    d.write(OUT, &4_u64.to_le_bytes());
    assert_eq!(d.status("NtSetInformationFile", &[new, DATA + 0x10, OUT, 8, 20]), S::SUCCESS);
    d.close(new);
    assert_eq!(fs::read(folder.0.join("moved")).expect("there"), b"from");
    let root = d.open("\\??\\D:\\in", READ, OPEN, 1).expect("the folder");
    assert_eq!(d.names(root), [".", "..", "moved", "Read.me", "sub"]);
    let made = d.open("\\??\\D:\\in\\made", READ, CREATE, 1).expect("a folder");
    d.close(made);
    assert!(folder.0.join("made").is_dir());
    for (path, status) in
        [("\\??\\D:\\in\\made", S::SUCCESS), ("\\??\\D:\\in\\moved", S::SUCCESS), ("\\??\\D:\\in", S::CANNOT_DELETE)]
    {
        let attributes = d.attributes(&path.encode_utf16().collect::<Vec<u16>>());
        assert_eq!(d.status("NtDeleteFile", &[attributes]), status, "{path}");
    }
    assert!(!folder.0.join("made").exists() && !folder.0.join("moved").exists());
    let changes: Vec<String> =
        d.kernel.io.journal.iter().map(|(path, change)| format!("{path} {}", change.word())).collect();
    assert!(changes.is_empty(), "all that was made is gone again: {changes:?}");
}

#[test]
fn a_folder_is_read_only_unless_asked() {
    let folder = TempFolder::new("ro");
    fs::write(folder.0.join("file"), b"kept").expect("written");
    let mut d = Desk::new(&folder.0, false);
    for (path, access, disposition, options) in [
        ("\\??\\D:\\in\\file", ALL, OPEN, 0),
        ("\\??\\D:\\in\\file", 0x12_0116, OPEN, 0),
        ("\\??\\D:\\in\\file", 0x11_0000, OPEN, 0x1000),
        ("\\??\\D:\\in\\file", READ, 4, 0),
        ("\\??\\D:\\in\\new", READ, OPEN_IF, 0),
        ("\\??\\D:\\in\\new", READ, CREATE, 1),
    ] {
        assert_eq!(d.open(path, access, disposition, options), Err(S::MEDIA_WRITE_PROTECTED), "{path} {access:x}");
    }
    let file = d.open("\\??\\D:\\in\\file", READ, OPEN, 0).expect("opened");
    assert_eq!(d.get(file), Ok(b"kept".to_vec()));
    assert_eq!(d.status("NtQueryVolumeInformationFile", &[file, DATA + 0x10, OUT, 0x40, 5]), S::SUCCESS);
    assert_eq!(d.word(OUT) as u32 & 0x8_0000, 0x8_0000, "FILE_READ_ONLY_VOLUME");
    assert_eq!(fs::read_dir(&folder.0).expect("a folder").count(), 1);
}

#[cfg(unix)]
#[test]
fn no_path_leads_out_of_a_folder() {
    use std::os::unix::fs::symlink;
    let outside = TempFolder::new("outside");
    fs::write(outside.0.join("secret"), b"secret").expect("written");
    let folder = TempFolder::new("inside");
    fs::write(folder.0.join("own"), b"own").expect("written");
    symlink(&outside.0, folder.0.join("out")).expect("a link");
    symlink(outside.0.join("secret"), folder.0.join("leak")).expect("a link");
    symlink("../", folder.0.join("up")).expect("a link");
    symlink("own", folder.0.join("alias")).expect("a link");
    symlink("loop", folder.0.join("loop")).expect("a link");
    symlink("/", folder.0.join("root")).expect("a link");
    for hidden in ["CON", "a:b", "back\\slash", "dot.", "nul.txt", "tab\tname", "star*"] {
        fs::write(folder.0.join(hidden), b"hidden").expect("written");
    }
    let mut d = Desk::new(&folder.0, true);
    let name = outside.0.file_name().expect("a name").to_string_lossy().to_string();
    for path in [
        "out\\secret",
        "leak",
        "up",
        &format!("up\\{name}\\secret"),
        "root\\etc\\passwd",
        "loop",
        "CON",
        "con.txt",
        "nul.txt",
        "a:b",
        "own:stream",
        "dot.",
        "..",
        "..\\x",
        &format!("..\\{name}\\secret"),
        ".",
        "sub\\..\\..\\x",
        "tab\tname",
        "star*",
        "../x",
        "/etc/passwd",
        "own/",
        "\u{0}",
        "COM1",
        "lpt9.x",
        "CONIN$",
    ] {
        for (access, disposition) in [(READ, OPEN), (ALL, CREATE), (ALL, OPEN_IF)] {
            let opened = d.open(&format!("\\??\\D:\\in\\{path}"), access, disposition, 0);
            if let Ok(handle) = opened {
                // A name that a link has, which the guest may not see, may not be taken either.
                panic!("{path} is open: {:?}", d.get(handle));
            }
        }
    }
    let alias = d.open("\\??\\D:\\in\\alias", READ, OPEN, 0).expect("a link within the folder");
    assert_eq!(d.get(alias), Ok(b"own".to_vec()));
    let root = d.open("\\??\\D:\\in", READ, OPEN, 1).expect("the folder");
    assert_eq!(d.names(root), [".", "..", "alias", "own"]);
    assert_eq!(fs::read(outside.0.join("secret")).expect("there"), b"secret");
    assert_eq!(fs::read_dir(&outside.0).expect("a folder").count(), 1);
}

#[test]
fn what_the_host_takes_away_is_gone() {
    let folder = TempFolder::new("gone");
    fs::write(folder.0.join("file"), b"first").expect("written");
    fs::create_dir(folder.0.join("sub")).expect("a folder");
    fs::write(folder.0.join("sub/deep"), b"deep").expect("written");
    let mut d = Desk::new(&folder.0, true);
    let file = d.open("\\??\\D:\\in\\file", ALL, OPEN, 0).expect("opened");
    let deep = d.open("\\??\\D:\\in\\sub\\deep", READ, OPEN, 0).expect("opened");
    fs::write(folder.0.join("file"), b"longer than before").expect("written");
    assert_eq!(d.get(file), Ok(b"longer than before".to_vec()), "a changed file is read as it is");
    // Another file under the same name is not the one that was opened.
    fs::write(folder.0.join("other"), b"other").expect("written");
    fs::rename(folder.0.join("other"), folder.0.join("file")).expect("renamed");
    if cfg!(unix) {
        assert_eq!(d.get(file), Err(S::FILE_INVALID));
        assert_eq!(d.put(file, b"x"), S::FILE_INVALID);
    }
    assert_eq!(fs::read(folder.0.join("file")).expect("there"), b"other");
    fs::remove_dir_all(&folder.0).expect("removed");
    assert_eq!(d.get(deep), Err(S::FILE_INVALID));
    assert_eq!(d.status("NtQueryInformationFile", &[deep, DATA + 0x10, OUT, 40, 4]), S::FILE_INVALID);
    assert!(d.open("\\??\\D:\\in\\file", READ, OPEN, 0).is_err());
    assert!(d.open("\\??\\D:\\in\\new", ALL, CREATE, 0).is_err());
    d.close(file);
    d.close(deep);
}

/// Random paths and calls in a mounted folder: nothing outside is touched, and nothing breaks.
#[test]
fn random_calls_stay_in_their_folder() {
    let above = TempFolder::new("fuzz");
    let host = above.0.join("inside");
    fs::create_dir(&host).expect("a folder");
    fs::write(above.0.join("guard"), b"guard").expect("written");
    let mut d = Desk::new(&host, true);
    let mut random = Random(0x6669_6c65);
    let parts =
        ["a", "B", "..", ".", "guard", "inside", "CON", "x:y", "d", "e.txt", "", "*", "a ", "\u{e4}", "C:", "??"];
    let mut handles = Vec::new();
    for _ in 0..3000 {
        let depth = 1 + random.below(4);
        let path: Vec<&str> = (0..depth).map(|_| parts[random.below(parts.len() as u64) as usize]).collect();
        let drive = ["D:\\in", "D:\\in", "D:\\in", "C:\\Windows\\Temp", "D:", "D:\\in\\.."][random.below(6) as usize];
        let path = format!("\\??\\{drive}\\{}", path.join("\\"));
        let options = [0, 0, 1, 0x40, 0x1000, 0x1001][random.below(6) as usize];
        let access = [READ, ALL, 0x11_0000, 0x200_0000 | 0x10_0000][random.below(4) as usize];
        if let Answer::Status(S::SUCCESS) = {
            let units: Vec<u16> = path.encode_utf16().collect();
            let attributes = d.attributes(&units);
            d.call(
                "NtCreateFile",
                &[DATA, access, attributes, DATA + 0x10, 0, random.below(2), 7, random.below(6), options | 0x20, 0, 0],
            )
        } {
            handles.push(d.word(DATA));
        }
        let Some(&handle) = handles.get(random.below(handles.len().max(1) as u64) as usize) else { continue };
        match random.below(6) {
            0 => drop(d.call("NtClose", &[handle])),
            1 => drop(d.call("NtWriteFile", &[handle, 0, 0, 0, DATA + 0x10, OUT, random.below(0x3000), 0, 0])),
            2 => drop(d.call("NtReadFile", &[handle, 0, 0, 0, DATA + 0x10, OUT, random.below(0x3000), 0, 0])),
            3 => drop(d.call(
                "NtQueryDirectoryFile",
                &[
                    handle,
                    0,
                    0,
                    0,
                    DATA + 0x10,
                    OUT,
                    random.below(0x800),
                    1 + random.below(14),
                    random.below(2),
                    0,
                    random.below(2),
                ],
            )),
            4 => {
                let name: Vec<u8> = parts[random.below(parts.len() as u64) as usize]
                    .encode_utf16()
                    .flat_map(u16::to_le_bytes)
                    .collect();
                let mut rename = vec![random.below(2) as u8; 1];
                rename.resize(16, 0);
                rename.extend((name.len() as u32).to_le_bytes());
                rename.extend(&name);
                rename.resize(rename.len().max(24), 0);
                d.write(OUT, &rename);
                drop(d.call("NtSetInformationFile", &[handle, DATA + 0x10, OUT, rename.len() as u64, 10]));
            }
            _ => {
                let class = 1 + random.below(77);
                let bytes: Vec<u8> =
                    (0..0x40).map(|_| if random.below(3) == 0 { random.below(256) as u8 } else { 0 }).collect();
                d.write(OUT, &bytes);
                let service = if random.below(2) == 0 { "NtSetInformationFile" } else { "NtQueryInformationFile" };
                drop(d.call(service, &[handle, DATA + 0x10, OUT, random.below(0x80), class]));
            }
        }
        handles.retain(|handle| d.kernel.ps.process.handles.get(guest::Handle(*handle)).is_some());
    }
    let left: Vec<_> = fs::read_dir(&above.0).expect("a folder").map(|e| e.expect("an entry").file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(fs::read(above.0.join("guard")).expect("there"), b"guard");
}

/// The command: what Wine prints for the same program in a folder is printed in a mounted one, in both widths; nothing is
/// left behind that Wine would not leave.
#[test]
fn programs_find_their_files_in_a_mounted_folder() {
    for (name, arg) in [("win_files", "D:\\in"), ("crt_files", "D:\\in")] {
        let fixture = fixtures::get(name).expect("a fixture");
        for wide in [true, false] {
            let folder = TempFolder::new(&format!("{name}-{wide}"));
            let image = if wide { fixture.path() } else { fixtures::images().join(format!("x86/{name}.exe")) };
            let output = trapgate()
                .arg("run")
                .arg("--quiet")
                .arg("--map")
                .arg(format!("D:\\in={}:rw", folder.0.display()))
                .arg(image)
                .arg(arg)
                .output()
                .expect("trapgate runs");
            assert_eq!(
                String::from_utf8_lossy(&output.stdout),
                fixture.stdout.expect("text"),
                "{name}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            assert_eq!(fs::read_dir(&folder.0).expect("a folder").count(), 0, "{name} leaves nothing");
        }
    }
}

#[test]
fn the_command_lists_and_saves_what_is_left() {
    let folder = TempFolder::new("left");
    fs::write(folder.0.join("in.txt"), b"input").expect("written");
    let (list, saved) = (folder.0.join("files.json"), folder.0.join("saved"));
    let run = |args: &[String]| {
        let fixture = fixtures::get("leave_files").expect("a fixture");
        trapgate().arg("run").arg("--quiet").args(args).arg(fixture.path()).output().expect("trapgate runs")
    };
    let map = format!("D:\\in={}", folder.0.display());
    let output = run(&[
        "--map".into(),
        map.clone(),
        "--files".into(),
        list.display().to_string(),
        "--save".into(),
        format!("C:\\left.txt={}", saved.display()),
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read(&saved).expect("saved"), b"left by the guest");
    let rows: serde_json::Value = serde_json::from_slice(&fs::read(&list).expect("a list")).expect("JSON");
    let paths: Vec<_> =
        rows.as_array().expect("rows").iter().map(|r| format!("{} {}", r["path"], r["change"])).collect();
    assert_eq!(paths, [r#""C:\\folder" "created""#, r#""C:\\left.txt" "created""#]);
    assert_eq!(rows[1]["size"], 17);
    // By sha256sum.
    assert_eq!(rows[1]["sha256"], "0ff783899bfafb9d9a3c0eca5cd75ff6fe477e76ffe39f85f48434827802eb58");
    for (args, text) in [
        (vec!["--map".to_string(), "D:\\in".into()], "no ="),
        (vec!["--map".into(), "in=/tmp".into()], "no folder of a drive"),
        (vec!["--map".into(), "D:\\CON=/tmp".into()], "no folder of a drive"),
        (vec!["--map".into(), "D:\\..=/tmp".into()], "no folder of a drive"),
        (vec!["--map".into(), "D:\\in=/nothing/there".into()], "No such file"),
        (vec!["--map".into(), map.clone(), "--map".into(), map.clone()], "cannot be mounted there"),
        (vec!["--map".into(), "C:\\Windows=/tmp".into()], "cannot be mounted there"),
        (vec!["--env".into(), "NAME".into()], "is not NAME=VALUE"),
        (vec!["--env".into(), "=x".into()], "is not NAME=VALUE"),
        (vec!["--save".into(), "C:\\none=x".into()], "the guest has left no such file"),
    ] {
        let output = run(&args);
        let said = String::from_utf8_lossy(&output.stderr).to_string();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(text), "{args:?}: {said}");
    }
}
