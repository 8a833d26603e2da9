//! `NtQueryInformationFile`, `NtQueryAttributesFile`, `NtQueryFullAttributesFile`, `NtQueryInformationByName`,
//! `NtQueryEaFile`, `NtSetEaFile`.

use guest::types::{IoStatusBlock, ObjectAttributes, StructWriter};
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::create::{Create, Disposition, Found, find, open};
use super::file::Target;
use super::name::Name;
use super::rights::{self, NONE, READ_ATTRIBUTES};
use super::tree::Stat;
use super::volume::Volume;
use crate::cx::Cx;
use crate::ob::{NameToOpen, ObjectId};
use crate::service::{NtResult, Service, Support, Unwind, class_name, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtQueryInformationFile => nt_query_information_file,
        Support::Partial("the classes that NTFS documents for files, and those of pipes and mailslots; others are refused by name")),
    service!(NtQueryAttributesFile => nt_query_attributes_file, Support::Full),
    service!(NtQueryFullAttributesFile => nt_query_full_attributes_file, Support::Full),
    service!(NtQueryInformationByName => nt_query_information_by_name,
        Support::Partial("FileStatInformation only")),
    service!(NtQueryEaFile => nt_query_ea_file, Support::Partial("no file has extended attributes")),
    service!(NtSetEaFile => nt_set_ea_file, Support::Partial("extended attributes are refused by name")),
];

/// `FILE_READ_EA` and `FILE_WRITE_EA`.
const READ_EA: AccessMask = AccessMask(0x8);
const WRITE_EA: AccessMask = AccessMask(0x10);
/// The offset of the name in `FILE_ALL_INFORMATION`: all that stands before it.
const ALL_FIXED: usize = 96;
const NAMED: &str = "FileInformationClass ";

/// What a class needs: the least length, and the right.
fn needs(class: &str) -> Option<(usize, AccessMask)> {
    Some(match class {
        "FileBasicInformation" => (40, READ_ATTRIBUTES),
        "FileStandardInformation" => (24, NONE),
        "FileInternalInformation" | "FilePositionInformation" => (8, NONE),
        "FileEaInformation" | "FileAccessInformation" | "FileModeInformation" | "FileAlignmentInformation" => (4, NONE),
        "FileNameInformation" | "FileNormalizedNameInformation" | "FileAlternateNameInformation" => (8, NONE),
        "FileVolumeNameInformation" => (8, NONE),
        "FileAllInformation" => (104, READ_ATTRIBUTES),
        "FileStreamInformation" => (32, NONE),
        "FilePipeInformation" => (8, READ_ATTRIBUTES),
        "FilePipeLocalInformation" => (40, READ_ATTRIBUTES),
        "FileMailslotQueryInformation" => (24, READ_ATTRIBUTES),
        "FileCompressionInformation" => (16, NONE),
        "FileNetworkOpenInformation" => (56, READ_ATTRIBUTES),
        "FileAttributeTagInformation" => (8, READ_ATTRIBUTES),
        "FileIoCompletionNotificationInformation" | "FileIoPriorityHintInformation" => (4, NONE),
        "FileIsRemoteDeviceInformation" => (1, NONE),
        "FileStandardLinkInformation" => (12, NONE),
        "FileIdInformation" => (24, NONE),
        "FileCaseSensitiveInformation" => (4, READ_ATTRIBUTES),
        "FileStatInformation" => (72, READ_ATTRIBUTES),
        _ => return None,
    })
}

/// `FILE_BASIC_INFORMATION`.
fn basic(cx: &Cx<'_>, stat: &Stat) -> Vec<u8> {
    times(StructWriter::new(40, cx.kernel.width()), stat).field(32, 4, stat.attributes.into()).finish()
}

/// The four times, in the order in which every structure has them.
pub(super) fn times(out: StructWriter, stat: &Stat) -> StructWriter {
    let t = &stat.times;
    out.field(0, 8, t.created).field(8, 8, t.accessed).field(16, 8, t.written).field(24, 8, t.changed)
}

