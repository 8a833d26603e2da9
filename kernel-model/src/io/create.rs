//! `NtCreateFile`, `NtOpenFile`, `NtDeleteFile`: checking what is asked, and finding the device that answers.

use guest::types::{IoStatusBlock, ObjectAttributes};
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::console::Stream;
use super::file::{Device, FileObject, SYNCHRONOUS, Target};
use super::name::{Name, name_of};
use super::rights::{self, attribute};
use super::volume::{Place, Volume};
use crate::body::Body;
use crate::cx::Cx;
use crate::ob::{Lookup, NameToOpen, ObjectId, ObjectType};
use crate::service::{NtResult, Service, Support, Unwind, service};

const GAP: &str = "no extended attributes, named streams, reparse points, oplocks or opening by file identifier";

pub(crate) const SERVICES: &[Service] = &[
    service!(NtCreateFile => nt_create_file, Support::Partial(GAP)),
    service!(NtOpenFile => nt_open_file, Support::Partial(GAP)),
    service!(NtDeleteFile => nt_delete_file, Support::Partial(GAP)),
];

/// `FILE_*` options of opening.
pub(super) mod option {
    pub(crate) const DIRECTORY: u32 = 0x1;
    pub(crate) const NO_BUFFERING: u32 = 0x8;
    pub(crate) const SYNC_ALERT: u32 = 0x10;
    pub(crate) const SYNC_NONALERT: u32 = 0x20;
    pub(crate) const NON_DIRECTORY: u32 = 0x40;
    pub(crate) const OPLOCKED: u32 = 0x100;
    pub(crate) const NO_EA_KNOWLEDGE: u32 = 0x200;
    pub(crate) const DELETE_ON_CLOSE: u32 = 0x1000;
    pub(crate) const BY_FILE_ID: u32 = 0x2000;
    pub(crate) const OPEN_REQUIRING_OPLOCK: u32 = 0x1_0000;
    pub(crate) const RESERVE_OPFILTER: u32 = 0x10_0000;
    /// `FILE_VALID_OPTION_FLAGS`.
    pub(crate) const VALID: u32 = 0xff_ffff;
    /// What may stand beside `FILE_DIRECTORY_FILE`: that and `FILE_SYNCHRONOUS_IO_*`, `FILE_WRITE_THROUGH`,
    /// `FILE_COMPLETE_IF_OPLOCKED`, `FILE_OPEN_FOR_BACKUP_INTENT`, `FILE_DELETE_ON_CLOSE`, `FILE_OPEN_BY_FILE_ID`,
    /// `FILE_OPEN_REPARSE_POINT`, `FILE_OPEN_FOR_FREE_SPACE_QUERY`, `FILE_NO_COMPRESSION`, oplocks and sessions.
    pub(crate) const WITH_DIRECTORY: u32 = 0xe7_f3b3 | NO_EA_KNOWLEDGE;
}

/// What is done where a file is and where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    Supersede,
    Open,
    Create,
    OpenIf,
    Overwrite,
    OverwriteIf,
}

impl Disposition {
    fn from_raw(raw: u32) -> Result<Self, NtStatus> {
        Ok(match raw {
            0 => Self::Supersede,
            1 => Self::Open,
            2 => Self::Create,
            3 => Self::OpenIf,
            4 => Self::Overwrite,
            5 => Self::OverwriteIf,
            _ => return Err(NtStatus::INVALID_PARAMETER),
        })
    }

    /// Whether a file that is not there is made.
    pub(super) fn makes(self) -> bool {
        !matches!(self, Self::Open | Self::Overwrite)
    }

    /// Whether what is in a file that is there goes.
    pub(super) fn empties(self) -> bool {
        matches!(self, Self::Supersede | Self::Overwrite | Self::OverwriteIf)
    }
}

/// `FILE_SUPERSEDED` and so on: what was done, in the status block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Superseded = 0,
    Opened = 1,
    Created = 2,
    Overwritten = 3,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Create {
    pub desired: AccessMask,
    pub allocation: u64,
    pub attributes: u32,
    pub share: u32,
    pub disposition: Disposition,
    pub options: u32,
}

