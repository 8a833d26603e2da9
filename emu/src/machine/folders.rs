//! The host's folders: how a machine gets them, and how services reach what is in them. No path leads out of a folder:
//! every one is resolved by cap-std from the folder's own handle, so that neither `..` nor a link, nor one that appears
//! meanwhile, can.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata, OpenOptions};
use guest::NtStatus;
use kernel_model::Kernel;
use kernel_model::io::{HostEntry, HostFolders, HostPath, Mount, Times, is_dos_special, is_legal, key, name_of};

use super::{Config, MachineError};
use crate::cpu::Ram;
use crate::loader::{self, Modules, Program, SYSTEM_FOLDER, TABLES_FOLDER, base_name, read_file};
use crate::root::WineFolders;

/// A folder of the host's that the guest sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedFolder {
    /// Where the guest sees it.
    pub mount: Mount,
    /// The folder.
    pub host: PathBuf,
    /// Whether the guest may change what is in it.
    pub writable: bool,
}

/// Mounts the folders, and puts the program's image where its path says.
pub(super) fn set_up(
    kernel: &mut Kernel, ram: &mut Ram, config: &Config, modules: &Modules,
) -> Result<(), MachineError> {
    kernel.set_disk(config.disk);
    loader::builtin::place_files(kernel)?;
    let (Program::Pe(image) | Program::Raw(_, image)) = &config.process.program;
    if let Some(program) = modules.program()
        && let Err(status) = kernel.place_file(&program.path, image)
        && status != NtStatus::OBJECT_NAME_INVALID
    {
        return Err(MachineError::Folder {
            folder: program.path.clone(),
            why: format!("does not fit on C: ({status})"),
        });
    }
    place_neighbours(kernel, config, |_| false)?;
    ram.folders = open_folders(kernel, &config.folders)?;
    Ok(())
}

/// Mounts the folders and those of a root, and puts the program where the root's loader finds it.
pub(super) fn set_up_root(
    kernel: &mut Kernel, ram: &mut Ram, config: &Config, root: &WineFolders,
) -> Result<(), MachineError> {
    kernel.set_disk(config.disk);
    let (Program::Pe(image) | Program::Raw(_, image)) = &config.process.program;
    let path = format!("C:\\{}", base_name(&config.process.name));
    let failed = |folder: &Path, why: String| MachineError::Folder { folder: folder.display().to_string(), why };
    kernel
        .place_file(&path, image)
        .map_err(|status| failed(Path::new(&path), format!("does not fit on C: ({status})")))?;
    place_neighbours(kernel, config, |name| root.dlls.join(name.to_ascii_lowercase()).is_file())?;
    let mut folders = mount_all(kernel, &config.folders)?;
    for (host, guest) in [(&root.dlls, SYSTEM_FOLDER), (&root.nls, TABLES_FOLDER)] {
        let dir = open_folder(host).map_err(|error| failed(host, error.to_string()))?;
        let mount = Mount { drive: 'C', path: guest.iter().map(ToString::to_string).collect() };
        kernel
            .mount_over(&mount, folders.len() as u32)
            .map_err(|status| failed(host, format!("cannot be mounted: {status}")))?;
        folders.push(Folder { dir, writable: false });
    }
    ram.folders = Some(Box::new(Folders { folders }));
    Ok(())
}

/// Puts the DLLs that lie beside the program beside it on C: too: it may load them at any time.
fn place_neighbours(kernel: &mut Kernel, config: &Config, is_own: impl Fn(&str) -> bool) -> Result<(), MachineError> {
    const MOST: usize = 256;
    let Some(folder) = &config.process.dll_folder else { return Ok(()) };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(String, PathBuf)> = entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.to_string(), entry.path())))
        .filter(|(name, path)| name.to_ascii_lowercase().ends_with(".dll") && !is_own(name) && path.is_file())
        .collect();
    // The folder's own order is the host's.
    found.sort();
    for (name, path) in found.into_iter().take(MOST) {
        let placed = kernel.place_file(&format!("C:\\{name}"), &read_file(&path)?);
        placed.map_err(|status| MachineError::Folder {
            folder: path.display().to_string(),
            why: format!("does not fit on C: ({status})"),
        })?;
    }
    Ok(())
}

