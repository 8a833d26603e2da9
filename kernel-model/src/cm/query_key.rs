//! `NtQueryKey`, `NtEnumerateKey`, `NtQueryOpenSubKeys`, `NtQueryOpenSubKeysEx`.

use guest::mem::Width;
use guest::types::{ObjectAttributes, StructWriter};
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::answer::{Out, bytes_of};
use super::key::access;
use super::node::{KeyId, Node};
use super::parse::Place;
use super::registry::Registry;
use super::wow64::View;
use crate::cx::Cx;
use crate::ob::NameToOpen;
use crate::se::Privilege;
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtQueryKey => nt_query_key, Support::Partial("no trust or layer information")),
    service!(NtEnumerateKey => nt_enumerate_key, Support::Full),
    service!(NtQueryOpenSubKeys => nt_query_open_sub_keys, Support::Full),
    service!(NtQueryOpenSubKeysEx => nt_query_open_sub_keys_ex, Support::Full),
];

/// `KEY_INFORMATION_CLASS`.
mod class {
    pub const BASIC: u32 = 0;
    pub const NODE: u32 = 1;
    pub const FULL: u32 = 2;
    pub const NAME: u32 = 3;
    pub const CACHED: u32 = 4;
    pub const FLAGS: u32 = 5;
    pub const HANDLE_TAGS: u32 = 7;
    pub const TRUST: u32 = 8;
    pub const LAYER: u32 = 9;
}

/// An answer: how many of its bytes must fit, and all of them.
type Answer = (usize, Vec<u8>);

/// `NtQueryKey`: what a key is called, when it was written, how much is in it.
///
/// `STATUS_BUFFER_TOO_SMALL`, `STATUS_BUFFER_OVERFLOW` (a warning), `STATUS_INVALID_PARAMETER` for a number that is no
/// class, `STATUS_ACCESS_DENIED` without `KEY_QUERY_VALUE` (the name takes no right), `STATUS_KEY_DELETED`.
fn nt_query_key(
    cx: &mut Cx<'_>, key: Handle, class: u32, information: UserPtr<u8>, length: u32, result_length: UserPtr<u32>,
) -> NtResult {
    match class {
        class::BASIC..=class::HANDLE_TAGS => {}
        class::TRUST | class::LAYER => return Err(Unwind::unsupported("KeyInformationClass of trust or layers")),
        _ => return Err(NtStatus::INVALID_PARAMETER.into()),
    }
    let right = if matches!(class, class::NAME | class::HANDLE_TAGS) { AccessMask(0) } else { access::QUERY_VALUE };
    let id = cx.key(key, right)?;
    let out = Out { buffer: information, length, result_length };
    out.probe(cx)?;
    let (fixed, bytes) = answer(&cx.kernel.cm, id, class)?;
    out.write(cx, fixed, &bytes)
}

