//! Giving a file another name (`FileRenameInformation`, `FileRenameInformationEx`).

use guest::{GuestMemory, Handle, NtStatus, UserPtr};

use super::create::{Found, find};
use super::file::Device;
use super::name::{FilePath, Name, SEPARATOR};
use super::notify::Event;
use super::rights::{self, attribute};
use super::volume::{NodeId, Place, Volume};
use crate::cx::Cx;
use crate::ob::{Attributes, NameToOpen, ObjectId};
use crate::service::{NtResult, Unwind};

/// `FILE_RENAME_REPLACE_IF_EXISTS`, `FILE_RENAME_POSIX_SEMANTICS`, `FILE_RENAME_IGNORE_READONLY_ATTRIBUTE`.
const REPLACE: u32 = 0x1;
const POSIX: u32 = 0x2;
const IGNORE_READ_ONLY: u32 = 0x40;
/// Flags that a caller may pass.
const VALID: u32 = 0x1ff;

/// The least length, by the width of pointers: flags, directory, length, and a character with its padding.
pub(super) fn least(word: usize) -> usize {
    if word == 8 { 24 } else { 16 }
}

/// What is asked for.
pub(super) struct Rename {
    flags: u32,
    root: Option<Handle>,
    name: Name,
}

impl Rename {
    /// Reads `FILE_RENAME_INFORMATION`.
    ///
    /// `STATUS_INVALID_PARAMETER` for a name that is none or does not lie in the buffer.
    pub(super) fn load(cx: &mut Cx<'_>, buffer: u64, length: u32, extended: bool) -> NtResult<Self> {
        let word = cx.kernel.width().bytes() as u64;
        let mut mem = cx.mem();
        let flags = match extended {
            true => mem.load(UserPtr::<u32>::new(buffer))?,
            false => u32::from(mem.load(UserPtr::<u8>::new(buffer))? != 0),
        };
        let root = mem.load(UserPtr::<Handle>::new(buffer.wrapping_add(word)))?;
        let size = mem.load(UserPtr::<u32>::new(buffer.wrapping_add(2 * word)))?;
        let at = 2 * word + 4;
        let fits = at + u64::from(size) <= u64::from(length);
        if size == 0 || size % 2 != 0 || !fits || flags & !VALID != 0 {
            return Err(NtStatus::INVALID_PARAMETER.into());
        }
        let mut bytes = vec![0; size as usize];
        mem.read(buffer.wrapping_add(at), &mut bytes)?;
        let name = bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        Ok(Self { flags, root: (root != Handle::NULL).then_some(root), name })
    }
}

/// Where the new name is: the directory, and the last component.
fn destination(cx: &mut Cx<'_>, place: Place, rename: &Rename) -> NtResult<(Place, Name, Option<Place>)> {
    let parent = cx.node(place)?.parent.map(|node| Place { node, ..place }).ok_or(NtStatus::INVALID_PARAMETER)?;
    let (start, path) = if rename.root.is_none() && !rename.name.contains(&SEPARATOR) {
        (parent, FilePath::parse(&rename.name, true)?)
    } else {
        let attributes = Attributes::CASE_INSENSITIVE;
        let name =
            NameToOpen { root: rename.root, name: Some(rename.name.clone()), attributes, ..NameToOpen::default() };
        match find(cx, &name)? {
            Found::Below(start, _, path) => (start, FilePath::parse(&path, true)?),
            Found::Device(Device::Volume(volume), _, rest) => {
                (Place { volume, node: Volume::ROOT }, FilePath::parse(&rest, false)?)
            }
            _ => return Err(NtStatus::NOT_SAME_DEVICE.into()),
        }
    };
    if start.volume != place.volume {
        return Err(NtStatus::NOT_SAME_DEVICE.into());
    }
    if path.stream.is_some() {
        return Err(Unwind::unsupported("renaming a stream"));
    }
    let end = cx.walk(start, &path)?;
    let (directory, last) = end.parent.ok_or(NtStatus::OBJECT_NAME_COLLISION)?;
    Ok((directory, last, end.place))
}

