//! The memory manager: address spaces, page protections, frames, and the virtual-memory services.

mod allocate;
mod copy;
mod flush;
mod free;
mod memory;
mod pages;
mod place;
mod protect;
mod protect_services;
mod query;
mod region;
mod section;
mod section_query;
mod segment;
mod space;
mod spaces;
mod system;
mod user;
mod view;

pub use memory::{Frames, Invalidate, Memory, Phys, Translation};
pub use pages::{Frame, Pte};
pub use place::{StackRequest, UserStack};
pub use protect::Protect;
pub use section::Section;
pub use segment::SegmentId;
pub use space::{AddressSpace, Limits, StackRegion, Vad, VadKind, View};
pub use user::UserMemory;

use crate::service::Service;

pub(crate) fn services() -> impl Iterator<Item = &'static Service> {
    let tables = [allocate::SERVICES, free::SERVICES, protect_services::SERVICES, query::SERVICES, copy::SERVICES];
    let sections = [section::SERVICES, section_query::SERVICES, view::SERVICES, flush::SERVICES];
    tables.into_iter().chain(sections).flatten()
}
