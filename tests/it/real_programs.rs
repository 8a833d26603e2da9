//! Programs as their vendors ship them, on Wine's own DLLs (`--root wine`): what they print and leave is what they print and leave
//! under Wine in the same run. Outside CI they are skipped, with a line, where Wine or the programs are not to be had.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use guest::Arch;
use trapgate::root::WineFolders;

use crate::support::{TempFolder, trapgate};
use crate::wine::{Wine, skip};

/// What the script fetches, by version and checksum: the folder of the vendors' programs, or with `wine32` that of Wine's DLLs
/// for 32-bit programs. A test that comes meanwhile waits.
pub fn fetched(what: &[&str]) -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fetch-programs.sh");
    let out = Command::new(script).args(what).output().expect("a shell");
    if !out.status.success() {
        skip(String::from_utf8_lossy(&out.stderr).trim());
        return None;
    }
    Some(PathBuf::from(String::from_utf8_lossy(&out.stdout).trim()))
}

/// Wine's DLLs for 32-bit programs.
pub fn wine32() -> Option<WineFolders> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| fetched(&["wine32"])).as_ref()?;
    Some(WineFolders::below(folder, Arch::X86).expect("Wine's DLLs"))
}

/// Exit code, standard output and error.
type Said = (Option<i32>, [String; 2]);

/// Both ways of running a vendor's program.
pub struct Both {
    wine: &'static Wine,
    programs: PathBuf,
    /// The current directory under Wine.
    pub work: PathBuf,
}

impl Both {
    pub fn new(scratch: &TempFolder) -> Option<Self> {
        static PROGRAMS: OnceLock<Option<PathBuf>> = OnceLock::new();
        let wine = Wine::shared()?;
        if let Err(why) = WineFolders::find(Arch::X64) {
            skip(&why);
            return None;
        }
        let programs = PROGRAMS.get_or_init(|| fetched(&[])).clone()?;
        Some(Self { wine, programs, work: scratch.folder("work") })
    }

    pub fn under_wine(&self, program: &str, args: &[&str]) -> Said {
        let ran = self.wine.run(&self.programs.join(program), args, &self.work, Stdio::null());
        (ran.code, [ran.stdout, ran.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Folders of the working folder that the guest has under `C:\`, which is its current directory.
    pub fn here(&self, program: &str, maps: &[&str], args: &[&str]) -> Said {
        self.here_with(&["--root", "wine"], program, maps, args)
    }

    fn here_with(&self, options: &[&str], program: &str, maps: &[&str], args: &[&str]) -> Said {
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
    let scratch = TempFolder::new("7za");
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

/// 7-Zip of the host's own, by whatever name its package has: p7zip's or the newer one's.
fn p7zip() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|folder| ["7z", "7zz", "7za"].map(|name| folder.join(name)))
        .find(|path| path.is_file());
    if found.is_none() {
        skip("no 7z (Debian's p7zip-full)");
    }
    found
}

#[test]
fn archives_go_both_ways_with_p7zip() {
    let Some(p7zip) = p7zip() else { return };
    let scratch = TempFolder::new("p7zip");
    let Some(both) = Both::new(&scratch) else { return };
    let native = |args: &[&str]| {
        let out = Command::new(&p7zip).args(args).current_dir(&both.work).output().expect("7z starts");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stdout));
    };
    let input = both.work.join("in");
    fill(&input);
    fs::create_dir_all(both.work.join("arc")).expect("a folder");
    for format in ["7z", "zip", "tar", "gz", "bz2", "xz"] {
        // The last three hold one file.
        let what = if matches!(format, "7z" | "zip" | "tar") { "./in/*" } else { "in/text.txt" };
        let (ours, theirs) = (format!("arc/ours.{format}"), format!("arc/theirs.{format}"));
        let (code, said) = both.here("7za.exe", &["in", "arc:rw"], &["a", &ours, what]);
        assert_eq!(code, Some(0), "{said:?}");
        native(&["a", &theirs, what]);
        for folder in ["from-ours", "from-theirs"] {
            let _ = fs::remove_dir_all(both.work.join(folder));
            fs::create_dir_all(both.work.join(folder)).expect("a folder");
        }
        native(&["x", &ours, "-ofrom-ours"]);
        let args = ["x", &theirs, "-ofrom-theirs"];
        let (code, said) = both.here("7za.exe", &["arc", "from-theirs:rw"], &args);
        assert_eq!(code, Some(0), "{said:?}");
        for folder in ["from-ours", "from-theirs"] {
            let unpacked = files_of(&both.work.join(folder));
            if what == "./in/*" {
                assert!(unpacked == files_of(&input), "{folder}, {format}");
            } else {
                // A stream may not know the file's name.
                let text = fs::read(input.join("text.txt")).expect("a file");
                assert!(unpacked.len() == 1 && unpacked.values().all(|bytes| *bytes == text), "{folder}, {format}");
            }
        }
    }
}

#[test]
fn ninja_tells_its_version() {
    let scratch = TempFolder::new("ninja");
    let Some(both) = Both::new(&scratch) else { return };
    let version = both.compare("ninja.exe", &[], &["--version"]);
    assert!(version.starts_with("1.13"), "{version}");
    both.compare("ninja.exe", &[], &["-t", "list"]);
}

/// A Go program, on both roots: it asks for libraries as it runs.
#[test]
fn esbuild_transforms_as_under_wine() {
    let scratch = TempFolder::new("esbuild");
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
pub fn files_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
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
    let scratch = TempFolder::new("graph");
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

/// A program on the 32-bit root, at a gate of its own.
fn here_32(both: &Both, root: &Path, program: &str, maps: &[&str], args: &[&str]) -> Said {
    let root = format!("wine={}", root.display());
    both.here_with(&["--root", &root, "--profile", "win10-22h2-x86"], program, maps, args)
}

#[test]
fn programs_for_32_bits_do_what_those_for_64_do_under_wine() {
    let Some(folders) = wine32() else { return };
    let scratch = TempFolder::new("wine32");
    let Some(both) = Both::new(&scratch) else { return };
    let root = folders.dlls;
    let version = here_32(&both, &root, "ninja32.exe", &[], &["--version"]);
    assert_eq!(version, both.under_wine("ninja.exe", &["--version"]));
    // Of what 7-Zip says all is the same but its own name.
    let text = |(code, [out, err]): Said| (code, out.replace("(x86)", "(x64)"), err);
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
    let scratch = TempFolder::new("corrupt");
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
    let scratch = TempFolder::new("thousand");
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
