//! Debug objects and what goes through them. Expected: Microsoft Learn on debugging events, `ContinueDebugEvent` and
//! `DebugActiveProcess`, and the public headers' `DBGUI_WAIT_STATE_CHANGE`.

use guest::NtStatus as S;
use guest::context::ExceptionRecord;
use guest::registers::{Reg, UserState};
use kernel_model::packages::LogOn;
use kernel_model::ps::{ProcessId, ThreadId};
use kernel_model::se::Account;
use trapgate::machine::Dispatch;
use trapgate::{End, Machine};

use crate::direct::{DATA, Direct, OUT, PROCESS};
use crate::support::fixture_config;

const DEBUG_ALL: u64 = 0x1f_000f;
const PROCESS_ALL: u64 = 0x1f_ffff;
const CONTINUE: u64 = 0x1_0002;
const NOT_HANDLED: u64 = 0x8001_0001;
/// Where a client id and a timeout of nothing are.
const CLIENT: u64 = DATA + 0x800;
const NO_TIME: u64 = DATA + 0x820;
/// `DBG_STATE`.
const CREATE_THREAD: u32 = 2;
const CREATE_PROCESS: u32 = 3;
const EXIT_THREAD: u32 = 4;
const EXIT_PROCESS: u32 = 5;
const EXCEPTION: u32 = 6;
const BREAKPOINT: u32 = 7;

/// A debugger, and a process to debug.
struct Bench {
    d: Direct,
    child: ProcessId,
    thread: ThreadId,
    process: u64,
    object: u64,
}

impl Bench {
    fn new(kill_on_close: bool) -> Self {
        let mut d = Direct::new();
        let child = d.kernel.add_process("child.exe");
        let thread = d.kernel.ps.threads().find(|t| t.process == child).expect("a thread").id;
        let process = open(&mut d, child, PROCESS_ALL);
        let object = d.handle("NtCreateDebugObject", &[DEBUG_ALL, 0, kill_on_close.into()]);
        Self { d, child, thread, process, object }
    }

    fn attached(kill_on_close: bool) -> Self {
        let mut bench = Self::new(kill_on_close);
        assert_eq!(bench.d.call("NtDebugActiveProcess", &[bench.process, bench.object]), S::SUCCESS);
        bench
    }

    /// The next event's state, after its process and thread are looked at; the rest is at [`OUT`].
    fn event(&mut self) -> Result<u32, S> {
        self.d.write(OUT, &[0xcc; 0xb8]);
        match self.d.call("NtWaitForDebugEvent", &[self.object, 0, NO_TIME, OUT]) {
            S::SUCCESS => {}
            status => return Err(status),
        }
        assert_eq!(self.d.u32(OUT + 8), self.child.0, "the process");
        Ok(self.d.u32(OUT))
    }

    /// Answers what was told of a thread.
    fn go_on(&mut self, thread: ThreadId, status: u64) -> S {
        self.d.write_u64(CLIENT, self.child.0.into());
        self.d.write_u64(CLIENT + 8, thread.0.into());
        self.d.call("NtDebugContinue", &[self.object, CLIENT, status])
    }

    fn wait(&mut self, handle: u64) -> S {
        self.d.call("NtWaitForSingleObject", &[handle, 0, NO_TIME])
    }

    fn information(&mut self, class: u64, length: u64) -> (S, u64) {
        self.d.write_u64(OUT, 0);
        let status = self.d.call("NtQueryInformationProcess", &[self.process, class, OUT, length, 0]);
        (status, self.d.u64(OUT))
    }

    /// The child raises an exception on its one thread, as if it ran.
    fn raise(&mut self, code: S, first_chance: bool) -> bool {
        let debugger = self.d.kernel.ps.thread.id;
        self.d.kernel.switch_to(self.thread);
        let mut state = UserState::default();
        state.file.set(Reg::Rip, 0x40_1000);
        let record = ExceptionRecord::new(code, 0x40_1000, vec![1, 0x123]);
        let told = self.d.kernel.tell_exception(&state, &record, first_chance);
        self.d.kernel.switch_to(debugger);
        told
    }
}

