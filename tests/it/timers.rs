//! `NtSetTimerEx`. Source: Microsoft Learn on `ZwSetTimerEx` and `TIMER_SET_COALESCABLE_TIMER_INFO`.

use guest::NtStatus as S;
use kernel_model::Answer;

use crate::desk::Desk;

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
        for (pointers, name) in [([1, 0, 0], "TimerApcRoutine"), ([0, 0, 1], "WakeContext")] {
            let (at, size) = info(&mut d, -1, pointers, 0, 0);
            let answer = d.answer("NtSetTimerEx", &[good, 0, at, size]);
            assert_eq!(answer, Answer::NotImplemented(Some(name.into())), "{profile}");
        }
    }
}
