//! Programs as their vendors ship them for Windows, on the built-in DLLs alone, beside the same programs for Linux on the host:
//! both print the same but for how paths are written. Outside CI they are skipped, with a line, where they are not to be had.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::real_programs::fetched;
use crate::support::{TempFolder, trapgate};

/// Texts, a script and a program with mistakes.
const FILES: &[(&str, &str)] = &[
    ("in/sub/one.txt", "alpha beta\nfoo1 bar\nnothing here\nFOO Bar foo1\n"),
    ("in/sub/two.txt", "\u{fc}ber foo\nfoo2\n"),
    ("in/other.md", "# foo\n\nno\n"),
    (
        "in/a.py",
        "import os, sys\nimport json\ndef f(x):\n    if x == None:\n        y = 1\n    return  x\nprint( f(sys.argv) )\n",
    ),
    (
        "in/s.sh",
        "#!/bin/sh\nfor f in $(ls *.txt); do\n  echo $f | grep foo\n  rm $f/*\ndone\n[ $x = y ] && echo `date`\n",
    ),
];

struct Twins {
    programs: PathBuf,
    work: TempFolder,
}

impl Twins {
    fn new(name: &str) -> Option<Self> {
        static PROGRAMS: OnceLock<Option<PathBuf>> = OnceLock::new();
        let programs = PROGRAMS.get_or_init(|| fetched(&["twins"])).clone()?;
        let work = TempFolder::new(name);
        for (path, text) in FILES {
            let path = work.0.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        Some(Self { programs, work })
    }

    /// The exit code and what a program for Windows prints, whose current directory has the folder `in`.
    fn here(&self, program: &str, options: &[&str], args: &[&str]) -> (Option<i32>, String) {
        let map = format!("C:\\in={}", self.work.0.join("in").display());
        let mut command = trapgate();
        command.args(["run", "--quiet", "--memory", "4096", "--map", &map]).args(options);
        let out =
            command.arg(self.programs.join(program).with_extension("exe")).args(args).output().expect("it starts");
        let stdout = String::from_utf8_lossy(&out.stdout).replace('\r', "");
        assert!(!stdout.is_empty(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        (out.status.code(), stdout)
    }

    /// The same of its twin.
    fn on_the_host(&self, program: &str, args: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(self.programs.join(program));
        command.args(args).current_dir(&self.work.0).env("NO_COLOR", "1");
        let out = command.output().expect("it starts");
        (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned())
    }

    fn same(&self, program: &str, args: &[&str]) -> String {
        let ((code, ours), theirs) =
            (self.here(program, &["--env", "NO_COLOR=1"], args), self.on_the_host(program, args));
        assert_eq!((code, ours.replace('\\', "/")), (theirs.0, theirs.1.replace('\\', "/")), "{program} {args:?}");
        ours
    }
}

#[test]
fn ripgrep_finds_what_its_twin_finds() {
    let Some(twins) = Twins::new("twins-rg") else { return };
    let found = twins.same("rg", &["--no-config", "--color=never", "-n", "--no-heading", "--sort=path", "foo", "in"]);
    assert!(found.contains("in\\sub\\one.txt:2:foo1 bar"), "{found}");
    twins.same("rg", &["--no-config", "--color=never", "-c", "-i", "--sort=path", "FOO|\u{dc}BER", "in"]);
    twins.same("rg", &["--no-config", "--color=never", "-l", "-tmd", "foo", "in"]);
    twins.same(
        "rg",
        &[
            "--no-config",
            "--color=never",
            "-N",
            "--no-heading",
            "-U",
            "foo\\d bar\\nnothing (?P<what>\\w+)",
            "-r",
            "$what",
            "in",
        ],
    );
}

#[test]
fn ruff_complains_as_its_twin_does() {
    let Some(twins) = Twins::new("twins-ruff") else { return };
    let isolated = ["--isolated", "--no-cache"];
    let found = twins.same("ruff", &[&["check"], &isolated[..], &["--output-format=concise", "in/a.py"]].concat());
    assert!(found.contains("F401"), "{found}");
    twins.same("ruff", &[&["check"], &isolated[..], &["--select=ALL", "--output-format=grouped", "in/a.py"]].concat());
    twins.same("ruff", &[&["format"], &isolated[..], &["--diff", "in/a.py"]].concat());
    twins.same("ruff", &["rule", "F401"]);
}

#[test]
fn shellcheck_warns_as_its_twin_does() {
    let Some(twins) = Twins::new("twins-shellcheck") else { return };
    let found = twins.same("shellcheck", &["-f", "gcc", "in/s.sh"]);
    assert!(found.contains("[SC2086]"), "{found}");
    twins.same("shellcheck", &["-f", "tty", "--color=never", "in/s.sh"]);
    twins.same("shellcheck", &["-f", "json", "in/s.sh"]);
}

/// What ECMAScript says that it prints.
const SCRIPT: &str = r#"
const { Worker, isMainThread, parentPort } = require('worker_threads');
const fs = require('fs'), path = require('path'), zlib = require('zlib'), crypto = require('crypto');
if (!isMainThread) { parentPort.once('message', n => parentPort.postMessage(n * 2)); return; }
console.log([3, 1, 2].sort().map(x => x ** 2).join(), JSON.stringify({ a: [1, { b: null }], c: 'ü' }));
console.log('aXbXc'.replace(/x/gi, (m, at) => at), 2n ** 100n, (0.1 + 0.2).toFixed(20), parseInt('z', 36));
console.log(fs.readdirSync('C:\\in').sort().join(), path.resolve('in', '..', 'x'), process.platform);
console.log(zlib.gunzipSync(zlib.gzipSync('round trip'.repeat(100))).length, crypto.createHash('sha256').update('abc').digest('hex'));
setTimeout(() => console.log('timer'), 50);
Promise.resolve(7).then(x => console.log('microtask', x));
const worker = new Worker(__filename);
worker.on('message', n => { console.log('worker', n); setTimeout(() => process.exit(3), 200); });
worker.postMessage(21);
"#;

#[test]
fn node_runs_a_script() {
    let Some(twins) = Twins::new("twins-node") else { return };
    fs::write(twins.work.0.join("in/s.js"), SCRIPT).expect("a file");
    let (code, printed) = twins.here("node", &["--env", "NO_COLOR=1"], &["C:\\in\\s.js"]);
    let mut lines: Vec<&str> = printed.lines().collect();
    // The timer and the worker race.
    lines.get_mut(5..).expect("enough lines").sort_unstable();
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let expected = [
        "1,4,9 {\"a\":[1,{\"b\":null}],\"c\":\"ü\"}",
        "a1b3c 1267650600228229401496703205376n 0.30000000000000004441 35",
        "a.py,other.md,s.js,s.sh,sub C:\\x win32",
        &format!("1000 {sha256}"),
        "microtask 7",
        "timer",
        "worker 42",
    ];
    assert_eq!((code, lines), (Some(3), expected.to_vec()));
}
