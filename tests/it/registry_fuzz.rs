//! The registry under random calls: against a small reference model, and without one over all its services.

use std::collections::BTreeMap;

use guest::NtStatus;
use kernel_model::Answer;

use crate::direct::{DATA, Direct, HANDLE, OUT, READ_ONLY};
use crate::support::Random;

type S = NtStatus;

/// Values by name: type and data.
type Values = BTreeMap<String, (u32, Vec<u8>)>;

const USER: &str = r"\REGISTRY\USER\S-1-5-21-1004336348-1177238915-682003330-1001";
const ALL: u64 = 0xf_003f;
const MAXIMUM_ALLOWED: u64 = 0x200_0000;
const CASE_INSENSITIVE: u64 = 0x40;
/// Where value names are.
const NAME: u64 = DATA + 0x3000;
const NAME_TEXT: u64 = DATA + 0x3100;

/// A key of the model: its name as made, its values by upper-case name, its subkeys.
#[derive(Clone, Debug, Default)]
struct Key {
    name: String,
    values: BTreeMap<String, (u32, Vec<u8>)>,
    children: BTreeMap<String, Key>,
}

impl Key {
    fn at(&mut self, path: &[&str]) -> Option<&mut Key> {
        path.iter().try_fold(self, |key, name| key.children.get_mut(&name.to_uppercase()))
    }
}

struct Both {
    d: Direct,
    model: Key,
}

impl Both {
    fn new() -> Self {
        let mut both = Self { d: Direct::new(), model: Key::default() };
        let handle = both.create(&[]).expect("the test's key");
        both.d.call("NtClose", &[handle]);
        both
    }

    fn path(names: &[&str]) -> String {
        names.iter().fold(format!("{USER}\\Fuzz"), |path, name| format!("{path}\\{name}"))
    }

    fn create(&mut self, names: &[&str]) -> Result<u64, S> {
        let attributes = self.d.attributes(&Self::path(names), CASE_INSENSITIVE as u32, 0);
        match self.d.call("NtCreateKey", &[HANDLE, MAXIMUM_ALLOWED, attributes, 0, 0, 0, 0]) {
            S::SUCCESS => Ok(self.d.u64(HANDLE)),
            status => Err(status),
        }
    }

    fn open(&mut self, names: &[&str]) -> Result<u64, S> {
        let attributes = self.d.attributes(&Self::path(names), CASE_INSENSITIVE as u32, 0);
        match self.d.call("NtOpenKey", &[HANDLE, ALL, attributes]) {
            S::SUCCESS => Ok(self.d.u64(HANDLE)),
            status => Err(status),
        }
    }

    fn value_name(&mut self, name: &str) -> u64 {
        self.d.unicode(NAME, NAME_TEXT, name);
        NAME
    }

    /// What a key's subkeys and values are, by enumeration.
    fn listed(&mut self, handle: u64) -> (Vec<String>, Values) {
        let (mut names, mut values) = (Vec::new(), BTreeMap::new());
        let text = |d: &Direct, length: u32, at: u64| {
            let units: Vec<u16> =
                d.read(at, length as usize).as_chunks().0.iter().map(|u| u16::from_le_bytes(*u)).collect();
            String::from_utf16(&units).expect("UTF-16")
        };
        while self.d.call("NtEnumerateKey", &[handle, names.len() as u64, 0, OUT, 0x400, DATA + 8]) == S::SUCCESS {
            names.push(text(&self.d, self.d.u32(OUT + 12), OUT + 16));
        }
        while self.d.call("NtEnumerateValueKey", &[handle, values.len() as u64, 1, OUT, 0x400, DATA + 8]) == S::SUCCESS
        {
            let name = text(&self.d, self.d.u32(OUT + 16), OUT + 20);
            let (offset, length) = (self.d.u32(OUT + 8), self.d.u32(OUT + 12));
            let data = if length == 0 { Vec::new() } else { self.d.read(OUT + u64::from(offset), length as usize) };
            values.insert(name.to_uppercase(), (self.d.u32(OUT + 4), data));
        }
        (names, values)
    }
}

const NAMES: [&str; 6] = ["a", "B", "_", "ä", "Long name", "b1"];

fn pick<'a>(rng: &mut Random, spell: bool) -> Vec<&'a str> {
    let depth = rng.below(4);
    let pool = ["a", "B", "_", "ä", "Long name", "b1", "A", "b", "Ä", "LONG NAME", "B1"];
    let most = if spell { pool.len() } else { NAMES.len() };
    (0..depth).map(|_| pool[rng.below(most as u64) as usize]).collect()
}

