//! The rules of the house: who may know whom, where `unsafe` and the engine may stand, how long a file may be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What each package may depend on among the others. Development dependencies may also be on `fixtures`.
const PACKAGES: &[(&str, &[&str])] = &[
    ("guest", &[]),
    ("fixtures", &[]),
    ("kernel-model", &["guest"]),
    ("trapgate", &["guest", "kernel-model"]),
    ("trapgate-benches", &["guest", "kernel-model", "trapgate", "fixtures"]),
    ("trapgate-tests", &["guest", "kernel-model", "trapgate", "fixtures"]),
];

/// The components of `kernel-model`, each of which may name only those before it.
const ORDER: &[&str] = &["service", "ke", "se", "ob", "mm", "ex", "io", "cm", "ps", "lpc", "win32k"];

/// What any component may name though it sits on top: the context that every service is handed, with the kernel in it and
/// the dispatcher, and the sum of all object bodies that the object manager stores.
const SHARED: &[&str] = &["cx", "body", "kernel", "schedule"];

/// The folder that holds all `unsafe` code, and (with the benches' floor) every use of the engine.
const CPU: &str = "emu/src/cpu";

const LONGEST_FILE: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every `.rs` file below a folder of the repository: its path from the root, and its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut paths = Vec::new();
    walk(&root.join(folder), &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "{folder} has no sources: the check would hold nothing");
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("UTF-8");
            (path.strip_prefix(&root).expect("below the root").display().to_string(), text)
        })
        .collect()
}

/// The text with comments and the insides of string and character literals blanked; lines stay where they are.
fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    let blank = |from: usize, to: usize, out: &mut String| {
        out.extend((from..to.min(chars.len())).map(|k| if chars[k] == '\n' { '\n' } else { ' ' }));
    };
    while i < chars.len() {
        let start = i;
        let before = if i == 0 { '\0' } else { chars[i - 1] };
        let raw_prefix = at(i) == 'r' && !(before.is_alphanumeric() && before != 'b' || before == '_');
        let hashes = (1..).take_while(|k| at(i + k) == '#').count();
        if at(i) == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if at(i) == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            loop {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 || i >= chars.len() {
                    break;
                }
            }
        } else if raw_prefix && at(i + 1 + hashes) == '"' {
            i += hashes + 2;
            while i < chars.len() && !(at(i) == '"' && (1..=hashes).all(|k| at(i + k) == '#')) {
                i += 1;
            }
            i += 1 + hashes;
        } else if at(i) == '"' {
            i += 1;
            while i < chars.len() && at(i) != '"' {
                i += if at(i) == '\\' { 2 } else { 1 };
            }
            i += 1;
        } else if at(i) == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            // A character; anything else behind a quote is a lifetime.
            i += if at(i + 1) == '\\' { 3 } else { 2 };
            while i < chars.len() && at(i) != '\'' {
                i += 1;
            }
            i += 1;
        } else {
            out.push(chars[i]);
            i += 1;
            continue;
        }
        blank(start, i, &mut out);
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The lines (from 1) where `word` stands as a whole word.
fn lines_with(code: &str, word: &str) -> Vec<usize> {
    let hit = |line: &str| line.split(|c: char| !is_word(c)).any(|here| here == word);
    code.lines().enumerate().filter(|(_, line)| hit(line)).map(|(number, _)| number + 1).collect()
}