fn open(d: &mut Direct, process: ProcessId, access: u64) -> u64 {
    let attributes = d.attributes("", 0, 0);
    d.write_u64(attributes + 16, 0);
    d.write_u64(CLIENT, process.0.into());
    d.write_u64(CLIENT + 8, 0);
    d.handle("NtOpenProcess", &[access, attributes, CLIENT])
}

#[test]
fn a_debugger_attaches_and_lets_go() {
    let mut b = Bench::new(false);
    let weak_process = open(&mut b.d, b.child, 0x400);
    let weak = b.d.handle("NtCreateDebugObject", &[1, 0, 0]);
    for (args, status) in [
        ([PROCESS, b.object], S::ACCESS_DENIED),
        ([b.object, b.object], S::OBJECT_TYPE_MISMATCH),
        ([b.process, b.process], S::OBJECT_TYPE_MISMATCH),
        ([0x7770, b.object], S::INVALID_HANDLE),
        ([b.process, 0x7770], S::INVALID_HANDLE),
        ([weak_process, b.object], S::ACCESS_DENIED),
        ([b.process, weak], S::ACCESS_DENIED),
    ] {
        assert_eq!(b.d.call("NtDebugActiveProcess", &args), status, "{args:x?}");
    }
    assert_eq!(b.d.call("NtRemoveProcessDebug", &[b.process, b.object]), S::PORT_NOT_SET);
    assert_eq!([b.information(7, 8), b.information(31, 4)], [(S::SUCCESS, 0), (S::SUCCESS, 1)]);
    assert_eq!(b.information(30, 8), (S::PORT_NOT_SET, 0));
    let counts = b.d.counts(b.object);
    assert_eq!(b.d.call("NtDebugActiveProcess", &[b.process, b.object]), S::SUCCESS);
    assert_eq!(b.d.call("NtDebugActiveProcess", &[b.process, b.object]), S::PORT_ALREADY_SET);
    assert_eq!(b.information(7, 8), (S::SUCCESS, u64::MAX), "ProcessDebugPort");
    let (status, handle) = b.information(30, 8);
    assert_eq!((status, b.d.call("NtCompareObjects", &[handle, b.object])), (S::SUCCESS, S::SUCCESS));
    assert_eq!(b.d.call("NtClose", &[handle]), S::SUCCESS);
    b.d.write_u64(OUT, 0);
    assert_eq!(b.d.call("NtSetInformationProcess", &[b.process, 31, OUT, 4]), S::SUCCESS);
    assert_eq!(b.information(31, 4), (S::SUCCESS, 0), "ProcessDebugFlags: NoDebugInherit");
    let other = b.d.handle("NtCreateDebugObject", &[DEBUG_ALL, 0, 0]);
    assert_eq!(b.d.call("NtRemoveProcessDebug", &[b.process, other]), S::PORT_NOT_SET);
    assert_eq!(b.d.call("NtRemoveProcessDebug", &[b.process, b.object]), S::SUCCESS);
    assert_eq!((b.information(7, 8), b.event()), ((S::SUCCESS, 0), Err(S::TIMEOUT)));
    assert_eq!(b.d.counts(b.object).0, counts.0);
    b.d.kernel.end_process(b.child, S(0));
    assert_eq!(b.d.call("NtDebugActiveProcess", &[b.process, b.object]), S::PROCESS_IS_TERMINATING);
}

