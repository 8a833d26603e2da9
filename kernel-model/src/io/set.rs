//! `NtSetInformationFile`.

use guest::mem::{GuestValue, Word};
use guest::types::IoStatusBlock;
use guest::{AccessMask, GuestMemory, Handle, NtStatus, UserPtr};

use super::completion::IoCompletion;
use super::file::{SYNCHRONOUS, Target};
use super::notify::Event;
use super::rename::{self, Rename};
use super::rights::{DELETE, NONE, WRITE_ATTRIBUTES, WRITE_DATA, attribute};
use super::volume::Place;
use crate::cx::Cx;
use crate::ob::ObjectId;
use crate::service::{NtResult, Service, Support, Unwind, class_name, service};

pub(crate) const SERVICES: &[Service] = &[service!(NtSetInformationFile => nt_set_information_file,
    Support::Partial("the classes that NTFS documents for files, and FilePipeInformation; hard links, short names and valid data lengths are refused by name"))];

/// `IO_COMPLETION_MODIFY_STATE`.
const MODIFY_STATE: AccessMask = AccessMask(2);
/// `FILE_MODE_*`: the options that `FileModeInformation` may set.
const MODES: u32 = 0x2 | 0x4 | SYNCHRONOUS;
const NAMED: &str = "FileInformationClass ";

/// What a class needs: the least length, by the width of pointers, and the right.
fn needs(class: &str, word: usize) -> Option<(usize, AccessMask)> {
    Some(match class {
        "FileBasicInformation" => (40, WRITE_ATTRIBUTES),
        "FileRenameInformation" | "FileRenameInformationEx" => (rename::least(word), DELETE),
        "FileLinkInformation" | "FileLinkInformationEx" => (rename::least(word), NONE),
        "FileDispositionInformation" => (1, DELETE),
        "FileDispositionInformationEx" => (4, DELETE),
        "FilePositionInformation" => (8, NONE),
        "FileModeInformation" => (4, NONE),
        "FileAllocationInformation" | "FileEndOfFileInformation" => (8, WRITE_DATA),
        "FilePipeInformation" => (8, WRITE_ATTRIBUTES),
        "FileMailslotSetInformation" => (8, WRITE_ATTRIBUTES),
        "FileCompletionInformation" | "FileReplaceCompletionInformation" => (2 * word, NONE),
        "FileIoCompletionNotificationInformation" | "FileIoPriorityHintInformation" => (4, NONE),
        "FileValidDataLengthInformation" => (8, WRITE_DATA),
        "FileShortNameInformation" => (8, DELETE),
        "FileCaseSensitiveInformation" => (4, WRITE_ATTRIBUTES),
        _ => return None,
    })
}

/// What is to be set, read from the caller's buffer.
struct Set {
    buffer: u64,
    length: u32,
}

impl Set {
    fn load<T: GuestValue>(&self, cx: &mut Cx<'_>, offset: u64) -> NtResult<T> {
        Ok(cx.mem().load(UserPtr::new(self.buffer.wrapping_add(offset)))?)
    }
}

