//! Sections over files and images, by services called without a CPU. What the values are is documented with
//! `CreateFileMapping`, `MapViewOfFile`, `NtCreateSection` and `MmFlushImageSection`; the fixtures `win_mapfile` and
//! `map_image` have Wine as their witness.

use guest::NtStatus as S;
use guest::mem::PAGE_SIZE;

use crate::direct::{DATA, Direct, HANDLE, OUT, PROCESS};

const IOSB: u64 = DATA + 0x40;
const SIZE: u64 = DATA + 0x80;
const BASE: u64 = DATA + 0x88;
const VIEW_SIZE: u64 = DATA + 0x90;
const OFFSET: u64 = DATA + 0x98;

const READ: u64 = 0x8000_0000 | 0x10_0000;
const READ_WRITE: u64 = 0xc000_0000 | 0x10_0000;
const EVERYTHING: u64 = 0x1000_0000 | 0x10_0000;
const OPEN_IF: u64 = 3;
const SYNC: u64 = 0x20;
const SECTION_ALL: u64 = 0xf_001f;
const COMMIT: u64 = 0x800_0000;
const RESERVE: u64 = 0x400_0000;
const IMAGE: u64 = 0x100_0000;
const READONLY: u64 = 2;
const READWRITE: u64 = 4;
const WRITECOPY: u64 = 8;
const EXECUTE_READ: u64 = 0x20;

fn open(d: &mut Direct, name: &str, access: u64) -> Result<u64, S> {
    let attributes = d.attributes(&format!("\\??\\C:\\{name}"), 0x40, 0);
    match d.call("NtCreateFile", &[HANDLE, access, attributes, IOSB, 0, 0, 7, OPEN_IF, SYNC, 0, 0]) {
        S::SUCCESS => Ok(d.u64(HANDLE)),
        status => Err(status),
    }
}

fn file(d: &mut Direct, name: &str, bytes: &[u8]) -> u64 {
    let handle = open(d, name, EVERYTHING).expect("a file");
    for (n, piece) in bytes.chunks(0x1000).enumerate() {
        d.write(OUT, piece);
        d.write_u64(OFFSET, n as u64 * 0x1000);
        let args = [handle, 0, 0, 0, IOSB, OUT, piece.len() as u64, OFFSET, 0];
        assert_eq!(d.call("NtWriteFile", &args), S::SUCCESS);
    }
    handle
}

fn section(d: &mut Direct, file: u64, size: u64, protect: u64, kind: u64) -> Result<u64, S> {
    d.write_u64(SIZE, size);
    let place = if size == 0 { 0 } else { SIZE };
    match d.call("NtCreateSection", &[HANDLE, SECTION_ALL, 0, place, protect, kind, file]) {
        S::SUCCESS => Ok(d.u64(HANDLE)),
        status => Err(status),
    }
}

fn map_at(d: &mut Direct, section: u64, at: u64, protect: u64) -> (S, u64) {
    d.write_u64(BASE, at);
    d.write_u64(VIEW_SIZE, 0);
    let status = d.call("NtMapViewOfSection", &[section, PROCESS, BASE, 0, 0, 0, VIEW_SIZE, 2, 0, protect]);
    (status, d.u64(BASE))
}

fn map(d: &mut Direct, section: u64, protect: u64) -> u64 {
    let (status, base) = map_at(d, section, 0, protect);
    assert!(status.is_success(), "{status:?}");
    base
}

fn unmap(d: &mut Direct, base: u64) {
    assert_eq!(d.call("NtUnmapViewOfSection", &[PROCESS, base]), S::SUCCESS);
}

/// Bytes as the program writes them.
fn store(d: &mut Direct, va: u64, bytes: &[u8]) {
    d.write(OUT, bytes);
    let args = [PROCESS, va, OUT, bytes.len() as u64, 0];
    assert_eq!(d.call("NtWriteVirtualMemory", &args), S::SUCCESS);
}

