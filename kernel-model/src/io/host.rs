//! The host's folders that are mounted, as the executive asks for them. Somebody outside gives the answers; nothing here
//! touches the host.

use guest::NtStatus;

/// Times of a file, in 100 ns units since 1601.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Times {
    /// It was created.
    pub created: u64,
    /// It was last read.
    pub accessed: u64,
    /// Its data were last written.
    pub written: u64,
    /// Anything of it was last changed.
    pub changed: u64,
}

/// What the host knows of a file or folder.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct HostEntry {
    /// Its name as the host spells it.
    pub name: String,
    /// It is a folder.
    pub directory: bool,
    /// Bytes in it.
    pub size: u64,
    /// Bytes the host gave it.
    pub allocated: u64,
    /// Times.
    pub times: Times,
    /// It cannot be written.
    pub read_only: bool,
    /// Tells it from every other file of the folder, however it is called.
    pub id: u64,
}

/// A file or folder below a mounted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPath {
    /// Which mounted folder.
    pub folder: u32,
    /// Names with `/` between them, as the host spells them; empty: the folder itself.
    pub path: String,
    /// The file that was meant when it was opened, by [`HostEntry::id`]; 0: whatever is there.
    pub id: u64,
}

impl HostPath {
    /// Something in this folder.
    pub fn join(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_string() } else { format!("{}/{name}", self.path) };
        Self { folder: self.folder, path, id: 0 }
    }
}

/// The mounted folders. No path leads out of its folder, whatever lies in there. A file that is no longer the one that
/// was opened gives `STATUS_FILE_INVALID`, a folder that has vanished `STATUS_FILE_INVALID` or
/// `STATUS_OBJECT_PATH_NOT_FOUND`; the host's refusals `STATUS_ACCESS_DENIED`, a full disk `STATUS_DISK_FULL`.
pub trait HostFolders: std::fmt::Debug {
    /// Whether anything in a mounted folder may be changed.
    fn is_writable(&self, folder: u32) -> bool;
    /// What a folder has under a name, in this spelling or, if there is none, in another.
    ///
    /// `STATUS_OBJECT_NAME_NOT_FOUND`.
    fn look_up(&mut self, at: &HostPath, name: &str) -> Result<HostEntry, NtStatus>;
    /// What is known of a file.
    fn stat(&mut self, at: &HostPath) -> Result<HostEntry, NtStatus>;
    /// What is in a folder and can have a name for the guest, in any order.
    fn list(&mut self, at: &HostPath) -> Result<Vec<HostEntry>, NtStatus>;
    /// Reads; how many bytes there were.
    fn read(&mut self, at: &HostPath, offset: u64, buf: &mut [u8]) -> Result<usize, NtStatus>;
    /// Writes all of it.
    fn write(&mut self, at: &HostPath, offset: u64, bytes: &[u8]) -> Result<(), NtStatus>;
    /// Makes a file or folder that is not there yet.
    fn create(&mut self, at: &HostPath, directory: bool) -> Result<HostEntry, NtStatus>;
    /// Cuts a file or fills it up with zeros.
    fn set_size(&mut self, at: &HostPath, size: u64) -> Result<(), NtStatus>;
    /// Removes a file or an empty folder.
    fn remove(&mut self, at: &HostPath, directory: bool) -> Result<(), NtStatus>;
    /// Gives a file another place in the same mounted folder, where nothing is.
    fn rename(&mut self, from: &HostPath, to: &HostPath) -> Result<(), NtStatus>;
    /// Sets the times that a host lets set: of access and of writing. 0 leaves one as it is.
    fn set_times(&mut self, at: &HostPath, accessed: u64, written: u64) -> Result<(), NtStatus>;
    /// Sets or takes the right to write.
    fn set_read_only(&mut self, at: &HostPath, read_only: bool) -> Result<(), NtStatus>;
    /// Has the host write a file to its disk.
    fn flush(&mut self, at: &HostPath) -> Result<(), NtStatus>;
    /// Bytes of the host's disk, in all and free.
    fn space(&mut self, folder: u32) -> Result<(u64, u64), NtStatus>;
}
