//! Objects and handles: counts, lifetimes, attributes, duplicates, queries.

use guest::{AccessMask, Handle, NtStatus, Profile};
use kernel_model::ob::{Entry, HandleAttributes, HandleTable, ObjectId, RefCache};

use crate::direct::{Direct, HANDLE, OUT, PROCESS, THREAD};
use NtStatus as S;

const ALL: u64 = 0x1f_0003;
const DELETE: u64 = 0x1_0000;

fn event(d: &mut Direct, name: &str) -> u64 {
    let attributes = if name.is_empty() { 0 } else { d.attributes(name, 0, 0) };
    d.handle("NtCreateEvent", &[ALL, attributes, 0, 0])
}

/// Before 8.1 `NtQueryObject` counts its own reference; from 8.1 on a handle raises the count by 7FFFh (1Fh on 32-bit
/// kernels), and each use takes one away (Ionescu 2014). A name is a reference.
#[test]
fn pointer_counts_are_those_of_the_build() {
    let count = |profile: &str, name: &str| {
        let mut d = Direct::with(Profile::by_name(profile).expect("a profile"));
        let handle = event(&mut d, name);
        [d.counts(handle), d.counts(handle)]
    };
    assert_eq!(count("win7-sp1-x64", ""), [(1, 2), (1, 2)]);
    assert_eq!(count("win7-sp1-x64", "\\E"), [(1, 3), (1, 3)]);
    assert_eq!(count("win10-22h2-x64", ""), [(1, 32767), (1, 32766)]);
    assert_eq!(count("win10-22h2-x64", "\\E"), [(1, 32768), (1, 32767)]);
}

#[test]
fn a_store_of_references_is_filled_again() {
    let mut d = Direct::new();
    let handle = event(&mut d, "");
    for _ in 0..32766 {
        assert_eq!(d.answer_unchecked("NtSetEvent", &[handle, 0]), kernel_model::Answer::Status(S::SUCCESS));
    }
    assert_eq!(d.counts(handle), (1, 1), "the handle's own");
    assert_eq!(d.counts(handle), (1, 32767));
}

#[test]
fn the_last_handle_takes_the_name_and_the_object() {
    let mut d = Direct::new();
    let before = d.objects();
    let first = event(&mut d, "\\E");
    let attributes = d.attributes("\\E", 0, 0);
    let second = d.handle("NtOpenEvent", &[ALL, attributes]);
    assert_eq!(d.counts(first).0, 2);
    assert_eq!(d.call("NtClose", &[first]), S::SUCCESS);
    let third = d.handle("NtOpenEvent", &[ALL, attributes]);
    assert_eq!([d.call("NtClose", &[second]), d.call("NtClose", &[third])], [S::SUCCESS; 2]);
    assert_eq!(d.call("NtOpenEvent", &[HANDLE, ALL, attributes]), S::OBJECT_NAME_NOT_FOUND);
    assert_eq!((d.u64(HANDLE), d.objects()), (0, before));
}

#[test]
fn permanent_objects_stay() {
    let mut d = Direct::new();
    let attributes = d.attributes("\\P", 0x10, 0);
    assert_eq!(d.call("NtCreateEvent", &[HANDLE, ALL, attributes, 0, 0]), S::PRIVILEGE_NOT_HELD);
    let handle = event(&mut d, "\\P");
    assert_eq!(d.call("NtMakePermanentObject", &[handle]), S::PRIVILEGE_NOT_HELD);
    d.kernel.hold(kernel_model::se::Privilege::CREATE_PERMANENT);
    assert_eq!(d.call("NtMakePermanentObject", &[handle]), S::SUCCESS);
    assert_eq!(d.call("NtMakePermanentObject", &[0x4444]), S::INVALID_HANDLE);
    d.call("NtQueryObject", &[handle, 0, OUT, 0x38, 0]);
    assert_eq!(d.u32(OUT), 0x10, "OBJ_PERMANENT");
    assert_eq!(d.call("NtClose", &[handle]), S::SUCCESS);
    // It is there without a handle, until it is made temporary, which needs DELETE.
    let attributes = d.attributes("\\P", 0, 0);
    let weak = d.handle("NtOpenEvent", &[2, attributes]);
    assert_eq!(d.call("NtMakeTemporaryObject", &[weak]), S::ACCESS_DENIED);
    let strong = d.handle("NtOpenEvent", &[DELETE, attributes]);
    assert_eq!(d.call("NtMakeTemporaryObject", &[strong]), S::SUCCESS);
    assert_eq!([d.call("NtClose", &[weak]), d.call("NtClose", &[strong])], [S::SUCCESS; 2]);
    assert_eq!(d.call("NtOpenEvent", &[HANDLE, ALL, attributes]), S::OBJECT_NAME_NOT_FOUND);
}

