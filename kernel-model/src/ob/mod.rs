//! The object manager: objects, their types and names, handles, and the services that are about them.

mod access;
mod attributes;
mod directory;
mod handle_services;
mod handle_table;
mod manager;
mod types;
mod wait;

pub use attributes::{Attributes, NameToOpen};
pub use directory::{Directory, Lookup, ObjectName};
pub use handle_table::{Entry, HandleAttributes, HandleTable, key_of};
pub use manager::{Body, Object, ObjectId, ObjectManager};
pub use types::{ObjectType, TypeInfo};

use crate::service::Service;

pub(crate) fn services() -> impl Iterator<Item = &'static Service> {
    handle_services::SERVICES.iter().chain(wait::SERVICES)
}
