//! Functions that Windows has and nobody has written here: what a program imports of them is bound to a few bytes that
//! tell of it when they are called. A program that never comes there does not notice.

use guest::mem::{GuestValue, PAGE_SIZE, Width};
use guest::pe::ImportBy;
use guest::types::UnicodeString;
use guest::{Arch, exports};
use kernel_model::mm::{Protect, VadKind};

use super::modules::Modules;
use super::{LoadError, Target};

/// Bytes from one function to the next.
const STEP: u64 = 32;
/// Bytes of the region, of which half is for code.
const SIZE: u64 = 0x8_0000;
const CODE: u64 = SIZE / 2;
/// The function of ntdll that tells of it, and raises `STATUS_ENTRYPOINT_NOT_FOUND`.
const TELL: &str = "LdrpMissingFunction";

/// The functions that a process imports and that are not there.
#[derive(Clone, Debug, Default)]
pub struct Gaps {
    base: u64,
    list: Vec<(Arch, String, String)>,
}

impl Gaps {
    /// DLL and function of each, in the order in which they were met.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list.iter().map(|(_, dll, function)| (dll.as_str(), function.as_str()))
    }

    /// Where a call of a function goes that is not there; `None`: Windows has no such function, or there is no room.
    pub(super) fn address(&mut self, target: &mut Target<'_>, arch: Arch, dll: &str, by: &ImportBy) -> Option<u64> {
        // Which ordinals a DLL has nobody knows: all of them.
        let known = match by {
            ImportBy::Name(name) => exports::has(dll, name),
            ImportBy::Ordinal(_) => exports::has_dll(dll),
        };
        if !known {
            return None;
        }
        if self.base == 0 {
            let pages = SIZE / PAGE_SIZE;
            let first = target.reserve(None, pages, VadKind::Private, Protect::EXECUTE_READ).ok()?;
            self.base = first * PAGE_SIZE;
        }
        let name = by.to_string();
        let met = |(a, d, f): &(Arch, String, String)| *a == arch && d.eq_ignore_ascii_case(dll) && *f == name;
        let at = match self.list.iter().position(met) {
            Some(at) => at,
            None => {
                self.list.push((arch, dll.to_string(), name));
                self.list.len() - 1
            }
        };
        let at = at as u64 * STEP;
        (at < CODE).then_some(self.base + at)
    }

    /// Writes the code of all, and what each says.
    pub(super) fn commit(&self, target: &mut Target<'_>, modules: &Modules) -> Result<(), LoadError> {
        if self.list.is_empty() {
            return Ok(());
        }
        let no_memory = |status| LoadError::NoMemory { file: "missing functions".into(), status };
        let (mut code, mut data) = (Vec::new(), Vec::new());
        for (arch, dll, function) in &self.list {
            let Some(tell) = modules.by_name("ntdll.dll", *arch).and_then(|m| m.symbol(TELL)) else { continue };
            let said = parameters(&mut data, self.base + CODE, arch.width(), [function, dll]);
            code.extend(call(*arch, self.base + code.len() as u64, tell, said));
            code.resize(code.len().next_multiple_of(STEP as usize), 0xcc);
        }
        if data.len() as u64 > SIZE - CODE {
            return Err(no_memory(guest::NtStatus::NO_MEMORY));
        }
        for (at, bytes, protect) in [(0, &code, Protect::EXECUTE_READ), (CODE, &data, Protect::READONLY)] {
            let pages = (bytes.len() as u64).div_ceil(PAGE_SIZE);
            target.commit((self.base + at) / PAGE_SIZE, pages, protect).map_err(no_memory)?;
            target.write(self.base + at, bytes).map_err(no_memory)?;
        }
        Ok(())
    }
}

/// The parameters of the hard error: pointers to two `UNICODE_STRING`s. Where they are.
fn parameters(data: &mut Vec<u8>, at: u64, width: Width, texts: [&String; 2]) -> u64 {
    let word = width.bytes();
    let strings = texts.map(|text| {
        let buffer = at + data.len() as u64;
        data.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        let length = (at + data.len() as u64 - buffer) as u16;
        data.resize(data.len().next_multiple_of(word), 0);
        let (string, place) = (UnicodeString { length, maximum_length: length, buffer }, data.len());
        data.resize(place + UnicodeString::size(width), 0);
        string.encode(data.get_mut(place..).unwrap_or_default(), width);
        at + place as u64
    });
    let here = at + data.len() as u64;
    data.extend(strings.iter().flat_map(|string| string.to_le_bytes().into_iter().take(word)));
    here
}

/// The code: ntdll's function with that parameter, which does not return.
fn call(arch: Arch, at: u64, tell: u64, said: u64) -> Vec<u8> {
    match arch {
        // mov rcx,said; mov rax,tell; jmp rax
        Arch::X64 => {
            [&[0x48, 0xb9][..], &said.to_le_bytes(), &[0x48, 0xb8], &tell.to_le_bytes(), &[0xff, 0xe0]].concat()
        }
        // push said; call tell
        Arch::X86 => {
            let distance = (tell as u32).wrapping_sub(at as u32 + 10);
            [&[0x68][..], &(said as u32).to_le_bytes(), &[0xe8], &distance.to_le_bytes()].concat()
        }
    }
}
