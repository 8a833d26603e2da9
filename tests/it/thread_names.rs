//! `ThreadNameInformation`: statuses and lengths (Windows' own, as Wine's tests of `GetThreadDescription` pin them).

use guest::NtStatus as S;

use crate::desk::Desk;

const NAME: u64 = 38;
const THREAD: u64 = u64::MAX - 1;

fn string(d: &mut Desk, text: &str) -> u64 {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let buffer = d.place(&units);
    let mut string = vec![0; d.word() as usize];
    string[..2].copy_from_slice(&(units.len() as u16).to_le_bytes());
    string.extend(d.pointer(buffer));
    d.place(&string)
}

#[test]
fn a_thread_is_called_something() {
    for profile in ["win10-22h2-x64", "win10-1607-x86"] {
        let mut d = Desk::new(profile);
        let header = 2 * d.word();
        let room = d.place(&[0xff; 64]);
        let size = d.place(&[0; 4]);
        d.ok("NtQueryInformationThread", &[THREAD, NAME, room, 64, size]);
        assert_eq!((u64::from(d.u32(size)), d.u32(room)), (header, 0), "{profile}: it has no name");
        let name = string(&mut d, "Lab");
        d.ok("NtSetInformationThread", &[THREAD, NAME, name, header]);
        for length in [0, 4, header, header + 5] {
            let status = d.call("NtQueryInformationThread", &[THREAD, NAME, room, length, size]);
            assert_eq!((status, u64::from(d.u32(size))), (S::BUFFER_TOO_SMALL, header + 6), "{profile} {length}");
        }
        d.ok("NtQueryInformationThread", &[THREAD, NAME, room, header + 6, size]);
        assert_eq!(d.u32(room), 0x0006_0006);
        assert_eq!(d.read_pointer(room + d.word()), room + header);
        assert_eq!(d.read(room + header, 6), [b'L', 0, b'a', 0, b'b', 0]);
        let odd = d.place(&[3, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for (args, status) in [
            ([THREAD, NAME, name, header - 1], S::INFO_LENGTH_MISMATCH),
            ([THREAD, NAME, odd, header], S::INVALID_PARAMETER),
            ([THREAD, NAME, 0x10, header], S::ACCESS_VIOLATION),
            ([0x7770, NAME, name, header], S::INVALID_HANDLE),
            ([u64::MAX, NAME, name, header], S::OBJECT_TYPE_MISMATCH),
        ] {
            assert_eq!(d.call("NtSetInformationThread", &args), status, "{profile} {args:x?}");
        }
    }
    // Before 1607 no thread has a name.
    let mut d = Desk::new("win10-1511-x64");
    let room = d.place(&[0; 64]);
    assert_eq!(d.call("NtQueryInformationThread", &[THREAD, NAME, room, 64, 0]), S::INVALID_INFO_CLASS);
    assert_eq!(d.call("NtSetInformationThread", &[THREAD, NAME, room, 16]), S::INVALID_INFO_CLASS);
}
