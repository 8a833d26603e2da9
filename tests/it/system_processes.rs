//! The processes that a machine has at boot, what their protection and their end do, and the services that list and ask.
//! Expected values are those of Microsoft's documentation (process rights, bug checks EFh and F4h, information classes)
//! and the structures' layouts as phnt has them.

use guest::bugcheck::BugCheckCode;
use guest::{NtStatus as S, Profile};
use kernel_model::Answer;
use kernel_model::packages::LogOn;
use kernel_model::ps::BugCheck;
use kernel_model::se::{Account, Privilege};
use trapgate::machine::Dispatch;
use trapgate::view::{self, Paint, Snapshot};
use trapgate::{End, Machine};

use crate::direct::{DATA, Direct, HANDLE, OUT, PROCESS, THREAD};
use crate::support::{fixture_config, trapgate};
use crate::views::assert_page;

const LENGTH: u64 = DATA + 0x100;
const LIST: u64 = DATA + 0x4000;
const LIST_SIZE: u64 = 0x1_0000;

fn on(profile: &str) -> Direct {
    Direct::with(Profile::by_name(profile).expect("a profile"))
}

fn open(d: &mut Direct, id: u64, access: u64) -> (S, u64) {
    let attributes = d.attributes("", 0, 0);
    d.write_u64(attributes + 16, 0);
    d.write_u64(OUT, id);
    d.write_u64(OUT + 8, 0);
    let status = d.call("NtOpenProcess", &[HANDLE, access, attributes, OUT]);
    (status, d.u64(HANDLE))
}

/// The id of the first process with an image.
fn pid(d: &Direct, image: &str) -> u64 {
    d.kernel.ps.iter().filter(|p| p.image == image).map(|p| p.id.0).min().expect("the process").into()
}