fn step(both: &mut Both, rng: &mut Random) {
    let names = pick(rng, true);
    let there = both.model.at(&names).is_some();
    match rng.below(8) {
        0..=2 => {
            let above = names.split_last().is_none_or(|(_, above)| both.model.at(above).is_some());
            let created = both.create(&names);
            assert_eq!(created.is_ok(), above, "{names:?}");
            let Ok(handle) = created else { return };
            if let Some((last, above)) = names.split_last() {
                let parent = both.model.at(above).expect("it is there");
                let key = parent.children.entry(last.to_uppercase()).or_default();
                if key.name.is_empty() {
                    key.name = (*last).to_string();
                }
            }
            both.d.call("NtClose", &[handle]);
        }
        3 | 4 => {
            let Ok(handle) = both.open(&names) else { return assert!(!there, "{names:?}") };
            let name = ["", "x", "X", "Größe", "value"][rng.below(5) as usize];
            let data: Vec<u8> = (0..rng.below(40)).map(|_| rng.next() as u8).collect();
            let kind = rng.below(13) as u32;
            let at = both.value_name(name);
            both.d.write(OUT, &data);
            let args = [handle, at, 0, kind.into(), OUT, data.len() as u64];
            assert_eq!(both.d.call("NtSetValueKey", &args), S::SUCCESS);
            both.model.at(&names).expect("it is there").values.insert(name.to_uppercase(), (kind, data));
            both.d.call("NtClose", &[handle]);
        }
        5 => {
            let Ok(handle) = both.open(&names) else { return assert!(!there, "{names:?}") };
            let name = ["", "x", "X", "Größe", "value"][rng.below(5) as usize];
            let at = both.value_name(name);
            let status = both.d.call("NtDeleteValueKey", &[handle, at]);
            let had = both.model.at(&names).expect("it is there").values.remove(&name.to_uppercase()).is_some();
            assert_eq!(status.is_success(), had, "{names:?} {name}");
            both.d.call("NtClose", &[handle]);
        }
        6 => {
            let Some((last, above)) = names.split_last() else { return };
            let Ok(handle) = both.open(&names) else { return assert!(!there, "{names:?}") };
            let status = both.d.call("NtDeleteKey", &[handle]);
            let empty = both.model.at(&names).expect("it is there").children.is_empty();
            assert_eq!(status, if empty { S::SUCCESS } else { S::CANNOT_DELETE });
            if empty {
                both.model.at(above).expect("it is there").children.remove(&last.to_uppercase());
            }
            both.d.call("NtClose", &[handle]);
        }
        _ => {
            let Some((last, above)) = names.split_last() else { return };
            let Ok(handle) = both.open(&names) else { return assert!(!there, "{names:?}") };
            let new = NAMES[rng.below(6) as usize];
            let at = both.value_name(new);
            let status = both.d.call("NtRenameKey", &[handle, at]);
            let parent = both.model.at(above).expect("it is there");
            let taken = new.to_uppercase() != last.to_uppercase() && parent.children.contains_key(&new.to_uppercase());
            assert_eq!(status, if taken { S::CANNOT_DELETE } else { S::SUCCESS });
            if !taken {
                let mut key = parent.children.remove(&last.to_uppercase()).expect("it is there");
                key.name = new.to_string();
                parent.children.insert(new.to_uppercase(), key);
            }
            both.d.call("NtClose", &[handle]);
        }
    }
}

fn compare(both: &mut Both, names: &[&str]) {
    let handle = both.open(names).expect("a key of the model is there");
    let (children, values) = both.listed(handle);
    both.d.call("NtClose", &[handle]);
    let key = both.model.at(names).expect("it is there").clone();
    // The model's order is that of upper-case names too.
    let expected: Vec<String> = key.children.values().map(|child| child.name.clone()).collect();
    assert_eq!(children, expected, "{names:?}");
    assert_eq!(values, key.values, "{names:?}");
    for child in &expected {
        let below: Vec<&str> = names.iter().copied().chain([child.as_str()]).collect();
        compare(both, &below);
    }
}

/// Keys and values are what the model says after every hundred calls; the invariants hold after each.
#[test]
fn the_registry_is_what_was_made_of_it() {
    for seed in 1..=4 {
        let mut both = Both::new();
        let mut rng = Random(seed);
        for n in 0..1200 {
            step(&mut both, &mut rng);
            if n % 100 == 99 {
                compare(&mut both, &[]);
            }
        }
        // Nothing is left open.
        let open = both.d.kernel.ob.iter().filter(|(_, o)| matches!(o.body, kernel_model::body::Body::Key(_))).count();
        assert_eq!(open, 1, "\\REGISTRY");
    }
}

fn services(d: &Direct) -> Vec<(&'static str, usize)> {
    let wanted = |name: &str| {
        let key = name.contains("Key") && !name.contains("KeyedEvent") || name.contains("Registry");
        key || name.contains("SecurityObject") || matches!(name, "NtClose" | "NtDuplicateObject" | "NtQueryObject")
    };
    let known = kernel_model::kernel::services().filter(|s| d.kernel.profile.number(s.name).is_some());
    known.filter(|s| wanted(s.name)).map(|s| (s.name, s.arg_count)).collect()
}

