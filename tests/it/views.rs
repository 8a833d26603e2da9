//! The pages that look at objects and handles. Names, targets and rights are those that WinObj, Process Explorer and
//! Microsoft's documentation show; `!trueref`'s arithmetic is what "The Case of the Bloated Reference Count" tells.

use std::cell::RefCell;
use std::rc::Rc;

use guest::{NtStatus, Profile};
use iced_x86::code_asm::*;
use serde_json::Value;
use trapgate::loader::Program;
use trapgate::trace::{CallEnd, CallStart, Observer, View};
use trapgate::view::{self, Paint, Snapshot};
use trapgate::{End, Machine};

use crate::direct::{Direct, OUT, PROCESS};
use crate::support::{config, trapgate, without_addresses};

const LOCK: &str = "\\Sessions\\1\\BaseNamedObjects\\Lock";
const OBJ_INHERIT: u32 = 2;

fn taken(d: &Direct) -> Snapshot {
    Snapshot::new(d.kernel.clone(), "in a test".into())
}

/// Two processes: the first owns a named mutant by an inherited and protected handle and has a nameless event, the
/// second may wait for the mutant.
fn two_processes() -> Direct {
    let mut d = Direct::new();
    let other = d.kernel.add_process("other.exe");
    let attributes = d.attributes(LOCK, OBJ_INHERIT, 0);
    let lock = d.handle("NtCreateMutant", &[0x1f_0001, attributes, 1]);
    d.write(OUT, &[1, 1]);
    assert_eq!(d.call("NtSetInformationObject", &[lock, 4, OUT, 2]), NtStatus::SUCCESS);
    d.handle("NtCreateEvent", &[0x10_0002, 0, 1, 1]);
    let attributes = d.attributes("", 0, 0);
    d.write_u64(attributes + 16, 0);
    d.write_u64(OUT, other.0.into());
    d.write_u64(OUT + 8, 0);
    let process = d.handle("NtOpenProcess", &[0x1f_ffff, attributes, OUT]);
    assert_eq!(d.call("NtDuplicateObject", &[PROCESS, lock, process, OUT, 0x10_0000, 0, 0]), NtStatus::SUCCESS);
    d
}

#[test]
fn handles_as_process_explorer_shows_them() {
    let snapshot = taken(&two_processes());
    let page = view::handles(&snapshot, false);
    insta::assert_snapshot!(without_addresses(&view::handles_text(&page, Paint::PLAIN)));
    let rows = serde_json::to_value(&page).expect("JSON")["rows"].clone();
    let lock = &rows[0];
    assert_eq!((&lock["handle"], &lock["type"], &lock["name"]), (&"0x4".into(), &"Mutant".into(), &LOCK.into()));
    assert_eq!((&lock["access"], &lock["decoded_access"]), (&"0x001f0001".into(), &"MUTANT_ALL_ACCESS".into()));
    assert_eq!(lock["attributes"], serde_json::json!(["inherit", "protect"]));
    assert_eq!(lock["handle_count"], 2);
    assert_eq!(rows[1]["decoded_access"], "SYNCHRONIZE|EVENT_MODIFY_STATE");
    assert_eq!((&rows[3]["process"], &rows[3]["decoded_access"]), (&"other.exe".into(), &"SYNCHRONIZE".into()));
}

#[test]
fn one_object_whole() {
    let snapshot = taken(&two_processes());
    let page = view::object(&snapshot, LOCK).expect("a mutant");
    insta::assert_snapshot!(without_addresses(&view::object_text(&page, Paint::PLAIN)));
    // Two handles and the name; from 8.1 on, a handle takes 7FFFh references at once, one of them its own.
    assert_eq!((page.handle_count, page.true_references), (2, 3));
    assert_eq!(page.pointer_count, page.true_references + page.in_store);
    assert!(page.in_store <= 2 * 0x7ffe && page.in_store >= 2 * 0x7ffe - 2, "{}", page.in_store);
    for what in [page.address.as_str(), "lock", &page.address[2..], "\\sessions\\1\\basenamedobjects\\LOCK"] {
        assert_eq!(view::object(&snapshot, what), Ok(page.clone()), "{what}");
    }
    let mut grave = page.address[2..].to_string();
    grave.insert(8, '`');
    assert_eq!(view::object(&snapshot, &grave), Ok(page.clone()));
    // Every page has the same address for it.
    let tree = view::objects(&snapshot, "\\Sessions\\1", 9).expect("a directory");
    let row = tree.rows.iter().find(|r| r.path == LOCK).expect("the mutant");
    assert_eq!((&row.address, row.pointer_count, row.permanent), (&page.address, page.pointer_count, false));
    let handles = view::handles(&snapshot, false);
    assert_eq!(handles.rows.iter().filter(|r| r.address == page.address).count(), 2);
    assert_eq!(handles.rows.iter().filter(|r| r.address == page.address).cloned().collect::<Vec<_>>(), page.handles);
    // What a handle names without a name is found by the address too.
    let event = handles.rows.iter().find(|r| r.kind == "Event").expect("an event");
    let event = view::object(&snapshot, &event.address).expect("the event");
    assert_eq!((event.name, event.flags), (None, vec!["temporary"]));
    assert_eq!(event.body, ["synchronization event, signalled"]);
}

