//! Values: `NtSetValueKey`, `NtDeleteValueKey`, `NtQueryValueKey`, `NtEnumerateValueKey`, `NtQueryMultipleValueKey`.

use std::sync::Arc;

use guest::mem::{GuestValue, PAGE_SIZE, Width};
use guest::types::{StructWriter, UnicodeString};
use guest::{Fault, FaultKind, GuestMemory, Handle, NtStatus, UserPtr};

use super::answer::{Out, bytes_of};
use super::key::access;
use super::node::{KeyId, Value};
use super::notify::filter;
use super::parse::{LINK_VALUE, REG_LINK};
use crate::cx::Cx;
use crate::ob::{ObjectName, read_name, same_name};
use crate::service::{NtResult, Service, Support, Unwind, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtSetValueKey => nt_set_value_key, Support::Full),
    service!(NtDeleteValueKey => nt_delete_value_key, Support::Full),
    service!(NtQueryValueKey => nt_query_value_key, Support::Partial("no layer information")),
    service!(NtEnumerateValueKey => nt_enumerate_value_key, Support::Partial("no layer information")),
    service!(NtQueryMultipleValueKey => nt_query_multiple_value_key, Support::Full),
];

/// The longest name of a value, in UTF-16 units ("Registry Element Size Limits").
const MAX_VALUE_NAME: usize = 16_383;
/// The longest data. Source: Windows' is what memory holds; here a quarter of the registry's quota.
const MAX_VALUE_DATA: u32 = 128 << 20;

/// `KEY_VALUE_INFORMATION_CLASS`.
mod class {
    pub const BASIC: u32 = 0;
    pub const PARTIAL: u32 = 2;
    pub const FULL_ALIGN64: u32 = 3;
    pub const PARTIAL_ALIGN64: u32 = 4;
    pub const LAYER: u32 = 5;
}

fn value_name(cx: &mut Cx<'_>, name: UserPtr<UnicodeString>) -> NtResult<ObjectName> {
    if name.is_null() {
        return Err(NtStatus::ACCESS_VIOLATION.into());
    }
    Ok(read_name(&mut cx.mem(), name)?.unwrap_or_default())
}

/// Reads data page by page: a length that lies takes no memory.
fn read_data(cx: &mut Cx<'_>, data: UserPtr<u8>, size: u32) -> NtResult<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() < size as usize {
        let at = data.va.wrapping_add(bytes.len() as u64);
        let length = ((PAGE_SIZE - at % PAGE_SIZE) as usize).min(size as usize - bytes.len());
        let mut page = vec![0; length];
        cx.mem().read(at, &mut page)?;
        bytes.extend(page);
    }
    Ok(bytes)
}

fn is_link_value(name: &[u16]) -> bool {
    same_name(name, &LINK_VALUE.encode_utf16().collect::<Vec<_>>(), true)
}

fn size_of(value: Option<&Value>) -> u64 {
    value.map_or(0, |value| value.data.len() as u64 + 2 * value.name.len() as u64)
}

