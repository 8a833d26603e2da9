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
    write("stubs.rs", stub_styles(&csv(&data.join("stubs.csv")), &csv(&data.join("routines.csv"))));
    write("wow64.rs", wow64(&data));
    write("status.rs", statuses(&csv(&data.join("ntstatus.csv"))));
    write("enums.rs", enums(&json(&data.join("enums.json"))));
    write("layouts.rs", layouts(&csv(&data.join("structs.csv"))));
    write("access.rs", access(&data));
    write("objects.rs", objects(&data));
    write("processes.rs", processes(&csv(&data.join("processes.csv"))));
    write("registry.rs", registry(&data));
    write("kernel.rs", kernel_features(&csv(&data.join("kernel.csv"))));
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
    /// The builds' columns in the order of their release.
    columns: Vec<String>,
    numbers: Rows,
    signatures: Value,
    /// Argument counts of the newest builds: 64-bit arguments, bytes that an x86 stub pops.
    argbytes: BTreeMap<String, (Option<u32>, Option<u32>)>,
    /// Argument counts by architecture and name, where they were read off a build's stubs.
    by_build: BTreeMap<(String, String), BTreeMap<String, String>>,
    turbo: BTreeMap<String, BTreeMap<String, String>>,
    /// How WOW64 widens an argument, by type and direction.
    widening: BTreeMap<(String, String), String>,
}

/// The last build whose stubs' argument counts were read.
const LAST_COUNTED: &str = "w10_1803";

impl Services {
    fn read(data: &Path) -> Self {
        let head = fs::read_to_string(data.join("syscalls_all.csv")).expect("syscalls_all.csv");
        let columns = head.lines().next().expect("a header line").split(',').skip(3).map(String::from).collect();
        let mut numbers = csv(&data.join("syscalls_all.csv"));
        fill_gaps(&mut numbers, &csv(&data.join("syscalls_gapfill.csv")));
        let names: BTreeSet<(String, u8)> =
            numbers.iter().map(|r| (r["name"].clone(), u8::from(r["table"] != "nt"))).collect();
        let argbytes = csv(&data.join("argbytes.csv"))
            .iter()
            .map(|r| (r["name"].clone(), (r["x64_args"].parse().ok(), r["x86_ret_bytes"].parse().ok())))
            .collect();
        let by_build = csv(&data.join("argcount_by_build.csv"));
        let by_build = by_build.into_iter().map(|r| ((r["arch"].clone(), r["name"].clone()), r)).collect();
        let turbo = csv(&data.join("wow64_eax.csv")).into_iter().map(|r| (r["name"].clone(), r)).collect();
        let widening = csv(&data.join("wow64_types.csv")).into_iter();
        let widening = widening.map(|r| ((r["type"].clone(), r["direction"].clone()), r["code"].clone())).collect();
        let signatures = json(&data.join("signatures.json"));
        Self { names: names.into_iter().collect(), columns, numbers, signatures, argbytes, by_build, turbo, widening }
    }

    fn arity(&self, name: &str) -> Option<u32> {
        let known = self.argbytes.get(name).and_then(|a| a.0);
        known.or_else(|| Some(self.signatures[name]["args"].as_array()?.len() as u32))
    }

    /// The count that was read off the stubs of a build, or of the nearest one that was read: of the same Windows
    /// version if there is one, before it rather than after it.
    fn counted(&self, arch: &str, name: &str, column: &str) -> Option<u32> {
        let row = self.by_build.get(&(arch.into(), name.into()))?;
        let position = |c: &str| self.columns.iter().position(|k| k == c);
        let at = position(column)?;
        let version = |c: &str| c.split('_').next().map(String::from);
        let nearest = |same_version: bool| {
            let read = row.iter().filter(|(c, _)| !same_version || version(c) == version(column));
            let known: BTreeMap<usize, u32> = read.filter_map(|(c, v)| Some((position(c)?, v.parse().ok()?))).collect();
            let before = known.range(..=at).next_back();
            before.or_else(|| known.iter().next()).map(|(_, count)| *count)
        };
        nearest(true).or_else(|| nearest(false))
    }