#[test]
fn attributes_that_a_type_does_not_have() {
    let mut d = Direct::new();
    // OBJ_OPENLINK is invalid for most types, unknown bits for all.
    for flags in [0x100, 0x2000, 1] {
        let attributes = d.attributes("\\E", flags, 0);
        assert_eq!(d.call("NtCreateEvent", &[HANDLE, ALL, attributes, 0, 0]), S::INVALID_PARAMETER, "{flags:#x}");
    }
    // An exclusive object has one handle.
    let attributes = d.attributes("\\X", 0x20, 0);
    d.handle("NtCreateEvent", &[ALL, attributes, 0, 0]);
    let attributes = d.attributes("\\X", 0, 0);
    assert_eq!(d.call("NtOpenEvent", &[HANDLE, ALL, attributes]), S::ACCESS_DENIED);
}

#[test]
fn handles_that_are_protected_or_inherited() {
    let mut d = Direct::new();
    let handle = event(&mut d, "");
    let flags = |d: &mut Direct, bytes: [u8; 2], handle: u64, length: u64| {
        d.write(OUT + 0x100, &bytes);
        d.call("NtSetInformationObject", &[handle, 4, OUT + 0x100, length])
    };
    assert_eq!(flags(&mut d, [1, 1], handle, 1), S::INFO_LENGTH_MISMATCH);
    assert_eq!(flags(&mut d, [1, 1], 0x4444, 2), S::INVALID_HANDLE);
    assert_eq!(flags(&mut d, [1, 1], PROCESS, 2), S::INVALID_HANDLE);
    assert_eq!(flags(&mut d, [1, 1], handle, 2), S::SUCCESS);
    assert_eq!(d.call("NtSetInformationObject", &[handle, 1, OUT, 2]), S::INVALID_INFO_CLASS);
    assert_eq!(d.call("NtQueryObject", &[handle, 4, OUT, 2, 0]), S::SUCCESS);
    assert_eq!(d.read(OUT, 2), [1, 1]);
    d.call("NtQueryObject", &[handle, 0, OUT, 0x38, 0]);
    assert_eq!(d.u32(OUT), 3, "OBJ_INHERIT and OBJ_PROTECT_CLOSE");
    assert_eq!(d.call("NtClose", &[handle]), S::HANDLE_NOT_CLOSABLE);
    // A protected source stays open, and the call succeeds; the attributes are copied if that is asked for.
    let copy = [PROCESS, handle, PROCESS, HANDLE, 0, 0, 7];
    assert_eq!(d.call("NtDuplicateObject", &copy), S::SUCCESS);
    let second = d.u64(HANDLE);
    assert_ne!(second, handle);
    assert_eq!(d.call("NtClose", &[second]), S::HANDLE_NOT_CLOSABLE);
    assert_eq!(flags(&mut d, [0, 0], second, 2), S::SUCCESS);
    assert_eq!(d.call("NtClose", &[second]), S::SUCCESS);
}

#[test]
fn pseudo_handles_close_on_windows_10() {
    for (profile, status) in [("win10-22h2-x64", S::SUCCESS), ("win81-x64", S::INVALID_HANDLE)] {
        let mut d = Direct::with(Profile::by_name(profile).expect("a profile"));
        for pseudo in 1..=6u64 {
            assert_eq!(d.call("NtClose", &[0u64.wrapping_sub(pseudo)]), status, "-{pseudo} on {profile}");
        }
        assert_eq!(d.call("NtClose", &[0u64.wrapping_sub(7)]), S::INVALID_HANDLE);
        assert_eq!(d.call("NtClose", &[0]), S::INVALID_HANDLE);
    }
}