/// `NtSetValueKey`: makes a value or replaces its type and data.
///
/// `STATUS_INVALID_PARAMETER` for a name over 16,383 units; `STATUS_ACCESS_DENIED` without `KEY_SET_VALUE`, or for any
/// value but `SymbolicLinkValue` of a link; `STATUS_INSUFFICIENT_RESOURCES`, `STATUS_REGISTRY_QUOTA_LIMIT`,
/// `STATUS_KEY_DELETED`.
fn nt_set_value_key(
    cx: &mut Cx<'_>, key: Handle, name: UserPtr<UnicodeString>, _title_index: u32, kind: u32, data: UserPtr<u8>,
    data_size: u32,
) -> NtResult {
    let id = cx.key(key, access::SET_VALUE)?;
    let name = value_name(cx, name)?;
    if name.len() > MAX_VALUE_NAME {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if data_size > MAX_VALUE_DATA {
        return Err(NtStatus::INSUFFICIENT_RESOURCES.into());
    }
    let data: Arc<[u8]> = read_data(cx, data, data_size)?.into();
    let node = cx.kernel.cm.live(id)?;
    if node.link && !(is_link_value(&name) && kind == REG_LINK) {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    let before = size_of(node.values.get(&name));
    let now = data.len() as u64 + 2 * name.len() as u64;
    cx.kernel.cm.charge(now.saturating_sub(before))?;
    cx.kernel.cm.uncharge(before.saturating_sub(now));
    if let Some(node) = cx.touch(id) {
        node.values.set(&name, kind, data);
    }
    cx.notify_change(id, filter::LAST_SET);
    Ok(NtStatus::SUCCESS)
}

/// `NtDeleteValueKey`: deletes a value.
///
/// `STATUS_OBJECT_NAME_NOT_FOUND`, `STATUS_ACCESS_DENIED` without `KEY_SET_VALUE`, `STATUS_KEY_DELETED`.
fn nt_delete_value_key(cx: &mut Cx<'_>, key: Handle, name: UserPtr<UnicodeString>) -> NtResult {
    let id = cx.key(key, access::SET_VALUE)?;
    let name = value_name(cx, name)?;
    if cx.kernel.cm.live(id)?.values.get(&name).is_none() {
        return Err(NtStatus::OBJECT_NAME_NOT_FOUND.into());
    }
    let removed = cx.touch(id).and_then(|node| node.values.remove(&name));
    cx.kernel.cm.uncharge(size_of(removed.as_ref()));
    cx.notify_change(id, filter::LAST_SET);
    Ok(NtStatus::SUCCESS)
}

/// Checks a class, and that the buffer is aligned as two of them want it.
fn check_class(class: u32, buffer: UserPtr<u8>) -> NtResult<()> {
    match class {
        class::BASIC..=class::PARTIAL => Ok(()),
        class::FULL_ALIGN64 | class::PARTIAL_ALIGN64 if !buffer.va.is_multiple_of(8) => {
            let access = guest::mem::Access::Write;
            Err(Fault { va: buffer.va, access, kind: FaultKind::Misaligned }.into())
        }
        class::FULL_ALIGN64 | class::PARTIAL_ALIGN64 => Ok(()),
        class::LAYER => Err(Unwind::unsupported("KeyValueInformationClass KeyValueLayerInformation")),
        _ => Err(NtStatus::INVALID_PARAMETER.into()),
    }
}

/// A value as a class shows it: how many of its bytes must fit, and all of them.
fn answer(value: &Value, class: u32) -> (usize, Vec<u8>) {
    let (name, data) = (2 * value.name.len(), value.data.len());
    // TitleIndex, Type, then by class
    let head = |size| StructWriter::new(size, Width::W64).field(4, 4, value.kind.into());
    match class {
        // KEY_VALUE_BASIC_INFORMATION: NameLength, Name
        class::BASIC => {
            let head = head(0xc).field(8, 4, name as u64).finish();
            (0xc, head.into_iter().chain(bytes_of(&value.name)).collect())
        }
        // KEY_VALUE_PARTIAL_INFORMATION: DataLength, Data
        class::PARTIAL => {
            let head = head(0xc).field(8, 4, data as u64).finish();
            (0xc, head.into_iter().chain(value.data.iter().copied()).collect())
        }
        // KEY_VALUE_PARTIAL_INFORMATION_ALIGN64: Type, DataLength, Data
        class::PARTIAL_ALIGN64 => {
            let head = StructWriter::new(8, Width::W64).field(0, 4, value.kind.into()).field(4, 4, data as u64);
            (8, head.finish().into_iter().chain(value.data.iter().copied()).collect())
        }
        // KEY_VALUE_FULL_INFORMATION: DataOffset, DataLength, NameLength, Name; the data behind it
        _ => {
            let align = if class == class::FULL_ALIGN64 { 8 } else { 4 };
            let at = if data == 0 { 0x14 + name } else { (0x14 + name).next_multiple_of(align) };
            let offset = if data == 0 { u32::MAX.into() } else { at as u64 };
            let head = head(0x14).field(8, 4, offset).field(0xc, 4, data as u64).field(0x10, 4, name as u64);
            let mut bytes: Vec<u8> = head.finish().into_iter().chain(bytes_of(&value.name)).collect();
            bytes.resize(at, 0);
            bytes.extend(value.data.iter());
            (0x14, bytes)
        }
    }
}

/// What both services check first: the class, the key, and where the answer is to go.
fn begin(cx: &mut Cx<'_>, key: Handle, class: u32, out: &Out) -> NtResult<KeyId> {
    check_class(class, out.buffer)?;
    let id = cx.key(key, access::QUERY_VALUE)?;
    out.probe(cx)?;
    Ok(id)
}

/// `NtQueryValueKey`: a value by name.
///
/// `STATUS_OBJECT_NAME_NOT_FOUND`; `STATUS_BUFFER_TOO_SMALL`, `STATUS_BUFFER_OVERFLOW` (a warning);
/// `STATUS_INVALID_PARAMETER` for a number that is no class; `STATUS_DATATYPE_MISALIGNMENT`; `STATUS_ACCESS_DENIED`
/// without `KEY_QUERY_VALUE`; `STATUS_KEY_DELETED`.
fn nt_query_value_key(
    cx: &mut Cx<'_>, key: Handle, name: UserPtr<UnicodeString>, class: u32, information: UserPtr<u8>, length: u32,
    result_length: UserPtr<u32>,
) -> NtResult {
    let out = Out { buffer: information, length, result_length };
    let id = begin(cx, key, class, &out)?;
    let name = value_name(cx, name)?;
    let value = cx.kernel.cm.live(id)?.values.get(&name).ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
    let (fixed, bytes) = answer(value, class);
    out.write(cx, fixed, &bytes)
}

/// `NtEnumerateValueKey`: the value with an index, in the order in which they were made.
///
/// `STATUS_NO_MORE_ENTRIES`, and those of `NtQueryValueKey`.
fn nt_enumerate_value_key(
    cx: &mut Cx<'_>, key: Handle, index: u32, class: u32, information: UserPtr<u8>, length: u32,
    result_length: UserPtr<u32>,
) -> NtResult {
    let out = Out { buffer: information, length, result_length };
    let id = begin(cx, key, class, &out)?;
    let value = cx.kernel.cm.live(id)?.values.at(index as usize).ok_or(NtStatus::NO_MORE_ENTRIES)?;
    let (fixed, bytes) = answer(value, class);
    out.write(cx, fixed, &bytes)
}

/// The most values of one `NtQueryMultipleValueKey`.
const MOST_ENTRIES: u32 = 0x1_0000;

/// `KEY_VALUE_ENTRY`: where the name is; then, by the kernel, where the data is, and what.
struct Entry {
    name: u64,
    length: u32,
    offset: u32,
    kind: u32,
}

impl GuestValue for Entry {
    fn size(width: Width) -> usize {
        (width.bytes() + 12).next_multiple_of(width.bytes())
    }
    fn decode(bytes: &[u8], width: Width) -> Self {
        let name = bytes.get(..width.bytes()).unwrap_or(&[]);
        let name = name.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte));
        Self { name, length: 0, offset: 0, kind: 0 }
    }
    fn encode(&self, bytes: &mut [u8], width: Width) {
        let w = width.bytes();
        let out = StructWriter::new(Self::size(width), width).word(0, self.name).field(w, 4, self.length.into());
        let done = out.field(w + 4, 4, self.offset.into()).field(w + 8, 4, self.kind.into()).finish();
        bytes.iter_mut().zip(done).for_each(|(to, from)| *to = from);
    }
}