impl Create {
    pub(super) fn has(&self, options: u32) -> bool {
        self.options & options != 0
    }

    /// `IopCheckParameters`: what cannot be meant.
    fn check(&self) -> NtResult<()> {
        let desired = self.desired;
        let synchronous = self.options & SYNCHRONOUS;
        let directory = self.has(option::DIRECTORY);
        let makes_directory = matches!(self.disposition, Disposition::Create | Disposition::Open | Disposition::OpenIf);
        let wrong = self.attributes & !(attribute::VALID & !attribute::DIRECTORY | attribute::DIRECTORY) != 0
            || self.share & !7 != 0
            || self.options & !option::VALID != 0
            || synchronous != 0 && !desired.intersects(AccessMask::SYNCHRONIZE)
            || synchronous == option::SYNC_ALERT | option::SYNC_NONALERT
            || self.has(option::DELETE_ON_CLOSE) && !desired.intersects(AccessMask(rights::DELETE.0 | GENERIC_ALL))
            || directory && (self.options & !option::WITH_DIRECTORY != 0 || !makes_directory)
            || directory && self.has(option::NON_DIRECTORY)
            || self.has(option::OPLOCKED) && self.has(option::RESERVE_OPFILTER)
            || self.has(option::NO_BUFFERING)
                && desired.intersects(rights::APPEND_DATA)
                && !desired.intersects(rights::WRITE_DATA)
            || self.allocation > i64::MAX as u64;
        if wrong {
            return Err(NtStatus::INVALID_PARAMETER.into());
        }
        if self.has(option::BY_FILE_ID) {
            return Err(Unwind::unsupported("FILE_OPEN_BY_FILE_ID"));
        }
        if self.has(option::OPEN_REQUIRING_OPLOCK) || self.has(option::RESERVE_OPFILTER) {
            return Err(Unwind::unsupported("an oplock when opening"));
        }
        Ok(())
    }
}

/// `GENERIC_ALL` and `MAXIMUM_ALLOWED`, which may come to mean `DELETE`.
const GENERIC_ALL: u32 = 0x1200_0000;

/// Where a name led.
pub(super) enum Found {
    /// A device, its object, and the rest of the path.
    Device(Device, ObjectId, Name),
    /// Something below a directory that is open.
    Below(Place, ObjectId, Name),
    /// A pipe below the open root of pipes.
    BelowPipes(Name),
}

/// `NtCreateFile`: opens or makes a file, a directory, a pipe's other end or a device.
///
/// The parameters' statuses: `STATUS_INVALID_PARAMETER`; the name's: `STATUS_OBJECT_NAME_INVALID`,
/// `STATUS_OBJECT_PATH_NOT_FOUND`, `STATUS_OBJECT_NAME_NOT_FOUND`, `STATUS_OBJECT_NAME_COLLISION`,
/// `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_BAD_NETWORK_PATH`; the file's: `STATUS_ACCESS_DENIED`,
/// `STATUS_SHARING_VIOLATION`, `STATUS_DELETE_PENDING`, `STATUS_CANNOT_DELETE`, `STATUS_FILE_IS_A_DIRECTORY`,
/// `STATUS_NOT_A_DIRECTORY`, `STATUS_MEDIA_WRITE_PROTECTED`, `STATUS_DISK_FULL`.
#[expect(clippy::too_many_arguments, reason = "NtCreateFile has eleven")]
fn nt_create_file(
    cx: &mut Cx<'_>, handle: UserPtr<Handle>, desired: AccessMask, attributes: Option<UserPtr<ObjectAttributes>>,
    iosb: UserPtr<IoStatusBlock>, allocation: Option<UserPtr<i64>>, file_attributes: u32, share: u32, disposition: u32,
    options: u32, ea: u64, ea_length: u32,
) -> NtResult {
    cx.probe_handle(handle)?;
    cx.mem().probe(iosb)?;
    let allocation = allocation.map(|pointer| cx.mem().load(pointer)).transpose()?.unwrap_or(0);
    let disposition = Disposition::from_raw(disposition)?;
    let allocation = allocation.cast_unsigned();
    let create = Create { desired, allocation, attributes: file_attributes, share, disposition, options };
    create.check()?;
    if ea != 0 && ea_length != 0 {
        return Err(Unwind::unsupported("EaBuffer"));
    }
    open_and_store(cx, handle, iosb, attributes, &create)
}