#[test]
fn duplicates_in_one_process() {
    let mut d = Direct::new();
    let handle = event(&mut d, "");
    let duplicate = |d: &mut Direct, source: u64, access: u64, options: u64| {
        let status = d.call("NtDuplicateObject", &[PROCESS, source, PROCESS, HANDLE, access, 0, options]);
        (status, d.u64(HANDLE))
    };
    assert_eq!(duplicate(&mut d, 0x4444, 0, 2), (S::INVALID_HANDLE, 0));
    assert_eq!(duplicate(&mut d, handle, 0xffff_ffff, 0), (S::ACCESS_DENIED, 0));
    let (status, weak) = duplicate(&mut d, handle, 2, 0);
    assert_eq!(status, S::SUCCESS);
    assert_eq!(d.call("NtQueryEvent", &[weak, 0, OUT, 8, 0]), S::ACCESS_DENIED);
    assert_eq!(d.call("NtSetEvent", &[weak, 0]), S::SUCCESS);
    assert_eq!(d.counts(handle).0, 2);
    assert_eq!(d.call("NtCompareObjects", &[handle, weak]), S::SUCCESS);
    let other = event(&mut d, "");
    assert_eq!(d.call("NtCompareObjects", &[handle, other]), S::NOT_SAME_OBJECT);
    assert_eq!(d.call("NtCompareObjects", &[handle, 0x4444]), S::INVALID_HANDLE);
    // CLOSE_SOURCE reuses the value.
    assert_eq!(duplicate(&mut d, weak, 0, 3), (S::SUCCESS, weak));
    // No target process: the source is closed, if that is what is asked for.
    let close = |options| [PROCESS, weak, 0, 0, 0, 0, options];
    assert_eq!(d.call("NtDuplicateObject", &close(0)), S::INVALID_PARAMETER);
    assert_eq!(d.call("NtDuplicateObject", &close(1)), S::SUCCESS);
    assert_eq!(d.counts(handle).0, 1);
    // A pseudo handle becomes a real one.
    let (_, process) = duplicate(&mut d, PROCESS, 0, 2);
    assert_eq!(d.call("NtCompareObjects", &[process, PROCESS]), S::SUCCESS);
    assert_eq!(d.call("NtCompareObjects", &[process, THREAD]), S::NOT_SAME_OBJECT);
}

/// A process handle, opened by id.
fn open_process(d: &mut Direct, id: u64, access: u64) -> (NtStatus, u64) {
    let attributes = d.attributes("", 0, 0);
    d.write_u64(attributes + 16, 0);
    d.write_u64(OUT, id);
    d.write_u64(OUT + 8, 0);
    let status = d.call("NtOpenProcess", &[HANDLE, access, attributes, OUT]);
    (status, d.u64(HANDLE))
}

#[test]
fn processes_and_threads_are_opened_by_id() {
    let mut d = Direct::new();
    let other = d.kernel.add_process("other.exe");
    let id = u64::from(other.0);
    assert_eq!(open_process(&mut d, 0, 0x1f_ffff), (S::INVALID_CID, 0));
    assert_eq!(open_process(&mut d, 0x9_0000, 0x1f_ffff), (S::INVALID_CID, 0));
    assert_eq!(open_process(&mut d, id, 0).0, S::ACCESS_DENIED);
    // The two low bits of an id do not count.
    let (status, first) = open_process(&mut d, id + 3, 0x1f_ffff);
    assert_eq!(status, S::SUCCESS);
    let (_, second) = open_process(&mut d, id, 0x1000);
    assert_eq!(d.call("NtCompareObjects", &[first, second]), S::SUCCESS);
    let attributes = d.attributes("", 0, 0);
    assert_eq!(d.call("NtOpenProcess", &[HANDLE, 1, attributes, OUT]), S::INVALID_PARAMETER_MIX, "a name and an id");
    d.write_u64(attributes + 16, 0);
    assert_eq!(d.call("NtOpenProcess", &[HANDLE, 1, attributes, 0]), S::INVALID_PARAMETER_MIX);
    assert_eq!(d.call("NtOpenProcess", &[HANDLE, 1, 0, OUT]), S::ACCESS_VIOLATION);
    // A thread must be its process's.
    let thread = d.kernel.ps.threads().find(|t| t.process == other).expect("its thread").id.0;
    for (process, thread, status) in [
        (0, thread, S::SUCCESS),
        (id, thread, S::SUCCESS),
        (id + 0x100, thread, S::INVALID_CID),
        (id, thread + 4, S::INVALID_CID),
    ] {
        d.write_u64(OUT, process);
        d.write_u64(OUT + 8, thread.into());
        assert_eq!(d.call("NtOpenThread", &[HANDLE, 0x1f_ffff, attributes, OUT]), status, "{process:#x} {thread:#x}");
    }
}

