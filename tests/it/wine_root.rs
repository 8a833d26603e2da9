//! Programs on Wine's own DLLs (`--root wine`): what they print there is what Wine recorded, and what the vendors' programs
//! print is what they print under Wine in the same run. Outside CI both are skipped, with a line, where Wine or the
//! programs are not to be had.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use guest::Arch;
use trapgate::loader::Program;
use trapgate::root::{SystemRoot, WineFolders};
use trapgate::{Config, End, Machine};

use crate::support::{fixture_config, trapgate};
use crate::wine::{serve, wine};

/// What a fixture prints otherwise, because the kernel under Wine's DLLs is Windows' and not Wine's.
const OTHERWISE: &[(&str, &str)] = &[
    ("errors", "the loader leaves the last error of a variable that is not set"),
    ("memory", "an address above user space: Windows' status, where Wine has another"),
    ("seh_debug", "NtSetContextThread on the calling thread returns with the context's own RAX, not a status"),
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
        (&["run", "--root", "wine=/nowhere", "@hello"], "no ntdll.dll for x64"),
        (&["run", "--root", "wine", "--profile", "xp-sp3-x86", "@hello"], "Windows Vista or later"),
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
        fs::create_dir_all(&both.prefix).expect("a folder");
        serve(&both.wine, &both.prefix, true);
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
        self.here_with(&["--root", "wine"], program, maps, args)
    }

    fn here_with(&self, options: &[&str], program: &str, maps: &[&str], args: &[&str]) -> (Option<i32>, [String; 2]) {
        let mut command = trapgate();
        command.args(["run", "--quiet"]).args(options);
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
        serve(&self.wine, &self.prefix, false);
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

/// What is in a folder, below it too: names and bytes, but for what tells of times.
fn files_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with(".ninja_log") && !path.ends_with(".ninja_deps") {
                let name = path.strip_prefix(folder).expect("below").display().to_string();
                found.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

/// Commands that write files and that talk, one that needs another's file, and one that fails.
const GRAPH: &str = "\
rule echo
  command = cmd /c echo hello from $out> $out
  description = MAKE $out
rule say
  command = cmd /c echo said for $out& echo done> $out
rule copy
  command = cmd /c copy /b $in $out
rule fail
  command = cmd /c echo no& exit 3
build a.txt: echo
build b.txt: echo
build c.txt: copy a.txt
build d.txt: say c.txt b.txt
build bad.txt: fail
default a.txt b.txt c.txt d.txt
";

#[test]
fn ninja_builds_a_graph_of_commands_as_under_wine() {
    let scratch = Scratch::new("graph");
    let Some(both) = Both::new(&scratch) else { return };
    let graph = both.work.join("graph");
    let fresh = || {
        let _ = fs::remove_dir_all(&graph);
        fs::create_dir_all(&graph).expect("a folder");
        fs::write(graph.join("build.ninja"), GRAPH).expect("a file");
    };
    for args in [&["-C", "graph", "-j1"][..], &["-C", "graph", "-j1", "bad.txt"]] {
        fresh();
        let theirs = (both.under_wine("ninja.exe", args), files_of(&graph));
        fresh();
        let ours = (both.here("ninja.exe", &["graph:rw"], args), files_of(&graph));
        assert_eq!(ours, theirs, "{args:?}");
    }
    // Several at a time, and then there is nothing to do.
    fresh();
    let (code, said) = both.here("ninja.exe", &["graph:rw"], &["-C", "graph", "-j4"]);
    assert_eq!((code, files_of(&graph).len()), (Some(0), 5), "{said:?}");
    let (code, said) = both.here("ninja.exe", &["graph:rw"], &["-C", "graph"]);
    assert_eq!(code, Some(0), "{said:?}");
    assert!(said[0].contains("no work to do"), "{said:?}");
}

/// Wine's DLLs for 32-bit programs, fetched by version and checksum.
fn wine32() -> Option<WineFolders> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fetch-programs.sh");
    let out = Command::new(script).arg("wine32").output().expect("a shell");
    if !out.status.success() {
        skip(String::from_utf8_lossy(&out.stderr).trim());
        return None;
    }
    let folder = PathBuf::from(String::from_utf8_lossy(&out.stdout).trim());
    Some(WineFolders::below(&folder, Arch::X86).expect("Wine's DLLs"))
}

/// What 32-bit fixtures print otherwise than under Wine, beside [`OTHERWISE`].
const OTHERWISE_32: &[(&str, &str)] = &[
    ("crt_alloc", "Wine's 32-bit malloc aligns to 8 bytes"),
    ("crt_stdio", "Wine's 32-bit msvcrt writes some numbers otherwise"),
    ("win_child", "a child with a current directory of its own was seen to lose the first letter of its image's path"),
];

#[test]
fn fixtures_for_32_bits_print_on_wines_dlls_what_they_print_under_wine() {
    let Some(folders) = wine32() else { return };
    let (mut compared, mut failures) = (0, Vec::new());
    for fixture in fixtures::programs().filter(|f| f.wine) {
        // DLLs beside it would be those for 64 bits.
        let Some(image) = fixture.image_x86().filter(|_| fixture.beside.is_empty()) else { continue };
        let mut config = fixture_config(fixture);
        config.process.program = Program::Pe(image.to_vec());
        config.profile = guest::Profile::by_name("win10-22h2-x86").expect("a profile");
        let (stdout, end) = run(config, &folders, fixture.stdin);
        let code = fixture.exit_code.is_none_or(|code| code > 0xff || code == u32::from(end.exit_code()));
        let same = fixture.stdout.is_some_and(|text| stdout == text.as_bytes()) && code;
        let known = OTHERWISE.iter().any(|(name, _)| *name == fixture.name)
            || OTHERWISE_32.iter().any(|(name, _)| *name == fixture.name);
        if !same && !known {
            failures.push(format!("{}: {end:?}\n{}", fixture.name, String::from_utf8_lossy(&stdout)));
        }
        compared += 1;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(compared >= 20, "only {compared} programs");
}

/// A program on the 32-bit root, at a gate of its own.
fn here_32(both: &Both, root: &Path, program: &str, maps: &[&str], args: &[&str]) -> (Option<i32>, [String; 2]) {
    let root = format!("wine={}", root.display());
    both.here_with(&["--root", &root, "--profile", "win10-22h2-x86"], program, maps, args)
}

#[test]
fn programs_for_32_bits_do_what_those_for_64_do_under_wine() {
    let Some(folders) = wine32() else { return };
    let scratch = Scratch::new("wine32");
    let Some(both) = Both::new(&scratch) else { return };
    let root = folders.dlls;
    let version = here_32(&both, &root, "ninja32.exe", &[], &["--version"]);
    assert_eq!(version, both.under_wine("ninja.exe", &["--version"]));
    // Of what 7-Zip says all is the same but its own name.
    let text = |(code, [out, err]): (Option<i32>, [String; 2])| (code, out.replace("(x86)", "(x64)"), err);
    let same = |maps: &[&str], args: &[&str]| {
        let (ours, theirs) = (here_32(&both, &root, "7za32.exe", maps, args), both.under_wine("7za.exe", args));
        assert_eq!(text(ours), text(theirs), "{args:?}");
    };
    same(&[], &["i"]);
    for name in ["in", "ours", "from-ours", "from-theirs"] {
        fs::create_dir_all(both.work.join(name)).expect("a folder");
    }
    fill(&both.work.join("in"));
    let (code, said) = here_32(&both, &root, "7za32.exe", &["in", "ours:rw"], &["a", "ours\\x.7z", ".\\in\\*"]);
    assert_eq!(code, Some(0), "{said:?}");
    same(&["ours"], &["l", "ours\\x.7z"]);
    same(&["ours"], &["t", "ours\\x.7z"]);
    let args = ["x", "ours\\x.7z", "-ofrom-ours"];
    let (code, said) = here_32(&both, &root, "7za32.exe", &["ours", "from-ours:rw"], &args);
    assert_eq!(code, Some(0), "{said:?}");
    let (code, said) = both.under_wine("7za.exe", &["x", "ours\\x.7z", "-ofrom-theirs"]);
    assert_eq!(code, Some(0), "{said:?}");
    for folder in ["from-ours", "from-theirs"] {
        same_files(&both.work.join("in"), &both.work.join(folder));
    }
    // A 32-bit cmd.exe for each command, by either gate.
    for gate in ["default", "int2e"] {
        let graph = both.work.join("graph");
        let _ = fs::remove_dir_all(&graph);
        fs::create_dir_all(&graph).expect("a folder");
        fs::write(graph.join("build.ninja"), GRAPH).expect("a file");
        let wine = format!("wine={}", root.display());
        let options = ["--root", &wine, "--profile", "win7-sp1-x86", "--gate", gate];
        let (code, said) = both.here_with(&options, "ninja32.exe", &["graph:rw"], &["-C", "graph", "-j1"]);
        assert_eq!((code, files_of(&graph).len()), (Some(0), 5), "{said:?}");
    }
}

#[test]
fn corrupt_archives_are_unpacked_as_far_as_under_wine() {
    let scratch = Scratch::new("corrupt");
    let Some(both) = Both::new(&scratch) else { return };
    fill(&both.work.join("in"));
    fs::create_dir_all(both.work.join("bad")).expect("a folder");
    for (format, options) in [("7z", &["-ms=off"][..]), ("zip", &[]), ("tar", &[])] {
        let archive = format!("bad\\whole.{format}");
        let args = [&["a", &archive][..], options, &[".\\in\\*"]].concat();
        let (code, said) = both.under_wine("7za.exe", &args);
        assert_eq!(code, Some(0), "{said:?}");
        let whole = fs::read(both.work.join(format!("bad/whole.{format}"))).expect("an archive");
        let cut = |at: usize| whole[..at].to_vec();
        let changed = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at..at + 8].fill(0x55);
            bytes
        };
        let half = whole.len() / 2;
        for (what, bytes) in [
            ("empty", Vec::new()),
            ("head", cut(32)),
            ("half", cut(half)),
            ("short", cut(whole.len() - 1)),
            ("middle", changed(half)),
            ("start", changed(12)),
            ("end", changed(whole.len() - 30)),
        ] {
            let name = format!("bad\\{what}.{format}");
            fs::write(both.work.join(format!("bad/{what}.{format}")), bytes).expect("a file");
            both.compare("7za.exe", &["bad"], &["l", &name]);
            let out = both.work.join("out");
            let run = |ours: bool| {
                let _ = fs::remove_dir_all(&out);
                fs::create_dir_all(&out).expect("a folder");
                let args = ["x", &name, "-oout", "-y"];
                let said = if ours {
                    both.here("7za.exe", &["bad", "out:rw"], &args)
                } else {
                    both.under_wine("7za.exe", &args)
                };
                (said, files_of(&out))
            };
            let (ours, theirs) = (run(true), run(false));
            assert_eq!(ours, theirs, "{name}");
        }
    }
}