/// Opens folders of the host's and mounts them in a kernel; `None`: there are none.
pub fn open_folders(
    kernel: &mut Kernel, mapped: &[MappedFolder],
) -> Result<Option<Box<dyn HostFolders>>, MachineError> {
    let folders = mount_all(kernel, mapped)?;
    if folders.is_empty() {
        return Ok(None);
    }
    Ok(Some(Box::new(Folders { folders })))
}

fn mount_all(kernel: &mut Kernel, mapped: &[MappedFolder]) -> Result<Vec<Folder>, MachineError> {
    let mut folders = Vec::new();
    for (index, mapped) in mapped.iter().enumerate() {
        let failed = |why: String| MachineError::Folder { folder: mapped.host.display().to_string(), why };
        let dir = open_folder(&mapped.host).map_err(|error| failed(error.to_string()))?;
        kernel
            .mount(&mapped.mount, index as u32)
            .map_err(|status| failed(format!("cannot be mounted there: {status}")))?;
        folders.push(Folder { dir, writable: mapped.writable });
    }
    Ok(folders)
}

/// The bytes of a file that the guest has in a mounted folder, by its path there.
pub(super) fn bytes(mapped: &MappedFolder, path: &str) -> Option<Vec<u8>> {
    let Mount { drive, path: parts } = &mapped.mount;
    let root = parts.iter().fold(format!("{drive}:"), |root, part| format!("{root}\\{part}"));
    let rest = path.strip_prefix(&root)?.strip_prefix('\\')?;
    open_folder(&mapped.host).ok()?.read(rest.replace('\\', "/")).ok()
}

fn open_folder(path: &Path) -> io::Result<Dir> {
    Dir::open_ambient_dir(path, ambient_authority())
}

/// One folder.
#[derive(Debug)]
struct Folder {
    dir: Dir,
    writable: bool,
}

/// Every one.
#[derive(Debug)]
struct Folders {
    folders: Vec<Folder>,
}

/// Seconds from 1601 to 1970.
const EPOCH: u64 = 11_644_473_600;
/// 100 ns units in a second.
const SECOND: u64 = 10_000_000;

fn nt_time(time: SystemTime) -> u64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (EPOCH + since.as_secs()) * SECOND + u64::from(since.subsec_nanos() / 100),
        Err(before) => (EPOCH * SECOND).saturating_sub(before.duration().as_nanos() as u64 / 100),
    }
}

fn host_time(time: u64) -> SystemTime {
    let since = time.saturating_sub(EPOCH * SECOND);
    UNIX_EPOCH + Duration::new(since / SECOND, (since % SECOND) as u32 * 100)
}

/// What the host's refusals are to the guest.
fn status_of(error: &io::Error) -> NtStatus {
    match error.kind() {
        io::ErrorKind::NotFound => NtStatus::OBJECT_NAME_NOT_FOUND,
        io::ErrorKind::PermissionDenied => NtStatus::ACCESS_DENIED,
        io::ErrorKind::AlreadyExists => NtStatus::OBJECT_NAME_COLLISION,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => NtStatus::DISK_FULL,
        io::ErrorKind::ReadOnlyFilesystem => NtStatus::MEDIA_WRITE_PROTECTED,
        io::ErrorKind::DirectoryNotEmpty => NtStatus::DIRECTORY_NOT_EMPTY,
        io::ErrorKind::NotADirectory => NtStatus::OBJECT_PATH_NOT_FOUND,
        io::ErrorKind::IsADirectory => NtStatus::FILE_IS_A_DIRECTORY,
        io::ErrorKind::InvalidFilename => NtStatus::OBJECT_NAME_INVALID,
        io::ErrorKind::ResourceBusy => NtStatus::SHARING_VIOLATION,
        _ => NtStatus::UNEXPECTED_IO_ERROR,
    }
}

