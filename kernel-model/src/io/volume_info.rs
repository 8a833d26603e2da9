//! `NtQueryVolumeInformationFile`, `NtSetVolumeInformationFile`.

use guest::types::{IoStatusBlock, StructWriter};
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::data::CLUSTER;
use super::file::Target;
use super::name::{Name, name_of};
use super::rights::{NONE, WRITE_DATA};
use crate::cx::Cx;
use crate::ob::ObjectId;
use crate::service::{NtResult, Service, Support, Unwind, class_name, service};

pub(crate) const SERVICES: &[Service] = &[
    service!(NtQueryVolumeInformationFile => nt_query_volume_information_file,
        Support::Partial("the classes Volume, Size, Device, Attribute, FullSize and SectorSize")),
    service!(NtSetVolumeInformationFile => nt_set_volume_information_file, Support::Partial("FileFsLabelInformation only")),
];

/// `FILE_DEVICE_*`.
const DEVICE_DISK: u32 = 7;
const DEVICE_MAILSLOT: u32 = 0xc;
const DEVICE_NAMED_PIPE: u32 = 0x11;
const DEVICE_NULL: u32 = 0x15;
const DEVICE_KSEC: u32 = 0x39;
const DEVICE_CONSOLE: u32 = 0x50;
/// `FILE_READ_ONLY_DEVICE`, `FILE_DEVICE_IS_MOUNTED`, `FILE_DEVICE_SECURE_OPEN`, `FILE_DEVICE_ALLOW_APPCONTAINER_TRAVERSAL`.
const READ_ONLY_DEVICE: u32 = 0x2;
const MOUNTED_DISK: u32 = 0x20 | 0x100 | 0x2_0000;
/// `FILE_CASE_PRESERVED_NAMES`, `FILE_UNICODE_ON_DISK`, `FILE_PERSISTENT_ACLS`: what a volume in memory has of NTFS.
const NTFS_ATTRIBUTES: u32 = 0x2 | 0x4 | 0x8;
/// `FILE_READ_ONLY_VOLUME`.
const READ_ONLY_VOLUME: u32 = 0x8_0000;
const SECTOR: u64 = 0x200;

/// What a class needs at least.
fn least(class: &str) -> Option<usize> {
    Some(match class {
        "FileFsVolumeInformation" | "FileFsSizeInformation" => 24,
        "FileFsDeviceInformation" => 8,
        "FileFsAttributeInformation" => 16,
        "FileFsFullSizeInformation" => 32,
        "FileFsSectorSizeInformation" => 28,
        _ => return None,
    })
}

/// What is known of a volume.
struct Facts {
    label: Name,
    serial: u32,
    created: u64,
    total: u64,
    free: u64,
    read_only: bool,
}

fn facts(cx: &mut Cx<'_>, target: Target) -> NtResult<Facts> {
    let (volume, folder) = match target {
        Target::Node(place) => (place.volume, cx.node(place)?.folder),
        Target::Volume(volume) => (volume, None),
        _ => return Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
    };
    let (space, read_only) = match folder {
        Some(folder) => {
            let folders = cx.folders()?;
            (Some(folders.space(folder)?), !folders.is_writable(folder))
        }
        None => (None, false),
    };
    let volume = cx.kernel.io.volume(volume)?;
    let (total, free) = space.unwrap_or((volume.capacity, volume.free()));
    Ok(Facts { label: volume.label.clone(), serial: volume.serial, created: volume.created, total, free, read_only })
}

fn device(cx: &mut Cx<'_>, target: Target) -> NtResult<(u32, u32)> {
    Ok(match target {
        Target::Node(_) | Target::Volume(_) => {
            let read_only = facts(cx, target)?.read_only;
            (DEVICE_DISK, MOUNTED_DISK | if read_only { READ_ONLY_DEVICE } else { 0 })
        }
        // Wine's DLLs would ask a console of theirs for more; a program's standard handles are as pipes to them.
        Target::Console(_) if cx.kernel.console.is_pipe || cx.kernel.is_wine_root() => (DEVICE_NAMED_PIPE, 0),
        Target::Console(_) | Target::ConsoleBoth => (DEVICE_CONSOLE, 0),
        Target::Null => (DEVICE_NULL, 0),
        Target::Random => (DEVICE_KSEC, 0),
        Target::Pipe(_) | Target::Pipes => (DEVICE_NAMED_PIPE, 0),
        Target::Mailslot(_) | Target::MailslotClient(_) | Target::Mailslots => (DEVICE_MAILSLOT, 0),
    })
}

fn text(name: &[u16]) -> impl Iterator<Item = u8> {
    name.iter().flat_map(|unit| unit.to_le_bytes())
}