#[test]
fn a_folder_of_a_thousand_files_is_packed_and_unpacked() {
    let scratch = Scratch::new("thousand");
    let Some(both) = Both::new(&scratch) else { return };
    let (input, out) = (both.work.join("in"), both.work.join("out"));
    fs::create_dir_all(&out).expect("a folder");
    for n in 0..1000 {
        let folder = input.join(format!("d{}", n % 10));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(format!("file{n}.txt")), format!("{n} ").repeat(n % 50)).expect("a file");
    }
    let (code, said) = both.here("7za.exe", &["in", "out:rw"], &["a", "out\\x.7z", ".\\in\\*", "-mx=1"]);
    assert_eq!(code, Some(0), "{said:?}");
    both.compare("7za.exe", &["out"], &["l", "out\\x.7z"]);
    fs::create_dir_all(both.work.join("back")).expect("a folder");
    let (code, said) = both.here("7za.exe", &["out", "back:rw"], &["x", "out\\x.7z", "-oback"]);
    assert_eq!(code, Some(0), "{said:?}");
    assert!(files_of(&both.work.join("back")) == files_of(&input), "files differ");
}

#[test]
fn truncated_and_lying_dlls_are_refused_as_under_wine() {
    let scratch = Scratch::new("lies");
    let Some(both) = Both::new(&scratch) else { return };
    let image = |name: &str| fs::read(fixtures::path("chain").with_file_name(name)).expect("an image");
    for name in ["chain.exe", "chainend.dll"] {
        fs::write(both.work.join(name), image(name)).expect("a file");
    }
    let whole = image("chainlib.dll");
    let word = |at: usize| u32::from_le_bytes(whole[at..at + 4].try_into().expect("four")) as usize;
    let header = word(0x3c);
    let optional = header + 24;
    let section = optional + (word(header + 20) & 0xffff);
    let cut = |length: usize| whole[..length].to_vec();
    let put = |at: usize, bytes: &[u8]| {
        let mut changed = whole.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let far = 0x7fff_f000_u32.to_le_bytes();
    let program = both.work.join("chain.exe").display().to_string();
    for (what, bytes) in [
        ("whole", whole.clone()),
        ("empty", cut(0)),
        ("two bytes", cut(2)),
        ("the DOS header alone", cut(0x40)),
        ("headers cut short", cut(header + 8)),
        ("half", cut(whole.len() / 2)),
        ("without its last sector", cut(whole.len() - 512)),
        ("no MZ", put(0, b"ZM")),
        ("no PE", put(header, &[0; 4])),
        ("a PE header far away", put(0x3c, &far)),
        ("for ARM", put(header + 4, &[0x64, 0xaa])),
        ("another magic", put(optional, &[7, 1])),
        ("very many sections", put(header + 6, &[0xff; 2])),
        ("no optional header", put(header + 20, &[0; 2])),
        ("a size smaller than it is", put(optional + 56, &0x1000_u32.to_le_bytes())),
        ("bytes far away in the file", put(section + 20, &far)),
        ("a section far away", put(section + 12, &far)),
        ("relocations far away", put(optional + 152, &far)),
        ("no DLL", put(header + 22, &[0x22, 0])),
    ] {
        fs::write(both.work.join("chainlib.dll"), bytes).expect("a file");
        let (theirs, ours) = (both.under_wine(&program, &[]), both.here(&program, &[], &[]));
        assert_eq!((ours.0, &ours.1[0]), (theirs.0, &theirs.1[0]), "{what}");
    }
}

#[test]
fn a_windows_folder_is_a_root_too() {
    let Some(folders) = folders() else { return };
    let scratch = Scratch::new("windows");
    let run = |folder: &Path, profile: &str| {
        let root = format!("windows={}", folder.display());
        let args = ["run", "--quiet", "--root", &root, "--profile", profile];
        let out = trapgate().args(args).arg(fixtures::path("hello")).output().expect("trapgate starts");
        let [stdout, stderr] = [&out.stdout, &out.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        (out.status.code(), stdout, stderr)
    };
    // Laid out as Windows', of Wine's DLLs.
    let own = scratch.folder("own");
    std::os::unix::fs::symlink(&folders.dlls, own.join("System32")).expect("a link");
    fs::create_dir_all(own.join("Globalization")).expect("a folder");
    std::os::unix::fs::symlink(&folders.nls, own.join("Globalization/Sorting")).expect("a link");
    let (code, stdout, stderr) = run(&own, "win10-22h2-x64");
    assert_eq!((code, stdout.as_str()), (Some(0), "Hello from Windows code on an emulated CPU.\n"), "{stderr}");
    assert!(stderr.contains("was never tried with Windows' own files"), "{stderr}");
    // With the numbers of a build, which are not those of another.
    let system = scratch.folder("build/System32");
    let made = trapgate().args(["stubs", "--profile", "win81-x64", "-o"]).arg(&system).output();
    assert!(made.is_ok_and(|out| out.status.success()));
    let ntdll = files_of(&system).into_iter().find(|(name, _)| name.ends_with("ntdll.dll")).expect("ntdll");
    fs::write(system.join("ntdll.dll"), ntdll.1).expect("a file");
    let (code, _, stderr) = run(&scratch.0.join("build"), "win10-22h2-x64");
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("has the service numbers of win8"), "{stderr}");
    let (code, _, stderr) = run(&scratch.0, "win10-22h2-x64");
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("no System32"), "{stderr}");
}
