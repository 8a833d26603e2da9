//! Turns the data in `data/` (CSV and JSON, sources in `data/NOTICE`) into Rust tables.
//!
//! Everything here is a table: service numbers by build, signatures, NTSTATUS codes, enum types,
//! structure layouts, access rights, stub patterns. Adding a Windows build is a row in
//! `data/profiles.csv` and touches no code.

#![allow(clippy::expect_used, clippy::panic, reason = "a build script that meets bad data must stop the build")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::Value;

type Rows = Vec<BTreeMap<String, String>>;

fn main() {
    let data = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("data");
    let out = PathBuf::from(env::var("OUT_DIR").expect("set by cargo"));
    println!("cargo:rerun-if-changed=data");
    println!("cargo:rerun-if-changed=build.rs");
    let write = |name: &str, text: String| {
        fs::write(out.join(name), text).unwrap_or_else(|e| panic!("{name}: {e}"));
    };
    let services = Services::read(&data);
    write("services.rs", services.tables());
    write("profiles.rs", services.profiles(&data));
    write("status.rs", statuses(&csv(&data.join("ntstatus.csv"))));
    write("enums.rs", enums(&json(&data.join("enums.json"))));
    write("layouts.rs", layouts(&csv(&data.join("structs.csv"))));
    write("access.rs", access(&data));
}

/// Reads a CSV file whose only quoting is `"` around a last field.
fn csv(path: &Path) -> Rows {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().expect("a header line").split(',').collect();
    lines
        .filter(|l| !l.is_empty())
        .map(|line| {
            let fields = line.splitn(head.len(), ',');
            head.iter().map(|h| h.to_string()).zip(fields.map(|f| f.trim_matches('"').to_string())).collect()
        })
        .collect()
}

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn hex(text: &str) -> u64 {
    u64::from_str_radix(text, 16).unwrap_or_else(|_| panic!("not a hexadecimal number: {text}"))
}

struct Services {
    /// Every service name of both tables, sorted, with its table (0 NT, 1 win32k).
    names: Vec<(String, u8)>,
    numbers: Rows,
    signatures: Value,
    argbytes: BTreeMap<String, (u32, u32)>,
}

impl Services {
    fn read(data: &Path) -> Self {
        let numbers = csv(&data.join("syscalls.csv"));
        let names: BTreeSet<(String, u8)> =
            numbers.iter().map(|r| (r["name"].clone(), u8::from(r["table"] != "nt"))).collect();
        let argbytes = csv(&data.join("argbytes.csv"))
            .iter()
            .filter(|r| !r["x64_args"].is_empty())
            .map(|r| {
                let x86 = r["x86_ret_bytes"].parse().unwrap_or(0);
                (r["name"].clone(), (r["x64_args"].parse().expect("a number"), x86))
            })
            .collect();
        let signatures = json(&data.join("signatures.json"));
        Self { names: names.into_iter().collect(), numbers, signatures, argbytes }
    }

    fn arity(&self, name: &str) -> Option<u32> {
        self.argbytes.get(name).map(|a| a.0).or_else(|| Some(self.signatures[name]["args"].as_array()?.len() as u32))
    }