/// `FILE_NETWORK_OPEN_INFORMATION`.
fn network(cx: &Cx<'_>, stat: &Stat) -> Vec<u8> {
    let out = times(StructWriter::new(56, cx.kernel.width()), stat);
    out.field(32, 8, stat.allocated).field(40, 8, stat.size).field(48, 4, stat.attributes.into()).finish()
}

/// What is told of what is no file on a disk.
fn device_stat() -> Stat {
    Stat { attributes: rights::attribute::NORMAL, ..Stat::default() }
}

impl Cx<'_> {
    /// What is known of what a file object is open on.
    ///
    /// `STATUS_INVALID_PARAMETER` for devices that know nothing.
    fn stat_of(&mut self, id: ObjectId) -> NtResult<Stat> {
        match self.file(id)?.target {
            Target::Node(place) => Ok(self.stat(place)?),
            Target::Pipe(_) | Target::Mailslot(_) | Target::MailslotClient(_) => Ok(device_stat()),
            _ => Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
        }
    }

    /// `FILE_STANDARD_INFORMATION`.
    fn standard(&mut self, id: ObjectId) -> NtResult<Vec<u8>> {
        let stat = self.stat_of(id)?;
        let target = self.file(id)?.target;
        let pending = matches!(target, Target::Node(place) if self.node(place).is_ok_and(|node| node.delete_pending));
        let (size, allocated) = super::pipe::sizes(self, target).unwrap_or((stat.size, stat.allocated));
        let deleted = pending || matches!(target, Target::Pipe(_));
        let links = u64::from(!pending);
        let out = StructWriter::new(24, self.kernel.width()).field(0, 8, allocated).field(8, 8, size);
        let out = out.field(16, 4, links).field(20, 1, deleted.into());
        Ok(out.field(21, 1, stat.directory.into()).finish())
    }

    /// A number as a structure of its own.
    fn number(&self, len: usize, value: u64) -> Vec<u8> {
        StructWriter::new(len, self.kernel.width()).field(0, len, value).finish()
    }

    /// The answer to a class whose length is fixed, and the name behind it.
    fn answer(&mut self, id: ObjectId, granted: AccessMask, class: &str) -> NtResult<(Vec<u8>, Option<Name>)> {
        let width = self.kernel.width();
        let file = self.file(id)?;
        let (options, position, target) = (file.options, file.position, file.target);
        let name = self.real_name(target, file.name.clone());
        let mode = options & 0x103e;
        let fixed = match class {
            "FileBasicInformation" => {
                let stat = self.stat_of(id)?;
                basic(self, &stat)
            }
            "FileStandardInformation" => self.standard(id)?,
            "FileInternalInformation" => {
                let stat = self.stat_of(id)?;
                self.number(8, stat.id)
            }
            "FileEaInformation" => self.number(4, 0),
            "FileAccessInformation" => self.number(4, granted.0.into()),
            "FilePositionInformation" => self.number(8, position),
            "FileModeInformation" => self.number(4, mode.into()),
            "FileAlignmentInformation" => self.number(4, 0),
            "FileNameInformation" | "FileNormalizedNameInformation" => {
                return Ok((self.number(4, 2 * name.len() as u64), Some(name)));
            }
            "FileVolumeNameInformation" => {
                let device = self.file(id)?.device.and_then(|id| self.kernel.ob.path_units(id)).unwrap_or_default();
                return Ok((self.number(4, 2 * device.len() as u64), Some(device)));
            }
            // There are no names of eight and three characters.
            "FileAlternateNameInformation" => return Err(NtStatus::OBJECT_NAME_NOT_FOUND.into()),
            "FileAllInformation" => {
                let stat = self.stat_of(id)?;
                let mut bytes = basic(self, &stat);
                bytes.extend(self.standard(id)?);
                let words = [(8, stat.id), (4, 0), (4, granted.0.into()), (8, position), (4, mode.into()), (4, 0)];
                words.iter().for_each(|&(len, value)| bytes.extend(self.number(len, value)));
                debug_assert_eq!(bytes.len(), ALL_FIXED);
                bytes.extend(self.number(4, 2 * name.len() as u64));
                return Ok((bytes, Some(name)));
            }
            "FileNetworkOpenInformation" => {
                let stat = self.stat_of(id)?;
                network(self, &stat)
            }
            "FileAttributeTagInformation" => {
                let stat = self.stat_of(id)?;
                self.number(8, stat.attributes.into())
            }
            "FileStreamInformation" => self.streams(id)?,
            "FileCompressionInformation" => {
                let stat = self.stat_of(id)?;
                StructWriter::new(16, width).field(0, 8, stat.allocated).finish()
            }
            "FileIoCompletionNotificationInformation" => self.number(4, self.file(id)?.notification.into()),
            // IoPriorityNormal
            "FileIoPriorityHintInformation" => self.number(4, 2),
            "FileIsRemoteDeviceInformation" | "FileCaseSensitiveInformation" => {
                self.number(if class == "FileIsRemoteDeviceInformation" { 1 } else { 4 }, 0)
            }
            "FileStandardLinkInformation" => {
                let standard = self.standard(id)?;
                let links: Vec<u8> = standard.get(16..20).unwrap_or(&[]).to_vec();
                let flags = standard.get(20..22).unwrap_or(&[]);
                [links.as_slice(), &links, flags, &[0; 2]].concat()
            }
            "FileIdInformation" => {
                let Target::Node(place) = target else { return Err(NtStatus::INVALID_DEVICE_REQUEST.into()) };
                let serial = self.kernel.io.volume(place.volume)?.serial;
                let id = self.stat_of(id)?.id;
                StructWriter::new(24, width).field(0, 8, serial.into()).field(8, 8, id).finish()
            }
            "FileStatInformation" => {
                let stat = self.stat_of(id)?;
                self.stat_information(&stat, granted)
            }
            "FilePipeInformation" | "FilePipeLocalInformation" => super::pipe::query(self, target, class)?,
            "FileMailslotQueryInformation" => super::mailslot::query(self, target)?,
            _ => return Err(Unwind::unsupported(format!("{NAMED}{class}"))),
        };
        Ok((fixed, None))
    }

    /// The path as the volume has it.
    pub(super) fn real_name(&self, target: Target, opened: Name) -> Name {
        let Target::Node(place) = target else { return opened };
        self.kernel.io.volume(place.volume).map_or(opened, |volume| volume.path(place.node))
    }

    /// `FILE_STAT_INFORMATION`.
    fn stat_information(&self, stat: &Stat, granted: AccessMask) -> Vec<u8> {
        let t = &stat.times;
        let out = StructWriter::new(72, self.kernel.width()).field(0, 8, stat.id).field(8, 8, t.created);
        let out = out.field(16, 8, t.accessed).field(24, 8, t.written).field(32, 8, t.changed);
        let out = out.field(40, 8, stat.allocated).field(48, 8, stat.size).field(56, 4, stat.attributes.into());
        out.field(64, 4, 1).field(68, 4, granted.0.into()).finish()
    }

    /// `FILE_STREAM_INFORMATION`: a file has its data and no other stream, a directory none.
    fn streams(&mut self, id: ObjectId) -> NtResult<Vec<u8>> {
        let stat = self.stat_of(id)?;
        if stat.directory {
            return Ok(Vec::new());
        }
        let name: Vec<u8> = "::$DATA".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let out = StructWriter::new(24, self.kernel.width()).field(4, 4, name.len() as u64);
        let mut bytes = out.field(8, 8, stat.size).field(16, 8, stat.allocated).finish();
        bytes.extend(name);
        Ok(bytes)
    }
}