    /// Arguments of a service in a build, and 4-byte slots its 32-bit stub pops, where somebody knows.
    fn counts(&self, name: &str, column: &str) -> (Option<u32>, Option<u32>) {
        let position = |c: &str| self.columns.iter().position(|k| k == c);
        let old = position(column) <= position(LAST_COUNTED);
        let newest = self.argbytes.get(name).copied().unwrap_or_default();
        let slots = newest.1.map(|bytes| bytes / 4);
        let read = |arch| self.counted(arch, name, column);
        let pick = |read: Option<u32>, newest: Option<u32>| if old { read.or(newest) } else { newest.or(read) };
        // What was read off x64 builds counts 4-byte slots too: a POINT is two. Where the slots are today's, so are
        // the arguments.
        let unchanged = slots.is_some() && read("x86") == slots;
        let args = if unchanged { self.arity(name) } else { pick(read("x64"), self.arity(name)) };
        let slots = pick(read("x86"), slots);
        (args.or(slots), slots.or(args))
    }

    fn turbo_index(&self, name: &str, column: &str) -> u64 {
        let row = self.turbo.get(name);
        let cell = row.and_then(|r| r.get(column)).filter(|c| !c.is_empty());
        cell.map_or(0, |c| hex(c) >> 16)
    }

    fn widening_of(&self, arg: &Value) -> &'static str {
        let text = |key: &str| arg[key].as_str().unwrap_or("").to_string();
        match self.widening.get(&(text("t"), text("d"))).map(String::as_str) {
            Some("s") => "Sign",
            Some("q") => "TwoSlots",
            _ => "Zero",
        }
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
                "ServiceInfo {{ name: {name:?}, table: {}, arg_count: {count:?}, ret: {:?}, args: &[",
                if *table == 0 { "ServiceTableId::Nt" } else { "ServiceTableId::Win32k" },
                self.signatures[name]["ret"].as_str().unwrap_or(""),
            );
            for arg in self.signatures[name]["args"].as_array().into_iter().flatten() {
                let _ = write!(
                    services,
                    "ArgInfo {{ name: {:?}, ty: {:?}, dir: Direction::{}, optional: {}, len: {:?}, len_unit: {}, widening: Widening::{} }},",
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
                    self.widening_of(arg),
                );
            }
            services.push_str("] },\n");
            if let (0, Some(count)) = (*table, count) {
                let _ = writeln!(arity, "pub const {name}: usize = {count};");
            }
        }
        services + "];\n" + &arity + "}\n"
    }

    /// The rows of one table of a profile: index into `SERVICES`, arguments, 32-bit slots, turbo index. Holes and
    /// unknown counts are the types' largest values.
    fn rows(&self, profile: &BTreeMap<String, String>, which: u8, index: &BTreeMap<&str, usize>) -> String {
        let column = &profile["syscalls_column"];
        let mut rows: BTreeMap<u64, &str> = BTreeMap::new();
        for r in &self.numbers {
            let number = r.get(column).map_or("", String::as_str);
            if r["arch"] == profile["arch"] && u8::from(r["table"] != "nt") == which && !number.is_empty() {
                rows.insert(hex(number) & 0xfff, &r["name"]);
            }
        }
        let size = rows.keys().last().map_or(0, |n| n + 1);
        let cell = |n| {
            let Some(name) = rows.get(&n) else { return "(65535,255,255,0)".to_string() };
            let (args, slots) = self.counts(name, column);
            let byte = |count: Option<u32>| count.unwrap_or(255);
            let turbo = self.turbo_index(name, &profile["turbo_column"]);
            format!("({},{},{},{turbo})", index[name], byte(args), byte(slots))
        };
        (0..size).map(cell).collect::<Vec<_>>().join(",")
    }

    fn profiles(&self, data: &Path) -> String {
        let index: BTreeMap<&str, usize> = self.names.iter().enumerate().map(|(i, (n, _))| (n.as_str(), i)).collect();
        let stubs = csv(&data.join("stubs.csv"));
        let style =
            |name: &str| stubs.iter().position(|r| r["style"] == name).unwrap_or_else(|| panic!("style {name}"));
        let mut text = String::from("static PROFILES: &[Profile] = &[\n");
        let rows = csv(&data.join("profiles.csv"));
        for p in &rows {
            let wow64 = match p["wow64_style"].as_str() {
                "" => "None".to_string(),
                name => format!(
                    "Some(Wow64 {{ stub_style: &crate::stub::STUB_STYLES[{}], layouts: {:?} }})",
                    style(name),
                    p["wow64_layouts"]
                ),
            };
            let _ = writeln!(
                text,
                "Profile {{ name: {:?}, column: {:?}, description: {:?}, arch: Arch::{}, stub_style: &crate::stub::STUB_STYLES[{}], wow64: {wow64}, layouts: {:?}, shared_data: {:?}, version: ({}, {}, {}), highest_user_address: {:#x}, sysret_r9_is_rbp: {}, table_mask: {}, dep: Dep::{}, nt: &[{}], win32k: &[{}] }},",
                p["name"],
                p["syscalls_column"],
                p["description"],
                if p["arch"] == "x64" { "X64" } else { "X86" },
                style(&p["stub_style"]),
                p["layouts"],
                p["shared_data"],
                p["major"],
                p["minor"],
                p["build"],
                hex(&p["highest_user_address"]),
                p["sysret_r9"] == "rbp",
                p["table_mask"],
                match p["dep_32"].as_str() {
                    "none" => "None",
                    "optin" => "OptIn",
                    _ => "OptOut",
                },
                self.rows(p, 0, &index),
                self.rows(p, 1, &index),
            );
        }
        text + "];\n"
    }
}