fn argument(rng: &mut Random, handles: &[u64], attributes: u64) -> u64 {
    let of = |rng: &mut Random, list: &[u64]| list[rng.below(list.len() as u64) as usize];
    match rng.below(14) {
        0..=3 => OUT + rng.below(0x100) * 8,
        4 => attributes,
        5 => of(rng, &[NAME, NAME, HANDLE, OUT + 1]),
        6 => of(rng, &[0, 0x6000_0000, READ_ONLY, READ_ONLY - 4, READ_ONLY + 0xffc, 0xffff_8000_0000_0000]),
        7..=9 if !handles.is_empty() => of(rng, handles),
        10 => of(rng, &[ALL, MAXIMUM_ALLOWED, 0x2_0019, 0x100, 0x200, 1, 8, 0x8000_0000, 0xffff_ffff]),
        11 => of(rng, &[0x18, 0x40, 0x400, 0x1_0000, 0x7fff_ffff]),
        12 => rng.next(),
        _ => rng.below(12),
    }
}

fn random_call(d: &mut Direct, rng: &mut Random, list: &[(&'static str, usize)]) {
    let handles: Vec<u64> = d.kernel.ps.process.handles.iter().map(|(h, _)| h.0).take(200).collect();
    let names = [
        format!("{USER}\\Fuzz"),
        format!("{USER}\\Fuzz\\a"),
        format!("{USER}\\Fuzz\\a\\b"),
        format!("{USER}\\Fuzz\\link\\c"),
        format!("{USER}\\Fuzz\\link"),
        format!("{USER}\\Software\\Classes\\CLSID\\x"),
        r"\REGISTRY\MACHINE\SOFTWARE\Microsoft".into(),
        r"\REGISTRY\MACHINE\SYSTEM\CurrentControlSet\x".into(),
        r"\REGISTRY".into(),
        r"\REGISTRY\USER\new".into(),
        "a\\".into(),
        "x".into(),
        String::new(),
    ];
    let name = &names[rng.below(names.len() as u64) as usize];
    let flags = [0x40, 0x40, 0x140, 0, 0x1040, 0x42][rng.below(6) as usize];
    let root =
        if rng.below(4) == 0 && !handles.is_empty() { handles[rng.below(handles.len() as u64) as usize] } else { 0 };
    let attributes = d.attributes(name, flags, root);
    if rng.below(8) == 0 {
        d.write_u64(attributes + 8 * rng.below(6), rng.next() >> rng.below(64));
    }
    let value = ["", "x", "SymbolicLinkValue", "long enough", "a\\b"][rng.below(5) as usize];
    d.unicode(NAME, NAME_TEXT, value);
    let target: Vec<u8> = format!("{USER}\\Fuzz\\a").encode_utf16().flat_map(u16::to_le_bytes).collect();
    if rng.below(3) == 0 {
        d.write(OUT, &target);
    }
    d.write_u64(OUT + 8 * rng.below(0x100), rng.next() >> rng.below(64));
    let (service, count) = list[rng.below(list.len() as u64) as usize];
    let mut args: Vec<u64> = (0..count).map(|_| argument(rng, &handles, attributes)).collect();
    if (service.starts_with("NtCreate") || service.starts_with("NtOpen")) && rng.below(4) > 0 {
        args[0] = HANDLE;
        args[1] = [ALL, MAXIMUM_ALLOWED, 0x2_0019, 0x2_0219][rng.below(4) as usize];
        args[2] = attributes;
        args.iter_mut().skip(3).for_each(|arg| *arg = [0, 1, 2, 8, OUT][rng.below(5) as usize]);
    } else if service == "NtSetValueKey" && rng.below(2) == 0 && !handles.is_empty() {
        args = vec![handles[0], NAME, 0, 6, OUT, target.len() as u64];
    }
    if let Answer::Blocked(wait) = d.answer_unchecked(service, &args) {
        d.kernel.finish_wait(&wait);
    }
}

fn random_calls(seed: u64, calls: u32, check_each: bool) {
    let mut d = Direct::new();
    for privilege in [kernel_model::se::Privilege::BACKUP, kernel_model::se::Privilege::RESTORE] {
        d.kernel.hold(privilege);
    }
    let mut rng = Random(seed);
    let list = services(&d);
    assert!(list.len() > 35, "{} services", list.len());
    for n in 0..calls {
        random_call(&mut d, &mut rng, &list);
        if check_each || n % 512 == 0 {
            d.kernel.check_invariants().unwrap_or_else(|wrong| panic!("seed {seed:#x}, call {n}: {wrong}"));
        }
        if n % 2048 == 2047 {
            for handle in d.kernel.ps.process.handles.iter().map(|(h, _)| h.0).collect::<Vec<_>>() {
                d.answer_unchecked("NtClose", &[handle]);
            }
        }
    }
    d.kernel.check_invariants().expect("the invariants hold");
}

#[test]
fn fifty_thousand_random_calls() {
    random_calls(0x7265_6769_7374_7279, 50_000, false);
}

#[test]
fn random_calls_checked_one_by_one() {
    for seed in 1..=3 {
        random_calls(seed, 1500, true);
    }
}
