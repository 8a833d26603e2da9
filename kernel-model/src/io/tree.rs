//! Files by place: looking up, reading, writing and changing them, wherever their bytes are.

use std::sync::Arc;

use guest::{AccessMask, NtStatus};

use super::data::Data;
use super::file::Target;
use super::host::{HostEntry, HostFolders, HostPath, Times};
use super::name::{is_dos_special, name_of};
use super::rights::{self, attribute};
use super::share::OpenShare;
use super::volume::{Kind, Node, Place};
use crate::cx::Cx;
use crate::ob::{ObjectId, ObjectType};
use crate::se::SecurityDescriptor;
use crate::service::NtResult;

/// What there is to know of a file.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Stat {
    /// It is a directory.
    pub directory: bool,
    /// Bytes in it.
    pub size: u64,
    /// Bytes it takes.
    pub allocated: u64,
    /// `FILE_ATTRIBUTE_*`, as they are told.
    pub attributes: u32,
    /// Times.
    pub times: Times,
    /// Its number.
    pub id: u64,
}

/// Attributes as they are told: a file that has none is "normal".
fn told(attributes: u32, directory: bool) -> u32 {
    match attributes | if directory { attribute::DIRECTORY } else { 0 } {
        0 => attribute::NORMAL,
        some => some,
    }
}

impl From<&HostEntry> for Stat {
    fn from(entry: &HostEntry) -> Self {
        let archive = if entry.directory { 0 } else { attribute::ARCHIVE };
        let attributes = archive | if entry.read_only { attribute::READ_ONLY } else { 0 };
        let (size, allocated) = if entry.directory { (0, 0) } else { (entry.size, entry.allocated) };
        let attributes = told(attributes, entry.directory);
        Self { directory: entry.directory, size, allocated, attributes, times: entry.times, id: entry.id }
    }
}

impl From<&Node> for Stat {
    fn from(node: &Node) -> Self {
        let (size, allocated) = match &node.kind {
            Kind::File(data) => (data.size(), data.allocated()),
            Kind::Directory(_) => (0, 0),
        };
        let directory = node.is_directory();
        Self {
            directory,
            size,
            allocated,
            attributes: told(node.attributes, directory),
            times: node.times,
            id: node.id,
        }
    }
}

/// What one write takes at most at a time.
const STEP: usize = 0x1_0000;

