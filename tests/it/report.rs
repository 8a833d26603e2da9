//! `trapgate run --report FILE`.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::trapgate;

/// Runs a fixture with a report, and reads it.
fn report(fixture: &str, file: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("report");
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(file);
    let image = fixtures::images().join(fixture);
    let out = trapgate().args(["run", "--quiet", "--report"]).arg(&path).arg(image).output().expect("trapgate starts");
    assert_eq!(String::from_utf8_lossy(&out.stderr), "");
    std::fs::read_to_string(&path).expect("a report")
}

fn json(fixture: &str) -> Value {
    serde_json::from_str(&report(fixture, &format!("{fixture}.json"))).expect("JSON")
}

/// A row of a list, by one of its fields.
fn row<'a>(report: &'a Value, list: &str, field: &str, value: &str) -> &'a Value {
    let rows = report[list].as_array().expect("a list");
    rows.iter().find(|row| row[field] == value).unwrap_or_else(|| panic!("no {value} in {list}: {rows:?}"))
}

#[test]
fn it_adds_up() {
    for fixture in ["hello.exe", "direct.exe", "win_files.exe"] {
        let report = json(fixture);
        let calls = report["calls"].as_u64().expect("a number");
        let sum = |list: &str| {
            let rows = report[list].as_array().expect("a list");
            rows.iter().map(|row| row["calls"].as_u64().expect("a number")).sum::<u64>()
        };
        assert_eq!(sum("services"), calls, "{fixture}");
        assert_eq!(sum("processes"), calls, "{fixture}");
        let slices = report["timeline"]["slices"].as_array().expect("slices");
        let kinds =
            |slice: &Value| slice["calls"].as_array().expect("kinds").iter().filter_map(Value::as_u64).sum::<u64>();
        assert_eq!(slices.iter().map(kinds).sum::<u64>(), calls, "{fixture}");
        let direct: u64 = slices.iter().filter_map(|slice| slice["direct"].as_u64()).sum();
        assert_eq!(sum("direct"), direct, "{fixture}");
    }
}

#[test]
fn it_says_what_was_touched() {
    let files = json("win_files.exe");
    let file = row(&files, "files", "name", r"\??\C:\tg-files\a.txt");
    assert!(file["services"].as_array().expect("services").contains(&"NtCreateFile".into()));
    let keys = json("reg_nt.exe");
    assert!(!keys["registry"].as_array().expect("keys").is_empty());
    let direct = json("direct.exe");
    let place = &direct["direct"][0]["place"];
    assert!(place.as_str().expect("a place").starts_with("direct.exe+"), "{place}");
    let raised = json("seh_vectored.exe");
    let divide = row(&raised, "exceptions", "code", "C0000094 STATUS_INTEGER_DIVIDE_BY_ZERO");
    assert_eq!(divide["times"], 1);
}

#[test]
fn the_page_needs_nothing_else() {
    let page = report("seh_vectored.exe", "page.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert!(!page.contains("<script") && !page.contains("http") && !page.contains("src="));
    for part in ["Timeline", "Exceptions", "Calls by service", "Process 4096", "<svg"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_said_first() {
    let image = fixtures::images().join("hello.exe");
    let out =
        trapgate().args(["run", "--report", "/no/such/folder/x.html"]).arg(image).output().expect("trapgate starts");
    assert_eq!((out.status.code(), out.stdout.len()), (Some(2), 0));
    assert!(String::from_utf8_lossy(&out.stderr).starts_with("trapgate: /no/such/folder/x.html: "));
}
