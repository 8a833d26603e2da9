//! Files as the kernel itself reads and writes them, whole: hives.

use guest::types::ObjectAttributes;
use guest::{Handle, NtStatus, UserPtr};

use super::create::{Create, Disposition, open};
use super::file::Target;
use super::rights::{READ_DATA, WRITE_DATA};
use super::volume::Place;
use crate::cx::Cx;
use crate::service::NtResult;

/// The longest file that is read whole. Source: none; a registry of more would be refused for its size.
const LONGEST: u64 = 512 << 20;
/// `FILE_SHARE_READ`; `FILE_NON_DIRECTORY_FILE` and `FILE_SYNCHRONOUS_IO_NONALERT`.
const SHARE_READ: u32 = 1;
const PLAIN_FILE: u32 = 0x60;

impl Cx<'_> {
    fn place_of(&mut self, file: Handle, right: guest::AccessMask) -> NtResult<Place> {
        let id = self.file_id(file, &[right])?;
        match self.file(id)?.target {
            Target::Node(place) => Ok(place),
            _ => Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
        }
    }

    /// All bytes of a file that a handle names.
    ///
    /// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED` without `FILE_READ_DATA`,
    /// `STATUS_INVALID_DEVICE_REQUEST` for what is no file on a disk, `STATUS_INSUFFICIENT_RESOURCES`.
    pub(crate) fn read_whole_file(&mut self, file: Handle) -> NtResult<Vec<u8>> {
        let place = self.place_of(file, READ_DATA)?;
        let size = self.stat(place)?.size;
        if size > LONGEST {
            return Err(NtStatus::INSUFFICIENT_RESOURCES.into());
        }
        let mut bytes = vec![0; size as usize];
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read_node(place, done as u64, rest)? {
                0 => break,
                read => done += read,
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }

    /// All bytes of a file by its name.
    ///
    /// The statuses of opening it, and of [`Self::read_whole_file`].
    pub(crate) fn read_whole_by_name(&mut self, attributes: UserPtr<ObjectAttributes>) -> NtResult<Vec<u8>> {
        let create = Create {
            desired: READ_DATA,
            allocation: 0,
            attributes: 0,
            share: SHARE_READ,
            disposition: Disposition::Open,
            options: PLAIN_FILE,
        };
        let (handle, _) = open(self, Some(attributes), &create)?;
        let bytes = self.read_whole_file(handle);
        self.close_own(handle);
        bytes
    }

    /// Puts bytes in place of what a file holds.
    ///
    /// `STATUS_ACCESS_DENIED` without `FILE_WRITE_DATA`, `STATUS_DISK_FULL`, and those of [`Self::read_whole_file`].
    pub(crate) fn write_whole_file(&mut self, file: Handle, bytes: &[u8]) -> NtResult<()> {
        let place = self.place_of(file, WRITE_DATA)?;
        self.set_size(place, 0)?;
        Ok(self.write_node(place, 0, bytes)?)
    }
}