/// `NtEnumerateKey`: the subkey with an index, by name those that last before those that do not.
///
/// `STATUS_NO_MORE_ENTRIES`; `STATUS_INVALID_PARAMETER` for a class that is not about subkeys; `STATUS_ACCESS_DENIED`
/// without `KEY_ENUMERATE_SUB_KEYS`; those of `NtQueryKey`.
fn nt_enumerate_key(
    cx: &mut Cx<'_>, key: Handle, index: u32, class: u32, information: UserPtr<u8>, length: u32,
    result_length: UserPtr<u32>,
) -> NtResult {
    if !matches!(class, class::BASIC | class::NODE | class::FULL) {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let id = cx.key(key, access::ENUMERATE_SUB_KEYS)?;
    let out = Out { buffer: information, length, result_length };
    out.probe(cx)?;
    let child = cx.kernel.cm.live(id)?.child_at(index as usize).ok_or(NtStatus::NO_MORE_ENTRIES)?;
    let (fixed, bytes) = answer(&cx.kernel.cm, child, class)?;
    out.write(cx, fixed, &bytes)
}

/// The longest names and the longest data there are in a key, in bytes.
struct Longest {
    name: usize,
    class: usize,
    value_name: usize,
    value_data: usize,
}

fn longest(cm: &Registry, node: &Node) -> Longest {
    let children = || node.children().filter_map(|id| cm.get(id));
    Longest {
        name: 2 * children().map(|child| child.name.len()).max().unwrap_or(0),
        class: 2 * children().map(|child| child.class.len()).max().unwrap_or(0),
        value_name: 2 * node.values.iter().map(|value| value.name.len()).max().unwrap_or(0),
        value_data: node.values.iter().map(|value| value.data.len()).max().unwrap_or(0),
    }
}

fn answer(cm: &Registry, id: KeyId, class: u32) -> Result<Answer, NtStatus> {
    let node = cm.live(id)?;
    Ok(match class {
        class::BASIC => basic(node),
        class::NODE => node_information(node),
        class::FULL => full(node, &longest(cm, node)),
        class::NAME => {
            let path = cm.path_units(id).ok_or(NtStatus::KEY_DELETED)?;
            let bytes: Vec<u8> = (2 * path.len() as u32).to_le_bytes().into_iter().chain(bytes_of(&path)).collect();
            (4, bytes)
        }
        class::CACHED => cached(node, &longest(cm, node)),
        class::FLAGS => flags(node),
        // KEY_VIRTUALIZATION_INFORMATION, KEY_HANDLE_TAGS_INFORMATION: nothing is virtualized or tagged.
        _ => (4, vec![0; 4]),
    })
}

/// A structure that ends in a name at `at`.
fn with_name(head: StructWriter, at: usize, name: &[u16]) -> Answer {
    let mut bytes = head.finish();
    bytes.truncate(at);
    bytes.extend(bytes_of(name));
    (at, bytes)
}

fn head(size: usize, node: &Node) -> StructWriter {
    // The same for both widths: LastWriteTime, TitleIndex
    StructWriter::new(size, Width::W64).field(0, 8, node.last_write)
}

/// `KEY_BASIC_INFORMATION`: NameLength, Name.
fn basic(node: &Node) -> Answer {
    with_name(head(0x10, node).field(0xc, 4, 2 * node.name.len() as u64), 0x10, &node.name)
}

/// `KEY_NODE_INFORMATION`: ClassOffset, ClassLength, NameLength, Name; the class behind it.
fn node_information(node: &Node) -> Answer {
    let (name, class) = (2 * node.name.len(), 2 * node.class.len());
    let at = 0x18 + name;
    let offset = if class == 0 { u64::from(u32::MAX) } else { at as u64 };
    let head = head(0x18, node).field(0xc, 4, offset).field(0x10, 4, class as u64).field(0x14, 4, name as u64);
    let (fixed, mut bytes) = with_name(head, 0x18, &node.name);
    bytes.extend(bytes_of(&node.class));
    (fixed, bytes)
}

/// `KEY_FULL_INFORMATION`: ClassOffset, ClassLength, SubKeys, MaxNameLen, MaxClassLen, Values, MaxValueNameLen,
/// MaxValueDataLen, Class.
fn full(node: &Node, longest: &Longest) -> Answer {
    let class = 2 * node.class.len();
    let offset = if class == 0 { u32::MAX } else { 0x2c };
    let numbers = [
        offset as usize,
        class,
        node.child_count(),
        longest.name,
        longest.class,
        node.values.len(),
        longest.value_name,
        longest.value_data,
    ];
    let head = numbers.iter().zip(0..).fold(head(0x2c, node), |out, (n, i)| out.field(0xc + 4 * i, 4, *n as u64));
    with_name(head, 0x2c, &node.class)
}

/// `KEY_CACHED_INFORMATION`: SubKeys, MaxNameLen, Values, MaxValueNameLen, MaxValueDataLen, NameLength.
fn cached(node: &Node, longest: &Longest) -> Answer {
    const SIZE: usize = 0x28;
    let numbers = [
        node.child_count(),
        longest.name,
        node.values.len(),
        longest.value_name,
        longest.value_data,
        2 * node.name.len(),
    ];
    let head = numbers.iter().zip(0..).fold(head(SIZE, node), |out, (n, i)| out.field(0xc + 4 * i, 4, *n as u64));
    (SIZE, head.finish())
}

/// `KEY_FLAGS_INFORMATION`: UserFlags, KeyFlags (`REG_FLAG_VOLATILE`, `REG_FLAG_LINK`), ControlFlags.
fn flags(node: &Node) -> Answer {
    let key = u64::from(node.volatile) | u64::from(node.link) << 1;
    let out = StructWriter::new(0xc, Width::W64).field(0, 4, node.user_flags.into()).field(4, 4, key);
    (0xc, out.field(8, 4, node.control_flags.into()).finish())
}

/// The key of `OBJECT_ATTRIBUTES`.
fn named(cx: &mut Cx<'_>, attributes: UserPtr<ObjectAttributes>) -> NtResult<KeyId> {
    if attributes.is_null() {
        return Err(NtStatus::ACCESS_VIOLATION.into());
    }
    let name = NameToOpen::capture(&mut cx.mem(), Some(attributes))?;
    match cx.find_key(&name, View::Wide, false)? {
        Place::Found(id) => Ok(id),
        Place::Missing(..) => Err(NtStatus::OBJECT_NAME_NOT_FOUND.into()),
    }
}

/// The keys below a key that somebody has open.
fn open_below(cm: &Registry, id: KeyId) -> Vec<KeyId> {
    let open = |id: &KeyId| cm.get(*id).is_some_and(|node| node.opens > 0);
    cm.below(id).into_iter().skip(1).filter(open).collect()
}

/// `NtQueryOpenSubKeys`: how many keys below one are open. The key must be a hive's root.
///
/// `STATUS_INVALID_PARAMETER` for another key; the statuses of opening by name.
fn nt_query_open_sub_keys(cx: &mut Cx<'_>, target: UserPtr<ObjectAttributes>, count: UserPtr<u32>) -> NtResult {
    cx.mem().probe(count)?;
    let id = named(cx, target)?;
    cx.check_key(id, access::READ)?;
    if !cx.kernel.cm.live(id)?.fixed {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let open = open_below(&cx.kernel.cm, id).len() as u32;
    cx.mem().store(count, &open)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtQueryOpenSubKeysEx`: which keys below one are open, and by which process: `KEY_OPEN_SUBKEYS_INFORMATION`.
///
/// `STATUS_PRIVILEGE_NOT_HELD` without `SeRestorePrivilege`, `STATUS_BUFFER_OVERFLOW` with the size in
/// `*RequiredSize`, `STATUS_INVALID_PARAMETER` for a key that is no hive's root; the statuses of opening by name.
fn nt_query_open_sub_keys_ex(
    cx: &mut Cx<'_>, target: UserPtr<ObjectAttributes>, length: u32, buffer: UserPtr<u8>, required: UserPtr<u32>,
) -> NtResult {
    cx.require_privilege(Privilege::RESTORE)?;
    cx.mem().probe(required)?;
    cx.mem().probe_write(buffer.va, length.into())?;
    let id = named(cx, target)?;
    if !cx.kernel.cm.live(id)?.fixed {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let entries = open_entries(cx, &open_below(&cx.kernel.cm, id));
    let bytes = open_sub_keys(buffer.va, &entries, cx.kernel.width());
    cx.mem().store(required, &(bytes.len() as u32))?;
    if (length as usize) < bytes.len() {
        return Err(NtStatus::BUFFER_OVERFLOW.into());
    }
    cx.mem().write(buffer.va, &bytes)?;
    Ok(NtStatus::SUCCESS)
}

/// The processes with handles to keys, and the names of those keys.
fn open_entries(cx: &Cx<'_>, open: &[KeyId]) -> Vec<(u64, Vec<u16>)> {
    let mut entries = Vec::new();
    for process in cx.kernel.ps.iter() {
        for (_, entry) in process.handles.iter() {
            let body = cx.kernel.ob.get(entry.object).map(|object| &object.body);
            let Some(crate::body::Body::Key(key)) = body else { continue };
            if let Some(path) = cx.kernel.cm.path_units(key.node).filter(|_| open.contains(&key.node)) {
                entries.push((u64::from(process.id.0), path));
            }
        }
    }
    entries
}

/// Count, then for each a process id and a `UNICODE_STRING`; the names behind them all.
fn open_sub_keys(va: u64, entries: &[(u64, Vec<u16>)], width: Width) -> Vec<u8> {
    let w = width.bytes();
    let names = w + entries.len() * 3 * w;
    let mut out = StructWriter::new(names, width).field(0, 4, entries.len() as u64);
    let mut text: Vec<u8> = Vec::new();
    for (index, (process, name)) in entries.iter().enumerate() {
        let (at, length) = (w + index * 3 * w, 2 * name.len() as u64);
        out = out.word(at, *process).field(at + w, 2, length).field(at + w + 2, 2, length);
        out = out.word(at + 2 * w, va + (names + text.len()) as u64);
        text.extend(bytes_of(name));
    }
    let mut bytes = out.finish();
    bytes.extend(text);
    bytes
}
