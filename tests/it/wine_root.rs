//! Programs on Wine's own DLLs (`--root wine`): what they print there is what Wine recorded. Outside CI this is skipped, with a
//! line, where Wine is not to be had. `real_programs` has the vendors' programs.

use std::fs;
use std::path::Path;

use guest::Arch;
use trapgate::loader::Program;
use trapgate::root::{SystemRoot, WineFolders};
use trapgate::{Config, End, Machine};

use crate::real_programs::{Both, files_of, wine32};
use crate::support::{TempFolder, fixture_config, trapgate};
use crate::wine::skip;

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

/// Wine's DLLs, where they are installed.
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

/// What 32-bit fixtures print otherwise than under Wine, beside [`OTHERWISE`].
const OTHERWISE_32: &[(&str, &str)] = &[
    ("crt_alloc", "Wine's 32-bit malloc aligns to 8 bytes"),
    ("crt_stdio", "Wine's 32-bit msvcrt writes some numbers otherwise"),
    (
        "cxx_throw",
        "Wine's 32-bit handler goes on in a function with the stack pointer of a catch block within a catch block",
    ),
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

#[test]
fn truncated_and_lying_dlls_are_refused_as_under_wine() {
    let scratch = TempFolder::new("lies");
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
    let scratch = TempFolder::new("windows");
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