/// `NtQueryInformationFile`: what is known of an open file. A name that does not fit is cut.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_ACCESS_DENIED`, `STATUS_BUFFER_OVERFLOW`,
/// `STATUS_INVALID_DEVICE_REQUEST` for a device that does not know, `STATUS_FILE_INVALID`.
fn nt_query_information_file(
    cx: &mut Cx<'_>, file: Handle, iosb: UserPtr<IoStatusBlock>, buffer: u64, length: u32, class: u32,
) -> NtResult {
    let name = class_name("FILE_INFORMATION_CLASS", class)?;
    let Some((least, right)) = needs(name) else {
        let set_or_listed = ["Directory", "Rename", "Link", "Disposition", "EndOfFile", "Allocation", "Names", "Set"];
        return match set_or_listed.iter().any(|part| name.contains(part)) {
            true => Err(NtStatus::INVALID_INFO_CLASS.into()),
            false => Err(Unwind::unsupported(format!("{NAMED}{name}"))),
        };
    };
    if (length as usize) < least {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let mut mem = cx.mem();
    mem.probe_write(buffer, length.into())?;
    mem.probe(iosb)?;
    // Wine's DLLs ask for attributes by any handle.
    let lax = cx.kernel.is_wine_root() && right == READ_ATTRIBUTES;
    let id = cx.file_id(file, &[if lax { NONE } else { right }])?;
    let granted = cx.entry_of(file)?.granted;
    let (mut bytes, text) = cx.answer(id, granted, name)?;
    let text: Vec<u8> = text.unwrap_or_default().iter().flat_map(|unit| unit.to_le_bytes()).collect();
    bytes.extend(text);
    let fits = bytes.len() <= length as usize;
    bytes.truncate(length as usize);
    let status = if fits { NtStatus::SUCCESS } else { NtStatus::BUFFER_OVERFLOW };
    let mut mem = cx.mem();
    mem.write(buffer, &bytes)?;
    mem.store(iosb, &IoStatusBlock { status: status.0, information: bytes.len() as u64 })?;
    Ok(status)
}

/// What is known of a file by its name.
fn stat_by_name(cx: &mut Cx<'_>, attributes: Option<UserPtr<ObjectAttributes>>) -> NtResult<Stat> {
    let name = NameToOpen::capture(&mut cx.mem(), attributes)?;
    // A device is there, and has no attributes of a file's.
    if let Found::Device(device, _, rest) = find(cx, &name)?
        && (!matches!(device, super::file::Device::Volume(_)) || rest.is_empty())
    {
        return match device {
            super::file::Device::Mup => Err(NtStatus::BAD_NETWORK_PATH.into()),
            super::file::Device::NamedPipe | super::file::Device::Mailslot => {
                Err(NtStatus::OBJECT_NAME_NOT_FOUND.into())
            }
            _ => Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
        };
    }
    let create = Create {
        desired: READ_ATTRIBUTES,
        allocation: 0,
        attributes: 0,
        share: 7,
        disposition: Disposition::Open,
        options: 0,
    };
    let (handle, _) = open(cx, attributes, &create)?;
    let id = cx.file_id(handle, &[NONE])?;
    let stat = cx.stat_of(id);
    cx.close_own(handle);
    stat
}

/// `NtQueryAttributesFile`: `FILE_BASIC_INFORMATION` of a file by its name.
///
/// The statuses of opening it for `FILE_READ_ATTRIBUTES`.
fn nt_query_attributes_file(cx: &mut Cx<'_>, attributes: Option<UserPtr<ObjectAttributes>>, buffer: u64) -> NtResult {
    cx.mem().probe_write(buffer, 40)?;
    let stat = stat_by_name(cx, attributes)?;
    let bytes = basic(cx, &stat);
    cx.mem().write(buffer, &bytes)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtQueryFullAttributesFile`: `FILE_NETWORK_OPEN_INFORMATION` of a file by its name.
///
/// The statuses of opening it for `FILE_READ_ATTRIBUTES`.
fn nt_query_full_attributes_file(
    cx: &mut Cx<'_>, attributes: Option<UserPtr<ObjectAttributes>>, buffer: u64,
) -> NtResult {
    cx.mem().probe_write(buffer, 56)?;
    let stat = stat_by_name(cx, attributes)?;
    let bytes = network(cx, &stat);
    cx.mem().write(buffer, &bytes)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtQueryInformationByName`: what is known of a file by its name.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`; the statuses of opening it.
fn nt_query_information_by_name(
    cx: &mut Cx<'_>, attributes: Option<UserPtr<ObjectAttributes>>, iosb: UserPtr<IoStatusBlock>, buffer: u64,
    length: u32, class: u32,
) -> NtResult {
    cx.mem().probe(iosb)?;
    match class_name("FILE_INFORMATION_CLASS", class)? {
        "FileStatInformation" => {}
        name @ ("FileStatLxInformation" | "FileCaseSensitiveInformation" | "FileStatBasicInformation") => {
            return Err(Unwind::unsupported(format!("{NAMED}{name}")));
        }
        _ => return Err(NtStatus::INVALID_INFO_CLASS.into()),
    }
    if length < 72 {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    cx.mem().probe_write(buffer, length.into())?;
    let stat = stat_by_name(cx, attributes)?;
    let bytes = cx.stat_information(&stat, READ_ATTRIBUTES);
    let mut mem = cx.mem();
    mem.write(buffer, &bytes)?;
    mem.store(iosb, &IoStatusBlock { status: 0, information: bytes.len() as u64 })?;
    Ok(NtStatus::SUCCESS)
}

/// `NtQueryEaFile`: extended attributes, of which no file has any.
///
/// `STATUS_NO_EAS_ON_FILE`, `STATUS_ACCESS_DENIED` without `FILE_READ_EA`, `STATUS_INVALID_DEVICE_REQUEST`.
#[expect(clippy::too_many_arguments, reason = "NtQueryEaFile has nine")]
fn nt_query_ea_file(
    cx: &mut Cx<'_>, file: Handle, iosb: UserPtr<IoStatusBlock>, buffer: u64, length: u32, _single: bool, _list: u64,
    _list_length: u32, _index: Option<UserPtr<u32>>, _restart: bool,
) -> NtResult {
    let mut mem = cx.mem();
    mem.probe(iosb)?;
    mem.probe_write(buffer, length.into())?;
    let id = cx.file_id(file, &[READ_EA])?;
    match cx.file(id)?.target {
        Target::Node(_) => Err(NtStatus::NO_EAS_ON_FILE.into()),
        _ => Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
    }
}

/// `NtSetEaFile`: is refused by name on a volume that could have extended attributes.
///
/// `STATUS_EAS_NOT_SUPPORTED` in a mounted folder, `STATUS_ACCESS_DENIED` without `FILE_WRITE_EA`,
/// `STATUS_INVALID_DEVICE_REQUEST`.
fn nt_set_ea_file(cx: &mut Cx<'_>, file: Handle, iosb: UserPtr<IoStatusBlock>, buffer: u64, length: u32) -> NtResult {
    let mut mem = cx.mem();
    mem.probe(iosb)?;
    mem.probe_range(buffer, length.into())?;
    let id = cx.file_id(file, &[WRITE_EA])?;
    match cx.file(id)?.target {
        Target::Node(place) if cx.node(place)?.folder.is_some() => Err(NtStatus::EAS_NOT_SUPPORTED.into()),
        Target::Node(_) => Err(Unwind::unsupported("extended attributes")),
        _ => Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
    }
}

impl Volume {
    /// Bytes that are free.
    pub fn free(&self) -> u64 {
        self.capacity.saturating_sub(self.used)
    }
}
