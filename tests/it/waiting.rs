//! Objects to wait on, and the others of the executive: mutants, semaphores, timers, keyed events, event pairs,
//! sections, completion ports, jobs, debug objects.

use guest::{NtStatus, Profile};
use kernel_model::Answer;
use kernel_model::kernel::WaitEnd;

use crate::direct::{DATA, Direct, HANDLE, OUT, PROCESS, READ_ONLY};
use NtStatus as S;

const MUTANT_ALL: u64 = 0x1f_0001;
const ALL: u64 = 0x1f_0003;
const SYNCHRONIZE: u64 = 0x10_0000;

/// A wait with a timeout of nothing.
fn poll(d: &mut Direct, handle: u64) -> NtStatus {
    d.write_u64(OUT + 0x800, 0);
    d.call("NtWaitForSingleObject", &[handle, 0, OUT + 0x800])
}

#[test]
fn mutants() {
    let mut d = Direct::new();
    let free = d.handle("NtCreateMutant", &[MUTANT_ALL, 0, 0]);
    let owned = d.handle("NtCreateMutant", &[MUTANT_ALL, 0, 1]);
    assert_eq!(d.call("NtReleaseMutant", &[free, 0]), S::MUTANT_NOT_OWNED);
    assert_eq!([poll(&mut d, owned), poll(&mut d, owned)], [S::SUCCESS; 2], "its owner has it again and again");
    let query = |d: &mut Direct, handle| {
        assert_eq!(d.call("NtQueryMutant", &[handle, 0, OUT, 8, 0]), S::SUCCESS);
        (d.u32(OUT) as i32, d.read(OUT + 4, 2))
    };
    assert_eq!(query(&mut d, owned), (-2, vec![1, 0]));
    assert_eq!(query(&mut d, free), (1, vec![0, 0]));
    assert_eq!(d.call("NtQueryMutant", &[owned, 1, OUT, 16, 0]), S::SUCCESS);
    assert_eq!((d.u64(OUT), d.u64(OUT + 8)), (0x1000, 0x1004), "the owner's CLIENT_ID");
    // Releasing needs no right at all.
    let weak = [PROCESS, owned, PROCESS, HANDLE, SYNCHRONIZE, 0, 0];
    assert_eq!(d.call("NtDuplicateObject", &weak), S::SUCCESS);
    let weak = d.u64(HANDLE);
    assert_eq!(d.call("NtQueryMutant", &[weak, 0, OUT, 8, 0]), S::ACCESS_DENIED);
    for before in [-2i32, -1, 0] {
        assert_eq!(d.call("NtReleaseMutant", &[weak, OUT]), S::SUCCESS);
        assert_eq!(d.u32(OUT) as i32, before);
    }
    assert_eq!(d.call("NtReleaseMutant", &[weak, 0]), S::MUTANT_NOT_OWNED);
    assert_eq!(d.call("NtQueryMutant", &[owned, 0, OUT, 7, 0]), S::INFO_LENGTH_MISMATCH);
    assert_eq!(d.call("NtQueryMutant", &[owned, 2, OUT, 8, 0]), S::INVALID_INFO_CLASS);
}

#[test]
fn a_mutant_is_abandoned_when_its_owner_ends() {
    let mut d = Direct::new();
    let other = d.kernel.add_process("other.exe");
    let thread = d.kernel.ps.threads().find(|t| t.process == other).expect("its thread").id.0;
    let attributes = d.attributes("\\M", 0, 0);
    let mutant = d.handle("NtCreateMutant", &[MUTANT_ALL, attributes, 0]);
    // The other thread has it: only the model can say so while one thread runs.
    let id = d.kernel.ps.process.handles.get(guest::Handle(mutant)).expect("a handle").object;
    if let Some(kernel_model::body::Body::Mutant(m)) = d.kernel.ob.get_mut(id).map(|o| &mut o.body) {
        m.acquire(thread).expect("it is free");
    }
    assert_eq!(poll(&mut d, mutant), S::TIMEOUT);
    assert_eq!(d.call("NtReleaseMutant", &[mutant, 0]), S::MUTANT_NOT_OWNED);
    d.kernel.end_process(other, NtStatus(0));
    d.call("NtQueryMutant", &[mutant, 0, OUT, 8, 0]);
    assert_eq!((d.u32(OUT), d.read(OUT + 4, 2)), (1, vec![0, 1]));
    assert_eq!(poll(&mut d, mutant), S::ABANDONED);
    assert_eq!(poll(&mut d, mutant), S::SUCCESS, "told once");
}