fn kept(d: &Direct, name: &str) -> Vec<u8> {
    let place = d.kernel.file_at(&format!("C:\\{name}")).expect("a file");
    d.kernel.file_bytes(place).expect("its bytes")
}

#[test]
fn what_a_view_writes_is_in_the_file_when_it_is_unmapped() {
    let mut d = Direct::new();
    let bytes: Vec<u8> = (0..0x2345_u32).map(|n| n as u8).collect();
    let handle = file(&mut d, "a.bin", &bytes);
    let over = section(&mut d, handle, 0, READWRITE, COMMIT).expect("a section");
    let (first, second) = (map(&mut d, over, READWRITE), map(&mut d, over, READONLY));
    assert_eq!(d.read(first, 0x2345), bytes);
    store(&mut d, first + 0xffe, b"across");
    assert_eq!(d.read(second + 0xffe, 6), b"across");
    assert_eq!(kept(&d, "a.bin"), bytes, "not yet");
    d.write_u64(BASE, first);
    d.write_u64(VIEW_SIZE, 0);
    assert_eq!(d.call("NtFlushVirtualMemory", &[PROCESS, BASE, VIEW_SIZE, IOSB]), S::SUCCESS);
    assert_eq!(kept(&d, "a.bin")[0xffe..0x1004], *b"across");
    store(&mut d, first + 0x2344, b"!?");
    d.call("NtClose", &[handle]);
    d.call("NtClose", &[over]);
    unmap(&mut d, first);
    let now = kept(&d, "a.bin");
    assert_eq!((now.len(), now[0x2344]), (0x2345, b'!'), "what lies behind the end is not written");
    unmap(&mut d, second);
    // Nothing is left of it: the file can be deleted.
    let handle = open(&mut d, "a.bin", 0x11_0000).expect("for deletion");
    d.write(OUT, &[1]);
    assert_eq!(d.call("NtSetInformationFile", &[handle, IOSB, OUT, 1, 13]), S::SUCCESS);
}

#[test]
fn what_is_mapped_is_neither_cut_nor_deleted() {
    let mut d = Direct::new();
    let handle = file(&mut d, "b.bin", &[7; 0x1800]);
    let over = section(&mut d, handle, 0, READONLY, COMMIT).expect("a section");
    let cut = |d: &mut Direct, size: u64| {
        d.write_u64(OUT, size);
        d.call("NtSetInformationFile", &[handle, IOSB, OUT, 8, 20])
    };
    // A section alone does not keep a file from being cut.
    assert_eq!(cut(&mut d, 0x1700), S::SUCCESS);
    let view = map(&mut d, over, READONLY);
    assert_eq!(d.read(view + 0x16ff, 2), [7, 0]);
    assert_eq!(cut(&mut d, 0x10), S::USER_MAPPED_FILE);
    assert_eq!(cut(&mut d, 0x1900), S::SUCCESS);
    d.write(OUT, &[1]);
    assert_eq!(d.call("NtSetInformationFile", &[handle, IOSB, OUT, 1, 13]), S::CANNOT_DELETE);
    unmap(&mut d, view);
    assert_eq!(cut(&mut d, 0x10), S::SUCCESS);
    d.write(OUT, &[1]);
    assert_eq!(d.call("NtSetInformationFile", &[handle, IOSB, OUT, 1, 13]), S::SUCCESS);
}

