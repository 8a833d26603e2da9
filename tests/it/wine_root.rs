//! Programs on Wine's own DLLs (`--root wine`): what they print there is what Wine recorded, and what the vendors' programs
//! print is what they print under Wine in the same run. Outside CI both are skipped, with a line, where Wine or the
//! programs are not to be had.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use guest::Arch;
use trapgate::root::{SystemRoot, WineFolders};
use trapgate::{Config, End, Machine};

use crate::support::{fixture_config, trapgate};
use crate::wine::wine;

/// What a fixture prints otherwise, because the kernel under Wine's DLLs is Windows' and not Wine's.
const OTHERWISE: &[(&str, &str)] = &[
    ("errors", "the loader leaves the last error of a variable that is not set"),
    ("inject_apc", "no second processes on a root"),
    ("inject_hijack", "no second processes on a root"),
    ("inject_hollow", "no second processes on a root"),
    ("inject_thread", "no second processes on a root"),
    ("memory", "an address above user space: Windows' status, where Wine has another"),
    ("seh_debug", "NtSetContextThread on the calling thread returns with the context's own RAX, not a status"),
    ("win_child", "no second processes on a root"),
    ("win_family", "no second processes on a root"),
    ("win_names", "a job is opened again with a right that Windows' jobs do not have here"),
    ("win_processes", "Wine's kernelbase takes the priority class from a field that is the priority on Windows"),
    ("win_reg", "a change without an event is not waited for by Wine's advapi32, but by the kernel"),
    ("win_token", "Wine's advapi32 passes the level of a token where Windows takes a flag"),
];

fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "CI must not skip this: {why}");
    // Not by `eprintln!`, which the test harness keeps to itself while the test passes.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

fn folders() -> Option<WineFolders> {
    WineFolders::find(Arch::X64).map_err(|why| skip(&why)).ok()
}

fn run(mut config: Config, folders: &WineFolders, stdin: &[u8]) -> (Vec<u8>, End) {
    config.root = SystemRoot::Wine(folders.clone());
    let name = config.process.name.clone();
    let mut machine = Machine::new(&config).unwrap_or_else(|error| panic!("{name}: {error}"));
    machine.captured().expect("captured").stdin = stdin.to_vec();
    let end = machine.run().expect("no engine failure");
    (machine.captured().expect("captured").stdout.clone(), end)
}

