//! The kernel's own handle table (`ObpKernelHandleTable`): its handles are good in every process, and for kernel code
//! alone. A handle that user mode could guess has no meaning there.

use guest::Handle;

use super::attributes::Attributes;
use super::handle_table::{Closed, Entry, HandleTable};
use crate::cx::{Cx, ProcessKey};

/// `KERNEL_HANDLE_MASK`: the bits by which a kernel handle is told from a process's. On 32-bit kernels the upper half is
/// not stored, and comes back as the sign.
pub const KERNEL_HANDLE_MASK: u64 = 0xffff_ffff_8000_0000;

/// The value that a handle of the kernel table is known by.
pub const fn to_kernel_handle(key: Handle) -> Handle {
    Handle(key.0 ^ KERNEL_HANDLE_MASK)
}

/// Where a handle is in the kernel table, if it has a kernel handle's form.
pub const fn kernel_key(handle: Handle) -> Option<Handle> {
    if handle.0 & KERNEL_HANDLE_MASK == KERNEL_HANDLE_MASK { Some(Handle(handle.0 ^ KERNEL_HANDLE_MASK)) } else { None }
}

impl Cx<'_> {
    /// Whether a new handle goes into the kernel table: `OBJ_KERNEL_HANDLE` of a caller in user mode counts for nothing.
    pub(crate) fn wants_kernel_handle(&self, attributes: Attributes) -> bool {
        attributes.contains(Attributes::KERNEL_HANDLE) && self.kernel.ps.thread.kernel_mode
    }

    /// The table that a handle is in for whoever calls, and its key there: the process's, or the kernel's.
    pub(crate) fn handle_table(&self, process: ProcessKey, handle: Handle) -> Option<(&HandleTable, Handle)> {
        match kernel_key(handle) {
            Some(key) if self.kernel.ps.thread.kernel_mode => Some((&self.kernel.ob.kernel_handles, key)),
            _ => Some((&self.kernel.ps.get(process)?.handles, handle)),
        }
    }

    /// The same, to change it.
    pub(crate) fn handle_table_mut(
        &mut self, process: ProcessKey, handle: Handle,
    ) -> Option<(&mut HandleTable, Handle)> {
        match kernel_key(handle) {
            Some(key) if self.kernel.ps.thread.kernel_mode => Some((&mut self.kernel.ob.kernel_handles, key)),
            _ => Some((&mut self.kernel.ps.get_mut(process)?.handles, handle)),
        }
    }

    /// The entry of a handle, to change it.
    pub(crate) fn handle_entry_mut(&mut self, handle: Handle) -> Option<&mut Entry> {
        let (table, key) = self.handle_table_mut(self.kernel.ps.current_process().id, handle)?;
        table.get_mut(key)
    }

    /// The entry of a handle of a process, which is used.
    pub(crate) fn use_entry(&mut self, process: ProcessKey, handle: Handle) -> Option<Entry> {
        let (table, key) = self.handle_table_mut(process, handle)?;
        let (entry, change) = table.take_reference(key)?;
        self.kernel.ob.handle_used(entry.object, change);
        Some(entry)
    }

    /// Takes a handle out of its table; the object is not told.
    pub(crate) fn remove_entry(&mut self, process: ProcessKey, handle: Handle) -> Option<Closed> {
        let (table, key) = self.handle_table_mut(process, handle)?;
        table.remove(super::handle_table::key_of(key))
    }
}
