//! The global atom table: names that stand for numbers, and numbers that stand for themselves.

use std::collections::BTreeMap;

use guest::types::StructWriter;
use guest::{GuestMemory, NtStatus, UserPtr};

use crate::cx::Cx;
use crate::ob::{ObjectName, upcase};
use crate::service::{Information, NtResult, Service, Support, Unwind, class_name, service};

const GAP: &str = "one table for everybody";

pub(crate) const SERVICES: &[Service] = &[
    service!(NtAddAtom => nt_add_atom, Support::Partial(GAP)),
    service!(NtAddAtomEx => nt_add_atom_ex, Support::Partial("one table for everybody; no flags")),
    service!(NtFindAtom => nt_find_atom, Support::Partial(GAP)),
    service!(NtDeleteAtom => nt_delete_atom, Support::Partial(GAP)),
    service!(NtQueryInformationAtom => nt_query_information_atom, Support::Partial(GAP)),
];

/// The first number that is a name's; those below stand for themselves.
const FIRST: u16 = 0xc000;
/// The longest name, in characters.
const LONGEST: usize = 255;

/// A name's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Atom {
    name: ObjectName,
    uses: u16,
}

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AtomTable {
    atoms: BTreeMap<u16, Atom>,
}

impl AtomTable {
    fn find(&self, name: &[u16]) -> Option<u16> {
        let same = |atom: &Atom| {
            atom.name.len() == name.len() && atom.name.iter().zip(name).all(|(a, b)| upcase(*a) == upcase(*b))
        };
        self.atoms.iter().find(|(_, atom)| same(atom)).map(|(number, _)| *number)
    }

    /// A name's number, new if it has none.
    fn add(&mut self, name: ObjectName) -> Result<u16, NtStatus> {
        if let Some(number) = self.find(&name) {
            if let Some(atom) = self.atoms.get_mut(&number) {
                atom.uses = atom.uses.saturating_add(1);
            }
            return Ok(number);
        }
        let free = (FIRST..=u16::MAX).find(|number| !self.atoms.contains_key(number)).ok_or(NtStatus::NO_MEMORY)?;
        self.atoms.insert(free, Atom { name, uses: 1 });
        Ok(free)
    }
}

/// What a caller calls an atom.
enum Named {
    Number(u16),
    Name(ObjectName),
}

/// Reads an atom's name: a string of so many bytes, `#` and a decimal number, or the number itself in place of an address.
///
/// `STATUS_INVALID_PARAMETER` (too long, or no such number), `STATUS_OBJECT_NAME_INVALID` (empty), `STATUS_ACCESS_VIOLATION`.
fn capture(cx: &mut Cx<'_>, name: u64, length: u32) -> NtResult<Named> {
    let number = |value: u64| match u16::try_from(value) {
        Ok(value @ 1..FIRST) => Ok(Named::Number(value)),
        _ => Err(NtStatus::INVALID_PARAMETER),
    };
    if name < 0x1_0000 {
        return Ok(number(name)?);
    }
    if length as usize > 2 * LONGEST {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let mut bytes = vec![0; length as usize & !1];
    cx.mem().read(name, &mut bytes)?;
    let mut units: ObjectName = bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    if let Some(end) = units.iter().position(|&unit| unit == 0) {
        units.truncate(end);
    }
    if units.is_empty() {
        return Err(NtStatus::OBJECT_NAME_INVALID.into());
    }
    let digits = units.strip_prefix(&[u16::from(b'#')]).map(String::from_utf16_lossy);
    if let Some(digits) = digits.filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit())) {
        return Ok(number(digits.parse().unwrap_or(u64::MAX))?);
    }
    Ok(Named::Name(units))
}