/// Fills holes of the tables from a second source.
fn fill_gaps(numbers: &mut Rows, gaps: &Rows) {
    let mut at: BTreeMap<(String, String), usize> =
        numbers.iter().enumerate().map(|(i, r)| ((r["arch"].clone(), r["name"].clone()), i)).collect();
    for gap in gaps {
        let key = (gap["arch"].clone(), gap["name"].clone());
        let row = *at.entry(key).or_insert_with(|| {
            let mut row = BTreeMap::from([("table".to_string(), "win32k".to_string())]);
            row.extend(["arch", "name"].map(|c| (c.to_string(), gap[c].clone())));
            numbers.push(row);
            numbers.len() - 1
        });
        let cell = numbers[row].entry(gap["build"].clone()).or_default();
        assert!(cell.is_empty(), "{} of {} has a number already", gap["name"], gap["build"]);
        cell.clone_from(&gap["number"]);
    }
}

/// A pattern such as `b8{n}0f05c3` as pieces.
fn pattern(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (fixed, hole, after) = match rest.split_once('{') {
            Some((fixed, tail)) => {
                let (hole, after) = tail.split_once('}').expect("a closed brace");
                (fixed, hole, after)
            }
            None => (rest, "", ""),
        };
        if !fixed.is_empty() {
            let _ = write!(out, "Piece::Bytes(&[{}]),", byte_list(fixed));
        }
        out += &match hole {
            "" => String::new(),
            "n" => "Piece::Number,".into(),
            "m" => "Piece::NumberAndTurbo,".into(),
            "r" => "Piece::RetBytes,".into(),
            "t" => "Piece::Turbo,".into(),
            "w" => "Piece::Address(\"Wow64SystemServiceCall\"),".into(),
            name => format!("Piece::Address({name:?}),"),
        };
        rest = after;
    }
    format!("&[{out}]")
}

/// What stubs need in `KUSER_SHARED_DATA`: `300=8bd4` is bytes, `300=&Name` a routine's address.
fn shared_data(text: &str) -> String {
    let item = |item: &str| {
        let (at, value) = item.split_once('=').expect("an offset and a value");
        let piece = match value.strip_prefix('&') {
            Some(name) => format!("Piece::Address({name:?})"),
            None => format!("Piece::Bytes(&[{}])", byte_list(value)),
        };
        format!("(0x{at}, {piece}),")
    };
    text.split(' ').filter(|i| !i.is_empty()).map(item).collect()
}

fn byte_list(hex: &str) -> String {
    let list: Vec<String> = (0..hex.len() / 2).map(|i| format!("0x{}", &hex[2 * i..2 * i + 2])).collect();
    list.join(",")
}

