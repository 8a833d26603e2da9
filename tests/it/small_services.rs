//! Services that hang together with nothing else: atoms, locks of pages, watched writes, the clock's ticks, locales, filters.
//! Values are those that Microsoft documents for the Win32 functions above them.

use guest::NtStatus as S;
use kernel_model::se::Privilege;

use crate::direct::{DATA, Direct, OUT, PROCESS, THREAD};

const AT: u64 = DATA + 0x100;
const SIZE: u64 = DATA + 0x108;
const COUNT: u64 = DATA + 0x110;
const TEXT: u64 = DATA + 0x200;

fn name(d: &mut Direct, text: &str) -> (u64, u64) {
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    d.write(TEXT, &bytes);
    (TEXT, bytes.len() as u64)
}

fn atom(d: &mut Direct, service: &str, text: &str) -> Result<u16, S> {
    let (at, length) = name(d, text);
    match d.call(service, &[at, length, OUT]) {
        S::SUCCESS => Ok(d.u32(OUT) as u16),
        status => Err(status),
    }
}

#[test]
fn atoms_are_counted_and_found_in_any_case() {
    let mut d = Direct::new();
    let first = atom(&mut d, "NtAddAtom", "Some name").expect("an atom");
    assert!(first >= 0xc000);
    assert_eq!(atom(&mut d, "NtAddAtom", "SOME NAME"), Ok(first));
    assert_eq!(atom(&mut d, "NtFindAtom", "some name"), Ok(first));
    assert_eq!(atom(&mut d, "NtFindAtom", "another"), Err(S::OBJECT_NAME_NOT_FOUND));
    assert_eq!(atom(&mut d, "NtAddAtom", "#1234"), Ok(1234));
    assert_eq!(atom(&mut d, "NtAddAtom", "#49152"), Err(S::INVALID_PARAMETER));
    assert_eq!(atom(&mut d, "NtAddAtom", ""), Err(S::OBJECT_NAME_INVALID));
    assert_eq!(atom(&mut d, "NtAddAtom", &"x".repeat(256)), Err(S::INVALID_PARAMETER));
    assert_eq!(d.call("NtAddAtom", &[0x77, 0, OUT]), S::SUCCESS);
    assert_eq!(d.u32(OUT) as u16, 0x77);
    assert_eq!(d.call("NtQueryInformationAtom", &[first.into(), 0, OUT, 0x40, AT]), S::SUCCESS);
    assert_eq!((d.u64(OUT) & 0xffff_ffff_ffff, d.read(OUT + 6, 8)), (2 | 18 << 32, b"S\0o\0m\0e\0".to_vec()));
    assert_eq!(d.call("NtQueryInformationAtom", &[first.into(), 0, OUT, 0x10, 0]), S::BUFFER_TOO_SMALL);
    assert_eq!(d.call("NtQueryInformationAtom", &[0xdddd, 0, OUT, 0x40, 0]), S::INVALID_HANDLE);
    assert_eq!(d.call("NtQueryInformationAtom", &[0, 1, OUT, 0x40, 0]), S::SUCCESS);
    assert_eq!((d.u32(OUT), d.u32(OUT + 4) as u16), (1, first));
    assert_eq!(d.call("NtDeleteAtom", &[first.into()]), S::SUCCESS);
    assert_eq!(atom(&mut d, "NtFindAtom", "some name"), Ok(first));
    assert_eq!(d.call("NtDeleteAtom", &[first.into()]), S::SUCCESS);
    assert_eq!(d.call("NtDeleteAtom", &[first.into()]), S::INVALID_HANDLE);
    assert_eq!(d.call("NtDeleteAtom", &[77]), S::SUCCESS);
}

fn allocate(d: &mut Direct, kind: u64, size: u64) -> u64 {
    d.write_u64(AT, 0);
    d.write_u64(SIZE, size);
    assert_eq!(d.call("NtAllocateVirtualMemory", &[PROCESS, AT, 0, SIZE, kind, 4]), S::SUCCESS);
    d.u64(AT)
}

fn ranged(d: &mut Direct, service: &str, at: u64, size: u64, kind: u64) -> S {
    d.write_u64(AT, at);
    d.write_u64(SIZE, size);
    d.call(service, &[PROCESS, AT, SIZE, kind])
}

