//! The kernel's handle table: who gets into it, who gets at it. Source: Microsoft Learn, "Object Handles" (a driver's
//! kernel handles can be reached from no user-mode process) and `InitializeObjectAttributes`; the form of the values
//! is the one that debuggers show.

use guest::NtStatus;

use crate::desk::Desk;

/// `OBJ_KERNEL_HANDLE`.
const KERNEL_HANDLE: u32 = 0x200;
const EVENT_ALL: u64 = 0x1f_0003;
const PROCESS: u64 = u64::MAX;

/// A kernel with a place for handles, as kernel code calls it.
fn desk(profile: &str) -> (Desk, u64) {
    let mut d = Desk::new(profile);
    d.kernel.ps.thread.kernel_mode = true;
    let out = d.place(&[0; 0x80]);
    (d, out)
}

fn create(d: &mut Desk, out: u64, flags: u32) -> u64 {
    let attributes = d.attributes("", flags, 0, 0);
    d.ok("NtCreateEvent", &[out, EVENT_ALL, attributes, 0, 0]);
    d.read_pointer(out)
}

#[test]
fn a_kernel_handle_is_kernel_codes_alone() {
    for (profile, first) in [("win10-22h2-x64", 0xffff_ffff_8000_0004_u64), ("win7-sp1-x86", 0x8000_0004)] {
        let (mut d, out) = desk(profile);
        let handle = create(&mut d, out, KERNEL_HANDLE);
        assert_eq!(handle, first, "{profile}");
        // A 32-bit call's handle arrives with its sign.
        let handle = if d.word() == 4 { i64::from(handle as u32 as i32).cast_unsigned() } else { handle };
        assert_eq!(d.kernel.ob.kernel_handles.count(), 1);
        assert_eq!(d.kernel.ps.process.handles.count(), 0);
        d.ok("NtSetEvent", &[handle, 0]);
        d.ok("NtQueryObject", &[handle, 0, out, 0x38, 0]);
        assert_eq!(d.u32(out + 4), EVENT_ALL as u32);
        d.kernel.ps.thread.kernel_mode = false;
        for (service, args) in [
            ("NtSetEvent", vec![handle, 0]),
            ("NtClose", vec![handle]),
            ("NtQueryObject", vec![handle, 0, out, 0x38, 0]),
            ("NtWaitForSingleObject", vec![handle, 0, 0]),
            ("NtDuplicateObject", vec![PROCESS, handle, PROCESS, out, 0, 0, 2]),
            ("NtSetInformationObject", vec![handle, 4, out, 2]),
            ("NtMakeTemporaryObject", vec![handle]),
        ] {
            assert_eq!(d.call(service, &args), NtStatus::INVALID_HANDLE, "{profile} {service}");
        }
        d.kernel.check_invariants().expect("the invariants hold");
        d.kernel.ps.thread.kernel_mode = true;
        d.ok("NtClose", &[handle]);
        assert_eq!(d.call("NtClose", &[handle]), NtStatus::INVALID_HANDLE);
        assert_eq!(d.kernel.ob.kernel_handles.count(), 0);
        d.kernel.check_invariants().expect("the invariants hold");
    }
}

/// User mode may say `OBJ_KERNEL_HANDLE`: it gets an ordinary handle.
#[test]
fn user_mode_gets_none() {
    let (mut d, out) = desk("win10-22h2-x64");
    d.kernel.ps.thread.kernel_mode = false;
    assert_eq!(create(&mut d, out, KERNEL_HANDLE), 4);
    d.ok("NtDuplicateObject", &[PROCESS, 4, PROCESS, out, 0, KERNEL_HANDLE.into(), 2]);
    assert_eq!(d.read_pointer(out), 8);
    // Kernel code that does not ask for one gets one of the process's, which the process can use.
    d.kernel.ps.thread.kernel_mode = true;
    let handle = create(&mut d, out, 0);
    d.kernel.ps.thread.kernel_mode = false;
    d.ok("NtSetEvent", &[handle, 0]);
    assert_eq!(d.kernel.ob.kernel_handles.count(), 0);
}

#[test]
fn handles_are_duplicated_between_the_tables() {
    let (mut d, out) = desk("win10-22h2-x64");
    let kernel = create(&mut d, out, KERNEL_HANDLE);
    // Into the process, and back.
    d.ok("NtDuplicateObject", &[PROCESS, kernel, PROCESS, out, 0, 0, 2]);
    assert_eq!(d.read_pointer(out), 4);
    d.ok("NtDuplicateObject", &[PROCESS, 4, PROCESS, out, 0, KERNEL_HANDLE.into(), 3]);
    assert_eq!(d.read_pointer(out), 0xffff_ffff_8000_0008);
    assert_eq!((d.kernel.ps.process.handles.count(), d.kernel.ob.kernel_handles.count()), (0, 2));
    // Protected from being closed, as any other.
    d.write(out, &[0, 1]);
    d.ok("NtSetInformationObject", &[kernel, 4, out, 2]);
    assert_eq!(d.call("NtClose", &[kernel]), NtStatus::HANDLE_NOT_CLOSABLE);
    d.kernel.check_invariants().expect("the invariants hold");
}

/// The value is no handle's where the kernel table has none, and the pseudo handles stay what they are.
#[test]
fn what_only_looks_like_one() {
    let (mut d, _) = desk("win10-22h2-x64");
    for value in [0xffff_ffff_8000_0000_u64, 0xffff_ffff_8000_0004, 0xffff_ffff_8123_4560, 0x8000_0004] {
        assert_eq!(d.call("NtSetEvent", &[value, 0]), NtStatus::INVALID_HANDLE, "{value:#x}");
    }
    assert_eq!(d.call("NtSetEvent", &[u64::MAX, 0]), NtStatus::OBJECT_TYPE_MISMATCH);
}
