//! What is linked into the binary must be fit to be linked with GPL-2.0-only code, which Unicorn is.
//!
//! Build scripts, procedural macros and what they use run at build time and are not linked: they are told
//! apart and not refused (`clang-sys` is Apache-2.0 alone). Development dependencies are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Licences that code linked with GPL-2.0-only code may have. A licence that is not here is refused until
/// someone has looked at it.
const FIT: &[&str] = &[
    "0BSD",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "GPL-2.0",
    "GPL-2.0+",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "ISC",
    "LGPL-2.0-or-later",
    "LGPL-2.1",
    "LGPL-2.1+",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether some choice that the SPDX expression leaves open is fit. `/` is the old way to write OR.
fn is_fit(expression: &str) -> Result<bool, String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { tokens: &tokens };
    let fit = parser.either()?;
    match parser.tokens.first() {
        None => Ok(fit),
        Some(left) => Err(format!("{expression}: what is `{left}`?")),
    }
}

/// A reader of licence expressions, loosest operator first.
struct Parser<'a> {
    tokens: &'a [&'a str],
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (&first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn take(&mut self, operator: &str) -> bool {
        let here = self.tokens.first().is_some_and(|token| token.eq_ignore_ascii_case(operator));
        if here {
            self.next();
        }
        here
    }

    fn either(&mut self) -> Result<bool, String> {
        let mut fit = self.both()?;
        while self.take("OR") {
            fit |= self.both()?;
        }
        Ok(fit)
    }

    fn both(&mut self) -> Result<bool, String> {
        let mut fit = self.one()?;
        while self.take("AND") {
            fit &= self.one()?;
        }
        Ok(fit)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.take("(") {
            let fit = self.either()?;
            return if self.take(")") { Ok(fit) } else { Err("a parenthesis is open".to_owned()) };
        }
        let licence = self.name()?;
        if self.take("WITH") {
            let exception = self.name()?;
            return Ok(FIT.contains(&format!("{licence} WITH {exception}").as_str()));
        }
        Ok(FIT.contains(&licence))
    }

    fn name(&mut self) -> Result<&'a str, String> {
        match self.next() {
            Some("(" | ")") | None => Err("a licence is missing".to_owned()),
            Some(word) if ["AND", "OR", "WITH"].iter().any(|operator| word.eq_ignore_ascii_case(operator)) => {
                Err(format!("a licence is missing before {word}"))
            }
            Some(name) => Ok(name),
        }
    }
}

/// A package of the dependency graph.
struct Package {
    title: String,
    name: String,
    licence: Option<String>,
    proc_macro: bool,
}

/// The graph below `trapgate`: what is linked, and what only builds it.
struct Graph {
    linked: Vec<Package>,
    build_only: Vec<Package>,
}