#[test]
fn a_debugger_is_told_of_what_is_there() {
    let mut b = Bench::attached(false);
    assert_eq!(b.wait(b.object), S::SUCCESS, "the object is signalled");
    assert_eq!(b.event(), Ok(CREATE_PROCESS));
    assert_eq!(b.d.u32(OUT + 16), b.thread.0);
    let (process, thread) = (b.d.u64(OUT + 24), b.d.u64(OUT + 32));
    assert_eq!(b.wait(b.object), S::TIMEOUT, "one at a time");
    assert_eq!(b.event(), Err(S::TIMEOUT));
    assert_eq!(b.d.call("NtCompareObjects", &[process, b.process]), S::SUCCESS);
    assert_eq!(b.d.call("NtQueryInformationThread", &[thread, 0, OUT, 0x30, 0]), S::SUCCESS);
    assert_eq!(b.d.u32(OUT + 24), b.thread.0);
    for (thread, status) in [(b.thread, 0), (b.thread, 0x4001_0005), (ThreadId(b.thread.0 + 4), CONTINUE)] {
        assert_eq!(b.go_on(thread, status), S::INVALID_PARAMETER, "{status:x}");
    }
    assert_eq!([b.go_on(b.thread, CONTINUE), b.go_on(b.thread, CONTINUE)], [S::SUCCESS, S::INVALID_PARAMETER]);
    let weak = b.d.handle("NtCreateDebugObject", &[2, 0, 0]);
    assert_eq!(b.d.call("NtWaitForDebugEvent", &[weak, 0, NO_TIME, OUT]), S::ACCESS_DENIED);
    assert_eq!(b.d.call("NtDebugContinue", &[weak, CLIENT, CONTINUE]), S::ACCESS_DENIED);
    assert_eq!(b.d.call("NtWaitForDebugEvent", &[b.object, 0, NO_TIME, 0x10]), S::ACCESS_VIOLATION);
    let explorer = b.d.kernel.ps.iter().find(|p| p.image == "explorer.exe").expect("a process").id;
    let process = open(&mut b.d, explorer, PROCESS_ALL);
    assert_eq!(b.d.call("NtDebugActiveProcess", &[process, b.object]), S::SUCCESS);
    let threads: Vec<ThreadId> = b.d.kernel.ps.threads().filter(|t| t.process == explorer).map(|t| t.id).collect();
    b.child = explorer;
    for (index, &thread) in threads.iter().enumerate() {
        assert_eq!(b.event(), Ok(if index == 0 { CREATE_PROCESS } else { CREATE_THREAD }));
        assert_eq!((b.d.u32(OUT + 16), b.go_on(thread, CONTINUE)), (thread.0, S::SUCCESS));
    }
    assert_eq!(b.event(), Err(S::TIMEOUT));
}

#[test]
fn a_process_ends_when_its_debugger_knows() {
    let mut b = Bench::attached(false);
    assert_eq!((b.event(), b.go_on(b.thread, CONTINUE)), (Ok(CREATE_PROCESS), S::SUCCESS));
    assert_eq!(b.d.call("NtTerminateProcess", &[b.process, 7]), S::SUCCESS);
    assert_eq!(b.d.call("NtTerminateProcess", &[b.process, 8]), S::PROCESS_IS_TERMINATING);
    assert_eq!(b.wait(b.process), S::TIMEOUT, "it waits for the debugger");
    assert_eq!((b.event(), b.d.u32(OUT + 24)), (Ok(EXIT_PROCESS), 7));
    assert_eq!((b.go_on(b.thread, CONTINUE), b.wait(b.process)), (S::SUCCESS, S::SUCCESS));
    assert_eq!((b.event(), b.wait(b.object)), (Err(S::TIMEOUT), S::TIMEOUT));
    // Of several threads the others go first.
    let explorer = b.d.kernel.ps.iter().find(|p| p.image == "explorer.exe").expect("a process").id;
    b.process = open(&mut b.d, explorer, PROCESS_ALL);
    b.child = explorer;
    assert_eq!(b.d.call("NtDebugActiveProcess", &[b.process, b.object]), S::SUCCESS);
    assert_eq!(b.d.call("NtTerminateProcess", &[b.process, 9]), S::SUCCESS);
    let mut told = Vec::new();
    while let Ok(event) = b.event() {
        told.push(event);
        let thread = ThreadId(b.d.u32(OUT + 16));
        assert_eq!(b.go_on(thread, CONTINUE), S::SUCCESS);
    }
    let threads = told.len() / 2;
    let (created, ended) = told.split_at(threads);
    assert!(created[0] == CREATE_PROCESS && created[1..].iter().all(|&state| state == CREATE_THREAD), "{told:?}");
    let (last, others) = ended.split_last().expect("ends");
    assert!(threads > 1 && *last == EXIT_PROCESS && others.iter().all(|&s| s == EXIT_THREAD), "{told:?}");
    assert_eq!(b.wait(b.process), S::SUCCESS);
}

