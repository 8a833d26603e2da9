//! Random calls: against a small reference model, and without one over every service of the object manager's.

use std::collections::BTreeMap;

use guest::NtStatus;
use kernel_model::Answer;
use proptest::prelude::*;

use crate::direct::{DATA, Direct, HANDLE, OUT, PROCESS, READ_ONLY};

const NAMES: [&str; 4] = ["", "\\A", "\\B", "\\a"];
const ALL: u64 = 0x1f_0003;

/// What the reference model knows of an event.
#[derive(Clone, Debug, Default)]
struct Model {
    /// Objects: name and whether each is permanent. The key is the order of creation.
    objects: BTreeMap<usize, (&'static str, bool)>,
    /// Handles of each process: value, object.
    handles: [BTreeMap<u64, usize>; 2],
    next: usize,
}

impl Model {
    fn named(&self, name: &str) -> Option<usize> {
        self.objects.iter().find(|(_, o)| !name.is_empty() && o.0 == name).map(|(id, _)| *id)
    }

    fn handles_to(&self, object: usize) -> usize {
        self.handles.iter().flat_map(|h| h.values()).filter(|&&o| o == object).count()
    }

    /// An object without handles is gone, unless it is permanent.
    fn collect(&mut self) {
        let dead: Vec<usize> =
            self.objects.iter().filter(|(id, o)| !o.1 && self.handles_to(**id) == 0).map(|(id, _)| *id).collect();
        self.objects.retain(|id, _| !dead.contains(id));
    }
}

#[derive(Clone, Debug)]
enum Act {
    Create(usize, bool),
    Open(usize),
    Close(prop::sample::Index),
    /// From the first process to one of both.
    Duplicate(prop::sample::Index, bool, bool),
    Permanent(prop::sample::Index, bool),
    Terminate,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let index = any::<prop::sample::Index>;
    let act = prop_oneof![
        4 => (0..NAMES.len(), any::<bool>()).prop_map(|(name, open_if)| Act::Create(name, open_if)),
        3 => (0..NAMES.len()).prop_map(Act::Open),
        4 => index().prop_map(Act::Close),
        3 => (index(), any::<bool>(), any::<bool>()).prop_map(|(i, there, close)| Act::Duplicate(i, there, close)),
        1 => (index(), any::<bool>()).prop_map(|(i, on)| Act::Permanent(i, on)),
        1 => Just(Act::Terminate),
    ];
    prop::collection::vec(act, 0..120)
}

fn pick(model: &Model, index: &prop::sample::Index) -> Option<(u64, usize)> {
    let all: Vec<(u64, usize)> = model.handles[0].iter().map(|(h, o)| (*h, *o)).collect();
    (!all.is_empty()).then(|| *index.get(&all))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Counts never drift, nothing leaks, every object dies exactly at its last reference.
    #[test]
    fn objects_live_as_long_as_they_must(acts in acts()) {
        let mut d = Direct::new();
        d.kernel.hold(kernel_model::se::Privilege::CREATE_PERMANENT);
        let before = d.objects();
        let mut model = Model::default();
        // The second process, and our handle to it, as long as it runs.
        let mut other = None;
        for act in acts {
            let (id, process) = *other.get_or_insert_with(|| start(&mut d));
            match act {
                Act::Create(name, open_if) => {
                    let name = NAMES[name];
                    let attributes = d.attributes(name, if open_if { 0x80 } else { 0 }, 0);
                    let status = d.call("NtCreateEvent", &[HANDLE, ALL, attributes, 0, 0]);
                    let expected = match model.named(name) {
                        Some(_) if !open_if => NtStatus::OBJECT_NAME_COLLISION,
                        Some(_) => NtStatus::OBJECT_NAME_EXISTS,
                        None => NtStatus::SUCCESS,
                    };
                    prop_assert_eq!(status, expected);
                    if status.is_success() {
                        let object = model.named(name).unwrap_or(model.next);
                        model.next += 1;
                        model.objects.entry(object).or_insert((name, false));
                        prop_assert!(model.handles[0].insert(d.u64(HANDLE), object).is_none());
                    }
                }
                Act::Open(name) => {
                    let attributes = d.attributes(NAMES[name], 0, 0);
                    let status = d.call("NtOpenEvent", &[HANDLE, ALL, attributes]);
                    match model.named(NAMES[name]) {
                        Some(object) => drop(model.handles[0].insert(d.u64(HANDLE), object)),
                        None if name == 0 => prop_assert_eq!(status, NtStatus::OBJECT_PATH_SYNTAX_BAD),
                        None => prop_assert_eq!(status, NtStatus::OBJECT_NAME_NOT_FOUND),
                    }
                }
                Act::Close(index) => {
                    let Some((handle, _)) = pick(&model, &index) else { continue };
                    prop_assert_eq!(d.call("NtClose", &[handle]), NtStatus::SUCCESS);
                    model.handles[0].remove(&handle);
                }
                Act::Duplicate(index, there, close) => {
                    let Some((handle, object)) = pick(&model, &index) else { continue };
                    let target = if there { process } else { PROCESS };
                    let args = [PROCESS, handle, target, HANDLE, 0, 0, if close { 3 } else { 2 }];
                    prop_assert_eq!(d.call("NtDuplicateObject", &args), NtStatus::SUCCESS);
                    if close {
                        model.handles[0].remove(&handle);
                    }
                    model.handles[usize::from(there)].insert(d.u64(HANDLE), object);
                }
                Act::Permanent(index, on) => {
                    let Some((handle, object)) = pick(&model, &index) else { continue };
                    let service = if on { "NtMakePermanentObject" } else { "NtMakeTemporaryObject" };
                    prop_assert_eq!(d.call(service, &[handle]), NtStatus::SUCCESS);
                    let entry = model.objects.get_mut(&object).expect("an object");
                    entry.1 = on && !entry.0.is_empty();
                }
                Act::Terminate => {
                    prop_assert_eq!(d.call("NtTerminateProcess", &[process, 0]), NtStatus::SUCCESS);
                    prop_assert_eq!(d.call("NtClose", &[process]), NtStatus::SUCCESS);
                    prop_assert!(d.kernel.ps.get(id).is_none());
                    model.handles[1].clear();
                    other = None;
                }
            }
            model.collect();
            // The process, its thread and its token.
            let extra = if other.is_some() { 3 } else { 0 };
            prop_assert_eq!(d.objects(), before + extra + model.objects.len());
            for (handle, object) in model.handles[0].clone() {
                prop_assert_eq!(d.counts(handle).0 as usize, model.handles_to(object));
            }
        }
    }
}

/// A second process, and a handle to it.
fn start(d: &mut Direct) -> (kernel_model::ps::ProcessId, u64) {
    let id = d.kernel.add_process("other.exe");
    let attributes = d.attributes("", 0, 0);
    d.write_u64(attributes + 16, 0);
    d.write_u64(OUT, id.0.into());
    d.write_u64(OUT + 8, 0);
    (id, d.handle("NtOpenProcess", &[0x1f_ffff, attributes, OUT]))
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
    ];
    // These stop the machine's one thread, or make it sleep.
    const NOT: &[&str] = &["NtDelayExecution", "NtTerminateThread"];
    let known = kernel_model::kernel::services().filter(|s| d.kernel.profile.number(s.name).is_some());
    let wanted = known.filter(|s| PARTS.iter().any(|part| s.name.contains(part)) && !NOT.contains(&s.name));
    wanted.map(|s| (s.name, s.arg_count)).collect()
}