impl Cx<'_> {
    /// The time that files are stamped with.
    pub(super) fn file_time(&self) -> u64 {
        let clock = &self.kernel.clock;
        clock.system_time_at(clock.interrupt_time())
    }

    /// A file.
    pub(super) fn node(&self, place: Place) -> Result<&Node, NtStatus> {
        self.kernel.io.volume(place.volume)?.node(place.node).ok_or(NtStatus::FILE_INVALID)
    }

    pub(super) fn node_mut(&mut self, place: Place) -> Result<&mut Node, NtStatus> {
        self.kernel.io.volume_mut(place.volume)?.node_mut(place.node).ok_or(NtStatus::FILE_INVALID)
    }

    /// Where a file is on the host; `None`: it is in memory.
    pub(super) fn host_path(&self, place: Place) -> Option<HostPath> {
        self.kernel.io.volume(place.volume).ok()?.host_path(place.node)
    }

    /// The folders of the host.
    pub(super) fn folders(&mut self) -> Result<&mut dyn HostFolders, NtStatus> {
        self.ram.folders().ok_or(NtStatus::NO_SUCH_DEVICE)
    }

    /// The full path that the journal knows a file by.
    pub(super) fn dos_path(&self, place: Place) -> String {
        let Ok(volume) = self.kernel.io.volume(place.volume) else { return String::new() };
        format!("{}:{}", volume.letter, String::from_utf16_lossy(&volume.path(place.node)))
    }

    /// Whether anything may be changed where a file is.
    ///
    /// `STATUS_MEDIA_WRITE_PROTECTED`.
    pub(super) fn check_writable(&mut self, place: Place) -> Result<(), NtStatus> {
        let Some(folder) = self.node(place)?.folder else { return Ok(()) };
        if self.folders()?.is_writable(folder) { Ok(()) } else { Err(NtStatus::MEDIA_WRITE_PROTECTED) }
    }

    /// What is known of a file.
    pub(super) fn stat(&mut self, place: Place) -> Result<Stat, NtStatus> {
        match self.host_path(place) {
            Some(path) => Ok(Stat::from(&self.folders()?.stat(&path)?)),
            None => Ok(Stat::from(self.node(place)?)),
        }
    }

    /// What a directory has under a name.
    pub(super) fn child(&mut self, place: Place, name: &[u16]) -> Result<Option<Place>, NtStatus> {
        let volume = self.kernel.io.volume(place.volume)?;
        let known = volume.child(place.node, name).map(|node| Place { node, ..place });
        let Some(at) = volume.host_path(place.node) else { return Ok(known) };
        if let Some(known) = known {
            // What is open may have gone on the host meanwhile; then another may have its name.
            match self.stat(known) {
                Err(NtStatus::FILE_INVALID) if self.node(known)?.opens.is_empty() => self.forget(known),
                _ => return Ok(Some(known)),
            }
        }
        let Some(text) = host_name(name) else { return Err(NtStatus::OBJECT_NAME_INVALID) };
        match self.folders()?.look_up(&at, &text) {
            Ok(entry) => self.remember(place, &entry).map(Some),
            Err(NtStatus::OBJECT_NAME_NOT_FOUND) => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// Takes note of a host's file that is about to be opened, or looked into.
    fn remember(&mut self, parent: Place, entry: &HostEntry) -> Result<Place, NtStatus> {
        let folder = self.node(parent)?.folder;
        let kind = if entry.directory { Kind::Directory(Default::default()) } else { Kind::File(Data::default()) };
        let mut node = Node::new(kind, 0, 0);
        (node.id, node.folder) = (entry.id, folder);
        let volume = self.kernel.io.volume_mut(parent.volume)?;
        // Another spelling of what is known already.
        if let Some(known) = volume.child(parent.node, &name_of(&entry.name)) {
            return Ok(Place { node: known, ..parent });
        }
        let node = volume.add(parent.node, &name_of(&entry.name), node)?;
        Ok(Place { node, ..parent })
    }

    /// Lets go of a host's file that nobody has open.
    pub(super) fn forget(&mut self, place: Place) {
        if let Ok(volume) = self.kernel.io.volume_mut(place.volume) {
            volume.forget(place.node);
        }
    }

    /// A file object has got another descriptor: it is the file's.
    pub(crate) fn set_file_security(&mut self, id: ObjectId, security: Arc<SecurityDescriptor>) {
        if let Ok(Target::Node(place)) = self.file(id).map(|file| file.target)
            && let Ok(node) = self.node_mut(place)
        {
            node.security = Some(security);
        }
    }

    /// Keeps a directory from being forgotten while something is done in it.
    pub(super) fn pin(&mut self, place: Place) {
        if let Ok(node) = self.node_mut(place) {
            node.opens.add(OpenShare::default());
        }
    }

    /// Lets go of it again.
    pub(super) fn unpin(&mut self, place: Place) {
        if let Ok(node) = self.node_mut(place) {
            node.opens.remove(OpenShare::default());
        }
        self.forget(place);
    }

    /// Makes a file or directory.
    ///
    /// `STATUS_DISK_FULL`, `STATUS_MEDIA_WRITE_PROTECTED`, `STATUS_OBJECT_NAME_INVALID`, the host's refusals.
    pub(super) fn make(&mut self, parent: Place, name: &[u16], mut node: Node) -> Result<Place, NtStatus> {
        self.check_writable(parent)?;
        let directory = node.is_directory();
        let place = match self.host_path(parent) {
            Some(at) => {
                let text = host_name(name).ok_or(NtStatus::OBJECT_NAME_INVALID)?;
                let entry = self.folders()?.create(&at.join(&text), directory)?;
                if node.attributes & attribute::READ_ONLY != 0 && !directory {
                    self.folders()?.set_read_only(&at.join(&text), true)?;
                }
                self.remember(parent, &entry)?
            }
            None => {
                node.times = Times { created: self.file_time(), ..node.times };
                let volume = self.kernel.io.volume_mut(parent.volume)?;
                Place { node: volume.add(parent.node, name, node)?, ..parent }
            }
        };
        self.touch_directory(parent);
        let path = self.dos_path(place);
        self.kernel.io.journal.created(path);
        self.notify(place, super::notify::Event::Added);
        Ok(place)
    }

    /// A directory has changed.
    pub(super) fn touch_directory(&mut self, place: Place) {
        let now = self.file_time();
        if let Ok(node) = self.node_mut(place) {
            (node.times.written, node.times.changed) = (now, now);
        }
    }

    /// Reads a file's bytes; how many there were.
    pub(super) fn read_node(&mut self, place: Place, offset: u64, buf: &mut [u8]) -> Result<usize, NtStatus> {
        let got = self.read_kept(place, offset, buf)?;
        self.overlay(place, offset, buf.get_mut(..got).unwrap_or(&mut []));
        Ok(got)
    }

    /// The same from where the file is, whatever views of it have.
    pub(super) fn read_kept(&mut self, place: Place, offset: u64, buf: &mut [u8]) -> Result<usize, NtStatus> {
        if let Some(path) = self.host_path(place) {
            return self.folders()?.read(&path, offset, buf);
        }
        match &self.node(place)?.kind {
            Kind::File(data) => Ok(data.read(offset, buf)),
            Kind::Directory(_) => Err(NtStatus::INVALID_DEVICE_REQUEST),
        }
    }

    /// A file's bytes are to become as many: the clusters are charged.
    fn charge_size(&mut self, place: Place, size: u64) -> Result<(), NtStatus> {
        let Kind::File(data) = &self.node(place)?.kind else { return Err(NtStatus::INVALID_DEVICE_REQUEST) };
        let (before, after) = (data.allocated(), data.allocated_for(size));
        let volume = self.kernel.io.volume_mut(place.volume)?;
        volume.charge(after.saturating_sub(before))
    }

    /// Writes a file's bytes, all or none.
    ///
    /// `STATUS_DISK_FULL`.
    pub(super) fn write_node(&mut self, place: Place, offset: u64, bytes: &[u8]) -> Result<(), NtStatus> {
        self.write_kept(place, offset, bytes)?;
        self.show_written(place, offset, bytes);
        self.written(place);
        Ok(())
    }

    /// The same to where the file is, whatever views of it have.
    pub(super) fn write_kept(&mut self, place: Place, offset: u64, bytes: &[u8]) -> Result<(), NtStatus> {
        if let Some(path) = self.host_path(place) {
            let folders = self.folders()?;
            let mut at = offset;
            for part in bytes.chunks(STEP) {
                folders.write(&path, at, part)?;
                at += part.len() as u64;
            }
        } else {
            let end = offset.checked_add(bytes.len() as u64).ok_or(NtStatus::INVALID_PARAMETER)?;
            let Kind::File(data) = &self.node(place)?.kind else { return Err(NtStatus::INVALID_DEVICE_REQUEST) };
            let size = data.size().max(end);
            self.charge_size(place, size)?;
            if let Kind::File(data) = &mut self.node_mut(place)?.kind {
                data.write(offset, bytes);
            }
        }
        Ok(())
    }

    /// Stamps a file that was written.
    pub(super) fn written(&mut self, place: Place) {
        let now = self.file_time();
        if let Ok(node) = self.node_mut(place) {
            (node.times.written, node.times.changed) = (now, now);
            node.attributes |= attribute::ARCHIVE;
        }
        let path = self.dos_path(place);
        self.kernel.io.journal.changed(path);
        self.notify(place, super::notify::Event::Written);
    }

    /// Cuts a file or fills it up.
    ///
    /// `STATUS_DISK_FULL`, `STATUS_USER_MAPPED_FILE`.
    pub(super) fn set_size(&mut self, place: Place, size: u64) -> Result<(), NtStatus> {
        self.check_cut(place, size)?;
        if let Some(path) = self.host_path(place) {
            self.folders()?.set_size(&path, size)?;
        } else {
            self.charge_size(place, size)?;
            let Kind::File(data) = &mut self.node_mut(place)?.kind else {
                return Err(NtStatus::INVALID_DEVICE_REQUEST);
            };
            let charged = data.allocated().max(data.allocated_for(size));
            data.set_size(size);
            let spare = charged - data.allocated();
            self.kernel.io.volume_mut(place.volume)?.release(spare);
        }
        self.show_cut(place, size);
        self.written(place);
        Ok(())
    }

    /// Sets clusters aside; fewer than the file has cut it.
    ///
    /// `STATUS_DISK_FULL`.
    pub(super) fn set_allocation(&mut self, place: Place, bytes: u64) -> Result<(), NtStatus> {
        let size = self.stat(place)?.size;
        if bytes < size {
            self.set_size(place, bytes)?;
        }
        if self.host_path(place).is_some() {
            return Ok(());
        }
        let free = self.kernel.io.volume(place.volume)?;
        if bytes > free.capacity {
            return Err(NtStatus::DISK_FULL);
        }
        let Kind::File(data) = &self.node(place)?.kind else { return Err(NtStatus::INVALID_DEVICE_REQUEST) };
        let (before, mut after) = (data.allocated(), data.clone());
        after.reserve(bytes);
        let volume = self.kernel.io.volume_mut(place.volume)?;
        volume.charge(after.allocated().saturating_sub(before))?;
        volume.release(before.saturating_sub(after.allocated()));
        self.node_mut(place)?.kind = Kind::File(after);
        Ok(())
    }

    /// Takes a file off its volume.
    ///
    /// `STATUS_DIRECTORY_NOT_EMPTY`, the host's refusals.
    pub(super) fn remove_node(&mut self, place: Place) -> Result<(), NtStatus> {
        let node = self.node(place)?;
        let (directory, parent) = (node.is_directory(), node.parent);
        if directory && !self.is_empty_directory(place)? {
            return Err(NtStatus::DIRECTORY_NOT_EMPTY);
        }
        if let Some(path) = self.host_path(place) {
            self.folders()?.remove(&path, directory)?;
        }
        self.notify(place, super::notify::Event::Removed);
        let path = self.dos_path(place);
        self.kernel.io.journal.deleted(path);
        self.kernel.io.volume_mut(place.volume)?.remove(place.node);
        if let Some(node) = parent {
            let parent = Place { node, ..place };
            self.touch_directory(parent);
            self.forget(parent);
        }
        Ok(())
    }

    /// What a file's descriptor, its directory's and its attributes let the caller do.
    ///
    /// `STATUS_ACCESS_DENIED`, `STATUS_PRIVILEGE_NOT_HELD`.
    pub(super) fn grant_node(&mut self, place: Place, desired: AccessMask) -> NtResult<AccessMask> {
        let (security, parent) = (self.node(place)?.security.clone(), self.node(place)?.parent);
        let first = self.grant_by(security.as_deref(), ObjectType::File, desired);
        let Err(denied) = first else { return first };
        // FILE_DELETE_CHILD and FILE_LIST_DIRECTORY of the directory stand in for two rights of the file.
        let Some(parent) = parent.and_then(|node| self.kernel.io.volume(place.volume).ok()?.node(node)) else {
            return Err(denied);
        };
        let directory = parent.security.clone();
        let mut by_directory = AccessMask(0);
        for (own, other) in [(rights::DELETE, rights::DELETE_CHILD), (rights::READ_ATTRIBUTES, rights::LIST_DIRECTORY)]
        {
            if desired.intersects(own) && self.grant_by(directory.as_deref(), ObjectType::File, other).is_ok() {
                by_directory.0 |= own.0;
            }
        }
        let rest = AccessMask(desired.0 & !by_directory.0);
        if by_directory.0 == 0 {
            return Err(denied);
        }
        if rest.0 == 0 {
            return Ok(by_directory);
        }
        let rest = self.grant_by(security.as_deref(), ObjectType::File, rest)?;
        Ok(AccessMask(rest.0 | by_directory.0))
    }
}

/// A name as the host could spell it; `None`: no file of the host's can be so called.
fn host_name(name: &[u16]) -> Option<String> {
    if is_dos_special(name) { None } else { String::from_utf16(name).ok() }
}
