//! Property tests: the handle table and the regions of an address space against simple models.

use std::collections::BTreeMap;

use guest::Profile;
use guest::{AccessMask, Handle};
use kernel_model::mm::{AddressSpace, Limits, Protect, Vad, VadKind};
use kernel_model::ob::{Entry, HandleAttributes, HandleTable, ObjectId};
use proptest::prelude::*;

fn entry(n: u32) -> Entry {
    Entry { object: ObjectId(n), granted: AccessMask(n), attributes: HandleAttributes::empty() }
}

#[derive(Clone, Debug)]
enum HandleAct {
    Open,
    /// Close the open handle at this place among them.
    Close(prop::sample::Index),
    /// Close a value that may or may not be open.
    CloseValue(u16),
}

fn handle_acts() -> impl Strategy<Value = Vec<HandleAct>> {
    let act = prop_oneof![
        4 => Just(HandleAct::Open),
        3 => any::<prop::sample::Index>().prop_map(HandleAct::Close),
        1 => any::<u16>().prop_map(HandleAct::CloseValue),
    ];
    prop::collection::vec(act, 0..1500)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn handle_tables_behave(acts in handle_acts()) {
        let mut table = HandleTable::default();
        let mut model: BTreeMap<u64, u32> = BTreeMap::new();
        // Values that were freed, the last one first: they are handed out again in that order.
        let mut freed: Vec<u64> = Vec::new();
        for (n, act) in acts.iter().enumerate() {
            match act {
                HandleAct::Open => {
                    let handle = table.insert(entry(n as u32)).expect("room");
                    prop_assert_eq!(handle.0 % 4, 0);
                    prop_assert_ne!(handle.0 % 1024, 0, "the first entry of a page is never used");
                    prop_assert!(model.insert(handle.0, n as u32).is_none(), "a value that is open");
                    match freed.pop() {
                        Some(expected) => prop_assert_eq!(handle.0, expected),
                        None => prop_assert!(model.range(handle.0 + 1..).next().is_none(), "values grow"),
                    }
                }
                HandleAct::Close(index) if !model.is_empty() => {
                    let value = *index.get(&model.keys().copied().collect::<Vec<_>>());
                    // The two low bits do not count.
                    let closed = table.remove(Handle(value + n as u64 % 4)).map(|c| c.entry.object.0);
                    prop_assert_eq!(closed, model.remove(&value));
                    freed.push(value);
                }
                HandleAct::Close(_) => {}
                HandleAct::CloseValue(value) => {
                    let value = u64::from(*value) & !3;
                    let closed = table.remove(Handle(value)).map(|c| c.entry.object.0);
                    let expected = model.remove(&value);
                    prop_assert_eq!(closed, expected);
                    freed.extend(expected.map(|_| value));
                }
            }
            prop_assert_eq!(table.count(), model.len());
        }
        let open: Vec<(u64, u32)> = table.iter().map(|(h, e)| (h.0, e.object.0)).collect();
        prop_assert_eq!(open, model.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn regions_never_overlap(acts in prop::collection::vec((0u64..64, 1u64..12, any::<bool>(), any::<bool>()), 0..200)) {
        const BASE: u64 = 0x20_0000;
        let limits = Limits { search_from: BASE << 12, ..Limits::new(Profile::default_profile()) };
        let mut space = AddressSpace::new(limits);
        // Which pages of the window are reserved.
        let mut model = [false; 256];
        for (at, pages, reserve, search) in acts {
            if reserve {
                let first = if search {
                    let first = space.find(pages, false, u64::MAX).expect("there is room");
                    prop_assert_eq!(first % 16, 0, "64 KiB granularity");
                    // It is the lowest such place.
                    let free = |p: u64| !model.get((p - BASE) as usize).copied().unwrap_or(false);
                    let lowest = (BASE..).step_by(16).find(|&s| (s..s + pages).all(free));
                    prop_assert_eq!(Some(first), lowest);
                    first
                } else {
                    BASE + at
                };
                let last = first + pages - 1;
                let cells = (first - BASE) as usize..=(last - BASE) as usize;
                if cells.end() >= &model.len() {
                    continue;
                }
                let free = model[cells.clone()].iter().all(|used| !used);
                prop_assert_eq!(space.is_free(first, last), free);
                if free {
                    model[cells].fill(true);
                    space.insert(Vad { first, last, base: first, kind: VadKind::Private, protect: Protect::READWRITE });
                }
            } else if let Some(vad) = space.vad(BASE + at).cloned() {
                // Free some pages of one region: the front, the back, the middle or all.
                let last = (BASE + at + pages - 1).min(vad.last);
                space.carve(BASE + at, last);
                model[at as usize..=(last - BASE) as usize].fill(false);
            }
            let mut seen = [false; 256];
            for vad in space.vads() {
                for page in vad.first..=vad.last {
                    let cell = &mut seen[(page - BASE) as usize];
                    prop_assert!(!*cell, "two regions share a page");
                    *cell = true;
                }
            }
            prop_assert_eq!(&seen[..], &model[..]);
        }
    }
}

#[test]
fn the_first_handle_is_four() {
    let mut table = HandleTable::default();
    let values: Vec<u64> = (0..3).map(|n| table.insert(entry(n)).expect("room").0).collect();
    assert_eq!(values, [4, 8, 12]);
    assert!(table.get(Handle(0)).is_none() && table.get(Handle(7)).is_some());
}