    fn tables(&self) -> String {
        let mut services = String::from("static SERVICES: &[ServiceInfo] = &[\n");
        let mut arity = String::from(
            "/// Argument count of each NT service, as a constant named after it.\n#[allow(non_upper_case_globals, missing_docs)]\npub mod arity {\n",
        );
        for (name, table) in &self.names {
            let count = self.arity(name);
            let _ = write!(
                services,
                "ServiceInfo {{ name: {name:?}, table: {}, arg_count: {count:?}, x86_bytes: {:?}, ret: {:?}, args: &[",
                if *table == 0 { "ServiceTableId::Nt" } else { "ServiceTableId::Win32k" },
                self.argbytes.get(name).map(|a| a.1),
                self.signatures[name]["ret"].as_str().unwrap_or(""),
            );
            for arg in self.signatures[name]["args"].as_array().into_iter().flatten() {
                let _ = write!(
                    services,
                    "ArgInfo {{ name: {:?}, ty: {:?}, dir: Direction::{}, optional: {}, len: {:?}, len_unit: {} }},",
                    arg["n"].as_str().unwrap_or(""),
                    arg["t"].as_str().unwrap_or(""),
                    match arg["d"].as_str().unwrap_or("in") {
                        "out" => "Out",
                        "inout" => "InOut",
                        _ => "In",
                    },
                    arg["opt"].as_i64() == Some(1),
                    arg["len"].as_str(),
                    if arg["unit"].as_str() == Some("bytes") { "LenUnit::Bytes" } else { "LenUnit::Elements" },
                );
            }
            services.push_str("] },\n");
            if let (0, Some(count)) = (*table, count) {
                let _ = writeln!(arity, "pub const {name}: usize = {count};");
            }
        }
        services + "];\n" + &arity + "}\n"
    }

    /// One table of indexes into `SERVICES` by service number, for each profile and table.
    fn profiles(&self, data: &Path) -> String {
        let index: BTreeMap<&str, usize> = self.names.iter().enumerate().map(|(i, (n, _))| (n.as_str(), i)).collect();
        let styles: BTreeMap<String, usize> =
            csv(&data.join("stubs.csv")).iter().enumerate().map(|(i, r)| (r["style"].clone(), i)).collect();
        let mut text = stub_styles(&csv(&data.join("stubs.csv")));
        text.push_str("static PROFILES: &[Profile] = &[\n");
        for p in csv(&data.join("profiles.csv")) {
            let table = |which: u8| {
                let mut rows: BTreeMap<u64, usize> = BTreeMap::new();
                for r in &self.numbers {
                    let number = r.get(&p["syscalls_column"]).map_or("", String::as_str);
                    if r["arch"] == p["arch"] && u8::from(r["table"] != "nt") == which && !number.is_empty() {
                        rows.insert(hex(number) & 0xfff, index[r["name"].as_str()]);
                    }
                }
                let size = rows.keys().last().map_or(0, |n| n + 1);
                let cells: Vec<String> =
                    (0..size).map(|n| rows.get(&n).map_or("u16::MAX".into(), |i| i.to_string())).collect();
                cells.join(",")
            };
            let _ = writeln!(
                text,
                "Profile {{ name: {:?}, description: {:?}, arch: Arch::{}, stub_style: &STUB_STYLES[{}], layouts: {:?}, version: ({}, {}, {}), highest_user_address: {:#x}, sysret_r9_is_rbp: {}, nt: &[{}], win32k: &[{}] }},",
                p["name"],
                p["description"],
                if p["arch"] == "x64" { "X64" } else { "X86" },
                styles[&p["stub_style"]],
                p["layouts"],
                p["major"],
                p["minor"],
                p["build"],
                hex(&p["highest_user_address"]),
                p["sysret_r9"] == "rbp",
                table(0),
                table(1),
            );
        }
        text + "];\n"
    }
}

fn stub_styles(rows: &Rows) -> String {
    let mut text = String::from("static STUB_STYLES: &[StubStyle] = &[\n");
    for r in rows {
        let (before, after) = r["bytes"].split_once("{n}").expect("a pattern with {n}");
        let bytes = |h: &str| {
            let list: Vec<String> = (0..h.len() / 2).map(|i| format!("0x{}", &h[2 * i..2 * i + 2])).collect();
            list.join(",")
        };
        let _ = writeln!(
            text,
            "StubStyle {{ name: {:?}, stride: {}, before_number: &[{}], after_number: &[{}], pad: &[{}] }},",
            r["style"],
            r["stride"],
            bytes(before),
            bytes(after),
            bytes(&r["pad"]),
        );
    }
    text + "];\n"
}

