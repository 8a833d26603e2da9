//! Files of images: opened and read whole by whoever makes a process of one.

use guest::{AccessMask, Handle, NtStatus};

use super::create::{Create, Disposition, find, open_found, option};
use super::file::Target;
use super::name::Name;
use super::rights;
use crate::cx::Cx;
use crate::ob::{Attributes, NameToOpen};
use crate::service::NtResult;

/// The largest file that is taken for an image.
const MAX_FILE: u64 = 0x2000_0000;
/// `FILE_SHARE_READ | FILE_SHARE_DELETE`.
const SHARE: u32 = 5;

impl Cx<'_> {
    /// Opens an image's file by its NT path with the caller's rights, `FILE_EXECUTE` and whatever else is wanted.
    ///
    /// The statuses of `NtOpenFile`.
    pub(crate) fn open_image(&mut self, path: &[u16], more: AccessMask) -> NtResult<Handle> {
        let attributes = Attributes::CASE_INSENSITIVE;
        let name = NameToOpen { name: Some(path.to_vec()), attributes, ..NameToOpen::default() };
        let create = Create {
            desired: AccessMask(rights::EXECUTE.0 | AccessMask::SYNCHRONIZE.0 | more.0),
            allocation: 0,
            attributes: 0,
            share: SHARE,
            disposition: Disposition::Open,
            options: option::NON_DIRECTORY | option::SYNC_NONALERT,
        };
        let found = find(self, &name)?;
        Ok(open_found(self, found, &name, &create)?.0)
    }

    /// All bytes of an image's file, which is open for `FILE_EXECUTE`.
    ///
    /// `STATUS_INVALID_FILE_FOR_SECTION` for what is no file, `STATUS_SECTION_TOO_BIG`, the host's statuses.
    pub(crate) fn image_bytes(&mut self, handle: Handle) -> NtResult<Vec<u8>> {
        let id = self.file_id(handle, &[rights::EXECUTE])?;
        let Target::Node(place) = self.file(id)?.target else {
            return Err(NtStatus::INVALID_FILE_FOR_SECTION.into());
        };
        let size = self.stat(place)?.size;
        if size > MAX_FILE {
            return Err(NtStatus::SECTION_TOO_BIG.into());
        }
        let mut bytes = vec![0; size as usize];
        let read = self.read_node(place, 0, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// The same by a DOS path, for the loader: `C:\folder\name`.
    pub fn read_image(&mut self, path: &str) -> NtResult<Vec<u8>> {
        let path: Name = format!("\\??\\{path}").encode_utf16().collect();
        let handle = self.open_image(&path, rights::READ_DATA)?;
        let bytes = self.image_bytes(handle);
        self.close_own(handle);
        bytes
    }

    /// Closes a handle to an image's file.
    pub(crate) fn close_image(&mut self, handle: Handle) {
        self.close_own(handle);
    }
}