fn bug_check(answer: Answer) -> BugCheck {
    match answer {
        Answer::BugCheck(found) => *found,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_version_has_its_tree() {
    let shown = |profile: &str| {
        let page = view::processes(&Snapshot::boot(Profile::by_name(profile).expect("a profile")));
        view::processes_text(&page, Paint::PLAIN)
    };
    insta::assert_snapshot!(shown("win10-22h2-x64"));
    insta::assert_snapshot!(shown("xp-sp3-x86"));
    let seven = shown("win7-sp1-x64");
    assert!(seven.contains("lsm.exe") && !seven.contains("Registry") && !seven.contains("PPL"), "{seven}");
}

#[test]
fn pages_for_browsers() {
    let snapshot = Snapshot::boot(Profile::default_profile());
    let (tree, threads) = (view::processes(&snapshot), view::threads(&snapshot));
    let html = view::processes_html(&tree);
    assert_page(&html);
    assert!(tree.rows.iter().all(|row| html.contains(&row.image)), "{html}");
    let html = view::threads_html(&threads);
    assert_page(&html);
    assert!(html.contains("nt!KeBalanceSetManager") && html.contains("<h2>lsass.exe (696), 8 threads</h2>"));
}

#[test]
fn every_profile_boots_and_holds_its_invariants() {
    for profile in Profile::all() {
        let d = Direct::with(profile);
        d.kernel.check_invariants().unwrap_or_else(|e| panic!("{}: {e}", profile.name));
        let ps = &d.kernel.ps;
        assert!(ps.iter().all(|p| p.id.0.is_multiple_of(4)), "{}", profile.name);
        assert!(ps.threads().all(|t| ps.get(t.process).is_some()), "{}", profile.name);
        assert_eq!((ps.process.id.0, ps.thread.id.0), (0x1000, 0x1004), "the program's ids stay");
        assert_eq!(ps.get(ps.process.parent).map(|p| p.about.booted), Some(true), "its parent is the shell");
    }
}

#[test]
fn who_may_open_which() {
    let mut d = Direct::new();
    assert_eq!(open(&mut d, 0, 0x1000).0, S::INVALID_CID, "Idle has no id that leads to it");
    let [lsass, csrss, explorer] = ["lsass.exe", "csrss.exe", "explorer.exe"].map(|image| pid(&d, image));
    for id in [4, lsass, csrss] {
        assert_eq!(open(&mut d, id, 0x1000).0, S::ACCESS_DENIED, "{id:#x} without SeDebugPrivilege");
    }
    assert_eq!(open(&mut d, explorer, 0x1f_ffff).0, S::SUCCESS, "the user's own");
    d.kernel.hold(Privilege::DEBUG);
    assert_eq!(open(&mut d, lsass, 0x1f_ffff).0, S::SUCCESS, "not protected");
    // PROCESS_QUERY_LIMITED_INFORMATION and SYNCHRONIZE; not PROCESS_TERMINATE, PROCESS_VM_READ.
    for id in [4, csrss] {
        assert_eq!(open(&mut d, id, 0x10_1000).0, S::SUCCESS, "{id:#x}");
        assert_eq!(open(&mut d, id, 0x1).0, S::ACCESS_DENIED, "{id:#x}");
        assert_eq!(open(&mut d, id, 0x10).0, S::ACCESS_DENIED, "{id:#x}");
    }
    let mut d = on("win7-sp1-x64");
    d.kernel.hold(Privilege::DEBUG);
    let csrss = pid(&d, "csrss.exe");
    assert_eq!(open(&mut d, csrss, 0x1f_ffff).0, S::SUCCESS, "nothing but System is protected before 8.1");
}

#[test]
fn there_is_nothing_in_their_memory() {
    let mut d = Direct::new();
    d.kernel.hold(Privilege::DEBUG);
    let lsass = pid(&d, "lsass.exe");
    let (_, process) = open(&mut d, lsass, 0x1f_ffff);
    d.write_u64(LENGTH, 77);
    assert_eq!(d.call("NtReadVirtualMemory", &[process, 0x7ff6_0000_0000, OUT, 16, LENGTH]), S::PARTIAL_COPY);
    assert_eq!(d.u64(LENGTH), 0);
    assert_eq!(d.call("NtWriteVirtualMemory", &[process, 0x1_0000, OUT, 16, LENGTH]), S::PARTIAL_COPY);
}

#[test]
fn the_end_of_a_critical_process_is_the_machine_s() {
    let mut d = Direct::new();
    d.kernel.hold(Privilege::DEBUG);
    // The svchost with DcomLaunch.
    let svchost = pid(&d, "svchost.exe");
    let (status, process) = open(&mut d, svchost, 1);
    assert_eq!(status, S::SUCCESS);
    let object = d.kernel.ps.by_unique_id(svchost).map(|p| d.kernel.address_of(p.object)).expect("the process");
    let found = bug_check(d.answer("NtTerminateProcess", &[process, 0]));
    assert_eq!((found.code, found.parameters), (BugCheckCode::CRITICAL_PROCESS_DIED, [object, 0, 0, 0]));
    let mut d = on("win7-sp1-x64");
    d.kernel.hold(Privilege::DEBUG);
    let csrss = pid(&d, "csrss.exe");
    let (_, process) = open(&mut d, csrss, 1);
    let object = d.kernel.ps.by_unique_id(csrss).map(|p| d.kernel.address_of(p.object)).expect("the process");
    let name = d.kernel.profile.layout_for(guest::Arch::X64).offset("EPROCESS", "ImageFileName").expect("a field");
    let found = bug_check(d.answer("NtTerminateProcess", &[process, 0]));
    assert_eq!(found.code, BugCheckCode::CRITICAL_OBJECT_TERMINATION);
    assert_eq!(found.parameters[..3], [3, object, object + name]);
    // One that is not critical just ends, and is not listed any more.
    let mut d = Direct::new();
    d.kernel.hold(Privilege::DEBUG);
    let spooler = pid(&d, "spoolsv.exe");
    let (_, process) = open(&mut d, spooler, 0x1f_ffff);
    assert_eq!(d.call("NtTerminateProcess", &[process, 0]), S::SUCCESS);
    assert!(!list(&mut d, 5).iter().any(|p| p.id == spooler));
}

#[test]
fn critical_needs_the_privilege() {
    let mut d = Direct::new();
    d.write_u64(OUT, 1);
    for (service, object, class) in [("NtSetInformationProcess", PROCESS, 29), ("NtSetInformationThread", THREAD, 18)] {
        assert_eq!(d.call(service, &[object, class, OUT, 8]), S::INFO_LENGTH_MISMATCH);
        assert_eq!(d.call(service, &[object, class, OUT, 4]), S::PRIVILEGE_NOT_HELD);
    }
    d.kernel.hold(Privilege::DEBUG);
    assert_eq!(d.call("NtSetInformationProcess", &[PROCESS, 29, OUT, 4]), S::SUCCESS);
    assert_eq!(d.call("NtQueryInformationProcess", &[PROCESS, 29, OUT + 8, 4, 0]), S::SUCCESS);
    assert_eq!(d.u32(OUT + 8), 1);
    let mut thread = d.clone();
    let process = d.kernel.address_of(d.kernel.ps.process.object);
    assert_eq!(bug_check(d.answer("NtTerminateProcess", &[PROCESS, 0])).parameters, [process, 0, 0, 0]);
    // A critical thread of a process that is not.
    thread.write_u64(OUT, 0);
    assert_eq!(thread.call("NtSetInformationProcess", &[PROCESS, 29, OUT, 4]), S::SUCCESS);
    thread.write_u64(OUT, 1);
    assert_eq!(thread.call("NtSetInformationThread", &[THREAD, 18, OUT, 4]), S::SUCCESS);
    let object = thread.kernel.address_of(thread.kernel.ps.thread.object);
    let found = bug_check(thread.answer("NtTerminateThread", &[THREAD, 0]));
    assert_eq!(found.parameters, [object, 1, 0, 0]);
}

#[test]
fn a_critical_program_ends_the_machine_in_both_dispatches() {
    for dispatch in [Dispatch::Direct, Dispatch::Kernel] {
        let mut config = fixture_config(fixtures::get("critical").expect("a fixture"));
        config.dispatch = dispatch;
        config.user = LogOn::Account(Account::LocalSystem);
        let mut machine = Machine::new(&config).expect("a machine");
        let end = machine.run().expect("no engine failure");
        let End::BugCheck(found) = &end else { panic!("{dispatch:?}: {end:?}") };
        assert_eq!((found.code.0, found.parameters[1], end.exit_code()), (0xef, 0, 3), "{dispatch:?}");
        let said = String::from_utf8_lossy(&machine.captured().expect("captured").stdout).into_owned();
        assert!(said.contains("set: 00000000") && said.contains("critical: 1"), "{said}");
        // Without the privilege it only exits.
        config.user = LogOn::default();
        let mut machine = Machine::new(&config).expect("a machine");
        assert_eq!(machine.run().expect("no engine failure"), End::Exit(S::SUCCESS), "{dispatch:?}");
    }
}

/// An entry of the list of processes.
struct Listed {
    id: u64,
    parent: u64,
    session: u32,
    name: String,
    threads: Vec<(u64, u32, u32)>,
}

fn list(d: &mut Direct, class: u64) -> Vec<Listed> {
    assert_eq!(d.call("NtQuerySystemInformation", &[class, LIST, LIST_SIZE, LENGTH]), S::SUCCESS);
    let (mut at, mut all) = (LIST, Vec::new());
    let step = if class == 57 { 0x88 } else { 0x50 };
    loop {
        let (next, threads) = (u64::from(d.u32(at)), u64::from(d.u32(at + 4)));
        let thread = |n: u64| at + 0x100 + n * step;
        all.push(Listed {
            id: d.u64(at + 0x50),
            parent: d.u64(at + 0x58),
            session: d.u32(at + 0x64),
            name: if d.u64(at + 0x40) == 0 { String::new() } else { d.string(at + 0x38) },
            threads: (0..threads)
                .map(|n| (d.u64(thread(n) + 0x30), d.u32(thread(n) + 0x44), d.u32(thread(n) + 0x48)))
                .collect(),
        });
        if next == 0 {
            return all;
        }
        at += next;
    }
}

#[test]
fn the_list_of_processes() {
    let mut d = Direct::new();
    assert_eq!(d.call("NtQuerySystemInformation", &[5, LIST, 0x100, LENGTH]), S::INFO_LENGTH_MISMATCH);
    let needed = u64::from(d.u32(LENGTH));
    assert_eq!(d.call("NtQuerySystemInformation", &[5, LIST, needed - 1, LENGTH]), S::INFO_LENGTH_MISMATCH);
    assert_eq!(d.call("NtQuerySystemInformation", &[5, LIST, needed, LENGTH]), S::SUCCESS);
    for class in [5, 57] {
        let all = list(&mut d, class);
        assert_eq!((all[0].id, all[0].name.as_str(), all[1].id, all[1].name.as_str()), (0, "", 4, "System"));
        let own = all.last().expect("the program");
        assert_eq!((own.id, own.parent, own.session, own.name.as_str()), (0x1000, 0xf00, 1, "direct.exe"));
        // It runs; the others wait, in reasons that wdm.h has.
        assert_eq!(own.threads, [(0x1004, 2, 0)]);
        let others = all[1..all.len() - 1].iter().flat_map(|p| &p.threads);
        assert!(others.clone().all(|t| t.1 == 5 && t.2 < 39), "state 5 is Waiting");
        assert_eq!(all.len(), d.kernel.ps.iter().count());
        assert_eq!(others.count() + 2, d.kernel.ps.threads().count());
    }
    // Those of one session, by a second buffer.
    for (session, image) in [(1u32, "winlogon.exe"), (0, "services.exe")] {
        d.write(OUT, &[session.to_le_bytes(), (LIST_SIZE as u32).to_le_bytes()].concat());
        d.write_u64(OUT + 8, LIST);
        assert_eq!(d.call("NtQuerySystemInformation", &[53, OUT, 16, LENGTH]), S::SUCCESS);
        assert_eq!(d.u32(LIST + 0x64), session);
        let wanted: Vec<u8> = image.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(d.read(LIST, LIST_SIZE as usize).windows(wanted.len()).any(|w| w == wanted), "{image}");
    }
}

#[test]
fn handles_modules_and_what_low_integrity_is_not_told() {
    let mut d = Direct::new();
    let event = d.handle("NtCreateEvent", &[0x1f_0003, 0, 0, 0]);
    let object = d.kernel.ps.process.handles.get(guest::Handle(event)).expect("the handle").object;
    let address = d.kernel.address_of(object);
    assert_eq!(d.call("NtQuerySystemInformation", &[64, LIST, LIST_SIZE, LENGTH]), S::SUCCESS);
    let rows: Vec<u64> = (0..d.u64(LIST)).map(|n| LIST + 16 + n * 0x28).collect();
    let own: Vec<u64> = rows.iter().copied().filter(|&at| d.u64(at + 8) == 0x1000).collect();
    assert_eq!(
        own.iter().map(|&at| (d.u64(at), d.u64(at + 16), d.u32(at + 24))).collect::<Vec<_>>(),
        [(address, event, 0x1f_0003)]
    );
    assert_eq!(d.u32(own[0] + 28) >> 16, 16, "the index of Event");
    assert_eq!(d.call("NtQuerySystemInformation", &[16, LIST, LIST_SIZE, LENGTH]), S::SUCCESS);
    assert_eq!(u64::from(d.u32(LENGTH)), 8 + 24 * rows.len() as u64);
    assert_eq!(d.call("NtQuerySystemInformation", &[11, LIST, LIST_SIZE, LENGTH]), S::SUCCESS);
    let name = usize::from(d.u32(LIST + 8 + 0x24).to_le_bytes()[2]);
    assert_eq!(d.u64(LIST + 8 + 0x10), 0xffff_f800_02c0_0000);
    assert!(d.read(LIST + 8 + 0x28 + name as u64, 13).starts_with(b"ntoskrnl.exe\0"));
    assert_eq!(d.call("NtQuerySystemInformation", &[17, LIST, LIST_SIZE, LENGTH]), S::UNSUCCESSFUL);
    // From 24H2 on only SeDebugPrivilege shows addresses.
    let mut d = on("win11-24h2-x64");
    for expected in [0, 0xffff_f800_02c0_0000] {
        assert_eq!(d.call("NtQuerySystemInformation", &[11, LIST, LIST_SIZE, LENGTH]), S::SUCCESS);
        assert_eq!(d.u64(LIST + 8 + 0x10), expected);
        d.kernel.hold(Privilege::DEBUG);
    }
}

#[test]
fn simple_classes_have_their_lengths() {
    let mut d = Direct::new();
    let limits =
        |d: &mut Direct, class: u64, length: u64| d.call("NtQuerySystemInformation", &[class, OUT, length, LENGTH]);
    for (class, length) in
        [(0, 64), (1, 12), (2, 344), (8, 48), (9, 4), (28, 12), (33, 16), (35, 2), (44, 172), (50, 8)]
    {
        assert_eq!(limits(&mut d, class, 0), S::INFO_LENGTH_MISMATCH, "class {class}");
        assert_eq!(d.u32(LENGTH), length as u32, "class {class}");
        assert_eq!(limits(&mut d, class, length), S::SUCCESS, "class {class}");
    }
    assert_eq!(limits(&mut d, 3, 49), S::INFO_LENGTH_MISMATCH, "SYSTEM_TIMEOFDAY_INFORMATION may be cut, not longer");
    assert_eq!((limits(&mut d, 3, 16), limits(&mut d, 35, 2)), (S::SUCCESS, S::SUCCESS));
    assert_eq!(d.read(OUT, 2), [0, 1], "no kernel debugger");
    d.write_u64(OUT, 8);
    assert_eq!(limits(&mut d, 103, 8), S::SUCCESS);
    assert_eq!(d.u32(OUT + 4), 1, "CODEINTEGRITY_OPTION_ENABLED");
    d.write_u64(OUT, 7);
    assert_eq!(limits(&mut d, 103, 8), S::INFO_LENGTH_MISMATCH);
    assert_eq!(limits(&mut d, 0x1000, 8), S::INVALID_INFO_CLASS);
    assert_eq!(on("win7-sp1-x64").call("NtQuerySystemInformation", &[165, OUT, 16, 0]), S::INVALID_INFO_CLASS);
}

#[test]
fn what_is_asked_of_a_process() {
    let mut d = Direct::new();
    let ask = |d: &mut Direct, class: u64, length: u64| {
        d.call("NtQueryInformationProcess", &[PROCESS, class, OUT, length, LENGTH])
    };
    for (class, length) in [
        (0, 0x30),
        (1, 0x30),
        (1, 0x58),
        (2, 0x30),
        (3, 0x58),
        (3, 0x60),
        (4, 0x20),
        (7, 8),
        (12, 4),
        (14, 0x38),
        (18, 2),
        (20, 4),
        (21, 16),
        (22, 4),
        (24, 4),
        (26, 8),
        (29, 4),
        (31, 4),
        (33, 4),
        (34, 4),
        (36, 4),
        (37, 0x40),
        (38, 16),
        (39, 4),
        (61, 1),
        (75, 4),
    ] {
        assert_eq!(ask(&mut d, class, length + 1), S::INFO_LENGTH_MISMATCH, "class {class}");
        assert_eq!(ask(&mut d, class, length), S::SUCCESS, "class {class}");
        assert_eq!(u64::from(d.u32(LENGTH)), length, "class {class}");
    }
    assert_eq!(ask(&mut d, 30, 8), S::PORT_NOT_SET);
    assert_eq!(ask(&mut d, 5, 4), S::INVALID_INFO_CLASS, "it can only be set");
    // The extended form: its size is to be filled in.
    d.write_u64(OUT, 0x40);
    assert_eq!(ask(&mut d, 0, 0x40), S::SUCCESS);
    assert_eq!((d.u64(OUT), d.u64(OUT + 8 + 0x20), d.u64(OUT + 8 + 0x28)), (0x40, 0x1000, 0xf00));
    d.write_u64(OUT, 0x30);
    assert_eq!(ask(&mut d, 0, 0x40), S::INVALID_PARAMETER);
    // Texts tell what they need.
    d.kernel.ps.process.about.path = "\\Device\\HarddiskVolume1\\a.exe".into();
    assert_eq!(ask(&mut d, 27, 8), S::INFO_LENGTH_MISMATCH);
    assert_eq!(d.u32(LENGTH), 16 + 2 * 30);
    assert_eq!(ask(&mut d, 27, 0x100), S::SUCCESS);
    assert_eq!(d.string(OUT), "\\Device\\HarddiskVolume1\\a.exe");
    assert_eq!(ask(&mut d, 43, 0x100), S::SUCCESS);
    assert_eq!(d.string(OUT), "C:\\a.exe");
    // The cookie is for the process itself.
    let (_, own) = open(&mut d, 0x1000, 0x1f_ffff);
    assert_eq!(d.call("NtQueryInformationProcess", &[own, 36, OUT, 4, 0]), S::INVALID_PARAMETER);
    // What others' protection says: csrss, limited.
    d.kernel.hold(Privilege::DEBUG);
    let csrss = pid(&d, "csrss.exe");
    let (_, csrss) = open(&mut d, csrss, 0x1000);
    assert_eq!(d.call("NtQueryInformationProcess", &[csrss, 61, OUT, 1, 0]), S::SUCCESS);
    assert_eq!(d.read(OUT, 1), [0x61], "PPL-WinTcb");
    assert_eq!(d.call("NtQueryInformationProcess", &[csrss, 29, OUT, 4, 0]), S::ACCESS_DENIED);
    assert_eq!(on("win7-sp1-x64").call("NtQueryInformationProcess", &[PROCESS, 61, OUT, 1, 0]), S::INVALID_INFO_CLASS);
}

#[test]
fn what_is_set_of_a_process_and_a_thread() {
    let mut d = Direct::new();
    let set = |d: &mut Direct, class: u64, value: u64, length: u64| {
        d.write_u64(OUT, value);
        d.call("NtSetInformationProcess", &[PROCESS, class, OUT, length])
    };
    // PROCESS_PRIORITY_CLASS: high; none; realtime without the privilege.
    assert_eq!(set(&mut d, 18, 0x300, 2), S::SUCCESS);
    assert_eq!(d.kernel.ps.process.about.base_priority, 13);
    assert_eq!(set(&mut d, 18, 0, 2), S::INVALID_PARAMETER);
    assert_eq!(set(&mut d, 18, 0x700, 2), S::INVALID_PARAMETER);
    assert_eq!(set(&mut d, 18, 0x400, 2), S::PRIVILEGE_NOT_HELD);
    assert_eq!((set(&mut d, 21, 2, 8), set(&mut d, 21, 1, 8)), (S::INVALID_PARAMETER, S::SUCCESS));
    assert_eq!((set(&mut d, 34, 1, 4), set(&mut d, 34, 3, 4)), (S::ACCESS_DENIED, S::INVALID_PARAMETER));
    assert_eq!(set(&mut d, 27, 0, 8), S::INVALID_INFO_CLASS);
    assert_eq!(set(&mut d, 12, 5, 4), S::SUCCESS);
    assert_eq!(d.call("NtQueryInformationProcess", &[PROCESS, 12, OUT, 4, 0]), S::SUCCESS);
    assert_eq!(d.u32(OUT), 5);
    assert_eq!(set(&mut d, 18, 0x200, 2), S::SUCCESS);
    let thread = |d: &mut Direct, class: u64, value: i64, length: u64| {
        d.write_u64(OUT, value.cast_unsigned());
        d.call("NtSetInformationThread", &[THREAD, class, OUT, length])
    };
    for (increment, priority) in [(2, 10), (-2, 6), (15, 15), (-15, 1), (0, 8)] {
        assert_eq!(thread(&mut d, 3, increment, 4), S::SUCCESS);
        assert_eq!(d.kernel.ps.thread.base_priority, priority, "{increment}");
    }
    assert_eq!(thread(&mut d, 3, 3, 4), S::INVALID_PARAMETER);
    assert_eq!(thread(&mut d, 2, 20, 4), S::PRIVILEGE_NOT_HELD);
    assert_eq!((thread(&mut d, 17, 0, 4), thread(&mut d, 17, 0, 0)), (S::INFO_LENGTH_MISMATCH, S::SUCCESS));
    assert_eq!(d.call("NtQueryInformationThread", &[THREAD, 17, OUT, 1, 0]), S::SUCCESS);
    assert_eq!(d.read(OUT, 1), [1], "hidden");
    assert_eq!(thread(&mut d, 9, 0x1234, 8), S::SUCCESS);
    assert_eq!(d.call("NtQueryInformationThread", &[THREAD, 9, OUT, 8, 0]), S::SUCCESS);
    assert_eq!(d.u64(OUT), 0x1234);
    for (class, length) in
        [(0, 0x30), (1, 0x20), (12, 4), (14, 4), (16, 4), (18, 4), (20, 4), (23, 16), (35, 4), (40, 0x50)]
    {
        assert_eq!(d.call("NtQueryInformationThread", &[THREAD, class, OUT, length, LENGTH]), S::SUCCESS, "{class}");
        assert_eq!(d.call("NtQueryInformationThread", &[THREAD, class, OUT, length + 1, 0]), S::INFO_LENGTH_MISMATCH);
    }
}

#[test]
fn the_next_process_is_the_next_that_may_be_opened() {
    let mut d = Direct::new();
    let next = |d: &mut Direct, from: u64, flags: u64| {
        let status = d.call("NtGetNextProcess", &[from, 0x1000, 0, flags, HANDLE]);
        (status, d.u64(HANDLE))
    };
    let id_of = |d: &mut Direct, handle: u64| {
        assert_eq!(d.call("NtQueryInformationProcess", &[handle, 0, OUT, 0x30, 0]), S::SUCCESS);
        d.u64(OUT + 0x20)
    };
    let (status, first) = next(&mut d, 0, 0);
    assert_eq!((status, id_of(&mut d, first)), (S::SUCCESS, 0xf00), "explorer is the first that is the user's");
    let (_, second) = next(&mut d, first, 0);
    assert_eq!(id_of(&mut d, second), 0x1000);
    assert_eq!(next(&mut d, second, 0).0, S::NO_MORE_ENTRIES);
    let (_, back) = next(&mut d, second, 1);
    assert_eq!(id_of(&mut d, back), 0xf00);
    assert_eq!(next(&mut d, second, 2).0, S::INVALID_PARAMETER);
    d.kernel.hold(Privilege::DEBUG);
    let (_, first) = next(&mut d, 0, 0);
    assert_eq!(id_of(&mut d, first), 4, "System, not Idle");
    // Threads, by their ids.
    let (_, explorer) = open(&mut d, 0xf00, 0x1f_ffff);
    let (mut thread, mut count) = (0, 0);
    while d.call("NtGetNextThread", &[explorer, thread, 0x1f_ffff, 0, 0, HANDLE]) == S::SUCCESS {
        (thread, count) = (d.u64(HANDLE), count + 1);
    }
    assert_eq!(count, 24);
}

#[test]
fn the_command_shows_trees_and_threads() {
    let run = |args: &[&str]| {
        let out = trapgate().args(args).output().expect("trapgate starts");
        (
            out.status.code(),
            String::from_utf8_lossy(&out.stdout).into_owned(),
            String::from_utf8_lossy(&out.stderr).into_owned(),
        )
    };
    let hello = fixtures::path("hello");
    let hello = hello.to_str().expect("UTF-8");
    let (code, text, errors) = run(&["ps", hello]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(text.lines().any(|l| l.starts_with("  hello.exe") && l.contains("4096")), "{text}");
    let (_, json, _) = run(&["ps", "--json"]);
    let page: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let rows = page["rows"].as_array().expect("rows");
    let row = |image: &str| rows.iter().find(|r| r["image"] == image).unwrap_or_else(|| panic!("no {image}"));
    assert_eq!((&row("csrss.exe")["critical"], &row("csrss.exe")["protection"]), (&true.into(), &"PPL-WinTcb".into()));
    assert_eq!((&row("explorer.exe")["integrity"], &row("explorer.exe")["session"]), (&"Medium".into(), &1.into()));
    let (_, text, _) = run(&["ps", "--threads", hello]);
    let own = text.split("hello.exe (4096), 1 thread\n").nth(1).expect("the program's threads");
    let line = own.lines().nth(1).expect("a thread");
    assert!(line.trim_start().starts_with("4100  Running"), "{line}");
    assert!(line.ends_with("hello.exe+0x1000"), "its entry: {line}");
    let (_, json, _) = run(&["ps", "--threads", "--json"]);
    let page: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let thread = &page["rows"][1];
    assert_eq!((&thread["pid"], &thread["symbol"]), (&4.into(), &"nt!Phase1Initialization".into()));
    assert_eq!((&thread["state"], &thread["wait_reason"]), (&"Waiting".into(), &"WrFreePage".into()));
}

/// What a driver finds that walks `PsActiveProcessHead` is what the model has.
#[test]
fn the_kernel_s_own_list() {
    for name in ["win10-22h2-x64", "xp-sp3-x86"] {
        let profile = Profile::by_name(name).expect("a profile");
        let mut config = crate::support::config(trapgate::loader::Program::Raw(profile.arch, vec![0xc3]), "raw");
        config.profile = profile;
        config.dispatch = Dispatch::Kernel;
        let machine = Machine::new(&config).expect("a machine");
        let width = profile.arch.width().bytes();
        let word = |at: u64| {
            let mut bytes = machine.peek(at, width).expect("kernel memory");
            bytes.resize(8, 0);
            u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
        };
        let field = |field| profile.layout_for(profile.arch).offset("EPROCESS", field).expect("a field");
        let (links, id) = (field("ActiveProcessLinks"), field("UniqueProcessId"));
        let head = machine.modules().kernel().next().and_then(|nt| nt.symbol("PsActiveProcessHead")).expect("a list");
        let (mut at, mut found) = (word(head), Vec::new());
        while at != head {
            found.push((at - links, word(at - links + id)));
            at = word(at);
        }
        let kernel = machine.kernel();
        let mut expected: Vec<_> = kernel.ps.iter().filter(|p| p.id.0 != 0).collect();
        expected.sort_by_key(|p| p.about.created);
        let expected: Vec<_> = expected.iter().map(|p| (kernel.address_of(p.object), u64::from(p.id.0))).collect();
        assert_eq!(found, expected, "{name}");
        assert!(expected.iter().all(|&(address, _)| kernel.object_at(address).is_some()), "{name}");
    }
}
