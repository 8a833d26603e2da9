//! `NtCreateDirectoryObject`, `NtCreateDirectoryObjectEx`, `NtOpenDirectoryObject`, `NtQueryDirectoryObject`.

use guest::types::{ObjectAttributes, StructWriter};
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::directory::Directory;
use super::manager::ObjectId;
use crate::body::Body;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, service};

const NO_SECURITY: &str = crate::ob::SECURITY_GAP;

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateDirectoryObject => nt_create_directory_object, Support::Partial(NO_SECURITY)),
    service!(NtCreateDirectoryObjectEx => nt_create_directory_object_ex, Support::Partial(NO_SECURITY)),
    service!(NtOpenDirectoryObject => nt_open_directory_object, Support::Partial(NO_SECURITY)),
    service!(NtQueryDirectoryObject => nt_query_directory_object, Support::Full),
];

/// `DIRECTORY_QUERY`.
pub(super) const QUERY: AccessMask = AccessMask(1);

/// `NtCreateDirectoryObject`: creates a directory, or opens one of that name if `OBJ_OPENIF` allows.
///
/// The statuses of creating and of looking a name up.
fn nt_create_directory_object(
    cx: &mut Cx<'_>, directory_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>,
) -> NtResult {
    cx.probe_handle(directory_handle)?;
    let body = Body::Directory(Box::default());
    cx.create_and_store(directory_handle, desired_access, object_attributes, body)
}

/// `NtCreateDirectoryObjectEx`: the same, with a directory that is searched for what the new one does not have.
///
/// `STATUS_INVALID_PARAMETER` for unknown flags; `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`,
/// `STATUS_ACCESS_DENIED` for the shadow directory.
fn nt_create_directory_object_ex(
    cx: &mut Cx<'_>, directory_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>, shadow: Handle, flags: u32,
) -> NtResult {
    cx.probe_handle(directory_handle)?;
    match flags {
        0 => {}
        1 => return Err(Unwind::unsupported("Flags DIRECTORY_CREATE_ATTACHED_SILO")),
        _ => return Err(NtStatus::INVALID_PARAMETER.into()),
    }
    let mut directory = Directory::default();
    if shadow != Handle::NULL {
        let shadow = cx.reference_id::<Directory>(shadow, QUERY)?;
        cx.kernel.ob.reference(shadow);
        directory.shadow = Some(shadow);
    }
    cx.create_and_store(directory_handle, desired_access, object_attributes, Body::Directory(Box::new(directory)))
}

/// `NtOpenDirectoryObject`: opens a directory.
///
/// `STATUS_INVALID_PARAMETER` without attributes; the statuses of opening by name.
fn nt_open_directory_object(
    cx: &mut Cx<'_>, directory_handle: UserPtr<Handle>, desired_access: AccessMask,
    object_attributes: Option<UserPtr<ObjectAttributes>>,
) -> NtResult {
    cx.open_and_store::<Directory>(directory_handle, desired_access, object_attributes)
}

/// An entry of the answer: name and type.
struct Row {
    name: Vec<u16>,
    type_name: Vec<u16>,
}

fn row_of(cx: &Cx<'_>, id: ObjectId) -> Option<Row> {
    let ob = &cx.kernel.ob;
    let (_, name) = ob.get(id)?.name.as_ref()?;
    let type_name = ob.type_of(id)?.name().encode_utf16().collect();
    Some(Row { name: name.clone(), type_name })
}

/// `NtQueryDirectoryObject`: names and types of what is in a directory, from the entry whose number is the context on:
/// one, or as many as fit, an empty entry behind the last. The entries are in the order in which they were made
/// (Windows': by 37 buckets of a hash).
///
/// `STATUS_SUCCESS`, `STATUS_MORE_ENTRIES` (not all fitted), `STATUS_NO_MORE_ENTRIES`, `STATUS_BUFFER_TOO_SMALL` (the
/// one that was asked for does not fit; the length that is needed is told), `STATUS_INVALID_HANDLE`,
/// `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `DIRECTORY_QUERY`.
#[expect(clippy::too_many_arguments, reason = "NtQueryDirectoryObject has seven")]
fn nt_query_directory_object(
    cx: &mut Cx<'_>, directory: Handle, buffer: UserPtr<u8>, length: u32, single: bool, restart: bool,
    context: UserPtr<u32>, return_length: Option<UserPtr<u32>>,
) -> NtResult {
    let mut mem = cx.mem();
    mem.probe_write(buffer.va, length.into())?;
    mem.probe(context)?;
    if let Some(pointer) = return_length {
        mem.probe(pointer)?;
    }
    let start = if restart { 0 } else { mem.load(context)? };
    let entries = cx.reference::<Directory>(directory, QUERY)?;
    let ids: Vec<ObjectId> = if single {
        entries.iter().skip(start as usize).take(1).collect()
    } else {
        entries.iter().skip(start as usize).collect()
    };
    let entry = 4 * cx.kernel.width().bytes();
    let (mut rows, mut total) = (Vec::new(), entry);
    let mut status = if ids.is_empty() { NtStatus::NO_MORE_ENTRIES } else { NtStatus::SUCCESS };
    for id in ids {
        let Some(row) = row_of(cx, id) else { continue };
        let size = entry + 2 * (row.name.len() + row.type_name.len() + 2);
        if total + size > length as usize {
            status = if single { NtStatus::BUFFER_TOO_SMALL } else { NtStatus::MORE_ENTRIES };
            if single {
                total += size;
            }
            break;
        }
        total += size;
        rows.push(row);
    }
    let done = start.saturating_add(rows.len() as u32);
    if status.is_success() {
        let bytes = directory_information(cx, buffer.va, &rows, total);
        let fits = bytes.len() <= length as usize;
        cx.mem().write(buffer.va, if fits { &bytes } else { &[] })?;
        cx.mem().store(context, &done)?;
    }
    if let Some(pointer) = return_length {
        let told = if status == NtStatus::NO_MORE_ENTRIES { 0 } else { total as u32 };
        cx.mem().store(pointer, &told)?;
    }
    Ok(status)
}

/// `OBJECT_DIRECTORY_INFORMATION`, several: the entries, an empty one, then the strings.
fn directory_information(cx: &Cx<'_>, va: u64, rows: &[Row], total: usize) -> Vec<u8> {
    let width = cx.kernel.width();
    let w = width.bytes();
    let strings = 4 * w * (rows.len() + 1);
    let mut text: Vec<u8> = Vec::new();
    let mut out = StructWriter::new(strings, width);
    for (index, row) in rows.iter().enumerate() {
        for (part, string) in [&row.name, &row.type_name].into_iter().enumerate() {
            let at = 4 * w * index + 2 * w * part;
            let bytes = 2 * string.len() as u64;
            let place = va.wrapping_add((strings + text.len()) as u64);
            out = out.field(at, 2, bytes).field(at + 2, 2, bytes + 2).word(at + w, place);
            text.extend(string.iter().chain(&[0]).flat_map(|u| u.to_le_bytes()));
        }
    }
    let mut bytes = out.finish();
    bytes.extend(text);
    debug_assert_eq!(bytes.len(), total);
    bytes
}