#[test]
fn fixtures_print_on_wines_dlls_what_they_print_under_wine() {
    let Some(folders) = folders() else { return };
    let (mut compared, mut failures) = (0, Vec::new());
    for fixture in fixtures::programs().filter(|f| f.wine) {
        let (stdout, end) = run(fixture_config(fixture), &folders, fixture.stdin);
        let code = fixture.exit_code.is_none_or(|code| code > 0xff || code == u32::from(end.exit_code()));
        let same = fixture.stdout.is_some_and(|text| stdout == text.as_bytes()) && code;
        let known = OTHERWISE.iter().find(|(name, _)| *name == fixture.name);
        match (same, known) {
            (false, None) => failures.push(format!("{}: {end:?}\n{}", fixture.name, String::from_utf8_lossy(&stdout))),
            (true, Some((name, why))) => failures.push(format!("{name} prints the same, and was not to: {why}")),
            _ => {}
        }
        compared += 1;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(compared >= 50, "only {compared} programs");
}

#[test]
fn the_loader_is_the_roots_own() {
    let Some(folders) = folders() else { return };
    let mut config = Config::open(fixtures::path("hello")).expect("a program");
    config.root = SystemRoot::Wine(folders);
    let mut machine = Machine::new(&config).expect("a machine");
    let ntdll = machine.modules().by_name("ntdll.dll", Arch::X64).expect("ntdll").clone();
    assert_eq!(Some(machine.registers().get(guest::registers::Reg::Rip)), ntdll.symbol("LdrInitializeThunk"));
    assert!(matches!(machine.run().expect("no engine failure"), End::Exit(_)));
    machine.kernel().check_invariants().expect("a sound kernel");
    // What is read-only is: the root's own folder.
    assert!(machine.kernel().io.journal.iter().all(|(path, _)| !path.to_lowercase().contains("system32")));
}

#[test]
fn what_the_root_does_not_run_is_said_in_a_line() {
    if folders().is_none() {
        return;
    }
    for (args, expected) in [
        (&["run", "--root", "wine", "--dispatch", "kernel", "@hello"][..], "goes with neither --dispatch kernel"),
        (&["run", "--root", "wine", "--profile", "win10-22h2-x86", "@hello"], "64-bit"),
        (&["run", "--root", "wine", "--raw", "x64", "@raw_ret"], "runs programs, not raw code"),
    ] {
        let args = args.iter().map(|a| a.strip_prefix('@').map_or(a.into(), |f| fixtures::path(f).into_os_string()));
        let out = trapgate().args(args.collect::<Vec<std::ffi::OsString>>()).output().expect("trapgate starts");
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert_eq!((out.status.code(), stderr.lines().count()), (Some(2), 1), "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    }
}

/// A folder that goes with its test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("trapgate-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    fn folder(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(&path).expect("a folder");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The vendors' programs, fetched by version and checksum.
fn programs() -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fetch-programs.sh");
    let out = Command::new(script).output().expect("a shell");
    if !out.status.success() {
        skip(String::from_utf8_lossy(&out.stderr).trim());
        return None;
    }
    Some(PathBuf::from(String::from_utf8_lossy(&out.stdout).trim()))
}

/// Both ways of running a program: exit code, standard output and error.
struct Both {
    wine: PathBuf,
    prefix: PathBuf,
    programs: PathBuf,
    /// The current directory under Wine.
    work: PathBuf,
}

impl Both {
    fn new(scratch: &Scratch) -> Option<Self> {
        folders()?;
        let programs = programs()?;
        let Some(wine) = wine() else {
            skip("no Wine");
            return None;
        };
        let both = Self { wine, prefix: scratch.0.join("prefix"), programs, work: scratch.folder("work") };
        // The first start makes a prefix, and says so.
        both.under_wine("ninja.exe", &["--version"]);
        Some(both)
    }

    fn under_wine(&self, program: &str, args: &[&str]) -> (Option<i32>, [String; 2]) {
        let out = Command::new(&self.wine)
            .arg(self.programs.join(program))
            .args(args)
            .current_dir(&self.work)
            .env("WINEDEBUG", "-all")
            .env("WINEPREFIX", &self.prefix)
            .env("WINEDLLOVERRIDES", "mscoree,mshtml=")
            .env_remove("DISPLAY")
            .output()
            .expect("Wine starts");
        (out.status.code(), [&out.stdout, &out.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    }

    /// Folders of the working folder that the guest has under `C:\`, which is its current directory.
    fn here(&self, program: &str, maps: &[&str], args: &[&str]) -> (Option<i32>, [String; 2]) {
        let mut command = trapgate();
        command.args(["run", "--root", "wine", "--quiet"]);
        for map in maps {
            let host = self.work.join(map.trim_end_matches(":rw"));
            let writable = if map.ends_with(":rw") { ":rw" } else { "" };
            command.arg("--map").arg(format!("C:\\{}={}{writable}", map.trim_end_matches(":rw"), host.display()));
        }
        let out = command.arg(self.programs.join(program)).args(args).output().expect("trapgate starts");
        (out.status.code(), [&out.stdout, &out.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    }

    fn compare(&self, program: &str, maps: &[&str], args: &[&str]) -> String {
        let (theirs, ours) = (self.under_wine(program, args), self.here(program, maps, args));
        assert_eq!(ours, theirs, "{program} {args:?}");
        let [stdout, _] = ours.1;
        stdout
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        let server = self.wine.with_file_name("wineserver");
        let server = if server.exists() { server } else { PathBuf::from("/usr/lib/wine/wineserver") };
        let _ = Command::new(server).arg("-k").env("WINEPREFIX", &self.prefix).status();
    }
}

/// Files of several kinds: text that packs, bytes that do not, an empty one, one in a folder below.
fn fill(folder: &Path) {
    let mut random = crate::support::Random(7);
    let words = ["alpha ", "beta ", "gamma ", "delta\r\n"];
    let text: String = (0..4000).map(|_| words[random.below(4) as usize]).collect();
    let noise: Vec<u8> = (0..20_000).map(|_| random.below(256) as u8).collect();
    fs::create_dir_all(folder.join("sub")).expect("a folder");
    for (name, bytes) in
        [("text.txt", text.as_bytes()), ("noise.bin", &noise), ("empty", b""), ("sub/deep.txt", b"deep")]
    {
        fs::write(folder.join(name), bytes).expect("a file");
    }
}

fn same_files(left: &Path, right: &Path) {
    for name in ["text.txt", "noise.bin", "empty", "sub/deep.txt"] {
        let read = |folder: &Path| fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(read(left) == read(right), "{name} differs");
    }
}

#[test]
fn seven_zip_lists_packs_and_unpacks_as_under_wine() {
    let scratch = Scratch::new("7za");
    let Some(both) = Both::new(&scratch) else { return };
    let formats = both.compare("7za.exe", &[], &["i"]);
    assert!(formats.contains("7z") && formats.contains("LZMA2"), "{formats}");
    for name in ["in", "ours", "theirs", "from-ours", "from-theirs"] {
        fs::create_dir_all(both.work.join(name)).expect("a folder");
    }
    fill(&both.work.join("in"));
    let (code, said) = both.here("7za.exe", &["in", "ours:rw"], &["a", "ours\\x.7z", ".\\in\\*"]);
    assert_eq!(code, Some(0), "{said:?}");
    let (code, said) = both.under_wine("7za.exe", &["a", "theirs\\x.7z", ".\\in\\*"]);
    assert_eq!(code, Some(0), "{said:?}");
    // Each lists and tests the other's, and says the same of both.
    for archive in ["ours\\x.7z", "theirs\\x.7z"] {
        both.compare("7za.exe", &["ours", "theirs"], &["l", archive]);
        both.compare("7za.exe", &["ours", "theirs"], &["t", archive]);
    }
    let (code, said) = both.here("7za.exe", &["theirs", "from-theirs:rw"], &["x", "theirs\\x.7z", "-ofrom-theirs"]);
    assert_eq!(code, Some(0), "{said:?}");
    let (code, said) = both.under_wine("7za.exe", &["x", "ours\\x.7z", "-ofrom-ours"]);
    assert_eq!(code, Some(0), "{said:?}");
    for folder in ["from-ours", "from-theirs"] {
        same_files(&both.work.join("in"), &both.work.join(folder));
    }
    // A corrupt archive.
    let mut bytes = fs::read(both.work.join("theirs/x.7z")).expect("an archive");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 16].fill(0x55);
    fs::write(both.work.join("theirs/bad.7z"), &bytes).expect("a file");
    both.compare("7za.exe", &["theirs"], &["t", "theirs\\bad.7z"]);
    fs::write(both.work.join("theirs/cut.7z"), &bytes[..40]).expect("a file");
    both.compare("7za.exe", &["theirs"], &["t", "theirs\\cut.7z"]);
}

#[test]
fn ninja_tells_its_version() {
    let scratch = Scratch::new("ninja");
    let Some(both) = Both::new(&scratch) else { return };
    let version = both.compare("ninja.exe", &[], &["--version"]);
    assert!(version.starts_with("1.13"), "{version}");
    both.compare("ninja.exe", &[], &["-t", "list"]);
}

/// A Go program, on both roots: it asks for libraries as it runs.
#[test]
fn esbuild_transforms_as_under_wine() {
    let scratch = Scratch::new("esbuild");
    let Some(both) = Both::new(&scratch) else { return };
    let version = both.compare("esbuild.exe", &[], &["--version"]);
    assert!(version.starts_with("0.19"), "{version}");
    fs::create_dir_all(both.work.join("in")).expect("a folder");
    let source = "export const add = (a: number, b: number): number => a + b\nconsole.log(`${add(1, 2)}`)\n";
    fs::write(both.work.join("in/a.ts"), source).expect("a file");
    let args = ["in\\a.ts", "--minify", "--target=es2015"];
    let minified = both.compare("esbuild.exe", &["in"], &args);
    assert!(minified.contains("export const add="), "{minified}");
    let map = format!("C:\\in={}", both.work.join("in").display());
    let program = both.programs.join("esbuild.exe");
    let out = trapgate().args(["run", "--quiet", "--map", &map]).arg(program).args(args).output().expect("starts");
    assert_eq!(String::from_utf8_lossy(&out.stdout), minified, "{}", String::from_utf8_lossy(&out.stderr));
}
