//! `NtQueryObject`.

use guest::mem::{Access, Width};
use guest::types::StructWriter;
use guest::{AccessMask, Fault, FaultKind, GuestMemory, Handle, NtStatus, UserPtr};

use super::handle_table::{Entry, HandleAttributes};
use super::manager::ObjectId;
use super::types::TypeInfo;
use crate::body::Body;
use crate::cx::Cx;
use crate::service::{NtResult, Service, Support, Unwind, class_name, service};

pub(crate) const SERVICES: &[Service] = &[service!(
    NtQueryObject => nt_query_object,
    Support::Partial("no pool charges; the mappings of types that nobody here creates are zero; no names of files; no session classes")
)];

const BASIC: u32 = 0;
const NAME: u32 = 1;
const TYPE: u32 = 2;
const TYPES: u32 = 3;
const HANDLE_FLAG: u32 = 4;

/// `sizeof(OBJECT_BASIC_INFORMATION)`, the same for both widths.
const BASIC_SIZE: usize = 0x38;

/// Where an answer goes.
#[derive(Clone, Copy)]
struct Out {
    buffer: UserPtr<u8>,
    length: u32,
    return_length: Option<UserPtr<u32>>,
}

impl Out {
    fn returned(&self, cx: &mut Cx<'_>, length: usize) -> NtResult<()> {
        if let Some(pointer) = self.return_length {
            cx.mem().store(pointer, &(length as u32))?;
        }
        Ok(())
    }

    /// Writes an answer that has to fit.
    fn whole(&self, cx: &mut Cx<'_>, bytes: &[u8]) -> NtResult {
        self.returned(cx, bytes.len())?;
        if (self.length as usize) < bytes.len() {
            return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
        }
        cx.mem().write(self.buffer.va, bytes)?;
        Ok(NtStatus::SUCCESS)
    }
}

/// `NtQueryObject`: counts and attributes of an object and its handle, its name, its type, all types.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH` (the length that is needed is told),
/// `STATUS_BUFFER_OVERFLOW` (a name that does not fit), `STATUS_INVALID_HANDLE`, `STATUS_DATATYPE_MISALIGNMENT`.
fn nt_query_object(
    cx: &mut Cx<'_>, handle: Handle, class: u32, buffer: UserPtr<u8>, length: u32, return_length: Option<UserPtr<u32>>,
) -> NtResult {
    let align = if class == HANDLE_FLAG { 1 } else { 4 };
    if length > 0 && !buffer.va.is_multiple_of(align) {
        return Err(Fault { va: buffer.va, access: Access::Write, kind: FaultKind::Misaligned }.into());
    }
    cx.mem().probe_write(buffer.va, length.into())?;
    if let Some(pointer) = return_length {
        cx.mem().probe(pointer)?;
    }
    let out = Out { buffer, length, return_length };
    if class == TYPES {
        let bytes = all_types(cx, buffer.va);
        return out.whole(cx, &bytes);
    }
    // What the header counts while the query itself has a reference: where that comes out of the handle's store, the
    // count is still what it was.
    let counted = cx.entry_of(handle).ok().and_then(|e| cx.kernel.ob.get(e.object)).map_or(0, |o| o.pointer_count());
    let entry = cx.use_handle(handle)?;
    let own = u64::from(cx.kernel.ps.process.handles.initial_cache() == 0);
    match class {
        BASIC if length as usize != BASIC_SIZE => Err(NtStatus::INFO_LENGTH_MISMATCH.into()),
        BASIC => {
            let bytes = basic(cx, &entry, counted + own)?;
            out.whole(cx, &bytes)
        }
        NAME => name(cx, entry.object, &out),
        TYPE => {
            let object_type = cx.kernel.ob.type_of(entry.object).ok_or(NtStatus::INVALID_HANDLE)?;
            let info = *cx.kernel.ob.type_info(object_type).ok_or(NtStatus::INVALID_HANDLE)?;
            let bytes = type_information(&info, buffer.va, cx.kernel.width(), cx.kernel.profile.version.2);
            out.whole(cx, &bytes)
        }
        HANDLE_FLAG if length != 2 => Err(NtStatus::INFO_LENGTH_MISMATCH.into()),
        HANDLE_FLAG => {
            let has = |flag| u8::from(entry.attributes.contains(flag));
            out.whole(cx, &[has(HandleAttributes::INHERIT), has(HandleAttributes::PROTECT_CLOSE)])
        }
        _ => {
            let name = class_name("OBJECT_INFORMATION_CLASS", class)?;
            Err(Unwind::unsupported(format!("ObjectInformationClass {name}")))
        }
    }
}

/// `OBJECT_BASIC_INFORMATION`.
fn basic(cx: &Cx<'_>, entry: &Entry, pointer_count: u64) -> NtResult<Vec<u8>> {
    const OBJ_PERMANENT: u32 = 0x10;
    const OBJ_EXCLUSIVE: u32 = 0x20;
    let ob = &cx.kernel.ob;
    let object = ob.get(entry.object).ok_or(NtStatus::INVALID_HANDLE)?;
    let mut attributes = entry.attributes.bits();
    if object.permanent {
        attributes |= OBJ_PERMANENT;
    }
    if object.exclusive {
        attributes |= OBJ_EXCLUSIVE;
    }
    let width = cx.kernel.width();
    let name = object.name.as_ref().and_then(|_| ob.path_units(entry.object));
    let name_size = name.map_or(0, |name| 2 * width.bytes() + 2 * name.len() + 2);
    let info = ob.type_of(entry.object).and_then(|t| ob.type_info(t));
    let info = info.ok_or(NtStatus::INVALID_HANDLE)?;
    let type_size = type_header(width) + type_name_bytes(info.name);
    // Attributes, GrantedAccess, HandleCount, PointerCount; pool charges; NameInfoSize, TypeInfoSize,
    // SecurityDescriptorSize, CreationTime
    let out = StructWriter::new(BASIC_SIZE, width).field(0, 4, attributes.into()).field(4, 4, entry.granted.0.into());
    let out = out.field(8, 4, object.handle_count.into()).field(0xc, 4, pointer_count);
    let out = out.field(0x24, 4, name_size as u64).field(0x28, 4, type_size as u64);
    Ok(out.field(0x30, 8, object.created).finish())
}