/// `NtSetInformationFile`: changes an open file: its times and attributes, name, fate, size, position, and how it tells of
/// operations.
///
/// `STATUS_INVALID_INFO_CLASS`, `STATUS_INFO_LENGTH_MISMATCH`, `STATUS_ACCESS_DENIED`, `STATUS_INVALID_PARAMETER`,
/// `STATUS_MEDIA_WRITE_PROTECTED`, `STATUS_DISK_FULL`, `STATUS_CANNOT_DELETE`, `STATUS_DIRECTORY_NOT_EMPTY`,
/// `STATUS_USER_MAPPED_FILE`; the statuses of a new name.
fn nt_set_information_file(
    cx: &mut Cx<'_>, file: Handle, iosb: UserPtr<IoStatusBlock>, buffer: u64, length: u32, class: u32,
) -> NtResult {
    let name = class_name("FILE_INFORMATION_CLASS", class)?;
    let Some((least, right)) = needs(name, cx.kernel.width().bytes()) else {
        return Err(NtStatus::INVALID_INFO_CLASS.into());
    };
    if (length as usize) < least {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let mut mem = cx.mem();
    mem.probe_range(buffer, length.into())?;
    mem.probe(iosb)?;
    let id = cx.file_id(file, &[right]).or_else(|denied| by_descriptor(cx, file, name, denied))?;
    set(cx, id, name, &Set { buffer, length })?;
    cx.mem().store(iosb, &IoStatusBlock::default())?;
    Ok(NtStatus::SUCCESS)
}

/// Wine's DLLs set times and attributes by handles without the right to; whether the caller could have it is asked here.
fn by_descriptor(cx: &mut Cx<'_>, file: Handle, class: &str, denied: NtStatus) -> NtResult<ObjectId> {
    if !cx.kernel.is_wine_root() || class != "FileBasicInformation" || denied != NtStatus::ACCESS_DENIED {
        return Err(denied.into());
    }
    let id = cx.file_id(file, &[NONE])?;
    let Target::Node(place) = cx.file(id)?.target else { return Err(denied.into()) };
    cx.grant_node(place, WRITE_ATTRIBUTES)?;
    Ok(id)
}

fn set(cx: &mut Cx<'_>, id: ObjectId, class: &str, from: &Set) -> NtResult<()> {
    let target = cx.file(id)?.target;
    match class {
        "FilePositionInformation" => return set_position(cx, id, from),
        "FileModeInformation" => return set_mode(cx, id, from),
        "FileCompletionInformation" => return set_port(cx, id, from, false),
        "FileReplaceCompletionInformation" => return set_port(cx, id, from, true),
        "FileIoCompletionNotificationInformation" => {
            let flags: u32 = from.load(cx, 0)?;
            if flags & !7 != 0 {
                return Err(NtStatus::INVALID_PARAMETER.into());
            }
            // What is set stays set.
            cx.file_mut(id)?.notification |= flags;
            return Ok(());
        }
        "FileIoPriorityHintInformation" => {
            let hint: u32 = from.load(cx, 0)?;
            return if hint < 5 { Ok(()) } else { Err(NtStatus::INVALID_PARAMETER.into()) };
        }
        "FilePipeInformation" => {
            let (read_mode, completion) = (from.load(cx, 0)?, from.load(cx, 4)?);
            return super::pipe::set_modes(cx, target, read_mode, completion);
        }
        "FileMailslotSetInformation" => {
            let timeout = UserPtr::<i64>::new(from.load::<Word>(cx, 0)?.0);
            let timeout = if timeout.is_null() { -1 } else { cx.mem().load(timeout)? };
            return super::mailslot::set_timeout(cx, target, timeout);
        }
        _ => {}
    }
    let Target::Node(place) = target else { return Err(NtStatus::INVALID_DEVICE_REQUEST.into()) };
    match class {
        "FileBasicInformation" => set_basic(cx, place, from),
        "FileDispositionInformation" => {
            let flags = u32::from(from.load::<u8>(cx, 0)? != 0);
            set_disposition(cx, id, place, flags)
        }
        "FileDispositionInformationEx" => {
            let flags = from.load(cx, 0)?;
            set_disposition(cx, id, place, flags)
        }
        "FileEndOfFileInformation" | "FileAllocationInformation" => {
            let size: i64 = from.load(cx, 0)?;
            set_length(cx, id, place, size, class == "FileAllocationInformation")
        }
        "FileRenameInformation" | "FileRenameInformationEx" => {
            let rename = Rename::load(cx, from.buffer, from.length, class == "FileRenameInformationEx")?;
            rename::rename(cx, id, place, &rename)
        }
        _ => Err(Unwind::unsupported(format!("{NAMED}{class}"))),
    }
}

fn set_position(cx: &mut Cx<'_>, id: ObjectId, from: &Set) -> NtResult<()> {
    let position: i64 = from.load(cx, 0)?;
    let file = cx.file_mut(id)?;
    if position < 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let sector = 0x1ff;
    if file.options & super::create::option::NO_BUFFERING != 0 && position & sector != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    file.position = position.cast_unsigned();
    Ok(())
}

fn set_mode(cx: &mut Cx<'_>, id: ObjectId, from: &Set) -> NtResult<()> {
    let mode: u32 = from.load(cx, 0)?;
    let file = cx.file_mut(id)?;
    // Whether a file is synchronous is settled when it is opened; between the two kinds one may change.
    let synchronous = mode & SYNCHRONOUS;
    if mode & !MODES != 0 || synchronous == SYNCHRONOUS || (synchronous != 0) != file.is_synchronous() {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    file.options = file.options & !MODES | mode;
    Ok(())
}

fn set_port(cx: &mut Cx<'_>, id: ObjectId, from: &Set, replace: bool) -> NtResult<()> {
    let word = cx.kernel.width().bytes() as u64;
    let (port, key) = (from.load::<Handle>(cx, 0)?, from.load::<Word>(cx, word)?.0);
    let port = match port {
        Handle::NULL if replace => None,
        port => Some(cx.reference_id::<IoCompletion>(port, MODIFY_STATE)?),
    };
    let file = cx.file(id)?;
    if file.is_synchronous() || file.port.is_some() && !replace {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let old = file.port;
    cx.file_mut(id)?.port = port.map(|port| (port, key));
    port.into_iter().for_each(|port| cx.kernel.ob.reference(port));
    old.into_iter().for_each(|(port, _)| cx.kernel.ob.dereference(port));
    Ok(())
}

/// A time as it is given: 0 and -1 leave it, and so does -2, which lets it move again.
fn given(time: i64) -> NtResult<u64> {
    match time {
        -2..=0 => Ok(0),
        1.. => Ok(time.cast_unsigned()),
        _ => Err(NtStatus::INVALID_PARAMETER.into()),
    }
}

fn set_basic(cx: &mut Cx<'_>, place: Place, from: &Set) -> NtResult<()> {
    let mut times = [0; 4];
    for (index, time) in times.iter_mut().enumerate() {
        *time = given(from.load(cx, 8 * index as u64)?)?;
    }
    let attributes: u32 = from.load(cx, 32)?;
    let directory = cx.node(place)?.is_directory();
    let conflict = if directory { attribute::TEMPORARY } else { attribute::DIRECTORY };
    if attributes & conflict != 0 || attributes & !attribute::VALID & !attribute::DIRECTORY != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    cx.check_writable(place)?;
    let [created, accessed, written, changed] = times;
    if let Some(path) = cx.host_path(place) {
        let folders = cx.folders()?;
        if attributes != 0 && !directory {
            folders.set_read_only(&path, attributes & attribute::READ_ONLY != 0)?;
        }
        folders.set_times(&path, accessed, written)?;
    } else {
        let now = cx.file_time();
        let node = cx.node_mut(place)?;
        if attributes != 0 {
            node.attributes = attributes & attribute::SETTABLE;
        }
        let kept = |new: u64, old: u64| if new == 0 { old } else { new };
        let t = &mut node.times;
        (t.created, t.accessed) = (kept(created, t.created), kept(accessed, t.accessed));
        (t.written, t.changed) = (kept(written, t.written), kept(changed, now));
    }
    let path = cx.dos_path(place);
    cx.kernel.io.journal.changed(path);
    cx.notify(place, Event::Attributes);
    Ok(())
}

/// `FILE_DISPOSITION_*`.
const DELETE_IT: u32 = 1;
const POSIX_SEMANTICS: u32 = 2;
const IGNORE_READ_ONLY: u32 = 0x10;
const ON_CLOSE: u32 = 8;

fn set_disposition(cx: &mut Cx<'_>, id: ObjectId, place: Place, flags: u32) -> NtResult<()> {
    if flags & !0x1f != 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    if flags & DELETE_IT == 0 {
        if flags & ON_CLOSE != 0 {
            cx.file_mut(id)?.delete_on_close = false;
        }
        cx.node_mut(place)?.delete_pending = false;
        return Ok(());
    }
    cx.check_writable(place)?;
    if cx.node(place)?.is_mount || place.node == super::volume::Volume::ROOT {
        return Err(NtStatus::CANNOT_DELETE.into());
    }
    let stat = cx.stat(place)?;
    let read_only = stat.attributes & attribute::READ_ONLY != 0 && flags & IGNORE_READ_ONLY == 0;
    if read_only || cx.is_in_use(place) {
        return Err(NtStatus::CANNOT_DELETE.into());
    }
    if stat.directory && !cx.is_empty_directory(place)? {
        return Err(NtStatus::DIRECTORY_NOT_EMPTY.into());
    }
    if flags & POSIX_SEMANTICS != 0 && cx.node(place)?.opens.len() > 1 {
        return Err(Unwind::unsupported("FILE_DISPOSITION_POSIX_SEMANTICS of a file that others have open"));
    }
    if flags & ON_CLOSE != 0 {
        cx.file_mut(id)?.delete_on_close = true;
        return Ok(());
    }
    cx.node_mut(place)?.delete_pending = true;
    Ok(())
}

fn set_length(cx: &mut Cx<'_>, id: ObjectId, place: Place, size: i64, allocation: bool) -> NtResult<()> {
    if cx.node(place)?.is_directory() || size < 0 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    cx.check_writable(place)?;
    let size = size.cast_unsigned();
    if allocation {
        cx.set_allocation(place, size)?;
    } else {
        cx.set_size(place, size)?;
    }
    cx.file_mut(id)?.changed = true;
    Ok(())
}