#[test]
fn semaphores() {
    let mut d = Direct::new();
    for (count, limit) in [(-1i32, 1i32), (0, 0), (2, 1), (0, -1)] {
        let args = [HANDLE, ALL, 0, count as u32 as u64, limit as u32 as u64];
        assert_eq!(d.call("NtCreateSemaphore", &args), S::INVALID_PARAMETER, "{count} of {limit}");
    }
    let handle = d.handle("NtCreateSemaphore", &[ALL, 0, 1, 3]);
    assert_eq!([poll(&mut d, handle), poll(&mut d, handle)], [S::SUCCESS, S::TIMEOUT]);
    assert_eq!(d.call("NtReleaseSemaphore", &[handle, 0, 0]), S::INVALID_PARAMETER);
    assert_eq!(d.call("NtReleaseSemaphore", &[handle, 4, 0]), S::SEMAPHORE_LIMIT_EXCEEDED);
    assert_eq!(d.call("NtReleaseSemaphore", &[handle, 3, OUT]), S::SUCCESS);
    assert_eq!(d.u32(OUT), 0);
    assert_eq!(d.call("NtQuerySemaphore", &[handle, 0, OUT, 8, 0]), S::SUCCESS);
    assert_eq!(d.u64(OUT), 3 | 3 << 32);
    let weak = d.handle("NtCreateSemaphore", &[SYNCHRONIZE, 0, 1, 3]);
    assert_eq!(d.call("NtReleaseSemaphore", &[weak, 1, 0]), S::ACCESS_DENIED);
    assert_eq!(d.call("NtQuerySemaphore", &[weak, 0, OUT, 8, 0]), S::ACCESS_DENIED);
}

#[test]
fn waits_on_several() {
    let mut d = Direct::new();
    let events: Vec<u64> = (0..3).map(|n| d.handle("NtCreateEvent", &[ALL, 0, 1, u64::from(n > 0)])).collect();
    let wait = |d: &mut Direct, handles: &[u64], kind: u64| {
        for (i, handle) in handles.iter().enumerate() {
            d.write_u64(OUT + 8 * i as u64, *handle);
        }
        d.write_u64(OUT + 0x800, 0);
        d.call("NtWaitForMultipleObjects", &[handles.len() as u64, OUT, kind, 0, OUT + 0x800])
    };
    assert_eq!(wait(&mut d, &events, 0), S::TIMEOUT, "not all, and none is reset");
    assert_eq!(wait(&mut d, &events, 1), NtStatus(1));
    assert_eq!(wait(&mut d, &events, 1), NtStatus(2), "the first was reset");
    assert_eq!(wait(&mut d, &events, 1), S::TIMEOUT);
    for event in &events {
        assert_eq!(d.call("NtSetEvent", &[*event, 0]), S::SUCCESS);
    }
    assert_eq!(wait(&mut d, &events, 0), S::SUCCESS);
    assert_eq!(wait(&mut d, &events, 1), S::TIMEOUT, "all were reset");
    assert_eq!(wait(&mut d, &[], 0), S::INVALID_PARAMETER_1);
    assert_eq!(d.call("NtWaitForMultipleObjects", &[65, OUT, 0, 0, 0]), S::INVALID_PARAMETER_1);
    assert_eq!(wait(&mut d, &events, 2), S::INVALID_PARAMETER_3);
    assert_eq!(wait(&mut d, &[events[0], events[0]], 0), S::INVALID_PARAMETER_MIX);
    assert_eq!(wait(&mut d, &[events[0], events[0]], 1), S::TIMEOUT);
    assert_eq!(wait(&mut d, &[events[0], 0x4444], 1), S::INVALID_HANDLE);
    assert_eq!(d.call("NtWaitForMultipleObjects", &[2, 0x6000_0000, 0, 0, 0]), S::ACCESS_VIOLATION);
    let weak = d.handle("NtCreateEvent", &[1, 0, 1, 1]);
    assert_eq!(wait(&mut d, &[events[0], weak], 1), S::ACCESS_DENIED);
    // Nothing can end a wait on events for ever.
    let answer = d.answer("NtWaitForSingleObject", &[events[0], 0, 0]);
    let Answer::Blocked(wait) = answer else { panic!("{answer:?}") };
    assert_eq!(d.kernel.finish_wait(&wait), WaitEnd::Deadlock);
}