/// `cargo metadata` for this host: other platforms' packages need not be on this machine.
fn metadata() -> Value {
    let cargo = |args: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args(args)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .output()
            .expect("cargo");
        assert!(output.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let version = String::from_utf8(cargo(&["-vV"])).expect("UTF-8");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let text = cargo(&["metadata", "--format-version", "1", "--locked", "--filter-platform", host]);
    serde_json::from_slice(&text).expect("JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn package(value: &Value) -> Package {
    let name = value["name"].as_str().expect("a name").to_owned();
    let proc_macro = list(&value["targets"]).iter().any(|target| list(&target["kind"]).contains(&"proc-macro".into()));
    Package {
        title: format!("{name} {}", value["version"].as_str().unwrap_or("?")),
        name,
        licence: value["license"].as_str().map(str::to_owned),
        proc_macro,
    }
}

fn graph(metadata: &Value) -> Graph {
    let id = |value: &Value| value["id"].as_str().expect("an id").to_owned();
    let mut packages: BTreeMap<String, Package> =
        list(&metadata["packages"]).iter().map(|value| (id(value), package(value))).collect();
    let nodes: BTreeMap<String, &Value> =
        list(&metadata["resolve"]["nodes"]).iter().map(|node| (id(node), node)).collect();
    let root = packages.iter().find(|(_, package)| package.name == "trapgate").expect("trapgate").0.clone();

    let (mut linked, mut build_only) = (BTreeSet::new(), BTreeSet::new());
    let mut todo = vec![(root, true)];
    while let Some((at, is_linked)) = todo.pop() {
        let is_linked = is_linked && !packages[&at].proc_macro;
        if !(if is_linked { linked.insert(at.clone()) } else { build_only.insert(at.clone()) }) {
            continue;
        }
        for dependency in list(&nodes[&at]["deps"]) {
            let to = dependency["pkg"].as_str().expect("an id").to_owned();
            for kind in list(&dependency["dep_kinds"]) {
                match kind["kind"].as_str() {
                    None => todo.push((to.clone(), is_linked)),
                    Some("build") => todo.push((to.clone(), false)),
                    Some(_) => {}
                }
            }
        }
    }
    let mut take = |ids: &BTreeSet<String>| ids.iter().filter_map(|id| packages.remove(id)).collect::<Vec<_>>();
    let linked = take(&linked);
    Graph { linked, build_only: take(&build_only) }
}

/// The packages that may not be linked, each with its reason.
fn refused(packages: &[Package]) -> Vec<String> {
    let reason = |package: &Package| match package.licence.as_deref().map(is_fit) {
        Some(Ok(true)) => None,
        Some(Ok(false)) => Some(format!("is {}", package.licence.as_deref().unwrap_or_default())),
        Some(Err(error)) => Some(error),
        None => Some("states no licence".to_owned()),
    };
    packages.iter().filter_map(|package| reason(package).map(|why| format!("{} {why}", package.title))).collect()
}

#[test]
fn everything_linked_is_fit() {
    let graph = graph(&metadata());
    let has = |packages: &[Package], name: &str| packages.iter().any(|package| package.name == name);
    // The graph is the one meant, and the two parts are told apart.
    assert!(has(&graph.linked, "unicorn-engine") && has(&graph.linked, "guest"));
    assert!(has(&graph.build_only, "bindgen") && has(&graph.build_only, "clap_derive"));
    assert!(!has(&graph.linked, "insta") && !has(&graph.build_only, "insta"));
    let refused = refused(&graph.linked);
    assert!(refused.is_empty(), "not to be linked with GPL-2.0-only code:\n  {}", refused.join("\n  "));
}

#[test]
fn expressions_that_are_fit() {
    for expression in [
        "MIT",
        "MIT OR Apache-2.0",
        "Apache-2.0/MIT",
        "Unlicense OR MIT",
        "GPL-2.0-only",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
        "Apache-2.0 WITH LLVM-exception",
        "GPL-3.0-only or BSD-3-Clause",
        "MIT AND (ISC AND (Zlib OR GPL-3.0-or-later))",
    ] {
        assert_eq!(is_fit(expression), Ok(true), "{expression}");
    }
}

#[test]
fn expressions_that_are_refused() {
    for expression in [
        "Apache-2.0",
        "GPL-3.0-only",
        "GPL-3.0-or-later",
        "LGPL-3.0-or-later",
        "AGPL-3.0-only OR Apache-2.0",
        "MIT AND Apache-2.0",
        "MIT AND Apache-2.0 OR GPL-3.0-only",
        "(MIT OR Apache-2.0) AND OpenSSL",
        "Apache-2.0 WITH Some-exception",
        "GPL-2.0-only WITH Some-exception",
        "Proprietary",
    ] {
        assert_eq!(is_fit(expression), Ok(false), "{expression}");
    }
    for broken in ["", "MIT OR", "(MIT", "MIT)", "MIT Apache-2.0", "AND MIT", "MIT WITH"] {
        assert!(is_fit(broken).is_err(), "{broken}");
    }
}

#[test]
fn a_bad_package_is_named() {
    let package = |licence: Option<&str>| Package {
        title: "thing 1.0.0".to_owned(),
        name: "thing".to_owned(),
        licence: licence.map(str::to_owned),
        proc_macro: false,
    };
    assert_eq!(refused(&[package(Some("MIT")), package(Some("Apache-2.0"))]), ["thing 1.0.0 is Apache-2.0"]);
    assert_eq!(refused(&[package(None)]), ["thing 1.0.0 states no licence"]);
}