#[test]
fn handles_go_to_other_processes_and_end_with_them() {
    let mut d = Direct::new();
    let other = d.kernel.add_process("other.exe");
    let (_, process) = open_process(&mut d, other.0.into(), 0x1f_ffff);
    let (_, weak) = open_process(&mut d, other.0.into(), 0x1000);
    let handle = event(&mut d, "\\Shared");
    assert_eq!(d.call("NtDuplicateObject", &[PROCESS, handle, weak, HANDLE, 0, 0, 2]), S::ACCESS_DENIED);
    assert_eq!(d.call("NtDuplicateObject", &[PROCESS, handle, process, HANDLE, 0, 0, 2]), S::SUCCESS);
    let there = d.u64(HANDLE);
    assert_eq!(there, 4, "the first handle of its process");
    assert_eq!(d.counts(handle).0, 2);
    // Back again, and closed there.
    assert_eq!(d.call("NtDuplicateObject", &[process, there, PROCESS, HANDLE, 0, 0, 3]), S::SUCCESS);
    let back = d.u64(HANDLE);
    assert_eq!(d.call("NtCompareObjects", &[handle, back]), S::SUCCESS);
    assert_eq!(d.call("NtDuplicateObject", &[process, there, PROCESS, HANDLE, 0, 0, 2]), S::INVALID_HANDLE);
    // -1 is the source process.
    assert_eq!(d.call("NtDuplicateObject", &[process, PROCESS, PROCESS, HANDLE, 0, 0, 2]), S::SUCCESS);
    let itself = d.u64(HANDLE);
    assert_eq!(d.call("NtCompareObjects", &[itself, process]), S::SUCCESS);
    // The process's end closes its handles and signals it; it is there as long as somebody has a handle.
    assert_eq!(d.call("NtDuplicateObject", &[PROCESS, handle, process, HANDLE, 0, 0, 2]), S::SUCCESS);
    d.write_u64(OUT + 0x40, 0);
    assert_eq!(d.call("NtWaitForSingleObject", &[process, 0, OUT + 0x40]), S::TIMEOUT);
    assert_eq!(d.call("NtTerminateProcess", &[weak, 7]), S::ACCESS_DENIED);
    assert_eq!(d.call("NtTerminateProcess", &[process, 7]), S::SUCCESS);
    assert_eq!(d.call("NtTerminateProcess", &[process, 7]), S::PROCESS_IS_TERMINATING);
    assert_eq!(d.counts(handle).0, 2, "here, twice");
    assert_eq!(d.call("NtWaitForSingleObject", &[process, 0, OUT + 0x40]), S::SUCCESS);
    assert_eq!(d.call("NtQueryInformationProcess", &[process, 0, OUT, 0x30, 0]), S::SUCCESS);
    assert_eq!(d.u32(OUT), 7, "the exit status");
    assert_eq!(d.call("NtDuplicateObject", &[PROCESS, handle, process, HANDLE, 0, 0, 2]), S::PROCESS_IS_TERMINATING);
    for last in [process, weak, itself] {
        assert!(d.kernel.ps.get(other).is_some());
        assert_eq!(d.call("NtClose", &[last]), S::SUCCESS);
    }
    let left = d.kernel.ps.threads().filter(|t| t.process == other).count();
    assert!(d.kernel.ps.get(other).is_none() && left == 0, "nobody knows it any more");
}

