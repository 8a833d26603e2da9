//! Random calls: against a small reference model, and without one over every service of the object manager's.

use std::collections::BTreeMap;

use guest::NtStatus;
use proptest::prelude::*;

use crate::direct::{Direct, HANDLE, OUT, PROCESS};
use crate::random_calls::{RandomCalls, Rng};

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

fn random_calls(seed: u64, calls: u32, check_each: bool) -> Direct {
    let mut random = RandomCalls::new();
    let mut rng = Rng(seed);
    assert!(random.services.len() > 70, "{} services", random.services.len());
    for n in 0..calls {
        random.step(&mut rng);
        if check_each || n % 512 == 0 {
            let checked = random.direct.kernel.check_invariants();
            checked.unwrap_or_else(|wrong| panic!("seed {seed:#x}, call {n}: {wrong}"));
        }
    }
    random.direct
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
