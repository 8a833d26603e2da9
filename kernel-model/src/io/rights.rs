//! `FILE_*`: rights to files and directories, and attributes.

use guest::AccessMask;

pub(super) const READ_DATA: AccessMask = AccessMask(0x1);
pub(super) const WRITE_DATA: AccessMask = AccessMask(0x2);
pub(super) const APPEND_DATA: AccessMask = AccessMask(0x4);
pub(super) const EXECUTE: AccessMask = AccessMask(0x20);
pub(super) const DELETE_CHILD: AccessMask = AccessMask(0x40);
pub(super) const READ_ATTRIBUTES: AccessMask = AccessMask(0x80);
pub(super) const WRITE_ATTRIBUTES: AccessMask = AccessMask(0x100);
pub(super) const DELETE: AccessMask = AccessMask(0x1_0000);
pub(super) const NONE: AccessMask = AccessMask(0);
/// The same bits for directories.
pub(super) const LIST_DIRECTORY: AccessMask = READ_DATA;
pub(super) const ADD_FILE: AccessMask = WRITE_DATA;
pub(super) const ADD_SUBDIRECTORY: AccessMask = APPEND_DATA;

/// `FILE_ATTRIBUTE_*`.
pub(crate) mod attribute {
    pub(crate) const READ_ONLY: u32 = 0x1;
    pub(crate) const HIDDEN: u32 = 0x2;
    pub(crate) const SYSTEM: u32 = 0x4;
    pub(crate) const DIRECTORY: u32 = 0x10;
    pub(crate) const ARCHIVE: u32 = 0x20;
    pub(crate) const NORMAL: u32 = 0x80;
    pub(crate) const TEMPORARY: u32 = 0x100;
    pub(crate) const OFFLINE: u32 = 0x1000;
    pub(crate) const NOT_INDEXED: u32 = 0x2000;
    /// `FILE_ATTRIBUTE_VALID_FLAGS`.
    pub(crate) const VALID: u32 = 0x7fb7;
    /// Those that a caller can set (`FILE_ATTRIBUTE_VALID_SET_FLAGS`), as far as a volume keeps them.
    pub(crate) const SETTABLE: u32 = READ_ONLY | HIDDEN | SYSTEM | ARCHIVE | TEMPORARY | OFFLINE | NOT_INDEXED;
}
