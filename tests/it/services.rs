//! Services called one by one from raw code, with pointers and handles that are not what they should be.

use guest::{NtStatus, Profile};
use iced_x86::code_asm::*;
use trapgate::{End, Machine};

use crate::support::run_raw;

/// Addresses that mean trouble.
const UNMAPPED: u64 = 0x6000_0000;
const KERNEL: u64 = 0xffff_8000_0000_0000;
/// KUSER_SHARED_DATA, which can be read and not written.
const READ_ONLY: u64 = 0x7ffe_0000;
/// Four bytes before the end of the page of raw code, behind which nothing is mapped.
const STRADDLING: u64 = 0x1000_0ffc;
/// A writable place in the page of raw code.
const GOOD: u64 = 0x1000_0800;

/// Calls a service with these arguments and gives its status; memory can be looked at afterwards.
fn call(service: &str, args: &[u64]) -> (Machine, NtStatus) {
    let (machine, statuses) = calls(&[(service, args)]);
    (machine, statuses[0])
}

/// Calls services one after the other; the statuses are kept in the page of raw code, from C00h.
fn calls(list: &[(&str, &[u64])]) -> (Machine, Vec<NtStatus>) {
    let profile = Profile::default_profile();
    let mut a = CodeAssembler::new(64).expect("64 bits");
    let write = |a: &mut CodeAssembler| -> Result<(), iced_x86::IcedError> {
        a.push(rbx)?;
        a.sub(rsp, 0x100)?;
        for (i, (service, args)) in list.iter().enumerate() {
            for (n, arg) in args.iter().enumerate().skip(4) {
                a.mov(rax, *arg)?;
                a.mov(qword_ptr(rsp + 0x28 + 8 * (n - 4)), rax)?;
            }
            for (reg, arg) in [r10, rdx, r8, r9].into_iter().zip(*args) {
                a.mov(reg, *arg)?;
            }
            a.mov(eax, profile.number(service).expect("a service"))?;
            a.syscall()?;
            a.mov(rcx, 0x1000_0c00u64 + 4 * i as u64)?;
            a.mov(dword_ptr(rcx), eax)?;
        }
        a.add(rsp, 0x100)?;
        a.pop(rbx)?;
        a.ret()
    };
    write(&mut a).expect("valid code");
    let code = a.assemble(0x1000_0000).expect("it assembles");
    assert!(code.len() < 0x800, "the code runs into the data");
    let (machine, end) = run_raw(&code);
    assert!(matches!(end, End::Exit(_)), "{end:?}");
    let bytes = machine.peek(0x1000_0c00, 4 * list.len()).expect("the statuses");
    let statuses = bytes.as_chunks::<4>().0.iter().map(|b| NtStatus(u32::from_le_bytes(*b))).collect();
    (machine, statuses)
}

const CURRENT_PROCESS: u64 = u64::MAX;
const EVENT_ALL: u64 = 0x1f_0003;

#[test]
fn bad_output_pointers_are_access_violations() {
    for bad in [0, UNMAPPED, KERNEL, READ_ONLY, STRADDLING, u64::MAX - 3] {
        let cases: &[(&str, &[u64])] = &[
            ("NtCreateEvent", &[bad, EVENT_ALL, 0, 0, 0]),
            ("NtOpenEvent", &[bad, EVENT_ALL, 0]),
            ("NtQuerySystemTime", &[bad]),
            ("NtQueryPerformanceCounter", &[bad, 0]),
            ("NtAllocateVirtualMemory", &[CURRENT_PROCESS, bad, 0, GOOD, 0x3000, 4]),
            ("NtFreeVirtualMemory", &[CURRENT_PROCESS, bad, GOOD, 0x8000]),
            ("NtProtectVirtualMemory", &[CURRENT_PROCESS, bad, GOOD, 4, GOOD]),
            ("NtQueryVirtualMemory", &[CURRENT_PROCESS, GOOD, 0, bad, 0x30, 0]),
            ("NtQueryInformationProcess", &[CURRENT_PROCESS, 0, bad, 0x30, 0]),
            ("NtQueryInformationThread", &[u64::MAX - 1, 0, bad, 0x30, 0]),
            ("NtQuerySystemInformation", &[0, bad, 0x40, 0]),
        ];
        for (service, args) in cases {
            let (_, status) = call(service, args);
            assert_eq!(status, NtStatus::ACCESS_VIOLATION, "{service} at {bad:#x}");
        }
    }
}

#[test]
fn bad_input_pointers_are_access_violations() {
    for bad in [UNMAPPED, KERNEL, STRADDLING] {
        for (service, args) in [
            ("NtDelayExecution", &[0, bad][..]),
            // An OBJECT_ATTRIBUTES that is not aligned is refused for that.
            ("NtCreateEvent", &[GOOD, EVENT_ALL, bad & !7, 0, 0]),
            ("NtOpenEvent", &[GOOD, EVENT_ALL, bad & !7]),
            ("NtWaitForSingleObject", &[4, 0, bad]),
            ("NtWriteFile", &[8, 0, 0, 0, GOOD, bad, 0x2000, 0, 0]),
            ("NtReadVirtualMemory", &[CURRENT_PROCESS, KERNEL, GOOD, 8, 0]),
        ] {
            let (_, status) = call(service, args);
            assert_eq!(status, NtStatus::ACCESS_VIOLATION, "{service} at {bad:#x}");
        }
    }
}

