//! Opening files and directories of a volume.

use std::collections::BTreeMap;
use std::sync::Arc;

use guest::{AccessMask, Handle, NtStatus};

use super::create::{Create, Disposition, Done, option};
use super::data::Data;
use super::file::{FileObject, Target};
use super::name::{FilePath, Name, SEPARATOR};
use super::rights::{self, attribute};
use super::share::OpenShare;
use super::volume::{Kind, Node, Place, Volume};
use crate::cx::Cx;
use crate::ob::{NameToOpen, ObjectId, ObjectType};
use crate::se::{Assign, SecurityDescriptor, assign_security};
use crate::service::{NtResult, Unwind};

/// Rights that change a file, or what is in a directory.
const CHANGES: u32 = 0x2 | 0x4 | 0x10 | 0x40 | 0x100 | 0x1_0000 | 0x4_0000 | 0x8_0000;

/// Where a path ends.
pub(super) struct End {
    /// The directory and, unless it is the start itself, the last name.
    pub parent: Option<(Place, Name)>,
    /// What is there.
    pub place: Option<Place>,
}

impl Cx<'_> {
    /// Walks a path below a directory: all but its last component must be there.
    ///
    /// `STATUS_OBJECT_PATH_NOT_FOUND`, `STATUS_OBJECT_NAME_INVALID`.
    pub(super) fn walk(&mut self, start: Place, path: &FilePath) -> NtResult<End> {
        let Some((last, above)) = path.parts.split_last() else { return Ok(End { parent: None, place: Some(start) }) };
        let mut at = start;
        for part in above {
            let next = match self.child(at, part) {
                Ok(Some(next)) if self.node(next)?.is_directory() => next,
                Ok(Some(next)) => {
                    self.forget(next);
                    return Err(self.gave_up(at, NtStatus::OBJECT_PATH_NOT_FOUND));
                }
                Ok(None) => return Err(self.gave_up(at, NtStatus::OBJECT_PATH_NOT_FOUND)),
                Err(status) => return Err(self.gave_up(at, status)),
            };
            at = next;
        }
        if !self.node(at)?.is_directory() {
            return Err(self.gave_up(at, NtStatus::OBJECT_PATH_NOT_FOUND));
        }
        match self.child(at, last) {
            Ok(place) => Ok(End { parent: Some((at, last.clone())), place }),
            Err(status) => Err(self.gave_up(at, status)),
        }
    }

    /// Lets go of what was looked through.
    fn gave_up(&mut self, at: Place, status: NtStatus) -> Unwind {
        self.forget(at);
        status.into()
    }

    /// Opens a path below a directory: a volume's root, or one that is open.
    pub(super) fn open_node(
        &mut self, start: Place, below: Option<ObjectId>, path: &[u16], name: &NameToOpen, create: &Create,
    ) -> NtResult<(Handle, Done)> {
        let parsed = FilePath::parse(path, below.is_some())?;
        let mut full = match below {
            Some(_) => self.kernel.io.volume(start.volume)?.path(start.node),
            None => path.to_vec(),
        };
        if below.is_some() && !path.is_empty() {
            if full.last() != Some(&SEPARATOR) {
                full.push(SEPARATOR);
            }
            full.extend(path);
        }
        let end = self.walk(start, &parsed)?;
        let kept = end.place.or(end.parent.as_ref().map(|parent| parent.0)).unwrap_or(start);
        if parsed.stream.is_some() {
            // What is kept by the host has no streams.
            let folder = self.node(kept)?.folder;
            self.forget(kept);
            return Err(match folder {
                Some(_) => NtStatus::OBJECT_NAME_INVALID.into(),
                None => Unwind::unsupported("a named stream"),
            });
        }
        let result = match (end.place, end.parent) {
            (Some(place), _) => self.open_existing_node(place, &parsed, name, create),
            (None, Some((parent, last))) => self.open_new_node(parent, &last, &parsed, name, create),
            (None, None) => Err(NtStatus::OBJECT_NAME_NOT_FOUND.into()),
        };
        let result =
            result.and_then(|(place, granted, done)| self.finish_open(place, granted, done, full, name, create));
        self.forget(kept);
        result
    }

    /// What must hold for a file that is there.
    fn open_existing_node(
        &mut self, place: Place, path: &FilePath, name: &NameToOpen, create: &Create,
    ) -> NtResult<(Place, AccessMask, Done)> {
        let directory = self.node(place)?.is_directory();
        if create.disposition == Disposition::Create {
            return Err(if self.node(place)?.delete_pending {
                NtStatus::DELETE_PENDING
            } else {
                NtStatus::OBJECT_NAME_COLLISION
            }
            .into());
        }
        match (directory, create.has(option::DIRECTORY), create.has(option::NON_DIRECTORY)) {
            (true, _, true) => return Err(NtStatus::FILE_IS_A_DIRECTORY.into()),
            (false, true, _) => return Err(NtStatus::NOT_A_DIRECTORY.into()),
            (true, ..) if create.disposition.empties() => return Err(NtStatus::OBJECT_NAME_COLLISION.into()),
            // A name that ends in a separator is a directory's.
            (false, ..) if path.directory => return Err(NtStatus::OBJECT_NAME_INVALID.into()),
            _ => {}
        }
        if self.node(place)?.delete_pending {
            return Err(NtStatus::DELETE_PENDING.into());
        }
        let attributes = self.stat(place)?.attributes;
        let mut desired = create.desired;
        if create.disposition.empties() {
            desired.0 |=
                if create.disposition == Disposition::Supersede { rights::DELETE.0 } else { rights::WRITE_DATA.0 };
        }
        let all = self.grant_node(place, desired)?;
        let granted = self.without_extra(all, create.desired, desired)?;
        self.check_attributes(place, attributes, all, create)?;
        let share = OpenShare::new(granted, create.share);
        let node = self.node(place)?;
        node.opens.check(share)?;
        if granted.intersects(rights::WRITE_DATA) && self.is_running_image(place) {
            return Err(NtStatus::SHARING_VIOLATION.into());
        }
        if !create.disposition.empties() {
            return Ok((place, granted, Done::Opened));
        }
        let _ = name;
        self.set_size(place, 0)?;
        self.replace_attributes(place, create)?;
        let superseded = create.disposition == Disposition::Supersede;
        Ok((place, granted, if superseded { Done::Superseded } else { Done::Overwritten }))
    }

    /// What the caller gets of what was checked.
    fn without_extra(&self, all: AccessMask, asked: AccessMask, checked: AccessMask) -> NtResult<AccessMask> {
        if asked == checked {
            return Ok(all);
        }
        let mapping = self.kernel.ob.type_info(ObjectType::File).map(|info| info.mapping);
        let mapped = mapping.map_or(asked, |mapping| asked.map_generic(&mapping));
        let maximum = mapped.intersects(AccessMask::MAXIMUM_ALLOWED);
        Ok(if maximum { all } else { AccessMask(all.0 & mapped.0) })
    }

    /// What attributes and media refuse.
    fn check_attributes(
        &mut self, place: Place, attributes: u32, granted: AccessMask, create: &Create,
    ) -> NtResult<()> {
        let directory = attributes & attribute::DIRECTORY != 0;
        let maximum = create.desired.intersects(AccessMask::MAXIMUM_ALLOWED);
        if attributes & attribute::READ_ONLY != 0 && !directory {
            let writes = granted.intersects(AccessMask(rights::WRITE_DATA.0 | rights::APPEND_DATA.0));
            if writes && !maximum || create.disposition.empties() {
                return Err(NtStatus::ACCESS_DENIED.into());
            }
            if create.has(option::DELETE_ON_CLOSE) {
                return Err(NtStatus::CANNOT_DELETE.into());
            }
        }
        if create.disposition.empties() {
            // What is hidden or the system's must be asked for as such.
            let kept = attributes & (attribute::HIDDEN | attribute::SYSTEM);
            if kept & !create.attributes != 0 {
                return Err(NtStatus::ACCESS_DENIED.into());
            }
        }
        let mount = self.node(place)?.is_mount || place.node == Volume::ROOT;
        if create.has(option::DELETE_ON_CLOSE) && mount {
            return Err(NtStatus::CANNOT_DELETE.into());
        }
        let changes = granted.0 & CHANGES != 0 && !maximum || create.disposition.empties();
        if changes {
            self.check_writable(place)?;
        }
        Ok(())
    }

    fn replace_attributes(&mut self, place: Place, create: &Create) -> NtResult<()> {
        let attributes = create.attributes & attribute::SETTABLE | attribute::ARCHIVE;
        if self.host_path(place).is_none() {
            let node = self.node_mut(place)?;
            node.attributes = attributes;
        }
        if create.allocation > 0 {
            self.set_allocation(place, create.allocation)?;
        }
        Ok(())
    }

    /// Makes a file or directory.
    fn open_new_node(
        &mut self, parent: Place, last: &[u16], path: &FilePath, name: &NameToOpen, create: &Create,
    ) -> NtResult<(Place, AccessMask, Done)> {
        if !create.disposition.makes() {
            return Err(NtStatus::OBJECT_NAME_NOT_FOUND.into());
        }
        let directory = create.has(option::DIRECTORY);
        if path.directory && !directory {
            return Err(NtStatus::OBJECT_NAME_INVALID.into());
        }
        if self.node(parent)?.delete_pending {
            return Err(NtStatus::DELETE_PENDING.into());
        }
        self.check_writable(parent)?;
        self.grant_node(parent, if directory { rights::ADD_SUBDIRECTORY } else { rights::ADD_FILE })?;
        if create.attributes & attribute::READ_ONLY != 0 && create.has(option::DELETE_ON_CLOSE) && !directory {
            return Err(NtStatus::CANNOT_DELETE.into());
        }
        let granted = self.grant_new(ObjectType::File, create.desired)?;
        if granted.0 == 0 {
            return Err(NtStatus::ACCESS_DENIED.into());
        }
        let archive = if directory { 0 } else { attribute::ARCHIVE };
        let kind = if directory { Kind::Directory(BTreeMap::new()) } else { Kind::File(Data::default()) };
        let mut node = Node::new(kind, create.attributes & attribute::SETTABLE | archive, self.file_time());
        node.security = self.inherit(parent, directory, name.security.as_ref())?;
        let place = self.make(parent, last, node)?;
        if create.allocation > 0
            && !directory
            && let Err(full) = self.set_allocation(place, create.allocation)
        {
            self.remove_node(place)?;
            return Err(full.into());
        }
        Ok((place, granted, Done::Created))
    }

    /// The descriptor of a new file.
    fn inherit(
        &self, parent: Place, container: bool, explicit: Option<&SecurityDescriptor>,
    ) -> NtResult<Option<Arc<SecurityDescriptor>>> {
        let directory = self.node(parent)?;
        if directory.folder.is_some() {
            return Ok(None);
        }
        let mapping =
            self.kernel.ob.type_info(ObjectType::File).map(|info| info.mapping).ok_or(NtStatus::INVALID_PARAMETER)?;
        let security = directory.security.clone();
        let assign = Assign {
            parent: security.as_deref(),
            explicit,
            container,
            auto_inherit: true,
            ..Assign::new(self.subject()?.effective(), &mapping)
        };
        Ok(Some(Arc::new(assign_security(&assign)?)))
    }

    /// Makes the file object of a file that is found or made.
    fn finish_open(
        &mut self, place: Place, granted: AccessMask, done: Done, full: Name, name: &NameToOpen, create: &Create,
    ) -> NtResult<(Handle, Done)> {
        let share = OpenShare::new(granted, create.share);
        let device = self.kernel.io.devices.get(place.volume as usize).copied();
        let security = self.node(place)?.security.clone();
        let file = FileObject {
            name: full,
            device,
            options: create.options,
            share,
            delete_on_close: create.has(option::DELETE_ON_CLOSE),
            changed: done != Done::Opened,
            ..FileObject::new(Target::Node(place))
        };
        self.node_mut(place)?.opens.add(share);
        let opened = self.file_handle(file, granted, name.attributes);
        if let Ok((_, object)) = opened
            && let Some(header) = self.kernel.ob.get_mut(object)
        {
            header.security = security;
        }
        // Where there is no room for a handle, the file object goes, and takes its open along.
        Ok((opened?.0, done))
    }
}
