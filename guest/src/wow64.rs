//! What the built-in `wow64.dll` is told of the services of a build: how each argument of a 32-bit call becomes one of
//! a 64-bit call.
//!
//! The codes, one for each argument (`data/wow64_types.csv`): `z` filled with zeros, `s` sign-extended, `q` two slots;
//! pointers to what has another form in 64 bits: `h` a handle, `w` a number as wide as a pointer, `A`
//! `OBJECT_ATTRIBUTES`, `U` and `u` (also written) `UNICODE_STRING`, `b` `IO_STATUS_BLOCK`, `C` and `c` (also written)
//! `CLIENT_ID`, `S` a `SECURITY_DESCRIPTOR`, `p` a
//! structure that is one pointer, `Y` a `SID_AND_ATTRIBUTES`, `G` `TOKEN_GROUPS`, `H` and `Q` arrays of handles and of
//! `SID_AND_ATTRIBUTES` whose count is the argument before them, `T` an `OBJECT_TYPE_LIST` whose count is the one behind it. Everything else that is pointed to is
//! taken to have the same form in both.

use std::collections::BTreeMap;

use crate::Profile;
use crate::services::{ArgInfo, Direction, ServiceTableId};
use crate::stub::StubService;

include!(concat!(env!("OUT_DIR"), "/wow64.rs"));

/// Bytes of the structure at the start: for both tables a limit and where its offsets are, then where the codes are.
const HEAD: usize = 40;

/// How an argument of a 32-bit call is widened: a code of the list above.
pub fn code_of(arg: &ArgInfo) -> u8 {
    let found = TYPES.iter().find(|(ty, direction, _)| *ty == arg.ty && *direction == arg.dir);
    found.map_or(b'z', |(_, _, code)| *code)
}

/// A service's line: how it is treated, how many arguments it has, a code for each. `None`: nobody knows.
fn line(service: &StubService) -> Option<Vec<u8>> {
    let count = service.args? as usize;
    let special = SPECIALS.iter().find(|(name, _)| *name == service.info.name).map_or(0, |(_, special)| *special);
    let codes = service.info.args.iter().map(code_of).chain(std::iter::repeat(b'z')).take(count);
    Some([special, count as u8].into_iter().chain(codes).collect())
}

/// The tables as they lie at address `at` in a 64-bit process.
pub fn tables(profile: &Profile, at: u64) -> Vec<u8> {
    // Offset 0 means that nothing is known, so nothing starts there.
    let mut codes = vec![0];
    let mut known: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    let mut offsets = [ServiceTableId::Nt, ServiceTableId::Win32k].map(|table| {
        let mut offset_of = |row| {
            let Some(line) = profile.service(table, row).and_then(|s| line(&s)) else { return 0 };
            *known.entry(line).or_insert_with_key(|line| {
                let offset = codes.len() as u32;
                codes.extend(line);
                offset
            })
        };
        (0..profile.table_size(table)).map(&mut offset_of).collect::<Vec<u32>>()
    });
    let mut bytes = Vec::new();
    let mut place = at + HEAD as u64;
    for table in &offsets {
        bytes.extend((table.len() as u64).to_le_bytes());
        bytes.extend(place.to_le_bytes());
        place += 4 * table.len() as u64;
    }
    bytes.extend(place.to_le_bytes());
    for offset in offsets.iter_mut().flat_map(std::mem::take) {
        bytes.extend(offset.to_le_bytes());
    }
    bytes.extend(codes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(name: &str) -> String {
        let profile = Profile::default_profile();
        let number = profile.number(name).expect("a service") as usize;
        let service = profile.service(ServiceTableId::Nt, number).expect("a row");
        String::from_utf8(line(&service).expect("known")[2..].to_vec()).expect("letters")
    }

    #[test]
    fn arguments_are_widened_by_their_types() {
        assert_eq!(line_of("NtClose"), "s");
        assert_eq!(line_of("NtCreateEvent"), "hzAzz");
        assert_eq!(line_of("NtWriteFile"), "sszzbzzzz");
        assert_eq!(line_of("NtAllocateVirtualMemory"), "swzwzz");
        assert_eq!(line_of("NtWaitForMultipleObjects"), "zHzzz");
        assert_eq!(line_of("NtOpenProcess"), "hzAC");
        assert_eq!(line_of("NtMapViewOfSection"), "sswzzzwzzz");
        assert_eq!(line_of("NtAccessCheck"), "Sszzzzzz");
    }

    #[test]
    fn the_tables_lead_to_the_lines() {
        let profile = Profile::default_profile();
        let bytes = tables(profile, 0x1000);
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes")) as usize;
        assert_eq!(word(0), profile.table_size(ServiceTableId::Nt));
        let number = profile.number("NtClose").expect("a service") as usize;
        let at = word(8) - 0x1000 + 4 * number;
        let offset = u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
        let line = word(32) - 0x1000 + offset;
        assert_eq!(bytes[line..line + 3], [0, 1, b's']);
    }
}