#[test]
fn nothing_is_half_written() {
    // Both pointers are probed before either is written.
    let (machine, status) = call("NtQueryPerformanceCounter", &[GOOD, UNMAPPED]);
    assert_eq!((status, machine.peek(GOOD, 8)), (NtStatus::ACCESS_VIOLATION, Some(vec![0; 8])));
    // A value that straddles into nothing is not begun.
    let (machine, status) = call("NtQuerySystemTime", &[STRADDLING]);
    assert_eq!((status, machine.peek(STRADDLING, 4)), (NtStatus::ACCESS_VIOLATION, Some(vec![0; 4])));
    let (machine, status) = call("NtQueryInformationProcess", &[CURRENT_PROCESS, 0, 0x1000_0fe0, 0x30, 0]);
    assert_eq!((status, machine.peek(0x1000_0fe0, 0x20)), (NtStatus::ACCESS_VIOLATION, Some(vec![0; 0x20])));
    // A write of console output from a buffer that ends in a hole shows nothing.
    let (mut machine, status) = call("NtWriteFile", &[8, 0, 0, 0, GOOD, 0x1000_0f00, 0x200, 0, 0]);
    assert_eq!(status, NtStatus::ACCESS_VIOLATION);
    assert!(machine.captured().expect("captured").stdout.is_empty());
    // No event is left behind when its handle cannot be told.
    let (machine, _) = call("NtCreateEvent", &[READ_ONLY, EVENT_ALL, 0, 0, 0]);
    assert_eq!(machine.kernel().ps.process.handles.count(), 3, "the three console handles");
}

#[test]
fn information_classes_and_lengths() {
    for (service, args, expected) in [
        ("NtQueryInformationProcess", &[CURRENT_PROCESS, 0xffff, GOOD, 8, 0][..], NtStatus::INVALID_INFO_CLASS),
        ("NtQueryInformationProcess", &[CURRENT_PROCESS, 0, GOOD, 0x2f, 0], NtStatus::INFO_LENGTH_MISMATCH),
        ("NtQueryInformationProcess", &[CURRENT_PROCESS, 30, GOOD, 8, 0], NtStatus::PORT_NOT_SET),
        ("NtQueryInformationProcess", &[0x5000, 0, GOOD, 0x30, 0], NtStatus::INVALID_HANDLE),
        ("NtQueryInformationProcess", &[8, 0, GOOD, 0x30, 0], NtStatus::OBJECT_TYPE_MISMATCH),
        ("NtQueryInformationThread", &[u64::MAX - 1, 0, GOOD, 0x31, 0], NtStatus::INFO_LENGTH_MISMATCH),
        ("NtQuerySystemInformation", &[0, GOOD, 0x3f, 0], NtStatus::INFO_LENGTH_MISMATCH),
        ("NtQuerySystemInformation", &[0xffff, GOOD, 0x40, 0], NtStatus::INVALID_INFO_CLASS),
        ("NtQueryVirtualMemory", &[CURRENT_PROCESS, GOOD, 0, GOOD, 0x2f, 0], NtStatus::INFO_LENGTH_MISMATCH),
        ("NtQueryVirtualMemory", &[CURRENT_PROCESS, GOOD, 0xffff, GOOD, 0x30, 0], NtStatus::INVALID_INFO_CLASS),
        ("NtQueryVirtualMemory", &[CURRENT_PROCESS, KERNEL, 0, GOOD, 0x30, 0], NtStatus::INVALID_PARAMETER),
        ("NtQueryEvent", &[4, 1, GOOD, 8, 0], NtStatus::INVALID_INFO_CLASS),
        ("NtQueryEvent", &[4, 0, GOOD, 7, 0], NtStatus::INFO_LENGTH_MISMATCH),
        ("NtQueryEvent", &[4, 0, GOOD, 8, 0], NtStatus::OBJECT_TYPE_MISMATCH),
        // A class that exists and that nobody wrote.
        ("NtQuerySystemInformation", &[12, GOOD, 0x40, 0], NtStatus::NOT_IMPLEMENTED),
    ] {
        let (_, status) = call(service, args);
        assert_eq!(status, expected, "{service} {args:x?}");
    }
}

#[test]
fn the_upper_half_of_a_narrow_argument_does_not_count() {
    const GARBAGE: u64 = 0xdead_beef_0000_0000;
    let (_, statuses) = calls(&[
        ("NtCreateEvent", &[GOOD, GARBAGE | EVENT_ALL, 0, GARBAGE, 0xdead_beef_dead_be01]),
        ("NtSetEvent", &[0x10, GOOD + 0x20]),
    ]);
    assert_eq!(statuses, [NtStatus::SUCCESS; 2]);
}