fn stub_styles(rows: &Rows, routines: &Rows) -> String {
    let mut text = String::from("pub(crate) static ROUTINES: &[Routine] = &[\n");
    for r in routines {
        let symbol = |s: &str| {
            let (name, at) = s.split_once('@').expect("a symbol with its offset");
            format!("({name:?}, {at})")
        };
        let symbols: Vec<String> = r["symbols"].split(' ').map(symbol).collect();
        let _ = writeln!(
            text,
            "Routine {{ name: {:?}, is_data: {}, code: {}, symbols: &[{}] }},",
            r["routine"],
            r["section"] == "data",
            pattern(&r["bytes"]),
            symbols.join(",")
        );
    }
    text.push_str("];\npub(crate) static STUB_STYLES: &[StubStyle] = &[\n");
    for r in rows {
        let or_plain = |key: &str| pattern(if r[key].is_empty() { &r["bytes"] } else { &r[key] });
        let own = |name: &&str| routines.iter().any(|x| x["routine"] == **name);
        let names: Vec<&str> = r["routines"].split(' ').filter(|n| !n.is_empty()).collect();
        assert!(names.iter().all(own), "{}: an unknown routine", r["style"]);
        let gates: Vec<String> = r["gates"].split(' ').map(|g| format!("{g:?}")).collect();
        let _ = writeln!(
            text,
            "StubStyle {{ name: {:?}, bits: {}, gates: &[{}], align: {}, code: {}, no_args: {}, no_turbo: {}, pad: &[{}], routines: &{names:?}, shared: &[{}], transition: {:?} }},",
            r["style"],
            if r["arch"] == "x64" { 64 } else { 32 },
            gates.join(","),
            r["align"],
            pattern(&r["bytes"]),
            or_plain("no_args"),
            or_plain("no_turbo"),
            byte_list(&r["pad"]),
            shared_data(&r["shared"]),
            r["transition"],
        );
    }
    text + "];\n"
}