/// `NtAddAtom`: the number of a name, which counts one more user; it is made if there is none.
///
/// `STATUS_INVALID_PARAMETER`, `STATUS_OBJECT_NAME_INVALID`, `STATUS_NO_MEMORY` (the table is full).
fn nt_add_atom(cx: &mut Cx<'_>, name: u64, length: u32, atom: Option<UserPtr<u16>>) -> NtResult {
    if let Some(pointer) = atom {
        cx.mem().probe(pointer)?;
    }
    let number = match capture(cx, name, length)? {
        Named::Number(number) => number,
        Named::Name(name) => cx.kernel.atoms.add(name)?,
    };
    if let Some(pointer) = atom {
        cx.mem().store(pointer, &number)?;
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtAddAtomEx`: the same, with flags.
fn nt_add_atom_ex(cx: &mut Cx<'_>, name: u64, length: u32, atom: Option<UserPtr<u16>>, flags: u32) -> NtResult {
    const KNOWN: u32 = 2; // RTL_ATOM_TABLE_GLOBAL
    if flags & !KNOWN != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if flags != 0 {
        return Err(Unwind::unsupported("Flags"));
    }
    nt_add_atom(cx, name, length, atom)
}

/// `NtFindAtom`: the number of a name.
///
/// `STATUS_OBJECT_NAME_NOT_FOUND`, and those of `NtAddAtom`.
fn nt_find_atom(cx: &mut Cx<'_>, name: u64, length: u32, atom: Option<UserPtr<u16>>) -> NtResult {
    if let Some(pointer) = atom {
        cx.mem().probe(pointer)?;
    }
    let number = match capture(cx, name, length)? {
        Named::Number(number) => number,
        Named::Name(name) => cx.kernel.atoms.find(&name).ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?,
    };
    if let Some(pointer) = atom {
        cx.mem().store(pointer, &number)?;
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtDeleteAtom`: one user less; with the last the name goes.
///
/// `STATUS_INVALID_HANDLE` for a number that no name has.
fn nt_delete_atom(cx: &mut Cx<'_>, atom: u32) -> NtResult {
    let number = atom as u16;
    if (1..FIRST).contains(&number) {
        return Ok(NtStatus::SUCCESS);
    }
    let atoms = &mut cx.kernel.atoms.atoms;
    let entry = atoms.get_mut(&number).ok_or(NtStatus::INVALID_HANDLE)?;
    entry.uses -= 1;
    if entry.uses == 0 {
        atoms.remove(&number);
    }
    Ok(NtStatus::SUCCESS)
}

/// `NtQueryInformationAtom`: an atom's users, flags and name (`AtomBasicInformation`), or every atom's number
/// (`AtomTableInformation`).
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_BUFFER_TOO_SMALL` (the name), `STATUS_INVALID_HANDLE`.
fn nt_query_information_atom(
    cx: &mut Cx<'_>, atom: u32, class: u32, buffer: UserPtr<u8>, length: u32, return_length: Option<UserPtr<u32>>,
) -> NtResult {
    const BASIC: u32 = 0;
    class_name("ATOM_INFORMATION_CLASS", class)?;
    let out = Information { buffer, length, return_length };
    out.probe(cx, length as usize)?;
    let (least, bytes) = if class == BASIC { (8, basic(cx, atom as u16)?) } else { (8, table(cx)) };
    if length < least {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    if (length as usize) < bytes.len() {
        let short = if class == BASIC { NtStatus::BUFFER_TOO_SMALL } else { NtStatus::INFO_LENGTH_MISMATCH };
        return Err(short.into());
    }
    out.write(cx, &bytes)?;
    Ok(NtStatus::SUCCESS)
}

/// UsageCount, Flags, NameLength, Name with its terminator.
fn basic(cx: &Cx<'_>, number: u16) -> Result<Vec<u8>, NtStatus> {
    let (uses, flags, name) = match number {
        0 => return Err(NtStatus::INVALID_HANDLE),
        1..FIRST => (1, 1, format!("#{number}").encode_utf16().collect()),
        _ => {
            let atom = cx.kernel.atoms.atoms.get(&number).ok_or(NtStatus::INVALID_HANDLE)?;
            (atom.uses, 0, atom.name.clone())
        }
    };
    let head = StructWriter::new(6, cx.kernel.width()).field(0, 2, u64::from(uses)).field(2, 2, flags);
    let mut bytes = head.field(4, 2, 2 * name.len() as u64).finish();
    bytes.extend(name.iter().chain(&[0]).flat_map(|unit| unit.to_le_bytes()));
    Ok(bytes)
}

/// NumberOfAtoms, and the numbers.
fn table(cx: &Cx<'_>) -> Vec<u8> {
    let numbers: Vec<u16> = cx.kernel.atoms.atoms.keys().copied().collect();
    let mut bytes = (numbers.len() as u32).to_le_bytes().to_vec();
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    bytes
}
