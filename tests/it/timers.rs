//! Timers beside what `services.rs` has: `NtSetTimerEx`, APCs, `NtSetTimer2`. Sources: Microsoft Learn on `ZwSetTimerEx`,
//! `TIMER_SET_COALESCABLE_TIMER_INFO` and `SetWaitableTimer`.

use guest::NtStatus as S;
use guest::registers::{Reg, UserState};
use kernel_model::Answer;

use crate::desk::Desk;
use crate::direct::{DATA, Direct, OUT};

const TIMER_ALL: u64 = 0x1f_0003;

/// `TIMER_SET_COALESCABLE_TIMER_INFO`.
fn info(d: &mut Desk, due: i64, pointers: [u64; 3], period: u32, previous: u64) -> (u64, u64) {
    let mut bytes = due.to_le_bytes().to_vec();
    bytes.extend(pointers.iter().flat_map(|pointer| d.pointer(*pointer)));
    bytes.extend(period.to_le_bytes());
    bytes.extend(50u32.to_le_bytes());
    bytes.extend(d.pointer(previous));
    (d.place(&bytes), bytes.len() as u64)
}

fn timer(d: &mut Desk, access: u64) -> u64 {
    let out = d.place(&[0; 8]);
    d.ok("NtCreateTimer", &[out, access, 0, 0]);
    d.read_pointer(out)
}

#[test]
fn a_coalescable_timer_expires() {
    for profile in ["win10-22h2-x64", "win7-sp1-x86"] {
        let mut d = Desk::new(profile);
        let timer = timer(&mut d, TIMER_ALL);
        let out = d.place(&[0xff; 16]);
        let (at, size) = info(&mut d, -10_000, [0; 3], 0, out);
        assert_eq!(size, 16 + 4 * d.word(), "{profile}");
        d.ok("NtSetTimerEx", &[timer, 0, at, size]);
        assert_eq!(d.read(out, 1), [0], "it had not expired");
        let Answer::Blocked(wait) = d.answer("NtWaitForSingleObject", &[timer, 0, 0]) else { panic!("{profile}") };
        d.kernel.finish_wait(&wait);
        d.ok("NtSetTimerEx", &[timer, 0, at, size]);
        assert_eq!(d.read(out, 1), [1], "it had expired");
    }
}

#[test]
fn what_a_coalescable_timer_refuses() {
    for profile in ["win10-22h2-x64", "win7-sp1-x86"] {
        let mut d = Desk::new(profile);
        let good = timer(&mut d, TIMER_ALL);
        let weak = timer(&mut d, 1);
        let (at, size) = info(&mut d, -1, [0; 3], 0, 0);
        let (endless, _) = info(&mut d, -1, [0; 3], 0x8000_0000, 0);
        let (bad, _) = info(&mut d, -1, [0; 3], 0, 0x10);
        for (args, status) in [
            ([good, 1, at, size], S::INVALID_INFO_CLASS),
            ([good, 7, at, size], S::INVALID_INFO_CLASS),
            ([good, 0, at, size - 1], S::INFO_LENGTH_MISMATCH),
            ([good, 0, at, size + 8], S::INFO_LENGTH_MISMATCH),
            ([good, 0, 0x10, size], S::ACCESS_VIOLATION),
            ([good, 0, bad, size], S::ACCESS_VIOLATION),
            ([good, 0, endless, size], S::INVALID_PARAMETER),
            ([weak, 0, at, size], S::ACCESS_DENIED),
            ([0x7770, 0, at, size], S::INVALID_HANDLE),
            ([u64::MAX, 0, at, size], S::OBJECT_TYPE_MISMATCH),
        ] {
            assert_eq!(d.call("NtSetTimerEx", &args), status, "{profile} {args:x?}");
        }
        // A machine that never sleeps is not woken.
        let (at, size) = info(&mut d, -1, [0, 0, 1], 0, 0);
        assert_eq!(d.call("NtSetTimerEx", &[good, 0, at, size]), S::TIMER_RESUME_IGNORED, "{profile}");
    }
}