#[cfg(unix)]
fn number(metadata: &Metadata) -> (u64, u64) {
    use cap_std::fs::MetadataExt;
    (metadata.ino(), metadata.blocks().saturating_mul(512))
}

#[cfg(not(unix))]
fn number(metadata: &Metadata) -> (u64, u64) {
    (0, metadata.len())
}

/// A host's entry as the guest can know it. Pipes, sockets and devices are none.
fn entry(name: &str, metadata: &Metadata) -> Option<HostEntry> {
    let directory = metadata.is_dir();
    if !directory && !metadata.is_file() {
        return None;
    }
    let time = |time: io::Result<cap_std::time::SystemTime>| time.ok().map(|time| nt_time(time.into_std()));
    let written = time(metadata.modified()).unwrap_or(0);
    let times = Times {
        created: time(metadata.created()).unwrap_or(written),
        accessed: time(metadata.accessed()).unwrap_or(written),
        written,
        changed: written,
    };
    let (id, allocated) = number(metadata);
    let read_only = metadata.permissions().readonly();
    Some(HostEntry { name: name.to_string(), directory, size: metadata.len(), allocated, times, read_only, id })
}

/// Whether the guest can see a file that the host calls so.
fn is_visible(name: &str) -> bool {
    let name = name_of(name);
    is_legal(&name) && !is_dos_special(&name)
}

/// The path for cap-std: the folder itself is `.`.
fn relative(path: &str) -> &Path {
    Path::new(if path.is_empty() { "." } else { path })
}

impl Folder {
    fn metadata(&self, path: &str) -> io::Result<Metadata> {
        if path.is_empty() { self.dir.dir_metadata() } else { self.dir.metadata(path) }
    }

    /// What is at a path, if it is still what was meant.
    fn stat(&self, at: &HostPath) -> Result<HostEntry, NtStatus> {
        let gone = |status| if at.id != 0 || at.path.is_empty() { NtStatus::FILE_INVALID } else { status };
        let metadata = self.metadata(&at.path).map_err(|error| gone(status_of(&error)))?;
        let name = at.path.rsplit('/').next().unwrap_or_default();
        let entry = entry(name, &metadata).ok_or(gone(NtStatus::OBJECT_NAME_NOT_FOUND))?;
        if at.id == 0 || entry.id == at.id { Ok(entry) } else { Err(NtStatus::FILE_INVALID) }
    }

    /// Opens a file, if it is still what was meant. A pipe that has taken its place does not make anybody wait.
    fn open(&self, at: &HostPath, write: bool) -> Result<File, NtStatus> {
        let mut options = OpenOptions::new();
        options.read(!write).write(write);
        #[cfg(unix)]
        {
            use cap_std::fs::OpenOptionsExt;
            options.custom_flags(libc::O_NONBLOCK);
        }
        let failed = |error: io::Error| match status_of(&error) {
            NtStatus::OBJECT_NAME_NOT_FOUND if at.id != 0 => NtStatus::FILE_INVALID,
            status => status,
        };
        let file = self.dir.open_with(relative(&at.path), &options).map_err(failed)?;
        let metadata = file.metadata().map_err(|error| status_of(&error))?;
        let same = metadata.is_file() && (at.id == 0 || number(&metadata).0 == at.id);
        if same { Ok(file) } else { Err(NtStatus::FILE_INVALID) }
    }

    fn list(&self, path: &str) -> Result<Vec<HostEntry>, NtStatus> {
        self.list_those(path, |_| true)
    }

