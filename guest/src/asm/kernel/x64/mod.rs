//! The 64-bit kernel's own code.

mod dispatch;
mod entry;
mod exit;
mod library;
mod slow;
mod traps;

use super::super::error::AsmError;
use super::super::item::Item;
use super::fields::Fields;

/// The selectors of a 64-bit Windows, with the privilege level in the low bits.
pub(super) mod selector {
    /// 32-bit code of ring 3.
    pub(super) const USER_CODE_32: i32 = 0x23;
    /// Data of ring 3.
    pub(super) const USER_DATA: i32 = 0x2b;
    /// 64-bit code of ring 3.
    pub(super) const USER_CODE: i32 = 0x33;
    /// What of a CS is not zero for user code.
    pub(super) const USER_MODE: i32 = 1;
}

/// Everything.
pub(super) fn items(fields: &Fields) -> Result<Vec<Item>, AsmError> {
    let mut items = vec![entry::system_call(fields)?];
    items.extend(traps::items(fields)?);
    items.extend(library::items(fields)?);
    Ok(items)
}
