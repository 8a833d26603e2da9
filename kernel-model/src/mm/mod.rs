//! The memory manager: address spaces, page protections, frames, and the virtual-memory services.

mod allocate;
mod copy;
mod flush;
mod free;
mod hints;
mod image;
mod image_view;
mod kernel_view;
mod lock_pages;
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
mod write_watch;

pub use image::{ImageInformation, SectionImage, machine, section_protect};
pub use memory::{Frames, Invalidate, Memory, Phys, Translation};
pub use pages::{Frame, Pte};
pub use place::{StackRequest, UserStack};
pub use protect::Protect;
pub(crate) use query::nt_query_virtual_memory;
pub use section::Section;
pub use segment::{FileKey, SegmentId, Segments};
pub use space::{AddressSpace, Limits, StackRegion, Vad, VadKind, View};
pub use user::UserMemory;

use guest::mem::PAGE_SIZE;

use crate::service::Service;

/// Whole pages for so many bytes.
const fn whole(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE_SIZE)
}

pub(crate) fn services() -> impl Iterator<Item = &'static Service> {
    let tables = [
        allocate::SERVICES,
        free::SERVICES,
        protect_services::SERVICES,
        query::SERVICES,
        copy::SERVICES,
        flush::SERVICES,
    ];
    let more = [lock_pages::SERVICES, write_watch::SERVICES, hints::SERVICES];
    let sections = [section::SERVICES, section_query::SERVICES, view::SERVICES];
    tables.into_iter().chain(more).chain(sections).flatten()
}