#[test]
fn pages_are_locked_and_let_go() {
    let mut d = Direct::new();
    let base = allocate(&mut d, 0x3000, 0x4000);
    assert_eq!(ranged(&mut d, "NtUnlockVirtualMemory", base, 0x1000, 1), S::NOT_LOCKED);
    assert_eq!(ranged(&mut d, "NtLockVirtualMemory", base + 0x10, 0x1000, 1), S::SUCCESS);
    assert_eq!((d.u64(AT), d.u64(SIZE)), (base, 0x2000));
    assert_eq!(ranged(&mut d, "NtLockVirtualMemory", base + 0x1000, 0x2000, 1), S::WAS_LOCKED);
    assert_eq!(ranged(&mut d, "NtUnlockVirtualMemory", base, 0x4000, 1), S::NOT_LOCKED);
    assert_eq!(ranged(&mut d, "NtUnlockVirtualMemory", base, 0x3000, 1), S::SUCCESS);
    assert_eq!(ranged(&mut d, "NtLockVirtualMemory", base + 0x3000, 0x2000, 1), S::ACCESS_VIOLATION);
    assert_eq!(ranged(&mut d, "NtLockVirtualMemory", base, 0x1000, 2), S::PRIVILEGE_NOT_HELD);
    assert_eq!(ranged(&mut d, "NtLockVirtualMemory", base, 0x1000, 4), S::INVALID_PARAMETER);
    d.kernel.hold(Privilege::LOCK_MEMORY);
    assert_eq!(ranged(&mut d, "NtLockVirtualMemory", base, 0x1000, 2), S::SUCCESS);
    // What is freed is not locked any more.
    d.write_u64(AT, base);
    d.write_u64(SIZE, 0);
    assert_eq!(d.call("NtFreeVirtualMemory", &[PROCESS, AT, SIZE, 0x8000]), S::SUCCESS);
    let again = allocate(&mut d, 0x3000, 0x1000);
    assert_eq!(again, base);
    assert_eq!(ranged(&mut d, "NtLockVirtualMemory", base, 0x1000, 1), S::SUCCESS);
}

fn written(d: &mut Direct, flags: u64, base: u64, size: u64, most: u64) -> Result<Vec<u64>, S> {
    d.write_u64(COUNT, most);
    match d.call("NtGetWriteWatch", &[PROCESS, flags, base, size, OUT, COUNT, AT]) {
        S::SUCCESS => {
            assert_eq!(d.u32(AT), 0x1000);
            Ok((0..d.u64(COUNT)).map(|n| d.u64(OUT + 8 * n) - base).collect())
        }
        status => Err(status),
    }
}

#[test]
fn writes_are_watched() {
    let mut d = Direct::new();
    let base = allocate(&mut d, 0x20_3000, 0x6000);
    let store = |d: &mut Direct, at: u64| {
        d.write(TEXT, b"x");
        assert_eq!(d.call("NtWriteVirtualMemory", &[PROCESS, at, TEXT, 1, 0]), S::SUCCESS);
    };
    assert_eq!(written(&mut d, 0, base, 0x6000, 8), Ok(vec![]));
    store(&mut d, base + 0x1001);
    store(&mut d, base + 0x4fff);
    assert_eq!(written(&mut d, 0, base, 0x6000, 8), Ok(vec![0x1000, 0x4000]));
    assert_eq!(written(&mut d, 0, base, 0x6000, 1), Ok(vec![0x1000]));
    assert_eq!(written(&mut d, 1, base, 0x2000, 8), Ok(vec![0x1000]), "and forgotten");
    assert_eq!(written(&mut d, 0, base, 0x6000, 8), Ok(vec![0x4000]));
    store(&mut d, base + 0x1001);
    assert_eq!(written(&mut d, 0, base, 0x6000, 8), Ok(vec![0x1000, 0x4000]));
    assert_eq!(d.call("NtResetWriteWatch", &[PROCESS, base, 0x6000]), S::SUCCESS);
    assert_eq!(written(&mut d, 0, base, 0x6000, 8), Ok(vec![]));
    assert_eq!(written(&mut d, 2, base, 0x6000, 8), Err(S::INVALID_PARAMETER_2));
    assert_eq!(written(&mut d, 0, base, 0x7000, 8), Err(S::INVALID_PARAMETER));
    let other = allocate(&mut d, 0x3000, 0x1000);
    assert_eq!(written(&mut d, 0, other, 0x1000, 8), Err(S::INVALID_PARAMETER));
    d.write_u64(AT, 0);
    d.write_u64(SIZE, 0x1000);
    let alone = [PROCESS, AT, 0, SIZE, 0x20_1000, 4];
    assert!([S::INVALID_PARAMETER_5, S::SUCCESS].contains(&d.call("NtAllocateVirtualMemory", &alone)));
}

