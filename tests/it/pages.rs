//! The pages that print data: `number`, `ssdt`, `profiles`, `stubs`. What they say is checked against the published
//! tables, which this test reads by itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::trapgate;

/// What the command prints: exit code, stdout, stderr.
fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let out = trapgate().args(args).output().expect("trapgate starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

fn json(args: &[&str]) -> Vec<Value> {
    let (code, stdout, stderr) = run(args);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{args:?}");
    let value: Value = serde_json::from_str(&stdout).expect("JSON");
    value.as_array().expect("a list").clone()
}

/// A listing's lines, one blank between words.
fn words_of_lines(text: &str) -> Vec<String> {
    text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// A refusal: exit code 2, nothing printed, one line that says why.
fn refused(args: &[&str]) -> String {
    let (code, stdout, stderr) = run(args);
    assert_eq!((code, stdout.as_str(), stderr.lines().count()), (Some(2), "", 1), "{args:?}: {stderr}");
    stderr.trim_end().to_string()
}

/// A published table: its columns' names and its rows.
fn csv(file: &str) -> Vec<BTreeMap<String, String>> {
    let path = format!("{}/../guest/data/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("a table");
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().expect("a head").split(',').collect();
    let row = |line: &str| head.iter().map(ToString::to_string).zip(line.split(',').map(String::from)).collect();
    lines.map(row).collect()
}

/// Every profile's names by number, from the published tables, in the order of the profiles.
fn published() -> Vec<(String, BTreeMap<u32, String>)> {
    let (numbers, gaps) = (csv("syscalls_all.csv"), csv("syscalls_gapfill.csv"));
    let hex = |text: &str| u32::from_str_radix(text, 16).expect("a number");
    let of = |profile: &BTreeMap<String, String>| {
        let (column, arch) = (&profile["syscalls_column"], &profile["arch"]);
        let main = numbers.iter().filter(|r| &r["arch"] == arch && !r[column].is_empty());
        let main = main.map(|r| (hex(&r[column]), r["name"].clone()));
        let filled = gaps.iter().filter(|r| &r["arch"] == arch && &r["build"] == column);
        (profile["name"].clone(), main.chain(filled.map(|r| (hex(&r["number"]), r["name"].clone()))).collect())
    };
    csv("profiles.csv").iter().map(of).collect()
}

/// What `number_rows` says of each profile.
fn by_profile(rows: &[trapgate::view::NumberRun]) -> BTreeMap<&str, trapgate::view::Meaning> {
    rows.iter().flat_map(|row| row.profiles.iter().map(|p| (*p, row.meaning))).collect()
}

#[test]
fn a_number_is_what_the_published_tables_say_on_every_build() {
    use trapgate::view::Meaning;
    let published = published();
    assert_eq!(published.len(), 81);
    for number in (0..0x200).chain(0x1000..0x1600) {
        let said = trapgate::view::number_rows(&guest::Arch::ALL, number);
        let said = by_profile(&said);
        assert_eq!(said.len(), published.len(), "every profile is in one run");
        for (profile, names) in &published {
            let last = names.range(number..number / 0x1000 * 0x1000 + 0x1000).next_back();
            match (said[profile.as_str()], names.get(&number)) {
                (Meaning::Service { service, number: n, .. }, Some(name)) => {
                    assert_eq!((service, n), (name.as_str(), number), "{profile}");
                }
                (Meaning::Unnamed { table: "win32k" }, None) => assert!(last.is_some(), "{profile}: {number:#x}"),
                (Meaning::OutOfRange { .. }, None) => assert!(last.is_none(), "{profile}: {number:#x}"),
                (said, name) => panic!("{profile}: {number:#x}: {said:?}, published: {name:?}"),
            }
        }
    }
}

#[test]
fn neighbours_that_agree_share_a_line() {
    let (code, text, _) = run(&["number", "0x55"]);
    let lines = words_of_lines(&text);
    assert_eq!(code, Some(0));
    for line in [
        "xp-sp1-x64 .. win7-sp1-x64 NtOpenDirectoryObject 3 args",
        "win8-x64 NtWriteRequestData 6 args",
        "win10-1507-x64 .. win11-25h2-x64 NtCreateFile 11 args",
        "nt31-x86 NtPulseEvent 2 args",
    ] {
        assert!(lines.contains(&line.to_string()), "no {line} in\n{text}");
    }
    assert_eq!(run(&["number", "85"]).1, text, "decimal is the same number");
    let x64 = run(&["number", "0x55", "--arch", "x64"]).1;
    assert_eq!((x64.lines().count(), x64.contains("x86")), (4, false));
}

#[test]
fn a_service_has_its_number_on_every_build() {
    let published = published();
    for (name, asked) in [("NtCreateFile", "ZwCreateFile"), ("NtUserGetMessage", "ntusergetmessage")] {
        let rows = json(&["number", asked, "--json"]);
        let mut seen = BTreeSet::new();
        for row in &rows {
            for profile in row["profiles"].as_array().expect("profiles") {
                let names = &published.iter().find(|(p, _)| profile == p.as_str()).expect("a profile").1;
                let number = names.iter().find(|(_, n)| *n == name).map(|(number, _)| *number);
                assert_eq!(row["number"].as_u64(), number.map(u64::from), "{profile}: {name}");
                assert_eq!(row["is"] == "not-there", number.is_none(), "{profile}: {name}");
                assert!(seen.insert(profile.to_string()), "{profile} twice");
            }
        }
        assert_eq!(seen.len(), 81, "{name}");
    }
}

#[test]
fn numbers_out_of_range_say_so_for_each_build() {
    let text = run(&["number", "0x1d9", "--arch", "x64"]).1;
    assert!(text.contains("out of range: the nt table has 401 rows"), "{text}");
    assert!(text.lines().last().is_some_and(|l| l.contains("NtUnloadDriver")), "{text}");
    let text = run(&["number", "0x2055"]).1;
    // Windows 7 and later do not look at bit 13.
    let lines = words_of_lines(&text);
    assert_eq!(lines[0], "nt31-x86 .. vista-sp2-x86 bits 12 and 13 name no table");
    assert_eq!(lines[1], "win7-sp0-x86 .. win7-sp1-x86 NtCreateSemaphore 5 args read as 0x55");
    assert!(run(&["number", "0x1000"]).1.starts_with("nt31-x86 .. nt351-x86"));
}

#[test]
fn what_is_no_number_and_no_service_is_refused() {
    assert_eq!(refused(&["number", "0x5z"]), "trapgate: 0x5z is not a service number: 85 and 0x55 are");
    assert_eq!(refused(&["number", "-5"]), "trapgate: -5 is not a service number: 85 and 0x55 are");
    assert_eq!(refused(&["number", "0x100000000"]), "trapgate: 0x100000000 is not a service number: EAX has 32 bits");
    assert_eq!(
        refused(&["number", "NtCreatFile"]),
        "trapgate: no service is called NtCreatFile; did you mean NtCreateFile?"
    );
}

#[test]
fn a_wrong_profile_is_answered_with_the_nearest() {
    let expected =
        "trapgate: no profile is called win10-2h22-x64; did you mean win10-22h2-x64? (trapgate profiles lists them)";
    for command in [["ssdt", "--profile"], ["stubs", "--profile"]] {
        assert_eq!(refused(&[command[0], command[1], "win10-2h22-x64"]), expected);
    }
    assert_eq!(refused(&["run", "--profile", "win10-2h22-x64", "nothing.exe"]), expected);
    let none = refused(&["ssdt", "--profile", "beos"]);
    assert_eq!(none, "trapgate: no profile is called beos (trapgate profiles lists them)");
}

#[test]
fn profiles_say_how_each_build_is_entered() {
    let rows = json(&["profiles", "--json"]);
    let published = published();
    assert_eq!(rows.len(), published.len());
    for (row, (name, names)) in rows.iter().zip(&published) {
        assert_eq!(&row["name"], name, "the order is the data's");
        let size = |table: std::ops::Range<u32>| {
            names.range(table.clone()).next_back().map_or(0, |(n, _)| n - table.start + 1)
        };
        assert_eq!(row["nt"], size(0..0x1000), "{name}");
        assert_eq!(row["win32k"], size(0x1000..0x2000), "{name}");
        let gates: Vec<&str> = row["gates"].as_array().expect("gates").iter().filter_map(Value::as_str).collect();
        assert_eq!(gates.contains(&"wow64"), name.ends_with("x64"), "{name}");
        assert_eq!(row["wow64_stub_style"].is_string(), name.ends_with("x64"), "{name}");
        assert_eq!(row["default"], name == "win10-22h2-x64");
    }
    let text = run(&["profiles"]).1;
    assert_eq!(text.lines().count(), 82);
    let lines = words_of_lines(&text);
    for line in [
        "xp-sp3-x86 x86_call_mem_edx - 284 667 sysenter, int2e Windows XP SP3 (2600)",
        "win10-22h2-x64 x64_w10_1511 wow64_w10 473 1316 syscall, int2e, wow64 Windows 10 22H2 (19045), the default",
    ] {
        assert!(lines.contains(&line.to_string()), "no {line} in\n{text}");
    }
    assert_eq!(run(&["profiles", "--arch", "x64"]).1.lines().count(), 36);
}

#[test]
fn stubs_of_32_bit_code_on_a_64_bit_build() {
    let (code, text, _) = run(&["stubs", "NtClose", "--arch", "x86"]);
    let expected = [
        "NtClose service 0xf, wow64_w10",
        "00 b80f000300 mov eax,3000Fh",
        "05 ba???????? mov edx,Wow64SystemServiceCall",
        "0a ffd2 call edx",
        "0c c20400 ret 4",
    ];
    assert_eq!((code, words_of_lines(&text).as_slice()), (Some(0), expected.map(String::from).as_slice()));
    let rows = json(&["stubs", "NtClose", "--arch", "x86", "--json"]);
    assert_eq!(rows[0]["bytes"], "b80f000300ba00000000ffd2c20400");
    assert_eq!(rows[0]["addresses"], serde_json::json!([[6, "Wow64SystemServiceCall"]]));
    // On a 32-bit build that is its own stub, with its own number.
    let own = run(&["stubs", "ZwClose", "--profile", "xp-sp3-x86"]).1;
    assert_eq!(run(&["stubs", "ZwClose", "--arch", "x86", "--profile", "xp-sp3-x86"]).1, own);
    assert!(own.starts_with("NtClose  service 0x19, x86_call_mem_edx\n"), "{own}");
    assert_eq!(
        refused(&["stubs", "NtClose", "--arch", "x64", "--profile", "xp-sp3-x86"]),
        "trapgate: xp-sp3-x86 runs no x64 code: it has no such stubs"
    );
    assert_eq!(
        refused(&["stubs", "NtAcquireCMFViewOwnership"]),
        "trapgate: win10-22h2-x64 has no NtAcquireCMFViewOwnership \
         (trapgate number NtAcquireCMFViewOwnership tells which builds have it)"
    );
}

#[test]
fn a_stubs_instructions_are_all_of_its_bytes() {
    for profile in guest::Profile::all() {
        for style in guest::Arch::ALL.iter().filter_map(|a| profile.stub_style_for(*a)) {
            for view in trapgate::view::stub_views(profile, style, &[]).expect("every service has a stub") {
                let joined: String = view.instructions.iter().map(|(_, bytes, _)| bytes.as_str()).collect();
                assert_eq!(joined, view.bytes, "{}: {}", profile.name, view.service);
                let named = view.instructions.iter().filter(|i| i.2.contains("Wow64SystemServiceCall")).count();
                assert_eq!(named, view.addresses.len(), "{}: {}", profile.name, view.service);
            }
        }
    }
}

/// A table's names by number, of one build, as published.
fn table(profile: &str, table: &str) -> BTreeMap<String, u32> {
    let published = published();
    let names = &published.iter().find(|(p, _)| p == profile).expect("a profile").1;
    let range = if table == "nt" { 0..0x1000 } else { 0x1000..0x2000 };
    names.range(range).map(|(number, name)| (name.clone(), *number)).collect()
}

fn names(list: &Value) -> BTreeSet<String> {
    let names = list.as_array().expect("a list").iter().map(|s| s["service"].as_str().expect("a name").to_string());
    names.collect()
}

#[test]
fn a_diff_counts_what_the_published_tables_count() {
    for (p, q) in [
        ("win7-sp1-x64", "win10-22h2-x64"),
        ("win8-x64", "win11-25h2-x64"),
        ("xp-sp3-x86", "win7-sp1-x86"),
        ("win10-22h2-x86", "win10-22h2-x64"),
    ] {
        let (code, text, _) = run(&["ssdt", "--diff", p, q, "--json"]);
        let diff: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((code, &diff["from"], &diff["to"]), (Some(0), &p.into(), &q.into()));
        assert_eq!(diff["architectures_differ"], p.ends_with("x86") != q.ends_with("x86"));
        let page = run(&["ssdt", "--diff", p, q]).1;
        for t in diff["tables"].as_array().expect("tables") {
            let which = t["table"].as_str().expect("a table");
            let (old, new) = (table(p, which), table(q, which));
            let missing = |a: &BTreeMap<String, u32>, b: &BTreeMap<String, u32>| {
                a.keys().filter(|name| !b.contains_key(*name)).cloned().collect::<BTreeSet<String>>()
            };
            assert_eq!(names(&t["appeared"]), missing(&new, &old), "{p} {q} {which}");
            assert_eq!(names(&t["vanished"]), missing(&old, &new), "{p} {q} {which}");
            let moved = old.iter().filter(|(name, number)| new.get(*name).is_some_and(|n| n != *number));
            let moved: BTreeSet<String> = moved.map(|(name, _)| name.clone()).collect();
            assert_eq!(names(&t["moved"]), moved, "{p} {q} {which}");
            let stayed = old.len() - moved.len() - missing(&old, &new).len();
            assert_eq!(t["stayed"], stayed, "{p} {q} {which}");
            let totals = format!(
                "rows: {stayed} stayed, {} moved, {} appeared, {} vanished, ",
                moved.len(),
                missing(&new, &old).len(),
                missing(&old, &new).len()
            );
            assert!(page.lines().any(|l| l.starts_with(which) && l.contains(&totals)), "no {totals} in\n{page}");
        }
    }
}

#[test]
fn a_diff_tells_where_arguments_changed_and_what_it_cannot_know() {
    let page = run(&["ssdt", "--diff", "win7-sp1-x64", "win8-x64"]).1;
    let lines = words_of_lines(&page);
    // argcount_by_build.csv
    assert!(lines.contains(&"NtWaitForWorkViaWorkerFactory 0x1aa 2 args -> 4".to_string()), "{page}");
    assert!(page.contains("win8-x64: nobody has published the names of 74 win32k rows"), "{page}");
    // A POINT by value: the count is the same in every build of an architecture.
    let page = run(&["ssdt", "--diff", "win10-1803-x64", "win10-1809-x64"]).1;
    assert!(page.contains("27 appeared, 11 vanished, 0 with another number of arguments"), "{page}");
    let same = run(&["ssdt", "--diff", "win10-20h2-x64", "win10-21h1-x64"]).1;
    assert_eq!(same.lines().count(), 3, "nothing but totals:\n{same}");
    let cross = run(&["ssdt", "--diff", "win10-22h2-x86", "win10-22h2-x64"]).1;
    assert!(cross.contains("the architectures differ: x86 counts arguments in 4-byte slots"), "{cross}");
    assert!(words_of_lines(&cross).contains(&"NtUserWindowFromPoint 0x1014 2 args -> 1".to_string()), "{cross}");
    assert!(refused(&["ssdt", "--diff", "win7-sp1-x64", "win9"]).contains("no profile is called win9"));
}

#[test]
fn the_table_of_a_build_has_its_own_argument_counts() {
    let args = |profile: &str, name: &str| {
        let rows = json(&["ssdt", "--json", "--profile", profile]);
        let row = rows.iter().find(|r| r["name"] == name).expect("a row");
        (row["args"].as_u64(), row["signature"].as_array().expect("a list").len())
    };
    // The prototype is of builds where it has 5.
    assert_eq!(args("vista-sp2-x64", "NtWaitForWorkViaWorkerFactory"), (Some(2), 0));
    assert_eq!(args("win10-22h2-x64", "NtWaitForWorkViaWorkerFactory"), (Some(5), 5));
    assert_eq!(args("xp-sp3-x86", "NtUserWindowFromPoint"), (Some(2), 1));
}