/// `NtQueryMultipleValueKey`: the data of several values, one behind the other, each at a multiple of four.
///
/// `STATUS_OBJECT_NAME_NOT_FOUND` for any that is missing; `STATUS_BUFFER_OVERFLOW` where they do not all fit;
/// `STATUS_INSUFFICIENT_RESOURCES` for more than 65,536; `STATUS_ACCESS_DENIED`, `STATUS_KEY_DELETED`.
fn nt_query_multiple_value_key(
    cx: &mut Cx<'_>, key: Handle, entries: UserPtr<u8>, count: u32, buffer: UserPtr<u8>, buffer_length: UserPtr<u32>,
    required: Option<UserPtr<u32>>,
) -> NtResult {
    let id = cx.key(key, access::QUERY_VALUE)?;
    if count > MOST_ENTRIES {
        return Err(NtStatus::INSUFFICIENT_RESOURCES.into());
    }
    let mut mem = cx.mem();
    let room = mem.load(buffer_length)?;
    mem.probe(buffer_length)?;
    mem.probe_write(buffer.va, room.into())?;
    if let Some(required) = required {
        mem.probe(required)?;
    }
    let size = Entry::size(cx.kernel.width()) as u64;
    let (mut needed, mut used) = (0_u32, 0_u32);
    for index in 0..u64::from(count) {
        let pointer = UserPtr::<Entry>::new(entries.va.wrapping_add(index * size));
        let entry = cx.mem().load(pointer)?;
        let name = value_name(cx, UserPtr::new(entry.name))?;
        let (kind, data) = data_of(cx, id, &name)?;
        let length = data.len() as u32;
        let offset = needed.next_multiple_of(4);
        needed = offset.saturating_add(length);
        if needed <= room {
            used = needed;
            cx.mem().write(buffer.va.wrapping_add(offset.into()), &data)?;
            cx.mem().store(pointer, &Entry { length, offset, kind, ..entry })?;
        }
    }
    cx.mem().store(buffer_length, &used)?;
    if let Some(required) = required {
        cx.mem().store(required, &needed)?;
    }
    Ok(if needed > room { NtStatus::BUFFER_OVERFLOW } else { NtStatus::SUCCESS })
}

fn data_of(cx: &Cx<'_>, id: KeyId, name: &[u16]) -> Result<(u32, Arc<[u8]>), NtStatus> {
    let value = cx.kernel.cm.live(id)?.values.get(name).ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
    Ok((value.kind, value.data.clone()))
}
