//! Every service of the model with every pointer bad in turn: a status, no panic, and the executive's invariants hold.

use guest::{NtStatus, services};
use kernel_model::Answer;

use crate::direct::{DATA, Direct, OUT, PROCESS, READ_ONLY};

/// Addresses that are nobody's, a page that can only be read, one that is not aligned, the kernel's, and the last.
const BAD: [u64; 6] = [0x10, 0x6000_0000, READ_ONLY, OUT + 1, 0xffff_8000_0000_0000, u64::MAX - 3];

/// What is no pointer: a handle, a number.
const PLAIN: [u64; 5] = [PROCESS, 4, 0, 1, 0x1f_0003];

/// A machine with a named event (handle 4), and its services.
fn machine() -> Direct {
    let mut d = Direct::new();
    let attributes = d.attributes("\\Bad", 0x80, 0);
    d.handle("NtCreateEvent", &[0x1f_0003, attributes, 0, 0]);
    d
}

fn is_pointer(arg: &services::ArgInfo) -> bool {
    arg.ty.starts_with('P') && arg.ty != "PVOID" || arg.ty.ends_with('*')
}

/// Calls that end the machine's one thread, or make it wait or sleep.
const NOT: &[&str] = &["NtTerminateProcess", "NtTerminateThread", "NtDelayExecution", "NtContinue", "NtRaiseException"];

#[test]
fn every_pointer_is_bad_in_turn() {
    let mut calls = 0;
    let base = machine();
    for service in kernel_model::kernel::services() {
        let info = services::by_name(service.name).expect("a known service");
        if NOT.contains(&service.name) || base.kernel.profile.number(service.name).is_none() {
            continue;
        }
        for (index, arg) in info.args.iter().enumerate().filter(|(_, arg)| is_pointer(arg)) {
            for bad in BAD {
                for plain in PLAIN {
                    let mut d = base.clone();
                    let place = |(i, other): (usize, &services::ArgInfo)| match is_pointer(other) {
                        true => DATA + 0x4000 + 0x800 * i as u64,
                        false => plain,
                    };
                    let mut args: Vec<u64> = info.args.iter().enumerate().map(place).collect();
                    args[index] = bad;
                    let answer = d.answer(service.name, &args);
                    calls += 1;
                    // A place for a handle is looked at before anything else.
                    let for_handle = index == 0 && arg.ty == "PHANDLE" && bad != OUT + 1;
                    let wrong = matches!(answer, Answer::Status(status) if status == NtStatus::SUCCESS);
                    assert!(!for_handle || !wrong, "{} {args:x?}: {answer:?}", service.name);
                }
            }
        }
    }
    assert!(calls > 5000, "{calls} calls");
}