#[test]
fn access_is_checked_on_every_use() {
    const SYNCHRONIZE: u64 = 0x10_0000;
    let (_, statuses) = calls(&[
        ("NtCreateEvent", &[GOOD, SYNCHRONIZE, 0, 0, 1]),
        ("NtWaitForSingleObject", &[0x10, 0, 0]),
        ("NtSetEvent", &[0x10, 0]),
        ("NtQueryEvent", &[0x10, 0, GOOD + 0x20, 8, 0]),
        ("NtDuplicateObject", &[CURRENT_PROCESS, 0x10, CURRENT_PROCESS, GOOD + 0x40, 0xffff_ffff, 0, 0]),
        ("NtClose", &[0x13]),
        ("NtClose", &[0x10]),
        ("NtCreateEvent", &[GOOD, 1, 0, 0, 0]),
        ("NtWaitForSingleObject", &[0x10, 0, 0]),
    ]);
    use NtStatus as S;
    let expected = [
        S::SUCCESS,
        S::SUCCESS,
        S::ACCESS_DENIED,
        S::ACCESS_DENIED,
        S::ACCESS_DENIED,
        S::SUCCESS,
        S::INVALID_HANDLE,
        S::SUCCESS,
        S::ACCESS_DENIED,
    ];
    assert_eq!(statuses, expected);
}

#[test]
fn a_number_that_no_table_has() {
    // mov eax,1FFFh; mov r10,rcx; syscall; ret
    let (machine, end) = run_raw(&[0xb8, 0xff, 0x1f, 0, 0, 0x4c, 0x8b, 0xd1, 0x0f, 0x05, 0xc3]);
    assert_eq!(end, End::Exit(NtStatus::INVALID_SYSTEM_SERVICE));
    assert_eq!(machine.stats().unknown, 1);
    // A 64-bit kernel picks the table by bit 12 alone: with bit 13 it is still NtClose.
    let (_, end) = run_raw(&[0xb8, 0x0f, 0x20, 0, 0, 0x31, 0xc9, 0x4c, 0x8b, 0xd1, 0x0f, 0x05, 0xc3]);
    assert_eq!(end, End::Exit(NtStatus::INVALID_HANDLE));
}

#[test]
fn memory_that_does_not_exist_is_refused() {
    let (machine, statuses) = calls(&[
        // A terabyte can be reserved, but not committed, and nothing is left of the attempt.
        ("NtAllocateVirtualMemory", &[CURRENT_PROCESS, GOOD, 0, GOOD + 8, 0x2000, 4]),
        ("NtQueryVirtualMemory", &[CURRENT_PROCESS, 0x1000_0000, 0, GOOD + 0x40, 0x30, 0]),
    ]);
    // The size at GOOD+8 is zero.
    assert_eq!(statuses, [NtStatus::INVALID_PARAMETER_4, NtStatus::SUCCESS]);
    assert!(machine.kernel().mm.committed() < 2000);
    // mov rax,10000000000h; mov [GOOD],rax; then commit that much, then reserve it, then commit the reservation
    let profile = Profile::default_profile();
    let number = profile.number("NtAllocateVirtualMemory").expect("a service");
    let mut a = CodeAssembler::new(64).expect("64 bits");
    let mut write = || -> Result<(), iced_x86::IcedError> {
        a.sub(rsp, 0x98)?;
        for (i, kind) in [0x3000, 0x2000, 0x1000].into_iter().enumerate() {
            a.mov(rcx, GOOD)?;
            if i < 2 {
                a.mov(qword_ptr(rcx), 0)?;
            }
            a.mov(rax, 0x100_0000_0000u64)?;
            a.mov(qword_ptr(rcx + 8), rax)?;
            a.mov(rdx, rcx)?;
            a.lea(r9, ptr(rcx + 8))?;
            a.mov(r10, -1i64)?;
            a.xor(r8d, r8d)?;
            a.mov(qword_ptr(rsp + 0x28), kind)?;
            a.mov(qword_ptr(rsp + 0x30), 4)?;
            a.mov(eax, number)?;
            a.syscall()?;
            a.mov(rcx, GOOD + 0x100 + 4 * i as u64)?;
            a.mov(dword_ptr(rcx), eax)?;
        }
        a.add(rsp, 0x98)?;
        a.ret()
    };
    write().expect("valid code");
    let (machine, _) = run_raw(&a.assemble(0x1000_0000).expect("it assembles"));
    let bytes = machine.peek(GOOD + 0x100, 12).expect("the statuses");
    let statuses: Vec<NtStatus> = bytes.as_chunks::<4>().0.iter().map(|b| NtStatus(u32::from_le_bytes(*b))).collect();
    use NtStatus as S;
    assert_eq!(statuses, [S::COMMITMENT_LIMIT, S::SUCCESS, S::COMMITMENT_LIMIT]);
}

/// The page in the docs is what the command makes now.
#[test]
fn the_page_of_written_services_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/services.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let made = trapgate::view::written_services();
    assert!(page == made, "trapgate ssdt --written > docs/services.md");
    let rows = made.lines().filter(|line| line.starts_with("| Nt")).count();
    assert!(rows >= 250, "{rows} services");
    assert!(made.lines().all(|line| !line.ends_with("| partial |  |")), "a partial one names its gap");
}