/// How WOW64 widens arguments by type, and which services it treats apart.
fn wow64(data: &Path) -> String {
    let mut text = String::from("static TYPES: &[(&str, Direction, u8)] = &[\n");
    for r in csv(&data.join("wow64_types.csv")) {
        let direction = match r["direction"].as_str() {
            "in" => "In",
            "out" => "Out",
            _ => "InOut",
        };
        let _ = writeln!(text, "({:?}, Direction::{direction}, b'{}'),", r["type"], r["code"]);
    }
    text.push_str("];\nstatic SPECIALS: &[(&str, u8)] = &[\n");
    for r in csv(&data.join("wow64_services.csv")) {
        let _ = writeln!(text, "({:?}, {}),", r["service"], r["special"]);
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
    // A field's offset, and what is written of its type.
    type Fields = BTreeMap<String, (u64, String)>;
    let mut builds: BTreeMap<&str, BTreeMap<&str, Fields>> = BTreeMap::new();
    for r in rows {
        let fields = builds.entry(&r["build"]).or_default().entry(&r["struct"]).or_default();
        fields.insert(r["field"].clone(), (hex(&r["offset_hex"]), r["type"].clone()));
    }
    let mut text = String::from("static LAYOUTS: &[BuildLayouts] = &[\n");
    for (build, structs) in builds {
        let _ = writeln!(text, "BuildLayouts {{ build: {build:?}, structs: &[");
        for (name, fields) in structs {
            let size = fields.get("").map_or(0, |size| size.0);
            let _ = write!(text, "StructLayout {{ name: {name:?}, size: {size:#x}, fields: &[");
            for (field, (offset, _)) in fields.iter().filter(|(f, _)| !f.is_empty()) {
                let _ = write!(text, "({field:?}, {offset:#x}),");
            }
            text.push_str("], bits: &[");
            for (field, (first, end)) in fields.iter().filter_map(|(f, (_, ty))| Some((f, bits(ty)?))) {
                let _ = write!(text, "({field:?}, {first}, {end}),");
            }
            text.push_str("] },\n");
        }
        text.push_str("] },\n");
    }
    text + "];\n"
}

/// The bits of a bit field, `bits:7..8:u32`.
fn bits(ty: &str) -> Option<(u32, u32)> {
    let (first, end) = ty.strip_prefix("bits:")?.split(':').next()?.split_once("..")?;
    Some((first.parse().ok()?, end.parse().ok()?))
}

/// Which kernels have what: a feature, its architecture, the first build.
fn kernel_features(rows: &Rows) -> String {
    let mut text = String::from("static FEATURES: &[(&str, Arch, u32)] = &[\n");
    for r in rows {
        let arch = if r["arch"] == "x64" { "X64" } else { "X86" };
        let _ = writeln!(text, "({:?}, Arch::{arch}, {}),", r["feature"], r["from_build"]);
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

/// Object types in the order of their creation, and what is in the namespace at boot.
fn objects(data: &Path) -> String {
    let mut text = String::from("static OBJECT_TYPES: &[ObjectTypeRow] = &[\n");
    for r in csv(&data.join("object_types.csv")) {
        let _ = writeln!(
            text,
            "ObjectTypeRow {{ name: {:?}, builds: ({}, {}), invalid_attributes: 0x{} }},",
            r["type"], r["first"], r["last"], r["invalid"]
        );
    }
    text.push_str("];\nstatic NAMESPACE: &[NamespaceRow] = &[\n");
    for r in csv(&data.join("namespace.csv")) {
        let _ = writeln!(
            text,
            "NamespaceRow {{ path: {:?}, kind: NameKind::{}, target: {:?}, protection: {:?}, builds: ({}, {}) }},",
            r["path"], r["kind"], r["target"], r["security"], r["first"], r["last"]
        );
    }
    text.push_str("];\nstatic PROTECTIONS: &[ProtectionRow] = &[\n");
    for r in csv(&data.join("protections.csv")) {
        let _ = writeln!(
            text,
            "ProtectionRow {{ name: {:?}, sddl: {:?}, builds: ({}, {}) }},",
            r["name"], r["sddl"], r["first"], r["last"]
        );
    }
    text + "];\n"
}

/// The processes that are there at boot.
fn processes(rows: &Rows) -> String {
    let mut text = String::from("static PROCESSES: &[ProcessRow] = &[\n");
    for r in rows {
        let starts: Vec<String> = r["starts"].split(' ').map(start).collect();
        let protection = r["protection"].split(';').filter(|p| !p.is_empty());
        let protection: Vec<String> = protection
            .map(|p| p.split_once(':').map(|(build, value)| format!("({build}, 0x{value})")).expect("build:protection"))
            .collect();
        let critical = if r["critical"].is_empty() { "u32::MAX" } else { &r["critical"] };
        let _ = writeln!(
            text,
            "ProcessRow {{ image: {:?}, builds: ({}, {}), pid: 0x{}, parent: 0x{}, session: {}, owner: Owner::{}, \
             integrity: 0x{}, protection: &[{}], critical: {critical}, priority: {}, threads: {}, starts: &[{}], \
             path: {:?}, command: {:?} }},",
            r["image"],
            r["first"],
            r["last"],
            r["pid"],
            r["parent"],
            r["session"],
            r["account"],
            r["integrity"],
            protection.join(", "),
            r["priority"],
            r["threads"],
            starts.join(", "),
            r["path"],
            r["command"],
        );
    }
    text + "];\n"
}

/// `symbol/wait/priority`.
fn start(text: &str) -> String {
    let parts: Vec<&str> = text.split('/').collect();
    let [symbol, wait, priority] = parts[..] else { panic!("not symbol/wait/priority: {text}") };
    format!("StartRow {{ symbol: {symbol:?}, wait: {wait:?}, priority: {priority} }}")
}

/// The registry at boot, and which of its keys the two views share.
fn registry(data: &Path) -> String {
    let mut text = String::from("static REGISTRY: &[RegistryRow] = &[\n");
    for r in csv(&data.join("registry.csv")) {
        let arch = match r["arch"].as_str() {
            "any" => "None",
            "x86" => "Some(Arch::X86)",
            "x64" => "Some(Arch::X64)",
            other => panic!("registry.csv: {other} is no architecture"),
        };
        let server = match r["product"].as_str() {
            "any" => "None",
            "client" => "Some(false)",
            "server" => "Some(true)",
            other => panic!("registry.csv: {other} is no product"),
        };
        let _ = writeln!(
            text,
            "RegistryRow {{ builds: ({}, {}), arch: {arch}, server: {server}, kind: RowKind::from_name({:?}), key: {:?}, name: {:?}, data: {:?} }},",
            r["first"], r["last"], r["type"], r["key"], r["name"], r["data"]
        );
    }
    text.push_str("];\nstatic WOW64: &[Wow64Row] = &[\n");
    for r in csv(&data.join("wow64_registry.csv")) {
        let redirect = match r["redirect"].as_str() {
            "inside" => "Inside",
            "beside" => "Beside",
            "shared" => "Shared",
            other => panic!("wow64_registry.csv: {other}"),
        };
        let _ = writeln!(
            text,
            "Wow64Row {{ builds: ({}, {}), redirect: Redirect::{redirect}, path: {:?} }},",
            r["first"], r["last"], r["path"]
        );
    }
    text + "];\n"
}
