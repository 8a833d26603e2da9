//! Files under sections: a file's bytes that are mapped are in the section's pages, and go back to the file. Reading,
//! writing and cutting the file keep both the same.

use guest::mem::PAGE_SIZE;
use guest::{AccessMask, Handle, NtStatus};

use super::file::Target;
use super::name::{FilePath, name_of};
use super::share::OpenShare;
use super::volume::{NodeId, Place, Volume};
use crate::cx::{Cx, Outside};
use crate::kernel::Kernel;
use crate::mm::{FileKey, SegmentId};
use crate::service::NtResult;

/// The longest file that is read as an image. Source: `guest::pe` maps no image larger than this.
const LONGEST_IMAGE: u64 = 0x2000_0000;

/// Pages that are written back at a time.
const STEP: usize = 16;

fn key(place: Place) -> FileKey {
    FileKey { volume: place.volume, node: place.node.0 }
}

fn place(key: FileKey) -> Place {
    Place { volume: key.volume, node: NodeId(key.node) }
}

impl Cx<'_> {
    /// The file that a section is to be over, and its length. Any of the rights will do.
    ///
    /// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`,
    /// `STATUS_INVALID_FILE_FOR_SECTION` for what is no file on a volume.
    pub(crate) fn file_for_section(&mut self, file: Handle, any: &[AccessMask]) -> NtResult<(FileKey, u64)> {
        let id = self.file_id(file, any)?;
        let Target::Node(place) = self.file(id)?.target else { return Err(NtStatus::INVALID_FILE_FOR_SECTION.into()) };
        if self.node(place)?.is_directory() {
            return Err(NtStatus::INVALID_FILE_FOR_SECTION.into());
        }
        Ok((key(place), self.stat(place)?.size))
    }

    /// All bytes of a file that is to be an image.
    ///
    /// `STATUS_INVALID_IMAGE_FORMAT` for what is too long to be one.
    pub(crate) fn file_for_image(&mut self, file: FileKey) -> NtResult<Vec<u8>> {
        let length = self.file_length(file)?;
        if length > LONGEST_IMAGE {
            return Err(NtStatus::INVALID_IMAGE_FORMAT.into());
        }
        let mut bytes = vec![0; length as usize];
        let got = self.read_node(place(file), 0, &mut bytes)?;
        bytes.truncate(got);
        Ok(bytes)
    }

    /// The path of a file as the object manager has it.
    pub(crate) fn path_of_file(&self, file: FileKey) -> String {
        let Ok(volume) = self.kernel.io.volume(file.volume) else { return String::new() };
        let path = String::from_utf16_lossy(&volume.path(NodeId(file.node)));
        format!("\\Device\\HarddiskVolume{}{path}", file.volume + 1)
    }

    /// The file at a path (`\folder\name`, of C: if no drive is named), for the kernel itself. Whoever asks uses it at once, or holds it.
    ///
    /// `STATUS_OBJECT_PATH_NOT_FOUND`, `STATUS_OBJECT_NAME_NOT_FOUND`.
    pub(crate) fn file_at(&mut self, path: &str) -> NtResult<FileKey> {
        let (drive, path) = path.split_once(':').unwrap_or(("C", path));
        let volume =
            self.kernel.io.volumes.iter().position(|v| drive.eq_ignore_ascii_case(v.letter.encode_utf8(&mut [0; 4])));
        let volume = volume.ok_or(NtStatus::OBJECT_PATH_NOT_FOUND)? as u32;
        let path = FilePath::parse(&name_of(path), false)?;
        let root = Place { volume, node: Volume::ROOT };
        let found = self.walk(root, &path)?.place.ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
        if self.node(found)?.is_directory() {
            return Err(NtStatus::FILE_IS_A_DIRECTORY.into());
        }
        Ok(key(found))
    }

    /// The length of a file.
    pub(crate) fn file_length(&mut self, file: FileKey) -> Result<u64, NtStatus> {
        Ok(self.stat(place(file))?.size)
    }

    /// Makes a file longer.
    ///
    /// `STATUS_DISK_FULL`, `STATUS_MEDIA_WRITE_PROTECTED`.
    pub(crate) fn extend_file(&mut self, file: FileKey, size: u64) -> Result<(), NtStatus> {
        self.check_writable(place(file))?;
        self.set_size(place(file), size)
    }

    /// A segment keeps its file from being forgotten.
    pub(crate) fn hold_file(&mut self, file: FileKey) {
        self.pin(place(file));
    }

    fn let_go(&mut self, file: FileKey) {
        let place = place(file);
        let Ok(node) = self.node_mut(place) else { return };
        node.opens.remove(OpenShare::default());
        if node.opens.is_empty() && node.delete_pending && self.remove_node(place).is_err() {
            // As when the last handle goes: what cannot be deleted stays.
            if let Ok(node) = self.node_mut(place) {
                node.delete_pending = false;
            }
        }
        self.forget(place);
    }

    /// Reads a file's bytes as they are where it is kept, without what views have changed.
    pub(crate) fn read_stored(&mut self, file: FileKey, offset: u64, buf: &mut [u8]) -> Result<usize, NtStatus> {
        self.read_kept(place(file), offset, buf)
    }

    /// Puts what is mapped of a file over bytes that were read of it.
    pub(super) fn overlay(&mut self, at: Place, offset: u64, buf: &mut [u8]) {
        let Some(segment) = self.kernel.mm.segments.data_of(key(at)) else { return };
        let Some(last) = (offset + buf.len() as u64).checked_sub(1).filter(|_| !buf.is_empty()) else { return };
        for (page, frame) in self.kernel.mm.data_pages(segment, offset / PAGE_SIZE, last / PAGE_SIZE) {
            let start = (page * PAGE_SIZE).max(offset);
            let end = ((page + 1) * PAGE_SIZE).min(last + 1);
            let to = buf.get_mut((start - offset) as usize..(end - offset) as usize).unwrap_or(&mut []);
            self.ram.read(frame, (start % PAGE_SIZE) as usize, to);
        }
    }

    /// A file was written: what is mapped of it has the bytes too.
    pub(super) fn show_written(&mut self, at: Place, offset: u64, bytes: &[u8]) {
        let Some(segment) = self.kernel.mm.segments.data_of(key(at)) else { return };
        let Some(last) = (offset + bytes.len() as u64).checked_sub(1).filter(|_| !bytes.is_empty()) else { return };
        for (page, frame) in self.kernel.mm.data_pages(segment, offset / PAGE_SIZE, last / PAGE_SIZE) {
            let start = (page * PAGE_SIZE).max(offset);
            let end = ((page + 1) * PAGE_SIZE).min(last + 1);
            let from = bytes.get((start - offset) as usize..(end - offset) as usize).unwrap_or(&[]);
            self.kernel.mm.write_frame(self.ram, frame, (start % PAGE_SIZE) as usize, from);
        }
    }

    /// Whether a file may be cut to a size: not where a view shows what would go.
    ///
    /// `STATUS_USER_MAPPED_FILE`.
    pub(super) fn check_cut(&mut self, at: Place, size: u64) -> Result<(), NtStatus> {
        let mapped = self.kernel.mm.segments.image_of(key(at)).is_some() || self.kernel.mm.is_mapped(key(at));
        if mapped && size < self.stat(at)?.size { Err(NtStatus::USER_MAPPED_FILE) } else { Ok(()) }
    }

    /// A file was cut: what its pages have behind the end is gone.
    pub(super) fn show_cut(&mut self, at: Place, size: u64) {
        let Some(segment) = self.kernel.mm.segments.data_of(key(at)) else { return };
        for (page, frame) in self.kernel.mm.data_pages(segment, size / PAGE_SIZE, u64::MAX / PAGE_SIZE) {
            let from = size.saturating_sub(page * PAGE_SIZE).min(PAGE_SIZE) as usize;
            let zeros = [0; PAGE_SIZE as usize];
            self.kernel.mm.write_frame(self.ram, frame, from, zeros.get(from..).unwrap_or(&[]));
        }
    }

    /// Whether a file may be deleted: not while a section is over its image, or a view shows it.
    pub(super) fn is_in_use(&self, at: Place) -> bool {
        self.kernel.mm.segments.image_of(key(at)).is_some() || self.kernel.mm.is_mapped(key(at))
    }

    /// Whether a section is over a file's image, which then cannot be opened for writing.
    pub(super) fn is_running_image(&self, at: Place) -> bool {
        self.kernel.mm.segments.image_of(key(at)).is_some()
    }

    /// Writes what views have changed of a file back to it.
    ///
    /// The file's statuses.
    pub(crate) fn write_back(&mut self, segment: SegmentId, file: FileKey) -> Result<(), NtStatus> {
        let at = place(file);
        let size = self.stat(at)?.size;
        let Some(last) = size.checked_sub(1) else { return Ok(()) };
        let mut changed = false;
        let pages = self.kernel.mm.data_pages(segment, 0, last / PAGE_SIZE);
        let (mut now, mut kept) = (vec![0; STEP * PAGE_SIZE as usize], vec![0; STEP * PAGE_SIZE as usize]);
        for run in pages.chunk_by(|(a, _), (b, _)| a + 1 == *b).flat_map(|run| run.chunks(STEP)) {
            let Some((first, _)) = run.first() else { continue };
            let start = first * PAGE_SIZE;
            let len = (size - start).min(run.len() as u64 * PAGE_SIZE) as usize;
            for ((_, frame), place) in run.iter().zip(now.chunks_mut(PAGE_SIZE as usize)) {
                self.ram.read(*frame, 0, place);
            }
            let (now, kept) = (now.get(..len).unwrap_or(&[]), kept.get_mut(..len).unwrap_or(&mut []));
            let got = self.read_kept(at, start, kept)?;
            if got != len || now != kept {
                self.write_kept(at, start, now)?;
                changed = true;
            }
        }
        if changed {
            self.written(at);
        }
        Ok(())
    }

    /// Writes back what is due, and lets go of files that no section is over any more.
    pub(crate) fn write_sections_back(&mut self) {
        for (segment, file) in self.kernel.mm.take_to_write() {
            // As on Windows, where this is done later: nobody can be told.
            let _ = self.write_back(segment, file);
            self.kernel.mm.written_back(segment);
        }
        for file in self.kernel.mm.take_left_files() {
            self.let_go(file);
        }
    }
}

impl Kernel {
    /// Writes everything back that views have changed: the machine stops.
    pub(crate) fn flush_sections(&mut self, outside: &mut dyn Outside) {
        for (segment, file) in self.mm.written_segments() {
            let _ = Cx { kernel: self, ram: outside }.write_back(segment, file);
        }
    }
}