#[test]
fn rights_and_sizes_are_checked() {
    let mut d = Direct::new();
    let handle = file(&mut d, "c.bin", &[1; 0x100]);
    let reader = open(&mut d, "c.bin", READ).expect("for reading");
    let empty = file(&mut d, "empty.bin", &[]);
    let writer = open(&mut d, "c.bin", 0x4000_0000 | 0x10_0000).expect("for writing");
    for (file, size, protect, kind, expected) in [
        (reader, 0, READONLY, COMMIT, S::SUCCESS),
        (reader, 0, WRITECOPY, COMMIT, S::SUCCESS),
        (reader, 0, READWRITE, COMMIT, S::ACCESS_DENIED),
        (reader, 0, EXECUTE_READ, COMMIT, S::ACCESS_DENIED),
        (writer, 0, READONLY, COMMIT, S::ACCESS_DENIED),
        (reader, 0x101, READONLY, COMMIT, S::SECTION_TOO_BIG),
        (reader, 0x80, READONLY, COMMIT, S::SUCCESS),
        (reader, 1 << 63, READONLY, COMMIT, S::SECTION_TOO_BIG),
        (empty, 0, READWRITE, COMMIT, S::MAPPED_FILE_SIZE_ZERO),
        (empty, 0, EXECUTE_READ, IMAGE, S::INVALID_FILE_FOR_SECTION),
        (handle, 0, EXECUTE_READ, IMAGE, S::INVALID_IMAGE_NOT_MZ),
        (0, 0x1000, EXECUTE_READ, IMAGE, S::INVALID_FILE_FOR_SECTION),
        (0x9999_9998, 0, READONLY, COMMIT, S::INVALID_HANDLE),
        (handle, 0, 1, COMMIT, S::INVALID_PAGE_PROTECTION),
        (handle, 0, READONLY, COMMIT | RESERVE, S::INVALID_PARAMETER_6),
    ] {
        let made = section(&mut d, file, size, protect, kind);
        assert_eq!(made.err().unwrap_or(S::SUCCESS), expected, "{size:#x} {protect:#x} {kind:#x}");
    }
    d.attributes("\\??\\C:\\Windows", 0x40, 0);
    let attributes = DATA + 0x1000;
    assert_eq!(d.call("NtOpenFile", &[HANDLE, READ, attributes, IOSB, 7, SYNC]), S::SUCCESS);
    let folder = d.u64(HANDLE);
    assert_eq!(section(&mut d, folder, 0, READONLY, COMMIT), Err(S::INVALID_FILE_FOR_SECTION));
}

#[test]
fn sections_grow_with_their_files() {
    let mut d = Direct::new();
    let handle = file(&mut d, "d.bin", &[1; 0x10]);
    let over = section(&mut d, handle, 0x1_2000, READWRITE, COMMIT).expect("a section");
    assert_eq!(kept(&d, "d.bin").len(), 0x1_2000);
    d.write_u64(SIZE, 0x2_0000);
    assert_eq!(d.call("NtExtendSection", &[over, SIZE]), S::SUCCESS);
    assert_eq!(kept(&d, "d.bin").len(), 0x2_0000);
    d.write_u64(SIZE, 0x1000);
    assert_eq!(d.call("NtExtendSection", &[over, SIZE]), S::SUCCESS);
    assert_eq!(d.u64(SIZE), 0x2_0000, "it does not shrink");
    let view = map(&mut d, over, READWRITE);
    assert_eq!(d.u64(VIEW_SIZE), 0x2_0000);
    store(&mut d, view + 0x1_ffff, b"e");
    unmap(&mut d, view);
    assert_eq!(kept(&d, "d.bin").last(), Some(&b'e'));
    let page_file = section(&mut d, 0, 0x1000, READWRITE, COMMIT).expect("a section");
    assert_eq!(d.call("NtExtendSection", &[page_file, SIZE]), S::SECTION_NOT_EXTENDED);
    // NtQuerySection: SEC_FILE, the size in bytes.
    assert_eq!(d.call("NtQuerySection", &[over, 0, OUT, 0x18, 0]), S::SUCCESS);
    assert_eq!((d.u32(OUT + 8), d.u64(OUT + 16)), (0x80_0000, 0x2_0000));
}