#[test]
fn one_is_signalled_and_another_waited_for() {
    let mut d = Direct::new();
    let event = d.handle("NtCreateEvent", &[ALL, 0, 0, 0]);
    let mutant = d.handle("NtCreateMutant", &[MUTANT_ALL, 0, 0]);
    let directory = d.handle("NtCreateDirectoryObject", &[0xf_000f, 0]);
    let signal = |d: &mut Direct, signal, wait| {
        d.write_u64(OUT + 0x800, 0);
        d.call("NtSignalAndWaitForSingleObject", &[signal, wait, 0, OUT + 0x800])
    };
    assert_eq!(signal(&mut d, event, event), S::SUCCESS, "what was set is waited for");
    assert_eq!(signal(&mut d, mutant, event), S::MUTANT_NOT_OWNED);
    assert_eq!(poll(&mut d, mutant), S::SUCCESS);
    assert_eq!(signal(&mut d, mutant, event), S::SUCCESS);
    assert_eq!(signal(&mut d, directory, event), S::OBJECT_TYPE_MISMATCH);
    assert_eq!(signal(&mut d, event, directory), S::ACCESS_DENIED, "no directory handle has SYNCHRONIZE");
    let weak = d.handle("NtCreateEvent", &[SYNCHRONIZE, 0, 0, 0]);
    assert_eq!(signal(&mut d, weak, event), S::ACCESS_DENIED);
}

#[test]
fn timers_end_waits() {
    let mut d = Direct::new();
    assert_eq!(d.call("NtCreateTimer", &[HANDLE, ALL, 0, 2]), S::INVALID_PARAMETER_4);
    let timer = d.handle("NtCreateTimer", &[ALL, 0, 1]);
    let start = d.kernel.clock.interrupt_time();
    let set = |d: &mut Direct, due: i64, period: i32| {
        d.write_u64(OUT, due as u64);
        d.call("NtSetTimer", &[timer, OUT, 0, 0, 0, period as u32 as u64, OUT + 0x10])
    };
    assert_eq!(set(&mut d, -10_000, -1), S::INVALID_PARAMETER_6);
    assert_eq!(poll(&mut d, timer), S::TIMEOUT);
    // Due in a millisecond, then every two.
    assert_eq!(set(&mut d, -10_000, 2), S::SUCCESS);
    assert_eq!(d.call("NtQueryTimer", &[timer, 0, OUT, 16, 0]), S::SUCCESS);
    assert_eq!((d.u64(OUT), d.u32(OUT + 8)), (10_000, 0));
    assert_eq!(d.call("NtWaitForSingleObject", &[timer, 0, 0]), S::SUCCESS);
    assert_eq!(d.kernel.clock.interrupt_time() - start, 10_000);
    assert_eq!(d.call("NtWaitForSingleObject", &[timer, 0, 0]), S::SUCCESS);
    assert_eq!(d.kernel.clock.interrupt_time() - start, 30_000);
    // A timeout that is shorter comes first.
    d.write_u64(OUT + 0x800, (-1_000i64) as u64);
    assert_eq!(d.call("NtWaitForSingleObject", &[timer, 0, OUT + 0x800]), S::TIMEOUT);
    assert_eq!(d.kernel.clock.interrupt_time() - start, 31_000);
    assert_eq!(d.call("NtCancelTimer", &[timer, OUT]), S::SUCCESS);
    assert_eq!(d.read(OUT, 1), [0]);
    let answer = d.answer("NtWaitForSingleObject", &[timer, 0, 0]);
    let Answer::Blocked(wait) = answer else { panic!("{answer:?}") };
    assert_eq!(d.kernel.finish_wait(&wait), WaitEnd::Deadlock, "a timer that is not set ends nothing");
    // All of an event and a timer: the event is never set, so the timer does not end it.
    let event = d.handle("NtCreateEvent", &[ALL, 0, 0, 0]);
    assert_eq!(set(&mut d, -10_000, 0), S::SUCCESS);
    d.write_u64(OUT, event);
    d.write_u64(OUT + 8, timer);
    let Answer::Blocked(wait) = d.answer("NtWaitForMultipleObjects", &[2, OUT, 0, 0, 0]) else { panic!() };
    assert_eq!(d.kernel.finish_wait(&wait), WaitEnd::Deadlock);
    assert_eq!(set(&mut d, 0, 0), S::SUCCESS);
    assert_eq!(d.read(OUT + 0x10, 1), [1], "it had expired");
    assert_eq!(d.call("NtWaitForMultipleObjects", &[2, OUT + 0x400, 1, 0, 0]), S::INVALID_HANDLE);
    d.write_u64(OUT, event);
    assert_eq!(d.call("NtWaitForMultipleObjects", &[2, OUT, 1, 0, 0]), NtStatus(1));
}