/// Gives a file another name, on the same volume.
///
/// `STATUS_OBJECT_NAME_COLLISION`, `STATUS_NOT_SAME_DEVICE`, `STATUS_ACCESS_DENIED` (what cannot be replaced; a directory
/// with open files; no right to make files where it goes), `STATUS_SHARING_VIOLATION`, the statuses of a path.
pub(super) fn rename(cx: &mut Cx<'_>, id: ObjectId, place: Place, rename: &Rename) -> NtResult<()> {
    cx.check_writable(place)?;
    let node = cx.node(place)?;
    if node.is_mount || place.node == Volume::ROOT {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    let (directory, name, existing) = destination(cx, place, rename)?;
    let result = move_node(cx, place, directory, &name, existing, rename.flags);
    if let Some(existing) = existing {
        cx.forget(existing);
    }
    cx.forget(directory);
    result?;
    let path = cx.kernel.io.volume(place.volume)?.path(place.node);
    cx.file_mut(id)?.name = path;
    Ok(())
}

fn move_node(
    cx: &mut Cx<'_>, place: Place, directory: Place, name: &[u16], existing: Option<Place>, flags: u32,
) -> NtResult<()> {
    let (old, old_name) = (cx.node(place)?, cx.node(place)?.name.clone());
    let (folder, is_directory, old_parent) = (old.folder, old.is_directory(), old.parent);
    if folder != cx.node(directory)?.folder {
        return Err(NtStatus::NOT_SAME_DEVICE.into());
    }
    let volume = cx.kernel.io.volume(place.volume)?;
    if is_directory && (volume.has_open_below(place.node) || volume.is_below(directory.node, place.node)) {
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    // The same name in another spelling is no other file.
    let existing = existing.filter(|existing| *existing != place);
    if Some(directory.node) != old_parent {
        cx.grant_node(directory, if is_directory { rights::ADD_SUBDIRECTORY } else { rights::ADD_FILE })?;
    }
    if let Some(existing) = existing {
        replace(cx, existing, flags)?;
    } else if Some(directory.node) == old_parent && old_name == name {
        return Ok(());
    }
    if let (Some(from), Some(to)) = (cx.host_path(place), cx.host_path(directory)) {
        if super::name::is_dos_special(name) {
            return Err(NtStatus::OBJECT_NAME_INVALID.into());
        }
        let text = String::from_utf16(name).map_err(|_| NtStatus::OBJECT_NAME_INVALID)?;
        cx.folders()?.rename(&from, &to.join(&text))?;
    }
    let paths = below(cx, place)?;
    cx.notify(place, Event::RenamedFrom);
    let now = cx.file_time();
    let volume = cx.kernel.io.volume_mut(place.volume)?;
    volume.move_to(place.node, directory.node, name);
    if let Some(node) = volume.node_mut(place.node) {
        node.times.changed = now;
    }
    for (node, from) in paths {
        let to = cx.dos_path(Place { node, ..place });
        cx.kernel.io.journal.deleted(from);
        cx.kernel.io.journal.created(to);
    }
    cx.notify(place, Event::RenamedTo);
    cx.touch_directory(directory);
    if let Some(node) = old_parent {
        cx.touch_directory(Place { node, ..place });
        cx.forget(Place { node, ..place });
    }
    Ok(())
}

/// A file and all that is known below it, with their paths.
fn below(cx: &Cx<'_>, place: Place) -> NtResult<Vec<(NodeId, String)>> {
    let volume = cx.kernel.io.volume(place.volume)?;
    let ids = volume.iter().map(|(id, _)| id).filter(|&id| volume.is_below(id, place.node));
    Ok(ids.map(|node| (node, cx.dos_path(Place { node, ..place }))).collect())
}

/// Takes away what has the new name.
fn replace(cx: &mut Cx<'_>, existing: Place, flags: u32) -> NtResult<()> {
    if flags & REPLACE == 0 {
        return Err(NtStatus::OBJECT_NAME_COLLISION.into());
    }
    let stat = cx.stat(existing)?;
    let read_only = stat.attributes & attribute::READ_ONLY != 0 && flags & IGNORE_READ_ONLY == 0;
    let node = cx.node(existing)?;
    if stat.directory || read_only || node.is_mount || !node.opens.is_empty() {
        if !node.opens.is_empty() && flags & POSIX != 0 && !stat.directory {
            return Err(Unwind::unsupported("FILE_RENAME_POSIX_SEMANTICS over a file that is open"));
        }
        return Err(NtStatus::ACCESS_DENIED.into());
    }
    cx.grant_node(existing, rights::DELETE)?;
    Ok(cx.remove_node(existing)?)
}
