//! What names and handles cost when there are many: services called in the kernel model, without a CPU.

use guest::AccessMask;
use kernel_model::body::Body;
use kernel_model::ke::{Event, EventKind};
use kernel_model::ob::{Entry, HandleAttributes, Lookup, Walk};

use crate::desk::{Bench, DATA};
use crate::measure::{Figure, in_turns, time};

const EVENT_ALL: u64 = 0x1f_0003;
const CALLS: u32 = 200_000;
/// Nearly as many handles as a process can have.
const MOST: u32 = 16_000_000;

fn event() -> Body {
    Body::Event(Event { kind: EventKind::Notification, signaled: false })
}

/// A kernel with a directory of so many names.
fn with_names(count: u32) -> Bench {
    let mut bench = Bench::new(1);
    bench.kernel.ob.create_at("\\Bench", Body::Directory(Box::default())).expect("a directory");
    for n in 0..count {
        bench.kernel.ob.create_at(&format!("\\Bench\\Name of event {n}"), event()).expect("an event");
    }
    bench.attributes("\\Bench\\The event", 0);
    let path: Vec<u16> = "\\Bench\\Name of event 9".encode_utf16().collect();
    let found = bench.kernel.ob.lookup(&Walk { path: &path, ..Walk::default() });
    assert!(matches!(found, Ok(Lookup::Found(_))));
    bench
}

fn create_and_close(bench: &mut Bench) -> f64 {
    let (create, close) = (bench.row("NtCreateEvent"), bench.row("NtClose"));
    let elapsed = time(|| {
        for _ in 0..CALLS / 2 {
            bench.call(&create, &[DATA + 0x800, EVENT_ALL, DATA, 0, 0]);
            // The first free handle, again and again.
            bench.call(&close, &[4]);
        }
    });
    f64::from(CALLS) / elapsed.as_secs_f64()
}

/// A kernel with so many handles to one event, and up to 64 of their values from all over the table.
fn with_handles(count: u32) -> (Bench, Vec<u64>) {
    let mut bench = Bench::new(1);
    let object = bench.kernel.ob.create(event());
    let entry = Entry { object, granted: AccessMask(EVENT_ALL as u32), attributes: HandleAttributes::empty() };
    let handles = &mut bench.kernel.ps.process.handles;
    let all: Vec<u32> = (0..count).map(|_| handles.insert(entry).expect("room").0 as u32).collect();
    let cached = handles.initial_cache();
    all.iter().for_each(|_| bench.kernel.ob.handle_opened(object, cached));
    let some = (0..64).map(|i| all[i * (all.len() / 64) % all.len()].into()).collect();
    (bench, some)
}

fn look_up(bench: &mut Bench, handles: &[u64]) -> f64 {
    let set = bench.row("NtSetEvent");
    let elapsed = time(|| {
        for handle in handles.iter().cycle().take(CALLS as usize) {
            bench.call(&set, &[*handle, 0]);
        }
    });
    f64::from(CALLS) / elapsed.as_secs_f64()
}

/// Calls per second with many names and many handles, beside the same with few; the memory of a handle.
pub fn figures() -> Vec<Figure> {
    let compare = |name: &str, many: f64, few: f64, factor: f64| Figure {
        name: name.into(),
        unit: "calls/s",
        value: many,
        floor: Some(few),
        target: Some((format!("within {factor} of the floor"), few / many <= factor)),
    };
    let memory = |name: &str, bytes: f64| Figure {
        name: name.into(),
        unit: "bytes",
        value: bytes,
        floor: None,
        target: Some(("32 or less".into(), bytes <= 32.0)),
    };
    let (mut few, mut many) = (with_names(10), with_names(100_000));
    let (names, few_names) = in_turns(|| create_and_close(&mut many), || create_and_close(&mut few));
    let (mut one, mut million) = (with_handles(1), with_handles(1_000_000));
    let (middle, spread) = (million.1[32..33].to_vec(), million.1);
    let (handles, one_handle) = in_turns(|| look_up(&mut million.0, &middle), || look_up(&mut one.0, &one.1[..1]));
    let (all_over, _) = in_turns(|| look_up(&mut million.0, &spread), || 0.0);
    let bytes = million.0.kernel.ps.process.handles.bytes() as f64 / 1e6;
    drop(million.0);
    let mut most = with_handles(MOST);
    let (most_handles, one_of_most) =
        in_turns(|| look_up(&mut most.0, &most.1[32..33]), || look_up(&mut one.0, &one.1[..1]));
    let most_bytes = most.0.kernel.ps.process.handles.bytes() as f64 / f64::from(MOST);
    vec![
        compare("named event, create + close among 100,000 names (floor: among 10)", names, few_names, 1.5),
        compare("handle look-up (NtSetEvent) among 1,000,000 (floor: the only one)", handles, one_handle, 1.3),
        Figure {
            name: "the same, 64 of them in turns from all over the table".into(),
            unit: "calls/s",
            value: all_over,
            floor: Some(one_handle),
            target: None,
        },
        memory("memory of a handle among 1,000,000", bytes),
        compare("handle look-up among 16,000,000 (floor: the only one)", most_handles, one_of_most, 1.3),
        memory("memory of a handle among 16,000,000", most_bytes),
    ]
}
