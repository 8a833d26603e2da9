//! The object manager: objects, their types and names, handles, and the services that are about them.

mod access;
mod attributes;
mod directory;
mod directory_services;
mod duplicate;
mod handle_services;
mod handle_table;
mod kernel_handles;
mod link_services;
mod lookup;
mod manager;
mod namespace;
mod query;
mod types;
mod wait;
mod wait_services;

pub(crate) use access::SECURITY_GAP;
pub use attributes::{Attributes, NameToOpen, read_name};
pub use directory::{Directory, ObjectName, same_name, upcase};
pub use handle_table::{Closed, Entry, HandleAttributes, HandleTable, RefCache, key_of};
pub use kernel_handles::{KERNEL_HANDLE_MASK, kernel_key, to_kernel_handle};
pub use lookup::{Lookup, Traverse, Walk};
pub use manager::{Body, Object, ObjectId, ObjectManager, Waiter};
pub use types::{ObjectType, TypeInfo, Types};
pub use wait::{MAXIMUM_WAIT_OBJECTS, WaitBlock, WaitKind, block_on, try_wait};

use crate::service::Service;

pub(crate) fn services() -> impl Iterator<Item = &'static Service> {
    let tables = [
        handle_services::SERVICES,
        duplicate::SERVICES,
        query::SERVICES,
        directory_services::SERVICES,
        link_services::SERVICES,
        namespace::SERVICES,
        wait_services::SERVICES,
    ];
    tables.into_iter().flatten()
}