#[test]
fn what_an_object_is_called_and_of_what_type_it_is() {
    let mut d = Direct::new();
    let named = event(&mut d, "\\BaseNamedObjects\\Local\\An event");
    let unnamed = event(&mut d, "");
    let query = |d: &mut Direct, handle, class, length| {
        let status = d.call("NtQueryObject", &[handle, class, OUT, length, OUT + 0x3000]);
        (status, d.u32(OUT + 0x3000))
    };
    // The link is not in the name: 26 characters, a zero, and the string's header.
    let name = "\\BaseNamedObjects\\An event";
    let size = 16 + 2 * name.len() as u64 + 2;
    assert_eq!(query(&mut d, named, 1, 15), (S::INFO_LENGTH_MISMATCH, size as u32));
    assert_eq!(query(&mut d, named, 1, size - 1), (S::BUFFER_OVERFLOW, size as u32));
    assert_eq!(query(&mut d, named, 1, size), (S::SUCCESS, size as u32));
    assert_eq!((d.string(OUT).as_str(), d.u64(OUT + 8)), (name, OUT + 16));
    assert_eq!(query(&mut d, unnamed, 1, 16), (S::SUCCESS, 16));
    assert_eq!(d.read(OUT, 16), [0; 16]);
    // "Event" and its zero are 12 bytes.
    assert_eq!(query(&mut d, named, 2, 0x68), (S::INFO_LENGTH_MISMATCH, 0x68 + 12));
    assert_eq!(query(&mut d, named, 2, 0x68 + 12), (S::SUCCESS, 0x68 + 12));
    assert_eq!(d.string(OUT), "Event");
    let masks: Vec<u32> = (0..6).map(|i| d.u32(OUT + 0x40 + 4 * i)).collect();
    // InvalidAttributes, GenericMapping, ValidAccessMask
    assert_eq!(masks, [0x100, 0x2_0001, 0x2_0002, 0x12_0000, 0x1f_0003, 0x1f_0003]);
    assert_eq!(d.read(OUT + 0x5a, 1), [16], "the type's index on 19041");
    assert_eq!(d.u32(OUT + 0x14), 2, "handles to events");
    // All types, of which there are 57 on 19041: no handle is needed.
    assert_eq!(query(&mut d, 0, 3, 4).0, S::INFO_LENGTH_MISMATCH);
    assert_eq!(query(&mut d, 0, 3, 0x2fff).0, S::SUCCESS);
    assert_eq!((d.u32(OUT), d.string(OUT + 8).as_str()), (57, "Type"));
    assert_eq!(query(&mut d, 0x4444, 0, 0x38).0, S::INVALID_HANDLE);
    assert_eq!(query(&mut d, named, 0, 0x37).0, S::INFO_LENGTH_MISMATCH);
    assert_eq!(query(&mut d, named, 99, 0x38).0, S::INVALID_INFO_CLASS);
    assert_eq!(query(&mut d, named, 4, 3).0, S::INFO_LENGTH_MISMATCH);
    assert_eq!(d.call("NtQueryObject", &[named, 0, OUT + 1, 0x38, 0]), S::DATATYPE_MISALIGNMENT);
}

#[test]
fn a_handle_table_grows_through_its_levels() {
    let mut table = HandleTable::default();
    let entry = |n| Entry { object: ObjectId(n), granted: guest::AccessMask(0), attributes: HandleAttributes::empty() };
    let mut levels = Vec::new();
    for n in 0..300_000 {
        let handle = table.insert(entry(n)).expect("room");
        // 255 entries a page: the first is never used.
        assert_eq!(handle.0, u64::from(n / 255 * 256 + n % 255 + 1) * 4);
        if levels.last() != Some(&table.level()) {
            levels.push(table.level());
        }
    }
    assert_eq!(levels, [0, 1, 2]);
    assert!(table.bytes() <= 32 * 300_000, "{} bytes", table.bytes());
}

/// "Pushing the Limits of Windows: Handles" (M. Russinovich): 16,711,680 for each process.
#[test]
fn a_handle_table_grows_to_its_limit() {
    const LIMIT: usize = 16_711_680;
    let mut table = HandleTable::new(RefCache::default());
    let entry = Entry { object: ObjectId(1), granted: AccessMask(1), attributes: HandleAttributes::empty() };
    let last = (0..LIMIT).map(|_| table.insert(entry).expect("room")).last().expect("a handle");
    assert_eq!((table.count(), table.level(), last.0), (LIMIT, 2, 0x400_0000 - 4));
    assert_eq!(table.insert(entry), Err(NtStatus::INSUFFICIENT_RESOURCES));
    assert!(table.bytes() / LIMIT <= 32, "{} bytes", table.bytes());
    assert!([4, 0x7f_fff4, last.0].into_iter().all(|handle| table.get(Handle(handle)).is_some()));
    assert!([0, 0x400, last.0 + 4, u64::MAX].into_iter().all(|handle| table.get(Handle(handle)).is_none()));
    // What is closed is the next to be opened.
    assert!(table.remove(Handle(0x7f_fff4)).is_some());
    assert_eq!(table.insert(entry), Ok(Handle(0x7f_fff4)));
}