#[test]
fn reserved_sections_commit_for_every_view() {
    let mut d = Direct::new();
    let over = section(&mut d, 0, 1 << 40, READWRITE, RESERVE).expect("a section of a terabyte");
    let before = d.kernel.mm.committed();
    d.write_u64(BASE, 0);
    d.write_u64(VIEW_SIZE, 0x10_0000);
    let map = |d: &mut Direct| {
        d.write_u64(BASE, 0);
        d.write_u64(VIEW_SIZE, 0x10_0000);
        let args = [over, PROCESS, BASE, 0, 0, 0, VIEW_SIZE, 2, 0, READWRITE];
        assert_eq!(d.call("NtMapViewOfSection", &args), S::SUCCESS);
        d.u64(BASE)
    };
    let (first, second) = (map(&mut d), map(&mut d));
    let state = |d: &mut Direct, va: u64| {
        assert_eq!(d.call("NtQueryVirtualMemory", &[PROCESS, va, 0, OUT, 0x30, 0]), S::SUCCESS);
        d.u32(OUT + 0x20)
    };
    assert_eq!(state(&mut d, first), 0x2000);
    d.write_u64(BASE, first + 0x1_0000);
    d.write_u64(SIZE, 0x2000);
    assert_eq!(d.call("NtAllocateVirtualMemory", &[PROCESS, BASE, 0, SIZE, 0x1000, READWRITE]), S::SUCCESS);
    assert_eq!(d.kernel.mm.committed(), before + 2);
    assert_eq!(
        [first + 0x1_0000, second + 0x1_1000, second + 0x1_2000].map(|va| state(&mut d, va)),
        [0x1000, 0x1000, 0x2000]
    );
    store(&mut d, first + 0x1_0000, b"shared");
    assert_eq!(d.read(second + 0x1_0000, 6), b"shared");
    unmap(&mut d, first);
    unmap(&mut d, second);
    d.call("NtClose", &[over]);
    assert_eq!(d.kernel.mm.committed(), before);
}

/// The built-in kernel32, put on C:, as an image that can move.
fn image(d: &mut Direct) -> (u64, Vec<u8>) {
    let bytes = guest::dll::image(guest::Arch::X64, "kernel32.dll").expect("built in").to_vec();
    d.kernel.place_file("C:\\some.dll", &bytes).expect("room");
    (open(d, "some.dll", 0xa000_0000 | 0x10_0000).expect("the file"), bytes)
}

#[test]
fn images_are_mapped_where_they_belong_once() {
    let mut d = Direct::new();
    let (handle, bytes) = image(&mut d);
    let pe = guest::pe::PeImage::parse(&bytes).expect("an image");
    let over = section(&mut d, handle, 0, EXECUTE_READ, IMAGE).expect("a section");
    let (status, first) = map_at(&mut d, over, 0, EXECUTE_READ);
    assert_eq!((status, first), (S::SUCCESS, pe.base));
    let (status, second) = map_at(&mut d, over, 0, EXECUTE_READ);
    assert_eq!(status, S::IMAGE_NOT_AT_BASE);
    assert_ne!(second, first);
    assert_eq!(map_at(&mut d, over, first, EXECUTE_READ).0, S::CONFLICTING_ADDRESSES);
    // Neither is relocated: the loader does that.
    assert_eq!(d.read(second, pe.bytes.len().min(0x200)), pe.bytes[..0x200]);
    // What is written is the view's own.
    let data = pe.sections.iter().find(|s| s.write).expect("data");
    d.write_u64(BASE, first + u64::from(data.rva));
    d.write_u64(SIZE, 8);
    assert_eq!(d.call("NtProtectVirtualMemory", &[PROCESS, BASE, SIZE, READWRITE, OUT]), S::SUCCESS);
    store(&mut d, first + u64::from(data.rva), b"mine");
    assert_ne!(d.read(second + u64::from(data.rva), 4), b"mine");
    // MEM_IMAGE, and the path.
    assert_eq!(d.call("NtQueryVirtualMemory", &[PROCESS, first + 0x1000, 0, OUT, 0x30, 0]), S::SUCCESS);
    assert_eq!((d.u64(OUT + 8), d.u32(OUT + 0x28)), (first, 0x100_0000));
    assert_eq!(d.call("NtQueryVirtualMemory", &[PROCESS, first + 0x1000, 2, OUT, 0x200, 0]), S::SUCCESS);
    assert_eq!(d.string(OUT), "\\Device\\HarddiskVolume1\\some.dll");
    assert_eq!(d.call("NtQueryVirtualMemory", &[PROCESS, first, 2, OUT, 0x20, SIZE]), S::BUFFER_OVERFLOW);
    assert_eq!(d.call("NtQueryVirtualMemory", &[PROCESS, DATA, 2, OUT, 0x200, 0]), S::INVALID_ADDRESS);
    assert_eq!(d.call("NtQueryVirtualMemory", &[PROCESS, first, 6, OUT, 0x18, 0]), S::SUCCESS);
    assert_eq!((d.u64(OUT), d.u64(OUT + 8)), (first, pe.bytes.len() as u64));
    // An image that is in use is not opened for writing, nor deleted.
    assert_eq!(open(&mut d, "some.dll", READ_WRITE), Err(S::SHARING_VIOLATION));
    d.call("NtClose", &[over]);
    unmap(&mut d, first + PAGE_SIZE);
    unmap(&mut d, second);
    assert!(open(&mut d, "some.dll", READ_WRITE).is_ok());
}

