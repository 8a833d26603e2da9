//! What is on the volumes when the machine starts: Windows' folders, the program itself, and the host's folders that are
//! mounted.

use std::collections::BTreeMap;
use std::sync::Arc;

use guest::{Arch, NtStatus};

use crate::body::Body;
use crate::io::{DEFAULT_DISK, Data, Device, Kind, Mount, Node, NodeId, Place, Volume, attribute, is_legal, name_of};
use crate::kernel::Kernel;
use crate::se::SecurityDescriptor;

/// Who may do what in the root of a volume: users may change what they like, but not whose it is. (On Windows they may
/// make folders there, and no files; here a program's current directory is the root.)
const ROOT: &str = "O:BAG:SYD:(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1301bf;;;AU)(A;OICI;0x1200a9;;;BU)";
/// Windows' own folders: users may read.
const SYSTEM: &str = "O:BAG:SYD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)";
/// The folder for temporary files: users may make them.
const TEMPORARY: &str = "O:BAG:SYD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1301bf;;;BU)(A;OICIIO;FA;;;CO)";

/// What C: has on every build, parents first: the path, and a descriptor where it does not have that above it.
const FOLDERS: &[(&str, &str)] = &[
    ("Windows", SYSTEM),
    ("Windows\\System32", ""),
    ("Windows\\System32\\drivers", ""),
    ("Windows\\System32\\drivers\\etc", ""),
    ("Windows\\Temp", TEMPORARY),
    ("Windows\\Fonts", ""),
    ("Program Files", SYSTEM),
    ("Program Files\\Common Files", ""),
];
/// The same on 64-bit ones.
const FOLDERS_64: &[(&str, &str)] =
    &[("Windows\\SysWOW64", ""), ("Program Files (x86)", SYSTEM), ("Program Files (x86)\\Common Files", "")];
/// Since Vista, and before.
const VISTA: u32 = 6000;
const USERS: &[(&str, &str)] = &[
    ("ProgramData", SYSTEM),
    ("Users", SYSTEM),
    ("Users\\Public", TEMPORARY),
    ("Users\\user", TEMPORARY),
    ("Users\\user\\AppData", ""),
    ("Users\\user\\AppData\\Local", ""),
    ("Users\\user\\AppData\\Local\\Temp", ""),
    ("Users\\user\\AppData\\LocalLow", ""),
    ("Users\\user\\AppData\\Roaming", ""),
    ("Users\\user\\Desktop", ""),
    ("Users\\user\\Documents", ""),
    ("Users\\user\\Downloads", ""),
];
const DOCUMENTS: &[(&str, &str)] = &[
    ("Documents and Settings", SYSTEM),
    ("Documents and Settings\\All Users", SYSTEM),
    ("Documents and Settings\\user", TEMPORARY),
    ("Documents and Settings\\user\\Application Data", ""),
    ("Documents and Settings\\user\\Local Settings", ""),
    ("Documents and Settings\\user\\Local Settings\\Temp", ""),
];

fn descriptor(sddl: &str) -> Option<Arc<SecurityDescriptor>> {
    SecurityDescriptor::from_sddl(sddl).ok().map(Arc::new)
}

impl Kernel {
    /// The time of what is there at boot.
    fn boot_time(&self) -> u64 {
        self.clock.system_time_at(0)
    }

    /// Makes C:, with Windows' folders in it.
    pub(crate) fn boot_files(&mut self) {
        let version = self.profile.version.2;
        let now = self.boot_time();
        let mut volume = Volume::new('C', "", DEFAULT_DISK, now);
        if let Some(root) = volume.node_mut(Volume::ROOT) {
            root.security = descriptor(ROOT);
        }
        let wide = if self.profile.arch == Arch::X64 { FOLDERS_64 } else { &[] };
        let people = if version >= VISTA { USERS } else { DOCUMENTS };
        let mut parsed = BTreeMap::new();
        for (path, sddl) in FOLDERS.iter().chain(wide).chain(people) {
            // Cannot be full: it has just been made.
            let Ok(id) = volume.make_directories(path, now) else { continue };
            let parent = volume.node(id).and_then(|node| node.parent).and_then(|parent| volume.node(parent));
            let inherited = parent.and_then(|parent| parent.security.clone());
            let own = parsed.entry(*sddl).or_insert_with(|| descriptor(sddl)).clone();
            if let Some(node) = volume.node_mut(id) {
                node.security = if sddl.is_empty() { inherited } else { own };
            }
        }
        self.io.volumes.push(volume);
        self.io.devices.extend(self.ob.find("\\Device\\HarddiskVolume1"));
    }

    /// Sets how much C: holds.
    pub fn set_disk(&mut self, bytes: u64) {
        if let Some(volume) = self.io.volumes.first_mut() {
            volume.capacity = bytes;
        }
    }

    /// Puts a file on C: before anything runs: `C:\folder\name`.
    ///
    /// `STATUS_OBJECT_NAME_INVALID`, `STATUS_DISK_FULL`.
    pub fn place_file(&mut self, path: &str, bytes: &[u8]) -> Result<(), NtStatus> {
        self.place_data(path, Data::new(bytes))
    }