#[test]
fn keyed_events_and_event_pairs() {
    let mut d = Direct::new();
    let keyed = d.handle("NtCreateKeyedEvent", &[0xf_0003, 0, 0]);
    assert_eq!(d.call("NtCreateKeyedEvent", &[HANDLE, 0xf_0003, 0, 1]), S::INVALID_PARAMETER_4);
    d.write_u64(OUT + 0x800, (-100i64) as u64);
    for service in ["NtWaitForKeyedEvent", "NtReleaseKeyedEvent"] {
        assert_eq!(d.call(service, &[keyed, 1, 0, 0]), S::INVALID_PARAMETER_1, "an odd key");
        assert_eq!(d.call(service, &[keyed, 2, 0, OUT + 0x800]), S::TIMEOUT);
    }
    let weak = d.handle("NtCreateKeyedEvent", &[1, 0, 0]);
    assert_eq!(d.call("NtReleaseKeyedEvent", &[weak, 2, 0, 0]), S::ACCESS_DENIED);
    assert_eq!(d.call("NtCreateEventPair", &[HANDLE, SYNCHRONIZE, 0]), S::NOT_IMPLEMENTED, "gone from Windows 8 on");
    let mut d = Direct::with(Profile::by_name("win7-sp1-x64").expect("a profile"));
    let pair = d.handle("NtCreateEventPair", &[SYNCHRONIZE, 0]);
    assert_eq!(d.call("NtSetLowEventPair", &[pair]), S::SUCCESS);
    assert_eq!(d.call("NtWaitLowEventPair", &[pair]), S::SUCCESS);
    assert_eq!(d.call("NtSetHighEventPair", &[pair]), S::SUCCESS);
    assert_eq!(d.call("NtSetLowWaitHighEventPair", &[pair]), S::SUCCESS);
    assert!(matches!(d.answer("NtWaitHighEventPair", &[pair]), Answer::Blocked(_)), "it was reset");
    let event = d.handle("NtCreateEvent", &[ALL, 0, 0, 0]);
    assert_eq!(d.call("NtSetLowEventPair", &[event]), S::OBJECT_TYPE_MISMATCH);
}

const SECTION_ALL: u64 = 0xf_001f;
const SEC_COMMIT: u64 = 0x800_0000;

/// A view of a section: its status, base and size.
fn map(d: &mut Direct, section: u64, base: u64, offset: u64, size: u64, protect: u64) -> (NtStatus, u64, u64) {
    d.write_u64(OUT, base);
    d.write_u64(OUT + 8, offset);
    d.write_u64(OUT + 16, size);
    let args = [section, PROCESS, OUT, 0, 0, OUT + 8, OUT + 16, 2, 0, protect];
    (d.call("NtMapViewOfSection", &args), d.u64(OUT), d.u64(OUT + 16))
}