/// A small random-number generator (xorshift64*).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 16) % n
    }

    fn of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// An argument: a pointer that is good, bad or odd, a handle that is open or not, a small or a wild number.
fn argument(rng: &mut Rng, handles: &[u64], attributes: u64) -> u64 {
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

/// One call with random arguments, after the memory that they point to was made a little different.
fn step(d: &mut Direct, rng: &mut Rng, list: &[(&'static str, usize)]) {
    let handles: Vec<u64> = d.kernel.ps.process.handles.iter().map(|(h, _)| h.0).take(200).collect();
    let name = rng.of(&["\\F", "\\G\\H", "\\G", "\\BaseNamedObjects\\Local\\x", "I", "\\??\\Z:", "", "\\Loop\\"]);
    let flags = rng.of(&[0, 0, 0x40, 0x80, 0x80, 0x2, 0x20, 0x10, 0x1000, 0x400]);
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
    if let Answer::Blocked(wait) = d.answer_unchecked(service, &args) {
        d.kernel.finish_wait(&wait);
    }
}

fn random_calls(seed: u64, calls: u32, check_each: bool) -> Direct {
    let mut d = Direct::new();
    d.kernel.hold(kernel_model::se::Privilege::CREATE_PERMANENT);
    let mut rng = Rng(seed);
    let list = services(&d);
    assert!(list.len() > 70, "{} services", list.len());
    for n in 0..calls {
        step(&mut d, &mut rng, &list);
        if d.kernel.ps.iter().filter(|p| !p.about.booted).count() < 4 {
            d.kernel.add_process("other.exe");
        }
        if check_each || n % 512 == 0 {
            d.kernel.check_invariants().unwrap_or_else(|wrong| panic!("seed {seed:#x}, call {n}: {wrong}"));
        }
        // What was made goes again, so that it is not always the same.
        if n % 4096 == 4095 {
            for handle in d.kernel.ps.process.handles.iter().map(|(h, _)| h.0).collect::<Vec<_>>() {
                d.answer_unchecked("NtClose", &[handle]);
            }
        }
    }
    d
}

#[test]
fn a_hundred_thousand_random_calls() {
    let d = random_calls(0x7261_7067_6174_6521, 100_000, false);
    d.kernel.check_invariants().expect("the invariants hold");
}

#[test]
fn random_calls_checked_one_by_one() {
    for seed in 1..=3 {
        random_calls(seed, 1500, true);
    }
}