/// `NtOpenFile`: opens a file that is there.
///
/// As `NtCreateFile`.
fn nt_open_file(
    cx: &mut Cx<'_>, handle: UserPtr<Handle>, desired: AccessMask, attributes: Option<UserPtr<ObjectAttributes>>,
    iosb: UserPtr<IoStatusBlock>, share: u32, options: u32,
) -> NtResult {
    cx.probe_handle(handle)?;
    cx.mem().probe(iosb)?;
    let create = Create { desired, allocation: 0, attributes: 0, share, disposition: Disposition::Open, options };
    create.check()?;
    open_and_store(cx, handle, iosb, attributes, &create)
}

fn open_and_store(
    cx: &mut Cx<'_>, handle: UserPtr<Handle>, iosb: UserPtr<IoStatusBlock>,
    attributes: Option<UserPtr<ObjectAttributes>>, create: &Create,
) -> NtResult {
    let (opened, done) = open(cx, attributes, create)?;
    let mut mem = cx.mem();
    mem.store(iosb, &IoStatusBlock { status: 0, information: done as u64 })?;
    mem.store(handle, &opened)?;
    Ok(NtStatus::SUCCESS)
}

/// `NtDeleteFile`: deletes a file by its name.
///
/// The statuses of opening it for `DELETE`; `STATUS_CANNOT_DELETE`, `STATUS_DIRECTORY_NOT_EMPTY`.
fn nt_delete_file(cx: &mut Cx<'_>, attributes: Option<UserPtr<ObjectAttributes>>) -> NtResult {
    let options = option::DELETE_ON_CLOSE;
    let create = Create {
        desired: rights::DELETE,
        allocation: 0,
        attributes: 0,
        share: 7,
        disposition: Disposition::Open,
        options,
    };
    let (handle, _) = open(cx, attributes, &create)?;
    cx.close_own(handle);
    Ok(NtStatus::SUCCESS)
}

/// Opens by name: the handle, and what was done.
pub(super) fn open(
    cx: &mut Cx<'_>, attributes: Option<UserPtr<ObjectAttributes>>, create: &Create,
) -> NtResult<(Handle, Done)> {
    let name = NameToOpen::capture(&mut cx.mem(), attributes)?;
    let found = find(cx, &name)?;
    open_found(cx, found, &name, create)
}

/// Where a captured name leads.
pub(super) fn find(cx: &mut Cx<'_>, name: &NameToOpen) -> NtResult<Found> {
    let empty = Name::new();
    let path = name.name.as_ref().unwrap_or(&empty);
    if let Some(root) = name.root
        && let Ok(id) = cx.file_id(root, &[rights::NONE])
    {
        let file = cx.file(id)?;
        let device = file.device;
        return match (file.target, device) {
            (Target::Node(place), _) => Ok(Found::Below(place, id, path.clone())),
            (Target::Pipes, _) => Ok(Found::BelowPipes(path.clone())),
            (Target::Volume(_), _) if !path.is_empty() => Err(NtStatus::OBJECT_PATH_NOT_FOUND.into()),
            _ => Err(NtStatus::OBJECT_NAME_INVALID.into()),
        };
    }
    if path.is_empty() {
        return Err(NtStatus::OBJECT_PATH_SYNTAX_BAD.into());
    }
    match cx.look_up(name, path, ObjectType::File)? {
        Lookup::Parse { object, rest } => match cx.kernel.ob.get(object).map(|object| &object.body) {
            Some(Body::Device(device)) => Ok(Found::Device(*device, object, rest)),
            _ => Err(NtStatus::OBJECT_TYPE_MISMATCH.into()),
        },
        Lookup::Found(_) => Err(NtStatus::OBJECT_TYPE_MISMATCH.into()),
        Lookup::Missing { .. } => Err(NtStatus::OBJECT_NAME_NOT_FOUND.into()),
    }
}