/// The first segments of every path that begins with `crate::`, groups opened: `crate::{ob, mm::Phys}` gives both.
fn crate_paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(is_word) {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        if !rest.starts_with('{') {
            found.push(rest.chars().take_while(|&c| is_word(c)).collect());
            continue;
        }
        let (mut depth, mut segment) = (0, String::new());
        let mut in_first = true;
        for c in rest.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 1 && is_word(c) && in_first {
                segment.push(c);
            } else if depth == 1 && c == ':' {
                in_first = false;
            } else if depth == 0 || depth == 1 && c == ',' {
                if !segment.is_empty() {
                    found.push(std::mem::take(&mut segment));
                }
                in_first = true;
            } else if depth == 1 && c.is_whitespace() && !segment.is_empty() {
                in_first = false;
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

/// The component a file of `kernel-model/src` belongs to: `src/ob/types.rs` and `src/ob.rs` to `ob`.
fn component(path: &str) -> &str {
    let inside = path.trim_start_matches("kernel-model/src/");
    inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
}

/// What a file of a component names that it may not.
fn names_above(path: &str, text: &str) -> Vec<String> {
    let Some(rank) = ORDER.iter().position(|&name| name == component(path)) else {
        return Vec::new();
    };
    let allowed = |name: &str| ORDER[..=rank].contains(&name) || SHARED.contains(&name);
    let mut wrong: Vec<String> = crate_paths(&code_only(text)).into_iter().filter(|name| !allowed(name)).collect();
    wrong.dedup();
    wrong.into_iter().map(|name| format!("{path} names crate::{name}")).collect()
}

fn assert_none(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n  {}", wrong.join("\n  "));
}

#[test]
fn packages_know_only_those_below() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let ours: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let Some((_, allowed)) = PACKAGES.iter().find(|(known, _)| *known == name) else {
            wrong.push(format!("{name} has no row in this test's table"));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let on = dependency["name"].as_str().expect("a name");
            let dev_on_fixtures = dependency["kind"] == "dev" && on == "fixtures";
            if ours.contains(&on) && !allowed.contains(&on) && !dev_on_fixtures {
                wrong.push(format!("{name} depends on {on}"));
            }
            if on.starts_with("unicorn-engine") && !["trapgate", "trapgate-benches"].contains(&name) {
                wrong.push(format!("{name} depends on {on}"));
            }
        }
    }
    assert_none("dependencies that point upward", &wrong);
}

#[test]
fn components_know_only_those_before() {
    let wrong: Vec<String> =
        sources("kernel-model/src").iter().flat_map(|(path, text)| names_above(path, text)).collect();
    assert_none(&format!("the order is {}", ORDER.join(" <- ")), &wrong);
}

#[test]
fn unsafe_and_the_engine_stay_in_cpu() {
    let mut wrong = Vec::new();
    for folder in ["guest", "kernel-model", "emu", "fixtures", "tests"] {
        for (path, text) in sources(folder) {
            if path.starts_with(CPU) {
                continue;
            }
            let code = code_only(&text);
            for word in ["unsafe", "unicorn_engine", "unicorn_engine_sys"] {
                wrong.extend(lines_with(&code, word).iter().map(|line| format!("{path}:{line}: {word}")));
            }
            if code.contains("allow(unsafe_code") {
                wrong.push(format!("{path}: allows unsafe code"));
            }
        }
    }
    assert_none("only emu/src/cpu may", &wrong);
}

#[test]
fn files_stay_short() {
    let mut wrong = Vec::new();
    for folder in ["guest/src", "kernel-model/src", "emu/src"] {
        for (path, text) in sources(folder) {
            let lines = text.lines().count();
            if lines > LONGEST_FILE {
                wrong.push(format!("{path}: {lines} lines"));
            }
        }
    }
    assert_none("split files before 600 lines", &wrong);
}

#[test]
fn the_checks_can_fail() {
    let upward = "use crate::{ke::Event, ps::{ProcessId, ob}, cx::Cx};\nfn f() { crate::io::read() }";
    assert_eq!(
        names_above("kernel-model/src/ob/types.rs", upward),
        ["kernel-model/src/ob/types.rs names crate::ps", "kernel-model/src/ob/types.rs names crate::io"]
    );
    assert_eq!(names_above("kernel-model/src/kernel.rs", upward), [""; 0]);
    assert_eq!(crate_paths("use crate::{ob as o, mm};"), ["ob", "mm"]);

    let text = "// unsafe\n/* unsafe /* unsafe */ unsafe */ let s = \"unsafe \\\" unsafe\";\n\
                let c = '\"'; unsafe {}\nlet r = r#\"unsafe \" unsafe\"#; fn f<'a>(x: &'a str) {}\nunsafe_code";
    assert_eq!(lines_with(&code_only(text), "unsafe"), [3]);
}