    /// The entries with such names. The host is asked about those alone.
    fn list_those(&self, path: &str, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<HostEntry>, NtStatus> {
        let entries = self.dir.read_dir(relative(path)).map_err(|error| match status_of(&error) {
            NtStatus::OBJECT_NAME_NOT_FOUND => NtStatus::FILE_INVALID,
            status => status,
        })?;
        let mut found = Vec::new();
        for item in entries {
            let Ok(item) = item else { continue };
            let name = item.file_name();
            let Some(name) = name.to_str().filter(|name| is_wanted(name) && is_visible(name)) else { continue };
            let whole = if path.is_empty() { name.to_string() } else { format!("{path}/{name}") };
            // What a link leads to, where that is in the folder.
            found.extend(self.metadata(&whole).ok().and_then(|metadata| entry(name, &metadata)));
        }
        Ok(found)
    }

    fn is_empty(&self, path: &str) -> Result<bool, NtStatus> {
        let mut entries = self.dir.read_dir(relative(path)).map_err(|error| status_of(&error))?;
        Ok(entries.next().is_none())
    }

    fn set_times(&self, at: &HostPath, accessed: u64, written: u64) -> io::Result<()> {
        let mut times = std::fs::FileTimes::new();
        if accessed != 0 {
            times = times.set_accessed(host_time(accessed));
        }
        if written != 0 {
            times = times.set_modified(host_time(written));
        }
        let file = match self.metadata(&at.path)?.is_dir() {
            true => self.dir.open_dir(relative(&at.path))?.into_std_file(),
            false => self.dir.open(relative(&at.path))?.into_std(),
        };
        file.set_times(times)
    }
}

fn done(result: io::Result<()>) -> Result<(), NtStatus> {
    result.map_err(|error| status_of(&error))
}

impl Folders {
    fn folder(&self, index: u32) -> Result<&Folder, NtStatus> {
        self.folders.get(index as usize).ok_or(NtStatus::NO_SUCH_DEVICE)
    }

    /// The folder of a path, for what changes it.
    fn writable(&self, at: &HostPath) -> Result<&Folder, NtStatus> {
        let folder = self.folder(at.folder)?;
        if folder.writable { Ok(folder) } else { Err(NtStatus::MEDIA_WRITE_PROTECTED) }
    }
}

impl HostFolders for Folders {
    fn is_writable(&self, folder: u32) -> bool {
        self.folder(folder).is_ok_and(|folder| folder.writable)
    }

    fn look_up(&mut self, at: &HostPath, name: &str) -> Result<HostEntry, NtStatus> {
        let folder = self.folder(at.folder)?;
        if !is_visible(name) {
            return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
        }
        match folder.stat(&at.join(name)) {
            Err(NtStatus::OBJECT_NAME_NOT_FOUND | NtStatus::ACCESS_DENIED) => {}
            found => return found,
        }
        let wanted = key(&name_of(name));
        let same = |name: &str| key(&name_of(name)) == wanted;
        let list = folder.list_those(&at.path, same).map_err(|status| match status {
            NtStatus::FILE_INVALID => NtStatus::OBJECT_PATH_NOT_FOUND,
            status => status,
        })?;
        list.into_iter().min_by(|a, b| a.name.cmp(&b.name)).ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)
    }

    fn stat(&mut self, at: &HostPath) -> Result<HostEntry, NtStatus> {
        self.folder(at.folder)?.stat(at)
    }

    fn list(&mut self, at: &HostPath) -> Result<Vec<HostEntry>, NtStatus> {
        let folder = self.folder(at.folder)?;
        folder.stat(at)?;
        folder.list(&at.path)
    }