fn statuses(rows: &Rows) -> String {
    // Several names share a value; these are the ones a reader of a trace expects.
    const PREFERRED: &[&str] = &[
        "STATUS_SUCCESS",
        "STATUS_WAIT_1",
        "STATUS_WAIT_2",
        "STATUS_WAIT_3",
        "STATUS_ABANDONED_WAIT_0",
        "STATUS_SEGMENT_NOTIFICATION",
    ];
    let mut consts = String::from("#[allow(missing_docs)]\nimpl NtStatus {\n");
    let mut by_value: BTreeMap<u64, &str> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for r in rows {
        let (value, name) = (hex(&r["value"]), r["name"].as_str());
        let short = name.strip_prefix("STATUS_").unwrap_or(name);
        if short.starts_with(|c: char| c.is_ascii_alphabetic()) && seen.insert(short.to_string()) {
            let _ = writeln!(consts, "pub const {short}: NtStatus = NtStatus({value:#010x});");
        }
        if !by_value.contains_key(&value) || PREFERRED.contains(&name) {
            by_value.insert(value, name);
        }
    }
    let mut names = String::from("static STATUS_NAMES: &[(u32, &str)] = &[\n");
    for (value, name) in by_value {
        let _ = writeln!(names, "({value:#010x}, {name:?}),");
    }
    consts + "}\n" + &names + "];\n"
}

fn enums(value: &Value) -> String {
    let mut text = String::from("static ENUMS: &[EnumInfo] = &[\n");
    let types: BTreeMap<_, _> = value.as_object().into_iter().flatten().collect();
    for (name, members) in types {
        let mut rows: Vec<(i64, &String)> =
            members.as_object().into_iter().flatten().filter_map(|(n, v)| Some((v.as_i64()?, n))).collect();
        rows.sort();
        let _ = write!(text, "EnumInfo {{ name: {name:?}, members: &[");
        for (v, n) in rows {
            let _ = write!(text, "({v}, {n:?}),");
        }
        text.push_str("] },\n");
    }
    text + "];\n"
}

fn layouts(rows: &Rows) -> String {
    type Fields = BTreeMap<String, u64>;
    let mut builds: BTreeMap<&str, BTreeMap<&str, Fields>> = BTreeMap::new();
    for r in rows {
        let fields = builds.entry(&r["build"]).or_default().entry(&r["struct"]).or_default();
        fields.insert(r["field"].clone(), hex(&r["offset_hex"]));
    }
    let mut text = String::from("static LAYOUTS: &[BuildLayouts] = &[\n");
    for (build, structs) in builds {
        let _ = writeln!(text, "BuildLayouts {{ build: {build:?}, structs: &[");
        for (name, fields) in structs {
            let size = fields.get("").copied().unwrap_or(0);
            let _ = write!(text, "StructLayout {{ name: {name:?}, size: {size:#x}, fields: &[");
            for (field, offset) in fields.iter().filter(|(f, _)| !f.is_empty()) {
                let _ = write!(text, "({field:?}, {offset:#x}),");
            }
            text.push_str("] },\n");
        }
        text.push_str("] },\n");
    }
    text + "];\n"
}

fn access(data: &Path) -> String {
    let mut text = String::from("static GENERIC_MAPPINGS: &[(&str, GenericMapping)] = &[\n");
    for r in csv(&data.join("generic_mapping.csv")) {
        let _ = writeln!(
            text,
            "({:?}, GenericMapping {{ read: AccessMask(0x{}), write: AccessMask(0x{}), execute: AccessMask(0x{}), all: AccessMask(0x{}), valid: AccessMask(0x{}) }}),",
            r["type"], r["generic_read"], r["generic_write"], r["generic_execute"], r["generic_all"], r["valid_access"],
        );
    }
    text.push_str("];\nstatic ACCESS_RIGHTS: &[(&str, u32, &str, bool)] = &[\n");
    for r in csv(&data.join("access_masks.csv")) {
        let _ = writeln!(text, "({:?}, 0x{}, {:?}, {}),", r["type"], r["value"], r["name"], r["single_bit"] == "1");
    }
    text + "];\n"
}
