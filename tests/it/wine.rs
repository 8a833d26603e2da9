//! The same program under Wine prints the same.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::support::{TempFolder, fixture_machine};

/// Says that a test is not run; in CI it must be.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "CI must not skip this: {why}");
    // Not by `eprintln!`, which the test harness keeps to itself while the test passes.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// What a program printed and its exit code.
pub struct Printed {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Wine, with a prefix that all tests of a run share: making one takes longer than most tests.
pub struct Wine {
    program: PathBuf,
    prefix: PathBuf,
}

impl Wine {
    /// How long a program may print: one that waits for ever fails its test, and does not stop the others.
    const LIMIT: Duration = Duration::from_secs(200);

    /// Wine, where it is installed, with its prefix made.
    pub fn shared() -> Option<&'static Self> {
        static WINE: OnceLock<Option<Wine>> = OnceLock::new();
        let wine = WINE.get_or_init(Self::start).as_ref();
        if wine.is_none() {
            skip("no Wine");
        }
        wine
    }

    /// Debian's wine64 alone puts nothing on the path.
    fn start() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let named = std::env::split_paths(&path).flat_map(|folder| [folder.join("wine64"), folder.join("wine")]);
        let program = named.chain([PathBuf::from("/usr/lib/wine/wine64")]).find(|path| path.is_file())?;
        let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wine-prefix");
        let _ = fs::remove_dir_all(&prefix);
        fs::create_dir_all(&prefix).expect("a folder");
        let wine = Self { program, prefix };
        // The server stays for a while when nobody uses it, so that not each program boots it anew, and ends by itself.
        let beside = wine.program.with_file_name("wineserver");
        let server = if beside.is_file() { beside } else { PathBuf::from("/usr/lib/wine/wineserver") };
        let mut server = Command::new(server);
        server.arg("-p30").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let _ = server.env("WINEPREFIX", &wine.prefix).status();
        // The first program makes the prefix, and says so.
        let hello = fixtures::path("hello");
        wine.run(&hello, &[] as &[&str], &wine.prefix, Stdio::null());
        Some(wine)
    }

    /// Runs a program in a folder, to the end of all that print to its output. What it says on standard error goes to a file:
    /// Wine's own processes keep that open for as long as its server stays.
    pub fn run(&self, program: &Path, args: &[impl AsRef<OsStr>], folder: &Path, stdin: Stdio) -> Printed {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let said = self.prefix.join(format!("stderr-{}", RUNS.fetch_add(1, Ordering::Relaxed)));
        let mut command = Command::new(&self.program);
        command.arg(program).args(args).current_dir(folder).stdin(stdin);
        command.stdout(Stdio::piped()).stderr(File::create(&said).expect("a file"));
        command.env("WINEDEBUG", "-all").env("WINEPREFIX", &self.prefix);
        command.env("WINEDLLOVERRIDES", "mscoree,mshtml=").env_remove("DISPLAY");
        let mut child = command.spawn().expect("Wine starts");
        let mut output = child.stdout.take().expect("a pipe");
        let (send, receive) = channel();
        std::thread::spawn(move || {
            let mut stdout = Vec::new();
            let _ = output.read_to_end(&mut stdout);
            let _ = send.send(stdout);
        });
        let stdout = receive.recv_timeout(Self::LIMIT);
        let stderr = fs::read(&said).expect("what it said");
        let Ok(stdout) = stdout else {
            let _ = child.kill();
            panic!("{} does not end under Wine: {}", program.display(), String::from_utf8_lossy(&stderr));
        };
        let code = child.wait().expect("a child").code();
        let _ = fs::remove_file(said);
        Printed { code, stdout, stderr }
    }
}

#[test]
fn fixtures_print_the_same_under_wine() {
    let Some(wine) = Wine::shared() else { return };
    // What a program leaves where it runs goes with the folder.
    let scratch = TempFolder::new("wine");
    let (work, input) = (scratch.folder("work"), scratch.0.join("stdin"));
    let mut failures = Vec::new();
    let mut compared = 0;
    for fixture in fixtures::programs().filter(|f| f.wine) {
        fs::write(&input, fixture.stdin).expect("a temporary file");
        let program = std::path::absolute(fixture.path()).expect("a path");
        let theirs = wine.run(&program, fixture.args, &work, File::open(&input).expect("the file").into());
        let mut machine = fixture_machine(fixture.name);
        let end = machine.run().expect("no engine failure");
        let ours = machine.captured().expect("captured").stdout.clone();
        if theirs.stdout != ours || theirs.code != Some(end.exit_code().into()) {
            let [stdout, stderr, ours] =
                [&theirs.stdout, &theirs.stderr, &ours].map(|bytes| String::from_utf8_lossy(bytes));
            failures.push(format!(
                "--- {}: Wine ({:?})\n{stderr}{stdout}--- Trapgate ({})\n{ours}",
                fixture.name,
                theirs.code,
                end.exit_code(),
            ));
        }
        compared += 1;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(compared >= 20, "only {compared} programs were compared");
}