    fn read(&mut self, at: &HostPath, offset: u64, buf: &mut [u8]) -> Result<usize, NtStatus> {
        let mut file = self.folder(at.folder)?.open(at, false)?;
        let mut read = || -> io::Result<usize> {
            file.seek(SeekFrom::Start(offset))?;
            let mut got = 0;
            while let Some(rest) = buf.get_mut(got..).filter(|rest| !rest.is_empty()) {
                match file.read(rest) {
                    Ok(0) => break,
                    Ok(n) => got += n,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(got)
        };
        read().map_err(|error| status_of(&error))
    }

    fn write(&mut self, at: &HostPath, offset: u64, bytes: &[u8]) -> Result<(), NtStatus> {
        let mut file = self.writable(at)?.open(at, true)?;
        done(file.seek(SeekFrom::Start(offset)).and_then(|_| file.write_all(bytes)))
    }

    fn create(&mut self, at: &HostPath, directory: bool) -> Result<HostEntry, NtStatus> {
        let folder = self.writable(at)?;
        if !is_visible(at.path.rsplit('/').next().unwrap_or_default()) {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let made = match directory {
            true => folder.dir.create_dir(&at.path),
            false => folder.dir.open_with(&at.path, &options).map(drop),
        };
        made.map_err(|error| match status_of(&error) {
            NtStatus::OBJECT_NAME_NOT_FOUND => NtStatus::OBJECT_PATH_NOT_FOUND,
            status => status,
        })?;
        folder.stat(at)
    }

    fn set_size(&mut self, at: &HostPath, size: u64) -> Result<(), NtStatus> {
        done(self.writable(at)?.open(at, true)?.set_len(size))
    }

    fn remove(&mut self, at: &HostPath, directory: bool) -> Result<(), NtStatus> {
        let folder = self.writable(at)?;
        folder.stat(at)?;
        if directory && !folder.is_empty(&at.path)? {
            return Err(NtStatus::DIRECTORY_NOT_EMPTY);
        }
        done(if directory { folder.dir.remove_dir(&at.path) } else { folder.dir.remove_file(&at.path) })
    }

    fn rename(&mut self, from: &HostPath, to: &HostPath) -> Result<(), NtStatus> {
        let folder = self.writable(from)?;
        folder.stat(from)?;
        let taken = folder.dir.symlink_metadata(&to.path).is_ok();
        // Another spelling of the same name may be there: it is the file itself.
        if taken && folder.stat(&HostPath { id: 0, ..to.clone() }).map_or(0, |entry| entry.id) != from.id {
            return Err(NtStatus::OBJECT_NAME_COLLISION);
        }
        done(folder.dir.rename(&from.path, &folder.dir, &to.path))
    }

    fn set_times(&mut self, at: &HostPath, accessed: u64, written: u64) -> Result<(), NtStatus> {
        let folder = self.writable(at)?;
        folder.stat(at)?;
        if accessed == 0 && written == 0 {
            return Ok(());
        }
        done(folder.set_times(at, accessed, written))
    }

    fn set_read_only(&mut self, at: &HostPath, read_only: bool) -> Result<(), NtStatus> {
        let folder = self.writable(at)?;
        folder.stat(at)?;
        let change = || -> io::Result<()> {
            let mut permissions = folder.metadata(&at.path)?.permissions();
            if permissions.readonly() == read_only {
                return Ok(());
            }
            #[cfg(unix)]
            {
                use cap_std::fs::PermissionsExt;
                let mode = permissions.mode();
                // The owner's right comes back; those of others do not.
                permissions.set_mode(if read_only { mode & !0o222 } else { mode | 0o200 });
            }
            #[cfg(not(unix))]
            permissions.set_readonly(read_only);
            folder.dir.set_permissions(&at.path, permissions)
        };
        done(change())
    }

    fn flush(&mut self, at: &HostPath) -> Result<(), NtStatus> {
        done(self.writable(at)?.open(at, true)?.sync_all())
    }

    #[cfg(unix)]
    fn space(&mut self, folder: u32) -> Result<(u64, u64), NtStatus> {
        let folder = self.folder(folder)?;
        let space = rustix::fs::fstatvfs(&folder.dir).map_err(|error| status_of(&error.into()))?;
        Ok((space.f_blocks.saturating_mul(space.f_frsize), space.f_bavail.saturating_mul(space.f_frsize)))
    }

    #[cfg(not(unix))]
    fn space(&mut self, _: u32) -> Result<(u64, u64), NtStatus> {
        Err(NtStatus::INVALID_DEVICE_REQUEST)
    }
}