#[test]
fn the_rest_says_what_it_knows() {
    let mut d = Direct::new();
    for (service, args, expected) in [
        ("NtGetCurrentProcessorNumber", &[][..], S(0)),
        ("NtGetCurrentProcessorNumberEx", &[OUT], S(0)),
        ("NtFlushProcessWriteBuffers", &[], S::SUCCESS),
        ("NtFlushWriteBuffer", &[], S::SUCCESS),
        ("NtFlushInstructionCache", &[PROCESS, 0, 0], S::SUCCESS),
        ("NtFlushInstructionCache", &[0x9998, 0, 0], S::INVALID_HANDLE),
        ("NtIsSystemResumeAutomatic", &[], S(0)),
        ("NtIsUILanguageComitted", &[], S::SUCCESS),
        ("NtQueryDebugFilterState", &[0, 0], S(1)),
        ("NtQueryDebugFilterState", &[0, 3], S(0)),
        ("NtQueryDebugFilterState", &[0x1000, 3], S::INVALID_PARAMETER_1),
        ("NtSetDebugFilterState", &[0, 3, 1], S::ACCESS_DENIED),
        ("NtSetTimerResolution", &[5000, 0, OUT], S::TIMER_RESOLUTION_NOT_SET),
        ("NtSetTimerResolution", &[5000, 1, OUT], S::SUCCESS),
        ("NtSetTimerResolution", &[5000, 0, OUT], S::SUCCESS),
        ("NtSetThreadExecutionState", &[8, OUT], S::INVALID_PARAMETER),
        ("NtSetThreadExecutionState", &[0x8000_0003, OUT], S::SUCCESS),
        ("NtCancelSynchronousIoFile", &[THREAD, 0, OUT], S::NOT_FOUND),
        ("NtAreMappedFilesTheSame", &[DATA, DATA], S::CONFLICTING_ADDRESSES),
        ("NtAreMappedFilesTheSame", &[0x10, DATA], S::INVALID_ADDRESS),
        ("NtWaitForMultipleObjects32", &[0, OUT, 1, 0, 0], S::INVALID_PARAMETER_1),
        ("NtSetDefaultLocale", &[0, 0x409], S::SUCCESS),
        ("NtQuerySystemInformationEx", &[107, 0, 0, OUT, 0, 0], S::INVALID_PARAMETER),
        ("NtLoadKeyEx", &[0, 0, 0, 0, 0, 0, 0, 0], S::PRIVILEGE_NOT_HELD),
        ("NtUnloadKeyEx", &[0, 0], S::PRIVILEGE_NOT_HELD),
        ("NtGetDevicePowerState", &[0x9998, OUT], S::INVALID_HANDLE),
    ] {
        assert_eq!(d.call(service, args), expected, "{service} {args:x?}");
    }
    assert_eq!(d.call("NtSetThreadExecutionState", &[0x8000_0000, OUT]), S::SUCCESS);
    assert_eq!(d.u32(OUT), 0x8000_0003, "what was set before");
    d.kernel.hold(Privilege::DEBUG);
    assert_eq!(d.call("NtSetDebugFilterState", &[0, 3, 1]), S::SUCCESS);
    assert_eq!(d.call("NtQueryDebugFilterState", &[0, 3]), S(1));
    assert_eq!(d.call("NtQueryTimerResolution", &[OUT, OUT + 4, OUT + 8]), S::SUCCESS);
    assert_eq!((d.u32(OUT), d.u32(OUT + 8)), (156_250, 156_250));
    assert_eq!(d.call("NtQueryDefaultLocale", &[1, OUT]), S::SUCCESS);
    assert_eq!(d.u32(OUT), 0x409);
    for service in ["NtQueryDefaultUILanguage", "NtQueryInstallUILanguage"] {
        assert_eq!(d.call(service, &[OUT]), S::SUCCESS);
        assert_eq!(d.u32(OUT) as u16, 0x409);
    }
    // One processor in one group: RelationGroup.
    d.write(TEXT, &4_u32.to_le_bytes());
    assert_eq!(d.call("NtQuerySystemInformationEx", &[107, TEXT, 4, OUT, 0, AT]), S::INFO_LENGTH_MISMATCH);
    assert_eq!(d.u32(AT), 0x50);
    assert_eq!(d.call("NtQuerySystemInformationEx", &[107, TEXT, 4, OUT, 0x50, AT]), S::SUCCESS);
    assert_eq!((d.u32(OUT), d.u32(OUT + 4), d.read(OUT + 0x20, 2), d.u64(OUT + 0x48)), (4, 0x50, vec![1, 1], 1));
    // A highest address.
    for (at, value) in [(0x40, 1), (0x48, TEXT), (0x50, 0)] {
        d.write_u64(TEXT + at, value);
    }
    for (at, value) in [(0, 0), (8, 0x7fff_ffff), (16, 0)] {
        d.write_u64(TEXT + at, value);
    }
    d.write_u64(AT, 0);
    d.write_u64(SIZE, 0x1000);
    let args = [PROCESS, AT, SIZE, 0x3000, 4, TEXT + 0x40, 1];
    assert_eq!(d.call("NtAllocateVirtualMemoryEx", &args), S::SUCCESS);
    assert!(d.u64(AT) < 0x8000_0000);
    // A hint about memory: its ranges are looked at.
    for (at, value) in [(0, DATA), (8, 0x1000), (16, 0)] {
        d.write_u64(TEXT + at, value);
    }
    assert_eq!(d.call("NtSetInformationVirtualMemory", &[PROCESS, 0, 1, TEXT, TEXT + 16, 4]), S::SUCCESS);
    d.write_u64(TEXT + 8, 0);
    assert_eq!(d.call("NtSetInformationVirtualMemory", &[PROCESS, 0, 1, TEXT, TEXT + 16, 4]), S::INVALID_PARAMETER_4);
    assert_eq!(d.call("NtSetInformationVirtualMemory", &[PROCESS, 99, 1, TEXT, TEXT, 4]), S::INVALID_PARAMETER_2);
}