#[test]
fn the_tree_as_winobj_shows_it() {
    let boot = Snapshot::boot(Profile::default_profile());
    let page = view::objects(&boot, "\\Sessions", 16).expect("a directory");
    insta::assert_snapshot!(without_addresses(&view::objects_text(&page, Paint::PLAIN)));
    let all = view::objects(&boot, "\\", 16).expect("the root");
    assert!(page.rows.iter().all(|row| all.rows.iter().any(|r| r.path == row.path && r.address == row.address)));
    for (path, kind, target) in [
        ("\\", "Directory", None),
        ("\\DosDevices", "SymbolicLink", Some("\\??")),
        ("\\ObjectTypes\\Mutant", "Type", None),
        ("\\KernelObjects\\LowMemoryCondition", "Event", None),
        ("\\KernelObjects\\CritSecOutOfMemoryEvent", "KeyedEvent", None),
        ("\\KnownDlls\\KnownDllPath", "SymbolicLink", Some("C:\\Windows\\System32")),
        ("\\Sessions\\BNOLINKS\\1", "SymbolicLink", Some("\\Sessions\\1\\BaseNamedObjects")),
    ] {
        let rows: Vec<_> = all.rows.iter().filter(|r| r.path == path).collect();
        let [row] = rows.as_slice() else { panic!("{path}: {rows:?}") };
        assert_eq!((row.kind, row.target.as_deref(), row.permanent), (kind, target, true), "{path}");
    }
    // A directory stands before what is in it, the names in order.
    let names: Vec<&str> = all.rows.iter().filter(|r| r.depth == 1).map(|r| r.name.as_str()).collect();
    assert!(names.is_sorted_by_key(|n| n.to_lowercase()), "{names:?}");
    let shallow = view::objects(&boot, "\\", 1).expect("the root");
    assert_eq!((shallow.rows.len(), all.not_shown), (names.len() + 1, 0));
    let full = names.iter().filter(|n| all.rows.iter().any(|r| r.path.starts_with(&format!("\\{n}\\"))));
    assert_eq!(shallow.not_shown, full.count());
    // A link leads to its directory.
    let session = view::objects(&boot, "\\Sessions\\1\\BaseNamedObjects\\Session", 1).expect("a link");
    assert_eq!(session.rows[0].path, "\\Sessions\\BNOLINKS");
}

/// A program that owns a mutant when it exits.
fn owner() -> Machine {
    let profile = Profile::default_profile();
    let number = |service| profile.number(service).expect("a number");
    let mut a = CodeAssembler::new(64).expect("a width");
    let mut write = || -> Result<(), iced_x86::IcedError> {
        a.sub(rsp, 0x48)?;
        a.lea(r10, qword_ptr(rsp + 0x40))?;
        a.mov(edx, 0x1f_0001)?;
        a.xor(r8d, r8d)?;
        a.mov(r9d, 1)?;
        a.mov(eax, number("NtCreateMutant"))?;
        a.syscall()?;
        a.or(r10, -1)?;
        a.xor(edx, edx)?;
        a.mov(eax, number("NtTerminateProcess"))?;
        a.syscall()?;
        a.hlt()
    };
    write().expect("code");
    let code = a.assemble(0).expect("code");
    Machine::new(&config(Program::Raw(guest::Arch::X64, code), "owner.bin")).expect("a machine")
}

fn mutant(snapshot: &Snapshot) -> Vec<String> {
    let rows = view::handles(snapshot, false).rows;
    let row = rows.iter().find(|r| r.kind == "Mutant").expect("a mutant");
    view::object(snapshot, &row.address).expect("the mutant").body
}

#[test]
fn a_finished_program_is_looked_at_before_its_handles_are_closed() {
    let mut machine = owner();
    let at_exit = Snapshot::at_end(&mut machine).expect("no engine failure");
    assert!(at_exit.moment.starts_with("at the process's exit call, NtTerminateProcess"), "{}", at_exit.moment);
    assert_eq!(mutant(&at_exit), ["owned by owner.bin (0x1000): 0x1004, signal state 0"]);
    // Afterwards it is abandoned, and the process has ended.
    let after = Snapshot::of(&machine);
    assert!(after.moment.starts_with("after the process's end"), "{}", after.moment);
    assert_eq!(mutant(&after), ["nobody owns it, signal state 1, abandoned"]);
    let process = |snapshot| view::object(snapshot, "fffffa80`01060000").expect("the process").body[0].clone();
    assert!(process(&at_exit).ends_with("4 handles, runs"), "{}", process(&at_exit));
    assert!(process(&after).ends_with("ended with 00000000"), "{}", process(&after));
}