/// `OBJECT_NAME_INFORMATION`: the name's `UNICODE_STRING`, and behind it the name, which ends in a zero.
fn name(cx: &mut Cx<'_>, object: ObjectId, out: &Out) -> NtResult {
    let ob = &cx.kernel.ob;
    let body = ob.get(object).map(|o| &o.body).ok_or(NtStatus::INVALID_HANDLE)?;
    let header = 2 * cx.kernel.width().bytes();
    let room = out.length as usize;
    // A file's name is its device's, and its own behind it.
    let name = match body {
        // The registry knows the names of keys.
        Body::Key(key) => Some(cx.kernel.cm.path_units(key.node).ok_or(NtStatus::KEY_DELETED)?),
        Body::File(file) => {
            let device = file.device.and_then(|device| ob.path_units(device));
            device.map(|path| [path, file.name.clone()].concat())
        }
        _ => ob.path_units(object),
    };
    let Some(name) = name else {
        return out.whole(cx, &vec![0; header]);
    };
    let text: Vec<u8> = name.iter().chain(&[0]).flat_map(|u| u.to_le_bytes()).collect();
    let needed = header + text.len();
    if room < header {
        out.returned(cx, needed)?;
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let writer = StructWriter::new(needed, cx.kernel.width()).field(0, 2, text.len() as u64 - 2);
    let writer = writer.field(2, 2, text.len() as u64).word(header / 2, out.buffer.va + header as u64);
    let mut bytes = writer.finish();
    bytes.truncate(header);
    bytes.extend(text);
    out.returned(cx, needed)?;
    if room < needed {
        // As much of the name as fits, and its end.
        bytes.truncate(room / 2 * 2);
        if let Some(end) = bytes.len().checked_sub(2).filter(|&end| end >= header).and_then(|e| bytes.get_mut(e..)) {
            end.fill(0);
        }
    }
    cx.mem().write(out.buffer.va, &bytes)?;
    Ok(if room < needed { NtStatus::BUFFER_OVERFLOW } else { NtStatus::SUCCESS })
}

/// `sizeof(OBJECT_TYPE_INFORMATION)`.
const fn type_header(width: Width) -> usize {
    match width {
        Width::W32 => 0x60,
        Width::W64 => 0x68,
    }
}

/// Bytes of a type's name with its zero, up to a multiple of four.
fn type_name_bytes(name: &str) -> usize {
    (2 * name.len() + 2).next_multiple_of(4)
}

/// The first build that tells a type's index.
const TYPE_INDEX_TOLD: u32 = 9600;

/// `OBJECT_TYPE_INFORMATION` at an address, the name behind it.
fn type_information(info: &TypeInfo, va: u64, width: Width, build: u32) -> Vec<u8> {
    let (w, header) = (width.bytes(), type_header(width));
    let text: Vec<u8> = info.name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let out = StructWriter::new(header, width).field(0, 2, text.len() as u64 - 2).field(2, 2, text.len() as u64);
    let out = out.word(w, va + header as u64);
    // TotalNumberOfObjects, -Handles; pool, name and table usage; the highest of each
    let counts = 2 * w;
    let out = out.field(counts, 4, info.objects.into()).field(counts + 4, 4, info.handles.into());
    let out = out.field(counts + 0x18, 4, info.most_objects.into()).field(counts + 0x1c, 4, info.most_handles.into());
    // InvalidAttributes, GenericMapping, ValidAccessMask, SecurityRequired, MaintainHandleCount, TypeIndex
    let rest = counts + 0x30;
    let mapping = &info.mapping;
    let masks = [mapping.read, mapping.write, mapping.execute, mapping.all, mapping.valid];
    let out = out.field(rest, 4, info.invalid_attributes.into());
    let out =
        masks.iter().zip(0..).fold(out, |out, (AccessMask(mask), i)| out.field(rest + 4 + 4 * i, 4, (*mask).into()));
    let index = if build >= TYPE_INDEX_TOLD { info.index } else { 0 };
    let mut bytes = out.field(rest + 0x1a, 1, index.into()).finish();
    bytes.extend(text);
    bytes.resize(header + type_name_bytes(info.name), 0);
    bytes
}

/// `OBJECT_TYPES_INFORMATION`: the number of types, then each, aligned to a pointer.
fn all_types(cx: &Cx<'_>, va: u64) -> Vec<u8> {
    let width = cx.kernel.width();
    let types: Vec<&TypeInfo> = cx.kernel.ob.types.iter().collect();
    let mut bytes = (types.len() as u32).to_le_bytes().to_vec();
    for info in types {
        bytes.resize(bytes.len().next_multiple_of(width.bytes()), 0);
        let at = va.wrapping_add(bytes.len() as u64);
        bytes.extend(type_information(info, at, width, cx.kernel.profile.version.2));
    }
    bytes
}