#[test]
fn sections_are_shared() {
    let mut d = Direct::new();
    let committed = d.kernel.mm.committed();
    d.write_u64(OUT, 0x1_8001);
    let section = d.handle("NtCreateSection", &[SECTION_ALL, 0, OUT, 4, SEC_COMMIT, 0]);
    assert_eq!(d.kernel.mm.committed(), committed + 0x19);
    let (status, first, size) = map(&mut d, section, 0, 0, 0, 4);
    assert_eq!((status, size), (S::SUCCESS, 0x1_9000));
    let (status, second, size) = map(&mut d, section, 0, 0x1_0000, 0x1001, 2);
    assert_eq!((status, size), (S::SUCCESS, 0x2000));
    // A store through one view is seen through the other, whichever was touched first.
    d.write(first + 0x1_0004, b"here");
    assert_eq!(d.read(second + 4, 4), b"here");
    assert_eq!(d.call("NtQuerySystemTime", &[first + 0x1_1000]), S::SUCCESS);
    assert_ne!(d.u64(second + 0x1000), 0);
    assert_eq!(d.call("NtQuerySystemTime", &[second]), S::ACCESS_VIOLATION, "a view to read");
    // Copy on write is the view's own.
    let (_, copy, _) = map(&mut d, section, 0, 0, 0, 8);
    d.write_u64(first, 1);
    assert_eq!(d.call("NtQuerySystemTime", &[copy]), S::SUCCESS);
    assert_eq!((d.u64(first), d.u64(copy) > 1), (1, true));
    assert_eq!(d.read(copy + 0x1_0004, 4), b"here", "the page before it was copied");
    assert_eq!(d.kernel.mm.committed(), committed + 0x19 + 1);
    assert_eq!(d.call("NtQueryVirtualMemory", &[PROCESS, first, 0, OUT, 0x30, 0]), S::SUCCESS);
    assert_eq!(d.u32(OUT + 0x28), 0x4_0000, "MEM_MAPPED");
    // A view gets no right that the section, or the view, does not have.
    assert_eq!(map(&mut d, section, 0, 0, 0, 0x20).0, S::SECTION_PROTECTION);
    d.write_u64(OUT, second);
    d.write_u64(OUT + 8, 0x1000);
    assert_eq!(d.call("NtProtectVirtualMemory", &[PROCESS, OUT, OUT + 8, 4, OUT + 16]), S::SECTION_PROTECTION);
    // The section lives as long as its views.
    assert_eq!(d.call("NtClose", &[section]), S::SUCCESS);
    assert_eq!(d.read(first + 0x1_0004, 4), b"here");
    d.write_u64(OUT, first);
    d.write_u64(OUT + 8, 0);
    assert_eq!(d.call("NtFreeVirtualMemory", &[PROCESS, OUT, OUT + 8, 0x8000]), S::UNABLE_TO_DELETE_SECTION);
    for view in [first + 0x5000, second, copy] {
        assert_eq!(d.call("NtUnmapViewOfSection", &[PROCESS, view]), S::SUCCESS);
        assert_eq!(d.call("NtUnmapViewOfSection", &[PROCESS, view]), S::NOT_MAPPED_VIEW);
    }
    assert_eq!(d.kernel.mm.committed(), committed);
    assert_eq!(d.call("NtUnmapViewOfSection", &[PROCESS, DATA]), S::NOT_MAPPED_VIEW, "no view");
}