/// A timer with a routine lives on until that has run or is cancelled, and has it queued once.
#[test]
fn a_timer_queues_its_routine() {
    let mut d = Direct::new();
    d.write_u64(DATA + 8, (-10_000_i64) as u64);
    let timer = d.handle("NtCreateTimer", &[TIMER_ALL, 0, 0]);
    let objects = d.objects();
    assert_eq!(d.call("NtSetTimer", &[timer, DATA + 8, 0x40_1000, 7, 0, 1, 0]), S::SUCCESS);
    assert_eq!(d.counts(timer).0, 1);
    let queued = |d: &Direct| d.kernel.ps.thread.apcs.iter().map(|apc| apc.words).collect::<Vec<_>>();
    let pass = |d: &mut Direct, units: u64| {
        let now = d.kernel.clock.interrupt_time();
        d.kernel.clock.advance_to(now + units);
        d.kernel.expire();
    };
    pass(&mut d, 9_999);
    assert!(queued(&d).is_empty());
    pass(&mut d, 100_000);
    let time = d.kernel.clock.system_time();
    assert_eq!(queued(&d), [[0x40_1000, 7, time & 0xffff_ffff, time >> 32]], "once");
    assert_eq!(d.call("NtCancelTimer", &[timer, 0]), S::SUCCESS);
    assert!(queued(&d).is_empty(), "taken back");
    // Closed, it runs once more.
    assert_eq!(d.call("NtSetTimer", &[timer, DATA + 8, 0x40_1000, 8, 0, 0, 0]), S::SUCCESS);
    assert_eq!((d.call("NtClose", &[timer]), d.objects()), (S::SUCCESS, objects));
    pass(&mut d, 100_000);
    assert_eq!(queued(&d).len(), 1);
    assert_eq!(d.call("NtDelayExecution", &[1, DATA + 8]), S::USER_APC);
    let mut state = UserState::default();
    d.kernel.ps.process.dispatchers.native.apc = 0x40_2000;
    state.file.set(Reg::Rsp, OUT + 0x800);
    state.segments.cs = 0x33;
    assert!(d.kernel.deliver_apc(&mut d.ram, &mut state));
    assert_eq!((state.file.get(Reg::Rip), d.objects()), (0x40_2000, objects - 1), "it goes with its routine");
    d.kernel.check_invariants().expect("nothing is left");
}

/// Sources: `ExAllocateTimer`, `ExSetTimer`, `ExCancelTimer`.
#[test]
fn the_timers_of_thread_pools() {
    const NOTIFICATION: u64 = 0x8000_0000;
    const NO_TIME: u64 = DATA + 0x820;
    let mut d = Direct::new();
    d.write_u64(DATA + 8, (-10_000_i64) as u64);
    d.write_u64(DATA + 16, 20_000);
    d.write_u64(DATA + 24, 1);
    for (attributes, left) in [(NOTIFICATION, S::SUCCESS), (0, S::TIMEOUT)] {
        let timer = d.handle("NtCreateTimer2", &[0, 0, attributes, TIMER_ALL]);
        assert_eq!(d.call("NtQueryObject", &[timer, 2, OUT, 0x100, 0]), S::SUCCESS);
        assert_eq!(d.string(OUT), "IRTimer");
        assert_eq!(d.call("NtSetTimer2", &[timer, DATA + 8, 0, 0]), S::SUCCESS);
        assert_eq!(d.call("NtWaitForSingleObject", &[timer, 0, NO_TIME]), S::TIMEOUT);
        assert_eq!(d.call("NtWaitForSingleObject", &[timer, 0, 0]), S::SUCCESS);
        assert_eq!(d.call("NtWaitForSingleObject", &[timer, 0, NO_TIME]), left, "{attributes:x}");
        // Every 2 ms.
        assert_eq!(d.call("NtSetTimer2", &[timer, DATA + 8, DATA + 16, 0]), S::SUCCESS);
        let before = d.kernel.clock.interrupt_time();
        assert_eq!(d.call("NtWaitForSingleObject", &[timer, 0, 0]), S::SUCCESS);
        assert!((10_000..10_100).contains(&(d.kernel.clock.interrupt_time() - before)));
        assert_eq!(d.call("NtSetTimer2", &[timer, DATA + 8, DATA + 8, 0]), S::INVALID_PARAMETER, "a negative period");
        assert_eq!(d.call("NtSetTimer2", &[timer, DATA + 8, 0, DATA + 24]), S::INVALID_PARAMETER, "an unknown version");
        assert_eq!(d.call("NtCancelTimer2", &[timer, 0]), S::SUCCESS);
        assert_eq!(d.call("NtSetTimer", &[timer, DATA + 8, 0, 0, 0, 0, 0]), S::OBJECT_TYPE_MISMATCH);
        assert_eq!(d.call("NtSetTimer2", &[0x7770, DATA + 8, 0, 0]), S::INVALID_HANDLE);
    }
    let weak = d.handle("NtCreateTimer2", &[0, 0, 0, 0x10_0000]);
    assert_eq!(d.call("NtSetTimer2", &[weak, DATA + 8, 0, 0]), S::ACCESS_DENIED);
    assert_eq!(d.call("NtCancelTimer2", &[weak, 0]), S::ACCESS_DENIED);
    assert_eq!(d.call("NtCreateTimer2", &[DATA, 0, 0, 1, TIMER_ALL]), S::INVALID_PARAMETER_4);
}
