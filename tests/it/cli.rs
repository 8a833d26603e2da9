//! The command line as a user meets it.

use serde_json::Value;

use crate::support::trapgate;

struct Output {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(args: &[&str]) -> Output {
    let args = args.iter().map(|a| a.strip_prefix('@').map_or(a.into(), |f| fixtures::path(f).into_os_string()));
    let output = trapgate().args(args.collect::<Vec<std::ffi::OsString>>()).output().expect("trapgate starts");
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn run_keeps_the_guests_words_apart_from_ours() {
    let out = run(&["run", "@hello"]);
    let expected = fixtures::get("hello").and_then(|f| f.stdout).expect("the expected text");
    assert_eq!((out.code, out.stdout.as_str()), (Some(0), expected));
    assert_eq!(out.stderr.lines().count(), 1, "{}", out.stderr);
    assert!(out.stderr.contains("instructions") && out.stderr.contains("NtWriteFile"), "{}", out.stderr);
    assert!(!out.stderr.contains('\x1b'), "no colour without a terminal");
    assert!(run(&["run", "--quiet", "@hello"]).stderr.is_empty());
}

#[test]
fn exit_codes() {
    assert_eq!(run(&["run", "@exitcode"]).code, Some(42));
    assert_eq!(run(&["run", "@retentry"]).code, Some(43));
    assert_eq!(run(&["run", "--raw", "x64", "@raw_ret"]).code, Some(7));
    assert_eq!(run(&["run", "--max-insns", "1000", "@loop"]).code, Some(124));
    assert_eq!(run(&["run", "@deadlock"]).code, Some(125));
    assert_eq!(run(&["run", "--strict", "@notimpl"]).code, Some(126));
    let crash = run(&["run", "@crash"]);
    assert_eq!(crash.code, Some(139));
    for part in ["C0000005", "STATUS_ACCESS_VIOLATION", "crash.exe+0x", "writing 0x0", "rip=", "rax="] {
        assert!(crash.stderr.contains(part), "no {part} in {}", crash.stderr);
    }
}

#[test]
fn arguments_reach_the_program() {
    let out = run(&["run", "@args", "one", "two words", "3"]);
    assert_eq!(Some(out.stdout.as_str()), fixtures::get("args").and_then(|f| f.stdout));
}

#[test]
fn json_lines_have_the_documented_fields() {
    let file = std::env::temp_dir().join(format!("trapgate-{}-trace.jsonl", std::process::id()));
    let path = file.display().to_string();
    let out = run(&["trace", "--regs", "--format", "jsonl", "-o", &path, "@hello"]);
    assert_eq!(out.code, Some(0), "{}", out.stderr);
    let text = std::fs::read_to_string(&file).expect("the trace");
    std::fs::remove_file(&file).expect("the trace");
    let mut seq = 0;
    for line in text.lines() {
        let call: Value = serde_json::from_str(line).expect("JSON");
        seq += 1;
        assert_eq!((&call["seq"], &call["v"], &call["kind"]), (&seq.into(), &1.into(), &"call".into()));
        for field in ["pid", "tid", "insns"] {
            assert!(call[field].is_u64(), "{field} in {line}");
        }
        for field in ["service", "number", "table", "gate", "rip"] {
            assert!(call[field].is_string(), "{field} in {line}");
        }
        for arg in call["args"].as_array().expect("arguments") {
            assert!(arg["name"].is_string() && arg["type"].is_string() && arg["value"].is_string(), "{arg}");
            assert!(arg.get("decoded").is_some(), "{arg}");
        }
        let before = call["before"].as_object().expect("registers before");
        assert_eq!(before.len(), 18 + 16);
        let ends = call["status"].is_null();
        assert_eq!(call["after"].is_null(), ends, "{line}");
        assert_eq!(call["status_name"].is_null(), ends);
    }
    assert!(seq >= 3);
}

#[test]
fn chrome_traces_are_json() {
    let file = std::env::temp_dir().join(format!("trapgate-{}-trace.json", std::process::id()));
    let path = file.display().to_string();
    run(&["trace", "--format", "chrome", "-o", &path, "@hello"]);
    let text = std::fs::read_to_string(&file).expect("the trace");
    std::fs::remove_file(&file).expect("the trace");
    let value: Value = serde_json::from_str(&text).expect("JSON");
    let events = value["traceEvents"].as_array().expect("events");
    assert!(events.len() >= 3 && events.iter().all(|e| e["ph"] == "X" && e["ts"].is_number()));
}

#[test]
fn a_filter_leaves_the_others_out() {
    let all = run(&["trace", "--quiet", "@events"]).stderr;
    let some = run(&["trace", "--quiet", "--filter", "ntsetevent,NtClose", "@events"]).stderr;
    let wanted = all.lines().filter(|l| l.contains("NtSetEvent(") || l.contains("NtClose(")).collect::<Vec<_>>();
    assert!(!wanted.is_empty() && wanted.len() < all.lines().count());
    assert_eq!(some.lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn instructions_are_listed_with_what_they_change() {
    let out = run(&["trace", "--quiet", "--insns", "--raw", "x64", "@raw_ret"]).stderr;
    let mov = out.lines().find(|l| l.contains("raw_ret.bin+0x0")).expect("the first instruction");
    assert!(mov.contains("mov eax,7") && mov.contains("rax=0x7"), "{mov}");
    assert!(out.contains("syscall") && out.contains("NtTerminateProcess"), "{out}");
}

#[test]
fn stubs_and_ssdt_as_text_and_json() {
    let out = run(&["stubs", "NtClose", "ZwCreateEvent"]).stdout;
    assert!(out.contains("NtClose  service 0xf") && out.contains("0f05") && out.contains("syscall"), "{out}");
    let json: Value = serde_json::from_str(&run(&["stubs", "--json"]).stdout).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(473));
    assert_eq!(run(&["stubs", "NtNoSuchThing"]).code, Some(2));
    let rows: Value = serde_json::from_str(&run(&["ssdt", "--json"]).stdout).expect("JSON");
    let rows = rows.as_array().expect("rows");
    assert_eq!(rows.len(), 473 + 1316);
    let close = rows.iter().find(|r| r["name"] == "NtClose").expect("a row");
    assert_eq!((&close["number"], &close["args"], &close["support"]), (&15.into(), &1.into(), &"full".into()));
    let text = run(&["ssdt"]).stdout;
    assert!(text.lines().count() == 473 + 1316 + 2 && text.contains("NtUserGetMessage"));
}

#[test]
fn the_flow_shows_every_station() {
    let out = run(&["flow", "@hello", "NtCreateEvent"]);
    assert_eq!(out.code, Some(0), "{}", out.stderr);
    let stations =
        ["hello.exe (program)", "ntdll!NtCreateEvent (stub)", "0f05", "ring 3 to ring 0", "KiServiceTable row 0x48"];
    for part in stations.into_iter().chain(["NtCreateEvent in Rust", "sysretq", "STATUS_SUCCESS in eax"]) {
        assert!(out.stdout.contains(part), "no {part} in\n{}", out.stdout);
    }
    assert_eq!(run(&["flow", "@hello", "NtShutdownSystem"]).code, Some(2));
    assert_eq!(run(&["flow", "@hello", "NtNoSuchThing"]).code, Some(2));
}

/// Ctrl-C: the summary is there all the same, and the exit code says what it was.
#[test]
#[cfg(unix)]
fn an_interrupted_run_ends_with_its_summary() {
    use std::io::{BufRead, BufReader, Read};
    let program = std::env::temp_dir().join(format!("trapgate-endless-{}.bin", std::process::id()));
    // mov eax, 46h; syscall (NtYieldExecution on Windows 10): it is heard of in the trace. Then a jump to itself.
    std::fs::write(&program, [0xb8, 0x46, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xfe]).expect("a temporary file");
    let mut child = trapgate()
        .args(["trace", "--raw", "x64"])
        .arg(&program)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("trapgate starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut first = String::new();
    while !first.contains("NtYieldExecution") {
        first.clear();
        assert!(stderr.read_line(&mut first).expect("a line") > 0, "it is never called");
    }
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(status.success());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("the rest");
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{rest}");
    std::fs::remove_file(&program).expect("the file");
    assert!(rest.contains("stopped by Ctrl-C") && rest.contains("instructions"), "{rest}");
}