#[test]
fn sections_that_cannot_be() {
    let mut d = Direct::new();
    let mut create = |size: u64, protect: u64, attributes: u64| {
        d.write_u64(OUT, size);
        d.call("NtCreateSection", &[HANDLE, SECTION_ALL, 0, OUT, protect, attributes, 0])
    };
    assert_eq!(create(0, 4, SEC_COMMIT), S::INVALID_PARAMETER_4);
    assert_eq!(create(u64::MAX, 4, SEC_COMMIT), S::SECTION_TOO_BIG);
    assert_eq!(create(1 << 40, 4, SEC_COMMIT), S::COMMITMENT_LIMIT);
    assert_eq!(create(0x1000, 4, 0), S::INVALID_PARAMETER_6);
    assert_eq!(create(0x1000, 4, SEC_COMMIT | 0x400_0000), S::INVALID_PARAMETER_6, "SEC_COMMIT and SEC_RESERVE");
    assert_eq!(create(0x1000, 3, SEC_COMMIT), S::INVALID_PAGE_PROTECTION);
    assert_eq!(create(0x1000, 2, SEC_COMMIT), S::SUCCESS);
    let section = d.u64(HANDLE);
    assert_eq!(map(&mut d, section, 0x1000, 0, 0, 2).0, S::MAPPED_ALIGNMENT);
    assert_eq!(map(&mut d, section, 0, 0x1000, 0, 2).0, S::MAPPED_ALIGNMENT);
    assert_eq!(map(&mut d, section, 0, 0x1_0000, 0, 2).0, S::INVALID_VIEW_SIZE);
    assert_eq!(map(&mut d, section, 0, 0, 0x1001, 2).0, S::INVALID_VIEW_SIZE);
    assert_eq!(map(&mut d, section, DATA, 0, 0, 2).0, S::CONFLICTING_ADDRESSES);
    assert_eq!(map(&mut d, section, 0, 0, 0, 4).0, S::SECTION_PROTECTION);
    assert_eq!(d.call("NtMapViewOfSection", &[section, PROCESS, OUT, 0, 0, 0, OUT, 3, 0, 2]), S::INVALID_PARAMETER_8);
    assert_eq!(
        d.call("NtMapViewOfSection", &[section, PROCESS, READ_ONLY, 0, 0, 0, OUT, 2, 0, 2]),
        S::ACCESS_VIOLATION
    );
    d.write_u64(OUT, 0x2000);
    assert_eq!(d.call("NtExtendSection", &[section, OUT]), S::SECTION_NOT_EXTENDED);
    assert_eq!(d.call("NtQuerySection", &[section, 0, OUT, 0x17, 0]), S::INFO_LENGTH_MISMATCH);
    assert_eq!(d.call("NtQuerySection", &[section, 0, OUT, 0x18, OUT + 0x20]), S::SUCCESS);
    assert_eq!((d.u64(OUT), d.u32(OUT + 8), d.u64(OUT + 16)), (0, SEC_COMMIT as u32, 0x1000));
    assert_eq!(d.call("NtQuerySection", &[section, 1, OUT, 0x40, 0]), S::SECTION_NOT_IMAGE);
    d.write_u64(OUT, 0x1000);
    let weak = d.handle("NtCreateSection", &[4, 0, OUT, 4, SEC_COMMIT, 0]);
    assert_eq!(map(&mut d, weak, 0, 0, 0, 4).0, S::ACCESS_DENIED);
    assert_eq!(d.call("NtQuerySection", &[weak, 0, OUT, 0x18, 0]), S::ACCESS_DENIED);
}

#[test]
fn completion_ports() {
    let mut d = Direct::new();
    let port = d.handle("NtCreateIoCompletion", &[ALL, 0, 0]);
    assert_eq!(poll(&mut d, port), S::TIMEOUT);
    for n in 1..=3u64 {
        assert_eq!(d.call("NtSetIoCompletion", &[port, n, n * 16, 0xc000_0001, n * 256]), S::SUCCESS);
    }
    assert_eq!(d.call("NtQueryIoCompletion", &[port, 0, OUT, 4, 0]), S::SUCCESS);
    assert_eq!(d.u32(OUT), 3);
    assert_eq!(poll(&mut d, port), S::SUCCESS);
    assert_eq!(d.call("NtRemoveIoCompletion", &[port, OUT, OUT + 8, OUT + 16, 0]), S::SUCCESS);
    assert_eq!([0, 8, 16, 24].map(|o| d.u64(OUT + o)), [1, 16, 0xc000_0001, 256], "the oldest");
    assert_eq!(d.call("NtRemoveIoCompletionEx", &[port, OUT, 0, OUT + 0x200, 0, 0]), S::INVALID_PARAMETER_3);
    assert_eq!(d.call("NtRemoveIoCompletionEx", &[port, OUT, 8, OUT + 0x200, 0, 0]), S::SUCCESS);
    assert_eq!((d.u32(OUT + 0x200), d.u64(OUT), d.u64(OUT + 32 + 8)), (2, 2, 48));
    d.write_u64(OUT + 0x800, (-100i64) as u64);
    assert_eq!(d.call("NtRemoveIoCompletion", &[port, OUT, OUT, OUT, OUT + 0x800]), S::TIMEOUT);
    assert_eq!(d.call("NtRemoveIoCompletionEx", &[port, OUT, 8, OUT + 0x200, OUT + 0x800, 0]), S::TIMEOUT);
    let weak = d.handle("NtCreateIoCompletion", &[1, 0, 0]);
    assert_eq!(d.call("NtSetIoCompletion", &[weak, 1, 1, 0, 0]), S::ACCESS_DENIED);
    assert_eq!(d.call("NtRemoveIoCompletion", &[weak, OUT, OUT, OUT, 0]), S::ACCESS_DENIED);
}