#[test]
fn a_32_bit_image_in_a_64_bit_process() {
    let mut d = Direct::new();
    let bytes = guest::dll::image(guest::Arch::X86, "kernel32.dll").expect("built in");
    d.kernel.place_file("C:\\narrow.dll", bytes).expect("room");
    let handle = open(&mut d, "narrow.dll", 0xa000_0000 | 0x10_0000).expect("the file");
    let over = section(&mut d, handle, 0, EXECUTE_READ, IMAGE).expect("a section");
    assert_eq!(map_at(&mut d, over, 0, EXECUTE_READ).0, S::IMAGE_MACHINE_TYPE_MISMATCH);
    assert_eq!(d.call("NtQuerySection", &[over, 1, OUT, 0x40, 0]), S::SUCCESS);
    assert_eq!(d.u32(OUT + 0x30) as u16, 0x14c);
    assert_eq!(d.call("NtQuerySection", &[over, 1, OUT, 0x3f, 0]), S::INFO_LENGTH_MISMATCH);
}

/// Every byte of the headers is changed, and the file is cut everywhere in them: a status, never more.
#[test]
fn lying_images_are_refused_or_mapped() {
    let mut d = Direct::new();
    let (_, bytes) = image(&mut d);
    let handle = file(&mut d, "lie.dll", &bytes[..0x800]);
    let mut made = 0;
    for at in 0..0x300_u64 {
        let wrong = [!bytes[at as usize]];
        for byte in [wrong[0], bytes[at as usize]] {
            d.write(OUT, &[byte]);
            d.write_u64(OFFSET, at);
            assert_eq!(d.call("NtWriteFile", &[handle, 0, 0, 0, IOSB, OUT, 1, OFFSET, 0]), S::SUCCESS);
            if byte != wrong[0] {
                break;
            }
            match section(&mut d, handle, 0, EXECUTE_READ, IMAGE) {
                Ok(over) => {
                    made += 1;
                    d.call("NtClose", &[over]);
                }
                Err(status) => assert!(
                    [S::INVALID_IMAGE_FORMAT, S::INVALID_IMAGE_NOT_MZ, S::INVALID_IMAGE_PROTECT].contains(&status),
                    "byte {at:#x}: {status:?}"
                ),
            }
        }
    }
    assert_eq!(made, 0, "the file ends before its sections do");
}