#[test]
fn an_exception_goes_to_the_debugger_first() {
    let mut b = Bench::attached(false);
    assert_eq!((b.event(), b.go_on(b.thread, CONTINUE)), (Ok(CREATE_PROCESS), S::SUCCESS));
    assert!(b.raise(S::ACCESS_VIOLATION, true));
    assert_eq!(b.event(), Ok(EXCEPTION));
    let record = [OUT + 24, OUT + 28, OUT + 48, OUT + 64].map(|at| b.d.u32(at));
    assert_eq!((record, b.d.u32(OUT + 24 + 0x98)), ([S::ACCESS_VIOLATION.0, 0, 2, 0x123], 1), "first chance");
    assert_eq!(b.go_on(b.thread, CONTINUE), S::SUCCESS);
    let raised = |b: &Bench| b.d.kernel.ps.thread(b.thread).expect("it").debug.raised.clone();
    assert_eq!(raised(&b), None, "it goes on");
    assert!(b.raise(S::BREAKPOINT, false));
    assert_eq!((b.event(), b.d.u32(OUT + 24 + 0x98)), (Ok(BREAKPOINT), 0));
    assert_eq!(b.go_on(b.thread, NOT_HANDLED), S::SUCCESS);
    assert_eq!(raised(&b).map(|(record, first)| (record.code, first)), Some((S::BREAKPOINT, false)));
    // Who hides is not seen.
    b.d.kernel.ps.thread_mut(b.thread).expect("it").about.hidden = true;
    assert!(!b.raise(S::BREAKPOINT, true));
}

#[test]
fn what_is_debugged_may_end_with_the_debug_object() {
    for kills in [false, true] {
        let mut b = Bench::attached(kills);
        let strong = b.object;
        assert_eq!(b.d.call("NtClose", &[strong]), S::SUCCESS);
        assert_eq!(b.wait(b.process), if kills { S::SUCCESS } else { S::TIMEOUT });
        let (status, port) = b.information(7, 8);
        assert_eq!((status, port), (S::SUCCESS, 0), "{kills}");
        let exit = b.d.kernel.ps.get(b.child).expect("it").exit_status;
        assert_eq!(exit, if kills { S::DEBUGGER_INACTIVE } else { S::PENDING });
    }
}

/// The flag has the same effect as a debugger, and needs none.
#[test]
fn a_bad_close_is_raised_where_somebody_wants_to_know() {
    let fixture = fixtures::get("bad_close").expect("the fixture");
    for dispatch in [Dispatch::Direct, Dispatch::Kernel] {
        for (profile, narrow) in
            [("win10-22h2-x64", false), ("win10-22h2-x64", true), ("xp-sp3-x86", true), ("win2k-sp4-x86", true)]
        {
            if dispatch == Dispatch::Kernel && profile == "win10-22h2-x64" && narrow {
                continue;
            }
            let mut config = fixture_config(fixture);
            config.dispatch = dispatch;
            config.profile = guest::Profile::by_name(profile).expect("a profile");
            config.user = LogOn::Account(Account::LocalSystem);
            if narrow {
                config.process.program = trapgate::loader::Program::Pe(fixture.x86.expect("32-bit").to_vec());
            }
            let mut machine = Machine::new(&config).expect("a machine");
            let end = machine.run().expect("no engine failure");
            let said = String::from_utf8_lossy(&machine.captured().expect("captured").stdout).into_owned();
            assert_eq!(end, End::Exit(S::SUCCESS), "{profile} {dispatch:?}: {said}");
            let flagged = said.split_once("with the flag\n").unwrap_or_else(|| panic!("{profile}: {said}")).1;
            insta::assert_snapshot!("bad_close", flagged);
        }
    }
}