#[test]
fn jobs() {
    let mut d = Direct::new();
    let ids: Vec<u64> = (0..3).map(|_| d.kernel.add_process("worker.exe").0.into()).collect();
    let open = |d: &mut Direct, id: u64| {
        let attributes = d.attributes("", 0, 0);
        d.write_u64(attributes + 16, 0);
        d.write_u64(OUT, id);
        d.write_u64(OUT + 8, 0);
        d.handle("NtOpenProcess", &[0x1f_ffff, attributes, OUT])
    };
    let handles: Vec<u64> = ids.iter().map(|&id| open(&mut d, id)).collect();
    let job = d.handle("NtCreateJobObject", &[0x1f_001f, 0]);
    assert_eq!(d.call("NtIsProcessInJob", &[PROCESS, 0]), S::PROCESS_NOT_IN_JOB);
    // Messages go to a port, with the job's key.
    let port = d.handle("NtCreateIoCompletion", &[ALL, 0, 0]);
    d.write_u64(OUT, 0x77);
    d.write_u64(OUT + 8, port);
    assert_eq!(d.call("NtSetInformationJobObject", &[job, 7, OUT, 16]), S::SUCCESS);
    // At most two processes.
    d.write(OUT, &[0; 0x40]);
    d.write_u64(OUT + 0x10, 8);
    d.write_u64(OUT + 0x28, 2);
    assert_eq!(d.call("NtSetInformationJobObject", &[job, 2, OUT, 0x3f]), S::INFO_LENGTH_MISMATCH);
    assert_eq!(d.call("NtSetInformationJobObject", &[job, 2, OUT, 0x40]), S::SUCCESS);
    for handle in &handles[..2] {
        assert_eq!(d.call("NtAssignProcessToJobObject", &[job, *handle]), S::SUCCESS);
        assert_eq!(d.call("NtIsProcessInJob", &[*handle, job]), S::PROCESS_IN_JOB);
    }
    assert_eq!(d.call("NtAssignProcessToJobObject", &[job, handles[2]]), S::SUCCESS, "it is ended at once");
    assert_eq!(poll(&mut d, handles[2]), S::SUCCESS);
    assert_eq!(d.call("NtAssignProcessToJobObject", &[job, handles[2]]), S::PROCESS_IS_TERMINATING);
    assert_eq!(d.call("NtQueryInformationJobObject", &[job, 1, OUT, 0x30, 0]), S::SUCCESS);
    assert_eq!([0x24, 0x28, 0x2c].map(|o| d.u32(OUT + o)), [3, 2, 1], "total, active, terminated");
    assert_eq!(d.call("NtQueryInformationJobObject", &[job, 3, OUT, 0x10, 0]), S::BUFFER_OVERFLOW);
    assert_eq!((d.u32(OUT), d.u32(OUT + 4)), (2, 1));
    assert_eq!(d.call("NtQueryInformationJobObject", &[job, 3, OUT, 0x18, 0]), S::SUCCESS);
    assert_eq!((d.u64(OUT + 8), d.u64(OUT + 16)), (ids[0], ids[1]));
    // A job in a job: only an empty one, from Windows 8 on.
    let inner = d.handle("NtCreateJobObject", &[0x1f_001f, 0]);
    assert_eq!(d.call("NtAssignProcessToJobObject", &[inner, handles[0]]), S::SUCCESS);
    assert_eq!(d.call("NtAssignProcessToJobObject", &[inner, handles[1]]), S::ACCESS_DENIED);
    assert_eq!(d.call("NtTerminateJobObject", &[job, 9]), S::SUCCESS);
    assert_eq!([poll(&mut d, handles[0]), poll(&mut d, handles[1])], [S::SUCCESS; 2]);
    assert_eq!(d.call("NtQueryInformationJobObject", &[inner, 3, OUT, 0x18, 0]), S::SUCCESS);
    assert_eq!(d.u32(OUT), 0);
    // What the port was told: message, and the process it is about.
    let mut told = Vec::new();
    while {
        d.call("NtQueryIoCompletion", &[port, 0, OUT, 4, 0]);
        d.u32(OUT) > 0
    } {
        assert_eq!(d.call("NtRemoveIoCompletion", &[port, OUT, OUT + 8, OUT + 16, 0]), S::SUCCESS);
        assert_eq!(d.u64(OUT), 0x77);
        told.push((d.u64(OUT + 24), d.u64(OUT + 8)));
    }
    let [a, b, c] = [ids[0], ids[1], ids[2]];
    let expected = [(6, a), (6, b), (6, c), (3, 0), (7, c), (7, a), (7, b), (4, 0)];
    assert_eq!(told, expected, "new, new, new, limit, exit; exit, exit, zero");
}