pub(super) fn open_found(
    cx: &mut Cx<'_>, found: Found, name: &NameToOpen, create: &Create,
) -> NtResult<(Handle, Done)> {
    let (device, object, rest) = match found {
        Found::Below(place, file, path) => return cx.open_node(place, Some(file), &path, name, create),
        Found::BelowPipes(path) => return super::pipe::connect(cx, &path, name, create),
        Found::Device(device, object, rest) => (device, object, rest),
    };
    match device {
        Device::Mup => Err(NtStatus::BAD_NETWORK_PATH.into()),
        Device::NamedPipe => super::pipe::open(cx, object, &rest, name, create),
        Device::Mailslot => super::mailslot::open(cx, object, &rest, name, create),
        Device::Volume(index) if rest.is_empty() => {
            let granted = cx.grant_by(None, ObjectType::File, create.desired)?;
            if create.has(option::DIRECTORY) {
                return Err(NtStatus::NOT_A_DIRECTORY.into());
            }
            opened(cx, Target::Volume(index), object, rest, granted, name, create)
        }
        Device::Volume(index) => {
            let root = Place { volume: index, node: Volume::ROOT };
            cx.open_node(root, None, &rest, name, create)
        }
        Device::Null | Device::Random | Device::Console => {
            let target = device_target(device, &rest, create)?;
            let granted = cx.grant_by(None, ObjectType::File, create.desired)?;
            opened(cx, target, object, rest, granted, name, create)
        }
    }
}

/// What a name behind a simple device means.
fn device_target(device: Device, rest: &[u16], create: &Create) -> NtResult<Target> {
    let is = |text: &str| crate::ob::same_name(rest, &name_of(text), true);
    let target = match device {
        _ if create.has(option::DIRECTORY) => return Err(NtStatus::NOT_A_DIRECTORY.into()),
        Device::Console if is("\\CurrentIn") || is("\\Input") => Target::Console(Stream::Input),
        Device::Console if is("\\CurrentOut") || is("\\Output") => Target::Console(Stream::Output),
        Device::Console if is("\\Console") || is("\\Connect") || rest.is_empty() => Target::ConsoleBoth,
        Device::Null if rest.is_empty() => Target::Null,
        Device::Random if rest.is_empty() => Target::Random,
        _ => return Err(NtStatus::OBJECT_NAME_NOT_FOUND.into()),
    };
    Ok(target)
}

/// A handle to a device that just is there.
pub(super) fn opened(
    cx: &mut Cx<'_>, target: Target, device: ObjectId, path: Name, granted: AccessMask, name: &NameToOpen,
    create: &Create,
) -> NtResult<(Handle, Done)> {
    let file = FileObject { name: path, device: Some(device), options: create.options, ..FileObject::new(target) };
    Ok((cx.file_handle(file, granted, name.attributes)?.0, Done::Opened))
}

impl Cx<'_> {
    /// Makes a file object and a handle to it.
    pub(super) fn file_handle(
        &mut self, file: FileObject, granted: AccessMask, attributes: crate::ob::Attributes,
    ) -> NtResult<(Handle, ObjectId)> {
        let object = self.kernel.ob.create(Body::File(Box::new(file)));
        let handle = self.open_handle(object, granted, attributes);
        self.kernel.ob.dereference(object);
        Ok((handle?, object))
    }

    /// Closes a handle that the kernel itself has opened.
    pub(super) fn close_own(&mut self, handle: Handle) {
        if let Some(closed) = self.remove_entry(self.kernel.ps.process.id, handle) {
            self.kernel.ob.handle_closed(closed.entry.object, closed.cached);
        }
    }
}