fn answer(cx: &mut Cx<'_>, id: ObjectId, class: &str) -> NtResult<Vec<u8>> {
    let target = cx.file(id)?.target;
    let width = cx.kernel.width();
    if class == "FileFsDeviceInformation" {
        let (kind, characteristics) = device(cx, target)?;
        return Ok(StructWriter::new(8, width).field(0, 4, kind.into()).field(4, 4, characteristics.into()).finish());
    }
    let facts = facts(cx, target)?;
    let (total, free) = (facts.total / CLUSTER, facts.free / CLUSTER);
    Ok(match class {
        // VolumeCreationTime, VolumeSerialNumber, VolumeLabelLength, SupportsObjects, VolumeLabel
        "FileFsVolumeInformation" => {
            let out = StructWriter::new(18, width).field(0, 8, facts.created).field(8, 4, facts.serial.into());
            let mut out = out.field(12, 4, 2 * facts.label.len() as u64).finish();
            out.extend(text(&facts.label));
            out
        }
        "FileFsSizeInformation" => {
            let out = StructWriter::new(24, width).field(0, 8, total).field(8, 8, free);
            out.field(16, 4, CLUSTER / SECTOR).field(20, 4, SECTOR).finish()
        }
        "FileFsFullSizeInformation" => {
            let out = StructWriter::new(32, width).field(0, 8, total).field(8, 8, free).field(16, 8, free);
            out.field(24, 4, CLUSTER / SECTOR).field(28, 4, SECTOR).finish()
        }
        // FileSystemAttributes, MaximumComponentNameLength, FileSystemNameLength, FileSystemName
        "FileFsAttributeInformation" => {
            let attributes = NTFS_ATTRIBUTES | if facts.read_only { READ_ONLY_VOLUME } else { 0 };
            let name = name_of("NTFS");
            let out = StructWriter::new(12, width).field(0, 4, attributes.into()).field(4, 4, 255);
            let mut out = out.field(8, 4, 2 * name.len() as u64).finish();
            out.extend(text(&name));
            out
        }
        // Logical and physical bytes in a sector, three ways of saying so; flags: aligned, seek penalty and trim unknown.
        _ => {
            let out = (0..4).fold(StructWriter::new(28, width), |out, i| out.field(4 * i, 4, SECTOR));
            out.field(16, 4, 3).finish()
        }
    })
}

/// `NtQueryVolumeInformationFile`: what is known of the volume or device that a file is on.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_BUFFER_OVERFLOW` (a name is cut),
/// `STATUS_INVALID_DEVICE_REQUEST` for what is no volume.
fn nt_query_volume_information_file(
    cx: &mut Cx<'_>, file: Handle, iosb: UserPtr<IoStatusBlock>, buffer: u64, length: u32, class: u32,
) -> NtResult {
    let class = class_name("FSINFOCLASS", class)?;
    let Some(least) = least(class) else {
        return Err(match class {
            "FileFsLabelInformation" => NtStatus::INVALID_INFO_CLASS.into(),
            _ => Unwind::unsupported(format!("FsInformationClass {class}")),
        });
    };
    if (length as usize) < least {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let mut mem = cx.mem();
    mem.probe_write(buffer, length.into())?;
    mem.probe(iosb)?;
    let id = cx.file_id(file, &[NONE])?;
    let mut bytes = answer(cx, id, class)?;
    let status = if bytes.len() <= length as usize { NtStatus::SUCCESS } else { NtStatus::BUFFER_OVERFLOW };
    bytes.truncate(length as usize);
    let mut mem = cx.mem();
    mem.write(buffer, &bytes)?;
    mem.store(iosb, &IoStatusBlock { status: status.0, information: bytes.len() as u64 })?;
    Ok(status)
}

/// The longest label, in units.
const LONGEST_LABEL: usize = 32;

/// `NtSetVolumeInformationFile`: sets the label of a volume in memory.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_INVALID_VOLUME_LABEL`, `STATUS_ACCESS_DENIED`.
fn nt_set_volume_information_file(
    cx: &mut Cx<'_>, file: Handle, iosb: UserPtr<IoStatusBlock>, buffer: u64, length: u32, class: u32,
) -> NtResult {
    let class = class_name("FSINFOCLASS", class)?;
    match class {
        "FileFsLabelInformation" => {}
        "FileFsControlInformation" | "FileFsObjectIdInformation" => {
            return Err(Unwind::unsupported(format!("FsInformationClass {class}")));
        }
        _ => return Err(NtStatus::INVALID_INFO_CLASS.into()),
    }
    if length < 8 {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    cx.mem().probe(iosb)?;
    let any: &[AccessMask] = &[WRITE_DATA];
    let id = cx.file_id(file, any)?;
    let bytes = super::read_write::read_all(cx, buffer, length)?;
    let size = bytes.get(..4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes) as usize;
    let label = bytes
        .get(4..4 + size.min(bytes.len()))
        .filter(|_| size.is_multiple_of(2))
        .ok_or(NtStatus::INVALID_PARAMETER)?;
    let label: Name = label.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    if label.len() > LONGEST_LABEL {
        return Err(NtStatus::INVALID_VOLUME_LABEL.into());
    }
    let volume = match cx.file(id)?.target {
        Target::Volume(volume) => volume,
        Target::Node(place) if place.node == super::volume::Volume::ROOT => place.volume,
        _ => return Err(NtStatus::INVALID_PARAMETER.into()),
    };
    cx.kernel.io.volume_mut(volume)?.label = label;
    cx.mem().store(iosb, &IoStatusBlock::default())?;
    Ok(NtStatus::SUCCESS)
}
