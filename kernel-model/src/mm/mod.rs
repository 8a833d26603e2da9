//! The memory manager: address spaces, page protections, frames, and the virtual-memory services.

mod allocate;
mod copy;
mod free;
mod memory;
mod pages;
mod protect;
mod protect_services;
mod query;
mod region;
mod space;
mod system;
mod user;

pub use memory::{Frames, Invalidate, Memory, Phys, Translation};
pub use pages::{Frame, Pte};
pub use protect::Protect;
pub use space::{AddressSpace, Limits, StackRegion, Vad, VadKind};
pub use user::UserMemory;

use crate::service::Service;

pub(crate) fn services() -> impl Iterator<Item = &'static Service> {
    let tables = [allocate::SERVICES, free::SERVICES, protect_services::SERVICES, query::SERVICES, copy::SERVICES];
    tables.into_iter().flatten()
}
