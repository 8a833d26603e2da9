//! `NtQueryDirectoryFile`, `NtQueryDirectoryFileEx`.

use guest::types::{IoStatusBlock, StructWriter, UnicodeString};
use guest::{GuestMemory, Handle, NtStatus, UserPtr};

use super::file::{Scan, Target};
use super::name::{Name, name_of};
use super::pending::Op;
use super::query::times;
use super::rights::LIST_DIRECTORY;
use super::tree::Stat;
use super::volume::{Place, Volume};
use super::wildcard::Pattern;
use crate::cx::Cx;
use crate::ob::{ObjectId, read_name};
use crate::service::{NtResult, Service, Support, Unwind, class_name, service};

const GAP: &str = "the classes Directory, Full, IdFull, Both, IdBoth, Names, IdExtd and IdExtdBoth";

pub(crate) const SERVICES: &[Service] = &[
    service!(NtQueryDirectoryFile => nt_query_directory_file, Support::Partial(GAP)),
    service!(NtQueryDirectoryFileEx => nt_query_directory_file_ex, Support::Partial(GAP)),
];

/// `SL_RESTART_SCAN`, `SL_RETURN_SINGLE_ENTRY`, `SL_INDEX_SPECIFIED`, `SL_RETURN_ON_DISK_ENTRIES_ONLY`,
/// `SL_NO_CURSOR_UPDATE_QUERY`.
const RESTART: u32 = 0x1;
const SINGLE: u32 = 0x2;
const INDEX: u32 = 0x4;
const ON_DISK: u32 = 0x8;
const NO_CURSOR: u32 = 0x10;

/// How a class lays an entry out: where its name is, its file number, and the flag that there are a file's facts at all.
#[derive(Clone, Copy)]
struct Layout {
    name: usize,
    id: Option<usize>,
    /// Where the name's length is: behind the facts, or right at the start where there are none.
    facts: bool,
}

fn layout(class: &str) -> Option<Layout> {
    let (name, id, facts) = match class {
        "FileDirectoryInformation" => (64, None, true),
        "FileFullDirectoryInformation" => (68, None, true),
        "FileBothDirectoryInformation" => (94, None, true),
        "FileNamesInformation" => (12, None, false),
        "FileIdBothDirectoryInformation" => (104, Some(96), true),
        "FileIdFullDirectoryInformation" => (80, Some(72), true),
        "FileIdExtdDirectoryInformation" => (88, Some(72), true),
        "FileIdExtdBothDirectoryInformation" => (114, Some(72), true),
        _ => return None,
    };
    Some(Layout { name, id, facts })
}

impl Layout {
    /// `sizeof`, which the caller's length must reach: the name's first character and what pads it.
    fn least(self) -> usize {
        (self.name + 2).next_multiple_of(if self.facts { 8 } else { 4 })
    }

    /// An entry without its name.
    fn entry(self, cx: &Cx<'_>, name: &[u16], stat: &Stat) -> Vec<u8> {
        let length = 2 * name.len() as u64;
        let out = StructWriter::new(self.name, cx.kernel.width());
        if !self.facts {
            return out.field(8, 4, length).finish();
        }
        let shifted = times(StructWriter::new(32, cx.kernel.width()), stat).finish();
        let word = |at: usize| {
            shifted.get(at..at + 8).map_or(0, |b| b.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte)))
        };
        let out = (0..4).fold(out, |out, index| out.field(8 + 8 * index, 8, word(8 * index)));
        let out = out.field(40, 8, stat.size).field(48, 8, stat.allocated).field(56, 4, stat.attributes.into());
        let out = out.field(60, 4, length);
        match self.id {
            Some(at) => out.field(at, 8, stat.id).finish(),
            None => out.finish(),
        }
    }
}

/// What one call asks for.
struct Query {
    op: Op,
    buffer: u64,
    length: u32,
    layout: Layout,
    flags: u32,
    pattern: Option<Name>,
}