#[test]
fn a_job_that_ends_its_processes_when_it_is_closed() {
    let mut d = Direct::new();
    let other = d.kernel.add_process("worker.exe");
    let attributes = d.attributes("", 0, 0);
    d.write_u64(attributes + 16, 0);
    d.write_u64(OUT, other.0.into());
    d.write_u64(OUT + 8, 0);
    let process = d.handle("NtOpenProcess", &[0x1f_ffff, attributes, OUT]);
    let job = d.handle("NtCreateJobObject", &[0x1f_001f, 0]);
    d.write(OUT, &[0; 0x90]);
    d.write_u64(OUT + 0x10, 0x2000);
    assert_eq!(d.call("NtSetInformationJobObject", &[job, 2, OUT, 0x40]), S::INVALID_PARAMETER, "an extended limit");
    assert_eq!(d.call("NtSetInformationJobObject", &[job, 9, OUT, 0x90]), S::SUCCESS);
    assert_eq!(d.call("NtQueryInformationJobObject", &[job, 9, OUT, 0x90, 0]), S::SUCCESS);
    assert_eq!((d.u32(OUT + 0x10), d.u32(OUT + 0x3c)), (0x2000, 0));
    assert_eq!(d.call("NtAssignProcessToJobObject", &[job, process]), S::SUCCESS);
    assert_eq!(poll(&mut d, process), S::TIMEOUT);
    assert_eq!(d.call("NtClose", &[job]), S::SUCCESS);
    assert_eq!(poll(&mut d, process), S::SUCCESS);
    assert_eq!(d.call("NtClose", &[process]), S::SUCCESS);
    assert!(d.kernel.ps.get(other).is_none());
}

#[test]
fn debug_objects() {
    let mut d = Direct::new();
    assert_eq!(d.call("NtCreateDebugObject", &[HANDLE, 0x1f_000f, 0, 2]), S::INVALID_PARAMETER);
    let debug = d.handle("NtCreateDebugObject", &[0x1f_000f, 0, 1]);
    let set = |d: &mut Direct, class: u64, flags: u64, length: u64| {
        d.write_u64(OUT, flags);
        d.call("NtSetInformationDebugObject", &[debug, class, OUT, length, 0])
    };
    assert_eq!(set(&mut d, 1, 0, 4), S::SUCCESS);
    assert_eq!(set(&mut d, 1, 2, 4), S::INVALID_PARAMETER);
    assert_eq!(set(&mut d, 1, 0, 8), S::INFO_LENGTH_MISMATCH);
    assert_eq!(set(&mut d, 2, 0, 4), S::INVALID_PARAMETER);
}
