//! Random calls of the object manager's services: one driver for the seeded test and for the `cargo fuzz` target in
//! `fuzz/`, which only differ in where the choices come from.

use kernel_model::Answer;

use crate::direct::{DATA, Direct, HANDLE, OUT, PROCESS, READ_ONLY};

/// Every right of an event.
const ALL: u64 = 0x1f_0003;
/// How many calls are made before all handles are closed, so that what there is is not always the same.
const ROUND: u32 = 4096;
/// The most processes beside the one that calls.
const PROCESSES: usize = 3;

/// Where random choices come from.
pub trait Choices {
    /// A number.
    fn next(&mut self) -> u64;

    /// A number below `n`.
    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 16) % n
    }

    /// One of several.
    fn of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// A small random-number generator (xorshift64*).
pub struct Rng(pub u64);

impl Choices for Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// A machine without a CPU, and the services that are called.
#[derive(Clone)]
pub struct RandomCalls {
    pub direct: Direct,
    /// Each service and how many arguments it has.
    pub services: Vec<(&'static str, usize)>,
    calls: u32,
}

/// The services that random calls are made of: all that create, open, query, set, wait and close.
fn services(d: &Direct) -> Vec<(&'static str, usize)> {
    const PARTS: &[&str] = &[
        "Object",
        "Event",
        "Mutant",
        "Semaphore",
        "Timer",
        "Section",
        "IoCompletion",
        "Namespace",
        "Wait",
        "Close",
        "Process",
        "Thread",
        "Job",
        "Token",
        "Security",
        "AccessCheck",
        "AuditAlarm",
        "Privilege",
        "Compare",
        "Debug",
        "UniqueId",
    ];
    // These stop the machine's one thread, or make it sleep.
    const NOT: &[&str] = &["NtDelayExecution", "NtTerminateThread"];
    let known = kernel_model::kernel::services().filter(|s| d.kernel.profile.number(s.name).is_some());
    let wanted = known.filter(|s| PARTS.iter().any(|part| s.name.contains(part)) && !NOT.contains(&s.name));
    wanted.map(|s| (s.name, s.arg_count)).collect()
}

/// An argument: a pointer that is good, bad or odd, a handle that is open or not, a small or a wild number.
fn argument(rng: &mut impl Choices, handles: &[u64], attributes: u64) -> u64 {
    match rng.below(16) {
        0..=3 => OUT + rng.below(0x100) * 8,
        4 => attributes,
        5 => rng.of(&[HANDLE, DATA + 0x1000, DATA + 0x1100, OUT + 1, OUT + 0x123]),
        6 => {
            rng.of(&[0, 0x6000_0000, READ_ONLY, READ_ONLY - 4, READ_ONLY + 0xffc, 0xffff_8000_0000_0000, u64::MAX - 3])
        }
        7..=9 if !handles.is_empty() => rng.of(handles),
        10 => rng.of(&[PROCESS, u64::MAX - 1, u64::MAX - 4, 0, 4, 0x4444, 0xffff_ffff_8000_0004]),
        11 => rng.of(&[ALL, 0x1f_ffff, 0xf_000f, 0x200_0000, 0x1000_0000, 0x8000_0000, 0x100_0000, 1, 2, 0x10_0000]),
        12 => rng.of(&[0x30, 0x38, 0x40, 0x48, 0x68, 0x90, 0x800_0000, 0x1000, 0x1_0000, 16, 24]),
        13 => rng.next(),
        _ => rng.below(10),
    }
}

impl RandomCalls {
    /// A machine that may make permanent objects.
    pub fn new() -> Self {
        let mut direct = Direct::new();
        direct.kernel.hold(kernel_model::se::Privilege::CREATE_PERMANENT);
        let services = services(&direct);
        Self { direct, services, calls: 0 }
    }

    /// One call; now and then a new process, and now and then every handle is closed.
    pub fn step(&mut self, rng: &mut impl Choices) {
        let d = &mut self.direct;
        call(d, rng, &self.services);
        if d.kernel.ps.iter().count() <= PROCESSES {
            d.kernel.add_process("other.exe");
        }
        self.calls += 1;
        if self.calls.is_multiple_of(ROUND) {
            for handle in d.kernel.ps.process.handles.iter().map(|(h, _)| h.0).collect::<Vec<_>>() {
                d.answer_unchecked("NtClose", &[handle]);
            }
        }
    }
}

/// One call with random arguments, after the memory that they point to was made a little different.
fn call(d: &mut Direct, rng: &mut impl Choices, list: &[(&'static str, usize)]) {
    let handles: Vec<u64> = d.kernel.ps.process.handles.iter().map(|(h, _)| h.0).take(200).collect();
    let name = rng.of(&["\\F", "\\G\\H", "\\G", "\\BaseNamedObjects\\Local\\x", "I", "\\??\\Z:", "", "\\Loop\\"]);
    let flags = rng.of(&[0, 0, 0x40, 0x80, 0x80, 0x2, 0x20, 0x10, 0x1000, 0x400, 0x200, 0x280]);
    let root = if rng.below(6) == 0 && !handles.is_empty() { rng.of(&handles) } else { 0 };
    let attributes = d.attributes(name, flags, root);
    if rng.below(4) == 0 {
        d.write_u64(attributes + 8 * rng.below(6), rng.next() >> rng.below(64));
    }
    let at = OUT + 8 * rng.below(0x100);
    let value = argument(rng, &handles, attributes);
    d.write_u64(at, value);
    let (service, count) = rng.of(list);
    let mut args: Vec<u64> = (0..count).map(|_| argument(rng, &handles, attributes)).collect();
    // Calls that create or open mostly go where they can succeed.
    if (service.starts_with("NtCreate") || service.starts_with("NtOpen")) && rng.below(4) > 0 {
        args[0] = HANDLE;
        args[1] = rng.of(&[ALL, 0x1f_ffff, 0xf_000f, 0x200_0000, 0x1000_0000]);
        if let Some(third) = args.get_mut(2) {
            *third = rng.of(&[0, attributes, attributes]);
        }
    }
    // Now and then the caller is kernel code, which has handles of its own.
    d.kernel.ps.thread.kernel_mode = rng.below(16) == 0;
    if let Answer::Blocked(wait) = d.answer_unchecked(service, &args) {
        d.kernel.finish_wait(&wait);
    }
    d.kernel.ps.thread.kernel_mode = false;
}