/// Looks at the first call's end.
struct Midway(Rc<RefCell<Option<Snapshot>>>);

impl Observer for Midway {
    fn call_start(&mut self, _: &View<'_>, _: &CallStart<'_>) {}
    fn call_end(&mut self, view: &View<'_>, _: &CallEnd<'_>) {
        let snapshot = || Snapshot::new(view.kernel.clone(), "midway".into());
        self.0.borrow_mut().get_or_insert_with(snapshot);
    }
    fn end(&mut self, _: &View<'_>, _: &End, _: u64) {}
}

#[test]
fn a_running_and_a_stopped_machine() {
    let mut machine = owner();
    let before = Snapshot::of(&machine);
    assert_eq!(before.moment, "while the program runs, after 0 instructions");
    assert_eq!(
        view::handles(&before, false).rows.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(),
        ["console input", "console output", "console error"]
    );
    let seen = Rc::new(RefCell::new(None));
    machine.observe(Box::new(Midway(Rc::clone(&seen)))).expect("an observer");
    machine.run().expect("no engine failure");
    let midway = mutant(seen.borrow().as_ref().expect("a call"));
    assert_eq!(midway, ["owned by owner.bin (0x1000): 0x1004, signal state 0"]);
    // The CLI stops one.
    let out = run(&["handles", "--json", "--max-insns", "500", "@names_nt"]);
    let page: Value = serde_json::from_str(&out.1).expect("JSON");
    assert_eq!(page["moment"], "where the instructions it may run were used up, after 500 instructions");
    assert_eq!(page["processes"][0][1], "names_nt.exe");
}

/// Exit code, stdout, stderr; `@name` is a fixture's path.
fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let args = args.iter().map(|a| a.strip_prefix('@').map_or(a.into(), |f| fixtures::path(f).into_os_string()));
    let out = trapgate().args(args.collect::<Vec<std::ffi::OsString>>()).output().expect("trapgate starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

#[test]
fn the_commands_run_a_program_or_none() {
    let named = "\\BaseNamedObjects\\trapgate-nt";
    for args in
        [&["objects", "--json", "\\BaseNamedObjects", "--", "@names_nt"][..], &["objects", "--json", "@names_nt"]]
    {
        let (code, stdout, stderr) = run(args);
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        let page: Value = serde_json::from_str(&stdout).expect("JSON");
        let rows = page["rows"].as_array().expect("rows");
        let event = rows.iter().find(|r| r["path"] == named).expect("the program's event");
        assert_eq!(
            (&event["type"], &event["handle_count"], &event["permanent"]),
            (&"Event".into(), &1.into(), &false.into())
        );
    }
    assert!(!run(&["objects", "\\BaseNamedObjects"]).1.contains("trapgate-nt"), "not there at boot");
    let (code, stdout, _) = run(&["object", "--profile", "win7-sp1-x64", "trapgate-nt", "@names_nt"]);
    assert_eq!(code, Some(0));
    // Windows 7 takes no references ahead: the handle and the name.
    for part in [named, "pointer count  2\n", "EVENT_ALL_ACCESS", "names_nt.exe (0x1000)", "temporary"] {
        assert!(stdout.contains(part), "no {part} in\n{stdout}");
    }
    let page: Value = serde_json::from_str(&run(&["object", "--json", "\\ObjectTypes\\Event"]).1).expect("JSON");
    assert_eq!((&page["type"], &page["flags"][0]), (&"Type".into(), &"permanent".into()));
}

#[test]
fn what_is_not_there_is_said_in_a_line() {
    for (args, expected) in [
        (&["objects", "\\Nothing"][..], "no object is called \\Nothing: STATUS_OBJECT_NAME_NOT_FOUND"),
        (&["objects", "\\Nothing\\More"], "STATUS_OBJECT_PATH_NOT_FOUND"),
        (&["objects", "\\KernelObjects\\LowMemoryCondition"], "is no directory, its type is Event"),
        (&["objects", "nothing.exe"], "nothing.exe: "),
        (&["objects", "--profile", "win99", "\\"], "no profile is called win99"),
        (&["object", "0x123"], "no object is at 0x0000000000000123"),
        (&["object", "0xfffffa8002000031"], "no object is at 0xfffffa8002000031"),
        (&["object", "0x123456789012345678"], "no object is called 0x123456789012345678"),
        (&["object", ""], "no object is called"),
        (&["object", "Global"], "3 objects are called Global: \\GLOBAL??\\Global, \\BaseNamedObjects\\Global, "),
        (&["object", "a\nb"], "no object is called a\\nb"),
        (&["handles", "nothing.exe"], "nothing.exe: "),
        (&["handles", "--html", "/nowhere/page.html", "@hello"], "/nowhere/page.html: "),
    ] {
        let (code, stdout, stderr) = run(args);
        assert_eq!((code, stdout.as_str(), stderr.lines().count()), (Some(2), "", 1), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
    }
    assert_eq!(run(&["handles"]).0, Some(2));
    assert_eq!(run(&["objects", "--json", "--html", "x.html"]).0, Some(2));
}

/// Every tag is closed, in order; nothing comes from elsewhere.
pub fn assert_page(html: &str) {
    let body = html.strip_prefix("<!DOCTYPE html>\n").expect("a document type");
    let mut open: Vec<&str> = Vec::new();
    for (before, tag) in body
        .split('<')
        .skip(1)
        .map(|piece| piece.split_once('>').expect("a whole tag"))
        .map(|(tag, after)| (after, tag))
    {
        assert!(!before.contains('>'), "a loose > after <{tag}>");
        let name = tag.split([' ', '/']).find(|n| !n.is_empty()).expect("a name");
        match (tag.starts_with('/'), tag.ends_with('/')) {
            (true, _) => assert_eq!(open.pop(), Some(name), "</{name}>"),
            (false, true) => {}
            (false, false) => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    // An ampersand begins an entity.
    assert!(html.split('&').skip(1).all(|rest| ["amp;", "lt;", "gt;", "quot;"].iter().any(|e| rest.starts_with(e))));
    for elsewhere in ["http", "<script", "src=", "href=", "url(", "@import", "<link", "<img", "<iframe"] {
        assert!(!html.contains(elsewhere), "{elsewhere}");
    }
    assert!(html.contains("color-scheme:light dark") && html.len() < 64 << 10, "{} bytes", html.len());
}

#[test]
fn pages_for_browsers_need_nothing_else() {
    let mut d = two_processes();
    let evil = "\\<script src='x'>&\"\n\u{1b}[31m";
    let attributes = d.attributes(evil, 0, 0);
    let handle = d.handle("NtCreateEvent", &[0x1f_0003, attributes, 0, 0]);
    let snapshot = taken(&d);
    let tree = view::objects(&snapshot, "\\", 16).expect("the root");
    let tables = view::handles(&snapshot, false);
    let row = tables.rows.iter().find(|r| r.handle == format!("{handle:#x}")).expect("the handle");
    assert_eq!(row.name, "\\<script src='x'>&\"\\n\\u{1b}[31m", "control characters do not reach a terminal");
    let one = view::object(&snapshot, &row.address).expect("the event");
    for html in [view::objects_html(&tree), view::handles_html(&tables), view::object_html(&one)] {
        let shown = "&lt;script src='x'&gt;&amp;&quot;";
        assert!(html.contains(shown), "{html}");
        assert_page(&html.replace(shown, ""));
    }
    let file = std::env::temp_dir().join(format!("trapgate-{}-handles.html", std::process::id()));
    let (code, stdout, stderr) = run(&["handles", "--html", &file.display().to_string(), "@hello"]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", ""));
    let html = std::fs::read_to_string(&file).expect("the page");
    std::fs::remove_file(&file).expect("the page");
    assert!(html.contains("hello.exe (0x1000), 3 handles") && html.contains("FILE_GENERIC_READ"), "{html}");
    assert_page(&html);
}

/// What an object has audited stands on its page.
#[test]
fn audits_stand_on_the_objects_page() {
    use kernel_model::se::{AuditPolicy, SecurityDescriptor};
    let mut d = Direct::new();
    d.kernel.se.audits.policy = AuditPolicy { object_access: true, privilege_use: false };
    let attributes = d.attributes("\\BaseNamedObjects\\Audited", 0, 0);
    let handle = d.handle("NtCreateEvent", &[0x1f_0003, attributes, 0, 0]);
    let id = d.kernel.ps.process.handles.get(guest::Handle(handle)).expect("the event").object;
    let security = SecurityDescriptor::from_sddl("O:SYG:SYD:(A;;0x1f0003;;;WD)S:(AU;SA;0x2;;;WD)").expect("SDDL");
    d.kernel.ob.get_mut(id).expect("the event").security = Some(std::sync::Arc::new(security));
    d.handle("NtOpenEvent", &[2, attributes]);
    let page = view::object(&taken(&d), "\\BaseNamedObjects\\Audited").expect("an object");
    let name = "Security Event \\BaseNamedObjects\\Audited";
    let user = "S-1-5-21-1004336348-1177238915-682003330-1001";
    assert_eq!(page.audits, [format!("4656 open {name} by {user}, EVENT_MODIFY_STATE: allowed, logged")]);
}