    fn place_data(&mut self, path: &str, data: Data) -> Result<(), NtStatus> {
        let now = self.boot_time();
        let path = path.strip_prefix("C:\\").ok_or(NtStatus::OBJECT_NAME_INVALID)?;
        let (folder, name) = path.rsplit_once('\\').unwrap_or(("", path));
        let name = name_of(name);
        if !is_legal(&name) {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
        let volume = self.io.volume_mut(0)?;
        let folder = volume.make_directories(folder, now)?;
        let mut node = Node::new(Kind::File(data), attribute::ARCHIVE, now);
        node.security = volume.node(folder).and_then(|node| node.security.clone());
        match volume.child(folder, &name) {
            Some(_) => Ok(()),
            None => volume.add(folder, &name, node).map(|_| ()),
        }
    }

    /// The same for a file of Windows' own: C: is as much larger.
    ///
    /// As [`Kernel::place_file`].
    pub fn place_system_file(&mut self, path: &str, data: Data) -> Result<(), NtStatus> {
        let before = self.io.volume(0)?.used;
        let capacity = self.io.volume(0)?.capacity;
        self.io.volume_mut(0)?.capacity = u64::MAX;
        let placed = self.place_data(path, data);
        let volume = self.io.volume_mut(0)?;
        volume.capacity = capacity.saturating_add(volume.used.saturating_sub(before));
        placed
    }

    /// Mounts a folder of the host's, by its number among them.
    ///
    /// `STATUS_OBJECT_NAME_COLLISION` where something is that is no empty folder.
    pub fn mount(&mut self, mount: &Mount, folder: u32) -> Result<(), NtStatus> {
        let (index, id) = self.mount_point(mount)?;
        if self.io.volume(index)?.children(id).is_none_or(|children| !children.is_empty()) {
            return Err(NtStatus::OBJECT_NAME_COLLISION);
        }
        self.mount_over(mount, folder)
    }

    /// The folder that a mount names, made if it is not there.
    fn mount_point(&mut self, mount: &Mount) -> Result<(u32, NodeId), NtStatus> {
        let now = self.boot_time();
        let index = self.volume_of(mount.drive)?;
        Ok((index, self.io.volume_mut(index)?.make_directories(&mount.path.join("\\"), now)?))
    }

    /// The same where something may be already, which stays and comes first.
    ///
    /// `STATUS_OBJECT_NAME_COLLISION` where another is mounted.
    pub fn mount_over(&mut self, mount: &Mount, folder: u32) -> Result<(), NtStatus> {
        let (index, id) = self.mount_point(mount)?;
        let volume = self.io.volume_mut(index)?;
        let node = volume.node_mut(id).ok_or(NtStatus::OBJECT_NAME_COLLISION)?;
        if node.folder.is_some() {
            return Err(NtStatus::OBJECT_NAME_COLLISION);
        }
        (node.folder, node.is_mount, node.security) = (Some(folder), true, None);
        Ok(())
    }

    /// The volume of a drive; a new one if there is none, with its device and its link.
    fn volume_of(&mut self, drive: char) -> Result<u32, NtStatus> {
        if let Some(at) = self.io.volumes.iter().position(|volume| volume.letter == drive) {
            return Ok(at as u32);
        }
        let index = self.io.volumes.len();
        let device_path = format!("\\Device\\HarddiskVolume{}", index + 1);
        let device = self.ob.create_at(&device_path, Body::Device(Device::Volume(index as u32)));
        let links = ["\\GLOBAL??", "\\??"].into_iter().find(|path| self.ob.find(path).is_some());
        let link = Body::SymbolicLink(device_path.encode_utf16().collect());
        let linked = links.and_then(|links| self.ob.create_at(&format!("{links}\\{drive}:"), link));
        let (Some(device), Some(_)) = (device, linked) else { return Err(NtStatus::OBJECT_NAME_COLLISION) };
        let mut volume = Volume::new(drive, "", DEFAULT_DISK, self.boot_time());
        if let Some(root) = volume.node_mut(Volume::ROOT) {
            root.security = descriptor(ROOT);
        }
        self.io.volumes.push(volume);
        self.io.devices.push(device);
        Ok(index as u32)
    }

    /// A file's place by its full path (`C:\folder\name`), for whoever looks at a machine. Only what is in memory.
    pub fn file_at(&self, path: &str) -> Option<Place> {
        let mount = path.split_once(":\\")?;
        let letter = mount.0.chars().next()?.to_ascii_uppercase();
        let volume = self.io.volumes.iter().position(|volume| volume.letter == letter)?;
        let found = self.io.volumes.get(volume)?;
        let parts = mount.1.split('\\').filter(|part| !part.is_empty());
        let node = parts.into_iter().try_fold(Volume::ROOT, |at, part| found.child(at, &name_of(part)))?;
        Some(Place { volume: volume as u32, node })
    }

    /// A file's bytes, where they are in memory.
    pub fn file_bytes(&self, place: Place) -> Option<Vec<u8>> {
        match &self.io.volume(place.volume).ok()?.node(place.node)?.kind {
            Kind::File(data) => Some(data.bytes()),
            Kind::Directory(_) => None,
        }
    }
}