/// `NtQueryDirectoryFile`: names in a directory, with what is known of each, from where the last call has stopped. The
/// first call settles which names are wanted.
///
/// `STATUS_NO_SUCH_FILE` (the first call finds nothing), `STATUS_NO_MORE_FILES`, `STATUS_BUFFER_OVERFLOW` (not even one
/// entry fits), `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_INVALID_INFO_CLASS`, `STATUS_OBJECT_NAME_INVALID`,
/// `STATUS_INVALID_PARAMETER` for what is no directory, `STATUS_ACCESS_DENIED` without `FILE_LIST_DIRECTORY`.
#[expect(clippy::too_many_arguments, reason = "NtQueryDirectoryFile has eleven")]
fn nt_query_directory_file(
    cx: &mut Cx<'_>, file: Handle, event: Handle, apc_routine: u64, context: u64, iosb: UserPtr<IoStatusBlock>,
    buffer: u64, length: u32, class: u32, single: bool, name: Option<UserPtr<UnicodeString>>, restart: bool,
) -> NtResult {
    let flags = if single { SINGLE } else { 0 } | if restart { RESTART } else { 0 };
    nt_query_directory_file_ex(cx, file, event, apc_routine, context, iosb, buffer, length, class, flags, name)
}

/// `NtQueryDirectoryFileEx`: the same, by flags.
///
/// As `NtQueryDirectoryFile`.
#[expect(clippy::too_many_arguments, reason = "NtQueryDirectoryFileEx has ten")]
fn nt_query_directory_file_ex(
    cx: &mut Cx<'_>, file: Handle, event: Handle, apc_routine: u64, context: u64, iosb: UserPtr<IoStatusBlock>,
    buffer: u64, length: u32, class: u32, flags: u32, name: Option<UserPtr<UnicodeString>>,
) -> NtResult {
    cx.mem().probe(iosb)?;
    let class_text = class_name("FILE_INFORMATION_CLASS", class)?;
    let Some(layout) = layout(class_text) else {
        return Err(
            match class_text.contains("Directory") || class_text.contains("ObjectId") || class_text.contains("Quota") {
                true => Unwind::unsupported(format!("FileInformationClass {class_text}")),
                false => NtStatus::INVALID_INFO_CLASS.into(),
            },
        );
    };
    if (length as usize) < layout.least() {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    cx.mem().probe_write(buffer, length.into())?;
    let pattern = match name {
        Some(pointer) => read_name(&mut cx.mem(), pointer)?,
        None => None,
    };
    if flags & INDEX != 0 {
        return Err(Unwind::unsupported("SL_INDEX_SPECIFIED"));
    }
    if flags & !(RESTART | SINGLE | ON_DISK | NO_CURSOR) != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let id = cx.file_id(file, &[LIST_DIRECTORY])?;
    let place = match cx.file(id)?.target {
        Target::Node(place) if cx.node(place)?.is_directory() => place,
        Target::Pipes => return Err(Unwind::unsupported("listing pipes")),
        _ => return Err(NtStatus::INVALID_PARAMETER.into()),
    };
    let op = Op::begin(cx, id, event, apc_routine, context, iosb)?;
    list(cx, place, &Query { op, buffer, length, layout, flags, pattern })
}

/// The names that a scan has still to tell: `.` and `..` first, except in a root directory.
fn rest(cx: &mut Cx<'_>, place: Place, scan: &Scan) -> NtResult<Vec<(Option<Name>, Name, Stat)>> {
    let mut found = Vec::new();
    if place.node != Volume::ROOT {
        let parent = cx.node(place)?.parent.map_or(place, |node| Place { node, ..place });
        for (index, (name, of)) in [(".", place), ("..", parent)].into_iter().enumerate() {
            if index >= scan.dots.into() && scan.last.is_none() {
                found.push((None, name_of(name), cx.stat(of)?));
            }
        }
    }
    let after = |key: &Name| scan.last.as_ref().is_none_or(|last| key > last);
    found.extend(
        cx.list(place)?.into_iter().filter(|(key, ..)| after(key)).map(|(key, name, stat)| (Some(key), name, stat)),
    );
    found.retain(|(_, name, _)| scan.pattern.wants(name));
    Ok(found)
}

fn list(cx: &mut Cx<'_>, place: Place, query: &Query) -> NtResult {
    let id = query.op.file;
    let mut scan = begin(cx, id, query)?;
    let entries = rest(cx, place, &scan)?;
    let (mut bytes, mut last_at) = (Vec::new(), None);
    let room = query.length as usize;
    let mut status = if scan.found { NtStatus::NO_MORE_FILES } else { NtStatus::NO_SUCH_FILE };
    for (key, name, stat) in entries {
        let at = bytes.len().next_multiple_of(8);
        let mut entry = query.layout.entry(cx, &name, &stat);
        entry.extend(name.iter().flat_map(|unit| unit.to_le_bytes()));
        let fits = at + entry.len() <= room;
        if !fits && last_at.is_some() {
            break;
        }
        // The first entry is cut; the scan goes on behind it.
        entry.truncate(room.saturating_sub(at));
        status = if fits { NtStatus::SUCCESS } else { NtStatus::BUFFER_OVERFLOW };
        bytes.resize(at, 0);
        if let Some(last) = last_at {
            let field: Option<&mut [u8]> = bytes.get_mut(last..last + 4);
            field.into_iter().for_each(|field| field.copy_from_slice(&((at - last) as u32).to_le_bytes()));
        }
        bytes.extend(entry);
        last_at = Some(at);
        scan.found = true;
        match key {
            Some(key) => scan.last = Some(key),
            None => scan.dots = if name.len() == 1 { 1 } else { 2 },
        }
        if query.flags & SINGLE != 0 || !fits {
            break;
        }
    }
    if query.flags & NO_CURSOR == 0 {
        cx.file_mut(id)?.scan = Some(scan);
    }
    if bytes.is_empty() {
        return Err(status.into());
    }
    cx.mem().write(query.buffer, &bytes)?;
    query.op.finish(cx, status, bytes.len() as u64)
}

/// Where the scan stands that the call goes on with.
fn begin(cx: &mut Cx<'_>, id: ObjectId, query: &Query) -> NtResult<Scan> {
    let fresh = |pattern| Scan { pattern, last: None, dots: 0, found: false };
    let old = cx.file(id)?.scan.clone();
    Ok(match old {
        Some(old) if query.flags & RESTART == 0 => old,
        // A scan that begins anew may want other names.
        Some(old) if query.pattern.is_none() => fresh(old.pattern),
        _ => {
            if query.pattern.as_ref().is_some_and(|pattern| pattern.contains(&u16::from(b'\\'))) {
                return Err(NtStatus::OBJECT_NAME_INVALID.into());
            }
            let text = query.pattern.as_deref();
            fresh(if cx.kernel.is_wine_root() { Pattern::of_win32(text) } else { Pattern::new(text) })
        }
    })
}

/// The key is what a scan remembers, so that names may come and go between two calls.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::name::key;

    #[test]
    fn layouts_have_windows_sizes() {
        for (class, least) in [
            ("FileDirectoryInformation", 72),
            ("FileFullDirectoryInformation", 72),
            ("FileBothDirectoryInformation", 96),
            ("FileNamesInformation", 16),
            ("FileIdBothDirectoryInformation", 112),
            ("FileIdFullDirectoryInformation", 88),
            ("FileIdExtdDirectoryInformation", 96),
            ("FileIdExtdBothDirectoryInformation", 120),
        ] {
            assert_eq!(layout(class).expect("a class").least(), least, "{class}");
        }
        assert!(key(&name_of("a")) < key(&name_of("B")));
    }
}
